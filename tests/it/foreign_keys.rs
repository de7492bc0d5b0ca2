//! A parent is deleted while children are inserted elsewhere: each ON DELETE action ends as it says, on both nodes.

use serde_json::Value;
use treaty_tests::{Node, Pair};

use crate::offline::meet;
use crate::quick_start::{admit, join};

/// Teams, and a table for each action that refers to them. Every member may do everything.
const TEAMS: &str = "
CREATE TABLE members (id UUID PRIMARY KEY, who IDENTITY NOT NULL, role TEXT NOT NULL);
REVOKE UPDATE (who, role) ON members FROM PUBLIC;
CREATE POLICY members_appoint ON members FOR INSERT
  WITH CHECK (EXISTS (SELECT 1 FROM members m WHERE m.who = author()));
CREATE TABLE teams (id UUID PRIMARY KEY, name TEXT NOT NULL);
CREATE POLICY teams_add  ON teams FOR INSERT WITH CHECK (EXISTS (SELECT 1 FROM members m WHERE m.who = author()));
CREATE POLICY teams_drop ON teams FOR DELETE USING (EXISTS (SELECT 1 FROM members m WHERE m.who = author()));
CREATE TABLE shifts (id UUID PRIMARY KEY, team UUID NOT NULL REFERENCES teams (id) ON DELETE CASCADE, name TEXT);
CREATE POLICY shifts_add  ON shifts FOR INSERT WITH CHECK (EXISTS (SELECT 1 FROM members m WHERE m.who = author()));
CREATE TABLE desks (id UUID PRIMARY KEY, team UUID REFERENCES teams (id) ON DELETE SET NULL, name TEXT);
CREATE POLICY desks_add  ON desks FOR INSERT WITH CHECK (EXISTS (SELECT 1 FROM members m WHERE m.who = author()));
CREATE POLICY desks_move ON desks FOR UPDATE USING (EXISTS (SELECT 1 FROM members m WHERE m.who = author()));
CREATE TABLE contracts (id UUID PRIMARY KEY, team UUID REFERENCES teams (id) ON DELETE RESTRICT, name TEXT);
CREATE POLICY contracts_add ON contracts FOR INSERT WITH CHECK (EXISTS (SELECT 1 FROM members m WHERE m.who = author()));
CREATE TABLE invoices (id UUID PRIMARY KEY, team UUID REFERENCES teams (id) ON DELETE NO ACTION, name TEXT);
CREATE POLICY invoices_add ON invoices FOR INSERT WITH CHECK (EXISTS (SELECT 1 FROM members m WHERE m.who = author()));
CREATE POLICY members_sync ON treaty_peers FOR SELECT USING (EXISTS (SELECT 1 FROM members m WHERE m.who = author()));
INSERT INTO members (who, role) VALUES (author(), 'founder');
INSERT INTO teams (id, name) VALUES ('11111111-1111-4111-8111-111111111111', 'garden');
";

const GARDEN: &str = "11111111-1111-4111-8111-111111111111";

/// A founder and a member who both hold the team; neither sidecar runs.
fn two_members(pair: Pair) -> (Node, Node) {
    let (first, second) = pair.nodes();
    first.init(TEAMS);
    admit(&first, &second);
    join(&first, &second);
    (first, second)
}

fn insert(node: &Node, table: &str, name: &str) {
    node.sql(&format!("INSERT INTO {table} (team, name) VALUES ('{GARDEN}', '{name}')"));
}

fn delete_team(node: &Node) {
    node.sql("DELETE FROM teams WHERE name = 'garden'");
}

/// Reports as `operation table reason author`, sorted; the culprits are entries of the log.
fn reports(node: &Node) -> Vec<String> {
    let entries: Vec<Value> =
        node.lines(&["log", "--limit", "1000"]).iter().map(|line| line["entry"].clone()).collect();
    let mut shown: Vec<String> = node
        .lines(&["rollbacks"])
        .iter()
        .map(|report| {
            assert!(entries.contains(&report["entry"]) && entries.contains(&report["culprit"]), "{report}");
            assert_eq!(report["reinstated"], Value::Null, "{report}");
            let word = |name: &str| report[name].as_str().unwrap_or("null").to_owned();
            format!("{} {} {} {}", word("operation"), word("table"), word("reason"), word("author"))
        })
        .collect();
    shown.sort();
    shown
}

