//! What a database says of itself, and what installing and uninstalling are told and tell.

use std::str::FromStr;

use treaty_engine::causality::Version;
use treaty_engine::hash::{EntryId, SpaceId};
use treaty_engine::identity::Identity;
use treaty_engine::replica::Shown;
use treaty_schema::Schema;

use super::DatabaseError;

/// What this database is, and what its tables show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// The space, in text form.
    pub space: String,
    /// The node's default identity, in text form.
    pub identity: String,
    /// Random; the data directory holds the same.
    pub instance: String,
    /// Name of the schema version that the triggers are made for.
    pub schema: String,
    /// What the tables show.
    pub shown: Shown,
}

/// Prints a version as databases keep it: entry ids between spaces.
pub fn print_version(version: &Version) -> String {
    let ids: Vec<String> = version.ids().iter().map(ToString::to_string).collect();
    ids.join(" ")
}

/// Reads what [`print_version`] printed.
///
/// # Errors
/// [`DatabaseError::Damaged`] if it is anything else.
pub fn parse_version(text: &str) -> Result<Version, DatabaseError> {
    let ids: Result<Vec<EntryId>, _> = text.split_whitespace().map(EntryId::from_str).collect();
    ids.map(Version::new).map_err(|_| DatabaseError::Damaged { what: "a version shown is no version".into() })
}

/// Who a database belongs to.
#[derive(Debug, Clone, Copy)]
pub struct Node<'n> {
    /// The schema of the space.
    pub schema: &'n Schema,
    /// The space.
    pub space: SpaceId,
    /// The default author.
    pub identity: Identity,
    /// Pause at which a backlog without transactions is cut into some, in milliseconds.
    pub gap_ms: i64,
}

/// What to do with rows that are there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// They become this node's first changes.
    Adopt,
    /// A table of the schema that holds rows is refused.
    Refuse,
}

/// The tables of a new installation.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tables {
    /// Made, by name.
    pub created: Vec<String>,
    /// There already, by name.
    pub adopted: Vec<String>,
}

/// What was taken out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Uninstalled {
    /// The space that the database was part of.
    pub space: String,
    /// Tables that are the application's alone again.
    pub tables: Vec<String>,
    /// Changes that were not in the log: they stay in the tables, and no other node will see them.
    pub waiting_count: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_read_as_it_was_written_and_anything_else_is_damage() {
        let version = Version::new(vec![EntryId([7; 32]), EntryId([1; 32])]);
        assert_eq!(parse_version(&print_version(&version)).unwrap(), version);
        assert_eq!(parse_version("").unwrap(), Version::EMPTY);
        assert!(matches!(parse_version("01"), Err(DatabaseError::Damaged { .. })));
    }
}
