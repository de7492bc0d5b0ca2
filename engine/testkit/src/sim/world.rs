//! Everything in one run: honest replicas, what is between them, what hostile authors know, and what was said of whom.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::Path;

use treaty_engine::causality::Version;
use treaty_engine::cotx::Reason;
use treaty_engine::hash::{EntryId, PayloadHash};
use treaty_engine::identity::{Identity, Keypair};
use treaty_engine::log::Entry;
use treaty_engine::replica::{GenesisDraft, IngestOutcome, LocalRow, Replica};
use treaty_engine::store::Sqlite;
use treaty_schema::{LogicalType, Schema, Table, Value};

use super::chance::Chance;
use super::failure::{Failure, Result};
use super::judged::Judged;
use super::ledger::Ledger;
use super::link::Link;
use super::node::{Checked, Node, entry_of};
use super::options::Options;
use super::retell::retell;
use super::schema::patch_of;
use super::statistics::Statistics;
use super::tale::Tale;
use crate::dag::keypair;

/// Number of the first hostile author; honest ones have the numbers of their replicas.
const HOSTILE_FIRST: u8 = 20;
/// Number of the first friend that hostile authors let in.
const PUPPET_FIRST: u8 = 40;
/// Events kept to be told when a check fails.
const EVENTS_TOLD: usize = 60;

/// What became of an entry, the same everywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Admitted,
    Refused(Reason),
}

/// An entry on its way to one replica, beside all sessions.
pub(super) struct Parcel {
    pub due: u64,
    pub node: usize,
    pub entry: Entry,
}

/// One run.
pub(super) struct World {
    pub options: Options,
    pub schema: Schema,
    pub genesis: Entry,
    pub nodes: Vec<Node>,
    /// Which side of a partition each replica is on.
    pub sides: Vec<u8>,
    pub links: Vec<Link>,
    pub parcels: Vec<Parcel>,
    /// The replica of all hostile authors: holds whatever anybody wrote, told or not.
    pub shadow: Replica,
    pub judged: Judged,
    /// Every entry that was ever whole in somebody's hands.
    pub entries: BTreeMap<EntryId, Entry>,
    /// The same in the order of their making.
    pub order: Vec<EntryId>,
    pub fates: BTreeMap<EntryId, Fate>,
    /// Entries whose import an honest client was told of, and those admitted by an honest replica: none may be lost.
    pub promised: BTreeSet<EntryId>,
    /// What each replica admitted, in the order of its admission.
    pub(super) heard: Vec<Vec<EntryId>>,
    /// What hostile authors keep in mind.
    pub ledger: Ledger,
    /// What replicas that hold a version say of it.
    pub digests: BTreeMap<Version, [u8; 32]>,
    pub people: Vec<Identity>,
    pub now: u64,
    pub statistics: Statistics,
    events: VecDeque<String>,
    event_hash: [u8; 32],
}

impl World {
    /// Founds a space, and gives it to every replica.
    pub(super) fn new(options: Options, lines: &str, folder: Option<&Path>) -> Result<World> {
        let patch = patch_of(lines);
        let schema = Schema::empty().apply(&patch).expect("a drawn schema is valid");
        let mut chance = Chance::of(options.seed, 3);
        let rows = first_rows(&schema, &options, &mut chance);
        let draft = GenesisDraft { patch, rows, nonce: [7; 16] };
        let memory = || Sqlite::in_memory().map_err(Failure::of("opening a store"));
        let shadow = Replica::create(memory()?, &keypair(0), draft, 0).map_err(Failure::of("founding"))?;
        let genesis = entry_of(&shadow, &shadow.space().0)?;
        let count = usize::try_from(options.replicas).unwrap_or(1).max(1);
        let nodes: Vec<Node> = (0..count).map(|number| Node::new(number, &genesis, folder)).collect::<Result<_>>()?;
        let people = people(&options).iter().map(|number| keypair(*number).identity()).collect();
        let mut world = World {
            judged: Judged::new(schema.clone(), &genesis)?,
            sides: vec![0; count],
            links: Vec::new(),
            parcels: Vec::new(),
            entries: BTreeMap::new(),
            order: Vec::new(),
            fates: BTreeMap::from([(*genesis.id(), Fate::Admitted)]),
            promised: BTreeSet::new(),
            ledger: Ledger::default(),
            heard: vec![Vec::new(); count],
            digests: BTreeMap::new(),
            now: 0,
            statistics: Statistics::default(),
            events: VecDeque::new(),
            event_hash: [0; 32],
            options,
            schema,
            genesis,
            nodes,
            shadow,
            people,
        };
        world.ledger.note(&world.schema, &world.genesis);
        world.nodes.iter_mut().try_for_each(|node| node.apply(usize::MAX, Checked::Yes).map(|_| ()))?;
        Ok(world)
    }

