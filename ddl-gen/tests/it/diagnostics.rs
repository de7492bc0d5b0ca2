//! What is said about mistakes: each with its place and remedy, all of a file at once.

mod expressions;

use std::collections::BTreeSet;

use expect_test::{Expect, expect};
use treaty_ddl::parse;

/// Parses `text`; prints the diagnostics, or the notes of a valid file.
fn shown(text: &str) -> String {
    let lines: Vec<String> = match parse("s.sql", text) {
        Ok(file) => file.notes.iter().map(|note| format!("note: {note}\n")).collect(),
        Err(diagnostics) => diagnostics.iter().map(|diagnostic| format!("{diagnostic}\n")).collect(),
    };
    lines.concat()
}

fn check(text: &str, expected: &Expect) {
    expected.assert_eq(&shown(text));
}

/// Checks several texts, each put in place of `$` in `frame`; prints what was put and what was said.
fn check_each(frame: &str, texts: &[&str], expected: &Expect) {
    let found: Vec<String> = texts
        .iter()
        .map(|text| format!("{text}\n{}", shown(&frame.replace('$', text)).replace("s.sql:", "  ")))
        .collect();
    expected.assert_eq(&found.concat());
}

#[test]
fn a_genesis_row_whose_key_no_index_holds_is_a_mistake() {
    let row = |count: usize| {
        let name = "é".repeat(count);
        shown(&format!(
            "CREATE TABLE t (id UUID PRIMARY KEY, who IDENTITY, name TEXT, UNIQUE (who, name));\nINSERT INTO t (who, name) VALUES (author(), '{name}');"
        ))
    };
    assert!(!row(992).contains("UNIQUE"));
    assert!(row(993).starts_with(
        "s.sql:2:34: t: UNIQUE key t_who_name_key (who, name) counts 2050 bytes, at most 2048 fit into an index: shorten it\n"
    ), "{}", row(993));
}

/// A table that is right but for a column on the second line.
const COLUMN: &str = "CREATE TABLE t (id UUID PRIMARY KEY,\n$);";

