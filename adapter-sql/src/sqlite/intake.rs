//! What one drain takes out of the queue: transactions of one author, ready to be signed or refused here.

use std::collections::BTreeSet;

use rusqlite::Connection;
use rusqlite::types::Value as Stored;
use treaty_engine::identity::Identity;
use treaty_engine::limits::PAYLOAD_BYTES_MAX;
use treaty_engine::replica::{LocalOperation, LocalRow, LocalTransaction, Shown};
use treaty_schema::Value;

use crate::capture::{BadCell, Effect, Group, Image, Line, Pauses, Plan, Said, ShownRow, plan};
use crate::link::EngineLink;

use super::error::SqliteError;
use super::queue::{After, Nameless, Queue, RowReader, Touched, read_queue};
use super::table::TableSql;
use super::values::Form;

/// Estimated bytes at which a transaction is cut in pieces: an entry holds no more, with room for what estimates miss.
const TRANSACTION_BYTES_MAX: usize = (PAYLOAD_BYTES_MAX as usize) / 4 * 3;
/// Estimated bytes after which no further transaction is taken in one go.
const INTAKE_BYTES_MAX: usize = 4 << 20;
/// Rows after which no further transaction is taken in one go.
const INTAKE_ROWS_MAX: usize = 20_000;

/// Lines taken out of the queue together, and what they mean.
#[derive(Debug)]
pub(super) struct Intake {
    /// What the tables showed.
    pub(super) on: Shown,
    /// Author of all that is to be signed.
    pub(super) author: Identity,
    /// Its transactions, in order.
    pub(super) drafts: Vec<Draft>,
    /// Lines that name no row.
    pub(super) nameless: Vec<Nameless>,
    /// Which lines.
    pub(super) bounds: Bounds,
    /// Whether the snapshot showed more.
    pub(super) has_more: bool,
    /// How many transactions were cut for want of room in an entry.
    pub(super) cut_count: u64,
}

/// A range of the queue; every line in it was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bounds {
    /// The first line.
    pub(super) seq_first: i64,
    /// The last line.
    pub(super) seq_last: i64,
    /// The last line that the snapshot showed: later ones are changes that are not in the rows that were read.
    pub(super) seq_seen: i64,
    /// When the latest of the lines was written, in milliseconds.
    pub(super) at_last_ms: i64,
    /// How many lines were taken.
    pub(super) line_count: usize,
    /// [`hash_lines`] over them.
    pub(super) lines_hash: [u8; 32],
}

/// One transaction.
#[derive(Debug)]
pub(super) struct Draft {
    /// Its author, as reports print it.
    pub(super) author: String,
    /// Its rows, with and without effect.
    pub(super) rows: Vec<DraftRow>,
    /// What is to be signed; empty if nothing changed.
    pub(super) transaction: LocalTransaction,
    /// Why it cannot even be handed to the engine.
    pub(super) refusal: Option<LocalRefusal>,
}

impl Draft {
    /// Whether there is anything to sign.
    pub(super) fn is_signed(&self) -> bool {
        self.refusal.is_none() && !self.transaction.operations.is_empty()
    }
}

/// A row of a [`Draft`].
#[derive(Debug)]
pub(super) struct DraftRow {
    /// The row.
    pub(super) key: ShownRow,
    /// Its id as it is stored.
    pub(super) stored_id: Stored,
    /// What remains to be done to it, once its transaction is in the log.
    pub(super) upkeep: Upkeep,
}

/// What remains to be done to a row, once its transaction is in the log.
#[derive(Debug)]
pub(super) enum Upkeep {
    /// Only its status: it was written as it is.
    Status,
    /// Nothing: it is deleted.
    Gone,
    /// It had no difference; its author is who changed it last.
    Unchanged(Identity),
    /// Some cell is not stored canonically: these are the cells, and their author if it was not changed.
    Rewrite(Image, Option<Identity>),
    /// It has no canonical form: the row as JSON.
    Bad(String),
}

