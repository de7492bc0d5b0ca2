//! The receiving half of a session: entries as they arrive, in topological order, until they are whole and checked.
//!
//! An entry waits in line until its payload is here; whole entries leave at the front, so parents leave before
//! children. Memory is bounded: by the credit granted for entries, and by the window of payloads asked for or whole.

use std::collections::{BTreeSet, VecDeque};

use crate::fault::StoreError;
use crate::hash::{EntryId, SpaceId};
use crate::identity::Signable;
use crate::limits::{
    CREDIT_BYTES, CREDIT_ENTRIES, PAYLOAD_CHUNK_BYTES_MAX, WANT_BYTES_WINDOW, WANTS_OPEN_MAX, WANTS_PER_FRAME_MAX,
};
use crate::log::{Entry, EntryError, Kind, SignedHeader};
use crate::sync::frame::{Credit, EntryItem, Frame, PayloadChunk};
use crate::sync::view::{Fetching, View};

/// What is received from one peer.
#[derive(Debug)]
pub(super) struct Receiving {
    space: SpaceId,
    line: VecDeque<Slot>,
    /// Number of the slot at the front; slots are numbered in order of arrival.
    front_number: u64,
    /// Number of the first slot whose payload has not been considered for asking.
    ask_number: u64,
    /// Slots whose payloads were asked for and are not whole, in the order of asking.
    asked: VecDeque<u64>,
    asked_bytes: u64,
    /// Bytes of payloads that were asked for, are whole, and wait in line.
    held_bytes: u64,
    /// How far the peer has come with payloads: grows with each that is whole, and with each chunk's worth of bytes.
    payload_progress: u64,
    /// Bytes of payloads that came since that grew.
    payload_bytes: usize,
    /// Entries in line or handed over: known, although not in the log yet.
    under_way: BTreeSet<EntryId>,
    /// Entries handed over and not settled.
    handed_over: Vec<(EntryId, Credit)>,
    /// Entries of this session that were refused, or build on such.
    refused: BTreeSet<EntryId>,
    /// What the peer may still send.
    allowance: Credit,
    /// What was used and is free again, not granted anew yet.
    released: Credit,
    pub(super) counts: ReceivedCounts,
}

/// What came from a peer in a session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReceivedCounts {
    /// Entries that were verified and handed over.
    pub entries: u64,
    /// Entries that were known already.
    pub duplicates: u64,
    /// Entries that were refused on their merits, now or before, or build on such.
    pub refused: u64,
    /// Entries with unknown parents.
    pub unknown_parents: u64,
}

/// An entry in line.
#[derive(Debug)]
struct Slot {
    id: EntryId,
    cost: Credit,
    body: Body,
    /// Bytes that count as held.
    held_bytes: u64,
}

#[derive(Debug)]
enum Body {
    /// The payload has not been asked for.
    Bare(SignedHeader),
    /// The payload has been asked for; this part is here.
    Partial(SignedHeader, Vec<u8>),
    /// Ready to leave.
    Whole(Entry),
    /// Came from elsewhere meanwhile.
    Superfluous,
}

/// What a peer did wrong.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReceiveFault {
    #[error("more entries were sent than had been granted")]
    Credit,
    #[error("an entry of another space was sent")]
    OtherSpace,
    #[error("a payload was sent that had not been asked for, or out of order")]
    Unasked,
    #[error(transparent)]
    Entry(#[from] EntryError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What became of an entry that arrived.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Arrival {
    /// It is in line.
    Taken,
    /// It is known; perhaps the peer's holding it is news.
    Known(EntryId),
    /// It, or what it builds on, was refused before.
    Refused(EntryId),
    /// These of its parents are unknown.
    Early(Vec<EntryId>),
}

impl Slot {
    fn is_ready(&self) -> bool {
        matches!(self.body, Body::Whole(_) | Body::Superfluous)
    }
}

impl Receiving {
    pub(super) fn new(space: SpaceId) -> Receiving {
        Receiving {
            space,
            line: VecDeque::new(),
            front_number: 0,
            ask_number: 0,
            asked: VecDeque::new(),
            asked_bytes: 0,
            held_bytes: 0,
            payload_progress: 0,
            payload_bytes: 0,
            under_way: BTreeSet::new(),
            handed_over: Vec::new(),
            refused: BTreeSet::new(),
            allowance: Credit { entries: CREDIT_ENTRIES, bytes: CREDIT_BYTES },
            released: Credit { entries: 0, bytes: 0 },
            counts: ReceivedCounts::default(),
        }
    }

    /// Says whether an entry has been received and is not in the log yet.
    pub(super) fn is_under_way(&self, id: &EntryId) -> bool {
        self.under_way.contains(id)
    }

