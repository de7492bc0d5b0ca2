//! Noticing that another process wrote to the database: when to look, not what happened.
//!
//! [`Watcher`] listens to the database's directory (the `-wal` file comes and goes). Its events come before the commit is
//! visible, and not at all across some file systems; so an event only means *look now*, and by [`RHYTHM`] again after
//! 1, 2, 4 … 128 ms, and every second in any case. A look is `PRAGMA data_version` on the kept connection, about 10 µs.
//! Files are never opened here: closing one would drop the process's locks on it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use notify::event::{AccessKind, AccessMode, EventKind};
use notify::{RecursiveMode, Watcher as _};
use tracing::warn;

use crate::database::{Rhythm, Watch};

/// Pause after an event before the next are read.
const EVENT_PAUSE: Duration = Duration::from_millis(1);
/// Events after which there is a pause in any case.
const EVENTS_MAX: u32 = 16;
/// Events so soon after a pause came with one before it.
const EVENT_BURST: Duration = Duration::from_micros(50);
/// How often to look: commits become visible up to 100 ms after their event.
pub(super) const RHYTHM: Rhythm = Rhythm { pause_ms_min: 1, growth_part: 1, pause_ms_max: 1_000 };

/// Calls `on_event` when a file of the database may have been written; none if its directory cannot be watched.
pub(super) fn watch(database: &Path, on_event: Box<dyn Fn() + Send>) -> Option<Box<dyn Watch>> {
    match Watcher::start(database, on_event) {
        Ok(watcher) => Some(Box::new(watcher)),
        Err(failed) => {
            warn!(error = %failed, "writes are noticed by looking once a second");
            None
        }
    }
}

/// Listens to the directory of a database until it is dropped.
#[derive(Debug)]
struct Watcher {
    _inner: notify::RecommendedWatcher,
}

/// The directory cannot be watched. Looking once a second still works.
#[derive(Debug, thiserror::Error)]
#[error("watching {}", path.display())]
struct WatchError {
    /// The directory.
    path: PathBuf,
    /// What the operating system said.
    #[source]
    cause: notify::Error,
}

impl Watch for Watcher {}

impl Watcher {
    /// Calls `on_event`, from a thread of its own, whenever a file of the database may have been written.
    ///
    /// # Errors
    /// [`WatchError`]; the caller goes on without.
    fn start(database: &Path, on_event: impl Fn() + Send + 'static) -> Result<Watcher, WatchError> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

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
