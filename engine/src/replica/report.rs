//! What applications are told about verdicts: which operations were rolled back or reinstated, with which values, and why.
//!
//! Sentences are for people: lower case, without a full stop, with the labels of tables, columns and policies.

use treaty_schema::{Command, Value};

use super::Replica;
use super::types::{Report, TransactionName, Verb, Verdict};
use crate::causality::Order;
use crate::cotx::{Void, VoidReason};
use crate::fault::StoreError;
use crate::log::{LogStore, Stamp};
use crate::relation::{Act, CoTx, Content, RelationStore, RowId, RowKey, RowRecord, View};
use crate::store::Sqlite;

/// A co-transaction that there is something to tell of.
pub(super) struct News {
    pub(super) stamp: Stamp,
    pub(super) of: CoTx,
    /// Why it is void from now on; none if it is live again.
    pub(super) void: Option<Void>,
    /// What it does; rows of its own entry are named by their keys.
    pub(super) acts: Vec<Act>,
}

impl Replica {
    /// Tells news, by position and operation.
    ///
    /// * `from`, `to` - the tables before and after.
    pub(super) fn reports(
        &self,
        mut news: Vec<News>,
        (from, to): (&View<'_, Sqlite>, &View<'_, Sqlite>),
    ) -> Result<Vec<Report>, StoreError> {
        news.sort_unstable_by_key(|news| (news.stamp, news.of.transaction));
        let mut reports = Vec::new();
        for News { stamp, of, void, acts } in news {
            let (author, verdict) = (self.store.author(of.pos)?, self.verdict(of, void.as_ref(), &acts)?);
            for (act, operation) in acts.iter().zip(0..) {
                let row = self.kept_row(row_of(act, of, operation))?;
                let ends = if from.is_live(&row)? { from } else { to };
                let id = ends.shown_id(&row)?;
                reports.push(Report {
                    entry: stamp.id,
                    transaction: of.transaction,
                    operation,
                    table: row.table,
                    row: id,
                    name: to.name(row.key)?,
                    verb: verb_of(act),
                    author,
                    lost: self.values_of(act, (of, id), to)?,
                    verdict: verdict.clone(),
                });
            }
        }
        Ok(reports)
    }

    /// Puts a verdict into words.
    ///
    /// * `acts` - what the co-transaction does.
    pub(super) fn verdict(&self, of: CoTx, void: Option<&Void>, acts: &[Act]) -> Result<Verdict, StoreError> {
        let Some(void) = void else { return Ok(Verdict::Live) };
        let culprit = match void.culprit {
            None => None,
            Some(CoTx { pos, transaction }) => Some(TransactionName { entry: self.store.stamp(pos)?.id, transaction }),
        };
        Ok(Verdict::Void { reason: void.reason, message: self.sentence(of, void, acts)?, culprit })
    }

    /// What an operation wrote, by column; rows as the ids shown.
    fn values_of(
        &self,
        act: &Act,
        (of, id): (CoTx, RowId),
        view: &View<'_, Sqlite>,
    ) -> Result<Vec<(usize, Option<Value>)>, StoreError> {
        let value = |content: &Option<Content>| match content {
            None => Ok(None),
            Some(Content::Value(value)) => Ok(Some(value.clone())),
            Some(Content::Row(target)) => Ok(Some(view.shown_id(&self.kept_row(target.key(of.pos))?)?.to_value())),
        };
        match act {
            Act::Insert { table, cells, .. } => {
                let id_column = self.layout.table(*table).id_column;
                let cell = |(column, content)| {
                    Ok((column, if column == id_column { Some(id.to_value()) } else { value(content)? }))
                };
                cells.iter().enumerate().map(cell).collect()
            }
            Act::Update { columns, cells, .. } => {
                columns.iter().zip(cells).map(|(column, content)| Ok((*column, value(content)?))).collect()
            }
            Act::Delete { .. } => Ok(Vec::new()),
        }
    }

    fn sentence(&self, of: CoTx, void: &Void, acts: &[Act]) -> Result<String, StoreError> {
        let act = usize::try_from(void.operation).ok().and_then(|operation| acts.get(operation));
        let act = act.ok_or_else(|| StoreError::corrupt(format!("{of:?} is void for an operation it has not")))?;
        let (verb, table) = (verb_of(act), table_of(act));
        match void.reason {
            VoidReason::Overridden => {
                Ok("rolled back: it and a change made at the same time rule each other out, and \
                                          that of the more senior author stands"
                    .to_owned())
            }
            VoidReason::Schema => Ok("rolled back: it does not fit the schema, by a change it had not seen".to_owned()),
            VoidReason::Permission => self.permission_sentence((of, void), verb, table),
            VoidReason::ForeignKey => self.reference_sentence((of, void), verb, table),
            VoidReason::Unique => Ok(self.key_sentence(void, table)),
        }
    }

