//! What must hold of replicas at any time, and of all of them in the end.

use treaty_engine::causality::Version;
use treaty_engine::hash::EntryId;
use treaty_engine::log::Entry;
use treaty_engine::replica::{LocalTransaction, Replica, Shown};
use treaty_engine::store::Sqlite;

use super::chance::Chance;
use super::compose::Writer;
use super::failure::{Failure, Result};
use super::judged::{short, verdicts_of};
use super::node::{Checked, Done, ids_of, read, read_shown};
use super::steps::{connect, hear, talk};
use super::tables::{Tables, difference};
use super::world::{World, key};

/// Looks in vain at connections after which everybody has said everything.
const IDLE_MAX: usize = 200;

/// Compares a replica with the oracle, and with every other one that held the same entries.
pub(super) fn check_node(world: &mut World, node: usize) -> Result<()> {
    let replica = &world.nodes[node].replica;
    let at = replica.frontier();
    world.judged.check_verdicts(replica).map_err(|failure| on(node, &failure))?;
    world.judged.check_rows(replica, &at, &at).map_err(|failure| on(node, &failure))?;
    let digest = replica.digest().map_err(Failure::of("hashing the state"))?;
    world.statistics.count("prefix checks");
    world.tell(|| format!("node {node} is looked at: {:02x?}", &digest[..4]));
    match world.digests.insert(at, digest) {
        Some(other) if other != digest => {
            Err(Failure::new("digest", format!("node {node} holds what another one held, and shows other rows")))
        }
        _ => Ok(()),
    }
}

/// Compares an earlier version with the oracle.
pub(super) fn check_past(world: &World, node: usize, chance: &mut Chance) -> Result<()> {
    let replica = &world.nodes[node].replica;
    let ids = ids_of(replica)?;
    let picked: Vec<EntryId> = (0..=chance.below(2)).filter_map(|_| chance.pick(&ids).copied()).collect();
    let at = Version::new(picked);
    let from = if chance.below(2) == 0 { at.clone() } else { replica.frontier() };
    world.judged.check_rows(replica, &at, &from).map_err(|failure| on(node, &failure))
}

fn on(node: usize, failure: &Failure) -> Failure {
    Failure::new(failure.check, format!("on node {node}, {}", failure.text))
}

/// Heals everything, lets everybody talk until nothing is left to say, and looks at what came of it.
pub(super) fn finish(world: &mut World) -> Result<()> {
    let mut chance = Chance::of(world.options.seed, 4);
    heal(world, &mut chance)?;
    converge(world, &mut chance)?;
    check_same(world)?;
    follow(world, &mut chance)?;
    check_other_orders(world, &mut chance)?;
    check_on_top(world, &mut chance)
}

/// Mends the network and the disks. What still is under way arrives, or is lost.
fn heal(world: &mut World, chance: &mut Chance) -> Result<()> {
    world.tell(|| "everything is mended".to_owned());
    world.sides.fill(0);
    for node in 0..world.nodes.len() {
        if world.nodes[node].is_armed() {
            world.nodes[node].restart()?;
            world.links.retain(|link| !link.ends.contains(&node));
        }
    }
    world.links.retain(|link| !link.is_damaged && chance.below(3) > 0);
    let mut parcels = std::mem::take(&mut world.parcels);
    parcels.retain(|_| chance.below(2) == 0);
    chance.shuffle(&mut parcels);
    for parcel in parcels {
        hear(world, parcel.node, vec![parcel.entry])?;
    }
    Ok(())
}

/// Everybody talks, along a tree at least, until nobody has anything to say.
fn converge(world: &mut World, chance: &mut Chance) -> Result<()> {
    for node in 1..world.nodes.len() {
        let ends = [chance.below(node), node];
        if world.links.iter().all(|link| link.ends != ends) {
            connect(world, ends)?;
        }
    }
    let mut idle_count = 0;
    while idle_count < IDLE_MAX && !world.links.is_empty() {
        let index = chance.below(world.links.len());
        let turn = (chance.below(2), chance.below(2) == 0);
        let magnitude = 4 + chance.below(14);
        let moved = talk(world, index, turn, 1 << magnitude)?;
        idle_count = if moved > 0 { 0 } else { idle_count + 1 };
    }
    world.tell(|| "nobody has anything to say".to_owned());
    Ok(())
}

/// Everybody holds the same, shows the same, and has lost nothing.
fn check_same(world: &mut World) -> Result<()> {
    let frontier = world.nodes[0].replica.frontier();
    for node in 0..world.nodes.len() {
        let held = ids_of(&world.nodes[node].replica)?;
        if let Some(lost) = world.promised.iter().find(|id| !held.contains(id)) {
            return Err(Failure::new("liveness", format!("entry {lost} has not reached node {node}")));
        }
        if world.nodes[node].replica.frontier() != frontier {
            return Err(Failure::new("liveness", format!("nodes 0 and {node} hold different entries in the end")));
        }
        check_node(world, node)?;
    }
    let tables = read(&world.nodes[0].replica, &frontier)?;
    for node in 1..world.nodes.len() {
        let other = read(&world.nodes[node].replica, &frontier)?;
        if let Some(fault) = difference(&world.schema, &other, &tables) {
            return Err(Failure::new("convergence", format!("node {node} shows otherwise than node 0: {fault}")));
        }
    }
    world.statistics.add("entries in the end", world.nodes[0].replica.entry_count());
    world.judged.count(&frontier, &mut world.statistics);
    Ok(())
}

