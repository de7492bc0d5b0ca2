//! What applications and attackers want to write: co-transactions over the rows that somebody sees.
//!
//! Nothing here asks whether a wish is permitted: much of it is, because the wishes follow the shape of the schema, and the
//! rest is for the judge to refuse.

use std::collections::BTreeSet;

use treaty_engine::identity::Identity;
use treaty_engine::relation::RowId;
use treaty_engine::replica::{LocalOperation, LocalRow, LocalTransaction, RowImage};
use treaty_schema::{Command, Condition, LogicalType, OnDelete, Schema, SchemaCondition, Table, Value};

use super::chance::Chance;
use super::options::Options;
use super::tables::{Tables, rows_of};

/// Somebody who writes, and what they see.
pub(super) struct Writer<'w> {
    pub schema: &'w Schema,
    pub options: &'w Options,
    pub chance: &'w mut Chance,
    /// The rows seen.
    pub rows: &'w Tables,
    /// Who writes.
    pub author: Identity,
    /// Everybody whom rows may name.
    pub people: &'w [Identity],
    /// Rows that somebody inserted somewhere, whether seen or not: ids to copy.
    pub strange: &'w [(usize, RowId)],
}

/// What is done with a row that others want as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fight {
    Delete,
    Refer,
    Claim,
}

/// A co-transaction in the making.
#[derive(Default)]
struct Draft {
    operations: Vec<LocalOperation>,
    /// Rows that an operation touches: no second one may.
    touched: BTreeSet<(usize, RowId)>,
    /// Rows deleted.
    deleted: BTreeSet<(usize, RowId)>,
    /// Rows inserted, to refer to.
    inserted: Vec<(usize, RowId)>,
}

