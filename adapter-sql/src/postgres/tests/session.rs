//! One connection: what it shows, what it survives, and whom it shuts out.

use treaty_testkit::{Durability, PostgresServer};

use super::{database, options};
use crate::database::DatabaseError;
use crate::postgres::session::{Purpose, Session, doing, statement};

fn sidecar() -> (String, Session) {
    let (name, options) = database();
    (name, Session::open(&options, Purpose::Sidecar).unwrap())
}

fn number(session: &mut Session, sql: &str) -> Result<i32, DatabaseError> {
    session.fetch_value(statement(sql)).map_err(doing("counting"))
}

#[test]
fn values_print_alike_whatever_server_and_role_have_set() {
    let (name, options) = database();
    for setting in ["DateStyle = 'German'", "bytea_output = 'escape'", "extra_float_digits = -15", "search_path = 'x'"]
    {
        PostgresServer::shared().psql("postgres", "postgres", &format!("ALTER ROLE {name} SET {setting}")).unwrap();
    }
    let mut session = Session::open(&options, Purpose::Sidecar).unwrap();
    let sql = "SELECT concat_ws(' ', '2024-01-31 12:00-05'::timestamptz, '\\x00ff'::bytea, 0.1::float8 + 0.2, current_schemas(false))";
    let shown: String = session.fetch_value(statement(sql)).map_err(doing("printing")).unwrap();
    assert_eq!(shown, r"2024-01-31 17:00:00+00 \x00ff 0.30000000000000004 {}");
    assert_eq!(session.name(), format!("postgres://{name}@127.0.0.1:{}/{name}", PostgresServer::shared().port()));
}

#[test]
fn a_password_is_never_shown() {
    let (_, options) = database();
    let session = Session::open(&options.password("hunter2"), Purpose::Reading).unwrap();
    assert!(!session.name().contains("hunter2"));
    let refused = Session::open(&session.options().clone().host("127.0.0.1").port(1), Purpose::Reading).unwrap_err();
    assert!(matches!(refused, DatabaseError::Open { .. }));
    assert!(!format!("{refused:?}").contains("hunter2"));
}

#[test]
fn a_database_has_one_sidecar_and_any_number_of_readers() {
    let (_, options) = database();
    let first = Session::open(&options, Purpose::Sidecar).unwrap();
    let second = Session::open(&options, Purpose::Sidecar).unwrap_err();
    assert!(
        matches!(&second, DatabaseError::Unfit { what } if what.starts_with("another sidecar works on")),
        "{second}"
    );
    let mut reader = Session::open(&options, Purpose::Reading).unwrap();
    assert!(reader.script("CREATE TABLE public.x ()").is_err());
    drop(first);
    Session::open(&options, Purpose::Sidecar).unwrap();
}

#[test]
fn a_failure_ends_the_transaction_and_the_next_statement_is_outside_of_it() {
    let (_, mut session) = sidecar();
    session.script("CREATE TABLE public.t (n int)").map_err(doing("x")).unwrap();
    session.begin("BEGIN").map_err(doing("x")).unwrap();
    session.script("INSERT INTO public.t VALUES (1)").map_err(doing("x")).unwrap();
    assert!(session.is_in_transaction());
    assert!(session.script("SELECT 1/0").is_err());
    assert!(!session.is_in_transaction());
    assert_eq!(number(&mut session, "SELECT count(*)::int FROM public.t").unwrap(), 0);
    assert!(session.commit().is_err());
}

#[test]
fn a_savepoint_survives_a_failure() {
    let (_, mut session) = sidecar();
    session.script("CREATE TABLE public.t (n int)").map_err(doing("x")).unwrap();
    session.begin("BEGIN").map_err(doing("x")).unwrap();
    session.script("INSERT INTO public.t VALUES (1)").map_err(doing("x")).unwrap();
    session.savepoint("s").map_err(doing("x")).unwrap();
    assert!(session.script("INSERT INTO public.t VALUES (2); SELECT 1/0").is_err());
    session.rollback_to_savepoint("s").map_err(doing("x")).unwrap();
    session.commit().map_err(doing("x")).unwrap();
    assert_eq!(number(&mut session, "SELECT sum(n)::int FROM public.t").unwrap(), 1);
}

