//! Are our triggers and columns still there? Migration tools rebuild tables, and the triggers are gone without a word.
//!
//! `PRAGMA schema_version` moves with every change of the schema by anyone; only then is anything compared. What is
//! missing is made again, and the tables concerned go through the audit, for what was written meanwhile.

use std::collections::BTreeMap;

use rusqlite::Connection;
use tracing::{error, warn};
use treaty_ddl::sql::quote::ident;
use treaty_ddl::sql::sqlite::triggers;
use treaty_schema::{Column, LogicalType, Schema, Table};

use super::SqliteDatabase;
use super::connect::{begin_write, pragma};
use super::error::doing;
use super::strict::check_keys;
use super::table::{AUTHOR, STATUS};
use crate::database::{Checked, DatabaseError};

impl SqliteDatabase {
    pub(super) fn check_and_mend(&mut self) -> Result<Checked, DatabaseError> {
        let failed = doing("reading schema_version");
        let cookie = pragma(&self.connection, "schema_version").map_err(&failed)?;
        if self.schema_cookie == Some(cookie) {
            return Ok(Checked::InOrder);
        }
        let write = begin_write(&self.connection)?;
        let mended = mend(&write, &self.schema)?;
        write.commit().map_err(doing("committing triggers"))?;
        self.connection.flush_prepared_statement_cache();
        self.learn_spellings()?;
        self.check_statements()?;
        self.schema_cookie = Some(pragma(&self.connection, "schema_version").map_err(failed)?);
        self.warn_of_application_triggers()?;
        if mended.is_empty() {
            return Ok(Checked::InOrder);
        }
        error!(
            tables = mended.join(", "),
            "treaty's triggers were missing (a migration tool rebuilt the table?): made again; the audit looks for what they missed"
        );
        Ok(Checked::Mended { tables: mended })
    }

    /// Prepares what will be written: functions and collations that only the application has are found out here, and which
    /// foreign keys have an index.
    pub(super) fn check_statements(&self) -> Result<(), DatabaseError> {
        for table in &self.tables {
            for sql in [&table.insert, &table.update, &table.rewrite, &table.delete] {
                self.connection.prepare(sql).map_err(|cause| DatabaseError::SchemaChanged {
                    table: table.name().to_owned(),
                    what: format!("treaty cannot write it: {cause}"),
                })?;
            }
        }
        self.references.look_for_indexes(&self.connection)
    }

    /// Triggers of the application run again when we write what another node's triggers had written.
    fn warn_of_application_triggers(&self) -> Result<(), DatabaseError> {
        let failed = doing("reading the schema");
        let sql = "SELECT name, sql FROM sqlite_schema WHERE type = 'trigger' AND name NOT GLOB 'treaty_*' \
                   AND sql NOT LIKE '%treaty_applying%'";
        let mut statement = self.connection.prepare(sql).map_err(&failed)?;
        let mut rows = statement.query([]).map_err(&failed)?;
        while let Some(row) = rows.next().map_err(&failed)? {
            let (name, sql): (String, String) = (row.get(0).map_err(&failed)?, row.get(1).map_err(&failed)?);
            let written = self.schema.tables().iter().find(|table| writes_to(&sql, table.name.as_str()));
            if let Some(table) = written {
                warn!(
                    trigger = name,
                    table = %table.name,
                    "a trigger of the application writes to a replicated table, here and again on every other node: give \
                     it WHEN NOT EXISTS (SELECT 1 FROM treaty_applying)"
                );
            }
        }
        Ok(())
    }
}

/// Whether a trigger's body names `table` after INTO, UPDATE or FROM of a DELETE. A hint, not a parser.
fn writes_to(sql: &str, table: &str) -> bool {
    let folded = sql.to_lowercase();
    let body = folded.split_once("begin").map_or("", |(_, body)| body);
    let is_separator = |found: char| !(found.is_alphanumeric() || found == '_');
    let words: Vec<&str> = body.split(is_separator).filter(|word| !word.is_empty()).collect();
    words.windows(2).any(|pair| matches!(pair[0], "into" | "update") && pair[1] == table)
        || words.windows(3).any(|three| three[0] == "delete" && three[1] == "from" && three[2] == table)
}

