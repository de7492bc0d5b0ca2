//! Every way in which an application's write could escape the queue.

use super::server::Database;
use super::{expand, installed, queue};

/// A table with a second UNIQUE key, open to all.
const OPEN: &str = "
    CREATE TABLE t (id UUID PRIMARY KEY, n INTEGER UNIQUE, v TEXT);
    CREATE POLICY a ON t FOR INSERT WITH CHECK (true);
    CREATE POLICY b ON t FOR UPDATE USING (true);
    CREATE POLICY c ON t FOR DELETE USING (true);";

/// The table with rows 1 to 3 (n = 10, 20, 30), committed, and an empty queue.
fn with_rows() -> Database {
    let database = installed(OPEN);
    apply(
        &database,
        "INSERT INTO t (id, n, v, treaty_status) VALUES ($1, 10, 'a', 'committed'), ($2, 20, 'b', 'committed'), ($3, 30, 'c', 'committed')",
    );
    database
}

/// Runs statements as the sidecar does.
fn apply(database: &Database, sql: &str) {
    database.run(&expand(&format!("BEGIN; SET LOCAL treaty.applying = 'on'; {sql}; COMMIT")));
}

#[test]
fn every_kind_of_write_is_queued() {
    let database = with_rows();
    assert_eq!(queue(&database), "", "the sidecar's own writes are not");
    for (sql, expected) in [
        ("INSERT INTO t (id, n) VALUES ($4, 40), ($5, 50)", "t:4 t:5"),
        ("UPDATE t SET v = 'x' WHERE n > 25", "t:3 t:4 t:5"),
        ("DELETE FROM t WHERE n > 35", "t:4 t:5"),
        ("UPDATE t SET v = 'x' WHERE false; DELETE FROM t WHERE false", ""),
        ("INSERT INTO t (id, n) VALUES ($6, 10), ($7, 70) ON CONFLICT (n) DO UPDATE SET v = 'up'", "t:1 t:7"),
        ("INSERT INTO t (id, n) VALUES ($8, 10) ON CONFLICT DO NOTHING", ""),
        (
            "MERGE INTO t USING (VALUES (20), (90)) s (n) ON t.n = s.n WHEN MATCHED THEN DELETE \
             WHEN NOT MATCHED THEN INSERT (id, n) VALUES ($9, s.n)",
            "t:2 t:9",
        ),
        ("COPY t (id, n) FROM stdin;\n00000000-0000-4000-8000-000000000010\t100\n\\.\n", "t:10"),
        (
            "BEGIN; INSERT INTO t (id) VALUES ($11); SAVEPOINT s; INSERT INTO t (id) VALUES ($12); ROLLBACK TO s; COMMIT",
            "t:11",
        ),
        ("TRUNCATE t", "t:1 t:10 t:11 t:3 t:7 t:9"),
    ] {
        database.run(&expand(sql));
        let mut lines: Vec<String> = queue(&database).split_whitespace().map(str::to_owned).collect();
        lines.sort();
        assert_eq!(lines.join(" "), expected, "{sql}");
    }
}

#[test]
fn one_transaction_is_one_number_whatever_its_savepoints() {
    let database = installed(OPEN);
    database.run(&expand(
        "BEGIN; INSERT INTO t (id) VALUES ($1); SAVEPOINT s; INSERT INTO t (id) VALUES ($2); RELEASE s; COMMIT",
    ));
    database.run(&expand("INSERT INTO t (id) VALUES ($3)"));
    assert_eq!(
        database.run("SELECT count(DISTINCT transaction) || ' ' || count(DISTINCT view) FROM treaty.queue"),
        "2 1"
    );
}

