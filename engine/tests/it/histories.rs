//! Random histories, told as text: judged, read and applied as the oracles say, in whatever order they arrive.

use std::collections::{BTreeMap, BTreeSet};

use proptest::collection::vec;
use proptest::prelude::*;
use treaty_engine::causality::Version;
use treaty_engine::hash::EntryId;
use treaty_engine::log::{Entry, LogStore};
use treaty_engine::relation::RowId;
use treaty_engine::replica::{Replica, RowImage, Shown, Verdict};
use treaty_schema::{Schema, Value};
use treaty_testkit::{History, ShownRow, Story};

use crate::tables::{STAFF, hear, history_of, office, replica_of, voids_by_oracle, voids_of};

/// A source of choices, drawn by proptest: zeros when it is used up.
struct Dice<'d>(std::slice::Iter<'d, u8>);

impl Dice<'_> {
    fn below(&mut self, count: usize) -> usize {
        usize::from(self.0.next().copied().unwrap_or(0)) % count.max(1)
    }

    fn pick<'t>(&mut self, from: &[&'t str]) -> &'t str {
        from[self.below(from.len())]
    }

    fn pick_from(&mut self, rows: &[ToldRow], wanted: impl Fn(&ToldRow) -> bool) -> Option<ToldRow> {
        let found: Vec<&ToldRow> = rows.iter().filter(|row| wanted(row)).collect();
        if found.is_empty() { None } else { Some(found[self.below(found.len())].clone()) }
    }
}

/// What a random history may refer to.
struct Teller {
    /// Rows of entries that stand.
    rows: Vec<ToldRow>,
    /// Entries that stand, by name.
    entries: Vec<String>,
}

#[derive(Clone)]
struct ToldRow {
    label: String,
    table: &'static str,
    entry: String,
}

/// An entry being drawn.
struct Draft<'t> {
    name: &'t str,
    author: usize,
    /// Rows of the past, and own ones.
    visible: Vec<ToldRow>,
    own_count: usize,
}

impl Teller {
    fn new() -> Teller {
        let staff = ["boss", "ann", "bob"].map(|label| ToldRow {
            label: label.to_owned(),
            table: "members",
            entry: "genesis".to_owned(),
        });
        Teller { rows: staff.to_vec(), entries: vec!["genesis".to_owned()] }
    }

    /// Draws a line. Returns the rows that it inserts as well.
    fn line(&self, dice: &mut Dice<'_>, story: &Story, name: &str) -> (String, Vec<ToldRow>) {
        let author = [0, 0, 1, 1, 1, 2, 2, 3][dice.below(8)];
        let parents = self.parents(dice, story);
        let is_past =
            |row: &&ToldRow| parents.iter().any(|parent| *parent == row.entry || precedes(story, &row.entry, parent));
        // Now and then somebody names what is not in the past.
        let visible = match dice.below(20) {
            0 => self.rows.clone(),
            _ => self.rows.iter().filter(is_past).cloned().collect(),
        };
        let known = visible.len();
        let mut draft = Draft { name, author, visible, own_count: 0 };
        let transactions: Vec<String> = (0..=dice.below(2))
            .map(|_| {
                let operations: Vec<String> = (0..=dice.below(2)).map(|_| self.operation(dice, &mut draft)).collect();
                operations.join("; ")
            })
            .collect();
        let line = format!("{name} @{author} on {}: {}", parents.join(" "), transactions.join(" | "));
        (line, draft.visible.split_off(known))
    }

    /// All heads, or any entries of which none is before another.
    fn parents(&self, dice: &mut Dice<'_>, story: &Story) -> Vec<String> {
        let recent = self.entries.len().min(6);
        let wanted = match dice.below(2) {
            0 => self.entries.clone(),
            _ => {
                (0..=dice.below(2)).map(|_| self.entries[self.entries.len() - 1 - dice.below(recent)].clone()).collect()
            }
        };
        let mut parents: Vec<String> = Vec::new();
        for name in &wanted {
            let is_below = wanted.iter().any(|other| other != name && precedes(story, name, other));
            if !is_below && !parents.contains(name) {
                parents.push(name.clone());
            }
        }
        parents
    }

