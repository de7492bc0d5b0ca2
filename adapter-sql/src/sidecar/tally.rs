//! What the sidecar has done since it started, counted; and the news that there are new reports.
//!
//! Written by the adapter's thread, read by whoever serves it. Counting costs a few atomic additions a batch.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::watch;

use crate::apply::Applied;

/// Upper bounds of the classes that batches are sorted into by their duration, in milliseconds; the last class has none.
pub(crate) const BATCH_MS_BOUNDS: [u64; 8] = [1, 2, 5, 15, 50, 250, 1_000, 5_000];

/// The sidecar's counters.
#[derive(Debug)]
pub(crate) struct Tally {
    started: SystemTime,
    imported_operations: AtomicU64,
    imported_transactions: AtomicU64,
    imported_entries: AtomicU64,
    refused_transactions: AtomicU64,
    applied_rows: AtomicU64,
    applied_entries: AtomicU64,
    batch_classes: [AtomicU64; BATCH_MS_BOUNDS.len() + 1],
    batch_micros: AtomicU64,
    last_report: watch::Sender<u64>,
}

/// The counters at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Counts {
    /// When counting began, in seconds since 1970.
    pub(crate) started_seconds: u64,
    /// Local operations signed into the log.
    pub(crate) imported_operations: u64,
    /// Co-transactions they came in.
    pub(crate) imported_transactions: u64,
    /// Entries they went into.
    pub(crate) imported_entries: u64,
    /// Local co-transactions refused and put back.
    pub(crate) refused_transactions: u64,
    /// Rows of others written into the tables, or removed.
    pub(crate) applied_rows: u64,
    /// Entries they came from.
    pub(crate) applied_entries: u64,
    /// Batches by duration: one class for each of [`BATCH_MS_BOUNDS`], and one above.
    pub(crate) batch_classes: [u64; BATCH_MS_BOUNDS.len() + 1],
    /// How long all batches took together.
    pub(crate) batch_time: Duration,
}

impl Tally {
    /// Begins to count.
    pub(crate) fn begin() -> Tally {
        Tally {
            started: SystemTime::now(),
            imported_operations: AtomicU64::default(),
            imported_transactions: AtomicU64::default(),
            imported_entries: AtomicU64::default(),
            refused_transactions: AtomicU64::default(),
            applied_rows: AtomicU64::default(),
            applied_entries: AtomicU64::default(),
            batch_classes: std::array::from_fn(|_| AtomicU64::default()),
            batch_micros: AtomicU64::default(),
            last_report: watch::Sender::new(0),
        }
    }

    /// Counts a batch: what was drained before it, and what it wrote.
    pub(crate) fn batch(&self, applied: &Applied, took: Duration) {
        let drained = &applied.drained;
        if applied.entry_count == 0 && drained.transaction_count == 0 && drained.refused_count == 0 {
            return;
        }
        let add = |counter: &AtomicU64, count: u64| counter.fetch_add(count, Ordering::Relaxed);
        add(&self.imported_operations, drained.operation_count);
        add(&self.imported_transactions, drained.transaction_count);
        add(&self.imported_entries, drained.entries.len() as u64);
        add(&self.refused_transactions, drained.refused_count);
        add(&self.applied_rows, applied.row_count);
        add(&self.applied_entries, applied.entry_count);
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let class = BATCH_MS_BOUNDS.iter().take_while(|bound| micros > **bound * 1_000).count();
        add(&self.batch_classes[class], 1);
        add(&self.batch_micros, micros);
    }

    /// Says that reports up to a cursor are committed. Wakes whoever waits for them.
    pub(crate) fn reported(&self, cursor: u64) {
        self.last_report.send_replace(cursor);
    }

    /// Returns what tells of new reports.
    pub(crate) fn reports(&self) -> watch::Receiver<u64> {
        self.last_report.subscribe()
    }

    /// Reads the counters.
    pub(crate) fn counts(&self) -> Counts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counts {
            started_seconds: self.started.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs(),
            imported_operations: read(&self.imported_operations),
            imported_transactions: read(&self.imported_transactions),
            imported_entries: read(&self.imported_entries),
            refused_transactions: read(&self.refused_transactions),
            applied_rows: read(&self.applied_rows),
            applied_entries: read(&self.applied_entries),
            batch_classes: std::array::from_fn(|class| read(&self.batch_classes[class])),
            batch_time: Duration::from_micros(read(&self.batch_micros)),
        }
    }
}
