//! Writes that fail: the Nth step of all that pass the gate, and every later one.

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
