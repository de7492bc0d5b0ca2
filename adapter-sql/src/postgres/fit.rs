//! Does a table that is there hold what the schema says, all of it, and refuse nothing that the schema allows?

use std::collections::BTreeMap;

use sqlx::postgres::PgRow;
use tracing::warn;
use treaty_ddl::sql::postgres::{check_names, holds, index_holds};
use treaty_schema::{Column, Schema, Table};

use super::session::{Failure, Session, column, doing, statement};
use crate::database::DatabaseError;

/// Our two columns.
pub(super) const OURS: [&str; 2] = ["treaty_status", "treaty_author"];

/// Compares a table of the schema `public` with the schema; says whether it has our two columns.
///
/// # Errors
/// [`DatabaseError::SchemaChanged`] if it does not fit, and why.
pub(super) fn check_table(session: &mut Session, schema: &Schema, table: &Table) -> Result<bool, DatabaseError> {
    let changed = |what: String| DatabaseError::SchemaChanged { table: table.name.to_string(), what };
    let failed = doing("reading the catalogue");
    let Some(oid) = oid(session, table.name.as_str())? else { return Err(changed("it is gone".into())) };
    if let Some(what) = unfit_kind(session, oid).map_err(&failed)? {
        return Err(changed(what));
    }
    let found = columns(session, oid).map_err(&failed)?;
    if let Some(what) = unfit_column(table, &found) {
        return Err(changed(what));
    }
    if let Some(what) = unfit_key(session, oid, table, &found).map_err(&failed)? {
        return Err(changed(what));
    }
    warn_of_constraints(session, oid, schema, table).map_err(&failed)?;
    for index in refusing_indexes(session, oid, table).map_err(&failed)? {
        warn!(
            table = %table.name,
            index,
            "an index of yours over columns of any length: a row of another node that does not fit into it, some 2,700 bytes, \
             cannot be shown here, and stops the sidecar; index left(column, 500) instead, or USING hash"
        );
    }
    for name in meddling_triggers(session, oid).map_err(failed)? {
        warn!(
            table = %table.name,
            trigger = name,
            "a trigger of yours runs for what the sidecar writes, too: if it changes the row, or writes to replicated tables, \
             the table differs from the log and the audit imports that, on every node, again and again; give it \
             WHEN (NOT treaty.is_applying())"
        );
    }
    Ok(OURS.iter().all(|name| found.contains_key(*name)))
}

/// Returns the number of a relation of the schema `public`.
pub(super) fn oid(session: &mut Session, name: &str) -> Result<Option<i64>, DatabaseError> {
    let sql = "SELECT c.oid::bigint FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
               WHERE n.nspname = 'public' AND c.relname = $1";
    let failed = doing("looking for a table");
    let row = session.fetch_optional(statement(sql).bind(name)).map_err(&failed)?;
    row.map(|row| column(&row, 0)).transpose().map_err(failed)
}

/// What of the relation itself does not do.
fn unfit_kind(session: &mut Session, oid: i64) -> Result<Option<String>, Failure> {
    let sql = "SELECT c.relkind::text, c.relpersistence::text, c.relispartition, c.relhasrules, \
               c.relforcerowsecurity, pg_catalog.pg_has_role(c.relowner, 'USAGE'), \
               EXISTS (SELECT FROM pg_catalog.pg_inherits i WHERE c.oid IN (i.inhrelid, i.inhparent)), \
               current_user::text \
               FROM pg_catalog.pg_class c WHERE c.oid = $1::oid";
    let Some(row) = session.fetch_optional(statement(sql).bind(oid))? else { return Ok(Some("it is gone".into())) };
    let (kind, persistence): (String, String) = (column(&row, 0)?, column(&row, 1)?);
    let facts: Vec<bool> = (2..7).map(|index| column(&row, index)).collect::<Result<_, _>>()?;
    let role: String = column(&row, 7)?;
    Ok(Some(match (kind.as_str(), facts.as_slice()) {
        ("p", _) | (_, [true, ..]) => {
            "it is partitioned, or a partition: rows come and go with ATTACH and DETACH, which no trigger sees".to_owned()
        }
        ("v" | "m", _) => "it is a view: name the table".to_owned(),
        ("f", _) => "it is a foreign table".to_owned(),
        (_, [.., true]) => "it inherits from another table, or another from it".to_owned(),
        ("r", _) if persistence != "p" => "it is unlogged or temporary: a crash empties it without a word".to_owned(),
        ("r", [_, true, ..]) => "it has rewrite rules, which change what is written before triggers see it".to_owned(),
        ("r", [_, _, true, ..]) => {
            "row-level security is forced on its owner, who then does not see all of its rows: ALTER TABLE … NO FORCE ROW \
             LEVEL SECURITY"
                .to_owned()
        }
        ("r", [_, _, _, false, _]) => {
            format!("{role} does not own it, and only the owner makes triggers: ALTER TABLE … OWNER TO {role}")
        }
        ("r", _) => return Ok(None),
        (other, _) => format!("it is no table (pg_class.relkind is {other})"),
    }))
}

