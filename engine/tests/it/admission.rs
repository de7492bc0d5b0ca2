//! Every rule of admission, obeyed and broken. Each case is judged by the oracle as well.

use treaty_engine::cotx::Refusal;
use treaty_testkit::Story;

use crate::tables::{STAFF, hear, history_of, office, replica_of};

/// Tells `before`, which must all be admitted, then `last`. Returns why that is refused, if it is.
fn judge(before: &[&str], last: &str) -> Result<(), Refusal> {
    let mut story = Story::begin(&office(), STAFF);
    let (mut replica, mut history) = (replica_of(&story), history_of(&story));
    for line in before {
        let entry = story.tell(line);
        assert_eq!(history.judge(&entry), None, "the oracle refuses {line}");
        hear(&mut replica, &entry).unwrap_or_else(|refusal| panic!("{line}: {refusal}"));
        history.add(&entry).unwrap();
    }
    let entry = story.tell(last);
    let heard = hear(&mut replica, &entry);
    assert_eq!(heard.as_ref().err().map(|refusal| refusal.reason), history.judge(&entry), "the oracle disagrees");
    heard
}

/// Checks that the last line is refused for a reason, by a sentence.
fn refuses(before: &[&str], last: &str, code: &str, message: &str) {
    let refusal = judge(before, last).expect_err(last);
    assert_eq!((refusal.reason.code(), refusal.message.as_str()), (code, message), "{last}");
}

/// Checks that the last line is admitted.
fn admits(before: &[&str], last: &str) {
    judge(before, last).unwrap_or_else(|refusal| panic!("{last}: {refusal}"));
}

const PROJECT: &str = "p @1 on genesis: insert projects alpha owner=@1 name=alpha budget=10 spent=5";
const TASK: &str = "t @1 on p: insert tasks one project=alpha title=one slot=1";

#[test]
fn work_that_keeps_every_rule_is_admitted() {
    admits(&[], PROJECT);
    admits(&[PROJECT], TASK);
    admits(&[PROJECT, TASK], "x @2 on t: update one title=better");
    admits(&[PROJECT, TASK], "x @0 on t: delete one");
    admits(&[PROJECT], "x @2 on p:");
}

#[test]
fn an_update_writes_whole_column_groups() {
    let message = "an update of table projects does not write whole column groups, each once and in order";
    refuses(&[PROJECT], "x @1 on p: update alpha budget=20", "schema", message);
    admits(&[PROJECT], "x @1 on p: update alpha budget=20 spent=1");
    admits(&[PROJECT], "x @1 on p: update alpha budget=20 spent=1 name=beta");
}

#[test]
fn a_value_is_of_its_columns_type() {
    let refusal = judge(&[], "x @1 on genesis: insert projects alpha owner=@1 name=alphabets").unwrap_err();
    assert_eq!(refusal.reason.code(), "type");
    assert!(refusal.message.starts_with("table projects: column name: "), "{refusal}");
    admits(&[], "x @1 on genesis: insert projects alpha owner=@1 name=alphabet");
}

#[test]
fn null_is_refused_where_not_null_stands() {
    let message = "table projects: column name must not be NULL";
    refuses(&[], "x @1 on genesis: insert projects alpha owner=@1", "not_null", message);
    refuses(&[PROJECT], "x @1 on p: update alpha name=NULL", "not_null", message);
}

#[test]
fn a_check_passes_unless_it_is_false() {
    let message = "table projects: CHECK within is false";
    refuses(&[], "x @1 on genesis: insert projects a owner=@1 name=a budget=1 spent=2", "check", message);
    refuses(&[PROJECT], "x @1 on p: update alpha budget=1 spent=2", "check", message);
    admits(&[PROJECT], "x @1 on p: update alpha budget=1 spent=NULL");
}

