//! Peers that lie, flood, withhold and forge: refused, counted, nothing lost, nothing kept that should not be.

use proptest::prelude::*;
use treaty_engine::hash::{EntryId, SpaceId};
use treaty_engine::identity::{Keypair, Signature, Unverified};
use treaty_engine::limits::{
    CREDIT_ENTRIES, FRAME_BYTES_MAX, PATIENCE_MS, PAYLOAD_CHUNK_BYTES_MAX, STALL_MS, UNKNOWN_PARENT_COUNT_MAX,
};
use treaty_engine::log::{Entry, EntryDraft, Header};
use treaty_engine::sync::{
    Access, Alone, ByeCode, Credit, EntryItem, Frame, FrameReader, Heads, Hello, PayloadChunk, Role, Session,
    SessionEvent,
};

use super::world::Node;

/// An honest node's session, and what its hostile peer hears.
struct Victim {
    node: Node,
    session: Session,
    heard: FrameReader,
}

impl Victim {
    /// An honest listener, and a peer that has said HELLO with these heads.
    fn greeted(heads: &[EntryId]) -> Victim {
        let mut victim = Victim::new(Node::founder(1));
        let space = victim.node.space;
        victim.hear(&[Frame::Hello(Hello { space, heads: named(heads) })]);
        victim
    }

    fn new(node: Node) -> Victim {
        let session = Session::open(node.space, Role::Listener, Access::Full, &node.view()).unwrap();
        Victim { node, session, heard: FrameReader::default() }
    }

    fn hear_bytes(&mut self, bytes: &[u8]) {
        self.session.receive(bytes, 0, &self.node.view()).unwrap();
        self.node.ingest(self.session.take_entries(usize::MAX));
        self.session.settle(&self.node.view()).unwrap();
    }

    fn hear(&mut self, frames: &[Frame]) {
        frames.iter().for_each(|frame| self.hear_bytes(&frame.encode()));
    }

    /// What it says.
    fn frames(&mut self) -> Vec<Frame> {
        let bytes = self.session.output(usize::MAX, &self.node.view(), &mut Alone).unwrap();
        self.heard.push(&bytes);
        std::iter::from_fn(|| self.heard.next_frame().unwrap()).collect()
    }

    /// The code of its BYE.
    fn bye(&mut self) -> Option<ByeCode> {
        self.frames().into_iter().find_map(|frame| match frame {
            Frame::Bye(bye) => Some(bye.code),
            _ => None,
        })
    }
}

fn named(ids: &[EntryId]) -> Heads {
    let mut ids = ids.to_vec();
    ids.sort_unstable();
    Heads { ids, is_partial: false }
}

/// An entry on top of genesis by a key that is not the victim's.
fn entry_on(space: SpaceId, parents: &[EntryId], height: u64, payload: &[u8]) -> Entry {
    let draft = EntryDraft { space: Some(space), parents: parents.to_vec(), height, time_ms: 0 };
    Entry::sign(&Keypair::generate(&[9; 32]), draft, payload.to_vec()).unwrap()
}

fn item(entry: &Entry, is_inline: bool) -> EntryItem {
    let header = Unverified { value: Header::clone(entry.header()), signature: *entry.header().signature() };
    EntryItem { header, payload: is_inline.then(|| entry.payload().to_vec()) }
}

/// A victim that has been sent one item by a peer that announced it.
fn after_item(make: impl Fn(&Entry) -> EntryItem) -> Victim {
    let node = Node::founder(1);
    let entry = entry_on(node.space, &[node.space.0], 1, b"payload");
    let mut victim = Victim::greeted(&[*entry.id()]);
    victim.hear(&[Frame::Entries(vec![make(&entry)])]);
    victim
}

#[test]
fn an_honest_item_is_taken_so_the_others_are_refused_for_what_is_wrong_with_them() {
    let mut victim = after_item(|entry| item(entry, true));
    assert_eq!((victim.bye(), victim.node.ids().len()), (None, 2));
}

