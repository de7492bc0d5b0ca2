//! What tables show when verdicts change: batches, reports, older bases, the log. Flips are written by hand.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;
use treaty_engine::causality::Version;
use treaty_engine::cotx::{Reason, VerdictStore, VerdictWriter, Void, VoidReason};
use treaty_engine::log::LogStore;
use treaty_engine::relation::{CoTx, RowId};
use treaty_engine::replica::{
    Batch, LocalOperation, LocalTransaction, LocalWork, Note, Replica, ReplicaError, RowImage, Shown, TransactionName,
    Verb, Verdict,
};
use treaty_engine::store::{Durability, Sqlite};
use treaty_schema::{LogicalType, Value};
use treaty_testkit::{Story, keypair, told_value};

use crate::tables::{STAFF, hear, office};

const PROJECTS: usize = 1;
const TASKS: usize = 2;
const TAGS: usize = 3;

/// What tables show, by table and id.
type Rows = BTreeMap<(usize, RowId), RowImage>;

/// A replica in a file, so that flips can be written behind its back.
struct Node {
    directory: tempfile::TempDir,
    story: Story,
    replica: Option<Replica>,
    rows: Rows,
    shown: Shown,
}

impl Node {
    fn begin() -> Node {
        let (directory, story) = (tempfile::tempdir().unwrap(), Story::begin(&office(), STAFF));
        let store = Sqlite::open(&directory.path().join("log.sqlite"), Durability::Normal).unwrap();
        let replica = Replica::join(store, story.entry("genesis").clone(), story.space()).unwrap();
        Node { directory, story, replica: Some(replica), rows: Rows::new(), shown: Shown::NOTHING }
    }

    fn replica(&self) -> &Replica {
        self.replica.as_ref().unwrap()
    }

    fn tell(&mut self, line: &str) {
        let entry = self.story.tell(line);
        hear(self.replica.as_mut().unwrap(), &entry).unwrap();
    }

    /// Flips a verdict: void by a permission lost, or live again.
    fn flip(&mut self, entry: &str, transaction: u32, culprit: Option<&str>) {
        self.replica = None;
        let mut store = Sqlite::open(&self.directory.path().join("log.sqlite"), Durability::Normal).unwrap();
        let cotx = |store: &Sqlite, name: &str, transaction| CoTx {
            pos: store.position_of(&self.story.id(name)).unwrap().unwrap(),
            transaction,
        };
        let of = cotx(&store, entry, transaction);
        let void = culprit.map(|name| {
            let boss = store.rows_of_genesis();
            Void {
                reason: VoidReason::Permission,
                operation: 0,
                culprit: Some(cotx(&store, name, 0)),
                row: Some(boss),
                part: 0,
            }
        });
        let tx = store.begin().unwrap();
        tx.insert_flip(of, void.as_ref()).unwrap();
        tx.commit().unwrap();
        self.replica = Replica::open(store).unwrap();
    }

    /// Closes the store and opens it again.
    fn reopen(&mut self) {
        self.replica = None;
        let store = Sqlite::open(&self.directory.path().join("log.sqlite"), Durability::Normal).unwrap();
        self.replica = Replica::open(store).unwrap();
    }

    /// Applies one batch.
    fn apply(&mut self, rows_max: usize) -> Batch {
        let batch = self.replica().next_batch(&self.shown, rows_max).unwrap();
        for change in &batch.changes {
            match &change.row {
                Some(row) => self.rows.insert((change.table, change.id), row.clone()),
                None => self.rows.remove(&(change.table, change.id)),
            };
        }
        self.shown = batch.to.clone();
        assert_eq!(self.rows, self.read(&self.shown), "a batch leads to what is read at its end");
        batch
    }

    fn apply_all(&mut self) {
        while !self.apply(3).is_last {}
    }

    fn read(&self, shown: &Shown) -> Rows {
        let mut rows = Rows::new();
        for table in 0..self.replica().schema().tables().len() {
            for (_, row) in self.replica().page_of_rows(table, shown, None, usize::MAX).unwrap() {
                let Some(Value::Uuid(id)) = row.cells[0] else { panic!("the first column is the id") };
                rows.insert((table, RowId(id)), row);
            }
        }
        rows
    }

    fn title(&self, task: &str) -> Option<Option<String>> {
        let row = self.rows.get(&(TASKS, Story::row_id(task)))?;
        Some(row.cells[2].as_ref().map(Value::to_text))
    }
}

/// The row that the permissions of these tests rest on.
trait Genesis {
    fn rows_of_genesis(&self) -> treaty_engine::relation::RowKey;
}

impl Genesis for Sqlite {
    fn rows_of_genesis(&self) -> treaty_engine::relation::RowKey {
        use treaty_engine::relation::RelationStore;
        self.rows_of_entry(treaty_engine::log::Pos::GENESIS).unwrap()[0].key
    }
}