    /// Says whether nothing is in line or handed over.
    pub(super) fn is_idle(&self) -> bool {
        self.under_way.is_empty()
    }

    /// Says whether the peer owes us payloads.
    pub(super) fn awaits_payloads(&self) -> bool {
        !self.asked.is_empty()
    }

    /// Returns a number that grows as payloads come: with crumbs, slowly.
    pub(super) fn payload_progress(&self) -> u64 {
        self.payload_progress
    }

    /// Says whether the peer may send entries.
    pub(super) fn has_allowance(&self) -> bool {
        self.allowance.entries > 0 && self.allowance.bytes > CREDIT_BYTES / 4
    }

    /// Counts an arriving entry against the credit, without looking at it further.
    pub(super) fn charge(&mut self, item: &EntryItem) -> Result<Credit, ReceiveFault> {
        let cost = Credit { entries: 1, bytes: u32::try_from(item.wire_bytes()).map_err(|_| ReceiveFault::Credit)? };
        self.allowance = Credit {
            entries: self.allowance.entries.checked_sub(cost.entries).ok_or(ReceiveFault::Credit)?,
            bytes: self.allowance.bytes.checked_sub(cost.bytes).ok_or(ReceiveFault::Credit)?,
        };
        Ok(cost)
    }

    /// Frees what an entry had cost.
    pub(super) fn release(&mut self, cost: Credit) {
        self.released.entries += cost.entries;
        self.released.bytes += cost.bytes;
    }

    /// Puts an arriving entry in line, if it is new and its place is known; checks its signature then.
    pub(super) fn arrive(&mut self, view: &dyn View, item: EntryItem, cost: Credit) -> Result<Arrival, ReceiveFault> {
        let arrival = self.classify(view, &item)?;
        if arrival != Arrival::Taken {
            self.release(cost);
            return Ok(arrival);
        }
        let header = item.header.verify().map_err(EntryError::from)?;
        let id = *header.id();
        let body = match item.payload {
            Some(payload) => Body::Whole(Entry::new(header, payload)?),
            None => Body::Bare(header),
        };
        self.under_way.insert(id);
        self.line.push_back(Slot { id, cost, body, held_bytes: 0 });
        Ok(Arrival::Taken)
    }

    fn classify(&mut self, view: &dyn View, item: &EntryItem) -> Result<Arrival, ReceiveFault> {
        let header = &item.header.value;
        let id = header.id();
        if self.is_under_way(&id) || view.position_of(&id)?.is_some() {
            self.counts.duplicates += 1;
            return Ok(Arrival::Known(id));
        }
        let space = match header.kind {
            Kind::Genesis => SpaceId(id),
            Kind::Data => header.space,
        };
        if space != self.space {
            return Err(ReceiveFault::OtherSpace);
        }
        let mut is_refused = self.is_refused(view, &id)?;
        let mut missing = Vec::new();
        for parent in &header.parents {
            if !self.is_under_way(parent) && view.position_of(parent)?.is_none() {
                is_refused = is_refused || self.is_refused(view, parent)?;
                missing.push(*parent);
            }
        }
        Ok(if is_refused {
            Arrival::Refused(id)
        } else if missing.is_empty() {
            Arrival::Taken
        } else {
            self.counts.unknown_parents += 1;
            Arrival::Early(missing)
        })
    }

    /// Adds a part of a payload; checks the payload once it is whole.
    pub(super) fn add_chunk(&mut self, chunk: &PayloadChunk) -> Result<(), ReceiveFault> {
        let number = *self.asked.front().ok_or(ReceiveFault::Unasked)?;
        let index = usize::try_from(number - self.front_number).expect("the line is short");
        let slot = self.line.get_mut(index).expect("asked slots are in line");
        let Body::Partial(header, payload) = &mut slot.body else { return Err(ReceiveFault::Unasked) };
        let payload_bytes = usize::try_from(header.payload_bytes).expect("usize has 32 bits at least");
        let whole_bytes = payload.len() + chunk.bytes.len();
        let is_next = slot.id == chunk.id && u32::try_from(payload.len()) == Ok(chunk.offset);
        let is_progress = !chunk.bytes.is_empty() || payload_bytes == 0;
        if !is_next || !is_progress || whole_bytes > payload_bytes {
            return Err(ReceiveFault::Unasked);
        }
        payload.extend_from_slice(&chunk.bytes);
        self.payload_bytes += chunk.bytes.len();
        if whole_bytes == payload_bytes || self.payload_bytes >= PAYLOAD_CHUNK_BYTES_MAX {
            self.payload_progress += 1;
            self.payload_bytes = 0;
        }
        if whole_bytes == payload_bytes {
            self.asked.pop_front();
            self.asked_bytes -= u64::from(header.payload_bytes);
            slot.held_bytes = u64::from(header.payload_bytes);
            self.held_bytes += slot.held_bytes;
            let Body::Partial(header, payload) = std::mem::replace(&mut slot.body, Body::Superfluous) else {
                return Err(ReceiveFault::Unasked);
            };
            slot.body = Body::Whole(Entry::new(header, payload)?);
        }
        Ok(())
    }

