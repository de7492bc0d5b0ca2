//! Constraints that SQLite holds natively, and those that it must leave to the engine.

use expect_test::{Expect, expect};
use treaty_ddl::sql;

use super::{Database, schema};

const TYPES: &str = "
    CREATE TABLE t (
      id UUID PRIMARY KEY, flag BOOLEAN, small INTEGER, large BIGINT, real DOUBLE PRECISION, price NUMERIC(12, 2),
      name TEXT, code VARCHAR(3), raw BYTEA, other UUID, day DATE, hour TIME, local TIMESTAMP, at TIMESTAMPTZ, doc JSONB,
      who IDENTITY);
    CREATE POLICY a ON t FOR INSERT WITH CHECK (true);";

/// Tries one value in one column.
fn try_value(column: &str, value: &str) -> String {
    let database = Database::new(TYPES);
    let sql = super::expand(&format!("INSERT INTO t ({column}) VALUES ({value})"));
    match database.connection.execute_batch(&sql) {
        Ok(()) => database.rows(&format!("SELECT typeof({column}) || ' ' || quote({column}) FROM t")),
        Err(error) => error.to_string(),
    }
}

#[test]
fn canonical_values_of_every_type_are_stored_as_they_are() {
    for (column, value, class) in [
        ("flag", "1", "integer"),
        ("small", "-2147483648", "integer"),
        ("large", "-9223372036854775808", "integer"),
        ("real", "9e999", "real"),
        ("price", "'-3.10'", "text"),
        ("name", "'Zoë''s'", "text"),
        ("code", "'äöü'", "text"),
        ("raw", "X'00FF'", "blob"),
        ("other", "$1", "text"),
        ("day", "'2024-01-31'", "text"),
        ("hour", "'13:05:00.25'", "text"),
        ("local", "'2024-01-31 13:05:00'", "text"),
        ("at", "'2024-01-31 13:05:00.5+00'", "text"),
        ("doc", "'{\"a\": 1}'", "text"),
        ("who", "$node", "text"),
    ] {
        let found = try_value(column, value);
        assert!(found.starts_with(class), "{column}: {found}");
    }
}

#[test]
fn liberal_spellings_pass_for_the_sidecar_to_read() {
    for (column, value) in [
        ("small", "'12'"),
        ("small", "3.0"),
        ("real", "3"),
        ("price", "12.5"),
        ("price", "7"),
        ("local", "'2024-01-31T13:05'"),
        ("at", "'2024-01-31T13:05:00Z'"),
        ("at", "CURRENT_TIMESTAMP"),
    ] {
        let found = try_value(column, value);
        assert!(!found.contains("CHECK"), "{column} {value}: {found}");
    }
}

