//! Capture: from what the triggers noted to what is signed. Common to all databases.
//!
//! * [`plan`] - queue lines to transactions.
//! * [`effect`] - a row before and after to an operation.
//! * [`Report`] - what applications are told about work that did not last.
//! * `touched`, `author`, `intake` - what one drain takes, and who signs it.
//! * `receipt` - what was taken last, so that it is taken once.
//! * `drain`, `finish`, `unmarked` - out of the queue, into the log, and the rows marked; `settle` - after a crash.

mod author;
mod drain;
mod effect;
mod finish;
mod intake;
mod plan;
mod receipt;
mod report;
mod settle;
mod touched;
mod unmarked;

pub use drain::Drained;
pub use effect::{Effect, Image, effect};
pub use intake::value_bytes;
pub use plan::{Group, GroupRow, Line, Pauses, Plan, Said, ShownRow, plan};
pub use report::{BadCell, Operation, Report, Step, json_object, json_of_columns, json_of_some, json_text};

pub(crate) use drain::Capture;
pub(crate) use unmarked::Unmarked;

use intake::{Draft, DraftRow, Intake, Source, Taken, Upkeep};
use receipt::Receipt;
use touched::{RowReader, Touched};
