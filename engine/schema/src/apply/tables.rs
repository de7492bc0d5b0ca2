//! CREATE TABLE: the table, its columns, its primary key and its defaults.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    COLUMNS_MAX, Column, DefaultValue, Ident, LogicalType, NUMERIC_PRECISION_MAX, NewColumn, NewDefault, NewTable,
    Part, TABLES_MAX, Table, VARCHAR_CHARS_MAX,
};

use super::{Draft, describe_table, fold};

/// Names that PostgreSQL gives to hidden columns of every table.
const HIDDEN_COLUMNS: [&str; 6] = ["tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"];

impl Draft {
    pub(super) fn create_table(&mut self, new: &NewTable) {
        self.judge_table_name(&new.name);
        let id = self.next_id();
        let columns = self.create_columns(new);
        let mut column_index = BTreeMap::new();
        for (index, column) in columns.iter().enumerate() {
            column_index.entry(column.name.as_str().to_owned()).or_insert(index);
        }
        let id_column = self.judge_primary_key(new, &columns);
        let mut table = Table {
            id,
            name: new.name.clone(),
            columns,
            id_column,
            checks: Vec::new(),
            uniques: Vec::new(),
            foreign_keys: Vec::new(),
            policies: Vec::new(),
            groups: Vec::new(),
            column_index,
        };
        self.create_constraints(new, &mut table);
        self.new_tables.insert(self.schema.tables.len(), self.change);
        self.schema.tables.push(table);
    }

    fn judge_table_name(&mut self, name: &Ident) {
        if self.schema.tables.len() == TABLES_MAX {
            self.refuse(Part::Whole, format!("the schema has more than {TABLES_MAX} tables"));
        }
        let folded = fold(name);
        if folded.starts_with("sqlite_") {
            self.refuse_with_help(Part::Whole, format!("SQLite reserves the name {name}"), "choose another name");
        }
        if let Some(other) = self.relations.insert(folded, describe_table(name)) {
            let message = format!("the name {name} is taken by {other} (SQLite ignores the case of letters)");
            self.refuse_with_help(Part::Whole, message, "choose another name");
        }
    }

    fn create_columns(&mut self, new: &NewTable) -> Vec<Column> {
        if new.columns.len() > COLUMNS_MAX {
            self.refuse(Part::Whole, format!("table {} has more than {COLUMNS_MAX} columns", new.name));
        }
        let mut names = BTreeSet::new();
        let mut columns = Vec::new();
        for (index, column) in new.columns.iter().enumerate() {
            let folded = fold(&column.name);
            if HIDDEN_COLUMNS.contains(&folded.as_str()) {
                let message = format!("PostgreSQL reserves the column name {}", column.name);
                self.refuse_with_help(Part::Column(index), message, "choose another name");
            }
            if !names.insert(folded) {
                let message = format!(
                    "table {} has two columns named {} (SQLite ignores the case of letters)",
                    new.name, column.name
                );
                self.refuse_with_help(Part::Column(index), message, "choose another name");
            }
            columns.push(self.create_column(new, index, column));
        }
        columns
    }

    fn create_column(&mut self, new: &NewTable, index: usize, column: &NewColumn) -> Column {
        if !column.logical_type.is_valid() {
            let message = format!("{} is no valid type", column.logical_type);
            let help = match column.logical_type {
                LogicalType::Varchar { .. } => {
                    format!("VARCHAR(n) takes an n of 1 to {VARCHAR_CHARS_MAX}; TEXT has no limit")
                }
                _ => format!("NUMERIC(p,s) takes a p of 1 to {NUMERIC_PRECISION_MAX} and an s of 0 to p"),
            };
            self.refuse_with_help(Part::Column(index), message, help);
        }
        let is_id = column.name.as_str() == "id";
        let default = column.default.as_ref().and_then(|default| self.create_default(index, column, default));
        if is_id && matches!(default, Some(DefaultValue::Literal(_))) {
            let message = format!("every row of {} would get the same id", new.name);
            self.refuse_with_help(Part::Default(index), message, "leave the DEFAULT out, or write gen_random_uuid()");
        }
        Column {
            id: self.next_id(),
            name: column.name.clone(),
            logical_type: column.logical_type,
            not_null: column.not_null || is_id,
            default,
            updatable: !is_id,
            is_guard: false,
        }
    }

    fn create_default(&mut self, index: usize, column: &NewColumn, default: &NewDefault) -> Option<DefaultValue> {
        let part = Part::Default(index);
        match default {
            // An invalid type was reported already; nothing can be read as it.
            NewDefault::Literal { .. } if !column.logical_type.is_valid() => None,
            NewDefault::Literal { negative, literal } => match column.logical_type.literal(*negative, literal) {
                Ok(value) => Some(DefaultValue::Literal(value)),
                Err(cause) => {
                    self.refuse(part, format!("the DEFAULT of {}: {cause}", column.name));
                    None
                }
            },
            NewDefault::RandomUuid => {
                if column.logical_type != LogicalType::Uuid {
                    let message = format!("gen_random_uuid() is no {}, which {} is", column.logical_type, column.name);
                    self.refuse_with_help(part, message, format!("{} UUID DEFAULT gen_random_uuid()", column.name));
                }
                Some(DefaultValue::RandomUuid)
            }
            NewDefault::Now => {
                if !matches!(
                    column.logical_type,
                    LogicalType::TimestampTz | LogicalType::Timestamp | LogicalType::Date | LogicalType::Time
                ) {
                    let message = format!("now() is no {}, which {} is", column.logical_type, column.name);
                    self.refuse_with_help(part, message, format!("{} TIMESTAMPTZ DEFAULT now()", column.name));
                }
                Some(DefaultValue::Now)
            }
        }
    }

    /// Returns the index of the column `id`, or 0 where there is none.
    fn judge_primary_key(&mut self, new: &NewTable, columns: &[Column]) -> usize {
        let help = "id UUID PRIMARY KEY";
        let found = columns.iter().position(|column| column.name.as_str() == "id");
        match found {
            None => {
                let message = format!("table {} has no column id, which names its rows", new.name);
                self.refuse_with_help(Part::PrimaryKey, message, format!("add the column: {help}"));
            }
            Some(index) if columns[index].logical_type != LogicalType::Uuid => {
                let found = columns[index].logical_type;
                let message = format!("the column id of {} must be a UUID, not {found}", new.name);
                self.refuse_with_help(Part::Column(index), message, help);
            }
            Some(_) => {}
        }
        let is_id = matches!(&new.primary_key[..], [only] if only.as_str() == "id");
        if found.is_some() && !is_id {
            let message = match new.primary_key.is_empty() {
                true => format!("table {} has no PRIMARY KEY", new.name),
                false => format!("the PRIMARY KEY of {} must be id alone", new.name),
            };
            let help = format!("declare {help}; other keys are UNIQUE");
            self.refuse_with_help(Part::PrimaryKey, message, help);
        }
        found.unwrap_or(0)
    }
}
