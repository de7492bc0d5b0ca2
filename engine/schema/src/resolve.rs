//! From expressions as written to expressions over slots: names found, types checked, literals coerced.
//!
//! Types as PostgreSQL finds them: a quoted literal takes the type of what it meets, a number literal is the smallest of
//! INTEGER, BIGINT and NUMERIC that holds it, and numbers of two kinds meet in the later of INTEGER, BIGINT, NUMERIC and
//! DOUBLE PRECISION. Nothing else converts by itself. All mistakes of an expression are collected.

use crate::class::Class;
use crate::{
    Arithmetic, Decimal, EXPR_DEPTH_MAX, EXPR_NODES_MAX, Expr, Literal, NamedColumn, NamedExpr, SchemaExpr, SlotColumn,
    Table, Value,
};

/// A mistake in an expression.
#[derive(Debug)]
pub(crate) struct Mistake {
    pub(crate) message: String,
    pub(crate) help: Option<String>,
}

/// A row that an expression may name columns of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ScopeRow<'a> {
    /// What stands before a dot: the alias, else the table's name.
    pub(crate) qualifier: &'a str,
    /// Nothing for the row at hand of a system relation, which has no columns.
    pub(crate) table: Option<&'a Table>,
}

/// Resolves expressions in one scope.
pub(crate) struct Resolver<'a> {
    /// By slot: the row at hand, then the tables of the enclosing EXISTS. Inner names hide outer ones, as in SQL.
    rows: Vec<ScopeRow<'a>>,
    /// Why `author()` may not stand here, if it may not.
    author_refusal: Option<&'static str>,
    mistakes: Vec<Mistake>,
}

