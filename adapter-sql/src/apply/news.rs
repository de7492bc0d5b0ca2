//! News of verdicts: what was rolled back or reinstated is told in `treaty_rollbacks`, in the transaction of its batch.
//!
//! The status of a row follows: 'reverted' where the last of the changes made here that there is news of was rolled back,
//! 'committed' where it was reinstated.

use std::collections::BTreeMap;

use treaty_engine::identity::Identity;
use treaty_engine::relation::RowName;
use treaty_engine::replica::{Report as News, Verb, Verdict};
use treaty_schema::Schema;

use crate::capture::{Operation, Report, Step, json_of_some};
use crate::database::{COMMITTED, Database, DatabaseError, REVERTED};
use crate::link::{EngineLink, LinkError};

/// The reason told of a change that is reinstated though no report of it is here.
const REINSTATED: &str = "reinstated";

/// What news mean for the status of rows, by their permanent names.
pub(super) type Statuses = BTreeMap<RowName, &'static str>;

/// Tells news.
///
/// * `news` - by position and operation.
pub(super) fn tell(
    db: &mut dyn Database,
    schema: &Schema,
    news: Vec<News>,
    link: &mut dyn EngineLink,
) -> Result<Statuses, DatabaseError> {
    let (mut statuses, mut authors) = (Statuses::new(), Authors::default());
    for one in news {
        let Author { text, is_local } = authors.get(&one.author, link)?;
        if *is_local {
            statuses.insert(one.name, if one.verdict == Verdict::Live { COMMITTED } else { REVERTED });
        }
        tell_one(db, schema, one, text)?;
    }
    Ok(statuses)
}

fn tell_one(db: &mut dyn Database, schema: &Schema, news: News, author: &str) -> Result<(), DatabaseError> {
    let News { entry, transaction, operation, table, row, verb, lost, verdict, .. } = news;
    let (entry, step) = (entry.to_string(), Step { transaction, operation });
    let is_live = verdict == Verdict::Live;
    if is_live && db.reinstate_step(&entry, step)? {
        return Ok(());
    }
    let (reason, message, culprit) = match verdict {
        Verdict::Live => (REINSTATED, "reinstated: what stood against it does not stand any more".to_owned(), None),
        Verdict::Void { reason, message, culprit } => (reason.code(), message, culprit),
    };
    let report = Report {
        entry: Some(entry),
        step: Some(step),
        table: schema.tables()[table].name.to_string(),
        row: row.to_string(),
        operation: operation_of(verb),
        author: author.to_owned(),
        lost: json_of_some(&schema.tables()[table], &lost),
        reason: reason.to_owned(),
        message,
        culprit: culprit.map(|culprit| culprit.entry.to_string()),
    };
    let cursor = db.add_report(&report)?;
    if is_live { db.mark_reinstated(cursor) } else { Ok(()) }
}

fn operation_of(verb: Verb) -> Operation {
    match verb {
        Verb::Insert => Operation::Insert,
        Verb::Update => Operation::Update,
        Verb::Delete => Operation::Delete,
    }
}

/// Authors that were met: few, of many changes.
#[derive(Default)]
struct Authors(BTreeMap<Identity, Author>);

/// What is asked of an author once.
struct Author {
    text: String,
    /// Whether changes of theirs are made on this node.
    is_local: bool,
}

impl Authors {
    fn get(&mut self, identity: &Identity, link: &mut dyn EngineLink) -> Result<&Author, LinkError> {
        use std::collections::btree_map::Entry;
        Ok(match self.0.entry(*identity) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => {
                place.insert(Author { text: identity.to_string(), is_local: link.signs_for(identity)? })
            }
        })
    }
}
