//! Random histories in several schemas: after every entry, in any order of arrival, the verdicts of the engine are those of the
//! oracle, with their reasons and culprits, and so are the tables of any version.
//!
//! `TREATY_SEEDS=100..2000` runs other seeds than those of every day.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use treaty_engine::causality::Version;
use treaty_engine::hash::EntryId;
use treaty_engine::log::Entry;
use treaty_engine::replica::Replica;
use treaty_schema::{ColumnGroup, LogicalType, OnDelete, Patch, Table};
use treaty_testkit::scenarios::{COUNCIL, club};
use treaty_testkit::{CoTxName, History, Story, Verdict, all, author, col, eq, exists, patch, table, text};

use crate::scenarios::rows_at;
use crate::tables::{STAFF, hear, history_of, office, replica_of, voids_of};

/// Chance that is the same for the same seed.
struct Chance(u64);

impl Chance {
    fn below(&mut self, count: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % count.max(1)
    }

    fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())].clone()
    }
}

#[derive(Clone)]
struct ToldRow {
    label: String,
    table: usize,
    entry: EntryId,
}

/// A history as far as it is admitted, and a replica that heard it as it was told.
struct Telling {
    story: Story,
    history: History,
    replica: Replica,
    rows: Vec<ToldRow>,
    lines: Vec<String>,
    admitted: Vec<Entry>,
    authors: usize,
}

/// Teams whose members are let in by members; what they write is found by joins, and by ids that anybody may copy.
fn teams() -> Patch {
    use treaty_schema::Command::{Delete, Insert, Update};
    let of_team = |column: &str| {
        exists(
            &["seats s", "teams t"],
            all([eq(col("s.team"), col("t.id")), eq(col("t.id"), col(column)), eq(col("s.who"), author())]),
        )
    };
    let is_chair = || exists(&["seats s"], all([eq(col("s.who"), author()), eq(col("s.role"), text("chair"))]));
    let either = |column: &str| treaty_schema::NamedCondition::Or(vec![of_team(column), is_chair()]);
    let teams = table("teams").required("name", LogicalType::Text).frozen(&["name"]);
    let teams = teams.policy(Insert, is_chair()).policy(Delete, is_chair());
    let seats = table("seats")
        .references("team", "teams", OnDelete::Cascade)
        .required("who", LogicalType::Identity)
        .required("role", LogicalType::Text)
        .unique(&["team", "who"])
        .frozen(&["team", "who", "role"])
        .policy(Insert, either("team"))
        .policy(Delete, is_chair())
        .policy(Delete, of_team("team"));
    let jobs = table("jobs")
        .references("team", "teams", OnDelete::NoAction)
        .references("after", "jobs", OnDelete::Cascade)
        .column("key", LogicalType::Integer)
        .column("note", LogicalType::Text)
        .unique(&["key"])
        .policy(Insert, of_team("team"))
        .policy(Update, exists(&["seats s"], eq(col("s.who"), author())))
        .policy(Delete, is_chair());
    let bills = table("bills")
        .references("job", "jobs", OnDelete::Restrict)
        .references("other", "jobs", OnDelete::SetNull)
        .column("number", LogicalType::Integer)
        .unique(&["number", "job"])
        .policy(Insert, treaty_testkit::always())
        .policy(Update, is_chair())
        .policy(Delete, treaty_testkit::always());
    patch([teams, seats, jobs, bills])
}

const TEAMS: &str = "insert teams t0 name=a; insert teams t1 name=b; insert seats s0 team=t0 who=@0 role=chair; \
    insert seats s1 team=t0 who=@1 role=chair; insert seats s2 team=t1 who=@2 role=member; \
    insert seats s3 team=t1 who=@1 role=member";

impl Telling {
    fn begin(schema: &Patch, genesis: &str, authors: usize) -> Telling {
        let story = Story::begin(schema, genesis);
        let (history, replica) = (history_of(&story), replica_of(&story));
        let entry = story.id("genesis");
        let rows = genesis.split(';').map(|text| {
            let words: Vec<&str> = text.split_whitespace().collect();
            let (table, _) = story.schema.table_by_name(words[1]).unwrap();
            ToldRow { label: words[2].to_owned(), table, entry }
        });
        let rows = rows.collect();
        Telling { story, history, replica, rows, lines: Vec::new(), admitted: Vec::new(), authors }
    }

