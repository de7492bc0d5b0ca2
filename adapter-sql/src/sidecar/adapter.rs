//! The adapter's thread: owns the application's database, imports what is written there, applies what the log gets.
//!
//! It sleeps at its [`Bell`] and looks when rung: by the watcher of the database's files, by the engine when the log has
//! grown, or by its own pace. In between it audits, a slice at a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use tracing::{info, warn};

use super::core::elapsed_ms;
use super::events::Events;
use super::link::ThreadLink;
use super::pace::Pace;
use super::tally::Tally;
use crate::application::Application;
use crate::apply::Applied;
use crate::audit::{AuditPlace, Audited};
use crate::cli::objects::UpEvent;
use crate::database::{DatabaseError, Look};

/// What wakes the adapter's thread. Ringing never waits, and rings do not add up.
#[derive(Clone)]
pub(crate) struct Bell {
    wake: SyncSender<()>,
    has_log_grown: Arc<AtomicBool>,
    is_database_touched: Arc<AtomicBool>,
    is_stopping: Arc<AtomicBool>,
}

/// The adapter's end of a [`Bell`].
pub(crate) struct Ear(Receiver<()>);

impl Bell {
    /// Makes a bell and the ear that hears it.
    pub(crate) fn new() -> (Bell, Ear) {
        let (wake, woken) = sync_channel(1);
        let bell = Bell {
            wake,
            has_log_grown: Arc::default(),
            is_database_touched: Arc::default(),
            is_stopping: Arc::default(),
        };
        (bell, Ear(woken))
    }

    /// Says that the log has grown.
    pub(crate) fn log_grew(&self) {
        self.ring(&self.has_log_grown);
    }

    /// Says that somebody may have written to the database.
    pub(crate) fn database_touched(&self) {
        self.ring(&self.is_database_touched);
    }

    /// Says that the thread should end.
    pub(crate) fn stop(&self) {
        self.ring(&self.is_stopping);
    }

    fn ring(&self, flag: &AtomicBool) {
        flag.store(true, Ordering::Release);
        // If the bell rings already, the flag is seen then.
        let _ = self.wake.try_send(());
    }

    fn is_stopping(&self) -> bool {
        self.is_stopping.load(Ordering::Acquire)
    }
}

/// The adapter's thread, before it runs.
pub(crate) struct Adapter {
    /// The application's database.
    pub(crate) application: Application,
    /// The way to the engine.
    pub(crate) link: ThreadLink,
    /// Where to say what was done.
    pub(crate) events: Events,
    /// Where to count it.
    pub(crate) tally: Arc<Tally>,
    /// What wakes this thread.
    pub(crate) bell: Bell,
}

/// Pause after the database was busy for longer than a statement waits, or was not reached.
const BUSY_PAUSE_MIN: Duration = Duration::from_millis(100);
/// Such a pause when that has happened many times in a row: each is twice as long as the one before.
const BUSY_PAUSE_MAX: Duration = Duration::from_secs(2);
/// Shortest time between two audits of all tables.
const AUDIT_EVERY: Duration = Duration::from_secs(600);
/// Rest after an audit, as a multiple of the time that it worked: an idle sidecar takes less than a hundredth of a core.
const AUDIT_REST_FACTOR: u32 = 200;
/// Pause after a slice of an audit, as a multiple of the time that the slice took: while it runs, a tenth of a core.
const SLICE_REST_FACTOR: u32 = 9;
/// Reports read at a time.
const REPORTS_MAX: u32 = 500;

