//! `treaty up`: runs the sidecar.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use anyhow::{Context, Error, Result, anyhow};
use clap::Args;
use treaty_engine::sync::Role;
use treaty_net::hub::HubEvent;

use super::objects::UpEvent;
use super::open::OpenNode;
use super::output::Format;
use super::peers::{peer_event, running_peers, targets};
use super::place::Place;
use super::status::NodeName;
use crate::application;
use crate::config::{PostgresSettings, Settings};
use crate::home::{Home, HomeLock, KnownPeer, Running};
use crate::http::{Listener, Node, Server};
use crate::sidecar::{Adapter, Bell, Ear, Events, Going, Notice, Online, Printer, Tally};

/// Runs the sidecar until SIGINT or SIGTERM
///
/// Notices what is written to the database, signs it, syncs with peers, and writes what they did into the same tables.
/// Connects to remembered peers, those of treaty.toml and those of --peer, and reconnects when they go away.
/// With --json, prints events, one per line; the first is `ready`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  treaty up --database sqlite:notes.db
  treaty up --data /var/lib/treaty --listen 0.0.0.0:4433 --peer 192.0.2.7:4433
  treaty up --database sqlite:notes.db --http 127.0.0.1:7070
  treaty up --database sqlite:notes.db --json")]
pub(crate) struct UpArgs {
    #[command(flatten)]
    place: Place,
    /// The UDP address that peers connect to [default: the one in treaty.toml]
    #[arg(long, env = "TREATY_LISTEN", value_name = "ADDR")]
    listen: Option<String>,
    /// The TCP address that HTTP is served on: reports of rollbacks, status, metrics; a port of loopback, or off
    /// [default: the one in treaty.toml, or any free port of 127.0.0.1]
    #[arg(long, env = "TREATY_HTTP", value_name = "ADDR")]
    http: Option<String>,
    /// Serve HTTP on an address that other machines reach. It asks for no password
    #[arg(long, env = "TREATY_HTTP_PUBLIC")]
    http_public: bool,
    /// Let writers of a PostgreSQL database wake the sidecar by NOTIFY when it waits
    #[arg(long, env = "TREATY_POSTGRES_NOTIFY")]
    postgres_notify: bool,
    /// A peer to connect to: its ticket or its address; may be repeated
    #[arg(long = "peer", env = "TREATY_PEERS", value_name = "TICKET-OR-ADDR", value_delimiter = ',')]
    peers: Vec<String>,
    /// The database file was moved, not copied: take it from its new place
    #[arg(long)]
    moved: bool,
}

/// Runs the command.
pub(crate) fn run(args: &UpArgs, format: Format) -> Result<()> {
    let home = args.place.home_with_space()?;
    let flags = Settings {
        listen: args.listen.clone(),
        http: args.http.clone(),
        http_public: args.http_public.then_some(true),
        peers: args.peers.clone(),
        postgres: PostgresSettings { notify: args.postgres_notify.then_some(true) },
        ..Settings::default()
    };
    let config = args.place.config(&home, flags)?;
    let lock = Arc::new(home.lock()?);
    let place = if args.moved { application::Place::Moved } else { application::Place::Same };
    let OpenNode { keys, replica, application } = OpenNode::open(&home, &config, place)?;
    let listener = config.http.map(Listener::bind).transpose()?;
    let http = listener.as_ref().map(Listener::address);
    let targets = targets(&home, &config.peers, replica.space())?;

    let (printer, events) = Printer::start(format).context("starting the printing thread")?;
    let (bell, ear) = Bell::new();
    let (end, ended) = channel();
    let name = NodeName {
        space: replica.space().to_string(),
        identity: keys.own().identity().to_string(),
        database: config.database.to_string(),
    };
    let tally = Arc::new(Tally::begin());
    let going = Going { keys, listen: config.listen, targets };
    let desk =
        Desk { home: home.clone(), lock: lock.clone(), events: events.clone(), bell: bell.clone(), end: end.clone() };
    let online = Online::go(going, replica, |listen| desk.attend(listen, http))?;
    let node = Node { name, database: config.database.clone(), home: home.clone(), link: online.link() };
    let server = listener.map(|listener| Server::start(listener, node, tally.clone())).transpose()?;
    let on_signal = end.clone();
    online.on_signal(move |name| drop(on_signal.send(Ending::Signal(name))))?;
    let adapter = Adapter { application, link: online.link(), events: events.clone(), tally, bell: bell.clone() };
    let thread = start_adapter(adapter, ear, end)?;

    let ending = wait(&ended);
    events.say(UpEvent::Stopping { reason: ending.reason() });
    if let Some(server) = server {
        server.stop();
    }
    bell.stop();
    let adapter_stopped = thread.join().map_err(|_| anyhow!("the adapter's thread panicked; this is a bug"));
    let stopped = online.stop();
    drop(events);
    printer.finish();
    home.clear_running(&lock)?;
    ending.into_result().and(adapter_stopped).and(stopped)
}

