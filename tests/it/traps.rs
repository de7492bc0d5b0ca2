//! Ways in which PostgreSQL hides changes from triggers, or shows them otherwise: each arrives at the follower, whole.
//!
//! The facts are those of `docs/postgres.md`; that the triggers themselves note what they see is tested in `ddl-gen`.

use serde_json::Value;
use treaty_tests::{Kind, Node, Sidecar, field, wait_in_step, wait_until};

use crate::quick_start::{admit, join};

/// Items of every kind of column, parts that go with their item, and who may do what: every member everything.
const SPACE: &str = "
CREATE TABLE members (id UUID PRIMARY KEY, who IDENTITY NOT NULL, role TEXT NOT NULL);
REVOKE UPDATE (who, role) ON members FROM PUBLIC;
CREATE POLICY appoint ON members FOR INSERT WITH CHECK (EXISTS (SELECT 1 FROM members m WHERE m.who = author()));
CREATE TABLE items (id UUID PRIMARY KEY, name TEXT NOT NULL UNIQUE, amount INTEGER NOT NULL DEFAULT 0, detail JSONB);
CREATE TABLE parts (
  id   UUID PRIMARY KEY,
  item UUID NOT NULL REFERENCES items (id) ON DELETE CASCADE,
  spare UUID REFERENCES items (id) ON DELETE SET NULL,
  name TEXT
);
CREATE POLICY items_add  ON items FOR INSERT WITH CHECK (EXISTS (SELECT 1 FROM members m WHERE m.who = author()));
CREATE POLICY items_edit ON items FOR UPDATE USING (EXISTS (SELECT 1 FROM members m WHERE m.who = author()));
CREATE POLICY items_drop ON items FOR DELETE USING (EXISTS (SELECT 1 FROM members m WHERE m.who = author()));
CREATE POLICY parts_add  ON parts FOR INSERT WITH CHECK (EXISTS (SELECT 1 FROM members m WHERE m.who = author()));
CREATE POLICY parts_edit ON parts FOR UPDATE USING (EXISTS (SELECT 1 FROM members m WHERE m.who = author()));
CREATE POLICY parts_drop ON parts FOR DELETE USING (EXISTS (SELECT 1 FROM members m WHERE m.who = author()));
CREATE POLICY members_sync ON treaty_peers FOR SELECT USING (EXISTS (SELECT 1 FROM members m WHERE m.who = author()));
INSERT INTO members (who, role) VALUES (author(), 'founder');
";

/// A PostgreSQL node with three items, and a SQLite node that follows.
struct Followed {
    node: Node,
    follower: Node,
}

impl Followed {
    fn new() -> Followed {
        let followed = Followed { node: Node::on(Kind::Postgres), follower: Node::on(Kind::Sqlite) };
        let Followed { node, follower } = &followed;
        node.init(SPACE);
        admit(node, follower);
        node.sql("INSERT INTO items (name, amount) VALUES ('bolt', 1), ('nut', 2), ('washer', 3)");
        node.sql("INSERT INTO parts (item, spare, name) SELECT b.id, n.id, 'thread' FROM items b, items n WHERE b.name = 'bolt' AND n.name = 'nut'");
        join(node, follower);
        followed
    }

    fn up(&self) -> [Sidecar; 2] {
        let up = self.node.up(&[]);
        let follower = self.follower.up(&[up.listen()]);
        [up, follower]
    }

    /// Both hold the same, and the node has nothing on its mind.
    fn check_same(&self) {
        for table in ["items", "parts"] {
            wait_until(&format!("{table} arrive"), || self.node.table(table) == self.follower.table(table));
        }
        wait_in_step(&[&self.node, &self.follower]);
        for table in ["items", "parts"] {
            assert_eq!(self.node.table(table), self.follower.table(table));
            assert_eq!(
                self.node.value(&format!("SELECT count(*) FROM {table} WHERE treaty_status <> 'committed'")),
                "0"
            );
        }
    }

    fn names(&self) -> Vec<String> {
        self.follower.rows("SELECT name || ' ' || amount FROM items ORDER BY name")
    }
}

/// Runs statements while both are up; then the follower shows these items.
fn check_arrives(statements: &str, names: &[&str]) {
    let followed = Followed::new();
    let ups = followed.up();
    followed.node.shell(statements);
    wait_until("the items arrive", || followed.names() == names);
    followed.check_same();
    ups.into_iter().for_each(Sidecar::stop);
    assert_eq!(followed.node.verified_digest(), followed.follower.verified_digest());
    assert_eq!(followed.node.lines(&["rollbacks"]), Vec::<Value>::new());
}

#[test]
fn truncate_deletes_every_row_and_those_that_refer_to_them() {
    check_arrives("TRUNCATE items CASCADE", &[]);
}

