//! Downward-closed sets of entries, as a prefix of every chain.

use std::cmp::Ordering;

use crate::log::Pos;

/// A set of entries that holds the past of each of its members: what a version stands for, as seen by this replica.
///
/// One place per chain, the last one inside; chains ascending. Never sent: other replicas have other chains.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Past(Vec<Pos>);

impl Past {
    /// No entries.
    pub const EMPTY: Past = Past(Vec::new());

    /// Takes the tops of chains; ascending, one per chain. The caller knows that the set is downward closed.
    pub(super) fn from_tops(tops: Vec<Pos>) -> Past {
        assert!(tops.is_sorted_by(|a, b| a.chain() < b.chain()), "a past has one top per chain, ascending");
        Past(tops)
    }

    /// Says whether an entry is in the set.
    pub fn contains(&self, pos: Pos) -> bool {
        self.last_of(pos.chain()) >= pos.sequence()
    }

    /// Returns the sequence number of the last entry of a chain that is in the set; 0 if none is.
    pub fn last_of(&self, chain: u32) -> u64 {
        self.0.binary_search_by_key(&chain, |top| top.chain()).map_or(0, |index| self.0[index].sequence())
    }

    /// Returns the last entry of each chain that has any in the set, chains ascending.
    pub fn tops(&self) -> &[Pos] {
        &self.0
    }

    /// Returns how many entries the set has.
    pub fn entry_count(&self) -> u64 {
        self.0.iter().map(|top| top.sequence()).sum()
    }

    /// Returns the set without the last entry of a chain that nothing in it follows.
    pub fn before(&self, pos: Pos) -> Past {
        let before = |top: &Pos| if *top == pos { Pos::new(top.chain(), top.sequence() - 1) } else { Some(*top) };
        Past(self.0.iter().filter_map(before).collect())
    }

    /// Says whether the set is empty.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Says whether every member is in `other`, too.
    pub fn is_within(&self, other: &Past) -> bool {
        let mut others = other.0.iter();
        self.0.iter().all(|top| {
            others.by_ref().find(|o| o.chain() >= top.chain()).is_some_and(|o| o.chain() == top.chain() && o >= top)
        })
    }

    /// Returns what both sets hold.
    pub fn meet(&self, other: &Past) -> Past {
        Past(merge(&self.0, &other.0, |_| None, std::cmp::min))
    }

    /// Returns what either set holds.
    pub fn join(&self, other: &Past) -> Past {
        Past(merge(&self.0, &other.0, Some, std::cmp::max))
    }

    /// Adds the last entry of a prefix, and with it the prefix. The caller adds its past as well.
    pub(super) fn raise(&mut self, pos: Pos) {
        match self.0.binary_search_by_key(&pos.chain(), |top| top.chain()) {
            Ok(index) => self.0[index] = self.0[index].max(pos),
            Err(index) => self.0.insert(index, pos),
        }
    }
}

/// Merges two lists by chain: `alone` decides on chains of one list, `both` on those of both.
fn merge(a: &[Pos], b: &[Pos], alone: impl Fn(Pos) -> Option<Pos>, both: impl Fn(Pos, Pos) -> Pos) -> Vec<Pos> {
    let mut merged = Vec::with_capacity(a.len().max(b.len()));
    let (mut a, mut b) = (a.iter().copied().peekable(), b.iter().copied().peekable());
    loop {
        let order = match (a.peek(), b.peek()) {
            (None, None) => return merged,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(x), Some(y)) => x.chain().cmp(&y.chain()),
        };
        merged.extend(match order {
            Ordering::Less => a.next().and_then(&alone),
            Ordering::Greater => b.next().and_then(&alone),
            Ordering::Equal => a.next().zip(b.next()).map(|(x, y)| both(x, y)),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn past(tops: &[(u32, u64)]) -> Past {
        Past::from_tops(tops.iter().map(|(chain, last)| Pos::new(*chain, *last).unwrap()).collect())
    }

    #[test]
    fn meet_takes_the_smaller_prefix_and_join_the_greater() {
        let (a, b) = (past(&[(0, 5), (1, 2), (4, 1)]), past(&[(0, 3), (2, 7), (4, 2)]));
        assert_eq!(a.meet(&b), past(&[(0, 3), (4, 1)]));
        assert_eq!(a.join(&b), past(&[(0, 5), (1, 2), (2, 7), (4, 2)]));
        assert_eq!(a.join(&b).entry_count(), 16);
    }

    #[test]
    fn a_set_is_within_another_if_every_prefix_is() {
        let a = past(&[(1, 2), (4, 1)]);
        assert!(a.is_within(&past(&[(0, 1), (1, 2), (4, 3)])));
        assert!(!a.is_within(&past(&[(1, 2)])));
        assert!(!a.is_within(&past(&[(1, 1), (4, 1)])));
        assert!(Past::EMPTY.is_within(&a) && !a.is_within(&Past::EMPTY));
    }

    #[test]
    fn a_prefix_contains_its_entries_and_no_later_ones() {
        let a = past(&[(1, 2)]);
        assert!(a.contains(Pos::new(1, 1).unwrap()) && a.contains(Pos::new(1, 2).unwrap()));
        assert!(!a.contains(Pos::new(1, 3).unwrap()) && !a.contains(Pos::new(0, 1).unwrap()));
    }

    #[test]
    fn raising_never_lowers() {
        let mut a = past(&[(1, 2)]);
        a.raise(Pos::new(1, 1).unwrap());
        a.raise(Pos::new(0, 3).unwrap());
        assert_eq!(a, past(&[(0, 3), (1, 2)]));
    }
}
