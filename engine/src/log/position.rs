//! Local names of entries: chain and sequence number, packed into one positive number.

use crate::hash::EntryId;
use crate::limits::{CHAIN_BITS, SEQUENCE_BITS};

/// Where this replica keeps an entry: `chain << 36 | sequence`.
///
/// A chain is a sequence of entries, each in the past of the next; sequence numbers start at 1 and have no gaps.
/// Places never change, are never sent, and order nothing that replicas must agree on ([`Stamp`]s do that).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pos(i64);

/// What orders entries the same on every replica: height, then id. Extends the causal order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stamp {
    /// 0 for genesis, else 1 + the greatest height among the parents.
    pub height: u64,
    /// The entry's id.
    pub id: EntryId,
}

impl Pos {
    /// Where genesis is kept.
    pub const GENESIS: Pos = Pos(1);

    /// Names the entry at `sequence` of `chain`.
    ///
    /// Returns nothing if either does not fit its bits, or the sequence number is 0.
    pub fn new(chain: u32, sequence: u64) -> Option<Pos> {
        let fits = chain < 1 << CHAIN_BITS && (1..1 << SEQUENCE_BITS).contains(&sequence);
        fits.then(|| Pos(i64::from(chain) << SEQUENCE_BITS | sequence.cast_signed()))
    }

    /// Reads a stored number. Returns nothing if no place has it.
    pub fn from_i64(number: i64) -> Option<Pos> {
        let pos = Pos(number);
        (number > 0 && pos.sequence() > 0).then_some(pos)
    }

    /// Returns the number to store.
    pub fn to_i64(self) -> i64 {
        self.0
    }

    /// Returns the chain.
    pub fn chain(self) -> u32 {
        u32::try_from(self.0 >> SEQUENCE_BITS).expect("a position has 27 bits of chain")
    }

    /// Returns the place in the chain, from 1.
    pub fn sequence(self) -> u64 {
        self.0.cast_unsigned() & ((1 << SEQUENCE_BITS) - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_gives_back_its_chain_and_sequence() {
        let pos = Pos::new((1 << 27) - 1, (1 << 36) - 1).unwrap();
        assert_eq!((pos.chain(), pos.sequence()), ((1 << 27) - 1, (1 << 36) - 1));
        assert_eq!(Pos::from_i64(pos.to_i64()), Some(pos));
        assert_eq!(Pos::new(0, 1), Some(Pos::GENESIS));
    }

    #[test]
    fn a_number_that_names_no_entry_is_refused() {
        assert_eq!(Pos::new(1 << 27, 1), None);
        assert_eq!(Pos::new(0, 1 << 36), None);
        assert_eq!(Pos::new(3, 0), None);
        assert_eq!(Pos::from_i64(-1), None);
        assert_eq!(Pos::from_i64(3 << 36), None);
    }
}
