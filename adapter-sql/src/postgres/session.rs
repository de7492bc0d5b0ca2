//! One connection to a PostgreSQL server, used by one thread that blocks.
//!
//! The connection is made with settings of its own, whatever role, database and server have set, so that values print in one
//! way. A connection that is lost ([`Failure::is_lost`]) is made again by the next statement, never in the middle of a
//! transaction: whoever had one open is told so by that very error. After any failure the transaction is over; only
//! [`Session::rollback_to_savepoint`] goes on in it. A server that falls [silent](super::silence) is lost, too.

use sqlx::postgres::{PgConnectOptions, PgConnection, PgDatabaseError, PgRow};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Decode, Executor, Postgres, Row, Type};
use tokio::runtime::Runtime;

use super::silence::{self, Backend, KEEPALIVE, PATIENCE, Patience};
use crate::database::{Cause, DatabaseError};

/// Oldest server, as `server_version_num` says it.
const VERSION_MIN: i32 = 130_000;
/// Prepared statements that a connection keeps: some twenty for each table of a schema.
const STATEMENTS_MAX: usize = 2_000;
/// Key of the advisory lock that one sidecar per database holds: `treaty` in ASCII.
const SIDECAR_LOCK: i64 = 0x7472_6561_7479_0000;

/// Settings of every connection. The path is empty, so that nobody's table or operator is taken for another.
const SETTINGS: &str = "
SET search_path = '';
SET TimeZone = 'UTC';
SET DateStyle = 'ISO, YMD';
SET IntervalStyle = 'iso_8601';
SET extra_float_digits = 3;
SET bytea_output = 'hex';
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SET row_security = off;
SET jit = off;
SET default_transaction_isolation = 'read committed';
SET default_transaction_deferrable = off;
SET lock_timeout = '2s';
SET statement_timeout = 0;
SET idle_in_transaction_session_timeout = '10min';
";

/// What a session is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Being the one sidecar of the database: takes a lock that only one session can have, for as long as it lasts.
    Sidecar,
    /// Reading, whoever else is there.
    Reading,
}

/// No statement waits long for a lock: whoever waits tries again. Less than `deadlock_timeout`, so that of us and an application
/// that wait for each other we are gone before the server looks for somebody to cancel.
const LOCK_PATIENCE: &str =
    "SELECT pg_catalog.set_config('lock_timeout', greatest(least(setting::bigint / 2, 2000), 1)::text, false)
FROM pg_catalog.pg_settings WHERE name = 'deadlock_timeout'";

/// A statement with what is bound to it.
pub(crate) type Statement<'s> = sqlx::query::Query<'s, Postgres, sqlx::postgres::PgArguments>;

/// Makes a statement of SQL that was built from quoted names and literals.
pub(crate) fn statement<'s>(sql: &str) -> Statement<'s> {
    sqlx::query(AssertSqlSafe(sql))
}

/// A connection, its runtime, and whether a transaction is open.
#[derive(Debug)]
pub struct Session {
    runtime: Runtime,
    options: Box<PgConnectOptions>,
    purpose: Purpose,
    connection: Option<PgConnection>,
    patience: Patience,
    /// The server's end of the connection.
    backend: Option<Backend>,
    /// The server's end of one that was lost: it may not know.
    left_behind: Option<Backend>,
    phase: Phase,
    /// How often the connection was lost.
    losses: u64,
    /// Whether it was lost where nobody could be told: by the next statement, then.
    is_untold: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// No transaction is open.
    Idle,
    /// One is.
    Open,
    /// One failed, and is to be rolled back.
    Failed,
}

