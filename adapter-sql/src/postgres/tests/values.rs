//! Values of every type, written and read back.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use treaty_schema::{Bytes, Date, Decimal, Double, Identity, Json, LogicalType, Suite, Text, Time, Timestamp, Value};

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

fn text(chars_max: usize) -> impl Strategy<Value = Text> {
    let character = prop_oneof![
        any::<char>().prop_filter("NUL", |character| *character != '\0'),
        prop::sample::select(vec![' ', '\t', '\n', '\\', '\'', '"', '{', '}', ',', '\u{1}', '\u{7f}', '\u{feff}', 'é']),
    ];
    prop::collection::vec(character, 0..=chars_max)
        .prop_map(|all| Text::new(all.into_iter().collect::<String>()).unwrap())
}

fn days() -> impl Strategy<Value = Date> {
    prop_oneof![-719_162..=2_932_896, Just(-719_162), Just(2_932_896)].prop_map(|days| Date::from_days(days).unwrap())
}

fn time() -> impl Strategy<Value = Time> {
    prop_oneof![0..86_400_000_000_i64, Just(0), Just(86_399_999_999)]
        .prop_map(|micros| Time::from_micros(micros).unwrap())
}

fn moment() -> impl Strategy<Value = Timestamp> {
    (days(), time()).prop_map(|(date, time)| Timestamp::from_date_time(date, time))
}

fn json() -> impl Strategy<Value = Json> {
    let string = text(4).prop_map(|text| serde_json::Value::from(text.as_str()).to_string()).boxed();
    let digits = (any::<bool>(), "[1-9][0-9]{0,399}", "[0-9]{0,399}[1-9]");
    let number = prop_oneof![
        "-?(0|[1-9][0-9]{0,4})(\\.[0-9]{1,4})?([eE][+-]?[0-9]{1,2})?",
        digits.prop_map(|(sign, whole, decimals)| format!("{}{whole}.{decimals}", if sign { "-" } else { "" })),
        Just("-0".to_owned()),
        Just("1e399".to_owned()),
    ];
    let word = prop::sample::select(vec!["null", "true", "false"]).prop_map(str::to_owned);
    let leaf = prop_oneof![word, number, string.clone()];
    let tree = leaf.prop_recursive(4, 24, 5, move |inner| {
        let member = (string.clone(), inner.clone()).prop_map(|(key, item)| format!("{key} :{item}"));
        prop_oneof![
            prop::collection::vec(inner, 0..5).prop_map(|items| format!("[{} ]", items.join(" , "))),
            prop::collection::vec(member, 0..5).prop_map(|members| format!("{{\n{}}}", members.join(","))),
        ]
    });
    tree.prop_map(|text| Json::parse(&text).unwrap())
}

fn value(logical_type: LogicalType) -> BoxedStrategy<Value> {
    match logical_type {
        LogicalType::Boolean => any::<bool>().prop_map(Value::Boolean).boxed(),
        LogicalType::Integer => {
            prop_oneof![any::<i32>(), Just(i32::MIN), Just(i32::MAX)].prop_map(Value::Integer).boxed()
        }
        LogicalType::BigInt => {
            prop_oneof![any::<i64>(), Just(i64::MIN), Just(i64::MAX)].prop_map(Value::BigInt).boxed()
        }
        LogicalType::Double => prop_oneof![
            any::<f64>(),
            prop::num::f64::ANY,
            prop::sample::select(vec![
                f64::MIN,
                f64::MAX,
                f64::INFINITY,
                f64::NEG_INFINITY,
                f64::MIN_POSITIVE,
                5e-324,
                -0.0,
                0.1
            ])
        ]
        .prop_filter_map("NaN", Double::new)
        .prop_map(Value::Double)
        .boxed(),
        LogicalType::Numeric { precision, scale } => {
            let end = 10_i128.pow(u32::from(precision));
            prop_oneof![1 - end..end, Just(end - 1), Just(1 - end), Just(0)]
                .prop_map(move |unscaled| Value::Numeric(Decimal::new(unscaled, scale).unwrap()))
                .boxed()
        }
        LogicalType::Text => text(40).prop_map(Value::Text).boxed(),
        LogicalType::Varchar { chars_max } => text(chars_max as usize).prop_map(Value::Text).boxed(),
        LogicalType::Bytes => {
            prop::collection::vec(any::<u8>(), 0..40).prop_map(|bytes| Value::Bytes(Bytes::new(bytes).unwrap())).boxed()
        }
        LogicalType::Uuid => any::<[u8; 16]>().prop_map(Value::Uuid).boxed(),
        LogicalType::Date => days().prop_map(Value::Date).boxed(),
        LogicalType::Time => time().prop_map(Value::Time).boxed(),
        LogicalType::Timestamp => moment().prop_map(Value::Timestamp).boxed(),
        LogicalType::TimestampTz => moment().prop_map(Value::TimestampTz).boxed(),
        LogicalType::Json => json().prop_map(Value::Json).boxed(),
        LogicalType::Identity => {
            any::<[u8; 32]>().prop_map(|key| Value::Identity(Identity { suite: Suite::Ed25519, key })).boxed()
        }
    }
}

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
        columns[1..].iter().map(|column| prop::option::weighted(0.9, value(column.logical_type))).collect();
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
