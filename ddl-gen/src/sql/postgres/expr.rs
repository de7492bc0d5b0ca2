//! Conditions in PostgreSQL's SQL, whose operators the engine's follow.

use treaty_schema::{Arithmetic, Comparison, Expr, SchemaExpr, SlotColumn, Table};

use super::values::literal;
use crate::sql::quote::{ident, junction};

/// How columns and the author are spelt where an expression stands.
pub(super) struct Scope<'s> {
    /// By slot: the table, and what stands before its columns (an alias with its dot, or nothing).
    pub(super) rows: Vec<(&'s Table, String)>,
    /// `author()`, where it may stand.
    pub(super) author: Option<String>,
}

/// Translates a condition; nothing only if it does not fit its scope.
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
        Expr::Negate(inner) => format!("(- {})", translate(inner, scope)?),
        Expr::Arithmetic { op, left, right } => {
            let op = match op {
                Arithmetic::Add => "+",
                Arithmetic::Subtract => "-",
                Arithmetic::Multiply => "*",
            };
            format!("({} {op} {})", translate(left, scope)?, translate(right, scope)?)
        }
        Expr::Length(inner) => format!("length({})", translate(inner, scope)?),
        Expr::Coalesce(items) => format!("coalesce({})", list(items)?.join(", ")),
    })
}

fn column_name(column: SlotColumn, scope: &Scope<'_>) -> Option<String> {
    let (table, prefix) = scope.rows.get(usize::from(column.slot))?;
    let found = table.columns.get(usize::from(column.column))?;
    Some(format!("{prefix}{}", ident(found.name.as_str())))
}

fn comparison(op: Comparison) -> &'static str {
    match op {
        Comparison::Equal => "=",
        Comparison::NotEqual => "<>",
        Comparison::Less => "<",
        Comparison::LessOrEqual => "<=",
        Comparison::Greater => ">",
        Comparison::GreaterOrEqual => ">=",
    }
}
