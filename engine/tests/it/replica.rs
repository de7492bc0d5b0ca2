//! A replica as adapters hold it: local work in, batches out, tables at any version.

use treaty_engine::causality::Version;
use treaty_engine::cotx::VoidReason;
use treaty_engine::hash::EntryId;
use treaty_engine::identity::Keypair;
use treaty_engine::log::Entry;
use treaty_engine::relation::RowId;
use treaty_engine::replica::{
    GenesisDraft, ImportOutcome, LocalOperation, LocalRow, LocalTransaction, LocalWork, Note, Replica, ReplicaError,
    RowImage, Shown, Verb, Verdict,
};
use treaty_engine::store::Sqlite;
use treaty_schema::{LogicalType, OnDelete, Value};
use treaty_testkit::{Story, keypair, patch, table, told_value};

use crate::tables::{STAFF, hear, office, replica_of};

const MEMBERS: usize = 0;
const PROJECTS: usize = 1;
const TASKS: usize = 2;
const TAGS: usize = 3;

/// Reads a cell of a table: `NULL`, a value of the column's type, or in UUID columns a label.
fn cell(replica: &Replica, table: usize, column: usize, text: &str) -> Option<Value> {
    let logical_type = replica.schema().tables()[table].columns[column].logical_type;
    match (text, logical_type) {
        ("NULL", _) => None,
        (label, LogicalType::Uuid) => Some(Story::row_id(label).to_value()),
        _ => Some(told_value(logical_type, text)),
    }
}

/// An insert; texts are of the columns after `id`.
fn insert(replica: &Replica, table: usize, label: &str, texts: &[&str]) -> LocalOperation {
    let texts = [label].into_iter().chain(texts.iter().copied());
    LocalOperation::Insert(LocalRow {
        table,
        cells: texts.enumerate().map(|(column, text)| cell(replica, table, column, text)).collect(),
    })
}

fn update(replica: &Replica, table: usize, id: RowId, texts: &[(usize, &str)]) -> LocalOperation {
    let cells = texts.iter().map(|(column, text)| (*column, cell(replica, table, *column, text))).collect();
    LocalOperation::Update { table, id, cells }
}

fn one(operations: Vec<LocalOperation>) -> Vec<LocalTransaction> {
    vec![LocalTransaction { operations }]
}

fn import_on(replica: &mut Replica, author: u8, on: &Shown, transactions: &[LocalTransaction]) -> ImportOutcome {
    replica.import(&keypair(author), LocalWork { on, transactions, note: None, time_ms: 7 }).unwrap()
}

fn import(replica: &mut Replica, author: u8, transactions: &[LocalTransaction]) -> ImportOutcome {
    let on = replica.newest().unwrap();
    import_on(replica, author, &on, transactions)
}

fn stands(outcome: &ImportOutcome) -> EntryId {
    for judged in &outcome.transactions {
        judged.as_ref().unwrap_or_else(|refusal| panic!("{refusal}"));
    }
    *outcome.entries.last().unwrap()
}

fn row(replica: &Replica, table: usize, id: RowId) -> Option<RowImage> {
    replica.rows_by_id(&[(table, id)], &replica.newest().unwrap()).unwrap().remove(0)
}

fn begin() -> (Story, Replica) {
    let story = Story::begin(&office(), STAFF);
    let replica = replica_of(&story);
    (story, replica)
}

/// Everything of one replica that another lacks, in an order in which it can be taken.
fn entries_of(replica: &Replica) -> Vec<Entry> {
    use treaty_engine::log::LogStore;
    let everything = replica.index().difference(&replica.index().whole(), &Default::default());
    let positions = everything.collect(replica.store()).unwrap();
    let entry = |pos| Entry::new(replica.store().header(pos).unwrap(), replica.store().payload(pos).unwrap()).unwrap();
    positions.into_iter().map(entry).collect()
}

