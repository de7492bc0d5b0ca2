//! Whom to dial, and when again.

use std::collections::{BTreeMap, BTreeSet};

use treaty_engine::identity::Identity;

use super::event::{Command, HubEvent, TargetId};
use super::peers::PeerStatus;
use crate::discovery::Target;
use crate::limits::{REDIAL_MS_MAX, REDIAL_MS_MIN, TARGETS_MAX};

/// The peers that this node keeps connections with, from its side.
pub(super) struct Targets {
    own: Identity,
    by_id: BTreeMap<TargetId, Dialled>,
    next_id: u64,
}

struct Dialled {
    target: Target,
    /// Who answered last, where it was not known before. Another may answer at the same address tomorrow.
    answered: Option<Identity>,
    /// Attempts since the last that led to a session in step.
    attempt_count: u32,
    /// Sessions since the last that did not end with a refusal. A node that was dismissed is brought into step each time before
    /// it is sent away.
    refusal_count: u32,
    /// Whether the session that stands has ended with one.
    is_refused: bool,
    state: State,
    last_failure: Option<String>,
}

enum State {
    /// Dial at this time.
    Waiting {
        until_ms: u64,
    },
    Dialling,
    Linked,
}

impl Targets {
    pub(super) fn new(own: Identity) -> Targets {
        Targets { own, by_id: BTreeMap::new(), next_id: 0 }
    }

    /// Adds a peer, unless it is the node itself, known already, or one too many.
    pub(super) fn add(&mut self, target: Target) {
        let is_known = self.by_id.values().any(|dialled| {
            dialled.target == target || (target.identity.is_some() && dialled.target.identity == target.identity)
        });
        let is_self = target.identity == Some(self.own);
        if is_known || is_self || target.addresses.is_empty() || self.by_id.len() >= TARGETS_MAX {
            return;
        }
        let dialled = Dialled {
            target,
            answered: None,
            attempt_count: 0,
            refusal_count: 0,
            is_refused: false,
            state: State::Waiting { until_ms: 0 },
            last_failure: None,
        };
        self.by_id.insert(TargetId(self.next_id), dialled);
        self.next_id += 1;
    }

    /// Dials who is due and not connected.
    pub(super) fn dial(&mut self, now_ms: u64, connected: &BTreeSet<Identity>, commands: &mut Vec<Command>) {
        for (id, dialled) in &mut self.by_id {
            let is_due = matches!(dialled.state, State::Waiting { until_ms } if until_ms <= now_ms);
            let peer = dialled.target.identity.or(dialled.answered);
            let is_needless = peer.is_some_and(|peer| peer == self.own || connected.contains(&peer));
            if is_due && !is_needless {
                dialled.state = State::Dialling;
                let (address, expected) = (dialled.address(), dialled.target.identity);
                commands.push(Command::Dial { target: *id, address, expected });
            }
        }
    }

    /// Notes that a connection stands, and with whom.
    pub(super) fn link(&mut self, id: TargetId, identity: Identity) {
        if let Some(dialled) = self.by_id.get_mut(&id) {
            dialled.state = State::Linked;
            dialled.answered = Some(identity);
            dialled.last_failure = None;
        }
    }

    /// Notes that the peer is reached as it should be.
    pub(super) fn succeed(&mut self, id: TargetId) {
        if let Some(dialled) = self.by_id.get_mut(&id) {
            dialled.attempt_count = 0;
        }
    }

    /// Notes that one of the two does not let the other sync.
    pub(super) fn refuse(&mut self, id: TargetId) {
        if let Some(dialled) = self.by_id.get_mut(&id) {
            dialled.is_refused = true;
        }
    }

    /// Notes that a connection is no more.
    pub(super) fn unlink(&mut self, id: TargetId, now_ms: u64) {
        if let Some(dialled) = self.by_id.get_mut(&id) {
            let is_refused = std::mem::take(&mut dialled.is_refused);
            dialled.refusal_count = if is_refused { dialled.refusal_count.saturating_add(1) } else { 0 };
            dialled.wait(now_ms);
        }
    }

    /// Notes that nobody answered. Reports it when it is news.
    pub(super) fn fail(&mut self, id: TargetId, reason: String, now_ms: u64) -> Option<HubEvent> {
        let dialled = self.by_id.get_mut(&id)?;
        let (identity, address) = (dialled.target.identity, dialled.address());
        dialled.wait(now_ms);
        let is_news = dialled.last_failure.as_ref() != Some(&reason);
        dialled.last_failure = Some(reason.clone());
        is_news.then_some(HubEvent::Unreachable { identity, address, reason })
    }

    /// Those that have never answered, by what is known of them.
    pub(super) fn unanswered(&self) -> Vec<PeerStatus> {
        let unanswered = self.by_id.values().filter(|dialled| dialled.last_failure.is_some());
        unanswered.map(|dialled| PeerStatus::unreached(&dialled.target, dialled.last_failure.clone())).collect()
    }
}

impl Dialled {
    /// The address of this attempt.
    fn address(&self) -> String {
        let turn = usize::try_from(self.attempt_count).unwrap_or(0) % self.target.addresses.len();
        self.target.addresses[turn].clone()
    }

    fn wait(&mut self, now_ms: u64) {
        let doubled = REDIAL_MS_MIN << self.attempt_count.max(self.refusal_count).min(16);
        let delay_ms = doubled.min(REDIAL_MS_MAX);
        // Spread over a quarter, so that many nodes do not return at once.
        let peer = self.target.identity.or(self.answered);
        let spread_ms = peer.map_or(0, |peer| u64::from(peer.key[0]) * delay_ms / 1024);
        self.attempt_count = self.attempt_count.saturating_add(1);
        self.state = State::Waiting { until_ms: now_ms + delay_ms - spread_ms };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The next time to dial again, after a session that came into step.
    fn wait_after(targets: &mut Targets, is_refused: bool) -> u64 {
        let (id, peer) = (TargetId(0), Identity { suite: treaty_engine::identity::Suite::Ed25519, key: [0; 32] });
        targets.link(id, peer);
        targets.succeed(id);
        if is_refused {
            targets.refuse(id);
        }
        targets.unlink(id, 0);
        match targets.by_id[&id].state {
            State::Waiting { until_ms } => until_ms,
            State::Dialling | State::Linked => 0,
        }
    }

    // A dismissed member dialled four times a second for ever: each session brought it into step before it was refused.
    #[test]
    fn who_is_refused_waits_longer_each_time_though_it_was_in_step() {
        let mut targets = Targets::new(Identity { suite: treaty_engine::identity::Suite::Ed25519, key: [1; 32] });
        targets.add(Target { identity: None, addresses: vec!["there:1".to_owned()] });
        assert_eq!(wait_after(&mut targets, false), REDIAL_MS_MIN);
        let waits: Vec<u64> = (0..8).map(|_| wait_after(&mut targets, true)).collect();
        assert!(waits.is_sorted() && waits[7] == REDIAL_MS_MAX, "{waits:?}");
        assert_eq!(wait_after(&mut targets, false), REDIAL_MS_MIN);
    }
}
