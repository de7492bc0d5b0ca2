//! From the log to the tables.

use expect_test::expect;

use crate::both::on_both;
use crate::node::{OPEN, TestNode, id, sync};

on_both!(
    a_reference_under_set_null_reads_null_whether_or_not_the_database_has_written_so,
    changes_arrive_committed_with_their_author_and_are_not_captured_again,
    both_sides_edit_offline_and_converge,
    unique_values_swap_and_rotate_in_one_transaction,
    of_two_concurrent_claims_of_a_key_the_same_one_is_shown_everywhere,
    one_id_inserted_twice_concurrently_is_shown_as_two_rows,
    an_unseen_local_change_is_drained_before_a_batch_is_written_over_it,
);

fn pair() -> (TestNode, TestNode) {
    let a = TestNode::found(OPEN);
    let b = TestNode::join(&a, 2);
    (a, b)
}

#[test]
fn changes_arrive_committed_with_their_author_and_are_not_captured_again() {
    let (mut a, mut b) = pair();
    a.run(&format!(
        "INSERT INTO people (id, name, score) VALUES ('{}', 'ann', 1.5);
         INSERT INTO notes (id, owner, title, price, at) VALUES ('{}', '{}', 't', '3.10', '2024-01-31 13:05:00')",
        id(1),
        id(2),
        id(1)
    ));
    sync(&mut a, &mut b);
    let author = a.keypair.identity().to_string();
    assert_eq!(b.ask("SELECT name, treaty_status, treaty_author FROM people"), format!("ann|committed|{author}"));
    assert_eq!(b.drain().line_count, 0);
    b.check_settled();
    a.run("PRAGMA foreign_keys = ON; UPDATE notes SET title = 'u', owner = NULL; DELETE FROM people");
    sync(&mut a, &mut b);
    a.check_settled();
    b.check_settled();
    expect!["u"].assert_eq(&b.ask("SELECT title FROM notes"));
    assert_eq!(b.audit(), 0);
}

#[test]
fn both_sides_edit_offline_and_converge() {
    let (mut a, mut b) = pair();
    a.run(&format!(
        "INSERT INTO people (id, name, age, score) VALUES ('{}', 'ann', 1, 1), ('{}', 'bob', 1, 1)",
        id(1),
        id(2)
    ));
    sync(&mut a, &mut b);
    a.run(&format!(
        "UPDATE people SET age = 2 WHERE name = 'ann'; UPDATE people SET age = 7 WHERE name = 'bob';
         INSERT INTO notes (id, title) VALUES ('{}', 'from a')",
        id(3)
    ));
    b.run(&format!(
        "UPDATE people SET score = 3 WHERE name = 'ann'; DELETE FROM people WHERE name = 'bob';
         INSERT INTO notes (id, title) VALUES ('{}', 'from b')",
        id(4)
    ));
    sync(&mut a, &mut b);
    for node in [&mut a, &mut b] {
        expect!["ann|2|3.0"].assert_eq(&node.ask("SELECT name, age, score FROM people"));
        expect!["from a\nfrom b"].assert_eq(&node.ask("SELECT title FROM notes ORDER BY title"));
        node.check_settled();
    }
}

#[test]
fn unique_values_swap_and_rotate_in_one_transaction() {
    let (mut a, mut b) = pair();
    a.run(&format!("INSERT INTO people (id, name) VALUES ('{}', 'x'), ('{}', 'y'), ('{}', 'z')", id(1), id(2), id(3)));
    sync(&mut a, &mut b);
    a.run(&format!(
        "BEGIN; UPDATE people SET name = 'tmp' WHERE id = '{}'; UPDATE people SET name = 'x' WHERE id = '{}';
         UPDATE people SET name = 'y' WHERE id = '{}'; UPDATE people SET name = 'z' WHERE id = '{}'; COMMIT",
        id(1),
        id(2),
        id(3),
        id(1)
    ));
    sync(&mut a, &mut b);
    expect!["z\nx\ny"].assert_eq(&b.ask("SELECT name FROM people ORDER BY id"));
    b.check_settled();
    a.run(&format!("DELETE FROM people WHERE name = 'x'; INSERT INTO people (id, name) VALUES ('{}', 'x')", id(4)));
    sync(&mut a, &mut b);
    b.check_settled();
    assert_eq!(b.ask("SELECT count(*) FROM treaty_rollbacks"), "0");
}

