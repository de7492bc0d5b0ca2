//! Every way in which an application's write could escape the queue.

use super::{Database, OPEN};

/// Runs `sql` on rows 1 to 3 (n = 10, 20, 30), with `recursive_triggers` off and on; compares the queue's lines as a set,
/// because with it on, displaced rows come twice.
fn check(sql: &str, expected: &str) {
    for database in [Database::new(OPEN), Database::recursive(OPEN)] {
        database.run("INSERT INTO t (id, n, v) VALUES ($1, 10, 'a'), ($2, 20, 'b'), ($3, 30, 'c')");
        database.queue();
        database.run(sql);
        let queue = database.queue();
        let mut lines: Vec<&str> = queue.split_whitespace().collect();
        lines.sort_unstable();
        lines.dedup();
        assert_eq!(lines.join(" "), expected, "{sql}");
    }
}

#[test]
fn plain_writes_are_queued_once_each() {
    let database = Database::new(OPEN);
    database.run("INSERT INTO t (id, n) VALUES ($1, 1), ($2, 2)");
    assert_eq!(database.queue(), "t:1 t:2");
    database.run("UPDATE t SET v = 'x' WHERE id = $1; DELETE FROM t WHERE id = $2");
    assert_eq!(database.queue(), "t:1 t:2");
}

#[test]
fn an_id_left_out_is_a_fresh_uuid_and_queued() {
    let database = Database::new(OPEN);
    database.run("INSERT INTO t (n) VALUES (1), (2)");
    let ids = database.rows("SELECT id FROM t ORDER BY id");
    let queued = database.rows("SELECT row_id FROM treaty_queue ORDER BY row_id");
    assert_eq!(ids, queued);
    for id in ids.split(' ') {
        let id = uuid(id);
        assert_eq!((id.0, id.1), ('4', true), "version and variant");
    }
}

/// The version digit of a UUID, and whether its variant is the usual one.
fn uuid(text: &str) -> (char, bool) {
    assert_eq!(text.len(), 36);
    assert!(text.chars().all(|found| found == '-' || found.is_ascii_digit() || ('a'..='f').contains(&found)), "{text}");
    let at = |index: usize| text.chars().nth(index).unwrap();
    assert_eq!([at(8), at(13), at(18), at(23)], ['-'; 4]);
    (at(14), "89ab".contains(at(19)))
}

#[test]
fn insert_or_replace_through_a_second_unique_key_queues_the_row_it_removes() {
    check("INSERT OR REPLACE INTO t (id, n) VALUES ($4, 20)", "t:2 t:4");
}

#[test]
fn insert_or_replace_through_id_and_another_key_queues_both() {
    check("INSERT OR REPLACE INTO t (id, n) VALUES ($1, 20)", "t:1 t:2");
}

#[test]
fn insert_or_replace_of_the_same_id_queues_it() {
    check("REPLACE INTO t (id, n, v) VALUES ($1, 10, 'new')", "t:1");
}

#[test]
fn update_or_replace_queues_the_row_it_removes() {
    check("UPDATE OR REPLACE t SET n = 30 WHERE id = $1", "t:1 t:3");
}

#[test]
fn an_ignored_insert_leaves_at_most_a_hint() {
    // The line for row 1, which stays as it is, is a hint that the sidecar finds to be no change.
    check("INSERT OR IGNORE INTO t (id, n) VALUES ($4, 10), ($5, 50)", "t:1 t:5");
}

#[test]
fn an_upsert_that_updates_queues_the_row_it_updates() {
    check("INSERT INTO t (id, n, v) VALUES ($4, 10, 'x') ON CONFLICT (n) DO UPDATE SET v = excluded.v", "t:1");
    check("INSERT INTO t (id, n, v) VALUES ($1, 11, 'x') ON CONFLICT (id) DO UPDATE SET v = excluded.v", "t:1");
    check("INSERT INTO t (id, n, v) VALUES ($1, 11, 'x') ON CONFLICT DO NOTHING", "");
}

#[test]
fn outer_conflict_clauses_do_not_reach_the_queue() {
    for clause in ["ABORT", "FAIL", "IGNORE", "REPLACE", "ROLLBACK"] {
        check(&format!("INSERT OR {clause} INTO t (id, n) VALUES ($7, 70), ($8, 80)"), "t:7 t:8");
        check(&format!("UPDATE OR {clause} t SET n = n + 1"), "t:1 t:2 t:3");
    }
}