    /// Tells one more entry to the replica and the oracle; keeps it if it is admitted.
    fn tell(&mut self, chance: &mut Chance, number: usize) {
        let parents = self.parents(chance);
        let past = self.past_of(&parents);
        let visible: Vec<ToldRow> = self.rows.iter().filter(|row| past.contains(&row.entry)).cloned().collect();
        let mut draft = Draft { name: format!("e{number}"), visible, inserted: Vec::new(), touched: BTreeSet::new() };
        let transactions: Vec<String> = (0..=chance.below(6) / 4)
            .map(|_| {
                draft.touched.clear();
                let operations = (0..=chance.below(4)).filter_map(|_| self.operation(chance, &mut draft));
                operations.collect::<Vec<_>>().join("; ")
            })
            .collect();
        let author = chance.below(self.authors);
        let names: Vec<&str> = parents.iter().map(|id| self.story.name(id).unwrap()).collect();
        let line = format!("e{number} @{author} on {}: {}", names.join(" "), transactions.join(" | "));
        let entry = self.story.tell(&line);
        let (expected, heard) = (self.history.judge(&entry), hear(&mut self.replica, &entry));
        let told = || format!("{}\n{line}", self.lines.join("\n"));
        match heard {
            Err(refusal) if refusal.reason.code() == "payload" => {}
            Err(refusal) => assert_eq!(Some(refusal.reason), expected, "{refusal}\n{}", told()),
            Ok(()) => {
                assert_eq!(expected, None, "the engine admits it\n{}", told());
                self.history.add(&entry).unwrap();
                let rows = draft.inserted.into_iter().filter(|(label, _)| line.contains(&format!(" {label} ")));
                self.rows.extend(rows.map(|(label, table)| ToldRow { label, table, entry: *entry.id() }));
                self.lines.push(line);
                self.admitted.push(entry);
            }
        }
    }

    /// All heads, genesis, or one or two late entries of which none is before another.
    fn parents(&self, chance: &mut Chance) -> Vec<EntryId> {
        let ids: Vec<EntryId> = self.admitted.iter().map(|entry| *entry.id()).collect();
        if ids.is_empty() {
            return vec![self.story.id("genesis")];
        }
        match chance.below(5) {
            0 => self.history.all_heads(),
            1 => vec![self.story.id("genesis")],
            _ => {
                let recent = &ids[ids.len().saturating_sub(8)..];
                let (one, two) = (chance.pick(recent), chance.pick(recent));
                if self.past_of(&[two]).contains(&one) {
                    vec![two]
                } else if self.past_of(&[one]).contains(&two) {
                    vec![one]
                } else {
                    vec![one, two]
                }
            }
        }
    }

    /// Some entries and all before them.
    fn past_of(&self, heads: &[EntryId]) -> BTreeSet<EntryId> {
        let (mut past, mut pending) = (BTreeSet::new(), heads.to_vec());
        while let Some(id) = pending.pop() {
            if past.insert(id) {
                let entry = self.story.entries.iter().find(|(_, entry)| *entry.id() == id);
                pending.extend(&entry.unwrap().1.header().parents);
            }
        }
        past
    }

    fn operation(&self, chance: &mut Chance, draft: &mut Draft) -> Option<String> {
        let schema = &self.story.schema;
        let number = chance.below(schema.tables().len());
        let table = &schema.tables()[number];
        let of_table: Vec<String> =
            draft.visible.iter().filter(|row| row.table == number).map(|row| row.label.clone()).collect();
        let verb = chance.below(7);
        if verb < 3 || of_table.is_empty() {
            let label = format!("{}_{}", draft.name, draft.inserted.len());
            let columns: Vec<usize> = (0..table.columns.len()).filter(|column| *column != table.id_column).collect();
            let cells = self.cells(chance, draft, table, &columns);
            let twins: Vec<&ToldRow> = self.rows.iter().filter(|row| row.table == number).collect();
            let id = match twins.is_empty() || chance.below(6) > 0 {
                true => String::new(),
                false => format!(" id={}", chance.pick(&twins).label),
            };
            draft.inserted.push((label.clone(), number));
            draft.visible.push(ToldRow { label: label.clone(), table: number, entry: self.story.id("genesis") });
            draft.touched.insert(label.clone());
            return Some(format!("insert {} {label}{id}{cells}", table.name));
        }
        let label = chance.pick(&of_table);
        if !draft.touched.insert(label.clone()) {
            return None;
        }
        let groups: Vec<&ColumnGroup> =
            table.groups.iter().filter(|group| table.columns[group.columns[0]].updatable).collect();
        if verb < 5 && !groups.is_empty() {
            let group = chance.pick(&groups);
            let cells = self.cells(chance, draft, table, &group.columns);
            return Some(format!("update {label}{cells}"));
        }
        Some(format!("delete {label}"))
    }

