//! The queue in SQLite: `treaty_queue`, filled by row triggers in the order of the statements. There is one writer at a time,
//! so what a snapshot shows are all lines up to some number.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, params};
use treaty_ddl::sql::quote::{ident, text};

use super::error::doing;
use super::table::{TableSql, owned, read_id};
use crate::capture::{Line, Said, ShownRow, value_bytes};
use crate::database::{After, DatabaseError, Found, Marks, Nameless, Queue, QueuedRow, SeqRanges, StoredId};

/// Most lines looked at in one snapshot: about 30 MB of keys. A longer backlog is cut there.
const LINES_MAX: u32 = 200_000;
/// Bytes of rows after which no more are read at a time.
const BYTES_AT_ONCE: usize = 8 << 20;
/// Ranges of lines whose rows are marked by one statement each; more are marked row by row.
const MARKED_RANGES_MAX: usize = 4;

/// Reads the queue.
pub(super) fn read(connection: &Connection, tables: &[TableSql]) -> Result<Queue, DatabaseError> {
    let failed = doing("reading treaty_queue");
    let by_name: BTreeMap<&str, usize> =
        tables.iter().enumerate().map(|(index, table)| (table.name(), index)).collect();
    let sql = "SELECT seq, table_name, row_id, at FROM treaty_queue ORDER BY seq LIMIT ?1";
    let mut statement = connection.prepare_cached(sql).map_err(&failed)?;
    let mut rows = statement.query([LINES_MAX]).map_err(&failed)?;
    let mut queue = Queue::default();
    while let Some(row) = rows.next().map_err(&failed)? {
        let seq = row.get(0).map_err(&failed)?;
        let at_ms = row.get(3).map_err(&failed)?;
        let name = row.get_ref(1).map_err(&failed)?;
        let Some(name) = name.as_str_or_null().map_err(|cause| failed(cause.into()))? else {
            queue.lines.push(Line::plain(seq, at_ms, Said::Mark));
            continue;
        };
        let table = by_name.get(name).copied();
        let stored = row.get_ref(2).map_err(&failed)?;
        match (table, read_id(stored)) {
            (Some(table), Some(id)) => {
                queue.lines.push(Line::plain(seq, at_ms, Said::Touched(ShownRow { table, id })));
            }
            // No UUID, or of no table: it has no other spelling.
            _ => queue.nameless.push(Nameless { seq, table, stored_id: owned(stored) }),
        }
    }
    queue.is_cut = queue.lines.len() + queue.nameless.len() >= LINES_MAX as usize;
    Ok(queue)
}

/// Says whether no row waits in the queue.
pub(super) fn is_empty(connection: &Connection) -> Result<bool, DatabaseError> {
    let mut statement = connection
        .prepare_cached("SELECT NOT EXISTS (SELECT 1 FROM treaty_queue WHERE table_name IS NOT NULL)")
        .map_err(doing("reading treaty_queue"))?;
    statement.query_row([], |row| row.get(0)).map_err(doing("reading treaty_queue"))
}

