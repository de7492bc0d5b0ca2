//! Writing rows that the engine decided into the tables, whatever unique values they pass among each other.
//!
//! All in the caller's write transaction, under the flag row that keeps our triggers still ([`Quiet`]). Rows are written one
//! by one, and what the tables hold in between need not be consistent: deletes come first, and a row whose unique value is
//! still held by one that comes later has that one's key *parked* on random bytes. A row that cannot be written even so
//! meets something that the log does not know ([`SqliteError::Obstructed`]): nothing is written then.
//!
//! Of two concurrent claims of a key the engine decides which one stands; the other row is *withheld*: recorded in
//! `treaty_withheld`, reported, and shown when the row that has the key is touched.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::types::Value as Stored;
use rusqlite::{Connection, ErrorCode, OptionalExtension, params};
use treaty_engine::identity::Identity;
use treaty_engine::relation::RowId;
use treaty_engine::replica::{RowImage, Shown};
use treaty_schema::Table;

use crate::capture::{Operation, Report, ShownRow, Step, json_of_columns};
use crate::link::EngineLink;

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
    link: &'w mut dyn EngineLink,
    /// What the tables will show.
    to: &'w Shown,
    /// Rows that are withheld, by table: what is in their way, and their report.
    withheld: BTreeMap<ShownRow, Obstacle>,
    /// How many rows were newly withheld.
    pub(super) withheld_count: u64,
    /// The author of the row before, as text: mostly that of the next one too.
    author: Option<(Identity, String)>,
}

/// What is in the way of a withheld row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Obstacle {
    /// The row that has its key.
    holder: RowId,
    /// Cursor of the report.
    report: i64,
}

/// How an attempt to write a row ended.
enum Attempt {
    Written,
    /// A constraint of the database refused it, in these words.
    InTheWay(String),
}

