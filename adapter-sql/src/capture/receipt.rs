//! Receipts: what was taken out of the queue last, kept by the engine in the same write transaction as the entries.
//!
//! A crash between the entries and the emptying of the queue leaves the queue as it was: a receipt that matches it says
//! that its lines are in the log. A database restored from a backup has lines that are in the log too, but not those of
//! the last receipt: they are told from new lines by their number *and* their time.

use std::collections::BTreeSet;

use borsh::{BorshDeserialize, BorshSerialize};
use treaty_engine::replica::Shown;

use super::{Line, Said, ShownRow, Taken};
use crate::database::SeqRanges;
use crate::link::{EngineLink, LinkError};

/// First byte of a receipt. Another first byte: another form, which is damage here.
const FORMAT: u8 = 0xa2;
/// Ranges kept of all lines ever taken; the gaps between older ones are taken for lines that never were.
const RANGES_MAX: usize = 256;

/// What was taken out of the queue last.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct Receipt {
    /// [`FORMAT`].
    format: u8,
    /// What the tables showed when the work was done.
    on: Shown,
    /// The lines taken.
    lines: SeqRanges,
    /// Hash over the lines.
    lines_hash: [u8; 32],
    /// The latest time of any line ever taken, in milliseconds.
    at_last_ms: i64,
    /// All lines ever taken.
    ever: SeqRanges,
}

impl Receipt {
    /// Makes the receipt for an intake that comes after `before`.
    pub(crate) fn new(on: &Shown, taken: &Taken, before: Option<&Receipt>) -> Receipt {
        let ever = before.map_or_else(|| taken.lines.clone(), |before| before.ever.union(&taken.lines));
        Receipt {
            format: FORMAT,
            on: on.clone(),
            lines: taken.lines.clone(),
            lines_hash: taken.lines_hash,
            at_last_ms: before.map_or(i64::MIN, |before| before.at_last_ms).max(taken.at_last_ms),
            ever: ever.widened_to(RANGES_MAX),
        }
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        borsh::to_vec(self).expect("writing to memory does not fail")
    }

    fn decode(bytes: &[u8]) -> Result<Receipt, LinkError> {
        let receipt = Receipt::try_from_slice(bytes).map_err(|_| LinkError::Damaged)?;
        if receipt.format == FORMAT { Ok(receipt) } else { Err(LinkError::Damaged) }
    }

    /// Reads the last receipt, and what the tables showed with it; none if nothing was ever taken.
    pub(crate) fn read(link: &mut dyn EngineLink) -> Result<Option<(Receipt, Shown)>, LinkError> {
        let Some((bytes, shown)) = link.receipt()? else { return Ok(None) };
        Ok(Some((Receipt::decode(&bytes)?, shown)))
    }

    /// Returns the view on which the lines of the receipt were taken, if they are still in the queue: they are in the log.
    ///
    /// * `views` - what the tables showed, ascending.
    /// * returns - an index into `views`.
    pub(crate) fn find(&self, views: &[(i64, Shown)], lines: &[Line]) -> Option<usize> {
        let own: Vec<Line> = lines.iter().filter(|line| self.lines.contains(line.seq)).copied().collect();
        if own.is_empty() || hash_lines(&own) != self.lines_hash {
            return None;
        }
        views.iter().rposition(|(_, shown)| *shown == self.on)
    }

    /// Returns the lines taken.
    pub(crate) fn lines(&self) -> &SeqRanges {
        &self.lines
    }

    /// Returns the rows of a queue's lines that were taken, ascending.
    pub(crate) fn rows(&self, lines: &[Line]) -> Vec<ShownRow> {
        let rows = lines.iter().filter(|line| self.lines.contains(line.seq)).filter_map(|line| match line.said {
            Said::Mark => None,
            Said::Touched(row) => Some(row),
        });
        rows.collect::<BTreeSet<ShownRow>>().into_iter().collect()
    }

    /// Says whether a line was taken before: numbers come again in a restored database, but not at an earlier time.
    pub(crate) fn covers(&self, line: &Line) -> bool {
        self.ever.contains(line.seq) && line.at_ms <= self.at_last_ms
    }
}