#[test]
fn a_wrong_signature_ends_the_session() {
    let mut victim = after_item(|entry| EntryItem {
        header: Unverified { value: Header::clone(entry.header()), signature: Signature([1; 64]) },
        payload: Some(entry.payload().to_vec()),
    });
    assert_eq!((victim.bye(), victim.node.ids().len()), (Some(ByeCode::BadEntry), 1));
}

#[test]
fn a_payload_that_is_another_ends_the_session() {
    for payload in [&b"Payload"[..], b"payload and more", b""] {
        let mut victim = after_item(|entry| EntryItem { payload: Some(payload.to_vec()), ..item(entry, true) });
        assert_eq!((victim.bye(), victim.node.ids().len()), (Some(ByeCode::BadEntry), 1));
    }
}

#[test]
fn an_entry_of_another_space_ends_the_session() {
    let other = Node::founder(7);
    let mut victim = Victim::greeted(&[]);
    let stray = entry_on(other.space, &[other.space.0], 1, b"");
    victim.hear(&[Frame::Entries(vec![item(&stray, true)])]);
    assert_eq!(victim.bye(), Some(ByeCode::BadEntry));

    let mut victim = Victim::greeted(&[]);
    let genesis = other.store_genesis();
    victim.hear(&[Frame::Entries(vec![item(&genesis, true)])]);
    assert_eq!((victim.bye(), victim.node.ids().len()), (Some(ByeCode::BadEntry), 1));
}

#[test]
fn a_payload_in_wrong_pieces_ends_the_session() {
    let pieces: [&[(u32, &[u8])]; 4] =
        [&[(1, b"ayload")], &[(0, b"pay"), (4, b"oad")], &[(0, b"")], &[(0, b"payloads")]];
    for wrong in pieces {
        let mut victim = after_item(|entry| item(entry, false));
        let Some(Frame::Want(ids)) = victim.frames().pop() else { panic!("the payload is asked for") };
        for (offset, bytes) in wrong {
            victim.hear(&[Frame::Payload(PayloadChunk { id: ids[0], offset: *offset, bytes: bytes.to_vec() })]);
        }
        assert_eq!((victim.bye(), victim.node.ids().len()), (Some(ByeCode::Protocol), 1), "{wrong:?}");
    }
}

#[test]
fn a_payload_that_nobody_asked_for_ends_the_session() {
    let mut victim = Victim::greeted(&[]);
    let id = victim.node.space.0;
    victim.hear(&[Frame::Payload(PayloadChunk { id, offset: 0, bytes: vec![1] })]);
    assert_eq!(victim.bye(), Some(ByeCode::Protocol));
}

#[test]
fn asking_for_what_is_not_here_ends_the_session() {
    let mut victim = Victim::greeted(&[]);
    victim.hear(&[Frame::Want(vec![EntryId([3; 32])])]);
    assert_eq!(victim.bye(), Some(ByeCode::Protocol));
}

#[test]
fn sending_more_than_was_granted_ends_the_session() {
    let mut victim = Victim::greeted(&[]);
    let space = victim.node.space;
    let mut parent = space.0;
    for height in 1..=u64::from(CREDIT_ENTRIES) + 1 {
        let entry = entry_on(space, &[parent], height, b"");
        parent = *entry.id();
        // Received, but not settled: nothing is granted anew.
        let frame = Frame::Entries(vec![item(&entry, true)]).encode();
        victim.session.receive(&frame, 0, &victim.node.view()).unwrap();
    }
    assert_eq!(victim.bye(), Some(ByeCode::Credit));
}

#[test]
fn entries_before_their_parents_are_dropped_asked_for_and_in_the_end_too_many() {
    let mut victim = Victim::greeted(&[]);
    let orphan = entry_on(victim.node.space, &[EntryId([4; 32])], 5, b"");
    let mut missing_count = 0;
    let mut sent_count = 0;
    loop {
        victim.hear(&[Frame::Entries(vec![item(&orphan, true)])]);
        sent_count += 1;
        let frames = victim.frames();
        missing_count += frames.iter().filter(|frame| matches!(frame, Frame::Missing(_))).count();
        if let Some(Frame::Bye(bye)) = frames.last() {
            assert_eq!(bye.code, ByeCode::Protocol);
            break;
        }
        assert!(sent_count < 10_000);
    }
    assert_eq!((missing_count, sent_count), (1, UNKNOWN_PARENT_COUNT_MAX + 1));
    assert_eq!(victim.node.ids().len(), 1);
}

