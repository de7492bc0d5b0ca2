//! `treaty.state` and `treaty.views`: what this database is, what its tables show, and what they showed to work that is not
//! in the log yet.

use std::collections::BTreeSet;

use sqlx::postgres::PgRow;
use treaty_ddl::sql::postgres::MIGRATIONS;
use treaty_engine::replica::Shown;

use super::session::{Failure, Session, column, doing, statement};
use crate::database::{DatabaseError, State, parse_version, print_version};

/// The number of the last migration; the first is 1.
pub(super) const MIGRATION_LAST: i64 = MIGRATIONS.len().cast_signed() as i64;

/// Views kept for transactions that began before them. One is added with each batch applied and all but the last go with the
/// next local change; a transaction that is open for longer than so many batches is entered on the oldest that is kept.
const VIEWS_MAX: i64 = 10_000;

/// Reads the state; none if Treaty is not installed.
pub(super) fn read(session: &mut Session) -> Result<Option<State>, DatabaseError> {
    let failed = doing("looking for treaty.state");
    let sql = "SELECT pg_catalog.to_regclass('treaty.state') IS NOT NULL";
    if !session.fetch_value::<bool>(statement(sql)).map_err(failed)? {
        return Ok(None);
    }
    let failed = doing("reading treaty.state");
    let sql = "SELECT space, identity, instance, schema FROM treaty.state";
    let Some(row) = session.fetch_optional(statement(sql)).map_err(&failed)? else {
        return Err(DatabaseError::Damaged { what: "treaty.state is empty".into() });
    };
    let text = |index| column::<String>(&row, index).map_err(&failed);
    let (space, identity, instance, schema) = (text(0)?, text(1)?, text(2)?, text(3)?);
    Ok(Some(State { space, identity, instance, schema, shown: shown(session)? }))
}

/// Reads what the tables show.
pub(super) fn shown(session: &mut Session) -> Result<Shown, DatabaseError> {
    let failed = doing("reading treaty.state");
    let row = session.fetch_optional(statement("SELECT shown, basis FROM treaty.state")).map_err(&failed)?;
    let row = row.ok_or_else(|| DatabaseError::Damaged { what: "treaty.state is empty".into() })?;
    read_shown(&row, 0)
}

/// Reads a version and its basis from two columns.
fn read_shown(row: &PgRow, index: usize) -> Result<Shown, DatabaseError> {
    let failed = doing("reading what the tables show");
    let version: String = column(row, index).map_err(&failed)?;
    let basis: i64 = column(row, index + 1).map_err(failed)?;
    let damaged = |_| DatabaseError::Damaged { what: "a basis is no number of a change".into() };
    Ok(Shown { version: parse_version(&version)?, basis: u64::try_from(basis).map_err(damaged)? })
}

/// Returns what the tables showed in each view from `from` on, ascending.
pub(super) fn views(session: &mut Session, from: i64) -> Result<Vec<(i64, Shown)>, DatabaseError> {
    let failed = doing("reading treaty.views");
    let sql = "SELECT view, shown, basis FROM treaty.views WHERE view >= $1 ORDER BY view";
    let mut rows = session.fetch(statement(sql).bind(from)).map_err(&failed)?;
    if rows.is_empty() {
        // Lines of a later view than any: of a database that was put together from two.
        let sql = "SELECT view, shown, basis FROM treaty.views ORDER BY view DESC LIMIT 1";
        rows = session.fetch(statement(sql)).map_err(&failed)?;
    }
    let views: Vec<(i64, Shown)> = rows
        .iter()
        .map(|row| Ok((column(row, 0).map_err(&failed)?, read_shown(row, 1)?)))
        .collect::<Result<_, DatabaseError>>()?;
    if views.is_empty() {
        return Err(DatabaseError::Damaged { what: "treaty.views is empty".into() });
    }
    Ok(views)
}

