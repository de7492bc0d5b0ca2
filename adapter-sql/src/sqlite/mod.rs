//! The application's SQLite database: everything that is SQLite's own.
//!
//! * [`SqliteDatabase`] - the database, opened; implements [`Database`].
//! * [`connect`] - what our connection may and may not do.
//! * [`queue`], [`rows`], [`table`], [`values`], [`spelling`] - out of the tables; [`writer`], [`references`] - into them.
//! * [`install`], [`uninstall`] - tables and triggers come and go; [`guard`] - are they still there;
//!   [`strict`] - do the tables take what the schema allows.
//! * [`state`], [`rollbacks`] - bookkeeping; [`watch`] - noticing other processes' writes.
//! * [`peek`] - reading beside a running sidecar.
//!
//! Traps of SQLite and the remedy for each: docs/sqlite.md.

mod connect;
mod error;
mod guard;
mod install;
mod peek;
mod queue;
mod references;
mod rollbacks;
mod rows;
mod spelling;
mod state;
mod strict;
mod table;
mod uninstall;
mod values;
mod watch;
mod writer;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use treaty_ddl::sql::sqlite::bookkeeping;
use treaty_engine::relation::RowId;
use treaty_engine::replica::Shown;
use treaty_schema::Schema;

use crate::capture::{Image, Report, ShownRow, Step};
use crate::database::{
    Checked, Database, DatabaseError, Existing, Fate, Found, Look, Marks, Missing, Others, PageBounds, Queue,
    QueuedRow, Reach, Rhythm, Rollback, SeqRanges, State, StoredId, TablePage, TableRow, Tables, Uninstalled, Watch,
    WriteScope,
};

use error::doing;
pub(crate) use peek::SqlitePeek;
use references::References;
use table::TableSql;
use writer::Writer;

/// An application's SQLite database, opened.
#[derive(Debug)]
pub struct SqliteDatabase {
    connection: Connection,
    path: PathBuf,
    schema: Schema,
    tables: Vec<TableSql>,
    references: References,
    /// Whether the tables' columns have been looked at.
    are_spellings_known: bool,
    /// `PRAGMA schema_version` when the triggers were last found in order.
    schema_cookie: Option<i64>,
    /// `PRAGMA data_version` at the last look.
    data_version: Option<i64>,
}

impl SqliteDatabase {
    /// Opens the database at `path`.
    ///
    /// # Errors
    /// [`DatabaseError::Open`].
    pub fn open(path: &Path, missing: Missing) -> Result<SqliteDatabase, DatabaseError> {
        let schema = Schema::empty();
        Ok(SqliteDatabase {
            connection: connect::connect(path, missing)?,
            path: path.to_owned(),
            tables: table::tables(&schema),
            references: References::new(&schema),
            schema,
            are_spellings_known: false,
            schema_cookie: None,
            data_version: None,
        })
    }

    fn run(&self, doing_this: &'static str, sql: &str) -> Result<(), DatabaseError> {
        self.connection.prepare_cached(sql).and_then(|mut sql| sql.execute([])).map_err(doing(doing_this))?;
        Ok(())
    }

    /// Before the first row is read or written: when a transaction begins, or, where the schema is told in one, when it reads.
    fn know_spellings(&mut self) -> Result<(), DatabaseError> {
        if self.are_spellings_known { Ok(()) } else { self.learn_spellings() }
    }

    fn learn_spellings(&mut self) -> Result<(), DatabaseError> {
        spelling::learn(&self.connection, &mut self.tables)?;
        self.are_spellings_known = true;
        Ok(())
    }

    fn data_version(&self) -> Result<i64, DatabaseError> {
        connect::pragma(&self.connection, "data_version").map_err(doing("looking for commits"))
    }
}

impl Database for SqliteDatabase {
    fn name(&self) -> String {
        self.path.display().to_string()
    }

    fn use_schema(&mut self, schema: &Schema) {
        self.schema = schema.clone();
        self.tables = table::tables(schema);
        self.references = References::new(schema);
        self.are_spellings_known = false;
    }

    fn begin_read(&mut self) -> Result<(), DatabaseError> {
        self.know_spellings()?;
        self.run("beginning to read", "BEGIN DEFERRED")
    }

    fn begin_write(&mut self, _: WriteScope<'_>) -> Result<Reach, DatabaseError> {
        self.know_spellings()?;
        self.run("beginning to write", "BEGIN IMMEDIATE")?;
        Ok(Reach::Everything)
    }

    fn commit(&mut self, doing_this: &'static str) -> Result<(), DatabaseError> {
        self.run(doing_this, "COMMIT")
    }

