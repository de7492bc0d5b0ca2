//! What happens in one step: work, words between replicas, faults, looks at what came of it.

use treaty_engine::identity::Identity;
use treaty_engine::log::Entry;
use treaty_engine::relation::{RowId, RowName};
use treaty_engine::replica::{LocalOperation, LocalTransaction, RowImage};
use treaty_schema::{OnDelete, Schema, Value};

use super::chance::Chance;
use super::compose::Writer;
use super::failure::{Failure, Result};
use super::hostile;
use super::link::Link;
use super::node::{Checked, Done, entry_of, ids_of};
use super::tables::{Tables, broken_constraint};
use super::world::{Fate, Parcel, World, key};

/// Most bytes that move between two replicas at once.
const CHUNK_MAGNITUDE_MAX: usize = 14;
/// How often a client tries to write something that stands.
const TRIES: usize = 5;

/// Does one step of a run. Whatever is random comes from the seed and the number of the step.
pub(super) fn step(world: &mut World, number: u64) -> Result<()> {
    world.now = number;
    let mut chance = Chance::of(world.options.seed, 1000 + number);
    let options = &world.options;
    let weights = [
        options.work,
        options.apply,
        options.sync,
        options.gossip,
        if options.hostiles == 0 { 0 } else { options.hostile },
        options.partition,
        options.cut,
        options.crash,
        options.check,
    ];
    match chance.weighted(&weights) {
        Some(0) => work(world, &mut chance),
        Some(1) => apply(world, &mut chance),
        Some(2) => sync(world, &mut chance),
        Some(3) => deliver(world, &mut chance),
        Some(4) => hostile::step(world, &mut chance),
        Some(5) => divide(world, &mut chance),
        Some(6) => cut(world, &mut chance),
        Some(7) => crash(world, &mut chance),
        _ => look(world, &mut chance),
    }
}

/// An honest client writes on what it sees; what is refused it gives up, and tries something else.
fn work(world: &mut World, chance: &mut Chance) -> Result<()> {
    let number = chance.below(world.nodes.len());
    let author = key(u8::try_from(number).unwrap_or(0));
    for _ in 0..TRIES {
        let transactions = transactions(world, chance, (&world.nodes[number].tables, Native::Yes), author.identity());
        if transactions.is_empty() {
            continue;
        }
        let time_ms = world.now;
        let Done::Yes(outcome) = world.nodes[number].import(&author, &transactions, time_ms)? else {
            world.tell(|| format!("node {number} crashes while importing"));
            world.statistics.count("crash: importing");
            drop_links(world, |ends| ends.contains(&number));
            return learn_all(world, number);
        };
        for judged in &outcome.transactions {
            match judged {
                Ok(_) => world.statistics.count("work: stands"),
                Err(refusal) => world.statistics.count(format!("work: refused, {}", refusal.reason.code())),
            }
        }
        if outcome.entries.is_empty() {
            continue;
        }
        world.tell(|| format!("node {number} imports {:?}", short(&outcome.entries)));
        for id in outcome.entries {
            let entry = entry_of(&world.nodes[number].replica, &id)?;
            learn_own(world, number, &entry)?;
            publish(world, chance, &entry, None);
        }
        return world.nodes[number].check_constraints();
    }
    Ok(())
}

/// Whether a database of one's own keeps the constraints, before anybody hears of the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Native {
    Yes,
    No,
}

/// Draws co-transactions on top of what somebody sees, each seeing those before it.
pub(super) fn transactions(
    world: &World,
    chance: &mut Chance,
    (rows, native): (&Tables, Native),
    author: Identity,
) -> Vec<LocalTransaction> {
    let count = 1 + chance.below(usize::try_from(world.options.transactions_max).unwrap_or(1));
    let mut seen = rows.clone();
    let mut transactions = Vec::new();
    for _ in 0..count {
        let mut writer = Writer {
            schema: &world.schema,
            options: &world.options,
            chance,
            rows: &seen,
            author,
            people: &world.people,
            strange: &world.ledger.ids,
        };
        let transaction = writer.transaction();
        let mut after = seen.clone();
        pretend(&world.schema, &mut after, &transaction, author);
        let is_kept = native == Native::No || broken_constraint(&world.schema, &after).is_none();
        if is_kept && !transaction.operations.is_empty() {
            seen = after;
            transactions.push(transaction);
        }
    }
    transactions
}

