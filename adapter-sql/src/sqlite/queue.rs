//! Reading the queue: its lines, and the rows they name, joined with the tables in one snapshot.

use std::collections::{BTreeMap, VecDeque};

use rusqlite::types::Value as Stored;
use rusqlite::{Connection, params};
use treaty_engine::identity::Identity;
use treaty_engine::replica::{RowImage, Shown};

use crate::capture::{BadCell, Effect, GroupRow, Image, Line, Said, ShownRow, effect};
use crate::link::EngineLink;

use super::error::{SqliteError, doing};
use super::intake::value_bytes;
use super::table::{PENDING, TableSql, owned, read_id};
use super::values::Form;

/// Most lines looked at in one snapshot: about 30 MB of keys. A longer backlog is cut there.
pub(super) const LINES_MAX: u32 = 200_000;
/// Rows read at a time.
const ROWS_AT_ONCE: usize = 2_000;
/// Bytes of rows after which no more are read at a time.
const BYTES_AT_ONCE: usize = 8 << 20;
/// Rows compared at a time: the engine's side of them is held meanwhile, and may be large where the table's is gone.
const COMPARED_AT_ONCE: usize = 128;

/// The queue as one snapshot shows it.
#[derive(Debug, Default)]
pub(super) struct Queue {
    /// Lines that say something, ascending.
    pub(super) lines: Vec<Line>,
    /// Lines that name no row: an id that is no UUID, or a table that the schema does not have.
    pub(super) nameless: Vec<Nameless>,
    /// Whether there may be more lines.
    pub(super) is_cut: bool,
}

impl Queue {
    /// Whether it holds nothing but a few marks, which may stay.
    pub(super) fn is_idle(&self) -> bool {
        const MARKS_MAX: usize = 1_000;
        self.nameless.is_empty()
            && self.lines.len() < MARKS_MAX
            && self.lines.iter().all(|line| line.said == Said::Mark)
    }
}

/// A line of the queue that names no row.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Nameless {
    /// Its number.
    pub(super) seq: i64,
    /// Index of the table, if the schema has it.
    pub(super) table: Option<usize>,
    /// The id as it was written.
    pub(super) stored_id: Stored,
}

/// Reads the queue.
pub(super) fn read_queue(connection: &Connection, tables: &[TableSql]) -> Result<Queue, SqliteError> {
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
            _ => queue.nameless.push(Nameless { seq, table, stored_id: owned(stored) }),
        }
    }
    queue.is_cut = queue.lines.len() + queue.nameless.len() >= LINES_MAX as usize;
    Ok(queue)
}

/// Takes lines out of the queue. The last of them stays, as a mark: so that its number is not used again.
///
/// * `seqs` - ascending.
pub(super) fn remove(connection: &Connection, seqs: &[i64]) -> Result<(), SqliteError> {
    let failed = doing("emptying treaty_queue");
    let Some((last, rest)) = seqs.split_last() else { return Ok(()) };
    let mut delete = connection.prepare_cached("DELETE FROM treaty_queue WHERE seq = ?1").map_err(&failed)?;
    for seq in rest {
        delete.execute([seq]).map_err(&failed)?;
    }
    keep_as_mark(connection, *last)
}

/// Takes all lines of a range out of the queue, as [`remove`] does.
pub(super) fn remove_range(connection: &Connection, seq_first: i64, seq_last: i64) -> Result<(), SqliteError> {
    connection
        .prepare_cached("DELETE FROM treaty_queue WHERE seq >= ?1 AND seq < ?2")
        .and_then(|mut delete| delete.execute([seq_first, seq_last]))
        .map_err(doing("emptying treaty_queue"))?;
    keep_as_mark(connection, seq_last)
}

fn keep_as_mark(connection: &Connection, seq: i64) -> Result<(), SqliteError> {
    connection
        .prepare_cached("UPDATE treaty_queue SET table_name = NULL, row_id = NULL WHERE seq = ?1")
        .and_then(|mut update| update.execute([seq]))
        .map_err(doing("emptying treaty_queue"))?;
    Ok(())
}

