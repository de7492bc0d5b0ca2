//! The most senior way of being permitted: of all alternatives the one whose heaviest witness weighs least.
//!
//! What a row weighs is for the caller to say. Cost: that of `is_permitted` where the rows of a lookup come in order of weight and
//! each EXISTS reads one table; else all rows of a FROM that weigh less than the best found so far.

use crate::plan::{Plan, Step};
use crate::policy::{Bound, FoundRow, Judge, Keys, Rows, Subject, Witness};
use crate::{Policy, Schema};

/// Rows that weigh something.
pub trait WeighedRows: Rows {
    /// What a row weighs.
    type Weight: Ord + Clone;

    /// Weighs a row.
    ///
    /// # Errors
    /// As of all reading here.
    fn weight(&self, row: &Self::Handle) -> Result<Self::Weight, Self::Error>;

    /// Whether no row that one [`Rows::matching`] yields after `row` weighs less than `than`.
    ///
    /// # Errors
    /// As of all reading here.
    fn is_last(&self, row: &Self::Handle, than: &Self::Weight) -> Result<bool, Self::Error>;
}

/// The lightest alternative.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Least<H, W> {
    /// The rows that make it true.
    pub witnesses: Vec<Witness<H>>,
    /// What the heaviest of them weighs; none if there are none.
    pub weight: Option<W>,
}

/// Of rows.
pub type LeastOf<R> = Least<<R as Rows>::Handle, <R as WeighedRows>::Weight>;

/// Returns the lightest alternative of `policies`; none if nothing is permitted.
///
/// # Errors
/// What [`Rows`] returned.
pub fn least_alternative<'p, R: WeighedRows>(
    schema: &Schema,
    policies: impl IntoIterator<Item = &'p Policy>,
    subject: Subject<'_>,
    rows: &R,
) -> Result<Option<LeastOf<R>>, R::Error> {
    let judge = Judge { schema, subject, rows };
    let mut least = None;
    for policy in policies {
        least = lighter(least, least_of(&judge, &policy.plan)?);
    }
    Ok(least)
}

/// Of two alternatives the lighter one, the first if they weigh the same.
fn lighter<H, W: Ord>(a: Option<Least<H, W>>, b: Option<Least<H, W>>) -> Option<Least<H, W>> {
    match (a, b) {
        (Some(a), Some(b)) if b.weight < a.weight => Some(b),
        (Some(a), _) => Some(a),
        (None, b) => b,
    }
}

/// The EXISTS of a plan are independent of each other: the lightest way of all is the lightest of each.
fn least_of<R: WeighedRows>(judge: &Judge<'_, R>, plan: &Plan) -> Result<Option<LeastOf<R>>, R::Error> {
    match plan {
        Plan::All { scalars, rest } => {
            if !judge.are_true(scalars, &[]) {
                return Ok(None);
            }
            let mut all = Least { witnesses: Vec::new(), weight: None };
            for below in rest {
                let Some(least) = least_of(judge, below)? else { return Ok(None) };
                all.witnesses.extend(least.witnesses);
                all.weight = all.weight.max(least.weight);
            }
            Ok(Some(all))
        }
        Plan::Any(plans) => {
            let mut least = None;
            for below in plans {
                least = lighter(least, least_of(judge, below)?);
            }
            Ok(least)
        }
        Plan::Join(join) => {
            if !judge.are_true(&join.filters, &[]) {
                return Ok(None);
            }
            let gathered = Least { witnesses: Vec::new(), weight: None };
            let mut search = Search { judge, bound: vec![Vec::new(); join.steps.len()], gathered, best: None };
            search.steps(&join.steps)?;
            Ok(search.best)
        }
    }
}

/// The rows of one FROM, being tried.
struct Search<'s, 'j, R: WeighedRows> {
    judge: &'s Judge<'j, R>,
    bound: Bound,
    /// The rows bound so far.
    gathered: LeastOf<R>,
    best: Option<LeastOf<R>>,
}

impl<R: WeighedRows> Search<'_, '_, R> {
    fn steps(&mut self, steps: &[Step]) -> Result<(), R::Error> {
        let Some((step, later)) = steps.split_first() else {
            if self.best.as_ref().is_none_or(|best| self.gathered.weight < best.weight) {
                self.best = Some(self.gathered.clone());
            }
            return Ok(());
        };
        let rows = self.judge.rows;
        match self.judge.keys(step, &self.bound) {
            Keys::Nothing => {}
            Keys::Values(equal) => {
                for row in rows.matching(step.table, &equal) {
                    let handle = self.row((step, later), row?)?;
                    if let Some(Least { weight: Some(weight), .. }) = &self.best
                        && rows.is_last(&handle, weight)?
                    {
                        break;
                    }
                }
            }
            Keys::Several => {
                for row in rows.all(step.table) {
                    self.row((step, later), row?)?;
                }
            }
        }
        Ok(())
    }

    /// Tries a row, and what can follow it. Returns its name.
    fn row(&mut self, (step, later): (&Step, &[Step]), row: FoundRow<R::Handle>) -> Result<R::Handle, R::Error> {
        let FoundRow { handle, cells } = row;
        let before = self.gathered.weight.clone();
        let weight = before.clone().max(Some(self.judge.rows.weight(&handle)?));
        if self.best.as_ref().is_some_and(|best| weight >= best.weight) {
            return Ok(handle);
        }
        self.bound[usize::from(step.slot) - 1] = cells;
        if self.judge.are_true(&step.filters, &self.bound) {
            self.gathered.witnesses.push(Witness { table: step.table, handle: handle.clone() });
            self.gathered.weight = weight;
            self.steps(later)?;
            self.gathered.witnesses.pop();
            self.gathered.weight = before;
        }
        Ok(handle)
    }
}
