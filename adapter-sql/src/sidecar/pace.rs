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
        if look == Look::Changed {
            self.pause_ms = 1;
        }
        self.next_ms = now_ms.saturating_add(self.pause_ms);
        let Rhythm { burst_ms_max, idle_ms_min, idle_ms_max } = rhythm;
        self.pause_ms = match self.pause_ms.saturating_mul(2) {
            doubled if doubled <= burst_ms_max => doubled,
            doubled => doubled.max(idle_ms_min).min(idle_ms_max),
        };
    }

    /// Returns how long to wait before the next look.
    pub(super) fn wait_ms(&self, now_ms: u64) -> u64 {
        self.next_ms.saturating_sub(now_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RHYTHM: Rhythm = Rhythm { burst_ms_max: 128, idle_ms_min: 250, idle_ms_max: 1_000 };

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
}
