//! Who signs a transaction: whom its rows name, else whom its statements named, else the node.

use std::collections::BTreeSet;

use treaty_engine::identity::Identity;

use super::{Effect, Group, Line, Plan, Touched};
use crate::database::{After, DatabaseError};
use crate::link::EngineLink;

/// Who signs, and how reports print it.
#[derive(Debug)]
pub(crate) struct Author {
    /// Who signs.
    pub(crate) identity: Identity,
    /// Who was named.
    pub(crate) text: String,
}

/// Why a transaction is refused without asking the engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LocalRefusal {
    /// A stable code.
    pub(crate) code: &'static str,
    /// One sentence in lower case without a full stop.
    pub(crate) message: String,
    /// Index of the operation at fault, where the engine blames one.
    pub(crate) operation: Option<usize>,
}

/// The authors that statements of a group named, by part; empty if none named any.
#[derive(Debug, Default)]
pub(crate) struct NamedByLines<'q>(Vec<BTreeSet<&'q str>>);

impl<'q> NamedByLines<'q> {
    /// Collects them.
    ///
    /// * `authors` - of the queue, which lines name by index.
    pub(crate) fn of_group(authors: &'q [String], lines: &[Line], plan: &Plan, group: &Group) -> NamedByLines<'q> {
        if authors.is_empty() {
            return NamedByLines::default();
        }
        let starts = plan.parts_of(group);
        let part = |index: usize| {
            let end = starts.get(index + 1).copied().unwrap_or(group.lines.end);
            let named = lines[starts[index]..end].iter().filter_map(|line| authors.get(line.author? as usize));
            named.map(String::as_str).collect()
        };
        NamedByLines((0..starts.len()).map(part).collect())
    }

    /// Returns the authors that statements of the rows' transactions named.
    pub(crate) fn of_rows(&self, rows: &[Touched]) -> BTreeSet<String> {
        if self.0.is_empty() {
            return BTreeSet::new();
        }
        rows.iter().flat_map(|touched| self.of_part(touched.place.part_last)).map(str::to_owned).collect()
    }

    fn of_part(&self, part: usize) -> impl Iterator<Item = &'q str> + '_ {
        self.0.get(part).into_iter().flatten().copied()
    }
}

/// The authors of rows with an effect, none for the node's own: whom a row names, and whom the statements of its part
/// named. A deleted row names none itself, and goes with its transaction.
pub(crate) fn authors(rows: &[Touched], named: &NamedByLines<'_>) -> BTreeSet<Option<String>> {
    let mut authors = BTreeSet::new();
    for touched in rows {
        let (counts, is_there) = match touched.after {
            After::Absent => (touched.effect != Effect::Nothing, false),
            After::Row(..) => (touched.effect != Effect::Nothing, true),
            After::Bad(..) => (true, true),
        };
        if !counts {
            continue;
        }
        let mut by_lines = named.of_part(touched.place.part_last).map(|text| Some(text.to_owned())).peekable();
        let is_own = is_there && touched.author.is_none() && by_lines.peek().is_none();
        authors.extend(by_lines);
        authors.extend(touched.author.clone().map(Some));
        if is_own {
            authors.insert(None);
        }
    }
    authors
}

/// Decides who signs a transaction of these authors, and whether it can be signed at all.
///
/// * `own` - the node's identity.
/// * `remedy` - how to write two transactions instead.
pub(crate) fn judge(
    own: Identity,
    authors: &BTreeSet<Option<String>>,
    remedy: &str,
    link: &mut dyn EngineLink,
) -> Result<(Author, Option<LocalRefusal>), DatabaseError> {
    let refused = |text: &str, message: String| {
        let author = Author { identity: own, text: text.to_owned() };
        Ok((author, Some(LocalRefusal { code: "author", message, operation: None })))
    };
    let named: Vec<&str> = authors.iter().flatten().map(String::as_str).collect();
    let text = match named[..] {
        [] => return Ok((Author { identity: own, text: own.to_string() }, None)),
        [text] if authors.len() == 1 => text,
        [text, ..] => return refused(text, format!("rows of two authors in one transaction: {remedy}")),
    };
    let identity = match Identity::parse(text) {
        Ok(identity) => identity,
        Err(cause) => return refused(text, format!("treaty_author is no identity: {cause}")),
    };
    if !link.signs_for(&identity)? {
        return refused(text, format!("treaty_author names {identity}, whose key is not on this node"));
    }
    Ok((Author { identity, text: identity.to_string() }, None))
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use treaty_engine::relation::RowId;

    use super::*;
    use crate::capture::{GroupRow, Pauses, Said, ShownRow, plan};
    use crate::database::{Form, StoredId};

    /// Reads `a@x b` for statements that touched rows a, for author x, and b, for nobody; transactions are parted by `|`.
    fn queue(text: &str) -> (Vec<Line>, Vec<String>) {
        let (mut lines, mut authors, mut transaction) = (Vec::new(), Vec::new(), 1);
        for word in text.split_whitespace() {
            if word == "|" {
                transaction += 1;
                continue;
            }
            let (row, author) = word.split_once('@').map_or((word, None), |(row, author)| (row, Some(author)));
            let author = author.map(|author| {
                let known = authors.iter().position(|known: &String| known == author);
                let index = known.unwrap_or_else(|| {
                    authors.push(author.to_owned());
                    authors.len() - 1
                });
                u32::try_from(index).unwrap()
            });
            let said = Said::Touched(ShownRow { table: 0, id: RowId([row.as_bytes()[0]; 16]) });
            let seq = i64::try_from(lines.len()).unwrap();
            lines.push(Line { transaction, author, ..Line::plain(seq, 0, said) });
        }
        (lines, authors)
    }

    /// Reads `a=x b-` for rows: a names author x, b was deleted, c, alone, names nobody, d. changed nothing.
    fn row(place: &GroupRow, rows: &str) -> Touched {
        let letter = char::from(place.key.id.0[0]);
        let word = rows.split_whitespace().find(|word| word.starts_with(letter)).unwrap();
        let (after, effect) = match &word[1..] {
            "-" => (After::Absent, Effect::Delete),
            "." => (After::Row(Vec::new(), Form::Canonical), Effect::Nothing),
            _ => (After::Row(Vec::new(), Form::Canonical), Effect::Insert),
        };
        let author = word.split_once('=').map(|(_, author)| author.to_owned());
        let stored_id = StoredId::of(place.key.id);
        Touched {
            key: place.key,
            place: *place,
            stored_id,
            author_before: None,
            after,
            author,
            effect,
            unset: Vec::new(),
        }
    }

    fn check(lines: &str, rows: &str, expected: &Expect) {
        let (lines, named) = queue(lines);
        let plan = plan(&lines, Pauses::Ignored);
        let of_group = |group: &Group| {
            let by_lines = NamedByLines::of_group(&named, &lines, &plan, group);
            let rows: Vec<Touched> = plan.rows_of(group).iter().map(|place| row(place, rows)).collect();
            let authors = authors(&rows, &by_lines);
            authors.into_iter().map(|author| author.unwrap_or("own".into())).collect::<Vec<_>>().join("+")
        };
        expected.assert_eq(&plan.groups.iter().map(of_group).collect::<Vec<_>>().join(" ; "));
    }

    #[test]
    fn rows_that_name_nobody_are_the_nodes_or_the_transactions() {
        check("a b", "a b", &expect!["own"]);
        check("a@x b@x | c", "a b c", &expect!["x ; own"]);
        check("a b@x", "a b", &expect!["x"]);
    }

    #[test]
    fn a_deleted_row_goes_with_its_transaction() {
        check("a", "a-", &expect![""]);
        check("a@x", "a-", &expect!["x"]);
        check("a b", "a- b=x", &expect!["x"]);
    }

    #[test]
    fn two_authors_in_one_transaction_are_found() {
        check("a@x b@y", "a b", &expect!["x+y"]);
        check("a@x", "a=y", &expect!["x+y"]);
        check("a@x", "a=x", &expect!["x"]);
        check("a b", "a=x b", &expect!["own+x"]);
    }

    #[test]
    fn who_changed_nothing_is_nobody() {
        check("a@x", "a.", &expect![""]);
        check("a@x b", "a. b.", &expect![""]);
    }

    #[test]
    fn a_row_of_joined_transactions_is_its_last_touchers() {
        check("a@x b@x | a@y", "a b", &expect!["x+y"]);
        check("a@x | a@y", "a", &expect!["y"]);
    }
}
