//! From a database on one cluster to one on the other, with both sidecars as users run them, and by the server's own logical
//! replication: throughput, latency, what an idle sidecar costs, and bytes kept.

use std::time::{Duration, Instant};

use rusqlite::Connection;
use treaty_tests::{Figures, Kind, Members, Node, Sidecar, bytes_below, percentile, processor_seconds, wait_in_step};

use crate::clusters::Clusters;
use crate::logical::Logical;
use crate::session::{Reader, Session, rows_per_second, until_visible};

/// Rows of a measurement with transactions of 1, of 100, and from PostgreSQL to SQLite.
const ROWS_SINGLE: u32 = 3_000;
const ROWS_GROUPED: u32 = 50_000;
const ROWS_MIXED: u32 = 30_000;
/// Rows whose way is timed one by one, with their pauses: as from somebody who types, and as from somebody who thinks between.
const PACES: [Pace; 2] = [
    Pace { name: "write_to_visible", row_count: 300, pause: Duration::from_millis(10) },
    Pace { name: "write_to_visible.sparse", row_count: 150, pause: Duration::from_millis(200) },
];
/// How long an idle sidecar is watched, in seconds.
const IDLE_SECONDS: u32 = 10;

/// Transactions of one row.
pub(crate) fn throughput_single(clusters: &Clusters, figures: &mut Figures) {
    throughput(clusters, figures, 1, ROWS_SINGLE);
}

/// Transactions of 100 rows; and what is kept of them.
pub(crate) fn throughput_grouped(clusters: &Clusters, figures: &mut Figures) {
    throughput(clusters, figures, 100, ROWS_GROUPED);
}

/// From PostgreSQL to SQLite, in transactions of 100 rows.
pub(crate) fn throughput_mixed(clusters: &Clusters, figures: &mut Figures) {
    let members = Members::start(Node::on_server(clusters.source), Node::on(Kind::Sqlite));
    let mut writer = application(&members.first);
    let mut reader = Connection::open(members.second.database()).expect("the database opens");
    reader.busy_timeout(Duration::from_secs(60)).expect("a pragma");
    let rate = rows_per_second(ROWS_MIXED, || {
        writer.insert(0..ROWS_MIXED, 100);
        until_visible(&mut reader, ROWS_MIXED);
    });
    figures.add("mixed.postgres_to_sqlite.tx100", "rows/s", rate);
    wait_in_step(&[&members.first, &members.second]);
}

fn throughput(clusters: &Clusters, figures: &mut Figures, size: u32, row_count: u32) {
    let name = format!("pipeline.first_write_to_last_visible.tx{size}");
    let mut logical = Logical::start(clusters);
    let theirs = rates(&mut logical.source, &mut logical.target, size, row_count);
    let kept_theirs = database_bytes(&mut logical.target) / f64::from(row_count);
    drop(logical);
    let members = Members::start(Node::on_server(clusters.source), Node::on_server(clusters.target));
    let (mut writer, mut reader) = (application(&members.first), application(&members.second));
    let ours = rates(&mut writer, &mut reader, size, row_count);
    wait_in_step(&[&members.first, &members.second]);
    figures.add(&format!("{name}.logical"), "rows/s", theirs.visible);
    figures.add(&format!("{name}.treaty"), "rows/s", ours.visible);
    figures.add(&format!("{name}.share"), "of logical", ours.visible / theirs.visible);
    figures.add(&format!("pipeline.writer.tx{size}.logical"), "rows/s", theirs.written);
    figures.add(&format!("pipeline.writer.tx{size}.treaty"), "rows/s", ours.written);
    if size == 100 {
        let log = bytes_below(members.second.folder()) / f64::from(row_count);
        let database = database_bytes(&mut reader) / f64::from(row_count);
        figures.add("kept.per_row.logical", "bytes", kept_theirs);
        figures.add("kept.per_row.treaty.database", "bytes", database);
        figures.add("kept.per_row.treaty.log", "bytes", log);
        figures.add("kept.per_row.share", "of logical", (database + log) / kept_theirs);
        figures.add("pipeline.memory_peak.writer", "MiB", members.up_first.mebibytes_peak());
        figures.add("pipeline.memory_peak.reader", "MiB", members.up_second.mebibytes_peak());
    }
}

/// Rows a second: written, and from the first write until the last is visible.
struct Rates {
    written: f64,
    visible: f64,
}

