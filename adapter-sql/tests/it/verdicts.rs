//! What concurrent work comes to in the tables of every node, and what applications are told.

use expect_test::{Expect, expect};
use treaty_engine::identity::{Identity, Keypair};

use crate::both::on_both;
use crate::node::{TestNode, id, sync};

const REPORTS: &str = "SELECT operation, table_name, substr(row_id, 36), reason, reinstated IS NOT NULL FROM treaty_rollbacks \
                       ORDER BY cursor";

/// A parent goes on one node while a child comes on another; what is left of parents and children, and the reports.
fn check_parent_goes(action: &str, expected: &Expect) {
    let mut a = TestNode::found(&format!(
        "CREATE TABLE parents (id UUID PRIMARY KEY);
         CREATE TABLE children (id UUID PRIMARY KEY, parent UUID REFERENCES parents (id) {action});
         CREATE POLICY a ON parents FOR INSERT WITH CHECK (true);
         CREATE POLICY b ON parents FOR DELETE USING (true);
         CREATE POLICY c ON children FOR INSERT WITH CHECK (true);
         CREATE POLICY d ON children FOR UPDATE USING (true);
         CREATE POLICY e ON children FOR DELETE USING (true);",
    ));
    let mut b = TestNode::join(&a, 2);
    a.run(&format!("INSERT INTO parents (id) VALUES ('{}'), ('{}')", id(1), id(2)));
    sync(&mut a, &mut b);
    a.run(&format!("PRAGMA foreign_keys = ON; DELETE FROM parents WHERE id = '{}'", id(1)));
    b.run(&format!(
        "PRAGMA foreign_keys = ON; INSERT INTO children (id, parent) VALUES ('{}', '{}'), ('{}', '{}')",
        id(3),
        id(1),
        id(4),
        id(2)
    ));
    sync(&mut a, &mut b);
    let left = "SELECT group_concat(substr(id, 36), ' ') FROM (SELECT id FROM parents ORDER BY id) AS found";
    let children = "SELECT substr(id, 36), coalesce(substr(parent, 36), '-') FROM children ORDER BY id";
    let found = |node: &TestNode| format!("{}\n{}\n{}", node.ask(left), node.ask(children), node.ask(REPORTS));
    expected.assert_eq(&found(&a));
    assert_eq!(found(&a), found(&b));
    for node in [&mut a, &mut b] {
        node.check_settled();
        assert_eq!(node.audit(), 0);
    }
}

on_both!(
    a_parent_that_goes_while_a_child_comes_ends_by_the_action_of_the_key,
    what_a_removed_member_wrote_meanwhile_vanishes_everywhere_and_returns_if_the_removal_falls,
    an_edit_that_waits_on_a_row_of_a_removed_member_stays_in_the_log,
);