/// A database that keeps it could not be brought in step: whoever does not check it signs in vain.
#[test]
fn a_key_that_no_index_holds_is_refused() {
    let message =
        "table tags: UNIQUE key tags_label_key (label) counts 2049 bytes, at most 2048 fit into an index: shorten it";
    refuses(&[], "x @2 on genesis: insert tags g label=x*2049", "key_too_large", message);
    admits(&[], "x @2 on genesis: insert tags g label=x*2048");
    let tag = "t @2 on genesis: insert tags g label=x";
    refuses(&[tag], "x @2 on t: update g label=x*2049", "key_too_large", message);
    admits(&[tag], "x @2 on t: update g label=x*2048");
}

#[test]
fn a_column_that_never_changes_is_not_written_again() {
    let message = "column owner of table projects never changes after insert";
    refuses(&[PROJECT], "x @1 on p: update alpha owner=@2", "frozen", message);
    refuses(&[PROJECT], "x @1 on p: update alpha owner=@1", "frozen", message);
}

#[test]
fn an_operation_addresses_rows_of_its_past_and_own_ones_only() {
    let message = "it addresses a row of table projects that is neither in its past nor its own";
    refuses(&[PROJECT], "x @2 on genesis: update alpha name=x", "unknown_row", message);
    admits(&[PROJECT], "x @2 on p: update alpha name=x");
    admits(&[], "x @1 on genesis: insert projects a owner=@1 name=a | update a name=b | delete a");
}

#[test]
fn a_reference_names_a_row_of_its_past_or_an_own_one() {
    let message = "it names a row that is neither in its past nor its own";
    refuses(&[PROJECT], "x @1 on genesis: insert tasks t project=alpha", "unknown_row", message);
    let message = "column task of table tags refers to a row of table tasks that is neither in its past nor its own";
    refuses(&[PROJECT, TASK], "x @2 on genesis: insert tags g task=one", "unknown_row", message);
    refuses(&[PROJECT], "x @2 on p: insert tags g task=alpha", "unknown_row", message);
    admits(&[], "x @1 on genesis: insert projects a owner=@1 name=a; insert tasks t project=a");
    admits(&[PROJECT, TASK], "x @2 on t: insert tags g task=one");
    let message = "column task of table tags is a foreign key, but names no row";
    let uuid = "x @2 on genesis: insert tags g task=00000000-0000-4000-8000-000000000000";
    refuses(&[], uuid, "type", message);
}

#[test]
fn a_reference_may_stand_before_the_row_it_names() {
    admits(
        &[PROJECT],
        "x @1 on p: insert tasks second project=alpha blocker=first; insert tasks first project=alpha slot=2",
    );
}

#[test]
fn an_id_is_not_inserted_twice() {
    let twice = "x @1 on genesis: insert projects a owner=@1 name=a; insert projects b id=a owner=@1 name=b";
    let refusal = judge(&[], twice).unwrap_err();
    assert_eq!(refusal.reason.code(), "duplicate_id");
    let again =
        "x @1 on genesis: insert projects a owner=@1 name=a | delete a | insert projects b id=a owner=@1 name=b";
    assert_eq!(judge(&[], again).unwrap_err().reason.code(), "duplicate_id");
    assert_eq!(
        judge(&[PROJECT], "x @1 on p: insert projects b id=alpha owner=@1 name=b").unwrap_err().reason.code(),
        "duplicate_id"
    );
    // In another table, or in the place of a row that goes, it is free.
    admits(&[PROJECT], "x @1 on p: insert tasks b id=alpha project=alpha");
    admits(&[PROJECT], "x @1 on p: insert projects b id=alpha owner=@1 name=b; delete alpha");
    admits(&[PROJECT], "x @1 on p: delete alpha | insert projects b id=alpha owner=@1 name=b");
    admits(&[PROJECT, "d @1 on p: delete alpha"], "x @1 on d: insert projects b id=alpha owner=@1 name=b");
    // What it has not seen does not bind it.
    admits(&[PROJECT], "x @1 on genesis: insert projects b id=alpha owner=@1 name=b");
}

