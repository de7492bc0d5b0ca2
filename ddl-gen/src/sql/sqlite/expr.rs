//! Conditions in SQLite's SQL, where SQLite evaluates them exactly as the engine does; nothing otherwise.
//!
//! The rule that keeps both sides in step: whatever the engine accepts, the text made here accepts. Where SQLite computes
//! otherwise (NUMERIC is stored as text, times may be spelt in several ways, sums of real numbers may overflow), the
//! condition is left to the engine, or asked only of values in canonical form ([`Condition::guards`]).

use std::collections::BTreeSet;

use treaty_schema::{Arithmetic, Expr, LogicalType, SchemaExpr, SlotColumn, Table, Value};

use super::values::{literal, real};
use crate::sql::comparison;
use crate::sql::quote::{ident, junction};

/// Digits of a decimal that a binary double keeps apart, whatever the digits.
const EXACT_DIGITS: u8 = 15;

/// How columns and the author are spelt where an expression stands.
pub(super) struct Scope<'s> {
    /// By slot: the table, and what stands before its columns (`NEW.`, `OLD.`, an alias with its dot, or nothing).
    pub(super) rows: Vec<(&'s Table, String)>,
    /// `author()`, where it may stand.
    pub(super) author: Option<String>,
}

/// A condition that SQLite evaluates exactly, provided that the guarded columns are in canonical form.
pub(super) struct Exact {
    /// The condition.
    pub(super) sql: String,
    /// Columns compared as text whose type has other spellings.
    pub(super) guards: BTreeSet<SlotColumn>,
}

/// Translates a condition; nothing where SQLite would not evaluate it as the engine does.
pub(super) fn translate(expr: &SchemaExpr, scope: &Scope<'_>) -> Option<Exact> {
    let mut writer = Writer { scope, guards: BTreeSet::new() };
    let sql = writer.any(expr)?;
    Some(Exact { sql, guards: writer.guards })
}

/// The test that a column which has several spellings is NULL or in the canonical one.
pub(super) fn is_canonical(column: SlotColumn, scope: &Scope<'_>) -> Option<String> {
    let (table, prefix) = scope.rows.get(usize::from(column.slot))?;
    let column = table.columns.get(usize::from(column.column))?;
    let name = format!("{prefix}{}", ident(column.name.as_str()));
    const DAY: &str = "[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]";
    const TIME: &str = "[0-9][0-9]:[0-9][0-9]:[0-9][0-9]";
    let (base, length, zone) = match column.logical_type {
        LogicalType::Time => (TIME.to_owned(), 8, ""),
        LogicalType::Timestamp => (format!("{DAY} {TIME}"), 19, ""),
        LogicalType::TimestampTz => (format!("{DAY} {TIME}"), 19, "+00"),
        _ => return None,
    };
    // With a fraction: up to six digits, the last of them not zero.
    let point = length + 1;
    let digits = format!("substr({name}, {}, length({name}) - {})", point + 1, point + zone.len());
    Some(format!(
        "({name} IS NULL OR {name} GLOB '{base}{zone}' OR ({name} GLOB '{base}.*[1-9]{zone}' AND {digits} NOT GLOB '*[^0-9]*' \
         AND length({digits}) <= 6))"
    ))
}

/// What kind of value an expression has, as far as SQLite's exactness depends on it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Whole numbers.
    Whole,
    /// Binary numbers.
    Double,
    /// Decimal numbers of so many digits at most, where that is known.
    Decimal(Option<u8>),
    /// Text of several spellings.
    Temporal,
    /// No comparison at all.
    Json,
    /// One storage class, one spelling.
    Plain,
    /// NULL, or a constant of the kind it meets.
    Open,
}

impl Kind {
    fn of_type(logical_type: LogicalType) -> Kind {
        match logical_type {
            LogicalType::Integer | LogicalType::BigInt => Kind::Whole,
            LogicalType::Double => Kind::Double,
            LogicalType::Numeric { precision, .. } => Kind::Decimal(Some(precision)),
            LogicalType::Time | LogicalType::Timestamp | LogicalType::TimestampTz => Kind::Temporal,
            LogicalType::Json => Kind::Json,
            LogicalType::Boolean
            | LogicalType::Text
            | LogicalType::Varchar { .. }
            | LogicalType::Bytes
            | LogicalType::Uuid
            | LogicalType::Date
            | LogicalType::Identity => Kind::Plain,
        }
    }

