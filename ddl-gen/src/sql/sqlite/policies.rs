//! Policies as triggers that fail a statement at once, by name: a convenience, before the engine's verdict.
//!
//! They must never refuse what the engine accepts. So a policy that SQLite would not evaluate exactly is left to the engine,
//! and so is a refusal while a deleted row that the policy reads is still in the queue (what a transaction deletes itself
//! does not take its permission away), and of a DELETE while a row whose author was named is.

use std::collections::BTreeSet;

use treaty_schema::{Command, Condition, ForeignKey, OnDelete, Policy, Schema, SchemaCondition, SchemaExpr, Table};

use super::expr::{Scope, translate};
use super::triggers::{Draft, Trigger, data_columns};
use crate::sql::policies::{condition_reads_author, is_fixed, is_open, message, reads_author};
use crate::sql::quote::{ident, junction, text};

/// The early warnings of one table.
pub(super) struct Warnings {
    /// The statement for the trigger that captures inserts.
    pub(super) insert: Option<String>,
    /// A further statement for the trigger that captures inserts, to follow the others.
    pub(super) insert_mark: Option<String>,
    /// The statement for the trigger that captures updates.
    pub(super) update: Option<String>,
    /// Triggers of their own.
    pub(super) triggers: Vec<Trigger>,
}

/// Returns the early warnings of one table.
pub(super) fn warnings(schema: &Schema, table: &Table) -> Warnings {
    let judges_deletes = schema.tables().iter().any(deletes_depend_on_author);
    let update = warning(schema, table, Command::Update);
    let judges_updates = update.as_ref().is_some_and(|(_, reads_author)| *reads_author);
    let mut triggers = Vec::new();
    if judges_deletes || judges_updates {
        triggers.push(named(table));
    }
    if let Some((sql, _)) = warning(schema, table, Command::Delete) {
        // Before, not after: what the policy reads may be the row itself.
        let draft = Draft { what: "maydelete", event: "BEFORE DELETE".to_owned(), when: Vec::new(), body: vec![sql] };
        triggers.push(draft.on(table));
    }
    Warnings {
        insert: warning(schema, table, Command::Insert).map(|(sql, _)| sql),
        insert_mark: judges_deletes.then(|| mark(table)),
        update: update.map(|(sql, _)| sql),
        triggers,
    }
}

/// Whether the early warning of DELETE needs to know who writes.
fn deletes_depend_on_author(table: &Table) -> bool {
    table.policies_for(Command::Delete).any(|policy| condition_reads_author(&policy.condition))
}

/// The statement that fails what no policy permits, and whether it reads the author; nothing where the command is open to
/// all, or the engine alone can tell.
fn warning(schema: &Schema, table: &Table, command: Command) -> Option<(String, bool)> {
    let policies: Vec<&Policy> = table.policies_for(command).collect();
    if policies.iter().any(|policy| is_open(&policy.condition)) || is_fixed(table, command) {
        return None;
    }
    let mut writer = Writer { schema, table, command, read: BTreeSet::new(), reads_author: false };
    let conditions = policies.iter().map(|policy| writer.condition(&policy.condition)).collect::<Option<Vec<_>>>()?;
    // Without a row of treaty_state there is no author, and nobody to refuse.
    let from = if writer.reads_author { " FROM treaty_state s" } else { "" };
    let message = text(&message(table, command, &policies));
    let sql = format!("SELECT RAISE(ABORT, {message}){from} WHERE {}", writer.refusal(&conditions));
    Some((sql, writer.reads_author))
}

/// Remembers a row whose author the application names by an UPDATE: nothing in the row tells the same author named again
/// from none, and a DELETE in the same transaction is this author's.
fn named(table: &Table) -> Trigger {
    let when = vec!["NEW.\"treaty_author\" IS NOT NULL".to_owned()];
    let event = "BEFORE UPDATE OF \"treaty_author\"".to_owned();
    Draft { what: "named", event, when, body: vec![mark(table)] }.on(table)
}

/// Remembers the row at hand in the one row of `treaty_named`. ON CONFLICT, unlike OR, is immune to an outer clause.
fn mark(table: &Table) -> String {
    format!(
        "INSERT INTO treaty_named (one, table_name, row_id) SELECT 1, {}, NEW.\"id\" WHERE NEW.\"treaty_author\" IS NOT NULL \
         ON CONFLICT (one) DO UPDATE SET table_name = excluded.table_name, row_id = excluded.row_id",
        text(table.name.as_str())
    )
}

struct Writer<'s> {
    schema: &'s Schema,
    table: &'s Table,
    command: Command,
    /// Tables that the conditions read by EXISTS.
    read: BTreeSet<usize>,
    reads_author: bool,
}