    fn operation(&self, dice: &mut Dice<'_>, draft: &mut Draft<'_>) -> String {
        let table = ["members", "projects", "projects", "tasks", "tasks", "tasks", "tags", "tags"][dice.below(8)];
        let label = draft.label(dice, table);
        match (dice.below(8), label) {
            (0..=4, _) | (_, None) => {
                let label = format!("{}_{}", draft.name, draft.own_count);
                draft.own_count += 1;
                let mut text = format!("insert {table} {label}");
                // An id that somebody else gave, perhaps on a branch that this one has not seen.
                if dice.below(4) == 0
                    && let Some(twin) = dice.pick_from(&self.rows, |row| row.table == table)
                {
                    text += &format!(" id={}", twin.label);
                }
                text += &draft.cells(dice, table, true);
                draft.visible.push(ToldRow { label, table, entry: draft.name.to_owned() });
                text
            }
            (5 | 6, Some(label)) => format!("update {label}{}", draft.cells(dice, table, false)),
            (_, Some(label)) => format!("delete {label}"),
        }
    }
}

impl Draft<'_> {
    fn label(&self, dice: &mut Dice<'_>, table: &str) -> Option<String> {
        dice.pick_from(&self.visible, |row| row.table == table).map(|row| row.label)
    }

    fn cells(&self, dice: &mut Dice<'_>, table: &str, is_insert: bool) -> String {
        let named = |dice: &mut Dice<'_>, table| self.label(dice, table).unwrap_or_else(|| "NULL".to_owned());
        match table {
            "members" => format!(" who=@{} role={}", dice.below(4), dice.pick(&["admin", "editor"])),
            "projects" => {
                let owner = if dice.below(8) == 0 { dice.below(4) } else { self.author };
                let owner = if is_insert { format!(" owner=@{owner}") } else { String::new() };
                let budget = format!(" budget={} spent={}", dice.below(3) + 1, dice.below(2));
                format!("{owner} name={}{budget}", dice.pick(&["a", "b"]))
            }
            "tasks" => {
                let slot = dice.pick(&["NULL", "NULL", "1", "2", "3", "0"]);
                let slot = format!(" project={} slot={slot}", named(dice, "projects"));
                let rest = format!(" title={} blocker={}", dice.pick(&["x", "y", "NULL"]), named(dice, "tasks"));
                match (is_insert, dice.below(3)) {
                    (true, _) | (_, 0) => slot + &rest,
                    (false, 1) => slot,
                    (false, _) => rest,
                }
            }
            _ => {
                let label = dice.pick(&["NULL", "red", "blue", "green", "black"]);
                match (is_insert, dice.below(3)) {
                    (false, 0) => format!(" label={label}"),
                    _ => format!(" task={} label={label}", named(dice, "tasks")),
                }
            }
        }
    }
}

fn precedes(story: &Story, name: &str, other: &str) -> bool {
    let id = story.id(name);
    let mut pending = vec![story.id(other)];
    while let Some(next) = pending.pop() {
        let (_, entry) = story.entries.iter().find(|(_, entry)| *entry.id() == next).unwrap();
        if entry.header().parents.contains(&id) {
            return true;
        }
        pending.extend(&entry.header().parents);
    }
    false
}

/// Rows as a database would show them after applying batches.
type Rows = BTreeMap<(usize, RowId), RowImage>;

/// Operations that applications were told are rolled back, and not since that they are reinstated.
type Lost = BTreeSet<(EntryId, u32, u32)>;

/// A database: its rows, and what its application knows.
#[derive(Default)]
struct Tables {
    rows: Rows,
    lost: Lost,
    shown: Shown,
}

