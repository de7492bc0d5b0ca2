//! Verdicts that change: rows vanish, return, and revert column by column, in one transaction with their reports.

use expect_test::expect;
use rusqlite::Connection;
use treaty::application::Place;
use treaty_engine::hash::EntryId;

use crate::both::on_both;
use crate::meddle::Meddling;
use crate::node::{Judged, OPEN, TestNode, id, sync};

/// Runs statements and enters them into the log; returns the entry.
fn entry(node: &mut TestNode, sql: &str) -> EntryId {
    node.run(sql);
    node.drain().entries[0]
}

const STATUS: &str = "SELECT name, age, score, treaty_status FROM people ORDER BY name";
const REPORTS: &str = "SELECT cursor, operation, row_id = lost ->> '$.id', lost ->> '$.name', lost ->> '$.age', reason, \
                       reinstated IS NOT NULL FROM treaty_rollbacks ORDER BY cursor";

fn insert_ann() -> String {
    format!("INSERT INTO people (id, name, age, score) VALUES ('{}', 'ann', 1, 1)", id(1))
}

on_both!(
    a_row_vanishes_with_a_report_and_returns_with_another,
    a_deleted_row_returns_and_goes_again,
    an_edit_that_waits_on_a_row_that_vanishes_is_in_the_log_and_returns_with_it,
    columns_revert_one_by_one_and_the_status_says_so_where_they_were_written,
    what_others_write_to_a_reverted_row_leaves_it_reverted_and_what_is_written_here_does_not,
);

#[test]
fn a_row_vanishes_with_a_report_and_returns_with_another() {
    let mut node = TestNode::found(OPEN);
    let ann = entry(&mut node, &insert_ann());
    node.judge(ann, Judged::Void);
    let applied = node.apply();
    assert_eq!((applied[0].row_count, applied[0].report_count, applied[0].entry_count), (1, 1, 0));
    expect![""].assert_eq(&node.ask(STATUS));
    expect!["1|insert|1|ann|1|permission|0"].assert_eq(&node.ask(REPORTS));
    let words = node.ask("SELECT entry, culprit, author, message FROM treaty_rollbacks");
    let genesis = node.replica.space().0;
    assert!(words.starts_with(&format!("{ann}|{genesis}|{}|rolled back: ", node.keypair.identity())), "{words}");
    node.check_settled();
    assert_eq!(node.audit(), 0);
    node.judge(ann, Judged::Live);
    node.apply();
    expect!["ann|1|1.0|committed"].assert_eq(&node.ask(STATUS));
    expect!["1|insert|1|ann|1|permission|1\n2|insert|1|ann|1|permission|1"].assert_eq(&node.ask(REPORTS));
    assert_eq!(node.drain().line_count, 0);
    // What stands is told once more if it falls again.
    node.judge(ann, Judged::Void);
    node.apply();
    expect!["3|insert|1|ann|1|permission|0"].assert_eq(node.ask(REPORTS).lines().last().unwrap());
    node.check_settled();
}

#[test]
fn columns_revert_one_by_one_and_the_status_says_so_where_they_were_written() {
    let mut a = TestNode::found(OPEN);
    let mut b = TestNode::join(&a, 2);
    entry(&mut a, &insert_ann());
    sync(&mut a, &mut b);
    let age = entry(&mut a, "UPDATE people SET age = 2");
    let both = entry(&mut a, "UPDATE people SET age = 3, name = 'anna'");
    sync(&mut a, &mut b);
    for node in [&mut a, &mut b] {
        node.judge(age, Judged::Void);
        node.apply();
    }
    // Hidden by a later write: nothing shown changes.
    expect!["anna|3|1.0|reverted"].assert_eq(&a.ask(STATUS));
    expect!["anna|3|1.0|committed"].assert_eq(&b.ask(STATUS));
    for node in [&mut a, &mut b] {
        node.judge(both, Judged::Void);
        node.apply();
        node.check_settled();
    }
    expect!["ann|1|1.0|reverted"].assert_eq(&a.ask(STATUS));
    expect!["ann|1|1.0|committed"].assert_eq(&b.ask(STATUS));
    expect!["1|update|-|-|2|permission|0\n2|update|-|anna|3|permission|0"].assert_eq(&a.ask(REPORTS));
    a.judge(age, Judged::Live);
    a.apply();
    expect!["ann|2|1.0|committed"].assert_eq(&a.ask(STATUS));
    a.judge(both, Judged::Live);
    a.apply();
    expect!["anna|3|1.0|committed"].assert_eq(&a.ask(STATUS));
    assert_eq!(a.audit(), 0);
}

