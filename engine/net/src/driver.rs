//! The driver: tasks that dial, accept, shovel bytes and keep time, between a transport and the engine's thread.
//!
//! Each connection has a task that reads and one that writes. What was read goes into the engine's bounded queue, so a
//! busy engine slows its peers down; what is to be written waits here, bounded by the hub's window per connection.
//!
//! While the engine is busy with one thing for long, the writing tasks say so on their own: a grant of nothing, which tells the
//! peer that this node lives.

use std::collections::BTreeMap;
use std::io;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, trace};
use treaty_engine::identity::Identity;
use treaty_engine::sync::{Credit, Frame};

use crate::discovery::Discovery;
use crate::engine::Engine;
use crate::hub::{Command, LinkId, PeerEvent, TargetId};
use crate::limits::{CLOSE_MS, LIFE_SIGN_MS, LINKS_MAX, TICK_MS};
use crate::transport::{Link, LinkError, LinkReader, LinkWriter, Transport};

/// The network side of a running node. Commands are executed from any thread.
pub struct Driver<E> {
    shared: Arc<Shared<E>>,
}

struct Shared<E> {
    engine: E,
    transport: Arc<dyn Transport>,
    runtime: Handle,
    writers: Mutex<BTreeMap<LinkId, mpsc::UnboundedSender<Writing>>>,
    next_link: AtomicU64,
    /// How often the engine has told what to do: with each batch, even of ticks alone.
    turn_count: AtomicU64,
    /// Rung when it has not for a while.
    life: watch::Sender<()>,
    tasks: TaskTracker,
    stopping: CancellationToken,
}

/// What a writing task is told.
enum Writing {
    Bytes(Bytes),
    Close,
}

impl<E: Engine> Driver<E> {
    /// Starts accepting connections, looking for peers, and telling the time. Must be called in a tokio runtime.
    pub fn start(transport: Arc<dyn Transport>, discovery: impl Discovery, engine: E) -> Driver<E> {
        let shared = Arc::new(Shared {
            engine,
            transport,
            runtime: Handle::current(),
            writers: Mutex::default(),
            next_link: AtomicU64::new(0),
            turn_count: AtomicU64::new(0),
            life: watch::Sender::new(()),
            tasks: TaskTracker::new(),
            stopping: CancellationToken::new(),
        });
        shared.spawn(shared.clone().accept());
        shared.spawn(shared.clone().find(discovery));
        shared.spawn(shared.clone().tell_time());
        shared.spawn(shared.clone().show_life());
        Driver { shared }
    }

    /// Returns the address at which this node can be dialled.
    pub fn local_address(&self) -> String {
        self.shared.transport.local_address()
    }

    /// Does what the hub commands, after every turn of the engine, even if that is nothing. Never waits.
    pub fn execute(&self, commands: Vec<Command>) {
        self.shared.turn_count.fetch_add(1, Ordering::Relaxed);
        for command in commands {
            match command {
                Command::Dial { target, address, expected } => {
                    self.shared.spawn(self.shared.clone().dial(target, address, expected));
                }
                Command::Write { link, bytes } => self.shared.tell(link, Writing::Bytes(bytes)),
                Command::Close { link } => self.shared.tell(link, Writing::Close),
            }
        }
    }

    /// Closes all connections, letting last words out, and waits for all tasks. Execute the hub's farewells before.
    pub async fn stop(self) {
        self.shared.tasks.close();
        self.shared.stopping.cancel();
        for writer in std::mem::take(&mut *self.shared.writers()).into_values() {
            // A task that has ended needs no telling.
            let _ = writer.send(Writing::Close);
        }
        if timeout(Duration::from_millis(2 * CLOSE_MS), self.shared.tasks.wait()).await.is_err() {
            debug!("connections are cut off");
        }
        self.shared.transport.close().await;
    }
}

