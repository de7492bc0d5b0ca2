//! What capture costs the application that writes: the same transactions on a plain SQLite file and on one with our
//! triggers, interleaved in one run. `share` is the captured speed as a share of the raw one.
//!
//! `cargo bench -p treaty-tests --bench capture`; TREATY_BENCH_ROUNDS sets the number of rounds.

use std::path::Path;
use std::time::Instant;

use rusqlite::Connection;
use treaty_tests::{Figures, NOTES_RAW, NOTES_SCHEMA, Node, insert_notes, size_from_environment, update_notes};

/// Name, rows in all, rows in a transaction.
const INSERTS: [(&str, u32, u32); 3] =
    [("insert.tx1", 4_000, 1), ("insert.tx100", 40_000, 100), ("insert.tx10000", 80_000, 10_000)];
/// Rows updated, and rows in a transaction.
const UPDATES: (u32, u32) = (40_000, 100);

fn main() {
    let rounds = size_from_environment("TREATY_BENCH_ROUNDS", 5);
    let mut figures = Figures::default();
    for _ in 0..rounds {
        for (name, row_count, size) in INSERTS {
            let raw = rows_per_second(&raw_database(), row_count, size, insert_notes);
            let captured = rows_per_second(&captured_database(), row_count, size, insert_notes);
            report(&mut figures, name, raw, captured);
        }
        let (row_count, size) = UPDATES;
        let speeds = [raw_database(), captured_database()].map(|database| {
            insert_notes(&database.1, 0..row_count);
            settle(&database.1);
            rows_per_second(&database, row_count, size, update_notes)
        });
        report(&mut figures, "update.tx100", speeds[0], speeds[1]);
    }
    figures.print();
}

fn report(figures: &mut Figures, name: &str, raw: f64, captured: f64) {
    figures.add(&format!("capture.{name}.raw"), "rows/s", raw);
    figures.add(&format!("capture.{name}.captured"), "rows/s", captured);
    figures.add(&format!("capture.{name}.share"), "of raw", captured / raw);
}

/// A folder to keep, and a connection to a database in it.
type Database = (Node, Connection);

fn raw_database() -> Database {
    let node = Node::new();
    let connection = open(&node.database());
    connection.execute_batch(NOTES_RAW).expect("an empty database");
    (node, connection)
}

fn captured_database() -> Database {
    let node = Node::new();
    open(&node.database());
    node.init(NOTES_SCHEMA);
    let connection = open(&node.database());
    (node, connection)
}

/// What a careful application sets; foreign keys play no part in this table.
fn open(path: &Path) -> Connection {
    let connection = Connection::open(path).expect("the database opens");
    connection
        .execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA cache_size = -65536")
        .expect("pragmas");
    connection
}

/// Makes the rows look imported, as they are when an application updates them.
fn settle(connection: &Connection) {
    let has_status = connection.prepare("SELECT treaty_status FROM notes").is_ok();
    if has_status {
        connection
            .execute_batch(
                "BEGIN; INSERT INTO treaty_applying DEFAULT VALUES; UPDATE notes SET treaty_status = 'committed';
                 DELETE FROM treaty_applying; DELETE FROM treaty_queue; COMMIT",
            )
            .expect("the bookkeeping is there");
    }
}

fn rows_per_second(
    database: &Database,
    row_count: u32,
    size: u32,
    work: impl Fn(&Connection, std::ops::Range<u32>),
) -> f64 {
    let start = Instant::now();
    for first in (0..row_count).step_by(size as usize) {
        work(&database.1, first..(first + size).min(row_count));
    }
    f64::from(row_count) / start.elapsed().as_secs_f64()
}
