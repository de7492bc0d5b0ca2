//! Values of every type, written and read back.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use treaty_schema::Value;
use treaty_testkit::drawn_value;

use super::{Installed, image, row_id};
use crate::capture::ShownRow;
use crate::database::{After, Fate, Form, QueuedRow};
use crate::postgres::rows::{ReadSize, read_queued};

const EVERY: &str = "
CREATE TABLE every (
  id UUID PRIMARY KEY, bo BOOLEAN, i INTEGER, bi BIGINT, d DOUBLE PRECISION, n NUMERIC(38,0), m NUMERIC(38,38), p NUMERIC(9,2),
  t TEXT, v VARCHAR(5), b BYTEA, u UUID, da DATE, ti TIME, ts TIMESTAMP, tz TIMESTAMPTZ, j JSONB, au IDENTITY
);
";

fn found(installed: &mut Installed, id: u8) -> After {
    let Installed { session, tables, .. } = installed;
    let row = QueuedRow { seq: 0, key: ShownRow { table: 0, id: row_id(id) } };
    read_queued(session, tables, &mut ReadSize::new(), &[row]).unwrap().remove(0).after
}

#[test]
fn every_value_is_read_as_it_was_written() {
    let mut installed = Installed::new(EVERY);
    let columns = installed.tables[0].table.columns.clone();
    let cells: Vec<_> =
        columns[1..].iter().map(|column| prop::option::weighted(0.9, drawn_value(column.logical_type))).collect();
    let mut runner = TestRunner::new(Config { cases: 200, failure_persistence: None, ..Config::default() });
    let installed = std::cell::RefCell::new(&mut installed);
    let checked = runner.run(&cells, |cells| {
        let installed = &mut **installed.borrow_mut();
        let row = image(std::iter::once(Some(Value::Uuid(row_id(1).0))).chain(cells).collect());
        let key = ShownRow { table: 0, id: row_id(1) };
        installed.write(&[Fate { key, row: Some(row.clone()), status: None }]).unwrap();
        match found(installed, 1) {
            After::Row(cells, Form::Canonical) => prop_assert_eq!(cells, row.cells),
            other => prop_assert!(false, "{:?}", other),
        }
        Ok(())
    });
    checked.unwrap();
}

/// What an application writes, as SQL, and what it is then: the canonical text, or why not.
fn check(installed: &mut Installed, column: &str, sql: &str, expected: &str) {
    installed.run(&format!("DELETE FROM every; INSERT INTO every (id, {column}) VALUES ('{}', {sql})", row_id(1)));
    let index = installed.tables[0].table.columns.iter().position(|found| found.name.as_str() == column).unwrap();
    let shown = match found(installed, 1) {
        After::Row(cells, form) => format!("{form:?} {}", cells[index].as_ref().unwrap().to_text()),
        After::Bad(bad, json) => format!("{} in {json}", bad[0].message),
        After::Absent => "absent".to_owned(),
    };
    assert!(shown.contains(expected), "{sql}: {shown}");
}

#[test]
fn what_applications_write_is_read_without_loss_or_refused() {
    let mut installed = Installed::new(EVERY);
    for (column, sql, expected) in [
        ("d", "'-0'", "Other 0"),
        ("d", "'-Infinity'", "Canonical -Infinity"),
        ("p", "3.1", "Canonical 3.10"),
        ("v", "'ab   '", "Canonical ab   "),
        ("t", "''", "Canonical "),
        ("j", r#"'{"b": 1.0, "a": [1e3, -0], "a": null}'"#, r#"Canonical {"a":null,"b":1}"#),
        ("j", r#"'{"bb": 1, "c": "\u00e9\u0001"}'"#, r#"Canonical {"c":"é\u0001","bb":1}"#),
        ("j", "'1e401'", "more than 400 digits"),
        ("tz", "'2024-01-31 12:00:00.5-05'", "Canonical 2024-01-31 17:00:00.5+00"),
        ("ts", "'0001-01-01 00:00'", "Canonical 0001-01-01 00:00:00"),
    ] {
        check(&mut installed, column, sql, expected);
    }
}

#[test]
fn a_value_that_no_type_of_ours_has_is_bad_and_printed() {
    // An adopted table lacks our checks.
    let mut installed = Installed::new(EVERY);
    installed.run(
        "DO $$ DECLARE c name; BEGIN FOR c IN SELECT conname FROM pg_constraint WHERE conrelid = 'every'::regclass \
                   AND contype = 'c' LOOP EXECUTE format('ALTER TABLE every DROP CONSTRAINT %I', c); END LOOP; END $$",
    );
    for (column, sql) in [
        ("d", "'NaN'"),
        ("n", "'NaN'"),
        ("da", "'infinity'"),
        ("da", "'0044-03-15 BC'"),
        ("ti", "'24:00'"),
        ("ts", "'-infinity'"),
        ("tz", "'20000-01-01'"),
        ("au", "'nobody'"),
    ] {
        check(&mut installed, column, sql, &format!(" in {{\"id\":\"{}\"", row_id(1)));
    }
}
