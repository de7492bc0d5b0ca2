//! Capture: from what the triggers noted to what is signed. Common to both databases; touches neither.
//!
//! * [`plan`] - queue lines to transactions.
//! * [`effect`] - a row before and after to an operation.

mod effect;
mod plan;

pub use effect::{Effect, Image, effect};
pub use plan::{Group, GroupRow, Line, Pauses, Said, ShownRow, plan};
