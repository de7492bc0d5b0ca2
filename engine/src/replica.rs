//! A replica of one space: the log, what it means, and the store under both. The one type that net and adapters hold.
//!
//! Synchronous and single-threaded; everything that arrives is judged, kept and merged in the write transaction that
//! stores it, so a replica is whole after a crash at any instant. What local tables show is the caller's to track: work
//! is imported *on* what they show, and batches lead *from* there to what they show later.
//!
//! Spec: docs/spec/relation.md, docs/spec/admission.md.

mod admit;
mod batch;
mod digest;
mod error;
mod genesis;
mod history;
mod import;
mod ingest;
mod local;
mod peers;
mod read;
mod report;
mod scene;
mod source;
mod types;

use std::cell::{Cell, RefCell};

use treaty_schema::Schema;

use self::admit::Desk;
use crate::causality::{Index, Version, VersionError};
use crate::cotx::{Views, may_read_peers};
use crate::hash::SpaceId;
use crate::identity::{Identity, Keypair};
use crate::log::Entry;
use crate::relation::{HeadCache, Layout, RowId};
use crate::store::{Sqlite, StoreError};

pub use error::ReplicaError;
pub use types::{
    Batch, GenesisDraft, ImportOutcome, IngestOutcome, LocalOperation, LocalRow, LocalTransaction, LocalWork, LogItem,
    LogOperation, LogPage, LogTransaction, Note, Report, RowChange, RowImage, Shown, TransactionName, Verb, Verdict,
};

/// A replica of one space.
pub struct Replica {
    store: Sqlite,
    index: Index,
    layout: Layout,
    heads: RefCell<HeadCache>,
    /// Verdicts of views that were worked out.
    views: Views,
    /// Co-transactions whose verdicts were worked out since this was opened.
    evaluations: Cell<u64>,
    /// A write transaction failed: what memory holds may be ahead of the store.
    is_stale: bool,
}

impl Replica {
    /// Begins a new space in an empty store.
    ///
    /// # Errors
    /// [`ReplicaError::Schema`] if the patch makes no valid schema; [`ReplicaError::Refused`] if a row breaks it;
    /// [`ReplicaError::NotEmpty`]; [`ReplicaError::Store`]. Nothing is kept then.
    pub fn create(
        store: Sqlite,
        founder: &Keypair,
        draft: GenesisDraft,
        time_ms: u64,
    ) -> Result<Replica, ReplicaError> {
        genesis::create(store, founder, draft, time_ms)
    }

    /// Joins a space: an empty store, and the genesis entry that a peer sent.
    ///
    /// * `expected` - the space as the ticket names it.
    ///
    /// # Errors
    /// [`ReplicaError::Refused`] if the entry is not that space's genesis, or not a valid one;
    /// [`ReplicaError::NotEmpty`]; [`ReplicaError::Store`]. Nothing is kept then.
    #[expect(clippy::needless_pass_by_value, reason = "a replica keeps what founds it")]
    pub fn join(store: Sqlite, genesis: Entry, expected: SpaceId) -> Result<Replica, ReplicaError> {
        genesis::join(store, &genesis, expected)
    }

    /// Opens the replica that a store holds; none if the store is empty.
    ///
    /// Over a store opened for reading, it shows the state of now for as long as it lives: keep it short, the writer's
    /// log grows meanwhile.
    ///
    /// # Errors
    /// [`ReplicaError::Store`], [`ReplicaError::Schema`] if the store is damaged.
    pub fn open(store: Sqlite) -> Result<Option<Replica>, ReplicaError> {
        genesis::open(store)
    }

    /// Returns the space.
    pub fn space(&self) -> SpaceId {
        self.index.space().unwrap_or(SpaceId::NONE)
    }

    /// Returns the schema in force.
    pub fn schema(&self) -> &Schema {
        self.layout.schema()
    }

    /// Returns the version of everything held.
    pub fn frontier(&self) -> Version {
        self.index.version()
    }

    /// Returns what tables show that show everything held.
    ///
    /// # Errors
    /// [`ReplicaError::Store`].
    pub fn newest(&self) -> Result<Shown, ReplicaError> {
        Ok(Shown { version: self.frontier(), basis: self.basis()? })
    }

    /// Returns how many entries are held.
    pub fn entry_count(&self) -> u64 {
        self.index.entry_count()
    }

    /// Returns how many verdicts were worked out since the replica was opened, admission aside: a measure of cost.
    pub fn evaluation_count(&self) -> u64 {
        self.evaluations.get()
    }

    /// The causality index, for whoever reconciles with peers.
    pub fn index(&self) -> &Index {
        &self.index
    }

    /// The store, for reading.
    pub fn store(&self) -> &Sqlite {
        &self.store
    }