#[test]
fn wrong_values_fail_by_column_and_type() {
    let mut found = String::new();
    for (column, value) in [
        ("flag", "2"),
        ("small", "2147483648"),
        ("small", "'twelve'"),
        ("large", "1.5"),
        ("real", "'one'"),
        ("price", "'much'"),
        ("code", "'abcd'"),
        ("raw", "'text'"),
        ("other", "'00000000-0000-4000-8000-00000000000A'"),
        ("other", "'1'"),
        ("day", "'31.1.2024'"),
        ("hour", "'1 pm'"),
        ("at", "'yesterday'"),
        ("who", "'me'"),
    ] {
        found.push_str(&format!("{column} {value}: {}\n", try_value(column, value)));
    }
    expect![[r#"
        flag 2: CHECK constraint failed: flag must be BOOLEAN, 0 or 1
        small 2147483648: CHECK constraint failed: small must be INTEGER, 32 bits
        small 'twelve': CHECK constraint failed: small must be INTEGER, 32 bits
        large 1.5: CHECK constraint failed: large must be BIGINT
        real 'one': CHECK constraint failed: real must be DOUBLE PRECISION
        price 'much': CHECK constraint failed: price must be NUMERIC(12, 2)
        code 'abcd': CHECK constraint failed: code must be VARCHAR(3)
        raw 'text': CHECK constraint failed: raw must be BYTEA, a BLOB
        other '00000000-0000-4000-8000-00000000000A': CHECK constraint failed: other must be UUID in lower case
        other '1': CHECK constraint failed: other must be UUID in lower case
        day '31.1.2024': CHECK constraint failed: day must be DATE as in 2024-01-31
        hour '1 pm': CHECK constraint failed: hour must be TIME as in 13:05:00
        at 'yesterday': CHECK constraint failed: at must be TIMESTAMPTZ as in 2024-01-31 13:05:00+00
        who 'me': CHECK constraint failed: who must be IDENTITY in lower case
    "#]]
    .assert_eq(&found);
}

#[test]
fn default_now_is_canonical() {
    let database = Database::new(
        "CREATE TABLE t (id UUID PRIMARY KEY, at TIMESTAMPTZ DEFAULT now(), local TIMESTAMP DEFAULT CURRENT_TIMESTAMP);
         CREATE POLICY a ON t FOR INSERT WITH CHECK (true);",
    );
    database.run("INSERT INTO t DEFAULT VALUES");
    let at = database.rows("SELECT at FROM t");
    let value = treaty_schema::LogicalType::TimestampTz.parse(&at).unwrap();
    assert_eq!(value.to_text(), at);
    let local = database.rows("SELECT local FROM t");
    assert_eq!(treaty_schema::LogicalType::Timestamp.parse(&local).unwrap().to_text(), local);
}

#[test]
fn zeros_at_the_end_of_the_milliseconds_are_cut() {
    let cut = "rtrim(rtrim(strftime('%Y-%m-%d %H:%M:%f', $x), '0'), '.')";
    let database = Database::new(TYPES);
    for (time, expected) in [
        ("2024-01-31 13:10:10.000", "2024-01-31 13:10:10"),
        ("2024-01-31 13:10:00.500", "2024-01-31 13:10:00.5"),
        ("2024-01-31 13:10:00.050", "2024-01-31 13:10:00.05"),
    ] {
        assert_eq!(database.rows(&format!("SELECT {}", cut.replace("$x", &format!("'{time}'")))), expected);
    }
}

/// Installs a table `t` with these columns and constraints; returns how each INSERT of these columns and values goes.
fn check(columns: &str, names: &str, rows: &[&str], expected: &Expect) {
    let database = Database::new(&format!(
        "CREATE TABLE t (id UUID PRIMARY KEY, {columns}); CREATE POLICY a ON t FOR INSERT WITH CHECK (true);"
    ));
    let mut found = String::new();
    for row in rows {
        let sql = format!("INSERT INTO t ({names}) VALUES ({row})");
        let outcome =
            database.connection.execute_batch(&sql).map_or_else(|error| error.to_string(), |()| "ok".to_owned());
        found.push_str(&format!("{row}: {outcome}\n"));
    }
    expected.assert_eq(&found);
}

#[test]
fn decimals_compare_as_numbers() {
    check(
        "price NUMERIC(12, 2), least NUMERIC(12, 2), CONSTRAINT c CHECK (price >= 9.50 AND price > least)",
        "price, least",
        &["'10.00', '9.00'", "'9.5', '1'", "9.49, 1", "'100.00', '99.99'", "'9.00', NULL", "'20.00', NULL"],
        &expect![[r#"
            '10.00', '9.00': ok
            '9.5', '1': ok
            9.49, 1: CHECK constraint failed: c
            '100.00', '99.99': ok
            '9.00', NULL: CHECK constraint failed: c
            '20.00', NULL: ok
        "#]],
    );
}

#[test]
fn times_in_another_spelling_are_left_to_the_engine() {
    check(
        "a TIMESTAMPTZ, b TIMESTAMPTZ, CONSTRAINT c CHECK (a < b)",
        "a, b",
        &[
            "'2024-01-31 13:05:00+00', '2024-01-31 13:05:00.5+00'",
            "'2024-01-31 13:05:00.5+00', '2024-01-31 13:05:00.45+00'",
            "'2024-01-31 13:05:01+00', '2024-01-31 13:05:00+00'",
            "'2024-01-31 13:05:01+00', '2024-01-31T13:05:00Z'",
            "'2024-01-31 13:05:01+00', NULL",
        ],
        &expect![[r#"
            '2024-01-31 13:05:00+00', '2024-01-31 13:05:00.5+00': ok
            '2024-01-31 13:05:00.5+00', '2024-01-31 13:05:00.45+00': CHECK constraint failed: c
            '2024-01-31 13:05:01+00', '2024-01-31 13:05:00+00': CHECK constraint failed: c
            '2024-01-31 13:05:01+00', '2024-01-31T13:05:00Z': ok
            '2024-01-31 13:05:01+00', NULL: ok
        "#]],
    );
}

#[test]
fn text_compares_by_code_point_and_length_counts_characters() {
    check(
        "a TEXT, CONSTRAINT c CHECK (a > 'B' AND length(a) <= 2)",
        "a",
        &["'a'", "'A'", "'éé'", "'ééé'"],
        &expect![[r#"
            'a': ok
            'A': CHECK constraint failed: c
            'éé': ok
            'ééé': CHECK constraint failed: c
        "#]],
    );
}

#[test]
fn a_check_that_sqlite_cannot_keep_is_named_in_the_sql() {
    let file = schema(
        "CREATE TABLE t (id UUID PRIMARY KEY, a NUMERIC(20, 2), b DOUBLE PRECISION,
           CONSTRAINT many_digits CHECK (a > 1), CONSTRAINT sum CHECK (b + 1 > b));",
    );
    let sql = sql::sqlite::create_tables(&file.schema);
    assert_eq!(sql.matches("is left to treaty").count(), 2, "{sql}");
    assert!(!sql.contains("CONSTRAINT \"sum\""), "{sql}");
}

#[test]
fn a_long_condition_does_not_exceed_the_depth_of_an_expression() {
    let long: Vec<String> = (0..180).map(|number| format!("n = {number}")).collect();
    check(
        &format!("n INTEGER CHECK ({})", long.join(" OR ")),
        "n",
        &["179", "180"],
        &expect![[r#"
        179: ok
        180: CHECK constraint failed: t_n_check
    "#]],
    );
}

#[test]
fn a_key_that_no_index_holds_fails_at_the_statement() {
    let database = Database::new(
        "CREATE TABLE t (id UUID PRIMARY KEY, a TEXT, b BYTEA NOT NULL, c UUID, d TEXT UNIQUE, e VARCHAR(9) UNIQUE,
           CONSTRAINT k UNIQUE (a, b, c));
         CREATE POLICY p ON t FOR INSERT WITH CHECK (true); CREATE POLICY q ON t FOR UPDATE USING (true);",
    );
    let letters = |count: usize| format!("'{}'", "é".repeat(count));
    let bytes = |count: usize| format!("X'{}'", "0a".repeat(count));
    database.run(&format!("INSERT INTO t (a, b, d) VALUES ({}, {}, {})", letters(492), bytes(1000), letters(1024)));
    database.run(&format!("INSERT INTO t (a, b) VALUES (NULL, {})", bytes(1984)));
    for (wrong, label) in [
        (format!("INSERT INTO t (a, b) VALUES ({}, {})", letters(492), bytes(1001)), "k must be at most 1984 bytes"),
        (format!("INSERT INTO t (a, b) VALUES (NULL, {})", bytes(1985)), "k must be at most 1984 bytes"),
        (format!("UPDATE t SET a = {} WHERE d IS NOT NULL", letters(493)), "k must be at most 1984 bytes"),
        (
            format!("UPDATE t SET d = {} || 'x' WHERE d IS NOT NULL", letters(1024)),
            "t_d_key must be at most 2048 bytes",
        ),
    ] {
        assert_eq!(database.fails(&wrong), format!("CHECK constraint failed: {label}"), "{wrong}");
    }
}

#[test]
fn only_keys_that_their_types_do_not_bound_are_measured() {
    let file = schema(
        "CREATE TABLE t (id UUID PRIMARY KEY, a VARCHAR(512) UNIQUE, b VARCHAR(480), c UUID, d UUID, e JSONB UNIQUE, f TEXT,
           CONSTRAINT fits UNIQUE (b, c, d), CONSTRAINT large UNIQUE (b, c, d, e));",
    );
    let sql = sql::sqlite::create_tables(&file.schema);
    assert_eq!(sql.matches(" bytes\" CHECK").count(), 1, "{sql}");
    assert!(sql.contains("\"large must be at most 1856 bytes\" CHECK (length(CAST(\"b\" AS BLOB)) <= 1856)"), "{sql}");
}
