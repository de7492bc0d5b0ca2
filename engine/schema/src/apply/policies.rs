//! CREATE POLICY: what a policy may guard and read, and its condition resolved and planned.

use crate::plan::{Plan, Size};
use crate::resolve::{Resolver, ScopeRow};
use crate::{
    Command, Condition, EXISTS_TABLES_MAX, EXPR_DEPTH_MAX, Exists, Ident, Literal, NamedColumn, NamedCondition,
    NamedFrom, NewPolicy, POLICY_CLAUSES_MAX, POLICY_EXISTS_MAX, Part, Policy, PolicyTarget, SchemaCondition,
    SchemaExpr, SlotColumn, Value,
};

use super::{Draft, fold};

impl Draft {
    pub(super) fn create_policy(&mut self, new: &NewPolicy) {
        let id = self.next_id();
        let table = match &new.target {
            PolicyTarget::Schema | PolicyTarget::Peers => None,
            PolicyTarget::Table(name) => match self.schema.table_by_name(name.as_str()) {
                Some((index, _)) => Some(index),
                None => {
                    let help = format!("create table {name} before its policies");
                    self.refuse_with_help(Part::Whole, format!("there is no table {name}"), help);
                    return;
                }
            },
        };
        self.judge_policy_name(new);
        self.judge_policy_form(new);
        let mut parts = Vec::new();
        for (part, condition) in [(Part::Using, &new.using), (Part::WithCheck, &new.with_check)] {
            let Some(condition) = condition else { continue };
            let Some(resolved) = self.resolve_condition(&part, condition, table) else { continue };
            self.note_reads(&new.name, &part, new.command, (table, &resolved));
            parts.push(resolved);
        }
        let condition = match parts.len() {
            1 => parts.remove(0),
            _ => Condition::And(parts),
        };
        self.judge_size(&condition);
        let plan = Plan::of(&self.schema, &condition);
        let policy = Policy { id, name: new.name.clone(), command: new.command, condition, plan };
        self.policies_of(&new.target).push(policy);
    }

    /// The policies of a target that exists.
    fn policies_of(&mut self, target: &PolicyTarget) -> &mut Vec<Policy> {
        let table = match target {
            PolicyTarget::Schema => return &mut self.schema.schema_policies,
            PolicyTarget::Peers => return &mut self.schema.peer_policies,
            PolicyTarget::Table(name) => self.schema.table_by_name(name.as_str()).map(|(index, _)| index),
        };
        let table = table.expect("the caller found the policy's table");
        &mut self.schema.tables[table].policies
    }

    fn judge_policy_name(&mut self, new: &NewPolicy) {
        let is_taken = !self.policy_names.insert((new.target.clone(), fold(&new.name)));
        if is_taken {
            let message = format!("{} has a policy named {} already", target_name(&new.target), new.name);
            self.refuse_with_help(Part::Whole, message, "choose another name");
        }
    }

    /// Which commands and clauses go together.
    fn judge_policy_form(&mut self, new: &NewPolicy) {
        let target = target_name(&new.target);
        let valid_command = match (&new.target, new.command) {
            (PolicyTarget::Table(_), Command::Select) => Some(
                "INSERT, UPDATE or DELETE: who may read at all is a policy \
                on treaty_peers FOR SELECT",
            ),
            (PolicyTarget::Schema, command) if command != Command::Insert => Some("INSERT: who may change the schema"),
            (PolicyTarget::Peers, command) if command != Command::Select => Some("SELECT: who may sync this space"),
            _ => None,
        };
        if let Some(valid) = valid_command {
            let command = command_name(new.command);
            self.refuse_with_help(
                Part::Whole,
                format!("{target} takes no policy FOR {command}"),
                format!("write FOR {valid}"),
            );
            return;
        }
        let command = command_name(new.command);
        match new.command {
            Command::Insert => {
                if new.using.is_some() {
                    let message = "a policy FOR INSERT has no USING: there is no row before it";
                    self.refuse_with_help(Part::Using, message, "write WITH CHECK (...) instead");
                }
            }
            Command::Delete | Command::Select => {
                if new.with_check.is_some() {
                    let message = format!("a policy FOR {command} has no WITH CHECK: there is no row after it");
                    self.refuse_with_help(Part::WithCheck, message, "write USING (...) instead");
                }
            }
            Command::Update => {}
        }
        if new.using.is_none() && new.with_check.is_none() {
            let clause = if new.command == Command::Insert { "WITH CHECK" } else { "USING" };
            let message = format!("policy {} has no condition", new.name);
            self.refuse_with_help(Part::Whole, message, format!("write {clause} (true) if {command} is open to all"));
        }
    }

    fn judge_size(&mut self, condition: &SchemaCondition) {
        let size = Size::of(condition);
        if size.clause_count > POLICY_CLAUSES_MAX {
            let message =
                format!("the policy can be true in more than {POLICY_CLAUSES_MAX} ways: OR under AND multiplies");
            self.refuse_with_help(Part::Whole, message, "write several policies: they are alternatives");
        }
        if size.exists_count > POLICY_EXISTS_MAX {
            let message = format!("the policy has more than {POLICY_EXISTS_MAX} EXISTS");
            self.refuse_with_help(Part::Whole, message, "write several policies: they are alternatives");
        }
    }

    /// Resolves a condition on the row at hand of `table`; nothing, with violations, if it has mistakes.
    fn resolve_condition(
        &mut self,
        part: &Part,
        condition: &NamedCondition,
        table: Option<usize>,
    ) -> Option<SchemaCondition> {
        self.resolve_nested(part, condition, table, EXPR_DEPTH_MAX)
    }

