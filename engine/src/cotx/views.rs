//! The verdicts of views: those that are stored where nothing in the view depends on anything outside it, else worked out
//! and remembered.
//!
//! What was worked out for a view holds for ever, and for the view that one more entry on top of it makes, too: that
//! flips nothing.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};

use super::closure::{Given, Solved};
use super::evaluator::{Bench, Evaluator, Ground, Need};
use super::verdict::VerdictStore;
use crate::causality::{Index, Past};
use crate::fault::StoreError;
use crate::limits::{VIEW_VERDICTS_MAX, VIEWS_MAX};
use crate::log::Pos;
use crate::relation::{CoTx, Verdicts};

/// Views whose verdicts were worked out, the last ones used.
#[derive(Debug, Default)]
pub struct Views {
    kept: RefCell<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    /// Views, and which verdicts hold there; those that one entry on top of another tells apart share them.
    views: VecDeque<(Past, u64)>,
    verdicts: BTreeMap<u64, Given>,
    next: u64,
}

impl Views {
    /// Forgets all: after a write transaction failed, places may be given to other entries.
    pub fn clear(&self) {
        self.kept.take();
    }

    /// Notes that an entry on top of a view is kept: what is known of the view is known with it.
    pub fn extend(&self, view: &Past, with: &Past) {
        let mut kept = self.kept.borrow_mut();
        if let Some(number) = kept.number_of(view) {
            kept.put(with.clone(), number);
        }
    }

    /// The number of the verdicts that hold in a view.
    fn number_of(&self, view: &Past) -> u64 {
        let mut kept = self.kept.borrow_mut();
        kept.number_of(view).unwrap_or_else(|| {
            let number = kept.next;
            kept.next += 1;
            kept.put(view.clone(), number);
            number
        })
    }

    fn known(&self, number: u64, of: CoTx) -> Option<Solved> {
        self.kept.borrow().verdicts.get(&number)?.get(&of).copied()
    }

    fn add(&self, number: u64, solved: impl Iterator<Item = (CoTx, Solved)>) {
        let mut kept = self.kept.borrow_mut();
        let given = kept.verdicts.entry(number).or_default();
        if given.len() >= VIEW_VERDICTS_MAX {
            given.clear();
        }
        given.extend(solved);
    }
}

impl Kept {
    fn number_of(&self, view: &Past) -> Option<u64> {
        self.views.iter().rev().find(|(known, _)| known == view).map(|(_, number)| *number)
    }

    fn put(&mut self, view: Past, number: u64) {
        self.views.retain(|(known, _)| *known != view);
        self.views.push_back((view, number));
        if self.views.len() > VIEWS_MAX {
            self.views.pop_front();
            let views = &self.views;
            self.verdicts.retain(|number, _| views.iter().any(|(_, used)| used == number));
        }
    }
}

/// Whether an entry of a view depends on a concurrent one outside it.
pub(super) fn leaves(store: &impl VerdictStore, view: &Past) -> Result<bool, StoreError> {
    let mut after = None;
    while let Some((source, target)) = store.edge_chains(after)? {
        after = Some((source, target));
        let Some(last) = Pos::new(source, view.last_of(source)) else { continue };
        if store.edge_target(last, target)? > view.last_of(target) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The verdicts of one view.
pub struct ViewVerdicts<'v, S> {
    evaluator: Evaluator<'v, S>,
    /// Of a view whose verdicts are not the stored ones.
    own: Option<(Past, u64)>,
}

impl<'v, S: Ground> ViewVerdicts<'v, S> {
    /// Looks at a view.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn new(
        store: &'v S,
        index: &'v Index,
        bench: Bench<'v>,
        view: &Past,
    ) -> Result<ViewVerdicts<'v, S>, StoreError> {
        // Nothing leaves all that is kept.
        let is_whole = view.entry_count() == index.entry_count();
        let own = (!is_whole && leaves(store, view)?).then(|| (view.clone(), bench.views.number_of(view)));
        Ok(ViewVerdicts { evaluator: Evaluator::new(store, index, bench), own })
    }

    /// Whether the verdicts of the view are those of all that is kept.
    pub fn are_stored(&self) -> bool {
        self.own.is_none()
    }
}

impl<S: Ground> Verdicts for ViewVerdicts<'_, S> {
    fn is_void(&self, of: CoTx) -> Result<bool, StoreError> {
        let Some((view, number)) = &self.own else { return self.evaluator.store.is_void(of) };
        self.evaluator.is_void_in(view, *number, of)
    }
}

impl<S: Ground> Evaluator<'_, S> {
    /// Whether a co-transaction is live in the view that is the past of an entry, if that is known.
    ///
    /// * `clock` - the entry and its past.
    pub(super) fn known_before(&self, pos: Pos, clock: &Past, of: CoTx) -> Result<Option<bool>, StoreError> {
        if of.pos == Pos::GENESIS {
            return Ok(Some(true));
        }
        if let Some(is_live) = self.before.borrow().get(&(pos, of)) {
            return Ok(Some(*is_live));
        }
        let is_stored =
            !leaves(self.store, &*self.index.clock(self.store, of.pos)?)? || !leaves(self.store, &clock.before(pos))?;
        if is_stored { Ok(Some(!self.store.is_void(of)?)) } else { Ok(None) }
    }

    /// Works out verdicts in the pasts of entries, and whatever must be known for that, the earliest first.
    ///
    /// Each need is about an earlier past than the one that it is needed for. They wait on a stack of their own: there may be many.
    pub(super) fn meet(&self, mut needs: Vec<Need>) -> Result<(), StoreError> {
        while let Some((pos, of)) = needs.last().copied() {
            if self.before.borrow().contains_key(&(pos, of)) {
                needs.pop();
                continue;
            }
            let past = self.index.clock(self.store, pos)?.before(pos);
            let number = self.bench.views.number_of(&past);
            match self.try_solve(&past, &[of], &|of| self.bench.views.known(number, of))? {
                Err(more) => needs.extend(more),
                Ok(closure) => {
                    let is_live = closure.solved.get(&of).is_some_and(|solved| solved.is_live);
                    self.bench.views.add(number, closure.solved.into_iter().filter(|(of, _)| past.contains(of.pos)));
                    self.before.borrow_mut().insert((pos, of), is_live);
                    needs.pop();
                }
            }
        }
        Ok(())
    }

    fn is_void_in(&self, view: &Past, number: u64, of: CoTx) -> Result<bool, StoreError> {
        if of.pos == Pos::GENESIS {
            return Ok(false);
        }
        if let Some(solved) = self.bench.views.known(number, of) {
            return Ok(!solved.is_live);
        }
        let clock = self.index.clock(self.store, of.pos)?;
        if !leaves(self.store, &clock)? {
            return self.store.is_void(of);
        }
        let closure = self.solve(view, &[of], &|of| self.bench.views.known(number, of))?;
        let is_live = closure.solved.get(&of).is_some_and(|solved| solved.is_live);
        self.bench.views.add(number, closure.solved.into_iter().filter(|(of, _)| view.contains(of.pos)));
        Ok(!is_live)
    }
}
