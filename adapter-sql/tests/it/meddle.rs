//! Links that misbehave or know more: somebody acts while the engine signs, and a node that has two keys.

use std::sync::Arc;

use treaty::capture::ShownRow;
use treaty::link::{EngineLink, LinkError, Page, ReplicaLink, Work};
use treaty_engine::causality::Version;
use treaty_engine::identity::{Identity, Keypair};
use treaty_engine::relation::RowId;
use treaty_engine::replica::{Batch, ImportOutcome, Replica, RowChange, RowImage};

/// A node that signs for a second identity.
pub(crate) struct TwoKeys<'t> {
    pub(crate) replica: &'t mut Replica,
    pub(crate) own: &'t Keypair,
    pub(crate) second: &'t Keypair,
}

impl TwoKeys<'_> {
    fn link(&mut self, author: &Identity) -> ReplicaLink<'_> {
        let keypair = if *author == self.second.identity() { self.second } else { self.own };
        ReplicaLink { replica: self.replica, keypair, now_ms: 0 }
    }

    fn any(&mut self) -> ReplicaLink<'_> {
        let own = self.own.identity();
        self.link(&own)
    }
}

impl EngineLink for TwoKeys<'_> {
    fn signs_for(&mut self, author: &Identity) -> Result<bool, LinkError> {
        self.link(author).signs_for(author)
    }
    fn import(&mut self, work: Arc<Work>) -> Result<ImportOutcome, LinkError> {
        let author = work.author;
        self.link(&author).import(work)
    }
    fn knows(&mut self, version: &Version) -> Result<bool, LinkError> {
        self.any().knows(version)
    }
    fn rows_at(&mut self, at: &Version, rows: &[ShownRow]) -> Result<Vec<Option<RowImage>>, LinkError> {
        self.any().rows_at(at, rows)
    }
    fn page_at(&mut self, at: &Version, page: Page) -> Result<Vec<(RowId, RowImage)>, LinkError> {
        self.any().page_at(at, page)
    }
    fn next_batch(&mut self, from: &Version, rows_max: usize) -> Result<Batch, LinkError> {
        self.any().next_batch(from, rows_max)
    }
    fn ripples(&mut self, from: &Version, to: &Version, rows: &[ShownRow]) -> Result<Vec<RowChange>, LinkError> {
        self.any().ripples(from, to, rows)
    }
    fn receipt(&mut self) -> Result<Option<(Vec<u8>, Version)>, LinkError> {
        self.any().receipt()
    }
    fn note(&mut self, key: &str) -> Result<Option<Vec<u8>>, LinkError> {
        self.any().note(key)
    }
    fn set_note(&mut self, key: &str, bytes: &[u8]) -> Result<(), LinkError> {
        self.any().set_note(key, bytes)
    }
}

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
