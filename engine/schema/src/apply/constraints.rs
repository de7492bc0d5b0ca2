//! CHECK, UNIQUE and foreign keys of a new table, and the groups of columns that merge as one value.

use std::collections::BTreeSet;

use crate::resolve::{Resolver, ScopeRow};
use crate::{
    Check, ColumnGroup, ForeignKey, Ident, LogicalType, NewForeignKey, NewTable, NewUnique, OnDelete, Part, Table,
    UNIQUE_COLUMNS_MAX, Unique,
};

use super::{Draft, describe_unique, fold};

impl Draft {
    pub(super) fn create_constraints(&mut self, new: &NewTable, table: &mut Table) {
        self.judge_constraint_names(new);
        for (index, check) in new.checks.iter().enumerate() {
            let id = self.next_id();
            let row = ScopeRow { qualifier: table.name.as_str(), table: Some(table) };
            match Resolver::of_check(row).condition(&check.expr) {
                Err(mistakes) => self.refuse_mistakes(&Part::Check(index), mistakes),
                Ok(expr) => {
                    let mut columns = BTreeSet::new();
                    expr.visit_columns(&mut |column| {
                        columns.insert(usize::from(column.column));
                    });
                    let columns = columns.into_iter().collect();
                    table.checks.push(Check { id, name: check.name.clone(), expr, columns });
                }
            }
        }
        for (index, unique) in new.uniques.iter().enumerate() {
            let id = self.next_id();
            if let Some(columns) = self.judge_unique(index, unique, table) {
                table.uniques.push(Unique { id, name: unique.name.clone(), columns });
            }
        }
        for (index, key) in new.foreign_keys.iter().enumerate() {
            let id = self.next_id();
            if let Some((column, target)) = self.judge_foreign_key(index, key, table) {
                let place = self.place(Part::ForeignKey(index));
                self.guards.note_foreign_key((self.schema.tables.len(), column), place);
                let on_delete = key.on_delete;
                table.foreign_keys.push(ForeignKey { id, name: key.name.clone(), column, target, on_delete });
            }
        }
        table.groups = column_groups(table);
    }

    /// Constraint names are distinct in their table; those of UNIQUE, being names of indexes, in the schema.
    fn judge_constraint_names(&mut self, new: &NewTable) {
        let checks = new.checks.iter().enumerate().map(|(index, check)| (&check.name, Part::Check(index)));
        let uniques = new.uniques.iter().enumerate().map(|(index, unique)| (&unique.name, Part::Unique(index)));
        let keys = new.foreign_keys.iter().enumerate().map(|(index, key)| (&key.name, Part::ForeignKey(index)));
        let mut names = BTreeSet::new();
        for (name, part) in checks.chain(uniques).chain(keys) {
            let folded = fold(name);
            let other = match part {
                Part::Unique(_) => self.relations.insert(folded.clone(), describe_unique(name, &new.name)),
                _ => None,
            };
            let is_new = names.insert(folded);
            let other = if is_new { other } else { Some(format!("another constraint of table {}", new.name)) };
            if let Some(other) = other {
                let help = format!("choose another name: CONSTRAINT {name}_2 ...");
                self.refuse_with_help(part, format!("the constraint name {name} is taken by {other}"), help);
            }
        }
    }

    fn judge_unique(&mut self, index: usize, unique: &NewUnique, table: &Table) -> Option<Vec<usize>> {
        let part = Part::Unique(index);
        if unique.columns.is_empty() || unique.columns.len() > UNIQUE_COLUMNS_MAX {
            self.refuse(part, format!("a UNIQUE key has 1 to {UNIQUE_COLUMNS_MAX} columns"));
            return None;
        }
        let columns = self.find_columns(&part, &unique.columns, table)?;
        if columns.contains(&table.id_column) {
            let help = "leave id out: no two rows share it as it is";
            self.refuse_with_help(part, "a UNIQUE key with id in it is always unique", help);
            return None;
        }
        if columns.iter().collect::<BTreeSet<_>>().len() < columns.len() {
            self.refuse(part, format!("the UNIQUE key {} names a column twice", unique.name));
            return None;
        }
        Some(columns)
    }

    /// Finds columns by name, reporting each that is not there.
    pub(super) fn find_columns(&mut self, part: &Part, names: &[Ident], table: &Table) -> Option<Vec<usize>> {
        let mut columns = Vec::new();
        for name in names {
            match table.column_by_name(name.as_str()) {
                Some((index, _)) => columns.push(index),
                None => self.refuse(part.clone(), format!("there is no column {name} in {}", table.name)),
            }
        }
        (columns.len() == names.len()).then_some(columns)
    }

