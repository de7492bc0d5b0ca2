//! One peer's session: the whole protocol as a state machine without I/O.
//!
//! The caller feeds bytes ([`Session::receive`]), takes verified entries for ingestion ([`Session::take_entries`], then
//! [`Session::settle`]), and pulls bytes to be written ([`Session::output`]) when there is room for them. What the peer
//! does wrong never is an error here: it closes the session, with a BYE and an event. Sessions keep nothing between
//! connections; what was received is in the log, and a new session goes on from there.
//!
//! Both sides are equal, but the dialling side speaks first, so that a listener says nothing to those it refuses.
//! Spec: docs/spec/sync.md.

mod hearing;
mod patience;
mod speaking;

use std::collections::VecDeque;

use crate::causality::{Past, Version};
use crate::fault::StoreError;
use crate::hash::{EntryId, SpaceId};
use crate::limits::BYE_TEXT_BYTES_MAX;
use crate::log::Entry;
use crate::sync::frame::{Bye, ByeCode, Frame, FrameReader, Heads};
use crate::sync::receiving::{ReceivedCounts, Receiving};
use crate::sync::sending::Sending;
use crate::sync::view::{Fetching, View};
use hearing::Stop;
use patience::Patience;

/// Who opened the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// This side; it speaks first.
    Dialler,
    /// The other side.
    Listener,
}

/// What a peer may do, as this replica's state says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Access {
    /// Everything is served and received.
    Full,
    /// Nothing is served yet, everything received: this replica joins from that peer, or is not far enough to know it.
    ReceiveOnly,
    /// The peer was admitted once. It is sent what ended that, with its past, and nothing is received.
    Farewell {
        /// What is sent.
        offer: Version,
        /// What the peer is told in the end.
        text: String,
    },
    /// Nothing.
    Refused {
        /// What the peer is told.
        text: String,
    },
}

/// What a session reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SessionEvent {
    /// The peer has said HELLO for this space.
    Opened,
    /// Everything that the peer announced is in the log.
    InStep,
    /// Entries of the peer were refused on their merits.
    EntriesRefused(Vec<EntryId>),
    /// The session is over.
    Closed {
        /// Why.
        bye: Bye,
        /// Whether the peer closed it.
        is_by_peer: bool,
    },
}

/// How far two replicas are from each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Distance {
    /// Entries here that the peer has not said it holds.
    pub peer_lacks: u64,
    /// Whether the peer has named entries that are not here.
    pub lacks_some: bool,
}

/// The state of a session with one peer.
#[derive(Debug)]
pub struct Session {
    space: SpaceId,
    role: Role,
    access: Access,
    /// What may be sent under [`Access::Farewell`].
    farewell: Past,
    phase: Phase,
    reader: FrameReader,
    control: VecDeque<Frame>,
    events: Vec<SessionEvent>,
    sending: Sending,
    receiving: Receiving,
    /// What HELLO named, until it is answered.
    greeting: Option<Greeting>,
    /// Answers to what this side named that have not come yet.
    answers_due: u32,
    /// Whether the peer takes entries.
    is_peer_willing: bool,
    /// Whether `sending` knows enough of what the peer holds to begin.
    has_baseline: bool,
    /// How often the peer is to be told that all has been sent.
    dones_due: u32,
    is_restarted: bool,
    peer_heads: Heads,
    pull: Pull,
    /// Whether the peer has been told that parents are missing, which happens once at most.
    is_missing_told: bool,
    are_heads_due: bool,
    patience: Patience,
    /// Whether it was the peer that closed the session: what it had sent is of use.
    is_closed_by_peer: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    AwaitingHello,
    Running,
    Closed,
}

/// What HELLO named.
#[derive(Debug)]
struct Greeting {
    ids: Vec<EntryId>,
    /// Whether this is everything; a newcomer names nothing.
    is_whole: bool,
}

/// What this side has asked the peer for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pull {
    Idle,
    /// A stream was asked for; so many DONEs have not come.
    Requested(u32),
    /// DONE has come; what came before it is not settled yet.
    Ending,
}

