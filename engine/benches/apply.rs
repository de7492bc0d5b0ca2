//! Speed of a replica: importing local rows, judging and keeping a peer's, leading tables to the current version.
//!
//! `cargo bench -p treaty-engine --bench apply -- [rows] [rows of a transaction] [transactions of an import] [entries of an
//! ingest]` prints one line a figure: name, median, unit, min, max, number of measurements. Rows are of about 280 bytes with a
//! permission to look up and a CHECK, under random ids; entries of a peer come as bytes, with signatures to verify.

#![expect(clippy::disallowed_types, reason = "a benchmark reads the clock")]
#![allow(clippy::unwrap_used, clippy::cast_precision_loss, reason = "a benchmark ends at the first failure")]

use std::path::Path;
use std::time::Instant;

use treaty_engine::causality::Past;
use treaty_engine::codec::Reader;
use treaty_engine::log::{Entry, LogStore, UnverifiedHeader};
use treaty_engine::relation::RowId;
use treaty_engine::replica::{GenesisDraft, LocalOperation, LocalRow, LocalTransaction, LocalWork, Replica, Shown};
use treaty_engine::store::{Durability, Sqlite};
use treaty_schema::{Command, Comparison, LogicalType, Patch, Value};
use treaty_testkit::{
    Figures, all, author, col, compare, eq, exists, keypair, number, patch, scalar, table, told_value, with_peers,
};

/// Rows of one import, and of one measurement.
const IMPORT_ROWS: usize = 10_000;

/// Rows of one batch for tables.
const BATCH_ROWS: usize = 500;

/// Imports of 100 swaps each.
const SWAP_ROUNDS: usize = 200;

fn notes() -> Patch {
    let is_member = || exists(&["members m"], eq(col("m.who"), author()));
    let members = table("members").required("who", LogicalType::Identity).frozen(&["who"]);
    let notes = table("notes")
        .required("owner", LogicalType::Identity)
        .required("title", LogicalType::Text)
        .required("body", LogicalType::Text)
        .required("stars", LogicalType::Integer)
        .check("stars", compare(Comparison::GreaterOrEqual, col("stars"), number("0")))
        .frozen(&["owner"])
        .policy(Command::Insert, exists(&["members m"], all([eq(col("owner"), author()), eq(col("m.who"), author())])))
        .policy(Command::Update, scalar(eq(col("owner"), author())));
    let places = table("places").required("number", LogicalType::Integer).unique(&["number"]).open();
    with_peers(patch([members, notes, places]), is_member())
}

fn id(number: usize) -> RowId {
    let mut id = [0; 16];
    id.copy_from_slice(&treaty_engine::hash::PayloadHash::of(&number.to_le_bytes()).0[..16]);
    id[6] = id[6] & 0x0f | 0x40;
    RowId(id)
}

fn transaction(owner: &Value, first: usize, count: usize) -> LocalTransaction {
    let text = |text: String| Some(told_value(LogicalType::Text, &text));
    let row = |number: usize| LocalRow {
        table: 1,
        cells: vec![
            Some(id(number).to_value()),
            Some(owner.clone()),
            text(format!("title-{number}")),
            text("body".repeat(40)),
            Some(Value::Integer(3)),
        ],
    };
    LocalTransaction { operations: (first..first + count).map(|number| LocalOperation::Insert(row(number))).collect() }
}

fn open(path: &Path) -> Sqlite {
    Sqlite::open(path, Durability::Normal).unwrap()
}

fn main() {
    let numbers: Vec<usize> = std::env::args().filter_map(|argument| argument.parse().ok()).collect();
    let row_count = numbers.first().copied().unwrap_or(100_000);
    let transaction_rows = numbers.get(1).copied().unwrap_or(100);
    let import_transactions = numbers.get(2).copied().unwrap_or(1);
    let directory = tempfile::tempdir().unwrap();
    let mut figures = Figures::default();
    let mut author =
        write(&mut figures, &directory.path().join("author"), row_count, (transaction_rows, import_transactions));
    let ingest_entries = numbers.get(3).copied().unwrap_or(100);
    read(&mut figures, &directory.path().join("peer"), &mut author, (row_count, ingest_entries));
    swap(&mut figures, &mut author);
    figures.print();
}

