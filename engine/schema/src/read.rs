//! Values from and to text: liberal where nothing is lost, canonical on the way out, never rounding.
//!
//! Also which values a type admits, and values from what a database stores natively (integers, reals, blobs). Spec:
//! docs/spec/values.md, section Text.

use std::fmt;

use crate::{
    Bytes, Date, Decimal, Double, Identity, IdentityError, Json, JsonError, Literal, LogicalType, Text, Time,
    Timestamp, VALUE_BYTES_MAX, Value,
};

/// Why a value, or a text, is none of a [`LogicalType`]; the message says what to write.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ValueError {
    /// The value is of another type.
    #[error("{logical_type} does not take a value of type {found}")]
    OtherType {
        /// The type asked for.
        logical_type: LogicalType,
        /// The type found.
        found: &'static str,
    },
    /// The text has another form than the type's values.
    #[error("'{text}' is no {logical_type}: write {form}")]
    Form {
        /// The text, shortened.
        text: String,
        /// The type asked for.
        logical_type: LogicalType,
        /// What to write instead.
        form: &'static str,
    },
    /// The value is beyond what the type holds.
    #[error("{text} is out of range for {logical_type}: {range}")]
    Range {
        /// The value, shortened.
        text: String,
        /// The type asked for.
        logical_type: LogicalType,
        /// What it holds.
        range: String,
    },
    /// The type would have to round the value.
    #[error("{logical_type} cannot hold {text} exactly: round it before writing it")]
    Inexact {
        /// The value, shortened.
        text: String,
        /// The type asked for.
        logical_type: LogicalType,
    },
    /// The text has more characters than the VARCHAR takes.
    #[error("the text is {chars} characters long, too long for {logical_type}: shorten it")]
    TooLong {
        /// Its length in code points.
        chars: usize,
        /// The type asked for.
        logical_type: LogicalType,
    },
    /// Text, bytes or JSON above [`VALUE_BYTES_MAX`].
    #[error("the value is {bytes} bytes large, limit {VALUE_BYTES_MAX}: split it")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// The text holds U+0000.
    #[error("text cannot hold the character U+0000: leave it out, or use BYTEA")]
    Nul,
    /// NaN.
    #[error("NaN is not a value: write NULL")]
    NotANumber,
    /// No canonical JSON can be made of the text.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// The text is no identity.
    #[error(transparent)]
    Identity(#[from] IdentityError),
}

/// Shows at most this many characters of a text in an error.
const SHOWN_CHARS_MAX: usize = 40;

