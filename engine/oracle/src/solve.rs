//! Verdicts of a view: propagation in Kleene's logic, and disputes by seniority, round by round.

use std::collections::{BTreeMap, BTreeSet};

use crate::condition::{Condition, Kind};
use crate::history::History;
use crate::names::CoTxName;
use crate::verdict::{Decided, Truth, Verdict, Verdicts};
use crate::view::View;

/// The logic program of a view, and how far it is decided.
pub(crate) struct Program<'p> {
    history: &'p History,
    /// What each co-transaction relies on.
    pub(crate) conditions: BTreeMap<CoTxName, Vec<Condition>>,
    pub(crate) decided: Decided,
    /// Those that went down because of a pick, and the pick.
    pub(crate) overridden: BTreeMap<CoTxName, CoTxName>,
    /// The disputes of all rounds: how many members each had, and who was picked.
    pub(crate) disputes: Vec<(usize, Option<CoTxName>)>,
}

impl History {
    /// Gives the verdicts of a view.
    pub(crate) fn solve(&self, view: &View, cotxs: &[CoTxName]) -> Verdicts {
        self.program(view, cotxs).verdicts()
    }

    /// Decides everything.
    pub(crate) fn program(&self, view: &View, cotxs: &[CoTxName]) -> Program<'_> {
        let facts = self.facts(view);
        let conditions = cotxs.iter().map(|cotx| (*cotx, self.conditions(&facts, *cotx))).collect();
        let mut program = Program {
            history: self,
            conditions,
            decided: Decided::new(),
            overridden: BTreeMap::new(),
            disputes: Vec::new(),
        };
        for cotx in cotxs.iter().filter(|cotx| self.is_genesis(**cotx)) {
            program.decided.insert(*cotx, true);
        }
        program.propagate();
        while program.decided.len() < cotxs.len() {
            program.decide_disputes();
            program.propagate();
        }
        program
    }
}

impl Program<'_> {
    /// A co-transaction is live once all its conditions are certainly true, void once one is certainly false.
    fn propagate(&mut self) {
        let mut open: Vec<CoTxName> = self.undecided().collect();
        open.sort_by_key(|cotx| self.history.position(*cotx));
        loop {
            let before = self.decided.len();
            open.retain(|cotx| {
                let truths: Vec<Truth> =
                    self.conditions[cotx].iter().map(|condition| condition.truth(&self.decided)).collect();
                if truths.contains(&Truth::False) {
                    self.decided.insert(*cotx, false);
                } else if !truths.contains(&Truth::Unknown) {
                    self.decided.insert(*cotx, true);
                }
                !self.decided.contains_key(cotx)
            });
            if self.decided.len() == before {
                return;
            }
        }
    }

    fn undecided(&self) -> impl Iterator<Item = CoTxName> {
        self.conditions.keys().copied().filter(|cotx| !self.decided.contains_key(cotx))
    }

    /// One round: every component that depends on no other undecided component, all on one snapshot.
    fn decide_disputes(&mut self) {
        let components = self.source_components();
        let snapshot = self.decided.clone();
        for component in components {
            let qualified = component.iter().copied().filter(|cotx| {
                let conditions = &self.conditions[cotx];
                conditions.iter().all(|condition| condition.stands(&snapshot))
            });
            let order = |cotx: &CoTxName| {
                let seniority = self.history.seniority_of(&self.conditions[cotx], &snapshot, *cotx);
                (seniority, self.history.position(*cotx))
            };
            let pick = qualified.min_by_key(order);
            self.disputes.push((component.len(), pick));
            match pick {
                Some(pick) => self.pick(pick, &snapshot),
                // Each waits for another's witness.
                None => self.decided.extend(component.into_iter().map(|cotx| (cotx, false))),
            }
        }
    }

    /// The strongly connected components of what is undecided that depend on no other.
    ///
    /// A co-transaction is in one if all that it reaches reaches it; what it reaches is the component then.
    fn source_components(&self) -> BTreeSet<BTreeSet<CoTxName>> {
        let dependencies: BTreeMap<CoTxName, BTreeSet<CoTxName>> =
            self.undecided().map(|cotx| (cotx, self.dependencies(cotx))).collect();
        let reached: BTreeMap<CoTxName, BTreeSet<CoTxName>> =
            dependencies.keys().map(|cotx| (*cotx, reach(&dependencies, *cotx))).collect();
        let is_source = |cotx: &CoTxName| reached[cotx].iter().all(|other| reached[other].contains(cotx));
        reached.keys().filter(|cotx| is_source(cotx)).map(|cotx| reached[cotx].clone()).collect()
    }

    /// What is undecided and occurs in a not yet false alternative of a not yet true condition.
    fn dependencies(&self, cotx: CoTxName) -> BTreeSet<CoTxName> {
        let open = self.conditions[&cotx].iter().filter(|condition| condition.truth(&self.decided) != Truth::True);
        let alternatives = open.flat_map(|condition| &condition.alternatives);
        let possible = alternatives.filter(|alternative| alternative.truth(&self.decided) != Truth::False);
        possible.flat_map(|alternative| alternative.undecided(&self.decided)).collect()
    }

    /// Declares the pick live, and void what it overrides.
    fn pick(&mut self, pick: CoTxName, snapshot: &Decided) {
        self.decided.insert(pick, true);
        let history = self.history;
        for condition in self.conditions[&pick].iter().filter(|condition| condition.truth(snapshot) != Truth::True) {
            let undecided = |attackers: &[CoTxName]| {
                let mut open: Vec<CoTxName> =
                    attackers.iter().copied().filter(|attacker| !snapshot.contains_key(attacker)).collect();
                open.sort_by_key(|attacker| std::cmp::Reverse(history.position(*attacker)));
                open
            };
            let standing = condition.alternatives.iter().filter(|alternative| alternative.stands(snapshot));
            let taken = standing.map(|alternative| undecided(&alternative.attackers)).max_by_key(|attackers| {
                attackers.iter().map(|attacker| history.position(*attacker)).collect::<Vec<_>>()
            });
            for attacker in taken.into_iter().flatten() {
                // A concurrent attacker of a permission is judged on: use, then revoke.
                if condition.kind != Kind::Permission || history.is_before(attacker, pick) {
                    self.decided.insert(attacker, false);
                    self.overridden.insert(attacker, pick);
                }
            }
        }
    }

    fn verdicts(&self) -> Verdicts {
        let verdict = |cotx: &CoTxName, is_live: bool| match is_live {
            true => Verdict::Live,
            false => {
                self.history.void(*cotx, &self.conditions[cotx], &self.decided, self.overridden.get(cotx).copied())
            }
        };
        self.decided.iter().map(|(cotx, is_live)| (*cotx, verdict(cotx, *is_live))).collect()
    }
}

/// Everything that one can get to, itself included.
fn reach(dependencies: &BTreeMap<CoTxName, BTreeSet<CoTxName>>, from: CoTxName) -> BTreeSet<CoTxName> {
    let (mut reached, mut pending) = (BTreeSet::from([from]), vec![from]);
    while let Some(next) = pending.pop() {
        pending.extend(dependencies[&next].iter().copied().filter(|other| reached.insert(*other)));
    }
    reached
}
