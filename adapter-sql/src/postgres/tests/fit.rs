//! Which tables fit, and what is said of those that do.

use super::{Installed, open_to_all};
use crate::postgres::fit::{meddling_triggers, oid, refusing_indexes};
use crate::postgres::session::doing;

#[test]
fn triggers_that_would_change_what_the_sidecar_writes_are_named() {
    let mut installed = Installed::new("CREATE TABLE notes (id UUID PRIMARY KEY, text TEXT);");
    let make = |name: &str, when: &str, body: &str| {
        installed.run(&format!(
            "CREATE FUNCTION public.{name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} RETURN NEW; END $$;
             CREATE TRIGGER {name} {when} EXECUTE FUNCTION public.{name}()"
        ));
    };
    make("touches", "BEFORE UPDATE ON notes FOR EACH ROW", "NEW.text := 'now';");
    make("asks", "BEFORE UPDATE ON notes FOR EACH ROW WHEN (NOT treaty.is_applying())", "");
    make(
        "asks_inside",
        "BEFORE INSERT ON notes FOR EACH ROW",
        "IF NOT treaty.is_applying() THEN NEW.text := ''; END IF;",
    );
    make("copies", "AFTER INSERT ON notes FOR EACH ROW", "INSERT INTO notes (id) VALUES (gen_random_uuid());");
    make("only_looks", "AFTER INSERT ON notes FOR EACH ROW", "PERFORM 1;");
    let oid = oid(&mut installed.session, "notes").unwrap().unwrap();
    let found = meddling_triggers(&mut installed.session, oid).map_err(doing("x")).unwrap();
    assert_eq!(found, ["copies", "touches"]);
}

#[test]
fn indexes_that_a_long_value_does_not_fit_into_are_named() {
    let text = "CREATE TABLE notes (id UUID PRIMARY KEY, a TEXT, b TEXT UNIQUE, c VARCHAR(400), d BIGINT, e JSONB, UNIQUE (a, d));";
    let mut installed = Installed::new(text);
    installed.run(
        "ALTER TABLE notes ADD COLUMN local text;
         CREATE INDEX key_a ON notes (a); CREATE INDEX key_b ON notes (b DESC); CREATE INDEX key_of_two ON notes (a, b);
         CREATE INDEX short ON notes (c, d); CREATE INDEX short_twice ON notes (c, lower(c)); CREATE INDEX short_and_key ON notes (c, b);
         CREATE INDEX start ON notes (\"left\"(a, 500)); CREATE INDEX hashed ON notes USING hash (b); CREATE INDEX of_json ON notes (e);
         CREATE INDEX gin ON notes USING gin (e); CREATE INDEX included ON notes (d) INCLUDE (e); CREATE INDEX mine ON notes (local, d);
         CREATE INDEX ranges ON notes USING brin (a, b)",
    );
    let oid = oid(&mut installed.session, "notes").unwrap().unwrap();
    let schema = open_to_all(text);
    let found = refusing_indexes(&mut installed.session, oid, &schema.tables()[0]).map_err(doing("x")).unwrap();
    assert_eq!(found, ["included", "key_of_two", "of_json", "ranges", "short_and_key"]);
}
