//! Local work in the words of operations: ids shown become rows, changed cells whole column groups.

use std::collections::BTreeMap;

use treaty_schema::{OnDelete, Value};

use super::source::LocalSource;
use super::types::{LocalOperation, LocalRow, LocalTransaction};
use crate::cotx::{Judge, JudgeError, Reason, Refusal, Source};
use crate::fault::StoreError;
use crate::relation::{Act, Content, Layout, RowId, RowRecord, Target, View};
use crate::store::Sqlite;

/// Finds what local operations name, in what the tables showed and in the entry's earlier co-transactions.
pub(super) struct Resolver<'r, 'j> {
    pub(super) judge: &'r Judge<'j, Sqlite>,
    /// What the tables showed: the past of the entry, by the verdicts that they followed.
    pub(super) shown: &'r View<'r, Sqlite>,
    /// The earlier co-transactions.
    pub(super) source: &'r LocalSource,
    /// Index of the co-transaction in the entry.
    pub(super) transaction: u32,
}

/// The inserts of the co-transaction at hand: by table and id, the index of the operation.
type Inserts = BTreeMap<(usize, RowId), u32>;

/// A row that a local operation names.
enum Named {
    Own { transaction: u32, operation: u32 },
    Stored(RowRecord),
}

impl Named {
    fn target(&self) -> Target {
        match self {
            Named::Own { transaction, operation } => Target::Own { transaction: *transaction, operation: *operation },
            Named::Stored(record) => Target::Stored(record.key),
        }
    }
}

impl Resolver<'_, '_> {
    /// Turns a local co-transaction into acts.
    ///
    /// # Errors
    /// [`JudgeError::Refused`] if it names what is not there; [`JudgeError::Store`].
    pub(super) fn resolve(&self, transaction: &LocalTransaction) -> Result<Vec<Act>, JudgeError> {
        if transaction.operations.is_empty() {
            return Err(Refusal::new(Reason::Payload, "the transaction has no operation").into());
        }
        let mut inserts = Inserts::new();
        for (operation, index) in transaction.operations.iter().zip(0..) {
            if let LocalOperation::Insert(row) = operation {
                inserts.insert((row.table, self.check_row(row)?), index);
            }
        }
        transaction.operations.iter().map(|operation| self.act(&inserts, operation)).collect()
    }

    fn layout(&self) -> &Layout {
        self.judge.view().layout()
    }

    fn act(&self, inserts: &Inserts, operation: &LocalOperation) -> Result<Act, JudgeError> {
        match operation {
            LocalOperation::Insert(row) => {
                let id = self.check_row(row)?;
                let mut cells = Vec::with_capacity(row.cells.len());
                for (column, value) in row.cells.iter().enumerate() {
                    let is_id = column == self.layout().table(row.table).id_column;
                    cells.push(if is_id { None } else { self.content(inserts, row.table, column, value.as_ref())? });
                }
                Ok(Act::Insert { table: row.table, id, cells })
            }
            LocalOperation::Update { table, id, cells } => self.update(inserts, *table, *id, cells),
            LocalOperation::Delete { table, id } => {
                Ok(Act::Delete { table: *table, row: self.named(*table, *id)?.target() })
            }
        }
    }

    /// Completes the column groups of an update with what the row holds.
    fn update(
        &self,
        inserts: &Inserts,
        table: usize,
        id: RowId,
        changed: &[(usize, Option<Value>)],
    ) -> Result<Act, JudgeError> {
        let named = self.named(table, id)?;
        let (of, layout) = (self.layout().table(table), self.layout().of(table));
        let mut written = BTreeMap::new();
        for (column, value) in changed {
            if *column >= of.columns.len() || layout.group_of[*column].is_none() {
                return Err(
                    Refusal::new(Reason::Schema, format!("table {} has no such column to update", of.name)).into()
                );
            }
            written.insert(*column, self.content(inserts, table, *column, value.as_ref())?);
        }
        let columns: Vec<usize> = written.keys().copied().collect();
        for group in layout.groups_of(&columns) {
            let columns = &of.groups[group].columns;
            if columns.iter().all(|column| written.contains_key(column)) {
                continue;
            }
            for (column, content) in columns.iter().zip(self.held(table, &named, group)?) {
                if let std::collections::btree_map::Entry::Vacant(place) = written.entry(*column) {
                    place.insert(self.as_shown(table, *column, content)?);
                }
            }
        }
        let (columns, cells) = written.into_iter().unzip();
        Ok(Act::Update { table, row: named.target(), columns, cells })
    }