#[test]
fn nobody_may_what_no_policy_permits() {
    let message =
        "no policy of table projects permits this INSERT to its author: not projects_insert_0, projects_insert_1";
    refuses(&[], "x @1 on genesis: insert projects a owner=@2 name=a", "permission", message);
    admits(&[], "x @0 on genesis: insert projects a owner=@2 name=a");
    let message = "policy projects_update_2 of table projects does not permit this UPDATE to its author";
    refuses(&[PROJECT], "x @7 on p: update alpha name=x", "permission", message);
    let message = "policy members_delete_1 of table members does not permit this DELETE to its author";
    refuses(&[], "x @7 on genesis: delete boss", "permission", message);
}

#[test]
fn permission_is_of_the_past_and_not_of_elsewhere() {
    let grant = "g @0 on genesis: insert members new who=@7 role=editor";
    admits(&[PROJECT, grant], "x @7 on p g: update alpha name=x");
    assert_eq!(judge(&[PROJECT, grant], "x @7 on p: update alpha name=x").unwrap_err().reason.code(), "permission");
    let revoke = "r @0 on p: delete ann";
    // Use before revoke, and concurrently with it (until verdicts flip); not after.
    admits(&[PROJECT, revoke], "x @1 on p: update alpha name=x");
    assert_eq!(judge(&[PROJECT, revoke], "x @1 on r: update alpha name=x").unwrap_err().reason.code(), "permission");
}

#[test]
fn a_transaction_may_grant_and_then_use_but_not_use_and_then_grant() {
    let grant = "insert members new who=@1 role=admin";
    let chain = "insert members next who=@5 role=editor";
    let appointed = "a @0 on genesis: insert members other who=@3 role=admin";
    assert_eq!(judge(&[], &format!("x @1 on genesis: {grant}; {chain}")).unwrap_err().reason.code(), "permission");
    admits(&[appointed], &format!("x @3 on a: {grant}; {chain}"));
    let own = "insert projects mine owner=@1 name=mine";
    admits(&[], &format!("x @1 on genesis: {own}; insert tasks t project=mine"));
    let backwards = format!("x @1 on genesis: insert tasks t project=mine; {own}");
    assert_eq!(judge(&[], &backwards).unwrap_err().reason.code(), "permission");
}

#[test]
fn own_deletes_take_no_permission_away_within_their_transaction() {
    admits(&[], "x @0 on genesis: delete boss; insert members heir who=@1 role=admin");
    admits(&[], "x @0 on genesis: insert members heir who=@1 role=admin; delete boss");
    let later = "x @0 on genesis: delete boss | insert members heir who=@1 role=admin";
    assert_eq!(judge(&[], later).unwrap_err().reason.code(), "permission");
}

#[test]
fn a_row_inserted_under_anothers_id_lends_no_permission() {
    // Author 2 shows a project of his own under the id of another's, on a branch that has not seen it. A task in the real
    // one still needs the real owner.
    let twin = "w @2 on genesis: insert projects twin id=alpha owner=@2 name=twin";
    let task = "x @2 on p w: insert tasks t project=alpha";
    assert_eq!(judge(&[PROJECT, twin], task).unwrap_err().reason.code(), "permission");
    admits(&[PROJECT, twin], "x @2 on p w: insert tasks t project=twin");
    admits(&[PROJECT, twin], "x @1 on p w: insert tasks t project=alpha");
}

#[test]
fn a_reference_needs_its_row_to_be_there() {
    let deleted = "d @0 on t: delete one";
    let prefix = "column task of table tags refers to a row of table tasks";
    let id = Story::row_id("one");
    let gone = format!("{prefix} that is not there any more, {id}");
    refuses(&[PROJECT, TASK, deleted], "x @2 on d: insert tags g task=one", "foreign_key", &gone);
    admits(&[PROJECT, TASK, deleted], "x @2 on t: insert tags g task=one");
    let same = format!("{prefix} that the same transaction deletes, {id}");
    refuses(&[PROJECT, TASK], "x @0 on t: insert tags g task=one; delete one", "foreign_key", &same);
}

