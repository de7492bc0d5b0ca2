//! Strangers at the socket: garbage, oversized frames, silence, connections that break in the middle.

use bytes::Bytes;
use treaty_engine::hash::SpaceId;
use treaty_engine::limits::FRAME_BYTES_MAX;
use treaty_engine::sync::{ByeCode, Frame, FrameReader, Heads, Hello};
use treaty_net::hub::HubEvent;
use treaty_net::transport::Link;
use treaty_net::transport::memory::MemoryNetwork;

use crate::node::{Net, Node, converge, genesis, keypair};

/// Connects a peer that speaks by hand to a node.
async fn connect(net: &Net, node: &Node) -> Link {
    net.transport(&keypair(66)).dial(node.address.clone(), Some(node.identity)).await.unwrap()
}

fn hello(space: SpaceId) -> Bytes {
    Frame::Hello(Hello { space, heads: Heads { ids: vec![], is_partial: false } }).encode().into()
}

/// Reads until the node closes; the last frame.
async fn last_frame(link: &mut Link) -> Option<Frame> {
    let mut reader = FrameReader::default();
    let mut last = None;
    while let Ok(Some(bytes)) = link.reader.read().await {
        reader.push(&bytes);
        while let Some(frame) = reader.next_frame().unwrap() {
            last = Some(frame);
        }
    }
    last
}

/// What a node says last to somebody who writes these bytes.
async fn answer_to(net: &Net, bytes: Vec<Bytes>) -> ByeCode {
    let mut node = Node::founder(net, vec![]);
    let mut link = connect(net, &node).await;
    for piece in bytes {
        link.writer.write(piece).await.unwrap();
    }
    let Some(Frame::Bye(bye)) = last_frame(&mut link).await else { panic!("the node says BYE") };
    let event = node.event(|event| matches!(event, HubEvent::Faulted { is_by_peer: false, .. })).await;
    let HubEvent::Faulted { identity, bye: told, .. } = event else { panic!("{event:?}") };
    assert_eq!((identity, told.code), (keypair(66).identity(), bye.code));
    node.stop().await;
    bye.code
}

/// Everything that is refused, over one network.
async fn refuse_nonsense(net: Net) {
    let space = SpaceId(*genesis().id());
    let oversized = u32::try_from(FRAME_BYTES_MAX + 1).unwrap().to_le_bytes();
    assert_eq!(answer_to(&net, vec![Bytes::from_static(&[0xff; 64])]).await, ByeCode::Protocol);
    assert_eq!(answer_to(&net, vec![Bytes::copy_from_slice(&oversized)]).await, ByeCode::Protocol);
    assert_eq!(answer_to(&net, vec![hello(space), Bytes::from_static(&[1, 0, 0, 0, 99])]).await, ByeCode::Protocol);
    assert_eq!(answer_to(&net, vec![hello(SpaceId::NONE)]).await, ByeCode::WrongSpace);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nonsense_over_quic_is_refused_with_a_word() {
    refuse_nonsense(Net::Quic).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nonsense_in_memory_is_refused_with_a_word() {
    refuse_nonsense(Net::Memory(MemoryNetwork::default())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_cut_in_the_middle_is_made_again_and_goes_on() {
    let net = Net::Quic;
    let first = Node::founder(&net, vec![]);
    first.work(|host| host.write(400, 20_000)).await;
    let mut second = Node::joiner(&net, 2, vec![first.target()]);
    // Stopped as soon as some entries are there, with whatever is under way.
    second.event(|event| matches!(event, HubEvent::Received { .. })).await;
    let host = second.cut().await;
    let mut second = Node::start(&net, host, vec![first.target()]);
    second.event(|event| matches!(event, HubEvent::InStep { .. })).await;
    converge(&[&first, &second]).await;
    assert_eq!(second.entry_count().await, 401);
    second.stop().await;
    first.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_of_silent_strangers_keeps_nobody_out() {
    let net = Net::Quic;
    let first = Node::founder(&net, vec![]);
    let stranger = net.transport(&keypair(66));
    let mut silent = vec![];
    for _ in 0..40 {
        // A handshake, and no stream behind it.
        silent.push(stranger.dial(first.address.clone(), None).await.unwrap());
    }
    let mut second = Node::joiner(&net, 2, vec![first.target()]);
    second.event(|event| matches!(event, HubEvent::InStep { .. })).await;
    drop(silent);
    second.stop().await;
    first.stop().await;
}
