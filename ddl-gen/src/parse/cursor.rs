//! Tokens of schema text: statements split apart, and a cursor over one of them.
//!
//! The statement grammar is ours, on `sqlparser`'s tokens, so that one syntax error hides nothing else: not the other
//! statements, not the other elements of the same table. Types are ours too (a closed list); expressions are
//! `sqlparser`'s (see `expr`).

use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::tokenizer::{Location, Token, TokenWithSpan, Tokenizer, Word};
use treaty_schema::Ident;

use super::words::is_reserved;
use crate::diagnostic::Mistake;

/// Returns the statements of `text` without comments, each without its semicolon, and what stopped the tokenizer.
///
/// Every semicolon ends a statement, also inside parentheses: none belongs there, and an unclosed one stays local.
pub(super) fn statements(text: &str) -> (Vec<Vec<TokenWithSpan>>, Option<Mistake>) {
    let dialect = PostgreSqlDialect {};
    let mut tokens = Vec::new();
    let outcome = Tokenizer::new(&dialect, text).tokenize_with_location_into_buf(&mut tokens);
    let mistake = outcome.err().map(|error| {
        let at = error.location;
        Mistake::new(at, format!("this is not SQL text: {}", lower_first(&error.message)))
    });
    let mut statements = vec![Vec::new()];
    for token in tokens {
        match (&token.token, statements.last_mut()) {
            (Token::Whitespace(_), _) => {}
            (Token::SemiColon, _) | (_, None) => statements.push(Vec::new()),
            (_, Some(statement)) => statement.push(token),
        }
    }
    statements.retain(|statement| !statement.is_empty());
    (statements, mistake)
}

/// Returns `text` with its first letter in lower case, as messages begin.
pub(super) fn lower_first(text: &str) -> String {
    let mut chars = text.chars();
    match chars.next() {
        Some(first) => first.to_lowercase().chain(chars).collect(),
        None => String::new(),
    }
}

/// A name and where it stands.
#[derive(Debug, Clone)]
pub(super) struct Named {
    /// Folded as PostgreSQL does.
    pub(super) name: Ident,
    /// Where.
    pub(super) at: Location,
}

/// A place in the tokens of a statement, or of a part of it.
#[derive(Clone)]
pub(super) struct Cursor<'t> {
    tokens: &'t [TokenWithSpan],
    end: Location,
}

impl<'t> Cursor<'t> {
    /// Starts at the first of `tokens`; `end` is where something is missing if they run out.
    pub(super) fn new(tokens: &'t [TokenWithSpan], end: Location) -> Cursor<'t> {
        Cursor { tokens, end: tokens.last().map_or(end, |token| token.span.end) }
    }

    /// The tokens not read yet.
    pub(super) fn rest(&self) -> &'t [TokenWithSpan] {
        self.tokens
    }

    /// Whether all is read.
    pub(super) fn is_done(&self) -> bool {
        self.tokens.is_empty()
    }

    /// Where the next token is, or where the tokens end.
    pub(super) fn at(&self) -> Location {
        self.tokens.first().map_or(self.end, |token| token.span.start)
    }

    /// Where the tokens end.
    pub(super) fn end(&self) -> Location {
        self.end
    }