#[test]
fn what_a_failing_statement_kept_is_queued_and_what_it_undid_is_not() {
    for database in [Database::new(OPEN), Database::recursive(OPEN)] {
        database.run("INSERT INTO t (id, n) VALUES ($1, 10)");
        database.queue();
        database.fails("INSERT INTO t (id, n) VALUES ($2, 20), ($3, 10)");
        assert_eq!(database.queue(), "", "a failed statement leaves nothing");
        database.fails("INSERT OR FAIL INTO t (id, n) VALUES ($2, 20), ($3, 10)");
        assert!(database.queue().starts_with("t:2"), "OR FAIL keeps the rows before the failure");
        assert_eq!(database.rows("SELECT count(*) || '' FROM t"), "2");
    }
}

#[test]
fn delete_without_where_queues_every_row() {
    check("DELETE FROM t", "t:1 t:2 t:3");
}

#[test]
fn returning_changes_nothing() {
    let database = Database::new(OPEN);
    assert_eq!(database.rows("INSERT INTO t (id, n, v) VALUES ($1, 1, 'a') RETURNING v"), "a");
    assert_eq!(database.queue(), "t:1");
    assert_eq!(database.rows("DELETE FROM t RETURNING v"), "a");
    assert_eq!(database.queue(), "t:1");
}

#[test]
fn what_a_savepoint_undid_is_not_queued() {
    let database = Database::new(OPEN);
    database.run(
        "BEGIN; INSERT INTO t (id, n) VALUES ($1, 1); SAVEPOINT s; INSERT INTO t (id, n) VALUES ($2, 2); ROLLBACK TO s; \
         INSERT INTO t (id, n) VALUES ($3, 3); COMMIT",
    );
    assert_eq!(database.queue(), "t:1 t:3");
}

#[test]
fn a_mark_stands_before_what_its_transaction_wrote() {
    let database = Database::new(OPEN);
    database.run("BEGIN; INSERT INTO treaty_tx DEFAULT VALUES; INSERT INTO t (id, n) VALUES ($1, 1); COMMIT");
    database.run("BEGIN; INSERT INTO treaty_tx DEFAULT VALUES; INSERT INTO t (id, n) VALUES ($2, 2); COMMIT");
    assert_eq!(database.queue(), "- t:1 - t:2");
    assert_eq!(database.rows("SELECT count(*) || '' FROM treaty_tx"), "0");
}

#[test]
fn an_id_never_changes() {
    for database in [Database::new(OPEN), Database::recursive(OPEN)] {
        database.run("INSERT INTO t (id, n) VALUES ($1, 1), ($2, 2)");
        for clause in ["", "OR IGNORE", "OR REPLACE", "OR FAIL"] {
            let error = database.fails(&format!("UPDATE {clause} t SET id = $3 WHERE id = $1"));
            assert!(error.contains("the id of a row never changes"), "{error}");
        }
        database.run("UPDATE t SET id = id, v = 'x'");
        assert_eq!(database.rows("SELECT count(*) || '' FROM t WHERE v = 'x'"), "2");
    }
}

#[test]
fn cascades_are_captured_when_the_application_enforces_foreign_keys() {
    let database = Database::new(
        "CREATE TABLE p (id UUID PRIMARY KEY);
         CREATE POLICY a ON p FOR INSERT WITH CHECK (true);
         CREATE POLICY b ON p FOR DELETE USING (true);
         CREATE TABLE c (id UUID PRIMARY KEY, p_id UUID REFERENCES p ON DELETE CASCADE, q_id UUID REFERENCES p ON DELETE SET NULL);
         CREATE POLICY a ON c FOR INSERT WITH CHECK (true);",
    );
    database.run("PRAGMA foreign_keys = ON");
    database.run("INSERT INTO p (id) VALUES ($1), ($2); INSERT INTO c (id, p_id) VALUES ($3, $1); INSERT INTO c (id, q_id) VALUES ($4, $2)");
    database.apply("UPDATE c SET treaty_status = 'committed'");
    database.queue();
    database.run("DELETE FROM p WHERE id = $1");
    assert_eq!(database.queue(), "c:3 p:1");
    database.run("DELETE FROM p WHERE id = $2");
    assert_eq!(database.queue(), "c:4 p:2");
}

