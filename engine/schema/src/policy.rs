//! Judging a permission: which policies are true for a row and an author, and by which rows.
//!
//! Policies are alternatives, and so are the ways of making one true: one branch of each OR, and for each EXISTS one row of
//! each table in its FROM. The rows are the *witnesses* of the alternative (docs/spec/verdicts.md VERDICT-3). An expression that cannot be
//! evaluated (overflow) is not true. What is a row, and which rows are there to be found, is for the implementor of
//! [`Rows`] to say.
//!
//! Cost: [`is_permitted`] is linear in the policies, times for each EXISTS the candidates read until the first match: for
//! tables found by equalities the rows with those values, for others all rows, multiplied along the FROM.
//! [`visit_alternatives`] adds the number of alternatives visited, a product over the EXISTS of one clause.

use std::ops::ControlFlow;

use crate::eval::{ColumnKey, Env, column_key, eval, is_true};
use crate::plan::{Join, Plan, Step};
use crate::{Identity, Policy, Schema, SchemaExpr, Value};

/// The rows that policies read, as the engine sees them for one co-transaction.
///
/// Conditions compare `id` and foreign keys as UUIDs. An id says which row only where no two rows have it: whoever inserts
/// a second row with somebody's id must not match what refers to the first. So the implementor hands over, in `id` and
/// in foreign-key columns of every row alike (the row at hand too), UUIDs that name rows one to one.
pub trait Rows {
    /// What names a row to the caller.
    type Handle: Clone;
    /// Why rows cannot be read.
    type Error;

    /// Finds the rows of a table that hold all these values; may return others as well, which are then skipped.
    ///
    /// * `table` - index into [`Schema::tables`].
    /// * `equal` - columns of the table, ascending, each with a value of its type: `id` alone, or guard columns that
    ///   are one of [`Schema::lookups`].
    fn matching(
        &self,
        table: usize,
        equal: &[(usize, Value)],
    ) -> impl Iterator<Item = Result<FoundRow<Self::Handle>, Self::Error>>;

    /// Reads all rows of a table.
    fn all(&self, table: usize) -> impl Iterator<Item = Result<FoundRow<Self::Handle>, Self::Error>>;
}

/// A row that [`Rows`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundRow<H> {
    /// Its name.
    pub handle: H,
    /// By column of its table; guard columns and `id` must be there, others are not read.
    pub cells: Vec<Option<Value>>,
}

/// Whose permission for what is judged.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// The row at hand, all columns; empty for a system relation.
    pub row: &'a [Option<Value>],
    /// Who `author()` is.
    pub author: &'a Identity,
}

/// A row that makes a policy true.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Witness<H> {
    /// Index into [`Schema::tables`].
    pub table: usize,
    /// The row, as [`Rows`] named it.
    pub handle: H,
}

/// One way in which a permission is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alternative<'p, H> {
    /// The policy that is true.
    pub policy: &'p Policy,
    /// The rows that make it true, in the order they were looked for; none if it is true without any.
    pub witnesses: Vec<Witness<H>>,
}

