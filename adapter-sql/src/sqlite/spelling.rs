//! How a column spells UUIDs: as docs/spec/values.md does, or as 32 digits.
//!
//! Django and SQLAlchemy declare their UUIDs `CHAR(32)` here, keep the digits without hyphens in them, and look for exactly
//! these: written as we spell them elsewhere, their rows would not be found any more, and references to them would fail.
//! So a UUID column that is declared so is canonical in that form. Ids cross the border of this dialect turned: what such a
//! column should hold is [`StoredId::of`] to the rest, and the other spelling is the odd one.

use rusqlite::Connection;
use treaty_engine::relation::RowId;
use treaty_schema::LogicalType;

use super::error::doing;
use super::table::TableSql;
use crate::database::{DatabaseError, StoredId};

/// Digits of a UUID.
const DIGITS: usize = 32;
/// Where its hyphens go.
const HYPHENS: [usize; 4] = [8, 12, 16, 20];

/// How a column spells UUIDs; of no meaning where it holds something else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spelling {
    /// As everywhere.
    Hyphens,
    /// 32 digits.
    Digits,
}

impl Spelling {
    /// Returns the spelling of a column as it is declared.
    pub(super) fn of(logical_type: LogicalType, declared: &str) -> Spelling {
        let folded: String = declared.chars().filter(|part| !part.is_whitespace()).collect();
        let is_digits = logical_type == LogicalType::Uuid && folded.eq_ignore_ascii_case("char(32)");
        if is_digits { Spelling::Digits } else { Spelling::Hyphens }
    }

    /// Spells a UUID.
    pub(super) fn spell(self, uuid: [u8; 16]) -> String {
        match self {
            Spelling::Hyphens => RowId(uuid).to_string(),
            Spelling::Digits => data_encoding::HEXLOWER.encode(&uuid),
        }
    }

    /// Turns an id as it is stored into what the rest of the house calls it, and back.
    pub(super) fn turn(self, id: StoredId) -> StoredId {
        match (self, id) {
            (Spelling::Digits, StoredId::Text(text)) => StoredId::Text(turned(text)),
            (_, id) => id,
        }
    }
}

/// Exchanges the two spellings of a UUID in lower case; any other text stays as it is.
fn turned(text: String) -> String {
    let digits = text.replace('-', "");
    let is_uuid = digits.len() == DIGITS && digits.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
    if !is_uuid {
        return text;
    }
    let mut hyphens = String::with_capacity(text.len() + HYPHENS.len());
    for (place, digit) in digits.chars().enumerate() {
        if HYPHENS.contains(&place) {
            hyphens.push('-');
        }
        hyphens.push(digit);
    }
    if text == digits {
        return hyphens;
    }
    if text == hyphens { digits } else { text }
}

/// Reads how the columns of the tables are declared; of a table that is not there, nothing.
pub(super) fn learn(connection: &Connection, tables: &mut [TableSql]) -> Result<(), DatabaseError> {
    let failed = doing("reading the columns of a table");
    let sql = "SELECT type FROM pragma_table_info(?1) WHERE lower(name) = ?2";
    let mut statement = connection.prepare(sql).map_err(&failed)?;
    for TableSql { table, spellings, .. } in tables {
        for (column, spelling) in table.columns.iter().zip(spellings) {
            let mut rows = statement.query([table.name.as_str(), column.name.as_str()]).map_err(&failed)?;
            let Some(row) = rows.next().map_err(&failed)? else { continue };
            let declared: String = row.get(0).map_err(&failed)?;
            *spelling = Spelling::of(column.logical_type, &declared);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HYPHENATED: &str = "0190b2c4-0000-4000-8000-00000000000a";
    const BARE: &str = "0190b2c400004000800000000000000a";

    #[test]
    fn a_column_of_32_characters_holds_digits() {
        for declared in ["char(32)", "CHAR(32)", "Char ( 32 )"] {
            assert_eq!(Spelling::of(LogicalType::Uuid, declared), Spelling::Digits);
            assert_eq!(Spelling::of(LogicalType::Text, declared), Spelling::Hyphens);
        }
        for declared in ["TEXT", "char(36)", "uuid", "varchar(32)", ""] {
            assert_eq!(Spelling::of(LogicalType::Uuid, declared), Spelling::Hyphens);
        }
    }

    #[test]
    fn ids_are_turned_there_and_back_and_other_texts_stay() {
        let bare = BARE.to_owned();
        let text = |text: &str| StoredId::Text(text.to_owned());
        assert_eq!(Spelling::Digits.turn(text(&bare)), text(HYPHENATED));
        assert_eq!(Spelling::Digits.turn(text(HYPHENATED)), text(&bare));
        assert_eq!(Spelling::Hyphens.turn(text(&bare)), text(&bare));
        let odd =
            [HYPHENATED.to_uppercase(), bare.to_uppercase(), format!("{bare}0"), format!("-{bare}"), "é".to_owned()];
        for odd in odd {
            assert_eq!(Spelling::Digits.turn(text(&odd)), text(&odd));
        }
        assert_eq!(Spelling::Digits.turn(StoredId::Null), StoredId::Null);
    }
}
