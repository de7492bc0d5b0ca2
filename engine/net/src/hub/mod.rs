//! The hub: all sessions of one space, in the engine's thread, without I/O and without a clock.
//!
//! The caller hands over what happened on the network ([`PeerEvent`]) in batches, with its [`SyncHost`] and the time;
//! the hub feeds the sessions, ingests what they received in one go, judges anew who may sync, and answers with
//! [`Command`]s for the driver. A turn ingests only as much as there is time for, so that no peer waits for long, however
//! much has come. It also decides whom to dial and when, and keeps for each peer what `treaty status` shows.
//! One connection per peer is kept; of two, that which the smaller key dialled.

mod event;
mod pace;
mod peers;
mod target;

use std::collections::{BTreeMap, BTreeSet};

use treaty_engine::causality::Past;
use treaty_engine::hash::EntryId;
use treaty_engine::identity::Identity;
use treaty_engine::log::Entry;
use treaty_engine::sync::{Access, ByeCode, Fetching, Role, Session, SessionEvent, View, bye};

use crate::host::{Standing, SyncHost};
use crate::limits::{LINKS_MAX, OUTPUT_BYTES, OUTPUT_WINDOW_BYTES};

pub use event::{Command, HubEvent, LinkId, PeerEvent, TargetId};
pub use peers::PeerStatus;

use pace::{Listening, Pace};
use peers::{Peers, is_fault};
use target::Targets;

/// All sessions of one space.
pub struct Hub {
    identity: Identity,
    links: BTreeMap<LinkId, Link>,
    targets: Targets,
    peers: Peers,
    commands: Vec<Command>,
    events: Vec<HubEvent>,
    fault_count: u64,
    /// Payloads that were asked for and have not come, by the connection that was asked.
    fetched: BTreeMap<EntryId, LinkId>,
    /// What was in the log when it was last judged who may sync.
    judged: Past,
    pace: Pace,
    listening: Listening,
    /// Whose entries are ingested first in the next turn.
    next_served: LinkId,
    is_closing: bool,
}

/// A connection and its session.
struct Link {
    identity: Identity,
    address: String,
    role: Role,
    target: Option<TargetId>,
    session: Session,
    /// Bytes that the driver has not written yet.
    unwritten_bytes: usize,
    /// Whether the driver has been told to close.
    is_closing: bool,
    /// Why the connection is no more, if it is no more.
    lost: Option<String>,
    received_before: u64,
}

impl Hub {
    /// Makes the hub of a node.
    #[must_use]
    pub fn new(identity: Identity) -> Hub {
        Hub {
            identity,
            links: BTreeMap::new(),
            targets: Targets::new(identity),
            peers: Peers::default(),
            commands: Vec::new(),
            events: Vec::new(),
            fault_count: 0,
            fetched: BTreeMap::new(),
            judged: Past::EMPTY,
            pace: Pace::new(),
            listening: Listening::default(),
            next_served: LinkId(0),
            is_closing: false,
        }
    }

    /// Takes what happened, perhaps nothing but new entries in the log, and answers with what is to be done.
    ///
    /// To be called with every batch of events, and after each local import, so that new entries go out; and again as long as
    /// [`Hub::is_behind`].
    ///
    /// # Errors
    /// The host's error; then call [`Hub::close`] and drop the host.
    pub fn handle<H: SyncHost>(
        &mut self,
        host: &mut H,
        events: impl IntoIterator<Item = PeerEvent>,
        now_ms: u64,
    ) -> Result<Vec<Command>, H::Error> {
        let times = Times { now_ms, listened_ms: self.listening.at(now_ms) };
        let (mut touched, mut is_tick) = (BTreeSet::new(), false);
        for event in events {
            is_tick |= matches!(event, PeerEvent::Tick);
            self.take(host, event, times, &mut touched)?;
        }
        if is_tick {
            // After everything that has come.
            self.links.values_mut().for_each(|link| link.session.tick(times.listened_ms));
        }
        self.ingest(host, touched)?;
        self.judge_again(host)?;
        self.write(host)?;
        self.report();
        self.lose_all(now_ms);
        if !self.is_closing {
            let identities = self.links.values().map(|link| link.identity).collect();
            self.targets.dial(now_ms, &identities, &mut self.commands);
        }
        Ok(std::mem::take(&mut self.commands))
    }