    fn resolve_nested(
        &mut self,
        part: &Part,
        condition: &NamedCondition,
        table: Option<usize>,
        depth: usize,
    ) -> Option<SchemaCondition> {
        let Some(below) = depth.checked_sub(1) else {
            self.refuse(part.clone(), format!("the condition is nested deeper than {EXPR_DEPTH_MAX}"));
            return None;
        };
        match condition {
            Condition::And(items) => self.resolve_all(part, items, table, below).map(Condition::And),
            Condition::Or(items) => self.resolve_all(part, items, table, below).map(Condition::Or),
            Condition::Exists(exists) => self.resolve_exists(part, exists, table).map(Condition::Exists),
            Condition::Scalar(expr) => {
                let resolved = Resolver::of_policy(vec![self.row_at_hand(table)]).condition(expr);
                resolved.map(Condition::Scalar).map_err(|mistakes| self.refuse_mistakes(part, mistakes)).ok()
            }
        }
    }

    fn resolve_all(
        &mut self,
        part: &Part,
        items: &[NamedCondition],
        table: Option<usize>,
        depth: usize,
    ) -> Option<Vec<SchemaCondition>> {
        if items.is_empty() {
            self.refuse(part.clone(), "AND and OR need at least one condition");
            return None;
        }
        // Collected first, so that a mistake in one does not hide those of the next.
        let resolved: Vec<_> = items.iter().map(|item| self.resolve_nested(part, item, table, depth)).collect();
        resolved.into_iter().collect()
    }

    fn row_at_hand(&self, table: Option<usize>) -> ScopeRow<'_> {
        let table = table.map(|index| &self.schema.tables[index]);
        ScopeRow { qualifier: table.map_or("", |table| table.name.as_str()), table }
    }

    fn resolve_exists(
        &mut self,
        part: &Part,
        exists: &Exists<NamedFrom, NamedColumn, Literal>,
        table: Option<usize>,
    ) -> Option<Exists<u16, SlotColumn, Option<Value>>> {
        let from = self.resolve_from(part, &exists.from)?;
        let mut rows = vec![self.row_at_hand(table)];
        for (named, index) in exists.from.iter().zip(&from) {
            let qualifier = named.alias.as_ref().unwrap_or(&named.table).as_str();
            rows.push(ScopeRow { qualifier, table: Some(&self.schema.tables[*index]) });
        }
        let from = from.iter().map(|index| u16::try_from(*index)).collect::<Result<Vec<_>, _>>().ok()?;
        match Resolver::of_policy(rows).condition(&exists.filter) {
            Ok(filter) => Some(Exists { from, filter }),
            Err(mistakes) => {
                self.refuse_mistakes(part, mistakes);
                None
            }
        }
    }

    fn resolve_from(&mut self, part: &Part, from: &[NamedFrom]) -> Option<Vec<usize>> {
        if from.is_empty() || from.len() > EXISTS_TABLES_MAX {
            self.refuse(part.clone(), format!("EXISTS reads from 1 to {EXISTS_TABLES_MAX} tables"));
            return None;
        }
        let mut qualifiers: Vec<&Ident> = Vec::new();
        let mut tables = Vec::new();
        for named in from {
            let qualifier = named.alias.as_ref().unwrap_or(&named.table);
            if qualifiers.contains(&qualifier) {
                let message = format!("the name {qualifier} stands for two tables in one FROM");
                self.refuse_with_help(part.clone(), message, format!("give each an alias: {} a, ...", named.table));
                return None;
            }
            qualifiers.push(qualifier);
            match self.schema.table_by_name(named.table.as_str()) {
                Some((index, _)) => tables.push(index),
                None => {
                    let help = format!("create {} before this policy", named.table);
                    self.refuse_with_help(part.clone(), format!("there is no table {}", named.table), help);
                }
            }
        }
        (tables.len() == from.len()).then_some(tables)
    }

    /// Notes the columns that a policy reads of other rows and, unless it is about an insert, of the row at hand.
    fn note_reads(
        &mut self,
        policy: &Ident,
        part: &Part,
        command: Command,
        (table, condition): (Option<usize>, &SchemaCondition),
    ) {
        let mut reads = Vec::new();
        collect_reads(condition, table, &mut |slot, table, column| {
            if slot > 0 || command != Command::Insert {
                reads.push((table, column));
            }
        });
        let place = self.place(part.clone());
        for column in reads {
            self.guards.note_read(column, policy, &place);
        }
        self.guards.note_tables(condition, policy, Some(&place));
    }
}

/// Calls `visit` with the slot, the table and the column of every read.
fn collect_reads(condition: &SchemaCondition, table: Option<usize>, visit: &mut impl FnMut(u8, usize, usize)) {
    let mut visit_expr = |expr: &SchemaExpr, from: &[u16]| {
        expr.visit_columns(&mut |column| {
            let read = match column.slot {
                0 => table,
                slot => from.get(usize::from(slot) - 1).map(|table| usize::from(*table)),
            };
            if let Some(read) = read {
                visit(column.slot, read, usize::from(column.column));
            }
        });
    };
    match condition {
        Condition::Scalar(expr) => visit_expr(expr, &[]),
        Condition::Exists(exists) => visit_expr(&exists.filter, &exists.from),
        Condition::And(items) | Condition::Or(items) => {
            items.iter().for_each(|item| collect_reads(item, table, visit));
        }
    }
}

fn target_name(target: &PolicyTarget) -> String {
    match target {
        PolicyTarget::Schema => "treaty_schema".to_owned(),
        PolicyTarget::Peers => "treaty_peers".to_owned(),
        PolicyTarget::Table(name) => format!("table {name}"),
    }
}

fn command_name(command: Command) -> &'static str {
    match command {
        Command::Select => "SELECT",
        Command::Insert => "INSERT",
        Command::Update => "UPDATE",
        Command::Delete => "DELETE",
    }
}
