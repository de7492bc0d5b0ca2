//! What a session makes of the frames it hears.

use super::{Greeting, Phase, Pull, Role, Session, SessionEvent, bye};
use crate::fault::StoreError;
use crate::hash::EntryId;
use crate::limits::{HEADS_PER_FRAME_MAX, REFUSED_PER_SESSION_MAX, UNKNOWN_PARENT_COUNT_MAX};
use crate::sync::frame::{Bye, ByeCode, EntryItem, Frame, FrameError, Heads, Hello};
use crate::sync::locator::{locator, read_locator};
use crate::sync::receiving::{Arrival, ReceiveFault};
use crate::sync::sending::TooMuch;
use crate::sync::view::View;

/// Why a session cannot go on. Store errors go to the caller, everything else to the peer.
pub(super) enum Stop {
    Bye(Bye),
    Store(StoreError),
}

impl Session {
    pub(super) fn take_frame(&mut self, frame: Frame, view: &dyn View) -> Result<(), Stop> {
        match (self.phase, frame) {
            (_, Frame::Bye(bye)) => {
                self.phase = Phase::Closed;
                self.is_closed_by_peer = true;
                self.control.clear();
                self.events.push(SessionEvent::Closed { bye, is_by_peer: true });
                Ok(())
            }
            (Phase::AwaitingHello, Frame::Hello(hello)) => self.take_hello(hello, view),
            (Phase::AwaitingHello, frame) => Err(out_of_place(&frame)),
            (_, Frame::Locator(prefixes)) => self.take_locator(&prefixes, view),
            (_, Frame::Have) => self.take_have(view),
            (_, Frame::Want(ids)) => self.take_want(&ids, view),
            (_, Frame::Credit(credit)) => Ok(self.sending.add_credit(credit)?),
            (_, Frame::Missing(_)) if !self.is_restarted => {
                self.restart();
                Ok(())
            }
            // After access was lost, what is still on its way is not looked at.
            (_, Frame::Entries(_) | Frame::Payload(_) | Frame::Done) if !self.receives() => Ok(()),
            (_, Frame::Entries(items)) => items.into_iter().try_for_each(|item| self.take_item(item, view)),
            (_, Frame::Payload(chunk)) => Ok(self.receiving.add_chunk(&chunk)?),
            (_, Frame::Heads(heads)) => self.take_heads(heads, view),
            (_, Frame::Done) => self.take_done(view),
            (_, frame @ (Frame::Hello(_) | Frame::Missing(_))) => Err(out_of_place(&frame)),
        }
    }

    fn take_hello(&mut self, hello: Hello, view: &dyn View) -> Result<(), Stop> {
        if hello.space != self.space {
            return Err(Stop::Bye(bye(ByeCode::WrongSpace, "another space is synced here")));
        }
        self.phase = Phase::Running;
        self.events.push(SessionEvent::Opened);
        if self.role == Role::Listener {
            self.say_hello(view);
        }
        self.learn_heads(hello.heads, view)?;
        if !self.receives() {
            return Ok(());
        }
        if self.peer_heads.is_partial || !self.lacking(view)?.is_empty() {
            self.pull(view)?;
        } else {
            self.control.push_back(Frame::Have);
            self.events.push(SessionEvent::InStep);
        }
        Ok(())
    }

    fn take_heads(&mut self, heads: Heads, view: &dyn View) -> Result<(), Stop> {
        self.learn_heads(heads, view)?;
        let may_pull = self.receives() && self.pull == Pull::Idle;
        if may_pull && (self.peer_heads.is_partial || !self.lacking(view)?.is_empty()) {
            self.pull(view)?;
        }
        Ok(())
    }

    fn learn_heads(&mut self, heads: Heads, view: &dyn View) -> Result<(), StoreError> {
        for id in &heads.ids {
            if let Some(pos) = view.position_of(id)? {
                self.sending.learn(view, pos)?;
            }
        }
        self.peer_heads = heads;
        Ok(())
    }

    /// Asks for what the peer has named and we lack.
    fn pull(&mut self, view: &dyn View) -> Result<(), StoreError> {
        self.control.push_back(Frame::Locator(locator(view)?));
        self.pull = Pull::Requested(1);
        Ok(())
    }

    /// What the peer has named that is neither here, nor coming, nor refused.
    pub(super) fn lacking(&self, view: &dyn View) -> Result<Vec<EntryId>, StoreError> {
        let mut lacking = Vec::new();
        for id in &self.peer_heads.ids {
            let is_here = self.receiving.is_under_way(id) || view.position_of(id)?.is_some();
            if !is_here && !self.receiving.is_refused(view, id)? {
                lacking.push(*id);
            }
        }
        Ok(lacking)
    }

    fn take_locator(&mut self, prefixes: &[u64], view: &dyn View) -> Result<(), Stop> {
        self.take_answer()?;
        let known = read_locator(view, prefixes, self.sending.known().clone())?;
        self.sending.restart_from(known);
        self.has_baseline = true;
        self.dones_due += 1;
        Ok(())
    }

