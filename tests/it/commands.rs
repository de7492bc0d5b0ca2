//! The command line from outside: exit codes, the JSON names that scripts rely on, refusals that say what to do.

use std::process::Command;

use serde_json::Value;
use treaty_tests::{Kind, Node, binary, wait_until};

use crate::quick_start::NOTES;

fn names(object: &Value) -> Vec<&str> {
    object.as_object().expect("an object").keys().map(String::as_str).collect()
}

fn is_hex_id(value: &Value) -> bool {
    value.as_str().is_some_and(|text| text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// Runs the program in a node's folder without naming the node; returns its exit code and what it said on stderr.
fn bare(node: &Node, arguments: &[&str]) -> (Option<i32>, String) {
    let output =
        Command::new(binary()).args(arguments).current_dir(node.folder()).output().expect("the program starts");
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

fn founded(kind: Kind) -> Node {
    let anna = Node::on(kind);
    anna.init(NOTES);
    anna
}

treaty_tests::on_each_database!(
    json_has_the_names_that_scripts_rely_on,
    a_schema_with_mistakes_founds_nothing,
    rows_that_were_there_before_are_adopted_and_uninstall_gives_the_tables_back,
    a_database_that_was_changed_past_the_log_does_not_verify,
    the_past_stays_readable,
);

fn json_has_the_names_that_scripts_rely_on(kind: Kind) {
    let anna = Node::on(kind);
    assert_eq!(names(&anna.run(&["identity"])), ["added", "authors", "identity"]);
    let init = anna.init(NOTES);
    assert_eq!(names(&init), ["database", "entries", "identity", "space"]);
    assert!(is_hex_id(&init["space"]) && init["entries"] == 1, "{init}");
    assert_eq!(names(&anna.run(&["invite"])), ["ticket"]);
    let status = anna.run(&["status"]);
    assert_eq!(
        names(&status),
        [
            "database",
            "entries",
            "frontier",
            "http",
            "identity",
            "peers",
            "rollbacks",
            "running",
            "space",
            "versions",
            "waiting"
        ]
    );
    assert!(status["frontier"].as_array().is_some_and(|ids| ids.iter().all(is_hex_id)), "{status}");
    let entry = anna.run(&["log", "--limit", "1"]);
    assert_eq!(
        names(&entry),
        [
            "author",
            "culprit",
            "entry",
            "height",
            "message",
            "operation",
            "reason",
            "row",
            "table",
            "time",
            "transaction",
            "values",
            "verdict"
        ]
    );
    assert_eq!(names(&anna.run(&["at", "now", "members"])), ["author", "id", "values"]);
    let verified = anna.run(&["verify"]);
    assert_eq!(names(&verified), ["digest", "entries", "judged_by", "ok", "problems"]);
    assert!(verified["ok"] == true && is_hex_id(&verified["digest"]), "{verified}");
    assert_eq!(verified["judged_by"], "oracle");
    let sidecar = anna.up(&[]);
    anna.sql("INSERT INTO notes (owner, title) SELECT who, 'x' FROM members");
    wait_until("the import is told", || sidecar.count("imported") == 1);
    let events = sidecar.events();
    let imported = events.iter().find(|event| event["event"] == "imported").expect("just counted");
    assert_eq!(names(imported), ["entries", "event", "operations", "transactions"]);
    sidecar.stop();
    let gone = anna.run(&["uninstall"]);
    assert_eq!(names(&gone), ["database", "space", "tables", "waiting"]);
}

#[test]
fn wrong_usage_is_2_and_failure_is_1() {
    let anna = Node::new();
    for arguments in
        [&["init"][..], &["frobnicate"], &["up", "--nope"], &["log", "--row", "x"], &["schema", "sql", "f"]]
    {
        assert_eq!(bare(&anna, arguments).0, Some(2), "{arguments:?}");
    }
    for arguments in [
        &["status"][..],
        &["up", "--data", "nowhere"],
        &["schema", "check", "missing.sql"],
        &["identity", "--database", "mysql://localhost/x"],
        &["join", "treaty1nonsense", "--database", "sqlite:x.db"],
    ] {
        let (code, said) = bare(&anna, arguments);
        assert_eq!(code, Some(1), "{arguments:?}: {said}");
        assert!(said.starts_with("error: "), "{arguments:?}: {said}");
    }
}

#[test]
fn a_node_that_is_not_named_is_pointed_out() {
    let anna = founded(Kind::Sqlite);
    let (_, said) = bare(&anna, &["status"]);
    assert!(said.contains("--data app.db.treaty"), "{said}");
}

fn a_schema_with_mistakes_founds_nothing(kind: Kind) {
    let anna = Node::on(kind);
    let bad = anna.folder().join("bad.sql");
    std::fs::write(&bad, "CREATE TABLE notes (id UUID PRIMARY KEY, n SERIAL);\nCREATE TABLE x (y TEXT);")
        .expect("writable");
    let said = anna.fails(&["init", "--schema", &bad.display().to_string(), "--database", &anna.url()]);
    assert!(said.contains("bad.sql:1:") && said.contains("bad.sql:2:"), "{said}");
    assert!(anna.is_untouched());
    anna.init(NOTES);
}

fn rows_that_were_there_before_are_adopted_and_uninstall_gives_the_tables_back(kind: Kind) {
    let anna = Node::on(kind);
    let id = "0190b2c4-0000-4000-8000-000000000001";
    let columns = match kind {
        Kind::Sqlite => "id TEXT PRIMARY KEY, owner TEXT, title TEXT, body TEXT DEFAULT '', stars INTEGER DEFAULT 0",
        Kind::Postgres => {
            "id uuid PRIMARY KEY, owner text COLLATE \"C\" NOT NULL, title text COLLATE \"C\" NOT NULL,
             body text COLLATE \"C\" NOT NULL DEFAULT '', stars integer NOT NULL DEFAULT 0"
        }
    };
    anna.owner_sql(&format!(
        "CREATE TABLE notes ({columns});
         INSERT INTO notes (id, owner, title) VALUES ('{id}', '{}', 'from before')",
        anna.identity()
    ));
    anna.init(NOTES);
    assert_eq!(anna.rows("SELECT title, treaty_status FROM notes"), ["from before|committed"]);
    let entry = anna.run(&["log", "--table", "notes", "--row", id]);
    assert_eq!(entry["values"]["title"], "from before");
    anna.run(&["uninstall"]);
    assert_eq!(anna.rows("SELECT * FROM notes").len(), 1);
    assert_eq!(anna.objects_of_ours(), Vec::<String>::new());
}

fn a_database_that_was_changed_past_the_log_does_not_verify(kind: Kind) {
    let anna = founded(kind);
    anna.write_unseen("UPDATE members SET role = 'editor'");
    let output = anna.try_run(&["verify"]);
    assert_eq!(output.status.code(), Some(1));
    let verified: Value = serde_json::from_slice(&output.stdout).expect("--json prints JSON");
    assert_eq!(verified["ok"], false);
    assert!(verified["problems"][0].as_str().is_some_and(|problem| problem.contains("members")), "{verified}");
}

fn the_past_stays_readable(kind: Kind) {
    let anna = founded(kind);
    let _sidecar = anna.up(&[]);
    anna.sql("INSERT INTO notes (owner, title) SELECT who, 'first' FROM members");
    wait_until("the note is in the log", || anna.run(&["status"])["waiting"] == 0);
    let before = anna.run(&["status"])["frontier"][0].as_str().expect("an id").to_owned();
    anna.sql("UPDATE notes SET title = 'second'");
    wait_until("the change is in the log", || {
        let status = anna.run(&["status"]);
        status["waiting"] == 0 && status["frontier"][0] != before.as_str()
    });
    assert_eq!(anna.run(&["at", &before, "notes"])["values"]["title"], "first");
    assert_eq!(anna.run(&["at", "now", "notes"])["values"]["title"], "second");
    let said = anna.fails(&["at", "now", "notes", "--from", &before]);
    assert!(said.contains("--from"), "{said}");
    let said = anna.fails(&["at", "now", "nonsense"]);
    assert!(said.contains("members, notes"), "{said}");
}
