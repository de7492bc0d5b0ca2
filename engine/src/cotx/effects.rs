//! What co-transactions of an entry do, noted for the judgement of its later ones: they are in their past, but not in
//! the store yet.

use std::collections::{BTreeMap, BTreeSet};

use crate::relation::{IndexKey, RowId, Target};

/// An operation of the entry being judged: indices of its co-transaction and in it.
pub(super) type OwnOperation = (u32, u32);

/// A row that the entry inserts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct OwnRow {
    pub(super) table: usize,
    pub(super) id: RowId,
}

/// A claim of a UNIQUE key by a write of the entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct OwnClaim {
    pub(super) row: Target,
    pub(super) group: usize,
    pub(super) write: OwnOperation,
}

/// A reference by a write of the entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct OwnReference {
    pub(super) row: Target,
    pub(super) table: usize,
    pub(super) foreign_key: usize,
    pub(super) write: OwnOperation,
}

/// The effects of some co-transactions.
#[derive(Debug, Default)]
pub(super) struct Effects {
    pub(super) inserted: BTreeMap<OwnOperation, OwnRow>,
    pub(super) ids: BTreeMap<(usize, RowId), OwnOperation>,
    pub(super) deleted: BTreeSet<Target>,
    /// By row and column group, the last update.
    pub(super) written: BTreeMap<(Target, usize), OwnOperation>,
    pub(super) claims: BTreeMap<IndexKey, Vec<OwnClaim>>,
    /// By row referred to.
    pub(super) references: BTreeMap<Target, Vec<OwnReference>>,
    pub(super) guards: BTreeMap<IndexKey, Vec<OwnOperation>>,
    /// Inserts into tables whose rows policies look for.
    pub(super) by_table: BTreeMap<usize, Vec<OwnOperation>>,
}

impl Effects {
    /// Adds the effects of a later co-transaction.
    ///
    /// Costs what is added, whatever was there: an entry may hold many small co-transactions.
    pub(super) fn absorb(&mut self, later: Effects) {
        self.inserted.extend(later.inserted);
        self.ids.extend(later.ids);
        self.deleted.extend(later.deleted);
        self.written.extend(later.written);
        for (key, claims) in later.claims {
            self.claims.entry(key).or_default().extend(claims);
        }
        for (target, references) in later.references {
            self.references.entry(target).or_default().extend(references);
        }
        for (table, rows) in later.by_table {
            self.by_table.entry(table).or_default().extend(rows);
        }
        for (key, rows) in later.guards {
            self.guards.entry(key).or_default().extend(rows);
        }
    }

    /// Whether a write of a row's group is released here: its row deleted, or its cell written again.
    ///
    /// * `write` - the write, if it is the entry's own; none if it is of the past.
    pub(super) fn releases(&self, row: Target, group: usize, write: Option<OwnOperation>) -> bool {
        self.deleted.contains(&row) || self.written.get(&(row, group)).is_some_and(|later| Some(*later) > write)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROW: Target = Target::Own { transaction: 0, operation: 0 };

    #[test]
    fn a_write_is_released_by_a_later_one_of_its_cell_and_not_by_itself() {
        let mut effects = Effects::default();
        effects.written.insert((ROW, 1), (2, 0));
        assert!(effects.releases(ROW, 1, None));
        assert!(effects.releases(ROW, 1, Some((1, 5))));
        assert!(!effects.releases(ROW, 1, Some((2, 0))));
        assert!(!effects.releases(ROW, 0, None));
    }

    #[test]
    fn the_deletion_of_a_row_releases_all_it_wrote() {
        let mut effects = Effects::default();
        assert!(!effects.releases(ROW, 0, None));
        effects.deleted.insert(ROW);
        assert!(effects.releases(ROW, 0, Some((9, 9))));
    }
}
