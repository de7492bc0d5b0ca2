//! Early warnings: a bad write fails at once, by the policy's name; what the engine may accept never does.

use expect_test::{Expect, expect};

use super::Database;
use crate::golden::examples;

/// The notes example, with this node as its admin and editor, and one note of each.
fn notes() -> Database {
    let text = std::fs::read_to_string(examples().join("notes/schema.sql")).unwrap();
    let database = Database::new(&text);
    database.apply(
        "INSERT INTO members (id, who, role, treaty_status) VALUES ($1, $node, 'admin', 'committed');
         INSERT INTO notes (id, owner, title, treaty_status) VALUES ($2, $node, 'mine', 'committed');
         INSERT INTO notes (id, owner, title, treaty_status, treaty_author) VALUES ($3, $other, 'theirs', 'committed', $other)",
    );
    database
}

fn check(sql: &str, expected: &Expect) {
    let database = notes();
    let outcome = database.connection.execute_batch(&super::expand(sql));
    expected.assert_eq(&outcome.map_or_else(|error| error.to_string(), |()| "ok".to_owned()));
}

#[test]
fn what_a_policy_permits_passes() {
    check("INSERT INTO notes (owner, title) VALUES ($node, 'x')", &expect!["ok"]);
    check("UPDATE notes SET title = 'x' WHERE id = $2", &expect!["ok"]);
    check("DELETE FROM notes WHERE id = $2", &expect!["ok"]);
    check("INSERT INTO members (who, role) VALUES ($other, 'editor')", &expect!["ok"]);
}

#[test]
fn what_no_policy_permits_fails_by_its_name() {
    check(
        "INSERT INTO notes (owner, title) VALUES ($other, 'x')",
        &expect!["notes: policy editors_write refuses this INSERT"],
    );
    check("UPDATE notes SET title = 'x' WHERE id = $3", &expect!["notes: policy owners_edit refuses this UPDATE"]);
    check("DELETE FROM notes WHERE id = $3", &expect!["notes: policy owners_remove refuses this DELETE"]);
    check(
        "INSERT OR IGNORE INTO notes (owner, title) VALUES ($other, 'x')",
        &expect!["notes: policy editors_write refuses this INSERT"],
    );
    check("UPDATE members SET role = 'editor'", &expect!["members.role never changes after insert (REVOKE UPDATE)"]);
}

#[test]
fn an_author_that_is_named_is_the_one_judged() {
    check(
        "INSERT INTO notes (owner, title, treaty_author) VALUES ($other, 'x', $other)",
        &expect!["notes: policy editors_write refuses this INSERT"],
    );
    check("UPDATE notes SET title = 'x', treaty_author = $other WHERE id = $3", &expect!["ok"]);
    check(
        "UPDATE notes SET title = 'x', treaty_author = $other WHERE id = $2",
        &expect!["notes: policy owners_edit refuses this UPDATE"],
    );
    // A deleted row names no author: it goes with whoever is named in its transaction, which is the engine's to find out.
    check(
        "INSERT INTO members (who, role, treaty_author) VALUES ($other, 'editor', $node); DELETE FROM notes WHERE id = $3",
        &expect!["ok"],
    );
    check(
        "UPDATE notes SET title = 'x', treaty_author = $other WHERE id = $3; DELETE FROM notes WHERE id = $3",
        &expect!["ok"],
    );
}

#[test]
fn an_author_named_in_an_earlier_transaction_is_no_excuse() {
    let database = notes();
    database.run("UPDATE notes SET title = 'x', treaty_author = $other WHERE id = $3");
    database.run("DELETE FROM treaty_queue");
    let error = database.fails("DELETE FROM notes WHERE id = $3");
    assert!(error.contains("owners_remove"), "{error}");
}

#[test]
fn an_update_that_changes_nothing_is_nobodys_business() {
    check("UPDATE notes SET title = title", &expect!["ok"]);
}

#[test]
fn a_row_does_not_permit_its_own_insert() {
    check(
        "DELETE FROM members; DELETE FROM treaty_queue; INSERT INTO members (who, role) VALUES ($node, 'admin')",
        &expect!["members: policy admins_appoint refuses this INSERT"],
    );
}

#[test]
fn a_row_inserted_earlier_permits_what_follows() {
    let database = notes();
    database.run("INSERT INTO members (who, role) VALUES ($other, 'admin')");
    database.run("INSERT INTO members (who, role, treaty_author) VALUES ($node, 'editor', $other)");
}

#[test]
fn what_a_transaction_deletes_does_not_take_its_permission_away() {
    check("INSERT INTO members (id, who, role) VALUES ($5, $other, 'editor'); DELETE FROM members", &expect!["ok"]);
    check("DELETE FROM members; INSERT INTO notes (owner, title) VALUES ($node, 'last words')", &expect!["ok"]);
}

#[test]
fn rows_go_with_their_parent_whatever_their_own_policy_says() {
    let database = Database::new(
        "CREATE TABLE p (id UUID PRIMARY KEY);
         CREATE POLICY a ON p FOR INSERT WITH CHECK (true);
         CREATE POLICY b ON p FOR DELETE USING (true);
         CREATE TABLE c (id UUID PRIMARY KEY, p_id UUID NOT NULL REFERENCES p ON DELETE CASCADE);
         CREATE POLICY a ON c FOR INSERT WITH CHECK (true);",
    );
    database.run("PRAGMA foreign_keys = ON");
    database.run("INSERT INTO p (id) VALUES ($1); INSERT INTO c (id, p_id) VALUES ($2, $1), ($3, $1)");
    let error = database.fails("DELETE FROM c WHERE id = $2");
    assert!(error.contains("c: no policy permits any DELETE"), "{error}");
    database.run("DELETE FROM p");
    assert_eq!(database.queue(), "p:1 c:2 c:3 c:2 c:3 p:1");
}

#[test]
fn a_reference_is_set_null_with_its_parent_whatever_the_policy_of_its_row_says() {
    let database = Database::new(
        "CREATE TABLE p (id UUID PRIMARY KEY);
         CREATE POLICY a ON p FOR INSERT WITH CHECK (true);
         CREATE POLICY b ON p FOR DELETE USING (true);
         CREATE TABLE c (id UUID PRIMARY KEY, p_id UUID REFERENCES p ON DELETE SET NULL);
         CREATE POLICY a ON c FOR INSERT WITH CHECK (true);",
    );
    database.run("PRAGMA foreign_keys = ON");
    database.run("INSERT INTO p (id) VALUES ($1); INSERT INTO c (id, p_id) VALUES ($2, $1)");
    let error = database.fails("UPDATE c SET p_id = NULL");
    assert!(error.contains("c: no policy permits any UPDATE"), "{error}");
    database.run("DELETE FROM p");
}

#[test]
fn without_an_identity_nothing_is_refused_in_its_name() {
    let database = notes();
    database.run("DELETE FROM treaty_state; INSERT INTO notes (owner, title) VALUES ($other, 'x')");
}
