//! Writing rows that the engine decided into the tables, whatever unique values they pass among each other.
//!
//! Set by set: overwrite, insert, delete; what refers comes after what it refers to, and goes before it. References are
//! checked at the end ([`check_references`], or the commit), unique keys at once. Where one is in the way, all is written
//! again in the order that frees each key before it is taken: rows that go and that nothing refers to go first, others are
//! written one by one, as they can be. Those that wait for each other get keys that no row has, for the time being (they are
//! *parked*). What is in the way then is no row of the batch: [`DatabaseError::InTheWay`].
//!
//! No action of the database (CASCADE, SET NULL, RESTRICT) ever meets a row that is not in the batch: before a row is deleted
//! it is locked, so that nobody can refer to it any more, and whoever refers to it then is in the way.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::rows::ids_of;
use super::session::{Failure, Session, Statement, column, statement};
use super::table::{Referrer, TableSql, cell_bytes};
use super::values::{bind_column, uuid};
use crate::database::{DatabaseError, Fate};
use treaty_engine::replica::RowImage;

/// Rows written with one statement, at most.
const ROWS_MAX: usize = 1_000;
/// Bytes of values after which no further row goes into a statement.
const BYTES_MAX: usize = 4 << 20;
/// What we go back to when a unique key is in the way.
const SAVEPOINT: &str = "treaty_batch";

/// Writes rows in the open transaction, in which our triggers rest.
pub(super) fn write(session: &mut Session, tables: &[TableSql], fates: &[Fate]) -> Result<(), DatabaseError> {
    let batch = Batch::of(tables, fates);
    if batch.is_empty() {
        return Ok(());
    }
    batch.write(session).map_err(Refused::into_error)
}

/// Checks references that rows just written hold; what refers to rows just removed was looked for before.
pub(super) fn check_references(
    session: &mut Session,
    tables: &[TableSql],
    fates: &[Fate],
) -> Result<(), DatabaseError> {
    let checked = session.script("SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL DEFERRED");
    checked.map_err(|failure| Refused::from(failure).into_error())?;
    find_missing(session, tables, fates).map_err(Refused::into_error)
}

/// A table whose foreign keys the application never declared holds references that nobody else checks.
fn find_missing(session: &mut Session, tables: &[TableSql], fates: &[Fate]) -> Result<(), Refused> {
    for (index, table) in tables.iter().enumerate() {
        let written: Vec<&RowImage> =
            fates.iter().filter(|fate| fate.key.table == index).filter_map(|fate| fate.row.as_ref()).collect();
        for target in &table.targets {
            let ids: BTreeSet<Uuid> = written.iter().filter_map(|row| reference(row, target.column)).collect();
            if ids.is_empty() {
                continue;
            }
            let ids: Vec<Uuid> = ids.into_iter().collect();
            if let Some(id) = ids_of(session, &target.find_missing, ids)?.first() {
                return Err(Refused::InTheWay(format!("row {id}, {},", target.said)));
            }
        }
    }
    Ok(())
}

/// The id that a cell refers to.
fn reference(row: &RowImage, column: usize) -> Option<Uuid> {
    match row.cells[column].as_ref()? {
        treaty_schema::Value::Uuid(id) => Some(Uuid::from_bytes(*id)),
        _ => None,
    }
}

/// Why rows were not written.
enum Refused {
    /// The statement failed.
    Failed(Failure),
    /// Something that is not part of the batch stands against it.
    InTheWay(String),
}

impl From<Failure> for Refused {
    fn from(failure: Failure) -> Refused {
        Refused::Failed(failure)
    }
}

impl Refused {
    fn into_error(self) -> DatabaseError {
        match self {
            Refused::InTheWay(what) => DatabaseError::InTheWay { what },
            Refused::Failed(failure) if failure.is_refusal() => DatabaseError::InTheWay { what: failure.words() },
            Refused::Failed(failure) => failure.into_error("writing rows"),
        }
    }

    fn is_duplicate(&self) -> bool {
        matches!(self, Refused::Failed(failure) if failure.is_duplicate())
    }

    fn is_refusal(&self) -> bool {
        matches!(self, Refused::Failed(failure) if failure.is_refusal())
    }
}

/// A row to be there.
struct Put<'b> {
    id: Uuid,
    fate: &'b Fate,
    row: &'b RowImage,
}

/// What becomes of the rows of one table; each row has one fate.
struct OfTable<'b> {
    table: &'b TableSql,
    index: usize,
    puts: Vec<Put<'b>>,
    removed: Vec<Uuid>,
}

