//! Every rule of verdicts, told to the engine: as told, and in any order of arrival.

use std::collections::BTreeMap;

use treaty_engine::causality::Version;
use treaty_engine::hash::EntryId;
use treaty_engine::log::Entry;
use treaty_engine::relation::RowId;
use treaty_engine::replica::{Replica, ReplicaError};

use treaty_testkit::{CoTxName, Evaluates, Scenario, ShownRow, Story, Verdict};

use crate::tables::{hear, replica_of, voids_of};

treaty_testkit::each_scenario!(crate::scenarios::check);

/// A replica, asked as the oracle is.
pub(crate) struct Told(pub(crate) Replica);

impl Evaluates for Told {
    fn hear(&mut self, entry: &Entry) -> Option<&'static str> {
        hear(&mut self.0, entry).err().map(|refusal| refusal.reason.code())
    }

    fn verdict(&mut self, of: CoTxName) -> Verdict {
        voids_of(&self.0, &[of.entry]).get(&of).copied().unwrap_or(Verdict::Live)
    }

    fn rows(&mut self, at: &[EntryId], from: &[EntryId]) -> BTreeMap<(usize, RowId), ShownRow> {
        rows_at(&self.0, &Version::new(at.to_vec()), &Version::new(from.to_vec()))
    }

    fn heads(&mut self) -> Vec<EntryId> {
        self.0.frontier().ids().to_vec()
    }
}

/// Reads all tables.
pub(crate) fn rows_at(replica: &Replica, at: &Version, from: &Version) -> BTreeMap<(usize, RowId), ShownRow> {
    let mut rows = BTreeMap::new();
    for table in 0..replica.schema().tables().len() {
        let mut visit = |_, row: treaty_engine::replica::RowImage| {
            let id_column = replica.schema().tables()[table].id_column;
            let Some(treaty_schema::Value::Uuid(id)) = row.cells[id_column] else { panic!("an id is a UUID") };
            let shown = ShownRow { name: row.name, cells: row.cells, author: row.author };
            assert!(rows.insert((table, RowId(id)), shown).is_none(), "an id is shown once");
            Ok::<(), ReplicaError>(())
        };
        replica.rows_at(table, at, from, &mut visit).unwrap();
    }
    rows
}

fn check(scenario: &Scenario) {
    scenario.check(|story: &Story| Told(replica_of(story)));
}
