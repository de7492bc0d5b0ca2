//! Cost of judging: inserts on top of logs of growing length, a late entry at the beginning of a long log, and the removal of
//! a member who wrote many rows unaware of it, in small and large spaces.
//!
//! `cargo bench -p treaty-engine --bench judging -- [entries of the longest log] [rows that a removal rolls back]` prints
//! one line a figure: name, median, unit, min, max, number of measurements. Signing is not measured.

#![expect(clippy::disallowed_types, reason = "a benchmark reads the clock")]
#![allow(clippy::unwrap_used, clippy::cast_precision_loss, reason = "a benchmark ends at the first failure")]

use std::path::Path;
use std::time::Instant;

use treaty_engine::hash::{EntryId, PayloadHash};
use treaty_engine::log::{Entry, EntryDraft};
use treaty_engine::relation::payload::{NamedCell, NamedOperation, NamedRow, NamedShape, PayloadBuilder};
use treaty_engine::relation::{RowId, RowName};
use treaty_engine::replica::{GenesisDraft, LocalRow, Replica};
use treaty_engine::store::{Durability, Sqlite};
use treaty_schema::{Command, LogicalType, Patch, Value};
use treaty_testkit::{Figures, author, col, eq, exists, keypair, patch, table, told_value, with_peers};

/// Entries of one ingest while a log grows.
const INGEST_ENTRIES: usize = 1000;
/// Inserts measured at each length.
const INSERTS: usize = 500;
/// Late entries measured.
const LATE_ENTRIES: usize = 20;
/// Rounds of concurrent work, and entries of each of two authors in a round.
const HONEST_ROUNDS: usize = 20;
const HONEST_ENTRIES: usize = 250;
/// Rows of a co-transaction of the member who is removed; a hundred co-transactions share an entry.
const REMOVED_ROWS: usize = 1;
/// Rows of one batch for tables.
const BATCH_ROWS: usize = 500;

const MEMBERS: usize = 0;
const NOTES: usize = 1;
const FOUNDER: u8 = 0;
const MEMBER: u8 = 1;

/// Members who may write notes; the founder, and whoever is a member, may remove members.
fn notes() -> Patch {
    let is_member = || exists(&["members m"], eq(col("m.who"), author()));
    let members = table("members")
        .required("who", LogicalType::Identity)
        .frozen(&["who"])
        .policy(Command::Insert, is_member())
        .policy(Command::Delete, is_member());
    let notes = table("notes")
        .required("title", LogicalType::Text)
        .required("body", LogicalType::Text)
        .policy(Command::Insert, is_member())
        .policy(Command::Update, is_member());
    with_peers(patch([members, notes]), is_member())
}

fn id(number: usize) -> RowId {
    let mut id = [0; 16];
    id.copy_from_slice(&PayloadHash::of(&number.to_le_bytes()).0[..16]);
    id[6] = id[6] & 0x0f | 0x40;
    RowId(id)
}

/// A replica, and the place where its next entry goes.
struct Space {
    replica: Replica,
    head: EntryId,
    height: u64,
    rows: usize,
}

/// Where an entry goes.
#[derive(Clone, Copy)]
struct Place {
    parent: EntryId,
    height: u64,
}

impl Space {
    fn begin(path: &Path) -> Space {
        let member = |number: usize, author: u8| LocalRow {
            table: MEMBERS,
            cells: vec![Some(id(usize::MAX - number).to_value()), Some(Value::Identity(keypair(author).identity()))],
        };
        let draft = GenesisDraft { patch: notes(), rows: vec![member(0, FOUNDER), member(1, MEMBER)], nonce: [0; 16] };
        let replica = Replica::create(open(path), &keypair(FOUNDER), draft, 0).unwrap();
        let head = replica.frontier().ids()[0];
        Space { replica, head, height: 0, rows: 0 }
    }

    /// Signs an entry of co-transactions that insert some notes each.
    fn entry(&mut self, author: u8, place: Place, (transactions, rows): (usize, usize)) -> Entry {
        let table = &self.replica.schema().tables()[NOTES];
        let shape =
            NamedShape { table: table.id, columns: table.columns[1..].iter().map(|column| column.id).collect() };
        let text = |text: &str| Some(NamedCell::Value(told_value(LogicalType::Text, text)));
        let mut builder = PayloadBuilder::new();
        for _ in 0..transactions {
            let first = self.rows;
            self.rows += rows;
            let insert = |number| NamedOperation::Insert {
                shape: shape.clone(),
                id: id(number),
                cells: vec![text("title"), text(&"body".repeat(40))],
            };
            builder.push(&(first..self.rows).map(insert).collect::<Vec<_>>());
        }
        self.sign(author, place, builder)
    }

    fn sign(&self, author: u8, place: Place, builder: PayloadBuilder) -> Entry {
        self.sign_on(author, vec![place.parent], place.height, builder)
    }

    fn merge(&self, places: [Place; 2]) -> Entry {
        let mut parents: Vec<EntryId> = places.iter().map(|place| place.parent).collect();
        parents.sort_unstable();
        self.sign_on(FOUNDER, parents, places[0].height.max(places[1].height), PayloadBuilder::new())
    }

    fn sign_on(&self, author: u8, parents: Vec<EntryId>, height: u64, builder: PayloadBuilder) -> Entry {
        let draft = EntryDraft { space: Some(self.replica.space()), parents, height: height + 1, time_ms: 0 };
        Entry::sign(&keypair(author), draft, builder.finish()).unwrap()
    }

