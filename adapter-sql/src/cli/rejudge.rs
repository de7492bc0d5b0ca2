//! A log judged again by the reference evaluator: admission of every entry, every verdict, every row, the digest.
//!
//! The evaluator shares no judgement with the engine, and is slow: its work grows faster than the square of the log. So it
//! is asked for small logs, or when told to; [`Size`] says which a log is.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use treaty_engine::hash::EntryId;
use treaty_engine::log::{Entry, Kind};
use treaty_engine::relation::RowId;
use treaty_engine::relation::payload::{GenesisPayload, Payload};
use treaty_engine::replica::{LogPage, Replica, ReplicaError, RowImage, Verdict};
use treaty_oracle::{CoTxName, History, ShownRow, Verdict as Judged};

use super::output::Progress;
use super::verify::{Problems, verified};

/// Co-transactions of the largest log that the reference evaluator judges without being told to.
pub(crate) const ORACLE_TRANSACTIONS_MAX: u64 = 300;
/// Operations of the largest log that the reference evaluator judges without being told to: they are what it reads again
/// and again.
pub(crate) const ORACLE_OPERATIONS_MAX: u64 = 1_000;

/// Log entries read at a time.
const PAGE_ENTRIES: usize = 200;

/// How large a log is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Size {
    /// Co-transactions.
    pub(crate) transactions: u64,
    /// Operations.
    pub(crate) operations: u64,
}

impl Size {
    /// Adds an entry.
    pub(crate) fn add(&mut self, entry: &Entry) {
        let payload = match entry.header().kind {
            Kind::Genesis => GenesisPayload::decode(entry.payload().to_vec()).map(|genesis| genesis.rows),
            Kind::Data => Payload::decode(entry.payload().to_vec()),
        };
        // What does not decode is a problem of its own.
        if let Ok(payload) = payload {
            self.transactions += u64::from(payload.transaction_count());
            self.operations += u64::from(payload.operation_count_all());
        }
    }

    /// Whether the reference evaluator judges such a log without being told to.
    pub(crate) fn is_small(self) -> bool {
        self.transactions <= ORACLE_TRANSACTIONS_MAX && self.operations <= ORACLE_OPERATIONS_MAX
    }
}

/// Judges the log of `replica` from its entries alone, and notes everything that the replica keeps otherwise.
///
/// # Errors
/// If the log cannot be read.
pub(crate) fn rejudge(replica: &Replica, problems: &mut Problems) -> Result<()> {
    let Some(history) = admit_all(replica, problems)? else { return Ok(()) };
    let heads = history.all_heads();
    if replica.frontier().ids() != heads {
        problems.note("the reference evaluator ends elsewhere than the log kept".to_owned());
        return Ok(());
    }
    compare_verdicts(replica, &history.verdicts(&heads), problems)?;
    compare_rows(replica, &history.shown(&heads), problems)?;
    if replica.digest()? != history.digest(&heads) {
        problems.note("the digest of the state kept is not the one of the reference evaluator".to_owned());
    }
    Ok(())
}

/// Hands the evaluator every entry; none if one cannot be told of at all.
fn admit_all(replica: &Replica, problems: &mut Problems) -> Result<Option<History>> {
    let index = replica.index();
    let mut walk = index.difference(&index.whole(), &index.past_of_positions(replica.store(), &[])?);
    let (total, mut done) = (walk.left(), 0);
    let mut progress = Progress::begin("entries judged by the reference evaluator");
    let mut history = History::new(replica.schema().clone());
    while let Some((pos, _)) = walk.next(replica.store())? {
        // Whatever fails here was noted by the replay.
        let Ok(entry) = verified(replica, pos) else { return Ok(None) };
        if let Some(reason) = history.judge(&entry) {
            problems.note(format!("entry {}: the reference evaluator refuses it ({})", entry.id(), reason.code()));
        }
        if let Err(error) = history.add(&entry) {
            problems.note(format!("entry {}: {error}", entry.id()));
            return Ok(None);
        }
        done += 1;
        progress.update(done, Some(total));
    }
    progress.finish();
    Ok(Some(history))
}

fn compare_verdicts(replica: &Replica, judged: &BTreeMap<CoTxName, Judged>, problems: &mut Problems) -> Result<()> {
    let mut page: Option<LogPage> = None;
    let mut seen = 0;
    loop {
        let next = replica.log(page.as_ref(), PAGE_ENTRIES).context("reading verdicts")?;
        for item in &next.items {
            for (transaction, kept) in (0..).zip(&item.transactions) {
                let name = CoTxName { entry: item.id, transaction };
                let (kept, judged) = (kept_word(&kept.verdict), judged.get(&name).map(judged_word));
                seen += 1;
                if judged.as_ref() != Some(&kept) {
                    let judged = judged.unwrap_or_else(|| "unknown".to_owned());
                    problems.note(format!(
                        "entry {}, co-transaction {transaction}: kept as {kept}, by the reference evaluator {judged}",
                        item.id
                    ));
                }
            }
        }
        if next.next.is_none() {
            break;
        }
        page = Some(next);
    }
    if seen != judged.len() {
        problems.note(format!("{seen} verdicts are kept, the reference evaluator has {}", judged.len()));
    }
    Ok(())
}

fn kept_word(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Live => "live".to_owned(),
        Verdict::Void { reason, culprit, .. } => {
            void_word(reason.code(), culprit.map(|culprit| (culprit.entry, culprit.transaction)))
        }
    }
}

fn judged_word(verdict: &Judged) -> String {
    match verdict {
        Judged::Live => "live".to_owned(),
        Judged::Void { reason, culprit, .. } => {
            void_word(reason.code(), culprit.map(|culprit| (culprit.entry, culprit.transaction)))
        }
    }
}

fn void_word(code: &str, culprit: Option<(EntryId, u32)>) -> String {
    match culprit {
        Some((entry, transaction)) => format!("void ({code}, by co-transaction {transaction} of {entry})"),
        None => format!("void ({code})"),
    }
}

fn compare_rows(replica: &Replica, judged: &BTreeMap<(usize, RowId), ShownRow>, problems: &mut Problems) -> Result<()> {
    let now = replica.frontier();
    for (index, table) in replica.schema().tables().iter().enumerate() {
        let mut missing: BTreeMap<RowId, &ShownRow> =
            judged.iter().filter(|((of, _), _)| *of == index).map(|((_, id), row)| (*id, row)).collect();
        let mut compare = |id: RowId, kept: RowImage| -> Result<(), ReplicaError> {
            let is_same = missing
                .remove(&id)
                .is_some_and(|row| row.name == kept.name && row.cells == kept.cells && row.author == kept.author);
            if !is_same {
                problems.note(format!("table {}, row {id}: the reference evaluator has another one", table.name));
            }
            Ok(())
        };
        replica.rows_at(index, &now, &now, &mut compare).context("reading rows")?;
        for id in missing.keys() {
            problems
                .note(format!("table {}, row {id}: the reference evaluator has it, the log kept has not", table.name));
        }
    }
    Ok(())
}
