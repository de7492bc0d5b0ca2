//! Discovery: how a node learns whom to dial. One plug-in per file.

mod fixed;

use treaty_engine::identity::Identity;

use crate::ticket::Ticket;
use crate::transport::BoxFuture;

pub use fixed::FixedPeers;

/// Somebody to keep a connection with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Who is expected; whoever answers, if unknown.
    pub identity: Option<Identity>,
    /// Where to try, in turn; `HOST:PORT`.
    pub addresses: Vec<String>,
}

impl From<&Ticket> for Target {
    fn from(ticket: &Ticket) -> Target {
        Target { identity: Some(ticket.identity()), addresses: ticket.addresses().to_vec() }
    }
}

/// A source of peers.
pub trait Discovery: Send + 'static {
    /// Waits for the next peer to dial; none if no more will be found.
    fn next(&mut self) -> BoxFuture<'_, Option<Target>>;
}