/// Why a transaction is refused without asking the engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LocalRefusal {
    /// A stable code.
    pub(super) code: &'static str,
    /// One sentence in lower case without a full stop.
    pub(super) message: String,
}

/// What a drain starts from.
pub(super) struct Source<'s> {
    pub(super) connection: &'s Connection,
    pub(super) tables: &'s [TableSql],
    pub(super) identity: Identity,
    pub(super) pauses: Pauses,
    /// What the tables show.
    pub(super) shown: Shown,
}

impl Source<'_> {
    /// Reads the queue and the rows it names, and takes as many whole transactions of one author as fit; none if the
    /// queue is empty. All in the snapshot of the open transaction.
    pub(super) fn take(&self, link: &mut dyn EngineLink) -> Result<Option<Intake>, SqliteError> {
        let queue = read_queue(self.connection, self.tables)?;
        if queue.is_idle() {
            return Ok(None);
        }
        let plan = plan(&queue.lines, self.pauses);
        let mut groups = &plan.groups[..];
        if let (true, [whole @ .., _]) = (queue.is_cut && groups.len() > 1, groups) {
            groups = whole;
        }
        let mut reader = RowReader::new(self.connection, self.tables, &queue.lines, &self.shown, &plan.rows);
        let mut taker = Taker { source: self, author: None, drafts: Vec::new(), bytes: 0, row_count: 0, cut_count: 0 };
        let mut end = if groups.is_empty() { LinesEnd::All } else { LinesEnd::Before(0) };
        for group in groups {
            end = match taker.add((&plan, group), &mut reader, link)? {
                Added::Whole => LinesEnd::Before(group.lines.end),
                Added::UpTo(line) => LinesEnd::Before(line),
                Added::OtherAuthor => break,
            };
            if end != LinesEnd::Before(group.lines.end) || taker.is_full() {
                break;
            }
        }
        // Nothing but marks is left after the last group.
        if groups.last().is_some_and(|group| end == LinesEnd::Before(group.lines.end)) && !queue.is_cut {
            end = LinesEnd::All;
        }
        let Taker { author, drafts, cut_count, .. } = taker;
        Ok(close(queue, end).map(|(bounds, nameless, has_more)| Intake {
            on: self.shown.clone(),
            author: author.unwrap_or(self.identity),
            drafts,
            nameless,
            bounds,
            has_more,
            cut_count,
        }))
    }
}

/// Up to where a queue is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LinesEnd {
    /// The line of this index is the first that stays.
    Before(usize),
    /// Nothing stays.
    All,
}

/// Works out which lines are taken; none if the queue is empty.
fn close(queue: Queue, end: LinesEnd) -> Option<(Bounds, Vec<Nameless>, bool)> {
    let seqs = || queue.lines.iter().map(|line| line.seq).chain(queue.nameless.iter().map(|line| line.seq));
    let (seq_first, seq_seen) = (seqs().min()?, seqs().max()?);
    let stays = match end {
        LinesEnd::Before(index) => queue.lines.get(index),
        LinesEnd::All => None,
    };
    let seq_last = stays.map_or(seq_seen, |line| line.seq - 1);
    let lines = &queue.lines[..queue.lines.partition_point(|line| line.seq <= seq_last)];
    let mut nameless = queue.nameless;
    nameless.retain(|line| line.seq <= seq_last);
    let bounds = Bounds {
        seq_first,
        seq_last,
        seq_seen,
        at_last_ms: lines.iter().map(|line| line.at_ms).max().unwrap_or(i64::MIN),
        line_count: lines.len() + nameless.len(),
        lines_hash: hash_lines(lines),
    };
    Some((bounds, nameless, seq_last < seq_seen || queue.is_cut))
}

/// Hashes lines, so that they are recognised after a crash, and others under the same numbers are not.
pub(super) fn hash_lines(lines: &[Line]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    for line in lines {
        hasher.update(&line.seq.to_le_bytes());
        hasher.update(&line.at_ms.to_le_bytes());
        if let Said::Touched(key) = line.said {
            hasher.update(&key.id.0);
        }
    }
    hasher.finalize().into()
}

