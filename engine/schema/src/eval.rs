//! Evaluation of resolved expressions: three-valued, exact, without panics, the same everywhere.
//!
//! NULL is `None`. AND, OR and coalesce evaluate from left to right and stop at the first operand that decides. An operation
//! that cannot be done exactly (overflow) is an [`EvalError`]: for a CHECK the row is refused, for a policy the condition is
//! not true.

use std::borrow::Cow;
use std::cmp::Ordering;

use crate::{
    Arithmetic, Comparison, Decimal, Double, EXPR_DEPTH_MAX, Expr, Identity, LogicalType, SchemaExpr, SlotColumn, Value,
};

/// Why an expression has no value, not even NULL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EvalError {
    /// The result is beyond what its type holds.
    #[error("the result of {operation} is out of range for {type_name}")]
    OutOfRange {
        /// The operation.
        operation: &'static str,
        /// The type of its result.
        type_name: &'static str,
    },
    /// The rows, or the author, are not those that the expression was resolved for.
    #[error("the expression does not fit the rows it was given")]
    Mismatch,
    /// The expression was made otherwise than by resolving, and is too deep.
    #[error("the expression is nested deeper than {EXPR_DEPTH_MAX}")]
    TooDeep,
}

/// What an expression is evaluated over.
#[derive(Debug, Clone, Copy)]
pub struct Env<'a> {
    /// By slot: the row at hand, then the rows of the enclosing EXISTS; each with all columns of its table.
    pub rows: &'a [&'a [Option<Value>]],
    /// Who `author()` is; nothing in a CHECK, where it does not stand.
    pub author: Option<&'a Identity>,
}

/// A value during evaluation: borrowed from a row or the expression where it can be. `None` is NULL.
type Cell<'a> = Option<Cow<'a, Value>>;

/// Evaluates an expression.
///
/// # Errors
/// [`EvalError`]. Never panics, whatever it is handed.
pub fn eval(expr: &SchemaExpr, env: Env<'_>) -> Result<Option<Value>, EvalError> {
    Ok(eval_cell(expr, env, EXPR_DEPTH_MAX)?.map(Cow::into_owned))
}

/// Whether a condition is true, as a policy asks: false, NULL and an error are all "no".
pub fn is_true(expr: &SchemaExpr, env: Env<'_>) -> bool {
    matches!(eval_cell(expr, env, EXPR_DEPTH_MAX).as_ref().map(Option::as_deref), Ok(Some(Value::Boolean(true))))
}

/// Whether a condition holds, as a CHECK asks: only false is "no".
///
/// # Errors
/// [`EvalError`]: the row is refused then, too.
pub fn is_not_false(expr: &SchemaExpr, env: Env<'_>) -> Result<bool, EvalError> {
    Ok(truth(&eval_cell(expr, env, EXPR_DEPTH_MAX)?)? != Some(false))
}

fn eval_cell<'a>(expr: &'a SchemaExpr, env: Env<'a>, depth: usize) -> Result<Cell<'a>, EvalError> {
    let below = depth.checked_sub(1).ok_or(EvalError::TooDeep)?;
    match expr {
        Expr::Literal(value) => Ok(value.as_ref().map(Cow::Borrowed)),
        Expr::Column(column) => env.cell(*column),
        Expr::Author => match env.author {
            Some(author) => Ok(Some(Cow::Owned(Value::Identity(*author)))),
            None => Err(EvalError::Mismatch),
        },
        Expr::Not(inner) => Ok(boolean(truth(&eval_cell(inner, env, below)?)?.map(|truth| !truth))),
        Expr::And(items) => eval_junction(items, env, below, false),
        Expr::Or(items) => eval_junction(items, env, below, true),
        Expr::IsNull(inner) => Ok(boolean(Some(eval_cell(inner, env, below)?.is_none()))),
        Expr::Compare { op, left, right } => {
            let (left, right) = (eval_cell(left, env, below)?, eval_cell(right, env, below)?);
            let (Some(left), Some(right)) = (left, right) else { return Ok(None) };
            Ok(boolean(Some(op.holds(compare(&left, &right)?))))
        }
        Expr::In { expr, list } => eval_in(expr, list, env, below),
        Expr::Negate(inner) => {
            let Some(value) = eval_cell(inner, env, below)? else { return Ok(None) };
            negate(&value).map(|value| Some(Cow::Owned(value)))
        }
        Expr::Arithmetic { op, left, right } => {
            let (left, right) = (eval_cell(left, env, below)?, eval_cell(right, env, below)?);
            let (Some(left), Some(right)) = (left, right) else { return Ok(None) };
            calculate(*op, &left, &right).map(|value| Some(Cow::Owned(value)))
        }
        Expr::Length(inner) => {
            let Some(value) = eval_cell(inner, env, below)? else { return Ok(None) };
            let length = match &*value {
                Value::Text(text) => text.as_str().chars().count(),
                Value::Bytes(bytes) => bytes.as_slice().len(),
                _ => return Err(EvalError::Mismatch),
            };
            let length = i32::try_from(length).map_err(|_| out_of_range("length()", "INTEGER"))?;
            Ok(Some(Cow::Owned(Value::Integer(length))))
        }
        Expr::Coalesce(items) => {
            for item in items {
                if let Some(value) = eval_cell(item, env, below)? {
                    return Ok(Some(value));
                }
            }
            Ok(None)
        }
    }
}

