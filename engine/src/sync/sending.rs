//! The sending half of a session: a lazy walk through what the peer lacks, within its credit, and the payloads it wants.

use std::collections::VecDeque;

use crate::causality::{Difference, Past, Pos};
use crate::fault::StoreError;
use crate::hash::EntryId;
use crate::identity::Unverified;
use crate::limits::{
    CREDIT_BYTES, CREDIT_ENTRIES, CREDIT_GRANTED_MAX, ENTRIES_FRAME_BYTES_TARGET, ENTRIES_PER_FRAME_MAX,
    INLINE_PAYLOAD_BYTES_MAX, PAYLOAD_CHUNK_BYTES_MAX, WANTS_OPEN_MAX,
};
use crate::log::Header;
use crate::sync::frame::{Credit, EntryItem, Frame, PayloadChunk};
use crate::sync::view::View;

/// What is sent to one peer.
#[derive(Debug)]
pub(super) struct Sending {
    /// What the peer certainly holds, or has been sent. A downward-closed set.
    known: Past,
    /// What the peer said that it holds: the part of `known` that does not rest on our own sending or on a locator.
    acknowledged: Past,
    /// The walk under way, and where it leads.
    walk: Option<(Difference, Past)>,
    /// An entry taken from the walk that the credit did not suffice for.
    held_back: Option<EntryItem>,
    credit: Credit,
    wanted: VecDeque<Wanted>,
    /// Entries sent so far.
    pub(super) sent_count: u64,
}

/// A payload that the peer asked for.
#[derive(Debug)]
struct Wanted {
    id: EntryId,
    pos: Pos,
    offset: u32,
    payload_bytes: u32,
}

/// More was asked for than may be open at a time.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooMuch;

impl Sending {
    pub(super) fn new() -> Sending {
        Sending {
            known: Past::EMPTY,
            acknowledged: Past::EMPTY,
            walk: None,
            held_back: None,
            credit: Credit { entries: CREDIT_ENTRIES, bytes: CREDIT_BYTES },
            wanted: VecDeque::new(),
            sent_count: 0,
        }
    }

    /// Notes that the peer holds the entry at `pos`, and so its past.
    pub(super) fn learn(&mut self, view: &dyn View, pos: Pos) -> Result<(), StoreError> {
        if !self.acknowledged.contains(pos) {
            let clock = view.clock(pos)?;
            self.acknowledged = self.acknowledged.join(&clock);
            self.known = self.known.join(&clock);
        }
        Ok(())
    }

    /// What the peer certainly holds, or has been sent.
    pub(super) fn known(&self) -> &Past {
        &self.known
    }

    /// What the peer said that it holds.
    pub(super) fn acknowledged(&self) -> &Past {
        &self.acknowledged
    }

    /// Takes over a better bound of what the peer holds, and walks again from there.
    pub(super) fn restart_from(&mut self, known: Past) {
        self.known = known;
        self.stop_walk();
    }

    /// Forgets where the walk leads: what may be sent has changed.
    pub(super) fn stop_walk(&mut self) {
        self.walk = None;
        self.held_back = None;
    }

    /// Drops what was asked for and may no longer be sent.
    pub(super) fn keep_wanted_within(&mut self, offer: &Past) {
        self.wanted.retain(|wanted| offer.contains(wanted.pos));
    }

    pub(super) fn add_credit(&mut self, granted: Credit) -> Result<(), TooMuch> {
        let add = |old: u32, new: u32| old.checked_add(new).filter(|sum| *sum <= CREDIT_GRANTED_MAX).ok_or(TooMuch);
        self.credit = Credit {
            entries: add(self.credit.entries, granted.entries)?,
            bytes: add(self.credit.bytes, granted.bytes)?,
        };
        Ok(())
    }

    pub(super) fn want(&mut self, id: EntryId, pos: Pos, payload_bytes: u32) -> Result<(), TooMuch> {
        if self.wanted.len() == WANTS_OPEN_MAX {
            return Err(TooMuch);
        }
        self.wanted.push_back(Wanted { id, pos, offset: 0, payload_bytes });
        Ok(())
    }

    /// Says whether everything of `offer` has been sent or is known to the peer.
    pub(super) fn is_exhausted(&self, offer: &Past) -> bool {
        self.walk.is_none() && self.held_back.is_none() && offer.is_within(&self.known)
    }

    /// Says whether payloads are still owed.
    pub(super) fn owes_payloads(&self) -> bool {
        !self.wanted.is_empty()
    }

    /// The next entries of `offer` that the peer lacks, as far as its credit goes.
    pub(super) fn next_entries(&mut self, view: &dyn View, offer: &Past) -> Result<Option<Frame>, StoreError> {
        let mut items = Vec::new();
        let mut frame_bytes = 0;
        while items.len() < ENTRIES_PER_FRAME_MAX && frame_bytes < ENTRIES_FRAME_BYTES_TARGET && self.credit.entries > 0
        {
            let Some(item) = self.next_item(view, offer)? else { break };
            let cost = item.wire_bytes();
            let Some(bytes_left) = u32::try_from(cost).ok().and_then(|cost| self.credit.bytes.checked_sub(cost)) else {
                self.held_back = Some(item);
                break;
            };
            self.credit = Credit { entries: self.credit.entries - 1, bytes: bytes_left };
            frame_bytes += cost;
            self.sent_count += 1;
            items.push(item);
        }
        Ok((!items.is_empty()).then_some(Frame::Entries(items)))
    }

    /// The next part of the payload that was asked for first.
    pub(super) fn next_chunk(&mut self, view: &dyn View) -> Result<Option<Frame>, StoreError> {
        let Some(wanted) = self.wanted.front_mut() else { return Ok(None) };
        let chunk_bytes_max = u32::try_from(PAYLOAD_CHUNK_BYTES_MAX).expect("a chunk is far below 4 GiB");
        let count = (wanted.payload_bytes - wanted.offset).min(chunk_bytes_max);
        let bytes = view.payload_slice(wanted.pos, wanted.offset, count)?;
        let chunk = PayloadChunk { id: wanted.id, offset: wanted.offset, bytes };
        wanted.offset += count;
        if wanted.offset == wanted.payload_bytes {
            self.wanted.pop_front();
        }
        Ok(Some(Frame::Payload(chunk)))
    }

    fn next_item(&mut self, view: &dyn View, offer: &Past) -> Result<Option<EntryItem>, StoreError> {
        if let Some(item) = self.held_back.take() {
            return Ok(Some(item));
        }
        loop {
            if self.walk.is_none() {
                if offer.is_within(&self.known) {
                    return Ok(None);
                }
                self.walk = Some((view.difference(offer, &self.known), offer.clone()));
            }
            let (walk, target) = self.walk.as_mut().expect("it was made just now");
            match view.next_of(walk)? {
                // The peer may have named it meanwhile.
                Some(pos) if self.known.contains(pos) => {}
                Some(pos) => return item_at(view, pos).map(Some),
                None => {
                    self.known = self.known.join(target);
                    self.walk = None;
                }
            }
        }
    }
}

fn item_at(view: &dyn View, pos: Pos) -> Result<EntryItem, StoreError> {
    let signed = view.header(pos)?;
    let is_inline = usize::try_from(signed.payload_bytes).is_ok_and(|bytes| bytes <= INLINE_PAYLOAD_BYTES_MAX);
    let payload = if is_inline { Some(view.payload_slice(pos, 0, signed.payload_bytes)?) } else { None };
    let signature = *signed.signature();
    let header = Header::clone(&signed);
    Ok(EntryItem { header: Unverified { value: header, signature }, payload })
}
