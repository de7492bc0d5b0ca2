//! Drawn batches from one consistent state of the tables to another, without an engine: they always apply.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use proptest::prelude::*;
use rusqlite::Connection;
use tempfile::TempDir;
use treaty::application::Application;
use treaty::capture::ShownRow;
use treaty::database::{DatabaseError, Existing, Missing, Node};
use treaty::link::{EngineLink, LinkError, Page, Work};
use treaty::sqlite::SqliteDatabase;
use treaty_engine::causality::Version;
use treaty_engine::hash::{EntryId, SpaceId};
use treaty_engine::identity::{Identity, Keypair};
use treaty_engine::relation::{RowId, RowName};
use treaty_engine::replica::{Batch, ImportOutcome, RowChange, RowImage, Shown};
use treaty_schema::{Schema, Text, Value};

use crate::node::id;

/// Every kind of reference, two tables that refer to themselves (so that rows may do so in rings); keys of one and of several columns, that must
/// have a value and that need not, with a reference in them.
const SCHEMA: &str = "
CREATE TABLE b (id UUID PRIMARY KEY, b UUID REFERENCES b (id), k INTEGER NOT NULL UNIQUE);
CREATE TABLE a (
  id UUID PRIMARY KEY, b UUID NOT NULL REFERENCES b (id) ON DELETE RESTRICT,
  k TEXT NOT NULL UNIQUE, m INTEGER, n TEXT, UNIQUE (m, n)
);
CREATE TABLE tree (
  id UUID PRIMARY KEY, parent UUID REFERENCES tree (id) ON DELETE CASCADE, slot TEXT NOT NULL,
  owner UUID REFERENCES a (id) ON DELETE SET NULL, UNIQUE (parent, slot)
);
";

/// Cells of a row but for its id: small numbers, of which some stand for rows and some for NULL.
type Drawn = (usize, u32, [u8; 4]);

/// Tables that satisfy every constraint.
type State = BTreeMap<(usize, u32), [u8; 4]>;

/// A cell is NULL where its number is this.
const NULL: u8 = 0;

/// By table, what is unique and what refers to which table, by index of the drawn cell.
const KEYS: [&[&[usize]]; 3] = [&[&[1]], &[&[1], &[2, 3]], &[&[0, 1]]];
const REFERENCES: [&[(usize, usize)]; 3] = [&[(0, 0)], &[(0, 0)], &[(0, 2), (2, 1)]];
/// Cells that are never NULL.
const FILLED: [&[usize]; 3] = [&[1], &[0, 1], &[1]];

/// Keeps of the drawn rows what fits together.
fn consistent(drawn: &[Drawn]) -> State {
    let (mut state, mut taken) = (State::new(), BTreeSet::new());
    for (table, row, cells) in drawn {
        let mut cells = *cells;
        for &filled in FILLED[*table] {
            cells[filled] = cells[filled].max(1);
        }
        let keys: Vec<(usize, usize, Vec<u8>)> = (0..KEYS[*table].len())
            .map(|key| (*table, key, KEYS[*table][key].iter().map(|&cell| cells[cell]).collect()))
            .filter(|(.., values): &(usize, usize, Vec<u8>)| !values.contains(&NULL))
            .collect();
        if state.contains_key(&(*table, *row)) || keys.iter().any(|key| taken.contains(key)) {
            continue;
        }
        taken.extend(keys);
        state.insert((*table, *row), cells);
    }
    loop {
        let dangles = |(table, _): &(usize, u32), cells: &[u8; 4]| {
            let mut references = REFERENCES[*table].iter();
            references.any(|&(cell, target)| cells[cell] != NULL && !state.contains_key(&(target, cells[cell].into())))
        };
        let dangling: Vec<_> = state.iter().filter(|(key, cells)| dangles(key, cells)).map(|(key, _)| *key).collect();
        if dangling.is_empty() {
            return state;
        }
        for key in dangling {
            state.remove(&key);
        }
    }
}

fn row_id(number: u32) -> RowId {
    let hex: String = id(number).split('-').collect();
    RowId(u128::from_str_radix(&hex, 16).unwrap().to_be_bytes())
}

fn image(table: usize, row: u32, cells: [u8; 4], author: Identity) -> RowImage {
    let some = |cell: usize, value: &dyn Fn(u8) -> Value| (cells[cell] != NULL).then(|| value(cells[cell]));
    let reference = |number: u8| Value::Uuid(row_id(number.into()).0);
    let integer = |number: u8| Value::Integer(number.into());
    let text = |number: u8| Value::Text(Text::new(format!("v{number}")).unwrap());
    let mut image = vec![Some(Value::Uuid(row_id(row).0)), some(0, &reference)];
    match table {
        0 => image.push(some(1, &integer)),
        1 => image.extend([some(1, &text), some(2, &integer), some(3, &text)]),
        _ => image.extend([some(1, &text), some(2, &reference)]),
    }
    let name = RowName { entry: EntryId([0; 32]), transaction: 0, operation: row };
    RowImage { name, cells: image, author }
}

