//! JSON in one canonical text per value: the values of JSONB.
//!
//! Canonical: no white space; object keys sorted by length in bytes, then bytewise (PostgreSQL's order), the last of equal
//! keys wins; numbers as plain exact decimals without exponent or needless zeros; strings as UTF-8 with only `"`, `\` and
//! the control characters escaped. Bounded in depth, size and digits, so that nothing a stranger sends costs more than
//! [`VALUE_BYTES_MAX`] suggests. Spec: docs/spec/values.md.

use std::borrow::Cow;
use std::fmt::{self, Write};
use std::io;

use borsh::{BorshDeserialize, BorshSerialize};

use crate::VALUE_BYTES_MAX;
use crate::codec::{invalid, read_text};
use crate::number::read_number;

/// Deepest nesting of arrays and objects.
pub const JSON_DEPTH_MAX: usize = 128;

/// Most digits of a number before the point, and after it: enough for every binary64 number written out.
pub const JSON_NUMBER_DIGITS_MAX: u64 = 400;

/// Longest text read as JSON, in bytes: a canonical value of [`VALUE_BYTES_MAX`] with every character escaped fits.
pub const JSON_TEXT_BYTES_MAX: usize = 6 * VALUE_BYTES_MAX;

/// A JSON value as its canonical text, at most [`VALUE_BYTES_MAX`] bytes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize)]
pub struct Json(String);

/// Why a text is not a [`Json`] value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// The text breaks JSON's grammar (RFC 8259).
    #[error("JSON expects {expected} at byte {at}")]
    Syntax {
        /// Byte offset into the text.
        at: usize,
        /// What may stand there.
        expected: &'static str,
    },
    /// A string holds U+0000, or half of a surrogate pair.
    #[error(
        "the JSON string at byte {at} holds a character that no text can hold: \\u0000 or half of a surrogate pair"
    )]
    Character {
        /// Byte offset of the escape.
        at: usize,
    },
    /// A number has more digits than [`JSON_NUMBER_DIGITS_MAX`].
    #[error("the JSON number at byte {at} has more than {JSON_NUMBER_DIGITS_MAX} digits before or after the point")]
    Digits {
        /// Byte offset of the number.
        at: usize,
    },
    /// Arrays and objects are nested deeper than [`JSON_DEPTH_MAX`].
    #[error("the JSON is nested deeper than {JSON_DEPTH_MAX}")]
    Depth,
    /// The text, or its canonical form, is too large.
    #[error("the JSON is larger than {VALUE_BYTES_MAX} bytes")]
    TooLarge,
}

impl Json {
    /// Reads a JSON text and brings it into canonical form.
    ///
    /// # Errors
    /// [`JsonError`] says where and what.
    pub fn parse(text: &str) -> Result<Json, JsonError> {
        if text.len() > JSON_TEXT_BYTES_MAX {
            return Err(JsonError::TooLarge);
        }
        let mut parser = Parser { text, at: 0 };
        let node = parser.value(0)?;
        parser.skip_space();
        if parser.at < text.len() {
            return Err(parser.expected("the end of the text"));
        }
        let mut canonical = String::new();
        node.write(&mut canonical)?;
        Ok(Json(canonical))
    }

    /// The canonical text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl BorshDeserialize for Json {
    fn deserialize_reader<R: io::Read>(reader: &mut R) -> io::Result<Json> {
        let text = read_text(reader, VALUE_BYTES_MAX)?;
        let json = Json::parse(&text).map_err(invalid)?;
        if json.0 != text {
            return Err(invalid("JSON that is not in canonical form"));
        }
        Ok(json)
    }
}