fn shorten(text: &str) -> String {
    match text.char_indices().nth(SHOWN_CHARS_MAX) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

impl LogicalType {
    /// Checks that a column of this type may hold `value`.
    ///
    /// NUMERIC admits exactly its own scale, so that equal numbers in a column have equal bytes.
    ///
    /// # Errors
    /// [`ValueError::OtherType`], [`ValueError::TooLong`] (VARCHAR), [`ValueError::Range`] (NUMERIC).
    pub fn admits(self, value: &Value) -> Result<(), ValueError> {
        match (self, value) {
            (LogicalType::Numeric { precision, scale }, Value::Numeric(decimal)) => {
                if decimal.scale() != scale || !decimal.fits_precision(precision) {
                    return Err(self.range(&decimal.to_string()));
                }
                Ok(())
            }
            (LogicalType::Varchar { chars_max }, Value::Text(text)) => {
                // A text of few enough bytes has few enough characters: nothing to count.
                let chars_max = usize::try_from(chars_max).unwrap_or(usize::MAX);
                if text.as_str().len() <= chars_max {
                    return Ok(());
                }
                let chars = text.as_str().chars().count();
                if chars > chars_max { Err(ValueError::TooLong { chars, logical_type: self }) } else { Ok(()) }
            }
            (LogicalType::Boolean, Value::Boolean(_))
            | (LogicalType::Integer, Value::Integer(_))
            | (LogicalType::BigInt, Value::BigInt(_))
            | (LogicalType::Double, Value::Double(_))
            | (LogicalType::Text, Value::Text(_))
            | (LogicalType::Bytes, Value::Bytes(_))
            | (LogicalType::Uuid, Value::Uuid(_))
            | (LogicalType::Date, Value::Date(_))
            | (LogicalType::Time, Value::Time(_))
            | (LogicalType::Timestamp, Value::Timestamp(_))
            | (LogicalType::TimestampTz, Value::TimestampTz(_))
            | (LogicalType::Json, Value::Json(_))
            | (LogicalType::Identity, Value::Identity(_)) => Ok(()),
            _ => Err(ValueError::OtherType { logical_type: self, found: value.type_name() }),
        }
    }

    /// Reads a value of this type from text.
    ///
    /// White space around it is ignored, except in TEXT, VARCHAR and JSONB. Reads what [`Value::to_text`] writes and the
    /// other spellings of docs/spec/values.md.
    ///
    /// # Errors
    /// [`ValueError`]; a value is refused, never rounded (but DOUBLE PRECISION reads the nearest number).
    pub fn parse(self, text: &str) -> Result<Value, ValueError> {
        let trimmed = text.trim();
        match self {
            LogicalType::Text | LogicalType::Varchar { .. } => self.keep_text(text),
            LogicalType::Json => Ok(Value::Json(Json::parse(text)?)),
            LogicalType::Boolean => self.parse_boolean(trimmed),
            LogicalType::Integer | LogicalType::BigInt | LogicalType::Numeric { .. } => {
                let not_a_number = || self.form(text, "digits, as in 42 or -3.10");
                if !trimmed.bytes().any(|byte| byte.is_ascii_digit()) {
                    return Err(not_a_number());
                }
                match Decimal::parse(trimmed) {
                    Some(decimal) => self.fit_decimal(decimal, trimmed),
                    None if crate::number::read_number(trimmed).is_none() => Err(not_a_number()),
                    None => Err(self.range(trimmed)),
                }
            }
            LogicalType::Double => self.parse_double(trimmed),
            LogicalType::Bytes => self.parse_bytes(trimmed),
            LogicalType::Uuid => parse_uuid(trimmed)
                .map(Value::Uuid)
                .ok_or_else(|| self.form(text, "it as in 01234567-89ab-4cde-8f01-23456789abcd")),
            LogicalType::Date => parse_date(trimmed)
                .map(Value::Date)
                .ok_or_else(|| self.form(text, "a day of the years 0001 to 9999 as in 2024-01-31")),
            LogicalType::Time => parse_time(trimmed)
                .map(Value::Time)
                .ok_or_else(|| self.form(text, "it as in 13:05:00 or 13:05:00.25, without zone, at most 6 decimals")),
            LogicalType::Timestamp => match parse_timestamp(trimmed) {
                Some((timestamp, None)) => Ok(Value::Timestamp(timestamp)),
                _ => Err(self.form(text, "it as in 2024-01-31 13:05:00, without zone, at most 6 decimals")),
            },
            LogicalType::TimestampTz => parse_timestamp(trimmed)
                .and_then(|(timestamp, offset)| timestamp.minus_seconds(offset.unwrap_or(0)))
                .map(Value::TimestampTz)
                .ok_or_else(|| self.form(text, "it as in 2024-01-31 13:05:00+00, at most 6 decimals")),
            LogicalType::Identity => Ok(Value::Identity(Identity::parse(trimmed)?)),
        }
    }

    /// Makes a cell of this type from a literal of schema text; `NULL` is `None`.
    ///
    /// Strict where text is liberal: a number is not text and `'1'` is not TRUE's spelling for a number literal.
    ///
    /// # Errors
    /// [`ValueError`] says what to write.
    pub fn literal(self, negative: bool, literal: &Literal) -> Result<Option<Value>, ValueError> {
        let is_number = self.is_number();
        match literal {
            Literal::Null if !negative => Ok(None),
            Literal::Boolean(boolean) if !negative && self == LogicalType::Boolean => {
                Ok(Some(Value::Boolean(*boolean)))
            }
            Literal::Number(text) if is_number => {
                let sign = if negative { "-" } else { "" };
                self.parse(&format!("{sign}{text}")).map(Some)
            }
            Literal::Text(text) if !negative => self.parse(text).map(Some),
            Literal::Number(text) => Err(self.form(text, "the value in single quotes")),
            Literal::Boolean(_) if negative => Err(self.form("-", "no sign before TRUE and FALSE")),
            Literal::Boolean(boolean) => Err(self.form(&boolean.to_string(), "a literal of that type")),
            Literal::Null => Err(self.form("-NULL", "NULL")),
            Literal::Text(text) => Err(self.form(&format!("-'{text}'"), "the sign within the quotes")),
        }
    }

    /// Makes a value from an integer as a database stores it: a number, a BOOLEAN (0, 1).
    ///
    /// # Errors
    /// [`ValueError`] if this type does not hold exactly that.
    pub fn read_integer(self, integer: i64) -> Result<Value, ValueError> {
        match self {
            LogicalType::Boolean if integer == 0 || integer == 1 => Ok(Value::Boolean(integer == 1)),
            LogicalType::Boolean => Err(self.form(&integer.to_string(), "0 or 1")),
            LogicalType::Integer | LogicalType::BigInt | LogicalType::Numeric { .. } => {
                self.fit_decimal(Decimal::from_integer(integer), &integer.to_string())
            }
            LogicalType::Double => {
                let number = Decimal::from_integer(integer).to_f64();
                if exact_integer_text(number) != integer.to_string() {
                    return Err(ValueError::Inexact { text: integer.to_string(), logical_type: self });
                }
                self.read_real(number)
            }
            _ => Err(ValueError::OtherType { logical_type: self, found: "integer" }),
        }
    }

    /// Makes a value from a floating-point number as a database stores it.
    ///
    /// As INTEGER and BIGINT it is the whole number it exactly is; as NUMERIC the shortest decimal that stands for it, which
    /// is what its writer wrote.
    ///
    /// # Errors
    /// [`ValueError`] if this type does not hold exactly that.
    pub fn read_real(self, real: f64) -> Result<Value, ValueError> {
        match self {
            LogicalType::Double => Double::new(real).map(Value::Double).ok_or(ValueError::NotANumber),
            LogicalType::Integer | LogicalType::BigInt | LogicalType::Numeric { .. } if real.is_nan() => {
                Err(ValueError::NotANumber)
            }
            LogicalType::Integer | LogicalType::BigInt if real.fract() == 0.0 => {
                self.fit_text(&exact_integer_text(real))
            }
            LogicalType::Integer | LogicalType::BigInt | LogicalType::Numeric { .. } => {
                self.fit_text(&real.to_string())
            }
            _ => Err(ValueError::OtherType { logical_type: self, found: "real" }),
        }
    }

    /// Makes a value from bytes as a database stores them: BYTEA alone.
    ///
    /// # Errors
    /// [`ValueError::OtherType`] and [`ValueError::TooLarge`].
    pub fn read_bytes(self, bytes: &[u8]) -> Result<Value, ValueError> {
        match self {
            LogicalType::Bytes => Ok(Value::Bytes(Bytes::new(bytes)?)),
            _ => Err(ValueError::OtherType { logical_type: self, found: "blob" }),
        }
    }

    pub(crate) fn is_number(self) -> bool {
        matches!(self, LogicalType::Integer | LogicalType::BigInt | LogicalType::Double | LogicalType::Numeric { .. })
    }

    fn form(self, text: &str, form: &'static str) -> ValueError {
        ValueError::Form { text: shorten(text), logical_type: self, form }
    }

    fn range(self, text: &str) -> ValueError {
        let range = match self {
            LogicalType::Integer => format!("{} to {}; BIGINT holds more", i32::MIN, i32::MAX),
            LogicalType::BigInt => format!("{} to {}; NUMERIC holds more", i64::MIN, i64::MAX),
            LogicalType::Numeric { precision, scale } => {
                format!("at most {} digits before the point and {scale} after it", precision.saturating_sub(scale))
            }
            _ => "at most 1.7976931348623157e308".to_owned(),
        };
        ValueError::Range { text: shorten(text), logical_type: self, range }
    }

    fn keep_text(self, text: &str) -> Result<Value, ValueError> {
        let value = Value::Text(Text::new(text)?);
        self.admits(&value)?;
        Ok(value)
    }

    fn parse_boolean(self, text: &str) -> Result<Value, ValueError> {
        match text.to_ascii_lowercase().as_str() {
            "true" | "t" | "yes" | "y" | "on" | "1" => Ok(Value::Boolean(true)),
            "false" | "f" | "no" | "n" | "off" | "0" => Ok(Value::Boolean(false)),
            _ => Err(self.form(text, "true or false")),
        }
    }

    /// `text` is a number, perhaps beyond any decimal.
    fn fit_text(self, text: &str) -> Result<Value, ValueError> {
        let decimal = Decimal::parse(text).ok_or_else(|| self.range(text))?;
        self.fit_decimal(decimal, text)
    }

    /// `text` is how the number was written, for the message.
    fn fit_decimal(self, decimal: Decimal, text: &str) -> Result<Value, ValueError> {
        let inexact = || ValueError::Inexact { text: shorten(text), logical_type: self };
        if let LogicalType::Numeric { precision, scale } = self {
            if decimal.reduce().scale() > scale {
                return Err(inexact());
            }
            let fitted = decimal.rescale(scale).filter(|fitted| fitted.fits_precision(precision));
            return fitted.map(Value::Numeric).ok_or_else(|| self.range(text));
        }
        if decimal.reduce().scale() > 0 {
            return Err(inexact());
        }
        let integer = decimal.to_integer().ok_or_else(|| self.range(text))?;
        match self {
            LogicalType::Integer => i32::try_from(integer).map(Value::Integer).map_err(|_| self.range(text)),
            _ => Ok(Value::BigInt(integer)),
        }
    }

    fn parse_double(self, text: &str) -> Result<Value, ValueError> {
        if text.eq_ignore_ascii_case("nan") {
            return Err(ValueError::NotANumber);
        }
        let number: f64 = text.parse().map_err(|_| self.form(text, "a number as in 1.5 or 1e-9"))?;
        // The parser reads a finite text beyond the type's range as infinity.
        if number.is_infinite() && text.bytes().any(|byte| byte.is_ascii_digit()) {
            return Err(self.range(text));
        }
        self.read_real(number)
    }

    fn parse_bytes(self, text: &str) -> Result<Value, ValueError> {
        let digits = text.strip_prefix("\\x");
        let bytes = digits.and_then(|digits| data_encoding::HEXLOWER_PERMISSIVE.decode(digits.as_bytes()).ok());
        let bytes = bytes.ok_or_else(|| self.form(text, "hexadecimal digits as in \\x00ff"))?;
        Ok(Value::Bytes(Bytes::new(bytes)?))
    }
}

/// All digits of a whole number. The ordinary text has only as many as tell it from its neighbours, then zeros.
fn exact_integer_text(number: f64) -> String {
    format!("{number:.0}")
}

/// 32 hexadecimal digits, with optional hyphens after any group of four, and optional braces around.
fn parse_uuid(text: &str) -> Option<[u8; 16]> {
    let inner = text.strip_prefix('{').map_or(Some(text), |rest| rest.strip_suffix('}'))?;
    let mut digits = String::new();
    for character in inner.chars() {
        if character == '-' && !digits.is_empty() && digits.len() < 32 && digits.len().is_multiple_of(4) {
            continue;
        }
        digits.push(character);
    }
    data_encoding::HEXLOWER_PERMISSIVE.decode(digits.as_bytes()).ok()?.try_into().ok()
}

/// All of `text` as a number of exactly `width` digits.
fn fixed_digits(text: &str, width: usize) -> Option<u32> {
    let is_digits = text.len() == width && text.bytes().all(|byte| byte.is_ascii_digit());
    if is_digits { text.parse().ok() } else { None }
}

fn parse_date(text: &str) -> Option<Date> {
    let mut parts = text.splitn(3, '-');
    let year = fixed_digits(parts.next()?, 4)?;
    let month = fixed_digits(parts.next()?, 2)?;
    let day = fixed_digits(parts.next()?, 2)?;
    Date::from_ymd(i32::try_from(year).ok()?, month, day)
}

/// `13:05`, `13:05:00`, `13:05:00.25`; decimals beyond the sixth must be zeros.
fn parse_time(text: &str) -> Option<Time> {
    let (clock, fraction) = text.split_once('.').map_or((text, None), |(clock, fraction)| (clock, Some(fraction)));
    let mut parts = clock.splitn(3, ':');
    let hour = fixed_digits(parts.next()?, 2)?;
    let minute = fixed_digits(parts.next()?, 2)?;
    let second = parts.next().map_or(Some(None), |second| fixed_digits(second, 2).map(Some))?;
    let micro = match fraction {
        None => 0,
        Some(digits) => {
            second?;
            let significant = digits.trim_end_matches('0');
            if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) || significant.len() > 6 {
                return None;
            }
            fixed_digits(&format!("{significant:0<6}"), 6)?
        }
    };
    Time::from_hms_micro(hour, minute, second.unwrap_or(0), micro)
}

