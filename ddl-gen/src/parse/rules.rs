//! Statements about tables: `CREATE POLICY`, `REVOKE UPDATE`, `CREATE UNIQUE INDEX`.

use sqlparser::tokenizer::{Location, Token};
use treaty_schema::{Change, Command, Ident, NewPolicy, NewUnique, PolicyTarget};

use super::cursor::{Cursor, Named, is_word};
use super::expr;
use super::spans::ChangeSpans;
use crate::diagnostic::Mistake;

/// Reads a policy after `CREATE POLICY`; what is wrong goes to `mistakes`.
pub(super) fn create_policy(mut cursor: Cursor<'_>, mistakes: &mut Vec<Mistake>) -> Option<(Change, ChangeSpans)> {
    let before = mistakes.len();
    let header = policy_header(&mut cursor, mistakes);
    let (name, target, command) = match header {
        Ok(header) => header,
        Err(mistake) => {
            mistakes.push(mistake);
            return None;
        }
    };
    let mut spans = ChangeSpans::new(name.at);
    let (mut using, mut with_check) = (None, None);
    while !cursor.is_done() {
        let outcome = match () {
            () if cursor.eat_words(&["USING"]) => clause(&mut cursor, &mut spans.using, &mut using, mistakes),
            () if cursor.eat_words(&["WITH", "CHECK"]) => {
                clause(&mut cursor, &mut spans.with_check, &mut with_check, mistakes)
            }
            () => Err(cursor.expected("USING (...) or WITH CHECK (...)")),
        };
        if let Err(mistake) = outcome {
            mistakes.push(mistake);
            break;
        }
    }
    // A policy that lost a condition would permit more than its author wrote.
    if mistakes.len() > before {
        return None;
    }
    let policy = NewPolicy { name: name.name, target, command, using, with_check };
    Some((Change::CreatePolicy(policy), spans))
}

/// Reads the condition of USING or WITH CHECK.
fn clause(
    cursor: &mut Cursor<'_>,
    place: &mut Option<Location>,
    slot: &mut Option<treaty_schema::NamedCondition>,
    mistakes: &mut Vec<Mistake>,
) -> Result<(), Mistake> {
    let at = cursor.at();
    let inner = cursor.parenthesis("( and a condition")?;
    if place.is_some() {
        return Err(Mistake::new(at, "the policy has this clause twice").help("join the conditions with AND"));
    }
    *place = Some(inner.at());
    *slot = expr::condition(&inner, mistakes);
    Ok(())
}

/// Reads `name ON target [AS PERMISSIVE] FOR command [TO PUBLIC]`.
fn policy_header(
    cursor: &mut Cursor<'_>,
    mistakes: &mut Vec<Mistake>,
) -> Result<(Named, PolicyTarget, Command), Mistake> {
    let name = cursor.name("the name of the policy")?;
    cursor.expect_words(&["ON"])?;
    let target = policy_target(cursor)?;
    let at = cursor.at();
    if cursor.eat_words(&["AS", "RESTRICTIVE"]) {
        mistakes
            .push(Mistake::new(at, "policies are permissive").help("add the condition to the other policies with AND"));
    }
    cursor.eat_words(&["AS", "PERMISSIVE"]);
    let command = command(cursor)?;
    if cursor.is_words(&["TO"]) {
        to_public(cursor)?;
    }
    Ok((name, target, command))
}

/// Reads what a policy guards: a table, or a system relation.
fn policy_target(cursor: &mut Cursor<'_>) -> Result<PolicyTarget, Mistake> {
    for (word, target) in [("treaty_schema", PolicyTarget::Schema), ("treaty_peers", PolicyTarget::Peers)] {
        if cursor.peek().is_some_and(|token| is_system(token, word)) {
            cursor.advance();
            return Ok(target);
        }
    }
    if cursor.peek().is_some_and(|token| is_system(token, "treaty_blobs")) {
        return Err(Mistake::new(cursor.at(), "treaty_blobs cannot be guarded yet").help("leave the policy out"));
    }
    cursor.table_name("the table that the policy guards").map(|named| PolicyTarget::Table(named.name))
}

fn is_system(token: &Token, word: &str) -> bool {
    is_word(token, word) || matches!(token, Token::Word(found) if found.value == word)
}

