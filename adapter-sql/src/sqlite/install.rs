//! Making the tables of a schema, and fitting those that are there.

use rusqlite::Connection;
use treaty_ddl::sql::quote::ident;
use treaty_ddl::sql::sqlite::create_table;
use treaty_schema::Schema;

use super::error::doing;
use super::guard::check_columns;
use crate::database::{DatabaseError, Existing, Tables};

/// Makes the tables that are missing and fits those that are there.
pub(super) fn make_tables(
    connection: &Connection,
    schema: &Schema,
    existing: Existing,
) -> Result<Tables, DatabaseError> {
    let failed = doing("making tables");
    let (mut created, mut adopted, mut reasons) = (Vec::new(), Vec::new(), Vec::new());
    for table in schema.tables() {
        let name = table.name.as_str();
        let is_there: bool = connection
            .query_row("SELECT count(*) > 0 FROM sqlite_schema WHERE name = ?1 COLLATE NOCASE", [name], |row| {
                row.get(0)
            })
            .map_err(&failed)?;
        if !is_there {
            connection.execute_batch(&create_table(schema, table)).map_err(&failed)?;
            created.push(name.to_owned());
            continue;
        }
        match check_columns(connection, table) {
            Ok(_) => {}
            Err(DatabaseError::SchemaChanged { table, what }) => {
                reasons.push(format!("table {table} does not fit the schema: {what}"));
                continue;
            }
            Err(other) => return Err(other),
        }
        let sql = format!("SELECT EXISTS (SELECT 1 FROM {})", ident(name));
        let has_rows: bool = connection.query_row(&sql, [], |row| row.get(0)).map_err(&failed)?;
        if has_rows && existing == Existing::Refuse {
            reasons.push(format!("table {name} holds rows already: join with an empty database"));
        }
        adopted.push(name.to_owned());
    }
    if reasons.is_empty() {
        return Ok(Tables { created, adopted });
    }
    Err(DatabaseError::Adoption { reasons })
}