impl Session {
    /// Connects, and checks that the server is one that Treaty can work with.
    ///
    /// # Errors
    /// [`DatabaseError::Open`] if there is no connection, [`DatabaseError::Unfit`] if server, database or what stands between
    /// will not do, or another sidecar has the database.
    pub fn open(options: &PgConnectOptions, purpose: Purpose) -> Result<Session, DatabaseError> {
        let opening = |cause: Cause| DatabaseError::Open { database: name(options), cause };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|cause| opening(Box::new(cause)))?;
        // SETTINGS sets it; PgBouncer refuses it as a parameter of the connection.
        let options = options.clone().extra_float_digits(None);
        let options = options.application_name("treaty").statement_cache_capacity(STATEMENTS_MAX);
        let options = Box::new(options.disable_statement_logging());
        let mut session = Session {
            runtime,
            options,
            purpose,
            connection: None,
            patience: PATIENCE,
            backend: None,
            left_behind: None,
            phase: Phase::Idle,
            losses: 0,
            is_untold: false,
        };
        session.connect().map_err(|failure| failure.opening(name(&session.options)))?;
        session.check_server()?;
        if purpose == Purpose::Sidecar {
            session.check_pooling()?;
        }
        Ok(session)
    }

    /// Returns how messages name the database; without a password.
    pub fn name(&self) -> String {
        name(&self.options)
    }

    /// Returns what it connects with.
    pub fn options(&self) -> &PgConnectOptions {
        &self.options
    }

    /// Says how long to wait for the server.
    pub(super) fn patience(&self) -> Patience {
        self.patience
    }

    /// Changes how long to wait for the server.
    pub(super) fn set_patience(&mut self, patience: Patience) {
        self.patience = patience;
    }

    /// Counts how often the connection was lost.
    pub(super) fn losses(&self) -> u64 {
        self.losses
    }

    /// Says whether a transaction is open, and has not failed.
    pub fn is_in_transaction(&self) -> bool {
        self.phase == Phase::Open
    }

    /// Begins a transaction; one that is open still is rolled back first.
    ///
    /// * `sql` - `BEGIN` and its modes, and statements that go with it.
    pub(crate) fn begin(&mut self, sql: &str) -> Result<(), Failure> {
        self.rollback();
        self.connected()?;
        self.phase = Phase::Open;
        self.script(sql)
    }

    /// Commits. If that fails the transaction is over, and if the connection was lost nobody knows whether it was committed.
    pub(crate) fn commit(&mut self) -> Result<(), Failure> {
        if self.phase != Phase::Open {
            return Err(Failure(sqlx::Error::Protocol("the transaction to be committed has failed".into())));
        }
        let committed = self.script("COMMIT");
        self.phase = if committed.is_ok() { Phase::Idle } else { Phase::Failed };
        committed
    }

    /// Rolls back, if a transaction is open.
    pub(crate) fn rollback(&mut self) {
        if self.phase == Phase::Idle {
            return;
        }
        self.phase = Phase::Idle;
        if self.connection.is_none() {
            return;
        }
        // A connection that cannot even roll back is given up, and the server rolls back.
        if self.script("ROLLBACK").is_err() {
            self.lose();
            self.is_untold = true;
        }
    }

    /// Sets a savepoint.
    pub(crate) fn savepoint(&mut self, name: &str) -> Result<(), Failure> {
        self.script(&format!("SAVEPOINT {name}"))
    }

    /// Goes back to a savepoint and forgets it, also after a failure.
    pub(crate) fn rollback_to_savepoint(&mut self, name: &str) -> Result<(), Failure> {
        if self.phase == Phase::Failed && self.connection.is_some() {
            self.phase = Phase::Open;
        }
        self.script(&format!("ROLLBACK TO {name}; RELEASE {name}"))
    }

    /// Forgets a savepoint.
    pub(crate) fn release_savepoint(&mut self, name: &str) -> Result<(), Failure> {
        self.script(&format!("RELEASE {name}"))
    }

    /// Runs statements that take no values and return nothing.
    pub(crate) fn script(&mut self, sql: &str) -> Result<(), Failure> {
        self.connected()?;
        let done = self.wait(async |connection| connection.execute(sqlx::raw_sql(AssertSqlSafe(sql))).await);
        self.kept(done).map(|_| ())
    }

    /// Runs a statement; returns how many rows it concerned.
    pub(crate) fn execute(&mut self, statement: Statement<'_>) -> Result<u64, Failure> {
        self.connected()?;
        let done = self.wait(async |connection| statement.execute(connection).await);
        self.kept(done).map(|result| result.rows_affected())
    }

    /// Runs a query; returns all of its rows.
    pub(crate) fn fetch(&mut self, statement: Statement<'_>) -> Result<Vec<PgRow>, Failure> {
        self.connected()?;
        let rows = self.wait(async |connection| statement.fetch_all(connection).await);
        self.kept(rows)
    }

    /// Runs a query that returns one row at most.
    pub(crate) fn fetch_optional(&mut self, statement: Statement<'_>) -> Result<Option<PgRow>, Failure> {
        Ok(self.fetch(statement)?.into_iter().next())
    }

    /// Runs a query that returns one value.
    pub(crate) fn fetch_value<T>(&mut self, statement: Statement<'_>) -> Result<T, Failure>
    where
        T: for<'r> Decode<'r, Postgres> + Type<Postgres>,
    {
        let row = self.fetch_optional(statement)?.ok_or(Failure(sqlx::Error::RowNotFound))?;
        column(&row, 0)
    }

    /// Waits for the server's answer, on the connection that there is.
    fn wait<T>(
        &mut self,
        work: impl AsyncFnOnce(&mut PgConnection) -> Result<T, sqlx::Error>,
    ) -> Result<T, sqlx::Error> {
        let Session { runtime, connection, backend, options, patience, .. } = self;
        let Some(connection) = connection else { return Err(Failure::lost().0) };
        runtime.block_on(silence::answered(work(connection), backend.as_ref(), options, *patience))
    }

    fn lose(&mut self) {
        if self.connection.take().is_some() {
            self.losses += 1;
            self.left_behind = self.backend.take().or(self.left_behind.take());
        }
    }

    /// Sees to it that there is a connection, and no transaction that failed.
    fn connected(&mut self) -> Result<(), Failure> {
        if self.phase == Phase::Failed {
            self.rollback();
        }
        if std::mem::take(&mut self.is_untold) {
            return Err(Failure::lost());
        }
        if self.connection.is_some() {
            return Ok(());
        }
        self.connect()
    }

    /// Keeps account of what a statement did to transaction and connection.
    fn kept<T>(&mut self, done: Result<T, sqlx::Error>) -> Result<T, Failure> {
        done.map_err(|cause| {
            let failure = Failure(cause);
            if failure.is_lost() || failure.is_stale() {
                self.lose();
                self.phase = Phase::Idle;
            } else if self.phase == Phase::Open {
                self.phase = Phase::Failed;
            }
            failure
        })
    }

    fn connect(&mut self) -> Result<(), Failure> {
        let Session { runtime, options, purpose, patience, left_behind, .. } = self;
        let connecting = async {
            let mut connection = options.connect().await?;
            connection.execute(sqlx::raw_sql(SETTINGS)).await?;
            connection.execute(sqlx::raw_sql(KEEPALIVE)).await?;
            if let Some(left_behind) = left_behind {
                left_behind.end(&mut connection).await?;
            }
            match purpose {
                Purpose::Sidecar => {
                    connection.execute(sqlx::raw_sql("SET default_transaction_read_only = off")).await?;
                    let lock = sqlx::query("SELECT pg_catalog.pg_advisory_lock($1)").bind(SIDECAR_LOCK);
                    connection.execute(lock).await?;
                }
                Purpose::Reading => {
                    connection.execute(sqlx::raw_sql("SET default_transaction_read_only = on")).await?;
                }
            }
            connection.execute(sqlx::raw_sql(LOCK_PATIENCE)).await?;
            let backend = Backend::of(&mut connection).await?;
            Ok((connection, backend))
        };
        let connected = runtime.block_on(async { silence::soon(connecting, *patience).await });
        let (connection, backend) = connected.map_err(Failure)?;
        (self.connection, self.backend, self.left_behind) = (Some(connection), Some(backend), None);
        Ok(())
    }

    fn check_server(&mut self) -> Result<(), DatabaseError> {
        let failed = doing("asking the server what it is");
        let sql = "SELECT current_setting('server_version_num')::int, current_setting('server_version'), \
                   current_setting('server_encoding'), pg_is_in_recovery()";
        let row = self.fetch_optional(statement(sql)).map_err(&failed)?.ok_or_else(|| failed(Failure::lost()))?;
        let version: i32 = column(&row, 0).map_err(&failed)?;
        let (shown, encoding): (String, String) =
            (column(&row, 1).map_err(&failed)?, column(&row, 2).map_err(&failed)?);
        let is_standby: bool = column(&row, 3).map_err(&failed)?;
        let what = if version < VERSION_MIN {
            format!("{} is PostgreSQL {shown}: 13 or later is needed", self.name())
        } else if encoding != "UTF8" {
            format!(
                "{} has the encoding {encoding}: make a database with ENCODING 'UTF8' and move the tables there",
                self.name()
            )
        } else if is_standby && self.purpose == Purpose::Sidecar {
            format!("{} is a standby, which takes no writes: name the primary", self.name())
        } else {
            return Ok(());
        };
        Err(DatabaseError::Unfit { what })
    }

    /// Two connections have two processes of the server, and each keeps its own, unless a pooler shares them out.
    fn check_pooling(&mut self) -> Result<(), DatabaseError> {
        let Session { runtime, options, connection, patience, .. } = self;
        let Some(connection) = connection else { return Ok(()) };
        let asking = async {
            let ask = || sqlx::raw_sql("SELECT pg_catalog.pg_backend_pid()");
            let before = connection.fetch_one(ask()).await?;
            let mut other = options.connect().await?;
            other.execute(sqlx::raw_sql("BEGIN")).await?;
            let beside = other.fetch_one(ask()).await?;
            let after = connection.fetch_one(ask()).await?;
            other.close().await?;
            [before, beside, after].iter().map(|row| row.try_get_unchecked::<i32, _>(0)).collect::<Result<Vec<_>, _>>()
        };
        let pids = runtime.block_on(async { silence::soon(asking, *patience).await });
        let pids = pids.map_err(|cause| Failure(cause).opening(name(options)))?;
        if pids[0] == pids[2] && pids[0] != pids[1] {
            return Ok(());
        }
        Err(DatabaseError::Unfit { what: format!("{}: {POOLED}", self.name()) })
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            // The lock of the sidecar goes with the connection, the sooner the better.
            let _ = self.runtime.block_on(connection.close());
        }
    }
}

