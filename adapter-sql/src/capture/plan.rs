//! From queue lines to transactions: what belongs together, and in which order.
//!
//! The queue holds keys only, in the order of the statements that touched them. [`plan`] cuts it into *parts* (at the
//! marks that the application sets, where the database tells transactions apart at their bounds and, in a backlog, at pauses), then joins what cannot be told apart any more: values
//! are read when the queue is drained, so two parts that touched one row, and all between them, become one group.
//! Pure; knows no database.

use std::collections::BTreeMap;
use std::ops::Range;

use treaty_engine::relation::RowId;

/// A row as the application sees it: a table, by index into the schema's tables, and its `id`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ShownRow {
    /// Index into `Schema::tables`.
    pub table: usize,
    /// The id shown.
    pub id: RowId,
}

/// One line of the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line {
    /// Its number; ascending, never used twice while the queue exists.
    pub seq: i64,
    /// When it was written, by the database's clock, in milliseconds since 1970.
    pub at_ms: i64,
    /// The database's number of the transaction that wrote it; 0 where that is not known.
    pub transaction: u64,
    /// What the tables showed then, by the database's number of it.
    pub view: i64,
    /// The author that the transaction named, by index into the authors of the queue.
    pub author: Option<u32>,
    /// What it says.
    pub said: Said,
}

impl Line {
    /// A line of a database that tells only the number, the time and the row.
    pub fn plain(seq: i64, at_ms: i64, said: Said) -> Line {
        Line { seq, at_ms, transaction: 0, view: 0, author: None, said }
    }
}

/// What a line of the queue says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Said {
    /// A transaction starts here.
    Mark,
    /// This row was written or deleted.
    Touched(ShownRow),
}

/// A queue cut into groups. Nothing is allocated for each group: a backlog may have one for every line.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plan {
    /// The groups that have rows, in order.
    pub groups: Vec<Group>,
    /// All rows, each once, in the order in which they were first touched.
    pub rows: Vec<GroupRow>,
    /// Index of each part's first line.
    parts: Vec<usize>,
}

/// Rows that belong to one transaction, or to several that cannot be told apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Indices of its lines in the queue that was planned.
    pub lines: Range<usize>,
    /// Indices of its rows in [`Plan::rows`].
    rows: Range<usize>,
    /// Indices of its parts in [`Plan::parts`].
    parts: Range<usize>,
}

impl Plan {
    /// The rows of a group, in the order in which they were first touched.
    pub fn rows_of(&self, group: &Group) -> &[GroupRow] {
        &self.rows[group.rows.clone()]
    }

    /// Indices of the first line of each part that was joined into a group; not empty.
    pub fn parts_of(&self, group: &Group) -> &[usize] {
        &self.parts[group.parts.clone()]
    }
}

/// A row of a [`Group`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupRow {
    /// The row.
    pub key: ShownRow,
    /// Index of the line that touched it first.
    pub line_first: usize,
    /// The part, counted from the group's first, that touched it last.
    pub part_last: usize,
}

/// Where a queue may be cut besides at marks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pauses {
    /// Nowhere: what one snapshot shows belongs together.
    Ignored,
    /// Between lines written at least this many milliseconds apart: a backlog from while the sidecar was down.
    CutAt {
        /// The pause.
        gap_ms: i64,
    },
}

/// Groups the lines of a queue into transactions; groups without rows (a mark and nothing else) are left out.
///
/// * `lines` - as one snapshot shows them; each transaction's together, and after those that it depends on.
/// * returns - in order; cost O(n log n).
pub fn plan(lines: &[Line], pauses: Pauses) -> Plan {
    let starts = part_starts(lines, pauses);
    let mut seen: BTreeMap<ShownRow, (usize, usize)> = BTreeMap::new();
    let mut rows: Vec<GroupRow> = Vec::new();
    let mut part = 0;
    for (index, line) in lines.iter().enumerate() {
        if starts.get(part + 1) == Some(&index) {
            part += 1;
        }
        let Said::Touched(key) = line.said else { continue };
        seen.entry(key).and_modify(|(_, last)| *last = part).or_insert_with(|| {
            rows.push(GroupRow { key, line_first: index, part_last: part });
            (part, part)
        });
    }
    let bounds = joined_bounds(starts.len(), seen.values());
    let mut plan = Plan { groups: Vec::new(), rows, parts: starts };
    plan.collect(lines.len(), &bounds, &seen);
    plan
}

/// Returns the index of each part's first line; the first is 0.
fn part_starts(lines: &[Line], pauses: Pauses) -> Vec<usize> {
    let mut starts = vec![0];
    for (index, pair) in lines.windows(2).enumerate() {
        let is_other = pair[1].transaction != pair[0].transaction;
        let is_pause = match pauses {
            Pauses::Ignored => false,
            Pauses::CutAt { gap_ms } => pair[1].at_ms.saturating_sub(pair[0].at_ms) >= gap_ms,
        };
        if is_other || is_pause || pair[1].said == Said::Mark {
            starts.push(index + 1);
        }
    }
    starts
}

