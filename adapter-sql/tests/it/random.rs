//! Drawn histories: whatever applications write, and whenever the sidecar dies, tables and log agree in the end.

use proptest::prelude::*;
use rusqlite::Connection;
use treaty::application::Place;
use treaty_engine::identity::{Identity, Keypair};

use crate::meddle::{Failing, Meddling, Sparing};
use crate::node::{OPEN, TestNode, id, sync};

/// What an application does in one statement. Rows and names are few, so that everything collides.
#[derive(Debug, Clone)]
enum Write {
    Insert {
        clause: usize,
        row: u32,
        name: u8,
    },
    Upsert {
        row: u32,
        name: u8,
    },
    Rename {
        clause: usize,
        row: u32,
        name: u8,
    },
    Age {
        row: u32,
        age: u8,
    },
    DeletePerson {
        row: u32,
    },
    Note {
        clause: usize,
        row: u32,
        owner: Option<u32>,
        kind: u8,
    },
    EditNote {
        row: u32,
        title: u8,
    },
    DeleteNote {
        row: u32,
    },
    /// Only in [`CLUB`]: rows and members are numbered alike.
    Admit {
        row: u32,
        who: u8,
    },
    Expel {
        row: u32,
    },
    Mark,
}

const CLAUSES: [&str; 4] = ["", "OR REPLACE", "OR IGNORE", "OR FAIL"];

impl Write {
    fn sql(&self) -> String {
        match self {
            Write::Insert { clause, row, name } => {
                format!("INSERT {} INTO people (id, name) VALUES ('{}', 'n{name}')", CLAUSES[*clause], id(*row))
            }
            Write::Upsert { row, name } => format!(
                "INSERT INTO people (id, name) VALUES ('{}', 'n{name}') ON CONFLICT DO UPDATE SET age = coalesce(age, 0) + 1",
                id(*row)
            ),
            Write::Rename { clause, row, name } => {
                format!("UPDATE {} people SET name = 'n{name}' WHERE id = '{}'", CLAUSES[*clause], id(*row))
            }
            Write::Age { row, age } => format!("UPDATE people SET age = {age} WHERE id = '{}'", id(*row)),
            Write::DeletePerson { row } => format!("DELETE FROM people WHERE id = '{}'", id(*row)),
            Write::Note { clause, row, owner, kind } => format!(
                "INSERT {} INTO notes (id, owner, title, kind) VALUES ('{}', {}, 't', 'k{kind}')",
                CLAUSES[*clause],
                id(100 + row),
                owner.map_or("NULL".to_owned(), |owner| format!("'{}'", id(owner)))
            ),
            Write::EditNote { row, title } => {
                format!("UPDATE notes SET title = 't{title}', price = {title} WHERE id = '{}'", id(100 + row))
            }
            Write::DeleteNote { row } => format!("DELETE FROM notes WHERE id = '{}'", id(100 + row)),
            Write::Admit { row, who } => {
                format!("INSERT INTO members (id, who) VALUES ('{}', '{}')", id(200 + row), member(*who))
            }
            Write::Expel { row } => format!("DELETE FROM members WHERE id = '{}'", id(200 + row)),
            Write::Mark => "INSERT INTO treaty_tx DEFAULT VALUES".to_owned(),
        }
    }
}

/// What happens to one of the nodes.
#[derive(Debug, Clone)]
enum Event {
    /// One SQL transaction; a statement that fails is skipped.
    Transaction {
        writes: Vec<Write>,
        is_recursive: bool,
    },
    Drain,
    /// The sidecar dies after the entries are durable, and is started again.
    DrainAndDie,
    /// The application writes while the engine signs.
    DrainDuring(Vec<Write>),
    Restart,
    Pull,
    Apply,
    /// One batch, as small as there is: the tables then show a part of the log by the verdicts of all.
    ApplyLittle,
    /// The sidecar dies at the n-th call of the engine, and is started again.
    ApplyAndDie(u32),
}

