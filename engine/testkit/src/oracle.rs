//! Causality computed naively: every question walks the parents. Shares nothing with the index.

use std::collections::BTreeSet;

use crate::dag::Dag;

/// Answers about a graph. Entries are indexes, sets are sets of indexes.
#[derive(Debug, Clone)]
pub struct Oracle {
    parents: Vec<Vec<usize>>,
    /// For each entry, itself and all that it builds on, found by walking.
    pasts: Vec<BTreeSet<usize>>,
}

impl Oracle {
    /// Takes the graph.
    pub fn new(dag: &Dag) -> Oracle {
        let parents: Vec<Vec<usize>> = dag.nodes.iter().map(|node| node.parents.clone()).collect();
        let pasts = (0..parents.len()).map(|entry| walk(&parents, &[entry])).collect();
        Oracle { parents, pasts }
    }

    /// Returns some entries and all that they build on.
    pub fn past_of(&self, entries: &[usize]) -> BTreeSet<usize> {
        walk(&self.parents, entries)
    }

    /// Says whether `a` is `b` or in its past.
    pub fn le(&self, a: usize, b: usize) -> bool {
        self.pasts[b].contains(&a)
    }

    /// Returns the members of a set that no other member follows.
    pub fn minimal_cover(&self, entries: &BTreeSet<usize>) -> BTreeSet<usize> {
        let is_covered = |a: usize| entries.iter().any(|b| a != *b && self.le(a, *b));
        entries.iter().copied().filter(|a| !is_covered(*a)).collect()
    }

    /// Returns the entries that neither precede nor follow an entry.
    pub fn concurrent(&self, entry: usize) -> BTreeSet<usize> {
        (0..self.parents.len()).filter(|other| !self.le(*other, entry) && !self.le(entry, *other)).collect()
    }

    /// Returns the length of the longest way from genesis.
    pub fn height(&self, entry: usize) -> u64 {
        let mut heights: Vec<u64> = Vec::new();
        for parents in &self.parents[..=entry] {
            heights.push(parents.iter().map(|parent| heights[*parent] + 1).max().unwrap_or(0));
        }
        heights[entry]
    }
}

fn walk(parents: &[Vec<usize>], entries: &[usize]) -> BTreeSet<usize> {
    let mut past = BTreeSet::new();
    let mut unvisited = entries.to_vec();
    while let Some(entry) = unvisited.pop() {
        if past.insert(entry) {
            unvisited.extend(&parents[entry]);
        }
    }
    past
}
