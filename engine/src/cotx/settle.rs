//! What an entry that was just kept changes: who is hit by it, whose verdicts flip, and who depends on those, wave by wave.
//!
//! An entry on top of everything changes nothing. Else the co-transactions that it may hit are found by the indexes and worked out
//! together with what they depend on; whoever depends on a verdict that flipped is next. Every co-transaction is worked out
//! at most once unless it is part of a dispute. All is written in the transaction that keeps the entry.
//!
//! Spec: docs/spec/verdicts.md VERDICT-8 to VERDICT-13.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use super::closure::{Given, conditions_of};
use super::condition::{Condition, Kind, reason};
use super::evaluator::{Bench, Evaluator, Ground};
use super::judge::Findings;
use super::reach::reopen;
use super::verdict::{Grant, VerdictWriter, Void};
use crate::causality::{Index, Past};
use crate::fault::StoreError;
use crate::log::Pos;
use crate::relation::{CoTx, Marks, RowKey};

/// Works out which verdicts change now that an entry is kept, and writes them.
///
/// * `index` - with the entry in it.
///
/// # Errors
/// [`StoreError`] if the store fails.
pub fn settle<S: Ground>(
    tx: &impl VerdictWriter<Target = S>,
    index: &Index,
    bench: Bench<'_>,
    pos: Pos,
) -> Result<(), StoreError> {
    let store: &S = tx;
    let clock = index.clock(store, pos)?;
    if clock.entry_count() == index.entry_count() {
        return Ok(());
    }
    let evaluator = Evaluator::new(store, index, bench);
    let mut waves = Waves {
        tx,
        evaluator,
        whole: index.whole(),
        given: Given::new(),
        below: BTreeMap::new(),
        edges: RefCell::default(),
    };
    let mut roots = BTreeSet::new();
    let derived = waves.evaluator.derived(pos)?;
    roots.extend((0..).zip(&derived.transactions).map(|(transaction, _)| CoTx { pos, transaction }));
    for root in &roots {
        waves.register(*root)?;
    }
    // By chain, the first entry that is hit.
    let mut first = BTreeMap::new();
    for hit in waves.evaluator.hits(&derived, pos, &clock)? {
        waves.depend(hit, pos)?;
        waves.mentioning(hit, &|of| of.pos == pos, &mut roots)?;
        first.entry(hit.chain()).or_insert(hit);
    }
    for hit in first.into_values() {
        for group in store.disputes_above(hit)? {
            roots.extend(store.dispute_members(group)?);
        }
    }
    while !roots.is_empty() {
        roots = waves.wave(roots)?;
    }
    waves.write()
}

/// Keeps what was found out about an entry while it was judged.
///
/// # Errors
/// [`StoreError`] if the store fails.
pub fn keep_findings(tx: &impl VerdictWriter, pos: Pos, findings: &Findings) -> Result<(), StoreError> {
    let mut last = None;
    for (transaction, row) in (0..).zip(&findings.grants) {
        let grant = row.map_or(Grant::Nothing, |row| Grant::Row(row.key(pos)));
        if last != Some(grant) {
            tx.insert_grant(CoTx { pos, transaction }, grant)?;
            last = Some(grant);
        }
    }
    for row in &findings.readers {
        tx.insert_reader(*row, pos)?;
    }
    for (transaction, operation) in &findings.ungranted {
        tx.mark_row(RowKey { pos, transaction: *transaction, operation: *operation }, Marks::UNGRANTED)?;
    }
    Ok(())
}

struct Waves<'w, 'e, W, S> {
    tx: &'w W,
    evaluator: Evaluator<'e, S>,
    whole: Past,
    /// What was worked out so far.
    given: Given,
    /// By co-transaction worked out: what it depends on.
    below: BTreeMap<CoTx, Vec<CoTx>>,
    /// Dependencies kept by now: by source chain and target, the first source.
    edges: RefCell<BTreeMap<(u32, Pos), u64>>,
}

impl<'e, S: Ground + 'e, W: VerdictWriter<Target = S>> Waves<'_, 'e, W, S> {
    /// Works out some co-transactions. Returns who depends on those whose verdicts flipped.
    fn wave(&mut self, mut roots: BTreeSet<CoTx>) -> Result<BTreeSet<CoTx>, StoreError> {
        let mut groups = BTreeSet::new();
        for root in &roots {
            groups.extend(self.evaluator.store.disputes_around(*root)?);
        }
        for group in &groups {
            roots.extend(self.evaluator.store.dispute_members(*group)?);
        }
        roots.retain(|root| !self.below.contains_key(root));
        let roots: Vec<CoTx> = roots.into_iter().collect();
        let closure = self.evaluator.solve(&self.whole, &roots, &|of| self.given.get(&of).copied())?;
        self.given.extend(closure.solved);
        let (mut next, mut late) = (BTreeSet::new(), BTreeSet::new());
        for (of, below) in closure.below {
            if !self.given[&of].is_early {
                late.insert(of);
            }
            let is_new = self.below.insert(of, below).is_none();
            if !is_new {
                continue;
            }
            self.register(of)?;
            if self.is_live(of)? == self.evaluator.store.is_void(of)? {
                self.dependents(of, &mut next)?;
                for group in
                    self.evaluator.store.disputes_around(of)?.into_iter().filter(|group| !groups.contains(group))
                {
                    next.extend(self.evaluator.store.dispute_members(group)?);
                }
            }
        }
        self.regroup(&groups, late)?;
        next.retain(|of| !self.below.contains_key(of));
        Ok(next)
    }

