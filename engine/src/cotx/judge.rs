//! Admission: every condition of a co-transaction, in its own past.
//!
//! The past is a [`View`] of the store; what earlier co-transactions of the same entry did is kept beside it
//! ([`Effects`]), so judging writes nothing. Costs the operations judged, each with a few indexed lookups.
//!
//! Spec: docs/spec/admission.md.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use treaty_schema::Command;

use super::condition::Weight;
use super::effects::{Effects, OwnRow};
use super::permission::Support;
use super::refusal::{Reason, Refusal};
use super::rules;
use super::verdict::VerdictStore;
use super::witnesses::Known;
use crate::fault::StoreError;
use crate::identity::Identity;
use crate::relation::{Act, Content, Layout, ResolveError, RowId, RowKey, RowRecord, Target, View};

/// Where the operations of an entry being judged come from.
pub trait Source {
    /// Returns how many operations a co-transaction has.
    fn operation_count(&self, transaction: u32) -> u32;

    /// Returns an operation that is there.
    ///
    /// # Errors
    /// [`JudgeError::Refused`] if its names mean nothing here; [`JudgeError::Store`].
    fn act(&self, transaction: u32, operation: u32) -> Result<Cow<'_, Act>, JudgeError>;
}

/// Why a co-transaction was not admitted.
#[derive(Debug, thiserror::Error)]
pub enum JudgeError {
    /// It breaks a rule.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The store failed; nothing is known.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<ResolveError> for JudgeError {
    fn from(cause: ResolveError) -> JudgeError {
        let reason = match cause {
            ResolveError::Store(cause) => return JudgeError::Store(cause),
            ResolveError::UnknownTable(_) | ResolveError::UnknownColumn(_) | ResolveError::IncompleteInsert { .. } => {
                Reason::Schema
            }
        };
        Refusal::new(reason, cause.to_string()).into()
    }
}

/// Judges the co-transactions of one entry, one after the other.
pub struct Judge<'j, S> {
    pub(super) view: View<'j, S>,
    /// Who signs; none in genesis, which needs no permission.
    pub(super) author: Option<Identity>,
    /// What the co-transactions admitted so far did.
    pub(super) earlier: Effects,
    /// Rows count as there although they were deleted.
    pub(super) ignores_deletes: bool,
    /// Witnesses found, as long as nothing that may take one away came between.
    pub(super) known: Known,
    /// By co-transaction admitted so far, how senior it is, and by which row.
    pub(super) grants: Vec<Option<(Weight, Target)>>,
    /// Rows of other entries that permissions rest on.
    readers: BTreeSet<RowKey>,
    /// Own inserts whose rows make nobody senior: co-transaction, operation.
    ungranted: BTreeSet<(u32, u32)>,
    /// How senior rows make, and how senior they would if they did.
    pub(super) weights: RefCell<BTreeMap<RowKey, (Weight, Weight)>>,
}

/// What was found out about an entry while it was judged, to be kept with it.
#[derive(Debug, Clone, Default)]
pub struct Findings {
    /// By co-transaction, what makes it as senior as it is in its past.
    pub grants: Vec<Option<Target>>,
    /// The rows of other entries that its permissions rest on.
    pub readers: BTreeSet<RowKey>,
    /// Inserts whose rows make their own co-transaction no more senior: co-transaction, operation.
    pub ungranted: BTreeSet<(u32, u32)>,
}

/// One co-transaction under judgement.
pub(super) struct Case<'c, 'j, S> {
    pub(super) judge: &'c Judge<'j, S>,
    pub(super) source: &'c dyn Source,
    pub(super) transaction: u32,
    /// What it does: all inserts, deletes and writes; claims, references and guards of the operations judged so far.
    pub(super) own: Effects,
    /// What its permissions rest on so far.
    pub(super) support: RefCell<Support>,
}

/// A row that an operation addresses.
#[derive(Debug, Clone, Copy)]
pub(super) enum Addressed {
    Own(OwnRow),
    Stored(RowRecord),
}

impl<'j, S: VerdictStore> Judge<'j, S> {
    /// Starts with an entry.
    ///
    /// * `view` - its past.
    /// * `author` - who signs it; none for genesis.
    pub fn new(view: View<'j, S>, author: Option<Identity>) -> Judge<'j, S> {
        Judge {
            view,
            author,
            earlier: Effects::default(),
            ignores_deletes: false,
            known: Known::default(),
            grants: Vec::new(),
            readers: BTreeSet::new(),
            ungranted: BTreeSet::new(),
            weights: RefCell::default(),
        }
    }

    /// The past of the entry.
    pub fn view(&self) -> &View<'j, S> {
        &self.view
    }

