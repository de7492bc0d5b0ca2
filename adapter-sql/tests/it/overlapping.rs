//! Drawn histories of transactions that are open side by side, while the sidecar drains and applies, and dies.

use proptest::prelude::*;
use treaty::database::DatabaseError;

use crate::both::{Client, Databases, over};
use crate::meddle::{Failing, Meddling, Sparing};
use crate::node::{OPEN, TestNode, id, sync};

/// Transactions of one node that may be open at a time.
const SLOTS: usize = 2;

/// What an application does in one statement. Rows and names are few, so that everything collides.
#[derive(Debug, Clone)]
enum Write {
    Insert { row: u32, name: u8 },
    Ignore { row: u32, name: u8 },
    Upsert { row: u32, name: u8 },
    Rename { row: u32, name: u8 },
    Age { row: u32, age: u8 },
    DeletePerson { row: u32 },
    Note { row: u32, owner: Option<u32> },
    EditNote { row: u32, title: u8 },
    DeleteNote { row: u32 },
}

impl Write {
    fn sql(&self) -> String {
        let insert = |row: &u32, name: &u8| format!("INSERT INTO people (id, name) VALUES ('{}', 'n{name}')", id(*row));
        match self {
            Write::Insert { row, name } => insert(row, name),
            Write::Ignore { row, name } => insert(row, name) + " ON CONFLICT DO NOTHING",
            Write::Upsert { row, name } => insert(row, name) + " ON CONFLICT (id) DO UPDATE SET age = 0",
            Write::Rename { row, name } => format!("UPDATE people SET name = 'n{name}' WHERE id = '{}'", id(*row)),
            Write::Age { row, age } => format!("UPDATE people SET age = {age} WHERE id = '{}'", id(*row)),
            Write::DeletePerson { row } => format!("DELETE FROM people WHERE id = '{}'", id(*row)),
            Write::Note { row, owner } => format!(
                "INSERT INTO notes (id, owner, title) VALUES ('{}', {}, 't') ON CONFLICT DO NOTHING",
                id(100 + row),
                owner.map_or("NULL".to_owned(), |owner| format!("'{}'", id(owner)))
            ),
            Write::EditNote { row, title } => {
                format!("UPDATE notes SET title = 't{title}', price = {title} WHERE id = '{}'", id(100 + row))
            }
            Write::DeleteNote { row } => format!("DELETE FROM notes WHERE id = '{}'", id(100 + row)),
        }
    }
}

/// What happens to one of the nodes.
#[derive(Debug, Clone)]
enum Event {
    /// A transaction from beginning to end; a statement that fails is skipped.
    Transaction(Vec<Write>),
    /// Statements of a transaction that stays open.
    Open(usize, Vec<Write>),
    Commit(usize),
    Abort(usize),
    Drain,
    /// The sidecar dies after the entries are durable, and is started again.
    DrainAndDie,
    /// The application writes while the engine signs.
    DrainDuring(Vec<Write>),
    Restart,
    Pull,
    /// With no transaction open that could be waited for.
    Apply,
    /// Whatever is open: what is locked is left to another time.
    ApplyBeside,
    /// The sidecar dies at the n-th call of the engine, and is started again.
    ApplyAndDie(u32),
}

fn write() -> impl Strategy<Value = Write> {
    let (row, name) = (0..6_u32, 0..5_u8);
    prop_oneof![
        3 => (row.clone(), name.clone()).prop_map(|(row, name)| Write::Insert { row, name }),
        1 => (row.clone(), name.clone()).prop_map(|(row, name)| Write::Ignore { row, name }),
        1 => (row.clone(), name.clone()).prop_map(|(row, name)| Write::Upsert { row, name }),
        2 => (row.clone(), name).prop_map(|(row, name)| Write::Rename { row, name }),
        1 => (row.clone(), 0..9_u8).prop_map(|(row, age)| Write::Age { row, age }),
        1 => row.clone().prop_map(|row| Write::DeletePerson { row }),
        2 => (row.clone(), proptest::option::of(row.clone())).prop_map(|(row, owner)| Write::Note { row, owner }),
        1 => (row.clone(), 0..9_u8).prop_map(|(row, title)| Write::EditNote { row, title }),
        1 => row.prop_map(|row| Write::DeleteNote { row }),
    ]
}

fn event() -> impl Strategy<Value = Event> {
    let writes = || proptest::collection::vec(write(), 1..4);
    prop_oneof![
        5 => writes().prop_map(Event::Transaction),
        5 => (0..SLOTS, writes()).prop_map(|(slot, writes)| Event::Open(slot, writes)),
        4 => (0..SLOTS).prop_map(Event::Commit),
        1 => (0..SLOTS).prop_map(Event::Abort),
        4 => Just(Event::Drain),
        1 => Just(Event::DrainAndDie),
        1 => writes().prop_map(Event::DrainDuring),
        1 => Just(Event::Restart),
        3 => Just(Event::Pull),
        2 => Just(Event::Apply),
        2 => Just(Event::ApplyBeside),
        1 => (0..9_u32).prop_map(Event::ApplyAndDie),
    ]
}

/// A node and its application's connections.
struct Busy {
    node: TestNode,
    slots: Vec<Option<Client>>,
}

impl Busy {
    fn new(node: TestNode) -> Busy {
        Busy { node, slots: (0..SLOTS).map(|_| None).collect() }
    }

    /// A connection that waits for nobody; none where there is one writer at a time.
    fn client(&self) -> Option<Client> {
        let mut client = self.node.server()?.connect();
        client.run("SET lock_timeout = '10ms'; BEGIN").unwrap();
        Some(client)
    }

