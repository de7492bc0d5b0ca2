//! Batches of rows, whatever unique values they pass among each other and whatever refers to what goes.

use expect_test::{Expect, expect};

use super::{Installed, row_id};
use crate::database::WriteScope;
use crate::database::{DatabaseError, Fate};
use crate::postgres::scope;
use crate::postgres::session::doing;

const FAMILY: &str = "
CREATE TABLE people (id UUID PRIMARY KEY, name TEXT NOT NULL UNIQUE CHECK (length(name) < 7), age INTEGER UNIQUE);
CREATE TABLE pets (id UUID PRIMARY KEY, owner UUID REFERENCES people (id) ON DELETE CASCADE);
CREATE TABLE cards (id UUID PRIMARY KEY, owner UUID NOT NULL UNIQUE REFERENCES people (id) ON DELETE RESTRICT);
CREATE TABLE notes (id UUID PRIMARY KEY, owner UUID REFERENCES people (id) ON DELETE SET NULL);
CREATE TABLE nodes (id UUID PRIMARY KEY, next UUID REFERENCES nodes (id) ON DELETE RESTRICT);
";

const ALL: &str = "SELECT 'people', left(id::text, 2), name, age::text, treaty_status FROM people
  UNION ALL SELECT 'pets', left(id::text, 2), left(owner::text, 2), NULL, treaty_status FROM pets
  UNION ALL SELECT 'cards', left(id::text, 2), left(owner::text, 2), NULL, treaty_status FROM cards
  UNION ALL SELECT 'notes', left(id::text, 2), left(owner::text, 2), NULL, treaty_status FROM notes
  UNION ALL SELECT 'nodes', left(id::text, 2), left(next::text, 2), NULL, treaty_status FROM nodes ORDER BY 1, 2";

/// A line each: table, id, and the other values; without them the row goes.
fn fates(installed: &Installed, lines: &str) -> Vec<Fate> {
    let fate = |line: &str| {
        let mut words = line.splitn(3, ' ');
        let (table, id) = (words.next().unwrap(), words.next().unwrap().parse().unwrap());
        installed.fate(table, id, words.next())
    };
    lines.split(", ").map(fate).collect()
}

/// Writes batches one after the other, and prints what the tables hold then.
fn check(batches: &[&str], expected: &Expect) {
    let mut installed = Installed::new(FAMILY);
    for lines in batches {
        let batch = fates(&installed, lines);
        installed.write(&batch).unwrap();
    }
    expected.assert_eq(&installed.query(ALL));
    assert_eq!(installed.query("SELECT count(*) FROM treaty.queue"), "0");
}