/// A space where members do as they like, admit and expel.
const CLUB: &str = "
CREATE TABLE members (id UUID PRIMARY KEY, who IDENTITY NOT NULL);
REVOKE UPDATE (who) ON members FROM PUBLIC;
CREATE TABLE people (id UUID PRIMARY KEY, name TEXT NOT NULL UNIQUE, age INTEGER, score DOUBLE PRECISION);
CREATE TABLE notes (
  id UUID PRIMARY KEY, owner UUID REFERENCES people (id) ON DELETE SET NULL, title TEXT NOT NULL, price NUMERIC(8,2), kind TEXT
);
CREATE POLICY a ON members FOR INSERT WITH CHECK (EXISTS (SELECT 1 FROM members m WHERE m.who = author()));
CREATE POLICY b ON members FOR DELETE USING (EXISTS (SELECT 1 FROM members m WHERE m.who = author()));
CREATE POLICY c ON people FOR INSERT WITH CHECK (EXISTS (SELECT 1 FROM members m WHERE m.who = author()));
CREATE POLICY d ON people FOR UPDATE USING (EXISTS (SELECT 1 FROM members m WHERE m.who = author()));
CREATE POLICY e ON people FOR DELETE USING (EXISTS (SELECT 1 FROM members m WHERE m.who = author()));
CREATE POLICY f ON notes FOR INSERT WITH CHECK (EXISTS (SELECT 1 FROM members m WHERE m.who = author()));
CREATE POLICY g ON notes FOR UPDATE USING (EXISTS (SELECT 1 FROM members m WHERE m.who = author()));
CREATE POLICY h ON notes FOR DELETE USING (true);
CREATE POLICY i ON treaty_peers FOR SELECT USING (true);
CREATE POLICY j ON treaty_schema FOR INSERT WITH CHECK (false);
INSERT INTO members (who) VALUES (author());
";

/// The identity of a node of [`CLUB`].
fn member(number: u8) -> Identity {
    Keypair::generate(&[number + 1; 32]).identity()
}

fn write() -> impl Strategy<Value = Write> {
    let (row, name, clause) = (0..5_u32, 0..4_u8, 0..CLAUSES.len());
    prop_oneof![
        3 => (clause.clone(), row.clone(), name.clone()).prop_map(|(clause, row, name)| Write::Insert { clause, row, name }),
        1 => (row.clone(), name.clone()).prop_map(|(row, name)| Write::Upsert { row, name }),
        2 => (clause.clone(), row.clone(), name).prop_map(|(clause, row, name)| Write::Rename { clause, row, name }),
        1 => (row.clone(), 0..9_u8).prop_map(|(row, age)| Write::Age { row, age }),
        1 => row.clone().prop_map(|row| Write::DeletePerson { row }),
        2 => (clause, row.clone(), proptest::option::of(row.clone()), 0..2_u8)
            .prop_map(|(clause, row, owner, kind)| Write::Note { clause, row, owner, kind }),
        1 => (row.clone(), 0..9_u8).prop_map(|(row, title)| Write::EditNote { row, title }),
        1 => row.prop_map(|row| Write::DeleteNote { row }),
        1 => Just(Write::Mark),
    ]
}

fn event() -> impl Strategy<Value = Event> {
    let writes = || proptest::collection::vec(write(), 1..4);
    prop_oneof![
        8 => (writes(), any::<bool>()).prop_map(|(writes, is_recursive)| Event::Transaction { writes, is_recursive }),
        3 => Just(Event::Drain),
        1 => Just(Event::DrainAndDie),
        1 => writes().prop_map(Event::DrainDuring),
        1 => Just(Event::Restart),
        2 => Just(Event::Pull),
        2 => Just(Event::Apply),
        2 => Just(Event::ApplyLittle),
        1 => (0..9_u32).prop_map(Event::ApplyAndDie),
    ]
}

fn club_event() -> impl Strategy<Value = Event> {
    let of_members = prop_oneof![
        2 => (0..5_u32, 0..3_u8).prop_map(|(row, who)| Write::Admit { row, who }),
        1 => (0..5_u32).prop_map(|row| Write::Expel { row }),
    ];
    prop_oneof![
        6 => event(),
        2 => of_members.prop_map(|write| Event::Transaction { writes: vec![write], is_recursive: false }),
    ]
}

fn transact(client: &Connection, writes: &[Write]) {
    client.execute_batch("BEGIN IMMEDIATE").unwrap();
    for write in writes {
        // Refused by the database itself: as if it had not been tried.
        let _ = client.execute_batch(&write.sql());
    }
    client.execute_batch("COMMIT").unwrap();
}

/// Everything that applications wrote, as the tables show it.
fn contents(node: &TestNode) -> String {
    let people = node.ask("SELECT id, name, age FROM people ORDER BY id");
    people + "\n" + &node.ask("SELECT id, owner, title, price, kind FROM notes ORDER BY id")
}