    /// Returns the referring column and the index of the table referred to.
    fn judge_foreign_key(&mut self, index: usize, key: &NewForeignKey, table: &Table) -> Option<(usize, usize)> {
        let part = Part::ForeignKey(index);
        let target = self.judge_target(&part, key, table);
        let columns = self.find_columns(&part, &key.columns, table);
        let [column] = columns?[..] else {
            let help = format!("one UUID column, as in: {} UUID REFERENCES {} (id)", key.target, key.target);
            self.refuse_with_help(part, "a foreign key has exactly one column", help);
            return None;
        };
        let described = &table.columns[column];
        let name = &described.name;
        if column == table.id_column {
            let help = format!(
                "refer with a column of its own: {}_id UUID NOT NULL UNIQUE REFERENCES {} (id)",
                key.target, key.target
            );
            self.refuse_with_help(part, "id names the row itself and cannot refer to another", help);
            return None;
        }
        if described.logical_type != LogicalType::Uuid {
            let message = format!("the foreign key {name} must be a UUID, not {}", described.logical_type);
            self.refuse_with_help(part, message, format!("{name} UUID REFERENCES {} (id)", key.target));
            return None;
        }
        if let Some(other) = table.foreign_key_of(column) {
            let message = format!("column {name} is a foreign key already ({})", other.name);
            self.refuse_with_help(part, message, "use one column for each reference");
            return None;
        }
        if key.on_delete == OnDelete::SetNull {
            self.judge_set_null(&part, column, table);
        }
        Some((column, target?))
    }

    fn judge_target(&mut self, part: &Part, key: &NewForeignKey, table: &Table) -> Option<usize> {
        let target = if key.target == table.name {
            Some(self.schema.tables.len())
        } else {
            self.schema.table_by_name(key.target.as_str()).map(|(index, _)| index)
        };
        if target.is_none() {
            let message = format!("there is no table {} before this one", key.target);
            self.refuse_with_help(part.clone(), message, format!("create {} first", key.target));
        }
        if !key.target_columns.is_empty() && !matches!(&key.target_columns[..], [only] if only.as_str() == "id") {
            let help = format!("REFERENCES {} (id)", key.target);
            self.refuse_with_help(part.clone(), "a foreign key refers to the column id", help);
        }
        target
    }

    /// SET NULL writes a column on its own, so nothing may depend on that column's not being NULL.
    fn judge_set_null(&mut self, part: &Part, column: usize, table: &Table) {
        let name = &table.columns[column].name;
        if table.columns[column].not_null {
            let message = format!("ON DELETE SET NULL cannot hold: {name} is NOT NULL");
            self.refuse_with_help(part.clone(), message, "drop NOT NULL, or choose ON DELETE CASCADE or RESTRICT");
        }
        if let Some(check) = table.checks.iter().find(|check| check.columns.contains(&column)) {
            let message = format!("ON DELETE SET NULL cannot hold: CHECK {} reads {name}", check.name);
            self.refuse_with_help(
                part.clone(),
                message,
                "take it out of the CHECK, or choose ON DELETE CASCADE or RESTRICT",
            );
        }
    }
}

/// Partitions the columns but `id`: those that share a CHECK or a UNIQUE key, directly or through others, are one group.
fn column_groups(table: &Table) -> Vec<ColumnGroup> {
    let mut leader: Vec<usize> = (0..table.columns.len()).collect();
    let keys =
        table.checks.iter().map(|check| &check.columns).chain(table.uniques.iter().map(|unique| &unique.columns));
    for columns in keys {
        let members: Vec<usize> = columns.iter().copied().filter(|column| *column != table.id_column).collect();
        for pair in members.windows(2) {
            let (first, second) = (find_leader(&mut leader, pair[0]), find_leader(&mut leader, pair[1]));
            // The smaller index leads, so that groups come out in the order of their first members.
            leader[first.max(second)] = first.min(second);
        }
    }
    let mut groups: Vec<ColumnGroup> = Vec::new();
    let mut group_of_leader = vec![None; leader.len()];
    for column in (0..leader.len()).filter(|column| *column != table.id_column) {
        let group = group_of_leader[find_leader(&mut leader, column)].get_or_insert_with(|| {
            groups.push(ColumnGroup { columns: Vec::new() });
            groups.len() - 1
        });
        groups[*group].columns.push(column);
    }
    groups
}

/// The leader of a column's set; halves the path to it on the way.
fn find_leader(leader: &mut [usize], mut column: usize) -> usize {
    while leader[column] != column {
        leader[column] = leader[leader[column]];
        column = leader[column];
    }
    column
}
