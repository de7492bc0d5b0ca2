//! Schemas as text, one table a line, and schemas drawn at random.
//!
//! `tasks project:ref:projects:cascade! a:int b:int who:identity unique(a,b) check(a<=b) frozen(who) insert=member
//! delete=mine:who,role:admin+member`
//!
//! A column is `name:type`, with `!` if NOT NULL; `ref:TABLE:ACTION` is a foreign key. A policy is a comma-separated list
//! of alternatives, each of terms joined by `+`: `all`; `member` and `role:R` (a row of `members` says so); `mine:COLUMN`
//! (the author is named in the row); `is:COLUMN:TEXT`; `badge` (a badge of the author's membership); `seat:COLUMN` (a seat of
//! the author in the team that the row names); `pass` (a row of `passes` names the author).

use treaty_schema::{Command, Comparison, Condition, LogicalType, NamedCondition, OnDelete, Patch};

use super::chance::Chance;
use crate::drawn_schema::{
    TableDraft, all, always, author, col, compare, eq, exists, number, patch, scalar, table, text,
};
use crate::with_peers;

/// Reads a schema.
pub(super) fn patch_of(lines: &str) -> Patch {
    with_peers(patch(lines.lines().filter(|line| !line.trim().is_empty()).map(table_of)), always())
}

fn table_of(line: &str) -> TableDraft {
    let mut words = line.split_whitespace();
    let mut draft = table(words.next().expect("a line begins with a name"));
    for word in words {
        draft = if let Some((command, policies)) = word.split_once('=').filter(|_| !word.contains('(')) {
            let command = command_of(command);
            policies.split(',').fold(draft, |draft, policy| draft.policy(command, condition_of(policy)))
        } else if let Some((rule, columns)) = word.split_once('(') {
            rule_of(draft, rule, columns.trim_end_matches(')'))
        } else {
            column_of(draft, word)
        };
    }
    draft
}

fn column_of(draft: TableDraft, word: &str) -> TableDraft {
    let is_required = word.ends_with('!');
    let parts: Vec<&str> = word.trim_end_matches('!').split(':').collect();
    match parts[..] {
        [name, "ref", target, action] if is_required => draft.requires(name, target, action_of(action)),
        [name, "ref", target, action] => draft.references(name, target, action_of(action)),
        [name, of] if is_required => draft.required(name, type_of(of)),
        [name, of] => draft.column(name, type_of(of)),
        _ => mistaken(word),
    }
}

fn rule_of(draft: TableDraft, rule: &str, inner: &str) -> TableDraft {
    let columns: Vec<&str> = inner.split(',').collect();
    match rule {
        "unique" => draft.unique(&columns),
        "frozen" => draft.frozen(&columns),
        "check" => {
            let (left, right, op) = match (inner.split_once("<="), inner.split_once('>')) {
                (Some((left, right)), _) => (left, right, Comparison::LessOrEqual),
                (None, Some((left, right))) => (left, right, Comparison::Greater),
                (None, None) => mistaken(inner),
            };
            let operand = |text: &str| if text.starts_with(char::is_numeric) { number(text) } else { col(text) };
            let name = format!("{}_{left}_ok", draft.name());
            draft.check(&name, compare(op, operand(left), operand(right)))
        }
        _ => mistaken(rule),
    }
}

fn condition_of(policy: &str) -> NamedCondition {
    let mut terms: Vec<NamedCondition> = policy.split('+').map(term_of).collect();
    if terms.len() == 1 { terms.remove(0) } else { Condition::And(terms) }
}