#[test]
fn cascades_are_captured() {
    let database = installed(
        "CREATE TABLE p (id UUID PRIMARY KEY);
         CREATE POLICY a ON p FOR INSERT WITH CHECK (true);
         CREATE POLICY b ON p FOR DELETE USING (true);
         CREATE TABLE c (id UUID PRIMARY KEY, p_id UUID REFERENCES p ON DELETE CASCADE);
         CREATE POLICY a ON c FOR INSERT WITH CHECK (true);",
    );
    database.run(&expand(
        "INSERT INTO p (id) VALUES ($1), ($2); INSERT INTO c (id, p_id) VALUES ($3, $1), ($4, $1), ($5, $2)",
    ));
    queue(&database);
    let error = database.fails(&expand("DELETE FROM c WHERE id = $3"));
    assert!(error.contains("c: no policy permits any DELETE"), "{error}");
    database.run(&expand("DELETE FROM p WHERE id = $1"));
    assert_eq!(queue(&database), "c:3 c:4 p:1");
    database.run("TRUNCATE p CASCADE");
    assert_eq!(queue(&database), "c:5 p:2");
}

#[test]
fn an_id_never_changes() {
    let database = with_rows();
    let error = database.fails(&expand("UPDATE t SET id = $9 WHERE id = $1"));
    assert!(error.contains("the id of a row never changes"), "{error}");
    database.run("UPDATE t SET id = id");
}

/// Runs `sql` on a committed row last written by somebody else; returns its status and author.
fn status_after(sql: &str) -> String {
    let database = installed(OPEN);
    apply(&database, "INSERT INTO t (id, n, treaty_status, treaty_author) VALUES ($1, 1, 'committed', $other)");
    database.run(&expand(sql));
    database.run(&expand(
        "SELECT treaty_status || ' ' || CASE treaty_author WHEN $other THEN 'other' WHEN $node THEN 'node' ELSE 'default' END FROM t",
    ))
}

#[test]
fn a_change_makes_the_row_pending_by_the_author_named_or_the_default() {
    assert_eq!(status_after("UPDATE t SET v = 'x'"), "pending default");
    assert_eq!(status_after("UPDATE t SET v = 'x', treaty_author = $node"), "pending node");
    assert_eq!(status_after("UPDATE t SET v = 'x', treaty_author = $other"), "pending other");
    assert_eq!(status_after("UPDATE t SET v = 'x', treaty_author = NULL"), "pending default");
    // A later statement of the same transaction goes with it; a later transaction does not.
    let twice = "UPDATE t SET v = 'x', treaty_author = $node; UPDATE t SET v = 'y'";
    assert_eq!(status_after(&format!("BEGIN; {twice}; COMMIT")), "pending node");
    assert_eq!(status_after(twice), "pending default");
    // The setting is in the queue's lines, not in rows.
    assert_eq!(status_after("SET treaty.author = $node; UPDATE t SET v = 'x'"), "pending default");
    assert_eq!(
        status_after("SET treaty.author = $node; UPDATE t SET v = 'x', treaty_author = $other"),
        "pending other"
    );
}

#[test]
fn ours_runs_after_the_triggers_of_the_application() {
    let database = with_rows();
    database.run(
        "CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.treaty_status := 'mine'; RETURN NEW; END $$;
         CREATE TRIGGER touch BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION touch();",
    );
    database.run("UPDATE t SET v = 'x' WHERE n = 10");
    assert_eq!(database.run("SELECT treaty_status FROM t WHERE n = 10"), "pending");
}

#[test]
fn a_role_with_rights_on_its_table_only_can_write_and_cannot_silence_the_triggers() {
    let database = with_rows();
    database.run(
        "DO $$ BEGIN CREATE ROLE app LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
         GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON t TO app",
    );
    database.run_as(
        "app",
        &expand("INSERT INTO t (id, n) VALUES ($4, 40); UPDATE t SET v = 'x' WHERE n = 10; DELETE FROM t WHERE n = 20"),
    );
    assert_eq!(queue(&database), "t:1 t:2 t:4");
    database.run_as("app", &expand("SET treaty.applying = 'on'; INSERT INTO t (id, n) VALUES ($5, 50); TRUNCATE t"));
    assert_eq!(queue(&database), "t:1 t:3 t:4 t:5 t:5");
    let error = database.fails_as("app", "SELECT * FROM treaty.queue");
    assert!(error.contains("permission denied"), "{error}");
}
