//! Conditions: what a co-transaction relies on, derived from its operations and the schema.
//!
//! A condition is a disjunction of alternatives; an alternative holds while all its witnesses are live and none of its
//! attackers is.

use treaty_engine::relation::RowName;
use treaty_schema::{Command, OnDelete, Table};

use crate::facts::{Facts, Write, claimed};
use crate::history::{Cells, Content, Deed, History};
use crate::names::CoTxName;

/// One thing that must be so.
#[derive(Debug, Clone)]
pub(crate) struct Condition {
    /// The operation that relies on it.
    pub(crate) operation: u32,
    pub(crate) kind: Kind,
    /// The other write that must not count, if that is what it says.
    pub(crate) rival: Option<CoTxName>,
    pub(crate) alternatives: Vec<Alternative>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A policy is true.
    Permission,
    /// The row referred to is present.
    Reference,
    /// A reference to a row deleted does not count.
    Delete,
    /// Another claim of a UNIQUE key does not count.
    Key,
}

/// One way in which a condition holds.
#[derive(Debug, Clone, Default)]
pub(crate) struct Alternative {
    /// Must be live.
    pub(crate) witnesses: Vec<CoTxName>,
    /// Must not be live.
    pub(crate) attackers: Vec<CoTxName>,
    /// Of a permission: the rows of the past that make a policy true.
    pub(crate) rows: Vec<RowName>,
    /// Of a permission: the own inserts that do, by operation.
    pub(crate) own_rows: Vec<u32>,
}

/// Which deletes of a row take it away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reach {
    /// All but those that come after: a concurrent delete wins over the use.
    Enabled,
    /// Those of the past only.
    Past,
}

impl History {
    /// What a co-transaction relies on, seen from a view: by operation, then permission, foreign key, key.
    pub(crate) fn conditions(&self, facts: &Facts<'_>, of: CoTxName) -> Vec<Condition> {
        if self.is_genesis(of) {
            return Vec::new();
        }
        let operations = (0..).zip(self.deeds(of));
        operations.flat_map(|(operation, deed)| self.operation_conditions(facts, of, operation, deed)).collect()
    }

    fn operation_conditions(&self, facts: &Facts<'_>, of: CoTxName, operation: u32, deed: &Deed) -> Vec<Condition> {
        let mut conditions = vec![self.permission(facts, of, operation)];
        match deed {
            Deed::Insert { table, cells, .. } | Deed::Update { table, cells, .. } => {
                let columns = cells.keys();
                conditions.extend(columns.filter_map(|column| self.reference(facts, of, operation, *column)));
                for index in 0..self.table(*table).uniques.len() {
                    conditions.extend(self.key_conditions(facts, of, operation, index));
                }
            }
            Deed::Delete { .. } => conditions.extend(self.delete_conditions(facts, of, operation)),
        }
        conditions
    }

    /// The permission conditions alone: those that seniority is read from.
    pub(crate) fn permissions(&self, facts: &Facts<'_>, of: CoTxName) -> Vec<Condition> {
        let operations = (0..).take(self.deeds(of).len());
        operations.map(|operation| self.permission(facts, of, operation)).collect()
    }

    /// One of the policies for the table and command is true; each way of making them true is an alternative. Or, for a
    /// delete, the row refers under CASCADE to a row that goes as well.
    pub(crate) fn permission(&self, facts: &Facts<'_>, of: CoTxName, operation: u32) -> Condition {
        let ways = self.ways(of, operation);
        let by_policy = ways.iter().map(|way| {
            let attackers = way.rows.iter().flat_map(|row| self.attackers(facts, of, *row, Reach::Enabled));
            Alternative {
                witnesses: way.rows.iter().map(|row| CoTxName::of(*row)).collect(),
                attackers: attackers.collect(),
                rows: way.rows.iter().copied().collect(),
                own_rows: way.own_rows.iter().copied().collect(),
            }
        });
        let alternatives = by_policy.chain(self.cascades(facts, of, operation)).collect();
        Condition { operation, kind: Kind::Permission, rival: None, alternatives }
    }

