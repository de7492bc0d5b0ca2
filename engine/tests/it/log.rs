//! Entries in the store: whatever was appended reads back, and what was not is not there.

use proptest::collection::vec;
use proptest::prelude::*;
use treaty_engine::causality::{PlaceError, Pos};
use treaty_engine::hash::EntryId;
use treaty_engine::limits::SEGMENT_BYTES;
use treaty_engine::log::{Entry, EntryDraft, LogStore, LogWriter, Standing, standing};
use treaty_testkit::{BareLog, Dag, dag, keypair, shuffled};

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn headers_are_rebuilt_from_their_rows(dag in dag(40, 4), seeds in vec(any::<u16>(), 1..40)) {
        let entries = dag.entries();
        let order = shuffled(&dag, &seeds);
        let mut log = BareLog::in_memory();
        let positions = log.append_all(order.iter().map(|index| &entries[*index]));
        for (index, pos) in order.into_iter().zip(positions) {
            let entry = &entries[index];
            let header = log.store.header(pos).unwrap();
            prop_assert_eq!(&header, entry.header());
            prop_assert_eq!(EntryId::of_header(&header.encode()), *entry.id());
            prop_assert_eq!(log.store.position_of(entry.id()).unwrap(), Some(pos));
            prop_assert_eq!(log.store.positions_by_prefix(entry.id().prefix(), 8).unwrap(), vec![pos]);
            prop_assert_eq!(log.store.stamp(pos).unwrap(), entry.header().stamp());
            prop_assert_eq!(log.store.author(pos).unwrap(), *entry.author());
            prop_assert_eq!(&log.store.payload(pos).unwrap(), entry.payload());
            prop_assert_eq!(standing(&log.store, entry.header()).unwrap(), Standing::Kept(pos));
            let parents: Vec<Pos> =
                header.parents.iter().map(|id| log.store.position_of(id).unwrap().unwrap()).collect();
            prop_assert_eq!(log.store.parents(pos).unwrap(), parents);
        }
    }

    #[test]
    fn any_part_of_a_payload_reads_back(
        length in 0_u32..4 * SEGMENT_BYTES,
        cuts in vec((any::<u32>(), any::<u32>()), 1..6),
    ) {
        let payload: Vec<u8> = (0..length).map(|n| (n % 251).to_le_bytes()[0]).collect();
        let (log, pos) = log_with_payload(payload.clone());
        prop_assert_eq!(log.store.payload(pos).unwrap(), payload.clone());
        for (a, b) in cuts {
            let (a, b) = (a % (length + 1), b % (length + 1));
            let (from, to) = (a.min(b), a.max(b));
            let slice = log.store.payload_slice(pos, from, to - from).unwrap();
            prop_assert_eq!(&slice, &payload[from as usize..to as usize]);
        }
        prop_assert!(log.store.payload_slice(pos, length, 1).is_err());
        prop_assert!(log.store.payload_slice(pos, u32::MAX, 2).is_err());
    }
}

/// A log of one entry.
fn log_with_payload(payload: Vec<u8>) -> (BareLog, Pos) {
    let draft = EntryDraft { space: None, parents: vec![], height: 0, time_ms: 0 };
    let mut log = BareLog::in_memory();
    let pos = log.append(&Entry::sign(&keypair(0), draft, payload).unwrap()).unwrap();
    (log, pos)
}

#[test]
fn payloads_at_the_edges_of_segments_read_back() {
    for length in [0, 1, SEGMENT_BYTES - 1, SEGMENT_BYTES, SEGMENT_BYTES + 1, 2 * SEGMENT_BYTES] {
        let payload = vec![7; length as usize];
        let (log, pos) = log_with_payload(payload.clone());
        assert_eq!(log.store.payload(pos).unwrap(), payload, "{length} bytes");
        assert_eq!(log.store.payload_slice(pos, length, 0).unwrap(), b"");
    }
}

#[test]
fn an_entry_is_appended_once() {
    let entries = Dag::drawn("a, b-a, c-b").entries();
    let mut log = BareLog::in_memory();
    log.append_all(&entries);
    for entry in &entries {
        assert!(matches!(log.append(entry), Err(PlaceError::Kept)));
    }
    assert_eq!(log.index.entry_count(), 3);
}

#[test]
fn an_id_that_shares_its_prefix_with_another_is_not_that_one() {
    let entries = Dag::drawn("a, b-a").entries();
    let mut log = BareLog::in_memory();
    log.append_all(&entries);
    let mut id = *entries[1].id();
    id.0[31] ^= 1;
    assert_eq!(id.prefix(), entries[1].id().prefix());
    assert_eq!(log.store.position_of(&id).unwrap(), None);
    assert_eq!(log.store.positions_by_prefix(id.prefix(), 1).unwrap().len(), 1);
    assert_eq!(log.store.positions_by_prefix(id.prefix(), 0).unwrap().len(), 0);
}

#[test]
fn a_position_without_an_entry_is_an_error() {
    let mut log = BareLog::in_memory();
    log.append_all(&Dag::drawn("a").entries());
    let nowhere = Pos::new(3, 1).unwrap();
    assert!(log.store.header(nowhere).is_err());
    assert!(log.store.stamp(nowhere).is_err());
    assert!(log.store.payload(nowhere).is_err());
    assert!(log.index.clock(&log.store, nowhere).is_err());
    assert_eq!(log.store.last_of_chain(3).unwrap(), None);
}

#[test]
fn the_largest_payload_is_kept() {
    let payload = vec![0x5a; treaty_engine::limits::PAYLOAD_BYTES_MAX as usize];
    let (log, pos) = log_with_payload(payload.clone());
    assert!(log.store.payload(pos).unwrap() == payload);
}

#[test]
fn an_entry_on_a_taken_position_is_refused_by_the_store() {
    let entries = Dag::drawn("a, b-a").entries();
    let mut log = BareLog::in_memory();
    log.append_all(&entries[..1]);
    let tx = log.store.begin().unwrap();
    assert!(tx.insert_entry(Pos::GENESIS, &entries[1], &[Pos::GENESIS]).is_err());
    assert!(tx.commit().is_err(), "a transaction with a failed write is not kept");
}