fn term_of(term: &str) -> NamedCondition {
    let is_author = |column: &str| eq(col(column), author());
    match term.split(':').collect::<Vec<_>>()[..] {
        ["all"] => always(),
        ["member"] => exists(&["members m"], is_author("m.who")),
        ["role", role] => exists(&["members m"], all([is_author("m.who"), eq(col("m.role"), text(role))])),
        ["mine", column] => scalar(is_author(column)),
        ["is", column, value] => scalar(eq(col(column), text(value))),
        ["badge"] => exists(&["members m", "badges b"], all([eq(col("b.member"), col("m.id")), is_author("m.who")])),
        ["seat", column] => exists(&["seats s"], all([eq(col("s.team"), col(column)), is_author("s.who")])),
        ["pass"] => exists(&["passes p"], is_author("p.who")),
        _ => mistaken(term),
    }
}

fn command_of(text: &str) -> Command {
    match text {
        "insert" => Command::Insert,
        "update" => Command::Update,
        "delete" => Command::Delete,
        _ => mistaken(text),
    }
}

fn action_of(text: &str) -> OnDelete {
    match text {
        "cascade" => OnDelete::Cascade,
        "setnull" => OnDelete::SetNull,
        "restrict" => OnDelete::Restrict,
        "noaction" => OnDelete::NoAction,
        _ => mistaken(text),
    }
}

fn type_of(text: &str) -> LogicalType {
    match text {
        "int" => LogicalType::Integer,
        "text" => LogicalType::Text,
        "identity" => LogicalType::Identity,
        _ => mistaken(text),
    }
}

#[expect(clippy::panic, reason = "a schema that cannot be read is a mistake in the test, and is to be told")]
fn mistaken<T>(text: &str) -> T {
    panic!("no schema is told by {text:?}")
}

/// Draws a schema: members, perhaps other tables that policies read, and tables with data.
pub(super) fn drawn(chance: &mut Chance) -> String {
    let mut draw = Draw { chance, lines: Vec::new(), powers: vec!["member".to_owned(), "role:admin".to_owned()] };
    draw.members();
    draw.guards();
    for index in 0..=draw.chance.below(3) {
        draw.data_table(index);
    }
    draw.lines.join("\n")
}

/// A schema being drawn.
struct Draw<'c> {
    chance: &'c mut Chance,
    lines: Vec<String>,
    /// Terms that policies may use.
    powers: Vec<String>,
}

