//! When to look at the database next: soon after something happened, then ever more seldom.

use crate::database::{Look, Rhythm};

/// When to look next. Times are milliseconds of any one steady clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pace {
    next_ms: u64,
    pause_ms: u64,
}

impl Pace {
    /// Starts with a look at once.
    pub(super) fn new(now_ms: u64) -> Pace {
        Pace { next_ms: now_ms, pause_ms: 1 }
    }

    /// Takes note of an event: look now, and again soon.
    pub(super) fn event(&mut self, now_ms: u64) {
        *self = Pace::new(now_ms);
    }

    /// Takes note of a look.
    ///
    /// * `rhythm` - how often to look from now on.
    pub(super) fn looked(&mut self, now_ms: u64, look: Look, rhythm: Rhythm) {
        let Rhythm { pause_ms_min, growth_part, pause_ms_max } = rhythm;
        if look == Look::Changed {
            self.pause_ms = 1;
        }
        self.pause_ms = self.pause_ms.max(pause_ms_min).min(pause_ms_max);
        self.next_ms = now_ms.saturating_add(self.pause_ms);
        self.pause_ms += (self.pause_ms / growth_part.max(1)).max(1);
    }

    /// Returns how long to wait before the next look.
    pub(super) fn wait_ms(&self, now_ms: u64) -> u64 {
        self.next_ms.saturating_sub(now_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RHYTHM: Rhythm = Rhythm { pause_ms_min: 1, growth_part: 1, pause_ms_max: 1_000 };

    fn waits(pace: &mut Pace, now_ms: &mut u64, count: usize) -> Vec<u64> {
        (0..count)
            .map(|_| {
                let wait_ms = pace.wait_ms(*now_ms);
                *now_ms += wait_ms;
                pace.looked(*now_ms, Look::Unchanged, RHYTHM);
                wait_ms
            })
            .collect()
    }

    #[test]
    fn looks_slow_down_to_one_a_second_and_an_event_brings_them_back() {
        let (mut pace, mut now_ms) = (Pace::new(5), 5);
        assert_eq!(waits(&mut pace, &mut now_ms, 13), [0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1000, 1000]);
        pace.event(now_ms);
        assert_eq!(waits(&mut pace, &mut now_ms, 4), [0, 1, 2, 4]);
        pace.looked(now_ms, Look::Changed, RHYTHM);
        assert_eq!(waits(&mut pace, &mut now_ms, 3), [1, 2, 4]);
    }
    #[test]
    fn a_write_is_noticed_an_eighth_of_the_time_late_that_nothing_came() {
        let rhythm = Rhythm { pause_ms_min: 1, growth_part: 8, pause_ms_max: 250 };
        let (mut pace, mut now_ms, mut look_count) = (Pace::new(0), 0, 0);
        while now_ms < 10_000 {
            pace.looked(now_ms, Look::Unchanged, rhythm);
            let wait_ms = pace.wait_ms(now_ms);
            assert!(wait_ms <= (now_ms / 7).clamp(16, 250), "{wait_ms} after {now_ms}");
            (now_ms, look_count) = (now_ms + wait_ms, look_count + 1);
        }
        assert_eq!(look_count, 72);
    }

    #[test]
    fn who_is_told_of_writes_looks_once_a_second() {
        let rhythm = Rhythm { pause_ms_min: 1_000, growth_part: 1, pause_ms_max: 1_000 };
        let mut pace = Pace::new(0);
        for now_ms in [0, 1_000, 2_000] {
            assert_eq!(pace.wait_ms(now_ms), 0);
            pace.looked(now_ms, Look::Unchanged, rhythm);
            assert_eq!(pace.wait_ms(now_ms), 1_000);
        }
    }
}
