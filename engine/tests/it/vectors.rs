//! Test vectors read from a page of docs/spec: `name = value` lines in blocks fenced as `vectors`.

use std::path::Path;

/// The vectors of one page, in its order; names may repeat.
pub(crate) struct Vectors(Vec<(String, String)>);

impl Vectors {
    /// Reads a page of docs/spec.
    pub(crate) fn of_page(name: &str) -> Vectors {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/spec").join(name);
        let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let mut is_inside = false;
        let mut vectors = Vec::new();
        for line in text.lines() {
            match line.trim() {
                "```vectors" => is_inside = true,
                "```" => is_inside = false,
                line if is_inside && !line.is_empty() => {
                    let (name, value) = line.split_once(" = ").unwrap_or_else(|| panic!("no vector: {line}"));
                    vectors.push((name.to_owned(), value.to_owned()));
                }
                _ => {}
            }
        }
        Vectors(vectors)
    }

    /// Returns the one value of a name.
    pub(crate) fn one(&self, name: &str) -> &str {
        match self.all(name).as_slice() {
            [value] => value,
            values => panic!("{} vectors are called {name}", values.len()),
        }
    }

    /// Returns all values of a name; at least one.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        let values: Vec<&str> = self.0.iter().filter(|(n, _)| n == name).map(|(_, value)| value.as_str()).collect();
        assert!(!values.is_empty(), "no vector is called {name}");
        values
    }
}

/// Writes bytes as hex digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Reads hex digits.
pub(crate) fn unhex(text: &str) -> Vec<u8> {
    let digits = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    text.as_bytes().chunks(2).map(digits).collect()
}
