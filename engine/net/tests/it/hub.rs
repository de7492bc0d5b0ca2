//! The hub alone: whom it dials and when, which of two connections it keeps. No runtime, no clock.

use treaty_engine::hash::SpaceId;
use treaty_engine::identity::Identity;
use treaty_engine::sync::{Bye, ByeCode, Frame, FrameReader, Heads, Hello};
use treaty_net::discovery::Target;
use treaty_net::hub::{Command, Hub, HubEvent, LinkId, PeerEvent, TargetId};

use crate::node::{Host, genesis, keypair};

/// A hub with its log, and the time.
pub(crate) struct Desk {
    pub(crate) hub: Hub,
    pub(crate) host: Host,
    pub(crate) now_ms: u64,
}

impl Desk {
    pub(crate) fn of(seed: u8) -> Desk {
        Desk { hub: Hub::new(keypair(seed).identity()), host: Host::founding(keypair(seed)), now_ms: 0 }
    }

    pub(crate) fn tell(&mut self, event: PeerEvent) -> Vec<Command> {
        self.hub.handle(&mut self.host, [event], self.now_ms).unwrap()
    }

    /// When the hub dials next, in milliseconds from now, as its ticks show.
    fn next_dial(&mut self) -> (u64, String) {
        for waited_ms in 0..20_000 {
            let commands = self.tell(PeerEvent::Tick);
            self.now_ms += 1;
            if let Some(Command::Dial { address, .. }) = commands.into_iter().next() {
                return (waited_ms, address);
            }
        }
        panic!("it never dials");
    }

    pub(crate) fn linked(&mut self, link: u64, identity: Identity, target: Option<u64>) -> Vec<Command> {
        let (link, target) = (LinkId(link), target.map(TargetId));
        self.tell(PeerEvent::Linked { link, identity, address: "there".to_owned(), target })
    }
}

fn target_of(seed: u8) -> Target {
    Target { identity: Some(keypair(seed).identity()), addresses: vec!["first:1".to_owned(), "second:2".to_owned()] }
}

/// The BYE that these commands write on a connection.
pub(crate) fn bye_on(link: u64, commands: &[Command]) -> Option<ByeCode> {
    commands.iter().find_map(|command| match command {
        Command::Write { link: LinkId(on), bytes } if *on == link => {
            let mut reader = FrameReader::default();
            reader.push(bytes);
            std::iter::from_fn(|| reader.next_frame().unwrap()).find_map(|frame| match frame {
                Frame::Bye(bye) => Some(bye.code),
                _ => None,
            })
        }
        _ => None,
    })
}

#[test]
fn dialling_again_waits_longer_each_time_and_tries_all_addresses() {
    let mut desk = Desk::of(1);
    let commands = desk.tell(PeerEvent::Found { target: target_of(2) });
    assert!(matches!(&commands[..], [Command::Dial { address, .. }] if address == "first:1"));
    let mut waits = vec![];
    for attempt in 0..8 {
        desk.tell(PeerEvent::Unreachable { target: TargetId(0), reason: "nobody there".to_owned() });
        let (waited_ms, address) = desk.next_dial();
        assert_eq!(address, if attempt % 2 == 0 { "second:2" } else { "first:1" });
        waits.push(waited_ms);
    }
    assert!(waits.is_sorted() && waits[0] <= 250 && (5_000..=10_000).contains(&waits[7]), "{waits:?}");
    let news = desk.hub.take_events();
    assert!(matches!(&news[..], [HubEvent::Unreachable { .. }]), "said once: {news:?}");
}

#[test]
fn the_node_itself_and_peers_that_are_known_are_not_dialled() {
    let mut desk = Desk::of(1);
    assert!(desk.tell(PeerEvent::Found { target: target_of(1) }).is_empty());
    assert_eq!(desk.tell(PeerEvent::Found { target: target_of(2) }).len(), 1);
    assert!(desk.tell(PeerEvent::Found { target: target_of(2) }).is_empty());

    let mut desk = Desk::of(1);
    let unnamed = Target { identity: None, addresses: vec!["here:1".to_owned()] };
    assert_eq!(desk.tell(PeerEvent::Found { target: unnamed }).len(), 1);
    let commands = desk.linked(7, keypair(1).identity(), Some(0));
    assert_eq!(bye_on(7, &commands), Some(ByeCode::Duplicate));
    desk.tell(PeerEvent::Lost { link: LinkId(7), reason: String::new() });
    for _ in 0..100 {
        desk.now_ms += 1000;
        assert!(desk.tell(PeerEvent::Tick).is_empty(), "it knows that it lives there");
    }
}

