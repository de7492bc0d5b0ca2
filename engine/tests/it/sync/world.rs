//! Replicas without tables, and wires that cut, delay and lose what sessions write.

use std::collections::{BTreeSet, VecDeque};

use treaty_engine::causality::{Index, Past, PlaceError, Pos};
use treaty_engine::hash::{EntryId, SpaceId};
use treaty_engine::identity::Keypair;
use treaty_engine::limits::PARENTS_MAX;
use treaty_engine::log::{Entry, EntryDraft, LogStore, refuse};
use treaty_engine::store::Sqlite;
use treaty_engine::sync::{Access, Alone, Bye, LogView, Role, Session, SessionEvent};

/// Numbers that look random and are the same for one seed.
pub(super) struct Chance(u64);

impl Chance {
    pub(super) fn of(seed: u64) -> Chance {
        Chance(seed ^ 0x9e37_79b9_7f4a_7c15)
    }

    /// A number below `end`.
    pub(super) fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % end as u64).unwrap()
    }
}

/// A log with its index, and a key to write with. Admits everything but what `refuses` names.
pub(super) struct Node {
    pub(super) store: Sqlite,
    pub(super) index: Index,
    pub(super) keypair: Keypair,
    pub(super) space: SpaceId,
    pub(super) refuses: BTreeSet<EntryId>,
    pub(super) ingested_count: usize,
}

impl Node {
    /// A node that founds a space.
    pub(super) fn founder(seed: u8) -> Node {
        let keypair = Keypair::generate(&[seed; 32]);
        let draft = EntryDraft { space: None, parents: vec![], height: 0, time_ms: 0 };
        let genesis = Entry::sign(&keypair, draft, b"genesis".to_vec()).unwrap();
        let mut node = Node::joiner(seed, SpaceId(*genesis.id()));
        node.ingest(vec![genesis]);
        node
    }

    /// A node that knows nothing but the name of a space.
    pub(super) fn joiner(seed: u8, space: SpaceId) -> Node {
        let store = Sqlite::in_memory().unwrap();
        let index = Index::load(&store).unwrap();
        let keypair = Keypair::generate(&[seed; 32]);
        Node { store, index, keypair, space, refuses: BTreeSet::new(), ingested_count: 0 }
    }

    pub(super) fn view(&self) -> LogView<'_, Sqlite> {
        LogView { store: &self.store, index: &self.index }
    }

    /// Writes an entry on top of everything.
    pub(super) fn write(&mut self, payload_bytes: usize) -> EntryId {
        let heads: Vec<EntryId> = self.index.heads().map(|(id, _)| id).take(PARENTS_MAX).collect();
        self.write_on(&heads, payload_bytes)
    }

    /// Writes entries on top of each other.
    pub(super) fn write_many(&mut self, count: usize, payload_bytes: usize) {
        for _ in 0..count {
            self.write(payload_bytes);
        }
    }

    /// Writes an entry on top of some entries.
    pub(super) fn write_on(&mut self, parents: &[EntryId], payload_bytes: usize) -> EntryId {
        let entry = self.draft_on(parents, payload_bytes);
        let id = *entry.id();
        self.ingest(vec![entry]);
        id
    }

    /// Signs an entry without keeping it.
    pub(super) fn draft_on(&self, parents: &[EntryId], payload_bytes: usize) -> Entry {
        let height = |id| self.store.stamp(self.store.position_of(id).unwrap().unwrap()).unwrap().height;
        let draft = EntryDraft {
            space: Some(self.space),
            parents: parents.to_vec(),
            height: 1 + parents.iter().map(height).max().unwrap(),
            time_ms: self.index.entry_count(),
        };
        let payload = (0..payload_bytes).map(|index| u8::try_from(index % 251).unwrap()).collect();
        Entry::sign(&self.keypair, draft, payload).unwrap()
    }

    pub(super) fn ingest(&mut self, entries: Vec<Entry>) {
        if entries.is_empty() {
            return;
        }
        let tx = self.store.begin().unwrap();
        for entry in entries {
            if self.refuses.contains(entry.id()) {
                refuse(&tx, entry.header()).unwrap();
                continue;
            }
            match self.index.place(&*tx, entry.header()) {
                Ok(placement) => {
                    self.index.write(&tx, &entry, &placement).unwrap();
                    self.index.settle(placement);
                    self.ingested_count += 1;
                }
                Err(PlaceError::Kept | PlaceError::MissingParent { .. }) => {}
                Err(error) => {
                    assert!(!matches!(error, PlaceError::Store(_)), "{error:?}");
                    refuse(&tx, entry.header()).unwrap();
                }
            }
        }
        tx.commit().unwrap();
    }

    /// The genesis of the space that this node founded.
    pub(super) fn store_genesis(&self) -> Entry {
        self.entries().swap_remove(0)
    }

    /// All entries, parents before children.
    pub(super) fn entries(&self) -> Vec<Entry> {
        let entry = |pos| Entry::new(self.store.header(pos).unwrap(), self.store.payload(pos).unwrap()).unwrap();
        self.positions().into_iter().map(entry).collect()
    }

    fn positions(&self) -> Vec<Pos> {
        self.index.difference(&self.index.whole(), &Past::EMPTY).collect(&self.store).unwrap()
    }

    /// The ids of all entries, ascending.
    pub(super) fn ids(&self) -> Vec<EntryId> {
        let mut ids: Vec<EntryId> = self.positions().into_iter().map(|pos| self.store.stamp(pos).unwrap().id).collect();
        ids.sort_unstable();
        ids
    }
}

