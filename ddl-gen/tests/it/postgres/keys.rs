//! Keys as large as admission allows, of every mixture of types, fit into the indexes of generated tables; longer ones fail at
//! the statement. Values are random: what does not compress is what takes most.

use std::fmt::Write;

use treaty_ddl::sql;
use treaty_schema::{
    Bytes, Date, Decimal, Double, Identity, Json, KEY_BYTES_MAX, LogicalType, Suite, Table, Text, Time, Timestamp,
    Value,
};

use super::server::Database;
use crate::sqlite::schema;

/// Bytes from a seed, the same every time.
struct Chance(blake3::OutputReader);

impl Chance {
    fn new(seed: u64) -> Chance {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&seed.to_le_bytes());
        Chance(hasher.finalize_xof())
    }

    fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.0.fill(&mut bytes);
        bytes
    }

    /// A number of whatever kind takes it.
    fn below<N: TryFrom<u64, Error: std::fmt::Debug>>(&mut self, bound: u64) -> N {
        N::try_from(u64::from_le_bytes(self.bytes()) % bound).unwrap()
    }

    /// A text of as many bytes, of letters of one byte, or of few that have more.
    fn text(&mut self, bytes: usize, letter: &str) -> Value {
        let mut text = String::new();
        while text.len() < bytes {
            match letter {
                "long" if bytes - text.len() >= 4 => {
                    text.push(char::from_u32(0x1_f300 + self.below::<u32>(512)).unwrap());
                }
                _ => text.push(char::from(b'A' + self.below::<u8>(58))),
            }
        }
        Value::Text(Text::new(text).unwrap())
    }

    /// JSON of as many bytes, at least 3: a list of digits, of which PostgreSQL makes most.
    fn digits(&mut self, bytes: usize) -> Value {
        let mut text = format!("[{}", 1 + self.below::<u8>(9));
        while text.len() + 3 <= bytes {
            write!(text, ",{}", 1 + self.below::<u8>(9)).unwrap();
        }
        if text.len() + 1 < bytes {
            text.push('7');
        }
        Value::Json(Json::parse(&format!("{text}]")).unwrap())
    }

    /// A value of a type that bounds it, as large as PostgreSQL keeps any.
    fn bounded(&mut self, logical_type: LogicalType) -> Value {
        match logical_type {
            LogicalType::Boolean => Value::Boolean(true),
            LogicalType::Integer => Value::Integer(i32::from_le_bytes(self.bytes())),
            LogicalType::BigInt => Value::BigInt(i64::from_le_bytes(self.bytes())),
            LogicalType::Double => Value::Double(Double::new(f64::from(self.below::<u32>(1 << 32)) + 0.5).unwrap()),
            LogicalType::Numeric { scale, .. } => {
                let digits = 10_i128.pow(37) * 9 + i128::from(u64::from_le_bytes(self.bytes()));
                Value::Numeric(Decimal::new(-digits, scale).unwrap())
            }
            LogicalType::Uuid => Value::Uuid(self.bytes()),
            LogicalType::Date => Value::Date(Date::from_days(self.below(2_000_000)).unwrap()),
            LogicalType::Time => Value::Time(Time::from_micros(self.below(86_399_999_999)).unwrap()),
            LogicalType::Timestamp => Value::Timestamp(Timestamp::from_micros(self.below(1 << 50)).unwrap()),
            LogicalType::TimestampTz => Value::TimestampTz(Timestamp::from_micros(self.below(1 << 50)).unwrap()),
            LogicalType::Identity => Value::Identity(Identity { suite: Suite::Ed25519, key: self.bytes() }),
            LogicalType::Json | LogicalType::Text | LogicalType::Varchar { .. } | LogicalType::Bytes => {
                panic!("{logical_type} bounds nothing")
            }
        }
    }

    /// What a column holds that counts some bytes by its length; shorter where that makes no value.
    fn counted(&mut self, logical_type: LogicalType, bytes: usize) -> Value {
        match logical_type {
            LogicalType::Bytes => {
                let mut raw = vec![0; bytes];
                self.0.fill(&mut raw);
                Value::Bytes(Bytes::new(raw).unwrap())
            }
            LogicalType::Json => self.digits(bytes),
            LogicalType::Varchar { .. } => self.text(bytes, "long"),
            _ => self.text(bytes, "short"),
        }
    }
}

/// The types drawn.
const TYPES: [&str; 15] = [
    "TEXT",
    "TEXT",
    "BYTEA",
    "VARCHAR(600)",
    "JSONB",
    "BOOLEAN",
    "INTEGER",
    "BIGINT",
    "DOUBLE PRECISION",
    "NUMERIC(38, 19)",
    "UUID",
    "DATE",
    "TIME",
    "TIMESTAMPTZ",
    "IDENTITY",
];