    fn cells(&self, chance: &mut Chance, draft: &Draft, table: &Table, columns: &[usize]) -> String {
        let mut text = String::new();
        for column in columns {
            let of = &table.columns[*column];
            let value = match (table.foreign_key_of(*column), of.logical_type) {
                (Some(key), _) => {
                    let target = key.target;
                    let rows: Vec<&ToldRow> = draft.visible.iter().filter(|row| row.table == target).collect();
                    if rows.is_empty() || chance.below(8) == 0 {
                        "NULL".to_owned()
                    } else {
                        chance.pick(&rows).label.clone()
                    }
                }
                (None, LogicalType::Identity) => format!("@{}", chance.below(self.authors)),
                (None, LogicalType::Integer) => chance.pick(&["1", "2", "2", "3", "NULL"]).to_owned(),
                (None, _) if of.name.as_str() == "role" => {
                    chance.pick(&["admin", "editor", "chair", "member"]).to_owned()
                }
                (None, _) => chance.pick(&["red", "red", "blue"]).to_owned(),
            };
            text += &format!(" {}={value}", of.name);
        }
        text
    }

    fn check(&self, replica: &Replica, history: &History, what: &str) {
        let ids: Vec<EntryId> = self.story.entries.iter().map(|(_, entry)| *entry.id()).collect();
        let found = voids_of(replica, &ids);
        let verdicts = history.verdicts(&history.all_heads());
        let expected: BTreeMap<CoTxName, Verdict> =
            verdicts.into_iter().filter(|(_, verdict)| *verdict != Verdict::Live).collect();
        let name = |of: &CoTxName| format!("{}.{}", self.story.name(&of.entry).unwrap(), of.transaction);
        for of in found.keys().chain(expected.keys()) {
            let (found, expected) = (found.get(of), expected.get(of));
            let told = |verdict: Option<&Verdict>| match verdict {
                Some(Verdict::Void { reason, operation, culprit }) => {
                    format!("{} of {operation:?} by {:?}", reason.code(), culprit.as_ref().map(name))
                }
                Some(Verdict::Live) | None => "live".to_owned(),
            };
            assert!(
                found == expected,
                "{what}: {} is {} by the engine, {} by the oracle\n{}",
                name(of),
                told(found),
                told(expected),
                self.lines.join("\n")
            );
        }
    }
}

struct Draft {
    name: String,
    visible: Vec<ToldRow>,
    inserted: Vec<(String, usize)>,
    touched: BTreeSet<String>,
}

