//! Test only: patches and rows drawn as text, so that a test shows its input as a reader would write it.
//!
//! A small, unforgiving reading of schema text: keywords in upper case, identifiers in lower case (or "Quoted"), `;` after
//! every statement. The product's parser is `ddl-gen`; this one panics where that one explains.

use crate::*;

/// Reads a patch.
pub(crate) fn patch(text: &str) -> Patch {
    let mut sketch = Sketch { tokens: tokens(text), at: 0 };
    let mut changes = Vec::new();
    while sketch.at < sketch.tokens.len() {
        changes.push(sketch.change());
        sketch.expect(";");
    }
    Patch { changes }
}

/// Reads a scalar expression.
pub(crate) fn expr(text: &str) -> NamedExpr {
    let mut sketch = Sketch { tokens: tokens(text), at: 0 };
    let expr = sketch.or_expr();
    assert_eq!(sketch.at, sketch.tokens.len(), "trailing text in {text}");
    expr
}

/// Reads a type.
pub(crate) fn logical_type(text: &str) -> LogicalType {
    Sketch { tokens: tokens(text), at: 0 }.logical_type()
}

/// Applies a patch that must be valid to the empty schema.
pub(crate) fn schema(text: &str) -> Schema {
    Schema::empty().apply(&patch(text)).unwrap_or_else(|violations| panic!("{violations:#?}"))
}

/// An identity whose key is one byte repeated.
pub(crate) fn identity(byte: u8) -> Identity {
    Identity { suite: Suite::Ed25519, key: [byte; 32] }
}

/// A row of a table from texts by column, in the form that each column's type reads; `NULL` is NULL, `author 7` an identity,
/// and a UUID may be one digit.
pub(crate) fn row(table: &Table, texts: &[&str]) -> Vec<Option<Value>> {
    assert_eq!(texts.len(), table.columns.len(), "one text for each column of {}", table.name);
    table.columns.iter().zip(texts).map(|(column, text)| cell(column.logical_type, text)).collect()
}

pub(crate) fn cell(logical_type: LogicalType, text: &str) -> Option<Value> {
    match (logical_type, text) {
        (_, "NULL") => None,
        (LogicalType::Uuid, digit) if digit.len() == 1 => Some(Value::Uuid([digit.parse().unwrap(); 16])),
        (LogicalType::Identity, author) if author.starts_with("author ") => {
            Some(Value::Identity(identity(author[7..].parse().unwrap())))
        }
        _ => Some(logical_type.parse(text).unwrap()),
    }
}

fn tokens(text: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let is_word = |c: char| c.is_alphanumeric() || c == '_' || (c == '.' && first.is_ascii_digit());
        let end = match first {
            '\'' | '"' => rest[1..].find(first).unwrap() + 2,
            _ if is_word(first) => rest.find(|c| !is_word(c)).unwrap_or(rest.len()),
            _ if ["<>", "<=", ">="].iter().any(|symbol| rest.starts_with(symbol)) => 2,
            _ => 1,
        };
        tokens.push(rest[..end].to_owned());
        rest = rest[end..].trim_start();
    }
    tokens
}

struct Sketch {
    tokens: Vec<String>,
    at: usize,
}

impl Sketch {
    fn peek(&self) -> &str {
        self.tokens.get(self.at).map_or("", String::as_str)
    }

    fn next(&mut self) -> String {
        self.at += 1;
        self.tokens[self.at - 1].clone()
    }

    /// Moves past `words` if they come next.
    fn take(&mut self, words: &str) -> bool {
        let words: Vec<&str> = words.split(' ').collect();
        let is_next =
            self.tokens[self.at..].iter().zip(&words).filter(|(token, word)| token == word).count() == words.len();
        self.at += if is_next { words.len() } else { 0 };
        is_next
    }

    fn expect(&mut self, words: &str) {
        assert!(self.take(words), "expected {words} at {:?}", &self.tokens[self.at..]);
    }

