//! The verdicts of a set of co-transactions that is closed under dependency, from scratch: three-valued propagation, and where that
//! ends undecided, disputes by seniority. Pure: no store, no schema.
//!
//! Cost: linear in the atoms per round; each round decides at least one member of each dispute that nothing undecided precedes.
//!
//! Spec: docs/spec/verdicts.md VERDICT-8. Oracle in tests: `treaty-oracle`.

use std::collections::VecDeque;

use super::condition::Weight;
use crate::log::Stamp;

/// What orders co-transactions the same on every replica: the stamp of the entry, the index there.
pub(super) type Position = (Stamp, u32);

/// A set of co-transactions; each is known by its index.
#[derive(Debug, Default)]
pub(super) struct Program {
    pub(super) nodes: Vec<Node>,
}

/// A co-transaction as the solver sees it.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) position: Position,
    /// Decided before anything is picked: whether it is live.
    pub(super) known: Option<bool>,
    /// All of these hold if it is live.
    pub(super) rules: Vec<Rule>,
}

/// One condition: one of its choices is true.
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) is_permission: bool,
    pub(super) choices: Vec<Choice>,
}

/// An alternative: all witnesses are live, all attackers void.
#[derive(Debug, Clone, Default)]
pub(super) struct Choice {
    pub(super) witnesses: Vec<usize>,
    pub(super) attackers: Vec<Attacker>,
    /// How senior who stands by it is; none if it holds no row of the past.
    pub(super) weight: Option<Weight>,
}

/// Somebody who must be void.
#[derive(Debug, Clone, Copy)]
pub(super) struct Attacker {
    pub(super) node: usize,
    /// It is in the past of whose condition this is; else concurrent.
    pub(super) is_past: bool,
}

/// What became of a co-transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) is_live: bool,
    /// Decided before anything was picked.
    pub(super) is_early: bool,
    /// The pick that needed it void.
    pub(super) overridden_by: Option<usize>,
}

/// Decides every node.
pub(super) fn solve(program: &Program) -> Vec<Outcome> {
    let mut solver = Solver::new(program);
    solver.saturate((0..program.nodes.len()).collect());
    let is_early: Vec<bool> = solver.values.iter().map(|value| *value != Value::Undecided).collect();
    while solver.values.contains(&Value::Undecided) {
        solver.round();
    }
    let decided = solver.values.into_iter().zip(is_early).zip(solver.overridden_by);
    let outcome =
        |((value, is_early), overridden_by)| Outcome { is_live: value == Value::Live, is_early, overridden_by };
    decided.map(outcome).collect()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Value {
    Undecided,
    Live,
    Void,
}

/// Of a choice or a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Truth {
    Unknown,
    True,
    False,
}

struct Solver<'p> {
    program: &'p Program,
    values: Vec<Value>,
    overridden_by: Vec<Option<usize>>,
    /// By node, who has it in a condition.
    dependents: Vec<Vec<usize>>,
}