    /// Returns the row that an earlier co-transaction of the entry inserted under an id, deleted since or not.
    pub fn own_row(&self, table: usize, id: RowId) -> Option<Target> {
        let (transaction, operation) = *self.earlier.ids.get(&(table, id))?;
        Some(Target::Own { transaction, operation })
    }

    /// Whether an earlier co-transaction of the entry deletes a row.
    pub fn is_deleted(&self, row: Target) -> bool {
        self.earlier.deleted.contains(&row)
    }

    /// Returns the last update of a row's column group by an earlier co-transaction of the entry.
    pub fn own_write(&self, row: Target, group: usize) -> Option<(u32, u32)> {
        self.earlier.written.get(&(row, group)).copied()
    }

    /// Judges the next co-transaction. If it is admitted, later ones see what it did.
    ///
    /// # Errors
    /// [`JudgeError::Refused`] names the first condition that is false, by operation; then nothing of it counts.
    pub fn admit(&mut self, source: &dyn Source, transaction: u32) -> Result<(), JudgeError> {
        let mut case = Case { judge: self, source, transaction, own: Effects::default(), support: RefCell::default() };
        let judged = case.judge_all();
        let (own, support) = (case.own, case.support.into_inner());
        if judged.is_err() || !own.deleted.is_empty() {
            self.known.borrow_mut().clear();
        }
        judged?;
        self.earlier.absorb(own);
        self.grants.push(support.grant);
        self.readers.extend(support.rows);
        self.ungranted.extend(support.ungranted.into_iter().map(|operation| (transaction, operation)));
        Ok(())
    }

    /// Ends the judgement of the entry.
    pub fn into_findings(self) -> Findings {
        let grants = self.grants.into_iter().map(|grant| {
            // A row that lends nothing makes nobody senior.
            grant.filter(|(weight, _)| *weight != Weight::Nothing).map(|(_, row)| row)
        });
        Findings { grants: grants.collect(), readers: self.readers, ungranted: self.ungranted }
    }
}

/// Names the operation at fault where no other was named.
fn blame(cause: JudgeError, transaction: u32, operation: u32) -> JudgeError {
    match cause {
        JudgeError::Refused(refusal) if refusal.place.is_none() => {
            JudgeError::Refused(refusal.at(transaction, operation))
        }
        other => other,
    }
}

