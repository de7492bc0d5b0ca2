//! The log for people: entries newest first, their operations decoded.

use std::collections::BTreeMap;

use super::Replica;
use super::error::ReplicaError;
use super::report::row_of;
use super::source::PayloadSource;
use super::types::{LogItem, LogOperation, LogPage, LogTransaction, Verb};
use crate::causality::{Past, Pos, Version};
use crate::cotx::{Source, VerdictStore};
use crate::fault::StoreError;
use crate::log::{LogStore, Stamp};
use crate::relation::{Act, CoTx, Content, RowKey, RowName};

/// Reads a page of the log: the entries of greatest stamp of a version.
pub(super) fn page(replica: &Replica, of: Option<&Version>, entries_max: usize) -> Result<LogPage, ReplicaError> {
    let _snapshot = replica.store.snapshot()?;
    let past = match of {
        Some(version) => replica.index.past_of(&replica.store, version)?,
        None => replica.index.whole(),
    };
    let mut tops: BTreeMap<Stamp, Pos> = BTreeMap::new();
    for top in past.tops() {
        tops.insert(replica.store.stamp(*top)?, *top);
    }
    let mut items = Vec::new();
    while items.len() < entries_max {
        let Some((stamp, pos)) = tops.pop_last() else { break };
        items.push(item(replica, pos, stamp)?);
        if let Some(before) = Pos::new(pos.chain(), pos.sequence() - 1) {
            tops.insert(replica.store.stamp(before)?, before);
        }
    }
    // What is left of each chain: dropping the greatest stamps of a downward-closed set leaves one.
    let left: Vec<Pos> = tops.into_values().collect();
    let next = if left.is_empty() {
        None
    } else {
        let past: Past = replica.index.past_of_positions(&replica.store, &left)?;
        Some(replica.index.version_of(&replica.store, &past)?)
    };
    Ok(LogPage { items, next })
}

fn item(replica: &Replica, pos: Pos, stamp: Stamp) -> Result<LogItem, ReplicaError> {
    let header = replica.store.header(pos)?;
    let payload = replica.decode_kept(pos)?;
    let source = PayloadSource::new(&replica.store, &replica.layout, &payload)?;
    let voids: BTreeMap<_, _> = replica.store.voids_of_entry(pos)?.into_iter().collect();
    let mut transactions = Vec::new();
    for transaction in 0..payload.transaction_count() {
        let of = CoTx { pos, transaction };
        let acts = acts_of(&source, of)?;
        let verdict = replica.verdict(of, voids.get(&transaction), &acts)?;
        transactions.push(LogTransaction { operations: operations(replica, of, &acts)?, verdict });
    }
    Ok(LogItem {
        id: stamp.id,
        height: stamp.height,
        author: header.author,
        time_ms: header.time_ms,
        parents: header.parents.clone(),
        transactions,
    })
}

/// What a kept co-transaction does; rows of its own entry are named by their keys.
pub(super) fn acts_of(source: &PayloadSource<'_>, of: CoTx) -> Result<Vec<Act>, ReplicaError> {
    let operations = 0..source.operation_count(of.transaction);
    operations.map(|operation| Ok(source.act(of.transaction, operation)?.into_owned().settled(of.pos))).collect()
}

fn operations(replica: &Replica, of: CoTx, acts: &[Act]) -> Result<Vec<LogOperation>, StoreError> {
    let mut operations = Vec::new();
    for (act, operation) in acts.iter().zip(0..) {
        let (verb, cells) = match act {
            Act::Insert { table, cells, .. } => {
                let columns = &replica.layout.of(*table).inserted;
                (Verb::Insert, columns.iter().map(|column| (*column, &cells[*column])).collect())
            }
            Act::Update { columns, cells, .. } => (Verb::Update, columns.iter().copied().zip(cells).collect()),
            Act::Delete { .. } => (Verb::Delete, Vec::new()),
        };
        operations.push(read_operation(replica, verb, row_of(act, of, operation), cells)?);
    }
    Ok(operations)
}

fn read_operation(
    replica: &Replica,
    verb: Verb,
    key: RowKey,
    cells: Vec<(usize, &Option<Content>)>,
) -> Result<LogOperation, StoreError> {
    let row = replica.kept_row(key)?;
    let entry = replica.store.stamp(key.pos)?.id;
    let mut values = Vec::with_capacity(cells.len());
    for (column, content) in cells {
        let value = match content {
            None => None,
            Some(Content::Value(value)) => Some(value.clone()),
            Some(Content::Row(target)) => Some(replica.kept_row(target.key(key.pos))?.id.to_value()),
        };
        values.push((column, value));
    }
    Ok(LogOperation {
        verb,
        table: row.table,
        row: RowName { entry, transaction: key.transaction, operation: key.operation },
        id: row.id,
        cells: values,
    })
}