impl<'a> Env<'a> {
    fn cell(self, column: SlotColumn) -> Result<Cell<'a>, EvalError> {
        let row = self.rows.get(usize::from(column.slot)).ok_or(EvalError::Mismatch)?;
        let cell = row.get(usize::from(column.column)).ok_or(EvalError::Mismatch)?;
        Ok(cell.as_ref().map(Cow::Borrowed))
    }
}

fn boolean<'a>(truth: Option<bool>) -> Cell<'a> {
    truth.map(|truth| Cow::Owned(Value::Boolean(truth)))
}

fn truth(cell: &Cell<'_>) -> Result<Option<bool>, EvalError> {
    match cell.as_deref() {
        None => Ok(None),
        Some(Value::Boolean(truth)) => Ok(Some(*truth)),
        Some(_) => Err(EvalError::Mismatch),
    }
}

/// AND is decided by a false operand, OR by a true one; an undecided one with a NULL is NULL.
fn eval_junction<'a>(
    items: &'a [SchemaExpr],
    env: Env<'a>,
    depth: usize,
    decided_by: bool,
) -> Result<Cell<'a>, EvalError> {
    let mut result = Some(!decided_by);
    for item in items {
        match truth(&eval_cell(item, env, depth)?)? {
            Some(truth) if truth == decided_by => return Ok(boolean(Some(decided_by))),
            Some(_) => {}
            None => result = None,
        }
    }
    Ok(boolean(result))
}

fn eval_in<'a>(
    expr: &'a SchemaExpr,
    list: &'a [SchemaExpr],
    env: Env<'a>,
    depth: usize,
) -> Result<Cell<'a>, EvalError> {
    let Some(value) = eval_cell(expr, env, depth)? else { return Ok(None) };
    let mut result = Some(false);
    for item in list {
        match eval_cell(item, env, depth)? {
            Some(candidate) if compare(&value, &candidate)? == Ordering::Equal => return Ok(boolean(Some(true))),
            Some(_) => {}
            None => result = None,
        }
    }
    Ok(boolean(result))
}

impl Comparison {
    fn holds(self, ordering: Ordering) -> bool {
        match self {
            Comparison::Equal => ordering.is_eq(),
            Comparison::NotEqual => ordering.is_ne(),
            Comparison::Less => ordering.is_lt(),
            Comparison::LessOrEqual => ordering.is_le(),
            Comparison::Greater => ordering.is_gt(),
            Comparison::GreaterOrEqual => ordering.is_ge(),
        }
    }
}

/// Two numbers, promoted to the later of INTEGER, BIGINT, NUMERIC and DOUBLE PRECISION.
enum Promoted {
    Integer(i32, i32),
    BigInt(i64, i64),
    Numeric(Decimal, Decimal),
    Double(f64, f64),
}

fn promote(left: &Value, right: &Value) -> Option<Promoted> {
    let promoted = match (left, right) {
        (Value::Integer(left), Value::Integer(right)) => Promoted::Integer(*left, *right),
        (Value::Double(_), _) | (_, Value::Double(_)) => Promoted::Double(to_f64(left)?, to_f64(right)?),
        (Value::Numeric(_), _) | (_, Value::Numeric(_)) => Promoted::Numeric(to_decimal(left)?, to_decimal(right)?),
        _ => Promoted::BigInt(to_i64(left)?, to_i64(right)?),
    };
    Some(promoted)
}

fn to_i64(value: &Value) -> Option<i64> {
    match value {
        Value::Integer(integer) => Some(i64::from(*integer)),
        Value::BigInt(integer) => Some(*integer),
        _ => None,
    }
}

fn to_decimal(value: &Value) -> Option<Decimal> {
    match value {
        Value::Numeric(decimal) => Some(*decimal),
        other => to_i64(other).map(Decimal::from_integer),
    }
}

fn to_f64(value: &Value) -> Option<f64> {
    match value {
        Value::Double(double) => Some(double.as_f64()),
        other => to_decimal(other).map(Decimal::to_f64),
    }
}

/// Compares two values of one type, or two numbers of any.
fn compare(left: &Value, right: &Value) -> Result<Ordering, EvalError> {
    let ordering = match promote(left, right) {
        Some(Promoted::Integer(left, right)) => left.cmp(&right),
        Some(Promoted::BigInt(left, right)) => left.cmp(&right),
        Some(Promoted::Numeric(left, right)) => left.compare(right),
        Some(Promoted::Double(left, right)) => left.partial_cmp(&right).ok_or(EvalError::Mismatch)?,
        None if std::mem::discriminant(left) == std::mem::discriminant(right) => left.cmp(right),
        None => return Err(EvalError::Mismatch),
    };
    Ok(ordering)
}

