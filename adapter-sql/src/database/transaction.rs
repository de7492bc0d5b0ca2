//! Transactions that end: committed if all went well, rolled back on every other way out.

use super::{Database, DatabaseError, Reach, WriteScope};
use crate::capture::ShownRow;

/// Does `work` in one snapshot.
///
/// # Errors
/// Those of `work`; [`DatabaseError`] if the transaction cannot begin.
pub fn in_read<T>(
    db: &mut dyn Database,
    work: impl FnOnce(&mut dyn Database) -> Result<T, DatabaseError>,
) -> Result<T, DatabaseError> {
    db.begin_read()?;
    let done = work(db);
    db.rollback();
    done
}

/// Does `work` in one transaction that writes; it is told what nobody else can write meanwhile.
///
/// * `doing` - names the commit, if it fails.
///
/// # Errors
/// Those of `work`; [`DatabaseError`] if the transaction can neither begin nor commit. Nothing was written then.
pub fn in_write<T>(
    db: &mut dyn Database,
    scope: WriteScope<'_>,
    doing: &'static str,
    work: impl FnOnce(&mut dyn Database, Reach) -> Result<T, DatabaseError>,
) -> Result<T, DatabaseError> {
    let reach = match db.begin_write(scope) {
        Ok(reach) => reach,
        Err(cause) => {
            // It may have begun and then not had its locks.
            db.rollback();
            return Err(cause);
        }
    };
    let done = work(db, reach).and_then(|done| db.commit(doing).map(|()| done));
    if done.is_err() {
        db.rollback();
    }
    done
}

/// Does `work`, which writes these rows, in one transaction with them locked; where something stands in its way, once more
/// with nobody else writing.
///
/// # Errors
/// As [`in_write`].
pub fn in_write_of<T>(
    db: &mut dyn Database,
    rows: &[ShownRow],
    doing: &'static str,
    mut work: impl FnMut(&mut dyn Database) -> Result<T, DatabaseError>,
) -> Result<T, DatabaseError> {
    let scope = if rows.is_empty() { WriteScope::Bookkeeping } else { WriteScope::Rows(rows) };
    let mut reached = Reach::Everything;
    let done = in_write(db, scope, doing, |db, reach| {
        reached = reach;
        work(db)
    });
    match done {
        Err(cause) if cause.is_obstacle() && reached == Reach::Asked => {
            in_write(db, WriteScope::Everything, doing, |db, _| work(db))
        }
        done => done,
    }
}
