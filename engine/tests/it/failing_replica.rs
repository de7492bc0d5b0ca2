//! A disk that breaks under a replica at its Nth write: what is opened again is what was before, or after, never between.

use std::path::{Path, PathBuf};

use treaty_engine::log::Entry;
use treaty_engine::replica::{LocalOperation, LocalRow, LocalTransaction, LocalWork, Note, Replica, ReplicaError};
use treaty_engine::store::{Durability, Sqlite};
use treaty_schema::Value;
use treaty_testkit::{FailNth, Story, keypair};

use crate::tables::{STAFF, office, replica_of};

fn open(path: &Path) -> Sqlite {
    Sqlite::open(path, Durability::Normal).unwrap()
}

/// What a replica shows of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Shown {
    digest: [u8; 32],
    frontier: treaty_engine::causality::Version,
    note: Option<Vec<u8>>,
}

fn shown(replica: &Replica) -> Shown {
    Shown { digest: replica.digest().unwrap(), frontier: replica.frontier(), note: replica.note("queue").unwrap() }
}

/// Does `work` on copies of a prepared replica whose disk breaks at step 1, 2, ... until it does not break any more.
fn check(story: &Story, before: &[Entry], work: impl Fn(&mut Replica) -> Result<(), ReplicaError>) {
    let directory = tempfile::tempdir().unwrap();
    let prepared = |name: &str| -> PathBuf {
        let path = directory.path().join(name);
        let mut replica = Replica::join(open(&path), story.entry("genesis").clone(), story.space()).unwrap();
        replica.ingest(before.to_vec()).unwrap();
        path
    };
    let path = prepared("whole");
    let mut whole = Replica::open(open(&path)).unwrap().unwrap();
    let unchanged = shown(&whole);
    work(&mut whole).unwrap();
    let changed = shown(&whole);
    assert_ne!(unchanged, changed, "the work changes something");
    let mut kept_at = Vec::new();
    for step in 1.. {
        let gate = FailNth::new(step);
        let path = prepared(&format!("step{step}"));
        let mut replica = Replica::open(open(&path).guarded_by(Box::new(gate.clone()))).unwrap().unwrap();
        let done = work(&mut replica);
        if gate.step_count() < step {
            done.unwrap();
            assert_eq!(shown(&replica), changed);
            assert!(kept_at.len() <= 1, "only after the commit may the disk have kept it: {kept_at:?}");
            return;
        }
        assert!(matches!(done, Err(ReplicaError::Store(_))), "step {step}: {done:?}");
        drop(replica);
        let mut again = Replica::open(open(&path)).unwrap().unwrap();
        let after = shown(&again);
        assert!(after == unchanged || after == changed, "step {step} leaves something between");
        if after == changed {
            kept_at.push(step);
        } else {
            // Nothing is in the way of doing it again.
            work(&mut again).unwrap();
            assert_eq!(shown(&again), changed, "step {step}");
        }
    }
}

#[test]
fn an_ingest_is_kept_whole_or_not_at_all() {
    let mut story = Story::begin(&office(), STAFF);
    let first = story.tell("a @1 on genesis: insert tags t label=red; insert projects p owner=@1 name=p");
    let twin = story.tell("b @2 on genesis: insert tags u id=t label=red");
    let tasks = story.tell("c @1 on a: insert tasks one project=p slot=1 | update one title=x | delete t");
    let refused = story.tell("d @7 on a: insert tags v label=blue");
    let parked = story.tell("e @1 on d: insert tags w label=white");
    let batch = vec![parked, tasks, twin, refused];
    check(&story, &[first], |replica| {
        let outcome = replica.ingest(batch.clone())?;
        assert_eq!(outcome.admitted.len(), 2);
        Ok(())
    });
}

#[test]
fn an_import_and_its_note_are_kept_whole_or_not_at_all() {
    let mut story = Story::begin(&office(), STAFF);
    let first = story.tell("a @1 on genesis: insert tags t label=red");
    let schema = replica_of(&story);
    let tags = schema.schema().table_by_name("tags").unwrap().0;
    let row = |label: &str, text: &str| {
        let text = treaty_testkit::told_value(treaty_schema::LogicalType::Text, text);
        let cells: Vec<Option<Value>> = vec![Some(Story::row_id(label).to_value()), None, Some(text)];
        LocalOperation::Insert(LocalRow { table: tags, cells })
    };
    let transactions = [
        LocalTransaction { operations: vec![row("x", "blue"), row("y", "green")] },
        LocalTransaction { operations: vec![LocalOperation::Delete { table: tags, id: Story::row_id("t") }] },
        LocalTransaction { operations: vec![row("z", "blue")] },
    ];
    check(&story, &[first], |replica| {
        let on = replica.newest().unwrap();
        let note = Some(Note { key: "queue", bytes: b"taken" });
        let work = LocalWork { on: &on, transactions: &transactions, note, time_ms: 3 };
        let outcome = replica.import(&keypair(1), work)?;
        assert!(outcome.transactions[1].is_ok() && outcome.transactions[2].is_err());
        Ok(())
    });
}
