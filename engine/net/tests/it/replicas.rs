//! Two hubs over real replicas, wired to each other without a runtime: joining, admission of peers, farewells.

use std::collections::VecDeque;

use bytes::Bytes;
use treaty_engine::hash::SpaceId;
use treaty_engine::identity::Identity;
use treaty_engine::log::Entry;
use treaty_engine::replica::{Replica, ReplicaError};
use treaty_engine::store::Sqlite;
use treaty_net::discovery::Target;
use treaty_net::host::{Newcomer, SyncHost};
use treaty_net::hub::{Command, Hub, HubEvent, LinkId, PeerEvent};
use treaty_schema::{LogicalType, Patch};
use treaty_testkit::{Story, author, col, eq, exists, keypair, patch, table, with_peers};

/// A space whose members may sync, and everybody may do everything else.
fn members() -> Patch {
    let members = table("members").required("who", LogicalType::Identity).frozen(&["who"]).open();
    let notes = table("notes").required("title", LogicalType::Text).open();
    with_peers(patch([members, notes]), exists(&["members m"], eq(col("m.who"), author())))
}

/// A node of each side, and what is on its way between them.
struct Wired<A, B> {
    hubs: [Hub; 2],
    first: A,
    second: B,
    on_the_way: VecDeque<(usize, PeerEvent)>,
    events: [Vec<HubEvent>; 2],
    next_link: u64,
    now_ms: u64,
}

fn who(side: usize) -> Identity {
    keypair(u8::try_from(side).unwrap()).identity()
}

impl<A: SyncHost<Error = ReplicaError>, B: SyncHost<Error = ReplicaError>> Wired<A, B> {
    /// The second dials the first.
    fn new(first: A, second: B) -> Wired<A, B> {
        let target = Target { identity: Some(who(0)), addresses: vec!["first:1".to_owned()] };
        Wired {
            hubs: [Hub::new(who(0)), Hub::new(who(1))],
            first,
            second,
            on_the_way: VecDeque::from([(1, PeerEvent::Found { target })]),
            events: [vec![], vec![]],
            next_link: 0,
            now_ms: 0,
        }
    }

    /// Goes on until nothing is on its way.
    fn run(&mut self) {
        for side in [0, 1] {
            self.on_the_way.push_back((side, PeerEvent::Tick));
        }
        while let Some((side, event)) = self.on_the_way.pop_front() {
            let commands = match side {
                0 => self.hubs[0].handle(&mut self.first, [event], self.now_ms).unwrap(),
                _ => self.hubs[1].handle(&mut self.second, [event], self.now_ms).unwrap(),
            };
            self.events[side].extend(self.hubs[side].take_events());
            for command in commands {
                self.execute(side, command);
            }
        }
    }

    fn execute(&mut self, side: usize, command: Command) {
        let other = 1 - side;
        let lost = |link| PeerEvent::Lost { link, reason: "closed".to_owned() };
        match command {
            Command::Dial { target, address, .. } => {
                let link = LinkId(self.next_link);
                self.next_link += 1;
                let (identity, target) = (who(other), Some(target));
                self.on_the_way
                    .push_back((side, PeerEvent::Linked { link, identity, address: address.clone(), target }));
                let identity = who(side);
                self.on_the_way.push_back((other, PeerEvent::Linked { link, identity, address, target: None }));
            }
            Command::Write { link, bytes } => {
                let written = bytes.len();
                // In small pieces, as a network may.
                for piece in bytes.chunks(1000) {
                    self.on_the_way
                        .push_back((other, PeerEvent::Received { link, bytes: Bytes::copy_from_slice(piece) }));
                }
                self.on_the_way.push_back((side, PeerEvent::Written { link, bytes: written }));
            }
            Command::Close { link } => {
                self.on_the_way.push_back((other, lost(link)));
                self.on_the_way.push_back((side, lost(link)));
            }
        }
    }

    /// How the other side refused this one.
    fn refusal(&self, side: usize) -> Option<&str> {
        self.events[side].iter().rev().find_map(|event| match event {
            HubEvent::Refused { text, .. } => Some(text.as_str()),
            _ => None,
        })
    }
}

fn replica_of(story: &Story) -> Replica {
    let entries: Vec<Entry> = story.entries.iter().map(|(_, entry)| entry.clone()).collect();
    let mut entries = entries.into_iter();
    let genesis = entries.next().unwrap();
    let mut replica = Replica::join(Sqlite::in_memory().unwrap(), genesis, story.space()).unwrap();
    let outcome = replica.ingest(entries.collect()).unwrap();
    assert!(outcome.refused.is_empty(), "{:?}", outcome.refused);
    replica
}