    fn transact(&self, writes: &[Write]) {
        match self.client() {
            Some(mut client) => {
                write_all(&mut client, writes);
                client.run("COMMIT").unwrap();
            }
            None => {
                let client = self.node.client();
                client.execute_batch("PRAGMA foreign_keys = ON; BEGIN IMMEDIATE").unwrap();
                for write in writes {
                    let _ = client.execute_batch(&write.sql());
                }
                client.execute_batch("COMMIT").unwrap();
            }
        }
    }

    fn end(&mut self, slot: usize, how: &str) {
        if let Some(mut client) = self.slots[slot].take() {
            client.run(how).unwrap();
        }
    }

    fn end_all(&mut self) {
        (0..SLOTS).for_each(|slot| self.end(slot, "COMMIT"));
    }

    fn happen(&mut self, event: &Event) {
        match event {
            Event::Transaction(writes) => self.transact(writes),
            Event::Open(slot, writes) => {
                if self.slots[*slot].is_none() {
                    self.slots[*slot] = self.client();
                }
                match &mut self.slots[*slot] {
                    Some(client) => write_all(client, writes),
                    None => self.transact(writes),
                }
            }
            Event::Commit(slot) => self.end(*slot, "COMMIT"),
            Event::Abort(slot) => self.end(*slot, "ROLLBACK"),
            Event::Drain => {
                self.node.drain();
            }
            Event::DrainAndDie => {
                let _ = self.node.with(|application, link| {
                    let mut dying = Meddling::new(link, || {});
                    dying.fails = true;
                    application.drain(&mut dying)
                });
                self.node.stop();
                self.restart();
            }
            Event::DrainDuring(writes) => {
                let during = self.client();
                let Some(mut client) = during else { return self.transact(writes) };
                let meanwhile = || {
                    write_all(&mut client, writes);
                    client.run("COMMIT; BEGIN").unwrap();
                };
                self.node.with(|application, link| application.drain(&mut Meddling::new(link, meanwhile)).unwrap());
            }
            Event::Restart => self.restart(),
            Event::Pull => {}
            Event::Apply => {
                self.end_all();
                self.node.apply();
            }
            Event::ApplyBeside => {
                match self.node.with(|application, link| application.apply(&mut Sparing::new(link))) {
                    Ok(_) | Err(DatabaseError::Busy { .. }) => {}
                    Err(other) => panic!("{other:?}"),
                }
            }
            Event::ApplyAndDie(calls) => {
                let calls = *calls;
                let _ = self.node.with(|application, link| application.apply(&mut Failing::after(calls, link)));
                self.node.stop();
                self.restart();
            }
        }
    }

    fn restart(&mut self) {
        self.end_all();
        self.node.restart().unwrap();
    }

    /// Everything that applications committed, as the tables show it.
    fn contents(&self) -> String {
        let people = self.node.ask("SELECT id, name, age FROM people ORDER BY id");
        people + "\n" + &self.node.ask("SELECT id, owner, title, price, kind FROM notes ORDER BY id").replace(".00", "")
    }
}

fn write_all(client: &mut Client, writes: &[Write]) {
    for write in writes {
        client.run("SAVEPOINT one").unwrap();
        // Refused by the database itself, or locked: as if it had not been tried.
        if client.run(&write.sql()).is_err() {
            client.run("ROLLBACK TO one").unwrap();
        }
    }
}

/// Two nodes live through events, and then tell each other everything.
fn check_pair(events: &[(bool, Event)]) -> Result<(), TestCaseError> {
    let mut a = Busy::new(TestNode::found(OPEN));
    let mut b = Busy::new(TestNode::join(&a.node, 2));
    for (is_first, event) in events {
        let (busy, other) = if *is_first { (&mut a, &mut b) } else { (&mut b, &mut a) };
        match event {
            Event::Pull => busy.node.pull(&other.node),
            event => busy.happen(event),
        }
    }
    a.end_all();
    b.end_all();
    sync(&mut a.node, &mut b.node);
    sync(&mut a.node, &mut b.node);
    a.node.check_settled();
    b.node.check_settled();
    prop_assert_eq!(a.contents(), b.contents());
    prop_assert_eq!(a.node.audit() + b.node.audit(), 0);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn one_node_loses_nothing_and_doubles_nothing(events in proptest::collection::vec(event(), 1..30)) {
        over(Databases::Servers, || {
            let mut busy = Busy::new(TestNode::found(OPEN));
            for event in &events {
                let before = busy.contents();
                let is_work = matches!(
                    event,
                    Event::Transaction(_) | Event::DrainDuring(_) | Event::Open(..) | Event::Commit(_) | Event::Apply
                        | Event::Restart | Event::DrainAndDie | Event::ApplyAndDie(_)
                );
                busy.happen(event);
                if !is_work {
                    // What the sidecar does changes nothing that an application wrote.
                    prop_assert_eq!(before, busy.contents(), "{:?}", event);
                }
                // Whatever is in the tables and not in the log is in the queue.
                busy.node.check_nothing_missed();
            }
            busy.end_all();
            let before = busy.contents();
            busy.node.drain();
            prop_assert_eq!(before, busy.contents());
            prop_assert_eq!(busy.node.ask("SELECT count(*) FROM treaty_rollbacks"), "0");
            busy.node.look();
            busy.node.check_settled();
            prop_assert_eq!(busy.node.audit(), 0);
            Ok(())
        })?;
    }

    #[test]
    fn two_servers_converge(events in proptest::collection::vec((any::<bool>(), event()), 1..40)) {
        over(Databases::Servers, || check_pair(&events))?;
    }

    #[test]
    fn a_file_and_a_server_converge(events in proptest::collection::vec((any::<bool>(), event()), 1..40)) {
        over(Databases::Mixed, || check_pair(&events))?;
    }
}
