//! One space over three databases, written to at random from all sides at once: it converges, and whatever was lost is told.
//!
//! Two applications a node insert, update and delete, claim the same unique keys, delete what others refer to, and give
//! up now and then; sidecars stop and are killed meanwhile. In the end all tables and digests are equal; every transaction that an
//! application committed stands everywhere or is reported; and what the log calls void is reported on every node, and
//! nothing else is. `TREATY_TEST_SECONDS` says how long they write.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;
use treaty_tests::{Client, Kind, Node, Sidecar, field, size_from_environment, wait_in_step};

use crate::quick_start::{admit, join};

/// Teams with unique names, and a table for each way to refer to them; every member may do everything.
const SPACE: &str = "
CREATE TABLE members (id UUID PRIMARY KEY, who IDENTITY NOT NULL, role TEXT NOT NULL);
REVOKE UPDATE (who, role) ON members FROM PUBLIC;
CREATE POLICY appoint ON members FOR INSERT WITH CHECK (EXISTS (SELECT 1 FROM members m WHERE m.who = author()));
CREATE TABLE teams (id UUID PRIMARY KEY, name TEXT NOT NULL UNIQUE, motto TEXT, size INTEGER NOT NULL DEFAULT 0);
CREATE TABLE seats (
  id     UUID PRIMARY KEY,
  team   UUID NOT NULL REFERENCES teams (id) ON DELETE CASCADE,
  place  INTEGER NOT NULL,
  holder TEXT,
  UNIQUE (team, place)
);
CREATE TABLE notes (id UUID PRIMARY KEY, team UUID REFERENCES teams (id) ON DELETE SET NULL, title TEXT, stars INTEGER);
CREATE TABLE leases (id UUID PRIMARY KEY, team UUID REFERENCES teams (id) ON DELETE RESTRICT, title TEXT);
CREATE TABLE journal (id UUID PRIMARY KEY);
CREATE POLICY journal_add  ON journal FOR INSERT WITH CHECK (EXISTS (SELECT 1 FROM members m WHERE m.who = author()));
CREATE POLICY teams_add    ON teams  FOR INSERT WITH CHECK (EXISTS (SELECT 1 FROM members m WHERE m.who = author()));
CREATE POLICY teams_edit   ON teams  FOR UPDATE USING (EXISTS (SELECT 1 FROM members m WHERE m.who = author()));
CREATE POLICY teams_drop   ON teams  FOR DELETE USING (EXISTS (SELECT 1 FROM members m WHERE m.who = author()));
CREATE POLICY seats_add    ON seats  FOR INSERT WITH CHECK (EXISTS (SELECT 1 FROM members m WHERE m.who = author()));
CREATE POLICY seats_edit   ON seats  FOR UPDATE USING (EXISTS (SELECT 1 FROM members m WHERE m.who = author()));
CREATE POLICY seats_drop   ON seats  FOR DELETE USING (EXISTS (SELECT 1 FROM members m WHERE m.who = author()));
CREATE POLICY notes_add    ON notes  FOR INSERT WITH CHECK (EXISTS (SELECT 1 FROM members m WHERE m.who = author()));
CREATE POLICY notes_edit   ON notes  FOR UPDATE USING (EXISTS (SELECT 1 FROM members m WHERE m.who = author()));
CREATE POLICY notes_drop   ON notes  FOR DELETE USING (EXISTS (SELECT 1 FROM members m WHERE m.who = author()));
CREATE POLICY leases_add   ON leases FOR INSERT WITH CHECK (EXISTS (SELECT 1 FROM members m WHERE m.who = author()));
CREATE POLICY leases_edit  ON leases FOR UPDATE USING (EXISTS (SELECT 1 FROM members m WHERE m.who = author()));
CREATE POLICY leases_drop  ON leases FOR DELETE USING (EXISTS (SELECT 1 FROM members m WHERE m.who = author()));
CREATE POLICY members_sync ON treaty_peers FOR SELECT USING (EXISTS (SELECT 1 FROM members m WHERE m.who = author()));
INSERT INTO members (who, role) VALUES (author(), 'founder');
";

const TABLES: [&str; 6] = ["members", "teams", "seats", "notes", "leases", "journal"];

/// How long applications write, unless the environment says otherwise.
const SECONDS: u32 = 60;

/// Applications at each node.
const WRITERS: usize = 2;

/// An operation as the log and the reports name it: entry, operation, table, row.
type Named = (String, String, String, String);

