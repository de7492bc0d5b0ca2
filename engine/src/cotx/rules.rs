//! Conditions on an operation alone: whole column groups, types, NOT NULL, CHECK, the size of keys, columns that never change.

use treaty_schema::{RowFault, Table, Value};

use super::judge::{Case, JudgeError};
use super::refusal::{Reason, Refusal};
use super::verdict::VerdictStore;
use crate::relation::{Content, Layout, Target};

/// Returns the column groups that an update writes.
///
/// # Errors
/// [`Reason::Schema`] unless `columns` are exactly the columns of one or more groups, ascending.
pub(super) fn groups_written(layout: &Layout, table: usize, columns: &[usize]) -> Result<Vec<usize>, JudgeError> {
    let groups = layout.of(table).groups_of(columns);
    let mut expected: Vec<usize> =
        groups.iter().flat_map(|group| layout.table(table).groups[*group].columns.iter().copied()).collect();
    expected.sort_unstable();
    if groups.is_empty() || expected != columns {
        let name = &layout.table(table).name;
        let message = format!("an update of table {name} does not write whole column groups, each once and in order");
        return Err(Refusal::new(Reason::Schema, message).into());
    }
    Ok(groups)
}

impl<S: VerdictStore> Case<'_, '_, S> {
    /// Checks what an insert writes. Returns the row's values as expressions read them.
    ///
    /// # Errors
    /// [`Reason::Type`], [`Reason::NotNull`], [`Reason::Check`], [`Reason::KeyTooLarge`].
    pub(super) fn check_insert(
        &self,
        table: usize,
        row: Target,
        cells: &[Option<Content>],
    ) -> Result<Vec<Option<Value>>, JudgeError> {
        let of = self.layout().table(table);
        let columns = &self.layout().of(table).inserted;
        let mut values = self.values(table, row, columns.iter().map(|column| (*column, cells[*column].as_ref())))?;
        values[of.id_column] = self.value(table, row, of.id_column, None)?;
        let checked = of.check_row(&values).and_then(|()| of.check_keys(&values, columns));
        checked.map_err(|fault| refused(of, &fault))?;
        Ok(values)
    }

    /// Checks what an update writes.
    ///
    /// # Errors
    /// [`Reason::Type`], [`Reason::NotNull`], [`Reason::Check`], [`Reason::KeyTooLarge`], [`Reason::Frozen`].
    pub(super) fn check_update(
        &self,
        table: usize,
        row: Target,
        columns: &[usize],
        cells: &[Option<Content>],
    ) -> Result<(), JudgeError> {
        let of = self.layout().table(table);
        let written = columns.iter().copied().zip(cells.iter().map(Option::as_ref));
        let mut values = self.values(table, row, written)?;
        if self.layout().of(table).reads_row_name[of.id_column] {
            values[of.id_column] = self.value(table, row, of.id_column, None)?;
        }
        let checked = of.check_cells(&values, columns).and_then(|()| of.check_keys(&values, columns));
        checked.map_err(|fault| refused(of, &fault))?;
        self.check_frozen(table, columns)
    }

    /// The cells written as values, in the width of the table; row names that nothing reads are not worked out.
    fn values<'c>(
        &self,
        table: usize,
        row: Target,
        cells: impl Iterator<Item = (usize, Option<&'c Content>)>,
    ) -> Result<Vec<Option<Value>>, JudgeError> {
        let (of, layout) = (self.layout().table(table), self.layout().of(table));
        let mut values = vec![None; of.columns.len()];
        for (column, content) in cells {
            let label = || format!("column {} of table {}", of.columns[column].name, of.name);
            values[column] = match (content, layout.foreign_key_of[column]) {
                (Some(Content::Row(_)), None) => {
                    let message = format!("{} is no foreign key, but names a row", label());
                    return Err(Refusal::new(Reason::Type, message).into());
                }
                (Some(Content::Value(_)), Some(_)) => {
                    let message = format!("{} is a foreign key, but names no row", label());
                    return Err(Refusal::new(Reason::Type, message).into());
                }
                (Some(Content::Row(_)), Some(_)) if !layout.reads_row_name[column] => Some(Value::Uuid([0; 16])),
                (content, _) => self.value(table, row, column, content)?,
            };
        }
        Ok(values)
    }

    /// Refuses to write columns that never change. The columns of a group are all of that kind, or none is.
    fn check_frozen(&self, table: usize, columns: &[usize]) -> Result<(), JudgeError> {
        let of = self.layout().table(table);
        match columns.iter().find(|column| !of.columns[**column].updatable) {
            None => Ok(()),
            Some(column) => {
                let name = &of.columns[*column].name;
                let message = format!("column {name} of table {} never changes after insert", of.name);
                Err(Refusal::new(Reason::Frozen, message).into())
            }
        }
    }
}

fn refused(table: &Table, fault: &RowFault) -> JudgeError {
    let reason = match fault {
        RowFault::Width { .. } => Reason::Schema,
        RowFault::Value { .. } => Reason::Type,
        RowFault::Null { .. } => Reason::NotNull,
        RowFault::Check { .. } | RowFault::Unevaluable { .. } => Reason::Check,
        RowFault::Key { .. } => Reason::KeyTooLarge,
    };
    let cause = std::error::Error::source(fault).map(|cause| format!(": {cause}")).unwrap_or_default();
    Refusal::new(reason, format!("table {}: {fault}{cause}", table.name)).into()
}
