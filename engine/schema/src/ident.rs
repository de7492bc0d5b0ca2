//! Names of tables, columns and rules, folded and checked once.

use std::fmt;

use borsh::{BorshDeserialize, BorshSerialize};

use crate::codec::{invalid, read_text};

/// Longest name, in bytes: PostgreSQL's own limit, which truncates what is longer.
pub const IDENT_BYTES_MAX: usize = 63;

/// A name of a table, a column or a rule: 1 to [`IDENT_BYTES_MAX`] bytes, no NUL, not reserved.
///
/// Folding to lower case (as PostgreSQL does to an unquoted name) is the parser's work; an `Ident` is what remains.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize)]
pub struct Ident(String);

/// Why a text is not an [`Ident`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdentError {
    /// The text is empty.
    #[error("a name must not be empty")]
    Empty,
    /// The text is longer than [`IDENT_BYTES_MAX`].
    #[error("the name is {bytes} bytes long, limit {IDENT_BYTES_MAX}")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// The text holds a control character.
    #[error("a name must not hold control characters")]
    Control,
    /// The text starts with `treaty_`, which is reserved for the product's own columns and tables.
    #[error("names that start with treaty_ are reserved")]
    Reserved,
}

impl Ident {
    /// Checks `text` as a name.
    ///
    /// # Errors
    /// [`IdentError`] says which rule `text` breaks.
    pub fn new(text: &str) -> Result<Ident, IdentError> {
        if text.is_empty() {
            return Err(IdentError::Empty);
        }
        if text.len() > IDENT_BYTES_MAX {
            return Err(IdentError::TooLong { bytes: text.len() });
        }
        if text.chars().any(char::is_control) {
            return Err(IdentError::Control);
        }
        // Compared without case: SQLite's names are case-insensitive, so "Treaty_x" would collide there.
        if text.get(..7).is_some_and(|head| head.eq_ignore_ascii_case("treaty_")) {
            return Err(IdentError::Reserved);
        }
        Ok(Ident(text.to_owned()))
    }

    /// The name itself, unquoted.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name as schema text must spell it: quoted where folding to lower case would change it.
    pub(crate) fn to_sql(&self) -> String {
        let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        let starts_plain = !self.0.starts_with(|first: char| first.is_ascii_digit());
        if starts_plain && self.0.bytes().all(is_plain) {
            return self.0.clone();
        }
        format!("\"{}\"", self.0.replace('"', "\"\""))
    }
}

impl fmt::Display for Ident {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Ident {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl BorshDeserialize for Ident {
    fn deserialize_reader<R: std::io::Read>(reader: &mut R) -> std::io::Result<Ident> {
        let text = read_text(reader, IDENT_BYTES_MAX)?;
        Ident::new(&text).map_err(invalid)
    }
}
