//! The verdicts of a set of co-transactions that is closed under dependency, from scratch: three-valued propagation, and where that
//! ends undecided, disputes by seniority. Pure: no store, no schema.
//!
//! Cost: linear in the atoms per round; each round decides at least one member of each dispute that nothing undecided precedes.
//!
//! Spec: semantics.md 5. Oracle in tests: `treaty-oracle`.

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
