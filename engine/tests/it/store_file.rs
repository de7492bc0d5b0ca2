//! The store file: its format, its readers, what is refused.

use std::fs;

use treaty_engine::causality::Index;
use treaty_engine::fault::{Fault, StoreError};
use treaty_engine::log::LogStore;
use treaty_engine::store::{Durability, FORMAT, Sqlite};
use treaty_testkit::{BareLog, Dag};

#[test]
fn a_store_reopens_with_what_was_written() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log.sqlite");
    let entries = Dag::drawn("a, b-a, c@1-a, d-b-c, e@1-c").entries();
    let mut log = BareLog::over(Sqlite::open(&path, Durability::Full).unwrap()).unwrap();
    log.append_all(&entries);
    let (version, space) = (log.index.version(), log.index.space());
    drop(log);
    let log = BareLog::over(Sqlite::open(&path, Durability::Full).unwrap()).unwrap();
    assert_eq!(log.index.version(), version);
    assert_eq!(log.index.space(), space);
    assert_eq!(log.index.entry_count(), 5);
}

#[test]
fn a_reader_sees_what_the_writer_commits() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log.sqlite");
    let entries = Dag::drawn("a, b-a").entries();
    let mut log = BareLog::over(Sqlite::open(&path, Durability::Normal).unwrap()).unwrap();
    log.append(&entries[0]).unwrap();
    let mut reader = Sqlite::open_read_only(&path).unwrap();
    let placement = log.index.place(&log.store, entries[1].header()).unwrap();
    let tx = log.store.begin().unwrap();
    log.index.write(&tx, &entries[1], &placement).unwrap();
    assert_eq!(reader.position_of(entries[1].id()).unwrap(), None);
    tx.commit().unwrap();
    assert_eq!(reader.position_of(entries[1].id()).unwrap(), Some(placement.pos()));
    assert_eq!(Index::load(&reader).unwrap().entry_count(), 2);
    assert!(reader.begin().and_then(|tx| tx.set_note("k", b"v")).is_err(), "a reader does not write");
}

#[test]
fn a_newer_format_is_refused_with_both_numbers() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log.sqlite");
    drop(Sqlite::open(&path, Durability::Full).unwrap());
    let newer = FORMAT + 1;
    rusqlite::Connection::open(&path).unwrap().pragma_update(None, "user_version", newer).unwrap();
    for opened in [Sqlite::open(&path, Durability::Full), Sqlite::open_read_only(&path)] {
        let refusal = opened.unwrap_err();
        assert_eq!(refusal.fault(), Fault::Local);
        assert_eq!(
            refusal.to_string(),
            format!("the store has format {newer}, this program knows formats up to {FORMAT}; use a newer Treaty")
        );
    }
}

#[test]
fn an_older_format_is_refused_with_what_to_do() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log.sqlite");
    drop(Sqlite::open(&path, Durability::Full).unwrap());
    rusqlite::Connection::open(&path).unwrap().pragma_update(None, "user_version", 1).unwrap();
    let refusal = Sqlite::open(&path, Durability::Full).unwrap_err();
    assert_eq!(refusal.fault(), Fault::Local);
    let expected =
        format!("the store has format 1, this program reads format {FORMAT}; begin a new space, or join again");
    assert_eq!(refusal.to_string(), expected);
}

#[test]
fn other_files_are_not_stores() {
    let directory = tempfile::tempdir().unwrap();
    let text = directory.path().join("text");
    fs::write(&text, "not a database, but long enough to have a header of a hundred bytes or so ".repeat(20)).unwrap();
    assert!(matches!(Sqlite::open(&text, Durability::Full), Err(StoreError::NotAStore)));
    let database = directory.path().join("database");
    rusqlite::Connection::open(&database).unwrap().execute_batch("CREATE TABLE t(a)").unwrap();
    assert!(matches!(Sqlite::open(&database, Durability::Full), Err(StoreError::NotAStore)));
    let tables: i64 = rusqlite::Connection::open(&database)
        .unwrap()
        .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
        .unwrap();
    assert_eq!(tables, 1, "somebody else's database stays as it was");
}

#[test]
fn reading_makes_no_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log.sqlite");
    assert!(Sqlite::open_read_only(&path).is_err());
    assert!(!path.exists());
}

#[test]
fn a_damaged_row_is_an_error_and_no_panic() {
    // Each change of one stored column must be noticed, or change nothing that a reader relies on.
    let changes = [
        "UPDATE entry SET id = zeroblob(32)",
        "UPDATE entry SET id = x'00'",
        "UPDATE entry SET height = height + 1",
        "UPDATE entry SET height = -1",
        "UPDATE entry SET time_ms = -1",
        "UPDATE entry SET parents = x'00' WHERE parents <> x''",
        "UPDATE entry SET parents = zeroblob(8)",
        "UPDATE entry SET payload_bytes = payload_bytes + 1",
        "UPDATE entry SET payload_bytes = 4294967295",
        "UPDATE entry SET signature = x''",
        "UPDATE entry SET author = 77",
        "UPDATE author SET key = zeroblob(33)",
        "DELETE FROM author",
        "DELETE FROM entry",
    ];
    for change in changes {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log.sqlite");
        let mut log = BareLog::over(Sqlite::open(&path, Durability::Normal).unwrap()).unwrap();
        let positions = log.append_all(&Dag::drawn("a, b-a").entries());
        rusqlite::Connection::open(&path).unwrap().execute_batch(change).unwrap();
        let failure = log.store.header(positions[1]).unwrap_err();
        assert_eq!(failure.fault(), Fault::Storage, "{change}");
    }
    for change in [
        "UPDATE clock SET bytes = x'07'",
        "UPDATE clock SET bytes = x''",
        "UPDATE clock SET bytes = x'0180'",
        "DELETE FROM clock",
    ] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log.sqlite");
        let mut log = BareLog::over(Sqlite::open(&path, Durability::Normal).unwrap()).unwrap();
        let positions = log.append_all(&Dag::drawn("a, b-a, c@1-a").entries());
        log.reload();
        drop(log);
        rusqlite::Connection::open(&path).unwrap().execute_batch(change).unwrap();
        let store = Sqlite::open(&path, Durability::Normal).unwrap();
        let clock = Index::load(&store).and_then(|index| index.clock(&store, positions[2]).map(|_| ()));
        assert_eq!(clock.unwrap_err().fault(), Fault::Storage, "{change}");
    }
}