#[test]
fn a_space_is_created_joined_and_opened_again() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log.sqlite");
    let open = || Sqlite::open(&path, treaty_engine::store::Durability::Full).unwrap();
    assert!(Replica::open(open()).unwrap().is_none());
    let member = [Some(Story::row_id("boss").to_value()), Some(told("@0")), Some(told("admin"))];
    let draft = GenesisDraft {
        patch: office(),
        rows: vec![LocalRow { table: MEMBERS, cells: member.to_vec() }],
        nonce: [1; 16],
    };
    let created = Replica::create(open(), &keypair(0), draft.clone(), 5).unwrap();
    let (space, digest) = (created.space(), created.digest().unwrap());
    assert!(row(&created, MEMBERS, Story::row_id("boss")).is_some());
    let genesis = entries_of(&created).remove(0);
    drop(created);
    let opened = Replica::open(open()).unwrap().unwrap();
    assert_eq!((opened.space(), opened.digest().unwrap(), opened.entry_count()), (space, digest, 1));
    assert!(matches!(Replica::create(open(), &keypair(0), draft, 5), Err(ReplicaError::NotEmpty)));
    let joined = Replica::join(Sqlite::in_memory().unwrap(), genesis.clone(), space).unwrap();
    assert_eq!(joined.digest().unwrap(), digest);
    let (story, _) = begin();
    let other = Replica::join(Sqlite::in_memory().unwrap(), genesis, story.space());
    assert!(matches!(other, Err(ReplicaError::Refused(_))));
}

fn told(text: &str) -> Value {
    let logical_type = if text.starts_with('@') { LogicalType::Identity } else { LogicalType::Text };
    told_value(logical_type, text)
}

#[test]
fn genesis_rows_keep_every_rule_but_permission() {
    let space = |rows: &str| {
        let story = Story::begin(&office(), rows);
        Replica::join(Sqlite::in_memory().unwrap(), story.entry("genesis").clone(), story.space())
    };
    assert!(space("insert members a who=@5 role=admin").is_ok());
    for (rows, code) in [
        ("insert members a who=@5 role=NULL", "not_null"),
        ("insert members a who=@5 role=admin; insert members b who=@5 role=admin", "unique"),
        ("insert tasks t project=NULL slot=0", "check"),
    ] {
        match space(rows) {
            Err(ReplicaError::Refused(refusal)) => assert_eq!(refusal.reason.code(), code),
            other => panic!("{rows}: {:?}", other.map(|replica| replica.space())),
        }
    }
}

#[test]
fn local_transactions_share_an_entry_and_only_what_breaks_a_rule_is_left_out() {
    let (_, mut replica) = begin();
    let transactions = [
        LocalTransaction { operations: vec![insert(&replica, PROJECTS, "p", &["@1", "p", "9", "1"])] },
        LocalTransaction { operations: vec![insert(&replica, PROJECTS, "q", &["@2", "q", "NULL", "NULL"])] },
        LocalTransaction { operations: vec![insert(&replica, TASKS, "of_q", &["q", "NULL", "NULL", "NULL"])] },
        LocalTransaction {
            operations: vec![
                insert(&replica, TASKS, "b", &["p", "t", "2", "a"]),
                insert(&replica, TASKS, "a", &["p", "t", "1", "NULL"]),
            ],
        },
        LocalTransaction { operations: vec![update(&replica, TASKS, Story::row_id("a"), &[(3, "3")])] },
    ];
    let on = replica.newest().unwrap();
    let note = Note { key: "queue", bytes: b"1-5" };
    let work = LocalWork { on: &on, transactions: &transactions, note: Some(note), time_ms: 7 };
    let outcome = replica.import(&keypair(1), work).unwrap();
    let judged: Vec<_> =
        outcome.transactions.iter().map(|judged| judged.as_ref().map(|name| name.transaction)).collect();
    assert_eq!((judged[0], judged[3], judged[4]), (Ok(0), Ok(1), Ok(2)));
    let (denied, orphan) = (judged[1].unwrap_err(), judged[2].unwrap_err());
    assert_eq!((denied.reason.code(), denied.place.unwrap().transaction), ("permission", 1));
    let missing = format!(
        "column project of table tasks refers to row {} of table projects, which is not there",
        Story::row_id("q")
    );
    assert_eq!((orphan.reason.code(), orphan.message.as_str()), ("foreign_key", missing.as_str()));
    assert_eq!(outcome.entries.len(), 1);
    assert_eq!(outcome.shown, replica.newest().unwrap());
    assert_eq!(replica.note("queue").unwrap().as_deref(), Some(&b"1-5"[..]));
    // The update wrote the whole group: its CHECK and UNIQUE key hold project and slot together.
    let a = row(&replica, TASKS, Story::row_id("a")).unwrap();
    assert_eq!(a.cells[1], Some(Story::row_id("p").to_value()));
    assert_eq!(a.cells[3], Some(Value::Integer(3)));
    let b = row(&replica, TASKS, Story::row_id("b")).unwrap();
    assert_eq!(b.cells[4], Some(Story::row_id("a").to_value()));
}

