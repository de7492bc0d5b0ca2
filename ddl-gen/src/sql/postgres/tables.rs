//! `CREATE TABLE` for PostgreSQL: columns, constraints, and the two status columns.

use treaty_schema::{Column, ForeignKey, Schema, Table};

use super::expr::{Scope, translate};
use super::functions::fit;
use super::qualified;
use super::values::{declared_type, default_value, form};
use crate::sql::keys::key_checks;
use crate::sql::quote::ident;
use crate::sql::{left_to_treaty, on_delete, unique_line};

/// Our two columns.
const OURS: [(&str, &str); 2] = [("treaty_status", "text NOT NULL DEFAULT 'pending'"), ("treaty_author", "text")];

/// Returns the tables of a schema, in order.
pub fn create_tables(schema: &Schema) -> String {
    schema.tables().iter().map(|table| create_table(schema, table)).collect::<Vec<_>>().join("\n")
}

/// Returns one table, without its triggers.
///
/// UNIQUE keys are not deferrable, or `ON CONFLICT` could not name them.
pub fn create_table(schema: &Schema, table: &Table) -> String {
    let columns = table.columns.iter().enumerate();
    let mut lines: Vec<String> = columns.map(|(index, column)| column_line(column, index == table.id_column)).collect();
    lines.extend(OURS.map(|(name, declaration)| format!("{} {declaration}", ident(name))));
    let scope = Scope { rows: vec![(table, String::new())], author: None };
    let mut notes = String::new();
    for check in &table.checks {
        match translate(&check.expr, &scope) {
            Some(condition) => lines.push(format!("CONSTRAINT {} CHECK ({condition})", ident(check.name.as_str()))),
            None => notes.push_str(&left_to_treaty("PostgreSQL", table, check)),
        }
    }
    let sizes = key_checks(table, |column| format!("octet_length({column})"));
    lines.extend(
        sizes.iter().map(|(label, condition)| format!("CONSTRAINT {} CHECK ({condition})", ident(&fit(label)))),
    );
    lines.extend(table.uniques.iter().map(|unique| unique_line(table, unique)));
    lines.extend(table.foreign_keys.iter().map(|key| foreign_key_line(schema, table, key)));
    format!("{notes}CREATE TABLE {} (\n  {}\n);\n", qualified(table), lines.join(",\n  "))
}

/// Returns what gives an existing table our two columns, where it lacks them. Its rows become pending, by nobody named.
///
/// No row is rewritten. Run it before the triggers are made; the owner of the table may.
pub fn adopt_table(table: &Table) -> String {
    let table = qualified(table);
    let columns = OURS.map(|(name, declaration)| format!("ADD COLUMN IF NOT EXISTS {} {declaration}", ident(name)));
    format!("ALTER TABLE {table} {};\n", columns.join(", "))
}

/// Returns the names of the CHECKs that [`create_table`] gives a table, as `pg_constraint.conname` has them.
pub fn check_names(table: &Table) -> Vec<String> {
    let own = table.checks.iter().map(|check| check.name.as_str().to_owned());
    let forms = table.columns.iter().filter_map(form).map(|(_, label)| label);
    let sizes = key_checks(table, str::to_owned).into_iter().map(|(label, _)| label);
    own.chain(forms.chain(sizes).map(|label| fit(&label))).collect()
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
        line.push_str(&format!(" CONSTRAINT {} CHECK ({condition})", ident(&fit(&label))));
    }
    line
}

fn foreign_key_line(schema: &Schema, table: &Table, key: &ForeignKey) -> String {
    let target = &schema.tables()[key.target];
    format!(
        "CONSTRAINT {} FOREIGN KEY ({}) REFERENCES {} ({}){} DEFERRABLE INITIALLY IMMEDIATE",
        ident(key.name.as_str()),
        ident(table.columns[key.column].name.as_str()),
        qualified(target),
        ident(target.columns[target.id_column].name.as_str()),
        on_delete(key.on_delete)
    )
}
