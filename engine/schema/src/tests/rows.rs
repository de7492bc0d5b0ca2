//! Rows against their table: types, NOT NULL, CHECK, whole and in part; how large their keys are.

use expect_test::{Expect, expect};

use crate::sketch::{cell, logical_type as logical_type_of, schema};
use crate::*;

const TABLE: &str = "CREATE TABLE t (id UUID PRIMARY KEY, code VARCHAR(3) NOT NULL, price NUMERIC(5,2), low INTEGER, high INTEGER,
    other UUID, CONSTRAINT in_order CHECK (low <= high), CONSTRAINT far CHECK (high + 1 > 0), CONSTRAINT not_self CHECK (other <> id));";

/// Judges a row by each of its texts, read as the given type rather than as its column's.
fn fault(judge: impl Fn(&Table, &[Option<Value>]) -> Result<(), RowFault>, cells: &[(&str, &str)], expected: Expect) {
    let schema = schema(TABLE);
    let table = &schema.tables()[0];
    let row: Vec<_> = cells.iter().map(|(logical_type, text)| cell(logical_type_of(logical_type), text)).collect();
    let text = match judge(table, &row) {
        Ok(()) => "fine".to_owned(),
        Err(fault) => match std::error::Error::source(&fault) {
            Some(cause) => format!("{fault}: {cause}"),
            None => fault.to_string(),
        },
    };
    expected.assert_eq(&text);
}

fn check(cells: &[(&str, &str)], expected: Expect) {
    fault(Table::check_row, cells, expected);
}

/// As [`check`], of an update that writes some columns.
fn check_written(cells: &[(&str, &str)], written: &[usize], expected: Expect) {
    fault(|table, row| table.check_cells(row, written), cells, expected);
}

const FINE: [(&str, &str); 6] =
    [("UUID", "1"), ("TEXT", "abc"), ("NUMERIC(5,2)", "1.50"), ("INTEGER", "1"), ("INTEGER", "2"), ("UUID", "NULL")];

/// [`FINE`] with one cell changed.
fn with(column: usize, logical_type: &'static str, text: &'static str) -> Vec<(&'static str, &'static str)> {
    let mut cells = FINE.to_vec();
    cells[column] = (logical_type, text);
    cells
}

#[test]
fn a_row_is_refused_for_its_first_fault() {
    check(&FINE, expect!["fine"]);
    check(&with(0, "UUID", "NULL"), expect!["column id must not be NULL"]);
    check(&with(1, "TEXT", "NULL"), expect!["column code must not be NULL"]);
    check(
        &with(1, "TEXT", "abcd"),
        expect!["column code: the text is 4 characters long, too long for VARCHAR(3): shorten it"],
    );
    check(
        &with(2, "NUMERIC(5,1)", "1.5"),
        expect!["column price: 1.5 is out of range for NUMERIC(5,2): at most 3 digits before the point and 2 after it"],
    );
    check(
        &with(2, "NUMERIC(6,2)", "1234.50"),
        expect![
            "column price: 1234.50 is out of range for NUMERIC(5,2): at most 3 digits before the point and 2 after it"
        ],
    );
    check(&with(2, "NUMERIC(5,2)", "NULL"), expect!["fine"]);
    check(&with(3, "BIGINT", "1"), expect!["column low: INTEGER does not take a value of type BIGINT"]);
    check(&with(3, "INTEGER", "3"), expect!["CHECK in_order is false"]);
    check(&with(3, "INTEGER", "NULL"), expect!["fine"]);
    check(&with(4, "INTEGER", "2147483647"), expect!["CHECK far: the result of + is out of range for INTEGER"]);
    check(&with(5, "UUID", "1"), expect!["CHECK not_self is false"]);
    check(&FINE[..5], expect!["the row has 5 cells, the table 6 columns"]);
}

#[test]
fn an_update_is_judged_by_what_it_writes() {
    // Column 1 is left as it was, and not handed over.
    check_written(&with(1, "TEXT", "NULL"), &[3, 4], expect!["fine"]);
    check_written(&with(1, "TEXT", "NULL"), &[1], expect!["column code must not be NULL"]);
    check_written(&with(3, "INTEGER", "3"), &[3, 4], expect!["CHECK in_order is false"]);
    check_written(&with(3, "INTEGER", "3"), &[2], expect!["fine"]);
    check_written(&with(5, "UUID", "1"), &[5], expect!["CHECK not_self is false"]);
    check_written(&FINE, &[99], expect!["the row has 100 cells, the table 6 columns"]);
}

