//! UUIDs as Django and SQLAlchemy keep them in SQLite: columns declared CHAR(32), 32 digits, before and after.

use expect_test::expect;

use crate::node::{OPEN, TestNode, id, sync};

/// The tables of [`OPEN`], as such a library makes them.
const DIGITS: &str = "
CREATE TABLE people (id CHAR(32) NOT NULL PRIMARY KEY, name TEXT NOT NULL UNIQUE, age INTEGER, score REAL);
CREATE TABLE notes (
  id char(32) NOT NULL PRIMARY KEY, owner char(32) REFERENCES people (id) DEFERRABLE INITIALLY DEFERRED, title TEXT NOT NULL,
  price decimal, at datetime, done bool NOT NULL DEFAULT 0, kind TEXT
);
CREATE INDEX notes_owner ON notes (owner);";

fn digits(number: u32) -> String {
    id(number).replace('-', "")
}

fn adopted() -> TestNode {
    TestNode::found_over(OPEN, |client| {
        client.execute_batch(DIGITS).expect("they fit");
        let rows = format!(
            "INSERT INTO people (id, name) VALUES ('{}', 'ann'); INSERT INTO notes (id, owner, title) VALUES ('{}', '{}', 'one')",
            digits(1),
            digits(2),
            digits(1)
        );
        client.execute_batch(&rows).expect("they fit");
    })
    .expect("they fit")
}

/// Nothing waits, nothing differs, and every UUID is digits.
fn check_settled(library: &mut TestNode) {
    assert_eq!(library.audit(), 0);
    assert_eq!(library.with(|application, _| application.waiting()).expect("it counts"), 0);
    assert_eq!(library.ask("SELECT * FROM pragma_foreign_key_check"), "");
    for (table, column) in [("people", "id"), ("notes", "id"), ("notes", "owner")] {
        let odd = format!(
            "SELECT {column} FROM {table} WHERE length({column}) <> 32 OR {column} GLOB '*[^0-9a-f]*' OR treaty_status = 'pending'"
        );
        assert_eq!(library.ask(&odd), "", "{table}.{column}");
    }
}

#[test]
fn digits_stay_digits_where_they_were_and_become_hyphenated_elsewhere() {
    let mut library = adopted();
    let mut plain = TestNode::join(&library, 2);
    let keys =
        "SELECT n.id, n.owner, p.name, n.treaty_status FROM notes n JOIN people p ON p.id = n.owner ORDER BY n.id";
    assert_eq!(library.ask(keys), format!("{}|{}|ann|committed", digits(2), digits(1)));
    sync(&mut library, &mut plain);
    assert_eq!(plain.ask(keys), format!("{}|{}|ann|committed", id(2), id(1)));

    library.run(&format!(
        "PRAGMA foreign_keys = ON; INSERT INTO notes (id, owner, title) VALUES ('{}', '{}', 'two')",
        digits(3),
        digits(1)
    ));
    plain.run(&format!(
        "INSERT INTO people (id, name) VALUES ('{}', 'bob'); INSERT INTO notes (id, owner, title) VALUES ('{}', '{}', 'three');
         UPDATE people SET age = 7 WHERE id = '{}'",
        id(4),
        id(5),
        id(4),
        id(1)
    ));
    sync(&mut library, &mut plain);
    assert_eq!(library.ask(keys).replace('-', ""), plain.ask(keys).replace('-', ""));
    assert_eq!(library.ask(&format!("SELECT age FROM people WHERE id = '{}'", digits(1))), "7");

    // Unique values that change places, and rows that go.
    plain.run(
        "BEGIN; UPDATE people SET name = 'x' WHERE name = 'ann'; UPDATE people SET name = 'ann' WHERE name = 'bob';
               UPDATE people SET name = 'bob' WHERE name = 'x'; DELETE FROM notes WHERE title <> 'two'; COMMIT",
    );
    sync(&mut library, &mut plain);
    assert_eq!(library.ask(keys), format!("{}|{}|bob|committed", digits(3), digits(1)));
    library.run(&format!("DELETE FROM notes; DELETE FROM people WHERE id = '{}'", digits(1)));
    sync(&mut library, &mut plain);
    assert_eq!(plain.ask("SELECT id, name FROM people"), format!("{}|ann", id(4)));
    plain.check_settled();
    check_settled(&mut library);
}

#[test]
fn what_is_spelt_otherwise_or_refused_there_is_put_right() {
    let mut library = adopted();
    library.run(&format!(
        "INSERT INTO people (id, name) VALUES ('{}', 'hyphens'), ('{}', 'capitals')",
        id(10),
        digits(11).to_uppercase()
    ));
    library.drain();
    assert_eq!(library.ask("SELECT id FROM people ORDER BY id"), [1, 10, 11].map(digits).join("\n"));

    library.run(&format!(
        "UPDATE notes SET price = 1.005; INSERT INTO notes (id, title, price) VALUES ('{}', 'x', 0.001)",
        digits(12)
    ));
    assert_eq!(library.drain().refused_count, 1);
    assert_eq!(library.ask("SELECT id, price, treaty_status FROM notes"), format!("{}|-|reverted", digits(2)));
    expect![[r#"
        00000000-0000-4000-8000-000000000002|update
        00000000-0000-4000-8000-000000000012|update"#]]
    .assert_eq(&library.ask("SELECT row_id, operation FROM treaty_rollbacks ORDER BY cursor"));
    check_settled(&mut library);
}

#[test]
fn the_audit_finds_what_no_trigger_saw() {
    let mut library = adopted();
    library.run(&format!(
        "INSERT INTO treaty_applying VALUES (1); UPDATE people SET age = 3;
         INSERT INTO people (id, name) VALUES ('{}', 'eve'), ('{}', 'hyphens'); DELETE FROM notes; DELETE FROM treaty_applying",
        digits(6),
        id(7)
    ));
    assert_eq!(library.audit(), 4);
    assert_eq!(
        library.ask("SELECT id, treaty_status FROM people ORDER BY id"),
        [1, 6, 7].map(|n| digits(n) + "|committed").join("\n")
    );
    check_settled(&mut library);
}
