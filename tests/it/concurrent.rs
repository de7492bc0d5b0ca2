//! Fifty connections write to one PostgreSQL node at once, in short and long transactions, with savepoints and roll-backs:
//! each committed transaction is exactly one co-transaction, whole, and after those that it depends on.
//!
//! SQLite has one writer and no numbers of transactions; what holds there is tested in the adapter.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::Value;
use treaty_tests::{Client, Kind, Node, Pair, field, wait_in_step};

use crate::mixed::Chance;
use crate::quick_start::{admit, join};

/// Steps, each of which may refer to one of an earlier transaction, and counters, which transactions take turns to change.
const SPACE: &str = "
CREATE TABLE members (id UUID PRIMARY KEY, who IDENTITY NOT NULL, role TEXT NOT NULL);
REVOKE UPDATE (who, role) ON members FROM PUBLIC;
CREATE POLICY appoint ON members FOR INSERT WITH CHECK (EXISTS (SELECT 1 FROM members m WHERE m.who = author()));
CREATE TABLE steps (
  id       UUID PRIMARY KEY,
  number   INTEGER NOT NULL,
  chain    INTEGER NOT NULL,
  depth    INTEGER NOT NULL,
  previous UUID REFERENCES steps (id),
  note     TEXT NOT NULL
);
CREATE POLICY steps_add ON steps FOR INSERT WITH CHECK (EXISTS (SELECT 1 FROM members m WHERE m.who = author()));
CREATE TABLE counters (id UUID PRIMARY KEY, amount INTEGER NOT NULL);
CREATE POLICY counters_add  ON counters FOR INSERT WITH CHECK (EXISTS (SELECT 1 FROM members m WHERE m.who = author()));
CREATE POLICY counters_move ON counters FOR UPDATE USING (EXISTS (SELECT 1 FROM members m WHERE m.who = author()));
CREATE POLICY members_sync ON treaty_peers FOR SELECT USING (EXISTS (SELECT 1 FROM members m WHERE m.who = author()));
INSERT INTO members (who, role) VALUES (author(), 'founder');
INSERT INTO counters (amount) VALUES (0);
";

/// Connections that write at once.
const CONNECTIONS: u64 = 50;

/// Transactions that each of them tries.
const TRANSACTIONS: u64 = 12;

/// Chains of steps: several connections go on with each.
const CHAINS: u64 = 10;

/// How a transaction treats others.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Manner {
    /// It inserts only: no two transactions touch one row.
    Apart,
    /// It changes the counter that all change.
    TakingTurns,
}

/// Where a co-transaction stands in the log: entries in the order of the log, then its place in the entry.
type Place = (usize, u64);

/// A transaction that committed: its number, and how many steps it inserted.
type Committed = (u64, usize);

/// Lets all connections write; returns what they saw commit.
fn write_at_once(node: &Node, manner: Manner) -> Vec<Committed> {
    std::thread::scope(|scope| {
        let connections: Vec<_> =
            (0..CONNECTIONS).map(|connection| scope.spawn(move || write_all(node, connection, manner))).collect();
        connections.into_iter().flat_map(|writer| writer.join().expect("no writer panicked")).collect()
    })
}

fn write_all(node: &Node, connection: u64, manner: Manner) -> Vec<Committed> {
    let mut client = node.client();
    let mut chance = Chance::new(connection + 1);
    let mut committed = Vec::new();
    for transaction in 0..TRANSACTIONS {
        let number = connection * 1_000 + transaction;
        match write_one(&mut client, &mut chance, number, manner) {
            Ok(Some(step_count)) => committed.push((number, step_count)),
            Ok(None) => {}
            // Serialization failures and deadlocks: the transaction did not happen.
            Err(_) => client.run("ROLLBACK").expect("a roll-back does not fail"),
        }
    }
    committed
}

/// One transaction; returns how many steps it inserted, none if it was rolled back on purpose.
fn write_one(client: &mut Client, chance: &mut Chance, number: u64, manner: Manner) -> Result<Option<usize>, String> {
    let chain = number / 1_000 % CHAINS;
    let isolation =
        ["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"][usize::try_from(chance.below(3)).unwrap_or(0)];
    let isolation = if manner == Manner::TakingTurns { "READ COMMITTED" } else { isolation };
    client.run(&format!("BEGIN ISOLATION LEVEL {isolation}"))?;
    let mut depth = 0;
    if manner == Manner::TakingTurns {
        let amount = client.rows("UPDATE counters SET amount = amount + 1 RETURNING amount")?;
        depth = amount[0].parse().expect("a number");
    }
    let mut step_count = 0;
    for _ in 0..=chance.below(3) {
        if chance.below(3) == 0 {
            let steps = step(number, chain, 999_999, "rolled back", 1 + chance.below(20));
            client.run("SAVEPOINT here")?;
            client.run(&steps)?;
            client.run("ROLLBACK TO SAVEPOINT here")?;
        }
        let row_count = 1 + chance.below(10);
        client.run("SAVEPOINT there")?;
        client.run(&step(number, chain, depth, "kept", row_count))?;
        client.run("RELEASE SAVEPOINT there")?;
        step_count += usize::try_from(row_count).unwrap_or(0);
        if chance.below(4) == 0 {
            // A long transaction: others begin and commit meanwhile.
            std::thread::sleep(Duration::from_millis(chance.below(300)));
        }
    }
    if chance.below(5) == 0 {
        client.run("ROLLBACK")?;
        return Ok(None);
    }
    client.run("COMMIT")?;
    Ok(Some(step_count))
}