    /// The writes by which the row that an operation deletes refers, under CASCADE, to a row that its co-transaction
    /// deletes as well: each permits the delete while it counts.
    fn cascades(&self, facts: &Facts<'_>, of: CoTxName, operation: u32) -> Vec<Alternative> {
        let Deed::Delete { table, row } = &self.deeds(of)[operation as usize] else { return Vec::new() };
        let keys = self.table(*table).foreign_keys.iter().filter(|key| key.on_delete == OnDelete::Cascade);
        let referring = keys.flat_map(|key| {
            let writes = facts.writes_of(*row).filter(|write| self.is_before(write.by, of));
            writes.filter(|write| write.refers(key).is_some_and(|target| self.deletes(of, target))).map(move |write| {
                Alternative {
                    witnesses: vec![write.by, CoTxName::of(*row)],
                    attackers: self.releases(facts, of, write, key.column),
                    ..Alternative::default()
                }
            })
        });
        referring.collect()
    }

    /// The row that a written foreign key refers to is present. None if the column refers to nothing but own rows.
    pub(crate) fn reference(
        &self,
        facts: &Facts<'_>,
        of: CoTxName,
        operation: u32,
        column: usize,
    ) -> Option<Condition> {
        let (table, cells) = written(&self.deeds(of)[operation as usize])?;
        let key = self.table(table).foreign_key_of(column)?;
        let Some(Some(Content::Row(target))) = cells.get(&column) else { return None };
        if CoTxName::of(*target) == of {
            return None;
        }
        let reach = match key.on_delete {
            OnDelete::Cascade | OnDelete::NoAction => Reach::Enabled,
            OnDelete::SetNull | OnDelete::Restrict => Reach::Past,
        };
        let alternative = Alternative {
            witnesses: vec![CoTxName::of(*target)],
            attackers: self.attackers(facts, of, *target, reach),
            ..Alternative::default()
        };
        Some(Condition { operation, kind: Kind::Reference, rival: None, alternatives: vec![alternative] })
    }

    /// No reference to the row that an operation deletes counts: of its past, but for SET NULL; under RESTRICT of those
    /// concurrent with it as well. In the order of the referring writes.
    pub(crate) fn delete_conditions(&self, facts: &Facts<'_>, of: CoTxName, operation: u32) -> Vec<Condition> {
        let Deed::Delete { row: deleted, .. } = &self.deeds(of)[operation as usize] else { return Vec::new() };
        let mut conditions = Vec::new();
        for (write, key) in facts.references_to(self.schema(), *deleted) {
            let key = &self.table(write.table).foreign_keys[*key];
            let matters = match key.on_delete {
                OnDelete::SetNull => false,
                OnDelete::Cascade | OnDelete::NoAction => self.is_before(write.by, of),
                OnDelete::Restrict => self.is_before(write.by, of) || self.is_concurrent(write.by, of),
            };
            if matters {
                let condition = self.does_not_count(facts, of, write, key.column);
                let order = (self.position(write.by), write.operation, key.column);
                conditions.extend(condition.map(|alternatives| (order, write.by, alternatives)));
            }
        }
        conditions.sort_by_key(|(order, _, _)| *order);
        let condition =
            |(_, rival, alternatives)| Condition { operation, kind: Kind::Delete, rival: Some(rival), alternatives };
        conditions.into_iter().map(condition).collect()
    }

    /// No claim by another row of the key that an operation claims counts: of its past any, of those concurrent with it
    /// those of smaller rank. In the order of the claims.
    pub(crate) fn key_conditions(
        &self,
        facts: &Facts<'_>,
        of: CoTxName,
        operation: u32,
        index: usize,
    ) -> Vec<Condition> {
        let deed = &self.deeds(of)[operation as usize];
        let Some((table, cells)) = written(deed) else { return Vec::new() };
        let Some(key) = claimed(self.table(table), index, cells) else { return Vec::new() };
        let row = match deed {
            Deed::Insert { .. } => of.operation(operation),
            Deed::Update { row, .. } | Deed::Delete { row, .. } => *row,
        };
        let mut conditions = Vec::new();
        let claims = facts.claims_of(self.schema(), &(table, index, key));
        for write in claims.iter().filter(|write| write.row != row) {
            let is_better = || self.rank(write.by.operation(write.operation)) < self.rank(of.operation(operation));
            if self.is_before(write.by, of) || (self.is_concurrent(write.by, of) && is_better()) {
                let column = self.table(table).uniques[index].columns[0];
                let condition = self.does_not_count(facts, of, write, column);
                let order = (self.position(write.by), write.operation);
                conditions.extend(condition.map(|alternatives| (order, write.by, alternatives)));
            }
        }
        conditions.sort_by_key(|(order, _, _)| *order);
        let condition =
            |(_, rival, alternatives)| Condition { operation, kind: Kind::Key, rival: Some(rival), alternatives };
        conditions.into_iter().map(condition).collect()
    }

