//! A server that is cut off from its sidecar without a word, and there again.

use std::time::Duration;

use treaty::capture::Drained;
use treaty::database::DatabaseError;
use treaty::postgres::{Patience, PostgresDatabase, Purpose};
use treaty_testkit::{PostgresServer, Wire};

use crate::node::{OPEN, TestNode, id};
use crate::server::ServerNode;

/// Does something until the server answers.
fn at_last<T>(mut work: impl FnMut() -> Result<T, DatabaseError>) -> T {
    loop {
        match work() {
            Ok(done) => return done,
            Err(DatabaseError::Busy { .. }) => {}
            Err(other) => panic!("{other}"),
        }
    }
}

#[test]
fn what_is_written_while_the_server_is_cut_off_is_delivered_when_it_is_there_again() {
    let mut a = TestNode::found(OPEN);
    let wire = Wire::to(PostgresServer::shared().port());
    let patience = Patience { connecting: Duration::from_secs(3), silence: Duration::from_millis(50) };
    let mut b = ServerNode::join_with(&a, 2, |options| {
        let opened = PostgresDatabase::open(&options.clone().port(wire.port()), Purpose::Sidecar, false);
        opened.unwrap().with_patience(patience)
    });
    let insert = |number, name: &str| format!("INSERT INTO people (id, name) VALUES ('{}', '{name}')", id(number));
    b.run(&insert(1, "ann"));
    let drained = at_last(|| b.with(|application, link| application.drain(link)));
    assert_eq!(drained.operation_count, 1);

    wire.cut();
    b.run(&insert(2, "bob"));
    let looked = b.with(|application, _| application.look());
    assert!(matches!(looked, Err(DatabaseError::Busy { .. })), "{looked:?}");
    let drained = b.with(|application, link| application.drain(link));
    assert!(matches!(drained, Err(DatabaseError::Busy { .. })), "{drained:?}");

    wire.mend();
    let drained: Drained = at_last(|| b.with(|application, link| application.drain(link)));
    assert_eq!(drained.operation_count, 1);
    b.check_settled();
    b.tell(&mut a);
    assert_eq!(a.ask("SELECT name FROM people ORDER BY name"), "ann\nbob");
}