/// An engine that knows the next state.
struct Drawing {
    author: Identity,
    shown: State,
    next: RefCell<State>,
    step: u8,
    notes: BTreeMap<String, Vec<u8>>,
}

impl Drawing {
    fn now_shown(&self) -> Shown {
        Shown { version: Version::new(vec![EntryId([self.step; 32])]), basis: 0 }
    }
}

impl EngineLink for Drawing {
    fn knows(&mut self, _: &Shown) -> Result<bool, LinkError> {
        Ok(true)
    }
    fn signs_for(&mut self, _: &Identity) -> Result<bool, LinkError> {
        Ok(true)
    }
    fn join(&mut self, base: &Shown, _: &Shown) -> Result<Shown, LinkError> {
        Ok(base.clone())
    }
    fn rows_at(&mut self, _: &Shown, rows: &[ShownRow]) -> Result<Vec<Option<RowImage>>, LinkError> {
        let image = |key: &ShownRow| {
            let row = self.shown.iter().find(|((table, row), _)| *table == key.table && row_id(*row) == key.id);
            row.map(|((table, row), cells)| image(*table, *row, *cells, self.author))
        };
        Ok(rows.iter().map(image).collect())
    }
    fn page_at(&mut self, _: &Shown, page: Page) -> Result<Vec<(RowId, RowImage)>, LinkError> {
        let of_table = self
            .shown
            .iter()
            .filter(|((table, row), _)| *table == page.table && page.after.is_none_or(|after| row_id(*row) > after));
        let rows = of_table.map(|((table, row), cells)| (row_id(*row), image(*table, *row, *cells, self.author)));
        Ok(rows.take(page.rows_max).collect())
    }
    fn import(&mut self, work: Arc<Work>) -> Result<ImportOutcome, LinkError> {
        panic!("nothing was written here, but {work:?} was captured");
    }
    fn next_batch(&mut self, from: &Shown, _: usize) -> Result<Batch, LinkError> {
        if *from == Shown::NOTHING || self.shown == *self.next.borrow() {
            let to = self.now_shown();
            return Ok(Batch { to, changes: Vec::new(), reports: Vec::new(), entry_count: 0, is_last: true });
        }
        self.step += 1;
        let next = self.next.borrow().clone();
        let before = std::mem::replace(&mut self.shown, next);
        let keys: BTreeSet<(usize, u32)> = before.keys().chain(self.shown.keys()).copied().collect();
        let differs = |key: &(usize, u32)| before.get(key) != self.shown.get(key);
        let changes = keys.into_iter().filter(differs).map(|(table, row)| {
            let cells = self.shown.get(&(table, row));
            RowChange { table, id: row_id(row), row: cells.map(|cells| image(table, row, *cells, self.author)) }
        });
        Ok(Batch {
            to: self.now_shown(),
            changes: changes.collect(),
            reports: Vec::new(),
            entry_count: 1,
            is_last: true,
        })
    }
    fn ripples(&mut self, _: &Shown, _: &Shown, _: &[ShownRow]) -> Result<Vec<RowChange>, LinkError> {
        Ok(Vec::new())
    }
    fn receipt(&mut self) -> Result<Option<(Vec<u8>, Shown)>, LinkError> {
        Ok(None)
    }
    fn note(&mut self, key: &str) -> Result<Option<Vec<u8>>, LinkError> {
        Ok(self.notes.get(key).cloned())
    }
    fn set_note(&mut self, key: &str, bytes: &[u8]) -> Result<(), LinkError> {
        self.notes.insert(key.to_owned(), bytes.to_vec());
        Ok(())
    }
}

/// A database that is led from state to state.
struct Led {
    directory: TempDir,
    application: Application,
    link: Drawing,
    schema: Schema,
}

impl Led {
    fn new() -> Led {
        let directory = tempfile::tempdir().unwrap();
        let file = treaty_ddl::parse("schema.sql", SCHEMA).unwrap();
        let schema = Schema::empty().apply(&file.patch).unwrap();
        let author = Keypair::generate(&[1; 32]).identity();
        let mut link =
            Drawing { author, shown: State::new(), next: RefCell::default(), step: 0, notes: BTreeMap::new() };
        let node = Node { schema: &schema, space: SpaceId(EntryId([0; 32])), identity: author, gap_ms: 250 };
        let path = directory.path().join("app.db");
        let database = Box::new(SqliteDatabase::open(&path, Missing::Created).unwrap());
        let (application, _) = Application::install(database, &node, Existing::Refuse, "one", &mut link).unwrap();
        Led { directory, application, link, schema }
    }

    fn client(&self) -> Connection {
        Connection::open(self.directory.path().join("app.db")).unwrap()
    }

    fn lead(&mut self, next: State) -> Result<(), DatabaseError> {
        self.link.next.replace(next);
        self.application.apply(&mut self.link)?;
        Ok(())
    }