#[test]
fn the_sidecars_own_writes_are_not_queued_and_not_touched() {
    let database = Database::new(OPEN);
    database.apply("INSERT INTO t (id, n, treaty_status, treaty_author) VALUES ($1, 1, 'committed', $other)");
    database.apply("UPDATE t SET v = 'x'; UPDATE t SET treaty_author = $node; INSERT OR REPLACE INTO t (id, n, treaty_status) VALUES ($2, 1, 'committed')");
    assert_eq!(database.queue(), "");
    assert_eq!(database.rows("SELECT treaty_status FROM t"), "committed");
}

#[test]
fn a_rolled_back_flag_does_not_put_the_triggers_to_rest() {
    let database = Database::new(OPEN);
    database.run("BEGIN; INSERT INTO treaty_applying VALUES (1); ROLLBACK; INSERT INTO t (id, n) VALUES ($1, 1)");
    assert_eq!(database.queue(), "t:1");
}

/// Runs `sql` on row 1, committed, last written by somebody else; returns its status and author.
fn status_after(sql: &str) -> [String; 2] {
    [Database::new(OPEN), Database::recursive(OPEN)].map(|database| {
        database.apply("INSERT INTO t (id, n, treaty_status, treaty_author) VALUES ($1, 1, 'committed', $other)");
        database.run(sql);
        database.rows("SELECT treaty_status || ' ' || CASE treaty_author WHEN $other THEN 'other' WHEN $node THEN 'node' ELSE 'default' END FROM t")
    })
}

#[test]
fn a_change_makes_the_row_pending_by_the_default_author() {
    assert_eq!(status_after("UPDATE t SET v = 'x'"), ["pending default", "pending default"]);
}

#[test]
fn an_author_that_is_named_stays_even_if_it_is_the_same_again() {
    assert_eq!(status_after("UPDATE t SET v = 'x', treaty_author = $node"), ["pending node", "pending node"]);
    assert_eq!(status_after("UPDATE t SET v = 'x', treaty_author = $other"), ["pending other", "pending other"]);
    assert_eq!(status_after("UPDATE t SET v = 'x', treaty_author = NULL"), ["pending default", "pending default"]);
}

#[test]
fn a_second_change_keeps_the_author_of_what_is_pending() {
    assert_eq!(
        status_after("UPDATE t SET v = 'x', treaty_author = $node; UPDATE t SET v = 'y'"),
        ["pending node", "pending node"]
    );
}

#[test]
fn a_status_alone_is_no_change() {
    let database = Database::new(OPEN);
    database.run("INSERT INTO t (id, n) VALUES ($1, 1)");
    database.queue();
    database.run("UPDATE t SET treaty_status = 'committed'");
    assert_eq!(database.queue(), "");
}

#[test]
fn a_trigger_of_the_application_that_touches_the_row_again_ends() {
    for database in [Database::new(OPEN), Database::recursive(OPEN)] {
        database.run(
            "CREATE TRIGGER touch AFTER UPDATE ON t WHEN NEW.v IS NOT 'touched' \
             BEGIN UPDATE t SET v = 'touched' WHERE id = NEW.id; END",
        );
        database.apply("INSERT INTO t (id, n, treaty_status) VALUES ($1, 1, 'committed')");
        database.run("UPDATE t SET n = 2");
        assert_eq!(database.rows("SELECT v || ' ' || treaty_status FROM t"), "touched pending");
        assert!(database.queue().contains("t:1"));
    }
}

#[test]
fn a_table_whose_columns_take_every_name_of_the_row_number_still_works() {
    let database = Database::new(
        "CREATE TABLE t (id UUID PRIMARY KEY, rowid TEXT, _rowid_ TEXT, oid TEXT);
         CREATE POLICY a ON t FOR INSERT WITH CHECK (true);
         CREATE POLICY b ON t FOR UPDATE USING (true);",
    );
    database.apply("INSERT INTO t (id, treaty_status) VALUES ($1, 'committed')");
    database.run("UPDATE t SET rowid = 'x'");
    assert_eq!(database.rows("SELECT treaty_status FROM t"), "pending");
}

#[test]
fn uninstalling_leaves_the_tables_and_their_rows() {
    let database = Database::new(OPEN);
    database.run("INSERT INTO t (id, n) VALUES ($1, 1)");
    database.run(&treaty_ddl::sql::sqlite::uninstall(&super::schema(OPEN).schema));
    database.run("INSERT INTO t (id, n) VALUES ($2, 2); ALTER TABLE t RENAME TO u");
    assert_eq!(database.rows("SELECT name FROM sqlite_schema WHERE name LIKE '%treaty%'"), "");
    assert_eq!(database.rows("SELECT count(*) || '' FROM u"), "2");
}