/// A table `t` with one key over columns of some types.
fn table_of(types: &[&str]) -> String {
    let columns: Vec<String> = types.iter().enumerate().map(|(index, of)| format!("c{index} {of}")).collect();
    let names: Vec<String> = (0..types.len()).map(|index| format!("c{index}")).collect();
    format!(
        "CREATE TABLE t (id UUID PRIMARY KEY, {}, CONSTRAINT k UNIQUE ({})); CREATE POLICY p ON t FOR INSERT WITH CHECK (true);",
        columns.join(", "),
        names.join(", ")
    )
}

/// A row, NULL under `id`, whose key counts as much as is allowed, or as near to it as its values come.
///
/// * `shares` - by column that counts its length: how much of what is left it takes, of 100; the last takes the rest.
fn largest(table: &Table, chance: &mut Chance, shares: impl Fn(&mut Chance) -> usize) -> Vec<Option<Value>> {
    let is_bounded = |of: LogicalType| {
        !matches!(of, LogicalType::Json | LogicalType::Text | LogicalType::Varchar { .. } | LogicalType::Bytes)
    };
    let types: Vec<LogicalType> = table.columns.iter().skip(1).map(|column| column.logical_type).collect();
    let fixed = types.iter().filter(|of| is_bounded(**of) || **of == LogicalType::Json).count();
    let mut left = KEY_BYTES_MAX - 64 * fixed;
    let last = types.iter().rposition(|of| !is_bounded(*of) && *of != LogicalType::Json);
    let mut row = vec![None];
    for (index, of) in types.iter().enumerate() {
        if is_bounded(*of) {
            row.push(Some(chance.bounded(*of)));
            continue;
        }
        let share = if Some(index) == last { left } else { left * shares(chance) / 100 };
        // JSON stands for six times its length, and has three letters at least.
        let (length, weight) = if *of == LogicalType::Json { (share / 6, 6) } else { (share, 1) };
        if weight == 6 && length < 3 {
            row.push(None);
            continue;
        }
        row.push(Some(chance.counted(*of, length)));
        left -= length * weight;
    }
    row
}

/// The row with one more byte in its last text or string, if it has any.
fn longer(row: &[Option<Value>]) -> Option<Vec<Option<Value>>> {
    let mut row = row.to_vec();
    let last = row.iter_mut().flatten().rfind(|value| matches!(value, Value::Text(_) | Value::Bytes(_)))?;
    *last = match &*last {
        Value::Bytes(bytes) => Value::Bytes(Bytes::new([bytes.as_slice(), &[0]].concat()).unwrap()),
        other => Value::Text(Text::new(format!("{}x", other.to_text())).unwrap()),
    };
    Some(row)
}

/// `INSERT` of a row without its id.
fn insert(row: &[Option<Value>]) -> String {
    let literal = |value: &Option<Value>| match value {
        Some(value) => sql::quote::text(&value.to_text()),
        None => "NULL".to_owned(),
    };
    let (names, values): (Vec<String>, Vec<String>) =
        row.iter().enumerate().skip(1).map(|(index, value)| (format!("c{}", index - 1), literal(value))).unzip();
    format!("INSERT INTO t ({}) VALUES ({});\n", names.join(", "), values.join(", "))
}

/// The statements that make a table and insert a row; the row is one that admission allows.
fn case(types: &[&str], chance: &mut Chance, shares: impl Fn(&mut Chance) -> usize) -> String {
    let text = table_of(types);
    let schema = schema(&text).schema;
    let table = &schema.tables()[0];
    let row = largest(table, chance, shares);
    table.check_keys(&row, &[1]).unwrap_or_else(|fault| panic!("{text}: {fault}"));
    if let Some(longer) = longer(&row) {
        table.check_keys(&longer, &[1]).expect_err("a key as large as is allowed does not grow");
    }
    format!("DROP TABLE IF EXISTS t;\n{}{}", sql::postgres::create_table(&schema, table), insert(&row))
}

fn check(types: &[&str], share: usize) {
    let database = Database::create();
    database.run(&case(types, &mut Chance::new(share as u64), |_| share));
    assert_eq!(database.run("SELECT count(*) FROM t"), "1", "{types:?}");
}

#[test]
fn the_largest_keys_of_each_kind_fit() {
    check(&["TEXT"], 0);
    check(&["BYTEA"], 0);
    check(&["VARCHAR(600)"], 0);
    check(&["JSONB"], 100);
    check(&["TEXT", "BYTEA"], 50);
    check(&["JSONB", "TEXT"], 50);
    // Each text has a length and may have to be aligned.
    check(&["TEXT"; 32], 0);
    check(&["TEXT"; 32], 7);
    check(&["BYTEA"; 16], 12);
    let with_text = |of: &'static str| [&[of; 31][..], &["TEXT"]].concat();
    for of in ["IDENTITY", "NUMERIC(38, 19)", "TIMESTAMPTZ", "UUID", "BOOLEAN", "DOUBLE PRECISION"] {
        check(&with_text(of), 0);
    }
    check(&["BOOLEAN", "BIGINT"].repeat(16), 0);
    check(&[&["BOOLEAN", "BIGINT"].repeat(12)[..], &["TEXT"; 7]].concat(), 20);
}

