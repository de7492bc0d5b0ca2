//! `CREATE TABLE`: columns, their options, and the constraints of the table.

use sqlparser::tokenizer::{Location, Token};
use treaty_schema::{Ident, LogicalType, NewCheck, NewColumn, NewForeignKey, NewTable, NewUnique, OnDelete};

use super::cursor::{Cursor, Named};
use super::expr::{self, columns_of};
use super::literal::default_value;
use super::names::Names;
use super::spans::ChangeSpans;
use super::types::logical_type;
use crate::diagnostic::Mistake;

/// A table as read, with what could not be read left out.
pub(super) struct TableText {
    /// For the patch.
    pub(super) table: NewTable,
    /// Where its parts stand.
    pub(super) spans: ChangeSpans,
    /// Columns whose type could not be read, by name; they stand in `table` as TEXT.
    pub(super) untyped: Vec<Ident>,
    /// Whether a column could not be read at all.
    pub(super) is_torn: bool,
    /// Names of its constraints.
    pub(super) names: Names,
}

/// Reads a table after `CREATE TABLE`; what is wrong goes to `mistakes`, what is right to the result.
///
/// * returns - nothing if not even its name and parentheses could be read.
pub(super) fn create_table(mut cursor: Cursor<'_>, mistakes: &mut Vec<Mistake>) -> Option<TableText> {
    let (name, inner) = match header(&mut cursor) {
        Ok(header) => header,
        Err(mistake) => {
            mistakes.push(mistake);
            return None;
        }
    };
    if let Err(mistake) = cursor.finish("the columns of a table") {
        mistakes.push(mistake.help("CREATE TABLE name (columns and constraints); takes nothing else"));
    }
    let mut reader = TableReader::new(&name, mistakes);
    for part in inner.parts() {
        reader.element(part);
    }
    if inner.is_done() {
        reader
            .mistakes
            .push(Mistake::new(inner.at(), "the table has no columns").help("id UUID PRIMARY KEY comes first"));
    }
    Some(reader.finish())
}

/// Reads `[IF NOT EXISTS] name ( ... )`.
fn header<'t>(cursor: &mut Cursor<'t>) -> Result<(Named, Cursor<'t>), Mistake> {
    let at = cursor.at();
    if cursor.eat_words(&["IF", "NOT", "EXISTS"]) {
        return Err(
            Mistake::new(at, "IF NOT EXISTS has no meaning in a schema file").help("write CREATE TABLE name (...)")
        );
    }
    let name = cursor.table_name("the name of the table")?;
    if cursor.is_words(&["AS"]) || cursor.is_words(&["PARTITION"]) {
        return Err(
            Mistake::new(cursor.at(), "a table is declared by its columns").help("write CREATE TABLE name (...)")
        );
    }
    let inner = cursor.parenthesis("( and the columns of the table")?;
    Ok((name, inner))
}

/// A table being read.
struct TableReader<'m> {
    text: TableText,
    mistakes: &'m mut Vec<Mistake>,
}

