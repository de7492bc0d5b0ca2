//! `EXISTS (SELECT 1 FROM t [alias], ... WHERE ...)`: the one query of the language.

use sqlparser::ast::{Expr as Ast, Query, SelectItem, SetExpr, TableFactor, TableWithJoins};
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::parser::Parser;
use sqlparser::tokenizer::Location;
use treaty_schema::{Exists, Expr, Literal, NamedColumn, NamedFrom};

use super::expr::Reader;

const HELP: &str = "write EXISTS (SELECT 1 FROM table [alias], ... WHERE ...)";

/// What the language takes out of a query.
struct Parts {
    at: Location,
    projection: Vec<SelectItem>,
    from: Vec<TableWithJoins>,
    filter: Option<Ast>,
}

/// Reads the query of an EXISTS, and takes it apart.
pub(super) fn exists(reader: &mut Reader<'_>, query: &mut Query) -> Option<Exists<NamedFrom, NamedColumn, Literal>> {
    let Some(parts) = take_parts(query) else {
        return reader.refuse(reader.start, "EXISTS takes one plain SELECT", HELP);
    };
    // What is left must be what is left of the plainest query: so no clause goes unnoticed, whatever sqlparser learns to read.
    if template().is_none_or(|template| template != *query) {
        return reader.refuse(parts.at, "EXISTS takes a SELECT with FROM and WHERE, and nothing else", HELP);
    }
    if !matches!(parts.projection.as_slice(), [SelectItem::UnnamedExpr(Ast::Value(_) | Ast::Identifier(_))]) {
        // An aggregate would make EXISTS true whatever WHERE says.
        return reader.refuse(parts.at, "EXISTS selects a constant", "write SELECT 1");
    }
    if parts.from.is_empty() {
        return reader.refuse(parts.at, "EXISTS without FROM says nothing about rows", HELP);
    }
    let from: Vec<_> = parts.from.iter().map(|table| named_from(reader, table, parts.at)).collect();
    let filter = match &parts.filter {
        Some(filter) => reader.scalar(filter, 1),
        None => Some(Expr::Literal(Literal::Boolean(true))),
    };
    Some(Exists { from: from.into_iter().collect::<Option<Vec<_>>>()?, filter: filter? })
}

/// Takes projection, tables and filter out of a query, without copying them: they may be deep.
fn take_parts(query: &mut Query) -> Option<Parts> {
    let SetExpr::Select(select) = query.body.as_mut() else { return None };
    Some(Parts {
        at: select.select_token.0.span.start,
        projection: std::mem::take(&mut select.projection),
        from: std::mem::take(&mut select.from),
        filter: select.selection.take(),
    })
}

/// `SELECT 1 FROM t`, parsed and taken apart.
fn template() -> Option<Query> {
    let mut query = plainest()?;
    take_parts(&mut query)?;
    Some(query)
}

fn plainest() -> Option<Query> {
    let dialect = PostgreSqlDialect {};
    let query = Parser::new(&dialect).try_with_sql("SELECT 1 FROM t").ok()?.parse_query().ok()?;
    Some(*query)
}

fn named_from(reader: &mut Reader<'_>, table: &TableWithJoins, at: Location) -> Option<NamedFrom> {
    if !table.joins.is_empty() {
        return reader.refuse(at, "JOIN is not part of the language", "write FROM a, b WHERE a.column = b.column");
    }
    let TableFactor::Table { name, alias, .. } = &table.relation else {
        return reader.refuse(at, "FROM takes tables only", HELP);
    };
    let [part] = name.0.as_slice() else {
        return reader.refuse(at, "tables of a schema file are not qualified", "write the table's name alone");
    };
    let Some(ident) = part.as_ident().filter(|_| is_plain(&table.relation)) else {
        return reader.refuse(at, "FROM takes tables only", HELP);
    };
    let found = reader.ident(ident)?;
    let alias = match alias {
        Some(alias) => Some(reader.ident(&alias.name)?),
        None => None,
    };
    Some(NamedFrom { table: found, alias })
}

/// Whether the table has nothing but its name and alias.
fn is_plain(relation: &TableFactor) -> bool {
    let Some(mut parts) = plainest().and_then(|mut query| take_parts(&mut query)) else { return false };
    let (Some(plain), TableFactor::Table { name: found_name, alias: found_alias, .. }) =
        (parts.from.first_mut().map(|table| &mut table.relation), relation)
    else {
        return false;
    };
    if let TableFactor::Table { name, alias, .. } = plain {
        name.clone_from(found_name);
        alias.clone_from(found_alias);
    }
    plain == relation && found_alias.as_ref().is_none_or(|alias| alias.columns.is_empty())
}
