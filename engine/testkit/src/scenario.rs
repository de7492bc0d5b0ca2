//! Scenarios: a history told as text, and what becomes of it, as text.
//!
//! A scenario is told to anything that evaluates ([`Evaluates`]): the oracle, the engine. Its report says of every entry whether it
//! stands, and why not, and shows the tables in the end. A line `show AT from FROM` of the story adds the tables of a
//! version, under the verdicts of another. A line that starts with `--` is a remark.

use std::collections::BTreeMap;
use std::fmt::Write;

use expect_test::Expect;
use treaty_engine::hash::EntryId;
use treaty_engine::log::Entry;
use treaty_engine::relation::{RowId, RowName};
use treaty_oracle::{CoTxName, History, ShownRow, Verdict};
use treaty_schema::{Patch, Value};

use crate::dag::keypair;
use crate::story::{AUTHORS, Story};

/// A story and its outcome.
#[derive(Debug)]
pub struct Scenario {
    /// The tables.
    pub schema: Patch,
    /// The rows of genesis.
    pub genesis: &'static str,
    /// One entry a line.
    pub story: &'static str,
    /// What is reported in the end.
    pub expected: Expect,
}

/// What can be told a history, and asked what it means.
pub trait Evaluates {
    /// Takes an entry in. Returns the code of the reason if it is refused.
    fn hear(&mut self, entry: &Entry) -> Option<&'static str>;

    /// Returns the verdict on a co-transaction, seen from all that was taken in.
    fn verdict(&mut self, of: CoTxName) -> Verdict;

    /// Returns the tables of a version, by table and id shown.
    ///
    /// * `from` - the version whose verdicts hold.
    fn rows(&mut self, at: &[EntryId], from: &[EntryId]) -> BTreeMap<(usize, RowId), ShownRow>;

    /// Returns the version of all that was taken in.
    fn heads(&mut self) -> Vec<EntryId>;
}

impl Evaluates for History {
    fn hear(&mut self, entry: &Entry) -> Option<&'static str> {
        let refused = self.judge(entry).map(treaty_engine::cotx::Reason::code);
        if refused.is_none() {
            self.add(entry).expect("what is admitted can be added");
        }
        refused
    }

    fn verdict(&mut self, of: CoTxName) -> Verdict {
        self.verdicts(&self.all_heads())[&of]
    }

    fn rows(&mut self, at: &[EntryId], from: &[EntryId]) -> BTreeMap<(usize, RowId), ShownRow> {
        self.shown_from(at, from)
    }

    fn heads(&mut self) -> Vec<EntryId> {
        self.all_heads()
    }
}

impl Scenario {
    /// Tells the story, and compares what is reported with what is expected.
    ///
    /// * `evaluator` - is handed the genesis, and evaluates what follows.
    pub fn check<E: Evaluates>(&self, evaluator: impl FnOnce(&Story) -> E) {
        self.expected.assert_eq(&self.told(0, evaluator));
    }

    /// Tells the story at some time. Returns what is reported.
    ///
    /// * `time_ms` - makes ids others; what is reported must not depend on them.
    pub fn told<E: Evaluates>(&self, time_ms: u64, evaluator: impl FnOnce(&Story) -> E) -> String {
        let mut story = Story::begin_at(&self.schema, self.genesis, time_ms);
        let mut evaluator = evaluator(&story);
        self.report(&mut story, &mut evaluator)
    }

    /// The entries of the story, genesis first, and which of them the oracle admits.
    pub fn admitted(&self) -> (Story, Vec<Entry>) {
        let mut story = Story::begin(&self.schema, self.genesis);
        let mut history = History::new(story.schema.clone());
        history.add(story.entry("genesis")).expect("the genesis is one");
        for line in self.lines().filter(|line| !line.starts_with("show ")) {
            history.hear(&story.tell(line));
        }
        let admitted = story.entries.iter().map(|(_, entry)| entry.clone());
        let admitted = admitted.filter(|entry| history.contains(entry.id())).collect();
        (story, admitted)
    }