    fn rollback(&mut self) {
        if !self.connection.is_autocommit() {
            // Where it fails, SQLite has rolled back by itself, or will when the connection closes.
            let _ = self.connection.execute_batch("ROLLBACK");
        }
    }

    fn savepoint(&mut self) -> Result<(), DatabaseError> {
        self.run("setting a savepoint", "SAVEPOINT treaty")
    }

    fn rollback_to_savepoint(&mut self) -> Result<(), DatabaseError> {
        self.run("going back to a savepoint", "ROLLBACK TO treaty")?;
        self.release_savepoint()
    }

    fn release_savepoint(&mut self) -> Result<(), DatabaseError> {
        self.run("releasing a savepoint", "RELEASE treaty")
    }

    fn knows_transactions(&self) -> bool {
        false
    }

    fn read_queue(&mut self) -> Result<Queue, DatabaseError> {
        queue::read(&self.connection, &self.tables)
    }

    fn is_queue_empty(&mut self) -> Result<bool, DatabaseError> {
        queue::is_empty(&self.connection)
    }

    fn read_queued(&mut self, rows: &[QueuedRow]) -> Result<Vec<Found>, DatabaseError> {
        queue::read_rows(&self.connection, &self.tables, rows)
    }

    fn touched_outside(&mut self, rows: &[ShownRow], seen: &SeqRanges) -> Result<BTreeSet<ShownRow>, DatabaseError> {
        let touched = queue::touched_outside(&self.connection, &self.tables, seen)?;
        Ok(rows.iter().filter(|row| touched.contains(row)).copied().collect())
    }

    fn remove_lines(&mut self, taken: &SeqRanges) -> Result<(), DatabaseError> {
        queue::remove(&self.connection, taken)
    }

    fn append_lines(&mut self, table: usize, ids: &[StoredId], _author: Option<&str>) -> Result<(), DatabaseError> {
        queue::append(&self.connection, &self.tables[table], ids)
    }

    fn append_all(&mut self, table: usize) -> Result<u64, DatabaseError> {
        queue::append_all(&self.connection, &self.tables[table])
    }

    fn queued_ids(&mut self, table: usize) -> Result<BTreeSet<String>, DatabaseError> {
        self.know_spellings()?;
        queue::ids(&self.connection, &self.tables[table])
    }

    fn waiting(&mut self) -> Result<u64, DatabaseError> {
        queue::waiting(&self.connection)
    }

    fn rest_triggers(&mut self) -> Result<(), DatabaseError> {
        writer::rest_triggers(&self.connection)
    }

    fn wake_triggers(&mut self) -> Result<(), DatabaseError> {
        writer::wake_triggers(&self.connection)
    }

    /// Whoever has the write lock has all rows.
    fn hold(&mut self, rows: &[ShownRow], seen: &SeqRanges) -> Result<Others, DatabaseError> {
        Ok(Others { touched_again: self.touched_outside(rows, seen)?, busy: BTreeSet::new() })
    }

    fn mark(&mut self, table: usize, ids: &[StoredId], marks: Marks<'_>) -> Result<(), DatabaseError> {
        queue::mark(&self.connection, &self.tables[table], ids, marks)
    }

    fn mark_taken(
        &mut self,
        table: usize,
        taken: &SeqRanges,
        seen: &SeqRanges,
        marks: Marks<'_>,
    ) -> Result<bool, DatabaseError> {
        queue::mark_taken(&self.connection, &self.tables[table], (taken, seen), marks)
    }

    fn write(&mut self, fates: &[Fate]) -> Result<(), DatabaseError> {
        Writer::new(&self.connection, &self.tables).write(fates)
    }

    fn check_references(&mut self, fates: &[Fate]) -> Result<(), DatabaseError> {
        self.references.check(&self.connection, &self.tables, fates)
    }

    fn overwrite(&mut self, table: usize, id: &StoredId, cells: &Image, marks: Marks<'_>) -> Result<(), DatabaseError> {
        let table = &self.tables[table];
        let overwritten = table.overwrite(&self.connection, &table.turn(id.clone()), cells, marks);
        overwritten.map_err(doing("rewriting a row canonically"))
    }

    fn delete_stored(&mut self, table: usize, id: &StoredId) -> Result<(), DatabaseError> {
        let table = &self.tables[table];
        let deleted = TableSql::run_on_id(&self.connection, &table.delete, &table.turn(id.clone()));
        deleted.map_err(doing("deleting a refused row"))?;
        Ok(())
    }

    fn read_raw_json(&mut self, table: usize, id: &StoredId) -> Result<Option<String>, DatabaseError> {
        rows::raw_json(&self.connection, &self.tables[table], id)
    }