/// What tables would show after a co-transaction, about.
fn pretend(schema: &Schema, rows: &mut Tables, transaction: &LocalTransaction, author: Identity) {
    let name = RowName { entry: treaty_engine::hash::EntryId([0; 32]), transaction: 0, operation: 0 };
    for operation in &transaction.operations {
        match operation {
            LocalOperation::Insert(row) => {
                if let Some(Value::Uuid(id)) = row.cells[schema.tables()[row.table].id_column] {
                    let image = RowImage { name, cells: row.cells.clone(), author };
                    rows.insert((row.table, RowId(id)), image);
                }
            }
            LocalOperation::Update { table, id, cells } => {
                if let Some(row) = rows.get_mut(&(*table, *id)) {
                    cells.iter().for_each(|(column, cell)| row.cells[*column].clone_from(cell));
                }
            }
            LocalOperation::Delete { table, id } => {
                rows.remove(&(*table, *id));
                for ((of, _), row) in rows.iter_mut() {
                    for key in schema.tables()[*of].foreign_keys.iter().filter(|key| key.target == *table) {
                        if key.on_delete == OnDelete::SetNull && row.cells[key.column] == Some(id.to_value()) {
                            row.cells[key.column] = None;
                        }
                    }
                }
            }
        }
    }
}

/// Lets everybody learn of an entry that an honest replica keeps.
fn learn_own(world: &mut World, number: usize, entry: &Entry) -> Result<()> {
    if !world.learn(entry)? {
        let fate = world.fates.get(entry.id());
        return Err(Failure::new("import", format!("node {number} wrote entry {}, which is {fate:?}", entry.id())));
    }
    world.promised.insert(*entry.id());
    world.heard[number].push(*entry.id());
    Ok(())
}

/// After a crash: what was committed and never told.
fn learn_all(world: &mut World, number: usize) -> Result<()> {
    for id in ids_of(&world.nodes[number].replica)? {
        if !world.fates.contains_key(&id) {
            let entry = entry_of(&world.nodes[number].replica, &id)?;
            world.statistics.count("crash: committed and not told");
            learn_own(world, number, &entry)?;
        }
    }
    world.nodes[number].check_tables()
}

/// Sends an entry to some replicas beside all sessions.
///
/// * `to` - to whom, at least; none: to some, or to nobody.
pub(super) fn publish(world: &mut World, chance: &mut Chance, entry: &Entry, to: Option<usize>) {
    let delay = world.options.delay;
    for node in 0..world.nodes.len() {
        let is_meant = to == Some(node) || (world.options.gossip > 0 && chance.below(3) == 0);
        let is_lost = to != Some(node) && chance.is_within(world.options.loss);
        let times = if chance.is_within(world.options.twice) { 2 } else { 1 };
        for _ in 0..times {
            let due = world.now + chance.next() % (delay + 1);
            if is_meant && !is_lost {
                world.parcels.push(Parcel { due, node, entry: entry.clone() });
            }
        }
    }
}

/// Brings what has arrived to one replica, in any order.
fn deliver(world: &mut World, chance: &mut Chance) -> Result<()> {
    let node = chance.below(world.nodes.len());
    let now = world.now;
    let (mut due, rest): (Vec<Parcel>, Vec<Parcel>) =
        std::mem::take(&mut world.parcels).into_iter().partition(|parcel| parcel.node == node && parcel.due <= now);
    world.parcels = rest;
    chance.shuffle(&mut due);
    let later = due.split_off(due.len().min(1 + chance.below(8)));
    world.parcels.extend(later);
    hear(world, node, due.into_iter().map(|parcel| parcel.entry).collect())
}

/// Lets a replica ingest entries.
pub(super) fn hear(world: &mut World, node: usize, entries: Vec<Entry>) -> Result<()> {
    if entries.is_empty() {
        return Ok(());
    }
    let count = entries.len();
    match world.nodes[node].ingest(entries)? {
        Done::Yes(outcome) => {
            world.statistics.add("brought", count as u64);
            world.note_outcome(node, &outcome)
        }
        Done::Crashed => {
            world.statistics.count("crash: ingesting");
            world.tell(|| format!("node {node} crashes while ingesting"));
            drop_links(world, |ends| ends.contains(&node));
            Ok(())
        }
    }
}

/// Tables follow the log.
fn apply(world: &mut World, chance: &mut Chance) -> Result<()> {
    let node = chance.below(world.nodes.len());
    let rows_max = 1 + chance.below(usize::try_from(world.options.rows_max).unwrap_or(1));
    for _ in 0..=chance.below(4) {
        let (is_last, change_count) = world.nodes[node].apply(rows_max, Checked::Yes)?;
        world.statistics.add("rows applied", change_count as u64);
        world.tell(|| format!("the tables of node {node} change in {change_count} rows"));
        if is_last {
            break;
        }
    }
    Ok(())
}

