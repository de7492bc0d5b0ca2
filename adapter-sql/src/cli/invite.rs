//! `treaty invite`: prints a ticket.

use anyhow::Result;
use clap::Args;
use treaty_net::ticket::Ticket;

use super::objects::TicketObject;
use super::output::Format;
use super::peers::reachable_at;
use super::place::Place;
use super::view::NodeView;

/// Prints a ticket for somebody who wants to join
///
/// A ticket holds the space id, this node's identity and its addresses. It is no secret and grants nothing: who may
/// sync is what the schema's policies say.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  treaty invite --database sqlite:notes.db
  treaty invite --data /var/lib/treaty --address example.org:4433")]
pub(crate) struct InviteArgs {
    #[command(flatten)]
    place: Place,
    /// An address to put into the ticket instead of those of this machine; may be repeated
    #[arg(long = "address", value_name = "HOST:PORT")]
    addresses: Vec<String>,
}

/// Runs the command.
pub(crate) fn run(args: &InviteArgs, format: Format) -> Result<()> {
    let node = NodeView::open(&args.place)?;
    let addresses = if !args.addresses.is_empty() {
        args.addresses.clone()
    } else if !node.config.advertise.is_empty() {
        node.config.advertise.clone()
    } else {
        let running = if node.home.is_locked() { node.home.running()? } else { None };
        reachable_at(&running.map_or_else(|| node.config.listen.to_string(), |running| running.listen))?
    };
    let ticket = Ticket::new(node.replica.space(), node.identity, addresses)?;
    format.print(&TicketObject { ticket: ticket.to_string() }, |object| object.ticket.clone())
}