/// Hashes lines, so that they are recognised after a crash, and others under the same numbers are not.
pub(crate) fn hash_lines(lines: &[Line]) -> [u8; 32] {
    let mut by_seq: Vec<&Line> = lines.iter().collect();
    by_seq.sort_unstable_by_key(|line| line.seq);
    let mut hasher = blake3::Hasher::new();
    for line in by_seq {
        hasher.update(&line.seq.to_le_bytes());
        hasher.update(&line.at_ms.to_le_bytes());
        if let Said::Touched(key) = line.said {
            hasher.update(&key.id.0);
        }
    }
    hasher.finalize().into()
}

#[cfg(test)]
mod tests {
    use treaty_engine::causality::Version;
    use treaty_engine::hash::EntryId;

    use super::*;

    fn lines(spec: &[(i64, i64)]) -> Vec<Line> {
        spec.iter().map(|&(seq, at_ms)| Line::plain(seq, at_ms, Said::Mark)).collect()
    }

    fn receipt(taken: &[Line], before: Option<&Receipt>) -> Receipt {
        let taken = Taken {
            lines: SeqRanges::of(taken.iter().map(|line| line.seq)),
            seen: SeqRanges::of(0..100),
            at_last_ms: taken.iter().map(|line| line.at_ms).max().unwrap(),
            line_count: taken.len(),
            lines_hash: hash_lines(taken),
        };
        Receipt::new(&Shown::NOTHING, &taken, before)
    }

    const NOTHING: &[(i64, Shown)] = &[(0, Shown::NOTHING)];

    #[test]
    fn the_same_lines_are_recognised_with_later_ones_behind_them() {
        let receipt = receipt(&lines(&[(4, 10), (5, 20)]), None);
        assert_eq!(receipt.find(NOTHING, &lines(&[(4, 10), (5, 20), (6, 30)])), Some(0));
    }

    #[test]
    fn the_same_lines_are_recognised_among_earlier_ones_that_were_not_seen_then() {
        let receipt = receipt(&lines(&[(7, 12), (4, 10)]), None);
        let queue = lines(&[(3, 1), (4, 10), (5, 20), (7, 12)]);
        let later = Shown { version: Version::new(vec![EntryId([1; 32])]), basis: 0 };
        let views = [(5, later.clone()), (6, Shown::NOTHING), (7, later)];
        assert_eq!(receipt.find(&views, &queue), Some(1));
        assert_eq!(receipt.find(&views[2..], &queue), None);
        assert!(!receipt.covers(&queue[0]) && receipt.covers(&queue[1]) && !receipt.covers(&queue[2]));
    }

    #[test]
    fn other_lines_under_the_same_numbers_are_not_taken() {
        let receipt = receipt(&lines(&[(4, 10), (5, 20)]), None);
        assert_eq!(receipt.find(NOTHING, &lines(&[(4, 10), (5, 21)])), None);
        assert_eq!(receipt.find(NOTHING, &lines(&[(4, 10)])), None);
        assert_eq!(receipt.find(NOTHING, &[]), None);
    }

    #[test]
    fn a_restored_line_is_covered_and_a_new_one_of_its_number_is_not() {
        let first = receipt(&lines(&[(4, 10), (5, 20)]), None);
        let second = receipt(&lines(&[(6, 15)]), Some(&first));
        assert!(second.covers(&lines(&[(5, 20)])[0]));
        assert!(!second.covers(&lines(&[(5, 21)])[0]));
        assert!(!second.covers(&lines(&[(7, 15)])[0]));
    }

    #[test]
    fn a_receipt_is_read_as_it_was_written_and_another_form_is_damage() {
        let receipt = receipt(&lines(&[(4, 10), (9, 20)]), None);
        let mut bytes = receipt.encode();
        assert_eq!(Receipt::decode(&bytes).unwrap(), receipt);
        bytes[0] = 2;
        assert!(matches!(Receipt::decode(&bytes), Err(LinkError::Damaged)));
    }
}