fn out_of_range(operation: &'static str, type_name: &'static str) -> EvalError {
    EvalError::OutOfRange { operation, type_name }
}

fn negate(value: &Value) -> Result<Value, EvalError> {
    match value {
        Value::Integer(integer) => integer.checked_neg().map(Value::Integer).ok_or(out_of_range("-", "INTEGER")),
        Value::BigInt(integer) => integer.checked_neg().map(Value::BigInt).ok_or(out_of_range("-", "BIGINT")),
        Value::Numeric(decimal) => Ok(Value::Numeric(decimal.negate())),
        Value::Double(double) => to_double("-", -double.as_f64()),
        _ => Err(EvalError::Mismatch),
    }
}

fn calculate(op: Arithmetic, left: &Value, right: &Value) -> Result<Value, EvalError> {
    let operation = match op {
        Arithmetic::Add => "+",
        Arithmetic::Subtract => "-",
        Arithmetic::Multiply => "*",
    };
    match promote(left, right).ok_or(EvalError::Mismatch)? {
        Promoted::Integer(left, right) => {
            let result = match op {
                Arithmetic::Add => left.checked_add(right),
                Arithmetic::Subtract => left.checked_sub(right),
                Arithmetic::Multiply => left.checked_mul(right),
            };
            result.map(Value::Integer).ok_or(out_of_range(operation, "INTEGER"))
        }
        Promoted::BigInt(left, right) => {
            let result = match op {
                Arithmetic::Add => left.checked_add(right),
                Arithmetic::Subtract => left.checked_sub(right),
                Arithmetic::Multiply => left.checked_mul(right),
            };
            result.map(Value::BigInt).ok_or(out_of_range(operation, "BIGINT"))
        }
        Promoted::Numeric(left, right) => {
            let result = match op {
                Arithmetic::Add => left.checked_add(right),
                Arithmetic::Subtract => left.checked_sub(right),
                Arithmetic::Multiply => left.checked_mul(right),
            };
            result.map(Value::Numeric).ok_or(out_of_range(operation, "NUMERIC"))
        }
        Promoted::Double(left, right) => calculate_double(op, operation, left, right),
    }
}

/// As PostgreSQL: a finite sum or product that overflows, and a product that vanishes, are errors, not infinity and zero.
fn calculate_double(op: Arithmetic, operation: &'static str, left: f64, right: f64) -> Result<Value, EvalError> {
    let result = match op {
        Arithmetic::Add => left + right,
        Arithmetic::Subtract => left - right,
        Arithmetic::Multiply => left * right,
    };
    let overflows = result.is_infinite() && left.is_finite() && right.is_finite();
    let vanishes = op == Arithmetic::Multiply && result == 0.0 && left != 0.0 && right != 0.0;
    if overflows || vanishes {
        return Err(out_of_range(operation, "DOUBLE PRECISION"));
    }
    to_double(operation, result)
}

fn to_double(operation: &'static str, number: f64) -> Result<Value, EvalError> {
    Double::new(number).map(Value::Double).ok_or(out_of_range(operation, "DOUBLE PRECISION"))
}

/// What a column must hold to equal a value.
pub(crate) enum ColumnKey {
    /// Exactly this.
    Value(Value),
    /// No value of the column's type equals it.
    Nothing,
    /// Several may: rows cannot be found by it.
    Several,
}

/// Finds what a column of a type must hold for `=` to be true.
pub(crate) fn column_key(logical_type: LogicalType, value: Value) -> ColumnKey {
    let integer = |value: &Value| match value {
        Value::Double(double) => Decimal::parse(&double.as_f64().to_string()).and_then(Decimal::to_integer),
        other => to_decimal(other).and_then(Decimal::to_integer),
    };
    let found = match (logical_type, &value) {
        // Several exact numbers are nearest to one binary number; an INTEGER is always exact in binary.
        (LogicalType::BigInt | LogicalType::Numeric { .. }, Value::Double(_)) => return ColumnKey::Several,
        (LogicalType::Double, other) => to_f64(other).and_then(Double::new).map(Value::Double),
        (LogicalType::Integer, other) => {
            integer(other).and_then(|integer| i32::try_from(integer).ok()).map(Value::Integer)
        }
        (LogicalType::BigInt, other) => integer(other).map(Value::BigInt),
        (LogicalType::Numeric { scale, .. }, other) => {
            to_decimal(other).and_then(|decimal| decimal.rescale(scale)).map(Value::Numeric)
        }
        _ => Some(value),
    };
    match found.filter(|found| logical_type.admits(found).is_ok()) {
        Some(found) => ColumnKey::Value(found),
        None => ColumnKey::Nothing,
    }
}