    /// Only HELLO is answered so; what was named since is not meant.
    fn take_have(&mut self, view: &dyn View) -> Result<(), Stop> {
        let greeting = self.take_answer()?.ok_or_else(|| protocol("HAVE answers nothing"))?;
        for id in greeting.ids {
            if let Some(pos) = view.position_of(&id)? {
                self.sending.learn(view, pos)?;
            }
        }
        self.has_baseline |= greeting.is_whole;
        Ok(self.review(view)?)
    }

    /// A peer answers HELLO once, and HEADS perhaps. Returns what HELLO named, if that is answered.
    fn take_answer(&mut self) -> Result<Option<Greeting>, Stop> {
        self.answers_due = self.answers_due.checked_sub(1).ok_or_else(|| protocol("an answer to nothing"))?;
        self.is_peer_willing = true;
        Ok(self.greeting.take())
    }

    fn take_want(&mut self, ids: &[EntryId], view: &dyn View) -> Result<(), Stop> {
        let offer = self.offer(view);
        for id in ids {
            let pos =
                view.position_of(id)?.ok_or_else(|| protocol("a payload was asked for that was not announced"))?;
            if offer.contains(pos) {
                self.sending.want(*id, pos, view.header(pos)?.payload_bytes)?;
            }
        }
        Ok(())
    }

    /// The peer lacks parents that its locator made us believe it holds: begin anew from what is certain.
    fn restart(&mut self) {
        self.is_restarted = true;
        if self.dones_due > 0 {
            self.control.push_back(Frame::Done);
        } else {
            self.dones_due = 1;
        }
        self.sending.restart_from(self.sending.acknowledged().clone());
    }

    fn take_item(&mut self, item: EntryItem, view: &dyn View) -> Result<(), Stop> {
        let cost = self.receiving.charge(&item)?;
        match self.receiving.arrive(view, item, cost)? {
            Arrival::Taken => {}
            Arrival::Known(id) => {
                if let Some(pos) = view.position_of(&id)? {
                    self.sending.learn(view, pos)?;
                }
            }
            Arrival::Refused(id) => self.note_refused(id),
            Arrival::Early(missing) => self.take_early(missing)?,
        }
        Ok(())
    }

    fn take_early(&mut self, mut missing: Vec<EntryId>) -> Result<(), Stop> {
        if self.receiving.counts.unknown_parents > UNKNOWN_PARENT_COUNT_MAX {
            return Err(protocol("entries came before their parents"));
        }
        if !self.is_missing_told {
            missing.truncate(HEADS_PER_FRAME_MAX);
            self.tell_missing(missing);
        }
        Ok(())
    }

    /// Says that entries are missing although all has been sent that seemed to be: the locator misled the peer. Once;
    /// then the peer withholds them.
    pub(super) fn tell_missing(&mut self, missing: Vec<EntryId>) {
        if self.is_missing_told {
            self.close(bye(ByeCode::Withheld, "entries were announced and not sent"));
            return;
        }
        self.is_missing_told = true;
        self.control.push_back(Frame::Missing(missing));
        self.pull = match self.pull {
            Pull::Requested(dones) => Pull::Requested(dones + 1),
            Pull::Idle | Pull::Ending => Pull::Requested(1),
        };
    }

    fn take_done(&mut self, view: &dyn View) -> Result<(), Stop> {
        match self.pull {
            Pull::Requested(1) => self.pull = Pull::Ending,
            Pull::Requested(dones) => self.pull = Pull::Requested(dones - 1),
            Pull::Idle | Pull::Ending => return Err(out_of_place(&Frame::Done)),
        }
        Ok(self.review(view)?)
    }

    pub(super) fn note_refused(&mut self, id: EntryId) {
        if self.receiving.note_refused(id) > REFUSED_PER_SESSION_MAX {
            self.close(bye(ByeCode::BadEntry, "too many entries are refused here"));
        }
    }
}

fn protocol(text: &str) -> Stop {
    Stop::Bye(bye(ByeCode::Protocol, text))
}

fn out_of_place(frame: &Frame) -> Stop {
    protocol(&format!("{} is out of place", frame.name()))
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Stop {
        Stop::Store(error)
    }
}

impl From<TooMuch> for Stop {
    fn from(_: TooMuch) -> Stop {
        Stop::Bye(bye(ByeCode::Protocol, "more was asked for or granted than can be"))
    }
}

impl From<FrameError> for Stop {
    fn from(error: FrameError) -> Stop {
        let code = match error {
            FrameError::Version { .. } => ByeCode::Version,
            FrameError::Header(_) => ByeCode::BadEntry,
            FrameError::Length { .. } | FrameError::Kind { .. } | FrameError::Body { .. } => ByeCode::Protocol,
        };
        Stop::Bye(bye(code, &error.to_string()))
    }
}

impl From<ReceiveFault> for Stop {
    fn from(fault: ReceiveFault) -> Stop {
        let code = match fault {
            ReceiveFault::Store(error) => return Stop::Store(error),
            ReceiveFault::Credit => ByeCode::Credit,
            ReceiveFault::OtherSpace | ReceiveFault::Entry(_) => ByeCode::BadEntry,
            ReceiveFault::Unasked => ByeCode::Protocol,
        };
        Stop::Bye(bye(code, &fault.to_string()))
    }
}
