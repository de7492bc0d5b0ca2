//! Capture and status triggers. What they share stands in migrations/postgres/functions.sql; here is what depends on the table.

use treaty_schema::{Schema, Table};

use super::functions::{Function, create_function, function_name};
use super::{policies, qualified};
use crate::sql::quote::{ident, text};

/// When PostgreSQL fires a trigger: `pg_trigger.tgenabled`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Firing {
    /// In ordinary sessions: 'O'.
    Origin,
    /// In the replica role only (the workers of logical replication, loaders that ask for it): 'R'.
    Replica,
    /// In both: 'A'.
    Always,
}

impl Firing {
    /// The letter of `pg_trigger.tgenabled`.
    pub fn letter(self) -> char {
        match self {
            Firing::Origin => 'O',
            Firing::Replica => 'R',
            Firing::Always => 'A',
        }
    }
}

/// A trigger of ours on an application's table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trigger {
    /// Its name, as `pg_trigger.tgname` has it.
    pub name: String,
    /// When it fires.
    pub firing: Firing,
    /// The table, quoted, with its schema.
    table: String,
    /// The text of CREATE TRIGGER, without a semicolon.
    definition: String,
}

impl Trigger {
    /// Makes it where there is none of its name. The owner of the table may run it.
    pub fn create(&self) -> String {
        let enable = match self.firing {
            Firing::Origin => return format!("{};\n", self.definition),
            Firing::Replica => "REPLICA",
            Firing::Always => "ALWAYS",
        };
        format!("{};\nALTER TABLE {} ENABLE {enable} TRIGGER {};\n", self.definition, self.table, ident(&self.name))
    }

    /// Makes it also where another, or one that was disabled, has its name.
    pub fn create_again(&self) -> String {
        format!("DROP TRIGGER IF EXISTS {} ON {};\n{}", ident(&self.name), self.table, self.create())
    }

    /// Whether what the database has under this name is this trigger.
    ///
    /// * `definition` - `pg_get_triggerdef(oid)`, read with an empty search path.
    /// * `enabled` - `tgenabled`.
    pub fn is(&self, definition: &str, enabled: char) -> bool {
        enabled == self.firing.letter() && essence(definition) == essence(&self.definition)
    }
}

/// PostgreSQL writes a definition down in its own way: quotes, parentheses, white space and case do not count.
fn essence(definition: &str) -> String {
    let counts = |part: &char| !part.is_whitespace() && !['"', '(', ')'].contains(part);
    definition.chars().filter(counts).flat_map(char::to_lowercase).collect()
}

/// Returns the triggers of one table, to be made after the functions of [`super::functions`].
///
/// Triggers of one kind run in the order of their names: ours on rows last (`zz_`), so that they see what the application's
/// have made of the row; the early warnings (`treaty_a_`) before the capture.
pub fn triggers(schema: &Schema, table: &Table) -> Vec<Trigger> {
    let mut all = status(table);
    all.extend(capture(table));
    all.extend(policies::warnings(schema, table).into_iter().map(|(_, trigger)| trigger));
    all
}

/// A trigger on a table; `event` stands before ON, `rest` after the table's name.
pub(super) fn trigger(table: &Table, name: &str, firing: Firing, [event, rest]: [&str; 2]) -> Trigger {
    let table = qualified(table);
    let definition = format!("CREATE TRIGGER {name} {event} ON {table} {rest}");
    Trigger { name: name.to_owned(), firing, table, definition }
}

/// Make the row pending, by the author named or nobody, whoever writes in which role.
///
/// None on INSERT: the column's DEFAULT says 'pending', and a trigger by row costs a fifth of an insert and COPY its batches.
/// A row that is inserted with another status (copied from somewhere) is captured like any; until it is drained its status is
/// not true.
fn status(table: &Table) -> Vec<Trigger> {
    let function = ident(&function_name("update", table));
    // As PostgreSQL writes it down.
    let named = "FOR EACH ROW\nWHEN ((NEW.treaty_author IS NOT NULL) AND \
        (current_setting('treaty.applying'::text, true) IS DISTINCT FROM 'on'::text)) EXECUTE FUNCTION treaty.name_author()";
    let update = format!("FOR EACH ROW EXECUTE FUNCTION treaty.{function}()");
    vec![
        trigger(table, "zz_treaty_named", Firing::Always, ["BEFORE UPDATE OF treaty_author", named]),
        trigger(table, "zz_treaty_update", Firing::Always, ["BEFORE UPDATE", &update]),
    ]
}

