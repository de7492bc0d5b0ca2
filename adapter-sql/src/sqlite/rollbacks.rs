//! `treaty_rollbacks`: what applications are told about work that did not last.

use rusqlite::{Connection, Row, ToSql, params};
use treaty_engine::relation::RowId;

use crate::capture::{Operation, Report, Step};

use super::error::doing;
use crate::database::{DatabaseError, Rollback};

/// What a report holds besides when it was made.
const COLUMNS: &str = "entry, tx, step, table_name, row_id, operation, author, lost, reason, message, culprit";
/// The clock, in UTC, as SQL.
const NOW: &str = "strftime('%Y-%m-%dT%H:%M:%fZ', 'now')";

/// Adds a report; returns its cursor.
pub(super) fn add(connection: &Connection, report: &Report) -> Result<i64, DatabaseError> {
    let failed = doing("writing treaty_rollbacks");
    let sql = format!(
        "INSERT INTO treaty_rollbacks ({COLUMNS}, noticed) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, {NOW})"
    );
    let Report { entry, step, table, row, operation, author, lost, reason, message, culprit } = report;
    let (tx, step) = step.map(|step| (step.transaction, step.operation)).unzip();
    let mut statement = connection.prepare_cached(&sql).map_err(&failed)?;
    statement
        .insert(params![entry, tx, step, table, row, operation.word(), author, lost, reason, message, culprit])
        .map_err(failed)
}

/// Says whether a report of this reason about a row still stands.
pub(super) fn stands(connection: &Connection, table: &str, row: RowId, reason: &str) -> Result<bool, DatabaseError> {
    let sql = "SELECT EXISTS (SELECT 1 FROM treaty_rollbacks WHERE table_name = ?1 AND row_id = ?2 AND reason = ?3 \
               AND reinstated IS NULL)";
    connection
        .prepare_cached(sql)
        .and_then(|mut statement| statement.query_row(params![table, row.to_string(), reason], |row| row.get(0)))
        .map_err(doing("reading treaty_rollbacks"))
}

/// Takes back what reports of this reason say about a row: they are marked as reinstated, and told again under new cursors.
pub(super) fn reinstate_row(
    connection: &Connection,
    table: &str,
    row: RowId,
    reason: &str,
) -> Result<(), DatabaseError> {
    let these = "table_name = ?1 AND row_id = ?2 AND reason = ?3";
    reinstate_all(connection, these, params![table, row.to_string(), reason])?;
    Ok(())
}

/// Takes back the report that an operation was rolled back, as [`reinstate_row`] does; says whether there was one.
pub(super) fn reinstate_step(connection: &Connection, entry: &str, step: Step) -> Result<bool, DatabaseError> {
    let these = "entry = ?1 AND tx = ?2 AND step = ?3 AND reason <> 'renamed'";
    reinstate_all(connection, these, params![entry, step.transaction, step.operation])
}

/// Marks a report as one that is not so any more.
pub(super) fn mark_reinstated(connection: &Connection, cursor: i64) -> Result<(), DatabaseError> {
    mark(connection, "cursor = ?1", params![cursor])
}

/// A line that is only marked would never reach a reader whose cursor is past it: so the news gets a line of its own.
fn reinstate_all(connection: &Connection, these: &str, values: &[&dyn ToSql]) -> Result<bool, DatabaseError> {
    let again = format!(
        "INSERT INTO treaty_rollbacks ({COLUMNS}, noticed, reinstated) SELECT {COLUMNS}, noticed, {NOW} FROM treaty_rollbacks \
         WHERE {these} AND reinstated IS NULL ORDER BY cursor"
    );
    let count = connection
        .prepare_cached(&again)
        .and_then(|mut statement| statement.execute(values))
        .map_err(doing("writing treaty_rollbacks"))?;
    mark(connection, these, values)?;
    Ok(count > 0)
}

fn mark(connection: &Connection, these: &str, values: &[&dyn ToSql]) -> Result<(), DatabaseError> {
    let sql = format!("UPDATE treaty_rollbacks SET reinstated = {NOW} WHERE {these} AND reinstated IS NULL");
    connection
        .prepare_cached(&sql)
        .and_then(|mut statement| statement.execute(values))
        .map_err(doing("writing treaty_rollbacks"))?;
    Ok(())
}

/// Returns the cursor of the last report; 0 if there is none.
pub(super) fn end(connection: &Connection) -> Result<i64, DatabaseError> {
    let sql = "SELECT coalesce(max(cursor), 0) FROM treaty_rollbacks";
    connection.query_row(sql, [], |row| row.get(0)).map_err(doing("reading treaty_rollbacks"))
}

/// Reads reports after a cursor, in order.
pub(super) fn after(connection: &Connection, cursor: i64, count_max: u32) -> Result<Vec<Rollback>, DatabaseError> {
    let failed = doing("reading treaty_rollbacks");
    let sql = format!(
        "SELECT cursor, {COLUMNS}, noticed, reinstated FROM treaty_rollbacks WHERE cursor > ?1 ORDER BY cursor LIMIT ?2"
    );
    let mut statement = connection.prepare_cached(&sql).map_err(&failed)?;
    let rows = statement.query_map(params![cursor, count_max], read).map_err(&failed)?;
    rows.collect::<Result<_, _>>().map_err(failed)
}

fn read(row: &Row<'_>) -> rusqlite::Result<Rollback> {
    let word: String = row.get("operation")?;
    let operation = Operation::from_word(&word).ok_or(rusqlite::Error::InvalidQuery)?;
    let step: Option<(u32, u32)> = row.get::<_, Option<u32>>("tx")?.zip(row.get("step")?);
    Ok(Rollback {
        cursor: row.get("cursor")?,
        report: Report {
            entry: row.get("entry")?,
            step: step.map(|(transaction, operation)| Step { transaction, operation }),
            table: row.get("table_name")?,
            row: row.get("row_id")?,
            operation,
            author: row.get("author")?,
            lost: row.get("lost")?,
            reason: row.get("reason")?,
            message: row.get("message")?,
            culprit: row.get("culprit")?,
        },
        noticed: row.get("noticed")?,
        reinstated: row.get("reinstated")?,
    })
}
