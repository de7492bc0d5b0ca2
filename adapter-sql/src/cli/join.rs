//! `treaty join`: becomes a node of an existing space.
//!
//! The node goes online as a newcomer; once the genesis has come and been checked against the ticket, the database is
//! installed, and rows are applied while further entries come. Interrupted, it goes on where it was when run again.

use std::collections::BTreeSet;
use std::sync::mpsc::{Receiver, channel};

use anyhow::{Context, Error, Result, anyhow, bail};
use clap::Args;
use treaty_net::host::Newcomer;
use treaty_net::hub::HubEvent;
use treaty_net::ticket::Ticket;

use super::database;
use super::init::{NewNode, NewNodeArgs, hex, random};
use super::objects::SpaceObject;
use super::open::{open_replica, open_store};
use super::output::{Format, Progress};
use super::peers::{known_peer, target};
use crate::application::Application;
use crate::database::Existing;
use crate::peek;
use crate::sidecar::{Going, Host, Notice, Online, ThreadLink};

/// Joins the space of a ticket, with a database
///
/// Connects to the node that wrote the ticket, checks its key and the space's genesis against the ticket, installs the
/// generated SQL in the database, and syncs until both are in step. That node must admit this one: give it the text
/// that `treaty identity` prints.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  treaty identity --database sqlite:copy.db        # give this to somebody who may admit you
  treaty join TICKET --database sqlite:copy.db")]
pub(crate) struct JoinArgs {
    /// What `treaty invite` printed on another node
    ticket: String,
    #[command(flatten)]
    new: NewNodeArgs,
}

/// Runs the command.
pub(crate) fn run(args: &JoinArgs, format: Format) -> Result<()> {
    let ticket: Ticket = args.ticket.parse().context("reading the ticket")?;
    let new = args.new.prepare()?;
    if peek::is_installed(&new.config.database)? {
        bail!("{} is part of a space already; run `treaty up` there, or `treaty uninstall` first", new.config.database);
    }
    let object = match open_replica(&new.home)? {
        None => {
            let newcomer = Newcomer::new(ticket.space(), open_store(&new.home)?)?;
            join(&new, &ticket, newcomer)?
        }
        Some(replica) if replica.space() == ticket.space() => join(&new, &ticket, replica)?,
        Some(replica) => bail!(
            "data directory {} holds space {}, the ticket is for {}; name another one with --data",
            new.home.path().display(),
            replica.space(),
            ticket.space()
        ),
    };
    new.home.remember_peer(&new.lock, &known_peer(&ticket))?;
    format.print(&object, |object| format!("space {}\n{} entries\nnext: {}", object.space, object.entries, new.next()))
}

/// Goes online, and stays until in step.
fn join(new: &NewNode, ticket: &Ticket, host: impl Host) -> Result<SpaceObject> {
    let (tell, told) = channel();
    let going = Going {
        keys: new.keys(),
        listen: (new.config.listen.ip(), 0).into(),
        targets: vec![target(known_peer(ticket))?],
    };
    // Whoever waits may have failed; then nobody is interested.
    let online = Online::go(going, host, |_| move |notice| drop(tell.send(notice)))?;
    let mut joining = Joining {
        new,
        ticket,
        link: online.link(),
        application: None,
        unreachable: BTreeSet::new(),
        is_in_step: false,
        progress: Progress::begin("entries received"),
    };
    let joined = joining.follow(&told).and_then(|()| joining.object());
    joining.progress.finish();
    online.stop()?;
    joined
}

/// A join under way.
struct Joining<'j> {
    new: &'j NewNode,
    ticket: &'j Ticket,
    link: ThreadLink,
    application: Option<Application>,
    unreachable: BTreeSet<String>,
    is_in_step: bool,
    progress: Progress,
}

impl Joining<'_> {
    /// Follows what happens until the log and the tables are in step with the peer.
    fn follow(&mut self, told: &Receiver<Notice>) -> Result<()> {
        while !self.is_in_step {
            let notice = told.recv().map_err(|_| anyhow!("the engine's thread panicked; this is a bug"))?;
            let is_growth = matches!(notice, Notice::Grew { .. });
            self.take(notice)?;
            if is_growth {
                self.apply_one()?;
            }
        }
        while !self.apply_one()? {}
        Ok(())
    }

    fn take(&mut self, notice: Notice) -> Result<()> {
        match notice {
            Notice::Grew { entry_count } => self.progress.update(entry_count, None),
            Notice::Peers(_) => {}
            Notice::Failed(error) => return Err(Error::new(error).context("the log cannot be kept")),
            Notice::Peer(event) => match event {
                HubEvent::InStep { .. } => self.is_in_step = true,
                HubEvent::Refused { text, .. } => {
                    bail!("{} refused this node: {text}", self.ticket.identity())
                }
                HubEvent::Faulted { bye, is_by_peer, .. } => {
                    let who = if is_by_peer { "the peer complained" } else { "the peer broke the protocol" };
                    bail!("{who}: {bye}");
                }
                HubEvent::Unreachable { address, reason, .. } => self.unreachable(address, &reason)?,
                HubEvent::Lost { reason, .. } => bail!("the connection was lost ({reason}); run the same join again"),
                HubEvent::Closed { bye, .. } => {
                    bail!("the peer closed the connection ({bye}); run the same join again")
                }
                HubEvent::Connected { .. } | HubEvent::Received { .. } | HubEvent::EntriesRefused { .. } => {}
            },
        }
        Ok(())
    }

    /// Gives up when no address of the ticket answered.
    fn unreachable(&mut self, address: String, reason: &str) -> Result<()> {
        tracing::info!(address, reason, "no answer");
        self.unreachable.insert(address);
        if self.ticket.addresses().iter().all(|address| self.unreachable.contains(address)) {
            bail!(
                "{} cannot be reached at {}: {reason}; is its `treaty up` running, and is the ticket recent?",
                self.ticket.identity(),
                self.ticket.addresses().join(", ")
            );
        }
        Ok(())
    }

    /// Applies one batch; returns whether it was the last.
    fn apply_one(&mut self) -> Result<bool> {
        let application = match &mut self.application {
            Some(application) => application,
            none => none.insert(install(self.new, &mut self.link)?),
        };
        Ok(application.apply(&mut self.link)?.is_last)
    }

    fn object(&self) -> Result<SpaceObject> {
        let entries = self.link.ask(|link| Ok(link.replica.entry_count()))?;
        Ok(self.new.object(self.ticket.space().to_string(), entries))
    }
}

/// Installs the database of a node whose log has its genesis.
fn install(new: &NewNode, link: &mut ThreadLink) -> Result<Application> {
    let (schema, space) = link.ask(|link| Ok((link.replica.schema().clone(), link.replica.space())))?;
    let instance = hex(&random()?);
    let node = new.node(&schema, space);
    let (application, _) = database::install(&new.config.database, &node, Existing::Refuse, &instance, link)?;
    Ok(application)
}
