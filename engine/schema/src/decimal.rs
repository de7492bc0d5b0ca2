//! Exact decimal numbers of up to 38 digits: the values of NUMERIC.

use std::cmp::Ordering;
use std::fmt;
use std::io;

use borsh::{BorshDeserialize, BorshSerialize};

use crate::NUMERIC_PRECISION_MAX;
use crate::codec::invalid;
use crate::number::read_number;

/// Ten to the power [`NUMERIC_PRECISION_MAX`]: the first unscaled integer that has too many digits.
const UNSCALED_END: i128 = 10_i128.pow(NUMERIC_PRECISION_MAX as u32);

/// A decimal number: `unscaled` divided by ten to the power `scale`, at most [`NUMERIC_PRECISION_MAX`] digits in all.
///
/// 1.5 and 1.50 are different `Decimal`s (a column fixes the scale, so within a column equal numbers are equal here);
/// [`Decimal::compare`] compares the numbers. `Ord` sorts by number, then by scale.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, BorshSerialize)]
pub struct Decimal {
    unscaled: i128,
    scale: u8,
}

impl Decimal {
    /// Makes `unscaled / 10^scale`, or nothing if that has more than [`NUMERIC_PRECISION_MAX`] digits or decimals.
    pub fn new(unscaled: i128, scale: u8) -> Option<Decimal> {
        let fits = scale <= NUMERIC_PRECISION_MAX && -UNSCALED_END < unscaled && unscaled < UNSCALED_END;
        fits.then_some(Decimal { unscaled, scale })
    }

    /// Makes a whole number, scale 0.
    pub fn from_integer(integer: i64) -> Decimal {
        Decimal { unscaled: i128::from(integer), scale: 0 }
    }

    /// Reads digits with an optional sign, point and exponent, exactly, at the smallest scale that holds them.
    ///
    /// Returns nothing if `text` is no number or has too many digits for any NUMERIC.
    pub fn parse(text: &str) -> Option<Decimal> {
        let number = read_number(text)?;
        let max = u64::from(NUMERIC_PRECISION_MAX);
        if number.whole_digit_count() > max || number.fraction_digit_count() > max {
            return None;
        }
        let mut unscaled = number.digits.bytes().try_fold(0_i128, |sum, byte| {
            sum.checked_mul(10).and_then(|shifted| shifted.checked_add(i128::from(byte - b'0')))
        })?;
        if number.exponent > 0 {
            unscaled = unscaled.checked_mul(10_i128.checked_pow(u32::try_from(number.exponent).ok()?)?)?;
        }
        let signed = if number.negative { -unscaled } else { unscaled };
        Decimal::new(signed, u8::try_from(number.fraction_digit_count()).ok()?)
    }

    /// The number without its point.
    pub fn unscaled(self) -> i128 {
        self.unscaled
    }

    /// Digits after the point.
    pub fn scale(self) -> u8 {
        self.scale
    }

    /// Whether the number, at its scale, fits `NUMERIC(precision, scale)` of the same scale.
    pub fn fits_precision(self, precision: u8) -> bool {
        precision >= NUMERIC_PRECISION_MAX || self.unscaled.unsigned_abs() < 10_u128.pow(u32::from(precision))
    }

    /// Returns the same number at another scale, or nothing if that would round it or take too many digits.
    pub fn rescale(self, scale: u8) -> Option<Decimal> {
        if scale > NUMERIC_PRECISION_MAX {
            return None;
        }
        if scale >= self.scale {
            let factor = 10_i128.pow(u32::from(scale - self.scale));
            return Decimal::new(self.unscaled.checked_mul(factor)?, scale);
        }
        let divisor = 10_i128.pow(u32::from(self.scale - scale));
        if self.unscaled % divisor != 0 {
            return None;
        }
        Decimal::new(self.unscaled / divisor, scale)
    }