    /// Says whether entries that have come wait to be ingested, with more time.
    #[must_use]
    pub fn is_behind(&self) -> bool {
        self.links.values().any(|link| link.session.has_entries())
    }

    /// Notes how long the last [`Hub::handle`] took, by which the next one ingests more or less.
    pub fn took(&mut self, turn_ms: u64) {
        self.pace.took(turn_ms);
    }

    /// Takes what there is to tell since the last call.
    pub fn take_events(&mut self) -> Vec<HubEvent> {
        std::mem::take(&mut self.events)
    }

    /// Returns how often anybody broke the rules of the protocol, strangers included, since this node started.
    #[must_use]
    pub fn fault_count(&self) -> u64 {
        self.fault_count
    }

    /// Tells every peer goodbye and dials nobody any more. Returns what is to be done.
    pub fn close(&mut self, code: ByeCode, text: &str) -> Vec<Command> {
        self.is_closing = true;
        for (id, link) in &mut self.links {
            link.session.close(bye(code, text));
            link.finish(*id, &mut self.commands);
        }
        std::mem::take(&mut self.commands)
    }

    /// Returns what is known of every peer, by identity; those that never answered come first.
    ///
    /// # Errors
    /// The host's error.
    pub fn status<H: SyncHost>(&self, host: &H) -> Result<Vec<PeerStatus>, H::Error> {
        let view = host.view();
        let mut statuses = self.targets.unanswered();
        for (identity, peer) in self.peers.iter() {
            let link = self.links.values().find(|link| link.identity == *identity && link.session.is_running());
            statuses.push(peer.status(*identity, link.map(|link| &link.session), &view)?);
        }
        Ok(statuses)
    }

    fn take<H: SyncHost>(
        &mut self,
        host: &H,
        event: PeerEvent,
        Times { now_ms, listened_ms }: Times,
        touched: &mut BTreeSet<LinkId>,
    ) -> Result<(), H::Error> {
        match event {
            PeerEvent::Linked { link, identity, address, target } => {
                self.open(host, link, NewLink { identity, address, target }, listened_ms)?;
            }
            PeerEvent::Received { link, bytes } => {
                if let Some(known) = self.links.get_mut(&link) {
                    known.session.receive(&bytes, listened_ms, &host.view())?;
                    touched.insert(link);
                }
            }
            PeerEvent::Written { link, bytes } => {
                if let Some(known) = self.links.get_mut(&link) {
                    known.unwritten_bytes = known.unwritten_bytes.saturating_sub(bytes);
                }
            }
            PeerEvent::Lost { link, reason } => {
                if let Some(known) = self.links.get_mut(&link) {
                    known.lost = Some(reason);
                }
            }
            PeerEvent::Unreachable { target, reason } => {
                if let Some(event) = self.targets.fail(target, reason, now_ms) {
                    self.events.push(event);
                }
            }
            PeerEvent::Found { target } => self.targets.add(target),
            PeerEvent::Tick => {}
        }
        Ok(())
    }

    fn open<H: SyncHost>(&mut self, host: &H, id: LinkId, new: NewLink, listened_ms: u64) -> Result<(), H::Error> {
        let role = if new.target.is_some() { Role::Dialler } else { Role::Listener };
        if let Some(target) = new.target {
            self.targets.link(target, new.identity);
        }
        let access = self.access(host, &new.identity, role)?;
        let mut session = Session::open(host.space(), role, access, &host.view())?;
        if let Some(text) = self.objection(id, &new.identity, role) {
            session.close(bye(ByeCode::Duplicate, text));
        }
        session.tick(listened_ms);
        let link = Link {
            identity: new.identity,
            address: new.address,
            role,
            target: new.target,
            session,
            unwritten_bytes: 0,
            is_closing: false,
            lost: None,
            received_before: 0,
        };
        self.links.insert(id, link);
        Ok(())
    }

