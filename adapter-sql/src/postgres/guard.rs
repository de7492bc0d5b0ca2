//! Are our triggers, functions and columns still there? A migration tool may have made a table anew, somebody may have
//! disabled a trigger.
//!
//! A fingerprint of the catalogue is compared now and then (event triggers would need a superuser); only when it moves is
//! anything looked at. What is missing is made again, and the tables concerned go through the audit.

use std::time::{Duration, Instant};

use tracing::error;
use treaty_ddl::sql::postgres::{adopt_table, functions, triggers};
use treaty_schema::Schema;

use super::fit::check_table;
use super::session::{Failure, Session, column, doing, statement};
use crate::database::{Checked, DatabaseError};

/// How often the catalogue is looked at, at most: it takes a millisecond.
const CHECK_EVERY: Duration = Duration::from_secs(1);

/// What is known of the catalogue.
#[derive(Debug, Default)]
pub(super) struct Guard {
    /// Its fingerprint when everything was last found in place.
    known: Option<String>,
    /// When it was last looked at.
    looked: Option<Instant>,
}

impl Guard {
    /// Says whether the catalogue may have changed since everything was found in place; seldom looks.
    pub(super) fn is_alarmed(&mut self, session: &mut Session, schema: &Schema) -> Result<bool, DatabaseError> {
        if self.looked.is_some_and(|looked| looked.elapsed() < CHECK_EVERY) {
            return Ok(false);
        }
        self.looked = Some(Instant::now());
        let found = fingerprint(session, schema).map_err(doing("reading the catalogue"))?;
        Ok(self.known.as_deref() != Some(found.as_str()))
    }

    /// Checks triggers, functions and columns if the catalogue changed, and mends them, in a transaction of its own.
    pub(super) fn check(&mut self, session: &mut Session, schema: &Schema) -> Result<Checked, DatabaseError> {
        let failed = doing("reading the catalogue");
        let found = fingerprint(session, schema).map_err(&failed)?;
        if self.known.as_deref() == Some(found.as_str()) {
            return Ok(Checked::InOrder);
        }
        session.begin("BEGIN").map_err(&failed)?;
        // What does not fit is no failure of a statement, and would leave the transaction open.
        let tables = mend(session, schema).inspect_err(|_| session.rollback());
        let tables = tables?;
        session.commit().map_err(doing("committing triggers"))?;
        self.known = Some(fingerprint(session, schema).map_err(failed)?);
        self.looked = Some(Instant::now());
        if tables.is_empty() {
            return Ok(Checked::InOrder);
        }
        error!(
            tables = tables.join(", "),
            "treaty's triggers were missing or disabled (a migration tool made the table anew?): made again; the audit looks \
             for what they missed"
        );
        Ok(Checked::Mended { tables })
    }
}

/// Condenses what the catalogue says of our tables and functions.
fn fingerprint(session: &mut Session, schema: &Schema) -> Result<String, Failure> {
    let sql = "WITH ours AS ( \
                 SELECT c.oid, c.relname, c.relkind, c.relispartition, c.relhasrules, c.relforcerowsecurity, c.relowner \
                 FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
                 WHERE n.nspname = 'public' AND c.relname = ANY($1)), \
               facts AS ( \
                 SELECT 'c' || o::text AS fact FROM ours o \
                 UNION ALL SELECT 't' || ROW(t.tgrelid, t.tgname, t.tgenabled, t.tgfoid, t.tgtype)::text \
                   FROM pg_catalog.pg_trigger t WHERE t.tgrelid IN (SELECT oid FROM ours) AND NOT t.tgisinternal \
                 UNION ALL SELECT 'a' || ROW(a.attrelid, a.attname, a.atttypid, a.atttypmod, a.attnotnull, \
                   a.attgenerated, a.attidentity)::text \
                   FROM pg_catalog.pg_attribute a \
                   WHERE a.attrelid IN (SELECT oid FROM ours) AND a.attnum > 0 AND NOT a.attisdropped \
                 UNION ALL SELECT 'i' || ROW(i.indrelid, i.indexrelid, i.indisunique, i.indkey)::text \
                   FROM pg_catalog.pg_index i WHERE i.indrelid IN (SELECT oid FROM ours) \
                 UNION ALL SELECT 'f' || ROW(p.proname, pg_catalog.md5(p.prosrc))::text \
                   FROM pg_catalog.pg_proc p WHERE p.pronamespace = pg_catalog.to_regnamespace('treaty')) \
               SELECT coalesce(pg_catalog.md5(string_agg(fact, ' ' ORDER BY fact COLLATE \"C\")), '') FROM facts";
    session.fetch_value(statement(sql).bind(names(schema)))
}

fn names(schema: &Schema) -> Vec<String> {
    schema.tables().iter().map(|table| table.name.to_string()).collect()
}

/// Makes what is missing, in the open transaction; returns the tables that something was missing of.
pub(super) fn mend(session: &mut Session, schema: &Schema) -> Result<Vec<String>, DatabaseError> {
    let failed = doing("reading the catalogue");
    mend_functions(session, schema)?;
    let mut mended = Vec::new();
    for table in schema.tables() {
        let mut is_whole = check_table(session, schema, table)?;
        if !is_whole {
            session.script(&adopt_table(table)).map_err(doing("adding the status columns"))?;
        }
        let sql = "SELECT t.tgname::text, pg_catalog.pg_get_triggerdef(t.oid), t.tgenabled::text \
                   FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid \
                   JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
                   WHERE n.nspname = 'public' AND c.relname = $1 AND NOT t.tgisinternal";
        let rows = session.fetch(statement(sql).bind(table.name.as_str())).map_err(&failed)?;
        let mut present: Vec<(String, String, char)> = Vec::new();
        for row in &rows {
            let enabled: String = column(row, 2).map_err(&failed)?;
            let enabled = enabled.chars().next().unwrap_or('D');
            present.push((column(row, 0).map_err(&failed)?, column(row, 1).map_err(&failed)?, enabled));
        }
        for trigger in triggers(schema, table) {
            let found = present.iter().find(|(name, ..)| *name == trigger.name);
            if found.is_some_and(|(_, definition, enabled)| trigger.is(definition, *enabled)) {
                continue;
            }
            is_whole = false;
            session.script(&trigger.create_again()).map_err(doing("making triggers"))?;
        }
        if !is_whole {
            mended.push(table.name.to_string());
        }
    }
    Ok(mended)
}

fn mend_functions(session: &mut Session, schema: &Schema) -> Result<(), DatabaseError> {
    let failed = doing("making functions");
    let sql = "SELECT proname::text, prosrc FROM pg_catalog.pg_proc \
               WHERE pronamespace = pg_catalog.to_regnamespace('treaty')";
    let rows = session.fetch(statement(sql)).map_err(&failed)?;
    let mut present: Vec<(String, String)> = Vec::new();
    for row in &rows {
        present.push((column(row, 0).map_err(&failed)?, column(row, 1).map_err(&failed)?));
    }
    for function in functions(schema) {
        let is_there = present.iter().any(|(name, source)| *name == function.name && *source == function.source);
        if !is_there {
            session.script(&function.sql).map_err(&failed)?;
        }
    }
    Ok(())
}
