//! State: the rows that the live co-transactions of a version make.

use std::collections::BTreeMap;
use std::rc::Rc;

use treaty_engine::hash::EntryId;
use treaty_engine::identity::Identity;
use treaty_engine::relation::{RowId, RowName};
use treaty_schema::{OnDelete, Value};

use crate::facts::{Facts, Row, Write};
use crate::history::{Content, Held, History};
use crate::names::CoTxName;
use crate::verdict::{Verdict, Verdicts};
use crate::view::View;

/// `state(at V, from F)`: what happened in V, with its verdicts in F's view.
pub(crate) struct State<'h> {
    history: &'h History,
    facts: Facts<'h>,
    verdicts: Rc<Verdicts>,
}

/// A live row as tables show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownRow {
    /// Its name.
    pub name: RowName,
    /// Its cells.
    pub cells: Vec<Option<Value>>,
    /// Who wrote its last change.
    pub author: Identity,
}

impl History {
    /// Returns the rows of a version as tables showed them there, by table and id shown.
    pub fn shown(&self, at: &[EntryId]) -> BTreeMap<(usize, RowId), ShownRow> {
        self.shown_from(at, at)
    }

    /// Returns the rows of a version as is now known, by table and id shown.
    ///
    /// * `at` - the version.
    /// * `from` - a later one, whose verdicts hold.
    pub fn shown_from(&self, at: &[EntryId], from: &[EntryId]) -> BTreeMap<(usize, RowId), ShownRow> {
        let state = self.state(&self.view(at), &self.view(from));
        let live = state.facts.rows.iter().filter(|(name, _)| state.is_live(**name));
        live.map(|(name, row)| ((row.table, state.shown_id(*name)), state.show(*name, row))).collect()
    }

    pub(crate) fn state(&self, at: &View, from: &View) -> State<'_> {
        State { history: self, facts: self.facts(at), verdicts: self.verdicts_in(from) }
    }
}

impl<'h> State<'h> {
    fn stands(&self, cotx: CoTxName) -> bool {
        self.verdicts.get(&cotx) == Some(&Verdict::Live)
    }

    /// Its insert is live and no live delete of it exists.
    pub(crate) fn is_live(&self, name: RowName) -> bool {
        self.facts.rows.contains_key(&name)
            && self.stands(CoTxName::of(name))
            && !self.facts.deletes_of(name).any(|delete| self.stands(delete))
    }

    /// The live row shown under an id: of those with it, the one of smallest rank.
    pub(crate) fn shown_row(&self, table: usize, id: RowId) -> Option<RowName> {
        let twins = self.facts.rows.iter().filter(|(_, row)| row.table == table && row.id == id);
        let live: Vec<RowName> = twins.map(|(name, _)| *name).filter(|name| self.is_live(*name)).collect();
        match live[..] {
            [only] => Some(only),
            _ => live.into_iter().min_by_key(|name| self.history.rank(*name)),
        }
    }

    /// Under what a row is shown; one that is not live has its own id while no live row is shown under it.
    fn shown_id(&self, name: RowName) -> RowId {
        let Some(row) = self.facts.rows.get(&name) else { return name.derived_id() };
        match self.shown_row(row.table, row.id) {
            Some(first) if first != name => name.derived_id(),
            Some(_) | None => row.id,
        }
    }

    /// The live write of greatest position of a cell of a live row, and what it wrote.
    fn held(&self, name: RowName, column: usize) -> Option<(&Write<'h>, &'h Held)> {
        let writes = self.facts.writes_of(name).filter(|write| self.stands(write.by));
        let of_cell = writes.filter_map(|write| Some((write, write.cells.get(&column)?)));
        of_cell.max_by_key(|(write, _)| self.history.position(write.by))
    }

    fn show(&self, name: RowName, row: &Row<'_>) -> ShownRow {
        let table = self.history.table(row.table);
        let mut cells = vec![None; table.columns.len()];
        let mut last = CoTxName::of(name);
        for column in (0..table.columns.len()).filter(|column| *column != table.id_column) {
            let Some((write, held)) = self.held(name, column) else { continue };
            last = std::cmp::max_by_key(last, write.by, |cotx| self.history.position(*cotx));
            cells[column] = held.as_ref().and_then(|content| match content {
                Content::Value(value) => Some(value.clone()),
                Content::Row(target) => {
                    let key = table.foreign_key_of(column)?;
                    let reads_null = key.on_delete == OnDelete::SetNull && !self.is_live(*target);
                    (!reads_null).then(|| self.shown_id(*target).to_value())
                }
            });
        }
        cells[table.id_column] = Some(self.shown_id(name).to_value());
        ShownRow { name, cells, author: self.history.told(last.entry).author }
    }
}
