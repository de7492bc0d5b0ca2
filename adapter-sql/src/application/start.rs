//! Opening a database that is part of a space: is it the one that belongs to this data directory?

use treaty_engine::identity::Identity;

use super::Application;
use crate::database::{Database, DatabaseError, Node, State};
use crate::link::EngineLink;

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
    /// [`DatabaseError`]: every refusal says what to do.
    pub fn open(
        database: Box<dyn Database>,
        node: &Node<'_>,
        place: Place,
        link: &mut dyn EngineLink,
    ) -> Result<Application, DatabaseError> {
        let mut application = Application::new(database, node);
        let db = &mut *application.database;
        db.migrate()?;
        let Some(state) = db.state()? else { return Err(DatabaseError::NotInstalled { database: db.name() }) };
        check_state(&state, node, link)?;
        check_place(db.describe_place()?, place, link)?;
        application.check_triggers()?;
        Ok(application)
    }
}

fn check_state(state: &State, node: &Node<'_>, link: &mut dyn EngineLink) -> Result<(), DatabaseError> {
    let expected = node.space.to_string();
    if state.space != expected {
        return Err(DatabaseError::OtherSpace { found: state.space.clone(), expected });
    }
    if Identity::parse(&state.identity).ok() != Some(node.identity) {
        return Err(DatabaseError::OtherNode { found: state.identity.clone(), expected: node.identity });
    }
    if link.note(INSTANCE)?.as_deref() != Some(state.instance.as_bytes()) {
        return Err(DatabaseError::OtherInstance);
    }
    if state.schema != node.schema.version().to_string() {
        return Err(DatabaseError::OtherSchema { found: state.schema.clone(), expected: node.schema.version() });
    }
    if !link.knows(&state.shown)? {
        return Err(DatabaseError::UnknownVersion);
    }
    Ok(())
}

/// A data directory that was copied along with its database has the same instance: the machine and the path tell.
fn check_place(here: String, place: Place, link: &mut dyn EngineLink) -> Result<(), DatabaseError> {
    let known = link.note(PLACE)?;
    if known.as_deref() == Some(here.as_bytes()) {
        return Ok(());
    }
    match (known, place) {
        (Some(known), Place::Same) => {
            Err(DatabaseError::OtherPlace { found: here, expected: String::from_utf8_lossy(&known).into_owned() })
        }
        (Some(_), Place::Moved) | (None, _) => Ok(link.set_note(PLACE, here.as_bytes())?),
    }
}
