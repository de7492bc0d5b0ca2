//! Schema text to a checked schema: `parse`, the only reader of schema files.
//!
//! A file is read statement by statement and, in a table, element by element, so that a mistake hides no other. What was
//! read makes a [`Patch`]; [`Schema::apply`] is the only judge of its validity, and its violations are placed in the text.

mod cursor;
mod exists;
mod expr;
mod genesis;
mod insert;
mod literal;
mod names;
mod notes;
mod rules;
mod spans;
mod table;
mod taint;
mod types;
mod words;

use sqlparser::tokenizer::{Location, Token, TokenWithSpan};
use treaty_schema::{Change, Ident, Patch, Schema};

pub use genesis::{GenesisCell, GenesisRow};

use self::cursor::{Cursor, is_word, statements};
use self::insert::InsertText;
use self::names::Names;
use self::rules::UniqueIndex;
use self::spans::{ChangeSpans, locate};
use self::taint::Taint;
use self::words::statement_help;
use crate::diagnostic::{Diagnostic, Mistake};
use crate::limits::SCHEMA_BYTES_MAX;

/// A schema file that holds no mistake.
#[derive(Debug, Clone)]
pub struct SchemaFile {
    /// The file as data: what is hashed into the schema's version and signed into the genesis entry.
    pub patch: Patch,
    /// The patch applied to the empty schema.
    pub schema: Schema,
    /// Rows that the genesis entry inserts, in the order of the text.
    pub genesis_rows: Vec<GenesisRow>,
    /// What is no mistake but may surprise, by position: tables that nobody may write.
    pub notes: Vec<Diagnostic>,
}

/// Reads a schema file.
///
/// * `file` - its name, for the diagnostics only.
///
/// # Errors
/// Every mistake in the file, by position.
pub fn parse(file: &str, text: &str) -> Result<SchemaFile, Vec<Diagnostic>> {
    if text.len() > SCHEMA_BYTES_MAX {
        let message = format!("the file is {} bytes long, limit {SCHEMA_BYTES_MAX}", text.len());
        return Err(vec![Mistake::new(Location { line: 1, column: 1 }, message).in_file(file)]);
    }
    let mut reader = FileReader::default();
    let (statements, stop) = statements(text);
    reader.mistakes.extend(stop);
    for statement in &statements {
        reader.statement(statement);
    }
    reader.fold_indexes();
    reader.judge(file)
}

/// A file being read.
#[derive(Default)]
struct FileReader {
    patch: Patch,
    spans: Vec<ChangeSpans>,
    names: Vec<(Ident, Names)>,
    indexes: Vec<UniqueIndex>,
    inserts: Vec<InsertText>,
    mistakes: Vec<Mistake>,
    taint: Taint,
}

impl FileReader {
    /// Reads one statement, and those that follow it for want of a semicolon.
    fn statement(&mut self, tokens: &[TokenWithSpan]) {
        let mut rest = tokens;
        while !rest.is_empty() {
            let length = statement_length(rest);
            let (this, following) = rest.split_at(length);
            if let Some(next) = following.first() {
                self.mistakes
                    .push(Mistake::new(next.span.start, format!("a semicolon is missing before {}", next.token)));
            }
            self.single_statement(this);
            rest = following;
        }
    }

    fn single_statement(&mut self, tokens: &[TokenWithSpan]) {
        let mut cursor = Cursor::new(tokens, Location { line: 1, column: 1 });
        let at = cursor.at();
        if cursor.eat_words(&["CREATE", "TABLE"]) {
            self.table(cursor);
        } else if cursor.eat_words(&["CREATE", "POLICY"]) {
            let read = rules::create_policy(cursor, &mut self.mistakes);
            if let Some((change, spans)) = read {
                self.change(change, spans);
            }
        } else if cursor.eat_words(&["CREATE", "UNIQUE", "INDEX"]) {
            let read = rules::unique_index(cursor, at);
            match read {
                Ok(index) => self.indexes.push(index),
                Err(mistake) => self.mistakes.push(mistake),
            }
        } else if cursor.eat_words(&["REVOKE"]) {
            let read = rules::revoke(cursor);
            match read {
                Ok((change, spans)) => self.change(change, spans),
                Err(mistake) => {
                    self.taint.lose_revoke();
                    self.mistakes.push(mistake);
                }
            }
        } else if cursor.eat_words(&["INSERT", "INTO"]) {
            let read = insert::insert(cursor, &mut self.mistakes);
            self.inserts.extend(read);
        } else {
            self.unknown_statement(&cursor);
        }
    }

    /// Reads a table.
    fn table(&mut self, cursor: Cursor<'_>) {
        let Some(read) = table::create_table(cursor, &mut self.mistakes) else {
            self.taint.lose_table();
            return;
        };
        if read.is_torn {
            self.taint.tear_table(&read.table.name);
        }
        self.taint.untype(read.untyped);
        self.names.push((read.table.name.clone(), read.names));
        self.change(Change::CreateTable(read.table), read.spans);
    }

