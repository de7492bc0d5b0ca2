//! Early warnings: a bad write fails at once, by the policy's name; what the engine may accept never does.

use super::server::Database;
use super::{expand, installed};
use crate::golden::examples;

/// The notes example, with this node as its admin and editor, and one note of each.
fn notes() -> Database {
    let text = std::fs::read_to_string(examples().join("notes/schema.sql")).unwrap();
    let database = installed(&text);
    database.run(&expand(
        "BEGIN; SET LOCAL treaty.applying = 'on';
         INSERT INTO members (id, who, role, treaty_status) VALUES ($1, $node, 'admin', 'committed');
         INSERT INTO notes (id, owner, title, treaty_status) VALUES ($2, $node, 'mine', 'committed');
         INSERT INTO notes (id, owner, title, treaty_status, treaty_author) VALUES ($3, $other, 'theirs', 'committed', $other);
         COMMIT",
    ));
    database
}

/// How `sql` goes, after which everything is as before.
fn outcome(database: &Database, sql: &str) -> String {
    let message = |error: String| {
        let line = error.lines().find_map(|line| line.split_once("ERROR:  ")).map(|(_, message)| message.to_owned());
        line.unwrap_or(error)
    };
    let script = expand(&format!("BEGIN; {sql}; DO $$ BEGIN RAISE EXCEPTION 'ok'; END $$;"));
    message(database.fails(&script))
}

#[test]
fn a_policy_is_an_early_warning_by_its_name() {
    let database = notes();
    for (sql, expected) in [
        ("INSERT INTO notes (owner, title) VALUES ($node, 'x')", "ok"),
        ("UPDATE notes SET title = 'x' WHERE id = $2", "ok"),
        ("DELETE FROM notes WHERE id = $2", "ok"),
        ("INSERT INTO members (who, role) VALUES ($other, 'editor')", "ok"),
        (
            "INSERT INTO notes (owner, title) VALUES ($node, 'x'), ($other, 'x')",
            "notes: policy editors_write refuses this INSERT",
        ),
        ("UPDATE notes SET title = 'x' WHERE id = $3", "notes: policy owners_edit refuses this UPDATE"),
        ("DELETE FROM notes WHERE id = $3", "notes: policy owners_remove refuses this DELETE"),
        ("UPDATE members SET role = 'editor'", "members.role never changes after insert (REVOKE UPDATE)"),
        ("UPDATE notes SET title = title", "ok"),
        // The author that is named is the one judged.
        (
            "INSERT INTO notes (owner, title, treaty_author) VALUES ($other, 'x', $other)",
            "notes: policy editors_write refuses this INSERT",
        ),
        ("UPDATE notes SET title = 'x', treaty_author = $other WHERE id = $3", "ok"),
        (
            "UPDATE notes SET title = 'x', treaty_author = $other WHERE id = $2",
            "notes: policy owners_edit refuses this UPDATE",
        ),
        // A deleted row names no author: it goes with whoever is named in its transaction, which is the engine's to find out.
        ("UPDATE notes SET title = 'x', treaty_author = $other WHERE id = $3; DELETE FROM notes WHERE id = $3", "ok"),
        (
            "INSERT INTO members (who, role, treaty_author) VALUES ($other, 'editor', $node); DELETE FROM notes WHERE id = $3",
            "notes: policy owners_remove refuses this DELETE",
        ),
        // The session's author is judged where the row names none.
        ("SET LOCAL treaty.author = $other; DELETE FROM notes WHERE id = $3", "ok"),
        ("SET LOCAL treaty.author = $other; UPDATE notes SET title = 'x' WHERE id = $3", "ok"),
        (
            "SET LOCAL treaty.author = $other; DELETE FROM notes WHERE id = $2",
            "notes: policy owners_remove refuses this DELETE",
        ),
        (
            "SET LOCAL treaty.author = $other; UPDATE notes SET title = 'x' WHERE id = $2",
            "notes: policy owners_edit refuses this UPDATE",
        ),
        (
            "SET LOCAL treaty.author = $other; INSERT INTO members (who, role) VALUES ($other, 'editor')",
            "members: policy admins_appoint refuses this INSERT",
        ),
        (
            "SET LOCAL treaty.author = $other; INSERT INTO members (who, role, treaty_author) VALUES ($other, 'editor', $node)",
            "ok",
        ),
        (
            "SET LOCAL treaty.author = $other; INSERT INTO members (who, role, treaty_author) VALUES ($other, 'editor', NULL)",
            "members: policy admins_appoint refuses this INSERT",
        ),
        ("SET LOCAL treaty.author = ''; DELETE FROM notes WHERE id = $2", "ok"),
        // What a transaction deletes does not take its permission away; a row does not permit its own insert.
        ("INSERT INTO members (who, role) VALUES ($other, 'editor'); DELETE FROM members", "ok"),
        ("DELETE FROM members; INSERT INTO notes (owner, title) VALUES ($node, 'last words')", "ok"),
        (
            "DELETE FROM members; DELETE FROM treaty.queue; INSERT INTO members (who, role) VALUES ($node, 'admin')",
            "members: policy admins_appoint refuses this INSERT",
        ),
        ("DELETE FROM treaty.state; INSERT INTO notes (owner, title) VALUES ($other, 'x')", "ok"),
    ] {
        assert_eq!(outcome(&database, sql), expected, "{sql}");
    }
}

#[test]
fn a_reference_is_set_null_with_its_parent_whatever_the_policy_of_its_row_says() {
    let database = installed(
        "CREATE TABLE p (id UUID PRIMARY KEY);
         CREATE POLICY a ON p FOR INSERT WITH CHECK (true);
         CREATE POLICY b ON p FOR DELETE USING (true);
         CREATE TABLE c (id UUID PRIMARY KEY, p_id UUID REFERENCES p ON DELETE SET NULL);
         CREATE POLICY a ON c FOR INSERT WITH CHECK (true);",
    );
    database.run(&expand("INSERT INTO p (id) VALUES ($1); INSERT INTO c (id, p_id) VALUES ($2, $1)"));
    for (sql, expected) in [
        ("UPDATE c SET p_id = NULL", "c: no policy permits any UPDATE"),
        ("DELETE FROM p", "ok"),
        ("DELETE FROM p; UPDATE c SET p_id = NULL", "ok"),
    ] {
        assert_eq!(outcome(&database, sql), expected, "{sql}");
    }
}
