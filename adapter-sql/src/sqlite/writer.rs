//! Writing rows that the engine decided into the tables, whatever unique values they pass among each other.
//!
//! All in the caller's write transaction, under the flag row that keeps our triggers still ([`Quiet`]). Rows are written one
//! by one, and what the tables hold in between need not be consistent: deletes come first, and a row whose unique value is
//! still held by one that comes later has that one's key *parked* on random bytes. A row that cannot be written even so
//! meets something that the log does not know ([`SqliteError::Obstructed`]): nothing is written then.

use std::collections::BTreeMap;

use rusqlite::types::Value as Stored;
use rusqlite::{Connection, ErrorCode};
use treaty_engine::identity::Identity;
use treaty_engine::replica::RowImage;

use crate::capture::{Operation, Report, ShownRow, Step, json_of_columns};

use super::error::{SqliteError, doing};
use super::rollbacks;
use super::table::{Marks, TableSql};

/// The reason of a report about a row that is shown under a derived id.
const RENAMED: &str = "renamed";

/// Keeps our triggers still from [`Quiet::begin`] to [`Quiet::end`], in one transaction; a rollback ends it too.
pub(super) struct Quiet;

impl Quiet {
    pub(super) fn begin(connection: &Connection) -> Result<Quiet, SqliteError> {
        let mut statement = connection
            .prepare_cached("INSERT INTO treaty_applying (one) VALUES (1) ON CONFLICT (one) DO NOTHING")
            .map_err(doing("writing treaty_applying"))?;
        statement.execute([]).map_err(doing("writing treaty_applying"))?;
        Ok(Quiet)
    }

    pub(super) fn end(self, connection: &Connection) -> Result<(), SqliteError> {
        let mut statement =
            connection.prepare_cached("DELETE FROM treaty_applying").map_err(doing("writing treaty_applying"))?;
        statement.execute([]).map_err(doing("writing treaty_applying"))?;
        Ok(())
    }
}

/// What becomes of one row of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fate {
    /// The row.
    pub(super) key: ShownRow,
    /// What the engine has; none if the row is not to be there.
    pub(super) row: Option<RowImage>,
    /// What its status says, if it is there; none if no change made here came to stand or fell.
    pub(super) status: Option<&'static str>,
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
    pub(super) fn write(mut self, fates: &[Fate]) -> Result<(), SqliteError> {
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

    fn put(&mut self, fate: &Fate, row: &RowImage) -> Result<Attempt, SqliteError> {
        let author = match self.author.take() {
            Some((identity, text)) if identity == row.author => text,
            Some(_) | None => row.author.to_string(),
        };
        let attempt = self.put_marked(fate, row, Marks { status: fate.status, author: &author });
        self.author = Some((row.author, author));
        attempt
    }

    fn put_marked(&self, fate: &Fate, row: &RowImage, marks: Marks<'_>) -> Result<Attempt, SqliteError> {
        if fate.key.id.is_derived() {
            self.report_renamed(fate.key, row)?;
        }
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

    fn obstructed(&self, key: ShownRow, what: String) -> SqliteError {
        SqliteError::Obstructed { table: self.tables[key.table].name().to_owned(), row: key.id, what }
    }

    /// Frees the keys of `row` that rows hold which will be written later in this transaction.
    fn clear_the_way(
        &self,
        fate: &Fate,
        row: &RowImage,
        comes_later: &dyn Fn(ShownRow) -> bool,
    ) -> Result<(), SqliteError> {
        let table = &self.tables[fate.key.table];
        let holders = table
            .other_holders(self.connection, fate.key.id, &row.cells)
            .map_err(doing("looking for the holder of a unique key"))?;
        for stored in holders {
            let Some(id) = super::table::read_id((&stored).into()) else { continue };
            if comes_later(ShownRow { table: fate.key.table, id }) {
                self.park(table, &stored)?;
            }
        }
        Ok(())
    }

    /// Frees the keys of a row that will be written later in this transaction.
    fn park(&self, table: &TableSql, stored: &Stored) -> Result<(), SqliteError> {
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

    fn remove(&self, key: ShownRow) -> Result<(), SqliteError> {
        let table = &self.tables[key.table];
        let (failed, id) = (doing("deleting a row"), key.id.to_string());
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
        if key.id.is_derived() {
            rollbacks::reinstate_row(self.connection, table.name(), key.id, RENAMED)?;
        }
        Ok(())
    }

    /// Reports a row that is shown under a derived id, once: another row has its own.
    fn report_renamed(&self, key: ShownRow, row: &RowImage) -> Result<(), SqliteError> {
        let table = &self.tables[key.table];
        if rollbacks::stands(self.connection, table.name(), key.id, RENAMED)? {
            return Ok(());
        }
        let report = Report {
            entry: Some(row.name.entry.to_string()),
            step: Some(Step { transaction: row.name.transaction, operation: row.name.operation }),
            table: table.name().to_owned(),
            row: key.id.to_string(),
            operation: Operation::Insert,
            author: row.author.to_string(),
            lost: json_of_columns(&table.table, &row.cells, 0..row.cells.len()),
            reason: RENAMED.to_owned(),
            message: format!("another row has the id that this one was inserted under: it is shown as {}", key.id),
            culprit: None,
        };
        rollbacks::add(self.connection, &report)?;
        Ok(())
    }
}

/// Returns a stored id as text.
pub(super) fn print_id(stored: &Stored) -> String {
    match stored {
        Stored::Null => "NULL".to_owned(),
        Stored::Integer(integer) => integer.to_string(),
        Stored::Real(real) => real.to_string(),
        Stored::Text(text) => text.clone(),
        Stored::Blob(bytes) => format!("\\x{}", data_encoding::HEXLOWER.encode(bytes)),
    }
}
