//! Policies as statement triggers that fail a statement at once, by name: a convenience, before the engine's verdict.
//!
//! As in SQLite they must never refuse what the engine accepts: rows that the transaction deleted do not take its
//! permission away, rows whose cascading parent is gone may go.

use std::collections::BTreeSet;

use treaty_schema::{Column, Command, Condition, OnDelete, Policy, Schema, SchemaCondition, SchemaExpr, Table};

use super::expr::{Scope, translate};
use super::functions::{Function, function_name, trigger_function};
use super::qualified;
use super::triggers::{Firing, Trigger, trigger};
use crate::sql::policies::{is_fixed, is_open, message, reads_author};
use crate::sql::quote::{ident, junction, text};

/// Returns the early warnings of one table: functions and the triggers that run them.
pub(super) fn warnings(schema: &Schema, table: &Table) -> Vec<(Function, Trigger)> {
    let commands = [Command::Insert, Command::Update, Command::Delete];
    commands.into_iter().filter_map(|command| warning(schema, table, command)).collect()
}

/// The early warning of one command; nothing where the command is open to all.
fn warning(schema: &Schema, table: &Table, command: Command) -> Option<(Function, Trigger)> {
    let policies: Vec<&Policy> = table.policies_for(command).collect();
    if policies.iter().any(|policy| is_open(&policy.condition)) || is_fixed(table, command) {
        return None;
    }
    let mut writer = Writer { schema, table, command, read: BTreeSet::new(), reads_author: false };
    let conditions = policies.iter().map(|policy| writer.condition(&policy.condition)).collect::<Option<Vec<_>>>()?;
    let (word, rows, tables) = match command {
        Command::Insert | Command::Select => ("insert", "new_rows n", "NEW TABLE AS new_rows"),
        Command::Update => (
            "update",
            "old_rows o JOIN new_rows n ON n.\"id\" = o.\"id\"",
            "OLD TABLE AS old_rows NEW TABLE AS new_rows",
        ),
        Command::Delete => ("delete", "old_rows o", "OLD TABLE AS old_rows"),
    };
    // Without a row of treaty.state there is no author, and nobody to refuse.
    let state = if writer.reads_author { " CROSS JOIN treaty.state s" } else { "" };
    let unless = if writer.reads_author && command == Command::Delete {
        format!(" AND NOT treaty.names_other((SELECT {} FROM treaty.state s))", writer.author())
    } else {
        String::new()
    };
    let body = format!(
        "  IF EXISTS (SELECT FROM {rows}{state} WHERE {}){unless} THEN\n    RAISE EXCEPTION USING MESSAGE = {}, ERRCODE = 'insufficient_privilege';\n  END IF;\n  RETURN NULL;\n",
        writer.refusal(&conditions),
        text(&message(table, command, &policies)),
    );
    let function = trigger_function(function_name(&format!("may_{word}"), table), &body);
    let event = format!("AFTER {}", word.to_ascii_uppercase());
    let rest = format!("REFERENCING {tables}\nFOR EACH STATEMENT EXECUTE FUNCTION treaty.{}()", ident(&function.name));
    let trigger = trigger(table, &format!("treaty_a_may_{word}"), Firing::Origin, [&event, &rest]);
    Some((function, trigger))
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
    /// What must hold of a row for the statement to fail.
    fn refusal(&self, conditions: &[String]) -> String {
        let mut refused: Vec<String> =
            conditions.iter().map(|condition| format!("({condition}) IS NOT TRUE")).collect();
        if self.command == Command::Update {
            let columns = self.table.columns.iter().map(|column| format!("n.{}", ident(column.name.as_str())));
            let after = columns.collect::<Vec<_>>().join(", ");
            refused.push(format!("ROW({}) IS DISTINCT FROM ROW({after})", self.before().join(", ")));
        }
        if self.command == Command::Delete {
            refused.extend(self.cascades());
        }
        for index in &self.read {
            let table = &self.schema.tables()[*index];
            refused.push(format!(
                "NOT EXISTS (SELECT FROM treaty.queue q WHERE q.table_name = {} AND NOT EXISTS (SELECT FROM {} d WHERE d.\"id\" = q.row_id))",
                text(table.name.as_str()),
                qualified(table)
            ));
        }
        if refused.is_empty() { "TRUE".to_owned() } else { refused.join(" AND ") }
    }

    /// The cells of the row that was there. A reference under SET NULL to a row that is gone reads NULL: that the database writes
    /// so is no change, and needs nobody's permission.
    fn before(&self) -> Vec<String> {
        let cell = |(index, column): (usize, &Column)| {
            let name = ident(column.name.as_str());
            let mut keys = self.table.foreign_keys.iter();
            match keys.find(|key| key.column == index && key.on_delete == OnDelete::SetNull) {
                Some(key) => {
                    let target = qualified(&self.schema.tables()[key.target]);
                    format!(
                        "CASE WHEN n.{name} IS NULL THEN (SELECT p.\"id\" FROM {target} p WHERE p.\"id\" = o.{name}) ELSE o.{name} END"
                    )
                }
                None => format!("o.{name}"),
            }
        };
        self.table.columns.iter().enumerate().map(cell).collect()
    }

    /// A row whose cascading parent is gone may be deleted by whoever deleted the parent.
    fn cascades(&self) -> Vec<String> {
        let keys = self.table.foreign_keys.iter().filter(|key| key.on_delete == OnDelete::Cascade);
        keys.map(|key| {
            let column = ident(self.table.columns[key.column].name.as_str());
            let target = qualified(&self.schema.tables()[key.target]);
            format!("(o.{column} IS NULL OR EXISTS (SELECT FROM {target} p WHERE p.\"id\" = o.{column}))")
        })
        .collect()
    }

    /// Who writes: whom the row names (of an update: after `zz_treaty_update` has decided that), else the session, else
    /// this node.
    fn author(&self) -> String {
        let named = match self.command {
            Command::Insert | Command::Select | Command::Update => "n.treaty_author, ",
            Command::Delete => "",
        };
        format!("coalesce({named}nullif(current_setting('treaty.author', true), ''), s.identity)")
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
                    let is_own = table.id == self.table.id;
                    if is_own && self.command == Command::Insert {
                        // A policy may rely on rows inserted earlier, not on the one at hand.
                        filter.push(format!("{alias}.\"id\" <> n.\"id\""));
                    }
                    if is_own && self.command == Command::Delete {
                        from.push(format!(
                            "(SELECT * FROM {} UNION ALL SELECT * FROM old_rows) {alias}",
                            qualified(table)
                        ));
                    } else {
                        from.push(format!("{} {alias}", qualified(table)));
                    }
                    rows.push((table, format!("{alias}.")));
                }
                filter.push(self.scalar(&exists.filter, rows)?);
                Some(format!("EXISTS (SELECT FROM {} WHERE {})", from.join(", "), filter.join(" AND ")))
            }
        }
    }

    fn junction(&mut self, list: &[SchemaCondition], operator: &str) -> Option<String> {
        let parts = list.iter().map(|condition| self.condition(condition)).collect::<Option<Vec<_>>>()?;
        Some(junction(&parts, operator))
    }

    fn scalar(&mut self, expr: &SchemaExpr, inner: Vec<(&Table, String)>) -> Option<String> {
        self.reads_author |= reads_author(expr);
        let row = if self.command == Command::Insert { "n." } else { "o." };
        let rows = [(self.table, row.to_owned())].into_iter().chain(inner).collect();
        translate(expr, &Scope { rows, author: Some(self.author()) })
    }
}
