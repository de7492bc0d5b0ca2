//! The queue as one snapshot shows it, and sets of its lines.

use std::ops::RangeInclusive;

use borsh::{BorshDeserialize, BorshSerialize};

use super::StoredId;
use crate::capture::{Line, Said, ShownRow};

/// The queue as one snapshot shows it.
#[derive(Debug, Default)]
pub struct Queue {
    /// Lines that say something, in planning order.
    pub lines: Vec<Line>,
    /// Authors that lines name, by [`Line::author`].
    pub authors: Vec<String>,
    /// Lines that name no row: an id that is no UUID, or a table that the schema does not have.
    pub nameless: Vec<Nameless>,
    /// Whether there may be more lines.
    pub is_cut: bool,
}

impl Queue {
    /// Whether it holds nothing but a few marks, which may stay.
    pub fn is_idle(&self) -> bool {
        const MARKS_MAX: usize = 1_000;
        self.nameless.is_empty()
            && self.lines.len() < MARKS_MAX
            && self.lines.iter().all(|line| line.said == Said::Mark)
    }
}

/// A line of the queue that names no row.
#[derive(Debug, Clone, PartialEq)]
pub struct Nameless {
    /// Its number.
    pub seq: i64,
    /// Index of the table, if the schema has it.
    pub table: Option<usize>,
    /// The id as it was written.
    pub stored_id: StoredId,
}

/// A row that a line names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueuedRow {
    /// The line.
    pub seq: i64,
    /// The row.
    pub key: ShownRow,
}

/// A set of lines, by number.
#[derive(Debug, Clone, PartialEq, Eq, Default, BorshSerialize, BorshDeserialize)]
pub struct SeqRanges(Vec<(i64, i64)>); // invariant: ascending, each first <= last, no two touch

impl SeqRanges {
    /// Makes the set of exactly these numbers.
    pub fn of(seqs: impl IntoIterator<Item = i64>) -> SeqRanges {
        let mut seqs: Vec<i64> = seqs.into_iter().collect();
        seqs.sort_unstable();
        let mut ranges: Vec<(i64, i64)> = Vec::new();
        for seq in seqs {
            match ranges.last_mut() {
                Some((_, last)) if seq <= *last => {}
                Some((_, last)) if last.checked_add(1) == Some(seq) => *last = seq,
                _ => ranges.push((seq, seq)),
            }
        }
        SeqRanges(ranges)
    }

    /// Returns the set of what is in either.
    #[must_use]
    pub fn union(&self, other: &SeqRanges) -> SeqRanges {
        let mut all: Vec<(i64, i64)> = self.0.iter().chain(&other.0).copied().collect();
        all.sort_unstable();
        let mut ranges: Vec<(i64, i64)> = Vec::with_capacity(all.len());
        for (first, last) in all {
            match ranges.last_mut() {
                Some((_, before)) if first <= before.saturating_add(1) => *before = last.max(*before),
                _ => ranges.push((first, last)),
            }
        }
        SeqRanges(ranges)
    }

    /// Fills the lowest gaps, so that at most `ranges_max` ranges are left, or one.
    #[must_use]
    pub fn widened_to(mut self, ranges_max: usize) -> SeqRanges {
        let filled = self.0.len().saturating_sub(ranges_max.max(1));
        if filled > 0 {
            self.0[filled].0 = self.0[0].0;
            self.0.drain(..filled);
        }
        self
    }

    /// Says whether a number is in it. Cost O(log ranges).
    pub fn contains(&self, seq: i64) -> bool {
        let after = self.0.partition_point(|&(first, _)| first <= seq);
        after > 0 && seq <= self.0[after - 1].1
    }

    /// Returns its ranges, ascending and apart.
    pub fn ranges(&self) -> impl Iterator<Item = RangeInclusive<i64>> + '_ {
        self.0.iter().map(|&(first, last)| first..=last)
    }

    /// Returns the greatest number.
    pub fn last(&self) -> Option<i64> {
        self.0.last().map(|&(_, last)| last)
    }

    /// Says whether it is empty.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_set_holds_exactly_what_it_is_made_of(seqs in proptest::collection::btree_set(-20_i64..60, 0..40)) {
            let set = SeqRanges::of(seqs.iter().rev().copied());
            for seq in -25..65 {
                prop_assert_eq!(set.contains(seq), seqs.contains(&seq));
            }
            prop_assert_eq!(set.ranges().flatten().collect::<Vec<_>>(), seqs.iter().copied().collect::<Vec<_>>());
            prop_assert_eq!(set.last(), seqs.last().copied());
            prop_assert!(set.0.windows(2).all(|pair| pair[0].1 + 1 < pair[1].0));
        }

        #[test]
        fn a_union_holds_what_either_holds_and_widening_only_fills_the_lowest_gaps(
            one in proptest::collection::btree_set(0_i64..40, 0..20),
            other in proptest::collection::btree_set(0_i64..40, 0..20),
            ranges_max in 1_usize..8,
        ) {
            let of = |seqs: &std::collections::BTreeSet<i64>| SeqRanges::of(seqs.iter().copied());
            let union = of(&one).union(&of(&other));
            prop_assert_eq!(&union, &of(&one.union(&other).copied().collect()));
            let widened = union.clone().widened_to(ranges_max);
            prop_assert!(widened.0.len() <= ranges_max);
            prop_assert_eq!(widened.last(), union.last());
            prop_assert!(union.ranges().flatten().all(|seq| widened.contains(seq)));
            let kept = union.0.len().min(ranges_max) - usize::from(!union.is_empty() && union.0.len() >= ranges_max);
            prop_assert_eq!(&widened.0[widened.0.len() - kept..], &union.0[union.0.len() - kept..]);
        }
    }
}
