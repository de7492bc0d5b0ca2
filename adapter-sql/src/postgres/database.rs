//! PostgreSQL as a [`Database`]: each function is a line that names the module whose business it is.

use std::collections::BTreeSet;

use sqlx::postgres::PgConnectOptions;
use treaty_engine::relation::RowId;
use treaty_engine::replica::Shown;
use treaty_schema::Schema;

use super::guard::Guard;
use super::rows::ReadSize;
use super::session::{Purpose, Session, doing, statement};
use super::silence::Patience;
use super::sweep::Sweep;
use super::table::TableSql;
use super::wake::Wake;
use super::{install, queue, rollbacks, rows, scope, state, table, writer};
use crate::capture::{Image, Report, ShownRow, Step};
use crate::database::{
    Checked, Database, DatabaseError, Existing, Fate, Found, Look, Marks, Others, PageBounds, Queue, QueuedRow, Reach,
    Rhythm, Rollback, SeqRanges, State, StoredId, TablePage, TableRow, Tables, Uninstalled, Watch, WriteScope,
};

/// The one savepoint.
const SAVEPOINT: &str = "treaty_savepoint";

/// An application's PostgreSQL database.
#[derive(Debug)]
pub struct PostgresDatabase {
    session: Session,
    schema: Option<Schema>,
    tables: Vec<TableSql>,
    /// How many rows a statement reads.
    size: ReadSize,
    guard: Guard,
    wake: Wake,
    sweep: Sweep,
}

impl PostgresDatabase {
    /// Connects.
    ///
    /// * `is_notified` - whether to be told of commits by NOTIFY, besides looking.
    ///
    /// # Errors
    /// [`DatabaseError::Open`]; [`DatabaseError::Unfit`] if the server or what stands before it will not do.
    pub fn open(
        options: &PgConnectOptions,
        purpose: Purpose,
        is_notified: bool,
    ) -> Result<PostgresDatabase, DatabaseError> {
        Ok(PostgresDatabase {
            session: Session::open(options, purpose)?,
            schema: None,
            tables: Vec::new(),
            size: ReadSize::new(),
            guard: Guard::default(),
            wake: Wake::new(is_notified),
            sweep: Sweep::default(),
        })
    }

    /// Changes how long to wait for the server: a minute or so is right for most.
    #[must_use]
    pub fn with_patience(mut self, patience: Patience) -> PostgresDatabase {
        self.session.set_patience(patience);
        self
    }
}

/// What is asked for before [`Database::use_schema`] needs none.
fn nothing_known() -> DatabaseError {
    DatabaseError::Damaged { what: "no schema is known yet".to_owned() }
}

impl Database for PostgresDatabase {
    fn name(&self) -> String {
        self.session.name()
    }

    fn use_schema(&mut self, schema: &Schema) {
        self.tables = table::tables(schema);
        self.schema = Some(schema.clone());
    }

    fn losses(&self) -> u64 {
        self.session.losses()
    }

    fn begin_read(&mut self) -> Result<(), DatabaseError> {
        scope::begin_read(&mut self.session)
    }

    fn begin_write(&mut self, scope: WriteScope<'_>) -> Result<Reach, DatabaseError> {
        scope::begin_write(&mut self.session, &self.tables, scope)
    }

    fn commit(&mut self, doing: &'static str) -> Result<(), DatabaseError> {
        self.session.commit().map_err(|failure| {
            if failure.is_refusal() && !failure.is_busy() {
                return DatabaseError::InTheWay { what: failure.words() };
            }
            failure.into_error(doing)
        })
    }

    fn rollback(&mut self) {
        self.session.rollback();
    }

    fn savepoint(&mut self) -> Result<(), DatabaseError> {
        self.session.savepoint(SAVEPOINT).map_err(doing("setting a savepoint"))
    }

    fn rollback_to_savepoint(&mut self) -> Result<(), DatabaseError> {
        self.session.rollback_to_savepoint(SAVEPOINT).map_err(doing("going back to a savepoint"))
    }

    fn release_savepoint(&mut self) -> Result<(), DatabaseError> {
        self.session.release_savepoint(SAVEPOINT).map_err(doing("forgetting a savepoint"))
    }

    fn knows_transactions(&self) -> bool {
        true
    }

    fn read_queue(&mut self) -> Result<Queue, DatabaseError> {
        queue::read(&mut self.session, &self.tables)
    }

