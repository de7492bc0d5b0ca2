//! Nobody writes unnoticed while the sidecar sleeps.
//!
//! The sidecar's looks and an application's statements are taken step by step on connections of their own. Notifications come in
//! the order of commits: whatever was to be heard was heard before a later one that the test sends itself.

use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, channel};

use sqlx::postgres::{PgListener, PgPoolOptions};
use tokio::runtime::Runtime;
use treaty_ddl::sql::postgres::SLEEP_LOCK;

use super::Installed;
use crate::database::{DatabaseError, Look, Watch};
use crate::postgres::session::{Session, doing};
use crate::postgres::wake::{ARMED, Wake};

const TABLE: &str = "CREATE TABLE t (id UUID PRIMARY KEY, n INTEGER);";
const INSERT: &str = "INSERT INTO public.t (id) VALUES (gen_random_uuid())";

/// Somebody else who listens.
struct Witness {
    runtime: Runtime,
    /// None when it is dropped, which must be where the runtime is.
    listener: Option<PgListener>,
}

impl Witness {
    fn new(installed: &Installed) -> Witness {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let listener = runtime.block_on(async {
            let pool = PgPoolOptions::new().connect_lazy_with(installed.options.clone());
            let mut listener = PgListener::connect_with(&pool).await.unwrap();
            listener.listen("treaty").await.unwrap();
            Some(listener)
        });
        Witness { runtime, listener }
    }

    /// Whether a writer has told the sidecar since this was last asked.
    fn heard(&mut self, installed: &Installed) -> bool {
        installed.run("NOTIFY treaty, 'so far'");
        let mut has_heard = false;
        while self.runtime.block_on(self.listener.as_mut().unwrap().recv()).unwrap().payload() != "so far" {
            has_heard = true;
        }
        has_heard
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        let _inside = self.runtime.enter();
        self.listener = None;
    }
}

/// A sidecar's session, its looks and its ear.
struct Sidecar {
    installed: Installed,
    wake: Wake,
    woken: Receiver<()>,
    _watch: Box<dyn Watch>,
}

impl Sidecar {
    /// It listens, and has not looked yet.
    fn new() -> Sidecar {
        let installed = Installed::new(TABLE);
        let wake = Wake::new(true);
        let (event, woken) = channel();
        let watch = wake.watch(&installed.session, Box::new(move || event.send(()).unwrap_or_default())).unwrap();
        woken.recv().unwrap();
        Sidecar { installed, wake, woken, _watch: watch }
    }

    fn look(&mut self) -> Look {
        self.wake.look(&mut self.installed.session).unwrap()
    }

    fn sleeps(&self) -> bool {
        self.wake.rhythm() == ARMED
    }

    /// Empties the queue, as a drain does.
    fn drain(&mut self) {
        run(&mut self.installed.session, "DELETE FROM treaty.queue");
    }
}

fn run(session: &mut Session, sql: &str) {
    session.script(sql).map_err(doing("x")).unwrap();
}

#[test]
fn a_sidecar_that_sleeps_is_woken_by_the_next_commit() {
    let mut sidecar = Sidecar::new();
    assert_eq!(sidecar.look(), Look::Unchanged);
    assert!(sidecar.sleeps());
    sidecar.installed.run(INSERT);
    sidecar.woken.recv().unwrap();
    assert_eq!(sidecar.look(), Look::Changed);
    assert!(!sidecar.sleeps());
    // Awake, nobody disturbs it.
    let mut witness = Witness::new(&sidecar.installed);
    sidecar.installed.run(INSERT);
    assert!(!witness.heard(&sidecar.installed));
    sidecar.drain();
    assert_eq!(sidecar.look(), Look::Unchanged);
    assert!(sidecar.sleeps());
}

