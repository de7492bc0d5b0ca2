//! SQLAlchemy: one program, its own tables, on either database.

use std::process::Command;

use treaty_tests::{Kind, Node, python, wait_in_step};

use super::{figures, run};
use crate::quick_start::join;

/// The tables that the program's models make, as a schema file.
const SCHEMA: &str = include_str!("../../applications/with_sqlalchemy.sql");

fn program(node: &Node, arguments: &[&str]) -> Command {
    let url = node.url();
    let arguments: Vec<&str> = [url.as_str()].into_iter().chain(arguments.iter().copied()).collect();
    python("with_sqlalchemy.py", &arguments)
}

#[test]
fn sqlalchemy_finds_the_same_objects_on_two_sqlite_nodes() {
    check_objects(Kind::Sqlite, Kind::Sqlite);
}

#[test]
fn sqlalchemy_finds_the_same_objects_on_sqlite_and_on_postgres() {
    check_objects(Kind::Sqlite, Kind::Postgres);
}

fn check_objects(first: Kind, second: Kind) {
    let (first, second) = (Node::on(first), Node::on(second));
    for node in [&first, &second] {
        run(&mut program(node, &["create"]));
    }
    first.init(SCHEMA);
    join(&first, &second);
    let up_first = first.up(&[]);
    let up_second = second.up(&[up_first.listen()]);
    let mut expected = Vec::new();
    for (node, tag) in [(&first, "anna"), (&second, "ben")] {
        expected.push((tag, figures(&mut program(node, &["write", tag]))));
    }
    wait_in_step(&[&first, &second]);
    for (tag, expected) in &expected {
        for node in [&first, &second] {
            assert_eq!(&figures(&mut program(node, &["read", tag])), expected, "{tag}");
        }
    }
    up_first.stop();
    up_second.stop();
    assert_eq!(first.verified_digest(), second.verified_digest());
}
