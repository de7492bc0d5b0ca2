//! The admission oracle: the conditions of an entry in its own past, as close to their text as code allows.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::convert::Infallible;

use treaty_engine::cotx::Reason;
use treaty_engine::hash::EntryId;
use treaty_engine::log::Entry;
use treaty_engine::relation::{RowId, RowName};
use treaty_schema::{Command, FoundRow, OnDelete, Rows, Subject, Table, Value, is_permitted};

use crate::history::{Content, Deed, Held, History};
use crate::state::State;

impl History {
    /// Judges an entry whose parents are here and whose payload decodes. Returns why it is refused.
    pub fn judge(&self, entry: &Entry) -> Option<Reason> {
        let mut with = self.clone();
        with.add(entry);
        let told = &with.entries[entry.id()];
        (0..).zip(&told.transactions).find_map(|(transaction, deeds)| {
            let trial = Trial {
                history: &with,
                before: State::of(&with, &told.past, None),
                state: State::of(&with, &told.past, Some((*entry.id(), transaction))),
                entry: *entry.id(),
                transaction,
                deeds,
                progress: Cell::new(0),
            };
            trial.verdict()
        })
    }
}

/// One co-transaction under judgement.
struct Trial<'t> {
    history: &'t History,
    /// The past of the entry.
    before: State<'t>,
    /// Its past, earlier co-transactions of the entry included.
    state: State<'t>,
    entry: EntryId,
    transaction: u32,
    deeds: &'t [Deed],
    /// The operation being judged.
    progress: Cell<u32>,
}