impl Session {
    /// Starts a session about `space` with a peer that has proven its identity.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be read.
    pub fn open(space: SpaceId, role: Role, access: Access, view: &dyn View) -> Result<Session, StoreError> {
        let mut session = Session {
            space,
            role,
            access: Access::ReceiveOnly,
            farewell: Past::EMPTY,
            phase: Phase::AwaitingHello,
            reader: FrameReader::default(),
            control: VecDeque::new(),
            events: Vec::new(),
            sending: Sending::new(),
            receiving: Receiving::new(space),
            greeting: None,
            answers_due: 0,
            is_peer_willing: false,
            has_baseline: false,
            dones_due: 0,
            is_restarted: false,
            peer_heads: Heads { ids: Vec::new(), is_partial: false },
            pull: Pull::Idle,
            is_missing_told: false,
            are_heads_due: false,
            patience: Patience::default(),
            is_closed_by_peer: false,
        };
        session.enter(access, view)?;
        if role == Role::Dialler && session.phase != Phase::Closed {
            session.say_hello(view);
        }
        Ok(session)
    }

    /// Takes bytes from the peer.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be read; the session is then of no more use.
    pub fn receive(&mut self, bytes: &[u8], now_ms: u64, view: &dyn View) -> Result<(), StoreError> {
        if self.phase == Phase::Closed {
            return Ok(());
        }
        self.patience.hear(now_ms);
        self.reader.push(bytes);
        while self.phase != Phase::Closed {
            let taken = match self.reader.next_frame() {
                Ok(None) => return Ok(()),
                Ok(Some(frame)) => {
                    let (is_due, progress) = (self.is_due(&frame), self.receiving.payload_progress());
                    let taken = self.take_frame(frame, view);
                    if is_due || self.receiving.payload_progress() > progress {
                        self.patience.renew(now_ms);
                    }
                    taken
                }
                Err(error) => Err(Stop::from(error)),
            };
            match taken {
                Ok(()) => {}
                Err(Stop::Bye(bye)) => self.close(bye),
                Err(Stop::Store(error)) => return Err(error),
            }
        }
        Ok(())
    }

    /// Takes entries that are whole and verified, parents before children, so many at most. Ingest them, then call
    /// [`Session::settle`]. The others wait, and what they cost of the peer's credit with them.
    pub fn take_entries(&mut self, count_max: usize) -> Vec<Entry> {
        if self.has_entries() { self.receiving.take_entries(count_max) } else { Vec::new() }
    }

    /// Says whether there are entries to take; also what a peer had sent that said BYE.
    #[must_use]
    pub fn has_entries(&self) -> bool {
        (self.phase != Phase::Closed || self.is_closed_by_peer) && self.receiving.has_entries()
    }

    /// Notes that the entries taken have been ingested; finds out from `view` what became of them.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be read.
    pub fn settle(&mut self, view: &dyn View) -> Result<(), StoreError> {
        let mut refused = Vec::new();
        // Backwards: the last one's past usually holds the others.
        for id in self.receiving.settle().into_iter().rev() {
            match view.position_of(&id)? {
                Some(pos) => {
                    self.sending.learn(view, pos)?;
                    self.are_heads_due = true;
                }
                None => refused.push(id),
            }
        }
        if !refused.is_empty() {
            refused.iter().for_each(|id| self.note_refused(*id));
            self.receiving.drop_refused();
            self.events.push(SessionEvent::EntriesRefused(refused));
        }
        self.review(view)
    }

    /// Replaces what the peer may do, after the state has changed.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be read.
    pub fn set_access(&mut self, access: Access, view: &dyn View) -> Result<(), StoreError> {
        if self.phase == Phase::Closed || access == self.access {
            return Ok(());
        }
        if matches!(self.access, Access::Farewell { .. }) && matches!(access, Access::Full | Access::ReceiveOnly) {
            self.close(bye(ByeCode::Leaving, "access has changed, connect again"));
            return Ok(());
        }
        let is_upgrade = self.access == Access::ReceiveOnly && access == Access::Full;
        self.enter(access, view)?;
        if is_upgrade && self.phase == Phase::Running {
            // What the peer said it holds is known by now, or will be once it is done.
            self.are_heads_due = true;
            self.has_baseline = false;
            self.review(view)?;
        }
        Ok(())
    }

    /// Closes the session from this side.
    pub fn close(&mut self, bye: Bye) {
        if self.phase == Phase::Closed {
            return;
        }
        self.phase = Phase::Closed;
        self.control.clear();
        self.control.push_back(Frame::Bye(bye.clone()));
        self.events.push(SessionEvent::Closed { bye, is_by_peer: false });
    }

