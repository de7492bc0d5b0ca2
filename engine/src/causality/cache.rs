//! A bounded cache of decoded clocks.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::causality::past::Past;
use crate::limits::CLOCK_CACHE_COMPONENTS_MAX;
use crate::log::Pos;

/// Keeps the clocks used last, in two generations: when the young one is full it becomes the old one, and what was
/// not used since is forgotten. Costs no bookkeeping per use.
#[derive(Debug, Default)]
pub(super) struct ClockCache {
    young: BTreeMap<Pos, Arc<Past>>,
    young_components: usize,
    old: BTreeMap<Pos, Arc<Past>>,
}

impl ClockCache {
    /// Returns a clock, if it is here.
    pub(super) fn take(&mut self, pos: Pos) -> Option<Arc<Past>> {
        if let Some(clock) = self.young.get(&pos) {
            return Some(Arc::clone(clock));
        }
        let clock = self.old.remove(&pos)?;
        self.put(pos, Arc::clone(&clock));
        Some(clock)
    }

    /// Remembers a clock.
    pub(super) fn put(&mut self, pos: Pos, clock: Arc<Past>) {
        // An entry costs its map node besides its components: count it as some.
        let components = clock.tops().len() + 8;
        if self.young_components + components > CLOCK_CACHE_COMPONENTS_MAX {
            self.old = std::mem::take(&mut self.young);
            self.young_components = 0;
        }
        if self.young.insert(pos, clock).is_none() {
            self.young_components += components;
        }
    }
}