treaty_tests::on_every_pair!(
    cascade_the_delete_wins_and_the_child_is_rolled_back,
    no_action_the_delete_wins_and_the_child_is_rolled_back,
    set_null_both_stand_and_the_reference_reads_null,
    restrict_the_reference_wins_and_the_parent_comes_back,
    what_the_delete_had_seen_goes_with_it_and_an_unseen_child_does_not_bring_it_back,
    a_vetoed_delete_gives_back_the_cascades_that_it_carried,
);

fn cascade_the_delete_wins_and_the_child_is_rolled_back(pair: Pair) {
    let (first, second) = two_members(pair);
    delete_team(&first);
    insert(&second, "shifts", "Monday");
    meet(&first, &second);
    for node in [&first, &second] {
        assert_eq!(node.rows("SELECT name FROM teams"), Vec::<String>::new());
        assert_eq!(node.rows("SELECT name FROM shifts"), Vec::<String>::new());
        assert_eq!(reports(node), [format!("insert shifts foreign_key {}", second.identity())]);
        assert_eq!(node.value("SELECT lost ->> 'name' FROM treaty_rollbacks"), "Monday");
    }
}

fn no_action_the_delete_wins_and_the_child_is_rolled_back(pair: Pair) {
    let (first, second) = two_members(pair);
    insert(&first, "invoices", "seeds");
    delete_team(&second);
    meet(&first, &second);
    for node in [&first, &second] {
        assert_eq!(node.rows("SELECT name FROM teams"), Vec::<String>::new());
        assert_eq!(node.rows("SELECT name FROM invoices"), Vec::<String>::new());
        assert_eq!(reports(node), [format!("insert invoices foreign_key {}", first.identity())]);
    }
}

fn set_null_both_stand_and_the_reference_reads_null(pair: Pair) {
    let (first, second) = two_members(pair);
    insert(&second, "desks", "seen");
    meet(&first, &second);
    delete_team(&first);
    insert(&second, "desks", "unseen");
    meet(&first, &second);
    for node in [&first, &second] {
        assert_eq!(node.rows("SELECT name FROM teams"), Vec::<String>::new());
        assert_eq!(node.rows("SELECT name, team FROM desks ORDER BY name"), ["seen|NULL", "unseen|NULL"]);
        assert_eq!(reports(node), Vec::<String>::new());
    }
}

fn restrict_the_reference_wins_and_the_parent_comes_back(pair: Pair) {
    let (first, second) = two_members(pair);
    delete_team(&first);
    insert(&second, "contracts", "lease");
    meet(&first, &second);
    for node in [&first, &second] {
        assert_eq!(node.rows("SELECT name FROM teams"), ["garden"]);
        assert_eq!(node.rows("SELECT name, team FROM contracts"), [format!("lease|{GARDEN}")]);
        assert_eq!(reports(node), [format!("delete teams foreign_key {}", first.identity())]);
    }
    // The team is whole again: it can be referred to.
    insert(&first, "contracts", "second lease");
    meet(&first, &second);
    assert_eq!(second.value("SELECT count(*) FROM contracts"), "2");
}

fn what_the_delete_had_seen_goes_with_it_and_an_unseen_child_does_not_bring_it_back(pair: Pair) {
    let (first, second) = two_members(pair);
    insert(&second, "shifts", "seen");
    meet(&first, &second);
    delete_team(&first);
    insert(&second, "shifts", "unseen");
    meet(&first, &second);
    for node in [&first, &second] {
        assert_eq!(node.rows("SELECT name FROM shifts"), Vec::<String>::new());
        assert_eq!(reports(node), [format!("insert shifts foreign_key {}", second.identity())]);
        assert_eq!(node.value("SELECT lost ->> 'name' FROM treaty_rollbacks"), "unseen");
    }
}

fn a_vetoed_delete_gives_back_the_cascades_that_it_carried(pair: Pair) {
    let (first, second) = two_members(pair);
    insert(&first, "shifts", "Monday");
    meet(&first, &second);
    delete_team(&first);
    assert_eq!(first.rows("SELECT name FROM shifts"), Vec::<String>::new());
    insert(&second, "contracts", "lease");
    meet(&first, &second);
    for node in [&first, &second] {
        assert_eq!(node.rows("SELECT name FROM teams"), ["garden"]);
        assert_eq!(node.rows("SELECT name, team FROM shifts"), [format!("Monday|{GARDEN}")]);
        let author = first.identity();
        assert_eq!(
            reports(node),
            [format!("delete shifts foreign_key {author}"), format!("delete teams foreign_key {author}")]
        );
    }
}
