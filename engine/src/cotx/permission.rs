//! Permission: one of the policies for the table and command is true, by rows that are there.
//!
//! Witnesses are rows of the past, or inserted by earlier operations of the entry; own deletes of the same
//! co-transaction take none away. They are found in the guard index, by name, or, where a policy equates nothing, by
//! reading the table.
//!
//! Policies compare rows by identity: `id` and foreign keys are read as a UUID that only the row meant has
//! ([`Case::identity_of`]), so no row passes for another by having been inserted under its id.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::ControlFlow;

use treaty_schema::{Command, FoundRow, OnDelete, Rows, Subject, Value, is_permitted};

use super::judge::{Addressed, Case, JudgeError};
use super::refusal::{Reason, Refusal};
use crate::fault::StoreError;
use crate::limits::TABLE_PAGE_ROWS;
use crate::relation::{Act, Content, IndexKey, RelationStore, RowId, RowKey, Target, guard_key};

/// Witnesses found before, by lookup. They stay until a co-transaction deletes something: other operations only add.
pub(super) type Known = RefCell<BTreeMap<IndexKey, FoundRow<Target>>>;

impl<S: RelationStore> Case<'_, '_, S> {
    /// Permits a command on a row.
    ///
    /// * `cells` - of the row at hand, as inserted; those that policies read must be there.
    ///
    /// # Errors
    /// [`Reason::Permission`] if no policy is true.
    pub(super) fn permit(
        &self,
        command: Command,
        table: usize,
        operation: u32,
        cells: &[Option<Value>],
    ) -> Result<(), JudgeError> {
        let Some(author) = &self.judge.author else { return Ok(()) };
        let layout = self.layout();
        let of = layout.table(table);
        let rows = Witnesses { case: self, operation };
        if is_permitted(layout.schema(), of.policies_for(command), Subject { row: cells, author }, &rows)? {
            return Ok(());
        }
        let tried: Vec<_> = of.policies_for(command).map(|policy| policy.name.as_str()).collect();
        let verb = match command {
            Command::Select => "SELECT",
            Command::Insert => "INSERT",
            Command::Update => "UPDATE",
            Command::Delete => "DELETE",
        };
        let message = match tried.as_slice() {
            [] => format!("table {} has no policy for {verb}, so nobody may", of.name),
            [one] => format!("policy {one} of table {} does not permit this {verb} to its author", of.name),
            several => {
                format!("no policy of table {} permits this {verb} to its author: not {}", of.name, several.join(", "))
            }
        };
        Err(Refusal::new(Reason::Permission, message).into())
    }

    /// Permits an update, or by policy a delete: their policies read the row as it was inserted, live or not.
    ///
    /// # Errors
    /// As [`Case::permit`].
    pub(super) fn permit_inserted(
        &self,
        command: Command,
        (table, row): (usize, Target),
        addressed: &Addressed,
        operation: u32,
    ) -> Result<(), JudgeError> {
        if self.judge.author.is_none() {
            return Ok(());
        }
        let mut cells = vec![None; self.layout().table(table).columns.len()];
        let read = self.layout().of(table).columns_read_by(command);
        if !read.is_empty() {
            let inserted = self.inserted_contents(row, addressed)?;
            for column in read {
                cells[*column] = self.value(table, row, *column, inserted[*column].as_ref())?;
            }
        }
        self.permit(command, table, operation, &cells)
    }

    /// Permits a delete by policy, or as the cascade of another delete of the same co-transaction.
    ///
    /// # Errors
    /// As [`Case::permit`].
    pub(super) fn permit_delete(
        &self,
        (table, row): (usize, Target),
        addressed: &Addressed,
        operation: u32,
    ) -> Result<(), JudgeError> {
        match self.permit_inserted(Command::Delete, (table, row), addressed, operation) {
            Err(JudgeError::Refused(_)) if self.is_cascade(table, row, addressed)? => Ok(()),
            other => other,
        }
    }

