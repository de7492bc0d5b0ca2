//! The one row of `treaty_state`: what this database is, and which version its tables show.

use std::str::FromStr;

use rusqlite::{Connection, OptionalExtension, params};
use treaty_engine::causality::Version;
use treaty_engine::hash::EntryId;

use super::error::{SqliteError, doing};

/// What `treaty_state` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct State {
    /// The space, in text form.
    pub(super) space: String,
    /// The node's default identity, in text form.
    pub(super) identity: String,
    /// Random; the data directory holds the same.
    pub(super) instance: String,
    /// Name of the schema version that the triggers are made for.
    pub(super) schema: String,
    /// The version that the tables show.
    pub(super) shown: Version,
}

impl State {
    /// Reads the row; none if Treaty is not installed.
    pub(super) fn read(connection: &Connection) -> Result<Option<State>, SqliteError> {
        let is_installed: bool = connection
            .query_row("SELECT count(*) > 0 FROM sqlite_schema WHERE name = 'treaty_state'", [], |row| row.get(0))
            .map_err(doing("looking for treaty_state"))?;
        if !is_installed {
            return Ok(None);
        }
        let sql = "SELECT space, identity, instance, schema, shown FROM treaty_state";
        let mut statement = connection.prepare_cached(sql).map_err(doing("reading treaty_state"))?;
        let columns = statement
            .query_row([], |row| Ok([row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get::<_, String>(4)?]))
            .optional()
            .map_err(doing("reading treaty_state"))?;
        let Some([space, identity, instance, schema, shown]) = columns else {
            return Err(SqliteError::Damaged { what: "treaty_state is empty".into() });
        };
        Ok(Some(State { space, identity, instance, schema, shown: parse_version(&shown)? }))
    }

    /// Reads which version the tables show.
    pub(super) fn shown(connection: &Connection) -> Result<Version, SqliteError> {
        let mut statement =
            connection.prepare_cached("SELECT shown FROM treaty_state").map_err(doing("reading treaty_state"))?;
        let shown: String = statement.query_row([], |row| row.get(0)).map_err(doing("reading treaty_state"))?;
        parse_version(&shown)
    }

    /// Writes which version the tables show, in the transaction that makes them show it.
    pub(super) fn set_shown(connection: &Connection, shown: &Version) -> Result<(), SqliteError> {
        let mut statement =
            connection.prepare_cached("UPDATE treaty_state SET shown = ?1").map_err(doing("writing treaty_state"))?;
        statement.execute([print_version(shown)]).map_err(doing("writing treaty_state"))?;
        Ok(())
    }

    /// Writes the row for the first time.
    pub(super) fn create(&self, connection: &Connection) -> Result<(), SqliteError> {
        let State { space, identity, instance, schema, shown } = self;
        connection
            .execute(
                "INSERT INTO treaty_state (one, space, identity, instance, schema, shown) VALUES (1, ?1, ?2, ?3, ?4, ?5)",
                params![space, identity, instance, schema, print_version(shown)],
            )
            .map_err(doing("writing treaty_state"))?;
        Ok(())
    }
}

fn print_version(version: &Version) -> String {
    let ids: Vec<String> = version.ids().iter().map(ToString::to_string).collect();
    ids.join(" ")
}

fn parse_version(text: &str) -> Result<Version, SqliteError> {
    let ids: Result<Vec<EntryId>, _> = text.split_whitespace().map(EntryId::from_str).collect();
    ids.map(Version::new).map_err(|_| SqliteError::Damaged { what: "treaty_state.shown is no version".into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_read_as_it_was_written_and_anything_else_is_damage() {
        let version = Version::new(vec![EntryId([7; 32]), EntryId([1; 32])]);
        assert_eq!(parse_version(&print_version(&version)).unwrap(), version);
        assert_eq!(parse_version("").unwrap(), Version::EMPTY);
        assert!(matches!(parse_version("01"), Err(SqliteError::Damaged { .. })));
    }
}
