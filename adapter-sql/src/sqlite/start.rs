//! Opening a database that is part of a space: is it the one that belongs to this data directory?

use std::path::Path;

use treaty_engine::identity::Identity;

use crate::link::EngineLink;

use super::Application;
use super::connect::{Missing, connect};
use super::error::SqliteError;
use super::install::Node;
use super::state::State;

/// Key of the note that holds the instance: what a database and its data directory share and no other pair does.
pub(super) const INSTANCE: &str = "application.instance";
/// Key of the note that holds where the database is.
pub(super) const PLACE: &str = "application.place";

/// What to make of a database that is not where it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// It may be a copy: refuse.
    Same,
    /// The operator says that it was moved, and that no other node runs with this data directory.
    Moved,
}

impl Application {
    /// Opens the database of a node that was installed before.
    ///
    /// Checks that database, data directory and schema belong together, that the log holds what the tables show, and that
    /// the triggers are in place (mending them if they are not). Nothing is drained or applied yet.
    ///
    /// # Errors
    /// [`SqliteError`]: every refusal says what to do.
    pub fn open(
        path: &Path,
        node: &Node<'_>,
        place: Place,
        link: &mut dyn EngineLink,
    ) -> Result<Application, SqliteError> {
        let connection = connect(path, Missing::Refused)?;
        State::migrate(&connection)?;
        let Some(state) = State::read(&connection)? else {
            return Err(SqliteError::NotInstalled { path: path.to_owned() });
        };
        check_state(&state, node, link)?;
        check_place(path, place, link)?;
        let mut application = Application::new(connection, path, node.schema, node.identity, node.gap_ms);
        application.check_triggers()?;
        Ok(application)
    }
}

fn check_state(state: &State, node: &Node<'_>, link: &mut dyn EngineLink) -> Result<(), SqliteError> {
    let expected = node.space.to_string();
    if state.space != expected {
        return Err(SqliteError::OtherSpace { found: state.space.clone(), expected });
    }
    if Identity::parse(&state.identity).ok() != Some(node.identity) {
        return Err(SqliteError::OtherNode { found: state.identity.clone(), expected: node.identity });
    }
    if link.note(INSTANCE)?.as_deref() != Some(state.instance.as_bytes()) {
        return Err(SqliteError::OtherInstance);
    }
    if state.schema != node.schema.version().to_string() {
        return Err(SqliteError::OtherSchema { found: state.schema.clone(), expected: node.schema.version() });
    }
    if !link.knows(&state.shown)? {
        return Err(SqliteError::UnknownVersion);
    }
    Ok(())
}

/// A data directory that was copied along with its database has the same instance: the machine and the path tell.
fn check_place(path: &Path, place: Place, link: &mut dyn EngineLink) -> Result<(), SqliteError> {
    let here = describe_place(path);
    let known = link.note(PLACE)?;
    if known.as_deref() == Some(here.as_bytes()) {
        return Ok(());
    }
    match (known, place) {
        (Some(known), Place::Same) => {
            Err(SqliteError::OtherPlace { found: here, expected: String::from_utf8_lossy(&known).into_owned() })
        }
        (Some(_), Place::Moved) | (None, _) => Ok(link.set_note(PLACE, here.as_bytes())?),
    }
}

/// The machine, where it has an id, and the resolved path.
pub(super) fn describe_place(path: &Path) -> String {
    let machine = std::fs::read_to_string("/etc/machine-id").unwrap_or_default();
    let resolved = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    match machine.trim() {
        "" => resolved.display().to_string(),
        machine => format!("{} on machine {machine}", resolved.display()),
    }
}
