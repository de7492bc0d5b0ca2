//! One table of the schema as SQL: its statements, and rows out of them.
//!
//! Statements are made once from the schema; values are always bound, those of several rows as one array for each column.
//! Columns are named in the schema's order, so that what the application adds to its table besides is never touched.

use sqlx::postgres::PgRow;
use treaty_ddl::sql::quote::ident;
use treaty_engine::relation::RowId;
use treaty_schema::{Schema, Table, Value};
use uuid::Uuid;

use super::session::{Failure, column};
use super::values::{array_type, cast, json_of_stored, parked, read_cell, row_id, selected};
use crate::capture::{BadCell, Image, json_object};
use crate::database::{COMMITTED, Form, REVERTED, TableRow};

/// The columns that we add to a table.
pub(super) const STATUS: &str = "treaty_status";
pub(super) const AUTHOR: &str = "treaty_author";

/// Where a row's id, status, author and cells are in what the statements of [`TableSql`] select.
const ID: usize = 0;
const CELLS: usize = 3;

/// A table of the schema and its statements.
#[derive(Debug)]
pub(super) struct TableSql {
    /// The table.
    pub(super) table: Table,
    /// Its name, quoted, with its schema.
    pub(super) quoted: String,
    /// Its id column, quoted.
    pub(super) id: String,
    /// Rows by id. Parameter: ids.
    pub(super) select: String,
    /// Rows after an id, ascending. Parameters: id (NULL: from the first), limit.
    pub(super) select_page: String,
    /// Locks rows in the order of their ids, and returns these. Parameter: ids.
    pub(super) lock: String,
    /// Locks the rows that nobody else has, and returns their ids. Parameter: ids.
    pub(super) hold: String,
    /// Returns the ids of rows that are there. Parameter: ids.
    pub(super) present: String,
    /// Overwrites rows; returns the ids of those that there were. Parameters: an array for each column, status, author.
    pub(super) update: String,
    /// Inserts rows. Parameters: the same.
    pub(super) insert: String,
    /// Sets status and author where they differ. Parameters: ids, status (NULL: [`REVERTED`] stays, else [`COMMITTED`]), author.
    pub(super) mark: String,
    /// Deletes rows. Parameter: ids.
    pub(super) delete: String,
    /// Frees the unique keys of rows which will be written again or deleted in this transaction; none if that cannot be, or
    /// there are none. Parameter: ids.
    pub(super) park: Option<String>,
    /// Finds rows that refer to some of this table; by foreign key.
    pub(super) referrers: Vec<Referrer>,
    /// Finds targets that are not there; by foreign key.
    pub(super) targets: Vec<Target>,
}

/// A foreign key to a table.
#[derive(Debug)]
pub(super) struct Referrer {
    /// Index of the table that refers.
    pub(super) table: usize,
    /// Finds a row that does. Parameters: ids of the rows referred to, ids of rows that do not count.
    pub(super) find: String,
    /// Finds which rows are referred to. Parameters: the same.
    pub(super) find_targets: String,
    /// What is said of one.
    pub(super) said: String,
}

/// A foreign key of a table.
#[derive(Debug)]
pub(super) struct Target {
    /// Index of the column.
    pub(super) column: usize,
    /// Finds an id that no row has. Parameter: ids.
    pub(super) find_missing: String,
    /// What is said of one.
    pub(super) said: String,
}

/// Makes the statements of all tables of a schema, by index.
pub(super) fn tables(schema: &Schema) -> Vec<TableSql> {
    schema.tables().iter().enumerate().map(|(index, table)| TableSql::new(schema, index, table)).collect()
}

/// Returns the name of a table, quoted, with its schema.
pub(super) fn qualified(table: &Table) -> String {
    format!("public.{}", ident(table.name.as_str()))
}

fn id_of(table: &Table) -> String {
    ident(table.columns[table.id_column].name.as_str())
}

