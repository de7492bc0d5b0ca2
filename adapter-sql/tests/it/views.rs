//! Work is entered on what its transaction saw, signed by whom it named, and nobody waits for transactions that stay open.

use treaty_engine::identity::Keypair;

use crate::meddle::{Meddling, Overtaking};
use crate::node::{OPEN, TestNode, id};
use crate::server::ServerNode;

/// A node over SQLite that founded a space, and one over PostgreSQL that joined it.
fn pair() -> (TestNode, ServerNode) {
    let far = TestNode::found(OPEN);
    let near = ServerNode::join(&far, 2);
    (far, near)
}

/// Has the far node write a row, and the near one show it.
fn news(far: &mut TestNode, near: &mut ServerNode, row: u32, name: &str) {
    far.run(&format!("INSERT INTO people (id, name) VALUES ('{}', '{name}')", id(row)));
    far.drain();
    near.hear(far).unwrap();
}

fn insert(row: u32, name: &str) -> String {
    format!("INSERT INTO people (id, name) VALUES ('{}', '{name}')", id(row))
}

/// Entries that no other follows.
fn heads(node: &ServerNode) -> usize {
    node.replica.frontier().ids().len()
}

/// Checks that both nodes hold and show the same.
fn check_together(mut far: TestNode, mut near: ServerNode) {
    near.tell(&mut far);
    near.hear(&far).unwrap();
    near.check_settled();
    far.check_settled();
    assert_eq!(far.replica.digest().unwrap(), near.replica.digest().unwrap());
    let people = "SELECT id, name, age FROM people ORDER BY id";
    assert_eq!(far.ask(people).replace('-', ""), near.ask(people).replace('-', ""));
}

#[test]
fn a_transaction_is_entered_on_what_it_saw_not_on_what_came_before_its_commit() {
    let (mut far, mut near) = pair();
    let mut open = near.client();
    open.run(&format!("BEGIN; {}", insert(1, "ann")));
    news(&mut far, &mut near, 2, "ben");
    open.run("COMMIT");
    assert_eq!(near.drain().entries.len(), 1);
    assert_eq!(heads(&near), 2, "it is concurrent with what it did not see");
    near.run(&insert(3, "cat"));
    assert_eq!(near.drain().entries.len(), 1);
    assert_eq!(heads(&near), 1, "the next one saw both");
    check_together(far, near);
}

#[test]
fn work_of_two_views_is_two_entries() {
    let (mut far, mut near) = pair();
    let mut open = near.client();
    open.run(&format!("BEGIN; {}", insert(1, "ann")));
    news(&mut far, &mut near, 2, "ben");
    open.run("COMMIT");
    near.run(&insert(3, "cat"));
    let drained = near.drain();
    assert_eq!((drained.transaction_count, drained.entries.len()), (2, 2));
    assert_eq!(heads(&near), 1, "the second follows the first and what was applied between");
    check_together(far, near);
}

#[test]
fn a_transaction_that_outlives_the_drain_of_a_later_view_goes_on_that_one() {
    let (mut far, mut near) = pair();
    let mut open = near.client();
    open.run(&format!("BEGIN; {}", insert(1, "ann")));
    news(&mut far, &mut near, 2, "ben");
    near.run(&insert(3, "cat"));
    near.drain();
    open.run("COMMIT");
    assert_eq!(near.drain().entries.len(), 1);
    assert_eq!(heads(&near), 1);
    check_together(far, near);
}

#[test]
fn a_drain_that_is_interrupted_on_an_older_view_is_found_out() {
    let (mut far, mut near) = pair();
    let mut open = near.client();
    open.run(&format!("BEGIN; {}; DELETE FROM people WHERE id = '{}'", insert(1, "ann"), id(9)));
    news(&mut far, &mut near, 2, "ben");
    open.run("COMMIT");
    near.run(&insert(3, "cat"));
    let interrupted = near.with(|application, link| {
        let mut meddling = Meddling::new(link, || {});
        meddling.fails = true;
        application.drain(&mut meddling)
    });
    assert!(interrupted.is_err());
    let again = near.drain();
    assert_eq!((again.transaction_count, again.entries.len()), (1, 1), "the first is in the log already");
    assert_eq!(near.replica.entry_count(), far.replica.entry_count() + 2);
    check_together(far, near);
}

