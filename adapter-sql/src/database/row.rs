//! Rows as a database holds them and as they are written into it.

use std::collections::BTreeSet;

use treaty_engine::relation::RowId;
use treaty_engine::replica::RowImage;

use crate::capture::{BadCell, Image, Report, ShownRow};

/// What `treaty_status` says of a row: its last change is in the log.
pub const COMMITTED: &str = "committed";
/// The last change made here was rolled back; it shows what survived.
pub const REVERTED: &str = "reverted";
/// Its last change is not in the log yet.
pub const PENDING: &str = "pending";

/// An id exactly as it is stored: where columns have no types, the application may have spelt it in any way.
#[derive(Debug, Clone, PartialEq)]
pub enum StoredId {
    /// NULL.
    Null,
    /// A whole number.
    Integer(i64),
    /// A binary number.
    Real(f64),
    /// Text: of a UUID, or anything.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
}

impl StoredId {
    /// Returns an id as it is spelt when we write it.
    pub fn of(id: RowId) -> StoredId {
        StoredId::Text(id.to_string())
    }

    /// Prints it for a person.
    pub fn print(&self) -> String {
        match self {
            StoredId::Null => "NULL".to_owned(),
            StoredId::Integer(integer) => integer.to_string(),
            StoredId::Real(real) => real.to_string(),
            StoredId::Text(text) => text.clone(),
            StoredId::Bytes(bytes) => format!("\\x{}", data_encoding::HEXLOWER.encode(bytes)),
        }
    }
}

/// Whether a row was stored as we would store it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// It was.
    Canonical,
    /// The same values, in other storage classes or spellings: to be rewritten.
    Other,
}

/// What a table holds of a row.
#[derive(Debug)]
pub enum After {
    /// Nothing: it is deleted.
    Absent,
    /// Its cells, and how they were stored.
    Row(Image, Form),
    /// Cells that have no canonical form; the row as JSON.
    Bad(Vec<BadCell>, String),
}

/// What a table holds for a line of the queue.
#[derive(Debug)]
pub struct Found {
    /// The row's id as it is stored.
    pub stored_id: StoredId,
    /// `treaty_status`; none if the row is absent, or it is no text.
    pub status: Option<String>,
    /// `treaty_author`, likewise.
    pub author: Option<String>,
    /// What the table holds.
    pub after: After,
}

/// What our two columns of a row say.
#[derive(Debug, Clone, Copy)]
pub struct Marks<'m> {
    /// None: as it is if [`REVERTED`], else [`COMMITTED`]: nothing that was made here, or rolled back, has changed.
    pub status: Option<&'static str>,
    /// The author of the row's last change, in text form.
    pub author: &'m str,
}

/// Rows that somebody else changed, or is about to.
#[derive(Debug, Default)]
pub struct Others {
    /// Those with a line that a snapshot did not show.
    pub touched_again: BTreeSet<ShownRow>,
    /// Those that somebody has locked.
    pub busy: BTreeSet<ShownRow>,
}

impl Others {
    /// Says whether a row is among them.
    pub fn have(&self, row: &ShownRow) -> bool {
        self.touched_again.contains(row) || self.busy.contains(row)
    }
}

/// What becomes of one row of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fate {
    /// The row.
    pub key: ShownRow,
    /// What the engine has; none if the row is not to be there.
    pub row: Option<RowImage>,
    /// What its status says, if it is there; none if no change made here came to stand or fell.
    pub status: Option<&'static str>,
}

/// A row as a table shows it.
#[derive(Debug)]
pub struct TableRow {
    /// Its id.
    pub id: RowId,
    /// Its cells; none if some cell cannot be read.
    pub cells: Option<Image>,
    /// `treaty_status`; none if it is no text.
    pub status: Option<String>,
    /// `treaty_author`; none if it is no text.
    pub author: Option<String>,
}

/// Rows of a table, in id order.
#[derive(Debug, Default)]
pub struct TablePage {
    /// The rows.
    pub rows: Vec<TableRow>,
    /// Ids among them that are not spelt as an id should be.
    pub odd: Vec<StoredId>,
    /// Whether the table may hold more rows after these.
    pub has_more: bool,
}

/// A line of `treaty_rollbacks`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rollback {
    /// Its place: ascending, never used twice.
    pub cursor: i64,
    /// What was rolled back.
    pub report: Report,
    /// When, in UTC: `2031-05-17T12:00:00.000Z`.
    pub noticed: String,
    /// When it was revived, in UTC.
    pub reinstated: Option<String>,
}