    fn ident(&mut self) -> Ident {
        Ident::new(self.next().trim_matches('"')).unwrap()
    }

    fn list<T>(&mut self, item: impl Fn(&mut Sketch) -> T) -> Vec<T> {
        self.expect("(");
        let mut items = Vec::new();
        while !self.take(")") {
            items.push(item(self));
            self.take(",");
        }
        items
    }

    fn change(&mut self) -> Change {
        if self.take("CREATE TABLE") {
            return Change::CreateTable(self.table());
        }
        if self.take("REVOKE UPDATE") {
            let columns = self.list(Sketch::ident);
            self.expect("ON");
            let table = self.ident();
            self.expect("FROM PUBLIC");
            return Change::RevokeUpdate { table, columns };
        }
        self.expect("CREATE POLICY");
        let name = self.ident();
        self.expect("ON");
        let target = match self.next().as_str() {
            "treaty_schema" => PolicyTarget::Schema,
            "treaty_peers" => PolicyTarget::Peers,
            table => PolicyTarget::Table(Ident::new(table).unwrap()),
        };
        self.expect("FOR");
        let command = match self.next().as_str() {
            "SELECT" => Command::Select,
            "INSERT" => Command::Insert,
            "UPDATE" => Command::Update,
            "DELETE" => Command::Delete,
            other => panic!("no command {other}"),
        };
        let using = self.take("USING").then(|| self.condition());
        let with_check = self.take("WITH CHECK").then(|| self.condition());
        Change::CreatePolicy(NewPolicy { name, target, command, using, with_check })
    }

    fn table(&mut self) -> NewTable {
        let name = self.ident();
        let (columns, primary_key) = (Vec::new(), Vec::new());
        let (checks, uniques, foreign_keys) = (Vec::new(), Vec::new(), Vec::new());
        let mut table = NewTable { name, columns, primary_key, checks, uniques, foreign_keys };
        self.expect("(");
        while !self.take(")") {
            let given = self.take("CONSTRAINT").then(|| self.ident());
            if self.take("CHECK") {
                self.check(&mut table, given, "");
            } else if self.take("UNIQUE") {
                let columns = self.list(Sketch::ident);
                let suffix: Vec<&str> = columns.iter().map(Ident::as_str).collect();
                let name = given.unwrap_or_else(|| derived(&table, &suffix.join("_"), "key"));
                table.uniques.push(NewUnique { name, columns });
            } else if self.take("PRIMARY KEY") {
                table.primary_key = self.list(Sketch::ident);
            } else if self.take("FOREIGN KEY") {
                let columns = self.list(Sketch::ident);
                self.expect("REFERENCES");
                self.references(&mut table, columns);
            } else {
                self.column(&mut table);
            }
            self.take(",");
        }
        table
    }

    fn column(&mut self, table: &mut NewTable) {
        let name = self.ident();
        let logical_type = self.logical_type();
        let index = table.columns.len();
        table.columns.push(NewColumn { name: name.clone(), logical_type, not_null: false, default: None });
        loop {
            if self.take("NOT NULL") {
                table.columns[index].not_null = true;
            } else if self.take("PRIMARY KEY") {
                table.primary_key.push(name.clone());
            } else if self.take("UNIQUE") {
                table
                    .uniques
                    .push(NewUnique { name: derived(table, name.as_str(), "key"), columns: vec![name.clone()] });
            } else if self.take("CHECK") {
                self.check(table, None, name.as_str());
            } else if self.take("REFERENCES") {
                self.references(table, vec![name.clone()]);
            } else if self.take("DEFAULT") {
                table.columns[index].default = Some(self.default());
            } else {
                return;
            }
        }
    }

    fn default(&mut self) -> NewDefault {
        if self.take("gen_random_uuid ( )") {
            return NewDefault::RandomUuid;
        }
        if self.take("now ( )") {
            return NewDefault::Now;
        }
        let negative = self.take("-");
        match self.primary() {
            Expr::Literal(literal) => NewDefault::Literal { negative, literal },
            other => panic!("no default: {other:?}"),
        }
    }

