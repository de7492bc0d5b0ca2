//! What an application or a server does between two steps of the sidecar: nothing is lost, nothing is signed twice.

use treaty::database::DatabaseError;

use crate::node::{OPEN, TestNode, entries_of, id};
use crate::server::ServerNode;

/// A row that is not there cannot be locked. An insert of the same id, committed after the queue was looked at and before the
/// batch was written, was overwritten; what the other node had written was then signed as this node's.
#[test]
fn a_row_inserted_just_before_the_batch_is_written_is_not_overwritten() {
    let mut far = TestNode::found(OPEN);
    let mut near = ServerNode::join(&far, 2);
    far.run(&format!("INSERT INTO people (id, name) VALUES ('{}', 'far')", id(1)));
    far.drain();
    near.replica.ingest(far.entries()).unwrap();
    let (mut open, mut watching) = (near.client(), near.client());
    // Rows can be locked still, and not written.
    open.run("BEGIN; LOCK TABLE people IN SHARE MODE");
    std::thread::scope(|scope| {
        let applying = scope.spawn(|| near.with(|application, link| application.apply(link)));
        watching.run(
            "DO $$ BEGIN WHILE NOT EXISTS (SELECT FROM pg_locks WHERE relation = 'public.people'::regclass AND NOT granted) \
             LOOP PERFORM pg_stat_clear_snapshot(); END LOOP; END $$",
        );
        open.run(&format!("INSERT INTO people (id, name) VALUES ('{}', 'near'); COMMIT", id(1)));
        match applying.join().unwrap() {
            Ok(_) | Err(DatabaseError::Busy { .. }) => {}
            Err(other) => panic!("{other}"),
        }
    });
    near.hear(&far).unwrap();
    near.tell(&mut far);
    near.hear(&far).unwrap();
    assert_eq!(near.ask("SELECT name FROM people ORDER BY name"), "far\nnear");
    near.check_settled();
    far.check_settled();
}

/// A standby that is promoted may lack the last commits: the queue then holds what is in the log, and was signed again.
#[test]
fn what_a_server_forgot_when_another_took_over_is_not_signed_twice() {
    let far = TestNode::found(OPEN);
    let mut near = ServerNode::join(&far, 2);
    near.run(&format!("INSERT INTO people (id, name) VALUES ('{}', 'ann')", id(1)));
    near.run(
        "CREATE TABLE queue_then AS SELECT * FROM treaty.queue; CREATE TABLE views_then AS SELECT * FROM treaty.views;
         CREATE TABLE state_then AS SELECT * FROM treaty.state",
    );
    near.drain();
    let entry_count = entries_of(&near.replica).len();
    near.run(
        "INSERT INTO treaty.queue OVERRIDING SYSTEM VALUE SELECT * FROM queue_then;
         DELETE FROM treaty.views; INSERT INTO treaty.views SELECT * FROM views_then;
         DELETE FROM treaty.state; INSERT INTO treaty.state SELECT * FROM state_then;
         SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE application_name = 'treaty' AND datname = current_database()",
    );
    let lost = near.with(|application, link| application.drain(link));
    assert!(matches!(lost, Err(DatabaseError::Busy { .. })), "{lost:?}");
    near.drain();
    assert_eq!(entries_of(&near.replica).len(), entry_count);
    assert_eq!(near.ask("SELECT count(*) FROM people"), "1");
    near.check_settled();
}

/// A family whose references may be checked at the end of a transaction.
const FAMILY: &str = "
CREATE TABLE parents (id UUID PRIMARY KEY);
CREATE TABLE children (id UUID PRIMARY KEY, parent UUID NOT NULL REFERENCES parents (id));
CREATE POLICY p ON parents FOR INSERT WITH CHECK (true);
CREATE POLICY q ON children FOR INSERT WITH CHECK (true);
";

/// The child's transaction takes its last number before that of the parent, and commits after it: it was refused, and undone.
#[test]
fn a_child_inserted_before_its_parent_by_a_transaction_that_checks_at_its_end_is_not_refused() {
    let far = TestNode::found(FAMILY);
    let mut near = ServerNode::join(&far, 2);
    let (mut child, mut parent) = (near.client(), near.client());
    child.run("BEGIN; SET CONSTRAINTS ALL DEFERRED");
    child.run(&format!("INSERT INTO children (id, parent) VALUES ('{}', '{}')", id(2), id(1)));
    parent.run(&format!("INSERT INTO parents (id) VALUES ('{}')", id(1)));
    child.run("COMMIT");
    let drained = near.drain();
    assert_eq!((drained.transaction_count, drained.refused_count), (2, 0));
    assert_eq!(near.ask("SELECT treaty_status FROM children"), "committed");
    near.check_settled();
}
