//! Making a database part of a space: bookkeeping, tables, triggers, the genesis rows, and what was there before.
//!
//! One transaction: a database that cannot be adopted is left exactly as it was.

use tracing::info;
use treaty_engine::replica::Shown;
use treaty_schema::Schema;

use super::Application;
use super::start::{INSTANCE, PLACE};
use crate::apply::{fate, write_rows};
use crate::capture::Capture;
use crate::database::{Database, DatabaseError, Existing, Fate, Node, State, WriteScope, in_write};
use crate::link::EngineLink;

/// Reasons shown of why tables cannot be adopted.
const REASONS_MAX: usize = 20;
/// Reports read to find them.
const REPORTS_MAX: u32 = 10_000;

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
    /// Installs Treaty in a database and shows what the log's beginning holds.
    ///
    /// * `instance` - random; binds database and data directory to each other.
    ///
    /// # Errors
    /// [`DatabaseError::AlreadyInstalled`]; [`DatabaseError::Adoption`] and [`DatabaseError::SchemaChanged`] if what is there
    /// does not fit. The database is as it was; the log may hold entries of the failed attempt, and is to be thrown away.
    pub fn install(
        database: Box<dyn Database>,
        node: &Node<'_>,
        existing: Existing,
        instance: &str,
        link: &mut dyn EngineLink,
    ) -> Result<(Application, Installed), DatabaseError> {
        let mut application = Application::new(database, node);
        let Application { database, capture, .. } = &mut application;
        capture.is_settled = true;
        let scope = WriteScope::Everything;
        let installed = in_write(&mut **database, scope, "committing the installation", |db, _| {
            if let Some(state) = db.state()? {
                return Err(DatabaseError::AlreadyInstalled { space: state.space });
            }
            let tables = db.install(existing)?;
            db.create_state(&State {
                space: node.space.to_string(),
                identity: node.identity.to_string(),
                instance: instance.to_owned(),
                schema: node.schema.version().to_string(),
                shown: Shown::NOTHING,
            })?;
            show_beginning(db, node.schema, link)?;
            let adopted_row_count = adopt(db, capture, &tables.adopted, link)?;
            link.set_note(INSTANCE, instance.as_bytes())?;
            link.set_note(PLACE, db.describe_place()?.as_bytes())?;
            db.check_writable()?;
            Ok(Installed { created: tables.created, adopted: tables.adopted, adopted_row_count })
        })?;
        let Installed { created, adopted, adopted_row_count } = &installed;
        info!(created = created.len(), adopted = adopted.len(), adopted_row_count, "installed");
        Ok((application, installed))
    }
}

/// Shows the genesis rows: adopted rows may need the permission that they give.
fn show_beginning(db: &mut dyn Database, schema: &Schema, link: &mut dyn EngineLink) -> Result<(), DatabaseError> {
    let batch = link.next_batch(&Shown::NOTHING, 1)?;
    let fates: Vec<Fate> = batch.changes.into_iter().map(fate).collect();
    db.rest_triggers()?;
    write_rows(db, schema, &fates).map_err(|cause| match cause {
        DatabaseError::Obstructed { table, row, what } => {
            let reason = format!("row {row} of table {table}, which the space starts with, does not fit in: {what}");
            DatabaseError::Adoption { reasons: vec![reason] }
        }
        DatabaseError::InTheWay { what } => {
            let reason = format!("a row which the space starts with does not fit in: {what}");
            DatabaseError::Adoption { reasons: vec![reason] }
        }
        other => other,
    })?;
    db.add_view(&batch.to)?;
    db.wake_triggers()
}

/// Imports rows that were there before; returns how many.
fn adopt(
    db: &mut dyn Database,
    capture: &mut Capture,
    names: &[String],
    link: &mut dyn EngineLink,
) -> Result<u64, DatabaseError> {
    let mut row_count = 0;
    for (index, table) in capture.schema.tables().iter().enumerate() {
        if names.iter().any(|name| name == table.name.as_str()) {
            row_count += db.append_all(index)?;
        }
    }
    let drained = capture.drain_locked(db, link)?;
    if drained.refused_count > 0 {
        return Err(adoption_error(db)?);
    }
    Ok(row_count)
}

/// Turns the reports of rows that could not be adopted into the reasons of a refusal.
fn adoption_error(db: &mut dyn Database) -> Result<DatabaseError, DatabaseError> {
    let mut reasons: Vec<String> = Vec::new();
    for rollback in db.rollbacks(0, REPORTS_MAX)? {
        let report = rollback.report;
        let reason = format!("{} row {}: {}", report.table, report.row, report.message);
        // One transaction gives one message for all of its rows: the first is the one at fault, where one is.
        if !reasons.iter().any(|known| known.ends_with(&report.message)) {
            reasons.push(reason);
        }
        if reasons.len() == REASONS_MAX {
            break;
        }
    }
    Ok(DatabaseError::Adoption { reasons })
}
