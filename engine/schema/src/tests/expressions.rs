//! Expressions: what they resolve to, what they evaluate to, and what is wrong with the others.

use expect_test::{Expect, expect};
use proptest::prelude::*;

use crate::resolve::{Resolver, ScopeRow};
use crate::sketch::{cell, expr, identity, schema};
use crate::*;

const TABLE: &str =
    "CREATE TABLE t (id UUID PRIMARY KEY, b BOOLEAN, i INTEGER, g BIGINT, n NUMERIC(10,2), d DOUBLE, s TEXT,
    v VARCHAR(5), y BYTEA, day DATE, at TIME, ts TIMESTAMP, tz TIMESTAMPTZ, j JSONB, who IDENTITY);";

fn resolve(text: &str) -> Result<SchemaExpr, String> {
    let schema = schema(TABLE);
    let (_, table) = schema.table_by_name("t").unwrap();
    let resolver = Resolver::of_policy(vec![ScopeRow { qualifier: "t", table: Some(table) }]);
    resolver.condition(&expr(text)).map_err(|mistakes| {
        let lines: Vec<String> = mistakes
            .iter()
            .map(|mistake| match &mistake.help {
                Some(help) => format!("{} ({help})", mistake.message),
                None => mistake.message.clone(),
            })
            .collect();
        lines.join("; ")
    })
}

/// Evaluates conditions over one row, given as `column = text`; the author is `author 1`.
fn check(cells: &[(&str, &str)], conditions: &[&str], expected: Expect) {
    let schema = schema(TABLE);
    let (_, table) = schema.table_by_name("t").unwrap();
    let mut row = vec![None; table.columns.len()];
    for (name, text) in cells {
        let (index, column) = table.column_by_name(name).unwrap();
        row[index] = cell(column.logical_type, text);
    }
    let author = identity(1);
    let env = Env { rows: &[&row], author: Some(&author) };
    let lines: Vec<String> = conditions
        .iter()
        .map(|text| {
            let resolved = resolve(text).unwrap_or_else(|mistakes| panic!("{text}: {mistakes}"));
            match eval(&resolved, env) {
                Ok(Some(value)) => format!("{text} -> {value}\n"),
                Ok(None) => format!("{text} -> NULL\n"),
                Err(cause) => format!("{text} !! {cause}\n"),
            }
        })
        .collect();
    expected.assert_eq(&lines.concat());
}

/// One line for each condition: what is wrong with it, or that it is fine.
fn check_mistakes(conditions: &[&str], expected: Expect) {
    let lines: Vec<String> = conditions
        .iter()
        .map(|text| format!("{text} !! {}\n", resolve(text).err().unwrap_or("nothing".to_owned())))
        .collect();
    expected.assert_eq(&lines.concat());
}

