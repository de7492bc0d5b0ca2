//! Entries that come before their parents, entries that are refused, and the limits of both.

use std::collections::BTreeSet;

use proptest::collection::vec;
use proptest::prelude::*;
use treaty_engine::hash::{EntryId, SpaceId};
use treaty_engine::limits::{
    PARKED_AUTHOR_COUNT_MAX, PARKED_BYTES_MAX, PARKED_COUNT_MAX, PAYLOAD_BYTES_MAX, REFUSED_COUNT_MAX,
};
use treaty_engine::log::{
    Entry, EntryDraft, LogStore, LogWriter, ParkedTotals, Standing, park, refuse, release, standing, unpark,
};
use treaty_engine::store::Sqlite;
use treaty_testkit::{BareLog, Dag, dag, keypair};

/// Takes an entry as a replica does, without admission: appends it and whatever waited for it, or parks it.
fn take(log: &mut BareLog, entry: &Entry) {
    let tx = log.store.begin().unwrap();
    match standing(&*tx, entry.header()).unwrap() {
        Standing::Kept(_) | Standing::Parked | Standing::Refused => {}
        Standing::Early { missing } => assert_eq!(park(&tx, entry, &missing).unwrap(), []),
        Standing::Ready => {
            let mut ready = vec![entry.clone()];
            while let Some(entry) = ready.pop() {
                let placement = log.index.place(&*tx, entry.header()).unwrap();
                log.index.write(&tx, &entry, &placement).unwrap();
                log.index.settle(placement);
                for id in release(&tx, entry.id()).unwrap() {
                    ready.push(unpark(&tx, &id).unwrap().expect("released entries are parked"));
                }
            }
        }
    }
    tx.commit().unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn any_order_of_arrival_ends_with_every_entry(dag in dag(24, 4), seeds in vec(any::<u32>(), 24)) {
        let entries = dag.entries();
        let mut order: Vec<usize> = (0..entries.len()).collect();
        order.sort_by_key(|index| (seeds[*index % seeds.len()], *index));
        let mut log = BareLog::in_memory();
        for index in &order {
            take(&mut log, &entries[*index]);
            // Whatever has come is either kept or parked, and nothing is parked that could be kept.
            take(&mut log, &entries[*index]);
        }
        prop_assert_eq!(log.index.entry_count(), entries.len() as u64);
        prop_assert_eq!(log.store.parked_totals(None).unwrap(), ParkedTotals::default());
        prop_assert_eq!(log.store.missing(9).unwrap(), vec![]);
    }

    #[test]
    fn what_builds_on_a_refused_entry_is_refused(dag in dag(24, 4), refused in any::<u16>()) {
        // Genesis is there; everything else is parked; one entry turns out to be wrong.
        let entries = dag.entries();
        let refused = usize::from(refused) % entries.len();
        let oracle = treaty_testkit::Oracle::new(&dag);
        let mut log = BareLog::in_memory();
        let tx = log.store.begin().unwrap();
        for (index, entry) in entries.iter().enumerate().filter(|(index, _)| *index != refused) {
            let parents = &dag.nodes[index].parents;
            let missing: Vec<EntryId> = parents.iter().map(|parent| *entries[*parent].id()).collect();
            if !missing.is_empty() {
                park(&tx, entry, &missing).unwrap();
            }
        }
        let descendants: BTreeSet<EntryId> = refuse(&tx, entries[refused].header()).unwrap().into_iter().collect();
        tx.commit().unwrap();
        for (index, entry) in entries.iter().enumerate() {
            let builds_on = oracle.le(refused, index);
            prop_assert_eq!(log.store.is_refused(entry.id()).unwrap(), builds_on);
            prop_assert_eq!(descendants.contains(entry.id()), builds_on && index != refused);
            let is_parked = !builds_on && !dag.nodes[index].parents.is_empty();
            prop_assert_eq!(log.store.is_parked(entry.id()).unwrap(), is_parked);
            if builds_on {
                prop_assert_eq!(standing(&log.store, entry.header()).unwrap(), Standing::Refused);
            }
        }
    }
}

#[test]
fn a_child_of_a_refused_entry_is_refused_when_it_comes() {
    let entries = Dag::drawn("a, b-a, c-b").entries();
    let mut log = BareLog::in_memory();
    log.append_all(&entries[..1]);
    let tx = log.store.begin().unwrap();
    refuse(&tx, entries[1].header()).unwrap();
    tx.commit().unwrap();
    assert_eq!(standing(&log.store, entries[2].header()).unwrap(), Standing::Refused);
    assert_eq!(standing(&log.store, entries[1].header()).unwrap(), Standing::Refused);
}

#[test]
fn missing_are_the_parents_that_nobody_sent() {
    let entries = Dag::drawn("a, b-a, c-b, d-c, e-c").entries();
    let mut log = BareLog::in_memory();
    for index in [4, 3, 2] {
        take(&mut log, &entries[index]);
    }
    assert_eq!(log.store.missing(9).unwrap(), [*entries[1].id()]);
    assert_eq!(log.store.missing(0).unwrap(), []);
    assert_eq!(standing(&log.store, entries[4].header()).unwrap(), Standing::Parked);
}

