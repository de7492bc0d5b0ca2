//! Rows against their table: types, NOT NULL, CHECK, whole and in part.

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
