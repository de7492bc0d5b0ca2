//! Expressions: `sqlparser`'s tree to ours, refusing by name whatever the language lacks.

use sqlparser::ast::{
    self, BinaryOperator, Expr as Ast, FunctionArg, FunctionArgExpr, FunctionArguments, Spanned, UnaryOperator, Value,
};
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::parser::Parser;
use sqlparser::tokenizer::Location;
use treaty_schema::{
    Arithmetic, Comparison, Condition, EXPR_DEPTH_MAX, Expr, Ident, Literal, NamedColumn, NamedCondition, NamedExpr,
};

use super::cursor::{Cursor, lower_first};
use super::exists::exists;
use super::literal::plain_number;
use crate::diagnostic::Mistake;
use crate::limits::{EXPR_NESTING_MAX, EXPR_TOKENS_MAX};

/// What expressions consist of, for messages.
const LANGUAGE: &str = "expressions know AND OR NOT, = <> < <= > >=, IN, BETWEEN, IS [NOT] NULL, + - *, length, coalesce, \
                        literals, columns, author(), and in policies EXISTS (SELECT 1 FROM t WHERE ...)";

/// Reads all of `cursor` as a scalar expression; nothing if there was a mistake.
pub(super) fn scalar(cursor: &Cursor<'_>, mistakes: &mut Vec<Mistake>) -> Option<NamedExpr> {
    let ast = parse(cursor, mistakes)?;
    Reader { start: cursor.at(), mistakes }.scalar(&ast, 1)
}

/// Reads all of `cursor` as the condition of a policy; nothing if there was a mistake.
pub(super) fn condition(cursor: &Cursor<'_>, mistakes: &mut Vec<Mistake>) -> Option<NamedCondition> {
    let mut ast = parse(cursor, mistakes)?;
    Reader { start: cursor.at(), mistakes }.condition(&mut ast, 1)
}

/// Returns the columns that `expr` names, each once, in order of first use.
pub(super) fn columns_of(expr: &NamedExpr) -> Vec<Ident> {
    let mut found = Vec::new();
    collect_columns(expr, &mut found);
    found
}

fn collect_columns(expr: &NamedExpr, found: &mut Vec<Ident>) {
    match expr {
        Expr::Literal(_) | Expr::Author => {}
        Expr::Column(column) => {
            if !found.contains(&column.column) {
                found.push(column.column.clone());
            }
        }
        Expr::Not(inner) | Expr::IsNull(inner) | Expr::Negate(inner) | Expr::Length(inner) => {
            collect_columns(inner, found);
        }
        Expr::And(list) | Expr::Or(list) | Expr::Coalesce(list) => {
            list.iter().for_each(|expr| collect_columns(expr, found));
        }
        Expr::Compare { left, right, .. } | Expr::Arithmetic { left, right, .. } => {
            collect_columns(left, found);
            collect_columns(right, found);
        }
        Expr::In { expr, list } => {
            collect_columns(expr, found);
            list.iter().for_each(|expr| collect_columns(expr, found));
        }
    }
}

/// Hands the tokens to `sqlparser`, within limits that keep its trees shallow.
fn parse(cursor: &Cursor<'_>, mistakes: &mut Vec<Mistake>) -> Option<Ast> {
    let tokens = cursor.rest();
    if tokens.is_empty() {
        mistakes.push(cursor.expected("a condition"));
        return None;
    }
    if tokens.len() > EXPR_TOKENS_MAX {
        let message = format!("the expression has {} tokens, limit {EXPR_TOKENS_MAX}", tokens.len());
        mistakes.push(Mistake::new(cursor.at(), message));
        return None;
    }
    let dialect = PostgreSqlDialect {};
    let mut parser =
        Parser::new(&dialect).with_recursion_limit(EXPR_NESTING_MAX).with_tokens_with_locations(tokens.to_vec());
    let outcome = parser.parse_expr();
    let next = parser.peek_token();
    match outcome {
        Ok(ast) if next.token == ast_end() => Some(ast),
        Ok(_) => {
            mistakes.push(
                Mistake::new(next.span.start, format!("unexpected {} after the expression", next.token)).help(LANGUAGE),
            );
            None
        }
        Err(error) => {
            mistakes.push(syntax_mistake(&error.to_string(), cursor));
            None
        }
    }
}

