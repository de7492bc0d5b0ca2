//! Schemas, drawn with few words.
//!
//! ```ignore
//! patch([table("notes").required("title", LogicalType::Text).open()])
//! ```

use treaty_schema::{
    Change, Command, Comparison, Expr, Ident, Literal, LogicalType, NamedColumn, NamedCondition, NamedExpr, NamedFrom,
    NewCheck, NewColumn, NewForeignKey, NewPolicy, NewTable, NewUnique, OnDelete, Patch, PolicyTarget,
};

/// A table with its policies.
#[derive(Debug, Clone)]
pub struct TableDraft {
    table: NewTable,
    policies: Vec<NewPolicy>,
    frozen: Vec<Ident>,
}

/// Starts a table with its `id`.
pub fn table(name: &str) -> TableDraft {
    let table = NewTable {
        name: ident(name),
        columns: Vec::new(),
        primary_key: vec![ident("id")],
        checks: Vec::new(),
        uniques: Vec::new(),
        foreign_keys: Vec::new(),
    };
    TableDraft { table, policies: Vec::new(), frozen: Vec::new() }.required("id", LogicalType::Uuid)
}

/// The patch that makes these tables.
pub fn patch(tables: impl IntoIterator<Item = TableDraft>) -> Patch {
    let mut patch = Patch::default();
    let (mut rest, tables): (Vec<Change>, Vec<TableDraft>) = (Vec::new(), tables.into_iter().collect());
    for draft in tables {
        if !draft.frozen.is_empty() {
            rest.push(Change::RevokeUpdate { table: draft.table.name.clone(), columns: draft.frozen });
        }
        rest.extend(draft.policies.into_iter().map(Change::CreatePolicy));
        patch.changes.push(Change::CreateTable(draft.table));
    }
    patch.changes.extend(rest);
    patch
}

/// Adds who may sync.
#[must_use]
pub fn with_peers(mut patch: Patch, using: NamedCondition) -> Patch {
    patch.changes.push(Change::CreatePolicy(NewPolicy {
        name: ident("peers"),
        target: PolicyTarget::Peers,
        command: Command::Select,
        using: Some(using),
        with_check: None,
    }));
    patch
}

impl TableDraft {
    /// What the table is called.
    pub fn name(&self) -> &str {
        self.table.name.as_str()
    }

    /// Adds a column that may be NULL.
    #[must_use]
    pub fn column(mut self, name: &str, logical_type: LogicalType) -> TableDraft {
        self.table.columns.push(NewColumn { name: ident(name), logical_type, not_null: false, default: None });
        self
    }

    /// Adds a NOT NULL column.
    #[must_use]
    pub fn required(mut self, name: &str, logical_type: LogicalType) -> TableDraft {
        self.table.columns.push(NewColumn { name: ident(name), logical_type, not_null: true, default: None });
        self
    }

    /// Adds a foreign-key column that may be NULL.
    #[must_use]
    pub fn references(mut self, name: &str, target: &str, on_delete: OnDelete) -> TableDraft {
        self.refer(name, target, on_delete);
        self.column(name, LogicalType::Uuid)
    }

    /// Adds a NOT NULL foreign-key column.
    #[must_use]
    pub fn requires(mut self, name: &str, target: &str, on_delete: OnDelete) -> TableDraft {
        self.refer(name, target, on_delete);
        self.required(name, LogicalType::Uuid)
    }

    /// Says that columns never change.
    #[must_use]
    pub fn frozen(mut self, columns: &[&str]) -> TableDraft {
        self.frozen.extend(columns.iter().map(|column| ident(column)));
        self
    }

    /// Adds a UNIQUE key.
    #[must_use]
    pub fn unique(mut self, columns: &[&str]) -> TableDraft {
        let name = ident(&format!("{}_{}_key", self.table.name, columns.join("_")));
        self.table.uniques.push(NewUnique { name, columns: columns.iter().map(|column| ident(column)).collect() });
        self
    }

    /// Adds a CHECK.
    #[must_use]
    pub fn check(mut self, name: &str, expr: NamedExpr) -> TableDraft {
        self.table.checks.push(NewCheck { name: ident(name), expr });
        self
    }

    /// Adds a policy, called as its table and command, with a number.
    #[must_use]
    pub fn policy(mut self, command: Command, condition: NamedCondition) -> TableDraft {
        let verb = format!("{command:?}").to_lowercase();
        let is_insert = command == Command::Insert;
        self.policies.push(NewPolicy {
            name: ident(&format!("{}_{verb}_{}", self.table.name, self.policies.len())),
            target: PolicyTarget::Table(self.table.name.clone()),
            command,
            using: (!is_insert).then(|| condition.clone()),
            with_check: is_insert.then_some(condition),
        });
        self
    }

    fn refer(&mut self, name: &str, target: &str, on_delete: OnDelete) {
        self.table.foreign_keys.push(NewForeignKey {
            name: ident(&format!("{}_{name}_fkey", self.table.name)),
            columns: vec![ident(name)],
            target: ident(target),
            target_columns: Vec::new(),
            on_delete,
        });
    }

    /// Lets everybody do everything.
    #[must_use]
    pub fn open(self) -> TableDraft {
        self.policy(Command::Insert, always()).policy(Command::Update, always()).policy(Command::Delete, always())
    }
}

/// `TRUE`
pub fn always() -> NamedCondition {
    NamedCondition::Scalar(Expr::Literal(Literal::Boolean(true)))
}

/// An expression without EXISTS.
pub fn scalar(expr: NamedExpr) -> NamedCondition {
    NamedCondition::Scalar(expr)
}

/// `EXISTS (SELECT 1 FROM from WHERE filter)`; each of `from` is `table alias`.
pub fn exists(from: &[&str], filter: NamedExpr) -> NamedCondition {
    let from = from.iter().map(|text| {
        let (table, alias) = text.split_once(' ').expect("a table is followed by its alias");
        NamedFrom { table: ident(table), alias: Some(ident(alias)) }
    });
    NamedCondition::Exists(treaty_schema::Exists { from: from.collect(), filter })
}

/// A column, `alias.name` or `name`.
pub fn col(text: &str) -> NamedExpr {
    Expr::Column(match text.split_once('.') {
        Some((alias, column)) => NamedColumn { qualifier: Some(ident(alias)), column: ident(column) },
        None => NamedColumn { qualifier: None, column: ident(text) },
    })
}

/// `author()`
pub fn author() -> NamedExpr {
    Expr::Author
}

/// A text.
pub fn text(text: &str) -> NamedExpr {
    Expr::Literal(Literal::Text(text.to_owned()))
}

/// A number.
pub fn number(text: &str) -> NamedExpr {
    Expr::Literal(Literal::Number(text.to_owned()))
}

/// `left = right`
pub fn eq(left: NamedExpr, right: NamedExpr) -> NamedExpr {
    compare(Comparison::Equal, left, right)
}

/// `left op right`
pub fn compare(op: Comparison, left: NamedExpr, right: NamedExpr) -> NamedExpr {
    Expr::Compare { op, left: Box::new(left), right: Box::new(right) }
}

/// All of several.
pub fn all(parts: impl IntoIterator<Item = NamedExpr>) -> NamedExpr {
    Expr::And(parts.into_iter().collect())
}

fn ident(name: &str) -> Ident {
    Ident::new(name).expect("a drawn name is a name")
}