/// Reads `FOR command`.
fn command(cursor: &mut Cursor<'_>) -> Result<Command, Mistake> {
    const HELP: &str = "write one policy each FOR INSERT, FOR UPDATE and FOR DELETE";
    let at = cursor.at();
    if !cursor.eat_words(&["FOR"]) || cursor.is_words(&["ALL"]) {
        return Err(Mistake::new(at, "a policy is for one command").help(HELP));
    }
    let commands = [
        ("SELECT", Command::Select),
        ("INSERT", Command::Insert),
        ("UPDATE", Command::Update),
        ("DELETE", Command::Delete),
    ];
    commands
        .into_iter()
        .find_map(|(word, command)| cursor.eat_words(&[word]).then_some(command))
        .ok_or_else(|| cursor.expected("INSERT, UPDATE, DELETE or SELECT").help(HELP))
}

/// Reads `TO PUBLIC`, which is everybody.
fn to_public(cursor: &mut Cursor<'_>) -> Result<(), Mistake> {
    let at = cursor.at();
    if cursor.eat_words(&["TO", "PUBLIC"]) && cursor.peek() != Some(&Token::Comma) {
        return Ok(());
    }
    Err(Mistake::new(at, "policies know authors, not database roles")
        .help("leave TO out and test author() in the condition"))
}

/// Reads `REVOKE UPDATE (columns) ON table FROM PUBLIC` after `REVOKE`.
///
/// # Errors
/// The mistake, for any other REVOKE.
pub(super) fn revoke(mut cursor: Cursor<'_>) -> Result<(Change, ChangeSpans), Mistake> {
    const HELP: &str = "write REVOKE UPDATE (column, ...) ON table FROM PUBLIC; policies say the rest";
    if !cursor.is_words(&["UPDATE"]) {
        return Err(Mistake::new(cursor.at(), "only UPDATE of named columns can be revoked").help(HELP));
    }
    cursor.advance();
    if cursor.peek() != Some(&Token::LParen) {
        return Err(Mistake::new(cursor.at(), "REVOKE UPDATE names columns")
            .help("write REVOKE UPDATE (column, ...); without an UPDATE policy nobody may update anything"));
    }
    let columns = cursor.names("column")?;
    cursor.expect_words(&["ON"]).map_err(|mistake| mistake.help(HELP))?;
    cursor.eat_words(&["TABLE"]);
    let table = cursor.table_name("the table")?;
    cursor.expect_words(&["FROM", "PUBLIC"]).map_err(|mistake| mistake.help(HELP))?;
    cursor.finish("REVOKE").map_err(|mistake| mistake.help(HELP))?;
    let mut spans = ChangeSpans::new(table.at);
    spans.revoked = columns.iter().map(|column| column.at).collect();
    let columns = columns.into_iter().map(|column| column.name).collect();
    Ok((Change::RevokeUpdate { table: table.name, columns }, spans))
}

/// A unique index, to be folded into its table.
pub(super) struct UniqueIndex {
    /// The table.
    pub(super) table: Named,
    /// Its name, if given.
    pub(super) name: Option<Ident>,
    /// Its columns.
    pub(super) columns: Vec<Ident>,
    /// Where it stands.
    pub(super) at: Location,
}

impl UniqueIndex {
    /// As a constraint of its table, with a name.
    pub(super) fn constraint(self, derive: impl FnOnce(&[Ident]) -> Ident) -> NewUnique {
        let name = self.name.unwrap_or_else(|| derive(&self.columns));
        NewUnique { name, columns: self.columns }
    }
}

/// Reads a unique index after `CREATE UNIQUE INDEX`.
///
/// # Errors
/// The mistake, for anything but plain columns.
pub(super) fn unique_index(mut cursor: Cursor<'_>, at: Location) -> Result<UniqueIndex, Mistake> {
    const HELP: &str = "write CREATE UNIQUE INDEX name ON table (column, ...)";
    if cursor.is_words(&["CONCURRENTLY"]) || cursor.is_words(&["IF"]) {
        return Err(Mistake::new(cursor.at(), "a unique index takes its columns and nothing else").help(HELP));
    }
    let name = if cursor.is_words(&["ON"]) { None } else { Some(cursor.name("the name of the index")?.name) };
    cursor.expect_words(&["ON"])?;
    let table = cursor.table_name("the table of the index")?;
    let columns = cursor.names("column").map_err(|mistake| mistake.help("a unique index is over plain columns"))?;
    if cursor.is_words(&["NULLS", "NOT"]) {
        return Err(Mistake::new(cursor.at(), "NULLs are distinct in a UNIQUE key")
            .help("declare the columns NOT NULL, with a value that means nothing"));
    }
    cursor.eat_words(&["NULLS", "DISTINCT"]);
    cursor.finish("the columns of a unique index").map_err(|mistake| mistake.help(HELP))?;
    let columns = columns.into_iter().map(|column| column.name).collect();
    Ok(UniqueIndex { table, name, columns, at })
}
