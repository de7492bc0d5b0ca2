//! Values of every type, drawn.

#![expect(clippy::expect_used, reason = "what is drawn is admitted")]

use proptest::prelude::*;
use treaty_schema::{Bytes, Date, Decimal, Double, Identity, Json, LogicalType, Suite, Text, Time, Timestamp, Value};

/// Values that a type admits, with the extremes drawn often.
pub fn drawn_value(logical_type: LogicalType) -> BoxedStrategy<Value> {
    match logical_type {
        LogicalType::Boolean => any::<bool>().prop_map(Value::Boolean).boxed(),
        LogicalType::Integer => {
            prop_oneof![any::<i32>(), Just(i32::MIN), Just(i32::MAX)].prop_map(Value::Integer).boxed()
        }
        LogicalType::BigInt => {
            prop_oneof![any::<i64>(), Just(i64::MIN), Just(i64::MAX)].prop_map(Value::BigInt).boxed()
        }
        LogicalType::Double => prop_oneof![
            any::<f64>(),
            prop::num::f64::ANY,
            prop::sample::select(vec![
                f64::MIN,
                f64::MAX,
                f64::INFINITY,
                f64::NEG_INFINITY,
                f64::MIN_POSITIVE,
                5e-324,
                -0.0,
                0.1
            ])
        ]
        .prop_filter_map("NaN", Double::new)
        .prop_map(Value::Double)
        .boxed(),
        LogicalType::Numeric { precision, scale } => {
            let end = 10_i128.pow(u32::from(precision));
            prop_oneof![1 - end..end, Just(end - 1), Just(1 - end), Just(0)]
                .prop_map(move |unscaled| Value::Numeric(Decimal::new(unscaled, scale).expect("it is admitted")))
                .boxed()
        }
        LogicalType::Text => text(40).prop_map(Value::Text).boxed(),
        LogicalType::Varchar { chars_max } => text(chars_max as usize).prop_map(Value::Text).boxed(),
        LogicalType::Bytes => prop::collection::vec(any::<u8>(), 0..40)
            .prop_map(|bytes| Value::Bytes(Bytes::new(bytes).expect("it is admitted")))
            .boxed(),
        LogicalType::Uuid => any::<[u8; 16]>().prop_map(Value::Uuid).boxed(),
        LogicalType::Date => days().prop_map(Value::Date).boxed(),
        LogicalType::Time => time().prop_map(Value::Time).boxed(),
        LogicalType::Timestamp => moment().prop_map(Value::Timestamp).boxed(),
        LogicalType::TimestampTz => moment().prop_map(Value::TimestampTz).boxed(),
        LogicalType::Json => json().prop_map(Value::Json).boxed(),
        LogicalType::Identity => {
            any::<[u8; 32]>().prop_map(|key| Value::Identity(Identity { suite: Suite::Ed25519, key })).boxed()
        }
    }
}

fn text(chars_max: usize) -> impl Strategy<Value = Text> {
    let character = prop_oneof![
        any::<char>().prop_filter("NUL", |character| *character != '\0'),
        prop::sample::select(vec![' ', '\t', '\n', '\\', '\'', '"', '{', '}', ',', '\u{1}', '\u{7f}', '\u{feff}', 'é']),
    ];
    prop::collection::vec(character, 0..=chars_max)
        .prop_map(|all| Text::new(all.into_iter().collect::<String>()).expect("it is admitted"))
}

fn days() -> impl Strategy<Value = Date> {
    prop_oneof![-719_162..=2_932_896, Just(-719_162), Just(2_932_896)]
        .prop_map(|days| Date::from_days(days).expect("it is admitted"))
}

fn time() -> impl Strategy<Value = Time> {
    prop_oneof![0..86_400_000_000_i64, Just(0), Just(86_399_999_999)]
        .prop_map(|micros| Time::from_micros(micros).expect("it is admitted"))
}

fn moment() -> impl Strategy<Value = Timestamp> {
    (days(), time()).prop_map(|(date, time)| Timestamp::from_date_time(date, time))
}

fn json() -> impl Strategy<Value = Json> {
    let string = text(4).prop_map(|text| json_string(text.as_str())).boxed();
    let digits = (any::<bool>(), "[1-9][0-9]{0,399}", "[0-9]{0,399}[1-9]");
    let number = prop_oneof![
        "-?(0|[1-9][0-9]{0,4})(\\.[0-9]{1,4})?([eE][+-]?[0-9]{1,2})?",
        digits.prop_map(|(sign, whole, decimals)| format!("{}{whole}.{decimals}", if sign { "-" } else { "" })),
        Just("-0".to_owned()),
        Just("1e399".to_owned()),
    ];
    let word = prop::sample::select(vec!["null", "true", "false"]).prop_map(str::to_owned);
    let leaf = prop_oneof![word, number, string.clone()];
    let tree = leaf.prop_recursive(4, 24, 5, move |inner| {
        let member = (string.clone(), inner.clone()).prop_map(|(key, item)| format!("{key} :{item}"));
        prop_oneof![
            prop::collection::vec(inner, 0..5).prop_map(|items| format!("[{} ]", items.join(" , "))),
            prop::collection::vec(member, 0..5).prop_map(|members| format!("{{\n{}}}", members.join(","))),
        ]
    });
    tree.prop_map(|text| Json::parse(&text).expect("it is admitted"))
}

fn json_string(text: &str) -> String {
    let escaped: String = text
        .chars()
        .map(|char| match char {
            '"' | '\\' => format!("\\{char}"),
            char if char < ' ' => format!("\\u{:04x}", u32::from(char)),
            char => char.to_string(),
        })
        .collect();
    format!("\"{escaped}\"")
}
