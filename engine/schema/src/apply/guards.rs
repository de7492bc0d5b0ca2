//! REVOKE UPDATE, and the rules that need the whole patch: columns that policies read never change after insert.
//!
//! A column group is written whole, so it is updatable whole or not at all: where one member may not change, none may.

use std::collections::{BTreeMap, BTreeSet};

use crate::{Condition, Ident, OnDelete, Part, Place, Schema, SchemaCondition, Table, Violation};

use super::Draft;

/// What the policies of a patch read, and what the patch revokes.
#[derive(Debug, Default)]
pub(super) struct Guards {
    /// (table, column) to the first policy that reads it, and where.
    reads: BTreeMap<(usize, usize), (Ident, Place)>,
    /// Table to the first policy with an EXISTS over it, and where, if the policy is of this patch.
    table_reads: BTreeMap<usize, (Ident, Option<Place>)>,
    /// (table, column) to where UPDATE is revoked.
    revoked: BTreeMap<(usize, usize), Place>,
    /// (table, column) to where it is declared a foreign key.
    foreign_keys: BTreeMap<(usize, usize), Place>,
}

impl Guards {
    /// Starts from the policies that are in force already.
    pub(super) fn of(predecessor: &Schema) -> Guards {
        let mut guards = Guards::default();
        let of_tables = predecessor.tables.iter().flat_map(|table| &table.policies);
        for policy in of_tables.chain(&predecessor.schema_policies).chain(&predecessor.peer_policies) {
            guards.note_tables(&policy.condition, &policy.name, None);
        }
        guards
    }

    pub(super) fn note_read(&mut self, column: (usize, usize), policy: &Ident, place: &Place) {
        self.reads.entry(column).or_insert_with(|| (policy.clone(), place.clone()));
    }

    /// Notes the tables in the FROM of every EXISTS, whether or not a column of theirs is read.
    pub(super) fn note_tables(&mut self, condition: &SchemaCondition, policy: &Ident, place: Option<&Place>) {
        match condition {
            Condition::Scalar(_) => {}
            Condition::Exists(exists) => {
                for table in &exists.from {
                    let table = usize::from(*table);
                    self.table_reads.entry(table).or_insert_with(|| (policy.clone(), place.cloned()));
                }
            }
            Condition::And(items) | Condition::Or(items) => {
                items.iter().for_each(|item| self.note_tables(item, policy, place));
            }
        }
    }

    pub(super) fn note_foreign_key(&mut self, column: (usize, usize), place: Place) {
        self.foreign_keys.insert(column, place);
    }
}

impl Draft {
    pub(super) fn revoke_update(&mut self, table: &Ident, columns: &[Ident]) {
        let Some((index, _)) = self.schema.table_by_name(table.as_str()) else {
            let help = format!("create table {table} before this line");
            self.refuse_with_help(Part::Whole, format!("there is no table {table}"), help);
            return;
        };
        if !self.new_tables.contains_key(&index) {
            let message = format!("table {table} is in use: its columns stay as updatable as they were introduced");
            self.refuse(Part::Whole, message);
            return;
        }
        for (position, name) in columns.iter().enumerate() {
            let found = self.schema.tables[index].column_by_name(name.as_str()).map(|(column, _)| column);
            let Some(column) = found else {
                self.refuse(Part::Revoked(position), format!("there is no column {name} in {table}"));
                continue;
            };
            self.schema.tables[index].columns[column].updatable = false;
            let place = self.place(Part::Revoked(position));
            self.guards.revoked.entry((index, column)).or_insert(place);
        }
    }

    /// Judges what the policies of the patch demand of columns and foreign keys, and marks the guard columns.
    pub(super) fn judge_guards(&mut self) {
        let reads = std::mem::take(&mut self.guards.reads);
        let mut reads_by_table: BTreeMap<usize, Vec<(usize, &Ident, &Place)>> = BTreeMap::new();
        for ((table, column), (policy, place)) in &reads {
            self.schema.tables[*table].columns[*column].is_guard = true;
            reads_by_table.entry(*table).or_default().push((*column, policy, place));
        }
        for index in 0..self.schema.tables.len() {
            let table_reads = reads_by_table.get(&index).map_or(&[][..], Vec::as_slice);
            let covered = self.judge_guard_columns(index, table_reads);
            self.judge_groups(index, &covered);
            self.judge_set_null_guards(index, table_reads);
        }
        self.judge_restricts();
    }