#[test]
fn ten_different_mistakes_give_ten_diagnostics() {
    let text = "CREATE TABLE a (id SERIAL PRIMARY KEY, b TEXT CHECK (b LIKE 'x%'), c INTEGER CHECK (d > 0));
CREATE TABEL z (id UUID PRIMARY KEY);
CREATE TABLE e (
  id UUID PRIMARY KEY,
  n NUMERIC,
  f UUID REFERENCES nowhere (id),
  g TEXT DEFAULT 5
  CHECK (length(g) < )
);
GRANT SELECT ON e TO PUBLIC;
CREATE POLICY p ON e USING (true);
CREATE POLICY q ON e FOR DELETE USING (NOT EXISTS (SELECT 1 FROM a));
INSERT INTO e (id, nothing) VALUES (gen_random_uuid(), 1);
";
    check(
        text,
        &expect![[r#"
            s.sql:1:20: serial is not among the types of a schema file
              help: rows are named by id UUID PRIMARY KEY; for a number that you assign yourself write INTEGER
            s.sql:1:54: patterns are not part of the language
              help: expressions know AND OR NOT, = <> < <= > >=, IN, BETWEEN, IS [NOT] NULL, + - *, length, coalesce, literals, columns, author(), and in policies EXISTS (SELECT 1 FROM t WHERE ...)
            s.sql:1:78: there is no column d here
              help: known here: a (id, b, c)
            s.sql:2:1: CREATE TABEL is not a statement of a schema file
              help: a schema file consists of CREATE TABLE, CREATE UNIQUE INDEX, CREATE POLICY, REVOKE UPDATE and INSERT INTO
            s.sql:5:5: NUMERIC needs its precision and scale
              help: write NUMERIC(12, 2): digits in all, digits after the point
            s.sql:7:18: the DEFAULT of g: '5' is no TEXT: write the value in single quotes
            s.sql:8:22: expected an expression, the expression ends
              help: expressions know AND OR NOT, = <> < <= > >=, IN, BETWEEN, IS [NOT] NULL, + - *, length, coalesce, literals, columns, author(), and in policies EXISTS (SELECT 1 FROM t WHERE ...)
            s.sql:10:1: GRANT is not a statement of a schema file
              help: every column may be updated until REVOKE UPDATE (...) names it; leave GRANT out
            s.sql:11:22: a policy is for one command
              help: write one policy each FOR INSERT, FOR UPDATE and FOR DELETE
            s.sql:12:40: NOT EXISTS is not part of the language
              help: a policy may rely on rows that are there, not on rows that are missing
            s.sql:13:20: e has no column nothing
        "#]],
    );
    let diagnostics = parse("s.sql", text).expect_err("the file is full of mistakes");
    let places: BTreeSet<(u64, u64)> = diagnostics.iter().map(|found| (found.line, found.column)).collect();
    assert!(places.len() >= 10, "at {} places", places.len());
}

#[test]
fn one_broken_statement_hides_no_other() {
    check(
        "CREATE TABLE a (id UUID PRIMARY KEY, b TEXT;
CREATE TABLE c (id UUID PRIMARY KEY, d BLOB)
CREATE TABLE e (id UUID PRIMARY KEY, f JSON);
CREATE TABLE g (id UUID PRIMARY KEY, h 'text');
CREATE TABLE i (id UUID PRIMARY KEY, j TEXT DEFAULT 'never closed);",
        &expect![[r#"
            s.sql:1:16: this parenthesis is not closed before the end of the statement
            s.sql:2:40: blob is not among the types of a schema file
              help: write BYTEA
            s.sql:3:1: a semicolon is missing before CREATE
            s.sql:3:40: json is not among the types of a schema file
              help: write JSONB
            s.sql:4:40: expected a type, found 'text'
            s.sql:5:16: this parenthesis is not closed before the end of the statement
            s.sql:5:53: this is not SQL text: unterminated string literal
        "#]],
    );
}

#[test]
fn elements_of_a_table_are_read_one_by_one() {
    check(
        "CREATE TABLE t (
  id UUID PRIMARY KEY,
  a TEXT COLLATE \"de_DE\" NOT NULL,
  b INTEGER GENERATED ALWAYS AS IDENTITY,
  c INTEGER[] DEFAULT 1,
  order INTEGER,
  d TIMESTAMP(3),
  e VARCHAR,
  f TEXT NULL NOT NULL NULL,
  CONSTRAINT g UNIQUE NULLS NOT DISTINCT (f),
  EXCLUDE USING gist (a WITH =),
  FOREIGN KEY (a) REFERENCES t ON UPDATE CASCADE,
  ,
);",
        &expect![[r#"
            s.sql:3:10: text is compared by code point, everywhere the same
              help: leave COLLATE out
            s.sql:4:13: generated columns are not part of the language
              help: compute it when reading, or write the value
            s.sql:5:5: arrays are not among the types of a schema file
              help: write a table of its own that refers to this one, or JSONB
            s.sql:6:3: order is a reserved word of PostgreSQL and cannot be a bare name
              help: write it in double quotes: "order"
            s.sql:7:14: times have microseconds
              help: leave the precision out
            s.sql:8:5: VARCHAR needs its length
              help: write VARCHAR(200), or TEXT for no limit
            s.sql:9:24: f is both NULL and NOT NULL
            s.sql:10:23: NULLs are distinct in a UNIQUE key
              help: declare the columns NOT NULL, with a value that means nothing
            s.sql:11:3: EXCLUDE constraints are not part of the language
              help: write UNIQUE over columns that name the slot, or a CHECK
            s.sql:12:32: the id of a row never changes, so ON UPDATE has no meaning
              help: leave it out
            s.sql:13:3: a column or constraint is missing here
            s.sql:14:1: a column or constraint is missing here
        "#]],
    );
}

#[test]
fn what_cannot_be_read_is_not_held_against_what_depends_on_it() {
    check(
        "CREATE TABLE t (id UUID PRIMARY KEY, a MONEY, b INTEGER, CHECK (a > 5), CHECK (b > 'x'));
CREATE POLICY p ON t FOR UPDATE USING (a = 3);
CREATE POLICY q ON t FOR DELETE USING (b = 3);
REVOKE SELECT (b) ON t FROM PUBLIC;",
        &expect![[r#"
            s.sql:1:40: money is not among the types of a schema file
              help: write NUMERIC(12, 2)
            s.sql:1:73: 'x' is no INTEGER: write digits, as in 42 or -3.10
            s.sql:4:8: only UPDATE of named columns can be revoked
              help: write REVOKE UPDATE (column, ...) ON table FROM PUBLIC; policies say the rest
        "#]],
    );
}

#[test]
fn types_outside_the_list_come_with_what_to_write() {
    check_each(
        COLUMN,
        &[
            "a SMALLINT",
            "a CHAR(3)",
            "a mood",
            "a TEXT[]",
            "a TIME WITH TIME ZONE",
            "a NUMERIC(50, 2)",
            "a NUMERIC(5, -2)",
            "a VARCHAR(0)",
            "a",
        ],
        &expect![[r#"
            a SMALLINT
              2:3: smallint is not among the types of a schema file
              help: write INTEGER, with a CHECK for the range
            a CHAR(3)
              2:3: char is not among the types of a schema file
              help: write VARCHAR(n) or TEXT
            a mood
              2:3: mood is not among the types of a schema file
              help: the types are BOOLEAN, INTEGER, BIGINT, DOUBLE PRECISION, NUMERIC(p, s), TEXT, VARCHAR(n), BYTEA, UUID, DATE, TIME, TIMESTAMP, TIMESTAMPTZ, JSONB, IDENTITY
            a TEXT[]
              2:3: arrays are not among the types of a schema file
              help: write a table of its own that refers to this one, or JSONB
            a TIME WITH TIME ZONE
              2:3: TIME WITH TIME ZONE is not among the types of a schema file
              help: write TIMESTAMPTZ, or TIME without a zone
            a NUMERIC(50, 2)
              2:1: NUMERIC(50,2) is no valid type
              help: NUMERIC(p,s) takes a p of 1 to 38 and an s of 0 to p
            a NUMERIC(5, -2)
              2:14: expected a whole number as the argument of a type
            a VARCHAR(0)
              2:1: VARCHAR(0) is no valid type
              help: VARCHAR(n) takes an n of 1 to 10485760; TEXT has no limit
            a
              2:2: expected a type, found nothing
        "#]],
    );
}

#[test]
fn every_spelling_of_a_type_is_known() {
    let text = "CREATE TABLE t (id UUID PRIMARY KEY, a BOOL, b INT, c INT4, d INT8, e FLOAT8, f DECIMAL(5), g CHARACTER VARYING(5),
      h TIMESTAMP WITHOUT TIME ZONE, i TIMESTAMP WITH TIME ZONE, j TIME (6) WITHOUT TIME ZONE, k \"text\", l Double Precision);";
    let file = parse("s.sql", text).unwrap();
    let types = file.schema.tables()[0].columns.iter().map(|column| column.logical_type.to_string());
    expect!["UUID, BOOLEAN, INTEGER, INTEGER, BIGINT, DOUBLE PRECISION, NUMERIC(5,0), VARCHAR(5), TIMESTAMP, TIMESTAMPTZ, TIME, TEXT, DOUBLE PRECISION"].assert_eq(&types.collect::<Vec<_>>().join(", "));
}

#[test]
fn statements_outside_the_language_come_with_what_to_write() {
    check_each(
        "$;",
        &[
            "ALTER TABLE t ENABLE ROW LEVEL SECURITY",
            "CREATE INDEX i ON t (a)",
            "CREATE TYPE mood AS ENUM ('sad')",
            "CREATE TEMP TABLE x (id UUID PRIMARY KEY)",
            "CREATE TABLE IF NOT EXISTS x (id UUID PRIMARY KEY)",
            "CREATE TABLE x (id UUID PRIMARY KEY) PARTITION BY LIST (id)",
            "CREATE UNIQUE INDEX i ON t (lower(a))",
            "CREATE UNIQUE INDEX i ON nowhere (a)",
            "CREATE UNIQUE INDEX i ON t (a) WHERE a > 5",
            "REVOKE UPDATE ON t FROM PUBLIC",
            "REVOKE UPDATE (a) ON t FROM admin",
            "REVOKE DELETE ON t FROM PUBLIC",
            "SELECT 1",
            "(",
        ],
        &expect![[r#"
            ALTER TABLE t ENABLE ROW LEVEL SECURITY
              1:1: ALTER TABLE is not a statement of a schema file
              help: write the columns and constraints into CREATE TABLE; row level security is always on
            CREATE INDEX i ON t (a)
              1:1: CREATE INDEX is not a statement of a schema file
              help: an index that is not UNIQUE is no part of the schema: create it in each database yourself
            CREATE TYPE mood AS ENUM ('sad')
              1:1: CREATE TYPE is not a statement of a schema file
              help: write TEXT with CHECK (column IN ('a', 'b')) instead of an enumeration
            CREATE TEMP TABLE x (id UUID PRIMARY KEY)
              1:1: CREATE TEMP is not a statement of a schema file
              help: a schema file consists of CREATE TABLE, CREATE UNIQUE INDEX, CREATE POLICY, REVOKE UPDATE and INSERT INTO
            CREATE TABLE IF NOT EXISTS x (id UUID PRIMARY KEY)
              1:14: IF NOT EXISTS has no meaning in a schema file
              help: write CREATE TABLE name (...)
            CREATE TABLE x (id UUID PRIMARY KEY) PARTITION BY LIST (id)
              1:38: unexpected PARTITION after the columns of a table
              help: CREATE TABLE name (columns and constraints); takes nothing else
            CREATE UNIQUE INDEX i ON t (lower(a))
              1:34: expected a comma or a closing parenthesis, found (
              help: a unique index is over plain columns
            CREATE UNIQUE INDEX i ON nowhere (a)
              1:26: there is no table nowhere
              help: a unique index stands in the file of its table
            CREATE UNIQUE INDEX i ON t (a) WHERE a > 5
              1:32: unexpected WHERE after the columns of a unique index
              help: write CREATE UNIQUE INDEX name ON table (column, ...)
            REVOKE UPDATE ON t FROM PUBLIC
              1:15: REVOKE UPDATE names columns
              help: write REVOKE UPDATE (column, ...); without an UPDATE policy nobody may update anything
            REVOKE UPDATE (a) ON t FROM admin
              1:24: expected FROM PUBLIC, found FROM
              help: write REVOKE UPDATE (column, ...) ON table FROM PUBLIC; policies say the rest
            REVOKE DELETE ON t FROM PUBLIC
              1:8: only UPDATE of named columns can be revoked
              help: write REVOKE UPDATE (column, ...) ON table FROM PUBLIC; policies say the rest
            SELECT 1
              1:1: SELECT is not a statement of a schema file
              help: a schema file consists of CREATE TABLE, CREATE UNIQUE INDEX, CREATE POLICY, REVOKE UPDATE and INSERT INTO
            (
              1:1: this is not a statement of a schema file
              help: a schema file consists of CREATE TABLE, CREATE UNIQUE INDEX, CREATE POLICY, REVOKE UPDATE and INSERT INTO
        "#]],
    );
}

#[test]
fn genesis_rows_are_checked_against_their_table() {
    let tables = "CREATE TABLE t (id UUID PRIMARY KEY, n INTEGER NOT NULL UNIQUE CHECK (n > 0), who IDENTITY, up UUID REFERENCES t);
CREATE POLICY a ON t FOR INSERT WITH CHECK (true);\n";
    check_each(
        &format!("{tables}$;"),
        &[
            "INSERT INTO t (n, who) VALUES ('x', 'me'), (author(), NULL), (3)",
            "INSERT INTO t (who) VALUES (author())",
            "INSERT INTO t (n, m, n) VALUES (1, 2, 3)",
            "INSERT INTO u (n) VALUES (1)",
            "INSERT INTO t VALUES (1)",
            "INSERT INTO t (n) SELECT 1",
            "INSERT INTO t (n) VALUES (4) ON CONFLICT DO NOTHING",
            "INSERT INTO t (n) VALUES (1 + 1)",
            "INSERT INTO t (n, up) VALUES (1, '00000000-0000-4000-8000-000000000001')",
            "INSERT INTO t (n) VALUES (1), (1)",
            "INSERT INTO t (n) VALUES (0)",
            "INSERT INTO t (n, who, id) VALUES (1, author(), DEFAULT), (2, NULL, '00000000-0000-4000-8000-000000000001')",
        ],
        &expect![[r#"
            INSERT INTO t (n, who) VALUES ('x', 'me'), (author(), NULL), (3)
              3:32: n: 'x' is no INTEGER: write digits, as in 42 or -3.10
              3:37: who: an identity is id1 and 60 characters of a-z, 2-7, as `treaty identity` prints it
              3:45: author() is an IDENTITY, n is not
              3:62: the row has 1 values for 2 columns
            INSERT INTO t (who) VALUES (author())
              3:28: n of t is NOT NULL and the row gives it no value
            INSERT INTO t (n, m, n) VALUES (1, 2, 3)
              3:19: t has no column m
              3:22: the column n is named twice
            INSERT INTO u (n) VALUES (1)
              3:13: there is no table u
              help: genesis rows go into tables of the same file
            INSERT INTO t VALUES (1)
              3:15: expected ( and the columns, found VALUES
              help: name the columns: INSERT INTO table (columns) VALUES (...)
            INSERT INTO t (n) SELECT 1
              3:19: expected VALUES, found SELECT
              help: genesis rows are literal: write VALUES (...)
            INSERT INTO t (n) VALUES (4) ON CONFLICT DO NOTHING
              3:30: unexpected ON after the rows of an INSERT
              help: genesis rows are INSERT INTO table (columns) VALUES (...), ...; and nothing else
            INSERT INTO t (n) VALUES (1 + 1)
              3:29: unexpected + after the value
              help: write a literal, author(), gen_random_uuid(), now() or DEFAULT
            INSERT INTO t (n, up) VALUES (1, '00000000-0000-4000-8000-000000000001')
              3:30: up refers to no row of t in this file
              help: give the row referred to an id of its own and name it here
            INSERT INTO t (n) VALUES (1), (1)
              3:31: an earlier row of t has the same t_n_key
            INSERT INTO t (n) VALUES (0)
              3:26: the row breaks the CHECK t_n_check of t
            INSERT INTO t (n, who, id) VALUES (1, author(), DEFAULT), (2, NULL, '00000000-0000-4000-8000-000000000001')
            note:   1:1: nobody may ever change this schema: treaty_schema has no policy
              help: write CREATE POLICY name ON treaty_schema FOR INSERT WITH CHECK (...);
            note:   1:1: nobody may sync this space: treaty_peers has no policy
              help: write CREATE POLICY name ON treaty_peers FOR SELECT USING (...);
            note:   1:14: nobody may DELETE in t: it has no policy for that
              help: to open it to all, write CREATE POLICY name ON t FOR DELETE USING (true);
            note:   1:14: nobody may UPDATE in t: it has no policy for that
              help: to open it to all, write CREATE POLICY name ON t FOR UPDATE USING (true);
        "#]],
    );
}

#[test]
fn tables_that_nobody_may_write_are_noted() {
    check(
        "CREATE TABLE t (id UUID PRIMARY KEY, a TEXT);\nCREATE POLICY p ON t FOR INSERT WITH CHECK (true);",
        &expect![[r#"
            note: s.sql:1:1: nobody may ever change this schema: treaty_schema has no policy
              help: write CREATE POLICY name ON treaty_schema FOR INSERT WITH CHECK (...);
            note: s.sql:1:1: nobody may sync this space: treaty_peers has no policy
              help: write CREATE POLICY name ON treaty_peers FOR SELECT USING (...);
            note: s.sql:1:14: nobody may DELETE in t: it has no policy for that
              help: to open it to all, write CREATE POLICY name ON t FOR DELETE USING (true);
            note: s.sql:1:14: nobody may UPDATE in t: it has no policy for that
              help: to open it to all, write CREATE POLICY name ON t FOR UPDATE USING (true);
        "#]],
    );
}

#[test]
fn a_file_above_the_limit_is_refused() {
    check(
        &" ".repeat((1 << 20) + 1),
        &expect![[r#"
        s.sql:1:1: the file is 1048577 bytes long, limit 1048576
    "#]],
    );
}

#[test]
fn names_are_folded_and_reserved_ones_refused() {
    check(
        "CREATE TABLE Treaty_x (id UUID PRIMARY KEY);
CREATE TABLE \"Mixed\" (ID uuid PRIMARY KEY, \"select\" TEXT, treaty_status TEXT);
CREATE POLICY P ON Mixed FOR INSERT WITH CHECK (true);
CREATE TABLE u (id UUID PRIMARY KEY, user TEXT);",
        &expect![[r#"
            s.sql:1:14: treaty_x: names that start with treaty_ are reserved
            s.sql:2:59: treaty_status: names that start with treaty_ are reserved
            s.sql:4:38: user is a reserved word of PostgreSQL and cannot be a bare name
              help: write it in double quotes: "user"
        "#]],
    );
}
