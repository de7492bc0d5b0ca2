//! Random histories of a club at odds with itself: what must hold of all of them.

use std::collections::{BTreeMap, BTreeSet};

use proptest::collection::vec;
use proptest::prelude::*;
use treaty_engine::hash::EntryId;
use treaty_engine::relation::RowId;
use treaty_schema::{Schema, Value};
use treaty_testkit::scenarios::{COUNCIL, club};
use treaty_testkit::{AUTHORS, History, ShownRow, Story, Verdict};

/// A source of choices, drawn by proptest: zeros when it is used up.
struct Dice<'d>(std::slice::Iter<'d, u8>);

impl Dice<'_> {
    fn below(&mut self, count: usize) -> usize {
        usize::from(self.0.next().copied().unwrap_or(0)) % count.max(1)
    }

    fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())].clone()
    }
}

/// A row that somebody told of: its label, its table, and its entry.
#[derive(Clone)]
struct ToldRow {
    label: String,
    table: &'static str,
    entry: EntryId,
}

/// A history as far as it is admitted.
struct Telling {
    story: Story,
    history: History,
    rows: Vec<ToldRow>,
    lines: Vec<String>,
}

const NOBODY: &str = "NULL";

impl Telling {
    fn begin() -> Telling {
        let genesis = format!("{COUNCIL}; insert projects p1 name=p1; insert projects p2 name=p2");
        let story = Story::begin(&club(), &genesis);
        let mut history = History::new(story.schema.clone());
        history.add(story.entry("genesis")).unwrap();
        let entry = story.id("genesis");
        let row = |name: &&str, table| ToldRow { label: (*name).to_owned(), table, entry };
        let people = AUTHORS[..7].iter().map(|name| row(name, "members"));
        let projects = ["p1", "p2"].iter().map(|name| row(name, "projects"));
        Telling { rows: people.chain(projects).collect(), story, history, lines: Vec::new() }
    }

