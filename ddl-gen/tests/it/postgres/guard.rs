//! What the sidecar's guard compares and makes again, what adopts tables, and what takes it all away.

use treaty_ddl::sql::postgres;
use treaty_schema::{LogicalType, Schema};

use super::capture::OPEN;
use super::server::{Database, Session};
use super::{expand, installed, queue};
use crate::sqlite::{NAMES, schema};

/// The triggers that are not as made, by name.
fn missing(database: &Database, schema: &Schema) -> Vec<String> {
    let mut missing = Vec::new();
    for table in schema.tables() {
        for trigger in postgres::triggers(schema, table) {
            let found = database.run(&format!(
                "SELECT t.tgenabled::text || replace(pg_get_triggerdef(t.oid), E'\\n', ' ') FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid \
                 WHERE c.relname = {} AND t.tgname = '{}'",
                treaty_ddl::sql::quote::text(table.name.as_str()),
                trigger.name
            ));
            let is = found.chars().next().is_some_and(|enabled| trigger.is(&found[1..], enabled));
            if !is {
                missing.push(trigger.name);
            }
        }
    }
    missing
}

fn create_again(database: &Database, schema: &Schema) {
    for table in schema.tables() {
        for trigger in postgres::triggers(schema, table) {
            database.run(&trigger.create_again());
        }
    }
}

#[test]
fn triggers_and_functions_are_recognised_as_the_database_writes_them_down() {
    let mut texts: Vec<String> = crate::golden::names()
        .iter()
        .map(|name| std::fs::read_to_string(crate::golden::examples().join(name).join("schema.sql")).unwrap())
        .collect();
    texts.extend([OPEN.to_owned(), NAMES.to_owned()]);
    for text in texts {
        let schema = schema(&text).schema;
        let database = installed(&text);
        assert_eq!(missing(&database, &schema), Vec::<String>::new());
        for function in postgres::functions(&schema) {
            let source = treaty_ddl::sql::quote::text(&function.source);
            let name = treaty_ddl::sql::quote::text(&function.name);
            let is = format!(
                "SELECT prosrc = {source} FROM pg_proc WHERE pronamespace = 'treaty'::regnamespace AND proname = {name}"
            );
            assert_eq!(database.run(&is), "t", "{}", function.name);
        }
        let count = "SELECT count(*) FROM pg_proc WHERE pronamespace = 'treaty'::regnamespace";
        assert_eq!(database.run(count), postgres::functions(&schema).len().to_string(), "and there are no others");
    }
}

#[test]
fn what_is_gone_disabled_or_altered_is_found_and_made_again() {
    let database = installed(OPEN);
    let schema = schema(OPEN).schema;
    for (harm, found) in [
        ("DROP TRIGGER treaty_capture_insert ON t", "treaty_capture_insert"),
        ("ALTER TABLE t DISABLE TRIGGER treaty_capture_delete", "treaty_capture_delete"),
        ("ALTER TABLE t ENABLE TRIGGER treaty_capture_truncate", "treaty_capture_truncate"),
        ("ALTER TABLE t ENABLE ALWAYS TRIGGER treaty_capture_replica", "treaty_capture_replica"),
        ("ALTER TRIGGER zz_treaty_update ON t RENAME TO later", "zz_treaty_update"),
        (
            "DROP TRIGGER treaty_capture_update ON t; CREATE TRIGGER treaty_capture_update AFTER UPDATE ON t REFERENCING NEW TABLE AS new_rows \
             FOR EACH STATEMENT EXECUTE FUNCTION treaty.capture_new('other')",
            "treaty_capture_update",
        ),
    ] {
        database.run(harm);
        assert_eq!(missing(&database, &schema), [found], "{harm}");
        create_again(&database, &schema);
        assert_eq!(missing(&database, &schema), Vec::<String>::new(), "{harm}");
    }
    database.run("ALTER TABLE t RENAME TO away; ALTER TABLE away RENAME TO t; ALTER TABLE t ADD COLUMN extra integer");
    assert_eq!(missing(&database, &schema), Vec::<String>::new(), "renamed and renamed back, it is the same");
    for function in postgres::functions(&schema) {
        database.run(&function.sql);
    }
    database.run(&expand("INSERT INTO t (id) VALUES ($1)"));
    assert_eq!(queue(&database), "t:1");
}