impl<'m> TableReader<'m> {
    fn new(name: &Named, mistakes: &'m mut Vec<Mistake>) -> TableReader<'m> {
        let table = NewTable {
            name: name.name.clone(),
            columns: Vec::new(),
            primary_key: Vec::new(),
            checks: Vec::new(),
            uniques: Vec::new(),
            foreign_keys: Vec::new(),
        };
        let names = Names::new(&name.name);
        let spans = ChangeSpans::new(name.at);
        TableReader { text: TableText { table, spans, untyped: Vec::new(), is_torn: false, names }, mistakes }
    }

    fn finish(self) -> TableText {
        self.text
    }

    /// Reads one element between commas: a column or a constraint.
    fn element(&mut self, mut part: Cursor<'_>) {
        const CONSTRAINTS: [&str; 7] = ["CONSTRAINT", "CHECK", "UNIQUE", "PRIMARY", "FOREIGN", "EXCLUDE", "LIKE"];
        if part.is_done() {
            self.mistakes.push(Mistake::new(part.at(), "a column or constraint is missing here"));
            return;
        }
        if CONSTRAINTS.iter().any(|word| part.is_words(&[word])) {
            let outcome = self.table_constraint(&mut part);
            self.note(outcome);
            return;
        }
        match part.name("the name of a column") {
            Ok(name) => self.column(&name, part),
            Err(mistake) => {
                self.text.is_torn = true;
                self.mistakes.push(mistake);
            }
        }
    }

    fn note(&mut self, outcome: Result<(), Mistake>) {
        if let Err(mistake) = outcome {
            self.mistakes.push(mistake);
        }
    }

    /// Reads a column's type and options.
    fn column(&mut self, name: &Named, mut part: Cursor<'_>) {
        let mut is_typed = true;
        let logical_type = logical_type(&mut part).unwrap_or_else(|mistake| {
            self.mistakes.push(mistake);
            self.text.untyped.push(name.name.clone());
            is_typed = false;
            LogicalType::Text
        });
        if !is_typed && !is_option(&part) {
            skip_to_option(&mut part);
        }
        self.text.spans.columns.push(name.at);
        self.text.spans.defaults.push(None);
        let mut column = NewColumn { name: name.name.clone(), logical_type, not_null: false, default: None };
        while !part.is_done() {
            if let Err(mistake) = self.column_option(&mut column, name.at, &mut part) {
                self.mistakes.push(mistake);
                skip_to_option(&mut part);
            }
        }
        self.text.table.columns.push(column);
    }

    /// Reads one option of a column.
    fn column_option(&mut self, column: &mut NewColumn, at: Location, part: &mut Cursor<'_>) -> Result<(), Mistake> {
        let name = constraint_name(part)?;
        let here = part.at();
        let this = Named { name: column.name.clone(), at };
        if part.eat_words(&["NOT", "NULL"]) {
            column.not_null = true;
            return Ok(());
        }
        if part.eat_words(&["NULL"]) {
            return nullable(column, here);
        }
        if part.eat_words(&["DEFAULT"]) {
            if column.default.is_some() {
                return Err(Mistake::new(here, format!("{} has two defaults", column.name)));
            }
            let place = part.at();
            column.default = Some(default_value(part)?);
            if let Some(slot) = self.text.spans.defaults.last_mut() {
                *slot = Some(place);
            }
            return Ok(());
        }
        if part.eat_words(&["PRIMARY", "KEY"]) {
            return self.primary_key(vec![this], here);
        }
        if part.eat_words(&["UNIQUE"]) {
            return self.unique(name, vec![this], here, part);
        }
        if part.eat_words(&["CHECK"]) {
            return self.check(name, part, here);
        }
        if part.is_words(&["REFERENCES"]) {
            return self.foreign_key(name, vec![this], here, part);
        }
        Err(unknown_option(part))
    }

    /// Reads a constraint of the table.
    fn table_constraint(&mut self, part: &mut Cursor<'_>) -> Result<(), Mistake> {
        let name = constraint_name(part)?;
        let here = part.at();
        if part.eat_words(&["CHECK"]) {
            self.check(name, part, here)?;
        } else if part.eat_words(&["PRIMARY", "KEY"]) {
            let columns = part.names("column")?;
            self.primary_key(columns, here)?;
        } else if part.eat_words(&["UNIQUE"]) {
            unique_nulls(part)?;
            let columns = part.names("column")?;
            self.unique(name, columns, here, part)?;
        } else if part.eat_words(&["FOREIGN", "KEY"]) {
            let columns = part.names("column")?;
            self.foreign_key(name, columns, here, part)?;
        } else if part.eat_words(&["EXCLUDE"]) {
            return Err(Mistake::new(here, "EXCLUDE constraints are not part of the language")
                .help("write UNIQUE over columns that name the slot, or a CHECK"));
        } else if part.eat_words(&["LIKE"]) {
            return Err(Mistake::new(here, "LIKE is not part of the language").help("write the columns out"));
        } else {
            return Err(part.expected("CHECK, UNIQUE, FOREIGN KEY or PRIMARY KEY"));
        }
        part.finish("the constraint")
    }

    fn primary_key(&mut self, columns: Vec<Named>, at: Location) -> Result<(), Mistake> {
        if self.text.spans.primary_key.is_some() {
            return Err(Mistake::new(at, format!("{} has two primary keys", self.text.table.name)));
        }
        self.text.spans.primary_key = Some(at);
        self.text.table.primary_key = columns.into_iter().map(|named| named.name).collect();
        Ok(())
    }

    fn unique(
        &mut self,
        name: Option<Ident>,
        columns: Vec<Named>,
        at: Location,
        part: &mut Cursor<'_>,
    ) -> Result<(), Mistake> {
        unique_nulls(part)?;
        refuse_characteristics(part)?;
        let columns: Vec<Ident> = columns.into_iter().map(|named| named.name).collect();
        let name = name.unwrap_or_else(|| self.text.names.derive(&columns, "key"));
        self.text.spans.uniques.push(at);
        self.text.table.uniques.push(NewUnique { name, columns });
        Ok(())
    }

    fn check(&mut self, name: Option<Ident>, part: &mut Cursor<'_>, at: Location) -> Result<(), Mistake> {
        let inner = part.parenthesis("( and a condition")?;
        if part.is_words(&["NO", "INHERIT"]) || part.is_words(&["NOT", "VALID"]) {
            return Err(part.expected("a comma or the next constraint"));
        }
        let Some(expr) = expr::scalar(&inner, self.mistakes) else { return Ok(()) };
        let name = name.unwrap_or_else(|| {
            let columns = columns_of(&expr);
            let one = if columns.len() == 1 { columns } else { Vec::new() };
            self.text.names.derive(&one, "check")
        });
        self.text.spans.checks.push(at);
        self.text.table.checks.push(NewCheck { name, expr });
        Ok(())
    }

    fn foreign_key(
        &mut self,
        name: Option<Ident>,
        columns: Vec<Named>,
        at: Location,
        part: &mut Cursor<'_>,
    ) -> Result<(), Mistake> {
        part.expect_words(&["REFERENCES"])?;
        let target = part.table_name("the table referred to")?.name;
        let target_columns = if part.peek() == Some(&Token::LParen) { part.names("column")? } else { Vec::new() };
        let on_delete = foreign_key_options(part)?;
        let columns: Vec<Ident> = columns.into_iter().map(|named| named.name).collect();
        let name = name.unwrap_or_else(|| self.text.names.derive(&columns, "fkey"));
        let target_columns = target_columns.into_iter().map(|named| named.name).collect();
        self.text.spans.foreign_keys.push(at);
        self.text.table.foreign_keys.push(NewForeignKey { name, columns, target, target_columns, on_delete });
        Ok(())
    }
}

/// Reads `CONSTRAINT name` if it is there.
fn constraint_name(part: &mut Cursor<'_>) -> Result<Option<Ident>, Mistake> {
    if !part.eat_words(&["CONSTRAINT"]) {
        return Ok(None);
    }
    part.name("the name of the constraint").map(|named| Some(named.name))
}

/// `NULL` as an option says nothing, unless it contradicts.
fn nullable(column: &NewColumn, at: Location) -> Result<(), Mistake> {
    if column.not_null {
        return Err(Mistake::new(at, format!("{} is both NULL and NOT NULL", column.name)));
    }
    Ok(())
}

/// Reads `NULLS DISTINCT`, the only way NULLs are.
fn unique_nulls(part: &mut Cursor<'_>) -> Result<(), Mistake> {
    let at = part.at();
    if part.eat_words(&["NULLS", "NOT", "DISTINCT"]) {
        return Err(Mistake::new(at, "NULLs are distinct in a UNIQUE key")
            .help("declare the columns NOT NULL, with a value that means nothing"));
    }
    part.eat_words(&["NULLS", "DISTINCT"]);
    Ok(())
}

/// Refuses DEFERRABLE and the like on a UNIQUE key.
fn refuse_characteristics(part: &Cursor<'_>) -> Result<(), Mistake> {
    let words: [&[&str]; 4] = [&["DEFERRABLE"], &["INITIALLY"], &["NOT", "DEFERRABLE"], &["INCLUDE"]];
    if words.iter().any(|words| part.is_words(words)) {
        return Err(Mistake::new(part.at(), "a UNIQUE key takes nothing but its columns")
            .help("leave it out; the generated SQL lets unique values swap within a transaction"));
    }
    Ok(())
}

/// Reads the actions of a foreign key; returns ON DELETE's.
fn foreign_key_options(part: &mut Cursor<'_>) -> Result<OnDelete, Mistake> {
    let mut on_delete = OnDelete::NoAction;
    loop {
        let at = part.at();
        if part.eat_words(&["ON", "DELETE"]) {
            on_delete = delete_action(part)?;
        } else if part.eat_words(&["ON", "UPDATE"]) {
            return Err(
                Mistake::new(at, "the id of a row never changes, so ON UPDATE has no meaning").help("leave it out")
            );
        } else if part.is_words(&["MATCH"]) || part.is_words(&["DEFERRABLE"]) || part.is_words(&["INITIALLY"]) {
            return Err(Mistake::new(at, "a foreign key takes nothing but ON DELETE")
                .help("leave it out; the generated SQL makes foreign keys deferrable"));
        } else {
            return Ok(on_delete);
        }
    }
}

fn delete_action(part: &mut Cursor<'_>) -> Result<OnDelete, Mistake> {
    let at = part.at();
    let actions: [(&[&str], OnDelete); 4] = [
        (&["NO", "ACTION"], OnDelete::NoAction),
        (&["RESTRICT"], OnDelete::Restrict),
        (&["CASCADE"], OnDelete::Cascade),
        (&["SET", "NULL"], OnDelete::SetNull),
    ];
    for (words, action) in actions {
        if part.eat_words(words) {
            return Ok(action);
        }
    }
    let help = "write ON DELETE NO ACTION, RESTRICT, CASCADE or SET NULL";
    if part.eat_words(&["SET", "DEFAULT"]) {
        return Err(Mistake::new(at, "ON DELETE SET DEFAULT is not part of the language").help(help));
    }
    Err(part.expected("an action of ON DELETE").help(help))
}

/// The mistake of an option that columns do not have.
fn unknown_option(part: &Cursor<'_>) -> Mistake {
    let at = part.at();
    if part.is_words(&["GENERATED"]) {
        return Mistake::new(at, "generated columns are not part of the language")
            .help("compute it when reading, or write the value");
    }
    if part.is_words(&["COLLATE"]) {
        return Mistake::new(at, "text is compared by code point, everywhere the same").help("leave COLLATE out");
    }
    part.expected("NOT NULL, DEFAULT, CHECK, UNIQUE, REFERENCES or PRIMARY KEY")
}

/// Reads on to the next word that starts an option, at least one token on.
fn skip_to_option(part: &mut Cursor<'_>) {
    while part.advance().is_some() {
        if is_option(part) {
            return;
        }
    }
}

/// Whether the next word starts an option of a column.
fn is_option(part: &Cursor<'_>) -> bool {
    const OPTIONS: [&str; 8] = ["NOT", "DEFAULT", "CHECK", "UNIQUE", "REFERENCES", "PRIMARY", "CONSTRAINT", "NULL"];
    OPTIONS.iter().any(|word| part.is_words(&[word]))
}
