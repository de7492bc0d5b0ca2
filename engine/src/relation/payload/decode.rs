//! Reading payloads: whole ones with every rule of canonical form checked, single operations by their place.

use std::collections::BTreeSet;

use treaty_schema::COLUMNS_MAX;

use super::head::read_object;
use super::reader::{Mistake, PayloadError, Reader};
use super::{Cell, Head, ObjectRef, Operation, RowRef};
use crate::limits::OPERATIONS_MAX;
use crate::relation::RowId;

/// Where an operation lies in its payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    /// Offset of its first byte from the start of the payload.
    pub offset: u32,
    /// Its length.
    pub bytes: u32,
}

/// A payload in canonical form: its bytes, its dictionaries, and where each operation lies.
///
/// Memory is the bytes and a few per operation: cells are decoded when they are asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payload {
    bytes: Vec<u8>,
    head: Head,
    /// All operations, co-transaction after co-transaction.
    spans: Vec<Span>,
    /// Index of the first operation of each co-transaction in `spans`, and the number of all operations.
    starts: Vec<u32>,
}

impl Payload {
    /// Decodes the payload of an entry of kind data.
    ///
    /// * `bytes` - at most `PAYLOAD_BYTES_MAX` long; any content.
    ///
    /// # Errors
    /// [`PayloadError`] names the first rule broken and where.
    pub fn decode(bytes: Vec<u8>) -> Result<Payload, PayloadError> {
        Payload::decode_body(bytes, 0)
    }

    /// Decodes the dictionaries and co-transactions that start at `offset` of `bytes`.
    pub(super) fn decode_body(bytes: Vec<u8>, offset: usize) -> Result<Payload, PayloadError> {
        let mut reader = Reader::new(&bytes);
        reader.skip(offset)?;
        let head = Head::read(&mut reader)?;
        head.check_distinct().map_err(|mistake| reader.error(mistake))?;
        let mut walk =
            Walk { head: &head, seen: Seen::default(), kinds: Vec::new(), spans: Vec::new(), starts: vec![0] };
        for _ in 0..reader.count(4)? {
            walk.transaction(&mut reader)?;
        }
        if reader.left() > 0 {
            return Err(reader.error(Mistake::Trailing));
        }
        let seen = walk.seen;
        if seen.versions != head.versions.len()
            || seen.shapes != head.shapes.len()
            || seen.entries != head.entries.len()
        {
            return Err(reader.error(Mistake::DictionaryUnused));
        }
        let (spans, starts) = (walk.spans, walk.starts);
        Ok(Payload { bytes, head, spans, starts })
    }

    /// The dictionaries.
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// The encoded form.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Number of co-transactions; 0 in an entry that only merges.
    pub fn transaction_count(&self) -> u32 {
        to_u32(self.starts.len() - 1)
    }

    /// Number of operations of a co-transaction, at least 1; 0 if there is no such co-transaction.
    pub fn operation_count(&self, transaction: u32) -> u32 {
        let index = transaction as usize;
        match (self.starts.get(index), self.starts.get(index + 1)) {
            (Some(start), Some(end)) => end - start,
            _ => 0,
        }
    }

    /// Number of operations of all co-transactions.
    pub fn operation_count_all(&self) -> u32 {
        to_u32(self.spans.len())
    }

    /// Where an operation lies, if there is such an operation.
    pub fn span(&self, transaction: u32, operation: u32) -> Option<Span> {
        if operation >= self.operation_count(transaction) {
            return None;
        }
        Some(self.spans[(self.starts[transaction as usize] + operation) as usize])
    }

    /// Decodes an operation, if there is such an operation.
    pub fn operation(&self, transaction: u32, operation: u32) -> Option<Operation> {
        let span = self.span(transaction, operation)?;
        let from = span.offset as usize;
        let decoded = Operation::decode(&self.bytes[from..from + span.bytes as usize], &self.head);
        Some(decoded.expect("an operation decodes alone because it decoded as part of its payload"))
    }
}

