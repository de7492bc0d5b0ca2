//! `treaty-ddl`: checks schema files and prints the SQL made from them.

use std::io::{stderr, stdout};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use treaty_ddl::command::{self, CommandError, Database, Outcome};

/// Checks schema files and prints the SQL made from them.
#[derive(Parser)]
#[command(
    version,
    after_help = "Examples:\n  treaty-ddl check schema.sql\n  treaty-ddl sql schema.sql --for sqlite | sqlite3 app.db"
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Checks a schema file; prints every mistake with its place and remedy
    Check {
        /// The schema file
        file: PathBuf,
        /// Print one JSON object: {ok, diagnostics: [{file, line, column, message, help}]}
        #[arg(long)]
        json: bool,
    },
    /// Prints the SQL that makes a database hold the schema
    Sql {
        /// The schema file
        file: PathBuf,
        /// The database
        #[arg(long = "for", value_enum)]
        database: Database,
    },
}

fn main() -> ExitCode {
    match run(&Arguments::parse().command) {
        Ok(outcome) => ExitCode::from(outcome.exit_code()),
        Err(error) => {
            eprintln!("error: {:#}", anyhow::Error::from(error));
            ExitCode::from(1)
        }
    }
}

fn run(command: &Command) -> Result<Outcome, CommandError> {
    match command {
        Command::Check { file, json: true } => command::check_json(file, &mut stdout()),
        Command::Check { file, json: false } => command::check(file, &mut stdout()),
        Command::Sql { file, database } => command::print_sql(file, *database, &mut stdout(), &mut stderr()),
    }
}