/// Gathers transactions until an intake is full.
struct Taker<'t> {
    source: &'t Source<'t>,
    author: Option<Identity>,
    drafts: Vec<Draft>,
    bytes: usize,
    row_count: usize,
    cut_count: u64,
}

/// What became of a group that was offered to an intake.
enum Added {
    /// All of it was taken.
    Whole,
    /// Only lines before this index were: it was too large, or its parts are of several authors.
    UpTo(usize),
    /// Nothing: it is another author's.
    OtherAuthor,
}

impl Taker<'_> {
    fn is_full(&self) -> bool {
        self.bytes >= INTAKE_BYTES_MAX || self.row_count >= INTAKE_ROWS_MAX
    }

    fn add(
        &mut self,
        (plan, group): (&Plan, &Group),
        reader: &mut RowReader<'_>,
        link: &mut dyn EngineLink,
    ) -> Result<Added, SqliteError> {
        let (mut rows, mut bytes, mut cut) = (Vec::new(), 0, None);
        for place in plan.rows_of(group) {
            if bytes > TRANSACTION_BYTES_MAX {
                cut = Some(place.line_first);
                break;
            }
            let Some(touched) = reader.next(link)? else { break };
            bytes += estimate_bytes(&touched);
            rows.push(touched);
        }
        let mut authors = authors(&rows);
        let part_second = plan.parts_of(group).get(1).filter(|_| authors.len() > 1);
        if let Some(&part_second) = part_second {
            // Each part was a transaction of its own: a row that several touched is its last toucher's.
            rows.retain(|touched| touched.place.part_last == 0);
            authors = self::authors(&rows);
            cut = Some(cut.map_or(part_second, |line| line.min(part_second)));
        } else if cut.is_some() {
            self.cut_count += 1;
        }
        let (author, refusal) = self.judge_author(&authors, link)?;
        let is_signed = refusal.is_none() && rows.iter().any(|touched| touched.effect != Effect::Nothing);
        if is_signed && self.author.is_some_and(|taken| taken != author.identity) {
            return Ok(Added::OtherAuthor);
        }
        let draft = self.draft(rows, author.text, refusal);
        if draft.is_signed() {
            self.author = Some(author.identity);
        }
        self.bytes += bytes;
        self.row_count += draft.rows.len();
        self.drafts.push(draft);
        Ok(cut.map_or(Added::Whole, Added::UpTo))
    }

    /// Decides who signs a transaction whose rows name these authors.
    fn judge_author(
        &self,
        authors: &BTreeSet<Option<String>>,
        link: &mut dyn EngineLink,
    ) -> Result<(Author, Option<LocalRefusal>), SqliteError> {
        let own = Author { identity: self.source.identity, text: self.source.identity.to_string() };
        let named: Vec<&str> = authors.iter().flatten().map(String::as_str).collect();
        let refused = |text: &str, message: String| {
            let author = Author { identity: self.source.identity, text: text.to_owned() };
            Ok((author, Some(LocalRefusal { code: "author", message })))
        };
        let text = match named[..] {
            [] => return Ok((own, None)),
            [text] if authors.len() == 1 => text,
            [text, ..] => {
                return refused(
                    text,
                    "rows of two authors in one transaction: write them in two, each started with INSERT INTO treaty_tx DEFAULT VALUES".into(),
                );
            }
        };
        let identity = match Identity::parse(text) {
            Ok(identity) => identity,
            Err(cause) => return refused(text, format!("treaty_author is no identity: {cause}")),
        };
        if !link.signs_for(&identity)? {
            return refused(text, format!("treaty_author names {identity}, whose key is not on this node"));
        }
        Ok((Author { identity, text: identity.to_string() }, None))
    }

    fn draft(&self, rows: Vec<Touched>, author: String, mut refusal: Option<LocalRefusal>) -> Draft {
        let mut transaction = LocalTransaction::default();
        let mut draft_rows = Vec::with_capacity(rows.len());
        for touched in rows {
            if let (After::Bad(bad, _), None) = (&touched.after, &refusal) {
                refusal = Some(self.bad_value(touched.key, bad));
            }
            draft_rows.push(into_row(touched, &mut transaction));
        }
        Draft { author, rows: draft_rows, transaction, refusal }
    }

    fn bad_value(&self, key: ShownRow, bad: &[BadCell]) -> LocalRefusal {
        let table = &self.source.tables[key.table].table;
        let each: Vec<String> = bad
            .iter()
            .map(|cell| {
                format!("{}.{} of row {}: {}", table.name, table.columns[cell.column].name, key.id, cell.message)
            })
            .collect();
        LocalRefusal { code: "type", message: each.join("; ") }
    }
}

