//! The causality index against an oracle that walks the graph.

use std::collections::{BTreeMap, BTreeSet};

use proptest::collection::vec;
use proptest::prelude::*;
use treaty_engine::causality::{Order, Past, PlaceError, Pos, Version, VersionError};
use treaty_engine::hash::{EntryId, SpaceId};
use treaty_engine::log::{Entry, EntryDraft};
use treaty_testkit::{BareLog, Dag, Oracle, dag, keypair, shuffled};

/// A graph in a log, with the way back from positions to indexes.
struct Kept {
    log: BareLog,
    entries: Vec<Entry>,
    positions: Vec<Pos>,
    indexes: BTreeMap<Pos, usize>,
    oracle: Oracle,
}

impl Kept {
    /// Appends a graph in an order of arrival, and loads the index again: what is cached differs, answers must not.
    fn new(dag: &Dag, order: &[usize]) -> Kept {
        let entries = dag.entries();
        let mut log = BareLog::in_memory();
        let arrived = log.append_all(order.iter().map(|index| &entries[*index]));
        let mut positions = vec![Pos::GENESIS; entries.len()];
        for (index, pos) in order.iter().zip(arrived) {
            positions[*index] = pos;
        }
        let indexes = positions.iter().enumerate().map(|(index, pos)| (*pos, index)).collect();
        log.reload();
        Kept { log, entries, positions, indexes, oracle: Oracle::new(dag) }
    }

    fn drawn(text: &str) -> (Dag, Kept) {
        let dag = Dag::drawn(text);
        let order: Vec<usize> = (0..dag.nodes.len()).collect();
        let kept = Kept::new(&dag, &order);
        (dag, kept)
    }

    fn past_of(&self, indexes: &[usize]) -> Past {
        let positions: Vec<Pos> = indexes.iter().map(|index| self.positions[*index]).collect();
        self.log.index.past_of_positions(&self.log.store, &positions).unwrap()
    }

    fn members(&self, past: &Past) -> BTreeSet<usize> {
        (0..self.positions.len()).filter(|index| past.contains(self.positions[*index])).collect()
    }

    fn to_indexes(&self, positions: impl IntoIterator<Item = Pos>) -> BTreeSet<usize> {
        positions.into_iter().map(|pos| self.indexes[&pos]).collect()
    }

    fn ids(&self, indexes: &BTreeSet<usize>) -> Version {
        Version::new(indexes.iter().map(|index| *self.entries[*index].id()).collect())
    }
}

fn check_order(kept: &Kept) {
    let (store, index) = (&kept.log.store, &kept.log.index);
    for a in 0..kept.positions.len() {
        for b in 0..kept.positions.len() {
            let expected = match (kept.oracle.le(a, b), kept.oracle.le(b, a)) {
                (true, true) => Order::Same,
                (true, false) => Order::Before,
                (false, true) => Order::After,
                (false, false) => Order::Concurrent,
            };
            assert_eq!(index.compare(store, kept.positions[a], kept.positions[b]).unwrap(), expected, "{a} and {b}");
        }
    }
}

fn check_sets(kept: &Kept, a: &[usize], b: &[usize]) {
    let (store, index) = (&kept.log.store, &kept.log.index);
    let (past_a, past_b) = (kept.past_of(a), kept.past_of(b));
    let (naive_a, naive_b) = (kept.oracle.past_of(a), kept.oracle.past_of(b));
    assert_eq!(kept.members(&past_a), naive_a);
    assert_eq!(past_a.entry_count(), naive_a.len() as u64);
    let (meet, join) = (past_a.meet(&past_b), past_a.join(&past_b));
    let naive_meet: BTreeSet<usize> = naive_a.intersection(&naive_b).copied().collect();
    assert_eq!(kept.members(&meet), naive_meet);
    assert_eq!(kept.members(&join), naive_a.union(&naive_b).copied().collect());
    assert_eq!(past_a.is_within(&past_b), naive_a.is_subset(&naive_b));
    for (past, naive) in [(&past_a, &naive_a), (&meet, &naive_meet)] {
        let frontier = kept.oracle.minimal_cover(naive);
        assert_eq!(kept.to_indexes(index.frontier(store, past).unwrap()), frontier);
        let version = index.version_of(store, past).unwrap();
        assert_eq!(version, kept.ids(&frontier));
        assert_eq!(index.past_of(store, &version).unwrap(), *past);
    }
    let positions: Vec<Pos> = a.iter().map(|index| kept.positions[*index]).collect();
    let cover = kept.to_indexes(index.minimal_cover(store, &positions).unwrap());
    assert_eq!(cover, kept.oracle.minimal_cover(&a.iter().copied().collect()));
    check_difference(kept, &past_a, &past_b);
}

