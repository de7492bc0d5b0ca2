//! How long the hub works before it listens again, and how long it has listened.

use crate::limits::{LISTENED_MS_MAX, TURN_ENTRIES_FIRST, TURN_ENTRIES_MAX, TURN_MS};

/// How many entries are judged in a turn: as many as it seems to have time for, by what the turns before took.
pub(super) struct Pace {
    entries_max: usize,
    /// Judged in the last turn.
    last: usize,
}

impl Pace {
    pub(super) fn new() -> Pace {
        Pace { entries_max: TURN_ENTRIES_FIRST, last: 0 }
    }

    pub(super) fn entries_max(&self) -> usize {
        self.entries_max
    }

    /// Notes how many entries were judged.
    pub(super) fn judged(&mut self, entry_count: usize) {
        self.last = entry_count;
    }

    /// Notes how long the turn took.
    pub(super) fn took(&mut self, turn_ms: u64) {
        let is_full = self.last == self.entries_max;
        if self.last > 0 && turn_ms > TURN_MS {
            let count = u64::try_from(self.last).unwrap_or(u64::MAX).saturating_mul(TURN_MS) / turn_ms;
            self.entries_max = usize::try_from(count).unwrap_or(usize::MAX).clamp(1, TURN_ENTRIES_MAX);
        } else if is_full && turn_ms < TURN_MS / 2 {
            self.entries_max = (self.entries_max * 2).min(TURN_ENTRIES_MAX);
        }
        self.last = 0;
    }
}

/// A clock that stands still while this node does not listen: what came meanwhile is not late.
#[derive(Default)]
pub(super) struct Listening {
    seen_ms: u64,
    listened_ms: u64,
}

impl Listening {
    /// Takes note of the time, and returns how long this node has listened until then.
    pub(super) fn at(&mut self, now_ms: u64) -> u64 {
        self.listened_ms += now_ms.saturating_sub(self.seen_ms).min(LISTENED_MS_MAX);
        self.seen_ms = self.seen_ms.max(now_ms);
        self.listened_ms
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_grow_while_they_are_short_and_shrink_to_what_there_is_time_for() {
        let mut pace = Pace::new();
        let mut turn = |ms_per_entry: u64| {
            let count = pace.entries_max();
            pace.judged(count);
            pace.took(count as u64 * ms_per_entry);
            count
        };
        assert_eq!([0; 7].map(&mut turn), [32, 64, 128, 256, 512, 1024, 1024]);
        assert_eq!([800; 3].map(&mut turn), [1024, 1, 1], "one at least");
        assert_eq!([10; 6].map(&mut turn), [1, 2, 4, 8, 16, 16], "a quarter of a second");
    }

    #[test]
    fn a_turn_that_judged_little_says_nothing_of_larger_ones() {
        let mut pace = Pace::new();
        for (entry_count, turn_ms) in [(0, 60_000), (3, 1), (31, TURN_MS)] {
            pace.judged(entry_count);
            pace.took(turn_ms);
            assert_eq!(pace.entries_max(), TURN_ENTRIES_FIRST);
        }
    }
}
