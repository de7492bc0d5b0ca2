//! One honest replica: its store, the tables of its application, and what a crash leaves of it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use treaty_engine::causality::Version;
use treaty_engine::fault::StoreError;
use treaty_engine::hash::{EntryId, SpaceId};
use treaty_engine::identity::Keypair;
use treaty_engine::log::{Entry, LogStore};
use treaty_engine::relation::RowId;
use treaty_engine::replica::{
    ImportOutcome, IngestOutcome, LocalTransaction, LocalWork, Note, Replica, ReplicaError, Report, RowImage, Shown,
    TransactionName, Verdict,
};
use treaty_engine::store::{Durability, GateClosed, Sqlite, WriteGate, WriteStep};
use treaty_schema::Value;

use super::failure::{Failure, Result};
use super::judged::short;
use super::ledger::payload_of;
use super::tables::{Tables, broken_constraint, difference, fold};

/// Under which key imports keep their number.
const NOTE: &str = "work";
/// Rows read at once.
const PAGE_ROWS: usize = 40;

/// A disk that breaks when told to, and can be mended.
#[derive(Debug, Clone)]
pub(super) struct Fuse {
    /// Steps until it breaks; never if greatest.
    left: Arc<AtomicU64>,
}

impl Fuse {
    fn whole() -> Fuse {
        Fuse { left: Arc::new(AtomicU64::new(u64::MAX)) }
    }

    fn set(&self, steps: u64) {
        self.left.store(steps, Ordering::Relaxed);
    }
}

impl WriteGate for Fuse {
    fn pass(&self, _: WriteStep) -> std::result::Result<(), GateClosed> {
        let left = self.left.load(Ordering::Relaxed);
        if left == 0 {
            return Err(GateClosed);
        }
        if left != u64::MAX {
            self.left.store(left - 1, Ordering::Relaxed);
        }
        Ok(())
    }
}

/// Whether all tables are read after a batch, to be compared; after the last one they always are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Checked {
    Yes,
    No,
}

/// What became of something that writes.
pub(super) enum Done<T> {
    Yes(T),
    /// The disk broke; the replica is open again.
    Crashed,
}

/// An honest replica with its application.
pub(super) struct Node {
    /// What it is called: its index, and its author's number.
    pub number: usize,
    /// The replica.
    pub replica: Replica,
    /// What the tables show.
    pub shown: Shown,
    /// The tables.
    pub tables: Tables,
    /// What was reported void, and not reinstated since.
    pub(super) void: BTreeSet<TransactionName>,
    /// Imports tried; kept as a note with each.
    work_count: u64,
    path: Option<PathBuf>,
    fuse: Fuse,
}

impl Node {
    /// Opens a new replica that holds genesis.
    pub(super) fn new(number: usize, genesis: &Entry, folder: Option<&Path>) -> Result<Node> {
        let (fuse, path) = (Fuse::whole(), folder.map(|folder| folder.join(format!("node{number}.db"))));
        let store = open(path.as_deref())?.guarded_by(Box::new(fuse.clone()));
        let space = SpaceId(*genesis.id());
        let replica = Replica::join(store, genesis.clone(), space).map_err(Failure::of("joining"))?;
        Ok(Node {
            number,
            replica,
            shown: Shown::NOTHING,
            tables: Tables::new(),
            void: BTreeSet::new(),
            work_count: 0,
            path,
            fuse,
        })
    }

    /// Lets the disk break after some write steps.
    pub(super) fn arm(&self, steps: u64) {
        self.fuse.set(steps);
    }

    /// Whether the disk is about to break.
    pub(super) fn is_armed(&self) -> bool {
        self.fuse.left.load(Ordering::Relaxed) != u64::MAX
    }

    /// Imports work on what the tables show, and lets them show it.
    pub(super) fn import(
        &mut self,
        author: &Keypair,
        work: &[LocalTransaction],
        time_ms: u64,
    ) -> Result<Done<ImportOutcome>> {
        let number = self.work_count + 1;
        let bytes = number.to_le_bytes();
        let note = Some(Note { key: NOTE, bytes: &bytes });
        let local = LocalWork { on: &self.shown, transactions: work, note, time_ms };
        let outcome = self.replica.import(author, local);
        let Done::Yes(outcome) = self.or_crash(outcome, "importing")? else {
            self.recover_work(number)?;
            return Ok(Done::Crashed);
        };
        self.work_count = number;
        self.shown = outcome.shown.clone();
        self.tables = read_shown(&self.replica, &self.shown)?;
        Ok(Done::Yes(outcome))
    }

