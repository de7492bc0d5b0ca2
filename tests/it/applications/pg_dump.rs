//! pg_dump and pg_restore: backups of replicated tables, and rows from elsewhere restored into them.

use std::path::PathBuf;
use std::process::Command;

use treaty_tests::{Kind, Node, Pair, PostgresDatabase, wait_in_step, wait_until};

use super::run;
use crate::offline::two_editors;

const PAIR: Pair = Pair { first: Kind::Postgres, second: Kind::Sqlite };

fn postgres(node: &Node) -> &PostgresDatabase {
    node.postgres().expect("a node of PostgreSQL")
}

/// Dumps the node's database, as whoever owns it; returns the file.
fn dump(node: &Node, arguments: &[&str]) -> PathBuf {
    let (database, file) = (postgres(node), node.folder().join("dump"));
    let mut command = Command::new(database.server().program("pg_dump"));
    command.args(["--format=custom", "--file"]).arg(&file).args(arguments);
    run(command.arg("--dbname").arg(database.url(database.owner())));
    file
}

/// Restores a dump into the node's database, as `role`.
fn restore(node: &Node, role: &str, file: &PathBuf, arguments: &[&str]) {
    let database = postgres(node);
    let mut command = Command::new(database.server().program("pg_restore"));
    command.args(["--exit-on-error", "--no-owner", "--no-privileges"]).args(arguments);
    run(command.arg("--dbname").arg(database.url(role)).arg(file));
}

/// Rows of a plain database, dumped: no Treaty there.
fn rows_from_elsewhere(name: &str, row_count: usize) -> (Node, PathBuf) {
    let elsewhere = Node::on(Kind::Postgres);
    elsewhere.owner_sql(&format!(
        "CREATE TABLE items (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), name text, amount integer, price numeric(10,2), note text);
         INSERT INTO items (name, amount, price, note)
           SELECT '{name} ' || n, n, n / 4.0, '{name}' FROM generate_series(1, {row_count}) n"
    ));
    let file = dump(&elsewhere, &["--data-only", "--table=items"]);
    (elsewhere, file)
}

#[test]
fn a_restored_dump_is_whole_and_refused_as_a_copy_until_it_becomes_a_space_of_its_own() {
    let (first, second) = two_editors(PAIR, "INSERT INTO items (name, amount) VALUES ('bolt', 3), ('nut', 4)");
    let up_first = first.up(&[]);
    let up_second = second.up(&[up_first.listen()]);
    second.sql("INSERT INTO items (name, price) VALUES ('from the other', '12.5')");
    wait_in_step(&[&first, &second]);
    // The sidecar is running meanwhile.
    let file = dump(&first, &[]);
    up_second.stop();
    up_first.stop();

    let copy = Node::on(Kind::Postgres);
    restore(&copy, postgres(&copy).owner(), &file, &[]);
    assert_eq!(copy.table("items"), first.table("items"));
    assert_eq!(copy.table("members"), first.table("members"));

    // Neither with a copy of the data directory nor with an identity of its own.
    run(Command::new("cp").arg("-a").arg(first.data()).arg(copy.data()));
    let refusal = copy.fails(&["up", "--database", &copy.url()]);
    assert!(refusal.contains("--moved") && refusal.contains("copy"), "{refusal}");
    std::fs::remove_dir_all(copy.data()).expect("it was copied");
    copy.identity();
    let schema = copy.folder().join("schema.sql");
    std::fs::write(&schema, crate::offline::SHARED).expect("writable");
    let init = ["init", "--schema", &schema.display().to_string(), "--database", &copy.url()];
    let refusal = copy.fails(&init);
    assert!(refusal.contains("uninstall"), "{refusal}");

    copy.run(&["uninstall", "--database", &copy.url()]);
    assert_eq!(copy.objects_of_ours(), Vec::<String>::new());
    copy.owner_sql("DELETE FROM members");
    copy.run(&init);
    assert_eq!(copy.table("items"), first.table("items"));
    assert_ne!(copy.status()["space"], first.status()["space"]);
}

#[test]
fn what_pg_restore_writes_into_replicated_tables_is_replicated() {
    let (first, second) = two_editors(PAIR, "");
    let up_first = first.up(&[]);
    let up_second = second.up(&[up_first.listen()]);
    let (_elsewhere, file) = rows_from_elsewhere("seen", 500);
    restore(&first, postgres(&first).owner(), &file, &["--data-only"]);
    wait_in_step(&[&first, &second]);
    assert_eq!(second.value("SELECT count(*), sum(amount) FROM items WHERE note = 'seen'"), "500|125250");

    // No trigger runs: only the audit can find these.
    let (_elsewhere, file) = rows_from_elsewhere("unseen", 300);
    restore(&first, "postgres", &file, &["--data-only", "--disable-triggers"]);
    up_first.stop();
    let up_first = first.up(&[]);
    up_second.stop();
    let up_second = second.up(&[up_first.listen()]);
    let unseen = "SELECT count(*), sum(amount) FROM items WHERE note = 'unseen'";
    wait_until("the audit has found the rows", || second.value(unseen) == "300|45150");
    wait_in_step(&[&first, &second]);
    assert_eq!(first.table("items"), second.table("items"));
    assert_eq!(first.rows("SELECT DISTINCT treaty_status FROM items"), ["committed"]);
    up_first.stop();
    up_second.stop();
    assert_eq!(first.verified_digest(), second.verified_digest());
}

#[test]
fn rows_of_everybody_restored_from_a_dump_are_this_node_s_work() {
    let (first, second) = two_editors(PAIR, "INSERT INTO items (name, amount) VALUES ('mine', 3)");
    let up_first = first.up(&[]);
    let up_second = second.up(&[up_first.listen()]);
    second.sql("INSERT INTO items (name, price) VALUES ('theirs', '12.5')");
    wait_in_step(&[&first, &second]);
    let file = dump(&first, &["--data-only", "--table=items"]);
    first.sql("DELETE FROM items");
    wait_until("the rows are gone", || second.value("SELECT count(*) FROM items") == "0");
    restore(&first, postgres(&first).owner(), &file, &["--data-only"]);
    wait_in_step(&[&first, &second]);
    let restored = ["mine", "theirs"].map(|name| format!("{name}|committed|{}", first.identity()));
    assert_eq!(first.rows("SELECT name, treaty_status, treaty_author FROM items ORDER BY name"), restored);
    assert!(first.lines(&["rollbacks"]).is_empty());
    assert_eq!(first.table("items"), second.table("items"));
    up_first.stop();
    up_second.stop();
    assert_eq!(first.verified_digest(), second.verified_digest());
}
