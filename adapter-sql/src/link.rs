//! What the adapter asks of the engine: one trait, so that the adapter works with a replica at hand (tests, commands) and
//! with one that another thread owns (the sidecar).
//!
//! Calls block. What is asked about is what the tables showed or will show; rows are named as tables show them.

use std::sync::Arc;

use treaty_engine::fault::Fault;
use treaty_engine::identity::Identity;
use treaty_engine::relation::RowId;
use treaty_engine::replica::{
    Batch, ImportOutcome, LocalTransaction, LocalWork, Note, Replica, ReplicaError, RowChange, RowImage, Shown,
};

use crate::capture::ShownRow;
use crate::keystore::{Keystore, KeystoreError};

/// The engine, as the adapter needs it.
pub trait EngineLink {
    /// Says whether the log holds what the tables show.
    ///
    /// # Errors
    /// [`LinkError`], as every function here.
    fn knows(&mut self, shown: &Shown) -> Result<bool, LinkError>;

    /// Says whether a key of `author` is here now.
    ///
    /// # Errors
    /// [`LinkError::Keys`] if it is and cannot be used; [`LinkError`].
    fn signs_for(&mut self, author: &Identity) -> Result<bool, LinkError>;

    /// Returns what tables show that showed `base` and to which what `with` shows was added: by the verdicts of `base`.
    ///
    /// # Errors
    /// [`LinkError`]; also if the log does not hold one of them.
    fn join(&mut self, base: &Shown, with: &Shown) -> Result<Shown, LinkError>;

    /// Returns the rows shown under the given ids, in that order.
    ///
    /// # Errors
    /// [`LinkError`].
    fn rows_at(&mut self, at: &Shown, rows: &[ShownRow]) -> Result<Vec<Option<RowImage>>, LinkError>;

    /// Returns rows that a table shows, ascending by the id that their insert gave them, with that id.
    ///
    /// All rows of one such id are on one page, which may therefore be longer than asked for. Empty at the end.
    ///
    /// # Errors
    /// [`LinkError`].
    fn page_at(&mut self, at: &Shown, page: Page) -> Result<Vec<(RowId, RowImage)>, LinkError>;

    /// Signs local transactions and stores them, durably, together with the receipt.
    ///
    /// # Errors
    /// [`LinkError`]; then nothing was stored.
    fn import(&mut self, work: Arc<Work>) -> Result<ImportOutcome, LinkError>;

    /// Returns what tables that show `from` must change to show more; no changes and `is_last` if there is nothing.
    ///
    /// # Errors
    /// [`LinkError`].
    fn next_batch(&mut self, from: &Shown, rows_max: usize) -> Result<Batch, LinkError>;

    /// Returns what becomes of rows that local work deleted, and of rows that are shown otherwise for it.
    ///
    /// # Errors
    /// [`LinkError`].
    fn ripples(&mut self, from: &Shown, to: &Shown, rows: &[ShownRow]) -> Result<Vec<RowChange>, LinkError>;

    /// Returns the receipt of the last import and what the tables showed after it; none before the first.
    ///
    /// # Errors
    /// [`LinkError`].
    fn receipt(&mut self) -> Result<Option<(Vec<u8>, Shown)>, LinkError>;

    /// Returns the note under `key`.
    ///
    /// # Errors
    /// [`LinkError`].
    fn note(&mut self, key: &str) -> Result<Option<Vec<u8>>, LinkError>;

    /// Keeps a note under `key`, durably.
    ///
    /// # Errors
    /// [`LinkError`].
    fn set_note(&mut self, key: &str, bytes: &[u8]) -> Result<(), LinkError>;
}

/// Some rows of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// Index of the table.
    pub table: usize,
    /// Rows after this id; from the first if none.
    pub after: Option<RowId>,
    /// At most so many.
    pub rows_max: usize,
}

/// Local transactions to sign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Work {
    /// Their author.
    pub author: Identity,
    /// What the tables showed.
    pub on: Shown,
    /// The transactions, in order; not empty.
    pub transactions: Vec<LocalTransaction>,
    /// Kept in the same write transaction as the entries, for [`EngineLink::receipt`].
    pub receipt: Vec<u8>,
}