#[test]
fn what_others_write_to_a_reverted_row_leaves_it_reverted_and_what_is_written_here_does_not() {
    let mut a = TestNode::found(OPEN);
    let mut b = TestNode::join(&a, 2);
    entry(&mut a, &insert_ann());
    sync(&mut a, &mut b);
    let age = entry(&mut a, "UPDATE people SET age = 2");
    a.judge(age, Judged::Void);
    a.apply();
    b.run("UPDATE people SET score = 5");
    b.drain();
    a.pull(&b);
    a.apply();
    expect!["ann|1|5.0|reverted"].assert_eq(&a.ask(STATUS));
    a.audit();
    expect!["ann|1|5.0|reverted"].assert_eq(&a.ask(STATUS));
    a.run("UPDATE people SET age = 9");
    expect!["ann|9|5.0|pending"].assert_eq(&a.ask(STATUS));
    a.drain();
    expect!["ann|9|5.0|committed"].assert_eq(&a.ask(STATUS));
    a.check_settled();
}

#[test]
fn a_deleted_row_returns_and_goes_again() {
    let mut node = TestNode::found(OPEN);
    entry(&mut node, &insert_ann());
    let gone = entry(&mut node, "DELETE FROM people");
    node.judge(gone, Judged::Void);
    node.apply();
    expect!["ann|1|1.0|reverted"].assert_eq(&node.ask(STATUS));
    expect!["delete|{}"].assert_eq(&node.ask("SELECT operation, lost FROM treaty_rollbacks"));
    node.judge(gone, Judged::Live);
    node.apply();
    expect![""].assert_eq(&node.ask(STATUS));
    node.check_settled();
}

#[test]
fn an_edit_that_waits_on_a_row_that_vanishes_is_in_the_log_and_returns_with_it() {
    let mut node = TestNode::found(OPEN);
    let ann = entry(&mut node, &insert_ann());
    node.judge(ann, Judged::Void);
    node.run("UPDATE people SET age = 7");
    let applied = node.apply();
    assert_eq!(applied[0].drained.operation_count, 1);
    expect![""].assert_eq(&node.ask(STATUS));
    expect!["1|insert|1|ann|1|permission|0"].assert_eq(&node.ask(REPORTS));
    node.check_settled();
    node.judge(ann, Judged::Live);
    node.apply();
    expect!["ann|7|1.0|committed"].assert_eq(&node.ask(STATUS));
    node.check_settled();
}

#[test]
fn an_edit_between_the_look_and_the_lock_is_drained_before_its_row_vanishes() {
    let mut node = TestNode::found(OPEN);
    let ann = entry(&mut node, &insert_ann());
    entry(&mut node, &format!("INSERT INTO people (id, name) VALUES ('{}', 'bob')", id(2)));
    node.judge(ann, Judged::Void);
    node.run("UPDATE people SET age = 8 WHERE name = 'bob'");
    let client = node.client();
    // The first import is that of bob's age; ann is edited while it is signed.
    let applied = node.with(|application, link| {
        let edits = || client.execute_batch("UPDATE people SET age = 7 WHERE name = 'ann'").unwrap();
        application.apply(&mut Meddling::new(link, edits))
    });
    assert_eq!(applied.unwrap().drained.operation_count, 2);
    node.apply();
    expect!["bob|8|-|committed"].assert_eq(&node.ask(STATUS));
    node.check_settled();
    node.judge(ann, Judged::Live);
    node.apply();
    expect!["ann|7|1.0|committed\nbob|8|-|committed"].assert_eq(&node.ask(STATUS));
}

#[test]
fn ten_thousand_rows_vanish_and_return_at_once_with_their_reports() {
    const ROWS: u32 = 10_000;
    let mut node = TestNode::found(OPEN);
    let rows = entry(
        &mut node,
        &format!(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {ROWS})
             INSERT INTO people (id, name, age) SELECT '00000000-0000-4000-8000-' || printf('%012d', i), 'n' || i, i FROM n"
        ),
    );
    let path = node.path();
    let is_done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let client = Connection::open(&path).unwrap();
            client.busy_timeout(std::time::Duration::from_secs(60)).unwrap();
            let sql = "SELECT (SELECT count(*) FROM people), \
                       (SELECT count(*) FROM treaty_rollbacks WHERE reinstated IS NULL), (SELECT basis FROM treaty_state)";
            while !is_done.load(std::sync::atomic::Ordering::Acquire) {
                let found: (u32, u32, u32) =
                    client.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap();
                assert!(matches!(found, (ROWS, 0, 0 | 2) | (0, ROWS, 1)), "{found:?}");
            }
        });
        for verdict in [Judged::Void, Judged::Live] {
            node.judge(rows, verdict);
            let applied = node.apply();
            assert_eq!(applied[0].report_count, u64::from(ROWS));
            node.check_settled();
        }
        is_done.store(true, std::sync::atomic::Ordering::Release);
        reader.join().unwrap();
    });
    assert_eq!(node.ask("SELECT count(*), max(cursor) FROM treaty_rollbacks"), format!("{0}|{0}", 2 * ROWS));
}

