//! The commands `check` and `sql`: what `treaty schema` and the binary `treaty-ddl` share.

use std::io::Write;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::{Diagnostic, SchemaFile, parse, sql};

/// The database that SQL is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Database {
    /// SQLite.
    Sqlite,
    /// PostgreSQL.
    Postgres,
}

/// How a command went; [`Outcome::exit_code`] is what the process ends with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It did what was asked.
    Done,
    /// The schema file holds mistakes.
    Mistakes,
}

impl Outcome {
    /// The exit code: 0, or 1 for an operational failure.
    pub fn exit_code(self) -> u8 {
        match self {
            Outcome::Done => 0,
            Outcome::Mistakes => 1,
        }
    }
}

/// Why a command did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// The schema file could not be read.
    #[error("reading the schema file {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        cause: std::io::Error,
    },
    /// The output could not be written.
    #[error("writing the output")]
    Write(#[from] std::io::Error),
    /// The output could not be made JSON.
    #[error("writing JSON")]
    Json(#[from] serde_json::Error),
}

/// What `check --json` prints.
#[derive(Serialize)]
struct CheckReport<'d> {
    ok: bool,
    diagnostics: &'d [Diagnostic],
}

/// Checks a schema file; prints what is wrong with it, or a word and its notes.
///
/// # Errors
/// [`CommandError::Read`], and those of writing.
pub fn check(path: &Path, out: &mut impl Write) -> Result<Outcome, CommandError> {
    let (outcome, diagnostics) = judge(path)?;
    for diagnostic in &diagnostics {
        let kind = if outcome == Outcome::Done { "note: " } else { "" };
        writeln!(out, "{kind}{diagnostic}")?;
    }
    match (outcome, diagnostics.len()) {
        (Outcome::Done, _) => writeln!(out, "{}: valid", path.display())?,
        (Outcome::Mistakes, 1) => writeln!(out, "{}: 1 mistake", path.display())?,
        (Outcome::Mistakes, count) => writeln!(out, "{}: {count} mistakes", path.display())?,
    }
    Ok(outcome)
}

/// Checks a schema file; prints one JSON object, `{ok, diagnostics}`. When it is ok, the diagnostics are notes.
///
/// # Errors
/// [`CommandError::Read`], and those of writing.
pub fn check_json(path: &Path, out: &mut impl Write) -> Result<Outcome, CommandError> {
    let (outcome, diagnostics) = judge(path)?;
    serde_json::to_writer(&mut *out, &CheckReport { ok: outcome == Outcome::Done, diagnostics: &diagnostics })?;
    writeln!(out)?;
    Ok(outcome)
}

/// Prints the SQL of a schema file for a database; of a file with mistakes, prints those to `err`.
///
/// # Errors
/// [`CommandError::Read`], and those of writing.
pub fn print_sql(
    path: &Path,
    database: Database,
    out: &mut impl Write,
    err: &mut impl Write,
) -> Result<Outcome, CommandError> {
    match read(path)? {
        Ok(file) => {
            match database {
                Database::Sqlite => write!(out, "{}", sql::sqlite::install(&file.schema))?,
                Database::Postgres => write!(out, "{}", sql::postgres::install(&file.schema))?,
            }
            Ok(Outcome::Done)
        }
        Err(diagnostics) => {
            for diagnostic in diagnostics {
                writeln!(err, "{diagnostic}")?;
            }
            Ok(Outcome::Mistakes)
        }
    }
}

fn judge(path: &Path) -> Result<(Outcome, Vec<Diagnostic>), CommandError> {
    Ok(match read(path)? {
        Ok(file) => (Outcome::Done, file.notes),
        Err(diagnostics) => (Outcome::Mistakes, diagnostics),
    })
}

/// Reads and parses a schema file.
///
/// # Errors
/// [`CommandError::Read`]; the mistakes of the file are the inner result's.
pub fn read(path: &Path) -> Result<Result<SchemaFile, Vec<Diagnostic>>, CommandError> {
    let text = std::fs::read_to_string(path).map_err(|cause| CommandError::Read { path: path.to_owned(), cause })?;
    Ok(parse(&path.display().to_string(), &text))
}