/// A batch by table, in the order of the schema: those referred to before those that refer.
struct Batch<'b>(Vec<OfTable<'b>>);

impl<'b> Batch<'b> {
    fn of(tables: &'b [TableSql], fates: &'b [Fate]) -> Batch<'b> {
        // A row may be removed and be there again: that it is there counts.
        let mut last: BTreeMap<_, &Fate> = BTreeMap::new();
        for fate in fates {
            if fate.row.is_some() || last.get(&fate.key).is_none_or(|before| before.row.is_none()) {
                last.insert(fate.key, fate);
            }
        }
        let mut found: BTreeMap<usize, OfTable<'b>> = BTreeMap::new();
        for (key, fate) in last {
            let of_table = found.entry(key.table).or_insert_with(|| OfTable {
                table: &tables[key.table],
                index: key.table,
                puts: Vec::new(),
                removed: Vec::new(),
            });
            match &fate.row {
                Some(row) => of_table.puts.push(Put { id: uuid(key.id), fate, row }),
                None => of_table.removed.push(uuid(key.id)),
            }
        }
        Batch(found.into_values().collect())
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn write(&self, session: &mut Session) -> Result<(), Refused> {
        session.savepoint(SAVEPOINT)?;
        match self.0.iter().try_for_each(|of_table| of_table.put_all(session)) {
            Err(refused) if refused.is_duplicate() => {
                session.rollback_to_savepoint(SAVEPOINT)?;
                self.0.iter().rev().try_for_each(|of_table| of_table.remove_unreferenced(session))?;
                self.0.iter().try_for_each(|of_table| of_table.put_in_order(session))?;
            }
            put => {
                put?;
                session.release_savepoint(SAVEPOINT)?;
            }
        }
        self.0.iter().rev().try_for_each(|of_table| of_table.remove(session, &of_table.removed))
    }
}

impl<'b> OfTable<'b> {
    /// The rows to be there, in parts that a statement takes.
    fn chunks(&self) -> impl Iterator<Item = &[Put<'b>]> {
        let mut rest = self.puts.as_slice();
        std::iter::from_fn(move || {
            if rest.is_empty() {
                return None;
            }
            let (mut end, mut bytes) = (0, 0);
            while end < rest.len() && end < ROWS_MAX && (bytes < BYTES_MAX || end == 0) {
                bytes += rest[end].row.cells.iter().map(|cell| cell_bytes(cell.as_ref())).sum::<usize>();
                end += 1;
            }
            let (chunk, after) = rest.split_at(end);
            rest = after;
            Some(chunk)
        })
    }

    fn put_all(&self, session: &mut Session) -> Result<(), Refused> {
        self.chunks().try_for_each(|chunk| self.put(session, &chunk.iter().collect::<Vec<_>>()))
    }

    /// Writes the rows so that each unique key is free when it is taken.
    fn put_in_order(&self, session: &mut Session) -> Result<(), Refused> {
        if self.table.table.uniques.is_empty() {
            return self.put_all(session);
        }
        session.savepoint(SAVEPOINT)?;
        match self.put_all(session) {
            Err(refused) if refused.is_duplicate() => session.rollback_to_savepoint(SAVEPOINT)?,
            put => {
                put?;
                return Ok(session.release_savepoint(SAVEPOINT)?);
            }
        }
        let (waiting, _) = self.put_singly(session, self.puts.iter().collect())?;
        if waiting.is_empty() {
            return Ok(());
        }
        self.park(session, &waiting)?;
        match self.put_singly(session, waiting)? {
            (_, Some(refused)) => Err(refused),
            (_, None) => Ok(()),
        }
    }