/// Says whether nothing waits in the queue.
pub(super) fn is_empty(connection: &Connection) -> Result<bool, SqliteError> {
    let mut statement = connection
        .prepare_cached("SELECT NOT EXISTS (SELECT 1 FROM treaty_queue WHERE table_name IS NOT NULL)")
        .map_err(doing("reading treaty_queue"))?;
    statement.query_row([], |row| row.get(0)).map_err(doing("reading treaty_queue"))
}

/// Adds lines for rows that no trigger noted.
pub(super) fn append(connection: &Connection, table: &TableSql, ids: &[Stored]) -> Result<(), SqliteError> {
    let failed = doing("writing treaty_queue");
    let sql = "INSERT INTO treaty_queue (table_name, row_id) VALUES (?1, ?2)";
    let mut statement = connection.prepare_cached(sql).map_err(&failed)?;
    for id in ids {
        statement.execute(params![table.name(), id]).map_err(&failed)?;
    }
    Ok(())
}

/// A row that the application touched: what the table shows, what the log says, and the difference.
#[derive(Debug)]
pub(super) struct Touched {
    /// The row.
    pub(super) key: ShownRow,
    /// Where in the queue, and in its group.
    pub(super) place: GroupRow,
    /// Its id as it is stored.
    pub(super) stored_id: Stored,
    /// Who changed it last, if the log has it.
    pub(super) author_before: Option<Identity>,
    /// What the table shows.
    pub(super) after: After,
    /// The author that the application named in this change.
    pub(super) author: Option<String>,
    /// The difference; [`Effect::Nothing`] for a row that cannot be read.
    pub(super) effect: Effect,
}

/// What a table shows of a row.
#[derive(Debug)]
pub(super) enum After {
    /// Nothing: it is deleted.
    Absent,
    /// Its cells, and how they were stored.
    Row(Image, Form),
    /// Cells that have no canonical form; the row as JSON.
    Bad(Vec<BadCell>, String),
}

impl After {
    /// Forgets cells that nobody will ask for: a transaction may touch many rows.
    fn without_unchanged(mut self, effect: &Effect) -> After {
        if let (After::Row(cells, Form::Canonical), Effect::Update(changed)) = (&mut self, effect) {
            for (column, cell) in cells.iter_mut().enumerate() {
                if changed.binary_search(&column).is_err() {
                    *cell = None;
                }
            }
        }
        self
    }
}

/// Reads the rows that a plan names, in its order, some at a time.
pub(super) struct RowReader<'r> {
    pub(super) connection: &'r Connection,
    pub(super) tables: &'r [TableSql],
    pub(super) lines: &'r [Line],
    /// What the tables showed.
    pub(super) base: &'r Shown,
    rows: &'r [GroupRow],
    next: usize,
    buffer: VecDeque<Touched>,
}

