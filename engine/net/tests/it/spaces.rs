//! Nodes of one space: joining, following, refusing, reconnecting; over QUIC and in memory alike.

use treaty_net::hub::HubEvent;
use treaty_net::transport::memory::MemoryNetwork;

use crate::node::{Net, Node, converge, keypair};

/// Runs a story over both transports.
macro_rules! over_both_transports {
    ($($name:ident => $story:ident;)*) => {
        mod over_quic { use super::*; $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() { $story(Net::Quic).await; }
        )* }
        mod in_memory { use super::*; $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() { $story(Net::Memory(MemoryNetwork::default())).await; }
        )* }
    };
}

over_both_transports! {
    a_joiner_receives_everything_and_both_follow_each_other => follow;
    a_stranger_is_refused_and_both_sides_say_why => refuse;
    a_peer_that_comes_back_is_found_again => come_back;
    two_that_dial_each_other_keep_one_connection => cross;
    a_third_hears_through_the_second => relay;
    losing_access_ends_the_session => expel;
}

async fn follow(net: Net) {
    let first = Node::founder(&net, vec![]);
    first.work(|host| host.write(500, 300)).await;
    first.work(|host| host.write(3, 1_000_000)).await;
    let mut second = Node::joiner(&net, 2, vec![first.target()]);
    second.event(|event| matches!(event, HubEvent::InStep { .. })).await;
    assert_eq!(second.entry_count().await, 504);
    for _ in 0..20 {
        first.work(|host| host.write(5, 200)).await;
        second.work(|host| host.write(5, 20_000)).await;
    }
    converge(&[&first, &second]).await;
    assert_eq!(first.entry_count().await, 704);
    let status = first.status().await;
    assert!(status.len() == 1 && status[0].is_connected && status[0].identity == Some(second.identity));
    second.stop().await;
    first.stop().await;
}

async fn refuse(net: Net) {
    let mut first = Node::founder(&net, vec![]);
    first.work(|host| host.strangers.insert(keypair(2).identity())).await;
    let mut second = Node::joiner(&net, 2, vec![first.target()]);
    let here = first.event(|event| matches!(event, HubEvent::Refused { is_by_peer: false, .. })).await;
    let there = second.event(|event| matches!(event, HubEvent::Refused { is_by_peer: true, .. })).await;
    for event in [here, there] {
        let HubEvent::Refused { text, .. } = event else { panic!("{event:?}") };
        assert!(text.contains("members_sync") && text.contains(&keypair(2).identity().to_string()), "{text}");
    }
    assert_eq!(second.entry_count().await, 0);
    // Once it is admitted, the next attempt succeeds without anybody's doing.
    first.work(|host| host.strangers.clear()).await;
    second.event(|event| matches!(event, HubEvent::InStep { .. })).await;
    assert_eq!(second.entry_count().await, 1);
    second.stop().await;
    first.stop().await;
}

async fn come_back(net: Net) {
    let first = Node::founder(&net, vec![]);
    first.work(|host| host.write(10, 10)).await;
    let mut second = Node::joiner(&net, 2, vec![first.target()]);
    second.event(|event| matches!(event, HubEvent::InStep { .. })).await;
    second.stop().await;
    first.work(|host| host.write(10, 10)).await;
    let mut second = Node::joiner(&net, 2, vec![first.target()]);
    second.event(|event| matches!(event, HubEvent::InStep { .. })).await;
    assert_eq!(second.entry_count().await, 21);
    second.stop().await;
    first.stop().await;
}

async fn cross(net: Net) {
    let first = Node::founder(&net, vec![]);
    let second = Node::joiner(&net, 2, vec![first.target()]);
    converge(&[&first, &second]).await;
    // A third that dials the second, while the second is told to dial the third by its address.
    let third = Node::joiner(&net, 3, vec![second.target(), first.target()]);
    converge(&[&first, &second, &third]).await;
    for node in [&first, &second, &third] {
        node.work(|host| host.write(50, 100)).await;
        node.work(|host| host.write(20, 30_000)).await;
    }
    converge(&[&first, &second, &third]).await;
    assert_eq!(third.entry_count().await, 211);
    for node in [first, second, third] {
        node.stop().await;
    }
}

async fn relay(net: Net) {
    let first = Node::founder(&net, vec![]);
    let second = Node::joiner(&net, 2, vec![first.target()]);
    let third = Node::joiner(&net, 3, vec![second.target()]);
    converge(&[&first, &second, &third]).await;
    first.work(|host| host.write(100, 5000)).await;
    third.work(|host| host.write(100, 50)).await;
    converge(&[&first, &second, &third]).await;
    assert_eq!(first.entry_count().await, 201);
    for node in [first, second, third] {
        node.stop().await;
    }
}

async fn expel(net: Net) {
    let mut first = Node::founder(&net, vec![]);
    let mut second = Node::joiner(&net, 2, vec![first.target()]);
    second.event(|event| matches!(event, HubEvent::InStep { .. })).await;
    first.work(|host| host.strangers.insert(keypair(2).identity())).await;
    first.work(|host| host.write(1, 10)).await;
    first.event(|event| matches!(event, HubEvent::Refused { is_by_peer: false, .. })).await;
    second.event(|event| matches!(event, HubEvent::Refused { is_by_peer: true, .. })).await;
    assert_eq!(second.entry_count().await, 1);
    second.stop().await;
    first.stop().await;
}