#[test]
fn nothing_but_refusals_writes_no_entry_but_the_note() {
    let (_, mut replica) = begin();
    let transactions = one(vec![insert(&replica, PROJECTS, "q", &["@2", "q", "NULL", "NULL"])]);
    let on = replica.newest().unwrap();
    let note = Note { key: "queue", bytes: b"1" };
    let work = LocalWork { on: &on, transactions: &transactions, note: Some(note), time_ms: 7 };
    let outcome = replica.import(&keypair(1), work).unwrap();
    assert!(outcome.transactions[0].is_err() && outcome.entries.is_empty());
    assert_eq!((outcome.shown, replica.entry_count()), (on, 1));
    assert_eq!(replica.note("queue").unwrap().as_deref(), Some(&b"1"[..]));
}

#[test]
fn an_id_used_again_goes_into_the_next_entry() {
    let (_, mut replica) = begin();
    let again = |replica: &Replica| insert(replica, TAGS, "t", &["NULL", "red"]);
    let transactions = [
        LocalTransaction { operations: vec![again(&replica)] },
        LocalTransaction { operations: vec![LocalOperation::Delete { table: TAGS, id: Story::row_id("t") }] },
        LocalTransaction { operations: vec![again(&replica)] },
    ];
    let outcome = import(&mut replica, 1, &transactions);
    stands(&outcome);
    assert_eq!(outcome.entries.len(), 2);
    assert!(row(&replica, TAGS, Story::row_id("t")).is_some());
}

#[test]
fn a_row_replaced_is_a_delete_and_an_insert_under_one_id() {
    let (_, mut replica) = begin();
    stands(&import(&mut replica, 1, &one(vec![insert(&replica_of(&begin().0), TAGS, "t", &["NULL", "red"])])));
    let first = row(&replica, TAGS, Story::row_id("t")).unwrap();
    let replace = one(vec![
        LocalOperation::Delete { table: TAGS, id: Story::row_id("t") },
        insert(&replica, TAGS, "t", &["NULL", "red"]),
    ]);
    stands(&import(&mut replica, 2, &replace));
    let second = row(&replica, TAGS, Story::row_id("t")).unwrap();
    assert_ne!(first.name, second.name);
    assert_eq!(second.author, keypair(2).identity());
}

#[test]
fn work_is_entered_on_the_version_that_the_tables_showed() {
    let (_, mut replica) = begin();
    let seen = replica.newest().unwrap();
    stands(&import(&mut replica, 1, &one(vec![insert(&replica_of(&begin().0), TAGS, "t", &["NULL", "red"])])));
    // The same key, by somebody whose tables did not show the first.
    let work = one(vec![insert(&replica, TAGS, "u", &["NULL", "red"])]);
    let outcome = import_on(&mut replica, 2, &seen, &work);
    let entry = stands(&outcome);
    assert_eq!(outcome.shown.version, Version::new(vec![entry]));
    assert_eq!(replica.frontier().ids().len(), 2);
    // The one permitted by the row that was inserted earlier has it, and the tables hear of that with the next batch.
    assert!(row(&replica, TAGS, Story::row_id("t")).is_some());
    assert_eq!(row(&replica, TAGS, Story::row_id("u")), None);
    let at = &outcome.shown.version;
    let shown = |name| replica.row_at(TAGS, Story::row_id(name), at, at).unwrap();
    assert!(shown("u").is_some() && shown("t").is_none());
    let by_now = replica.row_at(TAGS, Story::row_id("u"), at, &replica.frontier()).unwrap();
    assert_eq!(by_now, None, "what is known now was true then");
    let batch = replica.next_batch(&outcome.shown, 10).unwrap();
    let changes: Vec<_> = batch.changes.iter().map(|change| (change.id, change.row.is_some())).collect();
    let mut expected = [(Story::row_id("t"), true), (Story::row_id("u"), false)];
    expected.sort_unstable();
    assert_eq!(changes, expected);
    let [report] = &batch.reports[..] else { panic!("one operation was lost") };
    assert_eq!((report.entry, report.row), (entry, Story::row_id("u")));
    let Verdict::Void { reason: VoidReason::Unique, message, culprit: Some(culprit) } = &report.verdict else {
        panic!("it lost its key: {:?}", report.verdict);
    };
    assert_eq!(message, "rolled back: another row of tags has the same label (tags_label_key) by a better claim");
    assert!(replica.frontier().ids().contains(&culprit.entry) && culprit.entry != entry);
}

