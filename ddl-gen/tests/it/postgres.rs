//! The SQL for PostgreSQL, executed on a server that the tests start: a fresh cluster, reachable by a socket file only.

mod authors;
mod capture;
mod guard;
mod keys;
mod order;
mod policies;
pub(crate) mod server;

use treaty_ddl::sql;

use self::server::Database;
use crate::sqlite::{NAMES, NAMES_RIGHT, NAMES_WRONG, NODE, OTHER, schema};

/// A database with the schema installed and this node as the default author.
fn installed(text: &str) -> Database {
    let database = Database::create();
    database.run(&format!("BEGIN; {} COMMIT;", sql::postgres::install(&schema(text).schema)));
    database.run(&format!(
        "INSERT INTO treaty.state (space, identity, instance, schema, shown) VALUES ('space', '{NODE}', 'i', 's', 'v')"
    ));
    database
}

/// Expands `$1` to the id of row 1 and so on, `$node` and `$other` to identities.
fn expand(sql: &str) -> String {
    let mut text = sql.replace("$node", &format!("'{NODE}'")).replace("$other", &format!("'{OTHER}'"));
    for number in (1..=30).rev() {
        text = text.replace(&format!("${number}"), &format!("'00000000-0000-4000-8000-{number:012}'"));
    }
    text
}

/// Empties the queue; returns its lines as `table:number`, sorted.
fn queue(database: &Database) -> String {
    database.run(
        "WITH gone AS (DELETE FROM treaty.queue RETURNING table_name, row_id)
         SELECT coalesce(string_agg(table_name || ':' || ltrim(right(row_id::text, 12), '0'), ' ' ORDER BY table_name, row_id), '') FROM gone",
    )
}

#[test]
fn the_examples_install_take_rows_and_uninstall() {
    for name in crate::golden::names() {
        let file = crate::golden::example(&name);
        let database = Database::create();
        database.run(&format!("BEGIN; {} COMMIT;", sql::postgres::install(&file.schema)));
        let tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'";
        assert_eq!(database.run(tables), file.schema.tables().len().to_string(), "{name}");
        database.run(&sql::postgres::uninstall());
        assert_eq!(database.run(tables), file.schema.tables().len().to_string(), "{name}");
        assert_eq!(database.run("SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal"), "0", "{name}");
    }
}

#[test]
fn nobody_writes_reports_whatever_he_is_granted() {
    let database =
        installed("CREATE TABLE t (id UUID PRIMARY KEY); CREATE POLICY p ON t FOR INSERT WITH CHECK (true);");
    database.run("GRANT ALL ON ALL TABLES IN SCHEMA public TO PUBLIC");
    assert_eq!(database.run("SELECT count(*) FROM public.treaty_rollbacks"), "0");
    let error = database.fails("DELETE FROM public.treaty_rollbacks");
    assert!(error.contains("cannot delete from view"), "{error}");
}

#[test]
fn any_name_can_be_a_name() {
    let database = installed(NAMES);
    database.run(&expand(NAMES_RIGHT));
    let error = database.fails(&expand(NAMES_WRONG));
    assert!(error.contains(r#"a"b'c: policy it's "mine" refuses this INSERT"#), "{error}");
}

#[test]
fn names_of_sixty_bytes_stay_apart() {
    let table = |last: char| format!("{}{last}", "t".repeat(62));
    let text: String = ['a', 'b']
        .map(|last| {
            format!(
                "CREATE TABLE {0} (id UUID PRIMARY KEY, v TEXT); CREATE POLICY p ON {0} FOR INSERT WITH CHECK (v = '{last}');",
                table(last)
            )
        })
        .concat();
    let database = installed(&text);
    database.run(&format!("INSERT INTO {} (v) VALUES ('a'); INSERT INTO {} (v) VALUES ('b')", table('a'), table('b')));
    let error = database.fails(&format!("INSERT INTO {} (v) VALUES ('a')", table('b')));
    assert!(error.contains("policy p refuses this INSERT"), "{error}");
    assert_eq!(database.run("SELECT count(DISTINCT table_name) FROM treaty.queue"), "2");
}

#[test]
fn what_the_types_of_postgresql_hold_beyond_the_logical_ones_is_refused() {
    let database = installed(
        "CREATE TABLE t (id UUID PRIMARY KEY, real DOUBLE PRECISION, price NUMERIC(12, 2), code VARCHAR(3), day DATE, hour TIME,
           local TIMESTAMP, at TIMESTAMPTZ, who IDENTITY, doc JSONB DEFAULT '{\"a\": [1]}', raw BYTEA DEFAULT '\\x00ff',
           flag BOOLEAN DEFAULT TRUE, large BIGINT DEFAULT -9000000000, low INTEGER DEFAULT -5,
           CHECK (price > -1.5 AND real < 1000 OR day > '2000-01-01'), CHECK (flag OR low + 1 > 0), CHECK (length(raw) < 9));
         CREATE POLICY p ON t FOR INSERT WITH CHECK (true);",
    );
    for (column, value) in [
        ("real", "'NaN'"),
        ("price", "'NaN'"),
        ("code", "'abcd'"),
        ("day", "'infinity'"),
        ("day", "'0001-01-01 BC'"),
        ("hour", "'24:00'"),
        ("local", "'-infinity'"),
        ("at", "'10000-01-01 00:00+00'"),
        ("who", "'me'"),
    ] {
        let error = database.fails(&format!("INSERT INTO t ({column}) VALUES ({value})"));
        assert!(error.contains("violates check") || error.contains("too long"), "{column} {value}: {error}");
    }
    database.run(&expand(
        "INSERT INTO t (real, price, code, day, hour, local, at, who) VALUES ('-infinity', 12.5, 'äöü', '9999-12-31', '23:59:59.999999',
           '0001-01-01', '9999-12-31 23:59:59.999999+00', $node)",
    ));
    assert_eq!(database.run("SELECT price || ' ' || large || ' ' || doc FROM t"), "12.50 -9000000000 {\"a\": [1]}");
}

#[test]
fn text_is_compared_by_code_point() {
    let database = installed(
        "CREATE TABLE t (id UUID PRIMARY KEY, a TEXT CHECK (a > 'B')); CREATE POLICY p ON t FOR INSERT WITH CHECK (true);",
    );
    database.run("INSERT INTO t (a) VALUES ('a'), ('é'), ('Z')");
    database.fails("INSERT INTO t (a) VALUES ('A')");
    assert_eq!(database.run("SELECT string_agg(a, '' ORDER BY a) FROM t"), "Zaé");
}

#[test]
fn references_may_come_before_what_they_refer_to() {
    let database = installed(
        "CREATE TABLE p (id UUID PRIMARY KEY); CREATE POLICY a ON p FOR INSERT WITH CHECK (true);
         CREATE TABLE c (id UUID PRIMARY KEY, p_id UUID NOT NULL REFERENCES p ON DELETE CASCADE);
         CREATE POLICY a ON c FOR INSERT WITH CHECK (true);",
    );
    database.fails(&expand("INSERT INTO c (id, p_id) VALUES ($2, $1)"));
    database.run(&expand(
        "BEGIN; SET CONSTRAINTS ALL DEFERRED; INSERT INTO c (id, p_id) VALUES ($2, $1); INSERT INTO p (id) VALUES ($1); COMMIT",
    ));
}