impl Writer<'_> {
    /// What must hold for the statement to fail: no condition is true, something changes, and nothing deleted counts still.
    fn refusal(&self, conditions: &[String]) -> String {
        let mut refused: Vec<String> =
            conditions.iter().map(|condition| format!("NOT coalesce({condition}, 0)")).collect();
        match self.command {
            Command::Update => {
                let changed = data_columns(self.table)
                    .map(|column| format!("NEW.{} IS NOT {}", ident(column), self.before(column)));
                refused.push(junction(&changed.collect::<Vec<_>>(), "OR"));
            }
            Command::Delete => {
                refused.extend(self.cascades());
                if self.reads_author {
                    // A deleted row names no author: it goes with its transaction, in which another row may.
                    let named = "SELECT 1 FROM treaty_named n JOIN treaty_queue q ON q.table_name = n.table_name AND q.row_id = n.row_id";
                    refused.push(format!("NOT EXISTS ({named})"));
                }
            }
            Command::Insert | Command::Select => {}
        }
        for index in &self.read {
            let table = &self.schema.tables()[*index].name;
            refused.push(format!(
                "NOT EXISTS (SELECT 1 FROM treaty_queue q WHERE q.table_name = {} AND NOT EXISTS (SELECT 1 FROM {} d WHERE d.\"id\" = q.row_id))",
                text(table.as_str()),
                ident(table.as_str())
            ));
        }
        if refused.is_empty() { "1".to_owned() } else { refused.join(" AND ") }
    }

    /// A cell of the row that was there. A reference under SET NULL to a row that is gone reads NULL: that the database writes
    /// so is no change, and needs nobody's permission.
    fn before(&self, name: &str) -> String {
        let mut keys = self.table.foreign_keys.iter();
        let is_it = |key: &&ForeignKey| {
            key.on_delete == OnDelete::SetNull && self.table.columns[key.column].name.as_str() == name
        };
        let (key, name) = (keys.find(is_it), ident(name));
        match key {
            Some(key) => {
                let target = ident(self.schema.tables()[key.target].name.as_str());
                format!(
                    "CASE WHEN NEW.{name} IS NULL THEN (SELECT p.\"id\" FROM {target} p WHERE p.\"id\" = OLD.{name}) ELSE OLD.{name} END"
                )
            }
            None => format!("OLD.{name}"),
        }
    }

    /// A row whose cascading parent is gone may be deleted by whoever deleted the parent.
    fn cascades(&self) -> Vec<String> {
        let keys = self.table.foreign_keys.iter().filter(|key| key.on_delete == OnDelete::Cascade);
        keys.map(|key| {
            let column = ident(self.table.columns[key.column].name.as_str());
            let target = ident(self.schema.tables()[key.target].name.as_str());
            format!("(OLD.{column} IS NULL OR EXISTS (SELECT 1 FROM {target} p WHERE p.\"id\" = OLD.{column}))")
        })
        .collect()
    }

    /// Who writes: whom the statement names, else this node.
    fn author(&self) -> String {
        let author = ident("treaty_author");
        match self.command {
            Command::Insert | Command::Select => format!("coalesce(NEW.{author}, s.identity)"),
            Command::Update => format!(
                "CASE WHEN NEW.{author} IS NOT NULL AND (NEW.{author} IS NOT OLD.{author} OR OLD.\"treaty_status\" = 'pending' \
                 OR EXISTS (SELECT 1 FROM treaty_named n WHERE n.table_name = {} AND n.row_id = NEW.\"id\")) \
                 THEN NEW.{author} ELSE s.identity END",
                text(self.table.name.as_str()),
            ),
            Command::Delete => "s.identity".to_owned(),
        }
    }

    /// How the row at hand is spelt.
    fn row(&self) -> String {
        if self.command == Command::Insert { "NEW.".to_owned() } else { "OLD.".to_owned() }
    }

    fn condition(&mut self, condition: &SchemaCondition) -> Option<String> {
        match condition {
            Condition::And(list) => self.junction(list, "AND"),
            Condition::Or(list) => self.junction(list, "OR"),
            Condition::Scalar(expr) => self.scalar(expr, Vec::new()),
            Condition::Exists(exists) => {
                let (mut rows, mut from, mut filter) = (Vec::new(), Vec::new(), Vec::new());
                for (number, index) in exists.from.iter().enumerate() {
                    let index = usize::from(*index);
                    let table = self.schema.tables().get(index)?;
                    self.read.insert(index);
                    let alias = format!("r{}", number + 1);
                    from.push(format!("{} {alias}", ident(table.name.as_str())));
                    // A policy may rely on rows inserted earlier, not on the one at hand.
                    if self.command == Command::Insert && table.id == self.table.id {
                        filter.push(format!("{alias}.\"id\" <> NEW.\"id\""));
                    }
                    rows.push((table, format!("{alias}.")));
                }
                filter.push(self.scalar(&exists.filter, rows)?);
                Some(format!("EXISTS (SELECT 1 FROM {} WHERE {})", from.join(", "), filter.join(" AND ")))
            }
        }
    }

    fn junction(&mut self, list: &[SchemaCondition], operator: &str) -> Option<String> {
        let parts = list.iter().map(|condition| self.condition(condition)).collect::<Option<Vec<_>>>()?;
        Some(junction(&parts, operator))
    }

    /// Translates a condition over the row at hand and `inner` rows; nothing if it needs canonical values to be exact.
    fn scalar(&mut self, expr: &SchemaExpr, inner: Vec<(&Table, String)>) -> Option<String> {
        self.reads_author |= reads_author(expr);
        let rows = [(self.table, self.row())].into_iter().chain(inner).collect();
        let exact = translate(expr, &Scope { rows, author: Some(self.author()) })?;
        exact.guards.is_empty().then_some(exact.sql)
    }
}