/// The tables of every application come to show everything.
fn follow(world: &mut World, chance: &mut Chance) -> Result<()> {
    let rows_max = usize::try_from(world.options.rows_max).unwrap_or(1);
    for node in &mut world.nodes {
        let mut batch_count = 0;
        loop {
            let checked = if chance.below(4) == 0 { Checked::Yes } else { Checked::No };
            if node.apply(rows_max, checked)?.0 {
                break;
            }
            batch_count += 1;
            if batch_count > 10_000 {
                return Err(Failure::new("apply", format!("the tables of node {} never show everything", node.number)));
            }
        }
        let verdicts = verdicts_of(&node.replica)?;
        let void = verdicts.iter().filter(|(_, verdict)| *verdict != "live").map(|(of, _)| *of);
        if !void.eq(node.void.iter().copied()) {
            return Err(Failure::new("reports", format!("node {} did not report all that is void", node.number)));
        }
        if node.shown != node.replica.newest().map_err(Failure::of("reading the newest"))? {
            return Err(Failure::new("apply", format!("the last batch of node {} is not the last", node.number)));
        }
    }
    Ok(())
}

/// A replica that hears the same in another order, in pieces, says the same.
fn check_other_orders(world: &mut World, chance: &mut Chance) -> Result<()> {
    let held: Vec<EntryId> = ids_of(&world.nodes[0].replica)?;
    let mut entries: Vec<Entry> = held[1..].iter().map(|id| world.entries[id].clone()).collect();
    let expected = world.nodes[0].replica.digest().map_err(Failure::of("hashing the state"))?;
    for is_shuffled in [false, true] {
        if is_shuffled {
            chance.shuffle(&mut entries);
        }
        let store = Sqlite::in_memory().map_err(Failure::of("opening a store"))?;
        let space = world.nodes[0].replica.space();
        let mut replica = Replica::join(store, world.genesis.clone(), space).map_err(Failure::of("joining"))?;
        let mut left = entries.clone();
        let (mut tables, mut shown) = (Tables::new(), Shown::NOTHING);
        while !left.is_empty() {
            let later = left.split_off(left.len().min(1 + chance.below(12)));
            let outcome = replica.ingest(std::mem::replace(&mut left, later)).map_err(Failure::of("ingesting"))?;
            if let Some((id, refusal)) = outcome.refused.first() {
                let text = format!("entry {id} is refused in another order: {refusal}");
                return Err(Failure::new("admission", text));
            }
            let rows_max = 1 + chance.below(20);
            let batch = replica.next_batch(&shown, rows_max).map_err(Failure::of("reading a batch"))?;
            super::tables::fold(&mut tables, batch.changes);
            shown = batch.to;
            if chance.below(3) > 0 {
                continue;
            }
            if let Some(fault) = difference(&world.schema, &tables, &read_shown(&replica, &shown)?) {
                return Err(Failure::new("apply", format!("tables in another order are not those read: {fault}")));
            }
        }
        let digest = replica.digest().map_err(Failure::of("hashing the state"))?;
        if replica.frontier() != world.nodes[0].replica.frontier() || digest != expected {
            return Err(Failure::new("order", "another order of arrival ends otherwise"));
        }
    }
    Ok(())
}

/// An entry on top of everything changes nothing but what it writes.
fn check_on_top(world: &mut World, chance: &mut Chance) -> Result<()> {
    let before = world.nodes[0].tables.clone();
    let author = key(0);
    let work: LocalTransaction = {
        let mut writer = Writer {
            schema: &world.schema,
            options: &world.options,
            chance,
            rows: &before,
            author: author.identity(),
            people: &world.people,
            strange: &[],
        };
        writer.transaction()
    };
    if work.operations.is_empty() {
        return Ok(());
    }
    let verdicts = verdicts_of(&world.nodes[0].replica)?;
    let Done::Yes(outcome) = world.nodes[0].import(&author, std::slice::from_ref(&work), world.now)? else {
        return Err(Failure::new("crash", "a mended disk breaks"));
    };
    if outcome.entries.is_empty() {
        return Ok(());
    }
    world.statistics.count("work on top of everything");
    let mut after = verdicts_of(&world.nodes[0].replica)?;
    after.retain(|of, _| !outcome.entries.contains(&of.entry));
    match verdicts.iter().find(|(of, verdict)| after.get(of) != Some(*verdict)) {
        None => Ok(()),
        Some((of, verdict)) => {
            let text = format!("{} was {verdict}, and is {:?}", short(*of), after.get(of));
            Err(Failure::new("on top", text))
        }
    }
}