#[test]
fn rows_are_inserted_overwritten_and_deleted_at_once() {
    check(
        &["people 1 anna 5, people 2 bert -, people 3 carl 7", "people 1 anne 6, people 3, people 4 dora 7"],
        &expect![[r#"
            people|01|anne|6|committed
            people|02|bert||committed
            people|04|dora|7|committed"#]],
    );
}

#[test]
fn unique_values_swap_and_go_round() {
    check(
        &[
            "people 1 anna 1, people 2 bert 2, people 3 carl 3",
            "people 1 bert 2, people 2 anna 1",
            "people 1 carl 1, people 2 bert 3, people 3 anna 2",
        ],
        &expect![[r#"
            people|01|carl|1|committed
            people|02|bert|3|committed
            people|03|anna|2|committed"#]],
    );
}

#[test]
fn a_deleted_row_leaves_its_unique_value_to_another() {
    check(&["people 1 anna -", "people 1, people 2 anna -"], &expect!["people|02|anna||committed"]);
}

#[test]
fn a_chain_of_unique_values_is_written_from_its_end() {
    // `name` is at most six characters long, and what is parked there is longer.
    check(
        &["people 1 anna -, people 2 bert -, people 3 carl -", "people 1 bert -, people 2 carl -, people 3 dora -"],
        &expect![[r#"
            people|01|bert||committed
            people|02|carl||committed
            people|03|dora||committed"#]],
    );
}

#[test]
fn a_row_that_goes_with_what_refers_to_it_leaves_its_unique_value() {
    check(
        &["people 2 anna -, pets 5 2, cards 6 2, nodes 7 7", "people 1 anna -, people 2, pets 5, cards 6, nodes 7"],
        &expect!["people|01|anna||committed"],
    );
}

#[test]
fn where_parked_values_are_refused_rows_make_place() {
    check(
        &["people 1 anna -, people 2 bert -", "people 1 bert -, people 2 anna -"],
        &expect![[r#"
            people|01|bert||committed
            people|02|anna||committed"#]],
    );
}

#[test]
fn children_and_parents_come_and_go_in_any_order() {
    check(
        &["pets 5 1, nodes 1 2, nodes 2 1, people 1 anna -, cards 6 1, notes 7 1"],
        &expect![[r#"
            cards|06|01||committed
            nodes|01|02||committed
            nodes|02|01||committed
            notes|07|01||committed
            people|01|anna||committed
            pets|05|01||committed"#]],
    );
    check(
        &[
            "pets 5 1, nodes 1 2, nodes 2 1, people 1 anna -, cards 6 1, notes 7 1",
            "people 1, nodes 1, nodes 2, notes 7 -, cards 6, pets 5",
        ],
        &expect!["notes|07|||committed"],
    );
}

#[test]
fn no_action_of_the_database_meets_a_row_outside_of_the_batch() {
    for child in ["pets", "notes", "cards"] {
        let mut installed = Installed::new(FAMILY);
        installed.run(&format!(
            "INSERT INTO people VALUES ('{0}', 'anna'); INSERT INTO {child} VALUES ('{1}', '{0}')",
            row_id(1),
            row_id(5)
        ));
        let batch = fates(&installed, "people 1");
        let refused = installed.write(&batch).unwrap_err();
        assert!(matches!(&refused, DatabaseError::InTheWay { what } if what.contains(child)), "{refused:?}");
        assert_eq!(installed.query(&format!("SELECT count(owner) FROM {child}")), "1");
    }
}

#[test]
fn a_unique_value_outside_of_the_batch_is_in_the_way() {
    let mut installed = Installed::new(FAMILY);
    installed.run(&format!("INSERT INTO people VALUES ('{}', 'anna')", row_id(1)));
    let batch = fates(&installed, "people 2 anna -");
    let refused = installed.write(&batch).unwrap_err();
    assert!(matches!(&refused, DatabaseError::InTheWay { what } if what.contains("(anna)")), "{refused:?}");
}

#[test]
fn a_reference_that_dangles_is_in_the_way() {
    let mut installed = Installed::new(FAMILY);
    let batch = fates(&installed, "pets 5 1");
    let refused = installed.write(&batch).unwrap_err();
    assert!(matches!(&refused, DatabaseError::InTheWay { .. }), "{refused:?}");
    installed.run("ALTER TABLE pets DROP CONSTRAINT pets_owner_fkey");
    let refused = installed.write(&batch).unwrap_err();
    assert!(matches!(&refused, DatabaseError::InTheWay { what } if what.contains("is not in people")), "{refused:?}");
}

#[test]
fn a_trigger_of_the_application_that_refuses_is_in_the_way() {
    let mut installed = Installed::new(FAMILY);
    installed.run(
        "CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''no''; END';
         CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
         CREATE TRIGGER no BEFORE INSERT ON people FOR EACH ROW EXECUTE FUNCTION no();
         CREATE TRIGGER nothing BEFORE INSERT ON notes FOR EACH ROW EXECUTE FUNCTION nothing();",
    );
    for batch in ["people 1 anna -", "notes 1 -"] {
        let batch = fates(&installed, batch);
        let refused = installed.write(&batch).unwrap_err();
        assert!(matches!(&refused, DatabaseError::InTheWay { .. }), "{refused:?}");
    }
}

#[test]
fn a_status_that_is_not_told_stays_reverted_or_becomes_committed() {
    let mut installed = Installed::new(FAMILY);
    let mut batch = fates(&installed, "people 1 anna -, people 2 bert -");
    batch[0].status = Some("reverted");
    installed.write(&batch).unwrap();
    let again = fates(&installed, "people 1 anne -, people 2 bart -");
    installed.write(&again).unwrap();
    assert_eq!(installed.query("SELECT treaty_status FROM people ORDER BY id"), "reverted\ncommitted");
}

#[test]
fn a_batch_waits_for_rows_that_somebody_writes_and_is_busy_then() {
    let mut installed = Installed::new(FAMILY);
    let batch = fates(&installed, "people 1 anna -");
    installed.write(&batch).unwrap();
    let mut other = installed.other();
    other.begin("BEGIN").map_err(doing("x")).unwrap();
    other.script(&format!("UPDATE public.people SET age = 1 WHERE id = '{}'", row_id(1))).map_err(doing("x")).unwrap();
    let busy = installed.write(&batch).unwrap_err();
    assert!(matches!(busy, DatabaseError::Busy { .. }), "{busy:?}");
}

#[test]
fn deadlock_and_serialization_failure_are_busy() {
    let mut installed = Installed::new(FAMILY);
    let batch = fates(&installed, "people 1 anna -, people 2 bert -");
    installed.write(&batch).unwrap();
    let mut other = installed.other();
    let touch = |id: u8| format!("UPDATE public.people SET age = {id} WHERE id = '{}'", row_id(id));
    let Installed { session, tables, .. } = &mut installed;
    session.begin("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT FROM treaty.state").map_err(doing("x")).unwrap();
    other.script(&touch(1)).map_err(doing("x")).unwrap();
    let busy = session.script(&touch(1)).map_err(doing("x")).unwrap_err();
    assert!(matches!(busy, DatabaseError::Busy { .. }), "{busy:?}");
    // The next transaction is a new one.
    scope::begin_write(session, tables, WriteScope::Bookkeeping).unwrap();
    session.script(&touch(1)).and_then(|()| session.commit()).map_err(doing("x")).unwrap();
}

#[test]
fn large_batches_are_written_in_parts() {
    let mut installed = Installed::new(FAMILY);
    let table = 0;
    let rows = (0..2_500_u16).map(|number| {
        let mut id = [0; 16];
        id[..2].copy_from_slice(&number.to_be_bytes());
        let mut fate = installed.fate("people", 1, Some(&format!("n{number} {number}")));
        fate.key = crate::capture::ShownRow { table, id: treaty_engine::relation::RowId(id) };
        fate.row.as_mut().unwrap().cells[0] = Some(treaty_schema::Value::Uuid(id));
        fate
    });
    let batch: Vec<Fate> = rows.collect();
    installed.write(&batch).unwrap();
    assert_eq!(installed.query("SELECT count(*), sum(age) FROM people"), "2500|3123750");
}
