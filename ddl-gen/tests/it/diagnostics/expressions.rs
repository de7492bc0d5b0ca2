//! What is said about expressions, in CHECK and in policies.

use expect_test::expect;

use super::{COLUMN, check_each, shown};

#[test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn expressions_outside_the_language_come_with_what_to_write() {
    check_each(
        COLUMN,
        &[
            "a TEXT CHECK (a LIKE 'x%')",
            "a TEXT CHECK (a ~ 'x')",
            "a TEXT CHECK (lower(a) = a)",
            "a TIMESTAMPTZ CHECK (a < now())",
            "a TEXT CHECK (a::integer > 5)",
            "a DATE CHECK (a > DATE '2024-01-01')",
            "a BOOLEAN CHECK (a IS TRUE)",
            "a INTEGER CHECK (a / 2 = 1)",
            "a INTEGER CHECK (CASE WHEN a > 1 THEN true END)",
            "a INTEGER CHECK (a IN (SELECT 1))",
            "a INTEGER CHECK (EXISTS (SELECT 1 FROM t))",
            "a IDENTITY CHECK (a = author())",
            "a INTEGER CHECK (a > 1e3)",
            "a INTEGER CHECK (a > 1 b)",
            "a INTEGER CHECK (a > )",
            "a INTEGER CHECK ()",
            "a INTEGER CHECK (count(*) > 1)",
            "a INTEGER CHECK (a > user)",
            "a INTEGER CHECK (a > 1 AND b > 1 OR lower(c) = d)",
        ],
        &expect![[r#"
            a TEXT CHECK (a LIKE 'x%')
              2:15: patterns are not part of the language
              help: expressions know AND OR NOT, = <> < <= > >=, IN, BETWEEN, IS [NOT] NULL, + - *, length, coalesce, literals, columns, author(), and in policies EXISTS (SELECT 1 FROM t WHERE ...)
            a TEXT CHECK (a ~ 'x')
              2:15: the operator ~ is not part of the language
              help: expressions know AND OR NOT, = <> < <= > >=, IN, BETWEEN, IS [NOT] NULL, + - *, length, coalesce, literals, columns, author(), and in policies EXISTS (SELECT 1 FROM t WHERE ...)
            a TEXT CHECK (lower(a) = a)
              2:15: the function lower is not part of the language
              help: expressions know AND OR NOT, = <> < <= > >=, IN, BETWEEN, IS [NOT] NULL, + - *, length, coalesce, literals, columns, author(), and in policies EXISTS (SELECT 1 FROM t WHERE ...)
            a TIMESTAMPTZ CHECK (a < now())
              2:26: a rule must not depend on the clock
              help: give a column DEFAULT now() and compare columns
            a TEXT CHECK (a::integer > 5)
              2:15: casts are not part of the language
              help: leave the cast out: a literal takes its type from what it is compared with
            a DATE CHECK (a > DATE '2024-01-01')
              2:15: a literal takes its type from what it is compared with
              help: write the text alone: '2024-01-31'
            a BOOLEAN CHECK (a IS TRUE)
              2:18: IS TRUE and its like are not part of the language
              help: write coalesce(condition, FALSE)
            a INTEGER CHECK (a / 2 = 1)
              2:18: the operator / is not part of the language
              help: expressions know AND OR NOT, = <> < <= > >=, IN, BETWEEN, IS [NOT] NULL, + - *, length, coalesce, literals, columns, author(), and in policies EXISTS (SELECT 1 FROM t WHERE ...)
            a INTEGER CHECK (CASE WHEN a > 1 THEN true END)
              2:18: CASE is not part of the language
              help: write it with AND and OR
            a INTEGER CHECK (a IN (SELECT 1))
              2:18: subqueries stand only in EXISTS
              help: write EXISTS (SELECT 1 FROM t WHERE t.column = ...)
            a INTEGER CHECK (EXISTS (SELECT 1 FROM t))
              2:18: EXISTS stands only in policies, there only under AND and OR
              help: take it out of NOT, comparisons and CHECK
            a IDENTITY CHECK (a = author())
              2:12: author() cannot stand in a CHECK: a CHECK is about the row alone
              help: a policy may use author()
            a INTEGER CHECK (a > 1e3)
              2:22: a number is written as digits, with a point or without
              help: write 1500 for 1.5e3
            a INTEGER CHECK (a > 1 b)
              2:24: unexpected b after the expression
              help: expressions know AND OR NOT, = <> < <= > >=, IN, BETWEEN, IS [NOT] NULL, + - *, length, coalesce, literals, columns, author(), and in policies EXISTS (SELECT 1 FROM t WHERE ...)
            a INTEGER CHECK (a > )
              2:22: expected an expression, the expression ends
              help: expressions know AND OR NOT, = <> < <= > >=, IN, BETWEEN, IS [NOT] NULL, + - *, length, coalesce, literals, columns, author(), and in policies EXISTS (SELECT 1 FROM t WHERE ...)
            a INTEGER CHECK ()
              2:18: expected a condition, found nothing
            a INTEGER CHECK (count(*) > 1)
              2:18: the function count is not part of the language
              help: expressions know AND OR NOT, = <> < <= > >=, IN, BETWEEN, IS [NOT] NULL, + - *, length, coalesce, literals, columns, author(), and in policies EXISTS (SELECT 1 FROM t WHERE ...)
            a INTEGER CHECK (a > user)
              2:22: the function user is not part of the language
              help: expressions know AND OR NOT, = <> < <= > >=, IN, BETWEEN, IS [NOT] NULL, + - *, length, coalesce, literals, columns, author(), and in policies EXISTS (SELECT 1 FROM t WHERE ...)
            a INTEGER CHECK (a > 1 AND b > 1 OR lower(c) = d)
              2:37: the function lower is not part of the language
              help: expressions know AND OR NOT, = <> < <= > >=, IN, BETWEEN, IS [NOT] NULL, + - *, length, coalesce, literals, columns, author(), and in policies EXISTS (SELECT 1 FROM t WHERE ...)
        "#]],
    );
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn policies_outside_the_language_come_with_what_to_write() {
    check_each(
        "CREATE TABLE t (id UUID PRIMARY KEY, a INTEGER, who IDENTITY); REVOKE UPDATE (a, who) ON t FROM PUBLIC;
CREATE POLICY p ON $;",
        &[
            "t FOR ALL USING (true)",
            "t AS RESTRICTIVE FOR INSERT WITH CHECK (true)",
            "t FOR INSERT TO admin WITH CHECK (true)",
            "t FOR INSERT USING (true)",
            "t FOR DELETE USING (true) USING (true)",
            "t FOR DELETE USING (EXISTS (SELECT count(*) FROM t x))",
            "t FOR DELETE USING (EXISTS (SELECT 1 FROM t x JOIN t y ON x.a = y.a))",
            "t FOR DELETE USING (EXISTS (SELECT 1 FROM t x WHERE x.a = 1 LIMIT 1))",
            "t FOR DELETE USING (EXISTS (SELECT 1 FROM t x WHERE x.a = 1 UNION SELECT 1 FROM t))",
            "t FOR DELETE USING (EXISTS (SELECT 1))",
            "t FOR DELETE USING (EXISTS (SELECT 1 FROM public.t))",
            "t FOR DELETE USING (NOT (EXISTS (SELECT 1 FROM t x)))",
            "t FOR DELETE USING (who = author() OR NOT EXISTS (SELECT 1 FROM t x))",
            "treaty_blobs FOR SELECT USING (true)",
            "treaty_peers FOR INSERT WITH CHECK (true)",
            "public.t FOR DELETE USING (true)",
            "t FOR DELETE",
        ],
        &expect![[r#"
            t FOR ALL USING (true)
              2:22: a policy is for one command
              help: write one policy each FOR INSERT, FOR UPDATE and FOR DELETE
            t AS RESTRICTIVE FOR INSERT WITH CHECK (true)
              2:22: policies are permissive
              help: add the condition to the other policies with AND
            t FOR INSERT TO admin WITH CHECK (true)
              2:33: policies know authors, not database roles
              help: leave TO out and test author() in the condition
            t FOR INSERT USING (true)
              2:40: a policy FOR INSERT has no USING: there is no row before it
              help: write WITH CHECK (...) instead
            t FOR DELETE USING (true) USING (true)
              2:52: the policy has this clause twice
              help: join the conditions with AND
            t FOR DELETE USING (EXISTS (SELECT count(*) FROM t x))
              2:48: EXISTS selects a constant
              help: write SELECT 1
            t FOR DELETE USING (EXISTS (SELECT 1 FROM t x JOIN t y ON x.a = y.a))
              2:48: JOIN is not part of the language
              help: write FROM a, b WHERE a.column = b.column
            t FOR DELETE USING (EXISTS (SELECT 1 FROM t x WHERE x.a = 1 LIMIT 1))
              2:48: EXISTS takes a SELECT with FROM and WHERE, and nothing else
              help: write EXISTS (SELECT 1 FROM table [alias], ... WHERE ...)
            t FOR DELETE USING (EXISTS (SELECT 1 FROM t x WHERE x.a = 1 UNION SELECT 1 FROM t))
              2:40: EXISTS takes one plain SELECT
              help: write EXISTS (SELECT 1 FROM table [alias], ... WHERE ...)
            t FOR DELETE USING (EXISTS (SELECT 1))
              2:48: EXISTS without FROM says nothing about rows
              help: write EXISTS (SELECT 1 FROM table [alias], ... WHERE ...)
            t FOR DELETE USING (EXISTS (SELECT 1 FROM public.t))
              2:48: tables of a schema file are not qualified
              help: write the table's name alone
            t FOR DELETE USING (NOT (EXISTS (SELECT 1 FROM t x)))
              2:40: EXISTS stands only in policies, there only under AND and OR
              help: take it out of NOT, comparisons and CHECK
            t FOR DELETE USING (who = author() OR NOT EXISTS (SELECT 1 FROM t x))
              2:40: NOT EXISTS is not part of the language
              help: a policy may rely on rows that are there, not on rows that are missing
            treaty_blobs FOR SELECT USING (true)
              2:20: treaty_blobs cannot be guarded yet
              help: leave the policy out
            treaty_peers FOR INSERT WITH CHECK (true)
              2:15: treaty_peers takes no policy FOR INSERT
              help: write FOR SELECT: who may sync this space
            public.t FOR DELETE USING (true)
              2:20: tables of a schema file are not qualified
              help: write the table's name alone
            t FOR DELETE
              2:15: policy p has no condition
              help: write USING (true) if DELETE is open to all
        "#]],
    );
}

#[test]
fn deep_and_long_expressions_are_refused_and_nothing_overflows() {
    let nest = |depth: usize| format!("{}a > 1{}", "(".repeat(depth), ")".repeat(depth));
    let mut found = String::new();
    for condition in [
        nest(100_000),
        nest(900),
        nest(30),
        format!("0 < {}", vec!["a"; 990].join(" + ")),
        vec!["a > 1"; 300].join(" AND "),
        vec!["a > 1"; 450].join(" AND "),
        format!("{} a > 1", "NOT ".repeat(500)),
        format!("a{}", " IS NULL".repeat(900)),
        format!("a{}", "::integer".repeat(900)),
    ] {
        found.push_str(&shown(&COLUMN.replace('$', &format!("a INTEGER CHECK ({condition})"))));
        found.push_str("--\n");
    }
    let policy = format!(
        "CREATE POLICY p ON t FOR DELETE USING (EXISTS (SELECT 1 FROM t WHERE a = {}))",
        vec!["1"; 900].join(" + ")
    );
    found.push_str(&shown(&format!("CREATE TABLE t (id UUID PRIMARY KEY, a INTEGER); {policy}")));
    expect![[r#"
        s.sql:2:18: the expression has 200003 tokens, limit 2000
        --
        s.sql:2:18: the expression is nested deeper than 50 levels
        --
        note: s.sql:1:1: nobody may ever change this schema: treaty_schema has no policy
          help: write CREATE POLICY name ON treaty_schema FOR INSERT WITH CHECK (...);
        note: s.sql:1:1: nobody may sync this space: treaty_peers has no policy
          help: write CREATE POLICY name ON treaty_peers FOR SELECT USING (...);
        note: s.sql:1:14: nobody may DELETE in t: it has no policy for that
          help: to open it to all, write CREATE POLICY name ON t FOR DELETE USING (true);
        note: s.sql:1:14: nobody may INSERT in t: it has no policy for that
          help: to open it to all, write CREATE POLICY name ON t FOR INSERT WITH CHECK (true);
        note: s.sql:1:14: nobody may UPDATE in t: it has no policy for that
          help: to open it to all, write CREATE POLICY name ON t FOR UPDATE USING (true);
        --
        s.sql:2:22: the expression is nested deeper than 64 levels
          help: split it, or write it flatter
        s.sql:2:3730: the expression is nested deeper than 64 levels
          help: split it, or write it flatter
        --
        note: s.sql:1:1: nobody may ever change this schema: treaty_schema has no policy
          help: write CREATE POLICY name ON treaty_schema FOR INSERT WITH CHECK (...);
        note: s.sql:1:1: nobody may sync this space: treaty_peers has no policy
          help: write CREATE POLICY name ON treaty_peers FOR SELECT USING (...);
        note: s.sql:1:14: nobody may DELETE in t: it has no policy for that
          help: to open it to all, write CREATE POLICY name ON t FOR DELETE USING (true);
        note: s.sql:1:14: nobody may INSERT in t: it has no policy for that
          help: to open it to all, write CREATE POLICY name ON t FOR INSERT WITH CHECK (true);
        note: s.sql:1:14: nobody may UPDATE in t: it has no policy for that
          help: to open it to all, write CREATE POLICY name ON t FOR UPDATE USING (true);
        --
        s.sql:2:11: the expression is nested deeper than 64 or has more than 1000 terms
          help: split it, or enumerate less
        --
        s.sql:2:214: unexpected NOT after the expression
          help: expressions know AND OR NOT, = <> < <= > >=, IN, BETWEEN, IS [NOT] NULL, + - *, length, coalesce, literals, columns, author(), and in policies EXISTS (SELECT 1 FROM t WHERE ...)
        --
        s.sql:2:18: the expression is nested deeper than 64 levels
          help: split it, or write it flatter
        --
        s.sql:2:18: casts are not part of the language
          help: leave the cast out: a literal takes its type from what it is compared with
        --
        s.sql:1:123: the expression is nested deeper than 64 levels
          help: split it, or write it flatter
        s.sql:1:3471: the expression is nested deeper than 64 levels
          help: split it, or write it flatter
    "#]].assert_eq(&found);
}