/// Reads what the tables hold for rows that lines name, which are ascending: for the first of them, until that is much.
pub(super) fn read_rows(
    connection: &Connection,
    tables: &[TableSql],
    rows: &[QueuedRow],
) -> Result<Vec<Found>, DatabaseError> {
    let failed = doing("reading queued rows");
    let seqs: Vec<i64> = rows.iter().map(|row| row.seq).collect();
    let (Some(&first), Some(&(mut last))) = (seqs.first(), seqs.last()) else { return Ok(Vec::new()) };
    let indices: BTreeSet<usize> = rows.iter().map(|row| row.key.table).collect();
    let mut found: BTreeMap<i64, Found> = BTreeMap::new();
    let bytes_max = BYTES_AT_ONCE / indices.len().max(1);
    for table in indices.into_iter().map(|index| &tables[index]) {
        let mut statement = connection.prepare_cached(&table.select_queued).map_err(&failed)?;
        let mut rows = statement.query(params![first, last, table.name()]).map_err(&failed)?;
        let mut bytes = 0;
        while let Some(row) = rows.next().map_err(&failed)? {
            let seq: i64 = row.get(0).map_err(&failed)?;
            // Later lines of a row that is asked for already are skipped before anything is decoded.
            if seqs.binary_search(&seq).is_err() {
                continue;
            }
            let row = read_found(table, row).map_err(&failed)?;
            bytes += bytes_of(&row.after);
            found.insert(seq, row);
            // Other tables are read up to this line too; what was read of them beyond it comes again with the next.
            if bytes > bytes_max {
                last = seq;
                break;
            }
        }
    }
    let missing = |seq| DatabaseError::Damaged { what: format!("line {seq} left treaty_queue within a snapshot") };
    let wanted = seqs.into_iter().take_while(|seq| *seq <= last);
    wanted.map(|seq| found.remove(&seq).ok_or_else(|| missing(seq))).collect()
}

/// Reads what the join of the queue with a table found for one line.
fn read_found(table: &TableSql, row: &rusqlite::Row<'_>) -> rusqlite::Result<Found> {
    const CELLS: usize = 4;
    let stored_id = table.turn(owned(row.get_ref(1)?));
    let is_absent = row.get_ref(CELLS + table.table.id_column)?.data_type() == rusqlite::types::Type::Null;
    if is_absent {
        return Ok(Found { stored_id, status: None, author: None, after: After::Absent });
    }
    let after = match table.read(row, CELLS)? {
        Ok((cells, form)) => After::Row(cells, form),
        Err(bad) => After::Bad(bad, table.read_raw_json(row, CELLS)?),
    };
    // What is stored in our columns is the application's to spoil: anything but text counts as absent.
    let text = |index| row.get_ref(index).map(|stored| stored.as_str().ok().map(str::to_owned));
    Ok(Found { stored_id, status: text(2)?, author: text(3)?, after })
}

/// About how much memory it takes.
fn bytes_of(after: &After) -> usize {
    match after {
        After::Absent => 0,
        After::Row(cells, _) => cells.iter().flatten().map(value_bytes).sum(),
        After::Bad(_, json) => json.len(),
    }
}

/// Returns the rows of lines after those of `seen`, which one snapshot showed: all up to the last.
pub(super) fn touched_outside(
    connection: &Connection,
    tables: &[TableSql],
    seen: &SeqRanges,
) -> Result<BTreeSet<ShownRow>, DatabaseError> {
    let failed = doing("reading treaty_queue");
    let sql = "SELECT table_name, row_id FROM treaty_queue WHERE seq > ?1 AND table_name IS NOT NULL";
    let mut statement = connection.prepare_cached(sql).map_err(&failed)?;
    let mut rows = statement.query([seen.last().unwrap_or(i64::MIN)]).map_err(&failed)?;
    let mut found = BTreeSet::new();
    while let Some(row) = rows.next().map_err(&failed)? {
        let name: String = row.get(0).map_err(&failed)?;
        let table = tables.iter().position(|table| table.name() == name);
        let id = read_id(row.get_ref(1).map_err(&failed)?);
        if let (Some(table), Some(id)) = (table, id) {
            found.insert(ShownRow { table, id });
        }
    }
    Ok(found)
}

/// Takes lines out of the queue. The last of them stays, as a mark: so that its number is not used again.
pub(super) fn remove(connection: &Connection, taken: &SeqRanges) -> Result<(), DatabaseError> {
    let failed = doing("emptying treaty_queue");
    let Some(last) = taken.last() else { return Ok(()) };
    let sql = "DELETE FROM treaty_queue WHERE seq BETWEEN ?1 AND ?2 AND seq <> ?3";
    let mut delete = connection.prepare_cached(sql).map_err(&failed)?;
    for range in taken.ranges() {
        delete.execute([*range.start(), *range.end(), last]).map_err(&failed)?;
    }
    connection
        .prepare_cached("UPDATE treaty_queue SET table_name = NULL, row_id = NULL WHERE seq = ?1")
        .and_then(|mut update| update.execute([last]))
        .map_err(failed)?;
    Ok(())
}

