//! pgbench: its own workload, over tables whose keys are UUIDs.

use std::process::Command;

use treaty_tests::{Kind, Node, wait_in_step};

use crate::quick_start::join;

/// pgbench's tables, as a schema file.
const SCHEMA: &str = include_str!("../../applications/pgbench/schema.sql");
/// Their first rows.
const FILL: &str = include_str!("../../applications/pgbench/fill.sql");
const TABLES: [&str; 4] = ["pgbench_branches", "pgbench_tellers", "pgbench_accounts", "pgbench_history"];

/// Clients at once, and transactions of each.
const CLIENTS: usize = 8;
const TRANSACTIONS: usize = 150;

fn pgbench(node: &Node, protocol: &str) -> Command {
    let database = node.postgres().expect("pgbench speaks to PostgreSQL only");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/applications/pgbench/transaction.sql");
    let mut command = Command::new(database.server().program("pgbench"));
    command.args(["--no-vacuum", "--jobs=2", "--protocol", protocol, "--file", script]);
    command.arg(format!("--client={CLIENTS}")).arg(format!("--transactions={TRANSACTIONS}"));
    command.arg(node.application_url());
    command
}

#[test]
fn pgbench_s_balances_are_the_sums_of_its_history_on_every_node() {
    let (first, second) = (Node::on(Kind::Postgres), Node::on(Kind::Sqlite));
    first.init(SCHEMA);
    first.sql(FILL);
    join(&first, &second);
    let up_first = first.up(&[]);
    let up_second = second.up(&[up_first.listen()]);
    for protocol in ["simple", "prepared"] {
        super::run(&mut pgbench(&first, protocol));
    }
    wait_in_step(&[&first, &second]);
    for node in [&first, &second] {
        let count = node.value("SELECT count(*) FROM pgbench_history");
        assert_eq!(count, (2 * CLIENTS * TRANSACTIONS).to_string(), "each transaction left one line");
        let total = node.value("SELECT sum(delta) FROM pgbench_history");
        for (table, balance) in
            [("pgbench_branches", "bbalance"), ("pgbench_tellers", "tbalance"), ("pgbench_accounts", "abalance")]
        {
            assert_eq!(node.value(&format!("SELECT sum({balance}) FROM {table}")), total, "{table}");
        }
    }
    for table in TABLES {
        assert_eq!(first.table(table), second.table(table));
    }
    up_first.stop();
    up_second.stop();
    assert_eq!(first.verified_digest(), second.verified_digest());
}