    fn check(&mut self, table: &mut NewTable, given: Option<Ident>, column: &str) {
        let expr = self.primary();
        let number = table.checks.len();
        let name = given.unwrap_or_else(|| derived(table, &format!("{column}{number}"), "check"));
        table.checks.push(NewCheck { name, expr });
    }

    fn references(&mut self, table: &mut NewTable, columns: Vec<Ident>) {
        let target = self.ident();
        let target_columns = if self.peek() == "(" { self.list(Sketch::ident) } else { Vec::new() };
        let on_delete = match () {
            () if self.take("ON DELETE CASCADE") => OnDelete::Cascade,
            () if self.take("ON DELETE RESTRICT") => OnDelete::Restrict,
            () if self.take("ON DELETE SET NULL") => OnDelete::SetNull,
            () => OnDelete::NoAction,
        };
        let name = derived(table, columns[0].as_str(), "fkey");
        table.foreign_keys.push(NewForeignKey { name, columns, target, target_columns, on_delete });
    }

    fn logical_type(&mut self) -> LogicalType {
        let name = self.next();
        let arguments = if self.peek() == "(" { self.list(Sketch::next) } else { Vec::new() };
        match name.as_str() {
            "BOOLEAN" => LogicalType::Boolean,
            "INTEGER" => LogicalType::Integer,
            "BIGINT" => LogicalType::BigInt,
            "DOUBLE" => {
                self.take("PRECISION");
                LogicalType::Double
            }
            "NUMERIC" => {
                LogicalType::Numeric { precision: arguments[0].parse().unwrap(), scale: arguments[1].parse().unwrap() }
            }
            "TEXT" => LogicalType::Text,
            "VARCHAR" => LogicalType::Varchar { chars_max: arguments[0].parse().unwrap() },
            "BYTEA" => LogicalType::Bytes,
            "UUID" => LogicalType::Uuid,
            "DATE" => LogicalType::Date,
            "TIME" => LogicalType::Time,
            "TIMESTAMP" => LogicalType::Timestamp,
            "TIMESTAMPTZ" => LogicalType::TimestampTz,
            "JSONB" => LogicalType::Json,
            "IDENTITY" => LogicalType::Identity,
            other => panic!("no type {other}"),
        }
    }

    /// A condition in parentheses: EXISTS under AND and OR, where parentheses group conditions only if an EXISTS is within.
    fn condition(&mut self) -> NamedCondition {
        self.expect("(");
        let condition = self.or_condition();
        self.expect(")");
        condition
    }

    fn or_condition(&mut self) -> NamedCondition {
        let mut items = vec![self.and_condition()];
        while self.take("OR") {
            items.push(self.and_condition());
        }
        if items.len() == 1 { items.remove(0) } else { Condition::Or(items) }
    }

    fn and_condition(&mut self) -> NamedCondition {
        let mut items = vec![self.condition_leaf()];
        while self.take("AND") {
            items.push(self.condition_leaf());
        }
        if items.len() == 1 { items.remove(0) } else { Condition::And(items) }
    }

    fn condition_leaf(&mut self) -> NamedCondition {
        if self.take("EXISTS ( SELECT 1 FROM") {
            let mut from = Vec::new();
            while !matches!(self.peek(), "WHERE" | ")") {
                let table = self.ident();
                let alias = (!matches!(self.peek(), "," | "WHERE" | ")")).then(|| self.ident());
                from.push(NamedFrom { table, alias });
                self.take(",");
            }
            let filter = if self.take("WHERE") { self.or_expr() } else { Expr::Literal(Literal::Boolean(true)) };
            self.expect(")");
            return Condition::Exists(Exists { from, filter });
        }
        if self.peek() == "(" && self.group_has_exists() {
            return self.condition();
        }
        Condition::Scalar(self.not_expr())
    }

