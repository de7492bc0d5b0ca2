//! What entries did, as far as hostile authors care: whose rights were removed where, and which ids were given.

use std::collections::BTreeMap;

use treaty_engine::hash::EntryId;
use treaty_engine::identity::Identity;
use treaty_engine::log::{Entry, Kind};
use treaty_engine::relation::payload::{Cell, GenesisPayload, Head, ObjectRef, Operation, Payload, RowRef};
use treaty_engine::relation::{RowId, RowName};
use treaty_schema::{ObjectId, Schema, Table, Value};

/// Notes on all entries admitted anywhere.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    /// Entries that end somebody's membership, and whose.
    pub removals: Vec<(EntryId, Identity)>,
    /// Ids that some insert gave, by table.
    pub ids: Vec<(usize, RowId)>,
    members: BTreeMap<RowName, Identity>,
}

impl Ledger {
    /// Notes what an entry does.
    pub(super) fn note(&mut self, schema: &Schema, entry: &Entry) {
        let Some(payload) = payload_of(entry) else { return };
        for transaction in 0..payload.transaction_count() {
            for operation in 0..payload.operation_count(transaction) {
                let name = RowName { entry: *entry.id(), transaction, operation };
                match payload.operation(transaction, operation) {
                    Some(Operation::Insert { shape, id, cells }) => {
                        self.insert(schema, payload.head(), name, (shape, id, &cells));
                    }
                    Some(Operation::Delete { row: RowRef::Past { entry: of, transaction, operation }, .. }) => {
                        let row = RowName { entry: payload.head().entries[of as usize], transaction, operation };
                        self.removals.extend(self.members.get(&row).map(|victim| (*entry.id(), *victim)));
                    }
                    _ => {}
                }
            }
        }
    }

    fn insert(&mut self, schema: &Schema, head: &Head, name: RowName, row: (u32, RowId, &[Option<Cell>])) {
        let (shape, id, cells) = row;
        let Some((index, table)) = table_of(schema, head, head.shapes[shape as usize].table) else { return };
        self.ids.push((index, id));
        if table.name.as_str() == "members" {
            let who = cells.iter().find_map(|cell| match cell {
                Some(Cell::Value(Value::Identity(who))) => Some(*who),
                _ => None,
            });
            self.members.extend(who.map(|who| (name, who)));
        }
    }
}

/// Decodes what an entry did; none if it does not decode.
pub(super) fn payload_of(entry: &Entry) -> Option<Payload> {
    let bytes = entry.payload().to_vec();
    match entry.header().kind {
        Kind::Genesis => GenesisPayload::decode(bytes).ok().map(|genesis| genesis.rows),
        Kind::Data => Payload::decode(bytes).ok(),
    }
}

/// The table that a payload names.
pub(super) fn table_of<'s>(schema: &'s Schema, head: &Head, table: ObjectRef) -> Option<(usize, &'s Table)> {
    schema.table_by_id(object(head, table))
}

fn object(head: &Head, object: ObjectRef) -> ObjectId {
    ObjectId { version: head.versions[usize::from(object.version)], index: object.index }
}
