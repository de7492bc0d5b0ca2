//! From one SQLite database to another, with both sidecars, as users run them: throughput, latency, a newcomer's join,
//! memory, bytes kept per row, and what an idle sidecar costs.
//!
//! `cargo build --release && cargo bench -p treaty-tests --bench pipeline`. TREATY_BENCH_ROUNDS sets the number of rounds,
//! TREATY_BENCH_JOIN the rows of the space that a newcomer joins. The raw speed of writing the same rows into a plain
//! SQLite file is measured in the same run.

use std::time::{Duration, Instant};

use rusqlite::Connection;
use treaty_tests::{
    Figures, Members, NOTES_RAW, Node, bytes_below, found, insert_notes, join, percentile, size_from_environment,
    wait_in_step, wait_until,
};

fn main() {
    let rounds = size_from_environment("TREATY_BENCH_ROUNDS", 3);
    let mut figures = Figures::default();
    for _ in 0..rounds {
        for (size, row_count) in [(1, 10_000), (100, 50_000)] {
            raw(&mut figures, size, row_count);
            throughput(&mut figures, size, row_count);
        }
        latency(&mut figures);
    }
    newcomer(&mut figures, size_from_environment("TREATY_BENCH_JOIN", 200_000));
    figures.print();
}

fn raw(figures: &mut Figures, size: u32, row_count: u32) {
    let node = Node::new();
    let connection = open(&node);
    connection.execute_batch(NOTES_RAW).expect("an empty database");
    let start = Instant::now();
    write(&connection, 0..row_count, size);
    figures.add(&format!("raw.write.tx{size}"), "rows/s", f64::from(row_count) / start.elapsed().as_secs_f64());
}

fn throughput(figures: &mut Figures, size: u32, row_count: u32) {
    let pair = Members::start(Node::new(), Node::new());
    let (writer, reader) = (open(&pair.first), open(&pair.second));
    let start = Instant::now();
    write(&writer, 0..row_count, size);
    let written = start.elapsed();
    until_visible(&reader, row_count);
    let rate = f64::from(row_count) / start.elapsed().as_secs_f64();
    figures.add(&format!("pipeline.first_write_to_last_visible.tx{size}"), "rows/s", rate);
    figures.add(
        &format!("pipeline.writer_beside_sidecars.tx{size}"),
        "rows/s",
        f64::from(row_count) / written.as_secs_f64(),
    );
    wait_in_step(&[&pair.first, &pair.second]);
    if size == 100 {
        let bytes = bytes_below(pair.second.folder());
        figures.add("kept.database_and_log.per_row", "bytes", bytes / f64::from(row_count));
    }
}

fn latency(figures: &mut Figures) {
    let pair = Members::start(Node::new(), Node::new());
    let (writer, reader) = (open(&pair.first), open(&pair.second));
    let mut waits = Vec::new();
    for number in 0..300 {
        let start = Instant::now();
        insert_notes(&writer, number..number + 1);
        until_visible(&reader, number + 1);
        waits.push(start.elapsed().as_secs_f64() * 1e3);
        std::thread::sleep(Duration::from_millis(10));
    }
    figures.add("pipeline.write_to_visible.p50", "ms", percentile(&mut waits, 0.5));
    figures.add("pipeline.write_to_visible.p99", "ms", percentile(&mut waits, 0.99));
    let before = pair.up_first.processor_seconds();
    std::thread::sleep(Duration::from_secs(5));
    if let (Some(before), Some(after)) = (before, pair.up_first.processor_seconds()) {
        figures.add("idle.processor", "% of core", (after - before) / 5.0 * 100.0);
    }
    figures.add("idle.memory_peak", "MiB", pair.up_first.mebibytes_peak());
}

fn newcomer(figures: &mut Figures, row_count: u32) {
    let (first, second) = (Node::new(), Node::new());
    let up_first = found(&first, &second, &[]);
    write(&open(&first), 0..row_count, 100);
    wait_until("everything is in the log", || first.status()["waiting"] == 0);
    let start = Instant::now();
    join(&first, &second);
    let up_second = second.up(&[up_first.listen()]);
    until_visible(&open(&second), row_count);
    figures.add("join.rows", "rows/s", f64::from(row_count) / start.elapsed().as_secs_f64());
    figures.add("join.memory_peak_of_server", "MiB", up_first.mebibytes_peak());
    figures.add("join.memory_peak_of_joiner", "MiB", up_second.mebibytes_peak());
}

fn write(connection: &Connection, numbers: std::ops::Range<u32>, size: u32) {
    for first in numbers.clone().step_by(size as usize) {
        insert_notes(connection, first..(first + size).min(numbers.end));
    }
}

fn until_visible(reader: &Connection, row_count: u32) {
    let mut count = reader.prepare_cached("SELECT count(*) FROM notes").expect("the table is there");
    // Counting is linear in the rows: look often while there are few, seldom while there are many.
    let pause = Duration::from_micros(u64::from(row_count / 10).clamp(200, 20_000));
    while count.query_row([], |row| row.get::<_, u32>(0)).expect("a count") < row_count {
        std::thread::sleep(pause);
    }
}

fn open(node: &Node) -> Connection {
    let connection = Connection::open(node.database()).expect("the database opens");
    connection.busy_timeout(Duration::from_secs(60)).expect("a pragma");
    connection.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL").expect("pragmas");
    connection
}
