//! The verdicts of views: those that are stored where nothing in the view depends on anything outside it, else worked out
//! and remembered.
//!
//! What was worked out for a view holds for ever, and for the view that one more entry on top of it makes, too: that
//! flips nothing.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use super::closure::Given;
use super::evaluator::{Bench, Evaluator, Ground};
use super::verdict::VerdictStore;
use crate::causality::{Index, Past};
use crate::fault::StoreError;
use crate::limits::{VIEW_VERDICTS_MAX, VIEWS_MAX};
use crate::log::Pos;
use crate::relation::{CoTx, Verdicts};

/// Views whose verdicts were worked out, the last ones used.
#[derive(Debug, Default)]
pub struct Views {
    kept: RefCell<VecDeque<(Past, Rc<RefCell<Given>>)>>,
}

impl Views {
    /// Forgets all: after a write transaction failed, places may be given to other entries.
    pub fn clear(&self) {
        self.kept.borrow_mut().clear();
    }

    /// Notes that an entry on top of a view is kept: what is known of the view is known with it.
    pub fn extend(&self, view: &Past, with: &Past) {
        let known = self.kept.borrow().iter().find(|(known, _)| known == view).map(|(_, given)| Rc::clone(given));
        if let Some(given) = known {
            self.put(with.clone(), given);
        }
    }

    fn of(&self, view: &Past) -> Rc<RefCell<Given>> {
        let known = self.kept.borrow().iter().find(|(known, _)| known == view).map(|(_, given)| Rc::clone(given));
        known.unwrap_or_else(|| {
            let given = Rc::<RefCell<Given>>::default();
            self.put(view.clone(), Rc::clone(&given));
            given
        })
    }

    fn put(&self, view: Past, given: Rc<RefCell<Given>>) {
        let mut kept = self.kept.borrow_mut();
        kept.retain(|(known, _)| *known != view);
        kept.push_back((view, given));
        if kept.len() > VIEWS_MAX {
            kept.pop_front();
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
    own: Option<(Past, Rc<RefCell<Given>>)>,
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
        let own = leaves(store, view)?.then(|| (view.clone(), bench.views.of(view)));
        Ok(ViewVerdicts { evaluator: Evaluator::new(store, index, bench), own })
    }

    /// Whether the verdicts of the view are those of all that is kept.
    pub fn are_stored(&self) -> bool {
        self.own.is_none()
    }
}

impl<S: Ground> Verdicts for ViewVerdicts<'_, S> {
    fn is_void(&self, of: CoTx) -> Result<bool, StoreError> {
        let Some((view, given)) = &self.own else { return self.evaluator.store.is_void(of) };
        if of.pos == Pos::GENESIS {
            return Ok(false);
        }
        if let Some(solved) = given.borrow().get(&of) {
            return Ok(!solved.is_live);
        }
        self.evaluator.is_void_in(view, given, of)
    }
}

impl<S: Ground> Evaluator<'_, S> {
    /// The verdict in the view that is the past of an entry.
    ///
    /// * `clock` - the entry and its past.
    pub(super) fn is_void_before(&self, pos: Pos, clock: &Past, of: CoTx) -> Result<bool, StoreError> {
        let past = clock.before(pos);
        if !leaves(self.store, &past)? {
            return self.store.is_void(of);
        }
        let given = self.bench.views.of(&past);
        if let Some(solved) = given.borrow().get(&of) {
            return Ok(!solved.is_live);
        }
        self.is_void_in(&past, &given, of)
    }

    fn is_void_in(&self, view: &Past, given: &RefCell<Given>, of: CoTx) -> Result<bool, StoreError> {
        let clock = self.index.clock(self.store, of.pos)?;
        if !leaves(self.store, &clock)? {
            return self.store.is_void(of);
        }
        let closure = self.solve(view, &[of], given)?;
        let is_live = closure.solved.get(&of).is_some_and(|solved| solved.is_live);
        let mut given = given.borrow_mut();
        if given.len() >= VIEW_VERDICTS_MAX {
            given.clear();
        }
        given.extend(closure.solved.into_iter().filter(|(of, _)| view.contains(of.pos)));
        Ok(!is_live)
    }
}