    /// The keys of hostile authors.
    pub(super) fn hostiles(&self) -> Vec<u8> {
        (0..u8::try_from(self.options.hostiles).unwrap_or(0)).map(|index| HOSTILE_FIRST + index).collect()
    }

    /// The number of a hostile author, by identity.
    pub(super) fn hostile_of(&self, identity: &Identity) -> Option<u8> {
        let puppets = PUPPET_FIRST..PUPPET_FIRST + 3;
        self.hostiles().into_iter().chain(puppets).find(|number| keypair(*number).identity() == *identity)
    }

    /// A friend to let in.
    pub(super) fn puppet(&self, chance: &mut Chance) -> u8 {
        PUPPET_FIRST + u8::try_from(chance.below(3)).unwrap_or(0)
    }

    /// Notes that something happened.
    pub(super) fn tell(&mut self, event: impl FnOnce() -> String) {
        let line = format!("{:>4} {}", self.now, event());
        let mut bytes = self.event_hash.to_vec();
        bytes.extend_from_slice(line.as_bytes());
        self.event_hash = PayloadHash::of(&bytes).0;
        if self.events.len() == EVENTS_TOLD {
            self.events.pop_front();
        }
        self.events.push_back(line);
    }

    /// The last events, oldest first.
    pub(super) fn last_events(&self) -> Vec<String> {
        self.events.iter().cloned().collect()
    }

    /// What tells two runs apart: a hash over all events.
    pub(super) fn event_hash(&self) -> [u8; 32] {
        self.event_hash
    }

    /// The run as tales: what each replica heard, and what the hostile authors did.
    pub(super) fn tales(&self, lines: &str) -> Vec<Tale> {
        let admitted = |id: &&EntryId| self.fates.get(id) == Some(&Fate::Admitted);
        let order: Vec<EntryId> = self.order.iter().filter(admitted).copied().collect();
        let tale = |told: &[EntryId], heard: &[EntryId]| {
            let told: Vec<&Entry> = told.iter().map(|id| &self.entries[id]).collect();
            retell((&self.schema, lines), &self.genesis, &told, heard)
        };
        let of_node = |heard: &Vec<EntryId>| {
            let told: Vec<EntryId> = order.iter().filter(|id| heard.contains(id)).copied().collect();
            tale(&told, heard)
        };
        let mut tales: Vec<Tale> = self.heard.iter().filter_map(of_node).collect();
        tales.extend(tale(&order, &order));
        tales.extend(tale(&self.order, &self.order));
        tales
    }

    /// Lets those who know everything learn of an entry. Returns whether it is admitted.
    pub(super) fn learn(&mut self, entry: &Entry) -> Result<bool> {
        let id = *entry.id();
        if let Some(fate) = self.fates.get(&id) {
            return Ok(*fate == Fate::Admitted);
        }
        let outcome = self.shadow.ingest(vec![entry.clone()]).map_err(Failure::of("ingesting in the shadow"))?;
        self.entries.insert(id, entry.clone());
        self.order.push(id);
        let refusal = outcome.refused.iter().find(|(refused, _)| *refused == id).map(|(_, refusal)| refusal);
        let fate = match refusal {
            Some(refusal) => Fate::Refused(refusal.reason),
            None if outcome.admitted.contains(&id) => Fate::Admitted,
            None => return Err(Failure::new("admission", format!("entry {id} is neither admitted nor refused"))),
        };
        self.fates.insert(id, fate);
        self.judged.check_fate(entry, refusal)?;
        if let Fate::Refused(reason) = fate {
            self.statistics.refused(reason);
            return Ok(false);
        }
        self.judged.add(entry)?;
        self.ledger.note(&self.schema, entry);
        Ok(true)
    }