/// Numbers from a seed: the same ones every time, though not the same moments.
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn new(seed: u64) -> Chance {
        Chance(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % bound
    }
}

/// One application: what it writes, and what it saw commit. Each transaction puts a row into the journal, which nobody ever
/// changes.
struct Writer {
    client: Client,
    chance: Chance,
    name: u64,
    count: u64,
    committed: BTreeSet<String>,
}

impl Writer {
    /// Writes one transaction; whatever the database has against it ends it, as in any application.
    fn write(&mut self) {
        self.count += 1;
        let id = format!("{:08x}-0000-4000-8000-{:012x}", self.name, self.count);
        let begin = self.client.begin();
        let end = if self.chance.below(12) == 0 { "ROLLBACK" } else { "COMMIT" };
        let mut whole = vec![begin.to_owned(), format!("INSERT INTO journal (id) VALUES ('{id}')")];
        whole.extend((0..=self.chance.below(2)).map(|_| self.statement()));
        whole.push(end.to_owned());
        for statement in &whole {
            if self.client.run(statement).is_err() {
                // After a failed COMMIT there is nothing left to roll back.
                let _ = self.client.run("ROLLBACK");
                return;
            }
        }
        if end == "COMMIT" {
            self.committed.insert(id);
        }
    }

    fn statement(&mut self) -> String {
        let (any, few) = (self.chance.below(1_000), self.chance.below(8));
        let team = "(SELECT id FROM teams ORDER BY random() LIMIT 1)";
        let one = |table: &str| format!("id = (SELECT id FROM {table} ORDER BY random() LIMIT 1)");
        match self.chance.below(20) {
            0..3 => format!("INSERT INTO teams (name) VALUES ('team {}')", any % 40),
            3..7 => format!("INSERT INTO seats (team, place, holder) SELECT {team}, {few}, '{any}'"),
            7..9 => format!("INSERT INTO notes (team, title, stars) SELECT {team}, 'note {any}', {few}"),
            9 => format!("INSERT INTO leases (team, title) SELECT {team}, 'lease {any}'"),
            10 => format!("UPDATE teams SET name = 'team {}' WHERE {}", any % 40, one("teams")),
            11 => format!("UPDATE teams SET motto = '{any}', size = size + 1 WHERE {}", one("teams")),
            12 => format!("UPDATE seats SET place = {few}, holder = 'moved' WHERE {}", one("seats")),
            13 => format!("UPDATE seats SET holder = '{any}' WHERE {}", one("seats")),
            14 => format!("UPDATE notes SET stars = {few} WHERE {}", one("notes")),
            15 => format!("UPDATE notes SET team = {team}, title = 'moved' WHERE {}", one("notes")),
            16 => format!("DELETE FROM teams WHERE {}", one("teams")),
            17 => format!("DELETE FROM seats WHERE {}", one("seats")),
            18 => format!("DELETE FROM notes WHERE {}", one("notes")),
            _ => format!("DELETE FROM leases WHERE {}", one("leases")),
        }
    }
}

/// Runs the space until its time is over, then compares everything.
fn check_space(kinds: [Kind; 3], seconds: u64) {
    let nodes = kinds.map(Node::on);
    nodes[0].init(SPACE);
    for node in &nodes[1..] {
        admit(&nodes[0], node);
        join(&nodes[0], node);
    }
    let is_over = AtomicBool::new(false);
    let committed: Vec<BTreeSet<String>> = std::thread::scope(|scope| {
        let is_over = &is_over;
        let writers: Vec<_> = (0..3 * WRITERS)
            .map(|name| {
                let node = &nodes[name / WRITERS];
                scope.spawn(move || write_until(node, name, is_over))
            })
            .collect();
        let ups = disturb(&nodes, Duration::from_secs(seconds));
        is_over.store(true, Ordering::SeqCst);
        let committed = writers.into_iter().map(|writer| writer.join().expect("no writer panicked")).collect();
        wait_in_step(&nodes.each_ref());
        ups.into_iter().for_each(Sidecar::stop);
        committed
    });
    for table in TABLES {
        let shown = nodes.each_ref().map(|node| node.table(table));
        assert_eq!(shown[0], shown[1], "{table} of the first and the second");
        assert_eq!(shown[0], shown[2], "{table} of the first and the third");
    }
    for node in &nodes[1..] {
        assert_eq!(nodes[0].verified_digest(), node.verified_digest());
    }
    check_reports(&nodes);
    for (writer_index, journal) in committed.iter().enumerate() {
        check_nothing_is_missing(&nodes, writer_index / WRITERS, journal);
    }
}

