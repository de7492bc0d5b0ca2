//! CHECKs as the databases evaluate them, against the engine's own evaluation, on random expressions and rows.
//!
//! The law: whatever the engine accepts, both databases accept; whatever it finds false, they refuse, unless the generated
//! SQL says that it is left to the engine. Where the engine has no answer (a sum out of range), nothing is asked.

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use rusqlite::Connection;
use treaty_ddl::{parse, sql};
use treaty_schema::{Env, LogicalType, Schema, Table, Value, is_not_false};

use crate::postgres::server::Database;

/// The columns, each with values worth comparing.
const COLUMNS: [(&str, &str, &[&str]); 13] = [
    ("i", "INTEGER", &["-1", "0", "1", "3", "2147483647"]),
    ("j", "INTEGER", &["-2147483648", "0", "2", "3"]),
    ("l", "BIGINT", &["9007199254740993", "9007199254740992", "-3", "0", "9223372036854775807"]),
    ("p", "NUMERIC(6, 2)", &["0.00", "1.50", "-0.25", "9999.99", "3.00"]),
    ("q", "NUMERIC(15, 3)", &["1.500", "3.000", "999999999999.999", "-0.250"]),
    ("w", "NUMERIC(30, 2)", &["1.50", "123456789012345678901234567.89"]),
    ("d", "DOUBLE PRECISION", &["0", "0.1", "1.5", "3", "1e300", "Infinity", "9007199254740992"]),
    ("t", "TEXT", &["", "a", "B", "Zé", "é", "1"]),
    ("v", "VARCHAR(4)", &["", "a", "zé", "1.5"]),
    ("b", "BOOLEAN", &["true", "false"]),
    ("y", "DATE", &["2024-01-31", "0001-01-01", "9999-12-31"]),
    (
        "s",
        "TIMESTAMP",
        &["2024-01-31 13:05:00", "2024-01-31 13:05:00.5", "2024-01-31 13:05:00.45", "2024-01-31 13:05:01"],
    ),
    ("z", "TIMESTAMPTZ", &["2024-01-31 13:05:00+00", "2024-01-31 13:05:00.5+00", "2024-01-31 13:05:00.000001+00"]),
];

fn pick(texts: &'static [&'static str]) -> BoxedStrategy<String> {
    prop::sample::select(texts).prop_map(str::to_owned).boxed()
}

fn whole() -> BoxedStrategy<String> {
    let leaf =
        pick(&["i", "j", "l", "0", "1", "3", "-1", "2147483648", "length(t)", "length(v)", "coalesce(i, 3)", "NULL"]);
    leaf.prop_recursive(2, 6, 2, |inner| {
        prop_oneof![
            (inner.clone(), pick(&["+", "-", "*"]), inner.clone()).prop_map(|(a, op, b)| format!("({a} {op} {b})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("coalesce({a}, {b})")),
            inner.prop_map(|a| format!("(- {a})")),
        ]
    })
    .boxed()
}

/// Numbers of every kind.
fn number() -> BoxedStrategy<String> {
    prop_oneof![
        whole(),
        pick(&[
            "p",
            "q",
            "w",
            "d",
            "1.5",
            "-0.25",
            "0.1",
            "3.000",
            "12345678901234567.5",
            "coalesce(p, q)",
            "coalesce(p, 1)",
            "(- p)"
        ]),
        // Two decimals that one binary number stands for.
        pick(&["w", "123456789012345678901234567.89", "123456789012345678901234567.88"]),
        pick(&["p + 1", "d * 2", "p - q", "(- d)", "coalesce(d, 0.5)", "coalesce(p, d)"]),
    ]
    .boxed()
}

fn text() -> BoxedStrategy<String> {
    pick(&["t", "v", "'a'", "'Zé'", "''", "coalesce(t, v)", "coalesce(v, 'x')"])
}

/// Two operands that may be compared, and those of IN.
fn pair() -> BoxedStrategy<(String, String)> {
    prop_oneof![
        4 => (number(), number()),
        2 => (text(), text()),
        1 => (pick(&["y"]), pick(&["y", "'2024-01-31'"])),
        1 => (pick(&["s", "coalesce(s, '2024-01-31 13:05:00.5')"]), pick(&["s", "'2024-01-31 13:05:00.45'", "'2024-01-31 13:05'"])),
        1 => (pick(&["z"]), pick(&["z", "'2024-01-31 13:05:00.5+00'", "'2024-01-31 14:05:00+01'"])),
        1 => (pick(&["b"]), pick(&["b", "TRUE", "FALSE"])),
    ]
    .boxed()
}

fn condition() -> BoxedStrategy<String> {
    let comparison =
        (pair(), pick(&["=", "<>", "<", "<=", ">", ">="])).prop_map(|((a, b), op)| format!("({a} {op} {b})"));
    let leaf = prop_oneof![
        6 => comparison,
        2 => (pair(), pair()).prop_map(|((a, b), _)| format!("({a} IN ({b}, {b}))")),
        1 => pair().prop_map(|(a, b)| format!("({a} BETWEEN {b} AND {b})")),
        1 => pair().prop_map(|(a, _)| format!("({a} IS NULL)")),
        1 => pick(&["b", "TRUE", "FALSE", "NULL"]),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} AND {b})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} OR {b})")),
            inner.clone().prop_map(|a| format!("(NOT {a})")),
            inner.prop_map(|a| format!("coalesce({a}, FALSE)")),
        ]
    })
    .boxed()
}

