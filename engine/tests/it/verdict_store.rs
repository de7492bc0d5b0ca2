//! Verdicts as the store keeps them: now, as of a basis, and every flip.

use std::ops::ControlFlow;

use treaty_engine::cotx::{AsOf, Grant, KeptVerdicts, VerdictStore, VerdictWriter, Void, VoidReason};
use treaty_engine::log::Pos;
use treaty_engine::relation::{CoTx, RowKey, Verdicts};
use treaty_engine::store::Sqlite;

fn at(chain: u32, sequence: u64) -> Pos {
    Pos::new(chain, sequence).unwrap()
}

fn cotx(chain: u32, sequence: u64, transaction: u32) -> CoTx {
    CoTx { pos: at(chain, sequence), transaction }
}

fn row(chain: u32, sequence: u64) -> RowKey {
    RowKey { pos: at(chain, sequence), transaction: 3, operation: 5 }
}

#[test]
fn a_verdict_is_read_as_of_any_basis() {
    let mut store = Sqlite::in_memory().unwrap();
    let void =
        Void { reason: VoidReason::Unique, operation: 2, culprit: Some(cotx(1, 4, 0)), row: Some(row(2, 7)), part: 1 };
    let plain = Void { reason: VoidReason::Overridden, operation: 0, culprit: None, row: None, part: 0 };
    let (one, other) = (cotx(0, 2, 1), cotx(0, 2, 0));
    let tx = store.begin().unwrap();
    tx.insert_flip(one, Some(&void)).unwrap();
    tx.insert_flip(other, Some(&plain)).unwrap();
    tx.insert_flip(one, None).unwrap();
    tx.commit().unwrap();
    assert_eq!(store.basis().unwrap(), 3);
    assert!(!store.is_void(one).unwrap() && store.is_void(other).unwrap());
    let of_one: Vec<_> = (0..4).map(|basis| store.void_as_of(one, basis).unwrap()).collect();
    assert_eq!(of_one, [None, Some(void), Some(void), None]);
    assert_eq!(store.voids_of_entry(one.pos).unwrap(), [(0, plain)]);
    assert_eq!(store.flips_of(one).unwrap().iter().map(|flip| flip.no).collect::<Vec<_>>(), [1, 3]);
    let mut between = Vec::new();
    store
        .flips(1, 2, &mut |flip| {
            between.push((flip.no, flip.of, flip.void));
            Ok(ControlFlow::Continue(()))
        })
        .unwrap();
    assert_eq!(between, [(2, other, Some(plain))]);
}

#[test]
fn a_seniority_holds_for_later_co_transactions_of_its_entry() {
    let mut store = Sqlite::in_memory().unwrap();
    let tx = store.begin().unwrap();
    tx.insert_grant(cotx(0, 2, 0), Grant::Row(row(0, 1))).unwrap();
    tx.insert_grant(cotx(0, 2, 4), Grant::Nothing).unwrap();
    let granted: Vec<_> = [0, 3, 4, 9].map(|index| tx.grant(cotx(0, 2, index)).unwrap()).into();
    assert_eq!(granted, [Grant::Row(row(0, 1)), Grant::Row(row(0, 1)), Grant::Nothing, Grant::Nothing]);
    assert!(tx.grant(cotx(0, 3, 0)).is_err(), "each admitted entry has one");
}

#[test]
fn dependencies_between_chains_are_summed_up_to_the_farthest() {
    let mut store = Sqlite::in_memory().unwrap();
    let tx = store.begin().unwrap();
    for (source, target) in [(5, 3), (9, 4), (7, 3), (2, 1), (6, 8)] {
        tx.insert_edge(at(1, source), at(2, target)).unwrap();
    }
    tx.insert_edge(at(3, 1), at(0, 1)).unwrap();
    let farthest: Vec<u64> = [1, 2, 4, 5, 6, 9].map(|source| tx.edge_target(at(1, source), 2).unwrap()).into();
    assert_eq!(farthest, [0, 1, 1, 3, 8, 8]);
    assert_eq!(tx.edge_chains(None).unwrap(), Some((1, 2)));
    assert_eq!(tx.edge_chains(Some((1, 2))).unwrap(), Some((3, 0)));
    assert_eq!(tx.edge_chains(Some((3, 0))).unwrap(), None);
}