#[test]
fn announcing_entries_and_not_sending_them_ends_the_session() {
    let mut victim = Victim::greeted(&[EntryId([5; 32])]);
    victim.hear(&[Frame::Done]);
    assert_eq!(victim.frames().last(), Some(&Frame::Missing(vec![EntryId([5; 32])])), "it may be our locator's fault");
    victim.hear(&[Frame::Done]);
    assert_eq!(victim.bye(), Some(ByeCode::Withheld));
}

#[test]
fn a_peer_that_owes_something_and_is_silent_is_left() {
    let mut victim = Victim::greeted(&[EntryId([5; 32])]);
    victim.session.tick(0);
    victim.session.tick(STALL_MS);
    assert_eq!(victim.bye(), None);
    victim.session.tick(STALL_MS + 1);
    assert_eq!(victim.bye(), Some(ByeCode::Stalled));

    let mut idle = Victim::greeted(&[]);
    idle.session.tick(0);
    idle.session.tick(1000 * STALL_MS);
    assert_eq!(idle.bye(), None, "nothing is owed");
}

/// When a peer is left that says something every ten seconds, in milliseconds; none if it is not.
fn left_after(victim: &mut Victim, frames: impl IntoIterator<Item = Frame>) -> Option<u64> {
    let mut now_ms = 0;
    victim.session.tick(now_ms);
    for frame in frames {
        for _ in 0..10 {
            now_ms += 1_000;
            victim.session.tick(now_ms);
        }
        if victim.bye() == Some(ByeCode::Stalled) {
            return Some(now_ms);
        }
        victim.session.receive(&frame.encode(), now_ms, &victim.node.view()).unwrap();
    }
    None
}

/// A victim that asks for a payload of a megabyte, and the payload in pieces.
fn asking(piece_bytes: usize) -> (Victim, Vec<Frame>) {
    let node = Node::founder(1);
    let payload = vec![7; 1 << 20];
    let entry = entry_on(node.space, &[node.space.0], 1, &payload);
    let mut victim = Victim::greeted(&[*entry.id()]);
    victim.hear(&[Frame::Entries(vec![item(&entry, false)])]);
    assert!(victim.frames().iter().any(|frame| matches!(frame, Frame::Want(_))));
    let chunk = |(index, bytes): (usize, &[u8])| {
        let offset = u32::try_from(index * piece_bytes).unwrap();
        Frame::Payload(PayloadChunk { id: *entry.id(), offset, bytes: bytes.to_vec() })
    };
    (victim, payload.chunks(piece_bytes).enumerate().map(chunk).collect())
}

#[test]
fn a_peer_that_owes_something_and_talks_of_something_else_is_left_later() {
    let nothing = || std::iter::repeat_n(Frame::Credit(Credit { entries: 0, bytes: 0 }), 100);
    let expected = Some(PATIENCE_MS + 10_000);
    assert_eq!(left_after(&mut Victim::greeted(&[EntryId([5; 32])]), nothing()), expected);
    assert_eq!(left_after(&mut asking(1).0, nothing()), expected);
    assert_eq!(left_after(&mut Victim::greeted(&[]), nothing()), None, "nothing is owed");
}

#[test]
fn a_payload_may_come_slowly_but_not_crumb_by_crumb() {
    let (mut victim, crumbs) = asking(1);
    assert_eq!(left_after(&mut victim, crumbs), Some(PATIENCE_MS + 10_000));
    let (mut victim, pieces) = asking(1 << 14);
    assert!(u64::try_from(pieces.len()).unwrap() * 10_000 > 2 * PATIENCE_MS, "it takes long");
    assert_eq!(left_after(&mut victim, pieces), None);
    assert_eq!(victim.session.take_entries(9).len(), 1);
}