    fn permission_sentence(&self, (of, void): (CoTx, &Void), verb: Verb, table: usize) -> Result<String, StoreError> {
        let (command, word) = match verb {
            Verb::Insert => (Command::Insert, "INSERT into"),
            Verb::Update => (Command::Update, "UPDATE of"),
            Verb::Delete => (Command::Delete, "DELETE from"),
        };
        let of_table = self.layout.table(table);
        let policies: Vec<_> = of_table.policies_for(command).map(|policy| policy.name.as_str()).collect();
        let rule = format!("{word} {}, {}", of_table.name, counted("policy", "policies", &policies));
        let lost = match void.row {
            None => "a row that permitted it is not there".to_owned(),
            Some(row) => {
                let name = &self.layout.table(self.kept_row(row)?.table).name;
                format!("its author's permission rested on a row of {name} that {}", self.fate_of(of, void, row)?)
            }
        };
        Ok(format!("rolled back: {lost} ({rule})"))
    }

    fn reference_sentence(&self, (of, void): (CoTx, &Void), verb: Verb, table: usize) -> Result<String, StoreError> {
        let row = void.row.map(|row| self.kept_row(row)).transpose()?;
        let table_name = &self.layout.table(table).name;
        let column_of = |table: usize| {
            let of = self.layout.table(table);
            let key = usize::try_from(void.part).ok().and_then(|key| of.foreign_keys.get(key));
            key.map_or("", |key| of.columns[key.column].name.as_str()).to_owned()
        };
        match (verb, row) {
            (Verb::Delete, Some(referrer)) => Ok(format!(
                "rolled back: column {} of a row of {} still refers to the row of {table_name} that it deletes",
                column_of(referrer.table),
                self.layout.table(referrer.table).name,
            )),
            (Verb::Insert | Verb::Update, Some(target)) => Ok(format!(
                "rolled back: column {} of {table_name} refers to a row of {} that {}",
                column_of(table),
                self.layout.table(target.table).name,
                self.fate_of(of, void, target.key)?,
            )),
            (_, None) => Ok(format!("rolled back: a reference from or to a row of {table_name} does not hold")),
        }
    }

    fn key_sentence(&self, void: &Void, table: usize) -> String {
        let of_table = self.layout.table(table);
        let unique = usize::try_from(void.part).ok().and_then(|key| of_table.uniques.get(key));
        let key = unique.map_or_else(String::new, |unique| {
            let columns: Vec<_> = unique.columns.iter().map(|column| of_table.columns[*column].name.as_str()).collect();
            format!("{} ({})", columns.join(", "), unique.name)
        });
        format!("rolled back: another row of {} has the same {key} by a better claim", of_table.name)
    }

    /// What became of a row that a co-transaction relied on, and whether its author could know.
    fn fate_of(&self, of: CoTx, void: &Void, row: RowKey) -> Result<String, StoreError> {
        let Some(culprit) = void.culprit else { return Ok("is not there".to_owned()) };
        if culprit == CoTx::of(row) {
            return Ok("was itself rolled back".to_owned());
        }
        Ok(match self.index.compare(&self.store, culprit.pos, of.pos)? {
            Order::Concurrent | Order::After => "was deleted by a change it had not seen".to_owned(),
            Order::Before | Order::Same => {
                "was deleted by a change that had been rolled back and stands again".to_owned()
            }
        })
    }

    /// A row that something kept names: it must be kept itself.
    pub(super) fn kept_row(&self, key: RowKey) -> Result<RowRecord, StoreError> {
        self.store.row(key)?.ok_or_else(|| StoreError::corrupt(format!("row {key:?} is named, but not kept")))
    }
}

/// The row that an operation makes, changes or ends.
pub(super) fn row_of(act: &Act, of: CoTx, operation: u32) -> RowKey {
    match act {
        Act::Insert { .. } => RowKey { pos: of.pos, transaction: of.transaction, operation },
        Act::Update { row, .. } | Act::Delete { row, .. } => row.key(of.pos),
    }
}

fn verb_of(act: &Act) -> Verb {
    match act {
        Act::Insert { .. } => Verb::Insert,
        Act::Update { .. } => Verb::Update,
        Act::Delete { .. } => Verb::Delete,
    }
}

fn table_of(act: &Act) -> usize {
    match act {
        Act::Insert { table, .. } | Act::Update { table, .. } | Act::Delete { table, .. } => *table,
    }
}

/// Names one or several.
fn counted(one: &str, several: &str, names: &[&str]) -> String {
    match names {
        [] => format!("no {one}"),
        [name] => format!("{one} {name}"),
        names => format!("{several} {}", names.join(", ")),
    }
}
