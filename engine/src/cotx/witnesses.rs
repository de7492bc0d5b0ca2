//! The rows that policies may read for one operation, and by which UUIDs they name each other.
//!
//! They are rows of the past, or inserted by earlier operations of the entry; own deletes of the same co-transaction take none
//! away. They are found in the guard index, by name, or, where a policy equates nothing, by reading the table.
//!
//! Policies compare rows by identity: `id` and foreign keys are read as a UUID that only the row meant has
//! ([`Case::identity_of`]), so no row passes for another by having been inserted under its id.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::vec::IntoIter;

use treaty_schema::{FoundRow, Rows, Value, WeighedRows};

use super::condition::Weight;
use super::evaluator::{seniority_of, weight_of};
use super::judge::{Addressed, Case, JudgeError};
use super::refusal::{Reason, Refusal};
use super::verdict::VerdictStore;
use crate::crdt::Rank;
use crate::fault::StoreError;
use crate::hash::EntryId;
use crate::limits::TABLE_PAGE_ROWS;
use crate::log::Stamp;
use crate::relation::{CoTx, Content, IndexKey, Marks, RowId, RowKey, RowRecord, Target, guard_key};

/// The first witness found, by lookup. It stays the first until a co-transaction deletes something: other operations only add.
pub(super) type Known = RefCell<BTreeMap<IndexKey, FoundRow<Target>>>;

/// Rows that a lookup reads at first, and then always four times as many: mostly the first one is it.
const GUARD_PAGE_ROWS: usize = 4;

impl<S: VerdictStore> Case<'_, '_, S> {
    /// What expressions read in a column of a row: its value; of `id` and foreign keys, a UUID that names one row.
    ///
    /// # Errors
    /// [`Reason::UnknownRow`] if the cell names a row that is neither of the past nor of the entry.
    pub(super) fn value(
        &self,
        table: usize,
        row: Target,
        column: usize,
        content: Option<&Content>,
    ) -> Result<Option<Value>, JudgeError> {
        if column == self.layout().table(table).id_column {
            return Ok(Some(self.identity_of(row)?.to_value()));
        }
        match content {
            None => Ok(None),
            Some(Content::Value(value)) => Ok(Some(value.clone())),
            Some(Content::Row(target)) => Ok(Some(self.identity_of(*target)?.to_value())),
        }
    }

    /// The UUID that stands for a row: its id, unless it has twins and another one, or none, is shown under it.
    fn identity_of(&self, row: Target) -> Result<RowId, JudgeError> {
        let Some(found) = self.find(row)? else {
            let message = "it names a row that is neither in its past nor its own";
            return Err(Refusal::new(Reason::UnknownRow, message).into());
        };
        let (table, id) = (found.table(), found.id());
        let own = [&self.judge.earlier, &self.own].into_iter().find_map(|own| own.ids.get(&(table, id)).copied());
        let own = own.map(|(transaction, operation)| Target::Own { transaction, operation });
        let is_single = match &found {
            Addressed::Own(_) => false,
            Addressed::Stored(record) => !record.marks.has(Marks::TWIN) && own.is_none(),
        };
        if is_single {
            return Ok(id);
        }
        let mut stored = self.judge.view.store().rows_with_id(table, id)?;
        stored.retain(|twin| self.judge.view.holds(twin.key.pos));
        if stored.len() + usize::from(own.is_some()) < 2 || self.shown_of(&stored, own)? == Some(row) {
            return Ok(id);
        }
        Ok(match row {
            Target::Own { transaction, operation } => RowId::of_own_row(transaction, operation),
            Target::Stored(key) => self.judge.view.name(key)?.derived_id(),
        })
    }

    /// Of rows with one id, the one that the past of this co-transaction shows under that.
    fn shown_of(&self, stored: &[RowRecord], own: Option<Target>) -> Result<Option<Target>, JudgeError> {
        let mut shown: Option<((Weight, Weight), Target)> = None;
        let mut offer = |rank: (Weight, Weight), row: Target| {
            if shown.as_ref().is_none_or(|(least, _)| rank < *least) {
                shown = Some((rank, row));
            }
        };
        for twin in stored {
            let row = Target::Stored(twin.key);
            if self.is_present(row, &Addressed::Stored(*twin))? {
                let seniority = seniority_of(self.judge.view.store(), CoTx::of(twin.key))?;
                let stamp = self.judge.view.store().stamp(twin.key.pos)?;
                offer((seniority, Weight::Row(stamp, twin.key.transaction, twin.key.operation)), row);
            }
        }
        if let Some(row @ Target::Own { transaction, operation }) = own
            && transaction < self.transaction
            && !self.judge.earlier.deleted.contains(&row)
        {
            let seniority = self.judge.grants[transaction as usize].map_or(Weight::Nothing, |(weight, _)| weight);
            offer((seniority, self.own_weight(transaction, operation)), row);
        }
        Ok(shown.map(|(_, row)| row))
    }

