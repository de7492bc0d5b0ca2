//! Trigger functions: their names and their text.

use treaty_schema::Table;

use crate::sql::quote::ident;

/// PostgreSQL cuts longer names, so that two could become one.
const NAME_BYTES_MAX: usize = 63;

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

/// The quoted name of a function of ours for a table, with its schema.
pub(super) fn function_name(what: &str, table: &Table) -> String {
    format!("treaty.{}", ident(&fit(&format!("{what}_{}", table.name))))
}

/// Returns a trigger function; `body` is what stands between BEGIN and END.
///
/// It rests while the sidecar writes, and then returns `resting`.
pub(super) fn create_function(name: &str, resting: &str, body: &str) -> String {
    let body = format!(
        "BEGIN\n  IF current_setting('treaty.applying', true) = 'on' AND treaty.is_sidecar() THEN RETURN {resting}; END IF;\n{body}END"
    );
    let tag = dollar_tag(&body);
    format!(
        "CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER\n\
         SET search_path = pg_catalog, pg_temp AS {tag}\n{body} {tag};\n"
    )
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
