//! Many authors behind one node: each signs for itself, and is judged by its own permissions.

use expect_test::expect;
use treaty::home::Home;
use treaty::keystore::Keystore;
use treaty_engine::identity::{Identity, Keypair};

use crate::both::on_both;
use crate::node::{OPEN, TestNode, id, sync};

/// The founder, and whoever has a row in `members`, may write tasks; only the founder appoints members.
const MEMBERS: &str = "
CREATE TABLE members (id UUID PRIMARY KEY, who IDENTITY NOT NULL, role TEXT NOT NULL);
CREATE TABLE tasks (id UUID PRIMARY KEY, title TEXT NOT NULL);
REVOKE UPDATE (who, role) ON members FROM PUBLIC;
CREATE POLICY appoint ON members FOR INSERT WITH CHECK (
  EXISTS (SELECT 1 FROM members m WHERE m.who = author() AND m.role = 'admin'));
CREATE POLICY dismiss ON members FOR DELETE USING (
  EXISTS (SELECT 1 FROM members m WHERE m.who = author() AND m.role = 'admin'));
CREATE POLICY add ON tasks FOR INSERT WITH CHECK (
  EXISTS (SELECT 1 FROM members m WHERE m.who = author() AND m.role = 'editor'));
CREATE POLICY change ON tasks FOR UPDATE USING (
  EXISTS (SELECT 1 FROM members m WHERE m.who = author() AND m.role = 'editor'));
CREATE POLICY peers ON treaty_peers FOR SELECT USING (
  EXISTS (SELECT 1 FROM members m WHERE m.who = author() AND m.role = 'admin'));
CREATE POLICY schema ON treaty_schema FOR INSERT WITH CHECK (false);
INSERT INTO members (who, role) VALUES (author(), 'admin');
";

/// A node whose founder is admin, with the keys of an editor and of somebody who is nothing.
fn founded() -> (TestNode, Identity, Identity) {
    let mut node = TestNode::found(MEMBERS);
    let (editor, nobody) = (node.keys.add(key(8)).unwrap(), node.keys.add(key(9)).unwrap());
    node.run(&format!("INSERT INTO members (id, who, role) VALUES ('{}', '{editor}', 'editor')", id(1)));
    node.drain();
    (node, editor, nobody)
}

fn key(seed: u8) -> Keypair {
    Keypair::generate(&[seed; 32])
}

/// Drains; returns transactions, refusals and entries.
fn drained(node: &mut TestNode) -> (u64, u64, usize) {
    let drained = node.drain();
    (drained.transaction_count, drained.refused_count, drained.entries.len())
}

on_both!(
    an_author_without_a_key_here_is_refused,
    entries_of_authors_who_may_not_sync_are_taken_from_whoever_has_them,
    what_an_author_of_this_node_loses_is_marked_here_and_not_elsewhere,
);

#[test]
fn an_author_without_a_key_here_is_refused() {
    let mut node = TestNode::found(OPEN);
    let stranger = key(9).identity();
    node.run(&format!("INSERT INTO people (id, name, treaty_author) VALUES ('{}', 'ann', '{stranger}')", id(1)));
    assert_eq!(node.drain().refused_count, 1);
    let report = node.ask("SELECT author, message FROM treaty_rollbacks");
    assert_eq!(report, format!("{stranger}|author: treaty_author names {stranger}, whose key is not on this node"));
    expect!["0"].assert_eq(&node.ask("SELECT count(*) FROM people"));
}

#[test]
fn rows_of_two_authors_in_one_transaction_are_refused() {
    let mut node = TestNode::found(OPEN);
    let own = node.keypair.identity();
    node.run(&format!(
        "BEGIN; INSERT INTO people (id, name, treaty_author) VALUES ('{}', 'ann', '{own}');
         INSERT INTO people (id, name) VALUES ('{}', 'bob'); COMMIT",
        id(1),
        id(2)
    ));
    assert_eq!(node.drain().refused_count, 1);
    expect!["2"].assert_eq(&node.ask("SELECT count(*) FROM treaty_rollbacks"));
    node.run(&format!("INSERT INTO people (id, name, treaty_author) VALUES ('{}', 'ann', '{own}')", id(3)));
    assert_eq!(node.drain().refused_count, 0);
    node.check_settled();
}

#[test]
fn transactions_of_several_authors_are_signed_each_by_its_own_in_order() {
    let mut node = TestNode::found(OPEN);
    let (own, other) = (node.keypair.identity(), node.keys.add(key(9)).unwrap());
    node.run(&format!(
        "INSERT INTO people (id, name, treaty_author) VALUES ('{}', 'a', '{other}');
         INSERT INTO treaty_tx DEFAULT VALUES; INSERT INTO people (id, name) VALUES ('{}', 'b');
         INSERT INTO treaty_tx DEFAULT VALUES; INSERT INTO people (id, name, treaty_author) VALUES ('{}', 'c', '{other}')",
        id(1),
        id(2),
        id(3)
    ));
    assert_eq!(drained(&mut node), (3, 0, 3));
    let authors = node.ask("SELECT treaty_author FROM people ORDER BY name");
    assert_eq!(authors, format!("{other}\n{own}\n{other}"));
    node.check_settled();
    // The author goes with the statement that names it, even if it is the same again; else it is this node's own.
    node.run(&format!("UPDATE people SET age = 1, treaty_author = '{other}' WHERE name = 'a'"));
    assert_eq!(drained(&mut node), (1, 0, 1));
    node.run("UPDATE people SET age = 1 WHERE name = 'c'");
    assert_eq!(drained(&mut node), (1, 0, 1));
    let authors = node.ask("SELECT treaty_author FROM people ORDER BY name");
    assert_eq!(authors, format!("{other}\n{own}\n{own}"));
    node.check_settled();
}

