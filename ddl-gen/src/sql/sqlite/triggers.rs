//! Capture triggers: every write of an application ends up as a line of `treaty_queue`.
//!
//! All of them rest while the sidecar writes (`treaty_applying`). The commonest write, an insert into a table without
//! UNIQUE keys, pays for one trigger with one INSERT. Which trap each avoids: docs/sqlite.md.

use std::collections::BTreeSet;

use treaty_schema::{Schema, Table, Unique};

use super::policies;
use crate::sql::quote::{ident, idents, junction, text};

/// A trigger of the generated SQL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trigger {
    /// Its name, unquoted: `treaty_<table>_<what>`, where `<what>` holds no underscore, so no two tables share one.
    pub name: String,
    /// The whole statement, with its semicolon and line end; SQLite stores it verbatim but for these.
    pub sql: String,
}

/// When a trigger fires.
const AWAKE: &str = "NOT EXISTS (SELECT 1 FROM treaty_applying)";

/// Returns the triggers of one table, in the order in which to create them.
pub fn triggers(schema: &Schema, table: &Table) -> Vec<Trigger> {
    let warnings = policies::warnings(schema, table);
    let on_insert = warnings.insert.into_iter().chain([queue_line(table, "NEW")]).chain(warnings.insert_mark);
    let mut triggers = vec![
        insert(table, on_insert.collect()),
        update(table, warnings.update),
        author(table),
        delete(table),
        fixed(table),
    ];
    triggers.extend(displacing(table));
    triggers.extend(warnings.triggers);
    triggers
}

/// The pieces of a trigger.
pub(super) struct Draft<'d> {
    /// The last word of its name, without underscore.
    pub(super) what: &'d str,
    /// `AFTER INSERT`, `BEFORE UPDATE OF "a"`, ...
    pub(super) event: String,
    /// Further conditions, each in parentheses or atomic.
    pub(super) when: Vec<String>,
    /// Its statements, without semicolons.
    pub(super) body: Vec<String>,
}

impl Draft<'_> {
    /// Puts the pieces together.
    pub(super) fn on(self, table: &Table) -> Trigger {
        let name = format!("treaty_{}_{}", table.name, self.what);
        let when: Vec<String> = self.when.into_iter().chain([AWAKE.to_owned()]).collect();
        let body: String = self.body.iter().map(|statement| format!("  {statement};\n")).collect();
        let sql = format!(
            "CREATE TRIGGER {} {} ON {}\nWHEN {} BEGIN\n{body}END;\n",
            ident(&name),
            self.event,
            ident(table.name.as_str()),
            when.join(" AND "),
        );
        Trigger { name, sql }
    }
}

/// The columns of a table but `id`.
pub(super) fn data_columns(table: &Table) -> impl Iterator<Item = &str> {
    let is_data = move |(index, _): &(usize, _)| *index != table.id_column;
    table.columns.iter().enumerate().filter(is_data).map(|(_, column)| column.name.as_str())
}

/// The name under which a table's internal row number can be read: one that no column has taken.
fn rowid(table: &Table) -> &'static str {
    let is_free = |name: &&&str| !table.columns.iter().any(|column| column.name.as_str().eq_ignore_ascii_case(name));
    ["rowid", "_rowid_", "oid"].iter().find(is_free).copied().unwrap_or("id")
}

/// A line of the queue. Plain INSERT into a table without other uniqueness: an outer OR clause overrides any other form.
fn queue_line(table: &Table, row: &str) -> String {
    format!("INSERT INTO treaty_queue (table_name, row_id) VALUES ({}, {row}.\"id\")", text(table.name.as_str()))
}

fn insert(table: &Table, body: Vec<String>) -> Trigger {
    Draft { what: "insert", event: "AFTER INSERT".to_owned(), when: Vec::new(), body }.on(table)
}

/// The first change of a row after it was committed makes it pending, by the default author. `NEW` says cheaply that there
/// is nothing to do, the row itself whether [`author`] has run.
fn update(table: &Table, warning: Option<String>) -> Trigger {
    let status = format!(
        "UPDATE {0} SET \"treaty_status\" = 'pending', \"treaty_author\" = NULL \
         WHERE {1} = NEW.{1} AND NEW.\"treaty_status\" IS NOT 'pending' AND \"treaty_status\" IS NOT 'pending'",
        ident(table.name.as_str()),
        rowid(table)
    );
    let event = format!("AFTER UPDATE OF {}", idents(table.columns.iter().map(|column| column.name.as_str())));
    let body = warning.into_iter().chain([queue_line(table, "NEW"), status]).collect();
    Draft { what: "update", event, when: Vec::new(), body }.on(table)
}