#[test]
fn of_two_concurrent_claims_of_a_key_the_same_one_is_shown_everywhere() {
    let (mut a, mut b) = pair();
    a.run(&format!("INSERT INTO people (id, name, age) VALUES ('{}', 'ann', 1)", id(1)));
    b.run(&format!("INSERT INTO people (id, name, age) VALUES ('{}', 'ann', 2)", id(2)));
    sync(&mut a, &mut b);
    let winner = a.ask("SELECT id, age FROM people");
    assert_eq!(winner.lines().count(), 1);
    assert_eq!(b.ask("SELECT id, age FROM people"), winner);
    for node in [&mut a, &mut b] {
        node.check_settled();
        expect!["unique|insert"].assert_eq(&node.ask("SELECT reason, operation FROM treaty_rollbacks"));
        let told = "SELECT culprit IS NOT NULL, row_id <> (SELECT id FROM people) FROM treaty_rollbacks";
        expect!["1|1"].assert_eq(&node.ask(told));
        assert_eq!(node.audit(), 0);
    }
    // Whoever was rolled back had not seen the other one go.
    a.run("DELETE FROM people");
    sync(&mut a, &mut b);
    for node in [&mut a, &mut b] {
        node.check_settled();
        expect!["0"].assert_eq(&node.ask("SELECT count(*) FROM people"));
        expect!["1"].assert_eq(&node.ask("SELECT count(*) FROM treaty_rollbacks"));
    }
}

#[test]
fn one_id_inserted_twice_concurrently_is_shown_as_two_rows() {
    let (mut a, mut b) = pair();
    a.run(&format!("INSERT INTO notes (id, title) VALUES ('{}', 'from a')", id(1)));
    b.run(&format!("INSERT INTO notes (id, title) VALUES ('{}', 'from b')", id(1)));
    sync(&mut a, &mut b);
    for node in [&mut a, &mut b] {
        expect!["from a\nfrom b"].assert_eq(&node.ask("SELECT title FROM notes ORDER BY title"));
        node.check_settled();
        assert_eq!(node.audit(), 0);
        expect!["renamed"].assert_eq(&node.ask("SELECT reason FROM treaty_rollbacks"));
    }
    assert_eq!(a.ask("SELECT id, title FROM notes ORDER BY id"), b.ask("SELECT id, title FROM notes ORDER BY id"));
    // Both can be edited like any other row.
    a.run("UPDATE notes SET title = title || '!'");
    sync(&mut a, &mut b);
    expect!["from a!\nfrom b!"].assert_eq(&b.ask("SELECT title FROM notes ORDER BY title"));
    b.check_settled();
    // The row that has the id goes: the other one is shown under it.
    b.run(&format!("DELETE FROM notes WHERE id = '{}'", id(1)));
    sync(&mut a, &mut b);
    for node in [&mut a, &mut b] {
        assert_eq!(node.ask("SELECT id FROM notes"), id(1));
        expect!["0"].assert_eq(&node.ask("SELECT count(*) FROM treaty_rollbacks WHERE reinstated IS NULL"));
        node.check_settled();
    }
}

#[test]
fn an_unseen_local_change_is_drained_before_a_batch_is_written_over_it() {
    let (mut a, mut b) = pair();
    a.run(&format!("INSERT INTO people (id, name, age, score) VALUES ('{}', 'ann', 1, 1)", id(1)));
    sync(&mut a, &mut b);
    a.run("UPDATE people SET age = 2");
    a.drain();
    b.pull(&a);
    b.run("UPDATE people SET score = 2");
    let applied = b.apply();
    assert_eq!(applied[0].drained.operation_count, 1);
    expect!["2|2.0|committed"].assert_eq(&b.ask("SELECT age, score, treaty_status FROM people"));
    b.check_settled();
}

#[test]
fn batches_are_cut_between_entries_and_end_at_the_frontier() {
    let (mut a, mut b) = pair();
    for number in 0..40_u32 {
        a.run(&format!(
            "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 49)
             INSERT INTO notes (id, title)
             SELECT printf('{}%04d%08d', {number}, i), 'n' FROM n",
            "00000000-0000-4000-8000-"
        ));
        a.drain();
    }
    b.pull(&a);
    let applied = b.apply();
    assert!(applied.len() > 1, "{}", applied.len());
    assert_eq!(applied.iter().map(|applied| applied.row_count).sum::<u64>(), 2_000);
    b.check_settled();
}

#[test]
fn a_unique_index_of_the_application_refuses_a_batch_whole_and_says_so() {
    let (mut a, mut b) = pair();
    b.run("CREATE UNIQUE INDEX own ON notes (title)");
    a.run(&format!("INSERT INTO notes (id, title) VALUES ('{}', 't'), ('{}', 't'), ('{}', 'u')", id(1), id(2), id(3)));
    a.drain();
    b.pull(&a);
    let refused = b.with(|application, link| application.apply(link)).unwrap_err();
    let expected = "table notes does not fit the schema: its unique index own refuses rows that the schema allows";
    assert!(refused.to_string().starts_with(expected), "{refused}");
    expect!["0"].assert_eq(&b.ask("SELECT count(*) FROM notes"));
    assert!(b.restart().is_err());
    b.run("DROP INDEX own");
    b.restart().unwrap();
    b.apply();
    expect!["t\nt\nu"].assert_eq(&b.ask("SELECT title FROM notes ORDER BY title"));
    b.check_settled();
}

