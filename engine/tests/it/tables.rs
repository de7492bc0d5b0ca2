//! The schemas that the tests of tables and admission use, and a replica that hears a story.

use std::collections::BTreeMap;

use treaty_engine::cotx::{Refusal, VerdictStore};
use treaty_engine::hash::EntryId;
use treaty_engine::log::{Entry, LogStore};
use treaty_engine::relation::CoTx;
use treaty_engine::replica::Replica;
use treaty_engine::store::Sqlite;
use treaty_schema::{Command, Comparison, LogicalType, OnDelete, Patch};
use treaty_testkit::{
    CoTxName, History, Story, Verdict, VoidReason, all, always, author, col, compare, eq, exists, number, patch,
    scalar, table, text, with_peers,
};

/// Members with roles, projects of owners, tasks in projects, tags on tasks.
pub(crate) fn office() -> Patch {
    let is_admin = || exists(&["members m"], all([eq(col("m.who"), author()), eq(col("m.role"), text("admin"))]));
    let is_member = || exists(&["members m"], eq(col("m.who"), author()));
    let owns_project = || exists(&["projects p"], all([eq(col("p.id"), col("project")), eq(col("p.owner"), author())]));
    let members = table("members")
        .required("who", LogicalType::Identity)
        .required("role", LogicalType::Text)
        .unique(&["who", "role"])
        .frozen(&["who", "role"])
        .policy(Command::Insert, is_admin())
        .policy(Command::Delete, is_admin());
    let projects = table("projects")
        .required("owner", LogicalType::Identity)
        .required("name", LogicalType::Varchar { chars_max: 8 })
        .column("budget", LogicalType::Integer)
        .column("spent", LogicalType::Integer)
        .check("within", compare(Comparison::LessOrEqual, col("spent"), col("budget")))
        .frozen(&["owner"])
        .policy(Command::Insert, scalar(eq(col("owner"), author())))
        .policy(Command::Insert, is_admin())
        .policy(Command::Update, is_member())
        .policy(Command::Delete, scalar(eq(col("owner"), author())));
    let tasks = table("tasks")
        .references("project", "projects", OnDelete::Cascade)
        .column("title", LogicalType::Text)
        .column("slot", LogicalType::Integer)
        .references("blocker", "tasks", OnDelete::SetNull)
        .check("slots", compare(Comparison::Greater, col("slot"), number("0")))
        .unique(&["project", "slot"])
        .policy(Command::Insert, owns_project())
        .policy(Command::Update, is_member())
        .policy(Command::Delete, is_admin());
    let tags = table("tags")
        .references("task", "tasks", OnDelete::NoAction)
        .column("label", LogicalType::Text)
        .unique(&["label"])
        .policy(Command::Insert, is_member())
        .policy(Command::Update, always())
        .policy(Command::Delete, always());
    with_peers(patch([members, projects, tasks, tags]), is_member())
}

/// The rows that [`office`] starts with: author 0 administers, 1 and 2 edit.
pub(crate) const STAFF: &str = "insert members boss who=@0 role=admin; insert members ann who=@1 role=editor; \
                                insert members bob who=@2 role=editor";

/// A replica of a story's space that heard nothing but genesis.
pub(crate) fn replica_of(story: &Story) -> Replica {
    Replica::join(Sqlite::in_memory().unwrap(), story.entry("genesis").clone(), story.space()).unwrap()
}

/// The reference evaluator's history of the same.
pub(crate) fn history_of(story: &Story) -> History {
    let mut history = History::new(story.schema.clone());
    history.add(story.entry("genesis")).unwrap();
    history
}

/// The co-transactions that are void for a replica, among those of some entries.
pub(crate) fn voids_of(replica: &Replica, entries: &[EntryId]) -> BTreeMap<CoTxName, Verdict> {
    let store = replica.store();
    let name = |of: CoTx| CoTxName { entry: store.stamp(of.pos).unwrap().id, transaction: of.transaction };
    let mut voids = BTreeMap::new();
    for entry in entries {
        let Some(pos) = store.position_of(entry).unwrap() else { continue };
        for (transaction, void) in store.voids_of_entry(pos).unwrap() {
            let reason = match void.reason {
                treaty_engine::cotx::VoidReason::Permission => VoidReason::Permission,
                treaty_engine::cotx::VoidReason::ForeignKey => VoidReason::ForeignKey,
                treaty_engine::cotx::VoidReason::Unique => VoidReason::Unique,
                treaty_engine::cotx::VoidReason::Overridden => VoidReason::Overridden,
                treaty_engine::cotx::VoidReason::Schema => panic!("there is one schema"),
            };
            let operation = (reason != VoidReason::Overridden).then_some(void.operation);
            let verdict = Verdict::Void { reason, operation, culprit: void.culprit.map(name) };
            voids.insert(CoTxName { entry: *entry, transaction }, verdict);
        }
    }
    voids
}

/// The co-transactions that are void by the oracle, seen from a version.
pub(crate) fn voids_by_oracle(history: &History, from: &[EntryId]) -> BTreeMap<CoTxName, Verdict> {
    history.verdicts(from).into_iter().filter(|(_, verdict)| *verdict != Verdict::Live).collect()
}

/// Lets a replica hear one entry. Returns why it is refused, if it is.
pub(crate) fn hear(replica: &mut Replica, entry: &Entry) -> Result<(), Refusal> {
    let outcome = replica.ingest(vec![entry.clone()]).unwrap();
    match outcome.refused.into_iter().next() {
        Some((_, refusal)) => Err(refusal),
        None => {
            assert_eq!(outcome.admitted, [*entry.id()]);
            Ok(())
        }
    }
}
