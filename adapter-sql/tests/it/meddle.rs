//! A link that lets somebody act while the engine signs.

use std::sync::Arc;

use treaty::capture::ShownRow;
use treaty::link::{EngineLink, LinkError, Page, Work};
use treaty_engine::causality::Version;
use treaty_engine::identity::Identity;
use treaty_engine::relation::RowId;
use treaty_engine::replica::{Batch, ImportOutcome, RowChange, RowImage};

/// Calls back once, after the first import and before the adapter hears of it.
pub(crate) struct Meddling<'m, M> {
    inner: &'m mut dyn EngineLink,
    meddle: Option<M>,
    /// What the import answers afterwards.
    pub(crate) fails: bool,
}

impl<'m, M: FnOnce()> Meddling<'m, M> {
    pub(crate) fn new(inner: &'m mut dyn EngineLink, meddle: M) -> Meddling<'m, M> {
        Meddling { inner, meddle: Some(meddle), fails: false }
    }
}

impl<M: FnOnce()> EngineLink for Meddling<'_, M> {
    fn import(&mut self, work: Arc<Work>) -> Result<ImportOutcome, LinkError> {
        let outcome = self.inner.import(work);
        if let Some(meddle) = self.meddle.take() {
            meddle();
            if self.fails {
                return Err(LinkError::Stopped);
            }
        }
        outcome
    }

    fn knows(&mut self, version: &Version) -> Result<bool, LinkError> {
        self.inner.knows(version)
    }
    fn signs_for(&mut self, author: &Identity) -> Result<bool, LinkError> {
        self.inner.signs_for(author)
    }
    fn rows_at(&mut self, at: &Version, rows: &[ShownRow]) -> Result<Vec<Option<RowImage>>, LinkError> {
        self.inner.rows_at(at, rows)
    }
    fn page_at(&mut self, at: &Version, page: Page) -> Result<Vec<(RowId, RowImage)>, LinkError> {
        self.inner.page_at(at, page)
    }
    fn next_batch(&mut self, from: &Version, rows_max: usize) -> Result<Batch, LinkError> {
        self.inner.next_batch(from, rows_max)
    }
    fn ripples(&mut self, from: &Version, to: &Version, rows: &[ShownRow]) -> Result<Vec<RowChange>, LinkError> {
        self.inner.ripples(from, to, rows)
    }
    fn receipt(&mut self) -> Result<Option<(Vec<u8>, Version)>, LinkError> {
        self.inner.receipt()
    }
    fn note(&mut self, key: &str) -> Result<Option<Vec<u8>>, LinkError> {
        self.inner.note(key)
    }
    fn set_note(&mut self, key: &str, bytes: &[u8]) -> Result<(), LinkError> {
        self.inner.set_note(key, bytes)
    }
}
