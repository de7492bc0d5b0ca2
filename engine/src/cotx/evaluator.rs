//! What evaluation reads, and what it remembers while nothing changes: rows, lookups, deletes, seniorities.
//!
//! Everything remembered is true of all views alike.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::rc::Rc;

use super::condition::Weight;
use super::derive::Derived;
use super::verdict::{Grant, VerdictStore};
use super::views::{Views, leaves};
use crate::causality::{ClockStore, Index, Past};
use crate::crdt::OperationKey;
use crate::fault::StoreError;
use crate::limits::{EVALUATION_BYTES_MAX, EVALUATION_CACHE_MAX};
use crate::log::{Pos, Stamp};
use crate::relation::{AllLive, CoTx, Content, HeadCache, IndexKey, Layout, RowKey, RowRecord, Sight, View};

/// What evaluation asks of a store.
pub trait Ground: VerdictStore + ClockStore {}

impl<S: VerdictStore + ClockStore> Ground for S {}

/// What stays the same from one evaluation to the next.
#[derive(Clone, Copy)]
pub struct Bench<'b> {
    /// The schema.
    pub layout: &'b Layout,
    /// Dictionaries of payloads.
    pub heads: &'b RefCell<HeadCache>,
    /// Views whose verdicts were worked out before.
    pub views: &'b Views,
    /// Counts co-transactions evaluated, admission aside.
    pub evaluations: &'b Cell<u64>,
}

/// Works out conditions and verdicts over one state of a store.
pub(super) struct Evaluator<'e, S> {
    pub(super) store: &'e S,
    pub(super) index: &'e Index,
    pub(super) bench: Bench<'e>,
    rows: Memo<RowKey, Option<Rc<KeptRow>>>,
    guards: Memo<IndexKey, Rc<Vec<RowKey>>>,
    deletes: Memo<RowKey, Rc<Vec<OperationKey>>>,
    stamps: Memo<Pos, Stamp>,
    weights: Memo<OperationKey, Weight>,
    derived: Memo<Pos, Rc<Derived>>,
    /// Bytes of the payloads of these.
    derived_bytes: Cell<usize>,
    calm: Memo<Pos, bool>,
    /// The same of the past alone.
    calm_before: Memo<Pos, bool>,
    /// Verdicts that conditions depend on, each in the past of an entry: whether it is live there.
    pub(super) before: Memo<(Pos, CoTx), bool>,
}

/// A verdict in the past of an entry that must be known first.
pub(super) type Need = (Pos, CoTx);

/// A row with what its insert said.
pub(super) struct KeptRow {
    pub(super) record: RowRecord,
    pub(super) inserted: Vec<Option<Content>>,
}

static NOTHING: Sight = Sight { past: Past::EMPTY, height_max: 0, settled_below: 0 };

type Memo<K, V> = RefCell<BTreeMap<K, V>>;

fn remember<K: Ord, V: Clone>(
    memo: &Memo<K, V>,
    key: K,
    find: impl FnOnce() -> Result<V, StoreError>,
) -> Result<V, StoreError> {
    if let Some(known) = memo.borrow().get(&key) {
        return Ok(known.clone());
    }
    let found = find()?;
    let mut memo = memo.borrow_mut();
    if memo.len() >= EVALUATION_CACHE_MAX {
        memo.clear();
    }
    memo.insert(key, found.clone());
    Ok(found)
}

impl<'e, S: Ground> Evaluator<'e, S> {
    pub(super) fn new(store: &'e S, index: &'e Index, bench: Bench<'e>) -> Evaluator<'e, S> {
        Evaluator {
            store,
            index,
            bench,
            rows: Memo::default(),
            guards: Memo::default(),
            deletes: Memo::default(),
            stamps: Memo::default(),
            weights: Memo::default(),
            derived: Memo::default(),
            derived_bytes: Cell::new(0),
            calm: Memo::default(),
            calm_before: Memo::default(),
            before: Memo::default(),
        }
    }

    pub(super) fn layout(&self) -> &'e Layout {
        self.bench.layout
    }