/// Whether one of `policies` is true; without any policy, nothing is permitted.
///
/// # Errors
/// What [`Rows`] returned.
pub fn is_permitted<'p, R: Rows>(
    schema: &Schema,
    policies: impl IntoIterator<Item = &'p Policy>,
    subject: Subject<'_>,
    rows: &R,
) -> Result<bool, R::Error> {
    let judge = Judge { schema, subject, rows };
    for policy in policies {
        if judge.is_satisfied(&policy.plan)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Calls `visit` with every alternative of `policies`, until it breaks.
///
/// The order is a function of the schema and of the order in which `rows` finds rows. An alternative may come twice where
/// different branches of a policy find the same rows.
///
/// # Errors
/// What [`Rows`] returned.
pub fn visit_alternatives<'p, R: Rows>(
    schema: &Schema,
    policies: impl IntoIterator<Item = &'p Policy>,
    subject: Subject<'_>,
    rows: &R,
    visit: &mut dyn FnMut(Alternative<'p, R::Handle>) -> ControlFlow<()>,
) -> Result<(), R::Error> {
    let judge = Judge { schema, subject, rows };
    for policy in policies {
        let mut witnesses = Vec::new();
        let flow = judge.visit_plan(&policy.plan, &mut witnesses, &mut |witnesses| {
            Ok(visit(Alternative { policy, witnesses: witnesses.clone() }))
        })?;
        if flow.is_break() {
            break;
        }
    }
    Ok(())
}

/// The witnesses gathered so far.
type Gathered<H> = Vec<Witness<H>>;

/// Called with complete witnesses; breaking ends the search.
type Found<'f, R> = dyn FnMut(&mut Gathered<<R as Rows>::Handle>) -> Result<ControlFlow<()>, <R as Rows>::Error> + 'f;

/// The rows bound so far, by slot.
pub(crate) type Bound = Vec<Vec<Option<Value>>>;

/// What the rows of a step hold in the columns by which they are found.
pub(crate) enum Keys {
    /// No row can match.
    Nothing,
    /// Exactly these.
    Values(Vec<(usize, Value)>),
    /// Rows cannot be found by columns: all are read.
    Several,
}

pub(crate) struct Judge<'j, R> {
    pub(crate) schema: &'j Schema,
    pub(crate) subject: Subject<'j>,
    pub(crate) rows: &'j R,
}

impl<R: Rows> Judge<'_, R> {
    /// Whether a plan has an alternative. Its EXISTS are independent of each other, so nothing is ever tried in combination.
    fn is_satisfied(&self, plan: &Plan) -> Result<bool, R::Error> {
        match plan {
            Plan::All { scalars, rest } => {
                if !self.are_true(scalars, &[]) {
                    return Ok(false);
                }
                for below in rest {
                    if !self.is_satisfied(below)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Plan::Any(plans) => {
                for below in plans {
                    if self.is_satisfied(below)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Plan::Join(join) => {
                let flow = self.visit_join(join, &mut Vec::new(), &mut |_| Ok(ControlFlow::Break(())))?;
                Ok(flow.is_break())
            }
        }
    }

    fn visit_plan(
        &self,
        plan: &Plan,
        gathered: &mut Gathered<R::Handle>,
        found: &mut Found<'_, R>,
    ) -> Result<ControlFlow<()>, R::Error> {
        match plan {
            Plan::All { rest, .. } => {
                // First as a whole: otherwise the last of several EXISTS could fail once per combination of the others.
                if !self.is_satisfied(plan)? {
                    return Ok(ControlFlow::Continue(()));
                }
                self.visit_all(rest, gathered, found)
            }
            Plan::Any(plans) => {
                for below in plans {
                    if self.visit_plan(below, gathered, found)?.is_break() {
                        return Ok(ControlFlow::Break(()));
                    }
                }
                Ok(ControlFlow::Continue(()))
            }
            Plan::Join(join) => self.visit_join(join, gathered, found),
        }
    }

    /// Visits every combination of the alternatives of `plans`.
    fn visit_all(
        &self,
        plans: &[Plan],
        gathered: &mut Gathered<R::Handle>,
        found: &mut Found<'_, R>,
    ) -> Result<ControlFlow<()>, R::Error> {
        match plans.split_first() {
            None => found(gathered),
            Some((first, others)) => {
                self.visit_plan(first, gathered, &mut |gathered| self.visit_all(others, gathered, found))
            }
        }
    }

    fn visit_join(
        &self,
        join: &Join,
        gathered: &mut Gathered<R::Handle>,
        found: &mut Found<'_, R>,
    ) -> Result<ControlFlow<()>, R::Error> {
        if !self.are_true(&join.filters, &[]) {
            return Ok(ControlFlow::Continue(()));
        }
        let mut bound = vec![Vec::new(); join.steps.len()];
        self.visit_steps(&join.steps, &mut bound, gathered, found)
    }

    fn visit_steps(
        &self,
        steps: &[Step],
        bound: &mut Bound,
        gathered: &mut Gathered<R::Handle>,
        found: &mut Found<'_, R>,
    ) -> Result<ControlFlow<()>, R::Error> {
        let Some((step, later)) = steps.split_first() else { return found(gathered) };
        let mut visit_row = |bound: &mut Bound, row: Result<FoundRow<R::Handle>, R::Error>| {
            let FoundRow { handle, cells } = row?;
            bound[usize::from(step.slot) - 1] = cells;
            if !self.are_true(&step.filters, bound) {
                return Ok(ControlFlow::Continue(()));
            }
            gathered.push(Witness { table: step.table, handle });
            let flow = self.visit_steps(later, bound, gathered, found);
            gathered.pop();
            flow
        };
        match self.keys(step, bound) {
            Keys::Nothing => {}
            Keys::Values(equal) => {
                for row in self.rows.matching(step.table, &equal) {
                    if visit_row(bound, row)?.is_break() {
                        return Ok(ControlFlow::Break(()));
                    }
                }
            }
            Keys::Several => {
                for row in self.rows.all(step.table) {
                    if visit_row(bound, row)?.is_break() {
                        return Ok(ControlFlow::Break(()));
                    }
                }
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// What the columns by which a step finds its rows must hold.
    pub(crate) fn keys(&self, step: &Step, bound: &Bound) -> Keys {
        let mut equal = Vec::with_capacity(step.lookups.len());
        for lookup in &step.lookups {
            let logical_type = self.schema.tables[step.table].columns[lookup.column].logical_type;
            let key = match self.with_env(bound, |env| eval(&lookup.value, env)) {
                Ok(Some(value)) => column_key(logical_type, value),
                // NULL equals nothing, and what cannot be evaluated is not true.
                Ok(None) | Err(_) => ColumnKey::Nothing,
            };
            match key {
                ColumnKey::Nothing => return Keys::Nothing,
                ColumnKey::Several => return Keys::Several,
                ColumnKey::Value(value) => equal.push((lookup.column, value)),
            }
        }
        if equal.is_empty() { Keys::Several } else { Keys::Values(equal) }
    }

    fn with_env<T>(&self, bound: &[Vec<Option<Value>>], evaluate: impl FnOnce(Env<'_>) -> T) -> T {
        let mut rows = vec![self.subject.row];
        rows.extend(bound.iter().map(Vec::as_slice));
        evaluate(Env { rows: &rows, author: Some(self.subject.author) })
    }

    pub(crate) fn are_true(&self, exprs: &[SchemaExpr], bound: &[Vec<Option<Value>>]) -> bool {
        self.with_env(bound, |env| exprs.iter().all(|expr| is_true(expr, env)))
    }
}
