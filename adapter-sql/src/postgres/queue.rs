//! The queue: reading it in planning order, and taking exactly what was read out of it.
//!
//! Commits become visible out of order, so a number that was not read belongs to a transaction that is still open, mostly:
//! every statement here names the lines it means.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::postgres::PgRow;
use uuid::Uuid;

use super::session::{Failure, Session, column, doing, statement};
use super::table::TableSql;
use super::values::{row_id, uuid, uuid_of};
use crate::capture::{Line, Said, ShownRow};
use crate::database::{DatabaseError, Nameless, Queue, SeqRanges, StoredId};

/// Lines after which no further transaction is looked at in one snapshot: about 30 MB of keys.
const LINES_MAX: i64 = 200_000;
/// Most lines looked at in one snapshot: a transaction of so many rows fits no entry, and is cut anyway.
pub(super) const LINES_READ_MAX: i64 = 400_000;
/// Lines that are in memory as the server sends them.
const LINES_AT_ONCE: usize = 10_000;
/// Most ranges that a statement is given to leave out; of more, what they hold is read and left out here.
const RANGES_MAX: usize = 50;

/// Whole transactions, in the order of their last lines, until they are [`LINES_MAX`] lines.
///
/// Nothing is joined: the server takes a queue that was just emptied for an empty one, and would compare each line with each.
pub(super) fn reading() -> String {
    format!(
        "SELECT seq, table_name, row_id, transaction::text, view, author, floor(extract(epoch FROM at) * 1000)::bigint \
         FROM (SELECT q.*, rank() OVER (ORDER BY q.last) AS place \
           FROM (SELECT *, max(seq) OVER (PARTITION BY transaction) AS last FROM treaty.queue) q) placed \
         WHERE place <= {LINES_MAX} ORDER BY last, seq LIMIT {LINES_READ_MAX}"
    )
}

/// The lines that name some of these rows and are in none of these ranges. Parameters: names of tables and ids, firsts and lasts.
///
/// As in [`reading`]: what is asked inside of `IS TRUE` is no join, but looked up in a table of hashes.
pub(super) const TOUCHED: &str = "SELECT q.seq, q.table_name, q.row_id FROM treaty.queue q \
    WHERE ((q.table_name, q.row_id) IN (SELECT u.name, u.id FROM unnest($1::text[], $2::uuid[]) AS u (name, id))) IS TRUE \
    AND NOT EXISTS (SELECT FROM unnest($3::bigint[], $4::bigint[]) AS r (first, last) WHERE q.seq BETWEEN r.first AND r.last)";

/// Reads the queue, in an open transaction.
pub(super) fn read(session: &mut Session, tables: &[TableSql]) -> Result<Queue, DatabaseError> {
    let failed = doing("reading treaty.queue");
    let (names, mut authors) = (by_name(tables), BTreeMap::new());
    let (mut queue, mut line_count) = (Queue::default(), 0);
    session.script(&format!("DECLARE treaty_lines NO SCROLL CURSOR FOR {}", reading())).map_err(&failed)?;
    loop {
        let rows = session.fetch(statement(&format!("FETCH {LINES_AT_ONCE} FROM treaty_lines"))).map_err(&failed)?;
        for row in &rows {
            read_line(row, &names, &mut authors, &mut queue).map_err(&failed)?;
        }
        line_count += i64::try_from(rows.len()).unwrap_or(i64::MAX);
        if rows.len() < LINES_AT_ONCE {
            break;
        }
    }
    session.script("CLOSE treaty_lines").map_err(&failed)?;
    let mut named: Vec<(String, u32)> = authors.into_iter().collect();
    named.sort_unstable_by_key(|(_, index)| *index);
    queue.authors = named.into_iter().map(|(author, _)| author).collect();
    if line_count >= LINES_MAX {
        let all: i64 = session.fetch_value(statement("SELECT count(*) FROM treaty.queue")).map_err(&failed)?;
        queue.is_cut = all > line_count;
    }
    Ok(queue)
}

fn by_name(tables: &[TableSql]) -> BTreeMap<&str, usize> {
    tables.iter().enumerate().map(|(index, table)| (table.name(), index)).collect()
}

fn read_line(
    row: &PgRow,
    tables: &BTreeMap<&str, usize>,
    authors: &mut BTreeMap<String, u32>,
    queue: &mut Queue,
) -> Result<(), Failure> {
    let seq: i64 = column(row, 0)?;
    let id = row_id(column::<Uuid>(row, 2)?);
    let Some(&table) = tables.get(column::<&str>(row, 1)?) else {
        queue.nameless.push(Nameless { seq, table: None, stored_id: StoredId::of(id) });
        return Ok(());
    };
    let author = column::<Option<&str>>(row, 5)?.map(|author| match authors.get(author) {
        Some(&index) => index,
        None => {
            let index = u32::try_from(authors.len()).unwrap_or(u32::MAX);
            authors.insert(author.to_owned(), index);
            index
        }
    });
    // PostgreSQL prints what it numbers itself: digits.
    let transaction = column::<&str>(row, 3)?.parse().unwrap_or(0);
    queue.lines.push(Line {
        seq,
        at_ms: column(row, 6)?,
        transaction,
        view: column(row, 4)?,
        author,
        said: Said::Touched(ShownRow { table, id }),
    });
    Ok(())
}

