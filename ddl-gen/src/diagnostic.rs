//! Diagnostics: what is wrong in a schema file, where, and what to write instead.

use std::fmt;

use serde::Serialize;
use sqlparser::tokenizer::Location;

/// One mistake in a schema file, or one note about it; the JSON of `treaty schema check --json` has these fields.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// The file as it was named to the parser.
    pub file: String,
    /// Line, from 1.
    pub line: u64,
    /// Column, from 1, in characters.
    pub column: u64,
    /// What is wrong, one sentence in lower case without a full stop.
    pub message: String,
    /// What to write instead, where there is an answer.
    pub help: Option<String>,
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: {}", self.file, self.line, self.column, self.message)?;
        match &self.help {
            Some(help) => write!(f, "\n  help: {help}"),
            None => Ok(()),
        }
    }
}

/// A mistake before it knows its file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mistake {
    /// Where it starts.
    pub(crate) at: Location,
    /// See [`Diagnostic::message`].
    pub(crate) message: String,
    /// See [`Diagnostic::help`].
    pub(crate) help: Option<String>,
}

impl Mistake {
    /// Makes a mistake without a remedy.
    pub(crate) fn new(at: Location, message: impl Into<String>) -> Mistake {
        Mistake { at, message: message.into(), help: None }
    }

    /// Adds what to write instead.
    pub(crate) fn help(mut self, help: impl Into<String>) -> Mistake {
        self.help = Some(help.into());
        self
    }

    /// Names the file.
    pub(crate) fn in_file(self, file: &str) -> Diagnostic {
        let Mistake { at, message, help } = self;
        Diagnostic { file: file.to_owned(), line: at.line.max(1), column: at.column.max(1), message, help }
    }
}
