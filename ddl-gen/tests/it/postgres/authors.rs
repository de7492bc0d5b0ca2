//! Whom the lines of the queue name: never an author left behind by somebody else.

use super::capture::{OPEN, apply};
use super::server::Database;
use super::{expand, installed};

/// Runs `sql` on rows 1 (committed, last written by somebody else) and 2 (pending, by somebody else, in an earlier
/// transaction); returns its lines in order, as `row:author`.
fn named_by(sql: &str) -> String {
    let database = installed(OPEN);
    apply(&database, "INSERT INTO t (id, n, treaty_status, treaty_author) VALUES ($1, 1, 'committed', $other)");
    database.run(&expand("INSERT INTO t (id, n, treaty_author) VALUES ($2, 2, $other); DELETE FROM treaty.queue"));
    database.run(&expand(sql));
    lines(&database)
}

fn lines(database: &Database) -> String {
    database.run(&expand(
        "SELECT coalesce(string_agg(ltrim(right(row_id::text, 12), '0') || ':' || \
           CASE author WHEN $other THEN 'other' WHEN $node THEN 'node' ELSE coalesce(author, '-') END, ' ' ORDER BY seq), '') \
         FROM treaty.queue",
    ))
}

#[test]
fn a_line_names_whom_its_statement_named() {
    for (sql, expected) in [
        ("INSERT INTO t (id) VALUES ($3)", "3:-"),
        ("INSERT INTO t (id, treaty_author) VALUES ($3, $other), ($4, NULL)", "3:other 4:-"),
        ("UPDATE t SET v = 'x'", "1:- 2:-"),
        ("UPDATE t SET v = 'x', treaty_author = $node", "1:node 2:node"),
        ("UPDATE t SET v = 'x', treaty_author = treaty_author", "1:other 2:other"),
        ("DELETE FROM t", "1:- 2:-"),
        ("TRUNCATE t", "1:- 2:-"),
        ("INSERT INTO t (id, n) VALUES ($3, 1) ON CONFLICT (n) DO UPDATE SET v = 'x', treaty_author = $node", "1:node"),
        ("INSERT INTO t (id, n) VALUES ($3, 1) ON CONFLICT (n) DO UPDATE SET v = 'x'", "1:-"),
    ] {
        assert_eq!(named_by(sql), expected, "{sql}");
    }
}

#[test]
fn a_line_names_the_sessions_author_where_its_statement_names_none() {
    for (sql, expected) in [
        ("INSERT INTO t (id) VALUES ($3)", "3:node"),
        ("INSERT INTO t (id, treaty_author) VALUES ($3, $other), ($4, NULL)", "3:other 4:node"),
        ("INSERT INTO t (id, treaty_status, treaty_author) VALUES ($3, 'committed', $other)", "3:node"),
        ("UPDATE t SET v = 'x'", "1:node 2:node"),
        ("UPDATE t SET v = 'x', treaty_author = $other WHERE id = $1", "1:other"),
        ("DELETE FROM t", "1:node 2:node"),
        ("TRUNCATE t", "1:node 2:node"),
        (
            "SET session_replication_role = replica; UPDATE t SET v = 'x'; DELETE FROM t WHERE id = $2",
            "1:node 2:node 2:node",
        ),
    ] {
        assert_eq!(named_by(&format!("SET treaty.author = $node; {sql}")), expected, "{sql}");
    }
    // It ends with its transaction.
    let sql = "BEGIN; SET LOCAL treaty.author = $node; UPDATE t SET v = 'x' WHERE id = $1; COMMIT; UPDATE t SET v = 'y' WHERE id = $1";
    assert_eq!(named_by(sql), "1:node 1:-");
}

#[test]
fn a_transaction_keeps_the_author_that_it_named_for_a_row() {
    let named = "UPDATE t SET v = 'x', treaty_author = $node WHERE id = $1; SAVEPOINT s; UPDATE t SET v = 'y' WHERE id = $1; UPDATE t SET v = 'y' WHERE id = $2";
    assert_eq!(named_by(&format!("BEGIN; {named}; COMMIT")), "1:node 1:node 2:-");
    let fresh = "INSERT INTO t (id, treaty_author) VALUES ($3, $other); UPDATE t SET v = 'y' WHERE id = $3";
    assert_eq!(named_by(&format!("BEGIN; {fresh}; COMMIT")), "3:other 3:other");
    assert_eq!(named_by(fresh), "3:other 3:-", "the next transaction does not");
}

#[test]
fn a_setting_that_is_no_identity_is_an_error_at_once() {
    let database = installed(OPEN);
    for sql in [
        "INSERT INTO t (n) VALUES (1)",
        "UPDATE t SET v = 'x'",
        "DELETE FROM t",
        "TRUNCATE t",
        "SET session_replication_role = replica; INSERT INTO t (n) VALUES (1)",
    ] {
        let error = database.fails(&format!("SET treaty.author = 'bob'; {sql}"));
        assert!(error.contains("the setting treaty.author is no identity: bob"), "{sql}: {error}");
        database.run(&format!("SET treaty.author = ''; {sql}"));
    }
    // The sidecar is not asked.
    apply(&database, "SET LOCAL treaty.author = 'bob'; INSERT INTO t (n) VALUES (2)");
}