#[test]
fn what_is_inserted_after_truncate_in_one_transaction_stays() {
    let id = "(SELECT id FROM items WHERE name = 'nut')";
    check_arrives(
        &format!(
            "BEGIN; CREATE TEMPORARY TABLE kept AS SELECT {id} AS id; TRUNCATE items, parts;
             INSERT INTO items (id, name, amount) SELECT id, 'nut', 20 FROM kept;
             INSERT INTO items (name) VALUES ('bolt'); COMMIT"
        ),
        &["bolt 0", "nut 20"],
    );
}

#[test]
fn copy_arrives() {
    check_arrives(
        "COPY items (name, amount, detail) FROM stdin;\nnail\t7\t{\"b\": 1, \"a\": [1.50]}\nrivet\t8\t\\N\n\\.\n",
        &["bolt 1", "nail 7", "nut 2", "rivet 8", "washer 3"],
    );
}

#[test]
fn on_conflict_updates_or_does_nothing() {
    check_arrives(
        "INSERT INTO items (name, amount) VALUES ('bolt', 9), ('nail', 7)
           ON CONFLICT (name) DO UPDATE SET amount = items.amount + excluded.amount;
         INSERT INTO items (name, amount) VALUES ('nut', 100), ('rivet', 8) ON CONFLICT DO NOTHING",
        &["bolt 10", "nail 7", "nut 2", "rivet 8", "washer 3"],
    );
}

#[test]
fn merge_inserts_updates_and_deletes_at_once() {
    if Node::on(Kind::Postgres).value("SELECT current_setting('server_version_num')::integer < 150000") == "1" {
        return; // Older servers have no MERGE.
    }
    check_arrives(
        "MERGE INTO items i USING (VALUES ('bolt', 5), ('nut', 0), ('nail', 7)) v (name, amount) ON i.name = v.name
         WHEN MATCHED AND v.amount = 0 THEN DELETE
         WHEN MATCHED THEN UPDATE SET amount = v.amount
         WHEN NOT MATCHED THEN INSERT (name, amount) VALUES (v.name, v.amount)",
        &["bolt 5", "nail 7", "washer 3"],
    );
}

#[test]
fn savepoints_that_are_rolled_back_leave_nothing() {
    check_arrives(
        "BEGIN; UPDATE items SET amount = 4 WHERE name = 'bolt'; SAVEPOINT a; DELETE FROM items WHERE name = 'nut';
         INSERT INTO items (name) VALUES ('ghost'); ROLLBACK TO a; SAVEPOINT b; UPDATE items SET amount = 5 WHERE name = 'washer';
         RELEASE b; COMMIT; BEGIN; DELETE FROM items; ROLLBACK",
        &["bolt 4", "nut 2", "washer 5"],
    );
}

#[test]
fn cascades_of_the_application_arrive_as_one_co_transaction() {
    let followed = Followed::new();
    let ups = followed.up();
    followed.node.sql("DELETE FROM items WHERE name = 'bolt'");
    wait_until("it arrives", || followed.names() == ["nut 2", "washer 3"]);
    followed.check_same();
    assert_eq!(followed.follower.value("SELECT count(*) FROM parts"), "0");
    let logged = followed.node.lines(&["log", "--limit", "2"]);
    assert_eq!((&logged[0]["entry"], &logged[0]["transaction"]), (&logged[1]["entry"], &logged[1]["transaction"]));
    ups.into_iter().for_each(Sidecar::stop);
}

#[test]
fn a_reference_set_null_by_the_server_arrives() {
    check_arrives("DELETE FROM items WHERE name = 'nut'", &["bolt 1", "washer 3"]);
}

#[test]
fn a_statement_that_changes_nothing_is_no_operation() {
    let followed = Followed::new();
    let ups = followed.up();
    wait_in_step(&[&followed.node, &followed.follower]);
    let before = followed.node.status()["entries"].clone();
    followed.node.sql("UPDATE items SET amount = amount, detail = detail");
    wait_until("it was looked at", || {
        followed.node.value("SELECT count(*) FROM items WHERE treaty_status <> 'committed'") == "0"
    });
    assert_eq!(followed.node.status()["entries"], before);
    ups.into_iter().for_each(Sidecar::stop);
}

#[test]
fn an_id_that_changes_is_refused_at_once() {
    let followed = Followed::new();
    let said = followed.node.sql_fails("UPDATE items SET id = gen_random_uuid() WHERE name = 'bolt'");
    assert!(said.contains("id"), "{said}");
}

/// Whether the sidecar has reason to complain.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Seen {
    ByTriggers,
    /// By the audit at the next start, which says so, and imports it as changes made here.
    ByTheAudit,
}