    /// Returns the next bytes for the peer, about `bytes_max` of them (at most one frame more); none if there is
    /// nothing to say. To be called again after anything else was called, and after the log has grown.
    ///
    /// * `fetching` - [`Alone`](crate::sync::Alone), or what several sessions share.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be read.
    pub fn output(
        &mut self,
        bytes_max: usize,
        view: &dyn View,
        fetching: &mut dyn Fetching,
    ) -> Result<Vec<u8>, StoreError> {
        let mut bytes = Vec::new();
        while bytes.len() < bytes_max {
            let Some(frame) = self.next_frame(view, fetching)? else { break };
            frame.encode_into(&mut bytes);
        }
        Ok(bytes)
    }

    /// Takes what has happened since the last call.
    pub fn take_events(&mut self) -> Vec<SessionEvent> {
        std::mem::take(&mut self.events)
    }

    /// Returns the BYE that closes a session, if it has not been taken yet. Needs no view, so it can always be said.
    pub fn last_words(&mut self) -> Option<Vec<u8>> {
        if self.phase == Phase::Closed { self.control.pop_front().map(|frame| frame.encode()) } else { None }
    }

    /// Says whether the session is over; a last BYE may still be taken by [`Session::output`].
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.phase == Phase::Closed
    }

    /// Says whether everything that the peer has announced is here, or was refused.
    #[must_use]
    pub fn is_in_step(&self) -> bool {
        self.phase == Phase::Running && self.pull == Pull::Idle && self.receiving.is_idle()
    }

    /// Returns what the peer said that it holds.
    #[must_use]
    pub fn acknowledged(&self) -> &Past {
        self.sending.acknowledged()
    }

    /// Says whether the peer has said HELLO, and nobody BYE.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.phase == Phase::Running
    }

    /// Returns what the peer may do.
    #[must_use]
    pub fn access(&self) -> &Access {
        &self.access
    }

    /// Returns what has been received.
    #[must_use]
    pub fn received(&self) -> ReceivedCounts {
        self.receiving.counts
    }

    /// Returns how many entries have been sent.
    #[must_use]
    pub fn sent_count(&self) -> u64 {
        self.sending.sent_count
    }

    /// Returns how far the two replicas are from each other, as far as this side knows.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be read.
    pub fn distance(&self, view: &dyn View) -> Result<Distance, StoreError> {
        let whole = view.whole();
        let common = whole.meet(self.sending.acknowledged());
        let peer_lacks = whole.entry_count() - common.entry_count();
        Ok(Distance { peer_lacks, lacks_some: self.pull != Pull::Idle || !self.lacking(view)?.is_empty() })
    }

    fn enter(&mut self, access: Access, view: &dyn View) -> Result<(), StoreError> {
        match &access {
            Access::Full | Access::ReceiveOnly => {}
            Access::Farewell { offer, .. } => {
                self.farewell = past_of(view, offer)?;
                self.sending.stop_walk();
                self.sending.keep_wanted_within(&self.farewell);
                self.receiving = Receiving::new(self.space);
                self.pull = Pull::Idle;
            }
            Access::Refused { text } => self.close(bye(ByeCode::Refused, text)),
        }
        self.access = access;
        Ok(())
    }

    fn receives(&self) -> bool {
        matches!(self.access, Access::Full | Access::ReceiveOnly)
    }

    /// Draws conclusions once everything received is settled.
    fn review(&mut self, view: &dyn View) -> Result<(), StoreError> {
        if !self.receiving.is_idle() || self.phase != Phase::Running {
            return Ok(());
        }
        if self.pull == Pull::Ending {
            self.pull = Pull::Idle;
            let lacking = self.lacking(view)?;
            if !lacking.is_empty() {
                self.tell_missing(lacking);
                return Ok(());
            }
            self.events.push(SessionEvent::InStep);
        }
        if !self.has_baseline && self.access == Access::Full && self.pull == Pull::Idle && self.is_peer_willing {
            for id in &self.peer_heads.ids {
                if let Some(pos) = view.position_of(id)? {
                    self.sending.learn(view, pos)?;
                }
            }
            self.has_baseline = true;
        }
        Ok(())
    }
}

fn past_of(view: &dyn View, version: &Version) -> Result<Past, StoreError> {
    let mut past = Past::EMPTY;
    for id in version.ids() {
        if let Some(pos) = view.position_of(id)? {
            past = past.join(&*view.clock(pos)?);
        }
    }
    Ok(past)
}

/// A BYE with as much of the text as fits.
#[must_use]
pub fn bye(code: ByeCode, text: &str) -> Bye {
    Bye { code, text: text[..text.floor_char_boundary(BYE_TEXT_BYTES_MAX)].to_owned() }
}