    /// Signs a chain of entries by one author on the head, and moves the head.
    fn chain(&mut self, author: u8, entry_count: usize, size: (usize, usize)) -> Vec<Entry> {
        let mut entries = Vec::with_capacity(entry_count);
        for _ in 0..entry_count {
            let entry = self.entry(author, self.place(), size);
            (self.head, self.height) = (*entry.id(), self.height + 1);
            entries.push(entry);
        }
        entries
    }

    fn place(&self) -> Place {
        Place { parent: self.head, height: self.height }
    }

    /// Ingests entries that stand. Returns how long that took, in seconds.
    fn ingest(&mut self, entries: Vec<Entry>) -> f64 {
        let count = entries.len();
        let start = Instant::now();
        let outcome = self.replica.ingest(entries).unwrap();
        let seconds = start.elapsed().as_secs_f64();
        assert_eq!(outcome.admitted.len(), count, "{:?}", outcome.refused);
        seconds
    }

    fn grow(&mut self, to: usize, size: (usize, usize)) {
        while self.rows < to {
            let rest = (to - self.rows).div_ceil(size.0 * size.1).min(INGEST_ENTRIES);
            let entries = self.chain(FOUNDER, rest, size);
            self.ingest(entries);
        }
    }
}

fn open(path: &Path) -> Sqlite {
    Sqlite::open(path, Durability::Normal).unwrap()
}

fn main() {
    let numbers: Vec<usize> = std::env::args().filter_map(|argument| argument.parse().ok()).collect();
    let longest = numbers.first().copied().unwrap_or(100_000);
    let removed = numbers.get(1).copied().unwrap_or(10_000);
    let directory = tempfile::tempdir().unwrap();
    let mut figures = Figures::default();
    growth(&mut figures, &directory.path().join("growth"), longest);
    honest(&mut figures, &directory.path().join("honest"));
    for others in [10_000, 200_000] {
        removal(&mut figures, directory.path(), (others, removed));
    }
    figures.print();
}

/// Inserts of one row on top of logs of 10^3 entries and more; then late ones at the beginning of the longest.
fn growth(figures: &mut Figures, path: &Path, longest: usize) {
    let mut space = Space::begin(path);
    let genesis = space.place();
    let mut length = 1000;
    while length <= longest {
        space.grow(length, (1, 1));
        for _ in 0..INSERTS {
            let entries = space.chain(FOUNDER, 1, (1, 1));
            let seconds = space.ingest(entries);
            figures.add(&format!("judging.insert.on_{length:07}_entries"), "us", seconds * 1e6);
        }
        length *= 10;
    }
    for _ in 0..LATE_ENTRIES {
        let entry = space.entry(MEMBER, genesis, (1, 1));
        let seconds = space.ingest(vec![entry]);
        figures.add(&format!("judging.late_insert.at_genesis_of_{longest:07}"), "us", seconds * 1e6);
    }
}

/// Two authors who write at the same time and hear of each other now and then.
fn honest(figures: &mut Figures, path: &Path) {
    let mut space = Space::begin(path);
    for _ in 0..HONEST_ROUNDS {
        let fork = space.place();
        let mut entries = space.chain(FOUNDER, HONEST_ENTRIES, (1, 1));
        let founders = space.place();
        (space.head, space.height) = (fork.parent, fork.height);
        entries.extend(space.chain(MEMBER, HONEST_ENTRIES, (1, 1)));
        let (mine, before) = (space.place(), space.replica.evaluation_count());
        let count = entries.len() as f64;
        let seconds = space.ingest(entries);
        figures.add("judging.honest.concurrent", "rows/s", count / seconds);
        let evaluations = space.replica.evaluation_count() - before;
        figures.add("judging.honest.evaluations", "per entry", 1.0 + evaluations as f64 / count);
        let merge = space.merge([founders, mine]);
        (space.head, space.height) = (*merge.id(), space.height + 1);
        space.ingest(vec![merge]);
    }
}

/// A member writes many rows, the founder removes him meanwhile; each half heard first.
fn removal(figures: &mut Figures, directory: &Path, (others, removed): (usize, usize)) {
    let name = |what: &str| format!("judging.removal.{removed}_of_{others}.{what}");
    let mut space = Space::begin(&directory.join(format!("removal-{others}")));
    space.grow(others, (1, 100));
    let fork = space.place();
    let count = removed.div_ceil(100 * REMOVED_ROWS);
    let work = space.chain(MEMBER, count, (100, REMOVED_ROWS));
    let mut builder = PayloadBuilder::new();
    let genesis = RowName { entry: space.replica.space().0, transaction: 0, operation: 1 };
    let members = space.replica.schema().tables()[MEMBERS].id;
    builder.push(&[NamedOperation::Delete { table: members, row: NamedRow::Past(genesis) }]);
    let removal = space.sign(FOUNDER, fork, builder);
    let seconds = space.ingest(work);
    figures.add(&name("written"), "rows/s", removed as f64 / seconds);
    let mut shown = space.replica.newest().unwrap();
    let seconds = space.ingest(vec![removal]);
    figures.add(&name("judged"), "flips/s", removed as f64 / seconds);
    let (start, mut is_last, mut gone) = (Instant::now(), false, 0);
    while !is_last {
        let batch = space.replica.next_batch(&shown, BATCH_ROWS).unwrap();
        gone += batch.changes.iter().filter(|change| change.row.is_none()).count();
        (shown, is_last) = (batch.to, batch.is_last);
    }
    assert_eq!(gone, removed + 1, "the member and his rows");
    figures.add(&name("batched"), "rows/s", removed as f64 / start.elapsed().as_secs_f64());
}