/// Makes what is missing; returns the tables that something was missing of.
pub(super) fn mend(connection: &Connection, schema: &Schema) -> Result<Vec<String>, DatabaseError> {
    let failed = doing("reading the schema");
    let mut present = BTreeMap::new();
    let mut statement = connection
        .prepare("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger' AND name GLOB 'treaty_*'")
        .map_err(&failed)?;
    let mut rows = statement.query([]).map_err(&failed)?;
    while let Some(row) = rows.next().map_err(&failed)? {
        let (name, sql): (String, String) = (row.get(0).map_err(&failed)?, row.get(1).map_err(&failed)?);
        present.insert(name, sql);
    }
    // Whoever left a row there kept all triggers still: nothing since then was noted.
    let was_quiet =
        connection.execute("DELETE FROM treaty_applying", []).map_err(doing("clearing treaty_applying"))? > 0;
    let mut mended = Vec::new();
    for table in schema.tables() {
        let has_all_columns = check_columns(connection, table)?;
        let mut is_whole = has_all_columns && !was_quiet;
        for trigger in triggers(schema, table) {
            if present.get(&trigger.name).is_some_and(|found| is_same_sql(found, &trigger.sql)) {
                continue;
            }
            is_whole = false;
            let sql = format!("DROP TRIGGER IF EXISTS {};\n{}", ident(&trigger.name), trigger.sql);
            connection.execute_batch(&sql).map_err(doing("making triggers"))?;
        }
        if !is_whole {
            mended.push(table.name.to_string());
        }
    }
    Ok(mended)
}

/// A table renamed and renamed back has its triggers rewritten: quotes and white space do not count.
fn is_same_sql(found: &str, made: &str) -> bool {
    let essence = |sql: &str| -> String {
        sql.trim_end_matches(|end: char| end == ';' || end.is_whitespace())
            .chars()
            .filter(|part| !part.is_whitespace() && *part != '"')
            .collect()
    };
    essence(found) == essence(made)
}

/// Compares the columns of a table with the schema and adds ours if they are missing; says whether they were there.
pub(super) fn check_columns(connection: &Connection, table: &Table) -> Result<bool, DatabaseError> {
    let changed = |what: String| DatabaseError::SchemaChanged { table: table.name.to_string(), what };
    let found = columns(connection, table)?;
    if found.is_empty() {
        return Err(changed("it is gone".into()));
    }
    for column in &table.columns {
        let Some(present) = found.get(column.name.as_str()) else {
            return Err(changed(format!("column {} is gone", column.name)));
        };
        if !present.takes(column.logical_type) {
            return Err(changed(format!("column {} is declared {}", column.name, present.declared)));
        }
    }
    let stricter = |column: &&Column| !column.not_null && found[column.name.as_str()].is_not_null;
    let others = table.columns.iter().enumerate().filter(|(index, _)| *index != table.id_column);
    if let Some(column) = others.map(|(_, column)| column).find(stricter) {
        return Err(changed(format!("column {} is NOT NULL, in the schema it is not", column.name)));
    }
    check_keys(connection, table)?;
    let id = &table.columns[table.id_column].name;
    if !found.get(id.as_str()).is_some_and(|present| present.is_key) {
        return Err(changed(format!("{id} is not its primary key")));
    }
    let rowid = format!("SELECT rowid FROM {}", ident(table.name.as_str()));
    if connection.prepare(&rowid).is_err() {
        return Err(changed("it is declared WITHOUT ROWID".into()));
    }
    let known = |name: &str| {
        table.columns.iter().any(|column| column.name.as_str() == name) || [STATUS, AUTHOR].contains(&name)
    };
    if let Some((name, _)) =
        found.iter().find(|(name, present)| !known(name) && !present.is_generated && !present.is_optional)
    {
        return Err(changed(format!("column {name} is not in the schema, is NOT NULL and has no default")));
    }
    let mut is_whole = true;
    for (name, declared) in [(STATUS, "TEXT NOT NULL DEFAULT 'pending'"), (AUTHOR, "TEXT")] {
        if !found.contains_key(name) {
            is_whole = false;
            let sql = format!("ALTER TABLE {} ADD COLUMN {name} {declared}", ident(table.name.as_str()));
            connection.execute_batch(&sql).map_err(doing("adding the status columns"))?;
        }
    }
    Ok(is_whole)
}

