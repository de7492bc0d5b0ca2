//! The binary form of expressions and conditions, with a bound on nesting: hostile bytes must not exhaust the stack.
//!
//! A derived decoder would recurse once per byte of hostile input. This one counts: an expression nests at most
//! [`EXPR_DEPTH_MAX`] deep, and so do the ANDs and ORs of a condition above its expressions. The encoder is derived, on the
//! types in `expr.rs`; a test holds the two together. Spec: docs/spec/schema.md.

use std::io::{self, Read};

use borsh::BorshDeserialize;

use crate::codec::invalid;
use crate::{Condition, EXPR_DEPTH_MAX, Exists, Expr};

impl<C: BorshDeserialize, L: BorshDeserialize> BorshDeserialize for Expr<C, L> {
    fn deserialize_reader<R: Read>(reader: &mut R) -> io::Result<Self> {
        read_expr(reader, EXPR_DEPTH_MAX)
    }
}

impl<T: BorshDeserialize, C: BorshDeserialize, L: BorshDeserialize> BorshDeserialize for Condition<T, C, L> {
    fn deserialize_reader<R: Read>(reader: &mut R) -> io::Result<Self> {
        read_condition(reader, EXPR_DEPTH_MAX)
    }
}

/// Reads an expression of at most `depth` levels.
fn read_expr<R: Read, C: BorshDeserialize, L: BorshDeserialize>(
    reader: &mut R,
    depth: usize,
) -> io::Result<Expr<C, L>> {
    let below = one_level_down(depth)?;
    let expr = match u8::deserialize_reader(reader)? {
        0 => Expr::Literal(L::deserialize_reader(reader)?),
        1 => Expr::Column(C::deserialize_reader(reader)?),
        2 => Expr::Author,
        3 => Expr::Not(read_box(reader, below)?),
        4 => Expr::And(read_exprs(reader, below)?),
        5 => Expr::Or(read_exprs(reader, below)?),
        6 => {
            let op = BorshDeserialize::deserialize_reader(reader)?;
            Expr::Compare { op, left: read_box(reader, below)?, right: read_box(reader, below)? }
        }
        7 => Expr::In { expr: read_box(reader, below)?, list: read_exprs(reader, below)? },
        8 => Expr::IsNull(read_box(reader, below)?),
        9 => Expr::Negate(read_box(reader, below)?),
        10 => {
            let op = BorshDeserialize::deserialize_reader(reader)?;
            Expr::Arithmetic { op, left: read_box(reader, below)?, right: read_box(reader, below)? }
        }
        11 => Expr::Length(read_box(reader, below)?),
        12 => Expr::Coalesce(read_exprs(reader, below)?),
        other => return Err(invalid(format!("{other} is no kind of expression"))),
    };
    Ok(expr)
}

/// Reads a condition of at most `depth` levels of AND and OR.
fn read_condition<R: Read, T: BorshDeserialize, C: BorshDeserialize, L: BorshDeserialize>(
    reader: &mut R,
    depth: usize,
) -> io::Result<Condition<T, C, L>> {
    let below = one_level_down(depth)?;
    let condition = match u8::deserialize_reader(reader)? {
        0 => Condition::And(read_list(reader, |reader| read_condition(reader, below))?),
        1 => Condition::Or(read_list(reader, |reader| read_condition(reader, below))?),
        2 => Condition::Exists(Exists::deserialize_reader(reader)?),
        3 => Condition::Scalar(Expr::deserialize_reader(reader)?),
        other => return Err(invalid(format!("{other} is no kind of condition"))),
    };
    Ok(condition)
}

fn one_level_down(depth: usize) -> io::Result<usize> {
    depth.checked_sub(1).ok_or_else(|| invalid(format!("nested deeper than {EXPR_DEPTH_MAX}")))
}

fn read_box<R: Read, C: BorshDeserialize, L: BorshDeserialize>(
    reader: &mut R,
    depth: usize,
) -> io::Result<Box<Expr<C, L>>> {
    read_expr(reader, depth).map(Box::new)
}

fn read_exprs<R: Read, C: BorshDeserialize, L: BorshDeserialize>(
    reader: &mut R,
    depth: usize,
) -> io::Result<Vec<Expr<C, L>>> {
    read_list(reader, |reader| read_expr(reader, depth))
}

/// Reads a count and so many items; memory grows with the bytes read, never with the count claimed.
fn read_list<R: Read, I>(reader: &mut R, read_item: impl Fn(&mut R) -> io::Result<I>) -> io::Result<Vec<I>> {
    let count = u32::deserialize_reader(reader)?;
    let mut items = Vec::new();
    for _ in 0..count {
        items.push(read_item(reader)?);
    }
    Ok(items)
}