/// A column as the database has it.
struct Present {
    number: i16,
    declared: String,
    is_not_null: bool,
    is_generated: bool,
    is_identity: bool,
    has_default: bool,
    /// Whether its collation takes texts for equal only if they are.
    is_deterministic: bool,
}

fn columns(session: &mut Session, oid: i64) -> Result<BTreeMap<String, Present>, Failure> {
    let sql = "SELECT a.attname::text, a.attnum, pg_catalog.format_type(a.atttypid, a.atttypmod), a.attnotnull, \
               a.attgenerated <> '', a.attidentity <> '', a.atthasdef, coalesce(c.collisdeterministic, true) \
               FROM pg_catalog.pg_attribute a LEFT JOIN pg_catalog.pg_collation c ON c.oid = a.attcollation \
               WHERE a.attrelid = $1::oid AND a.attnum > 0 AND NOT a.attisdropped";
    let read = |row: &PgRow| -> Result<(String, Present), Failure> {
        let present = Present {
            number: column(row, 1)?,
            declared: column(row, 2)?,
            is_not_null: column(row, 3)?,
            is_generated: column(row, 4)?,
            is_identity: column(row, 5)?,
            has_default: column(row, 6)?,
            is_deterministic: column(row, 7)?,
        };
        Ok((column(row, 0)?, present))
    };
    session.fetch(statement(sql).bind(oid))?.iter().map(read).collect()
}

/// What of the columns does not do.
fn unfit_column(table: &Table, found: &BTreeMap<String, Present>) -> Option<String> {
    for (index, column) in table.columns.iter().enumerate() {
        let name = &column.name;
        let Some(present) = found.get(name.as_str()) else { return Some(format!("column {name} is missing")) };
        let is_stricter = |column: &Column| index != table.id_column && !column.not_null && present.is_not_null;
        let what = if present.is_generated {
            "is GENERATED: the database computes it, and takes no value of others; leave it out of the schema"
                .to_owned()
        } else if present.is_identity {
            "is an IDENTITY column: two nodes would count alike; give it a UUID".to_owned()
        } else if !holds(column.logical_type, &present.declared) {
            format!("is declared {}, which does not hold every {}", present.declared, column.logical_type)
        } else if !present.is_deterministic {
            "has a collation that takes different texts for equal".to_owned()
        } else if is_stricter(column) {
            "is NOT NULL, in the schema it is not".to_owned()
        } else {
            continue;
        };
        return Some(format!("column {name} {what}"));
    }
    let is_known = |name: &str| OURS.contains(&name) || table.columns.iter().any(|column| column.name.as_str() == name);
    let is_needed = |present: &Present| {
        present.is_not_null && !present.has_default && !present.is_generated && !present.is_identity
    };
    let unknown = found.iter().find(|(name, present)| !is_known(name) && is_needed(present));
    unknown.map(|(name, _)| format!("column {name} is not in the schema, is NOT NULL and has no default"))
}

/// What of the keys does not do: the primary key is `id`, and no unique index or exclusion refuses what the schema allows.
fn unfit_key(
    session: &mut Session,
    oid: i64,
    table: &Table,
    found: &BTreeMap<String, Present>,
) -> Result<Option<String>, Failure> {
    let sql = "SELECT c.relname::text, i.indisprimary, i.indisexclusion, \
               ARRAY(SELECT k FROM unnest(i.indkey::smallint[]) WITH ORDINALITY AS u(k, n) WHERE n <= i.indnkeyatts) \
               FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid \
               WHERE i.indrelid = $1::oid AND (i.indisunique OR i.indisexclusion) AND i.indislive";
    let number = |index: usize| found.get(table.columns[index].name.as_str()).map(|present| present.number);
    let id = number(table.id_column);
    let mut has_id = false;
    for row in session.fetch(statement(sql).bind(oid))? {
        let name: String = column(&row, 0)?;
        let (is_primary, is_exclusion): (bool, bool) = (column(&row, 1)?, column(&row, 2)?);
        let keys: Vec<i16> = column(&row, 3)?;
        let covers = |columns: &[usize]| {
            columns.iter().all(|&column| number(column).is_some_and(|number| keys.contains(&number)))
        };
        if is_primary && keys.iter().copied().map(Some).eq([id]) {
            has_id = true;
        } else if is_exclusion {
            return Ok(Some(format!("its EXCLUDE constraint {name} refuses rows that the schema allows")));
        } else if !covers(&[table.id_column]) && !table.uniques.iter().any(|unique| covers(&unique.columns)) {
            // More columns than those of a key of the schema refuse less than it does.
            return Ok(Some(format!("its unique index {name} refuses rows that the schema allows")));
        }
    }
    Ok((!has_id).then(|| format!("{} is not its primary key", table.columns[table.id_column].name)))
}

