//! One node signs for many authors: a server application names the author of each transaction.

use treaty_tests::{Kind, Node, Pair, field, wait_in_step, wait_until};

use crate::quick_start::{NOTES, admit, join};

/// A node whose keystore holds two more authors, both editors; a follower; the members are the same on both.
struct House {
    server: Node,
    follower: Node,
    lena: String,
    mira: String,
}

impl House {
    fn new(pair: Pair) -> House {
        let (server, follower) = pair.nodes();
        server.init(NOTES);
        let [lena, mira] = [(); 2].map(|()| field(&server.run(&["identity", "--add"]), "added").to_owned());
        assert_ne!(lena, mira);
        admit(&server, &follower);
        for author in [&lena, &mira] {
            server.sql(&format!("INSERT INTO members (who, role) VALUES ('{author}', 'editor')"));
        }
        join(&server, &follower);
        House { server, follower, lena, mira }
    }

    /// Writes a note as `author`, by the means of the database: a setting of the transaction, or a column.
    fn note(&self, author: &str, title: &str) {
        self.server.transaction(&match self.server.kind() {
            Kind::Postgres => format!(
                "SET LOCAL treaty.author = '{author}'; INSERT INTO notes (owner, title) VALUES ('{author}', '{title}')"
            ),
            Kind::Sqlite => in_column(author, title),
        });
    }
}

/// A note of `author`, who is named in the row.
fn in_column(author: &str, title: &str) -> String {
    format!("INSERT INTO notes (owner, title, treaty_author) VALUES ('{author}', '{title}', '{author}')")
}

/// Authors of the notes with this title, by the log.
fn authors_of(node: &Node, title: &str) -> Vec<String> {
    let logged = node.lines(&["log", "--table", "notes", "--limit", "1000"]);
    let titled = logged.iter().filter(|line| line["values"]["title"] == title);
    titled.map(|line| field(line, "author").to_owned()).collect()
}

treaty_tests::on_every_pair!(each_author_signs_for_himself);

fn each_author_signs_for_himself(pair: Pair) {
    let house = House::new(pair);
    let House { server, follower, lena, mira } = &house;
    let up_server = server.up(&[]);
    let up_follower = follower.up(&[up_server.listen()]);
    house.note(lena, "of Lena");
    house.note(mira, "of Mira");
    server.transaction(&in_column(lena, "second of Lena"));
    server.transaction(&format!("INSERT INTO notes (owner, title) VALUES ('{}', 'of the node')", server.identity()));
    wait_in_step(&[server, follower]);
    wait_until("all four are there", || follower.value("SELECT count(*) FROM notes") == "4");
    for node in [server, follower] {
        assert_eq!(authors_of(node, "of Lena"), [lena.as_str()]);
        assert_eq!(authors_of(node, "second of Lena"), [lena.as_str()]);
        assert_eq!(authors_of(node, "of Mira"), [mira.as_str()]);
        assert_eq!(authors_of(node, "of the node"), [server.identity()]);
    }
    assert_eq!(server.table("notes"), follower.table("notes"));
    up_server.stop();
    up_follower.stop();
    assert_eq!(server.verified_digest(), follower.verified_digest());
}

treaty_tests::on_each_database!(
    a_key_that_comes_beside_a_running_sidecar_signs_what_comes_next,
    an_author_whose_key_is_elsewhere_is_refused_and_reported,
    two_authors_in_one_transaction_are_refused
);

fn a_key_that_comes_beside_a_running_sidecar_signs_what_comes_next(kind: Kind) {
    let house = House::new(Pair::from(kind));
    let server = &house.server;
    let sidecar = server.up(&[]);
    let elsewhere = Node::new();
    let nora = elsewhere.identity();
    server.sql(&format!("INSERT INTO members (who, role) VALUES ('{nora}', 'editor')"));
    let key = elsewhere.data().join("identity.pem");
    let imported = server.run(&["identity", "--import", &key.display().to_string()]);
    assert_eq!(field(&imported, "added"), nora);
    house.note(&nora, "of Nora");
    wait_until("it is in the log", || authors_of(server, "of Nora") == [nora.as_str()]);
    sidecar.stop();
    let mut expected = vec![house.lena.clone(), house.mira.clone(), nora];
    expected.sort();
    let listed = server.run(&["identity", "--list"]);
    assert_eq!(listed["authors"], serde_json::json!(expected));
    assert_eq!((field(&listed, "identity"), listed["added"].is_null()), (server.identity().as_str(), true));
}

fn an_author_whose_key_is_elsewhere_is_refused_and_reported(kind: Kind) {
    let house = House::new(Pair::from(kind));
    let House { server, follower, lena, .. } = &house;
    let sidecar = server.up(&[]);
    // A member, but not one of this node's.
    house.note(&follower.identity(), "forged");
    wait_until("the forgery is put back", || server.lines(&["rollbacks"]).len() == 1);
    assert_eq!(server.value("SELECT count(*) FROM notes"), "0");
    let report = server.lines(&["rollbacks"])[0].clone();
    assert_eq!((field(&report, "operation"), &report["entry"]), ("insert", &serde_json::Value::Null), "{report}");
    assert_eq!(report["lost"]["title"], "forged", "{report}");
    assert!(field(&report, "message").contains(&follower.identity()), "{report}");
    house.note(lena, "life goes on");
    wait_until("it is in the log", || authors_of(server, "life goes on") == [lena.as_str()]);
    sidecar.stop();
}

fn two_authors_in_one_transaction_are_refused(kind: Kind) {
    let house = House::new(Pair::from(kind));
    let House { server, lena, mira, .. } = &house;
    let sidecar = server.up(&[]);
    server.transaction(&format!("{}; {}", in_column(lena, "together"), in_column(mira, "together")));
    wait_until("both are put back", || server.lines(&["rollbacks"]).len() == 2);
    assert_eq!(server.value("SELECT count(*) FROM notes"), "0");
    assert_eq!(authors_of(server, "together"), Vec::<String>::new());
    house.note(mira, "alone");
    wait_until("it is in the log", || authors_of(server, "alone") == [mira.as_str()]);
    sidecar.stop();
}

#[test]
fn the_setting_counts_where_no_row_is_left_to_name_anybody() {
    let house = House::new(Pair::from(Kind::Postgres));
    let House { server, lena, mira, .. } = &house;
    let sidecar = server.up(&[]);
    house.note(lena, "gone tomorrow");
    wait_until("it is in the log", || authors_of(server, "gone tomorrow").len() == 1);
    // Owners delete: the early warning asks who says so, as the log will.
    let delete = |author: &str| format!("BEGIN; SET LOCAL treaty.author = '{author}'; DELETE FROM notes; COMMIT");
    let said = server.sql_fails(&delete(mira));
    assert!(said.contains("notes"), "{said}");
    server.sql(&delete(lena));
    wait_until("the deletion is in the log", || {
        let logged = server.lines(&["log", "--table", "notes", "--limit", "1"]);
        (field(&logged[0], "operation"), field(&logged[0], "author")) == ("delete", lena.as_str())
    });
    assert_eq!(server.lines(&["rollbacks"]), Vec::<serde_json::Value>::new());
    sidecar.stop();
}
