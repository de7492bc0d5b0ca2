//! Graphs of entries, drawn as text: `a, b-a, c@2-a, d-b-c`.
//!
//! Each item is a name, perhaps `@` and an author's number (0 if left out), and `-` before each parent. Items come
//! after their parents. The first is genesis.

use treaty_engine::hash::SpaceId;
use treaty_engine::identity::Keypair;
use treaty_engine::log::{Entry, EntryDraft};

/// One entry of a graph.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// What tests call it.
    pub name: String,
    /// The number of its author.
    pub author: u8,
    /// The indexes of its parents, ascending.
    pub parents: Vec<usize>,
}

/// A graph of entries; parents come before children.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Dag {
    /// Its entries; the first is genesis.
    pub nodes: Vec<Node>,
}

/// Returns the key pair of an author's number, always the same.
pub fn keypair(author: u8) -> Keypair {
    Keypair::generate(&[author; 32])
}

impl Dag {
    /// Reads a drawing.
    pub fn drawn(text: &str) -> Dag {
        let mut dag = Dag::default();
        for item in text.split(',').map(str::trim).filter(|item| !item.is_empty()) {
            let mut parts = item.split('-');
            let (name, author) = match parts.next().expect("split gives one part").split_once('@') {
                Some((name, author)) => (name, author.parse().expect("an author is a number below 256")),
                None => (item.split('-').next().expect("split gives one part"), 0),
            };
            let mut parents: Vec<usize> = parts.map(|parent| dag.index(parent)).collect();
            parents.sort_unstable();
            dag.nodes.push(Node { name: name.to_owned(), author, parents });
        }
        dag
    }

    /// Returns the index of a name.
    #[expect(clippy::panic, reason = "a name that was not drawn is a mistake in the test, and is to be told")]
    pub fn index(&self, name: &str) -> usize {
        self.nodes.iter().position(|node| node.name == name).unwrap_or_else(|| panic!("no entry is called {name}"))
    }

    /// Returns the name of an index.
    pub fn name(&self, index: usize) -> &str {
        &self.nodes[index].name
    }

    /// Signs the entries, in the order of the graph. Payload: the name.
    pub fn entries(&self) -> Vec<Entry> {
        let mut entries: Vec<Entry> = Vec::with_capacity(self.nodes.len());
        for node in &self.nodes {
            let parents: Vec<&Entry> = node.parents.iter().map(|parent| &entries[*parent]).collect();
            let draft = EntryDraft {
                space: entries.first().map(|genesis| SpaceId(*genesis.id())),
                height: parents.iter().map(|parent| parent.header().height + 1).max().unwrap_or(0),
                parents: parents.iter().map(|parent| *parent.id()).collect(),
                time_ms: entries.len() as u64,
            };
            let entry = Entry::sign(&keypair(node.author), draft, node.name.as_bytes().to_vec());
            entries.push(entry.expect("drawn entries keep the format"));
        }
        entries
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drawing_reads_as_its_graph() {
        let dag = Dag::drawn("a, b-a, c@2-a, d-c-b");
        let shape: Vec<_> = dag.nodes.iter().map(|n| (n.name.as_str(), n.author, n.parents.as_slice())).collect();
        assert_eq!(shape, [("a", 0, &[][..]), ("b", 0, &[0][..]), ("c", 2, &[0][..]), ("d", 0, &[1, 2][..])]);
        assert_eq!(dag.entries()[3].header().height, 2);
    }
}
