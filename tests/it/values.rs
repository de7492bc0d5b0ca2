//! Values of every type, at their limits, go from one database to the other and back and stay what they are; what a type
//! cannot hold is refused where it is written.

use treaty_tests::{Kind, Node, Pair, wait_in_step};

use crate::offline::meet;
use crate::quick_start::{admit, join};

/// A column of every type.
const SPACE: &str = "
CREATE TABLE members (id UUID PRIMARY KEY, who IDENTITY NOT NULL, role TEXT NOT NULL);
REVOKE UPDATE (who, role) ON members FROM PUBLIC;
CREATE POLICY appoint ON members FOR INSERT WITH CHECK (EXISTS (SELECT 1 FROM members m WHERE m.who = author()));
CREATE TABLE samples (
  id      UUID PRIMARY KEY,
  label   VARCHAR(20) NOT NULL,
  truth   BOOLEAN,
  small   INTEGER,
  big     BIGINT,
  real    DOUBLE PRECISION,
  exact   NUMERIC(38, 10),
  whole   NUMERIC(38, 0),
  words   TEXT DEFAULT 'none',
  bytes   BYTEA,
  other   UUID,
  day     DATE,
  clock   TIME,
  local   TIMESTAMP,
  instant TIMESTAMPTZ,
  detail  JSONB,
  whose   IDENTITY
);
CREATE POLICY samples_add  ON samples FOR INSERT WITH CHECK (EXISTS (SELECT 1 FROM members m WHERE m.who = author()));
CREATE POLICY samples_edit ON samples FOR UPDATE USING (EXISTS (SELECT 1 FROM members m WHERE m.who = author()));
CREATE POLICY members_sync ON treaty_peers FOR SELECT USING (EXISTS (SELECT 1 FROM members m WHERE m.who = author()));
INSERT INTO members (who, role) VALUES (author(), 'founder');
";

/// Columns, and rows of literals as PostgreSQL writes them; `~` stands for quoted bytes in hexadecimal.
const COLUMNS: &str = "truth, small, big, real, exact, whole, words, bytes, other, day, clock, local, instant, detail";

const ROWS: [(&str, &str); 5] = [
    (
        "least",
        "FALSE, -2147483648, -9223372036854775808, -1.7976931348623157e308, '-9999999999999999999999999999.9999999999',
         '-99999999999999999999999999999999999999', '', ~~, '00000000-0000-0000-0000-000000000000', '0001-01-01', '00:00:00',
         '0001-01-01 00:00:00', '0001-01-01 00:00:00+00', '{}'",
    ),
    (
        "greatest",
        "TRUE, 2147483647, 9223372036854775807, 1.7976931348623157e308, '9999999999999999999999999999.9999999999',
         '99999999999999999999999999999999999999', 'Zoë 🦀 naïve \u{1} \u{10ffff}', ~00ff7f80~,
         'ffffffff-ffff-ffff-ffff-ffffffffffff', '9999-12-31', '23:59:59.999999', '9999-12-31 23:59:59.999999',
         '9999-12-31 23:59:59.999999+00', '{\"a\":[1.5,null,true,\"\\u0001\"],\"bb\":{\"é\":\"\\n\"}}'",
    ),
    (
        "tiny",
        "TRUE, 0, 0, 5e-324, '0.0000000001', '0', ' it''s \\ \"quoted\" ', ~5c27~, '01234567-89ab-4cde-8f01-23456789abcd',
         '2024-02-29', '13:05:00.25', '1969-12-31 23:59:59.5', '2024-01-31 13:05:00+00', '\"text\"'",
    ),
    (
        "other spellings",
        "TRUE, 7, 7, 0.1, '12.5', '5', 'x', ~0A~, '01234567-89AB-4CDE-8F01-23456789ABCD', '2024-01-31', '13:05:00.500',
         '2024-01-31 13:05:00.2500', '2024-01-31 15:05:00+02', '{\"bb\": 1.50, \"a\" : 1e2, \"bb\": 2}'",
    ),
    ("nothing", "NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL"),
];