#[test]
fn a_delete_carries_its_cascades() {
    let message = "it deletes a row of table projects to which column project of a row of table tasks still refers";
    refuses(&[PROJECT, TASK], "x @1 on t: delete alpha", "foreign_key", message);
    // The owner may not delete tasks by policy, but as a cascade.
    admits(&[PROJECT, TASK], "x @1 on t: delete alpha; delete one");
    admits(&[PROJECT, TASK], "x @1 on t: delete one; delete alpha");
    assert_eq!(judge(&[PROJECT, TASK], "x @1 on t: delete one").unwrap_err().reason.code(), "permission");
    admits(&[PROJECT, TASK], "x @0 on t: delete one | insert members m who=@5 role=editor");
    // What was written over does not count, nor what it has not seen.
    let moved = "m @1 on t: insert projects beta owner=@1 name=beta; update one project=beta slot=1";
    admits(&[PROJECT, TASK, moved], "x @1 on m: delete alpha");
    admits(
        &[PROJECT, TASK],
        "x @1 on t: insert projects beta owner=@1 name=beta; update one project=beta slot=1 | delete alpha",
    );
    admits(&[PROJECT, TASK], "x @1 on p: delete alpha");
}

#[test]
fn no_action_needs_the_reference_gone_and_set_null_does_not() {
    let tag = "g @2 on t: insert tags tag task=one label=red";
    assert_eq!(judge(&[PROJECT, TASK, tag], "x @0 on g: delete one").unwrap_err().reason.code(), "foreign_key");
    admits(&[PROJECT, TASK, tag], "x @0 on g: delete one; delete tag");
    admits(&[PROJECT, TASK, tag], "x @0 on g: delete one; update tag task=NULL");
    admits(&[PROJECT, TASK, tag], "x @0 on g: delete tag | delete one");
    let blocked = "b @1 on t: insert tasks two project=alpha slot=2 blocker=one";
    admits(&[PROJECT, TASK, blocked], "x @0 on b: delete one");
}

#[test]
fn a_unique_key_is_claimed_by_one_row_of_a_past() {
    let tag = "g @2 on t: insert tags red task=one label=red";
    let before = [PROJECT, TASK, tag];
    let message = "another row of table tags has the same label (tags_label_key)";
    refuses(&before, "x @2 on g: insert tags again label=red", "unique", message);
    refuses(&[], "x @2 on genesis: insert tags a label=red; insert tags b label=red", "unique", message);
    refuses(&[], "x @2 on genesis: insert tags a label=red | insert tags b label=red", "unique", message);
    admits(&before, "x @2 on t: insert tags again label=red");
    admits(&before, "x @2 on g: insert tags other label=NULL; insert tags more label=NULL");
    admits(&before, "x @2 on g: delete red; insert tags again label=red");
    admits(&before, "x @2 on g: insert tags again label=red; delete red");
    admits(&before, "x @2 on g: update red label=blue | insert tags again label=red");
    admits(&[PROJECT, TASK, tag, "u @2 on g: update red label=blue"], "x @2 on u: insert tags again label=red");
}

#[test]
fn a_claim_of_a_row_that_is_gone_binds_nobody() {
    // A write to a deleted row has no effect, yet the next co-transaction of its entry took its claim for a claim.
    let tag = "g @2 on genesis: insert tags red label=red";
    let gone = "d @2 on g: delete red";
    admits(&[tag, gone], "x @2 on d: update red label=blue | insert tags blue label=blue");
    admits(&[tag, gone, "u @2 on d: update red label=blue"], "x @2 on u: insert tags blue label=blue");
}

#[test]
fn unique_values_swap_within_a_transaction() {
    let two = "g @2 on genesis: insert tags a label=red; insert tags b label=blue";
    admits(&[two], "x @2 on g: update a label=blue; update b label=red");
    assert_eq!(
        judge(&[two], "x @2 on g: update a label=blue | update b label=red").unwrap_err().reason.code(),
        "unique"
    );
    admits(&[two], "x @2 on g: update a label=NULL | update b label=red | update a label=blue");
}