fn check_difference(kept: &Kept, to: &Past, from: &Past) {
    let mut walk = kept.log.index.difference(to, from);
    let mut naive: Vec<_> = kept
        .members(to)
        .difference(&kept.members(from))
        .map(|index| (kept.entries[*index].header().stamp(), *index))
        .collect();
    naive.sort_unstable();
    assert_eq!(walk.left(), naive.len() as u64);
    for (stamp, index) in naive {
        assert_eq!(walk.next(&kept.log.store).unwrap(), Some((kept.positions[index], stamp)));
    }
    assert_eq!(walk.next(&kept.log.store).unwrap(), None);
}

fn check_concurrent(kept: &Kept) {
    for (entry, pos) in kept.positions.iter().enumerate() {
        let ranges = kept.log.index.concurrent(&kept.log.store, *pos).unwrap();
        let inside = |other: &Pos| ranges.iter().any(|(first, last)| first <= other && other <= last);
        let found = kept.to_indexes(kept.positions.iter().copied().filter(inside));
        assert_eq!(found, kept.oracle.concurrent(entry), "concurrent with {entry}");
    }
}

fn check_heads(kept: &Kept) {
    let all: BTreeSet<usize> = (0..kept.positions.len()).collect();
    let heads = kept.oracle.minimal_cover(&all);
    assert_eq!(kept.to_indexes(kept.log.index.heads().map(|(_, pos)| pos)), heads);
    assert_eq!(kept.log.index.version(), kept.ids(&heads));
    assert_eq!(kept.log.index.entry_count(), all.len() as u64);
}

fn picked(seeds: &[u16], count: usize) -> Vec<usize> {
    seeds.iter().map(|seed| usize::from(*seed) % count).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn small_graphs_are_answered_as_the_oracle_does(
        dag in dag(28, 5),
        seeds in vec(any::<u16>(), 1..28),
        picks in vec((vec(any::<u16>(), 0..5), vec(any::<u16>(), 0..5)), 1..6),
    ) {
        let kept = Kept::new(&dag, &shuffled(&dag, &seeds));
        check_order(&kept);
        check_heads(&kept);
        check_concurrent(&kept);
        for (a, b) in &picks {
            check_sets(&kept, &picked(a, dag.nodes.len()), &picked(b, dag.nodes.len()));
        }
    }
}

proptest! {
    #[test]
    fn whatever_reads_as_a_version_is_its_encoding(bytes in vec(any::<u8>(), 0..200)) {
        if let Ok(version) = Version::from_bytes(&bytes) {
            prop_assert_eq!(version.to_bytes(), bytes);
        }
    }

    #[test]
    fn a_version_reads_back_from_its_bytes(ids in vec(any::<[u8; 32]>(), 0..9), byte in any::<u8>()) {
        let version = Version::new(ids.into_iter().map(EntryId).collect());
        let mut bytes = version.to_bytes();
        prop_assert_eq!(Version::from_bytes(&bytes), Ok(version.clone()));
        bytes.push(byte);
        prop_assert!(Version::from_bytes(&bytes).is_err());
        let mut unsorted = version.ids().to_vec();
        unsorted.reverse();
        if unsorted.len() > 1 {
            let bytes = treaty_engine::codec::encode(&unsorted);
            prop_assert!(Version::from_bytes(&bytes).is_err());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, ..ProptestConfig::default() })]

    // Long enough for several keyframes in a chain.
    #[test]
    fn long_graphs_are_answered_as_the_oracle_does(
        dag in dag(220, 3),
        seeds in vec(any::<u16>(), 1..28),
        picks in vec((vec(any::<u16>(), 0..4), vec(any::<u16>(), 0..4)), 8),
    ) {
        let kept = Kept::new(&dag, &shuffled(&dag, &seeds));
        check_order(&kept);
        check_heads(&kept);
        for (a, b) in &picks {
            check_sets(&kept, &picked(a, dag.nodes.len()), &picked(b, dag.nodes.len()));
        }
    }
}

