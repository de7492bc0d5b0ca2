//! What the hub asks of a replica: to be read, to be fed, and to say who is who.

use tracing::warn;
use treaty_engine::causality::{Index, Version};
use treaty_engine::fault::StoreError;
use treaty_engine::hash::SpaceId;
use treaty_engine::identity::Identity;
use treaty_engine::log::Entry;
use treaty_engine::replica::{Replica, ReplicaError};
use treaty_engine::store::Sqlite;
use treaty_engine::sync::{LogView, View};

/// The owner of a log that is synced.
pub trait SyncHost {
    /// Why it could not do something. Ends all sync: the store is of no more use.
    type Error: std::error::Error + From<StoreError> + Send + Sync + 'static;

    /// Returns the space.
    fn space(&self) -> SpaceId;

    /// Returns the log, to be read.
    fn view(&self) -> impl View + '_;

    /// Says what a peer is to this space, by its current state.
    ///
    /// # Errors
    /// The store cannot be read.
    fn standing(&self, peer: &Identity) -> Result<Standing, Self::Error>;

    /// Judges and keeps verified entries, parents before children. Refused ones are remembered in the log, so that
    /// [`View::is_refused`] knows them.
    ///
    /// # Errors
    /// The store cannot be written.
    fn ingest(&mut self, entries: Vec<Entry>) -> Result<(), Self::Error>;
}

/// What a peer is to a space.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It may sync.
    Admitted,
    /// It might once, and is still sent the entries that ended that.
    Former {
        /// These entries, with their pasts.
        offer: Version,
        /// What it is told.
        text: String,
    },
    /// It may not.
    Stranger {
        /// What it is told.
        text: String,
    },
}

impl SyncHost for Replica {
    type Error = ReplicaError;

    fn space(&self) -> SpaceId {
        Replica::space(self)
    }

    fn view(&self) -> impl View + '_ {
        LogView { store: self.store(), index: self.index() }
    }

    fn standing(&self, peer: &Identity) -> Result<Standing, ReplicaError> {
        if self.may_sync(peer)? {
            return Ok(Standing::Admitted);
        }
        let text = refusal_text(self, peer);
        Ok(match self.farewell(peer)? {
            Some(offer) => Standing::Former { offer, text },
            None => Standing::Stranger { text },
        })
    }

    fn ingest(&mut self, entries: Vec<Entry>) -> Result<(), ReplicaError> {
        let outcome = Replica::ingest(self, entries)?;
        for (entry, refusal) in &outcome.refused {
            warn!(%entry, %refusal, "entry refused");
        }
        Ok(())
    }
}

/// Says which policies of `treaty_peers` do not admit a peer, and what to do about it.
fn refusal_text(replica: &Replica, peer: &Identity) -> String {
    let names: Vec<&str> = replica.schema().peer_policies().iter().map(|policy| policy.name.as_str()).collect();
    match names.as_slice() {
        [] => format!("no policy on treaty_peers: nobody may sync, nor may {peer}"),
        [name] => format!("the policy {name} does not admit identity {peer}; a member must insert it"),
        [name, ..] => format!("no policy on treaty_peers ({name}, …) admits identity {peer}; a member must insert it"),
    }
}

/// A node that has a ticket: it waits for the space's genesis, and is a replica from then on.
pub struct Newcomer {
    space: SpaceId,
    state: State,
}

/// A store without genesis.
struct EmptyLog {
    store: Sqlite,
    index: Index,
}

enum State {
    Waiting(Box<EmptyLog>),
    Joined(Box<Replica>),
}

impl Newcomer {
    /// Waits for the genesis of `space`, to be kept in an empty store.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be read.
    pub fn new(space: SpaceId, store: Sqlite) -> Result<Newcomer, StoreError> {
        let empty = EmptyLog { index: Index::load(&store)?, store };
        Ok(Newcomer { space, state: State::Waiting(Box::new(empty)) })
    }

    /// Returns the replica, once genesis is here.
    pub fn replica(&mut self) -> Option<&mut Replica> {
        match &mut self.state {
            State::Waiting(_) => None,
            State::Joined(replica) => Some(replica),
        }
    }

    /// Gives up the replica, if genesis is here.
    #[must_use]
    pub fn into_replica(self) -> Option<Replica> {
        match self.state {
            State::Waiting(_) => None,
            State::Joined(replica) => Some(*replica),
        }
    }

    fn join(&mut self, genesis: Entry) -> Result<(), ReplicaError> {
        // A store in memory takes the place of the real one until there is a replica around it.
        let memory = Sqlite::in_memory()?;
        let standin = EmptyLog { index: Index::load(&memory)?, store: memory };
        if let State::Waiting(empty) = std::mem::replace(&mut self.state, State::Waiting(Box::new(standin))) {
            self.state = State::Joined(Box::new(Replica::join(empty.store, genesis, self.space)?));
        }
        Ok(())
    }
}

impl SyncHost for Newcomer {
    type Error = ReplicaError;

    fn space(&self) -> SpaceId {
        self.space
    }

    fn view(&self) -> impl View + '_ {
        match &self.state {
            State::Waiting(empty) => LogView { store: &empty.store, index: &empty.index },
            State::Joined(replica) => LogView { store: replica.store(), index: replica.index() },
        }
    }

    fn standing(&self, peer: &Identity) -> Result<Standing, ReplicaError> {
        match &self.state {
            State::Waiting(_) => Ok(Standing::Stranger { text: "this node has not joined the space yet".to_owned() }),
            State::Joined(replica) => replica.standing(peer),
        }
    }

    fn ingest(&mut self, mut entries: Vec<Entry>) -> Result<(), ReplicaError> {
        if let State::Waiting(_) = self.state {
            // The session lets nothing in before the genesis of this very space.
            let Some(first) = (!entries.is_empty()).then(|| entries.remove(0)) else { return Ok(()) };
            self.join(first)?;
        }
        match &mut self.state {
            State::Joined(replica) if !entries.is_empty() => SyncHost::ingest(replica.as_mut(), entries),
            _ => Ok(()),
        }
    }
}
