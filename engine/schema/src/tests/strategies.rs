//! Random values of every type, with the extremes drawn often.

use proptest::prelude::*;

use crate::*;

pub(super) fn logical_type() -> impl Strategy<Value = LogicalType> {
    prop_oneof![
        Just(LogicalType::Boolean),
        Just(LogicalType::Integer),
        Just(LogicalType::BigInt),
        Just(LogicalType::Double),
        (1_u8..=38)
            .prop_flat_map(|precision| (Just(precision), 0..=precision))
            .prop_map(|(precision, scale)| LogicalType::Numeric { precision, scale }),
        Just(LogicalType::Text),
        (1_u32..20).prop_map(|chars_max| LogicalType::Varchar { chars_max }),
        Just(LogicalType::Bytes),
        Just(LogicalType::Uuid),
        Just(LogicalType::Date),
        Just(LogicalType::Time),
        Just(LogicalType::Timestamp),
        Just(LogicalType::TimestampTz),
        Just(LogicalType::Json),
        Just(LogicalType::Identity),
    ]
}

/// A type and a value that it admits.
pub(super) fn typed_value() -> impl Strategy<Value = (LogicalType, Value)> {
    logical_type().prop_flat_map(|logical_type| (Just(logical_type), value(logical_type)))
}

pub(super) fn value(logical_type: LogicalType) -> BoxedStrategy<Value> {
    match logical_type {
        LogicalType::Boolean => any::<bool>().prop_map(Value::Boolean).boxed(),
        LogicalType::Integer => {
            prop_oneof![any::<i32>(), -3..3, Just(i32::MIN), Just(i32::MAX)].prop_map(Value::Integer).boxed()
        }
        LogicalType::BigInt => {
            prop_oneof![any::<i64>(), -3_i64..3, Just(i64::MIN), Just(i64::MAX)].prop_map(Value::BigInt).boxed()
        }
        LogicalType::Double => any::<f64>().prop_filter_map("NaN", Double::new).prop_map(Value::Double).boxed(),
        LogicalType::Numeric { precision, scale } => {
            let end = 10_i128.pow(u32::from(precision));
            (1 - end..end).prop_map(move |unscaled| Value::Numeric(Decimal::new(unscaled, scale).unwrap())).boxed()
        }
        LogicalType::Text => text(40).prop_map(Value::Text).boxed(),
        LogicalType::Varchar { chars_max } => text(chars_max as usize).prop_map(Value::Text).boxed(),
        LogicalType::Bytes => {
            prop::collection::vec(any::<u8>(), 0..40).prop_map(|bytes| Value::Bytes(Bytes::new(bytes).unwrap())).boxed()
        }
        LogicalType::Uuid => any::<[u8; 16]>().prop_map(Value::Uuid).boxed(),
        LogicalType::Date => date().prop_map(Value::Date).boxed(),
        LogicalType::Time => time().prop_map(Value::Time).boxed(),
        LogicalType::Timestamp => timestamp().prop_map(Value::Timestamp).boxed(),
        LogicalType::TimestampTz => timestamp().prop_map(Value::TimestampTz).boxed(),
        LogicalType::Json => json_text().prop_map(|text| Value::Json(Json::parse(&text).unwrap())).boxed(),
        LogicalType::Identity => {
            any::<[u8; 32]>().prop_map(|key| Value::Identity(Identity { suite: Suite::Ed25519, key })).boxed()
        }
    }
}

fn text(chars_max: usize) -> impl Strategy<Value = Text> {
    let character = any::<char>().prop_filter("NUL", |character| *character != '\0');
    prop::collection::vec(character, 0..=chars_max)
        .prop_map(|characters| Text::new(characters.into_iter().collect::<String>()).unwrap())
}

pub(super) fn date() -> impl Strategy<Value = Date> {
    prop_oneof![-719_162..=2_932_896, -1_000..1_000, Just(-719_162), Just(2_932_896)]
        .prop_map(|days| Date::from_days(days).unwrap())
}

fn time() -> impl Strategy<Value = Time> {
    prop_oneof![0..86_400_000_000_i64, (0..86_400_i64).prop_map(|seconds| seconds * 1_000_000)]
        .prop_map(|micros| Time::from_micros(micros).unwrap())
}

fn timestamp() -> impl Strategy<Value = Timestamp> {
    (date(), time()).prop_map(|(date, time)| Timestamp::from_date_time(date, time))
}

/// JSON text that is valid but seldom canonical.
pub(super) fn json_text() -> impl Strategy<Value = String> {
    let string = prop::collection::vec(
        prop_oneof![
            any::<char>().prop_filter("escaped", |c| !matches!(c, '"' | '\\') && *c >= ' ').prop_map(String::from),
            prop::sample::select(vec![
                "\\\"",
                "\\\\",
                "\\/",
                "\\b",
                "\\n",
                "\\u0041",
                "\\u001f",
                "\\ud83d\\ude00",
                "é"
            ])
            .prop_map(str::to_owned),
        ],
        0..4,
    )
    .prop_map(|parts| format!("\"{}\"", parts.concat()));
    let number = "-?(0|[1-9][0-9]{0,4})(\\.[0-9]{1,4})?([eE][+-]?[0-9]{1,2})?";
    let word = prop::sample::select(vec!["null", "true", "false"]).prop_map(str::to_owned);
    let leaf = prop_oneof![word, number.prop_map(String::from), string.clone()];
    leaf.prop_recursive(4, 24, 5, move |inner| {
        let member = (string.clone(), inner.clone()).prop_map(|(key, item)| format!("{key} :{item}"));
        prop_oneof![
            prop::collection::vec(inner, 0..5).prop_map(|items| format!("[{} ]", items.join(" , "))),
            prop::collection::vec(member, 0..5).prop_map(|members| format!("{{\n{}}}", members.join(","))),
        ]
    })
}
