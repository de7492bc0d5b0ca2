//! What could not be read, so that nothing is said about its consequences.
//!
//! A column whose type is unknown stands in the patch as TEXT, a policy that lost a condition is missing: violations that
//! follow from that would only confuse. Whatever does not depend on it is reported all the same.

use std::collections::BTreeSet;

use treaty_schema::{Change, Condition, Ident, NamedCondition, NewTable, Part, Patch, PolicyTarget, Violation};

use super::expr::columns_of;

/// The parts of a file that could not be read.
#[derive(Debug, Default)]
pub(super) struct Taint {
    columns: BTreeSet<Ident>,
    tables: BTreeSet<Ident>,
    a_table: bool,
    a_revoke: bool,
}

impl Taint {
    /// A whole table is missing, its name unknown.
    pub(super) fn lose_table(&mut self) {
        self.a_table = true;
    }

    /// A REVOKE is missing.
    pub(super) fn lose_revoke(&mut self) {
        self.a_revoke = true;
    }

    /// Some column of a table is missing, its name unknown.
    pub(super) fn tear_table(&mut self, table: &Ident) {
        self.tables.insert(table.clone());
    }

    /// These columns have a type that was not understood.
    pub(super) fn untype(&mut self, columns: impl IntoIterator<Item = Ident>) {
        self.columns.extend(columns);
    }

    /// Whether `violation` may be no more than a consequence of what could not be read.
    pub(super) fn hides(&self, patch: &Patch, violation: &Violation) -> bool {
        if self.a_revoke && violation.help.as_ref().is_some_and(|help| help.contains("REVOKE UPDATE")) {
            return true;
        }
        let Some(change) = patch.changes.get(violation.place.change) else { return false };
        let (tables, columns) = mentions(change, &violation.place.part);
        let names_tables = matches!(change, Change::CreatePolicy(_) | Change::RevokeUpdate { .. })
            || matches!(violation.place.part, Part::ForeignKey(_));
        (self.a_table && names_tables)
            || tables.iter().any(|table| self.tables.contains(table))
            || columns.iter().any(|column| self.columns.contains(column))
    }
}

/// The tables and columns that a part of a change names.
fn mentions(change: &Change, part: &Part) -> (Vec<Ident>, Vec<Ident>) {
    match change {
        Change::CreateTable(table) => table_mentions(table, part),
        Change::CreatePolicy(policy) => {
            let (mut tables, mut columns) = (Vec::new(), Vec::new());
            if let PolicyTarget::Table(table) = &policy.target {
                tables.push(table.clone());
            }
            for condition in policy.using.iter().chain(&policy.with_check) {
                condition_mentions(condition, &mut tables, &mut columns);
            }
            (tables, columns)
        }
        Change::RevokeUpdate { table, columns } => (vec![table.clone()], columns.clone()),
    }
}

fn table_mentions(table: &NewTable, part: &Part) -> (Vec<Ident>, Vec<Ident>) {
    let own = vec![table.name.clone()];
    let column = |index: &usize| table.columns.get(*index).map(|column| column.name.clone());
    match part {
        Part::Column(index) | Part::Default(index) => (Vec::new(), column(index).into_iter().collect()),
        Part::Check(index) => (own, table.checks.get(*index).map(|check| columns_of(&check.expr)).unwrap_or_default()),
        Part::Unique(index) => {
            (own, table.uniques.get(*index).map(|unique| unique.columns.clone()).unwrap_or_default())
        }
        Part::ForeignKey(index) => match table.foreign_keys.get(*index) {
            Some(key) => (vec![table.name.clone(), key.target.clone()], key.columns.clone()),
            None => (own, Vec::new()),
        },
        _ => (own, Vec::new()),
    }
}

fn condition_mentions(condition: &NamedCondition, tables: &mut Vec<Ident>, columns: &mut Vec<Ident>) {
    match condition {
        Condition::And(list) | Condition::Or(list) => {
            list.iter().for_each(|condition| condition_mentions(condition, tables, columns));
        }
        Condition::Exists(exists) => {
            tables.extend(exists.from.iter().map(|from| from.table.clone()));
            columns.extend(columns_of(&exists.filter));
        }
        Condition::Scalar(expr) => columns.extend(columns_of(expr)),
    }
}
