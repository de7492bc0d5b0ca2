//! Taking Treaty out of a database: triggers, bookkeeping and our two columns go, tables and rows stay.

use std::path::Path;

use rusqlite::Connection;
use treaty_ddl::sql::quote::ident;

use super::connect::{Missing, begin_write, connect};
use super::error::{SqliteError, doing};
use super::state::State;
use super::table::{AUTHOR, STATUS};

/// What was taken out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Uninstalled {
    /// The space that the database was part of.
    pub space: String,
    /// Tables that are the application's alone again.
    pub tables: Vec<String>,
    /// Changes that were not in the log: they stay in the tables, and no other node will see them.
    pub waiting_count: u64,
}

/// Takes Treaty out of the database at `path`, in one transaction. Needs neither schema nor log.
///
/// # Errors
/// [`SqliteError::NotInstalled`]; [`SqliteError::Sql`] if an index or view of the application uses one of our columns.
pub fn uninstall(path: &Path) -> Result<Uninstalled, SqliteError> {
    let connection = connect(path, Missing::Refused)?;
    let write = begin_write(&connection)?;
    let Some(state) = State::read(&write)? else {
        return Err(SqliteError::NotInstalled { path: path.to_owned() });
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

fn names(connection: &Connection, sql: &str) -> Result<Vec<String>, SqliteError> {
    let failed = doing("reading the schema");
    let mut statement = connection.prepare(sql).map_err(&failed)?;
    let rows = statement.query_map([], |row| row.get(0)).map_err(&failed)?;
    rows.collect::<Result<_, _>>().map_err(failed)
}
