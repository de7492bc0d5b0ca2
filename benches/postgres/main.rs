//! PostgreSQL: what capture costs whoever writes, and the way from one database to another, beside what the server's own
//! logical replication needs for the same rows between the same two clusters, interleaved in one run.
//!
//! `cargo bench -p treaty-tests --bench postgres [-- PART...]`; docs/testing.md says what the parts are, which settings the
//! clusters have, and how runs are made longer.

#![expect(clippy::panic, reason = "a benchmark fails by panicking, and says why: half a figure is none")]

mod capture;
mod clusters;
mod joining;
mod logical;
mod pgbench;
mod pipeline;
mod session;

use clusters::Clusters;
use treaty_tests::{Figures, size_from_environment};

/// What measures one round of a part.
type Measure = fn(&Clusters, &mut Figures);

/// The parts, in the order in which they run.
const PARTS: [(&str, Measure); 7] = [
    ("capture", capture::measure),
    ("pgbench", pgbench::measure),
    ("latency", pipeline::latency),
    ("tx1", pipeline::throughput_single),
    ("tx100", pipeline::throughput_grouped),
    ("mixed", pipeline::throughput_mixed),
    ("joining", joining::measure),
];

fn main() {
    // Cargo adds an argument of its own.
    let chosen: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    for name in &chosen {
        let names = PARTS.map(|(part, _)| part);
        assert!(names.contains(&name.as_str()), "there is no part {name}; there are {}", names.join(", "));
    }
    let clusters = Clusters::start();
    let mut figures = Figures::default();
    for _ in 0..size_from_environment("TREATY_BENCH_ROUNDS", 3) {
        for (part, measure) in PARTS {
            if chosen.is_empty() || chosen.iter().any(|name| name == part) {
                measure(&clusters, &mut figures);
            }
        }
    }
    figures.print();
}
