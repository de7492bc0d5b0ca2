//! Keys of the UNIQUE index and of the guard index: hashes over what cells hold.
//!
//! A foreign key enters as the row that it names, not as the id shown, so twins never collide. Keys are local: they
//! hold positions of this store. Rows of an entry that has no position yet (`own` is none) have keys of their own.

use treaty_schema::{ObjectId, Value};

use super::act::{Content, Target};
use super::store::IndexKey;
use crate::log::Pos;

/// Domain of keys of UNIQUE constraints.
const CLAIM_CONTEXT: &str = "treaty 2026 local key of a claim v1";
/// Domain of keys of guard lookups.
const GUARD_CONTEXT: &str = "treaty 2026 local key of a guard v1";

/// Returns the key under which a row claims a UNIQUE constraint, none if one of its cells is NULL.
///
/// * `own` - where the entry of own rows is kept.
pub fn claim_key<'c>(
    constraint: ObjectId,
    own: Option<Pos>,
    mut cells: impl Iterator<Item = Option<&'c Content>>,
) -> Option<IndexKey> {
    let mut hasher = blake3::Hasher::new_derive_key(CLAIM_CONTEXT);
    hasher.update(&constraint.version.0);
    hasher.update(&constraint.index.to_le_bytes());
    cells.try_for_each(|cell| cell.map(|content| add(&mut hasher, own, content)))?;
    Some(cut(&hasher))
}

/// Returns the key under which a row is found by the values of `columns` of `table`, none if one of them is NULL.
pub fn guard_key<'c>(
    table: usize,
    own: Option<Pos>,
    columns: impl Iterator<Item = (usize, Option<&'c Content>)>,
) -> Option<IndexKey> {
    let mut hasher = blake3::Hasher::new_derive_key(GUARD_CONTEXT);
    hasher.update(&(table as u64).to_le_bytes());
    for (column, content) in columns {
        hasher.update(&(column as u64).to_le_bytes());
        add(&mut hasher, own, content?);
    }
    Some(cut(&hasher))
}

fn add(hasher: &mut blake3::Hasher, own: Option<Pos>, content: &Content) {
    let target = match content {
        Content::Value(value) => {
            hasher.update(&[0]);
            return add_value(hasher, value);
        }
        Content::Row(target) => own.map_or(*target, |pos| Target::Stored(target.key(pos))),
    };
    match target {
        Target::Stored(key) => {
            hasher.update(&[1]);
            hasher.update(&key.pos.to_i64().to_le_bytes());
            hasher.update(&key.transaction.to_le_bytes());
            hasher.update(&key.operation.to_le_bytes());
        }
        Target::Own { transaction, operation } => {
            hasher.update(&[2]);
            hasher.update(&transaction.to_le_bytes());
            hasher.update(&operation.to_le_bytes());
        }
    }
}

/// Values are hashed in their canonical encoding, which is free of prefixes of each other.
fn add_value(hasher: &mut blake3::Hasher, value: &Value) {
    borsh::to_writer(hasher, value).expect("hashing does not fail");
}

fn cut(hasher: &blake3::Hasher) -> IndexKey {
    let mut key = [0; 16];
    key.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    IndexKey(key)
}