#[test]
fn rows_that_somebody_has_are_marked_when_nobody_does() {
    let (far, mut near) = pair();
    near.run(&format!("{}; {}", insert(1, "ann"), insert(2, "ben")));
    let mut open = near.client();
    open.run(&format!("BEGIN; SELECT 1 FROM people WHERE id = '{}' FOR UPDATE", id(1)));
    near.drain();
    let statuses = "SELECT name, treaty_status FROM people ORDER BY name";
    assert_eq!(near.ask(statuses), "ann|pending\nben|committed");
    near.application.look().unwrap();
    assert_eq!(near.ask(statuses), "ann|pending\nben|committed");
    open.run("ROLLBACK");
    near.application.look().unwrap();
    assert_eq!(near.ask(statuses), "ann|committed\nben|committed");
    check_together(far, near);
}

#[test]
fn a_row_that_is_written_while_its_last_change_is_drained_stays_pending() {
    let (far, mut near) = pair();
    near.run(&insert(1, "ann"));
    let mut open = near.client();
    open.run(&format!("BEGIN; UPDATE people SET age = 7 WHERE id = '{}'", id(1)));
    near.drain();
    open.run("COMMIT");
    near.application.look().unwrap();
    assert_eq!(near.ask("SELECT age, treaty_status FROM people"), "7|pending");
    assert_eq!(near.drain().transaction_count, 1);
    check_together(far, near);
}

#[test]
fn a_refused_transaction_is_put_back_beside_one_that_stays_open() {
    let (far, mut near) = pair();
    let mut open = near.client();
    open.run(&format!("BEGIN; {}", insert(1, "ann")));
    let stranger = Keypair::generate(&[9; 32]).identity();
    near.run(&format!("SET treaty.author = '{stranger}'; {}", insert(2, "ben")));
    assert_eq!(near.drain().refused_count, 1);
    assert_eq!(near.ask("SELECT count(*) FROM people"), "0");
    open.run("COMMIT");
    assert_eq!(near.drain().transaction_count, 1);
    check_together(far, near);
}

#[test]
fn a_transaction_has_the_author_that_it_names() {
    let (far, mut near) = pair();
    let other = near.keys.add(Keypair::generate(&[9; 32])).unwrap();
    let own = near.identity();
    near.run(&format!("SET LOCAL treaty.author = '{other}'; {}; {}", insert(1, "ann"), insert(2, "ben")));
    near.run(&insert(3, "cat"));
    let drained = near.drain();
    assert_eq!((drained.transaction_count, drained.entries.len(), drained.refused_count), (2, 2, 0));
    let authors = "SELECT treaty_author FROM people ORDER BY name";
    assert_eq!(near.ask(authors), format!("{other}\n{other}\n{own}"));
    near.run(&format!("SET LOCAL treaty.author = '{other}'; DELETE FROM people WHERE name = 'cat'"));
    assert_eq!(near.drain().entries.len(), 1);
    let newest = near.replica.frontier().ids()[0];
    let by = crate::node::entries_of(&near.replica).into_iter().find(|entry| *entry.id() == newest);
    assert_eq!(*by.unwrap().author(), other);
    check_together(far, near);
}

