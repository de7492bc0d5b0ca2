//! SQL for PostgreSQL (13 and later): tables with their status columns, capture triggers, early warnings, bookkeeping.
//!
//! Tables are made in the schema `public`, everything else in the schema `treaty`; no extension, no superuser. Functions
//! run as their owner with a fixed search path, so an application's role needs rights on its own tables only.

mod expr;
mod functions;
mod policies;
mod tables;
mod triggers;
mod values;

use treaty_schema::{Schema, Table};

pub use self::functions::{Function, functions};
pub use self::tables::{adopt_table, check_names, create_table, create_tables};
pub use self::triggers::{Firing, Trigger, triggers};
pub use self::values::{column_type, holds, index_holds};
use super::quote::ident;

/// The migrations of the bookkeeping tables, in order: file name and text. Functions are apart: [`functions`].
pub const MIGRATIONS: [(&str, &str); 5] = [
    ("0001_bookkeeping.sql", include_str!("../../../../migrations/postgres/0001_bookkeeping.sql")),
    ("0002_verdicts.sql", include_str!("../../../../migrations/postgres/0002_verdicts.sql")),
    ("0003_judged_keys.sql", include_str!("../../../../migrations/postgres/0003_judged_keys.sql")),
    ("0004_views.sql", include_str!("../../../../migrations/postgres/0004_views.sql")),
    ("0005_wake.sql", include_str!("../../../../migrations/postgres/0005_wake.sql")),
];

/// Key of the advisory lock that the sidecar has while it sleeps and wants to be told of commits: `treaty` in ASCII, and 1.
/// `treaty.tell` spells it out.
pub const SLEEP_LOCK: i64 = 0x7472_6561_7479_0001;

/// Makes what tells the sidecar of commits while it has [`SLEEP_LOCK`], if it is not there. Waits for those who are writing.
pub const NOTIFY_ON: &str = "DO $$ BEGIN
  IF NOT EXISTS (SELECT FROM pg_catalog.pg_trigger WHERE tgrelid = 'treaty.queue'::pg_catalog.regclass AND tgname = 'treaty_tell') THEN
    CREATE TRIGGER treaty_tell AFTER INSERT ON treaty.queue FOR EACH STATEMENT EXECUTE FUNCTION treaty.tell();
  END IF;
END $$;
";

/// Removes what [`NOTIFY_ON`] made, if it is there. Waits for those who are writing.
pub const NOTIFY_OFF: &str = "DO $$ BEGIN
  IF EXISTS (SELECT FROM pg_catalog.pg_trigger WHERE tgrelid = 'treaty.queue'::pg_catalog.regclass AND tgname = 'treaty_tell') THEN
    DROP TRIGGER treaty_tell ON treaty.queue;
  END IF;
END $$;
";

/// Where the application's tables are.
const NAMESPACE: &str = "public";

/// Returns everything for an empty database: bookkeeping, tables, triggers. To be run in one transaction.
pub fn install(schema: &Schema) -> String {
    let mut sql = String::from("-- Made by treaty from a schema file. Run as a whole, in one transaction.\n\n");
    sql.push_str(&bookkeeping());
    for table in schema.tables() {
        sql.push_str(&format!("\n{}\n{}", create_table(schema, table), create_triggers(schema, table)));
    }
    sql
}

/// Returns the bookkeeping tables and the functions that are the same for every schema.
pub fn bookkeeping() -> String {
    let migrations = MIGRATIONS.iter().map(|(_, sql)| *sql).collect::<Vec<_>>().join("\n");
    format!("{migrations}\n{}", functions::FIXED)
}

/// Returns the functions and triggers of one table that has neither.
pub fn create_triggers(schema: &Schema, table: &Table) -> String {
    let mut sql: String = functions::of_table(schema, table).into_iter().map(|function| function.sql).collect();
    sql.extend(triggers(schema, table).iter().map(Trigger::create));
    sql
}

/// Returns what removes triggers and bookkeeping, leaving the application's tables and their rows.
///
/// Every trigger of ours runs a function of the schema `treaty`, and falls with it. What of the application's depends on what
/// it may use of ours (a view over the reports, a trigger that fires `WHEN (NOT treaty.is_applying())`) fails this by name
/// instead of falling too.
pub fn uninstall() -> String {
    "DROP VIEW IF EXISTS public.treaty_rollbacks;\n\
     DROP FUNCTION IF EXISTS treaty.is_applying();\n\
     DROP SCHEMA IF EXISTS treaty CASCADE;\n"
        .to_owned()
}

/// The name of a table with its schema.
fn qualified(table: &Table) -> String {
    format!("{}.{}", ident(NAMESPACE), ident(table.name.as_str()))
}
