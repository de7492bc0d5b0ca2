//! Nodes that are busy: they are slow, not faulty, and whoever only pretends is left. Virtual time, or none.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};
use treaty_engine::hash::{EntryId, SpaceId};
use treaty_engine::identity::Unverified;
use treaty_engine::limits::{PATIENCE_MS, STALL_MS};
use treaty_engine::log::{Entry, EntryDraft, Header};
use treaty_engine::sync::{Bye, ByeCode, EntryItem, Frame, FrameReader, Heads, Hello, View};
use treaty_net::discovery::FixedPeers;
use treaty_net::driver::Driver;
use treaty_net::host::SyncHost;
use treaty_net::hub::{Command, LinkId, PeerEvent};
use treaty_net::limits::{INBOX_MESSAGES_MAX, TICK_MS, TURN_ENTRIES_FIRST};
use treaty_net::transport::memory::MemoryNetwork;
use treaty_net::transport::{Link, Transport};

use crate::hub::{Desk, bye_on};
use crate::node::{genesis, keypair};

/// The network side of a node whose engine does what the test does.
struct Busy {
    driver: Driver<mpsc::Sender<PeerEvent>>,
    inbox: mpsc::Receiver<PeerEvent>,
    /// The connection, as the driver names it, and the other end of it.
    link: LinkId,
    far: Link,
}

impl Busy {
    async fn connected() -> Busy {
        let network = MemoryNetwork::default();
        let transport = Arc::new(network.listen("busy:1", keypair(1).identity()));
        let (engine, mut inbox) = mpsc::channel(INBOX_MESSAGES_MAX);
        let driver = Driver::start(transport, FixedPeers::new(vec![]), engine);
        let peer = network.listen("peer:1", keypair(2).identity());
        let far = peer.dial("busy:1".to_owned(), None).await.unwrap();
        loop {
            if let Some(PeerEvent::Linked { link, .. }) = inbox.recv().await {
                return Busy { driver, inbox, link, far };
            }
        }
    }

    /// The engine says something, and then is busy for as long as it takes nothing from its inbox.
    fn say(&self, frame: &Frame) {
        self.driver.execute(vec![Command::Write { link: self.link, bytes: frame.encode().into() }]);
    }

    /// What comes next, if anything does in that time.
    async fn heard(&mut self, within_ms: u64) -> Option<Bytes> {
        timeout(Duration::from_millis(within_ms), self.far.reader.read()).await.ok()?.unwrap()
    }
}

fn hello_naming(ids: &[EntryId]) -> Frame {
    let heads = Heads { ids: ids.to_vec(), is_partial: false };
    Frame::Hello(Hello { space: SpaceId(*genesis().id()), heads })
}

fn received(link: u64, frames: &[Frame]) -> PeerEvent {
    PeerEvent::Received { link: LinkId(link), bytes: frames.iter().flat_map(Frame::encode).collect() }
}

/// A chain of entries on top of genesis, and the frames that bring it.
fn chain(entry_count: usize) -> (EntryId, Vec<Frame>) {
    let space = SpaceId(*genesis().id());
    let mut parent = space.0;
    let items = (1..=entry_count as u64).map(|height| {
        let draft = EntryDraft { space: Some(space), parents: vec![parent], height, time_ms: 0 };
        let entry = Entry::sign(&keypair(2), draft, b"payload".to_vec()).unwrap();
        parent = *entry.id();
        let header = Unverified { value: Header::clone(entry.header()), signature: *entry.header().signature() };
        EntryItem { header, payload: Some(entry.payload().to_vec()) }
    });
    let items: Vec<EntryItem> = items.collect();
    (parent, items.chunks(100).map(|items| Frame::Entries(items.to_vec())).collect())
}

fn entry_count(desk: &Desk) -> usize {
    usize::try_from(desk.host.view().whole().entry_count()).unwrap()
}

// Six applications wrote ten times a second each, one node judged a batch of a minute and a half and said nothing meanwhile,
// and its peers dropped it as faulty: what it had judged by then was all that it got of each connection.
#[tokio::test(start_paused = true)]
async fn a_peer_that_judges_for_minutes_is_waited_for_but_not_for_ever() {
    let (mut busy, begun) = (Busy::connected().await, Instant::now());
    busy.say(&hello_naming(&[EntryId([5; 32])]));
    let mut desk = Desk::of(2);
    desk.linked(1, keypair(1).identity(), None);
    let left_ms = loop {
        let event = match busy.heard(TICK_MS).await {
            Some(bytes) => PeerEvent::Received { link: LinkId(1), bytes },
            None => PeerEvent::Tick,
        };
        desk.now_ms = u64::try_from(begun.elapsed().as_millis()).unwrap();
        if let Some(code) = bye_on(1, &desk.tell(event)) {
            assert_eq!(code, ByeCode::Stalled);
            break desk.now_ms;
        }
    };
    assert!((PATIENCE_MS..PATIENCE_MS + STALL_MS).contains(&left_ms), "left after {left_ms} ms");
}

