//! Cleaning up behind the queue: lines that were taken out are passed over by each look at it, until they are vacuumed.

use super::session::{Failure, Session, doing};
use crate::database::{DatabaseError, Look};

/// Lines removed after which the queue is vacuumed: autovacuum comes by once a minute at most.
const LINES: u64 = 20_000;
/// Looks in a row that find nothing after which the queue's file is cut to its length, some ten seconds at the pace of looks alone.
const QUIET_LOOKS: u32 = 70;

/// What is to be cleaned up.
#[derive(Debug, Default)]
pub(super) struct Sweep {
    /// Lines removed since the last vacuum.
    removed_count: u64,
    /// Whether the file may be longer than need be.
    is_long: bool,
    quiet_looks: u32,
}

impl Sweep {
    /// Takes note that lines were removed.
    pub(super) fn removed(&mut self, line_count: u64) {
        self.removed_count += line_count;
    }

    /// Cleans up what is due after a look, outside of transactions.
    pub(super) fn after(&mut self, look: Look, session: &mut Session) -> Result<(), DatabaseError> {
        self.quiet_looks = if look == Look::Unchanged { self.quiet_looks.saturating_add(1) } else { 0 };
        if self.removed_count >= LINES {
            vacuum(session)?;
            *self = Sweep { is_long: true, ..Sweep::default() };
        }
        if self.is_long && self.quiet_looks >= QUIET_LOOKS {
            cut(session)?;
            self.is_long = false;
        }
        Ok(())
    }
}

/// Makes room for new lines where there were old ones. The file keeps its length: to cut it needs a lock that no writer lets us
/// have, and would be asked for again and again for five seconds.
pub(super) fn vacuum(session: &mut Session) -> Result<(), DatabaseError> {
    unless_lost(session.script("VACUUM (SKIP_LOCKED, TRUNCATE false) treaty.queue"))
}

/// Cuts the file to its length, if that takes no time.
pub(super) fn cut(session: &mut Session) -> Result<(), DatabaseError> {
    session.script("SET statement_timeout = '1s'").map_err(doing("cleaning up treaty.queue"))?;
    unless_lost(session.script("VACUUM (SKIP_LOCKED) treaty.queue"))?;
    session.script("SET statement_timeout = 0").map_err(doing("cleaning up treaty.queue"))
}

/// If somebody else is at it, or in the way, another time will do.
fn unless_lost(done: Result<(), Failure>) -> Result<(), DatabaseError> {
    match done {
        Err(failure) if failure.is_lost() => Err(doing("cleaning up treaty.queue")(failure)),
        Err(_) | Ok(()) => Ok(()),
    }
}