    /// The row that a UUID made by [`Case::identity_of`] stands for.
    fn row_of(&self, table: usize, id: RowId) -> Result<Option<Target>, JudgeError> {
        let mut candidates = Vec::new();
        for own in [&self.judge.earlier, &self.own] {
            if let Some((transaction, operation)) = own.ids.get(&(table, id)) {
                candidates.push(Target::Own { transaction: *transaction, operation: *operation });
            }
        }
        if let Some((transaction, operation)) = id.as_own_row() {
            candidates.push(Target::Own { transaction, operation });
        }
        let store = self.judge.view.store();
        if id.is_derived() {
            candidates.extend(store.row_with_derived_id(table, id)?.map(Target::Stored));
        } else {
            candidates.extend(store.rows_with_id(table, id)?.iter().map(|row| Target::Stored(row.key)));
        }
        for row in candidates {
            if self.find(row)?.is_some_and(|found| found.table() == table) && self.identity_of(row)? == id {
                return Ok(Some(row));
            }
        }
        Ok(None)
    }

    /// How senior a row makes who relies on it.
    pub(super) fn weight(&self, row: Target) -> Result<Weight, JudgeError> {
        let key = match row {
            Target::Stored(key) => key,
            Target::Own { transaction, operation } => {
                let grants_nothing = match self.judge.grants.get(transaction as usize) {
                    Some(grant) => grant.is_none_or(|(weight, _)| weight == Weight::Nothing),
                    None => self.support.borrow().ungranted.contains(&operation),
                };
                return Ok(if grants_nothing { Weight::Nothing } else { self.own_weight(transaction, operation) });
            }
        };
        Ok(self.weight_and_place(key)?.0)
    }

    /// How senior a row makes who relies on it; and how senior it would if it did.
    fn weight_and_place(&self, row: RowKey) -> Result<(Weight, Weight), JudgeError> {
        if let Some(known) = self.judge.weights.borrow().get(&row) {
            return Ok(*known);
        }
        let store = self.judge.view.store();
        let stamp = store.stamp(row.pos)?;
        let found = (weight_of(store, row, stamp)?, Weight::Row(stamp, row.transaction, row.operation));
        self.judge.weights.borrow_mut().insert(row, found);
        Ok(found)
    }

    /// The entry has no stamp yet, but whatever it is, all of its past is less.
    fn own_weight(&self, transaction: u32, operation: u32) -> Weight {
        Weight::Row(Stamp { height: u64::MAX, id: EntryId([u8::MAX; 32]) }, transaction, operation)
    }
}

/// Which rows count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    /// Those that the co-transaction inserts itself.
    Own,
    /// All that are there.
    All,
}

/// The rows that policies may read for one operation.
pub(super) struct Witnesses<'w, 'c, 'j, S> {
    pub(super) case: &'w Case<'c, 'j, S>,
    /// Own inserts from here on are none.
    pub(super) operation: u32,
    pub(super) scope: Scope,
}

/// No rows: what is true by them needs none.
pub(super) struct NoRows;

impl Rows for NoRows {
    type Handle = Target;
    type Error = JudgeError;

    fn matching(&self, _: usize, _: &[(usize, Value)]) -> impl Iterator<Item = Result<FoundRow<Target>, JudgeError>> {
        std::iter::empty()
    }

    fn all(&self, _: usize) -> impl Iterator<Item = Result<FoundRow<Target>, JudgeError>> {
        std::iter::empty()
    }
}

/// What a lookup goes through, the most senior first.
#[derive(Default)]
struct LookUp {
    key: Option<IndexKey>,
    /// Rows found by name, or own ones: last.
    named: IntoIter<Target>,
    /// Rows of the guard index that were deleted once; then a page of the others, each by ascending rank.
    closed: VecDeque<(Rank, RowKey)>,
    page: VecDeque<(Rank, RowKey)>,
    /// Where the page ends; none if nothing follows.
    after: Option<(Rank, RowKey)>,
    page_rows: usize,
    /// Was the first before.
    known: Option<Target>,
    /// Something that is there was found.
    is_found: bool,
}