impl Operation {
    /// Decodes one operation from exactly its bytes, with the head of its payload.
    ///
    /// # Errors
    /// [`PayloadError`] if the bytes are not one operation under that head: they were cut wrong, or the store is damaged.
    pub fn decode(bytes: &[u8], head: &Head) -> Result<Operation, PayloadError> {
        let mut reader = Reader::new(bytes);
        let operation = read_operation(&mut reader, head)?;
        if reader.left() > 0 {
            return Err(reader.error(Mistake::Trailing));
        }
        Ok(operation)
    }
}

/// How much of each dictionary has been used.
#[derive(Debug, Clone, Copy, Default)]
struct Seen {
    versions: usize,
    shapes: usize,
    entries: usize,
}

/// The check of a payload's body, operation by operation.
struct Walk<'h> {
    head: &'h Head,
    seen: Seen,
    /// Of every operation, whether it is an insert.
    kinds: Vec<bool>,
    spans: Vec<Span>,
    starts: Vec<u32>,
}

impl Walk<'_> {
    fn transaction(&mut self, reader: &mut Reader<'_>) -> Result<(), PayloadError> {
        let operation_count = reader.count(MIN_OPERATION_BYTES)?;
        if operation_count == 0 {
            return Err(reader.error(Mistake::EmptyTransaction));
        }
        if self.spans.len() + operation_count > OPERATIONS_MAX as usize {
            return Err(reader.error(Mistake::TooManyOperations));
        }
        let mut touched = BTreeSet::new();
        let mut forward = Vec::new();
        for _ in 0..operation_count {
            let offset = reader.offset();
            let operation = read_operation(reader, self.head)?;
            self.check(&operation, &mut touched, &mut forward).map_err(|mistake| PayloadError { offset, mistake })?;
            self.kinds.push(matches!(operation, Operation::Insert { .. }));
            self.spans.push(Span { offset: to_u32(offset), bytes: to_u32(reader.offset() - offset) });
        }
        self.starts.push(to_u32(self.spans.len()));
        let current = to_u32(self.starts.len() - 2);
        for operation in forward {
            if !self.is_insert(current, operation) {
                return Err(reader.error(Mistake::NotAnInsert));
            }
        }
        Ok(())
    }

    /// Checks what one operation says about dictionaries and rows, in the order of its fields.
    ///
    /// * `touched` - rows that operations of this co-transaction touch.
    /// * `forward` - inserts of this co-transaction that cells refer to; checked at its end, since order is free.
    fn check(
        &mut self,
        operation: &Operation,
        touched: &mut BTreeSet<RowRef>,
        forward: &mut Vec<u32>,
    ) -> Result<(), Mistake> {
        let (row, cells) = match operation {
            Operation::Insert { shape, cells, .. } => {
                self.use_shape(*shape)?;
                (None, cells.as_slice())
            }
            Operation::Update { shape, row, cells } => {
                self.use_shape(*shape)?;
                (Some(*row), cells.as_slice())
            }
            Operation::Delete { table, row } => {
                self.use_object(*table)?;
                (Some(*row), [].as_slice())
            }
        };
        let current = to_u32(self.starts.len() - 1);
        if let Some(row) = row {
            self.use_row(row)?;
            if let RowRef::Own { transaction, operation } = row
                && (transaction >= current || !self.is_insert(transaction, operation))
            {
                return Err(Mistake::NotAnInsert);
            }
            if !touched.insert(row) {
                return Err(Mistake::TouchedTwice);
            }
        }
        for cell in cells.iter().flatten() {
            let Cell::Row(row) = cell else { continue };
            self.use_row(*row)?;
            match *row {
                RowRef::Own { transaction, operation } if transaction == current => forward.push(operation),
                RowRef::Own { transaction, operation } if !self.is_insert(transaction, operation) => {
                    return Err(Mistake::NotAnInsert);
                }
                RowRef::Own { .. } | RowRef::Past { .. } => {}
            }
        }
        Ok(())
    }

    /// Whether a finished co-transaction of this payload has an insert at that place.
    fn is_insert(&self, transaction: u32, operation: u32) -> bool {
        let index = transaction as usize;
        let (Some(start), Some(end)) = (self.starts.get(index), self.starts.get(index + 1)) else { return false };
        operation < end - start && self.kinds[(start + operation) as usize]
    }

    fn use_shape(&mut self, shape: u32) -> Result<(), Mistake> {
        let is_first_use = advance(&mut self.seen.shapes, shape as usize)?;
        if is_first_use {
            let head = self.head;
            let shape = &head.shapes[shape as usize];
            self.use_object(shape.table)?;
            for column in &shape.columns {
                self.use_object(*column)?;
            }
        }
        Ok(())
    }

    fn use_object(&mut self, object: ObjectRef) -> Result<(), Mistake> {
        if usize::from(object.version) >= self.head.versions.len() {
            return Err(Mistake::DictionaryOrder);
        }
        advance(&mut self.seen.versions, usize::from(object.version)).map(|_| ())
    }

    fn use_row(&mut self, row: RowRef) -> Result<(), Mistake> {
        let RowRef::Past { entry, .. } = row else { return Ok(()) };
        if entry as usize >= self.head.entries.len() {
            return Err(Mistake::DictionaryOrder);
        }
        advance(&mut self.seen.entries, entry as usize).map(|_| ())
    }
}