impl Adapter {
    /// Works until the bell says stop.
    ///
    /// # Errors
    /// What cannot be mended by trying again: the database or the engine failed, or the schema was changed.
    pub(crate) fn run(mut self, ear: &Ear) -> Result<(), DatabaseError> {
        let bell = self.bell.clone();
        let _watch = self.application.watch(Box::new(move || bell.database_touched()));
        let mut shift = Shift {
            rollbacks_said: None,
            pace: Pace::new(0),
            adapter: self,
            begun: Instant::now(),
            audit: Audit::begin(),
            is_due: true,
        };
        let mut trouble = Trouble::default();
        loop {
            let pause = match shift.turn() {
                Err(DatabaseError::Busy { doing }) => {
                    shift.is_due = true;
                    shift.pace.event(elapsed_ms(shift.begun));
                    Some(trouble.again(doing))
                }
                Err(failed) => {
                    shift.adapter.application.mend(failed)?;
                    shift.is_due = true;
                    None
                }
                Ok(()) => {
                    trouble.end();
                    None
                }
            };
            if shift.adapter.bell.is_stopping() || !ear.sleep(pause, &shift) {
                return Ok(());
            }
        }
    }
}

impl Ear {
    /// Waits until it is time to look, or the bell rings; after trouble at least as long as that asks for, unless the bell
    /// says stop. Says whether anybody is left to ring.
    fn sleep(&self, pause: Option<Duration>, shift: &Shift) -> bool {
        let begun = Instant::now();
        loop {
            let wait = pause.map_or_else(|| shift.wait(), |pause| pause.saturating_sub(begun.elapsed()));
            match self.0.recv_timeout(wait) {
                Ok(()) if pause.is_some() && !shift.adapter.bell.is_stopping() => {}
                Ok(()) | Err(RecvTimeoutError::Timeout) => return true,
                Err(RecvTimeoutError::Disconnected) => return false,
            }
        }
    }
}

/// A database that is busy or not to be reached, time after time.
#[derive(Default)]
struct Trouble {
    /// The last pause; none while all is well.
    pause: Option<Duration>,
}

impl Trouble {
    /// Takes note that it happened again, and returns how long to wait. Says so the first time.
    fn again(&mut self, doing: &'static str) -> Duration {
        let pause = match self.pause {
            Some(before) => (before * 2).min(BUSY_PAUSE_MAX),
            None => {
                warn!(doing, "the application's database is busy, or not to be reached; trying again");
                BUSY_PAUSE_MIN
            }
        };
        self.pause = Some(pause);
        pause
    }

    /// Takes note that all is well.
    fn end(&mut self) {
        // After a short one nobody was told to worry for long.
        if self.pause.take().is_some_and(|pause| pause == BUSY_PAUSE_MAX) {
            info!("the application's database is there again");
        }
    }
}

/// The adapter at work.
struct Shift {
    adapter: Adapter,
    begun: Instant,
    /// When to look at the database next.
    pace: Pace,
    audit: Audit,
    /// Whether there may be something to import or to apply.
    is_due: bool,
    /// Cursor of the last report that was said; none before the first look.
    rollbacks_said: Option<i64>,
}

impl Shift {
    fn wait(&self) -> Duration {
        Duration::from_millis(self.pace.wait_ms(elapsed_ms(self.begun))).min(self.audit.wait())
    }

    /// Looks, and does what is due. To be repeated if the database is busy.
    fn turn(&mut self) -> Result<(), DatabaseError> {
        if self.rollbacks_said.is_none() {
            self.rollbacks_said = Some(self.adapter.application.rollbacks_end()?);
        }
        if self.adapter.bell.is_database_touched.swap(false, Ordering::AcqRel) {
            self.pace.event(elapsed_ms(self.begun));
        }
        self.is_due |= self.adapter.bell.has_log_grown.swap(false, Ordering::AcqRel);
        if self.pace.wait_ms(elapsed_ms(self.begun)) == 0 {
            self.look()?;
        }
        if self.is_due {
            self.catch_up()?;
            self.is_due = false;
        }
        if self.adapter.application.take_suspicion() {
            self.audit = Audit::begin();
        }
        if self.audit.wait().is_zero() {
            self.audit()?;
        }
        Ok(())
    }