#[tokio::test(start_paused = true)]
async fn signs_of_life_begin_after_the_first_word_and_end_when_the_engine_listens() {
    let mut busy = Busy::connected().await;
    assert_eq!(busy.heard(2 * STALL_MS).await, None, "nothing comes before HELLO");
    busy.say(&Frame::Have);
    let first = busy.heard(STALL_MS).await.unwrap();
    assert_eq!(first, Frame::Have.encode());
    for _ in 0..20 {
        let sign = busy.heard(STALL_MS / 2).await.expect("the engine is busy");
        let mut reader = FrameReader::default();
        reader.push(&sign);
        assert!(
            matches!(reader.next_frame().unwrap(), Some(Frame::Credit(credit)) if credit.entries + credit.bytes == 0)
        );
    }
    // It goes on: whatever it does, it takes ticks.
    let Busy { driver, mut inbox, mut far, .. } = busy;
    while inbox.try_recv().is_ok() {}
    driver.execute(vec![]);
    let listening = async {
        while inbox.recv().await.is_some() {
            driver.execute(vec![]);
        }
    };
    tokio::select! {
        () = listening => {}
        bytes = timeout(Duration::from_millis(10 * STALL_MS), far.reader.read()) => assert!(bytes.is_err(), "{bytes:?}"),
    }
}

#[test]
fn time_in_which_a_node_did_not_listen_is_not_held_against_its_peers() {
    let mut desk = Desk::of(1);
    desk.linked(1, keypair(2).identity(), None);
    desk.tell(received(1, &[hello_naming(&[EntryId([5; 32])])]));
    desk.tell(PeerEvent::Tick);
    for _ in 0..20 {
        desk.now_ms += 10 * STALL_MS;
        assert_eq!(bye_on(1, &desk.tell(PeerEvent::Tick)), None, "it was busy with something else");
    }
    let silent_ms = (1..).map(|turn| turn * 500).find(|_| {
        desk.now_ms += 500;
        bye_on(1, &desk.tell(PeerEvent::Tick)) == Some(ByeCode::Stalled)
    });
    assert!(silent_ms.is_some_and(|silent_ms| silent_ms <= STALL_MS), "{silent_ms:?}");
}

#[test]
fn what_came_is_heard_before_the_tick_that_was_there_first() {
    let mut desk = Desk::of(1);
    desk.linked(1, keypair(2).identity(), None);
    desk.tell(received(1, &[hello_naming(&[EntryId([5; 32])])]));
    for _ in 0..100 {
        desk.now_ms += 1_000;
        let batch = [PeerEvent::Tick, received(1, &[Frame::Entries(vec![])])];
        let commands = desk.hub.handle(&mut desk.host, batch, desk.now_ms).unwrap();
        assert_eq!(bye_on(1, &commands), None);
    }
}

#[test]
fn a_turn_ingests_a_little_and_everybody_is_heard_in_between() {
    let mut desk = Desk::of(1);
    let (head, frames) = chain(1_000);
    desk.linked(1, keypair(2).identity(), None);
    desk.tell(received(1, &[hello_naming(&[head])]));
    desk.tell(received(1, &frames));
    assert!(desk.hub.is_behind());
    assert_eq!(entry_count(&desk), 1 + TURN_ENTRIES_FIRST);

    desk.linked(2, keypair(3).identity(), None);
    let answer = desk.tell(received(2, &[hello_naming(&[])]));
    assert!(answer.iter().any(|command| matches!(command, Command::Write { link: LinkId(2), .. })), "HELLO and HAVE");
    desk.tell(received(1, &[Frame::Done]));
    let mut turn_count = 0;
    while desk.hub.is_behind() {
        // Each entry takes 100 ms here.
        desk.hub.took(100 * TURN_ENTRIES_FIRST as u64);
        let before = entry_count(&desk);
        desk.hub.handle(&mut desk.host, [], desk.now_ms).unwrap();
        assert!((1..=2).contains(&(entry_count(&desk) - before)), "as many as there is time for");
        turn_count += 1;
    }
    assert_eq!(entry_count(&desk), 1_001);
    assert!(turn_count > 400, "{turn_count}");
}

#[test]
fn what_a_peer_sent_before_it_went_is_ingested_though_it_takes_turns() {
    let bye = Frame::Bye(Bye { code: ByeCode::Leaving, text: String::new() });
    for last_words in [vec![], vec![bye]] {
        let mut desk = Desk::of(1);
        let (head, frames) = chain(200);
        desk.linked(1, keypair(2).identity(), None);
        desk.tell(received(1, &[hello_naming(&[head])]));
        let lost = PeerEvent::Lost { link: LinkId(1), reason: "gone".to_owned() };
        let batch = [received(1, &frames), received(1, &last_words), lost];
        desk.hub.handle(&mut desk.host, batch, 0).unwrap();
        while desk.hub.is_behind() {
            desk.hub.handle(&mut desk.host, [], 0).unwrap();
        }
        assert_eq!(entry_count(&desk), 201);
        let status = desk.hub.status(&desk.host).unwrap();
        assert!(status.iter().all(|peer| !peer.is_connected), "{status:?}");
    }
}
