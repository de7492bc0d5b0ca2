//! Printing: an object as JSON or as text for people, tables, progress, and errors with their whole chain.
//!
//! Results go to stdout, everything else to stderr. A reader that goes away (`treaty log | head`) ends the command
//! quietly.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use anyhow::Result;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

/// How results are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Text for people.
    Text,
    /// One JSON object, or one per line.
    Json,
}

impl Format {
    /// Prints one result: `object` as a line of JSON, or what `text` says.
    ///
    /// # Errors
    /// If stdout cannot be written.
    pub fn print<T: Serialize>(self, object: &T, text: impl FnOnce(&T) -> String) -> Result<()> {
        let line = match self {
            Format::Json => serde_json::to_string(object)?,
            Format::Text => text(object),
        };
        print_line(&line)
    }
}

/// Prints `line` and flushes, so that a reader of a pipe sees it at once.
///
/// # Errors
/// If stdout cannot be written.
pub fn print_line(line: &str) -> Result<()> {
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{}", line.trim_end_matches('\n'))?;
    stdout.flush()?;
    Ok(())
}

/// Returns a table with `header`, drawn plainly, for people.
#[must_use]
pub fn table(header: &[&str]) -> comfy_table::Table {
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::UTF8_FULL_CONDENSED);
    table.set_header(header);
    table
}

/// Returns the first characters of an id, enough for people.
#[must_use]
pub fn short(id: &str) -> &str {
    id.get(..12).unwrap_or(id)
}

/// Progress of long work: a bar on a terminal, a plain line every few seconds elsewhere.
#[derive(Debug)]
pub struct Progress {
    label: &'static str,
    bar: Option<ProgressBar>,
    printed: Instant,
}

/// Time between two plain progress lines.
const PLAIN_LINE_EVERY: Duration = Duration::from_secs(3);

impl Progress {
    /// Begins work called `label`, on stderr.
    #[must_use]
    pub fn begin(label: &'static str) -> Progress {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new_spinner();
            bar.set_message(label);
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        });
        Progress { label, bar, printed: Instant::now() }
    }

    /// Says that `done` of `total` units are done; `None` if nobody knows how many there are.
    pub fn update(&mut self, done: u64, total: Option<u64>) {
        if let Some(bar) = &self.bar {
            match total {
                Some(total) if total > 0 => {
                    if bar.length() != Some(total) {
                        bar.set_length(total);
                        bar.set_style(bar_style());
                    }
                    bar.set_position(done.min(total));
                }
                _ => bar.set_message(format!("{}: {done}", self.label)),
            }
            return;
        }
        if self.printed.elapsed() < PLAIN_LINE_EVERY {
            return;
        }
        self.printed = Instant::now();
        match total {
            Some(total) => eprintln!("{}: {done} of {total}", self.label),
            None => eprintln!("{}: {done}", self.label),
        }
    }

    /// Ends the work and clears the bar.
    pub fn finish(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}

fn bar_style() -> ProgressStyle {
    ProgressStyle::with_template("{msg} [{bar:32}] {pos}/{len} {per_sec} {eta}")
        .map_or_else(|_| ProgressStyle::default_bar(), |style| style.progress_chars("=> "))
}

/// Prints `error` with everything that caused it on stderr.
pub fn print_error(error: &anyhow::Error) {
    let mut lines = vec![format!("error: {error}")];
    for cause in error.chain().skip(1) {
        let text = cause.to_string();
        // Some libraries repeat their source in their own text; do not say it twice.
        if !lines.last().is_some_and(|line| line.contains(&text)) {
            lines.push(format!("  because: {text}"));
        }
    }
    eprintln!("{}", lines.join("\n"));
}

/// Returns whether `error` only says that the reader of stdout went away.
#[must_use]
pub fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause.downcast_ref::<std::io::Error>().is_some_and(|cause| cause.kind() == std::io::ErrorKind::BrokenPipe)
    })
}
