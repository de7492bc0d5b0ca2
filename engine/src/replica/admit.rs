//! Admission of a whole entry: its place, its payload, every co-transaction; then keeping it.

use std::cell::{Cell, RefCell};

use super::source::PayloadSource;
use crate::causality::{Index, Past, PlaceError, Placement};
use crate::cotx::{
    Bench, Findings, Judge, JudgeError, Reason, Refusal, Source, ViewVerdicts, Views, keep_findings, settle,
};
use crate::crdt::OperationKey;
use crate::fault::StoreError;
use crate::log::{Entry, LogStore, Pos};
use crate::relation::payload::{Payload, PayloadError};
use crate::relation::{HeadCache, Keeper, Layout, Sight, Verdicts, View};
use crate::store::{Sqlite, WriteTx};

/// What entries are admitted with.
#[derive(Clone, Copy)]
pub(super) struct Desk<'d> {
    pub(super) layout: &'d Layout,
    pub(super) heads: &'d RefCell<HeadCache>,
    pub(super) views: &'d Views,
    pub(super) evaluations: &'d Cell<u64>,
}

/// An entry that was judged, and what it was judged in.
pub(super) struct Judged<'j> {
    pub(super) placement: Placement,
    pub(super) sight: &'j Sight,
    pub(super) verdicts: &'j dyn Verdicts,
    pub(super) findings: &'j Findings,
}

/// Why an entry was not admitted.
#[derive(Debug, thiserror::Error)]
pub(super) enum AdmitError {
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<JudgeError> for AdmitError {
    fn from(cause: JudgeError) -> AdmitError {
        match cause {
            JudgeError::Refused(refusal) => AdmitError::Refused(refusal),
            JudgeError::Store(cause) => AdmitError::Store(cause),
        }
    }
}

impl From<PlaceError> for AdmitError {
    fn from(cause: PlaceError) -> AdmitError {
        match cause {
            PlaceError::Store(cause) => AdmitError::Store(cause),
            full @ PlaceError::Full => AdmitError::Store(StoreError::corrupt(full.to_string())),
            wrong => AdmitError::Refused(Refusal::new(Reason::Header, wrong.to_string())),
        }
    }
}

/// Refuses a payload that does not decode.
pub(super) fn undecodable(cause: PayloadError) -> Refusal {
    Refusal::new(Reason::Payload, cause.to_string())
}

impl<'d> Desk<'d> {
    /// Admits an entry whose parents are all kept, keeps it, and settles what it changes; refuses it without having
    /// written anything.
    ///
    /// # Errors
    /// [`AdmitError::Refused`] for ever; [`AdmitError::Store`].
    pub(super) fn admit(self, tx: &WriteTx<'_>, index: &mut Index, entry: &Entry) -> Result<(), AdmitError> {
        let placement = index.place(&**tx, entry.header())?;
        let payload = Payload::decode(entry.payload().to_vec()).map_err(undecodable)?;
        let source = PayloadSource::new(tx, self.layout, &payload)?;
        let height_max = entry.header().height.saturating_sub(1);
        let verdicts = ViewVerdicts::new(&**tx, index, self.bench(), placement.past())?;
        let sight = sight_by(tx, index, placement.past().clone(), height_max, &verdicts)?;
        let view = View::new(&**tx, self.layout, &sight, self.heads, &verdicts);
        let mut judge = Judge::new(view, Some(*entry.author()));
        for transaction in 0..payload.transaction_count() {
            judge.admit(&source, transaction)?;
        }
        let findings = judge.into_findings();
        let judged = Judged { placement, sight: &sight, verdicts: &verdicts, findings: &findings };
        let placement = self.keep((tx, index), entry, judged, (&payload, &source))?;
        self.settle(tx, index, placement)
    }

    /// Keeps an entry that was judged. Returns its place.
    ///
    /// # Errors
    /// [`AdmitError::Store`].
    pub(super) fn keep(
        self,
        (tx, index): (&WriteTx<'_>, &Index),
        entry: &Entry,
        Judged { placement, sight, verdicts, findings }: Judged<'_>,
        (payload, source): (&Payload, &impl Source),
    ) -> Result<Placement, AdmitError> {
        index.write(tx, entry, &placement)?;
        let view = View::new(&**tx, self.layout, sight, self.heads, verdicts);
        let pos = placement.pos();
        let keeper = Keeper { view, pos, stamp: entry.header().stamp() };
        for transaction in 0..payload.transaction_count() {
            for operation in 0..payload.operation_count(transaction) {
                let span = payload.span(transaction, operation).expect("the operation is within the counts");
                let key = OperationKey { pos, transaction, operation };
                keeper.keep(tx, key, span, &*source.act(transaction, operation)?)?;
            }
        }
        keep_findings(tx, pos, findings)?;
        Ok(placement)
    }

    /// Makes the index follow an entry that was kept, and works out which verdicts change with it.
    ///
    /// # Errors
    /// [`AdmitError::Store`].
    pub(super) fn settle(self, tx: &WriteTx<'_>, index: &mut Index, placement: Placement) -> Result<(), AdmitError> {
        let pos = placement.pos();
        self.views.extend(placement.past(), placement.clock());
        index.settle(placement);
        Ok(settle(tx, index, self.bench(), pos)?)
    }

    /// What verdicts are worked out with.
    pub(super) fn bench(self) -> Bench<'d> {
        Bench { layout: self.layout, heads: self.heads, views: self.views, evaluations: self.evaluations }
    }
}

/// What a view of a past sees, by verdicts of its own or those of all that is kept.
pub(super) fn sight_by(
    store: &Sqlite,
    index: &Index,
    past: Past,
    height_max: u64,
    verdicts: &ViewVerdicts<'_, Sqlite>,
) -> Result<Sight, StoreError> {
    if verdicts.are_stored() {
        return sight_of(store, index, past, height_max);
    }
    // What released something by the verdicts of all may be void by those of the view.
    Ok(Sight { past, height_max, settled_below: 0 })
}

/// What a view of a past sees. Reads a stamp for each chain that goes on beyond it.
pub(super) fn sight_of(store: &Sqlite, index: &Index, past: Past, height_max: u64) -> Result<Sight, StoreError> {
    let mut settled_below = u64::MAX;
    if index.entry_count() > past.entry_count() {
        for top in index.whole().tops() {
            let next = Pos::new(top.chain(), past.last_of(top.chain()) + 1).filter(|next| next <= top);
            if let Some(next) = next {
                settled_below = settled_below.min(store.stamp(next)?.height);
            }
        }
    }
    Ok(Sight { past, height_max, settled_below })
}

/// The greatest height among the entries of a past, by its maximal entries.
pub(super) fn height_of(store: &Sqlite, frontier: &[Pos]) -> Result<u64, StoreError> {
    frontier.iter().try_fold(0, |height, pos| Ok(height.max(store.stamp(*pos)?.height)))
}
