//! Views: downward-closed sets of co-transactions, from which verdicts are given.

use treaty_engine::hash::EntryId;

use crate::entry_set::EntrySet;
use crate::history::History;
use crate::names::CoTxName;

/// Whole entries, and of one more entry the co-transactions before one of them.
#[derive(Debug, Clone)]
pub(crate) struct View {
    entries: EntrySet,
    key: ViewKey,
}

/// What a view is called: its entries that no other of it follows, and the co-transaction that it ends before.
pub(crate) type ViewKey = (Vec<EntryId>, Option<CoTxName>);

impl View {
    pub(crate) fn key(&self) -> &ViewKey {
        &self.key
    }
}

impl History {
    /// The view of a version: entries, and all before them. What is not here stands for nothing.
    pub(crate) fn view(&self, heads: &[EntryId]) -> View {
        let mut entries = EntrySet::default();
        for head in heads.iter().filter(|head| self.contains(head)) {
            entries.insert(self.told(*head).number);
            entries.extend(&self.told(*head).past);
        }
        self.named(entries, None)
    }

    /// `past(u)`: all co-transactions before one, those of its own entry included.
    pub(crate) fn past(&self, of: CoTxName) -> View {
        let is_first = of.transaction == 0;
        self.named(self.told(of.entry).past.clone(), (!is_first).then_some(of))
    }

    fn named(&self, entries: EntrySet, more: Option<CoTxName>) -> View {
        let within = || self.entries().filter(|(_, told)| entries.contains(told.number));
        let mut followed = EntrySet::default();
        for (_, told) in within() {
            followed.extend(&told.past);
        }
        let heads = within().filter(|(_, told)| !followed.contains(told.number)).map(|(id, _)| id).collect();
        View { key: (heads, more), entries }
    }

    /// The co-transactions of a view, in the order of their positions.
    pub(crate) fn cotxs(&self, view: &View) -> Vec<CoTxName> {
        let whole = self.entries().filter(|(_, told)| view.entries.contains(told.number));
        let whole = whole.flat_map(|(entry, told)| {
            (0..).take(told.transactions.len()).map(move |transaction| CoTxName { entry, transaction })
        });
        let more = view.key.1.into_iter();
        let more = more.flat_map(|end| (0..end.transaction).map(move |transaction| CoTxName { transaction, ..end }));
        let mut cotxs: Vec<CoTxName> = whole.chain(more).collect();
        cotxs.sort_by_key(|cotx| self.position(*cotx));
        cotxs
    }
}