/// Notes the use of item `index` of a dictionary of which `seen` items were used; returns whether it is its first use.
fn advance(seen: &mut usize, index: usize) -> Result<bool, Mistake> {
    if index > *seen {
        return Err(Mistake::DictionaryOrder);
    }
    let is_first_use = index == *seen;
    if is_first_use {
        *seen += 1;
    }
    Ok(is_first_use)
}

/// The shortest operation: the deletion of an own row.
const MIN_OPERATION_BYTES: usize = 15;

fn read_operation(reader: &mut Reader<'_>, head: &Head) -> Result<Operation, PayloadError> {
    match reader.u8()? {
        0 => {
            let shape = reader.u32()?;
            let id = RowId(reader.array()?);
            Ok(Operation::Insert { shape, id, cells: read_cells(reader, head, shape)? })
        }
        1 => {
            let shape = reader.u32()?;
            let row = read_row(reader)?;
            Ok(Operation::Update { shape, row, cells: read_cells(reader, head, shape)? })
        }
        2 => Ok(Operation::Delete { table: read_object(reader)?, row: read_row(reader)? }),
        _ => Err(reader.error(Mistake::Tag)),
    }
}

fn read_row(reader: &mut Reader<'_>) -> Result<RowRef, PayloadError> {
    match reader.u8()? {
        0 => read_own(reader),
        1 => read_past(reader),
        _ => Err(reader.error(Mistake::Tag)),
    }
}

fn read_own(reader: &mut Reader<'_>) -> Result<RowRef, PayloadError> {
    Ok(RowRef::Own { transaction: reader.u32()?, operation: reader.u32()? })
}

fn read_past(reader: &mut Reader<'_>) -> Result<RowRef, PayloadError> {
    Ok(RowRef::Past { entry: reader.u32()?, transaction: reader.u32()?, operation: reader.u32()? })
}

fn read_cells(reader: &mut Reader<'_>, head: &Head, shape: u32) -> Result<Vec<Option<Cell>>, PayloadError> {
    let shape = head.shapes.get(shape as usize).ok_or_else(|| reader.error(Mistake::DictionaryOrder))?;
    if shape.columns.len() > COLUMNS_MAX {
        return Err(reader.error(Mistake::DictionaryLength));
    }
    let mut cells = Vec::with_capacity(shape.columns.len());
    for _ in 0..shape.columns.len() {
        cells.push(match reader.u8()? {
            0 => None,
            1 => Some(Cell::Value(reader.borsh()?)),
            2 => Some(Cell::Row(read_own(reader)?)),
            3 => Some(Cell::Row(read_past(reader)?)),
            _ => return Err(reader.error(Mistake::Tag)),
        });
    }
    Ok(cells)
}

/// Offsets and counts within a payload fit 32 bits because its length does.
fn to_u32(count: usize) -> u32 {
    u32::try_from(count).expect("a payload is shorter than 4 GiB: its length is a u32 of the header")
}
