//! Who may sync: the policies of `treaty_peers`, on a state rather than for a co-transaction.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ops::ControlFlow;

use treaty_schema::{Command, Subject, is_permitted, visit_alternatives};

use super::effects::Effects;
use super::judge::{Case, Judge, JudgeError, Source};
use super::verdict::VerdictStore;
use super::witnesses::{Scope, Witnesses};
use crate::fault::StoreError;
use crate::identity::Identity;
use crate::limits::FAREWELL_ALTERNATIVES_MAX;
use crate::relation::{Act, RowKey, Target, View};

/// No operations: a state is asked, not a co-transaction.
struct Nothing;

impl Source for Nothing {
    fn operation_count(&self, _transaction: u32) -> u32 {
        0
    }

    fn act(&self, _transaction: u32, _operation: u32) -> Result<Cow<'_, Act>, JudgeError> {
        Err(StoreError::corrupt("an operation is asked of a state").into())
    }
}

/// Whether a `treaty_peers` policy is true for a peer at a view.
///
/// # Errors
/// [`JudgeError::Store`].
pub fn may_read_peers<S: VerdictStore>(view: &View<'_, S>, peer: &Identity) -> Result<bool, JudgeError> {
    let judge = Judge::new(*view, Some(*peer));
    let case = case(&judge);
    let policies = view.layout().schema().peer_policies().iter().filter(|policy| policy.command == Command::Select);
    let rows = Witnesses { case: &case, operation: 0, scope: Scope::All };
    is_permitted(view.layout().schema(), policies, Subject { row: &[], author: peer }, &rows)
}

/// Returns rows that made, or would make, a `treaty_peers` policy true for a peer if no row had ever been deleted.
///
/// # Errors
/// [`JudgeError::Store`].
pub fn past_witnesses<S: VerdictStore>(view: &View<'_, S>, peer: &Identity) -> Result<BTreeSet<RowKey>, JudgeError> {
    let mut judge = Judge::new(*view, Some(*peer));
    judge.ignores_deletes = true;
    let case = case(&judge);
    let policies = view.layout().schema().peer_policies().iter().filter(|policy| policy.command == Command::Select);
    let rows = Witnesses { case: &case, operation: 0, scope: Scope::All };
    let (mut witnesses, mut count) = (BTreeSet::new(), 0);
    let subject = Subject { row: &[], author: peer };
    visit_alternatives(view.layout().schema(), policies, subject, &rows, &mut |alternative| {
        witnesses.extend(alternative.witnesses.into_iter().filter_map(|witness| match witness.handle {
            Target::Stored(key) => Some(key),
            Target::Own { .. } => None,
        }));
        count += 1;
        if count < FAREWELL_ALTERNATIVES_MAX { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    Ok(witnesses)
}

fn case<'c, 'j, S>(judge: &'c Judge<'j, S>) -> Case<'c, 'j, S> {
    Case { judge, source: &Nothing, transaction: 0, own: Effects::default(), support: RefCell::default() }
}