/// An entry that nobody can place: its parent does not exist.
fn stray(author: u8, number: u64, parent: EntryId, payload_bytes: usize) -> Entry {
    let space = Some(SpaceId(EntryId([1; 32])));
    let draft = EntryDraft { space, parents: vec![parent], height: 1, time_ms: number };
    Entry::sign(&keypair(author), draft, vec![0; payload_bytes]).unwrap()
}

const NOWHERE: EntryId = EntryId([0xee; 32]);

#[test]
fn one_author_cannot_push_out_the_others() {
    let mut store = Sqlite::in_memory().unwrap();
    let tx = store.begin().unwrap();
    let honest = stray(1, 0, NOWHERE, 0);
    assert_eq!(park(&tx, &honest, &[NOWHERE]).unwrap(), []);
    let mut first = None;
    for number in 0..PARKED_AUTHOR_COUNT_MAX {
        let entry = stray(2, number, NOWHERE, 0);
        assert_eq!(park(&tx, &entry, &[NOWHERE]).unwrap(), []);
        first.get_or_insert(*entry.id());
    }
    let evicted = park(&tx, &stray(2, 1 << 20, NOWHERE, 0), &[NOWHERE]).unwrap();
    assert_eq!(evicted, [first.unwrap()], "the author's oldest goes");
    assert!(tx.is_parked(honest.id()).unwrap());
    assert_eq!(tx.parked_totals(Some(&keypair(2).identity())).unwrap().count, PARKED_AUTHOR_COUNT_MAX);
}

#[test]
fn what_others_wait_for_is_evicted_last() {
    let mut store = Sqlite::in_memory().unwrap();
    let tx = store.begin().unwrap();
    let needed = stray(2, 0, NOWHERE, 0);
    park(&tx, &needed, &[NOWHERE]).unwrap();
    let child = stray(1, 0, *needed.id(), 0);
    park(&tx, &child, &[*needed.id()]).unwrap();
    for number in 1..=PARKED_AUTHOR_COUNT_MAX {
        park(&tx, &stray(2, number, NOWHERE, 0), &[NOWHERE]).unwrap();
    }
    assert!(tx.is_parked(needed.id()).unwrap());
    assert_eq!(tx.missing(9).unwrap(), [NOWHERE]);
}

#[test]
fn an_author_whose_entries_are_all_needed_loses_the_oldest() {
    let mut store = Sqlite::in_memory().unwrap();
    let tx = store.begin().unwrap();
    let mut evicted = Vec::new();
    let mut first = None;
    for number in 0..=PARKED_AUTHOR_COUNT_MAX {
        let entry = stray(2, number, NOWHERE, 0);
        first.get_or_insert(*entry.id());
        // Children of many authors wait for each; written directly, as their own limits are not the question here.
        let child = stray(3, number, *entry.id(), 0);
        tx.insert_parked(&child, &[*entry.id()]).unwrap();
        evicted.extend(park(&tx, &entry, &[NOWHERE]).unwrap());
    }
    assert_eq!(evicted, [first.unwrap()]);
}

#[test]
fn parked_entries_stay_within_the_limits_in_all() {
    let mut store = Sqlite::in_memory().unwrap();
    let tx = store.begin().unwrap();
    let needed = stray(0, u64::from(u16::MAX), NOWHERE, 0);
    park(&tx, &needed, &[NOWHERE]).unwrap();
    park(&tx, &stray(9, 0, *needed.id(), 0), &[*needed.id()]).unwrap();
    let mut order = Vec::new();
    let mut evicted = Vec::new();
    for author in 1..6 {
        for number in 0..PARKED_AUTHOR_COUNT_MAX {
            let entry = stray(author, number, NOWHERE, 0);
            evicted.extend(park(&tx, &entry, &[NOWHERE]).unwrap());
            order.push(*entry.id());
        }
    }
    assert_eq!(tx.parked_totals(None).unwrap().count, PARKED_COUNT_MAX);
    assert_eq!(evicted[0], *stray(9, 0, *needed.id(), 0).id(), "the oldest that nobody waits for goes first");
    assert_eq!(evicted[1], *needed.id(), "now nobody waits for it");
    assert_eq!(evicted[2..], order[..evicted.len() - 2]);
    for author in 0..6 {
        park(&tx, &stray(author, 1 << 20, NOWHERE, PAYLOAD_BYTES_MAX as usize), &[NOWHERE]).unwrap();
    }
    assert!(tx.parked_totals(None).unwrap().bytes <= PARKED_BYTES_MAX);
}

#[test]
fn refused_ids_are_forgotten_oldest_first() {
    let mut store = Sqlite::in_memory().unwrap();
    let tx = store.begin().unwrap();
    let id = |number: u64| {
        let mut id = EntryId([0; 32]);
        id.0[..8].copy_from_slice(&number.to_be_bytes());
        id
    };
    for number in 0..=REFUSED_COUNT_MAX {
        tx.insert_refused(&id(number)).unwrap();
        tx.insert_refused(&id(number)).unwrap();
    }
    assert!(!tx.is_refused(&id(0)).unwrap());
    assert!(tx.is_refused(&id(1)).unwrap() && tx.is_refused(&id(REFUSED_COUNT_MAX)).unwrap());
}
