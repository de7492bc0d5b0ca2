//! Which co-transactions are void: asked here of whoever judges, decided elsewhere (`cotx`).

use crate::crdt::OperationKey;
use crate::fault::StoreError;
use crate::log::Pos;

/// A co-transaction as this store calls it: the local position of its entry, and its index there.
///
/// Ordering is local and means nothing to another replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct CoTx {
    /// The entry.
    pub pos: Pos,
    /// Index in the entry.
    pub transaction: u32,
}

impl CoTx {
    /// The co-transaction of an operation.
    pub fn of(key: OperationKey) -> CoTx {
        CoTx { pos: key.pos, transaction: key.transaction }
    }
}

/// The verdicts that hold in one view.
pub trait Verdicts {
    /// Whether a co-transaction of the view is void.
    ///
    /// # Errors
    /// [`StoreError`].
    fn is_void(&self, of: CoTx) -> Result<bool, StoreError>;
}

/// Everything is live: nothing was judged yet.
#[derive(Debug, Clone, Copy)]
pub struct AllLive;

impl Verdicts for AllLive {
    fn is_void(&self, _of: CoTx) -> Result<bool, StoreError> {
        Ok(false)
    }
}