fn projects(node: &mut Node) {
    node.tell("a @1 on genesis: insert projects p owner=@1 name=p; insert tasks one project=p title=x slot=1");
    node.tell("b @1 on a: insert tasks two project=p title=y slot=2 blocker=one | update one title=z");
    node.tell("c @0 on a: delete one");
    node.apply_all();
}

#[test]
fn rows_of_a_void_co_transaction_go_and_come_back() {
    let mut node = Node::begin();
    projects(&mut node);
    assert_eq!((node.title("one"), node.title("two")), (None, Some(Some("y".into()))));
    let before = node.shown.clone();

    node.flip("c", 0, Some("b"));
    let batch = node.apply(10);
    assert_eq!((batch.entry_count, batch.is_last, &batch.to.version), (0, true, &before.version));
    assert_eq!(node.title("one"), Some(Some("z".into())), "the delete has no effect");
    let two = &node.rows[&(TASKS, Story::row_id("two"))];
    assert_eq!(two.cells[4], Some(Story::row_id("one").to_value()), "nor on references to its row");

    node.flip("b", 1, Some("c"));
    node.apply(10);
    assert_eq!(node.title("one"), Some(Some("x".into())), "the value before shows again");

    node.flip("b", 1, None);
    node.flip("b", 0, Some("c"));
    node.flip("c", 0, None);
    node.apply(10);
    assert_eq!((node.title("one"), node.title("two")), (None, None));
    assert_eq!(node.shown.basis, 5);
    assert_eq!(node.replica().newest().unwrap(), node.shown);

    // What tables showed before can still be read, as it was judged then.
    let task = (TASKS, Story::row_id("two"));
    assert!(node.replica().rows_by_id(&[task], &before).unwrap()[0].is_some());
    assert!(node.replica().rows_by_id(&[task], &node.shown).unwrap()[0].is_none());
    let ahead = Shown { basis: 6, ..before };
    let refused = node.replica().next_batch(&ahead, 1);
    assert!(matches!(refused, Err(ReplicaError::UnknownBasis { basis: 6, last: 5 })));
    assert!(!node.replica().knows(&ahead).unwrap());
}

#[test]
fn two_versions_join_to_the_one_that_holds_what_either_holds() {
    let mut node = Node::begin();
    projects(&mut node);
    let of = |name: &str| Version::new(vec![node.story.id(name)]);
    let joined = |one: &str, other: &str| node.replica().joined(&of(one), &of(other)).unwrap();
    assert_eq!(joined("b", "c"), node.replica().frontier());
    assert_eq!(joined("b", "c"), joined("c", "b"));
    assert_eq!(joined("a", "c"), of("c"), "what is before the other adds nothing");
    let unknown = Version::new(vec![treaty_engine::hash::EntryId([9; 32])]);
    assert!(matches!(node.replica().joined(&of("a"), &unknown), Err(ReplicaError::Version(_))));
}

#[test]
fn a_batch_tells_each_operation_that_is_lost_and_each_that_is_back() {
    let mut node = Node::begin();
    projects(&mut node);
    node.flip("b", 0, Some("c"));
    node.flip("b", 1, Some("c"));
    let batch = node.apply(1);
    let told: Vec<_> =
        batch.reports.iter().map(|report| (report.transaction, report.operation, report.verb, report.row)).collect();
    assert_eq!(
        told,
        [(0, 0, Verb::Insert, Story::row_id("two")), (1, 0, Verb::Update, Story::row_id("one"))],
        "both, although one row would have filled the batch"
    );
    let [insert, update] = &batch.reports[..] else { panic!("two operations") };
    assert_eq!((insert.entry, insert.author), (node.story.id("b"), keypair(1).identity()));
    assert_eq!(insert.name, node.story.row_name("two"));
    let text = |value: &Option<Value>| value.as_ref().map(Value::to_text);
    let two = Story::row_id("two").to_string();
    let lost: Vec<_> = insert.lost.iter().map(|(_, value)| text(value)).collect();
    let id = |label: &str| Some(Story::row_id(label).to_string());
    assert_eq!(lost, [Some(two), id("p"), Some("y".into()), Some("2".into()), id("one")]);
    assert_eq!(
        update.lost.iter().map(|(column, value)| (*column, text(value))).collect::<Vec<_>>(),
        [(2, Some("z".into()))]
    );
    let Verdict::Void { reason, message, culprit } = &insert.verdict else { panic!("it is void") };
    assert_eq!(*reason, VoidReason::Permission);
    assert_eq!(*culprit, Some(TransactionName { entry: node.story.id("c"), transaction: 0 }));
    let told = "rolled back: its author's permission rested on a row of members that was deleted by a change it had not \
                seen (INSERT into tasks, policy ";
    assert!(message.starts_with(told), "{message}");

    // The log says it, too.
    let items = node.replica().log(None, 10).unwrap().items;
    let b = items.iter().find(|item| item.id == node.story.id("b")).unwrap();
    assert_eq!(b.transactions[0].verdict, insert.verdict);
    let a = items.iter().find(|item| item.id == node.story.id("a")).unwrap();
    assert_eq!(a.transactions[0].verdict, Verdict::Live);

    // Flipped to and fro between two batches: nothing happened.
    node.flip("b", 0, None);
    node.flip("b", 0, Some("c"));
    assert_eq!(node.apply(1).reports, []);
    node.flip("b", 0, None);
    let batch = node.apply(1);
    assert_eq!(batch.reports.len(), 1);
    assert_eq!((&batch.reports[0].verdict, batch.reports[0].row), (&Verdict::Live, Story::row_id("two")));
}