#[test]
fn a_restored_backup_hears_of_the_flips_that_it_had_not() {
    let mut node = TestNode::found(OPEN);
    let ann = entry(&mut node, &insert_ann());
    let bob = entry(&mut node, &format!("INSERT INTO people (id, name) VALUES ('{}', 'bob')", id(2)));
    node.judge(ann, Judged::Void);
    node.apply();
    let backup = tempfile::tempdir().unwrap();
    let copy = backup.path().join("backup.db");
    node.client().execute("VACUUM INTO ?1", [copy.to_str().unwrap()]).unwrap();
    node.judge(ann, Judged::Live);
    node.judge(bob, Judged::Void);
    node.apply();
    expect!["ann|1|1.0|committed"].assert_eq(&node.ask(STATUS));
    node.stop();
    node.replace_database(&copy);
    node.start(Place::Same).unwrap();
    expect!["bob|-|-|committed"].assert_eq(&node.ask(STATUS));
    assert_eq!(node.audit(), 0);
    node.apply();
    expect!["ann|1|1.0|committed"].assert_eq(&node.ask(STATUS));
    expect!["1|insert|1|ann|1|permission|1\n2|insert|1|ann|1|permission|1\n3|insert|1|bob|-|permission|0"]
        .assert_eq(&node.ask(REPORTS));
    node.check_settled();
}

#[test]
fn a_log_that_is_older_than_the_verdicts_shown_is_refused() {
    let mut node = TestNode::found(OPEN);
    let ann = entry(&mut node, &insert_ann());
    let log = node.directory.path().join("log.sqlite");
    let (bytes, wal) = (std::fs::read(&log).unwrap(), std::fs::read(log.with_extension("sqlite-wal")).unwrap());
    node.judge(ann, Judged::Void);
    node.apply();
    node.stop();
    node.replace_log(&bytes, &wal);
    let refused = node.start(Place::Same).unwrap_err();
    assert!(refused.to_string().contains("the data directory is older than the database"), "{refused}");
}

#[test]
fn a_batch_that_fails_tells_nothing() {
    let mut node = TestNode::found(OPEN);
    let ann = entry(&mut node, &insert_ann());
    entry(&mut node, &format!("INSERT INTO people (id, name) VALUES ('{}', 'bob')", id(2)));
    node.judge(ann, Judged::Void);
    for refuses in ["RAISE(ABORT, 'no')", "RAISE(ROLLBACK, 'no')", "RAISE(IGNORE)"] {
        node.run(&format!(
            "DROP TRIGGER IF EXISTS own; CREATE TRIGGER own BEFORE DELETE ON people BEGIN SELECT {refuses}; END"
        ));
        let refused = node.with(|application, link| application.apply(link)).unwrap_err();
        assert!(refused.to_string().contains("cannot be written as the log has it"), "{refused}");
        expect!["0|0"].assert_eq(&node.ask("SELECT count(*), (SELECT basis FROM treaty_state) FROM treaty_rollbacks"));
    }
    node.run("DROP TRIGGER own");
    node.apply();
    expect!["1|1"].assert_eq(&node.ask("SELECT count(*), (SELECT basis FROM treaty_state) FROM treaty_rollbacks"));
    node.check_settled();
}

#[test]
fn an_application_that_emptied_the_reports_still_hears_of_a_reinstatement() {
    let mut node = TestNode::found(OPEN);
    let ann = entry(&mut node, &insert_ann());
    node.judge(ann, Judged::Void);
    node.apply();
    node.run("DELETE FROM treaty_rollbacks");
    node.judge(ann, Judged::Live);
    node.apply();
    expect!["2|insert|1|ann|1|reinstated|1"].assert_eq(&node.ask(REPORTS));
}
