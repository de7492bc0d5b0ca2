//! How the rows that make a policy true are found: its condition, with a plan for each EXISTS.
//!
//! Plans are fixed when the schema is made: tables in the order in which equalities find their rows by index, each conjunct
//! of a filter tested as soon as the rows it reads are bound, scalars before anything that reads rows. The order changes
//! the cost only, never which rows are found.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use crate::{Comparison, Condition, Exists, Expr, LogicalType, Schema, SchemaCondition, SchemaExpr, SlotColumn, Value};

/// Most clauses of a policy in disjunctive form, where each OR under AND multiplies them: the ways of being true, before
/// rows are counted.
pub const POLICY_CLAUSES_MAX: usize = 64;

/// Most EXISTS in one policy.
pub const POLICY_EXISTS_MAX: usize = 32;

/// Most tables in the FROM of one EXISTS.
pub const EXISTS_TABLES_MAX: usize = 4;

/// A condition ready to be judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Plan {
    /// All must be true: expressions over the row at hand and `author()`, then the rest.
    All { scalars: Vec<SchemaExpr>, rest: Vec<Plan> },
    /// One must be true.
    Any(Vec<Plan>),
    /// Rows must be found.
    Join(Join),
}

/// One EXISTS, planned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Join {
    /// Conjuncts of the filter that read no table of FROM.
    pub(crate) filters: Vec<SchemaExpr>,
    /// One for each table of FROM, in the order in which their rows are looked for.
    pub(crate) steps: Vec<Step>,
}

/// How the rows of one table of a FROM are found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Step {
    /// The slot that the row takes in expressions.
    pub(crate) slot: u8,
    /// Index into `Schema::tables`.
    pub(crate) table: usize,
    /// The columns by which rows are found, ascending; `id` stands alone. Without one, all rows of the table are read.
    pub(crate) lookups: Vec<Lookup>,
    /// Conjuncts of the filter whose rows are bound from here on.
    pub(crate) filters: Vec<SchemaExpr>,
}

/// `column = value`, a conjunct of the filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lookup {
    pub(crate) column: usize,
    /// Over slots bound before.
    pub(crate) value: SchemaExpr,
}

/// How large a condition is: what the limits of this file bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Size {
    /// Clauses of the disjunctive form.
    pub(crate) clause_count: usize,
    pub(crate) exists_count: usize,
}

impl Size {
    pub(crate) fn of(condition: &SchemaCondition) -> Size {
        let sum = |sizes: &[Size]| sizes.iter().map(|size| size.exists_count).sum();
        match condition {
            Condition::Scalar(_) => Size { clause_count: 1, exists_count: 0 },
            Condition::Exists(_) => Size { clause_count: 1, exists_count: 1 },
            Condition::And(items) => {
                let sizes: Vec<Size> = items.iter().map(Size::of).collect();
                let clause_count = sizes.iter().fold(1, |count: usize, size| count.saturating_mul(size.clause_count));
                Size { clause_count, exists_count: sum(&sizes) }
            }
            Condition::Or(items) => {
                let sizes: Vec<Size> = items.iter().map(Size::of).collect();
                let clause_count = sizes.iter().fold(0, |count: usize, size| count.saturating_add(size.clause_count));
                Size { clause_count, exists_count: sum(&sizes) }
            }
        }
    }
}

impl Plan {
    pub(crate) fn of(schema: &Schema, condition: &SchemaCondition) -> Plan {
        match condition {
            Condition::Scalar(expr) => Plan::All { scalars: vec![expr.clone()], rest: Vec::new() },
            Condition::Exists(exists) => Plan::Join(plan_join(schema, exists)),
            Condition::Or(items) if items.len() == 1 => Plan::of(schema, &items[0]),
            Condition::Or(items) => Plan::Any(items.iter().map(|item| Plan::of(schema, item)).collect()),
            Condition::And(items) => {
                let (mut scalars, mut rest) = (Vec::new(), Vec::new());
                for item in items {
                    // A nested AND is merged in, so that judging recurses once per EXISTS and per OR, not once per term.
                    match Plan::of(schema, item) {
                        Plan::All { scalars: more, rest: below } => {
                            scalars.extend(more);
                            rest.extend(below);
                        }
                        other => rest.push(other),
                    }
                }
                Plan::All { scalars, rest }
            }
        }
    }
}

