//! Numbers as text: one exact reading, shared by NUMERIC, the integers and JSON.

/// A number read from text: `digits` times ten to the power `exponent`, exactly.
///
/// Zero has no digits; otherwise `digits` starts and ends with another digit than 0, so equal numbers are equal here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ExactNumber {
    pub(crate) negative: bool,
    pub(crate) digits: String,
    pub(crate) exponent: i64,
}

/// Largest exponent read, in either direction: far beyond what any type holds, far below overflow.
const EXPONENT_MAX: i64 = 1_000_000;

/// Reads `[+-] digits [. digits] [e [+-] digits]`, with at least one digit before or after the point.
///
/// Returns nothing if `text` is not of that form, or its exponent is beyond one million.
pub(crate) fn read_number(text: &str) -> Option<ExactNumber> {
    let (negative, unsigned) = strip_sign(text);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, read_exponent(exponent)?),
        None => (unsigned, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digit_count = whole.len() + fraction.len();
    if digit_count == 0 || !whole.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let all = [whole, fraction].concat();
    let significant = all.trim_end_matches('0');
    let trimmed = i64::try_from(all.len() - significant.len()).ok()?;
    let digits = significant.trim_start_matches('0').to_owned();
    if digits.is_empty() {
        return Some(ExactNumber { negative: false, digits, exponent: 0 });
    }
    let exponent = exponent + trimmed - i64::try_from(fraction.len()).ok()?;
    Some(ExactNumber { negative, digits, exponent })
}

fn strip_sign(text: &str) -> (bool, &str) {
    match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    }
}

fn read_exponent(text: &str) -> Option<i64> {
    let (negative, digits) = strip_sign(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let size = digits.bytes().try_fold(0_i64, |sum, byte| {
        let next = sum * 10 + i64::from(byte - b'0');
        (next <= EXPONENT_MAX).then_some(next)
    })?;
    Some(if negative { -size } else { size })
}

impl ExactNumber {
    /// Digits before the point, at least 0.
    pub(crate) fn whole_digit_count(&self) -> u64 {
        let digit_count = i64::try_from(self.digits.len()).unwrap_or(i64::MAX);
        u64::try_from(digit_count.saturating_add(self.exponent)).unwrap_or(0)
    }

    /// Digits after the point, at least 0.
    pub(crate) fn fraction_digit_count(&self) -> u64 {
        u64::try_from(-self.exponent).unwrap_or(0)
    }

    /// Appends the number in plain digits, without exponent and without needless zeros. The caller bounds the two counts above.
    pub(crate) fn write_plain(&self, out: &mut String) {
        if self.digits.is_empty() {
            out.push('0');
            return;
        }
        if self.negative {
            out.push('-');
        }
        let fraction = usize::try_from(self.fraction_digit_count()).unwrap_or(usize::MAX);
        if fraction == 0 {
            out.push_str(&self.digits);
            out.extend((0..self.exponent).map(|_| '0'));
        } else if fraction < self.digits.len() {
            let (whole, rest) = self.digits.split_at(self.digits.len() - fraction);
            out.push_str(whole);
            out.push('.');
            out.push_str(rest);
        } else {
            out.push_str("0.");
            out.extend((self.digits.len()..fraction).map(|_| '0'));
            out.push_str(&self.digits);
        }
    }
}