impl<E: Engine> Shared<E> {
    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn_on(task, &self.runtime);
    }

    fn writers(&self) -> MutexGuard<'_, BTreeMap<LinkId, mpsc::UnboundedSender<Writing>>> {
        self.writers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, link: LinkId, writing: Writing) {
        let mut writers = self.writers();
        let is_last = matches!(writing, Writing::Close);
        if let Some(writer) = writers.get(&link) {
            // A task that has ended has told the engine that the link is lost.
            let _ = writer.send(writing);
        }
        if is_last {
            writers.remove(&link);
        }
    }

    async fn accept(self: Arc<Self>) {
        loop {
            let handshake = tokio::select! {
                () = self.stopping.cancelled() => return,
                handshake = self.transport.accept() => handshake,
            };
            let Some(handshake) = handshake else { return };
            // Twice the limit: the hub turns away the surplus with a word, what exceeds even that is dropped.
            if self.writers().len() >= 2 * LINKS_MAX {
                continue;
            }
            let shared = self.clone();
            self.spawn(async move {
                match handshake.await {
                    Ok(link) => shared.carry(link, None).await,
                    Err(error) => debug!(error = %shown(&error), "a connection was not made"),
                }
            });
        }
    }

    async fn dial(self: Arc<Self>, target: TargetId, address: String, expected: Option<Identity>) {
        let dialled = tokio::select! {
            () = self.stopping.cancelled() => return,
            dialled = self.transport.dial(address, expected) => dialled,
        };
        match dialled {
            Ok(link) => self.carry(link, Some(target)).await,
            Err(error) => {
                self.engine.deliver(PeerEvent::Unreachable { target, reason: shown(&error) }).await;
            }
        }
    }

    async fn find(self: Arc<Self>, mut discovery: impl Discovery) {
        loop {
            let found = tokio::select! {
                () = self.stopping.cancelled() => return,
                found = discovery.next() => found,
            };
            let Some(target) = found else { return };
            if !self.engine.deliver(PeerEvent::Found { target }).await {
                return;
            }
        }
    }

    async fn tell_time(self: Arc<Self>) {
        let mut ticks = interval(Duration::from_millis(TICK_MS));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = self.stopping.cancelled() => return,
                _ = ticks.tick() => {}
            }
            if !self.engine.deliver(PeerEvent::Tick).await {
                return;
            }
        }
    }

    /// Has the writing tasks give signs of life while the engine makes no turn: with ticks to take it always would.
    async fn show_life(self: Arc<Self>) {
        let mut looks = interval(Duration::from_millis(LIFE_SIGN_MS));
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut seen = None;
        loop {
            tokio::select! {
                () = self.stopping.cancelled() => return,
                _ = looks.tick() => {}
            }
            let turn_count = Some(self.turn_count.load(Ordering::Relaxed));
            if seen == turn_count {
                self.life.send_replace(());
            }
            seen = turn_count;
        }
    }

    /// Carries bytes of one connection until it ends.
    async fn carry(self: Arc<Self>, link: Link, target: Option<TargetId>) {
        let id = LinkId(self.next_link.fetch_add(1, Ordering::Relaxed));
        let Link { identity, address, reader, writer } = link;
        let (tell, told) = mpsc::unbounded_channel();
        self.writers().insert(id, tell);
        if self.stopping.is_cancelled() {
            // Whoever stops the driver may have told all writers before this one was there.
            self.tell(id, Writing::Close);
        }
        self.spawn(self.clone().write(id, writer, told));
        debug!(link = id.0, peer = %identity, %address, "connected");
        let linked = PeerEvent::Linked { link: id, identity, address, target };
        let reason = if self.engine.deliver(linked).await { self.read(id, reader).await } else { String::new() };
        debug!(link = id.0, %reason, "disconnected");
        self.writers().remove(&id);
        self.engine.deliver(PeerEvent::Lost { link: id, reason }).await;
    }

    /// Reads until the end; returns what ended it.
    async fn read(&self, link: LinkId, mut reader: Box<dyn LinkReader>) -> String {
        loop {
            match reader.read().await {
                Ok(Some(bytes)) => {
                    trace!(link = link.0, byte_count = bytes.len(), "received");
                    if !self.engine.deliver(PeerEvent::Received { link, bytes }).await {
                        return "this node is stopping".to_owned();
                    }
                }
                Ok(None) => return "the other side closed the connection".to_owned(),
                Err(error) => return error.to_string(),
            }
        }
    }

    /// Writes until told to close, or told nothing any more. Gives signs of life when rung, once the engine has said HELLO.
    async fn write(
        self: Arc<Self>,
        link: LinkId,
        mut writer: Box<dyn LinkWriter>,
        mut told: mpsc::UnboundedReceiver<Writing>,
    ) {
        let mut life = self.life.subscribe();
        let mut is_begun = false;
        loop {
            let writing = tokio::select! {
                biased;
                writing = told.recv() => writing,
                Ok(()) = life.changed(), if is_begun => match writer.write(sign_of_life()).await {
                    Ok(()) => continue,
                    Err(_) => break,
                },
            };
            let Some(Writing::Bytes(bytes)) = writing else { break };
            is_begun = true;
            if self.write_some((link, &mut writer), bytes, &mut life).await.is_err() {
                break;
            }
        }
        writer.finish().await;
    }

    /// Writes bytes and tells the engine; signs of life, too, for as long as it does not listen.
    async fn write_some(
        &self,
        (link, writer): (LinkId, &mut Box<dyn LinkWriter>),
        bytes: Bytes,
        life: &mut watch::Receiver<()>,
    ) -> io::Result<()> {
        let byte_count = bytes.len();
        writer.write(bytes).await?;
        trace!(link = link.0, byte_count, "written");
        let delivery = self.engine.deliver(PeerEvent::Written { link, bytes: byte_count });
        let mut delivery = pin!(delivery);
        loop {
            tokio::select! {
                biased;
                _ = &mut delivery => return Ok(()),
                Ok(()) = life.changed() => writer.write(sign_of_life()).await?,
            }
        }
    }
}

/// A frame that says nothing but that this node lives.
fn sign_of_life() -> Bytes {
    Frame::Credit(Credit { entries: 0, bytes: 0 }).encode().into()
}

/// An error with its causes, in one line.
fn shown(error: &LinkError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
