//! `treaty schema`: the schema tool. What it does is [`treaty_ddl::command`]; here it joins this command line.

use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, Subcommand};
use treaty_ddl::command::{self, Database, Outcome};

use super::output::Format;

/// Checks schema files and prints the SQL they become
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  treaty schema check notes.sql
  treaty schema sql notes.sql --for sqlite")]
pub(crate) struct SchemaArgs {
    #[command(subcommand)]
    command: SchemaCommand,
}

#[derive(Debug, Subcommand)]
enum SchemaCommand {
    /// Checks a schema file and reports all mistakes at once
    #[command(after_help = "Examples:
  treaty schema check notes.sql
  treaty schema check notes.sql --json")]
    Check {
        /// The schema file
        file: PathBuf,
    },
    /// Prints the SQL that a schema file becomes
    #[command(after_help = "Examples:
  treaty schema sql notes.sql --for sqlite | sqlite3 notes.db")]
    Sql {
        /// The schema file
        file: PathBuf,
        /// The database to write for
        #[arg(long = "for", value_name = "DATABASE", value_enum)]
        database: Database,
    },
}

/// Runs the command.
pub(crate) fn run(args: &SchemaArgs, format: Format) -> Result<Outcome> {
    let (mut out, mut err) = (std::io::stdout().lock(), std::io::stderr().lock());
    let outcome = match (&args.command, format) {
        (SchemaCommand::Check { file }, Format::Json) => command::check_json(file, &mut out)?,
        (SchemaCommand::Check { file }, Format::Text) => command::check(file, &mut out)?,
        (SchemaCommand::Sql { file, database }, _) => command::print_sql(file, *database, &mut out, &mut err)?,
    };
    Ok(outcome)
}