/// The function of `zz_treaty_update`: refuses changes of `id` and of columns under REVOKE UPDATE; makes the row pending.
///
/// The author is the one named, else the one whom the same transaction named for the row before, else nobody: never that of
/// an earlier transaction.
///
/// It runs for every row: so one expression decides whether anything is out of the ordinary, and it runs as whoever writes.
/// Whose setting `treaty.applying` is it does not ask: whoever sets it is captured all the same, and only their own rows are
/// not made pending.
pub(super) fn update_function(table: &Table) -> Function {
    let id = table.columns[table.id_column].name.as_str();
    let (mut unusual, mut refusals) = (changed(id), String::new());
    for column in table.columns.iter().filter(|column| !column.updatable && column.name.as_str() != id) {
        let message = format!("{}.{} never changes after insert (REVOKE UPDATE)", table.name, column.name);
        unusual.push_str(&format!(" OR {}", changed(column.name.as_str())));
        refusals.push_str(&refusal(column.name.as_str(), &message));
    }
    let of_id =
        refusal(id, &format!("{}: the id of a row never changes; insert a new row and delete this one", table.name));
    let source = format!(
        "
BEGIN
  IF {unusual} OR current_setting('treaty.applying', true) = 'on'
    OR (OLD.treaty_author IS NOT NULL AND OLD.treaty_status = 'pending') THEN
{of_id}    IF current_setting('treaty.applying', true) = 'on' THEN RETURN NEW; END IF;
{refusals}    IF NEW.treaty_status <> 'named' AND OLD.treaty_author IS NOT NULL AND OLD.treaty_status = 'pending' THEN
      IF treaty.has_written({}, OLD.\"id\") THEN NEW.treaty_status := 'pending'; RETURN NEW; END IF;
    END IF;
  END IF;
  IF NEW.treaty_status <> 'named' THEN NEW.treaty_author := NULL; END IF;
  NEW.treaty_status := 'pending';
  RETURN NEW;
END ",
        text(table.name.as_str())
    );
    create_function(function_name("update", table), "", &source)
}

/// The condition that an UPDATE changes a column.
fn changed(column: &str) -> String {
    format!("NEW.{0} IS DISTINCT FROM OLD.{0}", ident(column))
}

fn refusal(column: &str, message: &str) -> String {
    format!(
        "    IF {} THEN\n      RAISE EXCEPTION USING MESSAGE = {}, ERRCODE = 'integrity_constraint_violation';\n    END IF;\n",
        changed(column),
        text(message)
    )
}

/// Put keys into the queue: by statement, and by row in the replica role, which may fire none by statement.
///
/// After the write, before the commit: so a line's number is greater than any of a transaction that this one waited for or saw
/// (migrations/postgres/README.md has the argument).
fn capture(table: &Table) -> Vec<Trigger> {
    let run = |each: &str, function: &str| {
        format!("FOR EACH {each} EXECUTE FUNCTION treaty.{function}({})", text(table.name.as_str()))
    };
    let statement = |name: &str, event: &str, rows: &str, function: &str| {
        let rest = format!("REFERENCING {rows}\n{}", run("STATEMENT", function));
        trigger(table, name, Firing::Origin, [event, &rest])
    };
    vec![
        statement("treaty_capture_insert", "AFTER INSERT", "NEW TABLE AS new_rows", "capture_new"),
        statement("treaty_capture_update", "AFTER UPDATE", "NEW TABLE AS new_rows", "capture_new"),
        statement("treaty_capture_delete", "AFTER DELETE", "OLD TABLE AS old_rows", "capture_old"),
        trigger(
            table,
            "treaty_capture_replica",
            Firing::Replica,
            ["AFTER INSERT OR DELETE OR UPDATE", &run("ROW", "capture_row")],
        ),
        trigger(
            table,
            "treaty_capture_truncate",
            Firing::Always,
            ["BEFORE TRUNCATE", &run("STATEMENT", "capture_truncate")],
        ),
    ]
}
