//! The adapter's thread: owns the application's database, imports what is written there, applies what the log gets.
//!
//! It sleeps at its [`Bell`] and looks when rung: by the watcher of the database's files, by the engine when the log has
//! grown, or by its own pace. In between it audits, a slice at a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use tracing::{error, warn};

use super::core::elapsed_ms;
use super::events::Events;
use super::link::ThreadLink;
use crate::cli::objects::UpEvent;
use crate::sqlite::{Application, AuditPlace, Audited, Checked, Drained, Look, Pace, SqliteError, Watcher};

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
    /// What wakes this thread.
    pub(crate) bell: Bell,
}

/// Pause after the database was busy for longer than a statement waits.
const BUSY_PAUSE: Duration = Duration::from_millis(100);
/// Time between two audits of all tables.
const AUDIT_EVERY: Duration = Duration::from_secs(600);
/// Time between two slices of an audit: an idle sidecar stays idle.
const AUDIT_SLICE_EVERY: Duration = Duration::from_millis(20);
/// Reports read at a time.
const REPORTS_MAX: u32 = 500;

/// Where the audit stands.
enum Audit {
    /// Going through the tables.
    Running { place: AuditPlace, next: Instant },
    /// Done; the next one begins then.
    Resting { until: Instant },
}

impl Adapter {
    /// Works until the bell says stop.
    ///
    /// # Errors
    /// What cannot be mended by trying again: the database or the engine failed, or the schema was changed.
    pub(crate) fn run(mut self, ear: &Ear) -> Result<(), SqliteError> {
        let begun = Instant::now();
        let bell = self.bell.clone();
        let watcher = Watcher::start(self.application.path(), move || bell.database_touched());
        if let Err(failed) = &watcher {
            warn!(error = %failed, "writes are noticed by looking once a second");
        }
        let mut cursor = self.application.rollbacks_end()?;
        let mut pace = Pace::new(elapsed_ms(begun));
        let mut audit = Audit::Running { place: AuditPlace::default(), next: begun };
        self.catch_up(&mut cursor)?;
        loop {
            let wait = Duration::from_millis(pace.wait_ms(elapsed_ms(begun))).min(audit.wait());
            match ear.0.recv_timeout(wait) {
                Ok(()) | Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            }
            if self.bell.is_stopping() {
                return Ok(());
            }
            if self.bell.is_database_touched.swap(false, Ordering::AcqRel) {
                pace.event(elapsed_ms(begun));
            }
            let mut is_due = self.bell.has_log_grown.swap(false, Ordering::AcqRel);
            if pace.wait_ms(elapsed_ms(begun)) == 0 {
                let look = self.application.look()?;
                pace.looked(elapsed_ms(begun), look);
                if look == Look::Changed {
                    is_due = true;
                    if let Checked::Mended { tables } = self.application.check_triggers()? {
                        warn!(tables = tables.join(", "), "auditing tables that had lost their triggers");
                        audit = Audit::Running { place: AuditPlace::default(), next: Instant::now() };
                    }
                }
            }
            if is_due {
                self.catch_up(&mut cursor)?;
            }
            if audit.is_due() {
                self.audit(&mut audit, &mut cursor)?;
            }
        }
    }

    /// Imports and applies until nothing is left to do, or the bell says stop.
    fn catch_up(&mut self, cursor: &mut i64) -> Result<(), SqliteError> {
        while !self.bell.is_stopping() {
            let applied = match self.application.apply(&mut self.link) {
                Err(SqliteError::Busy { doing }) => {
                    warn!(doing, "the application holds the database's lock; trying again");
                    std::thread::sleep(BUSY_PAUSE);
                    continue;
                }
                applied => applied?,
            };
            self.say_drained(&applied.drained);
            if applied.entry_count > 0 {
                self.events.say(UpEvent::Applied { rows: applied.row_count, entries: applied.entry_count });
            }
            if applied.drained.refused_count > 0 || applied.withheld_count > 0 {
                self.say_rollbacks(cursor)?;
            }
            if applied.is_last {
                break;
            }
        }
        Ok(())
    }

    fn audit(&mut self, audit: &mut Audit, cursor: &mut i64) -> Result<(), SqliteError> {
        let Audit::Running { place, .. } = *audit else {
            *audit = Audit::Running { place: AuditPlace::default(), next: Instant::now() };
            return Ok(());
        };
        let found = match self.application.audit_slice(&mut self.link, place) {
            Err(SqliteError::Busy { .. }) => Audited::Postponed,
            found => found?,
        };
        let next = Instant::now() + AUDIT_SLICE_EVERY;
        match found {
            Audited::Postponed => {
                *audit = Audit::Running { place, next };
                self.catch_up(cursor)?;
            }
            Audited::Slice { next: Some(place), difference_count } => {
                *audit = Audit::Running { place, next };
                self.import_missed(difference_count, cursor)?;
            }
            Audited::Slice { next: None, difference_count } => {
                *audit = Audit::Resting { until: Instant::now() + AUDIT_EVERY };
                self.import_missed(difference_count, cursor)?;
            }
        }
        Ok(())
    }

    fn import_missed(&mut self, difference_count: u64, cursor: &mut i64) -> Result<(), SqliteError> {
        if difference_count == 0 {
            return Ok(());
        }
        error!(difference_count, "rows were changed past the triggers: imported as local changes; see docs/sqlite.md");
        self.catch_up(cursor)
    }

    fn say_drained(&self, drained: &Drained) {
        if drained.transaction_count > 0 {
            self.events.say(UpEvent::Imported {
                operations: drained.operation_count,
                transactions: drained.transaction_count,
                entries: drained.entries.len() as u64,
            });
        }
    }

    fn say_rollbacks(&self, cursor: &mut i64) -> Result<(), SqliteError> {
        loop {
            let reports = self.application.rollbacks(*cursor, REPORTS_MAX)?;
            let Some(last) = reports.last() else { return Ok(()) };
            *cursor = last.cursor;
            for report in reports {
                self.events.say(UpEvent::Rollback(Box::new(report.into())));
            }
        }
    }
}

impl Audit {
    fn wait(&self) -> Duration {
        let (Audit::Running { next: at, .. } | Audit::Resting { until: at }) = self;
        at.saturating_duration_since(Instant::now())
    }

    fn is_due(&self) -> bool {
        self.wait().is_zero()
    }
}
