//! Histories of rows, told as text: entries with authors, parents and operations, signed as told, good or bad.
//!
//! A line is an entry: `e1 @ben on genesis: insert notes n1 title=x; update n0 title=y | delete n1`. Before the colon stand
//! its name, its author (by number, or one of [`AUTHORS`]), and its parents (`on a b`). `;` separates operations, `|` co-transactions. A row is
//! called by the label of its insert; its id is made from the label, or from another (`insert notes n2 id=n1 ...`).
//! Values are as the column's type reads them; `NULL`, `@3` for an identity, a label for a row, `x*9` for nine letters. Columns of an insert
//! that are not told are NULL; an update writes exactly the columns told, in the order of the table.

use std::collections::BTreeMap;

use treaty_engine::hash::{EntryId, SpaceId};
use treaty_engine::log::{Entry, EntryDraft};
use treaty_engine::relation::payload::{
    GenesisPayload, NamedCell, NamedOperation, NamedRow, NamedShape, Payload, PayloadBuilder,
};
use treaty_engine::relation::{RowId, RowName};
use treaty_schema::{LogicalType, Patch, Schema, Table, Value};

use crate::dag::keypair;

/// Authors with names: the first is number 0.
pub const AUTHORS: [&str; 10] = ["anna", "ben", "cleo", "dora", "eric", "fred", "gina", "hugo", "mallory", "puppet"];

/// A history as told so far.
#[derive(Debug, Clone)]
pub struct Story {
    /// The schema.
    pub schema: Schema,
    /// The entries by name, in the order told; the first is `genesis`.
    pub entries: Vec<(String, Entry)>,
    rows: BTreeMap<String, ToldRow>,
}

/// A row that was told of.
#[derive(Debug, Clone, Copy)]
struct ToldRow {
    table: usize,
    /// The entry being told has no id yet.
    entry: Option<EntryId>,
    transaction: u32,
    operation: u32,
}

impl Story {
    /// Begins with the genesis of author 0.
    ///
    /// * `rows` - its inserts, separated by `;`.
    pub fn begin(patch: &Patch, rows: &str) -> Story {
        Story::begin_at(patch, rows, 0)
    }

    /// Begins at another time, so that all ids are others.
    pub fn begin_at(patch: &Patch, rows: &str, time_ms: u64) -> Story {
        let schema = Schema::empty().apply(patch).expect("a drawn schema is valid");
        let mut story = Story { schema, entries: Vec::new(), rows: BTreeMap::new() };
        let mut builder = PayloadBuilder::new();
        let transactions = story.transactions(rows);
        for operations in &transactions {
            builder.push(operations);
        }
        let payload = GenesisPayload::encode([7; 16], patch, builder);
        let draft = EntryDraft { space: None, parents: Vec::new(), height: 0, time_ms };
        let entry = Entry::sign(&keypair(0), draft, payload).expect("a told genesis keeps the format");
        story.keep("genesis", entry);
        story
    }

    /// Tells one more entry.
    pub fn tell(&mut self, line: &str) -> Entry {
        let (head, body) = line.split_once(':').expect("a line has a colon");
        let mut words = head.split_whitespace();
        let name = words.next().expect("an entry has a name");
        let author = words.next().and_then(|word| word.strip_prefix('@')).expect("an entry has an author");
        assert_eq!(words.next(), Some("on"), "an entry is on something");
        let parents: Vec<EntryId> = words.map(|parent| self.id(parent)).collect();
        let mut builder = PayloadBuilder::new();
        let transactions = self.transactions(body);
        for operations in &transactions {
            builder.push(operations);
        }
        let heights = parents.iter().map(|parent| self.entry_of(parent).header().height);
        let draft = EntryDraft {
            space: Some(self.space()),
            height: 1 + heights.max().expect("an entry has parents"),
            parents: parents.clone(),
            time_ms: self.entries.len() as u64,
        };
        let author = keypair(author_number(author));
        let entry = Entry::sign(&author, draft, builder.finish()).expect("a told entry keeps the format");
        self.keep(name, entry.clone());
        entry
    }

    /// The space.
    pub fn space(&self) -> SpaceId {
        SpaceId(*self.entries[0].1.id())
    }

    /// The id of an entry.
    pub fn id(&self, name: &str) -> EntryId {
        *self.entry(name).id()
    }

    /// An entry.
    #[expect(clippy::panic, reason = "a name that was not told is a mistake in the test, and is to be told")]
    pub fn entry(&self, name: &str) -> &Entry {
        let found = self.entries.iter().find(|(known, _)| known == name);
        found.map_or_else(|| panic!("no entry is called {name}"), |(_, entry)| entry)
    }

    /// The permanent name of a row.
    pub fn row_name(&self, label: &str) -> RowName {
        let told = self.told(label);
        RowName {
            entry: told.entry.expect("the row's entry is told"),
            transaction: told.transaction,
            operation: told.operation,
        }
    }

    /// The label of a row.
    pub fn label(&self, name: RowName) -> Option<&str> {
        let is_it = |told: &ToldRow| {
            (told.entry, told.transaction, told.operation) == (Some(name.entry), name.transaction, name.operation)
        };
        self.rows.iter().find(|(_, told)| is_it(told)).map(|(label, _)| label.as_str())
    }

    /// The name of an entry.
    pub fn name(&self, id: &EntryId) -> Option<&str> {
        self.entries.iter().find(|(_, entry)| entry.id() == id).map(|(name, _)| name.as_str())
    }

    /// How many co-transactions an entry carries.
    pub fn transaction_count(&self, id: &EntryId) -> u32 {
        let payload = self.entry_of(id).payload().to_vec();
        Payload::decode(payload).map_or(1, |payload| payload.transaction_count())
    }

