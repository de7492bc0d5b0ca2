//! Random histories of a club at odds with itself: administrators remove and appoint each other, at once and behind each other's
//! backs, while everybody books rooms and refers to projects that somebody deletes.
//!
//! Drawn from bytes, so that whoever shrinks these shrinks the history. The oracle decides what is admitted.

use std::collections::BTreeSet;

use treaty_engine::cotx::Reason;
use treaty_engine::hash::EntryId;
use treaty_engine::log::Entry;
use treaty_oracle::History;

use crate::scenarios::{COUNCIL, club};
use crate::story::{AUTHORS, Story};

/// A source of choices: zeros when it is used up.
#[derive(Debug)]
pub struct Dice<'d>(std::slice::Iter<'d, u8>);

impl<'d> Dice<'d> {
    /// Draws from bytes.
    pub fn new(choices: &'d [u8]) -> Dice<'d> {
        Dice(choices.iter())
    }

    fn below(&mut self, count: usize) -> usize {
        usize::from(self.0.next().copied().unwrap_or(0)) % count.max(1)
    }

    fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())].clone()
    }
}

/// A row that somebody told of: its label, its table, and its entry.
#[derive(Debug, Clone)]
struct ToldRow {
    label: String,
    table: &'static str,
    entry: EntryId,
}

/// A history as told so far.
#[derive(Debug)]
pub struct Quarrel {
    /// All of it.
    pub story: Story,
    /// What of it is admitted.
    pub history: History,
    /// The lines of what is admitted.
    pub lines: Vec<String>,
    rows: Vec<ToldRow>,
}

const NOBODY: &str = "NULL";

impl Quarrel {
    /// Tells some entries.
    pub fn told(choices: &[u8], count: usize) -> Quarrel {
        let (mut dice, mut quarrel) = (Dice::new(choices), Quarrel::begin());
        for number in 0..count {
            quarrel.tell(&mut dice, number);
        }
        quarrel
    }

    /// Begins with the council and two projects.
    pub fn begin() -> Quarrel {
        let genesis = format!("{COUNCIL}; insert projects p1 name=p1; insert projects p2 name=p2");
        let story = Story::begin(&club(), &genesis);
        let mut history = History::new(story.schema.clone());
        history.add(story.entry("genesis")).expect("the genesis is one");
        let entry = story.id("genesis");
        let row = |name: &&str, table| ToldRow { label: (*name).to_owned(), table, entry };
        let people = AUTHORS[..7].iter().map(|name| row(name, "members"));
        let projects = ["p1", "p2"].iter().map(|name| row(name, "projects"));
        Quarrel { rows: people.chain(projects).collect(), story, history, lines: Vec::new() }
    }

    /// Tells one more entry. Returns it, and why it is refused if it is.
    pub fn tell(&mut self, dice: &mut Dice<'_>, number: usize) -> (Entry, Option<Reason>) {
        let parents = self.parents(dice);
        let past = past_of(&self.story, &parents);
        let visible: Vec<ToldRow> = self.rows.iter().filter(|row| past.contains(&row.entry)).cloned().collect();
        let (mut inserted, mut touched) = (Vec::new(), BTreeSet::new());
        let transactions: Vec<String> = (0..=dice.below(5) / 4)
            .map(|_| {
                touched.clear();
                let operations = (0..=dice.below(3)).filter_map(|_| {
                    let label = format!("e{number}_{}", inserted.len());
                    let (text, row) = operation(dice, &visible, &label)?;
                    let target = text.split_whitespace().nth(1)?.to_owned();
                    let is_free = row.is_some() || touched.insert(target);
                    inserted.extend(row);
                    is_free.then_some(text)
                });
                operations.collect::<Vec<_>>().join("; ")
            })
            .collect();
        let author = AUTHORS[dice.below(8)];
        let names: Vec<&str> = parents.iter().map(|id| self.story.name(id).expect("a parent was told")).collect();
        let line = format!("e{number} @{author} on {}: {}", names.join(" "), transactions.join(" | "));
        let entry = self.story.tell(&line);
        let refused = self.history.judge(&entry);
        if refused.is_none() {
            self.history.add(&entry).expect("what is admitted can be added");
            let rows = inserted.into_iter().filter(|(label, _)| line.contains(&format!(" {label} ")));
            self.rows.extend(rows.map(|(label, table)| ToldRow { label, table, entry: *entry.id() }));
            self.lines.push(line);
        }
        (entry, refused)
    }

