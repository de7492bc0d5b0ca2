//! Which tables fit, and what is said of those that do.

use super::Installed;
use crate::postgres::fit::{meddling_triggers, oid};
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
