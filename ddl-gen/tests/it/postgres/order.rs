//! Transactions in the order of their greatest line come after those that they depend on: two sessions beside each other.
//!
//! Why it is so is in migrations/postgres/README.md.

use super::capture::{OPEN, with_rows};
use super::server::{Database, Session};
use super::{expand, installed};

/// The last written value of each transaction, in the order of their greatest line.
fn in_order(database: &Database) -> String {
    database.run(
        "SELECT string_agg(transaction::text, ' ' ORDER BY greatest_line) FROM \
         (SELECT transaction, max(seq) AS greatest_line FROM treaty.queue GROUP BY 1) q",
    )
}

/// Waits until somebody waits for a lock.
fn until_blocked(database: &Database) {
    let waiting =
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    while database.run(waiting) != "1" {}
}

fn begin(session: &mut Session, level: &str) -> String {
    session.run(&format!("BEGIN ISOLATION LEVEL {level}; SELECT pg_current_xact_id()"))
}

#[test]
fn whoever_waits_for_a_row_comes_after_whoever_held_it() {
    let database = with_rows();
    let (mut first, mut second) = (Session::open(&database), Session::open(&database));
    // The second has the lesser transaction id, and lines before the first has any.
    let later = begin(&mut second, "READ COMMITTED");
    let earlier = begin(&mut first, "READ COMMITTED");
    second.run(&expand("UPDATE t SET v = 'second' WHERE id = $2"));
    first.run(&expand("UPDATE t SET v = 'first' WHERE id = $1"));
    second.start(&expand("UPDATE t SET v = v || ' second' WHERE id = $1"));
    until_blocked(&database);
    first.run(&expand("UPDATE t SET v = 'first' WHERE id = $3; COMMIT"));
    second.finish();
    second.run("COMMIT");
    assert_eq!(database.run(&expand("SELECT v FROM t WHERE id = $1")), "first second");
    assert_eq!(in_order(&database), format!("{earlier} {later}"));
}

#[test]
fn whoever_waits_for_a_unique_key_comes_after_whoever_gave_it_up() {
    let database = with_rows();
    let (mut first, mut second) = (Session::open(&database), Session::open(&database));
    let later = begin(&mut second, "READ COMMITTED");
    let earlier = begin(&mut first, "READ COMMITTED");
    first.run(&expand("DELETE FROM t WHERE id = $1"));
    second.start(&expand("INSERT INTO t (id, n) VALUES ($4, 10)"));
    until_blocked(&database);
    first.run("COMMIT");
    second.finish();
    second.run("COMMIT");
    assert_eq!(in_order(&database), format!("{earlier} {later}"));
}

#[test]
fn whoever_writes_after_reading_comes_after_what_was_read() {
    for level in ["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"] {
        let database = with_rows();
        let (mut first, mut second) = (Session::open(&database), Session::open(&database));
        let earlier = begin(&mut first, "READ COMMITTED");
        let later = begin(&mut second, "READ COMMITTED");
        second.run(&expand("UPDATE t SET v = 'second' WHERE id = $2"));
        // A snapshot of the whole transaction cannot be taken before the first commits, and show it.
        let later = if level == "READ COMMITTED" {
            later
        } else {
            second.run("ROLLBACK");
            String::new()
        };
        first.run(&expand("UPDATE t SET v = 'seen' WHERE id = $1; COMMIT"));
        let later = if later.is_empty() { begin(&mut second, level) } else { later };
        second.run(&expand("UPDATE t SET v = (SELECT v FROM t WHERE id = $1) WHERE id = $3; COMMIT"));
        assert_eq!(database.run(&expand("SELECT v FROM t WHERE id = $3")), "seen");
        assert_eq!(in_order(&database), format!("{earlier} {later}"), "{level}");
    }
}

#[test]
fn a_prepared_transaction_keeps_its_place() {
    let database = with_rows();
    let (mut first, mut second) = (Session::open(&database), Session::open(&database));
    let earlier = begin(&mut first, "READ COMMITTED");
    first.run(&expand("UPDATE t SET v = 'first' WHERE id = $1; PREPARE TRANSACTION 'order'"));
    let later = begin(&mut second, "READ COMMITTED");
    second.start(&expand("UPDATE t SET v = 'second' WHERE id = $1"));
    until_blocked(&database);
    first.run("COMMIT PREPARED 'order'");
    second.finish();
    second.run("COMMIT");
    assert_eq!(in_order(&database), format!("{earlier} {later}"));
}

/// The story: a statement begins, the sidecar applies a change of the row it is about to write, and the statement, which
/// waited, writes upon that change. On the view before, the change would be taken for the statement's own.
#[test]
fn a_statement_that_waited_for_the_sidecar_is_on_the_view_that_it_wrote_upon() {
    let database = with_rows();
    let (mut sidecar, mut application) = (Session::open(&database), Session::open(&database));
    sidecar.run(&expand(
        "BEGIN; SET LOCAL treaty.applying = 'on'; UPDATE t SET v = 'applied' WHERE id = $1; UPDATE treaty.state SET view = 1",
    ));
    application.start(&expand("UPDATE t SET n = n + 1 WHERE id = $1"));
    until_blocked(&database);
    sidecar.run("COMMIT");
    application.finish();
    assert_eq!(database.run(&expand("SELECT v || ' ' || n FROM t WHERE id = $1")), "applied 11");
    assert_eq!(database.run("SELECT view FROM treaty.queue"), "1");
}

#[test]
fn a_snapshot_of_the_whole_transaction_keeps_its_view() {
    let database = installed(OPEN);
    let mut application = Session::open(&database);
    begin(&mut application, "REPEATABLE READ");
    database.run("UPDATE treaty.state SET view = 1");
    application.run("INSERT INTO t (n) VALUES (1); COMMIT");
    assert_eq!(database.run("SELECT view FROM treaty.queue"), "0");
}