fn happen(node: &mut TestNode, event: &Event) {
    match event {
        Event::Transaction { writes, is_recursive } => {
            let client = node.client();
            let pragmas = format!("PRAGMA foreign_keys = ON; PRAGMA recursive_triggers = {is_recursive}");
            client.execute_batch(&pragmas).unwrap();
            transact(&client, writes);
        }
        Event::Drain => {
            node.drain();
        }
        Event::DrainAndDie => {
            let _ = node.with(|application, link| {
                let mut dying = Meddling::new(link, || {});
                dying.fails = true;
                application.drain(&mut dying)
            });
            node.restart().unwrap();
        }
        Event::DrainDuring(writes) => {
            let client = node.client();
            client.execute_batch("PRAGMA foreign_keys = ON").unwrap();
            node.with(|application, link| {
                application.drain(&mut Meddling::new(link, || transact(&client, writes))).unwrap()
            });
        }
        Event::Restart => node.restart().unwrap(),
        Event::Pull => {}
        Event::Apply => {
            node.apply();
            node.check_tables();
        }
        Event::ApplyLittle => {
            node.with(|application, link| application.apply(&mut Sparing::new(link))).unwrap();
            node.check_tables();
        }
        Event::ApplyAndDie(calls) => {
            let _ = node.with(|application, link| application.apply(&mut Failing::after(*calls, link)));
            node.restart().unwrap();
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn one_node_loses_nothing_and_doubles_nothing(events in proptest::collection::vec(event(), 1..25)) {
        let mut node = TestNode::found(OPEN);
        for event in &events {
            let before = contents(&node);
            happen(&mut node, event);
            if !matches!(event, Event::Transaction { .. } | Event::DrainDuring(_)) {
                // What the sidecar does changes nothing that an application wrote.
                prop_assert_eq!(before.replace(".00", ""), contents(&node).replace(".00", ""), "{:?}", event);
            }
            // Whatever is in the tables and not in the log is in the queue.
            node.check_nothing_missed();
        }
        let before = contents(&node).replace(".00", "");
        node.drain();
        prop_assert_eq!(before, contents(&node).replace(".00", ""));
        prop_assert_eq!(node.ask("SELECT count(*) FROM treaty_rollbacks"), "0");
        node.check_settled();
        prop_assert_eq!(node.audit(), 0);
    }

    #[test]
    fn two_nodes_converge(events in proptest::collection::vec((any::<bool>(), event()), 1..30)) {
        let mut a = TestNode::found(OPEN);
        let mut b = TestNode::join(&a, 2);
        for (is_first, event) in &events {
            let (node, other) = if *is_first { (&mut a, &mut b) } else { (&mut b, &mut a) };
            if matches!(event, Event::Pull) {
                node.pull(other);
            } else {
                happen(node, event);
            }
        }
        sync(&mut a, &mut b);
        sync(&mut a, &mut b);
        a.check_settled();
        b.check_settled();
        prop_assert_eq!(contents(&a), contents(&b));
        prop_assert_eq!(a.audit() + b.audit(), 0);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn a_club_at_odds_with_itself_converges(
        events in proptest::collection::vec((0..3_usize, 1..3_usize, club_event()), 1..40),
    ) {
        let founder = TestNode::found(CLUB);
        let others = [TestNode::join(&founder, 2), TestNode::join(&founder, 3)];
        let mut nodes: Vec<TestNode> = std::iter::once(founder).chain(others).collect();
        nodes[0].run(&Write::Admit { row: 1, who: 1 }.sql());
        nodes[0].run(&Write::Admit { row: 2, who: 2 }.sql());
        meet(&mut nodes);
        for (at, distance, event) in &events {
            let from = (at + distance) % nodes.len();
            if matches!(event, Event::Pull) {
                let entries = nodes[from].entries();
                nodes[*at].replica.ingest(entries).unwrap();
            } else {
                happen(&mut nodes[*at], event);
            }
        }
        meet(&mut nodes);
        meet(&mut nodes);
        let told = nodes[0].ask(TOLD);
        for node in &mut nodes {
            node.check_settled();
            prop_assert_eq!(node.audit(), 0);
            prop_assert_eq!(node.ask(TOLD), told.clone());
        }
        prop_assert_eq!(contents(&nodes[0]), contents(&nodes[1]));
        prop_assert_eq!(contents(&nodes[0]), contents(&nodes[2]));
    }
}

/// What stands rolled back. (Why may be told otherwise by a node that learnt it in another order.)
const TOLD: &str = "SELECT entry, tx, step, reason = 'renamed' FROM treaty_rollbacks \
                    WHERE reinstated IS NULL AND entry IS NOT NULL ORDER BY entry, tx, step, reason = 'renamed'";

/// All tell each other all, and show it.
fn meet(nodes: &mut [TestNode]) {
    for node in nodes.iter_mut() {
        node.drain();
    }
    for _ in 0..2 {
        for at in 0..nodes.len() {
            let entries = nodes[(at + 1) % nodes.len()].entries();
            nodes[at].replica.ingest(entries).unwrap();
        }
    }
    for node in nodes.iter_mut() {
        node.apply();
    }
}

#[test]
fn a_database_that_was_moved_while_the_sidecar_was_down_goes_on() {
    let mut node = TestNode::found(OPEN);
    node.run(&format!("INSERT INTO people (id, name) VALUES ('{}', 'ann')", id(1)));
    node.stop();
    node.move_database("other.db");
    node.start(Place::Moved).unwrap();
    assert_eq!(node.drain().operation_count, 1);
    node.check_settled();
}
