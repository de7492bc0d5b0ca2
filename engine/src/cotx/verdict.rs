//! Verdicts as they are kept: which co-transactions are void and why, every change, and what finds those whose verdict may
//! change. The one SQLite implementation is in `store`, which decides nothing.
//!
//! The verdicts of now are those of the view of everything held. Their changes are numbered: the number of the last one is the
//! *basis* that a reader saw, and the verdicts of any earlier basis can be asked for.

use std::ops::Deref;

use super::kept::AsOf;
use crate::fault::StoreError;
use crate::log::Pos;
use crate::relation::{CoTx, RelationStore, RelationWriter, RowKey, Verdicts, Walk};

/// Why a co-transaction is void: the kind of the condition that is false. Codes are stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum VoidReason {
    /// No policy permits it any more.
    Permission,
    /// A row that it refers to is not there, or a row that it deletes is referred to.
    ForeignKey,
    /// Another row has a UNIQUE key that it claims.
    Unique,
    /// It breaks a rule of the schema.
    Schema,
    /// None of its conditions is false, but one that was decided before it needs it void.
    Overridden,
}

impl VoidReason {
    /// Returns the code that applications see.
    pub fn code(self) -> &'static str {
        match self {
            VoidReason::Permission => "permission",
            VoidReason::ForeignKey => "foreign_key",
            VoidReason::Unique => "unique",
            VoidReason::Schema => "schema",
            VoidReason::Overridden => "overridden",
        }
    }
}

/// Why and by whom a co-transaction is void.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Void {
    /// The kind of its first false condition.
    pub reason: VoidReason,
    /// Index of the operation whose condition it is; 0 if overridden.
    pub operation: u32,
    /// Whose being live, or void, makes the condition false; of the overridden the one decided before it, if there is one.
    pub culprit: Option<CoTx>,
    /// The row that the condition is about: the witness lost, the row that still refers, the row that has the key.
    pub row: Option<RowKey>,
    /// Index of the foreign key or UNIQUE key in its table: of the row that refers, of the row that claims.
    pub part: u32,
}

/// A change of a verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flip {
    /// Its number, from 1, strictly growing; means nothing to another replica.
    pub no: u64,
    /// Whose verdict.
    pub of: CoTx,
    /// Why it is void from here on; none if it is live.
    pub void: Option<Void>,
}

/// How senior a co-transaction was in its own past. Less is more senior; ties by position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grant {
    /// By this row.
    Row(RowKey),
    /// By none: least senior. Rows that it inserts grant no seniority.
    Nothing,
}

/// Reads verdicts. [`Verdicts::is_void`] of the store is the verdict of now.
pub trait VerdictStore: RelationStore + Verdicts {
    /// Returns why a co-transaction is void now; none if it is live.
    fn void(&self, of: CoTx) -> Result<Option<Void>, StoreError>;

    /// Returns the co-transactions of an entry that are void now, by index.
    fn voids_of_entry(&self, pos: Pos) -> Result<Vec<(u32, Void)>, StoreError>;

    /// Returns why a co-transaction was void as of a basis; none if it was live.
    fn void_as_of(&self, of: CoTx, basis: u64) -> Result<Option<Void>, StoreError>;

    /// Returns the co-transactions of some entries that were void at a moment, ascending, up to `count_max`.
    ///
    /// * `entries` - the first and the last of them; of one chain.
    fn voids_within(&self, entries: (Pos, Pos), as_of: AsOf, count_max: usize) -> Result<Vec<CoTx>, StoreError>;

    /// Returns the number of the last flip, 0 before the first.
    fn basis(&self) -> Result<u64, StoreError>;

    /// Walks the flips numbered above `after` up to `last`, ascending.
    fn flips(&self, after: u64, last: u64, visit: &mut dyn FnMut(Flip) -> Walk) -> Result<(), StoreError>;

    /// Returns all flips of a co-transaction, ascending.
    fn flips_of(&self, of: CoTx) -> Result<Vec<Flip>, StoreError>;

    /// Walks those entries whose permission rests on a row.
    ///
    /// * `entries` - the first and the last place that is asked for.
    fn readers(&self, row: RowKey, entries: (Pos, Pos), visit: &mut dyn FnMut(Pos) -> Walk) -> Result<(), StoreError>;

    /// Returns what made a co-transaction as senior as it was in its own past.
    fn grant(&self, of: CoTx) -> Result<Grant, StoreError>;

    /// Returns the pair of source and target chain after `after` between which there are dependencies.
    fn edge_chains(&self, after: Option<(u32, u32)>) -> Result<Option<(u32, u32)>, StoreError>;

    /// Returns the greatest sequence number in `chain` on which `source`, or an entry before it in its chain, depends; 0 if none.
    fn edge_target(&self, source: Pos, chain: u32) -> Result<u64, StoreError>;

    /// Returns the group of disputing co-transactions that one is a member of.
    fn dispute(&self, of: CoTx) -> Result<Option<u64>, StoreError>;

    /// Returns the members of a group.
    fn dispute_members(&self, group: u64) -> Result<Vec<CoTx>, StoreError>;

    /// Returns the groups that depend on a co-transaction, its own included.
    fn disputes_around(&self, of: CoTx) -> Result<Vec<u64>, StoreError>;

    /// Returns the groups that take an entry from `from` on, in its chain, as given.
    fn disputes_above(&self, from: Pos) -> Result<Vec<u64>, StoreError>;

    /// Returns the first entry from `from` on, in its chain, with a member of a group.
    fn next_dispute(&self, from: Pos) -> Result<Option<Pos>, StoreError>;
}

/// Writes verdicts, inside one write transaction; reads through its target, which shows the writes.
pub trait VerdictWriter: RelationWriter + Deref<Target: VerdictStore> {
    /// Makes a co-transaction void, or live again, and numbers the flip.
    fn insert_flip(&self, of: CoTx, void: Option<&Void>) -> Result<(), StoreError>;

    /// Keeps a better founded reason of one that stays void; no flip.
    fn update_void(&self, of: CoTx, void: &Void) -> Result<(), StoreError>;

    /// Keeps that an entry's permission rests on a row. Returns whether that is news.
    fn insert_reader(&self, row: RowKey, pos: Pos) -> Result<bool, StoreError>;

    /// Keeps what makes a co-transaction, and the later ones of its entry, as senior as they are.
    fn insert_grant(&self, of: CoTx, grant: Grant) -> Result<(), StoreError>;

    /// Keeps that an entry depends on a concurrent one.
    fn insert_edge(&self, source: Pos, target: Pos) -> Result<(), StoreError>;

    /// Puts co-transactions into one group, under a number that no group had.
    fn insert_dispute(&self, members: &[CoTx]) -> Result<u64, StoreError>;

    /// Forgets a group, its region, and what it takes as given.
    fn delete_dispute(&self, group: u64) -> Result<(), StoreError>;

    /// Keeps what a group depends on, in place of what was kept.
    ///
    /// * `ground` - the last entries of chains up to which it takes everything as given.
    fn set_dispute_region(&self, group: u64, region: &[CoTx], ground: &[Pos]) -> Result<(), StoreError>;
}
