//! Permissions as conditions: every way in which a policy could be true by rows inserted in the past, live or not.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::rc::Rc;

use treaty_schema::{
    Command, FoundRow, Rows, Subject as PolicySubject, Value, WeighedRows, Witness, is_permitted, least_alternative,
    visit_alternatives,
};

use super::condition::{Alternative, Condition, Kind, Weight};
use super::derive::{Found, Subject};
use super::evaluator::{Evaluator, Ground, KeptRow};
use crate::fault::StoreError;
use crate::limits::{ALTERNATIVES_MAX, TABLE_PAGE_ROWS};
use crate::relation::{Act, CoTx, Content, Marks, RowId, RowKey, RowName, Target, guard_key};

/// What a permission depends on, own rows aside: table, command, and the encoded cells that policies read.
pub(super) type Asked = (usize, Command, Vec<u8>);

impl<S: Ground> Evaluator<'_, S> {
    /// Adds the permission of an operation.
    pub(super) fn permission(
        &self,
        subject: &Subject<'_>,
        found: &mut Found,
        operation: u32,
    ) -> Result<(), StoreError> {
        let rows = PastRows { evaluator: self, subject, operation, scope: Scope::All };
        let act = &subject.acts[operation as usize];
        let (command, table) = match act {
            Act::Insert { table, .. } => (Command::Insert, *table),
            Act::Update { table, .. } => (Command::Update, *table),
            Act::Delete { table, .. } => (Command::Delete, *table),
        };
        let cells = rows.row_at_hand(act, command, table, operation)?;
        let mut cascades = Vec::new();
        if let Act::Delete { table, row } = act {
            cascades = self.cascades(subject, *table, row.key(subject.of.pos))?;
        }
        let asked = (table, command, borsh::to_vec(&cells).expect("encoding to memory does not fail"));
        if cascades.is_empty() && found.permissions.insert(asked) {
            // An own row may be a witness of later operations.
        } else if cascades.is_empty() {
            return Ok(());
        }
        if matches!(act, Act::Insert { .. }) && self.layout().of(table).is_read_by_policies {
            found.permissions.clear();
        }
        let Some(mut alternatives) = rows.alternatives(command, table, &cells)? else { return Ok(()) };
        alternatives.extend(cascades);
        found.conditions.push(Condition { operation, kind: Kind::Permission, part: 0, other: None, alternatives });
        Ok(())
    }
}

/// Ways of being permitted: by the rows of the past that are relied on, the own ones.
type Ways = BTreeMap<Vec<RowKey>, BTreeSet<RowKey>>;

/// The rows that policies may read for one operation, whatever their verdicts.
struct PastRows<'p, 'e, S> {
    evaluator: &'p Evaluator<'e, S>,
    subject: &'p Subject<'p>,
    /// Own inserts from here on are none.
    operation: u32,
    scope: Scope,
}

/// Which rows count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scope {
    /// None.
    Nothing,
    /// Those that the co-transaction inserts itself.
    Own,
    /// All that were ever inserted.
    All,
    /// Those that its past shows, as admission saw them.
    Present,
}

impl<S: Ground> PastRows<'_, '_, S> {
    /// What policies read of the row at hand, in the width of its table.
    fn row_at_hand(
        &self,
        act: &Act,
        command: Command,
        table: usize,
        operation: u32,
    ) -> Result<Vec<Option<Value>>, StoreError> {
        let mut values = vec![None; self.evaluator.layout().table(table).columns.len()];
        let read = self.evaluator.layout().of(table).columns_read_by(command);
        if read.is_empty() {
            return Ok(values);
        }
        let of = self.subject.of;
        let (row, kept);
        let cells = match act {
            Act::Insert { cells, .. } => {
                row = RowKey { pos: of.pos, transaction: of.transaction, operation };
                cells
            }
            Act::Update { row: target, .. } | Act::Delete { row: target, .. } => {
                row = target.key(of.pos);
                kept = self.evaluator.kept_row(row)?;
                &kept.inserted
            }
        };
        for column in read {
            values[*column] = self.value(table, row, *column, cells[*column].as_ref())?;
        }
        Ok(values)
    }

