//! The connection between two replicas: a session at each end, and the bytes that are under way.

use std::collections::VecDeque;

use treaty_engine::replica::Replica;
use treaty_engine::sync::{Access, Alone, LogView, Role, Session, SessionEvent};

use super::failure::{Failure, Result};

/// A connection. Bytes come in order, perhaps late, perhaps damaged; or it is cut, and what was under way is lost.
pub(super) struct Link {
    /// The replicas.
    pub ends: [usize; 2],
    pub sessions: [Session; 2],
    /// What each end has written and the other has not read.
    pub wires: [VecDeque<u8>; 2],
    /// Whether bytes were damaged: then a session may end, and rightly.
    pub is_damaged: bool,
}

impl Link {
    /// The first end dials the second.
    pub(super) fn open(ends: [usize; 2], replicas: [&Replica; 2]) -> Result<Link> {
        let open = |replica: &Replica, role| {
            Session::open(replica.space(), role, Access::Full, &view_of(replica))
                .map_err(Failure::of("opening a session"))
        };
        let sessions = [open(replicas[0], Role::Dialler)?, open(replicas[1], Role::Listener)?];
        Ok(Link { ends, sessions, wires: [VecDeque::new(), VecDeque::new()], is_damaged: false })
    }

    /// Lets an end write. Returns how many bytes.
    pub(super) fn write(&mut self, side: usize, replica: &Replica, bytes_max: usize) -> Result<usize> {
        let bytes = self.sessions[side]
            .output(bytes_max, &view_of(replica), &mut Alone)
            .map_err(Failure::of("writing in a session"))?;
        self.wires[side].extend(&bytes);
        Ok(bytes.len())
    }

    /// Lets an end read; entries are to be taken from its session then, and settled. Returns how many bytes.
    pub(super) fn read(&mut self, side: usize, replica: &Replica, bytes_max: usize, now_ms: u64) -> Result<usize> {
        let wire = &mut self.wires[1 - side];
        let bytes: Vec<u8> = wire.drain(..bytes_max.min(wire.len())).collect();
        if !bytes.is_empty() {
            self.sessions[side]
                .receive(&bytes, now_ms, &view_of(replica))
                .map_err(Failure::of("reading in a session"))?;
        }
        Ok(bytes.len())
    }

    /// Tells an end that the entries taken were ingested.
    pub(super) fn settle(&mut self, side: usize, replica: &Replica) -> Result<()> {
        self.sessions[side].settle(&view_of(replica)).map_err(Failure::of("settling a session"))
    }

    /// Damages one byte that is under way.
    pub(super) fn damage(&mut self, side: usize, at: usize) {
        let wire = &mut self.wires[side];
        if !wire.is_empty() {
            let at = at % wire.len();
            wire[at] ^= 1 << (at % 8);
            self.is_damaged = true;
        }
    }

    /// Whether an end has ended it; then why, if nothing excuses it.
    pub(super) fn end(&mut self) -> Option<Option<String>> {
        let mut ended = None;
        for side in 0..2 {
            for event in self.sessions[side].take_events() {
                if let SessionEvent::Closed { bye, .. } = event {
                    ended = Some(format!("node {} ends it: {:?}, {}", self.ends[side], bye.code, bye.text));
                }
            }
        }
        ended.map(|text| (!self.is_damaged).then_some(text))
    }
}

fn view_of(replica: &Replica) -> LogView<'_, treaty_engine::store::Sqlite> {
    LogView { store: replica.store(), index: replica.index() }
}
