//! Entries too large to be held decoded, and heads longer than a segment: read piece by piece, to the same result.

use treaty_engine::limits::{ACTS_HELD_BYTES_MAX, SEGMENT_BYTES};
use treaty_engine::log::{Entry, LogStore};
use treaty_engine::replica::{LocalOperation, LocalRow, LocalTransaction, LocalWork, Replica, Shown};
use treaty_schema::{LogicalType, Value};
use treaty_testkit::{Story, keypair, told_value};

use crate::tables::{STAFF, office, replica_of};

fn text(text: &str) -> Option<Value> {
    Some(told_value(LogicalType::Text, text))
}

fn import(replica: &mut Replica, operations: Vec<LocalOperation>) -> Entry {
    let on = replica.newest().unwrap();
    let transactions = [LocalTransaction { operations }];
    let work = LocalWork { on: &on, transactions: &transactions, note: None, time_ms: 0 };
    let outcome = replica.import(&keypair(1), work).unwrap();
    outcome.transactions[0].as_ref().unwrap_or_else(|refusal| panic!("{refusal}"));
    let pos = replica.store().position_of(&outcome.entries[0]).unwrap().unwrap();
    Entry::new(replica.store().header(pos).unwrap(), replica.store().payload(pos).unwrap()).unwrap()
}

fn tag(label: &str, cell: Option<Value>) -> LocalOperation {
    let tags = 3;
    LocalOperation::Insert(LocalRow { table: tags, cells: vec![Some(Story::row_id(label).to_value()), None, cell] })
}

/// The labels shown by following batches, and those read at once.
fn check_same(replica: &Replica, other: &Replica) {
    assert_eq!(replica.digest().unwrap(), other.digest().unwrap());
    let (mut at, mut batched) = (Shown::NOTHING, std::collections::BTreeMap::new());
    loop {
        let batch = other.next_batch(&at, 100).unwrap();
        for change in batch.changes {
            batched.insert((change.table, change.id), change.row);
        }
        at = batch.to;
        if batch.is_last {
            break;
        }
    }
    for ((table, id), row) in batched {
        assert_eq!(replica.row_at(table, id, &at.version, &at.version).unwrap(), row);
    }
}

#[test]
fn an_entry_too_large_to_be_held_is_judged_kept_and_read() {
    let story = Story::begin(&office(), STAFF);
    let (mut replica, mut other) = (replica_of(&story), replica_of(&story));
    let rows = (0..2_000).map(|index| tag(&format!("t{index}"), text(&format!("{index}-{}", "x".repeat(300)))));
    let entry = import(&mut replica, rows.collect());
    assert!(entry.payload().len() > ACTS_HELD_BYTES_MAX);
    // Among them one that breaks a rule is found as in a small one.
    let twice =
        (0..2_000).map(|index| tag(&format!("u{index}"), text(&format!("{}-{}", index % 1_999, "y".repeat(300)))));
    let on = replica.newest().unwrap();
    let transactions = [LocalTransaction { operations: twice.collect() }];
    let work = LocalWork { on: &on, transactions: &transactions, note: None, time_ms: 0 };
    let refusal = replica.import(&keypair(1), work).unwrap().transactions.remove(0).unwrap_err();
    assert_eq!((refusal.reason.code(), refusal.place.unwrap().operation), ("unique", 1_999));
    let outcome = other.ingest(vec![entry]).unwrap();
    assert_eq!((outcome.admitted.len(), outcome.refused.len()), (1, 0));
    check_same(&replica, &other);
}

#[test]
fn a_head_longer_than_a_segment_is_read_whole() {
    let story = Story::begin(&office(), STAFF);
    let (mut replica, mut other) = (replica_of(&story), replica_of(&story));
    let count = 1_100;
    let mut entries = Vec::new();
    for index in 0..count {
        entries.push(import(&mut replica, vec![tag(&format!("t{index}"), None)]));
    }
    // Each row is of another entry, so the head names them all.
    let updates = (0..count).map(|index| LocalOperation::Update {
        table: 3,
        id: Story::row_id(&format!("t{index}")),
        cells: vec![(2, text(&format!("label {index}")))],
    });
    let update = import(&mut replica, updates.collect());
    assert!(update.payload().len() > SEGMENT_BYTES as usize + 32 * count);
    entries.push(update);
    let outcome = other.ingest(entries).unwrap();
    assert_eq!((outcome.admitted.len(), outcome.refused.len()), (count + 1, 0));
    check_same(&replica, &other);
    let last = Story::row_id(&format!("t{}", count - 1));
    let row = other.row_at(3, last, &other.frontier(), &other.frontier()).unwrap().unwrap();
    assert_eq!(row.cells[2], text(&format!("label {}", count - 1)));
}

#[test]
fn a_transaction_larger_than_an_entry_is_refused_and_smaller_ones_share_several_entries() {
    let story = Story::begin(&office(), STAFF);
    let mut replica = replica_of(&story);
    let project = Some(Story::row_id("project").to_value());
    let owner = Some(Value::Identity(keypair(1).identity()));
    let cells = vec![project.clone(), owner, text("large"), None, None];
    import(&mut replica, vec![LocalOperation::Insert(LocalRow { table: 1, cells })]);
    // Only what is no key is as large as that.
    let big = |label: String| {
        let cells =
            vec![Some(Story::row_id(&label).to_value()), project.clone(), text(&"z".repeat(1_000_000)), None, None];
        LocalOperation::Insert(LocalRow { table: 2, cells })
    };
    let many = |from: usize, count: usize| LocalTransaction {
        operations: (from..from + count).map(|index| big(format!("b{index}"))).collect(),
    };
    let on = replica.newest().unwrap();
    let transactions = [many(0, 17), many(20, 10), many(40, 10)];
    let work = LocalWork { on: &on, transactions: &transactions, note: None, time_ms: 0 };
    let outcome = replica.import(&keypair(1), work).unwrap();
    assert_eq!(outcome.transactions[0].as_ref().unwrap_err().reason.code(), "too_large");
    let (second, third) = (outcome.transactions[1].as_ref().unwrap(), outcome.transactions[2].as_ref().unwrap());
    assert_eq!([second.entry, third.entry], outcome.entries[..]);
    assert_ne!(second.entry, third.entry);
}