/// Says whether there is no line.
pub(super) fn is_empty(session: &mut Session) -> Result<bool, DatabaseError> {
    let sql = "SELECT NOT EXISTS (SELECT FROM treaty.queue)";
    session.fetch_value(statement(sql)).map_err(doing("reading treaty.queue"))
}

/// Returns those of `rows` that a line outside of `seen` names.
pub(super) fn touched_outside(
    session: &mut Session,
    tables: &[TableSql],
    rows: &[ShownRow],
    seen: &SeqRanges,
) -> Result<BTreeSet<ShownRow>, DatabaseError> {
    if rows.is_empty() {
        return Ok(BTreeSet::new());
    }
    let failed = doing("reading treaty.queue");
    let names: Vec<&str> = rows.iter().map(|row| tables[row.table].name()).collect();
    let ids: Vec<Uuid> = rows.iter().map(|row| uuid(row.id)).collect();
    // What is not left out there, for they are too many ranges, is left out here.
    let (firsts, lasts) = if seen.ranges().count() <= RANGES_MAX { bounds(seen) } else { (Vec::new(), Vec::new()) };
    let asking = statement(TOUCHED).bind(names).bind(ids).bind(firsts).bind(lasts);
    let names = by_name(tables);
    let mut found = BTreeSet::new();
    for row in session.fetch(asking).map_err(&failed)? {
        let table = names.get(column::<&str>(&row, 1).map_err(&failed)?);
        let Some(&table) = table else { continue };
        if !seen.contains(column(&row, 0).map_err(&failed)?) {
            found.insert(ShownRow { table, id: row_id(column::<Uuid>(&row, 2).map_err(&failed)?) });
        }
    }
    Ok(found)
}

/// First and last of each range.
fn bounds(lines: &SeqRanges) -> (Vec<i64>, Vec<i64>) {
    lines.ranges().map(|range| (*range.start(), *range.end())).unzip()
}

/// Takes lines out of the queue, exactly these; returns how many there were.
pub(super) fn remove(session: &mut Session, taken: &SeqRanges) -> Result<u64, DatabaseError> {
    let (firsts, lasts) = bounds(taken);
    // Which range begins last before a line, by binary search: the queue has no index. Before the first it is none, the
    // 0th, and ends nowhere.
    let sql = "DELETE FROM treaty.queue q WHERE q.seq <= ($2::bigint[])[width_bucket(q.seq, $1::bigint[])]";
    session.execute(statement(sql).bind(firsts).bind(lasts)).map_err(doing("emptying treaty.queue"))
}

/// Adds lines for rows that no trigger noted, on what the tables show now.
pub(super) fn append(
    session: &mut Session,
    table: &TableSql,
    ids: &[StoredId],
    author: Option<&str>,
) -> Result<(), DatabaseError> {
    let ids: Vec<Uuid> = ids.iter().filter_map(uuid_of).collect();
    let sql = "INSERT INTO treaty.queue (table_name, row_id, view, author) \
               SELECT $1, u.id, coalesce((SELECT s.view FROM treaty.state s), 0), $3 FROM unnest($2::uuid[]) AS u (id)";
    session.execute(statement(sql).bind(table.name()).bind(ids).bind(author)).map_err(doing("writing treaty.queue"))?;
    Ok(())
}

/// Adds a line for every row of a table; returns how many.
pub(super) fn append_all(session: &mut Session, table: &TableSql) -> Result<u64, DatabaseError> {
    let sql = format!(
        "INSERT INTO treaty.queue (table_name, row_id, view) \
         SELECT $1, t.{}, coalesce((SELECT s.view FROM treaty.state s), 0) FROM {} t ORDER BY t.ctid",
        table.id, table.quoted
    );
    session.execute(statement(&sql).bind(table.name())).map_err(doing("writing treaty.queue"))
}

/// Returns the ids that lines of a table name, as text.
pub(super) fn ids(session: &mut Session, table: &TableSql) -> Result<BTreeSet<String>, DatabaseError> {
    let failed = doing("reading treaty.queue");
    let sql = "SELECT DISTINCT q.row_id::text FROM treaty.queue q WHERE q.table_name = $1";
    let rows = session.fetch(statement(sql).bind(table.name())).map_err(&failed)?;
    rows.iter().map(|row| column(row, 0)).collect::<Result<_, _>>().map_err(failed)
}

/// Counts rows that wait.
pub(super) fn waiting(session: &mut Session) -> Result<u64, DatabaseError> {
    let sql = "SELECT count(DISTINCT (q.table_name, q.row_id)) FROM treaty.queue q";
    let count: i64 = session.fetch_value(statement(sql)).map_err(doing("reading treaty.queue"))?;
    Ok(count.unsigned_abs())
}
