//! Literals outside expressions: the values of DEFAULT and of genesis rows.

use sqlparser::tokenizer::Token;
use treaty_schema::{Literal, NewDefault};

use super::cursor::Cursor;
use crate::diagnostic::Mistake;

/// What may be written for a default, for messages.
const DEFAULTS: &str = "a literal, gen_random_uuid() or now()";

/// Reads the value of a DEFAULT.
///
/// # Errors
/// The mistake, when it is anything but a literal, `gen_random_uuid()`, `now()` or `CURRENT_TIMESTAMP`.
pub(super) fn default_value(cursor: &mut Cursor<'_>) -> Result<NewDefault, Mistake> {
    let at = cursor.at();
    if cursor.peek() == Some(&Token::LParen) {
        return Err(Mistake::new(at, "a default is not an expression").help(format!("write {DEFAULTS}")));
    }
    if let Some(value) = call(cursor) {
        return Ok(value);
    }
    let negative = cursor.eat(&Token::Minus);
    if !negative {
        cursor.eat(&Token::Plus);
    }
    let literal = literal(cursor).ok_or_else(|| cursor.expected(DEFAULTS))?;
    if negative && !matches!(literal, Literal::Number(_)) {
        return Err(Mistake::new(at, "a minus stands before numbers only"));
    }
    if cursor.peek() == Some(&Token::DoubleColon) {
        return Err(Mistake::new(cursor.at(), "a literal takes its type from its column").help("leave the cast out"));
    }
    Ok(NewDefault::Literal { negative, literal })
}

/// Reads `gen_random_uuid()`, `now()` or `CURRENT_TIMESTAMP`.
fn call(cursor: &mut Cursor<'_>) -> Option<NewDefault> {
    if cursor.eat_words(&["CURRENT_TIMESTAMP"]) {
        return Some(NewDefault::Now);
    }
    for (name, value) in [("gen_random_uuid", NewDefault::RandomUuid), ("now", NewDefault::Now)] {
        if empty_call(cursor, name) {
            return Some(value);
        }
    }
    None
}

/// Reads `name()` if it is next.
pub(super) fn empty_call(cursor: &mut Cursor<'_>, name: &str) -> bool {
    let mut ahead = cursor.clone();
    let found = ahead.eat_words(&[name]) && ahead.eat(&Token::LParen) && ahead.eat(&Token::RParen);
    if found {
        *cursor = ahead;
    }
    found
}

/// Reads one unsigned literal if it is next.
fn literal(cursor: &mut Cursor<'_>) -> Option<Literal> {
    for (word, value) in [("NULL", Literal::Null), ("TRUE", Literal::Boolean(true)), ("FALSE", Literal::Boolean(false))]
    {
        if cursor.eat_words(&[word]) {
            return Some(value);
        }
    }
    let literal = match cursor.peek()? {
        Token::Number(digits, false) => Literal::Number(plain_number(digits)?),
        Token::SingleQuotedString(text) => Literal::Text(text.clone()),
        _ => return None,
    };
    cursor.advance();
    Some(literal)
}

/// Returns a number as digits with at most one point between digits; nothing for exponents and other bases.
pub(super) fn plain_number(text: &str) -> Option<String> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let is_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if !is_digits(whole) || !is_digits(fraction) || (whole.is_empty() && fraction.is_empty()) {
        return None;
    }
    let whole = if whole.is_empty() { "0" } else { whole };
    Some(if fraction.is_empty() { whole.to_owned() } else { format!("{whole}.{fraction}") })
}
