//! Django: a project whose tables are adopted, and whose migration rebuilds one of them on SQLite.

use std::process::Command;

use serde_json::Value;
use treaty_tests::{Kind, Node, python, wait_in_step, wait_until};

use super::{figures, run};
use crate::quick_start::join;

/// What the project's migrations make, as a schema file.
const SCHEMA: &str = include_str!("../../applications/bookshop/shop/schema.sql");

/// Books that were there before anybody replicated them.
const OPENING_BOOKS: u64 = 40;

/// A command of the project's `manage.py`, as whoever owns the tables.
fn manage(node: &Node, arguments: &[&str]) -> Command {
    let mut command = python("bookshop/manage.py", arguments);
    command.env("DATABASE_URL", node.url()).env("PYTHONDONTWRITEBYTECODE", "1");
    command
}

/// Trades on both nodes at once; returns what must come of it, by tag.
fn trade(work: &[(&Node, &str)]) -> Value {
    let children = work.iter().map(|(node, tag)| {
        let mut command = manage(node, &["trade", tag]);
        let child = command.stdout(std::process::Stdio::piped()).spawn().expect("Python starts");
        (*tag, child)
    });
    let children: Vec<_> = children.collect();
    let expected = children.into_iter().map(|(tag, child)| {
        let output = child.wait_with_output().expect("the child is ours");
        assert!(output.status.success(), "{tag}'s shop ended with {}", output.status);
        (tag.to_owned(), serde_json::from_slice(&output.stdout).expect("figures"))
    });
    Value::Object(expected.collect())
}

/// Both shops come to hold what was expected, and Django reads the same values in them.
fn check_shops(nodes: [&Node; 2], expected: &Value) {
    let books = "SELECT count(*), sum(stock) FROM shop_book";
    wait_until("both have the same books", || nodes[0].rows(books) == nodes[1].rows(books));
    wait_in_step(&nodes);
    let tags: Vec<&str> = expected.as_object().expect("by tag").keys().map(String::as_str).collect();
    let arguments: Vec<&str> = ["figures"].into_iter().chain(tags).collect();
    // The audit may be at it still: in step is what was noticed.
    wait_until("Django reads the same on both nodes", || {
        let found = nodes.map(|node| figures(&mut manage(node, &arguments)));
        let is_same = &found[0]["figures"] == expected && found[0] == found[1];
        if !is_same {
            println!("expected {expected}, found {found:#?}");
        }
        is_same
    });
}

/// The founder's shop is in business before it is replicated; the other opens empty.
fn check_shop(first: Kind, second: Kind) {
    let (first, second) = (Node::on(first), Node::on(second));
    run(&mut manage(&first, &["migrate", "shop", "0001", "-v0"]));
    run(&mut manage(&first, &["opening"]));
    first.init(SCHEMA);
    let adopted = "SELECT count(*) FROM shop_book WHERE treaty_status = 'committed'";
    assert_eq!(first.value(adopted), OPENING_BOOKS.to_string());
    run(&mut manage(&second, &["migrate", "shop", "0001", "-v0"]));
    join(&first, &second);

    let up_first = first.up(&[]);
    let up_second = second.up(&[up_first.listen()]);
    let mut expected = trade(&[(&first, "anna"), (&second, "ben")]);
    check_shops([&first, &second], &expected);

    // On SQLite the table is rebuilt without our triggers and columns, and rows change while they are gone.
    for node in [&first, &second] {
        run(&mut manage(node, &["migrate", "shop", "0002", "-v0"]));
    }
    let after = trade(&[(&first, "carla")]);
    expected["carla"] = after["carla"].clone();
    let renamed = "SELECT count(*) FROM shop_book WHERE title LIKE '%: a novel'";
    let books = |tag: &str| expected[tag]["books"].as_u64().expect("a count");
    let renamed_count = (OPENING_BOOKS + books("anna") + books("ben")).to_string();
    wait_until("the other node shows the new titles", || second.value(renamed) == renamed_count);
    check_shops([&first, &second], &expected);
    assert_eq!(first.value(renamed), renamed_count);
    for sidecar in [&up_first, &up_second] {
        let said = sidecar.complaints();
        assert!(!said.contains("the schema does not have"), "Django names its foreign keys in its own way: {said}");
    }
    for node in [&first, &second] {
        assert_eq!(node.rows("SELECT DISTINCT treaty_status FROM shop_book"), ["committed"]);
        assert_eq!(node.lines(&["rollbacks"]), Vec::<Value>::new());
    }
    up_first.stop();
    up_second.stop();
    assert_eq!(first.verified_digest(), second.verified_digest());
}

#[test]
fn a_django_shop_on_sqlite_and_its_branch_trade_and_migrate() {
    check_shop(Kind::Sqlite, Kind::Sqlite);
}

#[test]
fn a_django_shop_on_sqlite_and_its_branch_on_postgres_trade_and_migrate() {
    check_shop(Kind::Sqlite, Kind::Postgres);
}

#[test]
fn a_django_shop_on_postgres_and_its_branch_on_sqlite_trade_and_migrate() {
    check_shop(Kind::Postgres, Kind::Sqlite);
}