impl<'a> Resolver<'a> {
    /// For a CHECK over the row at hand.
    pub(crate) fn of_check(row: ScopeRow<'a>) -> Resolver<'a> {
        let refusal = "author() cannot stand in a CHECK: a CHECK is about the row alone";
        Resolver { rows: vec![row], author_refusal: Some(refusal), mistakes: Vec::new() }
    }

    /// For a policy; `rows` starts with the row at hand, or an empty one.
    pub(crate) fn of_policy(rows: Vec<ScopeRow<'a>>) -> Resolver<'a> {
        Resolver { rows, author_refusal: None, mistakes: Vec::new() }
    }

    /// Resolves an expression that must be a condition.
    ///
    /// # Errors
    /// All mistakes found, at least one.
    pub(crate) fn condition(mut self, expr: &NamedExpr) -> Result<SchemaExpr, Vec<Mistake>> {
        let mut nodes_left = EXPR_NODES_MAX;
        if !is_small(expr, EXPR_DEPTH_MAX, &mut nodes_left) {
            let message = format!(
                "the expression is nested deeper than {EXPR_DEPTH_MAX} or has more than {EXPR_NODES_MAX} terms"
            );
            self.report(message, Some("split it, or enumerate less".to_owned()));
            return Err(self.mistakes);
        }
        match self.boolean(expr) {
            Some(resolved) if self.mistakes.is_empty() => Ok(resolved),
            _ => Err(self.mistakes),
        }
    }

    fn report(&mut self, message: String, help: Option<String>) {
        self.mistakes.push(Mistake { message, help });
    }

    fn boolean(&mut self, expr: &NamedExpr) -> Option<SchemaExpr> {
        match self.class_of(expr) {
            None | Some(Class::Boolean) => self.resolve(expr, Some(Class::Boolean)),
            Some(class) => {
                self.resolve(expr, None);
                self.report(format!("a condition is expected here, not a value of type {class}"), None);
                None
            }
        }
    }

    fn booleans(&mut self, exprs: &[NamedExpr]) -> Option<Vec<SchemaExpr>> {
        if exprs.is_empty() {
            self.report("AND and OR need at least one condition".to_owned(), None);
        }
        // Collected first, so that a mistake in one does not hide those of the next.
        let resolved: Vec<_> = exprs.iter().map(|expr| self.boolean(expr)).collect();
        resolved.into_iter().collect()
    }

    /// The class of an expression; nothing for NULL, a quoted literal, or where a mistake leaves it open.
    fn class_of(&self, expr: &NamedExpr) -> Option<Class> {
        match expr {
            Expr::Literal(Literal::Null | Literal::Text(_)) => None,
            Expr::Literal(Literal::Boolean(_)) => Some(Class::Boolean),
            Expr::Literal(Literal::Number(text)) => number_literal(text, None).map(|(class, _)| class),
            Expr::Column(column) => self.find(column).ok().map(|(_, class)| class),
            Expr::Author => Some(Class::Identity),
            Expr::Not(_) | Expr::And(_) | Expr::Or(_) | Expr::Compare { .. } | Expr::In { .. } | Expr::IsNull(_) => {
                Some(Class::Boolean)
            }
            Expr::Negate(inner) => self.class_of(inner),
            Expr::Arithmetic { left, right, .. } => self.common_class([&**left, &**right]),
            Expr::Length(_) => Some(Class::Integer),
            // Of nothing but NULLs and quoted literals it is text, as in PostgreSQL.
            Expr::Coalesce(items) if !items.is_empty() && items.iter().all(is_open) => Some(Class::Text),
            Expr::Coalesce(items) => self.common_class(items),
        }
    }

    /// The class in which expressions meet; nothing if that is open, or if they do not meet.
    fn common_class<'e>(&self, exprs: impl IntoIterator<Item = &'e NamedExpr>) -> Option<Class> {
        let mut known = exprs.into_iter().filter_map(|expr| self.class_of(expr));
        let first = known.next()?;
        known.try_fold(first, Class::common)
    }

    /// As [`Resolver::common_class`], and reports where two known classes do not meet.
    fn meeting_class(&mut self, exprs: &[&NamedExpr]) -> Option<Class> {
        let known: Vec<Class> = exprs.iter().filter_map(|expr| self.class_of(expr)).collect();
        let mut common = *known.first()?;
        for class in known {
            let Some(wider) = common.common(class) else {
                let is_text_and_number = common.min(class).is_number() && common.max(class) == Class::Text;
                let help =
                    is_text_and_number.then(|| "write a number that is meant as text in single quotes: '5'".to_owned());
                self.report(format!("{common} and {class} cannot be compared or combined"), help);
                return None;
            };
            common = wider;
        }
        Some(common)
    }

    fn resolve(&mut self, expr: &NamedExpr, expected: Option<Class>) -> Option<SchemaExpr> {
        let resolved = match expr {
            Expr::Literal(literal) => Expr::Literal(self.literal(literal, expected)?),
            Expr::Column(column) => match self.find(column) {
                Ok((found, _)) => Expr::Column(found),
                Err(mistake) => {
                    self.mistakes.push(mistake);
                    return None;
                }
            },
            Expr::Author => {
                if let Some(refusal) = self.author_refusal {
                    self.report(refusal.to_owned(), Some("a policy may use author()".to_owned()));
                }
                Expr::Author
            }
            Expr::Not(inner) => Expr::Not(Box::new(self.boolean(inner)?)),
            Expr::And(items) => Expr::And(self.booleans(items)?),
            Expr::Or(items) => Expr::Or(self.booleans(items)?),
            Expr::IsNull(inner) => Expr::IsNull(Box::new(self.resolve(inner, None)?)),
            Expr::Compare { .. } | Expr::In { .. } => self.comparison(expr)?,
            Expr::Negate(_) | Expr::Arithmetic { .. } => self.arithmetic(expr)?,
            Expr::Length(inner) => self.length(inner)?,
            Expr::Coalesce(items) => self.coalesce(items)?,
        };
        Some(resolved)
    }

    fn coalesce(&mut self, items: &[NamedExpr]) -> Option<SchemaExpr> {
        if items.is_empty() {
            self.report("coalesce needs at least one argument".to_owned(), None);
        }
        let class = self.meeting_class(&items.iter().collect::<Vec<_>>());
        let resolved = self.all_as(items, class)?;
        let own: Vec<Option<Class>> = items.iter().map(|item| self.class_of(item)).collect();
        let promoted = resolved.into_iter().zip(own).map(|(item, own)| match class.and_then(Class::zero) {
            // The result has one type whichever operand it comes from: adding a zero of that type promotes the others.
            Some(zero) if own != class && !matches!(item, Expr::Literal(_)) => {
                let right = Box::new(Expr::Literal(Some(zero)));
                Expr::Arithmetic { op: Arithmetic::Add, left: Box::new(item), right }
            }
            _ => item,
        });
        Some(Expr::Coalesce(promoted.collect()))
    }

    fn all_as<'e>(
        &mut self,
        exprs: impl IntoIterator<Item = &'e NamedExpr>,
        class: Option<Class>,
    ) -> Option<Vec<SchemaExpr>> {
        let resolved: Vec<_> = exprs.into_iter().map(|expr| self.resolve(expr, class)).collect();
        resolved.into_iter().collect()
    }

