//! Writing rows that the engine decided into the tables, whatever unique values they pass among each other.
//!
//! All in the caller's write transaction, under the flag row that keeps our triggers still ([`rest_triggers`]). Rows are written one
//! by one, and what the tables hold in between need not be consistent: deletes come first, and a row whose unique value is
//! still held by one that comes later has that one's key *parked* on random bytes. A row that cannot be written even so
//! meets something that the log does not know ([`DatabaseError::Obstructed`]): nothing is written then.

use std::collections::BTreeMap;

use rusqlite::{Connection, ErrorCode};
use treaty_engine::identity::Identity;
use treaty_engine::replica::RowImage;

use crate::capture::ShownRow;
use crate::database::{DatabaseError, Fate, Marks, StoredId};

use super::error::doing;
use super::table::TableSql;
use super::values::stored_ref;

/// Keeps our triggers still, until [`wake_triggers`] or the end of the transaction.
pub(super) fn rest_triggers(connection: &Connection) -> Result<(), DatabaseError> {
    run(connection, "INSERT INTO treaty_applying (one) VALUES (1) ON CONFLICT (one) DO NOTHING")
}

/// Ends [`rest_triggers`].
pub(super) fn wake_triggers(connection: &Connection) -> Result<(), DatabaseError> {
    run(connection, "DELETE FROM treaty_applying")
}

fn run(connection: &Connection, sql: &str) -> Result<(), DatabaseError> {
    let failed = doing("writing treaty_applying");
    connection.prepare_cached(sql).and_then(|mut statement| statement.execute([])).map_err(failed)?;
    Ok(())
}

/// Writes rows in one transaction.
pub(super) struct Writer<'w> {
    connection: &'w Connection,
    tables: &'w [TableSql],
    /// The author of the row before, as text: mostly that of the next one too.
    author: Option<(Identity, String)>,
}

/// How an attempt to write a row ended.
enum Attempt {
    Written,
    /// A constraint of the database refused it, in these words.
    InTheWay(String),
}

impl<'w> Writer<'w> {
    pub(super) fn new(connection: &'w Connection, tables: &'w [TableSql]) -> Writer<'w> {
        Writer { connection, tables, author: None }
    }

    /// Writes rows, deletes first.
    pub(super) fn write(mut self, fates: &[Fate]) -> Result<(), DatabaseError> {
        for fate in fates.iter().filter(|fate| fate.row.is_none()) {
            self.remove(fate.key)?;
        }
        let mut places: BTreeMap<ShownRow, usize> = BTreeMap::new();
        for (index, fate) in fates.iter().enumerate() {
            let Some(row) = &fate.row else { continue };
            let Attempt::InTheWay(_) = self.put(fate, row)? else { continue };
            if places.is_empty() {
                places = fates.iter().enumerate().map(|(index, fate)| (fate.key, index)).collect();
            }
            self.clear_the_way(fate, row, &|key| places.get(&key).is_some_and(|&place| place > index))?;
            if let Attempt::InTheWay(what) = self.put(fate, row)? {
                return Err(self.obstructed(fate.key, what));
            }
        }
        Ok(())
    }

    fn put(&mut self, fate: &Fate, row: &RowImage) -> Result<Attempt, DatabaseError> {
        let author = match self.author.take() {
            Some((identity, text)) if identity == row.author => text,
            Some(_) | None => row.author.to_string(),
        };
        let attempt = self.put_marked(fate, row, Marks { status: fate.status, author: &author });
        self.author = Some((row.author, author));
        attempt
    }

    fn put_marked(&self, fate: &Fate, row: &RowImage, marks: Marks<'_>) -> Result<Attempt, DatabaseError> {
        match self.tables[fate.key.table].put(self.connection, &row.cells, marks) {
            Ok(0) => Ok(Attempt::InTheWay("a trigger of the table ignores it".to_owned())),
            Ok(_) => Ok(Attempt::Written),
            Err(cause) if cause.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) => {
                // A conflict clause or a trigger that says ROLLBACK has ended our transaction.
                if self.connection.is_autocommit() {
                    return Err(self.obstructed(fate.key, cause.to_string()));
                }
                Ok(Attempt::InTheWay(cause.to_string()))
            }
            Err(cause) => Err(doing("writing a row")(cause)),
        }
    }

    fn obstructed(&self, key: ShownRow, what: String) -> DatabaseError {
        DatabaseError::Obstructed { table: self.tables[key.table].name().to_owned(), row: key.id, what }
    }

    /// Frees the keys of `row` that rows hold which will be written later in this transaction.
    fn clear_the_way(
        &self,
        fate: &Fate,
        row: &RowImage,
        comes_later: &dyn Fn(ShownRow) -> bool,
    ) -> Result<(), DatabaseError> {
        let table = &self.tables[fate.key.table];
        let holders = table
            .other_holders(self.connection, fate.key.id, &row.cells)
            .map_err(doing("looking for the holder of a unique key"))?;
        for stored in holders {
            let Some(id) = super::table::read_id(stored_ref(&stored)) else { continue };
            if comes_later(ShownRow { table: fate.key.table, id }) {
                self.park(table, &stored)?;
            }
        }
        Ok(())
    }

    /// Frees the keys of a row that will be written later in this transaction.
    fn park(&self, table: &TableSql, stored: &StoredId) -> Result<(), DatabaseError> {
        match TableSql::run_on_id(self.connection, &table.park, stored) {
            Ok(_) => Ok(()),
            // A STRICT table takes no bytes for its keys.
            Err(cause) if cause.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) => {
                TableSql::run_on_id(self.connection, &table.delete, stored).map_err(doing("parking a unique key"))?;
                Ok(())
            }
            Err(cause) => Err(doing("parking a unique key")(cause)),
        }
    }

    fn remove(&self, key: ShownRow) -> Result<(), DatabaseError> {
        let table = &self.tables[key.table];
        let (failed, id) = (doing("deleting a row"), table.spelt(key.id));
        let row_count = match TableSql::run_on_id(self.connection, &table.delete, &id) {
            Err(cause) if cause.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) => {
                return Err(self.obstructed(key, cause.to_string()));
            }
            deleted => deleted.map_err(&failed)?,
        };
        // Not there: a row may be deleted twice, and a derived id be gone already. Or a trigger ignores the statement.
        if row_count == 0 && table.holds(self.connection, &id).map_err(failed)? {
            return Err(self.obstructed(key, "a trigger of the table keeps it from being deleted".to_owned()));
        }
        Ok(())
    }
}