impl<S: VerdictStore> Witnesses<'_, '_, '_, S> {
    /// Returns the row as policies read it, if it is there for this operation.
    fn read(&self, table: usize, row: Target) -> Result<Option<FoundRow<Target>>, JudgeError> {
        let case = self.case;
        if let Target::Own { transaction, operation } = row
            && (transaction, operation) >= (case.transaction, self.operation)
        {
            return Ok(None);
        }
        let is_own = matches!(row, Target::Own { transaction, .. } if transaction == case.transaction);
        if self.scope == Scope::Own && !is_own {
            return Ok(None);
        }
        let Some(found) = case.find(row)?.filter(|found| found.table() == table) else { return Ok(None) };
        if !case.is_present(row, &found)? {
            return Ok(None);
        }
        let of = case.layout().table(table);
        let inserted = case.inserted_contents(row, &found)?;
        let mut cells = vec![None; of.columns.len()];
        for (index, column) in of.columns.iter().enumerate() {
            if column.is_guard || index == of.id_column {
                cells[index] = case.value(table, row, index, inserted[index].as_ref())?;
            }
        }
        Ok(Some(FoundRow { handle: row, cells }))
    }

    /// Begins a lookup.
    fn look_up(&self, table: usize, equal: &[(usize, Value)]) -> Result<LookUp, JudgeError> {
        let (case, layout) = (self.case, self.case.layout());
        let nothing = LookUp::default();
        let mut contents = Vec::with_capacity(equal.len());
        for (column, value) in equal {
            let content = match (layout.row_named_by(table, *column), value) {
                (None, value) => Content::Value(value.clone()),
                (Some(target), Value::Uuid(id)) => match case.row_of(target, RowId(*id))? {
                    None => return Ok(nothing),
                    Some(row) if *column == layout.table(table).id_column => {
                        return Ok(LookUp { named: vec![row].into_iter(), ..nothing });
                    }
                    Some(row) => Content::Row(row),
                },
                (Some(_), _) => return Ok(nothing),
            };
            contents.push((*column, content));
        }
        let key = guard_key(table, None, contents.iter().map(|(column, content)| (*column, Some(content))));
        let Some(key) = key else { return Ok(nothing) };
        let scopes = match self.scope {
            Scope::Own => [None, Some(&case.own)],
            Scope::All => [Some(&case.judge.earlier), Some(&case.own)],
        };
        let own = scopes.into_iter().flatten().flat_map(|own| own.guards.get(&key).into_iter().flatten());
        let own = own.map(|(transaction, operation)| Target::Own { transaction: *transaction, operation: *operation });
        let named = own.collect::<Vec<_>>().into_iter();
        if self.scope == Scope::Own {
            return Ok(LookUp { named, ..nothing });
        }
        // Who asks for rows deleted asks for them all.
        let from = if case.judge.ignores_deletes { 0 } else { case.judge.view.settled_below() };
        let mut look_up = LookUp { key: Some(key), named, page_rows: GUARD_PAGE_ROWS, ..nothing };
        if let Some(known) = case.judge.known.borrow().get(&key) {
            look_up.known = Some(known.handle);
        }
        let mut closed = case.judge.view.store().closed_guards(key, from)?;
        self.order(&mut closed)?;
        look_up.closed = closed.into();
        self.turn(key, &mut look_up)?;
        Ok(look_up)
    }

    /// Reads the next page of a lookup.
    fn turn(&self, key: IndexKey, look_up: &mut LookUp) -> Result<(), StoreError> {
        let store = self.case.judge.view.store();
        let mut page = store.open_guards(key, look_up.after, look_up.page_rows)?;
        look_up.after = None;
        if page.len() == look_up.page_rows {
            // Rows of one rank stay on one page.
            while let Some(last) = page.last().copied() {
                look_up.after = Some(last);
                match store.open_guards(key, look_up.after, 1)?.pop() {
                    Some(next) if next.0 == last.0 => page.push(next),
                    Some(_) | None => break,
                }
            }
        }
        look_up.page_rows *= 4;
        self.order(&mut page)?;
        look_up.page = page.into();
        Ok(())
    }

    /// Puts rows in order of position: by rank, and where entries share rank by the rest of their ids.
    fn order(&self, rows: &mut [(Rank, RowKey)]) -> Result<(), StoreError> {
        rows.sort_unstable();
        if rows.is_sorted_by(|a, b| a.0 < b.0 || a.1.pos == b.1.pos) {
            return Ok(());
        }
        let mut placed = Vec::with_capacity(rows.len());
        for (rank, row) in rows.iter() {
            placed.push((self.case.judge.view.store().stamp(row.pos)?, row.transaction, row.operation, (*rank, *row)));
        }
        placed.sort_unstable();
        rows.iter_mut().zip(placed).for_each(|(row, (.., placed))| *row = placed);
        Ok(())
    }

    /// Whether a row is before another by position.
    fn is_before(&self, a: (Rank, RowKey), b: (Rank, RowKey)) -> Result<bool, StoreError> {
        if a.0 != b.0 || a.1.pos == b.1.pos {
            return Ok(a < b);
        }
        let store = self.case.judge.view.store();
        Ok(store.stamp(a.1.pos)? < store.stamp(b.1.pos)?)
    }

    /// The next row of a lookup, there or not.
    fn step(&self, look_up: &mut LookUp) -> Result<Option<Target>, JudgeError> {
        if let (Some(key), None, Some(_)) = (look_up.key, look_up.page.front(), look_up.after) {
            self.turn(key, look_up)?;
        }
        let next = match (look_up.closed.front().copied(), look_up.page.front().copied()) {
            (Some(a), Some(b)) if self.is_before(a, b)? => look_up.closed.pop_front(),
            (_, Some(_)) => look_up.page.pop_front(),
            (_, None) => look_up.closed.pop_front(),
        };
        Ok(next.map(|(_, row)| Target::Stored(row)).or_else(|| look_up.named.next()))
    }

    /// The next row of a lookup that is there.
    fn next(&self, table: usize, look_up: &mut LookUp) -> Result<Option<FoundRow<Target>>, JudgeError> {
        if let (Some(known), false, Some(key)) = (look_up.known, look_up.is_found, look_up.key) {
            look_up.is_found = true;
            if let Some(found) = self.case.judge.known.borrow().get(&key).filter(|found| found.handle == known) {
                return Ok(Some(found.clone()));
            }
        }
        while let Some(row) = self.step(look_up)? {
            if look_up.known == Some(row) {
                continue;
            }
            let Some(found) = self.read(table, row)? else { continue };
            if let (Some(key), false) = (look_up.key, look_up.is_found) {
                self.case.judge.known.borrow_mut().insert(key, found.clone());
            }
            look_up.is_found = true;
            return Ok(Some(found));
        }
        Ok(None)
    }
}

