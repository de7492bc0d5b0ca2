//! Capture: from what the triggers noted to what is signed. Common to both databases; touches neither.
//!
//! * [`plan`] - queue lines to transactions.
//! * [`effect`] - a row before and after to an operation.
//! * [`Report`] - what applications are told about work that did not last.

mod effect;
mod plan;
mod report;

pub use effect::{Effect, Image, effect};
pub use plan::{Group, GroupRow, Line, Pauses, Plan, Said, ShownRow, plan};
pub use report::{BadCell, Operation, Report, Step, json_object, json_of_columns, json_of_some, json_text};