impl<'p> Solver<'p> {
    fn new(program: &'p Program) -> Solver<'p> {
        let count = program.nodes.len();
        let value = |node: &Node| match node.known {
            None => Value::Undecided,
            Some(true) => Value::Live,
            Some(false) => Value::Void,
        };
        let mut dependents = vec![Vec::new(); count];
        for (index, node) in program.nodes.iter().enumerate().filter(|(_, node)| node.known.is_none()) {
            for choice in node.rules.iter().flat_map(|rule| &rule.choices) {
                for atom in atoms(choice) {
                    dependents[atom].push(index);
                }
            }
        }
        for of in &mut dependents {
            of.dedup();
        }
        let values = program.nodes.iter().map(value).collect();
        Solver { program, values, overridden_by: vec![None; count], dependents }
    }

    /// Propagates until nothing changes, from nodes whose value may now be certain.
    fn saturate(&mut self, mut pending: VecDeque<usize>) {
        let mut is_pending = vec![false; self.values.len()];
        pending.iter().for_each(|index| is_pending[*index] = true);
        while let Some(index) = pending.pop_front() {
            is_pending[index] = false;
            if self.values[index] != Value::Undecided {
                continue;
            }
            let value = self.evaluate(index);
            if value == Value::Undecided {
                continue;
            }
            self.values[index] = value;
            for dependent in &self.dependents[index] {
                if self.values[*dependent] == Value::Undecided && !is_pending[*dependent] {
                    is_pending[*dependent] = true;
                    pending.push_back(*dependent);
                }
            }
        }
    }

    fn evaluate(&self, index: usize) -> Value {
        let mut value = Value::Live;
        for rule in &self.program.nodes[index].rules {
            match self.truth(rule) {
                Truth::False => return Value::Void,
                Truth::Unknown => value = Value::Undecided,
                Truth::True => {}
            }
        }
        value
    }

    fn truth(&self, rule: &Rule) -> Truth {
        let mut truth = Truth::False;
        for choice in &rule.choices {
            match self.truth_of(choice) {
                Truth::True => return Truth::True,
                Truth::Unknown => truth = Truth::Unknown,
                Truth::False => {}
            }
        }
        truth
    }

    fn truth_of(&self, choice: &Choice) -> Truth {
        let mut truth = Truth::True;
        for witness in &choice.witnesses {
            match self.values[*witness] {
                Value::Void => return Truth::False,
                Value::Undecided => truth = Truth::Unknown,
                Value::Live => {}
            }
        }
        for attacker in &choice.attackers {
            match self.values[attacker.node] {
                Value::Live => return Truth::False,
                Value::Undecided => truth = Truth::Unknown,
                Value::Void => {}
            }
        }
        truth
    }

    /// One round: of every dispute that depends on no other, all on one snapshot, the most senior who qualifies is live.
    fn round(&mut self) {
        let mut decided = Vec::new();
        for component in self.sources() {
            let best = component
                .iter()
                .copied()
                .filter(|index| self.qualifies(*index))
                .min_by_key(|index| (self.weight(*index), self.program.nodes[*index].position));
            match best {
                None => decided.extend(component.into_iter().map(|index| (index, Value::Void, None))),
                Some(pick) => {
                    decided.push((pick, Value::Live, None));
                    let overridden = self.overridden(pick);
                    decided.extend(overridden.into_iter().map(|index| (index, Value::Void, Some(pick))));
                }
            }
        }
        let mut pending = VecDeque::new();
        for (index, value, overridden_by) in decided {
            if self.values[index] == Value::Undecided {
                self.values[index] = value;
                self.overridden_by[index] = overridden_by;
                pending.extend(&self.dependents[index]);
            }
        }
        self.saturate(pending);
    }

    /// Whether every condition has an alternative that stands.
    fn qualifies(&self, index: usize) -> bool {
        self.program.nodes[index].rules.iter().all(|rule| rule.choices.iter().any(|choice| self.stands(choice)))
    }

    /// Its witnesses are decided live, none of its attackers is.
    fn stands(&self, choice: &Choice) -> bool {
        choice.witnesses.iter().all(|witness| self.values[*witness] == Value::Live)
            && choice.attackers.iter().all(|attacker| self.values[attacker.node] != Value::Live)
    }

    /// Seniority on this snapshot.
    fn weight(&self, index: usize) -> Weight {
        let permissions = self.program.nodes[index].rules.iter().filter(|rule| rule.is_permission);
        let weights = permissions.filter_map(|rule| {
            let standing = rule.choices.iter().filter(|choice| self.stands(choice));
            // One without a row of the past is the least: its condition does not count.
            standing.map(|choice| choice.weight).min().flatten()
        });
        weights.max().unwrap_or(Weight::Nothing)
    }

    /// Who must be void for a pick to be live.
    fn overridden(&self, pick: usize) -> Vec<usize> {
        let mut overridden = Vec::new();
        for rule in self.program.nodes[pick].rules.iter().filter(|rule| self.truth(rule) != Truth::True) {
            let standing = rule.choices.iter().filter(|choice| self.stands(choice));
            let undecided = standing.map(|choice| {
                let attackers =
                    choice.attackers.iter().filter(|attacker| self.values[attacker.node] == Value::Undecided);
                let mut attackers: Vec<(Position, Attacker)> =
                    attackers.map(|attacker| (self.program.nodes[attacker.node].position, *attacker)).collect();
                attackers.sort_unstable_by(|(a, _), (b, _)| b.cmp(a));
                attackers
            });
            let positions =
                |attackers: &Vec<(Position, Attacker)>| attackers.iter().map(|(at, _)| *at).collect::<Vec<_>>();
            let taken = undecided.max_by_key(positions).unwrap_or_default();
            let reached = taken.into_iter().filter(|(_, attacker)| attacker.is_past || !rule.is_permission);
            overridden.extend(reached.map(|(_, attacker)| attacker.node));
        }
        overridden
    }

    /// The strongly connected components of undecided nodes that depend on no other undecided one.
    fn sources(&self) -> Vec<Vec<usize>> {
        let edges: Vec<Vec<usize>> = (0..self.values.len()).map(|index| self.undecided_below(index)).collect();
        let components = components(&edges, |index| self.values[index] == Value::Undecided);
        let mut component_of = vec![usize::MAX; self.values.len()];
        for (number, component) in components.iter().enumerate() {
            component.iter().for_each(|index| component_of[*index] = number);
        }
        let is_source = |component: &Vec<usize>| {
            let number = component_of[component[0]];
            component.iter().all(|index| edges[*index].iter().all(|below| component_of[*below] == number))
        };
        components.into_iter().filter(is_source).collect()
    }

    /// The undecided nodes in not yet false alternatives of not yet true conditions.
    fn undecided_below(&self, index: usize) -> Vec<usize> {
        if self.values[index] != Value::Undecided {
            return Vec::new();
        }
        let open = self.program.nodes[index].rules.iter().filter(|rule| self.truth(rule) != Truth::True);
        let choices = open.flat_map(|rule| &rule.choices).filter(|choice| self.truth_of(choice) != Truth::False);
        let mut below: Vec<usize> =
            choices.flat_map(atoms).filter(|atom| self.values[*atom] == Value::Undecided).collect();
        below.sort_unstable();
        below.dedup();
        below
    }
}

fn atoms(choice: &Choice) -> impl Iterator<Item = usize> {
    choice.witnesses.iter().copied().chain(choice.attackers.iter().map(|attacker| attacker.node))
}

/// Returns the strongly connected components of the nodes that are `included`, what they reach first (Tarjan 1972, without recursion).
pub(super) fn components(edges: &[Vec<usize>], included: impl Fn(usize) -> bool) -> Vec<Vec<usize>> {
    const UNSEEN: usize = usize::MAX;
    let (mut order, mut low) = (vec![UNSEEN; edges.len()], vec![0; edges.len()]);
    let (mut stack, mut is_on_stack, mut count) = (Vec::new(), vec![false; edges.len()], 0);
    let mut found = Vec::new();
    for root in (0..edges.len()).filter(|root| included(*root)) {
        if order[root] != UNSEEN {
            continue;
        }
        // Each call: a node, and how many of its edges are done.
        let mut calls = vec![(root, 0)];
        while let Some((node, done)) = calls.pop() {
            if done == 0 {
                order[node] = count;
                low[node] = count;
                count += 1;
                stack.push(node);
                is_on_stack[node] = true;
            } else {
                low[node] = low[node].min(low[edges[node][done - 1]]);
            }
            let mut next = done;
            let mut is_suspended = false;
            while next < edges[node].len() {
                let below = edges[node][next];
                next += 1;
                if !included(below) {
                    continue;
                }
                if order[below] == UNSEEN {
                    calls.push((node, next));
                    calls.push((below, 0));
                    is_suspended = true;
                    break;
                }
                if is_on_stack[below] {
                    low[node] = low[node].min(order[below]);
                }
            }
            if is_suspended || low[node] != order[node] {
                continue;
            }
            let mut component = Vec::new();
            while let Some(member) = stack.pop() {
                is_on_stack[member] = false;
                component.push(member);
                if member == node {
                    break;
                }
            }
            found.push(component);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::EntryId;

    /// A program told as text, one node a line: `name [senior]: rule; rule`. A rule is `p` (permission) or `o` (other), then its
    /// choices, split by `|`: witnesses, then attackers, `-name` in the past, `~name` concurrent. A choice that names nobody is
    /// `=`. Positions are in the order told; `senior` is the number of the row that permissions rest on.
    fn program(text: &str) -> (Vec<String>, Program) {
        let lines: Vec<(&str, &str)> = text.lines().map(str::trim).filter_map(|line| line.split_once(':')).collect();
        let names: Vec<String> =
            lines.iter().filter_map(|(head, _)| head.split(' ').next()).map(str::to_owned).collect();
        let index = |name: &str| names.iter().position(|known| known == name).unwrap();
        let mut nodes = Vec::new();
        for (height, (head, rules)) in (0..).zip(&lines) {
            let senior: Option<u32> = head.split(' ').nth(1).and_then(|number| number.parse().ok());
            let weight = senior.map(|number| Weight::Row(Stamp { height: 0, id: EntryId([0; 32]) }, 0, number));
            let choice = |text: &str| {
                let mut choice = Choice { weight, ..Choice::default() };
                for word in text.split_whitespace().filter(|word| *word != "=") {
                    match (word.strip_prefix('-'), word.strip_prefix('~')) {
                        (Some(name), _) => choice.attackers.push(Attacker { node: index(name), is_past: true }),
                        (_, Some(name)) => choice.attackers.push(Attacker { node: index(name), is_past: false }),
                        (None, None) => choice.witnesses.push(index(word)),
                    }
                }
                choice
            };
            let rule = |text: &str| {
                let (kind, choices) = text.trim().split_at(1);
                Rule { is_permission: kind == "p", choices: choices.split('|').map(choice).collect() }
            };
            let rules = rules.split(';').filter(|text| !text.trim().is_empty()).map(rule).collect();
            nodes.push(Node { position: (Stamp { height, id: EntryId([0; 32]) }, 0), known: None, rules });
        }
        (names, Program { nodes })
    }

    /// Checks who is live, and who was overridden by whom.
    fn check(text: &str, live: &str, overridden: &str) {
        let (names, program) = program(text);
        let outcomes = solve(&program);
        let is_live = |(name, outcome): (&String, &Outcome)| outcome.is_live.then(|| name.clone());
        let found: Vec<String> = names.iter().zip(&outcomes).filter_map(is_live).collect();
        assert_eq!(found.join(" "), live, "{text}");
        let told = |(name, outcome): (&String, &Outcome)| Some(format!("{name}<{}", names[outcome.overridden_by?]));
        let found: Vec<String> = names.iter().zip(&outcomes).filter_map(told).collect();
        assert_eq!(found.join(" "), overridden, "{text}");
    }

    #[test]
    fn what_nobody_attacks_is_live_and_what_relies_on_it() {
        check("a:\nb: p a\nc: p a; o b", "a b c", "");
    }

    #[test]
    fn one_alternative_is_enough_and_one_false_condition_too_much() {
        check("a:\ngone: p = ~a\nb: p gone | a\nc: p a; o gone", "a b", "");
    }

    #[test]
    fn an_attack_that_is_void_itself_does_nothing() {
        check("boss:\nattack: p boss ~removal\nremoval: p boss\nuse: p boss ~attack", "boss removal use", "");
    }

    #[test]
    fn of_two_who_revoke_each_other_the_more_senior_stands() {
        check("g:\nx 2: p g ~y\ny 1: p g ~x", "g y", "");
        check("g:\nx 1: p g ~y\ny 2: p g ~x", "g x", "");
    }

    #[test]
    fn equally_senior_the_earlier_stands() {
        check("g:\nx 1: p g ~y\ny 1: p g ~x", "g x", "");
    }

    #[test]
    fn in_a_ring_of_three_the_most_senior_and_whom_he_leaves_stand() {
        check("g:\na 1: p g ~c\nb 2: p g ~a\nc 3: p g ~b", "g a c", "");
    }

    #[test]
    fn disputes_of_one_round_are_decided_on_one_snapshot_and_others_wait() {
        // The second pair depends on the first: it is decided once that is.
        check("g:\na 2: p g ~b\nb 1: p g ~a\nc 1: p a | g ~d\nd 2: p g ~c", "g b c", "");
        check("g:\na 1: p g ~b\nb 2: p g ~a\nc 9: p a ~d\nd 2: p g ~c", "g a d", "");
    }

    #[test]
    fn a_pick_overrides_what_attacks_anything_but_its_permission() {
        // The reference relies on a row that the delete takes, the delete is forbidden by the reference.
        check("g:\nuse 1: p g; o g ~cut\ncut 2: p g; o = ~use", "g use", "cut<use");
        check("g:\nuse 2: p g; o g ~cut\ncut 1: p g; o = ~use", "g cut", "use<cut");
        // Here nothing but the pick stands against the delete: both may not be live.
        check("g:\nuse 1: p g; o g ~cut\ncut 2: p g ~third\nthird 3: p g ~cut; o = ~use", "g use", "cut<use");
    }

    #[test]
    fn a_pick_overrides_attackers_of_its_past_but_judges_concurrent_ones_on() {
        check("g:\nold 2: p g ~new\nnew 1: p g -old", "g new", "old<new");
        // x attacks y's permission from beside it: y is picked, and x still stands by what y does not touch.
        check("g:\nx 2: p g ~y | g ~z\ny 1: p g ~x\nz 3: p g ~x", "g x y", "");
    }

    #[test]
    fn the_alternative_with_the_latest_attackers_is_taken() {
        // Both ways of being right stand; the later attacker is overridden, the earlier judged on.
        check(
            "g:\nearly 5: p g; o = ~pick\nlate 6: p g; o = ~pick\npick 1: p g; o = -early | = -late",
            "g pick",
            "late<pick",
        );
    }

    #[test]
    fn nobody_qualifies_and_all_are_void() {
        check("a: o b\nb: o a", "", "");
    }

    #[test]
    fn a_condition_without_a_row_of_the_past_lends_no_seniority() {
        // Both conditions of x stand without such a row: y, who has one, is more senior.
        check("g:\nx: p g ~y\ny 7: p g ~x", "g y", "");
    }

    #[test]
    fn components_are_found_however_deep_they_lie() {
        let count = 200_000;
        let mut edges: Vec<Vec<usize>> = (0..count).map(|index| vec![(index + 1) % count]).collect();
        assert_eq!(components(&edges, |_| true).len(), 1);
        edges[count - 1].clear();
        assert_eq!(components(&edges, |_| true).len(), count);
    }
}