impl Tables {
    /// Applies one batch. Says whether it was the last one.
    fn apply(&mut self, replica: &Replica, rows_max: usize) -> bool {
        let batch = replica.next_batch(&self.shown, rows_max).unwrap();
        for change in batch.changes {
            match change.row {
                Some(row) => self.rows.insert((change.table, change.id), row),
                None => self.rows.remove(&(change.table, change.id)),
            };
        }
        for report in batch.reports {
            let operation = (report.entry, report.transaction, report.operation);
            let is_news = match report.verdict {
                Verdict::Void { .. } => self.lost.insert(operation),
                Verdict::Live => self.lost.remove(&operation),
            };
            assert!(is_news, "told twice, or reinstated without having been lost: {report:?}");
        }
        self.shown = batch.to;
        batch.is_last
    }

    /// Compares rows and reports with what the oracle says of what is shown, and verdicts with those of everything held.
    fn check(&self, replica: &Replica, history: &History, lines: &[String]) -> Result<(), TestCaseError> {
        let from = heads(&replica.frontier());
        compare(&self.rows, &history.shown_from(&heads(&self.shown.version), &from), lines)?;
        let past = replica.index().past_of(replica.store(), &self.shown.version).unwrap();
        let (voids, mut lost) = (voids_by_oracle(history, &from), BTreeSet::new());
        let entries: Vec<EntryId> = history.verdicts(&from).keys().map(|of| of.entry).collect();
        prop_assert_eq!(&voids_of(replica, &entries), &voids, "{}", lines.join("\n"));
        for of in voids.keys() {
            if past.contains(replica.store().position_of(&of.entry).unwrap().unwrap()) {
                lost.insert((of.entry, of.transaction));
            }
        }
        let broken = self.broken(replica.schema());
        prop_assert!(broken.is_empty(), "{broken:?}\n{}", lines.join("\n"));
        let told: BTreeSet<_> = self.lost.iter().map(|(entry, transaction, _)| (*entry, *transaction)).collect();
        prop_assert_eq!(told, lost, "{}", lines.join("\n"));
        Ok(())
    }
}

impl Tables {
    /// Constraints between rows that do not hold, wherever a batch ends.
    fn broken(&self, schema: &Schema) -> Vec<String> {
        let mut broken = Vec::new();
        let mut keys = BTreeSet::new();
        for ((table, id), row) in &self.rows {
            let of = &schema.tables()[*table];
            for (index, unique) in of.uniques.iter().enumerate() {
                let key: Option<Vec<_>> = unique.columns.iter().map(|column| row.cells[*column].clone()).collect();
                if key.is_some_and(|key| !keys.insert((*table, index, format!("{key:?}")))) {
                    broken.push(format!("{id} of {} has the key {} of another row", of.name, unique.name));
                }
            }
            for foreign_key in &of.foreign_keys {
                let Some(Value::Uuid(target)) = row.cells[foreign_key.column] else { continue };
                if !self.rows.contains_key(&(foreign_key.target, RowId(target))) {
                    broken.push(format!("{id} of {} refers by {} to no row", of.name, foreign_key.name));
                }
            }
        }
        broken
    }
}

fn compare(shown: &Rows, expected: &BTreeMap<(usize, RowId), ShownRow>, lines: &[String]) -> Result<(), TestCaseError> {
    let shown: BTreeMap<(usize, RowId), ShownRow> = shown
        .iter()
        .map(|(key, row)| (*key, ShownRow { name: row.name, cells: row.cells.clone(), author: row.author }))
        .collect();
    prop_assert_eq!(&shown, expected, "{}", lines.join("\n"));
    Ok(())
}

/// Reads all tables at a version, by the verdicts of another.
fn read(replica: &Replica, at: &Version, from: &Version) -> Rows {
    let mut rows = Rows::new();
    for table in 0..replica.schema().tables().len() {
        let mut visit = |id, row| {
            assert!(rows.insert((table, id), row).is_none(), "an id is shown once");
            Ok::<(), treaty_engine::replica::ReplicaError>(())
        };
        replica.rows_at(table, at, from, &mut visit).unwrap();
    }
    rows
}

/// A history that was told, and who heard it.
struct Told {
    story: Story,
    history: History,
    replica: Replica,
    lines: Vec<String>,
    refused: Vec<Entry>,
}

