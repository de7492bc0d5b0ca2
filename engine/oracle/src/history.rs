//! A set of entries, each decoded once: its author, what was before it, its operations with rows named whole.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use treaty_engine::hash::EntryId;
use treaty_engine::identity::Identity;
use treaty_engine::log::{Entry, Kind};
use treaty_engine::relation::payload::{
    Cell, GenesisPayload, Head, ObjectRef, Operation, Payload, PayloadError, RowRef,
};
use treaty_engine::relation::{RowId, RowName};
use treaty_schema::{ObjectId, Schema, Value};

use crate::entry_set::EntrySet;
use crate::names::{CoTxName, Position};
use crate::permission::Ways;
use crate::seniority::Seniority;
use crate::verdict::Verdicts;
use crate::view::ViewKey;

/// A set of entries, downward closed.
///
/// Clones share what was worked out; it is keyed by what it is about, so clones may go different ways.
#[derive(Debug, Clone)]
pub struct History {
    schema: Schema,
    entries: BTreeMap<EntryId, Rc<Told>>,
    pub(crate) mode: Mode,
    pub(crate) known: Rc<Known>,
}

/// What verdicts are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// As the semantics say.
    Judged,
    /// Everything admitted is live, and rank is position.
    AllLive,
}

/// Answers that never change, each a function of its key alone.
#[derive(Debug, Default)]
pub(crate) struct Known {
    pub(crate) verdicts: RefCell<BTreeMap<ViewKey, Rc<Verdicts>>>,
    pub(crate) seniorities: RefCell<BTreeMap<CoTxName, Seniority>>,
    pub(crate) ways: RefCell<BTreeMap<RowName, Rc<Ways>>>,
}

/// An entry, decoded.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) number: usize,
    pub(crate) author: Identity,
    pub(crate) height: u64,
    pub(crate) parents: Vec<EntryId>,
    /// All entries before it.
    pub(crate) past: EntrySet,
    pub(crate) transactions: Vec<Vec<Deed>>,
}

/// An operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Deed {
    Insert { table: usize, id: RowId, cells: Cells },
    Update { table: usize, row: RowName, cells: Cells },
    Delete { table: usize, row: RowName },
}

/// What is written, by column.
pub(crate) type Cells = BTreeMap<usize, Held>;

/// What a cell holds; none is NULL.
pub(crate) type Held = Option<Content>;

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Content {
    Value(Value),
    Row(RowName),
}

/// Why an entry cannot be part of a history.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HistoryError {
    /// It builds on something unknown.
    #[error("entry {id} builds on {parent}, which is not here")]
    Orphan {
        /// The entry.
        id: EntryId,
        /// The parent.
        parent: EntryId,
    },
    /// Its payload is not one.
    #[error("the payload of entry {id} does not decode")]
    Payload {
        /// The entry.
        id: EntryId,
        /// Why.
        #[source]
        cause: PayloadError,
    },
    /// It names what the schema lacks, or not the columns that it must.
    #[error("entry {id} names what the schema does not have")]
    Schema {
        /// The entry.
        id: EntryId,
    },
}

impl History {
    /// Starts with the schema of a genesis entry, and no entry.
    pub fn new(schema: Schema) -> History {
        History { schema, entries: BTreeMap::new(), mode: Mode::Judged, known: Rc::default() }
    }

    /// The same entries, each of them live, and rank being position alone: what an engine that does not judge yet shows.
    #[must_use]
    pub fn all_live(&self) -> History {
        History { mode: Mode::AllLive, known: Rc::default(), ..self.clone() }
    }

    /// The schema that genesis makes.
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// Adds an entry whose parents are here, and which is admitted ([`History::judge`]).
    ///
    /// # Errors
    /// [`HistoryError`]; nothing is added.
    pub fn add(&mut self, entry: &Entry) -> Result<(), HistoryError> {
        let (id, header) = (*entry.id(), entry.header());
        let payload = match header.kind {
            Kind::Genesis => GenesisPayload::decode(entry.payload().to_vec()).map(|genesis| genesis.rows),
            Kind::Data => Payload::decode(entry.payload().to_vec()),
        };
        let payload = payload.map_err(|cause| HistoryError::Payload { id, cause })?;
        let mut past = EntrySet::default();
        for parent in &header.parents {
            let before = self.entries.get(parent).ok_or(HistoryError::Orphan { id, parent: *parent })?;
            past.insert(before.number);
            past.extend(&before.past);
        }
        let deeds = |transaction| {
            let operations = 0..payload.operation_count(transaction);
            let operations = operations.filter_map(|operation| payload.operation(transaction, operation));
            operations.map(|operation| self.deed(id, payload.head(), operation)).collect::<Option<Vec<Deed>>>()
        };
        let transactions = (0..payload.transaction_count()).map(deeds).collect::<Option<Vec<_>>>();
        let told = Told {
            number: self.entries.get(&id).map_or(self.entries.len(), |told| told.number),
            author: *entry.author(),
            height: header.height,
            parents: header.parents.clone(),
            past,
            transactions: transactions.ok_or(HistoryError::Schema { id })?,
        };
        self.entries.insert(id, Rc::new(told));
        Ok(())
    }

