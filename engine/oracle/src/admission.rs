//! Admission: what enters the log, judged in the past of the entry alone, in the order of docs/spec/admission.md.

use treaty_engine::cotx::Reason;
use treaty_engine::log::Entry;
use treaty_engine::relation::{RowId, RowName};
use treaty_schema::{Command, Condition as PolicyCondition, LogicalType, Table, Value};

use crate::condition::Condition;
use crate::facts::{Facts, claimed};
use crate::history::{Cells, Content, Deed, History, HistoryError};
use crate::names::CoTxName;
use crate::reading::Reading;
use crate::state::State;
use crate::verdict::{Decided, Truth, decided};

impl History {
    /// Returns why an entry is refused; none if it is admitted.
    ///
    /// An entry whose parents are not here is refused with them. Header and signature are the log's to check.
    pub fn judge(&self, entry: &Entry) -> Option<Reason> {
        let mut with = self.clone();
        match with.add(entry) {
            Ok(()) => {}
            Err(HistoryError::Orphan { .. }) => return Some(Reason::Ancestor),
            Err(HistoryError::Payload { .. }) => return Some(Reason::Payload),
            Err(HistoryError::Schema { .. }) => return Some(Reason::Schema),
        }
        let transactions = (0..).take(with.told(*entry.id()).transactions.len());
        let cotxs = transactions.map(|transaction| CoTxName { entry: *entry.id(), transaction });
        cotxs.into_iter().find_map(|cotx| Trial::of(&with, cotx).verdict())
    }
}

/// One co-transaction under judgement.
struct Trial<'t> {
    history: &'t History,
    of: CoTxName,
    deeds: &'t [Deed],
    /// The past of the entry, as tables show it.
    before: State<'t>,
    /// The past of the co-transaction: earlier ones of the entry included.
    past: Facts<'t>,
    /// The verdicts there. Nothing of the past depends on the co-transaction, so they stay what they are.
    decided: Decided,
}

impl<'t> Trial<'t> {
    fn of(history: &'t History, of: CoTxName) -> Trial<'t> {
        let before = history.past(CoTxName { transaction: 0, ..of });
        let past = history.past(of);
        Trial {
            history,
            of,
            deeds: history.deeds(of),
            before: history.state(&before, &before),
            past: history.facts(&past),
            decided: decided(&history.verdicts_in(&past)),
        }
    }

    fn verdict(&self) -> Option<Reason> {
        let surveyed = self.numbered().find_map(|(operation, deed)| self.survey(operation, deed));
        surveyed.or_else(|| self.numbered().find_map(|(operation, deed)| self.judge(operation, deed)))
    }

    fn numbered(&self) -> impl Iterator<Item = (u32, &'t Deed)> {
        (0..).zip(self.deeds)
    }

    fn table(&self, table: usize) -> &'t Table {
        self.history.table(table)
    }

    /// What can be said without looking at the past.
    fn survey(&self, operation: u32, deed: &Deed) -> Option<Reason> {
        match deed {
            Deed::Insert { table, id, .. } => {
                let earlier = &self.history.told(self.of.entry).transactions[..self.of.transaction as usize];
                let same = &self.deeds[..operation as usize];
                let is_twice = earlier.iter().flatten().chain(same).any(
                    |other| matches!(other, Deed::Insert { table: of, id: other, .. } if of == table && other == id),
                );
                (is_twice || id.is_derived()).then_some(Reason::DuplicateId)
            }
            Deed::Update { table, cells, .. } => {
                let is_whole = self.table(*table).groups.iter().all(|group| {
                    let count = group.columns.iter().filter(|column| cells.contains_key(column)).count();
                    count == 0 || count == group.columns.len()
                });
                let writes_id = cells.contains_key(&self.table(*table).id_column);
                (!is_whole || writes_id || cells.is_empty()).then_some(Reason::Schema)
            }
            Deed::Delete { .. } => None,
        }
    }