/// Tells a random history to a replica and the oracles. Every entry is judged by both.
fn tell(dice: &mut Dice<'_>, count: usize) -> Result<Told, TestCaseError> {
    let mut story = Story::begin(&office(), STAFF);
    let (mut replica, mut history) = (replica_of(&story), history_of(&story));
    let (mut teller, mut lines, mut refused) = (Teller::new(), Vec::new(), Vec::new());
    for index in 0..count {
        let name = format!("e{index}");
        let (line, mut rows) = teller.line(dice, &story, &name);
        let entry = story.tell(&line);
        lines.push(line);
        // The oracle judges what decodes and names entries that are there; the rest is the codec's.
        let heard = hear(&mut replica, &entry);
        match heard {
            Err(refusal) if refusal.reason.code() == "payload" => {
                refused.push(entry);
                continue;
            }
            Err(refusal) => {
                let judged = history.judge(&entry);
                prop_assert_eq!(Some(refusal.reason), judged, "{}\n{}", refusal, lines.join("\n"));
                refused.push(entry);
            }
            Ok(()) => {
                prop_assert_eq!(history.judge(&entry), None, "{}", lines.join("\n"));
                history.add(&entry).unwrap();
                teller.entries.push(name);
                teller.rows.append(&mut rows);
            }
        }
    }
    Ok(Told { story, history, replica, lines, refused })
}

fn heads(version: &Version) -> Vec<EntryId> {
    version.ids().to_vec()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, max_shrink_iters: 300, ..ProptestConfig::default() })]

    #[test]
    fn any_history_is_judged_read_and_applied_as_the_oracles_say(
        choices in vec(any::<u8>(), 600..1200),
        order in vec(any::<u16>(), 1..30),
        rows_max in 1_usize..9,
    ) {
        let mut dice = Dice(choices.iter());
        let Told { story, history, replica, lines, refused } = tell(&mut dice, 28)?;
        let everything = replica.frontier();
        compare(&read(&replica, &everything, &everything), &history.shown(&heads(&everything)), &lines)?;

        // Batches lead through versions, each shown by what is known in the end; and each can be read as it was shown.
        let (mut tables, mut versions) = (Tables::default(), Vec::new());
        loop {
            let is_last = tables.apply(&replica, rows_max);
            tables.check(&replica, &history, &lines)?;
            let at = tables.shown.version.clone();
            compare(&read(&replica, &at, &everything), &history.shown_from(&heads(&at), &heads(&everything)), &lines)?;
            compare(&read(&replica, &at, &at), &history.shown(&heads(&at)), &lines)?;
            versions.push(at);
            if is_last {
                break;
            }
        }
        prop_assert_eq!(&tables.shown.version, &everything);
        for (at, from) in versions.iter().zip(&versions[versions.len() / 2..]) {
            compare(&read(&replica, at, from), &history.shown_from(&heads(at), &heads(from)), &lines)?;
        }

        // Another replica hears it in another order, children before parents, refused ones as well.
        let mut entries: Vec<Entry> = story.entries[1..].iter().map(|(_, entry)| entry.clone()).collect();
        for (index, seed) in order.iter().enumerate() {
            let (a, b) = (index % entries.len(), usize::from(*seed) % entries.len());
            entries.swap(a, b);
        }
        let mut other = replica_of(&story);
        let mut tables = Tables::default();
        tables.apply(&other, 1);
        for chunk in entries.chunks(usize::from(order[0]) % 5 + 1) {
            let outcome = other.ingest(chunk.to_vec()).unwrap();
            for (id, _) in outcome.refused {
                prop_assert!(refused.iter().any(|entry| *entry.id() == id), "{}", lines.join("\n"));
            }
            tables.apply(&other, rows_max);
            tables.check(&other, &history, &lines)?;
        }
        while !tables.apply(&other, rows_max) {}
        tables.check(&other, &history, &lines)?;
        prop_assert_eq!(&other.frontier(), &everything, "{}", lines.join("\n"));
        prop_assert_eq!(other.digest().unwrap(), replica.digest().unwrap());
        prop_assert_eq!(other.digest().unwrap(), history.digest(&heads(&everything)));
        prop_assert_eq!(other.ingest(entries).unwrap().admitted, []);
    }
}