    /// Judges local co-transactions, signs those that stand into as few entries as hold them, on top of the version that
    /// they were written on, and keeps these together with the note, in one write transaction.
    ///
    /// Each is judged in order, after those before it that stand; one that is refused takes only those with it that
    /// need it. Nothing is written for nothing but refusals, except the note.
    ///
    /// # Errors
    /// [`ReplicaError::Version`], [`ReplicaError::UnknownBasis`] if `work.on` is not held; [`ReplicaError::Store`]. Nothing
    /// is kept then, nor the note.
    pub fn import(&mut self, author: &Keypair, work: LocalWork<'_>) -> Result<ImportOutcome, ReplicaError> {
        self.refresh()?;
        let outcome = self.import_all(author, work);
        if outcome.is_err() {
            self.fall_back();
        }
        outcome
    }

    /// Judges and keeps entries from elsewhere, in any order, and the parked ones that wait for them.
    ///
    /// Idempotent. Kept in write transactions of bounded size, each whole: a failure keeps the earlier ones.
    ///
    /// # Errors
    /// [`ReplicaError::Store`]. Refused entries are no error.
    pub fn ingest(&mut self, entries: Vec<Entry>) -> Result<IngestOutcome, ReplicaError> {
        self.ingest_all(entries)
    }

    /// Returns the next changes for tables that show `from`, on their way to everything held.
    ///
    /// All verdicts of now count from its end on: it holds the rows of every co-transaction of `from` whose verdict is
    /// another one now. It ends between two entries, after the first that brings it to `rows_max` rows; entries are taken in
    /// an order that extends causality, and then those on which a verdict of one of them depends, unless they are too many:
    /// so its end mostly shows what a replica that held no more would. Besides it holds rows whose id or references changed.
    ///
    /// # Errors
    /// [`ReplicaError::Version`], [`ReplicaError::UnknownBasis`] if `from` is not held; [`ReplicaError::Store`].
    pub fn next_batch(&self, from: &Shown, rows_max: usize) -> Result<Batch, ReplicaError> {
        self.changes(from, rows_max)
    }

    /// Returns what becomes of rows that local work deleted, and of rows that are shown otherwise for it: under another id,
    /// with NULL for a reference. Tables that made the deletes themselves lack only this.
    ///
    /// * `from`, `to` - what the tables showed, and what they show with the work.
    /// * `rows` - the tables and ids deleted.
    ///
    /// # Errors
    /// As [`Replica::next_batch`]; [`ReplicaError::UnknownTable`].
    pub fn ripples(&self, from: &Shown, to: &Shown, rows: &[(usize, RowId)]) -> Result<Vec<RowChange>, ReplicaError> {
        self.ripples_of(from, to, rows)
    }

    /// Returns the live row shown under an id at a version, by the verdicts of another.
    ///
    /// * `from` - whose verdicts count; it holds `at`. The frontier: as far as is known now. `at` itself: what a replica
    ///   that held nothing else showed.
    ///
    /// # Errors
    /// [`ReplicaError::Version`], [`ReplicaError::NotWithin`], [`ReplicaError::UnknownTable`], [`ReplicaError::Store`].
    pub fn row_at(
        &self,
        table: usize,
        id: RowId,
        at: &Version,
        from: &Version,
    ) -> Result<Option<RowImage>, ReplicaError> {
        self.read_row((table, id), at, from)
    }

    /// Returns the rows that tables show under ids, in the order asked for: what they show is looked up once.
    ///
    /// * `rows` - tables and ids.
    ///
    /// # Errors
    /// As [`Replica::next_batch`]; [`ReplicaError::UnknownTable`].
    pub fn rows_by_id(&self, rows: &[(usize, RowId)], shown: &Shown) -> Result<Vec<Option<RowImage>>, ReplicaError> {
        self.read_rows_by_id(rows, shown)
    }

    /// Returns rows that a table shows, ascending by the id that their insert gave them, with that id.
    ///
    /// All rows of one such id are on one page, which may therefore be longer than `rows_max`. Empty at the end.
    ///
    /// * `after` - the last id of the page before.
    ///
    /// # Errors
    /// As [`Replica::next_batch`]; [`ReplicaError::UnknownTable`].
    pub fn page_of_rows(
        &self,
        table: usize,
        shown: &Shown,
        after: Option<RowId>,
        rows_max: usize,
    ) -> Result<Vec<(RowId, RowImage)>, ReplicaError> {
        self.read_page(table, shown, after, rows_max)
    }

    /// Says whether what tables show can be looked up here: every entry of the version, and the verdicts.
    ///
    /// # Errors
    /// [`ReplicaError::Store`].
    pub fn knows(&self, shown: &Shown) -> Result<bool, ReplicaError> {
        Ok(shown.basis <= self.basis()? && self.holds(&shown.version)?)
    }

