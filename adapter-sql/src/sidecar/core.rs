//! The engine's thread: the one owner of the replica, and of the sessions with all peers.
//!
//! It waits at one bounded inbox. Peers' bytes and the adapter's questions arrive there and are taken in batches, so that
//! many small frames become few store transactions. What follows goes out as commands for the network's driver, which
//! never waits, and as [`Notice`]s for the rest of the sidecar.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::mpsc;
use treaty_engine::replica::{Replica, ReplicaError};
use treaty_engine::sync::ByeCode;
use treaty_net::driver::Driver;
use treaty_net::engine::{self, Inbox};
use treaty_net::host::{Newcomer, SyncHost};
use treaty_net::hub::{Hub, HubEvent, PeerEvent, PeerStatus};

use crate::keystore::Keystore;
use crate::link::ReplicaLink;

/// Work that somebody else wants done with the replica; there is none before a newcomer has the genesis.
pub(crate) type Job = Box<dyn FnOnce(Option<ReplicaLink<'_>>) + Send>;

/// What waits for the engine's thread.
pub(crate) enum Message {
    /// Something happened on the network.
    Peer(PeerEvent),
    /// Somebody needs the replica.
    Job(Job),
    /// Say goodbye to peers and end.
    Stop,
}

/// What the engine's thread tells the rest of the sidecar.
#[derive(Debug)]
pub(crate) enum Notice {
    /// The log has grown.
    Grew {
        /// Entries in it now.
        entry_count: u64,
    },
    /// Something happened between this node and a peer.
    Peer(HubEvent),
    /// What is known of all peers; told when it changed.
    Peers(Vec<PeerStatus>),
    /// The thread ends because of this.
    Failed(ReplicaError),
}

/// Who owns the replica in this thread.
pub(crate) trait Host: SyncHost<Error = ReplicaError> + Send + 'static {
    /// Returns the replica, if there is one yet.
    fn replica(&mut self) -> Option<&mut Replica>;
}

/// Everything that the engine's thread owns.
pub(crate) struct Core<H, N> {
    /// Owns the replica.
    pub(crate) host: H,
    /// Signs for this node.
    pub(crate) keys: Keystore,
    /// The network.
    pub(crate) driver: Driver<mpsc::Sender<Message>>,
    /// Told what happens. Must not wait.
    pub(crate) on_notice: N,
}

/// What is remembered between two batches.
struct Watch {
    entry_count: u64,
    peers: Vec<PeerStatus>,
    begun: Instant,
}

/// How often at most peers are looked at when nothing else happens with them.
const PEERS_EVERY: Duration = Duration::from_millis(200);

impl<H: Host, N: FnMut(Notice)> Core<H, N> {
    /// Works until told to stop, or until the store fails; gives the network back, to be stopped.
    pub(crate) fn run(mut self, mut inbox: Inbox<Message>) -> Driver<mpsc::Sender<Message>> {
        let mut hub = Hub::new(self.keys.own().identity());
        let farewell = match self.work(&mut hub, &mut inbox) {
            Ok(()) => hub.close(ByeCode::Leaving, "this node is stopping"),
            Err(error) => {
                (self.on_notice)(Notice::Failed(error));
                hub.close(ByeCode::Storage, "this node's storage failed")
            }
        };
        self.driver.execute(farewell);
        self.driver
    }

    fn work(&mut self, hub: &mut Hub, inbox: &mut Inbox<Message>) -> Result<(), ReplicaError> {
        let begun = Instant::now();
        let mut watch = Watch { entry_count: self.entry_count(), peers: Vec::new(), begun };
        let mut peers_seen = begun;
        // What waits to be judged is not waited for.
        while let Some(batch) = if hub.is_behind() { Some(inbox.batch_at_hand()) } else { inbox.next_batch() } {
            let mut events = Vec::new();
            let mut is_stopping = false;
            for message in batch {
                match message {
                    Message::Peer(event) => events.push(event),
                    Message::Job(job) => job(self.link()),
                    Message::Stop => is_stopping = true,
                }
            }
            if is_stopping {
                break;
            }
            let now_ms = elapsed_ms(watch.begun);
            let commands = hub.handle(&mut self.host, events, now_ms)?;
            hub.took(elapsed_ms(watch.begun) - now_ms);
            self.driver.execute(commands);
            let has_news = self.tell(hub, &mut watch);
            if has_news || peers_seen.elapsed() >= PEERS_EVERY {
                self.tell_peers(hub, &mut watch)?;
                peers_seen = Instant::now();
            }
        }
        Ok(())
    }

    /// Tells what happened; returns whether a connection came, went or failed.
    fn tell(&mut self, hub: &mut Hub, watch: &mut Watch) -> bool {
        let events = hub.take_events();
        // What comes with every batch is no news about connections.
        let is_news = |event: &HubEvent| !matches!(event, HubEvent::InStep { .. } | HubEvent::Received { .. });
        let has_news = events.iter().any(is_news);
        let entry_count = self.entry_count();
        if entry_count != watch.entry_count {
            watch.entry_count = entry_count;
            (self.on_notice)(Notice::Grew { entry_count });
        }
        for event in events {
            (self.on_notice)(Notice::Peer(event));
        }
        has_news
    }

    fn tell_peers(&mut self, hub: &Hub, watch: &mut Watch) -> Result<(), ReplicaError> {
        let peers = hub.status(&self.host)?;
        if peers != watch.peers {
            watch.peers.clone_from(&peers);
            (self.on_notice)(Notice::Peers(peers));
        }
        Ok(())
    }

    fn link(&mut self) -> Option<ReplicaLink<'_>> {
        let keys = &mut self.keys;
        self.host.replica().map(|replica| ReplicaLink { replica, keys, now_ms: now_ms() })
    }

    fn entry_count(&mut self) -> u64 {
        self.host.replica().map_or(0, |replica| replica.entry_count())
    }
}

/// Returns the clock, in milliseconds since 1970.
pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Returns the milliseconds since `begun`, on the steady clock.
pub(crate) fn elapsed_ms(begun: Instant) -> u64 {
    u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX)
}

impl Host for Replica {
    fn replica(&mut self) -> Option<&mut Replica> {
        Some(self)
    }
}

impl Host for Newcomer {
    fn replica(&mut self) -> Option<&mut Replica> {
        Newcomer::replica(self)
    }
}

impl engine::Message for Message {
    fn held_bytes(&self) -> usize {
        match self {
            Message::Peer(event) => event.held_bytes(),
            Message::Job(_) | Message::Stop => 0,
        }
    }
}

impl From<PeerEvent> for Message {
    fn from(event: PeerEvent) -> Message {
        Message::Peer(event)
    }
}