#[test]
fn any_key_that_admission_allows_fits() {
    let mut script = String::new();
    for seed in 0..150 {
        let mut chance = Chance::new(seed);
        let count = 1 + chance.below::<usize>(32);
        let types: Vec<&str> = (0..count).map(|_| TYPES[chance.below::<usize>(TYPES.len() as u64)]).collect();
        writeln!(script, "{}\\echo {seed}", case(&types, &mut chance, |chance| chance.below(60))).unwrap();
    }
    let database = Database::create();
    assert_eq!(database.run(&script).lines().count(), 150);
}

/// The index is what refuses, and random text is what does not compress: were it otherwise, the tests above would show nothing.
#[test]
fn without_the_bound_postgresql_refuses() {
    let database = Database::create();
    database.run("CREATE TABLE t (c0 TEXT UNIQUE)");
    let text = |bytes: usize| insert(&[None, Some(Chance::new(1).text(bytes, "short"))]);
    database.run(&text(2_690));
    let error = database.fails(&text(2_710));
    assert!(error.contains("index row size"), "{error}");
}

#[test]
fn a_larger_key_fails_at_the_statement_by_name() {
    let database = super::installed(
        "CREATE TABLE t (id UUID PRIMARY KEY, c0 TEXT, c1 BYTEA NOT NULL, c2 UUID, c3 VARCHAR(9) UNIQUE, c4 TEXT UNIQUE,
           CONSTRAINT k UNIQUE (c0, c1, c2));
         CREATE POLICY p ON t FOR INSERT WITH CHECK (true); CREATE POLICY q ON t FOR UPDATE USING (true);",
    );
    database.run("INSERT INTO t (c0, c1, c3, c4) VALUES (repeat('x', 1984), '', 'ß', NULL), (NULL, repeat('x', 1984)::bytea, NULL, repeat('é', 1024))");
    for (wrong, label) in [
        ("INSERT INTO t (c0, c1) VALUES (repeat('x', 1985), '')", "k must be at most 1984 bytes"),
        ("INSERT INTO t (c0, c1) VALUES (repeat('x', 1984), 'x')", "k must be at most 1984 bytes"),
        ("INSERT INTO t (c0, c1) VALUES (NULL, repeat('x', 1985)::bytea)", "k must be at most 1984 bytes"),
        ("UPDATE t SET c1 = 'xx' WHERE c0 IS NOT NULL", "k must be at most 1984 bytes"),
        ("UPDATE t SET c4 = repeat('é', 1024) || 'x'", "t_c4_key must be at most 2048 bytes"),
    ] {
        let error = database.fails(wrong);
        assert!(error.contains(&format!("violates check constraint \"{label}\"")), "{wrong}: {error}");
    }
    assert_eq!(database.run("SELECT count(*) FROM t"), "2");
}

#[test]
fn the_checks_of_a_table_are_known_by_their_names() {
    let long = "n".repeat(60);
    let schema = schema(&format!(
        "CREATE TABLE t (id UUID PRIMARY KEY, {long} TEXT UNIQUE, d DATE, e NUMERIC(9, 2) UNIQUE, CONSTRAINT own CHECK (e > 0));
         CREATE POLICY p ON t FOR INSERT WITH CHECK (true);"
    ))
    .schema;
    let database = Database::create();
    database.run(&sql::postgres::create_tables(&schema));
    let found = database.run("SELECT conname FROM pg_constraint WHERE conrelid = 't'::regclass AND contype = 'c'");
    let mut found: Vec<&str> = found.lines().collect();
    let mut known = sql::postgres::check_names(&schema.tables()[0]);
    found.sort_unstable();
    known.sort_unstable();
    assert_eq!(found, known);
    assert_eq!(known.len(), 4);
}

/// What JSON counts is what the largest kinds of it take: each letter of its text stands for at most six bytes.
#[test]
fn json_takes_no_more_than_it_counts() {
    let lists = [
        "1",
        "\"\"",
        "[]",
        "{}",
        "null",
        "true",
        "[[]]",
        "[1]",
        "{\"\":1}",
        "0.1",
        "-1",
        "10001",
        "[[1],{\"a\":[]}]",
        "1,\"a\"",
    ];
    let mut texts =
        vec!["1".to_owned(), "[]".to_owned(), "\"\"".to_owned(), format!("0.{}1", "0".repeat(300)), "1".repeat(330)];
    texts.extend(lists.map(|item| format!("[{}]", [item].repeat(60).join(","))));
    texts.push(format!("{{{}}}", (0..60).map(|key| format!("\"{key}\":1")).collect::<Vec<_>>().join(",")));
    texts.push(format!("{}1{}", "[".repeat(100), "]".repeat(100)));
    let database = Database::create();
    for text in texts {
        let canonical = Json::parse(&text).unwrap();
        let taken = database.run(&format!("SELECT pg_column_size({}::jsonb)", sql::quote::text(canonical.as_str())));
        let counted = 64 + 6 * canonical.as_str().len();
        assert!(taken.parse::<usize>().unwrap() <= counted, "{text} takes {taken}, counts {counted}");
    }
}
