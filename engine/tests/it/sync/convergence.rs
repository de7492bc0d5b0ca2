//! Two honest replicas hold the union after a session, however the bytes are cut and the connections lost.

use std::sync::Arc;

use proptest::prelude::*;
use treaty_engine::causality::{Difference, Past, Pos, Stamp};
use treaty_engine::fault::StoreError;
use treaty_engine::hash::EntryId;
use treaty_engine::log::SignedHeader;
use treaty_engine::store::Sqlite;
use treaty_engine::sync::{Access, Alone, LogView, SessionEvent, View};

use super::world::{Chance, Node, Pair};

/// Two nodes of one space with random histories: common at first, then apart.
fn nodes(chance: &mut Chance, common: usize, apart: usize) -> [Node; 2] {
    let mut first = Node::founder(1);
    let mut second = Node::joiner(2, first.space);
    let mut nodes = {
        for _ in 0..common {
            write_somewhere(&mut first, chance);
        }
        second.refuses.clear();
        [first, second]
    };
    if chance.below(4) > 0 {
        Pair::open_with(&nodes, [Access::Full, Access::ReceiveOnly]).run(&mut nodes);
        assert!(nodes[0].ids() == nodes[1].ids());
        for _ in 0..chance.below(apart + 1) {
            write_somewhere(&mut nodes[1], chance);
        }
    }
    for _ in 0..chance.below(apart + 1) {
        write_somewhere(&mut nodes[0], chance);
    }
    nodes
}

/// Mostly small entries on top of all, sometimes large ones, sometimes a fork.
fn write_somewhere(node: &mut Node, chance: &mut Chance) {
    if node.index.entry_count() == 0 {
        return;
    }
    let payload_bytes = match chance.below(10) {
        0 => 4096 + chance.below(200_000),
        1 => 0,
        _ => chance.below(600),
    };
    if chance.below(5) == 0 {
        let ids = node.ids();
        let parent = ids[chance.below(ids.len())];
        node.write_on(&[parent], payload_bytes);
    } else {
        node.write(payload_bytes);
    }
}

fn union(nodes: &[Node; 2]) -> Vec<EntryId> {
    let mut ids = [nodes[0].ids(), nodes[1].ids()].concat();
    ids.sort_unstable();
    ids.dedup();
    ids
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn after_a_session_both_hold_the_union(seed: u64) {
        let mut chance = Chance::of(seed);
        let mut nodes = nodes(&mut chance, 60, 40);
        let expected = union(&nodes);
        let mut pair = Pair::open(&nodes);
        pair.run_by_chance(&mut nodes, &mut chance, usize::MAX);
        prop_assert_eq!((pair.end(0), pair.end(1)), (None, None));
        prop_assert!(nodes[0].ids() == expected && nodes[1].ids() == expected);
        for (session, node) in pair.sessions.iter().zip(&nodes) {
            let distance = session.distance(&node.view()).unwrap();
            prop_assert_eq!((distance.peer_lacks, distance.lacks_some), (0, false));
        }
    }

    #[test]
    fn lost_connections_cost_nothing_but_a_new_session(seed: u64) {
        let mut chance = Chance::of(seed);
        let mut nodes = nodes(&mut chance, 30, 60);
        let expected = union(&nodes);
        for _ in 0..chance.below(20) {
            let step_max = chance.below(60);
            Pair::open(&nodes).run_by_chance(&mut nodes, &mut chance, step_max);
        }
        let before = nodes[0].ingested_count + nodes[1].ingested_count;
        Pair::open(&nodes).run(&mut nodes);
        prop_assert!(nodes[0].ids() == expected && nodes[1].ids() == expected);
        prop_assert!(before <= nodes[0].ingested_count + nodes[1].ingested_count);
    }

    #[test]
    fn entries_written_while_connected_arrive(seed: u64) {
        let mut chance = Chance::of(seed);
        let mut nodes = nodes(&mut chance, 20, 20);
        let mut pair = Pair::open(&nodes);
        for _ in 0..20 {
            let step_max = chance.below(40);
            pair.run_by_chance(&mut nodes, &mut chance, step_max);
            write_somewhere(&mut nodes[chance.below(2)], &mut chance);
        }
        pair.run_by_chance(&mut nodes, &mut chance, usize::MAX);
        prop_assert_eq!((pair.end(0), pair.end(1)), (None, None));
        prop_assert!(nodes[0].ids() == nodes[1].ids());
        // Each entry is in one of the founding logs or was received exactly once.
        let received: u64 = pair.sessions.iter().map(|session| session.received().entries).sum();
        let sent: u64 = pair.sessions.iter().map(treaty_engine::sync::Session::sent_count).sum();
        prop_assert!(received <= sent);
    }
}