    /// Writes rows one by one, again and again as long as that helps; returns those that could not be written, and why.
    fn put_singly<'p>(
        &self,
        session: &mut Session,
        mut waiting: Vec<&'p Put<'b>>,
    ) -> Result<(Vec<&'p Put<'b>>, Option<Refused>), Refused> {
        loop {
            let (mut left, mut why) = (Vec::new(), None);
            for put in &waiting {
                session.savepoint(SAVEPOINT)?;
                match self.put(session, &[put]) {
                    Ok(()) => session.release_savepoint(SAVEPOINT)?,
                    Err(refused) if refused.is_duplicate() => {
                        session.rollback_to_savepoint(SAVEPOINT)?;
                        left.push(*put);
                        why = Some(refused);
                    }
                    Err(other) => return Err(other),
                }
            }
            if left.is_empty() || left.len() == waiting.len() {
                return Ok((left, why));
            }
            waiting = left;
        }
    }

    /// Overwrites the rows that are there and inserts the others.
    fn put(&self, session: &mut Session, all: &[&Put<'b>]) -> Result<(), Refused> {
        let updated = session.fetch(self.bind(&self.table.update, all))?;
        let updated: BTreeSet<Uuid> = updated.iter().map(|row| column(row, 0)).collect::<Result<_, _>>()?;
        let rest: Vec<&Put<'b>> = all.iter().copied().filter(|put| !updated.contains(&put.id)).collect();
        if rest.is_empty() {
            return Ok(());
        }
        let inserted = session.execute(self.bind(&self.table.insert, &rest))?;
        if inserted == rest.len() as u64 {
            return Ok(());
        }
        Err(Refused::InTheWay(format!("a trigger of {}, which ignores rows,", self.table.name())))
    }

    fn bind(&self, sql: &str, puts: &[&Put<'b>]) -> Statement<'static> {
        let mut bound = statement(sql);
        for (index, column) in self.table.table.columns.iter().enumerate() {
            let cells = puts.iter().map(|put| put.row.cells[index].as_ref());
            bound = bind_column(bound, column.logical_type, cells);
        }
        let statuses: Vec<Option<&str>> = puts.iter().map(|put| put.fate.status).collect();
        let authors: Vec<String> = puts.iter().map(|put| put.row.author.to_string()).collect();
        bound.bind(statuses).bind(authors)
    }

    /// Frees the unique keys of rows that wait for each other, or for rows that go; where a constraint takes no such value, the
    /// rows make place altogether.
    fn park(&self, session: &mut Session, waiting: &[&Put<'b>]) -> Result<(), Refused> {
        let all: Vec<Uuid> = waiting.iter().map(|put| put.id).chain(self.removed.iter().copied()).collect();
        if let Some(park) = &self.table.park {
            session.savepoint(SAVEPOINT)?;
            match session.execute(statement(park).bind(all.clone())).map_err(Refused::from) {
                Ok(_) => return Ok(session.release_savepoint(SAVEPOINT)?),
                Err(refused) if refused.is_refusal() => session.rollback_to_savepoint(SAVEPOINT)?,
                Err(other) => return Err(other),
            }
        }
        self.remove(session, &all)
    }

    /// Deletes the rows that go and that nothing refers to but rows that go with them.
    fn remove_unreferenced(&self, session: &mut Session) -> Result<(), Refused> {
        let mut ids: BTreeSet<Uuid> = self.removed.iter().copied().collect();
        loop {
            let going: Vec<Uuid> = ids.iter().copied().collect();
            for referrer in &self.table.referrers {
                let finding =
                    statement(&referrer.find_targets).bind(going.clone()).bind(self.besides(referrer, &going));
                for row in session.fetch(finding)? {
                    ids.remove(&column::<Uuid>(&row, 0)?);
                }
            }
            if ids.len() == going.len() {
                return self.remove(session, &going);
            }
        }
    }

    /// Rows of this table go with the same statement.
    fn besides(&self, referrer: &Referrer, ids: &[Uuid]) -> Vec<Uuid> {
        if referrer.table == self.index { ids.to_vec() } else { Vec::new() }
    }

    /// Deletes rows; says what is in the way if a row refers to them that does not go with them.
    fn remove(&self, session: &mut Session, ids: &[Uuid]) -> Result<(), Refused> {
        if ids.is_empty() {
            return Ok(());
        }
        let present = ids_of(session, &self.table.lock, ids.to_vec())?;
        if present.is_empty() {
            return Ok(());
        }
        let ids: Vec<Uuid> = present.into_iter().collect();
        for referrer in &self.table.referrers {
            let finding = statement(&referrer.find).bind(ids.clone()).bind(self.besides(referrer, &ids));
            if let Some(row) = session.fetch_optional(finding)? {
                return Err(Refused::InTheWay(format!("row {} {}", column::<Uuid>(&row, 0)?, referrer.said)));
            }
        }
        let deleted = session.execute(statement(&self.table.delete).bind(ids.clone()))?;
        if deleted == ids.len() as u64 {
            return Ok(());
        }
        Err(Refused::InTheWay(format!("a trigger of {}, which keeps rows from being deleted,", self.table.name())))
    }
}