    fn judge(&self, operation: u32, deed: &Deed) -> Option<Reason> {
        let permission = || self.permission(operation);
        match deed {
            Deed::Insert { table, id, cells } => self
                .id_taken(*table, *id)
                .or_else(|| self.conformity(*table, operation, deed, cells))
                .or_else(|| self.oversize(*table, cells))
                .or_else(permission)
                .or_else(|| self.references(*table, operation, cells))
                .or_else(|| self.uniqueness(*table, operation, cells)),
            Deed::Update { table, row, cells } => self
                .addressed(*table, *row)
                .or_else(|| self.conformity(*table, operation, deed, cells))
                .or_else(|| self.oversize(*table, cells))
                .or_else(|| self.frozen(*table, cells))
                .or_else(permission)
                .or_else(|| self.references(*table, operation, cells))
                .or_else(|| self.uniqueness(*table, operation, cells)),
            Deed::Delete { table, row } => {
                let left = || self.history.delete_conditions(&self.past, self.of, operation);
                self.addressed(*table, *row)
                    .or_else(permission)
                    .or_else(|| left().iter().any(|condition| self.is_false(condition)).then_some(Reason::ForeignKey))
            }
        }
    }

    fn is_false(&self, condition: &Condition) -> bool {
        condition.truth(&self.decided) != Truth::True
    }

    /// An id that the view past(e) shows live, unless the entry has deleted that row.
    fn id_taken(&self, table: usize, id: RowId) -> Option<Reason> {
        let shown = self.before.shown_row(table, id)?;
        let own = (0..=self.of.transaction).map(|transaction| CoTxName { transaction, ..self.of });
        let is_deleted = own.into_iter().any(|own| self.history.deletes(own, shown));
        (!is_deleted).then_some(Reason::DuplicateId)
    }

    /// The row is in the past: what the same co-transaction inserts is not to be written again.
    fn addressed(&self, table: usize, row: RowName) -> Option<Reason> {
        (self.past.rows.get(&row).map(|row| row.table) != Some(table)).then_some(Reason::UnknownRow)
    }

    fn table_of(&self, name: RowName) -> Option<usize> {
        let own = if CoTxName::of(name) == self.of { self.deeds.get(name.operation as usize) } else { None };
        match own {
            Some(Deed::Insert { table, .. }) => Some(*table),
            _ => self.past.rows.get(&name).map(|row| row.table),
        }
    }

    /// Types, NOT NULL, CHECK.
    fn conformity(&self, table: usize, operation: u32, deed: &Deed, cells: &Cells) -> Option<Reason> {
        let of = self.table(table);
        for (column, held) in cells {
            match (held, of.foreign_key_of(*column)) {
                (Some(Content::Row(_)), None) | (Some(Content::Value(_)), Some(_)) => return Some(Reason::Type),
                (Some(Content::Row(name)), Some(_)) if reads(of, *column) && self.table_of(*name).is_none() => {
                    return Some(Reason::UnknownRow);
                }
                _ => {}
            }
        }
        for (column, held) in cells {
            match held {
                None if of.columns[*column].not_null => return Some(Reason::NotNull),
                Some(Content::Value(value)) if of.columns[*column].logical_type.admits(value).is_err() => {
                    return Some(Reason::Type);
                }
                _ => {}
            }
        }
        let reading = Reading::of(self.history, self.of, operation);
        let checked = match deed {
            Deed::Update { row, .. } => {
                let written: Vec<usize> = cells.keys().copied().collect();
                of.check_cells(&reading.values(table, *row, cells), &written)
            }
            Deed::Insert { .. } | Deed::Delete { .. } => {
                of.check_row(&reading.values(table, self.of.operation(operation), cells))
            }
        };
        checked.err().map(|_| Reason::Check)
    }

