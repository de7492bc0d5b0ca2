//! Transactions: what they see, and what nobody else can write meanwhile.

use treaty_ddl::sql::quote::text;

use super::rows::lock;
use super::session::{Failure, Session, column, doing, statement};
use super::table::TableSql;
use crate::database::{DatabaseError, Reach, WriteScope};

/// References are checked when all rows are written: from the beginning of every transaction that writes.
const DEFERRED: &str = "SET CONSTRAINTS ALL DEFERRED";

/// Begins a transaction that only reads, in one snapshot.
pub(super) fn begin_read(session: &mut Session) -> Result<(), DatabaseError> {
    session.begin("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").map_err(doing("beginning to read"))
}

/// Begins a transaction that writes.
///
/// Where only some rows are locked each statement sees what was committed before it: a line of the queue that came before the
/// locks, too. Where all tables are locked there is one snapshot, taken after the locks are had.
pub(super) fn begin_write(
    session: &mut Session,
    tables: &[TableSql],
    scope: WriteScope<'_>,
) -> Result<Reach, DatabaseError> {
    let failed = doing("beginning to write");
    let committed = || format!("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; {DEFERRED}");
    match scope {
        WriteScope::Bookkeeping => {
            session.begin(&committed()).map_err(failed)?;
            Ok(Reach::Asked)
        }
        WriteScope::Rows(rows) => {
            session.begin(&committed()).map_err(failed)?;
            lock(session, tables, rows)?;
            Ok(Reach::Asked)
        }
        WriteScope::Everything => {
            session.rollback();
            let names = lockable(session, tables).map_err(&failed)?;
            let locks = match names.is_empty() {
                true => String::new(),
                false => format!("LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE; ", names.join(", ")),
            };
            let sql = format!("BEGIN ISOLATION LEVEL REPEATABLE READ READ WRITE; {locks}{DEFERRED}");
            session.begin(&sql).map_err(failed)?;
            Ok(Reach::Everything)
        }
    }
}

/// The tables that are there and ours to lock, quoted: before an installation they may be neither, which it says then.
fn lockable(session: &mut Session, tables: &[TableSql]) -> Result<Vec<String>, Failure> {
    if tables.is_empty() {
        return Ok(Vec::new());
    }
    let names: Vec<String> = tables.iter().map(|table| text(&table.quoted)).collect();
    let sql = format!(
        "SELECT u.name FROM unnest(ARRAY[{}]::text[]) WITH ORDINALITY AS u (name, place) \
         JOIN pg_class c ON c.oid = to_regclass(u.name) \
         WHERE c.relkind = 'r' AND pg_has_role(c.relowner, 'USAGE') ORDER BY u.place",
        names.join(", ")
    );
    session.fetch(statement(&sql))?.iter().map(|row| column(row, 0)).collect()
}
