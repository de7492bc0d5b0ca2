//! Permission: one of the policies for the table and command is true, by rows that are there.
//!
//! Of the ways of making one true the most senior is taken: it is what the permission rests on, and gives the co-transaction its
//! seniority. The rows that policies may read are in `witnesses.rs`.

use std::collections::BTreeSet;

use treaty_schema::{Command, OnDelete, Subject, Value, is_permitted, least_alternative};

use super::condition::Weight;
use super::judge::{Addressed, Case, JudgeError};
use super::refusal::{Reason, Refusal};
use super::verdict::VerdictStore;
use super::witnesses::{NoRows, Scope, Witnesses, not_an_insert};
use crate::fault::StoreError;
use crate::relation::{Act, Content, RowKey, Target};

/// What the permissions of a co-transaction rest on.
#[derive(Debug, Default)]
pub(super) struct Support {
    /// Rows of other entries.
    pub(super) rows: BTreeSet<RowKey>,
    /// How senior it is by them, and by which row; none if nothing counts.
    pub(super) grant: Option<(Weight, Target)>,
    /// Own inserts, into tables that policies read, which rest on nothing that makes senior: neither do their rows.
    pub(super) ungranted: BTreeSet<u32>,
}

impl Support {
    /// Adds the rows that one permission rests on.
    fn add(&mut self, witnesses: impl Iterator<Item = (Weight, Target)>) {
        for witness in witnesses {
            if let Target::Stored(row) = witness.1 {
                self.rows.insert(row);
            }
            if self.grant.is_none_or(|grant| grant < witness) {
                self.grant = Some(witness);
            }
        }
    }
}

impl<S: VerdictStore> Case<'_, '_, S> {
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
        let subject = Subject { row: cells, author };
        // What needs no row of the past lends no seniority, and nobody can take it away.
        let is_free = if self.own.by_table.is_empty() {
            is_permitted(layout.schema(), of.policies_for(command), subject, &NoRows)?
        } else {
            let own = Witnesses { case: self, operation, scope: Scope::Own };
            is_permitted(layout.schema(), of.policies_for(command), subject, &own)?
        };
        if is_free {
            self.note_grant(command, table, operation, Weight::Nothing);
            return Ok(());
        }
        let rows = Witnesses { case: self, operation, scope: Scope::All };
        if let Some(least) = least_alternative(layout.schema(), of.policies_for(command), subject, &rows)? {
            let mut weighed = Vec::with_capacity(least.witnesses.len());
            for witness in least.witnesses {
                weighed.push((self.weight(witness.handle)?, witness.handle));
            }
            let weight = weighed.iter().map(|(weight, _)| *weight).max().unwrap_or(Weight::Nothing);
            self.note_grant(command, table, operation, weight);
            self.support.borrow_mut().add(weighed.into_iter());
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

    /// Notes an insert that rests on nothing that makes senior, if its row may be a witness of later operations.
    ///
    /// Else whoever may insert into an open table would become senior by doing so and using the row in one transaction.
    fn note_grant(&self, command: Command, table: usize, operation: u32, weight: Weight) {
        if command == Command::Insert && weight == Weight::Nothing && self.layout().of(table).is_read_by_policies {
            self.support.borrow_mut().ungranted.insert(operation);
        }
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

    /// Permits a delete as the cascade of another delete of the same co-transaction, or by policy.
    ///
    /// # Errors
    /// As [`Case::permit`].
    pub(super) fn permit_delete(
        &self,
        (table, row): (usize, Target),
        addressed: &Addressed,
        operation: u32,
    ) -> Result<(), JudgeError> {
        if self.judge.author.is_none() || self.is_cascade(table, row, addressed)? {
            return Ok(());
        }
        self.permit_inserted(Command::Delete, (table, row), addressed, operation)
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
}