#[test]
fn of_two_connections_both_sides_keep_the_one_that_the_smaller_key_dialled() {
    let (a, b) = (keypair(1).identity(), keypair(2).identity());
    for (own, peer) in [(1_u8, b), (2, a)] {
        let is_smaller = keypair(own).identity() < peer;
        // Dialled first, then called; and the other way round.
        for order in [[true, false], [false, true]] {
            let mut desk = Desk::of(own);
            desk.tell(PeerEvent::Found { target: Target { identity: Some(peer), addresses: vec!["x:1".to_owned()] } });
            let mut byes = vec![];
            for is_dialled in order {
                let link = if is_dialled { 1 } else { 2 };
                let commands = desk.linked(link, peer, is_dialled.then_some(0));
                byes.extend([1, 2].into_iter().filter(|link| bye_on(*link, &commands).is_some()));
            }
            assert_eq!(byes, [if is_smaller { 2 } else { 1 }], "{own} {order:?}");
        }
    }
}

#[test]
fn a_peer_that_connects_anew_replaces_its_old_connection() {
    let mut desk = Desk::of(1);
    let peer = keypair(2).identity();
    assert_eq!(bye_on(1, &desk.linked(1, peer, None)), None);
    let commands = desk.linked(2, peer, None);
    assert_eq!((bye_on(1, &commands), bye_on(2, &commands)), (Some(ByeCode::Duplicate), None));
}

#[test]
fn last_words_are_heard_though_the_connection_is_gone_behind_them() {
    // Bytes and loss often come in one batch: then the loss once hid the refusal, and the peer was dialled again.
    let mut desk = Desk::of(1);
    let peer = keypair(2).identity();
    desk.linked(1, peer, Some(0));
    let bye = Frame::Bye(Bye { code: ByeCode::Refused, text: "not a member".to_owned() }).encode();
    let (link, reason) = (LinkId(1), "closed".to_owned());
    let batch = [PeerEvent::Received { link, bytes: bye.into() }, PeerEvent::Lost { link, reason }];
    desk.hub.handle(&mut desk.host, batch, 0).unwrap();
    let events = desk.hub.take_events();
    let is_refusal = |event: &HubEvent| matches!(event, HubEvent::Refused { is_by_peer: true, .. });
    assert!(events.iter().any(is_refusal), "{events:?}");
}

#[test]
fn status_tells_who_is_connected_and_how_far_behind() {
    let mut desk = Desk::of(1);
    desk.host.write(5, 10);
    desk.tell(PeerEvent::Found { target: target_of(3) });
    desk.tell(PeerEvent::Unreachable { target: TargetId(0), reason: "nobody there".to_owned() });
    desk.linked(1, keypair(2).identity(), None);
    let hello =
        Hello { space: SpaceId(*genesis().id()), heads: Heads { ids: vec![*genesis().id()], is_partial: false } };
    desk.tell(PeerEvent::Received { link: LinkId(1), bytes: Frame::Hello(hello).encode().into() });

    let status = desk.hub.status(&desk.host).unwrap();
    assert_eq!(status.len(), 2);
    assert_eq!((status[0].identity, status[0].is_connected), (Some(keypair(3).identity()), false));
    assert_eq!(status[0].last_problem.as_deref(), Some("nobody there"));
    assert_eq!((status[1].identity, status[1].is_connected), (Some(keypair(2).identity()), true));
    assert_eq!((status[1].behind, status[1].is_ahead), (Some(5), false));

    desk.tell(PeerEvent::Lost { link: LinkId(1), reason: "timed out".to_owned() });
    desk.host.write(2, 10);
    let status = desk.hub.status(&desk.host).unwrap();
    assert_eq!((status[1].is_connected, status[1].behind), (false, Some(7)));
    assert_eq!(status[1].last_problem.as_deref(), Some("timed out"));
}