impl Writer<'_> {
    /// Draws a co-transaction; empty if nothing came to mind.
    pub(super) fn transaction(&mut self) -> LocalTransaction {
        let mut draft = Draft::default();
        self.wish(&mut draft);
        if self.chance.weighted(&[10, self.options.bundles]) == Some(1) {
            for _ in 0..=self.chance.below(2) {
                self.wish(&mut draft);
            }
        }
        LocalTransaction { operations: draft.operations }
    }

    /// Draws a co-transaction that takes the rights of somebody, and perhaps does more.
    pub(super) fn removal_of(&mut self, victims: &[Identity]) -> LocalTransaction {
        let mut draft = Draft::default();
        for victim in victims {
            self.remove(&mut draft, *victim);
        }
        if self.chance.weighted(&[20, self.options.bundles]) == Some(1) {
            self.wish(&mut draft);
        }
        LocalTransaction { operations: draft.operations }
    }

    /// Draws a removal of somebody that also deletes a row, or refers to it, or claims its keys.
    pub(super) fn removal_and(&mut self, victim: Identity, fight: Fight, row: (usize, RowId)) -> LocalTransaction {
        let mut draft = Draft::default();
        let image = self.rows[&row].clone();
        let is_removal_first = self.chance.below(2) == 0;
        if is_removal_first {
            self.remove(&mut draft, victim);
        }
        match fight {
            Fight::Delete => self.delete(&mut draft, row.0, row.1),
            Fight::Refer => self.refer(&mut draft, row),
            Fight::Claim => self.claim(&mut draft, row.0, &image),
        }
        if !is_removal_first {
            self.remove(&mut draft, victim);
        }
        LocalTransaction { operations: draft.operations }
    }

    /// Draws a co-transaction that gives somebody rights.
    pub(super) fn grant_to(&mut self, friend: Identity, role: &str) -> LocalTransaction {
        let mut draft = Draft::default();
        self.grant(&mut draft, friend, role);
        LocalTransaction { operations: draft.operations }
    }

    /// Draws a co-transaction that wants what a row has: its keys, its id, or a reference to it.
    pub(super) fn rival_of(&mut self, table: usize, id: RowId, row: &RowImage) -> LocalTransaction {
        let mut draft = Draft::default();
        let is_seen = self.rows.contains_key(&(table, id));
        match self.chance.below(5) {
            0 if is_seen => self.delete(&mut draft, table, id),
            1 | 2 if is_seen => self.refer(&mut draft, (table, id)),
            3 => {
                let mut cells = self.new_row(&draft, table);
                cells[self.schema.tables()[table].id_column] = Some(id.to_value());
                draft.insert(table, LocalRow { table, cells });
            }
            _ => self.claim(&mut draft, table, row),
        }
        LocalTransaction { operations: draft.operations }
    }

    /// Refers to a row, if any table can.
    fn refer(&mut self, draft: &mut Draft, (table, id): (usize, RowId)) {
        let referrers: Vec<(usize, usize)> = self.referrers(table).map(|(table, column, _)| (table, column)).collect();
        if let Some((from, column)) = self.chance.pick(&referrers).copied() {
            let mut cells = self.new_row(draft, from);
            cells[column] = Some(id.to_value());
            draft.insert(from, LocalRow { table: from, cells });
        }
    }

    /// Claims the keys of a row for another.
    fn claim(&mut self, draft: &mut Draft, table: usize, row: &RowImage) {
        let mut cells = self.new_row(draft, table);
        for column in self.schema.tables()[table].uniques.iter().flat_map(|unique| &unique.columns) {
            cells[*column].clone_from(&row.cells[*column]);
        }
        draft.insert(table, LocalRow { table, cells });
    }

    fn wish(&mut self, draft: &mut Draft) {
        let options = self.options;
        let weights = [
            options.grants,
            options.inserts,
            options.updates,
            options.deletes,
            options.keys,
            options.ids,
            options.inserts / 2,
        ];
        match self.chance.weighted(&weights) {
            Some(0) => self.powers(draft),
            Some(1) => self.insert_any(draft),
            Some(2) => self.update_any(draft),
            Some(3) => {
                if let Some((table, id)) = self.row_to_delete() {
                    self.delete(draft, table, id);
                }
            }
            Some(4) => self.keys(draft),
            Some(5) => self.ids(draft),
            _ => self.family(draft),
        }
    }

    /// Work on who may do what.
    fn powers(&mut self, draft: &mut Draft) {
        let anybody = *self.chance.pick(self.people).expect("there are people");
        let person = if self.chance.below(4) == 0 { self.author } else { anybody };
        let role = *self.chance.pick(&["admin", "admin", "editor", "guest"]).expect("there are roles");
        match self.chance.below(10) {
            8 | 9 => self.help_oneself(draft),
            0..=2 => self.grant(draft, person, role),
            3 | 4 => self.remove(draft, person),
            5 => {
                // Another role: a row goes, another comes.
                self.remove(draft, person);
                self.grant(draft, person, role);
            }
            6 => self.remove(draft, self.author),
            _ => {
                let guards = ["badges", "seats", "passes", "teams"];
                let tables: Vec<usize> =
                    guards.iter().filter_map(|name| self.schema.table_by_name(name)).map(|(table, _)| table).collect();
                if let Some(table) = self.chance.pick(&tables).copied() {
                    let found = self.any_row(|of| of == table);
                    match (found, self.chance.below(2)) {
                        (Some((table, id)), 0) => self.delete(draft, table, id),
                        _ => self.insert_into(draft, table),
                    }
                }
            }
        }
        // What was granted may be used at once.
        if self.chance.below(2) == 0 {
            self.insert_any(draft);
        }
    }

    /// Takes a pass, a seat or a badge, and at once does what it permits.
    fn help_oneself(&mut self, draft: &mut Draft) {
        let schema = self.schema;
        let reads = |condition: &SchemaCondition, guard: usize| {
            let mut pending = vec![condition];
            while let Some(next) = pending.pop() {
                match next {
                    Condition::And(parts) | Condition::Or(parts) => pending.extend(parts),
                    Condition::Exists(exists) if exists.from.iter().any(|table| usize::from(*table) == guard) => {
                        return true;
                    }
                    Condition::Exists(_) | Condition::Scalar(_) => {}
                }
            }
            false
        };
        let mut pairs = Vec::new();
        for guard in ["badges", "seats", "passes", "members"].iter().filter_map(|name| schema.table_by_name(name)) {
            for (table, of) in schema.tables().iter().enumerate() {
                if of.policies_for(Command::Insert).any(|policy| reads(&policy.condition, guard.0)) {
                    pairs.push((guard.0, table));
                }
            }
        }
        let Some((guard, table)) = self.chance.pick(&pairs).copied() else { return };
        let mut taken = self.new_row(draft, guard);
        for (column, of) in schema.tables()[guard].columns.iter().enumerate() {
            if of.logical_type == LogicalType::Identity {
                taken[column] = Some(Value::Identity(self.author));
            }
        }
        // The seat is in the team that the row then names.
        let mut cells = self.new_row(draft, table);
        for key in &schema.tables()[guard].foreign_keys {
            let same = schema.tables()[table].foreign_keys.iter().find(|other| other.target == key.target);
            if let Some(same) = same {
                cells[same.column].clone_from(&taken[key.column]);
            }
        }
        draft.insert(guard, LocalRow { table: guard, cells: taken });
        draft.insert(table, LocalRow { table, cells });
    }

    fn grant(&mut self, draft: &mut Draft, person: Identity, role: &str) {
        let (table, of) = self.schema.table_by_name("members").expect("every schema has members");
        let mut cells = self.new_row(draft, table);
        for (name, value) in [("who", Value::Identity(person)), ("role", text_value(role))] {
            cells[of.column_by_name(name).expect("members have it").0] = Some(value);
        }
        draft.insert(table, LocalRow { table, cells });
    }

    fn remove(&mut self, draft: &mut Draft, person: Identity) {
        let (table, of) = self.schema.table_by_name("members").expect("every schema has members");
        let who = of.column_by_name("who").expect("members have it").0;
        let rows: Vec<RowId> = rows_of(self.rows, table)
            .filter(|(_, row)| row.cells[who] == Some(Value::Identity(person)))
            .map(|(id, _)| id)
            .collect();
        if self.chance.below(3) > 0 {
            rows.into_iter().for_each(|id| self.delete(draft, table, id));
        } else if let Some(id) = self.chance.pick(&rows).copied() {
            self.delete(draft, table, id);
        }
    }

    fn insert_any(&mut self, draft: &mut Draft) {
        let tables: Vec<usize> = (0..self.schema.tables().len())
            .filter(|table| self.schema.tables()[*table].name.as_str() != "members")
            .collect();
        if let Some(table) = self.chance.pick(&tables).copied() {
            self.insert_into(draft, table);
        }
    }

    fn insert_into(&mut self, draft: &mut Draft, table: usize) {
        let cells = self.new_row(draft, table);
        draft.insert(table, LocalRow { table, cells });
    }

    fn update_any(&mut self, draft: &mut Draft) {
        let schema = self.schema;
        let is_open = |table: usize| schema.tables()[table].columns.iter().any(|column| column.updatable);
        let Some((table, id)) = self.any_row(is_open) else { return };
        let of = &schema.tables()[table];
        let open: Vec<usize> = (0..of.columns.len()).filter(|column| of.columns[*column].updatable).collect();
        let keyed: Vec<usize> = open
            .iter()
            .copied()
            .filter(|column| of.uniques.iter().any(|unique| unique.columns.contains(column)))
            .collect();
        let wanted = if keyed.is_empty() || self.chance.below(2) == 0 { &open } else { &keyed };
        let Some(first) = self.chance.pick(wanted).copied() else { return };
        // Columns of one group are valid together only: drawn together.
        let group = of.group_of(first).map_or(vec![first], |group| of.groups[group].columns.clone());
        let fresh = self.new_row(draft, table);
        let cells = group.into_iter().map(|column| (column, fresh[column].clone())).collect();
        draft.update(table, id, cells);
    }

    /// Parent and child at once, the child perhaps first.
    fn family(&mut self, draft: &mut Draft) {
        let schema = self.schema;
        let edges: Vec<(usize, usize, usize)> = (0..schema.tables().len())
            .flat_map(|from| schema.tables()[from].foreign_keys.iter().map(move |key| (from, key.column, key.target)))
            .collect();
        let Some((from, column, target)) = self.chance.pick(&edges).copied() else { return self.insert_any(draft) };
        let parent = self.new_row(draft, target);
        let parent_id = parent[schema.tables()[target].id_column].clone();
        let mut child = self.new_row(draft, from);
        child[column] = parent_id;
        let mut rows = vec![LocalRow { table: target, cells: parent }, LocalRow { table: from, cells: child }];
        if self.chance.below(3) == 0 {
            rows.reverse();
        }
        rows.into_iter().for_each(|row| draft.insert(row.table, row));
    }

    /// Keys that change hands: swapped, moved to a new row, freed.
    fn keys(&mut self, draft: &mut Draft) {
        let schema = self.schema;
        let is_keyed = |table: usize| {
            let of = &schema.tables()[table];
            of.uniques.iter().any(|unique| unique.columns.iter().all(|column| of.columns[*column].updatable))
        };
        let Some((table, id)) = self.any_row(is_keyed) else { return };
        let of = &schema.tables()[table];
        let open = |unique: &&treaty_schema::Unique| unique.columns.iter().all(|column| of.columns[*column].updatable);
        let uniques: Vec<_> = of.uniques.iter().filter(open).collect();
        let unique = *self.chance.pick(&uniques).expect("the table has one");
        let key =
            of.group_of(unique.columns[0]).map_or(unique.columns.clone(), |group| of.groups[group].columns.clone());
        let held = |row: &RowImage| key.iter().map(|column| (*column, row.cells[*column].clone())).collect::<Vec<_>>();
        let mine = held(&self.rows[&(table, id)]);
        match self.chance.below(4) {
            0 => {
                let other = self.any_row(|of| of == table).expect("the table has a row");
                if other.1 != id {
                    let theirs = held(&self.rows[&other]);
                    draft.update(table, id, theirs);
                    draft.update(table, other.1, mine);
                }
            }
            1 => {
                // The key goes on to a new row; the old one goes, or holds another.
                let mut cells = self.new_row(draft, table);
                mine.into_iter().for_each(|(column, cell)| cells[column] = cell);
                match self.chance.below(2) {
                    0 => self.delete(draft, table, id),
                    _ => self.free(draft, (table, id), &key),
                }
                draft.insert(table, LocalRow { table, cells });
            }
            2 => self.free(draft, (table, id), &key),
            _ => {
                let fresh = self.new_row(draft, table);
                draft.update(table, id, key.iter().map(|column| (*column, fresh[*column].clone())).collect());
            }
        }
    }

    /// Writes NULL into the columns of a key that may be NULL.
    fn free(&mut self, draft: &mut Draft, (table, id): (usize, RowId), key: &[usize]) {
        let of = &self.schema.tables()[table];
        let row = &self.rows[&(table, id)];
        let cell = |column: &usize| {
            let kept = if of.columns[*column].not_null { row.cells[*column].clone() } else { None };
            (*column, kept)
        };
        draft.update(table, id, key.iter().map(cell).collect());
    }

    /// Ids that are used again: of a row that goes, of a row elsewhere.
    fn ids(&mut self, draft: &mut Draft) {
        let schema = self.schema;
        if self.chance.below(2) == 0
            && let Some((table, id)) = self.chance.pick(self.strange).copied()
        {
            let mut cells = self.new_row(draft, table);
            cells[schema.tables()[table].id_column] = Some(id.to_value());
            return draft.insert(table, LocalRow { table, cells });
        }
        let Some((table, id)) = self.any_row(|_| true) else { return };
        self.delete(draft, table, id);
        let mut cells = self.new_row(draft, table);
        cells[schema.tables()[table].id_column] = Some(id.to_value());
        draft.insert(table, LocalRow { table, cells });
    }

    /// Deletes a row with what a database deletes, or must see gone, along with it.
    fn delete(&mut self, draft: &mut Draft, table: usize, id: RowId) {
        if !draft.touched.insert((table, id)) {
            return;
        }
        draft.deleted.insert((table, id));
        draft.operations.push(LocalOperation::Delete { table, id });
        let referrers: Vec<_> = self.referrers(table).collect();
        for (from, column, action) in referrers {
            let rows: Vec<RowId> = rows_of(self.rows, from)
                .filter(|(_, row)| row.cells[column] == Some(id.to_value()))
                .map(|(id, _)| id)
                .collect();
            for row in rows {
                if draft.deleted.contains(&(from, row)) {
                    continue;
                }
                match (action, self.chance.below(8)) {
                    (OnDelete::SetNull, _) | (_, 0) => {}
                    (OnDelete::Cascade, _) => self.delete(draft, from, row),
                    (OnDelete::Restrict | OnDelete::NoAction, 1..=4) => self.delete(draft, from, row),
                    (OnDelete::Restrict | OnDelete::NoAction, _) => {
                        let of = &self.schema.tables()[from];
                        let group = of.group_of(column).map_or(vec![column], |group| of.groups[group].columns.clone());
                        self.free(draft, (from, row), &group);
                    }
                }
            }
        }
    }

    fn referrers(&self, table: usize) -> impl Iterator<Item = (usize, usize, OnDelete)> + use<'_> {
        self.schema.tables().iter().enumerate().flat_map(move |(from, of)| {
            of.foreign_keys
                .iter()
                .filter(move |key| key.target == table)
                .map(move |key| (from, key.column, key.on_delete))
        })
    }

    /// Any row, or rather one that others refer to.
    fn row_to_delete(&mut self) -> Option<(usize, RowId)> {
        let schema = self.schema;
        let targets: Vec<(usize, RowId)> = self
            .rows
            .iter()
            .flat_map(|((table, _), row)| {
                schema.tables()[*table].foreign_keys.iter().filter_map(|key| match row.cells[key.column] {
                    Some(Value::Uuid(id)) => Some((key.target, RowId(id))),
                    _ => None,
                })
            })
            .collect();
        let referred = self.chance.pick(&targets).copied();
        if self.chance.below(2) == 0 && referred.is_some() { referred } else { self.any_row(|_| true) }
    }

    fn any_row(&mut self, wanted: impl Fn(usize) -> bool) -> Option<(usize, RowId)> {
        // A table first: a large one is no likelier.
        let tables: BTreeSet<usize> =
            self.rows.keys().map(|(table, _)| *table).filter(|table| wanted(*table)).collect();
        let tables: Vec<usize> = tables.into_iter().collect();
        let table = self.chance.pick(&tables).copied()?;
        let ids: Vec<RowId> = rows_of(self.rows, table).map(|(id, _)| id).collect();
        self.chance.pick(&ids).map(|id| (table, *id))
    }

    /// A row that most policies and constraints could like.
    fn new_row(&mut self, draft: &Draft, table: usize) -> Vec<Option<Value>> {
        let of = &self.schema.tables()[table];
        (0..of.columns.len()).map(|column| self.new_cell(draft, of, column)).collect()
    }

    fn new_cell(&mut self, draft: &Draft, of: &Table, column: usize) -> Option<Value> {
        if column == of.id_column {
            return Some(Value::Uuid(self.chance.uuid()));
        }
        let may_be_null = !of.columns[column].not_null;
        if let Some(key) = of.foreign_key_of(column) {
            if may_be_null && self.chance.below(8) == 0 {
                return None;
            }
            let mut ids: Vec<RowId> = rows_of(self.rows, key.target).map(|(id, _)| id).collect();
            ids.retain(|id| !draft.deleted.contains(&(key.target, *id)));
            ids.extend(draft.inserted.iter().filter(|(table, _)| *table == key.target).map(|(_, id)| *id));
            return self.chance.pick(&ids).map(|id| id.to_value());
        }
        if may_be_null && self.chance.below(10) == 0 {
            return None;
        }
        let is_rival = self.chance.is_within(self.options.rivalry);
        match of.columns[column].logical_type {
            LogicalType::Identity if self.chance.below(4) == 0 => {
                self.chance.pick(self.people).copied().map(Value::Identity)
            }
            LogicalType::Identity => Some(Value::Identity(self.author)),
            LogicalType::Integer => {
                let few = if of.columns[column].name.as_str() == "b" { 3 } else { 1 };
                let range = if is_rival { 3 } else { 1000 };
                let number = self.chance.below(range) + few;
                Some(Value::Integer(i32::try_from(number).expect("it is small")))
            }
            _ => {
                let text = if is_rival {
                    format!("x{}", self.chance.below(3))
                } else {
                    format!("y{}", self.chance.below(1000))
                };
                Some(text_value(&text))
            }
        }
    }
}

impl Draft {
    fn insert(&mut self, table: usize, row: LocalRow) {
        let id = row.cells.iter().find_map(|cell| match cell {
            Some(Value::Uuid(id)) => Some(RowId(*id)),
            _ => None,
        });
        // `id` is the first column of every drawn table.
        self.inserted.extend(id.map(|id| (table, id)));
        self.operations.push(LocalOperation::Insert(row));
    }

    fn update(&mut self, table: usize, id: RowId, cells: Vec<(usize, Option<Value>)>) {
        if self.touched.insert((table, id)) && !cells.is_empty() {
            self.operations.push(LocalOperation::Update { table, id, cells });
        }
    }
}

fn text_value(text: &str) -> Value {
    LogicalType::Text.parse(text).expect("a drawn text is a text")
}
