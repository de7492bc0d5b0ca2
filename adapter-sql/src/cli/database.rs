//! Opening and changing the application's database, whichever kind it is: the one place of the commands that tells kinds
//! apart. (Reading beside a sidecar is [`crate::peek`]'s.)

use anyhow::{Result, bail};

use crate::config::DatabaseUrl;
use crate::link::EngineLink;
use crate::sqlite::{self, Application, Existing, Installed, Node, Place, Snapshot, Uninstalled};

/// Opens a database that Treaty is installed in.
///
/// # Errors
/// If it cannot be used, or is not this node's; says what to do.
pub(crate) fn open(
    database: &DatabaseUrl,
    node: &Node<'_>,
    place: Place,
    link: &mut dyn EngineLink,
) -> Result<Application> {
    match database {
        DatabaseUrl::Sqlite(path) => Ok(Application::open(path, node, place, link)?),
        DatabaseUrl::Postgres(_) => no_adapter(database),
    }
}

/// Installs Treaty in a database.
///
/// * `instance` - what binds database and data directory to each other.
///
/// # Errors
/// If it is in use by a space already, or its tables are not as the schema needs them; says what to do.
pub(crate) fn install(
    database: &DatabaseUrl,
    node: &Node<'_>,
    existing: Existing,
    instance: &str,
    link: &mut dyn EngineLink,
) -> Result<(Application, Installed)> {
    match database {
        DatabaseUrl::Sqlite(path) => Ok(Application::install(path, node, existing, instance, link)?),
        DatabaseUrl::Postgres(_) => no_adapter(database),
    }
}

/// Removes everything of Treaty from a database.
///
/// # Errors
/// If it cannot be written, or nothing of Treaty is there.
pub(crate) fn uninstall(database: &DatabaseUrl) -> Result<Uninstalled> {
    match database {
        DatabaseUrl::Sqlite(path) => Ok(sqlite::uninstall(path)?),
        DatabaseUrl::Postgres(_) => no_adapter(database),
    }
}

/// Opens a snapshot of a database, to be compared with the log.
///
/// # Errors
/// If it cannot be read.
pub(crate) fn snapshot(database: &DatabaseUrl) -> Result<Snapshot> {
    match database {
        DatabaseUrl::Sqlite(path) => Ok(Snapshot::open(path)?),
        DatabaseUrl::Postgres(_) => no_adapter(database),
    }
}

fn no_adapter<T>(database: &DatabaseUrl) -> Result<T> {
    bail!("{database}: PostgreSQL is not in this version yet")
}