    /// Whether an entry is here.
    pub fn contains(&self, id: &EntryId) -> bool {
        self.entries.contains_key(id)
    }

    /// The entries that no other follows, sorted: the version of the whole history.
    pub fn all_heads(&self) -> Vec<EntryId> {
        let is_parent = |id: &EntryId| self.entries.values().any(|told| told.parents.contains(id));
        self.entries.keys().filter(|id| !is_parent(id)).copied().collect()
    }

    /// Every entry with its id, in the order of ids.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (EntryId, &Told)> {
        self.entries.iter().map(|(id, told)| (*id, &**told))
    }

    /// An entry of the history.
    pub(crate) fn told(&self, id: EntryId) -> &Told {
        &self.entries[&id]
    }

    /// The operations of a co-transaction.
    pub(crate) fn deeds(&self, of: CoTxName) -> &[Deed] {
        &self.told(of.entry).transactions[of.transaction as usize]
    }

    /// Whether a co-transaction is of the genesis: live by definition.
    pub(crate) fn is_genesis(&self, of: CoTxName) -> bool {
        self.told(of.entry).parents.is_empty()
    }

    pub(crate) fn position(&self, of: CoTxName) -> Position {
        Position { height: self.told(of.entry).height, entry: of.entry, transaction: of.transaction }
    }

    /// `a < b`: by their entries; within one entry by index.
    pub(crate) fn is_before(&self, a: CoTxName, b: CoTxName) -> bool {
        match a.entry == b.entry {
            true => a.transaction < b.transaction,
            false => self.told(b.entry).past.contains(self.told(a.entry).number),
        }
    }

    /// `a ∥ b`.
    pub(crate) fn is_concurrent(&self, a: CoTxName, b: CoTxName) -> bool {
        a != b && !self.is_before(a, b) && !self.is_before(b, a)
    }

    /// An operation with its names made whole; none if the schema lacks what it names.
    fn deed(&self, own: EntryId, head: &Head, operation: Operation) -> Option<Deed> {
        let row = |row: RowRef| match row {
            RowRef::Own { transaction, operation } => Some(RowName { entry: own, transaction, operation }),
            RowRef::Past { entry, transaction, operation } => {
                Some(RowName { entry: *head.entries.get(entry as usize)?, transaction, operation })
            }
        };
        match operation {
            Operation::Insert { shape, id, cells } => {
                let (table, columns) = self.shape(head, shape)?;
                let of = &self.schema.tables()[table];
                let is_whole =
                    (0..of.columns.len()).filter(|column| *column != of.id_column).eq(columns.iter().copied());
                is_whole.then_some(())?;
                Some(Deed::Insert { table, id, cells: held(columns, cells, row)? })
            }
            Operation::Update { shape, row: target, cells } => {
                let (table, columns) = self.shape(head, shape)?;
                Some(Deed::Update { table, row: row(target)?, cells: held(columns, cells, row)? })
            }
            Operation::Delete { table, row: target } => {
                let (table, _) = self.schema.table_by_id(object(head, table)?)?;
                Some(Deed::Delete { table, row: row(target)? })
            }
        }
    }

    /// The table of a shape, and its columns, which ascend.
    fn shape(&self, head: &Head, shape: u32) -> Option<(usize, Vec<usize>)> {
        let shape = head.shapes.get(shape as usize)?;
        let (index, table) = self.schema.table_by_id(object(head, shape.table)?)?;
        let column = |column: &ObjectRef| Some(table.column_by_id(object(head, *column)?)?.0);
        let columns = shape.columns.iter().map(column).collect::<Option<Vec<usize>>>()?;
        columns.is_sorted_by(|a, b| a < b).then_some((index, columns))
    }
}

fn object(head: &Head, object: ObjectRef) -> Option<ObjectId> {
    Some(ObjectId { version: *head.versions.get(usize::from(object.version))?, index: object.index })
}

fn held(columns: Vec<usize>, cells: Vec<Option<Cell>>, row: impl Fn(RowRef) -> Option<RowName>) -> Option<Cells> {
    let contents = cells.into_iter().map(|cell| {
        Some(match cell {
            None => None,
            Some(Cell::Value(value)) => Some(Content::Value(value)),
            Some(Cell::Row(target)) => Some(Content::Row(row(target)?)),
        })
    });
    columns.into_iter().zip(contents).map(|(column, held)| Some((column, held?))).collect()
}
