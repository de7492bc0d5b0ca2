//! Applications that know nothing of Treaty write through their own libraries; everything arrives, whole and in order.

mod clients;
mod django;
mod pg_dump;
mod pgbench;
mod sqlalchemy;

use std::process::Command;

use serde_json::Value;
use treaty_tests::{Kind, Node, Pair, Sidecar, python, wait_in_step, wait_until};

use crate::offline::two_editors;
use crate::quick_start::admit;

/// The most memory a sidecar may hold, however long the log.
const MEMORY_BYTES_MAX: u64 = 200 << 20;

/// What one application writes: library, rows, rows in a transaction.
type Work = (&'static str, u64, u64);

/// A hundred thousand rows.
const SQLITE_WORK: [Work; 4] =
    [("sqlite3", 10_000, 1), ("sqlalchemy", 10_000, 10), ("sqlite3", 30_000, 10), ("sqlalchemy", 50_000, 1_000)];

/// Twenty thousand.
const POSTGRES_WORK: [Work; 4] =
    [("psycopg", 1_000, 1), ("sqlalchemy", 2_000, 10), ("psycopg", 7_000, 100), ("sqlalchemy", 10_000, 1_000)];

/// Runs a program to its end; it must succeed.
fn run(command: &mut Command) {
    let status = command.status().expect("the program is installed (./test does it)");
    assert!(status.success(), "{command:?} ended with {status}");
}

/// Runs an application to its end and returns the JSON that it prints: what must have come of its work.
fn figures(command: &mut Command) -> Value {
    let output = command.output().expect("the program is installed (./test does it)");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?} ended with {}: {said}", output.status);
    serde_json::from_slice(&output.stdout).expect("it prints its figures as JSON")
}

#[test]
fn a_hundred_thousand_rows_of_sqlite_arrive_complete_atomic_and_in_order() {
    check_rows(Kind::Sqlite, Kind::Sqlite, &SQLITE_WORK);
}

#[test]
fn twenty_thousand_rows_of_postgres_arrive_complete_atomic_and_in_order() {
    check_rows(Kind::Postgres, Kind::Sqlite, &POSTGRES_WORK);
}

fn check_rows(source: Kind, follower: Kind, work: &[Work]) {
    let (first, second) = two_editors(Pair { first: source, second: follower }, "");
    let third = Node::on(source);
    admit(&first, &third);
    let up_first = first.up(&[]);
    let up_second = second.up(&[up_first.listen()]);
    let mut total = 0;
    for (work_index, (library, row_count, size)) in work.iter().enumerate() {
        let tag = format!("{library} {work_index}");
        write_and_watch(&first, &second, &[library, &tag, &row_count.to_string(), &size.to_string()]);
        total += row_count;
    }
    wait_in_step(&[&first, &second]);
    assert_eq!(second.value("SELECT count(*) FROM items"), total.to_string());
    assert_eq!(first.table("items"), second.table("items"));

    let ticket = first.run(&["invite"])["ticket"].as_str().expect("a ticket").to_owned();
    third.run(&["join", &ticket, "--database", &third.url()]);
    let up_third = third.up(&[up_first.listen()]);
    wait_in_step(&[&first, &second, &third]);
    assert_eq!(first.table("items"), third.table("items"));
    for sidecar in [&up_first, &up_second, &up_third] {
        check_memory(sidecar);
    }
}

/// Runs the application on `source` and, until its last row is there, checks that `target` shows whole transactions only,
/// and none without those before it.
fn write_and_watch(source: &Node, target: &Node, work: &[&str; 4]) {
    let [library, tag, row_count, size] = work;
    let database = source.application_url();
    let mut application =
        python("writer.py", &[library, &database, tag, row_count, size]).spawn().expect("Python starts");
    let size: u64 = size.parse().expect("a number");
    // One statement is one snapshot: rows seen, transactions seen, the last transaction's number plus one.
    let query = format!(
        "SELECT count(*), count(DISTINCT amount), coalesce(max(amount) + 1, 0) FROM items WHERE note = '{tag}'"
    );
    wait_until("the last row is there", || {
        let seen = target.value(&query);
        let counts: Vec<u64> = seen.split('|').map(|count| count.parse().expect("a count")).collect();
        let (rows, transactions, last) = (counts[0], counts[1], counts[2]);
        assert_eq!(rows, transactions * size, "{tag}: a transaction was seen in part");
        assert_eq!(transactions, last, "{tag}: a transaction was seen before an earlier one");
        rows.to_string() == **row_count
    });
    let status = application.wait().expect("the child is ours");
    assert!(status.success(), "{library} ended with {status}");
}

fn check_memory(sidecar: &Sidecar) {
    if let Some(bytes) = sidecar.memory_bytes_peak() {
        assert!(bytes < MEMORY_BYTES_MAX, "the sidecar held {} MiB", bytes >> 20);
    }
}