#[test]
fn a_key_of_several_columns_is_claimed_as_a_whole() {
    let refused = "x @1 on t: insert tasks two project=alpha slot=1";
    assert_eq!(judge(&[PROJECT, TASK], refused).unwrap_err().reason.code(), "unique");
    admits(&[PROJECT, TASK], "x @1 on t: insert tasks two project=alpha slot=2");
    admits(&[PROJECT, TASK], "x @1 on t: insert projects beta owner=@1 name=b; insert tasks two project=beta slot=1");
}

#[test]
fn one_bad_transaction_refuses_the_entry_of_a_peer() {
    let entry = "x @1 on genesis: insert projects a owner=@1 name=a | insert projects b owner=@2 name=b";
    let refusal = judge(&[], entry).unwrap_err();
    let place = refusal.place.unwrap();
    assert_eq!((place.transaction, place.operation), (1, 0));
}

#[test]
fn what_is_deleted_may_be_written_to_no_effect() {
    let deleted = "d @1 on p: delete alpha";
    admits(&[PROJECT, deleted], "x @1 on d: update alpha name=ghost");
    admits(&[PROJECT, deleted], "x @1 on d: delete alpha");
}

#[test]
fn an_operation_names_tables_and_columns_of_the_schema() {
    use treaty_engine::log::{Entry, EntryDraft};
    use treaty_engine::relation::payload::{NamedOperation, NamedRow, NamedShape, PayloadBuilder};
    use treaty_schema::{ObjectId, SchemaVersion};

    let story = Story::begin(&office(), STAFF);
    let tags = &story.schema.tables()[3];
    let columns = [tags.columns[1].id, tags.columns[2].id];
    let insert = |table: ObjectId, columns: &[ObjectId]| NamedOperation::Insert {
        shape: NamedShape { table, columns: columns.to_vec() },
        id: Story::row_id("new"),
        cells: vec![None; columns.len()],
    };
    let check = |operation: NamedOperation, expected: Option<&str>| {
        let mut builder = PayloadBuilder::new();
        builder.push(&[operation]);
        let draft =
            EntryDraft { space: Some(story.space()), parents: vec![story.id("genesis")], height: 1, time_ms: 0 };
        let entry = Entry::sign(&treaty_testkit::keypair(1), draft, builder.finish()).unwrap();
        let heard = hear(&mut replica_of(&story), &entry);
        assert_eq!(heard.err().map(|refusal| refusal.reason.code()), expected);
    };
    let unknown = ObjectId { version: SchemaVersion([9; 32]), index: 0 };
    let label = story.schema.tables()[2].columns[2].id;
    check(insert(tags.id, &columns), None);
    check(insert(unknown, &columns), Some("schema"));
    check(insert(columns[0], &columns), Some("schema"));
    check(insert(tags.id, &[columns[0], unknown]), Some("schema"));
    check(insert(tags.id, &[columns[0], label]), Some("schema"));
    check(insert(tags.id, &columns[..1]), Some("schema"));
    check(insert(tags.id, &[columns[1], columns[0]]), Some("schema"));
    check(insert(tags.id, &[tags.columns[0].id, columns[0], columns[1]]), Some("schema"));
    let update = |columns: &[ObjectId]| NamedOperation::Update {
        shape: NamedShape { table: tags.id, columns: columns.to_vec() },
        row: NamedRow::Past(story.row_name("ann")),
        cells: vec![None; columns.len()],
    };
    check(update(&[]), Some("schema"));
    check(update(&[columns[1], columns[0]]), Some("schema"));
    check(update(&[columns[0], columns[0]]), Some("schema"));
    check(update(&[tags.columns[0].id]), Some("schema"));
    // A row of another table is none of this one.
    check(update(&columns), Some("unknown_row"));
    check(NamedOperation::Delete { table: unknown, row: NamedRow::Past(story.row_name("ann")) }, Some("schema"));
}
