//! Opening and changing the application's database, whichever kind it is: the one place of the commands that tells kinds
//! apart. (Reading beside a sidecar is [`crate::peek`]'s.)

use anyhow::Result;

use crate::application::{Application, Installed, Place};
use crate::audit::Snapshot;
use crate::config::{Config, DatabaseUrl};
use crate::database::{Database, Existing, Missing, Node, Uninstalled};
use crate::link::EngineLink;
use crate::postgres::{PostgresDatabase, Purpose};
use crate::sqlite::SqliteDatabase;

/// Opens a database that Treaty is installed in.
///
/// # Errors
/// If it cannot be used, or is not this node's; says what to do.
pub(crate) fn open(config: &Config, node: &Node<'_>, place: Place, link: &mut dyn EngineLink) -> Result<Application> {
    let database: Box<dyn Database> = match &config.database {
        DatabaseUrl::Sqlite(path) => Box::new(SqliteDatabase::open(path, Missing::Refused)?),
        DatabaseUrl::Postgres(url) => {
            Box::new(PostgresDatabase::open(&url.options()?, Purpose::Sidecar, config.postgres_notify)?)
        }
    };
    Ok(Application::open(database, node, place, link)?)
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
    Ok(Application::install(connect(database, Missing::Created, Purpose::Sidecar)?, node, existing, instance, link)?)
}

/// Removes everything of Treaty from a database.
///
/// # Errors
/// If it cannot be written, or nothing of Treaty is there.
pub(crate) fn uninstall(database: &DatabaseUrl) -> Result<Uninstalled> {
    Ok(connect(database, Missing::Refused, Purpose::Sidecar)?.uninstall()?)
}

/// Opens a snapshot of a database, to be compared with the log.
///
/// # Errors
/// If it cannot be read.
pub(crate) fn snapshot(database: &DatabaseUrl) -> Result<Snapshot> {
    Ok(Snapshot::take(connect(database, Missing::Refused, Purpose::Reading)?)?)
}

fn connect(database: &DatabaseUrl, missing: Missing, purpose: Purpose) -> Result<Box<dyn Database>> {
    Ok(match database {
        DatabaseUrl::Sqlite(path) => Box::new(SqliteDatabase::open(path, missing)?),
        DatabaseUrl::Postgres(url) => Box::new(PostgresDatabase::open(&url.options()?, purpose, false)?),
    })
}
