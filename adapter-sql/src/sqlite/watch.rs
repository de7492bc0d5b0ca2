//! Noticing that another process wrote to the database: when to look, not what happened.
//!
//! [`Watcher`] listens to the database's directory (the `-wal` file comes and goes). Its events come before the commit is
//! visible, and not at all across some file systems; so an event only means *look now*: [`Pace`] says to look again after
//! 1, 2, 4 … 128 ms, and every second in any case. A look is `PRAGMA data_version` on the kept connection, about 10 µs.
//! Files are never opened here: closing one would drop the process's locks on it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use notify::event::{AccessKind, AccessMode, EventKind};
use notify::{RecursiveMode, Watcher as _};

/// Pause after an event before the next are read.
const EVENT_PAUSE: Duration = Duration::from_millis(1);
/// Events after which there is a pause in any case.
const EVENTS_MAX: u32 = 16;
/// Events so soon after a pause came with one before it.
const EVENT_BURST: Duration = Duration::from_micros(50);
/// Longest pause between looks after an event, in milliseconds: commits become visible up to 100 ms after it.
const BURST_MS_MAX: u64 = 128;
/// First pause between looks without any event, in milliseconds.
const IDLE_MS_MIN: u64 = 250;
/// Longest pause between looks, in milliseconds: how late a write is noticed where events do not arrive.
const IDLE_MS_MAX: u64 = 1_000;
const _: () = assert!(BURST_MS_MAX < IDLE_MS_MIN && IDLE_MS_MIN <= IDLE_MS_MAX);

/// Listens to the directory of a database until it is dropped.
#[derive(Debug)]
pub struct Watcher {
    _inner: notify::RecommendedWatcher,
}

/// The directory cannot be watched. Looking once a second still works.
#[derive(Debug, thiserror::Error)]
#[error("watching {}", path.display())]
pub struct WatchError {
    /// The directory.
    pub path: PathBuf,
    /// What the operating system said.
    #[source]
    pub cause: notify::Error,
}

impl Watcher {
    /// Calls `on_event`, from a thread of its own, whenever a file of the database may have been written.
    ///
    /// # Errors
    /// [`WatchError`]; the caller goes on without.
    pub fn start(database: &Path, on_event: impl Fn() + Send + 'static) -> Result<Watcher, WatchError> {
        let resolved = std::fs::canonicalize(database).unwrap_or_else(|_| database.to_owned());
        let directory = match resolved.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
            _ => PathBuf::from("."),
        };
        let failed = |cause| WatchError { path: directory.clone(), cause };
        let names = file_names(&resolved);
        let mut rested = Instant::now();
        let mut event_count = 0;
        let mut inner = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            // An error (an overflown queue, say) means that events were lost: look.
            let is_ours = event
                .map_or(true, |event| is_write(event.kind) && event.paths.iter().any(|path| is_ours(path, &names)));
            if is_ours {
                on_event();
            }
            // Events of one file that are not read yet become one: a busy writer, here or to a neighbouring file, costs
            // little, not a wake-up for each page that it writes. The looks that follow see what was missed.
            event_count += 1;
            if event_count > EVENTS_MAX || (is_ours && rested.elapsed() > EVENT_BURST) {
                std::thread::sleep(EVENT_PAUSE);
                rested = Instant::now();
                event_count = 0;
            }
        })
        .map_err(failed)?;
        inner.watch(&directory, RecursiveMode::NonRecursive).map_err(failed)?;
        Ok(Watcher { _inner: inner })
    }
}

/// The database file and what SQLite writes beside it. `-shm` is mapped memory and gives no events of worth.
fn file_names(database: &Path) -> Vec<OsString> {
    let name = database.file_name().unwrap_or_default();
    ["", "-wal", "-journal"]
        .iter()
        .map(|suffix| {
            let mut file = name.to_owned();
            file.push(suffix);
            file
        })
        .collect()
}

fn is_ours(path: &Path, names: &[OsString]) -> bool {
    path.file_name().is_some_and(|name| names.iter().any(|ours| ours == name))
}

fn is_write(kind: EventKind) -> bool {
    match kind {
        EventKind::Access(access) => access == AccessKind::Close(AccessMode::Write),
        _ => true,
    }
}

/// When to look next. Times are milliseconds of any one steady clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    next_ms: u64,
    pause_ms: u64,
}

/// What a look found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// The database is as it was.
    Unchanged,
    /// Somebody committed.
    Changed,
}

impl Pace {
    /// Starts with a look at once.
    pub fn new(now_ms: u64) -> Pace {
        Pace { next_ms: now_ms, pause_ms: 1 }
    }

    /// Takes note of an event: look now, and again soon.
    pub fn event(&mut self, now_ms: u64) {
        *self = Pace::new(now_ms);
    }

    /// Takes note of a look.
    pub fn looked(&mut self, now_ms: u64, look: Look) {
        if look == Look::Changed {
            self.pause_ms = 1;
        }
        self.next_ms = now_ms.saturating_add(self.pause_ms);
        self.pause_ms = match self.pause_ms * 2 {
            doubled if doubled <= BURST_MS_MAX => doubled,
            doubled => doubled.clamp(IDLE_MS_MIN, IDLE_MS_MAX),
        };
    }

    /// Returns how long to wait before the next look.
    pub fn wait_ms(&self, now_ms: u64) -> u64 {
        self.next_ms.saturating_sub(now_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    fn waits(pace: &mut Pace, now_ms: &mut u64, count: usize) -> Vec<u64> {
        (0..count)
            .map(|_| {
                let wait_ms = pace.wait_ms(*now_ms);
                *now_ms += wait_ms;
                pace.looked(*now_ms, Look::Unchanged);
                wait_ms
            })
            .collect()
    }

    #[test]
    fn looks_slow_down_to_one_a_second_and_an_event_brings_them_back() {
        let (mut pace, mut now_ms) = (Pace::new(5), 5);
        assert_eq!(waits(&mut pace, &mut now_ms, 13), [0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1000, 1000]);
        pace.event(now_ms);
        assert_eq!(waits(&mut pace, &mut now_ms, 4), [0, 1, 2, 4]);
        pace.looked(now_ms, Look::Changed);
        assert_eq!(waits(&mut pace, &mut now_ms, 3), [1, 2, 4]);
    }

    #[test]
    fn a_write_by_another_connection_is_an_event_and_other_files_are_not() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.db");
        let application = rusqlite::Connection::open(&path).unwrap();
        application.pragma_update(None, "journal_mode", "wal").unwrap();
        let (sender, receiver) = mpsc::channel();
        let _watcher = Watcher::start(&path, move || sender.send(()).unwrap()).unwrap();
        application.execute_batch("CREATE TABLE t (a)").unwrap();
        receiver.recv_timeout(Duration::from_secs(20)).unwrap();
        assert!(!is_ours(&directory.path().join("b.db-wal"), &file_names(&path)));
    }
}
