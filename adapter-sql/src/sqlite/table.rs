//! One table of the schema as SQL: its statements, and rows in and out of them.
//!
//! Statements are made once from the schema; values are always bound. Columns are named in the schema's order, so that
//! what the application adds to its table besides (a generated column, say) is never touched.

use rusqlite::types::{Type, ValueRef};
use rusqlite::{Connection, Row, Statement, ToSql};
use treaty_ddl::sql::quote::ident;
use treaty_engine::relation::RowId;
use treaty_schema::{LogicalType, Schema, Table};

use crate::capture::{BadCell, Image, json_object};

use super::spelling::Spelling;
use super::values::{Bound, json_of_stored, read_cell};
use crate::database::{COMMITTED, Form, Marks, REVERTED, StoredId};

/// The columns that we add to a table.
pub(super) const STATUS: &str = "treaty_status";
pub(super) const AUTHOR: &str = "treaty_author";

/// A table of the schema and its statements.
#[derive(Debug)]
pub(super) struct TableSql {
    /// The table.
    pub(super) table: Table,
    /// How its columns spell UUIDs.
    pub(super) spellings: Vec<Spelling>,
    /// Its name, quoted.
    pub(super) quoted: String,
    /// Rows of a range of the queue, with what the table holds now. Parameters: first and last seq, name.
    pub(super) select_queued: String,
    /// Status, author and cells of rows after an id, ascending. Parameters: id, limit.
    pub(super) select_page: String,
    /// Status, author and cells of one row. Parameter: id.
    pub(super) select_marked: String,
    /// Overwrites a row. Parameters: its cells, status (NULL: [`REVERTED`] if it is that, else [`COMMITTED`]), author.
    pub(super) update: String,
    /// Inserts a row. Parameters: its cells, status (NULL: [`COMMITTED`]), author.
    pub(super) insert: String,
    /// Overwrites a row that may be spelt otherwise. Parameters: its cells, status, author, id as stored.
    pub(super) rewrite: String,
    /// The cells of one row. Parameter: id as stored.
    pub(super) select_one: String,
    /// Removes a row. Parameter: id as stored.
    pub(super) delete: String,
    /// Sets status and author. Parameters: status, author, id as stored.
    pub(super) set_status: String,
    /// Sets status and author of a range of the queue. Parameters: status, author, name, first and last seq, last seq read.
    pub(super) set_status_range: String,
    /// By UNIQUE key: finds another row that has the key. Parameters: id, then the key's cells.
    pub(super) holders: Vec<String>,
    /// Frees a row's UNIQUE keys, for it will be overwritten in this transaction; empty if it has none. Parameter: id.
    pub(super) park: String,
}

/// Makes the statements of all tables of a schema, by index.
pub(super) fn tables(schema: &Schema) -> Vec<TableSql> {
    schema.tables().iter().map(TableSql::new).collect()
}

impl TableSql {
    fn new(table: &Table) -> TableSql {
        let quoted = ident(table.name.as_str());
        let names: Vec<String> = table.columns.iter().map(|column| ident(column.name.as_str())).collect();
        let id = &names[table.id_column];
        let columns = names.join(", ");
        let of_table: Vec<String> = names.iter().map(|name| format!("t.{name}")).collect();
        let of_table = of_table.join(", ");
        let all: Vec<&str> = names.iter().map(String::as_str).chain([STATUS, AUTHOR]).collect();
        let assignments = |value: &dyn Fn(usize, &str) -> String, skip: Option<usize>| {
            let each = all.iter().enumerate().filter(|(index, _)| Some(*index) != skip);
            each.map(|(index, name)| format!("{name} = {}", value(index, name))).collect::<Vec<_>>().join(", ")
        };
        let later = "(SELECT row_id FROM treaty_queue WHERE table_name = ?3 AND seq > ?6)";
        TableSql {
            select_queued: format!(
                "SELECT q.seq, q.row_id, t.{STATUS}, t.{AUTHOR}, {of_table} FROM treaty_queue q \
                 LEFT JOIN {quoted} t ON t.{id} = q.row_id \
                 WHERE q.seq BETWEEN ?1 AND ?2 AND q.table_name = ?3 ORDER BY q.seq"
            ),
            select_page: format!(
                "SELECT {STATUS}, {AUTHOR}, {columns} FROM {quoted} WHERE {id} > ?1 ORDER BY {id} LIMIT ?2"
            ),
            select_marked: format!("SELECT {STATUS}, {AUTHOR}, {columns} FROM {quoted} WHERE {id} = ?1"),
            update: format!(
                "UPDATE {quoted} SET {} WHERE {id} = ?{}",
                assignments(&|index, name| update_value(index, name), Some(table.id_column)),
                table.id_column + 1,
            ),
            insert: format!("INSERT INTO {quoted} ({}) VALUES ({})", all.join(", "), insert_values(names.len())),
            rewrite: format!(
                "UPDATE {quoted} SET {} WHERE {id} = ?{}",
                assignments(&|index, _| format!("?{}", index + 1), None),
                all.len() + 1,
            ),
            delete: format!("DELETE FROM {quoted} WHERE {id} IS ?1"),
            select_one: format!("SELECT {columns} FROM {quoted} WHERE {id} IS ?1"),
            set_status: format!("UPDATE {quoted} SET {STATUS} = ?1, {AUTHOR} = ?2 WHERE {id} = ?3"),
            set_status_range: format!(
                "UPDATE {quoted} SET {STATUS} = ?1, {AUTHOR} = ?2 WHERE {id} IN \
                 (SELECT row_id FROM treaty_queue WHERE table_name = ?3 AND seq BETWEEN ?4 AND ?5) AND {id} NOT IN {later}"
            ),
            holders: table.uniques.iter().map(|unique| holder_sql(&quoted, id, &names, &unique.columns)).collect(),
            park: park_sql(table, &quoted, id, &names),
            spellings: vec![Spelling::Hyphens; table.columns.len()],
            table: table.clone(),
            quoted,
        }
    }