fn rates(writer: &mut Session, reader: &mut Session, size: u32, row_count: u32) -> Rates {
    let mut written = 0.0;
    let visible = rows_per_second(row_count, || {
        written = rows_per_second(row_count, || writer.insert(0..row_count, size));
        until_visible(reader, row_count);
    });
    Rates { written, visible }
}

/// How often rows are written one by one.
struct Pace {
    name: &'static str,
    row_count: u32,
    pause: Duration,
}

/// Single rows with pauses, from before the write is sent until another cluster shows it, with sidecars that look for rows and
/// with such that are notified; then nothing for a while.
pub(crate) fn latency(clusters: &Clusters, figures: &mut Figures) {
    let mut logical = Logical::start(clusters);
    let theirs = waits(&mut logical.source, &mut logical.target);
    drop(logical);
    add_waits(figures, "logical", &theirs, None);
    for (name, arguments) in [("treaty", [].as_slice()), ("treaty_notify", &["--postgres-notify"])] {
        let (first, second) = (Node::on_server(clusters.source), Node::on_server(clusters.target));
        let members = Members::start_with(first, second, arguments);
        let (mut writer, mut reader) = (application(&members.first), application(&members.second));
        let ours = waits(&mut writer, &mut reader);
        add_waits(figures, name, &ours, Some(&theirs));
        wait_in_step(&[&members.first, &members.second]);
        idle(figures, name, &members.up_first, &mut writer);
    }
}

/// Times the rows of each pace.
fn waits(writer: &mut Session, reader: &mut Session) -> [Vec<f64>; PACES.len()] {
    let mut next = 0;
    PACES.map(|pace| {
        let numbers = next..next + pace.row_count;
        next = numbers.end;
        let timed = |number| {
            std::thread::sleep(pace.pause);
            let start = Instant::now();
            writer.insert(number..number + 1, 1);
            until_visible(reader, number + 1);
            start.elapsed().as_secs_f64() * 1e3
        };
        numbers.map(timed).collect()
    })
}

/// Adds figures of each pace.
fn add_waits(figures: &mut Figures, name: &str, waits: &[Vec<f64>], theirs: Option<&[Vec<f64>; PACES.len()]>) {
    for (index, pace) in PACES.iter().enumerate() {
        for (which, share) in [("p50", 0.5), ("p99", 0.99)] {
            let figure = format!("pipeline.{}.{which}.{name}", pace.name);
            let waited = percentile(&mut waits[index].clone(), share);
            figures.add(&figure, "ms", waited);
            if let Some(theirs) = theirs {
                let theirs = percentile(&mut theirs[index].clone(), share);
                figures.add(&format!("{figure}.share"), "of logical", waited / theirs);
            }
        }
    }
}

/// What a sidecar costs that has nothing to do, and what its questions cost the server.
fn idle(figures: &mut Figures, name: &str, sidecar: &Sidecar, writer: &mut Session) {
    let server = writer.number(
        "SELECT coalesce(max(pid), 0)::bigint FROM pg_stat_activity
         WHERE application_name = 'treaty' AND datname = current_database() AND query NOT LIKE 'LISTEN%'",
    );
    let server = u32::try_from(server).expect("a process");
    assert_ne!(server, 0, "the sidecar's connection is not called treaty");
    let before = (sidecar.processor_seconds(), processor_seconds(server));
    std::thread::sleep(Duration::from_secs(u64::from(IDLE_SECONDS)));
    let after = (sidecar.processor_seconds(), processor_seconds(server));
    let percent = |before: Option<f64>, after: Option<f64>| {
        after.zip(before).map_or(f64::NAN, |(after, before)| (after - before) / f64::from(IDLE_SECONDS) * 100.0)
    };
    figures.add(&format!("idle.{name}.processor.sidecar"), "% of core", percent(before.0, after.0));
    figures.add(&format!("idle.{name}.processor.its_backend"), "% of core", percent(before.1, after.1));
    figures.add(&format!("idle.{name}.memory_peak"), "MiB", sidecar.mebibytes_peak());
}

/// A connection as a node's application, to whom statistics are shown as to the server's owner.
fn application(node: &Node) -> Session {
    let database = node.postgres().unwrap_or_else(|| panic!("the node's database is a file"));
    Session::connect(database.server(), database.name(), "postgres")
}

/// What a database weighs beyond an empty one.
fn database_bytes(session: &mut Session) -> f64 {
    let bytes = session.number("SELECT pg_database_size(current_database()) - pg_database_size('template1')");
    f64::from(u32::try_from(bytes).expect("less than 4 GiB"))
}
