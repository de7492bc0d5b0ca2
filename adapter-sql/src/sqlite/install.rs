//! Making a database part of a space: bookkeeping, tables, triggers, the genesis rows, and what was there before.
//!
//! One transaction: a database that cannot be adopted is left exactly as it was.

use std::path::Path;

use rusqlite::Connection;
use tracing::info;
use treaty_ddl::sql::quote::{ident, text};
use treaty_ddl::sql::sqlite::{bookkeeping, create_table};
use treaty_engine::hash::SpaceId;
use treaty_engine::identity::Identity;
use treaty_engine::replica::Shown;
use treaty_schema::Schema;

use crate::link::EngineLink;

use super::Application;
use super::apply::fate;
use super::connect::{Missing, begin_write, connect};
use super::error::{SqliteError, doing};
use super::guard::{check_columns, mend};
use super::rollbacks;
use super::start::{INSTANCE, PLACE, describe_place};
use super::state::State;
use super::writer::{Fate, Quiet, Writer};

/// Reasons shown of why tables cannot be adopted.
const REASONS_MAX: usize = 20;

/// Who a database belongs to.
#[derive(Debug, Clone, Copy)]
pub struct Node<'n> {
    /// The schema of the space.
    pub schema: &'n Schema,
    /// The space.
    pub space: SpaceId,
    /// The default author.
    pub identity: Identity,
    /// Pause at which a backlog is cut into transactions, in milliseconds.
    pub gap_ms: i64,
}

/// What to do with rows that are there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// They become this node's first changes.
    Adopt,
    /// A table of the schema that holds rows is refused.
    Refuse,
}

/// What an installation did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    /// Tables made.
    pub created: Vec<String>,
    /// Tables that were there already.
    pub adopted: Vec<String>,
    /// Their rows, now in the log.
    pub adopted_row_count: u64,
}

impl Application {
    /// Installs Treaty in the database at `path` (made if it is missing) and shows what the log's beginning holds.
    ///
    /// * `instance` - random; binds database and data directory to each other.
    ///
    /// # Errors
    /// [`SqliteError::AlreadyInstalled`]; [`SqliteError::Adoption`] and [`SqliteError::SchemaChanged`] if what is there does
    /// not fit. The database is as it was; the log may hold entries of the failed attempt, and is to be thrown away.
    pub fn install(
        path: &Path,
        node: &Node<'_>,
        existing: Existing,
        instance: &str,
        link: &mut dyn EngineLink,
    ) -> Result<(Application, Installed), SqliteError> {
        let connection = connect(path, Missing::Created)?;
        let application = Application::new(connection, path, node.schema, node.identity, node.gap_ms);
        application.is_settled.set(true);
        let write = begin_write(&application.connection)?;
        if let Some(state) = State::read(&write)? {
            return Err(SqliteError::AlreadyInstalled { space: state.space });
        }
        write.execute_batch(&bookkeeping()).map_err(doing("making the bookkeeping tables"))?;
        let tables = make_tables(&write, node.schema, existing)?;
        mend(&write, node.schema)?;
        State {
            space: node.space.to_string(),
            identity: node.identity.to_string(),
            instance: instance.to_owned(),
            schema: node.schema.version().to_string(),
            shown: Shown::NOTHING,
        }
        .create(&write)?;
        application.show_beginning(&write, link)?;
        let adopted_row_count = application.adopt(&write, &tables.adopted, link)?;
        link.set_note(INSTANCE, instance.as_bytes())?;
        link.set_note(PLACE, describe_place(path).as_bytes())?;
        application.check_writable()?;
        write.commit().map_err(doing("committing the installation"))?;
        info!(created = tables.created.len(), adopted = tables.adopted.len(), adopted_row_count, "installed");
        let installed = Installed { adopted_row_count, ..tables };
        Ok((application, installed))
    }

    /// Shows the genesis rows: adopted rows may need the permission that they give.
    fn show_beginning(&self, connection: &Connection, link: &mut dyn EngineLink) -> Result<(), SqliteError> {
        let batch = link.next_batch(&Shown::NOTHING, 1)?;
        let fates: Vec<Fate> = batch.changes.into_iter().map(fate).collect();
        let quiet = Quiet::begin(connection)?;
        Writer::new(connection, &self.tables).write(&fates).map_err(|cause| match cause {
            SqliteError::Obstructed { table, row, what } => {
                let reason =
                    format!("row {row} of table {table}, which the space starts with, does not fit in: {what}");
                SqliteError::Adoption { reasons: vec![reason] }
            }
            other => other,
        })?;
        State::set_shown(connection, &batch.to)?;
        quiet.end(connection)
    }