/// Runs one seed: a history told, then heard in another order, in batches, children before parents.
fn run(seed: u64, count: usize) {
    let mut chance = Chance(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5bd1_e995);
    let mut telling = match seed % 3 {
        0 => Telling::begin(&club(), &format!("{COUNCIL}; insert projects p1 name=p1; insert projects p2 name=p2"), 8),
        1 => Telling::begin(&office(), STAFF, 4),
        _ => Telling::begin(&teams(), TEAMS, 5),
    };
    for number in 0..count {
        telling.tell(&mut chance, number);
        telling.check(&telling.replica, &telling.history, &format!("seed {seed}, entry {number}"));
    }
    let mut waiting = telling.admitted.clone();
    let mut other = replica_of(&telling.story);
    let mut heard = history_of(&telling.story);
    while !waiting.is_empty() {
        let taken: Vec<Entry> = (0..=chance.below(4))
            .filter_map(|_| {
                let index = chance.below(waiting.len().min(12));
                (!waiting.is_empty()).then(|| waiting.remove(index))
            })
            .collect();
        for id in other.ingest(taken).unwrap().admitted {
            let entry = telling.admitted.iter().find(|entry| *entry.id() == id).unwrap();
            heard.add(entry).unwrap();
        }
        telling.check(&other, &heard, &format!("seed {seed}, other order"));
        let heads = heard.all_heads();
        let (at, from) = (Version::new(vec![chance.pick(&heads)]), Version::new(heads));
        for from in [&at, &from] {
            let (found, expected) = (rows_at(&other, &at, from), heard.shown_from(at.ids(), from.ids()));
            let keys: BTreeSet<_> = found.keys().chain(expected.keys()).collect();
            for key in keys {
                let (found, expected) = (found.get(key), expected.get(key));
                let (lines, names) = (telling.lines.join("\n"), |of: &Version| {
                    of.ids().iter().map(|id| telling.story.name(id).unwrap().to_owned()).collect::<Vec<_>>()
                });
                assert_eq!(found, expected, "seed {seed}, {key:?} at {:?} from {:?}\n{lines}", names(&at), names(from));
            }
        }
    }
    assert_eq!(other.digest().unwrap(), telling.replica.digest().unwrap(), "seed {seed}");
    assert_eq!(other.digest().unwrap(), telling.history.digest(&telling.history.all_heads()), "seed {seed}");
}

/// The seeds of every day, or those of `TREATY_SEEDS`.
#[expect(clippy::disallowed_methods, reason = "a test is told by its environment how long to run")]
fn seeds() -> Range<u64> {
    let Ok(text) = std::env::var("TREATY_SEEDS") else { return 0..24 };
    let (first, end) = text.split_once("..").expect("TREATY_SEEDS is a range");
    first.parse().unwrap()..end.parse().unwrap()
}

#[test]
fn verdicts_are_those_of_the_oracle_after_every_entry_in_any_order() {
    for seed in seeds() {
        run(seed, 26);
    }
}

#[test]
fn of_many_ways_of_being_permitted_the_first_count_and_the_one_that_admission_found() {
    let told = |order: &[&str]| {
        let mut story = Story::begin(&club(), COUNCIL);
        // Far more rows than are looked at; only the last one is left when it is used, and one of the first comes back.
        let rows: Vec<String> = (0..400).map(|number| format!("insert guests g{number} who=@hugo")).collect();
        let mut lines = vec![("many".to_owned(), format!("many @hugo on genesis: {}", rows.join("; ")))];
        let gone: Vec<String> = (0..399).map(|number| format!("delete g{number}")).collect();
        lines.push(("gone".to_owned(), format!("gone @ben on many: {}", gone.join("; "))));
        lines.push(("use".to_owned(), "use @hugo on gone: insert bookings b room=red".to_owned()));
        lines.push(("last".to_owned(), "last @anna on gone: delete g399".to_owned()));
        lines.push(("fall".to_owned(), "fall @anna on genesis: delete ben".to_owned()));
        let entries: BTreeMap<String, Entry> =
            lines.iter().map(|(name, line)| (name.clone(), story.tell(line))).collect();
        let mut replica = replica_of(&story);
        let mut voids = Vec::new();
        for name in order {
            hear(&mut replica, &entries[*name]).unwrap();
            let ids: Vec<EntryId> = story.entries.iter().map(|(_, entry)| *entry.id()).collect();
            let names = voids_of(&replica, &ids).into_keys().map(|of| story.name(&of.entry).unwrap().to_owned());
            voids.push(names.collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>().join(" "));
        }
        voids
    };
    // The way that admission found is far behind the first ones, and counts; lost, nothing is left. Once what took
    // the first ones away is void, they permit it.
    assert_eq!(told(&["many", "gone", "use", "last", "fall"]), ["", "", "", "use", "gone"]);
    assert_eq!(told(&["many", "fall", "gone", "last", "use"]), ["", "", "gone", "gone", "gone"]);
    assert_eq!(told(&["many", "gone", "last", "use", "fall"]), ["", "", "", "use", "gone"]);
}
