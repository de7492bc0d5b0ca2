//! Receipts: what was taken out of the queue last, kept by the engine in the same write transaction as the entries.
//!
//! A crash between the entries and the emptying of the queue leaves the queue as it was: a receipt that matches it says
//! that its lines are in the log. A database restored from a backup has lines that are in the log too, but not those of
//! the last receipt: they are told from new lines by their number *and* their time.

use std::collections::BTreeSet;

use borsh::{BorshDeserialize, BorshSerialize};
use treaty_engine::replica::Shown;

use crate::capture::{Line, Said, ShownRow};
use crate::link::{EngineLink, LinkError};

use super::error::SqliteError;
use super::intake::{Bounds, hash_lines};

/// What was taken out of the queue last.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(super) struct Receipt {
    /// What the tables showed.
    on: Shown,
    /// The first line taken.
    seq_first: i64,
    /// The last line taken.
    seq_last: i64,
    /// Hash over the lines.
    lines_hash: [u8; 32],
    /// The latest time of any line ever taken, in milliseconds.
    at_last_ms: i64,
    /// The last line ever taken.
    seq_through: i64,
}

/// What a queue found at the start has to do with the last receipt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// Its first lines are exactly those of the receipt: they are in the log.
    Taken,
    /// They are not.
    Other,
}

/// The rows of a queue, by what a receipt says of its lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Split {
    /// Rows of lines that the receipt names.
    pub(super) taken: Vec<ShownRow>,
    /// Rows of lines behind them.
    pub(super) later: BTreeSet<ShownRow>,
}

impl Receipt {
    /// Makes the receipt for an intake that comes after `before`.
    pub(super) fn new(on: &Shown, bounds: &Bounds, before: Option<&Receipt>) -> Receipt {
        Receipt {
            on: on.clone(),
            seq_first: bounds.seq_first,
            seq_last: bounds.seq_last,
            lines_hash: bounds.lines_hash,
            at_last_ms: before.map_or(i64::MIN, |before| before.at_last_ms).max(bounds.at_last_ms),
            seq_through: before.map_or(i64::MIN, |before| before.seq_through).max(bounds.seq_last),
        }
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        borsh::to_vec(self).expect("writing to memory does not fail")
    }

    /// Reads the last receipt, and what the tables showed with it; none if nothing was ever taken.
    pub(super) fn read(link: &mut dyn EngineLink) -> Result<Option<(Receipt, Shown)>, SqliteError> {
        let Some((bytes, shown)) = link.receipt()? else { return Ok(None) };
        let receipt = Receipt::try_from_slice(&bytes).map_err(|_| LinkError::Damaged)?;
        Ok(Some((receipt, shown)))
    }

    /// Compares the receipt with a database that shows `shown` and has these lines.
    pub(super) fn find(&self, shown: &Shown, lines: &[Line]) -> Found {
        let own: Vec<Line> =
            lines.iter().filter(|line| (self.seq_first..=self.seq_last).contains(&line.seq)).copied().collect();
        let is_taken = *shown == self.on && !own.is_empty() && hash_lines(&own) == self.lines_hash;
        if is_taken { Found::Taken } else { Found::Other }
    }

    /// Tells the rows that were taken from those that were touched since.
    pub(super) fn split(&self, lines: &[Line]) -> Split {
        let (mut taken, mut later) = (BTreeSet::new(), BTreeSet::new());
        for line in lines {
            let Said::Touched(row) = line.said else { continue };
            if line.seq <= self.seq_last {
                taken.insert(row)
            } else {
                later.insert(row)
            };
        }
        Split { taken: taken.into_iter().collect(), later }
    }

    /// Says whether a line was taken before: numbers come again in a restored database, but not at an earlier time.
    pub(super) fn covers(&self, line: &Line) -> bool {
        line.seq <= self.seq_through && line.at_ms <= self.at_last_ms
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(spec: &[(i64, i64)]) -> Vec<Line> {
        spec.iter().map(|&(seq, at_ms)| Line::plain(seq, at_ms, Said::Mark)).collect()
    }

    fn receipt(taken: &[Line], before: Option<&Receipt>) -> Receipt {
        let bounds = Bounds {
            seq_first: taken[0].seq,
            seq_last: taken[taken.len() - 1].seq,
            seq_seen: 99,
            at_last_ms: taken.iter().map(|line| line.at_ms).max().unwrap(),
            line_count: taken.len(),
            lines_hash: hash_lines(taken),
        };
        Receipt::new(&Shown::NOTHING, &bounds, before)
    }

    #[test]
    fn the_same_lines_are_recognised_with_later_ones_behind_them() {
        let receipt = receipt(&lines(&[(4, 10), (5, 20)]), None);
        assert_eq!(receipt.find(&Shown::NOTHING, &lines(&[(4, 10), (5, 20), (6, 30)])), Found::Taken);
    }

    #[test]
    fn other_lines_under_the_same_numbers_are_not_taken() {
        let receipt = receipt(&lines(&[(4, 10), (5, 20)]), None);
        assert_eq!(receipt.find(&Shown::NOTHING, &lines(&[(4, 10), (5, 21)])), Found::Other);
        assert_eq!(receipt.find(&Shown::NOTHING, &lines(&[(4, 10)])), Found::Other);
        assert_eq!(receipt.find(&Shown::NOTHING, &[]), Found::Other);
    }

    #[test]
    fn a_restored_line_is_covered_and_a_new_one_of_its_number_is_not() {
        let first = receipt(&lines(&[(4, 10), (5, 20)]), None);
        let second = receipt(&lines(&[(6, 15)]), Some(&first));
        assert!(second.covers(&lines(&[(5, 20)])[0]));
        assert!(!second.covers(&lines(&[(5, 21)])[0]));
        assert!(!second.covers(&lines(&[(7, 15)])[0]));
    }
}
