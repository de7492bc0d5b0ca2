//! What is remembered of each peer, for `treaty status`.

use std::collections::BTreeMap;

use treaty_engine::causality::Past;
use treaty_engine::fault::StoreError;
use treaty_engine::identity::Identity;
use treaty_engine::sync::{Bye, ByeCode, Session, View};

use crate::discovery::Target;
use crate::limits::PEERS_REMEMBERED_MAX;

/// A peer, as an operator sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerStatus {
    /// Who; unknown until it has answered.
    pub identity: Option<Identity>,
    /// Where it is or was.
    pub address: String,
    /// Whether a session is running.
    pub is_connected: bool,
    /// Entries here that it has not said it holds; unknown if it never said anything.
    pub behind: Option<u64>,
    /// Whether it has named entries that are not here.
    pub is_ahead: bool,
    /// How often it broke the rules.
    pub fault_count: u64,
    /// Why it is not connected, or what it did wrong last.
    pub last_problem: Option<String>,
}

impl PeerStatus {
    /// A peer that was dialled and has never answered.
    pub(super) fn unreached(target: &Target, last_problem: Option<String>) -> PeerStatus {
        PeerStatus {
            identity: target.identity,
            address: target.addresses.join(", "),
            is_connected: false,
            behind: None,
            is_ahead: false,
            fault_count: 0,
            last_problem,
        }
    }
}

/// The peers that this node has been connected with since it started.
#[derive(Default)]
pub(super) struct Peers(BTreeMap<Identity, Peer>);

/// What is remembered of one.
#[derive(Default)]
pub(super) struct Peer {
    address: String,
    /// What it held when the last session ended.
    held: Past,
    fault_count: u64,
    last_problem: Option<String>,
}

impl Peers {
    pub(super) fn iter(&self) -> impl Iterator<Item = (&Identity, &Peer)> {
        self.0.iter()
    }

    pub(super) fn connect(&mut self, identity: Identity, address: String) {
        if self.0.len() < PEERS_REMEMBERED_MAX || self.0.contains_key(&identity) {
            let peer = self.0.entry(identity).or_default();
            peer.address = address;
            peer.last_problem = None;
        }
    }

    pub(super) fn fault(&mut self, identity: &Identity, problem: &str) {
        if let Some(peer) = self.0.get_mut(identity) {
            peer.fault_count += 1;
            peer.last_problem = Some(problem.to_owned());
        }
    }

    pub(super) fn lose(&mut self, identity: &Identity, session: &Session, problem: &str) {
        if let Some(peer) = self.0.get_mut(identity) {
            peer.held = peer.held.join(session.acknowledged());
            peer.last_problem = Some(problem.to_owned());
        }
    }

    pub(super) fn close(&mut self, identity: &Identity, session: &Session, bye: &Bye, is_by_peer: bool) {
        self.lose(identity, session, &bye.to_string());
        let is_fault = !is_by_peer && is_fault(bye.code);
        if let Some(peer) = self.0.get_mut(identity).filter(|_| is_fault) {
            peer.fault_count += 1;
        }
    }
}

impl Peer {
    pub(super) fn status(
        &self,
        identity: Identity,
        session: Option<&Session>,
        view: &dyn View,
    ) -> Result<PeerStatus, StoreError> {
        let (peer_lacks, is_ahead) = match session {
            Some(session) => {
                let distance = session.distance(view)?;
                (distance.peer_lacks, distance.lacks_some)
            }
            None => {
                let whole = view.whole();
                (whole.entry_count() - whole.meet(&self.held).entry_count(), false)
            }
        };
        Ok(PeerStatus {
            identity: Some(identity),
            address: self.address.clone(),
            is_connected: session.is_some(),
            behind: Some(peer_lacks),
            is_ahead,
            fault_count: self.fault_count,
            last_problem: self.last_problem.clone(),
        })
    }
}

/// Whether a session that we ended so was the peer's fault.
pub(super) fn is_fault(code: ByeCode) -> bool {
    match code {
        ByeCode::WrongSpace
        | ByeCode::Version
        | ByeCode::Protocol
        | ByeCode::Credit
        | ByeCode::BadEntry
        | ByeCode::Withheld
        | ByeCode::Stalled => true,
        ByeCode::Refused | ByeCode::Duplicate | ByeCode::Farewell | ByeCode::Leaving | ByeCode::Storage => false,
    }
}