    /// The next token.
    pub(super) fn peek(&self) -> Option<&'t Token> {
        self.tokens.first().map(|token| &token.token)
    }

    /// Reads one token.
    pub(super) fn advance(&mut self) -> Option<&'t TokenWithSpan> {
        let (first, rest) = self.tokens.split_first()?;
        self.tokens = rest;
        Some(first)
    }

    /// Whether the next tokens are these unquoted words, in any case.
    pub(super) fn is_words(&self, words: &[&str]) -> bool {
        words.len() <= self.tokens.len()
            && words.iter().zip(self.tokens).all(|(word, token)| is_word(&token.token, word))
    }

    /// Reads these words if they are next.
    pub(super) fn eat_words(&mut self, words: &[&str]) -> bool {
        let found = self.is_words(words);
        if found {
            self.tokens = &self.tokens[words.len()..];
        }
        found
    }

    /// Reads `token` if it is next.
    pub(super) fn eat(&mut self, token: &Token) -> bool {
        let found = self.peek() == Some(token);
        if found {
            self.tokens = &self.tokens[1..];
        }
        found
    }

    /// Reads these words, which the grammar requires here.
    pub(super) fn expect_words(&mut self, words: &[&str]) -> Result<(), Mistake> {
        if self.eat_words(words) { Ok(()) } else { Err(self.expected(&words.join(" "))) }
    }

    /// Makes the mistake of something else standing where `what` is required.
    pub(super) fn expected(&self, what: &str) -> Mistake {
        let found = match self.peek() {
            Some(token) => format!("found {token}"),
            None => "found nothing".to_owned(),
        };
        Mistake::new(self.at(), format!("expected {what}, {found}"))
    }

    /// Reads a name; `what` says of what, for the message.
    pub(super) fn name(&mut self, what: &str) -> Result<Named, Mistake> {
        let at = self.at();
        let Some(Token::Word(word)) = self.peek() else { return Err(self.expected(what)) };
        self.advance();
        fold(word, at).map(|name| Named { name, at })
    }

    /// Reads a table's name, which must not be qualified.
    pub(super) fn table_name(&mut self, what: &str) -> Result<Named, Mistake> {
        let named = self.name(what)?;
        self.refuse_qualified(named.at)?;
        Ok(named)
    }

    /// Refuses `.name` after a table's name.
    pub(super) fn refuse_qualified(&mut self, at: Location) -> Result<(), Mistake> {
        if self.peek() != Some(&Token::Period) {
            return Ok(());
        }
        Err(Mistake::new(at, "tables of a schema file are not qualified").help("write the table's name alone"))
    }

    /// Reads a parenthesis and returns what is in it.
    pub(super) fn parenthesis(&mut self, what: &str) -> Result<Cursor<'t>, Mistake> {
        if self.peek() != Some(&Token::LParen) {
            return Err(self.expected(what));
        }
        let mut depth = 0usize;
        for (index, token) in self.tokens.iter().enumerate() {
            match token.token {
                Token::LParen => depth += 1,
                Token::RParen => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                let inner = Cursor { tokens: &self.tokens[1..index], end: token.span.start };
                self.tokens = &self.tokens[index + 1..];
                return Ok(inner);
            }
        }
        Err(Mistake::new(self.at(), "this parenthesis is not closed before the end of the statement"))
    }

    /// Splits at the commas outside parentheses; nothing gives no part.
    pub(super) fn parts(&self) -> Vec<Cursor<'t>> {
        let mut parts = Vec::new();
        let (mut depth, mut start) = (0usize, 0usize);
        for (index, token) in self.tokens.iter().enumerate() {
            match token.token {
                Token::LParen => depth += 1,
                Token::RParen => depth = depth.saturating_sub(1),
                Token::Comma if depth == 0 => {
                    parts.push(Cursor { tokens: &self.tokens[start..index], end: token.span.start });
                    start = index + 1;
                }
                _ => {}
            }
        }
        if !self.tokens.is_empty() {
            parts.push(Cursor { tokens: &self.tokens[start..], end: self.end });
        }
        parts
    }

    /// Reads `(name, name, ...)`.
    pub(super) fn names(&mut self, what: &str) -> Result<Vec<Named>, Mistake> {
        let inner = self.parenthesis(&format!("({what}, ...)"))?;
        if inner.is_done() {
            return Err(inner.expected(what));
        }
        let mut names = Vec::new();
        for mut part in inner.parts() {
            names.push(part.name(what)?);
            if !part.is_done() {
                return Err(part.expected("a comma or a closing parenthesis"));
            }
        }
        Ok(names)
    }

    /// Refuses what is left; `what` names the statement or clause that ended.
    pub(super) fn finish(&self, what: &str) -> Result<(), Mistake> {
        match self.peek() {
            None => Ok(()),
            Some(token) => Err(Mistake::new(self.at(), format!("unexpected {token} after {what}"))),
        }
    }
}

/// Whether `token` is the unquoted word `word`, in any case.
pub(super) fn is_word(token: &Token, word: &str) -> bool {
    matches!(token, Token::Word(found) if found.quote_style.is_none() && found.value.eq_ignore_ascii_case(word))
}

/// Folds a word to a name as PostgreSQL does: unquoted to lower case, and no reserved word.
pub(super) fn fold(word: &Word, at: Location) -> Result<Ident, Mistake> {
    let folded = match word.quote_style {
        None => word.value.to_ascii_lowercase(),
        Some(_) => word.value.clone(),
    };
    if word.quote_style.is_none() && is_reserved(&folded) {
        return Err(Mistake::new(at, format!("{folded} is a reserved word of PostgreSQL and cannot be a bare name"))
            .help(format!("write it in double quotes: \"{folded}\"")));
    }
    Ident::new(&folded).map_err(|error| Mistake::new(at, format!("{folded}: {error}")))
}
