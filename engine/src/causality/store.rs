//! What causality asks of a store: one encoded clock per entry.

use std::ops::{ControlFlow, Deref};

use crate::fault::StoreError;
use crate::log::{LogStore, LogWriter, Pos};

/// Reads clocks. What their bytes mean only this room knows.
pub trait ClockStore: LogStore {
    /// Hands the clocks of a chain to `visit`, from `from` downwards, until it breaks or the chain ends.
    ///
    /// * returns - whatever `visit` broke with; none if the chain ended first.
    fn visit_clocks<B>(&self, from: Pos, visit: impl FnMut(&[u8]) -> ControlFlow<B>) -> Result<Option<B>, StoreError>;
}

/// Writes clocks, inside one write transaction.
pub trait ClockWriter: LogWriter + Deref<Target: ClockStore> {
    /// Keeps the clock of an entry.
    fn insert_clock(&self, pos: Pos, clock: &[u8]) -> Result<(), StoreError>;
}
