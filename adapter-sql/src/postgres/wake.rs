//! Noticing that somebody wrote: looking at the queue and, where the operator chose it, NOTIFY.
//!
//! A pending NOTIFY takes a lock of the whole cluster at commit, so that busy writers would wait for each other. A trigger on
//! the queue therefore notifies only while the sidecar sleeps and has said so in `treaty.wake`: the first commit after that wakes it,
//! and the flag is lowered before the queue is read.

use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use tokio::sync::oneshot;
use tracing::{debug, warn};
use treaty_ddl::sql::postgres::{NOTIFY_OFF, NOTIFY_ON};

use super::session::{Session, doing, statement};
use crate::database::{DatabaseError, Look, Rhythm, Watch};

/// The channel of NOTIFY.
const CHANNEL: &str = "treaty";
/// Pause before connecting again.
const RETRY: Duration = Duration::from_secs(2);

/// Looking alone: quick after a write, and four times a second when nothing comes.
const POLLING: Rhythm = Rhythm { burst_ms_max: 16, idle_ms_min: 32, idle_ms_max: 250 };
/// Besides NOTIFY: a safety net for transactions that read the flag before it was raised.
const NOTIFIED: Rhythm = Rhythm { burst_ms_max: 16, idle_ms_min: 250, idle_ms_max: 1_000 };

/// What is known of `treaty.wake`.
#[derive(Debug)]
pub(super) struct Wake {
    /// Whether the operator chose NOTIFY.
    is_wanted: bool,
    /// Whether the trigger that notifies is there, or is gone, as wanted.
    is_settled: bool,
    is_armed: bool,
}

impl Wake {
    pub(super) fn new(is_wanted: bool) -> Wake {
        Wake { is_wanted, is_settled: false, is_armed: false }
    }

    pub(super) fn rhythm(&self) -> Rhythm {
        if self.is_wanted { NOTIFIED } else { POLLING }
    }

    /// Looks whether the queue has lines, and raises or lowers the flag.
    pub(super) fn look(&mut self, session: &mut Session) -> Result<Look, DatabaseError> {
        let mut look = look(session)?;
        if !self.is_settled {
            let sql = if self.is_wanted { NOTIFY_ON } else { NOTIFY_OFF };
            session.script(sql).map_err(doing("making or removing the trigger that notifies"))?;
            self.is_settled = true;
        }
        if self.is_wanted && !self.is_armed && look == Look::Unchanged {
            self.arm(
                session,
                "INSERT INTO treaty.wake (armed) SELECT true WHERE NOT EXISTS (SELECT FROM treaty.wake)",
            )?;
            self.is_armed = true;
            look = self::look(session)?;
        }
        if self.is_armed && look == Look::Changed {
            self.arm(session, "DELETE FROM treaty.wake")?;
            self.is_armed = false;
        }
        Ok(look)
    }

    fn arm(&self, session: &mut Session, sql: &str) -> Result<(), DatabaseError> {
        session.execute(statement(sql)).map_err(doing("writing treaty.wake"))?;
        Ok(())
    }

    /// Listens on a connection of its own, in a thread of its own, if the operator chose NOTIFY.
    pub(super) fn watch(&self, options: &PgConnectOptions, on_event: Box<dyn Fn() + Send>) -> Option<Box<dyn Watch>> {
        if !self.is_wanted {
            return None;
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.inspect_err(|failed| warn!(error = %failed, "nobody listens for NOTIFY")).ok()?;
        let (stop, stopped) = oneshot::channel();
        let options = options.clone();
        let listening = move || {
            runtime.block_on(async {
                tokio::select! {
                    () = listen(&options, &*on_event) => {}
                    // Also when the other end is dropped without a word.
                    _ = stopped => {}
                }
            });
        };
        let started = std::thread::Builder::new().name("listener".into()).spawn(listening);
        started.inspect_err(|failed| warn!(error = %failed, "nobody listens for NOTIFY")).ok()?;
        Some(Box::new(Listening { _stop: stop }))
    }
}

fn look(session: &mut Session) -> Result<Look, DatabaseError> {
    let sql = "SELECT EXISTS (SELECT FROM treaty.queue)";
    let has_lines = session.fetch_value::<bool>(statement(sql)).map_err(doing("looking at treaty.queue"))?;
    Ok(if has_lines { Look::Changed } else { Look::Unchanged })
}

/// Listens until it is dropped.
struct Listening {
    _stop: oneshot::Sender<()>,
}

impl Watch for Listening {}

/// Calls `on_event` for each notification, and whenever some may have been missed.
async fn listen(options: &PgConnectOptions, on_event: &dyn Fn()) {
    loop {
        if let Err(failed) = listen_once(options, on_event).await {
            debug!(error = %failed, "listening for NOTIFY failed; connecting again");
        }
        on_event();
        tokio::time::sleep(RETRY).await;
    }
}

async fn listen_once(options: &PgConnectOptions, on_event: &dyn Fn()) -> Result<(), sqlx::Error> {
    let pool = PgPoolOptions::new().max_connections(1).connect_lazy_with(options.clone());
    let mut listener = PgListener::connect_with(&pool).await?;
    listener.listen(CHANNEL).await?;
    loop {
        // None: the connection was lost and is there again; what came in between is not told.
        listener.try_recv().await?;
        on_event();
    }
}