    fn pair_as(&mut self, left: &NamedExpr, right: &NamedExpr, class: Option<Class>) -> Option<[Box<SchemaExpr>; 2]> {
        let (left, right) = (self.resolve(left, class), self.resolve(right, class));
        Some([Box::new(left?), Box::new(right?)])
    }

    fn comparison(&mut self, expr: &NamedExpr) -> Option<SchemaExpr> {
        match expr {
            Expr::Compare { op, left, right } => {
                let class = self.meeting_class(&[left, right]);
                if !op.is_equality() && class.is_some_and(|class| !class.is_ordered()) {
                    let name = class.map_or(String::new(), |class| class.to_string());
                    self.report(format!("values of type {name} have no order: only = and <> compare them"), None);
                }
                let [left, right] = self.pair_as(left, right, class)?;
                Some(Expr::Compare { op: *op, left, right })
            }
            Expr::In { expr: inner, list } => {
                if list.is_empty() {
                    self.report("IN needs at least one value".to_owned(), None);
                }
                let all: Vec<&NamedExpr> = [&**inner].into_iter().chain(list).collect();
                let class = self.meeting_class(&all);
                let inner = self.resolve(inner, class);
                let list = self.all_as(list, class);
                Some(Expr::In { expr: Box::new(inner?), list: list? })
            }
            _ => None,
        }
    }

    fn arithmetic(&mut self, expr: &NamedExpr) -> Option<SchemaExpr> {
        let operands: Vec<&NamedExpr> = match expr {
            Expr::Negate(inner) => vec![inner],
            Expr::Arithmetic { left, right, .. } => vec![left, right],
            _ => Vec::new(),
        };
        let class = self.meeting_class(&operands);
        if let Some(class) = class.filter(|class| !class.is_number()) {
            self.report(format!("+, - and * take numbers, not {class}"), None);
        }
        if operands.iter().all(|operand| is_open(operand)) {
            self.report("+, - and * take numbers, not NULL and quoted literals alone".to_owned(), None);
        }
        match expr {
            Expr::Negate(inner) => Some(Expr::Negate(Box::new(self.resolve(inner, class)?))),
            Expr::Arithmetic { op, left, right } => {
                let [left, right] = self.pair_as(left, right, class)?;
                Some(Expr::Arithmetic { op: *op, left, right })
            }
            _ => None,
        }
    }

    fn length(&mut self, inner: &NamedExpr) -> Option<SchemaExpr> {
        let class = self.class_of(inner);
        if let Some(class) = class.filter(|class| !matches!(class, Class::Text | Class::Bytes)) {
            self.report(format!("length() takes TEXT, VARCHAR or BYTEA, not {class}"), None);
        }
        Some(Expr::Length(Box::new(self.resolve(inner, class.or(Some(Class::Text)))?)))
    }

    fn literal(&mut self, literal: &Literal, expected: Option<Class>) -> Option<Option<Value>> {
        match literal {
            Literal::Null => Some(None),
            Literal::Boolean(boolean) => Some(Some(Value::Boolean(*boolean))),
            Literal::Number(text) => match number_literal(text, expected) {
                Some((_, value)) => Some(Some(value)),
                None => {
                    let help = "write at most 38 digits, or quote a DOUBLE PRECISION, as in '1e300'".to_owned();
                    self.report(format!("{text} is no exact number"), Some(help));
                    None
                }
            },
            Literal::Text(text) => match expected.unwrap_or(Class::Text).parse(text) {
                Ok(value) => Some(Some(value)),
                Err(cause) => {
                    self.report(cause.to_string(), None);
                    None
                }
            },
        }
    }

    /// Finds the column that a name means here, and its class.
    fn find(&self, named: &NamedColumn) -> Result<(SlotColumn, Class), Mistake> {
        let (outer, inner) = self.rows.split_first().map_or((None, &[][..]), |(first, rest)| (Some(first), rest));
        let inner = inner.iter().zip(1_u8..).map(|(row, slot)| (slot, row));
        let found = find_among(inner, named)?;
        if let Some(found) = found {
            return Ok(found);
        }
        let found = find_among(outer.map(|row| (0, row)), named)?;
        found.ok_or_else(|| self.unknown(named))
    }