const POOLED: &str = "a pooler (PgBouncer in transaction mode?) gives its connections to others between transactions; \
    connect to the server itself, or to a pool in session mode";

/// Returns how messages name a database.
fn name(options: &PgConnectOptions) -> String {
    let host = match options.get_socket() {
        Some(socket) => socket.display().to_string(),
        None => options.get_host().to_owned(),
    };
    let database = options.get_database().unwrap_or_else(|| options.get_username());
    format!("postgres://{}@{host}:{}/{database}", options.get_username(), options.get_port())
}

/// Reads a column of a row.
pub(crate) fn column<'r, T>(row: &'r PgRow, index: usize) -> Result<T, Failure>
where
    T: Decode<'r, Postgres> + Type<Postgres>,
{
    row.try_get(index).map_err(Failure)
}

/// Names what failed; what is worth another try is [`DatabaseError::Busy`].
pub(crate) fn doing(doing: &'static str) -> impl Fn(Failure) -> DatabaseError {
    move |failure| failure.into_error(doing)
}

/// Why a statement failed.
#[derive(Debug)]
pub(crate) struct Failure(sqlx::Error);

/// Serialization failure, not known whether committed, deadlock; lock not available, cancelled; read only (a server that is not
/// the primary yet, or whose disk is full).
const BUSY: [&str; 6] = ["40001", "40003", "40P01", "55P03", "57014", "25006"];
/// The server lacks something: room on its disk, memory, connections.
const SCARCE_CLASS: &str = "53";
/// Shutting down, crashed, starting, cut off for idling: there is no connection any more.
const LOST: [&str; 5] = ["57P01", "57P02", "57P03", "57P05", "25P03"];
/// What PostgreSQL says of a connection that broke, and poolers of theirs.
const LOST_CLASS: &str = "08";
/// A lock that could not be had in time.
const LOCKED: &str = "55P03";
/// Statements that are gone or were made by somebody else: a pooler.
const SHARED: [&str; 2] = ["26000", "42P05"];