/// Orders the tables of an EXISTS and hands each conjunct of its filter to the first step that can test it.
fn plan_join(schema: &Schema, exists: &Exists<u16, SlotColumn, Option<Value>>) -> Join {
    let mut open = Vec::new();
    collect_conjuncts(&exists.filter, &mut open);
    let mut bound = vec![0_u8];
    let filters = take_bound(&mut open, &bound);
    let mut waiting: Vec<(u8, usize)> =
        exists.from.iter().zip(1_u8..).map(|(table, slot)| (slot, usize::from(*table))).collect();
    let mut steps = Vec::new();
    while !waiting.is_empty() {
        let best = (0..waiting.len())
            .max_by_key(|index| {
                let (slot, table) = waiting[*index];
                let (worth, _) = find_lookups(schema, &open, &bound, (slot, table));
                (worth, Reverse(slot))
            })
            .expect("a table is waiting");
        let (slot, table) = waiting.remove(best);
        let (_, lookups) = find_lookups(schema, &open, &bound, (slot, table));
        bound.push(slot);
        let filters = take_bound(&mut open, &bound);
        steps.push(Step { slot, table, lookups, filters });
    }
    Join { filters, steps }
}

/// The terms of the AND that `expr` is, or `expr` itself: under three-valued logic an AND is true if all its terms are.
fn collect_conjuncts(expr: &SchemaExpr, conjuncts: &mut Vec<SchemaExpr>) {
    match expr {
        Expr::And(items) => items.iter().for_each(|item| collect_conjuncts(item, conjuncts)),
        other => conjuncts.push(other.clone()),
    }
}

fn is_bound(expr: &SchemaExpr, bound: &[u8]) -> bool {
    let mut is_bound = true;
    expr.visit_columns(&mut |column| is_bound &= bound.contains(&column.slot));
    is_bound
}

/// Moves the conjuncts that read bound slots only out of `open`.
fn take_bound(open: &mut Vec<SchemaExpr>, bound: &[u8]) -> Vec<SchemaExpr> {
    let (taken, left) = open.drain(..).partition(|conjunct| is_bound(conjunct, bound));
    *open = left;
    taken
}

/// The equalities that find rows of a table from what is bound, and how selective the best of them is thought to be:
/// by `id` first, then by the author, then by something of another row, then by a constant.
fn find_lookups(schema: &Schema, open: &[SchemaExpr], bound: &[u8], (slot, table): (u8, usize)) -> (u8, Vec<Lookup>) {
    let (mut best, mut lookups): (u8, Vec<Lookup>) = (0, Vec::new());
    for conjunct in open {
        let Expr::Compare { op: Comparison::Equal, left, right } = conjunct else { continue };
        for (side, other) in [(left, right), (right, left)] {
            let Expr::Column(SlotColumn { slot: at, column }) = **side else { continue };
            let column = usize::from(column);
            if at != slot || !is_bound(other, bound) || !is_exact(schema, table, column, other) {
                continue;
            }
            let lookup = Lookup { column, value: (**other).clone() };
            if schema.tables[table].id_column == column {
                return (4, vec![lookup]);
            }
            best = best.max(match **other {
                Expr::Author => 3,
                Expr::Literal(_) => 1,
                _ => 2,
            });
            if lookups.iter().all(|known| known.column != column) {
                lookups.push(lookup);
            }
        }
    }
    lookups.sort_by_key(|lookup| lookup.column);
    (best, lookups)
}

/// Whether at most one value of a column can equal what is compared with it. Several exact numbers equal one binary
/// number, so what may be binary finds no rows of an exact column, but for INTEGER, which is exact in binary as well.
fn is_exact(schema: &Schema, table: usize, column: usize, other: &SchemaExpr) -> bool {
    match (schema.tables[table].columns[column].logical_type, other) {
        (LogicalType::BigInt | LogicalType::Numeric { .. }, Expr::Literal(Some(value))) => {
            !matches!(value, Value::Double(_))
        }
        (LogicalType::BigInt | LogicalType::Numeric { .. }, _) => false,
        _ => true,
    }
}

impl Schema {
    /// Returns the sets of columns by which policies find rows, by table; columns ascending, never `id`.
    ///
    /// An index over each of them answers [`Rows::matching`](crate::Rows::matching) without reading other rows.
    pub fn lookups(&self) -> BTreeSet<(usize, Vec<usize>)> {
        let of_tables = self.tables.iter().flat_map(|table| &table.policies);
        let mut found = BTreeSet::new();
        for policy in of_tables.chain(&self.schema_policies).chain(&self.peer_policies) {
            policy.plan.collect_lookups(self, &mut found);
        }
        found
    }
}

impl Plan {
    fn collect_lookups(&self, schema: &Schema, found: &mut BTreeSet<(usize, Vec<usize>)>) {
        match self {
            Plan::All { rest, .. } => rest.iter().for_each(|below| below.collect_lookups(schema, found)),
            Plan::Any(plans) => plans.iter().for_each(|below| below.collect_lookups(schema, found)),
            Plan::Join(join) => {
                for step in &join.steps {
                    let columns: Vec<usize> = step.lookups.iter().map(|lookup| lookup.column).collect();
                    if !columns.is_empty() && columns != [schema.tables[step.table].id_column] {
                        found.insert((step.table, columns));
                    }
                }
            }
        }
    }
}