    fn is_queue_empty(&mut self) -> Result<bool, DatabaseError> {
        queue::is_empty(&mut self.session)
    }

    fn read_queued(&mut self, rows: &[QueuedRow]) -> Result<Vec<Found>, DatabaseError> {
        rows::read_queued(&mut self.session, &self.tables, &mut self.size, rows)
    }

    fn touched_outside(&mut self, rows: &[ShownRow], seen: &SeqRanges) -> Result<BTreeSet<ShownRow>, DatabaseError> {
        queue::touched_outside(&mut self.session, &self.tables, rows, seen)
    }

    fn remove_lines(&mut self, taken: &SeqRanges) -> Result<(), DatabaseError> {
        self.sweep.removed(queue::remove(&mut self.session, taken)?);
        Ok(())
    }

    fn append_lines(&mut self, table: usize, ids: &[StoredId], author: Option<&str>) -> Result<(), DatabaseError> {
        queue::append(&mut self.session, &self.tables[table], ids, author)
    }

    fn append_all(&mut self, table: usize) -> Result<u64, DatabaseError> {
        queue::append_all(&mut self.session, &self.tables[table])
    }

    fn queued_ids(&mut self, table: usize) -> Result<BTreeSet<String>, DatabaseError> {
        queue::ids(&mut self.session, &self.tables[table])
    }

    fn waiting(&mut self) -> Result<u64, DatabaseError> {
        queue::waiting(&mut self.session)
    }

    fn rest_triggers(&mut self) -> Result<(), DatabaseError> {
        self.session.script("SET LOCAL treaty.applying = 'on'").map_err(doing("putting the triggers to rest"))
    }

    fn wake_triggers(&mut self) -> Result<(), DatabaseError> {
        self.session.script("SET LOCAL treaty.applying = ''").map_err(doing("waking the triggers"))
    }

    fn hold(&mut self, rows: &[ShownRow], seen: &SeqRanges) -> Result<Others, DatabaseError> {
        // Rows that everybody writes to were mostly written again: nobody is to wait for us then.
        let touched = self.touched_outside(rows, seen)?;
        let rest: Vec<ShownRow> = rows.iter().copied().filter(|row| !touched.contains(row)).collect();
        let busy = rows::hold(&mut self.session, &self.tables, &rest)?;
        Ok(Others { touched_again: self.touched_outside(rows, seen)?, busy })
    }

    fn mark(&mut self, table: usize, ids: &[StoredId], marks: Marks<'_>) -> Result<(), DatabaseError> {
        rows::mark(&mut self.session, &self.tables[table], ids, marks)
    }

    fn mark_taken(
        &mut self,
        _table: usize,
        _taken: &SeqRanges,
        _seen: &SeqRanges,
        _marks: Marks<'_>,
    ) -> Result<bool, DatabaseError> {
        // Rows are marked by id in one statement anyway.
        Ok(false)
    }

    fn write(&mut self, fates: &[Fate]) -> Result<(), DatabaseError> {
        writer::write(&mut self.session, &self.tables, fates)
    }

    fn check_references(&mut self, fates: &[Fate]) -> Result<(), DatabaseError> {
        writer::check_references(&mut self.session, &self.tables, fates)
    }

    fn overwrite(
        &mut self,
        table: usize,
        _id: &StoredId,
        cells: &Image,
        marks: Marks<'_>,
    ) -> Result<(), DatabaseError> {
        // Ids have one spelling here.
        rows::overwrite(&mut self.session, &self.tables[table], cells, marks)
    }

    fn delete_stored(&mut self, table: usize, id: &StoredId) -> Result<(), DatabaseError> {
        rows::delete(&mut self.session, &self.tables[table], id)
    }

    fn read_raw_json(&mut self, table: usize, id: &StoredId) -> Result<Option<String>, DatabaseError> {
        rows::read_raw_json(&mut self.session, &self.tables[table], id)
    }

    fn read_page(
        &mut self,
        table: usize,
        after: Option<RowId>,
        bounds: PageBounds,
    ) -> Result<TablePage, DatabaseError> {
        rows::read_page(&mut self.session, &self.tables[table], &mut self.size, after, bounds)
    }

    fn read_row(&mut self, row: ShownRow) -> Result<Option<TableRow>, DatabaseError> {
        rows::read_row(&mut self.session, &self.tables[row.table], row.id)
    }

    fn state(&mut self) -> Result<Option<State>, DatabaseError> {
        state::read(&mut self.session)
    }

