//! `treaty log`: who did what, when, with which verdict.

use anyhow::{Context, Result};
use clap::Args;
use treaty_engine::replica::{LogItem, LogOperation, Verb, Verdict};
use treaty_schema::{LogicalType, Schema, Value};

use super::objects::LogObject;
use super::output::{Format, short};
use super::place::Place;
use super::rows::raw_json;
use super::view::{NodeView, table_named};
use crate::capture::json_of_some;

/// Shows who did what and when, newest first
///
/// One line per operation. `time` is what the author's clock said; it decides nothing. What is marked as void has no
/// effect, as far as this node knows.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  treaty log --database sqlite:notes.db --limit 20
  treaty log --database sqlite:notes.db --table notes --row 0190b2c4-0000-4000-8000-000000000001")]
pub(crate) struct LogArgs {
    #[command(flatten)]
    place: Place,
    /// Only operations on this table
    #[arg(long, value_name = "TABLE")]
    table: Option<String>,
    /// Only operations on the row with this id
    #[arg(long, value_name = "ID", requires = "table")]
    row: Option<String>,
    /// At most this many operations
    #[arg(long, value_name = "N", default_value_t = 50)]
    limit: u64,
}

/// Entries read at a time.
const PAGE_ENTRIES: usize = 200;

/// Which operations are wanted.
struct Wanted {
    table: Option<usize>,
    row: Option<[u8; 16]>,
    left: u64,
}

/// Runs the command.
pub(crate) fn run(args: &LogArgs, format: Format) -> Result<()> {
    let node = NodeView::open(&args.place)?;
    let schema = node.replica.schema();
    let table = args.table.as_deref().map(|name| table_named(schema, name)).transpose()?;
    let row = args.row.as_deref().map(parse_row).transpose()?;
    let mut wanted = Wanted { table: table.map(|(index, _)| index), row, left: args.limit };
    let mut page = node.replica.log(None, PAGE_ENTRIES)?;
    loop {
        for item in &page.items {
            print_item(schema, item, &mut wanted, format)?;
        }
        if wanted.left == 0 || page.next.is_none() {
            return Ok(());
        }
        page = node.replica.log(Some(&page), PAGE_ENTRIES)?;
    }
}

fn parse_row(text: &str) -> Result<[u8; 16]> {
    match LogicalType::Uuid.parse(text) {
        Ok(Value::Uuid(id)) => Ok(id),
        Ok(_) => anyhow::bail!("'{text}' is no row id"),
        Err(error) => Err(error).with_context(|| format!("'{text}' is no row id: write a UUID")),
    }
}

fn print_item(schema: &Schema, item: &LogItem, wanted: &mut Wanted, format: Format) -> Result<()> {
    for (index, transaction) in item.transactions.iter().enumerate() {
        for operation in &transaction.operations {
            let is_wanted = wanted.table.is_none_or(|table| table == operation.table)
                && wanted.row.is_none_or(|row| row == operation.id.0);
            if !is_wanted {
                continue;
            }
            if wanted.left == 0 {
                return Ok(());
            }
            wanted.left -= 1;
            format.print(&object(schema, item, index, operation), text)?;
        }
    }
    Ok(())
}

fn object(schema: &Schema, item: &LogItem, transaction: usize, operation: &LogOperation) -> LogObject {
    let table = &schema.tables()[operation.table];
    let verdict = Told::of(&item.transactions[transaction].verdict);
    LogObject {
        entry: item.id.to_string(),
        height: item.height,
        transaction: u32::try_from(transaction).unwrap_or(u32::MAX),
        author: item.author.to_string(),
        time: time_text(item.time_ms),
        operation: match operation.verb {
            Verb::Insert => "insert",
            Verb::Update => "update",
            Verb::Delete => "delete",
        },
        table: table.name.to_string(),
        row: operation.id.to_string(),
        values: raw_json(&json_of_some(table, &operation.cells)),
        verdict: verdict.word,
        reason: verdict.reason,
        message: verdict.message,
        culprit: verdict.culprit,
    }
}

/// A verdict as it is printed.
struct Told {
    word: &'static str,
    reason: Option<String>,
    message: Option<String>,
    culprit: Option<String>,
}

impl Told {
    fn of(verdict: &Verdict) -> Told {
        match verdict {
            Verdict::Live => Told { word: "live", reason: None, message: None, culprit: None },
            Verdict::Void { reason, message, culprit } => Told {
                word: "void",
                reason: Some(reason.code().to_owned()),
                message: Some(message.clone()),
                culprit: culprit.map(|culprit| culprit.entry.to_string()),
            },
        }
    }
}

fn text(object: &LogObject) -> String {
    let values = match object.values.get() {
        "{}" => String::new(),
        values => format!(" {values}"),
    };
    let verdict = match (&object.message, &object.culprit) {
        (Some(message), Some(culprit)) => format!("\n    void: {message} (by {})", short(culprit)),
        (Some(message), None) => format!("\n    void: {message}"),
        (None, _) => String::new(),
    };
    format!(
        "{} {} {} {} {} {}{values}{verdict}",
        short(&object.entry),
        object.time,
        short(&object.author),
        object.operation,
        object.table,
        object.row,
    )
}

/// Returns a time in RFC 3339, UTC, to the millisecond; a time that no calendar has as its number.
fn time_text(time_ms: u64) -> String {
    let time = i64::try_from(time_ms).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    time.map_or_else(|| format!("{time_ms} ms"), |time| format!("{time:.3}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_that_no_calendar_has_is_printed_as_a_number() {
        assert_eq!(time_text(1_700_000_000_123), "2023-11-14T22:13:20.123Z");
        assert_eq!(time_text(u64::MAX), "18446744073709551615 ms");
    }
}
