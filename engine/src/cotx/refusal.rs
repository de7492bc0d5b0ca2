//! Why something does not enter the log: a code for programs, a sentence for people, the place.

use std::fmt;

/// Why an entry, or a co-transaction of the local application, is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The rule.
    pub reason: Reason,
    /// The operation, where it is one's fault.
    pub place: Option<Place>,
    /// One sentence in lower case without a full stop, naming table, column and policy by their labels.
    pub message: String,
}

/// An operation of an entry, or of a local co-transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Index of the co-transaction.
    pub transaction: u32,
    /// Index of the operation in it.
    pub operation: u32,
}

/// The rule broken. Codes are stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// The payload is not the one encoding of co-transactions.
    Payload,
    /// The header does not fit its parents, or belongs to another space.
    Header,
    /// An entry that it builds on was refused.
    Ancestor,
    /// It names a table or a column that the schema lacks, or not the columns it must.
    Schema,
    /// A value is not of its column's type.
    Type,
    /// A NULL where NOT NULL stands.
    NotNull,
    /// A CHECK is false.
    Check,
    /// A UNIQUE key that does not fit into an index.
    KeyTooLarge,
    /// A column that never changes after insert.
    Frozen,
    /// A row that is neither in the past nor inserted by the entry itself.
    UnknownRow,
    /// An id that a live row has, or that the entry inserts twice, or that is reserved.
    DuplicateId,
    /// No policy permits it.
    Permission,
    /// A reference to a row that is not there, or a delete of a row that is referred to.
    ForeignKey,
    /// A UNIQUE key that another row has.
    Unique,
    /// More than one entry holds.
    TooLarge,
}

impl Reason {
    /// Returns the code that applications see: stable, lower case.
    pub fn code(self) -> &'static str {
        match self {
            Reason::Payload => "payload",
            Reason::Header => "header",
            Reason::Ancestor => "ancestor",
            Reason::Schema => "schema",
            Reason::Type => "type",
            Reason::NotNull => "not_null",
            Reason::Check => "check",
            Reason::KeyTooLarge => "key_too_large",
            Reason::Frozen => "frozen",
            Reason::UnknownRow => "unknown_row",
            Reason::DuplicateId => "duplicate_id",
            Reason::Permission => "permission",
            Reason::ForeignKey => "foreign_key",
            Reason::Unique => "unique",
            Reason::TooLarge => "too_large",
        }
    }
}

impl Refusal {
    /// Refuses for `reason`, without a place.
    pub fn new(reason: Reason, message: impl Into<String>) -> Refusal {
        Refusal { reason, place: None, message: message.into() }
    }

    /// The same, blamed on an operation.
    #[must_use]
    pub fn at(mut self, transaction: u32, operation: u32) -> Refusal {
        self.place = Some(Place { transaction, operation });
        self
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Refusal {}
