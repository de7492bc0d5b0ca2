//! A disk that breaks at its Nth write: afterwards the log is exactly as before or as after, never between.

use std::path::{Path, PathBuf};

use treaty_engine::causality::Version;
use treaty_engine::fault::{Fault, StoreError};
use treaty_engine::log::{Entry, LogStore, LogWriter, park, refuse};
use treaty_engine::store::{Durability, Sqlite};
use treaty_testkit::{BareLog, CopyEach, Dag, FailNth};

/// Everything that a log shows.
#[derive(Debug, PartialEq, Eq)]
struct Shown {
    version: Version,
    entry_count: u64,
    entries: Vec<Entry>,
    parked_count: u64,
    refused: Vec<bool>,
    note: Option<Vec<u8>>,
}

fn open(path: &Path) -> Sqlite {
    Sqlite::open(path, Durability::Normal).unwrap()
}

fn shown(path: &Path, entries: &[Entry]) -> Shown {
    let log = BareLog::over(open(path)).unwrap();
    let everything = log.index.difference(&log.index.whole(), &Default::default()).collect(&log.store).unwrap();
    Shown {
        version: log.index.version(),
        entry_count: log.index.entry_count(),
        entries: everything
            .into_iter()
            .map(|pos| Entry::new(log.store.header(pos).unwrap(), log.store.payload(pos).unwrap()).unwrap())
            .collect(),
        parked_count: log.store.parked_totals(None).unwrap().count,
        refused: entries.iter().map(|entry| log.store.is_refused(entry.id()).unwrap()).collect(),
        note: log.store.note("shown").unwrap(),
    }
}

/// Does what a replica does with one batch: appends, parks, refuses, writes a note, all in one transaction.
fn batch(store: Sqlite, entries: &[Entry]) -> Result<(), StoreError> {
    let mut log = BareLog::over(store)?;
    let tx = log.store.begin()?;
    for entry in &entries[1..3] {
        let placement = log.index.place(&*tx, entry.header()).expect("the entry has a place");
        tx.attempt(|tx| log.index.write(tx, entry, &placement))?;
        log.index.settle(placement);
    }
    park(&tx, &entries[4], &entries[4].header().parents)?;
    refuse(&tx, entries[3].header())?;
    tx.set_note("shown", b"after")?;
    tx.commit()
}

/// What a batch is about: the first is kept before.
fn entries() -> Vec<Entry> {
    Dag::drawn("a, b-a, c@1-a, x-b-c, y-x").entries()
}

/// Makes a store with genesis and a note.
fn prepared(directory: &Path, name: &str, genesis: &Entry) -> PathBuf {
    let path = directory.join(name);
    let mut log = BareLog::over(open(&path)).unwrap();
    log.append(genesis).unwrap();
    let tx = log.store.begin().unwrap();
    tx.set_note("shown", b"before").unwrap();
    tx.commit().unwrap();
    path
}

#[test]
fn a_process_killed_at_any_step_leaves_the_whole_batch_or_none() {
    let entries = entries();
    let directory = tempfile::tempdir().unwrap();
    let path = prepared(directory.path(), "log.sqlite", &entries[0]);
    let before = shown(&path, &entries);
    let copying = CopyEach::new(&path);
    batch(open(&path).guarded_by(Box::new(copying.clone())), &entries).unwrap();
    let after = shown(&path, &entries);
    let mut found: Vec<Shown> = copying.copies().iter().map(|copy| shown(copy, &entries)).collect();
    assert!(found.len() > 10);
    assert_eq!(found.pop(), Some(after), "the last step comes after the commit");
    assert!(found.into_iter().all(|found| found == before));
}

#[test]
fn a_batch_is_kept_whole_or_not_at_all_wherever_the_disk_breaks() {
    let entries = entries();
    let directory = tempfile::tempdir().unwrap();
    let prepared = |name: &str| prepared(directory.path(), name, &entries[0]);
    let path = prepared("whole");
    let before = shown(&path, &entries);
    let counting = FailNth::new(u64::MAX);
    batch(open(&path).guarded_by(Box::new(counting.clone())), &entries).unwrap();
    let after = shown(&path, &entries);
    assert_ne!(before, after);
    assert!(counting.step_count() > 10);

    let mut kept_count = 0;
    for n in 1..=counting.step_count() {
        let path = prepared(&format!("fails-at-{n}"));
        let gate = FailNth::new(n);
        let failure = batch(open(&path).guarded_by(Box::new(gate)), &entries).unwrap_err();
        assert_eq!(failure.fault(), Fault::Storage, "write {n}");
        let found = shown(&path, &entries);
        assert!(found == before || found == after, "write {n} left something between: {found:?}");
        kept_count += u32::from(found == after);
    }
    // The last step is the answer to a commit that has happened: only then the batch is kept in spite of an error.
    assert_eq!(kept_count, 1);
}

#[test]
fn a_transaction_with_a_failed_write_cannot_be_kept() {
    let entries = Dag::drawn("a, b-a").entries();
    let mut store = Sqlite::in_memory().unwrap().guarded_by(Box::new(FailNth::new(3)));
    let tx = store.begin().unwrap();
    tx.insert_refused(entries[0].id()).unwrap_err();
    let failure = tx.commit().unwrap_err();
    assert!(matches!(failure, StoreError::Aborted));
    assert!(!store.is_refused(entries[0].id()).unwrap());
}

#[test]
fn a_transaction_that_is_dropped_leaves_nothing() {
    let entries = Dag::drawn("a").entries();
    let mut store = Sqlite::in_memory().unwrap();
    let tx = store.begin().unwrap();
    tx.insert_refused(entries[0].id()).unwrap();
    assert!(tx.is_refused(entries[0].id()).unwrap());
    drop(tx);
    assert!(!store.is_refused(entries[0].id()).unwrap());
    let tx = store.begin().unwrap();
    tx.insert_refused(entries[0].id()).unwrap();
    tx.rollback().unwrap();
    assert!(!store.is_refused(entries[0].id()).unwrap());
}

#[test]
fn an_attempt_that_fails_is_undone_and_the_rest_is_kept() {
    let entries = Dag::drawn("a, b-a").entries();
    let mut store = Sqlite::in_memory().unwrap();
    let tx = store.begin().unwrap();
    tx.attempt(|tx| tx.insert_refused(entries[0].id())).unwrap();
    let undone: Result<(), StoreError> = tx.attempt(|tx| {
        tx.insert_refused(entries[1].id())?;
        Err(StoreError::Aborted)
    });
    assert!(undone.is_err());
    tx.commit().unwrap();
    assert!(store.is_refused(entries[0].id()).unwrap());
    assert!(!store.is_refused(entries[1].id()).unwrap());
}
