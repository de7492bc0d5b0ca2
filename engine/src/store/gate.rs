//! The one place that every write passes, where tests make it fail.

use std::fmt;

/// A step of a write transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteStep {
    /// The transaction is about to begin.
    Begin,
    /// A row is about to be written.
    Row,
    /// The transaction is about to be made durable.
    Commit,
    /// It is durable, and the caller is about to be told.
    Committed,
}

/// The gate is closed: the step does not happen. (After [`WriteStep::Committed`] it has happened.)
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GateClosed;

/// Decides whether a write goes on. The product has none; tests inject failures here.
pub trait WriteGate: Send {
    /// Lets a step happen, or not.
    ///
    /// # Errors
    /// [`GateClosed`] makes the step fail as a broken disk would.
    fn pass(&self, step: WriteStep) -> Result<(), GateClosed>;
}

impl fmt::Display for WriteStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            WriteStep::Begin => "begin",
            WriteStep::Row => "row",
            WriteStep::Commit => "commit",
            WriteStep::Committed => "committed",
        })
    }
}
