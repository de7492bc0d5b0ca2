//! Which databases the nodes of a test work with, and tests for every combination.

use crate::{Kind, Node};

/// The databases of the first and of the second node of a test; a third has the first one's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pair {
    /// The first node's.
    pub first: Kind,
    /// The second node's.
    pub second: Kind,
}

impl Pair {
    /// Two nodes.
    pub fn nodes(self) -> (Node, Node) {
        (Node::on(self.first), Node::on(self.second))
    }

    /// Three nodes.
    pub fn three(self) -> (Node, Node, Node) {
        (Node::on(self.first), Node::on(self.second), Node::on(self.first))
    }
}

impl From<Kind> for Pair {
    fn from(kind: Kind) -> Pair {
        Pair { first: kind, second: kind }
    }
}

/// Makes four tests of each function that takes a [`Pair`]: for every pair of databases.
#[macro_export]
macro_rules! on_every_pair {
    ($($name:ident),+ $(,)?) => { $(
        mod $name {
            use treaty_tests::{Kind, Pair};

            #[test]
            fn sqlite_and_sqlite() {
                super::$name(Pair { first: Kind::Sqlite, second: Kind::Sqlite });
            }

            #[test]
            fn postgres_and_sqlite() {
                super::$name(Pair { first: Kind::Postgres, second: Kind::Sqlite });
            }

            #[test]
            fn sqlite_and_postgres() {
                super::$name(Pair { first: Kind::Sqlite, second: Kind::Postgres });
            }

            #[test]
            fn postgres_and_postgres() {
                super::$name(Pair { first: Kind::Postgres, second: Kind::Postgres });
            }
        }
    )+ };
}

/// Makes two tests of each function that takes a [`Kind`]: for each database.
#[macro_export]
macro_rules! on_each_database {
    ($($name:ident),+ $(,)?) => { $(
        mod $name {
            use treaty_tests::Kind;

            #[test]
            fn sqlite() {
                super::$name(Kind::Sqlite);
            }

            #[test]
            fn postgres() {
                super::$name(Kind::Postgres);
            }
        }
    )+ };
}