#[test]
fn marked_transactions_of_two_authors_on_one_row_are_not_joined() {
    let mut node = TestNode::found(OPEN);
    let other = node.keys.add(key(9)).unwrap();
    node.run(&format!(
        "INSERT INTO treaty_tx DEFAULT VALUES; BEGIN; INSERT INTO people (id, name) VALUES ('{0}', 'a');
         INSERT INTO people (id, name) VALUES ('{1}', 'b'); COMMIT;
         INSERT INTO treaty_tx DEFAULT VALUES; UPDATE people SET age = 7, treaty_author = '{other}' WHERE id = '{0}'",
        id(1),
        id(2)
    ));
    assert_eq!(drained(&mut node), (2, 0, 2));
    node.check_settled();
    assert_eq!(node.ask("SELECT treaty_author FROM people WHERE name = 'a'"), other.to_string());
}

#[test]
fn an_author_is_judged_by_its_own_permissions_not_by_the_nodes() {
    let (mut node, editor, nobody) = founded();
    let task = |author: &str| format!("INSERT INTO tasks (title, treaty_author) VALUES ('paint', {author})");
    node.run(&task(&format!("'{editor}'")));
    assert_eq!(drained(&mut node), (1, 0, 1));
    assert_eq!(node.ask("SELECT treaty_author FROM tasks"), editor.to_string());
    assert_eq!(node.entries().last().unwrap().header().author, editor);
    for author in ["NULL".to_owned(), format!("'{nobody}'")] {
        let warned = node.client().execute_batch(&task(&author)).unwrap_err().to_string();
        assert!(warned.contains("policy add refuses this INSERT"), "{warned}");
    }
    node.check_settled();
}

#[test]
fn a_key_that_is_added_beside_a_running_sidecar_signs_what_comes_next() {
    let (mut node, ..) = founded();
    let late = key(7).identity();
    node.run(&format!("INSERT INTO members (who, role) VALUES ('{late}', 'editor')"));
    let task = format!("INSERT INTO tasks (title, treaty_author) VALUES ('paint', '{late}')");
    assert_eq!(drained(&mut node), (1, 0, 1));
    node.run(&task);
    assert_eq!(drained(&mut node), (0, 1, 0));
    let mut elsewhere = Keystore::of(node.keypair.clone(), &Home::at(node.directory.path().to_owned()));
    elsewhere.add(key(7)).unwrap();
    node.run(&task);
    assert_eq!(drained(&mut node), (1, 0, 1));
    node.check_settled();
}

#[test]
fn entries_of_authors_who_may_not_sync_are_taken_from_whoever_has_them() {
    let (mut a, editor, _) = founded();
    let mut b = TestNode::join(&a, 2);
    a.run(&format!("INSERT INTO members (who, role) VALUES ('{}', 'admin')", b.keypair.identity()));
    a.drain();
    a.run(&format!("INSERT INTO tasks (id, title, treaty_author) VALUES ('{}', 'paint', '{editor}')", id(5)));
    a.drain();
    a.run(&format!("UPDATE tasks SET title = 'paint it', treaty_author = '{editor}' WHERE id = '{}'", id(5)));
    a.drain();
    a.run(&format!("INSERT INTO members (who, role) VALUES ('{}', 'reader')", key(6).identity()));
    sync(&mut a, &mut b);
    assert!(!b.replica.may_sync(&editor).unwrap());
    assert_eq!(b.ask("SELECT title, treaty_author, treaty_status FROM tasks"), format!("paint it|{editor}|committed"));
    for node in [&mut a, &mut b] {
        node.check_settled();
        assert_eq!(node.audit(), 0);
    }
}

#[test]
fn what_an_author_of_this_node_loses_is_marked_here_and_not_elsewhere() {
    let (mut a, editor, _) = founded();
    let mut b = TestNode::join(&a, 2);
    a.run(&format!("INSERT INTO members (who, role) VALUES ('{}', 'admin')", b.keypair.identity()));
    a.drain();
    a.run(&format!("INSERT INTO tasks (id, title, treaty_author) VALUES ('{}', 'paint', '{editor}')", id(5)));
    sync(&mut a, &mut b);
    a.run(&format!("UPDATE tasks SET title = 'paint it', treaty_author = '{editor}' WHERE id = '{}'", id(5)));
    b.run(&format!("DELETE FROM members WHERE id = '{}'", id(1)));
    sync(&mut a, &mut b);
    let row = "SELECT title, treaty_status FROM tasks";
    expect!["paint|reverted"].assert_eq(&a.ask(row));
    expect!["paint|committed"].assert_eq(&b.ask(row));
    for node in [&a, &b] {
        let report = node.ask("SELECT author, operation, reason FROM treaty_rollbacks");
        assert_eq!(report, format!("{editor}|update|permission"));
    }
}
