//! Conditions in PostgreSQL's SQL, whose operators the engine's follow.
//!
//! Whatever the engine accepts, the text made here accepts. The two differ in one thing: which operands they evaluate, and so
//! whether a sum out of range is met. Whole numbers are therefore calculated as NUMERIC, which has no end; a condition that
//! calculates with binary numbers is left to the engine.

use treaty_schema::{Arithmetic, Column, Expr, LogicalType, SchemaExpr, SlotColumn, Table, Value};

use super::values::literal;
use crate::sql::comparison;
use crate::sql::quote::{ident, junction};

/// How columns and the author are spelt where an expression stands.
pub(super) struct Scope<'s> {
    /// By slot: the table, and what stands before its columns (an alias with its dot, or nothing).
    pub(super) rows: Vec<(&'s Table, String)>,
    /// `author()`, where it may stand.
    pub(super) author: Option<String>,
}

/// Translates a condition; nothing where it is the engine's alone.
pub(super) fn translate(expr: &SchemaExpr, scope: &Scope<'_>) -> Option<String> {
    let list = |list: &[SchemaExpr]| list.iter().map(|expr| translate(expr, scope)).collect::<Option<Vec<_>>>();
    Some(match expr {
        Expr::Literal(None) => "NULL".to_owned(),
        Expr::Literal(Some(value)) => literal(value),
        Expr::Column(column) => column_name(*column, scope)?,
        Expr::Author => scope.author.clone()?,
        Expr::Not(inner) => format!("(NOT {})", translate(inner, scope)?),
        Expr::And(items) => junction(&list(items)?, "AND"),
        Expr::Or(items) => junction(&list(items)?, "OR"),
        Expr::IsNull(inner) => format!("({} IS NULL)", translate(inner, scope)?),
        Expr::Compare { op, left, right } => {
            format!("({} {} {})", translate(left, scope)?, comparison(*op), translate(right, scope)?)
        }
        Expr::In { expr, list: items } => format!("({} IN ({}))", translate(expr, scope)?, list(items)?.join(", ")),
        Expr::Negate(inner) if is_double(inner, scope) || matches!(**inner, Expr::Literal(_)) => {
            format!("(- {})", translate(inner, scope)?)
        }
        Expr::Negate(inner) => format!("(- {})", as_numeric(inner, scope)?),
        Expr::Arithmetic { .. } if is_double(expr, scope) => return None,
        Expr::Arithmetic { op, left, right } => {
            let op = match op {
                Arithmetic::Add => "+",
                Arithmetic::Subtract => "-",
                Arithmetic::Multiply => "*",
            };
            format!("({} {op} {})", as_numeric(left, scope)?, as_numeric(right, scope)?)
        }
        Expr::Length(inner) => format!("length({})", translate(inner, scope)?),
        Expr::Coalesce(items) => format!("coalesce({})", list(items)?.join(", ")),
    })
}

/// Translates a number, as a NUMERIC whatever it was.
fn as_numeric(expr: &SchemaExpr, scope: &Scope<'_>) -> Option<String> {
    let sql = translate(expr, scope)?;
    let is_numeric = match expr {
        Expr::Literal(value) => matches!(value, Some(Value::Numeric(_))),
        Expr::Column(column) => {
            find(*column, scope).is_some_and(|(_, column)| matches!(column.logical_type, LogicalType::Numeric { .. }))
        }
        Expr::Arithmetic { .. } => true,
        _ => false,
    };
    Some(if is_numeric { sql } else { format!("{sql}::numeric") })
}

/// Whether an expression yields a binary number.
fn is_double(expr: &SchemaExpr, scope: &Scope<'_>) -> bool {
    match expr {
        Expr::Literal(value) => matches!(value, Some(Value::Double(_))),
        Expr::Column(column) => {
            find(*column, scope).is_some_and(|(_, column)| column.logical_type == LogicalType::Double)
        }
        Expr::Negate(inner) => is_double(inner, scope),
        Expr::Arithmetic { left, right, .. } => is_double(left, scope) || is_double(right, scope),
        Expr::Coalesce(items) => items.iter().any(|item| is_double(item, scope)),
        _ => false,
    }
}

/// What stands before a column, and the column.
fn find<'s>(column: SlotColumn, scope: &'s Scope<'_>) -> Option<(&'s str, &'s Column)> {
    let (table, prefix) = scope.rows.get(usize::from(column.slot))?;
    Some((prefix, table.columns.get(usize::from(column.column))?))
}

fn column_name(column: SlotColumn, scope: &Scope<'_>) -> Option<String> {
    let (prefix, column) = find(column, scope)?;
    Some(format!("{prefix}{}", ident(column.name.as_str())))
}
