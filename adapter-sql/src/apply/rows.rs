//! What becomes of rows, and what is told about those that have another id than they were inserted under.

use treaty_engine::replica::{RowChange, RowImage};
use treaty_schema::Schema;

use crate::capture::{Operation, Report, ShownRow, Step, json_of_columns};
use crate::database::{Database, DatabaseError, Fate};

/// The reason of a report about a row that is shown under a derived id.
const RENAMED: &str = "renamed";

/// What a change means for its row.
pub(crate) fn fate(change: RowChange) -> Fate {
    let RowChange { table, id, row } = change;
    Fate { key: ShownRow { table, id }, row, status: None }
}

/// Writes rows as the engine decided, and tells of derived ids that come and go.
pub(crate) fn write_rows(db: &mut dyn Database, schema: &Schema, fates: &[Fate]) -> Result<(), DatabaseError> {
    if fates.is_empty() {
        return Ok(());
    }
    let derived = || fates.iter().filter(|fate| fate.key.id.is_derived());
    for fate in derived().filter(|fate| fate.row.is_none()) {
        db.reinstate_row(schema.tables()[fate.key.table].name.as_str(), fate.key.id, RENAMED)?;
    }
    for fate in derived() {
        if let Some(row) = &fate.row {
            report_renamed(db, schema, fate.key, row)?;
        }
    }
    db.write(fates)
}

/// Reports a row that is shown under a derived id, once: another row has its own.
fn report_renamed(db: &mut dyn Database, schema: &Schema, key: ShownRow, row: &RowImage) -> Result<(), DatabaseError> {
    let table = &schema.tables()[key.table];
    if db.report_stands(table.name.as_str(), key.id, RENAMED)? {
        return Ok(());
    }
    db.add_report(&Report {
        entry: Some(row.name.entry.to_string()),
        step: Some(Step { transaction: row.name.transaction, operation: row.name.operation }),
        table: table.name.to_string(),
        row: key.id.to_string(),
        operation: Operation::Insert,
        author: row.author.to_string(),
        lost: json_of_columns(table, &row.cells, 0..row.cells.len()),
        reason: RENAMED.to_owned(),
        message: format!("another row has the id that this one was inserted under: it is shown as {}", key.id),
        culprit: None,
    })?;
    Ok(())
}