#[test]
fn a_dispute_is_found_by_its_members_and_by_what_it_depends_on() {
    let mut store = Sqlite::in_memory().unwrap();
    let tx = store.begin().unwrap();
    let (a, b, below) = (cotx(1, 2, 0), cotx(2, 2, 0), cotx(1, 1, 0));
    let first = tx.insert_dispute(&[a, b]).unwrap();
    tx.set_dispute_region(first, &[a, b, below], &[at(0, 3), at(1, 1)]).unwrap();
    assert_eq!(tx.dispute(a).unwrap(), Some(first));
    assert_eq!(tx.dispute(below).unwrap(), None);
    assert_eq!(tx.disputes_around(below).unwrap(), [first]);
    assert_eq!(tx.dispute_members(first).unwrap(), [a, b]);
    assert_eq!(tx.next_dispute(at(1, 1)).unwrap(), Some(a.pos));
    assert_eq!(tx.next_dispute(at(1, 3)).unwrap(), None);
    assert_eq!(tx.disputes_above(at(0, 3)).unwrap(), [first]);
    assert_eq!(tx.disputes_above(at(0, 4)).unwrap(), []);
    tx.delete_dispute(first).unwrap();
    assert_eq!(tx.disputes_above(at(0, 1)).unwrap(), []);
    assert_eq!(tx.disputes_around(below).unwrap(), []);
    assert_eq!(tx.dispute(a).unwrap(), None);
}

#[test]
fn readers_of_a_row_are_found_by_range() {
    let mut store = Sqlite::in_memory().unwrap();
    let tx = store.begin().unwrap();
    assert!(tx.insert_reader(row(0, 1), at(1, 4)).unwrap());
    assert!(!tx.insert_reader(row(0, 1), at(1, 4)).unwrap());
    for pos in [at(1, 6), at(1, 9), at(2, 6)] {
        tx.insert_reader(row(0, 1), pos).unwrap();
    }
    let mut found = Vec::new();
    tx.readers(row(0, 1), (at(1, 5), at(1, 9)), &mut |pos| {
        found.push(pos);
        Ok(ControlFlow::Continue(()))
    })
    .unwrap();
    assert_eq!(found, [at(1, 6), at(1, 9)]);
}

#[test]
fn kept_verdicts_are_those_of_the_store_whatever_stands_beside_them() {
    let mut store = Sqlite::in_memory().unwrap();
    let void = Void { reason: VoidReason::Permission, operation: 0, culprit: None, row: None, part: 0 };
    let tx = store.begin().unwrap();
    let borders = [1, 255, 256, 257, 511, 512].map(|sequence| cotx(1, sequence, 3));
    // More in one block than are remembered.
    let crowd: Vec<CoTx> = (0..5_000).map(|index| cotx(2, 1_000, index)).collect();
    for of in borders.iter().chain(&crowd) {
        tx.insert_flip(*of, Some(&void)).unwrap();
    }
    for of in [borders[1], borders[3], crowd[7]] {
        tx.insert_flip(of, None).unwrap();
    }
    tx.commit().unwrap();
    let last = store.basis().unwrap();
    let beside = [cotx(1, 255, 2), cotx(1, 2, 3), cotx(2, 1_000, 6_000), cotx(3, 1, 0)];
    for basis in [1, 4, 6, 3_000, last - 2, last] {
        let kept = KeptVerdicts::new(&store, AsOf::Basis(basis));
        for of in borders.iter().chain(&crowd).chain(&beside) {
            assert_eq!(
                kept.is_void(*of).unwrap(),
                store.void_as_of(*of, basis).unwrap().is_some(),
                "{of:?} at {basis}"
            );
        }
    }
    let kept = KeptVerdicts::new(&store, AsOf::Now);
    for of in borders.iter().chain(&crowd).chain(&beside) {
        assert_eq!(kept.is_void(*of).unwrap(), store.is_void(*of).unwrap(), "{of:?} now");
    }
}