/// Fires when a statement names the author, also if it is the same again. Whichever of this and [`update`] runs first, the
/// row ends pending and with this author.
fn author(table: &Table) -> Trigger {
    let status = format!(
        "UPDATE {} SET \"treaty_status\" = 'pending', \"treaty_author\" = NEW.\"treaty_author\" WHERE {} = NEW.{} \
         AND (\"treaty_status\" IS NOT 'pending' OR \"treaty_author\" IS NOT NEW.\"treaty_author\")",
        ident(table.name.as_str()),
        rowid(table),
        rowid(table)
    );
    let event = "AFTER UPDATE OF \"treaty_author\"".to_owned();
    let when = vec!["NEW.\"treaty_author\" IS NOT NULL".to_owned()];
    Draft { what: "author", event, when, body: vec![queue_line(table, "NEW"), status] }.on(table)
}

fn delete(table: &Table) -> Trigger {
    let body = vec![queue_line(table, "OLD")];
    Draft { what: "delete", event: "AFTER DELETE".to_owned(), when: Vec::new(), body }.on(table)
}

/// Refuses changes of `id` and of columns under REVOKE UPDATE, by name.
fn fixed(table: &Table) -> Trigger {
    let id = table.columns[table.id_column].name.as_str();
    let mut body = vec![refusal(
        id,
        &format!("{}: the id of a row never changes; insert a new row and delete this one", table.name),
    )];
    for column in &table.columns {
        if !column.updatable && column.name.as_str() != id {
            let message = format!("{}.{} never changes after insert (REVOKE UPDATE)", table.name, column.name);
            body.push(refusal(column.name.as_str(), &message));
        }
    }
    let columns = table.columns.iter().filter(|column| !column.updatable || column.name.as_str() == id);
    let event = format!("BEFORE UPDATE OF {}", idents(columns.map(|column| column.name.as_str())));
    Draft { what: "fixed", event, when: Vec::new(), body }.on(table)
}

fn refusal(column: &str, message: &str) -> String {
    let column = ident(column);
    format!("SELECT RAISE(ABORT, {}) WHERE OLD.{column} IS NOT NEW.{column}", text(message))
}

/// Queue lines for rows that a REPLACE may displace through a UNIQUE key: no DELETE trigger fires for them unless the
/// application's connection has `recursive_triggers` on. A line for a row that stays is harmless: the sidecar reads the row.
///
/// The WHEN is a look into each key's index; the rest runs only where there is a conflict.
fn displacing(table: &Table) -> Vec<Trigger> {
    if table.uniques.is_empty() {
        return Vec::new();
    }
    let on_insert: Vec<String> = table.uniques.iter().map(|unique| conflict(table, unique, "NEW")).collect();
    let on_update: Vec<String> = table.uniques.iter().map(|unique| conflict(table, unique, "OLD")).collect();
    let keys: BTreeSet<usize> = table.uniques.iter().flat_map(|unique| unique.columns.iter().copied()).collect();
    let columns = idents(keys.iter().map(|index| table.columns[*index].name.as_str()));
    vec![
        displacer(table, "displaceinsert", "BEFORE INSERT".to_owned(), &on_insert),
        displacer(table, "displaceupdate", format!("BEFORE UPDATE OF {columns}"), &on_update),
    ]
}

/// What follows SELECT to find the other row that holds a key of `NEW`; `row` has the id of the one at hand.
fn conflict(table: &Table, unique: &Unique, row: &str) -> String {
    let same = unique.columns.iter().map(|index| {
        let column = ident(table.columns[*index].name.as_str());
        format!("{column} = NEW.{column}")
    });
    let same = same.collect::<Vec<_>>().join(" AND ");
    format!("FROM {} WHERE {same} AND \"id\" IS NOT {row}.\"id\"", ident(table.name.as_str()))
}

fn displacer(table: &Table, what: &str, event: String, conflicts: &[String]) -> Trigger {
    let any: Vec<String> = conflicts.iter().map(|conflict| format!("EXISTS (SELECT 1 {conflict})")).collect();
    let line = |conflict: &String| {
        format!("INSERT INTO treaty_queue (table_name, row_id) SELECT {}, \"id\" {conflict}", text(table.name.as_str()))
    };
    let body = conflicts.iter().map(line).collect();
    Draft { what, event, when: vec![junction(&any, "OR")], body }.on(table)
}