    /// Compares what a replica made of entries with what others made of them.
    pub(super) fn note_outcome(&mut self, node: usize, outcome: &IngestOutcome) -> Result<()> {
        for id in &outcome.admitted {
            self.note_fate(node, id, Fate::Admitted)?;
            self.promised.insert(*id);
            self.heard[node].push(*id);
        }
        for (id, refusal) in &outcome.refused {
            self.note_fate(node, id, Fate::Refused(refusal.reason))?;
        }
        self.statistics.parked += outcome.parked.len() as u64;
        self.tell(|| {
            let count = (outcome.admitted.len(), outcome.refused.len(), outcome.parked.len(), outcome.known.len());
            format!("node {node} admits {}, refuses {}, parks {}, knows {}", count.0, count.1, count.2, count.3)
        });
        Ok(())
    }

    fn note_fate(&mut self, node: usize, id: &EntryId, fate: Fate) -> Result<()> {
        let known = self.fates.get(id).copied();
        let is_same = match (known, fate) {
            // Whoever knows the parent refused says less.
            (Some(Fate::Refused(_)), Fate::Refused(Reason::Ancestor)) => true,
            (Some(Fate::Refused(Reason::Ancestor)), Fate::Refused(_)) => true,
            (known, fate) => known == Some(fate),
        };
        if is_same {
            return Ok(());
        }
        Err(Failure::new("admission", format!("node {node} says {fate:?} of entry {id}, others {known:?}")))
    }
}

/// Everybody in a run, by number.
fn people(options: &Options) -> Vec<u8> {
    let honest = 0..u8::try_from(options.replicas).unwrap_or(1);
    let hostile = HOSTILE_FIRST..HOSTILE_FIRST + u8::try_from(options.hostiles).unwrap_or(0);
    honest.chain(hostile).chain([PUPPET_FIRST, PUPPET_FIRST + 1]).collect()
}

/// Members with roles: the founder, the other honest ones, the hostile ones; no friends yet.
fn first_rows(schema: &Schema, options: &Options, chance: &mut Chance) -> Vec<LocalRow> {
    let (index, table) = schema.table_by_name("members").expect("every schema has members");
    let column = |name: &str| table.column_by_name(name).expect("members have it").0;
    let text = |text: &str| Some(LogicalType::Text.parse(text).expect("a role is a text"));
    let mut grants = Vec::new();
    for number in people(options).into_iter().filter(|number| *number < PUPPET_FIRST) {
        // Now and then somebody is let in later, or never.
        if number != 0 && chance.below(8) == 0 {
            continue;
        }
        let role = if number == 0 { "admin" } else { ["admin", "admin", "admin", "editor", "guest"][chance.below(5)] };
        grants.push((number, role));
    }
    // Some have two rows, of which one may go; the younger ones in any order.
    let mut second: Vec<(u8, &str)> = Vec::new();
    for (number, role) in &grants {
        let other = if *role == "admin" { "editor" } else { "admin" };
        let drawn = if may_repeat(table, &["who", "role"]) { [role, other][chance.below(2)] } else { other };
        if may_repeat(table, &["who"]) && chance.below(2) == 0 {
            second.push((*number, drawn));
        }
    }
    chance.shuffle(&mut second);
    grants.append(&mut second);
    let row = |(number, role): (u8, &str)| {
        let mut cells = vec![None; table.columns.len()];
        cells[table.id_column] = Some(Value::Uuid(chance.uuid()));
        cells[column("who")] = Some(Value::Identity(keypair(number).identity()));
        cells[column("role")] = text(role);
        LocalRow { table: index, cells }
    };
    grants.into_iter().map(row).collect()
}

/// Whether rows may share what these columns hold.
fn may_repeat(table: &Table, columns: &[&str]) -> bool {
    table
        .uniques
        .iter()
        .all(|unique| !unique.columns.iter().all(|column| columns.contains(&table.columns[*column].name.as_str())))
}

/// The key of an author.
pub(super) fn key(number: u8) -> Keypair {
    keypair(number)
}