#[test]
fn a_wide_fork_merged_step_by_step_has_one_head() {
    let mut text = "g".to_owned();
    for fork in 0..70 {
        text.push_str(&format!(", f{fork}@{}-g", fork % 3));
    }
    let merge = |name: &str, forks: std::ops::Range<u32>| {
        let parents: Vec<String> = forks.map(|fork| format!("-f{fork}")).collect();
        format!(", {name}{}", parents.concat())
    };
    text.push_str(&merge("x", 0..32));
    text.push_str(&merge("y", 32..64));
    text.push_str(&merge("z", 64..70));
    text.push_str("-x-y, after@9-z");
    let (dag, kept) = Kept::drawn(&text);
    check_order(&kept);
    check_heads(&kept);
    kept.log.index.release_memory();
    kept.log.store.release_memory().unwrap();
    check_concurrent(&kept);
    assert_eq!(kept.log.index.heads().count(), 1);
    assert_eq!(kept.log.index.chain_count(), 70, "merges and what follows reuse chains");
    check_sets(&kept, &[dag.index("x"), dag.index("f65")], &[dag.index("y"), dag.index("f3")]);
}

#[test]
fn authors_who_take_turns_share_one_chain() {
    let mut text = "n0".to_owned();
    for step in 1..40 {
        text.push_str(&format!(", n{step}@{}-n{}", step % 7, step - 1));
    }
    let (_, kept) = Kept::drawn(&text);
    assert_eq!(kept.log.index.chain_count(), 1);
}

#[test]
fn an_author_goes_on_in_the_own_chain() {
    // Were m to take the chain of the higher parent, z would need a third.
    let (_, kept) = Kept::drawn("g, x@1-g, y@2-g, y2@2-y, m@1-x-y2, z@2-y2");
    assert_eq!(kept.log.index.chain_count(), 2);
}

#[test]
fn meet_of_two_branches_is_the_fork() {
    let (dag, kept) = Kept::drawn("root, a-root, b-a, c@1-a");
    let meet = kept.past_of(&[dag.index("b")]).meet(&kept.past_of(&[dag.index("c")]));
    let frontier = kept.log.index.frontier(&kept.log.store, &meet).unwrap();
    assert_eq!(kept.to_indexes(frontier), BTreeSet::from([dag.index("a")]));
}

#[test]
fn a_version_with_an_unknown_entry_has_no_past_here() {
    let (_, kept) = Kept::drawn("a, b-a");
    let unknown = EntryId([7; 32]);
    let found = kept.log.index.past_of(&kept.log.store, &Version::new(vec![unknown, *kept.entries[0].id()]));
    assert!(matches!(found, Err(VersionError::Unknown { id }) if id == unknown));
}

#[test]
fn the_empty_version_stands_for_no_entries() {
    let (_, kept) = Kept::drawn("a, b-a");
    assert_eq!(kept.log.index.past_of(&kept.log.store, &Version::EMPTY).unwrap(), Past::EMPTY);
    assert_eq!(kept.log.index.version_of(&kept.log.store, &Past::EMPTY).unwrap(), Version::EMPTY);
}

/// Signs an entry on parents of a log with one thing wrong, and returns why it has no place.
fn place_of(kept: &Kept, change: impl FnOnce(&mut EntryDraft), parents: &[usize]) -> PlaceError {
    let mut draft = EntryDraft {
        space: kept.log.index.space(),
        parents: parents.iter().map(|parent| *kept.entries[*parent].id()).collect(),
        height: parents.iter().map(|parent| kept.entries[*parent].header().height + 1).max().unwrap_or(0),
        time_ms: 0,
    };
    change(&mut draft);
    let entry = Entry::sign(&keypair(1), draft, Vec::new()).unwrap();
    kept.log.index.place(&kept.log.store, entry.header()).unwrap_err()
}