#[test]
fn two_authors_in_one_transaction_are_refused_with_what_to_do() {
    let (far, mut near) = pair();
    let other = near.keys.add(Keypair::generate(&[9; 32])).unwrap();
    let third = near.keys.add(Keypair::generate(&[8; 32])).unwrap();
    near.run(&format!(
        "SET LOCAL treaty.author = '{other}'; {}; SET LOCAL treaty.author = '{third}'; {}",
        insert(1, "ann"),
        insert(2, "ben")
    ));
    assert_eq!(near.drain().refused_count, 1);
    let told = near.ask("SELECT DISTINCT message FROM treaty_rollbacks");
    assert_eq!(told, "author: rows of two authors in one transaction: write them in two");
    assert_eq!(near.ask("SELECT count(*) FROM people"), "0");
    check_together(far, near);
}

#[test]
fn a_batch_waits_for_no_writer_of_other_rows_and_overwrites_nothing_unseen() {
    let (mut far, mut near) = pair();
    news(&mut far, &mut near, 1, "ann");
    let mut open = near.client();
    open.run(&format!("BEGIN; {}", insert(3, "cat")));
    near.run(&format!("UPDATE people SET age = 7 WHERE id = '{}'", id(1)));
    far.run(&format!("UPDATE people SET score = 0.5 WHERE id = '{}'", id(1)));
    far.drain();
    near.hear(&far).unwrap();
    assert_eq!(near.ask("SELECT age, score FROM people WHERE name = 'ann'"), "7|0.5");
    open.run("COMMIT");
    near.drain();
    check_together(far, near);
}

#[test]
fn a_refused_transaction_that_is_put_off_keeps_its_author() {
    let (far, mut near) = pair();
    near.run(&insert(1, "ann"));
    near.drain();
    let stranger = Keypair::generate(&[9; 32]).identity();
    near.run(&insert(2, "ben"));
    near.run(&format!("SET LOCAL treaty.author = '{stranger}'; UPDATE people SET name = 'x' WHERE id = '{}'", id(1)));
    // While the first is signed, somebody takes the name that the second has freed.
    let mut client = near.client();
    let drained = near.with(|application, link| {
        let mut meddling = Meddling::new(link, || client.run(&insert(3, "ann")));
        application.drain(&mut meddling)
    });
    assert_eq!(drained.unwrap().refused_count, 2, "the name is still the first row's, in the log");
    assert_eq!(near.ask("SELECT name FROM people ORDER BY name"), "ann\nben");
    let told = near.ask("SELECT split_part(message, ':', 1), count(*) FROM treaty_rollbacks GROUP BY 1 ORDER BY 1");
    assert_eq!(told, "author|1\nunique|1");
    near.drain();
    check_together(far, near);
}

#[test]
fn a_change_between_the_drain_and_the_batch_is_not_overwritten() {
    let (mut far, mut near) = pair();
    news(&mut far, &mut near, 1, "ann");
    far.run(&format!("UPDATE people SET score = 0.5 WHERE id = '{}'", id(1)));
    far.drain();
    near.replica.ingest(far.entries()).unwrap();
    let mut client = near.client();
    let update = format!("UPDATE people SET age = 7 WHERE id = '{}'", id(1));
    let applied = near.with(|application, link| application.apply(&mut Overtaking::new(link, || client.run(&update))));
    assert_eq!(applied.unwrap().drained.transaction_count, 1);
    assert_eq!(near.ask("SELECT age, score FROM people"), "7|0.5");
    check_together(far, near);
}

#[test]
fn a_unique_value_that_is_taken_between_the_drain_and_the_batch_is_told_from_an_obstacle() {
    let (mut far, mut near) = pair();
    news(&mut far, &mut near, 1, "ann");
    far.run(&insert(2, "ben"));
    far.drain();
    near.replica.ingest(far.entries()).unwrap();
    let mut client = near.client();
    let applied =
        near.with(|application, link| application.apply(&mut Overtaking::new(link, || client.run(&insert(3, "ben")))));
    assert_eq!(applied.unwrap().drained.transaction_count, 1);
    near.hear(&far).unwrap();
    assert_eq!(near.ask("SELECT count(*) FROM treaty_rollbacks WHERE reason = 'unique'"), "1");
    check_together(far, near);
}
