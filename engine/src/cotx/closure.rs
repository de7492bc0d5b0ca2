//! The verdicts of a view that is not all that is kept, and of what changes in all that is kept: co-transactions with everything
//! they depend on, solved together.
//!
//! Going down stops at what is calm: decided at once, by nothing concurrent with it. There the stored verdict holds in
//! every view.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::condition::{Condition, Kind};
use super::derive::Derived;
use super::evaluator::{Evaluator, Ground, Need};
use super::solve::{self, Attacker, Choice, Node, Program, Rule};
use crate::causality::Past;
use crate::fault::StoreError;
use crate::log::{Pos, Stamp};
use crate::relation::CoTx;

/// A verdict that was worked out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Solved {
    pub(super) is_live: bool,
    /// Decided before any dispute was: whoever depends on it may take it as given.
    pub(super) is_early: bool,
    /// The pick that needed it void.
    pub(super) overridden_by: Option<CoTx>,
}

/// Verdicts worked out, all in one view.
pub(super) type Given = BTreeMap<CoTx, Solved>;

/// Looks a verdict up that was worked out before, in the same view and of the same entries.
pub(super) type Known<'k> = dyn Fn(CoTx) -> Option<Solved> + 'k;

/// A set of co-transactions closed under dependency, with their verdicts.
pub(super) struct Closure {
    pub(super) solved: Given,
    /// By co-transaction that was not given or calm: what it depends on.
    pub(super) below: BTreeMap<CoTx, Vec<CoTx>>,
}

impl<S: Ground> Evaluator<'_, S> {
    /// Works out the verdicts of some co-transactions and of what they depend on.
    ///
    /// * `view` - what counts: entries outside count as void.
    /// * `given` - verdicts known already.
    pub(super) fn solve(&self, view: &Past, roots: &[CoTx], given: &Known<'_>) -> Result<Closure, StoreError> {
        loop {
            match self.try_solve(view, roots, given)? {
                Ok(closure) => return Ok(closure),
                Err(needs) => self.meet(needs)?,
            }
        }
    }

    /// The same, unless other verdicts must be known first.
    pub(super) fn try_solve(
        &self,
        view: &Past,
        roots: &[CoTx],
        given: &Known<'_>,
    ) -> Result<Result<Closure, Vec<Need>>, StoreError> {
        let (mut gathered, mut needs) = (Gathered::default(), Vec::new());
        let mut pending = roots.to_vec();
        while let Some(of) = pending.pop() {
            if gathered.indices.contains_key(&of) {
                continue;
            }
            let position = (self.stamp(of.pos)?, of.transaction);
            let known = self.known(view, of, given)?;
            gathered.indices.insert(of, gathered.members.len());
            gathered.members.push((of, position, known));
            if known.is_none() {
                match self.try_derived(of.pos)? {
                    Err(more) => needs.extend(more),
                    Ok(derived) => {
                        let below: Vec<CoTx> = conditions_of(&derived, of)?.iter().flat_map(Condition::atoms).collect();
                        pending.extend(&below);
                        gathered.below.insert(of, below);
                        gathered.derived.insert(of.pos, derived);
                    }
                }
            }
        }
        if !needs.is_empty() {
            return Ok(Err(needs));
        }
        let count = u64::try_from(gathered.below.len()).unwrap_or(u64::MAX);
        self.bench.evaluations.set(self.bench.evaluations.get().saturating_add(count));
        let program = Self::program(&gathered)?;
        let outcomes = solve::solve(&program);
        let mut solved = Given::new();
        for ((of, _, _), outcome) in gathered.members.iter().zip(outcomes) {
            let overridden_by = outcome.overridden_by.map(|index| gathered.members[index].0);
            solved.insert(*of, Solved { is_live: outcome.is_live, is_early: outcome.is_early, overridden_by });
        }
        Ok(Ok(Closure { solved, below: gathered.below }))
    }

    /// The verdict of a co-transaction that may be taken as given from the start.
    fn known(&self, view: &Past, of: CoTx, given: &Known<'_>) -> Result<Option<bool>, StoreError> {
        if of.pos == Pos::GENESIS {
            return Ok(Some(true));
        }
        if !view.contains(of.pos) {
            return Ok(Some(false));
        }
        if let Some(solved) = given(of)
            && solved.is_early
        {
            return Ok(Some(solved.is_live));
        }
        if self.is_calm(of.pos)? {
            return Ok(Some(!self.store.is_void(of)?));
        }
        Ok(None)
    }

    fn program(gathered: &Gathered) -> Result<Program, StoreError> {
        let mut program = Program::default();
        for (of, position, known) in &gathered.members {
            let mut rules = Vec::new();
            if known.is_none() {
                let derived =
                    gathered.derived.get(&of.pos).ok_or_else(|| StoreError::corrupt("an entry has no conditions"))?;
                for condition in conditions_of(derived, *of)? {
                    rules.push(rule(condition, &gathered.indices));
                }
            }
            program.nodes.push(Node { position: *position, known: *known, rules });
        }
        Ok(program)
    }
}

/// What is being gathered.
#[derive(Default)]
struct Gathered {
    indices: BTreeMap<CoTx, usize>,
    members: Vec<(CoTx, (Stamp, u32), Option<bool>)>,
    below: BTreeMap<CoTx, Vec<CoTx>>,
    derived: BTreeMap<Pos, Rc<Derived>>,
}

/// The conditions of a co-transaction among those of its entry.
pub(super) fn conditions_of(derived: &Derived, of: CoTx) -> Result<&[Condition], StoreError> {
    let found = derived.transactions.get(of.transaction as usize);
    let found = found.ok_or_else(|| StoreError::corrupt(format!("{of:?} is named, but its entry has fewer")))?;
    Ok(&found.all)
}

fn rule(condition: &Condition, indices: &BTreeMap<CoTx, usize>) -> Rule {
    let choices = condition.alternatives.iter().map(|alternative| Choice {
        witnesses: alternative.witnesses.iter().map(|witness| indices[&witness.of]).collect(),
        attackers: alternative
            .attackers
            .iter()
            .map(|attacker| Attacker { node: indices[&attacker.of], is_past: attacker.is_past })
            .collect(),
        weight: alternative.weight(),
    });
    Rule { is_permission: condition.kind == Kind::Permission, choices: choices.collect() }
}
