//! What the sidecar says on stdout: one line per event, as JSON or for people.
//!
//! Printing has a thread of its own and a bounded queue. A reader that stops reading never stops replication: when the
//! queue is full, events are dropped, and that is logged.

use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use crate::cli::objects::UpEvent;
use crate::cli::output::{Format, print_line};

/// Events waiting to be printed, at most.
const EVENTS_WAITING_MAX: usize = 1_024;

/// Where events go; cheap to clone.
#[derive(Clone)]
pub(crate) struct Events {
    sender: SyncSender<UpEvent>,
    dropped: Arc<Mutex<u64>>,
}

/// The printing thread.
pub(crate) struct Printer {
    thread: JoinHandle<()>,
}

impl Events {
    /// Says that something happened. Never waits.
    pub(crate) fn say(&self, event: UpEvent) {
        if let Err(TrySendError::Full(_)) = self.sender.try_send(event) {
            let mut dropped = self.dropped.lock().unwrap_or_else(PoisonError::into_inner);
            *dropped += 1;
            if dropped.is_power_of_two() {
                tracing::warn!(dropped = *dropped, "events dropped because nobody reads stdout");
            }
        }
    }
}

impl Printer {
    /// Starts printing in `format`.
    ///
    /// # Errors
    /// If no thread can be started.
    pub(crate) fn start(format: Format) -> std::io::Result<(Printer, Events)> {
        let (sender, receiver) = sync_channel(EVENTS_WAITING_MAX);
        let thread = std::thread::Builder::new().name("events".into()).spawn(move || print_all(format, &receiver))?;
        Ok((Printer { thread }, Events { sender, dropped: Arc::default() }))
    }

    /// Waits until everything said is printed; every [`Events`] must be gone.
    pub(crate) fn finish(self) {
        // A panic there has been reported by the panic hook already.
        let _ = self.thread.join();
    }
}

fn print_all(format: Format, events: &Receiver<UpEvent>) {
    for event in events {
        let line = match format {
            Format::Json => serde_json::to_string(&event).unwrap_or_default(),
            Format::Text => text(&event),
        };
        // Whoever read stdout went away; the sidecar goes on.
        if print_line(&line).is_err() {
            break;
        }
    }
    // Takes what still comes, so that the queue is never full for ever.
    for _ in events {}
}

fn text(event: &UpEvent) -> String {
    match event {
        UpEvent::Ready { listen, http } => match http {
            Some(http) => format!("ready, listening on {listen}, HTTP on http://{http}"),
            None => format!("ready, listening on {listen}"),
        },
        UpEvent::Peer { identity, address, connected, reason } => {
            let who = identity.as_deref().unwrap_or("somebody");
            match reason {
                Some(reason) => format!("peer {who} at {address}: {reason}"),
                None if *connected => format!("peer {who} at {address}: connected"),
                None => format!("peer {who} at {address}: not connected"),
            }
        }
        UpEvent::Imported { operations, transactions, entries } => {
            format!("imported {operations} operations of {transactions} transactions in {entries} entries")
        }
        UpEvent::Applied { rows, entries } => format!("applied {rows} rows of {entries} entries"),
        UpEvent::Rollback(report) => {
            let verb = if report.reinstated.is_some() { "reinstated" } else { "rolled back" };
            let why = report.message.strip_prefix("rolled back: ").unwrap_or(&report.message);
            format!("{verb} {} of {} {}: {why}", report.operation, report.table, report.row)
        }
        UpEvent::Stopping { reason } => format!("stopping: {reason}"),
    }
}
