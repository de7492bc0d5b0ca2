//! The application's database, opened: every operation on it, whatever its kind.
//!
//! One thread owns it; calls block. What is written there goes into the log ([`crate::capture`]), what the log holds goes
//! into its tables ([`crate::apply`]), and [`crate::audit`] looks whether they agree.

mod install;
mod start;

use std::collections::BTreeSet;

use tracing::{info, warn};
use treaty_engine::replica::Shown;

use crate::apply::{Applied, Applier};
use crate::audit::{Audit, AuditPlace, Audited};
use crate::capture::{Capture, Drained, Pauses, Unmarked};
use crate::database::{Checked, Database, DatabaseError, Look, Node, Rhythm, Rollback, Watch};
use crate::link::EngineLink;

pub use install::Installed;
pub use start::Place;

/// An application's database, opened by the one process and thread that may.
pub struct Application {
    database: Box<dyn Database>,
    capture: Capture,
    applier: Applier,
    audit: Audit,
    /// Whether triggers were missing since the tables were last compared with the log.
    is_suspect: bool,
}

impl Application {
    fn new(mut database: Box<dyn Database>, node: &Node<'_>) -> Application {
        database.use_schema(node.schema);
        let capture = Capture {
            schema: node.schema.clone(),
            identity: node.identity,
            pauses: Pauses::CutAt { gap_ms: node.gap_ms },
            is_settled: false,
            losses: database.losses(),
            unmarked: Unmarked::default(),
            put_off: BTreeSet::new(),
        };
        Application { database, capture, applier: Applier::new(), audit: Audit::default(), is_suspect: false }
    }

    /// Takes everything out of the queue into the log.
    ///
    /// No lock is held while the engine works.
    ///
    /// # Errors
    /// [`DatabaseError`]; what was signed is not signed again by the next call.
    pub fn drain(&mut self, link: &mut dyn EngineLink) -> Result<Drained, DatabaseError> {
        self.capture.drain(&mut *self.database, link)
    }

    /// Drains the queue, then applies one batch of what the log holds and the tables do not show.
    ///
    /// Where the tables hold what the log does not know, that is imported first, by comparing all of them.
    ///
    /// # Errors
    /// [`DatabaseError`]; the tables show what they showed before. [`DatabaseError::Busy`] means to try again,
    /// [`DatabaseError::Obstructed`] that nothing was found that could be imported.
    pub fn apply(&mut self, link: &mut dyn EngineLink) -> Result<Applied, DatabaseError> {
        match self.apply_batch(link) {
            Err(obstacle) if obstacle.is_obstacle() => {
                warn!(%obstacle, "a row cannot be written: comparing all tables with the log");
                self.check_triggers()?;
                if self.audit(link)? == 0 && matches!(obstacle, DatabaseError::Obstructed { .. }) {
                    return Err(obstacle);
                }
                self.apply_batch(link)
            }
            applied => applied,
        }
    }

    fn apply_batch(&mut self, link: &mut dyn EngineLink) -> Result<Applied, DatabaseError> {
        self.applier.apply_batch(&mut self.capture, &mut *self.database, link)
    }

    /// Compares some rows with the log, from `place` on.
    ///
    /// # Errors
    /// [`DatabaseError`]; the place stays good.
    pub fn audit_slice(&mut self, link: &mut dyn EngineLink, place: AuditPlace) -> Result<Audited, DatabaseError> {
        let Application { database, capture, audit, .. } = self;
        capture.settle(&mut **database, link)?;
        audit.slice(&capture.schema, place, &mut **database, link)
    }

    /// Compares all tables with the log, importing what was missed; returns how many rows that were.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub fn audit(&mut self, link: &mut dyn EngineLink) -> Result<u64, DatabaseError> {
        let (mut place, mut total) = (AuditPlace::default(), 0);
        loop {
            self.drain(link)?;
            match self.audit_slice(link, place)? {
                Audited::Postponed => {}
                Audited::Slice { next, difference_count } => {
                    total += difference_count;
                    let Some(next) = next else { break };
                    place = next;
                }
            }
        }
        self.drain(link)?;
        self.is_suspect = false;
        info!(difference_count = total, "tables compared with the log");
        Ok(total)
    }

    /// Checks triggers and columns if the database's schema changed since the last check, and mends them.
    ///
    /// # Errors
    /// [`DatabaseError::SchemaChanged`] if a table does not fit the schema any more.
    pub fn check_triggers(&mut self) -> Result<Checked, DatabaseError> {
        let checked = self.database.check_triggers()?;
        self.is_suspect |= checked != Checked::InOrder;
        Ok(checked)
    }

    /// Says whether it is worth trying again what failed: a migration tool may have made a table anew since the triggers were
    /// looked at, so that columns of ours were missing, which are put back.
    ///
    /// # Errors
    /// The failure, if nothing was missing; those of [`Application::check_triggers`].
    pub fn mend(&mut self, failed: DatabaseError) -> Result<(), DatabaseError> {
        if !matches!(failed, DatabaseError::Sql { .. }) {
            return Err(failed);
        }
        match self.check_triggers() {
            Ok(Checked::Mended { .. }) | Err(DatabaseError::Busy { .. }) => Ok(()),
            Ok(Checked::InOrder) => Err(failed),
            Err(other) => Err(other),
        }
    }

    /// Says whether triggers were missing since this was last asked: the tables are to be compared with the log.
    pub fn take_suspicion(&mut self) -> bool {
        std::mem::take(&mut self.is_suspect)
    }

    /// Looks whether somebody else committed since the last look, and where one may have, whether the triggers are in place.
    /// Cheap.
    ///
    /// Rows that somebody else had when they were to be marked are marked now, if nobody has them any more.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub fn look(&mut self) -> Result<Look, DatabaseError> {
        self.capture.unmarked.mark(&mut *self.database)?;
        let look = self.database.look()?;
        if look == Look::Changed {
            self.check_triggers()?;
        }
        Ok(look)
    }

    /// Calls `on_event`, from a thread of its own, when somebody may have written, until what is returned is dropped. None
    /// if the database gives no events: then looking must do.
    pub fn watch(&mut self, on_event: Box<dyn Fn() + Send>) -> Option<Box<dyn Watch>> {
        self.database.watch(on_event)
    }

    /// Returns how often to look until the next look.
    pub fn rhythm(&self) -> Rhythm {
        self.database.rhythm()
    }

    /// Returns what the tables show.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub fn shown(&mut self) -> Result<Shown, DatabaseError> {
        self.database.shown()
    }

    /// Counts changes that are not in the log yet.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub fn waiting(&mut self) -> Result<u64, DatabaseError> {
        self.database.waiting()
    }

    /// Returns the cursor of the last report; 0 if there is none.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub fn rollbacks_end(&mut self) -> Result<i64, DatabaseError> {
        self.database.rollbacks_end()
    }

    /// Reads reports after a cursor, in order.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub fn rollbacks(&mut self, after: i64, count_max: u32) -> Result<Vec<Rollback>, DatabaseError> {
        self.database.rollbacks(after, count_max)
    }
}