    /// Reads rows and operations by their places; sees nothing by itself.
    pub(super) fn view(&self) -> View<'e, S> {
        View::new(self.store, self.bench.layout, &NOTHING, self.bench.heads, &AllLive)
    }

    pub(super) fn row(&self, key: RowKey) -> Result<Option<Rc<KeptRow>>, StoreError> {
        remember(&self.rows, key, || {
            let Some(record) = self.store.row(key)? else { return Ok(None) };
            let inserted = self.view().inserted_contents(&record)?;
            Ok(Some(Rc::new(KeptRow { record, inserted })))
        })
    }

    /// A row that something kept names.
    pub(super) fn kept_row(&self, key: RowKey) -> Result<Rc<KeptRow>, StoreError> {
        self.row(key)?.ok_or_else(|| StoreError::corrupt(format!("row {key:?} is named, but not kept")))
    }

    /// All rows that a guard lookup finds, ascending by position.
    pub(super) fn guards(&self, key: IndexKey) -> Result<Rc<Vec<RowKey>>, StoreError> {
        remember(&self.guards, key, || {
            let mut rows = Vec::new();
            self.store.guards(key, 0, &mut |row| {
                rows.push(row);
                Ok(ControlFlow::Continue(()))
            })?;
            let mut placed = Vec::with_capacity(rows.len());
            for row in rows {
                placed.push((self.place(row)?, row));
            }
            placed.sort_unstable();
            Ok(Rc::new(placed.into_iter().map(|(_, row)| row).collect()))
        })
    }

    pub(super) fn deletes(&self, row: RowKey) -> Result<Rc<Vec<OperationKey>>, StoreError> {
        remember(&self.deletes, row, || Ok(Rc::new(self.store.deletes(row)?)))
    }

    pub(super) fn stamp(&self, pos: Pos) -> Result<Stamp, StoreError> {
        remember(&self.stamps, pos, || self.store.stamp(pos))
    }

    /// Where an operation stands among all.
    pub(super) fn place(&self, key: OperationKey) -> Result<(Stamp, u32, u32), StoreError> {
        Ok((self.stamp(key.pos)?, key.transaction, key.operation))
    }

    /// How senior a row makes who relies on it.
    pub(super) fn weight(&self, row: RowKey) -> Result<Weight, StoreError> {
        remember(&self.weights, row, || weight_of(self.store, row, self.stamp(row.pos)?))
    }

    /// Finds the conditions of all co-transactions of an entry.
    pub(super) fn derived(&self, pos: Pos) -> Result<Rc<Derived>, StoreError> {
        loop {
            match self.try_derived(pos)? {
                Ok(derived) => return Ok(derived),
                Err(needs) => self.meet(needs)?,
            }
        }
    }

    /// The same, unless verdicts must be known first.
    pub(super) fn try_derived(&self, pos: Pos) -> Result<Result<Rc<Derived>, Vec<Need>>, StoreError> {
        if let Some(known) = self.derived.borrow().get(&pos) {
            return Ok(Ok(Rc::clone(known)));
        }
        let needs = RefCell::default();
        let derived = Rc::new(self.derive(pos, &needs)?);
        let needs = needs.into_inner();
        if needs.is_empty() {
            self.derived_bytes.set(self.derived_bytes.get().saturating_add(derived.payload_bytes));
            if self.derived_bytes.get() > EVALUATION_BYTES_MAX {
                self.derived_bytes.set(0);
                self.derived.borrow_mut().clear();
            }
            remember(&self.derived, pos, || Ok(Rc::clone(&derived)))?;
            return Ok(Ok(derived));
        }
        Ok(Err(needs))
    }

    /// Whether an entry's verdicts were decided at once and do not depend on anything that is concurrent with it.
    pub(super) fn is_calm(&self, pos: Pos) -> Result<bool, StoreError> {
        remember(&self.calm, pos, || {
            let clock = self.index.clock(self.store, pos)?;
            self.is_calm_past(&clock)
        })
    }

    /// The same of all entries before an entry.
    ///
    /// * `clock` - the entry and its past.
    pub(super) fn is_calm_before(&self, pos: Pos, clock: &Past) -> Result<bool, StoreError> {
        remember(&self.calm_before, pos, || self.is_calm_past(&clock.before(pos)))
    }

    /// The same of all entries of a past.
    fn is_calm_past(&self, past: &Past) -> Result<bool, StoreError> {
        if leaves(self.store, past)? {
            return Ok(false);
        }
        for top in past.tops() {
            let first = Pos::new(top.chain(), 1).ok_or_else(|| StoreError::corrupt("a chain exceeds its bits"))?;
            if self.store.next_dispute(first)?.is_some_and(|found| found <= *top) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// How senior a row makes who relies on it.
pub(super) fn weight_of(store: &impl VerdictStore, row: RowKey, stamp: Stamp) -> Result<Weight, StoreError> {
    let insert = CoTx::of(row);
    if row.pos != Pos::GENESIS && store.grant(insert)? == Grant::Nothing {
        return Ok(Weight::Nothing);
    }
    Ok(Weight::Row(stamp, row.transaction, row.operation))
}

/// How senior a co-transaction was in its own past.
pub(super) fn seniority_of(store: &impl VerdictStore, of: CoTx) -> Result<Weight, StoreError> {
    if of.pos == Pos::GENESIS {
        return Ok(Weight::Genesis);
    }
    match store.grant(of)? {
        Grant::Nothing => Ok(Weight::Nothing),
        Grant::Row(row) => Ok(Weight::Row(store.stamp(row.pos)?, row.transaction, row.operation)),
    }
}
