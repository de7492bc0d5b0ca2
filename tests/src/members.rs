//! Two members of a space over the benchmarks' table, with running sidecars.

use crate::{Kind, NOTES_SCHEMA, Node, Sidecar, wait_in_step, wait_until};

/// A founder and whom it admitted, both with running sidecars.
pub struct Members {
    /// The founder's sidecar.
    pub up_first: Sidecar,
    /// The sidecar of who joined.
    pub up_second: Sidecar,
    /// Who founded the space.
    pub first: Node,
    /// Who joined it.
    pub second: Node,
}

impl Members {
    /// Founds a space over the first database, joins it with the second, and waits until both are in step.
    pub fn start(first: Node, second: Node) -> Members {
        Members::start_with(first, second, &[])
    }

    /// The same, with further arguments of `up` for both.
    pub fn start_with(first: Node, second: Node, arguments: &[&str]) -> Members {
        let up_first = found(&first, &second, arguments);
        join(&first, &second);
        let peers = ["--peer", up_first.listen()];
        let up_second = second.up_with(&[&peers, arguments].concat());
        wait_in_step(&[&first, &second]);
        Members { up_first, up_second, first, second }
    }
}

/// Founds a space over the first database that admits the second node; returns its running sidecar, started with further
/// `arguments` of `up`.
pub fn found(first: &Node, second: &Node, arguments: &[&str]) -> Sidecar {
    use_wal(first);
    first.init(NOTES_SCHEMA);
    first.sql(&format!("INSERT INTO members (who) VALUES ('{}')", second.identity()));
    let up_first = first.up_with(arguments);
    wait_until("the membership is in the log", || first.status()["waiting"] == 0);
    up_first
}

/// Joins the space with the second node, whose sidecar is not started.
pub fn join(first: &Node, second: &Node) {
    use_wal(second);
    let ticket = first.run(&["invite"])["ticket"].as_str().expect("a ticket").to_owned();
    second.run(&["join", &ticket, "--database", &second.url()]);
}

/// What a careful application sets in a SQLite file, once.
fn use_wal(node: &Node) {
    if node.kind() == Kind::Sqlite {
        node.sql("PRAGMA journal_mode = WAL");
    }
}
