//! `treaty status`: where a node stands.

use anyhow::Result;
use clap::Args;
use treaty_engine::causality::Version;
use treaty_engine::replica::Replica;

use super::objects::{PeerObject, StatusObject, VersionsObject};
use super::output::{Format, short};
use super::place::Place;
use super::view::NodeView;
use crate::home::{Home, RunningPeer};
use crate::peek::{self, DatabaseState};

/// Says where this node stands: log, waiting changes, peers
///
/// Works whether or not the sidecar is running. Two nodes are in step when their frontiers are equal and both have
/// nothing waiting.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  treaty status --database sqlite:notes.db
  treaty status --data /var/lib/treaty --json | jq .waiting")]
pub(crate) struct StatusArgs {
    #[command(flatten)]
    place: Place,
}

/// Runs the command.
pub(crate) fn run(args: &StatusArgs, format: Format) -> Result<()> {
    // The database is read before the log: what it shows is in the log by then.
    let home = args.place.home_with_space()?;
    let config = args.place.config(&home, crate::config::Settings::default())?;
    let database = peek::open(&config.database)?.state()?;
    let node = NodeView::open(&args.place)?;
    let log = LogState::of(&node.replica, &database.shown);
    let name = NodeName {
        space: node.replica.space().to_string(),
        identity: node.identity.to_string(),
        database: config.database.to_string(),
    };
    let running = if home.is_locked() { home.running()? } else { None };
    let peers = match &running {
        Some(running) => running.peers.iter().map(peer).collect(),
        None => remembered(&home)?,
    };
    let object = StatusObject {
        running: home.is_locked(),
        http: running.and_then(|running| running.http),
        ..status_object(&name, &database, log, peers)
    };
    format.print(&object, text)
}

/// What a node is called: does not change while it runs.
#[derive(Clone, Debug)]
pub(crate) struct NodeName {
    /// Space id, hex.
    pub(crate) space: String,
    /// Its identity.
    pub(crate) identity: String,
    /// Its database's URL.
    pub(crate) database: String,
}

/// Where a node's log stands.
#[derive(Debug)]
pub(crate) struct LogState {
    /// Entries in it.
    pub(crate) entries: u64,
    /// Its newest entries, sorted.
    pub(crate) frontier: Vec<String>,
    /// Entries that the tables do not show yet.
    pub(crate) unapplied: u64,
}

impl LogState {
    /// Reads it; `shown` is the version that the tables show.
    pub(crate) fn of(replica: &Replica, shown: &Version) -> LogState {
        let index = replica.index();
        let unapplied = match index.past_of(replica.store(), shown) {
            Ok(past) => index.difference(&index.whole(), &past).left(),
            // The database shows what the log lost; the sidecar says what to do about it when it starts.
            Err(_) => 0,
        };
        let frontier = replica.frontier().ids().iter().map(ToString::to_string).collect();
        LogState { entries: replica.entry_count(), frontier, unapplied }
    }
}

/// Returns the status of a node whose sidecar runs; without its HTTP address.
pub(crate) fn status_object(
    name: &NodeName,
    database: &DatabaseState,
    log: LogState,
    peers: Vec<PeerObject>,
) -> StatusObject {
    StatusObject {
        space: name.space.clone(),
        identity: name.identity.clone(),
        database: name.database.clone(),
        running: true,
        http: None,
        entries: log.entries,
        frontier: log.frontier,
        waiting: database.queued + log.unapplied,
        rollbacks: database.rollbacks,
        peers,
        versions: VersionsObject { treaty: env!("CARGO_PKG_VERSION"), sqlite: rusqlite::version() },
    }
}

/// Returns a peer as the running sidecar sees it.
pub(crate) fn peer(peer: &RunningPeer) -> PeerObject {
    PeerObject {
        identity: peer.identity.clone(),
        address: peer.address.clone(),
        connected: peer.connected,
        behind: peer.behind,
    }
}

/// Returns the peers that a node remembers.
fn remembered(home: &Home) -> Result<Vec<PeerObject>> {
    let known = home.peers()?.into_iter().map(|peer| PeerObject {
        identity: peer.identity,
        address: peer.addresses.into_iter().next(),
        connected: false,
        behind: None,
    });
    Ok(known.collect())
}

fn text(object: &StatusObject) -> String {
    let mut lines = vec![
        format!("space     {}", object.space),
        format!("identity  {}", object.identity),
        format!("database  {}", object.database),
        match (&object.http, object.running) {
            (Some(http), _) => format!("sidecar   running, HTTP on http://{http}"),
            (None, true) => "sidecar   running".to_owned(),
            (None, false) => "sidecar   not running".to_owned(),
        },
        format!("entries   {}", object.entries),
        format!("frontier  {}", object.frontier.iter().map(|id| short(id)).collect::<Vec<_>>().join(" ")),
        format!("waiting   {}", object.waiting),
        format!("rollbacks {}", object.rollbacks),
    ];
    if object.peers.is_empty() {
        lines.push("peers     none".into());
    }
    for peer in &object.peers {
        let who = peer.identity.as_deref().unwrap_or("identity unknown");
        let address = peer.address.as_deref().unwrap_or("no address");
        let state = match (peer.connected, peer.behind) {
            (true, Some(0)) => "connected, in step".into(),
            (true, Some(behind)) => format!("connected, {behind} entries behind"),
            (true, None) => "connected".into(),
            (false, _) => "not connected".to_owned(),
        };
        lines.push(format!("peer      {who} at {address}: {state}"));
    }
    lines.join("\n")
}
