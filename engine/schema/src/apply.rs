//! Making a schema version out of its predecessor and a patch: the one judge of what a valid schema is.
//!
//! Changes are taken in order; what a change introduces can be named by it and by later ones. A change with mistakes still
//! introduces what it can, so that one mistake is not reported again wherever its object is used. What needs the whole
//! patch (guard columns, the columns that merge as one value) is judged at the end. The rules are those of
//! docs/spec/schema.md, section Rules.

use std::collections::{BTreeMap, BTreeSet};

use crate::resolve::Mistake;
use crate::{Change, Ident, ObjectId, Part, Patch, Place, Policy, PolicyTarget, Schema, SchemaVersion, Violation};

mod constraints;
mod guards;
mod policies;
mod tables;

use guards::Guards;

/// Most violations reported: a person mends no more in one go, and a hostile patch must not fill the memory with them.
pub const VIOLATIONS_MAX: usize = 1_000;

impl Schema {
    /// Makes the version that `patch` makes out of this one.
    ///
    /// # Errors
    /// Every broken rule of the patch, in the order of their places; never empty, at most [`VIOLATIONS_MAX`].
    pub fn apply(&self, patch: &Patch) -> Result<Schema, Vec<Violation>> {
        let mut draft = Draft::new(self, patch);
        for (index, change) in patch.changes.iter().enumerate() {
            draft.change = index;
            match change {
                Change::CreateTable(table) => draft.create_table(table),
                Change::CreatePolicy(policy) => draft.create_policy(policy),
                Change::RevokeUpdate { table, columns } => draft.revoke_update(table, columns),
            }
        }
        draft.judge_guards();
        draft.finish()
    }
}

/// A schema version in the making.
struct Draft {
    schema: Schema,
    version: SchemaVersion,
    /// Objects introduced so far: the index of the next.
    object_count: u32,
    /// The change being made.
    change: usize,
    /// The change that introduced each table of this patch, by index into the schema's tables.
    new_tables: BTreeMap<usize, usize>,
    /// What each name of a table or of a UNIQUE key, in lower case, stands for: they share their names.
    relations: BTreeMap<String, String>,
    /// The policies' names, in lower case.
    policy_names: BTreeSet<(PolicyTarget, String)>,
    guards: Guards,
    violations: Violations,
}

/// What was found so far, at most [`VIOLATIONS_MAX`].
#[derive(Default)]
struct Violations(Vec<Violation>);

impl Violations {
    fn push(&mut self, violation: Violation) {
        if self.0.len() < VIOLATIONS_MAX {
            self.0.push(violation);
        }
    }
}

impl Draft {
    fn new(predecessor: &Schema, patch: &Patch) -> Draft {
        let mut relations = BTreeMap::new();
        let mut policy_names = BTreeSet::new();
        let mut note_policies = |target: &PolicyTarget, policies: &[Policy]| {
            policy_names.extend(policies.iter().map(|policy| (target.clone(), fold(&policy.name))));
        };
        note_policies(&PolicyTarget::Schema, &predecessor.schema_policies);
        note_policies(&PolicyTarget::Peers, &predecessor.peer_policies);
        for table in &predecessor.tables {
            relations.insert(fold(&table.name), describe_table(&table.name));
            let uniques = table.uniques.iter();
            relations.extend(uniques.map(|unique| (fold(&unique.name), describe_unique(&unique.name, &table.name))));
            note_policies(&PolicyTarget::Table(table.name.clone()), &table.policies);
        }
        Draft {
            schema: predecessor.clone(),
            version: predecessor.version.successor(patch),
            object_count: 0,
            change: 0,
            new_tables: BTreeMap::new(),
            relations,
            policy_names,
            guards: Guards::of(predecessor),
            violations: Violations::default(),
        }
    }

    fn finish(mut self) -> Result<Schema, Vec<Violation>> {
        let Violations(mut violations) = self.violations;
        if !violations.is_empty() {
            violations.sort_by(|left, right| left.place.cmp(&right.place));
            return Err(violations);
        }
        self.schema.version = self.version;
        Ok(self.schema)
    }

    /// The permanent name of the next object.
    fn next_id(&mut self) -> ObjectId {
        let id = ObjectId { version: self.version, index: self.object_count };
        self.object_count += 1;
        id
    }

    fn place(&self, part: Part) -> Place {
        Place { change: self.change, part }
    }

    fn refuse(&mut self, part: Part, message: impl Into<String>) {
        let place = self.place(part);
        self.violations.push(Violation { place, message: message.into(), help: None });
    }

    fn refuse_with_help(&mut self, part: Part, message: impl Into<String>, help: impl Into<String>) {
        let place = self.place(part);
        self.violations.push(Violation { place, message: message.into(), help: Some(help.into()) });
    }

    fn refuse_mistakes(&mut self, part: &Part, mistakes: Vec<Mistake>) {
        for Mistake { message, help } in mistakes {
            let place = self.place(part.clone());
            self.violations.push(Violation { place, message, help });
        }
    }
}

/// SQLite ignores the case of ASCII letters in names.
fn fold(name: &Ident) -> String {
    name.as_str().to_ascii_lowercase()
}

fn describe_table(name: &Ident) -> String {
    format!("table {name}")
}

fn describe_unique(name: &Ident, table: &Ident) -> String {
    format!("UNIQUE {name} of table {table}")
}