#[test]
fn what_is_void_when_it_comes_is_told_once_and_never_shown() {
    let mut node = Node::begin();
    projects(&mut node);
    node.tell("d @1 on b: update p name=q | insert tasks three project=p title=t slot=3");
    node.flip("d", 1, Some("c"));
    let batch = node.apply(10);
    let project = &node.rows[&(PROJECTS, Story::row_id("p"))];
    assert_eq!(project.cells[2].as_ref().map(Value::to_text), Some("q".into()));
    assert_eq!(node.title("three"), None);
    let told: Vec<_> = batch.reports.iter().map(|report| (report.entry, report.transaction, report.row)).collect();
    assert_eq!(told, [(node.story.id("d"), 1, Story::row_id("three"))]);
    assert_eq!(node.apply(10).reports, []);
}

#[test]
fn a_batch_ends_where_no_verdict_depends_on_what_comes_after() {
    let mut node = Node::begin();
    for (index, label) in ["e", "f", "g", "h"].iter().enumerate() {
        let line = format!("{label} @1 on {}: insert tags {label} label={label}", ["genesis", "e", "f", "g"][index]);
        node.tell(&line);
    }
    node.tell("x @2 on genesis: insert tags x label=x");
    node.apply(3);
    let shown = node.shown.clone();
    // Without dependencies one entry is a batch.
    assert_eq!(node.apply(1).entry_count, 1);
    node.shown = shown.clone();
    node.rows = node.read(&shown);
    let first = node.replica().next_batch(&shown, 1).unwrap().to.version;
    assert_eq!(first.ids().len(), 1);
    let (source, target) = if first.ids()[0] == node.story.id("x") { ("x", "g") } else { ("e", "x") };
    node.replica = None;
    let mut store = Sqlite::open(&node.directory.path().join("log.sqlite"), Durability::Normal).unwrap();
    let at = |store: &Sqlite, name: &str| store.position_of(&node.story.id(name)).unwrap().unwrap();
    let (from, to) = (at(&store, source), at(&store, target));
    let tx = store.begin().unwrap();
    tx.insert_edge(from, to).unwrap();
    tx.commit().unwrap();
    node.replica = Replica::open(store).unwrap();
    let batch = node.apply(1);
    let taken = if source == "x" { 4 } else { 2 };
    assert_eq!(batch.entry_count, taken, "the entry that the first one depends on, with its past");
    node.apply_all();
    assert_eq!(node.shown, node.replica().newest().unwrap());
}

#[test]
fn work_is_entered_on_what_was_shown_and_its_note_knows() {
    let mut node = Node::begin();
    projects(&mut node);
    node.flip("c", 0, Some("b"));
    let shown = node.shown.clone();
    let note = Note { key: "receipt", bytes: b"x" };
    let work = LocalWork { on: &shown, transactions: &[], note: Some(note), time_ms: 0 };
    let replica = node.replica.as_mut().unwrap();
    let outcome = replica.import(&keypair(1), work).unwrap();
    assert_eq!(outcome.shown, shown, "verdicts that the tables do not follow yet are not followed by importing");
    assert_eq!(replica.note_shown("receipt").unwrap(), Some(shown));
    assert_eq!(replica.store().basis().unwrap(), 1);
}

#[test]
fn work_names_rows_as_they_were_shown() {
    let mut node = Node::begin();
    projects(&mut node);
    let before = node.shown.clone();
    node.flip("b", 0, Some("c"));
    let now = node.replica().newest().unwrap();
    let update = LocalOperation::Update {
        table: TASKS,
        id: Story::row_id("two"),
        cells: vec![(2, Some(told_value(LogicalType::Text, "k")))],
    };
    let transactions = [LocalTransaction { operations: vec![update] }];
    let replica = node.replica.as_mut().unwrap();
    let mut import = |on: &Shown| {
        let work = LocalWork { on, transactions: &transactions, note: None, time_ms: 0 };
        replica.import(&keypair(1), work).unwrap().transactions.remove(0)
    };
    assert_eq!(import(&now).unwrap_err().reason, Reason::UnknownRow);
    assert!(import(&before).is_ok(), "the tables showed the row, whatever is known meanwhile");
}

