//! Functions of the schema `treaty`: their names, their text, and how to tell that one is still what it was made.

use treaty_schema::{Schema, Table};

use super::{policies, triggers};
use crate::sql::quote::ident;

/// The functions that are the same for every schema, as SQL that can be run again.
pub(super) const FIXED: &str = include_str!("../../../../migrations/postgres/functions.sql");

/// PostgreSQL cuts longer names, so that two could become one.
const NAME_BYTES_MAX: usize = 63;

/// A function of ours, in the schema `treaty`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    /// Its name, as `pg_proc.proname` has it.
    pub name: String,
    /// Its body, as `pg_proc.prosrc` has it.
    pub source: String,
    /// Makes it, also over what stands in its place.
    pub sql: String,
}

/// Returns every function that a schema's triggers run: the fixed ones, and those of each table.
///
/// Compare with `SELECT proname, prosrc FROM pg_proc WHERE pronamespace = 'treaty'::regnamespace`.
pub fn functions(schema: &Schema) -> Vec<Function> {
    let mut all = fixed();
    all.extend(schema.tables().iter().flat_map(|table| of_table(schema, table)));
    all
}

/// The functions of one table.
pub(super) fn of_table(schema: &Schema, table: &Table) -> Vec<Function> {
    let mut made = vec![triggers::update_function(table)];
    made.extend(policies::warnings(schema, table).into_iter().map(|(function, _)| function));
    made
}

/// The functions of [`FIXED`], each with what grants or revokes it.
fn fixed() -> Vec<Function> {
    const START: &str = "CREATE OR REPLACE FUNCTION treaty.";
    let parts = FIXED.split(START).skip(1);
    parts
        .filter_map(|part| {
            let (name, _) = part.split_once('(')?;
            let source = part.split("$$").nth(1)?;
            Some(Function { name: name.to_owned(), source: source.to_owned(), sql: format!("{START}{part}") })
        })
        .collect()
}

/// Returns a name that fits: cut, with a hash of the whole, if it is too long.
pub(super) fn fit(name: &str) -> String {
    if name.len() <= NAME_BYTES_MAX {
        return name.to_owned();
    }
    let hash = blake3::hash(name.as_bytes()).to_hex();
    let mut end = NAME_BYTES_MAX - 17;
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}_{}", &name[..end], &hash[..16])
}

/// The name of a function of ours for a table.
pub(super) fn function_name(what: &str, table: &Table) -> String {
    fit(&format!("{what}_{}", table.name))
}

/// Returns a trigger function that runs as its owner; `body` is what stands between BEGIN and END.
///
/// It rests while the sidecar writes. (The role is asked in a second expression: a function in the first costs more than all
/// the rest, called or not.)
pub(super) fn trigger_function(name: String, body: &str) -> Function {
    let source = format!(
        "\nBEGIN\n  IF current_setting('treaty.applying', true) = 'on' THEN\n    \
         IF treaty.is_sidecar() THEN RETURN NULL; END IF;\n  END IF;\n{body}END "
    );
    create_function(name, " SECURITY DEFINER\nSET search_path = pg_catalog, pg_temp", &source)
}

/// Returns a trigger function; `options` stand before AS, `source` between the quotes.
pub(super) fn create_function(name: String, options: &str, source: &str) -> Function {
    let (tag, quoted) = (dollar_tag(source), ident(&name));
    let sql = format!(
        "CREATE OR REPLACE FUNCTION treaty.{quoted}() RETURNS trigger LANGUAGE plpgsql{options} AS {tag}{source}{tag};\n\
         REVOKE EXECUTE ON FUNCTION treaty.{quoted}() FROM PUBLIC;\n"
    );
    Function { name, source: source.to_owned(), sql }
}

/// A dollar quote that does not occur in the text.
fn dollar_tag(text: &str) -> String {
    let mut tag = "$treaty$".to_owned();
    let mut number = 0u32;
    while text.contains(&tag) {
        number += 1;
        tag = format!("$treaty{number}$");
    }
    tag
}
