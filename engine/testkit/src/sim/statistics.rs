//! What runs exercised: counted per run, added up over many, printed by the command.

use std::collections::BTreeMap;

use treaty_engine::cotx::Reason;

/// How often things happened, and in how many runs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Entries parked for want of parents.
    pub parked: u64,
    counts: BTreeMap<String, Count>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Count {
    times: u64,
    runs: u64,
}

impl Statistics {
    /// Counts something in this run.
    pub fn count(&mut self, what: impl Into<String>) {
        self.add(what, 1);
    }

    /// Counts something several times.
    pub fn add(&mut self, what: impl Into<String>, times: u64) {
        let count = self.counts.entry(what.into()).or_default();
        count.times += times;
        count.runs = 1;
    }

    /// Counts an entry that was refused.
    pub fn refused(&mut self, reason: Reason) {
        self.count(format!("refused: {}", reason.code()));
    }

    /// How often something happened.
    pub fn times(&self, what: &str) -> u64 {
        self.counts.get(what).map_or(0, |count| count.times)
    }

    /// Adds another run.
    pub fn join(&mut self, other: &Statistics) {
        self.parked += other.parked;
        for (what, more) in &other.counts {
            let count = self.counts.entry(what.clone()).or_default();
            count.times += more.times;
            count.runs += more.runs.min(1);
        }
    }

    /// Writes a table: how often each thing happened, and in what share of the runs.
    pub fn table(&self, run_count: u64) -> String {
        let mut lines = String::new();
        for (what, count) in &self.counts {
            let share = count.runs * 100 / run_count.max(1);
            lines += &format!("  {what:<40} {:>9} times, in {share:>3} % of runs\n", count.times);
        }
        lines + &format!("  {:<40} {:>9} times\n", "parked", self.parked)
    }
}
