//! Random graphs, as proptest strategies: honest work, late work, forks of one author, wide merges.

use std::collections::BTreeSet;

use proptest::collection::vec;
use proptest::prelude::{Strategy, any};

use crate::dag::{Dag, Node};

/// Most parents that a drawn entry gets: the limit of the format.
const PARENTS_MAX: usize = treaty_engine::limits::PARENTS_MAX;

/// Draws a graph of 1 to `count_max` entries by up to `author_max` authors.
///
/// Each graph has its own mixture of habits: continuing one's own work, merging all heads, continuing anything.
pub fn dag(count_max: usize, author_max: u8) -> impl Strategy<Value = Dag> {
    let step = (0..author_max, any::<u8>(), vec(any::<u16>(), 1..5));
    (vec(step, 0..count_max), any::<u8>(), any::<u8>()).prop_map(|(steps, own, merge)| {
        let mut growth = Growth::new();
        for (author, dice, picks) in steps {
            let habit = match dice {
                _ if dice % 4 == 0 && dice < merge => Habit::Merge,
                _ if dice <= own => Habit::Own,
                _ => Habit::Any,
            };
            growth.grow(author, habit, &picks);
        }
        growth.dag
    })
}

/// Draws an order in which the entries of a graph may arrive: parents first, otherwise by `seeds`.
pub fn shuffled(dag: &Dag, seeds: &[u16]) -> Vec<usize> {
    let mut arrived = vec![false; dag.nodes.len()];
    let mut order = Vec::with_capacity(dag.nodes.len());
    while order.len() < dag.nodes.len() {
        let ready: Vec<usize> = (0..dag.nodes.len())
            .filter(|index| !arrived[*index] && dag.nodes[*index].parents.iter().all(|parent| arrived[*parent]))
            .collect();
        let seed = seeds.get(order.len() % seeds.len().max(1)).copied().unwrap_or(0);
        let next = ready[usize::from(seed) % ready.len()];
        arrived[next] = true;
        order.push(next);
    }
    order
}

#[derive(Clone, Copy)]
enum Habit {
    /// On top of all heads, up to the limit of parents.
    Merge,
    /// On top of the author's last entry and one other.
    Own,
    /// On top of anything: late work, forks, work on genesis.
    Any,
}

/// A graph that grows, with the past of each entry.
struct Growth {
    dag: Dag,
    pasts: Vec<BTreeSet<usize>>,
}

impl Growth {
    fn new() -> Growth {
        let genesis = Node { name: "n0".to_owned(), author: 0, parents: Vec::new() };
        Growth { dag: Dag { nodes: vec![genesis] }, pasts: vec![BTreeSet::new()] }
    }

    fn grow(&mut self, author: u8, habit: Habit, picks: &[u16]) {
        let count = self.dag.nodes.len();
        let picked = picks.iter().map(|pick| usize::from(*pick) % count);
        let wanted: Vec<usize> = match habit {
            Habit::Merge => (0..count).collect(),
            Habit::Own => {
                let own = (0..count).rev().find(|index| self.dag.nodes[*index].author == author);
                own.into_iter().chain(picked.take(1)).collect()
            }
            Habit::Any => picked.collect(),
        };
        let is_below = |a: usize| wanted.iter().any(|b| self.pasts[*b].contains(&a));
        let parents: BTreeSet<usize> = wanted.iter().copied().filter(|a| !is_below(*a)).take(PARENTS_MAX).collect();
        let past = parents.iter().flat_map(|parent| self.pasts[*parent].iter().copied().chain([*parent])).collect();
        self.pasts.push(past);
        self.dag.nodes.push(Node { name: format!("n{count}"), author, parents: parents.into_iter().collect() });
    }
}