/// Inserts steps that go on from the chain's last step that the transaction sees.
fn step(number: u64, chain: u64, depth: u64, note: &str, row_count: u64) -> String {
    format!(
        "INSERT INTO steps (number, chain, depth, previous, note)
         SELECT {number}, {chain}, CASE {depth} WHEN 0 THEN coalesce(last.depth, 0) + 1 ELSE {depth} END, last.id, '{note}'
         FROM generate_series(1, {row_count})
         LEFT JOIN (SELECT id, depth FROM steps WHERE chain = {chain} ORDER BY depth DESC, id LIMIT 1) last ON true"
    )
}

/// The steps of the log, each with the place of its co-transaction, from the first to the last.
fn steps_of(node: &Node) -> Vec<(Place, Value)> {
    let mut logged = node.lines(&["log", "--table", "steps", "--limit", "10000000"]);
    logged.reverse();
    let mut entries: Vec<String> = Vec::new();
    for line in &logged {
        if entries.last().map(String::as_str) != Some(field(line, "entry")) {
            entries.push(field(line, "entry").to_owned());
        }
    }
    let order: BTreeMap<String, usize> = entries.into_iter().enumerate().map(|(at, entry)| (entry, at)).collect();
    logged
        .into_iter()
        .map(|line| ((order[field(&line, "entry")], line["transaction"].as_u64().expect("a number")), line))
        .collect()
}

/// Checks that each transaction is in one co-transaction, whole, and that nothing else is in the log.
fn check_whole(steps: &[(Place, Value)], committed: &[Committed]) -> BTreeMap<Place, BTreeSet<u64>> {
    let mut places: BTreeMap<u64, BTreeSet<Place>> = BTreeMap::new();
    let mut counts: BTreeMap<u64, usize> = BTreeMap::new();
    let mut numbers: BTreeMap<Place, BTreeSet<u64>> = BTreeMap::new();
    for (place, line) in steps {
        assert_eq!((field(line, "operation"), field(line, "verdict")), ("insert", "live"), "{line}");
        assert_eq!(field(&line["values"], "note"), "kept", "what was rolled back is not in the log: {line}");
        let number = line["values"]["number"].as_u64().expect("a number");
        places.entry(number).or_default().insert(*place);
        numbers.entry(*place).or_default().insert(number);
        *counts.entry(number).or_default() += 1;
    }
    let expected: BTreeMap<u64, usize> = committed.iter().copied().collect();
    assert_eq!(counts, expected, "the steps of each transaction that committed");
    for (number, places) in &places {
        assert_eq!(places.len(), 1, "transaction {number} is split: {places:?}");
    }
    numbers
}

/// Checks that a step comes after the one that it goes on from, or with it.
fn check_order(steps: &[(Place, Value)]) {
    let places: BTreeMap<&str, Place> = steps.iter().map(|(place, line)| (field(line, "row"), *place)).collect();
    for (place, line) in steps {
        if let Some(previous) = line["values"]["previous"].as_str() {
            assert!(places[previous] <= *place, "{line} is before {previous}");
        }
    }
}

/// A PostgreSQL node and a follower, both running while everybody writes; returns what committed.
fn check_writers(follower: Kind, manner: Manner) -> (Node, Vec<Committed>) {
    let (first, second) = Pair { first: Kind::Postgres, second: follower }.nodes();
    first.init(SPACE);
    admit(&first, &second);
    join(&first, &second);
    let up_first = first.up(&[]);
    let up_second = second.up(&[up_first.listen()]);
    let committed = write_at_once(&first, manner);
    assert!(committed.len() > 200, "most of them commit: {}", committed.len());
    wait_in_step(&[&first, &second]);
    up_first.stop();
    up_second.stop();
    for table in ["steps", "counters"] {
        assert_eq!(first.table(table), second.table(table));
    }
    let total: usize = committed.iter().map(|(_, step_count)| step_count).sum();
    assert_eq!(first.value("SELECT count(*) FROM steps"), total.to_string());
    assert_eq!(first.verified_digest(), second.verified_digest());
    (first, committed)
}

#[test]
fn each_transaction_of_fifty_connections_is_one_co_transaction_in_an_order_that_its_reads_allow() {
    let (node, committed) = check_writers(Kind::Sqlite, Manner::Apart);
    let steps = steps_of(&node);
    let numbers = check_whole(&steps, &committed);
    check_order(&steps);
    let joined: Vec<_> = numbers.values().filter(|numbers| numbers.len() > 1).collect();
    assert!(joined.is_empty(), "transactions that touched no row in common are not joined: {joined:?}");
}

#[test]
fn transactions_that_take_turns_at_one_row_are_joined_at_most_and_in_their_order() {
    let (node, committed) = check_writers(Kind::Postgres, Manner::TakingTurns);
    assert_eq!(node.value("SELECT amount FROM counters"), committed.len().to_string());
    let steps = steps_of(&node);
    check_whole(&steps, &committed);
    check_order(&steps);
    let mut turns: Vec<(u64, Place)> =
        steps.iter().map(|(place, line)| (line["values"]["depth"].as_u64().expect("a number"), *place)).collect();
    turns.sort_unstable();
    assert!(turns.is_sorted_by_key(|(_, place)| *place), "in the order in which they changed the counter");
}