fn ast_end() -> sqlparser::tokenizer::Token {
    sqlparser::tokenizer::Token::EOF
}

/// Moves the place that `sqlparser` writes at the end of its messages to where places belong.
fn syntax_mistake(error: &str, cursor: &Cursor<'_>) -> Mistake {
    let text = error.strip_prefix("sql parser error: ").unwrap_or(error);
    if text.contains("recursion limit") {
        let message = format!("the expression is nested deeper than {EXPR_NESTING_MAX} levels");
        return Mistake::new(cursor.at(), message);
    }
    let (message, place) = text.rsplit_once(" at Line: ").unwrap_or((text, ""));
    let at = place.split_once(", Column: ").and_then(|(line, column)| {
        Some(Location { line: line.trim().parse().ok()?, column: column.trim().parse().ok()? })
    });
    let message = lower_first(message).replace("expected: ", "expected ").replace("found: ", "found ");
    let message = message.replace("found EOF", "the expression ends");
    Mistake::new(at.unwrap_or(cursor.end()), message).help(LANGUAGE)
}

/// Turns `sqlparser`'s trees into ours.
pub(super) struct Reader<'m> {
    /// Where the expression starts: the place of whatever has none of its own.
    pub(super) start: Location,
    /// Where mistakes go.
    pub(super) mistakes: &'m mut Vec<Mistake>,
}

