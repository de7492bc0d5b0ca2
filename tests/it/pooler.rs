//! A node whose server is behind PgBouncer: in session mode all works; in transaction mode the sidecar says that it cannot.

use treaty_tests::{Kind, Node, PoolMode, Pooler, wait_in_step, wait_until};

use crate::quick_start::{NOTES, admit, join, write_note};

/// Writes the schema into a node's folder; returns its path.
fn schema_file(node: &Node) -> String {
    let path = node.folder().join("schema.sql");
    std::fs::write(&path, NOTES).expect("the folder is writable");
    path.display().to_string()
}

#[test]
fn session_mode_works() {
    let (first, second) = (Node::on(Kind::Postgres), Node::on(Kind::Sqlite));
    let database = first.postgres().expect("it is PostgreSQL");
    let pooler = Pooler::start(database, PoolMode::Session);
    first.run(&["init", "--schema", &schema_file(&first), "--database", &pooler.url(database)]);
    admit(&first, &second);
    join(&first, &second);
    let up_first = first.up(&[]);
    let up_second = second.up(&[up_first.listen()]);
    write_note(&first, "from behind the pooler");
    write_note(&second, "to behind the pooler");
    wait_until("both have both", || {
        [&first, &second].iter().all(|node| node.value("SELECT count(*) FROM notes") == "2")
    });
    wait_in_step(&[&first, &second]);
    assert_eq!(first.table("notes"), second.table("notes"));
    up_first.stop();
    up_second.stop();
    assert_eq!(first.verified_digest(), second.verified_digest());
}

#[test]
fn transaction_mode_is_refused_with_what_to_do() {
    let node = Node::on(Kind::Postgres);
    let database = node.postgres().expect("it is PostgreSQL");
    let pooler = Pooler::start(database, PoolMode::Transaction);
    let said = node.fails(&["init", "--schema", &schema_file(&node), "--database", &pooler.url(database)]);
    assert!(said.contains("PgBouncer") && said.contains("session"), "{said}");
    assert!(node.is_untouched(), "nothing is left behind: {:?}", node.objects_of_ours());
}
