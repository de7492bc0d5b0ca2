//! `treaty status`: where a node stands.

use std::str::FromStr;

use anyhow::{Context, Result};
use clap::Args;
use treaty_engine::causality::Version;
use treaty_engine::hash::EntryId;

use super::objects::{PeerObject, StatusObject, VersionsObject};
use super::output::{Format, short};
use super::peek::Peek;
use super::place::Place;
use super::view::NodeView;
use crate::home::Home;

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
    let peek = Peek::open(config.database.path())?;
    let (queued, shown, rollbacks) = (peek.queued()?, peek.shown()?, peek.rollback_count()?);
    let node = NodeView::open(&args.place)?;
    let (index, store) = (node.replica.index(), node.replica.store());
    let unapplied = match index.past_of(store, &parse_shown(&shown)?) {
        Ok(past) => index.difference(&index.whole(), &past).left(),
        // The database shows what the log lost; the sidecar says what to do about it when it starts.
        Err(_) => 0,
    };
    let frontier = node.replica.frontier();
    let running = home.is_locked();
    let object = StatusObject {
        space: node.replica.space().to_string(),
        identity: node.identity.to_string(),
        database: config.database.to_string(),
        running,
        entries: node.replica.entry_count(),
        frontier: frontier.ids().iter().map(ToString::to_string).collect(),
        waiting: queued + unapplied,
        rollbacks,
        peers: peers(&home, running)?,
        versions: VersionsObject { treaty: env!("CARGO_PKG_VERSION"), sqlite: rusqlite::version() },
    };
    format.print(&object, text)
}

fn parse_shown(text: &str) -> Result<Version> {
    let ids: Result<Vec<EntryId>, _> = text.split_whitespace().map(EntryId::from_str).collect();
    Ok(Version::new(ids.context("reading treaty_state.shown")?))
}

/// Returns the peers as the running sidecar sees them, else those remembered.
fn peers(home: &Home, running: bool) -> Result<Vec<PeerObject>> {
    if let (true, Some(seen)) = (running, home.running()?) {
        let peer = |peer: crate::home::RunningPeer| PeerObject {
            identity: peer.identity,
            address: peer.address,
            connected: peer.connected,
            behind: peer.behind,
        };
        return Ok(seen.peers.into_iter().map(peer).collect());
    }
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
        format!("sidecar   {}", if object.running { "running" } else { "not running" }),
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
