//! Replaying a tale: two replicas hear it, in the order told and in the order heard, and are compared with the oracle after
//! every entry.

use treaty_engine::hash::SpaceId;
use treaty_engine::log::Entry;
use treaty_engine::replica::{Replica, Shown};
use treaty_engine::store::Sqlite;

use super::failure::{Failure, Result};
use super::judged::Judged;
use super::node::read_shown;
use super::tables::{Tables, broken_constraint, difference, fold};
use super::tale::Tale;

/// Replays a tale.
///
/// # Errors
/// The check that fails.
pub fn replay(tale: &Tale) -> Result<()> {
    let story = tale.story();
    let genesis = story.entry("genesis").clone();
    let told: Vec<&Entry> = story.entries[1..].iter().map(|(_, entry)| entry).collect();
    let first = hear(&genesis, &story.schema, &told)?;
    let heard: Vec<&Entry> = tale.heard.iter().map(|name| story.entry(name)).collect();
    let mut left = told.clone();
    left.retain(|entry| heard.iter().all(|other| other.id() != entry.id()));
    let second = hear(&genesis, &story.schema, &[heard, left].concat())?;
    if first != second {
        return Err(Failure::new("order", "another order of arrival ends otherwise"));
    }
    Ok(())
}

/// Lets a replica hear entries one by one. Returns its digest.
fn hear(genesis: &Entry, schema: &treaty_schema::Schema, entries: &[&Entry]) -> Result<[u8; 32]> {
    let store = Sqlite::in_memory().map_err(Failure::of("opening a store"))?;
    let space = SpaceId(*genesis.id());
    let mut replica = Replica::join(store, genesis.clone(), space).map_err(Failure::of("joining"))?;
    let mut judged = Judged::new(schema.clone(), genesis)?;
    let (mut tables, mut shown) = (Tables::new(), Shown::NOTHING);
    for entry in entries {
        let outcome = replica.ingest(vec![(*entry).clone()]).map_err(Failure::of("ingesting"))?;
        for id in &outcome.admitted {
            let admitted = entries.iter().find(|entry| entry.id() == id);
            let admitted = admitted.ok_or_else(|| Failure::new("admission", "a strange entry is admitted"))?;
            judged.check_fate(admitted, None)?;
            judged.add(admitted)?;
        }
        for (id, refusal) in &outcome.refused {
            if let Some(refused) = entries.iter().find(|entry| entry.id() == id) {
                judged.check_fate(refused, Some(refusal))?;
            }
        }
        let frontier = replica.frontier();
        judged.check_verdicts(&replica)?;
        judged.check_rows(&replica, &frontier, &frontier)?;
        loop {
            let batch = replica.next_batch(&shown, 2).map_err(Failure::of("reading a batch"))?;
            fold(&mut tables, batch.changes);
            shown = batch.to;
            if let Some(fault) = difference(schema, &tables, &read_shown(&replica, &shown)?) {
                return Err(Failure::new("apply", fault));
            }
            if let Some(fault) = broken_constraint(schema, &tables) {
                return Err(Failure::new("constraint", fault));
            }
            if batch.is_last {
                break;
            }
        }
    }
    replica.digest().map_err(Failure::of("hashing the state"))
}