impl Reader<'_> {
    /// Notes a mistake.
    pub(super) fn refuse<T>(&mut self, at: Location, message: &str, help: &str) -> Option<T> {
        self.mistakes.push(Mistake::new(at, message).help(help));
        None
    }

    /// Where `ast` starts. (`Spanned` would recurse through trees that are as deep as they are long.)
    fn at(&self, ast: &Ast) -> Location {
        let mut rest = ast;
        loop {
            rest = match rest {
                Ast::BinaryOp { left: next, .. }
                | Ast::InList { expr: next, .. }
                | Ast::Between { expr: next, .. }
                | Ast::Like { expr: next, .. }
                | Ast::ILike { expr: next, .. }
                | Ast::Cast { expr: next, .. }
                | Ast::UnaryOp { expr: next, .. }
                | Ast::Nested(next)
                | Ast::IsNull(next)
                | Ast::IsNotNull(next)
                | Ast::IsTrue(next)
                | Ast::IsFalse(next)
                | Ast::IsDistinctFrom(next, _)
                | Ast::InSubquery { expr: next, .. } => next,
                Ast::Identifier(ident) => return ident.span.start,
                Ast::CompoundIdentifier(parts) => return parts.first().map_or(self.start, |part| part.span.start),
                Ast::Value(value) => return value.span.start,
                Ast::Function(function) => return function.name.span().start,
                Ast::Case { case_token, .. } => return case_token.0.span.start,
                _ => return self.start,
            };
        }
    }

    /// Reads a policy's condition: EXISTS under AND and OR, scalars elsewhere.
    fn condition(&mut self, ast: &mut Ast, depth: usize) -> Option<NamedCondition> {
        match ast {
            Ast::Nested(inner) => self.condition(inner, depth),
            Ast::Exists { subquery, negated: false } => exists(self, subquery).map(Condition::Exists),
            Ast::BinaryOp { op: BinaryOperator::And | BinaryOperator::Or, .. } if holds_exists(ast) => {
                self.check_depth(ast, depth)?;
                let Ast::BinaryOp { op, .. } = ast else { return None };
                let op = op.clone();
                let list: Vec<_> =
                    chain_mut(ast, &op).into_iter().map(|part| self.condition(part, depth + 1)).collect();
                let list = list.into_iter().collect::<Option<Vec<_>>>()?;
                Some(if op == BinaryOperator::And { Condition::And(list) } else { Condition::Or(list) })
            }
            scalar => self.scalar(scalar, depth).map(Condition::Scalar),
        }
    }

    /// Reads a scalar expression.
    pub(super) fn scalar(&mut self, ast: &Ast, depth: usize) -> Option<NamedExpr> {
        self.check_depth(ast, depth)?;
        match ast {
            Ast::Nested(inner) => self.scalar(inner, depth),
            Ast::Value(value) => self.literal(ast, &value.value),
            Ast::Identifier(ident) => self.column(ast, None, ident),
            Ast::CompoundIdentifier(parts) => match parts.as_slice() {
                [qualifier, column] => self.column(ast, Some(qualifier), column),
                _ => self.refuse(self.at(ast), "a column is named by itself or with its table", "write table.column"),
            },
            Ast::IsNull(inner) => Some(Expr::IsNull(Box::new(self.scalar(inner, depth + 1)?))),
            Ast::IsNotNull(inner) => Some(not(Expr::IsNull(Box::new(self.scalar(inner, depth + 2)?)))),
            Ast::UnaryOp { op: UnaryOperator::Not, expr } => Some(not(self.scalar(expr, depth + 1)?)),
            Ast::UnaryOp { op: UnaryOperator::Minus, expr } => {
                Some(Expr::Negate(Box::new(self.scalar(expr, depth + 1)?)))
            }
            Ast::UnaryOp { op: UnaryOperator::Plus, expr } => self.scalar(expr, depth + 1),
            Ast::InList { expr, list, negated } => self.in_list(expr, list, *negated, depth + 2),
            Ast::Between { expr, negated, low, high } => {
                let both = Expr::And(vec![
                    self.compare(Comparison::GreaterOrEqual, expr, low, depth + 3)?,
                    self.compare(Comparison::LessOrEqual, expr, high, depth + 3)?,
                ]);
                Some(if *negated { not(both) } else { both })
            }
            Ast::BinaryOp { op, .. } => self.binary(ast, op, depth),
            Ast::Function(function) => self.function(function, depth + 1),
            Ast::Exists { negated: true, .. } => self.refuse(
                self.at(ast),
                "NOT EXISTS is not part of the language",
                "a policy may rely on rows that are there, not on rows that are missing",
            ),
            Ast::Exists { .. } => self.refuse(
                self.at(ast),
                "EXISTS stands only in policies, there only under AND and OR",
                "take it out of NOT, comparisons and CHECK",
            ),
            other => self.unknown(other),
        }
    }

    fn check_depth(&mut self, ast: &Ast, depth: usize) -> Option<()> {
        if depth <= EXPR_DEPTH_MAX {
            return Some(());
        }
        let message = format!("the expression is nested deeper than {EXPR_DEPTH_MAX} levels");
        self.refuse(self.at(ast), &message, "split it, or write it flatter")
    }

    fn in_list(&mut self, expr: &Ast, list: &[Ast], negated: bool, depth: usize) -> Option<NamedExpr> {
        let expr = self.scalar(expr, depth);
        let list: Vec<_> = list.iter().map(|item| self.scalar(item, depth)).collect();
        let list = list.into_iter().collect::<Option<Vec<_>>>()?;
        let found = Expr::In { expr: Box::new(expr?), list };
        Some(if negated { not(found) } else { found })
    }

    fn compare(&mut self, op: Comparison, left: &Ast, right: &Ast, depth: usize) -> Option<NamedExpr> {
        let (left, right) = (self.scalar(left, depth), self.scalar(right, depth));
        Some(Expr::Compare { op, left: Box::new(left?), right: Box::new(right?) })
    }

    fn binary(&mut self, ast: &Ast, op: &BinaryOperator, depth: usize) -> Option<NamedExpr> {
        let Ast::BinaryOp { left, right, .. } = ast else { return None };
        let comparison = match op {
            BinaryOperator::And | BinaryOperator::Or => {
                let list: Vec<_> = chain(ast, op).iter().map(|part| self.scalar(part, depth + 1)).collect();
                let list = list.into_iter().collect::<Option<Vec<_>>>()?;
                return Some(if *op == BinaryOperator::And { Expr::And(list) } else { Expr::Or(list) });
            }
            BinaryOperator::Plus => return self.arithmetic(Arithmetic::Add, left, right, depth + 1),
            BinaryOperator::Minus => return self.arithmetic(Arithmetic::Subtract, left, right, depth + 1),
            BinaryOperator::Multiply => return self.arithmetic(Arithmetic::Multiply, left, right, depth + 1),
            BinaryOperator::Eq => Comparison::Equal,
            BinaryOperator::NotEq => Comparison::NotEqual,
            BinaryOperator::Lt => Comparison::Less,
            BinaryOperator::LtEq => Comparison::LessOrEqual,
            BinaryOperator::Gt => Comparison::Greater,
            BinaryOperator::GtEq => Comparison::GreaterOrEqual,
            other => {
                return self.refuse(
                    self.at(ast),
                    &format!("the operator {other} is not part of the language"),
                    LANGUAGE,
                );
            }
        };
        self.compare(comparison, left, right, depth + 1)
    }

    fn arithmetic(&mut self, op: Arithmetic, left: &Ast, right: &Ast, depth: usize) -> Option<NamedExpr> {
        let (left, right) = (self.scalar(left, depth), self.scalar(right, depth));
        Some(Expr::Arithmetic { op, left: Box::new(left?), right: Box::new(right?) })
    }

    fn literal(&mut self, ast: &Ast, value: &Value) -> Option<NamedExpr> {
        let literal = match value {
            Value::Null => Literal::Null,
            Value::Boolean(value) => Literal::Boolean(*value),
            Value::SingleQuotedString(text) => Literal::Text(text.clone()),
            Value::Number(digits, false) => match plain_number(digits) {
                Some(digits) => Literal::Number(digits),
                None => {
                    return self.refuse(
                        self.at(ast),
                        "a number is written as digits, with a point or without",
                        "write 1500 for 1.5e3",
                    );
                }
            },
            _ => {
                return self.refuse(
                    self.at(ast),
                    "this form of literal is not part of the language",
                    "write 'text', 12.5, TRUE, FALSE or NULL",
                );
            }
        };
        Some(Expr::Literal(literal))
    }

    fn column(&mut self, ast: &Ast, qualifier: Option<&ast::Ident>, column: &ast::Ident) -> Option<NamedExpr> {
        let qualifier = match qualifier {
            Some(qualifier) => Some(self.ident(qualifier)?),
            None => None,
        };
        if column.quote_style.is_none()
            && qualifier.is_none()
            && super::words::is_reserved(&column.value.to_ascii_lowercase())
        {
            return self.refuse(self.at(ast), &format!("{} is not part of the language", column.value), LANGUAGE);
        }
        Some(Expr::Column(NamedColumn { qualifier, column: self.ident(column)? }))
    }

    /// Folds a name.
    pub(super) fn ident(&mut self, ident: &ast::Ident) -> Option<Ident> {
        let folded = match ident.quote_style {
            None => ident.value.to_ascii_lowercase(),
            Some(_) => ident.value.clone(),
        };
        match Ident::new(&folded) {
            Ok(name) => Some(name),
            Err(error) => {
                self.mistakes.push(Mistake::new(ident.span.start, format!("{folded}: {error}")));
                None
            }
        }
    }

    fn function(&mut self, function: &ast::Function, depth: usize) -> Option<NamedExpr> {
        let name = function.name.to_string().to_ascii_lowercase();
        let at = function.name.span().start;
        let is_known =
            ["author", "length", "char_length", "character_length", "coalesce", "now"].contains(&name.as_str());
        let Some(arguments) = plain_arguments(function).or((!is_known).then(Vec::new)) else {
            return self.refuse(at, &format!("{name} takes plain arguments here"), LANGUAGE);
        };
        match (name.as_str(), arguments.as_slice()) {
            ("author", []) => Some(Expr::Author),
            ("length" | "char_length" | "character_length", [text]) => {
                Some(Expr::Length(Box::new(self.scalar(text, depth)?)))
            }
            ("coalesce", [_, ..]) => {
                let list: Vec<_> = arguments.iter().map(|argument| self.scalar(argument, depth)).collect();
                Some(Expr::Coalesce(list.into_iter().collect::<Option<Vec<_>>>()?))
            }
            ("author", _) => self.refuse(at, "author() takes no argument", "write author()"),
            ("length" | "coalesce", _) => {
                self.refuse(at, &format!("{name} has the wrong number of arguments"), LANGUAGE)
            }
            ("now", _) => self.refuse(
                at,
                "a rule must not depend on the clock",
                "give a column DEFAULT now() and compare columns",
            ),
            _ => self.refuse(at, &format!("the function {name} is not part of the language"), LANGUAGE),
        }
    }

    fn unknown(&mut self, ast: &Ast) -> Option<NamedExpr> {
        let (message, help) = match ast {
            Ast::Cast { .. } => (
                "casts are not part of the language",
                "leave the cast out: a literal takes its type from what it is compared with",
            ),
            Ast::TypedString(_) => {
                ("a literal takes its type from what it is compared with", "write the text alone: '2024-01-31'")
            }
            Ast::Like { .. } | Ast::ILike { .. } | Ast::SimilarTo { .. } | Ast::RLike { .. } => {
                ("patterns are not part of the language", LANGUAGE)
            }
            Ast::Case { .. } => ("CASE is not part of the language", "write it with AND and OR"),
            Ast::Subquery(_) | Ast::InSubquery { .. } => {
                ("subqueries stand only in EXISTS", "write EXISTS (SELECT 1 FROM t WHERE t.column = ...)")
            }
            Ast::IsTrue(_)
            | Ast::IsFalse(_)
            | Ast::IsNotTrue(_)
            | Ast::IsNotFalse(_)
            | Ast::IsUnknown(_)
            | Ast::IsNotUnknown(_) => {
                ("IS TRUE and its like are not part of the language", "write coalesce(condition, FALSE)")
            }
            Ast::IsDistinctFrom(..) | Ast::IsNotDistinctFrom(..) => {
                ("IS DISTINCT FROM is not part of the language", "write it with = and IS NULL")
            }
            _ => ("this is not part of the language", LANGUAGE),
        };
        self.refuse(self.at(ast), message, help)
    }
}