/// Statements of a superuser while the sidecar is down.
fn check_found(statements: &str, names: &[&str], seen: Seen) {
    let followed = Followed::new();
    let database = followed.node.postgres().expect("it is PostgreSQL");
    database.superuser(statements);
    let ups = followed.up();
    wait_until("it is found", || followed.names() == names);
    followed.check_same();
    let complaints = ups[0].complaints();
    assert_eq!(complaints.contains("items"), seen == Seen::ByTheAudit, "{complaints}");
    // And the triggers are whole again.
    followed.node.sql("INSERT INTO items (name, amount) VALUES ('later', 1)");
    wait_until("what is written later arrives", || followed.names().contains(&"later 1".to_owned()));
    ups.into_iter().for_each(Sidecar::stop);
    assert_eq!(followed.node.verified_digest(), followed.follower.verified_digest());
}

#[test]
fn writes_in_the_replica_role_are_seen() {
    check_found(
        "SET session_replication_role = replica;
         UPDATE items SET amount = 40 WHERE name = 'bolt'; INSERT INTO items (name) VALUES ('quiet');
         DELETE FROM items WHERE name = 'washer'",
        &["bolt 40", "nut 2", "quiet 0"],
        Seen::ByTriggers,
    );
}

#[test]
fn triggers_that_were_disabled_are_enabled_again() {
    check_found(
        "ALTER TABLE items DISABLE TRIGGER ALL; UPDATE items SET amount = 40 WHERE name = 'bolt'",
        &["bolt 40", "nut 2", "washer 3"],
        Seen::ByTheAudit,
    );
}

#[test]
fn triggers_that_were_dropped_are_made_again() {
    check_found(
        "DO $$ DECLARE one record; BEGIN
           FOR one IN SELECT tgname FROM pg_trigger WHERE tgrelid = 'items'::regclass AND NOT tgisinternal LOOP
             EXECUTE format('DROP TRIGGER %I ON items', one.tgname);
           END LOOP;
         END $$;
         DELETE FROM items WHERE name = 'nut'",
        &["bolt 1", "washer 3"],
        Seen::ByTheAudit,
    );
}

#[test]
fn a_rewrite_of_the_table_is_audited() {
    check_found(
        "ALTER TABLE items ALTER COLUMN amount TYPE integer USING amount * 10",
        &["bolt 10", "nut 20", "washer 30"],
        Seen::ByTheAudit,
    );
}

#[test]
fn triggers_that_go_under_a_running_sidecar_are_noticed() {
    let followed = Followed::new();
    let ups = followed.up();
    wait_in_step(&[&followed.node, &followed.follower]);
    followed.node.owner_sql("ALTER TABLE items DISABLE TRIGGER USER; UPDATE items SET amount = 40 WHERE name = 'bolt'");
    wait_until("it is noticed", || followed.names() == ["bolt 40", "nut 2", "washer 3"]);
    followed.node.sql("UPDATE items SET amount = 50 WHERE name = 'bolt'");
    wait_until("the triggers are there again", || followed.names() == ["bolt 50", "nut 2", "washer 3"]);
    followed.check_same();
    ups.into_iter().for_each(Sidecar::stop);
}

#[test]
fn uninstall_gives_the_tables_back_and_leaves_nothing_of_ours() {
    let Followed { node, follower } = Followed::new();
    assert!(!node.objects_of_ours().is_empty());
    let before = node.table("items");
    let gone = node.run(&["uninstall"]);
    assert_eq!(gone["waiting"], 0, "{gone}");
    assert_eq!(node.objects_of_ours(), Vec::<String>::new());
    assert_eq!(node.table("items"), before);
    node.sql("INSERT INTO items (name) VALUES ('free'); DELETE FROM items WHERE name = 'bolt'");
    assert_eq!(node.value("SELECT count(*) FROM items"), "3");
    drop(follower);
}

#[test]
fn the_applications_own_triggers_have_the_last_word_on_a_row() {
    let followed = Followed::new();
    followed.node.owner_sql(
        "CREATE FUNCTION lowered() RETURNS trigger LANGUAGE plpgsql AS $$
         BEGIN NEW.name := lower(NEW.name); RETURN NEW; END $$;
         CREATE TRIGGER zzz_lowered BEFORE INSERT OR UPDATE ON items FOR EACH ROW EXECUTE FUNCTION lowered()",
    );
    let ups = followed.up();
    followed.node.sql("INSERT INTO items (name, amount) VALUES ('NAIL', 7)");
    wait_until("what the row became arrives", || followed.names().contains(&"nail 7".to_owned()));
    let logged = followed.node.lines(&["log", "--limit", "1"]);
    assert_eq!((field(&logged[0], "operation"), &logged[0]["values"]["name"]), ("insert", &Value::from("nail")));
    ups.into_iter().for_each(Sidecar::stop);
}