    /// The ways of making a policy true; none if one of them needs no row of the past.
    ///
    /// Of more than [`ALTERNATIVES_MAX`] only the first count, in the order of policies and positions of rows, and the most senior
    /// one of those that the past shows: the one that admission rests on.
    fn alternatives(
        &self,
        command: Command,
        table: usize,
        cells: &[Option<Value>],
    ) -> Result<Option<Vec<Alternative>>, StoreError> {
        let (schema, of) = (self.evaluator.layout().schema(), self.evaluator.layout().table(table));
        let subject = PolicySubject { row: cells, author: &self.subject.author };
        let has_own = self.subject.first_witness.is_some_and(|first| first < self.operation);
        let own = PastRows { scope: if has_own { Scope::Own } else { Scope::Nothing }, ..*self };
        if is_permitted(schema, of.policies_for(command), subject, &own)? {
            return Ok(None);
        }
        let (mut ways, mut failed, mut is_full) = (Ways::new(), None, false);
        visit_alternatives(schema, of.policies_for(command), subject, self, &mut |alternative| {
            is_full = ways.len() == ALTERNATIVES_MAX;
            if !is_full {
                failed = self.add_way(&mut ways, alternative.witnesses).err();
            }
            if is_full || failed.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        if let Some(cause) = failed {
            return Err(cause);
        }
        if is_full {
            let present = PastRows { scope: Scope::Present, ..*self };
            if let Some(least) = least_alternative(schema, of.policies_for(command), subject, &present)? {
                self.add_way(&mut ways, least.witnesses)?;
            }
        }
        let mut alternatives = Vec::with_capacity(ways.len());
        for (past, own) in ways {
            let mut alternative = Alternative::default();
            for row in past {
                self.evaluator.rely_on(self.subject, &mut alternative, row, true)?;
                alternative.weights.push(self.evaluator.weight(row)?);
                alternative.places.push(self.evaluator.place(row)?);
            }
            alternative.weights.extend(self.own_weights(&own)?);
            alternative.weights.sort_unstable_by(|a, b| b.cmp(a));
            alternative.places.extend(own.iter().map(|row| (self.subject.stamp, row.transaction, row.operation)));
            alternative.places.sort_unstable_by(|a, b| b.cmp(a));
            alternatives.push(alternative);
        }
        Ok(Some(alternatives))
    }

    /// Adds a way of being permitted. Of several by the same rows of the past, one is as good as the other; the least own rows
    /// make most senior.
    fn add_way(&self, ways: &mut Ways, witnesses: Vec<Witness<RowKey>>) -> Result<(), StoreError> {
        let rows = witnesses.into_iter().map(|witness| witness.handle);
        let (own, past): (BTreeSet<RowKey>, BTreeSet<RowKey>) = rows.partition(|row| self.subject.is_own(*row));
        let known = ways.entry(past.into_iter().collect()).or_insert_with(|| own.clone());
        if *known != own && self.own_weights(&own)? < self.own_weights(known)? {
            *known = own;
        }
        Ok(())
    }

    /// How senior own rows make, descending.
    fn own_weights(&self, own: &BTreeSet<RowKey>) -> Result<Vec<Weight>, StoreError> {
        let mut weights = Vec::with_capacity(own.len());
        for row in own {
            let is_granted = !self.evaluator.kept_row(*row)?.record.marks.has(Marks::UNGRANTED);
            let place = Weight::Row(self.subject.stamp, row.transaction, row.operation);
            weights.push(if is_granted { place } else { Weight::Nothing });
        }
        weights.sort_unstable_by(|a, b| b.cmp(a));
        Ok(weights)
    }

    fn is_of_past_or_own(&self, row: RowKey) -> bool {
        self.subject.is_past(row) || self.subject.is_own(row)
    }

    /// What expressions read in a column of a row.
    fn value(
        &self,
        table: usize,
        row: RowKey,
        column: usize,
        content: Option<&Content>,
    ) -> Result<Option<Value>, StoreError> {
        if column == self.evaluator.layout().table(table).id_column {
            return Ok(Some(self.identity_of(row)?.to_value()));
        }
        match content {
            None => Ok(None),
            Some(Content::Value(value)) => Ok(Some(value.clone())),
            Some(Content::Row(target)) => Ok(Some(self.identity_of(target.key(row.pos))?.to_value())),
        }
    }

    /// The UUID that stands for a row: its id, unless it has twins and another one, or none, is shown under it.
    fn identity_of(&self, row: RowKey) -> Result<RowId, StoreError> {
        let record = self.evaluator.kept_row(row)?.record;
        if !record.marks.has(Marks::TWIN) {
            return Ok(record.id);
        }
        let mut twins = self.evaluator.store.rows_with_id(record.table, record.id)?;
        twins.retain(|twin| self.is_of_past_or_own(twin.key));
        if twins.len() < 2 {
            return Ok(record.id);
        }
        let past: Vec<RowKey> = twins.iter().map(|twin| twin.key).filter(|key| self.subject.is_past(*key)).collect();
        if self.evaluator.shown_of(self.subject, &past)? == Some(row) {
            return Ok(record.id);
        }
        if row.pos == self.subject.of.pos {
            return Ok(RowId::of_own_row(row.transaction, row.operation));
        }
        let entry = self.evaluator.stamp(row.pos)?.id;
        Ok(RowName { entry, transaction: row.transaction, operation: row.operation }.derived_id())
    }

    /// The row that a UUID made by [`PastRows::identity_of`] stands for.
    fn row_of(&self, table: usize, id: RowId) -> Result<Option<RowKey>, StoreError> {
        let mut candidates: Vec<RowKey> = Vec::new();
        if let Some((transaction, operation)) = id.as_own_row() {
            candidates.push(RowKey { pos: self.subject.of.pos, transaction, operation });
        }
        if id.is_derived() {
            candidates.extend(self.evaluator.store.row_with_derived_id(table, id)?);
        } else {
            candidates.extend(self.evaluator.store.rows_with_id(table, id)?.iter().map(|row| row.key));
        }
        for row in candidates {
            if self.is_of_past_or_own(row)
                && self.evaluator.row(row)?.is_some_and(|kept| kept.record.table == table)
                && self.identity_of(row)? == id
            {
                return Ok(Some(row));
            }
        }
        Ok(None)
    }

    /// Whether an operation may rely on a row.
    fn is_witness(&self, row: RowKey) -> Result<bool, StoreError> {
        if self.subject.is_own(row) {
            return Ok(row.operation < self.operation);
        }
        match self.scope {
            Scope::Nothing | Scope::Own => Ok(false),
            Scope::All => Ok(self.subject.is_past(row)),
            Scope::Present => Ok(self.subject.is_past(row) && self.evaluator.is_shown_in_past(self.subject, row)?),
        }
    }

    fn read(&self, table: usize, row: RowKey) -> Result<Option<FoundRow<RowKey>>, StoreError> {
        if !self.is_witness(row)? {
            return Ok(None);
        }
        let kept = self.evaluator.kept_row(row)?;
        let KeptRow { record, inserted } = &*kept;
        if record.table != table {
            return Ok(None);
        }
        let of = self.evaluator.layout().table(table);
        let mut cells = vec![None; of.columns.len()];
        for (index, column) in of.columns.iter().enumerate() {
            if column.is_guard || index == of.id_column {
                cells[index] = self.value(table, row, index, inserted[index].as_ref())?;
            }
        }
        Ok(Some(FoundRow { handle: row, cells }))
    }

    /// Rows that may be what is looked for, ascending by position.
    fn look_up(&self, table: usize, equal: &[(usize, Value)]) -> Result<Rc<Vec<RowKey>>, StoreError> {
        if self.scope == Scope::Nothing {
            return Ok(Rc::default());
        }
        let layout = self.evaluator.layout();
        let mut contents = Vec::with_capacity(equal.len());
        for (column, value) in equal {
            let content = match (layout.row_named_by(table, *column), value) {
                (None, value) => Content::Value(value.clone()),
                (Some(target), Value::Uuid(id)) => match self.row_of(target, RowId(*id))? {
                    None => return Ok(Rc::default()),
                    Some(row) if *column == layout.table(table).id_column => return Ok(Rc::new(vec![row])),
                    Some(row) => Content::Row(Target::Stored(row)),
                },
                (Some(_), _) => return Ok(Rc::default()),
            };
            contents.push((*column, content));
        }
        let key = guard_key(table, None, contents.iter().map(|(column, content)| (*column, Some(content))));
        key.map_or_else(|| Ok(Rc::default()), |key| self.evaluator.guards(key))
    }

    /// The rows of a table, ascending by id, then position.
    fn table(&self, table: usize) -> Result<Rc<Vec<RowKey>>, StoreError> {
        let (mut rows, mut after) = (Vec::new(), None);
        if self.scope == Scope::Nothing {
            return Ok(Rc::default());
        }
        loop {
            let page = self.evaluator.store.rows_of_table(table, after, TABLE_PAGE_ROWS)?;
            let Some(last) = page.last() else { break };
            after = Some((last.id, last.key));
            for row in page {
                let place = if row.marks.has(Marks::TWIN) { Some(self.evaluator.place(row.key)?) } else { None };
                rows.push((row.id, place, row.key));
            }
        }
        rows.sort_unstable();
        Ok(Rc::new(rows.into_iter().map(|(_, _, row)| row).collect()))
    }
}

impl<S: Ground> Rows for PastRows<'_, '_, S> {
    type Handle = RowKey;
    type Error = StoreError;

    fn matching(
        &self,
        table: usize,
        equal: &[(usize, Value)],
    ) -> impl Iterator<Item = Result<FoundRow<RowKey>, StoreError>> {
        found(self, table, self.look_up(table, equal))
    }

    fn all(&self, table: usize) -> impl Iterator<Item = Result<FoundRow<RowKey>, StoreError>> {
        found(self, table, self.table(table))
    }
}

fn found<S: Ground>(
    rows: &PastRows<'_, '_, S>,
    table: usize,
    keys: Result<Rc<Vec<RowKey>>, StoreError>,
) -> impl Iterator<Item = Result<FoundRow<RowKey>, StoreError>> {
    let (keys, failed) = match keys {
        Ok(keys) => (keys, None),
        Err(cause) => (Rc::default(), Some(Err(cause))),
    };
    let keys = (0..keys.len()).map(move |index| keys[index]);
    failed.into_iter().chain(keys.filter_map(move |row| rows.read(table, row).transpose()))
}

impl<S: Ground> WeighedRows for PastRows<'_, '_, S> {
    type Weight = Weight;

    fn weight(&self, row: &RowKey) -> Result<Weight, StoreError> {
        if !self.subject.is_own(*row) {
            return self.evaluator.weight(*row);
        }
        let weights = self.own_weights(&BTreeSet::from([*row]))?;
        Ok(weights.first().copied().unwrap_or(Weight::Nothing))
    }

    fn is_last(&self, row: &RowKey, than: &Weight) -> Result<bool, StoreError> {
        let (stamp, transaction, operation) = self.evaluator.place(*row)?;
        Ok(Weight::Row(stamp, transaction, operation) >= *than)
    }
}

impl<S: Ground> Evaluator<'_, S> {
    /// Of rows of one id in the past of a co-transaction, the one that its past shows under that.
    fn shown_of(&self, subject: &Subject<'_>, past: &[RowKey]) -> Result<Option<RowKey>, StoreError> {
        let mut shown = None;
        for row in past {
            if !self.is_shown_in_past(subject, *row)? {
                continue;
            }
            let rank = self.rank(*row)?;
            if shown.as_ref().is_none_or(|(least, _)| rank < *least) {
                shown = Some((rank, *row));
            }
        }
        Ok(shown.map(|(_, row)| row))
    }

    /// Whether the past of a co-transaction shows a row of it.
    fn is_shown_in_past(&self, subject: &Subject<'_>, row: RowKey) -> Result<bool, StoreError> {
        let mut is_shown = self.is_live_in_past(subject, CoTx::of(row))?;
        for delete in self.deletes(row)?.iter().filter(|delete| subject.is_past(**delete)) {
            is_shown &= !self.is_live_in_past(subject, CoTx::of(*delete))?;
        }
        Ok(is_shown)
    }

    /// The verdict in the view that is the past of a co-transaction; notes that it is needed if it is not known.
    fn is_live_in_past(&self, subject: &Subject<'_>, of: CoTx) -> Result<bool, StoreError> {
        // Earlier ones of the entry are live there: it was admitted.
        if of.pos == subject.of.pos {
            return Ok(true);
        }
        let known = self.known_before(subject.of.pos, &subject.clock, of)?;
        if known.is_none() {
            subject.needs.borrow_mut().push((subject.of.pos, of));
        }
        Ok(known.unwrap_or(true))
    }
}
