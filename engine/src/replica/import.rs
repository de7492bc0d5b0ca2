//! Local work: judged one co-transaction after the other, signed into as few entries as hold what stands.

use treaty_schema::Value;

use super::Replica;
use super::admit::{AdmitError, Desk, Judged, height_of, sight_by};
use super::error::ReplicaError;
use super::local::Resolver;
use super::scene::kept;
use super::source::LocalSource;
use super::types::{ImportOutcome, LocalOperation, LocalTransaction, LocalWork, TransactionName};
use crate::causality::{Index, Past, Pos, Version};
use crate::cotx::{AsOf, Findings, Judge, JudgeError, Place, Reason, Refusal, ViewVerdicts};
use crate::fault::StoreError;
use crate::hash::EntryId;
use crate::identity::{Identity, Keypair};
use crate::limits::{PARENTS_MAX, PAYLOAD_BYTES_MAX};
use crate::log::{Entry, EntryDraft, LogStore};
use crate::relation::payload::{Payload, PayloadBuilder};
use crate::relation::{RowId, Sight, Verdicts, View, name};
use crate::store::{Sqlite, WriteTx};

/// An entry being filled: what stands so far, and how far the work was taken.
#[derive(Default)]
struct Filled {
    source: LocalSource,
    builder: PayloadBuilder,
    /// By co-transaction taken, its index in the entry, or why not.
    judged: Vec<Result<u32, Refusal>>,
    findings: Findings,
}

/// What one more co-transaction did to an entry.
enum Taken {
    Judged(Result<u32, Refusal>),
    /// It belongs into the next entry.
    Full,
}

impl Replica {
    pub(super) fn import_all(&mut self, author: &Keypair, work: LocalWork<'_>) -> Result<ImportOutcome, ReplicaError> {
        self.check_basis(work.on)?;
        let tx = self.store.begin()?;
        let desk =
            Desk { layout: &self.layout, heads: &self.heads, views: &self.views, evaluations: &self.evaluations };
        let mut writer = Writer { desk, index: &mut self.index, author, time_ms: work.time_ms };
        let mut parents = writer.frontier(&tx, &work.on.version)?;
        let mut outcome = ImportOutcome { entries: Vec::new(), shown: work.on.clone(), transactions: Vec::new() };
        let mut left = work.transactions;
        while !left.is_empty() {
            let past = writer.index.past_of_positions(&*tx, &parents)?;
            let shown = kept(&tx, AsOf::Basis(work.on.basis));
            let ground = (&tx, &*writer.index, past);
            let Filled { source, builder, judged, findings } = fill(ground, desk, &*shown, author.identity(), left)?;
            left = &left[judged.len()..];
            let mut entry = None;
            if builder.transaction_count() > 0 {
                writer.merge_down(&tx, &mut parents, &mut outcome.entries)?;
                let (pos, id) = writer.seal(&tx, &parents, builder.finish(), (&source, &findings))?;
                parents = vec![pos];
                outcome.entries.push(id);
                entry = Some(id);
            }
            for (judged, index) in judged.into_iter().zip(outcome.transactions.len()..) {
                outcome.transactions.push(name_outcome(judged, index, entry));
            }
        }
        if !outcome.entries.is_empty() {
            let past = writer.index.past_of_positions(&*tx, &parents)?;
            outcome.shown.version = writer.index.version_of(&*tx, &past)?;
        }
        if let Some(note) = work.note {
            tx.set_note(note.key, note.bytes)?;
            tx.set_note(&shown_key(note.key), &outcome.shown.to_bytes())?;
        }
        tx.commit()?;
        Ok(outcome)
    }
}

/// Under which key the version goes that tables show after an import.
pub(super) fn shown_key(key: &str) -> String {
    format!("{key}.shown")
}

