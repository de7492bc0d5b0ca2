//! The rows of a co-transaction's past as its expressions read them: as inserted, named one to one.

use std::cell::OnceCell;

use treaty_engine::relation::{RowId, RowName};
use treaty_schema::{FoundRow, Value};

use crate::facts::Facts;
use crate::history::{Cells, Content, Deed, History};
use crate::names::CoTxName;
use crate::state::State;

/// What one operation's expressions can read.
pub(crate) struct Reading<'h> {
    history: &'h History,
    of: CoTxName,
    operation: u32,
    /// The past of the co-transaction.
    facts: Facts<'h>,
    /// The tables of the past; asked for twins only.
    state: OnceCell<State<'h>>,
    /// By table.
    candidates: Vec<OnceCell<Vec<FoundRow<RowName>>>>,
}

impl<'h> Reading<'h> {
    pub(crate) fn of(history: &'h History, of: CoTxName, operation: u32) -> Reading<'h> {
        let candidates = history.schema().tables().iter().map(|_| OnceCell::new()).collect();
        let facts = history.facts(&history.past(of));
        Reading { history, of, operation, facts, state: OnceCell::new(), candidates }
    }

    /// The rows of a table: those of the past, and those that earlier operations insert.
    pub(crate) fn candidates(&self, table: usize) -> &[FoundRow<RowName>] {
        self.candidates[table].get_or_init(|| {
            let past = self.facts.rows.iter().filter(|(_, row)| row.table == table);
            let past = past.map(|(name, row)| (*name, row.inserted));
            let own = self.own_inserts().filter(|(name, of, _, _)| *of == table && name.operation < self.operation);
            let own = own.map(|(name, _, _, cells)| (name, cells));
            let found = past.chain(own);
            found.map(|(name, cells)| FoundRow { handle: name, cells: self.values(table, name, cells) }).collect()
        })
    }

    /// A row as it was inserted; without values if it is nowhere.
    pub(crate) fn inserted(&self, table: usize, row: RowName) -> Vec<Option<Value>> {
        match self.facts.rows.get(&row) {
            Some(found) if found.table == table => self.values(table, row, found.inserted),
            _ => vec![None; self.history.table(table).columns.len()],
        }
    }

    /// Cells as expressions read them, as wide as the table.
    pub(crate) fn values(&self, table: usize, row: RowName, cells: &Cells) -> Vec<Option<Value>> {
        let of = self.history.table(table);
        let mut values = vec![None; of.columns.len()];
        for (column, held) in cells {
            values[*column] = held.as_ref().map(|content| match content {
                Content::Value(value) => value.clone(),
                Content::Row(target) => self.identity(*target).to_value(),
            });
        }
        values[of.id_column] = Some(self.identity(row).to_value());
        values
    }

    /// The UUID that stands for a row: its id if no other row has that; of twins, the one that the past shows under the id has
    /// it, every other a UUID that nothing else has.
    fn identity(&self, name: RowName) -> RowId {
        let Some((table, id)) = self.table_and_id(name) else { return name.derived_id() };
        let past = self.facts.rows.iter().map(|(name, row)| (*name, row.table, row.id));
        let own = self.own_inserts().map(|(name, table, id, _)| (name, table, id));
        let mut others = past.chain(own).filter(|(other, _, _)| *other != name);
        if others.all(|(_, its_table, its_id)| (its_table, its_id) != (table, id)) {
            return id;
        }
        let past = || self.history.past(self.of);
        let state = self.state.get_or_init(|| self.history.state(&past(), &past()));
        match state.shown_row(table, id) {
            Some(shown) if shown == name => id,
            _ if CoTxName::of(name) == self.of => RowId::of_own_row(name.transaction, name.operation),
            _ => name.derived_id(),
        }
    }

    fn table_and_id(&self, name: RowName) -> Option<(usize, RowId)> {
        let past = self.facts.rows.get(&name).map(|row| (row.table, row.id));
        past.or_else(|| self.own_inserts().find(|(own, _, _, _)| *own == name).map(|(_, table, id, _)| (table, id)))
    }

    /// The inserts of the co-transaction itself, earlier and later ones.
    fn own_inserts(&self) -> impl Iterator<Item = (RowName, usize, RowId, &'h Cells)> {
        let of = self.of;
        (0..).zip(self.history.deeds(of)).filter_map(move |(operation, deed)| match deed {
            Deed::Insert { table, id, cells } => Some((of.operation(operation), *table, *id, cells)),
            Deed::Update { .. } | Deed::Delete { .. } => None,
        })
    }
}