/// The engine did not answer.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// It failed.
    #[error("the engine failed")]
    Engine(#[from] ReplicaError),
    /// A key cannot be used.
    #[error("a key cannot be used")]
    Keys(#[from] KeystoreError),
    /// A key that was here is gone.
    #[error("the key of {author} was removed while it was about to sign; start the sidecar again")]
    KeyGone {
        /// Whose.
        author: Identity,
    },
    /// It does not hold what the adapter kept there.
    #[error("the engine's notes are damaged")]
    Damaged,
    /// Its thread has ended.
    #[error("the engine has stopped")]
    Stopped,
}

impl LinkError {
    /// Returns who is at fault.
    pub fn fault(&self) -> Fault {
        match self {
            LinkError::Engine(cause) => cause.fault(),
            LinkError::Damaged => Fault::Storage,
            LinkError::Keys(_) | LinkError::KeyGone { .. } | LinkError::Stopped => Fault::Local,
        }
    }
}

/// Key of the note that holds the receipt.
const RECEIPT: &str = "capture.receipt";

/// A replica at hand, with the keys that sign for the node.
pub struct ReplicaLink<'l> {
    /// The replica.
    pub replica: &'l mut Replica,
    /// The keys of the node's identity and of further authors.
    pub keys: &'l mut Keystore,
    /// The clock, in milliseconds since 1970.
    pub now_ms: u64,
}

impl EngineLink for ReplicaLink<'_> {
    fn knows(&mut self, shown: &Shown) -> Result<bool, LinkError> {
        Ok(self.replica.knows(shown)?)
    }

    fn signs_for(&mut self, author: &Identity) -> Result<bool, LinkError> {
        Ok(self.keys.key_of(author)?.is_some())
    }

    fn join(&mut self, base: &Shown, with: &Shown) -> Result<Shown, LinkError> {
        Ok(Shown { version: self.replica.joined(&base.version, &with.version)?, basis: base.basis })
    }

    fn rows_at(&mut self, at: &Shown, rows: &[ShownRow]) -> Result<Vec<Option<RowImage>>, LinkError> {
        let keys: Vec<(usize, RowId)> = rows.iter().map(|row| (row.table, row.id)).collect();
        Ok(self.replica.rows_by_id(&keys, at)?)
    }

    fn page_at(&mut self, at: &Shown, page: Page) -> Result<Vec<(RowId, RowImage)>, LinkError> {
        let Page { table, after, rows_max } = page;
        Ok(self.replica.page_of_rows(table, at, after, rows_max)?)
    }

    fn import(&mut self, work: Arc<Work>) -> Result<ImportOutcome, LinkError> {
        let note = Note { key: RECEIPT, bytes: &work.receipt };
        let Work { author, on, transactions, .. } = &*work;
        let key = self.keys.key_of(author)?.ok_or(LinkError::KeyGone { author: *author })?;
        let work = LocalWork { on, transactions, note: Some(note), time_ms: self.now_ms };
        Ok(self.replica.import(&key, work)?)
    }

    fn next_batch(&mut self, from: &Shown, rows_max: usize) -> Result<Batch, LinkError> {
        Ok(self.replica.next_batch(from, rows_max)?)
    }

    fn ripples(&mut self, from: &Shown, to: &Shown, rows: &[ShownRow]) -> Result<Vec<RowChange>, LinkError> {
        let keys: Vec<(usize, RowId)> = rows.iter().map(|row| (row.table, row.id)).collect();
        Ok(self.replica.ripples(from, to, &keys)?)
    }

    fn receipt(&mut self) -> Result<Option<(Vec<u8>, Shown)>, LinkError> {
        let Some(bytes) = self.replica.note(RECEIPT)? else { return Ok(None) };
        let shown = self.replica.note_shown(RECEIPT)?.ok_or(LinkError::Damaged)?;
        Ok(Some((bytes, shown)))
    }

    fn note(&mut self, key: &str) -> Result<Option<Vec<u8>>, LinkError> {
        Ok(self.replica.note(key)?)
    }

    fn set_note(&mut self, key: &str, bytes: &[u8]) -> Result<(), LinkError> {
        Ok(self.replica.set_note(Note { key, bytes })?)
    }
}