    /// Returns the same number at its smallest scale.
    pub fn reduce(self) -> Decimal {
        let mut reduced = self;
        while reduced.scale > 0 && reduced.unscaled % 10 == 0 {
            reduced = Decimal { unscaled: reduced.unscaled / 10, scale: reduced.scale - 1 };
        }
        reduced
    }

    /// Returns the whole number this is, or nothing if it has decimals other than 0 or is out of range.
    pub fn to_integer(self) -> Option<i64> {
        i64::try_from(self.rescale(0)?.unscaled).ok()
    }

    /// Returns the nearest binary floating-point number, ties to even.
    pub fn to_f64(self) -> f64 {
        // The text round trip is the correctly rounded conversion; a division of two rounded numbers is not.
        format!("{}e-{}", self.unscaled, self.scale).parse().expect("an integer and an exponent are a valid float")
    }

    /// Compares the numbers, whatever their scales.
    pub fn compare(self, other: Decimal) -> Ordering {
        let (whole, fraction) = self.split();
        let (other_whole, other_fraction) = other.split();
        whole.cmp(&other_whole).then(fraction.cmp(&other_fraction))
    }

    /// The greatest whole number not above this one, and the rest in units of 10^-38.
    fn split(self) -> (i128, i128) {
        let unit = 10_i128.pow(u32::from(self.scale));
        let rest_factor = 10_i128.pow(u32::from(NUMERIC_PRECISION_MAX - self.scale));
        (self.unscaled.div_euclid(unit), self.unscaled.rem_euclid(unit) * rest_factor)
    }

    /// Adds exactly, at the larger scale; nothing if that takes more than [`NUMERIC_PRECISION_MAX`] digits at any scale.
    pub fn checked_add(self, other: Decimal) -> Option<Decimal> {
        let sum = |left: Decimal, right: Decimal| {
            let scale = left.scale.max(right.scale);
            let (left, right) = (left.rescale(scale)?, right.rescale(scale)?);
            Decimal::new(left.unscaled.checked_add(right.unscaled)?, scale)
        };
        sum(self, other).or_else(|| sum(self.reduce(), other.reduce()))
    }

    /// Subtracts exactly, as [`Decimal::checked_add`] adds.
    pub fn checked_sub(self, other: Decimal) -> Option<Decimal> {
        self.checked_add(other.negate())
    }

    /// Multiplies exactly, at the sum of the scales or, if that is too large, of the reduced scales; else nothing.
    pub fn checked_mul(self, other: Decimal) -> Option<Decimal> {
        let product = |left: Decimal, right: Decimal| {
            Decimal::new(left.unscaled.checked_mul(right.unscaled)?, left.scale + right.scale)
        };
        product(self, other).or_else(|| product(self.reduce(), other.reduce()))
    }

    /// Returns the number with the other sign.
    pub fn negate(self) -> Decimal {
        Decimal { unscaled: -self.unscaled, scale: self.scale }
    }
}

impl Ord for Decimal {
    fn cmp(&self, other: &Decimal) -> Ordering {
        self.compare(*other).then(self.scale.cmp(&other.scale))
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Decimal) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Exactly `scale` digits after the point: `12.50`, `0.00`, `-3.10`, `7`.
impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.unscaled < 0 { "-" } else { "" };
        let scale = usize::from(self.scale);
        let digits = format!("{:0>width$}", self.unscaled.unsigned_abs(), width = scale + 1);
        let (whole, fraction) = digits.split_at(digits.len() - scale);
        match scale {
            0 => write!(f, "{sign}{whole}"),
            _ => write!(f, "{sign}{whole}.{fraction}"),
        }
    }
}

impl BorshDeserialize for Decimal {
    fn deserialize_reader<R: io::Read>(reader: &mut R) -> io::Result<Decimal> {
        let unscaled = i128::deserialize_reader(reader)?;
        let scale = u8::deserialize_reader(reader)?;
        Decimal::new(unscaled, scale).ok_or_else(|| invalid("a decimal has more than 38 digits"))
    }
}
