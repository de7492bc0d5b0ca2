//! Transactions that end: committed if all went well, rolled back on every other way out.

use super::{Database, DatabaseError, Reach, WriteScope};

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