/// CHECKs that the schema has no name for, and foreign keys that it does not have, whatever their name, may refuse rows of
/// other nodes: those could not be shown then.
fn warn_of_constraints(session: &mut Session, oid: i64, schema: &Schema, table: &Table) -> Result<(), Failure> {
    let sql = "SELECT c.conname::text, r.relname::text, \
               ARRAY(SELECT a.attname::text FROM pg_catalog.pg_attribute a \
                     WHERE a.attrelid = c.conrelid AND a.attnum = ANY (c.conkey)) \
               FROM pg_catalog.pg_constraint c LEFT JOIN pg_catalog.pg_class r ON r.oid = c.confrelid \
               WHERE c.conrelid = $1::oid AND c.contype IN ('c', 'f')";
    let checks = check_names(table);
    let is_our_reference = |target: &str, columns: &[String]| {
        table.foreign_keys.iter().any(|key| {
            let column = &table.columns[key.column].name;
            schema.tables()[key.target].name.as_str() == target && columns.iter().eq([column.as_str()])
        })
    };
    for row in session.fetch(statement(sql).bind(oid))? {
        let (name, target): (String, Option<String>) = (column(&row, 0)?, column(&row, 1)?);
        let columns: Vec<String> = column(&row, 2)?;
        let is_ours = match &target {
            Some(target) => is_our_reference(target, &columns),
            None => checks.contains(&name),
        };
        if !is_ours {
            warn!(
                table = %table.name,
                constraint = name,
                "a constraint that the schema does not have: if it refuses what other nodes may write, their rows cannot be \
                 shown here"
            );
        }
    }
    Ok(())
}

/// Indexes of which neither the types of their columns nor the schema's keys say that every row fits.
pub(super) fn refusing_indexes(session: &mut Session, oid: i64, table: &Table) -> Result<Vec<String>, Failure> {
    // Hash indexes, GIN and SP-GiST keep hashes or pieces; what an expression yields is not looked at.
    let sql = "SELECT c.relname::text, ARRAY(SELECT a.attname::text FROM pg_catalog.pg_attribute a \
                 WHERE a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey::smallint[])) \
               FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid \
               JOIN pg_catalog.pg_am m ON m.oid = c.relam \
               WHERE i.indrelid = $1::oid AND i.indislive AND m.amname IN ('btree', 'gist', 'brin') ORDER BY 1";
    let mut refusing = Vec::new();
    for row in session.fetch(statement(sql).bind(oid))? {
        let (name, names): (String, Vec<String>) = (column(&row, 0)?, column(&row, 1)?);
        // Columns that the schema does not have are written here only.
        let columns: Vec<usize> =
            names.iter().filter_map(|name| table.column_by_name(name)).map(|(index, _)| index).collect();
        let is_key = table.uniques.iter().any(|unique| columns.iter().all(|column| unique.columns.contains(column)));
        if !is_key && !index_holds(columns.iter().map(|column| table.columns[*column].logical_type)) {
            refusing.push(name);
        }
    }
    Ok(refusing)
}

/// Triggers that may change what the sidecar writes, or write more, and do not ask `treaty.is_applying()`.
pub(super) fn meddling_triggers(session: &mut Session, oid: i64) -> Result<Vec<String>, Failure> {
    const ROW_BEFORE: i16 = 1 | 2;
    const INSERT_UPDATE: i16 = 4 | 16;
    let sql = "SELECT t.tgname::text FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid \
               WHERE t.tgrelid = $1::oid AND NOT t.tgisinternal AND t.tgenabled IN ('O', 'A') \
               AND p.pronamespace IS DISTINCT FROM pg_catalog.to_regnamespace('treaty') \
               AND pg_catalog.strpos(pg_catalog.pg_get_triggerdef(t.oid), 'is_applying') = 0 \
               AND pg_catalog.strpos(p.prosrc, 'is_applying') = 0 \
               AND (t.tgtype & $2 = $2 AND t.tgtype & $3 <> 0 OR p.prosrc ~* '\\m(insert|update|delete|merge)\\M') \
               ORDER BY 1";
    let rows = session.fetch(statement(sql).bind(oid).bind(ROW_BEFORE).bind(INSERT_UPDATE))?;
    rows.iter().map(|row| column(row, 0)).collect()
}