    /// After a crash in an import: the note says whether it happened.
    fn recover_work(&mut self, number: u64) -> Result<()> {
        let kept = self.replica.note(NOTE).map_err(Failure::of("reading the note"))?;
        let kept = kept.map_or(0, |bytes| u64::from_le_bytes(bytes.try_into().unwrap_or_default()));
        if kept == number {
            let shown = self.replica.note_shown(NOTE).map_err(Failure::of("reading what the note shows"))?;
            self.shown = shown.ok_or_else(|| Failure::new("crash", "the note shows nothing"))?;
            self.tables = read_shown(&self.replica, &self.shown)?;
        } else if kept != self.work_count {
            return Err(Failure::new("crash", format!("the note says {kept}, not {number} or {}", self.work_count)));
        }
        self.work_count = kept;
        Ok(())
    }

    /// Judges and keeps entries.
    pub(super) fn ingest(&mut self, entries: Vec<Entry>) -> Result<Done<IngestOutcome>> {
        let outcome = self.replica.ingest(entries);
        self.or_crash(outcome, "ingesting")
    }

    /// Lets the tables follow the log by one batch. Returns whether they show everything, and how many rows changed.
    pub(super) fn apply(&mut self, rows_max: usize, checked: Checked) -> Result<(bool, usize)> {
        let batch = self.replica.next_batch(&self.shown, rows_max).map_err(Failure::of("reading a batch"))?;
        let change_count = batch.changes.len();
        fold(&mut self.tables, batch.changes);
        self.shown = batch.to;
        self.hear_reports(&batch.reports)?;
        if checked == Checked::Yes || batch.is_last {
            self.check_tables()?;
        }
        Ok((batch.is_last, change_count))
    }

    /// Notes what an application is told: of each change once, of every operation.
    fn hear_reports(&mut self, reports: &[Report]) -> Result<()> {
        let mut operations: BTreeMap<TransactionName, (bool, BTreeSet<u32>)> = BTreeMap::new();
        for report in reports {
            let of = TransactionName { entry: report.entry, transaction: report.transaction };
            let is_void = report.verdict != Verdict::Live;
            let (was_void, heard) = operations.entry(of).or_insert_with(|| (is_void, BTreeSet::new()));
            if *was_void != is_void || !heard.insert(report.operation) {
                return Err(self.misreported(of, "twice"));
            }
        }
        for (of, (is_void, heard)) in operations {
            let is_news = if is_void { self.void.insert(of) } else { self.void.remove(&of) };
            if !is_news {
                return Err(
                    self.misreported(of, if is_void { "void, and was" } else { "reinstated, and was not void" })
                );
            }
            let entry = entry_of(&self.replica, &of.entry)?;
            let count = payload_of(&entry).map_or(0, |payload| payload.operation_count(of.transaction));
            if heard.len() != count as usize {
                return Err(self.misreported(of, "in parts"));
            }
        }
        Ok(())
    }

    fn misreported(&self, of: TransactionName, how: &str) -> Failure {
        Failure::new("reports", format!("node {} reports {} {how}", self.number, short(of)))
    }

    /// Compares the tables with those of the version that they show, and with the constraints of the schema.
    pub(super) fn check_tables(&self) -> Result<()> {
        let schema = self.replica.schema();
        if let Some(fault) = difference(schema, &self.tables, &read_shown(&self.replica, &self.shown)?) {
            return Err(Failure::new(
                "apply",
                format!("the tables of node {} are not those read: {fault}", self.number),
            ));
        }
        self.check_constraints()
    }

    /// The tables keep the constraints of the schema.
    pub(super) fn check_constraints(&self) -> Result<()> {
        match broken_constraint(self.replica.schema(), &self.tables) {
            Some(fault) => Err(Failure::new("constraint", format!("on node {}, {fault}", self.number))),
            None => Ok(()),
        }
    }