impl<'w> Writer<'w> {
    pub(super) fn new(
        connection: &'w Connection,
        tables: &'w [TableSql],
        link: &'w mut dyn EngineLink,
        to: &'w Shown,
    ) -> Result<Writer<'w>, SqliteError> {
        let withheld = read_withheld(connection, tables)?;
        Ok(Writer { connection, tables, link, to, withheld, withheld_count: 0, author: None })
    }

    /// Writes rows, deletes first, then looks again at what was withheld for the sake of one of them.
    pub(super) fn write(&mut self, fates: &[Fate]) -> Result<(), SqliteError> {
        let touched: BTreeSet<ShownRow> = fates.iter().map(|fate| fate.key).collect();
        self.write_all(fates)?;
        self.settle(touched)
    }

    /// Takes note of rows that were written by the application, for the sake of what they held up.
    pub(super) fn touched(&mut self, keys: impl Iterator<Item = ShownRow>) -> Result<(), SqliteError> {
        if self.withheld.is_empty() {
            return Ok(());
        }
        self.settle(keys.collect())
    }

    /// Looks at what is withheld for the sake of rows that changed, and of those that change for it, and so on.
    ///
    /// Which of two claims stands depends on what is shown alone, so no row is shown twice, and this ends.
    fn settle(&mut self, mut touched: BTreeSet<ShownRow>) -> Result<(), SqliteError> {
        while !touched.is_empty() && !self.withheld.is_empty() {
            touched = self.retry(&touched)?;
        }
        Ok(())
    }

    fn write_all(&mut self, fates: &[Fate]) -> Result<(), SqliteError> {
        let is_shown = |fate: &Fate| fate.row.as_ref().is_some_and(|row| row.withheld.is_none());
        for fate in fates.iter().filter(|fate| !is_shown(fate)) {
            self.remove(fate.key)?;
            match &fate.row {
                Some(row) => self.withhold(fate.key, row)?,
                None => self.forget_withheld(fate.key)?,
            }
        }
        let mut places: BTreeMap<ShownRow, usize> = BTreeMap::new();
        for (index, fate) in fates.iter().enumerate().filter(|(_, fate)| is_shown(fate)) {
            let Some(row) = &fate.row else { continue };
            if let Attempt::InTheWay(_) = self.put(fate, row)? {
                if places.is_empty() {
                    let shown = fates.iter().enumerate().filter(|(_, fate)| is_shown(fate));
                    places = shown.map(|(index, fate)| (fate.key, index)).collect();
                }
                self.clear_the_way(fate, row, &|key| places.get(&key).is_some_and(|&place| place > index))?;
                if let Attempt::InTheWay(what) = self.put(fate, row)? {
                    return Err(self.obstructed(fate.key, what));
                }
            }
            self.forget_withheld(fate.key)?;
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

    /// Moves rows that hold a key of `row` out of its way: those that will be written later in this transaction, and
    /// those that the engine withholds.
    fn clear_the_way(
        &mut self,
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
            let holder = ShownRow { table: fate.key.table, id };
            if comes_later(holder) {
                self.park(table, &stored)?;
                continue;
            }
            let image = self.link.rows_at(self.to, &[holder])?.pop().flatten();
            if let Some(image) = image.filter(|image| image.withheld.is_some()) {
                self.remove(holder)?;
                self.withhold(holder, &image)?;
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
        let message = format!("another row has the id that this one was inserted under: it is shown as {}", key.id);
        let report = Report { reason: RENAMED.to_owned(), message, ..report_of(&table.table, key, row) };
        rollbacks::add(self.connection, &report)?;
        Ok(())
    }

    /// Records that a row is in the log but not in its table.
    fn withhold(&mut self, key: ShownRow, row: &RowImage) -> Result<(), SqliteError> {
        let Some(withheld) = row.withheld else { return Ok(()) };
        let table = &self.tables[key.table].table;
        let holder = withheld.holder;
        let report = match self.withheld.get(&key) {
            Some(obstacle) => obstacle.report,
            None => {
                let unique = &table.uniques[withheld.unique].name;
                let message = format!("row {holder} claimed the key of {unique} first");
                let report = Report { reason: "withheld".to_owned(), message, ..report_of(table, key, row) };
                self.withheld_count += 1;
                rollbacks::add(self.connection, &report)?
            }
        };
        let obstacle = Obstacle { holder, report };
        self.withheld.insert(key, obstacle);
        let sql = "INSERT INTO treaty_withheld (table_name, row_id, winner, report) VALUES (?1, ?2, ?3, ?4) \
                   ON CONFLICT (table_name, row_id) DO UPDATE SET winner = excluded.winner";
        self.connection
            .prepare_cached(sql)
            .and_then(|mut statement| {
                statement.execute(params![table.name.as_str(), key.id.to_string(), holder.to_string(), report])
            })
            .map_err(doing("writing treaty_withheld"))?;
        Ok(())
    }

    /// Takes a row off the list of withheld ones: it is in its table again, or gone.
    fn forget_withheld(&mut self, key: ShownRow) -> Result<(), SqliteError> {
        let Some(obstacle) = self.withheld.remove(&key) else { return Ok(()) };
        let failed = doing("writing treaty_withheld");
        let table = self.tables[key.table].name();
        self.connection
            .prepare_cached("DELETE FROM treaty_withheld WHERE table_name = ?1 AND row_id = ?2")
            .and_then(|mut statement| statement.execute(params![table, key.id.to_string()]))
            .map_err(failed)?;
        rollbacks::reinstate(self.connection, obstacle.report)
    }

    /// Writes rows as the engine has them now.
    fn write_again(&mut self, keys: &[ShownRow]) -> Result<(), SqliteError> {
        if keys.is_empty() {
            return Ok(());
        }
        let images = self.link.rows_at(self.to, keys)?;
        let fates = keys.iter().zip(images).map(|(&key, row)| Fate { key, row, status: None });
        self.write_all(&fates.collect::<Vec<_>>())
    }

    /// Looks again at rows that were withheld because of one of `touched`; returns those that are withheld no more.
    fn retry(&mut self, touched: &BTreeSet<ShownRow>) -> Result<BTreeSet<ShownRow>, SqliteError> {
        let concerned: Vec<ShownRow> = self
            .withheld
            .iter()
            .filter(|(key, obstacle)| {
                touched.contains(&ShownRow { table: key.table, id: obstacle.holder }) && !touched.contains(key)
            })
            .map(|(key, _)| *key)
            .collect();
        if concerned.is_empty() {
            return Ok(BTreeSet::new());
        }
        self.write_again(&concerned)?;
        Ok(concerned.into_iter().filter(|key| !self.withheld.contains_key(key)).collect())
    }
}

/// What a report says of a row that is in the log, but for the reason.
fn report_of(table: &Table, key: ShownRow, row: &RowImage) -> Report {
    Report {
        entry: Some(row.name.entry.to_string()),
        step: Some(Step { transaction: row.name.transaction, operation: row.name.operation }),
        table: table.name.to_string(),
        row: key.id.to_string(),
        operation: Operation::Insert,
        author: row.author.to_string(),
        lost: json_of_columns(table, &row.cells, 0..row.cells.len()),
        reason: String::new(),
        message: String::new(),
        culprit: None,
    }
}

fn read_withheld(connection: &Connection, tables: &[TableSql]) -> Result<BTreeMap<ShownRow, Obstacle>, SqliteError> {
    let failed = doing("reading treaty_withheld");
    let sql = "SELECT table_name, row_id, winner, report FROM treaty_withheld";
    let mut statement = connection.prepare_cached(sql).map_err(&failed)?;
    let mut rows = statement.query([]).map_err(&failed)?;
    let mut withheld = BTreeMap::new();
    while let Some(row) = rows.next().map_err(&failed)? {
        let name: String = row.get(0).map_err(&failed)?;
        let table = tables.iter().position(|table| table.name() == name);
        let id = super::table::read_id(row.get_ref(1).map_err(&failed)?);
        let (Some(table), Some(id)) = (table, id) else { continue };
        let Some(holder) = super::table::read_id(row.get_ref(2).map_err(&failed)?) else { continue };
        let report = row.get(3).map_err(&failed)?;
        withheld.insert(ShownRow { table, id }, Obstacle { holder, report });
    }
    Ok(withheld)
}

/// Says whether a row is withheld.
pub(super) fn is_withheld(connection: &Connection, table: &TableSql, id: RowId) -> Result<bool, SqliteError> {
    let sql = "SELECT 1 FROM treaty_withheld WHERE table_name = ?1 AND row_id = ?2";
    connection
        .prepare_cached(sql)
        .and_then(|mut statement| statement.query_row(params![table.name(), id.to_string()], |_| Ok(())).optional())
        .map(|found| found.is_some())
        .map_err(doing("reading treaty_withheld"))
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
