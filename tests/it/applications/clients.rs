//! Client libraries of PostgreSQL: psycopg, asyncpg, node-postgres. A second node, on SQLite, follows.

use std::path::Path;
use std::process::Command;

use treaty_tests::{Kind, Pair, python, wait_in_step};

use super::figures;
use crate::offline::two_editors;

/// Runs `program` on the node of PostgreSQL and compares, on both nodes, the rows of its tag with the figures that it prints.
fn check_client(program: impl Fn(&str, &str) -> Command) {
    let (first, second) = two_editors(Pair { first: Kind::Postgres, second: Kind::Sqlite }, "");
    let up_first = first.up(&[]);
    let up_second = second.up(&[up_first.listen()]);
    let expected = figures(&mut program(&first.application_url(), "anna"));
    wait_in_step(&[&first, &second]);
    for node in [&first, &second] {
        let found = node.value("SELECT count(*), sum(amount) FROM items WHERE note = 'anna'");
        assert_eq!(found, format!("{}|{}", expected["rows"], expected["amount"]));
    }
    assert_eq!(first.table("items"), second.table("items"));
    assert_eq!(first.rows("SELECT DISTINCT treaty_status FROM items"), ["committed"]);
    assert!(first.lines(&["rollbacks"]).is_empty());
    up_first.stop();
    up_second.stop();
    assert_eq!(first.verified_digest(), second.verified_digest());
}

#[test]
fn psycopg_copies_pipelines_merges_and_moves_cursors() {
    check_client(|url, tag| python("with_psycopg.py", &[url, tag]));
}

#[test]
fn asyncpg_moves_amounts_over_many_connections() {
    check_client(|url, tag| python("with_asyncpg.py", &[url, tag]));
}

#[test]
fn node_postgres_writes_arrays_and_transactions_from_a_pool() {
    check_client(|url, tag| {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("applications/with_node_postgres.js");
        let mut command = Command::new("node");
        command.arg(script).args([url, tag]);
        if let Some(packages) = std::env::var_os("TREATY_TEST_NODE_PATH") {
            command.env("NODE_PATH", packages);
        }
        command
    });
}