#[test]
fn numbers_meet_in_the_wider_kind() {
    let cells = [("i", "5"), ("g", "5000000000"), ("n", "5.00"), ("d", "5.5")];
    check(
        &cells,
        &[
            "i = n",
            "i < d",
            "n = 5",
            "n = 5.0",
            "n < 5.001",
            "i = 5.5",
            "d = 5.5",
            "d > n",
            "g > i",
            "g = 5000000000.0",
            "i + n = 10",
            "i * n * d = 137.5",
            "i - g = -4999999995",
            "- i = -5",
            "- n < 0",
            "d = '5.5'",
            "i = '5'",
            "n = '5.000'",
            // What coalesce yields has the type of all its operands, whichever it comes from.
            "coalesce(n, d) - '0.00000000000000000001' = 5",
            "coalesce(i, g) + 2147483647 > 0",
            "coalesce(i, 3000000000, 1.5) * 1000000000 = 5000000000",
        ],
        expect![[r#"
            i = n -> true
            i < d -> true
            n = 5 -> true
            n = 5.0 -> true
            n < 5.001 -> true
            i = 5.5 -> false
            d = 5.5 -> true
            d > n -> true
            g > i -> true
            g = 5000000000.0 -> true
            i + n = 10 -> true
            i * n * d = 137.5 -> true
            i - g = -4999999995 -> true
            - i = -5 -> true
            - n < 0 -> true
            d = '5.5' -> true
            i = '5' -> true
            n = '5.000' -> true
            coalesce(n, d) - '0.00000000000000000001' = 5 -> true
            coalesce(i, g) + 2147483647 > 0 -> true
            coalesce(i, 3000000000, 1.5) * 1000000000 = 5000000000 -> true
        "#]],
    );
}

#[test]
fn overflow_is_an_error_and_never_a_value() {
    let cells =
        [("i", "2147483647"), ("g", "-9223372036854775808"), ("n", "12345678.99"), ("d", "1.7976931348623157e308")];
    check(
        &cells,
        &[
            "i + 1 > 0",
            "i + 1000000000000 > 0",
            "i * i > 0",
            "-(-i) > 0",
            "-g > 0",
            "g - 1 < 0",
            "g * 1.0 < 0",
            "d * 2 > 0",
            "d + d > 0",
            "d - d = 0",
            "n * n * n * n > 0",
            "n * n * n * n * n > 0",
            "d * 0.0 = 0",
            "i + 1 > 0 OR TRUE",
            "TRUE OR i + 1 > 0",
            "FALSE AND i + 1 > 0",
        ],
        expect![[r#"
            i + 1 > 0 !! the result of + is out of range for INTEGER
            i + 1000000000000 > 0 -> true
            i * i > 0 !! the result of * is out of range for INTEGER
            -(-i) > 0 -> true
            -g > 0 !! the result of - is out of range for BIGINT
            g - 1 < 0 !! the result of - is out of range for BIGINT
            g * 1.0 < 0 -> true
            d * 2 > 0 !! the result of * is out of range for DOUBLE PRECISION
            d + d > 0 !! the result of + is out of range for DOUBLE PRECISION
            d - d = 0 -> true
            n * n * n * n > 0 -> true
            n * n * n * n * n > 0 !! the result of * is out of range for NUMERIC
            d * 0.0 = 0 -> true
            i + 1 > 0 OR TRUE !! the result of + is out of range for INTEGER
            TRUE OR i + 1 > 0 -> true
            FALSE AND i + 1 > 0 -> false
        "#]],
    );
    check(
        &[("d", "5e-324")],
        &["d * 0.1 = 0"],
        expect![[r#"
        d * 0.1 = 0 !! the result of * is out of range for DOUBLE PRECISION
    "#]],
    );
    check(
        &[("d", "Infinity")],
        &["d > '1.7e308'", "d - d = 0", "d * 0 = 0", "d + d = d", "-d < 0"],
        expect![[r#"
        d > '1.7e308' -> true
        d - d = 0 !! the result of - is out of range for DOUBLE PRECISION
        d * 0 = 0 !! the result of * is out of range for DOUBLE PRECISION
        d + d = d -> true
        -d < 0 -> true
    "#]],
    );
}

#[test]
fn null_is_neither_true_nor_false() {
    check(
        &[("b", "true")],
        &[
            "i = 1",
            "i <> 1",
            "i IS NULL",
            "i IS NOT NULL",
            "NOT i = 1",
            "i = 1 AND FALSE",
            "i = 1 AND b",
            "i = 1 OR b",
            "i = 1 OR FALSE",
            "i IN (1, 2)",
            "1 IN (1, NULL)",
            "2 IN (1, NULL)",
            "2 IN (1, 3)",
            "i + 1 = 2",
            "length(s) = 0",
            "coalesce(i, 7) = 7",
            "coalesce(i, NULL) IS NULL",
            "NULL",
            "NOT NULL",
            "b = NULL",
            "-i = 0",
        ],
        expect![[r#"
            i = 1 -> NULL
            i <> 1 -> NULL
            i IS NULL -> true
            i IS NOT NULL -> false
            NOT i = 1 -> NULL
            i = 1 AND FALSE -> false
            i = 1 AND b -> NULL
            i = 1 OR b -> true
            i = 1 OR FALSE -> NULL
            i IN (1, 2) -> NULL
            1 IN (1, NULL) -> true
            2 IN (1, NULL) -> NULL
            2 IN (1, 3) -> false
            i + 1 = 2 -> NULL
            length(s) = 0 -> NULL
            coalesce(i, 7) = 7 -> true
            coalesce(i, NULL) IS NULL -> true
            NULL -> NULL
            NOT NULL -> NULL
            b = NULL -> NULL
            -i = 0 -> NULL
        "#]],
    );
}

#[test]
fn text_compares_by_code_point_and_counts_characters() {
    check(
        &[("s", "Zoë"), ("v", "zoe"), ("y", "\\x00ff")],
        &[
            "s < v",
            "s = 'Zoë'",
            "s < 'Zoz'",
            "length(s) = 3",
            "length(v) = 3",
            "length(y) = 2",
            "y = '\\x00FF'",
            "y > '\\x00'",
            "s = v",
            "length('ab') = 2",
        ],
        expect![[r#"
            s < v -> true
            s = 'Zoë' -> true
            s < 'Zoz' -> false
            length(s) = 3 -> true
            length(v) = 3 -> true
            length(y) = 2 -> true
            y = '\x00FF' -> true
            y > '\x00' -> true
            s = v -> false
            length('ab') = 2 -> true
        "#]],
    );
}

#[test]
fn quoted_literals_take_the_type_of_what_they_meet() {
    check(
        &[
            ("id", "1"),
            ("day", "2024-01-31"),
            ("at", "13:05"),
            ("ts", "2024-01-31 13:05:00"),
            ("tz", "2024-01-31 13:05:00+02"),
            ("j", "{\"b\":1,\"a\":[]}"),
            ("who", "author 1"),
            ("b", "true"),
        ],
        &[
            "day = '2024-01-31'",
            "day < '2024-02-01'",
            "at >= '13:05:00.000'",
            "ts = '2024-01-31T13:05'",
            "tz = '2024-01-31 11:05:00Z'",
            "j = '{\"a\": [], \"b\": 1.0}'",
            "id = '01010101-0101-0101-0101-010101010101'",
            "id <> 'ffffffff-ffff-ffff-ffff-ffffffffffff'",
            "who = author()",
            "author() IN (who)",
            "b = 't'",
            "b",
            "NOT b",
            "b > FALSE",
            "coalesce(day, '2000-01-01') IN ('2024-01-31')",
        ],
        expect![[r#"
            day = '2024-01-31' -> true
            day < '2024-02-01' -> true
            at >= '13:05:00.000' -> true
            ts = '2024-01-31T13:05' -> true
            tz = '2024-01-31 11:05:00Z' -> true
            j = '{"a": [], "b": 1.0}' -> true
            id = '01010101-0101-0101-0101-010101010101' -> true
            id <> 'ffffffff-ffff-ffff-ffff-ffffffffffff' -> true
            who = author() -> true
            author() IN (who) -> true
            b = 't' -> true
            b -> true
            NOT b -> false
            b > FALSE -> true
            coalesce(day, '2000-01-01') IN ('2024-01-31') -> true
        "#]],
    );
}

#[test]
fn mistakes_of_type_are_all_reported() {
    check_mistakes(
        &[
            "s = 5",
            "i = 'five'",
            "day = '2024-02-30'",
            "i",
            "s AND b",
            "NOT i",
            "i + s = 2",
            "s + 'a' = 'b'",
            "b + 1 = 2",
            "-s = 'a'",
            "j < '{}'",
            "who < author()",
            "who = 'id1x'",
            "length(i) = 1",
            "day < ts",
            "ts = tz",
            "id = s",
            "coalesce(i, s) = 1",
            "i IN (1, 'x', b)",
            "nothing = 1",
            "t.nothing = 1",
            "x.i = 1",
            "i = 'x' AND day = 'y' AND gone",
            "i = 123456789012345678901234567890123456789",
            "i IN ()",
            "coalesce() = 1",
            "- '7' = 7",
            "NULL + '7' IS NULL",
            "coalesce('7') = 7",
        ],
        expect![[r#"
            s = 5 !! TEXT and INTEGER cannot be compared or combined (write a number that is meant as text in single quotes: '5')
            i = 'five' !! 'five' is no INTEGER: write digits, as in 42 or -3.10
            day = '2024-02-30' !! '2024-02-30' is no DATE: write a day of the years 0001 to 9999 as in 2024-01-31
            i !! a condition is expected here, not a value of type INTEGER
            s AND b !! a condition is expected here, not a value of type TEXT
            NOT i !! a condition is expected here, not a value of type INTEGER
            i + s = 2 !! INTEGER and TEXT cannot be compared or combined (write a number that is meant as text in single quotes: '5')
            s + 'a' = 'b' !! +, - and * take numbers, not TEXT
            b + 1 = 2 !! BOOLEAN and INTEGER cannot be compared or combined
            -s = 'a' !! +, - and * take numbers, not TEXT
            j < '{}' !! values of type JSONB have no order: only = and <> compare them
            who < author() !! values of type IDENTITY have no order: only = and <> compare them
            who = 'id1x' !! an identity is id1 and 60 characters of a-z, 2-7, as `treaty identity` prints it
            length(i) = 1 !! length() takes TEXT, VARCHAR or BYTEA, not INTEGER
            day < ts !! DATE and TIMESTAMP cannot be compared or combined
            ts = tz !! TIMESTAMP and TIMESTAMPTZ cannot be compared or combined
            id = s !! UUID and TEXT cannot be compared or combined
            coalesce(i, s) = 1 !! INTEGER and TEXT cannot be compared or combined (write a number that is meant as text in single quotes: '5')
            i IN (1, 'x', b) !! INTEGER and BOOLEAN cannot be compared or combined
            nothing = 1 !! there is no column nothing here (known here: t (id, b, i, g, n, d, s, v, y, day, at, ts, ...))
            t.nothing = 1 !! there is no column nothing in t (known here: t (id, b, i, g, n, d, s, v, y, day, at, ts, ...))
            x.i = 1 !! there is no table or alias x here
            i = 'x' AND day = 'y' AND gone !! 'x' is no INTEGER: write digits, as in 42 or -3.10; 'y' is no DATE: write a day of the years 0001 to 9999 as in 2024-01-31; there is no column gone here (known here: t (id, b, i, g, n, d, s, v, y, day, at, ts, ...))
            i = 123456789012345678901234567890123456789 !! 123456789012345678901234567890123456789 is no exact number (write at most 38 digits, or quote a DOUBLE PRECISION, as in '1e300')
            i IN () !! IN needs at least one value
            coalesce() = 1 !! coalesce needs at least one argument
            - '7' = 7 !! +, - and * take numbers, not NULL and quoted literals alone
            NULL + '7' IS NULL !! +, - and * take numbers, not NULL and quoted literals alone
            coalesce('7') = 7 !! TEXT and INTEGER cannot be compared or combined (write a number that is meant as text in single quotes: '5')
        "#]],
    );
}

#[test]
fn an_expression_is_bounded_in_depth_and_size() {
    let nested = |depth: usize| format!("{} b", "NOT ".repeat(depth - 1));
    assert!(resolve(&nested(EXPR_DEPTH_MAX)).is_ok());
    check_mistakes(
        &[&nested(EXPR_DEPTH_MAX + 1)],
        expect![[r#"
        NOT NOT NOT NOT NOT NOT NOT NOT NOT NOT NOT NOT NOT NOT NOT NOT NOT NOT NOT NOT NOT NOT NOT NOT NOT NOT NOT NOT NOT NOT NOT NOT NOT NOT NOT NOT NOT NOT NOT NOT NOT NOT NOT NOT NOT NOT NOT NOT NOT NOT NOT NOT NOT NOT NOT NOT NOT NOT NOT NOT NOT NOT NOT NOT  b !! the expression is nested deeper than 64 or has more than 1000 terms (split it, or enumerate less)
    "#]],
    );
    let wide = |count: usize| vec!["b"; count].join(" AND ");
    assert!(resolve(&wide(EXPR_NODES_MAX - 1)).is_ok());
    assert!(resolve(&wide(EXPR_NODES_MAX)).is_err());
}

#[test]
fn an_expression_over_other_rows_than_its_own_is_an_error() {
    let resolved = resolve("i = 1 AND who = author()").unwrap();
    let row = vec![Some(Value::Boolean(true)); 15];
    let author = identity(1);
    for (rows, author) in [(&[&row[..]][..], Some(&author)), (&[&[][..]][..], None), (&[][..], None)] {
        assert_eq!(eval(&resolved, Env { rows, author }), Err(EvalError::Mismatch));
    }
    let deep = (0..100_000).fold(Expr::Literal(Some(Value::Boolean(true))), |inner, _| Expr::Not(Box::new(inner)));
    assert_eq!(eval(&deep, Env { rows: &[], author: None }), Err(EvalError::TooDeep));
    // Dropping a tree recurses; ours are bounded, this one is taken apart by hand.
    let mut rest = deep;
    while let Expr::Not(inner) = rest {
        rest = *inner;
    }
}

/// A condition over three boolean columns, and what it means to somebody who knows only tables of truth.
#[derive(Debug, Clone)]
enum Logic {
    Column(usize),
    Constant(Option<bool>),
    Not(Box<Logic>),
    And(Vec<Logic>),
    Or(Vec<Logic>),
    Equal(Box<Logic>, Box<Logic>),
    IsNull(Box<Logic>),
    In(Box<Logic>, Vec<Logic>),
    Coalesce(Vec<Logic>),
}

impl Logic {
    fn expr(&self) -> SchemaExpr {
        let all = |items: &[Logic]| items.iter().map(Logic::expr).collect();
        match self {
            Logic::Column(column) => Expr::Column(SlotColumn { slot: 0, column: u16::try_from(*column).unwrap() }),
            Logic::Constant(truth) => Expr::Literal(truth.map(Value::Boolean)),
            Logic::Not(inner) => Expr::Not(Box::new(inner.expr())),
            Logic::And(items) => Expr::And(all(items)),
            Logic::Or(items) => Expr::Or(all(items)),
            Logic::Equal(left, right) => {
                Expr::Compare { op: Comparison::Equal, left: Box::new(left.expr()), right: Box::new(right.expr()) }
            }
            Logic::IsNull(inner) => Expr::IsNull(Box::new(inner.expr())),
            Logic::In(inner, list) => Expr::In { expr: Box::new(inner.expr()), list: all(list) },
            Logic::Coalesce(items) => Expr::Coalesce(all(items)),
        }
    }

    /// Whether the condition can be true, and can be false, by the values that its NULLs may stand for.
    fn meaning(&self, row: &[Option<bool>]) -> Option<bool> {
        let meanings = |items: &[Logic]| items.iter().map(|item| item.meaning(row)).collect::<Vec<_>>();
        match self {
            Logic::Column(column) => row[*column],
            Logic::Constant(truth) => *truth,
            Logic::Not(inner) => inner.meaning(row).map(|truth| !truth),
            Logic::And(items) => {
                let parts = meanings(items);
                if parts.contains(&Some(false)) {
                    Some(false)
                } else if parts.contains(&None) {
                    None
                } else {
                    Some(true)
                }
            }
            Logic::Or(items) => {
                let parts = meanings(items);
                if parts.contains(&Some(true)) {
                    Some(true)
                } else if parts.contains(&None) {
                    None
                } else {
                    Some(false)
                }
            }
            Logic::Equal(left, right) => Some(left.meaning(row)? == right.meaning(row)?),
            Logic::IsNull(inner) => Some(inner.meaning(row).is_none()),
            // By definition: the OR of the equalities.
            Logic::In(inner, list) => {
                let equals = list.iter().map(|item| Logic::Equal(inner.clone(), Box::new(item.clone()))).collect();
                Logic::Or(equals).meaning(row)
            }
            Logic::Coalesce(items) => meanings(items).into_iter().flatten().next(),
        }
    }
}

fn logic() -> impl Strategy<Value = Logic> {
    let leaf = prop_oneof![(0_usize..3).prop_map(Logic::Column), any::<Option<bool>>().prop_map(Logic::Constant)];
    leaf.prop_recursive(5, 40, 4, |inner| {
        let boxed = inner.clone().prop_map(Box::new);
        let list = prop::collection::vec(inner, 1..4);
        prop_oneof![
            boxed.clone().prop_map(Logic::Not),
            list.clone().prop_map(Logic::And),
            list.clone().prop_map(Logic::Or),
            (boxed.clone(), boxed.clone()).prop_map(|(left, right)| Logic::Equal(left, right)),
            boxed.clone().prop_map(Logic::IsNull),
            (boxed, list.clone()).prop_map(|(inner, list)| Logic::In(inner, list)),
            list.prop_map(Logic::Coalesce),
        ]
    })
}

proptest! {
    #[test]
    fn logic_is_that_of_the_tables_of_truth(logic in logic(), row: [Option<bool>; 3]) {
        let cells: Vec<Option<Value>> = row.iter().map(|truth| truth.map(Value::Boolean)).collect();
        let expr = logic.expr();
        let env = Env { rows: &[&cells], author: None };
        let meaning = logic.meaning(&row);
        prop_assert_eq!(eval(&expr, env), Ok(meaning.map(Value::Boolean)));
        prop_assert_eq!(is_true(&expr, env), meaning == Some(true));
        prop_assert_eq!(is_not_false(&expr, env), Ok(meaning != Some(false)));
    }
}
