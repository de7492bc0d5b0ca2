//! Policies as triggers that fail a statement at once, by name: a convenience, before the engine's verdict.
//!
//! They must never refuse what the engine accepts. So a policy that SQLite would not evaluate exactly is left to the engine,
//! and so is a refusal while a deleted row that the policy reads is still in the queue: what a transaction deletes itself
//! does not take its permission away.

use std::collections::BTreeSet;

use treaty_schema::{Command, Condition, Expr, OnDelete, Policy, Schema, SchemaCondition, Table, Value};

use super::expr::{Scope, translate};
use super::triggers::{Draft, Trigger, data_columns};
use crate::sql::quote::{ident, idents, junction, text};

/// This node's identity, who is the author of rows that name none.
const NODE: &str = "(SELECT identity FROM treaty_state)";

/// Returns the early warnings of one table.
pub(super) fn triggers(schema: &Schema, table: &Table) -> Vec<Trigger> {
    let commands = [Command::Insert, Command::Update, Command::Delete];
    commands.into_iter().flat_map(|command| warning(schema, table, command)).collect()
}

/// The early warning of one command, with the trigger that it leans on; nothing where the command is open to all, or the
/// engine alone can tell.
fn warning(schema: &Schema, table: &Table, command: Command) -> Vec<Trigger> {
    let mut writer = Writer { schema, table, command, read: BTreeSet::new(), reads_author: false };
    let policies: Vec<&Policy> = table.policies_for(command).collect();
    if policies.iter().any(|policy| is_open(&policy.condition)) || is_fixed(table, command) {
        return Vec::new();
    }
    let Some(conditions) =
        policies.iter().map(|policy| writer.condition(&policy.condition)).collect::<Option<Vec<_>>>()
    else {
        return Vec::new();
    };
    let refused = writer.refusal(&conditions);
    let body = vec![format!("SELECT RAISE(ABORT, {}) WHERE {refused}", text(&message(table, command, &policies)))];
    let (what, event, when) = match command {
        Command::Insert | Command::Select => ("mayinsert", "AFTER INSERT".to_owned(), Vec::new()),
        Command::Update => {
            let changed = data_columns(table).map(|column| format!("NEW.{0} IS NOT OLD.{0}", ident(column)));
            let changed = junction(&changed.collect::<Vec<_>>(), "OR");
            ("mayupdate", format!("AFTER UPDATE OF {}", idents(data_columns(table))), vec![changed])
        }
        Command::Delete => ("maydelete", "BEFORE DELETE".to_owned(), Vec::new()),
    };
    let mut triggers = vec![Draft { what, event, when, body }.on(table)];
    if command == Command::Update && writer.reads_author {
        triggers.push(named(table));
    }
    triggers
}

/// Whether a policy is `(true)`.
fn is_open(condition: &SchemaCondition) -> bool {
    matches!(condition, Condition::Scalar(Expr::Literal(Some(Value::Boolean(true)))))
}

/// Whether an UPDATE can change nothing: the trigger `fixed` says so by the column's name.
fn is_fixed(table: &Table, command: Command) -> bool {
    command == Command::Update && !table.columns.iter().any(|column| column.updatable)
}

fn message(table: &Table, command: Command, policies: &[&Policy]) -> String {
    let word = match command {
        Command::Insert => "INSERT",
        Command::Update => "UPDATE",
        Command::Delete => "DELETE",
        Command::Select => "SELECT",
    };
    let names: Vec<&str> = policies.iter().map(|policy| policy.name.as_str()).collect();
    match names.as_slice() {
        [] => format!("{}: no policy permits any {word}", table.name),
        [one] => format!("{}: policy {one} refuses this {word}", table.name),
        many => format!("{}: policies {} refuse this {word}", table.name, many.join(", ")),
    }
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
    /// What must hold for the statement to fail: no condition is true, there is an author, and nothing deleted counts still.
    fn refusal(&self, conditions: &[String]) -> String {
        let mut refused: Vec<String> =
            conditions.iter().map(|condition| format!("NOT coalesce({condition}, 0)")).collect();
        if self.command == Command::Delete {
            refused.extend(self.cascades());
        }
        if self.reads_author {
            refused.push(format!("{} IS NOT NULL", self.author()));
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
        let given = |row: &str| format!("coalesce({row}.\"treaty_author\", {NODE})");
        match self.command {
            Command::Insert | Command::Select => given("NEW"),
            Command::Update => format!(
                "CASE WHEN NEW.\"treaty_author\" IS NOT OLD.\"treaty_author\" OR OLD.\"treaty_status\" = 'pending' \
                 OR EXISTS (SELECT 1 FROM treaty_named n WHERE n.table_name = {} AND n.row_id = NEW.\"id\") \
                 THEN {} ELSE {NODE} END",
                text(self.table.name.as_str()),
                given("NEW")
            ),
            Command::Delete => {
                format!("CASE WHEN OLD.\"treaty_status\" = 'pending' THEN {} ELSE {NODE} END", given("OLD"))
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
    fn scalar(&mut self, expr: &treaty_schema::SchemaExpr, inner: Vec<(&Table, String)>) -> Option<String> {
        self.reads_author |= reads_author(expr);
        let rows = [(self.table, self.row())].into_iter().chain(inner).collect();
        let exact = translate(expr, &Scope { rows, author: Some(self.author()) })?;
        exact.guards.is_empty().then_some(exact.sql)
    }
}

fn reads_author(expr: &treaty_schema::SchemaExpr) -> bool {
    match expr {
        Expr::Author => true,
        Expr::Literal(_) | Expr::Column(_) => false,
        Expr::Not(inner) | Expr::IsNull(inner) | Expr::Negate(inner) | Expr::Length(inner) => reads_author(inner),
        Expr::And(list) | Expr::Or(list) | Expr::Coalesce(list) => list.iter().any(reads_author),
        Expr::Compare { left, right, .. } | Expr::Arithmetic { left, right, .. } => {
            reads_author(left) || reads_author(right)
        }
        Expr::In { expr, list } => reads_author(expr) || list.iter().any(reads_author),
    }
}