    /// Whether a row refers under CASCADE, in the past, to a row that this co-transaction deletes.
    fn is_cascade(&self, table: usize, row: Target, found: &Addressed) -> Result<bool, JudgeError> {
        if !self.is_present(row, found)? {
            return Ok(false);
        }
        let of = self.layout().table(table);
        for key in of.foreign_keys.iter().filter(|key| key.on_delete == OnDelete::Cascade) {
            if let Some(Content::Row(target)) = self.current_cell(table, row, found, key.column)?
                && self.own.deleted.contains(&target)
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// What a column of a row holds in the past of this co-transaction.
    fn current_cell(
        &self,
        table: usize,
        row: Target,
        found: &Addressed,
        column: usize,
    ) -> Result<Option<Content>, JudgeError> {
        let group = self.layout().of(table).group_of[column]
            .ok_or_else(|| StoreError::corrupt("a foreign key is in no column group"))?;
        if let Some((transaction, operation)) = self.judge.earlier.written.get(&(row, group)) {
            let act = self.source.act(*transaction, *operation)?;
            if let Act::Update { columns, cells, .. } = &*act {
                let index = columns.iter().position(|written| *written == column);
                return Ok(index.and_then(|index| cells[index].clone()));
            }
        }
        match found {
            Addressed::Own(_) => Ok(self.inserted_contents(row, found)?.swap_remove(column)),
            Addressed::Stored(record) => {
                let cells = self.judge.view.group(record, group)?;
                let columns = &self.layout().table(table).groups[group].columns;
                Ok(columns.iter().zip(cells).find(|(known, _)| **known == column).and_then(|(_, cell)| cell))
            }
        }
    }

    /// What the insert of a row said, by column.
    pub(super) fn inserted_contents(&self, row: Target, found: &Addressed) -> Result<Vec<Option<Content>>, JudgeError> {
        match (row, found) {
            (_, Addressed::Stored(record)) => Ok(self.judge.view.inserted_contents(record)?),
            (Target::Own { transaction, operation }, Addressed::Own(_)) => {
                match self.source.act(transaction, operation)?.into_owned() {
                    Act::Insert { cells, .. } => Ok(cells),
                    Act::Update { .. } | Act::Delete { .. } => Err(not_an_insert().into()),
                }
            }
            (Target::Stored(_), Addressed::Own(_)) => Err(not_an_insert().into()),
        }
    }

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

    /// The UUID that stands for a row: the id under which the past shows it; of a row that is not there, and of an own
    /// one whose id the past shows for another row, one that nothing else has.
    fn identity_of(&self, row: Target) -> Result<RowId, JudgeError> {
        let Some(found) = self.find(row)? else {
            let message = "it names a row that is neither in its past nor its own";
            return Err(Refusal::new(Reason::UnknownRow, message).into());
        };
        match (row, found) {
            (Target::Own { transaction, operation }, found) => {
                let shown = self.judge.view.shown_row(found.table(), found.id())?;
                let is_free = shown.is_none_or(|shown| self.judge.earlier.deleted.contains(&Target::Stored(shown.key)));
                Ok(if is_free { found.id() } else { RowId::of_own_row(transaction, operation) })
            }
            (Target::Stored(key), Addressed::Stored(record)) => {
                if self.is_present(row, &found)? {
                    return Ok(self.judge.view.shown_id(&record)?);
                }
                Ok(self.judge.view.name(key)?.derived_id())
            }
            (Target::Stored(_), Addressed::Own(_)) => Err(not_an_insert().into()),
        }
    }

    /// The row that a UUID made by [`Case::identity_of`] stands for, among rows that are there or own.
    fn row_of(&self, table: usize, id: RowId) -> Result<Option<Target>, JudgeError> {
        for own in [&self.judge.earlier, &self.own] {
            if let Some((transaction, operation)) = own.ids.get(&(table, id)) {
                let row = Target::Own { transaction: *transaction, operation: *operation };
                if self.identity_of(row)? == id {
                    return Ok(Some(row));
                }
            }
        }
        Ok(self.judge.view.shown_row(table, id)?.map(|row| Target::Stored(row.key)))
    }
}

/// The rows that policies may read for one operation.
pub(super) struct Witnesses<'w, 'c, 'j, S> {
    pub(super) case: &'w Case<'c, 'j, S>,
    /// Own inserts from here on are none.
    pub(super) operation: u32,
}

impl<S: RelationStore> Witnesses<'_, '_, '_, S> {
    /// Returns the row as policies read it, if it is there for this operation.
    fn read(&self, table: usize, row: Target) -> Result<Option<FoundRow<Target>>, JudgeError> {
        let case = self.case;
        if let Target::Own { transaction, operation } = row
            && (transaction, operation) >= (case.transaction, self.operation)
        {
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

    /// What a lookup finds: rows, and under which key if it is one of the guard index.
    fn look_up(&self, table: usize, equal: &[(usize, Value)]) -> Result<(Option<IndexKey>, Vec<Target>), JudgeError> {
        let (case, layout) = (self.case, self.case.layout());
        let mut contents = Vec::with_capacity(equal.len());
        for (column, value) in equal {
            let content = match (layout.row_named_by(table, *column), value) {
                (None, value) => Content::Value(value.clone()),
                (Some(target), Value::Uuid(id)) => match case.row_of(target, RowId(*id))? {
                    None => return Ok((None, Vec::new())),
                    Some(row) if *column == layout.table(table).id_column => return Ok((None, vec![row])),
                    Some(row) => Content::Row(row),
                },
                (Some(_), _) => return Ok((None, Vec::new())),
            };
            contents.push((*column, content));
        }
        let Some(key) = guard_key(table, None, contents.iter().map(|(column, content)| (*column, Some(content))))
        else {
            return Ok((None, Vec::new()));
        };
        let mut rows = Vec::new();
        for own in [&case.judge.earlier, &case.own] {
            for (transaction, operation) in own.guards.get(&key).into_iter().flatten() {
                rows.push(Target::Own { transaction: *transaction, operation: *operation });
            }
        }
        // Who asks for rows deleted asks for them all.
        let from = if case.judge.ignores_deletes { 0 } else { case.judge.view.settled_below() };
        case.judge.view.store().guards(key, from, &mut |row| {
            rows.push(Target::Stored(row));
            Ok(ControlFlow::Continue(()))
        })?;
        Ok((Some(key), rows))
    }
}

impl<S: RelationStore> Rows for Witnesses<'_, '_, '_, S> {
    type Handle = Target;
    type Error = JudgeError;

    fn matching(
        &self,
        table: usize,
        equal: &[(usize, Value)],
    ) -> impl Iterator<Item = Result<FoundRow<Target>, JudgeError>> {
        let (key, rows, failed) = match self.look_up(table, equal) {
            Ok((key, rows)) => (key, rows, None),
            Err(cause) => (None, Vec::new(), Some(Err(cause))),
        };
        let known = key.and_then(|key| self.case.judge.known.borrow().get(&key).cloned());
        let read = rows.into_iter().filter_map(move |row| {
            let read = self.read(table, row).transpose()?;
            if let (Some(key), Ok(found)) = (key, &read) {
                self.case.judge.known.borrow_mut().insert(key, found.clone());
            }
            Some(read)
        });
        failed.into_iter().chain(known.map(Ok)).chain(read)
    }

    fn all(&self, table: usize) -> impl Iterator<Item = Result<FoundRow<Target>, JudgeError>> {
        let own = [&self.case.judge.earlier, &self.case.own].into_iter().flat_map(|own| &own.inserted);
        let own = own.map(|(at, _)| Ok(Target::Own { transaction: at.0, operation: at.1 }));
        let kept = Scan { case: self.case, table, page: Vec::new().into_iter(), after: None, is_done: false };
        own.chain(kept).filter_map(move |row| row.and_then(|row| self.read(table, row)).transpose())
    }
}

/// The rows of a table in the store, page by page.
struct Scan<'s, 'c, 'j, S> {
    case: &'s Case<'c, 'j, S>,
    table: usize,
    page: std::vec::IntoIter<(RowId, RowKey)>,
    after: Option<(RowId, RowKey)>,
    is_done: bool,
}

impl<S: RelationStore> Iterator for Scan<'_, '_, '_, S> {
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

fn not_an_insert() -> StoreError {
    StoreError::corrupt("a row is named by something that is no insert")
}