    fn read_page(
        &mut self,
        table: usize,
        after: Option<RowId>,
        bounds: PageBounds,
    ) -> Result<TablePage, DatabaseError> {
        self.know_spellings()?;
        rows::page(&self.connection, &self.tables[table], after, bounds)
    }

    fn read_row(&mut self, row: ShownRow) -> Result<Option<TableRow>, DatabaseError> {
        self.know_spellings()?;
        rows::one(&self.connection, &self.tables[row.table], row.id)
    }

    fn state(&mut self) -> Result<Option<State>, DatabaseError> {
        state::read(&self.connection)
    }

    fn shown(&mut self) -> Result<Shown, DatabaseError> {
        state::shown(&self.connection)
    }

    /// The queue is drained under the lock that rows are written under, so that all work is done on what the tables show.
    fn views(&mut self, _: i64) -> Result<Vec<(i64, Shown)>, DatabaseError> {
        Ok(vec![(0, state::shown(&self.connection)?)])
    }

    fn set_views(&mut self, views: &[(i64, Shown)]) -> Result<(), DatabaseError> {
        views.last().map_or(Ok(()), |(_, shown)| state::set_shown(&self.connection, shown))
    }

    fn add_view(&mut self, shown: &Shown) -> Result<(), DatabaseError> {
        state::set_shown(&self.connection, shown)
    }

    fn add_report(&mut self, report: &Report) -> Result<i64, DatabaseError> {
        rollbacks::add(&self.connection, report)
    }

    fn report_stands(&mut self, table: &str, row: RowId, reason: &str) -> Result<bool, DatabaseError> {
        rollbacks::stands(&self.connection, table, row, reason)
    }

    fn reinstate_row(&mut self, table: &str, row: RowId, reason: &str) -> Result<(), DatabaseError> {
        rollbacks::reinstate_row(&self.connection, table, row, reason)
    }

    fn reinstate_step(&mut self, entry: &str, step: Step) -> Result<bool, DatabaseError> {
        rollbacks::reinstate_step(&self.connection, entry, step)
    }

    fn mark_reinstated(&mut self, cursor: i64) -> Result<(), DatabaseError> {
        rollbacks::mark_reinstated(&self.connection, cursor)
    }

    fn rollbacks_end(&mut self) -> Result<i64, DatabaseError> {
        rollbacks::end(&self.connection)
    }

    fn rollbacks(&mut self, after: i64, count_max: u32) -> Result<Vec<Rollback>, DatabaseError> {
        rollbacks::after(&self.connection, after, count_max)
    }

    fn migrate(&mut self) -> Result<(), DatabaseError> {
        state::migrate(&self.connection)
    }

    fn install(&mut self, existing: Existing) -> Result<Tables, DatabaseError> {
        self.connection.execute_batch(&bookkeeping()).map_err(doing("making the bookkeeping tables"))?;
        let tables = install::make_tables(&self.connection, &self.schema, existing)?;
        guard::mend(&self.connection, &self.schema)?;
        self.learn_spellings()?;
        Ok(tables)
    }

    fn create_state(&mut self, state: &State) -> Result<(), DatabaseError> {
        state::create(&self.connection, state)
    }

    fn check_writable(&mut self) -> Result<(), DatabaseError> {
        self.check_statements()
    }

    fn check_triggers(&mut self) -> Result<Checked, DatabaseError> {
        self.check_and_mend()
    }

    fn uninstall(&mut self) -> Result<Uninstalled, DatabaseError> {
        uninstall::uninstall(&self.connection, &self.path)
    }

    /// The machine, where it has an id, and the resolved path.
    fn describe_place(&mut self) -> Result<String, DatabaseError> {
        let machine = std::fs::read_to_string("/etc/machine-id").unwrap_or_default();
        let resolved = std::fs::canonicalize(&self.path).unwrap_or_else(|_| self.path.clone());
        Ok(match machine.trim() {
            "" => resolved.display().to_string(),
            machine => format!("{} on machine {machine}", resolved.display()),
        })
    }

    /// Costs about 10 µs.
    fn look(&mut self) -> Result<Look, DatabaseError> {
        let version = self.data_version()?;
        let is_same = self.data_version.replace(version) == Some(version);
        Ok(if is_same { Look::Unchanged } else { Look::Changed })
    }

    fn change_mark(&mut self) -> Result<Option<i64>, DatabaseError> {
        self.data_version().map(Some)
    }

    fn tidy(&mut self) -> Result<(), DatabaseError> {
        connect::checkpoint_if_large(&self.connection, &self.path)
    }

    fn watch(&mut self, on_event: Box<dyn Fn() + Send>) -> Option<Box<dyn Watch>> {
        watch::watch(&self.path, on_event)
    }

    fn rhythm(&self) -> Rhythm {
        watch::RHYTHM
    }
}