/// A date, then optionally a space or `T` and a time, then optionally a zone; with the zone's seconds east of UTC.
fn parse_timestamp(text: &str) -> Option<(Timestamp, Option<i64>)> {
    let Some((date, rest)) = text.split_once([' ', 'T', 't']) else {
        let midnight = Time::from_hms_micro(0, 0, 0, 0)?;
        return Some((Timestamp::from_date_time(parse_date(text)?, midnight), None));
    };
    let zone_start = rest.find(['+', '-', 'Z', 'z']).unwrap_or(rest.len());
    let (time, zone) = rest.split_at(zone_start);
    let timestamp = Timestamp::from_date_time(parse_date(date)?, parse_time(time.trim_end())?);
    if zone.is_empty() {
        return Some((timestamp, None));
    }
    Some((timestamp, Some(parse_zone(zone)?)))
}

/// `Z`, `+00`, `+02:00`, `-0530`, `+05:30:15`, less than 16 hours; as seconds east of UTC.
fn parse_zone(text: &str) -> Option<i64> {
    if text.eq_ignore_ascii_case("z") {
        return Some(0);
    }
    let (sign, rest) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+')?),
    };
    let parts: Vec<&str> = match rest.split(':').collect::<Vec<_>>()[..] {
        [both] if both.len() == 4 => vec![both.get(..2)?, both.get(2..)?],
        [hours] => vec![hours],
        [hours, minutes] => vec![hours, minutes],
        [hours, minutes, seconds] => vec![hours, minutes, seconds],
        _ => return None,
    };
    let mut seconds = 0;
    for (part, unit) in parts.iter().zip([3_600, 60, 1]) {
        let number = fixed_digits(part, 2)?;
        let is_in_range = number < if unit == 3_600 { 16 } else { 60 };
        seconds += if is_in_range { i64::from(number) * unit } else { return None };
    }
    Some(sign * seconds)
}