/// Inserts every row, as the database writes literals.
fn write(node: &Node, prefix: &str) {
    for (label, literals) in ROWS {
        let literals = match node.kind() {
            Kind::Postgres => bytes_as(literals, "'\\x", "'"),
            // A UUID in SQLite is text that must be spelt canonically.
            Kind::Sqlite => {
                bytes_as(literals, "x'", "'").replace("89AB-4CDE-8F01-23456789ABCD", "89ab-4cde-8f01-23456789abcd")
            }
        };
        node.sql(&format!(
            "INSERT INTO samples (label, {COLUMNS}, whose) SELECT '{prefix} {label}', {literals}, who FROM members LIMIT 1"
        ));
    }
}

fn bytes_as(literals: &str, open: &str, close: &str) -> String {
    let pieces = literals.split('~').enumerate();
    pieces.map(|(at, piece)| if at % 2 == 0 { piece.to_owned() } else { format!("{open}{piece}{close}") }).collect()
}

treaty_tests::on_every_pair!(values_of_every_type_arrive_as_they_are_and_come_back);

fn values_of_every_type_arrive_as_they_are_and_come_back(pair: Pair) {
    let (first, second) = pair.nodes();
    first.init(SPACE);
    admit(&first, &second);
    join(&first, &second);
    write(&first, "1");
    write(&second, "2");
    meet(&first, &second);
    assert_eq!(first.table("samples"), second.table("samples"));
    assert_eq!(first.value("SELECT count(*) FROM samples"), "10");
    // Both wrote the same, each in its own spelling.
    let shown = |prefix: &str| {
        first.rows(&format!("SELECT {COLUMNS} FROM samples WHERE label LIKE '{prefix} %' ORDER BY label"))
    };
    assert_eq!(shown("1"), shown("2"));
    assert_eq!(
        first.value("SELECT exact FROM samples WHERE label = '1 other spellings'"),
        "12.5000000000",
        "numbers have their column's scale"
    );
    // There and back: what is copied on the other side is the same again.
    let before = first.table("samples");
    second.sql("UPDATE samples SET words = words || 'x'");
    meet(&first, &second);
    first.sql("UPDATE samples SET words = substr(words, 1, length(words) - 1)");
    meet(&first, &second);
    assert_eq!(first.table("samples"), before);
    assert_eq!(second.table("samples"), before);
    for node in [&first, &second] {
        assert_eq!(node.lines(&["rollbacks"]), Vec::<serde_json::Value>::new());
    }
}

treaty_tests::on_each_database!(what_no_type_holds_is_refused_where_it_is_written);

fn what_no_type_holds_is_refused_where_it_is_written(kind: Kind) {
    let node = Node::on(kind);
    node.init(SPACE);
    let both = ["label) VALUES ('longer than twenty characters')", "label, whose) VALUES ('x', 'id1nobody')"];
    let postgres = [
        "label, real) VALUES ('x', 'NaN')",
        "label, exact) VALUES ('x', 'NaN')",
        "label, day) VALUES ('x', '10000-01-01')",
        "label, day) VALUES ('x', 'infinity')",
        "label, clock) VALUES ('x', '24:00')",
        "label, instant) VALUES ('x', '0001-01-01 00:00:00+01')",
        "label, local) VALUES ('x', '-infinity')",
        "label, small) VALUES ('x', 2147483648)",
        "label, detail) VALUES ('x', '{\"a\": \"\\u0000\"}')",
    ];
    let sqlite = [
        "label, truth) VALUES ('x', 2)",
        "label, small) VALUES ('x', 2147483648)",
        "label, bytes) VALUES ('x', 'text')",
        "label, day) VALUES ('x', 'yesterday')",
    ];
    let own: &[&str] = if kind == Kind::Postgres { &postgres } else { &sqlite };
    for values in both.iter().chain(own) {
        node.sql_fails(&format!("INSERT INTO samples ({values}"));
    }
    let sidecar = node.up(&[]);
    wait_in_step(&[&node]);
    sidecar.stop();
    assert_eq!(node.value("SELECT count(*) FROM samples"), "0");
}