#[test]
fn an_ordinary_owner_can_install_everything() {
    let database = Database::create();
    database.run(
        "DO $$ BEGIN CREATE ROLE owner LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
         DO $$ BEGIN EXECUTE format('GRANT CREATE ON DATABASE %I TO owner', current_database()); END $$;
         GRANT CREATE ON SCHEMA public TO owner;",
    );
    database.run_as("owner", &format!("BEGIN; {} COMMIT;", postgres::install(&schema(OPEN).schema)));
    database.run_as("owner", &format!("{0}{0}", postgres::NOTIFY_ON));
    database.run_as("owner", &expand("INSERT INTO t (id) VALUES ($1)"));
    assert_eq!(queue(&database), "t:1");
    create_again(&database, &schema(OPEN).schema);
    database.run_as("owner", &postgres::uninstall());
}

#[test]
fn an_existing_table_is_adopted_with_its_rows() {
    let schema = schema(OPEN).schema;
    let database = Database::create();
    database.run(&expand(
        "CREATE TABLE t (id uuid PRIMARY KEY, n integer UNIQUE, v text); INSERT INTO t (id, n) VALUES ($1, 10)",
    ));
    let table = &schema.tables()[0];
    let file = database.run("SELECT pg_relation_filenode('t')");
    database.run(&postgres::bookkeeping());
    database.run(&format!("{0}{0}{1}", postgres::adopt_table(table), postgres::create_triggers(&schema, table)));
    assert_eq!(database.run("SELECT pg_relation_filenode('t')"), file, "no row is rewritten");
    assert_eq!(database.run("SELECT treaty_status, treaty_author IS NULL FROM t"), "pending|t");
    database.run(&expand("UPDATE t SET v = 'x'; INSERT INTO t (id) VALUES ($2)"));
    assert_eq!(queue(&database), "t:1 t:2");
}

#[test]
fn columns_hold_what_they_are_declared_to_hold() {
    let types = "flag BOOLEAN, low INTEGER, large BIGINT, real DOUBLE PRECISION, price NUMERIC(12, 2), body TEXT, code VARCHAR(3), raw BYTEA,
        other UUID, day DATE, hour TIME, local TIMESTAMP, at TIMESTAMPTZ, doc JSONB, who IDENTITY";
    let text =
        format!("CREATE TABLE t (id UUID PRIMARY KEY, {types}); CREATE POLICY p ON t FOR INSERT WITH CHECK (true);");
    let schema = schema(&text).schema;
    let database = Database::create();
    database.run(&postgres::create_tables(&schema));
    for column in &schema.tables()[0].columns {
        let sql = format!(
            "SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 't'::regclass AND attname = '{}'",
            column.name
        );
        let found = database.run(&sql);
        assert_eq!(found, postgres::column_type(column.logical_type), "{}", column.name);
        assert!(postgres::holds(column.logical_type, &found), "{}", column.name);
    }
}

#[test]
fn a_column_of_another_type_holds_the_values_or_not() {
    let numeric = LogicalType::Numeric { precision: 12, scale: 2 };
    let varchar = LogicalType::Varchar { chars_max: 10 };
    for (logical_type, yes, no) in [
        (
            LogicalType::Text,
            vec!["text", "character varying"],
            vec!["character varying(255)", "citext", "character(3)"],
        ),
        (
            varchar,
            vec!["text", "character varying(10)", "character varying(255)"],
            vec!["character varying(9)", "character(10)"],
        ),
        (LogicalType::Identity, vec!["text", "character varying(63)"], vec!["character varying(62)", "bytea"]),
        (LogicalType::Integer, vec!["integer", "bigint", "numeric"], vec!["smallint", "numeric(5,0)", "integer[]"]),
        (LogicalType::BigInt, vec!["bigint", "numeric"], vec!["integer", "double precision"]),
        (LogicalType::Double, vec!["double precision"], vec!["real", "numeric"]),
        (
            numeric,
            vec!["numeric", "numeric(12,2)", "numeric(14,3)"],
            vec!["numeric(12,3)", "numeric(12,1)", "numeric(11,2)"],
        ),
        (
            LogicalType::Time,
            vec!["time without time zone", "time(6) without time zone"],
            vec!["time(3) without time zone", "time with time zone"],
        ),
        (
            LogicalType::TimestampTz,
            vec!["timestamp with time zone"],
            vec!["timestamp without time zone", "timestamp(0) with time zone"],
        ),
        (LogicalType::Json, vec!["json", "jsonb"], vec!["text"]),
        (LogicalType::Boolean, vec!["boolean"], vec!["integer", "boolean[]"]),
        (LogicalType::Uuid, vec!["uuid"], vec!["text"]),
    ] {
        for found in yes {
            assert!(postgres::holds(logical_type, found), "{logical_type:?} {found}");
        }
        for found in no {
            assert!(!postgres::holds(logical_type, found), "{logical_type:?} {found}");
        }
    }
}