    /// A UNIQUE key whose columns count more than 2,048 bytes together, as docs/spec/values.md VALUE-9 says.
    fn oversize(&self, table: usize, cells: &Cells) -> Option<Reason> {
        let of = self.table(table);
        let counted = |column: usize| {
            let bytes = match cells.get(&column) {
                Some(Some(Content::Value(Value::Text(text)))) => text.as_str().len(),
                Some(Some(Content::Value(Value::Bytes(bytes)))) => bytes.as_slice().len(),
                Some(Some(Content::Value(Value::Json(json)))) => 6 * json.as_str().len(),
                _ => 0,
            };
            let is_string = matches!(
                of.columns[column].logical_type,
                LogicalType::Text | LogicalType::Varchar { .. } | LogicalType::Bytes
            );
            if is_string { bytes } else { 64 + bytes }
        };
        // A key that is not written at all is as it was.
        let mut written =
            of.uniques.iter().filter(|unique| unique.columns.iter().all(|column| cells.contains_key(column)));
        let is_oversize =
            written.any(|unique| unique.columns.iter().map(|column| counted(*column)).sum::<usize>() > 2_048);
        is_oversize.then_some(Reason::KeyTooLarge)
    }

    fn frozen(&self, table: usize, cells: &Cells) -> Option<Reason> {
        let of = self.table(table);
        cells.keys().any(|column| !of.columns[*column].updatable).then_some(Reason::Frozen)
    }

    fn permission(&self, operation: u32) -> Option<Reason> {
        let is_refused = !self.history.is_genesis(self.of)
            && self.is_false(&self.history.permission(&self.past, self.of, operation));
        is_refused.then_some(Reason::Permission)
    }

    /// Rows referred to are there, and not deleted by the same co-transaction.
    fn references(&self, table: usize, operation: u32, cells: &Cells) -> Option<Reason> {
        for (column, held) in cells {
            let (Some(Content::Row(target)), Some(key)) = (held, self.table(table).foreign_key_of(*column)) else {
                continue;
            };
            if self.table_of(*target) != Some(key.target) {
                return Some(Reason::UnknownRow);
            }
            let condition = self.history.reference(&self.past, self.of, operation, *column);
            let is_gone = condition.is_some_and(|condition| self.is_false(&condition));
            if is_gone || self.history.deletes(self.of, *target) {
                return Some(Reason::ForeignKey);
            }
        }
        None
    }

    /// One row claims a key in a co-transaction, and no other of the past has it.
    fn uniqueness(&self, table: usize, operation: u32, cells: &Cells) -> Option<Reason> {
        for index in 0..self.table(table).uniques.len() {
            let Some(mine) = claimed(self.table(table), index, cells) else { continue };
            let is_own_rival = self.deeds[..operation as usize].iter().any(|deed| match deed {
                Deed::Insert { table: other, cells, .. } | Deed::Update { table: other, cells, .. } => {
                    *other == table && claimed(self.table(table), index, cells).as_ref() == Some(&mine)
                }
                Deed::Delete { .. } => false,
            });
            let rivals = self.history.key_conditions(&self.past, self.of, operation, index);
            if is_own_rival || rivals.iter().any(|condition| self.is_false(condition)) {
                return Some(Reason::Unique);
            }
        }
        None
    }
}

/// Whether expressions of an insert read a column.
fn reads(table: &Table, column: usize) -> bool {
    let mut is_read = table.checks.iter().any(|check| check.columns.contains(&column));
    for policy in table.policies_for(Command::Insert) {
        let mut pending = vec![&policy.condition];
        while let Some(condition) = pending.pop() {
            let expr = match condition {
                PolicyCondition::And(parts) | PolicyCondition::Or(parts) => {
                    pending.extend(parts);
                    continue;
                }
                PolicyCondition::Exists(exists) => &exists.filter,
                PolicyCondition::Scalar(expr) => expr,
            };
            expr.visit_columns(&mut |cell| is_read |= cell.slot == 0 && usize::from(cell.column) == column);
        }
    }
    is_read
}