/// It wrote before the flag was raised, which was a row of a table, and committed after the last look before sleep: nobody
/// told, and the sidecar slept on for a quarter of a second, or a second.
#[test]
fn nobody_sleeps_while_a_transaction_is_open_that_will_not_tell() {
    let mut sidecar = Sidecar::new();
    let mut witness = Witness::new(&sidecar.installed);
    sidecar.look();
    run(&mut sidecar.installed.session, &format!("SELECT pg_advisory_unlock({SLEEP_LOCK})"));
    sidecar.wake.armed = None;
    for (write, end) in [
        ("BEGIN; {}", "COMMIT"),
        ("BEGIN; SAVEPOINT s; {}; RELEASE s", "COMMIT"),
        ("BEGIN ISOLATION LEVEL SERIALIZABLE; {}", "COMMIT"),
        ("BEGIN; {}; PREPARE TRANSACTION 'p'", "COMMIT PREPARED 'p'"),
    ] {
        let mut writer = sidecar.installed.other();
        run(&mut writer, &write.replace("{}", INSERT));
        assert_eq!(sidecar.look(), Look::Unchanged);
        assert!(!sidecar.sleeps(), "{write}");
        run(&mut writer, end);
        assert!(!witness.heard(&sidecar.installed), "{write}");
        assert_eq!(sidecar.look(), Look::Changed);
        sidecar.drain();
    }
    assert_eq!(sidecar.look(), Look::Unchanged);
    assert!(sidecar.sleeps());
}

/// Its snapshot was older than the flag, which it did not see therefore.
#[test]
fn a_transaction_that_began_before_the_sidecar_fell_asleep_tells() {
    for level in ["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"] {
        let mut sidecar = Sidecar::new();
        let mut witness = Witness::new(&sidecar.installed);
        // The first look makes the trigger, for which it waits for whoever writes.
        sidecar.wake.is_listening.store(false, Ordering::Release);
        sidecar.look();
        sidecar.wake.is_listening.store(true, Ordering::Release);
        let mut writer = sidecar.installed.other();
        run(&mut writer, &format!("BEGIN ISOLATION LEVEL {level}; SELECT FROM public.t"));
        assert_eq!(sidecar.look(), Look::Unchanged);
        assert!(sidecar.sleeps());
        run(&mut writer, &format!("{INSERT}; COMMIT"));
        assert!(witness.heard(&sidecar.installed), "{level}");
        assert_eq!(sidecar.look(), Look::Changed);
    }
}

/// It had the flag down in its memory, and up in a table that was empty after the crash.
#[test]
fn a_sidecar_that_lost_its_connection_is_woken_again() {
    let mut sidecar = Sidecar::new();
    sidecar.look();
    assert!(sidecar.sleeps());
    sidecar.installed.end_sessions("application_name = 'treaty' AND query NOT LIKE 'LISTEN%'");
    assert!(matches!(sidecar.wake.look(&mut sidecar.installed.session), Err(DatabaseError::Busy { .. })));
    let mut witness = Witness::new(&sidecar.installed);
    sidecar.installed.run(INSERT);
    assert!(!witness.heard(&sidecar.installed), "the lock went with the connection");
    assert_eq!(sidecar.look(), Look::Changed);
    sidecar.drain();
    assert_eq!(sidecar.look(), Look::Unchanged);
    assert!(sidecar.sleeps());
    sidecar.installed.run(INSERT);
    assert!(witness.heard(&sidecar.installed));
}

#[test]
fn nobody_sleeps_who_does_not_hear() {
    let mut sidecar = Sidecar::new();
    sidecar.look();
    assert!(sidecar.sleeps());
    sidecar.installed.end_sessions("application_name = 'treaty' AND query LIKE 'LISTEN%'");
    sidecar.woken.recv().unwrap();
    assert_eq!(sidecar.look(), Look::Unchanged);
    assert!(!sidecar.sleeps());
    // It connects again.
    sidecar.woken.recv().unwrap();
    assert_eq!(sidecar.look(), Look::Unchanged);
    assert!(sidecar.sleeps());
}