    /// Reports each guard column that may still be updated; returns all columns that the line to add revokes.
    fn judge_guard_columns(&mut self, index: usize, reads: &[(usize, &Ident, &Place)]) -> BTreeSet<usize> {
        let table = &self.schema.tables[index];
        let open: Vec<_> = reads.iter().filter(|(column, ..)| table.columns[*column].updatable).collect();
        let mut to_revoke = BTreeSet::new();
        for (column, ..) in &open {
            let group = table.group_of(*column).map_or(&[][..], |group| &table.groups[group].columns);
            to_revoke.extend(group.iter().copied().filter(|member| table.columns[*member].updatable));
        }
        let is_new = self.new_tables.contains_key(&index);
        let help = if is_new {
            revoke_line(table, &to_revoke)
        } else {
            "a policy may read only columns that were introduced with REVOKE UPDATE".to_owned()
        };
        for (column, policy, place) in open {
            let name = &table.columns[*column].name;
            let message = format!("policy {policy} reads column {name} of {}, which may still be updated", table.name);
            self.violations.push(Violation { place: (*place).clone(), message, help: Some(help.clone()) });
        }
        to_revoke
    }

    /// Reports each column group of which some members may be updated and others not; `covered` are reported already.
    fn judge_groups(&mut self, index: usize, covered: &BTreeSet<usize>) {
        let Some(change) = self.new_tables.get(&index).copied() else { return };
        let table = &self.schema.tables[index];
        for group in &table.groups {
            let is_open = |column: &usize| table.columns[*column].updatable && !covered.contains(column);
            let open: BTreeSet<usize> = group.columns.iter().copied().filter(is_open).collect();
            let fixed = group.columns.iter().find(|column| !is_open(column));
            let (Some(fixed), Some(first_open)) = (fixed, open.first()) else { continue };
            let (fixed_name, open_name) = (&table.columns[*fixed].name, &table.columns[*first_open].name);
            let message = format!(
                "{fixed_name} and {open_name} of {} share a CHECK or UNIQUE key, so they are written together: UPDATE is \
                 revoked for both or for neither",
                table.name
            );
            let place = self.guards.revoked.get(&(index, *fixed)).cloned();
            let place = place.unwrap_or(Place { change, part: Part::Whole });
            self.violations.push(Violation { place, message, help: Some(revoke_line(table, &open)) });
        }
    }

    fn judge_set_null_guards(&mut self, index: usize, reads: &[(usize, &Ident, &Place)]) {
        let table = &self.schema.tables[index];
        for key in table.foreign_keys.iter().filter(|key| key.on_delete == OnDelete::SetNull) {
            let Some((_, policy, place)) = reads.iter().find(|(column, ..)| *column == key.column) else { continue };
            let name = &table.columns[key.column].name;
            let message =
                format!("ON DELETE SET NULL cannot hold: policy {policy} reads {name}, which so never changes");
            let help = Some("choose ON DELETE CASCADE, RESTRICT or NO ACTION".to_owned());
            let place = self.guards.foreign_keys.get(&(index, key.column)).unwrap_or(place).clone();
            self.violations.push(Violation { place, message, help });
        }
    }

    fn judge_restricts(&mut self) {
        for (index, table) in self.schema.tables.iter().enumerate() {
            for key in table.foreign_keys.iter().filter(|key| key.on_delete == OnDelete::Restrict) {
                let Some((policy, policy_place)) = self.guards.table_reads.get(&key.target) else { continue };
                // Where both are of earlier versions, this was judged then.
                let Some(place) = self.guards.foreign_keys.get(&(index, key.column)).or(policy_place.as_ref()) else {
                    continue;
                };
                let (name, target) = (&table.columns[key.column].name, &self.schema.tables[key.target].name);
                let message = format!(
                    "ON DELETE RESTRICT of {name} in {} would let a reference veto a revocation: policy {policy} reads {target}",
                    table.name
                );
                let help = Some("choose ON DELETE CASCADE, SET NULL or NO ACTION".to_owned());
                self.violations.push(Violation { place: place.clone(), message, help });
            }
        }
    }
}

/// The line that revokes UPDATE of the columns.
fn revoke_line(table: &Table, columns: &BTreeSet<usize>) -> String {
    let names: Vec<String> = columns.iter().map(|column| table.columns[*column].name.to_sql()).collect();
    format!("REVOKE UPDATE ({}) ON {} FROM PUBLIC;", names.join(", "), table.name.to_sql())
}