    fn of_value(value: &Value) -> Kind {
        match value {
            Value::Integer(_) | Value::BigInt(_) => Kind::Whole,
            Value::Double(_) => Kind::Double,
            Value::Numeric(decimal) => Kind::Decimal((1..=EXACT_DIGITS).find(|digits| decimal.fits_precision(*digits))),
            // A constant is canonical: it takes the spelling of what it meets.
            Value::Time(_) | Value::Timestamp(_) | Value::TimestampTz(_) => Kind::Temporal,
            Value::Json(_) => Kind::Json,
            _ => Kind::Plain,
        }
    }
}

struct Writer<'s> {
    scope: &'s Scope<'s>,
    guards: BTreeSet<SlotColumn>,
}

impl Writer<'_> {
    /// Writes an expression of any type.
    fn any(&mut self, expr: &SchemaExpr) -> Option<String> {
        match expr {
            Expr::Literal(None) => Some("NULL".to_owned()),
            Expr::Literal(Some(Value::Numeric(_))) => self.number(expr),
            Expr::Literal(Some(value)) => Some(literal(value)),
            Expr::Column(column) => self.column(*column),
            Expr::Author => self.scope.author.clone(),
            Expr::Not(inner) => Some(format!("(NOT {})", self.any(inner)?)),
            Expr::And(list) => self.junction(list, "AND"),
            Expr::Or(list) => self.junction(list, "OR"),
            Expr::IsNull(inner) => self.is_null(inner),
            Expr::Compare { op, left, right } => {
                let operands = self.comparable(&[left, right])?;
                Some(format!("({} {} {})", operands.first()?, comparison(*op), operands.get(1)?))
            }
            Expr::In { expr, list } => {
                let all: Vec<&SchemaExpr> = [expr.as_ref()].into_iter().chain(list).collect();
                let operands = self.comparable(&all)?;
                let (first, rest) = operands.split_first()?;
                Some(format!("({first} IN ({}))", rest.join(", ")))
            }
            Expr::Negate(_) | Expr::Arithmetic { .. } => self.arithmetic(expr),
            Expr::Length(inner) => Some(format!("length({})", self.any(inner)?)),
            Expr::Coalesce(list) => match list.as_slice() {
                [one] => self.any(one),
                list => {
                    let all: Vec<&SchemaExpr> = list.iter().collect();
                    Some(format!("coalesce({})", self.comparable(&all)?.join(", ")))
                }
            },
        }
    }

    fn junction(&mut self, list: &[SchemaExpr], operator: &str) -> Option<String> {
        let parts = list.iter().map(|expr| self.any(expr)).collect::<Option<Vec<_>>>()?;
        Some(junction(&parts, operator))
    }

    fn column(&self, column: SlotColumn) -> Option<String> {
        let (_, prefix) = self.scope.rows.get(usize::from(column.slot))?;
        Some(format!("{prefix}{}", ident(self.column_of(column)?.name.as_str())))
    }

    fn column_of(&self, column: SlotColumn) -> Option<&treaty_schema::Column> {
        self.scope.rows.get(usize::from(column.slot))?.0.columns.get(usize::from(column.column))
    }

    /// NULL is NULL in any spelling.
    fn is_null(&mut self, inner: &SchemaExpr) -> Option<String> {
        let inner = match inner {
            Expr::Column(column) => self.column(*column)?,
            other => self.any(other)?,
        };
        Some(format!("({inner} IS NULL)"))
    }

    /// Writes operands that are compared with each other, or one of which is chosen.
    fn comparable(&mut self, operands: &[&SchemaExpr]) -> Option<Vec<String>> {
        let kinds = operands.iter().map(|expr| self.kind(expr)).collect::<Option<Vec<_>>>()?;
        if kinds.contains(&Kind::Json) {
            return None;
        }
        if kinds.contains(&Kind::Temporal) {
            for expr in operands {
                expr.visit_columns(&mut |column| {
                    self.guards.insert(column);
                });
            }
        }
        let has_double = kinds.contains(&Kind::Double);
        let wide = |expr: &&SchemaExpr| self.is_wide(expr);
        if has_double && operands.iter().any(wide) {
            return None;
        }
        if kinds.iter().any(|kind| matches!(kind, Kind::Decimal(_))) {
            return operands.iter().map(|expr| self.number(expr)).collect();
        }
        operands.iter().map(|expr| self.any(expr)).collect()
    }

    /// Whether an expression may hold whole numbers that a binary double does not.
    fn is_wide(&self, expr: &SchemaExpr) -> bool {
        let mut wide = false;
        expr.visit_columns(&mut |column| {
            wide |= self.column_of(column).is_some_and(|column| column.logical_type == LogicalType::BigInt);
        });
        wide
    }

    /// Writes a number so that decimals compare as numbers: as binary doubles, which keep 15 digits apart.
    fn number(&mut self, expr: &SchemaExpr) -> Option<String> {
        match (expr, self.kind(expr)?) {
            (_, Kind::Decimal(None)) => None,
            (_, Kind::Decimal(Some(digits))) if digits > EXACT_DIGITS => None,
            (Expr::Column(column), Kind::Decimal(_)) => Some(format!("CAST({} AS REAL)", self.column(*column)?)),
            (Expr::Literal(Some(Value::Numeric(decimal))), _) => Some(real(decimal.to_f64())),
            (Expr::Negate(inner), Kind::Decimal(_)) => Some(format!("(- {})", self.number(inner)?)),
            (_, Kind::Whole | Kind::Double | Kind::Open) => self.any(expr),
            (Expr::Coalesce(_), Kind::Decimal(_)) => self.any(expr),
            _ => None,
        }
    }

    /// Whole numbers only: sums of decimals and of binary numbers are the engine's.
    ///
    /// A sum beyond 64 bits is a real number here and an error there: SQLite may accept what the engine refuses.
    fn arithmetic(&mut self, expr: &SchemaExpr) -> Option<String> {
        match (expr, self.kind(expr)?) {
            (Expr::Negate(_), Kind::Decimal(_)) => self.number(expr),
            (Expr::Negate(inner), Kind::Whole | Kind::Double) => Some(format!("(- {})", self.any(inner)?)),
            (Expr::Arithmetic { op, left, right }, Kind::Whole) => {
                let op = match op {
                    Arithmetic::Add => "+",
                    Arithmetic::Subtract => "-",
                    Arithmetic::Multiply => "*",
                };
                Some(format!("({} {op} {})", self.any(left)?, self.any(right)?))
            }
            _ => None,
        }
    }

    /// The kind of an expression; nothing where the engine alone can tell.
    fn kind(&self, expr: &SchemaExpr) -> Option<Kind> {
        match expr {
            Expr::Literal(None) => Some(Kind::Open),
            Expr::Literal(Some(value)) => Some(Kind::of_value(value)),
            Expr::Column(column) => Some(Kind::of_type(self.column_of(*column)?.logical_type)),
            Expr::Length(_) => Some(Kind::Whole),
            Expr::Negate(inner) => self.kind(inner),
            Expr::Arithmetic { left, right, .. } => match (self.kind(left)?, self.kind(right)?) {
                (Kind::Whole, Kind::Whole) => Some(Kind::Whole),
                (Kind::Whole | Kind::Double | Kind::Decimal(_), Kind::Whole | Kind::Double | Kind::Decimal(_)) => {
                    Some(Kind::Decimal(None))
                }
                _ => None,
            },
            Expr::Coalesce(list) => {
                let kinds = list.iter().map(|expr| self.kind(expr)).collect::<Option<Vec<_>>>()?;
                let decimals = kinds.iter().filter(|kind| matches!(kind, Kind::Decimal(_)));
                let widest = decimals.max_by_key(|kind| match kind {
                    Kind::Decimal(digits) => digits.unwrap_or(u8::MAX),
                    _ => 0,
                });
                widest.or_else(|| kinds.iter().find(|kind| **kind != Kind::Open)).copied().or(Some(Kind::Open))
            }
            Expr::Author
            | Expr::Not(_)
            | Expr::And(_)
            | Expr::Or(_)
            | Expr::Compare { .. }
            | Expr::In { .. }
            | Expr::IsNull(_) => Some(Kind::Plain),
        }
    }
}