    /// The final verdict.
    fn is_live(&self, of: CoTx) -> Result<bool, StoreError> {
        match self.given.get(&of) {
            Some(solved) => Ok(solved.is_live),
            None => Ok(!self.evaluator.store.is_void(of)?),
        }
    }

    /// Keeps what finds a co-transaction from now on: all rows that could permit it, all concurrent entries that matter.
    fn register(&self, of: CoTx) -> Result<(), StoreError> {
        let derived = self.evaluator.derived(of.pos)?;
        let clock = self.evaluator.index.clock(self.evaluator.store, of.pos)?;
        let mut concurrent = BTreeSet::new();
        for condition in conditions_of(&derived, of)? {
            concurrent.extend(condition.atoms().map(|atom| atom.pos).filter(|pos| !clock.contains(*pos)));
            if condition.kind != Kind::Permission {
                continue;
            }
            let witnesses = condition.alternatives.iter().flat_map(|alternative| &alternative.witnesses);
            for row in witnesses.filter_map(|witness| witness.row).filter(|row| row.pos != of.pos) {
                self.tx.insert_reader(row, of.pos)?;
            }
        }
        concurrent.into_iter().try_for_each(|target| self.depend(of.pos, target))
    }

    /// Keeps that an entry depends on a concurrent one, unless an earlier one of its chain does: that says as much.
    fn depend(&self, source: Pos, target: Pos) -> Result<(), StoreError> {
        let mut edges = self.edges.borrow_mut();
        let first = edges.entry((source.chain(), target)).or_insert(u64::MAX);
        if source.sequence() < *first {
            *first = source.sequence();
            self.tx.insert_edge(source, target)?;
        }
        Ok(())
    }

    /// Adds who depends on a co-transaction.
    fn dependents(&self, of: CoTx, found: &mut BTreeSet<CoTx>) -> Result<(), StoreError> {
        for pos in self.evaluator.reached(of)? {
            self.mentioning(pos, &|atom| atom == of, found)?;
        }
        Ok(())
    }

    /// Adds the co-transactions of an entry that have somebody in a condition.
    fn mentioning(
        &self,
        pos: Pos,
        is_wanted: &dyn Fn(CoTx) -> bool,
        found: &mut BTreeSet<CoTx>,
    ) -> Result<(), StoreError> {
        let derived = self.evaluator.derived(pos)?;
        for (transaction, conditions) in (0..).zip(&derived.transactions) {
            if conditions.all.iter().flat_map(Condition::atoms).any(is_wanted) {
                found.insert(CoTx { pos, transaction });
            }
        }
        Ok(())
    }

    /// Keeps the disputes of what was worked out: those that were looked at anew, and new ones.
    ///
    /// * `late` - of what was worked out last, what was not decided at once.
    fn regroup(&self, looked_at: &BTreeSet<u64>, mut late: BTreeSet<CoTx>) -> Result<(), StoreError> {
        for group in looked_at {
            let members = self.evaluator.store.dispute_members(*group)?;
            late.extend(members.into_iter().filter(|of| self.given.get(of).is_some_and(|solved| !solved.is_early)));
            self.tx.delete_dispute(*group)?;
        }
        let mut members = Vec::new();
        for of in late {
            if self.evaluator.store.dispute(of)?.is_none() {
                members.push(of);
            }
        }
        if members.is_empty() {
            return Ok(());
        }
        let (mut region, mut pending) = (BTreeSet::new(), members.clone());
        let mut ground = Past::EMPTY;
        while let Some(of) = pending.pop() {
            match self.below.get(&of) {
                Some(below) if region.insert(of) => {
                    pending.extend(below);
                    let derived = self.evaluator.derived(of.pos)?;
                    if derived.transactions.get(of.transaction as usize).is_some_and(|one| one.takes_past_as_given) {
                        ground = ground.join(&*self.evaluator.index.clock(self.evaluator.store, of.pos)?);
                    }
                }
                Some(_) => {}
                None if of.pos == Pos::GENESIS || ground.contains(of.pos) => {}
                None => ground = ground.join(&*self.evaluator.index.clock(self.evaluator.store, of.pos)?),
            }
        }
        let group = self.tx.insert_dispute(&members)?;
        self.tx.set_dispute_region(group, &region.into_iter().collect::<Vec<_>>(), ground.tops())
    }

    /// Writes every verdict that changed, in the order of positions.
    fn write(&self) -> Result<(), StoreError> {
        let mut placed = Vec::with_capacity(self.below.len());
        for of in self.below.keys() {
            placed.push((self.evaluator.stamp(of.pos)?, of.transaction, *of));
        }
        placed.sort_unstable();
        for (_, _, of) in placed {
            let before = self.evaluator.store.void(of)?;
            let after = if self.is_live(of)? { None } else { Some(self.reason(of)?) };
            match (before, after) {
                (None, None) => {}
                (Some(before), Some(after)) if before == after => {}
                (Some(_), Some(after)) => self.tx.update_void(of, &after)?,
                (Some(_), None) => self.tx.insert_flip(of, None)?,
                (None, Some(after)) => {
                    self.tx.insert_flip(of, Some(&after))?;
                    reopen(self.tx, &self.evaluator, of)?;
                }
            }
        }
        Ok(())
    }

    fn reason(&self, of: CoTx) -> Result<Void, StoreError> {
        let derived = self.evaluator.derived(of.pos)?;
        let pick = self.given.get(&of).and_then(|solved| solved.overridden_by);
        let position = |of: CoTx| Ok((self.evaluator.stamp(of.pos)?, of.transaction));
        reason(conditions_of(&derived, of)?, &|of| self.is_live(of), &position, pick)
    }
}
