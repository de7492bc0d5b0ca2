//! What SQLite says of a failure, sorted by what to do about it.

use crate::database::DatabaseError;

/// Names what failed; a lock that could not be had is [`DatabaseError::Busy`].
pub(super) fn doing(doing: &'static str) -> impl Fn(rusqlite::Error) -> DatabaseError {
    use rusqlite::ErrorCode::{DatabaseBusy, DatabaseLocked};
    move |cause| match cause.sqlite_error_code() {
        Some(DatabaseBusy | DatabaseLocked) => DatabaseError::Busy { doing },
        _ => DatabaseError::Sql { doing, cause: Box::new(cause) },
    }
}