impl<S: VerdictStore> Rows for Witnesses<'_, '_, '_, S> {
    type Handle = Target;
    type Error = JudgeError;

    fn matching(
        &self,
        table: usize,
        equal: &[(usize, Value)],
    ) -> impl Iterator<Item = Result<FoundRow<Target>, JudgeError>> {
        let (mut look_up, mut failed) = match self.look_up(table, equal) {
            Ok(look_up) => (look_up, None),
            Err(cause) => (LookUp::default(), Some(Err(cause))),
        };
        std::iter::from_fn(move || failed.take().or_else(|| self.next(table, &mut look_up).transpose()))
    }

    fn all(&self, table: usize) -> impl Iterator<Item = Result<FoundRow<Target>, JudgeError>> {
        let scopes = match self.scope {
            Scope::Own => [None, Some(&self.case.own)],
            Scope::All => [Some(&self.case.judge.earlier), Some(&self.case.own)],
        };
        let own = scopes.into_iter().flatten().flat_map(move |own| own.by_table.get(&table).into_iter().flatten());
        let own = own.map(|at| Ok(Target::Own { transaction: at.0, operation: at.1 }));
        let is_done = self.scope == Scope::Own;
        let kept = Scan { case: self.case, table, page: Vec::new().into_iter(), after: None, is_done };
        own.chain(kept).filter_map(move |row| row.and_then(|row| self.read(table, row)).transpose())
    }
}

impl<S: VerdictStore> WeighedRows for Witnesses<'_, '_, '_, S> {
    type Weight = Weight;

    fn weight(&self, row: &Target) -> Result<Weight, JudgeError> {
        self.case.weight(*row)
    }

    fn is_last(&self, row: &Target, than: &Weight) -> Result<bool, JudgeError> {
        // Rows come by position; those that lend nothing lie among the others.
        let place = match row {
            Target::Own { transaction, operation } => self.case.own_weight(*transaction, *operation),
            Target::Stored(key) => self.case.weight_and_place(*key)?.1,
        };
        Ok(place >= *than)
    }
}

/// The rows of a table in the store, page by page.
struct Scan<'s, 'c, 'j, S> {
    case: &'s Case<'c, 'j, S>,
    table: usize,
    page: IntoIter<(RowId, RowKey)>,
    after: Option<(RowId, RowKey)>,
    is_done: bool,
}

impl<S: VerdictStore> Iterator for Scan<'_, '_, '_, S> {
    type Item = Result<Target, JudgeError>;

    fn next(&mut self) -> Option<Result<Target, JudgeError>> {
        loop {
            if let Some(row) = self.page.next() {
                self.after = Some(row);
                return Some(Ok(Target::Stored(row.1)));
            }
            if self.is_done {
                return None;
            }
            match self.case.judge.view.store().rows_of_table(self.table, self.after, TABLE_PAGE_ROWS) {
                Err(cause) => {
                    self.is_done = true;
                    return Some(Err(cause.into()));
                }
                Ok(rows) => {
                    self.is_done = rows.len() < TABLE_PAGE_ROWS;
                    self.page = rows.into_iter().map(|row| (row.id, row.key)).collect::<Vec<_>>().into_iter();
                }
            }
        }
    }
}

pub(super) fn not_an_insert() -> StoreError {
    StoreError::corrupt("a row is named by something that is no insert")
}
