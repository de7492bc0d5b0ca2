//! Tables as CRDTs: what an entry's operations are as bytes, and which rows with which values they make at a version.
//!
//! A row is named by its insert; its cells are last-writer-wins registers by column group; it is there while its insert
//! is seen and no delete of it. Payloads ([`payload`]) are decoded here and nowhere below. Whether an operation *may*
//! stand is not decided here (`cotx`).
//!
//! Spec: docs/spec/payload.md, docs/spec/relation.md.

mod act;
mod head_cache;
mod keep;
mod keys;
mod layout;
mod name;
pub mod payload;
mod store;
mod verdicts;
mod view;

pub use act::{Act, Content, Names, ResolveError, Target, name};
pub use head_cache::HeadCache;
pub use keep::Keeper;
pub use keys::{claim_key, guard_key};
pub use layout::{Layout, TableLayout};
pub use name::{RowId, RowKey, RowName};
pub use store::{
    ClaimRecord, IndexKey, Marks, ReferenceRecord, RelationStore, RelationWriter, RowRecord, Walk, WriteRecord,
};
pub use verdicts::{AllLive, CoTx, Verdicts};
pub use view::{Image, Sight, View, Written};
