//! What one drain takes out of the queue: transactions of one author on one view, ready to be signed or refused here.

use std::collections::BTreeSet;

use treaty_engine::identity::Identity;
use treaty_engine::limits::PAYLOAD_BYTES_MAX;
use treaty_engine::replica::{LocalOperation, LocalRow, LocalTransaction, Shown};
use treaty_schema::{Schema, Value};

use super::author::{LocalRefusal, NamedByLines, authors, judge};
use super::receipt::hash_lines;
use super::{BadCell, Effect, Group, Image, Line, Pauses, Plan, RowReader, ShownRow, Touched, plan};
use crate::database::{After, Database, DatabaseError, Form, Nameless, Queue, SeqRanges, StoredId};
use crate::link::EngineLink;

/// Estimated bytes at which a transaction is cut in pieces: an entry holds no more, with room for what estimates miss.
const TRANSACTION_BYTES_MAX: usize = (PAYLOAD_BYTES_MAX as usize) / 4 * 3;
/// Estimated bytes after which no further transaction is taken in one go.
const INTAKE_BYTES_MAX: usize = 4 << 20;
/// Rows after which no further transaction is taken in one go.
const INTAKE_ROWS_MAX: usize = 20_000;

/// Lines taken out of the queue together, and what they mean.
#[derive(Debug)]
pub(crate) struct Intake {
    /// What the tables showed when the work was done.
    pub(crate) on: Shown,
    /// What the tables showed in that view and in each later one; empty if nothing but marks and lines without rows is taken.
    pub(crate) views: Vec<(i64, Shown)>,
    /// Author of all that is to be signed.
    pub(crate) author: Identity,
    /// Its transactions, in order.
    pub(crate) drafts: Vec<Draft>,
    /// Lines that name no row.
    pub(crate) nameless: Vec<Nameless>,
    /// Which lines.
    pub(crate) taken: Taken,
    /// Whether the snapshot showed more.
    pub(crate) has_more: bool,
    /// How many transactions were cut for want of room in an entry.
    pub(crate) cut_count: u64,
}

impl Intake {
    /// Returns what the tables show now: what others did was applied since, perhaps.
    pub(crate) fn shown_before(&self) -> &Shown {
        self.views.last().map_or(&self.on, |(_, shown)| shown)
    }
}

/// Lines of the queue that were taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Taken {
    /// These.
    pub(crate) lines: SeqRanges,
    /// All that the snapshot showed: others are changes that are not in the rows that were read.
    pub(crate) seen: SeqRanges,
    /// When the latest of the lines was written, in milliseconds.
    pub(crate) at_last_ms: i64,
    /// How many lines were taken.
    pub(crate) line_count: usize,
    /// [`hash_lines`] over them.
    pub(crate) lines_hash: [u8; 32],
}

/// One transaction.
#[derive(Debug)]
pub(crate) struct Draft {
    /// Its author, as reports print it.
    pub(crate) author: String,
    /// The authors that its statements named.
    pub(crate) named: BTreeSet<String>,
    /// Its rows, with and without effect.
    pub(crate) rows: Vec<DraftRow>,
    /// What is to be signed; empty if nothing changed.
    pub(crate) transaction: LocalTransaction,
    /// Why it cannot even be handed to the engine.
    pub(crate) refusal: Option<LocalRefusal>,
}

impl Draft {
    /// Whether there is anything to sign.
    pub(crate) fn is_signed(&self) -> bool {
        self.refusal.is_none() && !self.transaction.operations.is_empty()
    }
}

/// A row of a [`Draft`].
#[derive(Debug)]
pub(crate) struct DraftRow {
    /// The row.
    pub(crate) key: ShownRow,
    /// Its id as it is stored.
    pub(crate) stored_id: StoredId,
    /// What remains to be done to it, once its transaction is in the log.
    pub(crate) upkeep: Upkeep,
}

/// What remains to be done to a row, once its transaction is in the log.
#[derive(Debug)]
pub(crate) enum Upkeep {
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

/// What a drain starts from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Source<'s> {
    /// The schema of the tables.
    pub(crate) schema: &'s Schema,
    /// Who signs what names no author.
    pub(crate) identity: Identity,
    /// Where a backlog is cut.
    pub(crate) pauses: Pauses,
}

