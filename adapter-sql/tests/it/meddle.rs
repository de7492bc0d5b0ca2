//! Links that misbehave or know more: somebody acts while the engine signs.

use std::sync::Arc;

use treaty::capture::ShownRow;
use treaty::link::{EngineLink, LinkError, Page, Work};

use treaty_engine::identity::Identity;
use treaty_engine::relation::RowId;
use treaty_engine::replica::{Batch, ImportOutcome, RowChange, RowImage, Shown};

/// The functions that a link passes on to another one.
macro_rules! pass_on {
    ($($name:ident($($argument:ident: $type:ty),*) -> $answer:ty;)*) => {
        $(fn $name(&mut self, $($argument: $type),*) -> Result<$answer, LinkError> {
            self.inner().$name($($argument),*)
        })*
    };
}

/// Those of them that every link here passes on.
macro_rules! pass_on_what_all_do {
    () => {
        pass_on! {
            knows(shown: &Shown) -> bool;
            signs_for(author: &Identity) -> bool;
            join(base: &Shown, with: &Shown) -> Shown;
            rows_at(at: &Shown, rows: &[ShownRow]) -> Vec<Option<RowImage>>;
            ripples(from: &Shown, to: &Shown, rows: &[ShownRow]) -> Vec<RowChange>;
            receipt() -> Option<(Vec<u8>, Shown)>;
            note(key: &str) -> Option<Vec<u8>>;
            set_note(key: &str, bytes: &[u8]) -> ();
        }
    };
}

/// Counts the pages of tables that are asked for.
pub(crate) struct Counting<'c> {
    inner: &'c mut dyn EngineLink,
    pub(crate) page_count: u64,
}

impl<'c> Counting<'c> {
    pub(crate) fn new(inner: &'c mut dyn EngineLink) -> Counting<'c> {
        Counting { inner, page_count: 0 }
    }

    fn inner(&mut self) -> &mut dyn EngineLink {
        self.inner
    }
}

impl EngineLink for Counting<'_> {
    fn page_at(&mut self, at: &Shown, page: Page) -> Result<Vec<(RowId, RowImage)>, LinkError> {
        self.page_count += 1;
        self.inner.page_at(at, page)
    }
    pass_on! {
        next_batch(from: &Shown, rows_max: usize) -> Batch;
        import(work: Arc<Work>) -> ImportOutcome;
    }
    pass_on_what_all_do!();
}

/// Gives the smallest batches that there are.
pub(crate) struct Sparing<'s> {
    inner: &'s mut dyn EngineLink,
}

impl<'s> Sparing<'s> {
    pub(crate) fn new(inner: &'s mut dyn EngineLink) -> Sparing<'s> {
        Sparing { inner }
    }

    fn inner(&mut self) -> &mut dyn EngineLink {
        self.inner
    }
}

impl EngineLink for Sparing<'_> {
    fn next_batch(&mut self, from: &Shown, _: usize) -> Result<Batch, LinkError> {
        self.inner.next_batch(from, 1)
    }
    pass_on! {
        page_at(at: &Shown, page: Page) -> Vec<(RowId, RowImage)>;
        import(work: Arc<Work>) -> ImportOutcome;
    }
    pass_on_what_all_do!();
}

/// Fails from the n-th call on, as if the engine's thread had gone.
pub(crate) struct Failing<'f> {
    inner: &'f mut dyn EngineLink,
    calls_left: u32,
}

impl<'f> Failing<'f> {
    pub(crate) fn after(calls_left: u32, inner: &'f mut dyn EngineLink) -> Failing<'f> {
        Failing { inner, calls_left }
    }
}

/// The functions that a failing link passes on while it works.
macro_rules! pass_on_or_fail {
    ($($name:ident($($argument:ident: $type:ty),*) -> $answer:ty;)*) => {
        $(fn $name(&mut self, $($argument: $type),*) -> Result<$answer, LinkError> {
            self.calls_left = self.calls_left.checked_sub(1).ok_or(LinkError::Stopped)?;
            self.inner.$name($($argument),*)
        })*
    };
}

impl EngineLink for Failing<'_> {
    pass_on_or_fail! {
        knows(shown: &Shown) -> bool;
        signs_for(author: &Identity) -> bool;
        join(base: &Shown, with: &Shown) -> Shown;
        rows_at(at: &Shown, rows: &[ShownRow]) -> Vec<Option<RowImage>>;
        page_at(at: &Shown, page: Page) -> Vec<(RowId, RowImage)>;
        import(work: Arc<Work>) -> ImportOutcome;
        next_batch(from: &Shown, rows_max: usize) -> Batch;
        ripples(from: &Shown, to: &Shown, rows: &[ShownRow]) -> Vec<RowChange>;
        receipt() -> Option<(Vec<u8>, Shown)>;
        note(key: &str) -> Option<Vec<u8>>;
        set_note(key: &str, bytes: &[u8]) -> ();
    }
}

/// Calls back once, after the first import and before the adapter hears of it.
pub(crate) struct Meddling<'m, M> {
    inner: &'m mut dyn EngineLink,
    meddle: Option<M>,
    /// Whether the adapter then hears of a failure.
    pub(crate) fails: bool,
}

impl<'m, M: FnOnce()> Meddling<'m, M> {
    pub(crate) fn new(inner: &'m mut dyn EngineLink, meddle: M) -> Meddling<'m, M> {
        Meddling { inner, meddle: Some(meddle), fails: false }
    }

    fn inner(&mut self) -> &mut dyn EngineLink {
        self.inner
    }
}

impl<M: FnOnce()> EngineLink for Meddling<'_, M> {
    fn import(&mut self, work: Arc<Work>) -> Result<ImportOutcome, LinkError> {
        let outcome = self.inner.import(work);
        if let Some(meddle) = self.meddle.take() {
            meddle();
            if self.fails {
                return Err(LinkError::Stopped);
            }
        }
        outcome
    }
    pass_on! {
        page_at(at: &Shown, page: Page) -> Vec<(RowId, RowImage)>;
        next_batch(from: &Shown, rows_max: usize) -> Batch;
    }
    pass_on_what_all_do!();
}

/// Calls back once, after a batch was worked out and before the adapter hears of it.
pub(crate) struct Overtaking<'o, M> {
    inner: &'o mut dyn EngineLink,
    overtake: Option<M>,
}

impl<'o, M: FnOnce()> Overtaking<'o, M> {
    pub(crate) fn new(inner: &'o mut dyn EngineLink, overtake: M) -> Overtaking<'o, M> {
        Overtaking { inner, overtake: Some(overtake) }
    }

    fn inner(&mut self) -> &mut dyn EngineLink {
        self.inner
    }
}

impl<M: FnOnce()> EngineLink for Overtaking<'_, M> {
    fn next_batch(&mut self, from: &Shown, rows_max: usize) -> Result<Batch, LinkError> {
        let batch = self.inner.next_batch(from, rows_max);
        if let Some(overtake) = self.overtake.take() {
            overtake();
        }
        batch
    }
    pass_on! {
        page_at(at: &Shown, page: Page) -> Vec<(RowId, RowImage)>;
        import(work: Arc<Work>) -> ImportOutcome;
    }
    pass_on_what_all_do!();
}