impl TableSql {
    fn new(schema: &Schema, index: usize, table: &Table) -> TableSql {
        let (quoted, id) = (qualified(table), id_of(table));
        let cells: Vec<String> = table
            .columns
            .iter()
            .map(|column| selected(column.logical_type, &format!("t.{}", ident(column.name.as_str()))))
            .collect();
        let select = format!("SELECT t.{id}, t.{STATUS}::text, t.{AUTHOR}::text, {} FROM {quoted} t", cells.join(", "));
        let these = format!("FROM {quoted} t WHERE t.{id} = ANY($1)");
        TableSql {
            select_page: format!("{select} WHERE ($1::uuid IS NULL OR t.{id} > $1) ORDER BY t.{id} LIMIT $2"),
            select: format!("{select} WHERE t.{id} = ANY($1)"),
            lock: format!("SELECT t.{id} {these} ORDER BY t.{id} FOR UPDATE"),
            hold: format!("SELECT t.{id} {these} ORDER BY t.{id} FOR NO KEY UPDATE SKIP LOCKED"),
            present: format!("SELECT t.{id} {these}"),
            update: update_sql(table, &quoted, &id),
            insert: insert_sql(table, &quoted),
            mark: mark_sql(&quoted, &id),
            delete: format!("DELETE FROM {quoted} WHERE {id} = ANY($1)"),
            park: park_sql(table, &quoted, &id),
            referrers: referrers(schema, index),
            targets: targets(schema, table),
            table: table.clone(),
            quoted,
            id,
        }
    }

    /// The table's name, as the queue has it.
    pub(super) fn name(&self) -> &str {
        self.table.name.as_str()
    }

    /// Returns the id of a row.
    pub(super) fn id(row: &PgRow) -> Result<RowId, Failure> {
        Ok(row_id(column::<Uuid>(row, ID)?))
    }

    /// Returns status and author of a row.
    pub(super) fn marks(row: &PgRow) -> Result<(Option<String>, Option<String>), Failure> {
        Ok((column(row, ID + 1)?, column(row, ID + 2)?))
    }

    /// Reads the cells of a row, and whether all were stored canonically.
    pub(super) fn read(&self, row: &PgRow) -> Result<Result<(Image, Form), Vec<BadCell>>, Failure> {
        let (mut cells, mut bad) = (Vec::with_capacity(self.table.columns.len()), Vec::new());
        let mut form = Form::Canonical;
        for (index, column) in self.table.columns.iter().enumerate() {
            match read_cell(column.logical_type, row, CELLS + index)? {
                Ok(cell) => {
                    if cell.form == Form::Other {
                        form = Form::Other;
                    }
                    cells.push(cell.value);
                }
                Err(message) => bad.push(BadCell { column: index, message }),
            }
        }
        Ok(if bad.is_empty() { Ok((cells, form)) } else { Err(bad) })
    }

    /// Prints the cells of a row as JSON, as they are stored.
    pub(super) fn read_raw_json(&self, row: &PgRow) -> Result<String, Failure> {
        let mut fields = Vec::new();
        for (index, column) in self.table.columns.iter().enumerate() {
            fields.push((column.name.as_str(), json_of_stored(column.logical_type, row, CELLS + index)?));
        }
        Ok(json_object(&fields))
    }

    /// Reads a row whole.
    pub(super) fn read_row(&self, row: &PgRow) -> Result<TableRow, Failure> {
        let (status, author) = TableSql::marks(row)?;
        let cells = self.read(row)?.ok().map(|(cells, _)| cells);
        Ok(TableRow { id: TableSql::id(row)?, cells, status, author })
    }
}

/// About how much memory a cell takes.
pub(super) fn cell_bytes(cell: Option<&Value>) -> usize {
    match cell {
        Some(Value::Text(text)) => text.as_str().len(),
        Some(Value::Bytes(bytes)) => bytes.as_slice().len(),
        Some(value @ Value::Json(_)) => value.to_text().len(),
        Some(_) | None => 16,
    }
}

/// The arrays that rows are bound as: `c0` … for the columns, then `status` and `author`.
fn rows_bound(table: &Table) -> String {
    let (mut arrays, mut names) = (Vec::new(), Vec::new());
    for (index, column) in table.columns.iter().enumerate() {
        arrays.push(format!("${}::{}", index + 1, array_type(column.logical_type)));
        names.push(format!("c{index}"));
    }
    let count = table.columns.len();
    arrays.extend([format!("${}::text[]", count + 1), format!("${}::text[]", count + 2)]);
    names.extend(["status".to_owned(), "author".to_owned()]);
    format!("unnest({}) AS u ({})", arrays.join(", "), names.join(", "))
}

