//! Taking Treaty out of a database: triggers, bookkeeping and our two columns go, tables and rows stay.

use std::path::Path;

use rusqlite::Connection;
use treaty_ddl::sql::quote::ident;

use super::connect::begin_write;
use super::error::doing;
use super::state;
use super::table::{AUTHOR, STATUS};
use crate::database::{DatabaseError, Uninstalled};

/// Takes Treaty out of a database, in one transaction. Needs neither schema nor log.
///
/// # Errors
/// [`DatabaseError::NotInstalled`]; [`DatabaseError::Sql`] if an index or view of the application uses one of our columns.
pub(super) fn uninstall(connection: &Connection, path: &Path) -> Result<Uninstalled, DatabaseError> {
    let write = begin_write(connection)?;
    let Some(state) = state::read(&write)? else {
        return Err(DatabaseError::NotInstalled { database: path.display().to_string() });
    };
    let failed = doing("uninstalling");
    let waiting_count: i64 = write
        .query_row("SELECT count(*) FROM treaty_queue WHERE table_name IS NOT NULL", [], |row| row.get(0))
        .map_err(&failed)?;
    // Triggers first: one that names a missing table would fail every later statement.
    for trigger in names(&write, "SELECT name FROM sqlite_schema WHERE type = 'trigger' AND name GLOB 'treaty_*'")? {
        write.execute_batch(&format!("DROP TRIGGER {}", ident(&trigger))).map_err(&failed)?;
    }
    let ours = "SELECT s.name FROM sqlite_schema s WHERE s.type = 'table' AND s.name NOT GLOB 'treaty_*' AND EXISTS \
                (SELECT 1 FROM pragma_table_info(s.name) i WHERE i.name = 'treaty_status')";
    let tables = names(&write, ours)?;
    for table in &tables {
        for column in [STATUS, AUTHOR] {
            let sql = format!("ALTER TABLE {} DROP COLUMN {column}", ident(table));
            write.execute_batch(&sql).map_err(&failed)?;
        }
    }
    for table in names(&write, "SELECT name FROM sqlite_schema WHERE type = 'table' AND name GLOB 'treaty_*'")? {
        write.execute_batch(&format!("DROP TABLE {}", ident(&table))).map_err(&failed)?;
    }
    write.commit().map_err(failed)?;
    Ok(Uninstalled { space: state.space, tables, waiting_count: waiting_count.unsigned_abs() })
}

fn names(connection: &Connection, sql: &str) -> Result<Vec<String>, DatabaseError> {
    let failed = doing("reading the schema");
    let mut statement = connection.prepare(sql).map_err(&failed)?;
    let rows = statement.query_map([], |row| row.get(0)).map_err(&failed)?;
    rows.collect::<Result<_, _>>().map_err(failed)
}