/// Adds lines for rows that no trigger noted.
pub(super) fn append(connection: &Connection, table: &TableSql, ids: &[StoredId]) -> Result<(), DatabaseError> {
    let failed = doing("writing treaty_queue");
    let sql = "INSERT INTO treaty_queue (table_name, row_id) VALUES (?1, ?2)";
    let mut statement = connection.prepare_cached(sql).map_err(&failed)?;
    for id in ids {
        statement.execute(params![table.name(), table.turn(id.clone())]).map_err(&failed)?;
    }
    Ok(())
}

/// Adds a line for every row of a table, in the order in which they were inserted; returns how many.
pub(super) fn append_all(connection: &Connection, table: &TableSql) -> Result<u64, DatabaseError> {
    let id = ident(table.table.columns[table.table.id_column].name.as_str());
    let sql = format!(
        "INSERT INTO treaty_queue (table_name, row_id) SELECT {}, {id} FROM {} ORDER BY rowid",
        text(table.name()),
        table.quoted
    );
    let count = connection.execute(&sql, []).map_err(doing("adopting existing rows"))?;
    Ok(count as u64)
}

/// Returns the ids that lines of a table name.
pub(super) fn ids(connection: &Connection, table: &TableSql) -> Result<BTreeSet<String>, DatabaseError> {
    let failed = doing("reading treaty_queue");
    let sql = "SELECT DISTINCT row_id FROM treaty_queue WHERE table_name = ?1";
    let mut statement = connection.prepare(sql).map_err(&failed)?;
    let rows = statement.query_map([table.name()], |row| row.get_ref(0).map(owned)).map_err(&failed)?;
    rows.map(|row| row.map(|stored| table.turn(stored).print())).collect::<Result<_, _>>().map_err(failed)
}

/// Counts rows that wait in the queue.
pub(super) fn waiting(connection: &Connection) -> Result<u64, DatabaseError> {
    let sql = "SELECT count(DISTINCT row_id) FROM treaty_queue WHERE table_name IS NOT NULL";
    let count: i64 = connection.query_row(sql, [], |row| row.get(0)).map_err(doing("reading treaty_queue"))?;
    Ok(count.unsigned_abs())
}

/// Sets status and author of all rows of a table that `taken` lines name and no later line than those of `seen` does, unless
/// that would take many statements; says whether it was done.
pub(super) fn mark_taken(
    connection: &Connection,
    table: &TableSql,
    (taken, seen): (&SeqRanges, &SeqRanges),
    marks: Marks<'_>,
) -> Result<bool, DatabaseError> {
    let Some(seq_seen) = seen.last().filter(|_| taken.ranges().count() <= MARKED_RANGES_MAX) else { return Ok(false) };
    for range in taken.ranges() {
        let values = params![marks.status, marks.author, table.name(), range.start(), range.end(), seq_seen];
        connection
            .prepare_cached(&table.set_status_range)
            .and_then(|mut statement| statement.execute(values))
            .map_err(doing("marking rows as committed"))?;
    }
    Ok(true)
}

/// Sets status and author of rows.
pub(super) fn mark(
    connection: &Connection,
    table: &TableSql,
    ids: &[StoredId],
    marks: Marks<'_>,
) -> Result<(), DatabaseError> {
    let failed = doing("marking rows as committed");
    let mut statement = connection.prepare_cached(&table.set_status).map_err(&failed)?;
    for id in ids {
        statement.execute(params![marks.status, marks.author, table.turn(id.clone())]).map_err(&failed)?;
    }
    Ok(())
}