#[test]
fn rows_of_one_id_are_shown_under_two_and_both_can_be_written() {
    let (_, mut replica) = begin();
    let seen = replica.newest().unwrap();
    let insert_twin = |replica: &Replica, label| one(vec![insert(replica, TAGS, "twin", &["NULL", label])]);
    let (first, second) = (insert_twin(&replica, "red"), insert_twin(&replica, "blue"));
    stands(&import_on(&mut replica, 1, &seen, &first));
    stands(&import_on(&mut replica, 2, &seen, &second));
    let mut shown = Vec::new();
    replica
        .rows_at(TAGS, &replica.frontier(), &replica.frontier(), &mut |id, row| {
            shown.push((id, row));
            Ok::<(), ReplicaError>(())
        })
        .unwrap();
    shown.sort_by_key(|(id, _)| id.is_derived());
    let [(own, _), (derived, image)] = &shown[..] else { panic!("two rows are shown") };
    assert_eq!((*own, *derived), (Story::row_id("twin"), image.name.derived_id()));
    assert_eq!(row(&replica, TAGS, *derived).as_ref(), Some(image));
    let name = image.name;
    let derived = *derived;
    // The derived id addresses its row; once the other one is gone, it has its own id again.
    stands(&import(&mut replica, 1, &one(vec![update(&replica_of(&begin().0), TAGS, derived, &[(2, "green")])])));
    let before = replica.newest().unwrap();
    let delete = one(vec![LocalOperation::Delete { table: TAGS, id: Story::row_id("twin") }]);
    stands(&import(&mut replica, 1, &delete));
    let left = row(&replica, TAGS, Story::row_id("twin")).unwrap();
    assert_eq!((left.name, &left.cells[2]), (name, &Some(told("green"))));
    assert_eq!(row(&replica, TAGS, derived), None);
    let batch = replica.next_batch(&before, 10).unwrap();
    let changes: Vec<_> =
        batch.changes.iter().map(|change| (change.id, change.row.as_ref().map(|row| row.name))).collect();
    let mut expected = vec![(Story::row_id("twin"), Some(name)), (derived, None)];
    expected.sort_unstable_by_key(|(id, _)| *id);
    assert_eq!(changes, expected);
}

#[test]
fn a_claim_that_lost_is_reinstated_when_the_better_one_falls() {
    let (mut story, mut replica) = begin();
    hear(&mut replica, &story.tell("a @1 on genesis: insert tags first label=red")).unwrap();
    hear(&mut replica, &story.tell("b @2 on genesis: insert tags empty | insert tags rival label=NULL")).unwrap();
    hear(&mut replica, &story.tell("c @2 on b: update rival label=red")).unwrap();
    let before = replica.newest().unwrap();
    let label = |replica: &Replica| row(replica, TAGS, Story::row_id("rival")).unwrap().cells[2].clone();
    assert_eq!(label(&replica), None);
    // The author of the first is dismissed, concurrently with all that he did.
    hear(&mut replica, &story.tell("d @0 on genesis: delete ann")).unwrap();
    assert_eq!(label(&replica), Some(told("red")));
    assert_eq!(row(&replica, TAGS, Story::row_id("first")), None);
    let batch = replica.next_batch(&before, 10).unwrap();
    let ids: Vec<_> = batch.changes.iter().map(|change| (change.id, change.row.is_some())).collect();
    for change in [(Story::row_id("first"), false), (Story::row_id("rival"), true), (Story::row_id("ann"), false)] {
        assert!(ids.contains(&change), "{change:?} of {ids:?}");
    }
    let mut told: Vec<_> = batch.reports.iter().map(|report| (report.entry, report.verdict == Verdict::Live)).collect();
    told.sort_unstable();
    let mut expected = [(story.id("a"), false), (story.id("c"), true)];
    expected.sort_unstable();
    assert_eq!(told, expected);
}

