//! Permissions as conditions: every way in which a policy could be true by rows inserted in the past, live or not.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use treaty_schema::{Command, FoundRow, Rows, Subject as PolicySubject, Value, visit_alternatives};

use super::condition::{Alternative, Condition, Kind, Weight};
use super::derive::{Found, Subject};
use super::evaluator::{Evaluator, Ground, KeptRow};
use crate::fault::StoreError;
use crate::limits::TABLE_PAGE_ROWS;
use crate::relation::{Act, CoTx, Content, Marks, RowId, RowKey, RowName, guard_key};

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
        let rows = PastRows { evaluator: self, subject, operation };
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

/// The rows that policies may read for one operation, whatever their verdicts.
struct PastRows<'p, 'e, S> {
    evaluator: &'p Evaluator<'e, S>,
    subject: &'p Subject<'p>,
    /// Own inserts from here on are none.
    operation: u32,
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
    fn alternatives(
        &self,
        command: Command,
        table: usize,
        cells: &[Option<Value>],
    ) -> Result<Option<Vec<Alternative>>, StoreError> {
        let layout = self.evaluator.layout();
        let mut found: BTreeMap<Vec<RowKey>, BTreeSet<RowKey>> = BTreeMap::new();
        let (mut is_static, mut failed) = (false, None);
        let subject = PolicySubject { row: cells, author: &self.subject.author };
        let policies = layout.table(table).policies_for(command);
        visit_alternatives(layout.schema(), policies, subject, self, &mut |alternative| {
            let rows = alternative.witnesses.into_iter().map(|witness| witness.handle);
            let (own, past): (BTreeSet<RowKey>, BTreeSet<RowKey>) = rows.partition(|row| self.subject.is_own(*row));
            if past.is_empty() {
                is_static = true;
                return ControlFlow::Break(());
            }
            // Of several ways by the same rows of the past, one is as good as the other; the least own rows make most senior.
            let known = found.entry(past.into_iter().collect()).or_insert_with(|| own.clone());
            match (self.own_weights(&own), self.own_weights(known)) {
                (Ok(weights), Ok(least)) if weights < least => *known = own,
                (Ok(_), Ok(_)) => {}
                (Err(cause), _) | (_, Err(cause)) => {
                    failed = Some(cause);
                    return ControlFlow::Break(());
                }
            }
            ControlFlow::Continue(())
        })?;
        if let Some(cause) = failed {
            return Err(cause);
        }
        if is_static {
            return Ok(None);
        }
        let mut alternatives = Vec::with_capacity(found.len());
        for (past, own) in found {
            let mut alternative = Alternative::default();
            for row in past {
                self.evaluator.rely_on(self.subject, &mut alternative, row, true)?;
                alternative.weights.push(self.evaluator.weight(row)?);
            }
            alternative.weights.extend(self.own_weights(&own)?);
            alternative.weights.sort_unstable_by(|a, b| b.cmp(a));
            alternatives.push(alternative);
        }
        Ok(Some(alternatives))
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
    fn is_witness(&self, row: RowKey) -> bool {
        self.subject.is_past(row) || self.subject.is_own(row) && row.operation < self.operation
    }

    fn read(&self, table: usize, row: RowKey) -> Result<Option<FoundRow<RowKey>>, StoreError> {
        if !self.is_witness(row) {
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

    fn look_up(&self, table: usize, equal: &[(usize, Value)]) -> Result<Vec<RowKey>, StoreError> {
        let layout = self.evaluator.layout();
        let mut contents = Vec::with_capacity(equal.len());
        for (column, value) in equal {
            let content = match (layout.row_named_by(table, *column), value) {
                (None, value) => Content::Value(value.clone()),
                (Some(target), Value::Uuid(id)) => match self.row_of(target, RowId(*id))? {
                    None => return Ok(Vec::new()),
                    Some(row) if *column == layout.table(table).id_column => return Ok(vec![row]),
                    Some(row) => Content::Row(crate::relation::Target::Stored(row)),
                },
                (Some(_), _) => return Ok(Vec::new()),
            };
            contents.push((*column, content));
        }
        let key = guard_key(table, None, contents.iter().map(|(column, content)| (*column, Some(content))));
        let Some(key) = key else { return Ok(Vec::new()) };
        let rows = self.evaluator.guards(key)?;
        Ok(rows.iter().copied().filter(|row| self.is_witness(*row)).collect())
    }

    fn table(&self, table: usize) -> Result<Vec<RowKey>, StoreError> {
        let (mut rows, mut after) = (Vec::new(), None);
        loop {
            let page = self.evaluator.store.rows_of_table(table, after, TABLE_PAGE_ROWS)?;
            let Some(last) = page.last() else { return Ok(rows) };
            after = Some((last.id, last.key));
            rows.extend(page.into_iter().map(|row| row.key).filter(|row| self.is_witness(*row)));
        }
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
    keys: Result<Vec<RowKey>, StoreError>,
) -> impl Iterator<Item = Result<FoundRow<RowKey>, StoreError>> {
    let (keys, failed) = match keys {
        Ok(keys) => (keys, None),
        Err(cause) => (Vec::new(), Some(Err(cause))),
    };
    failed.into_iter().chain(keys.into_iter().filter_map(move |row| rows.read(table, row).transpose()))
}

impl<S: Ground> Evaluator<'_, S> {
    /// Of rows of one id in the past of a co-transaction, the one that its past shows under that.
    fn shown_of(&self, subject: &Subject<'_>, past: &[RowKey]) -> Result<Option<RowKey>, StoreError> {
        let mut shown = None;
        for row in past {
            if !self.is_live_in_past(subject, CoTx::of(*row))? {
                continue;
            }
            let mut is_deleted = false;
            for delete in self.deletes(*row)?.iter().filter(|delete| subject.is_past(**delete)) {
                is_deleted |= self.is_live_in_past(subject, CoTx::of(*delete))?;
            }
            if is_deleted {
                continue;
            }
            let rank = self.rank(*row)?;
            if shown.as_ref().is_none_or(|(least, _)| rank < *least) {
                shown = Some((rank, *row));
            }
        }
        Ok(shown.map(|(_, row)| row))
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