    /// Tells one more entry, if the oracle admits it.
    fn tell(&mut self, dice: &mut Dice<'_>, number: usize) {
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
        let names: Vec<&str> = parents.iter().map(|id| self.story.name(id).unwrap()).collect();
        let line = format!("e{number} @{author} on {}: {}", names.join(" "), transactions.join(" | "));
        let entry = self.story.tell(&line);
        if self.history.judge(&entry).is_none() {
            self.history.add(&entry).unwrap();
            let rows = inserted.into_iter().filter(|(label, _)| line.contains(&format!(" {label} ")));
            self.rows.extend(rows.map(|(label, table)| ToldRow { label, table, entry: *entry.id() }));
            self.lines.push(line);
        }
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

    fn admitted(&self) -> Vec<EntryId> {
        let ids = self.story.entries.iter().map(|(_, entry)| *entry.id());
        ids.filter(|id| self.history.contains(id)).collect()
    }
}

/// Some entries and all before them.
fn past_of(story: &Story, heads: &[EntryId]) -> BTreeSet<EntryId> {
    let (mut past, mut pending) = (BTreeSet::new(), heads.to_vec());
    while let Some(id) = pending.pop() {
        if past.insert(id) {
            let entry = story.entries.iter().find(|(_, entry)| *entry.id() == id);
            pending.extend(&entry.unwrap().1.header().parents);
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

/// Every foreign key finds its row, every key is had once.
fn check_constraints(schema: &Schema, shown: &BTreeMap<(usize, RowId), ShownRow>) -> Result<(), TestCaseError> {
    let mut keys = BTreeSet::new();
    for ((index, _), row) in shown {
        let table = &schema.tables()[*index];
        for key in &table.foreign_keys {
            let Some(Value::Uuid(target)) = &row.cells[key.column] else { continue };
            prop_assert!(shown.contains_key(&(key.target, RowId(*target))), "{:?} of {} dangles", row.name, table.name);
        }
        for (number, unique) in table.uniques.iter().enumerate() {
            let cells: Option<Vec<Value>> = unique.columns.iter().map(|column| row.cells[*column].clone()).collect();
            if let Some(cells) = cells {
                prop_assert!(keys.insert((*index, number, cells)), "{:?} of {} is there twice", row.name, table.name);
            }
        }
    }
    Ok(())
}

fn told(choices: &[u8], count: usize) -> Telling {
    let (mut dice, mut telling) = (Dice(choices.iter()), Telling::begin());
    for number in 0..count {
        telling.tell(&mut dice, number);
    }
    telling
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, max_shrink_iters: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn tables_keep_every_constraint_at_every_version(choices in vec(any::<u8>(), 200..700), at in any::<u16>()) {
        let telling = told(&choices, 30);
        let (history, ids) = (&telling.history, telling.admitted());
        let heads = history.all_heads();
        check_constraints(history.schema(), &history.shown(&heads))
            .map_err(|error| TestCaseError::fail(format!("{error}\n{}", telling.lines.join("\n"))))?;
        let some: Vec<EntryId> = vec![ids[usize::from(at) % ids.len()], ids[usize::from(at >> 8) % ids.len()]];
        check_constraints(history.schema(), &history.shown(&some))
            .map_err(|error| TestCaseError::fail(format!("{error}\n{}", telling.lines.join("\n"))))?;
        // What is known now about a version keeps its foreign keys as well, and its keys.
        check_constraints(history.schema(), &history.shown_from(&some, &heads))
            .map_err(|error| TestCaseError::fail(format!("known now: {error}\n{}", telling.lines.join("\n"))))?;
    }

    #[test]
    fn verdicts_are_a_function_of_the_set(choices in vec(any::<u8>(), 200..700), order in any::<u64>()) {
        let telling = told(&choices, 24);
        let mut waiting = telling.admitted();
        let mut other = History::new(telling.story.schema.clone());
        let mut turn = order;
        while !waiting.is_empty() {
            let ready: Vec<usize> = (0..waiting.len())
                .filter(|index| past_of(&telling.story, &[waiting[*index]]).iter().all(|id| {
                    *id == waiting[*index] || other.contains(id)
                }))
                .collect();
            turn = turn.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let id = waiting.remove(ready[usize::try_from(turn >> 40).unwrap() % ready.len()]);
            let entry = telling.story.entries.iter().find(|(_, entry)| *entry.id() == id).unwrap();
            prop_assert_eq!(other.judge(&entry.1), None, "{}", telling.lines.join("\n"));
            other.add(&entry.1).unwrap();
        }
        let heads = telling.history.all_heads();
        prop_assert_eq!(telling.history.verdicts(&heads), other.verdicts(&heads));
        prop_assert_eq!(telling.history.digest(&heads), other.digest(&heads));
    }

    #[test]
    fn admission_is_the_verdict_in_the_own_past_and_work_on_top_flips_nothing(choices in vec(any::<u8>(), 200..700)) {
        let mut telling = told(&choices, 24);
        for id in telling.admitted() {
            let own = telling.history.verdicts(&[id]);
            let is_live = own.iter().all(|(name, verdict)| name.entry != id || *verdict == Verdict::Live);
            prop_assert!(is_live, "{:?}\n{}", telling.story.name(&id), telling.lines.join("\n"));
        }
        let before = telling.history.verdicts(&telling.history.all_heads());
        let heads: Vec<&str> = telling.history.all_heads().iter().map(|id| telling.story.name(id).unwrap()).collect();
        let line = format!("top @hugo on {}: insert drafts d owner=@hugo | insert guests g who=@hugo", heads.join(" "));
        let entry = telling.story.tell(&line);
        prop_assert_eq!(telling.history.judge(&entry), None);
        telling.history.add(&entry).unwrap();
        let after = telling.history.verdicts(&telling.history.all_heads());
        for (name, verdict) in &before {
            prop_assert_eq!(after.get(name), Some(verdict), "{}", telling.lines.join("\n"));
        }
        prop_assert_eq!(after.len(), before.len() + 2);
    }

    #[test]
    fn every_void_has_a_culprit_and_somebody_administers(choices in vec(any::<u8>(), 200..700)) {
        let telling = told(&choices, 30);
        let heads = telling.history.all_heads();
        let verdicts = telling.history.verdicts(&heads);
        for (name, verdict) in &verdicts {
            if let Verdict::Void { culprit, .. } = verdict {
                let culprit = culprit.and_then(|culprit| verdicts.get(&culprit));
                prop_assert!(culprit.is_some(), "{:?} is lost to nobody\n{}", name, telling.lines.join("\n"));
            }
        }
        // Unless somebody resigned, the group has not locked itself out.
        let resigned = telling.lines.iter().any(|line| {
            let author = line.split(['@', ' ']).nth(2).unwrap();
            line.contains(&format!("delete {author}")) || line.contains("delete e")
        });
        if !resigned {
            let shown = telling.history.shown(&heads);
            let admin = treaty_testkit::told_value(treaty_schema::LogicalType::Text, "admin");
            let is_admin = |row: &ShownRow| row.cells.contains(&Some(admin.clone()));
            let left = shown.iter().filter(|((table, _), row)| *table == 0 && is_admin(row)).count();
            prop_assert!(left > 0, "{}", telling.lines.join("\n"));
        }
    }
}

#[test]
fn the_histories_are_worth_it() {
    let mut counts: BTreeMap<&'static str, usize> = BTreeMap::new();
    let mut state = 1_u64;
    for _ in 0..60 {
        let choices: Vec<u8> = (0..500)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (state >> 56) as u8
            })
            .collect();
        let telling = told(&choices, 30);
        for verdict in telling.history.verdicts(&telling.history.all_heads()).values() {
            let code = match verdict {
                Verdict::Live => "live",
                Verdict::Void { reason, .. } => reason.code(),
            };
            *counts.entry(code).or_default() += 1;
        }
        let derived = telling.history.shown(&telling.history.all_heads());
        *counts.entry("renamed").or_default() += derived.keys().filter(|(_, id)| id.is_derived()).count();
    }
    for code in ["live", "permission", "foreign_key", "unique", "overridden", "renamed"] {
        assert!(counts.get(code).is_some_and(|count| *count > 0), "no {code} in {counts:?}");
    }
}