    /// The id that a label makes.
    pub fn row_id(label: &str) -> RowId {
        let mut id = [0; 16];
        id.copy_from_slice(&treaty_engine::hash::PayloadHash::of(label.as_bytes()).0[..16]);
        id[6] = id[6] & 0x0f | 0x40;
        id[8] = id[8] & 0x3f | 0x80;
        RowId(id)
    }

    fn entry_of(&self, id: &EntryId) -> &Entry {
        &self.entries.iter().find(|(_, entry)| entry.id() == id).expect("the entry is told").1
    }

    fn keep(&mut self, name: &str, entry: Entry) {
        for row in self.rows.values_mut() {
            row.entry.get_or_insert(*entry.id());
        }
        self.entries.push((name.to_owned(), entry));
    }

    #[expect(clippy::panic, reason = "a label that was not told is a mistake in the test, and is to be told")]
    fn told(&self, label: &str) -> ToldRow {
        *self.rows.get(label).unwrap_or_else(|| panic!("no row is called {label}"))
    }

    fn transactions(&mut self, body: &str) -> Vec<Vec<NamedOperation>> {
        let texts: Vec<Vec<&str>> = body
            .split('|')
            .map(|transaction| transaction.split(';').map(str::trim).filter(|text| !text.is_empty()).collect())
            .filter(|transaction: &Vec<&str>| !transaction.is_empty())
            .collect();
        for (transaction, operations) in (0..).zip(&texts) {
            for (operation, text) in (0..).zip(operations) {
                if let ["insert", table, label, ..] = text.split_whitespace().collect::<Vec<_>>()[..] {
                    let (table, _) = self.schema.table_by_name(table).expect("a told table is drawn");
                    let row = ToldRow { table, entry: None, transaction, operation };
                    assert!(self.rows.insert(label.to_owned(), row).is_none(), "label {label} is told twice");
                }
            }
        }
        let told = |operations: &Vec<&str>| operations.iter().map(|text| self.operation(text)).collect();
        texts.iter().map(told).collect()
    }

    #[expect(clippy::panic, reason = "an operation that cannot be read is a mistake in the test, and is to be told")]
    fn operation(&self, text: &str) -> NamedOperation {
        let words: Vec<&str> = text.split_whitespace().collect();
        match words[..] {
            ["insert", _, label, ref rest @ ..] => {
                let table = &self.schema.tables()[self.told(label).table];
                let (ids, cells): (Vec<&str>, Vec<&str>) = rest.iter().partition(|word| word.starts_with("id="));
                let id = Story::row_id(ids.first().map_or(label, |word| &word[3..]));
                let mut told = self.cells(table, &cells);
                let columns: Vec<usize> =
                    (0..table.columns.len()).filter(|column| *column != table.id_column).collect();
                let cells = columns.iter().map(|column| told.remove(column).flatten()).collect();
                NamedOperation::Insert { shape: shape(table, &columns), id, cells }
            }
            ["update", label, ref cells @ ..] => {
                let table = &self.schema.tables()[self.told(label).table];
                let (columns, cells): (Vec<usize>, Vec<_>) = self.cells(table, cells).into_iter().unzip();
                NamedOperation::Update { shape: shape(table, &columns), row: self.row(label), cells }
            }
            ["delete", label] => {
                let table = &self.schema.tables()[self.told(label).table];
                NamedOperation::Delete { table: table.id, row: self.row(label) }
            }
            _ => panic!("no operation is told by {text:?}"),
        }
    }

    fn cells(&self, table: &Table, words: &[&str]) -> BTreeMap<usize, Option<NamedCell>> {
        let cell = |word: &&str| {
            let (column, value) = word.split_once('=').expect("a cell has an equals sign");
            let (index, column) = table.column_by_name(column).expect("a told column is drawn");
            let is_reference = table.foreign_key_of(index).is_some();
            let content = match value {
                "NULL" => None,
                label if is_reference && self.rows.contains_key(label) => Some(NamedCell::Row(self.row(label))),
                text => Some(NamedCell::Value(told_value(column.logical_type, text))),
            };
            (index, content)
        };
        words.iter().map(cell).collect()
    }

    fn row(&self, label: &str) -> NamedRow {
        let told = self.told(label);
        match told.entry {
            None => NamedRow::Own { transaction: told.transaction, operation: told.operation },
            Some(_) => NamedRow::Past(self.row_name(label)),
        }
    }
}

fn author_number(told: &str) -> u8 {
    let named = (0..).zip(AUTHORS).find(|(_, name)| *name == told).map(|(number, _)| number);
    named.unwrap_or_else(|| told.parse().expect("an author has a name, or is a number below 256"))
}

/// Reads a value as told; a text may be one word only. `ab*3` is the text `ababab`.
pub fn told_value(logical_type: LogicalType, text: &str) -> Value {
    if let (LogicalType::Text, Some((unit, count))) = (logical_type, text.split_once('*')) {
        let text = unit.repeat(count.parse().expect("after the star of a text stands how often"));
        return LogicalType::Text.parse(&text).expect("a told text has no NUL");
    }
    match (logical_type, text.strip_prefix('@')) {
        (LogicalType::Identity, Some(author)) => Value::Identity(keypair(author_number(author)).identity()),
        // Too long a text is for the judge to refuse.
        (LogicalType::Varchar { .. }, _) => LogicalType::Text.parse(text).expect("a told text has no NUL"),
        _ => logical_type.parse(text).expect("a told value is of its column's type"),
    }
}

fn shape(table: &Table, columns: &[usize]) -> NamedShape {
    NamedShape { table: table.id, columns: columns.iter().map(|column| table.columns[*column].id).collect() }
}