    /// Imports rows that were there before; returns how many.
    fn adopt(&self, connection: &Connection, names: &[String], link: &mut dyn EngineLink) -> Result<u64, SqliteError> {
        let failed = doing("adopting existing rows");
        let mut row_count = 0;
        for index in by_reference(&self.schema) {
            let table = &self.tables[index];
            if !names.iter().any(|name| name == table.name()) {
                continue;
            }
            let id = ident(table.table.columns[table.table.id_column].name.as_str());
            let sql = format!(
                "INSERT INTO treaty_queue (table_name, row_id) SELECT {}, {id} FROM {} ORDER BY rowid",
                text(table.name()),
                table.quoted
            );
            row_count += connection.execute(&sql, []).map_err(&failed)? as u64;
        }
        let drained = self.drain_locked(link)?;
        if drained.refused_count > 0 {
            return Err(self.adoption_error(connection)?);
        }
        Ok(row_count)
    }

    /// Turns the reports of rows that could not be adopted into the reasons of a refusal.
    fn adoption_error(&self, connection: &Connection) -> Result<SqliteError, SqliteError> {
        let mut reasons: Vec<String> = Vec::new();
        for rollback in rollbacks::after(connection, 0, 10_000)? {
            let report = rollback.report;
            let reason = format!("{} row {}: {}", report.table, report.row, report.message);
            // One transaction gives one message for all of its rows: the first row stands for them.
            if !reasons.iter().any(|known| known.ends_with(&report.message)) {
                reasons.push(reason);
            }
            if reasons.len() == REASONS_MAX {
                break;
            }
        }
        Ok(SqliteError::Adoption { reasons })
    }
}

/// Makes the tables that are missing and fits those that are there.
fn make_tables(connection: &Connection, schema: &Schema, existing: Existing) -> Result<Installed, SqliteError> {
    let failed = doing("making tables");
    let (mut created, mut adopted, mut reasons) = (Vec::new(), Vec::new(), Vec::new());
    for table in schema.tables() {
        let name = table.name.as_str();
        let is_there: bool = connection
            .query_row("SELECT count(*) > 0 FROM sqlite_schema WHERE name = ?1 COLLATE NOCASE", [name], |row| {
                row.get(0)
            })
            .map_err(&failed)?;
        if !is_there {
            connection.execute_batch(&create_table(schema, table)).map_err(&failed)?;
            created.push(name.to_owned());
            continue;
        }
        match check_columns(connection, table) {
            Ok(_) => {}
            Err(SqliteError::SchemaChanged { table, what }) => {
                reasons.push(format!("table {table} does not fit the schema: {what}"));
                continue;
            }
            Err(other) => return Err(other),
        }
        let sql = format!("SELECT EXISTS (SELECT 1 FROM {})", ident(name));
        let has_rows: bool = connection.query_row(&sql, [], |row| row.get(0)).map_err(&failed)?;
        if has_rows && existing == Existing::Refuse {
            reasons.push(format!("table {name} holds rows already: join with an empty database"));
        }
        adopted.push(name.to_owned());
    }
    if reasons.is_empty() {
        return Ok(Installed { created, adopted, adopted_row_count: 0 });
    }
    Err(SqliteError::Adoption { reasons })
}

/// The tables, those referred to before those that refer, as far as that goes.
fn by_reference(schema: &Schema) -> Vec<usize> {
    let (mut order, mut rest): (Vec<usize>, Vec<usize>) = (Vec::new(), (0..schema.tables().len()).collect());
    while !rest.is_empty() {
        let is_ready = |&table: &usize| {
            schema.tables()[table].foreign_keys.iter().all(|key| key.target == table || order.contains(&key.target))
        };
        // In a ring of references none comes first: the first one does.
        let next = rest.iter().position(is_ready).unwrap_or(0);
        order.push(rest.remove(next));
    }
    order
}
