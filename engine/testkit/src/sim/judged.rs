//! The oracle's side of every check: what is admitted, what tables show, what is void and why.
//!
//! The only file of the simulator that asks the oracle, so that what it can be asked is seen at a glance.

use std::collections::BTreeMap;

use treaty_engine::causality::Version;
use treaty_engine::cotx::{Reason, Refusal};
use treaty_engine::log::Entry;
use treaty_engine::relation::RowId;
use treaty_engine::replica::{Replica, RowImage};
use treaty_oracle::{History, ShownRow, Verdict};
use treaty_schema::Schema;

use super::failure::{Failure, Result};
use super::node::read_from;
use super::statistics::Statistics;

/// Whether tables keep every constraint of the schema: they do once verdicts decide.
pub(super) const ARE_CONSTRAINTS_KEPT: bool = false;

/// Everything ever admitted anywhere, for the oracle.
pub(super) struct Judged {
    history: History,
    genesis: Entry,
}

impl Judged {
    /// Starts with genesis.
    pub(super) fn new(schema: Schema, genesis: &Entry) -> Result<Judged> {
        let mut judged = Judged { history: History::new(schema).all_live(), genesis: genesis.clone() };
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

    /// Counts what became of co-transactions in the end.
    pub(super) fn count(&self, entries: &[&Entry], statistics: &mut Statistics) -> Result<()> {
        let mut history = History::new(self.history.schema().clone());
        history.add(&self.genesis).map_err(Failure::of("telling the oracle"))?;
        let mut past_count = 0;
        for entry in entries {
            if history.judge(entry).is_none() && history.add(entry).is_ok() {
                past_count += 1;
            }
        }
        statistics.add("oracle: entries", past_count);
        for (what, times) in history.census(&history.all_heads()) {
            statistics.add(what, times);
        }
        for verdict in history.verdicts(&history.all_heads()).values() {
            match verdict {
                Verdict::Live => statistics.count("live"),
                Verdict::Void { reason, .. } => statistics.count(format!("void: {}", reason.code())),
            }
        }
        Ok(())
    }
}
