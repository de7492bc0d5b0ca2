//! Applications that write and read while the sidecar works; stores that fail.

use std::sync::atomic::{AtomicBool, Ordering};

use expect_test::expect;
use rusqlite::{Connection, TransactionBehavior};
use treaty::application::Place;
use treaty_testkit::FailNth;

use crate::meddle::Meddling;
use crate::node::{OPEN, TestNode, id, sync};

/// Writes transactions of two rows each, and touches rows that it wrote before.
fn write_pairs(path: &std::path::Path, pair_count: u32) {
    let mut client = Connection::open(path).unwrap();
    client.busy_timeout(std::time::Duration::from_secs(60)).unwrap();
    for pair in 0..pair_count {
        let tx = client.transaction_with_behavior(TransactionBehavior::Immediate).unwrap();
        tx.execute_batch("INSERT INTO treaty_tx DEFAULT VALUES").unwrap();
        for half in 0..2 {
            let sql = "INSERT INTO notes (id, title, price) VALUES (?1, ?2, 1)";
            tx.execute(sql, (id(10 * pair + half), format!("pair {pair}"))).unwrap();
        }
        if pair > 3 {
            let touched = pair - 3;
            tx.execute("UPDATE notes SET price = price + 1 WHERE title = ?1", [format!("pair {touched}")]).unwrap();
        }
        tx.commit().unwrap();
    }
}

#[test]
fn an_application_writes_and_another_reads_while_nodes_drain_and_apply() {
    const PAIRS: u32 = 400;
    let mut a = TestNode::found(OPEN);
    let mut b = TestNode::join(&a, 2);
    let (path_a, path_b) = (a.path(), b.path());
    let is_done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| write_pairs(&path_a, PAIRS));
        let reader = scope.spawn(|| {
            let client = Connection::open(&path_b).unwrap();
            client.busy_timeout(std::time::Duration::from_secs(60)).unwrap();
            let torn = "SELECT count(*) FROM (SELECT title FROM notes GROUP BY title HAVING count(*) <> 2 OR min(price) <> max(price))";
            while !is_done.load(Ordering::Acquire) {
                let count: i64 = client.query_row(torn, [], |row| row.get(0)).unwrap();
                assert_eq!(count, 0, "half of a transaction is visible");
            }
        });
        while !writer.is_finished() {
            a.drain();
            b.pull(&a);
            b.apply();
        }
        writer.join().unwrap();
        sync(&mut a, &mut b);
        is_done.store(true, Ordering::Release);
        reader.join().unwrap();
    });
    a.check_settled();
    b.check_settled();
    assert_eq!(b.ask("SELECT count(*) FROM notes"), (2 * PAIRS).to_string());
    assert_eq!(a.ask("SELECT count(*) FROM treaty_rollbacks"), "0");
    assert_eq!(a.ask("SELECT * FROM notes ORDER BY id"), b.ask("SELECT * FROM notes ORDER BY id"));
}

/// A node whose queue holds inserts, an update, a delete and a transaction that is refused.
fn node_with_a_full_queue() -> TestNode {
    let mut node = TestNode::found(OPEN);
    node.run(&format!("INSERT INTO people (id, name) VALUES ('{}', 'ann'), ('{}', 'bob')", id(1), id(2)));
    node.drain();
    node.run(&format!(
        "UPDATE people SET age = 3 WHERE name = 'ann'; DELETE FROM people WHERE name = 'bob';
         INSERT INTO treaty_tx DEFAULT VALUES; INSERT INTO notes (id, owner, title) VALUES ('{}', '{}', 'dangling');
         INSERT INTO treaty_tx DEFAULT VALUES; INSERT INTO notes (id, title) VALUES ('{}', 'kept')",
        id(3),
        id(99),
        id(4)
    ));
    node
}

#[test]
fn whichever_write_of_the_log_fails_nothing_is_lost_and_nothing_doubled() {
    let mut node = node_with_a_full_queue();
    let never = FailNth::new(u64::MAX);
    node.reopen_log(Some(never.clone()));
    node.drain();
    let (step_count, entry_count) = (never.step_count(), node.replica.entry_count());
    assert!(step_count > 5, "{step_count}");
    for step in 1..=step_count {
        let mut node = node_with_a_full_queue();
        node.stop();
        node.reopen_log(Some(FailNth::new(step)));
        node.start(Place::Same).unwrap();
        let failed = node.with(|application, link| application.drain(link));
        assert!(failed.is_err(), "write {step} of {step_count}");
        // The disk works again; the sidecar goes on, or is started again.
        node.stop();
        node.reopen_log(None);
        node.start(Place::Same).unwrap();
        node.drain();
        node.check_settled();
        assert_eq!(node.replica.entry_count(), entry_count, "write {step}");
        expect!["ann|3"].assert_eq(&node.ask("SELECT name, age FROM people"));
        expect!["kept"].assert_eq(&node.ask("SELECT title FROM notes"));
        expect!["dangling"].assert_eq(&node.ask("SELECT lost ->> 'title' FROM treaty_rollbacks"));
    }
}

#[test]
fn a_change_that_takes_the_key_of_a_row_to_be_put_back_is_judged_with_it() {
    let mut node = TestNode::found(OPEN);
    node.run(&format!(
        "INSERT INTO people (id, name) VALUES ('{0}', 'ann'); INSERT INTO notes (id, owner, title) VALUES ('{1}', '{0}', 't')",
        id(1),
        id(2)
    ));
    node.drain();
    // A delete that leaves a reference behind is refused; the name is given away before that is known here.
    node.run(&format!("DELETE FROM people WHERE id = '{}'", id(1)));
    let client = node.client();
    let drained = node.with(|application, link| {
        let takes =
            || client.execute_batch(&format!("INSERT INTO people (id, name) VALUES ('{}', 'ann')", id(3))).unwrap();
        application.drain(&mut Meddling::new(link, takes))
    });
    assert_eq!(drained.unwrap().refused_count, 1);
    node.check_settled();
    assert_eq!(node.ask("SELECT id FROM people"), id(1));
    expect!["delete\ninsert"].assert_eq(&node.ask("SELECT operation FROM treaty_rollbacks ORDER BY operation"));
}