    /// Says whether every entry of a version is held.
    ///
    /// # Errors
    /// [`ReplicaError::Store`].
    pub fn holds(&self, version: &Version) -> Result<bool, ReplicaError> {
        match self.index.past_of(&self.store, version) {
            Ok(_) => Ok(true),
            Err(VersionError::Unknown { .. }) => Ok(false),
            Err(VersionError::Store(cause)) => Err(cause.into()),
        }
    }

    /// Returns the version that holds what either of two holds.
    ///
    /// # Errors
    /// [`ReplicaError::Version`] if one of them names an entry that is not held; [`ReplicaError::Store`].
    pub fn joined(&self, one: &Version, other: &Version) -> Result<Version, ReplicaError> {
        let past = |version| self.index.past_of(&self.store, version);
        let joined = past(one)?.join(&past(other)?);
        Ok(self.index.version_of(&self.store, &joined)?)
    }

    /// Calls `visit` with every live row of a table at a version, by the id that its insert gave it, and the id shown.
    ///
    /// * `from` - whose verdicts count, as in [`Replica::row_at`].
    ///
    /// # Errors
    /// As [`Replica::row_at`]; whatever `visit` answers.
    pub fn rows_at<E: From<ReplicaError>>(
        &self,
        table: usize,
        at: &Version,
        from: &Version,
        visit: &mut dyn FnMut(RowId, RowImage) -> Result<(), E>,
    ) -> Result<(), E> {
        self.read_rows(table, at, from, visit)
    }

    /// Returns the digest of the current state: equal on replicas that hold the same entries, however they got them.
    ///
    /// Reads all rows; memory does not grow with them.
    ///
    /// # Errors
    /// [`ReplicaError::Store`].
    pub fn digest(&self) -> Result<[u8; 32], ReplicaError> {
        digest::digest(self)
    }

    /// Returns entries with their operations decoded, newest first (by height, then id, descending).
    ///
    /// * `before` - the [`LogPage::next`] of the page before; none for the first.
    ///
    /// # Errors
    /// [`ReplicaError::Version`] if `before` is not held; [`ReplicaError::Store`].
    pub fn log(&self, before: Option<&LogPage>, entries_max: usize) -> Result<LogPage, ReplicaError> {
        history::page(self, before.and_then(|page| page.next.as_ref()), entries_max)
    }

    /// Whether a peer may sync this space: a `treaty_peers` policy is true for it on the current state.
    ///
    /// # Errors
    /// [`ReplicaError::Store`].
    pub fn may_sync(&self, peer: &Identity) -> Result<bool, ReplicaError> {
        let scene = self.scene_of_all()?;
        Ok(may_read_peers(&self.view(&scene), peer)?)
    }

    /// Returns what a former peer is still sent: the version that holds the deletes that ended its access, and what made
    /// grants of it void, with their pasts; none if it never had any.
    ///
    /// # Errors
    /// [`ReplicaError::Store`].
    pub fn farewell(&self, peer: &Identity) -> Result<Option<Version>, ReplicaError> {
        self.farewell_to(peer)
    }

    /// Returns the note under a key.
    ///
    /// # Errors
    /// [`ReplicaError::Store`].
    pub fn note(&self, key: &str) -> Result<Option<Vec<u8>>, ReplicaError> {
        Ok(self.store.note(key)?)
    }

    /// Returns what tables showed after the import that kept the note under a key.
    ///
    /// # Errors
    /// [`ReplicaError::Store`].
    pub fn note_shown(&self, key: &str) -> Result<Option<Shown>, ReplicaError> {
        let Some(bytes) = self.store.note(&import::shown_key(key))? else { return Ok(None) };
        let shown = Shown::from_bytes(&bytes);
        Ok(Some(shown.map_err(|cause| StoreError::corrupt(format!("what tables show by note {key}: {cause}")))?))
    }

    /// Keeps a note on its own.
    ///
    /// # Errors
    /// [`ReplicaError::Store`].
    pub fn set_note(&mut self, note: Note<'_>) -> Result<(), ReplicaError> {
        let tx = self.store.begin()?;
        tx.set_note(note.key, note.bytes)?;
        Ok(tx.commit()?)
    }

    /// What entries are admitted with.
    fn desk(&self) -> Desk<'_> {
        Desk { layout: &self.layout, heads: &self.heads, views: &self.views, evaluations: &self.evaluations }
    }

    /// Forgets what a failed write transaction left in memory, so that reading shows what is kept. A store that cannot
    /// even be read is tried again before the next write.
    fn fall_back(&mut self) {
        self.is_stale = true;
        let _ = self.refresh();
    }

    /// Makes memory follow the store again after a write transaction failed.
    fn refresh(&mut self) -> Result<(), ReplicaError> {
        if self.is_stale {
            self.heads = RefCell::default();
            self.views.clear();
            self.index = Index::load(&self.store)?;
            self.is_stale = false;
        }
        Ok(())
    }
}
