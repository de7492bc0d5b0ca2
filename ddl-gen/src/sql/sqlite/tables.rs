//! `CREATE TABLE` for SQLite: columns, constraints that SQLite can hold, and the two status columns.

use treaty_schema::{Check, Column, ForeignKey, Schema, SlotColumn, Table};

use super::expr::{Scope, is_canonical, translate};
use super::values::{declared_type, default_value, form};
use crate::sql::keys::key_checks;
use crate::sql::quote::ident;
use crate::sql::{left_to_treaty, on_delete, unique_line};

/// Returns the tables of a schema, in order.
pub fn create_tables(schema: &Schema) -> String {
    schema.tables().iter().map(|table| create_table(schema, table)).collect::<Vec<_>>().join("\n")
}

/// Returns one table, without its triggers.
pub fn create_table(schema: &Schema, table: &Table) -> String {
    let mut notes = String::new();
    let mut lines: Vec<String> = Vec::new();
    for (index, column) in table.columns.iter().enumerate() {
        lines.push(column_line(column, index == table.id_column));
    }
    lines.push("\"treaty_status\" TEXT NOT NULL DEFAULT 'pending'".to_owned());
    lines.push("\"treaty_author\" TEXT".to_owned());
    for check in &table.checks {
        match check_condition(table, check) {
            Some(condition) => lines.push(format!("CONSTRAINT {} CHECK ({condition})", ident(check.name.as_str()))),
            None => notes.push_str(&left_to_treaty("SQLite", table, check)),
        }
    }
    let sizes = key_checks(table, |column| format!("length(CAST({column} AS BLOB))"));
    lines.extend(sizes.iter().map(|(label, condition)| format!("CONSTRAINT {} CHECK ({condition})", ident(label))));
    lines.extend(table.uniques.iter().map(|unique| unique_line(table, unique)));
    lines.extend(table.foreign_keys.iter().map(|key| foreign_key_line(schema, table, key)));
    format!("{notes}CREATE TABLE {} (\n  {}\n);\n", ident(table.name.as_str()), lines.join(",\n  "))
}

fn column_line(column: &Column, is_id: bool) -> String {
    let mut line = format!("{} {}", ident(column.name.as_str()), declared_type(column.logical_type));
    if column.not_null || is_id {
        line.push_str(" NOT NULL");
    }
    if is_id {
        line.push_str(" PRIMARY KEY");
    }
    if let Some(default) = default_value(column, is_id) {
        line.push_str(&format!(" DEFAULT {default}"));
    }
    if let Some((condition, label)) = form(column) {
        line.push_str(&format!(" CONSTRAINT {} CHECK ({condition})", ident(&label)));
    }
    line
}

/// A CHECK, asked only of canonical values where a type has other spellings; nothing where it is the engine's alone.
fn check_condition(table: &Table, check: &Check) -> Option<String> {
    let scope = Scope { rows: vec![(table, String::new())], author: None };
    let exact = translate(&check.expr, &scope)?;
    let guards = exact.guards.iter().filter_map(|column: &SlotColumn| is_canonical(*column, &scope));
    let guards: Vec<String> = guards.collect();
    Some(match guards.as_slice() {
        [] => strip(&exact.sql).to_owned(),
        guards => format!("CASE WHEN {} THEN {} ELSE 1 END", guards.join(" AND "), exact.sql),
    })
}

/// Drops one pair of parentheses around the whole.
fn strip(sql: &str) -> &str {
    let Some(inner) = sql.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')) else { return sql };
    let mut depth = 0i32;
    let mut quoted = false;
    for found in inner.chars() {
        match found {
            '\'' => quoted = !quoted,
            '(' if !quoted => depth += 1,
            ')' if !quoted => depth -= 1,
            _ => {}
        }
        if depth < 0 {
            return sql;
        }
    }
    inner
}

fn foreign_key_line(schema: &Schema, table: &Table, key: &ForeignKey) -> String {
    let target = &schema.tables()[key.target];
    format!(
        "CONSTRAINT {} FOREIGN KEY ({}) REFERENCES {} ({}){}",
        ident(key.name.as_str()),
        ident(table.columns[key.column].name.as_str()),
        ident(target.name.as_str()),
        ident(target.columns[target.id_column].name.as_str()),
        on_delete(key.on_delete)
    )
}
