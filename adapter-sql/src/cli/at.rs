//! `treaty at`: a table as it was.

use anyhow::{Result, anyhow};
use clap::Args;
use treaty_engine::relation::RowId;
use treaty_engine::replica::{ReplicaError, RowImage};

use super::objects::RowObject;
use super::output::{self, Format, print_line};
use super::place::Place;
use super::rows::{cell_text, raw_json};
use super::view::{NodeView, table_named};
use crate::capture::json_of_columns;

/// Prints a table as it was at a version
///
/// A version is one or more entry ids (64 hex digits) joined by commas, as `frontier` in `treaty status` and `entry` in
/// `treaty log` print them, or the word `now`. With --json, one line per row.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  treaty at now notes --database sqlite:notes.db
  treaty at $(treaty status --json | jq -r '.frontier | join(\",\")') notes --json")]
pub(crate) struct AtArgs {
    /// The version: entry ids joined by commas, or now
    version: String,
    /// The table
    table: String,
    /// Judge by what was known at this version, which must hold VERSION [default: now]
    #[arg(long, value_name = "VERSION")]
    from: Option<String>,
    #[command(flatten)]
    place: Place,
}

/// Runs the command.
pub(crate) fn run(args: &AtArgs, format: Format) -> Result<()> {
    let node = NodeView::open(&args.place)?;
    let at = node.version(&args.version)?;
    let from = match &args.from {
        Some(from) => node.version(from)?,
        None => node.replica.frontier(),
    };
    let (index, table) = table_named(node.replica.schema(), &args.table)?;
    let names: Vec<&str> = table.columns.iter().map(|column| column.name.as_str()).collect();
    let mut drawn = output::table(&names);
    let mut visit = |shown: RowId, image: RowImage| -> Result<(), AtError> {
        match format {
            Format::Text => {
                let cells = image.cells.iter().enumerate();
                drawn.add_row(cells.map(|(column, value)| {
                    if column == table.id_column { shown.to_string() } else { cell_text(value.as_ref()) }
                }));
            }
            Format::Json => {
                let columns = (0..table.columns.len()).filter(|column| *column != table.id_column);
                let object = RowObject {
                    id: shown.to_string(),
                    author: image.author.to_string(),
                    values: raw_json(&json_of_columns(table, &image.cells, columns)),
                };
                format.print(&object, |_| String::new())?;
            }
        }
        Ok(())
    };
    node.replica.rows_at(index, &at, &from, &mut visit).map_err(|cause| match cause {
        AtError::Replica(ReplicaError::NotWithin) => {
            anyhow!("the version given with --from does not hold the version asked for; swap them, or leave --from out")
        }
        other => other.into(),
    })?;
    match format {
        Format::Text => print_line(&drawn.to_string()),
        Format::Json => Ok(()),
    }
}

/// Why the rows cannot be shown.
#[derive(Debug, thiserror::Error)]
enum AtError {
    /// They cannot be read.
    #[error(transparent)]
    Replica(#[from] ReplicaError),
    /// They cannot be printed.
    #[error(transparent)]
    Print(#[from] anyhow::Error),
}
