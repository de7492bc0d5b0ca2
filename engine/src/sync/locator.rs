//! Locators: a short list of id prefixes from which another replica learns a large part of what we hold.
//!
//! Along every local chain the last entries are named, and further back ever fewer, down to the first. Whoever knows one
//! of them knows that we hold its past. What the list passes over is sent twice at worst, so its steps are as fine as
//! its limit allows. A locator is never trusted further than that: where a prefix names another entry at the sender, the
//! receiver asks for what is missing. Source: docs/spec/sync.md section 4.

use std::cmp::Reverse;

use crate::causality::{Past, Pos};
use crate::fault::StoreError;
use crate::limits::LOCATOR_PREFIXES_MAX;
use crate::sync::view::View;

/// How fast the steps along a chain grow, finest first.
const STEPS: [Step; 8] = [
    Step::Part(8),
    Step::Part(4),
    Step::Part(2),
    Step::Times(2),
    Step::Times(4),
    Step::Times(16),
    Step::Times(256),
    Step::OnlyLast,
];

#[derive(Clone, Copy, Debug)]
enum Step {
    /// By a part of the way so far.
    Part(u64),
    /// By a multiple of it.
    Times(u64),
    /// Nothing but the last entry is named.
    OnlyLast,
}

impl Step {
    fn next(self, distance: u64) -> u64 {
        match self {
            Step::Part(part) => distance + (distance / part).max(1),
            Step::Times(factor) => distance.saturating_mul(factor).max(1),
            Step::OnlyLast => u64::MAX,
        }
    }

    /// The distances from the last entry of a chain that are named.
    fn distances(self, entry_count: u64) -> impl Iterator<Item = u64> {
        std::iter::successors(Some(0), move |distance| Some(self.next(*distance)))
            .take_while(move |distance| *distance < entry_count)
    }
}

/// Returns the locator of everything that `view` holds: at most [`LOCATOR_PREFIXES_MAX`] prefixes.
///
/// # Errors
/// [`StoreError`] if the store cannot be read.
pub(super) fn locator(view: &dyn View) -> Result<Vec<u64>, StoreError> {
    let whole = view.whole();
    let mut chains = Vec::with_capacity(whole.tops().len());
    for top in whole.tops() {
        chains.push((Reverse(view.stamp(*top)?), *top));
    }
    chains.sort_unstable();
    chains.truncate(LOCATOR_PREFIXES_MAX);
    let step = finest_step(&chains.iter().map(|(_, top)| top.sequence()).collect::<Vec<_>>());
    let mut prefixes = Vec::new();
    for (_, top) in chains {
        for distance in step.distances(top.sequence()) {
            let pos = Pos::new(top.chain(), top.sequence() - distance).expect("a place in a chain up to its last");
            prefixes.push(view.stamp(pos)?.id.prefix());
        }
    }
    Ok(prefixes)
}

/// The finest step whose locator keeps the limit, for chains of these lengths.
fn finest_step(entry_counts: &[u64]) -> Step {
    let fits = |step: &Step| {
        let distances = entry_counts.iter().flat_map(|count| step.distances(*count));
        distances.take(LOCATOR_PREFIXES_MAX + 1).count() <= LOCATOR_PREFIXES_MAX
    };
    STEPS.into_iter().find(fits).unwrap_or(Step::OnlyLast)
}

/// Returns `known` with all that a peer with this locator holds. Prefixes that name no entry, or more than one, say nothing.
///
/// # Errors
/// [`StoreError`] if the store cannot be read.
pub(super) fn read_locator(view: &dyn View, prefixes: &[u64], mut known: Past) -> Result<Past, StoreError> {
    for prefix in prefixes {
        if let [pos] = view.positions_by_prefix(*prefix, 2)?[..]
            && !known.contains(pos)
        {
            known = known.join(&*view.clock(pos)?);
        }
    }
    Ok(known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_is_named_from_its_last_entry_to_its_first_octave() {
        let distances: Vec<u64> = Step::Part(2).distances(40).collect();
        assert_eq!(distances, [0, 1, 2, 3, 4, 6, 9, 13, 19, 28]);
        let distances: Vec<u64> = Step::Times(2).distances(40).collect();
        assert_eq!(distances, [0, 1, 2, 4, 8, 16, 32]);
        assert_eq!(Step::OnlyLast.distances(40).collect::<Vec<_>>(), [0]);
    }

    #[test]
    fn more_chains_are_named_more_coarsely_and_all_of_them_down_to_the_oldest_octave() {
        for (chain_count, is_fine) in [(1, true), (5, true), (10, false), (100, false), (512, false)] {
            let counts = vec![100_000; chain_count];
            let step = finest_step(&counts);
            let total: usize = counts.iter().map(|count| step.distances(*count).count()).sum();
            assert!(total <= LOCATOR_PREFIXES_MAX, "{chain_count} chains: {total}");
            assert_eq!(matches!(step, Step::Part(8)), is_fine, "{chain_count} chains: {step:?}");
        }
    }
}