/// Says what the key of a table with one counts too much; nothing if it fits. A text `x*9` is nine letters.
fn key_fault(columns: &str, cells: &[(&str, &str)]) -> Option<String> {
    let names: Vec<&str> = columns.split(", ").map(|column| column.split(' ').next().unwrap()).collect();
    let text = format!("CREATE TABLE t (id UUID PRIMARY KEY, {columns}, UNIQUE ({}));", names.join(", "));
    let schema = schema(&text);
    let cells = cells.iter().map(|(of, text)| match text.split_once('*') {
        Some((unit, count)) => cell(logical_type_of(of), &unit.repeat(count.parse().unwrap())),
        None => cell(logical_type_of(of), text),
    });
    let row: Vec<_> = [None].into_iter().chain(cells).collect();
    schema.tables()[0].check_keys(&row, &[1]).err().map(|fault| fault.to_string())
}

/// Checks that a cell of the key, told to be of some length, fits, and that it does not when it is longer by one.
fn check_key(columns: &str, cells: &[(&str, &str)], (unit, most): (&str, usize)) {
    let with = |count: usize| {
        let long = format!("{unit}*{count}");
        let cells: Vec<(&str, &str)> =
            cells.iter().map(|(of, text)| (*of, if *text == "long" { long.as_str() } else { *text })).collect();
        key_fault(columns, &cells)
    };
    assert_eq!(with(most), None, "{columns}");
    assert!(with(most + 1).is_some(), "{columns}");
}

#[test]
fn a_key_counts_what_an_index_holds_of_it() {
    check_key("a TEXT", &[("TEXT", "long")], ("x", 2048));
    check_key("a VARCHAR(4000)", &[("VARCHAR(4000)", "long")], ("é", 1024));
    check_key("a TEXT, b TEXT", &[("TEXT", "long"), ("TEXT", "1234")], ("x", 2044));
    check_key("a TEXT, b TEXT", &[("TEXT", "long"), ("TEXT", "NULL")], ("x", 2048));
    let uuid = "01234567-89ab-4cde-8f01-23456789abcd";
    check_key("a UUID, b TEXT, c BOOLEAN", &[("UUID", uuid), ("TEXT", "long"), ("BOOLEAN", "t")], ("x", 1920));
    check_key("a UUID, b TEXT, c BOOLEAN", &[("UUID", "NULL"), ("TEXT", "long"), ("BOOLEAN", "t")], ("x", 1920));
    expect!["UNIQUE key t_a_b_key (a, b) counts 2112 bytes, at most 2048 fit into an index: shorten it"]
        .assert_eq(&key_fault("a TEXT, b UUID", &[("TEXT", "x*2048"), ("UUID", "NULL")]).unwrap());
}

#[test]
fn bytes_count_themselves_and_json_six_times_its_text() {
    let bytes = |count: usize| format!("\\x{}", "0a".repeat(count));
    assert_eq!(key_fault("a BYTEA", &[("BYTEA", &bytes(2048))]), None);
    assert!(key_fault("a BYTEA", &[("BYTEA", &bytes(2049))]).is_some());
    // 64 and 6 * 330 are 2044.
    let json = |count: usize| format!("\"{}\"", "x".repeat(count - 2));
    assert_eq!(key_fault("a JSONB", &[("JSONB", &json(330))]), None);
    assert!(key_fault("a JSONB", &[("JSONB", &json(331))]).is_some());
}

#[test]
fn only_keys_that_are_written_are_looked_at() {
    let schema = schema("CREATE TABLE t (id UUID PRIMARY KEY, a TEXT UNIQUE, b TEXT UNIQUE, c TEXT);");
    let long = cell(LogicalType::Text, &"x".repeat(3000));
    let row = [None, None, long.clone(), long];
    assert!(schema.tables()[0].check_keys(&row, &[1, 3]).is_ok());
    assert!(schema.tables()[0].check_keys(&row, &[2, 3]).is_err());
}