    /// Asks for the next payloads that the window has room for. What came from elsewhere meanwhile is not asked for; what
    /// is coming from elsewhere is waited for.
    pub(super) fn next_wants(
        &mut self,
        view: &dyn View,
        fetching: &mut dyn Fetching,
    ) -> Result<Option<Frame>, StoreError> {
        let mut ids = Vec::new();
        while ids.len() < WANTS_PER_FRAME_MAX && self.asked.len() < WANTS_OPEN_MAX {
            let index = usize::try_from(self.ask_number - self.front_number).expect("the line is short");
            let Some(slot) = self.line.get_mut(index) else { break };
            if let Body::Bare(header) = &slot.body {
                let payload_bytes = u64::from(header.payload_bytes);
                if view.position_of(&slot.id)?.is_some() {
                    slot.body = Body::Superfluous;
                } else if (self.asked_bytes + self.held_bytes == 0
                    || self.asked_bytes + self.held_bytes + payload_bytes <= WANT_BYTES_WINDOW)
                    && fetching.claim(&slot.id)
                {
                    self.asked_bytes += payload_bytes;
                    self.asked.push_back(self.ask_number);
                    ids.push(slot.id);
                    slot.body = Body::Partial(header.clone(), Vec::new());
                } else {
                    break;
                }
            }
            self.ask_number += 1;
        }
        Ok((!ids.is_empty()).then_some(Frame::Want(ids)))
    }

    /// Says whether the entry at the front of the line can be taken.
    pub(super) fn has_entries(&self) -> bool {
        self.line.front().is_some_and(Slot::is_ready)
    }

    /// Takes whole entries at the front of the line, so many at most.
    pub(super) fn take_entries(&mut self, count_max: usize) -> Vec<Entry> {
        let mut entries = Vec::new();
        while entries.len() < count_max
            && let Some(slot) = self.line.pop_front_if(|slot| slot.is_ready())
        {
            self.held_bytes -= slot.held_bytes;
            self.front_number += 1;
            self.ask_number = self.ask_number.max(self.front_number);
            match slot.body {
                Body::Whole(entry) => {
                    self.handed_over.push((slot.id, slot.cost));
                    self.counts.entries += 1;
                    entries.push(entry);
                }
                _ => {
                    self.under_way.remove(&slot.id);
                    self.release(slot.cost);
                }
            }
        }
        entries
    }

    /// Ends the handing over of entries: frees their credit and returns their ids in the order of arrival.
    pub(super) fn settle(&mut self) -> Vec<EntryId> {
        let handed_over = std::mem::take(&mut self.handed_over);
        for (id, cost) in &handed_over {
            self.under_way.remove(id);
            self.release(*cost);
        }
        handed_over.into_iter().map(|(id, _)| id).collect()
    }

    /// Remembers that an entry was refused, so that what builds on it is not taken for early. Returns how many are.
    pub(super) fn note_refused(&mut self, id: EntryId) -> usize {
        self.refused.insert(id);
        self.counts.refused = self.refused.len() as u64;
        self.refused.len()
    }

    /// Drops what is in line and builds on refused entries, unless its payload is on its way.
    pub(super) fn drop_refused(&mut self) {
        for slot in &mut self.line {
            let header = match &slot.body {
                Body::Bare(header) => header,
                Body::Whole(entry) => entry.header(),
                Body::Partial(..) | Body::Superfluous => continue,
            };
            if header.parents.iter().any(|parent| self.refused.contains(parent)) {
                self.refused.insert(slot.id);
                self.held_bytes -= std::mem::take(&mut slot.held_bytes);
                slot.body = Body::Superfluous;
            }
        }
        self.counts.refused = self.refused.len() as u64;
    }

    /// Says whether an entry was refused, now or before, or builds on such.
    pub(super) fn is_refused(&self, view: &dyn View, id: &EntryId) -> Result<bool, StoreError> {
        Ok(self.refused.contains(id) || view.is_refused(id)?)
    }

    /// Grants anew what is free, once it is worth a frame.
    pub(super) fn next_credit(&mut self) -> Option<Frame> {
        let credit = self.released;
        if credit.entries < CREDIT_ENTRIES / 2 && credit.bytes < CREDIT_BYTES / 2 {
            return None;
        }
        self.released = Credit { entries: 0, bytes: 0 };
        self.allowance.entries += credit.entries;
        self.allowance.bytes += credit.bytes;
        Some(Frame::Credit(credit))
    }
}
