//! Every way in which an application's write could escape the queue.

use super::server::Database;
use super::{expand, installed, queue};

/// A table with a second UNIQUE key, open to all.
pub(super) const OPEN: &str = "
    CREATE TABLE t (id UUID PRIMARY KEY, n INTEGER UNIQUE, v TEXT);
    CREATE POLICY a ON t FOR INSERT WITH CHECK (true);
    CREATE POLICY b ON t FOR UPDATE USING (true);
    CREATE POLICY c ON t FOR DELETE USING (true);";

/// The table with rows 1 to 3 (n = 10, 20, 30), committed, and an empty queue.
pub(super) fn with_rows() -> Database {
    let database = installed(OPEN);
    apply(
        &database,
        "INSERT INTO t (id, n, v, treaty_status) VALUES ($1, 10, 'a', 'committed'), ($2, 20, 'b', 'committed'), ($3, 30, 'c', 'committed')",
    );
    database
}

/// Runs statements as the sidecar does.
pub(super) fn apply(database: &Database, sql: &str) {
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
        ("DELETE FROM t WHERE n = 20; INSERT INTO t (id, n) VALUES ($9, 90)", "t:2 t:9"),
        ("COPY t (id, n) FROM stdin;\n00000000-0000-4000-8000-000000000010\t100\n\\.\n", "t:10"),
        (
            "BEGIN; INSERT INTO t (id) VALUES ($11); SAVEPOINT s; INSERT INTO t (id) VALUES ($12); ROLLBACK TO s; COMMIT",
            "t:11",
        ),
        (
            "WITH gone AS (DELETE FROM t WHERE id = $10 RETURNING n), other AS (UPDATE t SET v = 'w' WHERE id = $3) \
             INSERT INTO t (id, n) SELECT $13, n + 1000 FROM gone",
            "t:10 t:13 t:3",
        ),
        ("INSERT INTO t (id, n) SELECT $14, n + 5 FROM t WHERE id = $13", "t:14"),
        ("BEGIN; UPDATE t SET v = 'x'; ROLLBACK", ""),
        ("ALTER TABLE t ADD COLUMN extra text DEFAULT 'x'; ALTER TABLE t ALTER v TYPE varchar USING upper(v)", ""),
        ("INSERT INTO t (id, n, extra) VALUES ($15, 150, 'y')", "t:15"),
        ("BEGIN; UPDATE t SET v = 'p' WHERE id = $15; PREPARE TRANSACTION 'p'", ""),
        ("COMMIT PREPARED 'p'", "t:15"),
        ("BEGIN; DELETE FROM t WHERE id = $15; PREPARE TRANSACTION 'p'; ROLLBACK PREPARED 'p'", ""),
        ("TRUNCATE t", "t:1 t:11 t:13 t:14 t:15 t:3 t:7 t:9"),
    ] {
        database.run(&expand(sql));
        let mut lines: Vec<String> = queue(&database).split_whitespace().map(str::to_owned).collect();
        lines.sort();
        assert_eq!(lines.join(" "), expected, "{sql}");
    }
}

