//! Capture and status triggers. What they share stands in the bookkeeping migration; here is what depends on the table.

use treaty_schema::{Schema, Table};

use super::functions::{create_function, function_name};
use super::{policies, qualified};
use crate::sql::quote::{ident, text};

/// Returns the triggers of one table, with their functions.
///
/// Triggers of one kind run in the order of their names: ours on rows last (`zz_`), so that they see what the application's
/// have made of the row; the early warnings (`treaty_a_`) before the capture.
pub fn create_triggers(schema: &Schema, table: &Table) -> String {
    let mut sql = before_update(table);
    sql.push_str(&capture(table));
    sql.push_str(&policies::create_triggers(schema, table));
    sql
}

/// Refuses changes of `id` and of columns under REVOKE UPDATE, and makes the row pending, by the author named or the default.
fn before_update(table: &Table) -> String {
    let id = table.columns[table.id_column].name.as_str();
    let mut body =
        refusal(id, &format!("{}: the id of a row never changes; insert a new row and delete this one", table.name));
    for column in table.columns.iter().filter(|column| !column.updatable && column.name.as_str() != id) {
        let message = format!("{}.{} never changes after insert (REVOKE UPDATE)", table.name, column.name);
        body.push_str(&refusal(column.name.as_str(), &message));
    }
    body.push_str(
        "  IF OLD.treaty_status <> 'pending' AND NEW.treaty_status <> 'named' THEN NEW.treaty_author := NULL; END IF;\n  \
         NEW.treaty_status := 'pending';\n  RETURN NEW;\n",
    );
    let function = function_name("update", table);
    let name = qualified(table);
    format!(
        "{}CREATE TRIGGER zz_treaty_named BEFORE UPDATE OF treaty_author ON {name} FOR EACH ROW\n\
         WHEN (NEW.treaty_author IS NOT NULL) EXECUTE FUNCTION treaty.name_author();\n\
         CREATE TRIGGER zz_treaty_update BEFORE UPDATE ON {name} FOR EACH ROW EXECUTE FUNCTION {function}();\n",
        create_function(&function, "NEW", &body),
    )
}

fn refusal(column: &str, message: &str) -> String {
    let column = ident(column);
    format!(
        "  IF NEW.{column} IS DISTINCT FROM OLD.{column} THEN\n    RAISE EXCEPTION USING MESSAGE = {}, ERRCODE = 'integrity_constraint_violation';\n  END IF;\n",
        text(message)
    )
}

fn capture(table: &Table) -> String {
    let name = qualified(table);
    let argument = text(table.name.as_str());
    format!(
        "CREATE TRIGGER treaty_capture_insert AFTER INSERT ON {name} REFERENCING NEW TABLE AS new_rows\n\
         FOR EACH STATEMENT EXECUTE FUNCTION treaty.capture_new({argument});\n\
         CREATE TRIGGER treaty_capture_update AFTER UPDATE ON {name} REFERENCING NEW TABLE AS new_rows\n\
         FOR EACH STATEMENT EXECUTE FUNCTION treaty.capture_new({argument});\n\
         CREATE TRIGGER treaty_capture_delete AFTER DELETE ON {name} REFERENCING OLD TABLE AS old_rows\n\
         FOR EACH STATEMENT EXECUTE FUNCTION treaty.capture_old({argument});\n\
         CREATE TRIGGER treaty_capture_truncate BEFORE TRUNCATE ON {name}\n\
         FOR EACH STATEMENT EXECUTE FUNCTION treaty.capture_truncate({argument});\n"
    )
}
