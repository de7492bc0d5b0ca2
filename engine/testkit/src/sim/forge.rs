//! Entries that nobody may admit, and entries that nobody can: signed all the same.

use treaty_engine::hash::{EntryId, SpaceId};
use treaty_engine::log::{Entry, EntryDraft};

use super::chance::Chance;
use super::failure::Result;
use super::hostile::{any_version, author, before, sign};
use super::node::read;
use super::steps::{hear, publish};
use super::world::{Fate, World, key};

/// Entries of a small flood. A large one is more than a replica parks of one author.
const FLOOD_SMALL: usize = 24;

/// Makes an entry that breaks a rule, or brings one that was refused, and tells somebody.
pub(super) fn forge(world: &mut World, chance: &mut Chance) -> Result<()> {
    let kind = chance.below(7);
    let forged = match kind {
        0 => wrong_height(world, chance)?,
        1 => wrong_parents(world, chance)?,
        2 => wrong_space(world, chance)?,
        3 => wrong_payload(world, chance)?,
        4 => again(world, chance),
        5 => part_of_group(world, chance)?,
        _ => on_refused(world, chance)?,
    };
    let Some(entry) = forged else { return Ok(()) };
    let name = ["height", "parents", "space", "payload", "refused before", "part of a group", "on refused"][kind];
    if world.learn(&entry)? {
        // A payload may be damaged into another good one.
        world.statistics.count("forged: admitted");
    }
    world.statistics.count(format!("forged: {name}"));
    world.tell(|| format!("forged, {name}: {}", &entry.id().to_string()[..8]));
    let to = chance.below(world.nodes.len());
    publish(world, chance, &entry, Some(to));
    Ok(())
}

fn draft(world: &World, parents: Vec<EntryId>, height: u64) -> EntryDraft {
    EntryDraft { space: Some(SpaceId(*world.genesis.id())), parents, height, time_ms: world.now }
}

/// The payload of some entry, to be signed again elsewhere: a replay.
fn any_payload(world: &World, chance: &mut Chance) -> Vec<u8> {
    let ids: Vec<&Entry> = world.entries.values().collect();
    chance.pick(&ids).map_or(Vec::new(), |entry| entry.payload().to_vec())
}

fn wrong_height(world: &World, chance: &mut Chance) -> Result<Option<Entry>> {
    let on = any_version(world, chance)?;
    let right = sign(world, author(world, chance), &on, any_payload(world, chance))?;
    let height = match chance.below(3) {
        0 => right.header().height + 1 + chance.next() % 1000,
        1 => right.header().height.saturating_sub(1).max(1),
        _ => right.header().height + 1,
    };
    let draft = draft(world, on.ids().to_vec(), height);
    Ok(Entry::sign(&key(author(world, chance)), draft, right.payload().to_vec()).ok())
}

/// A parent that another one builds on.
fn wrong_parents(world: &World, chance: &mut Chance) -> Result<Option<Entry>> {
    let on = any_version(world, chance)?;
    let Some(first) = on.ids().first().copied() else { return Ok(None) };
    let Some(grandparent) = before(world, &first).ids().first().copied() else { return Ok(None) };
    let mut parents = on.ids().to_vec();
    parents.push(grandparent);
    parents.sort_unstable();
    parents.dedup();
    let right = sign(world, author(world, chance), &on, any_payload(world, chance))?;
    let draft = draft(world, parents, right.header().height);
    Ok(Entry::sign(&key(author(world, chance)), draft, right.payload().to_vec()).ok())
}

fn wrong_space(world: &World, chance: &mut Chance) -> Result<Option<Entry>> {
    let on = any_version(world, chance)?;
    let right = sign(world, author(world, chance), &on, any_payload(world, chance))?;
    let draft = EntryDraft {
        space: Some(SpaceId(EntryId([9; 32]))),
        parents: on.ids().to_vec(),
        height: right.header().height,
        time_ms: world.now,
    };
    Ok(Entry::sign(&key(author(world, chance)), draft, right.payload().to_vec()).ok())
}

/// Somebody else's payload, perhaps with a byte changed.
fn wrong_payload(world: &World, chance: &mut Chance) -> Result<Option<Entry>> {
    let mut payload = any_payload(world, chance);
    if !payload.is_empty() && chance.below(3) > 0 {
        let at = chance.below(payload.len());
        payload[at] ^= 1 << chance.below(8);
    }
    let on = any_version(world, chance)?;
    Ok(Some(sign(world, author(world, chance), &on, payload)?))
}

/// An update that tears a column group.
fn part_of_group(world: &World, chance: &mut Chance) -> Result<Option<Entry>> {
    let on = any_version(world, chance)?;
    let rows = read(&world.shadow, &on)?;
    let torn = rows.iter().flat_map(|((table, _), row)| {
        let groups = world.schema.tables()[*table].groups.iter().filter(|group| group.columns.len() > 1);
        groups.flat_map(|group| &group.columns).map(move |column| (*table, row, *column))
    });
    let Some((table, row, column)) = chance.pick(&torn.collect::<Vec<_>>()).copied() else { return Ok(None) };
    let payload = super::craft::part_of_group(&world.schema, (table, row), column);
    Ok(Some(sign(world, author(world, chance), &on, payload)?))
}

fn refused(world: &World, chance: &mut Chance) -> Option<Entry> {
    let refused: Vec<&EntryId> =
        world.fates.iter().filter(|(_, fate)| matches!(fate, Fate::Refused(_))).map(|(id, _)| id).collect();
    world.entries.get(*chance.pick(&refused)?).cloned()
}

/// A refused entry comes again.
fn again(world: &World, chance: &mut Chance) -> Option<Entry> {
    refused(world, chance)
}

fn on_refused(world: &World, chance: &mut Chance) -> Result<Option<Entry>> {
    let Some(parent) = refused(world, chance) else { return Ok(None) };
    let draft = draft(world, vec![*parent.id()], parent.header().height.saturating_add(1));
    Ok(Entry::sign(&key(author(world, chance)), draft, any_payload(world, chance)).ok())
}

/// Many entries on parents that nobody has.
pub(super) fn flood(world: &mut World, chance: &mut Chance) -> Result<()> {
    let count = if chance.below(16) == 0 { 1100 } else { FLOOD_SMALL };
    let (node, by) = (chance.below(world.nodes.len()), author(world, chance));
    let mut entries = Vec::new();
    let mut parent = EntryId([0; 32]);
    for index in 0..count {
        if index % 3 == 0 {
            parent.0[..8].copy_from_slice(&chance.next().to_le_bytes());
        }
        let draft = draft(world, vec![parent], 5 + index as u64);
        if let Ok(entry) = Entry::sign(&key(by), draft, Vec::new()) {
            parent = *entry.id();
            entries.push(entry);
        }
    }
    world.tell(|| format!("author {by} floods node {node} with {count} entries"));
    world.statistics.count(if count == FLOOD_SMALL { "hostile: flood" } else { "hostile: large flood" });
    hear(world, node, entries)
}