    /// The table's name, as the queue has it.
    pub(super) fn name(&self) -> &str {
        self.table.name.as_str()
    }

    /// Reads the table's columns from `row`, the first of them at `offset`.
    ///
    /// Returns the cells, and whether all were stored canonically.
    pub(super) fn read(&self, row: &Row<'_>, offset: usize) -> rusqlite::Result<Result<(Image, Form), Vec<BadCell>>> {
        let (mut cells, mut bad) = (Vec::with_capacity(self.table.columns.len()), Vec::new());
        let mut form = Form::Canonical;
        for (index, column) in self.table.columns.iter().enumerate() {
            match read_cell(column.logical_type, self.spellings[index], row.get_ref(offset + index)?) {
                Ok(cell) => {
                    if cell.form == Form::Other {
                        form = Form::Other;
                    }
                    cells.push(cell.value);
                }
                Err(cause) => bad.push(BadCell { column: index, message: cause.to_string() }),
            }
        }
        Ok(if bad.is_empty() { Ok((cells, form)) } else { Err(bad) })
    }

    /// Prints the table's columns as JSON, as they are stored: for a row that has no canonical form.
    pub(super) fn read_raw_json(&self, row: &Row<'_>, offset: usize) -> rusqlite::Result<String> {
        let mut fields = Vec::new();
        for (index, column) in self.table.columns.iter().enumerate() {
            fields.push((column.name.as_str(), json_of_stored(row.get_ref(offset + index)?)));
        }
        Ok(json_object(&fields))
    }

    /// Overwrites a row, or inserts it; returns how many rows that were, 1 unless a trigger of the table ignores the row.
    ///
    /// Two statements, for an upsert overrides the conflict clauses in triggers of the application, and runs those of INSERT
    /// for a row that is there.
    pub(super) fn put(&self, connection: &Connection, cells: &Image, marks: Marks<'_>) -> rusqlite::Result<usize> {
        for sql in [&self.update, &self.insert] {
            let mut statement = connection.prepare_cached(sql)?;
            self.bind_row(&mut statement, cells, marks)?;
            let row_count = statement.raw_execute()?;
            if row_count > 0 {
                return Ok(row_count);
            }
        }
        Ok(0)
    }

    /// Runs [`TableSql::rewrite`].
    pub(super) fn overwrite(
        &self,
        connection: &Connection,
        stored_id: &StoredId,
        cells: &Image,
        marks: Marks<'_>,
    ) -> rusqlite::Result<()> {
        let mut statement = connection.prepare_cached(&self.rewrite)?;
        self.bind_row(&mut statement, cells, marks)?;
        statement.raw_bind_parameter(cells.len() + 3, stored_id)?;
        statement.raw_execute()?;
        Ok(())
    }

    /// Runs a statement whose one parameter is an id: [`TableSql::delete`], [`TableSql::park`].
    pub(super) fn run_on_id(connection: &Connection, sql: &str, id: &dyn ToSql) -> rusqlite::Result<usize> {
        connection.prepare_cached(sql)?.execute([id])
    }

    /// Says whether there is a row with this id.
    pub(super) fn holds(&self, connection: &Connection, id: &dyn ToSql) -> rusqlite::Result<bool> {
        connection.prepare_cached(&self.select_one)?.exists([id])
    }

