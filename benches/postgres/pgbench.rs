//! `pgbench`'s own workload, over tables whose keys are UUIDs, by itself and beside Treaty: with triggers alone, with a sidecar at
//! work, and with a second node that follows. Commits are waited for, as they are by default.

use std::process::Command;

use treaty_testkit::PostgresServer;
use treaty_tests::{Figures, Kind, Node, join, size_from_environment, wait_in_step};

use crate::clusters::Clusters;
use crate::session::Session;

const SCHEMA: &str = include_str!("../../tests/applications/pgbench/schema.sql");
const FILL: &str = include_str!("../../tests/applications/pgbench/fill.sql");
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/applications/pgbench/transaction.sql");

/// Clients at once.
const CLIENTS: &str = "--client=8";

/// One round: each setting once, on databases of its own.
pub(crate) fn measure(clusters: &Clusters, figures: &mut Figures) {
    let raw = plain_database(clusters.source);
    let without = transactions_per_second(clusters.source, &raw);
    figures.add("pgbench.without", "tx/s", without);
    let mut compare = |name: &str, node: &Node| {
        let database = node.postgres().unwrap_or_else(|| panic!("the node's database is a file"));
        let with = transactions_per_second(database.server(), database.name());
        figures.add(&format!("pgbench.{name}"), "tx/s", with);
        figures.add(&format!("pgbench.{name}.share"), "of without", with / without);
    };
    let founded = || {
        let node = Node::on_server(clusters.source);
        node.init(SCHEMA);
        node.sql(FILL);
        node
    };
    compare("triggers", &founded());
    let alone = founded();
    let sidecar = alone.up(&[]);
    wait_in_step(&[&alone]);
    compare("sidecar", &alone);
    sidecar.stop();
    let (first, second) = (founded(), Node::on(Kind::Sqlite));
    let up_first = first.up(&[]);
    join(&first, &second);
    let up_second = second.up(&[up_first.listen()]);
    wait_in_step(&[&first, &second]);
    compare("followed", &first);
    wait_in_step(&[&first, &second]);
    up_first.stop();
    up_second.stop();
}

/// The same tables without Treaty, in a new database; returns its name.
fn plain_database(server: &PostgresServer) -> String {
    let name = server.create_database();
    let mut session = Session::connect(server, &name, "postgres");
    for statement in SCHEMA.split(';').filter(|statement| statement.contains("CREATE TABLE")) {
        session.run(statement);
    }
    session.run("ALTER TABLE pgbench_history ALTER id SET DEFAULT gen_random_uuid()");
    session.run(FILL);
    name
}

/// Transactions a second, as `pgbench` counts them.
fn transactions_per_second(server: &PostgresServer, database: &str) -> f64 {
    let seconds = size_from_environment("TREATY_BENCH_PGBENCH", 6);
    let mut command = Command::new(server.program("pgbench"));
    command.args(["--no-vacuum", "--jobs=2", "--protocol=prepared", CLIENTS, "--file", SCRIPT]);
    command.arg(format!("--time={seconds}"));
    told_by(command, server, database)
}

/// Runs a `pgbench` against a database as its superuser; returns the transactions a second that it tells.
pub(crate) fn told_by(mut command: Command, server: &PostgresServer, database: &str) -> f64 {
    command.args(["-h", server.folder(), "-p", &server.port().to_string(), "-U", "postgres", database]);
    let output = command.output().expect("pgbench comes with the server");
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "pgbench: {}\n{told}", String::from_utf8_lossy(&output.stderr));
    let line = told.lines().find_map(|line| line.strip_prefix("tps = "));
    let number = line.and_then(|rest| rest.split(' ').next()?.parse().ok());
    number.unwrap_or_else(|| panic!("pgbench does not say how fast it was: {told}"))
}
