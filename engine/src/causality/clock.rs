//! Clocks of entries, as stored: the difference from the clock before it in the chain, or all of it.
//!
//! The clock of an entry is the [`Past`] that it stands for, itself included. Its own chain's component is its
//! place and is not stored. Bytes: `0` (difference) or `1` (keyframe), then per component the chain (as the
//! distance from the previous one) and the sequence number, both as varints. Local format: never sent.

use std::ops::ControlFlow;

use crate::causality::past::Past;
use crate::causality::store::ClockStore;
use crate::codec::{Reader, write_varint};
use crate::fault::StoreError;
use crate::limits::{KEYFRAME_BYTES_LARGE, KEYFRAME_PERIOD, KEYFRAME_PERIOD_LARGE};
use crate::log::Pos;

const DIFFERENCE: u8 = 0;
const KEYFRAME: u8 = 1;

/// Encodes the clock of the entry at `pos`.
///
/// * `before` - the clock of the entry before it in its chain; empty for the first.
pub(super) fn encode_clock(pos: Pos, clock: &Past, before: &Past) -> Vec<u8> {
    if (pos.sequence() - 1).is_multiple_of(KEYFRAME_PERIOD) {
        let full = encode_components(KEYFRAME, pos, clock.tops().iter().copied());
        if full.len() <= KEYFRAME_BYTES_LARGE || (pos.sequence() - 1).is_multiple_of(KEYFRAME_PERIOD_LARGE) {
            return full;
        }
    }
    let mut old = before.tops().iter().copied().peekable();
    let changed = clock.tops().iter().copied().filter(|top| {
        while old.next_if(|o| o.chain() < top.chain()).is_some() {}
        old.next_if(|o| o.chain() == top.chain()) != Some(*top)
    });
    encode_components(DIFFERENCE, pos, changed)
}

/// Reads the whole clock of the entry at `pos`.
pub(super) fn read_clock(store: &impl ClockStore, pos: Pos) -> Result<Past, StoreError> {
    // Components only grow along a chain: walking down, the first one seen of each chain is the one that counts.
    let mut tops: Vec<Pos> = Vec::new();
    let found = store.visit_clocks(pos, |bytes| match decode_components(bytes) {
        Err(e) => ControlFlow::Break(Err(e)),
        Ok((is_keyframe, components)) => {
            tops.extend(components);
            if is_keyframe { ControlFlow::Break(Ok(())) } else { ControlFlow::Continue(()) }
        }
    })?;
    found.unwrap_or_else(|| Err(no_keyframe(pos)))?;
    tops.push(pos);
    tops.sort_unstable_by(|a, b| b.cmp(a));
    tops.dedup_by_key(|top| top.chain());
    tops.reverse();
    Ok(Past::from_tops(tops))
}

/// Reads one component of the clock of the entry at `pos`; stops at the first clock that tells it.
pub(super) fn read_component(store: &impl ClockStore, pos: Pos, chain: u32) -> Result<u64, StoreError> {
    if pos.chain() == chain {
        return Ok(pos.sequence());
    }
    let found = store.visit_clocks(pos, |bytes| match find_component(bytes, chain) {
        Err(e) => ControlFlow::Break(Err(e)),
        Ok((_, Some(sequence))) => ControlFlow::Break(Ok(sequence)),
        Ok((true, None)) => ControlFlow::Break(Ok(0)),
        Ok((false, None)) => ControlFlow::Continue(()),
    })?;
    found.unwrap_or_else(|| Err(no_keyframe(pos)))
}

fn encode_components(kind: u8, pos: Pos, components: impl Iterator<Item = Pos>) -> Vec<u8> {
    let mut bytes = vec![kind];
    let mut chain_before = 0;
    for top in components.filter(|top| top.chain() != pos.chain()) {
        write_varint(&mut bytes, u64::from(top.chain() - chain_before));
        write_varint(&mut bytes, top.sequence());
        chain_before = top.chain();
    }
    bytes
}

fn decode_components(bytes: &[u8]) -> Result<(bool, Vec<Pos>), StoreError> {
    let (is_keyframe, mut walk) = Components::of(bytes)?;
    let mut components = Vec::new();
    while let Some(top) = walk.next()? {
        components.push(top);
    }
    Ok((is_keyframe, components))
}

fn find_component(bytes: &[u8], chain: u32) -> Result<(bool, Option<u64>), StoreError> {
    let (is_keyframe, mut walk) = Components::of(bytes)?;
    while let Some(top) = walk.next()? {
        if top.chain() >= chain {
            return Ok((is_keyframe, (top.chain() == chain).then_some(top.sequence())));
        }
    }
    Ok((is_keyframe, None))
}

/// The components of one encoded clock, one after the other.
struct Components<'b> {
    reader: Reader<'b>,
    bytes_count: usize,
    chain: u64,
}

impl<'b> Components<'b> {
    fn of(bytes: &'b [u8]) -> Result<(bool, Components<'b>), StoreError> {
        let is_keyframe = match bytes.first() {
            Some(&DIFFERENCE) => false,
            Some(&KEYFRAME) => true,
            _ => return Err(damaged()),
        };
        let mut reader = Reader::new(bytes);
        reader.u8().map_err(|_| damaged())?;
        Ok((is_keyframe, Components { reader, bytes_count: bytes.len(), chain: 0 }))
    }

    fn next(&mut self) -> Result<Option<Pos>, StoreError> {
        if self.reader.offset() == self.bytes_count {
            return Ok(None);
        }
        let distance = self.reader.varint().map_err(|_| damaged())?;
        let sequence = self.reader.varint().map_err(|_| damaged())?;
        self.chain = self.chain.checked_add(distance).ok_or_else(damaged)?;
        let chain = u32::try_from(self.chain).map_err(|_| damaged())?;
        Pos::new(chain, sequence).map(Some).ok_or_else(damaged)
    }
}

fn damaged() -> StoreError {
    StoreError::corrupt("a clock does not decode")
}

fn no_keyframe(pos: Pos) -> StoreError {
    StoreError::corrupt(format!("chain {} has no keyframe at or before {}", pos.chain(), pos.sequence()))
}
