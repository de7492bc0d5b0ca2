//! Type names: the closed list of logical types, in every spelling that PostgreSQL has for them.

use sqlparser::tokenizer::{Location, Token};
use treaty_schema::LogicalType;

use super::cursor::Cursor;
use super::words::type_help;
use crate::diagnostic::Mistake;

/// The types a schema file may name, for messages.
const LIST: &str = "BOOLEAN, INTEGER, BIGINT, DOUBLE PRECISION, NUMERIC(p, s), TEXT, VARCHAR(n), BYTEA, UUID, DATE, \
                    TIME, TIMESTAMP, TIMESTAMPTZ, JSONB, IDENTITY";

/// Reads a type.
///
/// # Errors
/// The mistake, after reading past whatever still belongs to the type.
pub(super) fn logical_type(cursor: &mut Cursor<'_>) -> Result<LogicalType, Mistake> {
    let at = cursor.at();
    let Some(Token::Word(word)) = cursor.peek() else { return Err(cursor.expected("a type")) };
    let word = word.value.to_ascii_lowercase();
    cursor.advance();
    let found = named(cursor, &word, at);
    let dimensions = array_suffix(cursor);
    match found {
        Ok(_) if dimensions => Err(Mistake::new(at, "arrays are not among the types of a schema file")
            .help("write a table of its own that refers to this one, or JSONB")),
        found => found,
    }
}

/// Reads what follows the first word of a type.
fn named(cursor: &mut Cursor<'_>, word: &str, at: Location) -> Result<LogicalType, Mistake> {
    match word {
        "boolean" | "bool" => Ok(LogicalType::Boolean),
        "integer" | "int" | "int4" => Ok(LogicalType::Integer),
        "bigint" | "int8" => Ok(LogicalType::BigInt),
        "float8" => Ok(LogicalType::Double),
        "double" if cursor.eat_words(&["PRECISION"]) => Ok(LogicalType::Double),
        "numeric" | "decimal" | "dec" => numeric(cursor, at),
        "text" => Ok(LogicalType::Text),
        "varchar" => varchar(cursor, at),
        "character" if cursor.eat_words(&["VARYING"]) => varchar(cursor, at),
        "bytea" => Ok(LogicalType::Bytes),
        "uuid" => Ok(LogicalType::Uuid),
        "date" => Ok(LogicalType::Date),
        "time" => match zoned(cursor)? {
            false => Ok(LogicalType::Time),
            true => Err(Mistake::new(at, "TIME WITH TIME ZONE is not among the types of a schema file")
                .help("write TIMESTAMPTZ, or TIME without a zone")),
        },
        "timestamp" if zoned(cursor)? => Ok(LogicalType::TimestampTz),
        "timestamp" => Ok(LogicalType::Timestamp),
        "timestamptz" => zoned(cursor).map(|_| LogicalType::TimestampTz),
        "jsonb" => Ok(LogicalType::Json),
        "identity" => Ok(LogicalType::Identity),
        other => {
            let _ = arguments(cursor);
            let help = type_help(other).map_or_else(|| format!("the types are {LIST}"), str::to_owned);
            Err(Mistake::new(at, format!("{other} is not among the types of a schema file")).help(help))
        }
    }
}

/// Reads `(precision)` and `WITH[OUT] TIME ZONE` of a time; returns whether it has a zone.
fn zoned(cursor: &mut Cursor<'_>) -> Result<bool, Mistake> {
    let at = cursor.at();
    if arguments(cursor)?.is_some_and(|digits| digits != [6]) {
        return Err(Mistake::new(at, "times have microseconds").help("leave the precision out"));
    }
    if cursor.eat_words(&["WITH", "TIME", "ZONE"]) {
        return Ok(true);
    }
    cursor.eat_words(&["WITHOUT", "TIME", "ZONE"]);
    Ok(false)
}

/// Reads the precision and scale of a NUMERIC.
fn numeric(cursor: &mut Cursor<'_>, at: Location) -> Result<LogicalType, Mistake> {
    let help = "write NUMERIC(12, 2): digits in all, digits after the point";
    match arguments(cursor)?.as_deref() {
        Some([precision]) => {
            let precision = u8::try_from(*precision).unwrap_or(u8::MAX);
            Ok(LogicalType::Numeric { precision, scale: 0 })
        }
        Some([precision, scale]) => {
            let precision = u8::try_from(*precision).unwrap_or(u8::MAX);
            Ok(LogicalType::Numeric { precision, scale: u8::try_from(*scale).unwrap_or(u8::MAX) })
        }
        Some(_) => Err(Mistake::new(at, "NUMERIC takes a precision and a scale").help(help)),
        None => Err(Mistake::new(at, "NUMERIC needs its precision and scale").help(help)),
    }
}

/// Reads the length of a VARCHAR.
fn varchar(cursor: &mut Cursor<'_>, at: Location) -> Result<LogicalType, Mistake> {
    match arguments(cursor)?.as_deref() {
        Some([chars_max]) => Ok(LogicalType::Varchar { chars_max: *chars_max }),
        Some(_) => Err(Mistake::new(at, "VARCHAR takes one length").help("write VARCHAR(200)")),
        None => Err(Mistake::new(at, "VARCHAR needs its length").help("write VARCHAR(200), or TEXT for no limit")),
    }
}

/// Reads `(number, ...)` if it is there.
fn arguments(cursor: &mut Cursor<'_>) -> Result<Option<Vec<u32>>, Mistake> {
    if cursor.peek() != Some(&Token::LParen) {
        return Ok(None);
    }
    let inner = cursor.parenthesis("(")?;
    let mut numbers = Vec::new();
    for mut part in inner.parts() {
        let at = part.at();
        let number = match part.peek() {
            Some(Token::Number(digits, _)) => digits.parse().ok(),
            _ => None,
        };
        part.advance();
        let number = number.filter(|_| part.is_done());
        numbers.push(number.ok_or_else(|| Mistake::new(at, "expected a whole number as the argument of a type"))?);
    }
    Ok(Some(numbers))
}

/// Reads `[]`, `[3]`, `ARRAY` if they are there; returns whether they are.
fn array_suffix(cursor: &mut Cursor<'_>) -> bool {
    let mut found = cursor.eat_words(&["ARRAY"]);
    while cursor.eat(&Token::LBracket) {
        found = true;
        while !cursor.is_done() && !cursor.eat(&Token::RBracket) {
            cursor.advance();
        }
    }
    found
}
