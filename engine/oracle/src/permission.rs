//! The ways in which policies become true for an operation: a function of its co-transaction's past, worked out once.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::ops::ControlFlow;
use std::rc::Rc;

use treaty_engine::relation::RowName;
use treaty_schema::{FoundRow, Rows, Subject, Value, visit_alternatives};

use crate::condition::command;
use crate::history::{Deed, History};
use crate::names::CoTxName;
use crate::reading::Reading;

/// Every way, each once.
pub(crate) type Ways = BTreeSet<Way>;

/// Rows that together make a policy true.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Way {
    /// Those of the past.
    pub(crate) rows: BTreeSet<RowName>,
    /// Own inserts, by operation.
    pub(crate) own_rows: BTreeSet<u32>,
}

impl History {
    /// The ways in which the policies for an operation are true.
    pub(crate) fn ways(&self, of: CoTxName, operation: u32) -> Rc<Ways> {
        let name = of.operation(operation);
        if let Some(known) = self.known.ways.borrow().get(&name) {
            return known.clone();
        }
        let ways = Rc::new(self.find_ways(of, operation));
        self.known.ways.borrow_mut().insert(name, ways.clone());
        ways
    }

    fn find_ways(&self, of: CoTxName, operation: u32) -> Ways {
        let reading = Reading::of(self, of, operation);
        let deed = &self.deeds(of)[operation as usize];
        let (table, row) = match deed {
            Deed::Insert { table, cells, .. } => (*table, reading.values(*table, of.operation(operation), cells)),
            Deed::Update { table, row, .. } | Deed::Delete { table, row } => (*table, reading.inserted(*table, *row)),
        };
        let subject = Subject { row: &row, author: &self.told(of.entry).author };
        let mut ways = Ways::new();
        let policies = self.table(table).policies_for(command(deed));
        let visited = visit_alternatives(self.schema(), policies, subject, &reading, &mut |alternative| {
            let found: BTreeSet<RowName> = alternative.witnesses.into_iter().map(|witness| witness.handle).collect();
            let (own, rows): (BTreeSet<RowName>, BTreeSet<RowName>) =
                found.into_iter().partition(|row| CoTxName::of(*row) == of);
            ways.insert(Way { rows, own_rows: own.into_iter().map(|row| row.operation).collect() });
            ControlFlow::Continue(())
        });
        match visited {
            Ok(()) => ways,
            Err(never) => match never {},
        }
    }
}

/// The rows that policies find: those inserted in the past, whatever became of them, and by earlier own operations.
impl Rows for Reading<'_> {
    type Handle = RowName;
    type Error = Infallible;

    fn matching(
        &self,
        table: usize,
        _equal: &[(usize, Value)],
    ) -> impl Iterator<Item = Result<FoundRow<RowName>, Infallible>> {
        self.all(table)
    }

    fn all(&self, table: usize) -> impl Iterator<Item = Result<FoundRow<RowName>, Infallible>> {
        self.candidates(table).iter().cloned().map(Ok)
    }
}