    /// All heads, or one or two entries of which none is before another.
    fn parents(&self, dice: &mut Dice<'_>) -> Vec<EntryId> {
        let ids: Vec<EntryId> = self.admitted();
        match dice.below(4) {
            0 => self.history.all_heads(),
            // Everybody starts from what he saw last: attach at genesis, or anywhere.
            1 => vec![self.story.id("genesis")],
            _ => {
                let recent = &ids[ids.len().saturating_sub(8)..];
                let (one, two) = (dice.pick(recent), dice.pick(recent));
                let is_below = |a, b| past_of(&self.story, &[b]).contains(&a);
                if is_below(one, two) {
                    vec![two]
                } else if is_below(two, one) {
                    vec![one]
                } else {
                    vec![one, two]
                }
            }
        }
    }

    /// The entries that are admitted, in the order told.
    pub fn admitted(&self) -> Vec<EntryId> {
        let ids = self.story.entries.iter().map(|(_, entry)| *entry.id());
        ids.filter(|id| self.history.contains(id)).collect()
    }
}

/// Some entries and all before them.
pub(crate) fn past_of(story: &Story, heads: &[EntryId]) -> BTreeSet<EntryId> {
    let (mut past, mut pending) = (BTreeSet::new(), heads.to_vec());
    while let Some(id) = pending.pop() {
        if past.insert(id) {
            let entry = story.entries.iter().find(|(_, entry)| *entry.id() == id);
            pending.extend(&entry.expect("an entry of a past was told").1.header().parents);
        }
    }
    past
}

/// Draws an operation; and the label and table of what it inserts.
fn operation(
    dice: &mut Dice<'_>,
    visible: &[ToldRow],
    label: &str,
) -> Option<(String, Option<(String, &'static str)>)> {
    let of = |table: &str| visible.iter().filter(|row| row.table == table).cloned().collect::<Vec<ToldRow>>();
    let some = |dice: &mut Dice<'_>, table: &str| {
        let rows = of(table);
        if rows.is_empty() { NOBODY.to_owned() } else { dice.pick(&rows).label }
    };
    let insert = |table: &'static str, cells: String| {
        Some((format!("insert {table} {label} {cells}"), Some((label.to_owned(), table))))
    };
    let room = ["red", "red", "blue", "NULL"];
    let referring = ["issues", "labels", "stars", "invoices"];
    match dice.below(18) {
        0..=4 => {
            let label = dice.pick(&of("members")).label;
            Some((format!("delete {label}"), None))
        }
        5 => insert("members", format!("who=@{} role={}", dice.pick(&AUTHORS), dice.pick(&["admin", "editor"]))),
        6 => insert("guests", format!("who=@{}", dice.pick(&AUTHORS))),
        7 | 8 => insert("bookings", format!("room={}", dice.pick(&room))),
        9 => insert("projects", format!("name=p{}", twin(dice, &of("projects")))),
        10 | 11 => {
            let table = dice.pick(&referring);
            insert(table, format!("project={}", some(dice, "projects")))
        }
        12 => {
            let (table, project) = (dice.pick(&referring), some(dice, "projects"));
            let row = some(dice, table);
            (row != NOBODY).then(|| (format!("update {row} project={project}"), None))
        }
        13 => {
            let row = some(dice, "bookings");
            (row != NOBODY).then(|| (format!("update {row} room={}", dice.pick(&room)), None))
        }
        _ => {
            let table = dice.pick(&["projects", "projects", "projects", "bookings", "issues", "labels"]);
            let row = some(dice, table);
            (row != NOBODY).then(|| (format!("delete {row}"), None))
        }
    }
}

/// Now and then, the id of another row.
fn twin(dice: &mut Dice<'_>, rows: &[ToldRow]) -> String {
    if rows.is_empty() || dice.below(2) > 0 { String::new() } else { format!(" id={}", dice.pick(rows).label) }
}
