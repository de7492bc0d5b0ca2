//! Making a failure small: fewer steps, then a tale with fewer entries, operations and rows, as long as the same check fails.

use std::collections::BTreeSet;
use std::ops::Range;

use treaty_schema::Schema;

use super::failure::Failure;
use super::replay::replay;
use super::schema::patch_of;
use super::tale::Tale;
use super::{FailedRun, run_steps};

/// Runs that may be spent on leaving out steps.
const RUNS_MAX: usize = 150;
/// Times of genesis that are tried before a tale is given up.
const TIMES: u64 = 12;
/// Replays that may be spent on shortening a tale.
const REPLAYS_MAX: usize = 3_000;

/// Leaves out steps of a failed run, as long as the same check fails.
pub fn fewer_steps(failed: &FailedRun) -> Box<FailedRun> {
    let mut best = Box::new(failed.clone());
    let mut run_count = 0;
    let mut chunk = best.steps.len().div_ceil(2);
    while chunk > 0 && run_count < RUNS_MAX {
        let mut start = 0;
        let mut is_smaller = false;
        while start < best.steps.len() && run_count < RUNS_MAX {
            let mut steps = best.steps.clone();
            steps.drain(start..(start + chunk).min(steps.len()));
            run_count += 1;
            match run_steps(&best.options, &steps) {
                Err(smaller) if smaller.failure.check == failed.failure.check => {
                    best = smaller;
                    is_smaller = true;
                }
                _ => start += chunk,
            }
        }
        chunk = if is_smaller && chunk == 1 { 1 } else { chunk / 2 };
    }
    best
}

/// Finds a tale of a failed run in which the same check fails, and makes it as small as it gets.
pub fn smallest_tale(failed: &FailedRun) -> Option<(Tale, Failure)> {
    let fails = |tale: &Tale| replay(tale).err().filter(|failure| failure.check == failed.failure.check);
    // Retold, entries have other hashes: what hangs on their order fails at some times only.
    let timed = (0..TIMES).flat_map(|time_ms| failed.tales.iter().map(move |tale| Tale { time_ms, ..tale.clone() }));
    let (mut tale, mut failure) = timed.into_iter().find_map(|tale| fails(&tale).map(|failure| (tale, failure)))?;
    let mut replay_count = 0;
    loop {
        let smaller = candidates(&tale).into_iter().find_map(|candidate| {
            replay_count += 1;
            if replay_count > REPLAYS_MAX {
                return None;
            }
            Some((fails(&candidate)?, candidate))
        });
        match smaller {
            Some((found, candidate)) => (tale, failure) = (candidate, found),
            None => return Some((tale, failure)),
        }
    }
}

/// Tales that are a little smaller, the boldest first.
fn candidates(tale: &Tale) -> Vec<Tale> {
    let count = tale.entries.len();
    let mut candidates = Vec::new();
    if count > 8 {
        let without = |entries: Range<usize>| entries.rev().fold(tale.clone(), |tale, entry| tale.without_entry(entry));
        candidates.extend((0..4).rev().map(|part| without(count * part / 4..count * (part + 1) / 4)));
    }
    candidates.extend((0..count).rev().map(|entry| tale.without_entry(entry)));
    for (entry, told) in tale.entries.iter().enumerate() {
        for (transaction, operations) in told.transactions.iter().enumerate() {
            for operation in 0..operations.len() {
                candidates.push(tale.without_operation(Some((entry, transaction)), operation));
            }
        }
    }
    candidates.extend((0..tale.genesis.len()).map(|operation| tale.without_operation(None, operation)));
    candidates.extend(without_tables(tale));
    candidates
}

/// Without a table that nobody writes to, and nothing else in the schema speaks of.
fn without_tables(tale: &Tale) -> Vec<Tale> {
    let all = tale.entries.iter().flat_map(|entry| entry.transactions.iter().flatten()).chain(&tale.genesis);
    let used: BTreeSet<&str> = all.filter_map(|operation| operation.verb.strip_prefix("insert ")).collect();
    let lines: Vec<&str> = tale.schema.lines().collect();
    let is_used = |line: &str| line.split(' ').next().is_some_and(|name| used.contains(name));
    let without = |index: usize| {
        let mut kept = lines.clone();
        kept.remove(index);
        kept.join("\n")
    };
    let smaller = (0..lines.len()).filter(|index| !is_used(lines[*index])).map(without);
    let valid = smaller.filter(|schema| Schema::empty().apply(&patch_of(schema)).is_ok());
    valid.map(|schema| Tale { schema, ..tale.clone() }).collect()
}
