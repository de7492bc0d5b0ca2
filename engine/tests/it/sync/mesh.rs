//! Several replicas, each with sessions to some others: what one hears it passes on, and not back.

use std::collections::VecDeque;

use proptest::prelude::*;
use treaty_engine::sync::{Access, Alone, Role, Session};

use super::world::{Chance, Node};

/// A connection between two nodes.
struct Edge {
    ends: [usize; 2],
    sessions: [Session; 2],
    wires: [VecDeque<u8>; 2],
}

impl Edge {
    fn open(nodes: &[Node], ends: [usize; 2]) -> Edge {
        let session = |node: usize, role| {
            let node = &nodes[node];
            // Who has nothing yet has been told whom to ask, and names nothing.
            let access = if node.index.entry_count() == 0 { Access::ReceiveOnly } else { Access::Full };
            Session::open(node.space, role, access, &node.view()).unwrap()
        };
        let sessions = [session(ends[0], Role::Dialler), session(ends[1], Role::Listener)];
        Edge { ends, sessions, wires: [VecDeque::new(), VecDeque::new()] }
    }

    /// Lets one end write or read; says whether anything happened.
    fn step(&mut self, nodes: &mut [Node], side: usize, bytes_max: usize, is_writing: bool) -> bool {
        let node = &mut nodes[self.ends[side]];
        let session = &mut self.sessions[side];
        // Whoever has the state may judge by it.
        if node.index.entry_count() > 0 && session.is_in_step() {
            session.set_access(Access::Full, &node.view()).unwrap();
        }
        if is_writing {
            let bytes = session.output(bytes_max, &node.view(), &mut Alone).unwrap();
            self.wires[side].extend(&bytes);
            return !bytes.is_empty();
        }
        let wire = &mut self.wires[1 - side];
        let bytes: Vec<u8> = wire.drain(..bytes_max.min(wire.len())).collect();
        if bytes.is_empty() {
            return false;
        }
        session.receive(&bytes, 0, &node.view()).unwrap();
        node.ingest(session.take_entries(usize::MAX));
        session.settle(&node.view()).unwrap();
        true
    }
}

/// A tree of `count` nodes, and perhaps more edges.
fn edges(nodes: &[Node], chance: &mut Chance) -> Vec<Edge> {
    let mut edges: Vec<Edge> = (1..nodes.len()).map(|node| Edge::open(nodes, [node, chance.below(node)])).collect();
    for _ in 0..chance.below(3) {
        let dialler = 1 + chance.below(nodes.len() - 1);
        let listener = chance.below(dialler);
        if edges.iter().all(|edge| edge.ends != [dialler, listener]) {
            edges.push(Edge::open(nodes, [dialler, listener]));
        }
    }
    edges
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn all_converge_along_any_edges_while_all_write(seed: u64) {
        let mut chance = Chance::of(seed);
        let mut nodes = vec![Node::founder(1)];
        let space = nodes[0].space;
        (2..=2 + chance.below(4)).for_each(|seed| nodes.push(Node::joiner(u8::try_from(seed).unwrap(), space)));
        let mut edges = edges(&nodes, &mut chance);
        let mut idle_count = 0;
        let mut step_count = 0;
        while idle_count < 200 * edges.len() {
            step_count += 1;
            let is_writing_time = step_count < 600;
            if is_writing_time && chance.below(8) == 0 {
                let node = chance.below(nodes.len());
                if nodes[node].index.entry_count() > 0 {
                    let payload_bytes = [10, 500, 9000][chance.below(3)];
                    nodes[node].write(payload_bytes);
                }
            }
            let edge = chance.below(edges.len());
            if is_writing_time && chance.below(100) == 0 {
                edges[edge] = Edge::open(&nodes, edges[edge].ends);
            }
            let magnitude = 1 + chance.below(16);
            let bytes_max = 1 + chance.below(1 << magnitude);
            let (side, is_writing) = (chance.below(2), chance.below(2) == 0);
            let moved = edges[edge].step(&mut nodes, side, bytes_max, is_writing);
            idle_count = if moved { 0 } else { idle_count + 1 };
        }
        let expected = nodes[0].ids();
        for (index, node) in nodes.iter().enumerate() {
            prop_assert!(node.ids() == expected, "node {} holds {} of {}", index, node.ids().len(), expected.len());
        }
        for edge in &edges {
            prop_assert!(edge.sessions.iter().all(Session::is_running), "an honest session ended");
        }
    }
}