#[test]
fn a_parent_that_goes_while_a_child_comes_ends_by_the_action_of_the_key() {
    // One transaction stands or falls whole: the child of the parent that stays falls with its sister.
    check_parent_goes(
        "ON DELETE CASCADE",
        &expect![[r"
        2

        insert|children|3|foreign_key|0
        insert|children|4|foreign_key|0"]],
    );
    check_parent_goes(
        "",
        &expect![[r"
        2

        insert|children|3|foreign_key|0
        insert|children|4|foreign_key|0"]],
    );
    check_parent_goes(
        "ON DELETE SET NULL",
        &expect![[r"
        2
        3|-
        4|2
    "]],
    );
    check_parent_goes(
        "ON DELETE RESTRICT",
        &expect![[r"
        1 2
        3|1
        4|2
        delete|parents|1|foreign_key|0"]],
    );
}

/// Members write notes, leads admit and expel.
const CLUB: &str = "
CREATE TABLE members (id UUID PRIMARY KEY, who IDENTITY NOT NULL, lead BOOLEAN NOT NULL DEFAULT FALSE);
REVOKE UPDATE (who, lead) ON members FROM PUBLIC;
CREATE TABLE notes (id UUID PRIMARY KEY, title TEXT NOT NULL);
CREATE POLICY a ON members FOR INSERT WITH CHECK (EXISTS (SELECT 1 FROM members m WHERE m.who = author() AND m.lead));
CREATE POLICY b ON members FOR DELETE USING (EXISTS (SELECT 1 FROM members m WHERE m.who = author() AND m.lead));
CREATE POLICY c ON notes FOR INSERT WITH CHECK (EXISTS (SELECT 1 FROM members m WHERE m.who = author()));
CREATE POLICY d ON notes FOR UPDATE USING (EXISTS (SELECT 1 FROM members m WHERE m.who = author()));
CREATE POLICY e ON treaty_peers FOR SELECT USING (true);
CREATE POLICY f ON treaty_schema FOR INSERT WITH CHECK (false);
INSERT INTO members (who, lead) VALUES (author(), TRUE);
";

fn who(seed: u8) -> Identity {
    Keypair::generate(&[seed; 32]).identity()
}

/// A founder, a lead (2) and a member (3), in step.
fn club() -> (TestNode, TestNode, TestNode) {
    let mut a = TestNode::found(CLUB);
    let (mut b, mut c) = (TestNode::join(&a, 2), TestNode::join(&a, 3));
    a.run(&format!(
        "INSERT INTO members (id, who, lead) VALUES ('{}', '{}', TRUE), ('{}', '{}', FALSE)",
        id(2),
        who(2),
        id(3),
        who(3)
    ));
    sync(&mut a, &mut b);
    sync(&mut a, &mut c);
    c.run(&format!("INSERT INTO notes (id, title) VALUES ('{}', 'early')", id(10)));
    sync(&mut a, &mut c);
    sync(&mut a, &mut b);
    (a, b, c)
}

const NOTES: &str = "SELECT title, treaty_status FROM notes ORDER BY title";

#[test]
fn what_a_removed_member_wrote_meanwhile_vanishes_everywhere_and_returns_if_the_removal_falls() {
    let (mut a, mut b, mut c) = club();
    c.run(&format!("INSERT INTO notes (id, title) VALUES ('{}', 'late'), ('{}', 'later')", id(11), id(12)));
    c.run("INSERT INTO treaty_tx DEFAULT VALUES; UPDATE notes SET title = 'early!' WHERE title = 'early'");
    b.run(&format!("DELETE FROM members WHERE id = '{}'", id(3)));
    sync(&mut b, &mut c);
    expect!["early|committed"].assert_eq(&b.ask(NOTES));
    // What survived of a change made here says so.
    expect!["early|reverted"].assert_eq(&c.ask(NOTES));
    for node in [&mut b, &mut c] {
        node.check_settled();
        let told = "SELECT operation, lost ->> '$.title', reason, author FROM treaty_rollbacks ORDER BY cursor";
        let expected = ["insert|late", "insert|later", "update|early!"];
        let expected: Vec<String> = expected.iter().map(|told| format!("{told}|permission|{}", who(3))).collect();
        assert_eq!(node.ask(told), expected.join("\n"));
        assert_eq!(node.ask("SELECT count(DISTINCT culprit) FROM treaty_rollbacks"), "1");
    }
    // The founder had removed the lead, which nobody knew.
    a.run(&format!("DELETE FROM members WHERE id = '{}'", id(2)));
    sync(&mut a, &mut c);
    sync(&mut a, &mut b);
    for node in [&mut a, &mut b, &mut c] {
        node.check_settled();
        expect!["early!|committed\nlate|committed\nlater|committed"].assert_eq(&node.ask(NOTES));
        assert_eq!(node.audit(), 0);
    }
    // Those who had seen them fall are told that they stand, each once.
    for node in [&b, &c] {
        let again =
            "SELECT count(*), count(DISTINCT lost) FROM treaty_rollbacks WHERE cursor > 3 AND reinstated IS NOT NULL";
        expect!["3|3"].assert_eq(&node.ask(again));
        let standing = "SELECT operation, table_name, reason FROM treaty_rollbacks WHERE reinstated IS NULL";
        expect!["delete|members|permission"].assert_eq(&node.ask(standing));
    }
    expect!["delete|members|3|permission|0"].assert_eq(&a.ask(REPORTS));
}

#[test]
fn a_parent_that_went_past_the_triggers_is_missed_before_its_child_is_shown() {
    let mut a = TestNode::found(crate::node::OPEN);
    let mut b = TestNode::join(&a, 2);
    a.run(&format!("INSERT INTO people (id, name) VALUES ('{}', 'ann')", id(1)));
    sync(&mut a, &mut b);
    b.run("INSERT INTO treaty_applying VALUES (1); DELETE FROM people; DELETE FROM treaty_applying");
    a.run(&format!("INSERT INTO notes (id, owner, title) VALUES ('{}', '{}', 't')", id(2), id(1)));
    a.drain();
    b.pull(&a);
    // The delete is imported, and wins over the reference that it had not seen.
    b.apply();
    sync(&mut a, &mut b);
    for node in [&mut a, &mut b] {
        node.check_settled();
        expect!["0|0"].assert_eq(&node.ask("SELECT (SELECT count(*) FROM people), (SELECT count(*) FROM notes)"));
        expect!["insert|notes|2|foreign_key|0"].assert_eq(&node.ask(REPORTS));
    }
}

#[test]
fn an_edit_that_waits_on_a_row_of_a_removed_member_stays_in_the_log() {
    let (mut a, mut b, mut c) = club();
    c.run(&format!("INSERT INTO notes (id, title) VALUES ('{}', 'late')", id(11)));
    sync(&mut a, &mut c);
    b.run(&format!("DELETE FROM members WHERE id = '{}'", id(3)));
    b.drain();
    a.pull(&b);
    a.run("UPDATE notes SET title = 'edited' WHERE title = 'late'");
    let applied = a.apply();
    assert_eq!(applied[0].drained.operation_count, 1);
    a.check_settled();
    expect!["early|committed"].assert_eq(&a.ask(NOTES));
    // The insert is reported, the edit stands: it has nothing to show on.
    expect!["insert|notes|1|permission|0"].assert_eq(&a.ask(REPORTS));
    sync(&mut a, &mut b);
    sync(&mut a, &mut c);
    for node in [&mut b, &mut c] {
        node.check_settled();
        expect!["early|committed"].assert_eq(&node.ask(NOTES));
    }
}
