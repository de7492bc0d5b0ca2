//! Payloads: one byte string each. Pages: docs/spec/payload.md.

use proptest::collection::vec;
use proptest::prelude::*;
use treaty_engine::hash::EntryId;
use treaty_engine::relation::payload::{
    Cell, GenesisPayload, Mistake, NamedCell, NamedOperation, NamedRow, NamedShape, ObjectRef, Operation, Payload,
    PayloadBuilder, RowRef,
};
use treaty_engine::relation::{RowId, RowName};
use treaty_schema::{LogicalType, ObjectId, Patch, SchemaVersion, Value};
use treaty_testkit::told_value;

use crate::vectors::{Vectors, hex, unhex};

fn object(version: u8, index: u32) -> ObjectId {
    ObjectId { version: SchemaVersion([version; 32]), index }
}

fn shape(table: u32, columns: &[u32]) -> NamedShape {
    NamedShape { table: object(1, table), columns: columns.iter().map(|column| object(1, *column)).collect() }
}

fn text(text: &str) -> Option<NamedCell> {
    Some(NamedCell::Value(told_value(LogicalType::Text, text)))
}

fn past(entry: u8) -> NamedRow {
    NamedRow::Past(RowName { entry: EntryId([entry; 32]), transaction: 0, operation: 1 })
}

const OWN: NamedRow = NamedRow::Own { transaction: 0, operation: 0 };

fn insert(id: u8, cell: Option<NamedCell>) -> NamedOperation {
    NamedOperation::Insert { shape: shape(0, &[2]), id: RowId([id; 16]), cells: vec![cell] }
}

fn update(row: NamedRow) -> NamedOperation {
    NamedOperation::Update { shape: shape(0, &[2, 3]), row, cells: vec![text("x"), None] }
}

fn delete(row: NamedRow) -> NamedOperation {
    NamedOperation::Delete { table: object(2, 0), row }
}

fn encode(transactions: &[&[NamedOperation]]) -> Vec<u8> {
    let mut builder = PayloadBuilder::new();
    for operations in transactions {
        builder.push(operations);
    }
    let bytes_expected = builder.payload_bytes();
    let bytes = builder.finish();
    assert_eq!(bytes.len(), bytes_expected);
    bytes
}

/// Decodes a payload and encodes it again from what it means.
fn again(payload: &Payload) -> Vec<u8> {
    let head = payload.head();
    let object =
        |object: ObjectRef| ObjectId { version: head.versions[usize::from(object.version)], index: object.index };
    let row = |row: RowRef| match row {
        RowRef::Own { transaction, operation } => NamedRow::Own { transaction, operation },
        RowRef::Past { entry, transaction, operation } => {
            NamedRow::Past(RowName { entry: head.entries[entry as usize], transaction, operation })
        }
    };
    let cells = |cells: Vec<Option<Cell>>| {
        let named = |cell| match cell {
            Cell::Value(value) => NamedCell::Value(value),
            Cell::Row(target) => NamedCell::Row(row(target)),
        };
        cells.into_iter().map(|cell| cell.map(named)).collect()
    };
    let shape = |shape: u32| {
        let shape = &head.shapes[shape as usize];
        NamedShape { table: object(shape.table), columns: shape.columns.iter().map(|column| object(*column)).collect() }
    };
    let mut builder = PayloadBuilder::new();
    for transaction in 0..payload.transaction_count() {
        let operations = (0..payload.operation_count(transaction)).map(|operation| {
            // Each operation is read from its own bytes alone.
            let span = payload.span(transaction, operation).unwrap();
            let bytes = &payload.bytes()[span.offset as usize..(span.offset + span.bytes) as usize];
            let decoded = Operation::decode(bytes, head).unwrap();
            assert_eq!(payload.operation(transaction, operation), Some(decoded.clone()));
            match decoded {
                Operation::Insert { shape: of, id, cells: held } => {
                    NamedOperation::Insert { shape: shape(of), id, cells: cells(held) }
                }
                Operation::Update { shape: of, row: target, cells: held } => {
                    NamedOperation::Update { shape: shape(of), row: row(target), cells: cells(held) }
                }
                Operation::Delete { table, row: target } => {
                    NamedOperation::Delete { table: object(table), row: row(target) }
                }
            }
        });
        builder.push(&operations.collect::<Vec<_>>());
    }
    builder.finish()
}

