//! The engine as the adapter's thread reaches it: each call is a message to the engine's thread, and waits.

use std::sync::Arc;
use std::sync::mpsc::sync_channel;

use tokio::sync::mpsc;
use treaty_engine::identity::Identity;
use treaty_engine::relation::RowId;
use treaty_engine::replica::{Batch, ImportOutcome, RowChange, RowImage, Shown};

use super::core::Message;
use crate::capture::ShownRow;
use crate::link::{EngineLink, LinkError, Page, ReplicaLink, Work};

/// A way to the replica from another thread. Never to be used in the engine's own thread.
#[derive(Clone)]
pub(crate) struct ThreadLink {
    engine: mpsc::Sender<Message>,
}

impl ThreadLink {
    /// Reaches the thread that reads `engine`'s other end.
    pub(crate) fn new(engine: mpsc::Sender<Message>) -> ThreadLink {
        ThreadLink { engine }
    }

    /// Has `work` done with the replica and waits for the answer.
    ///
    /// # Errors
    /// [`LinkError::Stopped`] if the thread has ended, or has no replica yet; those of `work`.
    pub(crate) fn ask<R: Send + 'static>(
        &self,
        work: impl FnOnce(&mut ReplicaLink<'_>) -> Result<R, LinkError> + Send + 'static,
    ) -> Result<R, LinkError> {
        let (answer, answered) = sync_channel(1);
        let job = Box::new(move |link: Option<ReplicaLink<'_>>| {
            let result = link.map_or(Err(LinkError::Stopped), |mut link| work(&mut link));
            // Whoever asked may be gone; then nobody is interested.
            let _ = answer.send(result);
        });
        self.engine.blocking_send(Message::Job(job)).map_err(|_| LinkError::Stopped)?;
        answered.recv().unwrap_or(Err(LinkError::Stopped))
    }
}

impl EngineLink for ThreadLink {
    fn knows(&mut self, shown: &Shown) -> Result<bool, LinkError> {
        let shown = shown.clone();
        self.ask(move |link| link.knows(&shown))
    }

    fn signs_for(&mut self, author: &Identity) -> Result<bool, LinkError> {
        let author = *author;
        self.ask(move |link| link.signs_for(&author))
    }

    fn join(&mut self, base: &Shown, with: &Shown) -> Result<Shown, LinkError> {
        let (base, with) = (base.clone(), with.clone());
        self.ask(move |link| link.join(&base, &with))
    }

    fn rows_at(&mut self, at: &Shown, rows: &[ShownRow]) -> Result<Vec<Option<RowImage>>, LinkError> {
        let (at, rows) = (at.clone(), rows.to_vec());
        self.ask(move |link| link.rows_at(&at, &rows))
    }

    fn page_at(&mut self, at: &Shown, page: Page) -> Result<Vec<(RowId, RowImage)>, LinkError> {
        let at = at.clone();
        self.ask(move |link| link.page_at(&at, page))
    }

    fn import(&mut self, work: Arc<Work>) -> Result<ImportOutcome, LinkError> {
        self.ask(move |link| link.import(work))
    }

    fn next_batch(&mut self, from: &Shown, rows_max: usize) -> Result<Batch, LinkError> {
        let from = from.clone();
        self.ask(move |link| link.next_batch(&from, rows_max))
    }

    fn ripples(&mut self, from: &Shown, to: &Shown, rows: &[ShownRow]) -> Result<Vec<RowChange>, LinkError> {
        let (from, to, rows) = (from.clone(), to.clone(), rows.to_vec());
        self.ask(move |link| link.ripples(&from, &to, &rows))
    }

    fn receipt(&mut self) -> Result<Option<(Vec<u8>, Shown)>, LinkError> {
        self.ask(|link| link.receipt())
    }

    fn note(&mut self, key: &str) -> Result<Option<Vec<u8>>, LinkError> {
        let key = key.to_owned();
        self.ask(move |link| link.note(&key))
    }

    fn set_note(&mut self, key: &str, bytes: &[u8]) -> Result<(), LinkError> {
        let (key, bytes) = (key.to_owned(), bytes.to_vec());
        self.ask(move |link| link.set_note(&key, &bytes))
    }
}