impl Value {
    /// The name of its type, for messages.
    pub fn type_name(&self) -> &'static str {
        match self {
            Value::Boolean(_) => "BOOLEAN",
            Value::Integer(_) => "INTEGER",
            Value::BigInt(_) => "BIGINT",
            Value::Double(_) => "DOUBLE PRECISION",
            Value::Numeric(_) => "NUMERIC",
            Value::Text(_) => "TEXT",
            Value::Bytes(_) => "BYTEA",
            Value::Uuid(_) => "UUID",
            Value::Date(_) => "DATE",
            Value::Time(_) => "TIME",
            Value::Timestamp(_) => "TIMESTAMP",
            Value::TimestampTz(_) => "TIMESTAMPTZ",
            Value::Json(_) => "JSONB",
            Value::Identity(_) => "IDENTITY",
        }
    }

    /// The canonical text, which [`LogicalType::parse`] reads back to the same value.
    pub fn to_text(&self) -> String {
        self.to_string()
    }
}

/// The canonical text.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Boolean(boolean) => write!(f, "{boolean}"),
            Value::Integer(integer) => write!(f, "{integer}"),
            Value::BigInt(integer) => write!(f, "{integer}"),
            Value::Double(double) => write!(f, "{double}"),
            Value::Numeric(decimal) => write!(f, "{decimal}"),
            Value::Text(text) => f.write_str(text.as_str()),
            Value::Bytes(bytes) => write!(f, "\\x{}", data_encoding::HEXLOWER.encode(bytes.as_slice())),
            Value::Uuid(uuid) => {
                let digits = data_encoding::HEXLOWER.encode(uuid);
                let (a, b, c, d, e) = (&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]);
                write!(f, "{a}-{b}-{c}-{d}-{e}")
            }
            Value::Date(date) => write!(f, "{date}"),
            Value::Time(time) => write!(f, "{time}"),
            Value::Timestamp(timestamp) => write!(f, "{timestamp}"),
            Value::TimestampTz(timestamp) => write!(f, "{timestamp}+00"),
            Value::Json(json) => write!(f, "{json}"),
            Value::Identity(identity) => write!(f, "{identity}"),
        }
    }
}
