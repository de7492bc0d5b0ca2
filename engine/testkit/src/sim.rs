//! The simulator: honest replicas, hostile authors, a bad network and breaking disks, all from one seed.
//!
//! Single-threaded, over the sans-IO core (`sync::Session`) and real SQLite stores. A seed draws a schema, options
//! (which things happen, and how often), and what happens in each step; running it twice does the same twice. After
//! the last step everything is mended, everybody talks until nothing is left to say, and what must hold then is
//! checked; most of it is checked after every step as well. docs/testing.md says how to run it.

mod chance;
mod check;
mod compose;
mod craft;
mod failure;
mod forge;
mod hostile;
mod judged;
mod ledger;
mod link;
mod node;
mod options;
mod schema;
mod statistics;
mod steps;
mod tables;
mod world;

use std::fmt;

pub use failure::Failure;
pub use options::Options;
pub use statistics::Statistics;

use chance::Chance;
use world::World;

/// What a run without failure leaves.
#[derive(Debug, Clone)]
pub struct Report {
    /// What it exercised.
    pub statistics: Statistics,
    /// A hash over everything that happened.
    pub event_hash: [u8; 32],
}

/// A run that failed, with all that is needed to see why, and to do it again.
#[derive(Debug, Clone)]
pub struct FailedRun {
    /// What was found.
    pub failure: Failure,
    /// The seed and its options.
    pub options: Options,
    /// The schema.
    pub schema: String,
    /// The last events, oldest first.
    pub events: Vec<String>,
    /// The numbers of the steps that were done.
    pub steps: Vec<u64>,
}

/// Runs a seed to its end.
///
/// # Errors
/// [`FailedRun`] if a check fails.
pub fn run(options: &Options) -> Result<Report, Box<FailedRun>> {
    run_steps(options, &(0..options.steps).collect::<Vec<_>>())
}

/// Runs some steps of a seed: each does about the same whichever others are left out.
///
/// # Errors
/// [`FailedRun`] if a check fails.
pub fn run_steps(options: &Options, steps: &[u64]) -> Result<Report, Box<FailedRun>> {
    let lines = schema::drawn(&mut Chance::of(options.seed, 2));
    let folder = (options.on_disk > 0).then(|| tempfile::tempdir().expect("a temporary folder can be made"));
    let failed = |failure, events, steps: &[u64]| {
        let options = options.clone();
        Box::new(FailedRun { failure, options, schema: lines.clone(), events, steps: steps.to_vec() })
    };
    let folder = folder.as_ref().map(tempfile::TempDir::path);
    let mut world = World::new(options.clone(), &lines, folder).map_err(|failure| failed(failure, Vec::new(), &[]))?;
    for (done, number) in steps.iter().enumerate() {
        steps::step(&mut world, *number).map_err(|failure| failed(failure, world.last_events(), &steps[..=done]))?;
    }
    check::finish(&mut world).map_err(|failure| failed(failure, world.last_events(), steps))?;
    Ok(Report { event_hash: world.event_hash(), statistics: world.statistics })
}

impl fmt::Display for FailedRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.options)?;
        writeln!(f, "{}", self.schema)?;
        for event in &self.events {
            writeln!(f, "  {event}")?;
        }
        writeln!(f, "FAILED after {} steps: {}", self.steps.len(), self.failure)
    }
}