/// Fills one entry: at least one co-transaction is taken.
///
/// * `past` - of the entry.
/// * `shown` - by which verdicts the tables showed it.
fn fill(
    (tx, index, past): (&WriteTx<'_>, &Index, Past),
    desk: Desk<'_>,
    shown: &dyn Verdicts,
    author: Identity,
    work: &[LocalTransaction],
) -> Result<Filled, StoreError> {
    let mut filled = Filled::default();
    let verdicts = ViewVerdicts::new(&**tx, index, desk.bench(), &past)?;
    let height_max = height_of(tx, &index.frontier(&**tx, &past)?)?;
    let sight_shown = Sight { past: past.clone(), height_max, settled_below: 0 };
    let sight = sight_by(tx, index, past, height_max, &verdicts)?;
    let mut judge = Judge::new(View::new(&**tx, desk.layout, &sight, desk.heads, &verdicts), Some(author));
    let shown = View::new(&**tx, desk.layout, &sight_shown, desk.heads, shown);
    for local in work {
        match take(&mut judge, &mut filled, (&shown, local))? {
            Taken::Full => break,
            Taken::Judged(judged) => filled.judged.push(judged),
        }
    }
    filled.findings = judge.into_findings();
    Ok(filled)
}

/// Names a co-transaction that stands by its entry, and the operation at fault by the place in the local work.
fn name_outcome(
    judged: Result<u32, Refusal>,
    index: usize,
    entry: Option<EntryId>,
) -> Result<TransactionName, Refusal> {
    match (judged, entry) {
        (Ok(transaction), Some(entry)) => Ok(TransactionName { entry, transaction }),
        (Ok(_), None) => unreachable!("an entry is sealed for whatever stands"),
        (Err(refusal), _) => {
            let transaction = u32::try_from(index).unwrap_or(u32::MAX);
            let place = refusal.place.map(|place| Place { transaction, ..place });
            Err(Refusal { place, ..refusal })
        }
    }
}

/// Takes one more co-transaction into an entry, if it stands and fits.
fn take(
    judge: &mut Judge<'_, Sqlite>,
    filled: &mut Filled,
    (shown, local): (&View<'_, Sqlite>, &LocalTransaction),
) -> Result<Taken, StoreError> {
    let transaction = filled.builder.transaction_count();
    if local.operations.iter().any(|operation| inserts_own(judge, operation)) {
        // One entry inserts no id twice; one after the other may.
        return Ok(Taken::Full);
    }
    let resolved = Resolver { judge, shown, source: &filled.source, transaction }.resolve(local);
    let acts = match resolved {
        Ok(acts) => acts,
        Err(JudgeError::Refused(refusal)) => return Ok(Taken::Judged(Err(refusal))),
        Err(JudgeError::Store(cause)) => return Err(cause),
    };
    let (view, mark) = (judge.view(), filled.builder.mark());
    let named: Result<Vec<_>, StoreError> =
        acts.iter().map(|act| name(view.layout(), act, &|key| view.name(key))).collect();
    filled.builder.push(&named?);
    if !filled.builder.fits_entry() {
        filled.builder.undo(&mark);
        if transaction > 0 {
            return Ok(Taken::Full);
        }
        let message = format!("the transaction is larger than one entry holds ({PAYLOAD_BYTES_MAX} bytes)");
        return Ok(Taken::Judged(Err(Refusal::new(Reason::TooLarge, message))));
    }
    filled.source.transactions.push(acts);
    match judge.admit(&filled.source, transaction) {
        Ok(()) => Ok(Taken::Judged(Ok(transaction))),
        Err(JudgeError::Refused(refusal)) => {
            filled.source.transactions.pop();
            filled.builder.undo(&mark);
            Ok(Taken::Judged(Err(refusal)))
        }
        Err(JudgeError::Store(cause)) => Err(cause),
    }
}

/// Whether an operation inserts an id that the entry being filled has inserted.
fn inserts_own(judge: &Judge<'_, Sqlite>, operation: &LocalOperation) -> bool {
    let LocalOperation::Insert(row) = operation else { return false };
    let Some(table) = judge.view().layout().schema().tables().get(row.table) else { return false };
    match row.cells.get(table.id_column) {
        Some(Some(Value::Uuid(id))) => judge.own_row(row.table, RowId(*id)).is_some(),
        _ => false,
    }
}

/// Signs and keeps entries of the local author.
struct Writer<'w> {
    desk: Desk<'w>,
    index: &'w mut Index,
    author: &'w Keypair,
    time_ms: u64,
}

impl Writer<'_> {
    /// The maximal entries of a version.
    fn frontier(&self, tx: &WriteTx<'_>, version: &Version) -> Result<Vec<Pos>, ReplicaError> {
        let past = self.index.past_of(&**tx, version)?;
        Ok(self.index.frontier(&**tx, &past)?)
    }

    /// Merges heads until one entry can have them as parents.
    fn merge_down(
        &mut self,
        tx: &WriteTx<'_>,
        parents: &mut Vec<Pos>,
        entries: &mut Vec<EntryId>,
    ) -> Result<(), ReplicaError> {
        while parents.len() > PARENTS_MAX {
            let merged: Vec<Pos> = parents.drain(..PARENTS_MAX).collect();
            let (pos, id) = self.seal(
                tx,
                &merged,
                PayloadBuilder::new().finish(),
                (&LocalSource::default(), &Findings::default()),
            )?;
            parents.push(pos);
            entries.push(id);
        }
        Ok(())
    }

    /// Signs an entry, places it and keeps it.
    fn seal(
        &mut self,
        tx: &WriteTx<'_>,
        parents: &[Pos],
        payload: Vec<u8>,
        (source, findings): (&LocalSource, &Findings),
    ) -> Result<(Pos, EntryId), ReplicaError> {
        let mut ids = Vec::with_capacity(parents.len());
        for parent in parents {
            ids.push(tx.stamp(*parent)?.id);
        }
        let height = 1 + height_of(tx, parents)?;
        let decoded = Payload::decode(payload.clone()).expect("a built payload is canonical");
        let draft = EntryDraft { space: self.index.space(), parents: ids, height, time_ms: self.time_ms };
        let entry = Entry::sign(self.author, draft, payload)?;
        let placement = self.index.place(&**tx, entry.header()).map_err(AdmitError::from)?;
        let verdicts = ViewVerdicts::new(&**tx, self.index, self.desk.bench(), placement.past())?;
        let sight = sight_by(tx, self.index, placement.past().clone(), height - 1, &verdicts)?;
        let judged = Judged { placement, sight: &sight, verdicts: &verdicts, findings };
        let placement = self.desk.keep((tx, self.index), &entry, judged, (&decoded, source))?;
        let pos = placement.pos();
        self.desk.settle(tx, self.index, placement)?;
        Ok((pos, *entry.id()))
    }
}