#[test]
fn what_merge_writes_is_queued() {
    let database = with_rows();
    let merge = expand(
        "MERGE INTO t USING (VALUES (20, 'x'), (30, 'y'), (90, 'z')) s (n, v) ON t.n = s.n \
         WHEN MATCHED AND s.v = 'x' THEN DELETE WHEN MATCHED THEN UPDATE SET v = s.v \
         WHEN NOT MATCHED THEN INSERT (id, n) VALUES ($9, s.n)",
    );
    if database.run("SELECT current_setting('server_version_num')::integer >= 150000") == "t" {
        database.run(&merge);
        assert_eq!(queue(&database), "t:2 t:3 t:9");
    } else {
        let error = database.fails(&merge);
        assert!(error.contains("syntax error"), "there is no MERGE before PostgreSQL 15: {error}");
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
fn what_a_foreign_key_sets_null_is_captured_and_pending() {
    let database = installed(
        "CREATE TABLE p (id UUID PRIMARY KEY);
         CREATE POLICY a ON p FOR INSERT WITH CHECK (true); CREATE POLICY b ON p FOR DELETE USING (true);
         CREATE TABLE c (id UUID PRIMARY KEY, p_id UUID REFERENCES p ON DELETE SET NULL);
         CREATE POLICY a ON c FOR INSERT WITH CHECK (true); CREATE POLICY b ON c FOR UPDATE USING (true);",
    );
    apply(
        &database,
        "INSERT INTO p (id, treaty_status) VALUES ($1, 'committed'); \
         INSERT INTO c (id, p_id, treaty_status, treaty_author) VALUES ($2, $1, 'committed', $other)",
    );
    database.run(&expand("DELETE FROM p WHERE id = $1"));
    assert_eq!(database.run("SELECT treaty_status, treaty_author IS NULL FROM c"), "pending|t");
    assert_eq!(database.run("SELECT count(DISTINCT transaction) FROM treaty.queue"), "1");
    assert_eq!(queue(&database), "c:2 p:1");
}

#[test]
fn what_triggers_of_the_application_write_is_captured_with_what_fired_them() {
    let database = with_rows();
    database.run(
        "CREATE TABLE heard (id uuid);
         CREATE FUNCTION echo() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
           IF treaty.is_applying() THEN RETURN NULL; END IF;
           IF NEW.n < 100 THEN UPDATE t SET v = 'echo' WHERE n = 20; INSERT INTO t (id, n) VALUES (gen_random_uuid(), NEW.n + 100); END IF;
           RETURN NULL; END $$;
         CREATE TRIGGER echo AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION echo();
         CREATE FUNCTION late() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN UPDATE t SET v = 'late' WHERE n = 30; RETURN NULL; END $$;
         CREATE CONSTRAINT TRIGGER late AFTER INSERT ON t DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
           WHEN (NEW.n < 100) EXECUTE FUNCTION late();",
    );
    database.run(&expand("INSERT INTO t (id, n) VALUES ($4, 40)"));
    let lines = "SELECT string_agg(DISTINCT t.n::text, ' ' ORDER BY t.n::text), count(DISTINCT q.transaction) \
                 FROM treaty.queue q JOIN t ON t.id = q.row_id";
    assert_eq!(database.run(lines), "140 20 30 40|1");
    queue(&database);
    apply(&database, "INSERT INTO t (id, n) VALUES ($5, 50)");
    assert_eq!(queue(&database), "", "the application's trigger rests while the sidecar writes, if it asks");
}

#[test]
fn what_the_replica_role_writes_is_captured() {
    let database = with_rows();
    for (sql, expected) in [
        ("INSERT INTO t (id, n) VALUES ($4, 40), ($5, 50)", "t:4 t:5"),
        ("UPDATE t SET v = 'x' WHERE n > 25", "t:3 t:4 t:5"),
        ("DELETE FROM t WHERE n > 45", "t:5"),
        ("COPY t (id, n) FROM stdin;\n00000000-0000-4000-8000-000000000006\t60\n\\.\n", "t:6"),
        ("TRUNCATE t", "t:1 t:2 t:3 t:4 t:6"),
    ] {
        database.run(&expand(&format!("SET session_replication_role = replica; {sql}")));
        assert_eq!(queue(&database), expected, "{sql}");
    }
    apply(&database, "SET LOCAL session_replication_role = replica; INSERT INTO t (id, n) VALUES ($7, 70)");
    assert_eq!(queue(&database), "");
    database.run("SET session_replication_role = replica; UPDATE t SET v = 'x'");
    assert_eq!(database.run("SELECT treaty_status FROM t"), "pending");
}

#[test]
fn truncate_is_refused_where_it_could_remove_rows_that_the_transaction_does_not_see() {
    let database = with_rows();
    for level in ["REPEATABLE READ", "SERIALIZABLE"] {
        let error = database.fails(&format!("BEGIN ISOLATION LEVEL {level}; TRUNCATE t"));
        assert!(error.contains("could remove rows that it does not see"), "{error}");
        assert!(error.contains("Use DELETE, or READ COMMITTED."), "{error}");
    }
    database.run("BEGIN ISOLATION LEVEL READ UNCOMMITTED; TRUNCATE t; COMMIT");
    assert_eq!(queue(&database), "t:1 t:2 t:3");
}

#[test]
fn the_view_is_the_one_that_the_tables_show() {
    let database = installed(OPEN);
    database.run("UPDATE treaty.state SET view = 7; INSERT INTO t (n) VALUES (1); DELETE FROM t; INSERT INTO t (n) VALUES (2); TRUNCATE t");
    assert_eq!(database.run("SELECT string_agg(view::text, ' ') FROM treaty.queue"), "7 7 7 7");
    database.run("DELETE FROM treaty.queue; DELETE FROM treaty.state; INSERT INTO t (n) VALUES (3)");
    assert_eq!(database.run("SELECT view FROM treaty.queue"), "0", "nothing is lost before the state is there");
}

#[test]
fn a_publication_of_all_tables_does_not_keep_lines_in_the_queue() {
    let database = with_rows();
    database.run("CREATE PUBLICATION everything FOR ALL TABLES; DELETE FROM t");
    assert_eq!(queue(&database), "t:1 t:2 t:3");
}

#[test]
fn a_row_inserted_with_a_status_of_its_own_is_captured_like_any() {
    let database = installed(OPEN);
    database.run(&expand(
        "INSERT INTO t (id, treaty_status, treaty_author) VALUES ($1, 'committed', $other);
         COPY t (id, treaty_status, treaty_author) FROM stdin;
00000000-0000-4000-8000-000000000002\treverted\tsomebody
\\.
",
    ));
    assert_eq!(
        database.run("SELECT count(*) FROM treaty.queue WHERE author IS NULL"),
        "2",
        "copied authors name nobody"
    );
    assert_eq!(queue(&database), "t:1 t:2");
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
    for sql in [
        "SELECT * FROM treaty.queue",
        "INSERT INTO treaty.queue (table_name, row_id, view) VALUES ('t', gen_random_uuid(), 0)",
        "DELETE FROM treaty.queue",
        "UPDATE treaty.state SET role = 'app'",
        "SELECT * FROM treaty.views",
        "DELETE FROM treaty.views",
        "SELECT nextval('treaty.queue_seq_seq')",
        "SELECT treaty.names_other('x')",
        "CREATE TEMP TABLE mine (id uuid, treaty_status text, treaty_author text); CREATE TRIGGER x AFTER INSERT ON mine \
         REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION treaty.capture_new('t')",
        "ALTER TABLE t DISABLE TRIGGER USER",
    ] {
        let error = database.fails_as("app", sql);
        assert!(error.contains("permission denied") || error.contains("must be owner"), "{sql}: {error}");
    }
    let may = "SELECT (SELECT count(*) FROM public.treaty_rollbacks), treaty.is_applying()";
    assert_eq!(database.run_as("app", &format!("SET treaty.applying = 'on'; {may}")), "0|f");
    assert_eq!(database.run(&format!("SET treaty.applying = 'on'; {may}")), "0|t");
    assert_eq!(database.run(may), "0|f");
}

#[test]
fn no_name_of_the_applications_is_run_as_the_owner() {
    let database = with_rows();
    database.run(
        "DO $$ BEGIN CREATE ROLE other LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
         GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON t TO other; CREATE SCHEMA trap AUTHORIZATION other",
    );
    // Names that ours would find first, were they looked up by the session's search path.
    database.run_as(
        "other",
        &expand(
            "CREATE FUNCTION trap.current_setting(text, boolean) RETURNS text LANGUAGE plpgsql AS \
               $$ BEGIN IF current_user <> session_user THEN RAISE EXCEPTION 'run as owner'; END IF; RETURN NULL; END $$;
             CREATE FUNCTION trap.same(text, text) RETURNS boolean LANGUAGE plpgsql AS \
               $$ BEGIN IF current_user <> session_user THEN RAISE EXCEPTION 'run as owner'; END IF; RETURN $1 OPERATOR(pg_catalog.=) $2; END $$;
             CREATE OPERATOR trap.= (LEFTARG = text, RIGHTARG = text, FUNCTION = trap.same);
             SET search_path = trap, pg_temp, public, pg_catalog;
             INSERT INTO t (id, n) VALUES ($4, 40); UPDATE t SET v = 'x' WHERE id OPERATOR(pg_catalog.=) $4; DELETE FROM t WHERE id OPERATOR(pg_catalog.=) $4; TRUNCATE t",
        ),
    );
    assert_eq!(queue(&database), "t:1 t:2 t:3 t:4 t:4 t:4");
}