impl<'j, S: VerdictStore> Case<'_, 'j, S> {
    pub(super) fn layout(&self) -> &'j Layout {
        self.judge.view.layout()
    }

    fn judge_all(&mut self) -> Result<(), JudgeError> {
        let (transaction, count) = (self.transaction, self.source.operation_count(self.transaction));
        for operation in 0..count {
            self.survey(operation).map_err(|cause| blame(cause, transaction, operation))?;
        }
        for operation in 0..count {
            self.judge(operation).map_err(|cause| blame(cause, transaction, operation))?;
        }
        Ok(())
    }

    /// Notes what an operation inserts, deletes and writes, before any is judged: their order is free for most rules.
    fn survey(&mut self, operation: u32) -> Result<(), JudgeError> {
        let at = (self.transaction, operation);
        let act = self.source.act(self.transaction, operation)?;
        match &*act {
            Act::Insert { table, id, .. } => {
                self.check_id(*table, *id)?;
                self.own.inserted.insert(at, OwnRow { table: *table, id: *id });
                self.own.ids.insert((*table, *id), at);
            }
            Act::Update { table, row, columns, .. } => {
                for group in rules::groups_written(self.layout(), *table, columns)? {
                    self.own.written.insert((*row, group), at);
                }
            }
            Act::Delete { row, .. } => {
                self.own.deleted.insert(*row);
            }
        }
        Ok(())
    }

    fn judge(&mut self, operation: u32) -> Result<(), JudgeError> {
        let act = self.source.act(self.transaction, operation)?;
        match &*act {
            Act::Insert { table, id, cells } => self.judge_insert(operation, *table, *id, cells),
            Act::Update { table, row, columns, cells } => {
                let addressed = self.address(*table, *row)?;
                self.check_update(*table, *row, columns, cells)?;
                self.permit_inserted(Command::Update, (*table, *row), &addressed, operation)?;
                let written = columns.iter().copied().zip(cells);
                self.check_references(*table, written.clone())?;
                self.check_claims(*table, *row, operation, &|column| {
                    columns.iter().position(|known| *known == column).map(|index| cells[index].as_ref())
                })?;
                self.note_references(*table, *row, operation, written);
                Ok(())
            }
            Act::Delete { table, row } => {
                let addressed = self.address(*table, *row)?;
                self.permit_delete((*table, *row), &addressed, operation)?;
                self.check_cascades(*table, *row)
            }
        }
    }

    fn judge_insert(
        &mut self,
        operation: u32,
        table: usize,
        id: RowId,
        cells: &[Option<Content>],
    ) -> Result<(), JudgeError> {
        let row = Target::Own { transaction: self.transaction, operation };
        self.check_taken(table, id)?;
        let values = self.check_insert(table, row, cells)?;
        self.permit(Command::Insert, table, operation, &values)?;
        self.check_references(table, cells.iter().enumerate())?;
        self.check_claims(table, row, operation, &|column| Some(cells[column].as_ref()))?;
        self.note_references(table, row, operation, cells.iter().enumerate());
        self.note_guards(table, operation, cells);
        Ok(())
    }

    /// Finds the row that an operation addresses: in the past, or inserted by an earlier co-transaction of the entry.
    pub(super) fn address(&self, table: usize, row: Target) -> Result<Addressed, JudgeError> {
        let found = self.find(row)?;
        let found = found.filter(|found| found.table() == table);
        found.ok_or_else(|| {
            let name = &self.layout().table(table).name;
            let message = format!("it addresses a row of table {name} that is neither in its past nor its own");
            Refusal::new(Reason::UnknownRow, message).into()
        })
    }

    /// Finds a row of the past or of the entry, live or not.
    pub(super) fn find(&self, row: Target) -> Result<Option<Addressed>, JudgeError> {
        Ok(match row {
            Target::Own { transaction, operation } => {
                let at = (transaction, operation);
                let own = self.judge.earlier.inserted.get(&at).or_else(|| self.own.inserted.get(&at));
                own.map(|own| Addressed::Own(*own))
            }
            Target::Stored(key) => self.judge.view.inserted(key)?.map(Addressed::Stored),
        })
    }

    /// Whether a row is there for this co-transaction, its own deletes aside.
    pub(super) fn is_present(&self, row: Target, found: &Addressed) -> Result<bool, StoreError> {
        if self.judge.earlier.deleted.contains(&row) {
            return Ok(false);
        }
        match found {
            Addressed::Own(_) => Ok(true),
            Addressed::Stored(_) if self.judge.ignores_deletes => Ok(true),
            Addressed::Stored(record) => self.judge.view.is_live(record),
        }
    }

    /// Refuses an id that is reserved, or that the entry inserts twice.
    fn check_id(&self, table: usize, id: RowId) -> Result<(), JudgeError> {
        let name = &self.layout().table(table).name;
        if id.is_derived() {
            let message = format!("id {id} of table {name} is a UUID of version 8, which is reserved");
            return Err(Refusal::new(Reason::DuplicateId, message).into());
        }
        let key = (table, id);
        if self.own.ids.contains_key(&key) || self.judge.earlier.ids.contains_key(&key) {
            let message = format!("id {id} of table {name} is inserted twice in one entry");
            return Err(Refusal::new(Reason::DuplicateId, message).into());
        }
        Ok(())
    }

    /// Refuses an id under which the past shows a live row, unless the entry has deleted it or this co-transaction does.
    fn check_taken(&self, table: usize, id: RowId) -> Result<(), JudgeError> {
        let Some(shown) = self.judge.view.shown_row(table, id)? else { return Ok(()) };
        let row = Target::Stored(shown.key);
        if self.judge.earlier.deleted.contains(&row) || self.own.deleted.contains(&row) {
            return Ok(());
        }
        let name = &self.layout().table(table).name;
        let message = format!("table {name} already has a row with id {id}");
        Err(Refusal::new(Reason::DuplicateId, message).into())
    }
}

impl Addressed {
    pub(super) fn table(&self) -> usize {
        match self {
            Addressed::Own(own) => own.table,
            Addressed::Stored(record) => record.table,
        }
    }

    /// The id that its insert gave it.
    pub(super) fn id(&self) -> RowId {
        match self {
            Addressed::Own(own) => own.id,
            Addressed::Stored(record) => record.id,
        }
    }
}