    /// Closes the replica without a word and opens it again, as a killed process does.
    pub(super) fn restart(&mut self) -> Result<()> {
        self.fuse.set(u64::MAX);
        let Some(path) = &self.path else { return Ok(()) };
        // The old connection goes first: a file has one writer.
        let standin = Sqlite::in_memory().map_err(Failure::of("opening a store"))?;
        let genesis = entry_of(&self.replica, &self.replica.space().0)?;
        let space = self.replica.space();
        self.replica = Replica::join(standin, genesis, space).map_err(Failure::of("joining"))?;
        let store = open(Some(path))?.guarded_by(Box::new(self.fuse.clone()));
        let replica = Replica::open(store).map_err(Failure::of("opening after a crash"))?;
        self.replica = replica.ok_or_else(|| Failure::new("crash", "the store is empty after a crash"))?;
        let is_held = self.replica.knows(&self.shown).map_err(Failure::of("looking for what the tables show"))?;
        if !is_held {
            return Err(Failure::new("crash", "what the tables show is not held after a crash"));
        }
        Ok(())
    }

    fn or_crash<T>(&mut self, outcome: std::result::Result<T, ReplicaError>, doing: &'static str) -> Result<Done<T>> {
        match outcome {
            Ok(outcome) => Ok(Done::Yes(outcome)),
            Err(ReplicaError::Store(StoreError::Gate { .. })) => {
                self.restart()?;
                Ok(Done::Crashed)
            }
            Err(cause) => Err(Failure::of(doing)(cause)),
        }
    }
}

fn open(path: Option<&Path>) -> Result<Sqlite> {
    match path {
        // A crash of the process, not of the machine: nothing needs to be on the disk.
        Some(path) => Sqlite::open(path, Durability::Normal).map_err(Failure::of("opening a file")),
        None => Sqlite::in_memory().map_err(Failure::of("opening a store")),
    }
}

/// Reads all tables at a version, with the verdicts of the same version.
pub(super) fn read(replica: &Replica, at: &Version) -> Result<Tables> {
    read_from(replica, at, at)
}

/// Reads all tables at a version, with the verdicts of a later one.
pub(super) fn read_from(replica: &Replica, at: &Version, from: &Version) -> Result<Tables> {
    let mut rows = Vec::new();
    for table in 0..replica.schema().tables().len() {
        let mut visit = |id, row| {
            rows.push(((table, id), row));
            Ok::<(), ReplicaError>(())
        };
        replica.rows_at(table, at, from, &mut visit).map_err(Failure::of("reading tables"))?;
    }
    tables_of(rows)
}

/// Reads all tables as a database shows them.
pub(super) fn read_shown(replica: &Replica, shown: &Shown) -> Result<Tables> {
    let mut rows = Vec::new();
    for (index, table) in replica.schema().tables().iter().enumerate() {
        let mut after = None;
        loop {
            let page = replica.page_of_rows(index, shown, after, PAGE_ROWS).map_err(Failure::of("reading a page"))?;
            let Some((last, _)) = page.last() else { break };
            after = Some(*last);
            for (_, row) in page {
                match row.cells[table.id_column] {
                    Some(Value::Uuid(id)) => rows.push(((index, RowId(id)), row)),
                    _ => return Err(Failure::new("read", "a row has no id")),
                }
            }
        }
    }
    tables_of(rows)
}

/// Each id is shown once.
fn tables_of(rows: Vec<((usize, RowId), RowImage)>) -> Result<Tables> {
    let mut tables = Tables::new();
    for (key, row) in rows {
        if tables.insert(key, row).is_some() {
            return Err(Failure::new("read", format!("id {:?} is shown twice", key.1)));
        }
    }
    Ok(tables)
}

/// Reads an entry off a replica.
pub(super) fn entry_of(replica: &Replica, id: &EntryId) -> Result<Entry> {
    let store = replica.store();
    let pos = replica.index().position_of(store, id).map_err(Failure::of("looking for an entry"))?;
    let pos = pos.ok_or_else(|| Failure::new("log", format!("entry {id} is not held")))?;
    let header = store.header(pos).map_err(Failure::of("reading a header"))?;
    let payload = store.payload(pos).map_err(Failure::of("reading a payload"))?;
    Entry::new(header, payload).map_err(Failure::of("reading an entry"))
}

/// The ids of everything held.
pub(super) fn ids_of(replica: &Replica) -> Result<Vec<EntryId>> {
    let (store, index) = (replica.store(), replica.index());
    let walk = index.difference(&index.whole(), &treaty_engine::causality::Past::EMPTY);
    let positions = walk.collect(store).map_err(Failure::of("walking the log"))?;
    positions.into_iter().map(|pos| Ok(store.stamp(pos).map_err(Failure::of("reading a stamp"))?.id)).collect()
}
