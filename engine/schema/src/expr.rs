//! Expressions as written in CHECK, USING and WITH CHECK: one tree, over named columns or over resolved ones.

use borsh::{BorshDeserialize, BorshSerialize};

use crate::{Ident, Value};

/// Deepest nesting of an expression: bounds recursion in the parser's output, the decoder and the evaluator.
pub const EXPR_DEPTH_MAX: usize = 64;

/// Most nodes of one expression: bounds what a CHECK or a policy costs each time it is evaluated.
pub const EXPR_NODES_MAX: usize = 1_000;

/// A column as schema text names it: `column`, or `qualifier.column` with a table's name or alias.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct NamedColumn {
    /// The table name or alias before the dot.
    pub qualifier: Option<Ident>,
    /// The column.
    pub column: Ident,
}

/// A column found: `slot` 0 is the row at hand, slots 1.. are the tables of the enclosing EXISTS in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize)]
pub struct SlotColumn {
    /// Which row.
    pub slot: u8,
    /// Index into that row's table's `columns`.
    pub column: u16,
}

/// `=`, `<>`, `<`, `<=`, `>`, `>=`
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
#[allow(missing_docs)]
pub enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Comparison {
    /// Whether it asks for equality only, and so needs no order.
    pub fn is_equality(self) -> bool {
        matches!(self, Comparison::Equal | Comparison::NotEqual)
    }
}

/// `+`, `-`, `*`
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
#[allow(missing_docs)]
pub enum Arithmetic {
    Add,
    Subtract,
    Multiply,
}

/// A literal before its type is known from its surroundings.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Literal {
    /// `NULL`
    Null,
    /// `TRUE`, `FALSE`
    Boolean(bool),
    /// A number as written: digits, at most one point, no exponent, no sign.
    Number(String),
    /// A quoted string: text, or any type that is written as text (a date, a UUID, ...).
    Text(String),
}

/// A scalar expression over columns `C` and literals `L`.
///
/// As parsed it is `Expr<NamedColumn, Literal>`; in a [`Schema`](crate::Schema) it is `Expr<SlotColumn, Value>`, type-checked,
/// where `Literal(None)` is NULL. BETWEEN is parsed into two comparisons under AND, NOT IN into NOT over IN.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize)]
#[allow(missing_docs)]
pub enum Expr<C, L> {
    Literal(L),
    Column(C),
    /// `author()`: the identity that signs the operation. Not in CHECK.
    Author,
    Not(Box<Expr<C, L>>),
    And(Vec<Expr<C, L>>),
    Or(Vec<Expr<C, L>>),
    Compare {
        op: Comparison,
        left: Box<Expr<C, L>>,
        right: Box<Expr<C, L>>,
    },
    In {
        expr: Box<Expr<C, L>>,
        list: Vec<Expr<C, L>>,
    },
    IsNull(Box<Expr<C, L>>),
    Negate(Box<Expr<C, L>>),
    Arithmetic {
        op: Arithmetic,
        left: Box<Expr<C, L>>,
        right: Box<Expr<C, L>>,
    },
    /// `length(text)` in code points, `length(bytea)` in bytes.
    Length(Box<Expr<C, L>>),
    Coalesce(Vec<Expr<C, L>>),
}

/// A condition of a policy: scalars and EXISTS under AND and OR only, so that it is positive in the rows it reads.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize)]
#[allow(missing_docs)]
pub enum Condition<T, C, L> {
    And(Vec<Condition<T, C, L>>),
    Or(Vec<Condition<T, C, L>>),
    Exists(Exists<T, C, L>),
    /// No EXISTS below.
    Scalar(Expr<C, L>),
}

/// `EXISTS (SELECT 1 FROM t [alias], ... WHERE filter)`.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Exists<T, C, L> {
    /// The tables in order; in a parsed tree with their aliases, in a schema their slots are 1, 2, ...
    pub from: Vec<T>,
    /// The WHERE; a literal TRUE where the text has none.
    pub filter: Expr<C, L>,
}

/// A table in a parsed FROM.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct NamedFrom {
    /// The table.
    pub table: Ident,
    /// Its alias.
    pub alias: Option<Ident>,
}

impl SchemaExpr {
    /// Calls `visit` with every column that the expression reads, in order of appearance.
    pub fn visit_columns(&self, visit: &mut impl FnMut(SlotColumn)) {
        match self {
            Expr::Literal(_) | Expr::Author => {}
            Expr::Column(column) => visit(*column),
            Expr::Not(inner) | Expr::IsNull(inner) | Expr::Negate(inner) | Expr::Length(inner) => {
                inner.visit_columns(visit);
            }
            Expr::And(items) | Expr::Or(items) | Expr::Coalesce(items) => {
                items.iter().for_each(|item| item.visit_columns(visit));
            }
            Expr::Compare { left, right, .. } | Expr::Arithmetic { left, right, .. } => {
                left.visit_columns(visit);
                right.visit_columns(visit);
            }
            Expr::In { expr, list } => {
                expr.visit_columns(visit);
                list.iter().for_each(|item| item.visit_columns(visit));
            }
        }
    }
}

/// A scalar expression as written.
pub type NamedExpr = Expr<NamedColumn, Literal>;
/// A policy condition as written.
pub type NamedCondition = Condition<NamedFrom, NamedColumn, Literal>;
/// A type-checked scalar expression of a schema; `None` is NULL.
pub type SchemaExpr = Expr<SlotColumn, Option<Value>>;
/// A type-checked policy condition of a schema; FROM names tables by index into `Schema::tables`.
pub type SchemaCondition = Condition<u16, SlotColumn, Option<Value>>;