impl Failure {
    fn lost() -> Failure {
        Failure(sqlx::Error::Protocol("the connection is lost".into()))
    }

    /// What the server said, if it said anything.
    fn said(&self) -> Option<&PgDatabaseError> {
        self.0.as_database_error().and_then(|error| error.try_downcast_ref())
    }

    /// The code of the server's error.
    pub(crate) fn code(&self) -> Option<&str> {
        self.said().map(PgDatabaseError::code)
    }

    /// Whether there is no connection any more.
    pub(crate) fn is_lost(&self) -> bool {
        match (&self.0, self.code()) {
            (_, Some(code)) => LOST.contains(&code) || code.starts_with(LOST_CLASS),
            (sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::Protocol(_), None) => true,
            _ => false,
        }
    }

    /// Whether a prepared statement is older than its table: only a new connection prepares it anew.
    fn is_stale(&self) -> bool {
        self.code() == Some("0A000") && self.said().is_some_and(|said| said.message().contains("cached plan"))
    }

    /// Whether the same statement may succeed later.
    pub(crate) fn is_busy(&self) -> bool {
        let is_busy = |code: &str| BUSY.contains(&code) || code.starts_with(SCARCE_CLASS);
        self.is_lost() || self.is_stale() || self.code().is_some_and(is_busy)
    }

