//! Drawn histories: whatever applications write, and whenever the sidecar dies, tables and log agree in the end.

use proptest::prelude::*;
use rusqlite::Connection;
use treaty::sqlite::Place;

use crate::meddle::Meddling;
use crate::node::{OPEN, TestNode, id, sync};

/// What an application does in one statement. Rows and names are few, so that everything collides.
#[derive(Debug, Clone)]
enum Write {
    Insert { clause: usize, row: u32, name: u8 },
    Upsert { row: u32, name: u8 },
    Rename { clause: usize, row: u32, name: u8 },
    Age { row: u32, age: u8 },
    DeletePerson { row: u32 },
    Note { clause: usize, row: u32, owner: Option<u32>, kind: u8 },
    EditNote { row: u32, title: u8 },
    DeleteNote { row: u32 },
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
