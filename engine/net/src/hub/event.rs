//! What the hub hears from the driver, what it tells the driver to do, and what it tells the node.

use bytes::Bytes;
use treaty_engine::hash::EntryId;
use treaty_engine::identity::Identity;
use treaty_engine::sync::{Bye, ByeCode, Role};

use crate::discovery::Target;

/// A connection, numbered by the driver; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LinkId(pub u64);

/// A peer to dial, numbered by the hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TargetId(pub u64);

/// What happened on the network.
#[derive(Debug)]
pub enum PeerEvent {
    /// A connection stands, and the peer has proven its key.
    Linked {
        /// Its number.
        link: LinkId,
        /// The peer.
        identity: Identity,
        /// Where it is.
        address: String,
        /// What was dialled; none if the peer dialled.
        target: Option<TargetId>,
    },
    /// The peer wrote.
    Received {
        /// The connection.
        link: LinkId,
        /// What it wrote.
        bytes: Bytes,
    },
    /// So much has gone to the transport.
    Written {
        /// The connection.
        link: LinkId,
        /// How much.
        bytes: usize,
    },
    /// A connection is no more.
    Lost {
        /// Which.
        link: LinkId,
        /// The transport's words.
        reason: String,
    },
    /// Dialling failed.
    Unreachable {
        /// Who was dialled.
        target: TargetId,
        /// The transport's words.
        reason: String,
    },
    /// There is somebody to dial.
    Found {
        /// Who.
        target: Target,
    },
    /// Time has passed.
    Tick,
}

/// What the driver is to do.
#[derive(Debug)]
pub enum Command {
    /// Connect, and answer with [`PeerEvent::Linked`] or [`PeerEvent::Unreachable`].
    Dial {
        /// Who is dialled.
        target: TargetId,
        /// Where.
        address: String,
        /// Who must answer.
        expected: Option<Identity>,
    },
    /// Write to the peer, and answer with [`PeerEvent::Written`].
    Write {
        /// The connection.
        link: LinkId,
        /// What.
        bytes: Bytes,
    },
    /// Close after what was written, and answer with [`PeerEvent::Lost`].
    Close {
        /// The connection.
        link: LinkId,
    },
}

/// What there is to tell about peers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HubEvent {
    /// A peer said HELLO.
    Connected {
        /// Who.
        identity: Identity,
        /// Where.
        address: String,
        /// Who dialled.
        role: Role,
    },
    /// Everything that the peer had announced is here.
    InStep {
        /// Who.
        identity: Identity,
    },
    /// Entries came.
    Received {
        /// From whom.
        identity: Identity,
        /// How many.
        entry_count: u64,
    },
    /// Entries were refused on their merits.
    EntriesRefused {
        /// From whom.
        identity: Identity,
        /// Which.
        ids: Vec<EntryId>,
    },
    /// Somebody may not sync.
    Refused {
        /// The peer.
        identity: Identity,
        /// Where it is.
        address: String,
        /// Why, and what to do.
        text: String,
        /// Whether it was the peer that refused us.
        is_by_peer: bool,
    },
    /// One of the two broke the protocol.
    Faulted {
        /// The peer.
        identity: Identity,
        /// Where it is.
        address: String,
        /// What was wrong.
        bye: Bye,
        /// Whether it was the peer that complained.
        is_by_peer: bool,
    },
    /// A session ended in order.
    Closed {
        /// The peer.
        identity: Identity,
        /// Where it is.
        address: String,
        /// Why.
        bye: Bye,
        /// Whether the peer ended it.
        is_by_peer: bool,
    },
    /// A connection broke.
    Lost {
        /// The peer.
        identity: Identity,
        /// Where it was.
        address: String,
        /// The transport's words.
        reason: String,
    },
    /// Nobody answered; it will be tried again.
    Unreachable {
        /// Who was expected, if known.
        identity: Option<Identity>,
        /// Where.
        address: String,
        /// The transport's words.
        reason: String,
    },
}

impl HubEvent {
    /// The event of a session that ended with these words.
    pub(super) fn closed(identity: Identity, address: String, bye: Bye, is_by_peer: bool) -> HubEvent {
        match bye.code {
            ByeCode::Refused | ByeCode::Farewell => HubEvent::Refused { identity, address, text: bye.text, is_by_peer },
            ByeCode::Leaving | ByeCode::Duplicate => HubEvent::Closed { identity, address, bye, is_by_peer },
            ByeCode::WrongSpace
            | ByeCode::Version
            | ByeCode::Protocol
            | ByeCode::Credit
            | ByeCode::BadEntry
            | ByeCode::Withheld
            | ByeCode::Stalled
            | ByeCode::Storage => HubEvent::Faulted { identity, address, bye, is_by_peer },
        }
    }
}