    fn change(&mut self, change: Change, spans: ChangeSpans) {
        self.patch.changes.push(change);
        self.spans.push(spans);
    }

    /// Refuses a statement that the language lacks.
    fn unknown_statement(&mut self, cursor: &Cursor<'_>) {
        let words = cursor.rest().iter().take(3).map_while(|token| match &token.token {
            Token::Word(word) if word.quote_style.is_none() => Some(word.value.to_ascii_uppercase()),
            _ => None,
        });
        let words = words.collect::<Vec<_>>().join(" ");
        let help = statement_help(&words).unwrap_or(
            "a schema file consists of CREATE TABLE, CREATE UNIQUE INDEX, CREATE POLICY, REVOKE UPDATE and INSERT INTO",
        );
        let message = match words.split(' ').next() {
            Some("") | None => "this is not a statement of a schema file".to_owned(),
            Some(_) => format!("{} is not a statement of a schema file", statement_name(&words)),
        };
        if words.starts_with("CREATE") {
            // It may have been meant as a table that others refer to.
            self.taint.lose_table();
        }
        self.mistakes.push(Mistake::new(cursor.at(), message).help(help));
    }

    /// Moves each unique index into its table, where the same rule would stand as a constraint.
    fn fold_indexes(&mut self) {
        for index in std::mem::take(&mut self.indexes) {
            let position = self
                .patch
                .changes
                .iter()
                .position(|change| matches!(change, Change::CreateTable(table) if table.name == index.table.name));
            let names = self.names.iter_mut().find(|(table, _)| *table == index.table.name);
            let (Some(position), Some((_, names))) = (position, names) else {
                let message = format!("there is no table {}", index.table.name);
                self.mistakes
                    .push(Mistake::new(index.table.at, message).help("a unique index stands in the file of its table"));
                continue;
            };
            self.spans[position].uniques.push(index.at);
            if let Change::CreateTable(table) = &mut self.patch.changes[position] {
                table.uniques.push(index.constraint(|columns| names.derive(columns, "idx")));
            }
        }
    }

    /// Judges what was read, and makes the file of it.
    fn judge(mut self, file: &str) -> Result<SchemaFile, Vec<Diagnostic>> {
        let rows = genesis::rows(&self.patch, &self.inserts, &mut self.mistakes);
        let schema = match Schema::empty().apply(&self.patch) {
            Ok(schema) => Some(schema),
            Err(violations) => {
                let shown = violations.into_iter().filter(|violation| !self.taint.hides(&self.patch, violation));
                self.mistakes.extend(shown.map(|violation| {
                    let at = locate(&self.spans, &violation.place);
                    Mistake { at, message: violation.message, help: violation.help }
                }));
                None
            }
        };
        let schema = schema.inspect(|schema| genesis::judge(schema, &rows, &mut self.mistakes));
        let Some(schema) = schema.filter(|_| self.mistakes.is_empty()) else {
            return Err(diagnostics(self.mistakes, file));
        };
        let tables: Vec<Location> = (self.patch.changes.iter().zip(&self.spans))
            .filter(|(change, _)| matches!(change, Change::CreateTable(_)))
            .map(|(_, spans)| spans.whole)
            .collect();
        let place = |index: usize| tables.get(index).copied().unwrap_or(Location { line: 1, column: 1 });
        let notes = diagnostics(notes::notes(&schema, place), file);
        let genesis_rows = rows.into_iter().map(|(row, _)| row).collect();
        Ok(SchemaFile { patch: self.patch, schema, genesis_rows, notes })
    }
}

/// Sorts mistakes by position, drops repetitions, and names the file.
fn diagnostics(mut mistakes: Vec<Mistake>, file: &str) -> Vec<Diagnostic> {
    mistakes.sort_by(|a, b| (a.at.line, a.at.column, &a.message).cmp(&(b.at.line, b.at.column, &b.message)));
    mistakes.dedup();
    mistakes.into_iter().map(|mistake| mistake.in_file(file)).collect()
}

/// The words of a statement's start that name it.
fn statement_name(words: &str) -> String {
    let take = if ["CREATE", "ALTER", "DROP"].iter().any(|word| words.starts_with(word)) { 2 } else { 1 };
    words.split(' ').take(take).collect::<Vec<_>>().join(" ")
}

/// How many tokens belong to the first statement: up to the next that can only begin another.
fn statement_length(tokens: &[TokenWithSpan]) -> usize {
    const STARTS: [(&str, &str); 8] = [
        ("CREATE", "TABLE"),
        ("CREATE", "POLICY"),
        ("CREATE", "UNIQUE"),
        ("CREATE", "INDEX"),
        ("REVOKE", "UPDATE"),
        ("INSERT", "INTO"),
        ("ALTER", "TABLE"),
        ("GRANT", "UPDATE"),
    ];
    let begins = |pair: &[TokenWithSpan]| {
        STARTS.iter().any(|(first, second)| is_word(&pair[0].token, first) && is_word(&pair[1].token, second))
    };
    tokens.windows(2).skip(1).position(begins).map_or(tokens.len(), |index| index + 1)
}