/// Two replicas that can reach each other talk for a while.
fn sync(world: &mut World, chance: &mut Chance) -> Result<()> {
    let (a, b) = (chance.below(world.nodes.len()), chance.below(world.nodes.len()));
    if a == b || world.sides[a] != world.sides[b] {
        return Ok(());
    }
    let ends = [a.min(b), a.max(b)];
    let index = match world.links.iter().position(|link| link.ends == ends) {
        Some(index) => index,
        None => {
            connect(world, ends)?;
            world.links.len() - 1
        }
    };
    let mut moved = 0;
    for _ in 0..=chance.below(40) {
        let (side, is_writing) = (chance.below(2), chance.below(2) == 0);
        let magnitude = 1 + chance.below(CHUNK_MAGNITUDE_MAX);
        let bytes_max = 1 + chance.below(1 << magnitude);
        if chance.is_within(world.options.damage) {
            world.links[index].damage(side, chance.below(1 << 16));
        }
        moved += talk(world, index, (side, is_writing), bytes_max)?;
        if world.links.get(index).is_none_or(|link| link.ends != ends) {
            return Ok(());
        }
    }
    world.tell(|| format!("nodes {a} and {b} exchange {moved} bytes"));
    Ok(())
}

/// Connects two replicas.
pub(super) fn connect(world: &mut World, ends: [usize; 2]) -> Result<()> {
    let link = Link::open(ends, [&world.nodes[ends[0]].replica, &world.nodes[ends[1]].replica])?;
    world.statistics.count("connections");
    world.links.push(link);
    Ok(())
}

/// Lets one end of a connection write or read. Returns the bytes moved. The connection may be gone then.
pub(super) fn talk(
    world: &mut World,
    index: usize,
    (side, is_writing): (usize, bool),
    bytes_max: usize,
) -> Result<usize> {
    let node = world.links[index].ends[side];
    if is_writing {
        return world.links[index].write(side, &world.nodes[node].replica, bytes_max);
    }
    let moved = world.links[index].read(side, &world.nodes[node].replica, bytes_max, world.now)?;
    let entries = world.links[index].sessions[side].take_entries(usize::MAX);
    let link_count = world.links.len();
    world.statistics.add("synced", entries.len() as u64);
    hear(world, node, entries)?;
    if world.links.len() != link_count {
        return Ok(moved);
    }
    world.links[index].settle(side, &world.nodes[node].replica)?;
    match world.links[index].end() {
        None => Ok(moved),
        Some(reason) => {
            world.links.remove(index);
            match reason {
                Some(text) => Err(Failure::new("session", format!("an honest session ended: {text}"))),
                None => {
                    world.statistics.count("sessions ended by damage");
                    Ok(moved)
                }
            }
        }
    }
}

fn divide(world: &mut World, chance: &mut Chance) -> Result<()> {
    let is_mended = chance.below(3) == 0;
    for side in &mut world.sides {
        *side = if is_mended { 0 } else { u8::try_from(chance.below(3)).unwrap_or(0) };
    }
    let sides = world.sides.clone();
    // A connection across may wait, or be lost.
    if chance.below(2) == 0 {
        drop_links(world, |ends| sides[ends[0]] != sides[ends[1]]);
    }
    world.statistics.count("partitions");
    world.tell(|| format!("sides {sides:?}"));
    Ok(())
}

fn cut(world: &mut World, chance: &mut Chance) -> Result<()> {
    if !world.links.is_empty() {
        let index = chance.below(world.links.len());
        let link = world.links.remove(index);
        world.statistics.count("connections cut");
        world.tell(|| format!("connection {:?} is cut", link.ends));
    }
    Ok(())
}

fn crash(world: &mut World, chance: &mut Chance) -> Result<()> {
    let node = chance.below(world.nodes.len());
    if chance.below(3) == 0 {
        world.nodes[node].restart()?;
        drop_links(world, |ends| ends.contains(&node));
        world.statistics.count("restarts");
        world.tell(|| format!("node {node} is killed and starts again"));
        return world.nodes[node].check_tables();
    }
    let steps = chance.next() % 40;
    world.nodes[node].arm(steps);
    world.tell(|| format!("the disk of node {node} breaks after {steps} steps"));
    Ok(())
}

fn drop_links(world: &mut World, lost: impl Fn([usize; 2]) -> bool) {
    world.links.retain(|link| !lost(link.ends));
}

/// Compares a replica with the oracle, now and at some earlier version.
fn look(world: &mut World, chance: &mut Chance) -> Result<()> {
    let node = chance.below(world.nodes.len());
    super::check::check_node(world, node)?;
    super::check::check_past(world, node, chance)
}

fn short(ids: &[treaty_engine::hash::EntryId]) -> Vec<String> {
    ids.iter().map(|id| id.to_string()[..8].to_owned()).collect()
}

/// Whether an entry was admitted.
pub(super) fn is_admitted(world: &World, id: &treaty_engine::hash::EntryId) -> bool {
    world.fates.get(id) == Some(&Fate::Admitted)
}