    fn group_has_exists(&self) -> bool {
        let mut depth = 0;
        for token in &self.tokens[self.at..] {
            match token.as_str() {
                "(" => depth += 1,
                ")" => depth -= 1,
                "EXISTS" => return true,
                _ => {}
            }
            if depth == 0 {
                return false;
            }
        }
        false
    }

    fn or_expr(&mut self) -> NamedExpr {
        let mut items = vec![self.and_expr()];
        while self.take("OR") {
            items.push(self.and_expr());
        }
        if items.len() == 1 { items.remove(0) } else { Expr::Or(items) }
    }

    fn and_expr(&mut self) -> NamedExpr {
        let mut items = vec![self.not_expr()];
        while self.take("AND") {
            items.push(self.not_expr());
        }
        if items.len() == 1 { items.remove(0) } else { Expr::And(items) }
    }

    fn not_expr(&mut self) -> NamedExpr {
        if self.take("NOT") {
            return Expr::Not(Box::new(self.not_expr()));
        }
        let left = self.sum();
        let boxed = Box::new(left.clone());
        if self.take("IS NOT NULL") {
            return Expr::Not(Box::new(Expr::IsNull(boxed)));
        }
        if self.take("IS NULL") {
            return Expr::IsNull(boxed);
        }
        if self.take("IN") {
            return Expr::In { expr: boxed, list: self.list(Sketch::sum) };
        }
        let ops = [
            ("=", Comparison::Equal),
            ("<>", Comparison::NotEqual),
            ("<=", Comparison::LessOrEqual),
            (">=", Comparison::GreaterOrEqual),
            ("<", Comparison::Less),
            (">", Comparison::Greater),
        ];
        for (symbol, op) in ops {
            if self.take(symbol) {
                return Expr::Compare { op, left: boxed, right: Box::new(self.sum()) };
            }
        }
        left
    }

    fn sum(&mut self) -> NamedExpr {
        let mut left = self.product();
        while let Some(op) = match self.peek() {
            "+" => Some(Arithmetic::Add),
            "-" => Some(Arithmetic::Subtract),
            _ => None,
        } {
            self.at += 1;
            left = Expr::Arithmetic { op, left: Box::new(left), right: Box::new(self.product()) };
        }
        left
    }

    fn product(&mut self) -> NamedExpr {
        let mut left = self.primary();
        while self.take("*") {
            let right = Box::new(self.primary());
            left = Expr::Arithmetic { op: Arithmetic::Multiply, left: Box::new(left), right };
        }
        left
    }

    fn primary(&mut self) -> NamedExpr {
        if self.take("-") {
            return Expr::Negate(Box::new(self.primary()));
        }
        if self.take("(") {
            let inner = self.or_expr();
            self.expect(")");
            return inner;
        }
        if self.take("author ( )") {
            return Expr::Author;
        }
        if self.take("length") {
            return Expr::Length(Box::new(self.list(Sketch::sum).remove(0)));
        }
        if self.take("coalesce") {
            return Expr::Coalesce(self.list(Sketch::or_expr));
        }
        let token = self.next();
        match token.as_str() {
            "NULL" => Expr::Literal(Literal::Null),
            "TRUE" => Expr::Literal(Literal::Boolean(true)),
            "FALSE" => Expr::Literal(Literal::Boolean(false)),
            _ if token.starts_with('\'') => Expr::Literal(Literal::Text(token.trim_matches('\'').to_owned())),
            _ if token.starts_with(|c: char| c.is_ascii_digit()) => Expr::Literal(Literal::Number(token)),
            _ => {
                self.at -= 1;
                let first = self.ident();
                if !self.take(".") {
                    return Expr::Column(NamedColumn { qualifier: None, column: first });
                }
                Expr::Column(NamedColumn { qualifier: Some(first), column: self.ident() })
            }
        }
    }
}

fn derived(table: &NewTable, middle: &str, suffix: &str) -> Ident {
    Ident::new(&format!("{}_{middle}_{suffix}", table.name)).unwrap()
}