/// Why the sidecar ends.
enum Ending {
    /// It was asked to.
    Signal(&'static str),
    /// A thread failed.
    Failed(Error),
}

impl Ending {
    fn reason(&self) -> String {
        match self {
            Ending::Signal(name) => (*name).to_owned(),
            Ending::Failed(error) => format!("{error:#}"),
        }
    }

    fn into_result(self) -> Result<()> {
        match self {
            Ending::Signal(_) => Ok(()),
            Ending::Failed(error) => Err(error),
        }
    }
}

fn wait(ended: &Receiver<Ending>) -> Ending {
    ended.recv().unwrap_or_else(|_| Ending::Failed(anyhow!("a thread panicked; this is a bug")))
}

/// Says that a thread is gone when it is, however it went.
struct Gone {
    name: &'static str,
    end: Sender<Ending>,
}

impl Drop for Gone {
    fn drop(&mut self) {
        // After an orderly end nobody listens any more.
        let _ = self.end.send(Ending::Failed(anyhow!("the {} thread ended unexpectedly; this is a bug", self.name)));
    }
}

fn start_adapter(adapter: Adapter, ear: Ear, end: Sender<Ending>) -> Result<JoinHandle<()>> {
    let work = move || {
        let gone = Gone { name: "adapter's", end };
        if let Err(error) = adapter.run(&ear) {
            let _ = gone.end.send(Ending::Failed(error.into()));
        }
    };
    std::thread::Builder::new().name("adapter".into()).spawn(work).context("starting the adapter's thread")
}

/// Where the engine's notices go: to the adapter, to stdout, to the data directory.
struct Desk {
    home: Home,
    lock: Arc<HomeLock>,
    events: Events,
    bell: Bell,
    end: Sender<Ending>,
}

impl Desk {
    /// Says that the sidecar is ready, and returns what attends to notices.
    fn attend(self, listen: &str, http: Option<SocketAddr>) -> impl FnMut(Notice) + Send + use<> {
        let http = http.map(|address| address.to_string());
        let mut running = Running { listen: listen.to_owned(), http: http.clone(), peers: Vec::new() };
        self.write_running(&running);
        self.events.say(UpEvent::Ready { listen: listen.to_owned(), http });
        let gone = Gone { name: "engine's", end: self.end.clone() };
        move |notice| match notice {
            Notice::Grew { .. } => self.bell.log_grew(),
            Notice::Peer(event) => self.peer(event),
            Notice::Peers(peers) => {
                running.peers = running_peers(peers);
                self.write_running(&running);
            }
            Notice::Failed(error) => {
                let _ = gone.end.send(Ending::Failed(Error::new(error).context("the log cannot be kept")));
            }
        }
    }

    fn peer(&self, event: HubEvent) {
        if let HubEvent::Connected { identity, address, role: Role::Dialler } = &event {
            let peer = KnownPeer { identity: Some(identity.to_string()), addresses: vec![address.clone()] };
            if let Err(error) = self.home.remember_peer(&self.lock, &peer) {
                tracing::warn!(%error, "a peer is not remembered");
            }
        }
        if let Some(event) = peer_event(event) {
            self.events.say(event);
        }
    }

    fn write_running(&self, running: &Running) {
        if let Err(error) = self.home.write_running(&self.lock, running) {
            tracing::warn!(%error, "treaty status shows peers as they were");
        }
    }
}