#[test]
fn a_reference_under_set_null_reads_null_when_its_row_goes() {
    let (mut story, mut replica) = begin();
    hear(&mut replica, &story.tell("a @1 on genesis: insert projects p owner=@1 name=p")).unwrap();
    let tasks = "b @1 on a: insert tasks one project=p slot=1; insert tasks two project=p slot=2 blocker=one";
    hear(&mut replica, &story.tell(tasks)).unwrap();
    let before = replica.newest().unwrap();
    hear(&mut replica, &story.tell("c @0 on b: delete one")).unwrap();
    let two = row(&replica, TASKS, Story::row_id("two")).unwrap();
    assert_eq!(two.cells[4], None);
    assert_eq!(two.author, keypair(1).identity(), "nobody wrote the NULL");
    let batch = replica.next_batch(&before, 1).unwrap();
    assert_eq!(batch.changes.len(), 2);
    let earlier = replica.row_at(TASKS, Story::row_id("two"), &before.version, &replica.frontier()).unwrap().unwrap();
    assert_eq!(earlier.cells[4], Some(Story::row_id("one").to_value()));
}

/// A group that is completed once referred again to the deleted row, so that the update of its other column was refused.
#[test]
fn a_group_written_again_keeps_the_null_that_a_gone_reference_reads() {
    let rooms = table("rooms").open();
    let places = table("places").references("room", "rooms", OnDelete::SetNull).column("number", LogicalType::Integer);
    let schema = patch([rooms, places.unique(&["room", "number"]).open()]);
    let story = Story::begin(&schema, "insert rooms hall; insert places seat room=hall number=1");
    let mut replica = replica_of(&story);
    let (hall, seat) = (Story::row_id("hall"), Story::row_id("seat"));
    stands(&import(&mut replica, 0, &one(vec![LocalOperation::Delete { table: 0, id: hall }])));
    let renumbered = update(&replica, 1, seat, &[(2, "2")]);
    stands(&import(&mut replica, 0, &one(vec![renumbered])));
    assert_eq!(row(&replica, 1, seat).unwrap().cells[1..], [None, Some(Value::Integer(2))]);
}

#[test]
fn more_heads_than_an_entry_may_have_are_merged_first() {
    let (mut story, mut replica) = begin();
    for index in 0..70 {
        let line = format!("e{index} @1 on genesis: insert tags t{index} label=l{index}");
        hear(&mut replica, &story.tell(&line)).unwrap();
    }
    assert_eq!(replica.frontier().ids().len(), 70);
    let work = one(vec![insert(&replica, TAGS, "last", &["NULL", "x"])]);
    let outcome = import(&mut replica, 1, &work);
    let last = stands(&outcome);
    assert_eq!(outcome.entries.len(), 3);
    assert_eq!(replica.frontier(), Version::new(vec![last]));
    let other = replica_of(&story);
    let mut other = { other };
    let taken = other.ingest(entries_of(&replica)).unwrap();
    assert_eq!((taken.admitted.len(), taken.known.len()), (73, 1));
    assert_eq!(other.digest().unwrap(), replica.digest().unwrap());
}

#[test]
fn work_on_a_version_that_is_not_held_is_an_error() {
    let (_, mut replica) = begin();
    let on = Shown { version: Version::new(vec![EntryId([9; 32])]), basis: 0 };
    let work = LocalWork { on: &on, transactions: &[], note: None, time_ms: 0 };
    assert!(matches!(replica.import(&keypair(1), work), Err(ReplicaError::Version(_))));
    assert!(matches!(replica.next_batch(&on, 1), Err(ReplicaError::Version(_))));
}

#[test]
fn local_work_that_names_nothing_is_refused_with_a_sentence() {
    let (_, mut replica) = begin();
    let id = Story::row_id("nobody");
    let mut check = |operation: LocalOperation, code: &str, message: &str| {
        let outcome = import(&mut replica, 1, &one(vec![operation]));
        let refusal = outcome.transactions[0].as_ref().unwrap_err();
        assert_eq!((refusal.reason.code(), refusal.message.as_str()), (code, message));
    };
    check(LocalOperation::Delete { table: TAGS, id }, "unknown_row", &format!("table tags has no row {id}"));
    check(LocalOperation::Delete { table: 9, id }, "schema", "the schema has no table 9");
    let short = LocalOperation::Insert(LocalRow { table: TAGS, cells: vec![None] });
    check(short, "schema", "a row of table tags has 3 cells");
    let unnamed = LocalOperation::Insert(LocalRow { table: TAGS, cells: vec![None; 3] });
    check(unnamed, "type", "the id of a row of table tags is a UUID");
}

