//! `EXISTS (SELECT 1 FROM t [alias], ... WHERE ...)`: the one query of the language.

use sqlparser::ast::{Expr as Ast, Query, Select, SelectItem, SetExpr, TableFactor, TableWithJoins};
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::parser::Parser;
use treaty_schema::{Exists, Expr, Literal, NamedColumn, NamedFrom};

use super::expr::Reader;

const HELP: &str = "write EXISTS (SELECT 1 FROM table [alias], ... WHERE ...)";

/// Reads the query of an EXISTS.
pub(super) fn exists(reader: &mut Reader<'_>, query: &Query) -> Option<Exists<NamedFrom, NamedColumn, Literal>> {
    let SetExpr::Select(select) = query.body.as_ref() else {
        return reader.refuse(query, "EXISTS takes one plain SELECT", HELP);
    };
    if !is_bare(query, select) {
        return reader.refuse(query, "EXISTS takes a SELECT with FROM and WHERE, and nothing else", HELP);
    }
    if !matches!(select.projection.as_slice(), [SelectItem::UnnamedExpr(Ast::Value(_) | Ast::Identifier(_))]) {
        // An aggregate would make EXISTS true whatever WHERE says.
        return reader.refuse(query, "EXISTS selects a constant", "write SELECT 1");
    }
    let from: Vec<_> = select.from.iter().map(|table| named_from(reader, table)).collect();
    let filter = match &select.selection {
        Some(filter) => reader.scalar(filter, 1),
        None => Some(Expr::Literal(Literal::Boolean(true))),
    };
    if from.is_empty() {
        return reader.refuse(query, "EXISTS without FROM is always true", HELP);
    }
    Some(Exists { from: from.into_iter().collect::<Option<Vec<_>>>()?, filter: filter? })
}

/// Whether the query has no clause besides those of the language: equal to the plainest one, once these are taken over.
fn is_bare(query: &Query, select: &Select) -> bool {
    let Some(mut bare) = template() else { return false };
    let SetExpr::Select(plain) = bare.body.as_mut() else { return false };
    plain.projection.clone_from(&select.projection);
    plain.from.clone_from(&select.from);
    plain.selection.clone_from(&select.selection);
    bare == *query
}

/// `SELECT 1 FROM t`, parsed.
fn template() -> Option<Query> {
    let dialect = PostgreSqlDialect {};
    let query = Parser::new(&dialect).try_with_sql("SELECT 1 FROM t").ok()?.parse_query().ok()?;
    Some(*query)
}

fn named_from(reader: &mut Reader<'_>, table: &TableWithJoins) -> Option<NamedFrom> {
    if !table.joins.is_empty() {
        return reader.refuse(table, "JOIN is not part of the language", "write FROM a, b WHERE a.column = b.column");
    }
    let TableFactor::Table { name, alias, .. } = &table.relation else {
        return reader.refuse(table, "FROM takes tables only", HELP);
    };
    let [part] = name.0.as_slice() else {
        return reader.refuse(table, "tables of a schema file are not qualified", "write the table's name alone");
    };
    let Some(ident) = part.as_ident() else { return reader.refuse(table, "FROM takes tables only", HELP) };
    if !is_plain_table(&table.relation) {
        return reader.refuse(table, "FROM takes tables only", HELP);
    }
    let found = reader.ident(ident)?;
    let alias = match alias {
        Some(alias) => Some(reader.ident(&alias.name)?),
        None => None,
    };
    Some(NamedFrom { table: found, alias })
}

/// Whether the table has nothing but its name and alias.
fn is_plain_table(relation: &TableFactor) -> bool {
    let Some(mut plain) = template() else { return false };
    let SetExpr::Select(select) = plain.body.as_mut() else { return false };
    let Some(TableFactor::Table { name, alias, .. }) = select.from.first_mut().map(|table| &mut table.relation) else {
        return false;
    };
    let TableFactor::Table { name: found_name, alias: found_alias, .. } = relation else { return false };
    if found_alias.as_ref().is_some_and(|alias| !alias.columns.is_empty()) {
        return false;
    }
    name.clone_from(found_name);
    alias.clone_from(found_alias);
    select.from.first().is_some_and(|table| table.relation == *relation)
}