/// A column as the database has it.
struct Present {
    declared: String,
    is_key: bool,
    is_generated: bool,
    is_not_null: bool,
    /// Whether an INSERT may leave it out.
    is_optional: bool,
}

impl Present {
    /// Whether the declared type's affinity keeps the canonical form of a logical type as it is.
    fn takes(&self, logical_type: LogicalType) -> bool {
        /// Decimal digits that a double always holds.
        const DOUBLE_DIGITS: u8 = 15;
        let affinity = affinity(&self.declared);
        match logical_type {
            LogicalType::BigInt => affinity != Affinity::Real,
            LogicalType::Double => affinity != Affinity::Text,
            LogicalType::Text | LogicalType::Varchar { .. } | LogicalType::Json => {
                matches!(affinity, Affinity::Text | Affinity::Blob)
            }
            LogicalType::Numeric { precision, .. } => {
                matches!(affinity, Affinity::Text | Affinity::Blob) || precision <= DOUBLE_DIGITS
            }
            // Read back from text or a real as it was; or text that no affinity takes for a number; or bytes.
            LogicalType::Boolean
            | LogicalType::Integer
            | LogicalType::Bytes
            | LogicalType::Uuid
            | LogicalType::Identity
            | LogicalType::Date
            | LogicalType::Time
            | LogicalType::Timestamp
            | LogicalType::TimestampTz => true,
        }
    }
}

/// Rules of "Determination Of Column Affinity" in SQLite's documentation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Affinity {
    Text,
    Blob,
    Real,
    Numeric,
}

fn affinity(declared: &str) -> Affinity {
    let folded = declared.to_ascii_uppercase();
    let has = |part: &str| folded.contains(part);
    if has("INT") {
        Affinity::Numeric
    } else if has("CHAR") || has("CLOB") || has("TEXT") {
        Affinity::Text
    } else if has("BLOB") || folded.is_empty() {
        Affinity::Blob
    } else if has("REAL") || has("FLOA") || has("DOUB") {
        Affinity::Real
    } else {
        Affinity::Numeric
    }
}

fn columns(connection: &Connection, table: &Table) -> Result<BTreeMap<String, Present>, DatabaseError> {
    let failed = doing("reading the columns of a table");
    let sql = format!("PRAGMA table_xinfo({})", ident(table.name.as_str()));
    let mut statement = connection.prepare(&sql).map_err(&failed)?;
    let mut rows = statement.query([]).map_err(&failed)?;
    let mut found = BTreeMap::new();
    while let Some(row) = rows.next().map_err(&failed)? {
        let name: String = row.get("name").map_err(&failed)?;
        let not_null: bool = row.get("notnull").map_err(&failed)?;
        let default: Option<String> = row.get("dflt_value").map_err(&failed)?;
        let key: i64 = row.get("pk").map_err(&failed)?;
        let hidden: i64 = row.get("hidden").map_err(&failed)?;
        let present = Present {
            declared: row.get("type").map_err(&failed)?,
            is_key: key > 0,
            is_generated: hidden != 0,
            is_not_null: not_null,
            is_optional: !not_null || default.is_some(),
        };
        // Names of the schema are folded to lower case, those of SQLite compare without case.
        found.insert(name.to_lowercase(), present);
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trigger_that_writes_to_a_table_is_told_from_one_that_reads_it() {
        let trigger = |body: &str| format!("CREATE TRIGGER x AFTER INSERT ON notes BEGIN {body} END");
        assert!(writes_to(&trigger("UPDATE notes SET a = 1;"), "notes"));
        assert!(writes_to(&trigger("INSERT INTO \"notes\" (id) VALUES (1);"), "notes"));
        assert!(writes_to(&trigger("DELETE FROM notes;"), "notes"));
        assert!(!writes_to(&trigger("INSERT INTO search SELECT * FROM notes;"), "notes"));
    }
}