#[test]
fn an_entry_of_wrong_height_has_no_place() {
    let (_, kept) = Kept::drawn("a, b-a");
    for height in [1, 3] {
        let refusal = place_of(&kept, |draft| draft.height = height, &[1]);
        assert!(matches!(refusal, PlaceError::WrongHeight { expected: 2, found } if found == height));
    }
}

#[test]
fn an_entry_with_a_parent_in_the_past_of_another_has_no_place() {
    let (_, kept) = Kept::drawn("a, b-a, c-b");
    let refusal = place_of(&kept, |_| {}, &[0, 2]);
    assert!(matches!(refusal, PlaceError::NoAntichain { below, above }
            if below == *kept.entries[0].id() && above == *kept.entries[2].id()));
}

#[test]
fn an_entry_of_another_space_has_no_place() {
    let (_, kept) = Kept::drawn("a, b-a");
    let other = SpaceId(EntryId([9; 32]));
    let refusal = place_of(&kept, |draft| draft.space = Some(other), &[1]);
    assert!(matches!(refusal, PlaceError::OtherSpace { found, .. } if found == other));
}

#[test]
fn a_second_genesis_has_no_place() {
    let (_, kept) = Kept::drawn("a, b-a");
    let refusal = place_of(&kept, |draft| draft.space = None, &[]);
    assert!(matches!(refusal, PlaceError::OtherSpace { .. }));
    let again = kept.log.index.place(&kept.log.store, kept.entries[0].header()).unwrap_err();
    assert!(matches!(again, PlaceError::Kept));
}

#[test]
fn an_entry_before_genesis_has_no_place() {
    let (_, kept) = Kept::drawn("a, b-a");
    let empty = BareLog::in_memory();
    let refusal = empty.index.place(&empty.store, kept.entries[1].header()).unwrap_err();
    assert!(matches!(refusal, PlaceError::NoGenesis));
}

#[test]
fn an_entry_with_a_missing_parent_has_no_place_yet() {
    let (_, kept) = Kept::drawn("a, b-a");
    let missing = EntryId([9; 32]);
    let refusal = place_of(&kept, |draft| draft.parents.push(missing), &[1]);
    assert!(matches!(refusal, PlaceError::MissingParent { id } if id == missing));
}

#[test]
fn a_position_given_back_serves_another_entry() {
    // An entry was written, refused, and undone; its position went to the next entry of the chain. A cached clock of
    // the first must not answer for the second.
    let dag = Dag::drawn("a, b-a, x@1-a, refused@1-x, merge@1-b-x");
    let entries = dag.entries();
    let mut log = BareLog::in_memory();
    log.append_all(&entries[..3]);
    let mut index = log.index;
    let tx = log.store.begin().unwrap();
    let refused = index.place(&*tx, entries[3].header()).unwrap();
    let undone: Result<(), treaty_engine::fault::StoreError> = tx.attempt(|tx| {
        index.write(tx, &entries[3], &refused)?;
        assert!(!index.clock(&**tx, refused.pos())?.contains(Pos::new(0, 2).unwrap()));
        Err(treaty_engine::fault::StoreError::Aborted)
    });
    assert!(undone.is_err());
    let merge = index.place(&*tx, entries[4].header()).unwrap();
    assert_eq!(merge.pos(), refused.pos());
    index.write(&tx, &entries[4], &merge).unwrap();
    assert_eq!(*index.clock(&*tx, merge.pos()).unwrap(), *merge.clock());
    index.settle(merge.clone());
    tx.commit().unwrap();
    assert_eq!(*index.clock(&log.store, merge.pos()).unwrap(), *merge.clock());
    assert!(index.le(&log.store, Pos::new(0, 2).unwrap(), merge.pos()).unwrap());
}