#[expect(clippy::needless_pass_by_value, reason = "payloads are made where they are checked")]
fn check(bytes: Vec<u8>, expected: Result<(), Mistake>) {
    let decoded = Payload::decode(bytes.clone());
    if let Ok(payload) = &decoded {
        assert_eq!(again(payload), bytes);
    }
    assert_eq!(decoded.map(|_| ()).map_err(|error| error.mistake), expected, "{}", hex(&bytes));
}

#[test]
fn the_page_shows_payloads_as_they_are() {
    let page = Vectors::of_page("payload.md");
    assert_eq!(hex(&encode(&[])), page.one("merge"));
    let all = encode(&[
        &[insert(0xaa, text("hi")), update(past(7))],
        &[insert(0xbb, Some(NamedCell::Row(OWN))), delete(past(8)), delete(OWN)],
    ]);
    assert_eq!(hex(&all), page.one("two-transactions"));
    check(unhex(page.one("two-transactions")), Ok(()));
    let mut rows = PayloadBuilder::new();
    rows.push(&[insert(0xaa, None)]);
    let genesis = GenesisPayload::encode([9; 16], &Patch::default(), rows);
    assert_eq!(hex(&genesis), page.one("genesis"));
    let decoded = GenesisPayload::decode(genesis).unwrap();
    assert_eq!((decoded.nonce, decoded.patch, decoded.rows.operation_count(0)), ([9; 16], Patch::default(), 1));
    for (name, mistake) in [
        ("refused-truncated", Mistake::Truncated),
        ("refused-trailing", Mistake::Trailing),
        ("refused-duplicate", Mistake::DictionaryDuplicate),
        ("refused-unused", Mistake::DictionaryUnused),
        ("refused-empty-transaction", Mistake::EmptyTransaction),
    ] {
        check(unhex(page.one(name)), Err(mistake));
    }
}

#[test]
fn what_is_built_decodes_and_encodes_again() {
    check(encode(&[]), Ok(()));
    check(encode(&[&[insert(1, None)]]), Ok(()));
    check(encode(&[&[delete(past(1)), update(past(2)), delete(past(3)), update(past(4))]]), Ok(()));
    // A reference may stand before the insert that it names; an own row is touched by a later co-transaction only.
    let forward = Some(NamedCell::Row(NamedRow::Own { transaction: 0, operation: 1 }));
    check(encode(&[&[insert(1, forward), insert(2, None)], &[update(OWN)], &[delete(OWN)]]), Ok(()));
}

#[test]
fn rows_of_the_entry_are_named_by_their_inserts_only() {
    let to = |operation| Some(NamedCell::Row(NamedRow::Own { transaction: 0, operation }));
    check(encode(&[&[insert(1, to(1)), delete(past(1))]]), Err(Mistake::NotAnInsert));
    check(encode(&[&[insert(1, to(2))]]), Err(Mistake::NotAnInsert));
    check(encode(&[&[delete(past(1))], &[insert(1, to(0))]]), Err(Mistake::NotAnInsert));
    // Its own co-transaction inserted it: one operation touches it already.
    check(encode(&[&[insert(1, None), delete(OWN)]]), Err(Mistake::NotAnInsert));
    check(
        encode(&[&[delete(NamedRow::Own { transaction: 1, operation: 0 })], &[insert(1, None)]]),
        Err(Mistake::NotAnInsert),
    );
}

#[test]
fn a_row_is_touched_once_in_a_co_transaction() {
    check(encode(&[&[update(past(1)), delete(past(1))]]), Err(Mistake::TouchedTwice));
    check(encode(&[&[update(past(1))], &[delete(past(1))]]), Ok(()));
}

#[test]
fn a_co_transaction_has_operations() {
    check(encode(&[&[]]), Err(Mistake::EmptyTransaction));
}

