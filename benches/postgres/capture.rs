//! What capture costs the application that writes: the same statements on a plain table and on one with our triggers.
//! `share` is the captured speed as a share of the raw one.
//!
//! Commits are not waited for (`synchronous_commit = off`), or the disk would hide the cost; only `tx1_flushed` and its share say
//! what is left of it when they are.

use treaty_testkit::PostgresServer;
use treaty_tests::{Figures, NOTES_SCHEMA};

use crate::clusters::Clusters;
use crate::logical::raw_database;
use crate::pgbench::told_by;
use crate::session::{Session, rows_per_second};

/// Rows of a measurement with transactions of 100, and of one with transactions of 1.
const ROWS: u32 = 40_000;
const ROWS_SINGLE: u32 = 4_000;
const ROWS_FLUSHED: u32 = 1_000;
/// How long `pgbench` writes, in seconds.
const PGBENCH_SECONDS: &str = "4";
/// One row a transaction, the key and the text made by the server.
const PGBENCH_SCRIPT: &str = "INSERT INTO notes (id, writer, title, body, stars, updated_at)
 VALUES (gen_random_uuid(), 'somebody', 'note number ' || :client_id, repeat('12345 ', 31), 3, 77);\n";
const NO_FLUSH: &str = "SET synchronous_commit = off";

/// One round: everything on a new pair of databases of the same server.
pub(crate) fn measure(clusters: &Clusters, figures: &mut Figures) {
    let server = clusters.source;
    let ((mut raw, raw_name), (mut captured, captured_name)) = (raw_database(server), captured_database(server));
    let mut compare = |name: &str, row_count: u32, work: &dyn Fn(&mut Session)| {
        let speeds = [&mut raw, &mut captured].map(|session| rows_per_second(row_count, || work(session)));
        report(figures, name, "rows/s", speeds);
    };
    compare("insert.tx1_flushed", ROWS_FLUSHED, &|session| session.insert(0..ROWS_FLUSHED, 1));
    let mut next = ROWS_FLUSHED;
    let mut take = |count: u32| {
        next += count;
        next - count..next
    };
    let (singles, hundreds) = (take(ROWS_SINGLE), take(ROWS));
    compare("insert.tx1", ROWS_SINGLE, &|session| {
        session.run(NO_FLUSH);
        session.insert(singles.clone(), 1);
    });
    compare("insert.tx100", ROWS, &|session| session.insert(hundreds.clone(), 100));
    settle(&mut captured);
    // As many old versions of rows as `settle` left.
    raw.run("UPDATE notes SET stars = stars");
    for session in [&mut raw, &mut captured] {
        session.run("VACUUM ANALYZE notes");
    }
    let mut compare = |name: &str, row_count: u32, work: &dyn Fn(&mut Session)| {
        let speeds = [&mut raw, &mut captured].map(|session| rows_per_second(row_count, || work(session)));
        report(figures, name, "rows/s", speeds);
    };
    compare("update.tx100", ROWS, &|session| session.update(hundreds.clone(), 100));
    for clients in ["1", "4"] {
        let speeds = [&raw_name, &captured_name].map(|database| pgbench(server, database, clients));
        report(figures, &format!("pgbench.tx1.clients{clients}"), "tx/s", speeds);
    }
}

fn report(figures: &mut Figures, name: &str, unit: &'static str, [raw, captured]: [f64; 2]) {
    figures.add(&format!("capture.{name}.raw"), unit, raw);
    figures.add(&format!("capture.{name}.captured"), unit, captured);
    figures.add(&format!("capture.{name}.share"), "of raw", captured / raw);
}

/// A new database with the table and its triggers, and an application's connection.
fn captured_database(server: &PostgresServer) -> (Session, String) {
    let name = server.create_database();
    let schema = treaty_ddl::parse("notes", NOTES_SCHEMA).unwrap_or_else(|told| panic!("{told:?}")).schema;
    Session::connect(server, &name, &name).run(&format!(
        "BEGIN; {}; INSERT INTO treaty.state (space, identity, instance, schema, shown)
         VALUES ('space', 'id1' || repeat('a', 60), 'instance', 'schema', 'entry'); COMMIT",
        treaty_ddl::sql::postgres::install(&schema)
    ));
    (Session::connect(server, &name, "postgres"), name)
}

/// Makes the rows look imported, as they are when an application updates them.
fn settle(captured: &mut Session) {
    captured.run(
        "BEGIN; UPDATE treaty.state SET role = session_user; SET LOCAL treaty.applying = 'on';
         UPDATE notes SET treaty_status = 'committed'; DELETE FROM treaty.queue; COMMIT",
    );
    captured.run("UPDATE treaty.state SET role = current_database()");
    captured.run("VACUUM treaty.queue");
}

/// Transactions a second, as `pgbench` counts them.
fn pgbench(server: &PostgresServer, database: &str, clients: &str) -> f64 {
    let script = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(script.path(), PGBENCH_SCRIPT).expect("the file is writable");
    let mut command = std::process::Command::new(server.program("pgbench"));
    command.args(["-n", "-M", "prepared", "-j", "1", "-c", clients, "-T", PGBENCH_SECONDS, "-f"]).arg(script.path());
    command.env("PGOPTIONS", "-c synchronous_commit=off");
    told_by(command, server, database)
}