#[test]
fn indexes_of_the_application_that_refuse_nothing_more_are_its_own_business() {
    let (mut a, mut b) = pair();
    b.run(
        "CREATE UNIQUE INDEX one ON people (name, age); CREATE UNIQUE INDEX two ON notes (title, id) WHERE done; \
           CREATE INDEX three ON notes (title)",
    );
    b.restart().unwrap();
    b.run("CREATE UNIQUE INDEX four ON people (name COLLATE NOCASE)");
    assert!(b.restart().is_err());
    b.run("DROP INDEX four; CREATE UNIQUE INDEX five ON notes (lower(title))");
    assert!(b.restart().is_err());
    b.run("DROP INDEX five");
    b.restart().unwrap();
    a.run(&format!("INSERT INTO people (id, name) VALUES ('{}', 'x')", id(1)));
    sync(&mut a, &mut b);
}

#[test]
fn a_trigger_of_the_application_that_refuses_a_row_refuses_the_batch() {
    for refuses in ["RAISE(ABORT, 'no')", "RAISE(ROLLBACK, 'no')", "RAISE(IGNORE)"] {
        let (mut a, mut b) = pair();
        b.run(&format!("CREATE TRIGGER own BEFORE INSERT ON notes WHEN new.title = 'u' BEGIN SELECT {refuses}; END"));
        a.run(&format!("INSERT INTO notes (id, title) VALUES ('{}', 't'), ('{}', 'u')", id(1), id(2)));
        a.drain();
        b.pull(&a);
        let refused = b.with(|application, link| application.apply(link)).unwrap_err();
        let expected = format!("row {} of table notes cannot be written as the log has it", id(2));
        assert!(refused.to_string().starts_with(&expected), "{refused}");
        expect!["0"].assert_eq(&b.ask("SELECT count(*) FROM notes"));
        expect!["0"].assert_eq(&b.ask("SELECT count(*) FROM treaty_applying"));
        b.run("DROP TRIGGER own");
        b.apply();
        b.check_settled();
    }
}

#[test]
fn a_row_that_came_past_the_triggers_and_is_in_the_way_is_imported_first() {
    let (mut a, mut b) = pair();
    b.run(&format!(
        "INSERT INTO treaty_applying VALUES (1); INSERT INTO people (id, name) VALUES ('{}', 'ann');
         DELETE FROM treaty_applying",
        id(9)
    ));
    a.run(&format!("INSERT INTO people (id, name) VALUES ('{}', 'ann')", id(1)));
    a.drain();
    b.pull(&a);
    b.apply();
    sync(&mut a, &mut b);
    for node in [&mut a, &mut b] {
        node.check_settled();
        expect!["ann"].assert_eq(&node.ask("SELECT name FROM people"));
        expect!["1"].assert_eq(&node.ask("SELECT count(*) FROM treaty_rollbacks"));
    }
}

#[test]
fn a_database_in_rollback_journal_mode_works_too() {
    let mut a = TestNode::found_over(OPEN, |client| {
        client.execute_batch("PRAGMA journal_mode = DELETE; CREATE TABLE mine (x); DROP TABLE mine").unwrap();
    })
    .unwrap();
    let mut b = TestNode::join(&a, 2);
    expect!["delete"].assert_eq(&a.ask("PRAGMA journal_mode"));
    a.run(&format!("INSERT INTO people (id, name) VALUES ('{}', 'ann')", id(1)));
    b.run(&format!("INSERT INTO people (id, name) VALUES ('{}', 'bob')", id(2)));
    sync(&mut a, &mut b);
    a.check_settled();
    b.check_settled();
    expect!["delete"].assert_eq(&a.ask("PRAGMA journal_mode"));
}

#[test]
fn a_reference_under_set_null_reads_null_whether_or_not_the_database_has_written_so() {
    let mut a = TestNode::found(
        "CREATE TABLE t (id UUID PRIMARY KEY);
         CREATE TABLE u (id UUID PRIMARY KEY, t UUID REFERENCES t (id) ON DELETE SET NULL);
         CREATE POLICY a ON t FOR INSERT WITH CHECK (true);
         CREATE POLICY b ON t FOR DELETE USING (true);
         CREATE POLICY c ON u FOR INSERT WITH CHECK (true);",
    );
    let mut b = TestNode::join(&a, 2);
    a.run(&format!("INSERT INTO t (id) VALUES ('{0}'); INSERT INTO u (id, t) VALUES ('{1}', '{0}')", id(1), id(2)));
    sync(&mut a, &mut b);
    a.run("DELETE FROM t");
    sync(&mut a, &mut b);
    for node in [&mut a, &mut b] {
        expect!["-"].assert_eq(&node.ask("SELECT t FROM u"));
        node.check_settled();
        assert_eq!(node.audit(), 0);
    }
}