    /// Decides between connections: says why the new one is not kept, or closes the others with the same peer.
    fn objection(&mut self, new: LinkId, identity: &Identity, role: Role) -> Option<&'static str> {
        if *identity == self.identity {
            return Some("this is the node itself");
        }
        if self.is_closing {
            return Some("this node is stopping");
        }
        if self.links.len() >= LINKS_MAX {
            return Some("too many connections");
        }
        let is_preferred = (role == Role::Dialler) == (self.identity < *identity);
        for (id, link) in &mut self.links {
            if *id == new
                || link.identity != *identity
                || link.session.is_over()
                || link.is_closing
                || link.lost.is_some()
            {
                continue;
            }
            if link.role != role && !is_preferred {
                return Some("another connection between the same two is kept");
            }
            link.session.close(bye(ByeCode::Duplicate, "another connection between the same two is kept"));
        }
        None
    }

    fn access<H: SyncHost>(&self, host: &H, peer: &Identity, role: Role) -> Result<Access, H::Error> {
        Ok(match (host.standing(peer)?, role) {
            (Standing::Admitted, _) => Access::Full,
            // The operator named that peer: it may know what makes it a member, and we do not yet.
            (_, Role::Dialler) => Access::ReceiveOnly,
            (Standing::Former { offer, text }, Role::Listener) => Access::Farewell { offer, text },
            (Standing::Stranger { text }, Role::Listener) => Access::Refused { text },
        })
    }

    /// Ingests what the sessions hold ready, in one go, and as much as there is time for. Each time another one comes first.
    fn ingest<H: SyncHost>(&mut self, host: &mut H, mut touched: BTreeSet<LinkId>) -> Result<(), H::Error> {
        let mut batch: Vec<Entry> = Vec::new();
        let (before, after): (Vec<LinkId>, Vec<LinkId>) = self.links.keys().partition(|id| **id < self.next_served);
        for id in after.into_iter().chain(before) {
            let room = self.pace.entries_max() - batch.len();
            let Some(link) = self.links.get_mut(&id).filter(|link| room > 0 && link.session.has_entries()) else {
                continue;
            };
            batch.extend(link.session.take_entries(room));
            touched.insert(id);
            self.next_served = LinkId(id.0.saturating_add(1));
        }
        for entry in &batch {
            self.fetched.remove(entry.id());
        }
        self.pace.judged(batch.len());
        if !batch.is_empty() {
            host.ingest(batch)?;
        }
        for id in touched {
            if let Some(link) = self.links.get_mut(&id) {
                link.session.settle(&host.view())?;
            }
        }
        Ok(())
    }

    /// Who may sync follows from the state, and the state may have changed.
    fn judge_again<H: SyncHost>(&mut self, host: &H) -> Result<(), H::Error> {
        let whole = host.view().whole();
        let is_decidable = |link: &Link| *link.session.access() == Access::ReceiveOnly && link.session.is_in_step();
        if whole == self.judged && !self.links.values().any(is_decidable) {
            return Ok(());
        }
        self.judged = whole;
        for link in self.links.values_mut().filter(|link| link.session.is_running()) {
            let is_in_step = link.session.is_in_step();
            let access = match host.standing(&link.identity)? {
                Standing::Admitted => Access::Full,
                Standing::Former { .. } | Standing::Stranger { .. }
                    if *link.session.access() == Access::ReceiveOnly && !is_in_step =>
                {
                    Access::ReceiveOnly
                }
                Standing::Former { offer, text } => Access::Farewell { offer, text },
                Standing::Stranger { text } => Access::Refused { text },
            };
            link.session.set_access(access, &host.view())?;
        }
        Ok(())
    }

    /// Lets every session write, as far as the driver keeps up.
    fn write<H: SyncHost>(&mut self, host: &H) -> Result<(), H::Error> {
        let view = host.view();
        for (id, link) in &mut self.links {
            while link.unwritten_bytes < OUTPUT_WINDOW_BYTES && !link.is_closing {
                let mut fetching = FetchingOf { link: *id, fetched: &mut self.fetched };
                let bytes = link.session.output(OUTPUT_BYTES, &view, &mut fetching)?;
                if bytes.is_empty() {
                    break;
                }
                link.unwritten_bytes += bytes.len();
                self.commands.push(Command::Write { link: *id, bytes: bytes.into() });
            }
            link.finish(*id, &mut self.commands);
        }
        Ok(())
    }

    /// Turns what the sessions report into what the node reports.
    fn report(&mut self) {
        for link in self.links.values_mut() {
            let (identity, address) = (link.identity, link.address.clone());
            for event in link.session.take_events() {
                match event {
                    SessionEvent::Opened => {
                        self.peers.connect(identity, address.clone());
                        self.events.push(HubEvent::Connected { identity, address: address.clone(), role: link.role });
                    }
                    SessionEvent::InStep => {
                        if let Some(target) = link.target {
                            self.targets.succeed(target);
                        }
                        self.events.push(HubEvent::InStep { identity });
                    }
                    SessionEvent::EntriesRefused(ids) => {
                        self.fault_count += 1;
                        self.peers.fault(&identity, "sent entries that are refused here");
                        self.events.push(HubEvent::EntriesRefused { identity, ids });
                    }
                    SessionEvent::Closed { bye, is_by_peer } => {
                        self.fault_count += u64::from(!is_by_peer && is_fault(bye.code));
                        if let (Some(target), ByeCode::Refused | ByeCode::Farewell) = (link.target, bye.code) {
                            self.targets.refuse(target);
                        }
                        self.peers.close(&identity, &link.session, &bye, is_by_peer);
                        self.events.push(HubEvent::closed(identity, address.clone(), bye, is_by_peer));
                    }
                }
            }
            let received = link.session.received().entries;
            if received > link.received_before {
                let entry_count = received - link.received_before;
                link.received_before = received;
                self.events.push(HubEvent::Received { identity, entry_count });
            }
        }
    }

    /// Forgets connections that broke, once what they brought was taken and reported, or the peer is there anew.
    fn lose_all(&mut self, now_ms: u64) {
        let there: BTreeSet<Identity> =
            self.links.values().filter(|link| link.lost.is_none()).map(|link| link.identity).collect();
        let done = |link: &Link| !link.session.has_entries() || there.contains(&link.identity);
        let lost: Vec<(LinkId, String)> = self
            .links
            .iter_mut()
            .filter(|(_, link)| done(link))
            .filter_map(|(id, link)| Some((*id, link.lost.take()?)))
            .collect();
        for (id, reason) in lost {
            self.lose(id, &reason, now_ms);
        }
    }

    fn lose(&mut self, id: LinkId, reason: &str, now_ms: u64) {
        let Some(link) = self.links.remove(&id) else { return };
        self.fetched.retain(|_, fetcher| *fetcher != id);
        if link.session.is_running() {
            self.peers.lose(&link.identity, &link.session, reason);
            self.events.push(HubEvent::Lost {
                identity: link.identity,
                address: link.address,
                reason: reason.to_owned(),
            });
        }
        if let Some(target) = link.target {
            self.targets.unlink(target, now_ms);
        }
    }
}

impl Link {
    /// Writes the last words, and has the connection closed after them.
    fn finish(&mut self, id: LinkId, commands: &mut Vec<Command>) {
        if self.is_closing || !self.session.is_over() {
            return;
        }
        if let Some(bytes) = self.session.last_words() {
            commands.push(Command::Write { link: id, bytes: bytes.into() });
        }
        self.is_closing = true;
        commands.push(Command::Close { link: id });
    }
}

/// The time, and how much of it this node has listened.
#[derive(Clone, Copy)]
struct Times {
    now_ms: u64,
    listened_ms: u64,
}

/// What one connection fetches, among all.
struct FetchingOf<'a> {
    link: LinkId,
    fetched: &'a mut BTreeMap<EntryId, LinkId>,
}

impl Fetching for FetchingOf<'_> {
    fn claim(&mut self, id: &EntryId) -> bool {
        *self.fetched.entry(*id).or_insert(self.link) == self.link
    }
}

/// A connection that was made.
struct NewLink {
    identity: Identity,
    address: String,
    target: Option<TargetId>,
}
