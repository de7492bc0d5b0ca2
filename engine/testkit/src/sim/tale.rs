//! A history small enough to be read: a schema, entries in the words of [`Story`], and the order in which a replica heard
//! them. What a failing run shrinks to, and what is replayed for ever after.
//!
//! ```text
//! members who:identity! role:text! frozen(who,role) insert=role:admin delete=role:admin
//! --
//! at 0
//! genesis: insert members a who=@0 role=admin; insert members b who=@1 role=admin
//! e1 @0 on genesis: delete b
//! e2 @1 on genesis: delete a
//! heard e2 e1
//! ```

use std::collections::BTreeSet;
use std::fmt;

use crate::story::Story;

use super::schema::patch_of;

/// A told history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tale {
    /// The schema, a table a line.
    pub schema: String,
    /// When genesis was written: another time makes other hashes, and so another order of what is equally high.
    pub(super) time_ms: u64,
    pub(super) genesis: Vec<ToldOperation>,
    pub(super) entries: Vec<ToldEntry>,
    /// Entries in the order in which a replica hears them.
    pub(super) heard: Vec<String>,
}

/// An entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ToldEntry {
    pub(super) name: String,
    pub(super) author: u8,
    pub(super) parents: Vec<String>,
    pub(super) transactions: Vec<Vec<ToldOperation>>,
}

/// An operation: `insert t0`, `update` or `delete`; the label of its row; `name=value` words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ToldOperation {
    pub(super) verb: String,
    pub(super) label: String,
    pub(super) cells: Vec<(String, String)>,
}

impl Tale {
    /// Reads a tale as it prints. Lines that begin with `#` say something to people.
    ///
    /// # Errors
    /// The line that cannot be read.
    pub fn read(text: &str) -> Result<Tale, String> {
        let mut lines = text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
        let schema: Vec<&str> = lines.by_ref().take_while(|line| *line != "--").collect();
        let mut tale =
            Tale { schema: schema.join("\n"), time_ms: 0, genesis: Vec::new(), entries: Vec::new(), heard: Vec::new() };
        for line in lines {
            let no = || format!("no entry is told by {line:?}");
            if let Some(names) = line.strip_prefix("heard ") {
                tale.heard = names.split_whitespace().map(str::to_owned).collect();
            } else if let Some(time) = line.strip_prefix("at ") {
                tale.time_ms = time.parse().map_err(|_| no())?;
            } else if let Some(rows) = line.strip_prefix("genesis:") {
                tale.genesis = operations(rows).ok_or_else(no)?;
            } else {
                tale.entries.push(entry(line).ok_or_else(no)?);
            }
        }
        Ok(tale)
    }

    /// Signs the entries.
    pub(super) fn story(&self) -> Story {
        let mut story = Story::begin_at(&patch_of(&self.schema), &texts(&self.genesis), self.time_ms);
        for entry in &self.entries {
            story.tell(&entry.to_string());
        }
        story
    }

    /// The entries before one, by name; genesis left out.
    fn past(&self, name: &str) -> BTreeSet<String> {
        let (mut past, mut pending) = (BTreeSet::new(), vec![name.to_owned()]);
        while let Some(next) = pending.pop() {
            if let Some(entry) = self.entries.iter().find(|entry| entry.name == next) {
                pending.extend(entry.parents.iter().filter(|parent| past.insert((*parent).clone())).cloned());
            }
        }
        past
    }

    /// The tale without an entry: what was on it is on what it was on, and nobody speaks of its rows.
    pub(super) fn without_entry(&self, index: usize) -> Tale {
        let mut tale = self.clone();
        let gone = tale.entries.remove(index);
        tale.heard.retain(|name| *name != gone.name);
        for entry in &mut tale.entries {
            if entry.parents.contains(&gone.name) {
                entry.parents.retain(|parent| *parent != gone.name);
                entry.parents.extend(gone.parents.iter().cloned());
            }
        }
        for operation in gone.transactions.iter().flatten() {
            tale.forget(operation);
        }
        tale.tidy();
        tale
    }

    /// The tale without one operation: of genesis, or of an entry.
    pub(super) fn without_operation(&self, place: Option<(usize, usize)>, operation: usize) -> Tale {
        let mut tale = self.clone();
        let operations = match place {
            None => &mut tale.genesis,
            Some((entry, transaction)) => &mut tale.entries[entry].transactions[transaction],
        };
        let gone = operations.remove(operation);
        tale.forget(&gone);
        tale.tidy();
        tale
    }

    /// Nobody speaks of the row that an insert made any more.
    fn forget(&mut self, gone: &ToldOperation) {
        if !gone.verb.starts_with("insert") {
            return;
        }
        let all = self.entries.iter_mut().flat_map(|entry| &mut entry.transactions);
        for operations in all {
            operations.retain(|operation| operation.label != gone.label);
            for operation in operations {
                operation.cells.retain(|(name, value)| name != "id" || *value != gone.label);
                for (_, value) in &mut operation.cells {
                    if *value == gone.label {
                        "NULL".clone_into(value);
                    }
                }
            }
        }
    }

    /// No empty co-transactions, and parents that are no parents of each other.
    fn tidy(&mut self) {
        for entry in &mut self.entries {
            entry.transactions.retain(|operations| !operations.is_empty());
        }
        for index in 0..self.entries.len() {
            let mut parents = self.entries[index].parents.clone();
            parents.sort();
            parents.dedup();
            let below: BTreeSet<String> = parents.iter().flat_map(|parent| self.past(parent)).collect();
            parents.retain(|parent| !below.contains(parent));
            self.entries[index].parents = parents;
        }
    }
}

fn entry(line: &str) -> Option<ToldEntry> {
    let (head, body) = line.split_once(':')?;
    let mut words = head.split_whitespace();
    let name = words.next()?.to_owned();
    let author = words.next()?.strip_prefix('@')?.parse().ok()?;
    (words.next()? == "on").then_some(())?;
    let parents = words.map(str::to_owned).collect();
    let transactions = body.split('|').filter(|text| !text.trim().is_empty());
    let transactions = transactions.map(operations).collect::<Option<_>>()?;
    Some(ToldEntry { name, author, parents, transactions })
}

fn operations(text: &str) -> Option<Vec<ToldOperation>> {
    text.split(';').filter(|text| !text.trim().is_empty()).map(operation).collect()
}

fn operation(text: &str) -> Option<ToldOperation> {
    let mut words = text.split_whitespace();
    let first = words.next()?;
    let verb = if first == "insert" { format!("insert {}", words.next()?) } else { first.to_owned() };
    let label = words.next()?.to_owned();
    let cell = |word: &str| word.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
    Some(ToldOperation { verb, label, cells: words.map(cell).collect::<Option<_>>()? })
}

fn texts(operations: &[ToldOperation]) -> String {
    operations.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

impl fmt::Display for ToldOperation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.verb, self.label)?;
        self.cells.iter().try_for_each(|(name, value)| write!(f, " {name}={value}"))
    }
}

impl fmt::Display for ToldEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let transactions: Vec<String> = self.transactions.iter().map(|operations| texts(operations)).collect();
        write!(f, "{} @{} on {}: {}", self.name, self.author, self.parents.join(" "), transactions.join(" | "))
    }
}

impl fmt::Display for Tale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n--\nat {}\ngenesis: {}", self.schema, self.time_ms, texts(&self.genesis))?;
        self.entries.iter().try_for_each(|entry| writeln!(f, "{entry}"))?;
        writeln!(f, "heard {}", self.heard.join(" "))
    }
}
