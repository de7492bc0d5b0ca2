//! The command line: what a person types, one file per command.
//!
//! A command parses into its `…Args`, works, and prints one object through [`output::Format`]: text for people, JSON
//! with `--json`. Exit codes: 0 success, 1 operational failure, 2 wrong usage. Errors go to stderr with everything
//! that caused them, and say what to do.

pub mod objects;
pub mod output;
pub mod place;

mod at;
mod database;
mod demo;
mod identity;
mod init;
mod invite;
mod join;
mod log;
mod open;
mod peers;
mod rejudge;
mod rollbacks;
pub(crate) mod rows;
mod schema;
pub(crate) mod status;
mod uninstall;
mod up;
mod verify;
mod view;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use output::Format;

/// Keeps an ordinary SQL database and a signed, replicated log in step.
#[derive(Debug, Parser)]
#[command(name = "treaty", version, after_help = EXAMPLES, max_term_width = 110)]
struct Cli {
    /// Print JSON: one object, or one per line
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "Examples:
  treaty demo                                              see it work, in a minute
  treaty init --schema notes.sql --database sqlite:a.db    make a space out of a database
  treaty up --database sqlite:a.db                         keep it in sync
  treaty invite --database sqlite:a.db                     print a ticket for somebody else
  treaty join TICKET --database sqlite:b.db                join with it";

#[derive(Debug, Subcommand)]
enum Command {
    Identity(identity::IdentityArgs),
    Init(init::InitArgs),
    Invite(invite::InviteArgs),
    Join(join::JoinArgs),
    Up(up::UpArgs),
    Status(status::StatusArgs),
    Rollbacks(rollbacks::RollbacksArgs),
    Log(log::LogArgs),
    At(at::AtArgs),
    Verify(verify::VerifyArgs),
    Schema(schema::SchemaArgs),
    Uninstall(uninstall::UninstallArgs),
    Demo(demo::DemoArgs),
}

/// Runs the command line of this process and returns its exit code.
#[must_use]
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => error.exit(),
    };
    let format = if cli.json { Format::Json } else { Format::Text };
    init_tracing();
    match run(cli.command, format) {
        Ok(code) => code,
        Err(error) if output::is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            output::print_error(&error);
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command, format: Format) -> anyhow::Result<ExitCode> {
    match command {
        Command::Identity(args) => identity::run(&args, format)?,
        Command::Init(args) => init::run(&args, format)?,
        Command::Invite(args) => invite::run(&args, format)?,
        Command::Join(args) => join::run(&args, format)?,
        Command::Up(args) => up::run(&args, format)?,
        Command::Status(args) => status::run(&args, format)?,
        Command::Rollbacks(args) => rollbacks::run(&args, format)?,
        Command::Log(args) => log::run(&args, format)?,
        Command::At(args) => at::run(&args, format)?,
        Command::Verify(args) => return verify::run(&args, format),
        Command::Schema(args) => return Ok(ExitCode::from(schema::run(&args, format)?.exit_code())),
        Command::Uninstall(args) => uninstall::run(&args, format)?,
        Command::Demo(args) => demo::run(&args)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Logs to stderr: warnings, or what `TREATY_LOG` asks for (for example `debug` or `treaty=trace`).
fn init_tracing() {
    let filter = tracing_subscriber::EnvFilter::try_from_env("TREATY_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn"));
    // It would print a line of ~/.pgpass that it does not understand.
    let filter = match "sqlx_postgres::options::pgpass=off".parse() {
        Ok(quiet) => filter.add_directive(quiet),
        Err(_) => filter,
    };
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_definitions_are_consistent() {
        Cli::command().debug_assert();
    }
}