fn newcomer(space: SpaceId) -> Newcomer {
    Newcomer::new(space, Sqlite::in_memory().unwrap()).unwrap()
}

#[test]
fn a_newcomer_that_is_a_member_joins_and_ends_in_the_same_state() {
    let mut story = Story::begin(&members(), "insert members m0 who=@0");
    story.tell("admit @0 on genesis: insert members m1 who=@1");
    story.tell("note @0 on admit: insert notes n1 title=hello");
    let mut wired = Wired::new(replica_of(&story), newcomer(story.space()));
    wired.run();
    assert!(wired.events[1].contains(&HubEvent::InStep { identity: who(0) }));
    let joined = wired.second.replica().unwrap();
    assert_eq!(joined.digest().unwrap(), wired.first.digest().unwrap());

    // It is served and heard from now on.
    let reply = story.tell("reply @1 on note: insert notes n2 title=reply");
    joined.ingest(vec![reply]).unwrap();
    wired.run();
    assert_eq!(wired.first.entry_count(), 4);
    assert_eq!(wired.refusal(1), None);
}

#[test]
fn a_newcomer_that_is_no_member_learns_the_policy_and_nothing_else() {
    let story = Story::begin(&members(), "insert members m0 who=@0");
    let mut wired = Wired::new(replica_of(&story), newcomer(story.space()));
    wired.run();
    let text = wired.refusal(1).unwrap();
    assert!(text.contains("the policy peers does not admit identity") && text.contains(&who(1).to_string()), "{text}");
    assert!(wired.second.replica().is_none());
    assert!(wired.refusal(0).is_some());
}

#[test]
fn a_member_that_is_removed_while_away_learns_of_it_and_of_nothing_later() {
    let mut story = Story::begin(&members(), "insert members m0 who=@0; insert members m1 who=@1");
    let mut second = replica_of(&story);
    let mut first = replica_of(&story);
    let (end, later) =
        (story.tell("end @0 on genesis: delete m1"), story.tell("later @0 on end: insert notes n1 title=secret"));
    first.ingest(vec![end, later]).unwrap();
    let away = story.tell("away @1 on genesis: insert notes n2 title=away");
    second.ingest(vec![away]).unwrap();
    let mut wired = Wired::new(first, second);
    wired.run();
    assert!(wired.refusal(1).unwrap().contains("does not admit identity"));
    assert_eq!(wired.second.frontier().ids().len(), 2, "its own entry, and the one that ended its access");
    assert!(wired.second.frontier().ids().contains(&story.id("end")));
    assert_eq!((wired.first.entry_count(), wired.second.entry_count()), (3, 3));
    assert!(!wired.second.may_sync(&who(1)).unwrap());
}

#[test]
fn a_member_that_is_removed_while_connected_learns_of_it_at_once() {
    let mut story = Story::begin(&members(), "insert members m0 who=@0; insert members m1 who=@1");
    let mut wired = Wired::new(replica_of(&story), replica_of(&story));
    wired.run();
    assert_eq!(wired.refusal(1), None);
    let end = story.tell("end @0 on genesis: delete m1");
    wired.first.ingest(vec![end]).unwrap();
    wired.run();
    assert!(wired.refusal(1).unwrap().contains("does not admit identity"));
    assert_eq!(wired.second.entry_count(), 2);
}

#[test]
fn a_member_whose_admission_the_dialled_peer_has_not_heard_of_is_refused_and_one_that_dials_catches_up() {
    let mut story = Story::begin(&members(), "insert members m0 who=@0");
    let first = replica_of(&story);
    story.tell("admit @0 on genesis: insert members m1 who=@1");
    let second = replica_of(&story);
    let mut wired = Wired::new(first, second);
    wired.run();
    assert!(wired.refusal(1).is_some(), "the listener does not know the member yet");
    // The other way round: who is dialled knows, who dials does not yet.
    let (second, first) = (wired.first, wired.second);
    let mut story = Story::begin(&members(), "insert members m0 who=@0");
    story.tell("admit @0 on genesis: insert members m1 who=@1");
    let mut wired = Wired::new(first, second);
    wired.run();
    assert_eq!(wired.second.entry_count(), 2);
}
