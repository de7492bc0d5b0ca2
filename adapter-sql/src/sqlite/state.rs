//! The one row of `treaty_state`: what this database is, and what its tables show.

use rusqlite::{Connection, OptionalExtension, params};
use treaty_ddl::sql::sqlite::MIGRATIONS;
use treaty_engine::replica::Shown;

use super::connect::begin_write;
use super::error::doing;
use crate::database::{DatabaseError, State, parse_version, print_version};

/// The number of the last migration; the first is 1.
const MIGRATION_LAST: i64 = MIGRATIONS.len().cast_signed() as i64;

/// Reads the row; none if Treaty is not installed.
pub(super) fn read(connection: &Connection) -> Result<Option<State>, DatabaseError> {
    let is_installed: bool = connection
        .query_row("SELECT count(*) > 0 FROM sqlite_schema WHERE name = 'treaty_state'", [], |row| row.get(0))
        .map_err(doing("looking for treaty_state"))?;
    if !is_installed {
        return Ok(None);
    }
    let sql = "SELECT space, identity, instance, schema FROM treaty_state";
    let mut statement = connection.prepare_cached(sql).map_err(doing("reading treaty_state"))?;
    let columns = statement
        .query_row([], |row| Ok([row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?]))
        .optional()
        .map_err(doing("reading treaty_state"))?;
    let Some([space, identity, instance, schema]) = columns else {
        return Err(DatabaseError::Damaged { what: "treaty_state is empty".into() });
    };
    Ok(Some(State { space, identity, instance, schema, shown: shown(connection)? }))
}

/// Reads what the tables show.
pub(super) fn shown(connection: &Connection) -> Result<Shown, DatabaseError> {
    let mut statement =
        connection.prepare_cached("SELECT shown, basis FROM treaty_state").map_err(doing("reading treaty_state"))?;
    let (version, basis): (String, i64) =
        statement.query_row([], |row| Ok((row.get(0)?, row.get(1)?))).map_err(doing("reading treaty_state"))?;
    let damaged = |_| DatabaseError::Damaged { what: "treaty_state.basis is no number of a change".into() };
    Ok(Shown { version: parse_version(&version)?, basis: u64::try_from(basis).map_err(damaged)? })
}

/// Writes what the tables show, in the transaction that makes them show it.
pub(super) fn set_shown(connection: &Connection, shown: &Shown) -> Result<(), DatabaseError> {
    let mut statement = connection
        .prepare_cached("UPDATE treaty_state SET shown = ?1, basis = ?2")
        .map_err(doing("writing treaty_state"))?;
    statement
        .execute(params![print_version(&shown.version), shown.basis.cast_signed()])
        .map_err(doing("writing treaty_state"))?;
    Ok(())
}

/// Runs the migrations that came after the installation, in one write transaction. Nothing if Treaty is not installed.
pub(super) fn migrate(connection: &Connection) -> Result<(), DatabaseError> {
    let failed = doing("migrating the bookkeeping tables");
    let sql = "SELECT count(*) FILTER (WHERE name = 'shown'), count(*) FILTER (WHERE name = 'migration') \
               FROM pragma_table_info('treaty_state')";
    let (is_installed, is_numbered): (bool, bool) =
        connection.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?))).map_err(&failed)?;
    if !is_installed {
        return Ok(());
    }
    // The first migration kept no number.
    let done: i64 = if is_numbered {
        connection.query_row("SELECT migration FROM treaty_state", [], |row| row.get(0)).map_err(&failed)?
    } else {
        1
    };
    if done >= MIGRATION_LAST {
        return Ok(());
    }
    let write = begin_write(connection)?;
    for (_, (_, sql)) in (1..).zip(&MIGRATIONS).filter(|(number, _)| *number > done) {
        write.execute_batch(sql).map_err(&failed)?;
    }
    write.execute("UPDATE treaty_state SET migration = ?1", [MIGRATION_LAST]).map_err(&failed)?;
    write.commit().map_err(failed)
}

/// Writes the row for the first time.
pub(super) fn create(connection: &Connection, state: &State) -> Result<(), DatabaseError> {
    let State { space, identity, instance, schema, shown } = state;
    connection
        .execute(
            "INSERT INTO treaty_state (one, space, identity, instance, schema, shown, basis, migration) \
             VALUES (1, ?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            params![
                space,
                identity,
                instance,
                schema,
                print_version(&shown.version),
                shown.basis.cast_signed(),
                MIGRATION_LAST
            ],
        )
        .map_err(doing("writing treaty_state"))?;
    Ok(())
}
