//! Do rows that a batch wrote refer to rows that are there, and does nothing refer to a row that it removed?
//!
//! The engine's rows satisfy every foreign key, so a reference that dangles in the end tells that the tables held what the
//! log does not know. A look-up for each reference written; for a row removed, one by each foreign key whose column has an
//! index. Without one it would be a scan of the table: what refers to nothing there is left to the audit.

use std::cell::Cell;

use rusqlite::{Connection, OptionalExtension};
use treaty_ddl::sql::quote::ident;
use treaty_engine::relation::RowId;
use treaty_engine::replica::RowImage;
use treaty_schema::{Schema, Table};

use super::error::doing;
use super::table::{TableSql, owned, read_id};
use super::values::{Bound, stored_ref};
use crate::database::{DatabaseError, Fate};

/// The foreign keys of a schema as look-ups, by index of the table.
#[derive(Debug)]
pub(super) struct References(Vec<OfTable>);

#[derive(Debug)]
struct OfTable {
    name: String,
    targets: Vec<Target>,
    referrers: Vec<Referrer>,
}

/// A foreign key of a table.
#[derive(Debug)]
struct Target {
    column: usize,
    key: String,
    table: usize,
    /// Finds a row of the target. Parameter: id.
    find: String,
}

/// A foreign key to a table.
#[derive(Debug)]
struct Referrer {
    table: usize,
    column: usize,
    /// Finds a row that refers to another. Parameter: the id of the other.
    find: String,
    is_indexed: Cell<bool>,
}

/// Where to look.
#[derive(Clone, Copy)]
struct LookUp<'a> {
    connection: &'a Connection,
    tables: &'a [TableSql],
}

impl References {
    /// Makes the look-ups; none for rows removed before [`References::look_for_indexes`].
    pub(super) fn new(schema: &Schema) -> References {
        let tables = schema.tables();
        let of_table = |(index, table): (usize, &Table)| OfTable {
            name: table.name.to_string(),
            targets: targets(schema, table),
            referrers: tables.iter().enumerate().flat_map(|referrer| referrers(referrer, index)).collect(),
        };
        References(tables.iter().enumerate().map(of_table).collect())
    }

    /// Finds out which foreign keys have an index, whoever made it.
    pub(super) fn look_for_indexes(&self, connection: &Connection) -> Result<(), DatabaseError> {
        let failed = doing("looking for indexes of foreign keys");
        for referrer in self.0.iter().flat_map(|table| &table.referrers) {
            let sql = format!("EXPLAIN QUERY PLAN {}", referrer.find);
            let mut statement = connection.prepare(&sql).map_err(&failed)?;
            let plan = statement.query_row([""], |row| row.get::<_, String>("detail")).map_err(&failed)?;
            // A search for ANY value of other columns first is a scan, a little shorter.
            referrer.is_indexed.set(plan.starts_with("SEARCH") && !plan.contains("ANY("));
        }
        Ok(())
    }

    /// Checks what a batch left behind.
    ///
    /// # Errors
    /// [`DatabaseError::Obstructed`] if a reference dangles.
    pub(super) fn check(
        &self,
        connection: &Connection,
        tables: &[TableSql],
        fates: &[Fate],
    ) -> Result<(), DatabaseError> {
        let look_up = LookUp { connection, tables };
        fates.iter().try_for_each(|fate| match &fate.row {
            Some(row) => self.0[fate.key.table].check_written(look_up, fate.key.id, row),
            None => self.0[fate.key.table].check_removed(look_up, fate.key.id),
        })
    }
}

fn targets(schema: &Schema, table: &Table) -> Vec<Target> {
    let target = |key: &treaty_schema::ForeignKey| {
        let target = &schema.tables()[key.target];
        let (name, id) = (ident(target.name.as_str()), ident(target.columns[target.id_column].name.as_str()));
        Target {
            column: key.column,
            key: key.name.to_string(),
            table: key.target,
            find: format!("SELECT 1 FROM {name} WHERE {id} = ?1"),
        }
    };
    table.foreign_keys.iter().map(target).collect()
}

fn referrers((index, table): (usize, &Table), target: usize) -> impl Iterator<Item = Referrer> {
    table.foreign_keys.iter().filter(move |key| key.target == target).map(move |key| {
        let (name, id) = (ident(table.name.as_str()), ident(table.columns[table.id_column].name.as_str()));
        let column = ident(table.columns[key.column].name.as_str());
        Referrer {
            table: index,
            column: key.column,
            find: format!("SELECT {id} FROM {name} WHERE {column} = ?1 LIMIT 1"),
            is_indexed: Cell::new(false),
        }
    })
}

impl OfTable {
    fn check_written(&self, look_up: LookUp<'_>, id: RowId, row: &RowImage) -> Result<(), DatabaseError> {
        let failed = doing("looking for the target of a reference");
        for Target { column, key, table, find } in &self.targets {
            let Some(target) = &row.cells[*column] else { continue };
            let table = &look_up.tables[*table];
            let mut statement = look_up.connection.prepare_cached(find).map_err(&failed)?;
            if !statement.exists([Bound(Some(target), table.id_spelling())]).map_err(&failed)? {
                let (target, table) = (target.to_text(), table.name());
                let what = format!("its {key} refers to row {target} of {table}, which is not there");
                return Err(DatabaseError::Obstructed { table: self.name.clone(), row: id, what });
            }
        }
        Ok(())
    }

    fn check_removed(&self, look_up: LookUp<'_>, id: RowId) -> Result<(), DatabaseError> {
        for Referrer { table, column, find, .. } in self.referrers.iter().filter(|referrer| referrer.is_indexed.get()) {
            let table = &look_up.tables[*table];
            let id = table.spellings[*column].spell(id.0);
            let found = look_up
                .connection
                .prepare_cached(find)
                .and_then(|mut one| one.query_row([id], |row| row.get_ref(0).map(owned)).optional())
                .map_err(doing("looking for a reference"))?;
            if let Some(found) = found {
                let (what, row) =
                    (format!("it refers to a row of {} that is gone", self.name), read_id(stored_ref(&found)));
                return Err(match row {
                    Some(row) => DatabaseError::Obstructed { table: table.name().to_owned(), row, what },
                    None => {
                        let what = format!("row {} of {}: {what}", found.print(), table.name());
                        DatabaseError::Damaged { what }
                    }
                });
            }
        }
        Ok(())
    }
}
