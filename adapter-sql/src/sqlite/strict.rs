//! Does a table refuse rows that the schema allows? Then other nodes' rows could not be shown in it.
//!
//! Foreign keys and CHECKs do not count: our connection enforces neither (the engine has judged), whoever made them.
//! Triggers of the application may still refuse a row; that is found out when it is written.

use std::collections::BTreeMap;

use rusqlite::{Connection, params};
use treaty_schema::Table;

use super::error::doing;
use crate::database::DatabaseError;

/// Compares the UNIQUE keys of a table with the schema's.
///
/// # Errors
/// [`DatabaseError::SchemaChanged`] if one stands against rows that the schema allows side by side.
pub(super) fn check_keys(connection: &Connection, table: &Table) -> Result<(), DatabaseError> {
    for index in unique_indexes(connection, table)? {
        let collations = collations(connection, &index)?;
        let is_known = |columns: &[usize]| {
            columns.iter().all(|&column| {
                let name = table.columns[column].name.as_str();
                collations.get(name).is_some_and(|collation| collation.eq_ignore_ascii_case("BINARY"))
            })
        };
        // More columns than those of a key of the schema refuse less than it does.
        if !is_known(&[table.id_column]) && !table.uniques.iter().any(|unique| is_known(&unique.columns)) {
            let what = format!("its unique index {index} refuses rows that the schema allows");
            return Err(DatabaseError::SchemaChanged { table: table.name.to_string(), what });
        }
    }
    Ok(())
}

/// The names of the unique indexes of a table, but for its primary key.
fn unique_indexes(connection: &Connection, table: &Table) -> Result<Vec<String>, DatabaseError> {
    let failed = doing("reading the indexes of a table");
    let sql = "SELECT name FROM pragma_index_list(?1) WHERE \"unique\" AND origin <> 'pk'";
    let mut statement = connection.prepare(sql).map_err(&failed)?;
    let names = statement.query_map([table.name.as_str()], |row| row.get(0)).map_err(&failed)?;
    names.collect::<Result<_, _>>().map_err(failed)
}

/// How an index compares its columns, by name; expressions are left out.
fn collations(connection: &Connection, index: &str) -> Result<BTreeMap<String, String>, DatabaseError> {
    let failed = doing("reading the columns of an index");
    let sql = "SELECT lower(name), coll FROM pragma_index_xinfo(?1) WHERE key AND name IS NOT NULL";
    let mut statement = connection.prepare(sql).map_err(&failed)?;
    let pairs = statement.query_map(params![index], |row| Ok((row.get(0)?, row.get(1)?))).map_err(&failed)?;
    pairs.collect::<Result<_, _>>().map_err(failed)
}
