//! A schema with what the engine looks up all the time worked out once: objects by name, groups, foreign keys and
//! guard lookups by column.
//!
//! Spec: docs/spec/relation.md, section 2.

use std::collections::BTreeMap;

use treaty_schema::{Command, Condition, ObjectId, Schema, SchemaCondition, Table};

/// A [`Schema`] and the indexes over it.
#[derive(Debug, Clone)]
pub struct Layout {
    schema: Schema,
    objects: BTreeMap<ObjectId, Object>,
    tables: Vec<TableLayout>,
}

/// What an [`ObjectId`] of an operation names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Object {
    Table(usize),
    Column { table: usize, column: usize },
}

/// What is worked out for one table. Column indices are those of [`Table::columns`].
#[derive(Debug, Clone)]
pub struct TableLayout {
    /// Every column but `id`, ascending: what an insert writes.
    pub inserted: Vec<usize>,
    /// By column: its group, none for `id`.
    pub group_of: Vec<Option<usize>>,
    /// By column: its foreign key, if it is one.
    pub foreign_key_of: Vec<Option<usize>>,
    /// By UNIQUE key: the group that holds it; none if it holds `id`, which makes it true of any rows.
    pub unique_groups: Vec<Option<usize>>,
    /// Sets of columns by which policies look rows of this table up, each ascending.
    pub lookups: Vec<Vec<usize>>,
    /// By column: whether a CHECK, or a policy for INSERT, reads it and it names a row.
    pub reads_row_name: Vec<bool>,
    /// Whether a policy looks for its rows.
    pub is_read_by_policies: bool,
    /// Columns that policies for INSERT read of the row at hand, ascending.
    insert_reads: Vec<usize>,
    /// Columns that policies for UPDATE read of the row at hand, ascending.
    update_reads: Vec<usize>,
    /// The same for DELETE.
    delete_reads: Vec<usize>,
    /// Foreign keys that point here: (table, index of the foreign key there).
    pub referrers: Vec<(usize, usize)>,
}

impl Layout {
    /// Works out the layout of `schema`.
    pub fn new(schema: Schema) -> Layout {
        let mut objects = BTreeMap::new();
        for (table_index, table) in schema.tables().iter().enumerate() {
            objects.insert(table.id, Object::Table(table_index));
            for (column_index, column) in table.columns.iter().enumerate() {
                objects.insert(column.id, Object::Column { table: table_index, column: column_index });
            }
        }
        let mut tables: Vec<TableLayout> = schema.tables().iter().map(TableLayout::of).collect();
        for (table_index, table) in schema.tables().iter().enumerate() {
            for (key_index, key) in table.foreign_keys.iter().enumerate() {
                tables[key.target].referrers.push((table_index, key_index));
            }
        }
        let policies = schema.tables().iter().flat_map(|table| &table.policies);
        for policy in policies.chain(schema.peer_policies()) {
            visit_tables(&policy.condition, &mut |table| tables[table].is_read_by_policies = true);
        }
        for (table, columns) in schema.lookups() {
            tables[table].lookups.push(columns);
        }
        Layout { schema, objects, tables }
    }

    /// The schema.
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// A table of the schema.
    pub fn table(&self, table: usize) -> &Table {
        &self.schema.tables()[table]
    }

    /// What is worked out for a table of the schema.
    pub fn of(&self, table: usize) -> &TableLayout {
        &self.tables[table]
    }

    /// Returns the index of the table of that name.
    pub fn table_named(&self, id: ObjectId) -> Option<usize> {
        match self.objects.get(&id) {
            Some(Object::Table(table)) => Some(*table),
            Some(Object::Column { .. }) | None => None,
        }
    }

    /// Returns the index of the column of that name, if it is one of `table`.
    pub fn column_named(&self, table: usize, id: ObjectId) -> Option<usize> {
        match self.objects.get(&id) {
            Some(Object::Column { table: of, column }) if *of == table => Some(*column),
            Some(_) | None => None,
        }
    }

    /// Returns the table whose rows a column names: its own for `id`, the target of a foreign key; none for others.
    pub fn row_named_by(&self, table: usize, column: usize) -> Option<usize> {
        if column == self.table(table).id_column {
            return Some(table);
        }
        self.tables[table].foreign_key_of[column].map(|key| self.table(table).foreign_keys[key].target)
    }
}

impl TableLayout {
    fn of(table: &Table) -> TableLayout {
        let mut group_of = vec![None; table.columns.len()];
        for (group_index, group) in table.groups.iter().enumerate() {
            for column in &group.columns {
                group_of[*column] = Some(group_index);
            }
        }
        let mut foreign_key_of = vec![None; table.columns.len()];
        for (key_index, key) in table.foreign_keys.iter().enumerate() {
            foreign_key_of[key.column] = Some(key_index);
        }
        let unique_groups = table
            .uniques
            .iter()
            .map(|unique| if unique.columns.contains(&table.id_column) { None } else { group_of[unique.columns[0]] });
        let mut reads_row_name = vec![false; table.columns.len()];
        let read = table.checks.iter().flat_map(|check| check.columns.iter().copied());
        for column in read.chain(columns_read(table, Command::Insert)) {
            reads_row_name[column] = column == table.id_column || foreign_key_of[column].is_some();
        }
        TableLayout {
            inserted: (0..table.columns.len()).filter(|column| *column != table.id_column).collect(),
            unique_groups: unique_groups.collect(),
            group_of,
            foreign_key_of,
            lookups: Vec::new(),
            reads_row_name,
            is_read_by_policies: false,
            insert_reads: columns_read(table, Command::Insert),
            update_reads: columns_read(table, Command::Update),
            delete_reads: columns_read(table, Command::Delete),
            referrers: Vec::new(),
        }
    }

    /// Columns of the row at hand that policies for INSERT, UPDATE or DELETE read, ascending.
    pub fn columns_read_by(&self, command: Command) -> &[usize] {
        match command {
            Command::Update => &self.update_reads,
            Command::Delete => &self.delete_reads,
            Command::Insert => &self.insert_reads,
            Command::Select => &[],
        }
    }

    /// The groups of some columns, ascending, each once.
    pub fn groups_of(&self, columns: &[usize]) -> Vec<usize> {
        let mut groups: Vec<usize> = columns.iter().filter_map(|column| self.group_of[*column]).collect();
        groups.sort_unstable();
        groups.dedup();
        groups
    }
}

/// Columns of the row at hand that the policies for a command read, ascending, each once.
fn columns_read(table: &Table, command: Command) -> Vec<usize> {
    let mut columns = Vec::new();
    for policy in table.policies_for(command) {
        collect_columns(&policy.condition, &mut columns);
    }
    columns.sort_unstable();
    columns.dedup();
    columns
}

fn collect_columns(condition: &SchemaCondition, columns: &mut Vec<usize>) {
    let expr = match condition {
        Condition::And(parts) | Condition::Or(parts) => {
            return parts.iter().for_each(|part| collect_columns(part, columns));
        }
        Condition::Exists(exists) => &exists.filter,
        Condition::Scalar(expr) => expr,
    };
    expr.visit_columns(&mut |cell| {
        if cell.slot == 0 {
            columns.push(usize::from(cell.column));
        }
    });
}

/// Visits the tables whose rows a condition looks for.
fn visit_tables(condition: &SchemaCondition, visit: &mut dyn FnMut(usize)) {
    match condition {
        Condition::And(parts) | Condition::Or(parts) => parts.iter().for_each(|part| visit_tables(part, visit)),
        Condition::Exists(exists) => exists.from.iter().for_each(|table| visit(usize::from(*table))),
        Condition::Scalar(_) => {}
    }
}