#[test]
fn who_dials_waits_longer_for_an_answer_than_who_listens_for_the_first_word() {
    let waits = [(Role::Listener, STALL_MS), (Role::Dialler, PATIENCE_MS)];
    for (role, wait_ms) in waits {
        let node = Node::founder(1);
        let session = Session::open(node.space, role, Access::Full, &node.view()).unwrap();
        let mut victim = Victim { node, session, heard: FrameReader::default() };
        victim.session.tick(0);
        victim.session.tick(wait_ms);
        assert_eq!(victim.bye(), None);
        victim.session.tick(wait_ms + 1);
        assert_eq!(victim.bye(), Some(ByeCode::Stalled));
    }
}

#[test]
fn whole_payloads_that_wait_to_be_taken_leave_less_room_for_others() {
    let node = Node::founder(1);
    let payload = vec![7; 1 << 20];
    let entries: Vec<Entry> =
        (0..8_u8).map(|n| entry_on(node.space, &[node.space.0], 1, &[&payload[1..], &[n]].concat())).collect();
    let ids: Vec<EntryId> = entries.iter().map(|entry| *entry.id()).collect();
    let mut victim = Victim::greeted(&ids);
    let items = entries.iter().map(|entry| item(entry, false)).collect();
    victim.session.receive(&Frame::Entries(items).encode(), 0, &victim.node.view()).unwrap();
    let wanted = |victim: &mut Victim| -> usize {
        victim.frames().iter().map(|frame| if let Frame::Want(ids) = frame { ids.len() } else { 0 }).sum()
    };
    assert_eq!(wanted(&mut victim), 4, "4 MiB");
    for entry in &entries[..4] {
        for (index, bytes) in entry.payload().chunks(PAYLOAD_CHUNK_BYTES_MAX).enumerate() {
            let offset = u32::try_from(index * PAYLOAD_CHUNK_BYTES_MAX).unwrap();
            let chunk = Frame::Payload(PayloadChunk { id: *entry.id(), offset, bytes: bytes.to_vec() });
            victim.session.receive(&chunk.encode(), 0, &victim.node.view()).unwrap();
        }
    }
    assert_eq!(wanted(&mut victim), 0, "they fill the window until they are taken");
    assert_eq!(victim.session.take_entries(3).len(), 3);
    assert_eq!(wanted(&mut victim), 3);
}

#[test]
fn a_locator_of_nonsense_costs_the_liar_only() {
    let mut victim = Victim::greeted(&[]);
    victim.node.write_many(10, 10);
    victim.hear(&[Frame::Locator((0..512).collect())]);
    let sent: usize =
        victim.frames().iter().map(|frame| if let Frame::Entries(items) = frame { items.len() } else { 0 }).sum();
    assert_eq!(sent, 11, "everything is sent to whom holds nothing that is known");
}

#[test]
fn frames_out_of_place_end_the_session() {
    let hello = |victim: &Victim| Frame::Hello(Hello { space: victim.node.space, heads: named(&[]) });
    let mut victim = Victim::new(Node::founder(1));
    victim.hear(&[Frame::Done]);
    assert_eq!(victim.bye(), Some(ByeCode::Protocol), "before HELLO");

    let mut victim = Victim::greeted(&[]);
    let again = hello(&victim);
    victim.hear(&[again]);
    assert_eq!(victim.bye(), Some(ByeCode::Protocol), "HELLO twice");

    let mut victim = Victim::greeted(&[]);
    victim.hear(&[Frame::Have, Frame::Have]);
    assert_eq!(victim.bye(), Some(ByeCode::Protocol), "two answers");

    let mut victim = Victim::greeted(&[]);
    victim.hear(&[Frame::Done]);
    assert_eq!(victim.bye(), Some(ByeCode::Protocol), "DONE without a question");

    let mut victim = Victim::greeted(&[]);
    victim.hear(&[Frame::Credit(Credit { entries: u32::MAX, bytes: 0 })]);
    assert_eq!(victim.bye(), Some(ByeCode::Protocol), "endless credit");

    let mut victim = Victim::greeted(&[]);
    victim.hear(&[Frame::Missing(vec![]), Frame::Missing(vec![])]);
    assert_eq!(victim.bye(), Some(ByeCode::Protocol), "MISSING twice");
}