/// What a status that is not told becomes.
fn kept_status(told: &str, column: &str) -> String {
    format!("coalesce({told}, CASE {column} WHEN '{REVERTED}' THEN '{REVERTED}' ELSE '{COMMITTED}' END)")
}

fn update_sql(table: &Table, quoted: &str, id: &str) -> String {
    let mut sets: Vec<String> = Vec::new();
    for (index, column) in table.columns.iter().enumerate().filter(|(index, _)| *index != table.id_column) {
        sets.push(format!("{} = u.c{index}{}", ident(column.name.as_str()), cast(column.logical_type)));
    }
    sets.push(format!("{STATUS} = {}", kept_status("u.status", &format!("t.{STATUS}"))));
    sets.push(format!("{AUTHOR} = u.author"));
    format!(
        "UPDATE {quoted} AS t SET {} FROM {} WHERE t.{id} = u.c{}::uuid RETURNING t.{id}",
        sets.join(", "),
        rows_bound(table),
        table.id_column
    )
}

fn insert_sql(table: &Table, quoted: &str) -> String {
    let names = table.columns.iter().map(|column| ident(column.name.as_str()));
    let names: Vec<String> = names.chain([STATUS.to_owned(), AUTHOR.to_owned()]).collect();
    let values = table.columns.iter().enumerate();
    let mut values: Vec<String> =
        values.map(|(index, column)| format!("u.c{index}{}", cast(column.logical_type))).collect();
    values.extend([format!("coalesce(u.status, '{COMMITTED}')"), "u.author".to_owned()]);
    format!("INSERT INTO {quoted} ({}) SELECT {} FROM {}", names.join(", "), values.join(", "), rows_bound(table))
}

fn mark_sql(quoted: &str, id: &str) -> String {
    let status = kept_status("$2", &format!("t.{STATUS}"));
    format!(
        "UPDATE {quoted} AS t SET {STATUS} = {status}, {AUTHOR} = $3 \
         WHERE t.{id} = ANY($1) AND (t.{STATUS} IS DISTINCT FROM {status} OR t.{AUTHOR} IS DISTINCT FROM $3)"
    )
}

fn park_sql(table: &Table, quoted: &str, id: &str) -> Option<String> {
    let mut columns: Vec<usize> = table.uniques.iter().flat_map(|unique| unique.columns.iter().copied()).collect();
    columns.sort_unstable();
    columns.dedup();
    columns.retain(|&column| column != table.id_column);
    let sets: Option<Vec<String>> = columns
        .iter()
        .map(|&index| {
            let column = &table.columns[index];
            Some(format!("{} = {}", ident(column.name.as_str()), parked(column.logical_type, column.not_null)?))
        })
        .collect();
    let sets = sets.filter(|sets| !sets.is_empty())?;
    Some(format!("UPDATE {quoted} SET {} WHERE {id} = ANY($1)", sets.join(", ")))
}

fn referrers(schema: &Schema, target: usize) -> Vec<Referrer> {
    let target_name = &schema.tables()[target].name;
    let mut found = Vec::new();
    for (index, table) in schema.tables().iter().enumerate() {
        for key in table.foreign_keys.iter().filter(|key| key.target == target) {
            let (id, column) = (id_of(table), ident(table.columns[key.column].name.as_str()));
            let these = format!("FROM {} t WHERE t.{column} = ANY($1) AND t.{id} <> ALL($2)", qualified(table));
            found.push(Referrer {
                table: index,
                find: format!("SELECT t.{id} {these} LIMIT 1"),
                find_targets: format!("SELECT DISTINCT t.{column} {these}"),
                said: format!("of {} refers by {} to a row of {target_name} that goes", table.name, key.name),
            });
        }
    }
    found
}

fn targets(schema: &Schema, table: &Table) -> Vec<Target> {
    let target = |key: &treaty_schema::ForeignKey| {
        let target = &schema.tables()[key.target];
        Target {
            column: key.column,
            find_missing: format!(
                "SELECT u.id FROM unnest($1::uuid[]) AS u (id) \
                 WHERE NOT EXISTS (SELECT FROM {} t WHERE t.{} = u.id) LIMIT 1",
                qualified(target),
                id_of(target)
            ),
            said: format!("to which {} of {} refers, is not in {}", key.name, table.name, target.name),
        }
    };
    table.foreign_keys.iter().map(target).collect()
}
