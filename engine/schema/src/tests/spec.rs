//! The vectors of docs/spec, read from the pages themselves: what they say is what the code does.

use data_encoding::HEXLOWER;

use crate::sketch::{expr, logical_type, patch};
use crate::*;

const VALUES: &str = include_str!("../../../../docs/spec/values.md");
const SCHEMA: &str = include_str!("../../../../docs/spec/schema.md");

/// The cells of the rows of a page's tables whose first column is in backquotes, without them.
fn vectors(page: &str, section: &str) -> Vec<Vec<String>> {
    let section = page.split("\n## ").find(|part| part.starts_with(section)).unwrap();
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| row.trim_matches('|').split(" | ").map(|cell| cell.trim().trim_matches('`').to_owned()).collect())
        .collect()
}

fn unhex(text: &str) -> Vec<u8> {
    HEXLOWER.decode(text.replace([' ', '\n'], "").as_bytes()).unwrap()
}

#[test]
fn values_encode_as_the_page_says() {
    let vectors = vectors(VALUES, "VALUE-5");
    assert!(vectors.len() > 20);
    for vector in vectors {
        let [type_text, text, hex] = &vector[..] else { panic!("{vector:?}") };
        let value = logical_type(type_text).parse(text).unwrap();
        assert_eq!(value.to_text(), *text);
        assert_eq!(HEXLOWER.encode(&borsh::to_vec(&value).unwrap()), hex.replace(' ', ""), "{type_text} {text}");
        assert_eq!(borsh::from_slice::<Value>(&unhex(hex)).unwrap(), value);
    }
}

#[test]
fn refused_values_are_refused_as_the_page_says() {
    let vectors = vectors(VALUES, "VALUE-6");
    assert!(vectors.len() > 10);
    for vector in vectors {
        assert!(borsh::from_slice::<Value>(&unhex(&vector[0])).is_err(), "{vector:?}");
    }
}

/// The contents of a page's fenced blocks of one language.
fn blocks<'a>(page: &'a str, language: &str) -> Vec<&'a str> {
    let fence = format!("```{language}\n");
    page.split(&fence[..]).skip(1).map(|rest| rest.split("```").next().unwrap()).collect()
}

#[test]
fn patches_encode_as_the_page_says() {
    let (texts, hexes) = (blocks(SCHEMA, "sql"), blocks(SCHEMA, "hex"));
    let versions = blocks(SCHEMA, "version");
    assert_eq!((texts.len(), hexes.len()), (versions.len(), versions.len()));
    let mut schema = Schema::empty();
    for ((text, hex), version) in texts.iter().zip(hexes).zip(versions) {
        let patch = patch(text);
        assert_eq!(HEXLOWER.encode(&borsh::to_vec(&patch).unwrap()), HEXLOWER.encode(&unhex(hex)));
        assert_eq!(borsh::from_slice::<Patch>(&unhex(hex)).unwrap(), patch);
        schema = schema.apply(&patch).unwrap();
        assert_eq!(schema.version().to_string(), version.trim());
    }
}

/// The tags that the page lists are those that the encoder writes.
#[test]
fn tags_are_as_the_page_says() {
    let tags = |section: &str| -> Vec<(u8, String)> {
        let rows = vectors(SCHEMA, section);
        rows.iter().map(|row| (row[0].parse().unwrap(), row[1].clone())).collect()
    };
    let of_exprs: Vec<(u8, String)> = [
        "5",
        "a",
        "author()",
        "NOT a",
        "a AND b",
        "a OR b",
        "a = b",
        "a IN (b)",
        "a IS NULL",
        "- a",
        "a + b",
        "length(a)",
        "coalesce(a)",
    ]
    .iter()
    .map(|text| (borsh::to_vec(&expr(text)).unwrap()[0], (*text).to_owned()))
    .collect();
    assert_eq!(tags("SCHEMA-3"), of_exprs);
    let of_types: Vec<(u8, String)> =
        tags("SCHEMA-4").into_iter().map(|(_, text)| (borsh::to_vec(&logical_type(&text)).unwrap()[0], text)).collect();
    assert_eq!(tags("SCHEMA-4"), of_types);
    assert_eq!(of_types.len(), 15);
}
