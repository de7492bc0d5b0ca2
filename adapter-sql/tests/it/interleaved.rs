//! Drawn histories of applications whose transactions stay open while the sidecar drains, applies and dies.

use proptest::prelude::*;
use treaty::database::DatabaseError;

use crate::meddle::{Failing, Meddling, Overtaking, Sparing};
use crate::node::{OPEN, TestNode, id};
use crate::server::{ServerClient, ServerNode};

/// Applications.
const CLIENTS: usize = 3;

/// What happens.
#[derive(Debug, Clone)]
enum Event {
    /// An application runs a statement, in its open transaction or a new one.
    Statement(usize, String),
    /// It ends its transaction.
    End(usize, bool),
    Drain,
    /// The sidecar fails after the entries are durable.
    DrainAndFail,
    /// An application writes, in a transaction of its own, while the engine signs.
    DrainDuring(String),
    Apply,
    /// An application writes between the drain and the batch.
    ApplyDuring(String),
    /// One batch, as small as there is.
    ApplyLittle,
    /// The sidecar fails at the n-th call of the engine.
    ApplyAndFail(u32),
    /// The far node's application writes.
    Far(String),
    /// What the far node has arrives, to be applied.
    Hear,
    /// The far node hears what this one has.
    Tell,
}

/// A statement of an application, for either database. Rows and names are few, so that everything collides.
fn statement() -> impl Strategy<Value = String> {
    let (row, name) = (0..5_u32, 0..4_u8);
    let person = |row: &u32| id(*row);
    let note = |row: &u32| id(100 + *row);
    prop_oneof![
        4 => (row.clone(), name.clone())
            .prop_map(move |(row, name)| format!("INSERT INTO people (id, name) VALUES ('{}', 'n{name}')", person(&row))),
        2 => (row.clone(), name)
            .prop_map(move |(row, name)| format!("UPDATE people SET name = 'n{name}' WHERE id = '{}'", person(&row))),
        2 => (row.clone(), 0..9_u8)
            .prop_map(move |(row, age)| format!("UPDATE people SET age = {age} WHERE id = '{}'", person(&row))),
        1 => row.clone().prop_map(move |row| format!("DELETE FROM people WHERE id = '{}'", person(&row))),
        2 => (row.clone(), row.clone(), 0..2_u8).prop_map(move |(row, owner, kind)| format!(
            "INSERT INTO notes (id, owner, title, kind) VALUES ('{}', '{}', 't', 'k{kind}')", note(&row), person(&owner)
        )),
        1 => (row.clone(), 0..9_u8)
            .prop_map(move |(row, title)| format!("UPDATE notes SET title = 't{title}' WHERE id = '{}'", note(&row))),
        1 => row.prop_map(move |row| format!("DELETE FROM notes WHERE id = '{}'", note(&row))),
    ]
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        8 => (0..CLIENTS, statement()).prop_map(|(client, sql)| Event::Statement(client, sql)),
        5 => (0..CLIENTS, any::<bool>()).prop_map(|(client, commits)| Event::End(client, commits)),
        3 => Just(Event::Drain),
        1 => Just(Event::DrainAndFail),
        1 => statement().prop_map(Event::DrainDuring),
        1 => Just(Event::Apply),
        1 => statement().prop_map(Event::ApplyDuring),
        1 => Just(Event::ApplyLittle),
        1 => (0..9_u32).prop_map(Event::ApplyAndFail),
        3 => statement().prop_map(Event::Far),
        2 => Just(Event::Hear),
        1 => Just(Event::Tell),
    ]
}

/// An application's connection, and whether its transaction is open.
struct Client(ServerClient, bool);

impl Client {
    fn open(near: &ServerNode) -> Client {
        let mut client = near.client();
        // All of them, and the sidecar, take turns in one thread: nobody may wait for long.
        client.run("SET lock_timeout = '20ms'");
        Client(client, false)
    }

