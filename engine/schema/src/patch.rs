//! Patches: the changes that make one schema version out of its predecessor, by name, as their author wrote them.
//!
//! A patch is data: it decodes without being valid. [`Schema::apply`](crate::Schema::apply) decides validity, with all
//! mistakes at once, each naming its place ([`Place`]) so that a parser can point at line and column.
//! Its borsh bytes are hashed into the version's name: docs/spec/schema.md.

use std::io::{self, Read};

use borsh::{BorshDeserialize, BorshSerialize};

use crate::codec::invalid;
use crate::{Ident, Literal, LogicalType, NamedCondition, NamedExpr};

/// Largest encoded patch, in bytes. Bounds what a decoded patch takes: each byte becomes at most some 60 bytes in memory.
pub const PATCH_BYTES_MAX: u64 = 1 << 20;

/// The changes of one schema version, in order.
#[derive(Debug, Clone, PartialEq, Eq, Default, BorshSerialize)]
pub struct Patch {
    /// In the order of the text; later ones may name what earlier ones introduce.
    pub changes: Vec<Change>,
}

impl BorshDeserialize for Patch {
    fn deserialize_reader<R: Read>(reader: &mut R) -> io::Result<Patch> {
        let mut bounded = reader.take(PATCH_BYTES_MAX);
        let changes = Vec::deserialize_reader(&mut bounded);
        if bounded.limit() == 0 && changes.is_err() {
            return Err(invalid(format!("the patch is larger than {PATCH_BYTES_MAX} bytes")));
        }
        Ok(Patch { changes: changes? })
    }
}

/// One change. The first schema uses the three below; changes to existing tables come with schema deployment.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Change {
    /// `CREATE TABLE`, with the UNIQUE indexes declared for it in the same patch folded in.
    CreateTable(NewTable),
    /// `CREATE POLICY`
    CreatePolicy(NewPolicy),
    /// `REVOKE UPDATE (columns) ON table FROM PUBLIC`
    RevokeUpdate {
        /// The table.
        table: Ident,
        /// Columns that never change after insert.
        columns: Vec<Ident>,
    },
}

/// A table as declared. The `id UUID PRIMARY KEY` column is declared like any other and must be there.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct NewTable {
    /// Its name.
    pub name: Ident,
    /// Its columns, in order.
    pub columns: Vec<NewColumn>,
    /// The columns of its PRIMARY KEY; valid is only `[id]`.
    pub primary_key: Vec<Ident>,
    /// CHECK constraints, of columns and of the table, in order.
    pub checks: Vec<NewCheck>,
    /// UNIQUE constraints and unique indexes, in order.
    pub uniques: Vec<NewUnique>,
    /// Foreign keys, in order.
    pub foreign_keys: Vec<NewForeignKey>,
}

/// A column as declared.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct NewColumn {
    /// Its name.
    pub name: Ident,
    /// Its type.
    pub logical_type: LogicalType,
    /// `NOT NULL`, also implied by PRIMARY KEY.
    pub not_null: bool,
    /// `DEFAULT`
    pub default: Option<NewDefault>,
}

/// A DEFAULT as declared: resolved by the writer's database, so the value is what travels.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum NewDefault {
    /// A literal, a number possibly negative.
    Literal {
        /// A leading minus.
        negative: bool,
        /// The literal.
        literal: Literal,
    },
    /// `gen_random_uuid()`
    RandomUuid,
    /// `now()`, `CURRENT_TIMESTAMP`
    Now,
}

/// `[CONSTRAINT name] CHECK (expr)`; unnamed ones are named as PostgreSQL names them.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct NewCheck {
    /// Given or derived, distinct in its table.
    pub name: Ident,
    /// The condition.
    pub expr: NamedExpr,
}

/// `UNIQUE (columns)`, by constraint or by index; NULLs are distinct.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct NewUnique {
    /// Given or derived, distinct in its table.
    pub name: Ident,
    /// In the declared order.
    pub columns: Vec<Ident>,
}

/// `REFERENCES table (id) ON DELETE action`
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct NewForeignKey {
    /// Given or derived, distinct in its table.
    pub name: Ident,
    /// The referring columns; valid is one UUID column.
    pub columns: Vec<Ident>,
    /// The table referred to.
    pub target: Ident,
    /// The columns referred to, empty when left out; valid is `[id]`.
    pub target_columns: Vec<Ident>,
    /// What happens to the reference when its target is deleted.
    pub on_delete: OnDelete,
}

/// The action of a foreign key when its target is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
#[allow(missing_docs)]
pub enum OnDelete {
    NoAction,
    Restrict,
    Cascade,
    SetNull,
}

/// What a policy guards.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize)]
pub enum PolicyTarget {
    /// A table of the schema.
    Table(Ident),
    /// `treaty_schema`: INSERT is who may change the schema.
    Schema,
    /// `treaty_peers`: SELECT is who may sync the space.
    Peers,
}

/// The command a policy permits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize)]
#[allow(missing_docs)]
pub enum Command {
    Select,
    Insert,
    Update,
    Delete,
}

/// `CREATE POLICY name ON target FOR command [USING (...)] [WITH CHECK (...)]`
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct NewPolicy {
    /// Distinct among the policies of its target.
    pub name: Ident,
    /// What it guards.
    pub target: PolicyTarget,
    /// What it permits.
    pub command: Command,
    /// `USING`: of UPDATE, DELETE and SELECT.
    pub using: Option<NamedCondition>,
    /// `WITH CHECK`: of INSERT and UPDATE.
    pub with_check: Option<NamedCondition>,
}

/// Where in a patch a mistake is: a change, and what in it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Index into [`Patch::changes`].
    pub change: usize,
    /// The part of the change.
    pub part: Part,
}

/// The part of a change that a [`Place`] names; indices are into the change's own lists.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum Part {
    /// The change as a whole (its name).
    Whole,
    Column(usize),
    Default(usize),
    PrimaryKey,
    Check(usize),
    Unique(usize),
    ForeignKey(usize),
    Using,
    WithCheck,
    /// A column in the list of a REVOKE.
    Revoked(usize),
}

/// One broken rule of a patch: where, what, and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Where.
    pub place: Place,
    /// What is wrong, one sentence in lower case without a full stop, naming things as the text does.
    pub message: String,
    /// What to write instead, where there is one answer.
    pub help: Option<String>,
}