/// Says what the tables show in these views, all from the first on; those before it are forgotten.
pub(super) fn set_views(session: &mut Session, views: &[(i64, Shown)]) -> Result<(), DatabaseError> {
    let failed = doing("writing treaty.views");
    let (Some((first, _)), Some((_, last))) = (views.first(), views.last()) else { return Ok(()) };
    session.execute(statement("DELETE FROM treaty.views WHERE view < $1").bind(first)).map_err(&failed)?;
    let sql = "UPDATE treaty.views v SET shown = u.shown, basis = u.basis \
               FROM unnest($1::bigint[], $2::text[], $3::bigint[]) AS u(view, shown, basis) \
               WHERE v.view = u.view AND (v.shown <> u.shown OR v.basis <> u.basis)";
    let numbers: Vec<i64> = views.iter().map(|(view, _)| *view).collect();
    let versions: Vec<String> = views.iter().map(|(_, shown)| print_version(&shown.version)).collect();
    let bases: Vec<i64> = views.iter().map(|(_, shown)| shown.basis.cast_signed()).collect();
    session.execute(statement(sql).bind(numbers).bind(versions).bind(bases)).map_err(&failed)?;
    set_shown(session, last).map_err(failed)
}

/// Says what the tables show from now on: a batch was applied.
pub(super) fn add_view(session: &mut Session, shown: &Shown) -> Result<(), DatabaseError> {
    let failed = doing("writing treaty.views");
    let sql = "WITH state AS (UPDATE treaty.state SET view = view + 1 RETURNING view) \
               INSERT INTO treaty.views (view, shown, basis) SELECT view, $1, $2 FROM state RETURNING view";
    let adding = statement(sql).bind(print_version(&shown.version)).bind(shown.basis.cast_signed());
    let view: i64 = session.fetch_value(adding).map_err(&failed)?;
    let forgetting = statement("DELETE FROM treaty.views WHERE view <= $1").bind(view - VIEWS_MAX);
    session.execute(forgetting).map_err(&failed)?;
    set_shown(session, shown).map_err(failed)
}

fn set_shown(session: &mut Session, shown: &Shown) -> Result<(), Failure> {
    let sql = "UPDATE treaty.state SET shown = $1, basis = $2";
    let setting = statement(sql).bind(print_version(&shown.version)).bind(shown.basis.cast_signed());
    session.execute(setting).map(|_| ())
}

/// Writes the state and the first view.
pub(super) fn create(session: &mut Session, state: &State) -> Result<(), DatabaseError> {
    let failed = doing("writing treaty.state");
    let State { space, identity, instance, schema, shown } = state;
    let (version, basis) = (print_version(&shown.version), shown.basis.cast_signed());
    let sql = "INSERT INTO treaty.state (space, identity, instance, schema, shown, basis, migration) \
               VALUES ($1, $2, $3, $4, $5, $6, $7)";
    let creating = statement(sql).bind(space).bind(identity).bind(instance).bind(schema);
    session.execute(creating.bind(&version).bind(basis).bind(MIGRATION_LAST)).map_err(&failed)?;
    let sql = "INSERT INTO treaty.views (view, shown, basis) VALUES (0, $1, $2)";
    session.execute(statement(sql).bind(version).bind(basis)).map_err(failed)?;
    Ok(())
}

/// Runs the migrations that came after the installation, in one transaction. Nothing if Treaty is not installed.
pub(super) fn migrate(session: &mut Session) -> Result<(), DatabaseError> {
    let failed = doing("migrating the bookkeeping tables");
    let sql = "SELECT a.attname::text FROM pg_catalog.pg_attribute a \
               WHERE a.attrelid = pg_catalog.to_regclass('treaty.state') AND a.attnum > 0";
    let rows = session.fetch(statement(sql)).map_err(&failed)?;
    let columns: BTreeSet<String> = rows.iter().map(|row| column(row, 0)).collect::<Result<_, _>>().map_err(&failed)?;
    if !columns.contains("shown") {
        return Ok(());
    }
    // The first migration kept no number.
    let done: i64 = if columns.contains("migration") {
        session.fetch_value(statement("SELECT migration FROM treaty.state")).map_err(&failed)?
    } else {
        1
    };
    if done >= MIGRATION_LAST {
        return Ok(());
    }
    session.begin("BEGIN").map_err(&failed)?;
    for (_, (_, sql)) in (1..).zip(&MIGRATIONS).filter(|(number, _)| *number > done) {
        session.script(sql).map_err(&failed)?;
    }
    session
        .execute(statement("UPDATE treaty.state SET migration = $1").bind(MIGRATION_LAST))
        .and_then(|_| session.commit())
        .map_err(failed)
}
