//! Noticing that somebody wrote: looking at the queue and, where the operator chose it, NOTIFY.
//!
//! A pending NOTIFY takes a lock of the whole cluster at commit, so that busy writers would wait for each other. A trigger on
//! the queue therefore notifies only while the sidecar sleeps: while it has an advisory lock for itself. A writer who finds it
//! free shares it until the end of his transaction, and notifies nobody. So the sidecar gets it only when no transaction is open
//! that will not tell, looks once more, for those that ended just before, and may sleep: whoever writes from then on tells,
//! whatever his isolation, and whenever he commits. The lock goes with the connection, and nothing is left armed by a crash.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sqlx::Executor;
use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use tokio::sync::oneshot;
use tokio::time::timeout;
use tracing::{debug, warn};
use treaty_ddl::sql::postgres::{NOTIFY_OFF, NOTIFY_ON, SLEEP_LOCK};

use super::session::{Session, doing, statement};
use super::silence::{KEEPALIVE, Patience, soon};
use crate::database::{DatabaseError, Look, Rhythm, Watch};

/// The channel of NOTIFY.
const CHANNEL: &str = "treaty";
/// Pause before connecting again.
const RETRY: Duration = Duration::from_secs(2);

/// Looking alone: often after a write, and four times a second when nothing has come for two.
const POLLING: Rhythm = Rhythm { pause_ms_min: 1, growth_part: 8, pause_ms_max: 250 };
/// While every writer tells: no look is needed but to find out that the server is gone.
pub(super) const ARMED: Rhythm = Rhythm { pause_ms_min: 1_000, growth_part: 1, pause_ms_max: 1_000 };

/// Whether the sidecar is told of commits, and what is to be done for that.
#[derive(Debug)]
pub(super) struct Wake {
    /// Whether the operator chose NOTIFY.
    is_wanted: bool,
    /// Whether the trigger that notifies is there, or is gone, as wanted.
    is_settled: bool,
    /// [`Session::losses`] when the lock was had: of another connection, nobody has it. None while it is free.
    pub(super) armed: Option<u64>,
    /// Whether somebody would hear.
    pub(super) is_listening: Arc<AtomicBool>,
}

impl Wake {
    pub(super) fn new(is_wanted: bool) -> Wake {
        Wake { is_wanted, is_settled: false, armed: None, is_listening: Arc::default() }
    }

    /// How often to look until the next look.
    pub(super) fn rhythm(&self) -> Rhythm {
        if self.armed.is_some() { ARMED } else { POLLING }
    }

    /// Looks whether the queue has lines, and sees to it that the next writer tells, or need not.
    pub(super) fn look(&mut self, session: &mut Session) -> Result<Look, DatabaseError> {
        let look = look(session)?;
        if !self.is_settled {
            let sql = if self.is_wanted { NOTIFY_ON } else { NOTIFY_OFF };
            session.script(sql).map_err(doing("making or removing the trigger that notifies"))?;
            self.is_settled = true;
        }
        if self.armed.is_some_and(|losses| losses != session.losses()) {
            self.armed = None;
        }
        let would_hear = self.is_listening.load(Ordering::Acquire);
        match (self.armed, look) {
            (None, Look::Unchanged) if would_hear => self.arm(session),
            (Some(_), Look::Changed) => self.disarm(session).map(|()| look),
            (Some(_), Look::Unchanged) if !would_hear => self.disarm(session).map(|()| look),
            _ => Ok(look),
        }
    }

    /// Takes the lock, if no writer shares it, and looks again.
    fn arm(&mut self, session: &mut Session) -> Result<Look, DatabaseError> {
        let sql = "SELECT pg_catalog.pg_try_advisory_lock($1)";
        let asking = statement(sql).bind(SLEEP_LOCK);
        if !session.fetch_value::<bool>(asking).map_err(doing("asking to be told of commits"))? {
            return Ok(Look::Unchanged);
        }
        self.armed = Some(session.losses());
        let look = look(session)?;
        if look == Look::Changed {
            self.disarm(session)?;
        }
        Ok(look)
    }

    fn disarm(&mut self, session: &mut Session) -> Result<(), DatabaseError> {
        let sql = "SELECT pg_catalog.pg_advisory_unlock($1)";
        session.execute(statement(sql).bind(SLEEP_LOCK)).map_err(doing("asking not to be told of commits"))?;
        self.armed = None;
        Ok(())
    }

    /// Listens on a connection of its own, in a thread of its own, if the operator chose NOTIFY.
    pub(super) fn watch(&self, session: &Session, on_event: Box<dyn Fn() + Send>) -> Option<Box<dyn Watch>> {
        if !self.is_wanted {
            return None;
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.inspect_err(|failed| warn!(error = %failed, "nobody listens for NOTIFY")).ok()?;
        let (stop, stopped) = oneshot::channel();
        let ear = Ear {
            options: session.options().clone(),
            patience: session.patience(),
            is_listening: Arc::clone(&self.is_listening),
            on_event,
        };
        let listening = move || {
            runtime.block_on(async {
                tokio::select! {
                    () = ear.listen() => {}
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

/// What listens.
struct Ear {
    options: PgConnectOptions,
    patience: Patience,
    is_listening: Arc<AtomicBool>,
    on_event: Box<dyn Fn() + Send>,
}

impl Ear {
    /// Calls `on_event` for each notification, and whenever some may have been missed.
    async fn listen(&self) {
        loop {
            if let Err(failed) = self.listen_once().await {
                debug!(error = %failed, "listening for NOTIFY failed; connecting again");
            }
            self.is_listening.store(false, Ordering::Release);
            (self.on_event)();
            tokio::time::sleep(RETRY).await;
        }
    }

    /// Listens until the connection is lost.
    async fn listen_once(&self) -> Result<(), sqlx::Error> {
        let pool = PgPoolOptions::new().max_connections(1).connect_lazy_with(self.options.clone());
        let mut listener = soon(PgListener::connect_with(&pool), self.patience).await?;
        listener.eager_reconnect(false);
        soon((&mut listener).execute(sqlx::raw_sql(KEEPALIVE)), self.patience).await?;
        soon(listener.listen(CHANNEL), self.patience).await?;
        self.is_listening.store(true, Ordering::Release);
        (self.on_event)();
        loop {
            match timeout(self.patience.silence, listener.try_recv()).await {
                Ok(told) => match told? {
                    Some(_) => (self.on_event)(),
                    None => return Ok(()),
                },
                // Nobody wrote, or nobody is there.
                Err(_) => {
                    soon((&mut listener).execute("SELECT 1"), self.patience).await?;
                }
            }
        }
    }
}
