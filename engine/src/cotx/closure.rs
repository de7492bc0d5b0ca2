//! The verdicts of a view that is not all that is kept, and of what changes in all that is kept: co-transactions with everything
//! they depend on, solved together.
//!
//! Going down stops at what is calm: decided at once, by nothing concurrent with it. There the stored verdict holds in
//! every view.

use std::collections::BTreeMap;

use super::condition::Condition;
use super::evaluator::{Evaluator, Ground};
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
        let mut gathered = Gathered::default();
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
                self.bench.evaluations.set(self.bench.evaluations.get() + 1);
                let derived = self.derived(of.pos)?;
                let below: Vec<CoTx> = conditions_of(&derived, of)?.iter().flat_map(Condition::atoms).collect();
                pending.extend(&below);
                gathered.below.insert(of, below);
            }
        }
        let program = self.program(&gathered)?;
        let outcomes = solve::solve(&program);
        let mut solved = Given::new();
        for ((of, _, _), outcome) in gathered.members.iter().zip(outcomes) {
            let overridden_by = outcome.overridden_by.map(|index| gathered.members[index].0);
            solved.insert(*of, Solved { is_live: outcome.is_live, is_early: outcome.is_early, overridden_by });
        }
        Ok(Closure { solved, below: gathered.below })
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

    fn program(&self, gathered: &Gathered) -> Result<Program, StoreError> {
        let mut program = Program::default();
        for (of, position, known) in &gathered.members {
            let mut rules = Vec::new();
            if known.is_none() {
                let derived = self.derived(of.pos)?;
                for condition in conditions_of(&derived, *of)? {
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
}

/// The conditions of a co-transaction among those of its entry.
pub(super) fn conditions_of(derived: &super::derive::Derived, of: CoTx) -> Result<&[Condition], StoreError> {
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
    Rule { is_permission: condition.kind == super::condition::Kind::Permission, choices: choices.collect() }
}
