//! Entries of a run, retold as a tale: rows by labels, authors by numbers.

use std::collections::BTreeMap;

use treaty_engine::hash::EntryId;
use treaty_engine::identity::Identity;
use treaty_engine::log::Entry;
use treaty_engine::relation::payload::{Cell, Operation, Payload, RowRef};
use treaty_engine::relation::{RowId, RowName};
use treaty_schema::{Schema, Value};

use super::ledger::{payload_of, table_of};
use super::tale::{Tale, ToldEntry, ToldOperation};
use crate::dag::keypair;

/// Retells genesis and entries, parents before children, heard by somebody in the order of `heard`.
///
/// Entries are left out that tales have no words for, with all that builds on them. None if genesis is such a one.
pub(super) fn retell(schema: (&Schema, &str), genesis: &Entry, entries: &[&Entry], heard: &[EntryId]) -> Option<Tale> {
    let mut teller = Teller { schema: schema.0, names: BTreeMap::new(), labels: BTreeMap::new(), ids: BTreeMap::new() };
    teller.names.insert(*genesis.id(), "genesis".to_owned());
    let mut rows = teller.transactions(genesis)?;
    let genesis = rows.pop().unwrap_or_default();
    let mut told: Vec<ToldEntry> = Vec::new();
    for entry in entries {
        told.extend(teller.entry(entry, told.len()));
    }
    let heard = heard.iter().filter_map(|id| teller.names.get(id)).filter(|name| *name != "genesis").cloned().collect();
    Some(Tale { schema: schema.1.to_owned(), time_ms: 0, genesis, entries: told, heard })
}

struct Teller<'t> {
    schema: &'t Schema,
    names: BTreeMap<EntryId, String>,
    labels: BTreeMap<RowName, String>,
    /// The first label of each id.
    ids: BTreeMap<RowId, String>,
}

impl Teller<'_> {
    fn entry(&mut self, entry: &Entry, index: usize) -> Option<ToldEntry> {
        let parents = entry.header().parents.iter().map(|parent| self.names.get(parent).cloned());
        let parents = parents.collect::<Option<_>>()?;
        let author = number_of(entry.author())?;
        let name = format!("e{index}");
        self.names.insert(*entry.id(), name.clone());
        let transactions = self.transactions(entry);
        if transactions.is_none() {
            self.names.remove(entry.id());
        }
        Some(ToldEntry { name, author, parents, transactions: transactions? })
    }

    fn transactions(&mut self, entry: &Entry) -> Option<Vec<Vec<ToldOperation>>> {
        let payload = payload_of(entry)?;
        let own = self.names.get(entry.id())?.clone();
        // Labels first: a co-transaction may refer to what it inserts later.
        let mut count = 0;
        for (name, operation) in numbered(entry, &payload) {
            if let Operation::Insert { .. } = operation {
                self.labels.insert(name, format!("{own}_{count}"));
                count += 1;
            }
        }
        let mut transactions = vec![Vec::new(); payload.transaction_count() as usize];
        for (name, operation) in numbered(entry, &payload) {
            let told = self.operation(&payload, name, &operation)?;
            transactions.get_mut(name.transaction as usize)?.push(told);
        }
        Some(transactions)
    }

    fn operation(&mut self, payload: &Payload, name: RowName, operation: &Operation) -> Option<ToldOperation> {
        let row = |row: &RowRef| match row {
            RowRef::Own { transaction, operation } => {
                RowName { entry: name.entry, transaction: *transaction, operation: *operation }
            }
            RowRef::Past { entry, transaction, operation } => RowName {
                entry: payload.head().entries[*entry as usize],
                transaction: *transaction,
                operation: *operation,
            },
        };
        let cells = |shape: u32, cells: &[Option<Cell>]| {
            let shape = payload.head().shapes.get(shape as usize)?;
            let (_, table) = table_of(self.schema, payload.head(), shape.table)?;
            let mut told = Vec::new();
            for (column, cell) in shape.columns.iter().zip(cells) {
                let (_, column) = table.columns.iter().enumerate().find(|(_, known)| known.id.index == column.index)?;
                let value = match cell {
                    None => "NULL".to_owned(),
                    Some(Cell::Value(value)) => value_text(value)?,
                    Some(Cell::Row(target)) => self.labels.get(&row(target))?.clone(),
                };
                told.push((column.name.to_string(), value));
            }
            Some((table.name.to_string(), told))
        };
        match operation {
            Operation::Insert { shape, id, cells: written } => {
                let (table, mut told) = cells(*shape, written)?;
                let label = self.labels.get(&name)?.clone();
                match self.ids.get(id) {
                    Some(first) => told.push(("id".to_owned(), first.clone())),
                    None => drop(self.ids.insert(*id, label.clone())),
                }
                Some(ToldOperation { verb: format!("insert {table}"), label, cells: told })
            }
            Operation::Update { shape, row: target, cells: written } => {
                let (_, told) = cells(*shape, written)?;
                Some(ToldOperation {
                    verb: "update".to_owned(),
                    label: self.labels.get(&row(target))?.clone(),
                    cells: told,
                })
            }
            Operation::Delete { row: target, .. } => {
                let label = self.labels.get(&row(target))?.clone();
                Some(ToldOperation { verb: "delete".to_owned(), label, cells: Vec::new() })
            }
        }
    }
}

fn numbered(entry: &Entry, payload: &Payload) -> Vec<(RowName, Operation)> {
    let mut found = Vec::new();
    for transaction in 0..payload.transaction_count() {
        for operation in 0..payload.operation_count(transaction) {
            let name = RowName { entry: *entry.id(), transaction, operation };
            found.extend(payload.operation(transaction, operation).map(|operation| (name, operation)));
        }
    }
    found
}

fn value_text(value: &Value) -> Option<String> {
    match value {
        Value::Integer(number) => Some(number.to_string()),
        Value::Text(text) => Some(text.as_str().to_owned()),
        Value::Identity(identity) => number_of(identity).map(|number| format!("@{number}")),
        _ => None,
    }
}

fn number_of(identity: &Identity) -> Option<u8> {
    (0..100).find(|number| keypair(*number).identity() == *identity)
}
