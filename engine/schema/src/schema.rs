//! A checked schema: tables, columns, constraints and policies, resolved, with their permanent names.

use std::collections::BTreeMap;
use std::fmt;

use borsh::{BorshDeserialize, BorshSerialize};

use crate::plan::Plan;
use crate::{Command, Ident, LogicalType, OnDelete, Patch, PolicyTarget, SchemaCondition, SchemaExpr, Value};

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
    /// Where each name is in `columns`.
    pub(crate) column_index: BTreeMap<String, usize>,
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
    pub default: Option<DefaultValue>,
    /// False after `REVOKE UPDATE`, and for `id`.
    pub updatable: bool,
    /// Whether a policy reads it of another row, or of the row at hand in an UPDATE or DELETE policy; then not updatable.
    pub is_guard: bool,
}

/// A DEFAULT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DefaultValue {
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
    /// Index into `Schema::tables`: of this table, or of one before it.
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
    /// How its rows are found.
    pub(crate) plan: Plan,
}

impl SchemaVersion {
    /// The name of the empty schema, the predecessor of every first schema.
    pub const EMPTY: SchemaVersion = SchemaVersion([0; 32]);

    /// The name of the version that `patch` makes out of this one.
    pub fn successor(self, patch: &Patch) -> SchemaVersion {
        let mut hasher = blake3::Hasher::new_derive_key("treaty 2026 schema version v1");
        hasher.update(&self.0);
        let bytes = borsh::to_vec(patch).expect("writing to memory cannot fail");
        hasher.update(&bytes);
        SchemaVersion(hasher.finalize().into())
    }
}

/// 64 lower-case hexadecimal digits.
impl fmt::Display for SchemaVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&data_encoding::HEXLOWER.encode(&self.0))
    }
}

impl Schema {
    /// The schema without any table, which the first patch is applied to.
    pub fn empty() -> Schema {
        Schema {
            version: SchemaVersion::EMPTY,
            tables: Vec::new(),
            schema_policies: Vec::new(),
            peer_policies: Vec::new(),
        }
    }

    /// The name of this version.
    pub fn version(&self) -> SchemaVersion {
        self.version
    }

    /// Its tables, in the order of their introduction.
    pub fn tables(&self) -> &[Table] {
        &self.tables
    }

    /// The table of that name, with its index in [`Schema::tables`].
    pub fn table_by_name(&self, name: &str) -> Option<(usize, &Table)> {
        self.tables.iter().enumerate().find(|(_, table)| table.name.as_str() == name)
    }

    /// The table of that permanent name, with its index in [`Schema::tables`].
    pub fn table_by_id(&self, id: ObjectId) -> Option<(usize, &Table)> {
        self.tables.iter().enumerate().find(|(_, table)| table.id == id)
    }

    /// The policies that say who may change the schema.
    pub fn schema_policies(&self) -> &[Policy] {
        &self.schema_policies
    }

    /// The policies that say who may sync the space.
    pub fn peer_policies(&self) -> &[Policy] {
        &self.peer_policies
    }

    /// What no policy permits to anyone: valid, and worth telling by name.
    ///
    /// In the order of the tables; an UPDATE is listed only where some column may be updated. Then `treaty_schema` (nobody may
    /// change the schema) and `treaty_peers` (nobody may sync).
    pub fn unpermitted(&self) -> Vec<(PolicyTarget, Command)> {
        let mut unpermitted = Vec::new();
        for table in &self.tables {
            let is_updatable = table.columns.iter().any(|column| column.updatable);
            for command in [Command::Insert, Command::Update, Command::Delete] {
                let is_possible = command != Command::Update || is_updatable;
                if is_possible && table.policies_for(command).next().is_none() {
                    unpermitted.push((PolicyTarget::Table(table.name.clone()), command));
                }
            }
        }
        if self.schema_policies.is_empty() {
            unpermitted.push((PolicyTarget::Schema, Command::Insert));
        }
        if self.peer_policies.is_empty() {
            unpermitted.push((PolicyTarget::Peers, Command::Select));
        }
        unpermitted
    }
}

impl Table {
    /// The column of that name, with its index in `columns`.
    pub fn column_by_name(&self, name: &str) -> Option<(usize, &Column)> {
        let index = *self.column_index.get(name)?;
        Some((index, &self.columns[index]))
    }

    /// The column of that permanent name, with its index in `columns`.
    pub fn column_by_id(&self, id: ObjectId) -> Option<(usize, &Column)> {
        self.columns.iter().enumerate().find(|(_, column)| column.id == id)
    }

    /// The index in `groups` of the group that holds a column; nothing for `id`.
    pub fn group_of(&self, column: usize) -> Option<usize> {
        self.groups.iter().position(|group| group.columns.contains(&column))
    }

    /// The foreign key that a column holds, if it is one.
    pub fn foreign_key_of(&self, column: usize) -> Option<&ForeignKey> {
        self.foreign_keys.iter().find(|key| key.column == column)
    }

    /// The policies for one command; none of them true means refused.
    pub fn policies_for(&self, command: Command) -> impl Iterator<Item = &Policy> {
        self.policies.iter().filter(move |policy| policy.command == command)
    }
}