impl<'r> RowReader<'r> {
    /// Starts before the first of `rows`, which are ascending by line.
    pub(super) fn new(
        connection: &'r Connection,
        tables: &'r [TableSql],
        lines: &'r [Line],
        base: &'r Shown,
        rows: &'r [GroupRow],
    ) -> RowReader<'r> {
        RowReader { connection, tables, lines, base, rows, next: 0, buffer: VecDeque::new() }
    }

    /// Reads the next row; none after the last.
    pub(super) fn next(&mut self, link: &mut dyn EngineLink) -> Result<Option<Touched>, SqliteError> {
        if self.buffer.is_empty() {
            self.fill(link)?;
        }
        Ok(self.buffer.pop_front())
    }

    fn fill(&mut self, link: &mut dyn EngineLink) -> Result<(), SqliteError> {
        let end = (self.next + ROWS_AT_ONCE).min(self.rows.len());
        let chunk = &self.rows[self.next..end];
        if chunk.is_empty() {
            return Ok(());
        }
        let (mut found, seq_end) = self.read(chunk)?;
        let chunk = &chunk[..chunk.partition_point(|row| self.lines[row.line_first].seq <= seq_end)];
        self.next += chunk.len();
        for some in chunk.chunks(COMPARED_AT_ONCE) {
            let keys: Vec<ShownRow> = some.iter().map(|row| row.key).collect();
            for (place, before) in some.iter().zip(link.rows_at(self.base, &keys)?) {
                let seq = self.lines[place.line_first].seq;
                let Some(found) = found.remove(&seq) else {
                    return Err(SqliteError::Damaged {
                        what: format!("line {seq} left treaty_queue within a snapshot"),
                    });
                };
                let touched = found.compare(*place, before.as_ref(), &self.tables[place.key.table]);
                self.buffer.push_back(touched);
            }
        }
        Ok(())
    }

    /// Reads what the tables hold for the first line of each row, by line, until that is much; also says up to which line.
    fn read(&self, chunk: &[GroupRow]) -> Result<(BTreeMap<i64, Found>, i64), SqliteError> {
        let failed = doing("reading queued rows");
        let seqs: Vec<i64> = chunk.iter().map(|row| self.lines[row.line_first].seq).collect();
        let (first, mut last) = (seqs[0], seqs[seqs.len() - 1]);
        let mut indices: Vec<usize> = chunk.iter().map(|row| row.key.table).collect();
        indices.sort_unstable();
        indices.dedup();
        let mut found = BTreeMap::new();
        let bytes_max = BYTES_AT_ONCE / indices.len().max(1);
        for table in indices.into_iter().map(|index| &self.tables[index]) {
            let mut statement = self.connection.prepare_cached(&table.select_queued).map_err(&failed)?;
            let mut rows = statement.query(params![first, last, table.name()]).map_err(&failed)?;
            let mut bytes = 0;
            while let Some(row) = rows.next().map_err(&failed)? {
                let seq: i64 = row.get(0).map_err(&failed)?;
                // Later lines of a row that the chunk has already are skipped before anything is decoded.
                if seqs.binary_search(&seq).is_err() {
                    continue;
                }
                let row = Found::read(table, row).map_err(&failed)?;
                bytes += row.bytes();
                found.insert(seq, row);
                // Other tables are read up to this line too; what was read of them beyond it comes again with the next.
                if bytes > bytes_max {
                    last = seq;
                    break;
                }
            }
        }
        Ok((found, last))
    }
}

/// What the join of the queue with a table found for one line.
struct Found {
    stored_id: Stored,
    status: Option<String>,
    author: Option<String>,
    after: After,
}

impl Found {
    fn read(table: &TableSql, row: &rusqlite::Row<'_>) -> rusqlite::Result<Found> {
        const CELLS: usize = 4;
        let stored_id = owned(row.get_ref(1)?);
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
    fn bytes(&self) -> usize {
        match &self.after {
            After::Absent => 0,
            After::Row(cells, _) => cells.iter().flatten().map(value_bytes).sum(),
            After::Bad(_, json) => json.len(),
        }
    }

    fn compare(self, place: GroupRow, before: Option<&RowImage>, table: &TableSql) -> Touched {
        let cells = before.map(|row| &row.cells);
        let effect = match &self.after {
            After::Absent => effect(&table.table, cells, None),
            After::Row(after, _) => effect(&table.table, cells, Some(after)),
            After::Bad(..) => Effect::Nothing,
        };
        // Triggers set 'pending' and forget the author of earlier changes; where none ran, the author is stale.
        let author = self.author.filter(|_| self.status.as_deref() == Some(PENDING));
        let author_before = before.map(|row| row.author);
        let after = self.after.without_unchanged(&effect);
        Touched { key: place.key, place, stored_id: self.stored_id, author_before, after, author, effect }
    }
}
