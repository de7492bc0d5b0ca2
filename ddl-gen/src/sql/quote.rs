//! Names and literals as SQL text: the one place where anything becomes part of a statement.

/// Returns `name` as a quoted identifier, the same in SQLite and PostgreSQL: `"a""b"`.
pub fn ident(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Returns `names` as quoted identifiers between commas.
pub fn idents<'n>(names: impl IntoIterator<Item = &'n str>) -> String {
    names.into_iter().map(ident).collect::<Vec<_>>().join(", ")
}

/// Returns `text` as a string literal, the same in SQLite and PostgreSQL (with standard conforming strings).
///
/// The text must not hold U+0000: no value and no name does.
pub fn text(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// Returns `bytes` in hexadecimal, for `X'...'` and `'\x...'`.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Joins conditions by an operator as a balanced tree, so that a long chain does not exceed a database's expression depth.
pub(crate) fn junction(conditions: &[String], operator: &str) -> String {
    match conditions {
        [] => String::new(),
        [one] => one.clone(),
        [left, right] => format!("({left} {operator} {right})"),
        many => {
            let (left, right) = many.split_at(many.len() / 2);
            format!("({} {operator} {})", junction(left, operator), junction(right, operator))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_in_names_and_texts_are_doubled() {
        assert_eq!(ident("a\"b"), "\"a\"\"b\"");
        assert_eq!(text("it's"), "'it''s'");
    }

    #[test]
    fn a_junction_is_as_deep_as_the_logarithm_of_its_length() {
        let conditions: Vec<String> = (0..1000).map(|number| format!("x = {number}")).collect();
        let joined = junction(&conditions, "OR");
        let depth = joined.chars().take_while(|found| *found == '(').count();
        assert!(depth <= 10, "{depth}");
    }
}
