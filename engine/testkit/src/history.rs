//! Entries decoded once, with everything that a naive evaluator asks: pasts as sets, operations with rows named whole.

use std::collections::{BTreeMap, BTreeSet};

use treaty_engine::hash::EntryId;
use treaty_engine::identity::Identity;
use treaty_engine::log::{Entry, Kind};
use treaty_engine::relation::payload::{Cell, GenesisPayload, Head, ObjectRef, Operation, Payload, RowRef};
use treaty_engine::relation::{RowId, RowName};
use treaty_schema::{ObjectId, Schema, Value};

/// The place of an operation in the order that all replicas agree on, within a past.
pub(crate) type Position = (u64, EntryId, u32);

/// A set of entries.
#[derive(Debug, Clone)]
pub struct History {
    /// The schema that genesis makes.
    pub schema: Schema,
    pub(crate) entries: BTreeMap<EntryId, Told>,
}

/// An entry, decoded.
#[derive(Debug, Clone)]
pub(crate) struct Told {
    pub(crate) author: Identity,
    pub(crate) height: u64,
    pub(crate) parents: Vec<EntryId>,
    /// All entries before it.
    pub(crate) past: BTreeSet<EntryId>,
    pub(crate) transactions: Vec<Vec<Deed>>,
}

/// An operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Deed {
    Insert { table: usize, id: RowId, cells: BTreeMap<usize, Held> },
    Update { table: usize, row: RowName, cells: BTreeMap<usize, Held> },
    Delete { table: usize, row: RowName },
}

/// What a cell holds; none is NULL.
pub(crate) type Held = Option<Content>;

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Content {
    Value(Value),
    Row(RowName),
}

impl History {
    /// Starts with the schema of a genesis entry.
    pub fn new(schema: Schema) -> History {
        History { schema, entries: BTreeMap::new() }
    }

    /// Adds an entry whose parents are here. Its names must mean something in the schema.
    pub fn add(&mut self, entry: &Entry) {
        let header = entry.header();
        let payload = match header.kind {
            Kind::Genesis => GenesisPayload::decode(entry.payload().to_vec()).map(|genesis| genesis.rows),
            Kind::Data => Payload::decode(entry.payload().to_vec()),
        };
        let payload = payload.expect("a history holds decodable entries");
        let mut past: BTreeSet<EntryId> = header.parents.iter().copied().collect();
        for parent in &header.parents {
            past.extend(&self.entries[parent].past);
        }
        let transactions = (0..payload.transaction_count()).map(|transaction| {
            let operations = 0..payload.operation_count(transaction);
            operations.filter_map(|operation| payload.operation(transaction, operation)).collect::<Vec<_>>()
        });
        let deeds = |operations: Vec<Operation>| {
            operations.into_iter().map(|operation| self.deed(*entry.id(), payload.head(), operation)).collect()
        };
        let told = Told {
            author: *entry.author(),
            height: header.height,
            parents: header.parents.clone(),
            past,
            transactions: transactions.map(deeds).collect(),
        };
        self.entries.insert(*entry.id(), told);
    }

    /// Whether an entry is here.
    pub fn contains(&self, id: &EntryId) -> bool {
        self.entries.contains_key(id)
    }

    /// Entries standing for a version, and all before them.
    pub(crate) fn closure(&self, heads: &[EntryId]) -> BTreeSet<EntryId> {
        let mut seen: BTreeSet<EntryId> = heads.iter().copied().collect();
        for head in heads {
            seen.extend(&self.entries[head].past);
        }
        seen
    }

    pub(crate) fn position(&self, entry: EntryId, transaction: u32) -> Position {
        (self.entries[&entry].height, entry, transaction)
    }

    fn deed(&self, own: EntryId, head: &Head, operation: Operation) -> Deed {
        let object =
            |object: ObjectRef| ObjectId { version: head.versions[usize::from(object.version)], index: object.index };
        let row = |row: RowRef| match row {
            RowRef::Own { transaction, operation } => RowName { entry: own, transaction, operation },
            RowRef::Past { entry, transaction, operation } => {
                RowName { entry: head.entries[entry as usize], transaction, operation }
            }
        };
        let table = |id: ObjectRef| self.schema.table_by_id(object(id)).expect("the table is drawn").0;
        let cells = |shape: u32, cells: Vec<Option<Cell>>| {
            let shape = &head.shapes[shape as usize];
            let table = table(shape.table);
            let columns = shape.columns.iter().map(|column| {
                self.schema.tables()[table].column_by_id(object(*column)).expect("the column is drawn").0
            });
            let held = cells.into_iter().map(|cell| {
                cell.map(|cell| match cell {
                    Cell::Value(value) => Content::Value(value),
                    Cell::Row(target) => Content::Row(row(target)),
                })
            });
            (table, columns.zip(held).collect::<BTreeMap<_, _>>())
        };
        match operation {
            Operation::Insert { shape, id, cells: written } => {
                let (table, cells) = cells(shape, written);
                Deed::Insert { table, id, cells }
            }
            Operation::Update { shape, row: target, cells: written } => {
                let (table, cells) = cells(shape, written);
                Deed::Update { table, row: row(target), cells }
            }
            Operation::Delete { table: of, row: target } => Deed::Delete { table: table(of), row: row(target) },
        }
    }
}
