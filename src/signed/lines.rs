//! The lines of a message: `word value`, in a fixed order.

use std::fmt;
use std::str::FromStr;

/// Why a message is none of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// The line, counted from 1; 0: the message as a whole.
    line: usize,
    /// What should be there.
    expected: &'static str,
}

impl Malformed {
    pub(super) const TEXT: Malformed =
        Malformed { line: 0, expected: "lines of ASCII that end with a line feed" };
    pub(super) const MAC: Malformed = Malformed {
        line: 0,
        expected: "a last line of `mac` and 64 lower-case hexadecimal digits",
    };
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "expected {}", self.expected),
            line => write!(f, "line {line}: expected {}", self.expected),
        }
    }
}

impl std::error::Error for Malformed {}

/// Reads one line after the other.
pub(super) struct Lines<'a> {
    rest: &'a str,
    line: usize,
}

impl<'a> Lines<'a> {
    pub(super) fn new(text: &'a str) -> Lines<'a> {
        Lines { rest: text, line: 1 }
    }

    /// The next line is this one.
    pub(super) fn exactly(&mut self, line: &'static str) -> Result<(), Malformed> {
        match self.rest.split_once('\n') {
            Some((found, rest)) if found == line => {
                self.rest = rest;
                self.line += 1;
                Ok(())
            }
            _ => Err(self.expected(line)),
        }
    }

    /// What follows this word, if the next line begins with it.
    pub(super) fn text(&mut self, word: &str) -> Option<&'a str> {
        let (line, rest) = self.rest.split_once('\n')?;
        let value = line.strip_prefix(word)?.strip_prefix(' ')?;
        self.rest = rest;
        self.line += 1;
        Some(value)
    }

    /// The next line begins with this word, and what follows can be read.
    pub(super) fn value<T: FromStr>(
        &mut self,
        word: &str,
        expected: &'static str,
    ) -> Result<T, Malformed> {
        self.maybe(word, expected)?.ok_or_else(|| self.expected(expected))
    }

    /// The same for a line that may be left out.
    pub(super) fn maybe<T: FromStr>(
        &mut self,
        word: &str,
        expected: &'static str,
    ) -> Result<Option<T>, Malformed> {
        let here = self.expected(expected);
        let Some(text) = self.text(word) else { return Ok(None) };
        text.parse().map(Some).map_err(|_| here)
    }

    /// Nothing follows.
    pub(super) fn end(&self, expected: &'static str) -> Result<(), Malformed> {
        if self.rest.is_empty() { Ok(()) } else { Err(self.expected(expected)) }
    }

    /// The fault of the next line.
    pub(super) fn expected(&self, expected: &'static str) -> Malformed {
        Malformed { line: self.line, expected }
    }
}