#[test]
fn a_backend_that_is_killed_is_busy_once_and_then_there_is_another() {
    let (name, mut session) = sidecar();
    PostgresServer::shared().end_sessions(&name, "true");
    let failed = number(&mut session, "SELECT 1").unwrap_err();
    assert!(matches!(failed, DatabaseError::Busy { doing: "counting" }), "{failed:?}");
    assert_eq!(number(&mut session, "SELECT 1").unwrap(), 1);

    session.script("CREATE TABLE public.t (n int)").map_err(doing("x")).unwrap();
    session.begin("BEGIN").map_err(doing("x")).unwrap();
    session.script("INSERT INTO public.t VALUES (1)").map_err(doing("x")).unwrap();
    PostgresServer::shared().end_sessions(&name, "true");
    assert!(matches!(session.commit().map_err(doing("committing")), Err(DatabaseError::Busy { .. })));
    assert_eq!(number(&mut session, "SELECT count(*)::int FROM public.t").unwrap(), 0);
    // It is the database's sidecar again.
    let locked = "SELECT count(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database \
                  WHERE l.locktype = 'advisory' AND d.datname = current_database()";
    assert_eq!(PostgresServer::shared().psql(&name, "postgres", locked).unwrap(), "1");
}

#[test]
fn a_restart_of_the_server_is_outlived() {
    let server = PostgresServer::start(Durability::On);
    let name = server.create_database();
    let mut session = Session::open(&options(&server, &name), Purpose::Sidecar).unwrap();
    server.crash();
    assert!(matches!(number(&mut session, "SELECT 1"), Err(DatabaseError::Busy { .. })));
    assert_eq!(number(&mut session, "SELECT 1").unwrap(), 1);
    drop(server);
    assert!(matches!(number(&mut session, "SELECT 1"), Err(DatabaseError::Busy { .. })));
    assert!(matches!(number(&mut session, "SELECT 1"), Err(DatabaseError::Busy { .. })));
}

#[test]
fn a_lock_that_somebody_holds_is_busy() {
    let (_, options) = database();
    let mut session = Session::open(&options, Purpose::Sidecar).unwrap();
    session.script("CREATE TABLE public.t (n int)").map_err(doing("x")).unwrap();
    let mut other = Session::open(&options, Purpose::Reading).unwrap();
    other.begin("BEGIN; LOCK TABLE public.t IN ACCESS SHARE MODE").map_err(doing("x")).unwrap();
    let busy = session.script("DROP TABLE public.t").map_err(doing("dropping")).unwrap_err();
    assert!(matches!(busy, DatabaseError::Busy { doing: "dropping" }), "{busy:?}");
}

#[test]
fn another_encoding_is_refused_with_what_to_do() {
    let server = PostgresServer::shared();
    let (name, _) = database();
    let latin = format!("CREATE DATABASE {name}_latin OWNER {name} ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0");
    server.psql("postgres", "postgres", &latin).unwrap();
    let refused =
        Session::open(&options(server, &name).database(&format!("{name}_latin")), Purpose::Sidecar).unwrap_err();
    assert!(matches!(&refused, DatabaseError::Unfit { what } if what.contains("ENCODING 'UTF8'")), "{refused}");
}

#[test]
fn of_an_application_that_waits_for_us_and_the_sidecar_it_is_the_sidecar_that_gives_up() {
    let (_, options) = database();
    let mut session = Session::open(&options, Purpose::Sidecar).unwrap();
    let patience = "SELECT setting::bigint FROM pg_settings WHERE name = $1";
    let mut ask =
        |name: &str| session.fetch_value::<i64>(statement(patience).bind(name.to_owned())).map_err(doing("x")).unwrap();
    assert!(ask("lock_timeout") < ask("deadlock_timeout"));
}
