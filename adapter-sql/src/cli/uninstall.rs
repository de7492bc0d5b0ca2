//! `treaty uninstall`: leaves the application's tables, and nothing else.

use anyhow::Result;
use clap::Args;

use super::database;
use super::objects::UninstalledObject;
use super::output::Format;
use super::place::Place;
use crate::config::Settings;

/// Removes triggers and bookkeeping from the database, leaving the application's tables and rows
///
/// The data directory stays: remove it by hand when the signed history is not wanted any more.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  treaty uninstall --database sqlite:notes.db")]
pub(crate) struct UninstallArgs {
    #[command(flatten)]
    place: Place,
}

/// Runs the command.
pub(crate) fn run(args: &UninstallArgs, format: Format) -> Result<()> {
    let home = args.place.home()?;
    let config = args.place.config(&home, Settings::default())?;
    let _lock = home.path().exists().then(|| home.lock()).transpose()?;
    let uninstalled = database::uninstall(&config.database)?;
    let object = UninstalledObject {
        database: config.database.to_string(),
        space: uninstalled.space,
        tables: uninstalled.tables,
        waiting: uninstalled.waiting_count,
    };
    format.print(&object, text)
}

fn text(object: &UninstalledObject) -> String {
    let mut lines = vec![format!("{} is the application's alone again: {}", object.database, object.tables.join(", "))];
    if object.waiting > 0 {
        lines.push(format!("{} changes were not in the log yet; no other node will see them", object.waiting));
    }
    lines.join("\n")
}
