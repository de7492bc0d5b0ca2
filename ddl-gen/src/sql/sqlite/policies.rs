//! Policies as triggers that fail a statement at once, by name: a convenience, before the engine's verdict.
//!
//! They must never refuse what the engine accepts. So a policy that SQLite would not evaluate exactly is left to the engine,
//! and so is a refusal while a deleted row that the policy reads is still in the queue: what a transaction deletes itself
//! does not take its permission away.

use std::collections::BTreeSet;

use treaty_schema::{Command, Condition, OnDelete, Policy, Schema, SchemaCondition, SchemaExpr, Table};

use super::expr::{Scope, translate};
use super::triggers::{Draft, Trigger, data_columns};
use crate::sql::policies::{is_fixed, is_open, message, reads_author};
use crate::sql::quote::{ident, junction, text};

/// The early warnings of one table.
#[derive(Default)]
pub(super) struct Warnings {
    /// The statement for the trigger that captures inserts.
    pub(super) insert: Option<String>,
    /// The statement for the trigger that captures updates.
    pub(super) update: Option<String>,
    /// Triggers of their own.
    pub(super) triggers: Vec<Trigger>,
}

/// Returns the early warnings of one table.
pub(super) fn warnings(schema: &Schema, table: &Table) -> Warnings {
    let mut warnings =
        Warnings { insert: warning(schema, table, Command::Insert).map(|(sql, _)| sql), ..Warnings::default() };
    if let Some((sql, reads_author)) = warning(schema, table, Command::Update) {
        warnings.update = Some(sql);
        warnings.triggers.extend(reads_author.then(|| named(table)));
    }
    if let Some((sql, _)) = warning(schema, table, Command::Delete) {
        // Before, not after: what the policy reads may be the row itself.
        let draft = Draft { what: "maydelete", event: "BEFORE DELETE".to_owned(), when: Vec::new(), body: vec![sql] };
        warnings.triggers.push(draft.on(table));
    }
    warnings
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

/// Remembers a row whose UPDATE names the author it already has: nothing else tells that from naming none.
fn named(table: &Table) -> Trigger {
    let same = "NEW.\"treaty_author\" IS OLD.\"treaty_author\" AND NEW.\"treaty_author\" IS NOT NULL";
    let body = vec![
        "DELETE FROM treaty_named".to_owned(),
        format!("INSERT INTO treaty_named (table_name, row_id) VALUES ({}, NEW.\"id\")", text(table.name.as_str())),
    ];
    let when = vec![same.to_owned(), "OLD.\"treaty_status\" IS NOT 'pending'".to_owned()];
    Draft { what: "named", event: "BEFORE UPDATE OF \"treaty_author\"".to_owned(), when, body }.on(table)
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
                let changed = data_columns(self.table).map(|column| format!("NEW.{0} IS NOT OLD.{0}", ident(column)));
                refused.push(junction(&changed.collect::<Vec<_>>(), "OR"));
            }
            Command::Delete => refused.extend(self.cascades()),
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
            Command::Delete => {
                format!(
                    "CASE WHEN OLD.\"treaty_status\" = 'pending' THEN coalesce(OLD.{author}, s.identity) ELSE s.identity END"
                )
            }
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
