//! What reconciliations may cost on the wire, in bytes counted, not timed.

use super::world::{Node, Pair};

fn log_of(count: usize) -> [Node; 2] {
    let mut nodes = [Node::founder(1), Node::founder(2)];
    nodes[1] = Node::joiner(2, nodes[0].space);
    for index in 0..count {
        nodes[0].write(50);
        // Both write in turn, so that both have chains.
        if index % 100 == 0 {
            Pair::open(&nodes).run(&mut nodes);
            nodes[1].write(50);
            Pair::open(&nodes).run(&mut nodes);
        }
    }
    Pair::open(&nodes).run(&mut nodes);
    assert!(nodes[0].ids() == nodes[1].ids());
    nodes
}

#[test]
fn a_reconciliation_with_nothing_new_costs_less_than_a_kilobyte() {
    let mut nodes = log_of(500);
    let mut pair = Pair::open(&nodes);
    pair.run(&mut nodes);
    let bytes: usize = pair.written_bytes.iter().sum();
    assert!(bytes <= 1000, "{bytes} bytes");
}

#[test]
fn fifty_new_entries_on_each_side_cost_their_size_and_little_more() {
    let mut nodes = log_of(3000);
    for node in &mut nodes {
        for _ in 0..50 {
            node.write(300);
        }
    }
    let mut pair = Pair::open(&nodes);
    pair.run(&mut nodes);
    assert!(nodes[0].ids() == nodes[1].ids());
    // A header of one parent, the signature, the payload.
    let entries_bytes = 100 * (treaty_engine::limits::HEADER_BYTES_FIXED + 32 + 64 + 300);
    let bytes: usize = pair.written_bytes.iter().sum();
    assert!(bytes <= entries_bytes + 5_000, "{bytes} bytes for {entries_bytes}");
}
