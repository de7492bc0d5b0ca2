//! The conditions of the co-transactions of a kept entry, read off its payload and the indexes: the same whatever is live.
//!
//! Attackers and rivals are those of everything kept. In a smaller view those that it lacks count as void: that makes each
//! condition what it is there.
//!
//! Identical conditions of one co-transaction are found once, and blamed on the first operation that needs them.
//!
//! Spec: docs/spec/verdicts.md VERDICT-2 to VERDICT-7. Permissions are in `derive_permission.rs`.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::rc::Rc;

use treaty_schema::OnDelete;

use super::condition::{Alternative, Condition, Kind, Opponent, Other, Weight, Witness};
use super::derive_permission::Asked;
use super::evaluator::{Evaluator, Ground, Need, seniority_of};
use crate::causality::Past;
use crate::crdt::OperationKey;
use crate::fault::StoreError;
use crate::identity::Identity;
use crate::log::{Pos, Stamp};
use crate::relation::payload::Payload;
use crate::relation::{Act, CoTx, Content, Names, ReferenceRecord, ResolveError, RowKey, claim_key};

/// The conditions of an entry.
#[derive(Debug, Default)]
pub(super) struct Derived {
    /// By co-transaction.
    pub(super) transactions: Vec<Conditions>,
    /// How large the payload is: what is remembered of it takes a few times as much.
    pub(super) payload_bytes: usize,
}

/// The conditions of one co-transaction.
#[derive(Debug, Default)]
pub(super) struct Conditions {
    /// In the order in which reasons are looked for.
    pub(super) all: Vec<Condition>,
    /// Its operations, rows named by their keys.
    pub(super) acts: Vec<Act>,
    /// Claims that are free for good are left out.
    pub(super) takes_past_as_given: bool,
}

/// A co-transaction whose conditions are looked for.
pub(super) struct Subject<'n> {
    pub(super) of: CoTx,
    pub(super) author: Identity,
    pub(super) stamp: Stamp,
    /// The entry and its past.
    pub(super) clock: Rc<Past>,
    /// Its operations, rows named by their keys.
    pub(super) acts: Vec<Act>,
    /// Its first operation that inserts a row that policies may look for.
    pub(super) first_witness: Option<u32>,
    /// The rows that it deletes.
    pub(super) deleted: BTreeSet<RowKey>,
    /// The column groups of rows that it updates.
    pub(super) written: BTreeSet<(RowKey, usize)>,
    /// Verdicts in its past that are not known yet.
    pub(super) needs: &'n RefCell<Vec<Need>>,
}

/// A write of a cell by somebody else, and what it is about.
struct Counted {
    write: OperationKey,
    row: RowKey,
    group: usize,
}

impl Subject<'_> {
    /// Whether an operation is in the past: of another entry that is, or of an earlier co-transaction of its own.
    pub(super) fn is_past(&self, key: OperationKey) -> bool {
        match key.pos == self.of.pos {
            true => key.transaction < self.of.transaction,
            false => self.clock.contains(key.pos),
        }
    }

    pub(super) fn is_own(&self, key: OperationKey) -> bool {
        CoTx::of(key) == self.of
    }
}