/// Who signs, and how reports print it.
struct Author {
    identity: Identity,
    text: String,
}

/// The authors that rows with an effect name; a deleted row names none, and goes with its transaction.
fn authors(rows: &[Touched]) -> BTreeSet<Option<String>> {
    let counts = |touched: &&Touched| match touched.after {
        After::Absent => false,
        After::Row(..) => touched.effect != Effect::Nothing,
        After::Bad(..) => true,
    };
    rows.iter().filter(counts).map(|touched| touched.author.clone()).collect()
}

/// Adds the operations of a row to its transaction, and keeps what finishing needs.
fn into_row(touched: Touched, transaction: &mut LocalTransaction) -> DraftRow {
    let Touched { key, stored_id, author_before, after, effect, .. } = touched;
    let ShownRow { table, id } = key;
    let operations = &mut transaction.operations;
    let (cells, form) = match after {
        After::Bad(_, json) => return DraftRow { key, stored_id, upkeep: Upkeep::Bad(json) },
        After::Absent => {
            if effect == Effect::Delete {
                operations.push(LocalOperation::Delete { table, id });
            }
            return DraftRow { key, stored_id, upkeep: Upkeep::Gone };
        }
        After::Row(cells, form) => (cells, form),
    };
    let unchanged = author_before.filter(|_| effect == Effect::Nothing);
    let upkeep = match (form, unchanged) {
        (Form::Other, unchanged) => Upkeep::Rewrite(cells.clone(), unchanged),
        (Form::Canonical, Some(author)) => Upkeep::Unchanged(author),
        (Form::Canonical, None) => Upkeep::Status,
    };
    match effect {
        Effect::Nothing | Effect::Delete => {}
        Effect::Insert => operations.push(LocalOperation::Insert(LocalRow { table, cells })),
        Effect::Replace => {
            operations.push(LocalOperation::Delete { table, id });
            operations.push(LocalOperation::Insert(LocalRow { table, cells }));
        }
        Effect::Update(columns) => {
            let cells = columns.into_iter().map(|column| (column, cells[column].clone())).collect();
            operations.push(LocalOperation::Update { table, id, cells });
        }
    }
    DraftRow { key, stored_id, upkeep }
}

/// About how many bytes a row's operation takes in an entry.
fn estimate_bytes(touched: &Touched) -> usize {
    const OPERATION_BYTES: usize = 40;
    let cells = match (&touched.effect, &touched.after) {
        (Effect::Insert | Effect::Replace, After::Row(cells, _)) => cells.iter().flatten().map(value_bytes).sum(),
        (Effect::Update(columns), After::Row(cells, _)) => {
            columns.iter().filter_map(|&column| cells[column].as_ref()).map(value_bytes).sum()
        }
        _ => 0,
    };
    OPERATION_BYTES + cells
}

/// About how many bytes a value takes, in an entry and in memory.
pub(super) fn value_bytes(value: &Value) -> usize {
    const FIXED_BYTES: usize = 40;
    match value {
        Value::Text(text) => FIXED_BYTES + text.as_str().len(),
        Value::Bytes(bytes) => FIXED_BYTES + bytes.as_slice().len(),
        Value::Json(json) => FIXED_BYTES + json.as_str().len(),
        _ => FIXED_BYTES,
    }
}
