//! What the early warnings of both databases share.

use treaty_schema::{Command, Condition, Expr, Policy, SchemaCondition, SchemaExpr, Table, Value};

/// Whether a policy is `(true)`.
pub(super) fn is_open(condition: &SchemaCondition) -> bool {
    matches!(condition, Condition::Scalar(Expr::Literal(Some(Value::Boolean(true)))))
}

/// Whether an UPDATE can change nothing: the trigger on fixed columns says so by the column's name.
pub(super) fn is_fixed(table: &Table, command: Command) -> bool {
    command == Command::Update && !table.columns.iter().any(|column| column.updatable)
}

/// What an application reads when an early warning fails its statement.
pub(super) fn message(table: &Table, command: Command, policies: &[&Policy]) -> String {
    let word = match command {
        Command::Insert => "INSERT",
        Command::Update => "UPDATE",
        Command::Delete => "DELETE",
        Command::Select => "SELECT",
    };
    let names: Vec<&str> = policies.iter().map(|policy| policy.name.as_str()).collect();
    match names.as_slice() {
        [] => format!("{}: no policy permits any {word}", table.name),
        [one] => format!("{}: policy {one} refuses this {word}", table.name),
        many => format!("{}: policies {} refuse this {word}", table.name, many.join(", ")),
    }
}

/// Whether `author()` occurs in an expression.
pub(super) fn reads_author(expr: &SchemaExpr) -> bool {
    match expr {
        Expr::Author => true,
        Expr::Literal(_) | Expr::Column(_) => false,
        Expr::Not(inner) | Expr::IsNull(inner) | Expr::Negate(inner) | Expr::Length(inner) => reads_author(inner),
        Expr::And(list) | Expr::Or(list) | Expr::Coalesce(list) => list.iter().any(reads_author),
        Expr::Compare { left, right, .. } | Expr::Arithmetic { left, right, .. } => {
            reads_author(left) || reads_author(right)
        }
        Expr::In { expr, list } => reads_author(expr) || list.iter().any(reads_author),
    }
}

/// Whether `author()` occurs in a condition.
pub(super) fn condition_reads_author(condition: &SchemaCondition) -> bool {
    match condition {
        Condition::And(list) | Condition::Or(list) => list.iter().any(condition_reads_author),
        Condition::Exists(exists) => reads_author(&exists.filter),
        Condition::Scalar(expr) => reads_author(expr),
    }
}