    fn lines(&self) -> impl Iterator<Item = &'static str> {
        self.story.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("--"))
    }

    fn report<E: Evaluates>(&self, story: &mut Story, evaluator: &mut E) -> String {
        let (mut told, mut shows) = (Vec::new(), Vec::new());
        for line in self.lines() {
            if let Some(show) = line.strip_prefix("show ") {
                shows.push(show);
                continue;
            }
            let entry = story.tell(line);
            let refused = evaluator.hear(&entry);
            told.push((*entry.id(), refused));
        }
        let mut report = String::new();
        for (entry, refused) in told {
            match refused {
                Some(reason) => line(&mut report, name(story, &entry), &format!("refused: {reason}")),
                None => verdicts(&mut report, story, evaluator, entry),
            }
        }
        let heads = evaluator.heads();
        tables(&mut report, story, &evaluator.rows(&heads, &heads));
        for show in shows {
            let (at, from) = show.split_once(" from ").expect("tables are shown at a version from another");
            let version = |text: &str| match text {
                "all" => heads.clone(),
                names => {
                    let mut ids: Vec<EntryId> = names.split_whitespace().map(|name| story.id(name)).collect();
                    ids.sort_unstable();
                    ids
                }
            };
            let rows = evaluator.rows(&version(at), &version(from));
            writeln!(report, "at {at} from {from}:").expect("writing to a String does not fail");
            tables(&mut report, story, &rows);
        }
        report
    }
}

fn line(report: &mut String, name: &str, text: &str) {
    writeln!(report, "{name:<10} {text}").expect("writing to a String does not fail");
}

fn name<'s>(story: &'s Story, entry: &EntryId) -> &'s str {
    story.name(entry).expect("an entry was told")
}

fn verdicts<E: Evaluates>(report: &mut String, story: &Story, evaluator: &mut E, entry: EntryId) {
    let count = story.transaction_count(&entry);
    let called = |cotx: CoTxName| match story.transaction_count(&cotx.entry) {
        0 | 1 => name(story, &cotx.entry).to_owned(),
        _ => format!("{}.{}", name(story, &cotx.entry), cotx.transaction),
    };
    for transaction in 0..count {
        let cotx = CoTxName { entry, transaction };
        let text = match evaluator.verdict(cotx) {
            Verdict::Live => "live".to_owned(),
            Verdict::Void { reason, operation, culprit } => {
                let operation = operation.map_or_else(String::new, |operation| format!(" of operation {operation}"));
                let culprit = culprit.map_or_else(|| "nobody".to_owned(), called);
                format!("void: {}{operation}, lost to {culprit}", reason.code())
            }
        };
        line(report, &called(cotx), &text);
    }
}

/// One line for each table that has rows; of a row that is as it was in genesis, its label alone.
fn tables(report: &mut String, story: &Story, rows: &BTreeMap<(usize, RowId), ShownRow>) {
    let names: BTreeMap<RowId, RowName> = rows.iter().map(|((_, id), row)| (*id, row.name)).collect();
    let label = |name: RowName| story.label(name).expect("a row was told").to_owned();
    let genesis = story.id("genesis");
    for (index, table) in story.schema.tables().iter().enumerate() {
        let mut shown = Vec::new();
        for ((_, id), row) in rows.iter().filter(|((of, _), _)| *of == index) {
            let cell = |(column, cell): (usize, &Option<Value>)| {
                let value = value_told(cell.as_ref()?, &names, &label);
                (column != table.id_column).then(|| format!("{}={value}", table.columns[column].name))
            };
            let cells: Vec<String> = row.cells.iter().enumerate().filter_map(cell).collect();
            let is_renamed = id.is_derived();
            shown.push(match row.name.entry == genesis && !is_renamed {
                true => label(row.name),
                false => format!(
                    "{}({}){}",
                    label(row.name),
                    cells.join(" "),
                    if is_renamed { " under another id" } else { "" }
                ),
            });
        }
        shown.sort_unstable();
        if !shown.is_empty() {
            line(report, &format!("{}:", table.name), &shown.join(", "));
        }
    }
}

/// A text; of many equal letters, the letter and how many.
fn text_told(text: &str) -> String {
    const LETTERS_SHOWN_MAX: usize = 40;
    let (count, first) = (text.chars().count(), text.chars().next());
    match first {
        Some(letter) if count > LETTERS_SHOWN_MAX && text.chars().all(|other| other == letter) => {
            format!("{letter}*{count}")
        }
        _ => text.to_owned(),
    }
}

fn value_told(value: &Value, names: &BTreeMap<RowId, RowName>, label: &impl Fn(RowName) -> String) -> String {
    match value {
        Value::Text(text) => text_told(text.as_str()),
        Value::Integer(number) => number.to_string(),
        Value::Uuid(id) => names.get(&RowId(*id)).map_or_else(|| "a-row-that-is-gone".to_owned(), |name| label(*name)),
        Value::Identity(identity) => {
            let author = (0..).zip(AUTHORS).find(|(number, _)| keypair(*number).identity() == *identity);
            author.map_or_else(|| "@somebody".to_owned(), |(_, name)| format!("@{name}"))
        }
        other => format!("{other:?}"),
    }
}