impl Source<'_> {
    /// Reads the queue and the rows it names, and takes as many whole transactions of one author, done on one view, as fit;
    /// none if the queue is empty. All in the snapshot of the open transaction.
    pub(crate) fn take(
        &self,
        db: &mut dyn Database,
        link: &mut dyn EngineLink,
    ) -> Result<Option<Intake>, DatabaseError> {
        let queue = db.read_queue()?;
        if queue.is_idle() {
            return Ok(None);
        }
        let pauses = if db.knows_transactions() { Pauses::Ignored } else { self.pauses };
        let plan = plan(&queue.lines, pauses);
        let mut groups = &plan.groups[..];
        if let (true, [whole @ .., _]) = (queue.is_cut && groups.len() > 1, groups) {
            groups = whole;
        }
        let (views, on) = views_of(groups.first(), &queue.lines, db)?;
        // Work of a later view is another intake's. What was done on an earlier one is entered on this one, for the work of
        // this one may be its ground.
        let view = views.first().map_or(i64::MAX, |(view, _)| *view);
        groups = &groups
            [..groups.iter().take_while(|group| view_of(&queue.lines, group) <= view).count().max(1).min(groups.len())];
        let row_count = groups.iter().map(|group| plan.rows_of(group).len()).sum();
        let mut reader = RowReader::new(self.schema, &queue.lines, &on, &plan.rows[..row_count]);
        let mut taker = Taker { source: *self, queue: &queue, author: None, drafts: Vec::new(), fill: Fill::default() };
        let mut end = if groups.is_empty() { LinesEnd::All } else { LinesEnd::Before(0) };
        for group in groups {
            end = match taker.add((&plan, group), &mut reader, (&mut *db, &mut *link))? {
                Added::Whole => LinesEnd::Before(group.lines.end),
                Added::UpTo(line) => LinesEnd::Before(line),
                Added::OtherAuthor => break,
            };
            if end != LinesEnd::Before(group.lines.end) || taker.fill.is_full() {
                break;
            }
        }
        // Nothing but marks is left after the last group.
        if plan.groups.last().is_some_and(|group| end == LinesEnd::Before(group.lines.end)) && !queue.is_cut {
            end = LinesEnd::All;
        }
        let Taker { author, drafts, fill, .. } = taker;
        let author = author.unwrap_or(self.identity);
        Ok(close(queue, end).map(|(taken, nameless, has_more)| Intake {
            on,
            views,
            author,
            drafts,
            nameless,
            taken,
            has_more,
            cut_count: fill.cut_count,
        }))
    }
}

/// The view that a group's work was done on: the latest that any of its statements saw.
fn view_of(lines: &[Line], group: &Group) -> i64 {
    lines[group.lines.clone()].iter().map(|line| line.view).max().unwrap_or(i64::MIN)
}

/// Returns what the tables showed in the view of the first group and in each later one, and in the first of these.
fn views_of(
    first: Option<&Group>,
    lines: &[Line],
    db: &mut dyn Database,
) -> Result<(Vec<(i64, Shown)>, Shown), DatabaseError> {
    let Some(group) = first else { return Ok((Vec::new(), db.shown()?)) };
    let views = db.views(view_of(lines, group))?;
    let on = views.first().map(|(_, shown)| shown.clone());
    let on = on.ok_or_else(|| DatabaseError::Damaged { what: "what the tables show is not noted".into() })?;
    Ok((views, on))
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
fn close(queue: Queue, end: LinesEnd) -> Option<(Taken, Vec<Nameless>, bool)> {
    let Queue { lines, mut nameless, is_cut, .. } = queue;
    let seqs = lines.iter().map(|line| line.seq).chain(nameless.iter().map(|line| line.seq));
    let seen = SeqRanges::of(seqs);
    seen.last()?;
    let line_end = match end {
        LinesEnd::Before(index) => index.min(lines.len()),
        LinesEnd::All => lines.len(),
    };
    if let Some(stays) = lines.get(line_end) {
        nameless.retain(|line| line.seq < stays.seq);
    }
    let lines = &lines[..line_end];
    let taken = Taken {
        lines: SeqRanges::of(lines.iter().map(|line| line.seq).chain(nameless.iter().map(|line| line.seq))),
        seen,
        at_last_ms: lines.iter().map(|line| line.at_ms).max().unwrap_or(i64::MIN),
        line_count: lines.len() + nameless.len(),
        lines_hash: hash_lines(lines),
    };
    let has_more = taken.lines != taken.seen || is_cut;
    Some((taken, nameless, has_more))
}

/// Gathers transactions until an intake is full.
struct Taker<'t> {
    source: Source<'t>,
    queue: &'t Queue,
    author: Option<Identity>,
    drafts: Vec<Draft>,
    fill: Fill,
}

