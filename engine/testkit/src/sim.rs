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
mod replay;
mod retell;
mod schema;
mod shrink;
mod statistics;
mod steps;
mod tables;
mod tale;
mod world;

use std::fmt;

pub use failure::Failure;
pub use options::Options;
pub use replay::replay;
pub use shrink::{fewer_steps, smallest_tale};
pub use statistics::Statistics;
pub use tale::Tale;

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
    /// What each replica heard.
    pub tales: Vec<Tale>,
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
    let failed = |failure, world: Option<&World>, steps: &[u64]| {
        Box::new(FailedRun {
            failure,
            options: options.clone(),
            schema: lines.clone(),
            events: world.map(World::last_events).unwrap_or_default(),
            steps: steps.to_vec(),
            tales: world.map(|world| world.tales(&lines)).unwrap_or_default(),
        })
    };
    let folder = folder.as_ref().map(tempfile::TempDir::path);
    let mut world = World::new(options.clone(), &lines, folder).map_err(|failure| failed(failure, None, &[]))?;
    for (done, number) in steps.iter().enumerate() {
        steps::step(&mut world, *number).map_err(|failure| failed(failure, Some(&world), &steps[..=done]))?;
    }
    check::finish(&mut world).map_err(|failure| failed(failure, Some(&world), steps))?;
    Ok(Report { event_hash: world.event_hash(), statistics: world.statistics })
}

impl FailedRun {
    /// The run in a line, for [`read_run`].
    pub fn told(&self) -> String {
        let steps: Vec<String> = self.steps.iter().map(u64::to_string).collect();
        format!("{} only={}", self.options.told(), steps.join(","))
    }
}

/// Reads options, and `only=1,2,5` for some steps.
///
/// # Errors
/// The word that cannot be read.
pub fn read_run(text: &str) -> Result<(Options, Vec<u64>), String> {
    let is_steps = |word: &&str| word.starts_with("only=");
    let words: Vec<&str> = text.split_whitespace().filter(|word| !is_steps(word)).collect();
    let options = Options::read(&words.join(" "))?;
    let steps = match text.split_whitespace().find(is_steps) {
        None => (0..options.steps).collect(),
        Some(word) => {
            let numbers = word["only=".len()..].split(',').filter(|number| !number.is_empty());
            numbers.map(str::parse).collect::<Result<_, _>>().map_err(|_| format!("{word:?} names no steps"))?
        }
    };
    Ok((options, steps))
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
