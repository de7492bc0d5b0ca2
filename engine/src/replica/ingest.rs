//! Entries from elsewhere: judged, kept or parked, in write transactions of bounded size.

use std::collections::VecDeque;

use super::Replica;
use super::admit::{AdmitError, Desk};
use super::error::ReplicaError;
use super::types::IngestOutcome;
use crate::causality::Index;
use crate::cotx::{Reason, Refusal};
use crate::fault::StoreError;
use crate::limits::{INGEST_BYTES_MAX, INGEST_COUNT_MAX};
use crate::log::{Entry, Standing, park, refuse, release, standing, unpark};
use crate::store::WriteTx;

impl Replica {
    pub(super) fn ingest_all(&mut self, entries: Vec<Entry>) -> Result<IngestOutcome, ReplicaError> {
        let mut outcome = IngestOutcome::default();
        let mut waiting = VecDeque::from(entries);
        while !waiting.is_empty() {
            self.refresh()?;
            let done = self.ingest_some(&mut waiting, &mut outcome);
            if done.is_err() {
                self.fall_back();
            }
            done?;
        }
        Ok(outcome)
    }

    /// One write transaction: entries from the front of `waiting`, and the parked ones that they release.
    fn ingest_some(&mut self, waiting: &mut VecDeque<Entry>, outcome: &mut IngestOutcome) -> Result<(), StoreError> {
        let tx = self.store.begin()?;
        let desk =
            Desk { layout: &self.layout, heads: &self.heads, views: &self.views, evaluations: &self.evaluations };
        let mut intake = Intake { desk, index: &mut self.index, outcome: IngestOutcome::default() };
        let (mut count, mut bytes) = (0, 0);
        while count < INGEST_COUNT_MAX && bytes < INGEST_BYTES_MAX {
            let Some(entry) = waiting.pop_front() else { break };
            count += 1;
            bytes += entry.payload().len();
            // Parked children of what was kept come next; they are ready now, whatever else waits.
            let released = intake.take(&tx, &entry)?;
            released.into_iter().rev().for_each(|child| waiting.push_front(child));
        }
        let kept = intake.outcome;
        tx.commit()?;
        outcome.append(kept);
        Ok(())
    }
}

/// The entries of one write transaction.
struct Intake<'i> {
    desk: Desk<'i>,
    index: &'i mut Index,
    outcome: IngestOutcome,
}

impl Intake<'_> {
    /// Does what is to be done with one entry. Returns the parked entries that it released.
    fn take(&mut self, tx: &WriteTx<'_>, entry: &Entry) -> Result<Vec<Entry>, StoreError> {
        let id = *entry.id();
        match standing(&**tx, entry.header())? {
            Standing::Kept(_) | Standing::Parked => {
                self.outcome.known.push(id);
                Ok(Vec::new())
            }
            Standing::Refused => {
                let message = "it, or an entry that it builds on, was refused before";
                self.refuse(tx, entry, Refusal::new(Reason::Ancestor, message))
            }
            Standing::Early { missing } => {
                let evicted = park(tx, entry, &missing)?;
                if !evicted.contains(&id) {
                    self.outcome.parked.push(id);
                }
                self.outcome.evicted.extend(evicted);
                Ok(Vec::new())
            }
            Standing::Ready => match self.desk.admit(tx, self.index, entry) {
                Ok(()) => {
                    self.outcome.admitted.push(id);
                    let mut released = Vec::new();
                    for child in release(tx, &id)? {
                        released.extend(unpark(tx, &child)?);
                    }
                    Ok(released)
                }
                Err(AdmitError::Refused(refusal)) => self.refuse(tx, entry, refusal),
                Err(AdmitError::Store(cause)) => Err(cause),
            },
        }
    }

    fn refuse(&mut self, tx: &WriteTx<'_>, entry: &Entry, refusal: Refusal) -> Result<Vec<Entry>, StoreError> {
        self.outcome.refused.push((*entry.id(), refusal));
        for descendant in refuse(tx, entry.header())? {
            let message = format!("it builds on entry {}, which was refused", entry.id());
            self.outcome.refused.push((descendant, Refusal::new(Reason::Ancestor, message)));
        }
        Ok(Vec::new())
    }
}
