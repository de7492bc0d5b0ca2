//! `treaty.rollbacks`: what applications are told about work that did not last.
//!
//! Only the sidecar writes it, in one transaction at a time: the order of cursors is that of commits.

use sqlx::postgres::PgRow;
use treaty_engine::relation::RowId;
use uuid::Uuid;

use super::session::{Failure, Session, Statement, column, doing, statement};
use crate::capture::{Operation, Report, Step};
use crate::database::{DatabaseError, Rollback};

/// What a report holds besides when it was made.
const COLUMNS: &str = "entry, tx, step, table_name, row_id, operation, author, lost, reason, message, culprit";
/// How a time is printed.
const UTC: &str = "YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"";

/// Adds a report; returns its cursor.
pub(super) fn add(session: &mut Session, report: &Report) -> Result<i64, DatabaseError> {
    let failed = doing("writing treaty.rollbacks");
    let Report { entry, step, table, row, operation, author, lost, reason, message, culprit } = report;
    let row = Uuid::parse_str(row).map_err(|_| DatabaseError::Damaged { what: format!("row {row} is no UUID") })?;
    let (tx, step) = step.map(|step| (i64::from(step.transaction), i64::from(step.operation))).unzip();
    let sql = format!(
        "INSERT INTO treaty.rollbacks ({COLUMNS}, noticed) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8::jsonb, $9, $10, $11, now()) RETURNING cursor"
    );
    // Text from elsewhere may hold U+0000, which PostgreSQL does not take.
    let adding = statement(&sql).bind(entry).bind(tx).bind(step).bind(table).bind(row).bind(operation.word());
    let adding = adding.bind(author).bind(lost).bind(reason).bind(message.replace('\0', "\u{fffd}")).bind(culprit);
    session.fetch_value(adding).map_err(failed)
}

/// Says whether a report of this reason about a row still stands.
pub(super) fn stands(session: &mut Session, table: &str, row: RowId, reason: &str) -> Result<bool, DatabaseError> {
    let sql = "SELECT EXISTS (SELECT FROM treaty.rollbacks WHERE table_name = $1 AND row_id = $2 AND reason = $3 \
               AND reinstated IS NULL)";
    let asking = statement(sql).bind(table).bind(Uuid::from_bytes(row.0)).bind(reason);
    session.fetch_value(asking).map_err(doing("reading treaty.rollbacks"))
}

/// Takes back what reports of this reason say about a row: they are marked as reinstated, and told again.
pub(super) fn reinstate_row(session: &mut Session, table: &str, row: RowId, reason: &str) -> Result<(), DatabaseError> {
    let these = "table_name = $1 AND row_id = $2 AND reason = $3";
    reinstate(session, these, |sql| sql.bind(table).bind(Uuid::from_bytes(row.0)).bind(reason))?;
    Ok(())
}

/// Takes back the report that an operation was rolled back; says whether there was one.
pub(super) fn reinstate_step(session: &mut Session, entry: &str, step: Step) -> Result<bool, DatabaseError> {
    let these = "entry = $1 AND tx = $2 AND step = $3 AND reason <> 'renamed'";
    let (transaction, operation) = (i64::from(step.transaction), i64::from(step.operation));
    reinstate(session, these, |sql| sql.bind(entry).bind(transaction).bind(operation))
}

/// Marks a report as one that is not so any more.
pub(super) fn mark_reinstated(session: &mut Session, cursor: i64) -> Result<(), DatabaseError> {
    let sql = "UPDATE treaty.rollbacks SET reinstated = now() WHERE cursor = $1 AND reinstated IS NULL";
    session.execute(statement(sql).bind(cursor)).map_err(doing("writing treaty.rollbacks"))?;
    Ok(())
}

/// A line that is only marked would never reach a reader whose cursor is past it: so the news gets a line of its own.
fn reinstate<'q>(
    session: &mut Session,
    these: &str,
    bind: impl Fn(Statement<'q>) -> Statement<'q>,
) -> Result<bool, DatabaseError> {
    let failed = doing("writing treaty.rollbacks");
    let again = format!(
        "INSERT INTO treaty.rollbacks ({COLUMNS}, noticed, reinstated) SELECT {COLUMNS}, noticed, now() \
         FROM treaty.rollbacks WHERE {these} AND reinstated IS NULL ORDER BY cursor"
    );
    let count = session.execute(bind(statement(&again))).map_err(&failed)?;
    if count > 0 {
        let mark = format!("UPDATE treaty.rollbacks SET reinstated = now() WHERE {these} AND reinstated IS NULL");
        session.execute(bind(statement(&mark))).map_err(failed)?;
    }
    Ok(count > 0)
}

/// Returns the cursor of the last report; 0 if there is none.
pub(super) fn end(session: &mut Session) -> Result<i64, DatabaseError> {
    let sql = "SELECT coalesce(max(cursor), 0) FROM treaty.rollbacks";
    session.fetch_value(statement(sql)).map_err(doing("reading treaty.rollbacks"))
}

/// Reads reports after a cursor, in order.
pub(super) fn after(session: &mut Session, cursor: i64, count_max: u32) -> Result<Vec<Rollback>, DatabaseError> {
    let failed = doing("reading treaty.rollbacks");
    let sql = format!(
        "SELECT cursor, entry, tx, step, table_name, row_id, operation, author, lost::text, reason, message, culprit, \
         to_char(noticed, '{UTC}'), to_char(reinstated, '{UTC}') \
         FROM treaty.rollbacks WHERE cursor > $1 ORDER BY cursor LIMIT $2"
    );
    let rows = session.fetch(statement(&sql).bind(cursor).bind(i64::from(count_max))).map_err(&failed)?;
    rows.iter().map(|row| read(row).map_err(&failed)?).collect()
}

fn read(row: &PgRow) -> Result<Result<Rollback, DatabaseError>, Failure> {
    let word: String = column(row, 6)?;
    let Some(operation) = Operation::from_word(&word) else {
        return Ok(Err(DatabaseError::Damaged { what: format!("treaty.rollbacks tells of an operation {word}") }));
    };
    let index = |number: Option<i64>| number.and_then(|number| u32::try_from(number).ok());
    let step = index(column(row, 2)?).zip(index(column(row, 3)?));
    Ok(Ok(Rollback {
        cursor: column(row, 0)?,
        report: Report {
            entry: column(row, 1)?,
            step: step.map(|(transaction, operation)| Step { transaction, operation }),
            table: column(row, 4)?,
            row: column::<Uuid>(row, 5)?.to_string(),
            operation,
            author: column(row, 7)?,
            lost: column(row, 8)?,
            reason: column(row, 9)?,
            message: column(row, 10)?,
            culprit: column(row, 11)?,
        },
        noticed: column(row, 12)?,
        reinstated: column(row, 13)?,
    }))
}
