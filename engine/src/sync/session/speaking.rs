//! What a session says next.

use super::{Access, Greeting, Phase, Session, bye};
use crate::causality::Past;
use crate::fault::StoreError;
use crate::limits::HEADS_PER_FRAME_MAX;
use crate::sync::frame::{ByeCode, Frame, Heads, Hello};
use crate::sync::view::{Fetching, View};

impl Session {
    pub(super) fn next_frame(
        &mut self,
        view: &dyn View,
        fetching: &mut dyn Fetching,
    ) -> Result<Option<Frame>, StoreError> {
        if let Some(frame) = self.control.pop_front() {
            return Ok(Some(frame));
        }
        if self.phase != Phase::Running {
            return Ok(None);
        }
        if self.receives() {
            if let Some(frame) = self.receiving.next_wants(view, fetching)? {
                return Ok(Some(frame));
            }
            if let Some(frame) = self.receiving.next_credit() {
                return Ok(Some(frame));
            }
        }
        let offer = self.offer(view);
        let may_send = self.is_peer_willing && self.has_baseline;
        if may_send && let Some(frame) = self.sending.next_entries(view, &offer)? {
            return Ok(Some(frame));
        }
        if let Some(frame) = self.sending.next_chunk(view)? {
            return Ok(Some(frame));
        }
        let is_exhausted = may_send && self.sending.is_exhausted(&offer);
        if is_exhausted && self.dones_due > 0 {
            self.dones_due -= 1;
            return Ok(Some(Frame::Done));
        }
        Ok(self.next_closing(view, &offer, is_exhausted || !may_send))
    }

    /// What is said when there is nothing else to say.
    fn next_closing(&mut self, view: &dyn View, offer: &Past, has_sent_all: bool) -> Option<Frame> {
        if let Access::Farewell { text, .. } = &self.access {
            let is_over = has_sent_all && !self.sending.owes_payloads() && offer.is_within(self.sending.acknowledged());
            if is_over {
                self.close(bye(ByeCode::Farewell, &text.clone()));
            }
            return self.control.pop_front();
        }
        // Heads that are still to be sent would be asked for.
        if self.are_heads_due && has_sent_all && self.access == Access::Full {
            self.are_heads_due = false;
            return Some(Frame::Heads(self.own_heads(view)));
        }
        None
    }

    /// What may be sent to this peer.
    pub(super) fn offer(&self, view: &dyn View) -> Past {
        match self.access {
            Access::Full => view.whole(),
            Access::Farewell { .. } => self.farewell.clone(),
            Access::ReceiveOnly | Access::Refused { .. } => Past::EMPTY,
        }
    }

    pub(super) fn say_hello(&mut self, view: &dyn View) {
        let heads = self.own_heads(view);
        self.greeting = Some(Greeting { ids: heads.ids.clone(), is_whole: self.access != Access::ReceiveOnly });
        self.control.push_back(Frame::Hello(Hello { space: self.space, heads }));
    }

    /// What this side names.
    fn own_heads(&mut self, view: &dyn View) -> Heads {
        let mut ids = match &self.access {
            Access::Full => view.heads(),
            Access::Farewell { offer, .. } => offer.ids().to_vec(),
            Access::ReceiveOnly | Access::Refused { .. } => Vec::new(),
        };
        let is_partial = ids.len() > HEADS_PER_FRAME_MAX;
        ids.truncate(HEADS_PER_FRAME_MAX);
        self.answers_due = (self.answers_due + 1).min(2);
        Heads { ids, is_partial }
    }
}
