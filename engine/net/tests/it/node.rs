//! A node without tables: a log in memory, its engine thread, its hub and its driver.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use treaty_engine::causality::{Index, PlaceError};
use treaty_engine::fault::StoreError;
use treaty_engine::hash::{EntryId, SpaceId};
use treaty_engine::identity::{Identity, Keypair};
use treaty_engine::log::{Entry, EntryDraft, refuse};
use treaty_engine::store::Sqlite;
use treaty_engine::sync::{ByeCode, LogView, View};
use treaty_net::discovery::{FixedPeers, Target};
use treaty_net::driver::Driver;
use treaty_net::engine::{Message, inbox};
use treaty_net::host::{Standing, SyncHost};
use treaty_net::hub::{Hub, HubEvent, PeerEvent, PeerStatus};
use treaty_net::transport::Transport;
use treaty_net::transport::memory::MemoryNetwork;
use treaty_net::transport::quic::QuicTransport;

/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(60);

/// A log that admits every entry, and every peer but those it was told not to.
pub(crate) struct Host {
    store: Sqlite,
    index: Index,
    keypair: Arc<Keypair>,
    space: SpaceId,
    pub(crate) strangers: BTreeSet<Identity>,
}

impl Host {
    fn new(keypair: Arc<Keypair>, space: SpaceId) -> Host {
        let store = Sqlite::in_memory().unwrap();
        let index = Index::load(&store).unwrap();
        Host { store, index, keypair, space, strangers: BTreeSet::new() }
    }

    /// The log of the space that seed 1 founds, for any node.
    pub(crate) fn founding(keypair: Arc<Keypair>) -> Host {
        let mut host = Host::new(keypair, SpaceId(*genesis().id()));
        host.ingest(vec![genesis()]).unwrap();
        host
    }

    /// Writes entries on top of each other.
    pub(crate) fn write(&mut self, count: usize, payload_bytes: usize) {
        for _ in 0..count {
            let heads: Vec<(EntryId, _)> = self.index.heads().take(32).collect();
            let height = heads.iter().map(|(_, pos)| self.view().stamp(*pos).unwrap().height).max().unwrap();
            let draft = EntryDraft {
                space: Some(self.space),
                parents: heads.into_iter().map(|(id, _)| id).collect(),
                height: height + 1,
                time_ms: 0,
            };
            let entry = Entry::sign(&self.keypair, draft, vec![7; payload_bytes]).unwrap();
            self.ingest(vec![entry]).unwrap();
        }
    }
}

impl SyncHost for Host {
    type Error = StoreError;

    fn space(&self) -> SpaceId {
        self.space
    }

    fn view(&self) -> impl View + '_ {
        LogView { store: &self.store, index: &self.index }
    }

    fn standing(&self, peer: &Identity) -> Result<Standing, StoreError> {
        Ok(if self.strangers.contains(peer) {
            Standing::Stranger { text: format!("the policy members_sync does not admit identity {peer}") }
        } else {
            Standing::Admitted
        })
    }

    fn ingest(&mut self, entries: Vec<Entry>) -> Result<(), StoreError> {
        let tx = self.store.begin()?;
        for entry in entries {
            match self.index.place(&*tx, entry.header()) {
                Ok(placement) => {
                    self.index.write(&tx, &entry, &placement)?;
                    self.index.settle(placement);
                }
                Err(PlaceError::Kept | PlaceError::MissingParent { .. }) => {}
                Err(_) => drop(refuse(&tx, entry.header())?),
            }
        }
        tx.commit()
    }
}

/// Something to do in a node's engine thread.
type Work = Box<dyn FnOnce(&mut Host, &Hub) + Send>;

enum Order {
    Peer(PeerEvent),
    Do(Work),
    Stop,
    /// Stop without a word, as if the power failed.
    Cut,
}

impl From<PeerEvent> for Order {
    fn from(event: PeerEvent) -> Order {
        Order::Peer(event)
    }
}

impl Message for Order {
    fn held_bytes(&self) -> usize {
        match self {
            Order::Peer(event) => event.held_bytes(),
            Order::Do(_) | Order::Stop | Order::Cut => 0,
        }
    }
}

/// A running node.
pub(crate) struct Node {
    pub(crate) identity: Identity,
    pub(crate) address: String,
    orders: mpsc::Sender<Order>,
    events: mpsc::UnboundedReceiver<HubEvent>,
    thread: JoinHandle<()>,
    stopped: tokio::sync::oneshot::Receiver<Host>,
}

/// The key pair that a seed makes.
pub(crate) fn keypair(seed: u8) -> Arc<Keypair> {
    Arc::new(Keypair::generate(&[seed; 32]))
}

/// The space that the key of seed 1 founds.
pub(crate) fn genesis() -> Entry {
    let draft = EntryDraft { space: None, parents: vec![], height: 0, time_ms: 0 };
    Entry::sign(&keypair(1), draft, b"genesis".to_vec()).unwrap()
}

/// Where nodes of a test meet.
pub(crate) enum Net {
    Quic,
    Memory(MemoryNetwork),
}