    fn count(&self, sql: &str) -> i64 {
        self.client().query_row(sql, [], |row| row.get(0)).unwrap()
    }

    /// Checks that the tables hold exactly the state, and that SQLite finds nothing wrong with them.
    fn check(&mut self) {
        for (index, table) in self.schema.tables().iter().enumerate() {
            let count = self.link.shown.keys().filter(|(table, _)| *table == index).count();
            assert_eq!(self.count(&format!("SELECT count(*) FROM {}", table.name)), i64::try_from(count).unwrap());
            let other = format!("SELECT count(*) FROM {} WHERE treaty_status <> 'committed'", table.name);
            assert_eq!(self.count(&other), 0);
        }
        assert_eq!(self.count("SELECT count(*) FROM pragma_foreign_key_check"), 0);
        assert_eq!(self.count("SELECT count(*) FROM pragma_integrity_check WHERE integrity_check <> 'ok'"), 0);
        assert_eq!(self.count("SELECT count(*) FROM treaty_queue WHERE table_name IS NOT NULL"), 0);
        assert_eq!(self.application.audit(&mut self.link).unwrap(), 0);
    }
}

fn drawn_state() -> impl Strategy<Value = State> {
    let row = (0..3_usize, 1..7_u32, [0..7_u8, 0..5, 0..4, 0..3]);
    proptest::collection::vec(row, 0..40).prop_map(|drawn| consistent(&drawn))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_batch_from_one_consistent_state_to_another_applies(states in proptest::collection::vec(drawn_state(), 1..5)) {
        let mut led = Led::new();
        // Conflict clauses in triggers of the application keep their meaning when we write.
        led.client().execute_batch(
            "CREATE TABLE seen (k UNIQUE);
             CREATE TRIGGER seen_insert AFTER INSERT ON a BEGIN INSERT OR IGNORE INTO seen VALUES (new.k); END;
             CREATE TRIGGER seen_update AFTER UPDATE ON a BEGIN INSERT OR IGNORE INTO seen VALUES (new.k); END;",
        ).unwrap();
        for state in states {
            led.lead(state).unwrap();
            led.check();
        }
    }
}

/// Reads rows such as `a1=b1 k1 m2 n2`: the cells after the name are those of its table, `-` for NULL.
fn state(text: &str) -> State {
    let number = |word: &str| word.trim_start_matches(|c: char| !c.is_ascii_digit()).parse::<u8>().unwrap_or(NULL);
    let row = |line: &str| {
        let (name, cells) = line.split_once('=').unwrap();
        let table = ["b", "a", "t"].iter().position(|table| name.starts_with(table)).unwrap();
        let mut numbers = [NULL; 4];
        for (place, word) in cells.split_whitespace().enumerate() {
            numbers[place] = number(word);
        }
        ((table, u32::from(number(name))), numbers)
    };
    text.split(';').map(str::trim).filter(|line| !line.is_empty()).map(row).collect()
}

fn check_path(states: &[&str]) {
    let mut led = Led::new();
    for text in states {
        led.lead(state(text)).unwrap();
        led.check();
    }
}

#[test]
fn two_rows_swap_a_key_and_three_rotate_one() {
    check_path(&[
        "b1=- k1; b2=- k2; b3=- k3",
        "b1=- k2; b2=- k1; b3=- k3",
        "b1=- k3; b2=- k2; b3=- k1",
        "b1=- k1; b2=- k3; b3=- k2",
    ]);
}

#[test]
fn keys_of_several_columns_rotate() {
    check_path(&[
        "b1=- k1; a1=b1 k1 m1 n1; a2=b1 k2 m1 n2; a3=b1 k3 m2 n1",
        "b1=- k1; a1=b1 k2 m1 n2; a2=b1 k3 m2 n1; a3=b1 k1 m1 n1",
        "b1=- k1; a1=b1 k3 - n2; a2=b1 k1 m1 n1; a3=b1 k2 m1 n2",
    ]);
}

#[test]
fn a_key_passes_from_a_row_that_goes_to_one_that_comes() {
    check_path(&["b1=- k1; b3=- k3", "b2=- k1; b3=- k3", "b1=- k3; b4=- k1"]);
}

#[test]
fn a_ring_of_references_comes_and_goes_in_one_batch() {
    check_path(&[
        "b1=b2 k1; b2=b1 k2; a1=b2 k1 - -",
        "",
        "t1=t2 s1 -; t2=t3 s1 -; t3=t1 s1 -",
        "t1=t3 s1 -; t3=t1 s1 -; b3=b3 k1",
    ]);
}

#[test]
fn a_referenced_row_goes_and_takes_no_row_with_it_that_stays() {
    // t2 moves to another parent and t3 loses its owner, while the rows that they referred to go.
    check_path(&["b1=- k1; a1=b1 k1 - -; t1=- s1 -; t2=t1 s1 a1; t3=- s2 a1; t4=t1 s2 -", "t2=t3 s1 -; t3=- s2 -"]);
}