impl Trial<'_> {
    fn verdict(&self) -> Option<Reason> {
        let surveyed = self.numbered().find_map(|(operation, deed)| self.survey(operation, deed));
        surveyed.or_else(|| {
            self.numbered().find_map(|(operation, deed)| {
                self.progress.set(operation);
                self.judge(operation, deed)
            })
        })
    }

    fn numbered(&self) -> impl Iterator<Item = (u32, &Deed)> {
        (0..).zip(self.deeds)
    }

    fn survey(&self, operation: u32, deed: &Deed) -> Option<Reason> {
        match deed {
            Deed::Insert { table, id, .. } => {
                let told = &self.history.entries[&self.entry];
                let earlier = told.transactions[..self.transaction as usize].iter().flatten();
                let same = self.deeds[..operation as usize].iter();
                let is_twice = earlier.chain(same).any(
                    |other| matches!(other, Deed::Insert { table: of, id: other, .. } if of == table && other == id),
                );
                (is_twice || id.0[6] >> 4 == 8).then_some(Reason::DuplicateId)
            }
            Deed::Update { table, cells, .. } => {
                let groups = &self.table(*table).groups;
                let is_whole = groups.iter().all(|group| {
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
        let name = RowName { entry: self.entry, transaction: self.transaction, operation };
        match deed {
            Deed::Insert { table, id, cells } => {
                let shown = self.before.shown_row(*table, *id);
                if shown.is_some_and(|row| !self.deletes(row) && !self.state.rows[&row].is_deleted) {
                    return Some(Reason::DuplicateId);
                }
                self.conformity(*table, name, cells, true)
                    .or_else(|| self.permission(Command::Insert, *table, &self.values(*table, name, cells)))
                    .or_else(|| self.references(*table, cells))
                    .or_else(|| self.uniqueness(*table, name, cells))
            }
            Deed::Update { table, row, cells } => self
                .addressed(*table, *row)
                .or_else(|| self.conformity(*table, *row, cells, false))
                .or_else(|| self.frozen(*table, cells))
                .or_else(|| self.permission(Command::Update, *table, &self.inserted_values(*table, *row)))
                .or_else(|| self.references(*table, cells))
                .or_else(|| self.uniqueness(*table, *row, cells)),
            Deed::Delete { table, row } => self
                .addressed(*table, *row)
                .or_else(|| {
                    let by_policy = self.permission(Command::Delete, *table, &self.inserted_values(*table, *row));
                    by_policy.filter(|_| !self.is_cascade(*table, *row))
                })
                .or_else(|| self.cascades(*row)),
        }
    }

    fn table(&self, table: usize) -> &Table {
        &self.history.schema.tables()[table]
    }

    fn deletes(&self, row: RowName) -> bool {
        self.deeds.iter().any(|deed| matches!(deed, Deed::Delete { row: deleted, .. } if *deleted == row))
    }

    fn writes(&self, row: RowName, column: usize) -> bool {
        self.deeds.iter().any(|deed| {
            matches!(deed, Deed::Update { row: written, cells, .. } if *written == row && cells.contains_key(&column))
        })
    }

    /// The insert of this co-transaction that a name means.
    fn own(&self, name: RowName) -> Option<(usize, RowId, &BTreeMap<usize, Held>)> {
        if name.entry != self.entry || name.transaction != self.transaction {
            return None;
        }
        match self.deeds.get(name.operation as usize) {
            Some(Deed::Insert { table, id, cells }) => Some((*table, *id, cells)),
            _ => None,
        }
    }

    fn table_of(&self, name: RowName) -> Option<usize> {
        let own = self.own(name).map(|(table, _, _)| table);
        own.or_else(|| self.state.rows.get(&name).map(|row| row.table))
    }

    fn addressed(&self, table: usize, row: RowName) -> Option<Reason> {
        (self.state.rows.get(&row).map(|row| row.table) != Some(table)).then_some(Reason::UnknownRow)
    }

    fn conformity(&self, table: usize, row: RowName, cells: &BTreeMap<usize, Held>, is_insert: bool) -> Option<Reason> {
        let of = self.table(table);
        for (column, held) in cells {
            match (held, of.foreign_key_of(*column)) {
                (Some(Content::Row(_)), None) | (Some(Content::Value(_)), Some(_)) => return Some(Reason::Type),
                (Some(Content::Row(name)), Some(_)) if self.reads(table, *column) && self.table_of(*name).is_none() => {
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
        let values = self.values(table, row, cells);
        let written: Vec<usize> = cells.keys().copied().collect();
        let checked = if is_insert { of.check_row(&values) } else { of.check_cells(&values, &written) };
        checked.err().map(|_| Reason::Check)
    }

    /// Whether expressions of an insert read a column.
    fn reads(&self, table: usize, column: usize) -> bool {
        let of = self.table(table);
        let mut is_read = of.checks.iter().any(|check| check.columns.contains(&column));
        for policy in of.policies_for(Command::Insert) {
            let mut pending = vec![&policy.condition];
            while let Some(condition) = pending.pop() {
                let expr = match condition {
                    treaty_schema::Condition::And(parts) | treaty_schema::Condition::Or(parts) => {
                        pending.extend(parts);
                        continue;
                    }
                    treaty_schema::Condition::Exists(exists) => &exists.filter,
                    treaty_schema::Condition::Scalar(expr) => expr,
                };
                expr.visit_columns(&mut |cell| is_read |= cell.slot == 0 && usize::from(cell.column) == column);
            }
        }
        is_read
    }

    fn frozen(&self, table: usize, cells: &BTreeMap<usize, Held>) -> Option<Reason> {
        let of = self.table(table);
        cells.keys().any(|column| !of.columns[*column].updatable).then_some(Reason::Frozen)
    }

    fn references(&self, table: usize, cells: &BTreeMap<usize, Held>) -> Option<Reason> {
        for (column, held) in cells {
            let Some(Content::Row(target)) = held else { continue };
            let key = self.table(table).foreign_key_of(*column).expect("conformity was checked");
            if self.table_of(*target) != Some(key.target) {
                return Some(Reason::UnknownRow);
            }
            let is_there = self.own(*target).is_some() || !self.state.rows[target].is_deleted;
            if !is_there || self.deletes(*target) {
                return Some(Reason::ForeignKey);
            }
        }
        None
    }

    fn uniqueness(&self, table: usize, row: RowName, cells: &BTreeMap<usize, Held>) -> Option<Reason> {
        let of = self.table(table);
        for (index, unique) in of.uniques.iter().enumerate() {
            let key = |cells: &BTreeMap<usize, Held>| {
                unique.columns.iter().map(|column| cells.get(column).cloned().flatten()).collect::<Option<Vec<_>>>()
            };
            let Some(mine) = key(cells) else { continue };
            let own_rival = self.numbered().take(self.progress.get() as usize).any(|(_, deed)| match deed {
                Deed::Insert { table: other, cells, .. } | Deed::Update { table: other, cells, .. } => {
                    *other == table && key(cells).as_ref() == Some(&mine)
                }
                Deed::Delete { .. } => false,
            });
            let past_rival = self.state.rows.iter().any(|(name, other)| {
                other.table == table
                    && *name != row
                    && !other.is_deleted
                    && !self.deletes(*name)
                    && !self.writes(*name, unique.columns[0])
                    && self.state.claim(*name, index).is_some_and(|(its, _, _)| its == mine)
            });
            if own_rival || past_rival {
                return Some(Reason::Unique);
            }
        }
        None
    }

    /// A reference of the past that this delete leaves behind.
    fn cascades(&self, row: RowName) -> Option<Reason> {
        let is_left = self.state.rows.iter().any(|(name, referrer)| {
            !referrer.is_deleted
                && !self.deletes(*name)
                && self.table(referrer.table).foreign_keys.iter().any(|key| {
                    key.on_delete != OnDelete::SetNull
                        && self.state.held(*name, key.column).2 == Some(Content::Row(row))
                        && !self.writes(*name, key.column)
                })
        });
        is_left.then_some(Reason::ForeignKey)
    }

    fn is_cascade(&self, table: usize, row: RowName) -> bool {
        !self.state.rows[&row].is_deleted
            && self.table(table).foreign_keys.iter().any(|key| {
                key.on_delete == OnDelete::Cascade
                    && matches!(self.state.held(row, key.column).2, Some(Content::Row(target)) if self.deletes(target))
            })
    }

    fn permission(&self, command: Command, table: usize, row: &[Option<Value>]) -> Option<Reason> {
        let told = &self.history.entries[&self.entry];
        if told.parents.is_empty() {
            return None;
        }
        let policies = self.table(table).policies_for(command);
        let subject = Subject { row, author: &told.author };
        let is_permitted = is_permitted(&self.history.schema, policies, subject, self).expect("nothing fails");
        (!is_permitted).then_some(Reason::Permission)
    }

    /// The UUID that stands for a row in expressions: one to one, and the id shown where the row is there.
    fn identity(&self, name: RowName) -> RowId {
        if let Some((table, id, _)) = self.own(name) {
            let is_shown = self.state.shown_row(table, id).is_some();
            return if is_shown { RowId([name.operation.to_le_bytes()[0] | 0x80; 16]) } else { id };
        }
        match self.state.rows.get(&name) {
            Some(row) if !row.is_deleted => self.state.shown_id(name),
            _ => name.derived_id(),
        }
    }

    fn values(&self, table: usize, row: RowName, cells: &BTreeMap<usize, Held>) -> Vec<Option<Value>> {
        let of = self.table(table);
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

    fn inserted_values(&self, table: usize, row: RowName) -> Vec<Option<Value>> {
        self.values(table, row, &self.state.rows[&row].inserted)
    }
}

/// Every row that is there: those of the past, and those that earlier operations insert.
impl Rows for Trial<'_> {
    type Handle = RowName;
    type Error = Infallible;

    fn matching(
        &self,
        table: usize,
        _equal: &[(usize, Value)],
    ) -> impl Iterator<Item = Result<FoundRow<RowName>, Infallible>> {
        self.all(table)
    }

    fn all(&self, table: usize) -> impl Iterator<Item = Result<FoundRow<RowName>, Infallible>> {
        let past = self.state.rows.iter().filter(move |(_, row)| row.table == table && !row.is_deleted);
        let past = past.map(move |(name, row)| (*name, &row.inserted));
        let own = self.numbered().take(self.progress.get() as usize).filter_map(move |(operation, deed)| match deed {
            Deed::Insert { table: of, cells, .. } if *of == table => {
                Some((RowName { entry: self.entry, transaction: self.transaction, operation }, cells))
            }
            _ => None,
        });
        past.chain(own).map(move |(name, cells)| Ok(FoundRow { handle: name, cells: self.values(table, name, cells) }))
    }
}