fn not(expr: NamedExpr) -> NamedExpr {
    Expr::Not(Box::new(expr))
}

/// The operands of a chain of one operator, in order; iterative, since chains are as deep as they are long.
fn chain<'a>(ast: &'a Ast, op: &BinaryOperator) -> Vec<&'a Ast> {
    let mut operands = Vec::new();
    let mut rest = ast;
    while let Ast::BinaryOp { left, op: found, right } = rest {
        if found != op {
            break;
        }
        operands.push(right.as_ref());
        rest = left;
    }
    operands.push(rest);
    operands.reverse();
    operands
}

/// As [`chain`], to be taken apart.
fn chain_mut<'a>(ast: &'a mut Ast, op: &BinaryOperator) -> Vec<&'a mut Ast> {
    let mut operands = Vec::new();
    let mut rest = ast;
    while matches!(rest, Ast::BinaryOp { op: found, .. } if found == op) {
        let Ast::BinaryOp { left, right, .. } = rest else { return operands };
        operands.push(right.as_mut());
        rest = left;
    }
    operands.push(rest);
    operands.reverse();
    operands
}

/// Whether EXISTS occurs under AND, OR and parentheses.
fn holds_exists(ast: &Ast) -> bool {
    let mut open = vec![ast];
    while let Some(ast) = open.pop() {
        match ast {
            Ast::Exists { .. } => return true,
            Ast::Nested(inner) => open.push(inner),
            Ast::BinaryOp { left, op: BinaryOperator::And | BinaryOperator::Or, right } => {
                open.push(left);
                open.push(right);
            }
            _ => {}
        }
    }
    false
}

/// The arguments of a call without clauses; nothing if it has any.
fn plain_arguments(function: &ast::Function) -> Option<Vec<&Ast>> {
    let bare = function.parameters == FunctionArguments::None
        && function.within_group.is_empty()
        && function.filter.is_none()
        && function.null_treatment.is_none()
        && function.over.is_none()
        && !function.uses_odbc_syntax;
    let FunctionArguments::List(list) = &function.args else { return None };
    if !bare || list.duplicate_treatment.is_some() || !list.clauses.is_empty() {
        return None;
    }
    list.args
        .iter()
        .map(|argument| match argument {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr),
            _ => None,
        })
        .collect()
}