    /// Returns the rows other than `id` that have one of its UNIQUE keys.
    pub(super) fn other_holders(
        &self,
        connection: &Connection,
        id: RowId,
        cells: &Image,
    ) -> rusqlite::Result<Vec<StoredId>> {
        let mut found: Vec<StoredId> = Vec::new();
        for (unique, sql) in self.table.uniques.iter().zip(&self.holders) {
            if unique.columns.iter().any(|&column| cells[column].is_none()) {
                continue;
            }
            let mut statement = connection.prepare_cached(sql)?;
            statement.raw_bind_parameter(1, self.spelt(id))?;
            for (index, &column) in unique.columns.iter().enumerate() {
                statement.raw_bind_parameter(index + 2, Bound(cells[column].as_ref(), self.spellings[column]))?;
            }
            let mut rows = statement.raw_query();
            while let Some(row) = rows.next()? {
                let stored = owned(row.get_ref(0)?);
                if !found.contains(&stored) {
                    found.push(stored);
                }
            }
        }
        Ok(found)
    }

    fn bind_row(&self, statement: &mut Statement<'_>, cells: &Image, marks: Marks<'_>) -> rusqlite::Result<()> {
        for (index, (cell, spelling)) in cells.iter().zip(&self.spellings).enumerate() {
            statement.raw_bind_parameter(index + 1, Bound(cell.as_ref(), *spelling))?;
        }
        statement.raw_bind_parameter(cells.len() + 1, marks.status)?;
        statement.raw_bind_parameter(cells.len() + 2, marks.author)
    }

    /// How the table spells its ids.
    pub(super) fn id_spelling(&self) -> Spelling {
        self.spellings[self.table.id_column]
    }

    /// Returns an id as the table holds it.
    pub(super) fn spelt(&self, id: RowId) -> String {
        self.id_spelling().spell(id.0)
    }

    /// Turns a stored id into what the rest calls it, and back.
    pub(super) fn turn(&self, id: StoredId) -> StoredId {
        self.id_spelling().turn(id)
    }
}

fn holder_sql(quoted: &str, id: &str, names: &[String], columns: &[usize]) -> String {
    let each: Vec<String> =
        columns.iter().enumerate().map(|(index, &column)| format!("{} = ?{}", names[column], index + 2)).collect();
    format!("SELECT {id} FROM {quoted} WHERE {id} <> ?1 AND {}", each.join(" AND "))
}

fn update_value(index: usize, name: &str) -> String {
    let parameter = index + 1;
    if name == STATUS {
        return format!(
            "coalesce(?{parameter}, CASE {STATUS} WHEN '{REVERTED}' THEN '{REVERTED}' ELSE '{COMMITTED}' END)"
        );
    }
    format!("?{parameter}")
}

fn insert_values(column_count: usize) -> String {
    let mut values: Vec<String> = (1..=column_count).map(|parameter| format!("?{parameter}")).collect();
    values.push(format!("coalesce(?{}, '{COMMITTED}')", column_count + 1));
    values.push(format!("?{}", column_count + 2));
    values.join(", ")
}

/// Random bytes fit any column: our connection checks no CHECK, and SQLite no type.
fn park_sql(table: &Table, quoted: &str, id: &str, names: &[String]) -> String {
    let mut columns: Vec<usize> = table.uniques.iter().flat_map(|unique| unique.columns.iter().copied()).collect();
    columns.sort_unstable();
    columns.dedup();
    columns.retain(|&column| column != table.id_column);
    if columns.is_empty() {
        return String::new();
    }
    let each: Vec<String> = columns.iter().map(|&column| format!("{} = randomblob(16)", names[column])).collect();
    format!("UPDATE {quoted} SET {} WHERE {id} = ?1", each.join(", "))
}

/// Keeps a stored id. Text that is not UTF-8 becomes bytes: no such id is ever found again, nor needs to be.
pub(super) fn owned(stored: ValueRef<'_>) -> StoredId {
    match stored {
        ValueRef::Null => StoredId::Null,
        ValueRef::Integer(integer) => StoredId::Integer(integer),
        ValueRef::Real(real) => StoredId::Real(real),
        ValueRef::Text(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => StoredId::Text(text.to_owned()),
            Err(_) => StoredId::Bytes(bytes.to_owned()),
        },
        ValueRef::Blob(bytes) => StoredId::Bytes(bytes.to_owned()),
    }
}

/// Reads an id as it is stored; none if it is no UUID.
pub(super) fn read_id(stored: ValueRef<'_>) -> Option<RowId> {
    if stored.data_type() == Type::Null {
        return None;
    }
    match read_cell(LogicalType::Uuid, Spelling::Hyphens, stored).ok()?.value? {
        treaty_schema::Value::Uuid(bytes) => Some(RowId(bytes)),
        _ => None,
    }
}