    /// What a column group of a row holds, after the earlier co-transactions.
    fn held(&self, table: usize, named: &Named, group: usize) -> Result<Vec<Option<Content>>, JudgeError> {
        let columns = &self.layout().table(table).groups[group].columns;
        let own = match (self.judge.own_write(named.target(), group), named) {
            (Some(write), _) => write,
            (None, Named::Own { transaction, operation }) => (*transaction, *operation),
            (None, Named::Stored(record)) => return Ok(self.shown.group(record, group)?),
        };
        let act = self.source.act(own.0, own.1)?;
        let cell = |column: &usize| match &*act {
            Act::Insert { cells, .. } => cells.get(*column),
            Act::Update { columns, cells, .. } => {
                columns.iter().position(|known| known == column).and_then(|index| cells.get(index))
            }
            Act::Delete { .. } => None,
        };
        let cells = columns.iter().map(|column| cell(column).cloned()).collect::<Option<Vec<_>>>();
        Ok(cells.ok_or_else(|| StoreError::corrupt("an own write does not write its column group"))?)
    }

    /// A cell as the tables showed it: a reference under SET NULL to a row that is not there reads NULL.
    ///
    /// Without this, a group written again would refer again to what is gone, and be refused.
    fn as_shown(&self, table: usize, column: usize, content: Option<Content>) -> Result<Option<Content>, StoreError> {
        let Some(Content::Row(target)) = &content else { return Ok(content) };
        let Some(key) = self.layout().of(table).foreign_key_of[column] else { return Ok(content) };
        if self.layout().table(table).foreign_keys[key].on_delete != OnDelete::SetNull {
            return Ok(content);
        }
        let is_there = match target {
            _ if self.judge.is_deleted(*target) => false,
            Target::Own { .. } => true,
            Target::Stored(key) => match self.shown.inserted(*key)? {
                Some(row) => self.shown.is_live(&row)?,
                None => false,
            },
        };
        Ok(if is_there { content } else { None })
    }

    /// Finds the row shown under an id.
    fn named(&self, table: usize, id: RowId) -> Result<Named, JudgeError> {
        self.check_table(table)?;
        let found = self.find(table, id)?;
        found.ok_or_else(|| {
            let message = format!("table {} has no row {id}", self.layout().table(table).name);
            Refusal::new(Reason::UnknownRow, message).into()
        })
    }

    fn find(&self, table: usize, id: RowId) -> Result<Option<Named>, StoreError> {
        if let Some(own @ Target::Own { transaction, operation }) = self.judge.own_row(table, id)
            && !self.judge.is_deleted(own)
        {
            return Ok(Some(Named::Own { transaction, operation }));
        }
        let shown = self.shown.shown_row(table, id)?;
        Ok(shown.filter(|row| !self.judge.is_deleted(Target::Stored(row.key))).map(Named::Stored))
    }

    fn content(
        &self,
        inserts: &Inserts,
        table: usize,
        column: usize,
        value: Option<&Value>,
    ) -> Result<Option<Content>, JudgeError> {
        let Some(value) = value else { return Ok(None) };
        let of = self.layout().table(table);
        let Some(index) = self.layout().of(table).foreign_key_of[column] else {
            return Ok(Some(Content::Value(value.clone())));
        };
        let label = || format!("column {} of table {}", of.columns[column].name, of.name);
        let Value::Uuid(id) = value else {
            let message = format!("{} is a foreign key, its values are UUIDs", label());
            return Err(Refusal::new(Reason::Type, message).into());
        };
        let (target, id) = (of.foreign_keys[index].target, RowId(*id));
        if let Some(operation) = inserts.get(&(target, id)) {
            return Ok(Some(Content::Row(Target::Own { transaction: self.transaction, operation: *operation })));
        }
        match self.find(target, id)? {
            Some(named) => Ok(Some(Content::Row(named.target()))),
            None => {
                let name = &self.layout().table(target).name;
                let message = format!("{} refers to row {id} of table {name}, which is not there", label());
                Err(Refusal::new(Reason::ForeignKey, message).into())
            }
        }
    }

    /// Checks the width of a row to insert. Returns its id.
    fn check_row(&self, row: &LocalRow) -> Result<RowId, JudgeError> {
        self.check_table(row.table)?;
        let of = self.layout().table(row.table);
        if row.cells.len() != of.columns.len() {
            let message = format!("a row of table {} has {} cells", of.name, of.columns.len());
            return Err(Refusal::new(Reason::Schema, message).into());
        }
        match row.cells[of.id_column] {
            Some(Value::Uuid(id)) => Ok(RowId(id)),
            _ => Err(Refusal::new(Reason::Type, format!("the id of a row of table {} is a UUID", of.name)).into()),
        }
    }

    fn check_table(&self, table: usize) -> Result<(), JudgeError> {
        if table < self.layout().schema().tables().len() {
            return Ok(());
        }
        Err(Refusal::new(Reason::Schema, format!("the schema has no table {table}")).into())
    }
}