#[test]
fn the_sidecar_is_told_only_if_it_asked_and_sleeps() {
    let database = installed(OPEN);
    let told = |sql: &str| {
        let script = format!("LISTEN treaty; {sql} INSERT INTO t (n) VALUES (NULL); SELECT 1");
        database.run(&script).contains("Asynchronous notification \"treaty\"")
    };
    let mut sidecar = Session::open(&database);
    let (sleep, wake) = ["pg_try_advisory_lock", "pg_advisory_unlock"]
        .map(|function| format!("SELECT {function}({})", postgres::SLEEP_LOCK))
        .into();
    assert_eq!(sidecar.run(&sleep), "t");
    assert!(!told(""), "without the trigger nobody asks");
    assert!(told(postgres::NOTIFY_ON));
    assert!(told(postgres::NOTIFY_ON), "it is there already");
    sidecar.run(&wake);
    assert!(!told(""));

    // Whoever says nothing keeps it awake until he is done.
    let mut writer = Session::open(&database);
    writer.run("BEGIN; INSERT INTO t (n) VALUES (NULL)");
    assert_eq!(sidecar.run(&sleep), "f");
    writer.run("COMMIT");
    assert_eq!(sidecar.run(&sleep), "t");
    assert!(told(""));
    assert!(!told(&format!("{0}{0}", postgres::NOTIFY_OFF)));
}

#[test]
fn what_the_application_built_on_ours_is_never_dropped_with_it() {
    let database = installed(OPEN);
    database.run(
        "CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
         CREATE TRIGGER touch BEFORE UPDATE ON t FOR EACH ROW WHEN (NOT treaty.is_applying()) EXECUTE FUNCTION touch()",
    );
    let uninstall = format!("BEGIN; {} COMMIT;", postgres::uninstall());
    let error = database.fails(&uninstall);
    assert!(error.contains("trigger touch on table t depends on function treaty.is_applying()"), "{error}");
    database.run("DROP TRIGGER touch ON t; CREATE VIEW mine AS SELECT * FROM treaty_rollbacks");
    let error = database.fails(&uninstall);
    assert!(error.contains("view mine depends on view treaty_rollbacks"), "{error}");
    database.run("DROP VIEW mine");
    database.run(&uninstall);
    database.run("INSERT INTO t (n) VALUES (1)");
    database.run(&postgres::uninstall());
}

/// Everybody may read the view, and was told of every table.
#[test]
fn nobody_is_told_of_values_that_were_lost_where_they_may_not_read() {
    let database = installed(OPEN);
    let report = "INSERT INTO treaty.rollbacks (table_name, row_id, operation, author, lost, reason, message, noticed)";
    database.run(&format!("{report} VALUES ('t', gen_random_uuid(), 'insert', 'a', '{{}}', 'refused', 'no', now())"));
    database
        .run(&format!("{report} VALUES ('gone', gen_random_uuid(), 'insert', 'a', '{{}}', 'refused', 'no', now())"));
    database.run("CREATE ROLE reader_of_reports LOGIN");
    let asked = || database.run_as("reader_of_reports", "SELECT table_name FROM treaty_rollbacks");
    assert_eq!(asked(), "");
    database.run("GRANT SELECT ON t TO reader_of_reports");
    assert_eq!(asked(), "t");
    database.run("DROP OWNED BY reader_of_reports; DROP ROLE reader_of_reports");
}
