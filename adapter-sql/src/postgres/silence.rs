//! A server that falls silent: the network is cut, or somewhere between a router forgot the connection. TCP tells nobody who only
//! waits for an answer.
//!
//! A statement may take as long as it takes: a large drain, a newcomer's first batch. So after a while of silence the server is
//! asked on another connection whether ours is still at work. If it is not, or nobody answers, the connection is given up; the
//! server's end of it, which may be there still and hold our locks, is ended when there is a connection again.

use std::pin::pin;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions, Connection, Error, Row};
use tokio::time::timeout;

/// How long to wait for a server before something is done about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// How long connecting may take, and an answer that takes no time.
    pub connecting: Duration,
    /// How long nothing may come from a server before it is asked whether it is at work. Idle, a sidecar asks something each
    /// second: it notices after this and [`Patience::connecting`], or after twice this if only its connection is dead.
    pub silence: Duration,
}

/// A minute or so until an idle sidecar notices; long enough that a question is rare, and no server too slow to answer it.
pub(super) const PATIENCE: Patience =
    Patience { connecting: Duration::from_secs(15), silence: Duration::from_secs(20) };

/// Questions in a row that find our connection idle: an answer may be on its way while the first is asked.
const DOUBTS_MAX: u32 = 2;

/// Has the server give up a client that it does not reach for a minute, where the system's default is hours: it holds locks.
pub(super) const KEEPALIVE: &str = "
SET tcp_keepalives_idle = 30;
SET tcp_keepalives_interval = 10;
SET tcp_keepalives_count = 3;
";

/// The server's end of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Backend {
    pid: i32,
    /// Numbers of processes are used again.
    started: String,
}

impl Backend {
    /// Asks which one serves a connection.
    pub(super) async fn of(connection: &mut PgConnection) -> Result<Backend, Error> {
        let sql =
            "SELECT pid, backend_start::text FROM pg_catalog.pg_stat_activity WHERE pid = pg_catalog.pg_backend_pid()";
        let row = sqlx::query(sql).fetch_one(connection).await?;
        Ok(Backend { pid: row.try_get(0)?, started: row.try_get(1)? })
    }

    /// Ends it, if it is there still, from another connection.
    pub(super) async fn end(&self, connection: &mut PgConnection) -> Result<(), Error> {
        let sql = "SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity \
                   WHERE pid = $1 AND backend_start = $2::timestamptz AND usename = session_user";
        sqlx::query(sql).bind(self.pid).bind(&self.started).fetch_optional(connection).await.map(drop)
    }

    /// Asks whether it is at work.
    ///
    /// # Errors
    /// If the server does not answer.
    async fn is_at_work(&self, options: &PgConnectOptions, patience: Patience) -> Result<bool, Error> {
        let asking = async {
            let mut other = options.connect().await?;
            // Where activities are not tracked, nobody is idle.
            let sql = "SELECT EXISTS (SELECT FROM pg_catalog.pg_stat_activity \
                       WHERE pid = $1 AND backend_start = $2::timestamptz AND state NOT LIKE 'idle%')";
            let row = sqlx::query(sql).bind(self.pid).bind(&self.started).fetch_one(&mut other).await?;
            other.close().await?;
            row.try_get(0)
        };
        match soon(asking, patience).await {
            // A server that has no room for another connection is one that answers.
            Err(refused) if refused.as_database_error().is_some() => Ok(true),
            asked => asked,
        }
    }
}

/// Waits for a server's answer, for as long as it is at work on it.
///
/// # Errors
/// Those of `work`; [`Error::Io`] if the server fell silent, and the connection is to be dropped.
pub(super) async fn answered<T>(
    work: impl Future<Output = Result<T, Error>>,
    backend: Option<&Backend>,
    options: &PgConnectOptions,
    patience: Patience,
) -> Result<T, Error> {
    let mut work = pin!(work);
    let mut doubt_count = 0;
    loop {
        if let Ok(done) = timeout(patience.silence, &mut work).await {
            return done;
        }
        let Some(backend) = backend else { return Err(silent()) };
        doubt_count = if backend.is_at_work(options, patience).await? { 0 } else { doubt_count + 1 };
        if doubt_count == DOUBTS_MAX {
            return Err(silent());
        }
    }
}

/// Waits for what takes no time.
///
/// # Errors
/// Those of `work`; [`Error::Io`] if it takes longer than [`Patience::connecting`].
pub(super) async fn soon<T>(work: impl Future<Output = Result<T, Error>>, patience: Patience) -> Result<T, Error> {
    timeout(patience.connecting, work).await.map_err(|_| silent()).flatten()
}

fn silent() -> Error {
    Error::Io(std::io::ErrorKind::TimedOut.into())
}
