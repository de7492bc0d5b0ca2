//! What hostile authors do: they have real keys, know everything that anybody wrote, and sign whatever they like.

use treaty_engine::causality::Version;
use treaty_engine::hash::{EntryId, SpaceId};
use treaty_engine::identity::Identity;
use treaty_engine::log::{Entry, EntryDraft, LogStore};
use treaty_engine::relation::RowId;
use treaty_engine::replica::{LocalTransaction, RowImage};
use treaty_schema::Value;

use super::chance::Chance;
use super::compose::{Fight, Writer};
use super::craft::Crafter;
use super::failure::{Failure, Result};
use super::node::read;
use super::steps::{Native, is_admitted, publish, transactions};
use super::tables::{Tables, rows_of};
use super::world::{World, key};

/// How often somebody tries to write something that stands.
const TRIES: usize = 5;

/// One attack.
pub(super) fn step(world: &mut World, chance: &mut Chance) -> Result<()> {
    let options = &world.options;
    let weights = [
        options.back_date,
        options.counter,
        options.ring,
        options.equivocate,
        options.puppet,
        options.snipe,
        options.withhold,
        options.forge,
        options.flood,
    ];
    match chance.weighted(&weights) {
        Some(0) => back_date(world, chance),
        Some(1) => counter(world, chance),
        Some(2) => ring(world, chance),
        Some(3) => equivocate(world, chance),
        Some(4) => puppet(world, chance),
        Some(5) => snipe(world, chance),
        Some(6) => withhold(world, chance),
        Some(7) => super::forge::forge(world, chance),
        Some(8) => super::forge::flood(world, chance),
        _ => Ok(()),
    }
}

/// Somebody hostile.
pub(super) fn author(world: &World, chance: &mut Chance) -> u8 {
    chance.pick(&world.hostiles()).copied().unwrap_or(0)
}

/// A version out of the past: on a few entries, mostly recent ones, perhaps on everything that one replica holds.
pub(super) fn any_version(world: &World, chance: &mut Chance) -> Result<Version> {
    if chance.below(4) == 0 {
        let node = chance.below(world.nodes.len());
        return Ok(world.nodes[node].replica.frontier());
    }
    let is_told = |id: &&EntryId| is_admitted(world, id) && (world.promised.contains(*id) || chance_of(id, 8));
    let known: Vec<EntryId> = world.order.iter().filter(is_told).copied().collect();
    if known.is_empty() || chance.below(16) == 0 {
        return Ok(Version::new(vec![*world.genesis.id()]));
    }
    let reach = if chance.below(2) == 0 { known.len().min(8) } else { known.len() };
    let picked: Vec<EntryId> = (0..=chance.below(3)).map(|_| known[known.len() - 1 - chance.below(reach)]).collect();
    normal(world, &Version::new(picked))
}

/// One in `out_of` entries, always the same.
fn chance_of(id: &EntryId, out_of: u8) -> bool {
    id.0[0].is_multiple_of(out_of)
}

/// The maximal entries of a version.
fn normal(world: &World, version: &Version) -> Result<Version> {
    let (store, index) = (world.shadow.store(), world.shadow.index());
    let past = index.past_of(store, version).map_err(Failure::of("reading a version"))?;
    index.version_of(store, &past).map_err(Failure::of("reading a version"))
}

/// What an entry was written on.
pub(super) fn before(world: &World, id: &EntryId) -> Version {
    world
        .entries
        .get(id)
        .map_or(Version::new(vec![*world.genesis.id()]), |entry| Version::new(entry.header().parents.clone()))
}

/// Signs an entry on a version; whoever knows everything learns of it. None if nothing is left of the work.
///
/// * `rows` - what the version shows.
pub(super) fn write(
    world: &mut World,
    author: u8,
    (on, rows): (&Version, &Tables),
    work: &[LocalTransaction],
) -> Result<Option<(Entry, bool)>> {
    let payload = {
        let mut crafter = Crafter::new(&world.schema, rows);
        let pushed: Vec<bool> = work.iter().map(|transaction| crafter.push(transaction)).collect();
        if !pushed.contains(&true) {
            return Ok(None);
        }
        crafter.finish()
    };
    let entry = sign(world, author, on, payload)?;
    let is_admitted = world.learn(&entry)?;
    Ok(Some((entry, is_admitted)))
}

