//! Making a PostgreSQL database part of a space, and taking Treaty out of it again; where a database is.

use treaty_ddl::sql::postgres::{adopt_table, bookkeeping, create_table};
use treaty_ddl::sql::quote::ident;
use treaty_schema::Schema;

use super::fit::{OURS, check_table, oid};
use super::guard::mend;
use super::session::{Failure, Session, column, doing, statement};
use super::{queue, state};
use crate::database::{DatabaseError, Existing, Tables, Uninstalled};

/// Makes bookkeeping, the tables that are missing, functions and triggers, and fits the tables that are there; in the open
/// transaction.
pub(super) fn install(session: &mut Session, schema: &Schema, existing: Existing) -> Result<Tables, DatabaseError> {
    check_rights(session)?;
    session.script(&bookkeeping()).map_err(doing("making the bookkeeping tables"))?;
    let tables = make_tables(session, schema, existing)?;
    mend(session, schema)?;
    Ok(tables)
}

fn check_rights(session: &mut Session) -> Result<(), DatabaseError> {
    let failed = doing("reading the rights of the role");
    let sql = "SELECT current_user::text, current_database()::text, \
               has_database_privilege(current_database(), 'CREATE'), has_schema_privilege('public', 'CREATE'), \
               pg_catalog.to_regnamespace('treaty') IS NOT NULL, \
               session_user = current_user";
    let row = session.fetch_optional(statement(sql)).map_err(&failed)?;
    let row = row.ok_or_else(|| DatabaseError::Damaged { what: "the server answers nothing".into() })?;
    let (role, database): (String, String) = (column(&row, 0).map_err(&failed)?, column(&row, 1).map_err(&failed)?);
    let fact = |index| column::<bool>(&row, index).map_err(&failed);
    let (role_sql, database_sql) = (ident(&role), ident(&database));
    let what = if fact(4)? {
        format!(
            "{database} has a schema named treaty that is not ours, or what is left of an installation: look at it, then DROP SCHEMA treaty CASCADE"
        )
    } else if !fact(2)? {
        format!("{role} may not make a schema in {database}: GRANT CREATE ON DATABASE {database_sql} TO {role_sql}")
    } else if !fact(3)? {
        format!("{role} may not make tables in the schema public: GRANT CREATE ON SCHEMA public TO {role_sql}")
    } else if !fact(5)? {
        "the role was changed by SET ROLE or a setting of the database: connect as the role that owns the tables"
            .to_owned()
    } else {
        return Ok(());
    };
    Err(DatabaseError::Unfit { what })
}

fn make_tables(session: &mut Session, schema: &Schema, existing: Existing) -> Result<Tables, DatabaseError> {
    let failed = doing("making tables");
    let (mut tables, mut reasons) = (Tables::default(), Vec::new());
    for table in schema.tables() {
        let name = table.name.as_str();
        if oid(session, name)?.is_none() {
            session.script(&create_table(schema, table)).map_err(&failed)?;
            tables.created.push(name.to_owned());
            continue;
        }
        match check_table(session, schema, table) {
            Ok(_) => {}
            Err(DatabaseError::SchemaChanged { table, what }) => {
                reasons.push(format!("table {table} does not fit the schema: {what}"));
                continue;
            }
            Err(other) => return Err(other),
        }
        session.script(&adopt_table(table)).map_err(&failed)?;
        let sql = format!("SELECT EXISTS (SELECT FROM public.{})", ident(name));
        if session.fetch_value::<bool>(statement(&sql)).map_err(&failed)? && existing == Existing::Refuse {
            reasons.push(format!("table {name} holds rows already: join with an empty database"));
        }
        tables.adopted.push(name.to_owned());
    }
    if reasons.is_empty() { Ok(tables) } else { Err(DatabaseError::Adoption { reasons }) }
}

/// Takes Treaty out, in a transaction of its own. Needs neither schema nor log.
pub(super) fn uninstall(session: &mut Session) -> Result<Uninstalled, DatabaseError> {
    let failed = doing("uninstalling");
    let Some(state) = state::read(session)? else {
        return Err(DatabaseError::NotInstalled { database: session.name() });
    };
    session.begin("BEGIN").map_err(&failed)?;
    let waiting_count = queue::waiting(session)?;
    let tables = tables_with_ours(session).map_err(&failed)?;
    session.script(&treaty_ddl::sql::postgres::uninstall()).map_err(&failed)?;
    for table in &tables {
        let drops = OURS.map(|name| format!("DROP COLUMN {name}")).join(", ");
        session.script(&format!("ALTER TABLE public.{} {drops}", ident(table))).map_err(&failed)?;
    }
    session.commit().map_err(failed)?;
    Ok(Uninstalled { space: state.space, tables, waiting_count })
}

fn tables_with_ours(session: &mut Session) -> Result<Vec<String>, Failure> {
    let sql = "SELECT c.relname::text FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
               WHERE n.nspname = 'public' AND c.relkind = 'r' AND (SELECT count(*) FROM pg_catalog.pg_attribute a \
               WHERE a.attrelid = c.oid AND a.attname = ANY($1) AND NOT a.attisdropped) = 2 ORDER BY 1";
    let names: Vec<String> = OURS.map(str::to_owned).to_vec();
    session.fetch(statement(sql).bind(names))?.iter().map(|row| column(row, 0)).collect()
}

/// Describes where the database is: its number in its cluster, and the cluster's.
pub(super) fn describe_place(session: &mut Session) -> Result<String, DatabaseError> {
    let failed = doing("asking the server where it is");
    let sql = "SELECT current_database()::text, d.oid::bigint, \
               pg_catalog.has_function_privilege('pg_catalog.pg_control_system()', 'EXECUTE') \
               FROM pg_catalog.pg_database d WHERE d.datname = current_database()";
    let row = session.fetch_optional(statement(sql)).map_err(&failed)?;
    let row = row.ok_or_else(|| DatabaseError::Damaged { what: "the server does not know the database".into() })?;
    let (name, number): (String, i64) = (column(&row, 0).map_err(&failed)?, column(&row, 1).map_err(&failed)?);
    if !column::<bool>(&row, 2).map_err(&failed)? {
        return Ok(format!("database {name} ({number})"));
    }
    let sql = "SELECT system_identifier::text FROM pg_catalog.pg_control_system()";
    let cluster: String = session.fetch_value(statement(sql)).map_err(failed)?;
    Ok(format!("database {name} ({number}) of cluster {cluster}"))
}
