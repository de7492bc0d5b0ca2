//! What the peer owes, and how long it is waited for.
//!
//! A peer that owes something and sends no byte is gone. One that sends bytes may be slow, or busy with a large
//! transaction; but what it owes must come some time, crumb by crumb does not do. Nothing is owed that waits for this side.

use super::{Access, Phase, Pull, Role, Session, bye};
use crate::limits::{PATIENCE_MS, STALL_MS};
use crate::sync::frame::{ByeCode, Frame};

/// Since when a peer that owes something has been silent, and since when it has brought nothing of it.
#[derive(Debug, Default)]
pub(super) struct Patience {
    silent_since_ms: Option<u64>,
    fruitless_since_ms: Option<u64>,
}

impl Patience {
    /// Notes that bytes came.
    pub(super) fn hear(&mut self, now_ms: u64) {
        self.silent_since_ms = self.silent_since_ms.map(|_| now_ms);
    }

    /// Notes that something came that was owed.
    pub(super) fn renew(&mut self, now_ms: u64) {
        self.fruitless_since_ms = self.fruitless_since_ms.map(|_| now_ms);
    }

    /// Takes note of the time, and of whether something is owed. Returns for how long the peer has been silent, and has
    /// brought nothing.
    fn tick(&mut self, now_ms: u64, is_owed: bool) -> (u64, u64) {
        let since = |since_ms: &mut Option<u64>| {
            *since_ms = is_owed.then(|| since_ms.unwrap_or(now_ms));
            since_ms.map_or(0, |since_ms| now_ms.saturating_sub(since_ms))
        };
        (since(&mut self.silent_since_ms), since(&mut self.fruitless_since_ms))
    }
}

impl Session {
    /// Ends the session if the peer has owed something for too long. Call about once a second.
    ///
    /// * `now_ms` - of a clock that stands still while this side does not listen: what has come and was not looked at yet is
    ///   not late. The same as for [`Session::receive`].
    pub fn tick(&mut self, now_ms: u64) {
        let (silent_ms, fruitless_ms) = self.patience.tick(now_ms, self.is_owed());
        // Who listens may be busy before it has said a word, and holds nothing of ours. Who dials speaks at once.
        let is_answer_awaited = self.phase == Phase::AwaitingHello && self.role == Role::Dialler;
        let is_silent = silent_ms > STALL_MS && !is_answer_awaited;
        if is_silent || fruitless_ms > PATIENCE_MS {
            self.close(match &self.access {
                Access::Farewell { text, .. } => bye(ByeCode::Farewell, text),
                _ => bye(ByeCode::Stalled, "nothing came for too long"),
            });
        }
    }

    fn is_owed(&self) -> bool {
        match self.phase {
            Phase::AwaitingHello => true,
            Phase::Closed => false,
            Phase::Running => {
                self.receiving.awaits_payloads()
                    || (matches!(self.pull, Pull::Requested(_)) && self.receiving.has_allowance())
                    || matches!(self.access, Access::Farewell { .. })
            }
        }
    }

    /// Says whether a frame is something that is waited for. Where payloads are, entries are not: they only add to what
    /// waits for those.
    pub(super) fn is_due(&self, frame: &Frame) -> bool {
        match frame {
            Frame::Hello(_) | Frame::Done => true,
            Frame::Entries(items) => !items.is_empty() && !self.receiving.awaits_payloads(),
            Frame::Locator(_)
            | Frame::Have
            | Frame::Want(_)
            | Frame::Payload(_)
            | Frame::Credit(_)
            | Frame::Heads(_)
            | Frame::Missing(_)
            | Frame::Bye(_) => false,
        }
    }
}