    /// A write's claim or reference by `column` does not count for a co-transaction: the write or the insert of its row is
    /// void, or it is released for it. None if the co-transaction releases it itself.
    fn does_not_count(
        &self,
        facts: &Facts<'_>,
        of: CoTxName,
        write: &Write<'_>,
        column: usize,
    ) -> Option<Vec<Alternative>> {
        if self.releases_itself(of, write, column) {
            return None;
        }
        let void = |cotx: CoTxName| Alternative { attackers: vec![cotx], ..Alternative::default() };
        let live = |cotx: CoTxName| Alternative { witnesses: vec![cotx], ..Alternative::default() };
        let released = self.releases(facts, of, write, column).into_iter().map(live);
        Some([void(write.by), void(CoTxName::of(write.row))].into_iter().chain(released).collect())
    }

    /// The releases of a write in the past of a co-transaction: deletes of its row, writes of its cell at greater positions.
    fn releases(&self, facts: &Facts<'_>, of: CoTxName, write: &Write<'_>, column: usize) -> Vec<CoTxName> {
        let deletes = facts.deletes_of(write.row);
        let writes = facts
            .writes_of(write.row)
            .filter(|later| later.cells.contains_key(&column) && self.position(later.by) > self.position(write.by));
        deletes.chain(writes.map(|later| later.by)).filter(|release| self.is_before(*release, of)).collect()
    }

    /// Whether a co-transaction deletes the row of a write, or writes its cell at a greater position.
    fn releases_itself(&self, of: CoTxName, write: &Write<'_>, column: usize) -> bool {
        let is_greater = self.position(of) > self.position(write.by);
        self.deeds(of).iter().any(|deed| match deed {
            Deed::Delete { row, .. } => *row == write.row,
            Deed::Update { row, cells, .. } => *row == write.row && cells.contains_key(&column) && is_greater,
            Deed::Insert { .. } => false,
        })
    }

    /// The deletes of a row that take it away from a co-transaction; its own never do.
    fn attackers(&self, facts: &Facts<'_>, of: CoTxName, row: RowName, reach: Reach) -> Vec<CoTxName> {
        let reaches = |delete: &CoTxName| match reach {
            Reach::Enabled => *delete != of && !self.is_before(of, *delete),
            Reach::Past => self.is_before(*delete, of),
        };
        facts.deletes_of(row).filter(reaches).collect()
    }

    /// Whether a co-transaction deletes a row.
    pub(crate) fn deletes(&self, of: CoTxName, row: RowName) -> bool {
        self.deeds(of).iter().any(|deed| matches!(deed, Deed::Delete { row: deleted, .. } if *deleted == row))
    }

    pub(crate) fn table(&self, table: usize) -> &Table {
        &self.schema().tables()[table]
    }
}

/// The command that policies are asked for.
pub(crate) fn command(deed: &Deed) -> Command {
    match deed {
        Deed::Insert { .. } => Command::Insert,
        Deed::Update { .. } => Command::Update,
        Deed::Delete { .. } => Command::Delete,
    }
}

/// The table and cells that an operation writes; none of a delete.
fn written(deed: &Deed) -> Option<(usize, &Cells)> {
    match deed {
        Deed::Insert { table, cells, .. } | Deed::Update { table, cells, .. } => Some((*table, cells)),
        Deed::Delete { .. } => None,
    }
}