/// Signs a payload on a version.
pub(super) fn sign(world: &World, author: u8, on: &Version, payload: Vec<u8>) -> Result<Entry> {
    let height = height_of(world, on)? + 1;
    let draft = EntryDraft {
        space: Some(SpaceId(*world.genesis.id())),
        parents: on.ids().to_vec(),
        height,
        time_ms: world.now,
    };
    Entry::sign(&key(author), draft, payload).map_err(Failure::of("signing"))
}

fn height_of(world: &World, on: &Version) -> Result<u64> {
    let (store, index) = (world.shadow.store(), world.shadow.index());
    let mut height = 0;
    for id in on.ids() {
        let pos = index.position_of(store, id).map_err(Failure::of("looking for a parent"))?;
        let pos = pos.ok_or_else(|| Failure::new("hostile", "a parent is not known"))?;
        height = height.max(store.stamp(pos).map_err(Failure::of("reading a stamp"))?.height);
    }
    Ok(height)
}

/// Tries to write something that stands, drawn anew each time; tells nobody of it.
///
/// What is refused is told sometimes: it is to be refused everywhere.
fn attempt(
    world: &mut World,
    chance: &mut Chance,
    (author, on): (u8, &Version),
    mut draw: impl FnMut(&mut Writer<'_>) -> LocalTransaction,
) -> Result<Option<Entry>> {
    let rows = read(&world.shadow, on)?;
    for _ in 0..TRIES {
        let work = {
            let mut writer = Writer {
                schema: &world.schema,
                options: &world.options,
                chance,
                rows: &rows,
                author: key(author).identity(),
                people: &world.people,
                strange: &world.ledger.ids,
            };
            draw(&mut writer)
        };
        match write(world, author, (on, &rows), &[work])? {
            Some((entry, true)) => {
                world.tell(|| format!("author {author} writes {}", &entry.id().to_string()[..8]));
                return Ok(Some(entry));
            }
            Some((entry, false)) if chance.below(6) == 0 => publish(world, chance, &entry, None),
            Some(_) | None => {}
        }
    }
    Ok(None)
}

/// Tells somebody, or some.
fn spread(world: &mut World, chance: &mut Chance, entry: Option<Entry>) -> Option<Entry> {
    let entry = entry?;
    let to = chance.below(world.nodes.len());
    publish(world, chance, &entry, Some(to));
    Some(entry)
}

fn back_date(world: &mut World, chance: &mut Chance) -> Result<()> {
    let (author, on) = (author(world, chance), any_version(world, chance)?);
    let rows = read(&world.shadow, &on)?;
    if chance.below(3) == 0 {
        // Several co-transactions, each on top of the one before, as they come.
        let work = transactions(world, chance, (&rows, Native::No), key(author).identity());
        if let Some((entry, true)) = write(world, author, (&on, &rows), &work)? {
            world.statistics.count("hostile: back-dated, several at once");
            spread(world, chance, Some(entry));
        }
        return Ok(());
    }
    let entry = attempt(world, chance, (author, &on), anything)?;
    if spread(world, chance, entry).is_some() {
        world.statistics.count("hostile: back-dated");
    }
    Ok(())
}

/// Whoever was removed acts as if it had not been seen: removes the remover, lets a friend in, goes on working.
fn counter(world: &mut World, chance: &mut Chance) -> Result<()> {
    let removals: Vec<(EntryId, u8)> =
        world.ledger.removals.iter().filter_map(|(entry, victim)| Some((*entry, world.hostile_of(victim)?))).collect();
    let recent = removals.len().min(6);
    if recent == 0 {
        return ring(world, chance);
    }
    let (removal, victim) = removals[removals.len() - 1 - chance.below(recent)];
    let remover = world.entries.get(&removal).map(|entry| *entry.author());
    let on = before(world, &removal);
    let puppet = world.puppet(chance);
    let kind = chance.below(5);
    let entry = attempt(world, chance, (victim, &on), |writer| match (kind, remover) {
        (0 | 1, Some(remover)) => writer.removal_of(&[remover]),
        (2, _) => writer.grant_to(key(puppet).identity(), "admin"),
        _ => writer.transaction(),
    })?;
    let Some(entry) = spread(world, chance, entry) else { return Ok(()) };
    world.statistics.count("hostile: countered");
    if chance.below(2) == 0 {
        let next = if kind == 2 { puppet } else { victim };
        let on = Version::new(vec![*entry.id()]);
        let entry = attempt(world, chance, (next, &on), anything)?;
        spread(world, chance, entry);
    }
    Ok(())
}

/// Several administrators remove each other, each before having heard of it.
fn ring(world: &mut World, chance: &mut Chance) -> Result<()> {
    let on = any_version(world, chance)?;
    let rows = read(&world.shadow, &on)?;
    let mut admins: Vec<(u8, Identity)> = administrators(world, &rows)
        .into_iter()
        .filter_map(|identity| Some((world.hostile_of(&identity)?, identity)))
        .collect();
    chance.shuffle(&mut admins);
    admins.truncate(2 + chance.below(4));
    if admins.len() < 2 {
        return back_date(world, chance);
    }
    world.statistics.count(format!("hostile: ring of {}", admins.len()));
    // Perhaps they also fight for something else: then no two of the ring may both stand.
    let all: Vec<(usize, RowId)> = rows.keys().copied().collect();
    let prize = if chance.below(3) > 0 { chance.pick(&all).copied() } else { None };
    let (is_for_keys, is_pile) = (chance.below(3) == 0, chance.below(3) == 0);
    let mut told = Vec::new();
    for index in 0..admins.len() {
        let number = admins[index].0;
        let step = if is_pile { 1 + chance.below(admins.len() - 1) } else { 1 };
        let next = admins[(index + step) % admins.len()].1;
        let fight = if is_for_keys { Fight::Claim } else { [Fight::Refer, Fight::Delete][index % 2] };
        let entry = attempt(world, chance, (number, &on), |writer| match prize {
            Some(row) => writer.removal_and(next, fight, row),
            None => writer.removal_of(&[next]),
        })?;
        told.extend(spread(world, chance, entry));
    }
    if chance.below(2) == 0 {
        after_ring(world, chance, (&on, &admins), &told)?;
    }
    Ok(())
}

/// Whoever is left of a ring goes on with work, having seen all of it; then somebody else turns out to have removed one of them
/// before.
fn after_ring(
    world: &mut World,
    chance: &mut Chance,
    (on, admins): (&Version, &[(u8, Identity)]),
    ring: &[Entry],
) -> Result<()> {
    if ring.is_empty() {
        return Ok(());
    }
    let top = normal(world, &Version::new(ring.iter().map(|entry| *entry.id()).collect()))?;
    for (number, _) in admins {
        let entry = attempt(world, chance, (*number, &top), anything)?;
        spread(world, chance, entry);
    }
    let (late, victim) = (author(world, chance), admins[chance.below(admins.len())].1);
    let entry = attempt(world, chance, (late, on), |writer| writer.removal_of(&[victim]))?;
    if spread(world, chance, entry).is_some() {
        world.statistics.count("hostile: ring, work on top, late removal");
    }
    Ok(())
}

/// Who administers by a row that is shown.
fn administrators(world: &World, rows: &Tables) -> Vec<Identity> {
    let (index, table) = world.schema.table_by_name("members").expect("every schema has members");
    let column = |name: &str| table.column_by_name(name).expect("members have it").0;
    let (who, role) = (column("who"), column("role"));
    let mut found: Vec<Identity> = rows_of(rows, index)
        .filter(|(_, row)| row.cells[role].as_ref().is_some_and(|role| format!("{role:?}").contains("admin")))
        .filter_map(|(_, row)| match row.cells[who] {
            Some(Value::Identity(who)) => Some(who),
            _ => None,
        })
        .collect();
    found.sort_unstable();
    found.dedup();
    found
}

/// Different work on the same past, told to different replicas.
fn equivocate(world: &mut World, chance: &mut Chance) -> Result<()> {
    let (author, on) = (author(world, chance), any_version(world, chance)?);
    for _ in 0..=1 + chance.below(2) {
        let entry = attempt(world, chance, (author, &on), anything)?;
        if spread(world, chance, entry).is_some() {
            world.statistics.count("hostile: equivocation");
        }
    }
    Ok(())
}

/// A friend is let in by a back-dated grant, and acts.
fn puppet(world: &mut World, chance: &mut Chance) -> Result<()> {
    let (author, on) = (author(world, chance), any_version(world, chance)?);
    let puppet = world.puppet(chance);
    let role = *chance.pick(&["admin", "editor"]).expect("there are roles");
    let grant = attempt(world, chance, (author, &on), |writer| writer.grant_to(key(puppet).identity(), role))?;
    let Some(grant) = spread(world, chance, grant) else { return Ok(()) };
    world.statistics.count("hostile: sock puppet");
    let mut on = Version::new(vec![*grant.id()]);
    for _ in 0..=chance.below(2) {
        let people = world.people.clone();
        let victim = *chance.pick(&people).expect("there are people");
        let is_removal = chance.below(2) == 0;
        let draw =
            |writer: &mut Writer<'_>| if is_removal { writer.removal_of(&[victim]) } else { writer.transaction() };
        let entry = attempt(world, chance, (puppet, &on), draw)?;
        if let Some(entry) = spread(world, chance, entry) {
            on = Version::new(vec![*entry.id()]);
        }
    }
    Ok(())
}

/// Takes what somebody else's entry is about: its keys, its ids, the rows it deletes, without having seen it.
fn snipe(world: &mut World, chance: &mut Chance) -> Result<()> {
    let known: Vec<EntryId> = world.order.iter().filter(|id| is_admitted(world, id)).copied().collect();
    let recent = known.len().min(12);
    if recent == 0 {
        return Ok(());
    }
    let target = known[known.len() - 1 - chance.below(recent)];
    let on = before(world, &target);
    let (rows, after) = (read(&world.shadow, &on)?, read(&world.shadow, &Version::new(vec![target]))?);
    let changed: Vec<((usize, RowId), RowImage)> = rows
        .iter()
        .filter(|(key, row)| after.get(key) != Some(row))
        .chain(after.iter().filter(|(key, row)| rows.get(key) != Some(row)))
        .map(|(key, row)| (*key, row.clone()))
        .collect();
    let Some(((table, id), row)) = chance.pick(&changed).cloned() else { return Ok(()) };
    let author = author(world, chance);
    let entry = attempt(world, chance, (author, &on), |writer| writer.rival_of(table, id, &row))?;
    if spread(world, chance, entry).is_some() {
        world.statistics.count("hostile: sniped");
    }
    Ok(())
}

/// The child is told, the parent later, or never.
fn withhold(world: &mut World, chance: &mut Chance) -> Result<()> {
    let (author, on) = (author(world, chance), any_version(world, chance)?);
    let Some(parent) = attempt(world, chance, (author, &on), anything)? else { return Ok(()) };
    let on = Version::new(vec![*parent.id()]);
    let child = attempt(world, chance, (author, &on), anything)?;
    spread(world, chance, child);
    world.statistics.count("hostile: withheld");
    if chance.below(2) == 0 {
        let node = chance.below(world.nodes.len());
        let due = world.now + 1 + chance.next() % 60;
        world.parcels.push(super::world::Parcel { due, node, entry: parent });
    }
    Ok(())
}

fn anything(writer: &mut Writer<'_>) -> LocalTransaction {
    writer.transaction()
}
