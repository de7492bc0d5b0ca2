//! Where judgement reads operations from: a decoded payload, or the acts of local work.

use std::borrow::Cow;

use crate::cotx::{JudgeError, Source};
use crate::limits::ACTS_HELD_BYTES_MAX;
use crate::log::LogStore;
use crate::relation::payload::Payload;
use crate::relation::{Act, Layout, Names};
use crate::store::Sqlite;

/// The operations of a payload, found in a schema. Those of a small one are held; of a large one decoded when asked.
pub(super) struct PayloadSource<'p> {
    store: &'p Sqlite,
    layout: &'p Layout,
    payload: &'p Payload,
    names: Names,
    held: Vec<Vec<Act>>,
}

impl<'p> PayloadSource<'p> {
    /// Looks the names of a payload up.
    ///
    /// # Errors
    /// [`JudgeError::Refused`] if a name of a small payload cannot be found; [`JudgeError::Store`].
    pub(super) fn new(
        store: &'p Sqlite,
        layout: &'p Layout,
        payload: &'p Payload,
    ) -> Result<PayloadSource<'p>, JudgeError> {
        let names = Names::new(payload.head().clone(), layout);
        let mut source = PayloadSource { store, layout, payload, names, held: Vec::new() };
        if payload.bytes().len() <= ACTS_HELD_BYTES_MAX {
            for transaction in 0..payload.transaction_count() {
                let operations = 0..payload.operation_count(transaction);
                let acts = operations.map(|operation| source.decode(transaction, operation));
                source.held.push(acts.collect::<Result<_, _>>()?);
            }
        }
        Ok(source)
    }

    /// Returns an operation, if operations are held.
    pub(super) fn held(&self, transaction: u32, operation: u32) -> Option<&Act> {
        self.held.get(transaction as usize)?.get(operation as usize)
    }

    fn decode(&self, transaction: u32, operation: u32) -> Result<Act, JudgeError> {
        let decoded = self.payload.operation(transaction, operation).expect("only operations that are there are asked");
        let found = self.names.resolve(self.layout, decoded, &|id| self.store.position_of(id));
        found.map_err(|cause| match JudgeError::from(cause) {
            JudgeError::Refused(refusal) => JudgeError::Refused(refusal.at(transaction, operation)),
            store @ JudgeError::Store(_) => store,
        })
    }
}

impl Source for PayloadSource<'_> {
    fn operation_count(&self, transaction: u32) -> u32 {
        self.payload.operation_count(transaction)
    }

    fn act(&self, transaction: u32, operation: u32) -> Result<Cow<'_, Act>, JudgeError> {
        match self.held.get(transaction as usize) {
            Some(acts) => Ok(Cow::Borrowed(&acts[operation as usize])),
            None => self.decode(transaction, operation).map(Cow::Owned),
        }
    }
}

/// The operations of local co-transactions, by co-transaction.
#[derive(Debug, Default)]
pub(super) struct LocalSource {
    pub(super) transactions: Vec<Vec<Act>>,
}

impl Source for LocalSource {
    fn operation_count(&self, transaction: u32) -> u32 {
        let count = self.transactions[transaction as usize].len();
        u32::try_from(count).expect("local co-transactions are in memory, far below 2^32 operations")
    }

    fn act(&self, transaction: u32, operation: u32) -> Result<Cow<'_, Act>, JudgeError> {
        Ok(Cow::Borrowed(&self.transactions[transaction as usize][operation as usize]))
    }
}