/// Two nodes' sessions and the bytes between them.
pub(super) struct Pair {
    pub(super) sessions: [Session; 2],
    /// What each side has written and the other has not read.
    pub(super) wires: [VecDeque<u8>; 2],
    /// Bytes that each side has written.
    pub(super) written_bytes: [usize; 2],
    pub(super) events: [Vec<SessionEvent>; 2],
}

impl Pair {
    /// The first node dials the second; both may do everything.
    pub(super) fn open(nodes: &[Node; 2]) -> Pair {
        Pair::open_with(nodes, [Access::Full, Access::Full])
    }

    /// `access[0]` is what the first node lets the second do.
    pub(super) fn open_with(nodes: &[Node; 2], access: [Access; 2]) -> Pair {
        let [first, second] = access;
        let space = nodes[0].space;
        Pair {
            sessions: [
                Session::open(space, Role::Dialler, first, &nodes[0].view()).unwrap(),
                Session::open(nodes[1].space, Role::Listener, second, &nodes[1].view()).unwrap(),
            ],
            wires: [VecDeque::new(), VecDeque::new()],
            written_bytes: [0, 0],
            events: [vec![], vec![]],
        }
    }

    /// Lets `side` write about `bytes_max` bytes.
    pub(super) fn write(&mut self, nodes: &[Node; 2], side: usize, bytes_max: usize) -> bool {
        let bytes = self.sessions[side].output(bytes_max, &nodes[side].view(), &mut Alone).unwrap();
        self.written_bytes[side] += bytes.len();
        self.wires[side].extend(&bytes);
        !bytes.is_empty()
    }

    /// Lets `side` read at most `bytes_max` bytes and ingest what became whole.
    pub(super) fn read(&mut self, nodes: &mut [Node; 2], side: usize, bytes_max: usize) -> bool {
        let wire = &mut self.wires[1 - side];
        let bytes: Vec<u8> = wire.drain(..bytes_max.min(wire.len())).collect();
        if !bytes.is_empty() {
            self.sessions[side].receive(&bytes, 0, &nodes[side].view()).unwrap();
            self.ingest(nodes, side);
        }
        !bytes.is_empty()
    }

    fn ingest(&mut self, nodes: &mut [Node; 2], side: usize) {
        nodes[side].ingest(self.sessions[side].take_entries(usize::MAX));
        self.sessions[side].settle(&nodes[side].view()).unwrap();
        self.events[side].extend(self.sessions[side].take_events());
    }

    /// Goes on until neither side has anything to say.
    pub(super) fn run(&mut self, nodes: &mut [Node; 2]) {
        self.run_by_chance(nodes, &mut Chance::of(0), usize::MAX);
        assert!(self.wires.iter().all(VecDeque::is_empty));
    }

    /// Goes on in random order with random pieces until nothing is left to say, or for `step_max` steps.
    pub(super) fn run_by_chance(&mut self, nodes: &mut [Node; 2], chance: &mut Chance, step_max: usize) {
        let mut idle_count = 0;
        for _ in 0..step_max {
            let side = chance.below(2);
            let magnitude = 1 + chance.below(18);
            let bytes = 1 + chance.below(1 << magnitude);
            let moved =
                if chance.below(2) == 0 { self.write(nodes, side, bytes) } else { self.read(nodes, side, bytes) };
            idle_count = if moved { 0 } else { idle_count + 1 };
            if idle_count > 64 && self.is_quiet(nodes) {
                return;
            }
        }
    }

    fn is_quiet(&mut self, nodes: &[Node; 2]) -> bool {
        let wrote = [0, 1].map(|side| self.write(nodes, side, 1));
        wrote == [false; 2] && self.wires.iter().all(VecDeque::is_empty)
    }

    /// Why the session of `side` ended, and whether the other side ended it.
    pub(super) fn end(&mut self, side: usize) -> Option<(Bye, bool)> {
        let events = self.sessions[side].take_events();
        self.events[side].extend(events);
        self.events[side].iter().find_map(|event| match event {
            SessionEvent::Closed { bye, is_by_peer } => Some((bye.clone(), *is_by_peer)),
            _ => None,
        })
    }
}