/// How much an intake holds.
#[derive(Default)]
struct Fill {
    bytes: usize,
    row_count: usize,
    cut_count: u64,
}

impl Fill {
    fn is_full(&self) -> bool {
        self.bytes >= INTAKE_BYTES_MAX || self.row_count >= INTAKE_ROWS_MAX
    }
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
    fn add(
        &mut self,
        (plan, group): (&Plan, &Group),
        reader: &mut RowReader<'_>,
        (db, link): (&mut dyn Database, &mut dyn EngineLink),
    ) -> Result<Added, DatabaseError> {
        let (mut rows, mut bytes, mut cut) = (Vec::new(), 0, None);
        for place in plan.rows_of(group) {
            if bytes > TRANSACTION_BYTES_MAX {
                cut = Some(place.line_first);
                break;
            }
            let Some(touched) = reader.next(db, link)? else { break };
            bytes += estimate_bytes(&touched);
            rows.push(touched);
        }
        Touched::forget_unset(&mut rows);
        let named = NamedByLines::of_group(&self.queue.authors, &self.queue.lines, plan, group);
        let mut by = authors(&rows, &named);
        let part_second = plan.parts_of(group).get(1).filter(|_| by.len() > 1);
        if let Some(&part_second) = part_second {
            // Each part was a transaction of its own: a row that several touched is its last toucher's.
            rows.retain(|touched| touched.place.part_last == 0);
            by = authors(&rows, &named);
            cut = Some(cut.map_or(part_second, |line| line.min(part_second)));
        } else if cut.is_some() {
            self.fill.cut_count += 1;
        }
        let (author, refusal) = judge(self.source.identity, &by, remedy(db), link)?;
        let is_signed = refusal.is_none() && rows.iter().any(|touched| touched.effect != Effect::Nothing);
        if is_signed && self.author.is_some_and(|taken| taken != author.identity) {
            return Ok(Added::OtherAuthor);
        }
        let named = named.of_rows(&rows);
        let draft = Draft { named, ..self.draft(rows, author.text, refusal) };
        if draft.is_signed() {
            self.author = Some(author.identity);
        }
        self.fill.bytes += bytes;
        self.fill.row_count += draft.rows.len();
        self.drafts.push(draft);
        Ok(cut.map_or(Added::Whole, Added::UpTo))
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
        Draft { author, named: BTreeSet::new(), rows: draft_rows, transaction, refusal }
    }

    fn bad_value(&self, key: ShownRow, bad: &[BadCell]) -> LocalRefusal {
        let table = &self.source.schema.tables()[key.table];
        let each: Vec<String> = bad
            .iter()
            .map(|cell| {
                format!("{}.{} of row {}: {}", table.name, table.columns[cell.column].name, key.id, cell.message)
            })
            .collect();
        LocalRefusal { code: "type", message: each.join("; "), operation: None }
    }
}

/// How to write what two authors did in one transaction.
fn remedy(db: &dyn Database) -> &'static str {
    if db.knows_transactions() {
        return "write them in two";
    }
    "write them in two, each started with INSERT INTO treaty_tx DEFAULT VALUES"
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
pub fn value_bytes(value: &Value) -> usize {
    const FIXED_BYTES: usize = 40;
    match value {
        Value::Text(text) => FIXED_BYTES + text.as_str().len(),
        Value::Bytes(bytes) => FIXED_BYTES + bytes.as_slice().len(),
        Value::Json(json) => FIXED_BYTES + json.as_str().len(),
        _ => FIXED_BYTES,
    }
}