impl Draw<'_> {
    fn one<'t>(&mut self, from: &[&'t str]) -> &'t str {
        from[self.chance.below(from.len())]
    }

    fn members(&mut self) {
        let unique = self.one(&["", "", " unique(who)", " unique(who,role)"]);
        let insert =
            self.one(&["role:admin", "role:admin", "role:admin,role:editor+is:role:guest", "role:admin+member"]);
        let delete =
            self.one(&["role:admin", "role:admin", "role:admin,mine:who", "role:admin,role:editor+is:role:guest"]);
        let note = self.one(&["member", "role:admin", "mine:who"]);
        self.lines.push(format!(
            "members who:identity! role:text! note:text{unique} frozen(who,role) insert={insert} delete={delete} update={note}"
        ));
        self.powers.push("role:editor".to_owned());
    }

    fn guards(&mut self) {
        if self.chance.below(3) == 0 {
            let (action, delete) = (self.one(&["cascade", "noaction"]), self.one(&["role:admin", "member"]));
            self.lines.push(format!(
                "badges member:ref:members:{action}! level:int frozen(member) insert=role:admin,role:editor delete={delete} \
                 update=badge"
            ));
            self.powers.push("badge".to_owned());
        }
        if self.chance.below(3) == 0 {
            let name = self.one(&["", " unique(name)"]);
            self.lines.push(format!("teams name:text{name} insert=member delete=member update=member"));
            let action = self.one(&["cascade", "noaction", "restrict"]);
            let unique = self.one(&["", " unique(team,who)"]);
            let delete = self.one(&["role:admin", "mine:who,role:admin", "member"]);
            self.lines.push(format!(
                "seats team:ref:teams:{action}! who:identity!{unique} frozen(team,who) insert=member delete={delete}"
            ));
        }
        if self.chance.below(3) == 0 {
            self.lines.push("passes who:identity! note:text frozen(who) insert=all delete=all update=all".to_owned());
            self.powers.push("pass".to_owned());
        }
    }

    fn has(&self, name: &str) -> bool {
        self.lines.iter().any(|line| line.starts_with(&format!("{name} ")))
    }

    fn power(&mut self) -> String {
        match self.chance.below(10) {
            0 | 1 => "all".to_owned(),
            2 | 3 => {
                let (one, other) = (self.chance.below(self.powers.len()), self.chance.below(self.powers.len()));
                format!("{},{}", self.powers[one], self.powers[other])
            }
            4 => {
                let (one, other) = (self.chance.below(self.powers.len()), self.chance.below(self.powers.len()));
                if one == other {
                    self.powers[one].clone()
                } else {
                    format!("{}+{}", self.powers[one], self.powers[other])
                }
            }
            _ => self.powers[self.chance.below(self.powers.len())].clone(),
        }
    }

    fn data_table(&mut self, index: usize) {
        let name = format!("t{index}");
        let mut line = format!("{name} a:int b:int x:text who:identity");
        let (mut references, mut fixed) = (Vec::new(), vec!["who".to_owned()]);
        for number in 0..[0, 1, 1, 2, 2, 2][self.chance.below(6)] {
            let (column, text) = self.reference(index, number);
            line += &format!(" {column}:{text}");
            references.push((column, text));
        }
        let seat = references.iter().find(|(_, text)| text.contains(":teams:") && !text.contains("setnull")).cloned();
        if let Some((column, _)) = &seat {
            fixed.push(column.clone());
        }
        let in_keys: Vec<&(String, String)> = references.iter().filter(|(column, _)| !fixed.contains(column)).collect();
        let by_reference = in_keys.first().map(|(column, _)| format!(" unique({column},a)"));
        line += match self.chance.below(7) {
            0 => " unique(a)",
            1 => " unique(a,b)",
            2 => " unique(x)",
            3 => " unique(a) unique(x)",
            4 | 5 => by_reference.as_deref().unwrap_or(" unique(b)"),
            _ => "",
        };
        line += self.one(&["", " check(a<=b)", " check(a>0)", ""]);
        line += &format!(" frozen({})", fixed.join(","));
        for command in ["insert", "update", "delete"] {
            let mut power = self.power();
            if self.chance.below(3) == 0 {
                power = format!("{power},mine:who");
            }
            if let Some((column, _)) = &seat
                && self.chance.below(2) == 0
            {
                power = format!("seat:{column}");
            }
            line += &format!(" {command}={power}");
        }
        self.lines.push(line);
    }

    /// A foreign key to a table that is there, or to its own.
    fn reference(&mut self, index: usize, number: usize) -> (String, String) {
        let mut targets = vec![format!("t{index}")];
        targets.extend((0..index).map(|table| format!("t{table}")));
        targets.extend((0..index).map(|table| format!("t{table}")));
        if self.has("teams") {
            targets.push("teams".to_owned());
        }
        if self.chance.below(4) == 0 {
            targets.push("members".to_owned());
        }
        let target = targets[self.chance.below(targets.len())].clone();
        let actions: &[&str] = if target == "members" {
            &["cascade", "setnull", "noaction"]
        } else {
            &["cascade", "cascade", "setnull", "restrict", "restrict", "noaction"]
        };
        let action = self.one(actions);
        let can_be_required = action != "setnull" && target != format!("t{index}");
        let mark = if can_be_required && self.chance.below(3) == 0 { "!" } else { "" };
        (format!("r{number}"), format!("ref:{target}:{action}{mark}"))
    }
}

#[cfg(test)]
mod tests {
    use treaty_schema::Schema;

    use super::*;

    #[test]
    fn every_drawn_schema_is_valid() {
        for seed in 0..300 {
            let lines = drawn(&mut Chance::of(seed, 0));
            let made = Schema::empty().apply(&patch_of(&lines));
            assert!(made.is_ok(), "{lines}\n{:#?}", made.err());
        }
    }
}
