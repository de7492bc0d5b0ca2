//! SQL for SQLite: tables with their status columns, capture triggers, early warnings, bookkeeping.
//!
//! Built-in SQL of SQLite 3.32 and later, no function that another client would lack. What the triggers promise to the
//! sidecar is in migrations/sqlite/README.md; which trap each avoids, in docs/sqlite.md.

mod expr;
mod policies;
mod tables;
mod triggers;
mod values;

use treaty_schema::{Schema, Table};

pub use self::tables::{create_table, create_tables};
pub use self::triggers::{Trigger, triggers};
use super::quote::ident;

/// The migrations of the bookkeeping tables, in order: file name and text.
pub const MIGRATIONS: [(&str, &str); 4] = [
    ("0001_bookkeeping.sql", include_str!("../../../../migrations/sqlite/0001_bookkeeping.sql")),
    ("0002_verdicts.sql", include_str!("../../../../migrations/sqlite/0002_verdicts.sql")),
    ("0003_reports.sql", include_str!("../../../../migrations/sqlite/0003_reports.sql")),
    ("0004_judged_keys.sql", include_str!("../../../../migrations/sqlite/0004_judged_keys.sql")),
];

/// The bookkeeping tables, newest dependants first: the order in which they can be dropped.
const BOOKKEEPING_TABLES: [&str; 6] =
    ["treaty_rollbacks", "treaty_named", "treaty_applying", "treaty_tx", "treaty_state", "treaty_queue"];

/// Returns everything for an empty database: bookkeeping, tables, triggers. To be run in one transaction.
pub fn install(schema: &Schema) -> String {
    let mut sql = String::from("-- Made by treaty from a schema file. Run as a whole.\n\n");
    sql.push_str(&bookkeeping());
    for table in schema.tables() {
        sql.push_str(&format!("\n{}", create_table(schema, table)));
        for trigger in triggers(schema, table) {
            sql.push_str(&format!("\n{}", trigger.sql));
        }
    }
    sql
}

/// Returns the bookkeeping tables: all migrations, in order.
pub fn bookkeeping() -> String {
    MIGRATIONS.iter().map(|(_, sql)| *sql).collect::<Vec<_>>().join("\n")
}

/// Returns what removes triggers and bookkeeping, leaving the application's tables and their rows.
///
/// Triggers first: a trigger that names a missing table would fail every later write.
pub fn uninstall(schema: &Schema) -> String {
    let mut sql: String = schema.tables().iter().map(|table| drop_triggers(schema, table)).collect();
    for table in BOOKKEEPING_TABLES {
        sql.push_str(&format!("DROP TABLE IF EXISTS {};\n", ident(table)));
    }
    sql
}

/// Returns what removes the triggers of one table.
pub fn drop_triggers(schema: &Schema, table: &Table) -> String {
    let drop = |trigger: Trigger| format!("DROP TRIGGER IF EXISTS {};\n", ident(&trigger.name));
    triggers(schema, table).into_iter().map(drop).collect()
}
