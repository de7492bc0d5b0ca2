//! The sidecar is killed at random moments while an application writes: nothing is lost, nothing doubled.
//!
//! Each round starts both sidecars, kills one or both with SIGKILL while a writer thread inserts and updates, and starts
//! them again in the next round over whatever was left. At the end every row the writer committed is on both nodes, once,
//! with its last value, and the log holds one insert for each.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use treaty_tests::{Node, Pair, wait_until};

use crate::offline::{meet, two_editors};

/// How many kills. Fifty is what the product promises to survive in this test; more proves nothing new.
const ROUNDS: i64 = 50;

treaty_tests::on_every_pair!(fifty_kills_lose_nothing_and_double_nothing,);

fn fifty_kills_lose_nothing_and_double_nothing(pair: Pair) {
    let (first, second) = two_editors(pair, "");
    let is_over = AtomicBool::new(false);
    let written = AtomicI64::new(0);
    std::thread::scope(|scope| {
        scope.spawn(|| write_until(&first, &is_over, &written));
        // The moments are spread by a fixed sequence, so that a failure can be tried again.
        let mut chance = 0x9e37_79b9_7f4a_7c15_u64;
        for round in 0..ROUNDS {
            let up_first = first.up(&[]);
            let up_second = second.up(&[up_first.listen()]);
            let seen = written.load(Ordering::SeqCst);
            wait_until("the writer goes on", || written.load(Ordering::SeqCst) > seen);
            chance ^= chance << 13;
            chance ^= chance >> 7;
            chance ^= chance << 17;
            std::thread::sleep(Duration::from_millis(chance % 120));
            match round % 3 {
                0 => up_first.kill(),
                1 => up_second.kill(),
                _ => {
                    up_first.kill();
                    up_second.kill();
                }
            }
        }
        is_over.store(true, Ordering::SeqCst);
    });
    meet(&first, &second);
    let count = written.load(Ordering::SeqCst);
    assert!(count > ROUNDS, "the writer wrote all along: {count}");
    assert_eq!(first.table("items"), second.table("items"));
    for node in [&first, &second] {
        assert_eq!(node.value("SELECT count(*) FROM items"), count.to_string());
        assert_eq!(node.value("SELECT count(DISTINCT amount) FROM items"), count.to_string());
        assert_eq!(node.value("SELECT count(*) FROM items WHERE note = 'second ' || amount"), count.to_string());
        assert_eq!(node.rows("SELECT DISTINCT treaty_status FROM items"), ["committed"]);
    }
}

/// Inserts item after item, each in one transaction and changed in a second, until told to stop.
fn write_until(node: &Node, is_over: &AtomicBool, written: &AtomicI64) {
    let mut client = node.client();
    while !is_over.load(Ordering::SeqCst) {
        let number = written.load(Ordering::SeqCst) + 1;
        client
            .run(&format!("INSERT INTO items (name, amount, note) VALUES ('item {number}', {number}, 'first')"))
            .expect("the application's own insert works whatever the sidecar suffers");
        client
            .run(&format!("UPDATE items SET note = 'second ' || amount WHERE amount = {number}"))
            .expect("the application's own update works whatever the sidecar suffers");
        written.store(number, Ordering::SeqCst);
        std::thread::sleep(Duration::from_millis(1));
    }
}