#[test]
fn a_frame_that_is_too_large_ends_the_session_at_its_length() {
    let mut victim = Victim::greeted(&[]);
    let length = u32::try_from(FRAME_BYTES_MAX + 1).unwrap();
    victim.hear_bytes(&length.to_le_bytes());
    assert_eq!(victim.bye(), Some(ByeCode::Protocol));
}

#[test]
fn a_newer_protocol_is_told_so() {
    let mut victim = Victim::new(Node::founder(1));
    victim.hear_bytes(&[40, 0, 0, 0, 1, 2]);
    victim.hear_bytes(&[0; 38]);
    assert_eq!(victim.bye(), Some(ByeCode::Version));
}

#[test]
fn refused_entries_and_what_builds_on_them_are_skipped_and_not_fetched_again() {
    let mut victim = Victim::greeted(&[]);
    let space = victim.node.space;
    let bad = entry_on(space, &[space.0], 1, b"bad");
    let child = entry_on(space, &[*bad.id()], 2, b"child");
    let good = entry_on(space, &[space.0], 1, b"good");
    victim.node.refuses.insert(*bad.id());
    victim.hear(&[Frame::Entries(vec![item(&bad, true), item(&child, false), item(&good, true)])]);
    assert!(victim.session.take_events().contains(&SessionEvent::EntriesRefused(vec![*bad.id()])));
    victim.hear(&[Frame::Entries(vec![item(&bad, false), item(&entry_on(space, &[*child.id()], 3, b""), false)])]);
    assert!(victim.frames().iter().all(|frame| !matches!(frame, Frame::Bye(_) | Frame::Missing(_))));
    assert_eq!(victim.node.ids().len(), 2);

    // A later session does not even look.
    let mut later = Victim::new(victim.node);
    later.hear(&[Frame::Hello(Hello { space, heads: named(&[*bad.id()]) })]);
    assert!(later.frames().contains(&Frame::Have));
}

/// Frames that are well-formed and make no sense.
fn any_frame() -> impl Strategy<Value = Frame> {
    let id = || any::<[u8; 32]>().prop_map(EntryId);
    let ids = || proptest::collection::vec(id(), 0..4);
    prop_oneof![
        proptest::collection::vec(any::<u64>(), 0..8).prop_map(Frame::Locator),
        Just(Frame::Have),
        ids().prop_map(Frame::Want),
        (id(), any::<u32>(), proptest::collection::vec(any::<u8>(), 0..9))
            .prop_map(|(id, offset, bytes)| Frame::Payload(PayloadChunk { id, offset, bytes })),
        (any::<u32>(), any::<u32>()).prop_map(|(entries, bytes)| Frame::Credit(Credit { entries, bytes })),
        ids().prop_map(|ids| Frame::Heads(named(&ids))),
        ids().prop_map(Frame::Missing),
        Just(Frame::Done),
        (0_u64..9, id()).prop_map(|(height, parent)| {
            let space = Node::founder(1).space;
            let parent = if height == 1 { space.0 } else { parent };
            Frame::Entries(vec![item(&entry_on(space, &[parent], height.max(1), b"x"), height % 2 == 0)])
        }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn no_bytes_make_a_session_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400), is_greeted: bool) {
        let mut victim = if is_greeted { Victim::greeted(&[]) } else { Victim::new(Node::founder(1)) };
        victim.hear_bytes(&bytes);
        prop_assert_eq!(victim.node.ids().len(), 1);
    }

    #[test]
    fn no_frames_make_a_session_panic_or_lose_anything(frames in proptest::collection::vec(any_frame(), 0..20)) {
        let mut victim = Victim::greeted(&[]);
        victim.node.write_many(3, 5000);
        let before = victim.node.ids();
        for frame in frames {
            victim.hear(&[frame]);
            victim.frames();
        }
        prop_assert!(before.iter().all(|id| victim.node.ids().contains(id)));
    }
}