    /// Whether a constraint, a trigger or a right of the database stands against what was written: neither the statement nor
    /// the server is at fault.
    pub(crate) fn is_refusal(&self) -> bool {
        let Some(code) = self.code() else { return false };
        // Data exceptions, constraints, exceptions raised, limits of an index, and classes that nobody has but triggers.
        let ours = ["08", "0A", "25", "26", "3D", "3F", "40", "42", "53", "55", "57", "58", "F0", "XX"];
        code == "42501" || !ours.iter().any(|class| code.starts_with(class))
    }

    /// Whether a unique key is there already.
    pub(crate) fn is_duplicate(&self) -> bool {
        self.code() == Some("23505")
    }

    /// The server's words, with its detail.
    pub(crate) fn words(&self) -> String {
        match self.said() {
            Some(said) => match said.detail() {
                Some(detail) => format!("{} ({detail})", said.message()),
                None => said.message().to_owned(),
            },
            None => self.0.to_string(),
        }
    }

    /// Names what failed.
    pub(crate) fn into_error(self, doing: &'static str) -> DatabaseError {
        if self.is_busy() {
            return DatabaseError::Busy { doing };
        }
        if self.code().is_some_and(|code| SHARED.contains(&code)) {
            return DatabaseError::Unfit { what: POOLED.to_owned() };
        }
        DatabaseError::Sql { doing, cause: Box::new(self.0) }
    }

    fn opening(self, database: String) -> DatabaseError {
        if self.code() == Some(LOCKED) {
            let what = format!(
                "another sidecar works on {database}: a database has one (advisory lock `treaty`); stop it first"
            );
            return DatabaseError::Unfit { what };
        }
        if self.words().contains("unsupported startup parameter") {
            return DatabaseError::Unfit { what: format!("{database}: {}: {POOLED}", self.words()) };
        }
        DatabaseError::Open { database, cause: Box::new(self.0) }
    }
}