#[test]
fn dictionaries_stand_in_the_order_of_first_use() {
    let payload = encode(&[&[delete(past(1)), delete(past(2))]]);
    let mut swapped = payload.clone();
    // The entries stand after one version (4 + 32), no shapes (4) and their count (4).
    swapped[44..108].rotate_left(32);
    check(payload, Ok(()));
    let mut bytes = swapped.clone();
    // Named the other way round as well, the meaning is the old one, the bytes are not.
    let first = bytes.len() - 2 * 18 + 6;
    bytes[first] = 1;
    bytes[first + 18] = 0;
    check(bytes, Err(Mistake::DictionaryOrder));
    check(swapped, Ok(()));
}

#[test]
fn genesis_rows_are_one_co_transaction_of_inserts() {
    let genesis = |transactions: &[&[NamedOperation]]| {
        let mut rows = PayloadBuilder::new();
        transactions.iter().for_each(|operations| rows.push(operations));
        GenesisPayload::decode(GenesisPayload::encode([0; 16], &Patch::default(), rows))
    };
    assert!(genesis(&[]).is_ok());
    assert!(genesis(&[&[insert(1, None), insert(2, None)]]).is_ok());
    assert_eq!(genesis(&[&[insert(1, None)], &[insert(2, None)]]).unwrap_err().mistake, Mistake::GenesisRows);
    assert_eq!(genesis(&[&[delete(past(1))]]).unwrap_err().mistake, Mistake::GenesisRows);
}

#[test]
fn what_is_undone_leaves_no_trace() {
    let mut builder = PayloadBuilder::new();
    builder.push(&[insert(1, None)]);
    let mark = builder.mark();
    builder.push(&[update(past(3)), delete(past(4))]);
    builder.undo(&mark);
    builder.push(&[delete(past(5))]);
    assert_eq!(builder.finish(), encode(&[&[insert(1, None)], &[delete(past(5))]]));
}

fn operation() -> impl Strategy<Value = NamedOperation> {
    let row = prop_oneof![
        (0_u8..4).prop_map(past),
        (0_u32..3, 0_u32..3).prop_map(|(transaction, operation)| NamedRow::Own { transaction, operation }),
    ];
    let cell = prop_oneof![
        Just(None),
        any::<i64>().prop_map(|number| Some(NamedCell::Value(Value::BigInt(number)))),
        row.clone().prop_map(|row| Some(NamedCell::Row(row))),
    ];
    let (table, count) = (0_u32..2, 0_usize..3);
    (table, count, vec(cell, 2), row, 0_u8..3, any::<u8>()).prop_map(|(table, count, cells, row, kind, id)| {
        let cells = cells[..count].to_vec();
        let shape = shape(table, &[2, 3][..count]);
        match kind {
            0 => NamedOperation::Insert { shape, id: RowId([id; 16]), cells },
            1 => NamedOperation::Update { shape, row, cells },
            _ => delete(row),
        }
    })
}

proptest! {
    #[test]
    fn whatever_decodes_is_the_one_encoding_of_what_it_means(
        transactions in vec(vec(operation(), 1..5), 0..4),
        changes in vec((any::<u16>(), any::<u8>()), 0..4),
        cut in any::<u16>(),
    ) {
        let transactions: Vec<&[NamedOperation]> = transactions.iter().map(Vec::as_slice).collect();
        let mut bytes = encode(&transactions);
        for (place, byte) in &changes {
            let place = usize::from(*place) % bytes.len();
            bytes[place] = *byte;
        }
        if cut % 4 == 0 {
            bytes.truncate(usize::from(cut) % (bytes.len() + 1));
        }
        if let Ok(payload) = Payload::decode(bytes.clone()) {
            prop_assert_eq!(again(&payload), bytes.clone());
        }
        let _ = GenesisPayload::decode(bytes);
    }

    #[test]
    fn any_bytes_are_decoded_or_refused(bytes in vec(any::<u8>(), 0..300)) {
        if let Ok(payload) = Payload::decode(bytes.clone()) {
            prop_assert_eq!(again(&payload), bytes.clone());
        }
        let _ = GenesisPayload::decode(bytes);
    }
}