#[test]
fn a_parked_child_is_admitted_with_its_parent_and_refused_with_it() {
    let (mut story, mut replica) = begin();
    let parent = story.tell("a @1 on genesis: insert tags t label=red");
    let child = story.tell("b @1 on a: update t label=blue");
    let bad = story.tell("c @7 on a: insert tags u label=green");
    let on_bad = story.tell("d @1 on c b: insert tags v label=white");
    let early = replica.ingest(vec![on_bad.clone(), child.clone()]).unwrap();
    assert_eq!(early.parked, [*on_bad.id(), *child.id()]);
    let late = replica.ingest(vec![parent.clone(), bad.clone()]).unwrap();
    assert_eq!(late.admitted, [*parent.id(), *child.id()]);
    let refused: Vec<_> = late.refused.iter().map(|(id, refusal)| (*id, refusal.reason.code())).collect();
    assert_eq!(refused, [(*bad.id(), "permission"), (*on_bad.id(), "ancestor")]);
    let again = replica.ingest(vec![on_bad.clone(), child, parent]).unwrap();
    assert_eq!(again.refused.len(), 1);
    assert_eq!(again.known.len(), 2);
}

#[test]
fn who_may_sync_follows_the_current_state_and_farewell_holds_what_ended_it() {
    let (mut story, mut replica) = begin();
    let bob = keypair(2).identity();
    assert!(replica.may_sync(&bob).unwrap());
    assert_eq!(replica.farewell(&bob).unwrap(), None);
    hear(&mut replica, &story.tell("a @1 on genesis: insert tags t label=red")).unwrap();
    hear(&mut replica, &story.tell("b @0 on genesis: delete bob")).unwrap();
    hear(&mut replica, &story.tell("c @0 on a b: insert tags u label=blue")).unwrap();
    assert!(!replica.may_sync(&bob).unwrap());
    assert_eq!(replica.farewell(&bob).unwrap(), Some(Version::new(vec![story.id("b")])));
    let stranger = Keypair::generate(&[77; 32]).identity();
    assert!(!replica.may_sync(&stranger).unwrap());
    assert_eq!(replica.farewell(&stranger).unwrap(), None);
}

#[test]
fn the_log_is_read_newest_first_page_by_page() {
    let (mut story, mut replica) = begin();
    hear(&mut replica, &story.tell("a @1 on genesis: insert tags t label=red | update t label=blue")).unwrap();
    hear(&mut replica, &story.tell("b @2 on genesis: insert tags u")).unwrap();
    hear(&mut replica, &story.tell("c @1 on a b: delete t")).unwrap();
    let mut pages = vec![replica.log(None, 2).unwrap()];
    while pages.last().unwrap().next.is_some() {
        let page = replica.log(pages.last(), 2).unwrap();
        pages.push(page);
    }
    let items: Vec<_> = pages.iter().flat_map(|page| &page.items).collect();
    let mut middle = [story.id("a"), story.id("b")];
    middle.sort_unstable_by(|x, y| y.cmp(x));
    let ids: Vec<EntryId> = items.iter().map(|item| item.id).collect();
    assert_eq!(ids, [story.id("c"), middle[0], middle[1], story.id("genesis")]);
    let a = items.iter().find(|item| item.id == story.id("a")).unwrap();
    assert_eq!(a.author, keypair(1).identity());
    let operations = a.transactions.iter().flat_map(|transaction| &transaction.operations);
    let verbs: Vec<_> = operations.map(|operation| (operation.verb, operation.id)).collect();
    assert_eq!(verbs, [(Verb::Insert, Story::row_id("t")), (Verb::Update, Story::row_id("t"))]);
    assert_eq!(a.transactions[1].operations[0].cells, [(2, Some(told("blue")))]);
    assert_eq!(items[0].transactions[0].operations[0].row, story.row_name("t"));
}

#[test]
fn the_digest_is_the_one_of_the_page() {
    let page = crate::vectors::Vectors::of_page("relation.md");
    let (mut story, mut replica) = begin();
    assert_eq!(crate::vectors::hex(&replica.digest().unwrap()), page.one("founded"));
    let line = "a @1 on genesis: insert projects p owner=@1 name=p | insert tags t label=red | update t label=blue";
    hear(&mut replica, &story.tell(line)).unwrap();
    assert_eq!(crate::vectors::hex(&replica.digest().unwrap()), page.one("written"));
    let id = story.row_name("t").derived_id();
    assert_eq!(crate::vectors::hex(&id.0), page.one("derived-id-of-the-tag"));
    hear(&mut replica, &story.tell("b @1 on a: delete t; delete p")).unwrap();
    assert_eq!(crate::vectors::hex(&replica.digest().unwrap()), page.one("founded"));
}