    fn look(&mut self) -> Result<(), DatabaseError> {
        let look = self.adapter.application.look()?;
        self.pace.looked(elapsed_ms(self.begun), look, self.adapter.application.rhythm());
        self.is_due |= look == Look::Changed;
        Ok(())
    }

    /// Imports and applies until nothing is left to do, or the bell says stop.
    fn catch_up(&mut self) -> Result<(), DatabaseError> {
        while !self.adapter.bell.is_stopping() {
            let started = Instant::now();
            let applied = self.adapter.application.apply(&mut self.adapter.link)?;
            self.adapter.tally.batch(&applied, started.elapsed());
            self.say(&applied)?;
            if applied.is_last {
                break;
            }
        }
        Ok(())
    }

    fn audit(&mut self) -> Result<(), DatabaseError> {
        let started = Instant::now();
        let Adapter { application, link, .. } = &mut self.adapter;
        match application.audit_slice(link, self.audit.place)? {
            Audited::Postponed => {
                self.audit.go_on(self.audit.place, started.elapsed());
                self.catch_up()
            }
            Audited::Slice { next, difference_count } => {
                match next {
                    Some(place) => self.audit.go_on(place, started.elapsed()),
                    None => self.audit.rest(started.elapsed()),
                }
                if difference_count > 0 { self.catch_up() } else { Ok(()) }
            }
        }
    }

    fn say(&mut self, applied: &Applied) -> Result<(), DatabaseError> {
        let drained = &applied.drained;
        let events = &self.adapter.events;
        if drained.transaction_count > 0 {
            events.say(UpEvent::Imported {
                operations: drained.operation_count,
                transactions: drained.transaction_count,
                entries: drained.entries.len() as u64,
            });
        }
        if applied.entry_count > 0 {
            events.say(UpEvent::Applied { rows: applied.row_count, entries: applied.entry_count });
        }
        if drained.refused_count > 0 || applied.entry_count > 0 || applied.report_count > 0 {
            self.say_rollbacks()?;
        }
        Ok(())
    }

    fn say_rollbacks(&mut self) -> Result<(), DatabaseError> {
        loop {
            let reports = self.adapter.application.rollbacks(self.rollbacks_said.unwrap_or(0), REPORTS_MAX)?;
            let Some(last) = reports.last() else { return Ok(()) };
            self.rollbacks_said = Some(last.cursor);
            self.adapter.tally.reported(last.cursor.unsigned_abs());
            for report in reports {
                self.adapter.events.say(UpEvent::Rollback(Box::new(report.into())));
            }
        }
    }
}

/// Where the audit stands.
struct Audit {
    /// The slice to compare next.
    place: AuditPlace,
    /// When.
    at: Instant,
    /// How long it has worked since its first slice.
    worked: Duration,
}

impl Audit {
    /// From the first table on, now.
    fn begin() -> Audit {
        Audit { place: AuditPlace::default(), at: Instant::now(), worked: Duration::ZERO }
    }

    /// With the next slice, after a short pause.
    fn go_on(&mut self, place: AuditPlace, took: Duration) {
        self.worked += took;
        self.place = place;
        self.at = Instant::now() + took * SLICE_REST_FACTOR;
    }

    /// From the first table on, after a long pause.
    fn rest(&mut self, took: Duration) {
        let rest = (self.worked + took) * AUDIT_REST_FACTOR;
        *self = Audit { at: Instant::now() + rest.max(AUDIT_EVERY), ..Audit::begin() };
    }

    fn wait(&self) -> Duration {
        self.at.saturating_duration_since(Instant::now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_while_the_database_is_away_and_start_again_when_it_was_there() {
        let mut trouble = Trouble::default();
        let mut pauses = |count: usize| (0..count).map(|_| trouble.again("looking").as_millis()).collect::<Vec<_>>();
        assert_eq!(pauses(7), [100, 200, 400, 800, 1_600, 2_000, 2_000]);
        trouble.end();
        assert_eq!(trouble.again("looking"), BUSY_PAUSE_MIN);
    }
}
