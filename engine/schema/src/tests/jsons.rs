//! JSON: one text for each value.

use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::strategies::json_text;
use crate::{JSON_DEPTH_MAX, Json, JsonError, VALUE_BYTES_MAX};

fn check(texts: &[&str], expected: Expect) {
    let lines: Vec<String> = texts
        .iter()
        .map(|text| match Json::parse(text) {
            Ok(json) => format!("{text} -> {json}\n"),
            Err(cause) => format!("{text} !! {cause}\n"),
        })
        .collect();
    expected.assert_eq(&lines.concat());
}

#[test]
fn objects_are_sorted_and_the_last_of_equal_keys_wins() {
    check(
        &[r#" { "bb" : 1, "a":[ ] , "b":{} } "#, r#"{"a":1,"a":2,"b":3,"a":4}"#, r#"{"é":1,"z":2,"zz":3}"#],
        expect![[r#"
             { "bb" : 1, "a":[ ] , "b":{} }  -> {"a":[],"b":{},"bb":1}
            {"a":1,"a":2,"b":3,"a":4} -> {"a":4,"b":3}
            {"é":1,"z":2,"zz":3} -> {"z":2,"zz":3,"é":1}
        "#]],
    );
}

#[test]
fn numbers_are_plain_and_exact() {
    let texts = [
        "0",
        "-0",
        "-0.0e5",
        "1.0",
        "1.50",
        "100",
        "1e2",
        "1E+2",
        "12e-1",
        "1e-3",
        "0.001",
        "123456789012345678901234567890.5",
        "5e-324",
        "1e400",
        "1e399",
        "1e-400",
        "1e-401",
        "01",
        "+1",
        ".5",
        "5.",
        "1e",
        "-",
        "1e9999999999",
    ];
    check(
        &texts[..13],
        expect![[r#"
        0 -> 0
        -0 -> 0
        -0.0e5 -> 0
        1.0 -> 1
        1.50 -> 1.5
        100 -> 100
        1e2 -> 100
        1E+2 -> 100
        12e-1 -> 1.2
        1e-3 -> 0.001
        0.001 -> 0.001
        123456789012345678901234567890.5 -> 123456789012345678901234567890.5
        5e-324 -> 0.000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000005
    "#]],
    );
    check(
        &texts[16..],
        expect![[r#"
        1e-401 !! the JSON number at byte 0 has more than 400 digits before or after the point
        01 !! JSON expects the end of the text at byte 1
        +1 !! JSON expects a value at byte 0
        .5 !! JSON expects a value at byte 0
        5. !! JSON expects a digit at byte 2
        1e !! JSON expects a digit at byte 2
        - !! JSON expects a digit at byte 1
        1e9999999999 !! the JSON number at byte 0 has more than 400 digits before or after the point
    "#]],
    );
}

#[test]
fn strings_escape_no_more_than_they_must() {
    check(
        &[
            r#""a\/b\u0041\u00e9""#,
            r#""\"\\\b\f\n\r\t\u0001\u007f""#,
            r#""\ud83d\ude00""#,
            r#""\ud83d""#,
            r#""\ude00x""#,
            r#""\ud83d\u0041""#,
            r#""\u0000""#,
            r#""\u00g0""#,
            r#""\x""#,
            "\"a\nb\"",
            r#""abc"#,
            r#""\"#,
        ],
        expect![[r#"
            "a\/b\u0041\u00e9" -> "a/bAé"
            "\"\\\b\f\n\r\t\u0001\u007f" -> "\"\\\b\f\n\r\t\u0001"
            "\ud83d\ude00" -> "😀"
            "\ud83d" !! the JSON string at byte 1 holds a character that no text can hold: \u0000 or half of a surrogate pair
            "\ude00x" !! the JSON string at byte 1 holds a character that no text can hold: \u0000 or half of a surrogate pair
            "\ud83d\u0041" !! the JSON string at byte 1 holds a character that no text can hold: \u0000 or half of a surrogate pair
            "\u0000" !! the JSON string at byte 1 holds a character that no text can hold: \u0000 or half of a surrogate pair
            "\u00g0" !! JSON expects four hexadecimal digits at byte 3
            "\x" !! JSON expects one of \" \\ \/ \b \f \n \r \t \u at byte 1
            "a
            b" !! JSON expects \n, \t or \u00.. in place of a control character at byte 2
            "abc !! JSON expects a closing double quote at byte 4
            "\ !! JSON expects one of \" \\ \/ \b \f \n \r \t \u at byte 1
        "#]],
    );
}

#[test]
fn what_is_no_json_is_refused_with_the_place() {
    check(
        &[
            "",
            "nul",
            "{a:1}",
            "[1,]",
            "[1 2]",
            "{\"a\" 1}",
            "{\"a\":1,}",
            "1 2",
            "'a'",
            "[",
            "NaN",
            "{\"a\":1",
            "\u{feff}1",
        ],
        expect![[r#"
             !! JSON expects a value at byte 0
            nul !! JSON expects a value at byte 0
            {a:1} !! JSON expects a key in double quotes at byte 1
            [1,] !! JSON expects a value at byte 3
            [1 2] !! JSON expects a comma or ] at byte 3
            {"a" 1} !! JSON expects a colon at byte 5
            {"a":1,} !! JSON expects a key in double quotes at byte 7
            1 2 !! JSON expects the end of the text at byte 2
            'a' !! JSON expects a value at byte 0
            [ !! JSON expects a value at byte 1
            NaN !! JSON expects a value at byte 0
            {"a":1 !! JSON expects a comma or } at byte 6
            ﻿1 !! JSON expects a value at byte 0
        "#]],
    );
}

#[test]
fn depth_is_bounded() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(Json::parse(&nested(JSON_DEPTH_MAX)).is_ok());
    assert_eq!(Json::parse(&nested(JSON_DEPTH_MAX + 1)), Err(JsonError::Depth));
    assert_eq!(Json::parse(&"[{\"a\":".repeat(100_000)), Err(JsonError::Depth));
}

#[test]
fn the_canonical_text_is_bounded_however_it_was_written() {
    let of_letters = |count: usize| format!("\"{}\"", "\\u0061".repeat(count));
    assert!(Json::parse(&of_letters(1_000)).is_ok());
    assert!(Json::parse(&of_letters(VALUE_BYTES_MAX - 2)).is_ok());
    assert_eq!(Json::parse(&of_letters(VALUE_BYTES_MAX - 1)), Err(JsonError::TooLarge));
    // Few bytes that write out to many.
    let grown = format!("[{}1]", "1e399,".repeat(10_000));
    assert_eq!(Json::parse(&grown), Err(JsonError::TooLarge));
}

proptest! {
    #[test]
    fn the_canonical_text_reads_as_itself(text in json_text()) {
        let json = Json::parse(&text).unwrap();
        prop_assert_eq!(Json::parse(json.as_str()), Ok(json.clone()));
        let bytes = borsh::to_vec(&json).unwrap();
        prop_assert_eq!(borsh::from_slice::<Json>(&bytes).unwrap(), json);
    }

    #[test]
    fn what_is_not_canonical_does_not_decode(text in json_text()) {
        let json = Json::parse(&text).unwrap();
        let bytes = borsh::to_vec(&text).unwrap();
        prop_assert_eq!(borsh::from_slice::<Json>(&bytes).is_ok(), json.as_str() == text);
    }

    #[test]
    fn the_order_of_members_does_not_matter(keys in prop::collection::btree_set("[a-c]{1,3}", 0..6), seed: u64) {
        let mut members: Vec<String> = keys.iter().map(|key| format!("\"{key}\":1")).collect();
        let sorted = Json::parse(&format!("{{{}}}", members.join(","))).unwrap();
        let turns = usize::try_from(seed % 7).unwrap();
        let count = members.len().max(1);
        members.rotate_left(turns % count);
        members.reverse();
        prop_assert_eq!(Json::parse(&format!("{{{}}}", members.join(","))).unwrap(), sorted);
    }
}