impl<S: Ground> Evaluator<'_, S> {
    /// Finds the conditions of all co-transactions of an entry. Genesis has none.
    ///
    /// * `needs` - verdicts that are not known yet: where there are any, what is returned is not it.
    pub(super) fn derive(&self, pos: Pos, needs: &RefCell<Vec<Need>>) -> Result<Derived, StoreError> {
        if pos == Pos::GENESIS {
            return Ok(Derived::default());
        }
        let corrupt =
            |cause: &dyn std::fmt::Display| StoreError::corrupt(format!("the payload of entry {pos:?}: {cause}"));
        let payload = Payload::decode(self.store.payload(pos)?).map_err(|cause| corrupt(&cause))?;
        let names = Names::new(payload.head().clone(), self.layout());
        let (author, stamp) = (self.store.author(pos)?, self.stamp(pos)?);
        let clock = Rc::new(Past::clone(&*self.index.clock(self.store, pos)?));
        let mut derived = Derived { payload_bytes: payload.bytes().len(), ..Derived::default() };
        for transaction in 0..payload.transaction_count() {
            let mut acts = Vec::new();
            for operation in 0..payload.operation_count(transaction) {
                let decoded = payload.operation(transaction, operation).expect("operations within the count are there");
                let act = names.resolve(self.layout(), decoded, &|id| self.store.position_of(id));
                acts.push(
                    act.map_err(|cause| match cause {
                        ResolveError::Store(cause) => cause,
                        other => corrupt(&other),
                    })?
                    .settled(pos),
                );
            }
            let of = CoTx { pos, transaction };
            derived.transactions.push(self.conditions(self.subject(
                of,
                (author, stamp, needs),
                Rc::clone(&clock),
                acts,
            ))?);
        }
        Ok(derived)
    }

    fn subject<'n>(
        &self,
        of: CoTx,
        (author, stamp, needs): (Identity, Stamp, &'n RefCell<Vec<Need>>),
        clock: Rc<Past>,
        acts: Vec<Act>,
    ) -> Subject<'n> {
        let (mut deleted, mut written) = (BTreeSet::new(), BTreeSet::new());
        for act in &acts {
            match act {
                Act::Insert { .. } => {}
                Act::Update { table, row, columns, .. } => {
                    let groups = self.layout().of(*table).groups_of(columns);
                    written.extend(groups.into_iter().map(|group| (row.key(of.pos), group)));
                }
                Act::Delete { row, .. } => {
                    deleted.insert(row.key(of.pos));
                }
            }
        }
        let is_witness =
            |act: &Act| matches!(act, Act::Insert { table, .. } if self.layout().of(*table).is_read_by_policies);
        let first_witness = (0..).zip(&acts).find(|(_, act)| is_witness(act)).map(|(operation, _)| operation);
        Subject { of, author, stamp, clock, acts, first_witness, deleted, written, needs }
    }

    fn conditions(&self, subject: Subject<'_>) -> Result<Conditions, StoreError> {
        let mut found = Found {
            conditions: Vec::new(),
            permissions: BTreeSet::new(),
            targets: BTreeSet::new(),
            takes_past_as_given: false,
        };
        for (operation, act) in (0..).zip(&subject.acts) {
            self.permission(&subject, &mut found, operation)?;
            match act {
                Act::Insert { table, cells, .. } => {
                    let row = RowKey { pos: subject.of.pos, transaction: subject.of.transaction, operation };
                    let written: Vec<_> =
                        cells.iter().enumerate().map(|(column, cell)| (column, cell.as_ref())).collect();
                    self.writes(&subject, &mut found, (operation, *table, row), &written)?;
                }
                Act::Update { table, row, columns, cells } => {
                    let written: Vec<_> = columns.iter().copied().zip(cells.iter().map(Option::as_ref)).collect();
                    self.writes(&subject, &mut found, (operation, *table, row.key(subject.of.pos)), &written)?;
                }
                Act::Delete { table, row } => {
                    self.delete(&subject, &mut found, (operation, *table, row.key(subject.of.pos)))?;
                }
            }
        }
        let mut all = found.conditions;
        all.sort_by_key(|condition| {
            let place = condition.other.map(|other| other.place);
            let by_place = (condition.kind == Kind::Deletes).then_some(place);
            (condition.operation, condition.kind, by_place, condition.part, place)
        });
        Ok(Conditions { all, acts: subject.acts, takes_past_as_given: found.takes_past_as_given })
    }

    /// The references and claims of a write.
    fn writes(
        &self,
        subject: &Subject<'_>,
        found: &mut Found,
        (operation, table, row): (u32, usize, RowKey),
        written: &[(usize, Option<&Content>)],
    ) -> Result<(), StoreError> {
        let (of, layout) = (self.layout().table(table), self.layout().of(table));
        let mut keys: Vec<(usize, usize, RowKey)> = Vec::new();
        for (column, content) in written {
            if let (Some(key), Some(Content::Row(target))) = (layout.foreign_key_of[*column], content) {
                keys.push((*column, key, target.key(subject.of.pos)));
            }
        }
        keys.sort_unstable();
        for (_, key, target) in keys {
            let is_concurrent = matches!(of.foreign_keys[key].on_delete, OnDelete::Cascade | OnDelete::NoAction);
            if CoTx::of(target) == subject.of || !found.targets.insert((target, is_concurrent)) {
                continue;
            }
            let mut alternative = Alternative::default();
            self.rely_on(subject, &mut alternative, target, is_concurrent)?;
            let part = u32::try_from(key).unwrap_or(u32::MAX);
            found.conditions.push(Condition {
                operation,
                kind: Kind::Refers,
                part,
                other: None,
                alternatives: vec![alternative],
            });
        }
        for (unique, group) in (0..).zip(&layout.unique_groups) {
            let Some(group) = *group else { continue };
            let columns = &of.uniques[unique].columns;
            let cell = |column: &usize| written.iter().find(|(known, _)| known == column).map(|(_, cell)| *cell);
            if cell(&columns[0]).is_none() {
                continue;
            }
            let cells = columns.iter().map(|column| cell(column).flatten());
            let Some(key) = claim_key(of.uniques[unique].id, Some(subject.of.pos), cells) else { continue };
            let from = self.claims_matter_from(subject, found)?;
            let own = (self.seniority(subject.of)?, (subject.stamp, subject.of.transaction, operation));
            for claim in
                self.claims(key, from)?.into_iter().filter(|claim| claim.row != row && !subject.is_own(claim.write))
            {
                let counts = subject.is_past(claim.write)
                    || self.is_concurrent(subject, claim.write)? && self.rank(claim.write)? < own;
                if counts {
                    let counted = Counted { write: claim.write, row: claim.row, group };
                    let part = u32::try_from(unique).unwrap_or(u32::MAX);
                    self.does_not_count(subject, found, (operation, Kind::Unique, part), &counted)?;
                }
            }
        }
        Ok(())
    }

    /// The height from which on releases matter: claims that lower entries released are free for good where nothing in the
    /// past is disputed, nor depends on anything concurrent.
    fn claims_matter_from(&self, subject: &Subject<'_>, found: &mut Found) -> Result<u64, StoreError> {
        if !self.is_calm_before(subject.of.pos, &subject.clock)? {
            return Ok(0);
        }
        found.takes_past_as_given = true;
        self.settled_below(&subject.clock)
    }

    /// What must not refer to a row that is deleted.
    fn delete(
        &self,
        subject: &Subject<'_>,
        found: &mut Found,
        (operation, table, row): (u32, usize, RowKey),
    ) -> Result<(), StoreError> {
        let on_delete = |reference: &ReferenceRecord| {
            self.layout().table(reference.table).foreign_keys[reference.foreign_key].on_delete
        };
        let referrers = &self.layout().of(table).referrers;
        if referrers.iter().all(|(of, key)| self.layout().table(*of).foreign_keys[*key].on_delete == OnDelete::SetNull)
        {
            return Ok(());
        }
        let mut references: Vec<ReferenceRecord> = Vec::new();
        self.store.references(row, &mut |reference| {
            if on_delete(&reference) != OnDelete::SetNull && !subject.is_own(reference.write) {
                references.push(reference);
            }
            Ok(ControlFlow::Continue(()))
        })?;
        for reference in references {
            let counts = subject.is_past(reference.write)
                || on_delete(&reference) == OnDelete::Restrict && self.is_concurrent(subject, reference.write)?;
            if counts {
                let group = self.group_of_key(reference.table, reference.foreign_key)?;
                let counted = Counted { write: reference.write, row: reference.row, group };
                let part = u32::try_from(reference.foreign_key).unwrap_or(u32::MAX);
                self.does_not_count(subject, found, (operation, Kind::Deletes, part), &counted)?;
            }
        }
        Ok(())
    }

    /// Adds the condition that a write does not count, unless the co-transaction releases it itself.
    fn does_not_count(
        &self,
        subject: &Subject<'_>,
        found: &mut Found,
        (operation, kind, part): (u32, Kind, u32),
        counted: &Counted,
    ) -> Result<(), StoreError> {
        let Counted { write, row, group } = *counted;
        let (of, insert) = (CoTx::of(write), CoTx::of(row));
        let place = self.place(write)?;
        let own = (subject.stamp, subject.of.transaction);
        if subject.deleted.contains(&row) || subject.written.contains(&(row, group)) && own > (place.0, place.1) {
            return Ok(());
        }
        let mut alternatives = vec![Alternative::without(of, subject.is_past(write))];
        if insert != of {
            alternatives.push(Alternative::without(insert, subject.is_past(row)));
        }
        alternatives.extend(self.releases(subject, counted)?.into_iter().map(Alternative::with));
        let other = Some(Other { of, place, row });
        found.conditions.push(Condition { operation, kind, part, other, alternatives });
        Ok(())
    }

    /// Who releases a write in the past: by deleting its row, or by a write of its cell at a greater position.
    fn releases(&self, subject: &Subject<'_>, counted: &Counted) -> Result<Vec<CoTx>, StoreError> {
        let Counted { write, row, group } = *counted;
        let place = self.place(write)?;
        let mut releases = BTreeSet::new();
        for delete in self.deletes(row)?.iter().filter(|delete| subject.is_past(**delete)) {
            releases.insert(CoTx::of(*delete));
        }
        let mut later = Vec::new();
        self.store.writes(row, group, u64::MAX, &mut |other| {
            if other.rank.height < place.0.height {
                return Ok(ControlFlow::Break(()));
            }
            if other.key != write && subject.is_past(other.key) {
                later.push(other.key);
            }
            Ok(ControlFlow::Continue(()))
        })?;
        for other in later {
            if self.place(other)? > place {
                releases.insert(CoTx::of(other));
            }
        }
        Ok(releases.into_iter().collect())
    }

    /// Adds to an alternative that a row of the past is there.
    ///
    /// * `is_concurrent` - concurrent deletes take it away, too.
    pub(super) fn rely_on(
        &self,
        subject: &Subject<'_>,
        alternative: &mut Alternative,
        row: RowKey,
        is_concurrent: bool,
    ) -> Result<(), StoreError> {
        alternative.witnesses.push(Witness { of: CoTx::of(row), row: Some(row) });
        for delete in self.deletes(row)?.iter().filter(|delete| !subject.is_own(**delete)) {
            let is_past = subject.is_past(*delete);
            if is_past || is_concurrent && self.is_concurrent(subject, *delete)? {
                alternative.attackers.push(Opponent { of: CoTx::of(*delete), is_past, row: Some(row) });
            }
        }
        Ok(())
    }

    /// The alternatives of the delete of a row as the cascade of another delete of the same co-transaction.
    pub(super) fn cascades(
        &self,
        subject: &Subject<'_>,
        table: usize,
        row: RowKey,
    ) -> Result<Vec<Alternative>, StoreError> {
        let mut alternatives = Vec::new();
        for key in &self.layout().table(table).foreign_keys {
            if key.on_delete != OnDelete::Cascade {
                continue;
            }
            let group = self.layout().of(table).group_of[key.column].ok_or_else(ungrouped)?;
            for (write, content) in self.writes_of(row, group, key.column)? {
                let refers =
                    matches!(content, Some(Content::Row(target)) if subject.deleted.contains(&target.key(row.pos)));
                if !refers || !subject.is_past(write) {
                    continue;
                }
                let mut witnesses = vec![Witness { of: CoTx::of(write), row: None }];
                if CoTx::of(row) != CoTx::of(write) {
                    witnesses.push(Witness { of: CoTx::of(row), row: None });
                }
                let releases = self.releases(subject, &Counted { write, row, group })?;
                let attackers = releases.into_iter().map(|of| Opponent { of, is_past: true, row: None }).collect();
                alternatives.push(Alternative { witnesses, attackers, ..Alternative::default() });
            }
        }
        Ok(alternatives)
    }

    /// Everything ever written into a column of a row, with the operation.
    pub(super) fn writes_of(
        &self,
        row: RowKey,
        group: usize,
        column: usize,
    ) -> Result<Vec<(OperationKey, Option<Content>)>, StoreError> {
        let kept = self.kept_row(row)?;
        let mut writes = vec![(row, kept.inserted[column].clone())];
        let mut updates = Vec::new();
        self.store.writes(row, group, u64::MAX, &mut |write| {
            updates.push(write);
            Ok(ControlFlow::Continue(()))
        })?;
        for write in updates {
            let Act::Update { columns, cells, .. } = self.view().act(write.key, write.span)? else { continue };
            let cell = columns.iter().zip(cells).find(|(known, _)| **known == column).map(|(_, cell)| cell);
            writes
                .push((write.key, cell.ok_or_else(|| StoreError::corrupt("a kept write does not write its column"))?));
        }
        Ok(writes)
    }

    pub(super) fn group_of_key(&self, table: usize, key: usize) -> Result<usize, StoreError> {
        let column = self.layout().table(table).foreign_keys[key].column;
        self.layout().of(table).group_of[column].ok_or_else(ungrouped)
    }

    /// Whether an operation that is not of the past is concurrent, and not later.
    fn is_concurrent(&self, subject: &Subject<'_>, key: OperationKey) -> Result<bool, StoreError> {
        if key.pos == subject.of.pos || subject.clock.contains(key.pos) {
            return Ok(false);
        }
        Ok(!self.index.le(self.store, subject.of.pos, key.pos)?)
    }

    /// How senior a co-transaction was in its own past.
    pub(super) fn seniority(&self, of: CoTx) -> Result<Weight, StoreError> {
        seniority_of(self.store, of)
    }

    /// What decides between claims of one key.
    pub(super) fn rank(&self, claim: OperationKey) -> Result<(Weight, (Stamp, u32, u32)), StoreError> {
        Ok((self.seniority(CoTx::of(claim))?, self.place(claim)?))
    }
}

/// What was found of one co-transaction so far.
pub(super) struct Found {
    pub(super) conditions: Vec<Condition>,
    /// Permissions found before: by table, command, and what policies read of the row at hand.
    pub(super) permissions: BTreeSet<Asked>,
    /// Rows referred to; whether against concurrent deletes.
    targets: BTreeSet<(RowKey, bool)>,
    takes_past_as_given: bool,
}

pub(super) fn ungrouped() -> StoreError {
    StoreError::corrupt("a foreign key is in no column group")
}