/// Joins parts that share a row, with all between them. Returns each group's first part, and the part count at the end.
fn joined_bounds<'a>(part_count: usize, spans: impl Iterator<Item = &'a (usize, usize)>) -> Vec<usize> {
    let mut reach: Vec<usize> = (0..part_count).collect();
    for &(first, last) in spans {
        reach[first] = reach[first].max(last);
    }
    let mut bounds = vec![0];
    let mut end = 0;
    for (part, &last) in reach.iter().enumerate() {
        if part > end {
            bounds.push(part);
        }
        end = end.max(last);
    }
    bounds.push(part_count);
    bounds
}

impl Plan {
    /// Makes the groups out of the bounds of their parts.
    fn collect(&mut self, line_count: usize, bounds: &[usize], seen: &BTreeMap<ShownRow, (usize, usize)>) {
        let mut row_first = 0;
        for pair in bounds.windows(2) {
            let parts = pair[0]..pair[1];
            let lines = self.parts[parts.start]..self.parts.get(parts.end).copied().unwrap_or(line_count);
            let row_count = self.rows[row_first..].partition_point(|row| row.line_first < lines.end);
            let rows = row_first..row_first + row_count;
            row_first = rows.end;
            for row in &mut self.rows[rows.clone()] {
                row.part_last = seen[&row.key].1 - parts.start;
            }
            if !rows.is_empty() {
                self.groups.push(Group { lines, rows, parts });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};
    use proptest::prelude::*;

    /// Reads `a b | c +300 d`: rows by letter, `|` a mark, `+n` a pause of n milliseconds.
    fn queue(text: &str) -> Vec<Line> {
        let (mut at_ms, mut lines) = (0, Vec::new());
        for word in text.split_whitespace() {
            if let Some(pause) = word.strip_prefix('+') {
                at_ms += pause.parse::<i64>().unwrap();
                continue;
            }
            let said = match word {
                "|" => Said::Mark,
                _ => Said::Touched(ShownRow { table: 0, id: RowId([word.as_bytes()[0]; 16]) }),
            };
            lines.push(Line::plain(i64::try_from(lines.len()).unwrap(), at_ms, said));
        }
        lines
    }

    fn show(plan: &Plan) -> String {
        let row = |row: &GroupRow| format!("{}{}", char::from(row.key.id.0[0]), row.part_last);
        let group = |group: &Group| plan.rows_of(group).iter().map(row).collect::<Vec<_>>().join(" ");
        plan.groups.iter().map(group).collect::<Vec<_>>().join(" ; ")
    }

    fn check(text: &str, pauses: Pauses, expected: &Expect) {
        expected.assert_eq(&show(&plan(&queue(text), pauses)));
    }

    const GAPS: Pauses = Pauses::CutAt { gap_ms: 250 };

    #[test]
    fn what_one_snapshot_shows_is_one_transaction() {
        check("a b +900 a c", Pauses::Ignored, &expect!["a0 b0 c0"]);
    }

    #[test]
    fn marks_separate_transactions() {
        check("| a b | c | | d", Pauses::Ignored, &expect!["a0 b0 ; c0 ; d0"]);
    }

    #[test]
    fn pauses_separate_a_backlog() {
        check("a +249 b +250 c", GAPS, &expect!["a0 b0 ; c0"]);
    }

    #[test]
    fn transactions_that_touched_one_row_are_joined_with_all_between() {
        check("a | b | c | b d | e", Pauses::Ignored, &expect!["a0 ; b2 c1 d2 ; e0"]);
        check("a b | c | a | c | d", Pauses::Ignored, &expect!["a2 b0 c3 ; d0"]);
    }

    #[test]
    fn an_empty_queue_has_no_transactions() {
        check("", GAPS, &expect![""]);
        check("| |", GAPS, &expect![""]);
    }

    proptest! {
        #[test]
        fn every_row_is_in_one_group_and_no_part_is_split(words in proptest::collection::vec(0_u8..12, 0..60)) {
            let lines: Vec<Line> = words.iter().enumerate().map(|(index, &word)| {
                let said = if word > 8 { Said::Mark } else { Said::Touched(ShownRow { table: 0, id: RowId([word; 16]) }) };
                Line::plain(i64::try_from(index).unwrap(), 0, said)
            }).collect();
            let plan = plan(&lines, Pauses::Ignored);
            for (index, line) in lines.iter().enumerate() {
                let Said::Touched(key) = line.said else { continue };
                let owners: Vec<&Group> = plan.groups.iter().filter(|group| plan.rows_of(group).iter().any(|row| row.key == key)).collect();
                prop_assert_eq!(owners.len(), 1);
                prop_assert!(owners[0].lines.contains(&index));
                let next = lines.get(index + 1);
                if next.is_some_and(|next| next.said != Said::Mark) {
                    prop_assert!(owners[0].lines.contains(&(index + 1)));
                }
            }
        }
    }
}