fn write_until(node: &Node, name: usize, is_over: &AtomicBool) -> BTreeSet<String> {
    let name = u64::try_from(name).expect("small");
    let (client, chance) = (node.client(), Chance::new(name + 1));
    let mut writer = Writer { client, chance, name, count: 0, committed: BTreeSet::new() };
    while !is_over.load(Ordering::SeqCst) {
        writer.write();
        std::thread::sleep(Duration::from_millis(writer.chance.below(1_000)));
    }
    assert!(!writer.committed.is_empty(), "the application of {name} wrote");
    writer.committed
}

/// Keeps the sidecars up for that long, now and then without one of them; in the end all are up.
fn disturb(nodes: &[Node; 3], time: Duration) -> Vec<Sidecar> {
    let start = Instant::now();
    let mut chance = Chance::new(99);
    let mut ups = vec![nodes[0].up(&[])];
    while start.elapsed() < time {
        let listen = ups[0].listen().to_owned();
        for node in &nodes[ups.len()..] {
            ups.push(node.up(&[&listen]));
        }
        std::thread::sleep(Duration::from_millis(2_000 + chance.below(2_000)));
        // The hub last: with it the others go, for they know its old address.
        let from = usize::try_from(chance.below(3)).expect("small");
        while ups.len() > from {
            let down = ups.pop().expect("just counted");
            if chance.below(2) == 0 { down.kill() } else { down.stop() }
        }
        std::thread::sleep(Duration::from_millis(chance.below(1_500)));
        if ups.is_empty() {
            ups.push(nodes[0].up(&[]));
        }
    }
    let listen = ups[0].listen().to_owned();
    for node in &nodes[ups.len()..] {
        ups.push(node.up(&[&listen]));
    }
    ups
}

/// What the log calls void, and what is reported and stands, are the same operations on every node.
fn check_reports(nodes: &[Node; 3]) {
    for node in nodes {
        let logged = node.lines(&["log", "--limit", "1000000"]);
        let name = |line: &Value| -> Named {
            let word = |name: &str| field(line, name).to_owned();
            (word("entry"), word("operation"), word("table"), word("row"))
        };
        let void: BTreeSet<Named> = logged.iter().filter(|line| line["verdict"] == "void").map(name).collect();
        let reports = node.lines(&["rollbacks"]);
        let stand = reports.iter().filter(|report| report["reinstated"].is_null() && !report["entry"].is_null());
        let stand: BTreeSet<Named> = stand.map(name).collect();
        let (untold, unfounded): (Vec<_>, Vec<_>) =
            (void.difference(&stand).collect(), stand.difference(&void).collect());
        assert!(untold.is_empty(), "void, and not reported: {untold:?}");
        assert!(unfounded.is_empty(), "reported, and not void: {unfounded:?}");
        assert!(!void.is_empty(), "they were in each other's way");
    }
}

/// Every transaction that an application of one node committed stands in all tables, or is reported: where it was written,
/// and if it came into the log, everywhere.
fn check_nothing_is_missing(nodes: &[Node; 3], home: usize, committed: &BTreeSet<String>) {
    let stands: BTreeSet<String> = nodes[home].rows("SELECT id FROM journal").into_iter().collect();
    let told = nodes.each_ref().map(|node| {
        let rows = node.rows("SELECT row_id FROM treaty_rollbacks WHERE table_name = 'journal' AND reinstated IS NULL");
        rows.into_iter().collect::<BTreeSet<String>>()
    });
    let missing: Vec<_> = committed.iter().filter(|id| !stands.contains(*id) && !told[home].contains(*id)).collect();
    assert!(missing.is_empty(), "committed at node {home}, and lost: {missing:?}");
    let doubled: Vec<_> = committed.iter().filter(|id| stands.contains(*id) && told[home].contains(*id)).collect();
    assert!(doubled.is_empty(), "they stand, and are reported as lost: {doubled:?}");
}

#[test]
fn a_space_of_one_postgresql_and_two_sqlite_nodes_converges_under_random_writes() {
    let seconds = size_from_environment("TREATY_TEST_SECONDS", SECONDS);
    check_space([Kind::Postgres, Kind::Sqlite, Kind::Sqlite], u64::from(seconds));
}
