//! Writes that fail, and processes that end, at a chosen step.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use treaty_engine::store::{GateClosed, WriteGate, WriteStep};

/// A disk that breaks at its Nth write and stays broken.
#[derive(Debug, Clone)]
pub struct FailNth {
    passed: Arc<AtomicU64>,
    fails_at: u64,
}

impl FailNth {
    /// Makes a gate whose steps fail from number `n` on; the first is 1. `u64::MAX` never fails, and counts.
    pub fn new(n: u64) -> FailNth {
        FailNth { passed: Arc::new(AtomicU64::new(0)), fails_at: n }
    }

    /// Returns how many steps were asked for, on this gate and its clones.
    pub fn step_count(&self) -> u64 {
        self.passed.load(Ordering::Relaxed)
    }
}

impl WriteGate for FailNth {
    fn pass(&self, _step: WriteStep) -> Result<(), GateClosed> {
        let step = self.passed.fetch_add(1, Ordering::Relaxed) + 1;
        if step >= self.fails_at { Err(GateClosed) } else { Ok(()) }
    }
}

/// A process that ends at every step: copies the store's files each time, as a killed process leaves them.
#[derive(Debug, Clone)]
pub struct CopyEach {
    store: PathBuf,
    copied: Arc<AtomicU64>,
}

impl CopyEach {
    /// Copies the store at `store` beside itself, step by step.
    pub fn new(store: &Path) -> CopyEach {
        CopyEach { store: store.to_owned(), copied: Arc::new(AtomicU64::new(0)) }
    }

    /// Returns the copies made so far, in the order of the steps.
    pub fn copies(&self) -> Vec<PathBuf> {
        (1..=self.copied.load(Ordering::Relaxed)).map(|step| self.copy_path(step)).collect()
    }

    fn copy_path(&self, step: u64) -> PathBuf {
        self.store.with_extension(format!("killed-at-{step}"))
    }
}

impl WriteGate for CopyEach {
    fn pass(&self, _step: WriteStep) -> Result<(), GateClosed> {
        let copy = self.copy_path(self.copied.fetch_add(1, Ordering::Relaxed) + 1);
        // The shared-memory file dies with the processes; the write-ahead log stays.
        for suffix in ["", "-wal"] {
            let with_suffix = |path: &Path| PathBuf::from(format!("{}{suffix}", path.display()));
            if with_suffix(&self.store).exists() {
                fs::copy(with_suffix(&self.store), with_suffix(&copy)).map_err(|_| GateClosed)?;
            }
        }
        Ok(())
    }
}
