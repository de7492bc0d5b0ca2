//! `treaty rollbacks`: changes that did not survive.

use std::time::Duration;

use anyhow::Result;
use clap::Args;

use super::objects::RollbackObject;
use super::output::Format;
use super::place::Place;
use super::rows::raw_json;
use crate::config::Settings;
use crate::database::Rollback;
use crate::peek::{self, PageMax};

/// Lists changes that did not survive, with the values that were lost and why
///
/// The same as the table treaty_rollbacks. Each report has a cursor; remember the last one and pass it to --after.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  treaty rollbacks --database sqlite:notes.db
  treaty rollbacks --database sqlite:notes.db --after 17 --follow --json")]
pub(crate) struct RollbacksArgs {
    #[command(flatten)]
    place: Place,
    /// Only reports after this cursor
    #[arg(long, value_name = "CURSOR", default_value_t = 0)]
    after: u64,
    /// Keep waiting for new reports until interrupted
    #[arg(long)]
    follow: bool,
}

/// How often `--follow` looks.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// What is read at a time.
const PAGE: PageMax = PageMax { reports: 500, bytes: 1 << 20 };

/// Runs the command.
pub(crate) fn run(args: &RollbacksArgs, format: Format) -> Result<()> {
    let home = args.place.home_with_space()?;
    let config = args.place.config(&home, Settings::default())?;
    let mut peek = peek::open(&config.database)?;
    let mut cursor = args.after;
    loop {
        let reports = peek.rollbacks(cursor, PAGE)?;
        let Some(last) = reports.last() else {
            if !args.follow {
                return Ok(());
            }
            std::thread::sleep(LOOK_EVERY);
            continue;
        };
        cursor = last.cursor;
        for report in &reports {
            format.print(report, text)?;
        }
    }
}

impl From<Rollback> for RollbackObject {
    fn from(rollback: Rollback) -> RollbackObject {
        let Rollback { cursor, report, noticed, reinstated } = rollback;
        RollbackObject {
            cursor: cursor.unsigned_abs(),
            entry: report.entry,
            table: report.table,
            row: report.row,
            operation: report.operation.word().to_owned(),
            author: report.author,
            lost: raw_json(&report.lost),
            reason: report.reason,
            message: report.message,
            culprit: report.culprit,
            noticed,
            reinstated,
        }
    }
}

fn text(report: &RollbackObject) -> String {
    let back = if report.reinstated.is_some() { " (reinstated)" } else { "" };
    format!(
        "{}  {}  {} of {} {}: {}{back}\n    lost: {}",
        report.cursor, report.noticed, report.operation, report.table, report.row, report.message, report.lost
    )
}
