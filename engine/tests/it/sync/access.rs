//! Who is served what: strangers nothing, former members what ended that, newcomers everything but not yet heard.

use treaty_engine::causality::Version;
use treaty_engine::sync::{Access, ByeCode, SessionEvent};

use super::world::{Node, Pair};

fn refused() -> Access {
    Access::Refused {
        text: "the policy members_sync does not admit identity id1…; a member must insert it".to_owned()
    }
}

/// A founder with some entries, and a node that has none.
fn founder_and_newcomer() -> [Node; 2] {
    let mut founder = Node::founder(1);
    founder.write_many(20, 5000);
    let newcomer = Node::joiner(2, founder.space);
    [newcomer, founder]
}

#[test]
fn a_stranger_that_dials_hears_why_it_is_refused_and_nothing_of_the_log() {
    let mut nodes = founder_and_newcomer();
    let mut pair = Pair::open_with(&nodes, [Access::ReceiveOnly, refused()]);
    pair.run(&mut nodes);
    for side in [0, 1] {
        let (bye, is_by_peer) = pair.end(side).unwrap();
        assert_eq!((bye.code, is_by_peer), (ByeCode::Refused, side == 0));
        assert!(bye.text.contains("members_sync"));
    }
    assert!(nodes[0].ids().is_empty());
    // A preamble of five bytes, the code, the text: no head is named.
    assert!(pair.written_bytes[1] < 110, "{}", pair.written_bytes[1]);
}

#[test]
fn a_space_that_is_not_this_one_is_refused_before_anything_is_named() {
    let nodes = [Node::founder(1), Node::founder(2)];
    let mut nodes = nodes;
    let mut pair = Pair::open(&nodes);
    pair.run(&mut nodes);
    assert_eq!(pair.end(0).unwrap().0.code, ByeCode::WrongSpace);
    assert_eq!(pair.end(1).unwrap().0.code, ByeCode::WrongSpace);
    assert_eq!((nodes[0].ids().len(), nodes[1].ids().len()), (1, 1));
}

#[test]
fn a_former_member_is_sent_what_ended_that_and_nothing_more() {
    let mut nodes = founder_and_newcomer();
    Pair::open(&nodes).run(&mut nodes);
    let end = nodes[1].write(6000);
    let end_ids = nodes[1].ids();
    nodes[1].write_many(5, 100);
    nodes[0].write(100);

    let farewell = Access::Farewell { offer: Version::new(vec![end]), text: "you were removed".to_owned() };
    let mut pair = Pair::open_with(&nodes, [Access::Full, farewell.clone()]);
    pair.run(&mut nodes);
    let (bye, is_by_peer) = pair.end(0).unwrap();
    assert_eq!((bye.code, bye.text.as_str(), is_by_peer), (ByeCode::Farewell, "you were removed", true));
    assert!(end_ids.iter().all(|id| nodes[0].ids().contains(id)));
    assert_eq!(nodes[0].ids().len(), end_ids.len() + 1);
    assert_eq!(nodes[1].ids().len(), end_ids.len() + 5, "nothing is received from a former member");

    // Once it knows, there is nothing to say but goodbye.
    let mut pair = Pair::open_with(&nodes, [Access::Full, farewell]);
    pair.run(&mut nodes);
    assert_eq!(pair.end(0).unwrap().0.code, ByeCode::Farewell);
    assert_eq!(nodes[0].ids().len(), end_ids.len() + 1);
}

#[test]
fn a_former_member_is_not_served_a_payload_beyond_its_end() {
    let mut nodes = founder_and_newcomer();
    Pair::open(&nodes).run(&mut nodes);
    let end = nodes[1].write(10);
    nodes[1].write(9000);
    let farewell = Access::Farewell { offer: Version::new(vec![end]), text: "removed".to_owned() };
    let mut pair = Pair::open(&nodes);
    // The large entry is announced, and asked for, when access is lost.
    while !pair.sessions[0].is_running() || pair.sessions[0].received().entries == 0 {
        for side in [0, 1] {
            pair.write(&nodes, side, 1 << 20);
            pair.read(&mut nodes, 1 - side, 1 << 20);
        }
    }
    pair.sessions[1].set_access(farewell, &nodes[1].view()).unwrap();
    pair.run(&mut nodes);
    assert_eq!(pair.end(0).unwrap().0.code, ByeCode::Farewell);
    assert_eq!(nodes[0].ids().len() + 1, nodes[1].ids().len());
}

#[test]
fn losing_access_in_the_middle_sends_what_ended_it() {
    let mut nodes = founder_and_newcomer();
    let mut pair = Pair::open(&nodes);
    pair.run(&mut nodes);
    let end = nodes[1].write(10);
    nodes[1].write(10);
    nodes[0].write(10);
    let farewell = Access::Farewell { offer: Version::new(vec![end]), text: "removed".to_owned() };
    pair.sessions[1].set_access(farewell, &nodes[1].view()).unwrap();
    pair.run(&mut nodes);
    assert_eq!(pair.end(0).unwrap().0.code, ByeCode::Farewell);
    assert!(nodes[0].ids().contains(&end));
    assert_eq!((nodes[0].ids().len(), nodes[1].ids().len()), (23, 23));
}

#[test]
fn a_newcomer_tells_nothing_until_it_knows_the_other_and_everything_then() {
    let mut nodes = founder_and_newcomer();
    Pair::open(&nodes).run(&mut nodes);
    let own = [nodes[0].write(50), nodes[0].write(50_000)];
    nodes[1].write(10);
    let mut pair = Pair::open_with(&nodes, [Access::ReceiveOnly, Access::Full]);
    pair.run(&mut nodes);
    assert!(pair.events[0].contains(&SessionEvent::InStep));
    assert_eq!((pair.sessions[0].sent_count(), nodes[1].ids().len()), (0, 22));

    pair.sessions[0].set_access(Access::Full, &nodes[0].view()).unwrap();
    pair.run(&mut nodes);
    assert!(nodes[0].ids() == nodes[1].ids());
    assert!(own.iter().all(|id| nodes[1].ids().contains(id)));
    assert_eq!(pair.sessions[0].sent_count(), 2, "what the other holds is not sent");
    assert_eq!((pair.end(0), pair.end(1)), (None, None));
}

/// A listener without a log greeted with nothing, then heard everything from elsewhere, and named it before HAVE came:
/// the HAVE was taken for all that had been named since, and the other was never sent anything.
#[test]
fn an_answer_to_a_newcomers_greeting_is_not_taken_for_one_to_what_it_named_later() {
    let mut founder = Node::founder(1);
    founder.write_many(3, 10);
    let mut nodes = [Node::joiner(2, founder.space), Node::joiner(3, founder.space)];
    let mut pair = Pair::open_with(&nodes, [Access::ReceiveOnly, Access::ReceiveOnly]);
    pair.write(&nodes, 0, usize::MAX);
    pair.read(&mut nodes, 1, usize::MAX);
    pair.write(&nodes, 1, usize::MAX);
    // Both have greeted; the answer of the first is still to come.
    nodes[1].ingest(founder.entries());
    pair.sessions[1].set_access(Access::Full, &nodes[1].view()).unwrap();
    pair.write(&nodes, 1, usize::MAX);
    pair.run(&mut nodes);
    assert_eq!((pair.end(0), pair.end(1)), (None, None));
    assert!(nodes[0].ids() == nodes[1].ids());
}