/// One value of each column, or NULL.
fn row() -> BoxedStrategy<Vec<Option<String>>> {
    let column = |values: &'static [&'static str]| prop::option::weighted(0.85, pick(values));
    COLUMNS.iter().map(|(_, _, values)| column(values)).collect::<Vec<_>>().boxed()
}

/// A table `name` with these columns and one CHECK `c`; nothing where the expression has no common type.
fn schema_of(name: &str, condition: &str) -> Option<Schema> {
    let columns: Vec<String> = COLUMNS.iter().map(|(name, logical_type, _)| format!("{name} {logical_type}")).collect();
    let text = format!(
        "CREATE TABLE {name} (id UUID PRIMARY KEY, {}, CONSTRAINT c CHECK ({condition})); \
         CREATE POLICY p ON {name} FOR INSERT WITH CHECK (true);",
        columns.join(", ")
    );
    parse("s.sql", &text).ok().map(|file| file.schema)
}

/// What the engine says: that the CHECK passes, fails, or has no answer.
fn engine(table: &Table, row: &[Option<String>]) -> Option<bool> {
    let mut values: Vec<Option<Value>> = vec![None];
    for (column, cell) in table.columns[1..].iter().zip(row) {
        values
            .push(cell.as_ref().map(|text| column.logical_type.parse(text).expect("the values of the test are valid")));
    }
    is_not_false(&table.checks[0].expr, Env { rows: &[&values], author: None }).ok()
}

/// An INSERT of the row, with literals that both databases read.
fn insert(name: &str, table: &Table, row: &[Option<String>]) -> String {
    let literal = |(column, cell): (&treaty_schema::Column, &Option<String>)| match (column.logical_type, cell) {
        (_, None) => "NULL".to_owned(),
        (LogicalType::Double, Some(text)) if text == "Infinity" => "9e999".to_owned(),
        (LogicalType::Integer | LogicalType::BigInt | LogicalType::Double | LogicalType::Boolean, Some(text)) => {
            text.clone()
        }
        (_, Some(text)) => sql::quote::text(text),
    };
    let values: Vec<String> = table.columns[1..].iter().zip(row).map(literal).collect();
    let names: Vec<&str> = COLUMNS.iter().map(|(name, _, _)| *name).collect();
    format!("INSERT INTO {name} ({}) VALUES ({})", names.join(", "), values.join(", "))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]
    #[test]
    fn sqlite_evaluates_checks_as_the_engine_does(condition in condition(), rows in prop::collection::vec(row(), 1..6)) {
        let Some(schema) = schema_of("t", &condition) else { return Ok(()) };
        let table = &schema.tables()[0];
        let text = sql::sqlite::create_tables(&schema);
        let is_left = text.contains("is left to treaty");
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(&text).unwrap();
        for row in &rows {
            let outcome = connection.execute_batch(&insert("t", table, row)).map_err(|error| error.to_string());
            match engine(table, row) {
                Some(true) => prop_assert!(outcome.is_ok(), "{condition}: {outcome:?} of {row:?}\n{text}"),
                Some(false) if !is_left => {
                    prop_assert_eq!(&outcome, &Err("CHECK constraint failed: c".to_owned()), "{} of {:?}", condition, row);
                }
                _ => {}
            }
        }
    }
}

#[test]
fn postgresql_evaluates_checks_as_the_engine_does() {
    let mut runner = TestRunner::default();
    let database = Database::create();
    let mut script = "SET timezone = 'UTC'; CREATE TABLE outcome (number int, passes boolean);".to_owned();
    let mut expected = Vec::new();
    for number in 0..400 {
        let condition = condition().new_tree(&mut runner).unwrap().current();
        let name = format!("t{number}");
        let Some(schema) = schema_of(&name, &condition) else { continue };
        let table = &schema.tables()[0];
        let text = sql::postgres::create_tables(&schema);
        let is_left = text.contains("is left to treaty");
        script.push_str(&text);
        for _ in 0..4 {
            let row = row().new_tree(&mut runner).unwrap().current();
            let insert = insert(&name, table, &row).replace("9e999", "'Infinity'");
            let number = expected.len();
            script.push_str(&format!(
                "DO $do$ BEGIN BEGIN {insert}; INSERT INTO outcome VALUES ({number}, TRUE); \
                 EXCEPTION WHEN check_violation THEN INSERT INTO outcome VALUES ({number}, FALSE); END; END $do$;\n"
            ));
            let passes = engine(table, &row).filter(|passes| *passes || !is_left);
            expected.push((passes, condition.clone(), row));
        }
    }
    database.run(&script);
    let printed = database.run("SELECT passes::text FROM outcome ORDER BY number");
    let outcomes: Vec<&str> = printed.lines().collect();
    assert_eq!(outcomes.len(), expected.len());
    for (outcome, (passes, condition, row)) in outcomes.into_iter().zip(expected) {
        if let Some(passes) = passes {
            assert_eq!(outcome, passes.to_string(), "{condition} of {row:?}");
        }
    }
}