/// Imports all rows. Returns the author's replica.
fn write(
    figures: &mut Figures,
    path: &Path,
    row_count: usize,
    (transaction_rows, import_transactions): (usize, usize),
) -> Replica {
    let founder = keypair(0);
    let owner = Value::Identity(founder.identity());
    let member = LocalRow { table: 0, cells: vec![Some(id(usize::MAX).to_value()), Some(owner.clone())] };
    let draft = GenesisDraft { patch: notes(), rows: vec![member], nonce: [0; 16] };
    let mut replica = Replica::create(open(path), &founder, draft, 0).unwrap();
    for first in (0..row_count).step_by(IMPORT_ROWS) {
        let work: Vec<LocalTransaction> = (first..(first + IMPORT_ROWS).min(row_count))
            .step_by(transaction_rows)
            .map(|first| transaction(&owner, first, transaction_rows))
            .collect();
        let start = Instant::now();
        for some in work.chunks(import_transactions) {
            let on = replica.newest().unwrap();
            let outcome =
                replica.import(&founder, LocalWork { on: &on, transactions: some, note: None, time_ms: 0 }).unwrap();
            assert!(outcome.transactions.iter().all(Result::is_ok), "{:?}", outcome.transactions);
        }
        let rows = work.len() * transaction_rows;
        figures.add("judge, sign and keep local work", "rows/s", rows as f64 / start.elapsed().as_secs_f64());
    }
    replica
}

/// Sends everything to a new replica and leads tables to it.
fn read(figures: &mut Figures, path: &Path, author: &mut Replica, (row_count, ingest_entries): (usize, usize)) {
    let mut sent = Vec::new();
    let mut walk = author.index().difference(&author.index().whole(), &Past::EMPTY);
    while let Some((pos, _)) = walk.next(author.store()).unwrap() {
        sent.push((author.store().header(pos).unwrap().encode_signed(), author.store().payload(pos).unwrap()));
    }
    let receive = |(header, payload): &(Vec<u8>, Vec<u8>)| {
        let header = UnverifiedHeader::read(&mut Reader::new(header)).unwrap().verify().unwrap();
        Entry::new(header, payload.clone()).unwrap()
    };
    let mut replica = Replica::join(open(path), receive(&sent[0]), author.space()).unwrap();
    let begun = Instant::now();
    for some in sent[1..].chunks(ingest_entries) {
        let start = Instant::now();
        let outcome = replica.ingest(some.iter().map(receive).collect()).unwrap();
        assert_eq!(outcome.admitted.len(), some.len());
        let rows = row_count * some.len() / (sent.len() - 1);
        figures.add("verify, judge and keep a peer's entries", "rows/s", rows as f64 / start.elapsed().as_secs_f64());
    }
    let all = row_count as f64 / begun.elapsed().as_secs_f64();
    figures.add("verify, judge and keep all of a peer's entries", "rows/s", all);
    let (mut shown, mut is_last) = (Shown::NOTHING, false);
    while !is_last {
        let start = Instant::now();
        let batch = replica.next_batch(&shown, BATCH_ROWS).unwrap();
        let rows = batch.changes.len() as f64;
        figures.add("lead tables to the current version", "rows/s", rows / start.elapsed().as_secs_f64());
        (shown, is_last) = (batch.to, batch.is_last);
    }
    let start = Instant::now();
    assert_eq!(replica.digest().unwrap(), author.digest().unwrap());
    figures.add("digest of the state", "rows/s", 2.0 * row_count as f64 / start.elapsed().as_secs_f64());
    let files = ["", "-wal"].map(|end| path.with_file_name(format!("peer{end}")));
    let bytes: u64 = files.iter().map(|file| std::fs::metadata(file).unwrap().len()).sum();
    figures.add("bytes of the store, a row", "bytes", bytes as f64 / row_count as f64);
}

/// Lets two rows swap a UNIQUE key again and again: what it cost at first, and what after thousands of claims.
fn swap(figures: &mut Figures, replica: &mut Replica) {
    let rows = [id(usize::MAX - 1), id(usize::MAX - 2)];
    let cells = |row: usize| vec![Some(rows[row].to_value()), Some(Value::Integer(i32::try_from(row).unwrap()))];
    let operations = (0..2).map(|row| LocalOperation::Insert(LocalRow { table: 2, cells: cells(row) })).collect();
    let import = |replica: &mut Replica, transactions: &[LocalTransaction]| {
        let on = replica.newest().unwrap();
        let outcome = replica.import(&keypair(0), LocalWork { on: &on, transactions, note: None, time_ms: 0 }).unwrap();
        assert!(outcome.transactions.iter().all(Result::is_ok), "{:?}", outcome.transactions);
    };
    import(replica, &[LocalTransaction { operations }]);
    for round in 0..SWAP_ROUNDS {
        let swaps: Vec<LocalTransaction> = (1..=100)
            .map(|step| {
                let update = |row: usize| LocalOperation::Update {
                    table: 2,
                    id: rows[row],
                    cells: vec![(1, Some(Value::Integer(i32::try_from((row + step) % 2).unwrap())))],
                };
                LocalTransaction { operations: vec![update(0), update(1)] }
            })
            .collect();
        let start = Instant::now();
        import(replica, &swaps);
        let speed = 200.0 / start.elapsed().as_secs_f64();
        match round {
            0..10 => figures.add("swap a UNIQUE key, at first", "rows/s", speed),
            _ if round >= SWAP_ROUNDS - 10 => figures.add("swap a UNIQUE key, at last", "rows/s", speed),
            _ => {}
        }
    }
}
