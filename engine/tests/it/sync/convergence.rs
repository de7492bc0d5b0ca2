//! Two honest replicas hold the union after a session, however the bytes are cut and the connections lost.

use proptest::prelude::*;
use treaty_engine::sync::{Access, SessionEvent};

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
        assert_eq!(nodes[0].ids(), nodes[1].ids());
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

fn union(nodes: &[Node; 2]) -> Vec<treaty_engine::hash::EntryId> {
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
        prop_assert_eq!(nodes[0].ids(), nodes[1].ids());
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
    assert_eq!(nodes[0].ids(), nodes[1].ids());
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
    assert_eq!(nodes[0].ids(), nodes[1].ids());
    assert_eq!((pair.sessions[0].sent_count(), pair.sessions[1].sent_count()), (51, 0));
}
