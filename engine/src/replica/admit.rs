//! Admission of a whole entry: its place, its payload, every co-transaction; then keeping it.

use std::cell::RefCell;

use super::source::PayloadSource;
use crate::causality::{Index, Past, PlaceError, Placement};
use crate::cotx::{Judge, JudgeError, Reason, Refusal, Source};
use crate::crdt::OperationKey;
use crate::fault::StoreError;
use crate::log::{Entry, LogStore, Pos};
use crate::relation::payload::{Payload, PayloadError};
use crate::relation::{AllLive, HeadCache, Keeper, Layout, Sight, View};
use crate::store::{Sqlite, WriteTx};

/// What entries are admitted with.
#[derive(Clone, Copy)]
pub(super) struct Desk<'d> {
    pub(super) layout: &'d Layout,
    pub(super) heads: &'d RefCell<HeadCache>,
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
    /// Admits an entry whose parents are all kept, and keeps it; refuses it without having written anything.
    ///
    /// # Errors
    /// [`AdmitError::Refused`] for ever; [`AdmitError::Store`].
    pub(super) fn admit(self, tx: &WriteTx<'_>, index: &Index, entry: &Entry) -> Result<Placement, AdmitError> {
        let placement = index.place(&**tx, entry.header())?;
        let payload = Payload::decode(entry.payload().to_vec()).map_err(undecodable)?;
        let source = PayloadSource::new(tx, self.layout, &payload)?;
        let height_max = entry.header().height.saturating_sub(1);
        let sight = sight_of(tx, index, placement.past().clone(), height_max)?;
        let mut judge = Judge::new(View::new(&**tx, self.layout, &sight, self.heads, &AllLive), Some(*entry.author()));
        for transaction in 0..payload.transaction_count() {
            judge.admit(&source, transaction)?;
        }
        self.keep((tx, index), entry, (&placement, &sight), (&payload, &source))?;
        Ok(placement)
    }

    /// Keeps an entry that was judged.
    ///
    /// # Errors
    /// [`AdmitError::Store`].
    pub(super) fn keep(
        self,
        (tx, index): (&WriteTx<'_>, &Index),
        entry: &Entry,
        (placement, sight): (&Placement, &Sight),
        judged: (&Payload, &impl Source),
    ) -> Result<(), AdmitError> {
        let (payload, source) = judged;
        index.write(tx, entry, placement)?;
        let view = View::new(&**tx, self.layout, sight, self.heads, &AllLive);
        let keeper = Keeper { view, stamp: entry.header().stamp() };
        for transaction in 0..payload.transaction_count() {
            for operation in 0..payload.operation_count(transaction) {
                let span = payload.span(transaction, operation).expect("the operation is within the counts");
                let key = OperationKey { pos: placement.pos(), transaction, operation };
                keeper.keep(tx, key, span, &*source.act(transaction, operation)?)?;
            }
        }
        Ok(())
    }
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