    /// Runs a statement; if it fails, it is as if it had not been tried.
    fn write(&mut self, sql: &str) {
        if !std::mem::replace(&mut self.1, true) {
            self.0.run("BEGIN");
        }
        self.0.run("SAVEPOINT before");
        if self.0.try_run(sql).is_err() {
            self.0.run("ROLLBACK TO before");
        }
    }

    /// What runs a statement in a transaction of its own.
    fn writing(mut self, sql: &str) -> impl FnOnce() {
        let sql = sql.to_owned();
        move || {
            self.write(&sql);
            self.end(true);
        }
    }

    fn end(&mut self, commits: bool) {
        if std::mem::replace(&mut self.1, false) && (!commits || self.0.try_run("COMMIT").is_err()) {
            self.0.run("ROLLBACK");
        }
    }
}

/// Both nodes, and the applications of the near one.
struct World {
    far: TestNode,
    near: ServerNode,
    clients: Vec<Client>,
}

/// Whoever waits for an application tries again another time.
fn unless_busy<T>(done: Result<T, DatabaseError>) {
    match done {
        Ok(_) | Err(DatabaseError::Busy { .. }) => {}
        Err(other) => panic!("{other:?}"),
    }
}

impl World {
    fn new() -> World {
        let far = TestNode::found(OPEN);
        let near = ServerNode::join(&far, 2);
        let clients = (0..CLIENTS).map(|_| Client::open(&near)).collect();
        World { far, near, clients }
    }

    fn happen(&mut self, event: &Event) {
        let World { far, near, clients } = self;
        match event {
            Event::Statement(client, sql) => clients[*client].write(sql),
            Event::End(client, commits) => clients[*client].end(*commits),
            Event::Drain => unless_busy(near.with(|application, link| application.drain(link))),
            Event::DrainAndFail => near.with(|application, link| {
                let mut dying = Meddling::new(link, || {});
                dying.fails = true;
                let _ = application.drain(&mut dying);
            }),
            Event::DrainDuring(sql) => {
                let write = Client::open(near).writing(sql);
                unless_busy(near.with(|application, link| application.drain(&mut Meddling::new(link, write))));
            }
            Event::ApplyDuring(sql) => {
                let write = Client::open(near).writing(sql);
                unless_busy(near.with(|application, link| application.apply(&mut Overtaking::new(link, write))));
            }
            Event::Apply => unless_busy(near.with(|application, link| application.apply(link))),
            Event::ApplyLittle => {
                unless_busy(near.with(|application, link| application.apply(&mut Sparing::new(link))));
            }
            Event::ApplyAndFail(calls) => near.with(|application, link| {
                let _ = application.apply(&mut Failing::after(*calls, link));
            }),
            Event::Far(sql) => {
                let client = far.client();
                client.execute_batch("PRAGMA foreign_keys = ON").unwrap();
                // Refused by the database itself: as if it had not been tried.
                let _ = client.execute_batch(sql);
                far.drain();
            }
            Event::Hear => {
                near.replica.ingest(far.entries()).unwrap();
            }
            Event::Tell => near.tell(far),
        }
    }

    /// Everybody ends, and all is told to all.
    fn end(mut self) {
        for mut client in self.clients {
            client.end(true);
        }
        for _ in 0..2 {
            self.near.hear(&self.far).unwrap();
            self.near.tell(&mut self.far);
        }
        self.near.hear(&self.far).unwrap();
        self.near.check_settled();
        self.far.check_settled();
        assert_eq!(self.far.audit(), 0);
        assert_eq!(self.near.replica.digest().unwrap(), self.far.replica.digest().unwrap());
        for query in ["SELECT name, age FROM people ORDER BY id", "SELECT title, kind FROM notes ORDER BY id"] {
            assert_eq!(self.near.ask(query), self.far.ask(query).replace('-', ""));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_lost_whatever_stays_open(events in proptest::collection::vec(event(), 1..40)) {
        let mut world = World::new();
        for event in &events {
            world.happen(event);
            // Whatever is in the tables and not in the log is in the queue.
            prop_assert_eq!(world.near.differences(), Vec::<String>::new(), "{:?}", event);
        }
        world.end();
    }
}
