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
        Ok((author, Some(LocalRefusal { code: "author", message })))
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
