//! Two nodes edit while neither can reach the other; then they meet.

use serde_json::Value;
use treaty_tests::{Node, Pair, wait_in_step, wait_until};

use crate::quick_start::two_members;

/// A space in which every member may edit every item: what merging is about.
pub(crate) const SHARED: &str = "
CREATE TABLE members (id UUID PRIMARY KEY, who IDENTITY NOT NULL, role TEXT NOT NULL, UNIQUE (who, role));
REVOKE UPDATE (who, role) ON members FROM PUBLIC;
CREATE POLICY members_appoint ON members FOR INSERT
  WITH CHECK (EXISTS (SELECT 1 FROM members m WHERE m.who = author()));
CREATE TABLE items (
  id     UUID PRIMARY KEY,
  name   TEXT NOT NULL,
  amount INTEGER NOT NULL DEFAULT 0,
  price  NUMERIC(10,2),
  note   TEXT
);
CREATE POLICY members_add    ON items FOR INSERT WITH CHECK (EXISTS (SELECT 1 FROM members m WHERE m.who = author()));
CREATE POLICY members_change ON items FOR UPDATE USING (EXISTS (SELECT 1 FROM members m WHERE m.who = author()));
CREATE POLICY members_drop   ON items FOR DELETE USING (EXISTS (SELECT 1 FROM members m WHERE m.who = author()));
CREATE POLICY members_sync   ON treaty_peers FOR SELECT USING (EXISTS (SELECT 1 FROM members m WHERE m.who = author()));
INSERT INTO members (who, role) VALUES (author(), 'editor');
";

/// Two members of [`SHARED`], both holding `statements`' rows.
pub(crate) fn two_editors(pair: Pair, statements: &str) -> (Node, Node) {
    let (first, second) = pair.nodes();
    first.init(SHARED);
    crate::quick_start::admit(&first, &second);
    first.sql(statements);
    crate::quick_start::join(&first, &second);
    assert_eq!(first.table("items"), second.table("items"));
    (first, second)
}

/// Runs both sidecars until the nodes are in step, then checks that tables, states and digests are equal.
pub(crate) fn meet(first: &Node, second: &Node) {
    let up_first = first.up(&[]);
    let up_second = second.up(&[up_first.listen()]);
    wait_in_step(&[first, second]);
    up_first.stop();
    up_second.stop();
    assert_eq!(first.verified_digest(), second.verified_digest());
}

treaty_tests::on_every_pair!(
    different_columns_of_one_row_both_survive,
    one_write_of_the_same_column_wins_everywhere,
    inserts_join_and_a_delete_stays_deleted,
    ten_thousand_rows_on_each_side_meet,
    members_of_the_notes_example_write_while_apart,
    two_claims_of_one_key_wedge_nobody,
    the_tables_of_an_older_version_are_still_readable,
);

fn different_columns_of_one_row_both_survive(pair: Pair) {
    let (first, second) =
        two_editors(pair, "INSERT INTO items (id, name) VALUES ('11111111-1111-4111-8111-111111111111', 'bolt')");
    first.sql("UPDATE items SET amount = 7");
    second.sql("UPDATE items SET note = 'zinc', price = '12.5'");
    meet(&first, &second);
    let expected = ["bolt|7|12.50|zinc|committed"];
    assert_eq!(first.rows("SELECT name, amount, price, note, treaty_status FROM items"), expected);
    assert_eq!(second.rows("SELECT name, amount, price, note, treaty_status FROM items"), expected);
}

fn one_write_of_the_same_column_wins_everywhere(pair: Pair) {
    let (first, second) =
        two_editors(pair, "INSERT INTO items (id, name) VALUES ('11111111-1111-4111-8111-111111111111', 'bolt')");
    first.sql("UPDATE items SET name = 'nut'");
    second.sql("UPDATE items SET name = 'screw'");
    meet(&first, &second);
    assert_eq!(first.table("items"), second.table("items"));
    let name = first.value("SELECT name FROM items");
    assert!(name == "nut" || name == "screw", "{name}");
}

fn inserts_join_and_a_delete_stays_deleted(pair: Pair) {
    let (first, second) = two_editors(
        pair,
        "INSERT INTO items (id, name) VALUES ('11111111-1111-4111-8111-111111111111', 'bolt'), ('22222222-2222-4222-8222-222222222222', 'nut')",
    );
    first.sql("DELETE FROM items WHERE name = 'bolt'; INSERT INTO items (name) VALUES ('washer')");
    second.sql("UPDATE items SET amount = 3 WHERE name = 'bolt'; INSERT INTO items (name) VALUES ('rivet')");
    meet(&first, &second);
    let expected = ["nut", "rivet", "washer"];
    assert_eq!(first.rows("SELECT name FROM items ORDER BY name"), expected);
    assert_eq!(second.rows("SELECT name FROM items ORDER BY name"), expected);
}

fn ten_thousand_rows_on_each_side_meet(pair: Pair) {
    let (first, second) = two_editors(pair, "");
    for (node, name) in [(&first, "a"), (&second, "b")] {
        node.sql(&format!(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000)
             INSERT INTO items (name, amount) SELECT '{name}' || i, i FROM n"
        ));
    }
    meet(&first, &second);
    assert_eq!(first.value("SELECT count(*) FROM items"), "20000");
    assert_eq!(first.table("items"), second.table("items"));
}

fn members_of_the_notes_example_write_while_apart(pair: Pair) {
    let (first, second) = two_members(pair);
    crate::quick_start::write_note(&first, "one");
    crate::quick_start::write_note(&second, "two");
    meet(&first, &second);
    assert_eq!(first.rows("SELECT title FROM notes ORDER BY title"), ["one", "two"]);
    assert_eq!(first.table("notes"), second.table("notes"));
}

fn two_claims_of_one_key_wedge_nobody(pair: Pair) {
    let (first, second) = two_members(pair);
    let newcomer = Node::new().identity();
    // The founder alone may appoint; the second becomes an administrator first.
    let identity = second.identity();
    first.sql(&format!("INSERT INTO members (who, role) VALUES ('{identity}', 'admin')"));
    meet(&first, &second);
    for node in [&first, &second] {
        node.sql(&format!("INSERT INTO members (who, role) VALUES ('{newcomer}', 'editor')"));
    }
    meet(&first, &second);
    let count = format!("SELECT count(*) FROM members WHERE who = '{newcomer}'");
    assert_eq!((first.value(&count), second.value(&count)), ("1".to_owned(), "1".to_owned()));
    assert_eq!(first.table("members"), second.table("members"));
    crate::quick_start::write_note(&first, "life goes on");
    meet(&first, &second);
    assert_eq!(second.value("SELECT title FROM notes"), "life goes on");
}

fn the_tables_of_an_older_version_are_still_readable(pair: Pair) {
    let (first, _second) =
        two_editors(pair, "INSERT INTO items (id, name) VALUES ('11111111-1111-4111-8111-111111111111', 'bolt')");
    let before = frontier(&first);
    first.sql("UPDATE items SET name = 'nut'");
    let sidecar = first.up(&[]);
    wait_until("the change is in the log", || first.status()["waiting"] == 0 && frontier(&first) != before);
    sidecar.stop();
    let output = first.try_run(&["at", &before, "items"]);
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("bolt") && !text.contains("nut"), "{text}");
}

fn frontier(node: &Node) -> String {
    let ids = node.status()["frontier"].as_array().cloned().unwrap_or_default();
    ids.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(",")
}