/// A second administrator, then on top of that, concurrently: a member's row, his dismissal by her, hers by the founder.
fn dismissals(node: &mut Node) {
    node.tell("g @0 on genesis: insert members eve who=@3 role=admin");
    node.tell("h @3 on g: insert members pat who=@4 role=editor");
    node.tell("a @1 on g: insert tags t label=red; insert tags s label=blue");
    node.apply_all();
}

#[test]
fn a_dismissed_members_rows_go_and_come_back_when_the_dismissal_falls() {
    let mut node = Node::begin();
    dismissals(&mut node);
    let shown = |node: &Node| node.rows.keys().filter(|(table, _)| *table == TAGS).count();
    assert_eq!(shown(&node), 2);
    node.tell("b @3 on g: delete ann");
    node.reopen();
    let batch = node.apply(1);
    assert_eq!(shown(&node), 0);
    let told: Vec<_> = batch.reports.iter().map(|report| (report.entry, report.operation, report.verb)).collect();
    assert_eq!(told, [(node.story.id("a"), 0, Verb::Insert), (node.story.id("a"), 1, Verb::Insert)]);
    let Verdict::Void { reason: VoidReason::Permission, message, culprit } = &batch.reports[0].verdict else {
        panic!("it lost its permission: {:?}", batch.reports[0].verdict);
    };
    assert!(message.contains("rested on a row of members that was deleted by a change it had not seen"), "{message}");
    assert_eq!(*culprit, Some(TransactionName { entry: node.story.id("b"), transaction: 0 }));

    node.tell("c @0 on g: delete eve");
    node.reopen();
    node.apply_all();
    assert_eq!(shown(&node), 2);
    let rows = node.read(&node.replica().newest().unwrap());
    assert_eq!(node.rows, rows);
}

#[test]
fn every_version_is_read_by_the_verdicts_of_any_that_holds_it() {
    let mut node = Node::begin();
    dismissals(&mut node);
    node.tell("b @3 on g: delete ann");
    node.tell("c @0 on g: delete eve");
    let version = |names: &[&str]| Version::new(names.iter().map(|name| node.story.id(name)).collect());
    let is_there = |at: &[&str], from: &[&str]| {
        let (at, from) = (version(at), version(from));
        node.replica().row_at(TAGS, Story::row_id("t"), &at, &from).unwrap().is_some()
    };
    assert!(is_there(&["a"], &["a"]));
    assert!(!is_there(&["a"], &["a", "b"]), "what (a, b) knows of a");
    assert!(!is_there(&["a", "b"], &["a", "b"]), "what a replica that holds a and b shows");
    assert!(is_there(&["a", "b"], &["a", "b", "c"]), "what is known now");
    assert!(is_there(&["a", "b", "c"], &["a", "b", "c", "h"]));
    assert!(!is_there(&["g"], &["a"]), "it was not written yet");
    let (a, b) = (version(&["a"]), version(&["b"]));
    let not_within = node.replica().row_at(TAGS, Story::row_id("t"), &a, &b);
    assert!(matches!(not_within, Err(ReplicaError::NotWithin)));
}

#[test]
fn whose_grant_falls_may_not_sync_and_is_told_why() {
    let mut node = Node::begin();
    dismissals(&mut node);
    let pat = keypair(4).identity();
    assert!(node.replica().may_sync(&pat).unwrap());
    node.tell("c @0 on g: delete eve");
    assert!(!node.replica().may_sync(&pat).unwrap());
    assert_eq!(node.replica().farewell(&pat).unwrap(), Some(Version::new(vec![node.story.id("c")])));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// However verdicts flip, and wherever batches end, tables show what is read there.
    #[test]
    fn batches_follow_flips(steps in vec((0_usize..8, 1_usize..5), 1..14)) {
        let mut node = Node::begin();
        projects(&mut node);
        node.tell("d @1 on b: update two title=w");
        node.tell("e @1 on genesis: insert projects q owner=@1 name=q; insert tasks three id=one project=q slot=3");
        let flips = [("b", 1), ("b", 0), ("c", 0), ("d", 0), ("e", 0)];
        let mut void = [false; 5];
        for (choice, rows_max) in steps {
            if let Some((entry, transaction)) = flips.get(choice) {
                void[choice] = !void[choice];
                node.flip(entry, *transaction, void[choice].then_some("a"));
            } else {
                node.apply(rows_max);
            }
        }
        node.apply_all();
        prop_assert_eq!(&node.shown, &node.replica().newest().unwrap());
    }
}
