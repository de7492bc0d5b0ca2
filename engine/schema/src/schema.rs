//! A checked schema: tables, columns, constraints and policies, resolved, with their permanent names.

use borsh::{BorshDeserialize, BorshSerialize};

use crate::{Command, Ident, LogicalType, OnDelete, SchemaCondition, SchemaExpr, Value};

/// Most tables in a schema.
pub const TABLES_MAX: usize = 1_000;
/// Most columns in a table, all of its history included: SQLite's default limit on a table's columns is 2,000.
pub const COLUMNS_MAX: usize = 1_000;

/// The name of a schema version: the BLAKE3 hash of its predecessor's name and its patch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
pub struct SchemaVersion(pub [u8; 32]);

/// The permanent name of a table, a column or a rule: the version that introduced it, and its index there.
///
/// Indices count the objects that one patch introduces, in order: a table, then its columns, checks, uniques and foreign
/// keys, then the next change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
pub struct ObjectId {
    /// The introducing version.
    pub version: SchemaVersion,
    /// Which of the objects it introduced.
    pub index: u32,
}

/// A schema version with everything in force in it. Made only by [`Schema::apply`] and [`Schema::empty`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schema {
    pub(crate) version: SchemaVersion,
    pub(crate) tables: Vec<Table>,
    pub(crate) schema_policies: Vec<Policy>,
    pub(crate) peer_policies: Vec<Policy>,
}

/// A table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Permanent name.
    pub id: ObjectId,
    /// Label.
    pub name: Ident,
    /// In declared order; index 0.. is what [`SlotColumn`](crate::SlotColumn) counts. Column `id` is among them.
    pub columns: Vec<Column>,
    /// Index of the column `id` in `columns`.
    pub id_column: usize,
    /// CHECK constraints.
    pub checks: Vec<Check>,
    /// UNIQUE constraints.
    pub uniques: Vec<Unique>,
    /// Foreign keys.
    pub foreign_keys: Vec<ForeignKey>,
    /// INSERT, UPDATE and DELETE policies, in declared order.
    pub policies: Vec<Policy>,
    /// Partition of all columns but `id` into groups that merge as one value; each sorted, ordered by first member.
    pub groups: Vec<ColumnGroup>,
}

/// Columns that merge as one value: those that share a CHECK or a UNIQUE key, directly or through others; else one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnGroup {
    /// Indices into the table's `columns`, ascending, not empty.
    pub columns: Vec<usize>,
}

/// A column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Permanent name.
    pub id: ObjectId,
    /// Label.
    pub name: Ident,
    /// Its type.
    pub logical_type: LogicalType,
    /// Whether NULL is refused.
    pub not_null: bool,
    /// What the writer's database fills in.
    pub default: Option<Default>,
    /// False after `REVOKE UPDATE`, and for `id`.
    pub updatable: bool,
    /// Whether a policy reads it of another row, or of the row at hand in an UPDATE or DELETE policy; then not updatable.
    pub is_guard: bool,
}

/// A DEFAULT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Default {
    /// A constant of the column's type; `None` is NULL.
    Literal(Option<Value>),
    /// A random UUID, version 4.
    RandomUuid,
    /// The time of the transaction.
    Now,
}

/// A CHECK constraint: passes unless its expression is false.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// Permanent name.
    pub id: ObjectId,
    /// Label.
    pub name: Ident,
    /// Over the row at hand (slot 0) alone, without `author()`.
    pub expr: SchemaExpr,
    /// Indices of the columns it reads, ascending.
    pub columns: Vec<usize>,
}

/// A UNIQUE key: NULLs are distinct.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unique {
    /// Permanent name.
    pub id: ObjectId,
    /// Label.
    pub name: Ident,
    /// Indices into `columns`, in declared order.
    pub columns: Vec<usize>,
}

/// A foreign key: one UUID column that names the `id` of a row of `target`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForeignKey {
    /// Permanent name.
    pub id: ObjectId,
    /// Label.
    pub name: Ident,
    /// The referring column.
    pub column: usize,
    /// Index into `Schema::tables`.
    pub target: usize,
    /// What a deletion of the target means.
    pub on_delete: OnDelete,
}

/// A policy: permits its command where its condition is true. Several are alternatives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Permanent name.
    pub id: ObjectId,
    /// Label.
    pub name: Ident,
    /// What it permits.
    pub command: Command,
    /// USING and WITH CHECK joined by AND.
    pub condition: SchemaCondition,
}
