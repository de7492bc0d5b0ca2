//! The oracle's side of every check: what is admitted, what tables show, what is void and why.
//!
//! The only file of the simulator that asks the oracle, so that what it can be asked is seen at a glance.

use std::collections::BTreeMap;

use treaty_engine::causality::Version;
use treaty_engine::cotx::{Reason, Refusal};
use treaty_engine::log::Entry;
use treaty_engine::relation::RowId;
use treaty_engine::replica::{Replica, RowImage, TransactionName, Verdict};
use treaty_oracle::{History, ShownRow, Verdict as OracleVerdict};
use treaty_schema::Schema;

use super::failure::{Failure, Result};
use super::node::read_from;
use super::statistics::Statistics;

/// Everything ever admitted anywhere, for the oracle.
pub(super) struct Judged {
    history: History,
}

impl Judged {
    /// Starts with genesis.
    pub(super) fn new(schema: Schema, genesis: &Entry) -> Result<Judged> {
        let mut judged = Judged { history: History::new(schema) };
        judged.add(genesis)?;
        Ok(judged)
    }

    /// Compares what was made of an entry with what should be. Header and structure are the codec's to judge.
    pub(super) fn check_fate(&self, entry: &Entry, refusal: Option<&Refusal>) -> Result<()> {
        let reason = refusal.map(|refusal| refusal.reason);
        if matches!(reason, Some(Reason::Payload | Reason::Header | Reason::Ancestor)) {
            return Ok(());
        }
        let expected = self.history.judge(entry);
        if expected == reason {
            return Ok(());
        }
        let said = refusal.map_or_else(|| "admitted".to_owned(), |refusal| format!("{:?}: {refusal}", refusal.reason));
        let text = format!("entry {} is {said}; the oracle says {expected:?}", entry.id());
        Err(Failure::new("oracle admission", text))
    }

    /// Keeps an entry that was admitted.
    pub(super) fn add(&mut self, entry: &Entry) -> Result<()> {
        self.history.add(entry).map_err(Failure::of("telling the oracle"))
    }

    /// Compares what a replica shows at a version with what it should, with the verdicts of a later one.
    pub(super) fn check_rows(&self, replica: &Replica, at: &Version, from: &Version) -> Result<()> {
        let shown = |row: RowImage| ShownRow { name: row.name, cells: row.cells, author: row.author };
        let found: BTreeMap<(usize, RowId), ShownRow> =
            read_from(replica, at, from)?.into_iter().map(|(key, row)| (key, shown(row))).collect();
        let expected = self.history.shown_from(at.ids(), from.ids());
        let keys = found.keys().chain(expected.keys());
        match keys.filter(|key| found.get(key) != expected.get(key)).min() {
            None => Ok(()),
            Some(key) => {
                let table = &self.history.schema().tables()[key.0].name;
                let (found, expected) = (found.get(key), expected.get(key));
                let text = format!("row {:?} of {table}:\n  replica {found:?}\n  oracle  {expected:?}", key.1);
                Err(Failure::new("oracle rows", text))
            }
        }
    }

    /// Compares the verdicts that a replica gives with those of the oracle: which, why, and whose fault.
    pub(super) fn check_verdicts(&self, replica: &Replica) -> Result<()> {
        let (found, expected) = (verdicts_of(replica)?, self.history.verdicts(replica.frontier().ids()));
        let told = |verdict: &OracleVerdict| match verdict {
            OracleVerdict::Live => "live".to_owned(),
            OracleVerdict::Void { reason, culprit, .. } => {
                let culprit =
                    culprit.map(|culprit| TransactionName { entry: culprit.entry, transaction: culprit.transaction });
                said(reason.code(), culprit)
            }
        };
        let expected: BTreeMap<TransactionName, String> = expected
            .iter()
            .map(|(of, verdict)| (TransactionName { entry: of.entry, transaction: of.transaction }, told(verdict)))
            .collect();
        let all = found.keys().chain(expected.keys());
        match all.filter(|of| found.get(of) != expected.get(of)).min() {
            None => Ok(()),
            Some(of) => {
                let (found, expected) = (found.get(of), expected.get(of));
                let text = format!("{} is {found:?}; the oracle says {expected:?}", short(*of));
                Err(Failure::new("oracle verdicts", text))
            }
        }
    }

    /// Counts what became of co-transactions in a version.
    pub(super) fn count(&self, at: &Version, statistics: &mut Statistics) {
        for (what, times) in self.history.census(at.ids()) {
            statistics.add(what, times);
        }
        for verdict in self.history.verdicts(at.ids()).values() {
            match verdict {
                OracleVerdict::Live => statistics.count("live"),
                OracleVerdict::Void { reason, .. } => statistics.count(format!("void: {}", reason.code())),
            }
        }
    }
}

/// The verdict on every co-transaction that a replica holds, in words.
pub(super) fn verdicts_of(replica: &Replica) -> Result<BTreeMap<TransactionName, String>> {
    let log = replica.log(None, usize::MAX).map_err(Failure::of("reading the log"))?;
    let mut found = BTreeMap::new();
    for item in log.items {
        for (transaction, of) in (0..).zip(item.transactions) {
            let told = match of.verdict {
                Verdict::Live => "live".to_owned(),
                Verdict::Void { reason, culprit, .. } => said(reason.code(), culprit),
            };
            found.insert(TransactionName { entry: item.id, transaction }, told);
        }
    }
    Ok(found)
}

fn said(reason: &str, culprit: Option<TransactionName>) -> String {
    format!("void, {reason}, by {}", culprit.map_or_else(|| "nobody".to_owned(), short))
}

/// A co-transaction, in few letters.
pub(super) fn short(of: TransactionName) -> String {
    format!("{}/{}", &of.entry.to_string()[..8], of.transaction)
}