/// A parsed value. It borrows from the text, so that its memory stays within a small multiple of the text's.
enum Node<'a> {
    /// `null`, `true`, `false`
    Word(&'static str),
    /// As it stands in the text, checked to have few enough digits.
    Number(&'a str),
    String(Cow<'a, str>),
    Array(Vec<Node<'a>>),
    /// Sorted and without duplicates.
    Object(Vec<Member<'a>>),
}

type Member<'a> = (Cow<'a, str>, Node<'a>);

impl Node<'_> {
    fn write(&self, out: &mut String) -> Result<(), JsonError> {
        match self {
            Node::Word(text) => out.push_str(text),
            Node::Number(text) => {
                read_number(text).expect("the parser checked the number").write_plain(out);
            }
            Node::String(text) => write_string(text, out),
            Node::Array(items) => {
                out.push('[');
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    item.write(out)?;
                }
                out.push(']');
            }
            Node::Object(members) => {
                out.push('{');
                for (index, (key, item)) in members.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    write_string(key, out);
                    out.push(':');
                    item.write(out)?;
                }
                out.push('}');
            }
        }
        if out.len() > VALUE_BYTES_MAX { Err(JsonError::TooLarge) } else { Ok(()) }
    }
}

/// Sorts by (length of the key, key) and keeps the last of members with one key.
fn canonical_members(mut members: Vec<Member<'_>>) -> Node<'_> {
    // A stable sort of the reversed list puts the last of equal keys first, where `dedup` keeps it.
    members.reverse();
    members.sort_by(|(left, _), (right, _)| left.len().cmp(&right.len()).then_with(|| left.cmp(right)));
    members.dedup_by(|(later, _), (kept, _)| later == kept);
    members.shrink_to_fit();
    Node::Object(members)
}

fn write_string(text: &str, out: &mut String) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            control if control < ' ' => {
                write!(out, "\\u{:04x}", u32::from(control)).expect("writing to a String cannot fail");
            }
            other => out.push(other),
        }
    }
    out.push('"');
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Parser<'a> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn expected(&self, expected: &'static str) -> JsonError {
        JsonError::Syntax { at: self.at, expected }
    }

    fn skip_space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    /// Moves past `byte` if it comes next.
    fn take(&mut self, byte: u8) -> bool {
        let is_next = self.peek() == Some(byte);
        self.at += usize::from(is_next);
        is_next
    }

    fn value(&mut self, depth: usize) -> Result<Node<'a>, JsonError> {
        self.skip_space();
        match self.peek() {
            Some(b'{' | b'[') if depth == JSON_DEPTH_MAX => Err(JsonError::Depth),
            Some(b'{') => self.object(depth),
            Some(b'[') => self.array(depth),
            Some(b'"') => Ok(Node::String(self.string()?)),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => self.word(),
        }
    }

    fn word(&mut self) -> Result<Node<'a>, JsonError> {
        for word in ["null", "true", "false"] {
            if self.text.as_bytes()[self.at..].starts_with(word.as_bytes()) {
                self.at += word.len();
                return Ok(Node::Word(word));
            }
        }
        Err(self.expected("a value"))
    }

    fn array(&mut self, depth: usize) -> Result<Node<'a>, JsonError> {
        self.at += 1;
        let mut items = Vec::new();
        self.skip_space();
        if self.take(b']') {
            return Ok(Node::Array(items));
        }
        loop {
            items.push(self.value(depth + 1)?);
            self.skip_space();
            if self.take(b']') {
                items.shrink_to_fit();
                return Ok(Node::Array(items));
            }
            if !self.take(b',') {
                return Err(self.expected("a comma or ]"));
            }
        }
    }

    fn object(&mut self, depth: usize) -> Result<Node<'a>, JsonError> {
        self.at += 1;
        let mut members = Vec::new();
        self.skip_space();
        if self.take(b'}') {
            return Ok(Node::Object(members));
        }
        loop {
            self.skip_space();
            if self.peek() != Some(b'"') {
                return Err(self.expected("a key in double quotes"));
            }
            let key = self.string()?;
            self.skip_space();
            if !self.take(b':') {
                return Err(self.expected("a colon"));
            }
            let item = self.value(depth + 1)?;
            members.push((key, item));
            self.skip_space();
            if self.take(b'}') {
                return Ok(canonical_members(members));
            }
            if !self.take(b',') {
                return Err(self.expected("a comma or }"));
            }
        }
    }

    fn digits(&mut self) -> Result<(), JsonError> {
        if !matches!(self.peek(), Some(b'0'..=b'9')) {
            return Err(self.expected("a digit"));
        }
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
        Ok(())
    }

    fn number(&mut self) -> Result<Node<'a>, JsonError> {
        let start = self.at;
        self.take(b'-');
        if !self.take(b'0') {
            self.digits()?;
        }
        if self.take(b'.') {
            self.digits()?;
        }
        if self.take(b'e') || self.take(b'E') {
            if !self.take(b'-') {
                self.take(b'+');
            }
            self.digits()?;
        }
        let too_long = JsonError::Digits { at: start };
        let text = &self.text[start..self.at];
        let Some(number) = read_number(text) else { return Err(too_long) };
        if number.whole_digit_count() > JSON_NUMBER_DIGITS_MAX || number.fraction_digit_count() > JSON_NUMBER_DIGITS_MAX
        {
            return Err(too_long);
        }
        Ok(Node::Number(text))
    }

    /// Reads a string; the opening quote comes next.
    fn string(&mut self) -> Result<Cow<'a, str>, JsonError> {
        self.at += 1;
        let mut string = Cow::Borrowed("");
        loop {
            let run = &self.text[self.at..];
            let run_end = run.find(|c: char| c == '"' || c == '\\' || c < ' ').unwrap_or(run.len());
            string += &run[..run_end];
            self.at += run_end;
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(string);
                }
                Some(b'\\') => {
                    let character = self.escape()?;
                    string.to_mut().push(character);
                }
                Some(_) => return Err(self.expected("\\n, \\t or \\u00.. in place of a control character")),
                None => return Err(self.expected("a closing double quote")),
            }
        }
    }

    /// Reads an escape; the backslash comes next.
    fn escape(&mut self) -> Result<char, JsonError> {
        let start = self.at;
        self.at += 1;
        let kind = self.peek();
        self.at += 1;
        let character = match kind {
            Some(plain @ (b'"' | b'\\' | b'/')) => char::from(plain),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode_escape(start),
            _ => return Err(JsonError::Syntax { at: start, expected: "one of \\\" \\\\ \\/ \\b \\f \\n \\r \\t \\u" }),
        };
        Ok(character)
    }

    fn unicode_escape(&mut self, start: usize) -> Result<char, JsonError> {
        let mut units = vec![self.hex_unit()?];
        if (0xd800..0xdc00).contains(&units[0]) && self.text.as_bytes()[self.at..].starts_with(b"\\u") {
            self.at += 2;
            units.push(self.hex_unit()?);
        }
        let mut characters = char::decode_utf16(units);
        match (characters.next(), characters.next()) {
            (Some(Ok(character)), None) if character != '\0' => Ok(character),
            _ => Err(JsonError::Character { at: start }),
        }
    }

    fn hex_unit(&mut self) -> Result<u16, JsonError> {
        let digits = self.text.as_bytes().get(self.at..self.at + 4);
        let digits = digits.filter(|digits| digits.iter().all(u8::is_ascii_hexdigit));
        let Some(digits) = digits else { return Err(self.expected("four hexadecimal digits")) };
        self.at += 4;
        Ok(digits.iter().fold(0, |unit, digit| {
            let value = char::from(*digit).to_digit(16).and_then(|digit| u16::try_from(digit).ok());
            unit << 4 | value.expect("the digits were checked to be hexadecimal")
        }))
    }
}
