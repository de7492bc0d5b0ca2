//! PostgreSQL's own ways to fall under a running sidecar: its connection is cut again and again, and the server crashes.
//! The sidecar goes on by itself; nothing is lost and nothing doubled. That the sidecar is killed is tested in `crash`.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use treaty_testkit::{Durability, PostgresServer};
use treaty_tests::{Kind, Node, Sidecar, wait_in_step, wait_until};

use crate::mixed::Chance;
use crate::offline::SHARED;
use crate::quick_start::{admit, join};

/// How often the connections of the sidecar are cut.
const CUTS: usize = 30;

/// How often the server crashes.
const CRASHES: usize = 8;

/// Inserts item after item and changes each, through a connection made anew whenever it broke. A transaction whose commit
/// was not heard of is looked for.
fn write_until(node: &Node, is_over: &AtomicBool, written: &AtomicI64) {
    let mut client = None;
    while !is_over.load(Ordering::SeqCst) {
        let number = written.load(Ordering::SeqCst) + 1;
        let Some(open) = client.as_mut() else {
            client = node.try_client().ok();
            std::thread::sleep(Duration::from_millis(5));
            continue;
        };
        let insert = format!(
            "INSERT INTO items (name, amount, note) SELECT 'item {number}', {number}, 'first'
             WHERE NOT EXISTS (SELECT FROM items WHERE amount = {number})"
        );
        let update = format!("UPDATE items SET note = 'second ' || amount WHERE amount = {number}");
        if open.run(&insert).and_then(|()| open.run(&update)).is_err() {
            client = None;
            continue;
        }
        written.store(number, Ordering::SeqCst);
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// A PostgreSQL node on `server` and a follower, which hold the same items; the first writes while `disturb` does what it
/// does, with both sidecars up all along.
fn check_goes_on(server: &'static PostgresServer, follower: &Node, disturb: impl FnOnce(&Node, &dyn Fn(&str))) {
    let first = Node::on_server(server);
    first.init(SHARED);
    admit(&first, follower);
    join(&first, follower);
    let up_first = first.up(&[]);
    let up_follower = follower.up(&[up_first.listen()]);
    let (is_over, written) = (AtomicBool::new(false), AtomicI64::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| write_until(&first, &is_over, &written));
        let arrives = |what: &str| {
            let now = written.load(Ordering::SeqCst);
            wait_until(&format!("{what}: the follower goes on"), || items(follower) > now);
        };
        arrives("at first");
        disturb(&first, &arrives);
        arrives("in the end");
        is_over.store(true, Ordering::SeqCst);
    });
    wait_in_step(&[&first, follower]);
    [up_first, up_follower].into_iter().for_each(Sidecar::stop);
    let count = written.load(Ordering::SeqCst);
    assert_eq!(first.table("items"), follower.table("items"));
    for node in [&first, follower] {
        assert_eq!(node.value("SELECT count(DISTINCT amount) FROM items"), node.value("SELECT count(*) FROM items"));
        let whole = format!("SELECT count(*) FROM items WHERE amount <= {count} AND note = 'second ' || amount");
        assert_eq!(node.value(&whole), count.to_string());
        assert_eq!(node.rows("SELECT DISTINCT treaty_status FROM items"), ["committed"]);
    }
    assert_eq!(first.verified_digest(), follower.verified_digest());
    assert_eq!(first.lines(&["rollbacks"]), Vec::<serde_json::Value>::new());
}

fn items(node: &Node) -> i64 {
    let count = node.try_client().and_then(|mut client| client.rows("SELECT count(*) FROM items"));
    count.map_or(0, |rows| rows[0].parse().expect("a count"))
}

#[test]
fn connections_cut_again_and_again_lose_nothing_and_double_nothing() {
    check_goes_on(PostgresServer::shared(), &Node::on(Kind::Sqlite), |first, arrives| {
        let database = first.postgres().expect("it is PostgreSQL");
        let mut chance = Chance::new(7);
        let mut cut_count = 0;
        for round in 0..CUTS {
            std::thread::sleep(Duration::from_millis(chance.below(150)));
            let cut = database.superuser(&format!(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename = '{}' AND datname = '{}'",
                database.owner(),
                database.name()
            ));
            cut_count += cut.parse::<usize>().expect("a count");
            if round % 5 == 4 {
                arrives("after a cut");
            }
        }
        assert!(cut_count > CUTS / 2, "the sidecar was connected mostly: {cut_count}");
    });
}

#[test]
fn a_server_that_crashes_again_and_again_loses_nothing_and_doubles_nothing() {
    // As long as the process: its nodes refer to it.
    let server: &'static PostgresServer = Box::leak(Box::new(PostgresServer::start(Durability::On)));
    check_goes_on(server, &Node::on_server(server), |_, arrives| {
        let mut chance = Chance::new(11);
        for _ in 0..CRASHES {
            std::thread::sleep(Duration::from_millis(chance.below(300)));
            server.crash();
            arrives("after a crash");
        }
    });
}