#[test]
fn a_joiner_that_knows_only_the_space_receives_everything() {
    let mut first = Node::founder(1);
    for _ in 0..3000 {
        first.write(100);
    }
    first.write(3_000_000);
    let second = Node::joiner(2, first.space);
    let mut nodes = [second, first];
    let mut pair = Pair::open_with(&nodes, [Access::ReceiveOnly, Access::Full]);
    pair.run(&mut nodes);
    assert!(nodes[0].ids() == nodes[1].ids());
    assert_eq!(pair.events[0], [SessionEvent::Opened, SessionEvent::InStep]);
    assert_eq!(pair.sessions[0].received().duplicates, 0);
}

#[test]
fn nothing_is_sent_back_to_whom_it_came_from() {
    let mut nodes = [Node::founder(1), Node::founder(2)];
    nodes[1] = Node::joiner(2, nodes[0].space);
    let mut pair = Pair::open(&nodes);
    for _ in 0..50 {
        nodes[0].write(100);
        pair.run(&mut nodes);
    }
    assert!(nodes[0].ids() == nodes[1].ids());
    assert_eq!((pair.sessions[0].sent_count(), pair.sessions[1].sent_count()), (51, 0));
}

/// A log in which every prefix names the wrong entry: what an author who makes ids collide can do to two others.
struct Misled<'a>(LogView<'a, Sqlite>);

impl View for Misled<'_> {
    fn positions_by_prefix(&self, _: u64, _: usize) -> Result<Vec<Pos>, StoreError> {
        let tops = self.0.whole().tops().to_vec();
        Ok(tops.into_iter().take(1).collect())
    }

    fn heads(&self) -> Vec<EntryId> {
        self.0.heads()
    }

    fn whole(&self) -> Past {
        self.0.whole()
    }

    fn position_of(&self, id: &EntryId) -> Result<Option<Pos>, StoreError> {
        self.0.position_of(id)
    }

    fn is_refused(&self, id: &EntryId) -> Result<bool, StoreError> {
        self.0.is_refused(id)
    }

    fn stamp(&self, pos: Pos) -> Result<Stamp, StoreError> {
        self.0.stamp(pos)
    }

    fn header(&self, pos: Pos) -> Result<SignedHeader, StoreError> {
        self.0.header(pos)
    }

    fn payload_slice(&self, pos: Pos, offset: u32, count: u32) -> Result<Vec<u8>, StoreError> {
        self.0.payload_slice(pos, offset, count)
    }

    fn clock(&self, pos: Pos) -> Result<Arc<Past>, StoreError> {
        self.0.clock(pos)
    }

    fn difference(&self, to: &Past, from: &Past) -> Difference {
        self.0.difference(to, from)
    }

    fn next_of(&self, walk: &mut Difference) -> Result<Option<Pos>, StoreError> {
        self.0.next_of(walk)
    }
}

#[test]
fn a_locator_that_misleads_is_made_up_for() {
    // Without and with an entry beyond the one that is wrongly believed to be there, before and after DONE.
    for (later_count, live_count) in [(0, 0), (1, 0), (0, 1), (200, 3)] {
        let mut nodes = [Node::founder(1), Node::founder(2)];
        nodes[1] = Node::joiner(2, nodes[0].space);
        nodes[0].write_many(10, 100);
        Pair::open(&nodes).run(&mut nodes);
        nodes[0].write_many(30, 100);
        let genesis = nodes[0].space.0;
        (0..later_count).for_each(|_| assert_ne!(nodes[0].write_on(&[genesis], 3000), genesis));
        let mut pair = Pair::open(&nodes);
        let mut left_to_write = live_count;
        let mut quiet_count = 0;
        while quiet_count < 3 {
            let bytes = pair.sessions[0].output(1 << 20, &Misled(nodes[0].view()), &mut Alone).unwrap();
            pair.wires[0].extend(&bytes);
            let mut moved = !bytes.is_empty();
            let heard: Vec<u8> = pair.wires[1].drain(..).collect();
            pair.sessions[0].receive(&heard, 0, &Misled(nodes[0].view())).unwrap();
            moved |= pair.read(&mut nodes, 1, usize::MAX);
            moved |= pair.write(&nodes, 1, usize::MAX);
            quiet_count = if moved { 0 } else { quiet_count + 1 };
            if !moved && left_to_write > 0 {
                left_to_write -= 1;
                nodes[0].write(100);
            }
        }
        assert_eq!((pair.end(0), pair.end(1)), (None, None));
        assert!(nodes[0].ids() == nodes[1].ids(), "{later_count} {live_count}");
    }
}