impl Net {
    pub(crate) fn transport(&self, keypair: &Arc<Keypair>) -> Arc<dyn Transport> {
        match self {
            Net::Quic => Arc::new(QuicTransport::listen("127.0.0.1:0".parse().unwrap(), keypair.clone()).unwrap()),
            Net::Memory(network) => Arc::new(network.listen(&keypair.identity().to_string(), keypair.identity())),
        }
    }
}

impl Node {
    /// Starts the founder of the space.
    pub(crate) fn founder(net: &Net, targets: Vec<Target>) -> Node {
        Node::start(net, Host::founding(keypair(1)), targets)
    }

    /// Starts a node that knows only the name of the space.
    pub(crate) fn joiner(net: &Net, seed: u8, targets: Vec<Target>) -> Node {
        Node::start(net, Host::new(keypair(seed), SpaceId(*genesis().id())), targets)
    }

    pub(crate) fn start(net: &Net, mut host: Host, targets: Vec<Target>) -> Node {
        let identity = host.keypair.identity();
        let (orders, mut inbox) = inbox::<Order>();
        let (tell, events) = mpsc::unbounded_channel();
        let (tell_stopped, stopped) = tokio::sync::oneshot::channel();
        let driver = Driver::start(net.transport(&host.keypair), FixedPeers::new(targets), orders.clone());
        let address = driver.local_address();
        let runtime = tokio::runtime::Handle::current();
        let thread = std::thread::spawn(move || {
            let began = Instant::now();
            let mut hub = Hub::new(identity);
            while let Some(batch) = if hub.is_behind() { Some(inbox.batch_at_hand()) } else { inbox.next_batch() } {
                let mut events = vec![];
                let (mut is_stopping, mut is_cut) = (false, false);
                for order in batch {
                    match order {
                        Order::Peer(event) => events.push(event),
                        Order::Do(work) => work(&mut host, &hub),
                        Order::Stop => is_stopping = true,
                        Order::Cut => is_cut = true,
                    }
                }
                if is_cut {
                    break;
                }
                let now_ms = u64::try_from(began.elapsed().as_millis()).unwrap();
                driver.execute(hub.handle(&mut host, events, now_ms).unwrap());
                hub.took(u64::try_from(began.elapsed().as_millis()).unwrap() - now_ms);
                for event in hub.take_events() {
                    let _ = tell.send(event);
                }
                if is_stopping {
                    driver.execute(hub.close(ByeCode::Leaving, "stopping"));
                    break;
                }
            }
            drop(inbox);
            runtime.block_on(driver.stop());
            let _ = tell_stopped.send(host);
        });
        Node { identity, address, orders, events, thread, stopped }
    }

    pub(crate) fn target(&self) -> Target {
        Target { identity: Some(self.identity), addresses: vec![self.address.clone()] }
    }

    /// Works in the engine's thread.
    pub(crate) async fn work<T: Send + 'static>(&self, work: impl FnOnce(&mut Host) -> T + Send + 'static) -> T {
        let (answer, answered) = tokio::sync::oneshot::channel();
        let work = Box::new(move |host: &mut Host, _: &Hub| drop(answer.send(work(host))));
        self.orders.send(Order::Do(work)).await.ok().unwrap();
        answered.await.unwrap()
    }

    pub(crate) async fn status(&self) -> Vec<PeerStatus> {
        let (answer, answered) = tokio::sync::oneshot::channel();
        let work = Box::new(move |host: &mut Host, hub: &Hub| drop(answer.send(hub.status(host).unwrap())));
        self.orders.send(Order::Do(work)).await.ok().unwrap();
        answered.await.unwrap()
    }

    pub(crate) async fn heads(&self) -> Vec<EntryId> {
        self.work(|host| host.view().heads()).await
    }

    pub(crate) async fn entry_count(&self) -> u64 {
        self.work(|host| host.view().whole().entry_count()).await
    }

    /// Waits for an event.
    pub(crate) async fn event(&mut self, is_it: impl Fn(&HubEvent) -> bool) -> HubEvent {
        let mut seen = vec![];
        let found = tokio::time::timeout(PATIENCE, async {
            loop {
                let event = self.events.recv().await.expect("the node runs");
                if is_it(&event) {
                    return event;
                }
                seen.push(event);
            }
        });
        found.await.unwrap_or_else(|_| panic!("it did not happen; what happened: {seen:#?}"))
    }

    /// Ends the node and waits until its sockets are closed.
    pub(crate) async fn stop(self) {
        self.end(Order::Stop).await;
    }

    /// Ends the node without a word, and gives back its log.
    pub(crate) async fn cut(self) -> Host {
        self.end(Order::Cut).await
    }

    async fn end(self, order: Order) -> Host {
        self.orders.send(order).await.ok().unwrap();
        let host = self.stopped.await.unwrap();
        self.thread.join().unwrap();
        host
    }
}

/// Waits until all nodes hold the same.
pub(crate) async fn converge(nodes: &[&Node]) {
    let since = Instant::now();
    loop {
        let mut heads = vec![];
        for node in nodes {
            heads.push(node.heads().await);
        }
        if !heads[0].is_empty() && heads.windows(2).all(|pair| pair[0] == pair[1]) {
            return;
        }
        assert!(since.elapsed() < PATIENCE, "nodes do not converge: {heads:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
