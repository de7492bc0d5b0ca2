//! `INSERT INTO table (columns) VALUES (...)`: genesis rows, as written.

use sqlparser::tokenizer::{Location, Token};
use treaty_schema::NewDefault;

use super::cursor::{Cursor, Named};
use super::literal::{default_value, empty_call};
use crate::diagnostic::Mistake;

/// The rows of one INSERT, before the schema is known.
pub(super) struct InsertText {
    /// The table.
    pub(super) table: Named,
    /// Its columns.
    pub(super) columns: Vec<Named>,
    /// The rows, each as long as `columns`.
    pub(super) rows: Vec<RowText>,
}

/// One row of an INSERT.
pub(super) struct RowText {
    /// Where it starts.
    pub(super) at: Location,
    /// Its values.
    pub(super) values: Vec<(ValueText, Location)>,
}

/// One value of a row.
#[derive(Clone)]
pub(super) enum ValueText {
    /// `author()`
    Author,
    /// `DEFAULT`, or nothing written.
    Default,
    /// A literal or a call, as a default may be.
    Value(NewDefault),
}

/// Reads rows after `INSERT INTO`.
pub(super) fn insert(mut cursor: Cursor<'_>, mistakes: &mut Vec<Mistake>) -> Option<InsertText> {
    let header = header(&mut cursor);
    let (table, columns) = match header {
        Ok(header) => header,
        Err(mistake) => {
            mistakes.push(mistake);
            return None;
        }
    };
    let mut rows = Vec::new();
    loop {
        match row(&mut cursor, columns.len(), mistakes) {
            Ok(row) => rows.extend(row),
            Err(mistake) => {
                mistakes.push(mistake);
                return None;
            }
        }
        if !cursor.eat(&Token::Comma) {
            break;
        }
    }
    if let Err(mistake) = cursor.finish("the rows of an INSERT") {
        mistakes.push(mistake.help("genesis rows are INSERT INTO table (columns) VALUES (...), ...; and nothing else"));
    }
    Some(InsertText { table, columns, rows })
}

fn header(cursor: &mut Cursor<'_>) -> Result<(Named, Vec<Named>), Mistake> {
    let table = cursor.table_name("the table")?;
    if cursor.peek() != Some(&Token::LParen) {
        return Err(cursor
            .expected("( and the columns")
            .help("name the columns: INSERT INTO table (columns) VALUES (...)"));
    }
    let columns = cursor.names("column")?;
    cursor.expect_words(&["VALUES"]).map_err(|mistake| mistake.help("genesis rows are literal: write VALUES (...)"))?;
    Ok((table, columns))
}

/// Reads one parenthesised row; nothing if one of its values was a mistake, which is noted.
fn row(cursor: &mut Cursor<'_>, column_count: usize, mistakes: &mut Vec<Mistake>) -> Result<Option<RowText>, Mistake> {
    let at = cursor.at();
    let inner = cursor.parenthesis("( and the values of a row")?;
    let before = mistakes.len();
    let mut values = Vec::new();
    for mut part in inner.parts() {
        let place = part.at();
        match value(&mut part) {
            Ok(value) => values.push((value, place)),
            Err(mistake) => mistakes.push(mistake),
        }
    }
    if mistakes.len() > before {
        return Ok(None);
    }
    if values.len() != column_count {
        mistakes.push(Mistake::new(at, format!("the row has {} values for {column_count} columns", values.len())));
        return Ok(None);
    }
    Ok(Some(RowText { at, values }))
}

fn value(part: &mut Cursor<'_>) -> Result<ValueText, Mistake> {
    const HELP: &str = "write a literal, author(), gen_random_uuid(), now() or DEFAULT";
    let value = if part.eat_words(&["DEFAULT"]) {
        ValueText::Default
    } else if empty_call(part, "author") {
        ValueText::Author
    } else {
        ValueText::Value(default_value(part).map_err(|mistake| mistake.help(HELP))?)
    };
    part.finish("the value").map_err(|mistake| mistake.help(HELP))?;
    Ok(value)
}