    fn shown(&mut self) -> Result<Shown, DatabaseError> {
        state::shown(&mut self.session)
    }

    fn views(&mut self, from: i64) -> Result<Vec<(i64, Shown)>, DatabaseError> {
        state::views(&mut self.session, from)
    }

    fn set_views(&mut self, views: &[(i64, Shown)]) -> Result<(), DatabaseError> {
        state::set_views(&mut self.session, views)
    }

    fn add_view(&mut self, shown: &Shown) -> Result<(), DatabaseError> {
        state::add_view(&mut self.session, shown)
    }

    fn add_report(&mut self, report: &Report) -> Result<i64, DatabaseError> {
        rollbacks::add(&mut self.session, report)
    }

    fn report_stands(&mut self, table: &str, row: RowId, reason: &str) -> Result<bool, DatabaseError> {
        rollbacks::stands(&mut self.session, table, row, reason)
    }

    fn reinstate_row(&mut self, table: &str, row: RowId, reason: &str) -> Result<(), DatabaseError> {
        rollbacks::reinstate_row(&mut self.session, table, row, reason)
    }

    fn reinstate_step(&mut self, entry: &str, step: Step) -> Result<bool, DatabaseError> {
        rollbacks::reinstate_step(&mut self.session, entry, step)
    }

    fn mark_reinstated(&mut self, cursor: i64) -> Result<(), DatabaseError> {
        rollbacks::mark_reinstated(&mut self.session, cursor)
    }

    fn rollbacks_end(&mut self) -> Result<i64, DatabaseError> {
        rollbacks::end(&mut self.session)
    }

    fn rollbacks(&mut self, after: i64, count_max: u32) -> Result<Vec<Rollback>, DatabaseError> {
        rollbacks::after(&mut self.session, after, count_max)
    }

    fn migrate(&mut self) -> Result<(), DatabaseError> {
        state::migrate(&mut self.session)
    }

    fn install(&mut self, existing: Existing) -> Result<Tables, DatabaseError> {
        let schema = self.schema.as_ref().ok_or_else(nothing_known)?;
        install::install(&mut self.session, schema, existing)
    }

    fn create_state(&mut self, state: &State) -> Result<(), DatabaseError> {
        state::create(&mut self.session, state)
    }

    fn check_writable(&mut self) -> Result<(), DatabaseError> {
        let failed = doing("reading the rights of the role");
        for table in &self.tables {
            let sql = "SELECT has_table_privilege($1, 'SELECT') AND has_table_privilege($1, 'INSERT') \
                       AND has_table_privilege($1, 'UPDATE') AND has_table_privilege($1, 'DELETE')";
            let asking = statement(sql).bind(&table.quoted);
            if !self.session.fetch_value::<bool>(asking).map_err(&failed)? {
                let what =
                    "the role of the sidecar may not read and write it, though it owns it: GRANT ALL ON it".to_owned();
                return Err(DatabaseError::SchemaChanged { table: table.name().to_owned(), what });
            }
        }
        Ok(())
    }

    fn check_triggers(&mut self) -> Result<Checked, DatabaseError> {
        let schema = self.schema.as_ref().ok_or_else(nothing_known)?;
        self.guard.check(&mut self.session, schema)
    }

    fn uninstall(&mut self) -> Result<Uninstalled, DatabaseError> {
        install::uninstall(&mut self.session)
    }

    fn describe_place(&mut self) -> Result<String, DatabaseError> {
        install::describe_place(&mut self.session)
    }

    fn look(&mut self) -> Result<Look, DatabaseError> {
        let look = self.wake.look(&mut self.session)?;
        self.sweep.after(look, &mut self.session)?;
        let Some(schema) = &self.schema else { return Ok(look) };
        let is_alarmed = self.guard.is_alarmed(&mut self.session, schema)?;
        Ok(if is_alarmed { Look::Changed } else { look })
    }

    fn change_mark(&mut self) -> Result<Option<i64>, DatabaseError> {
        Ok(None)
    }

    fn tidy(&mut self) -> Result<(), DatabaseError> {
        Ok(())
    }

    fn watch(&mut self, on_event: Box<dyn Fn() + Send>) -> Option<Box<dyn Watch>> {
        self.wake.watch(&self.session, on_event)
    }

    fn rhythm(&self) -> Rhythm {
        self.wake.rhythm()
    }
}