    fn unknown(&self, named: &NamedColumn) -> Mistake {
        let column = &named.column;
        let Some(qualifier) = &named.qualifier else {
            let known: Vec<String> = self.rows.iter().filter_map(column_list).collect();
            let help = (!known.is_empty()).then(|| format!("known here: {}", known.join("; ")));
            return Mistake { message: format!("there is no column {column} here"), help };
        };
        match self.rows.iter().find(|row| row.qualifier == qualifier.as_str()) {
            Some(row) => Mistake {
                message: format!("there is no column {column} in {qualifier}"),
                help: column_list(row).map(|list| format!("known here: {list}")),
            },
            None => Mistake { message: format!("there is no table or alias {qualifier} here"), help: None },
        }
    }
}

/// Most columns that a message lists.
const LISTED_MAX: usize = 12;

fn column_list(row: &ScopeRow<'_>) -> Option<String> {
    let columns = &row.table?.columns;
    let names: Vec<&str> = columns.iter().take(LISTED_MAX).map(|column| column.name.as_str()).collect();
    let more = if columns.len() > LISTED_MAX { ", ..." } else { "" };
    Some(format!("{} ({}{more})", row.qualifier, names.join(", ")))
}

fn find_among<'a>(
    rows: impl IntoIterator<Item = (u8, &'a ScopeRow<'a>)>,
    named: &NamedColumn,
) -> Result<Option<(SlotColumn, Class)>, Mistake> {
    let mut found: Option<(SlotColumn, Class, &str)> = None;
    for (slot, row) in rows {
        if named.qualifier.as_ref().is_some_and(|qualifier| qualifier.as_str() != row.qualifier) {
            continue;
        }
        let Some((index, described)) = row.table.and_then(|table| table.column_by_name(named.column.as_str())) else {
            continue;
        };
        if let Some((_, _, other)) = found {
            let column = &named.column;
            return Err(Mistake {
                message: format!("column {column} is ambiguous: both {other} and {} have it", row.qualifier),
                help: Some(format!("write {other}.{column} or {}.{column}", row.qualifier)),
            });
        }
        let Ok(column) = u16::try_from(index) else { continue };
        found = Some((SlotColumn { slot, column }, Class::of_type(described.logical_type), row.qualifier));
    }
    Ok(found.map(|(column, class, _)| (column, class)))
}

/// Whether an expression has no type of its own.
fn is_open(expr: &NamedExpr) -> bool {
    matches!(expr, Expr::Literal(Literal::Null | Literal::Text(_)))
}

/// The value of a number literal in the class expected, if that is a wider number, else in its own; and that class.
fn number_literal(text: &str, expected: Option<Class>) -> Option<(Class, Value)> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let decimal = Decimal::parse(text).filter(|_| is_plain)?;
    let is_whole = !text.contains('.');
    let integer = decimal.to_integer().filter(|_| is_whole);
    let own = match integer {
        Some(integer) if i32::try_from(integer).is_ok() => Class::Integer,
        Some(_) => Class::BigInt,
        None => Class::Numeric,
    };
    let class = expected.filter(|class| class.is_number()).map_or(own, |class| class.max(own));
    let value = match (class, integer) {
        (Class::Double, _) => Class::Double.parse(text).ok()?,
        (Class::Integer, Some(integer)) => Value::Integer(i32::try_from(integer).ok()?),
        (Class::BigInt, Some(integer)) => Value::BigInt(integer),
        _ => Value::Numeric(decimal),
    };
    Some((class, value))
}

/// Whether an expression nests at most `depth` levels and has at most `nodes_left` nodes. Recurses no deeper than that, so
/// it is safe on any tree.
fn is_small(expr: &NamedExpr, depth: usize, nodes_left: &mut usize) -> bool {
    let (Some(below), Some(left)) = (depth.checked_sub(1), nodes_left.checked_sub(1)) else { return false };
    *nodes_left = left;
    match expr {
        Expr::Literal(_) | Expr::Column(_) | Expr::Author => true,
        Expr::Not(inner) | Expr::IsNull(inner) | Expr::Negate(inner) | Expr::Length(inner) => {
            is_small(inner, below, nodes_left)
        }
        Expr::And(items) | Expr::Or(items) | Expr::Coalesce(items) => {
            items.iter().all(|item| is_small(item, below, nodes_left))
        }
        Expr::Compare { left, right, .. } | Expr::Arithmetic { left, right, .. } => {
            is_small(left, below, nodes_left) && is_small(right, below, nodes_left)
        }
        Expr::In { expr, list } => {
            is_small(expr, below, nodes_left) && list.iter().all(|item| is_small(item, below, nodes_left))
        }
    }
}
