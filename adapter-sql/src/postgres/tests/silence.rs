//! Networks that are cut, and routers that forget: TCP tells nobody.

use std::sync::mpsc::channel;
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use treaty_testkit::{PostgresServer, Wire};

use super::{Installed, database};
use crate::database::DatabaseError;
use crate::postgres::session::{Purpose, Session, doing, statement};
use crate::postgres::silence::{PATIENCE, Patience};
use crate::postgres::wake::{ARMED, Wake};

/// For silences that are real: nobody who is there is silent for so long but by chance, and then is asked again.
const SHORT: Patience = Patience { connecting: Duration::from_millis(500), silence: Duration::from_millis(50) };

/// A sidecar's session over a wire, which is patient yet.
fn wired() -> (Wire, PgConnectOptions, Session) {
    let (_, options) = database();
    let wire = Wire::to(PostgresServer::shared().port());
    let session = Session::open(&options.clone().port(wire.port()), Purpose::Sidecar).unwrap();
    (wire, options, session)
}

fn number(session: &mut Session, sql: &str) -> Result<i32, DatabaseError> {
    session.fetch_value(statement(sql)).map_err(doing("counting"))
}

/// Asks until there is an answer.
fn number_at_last(session: &mut Session, sql: &str) -> i32 {
    loop {
        match number(session, sql) {
            Ok(number) => return number,
            Err(DatabaseError::Busy { .. }) => {}
            Err(other) => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_server_that_is_cut_off_is_lost_and_found_again() {
    let (wire, _, mut session) = wired();
    assert_eq!(number(&mut session, "SELECT 1").unwrap(), 1);
    wire.cut();
    session.set_patience(SHORT);
    for _ in 0..3 {
        assert!(matches!(number(&mut session, "SELECT 1"), Err(DatabaseError::Busy { .. })));
    }
    wire.mend();
    // What was left behind has the lock of the sidecar, and knows of nothing: it is ended.
    assert_eq!(number_at_last(&mut session, "SELECT 1"), 1);
}

#[test]
fn a_connection_that_a_router_forgot_takes_its_transaction_and_its_locks_with_it() {
    let (wire, options, mut session) = wired();
    let mut other = Session::open(&options, Purpose::Reading).unwrap();
    other.script("SET default_transaction_read_only = off").map_err(doing("x")).unwrap();
    other.script("CREATE TABLE public.t (n int)").map_err(doing("x")).unwrap();
    session.begin("BEGIN; LOCK TABLE public.t; INSERT INTO public.t VALUES (1)").map_err(doing("x")).unwrap();
    wire.forget();
    session.set_patience(SHORT);
    assert!(matches!(session.commit().map_err(doing("committing")), Err(DatabaseError::Busy { .. })));
    assert_eq!(number_at_last(&mut session, "SELECT count(*)::int FROM public.t"), 0);
    assert_eq!(
        number_at_last(&mut other, "WITH new AS (INSERT INTO public.t VALUES (2) RETURNING n) SELECT n FROM new"),
        2
    );
}

#[test]
fn a_statement_that_takes_long_is_waited_for() {
    let (_wire, options, mut session) = wired();
    session.set_patience(Patience { silence: Duration::from_millis(10), ..PATIENCE });
    session.script("CREATE TABLE public.t (n int)").map_err(doing("x")).unwrap();
    let mut other = Session::open(&options, Purpose::Reading).unwrap();
    other.begin("BEGIN; LOCK TABLE public.t IN ACCESS SHARE MODE").map_err(doing("x")).unwrap();
    // Half a second, until the server says that it cannot have the lock.
    session.begin("BEGIN").map_err(doing("x")).unwrap();
    let refused = session.script("DROP TABLE public.t").unwrap_err();
    assert_eq!(refused.code(), Some("55P03"));
    assert_eq!(session.losses(), 0);
}

#[test]
fn whoever_listens_notices_and_listens_again() {
    let mut installed = Installed::new("CREATE TABLE t (id UUID PRIMARY KEY, n INTEGER);");
    let wire = Wire::to(PostgresServer::shared().port());
    let mut ear = Session::open(&installed.options.clone().port(wire.port()), Purpose::Reading).unwrap();
    ear.set_patience(SHORT);
    let mut wake = Wake::new(true);
    let (event, woken) = channel();
    let _watch = wake.watch(&ear, Box::new(move || event.send(()).unwrap_or_default())).unwrap();
    let mut woken_until = |is_asleep: bool| {
        while (wake.rhythm() == ARMED) != is_asleep {
            woken.recv().unwrap();
            wake.look(&mut installed.session).unwrap();
        }
    };
    woken_until(true);
    wire.cut();
    woken_until(false);
    wire.mend();
    woken_until(true);
}
