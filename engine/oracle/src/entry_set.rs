//! Sets of the entries of one history, a bit for each.

/// A set of entries by number: the order in which the history heard of them, which means nothing else.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct EntrySet(Vec<u64>);

impl EntrySet {
    pub(crate) fn contains(&self, number: usize) -> bool {
        self.0.get(number / 64).is_some_and(|word| word >> (number % 64) & 1 == 1)
    }

    pub(crate) fn insert(&mut self, number: usize) {
        if self.0.len() <= number / 64 {
            self.0.resize(number / 64 + 1, 0);
        }
        self.0[number / 64] |= 1 << (number % 64);
    }

    pub(crate) fn extend(&mut self, other: &EntrySet) {
        if self.0.len() < other.0.len() {
            self.0.resize(other.0.len(), 0);
        }
        for (mine, theirs) in self.0.iter_mut().zip(&other.0) {
            *mine |= theirs;
        }
    }
}
