//! A master file cut into entries and words (RFC 1035 §5.1): comments,
//! parentheses, quotes, escapes left as they are.
//!
//! hickory-proto 0.26.3 has a reader of master files too. It names no lines,
//! reads `\065` as U+60005, and knows neither quotes inside parentheses nor
//! RFC 3597, so this one is ours.

/// A word of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Word<'t> {
    /// The text, escapes not undone; without the quotes if it stood in some.
    pub text: &'t str,
    /// Whether the whole word stood in quotes.
    pub quoted: bool,
}

/// One entry: a record or a `$` line, over several lines if it has
/// parentheses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry<'t> {
    /// The line it starts on, from 1.
    pub line: usize,
    /// Whether it starts with a blank: the owner is the one before.
    pub blank: bool,
    /// The words; never empty.
    pub words: Vec<Word<'t>>,
}

/// A fault of form, and its line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// From 1.
    pub line: usize,
    /// A sentence.
    pub problem: &'static str,
}

/// Goes through a master file entry by entry.
pub struct Lexer<'t> {
    text: &'t str,
    at: usize,
    line: usize,
}

impl<'t> Lexer<'t> {
    /// Over this text; a byte order mark in front is no part of it.
    pub fn new(text: &'t str) -> Lexer<'t> {
        Lexer { text: text.strip_prefix('\u{feff}').unwrap_or(text), at: 0, line: 1 }
    }

    /// The next entry; `None` at the end.
    pub fn entry(&mut self) -> Result<Option<Entry<'t>>, Fault> {
        let bytes = self.text.as_bytes();
        let mut entry = Entry { line: self.line, blank: false, words: Vec::new() };
        // The line of the open parenthesis.
        let mut open: Option<usize> = None;
        let mut line_start = true;
        while let Some(&byte) = bytes.get(self.at) {
            match byte {
                b'\n' => {
                    self.at += 1;
                    self.line += 1;
                    if open.is_some() {
                        continue;
                    }
                    if !entry.words.is_empty() {
                        return Ok(Some(entry));
                    }
                    entry = Entry { line: self.line, blank: false, words: Vec::new() };
                    line_start = true;
                    continue;
                }
                b' ' | b'\t' | b'\r' => {
                    if line_start {
                        entry.blank = true;
                    }
                    self.at += 1;
                }
                b';' => self.skip_comment(),
                b'(' if open.is_some() => {
                    return Err(self.fault("a parenthesis opens inside another"));
                }
                b'(' => {
                    open = Some(self.line);
                    self.at += 1;
                }
                b')' if open.is_none() => {
                    return Err(self.fault("a parenthesis closes that was never opened"));
                }
                b')' => {
                    open = None;
                    self.at += 1;
                }
                _ => {
                    if entry.words.is_empty() {
                        entry.line = self.line;
                    }
                    let word = self.word()?;
                    entry.words.push(word);
                }
            }
            line_start = false;
        }
        match open {
            Some(line) => Err(Fault { line, problem: "this parenthesis is never closed" }),
            None if entry.words.is_empty() => Ok(None),
            None => Ok(Some(entry)),
        }
    }

    fn skip_comment(&mut self) {
        let rest = &self.text[self.at..];
        self.at += rest.find('\n').unwrap_or(rest.len());
    }

    /// A word: up to a blank, a comment or a parenthesis outside quotes.
    fn word(&mut self) -> Result<Word<'t>, Fault> {
        let bytes = self.text.as_bytes();
        let start = self.at;
        let mut quotes = 0;
        while let Some(&byte) = bytes.get(self.at) {
            match byte {
                b' ' | b'\t' | b'\r' | b'\n' | b';' | b'(' | b')' if quotes % 2 == 0 => break,
                b'\n' => return Err(self.fault("a quote is not closed on its line")),
                b'"' => {
                    quotes += 1;
                    self.at += 1;
                    // Two strings without a blank between them, "a""b".
                    let whole = quotes == 2 && bytes[start] == b'"';
                    if whole {
                        break;
                    }
                }
                b'\\' => match bytes.get(self.at + 1) {
                    None | Some(b'\n') => return Err(self.fault("a backslash ends the line")),
                    // The octet after it, whatever it is; the rest of a
                    // character of several octets follows by itself.
                    Some(_) => self.at += 2,
                },
                _ => self.at += 1,
            }
        }
        if quotes % 2 == 1 {
            return Err(self.fault("a quote is not closed"));
        }
        let text = &self.text[start..self.at];
        let quoted = quotes == 2 && text.starts_with('"') && text.ends_with('"');
        Ok(Word { text: if quoted { &text[1..text.len() - 1] } else { text }, quoted })
    }

    fn fault(&self, problem: &'static str) -> Fault {
        Fault { line: self.line, problem }
    }
}

/// The octets a word stands for: `\X` and `\DDD` undone. `None`: a broken
/// escape.
pub fn octets(text: &str) -> Option<Vec<u8>> {
    let mut octets = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'\\' {
            octets.push(byte);
            continue;
        }
        let first = bytes.next()?;
        if !first.is_ascii_digit() {
            octets.push(first);
            continue;
        }
        let mut value = u16::from(first - b'0');
        for _ in 0..2 {
            let digit = bytes.next().filter(u8::is_ascii_digit)?;
            value = value * 10 + u16::from(digit - b'0');
        }
        octets.push(u8::try_from(value).ok()?);
    }
    Some(octets)
}

#[cfg(test)]
mod tests {
    use super::{Lexer, octets};

    fn entries(text: &str) -> String {
        let mut lexer = Lexer::new(text);
        let mut seen = String::new();
        loop {
            match lexer.entry() {
                Ok(Some(entry)) => {
                    seen += &format!("{}{}", entry.line, if entry.blank { "_" } else { ":" });
                    for word in entry.words {
                        let quote = if word.quoted { "'" } else { "" };
                        seen += &format!(" {quote}{}{quote}", word.text);
                    }
                    seen += "\n";
                }
                Ok(None) => return seen,
                Err(fault) => return format!("{seen}{}! {}", fault.line, fault.problem),
            }
        }
    }

    #[test]
    fn entries_words_and_lines() {
        let text = "; a comment\n\na  IN A 192.0.2.1 ; more\n  TXT (\"a b\" ; inside\n c\"d e\"\n\\\" )\r\nlast";
        assert_eq!(entries(text), "3: a IN A 192.0.2.1\n4_ TXT 'a b' c\"d e\" \\\"\n7: last\n");
        assert_eq!(entries("a \"b\"\"c\" \"\"\n"), "1: a 'b' 'c' ''\n");
        assert_eq!(entries("(a\nb)c\nd"), "1: a b c\n3: d\n");
        assert_eq!(entries(""), "");
    }

    #[test]
    fn faults_have_lines() {
        assert_eq!(entries("a\nb (\nc\n"), "1: a\n2! this parenthesis is never closed");
        assert_eq!(entries("a )"), "1! a parenthesis closes that was never opened");
        assert_eq!(entries("a ( ("), "1! a parenthesis opens inside another");
        assert_eq!(entries("\na \"b\nc\""), "2! a quote is not closed on its line");
        assert_eq!(entries("a \"b"), "1! a quote is not closed");
        assert_eq!(entries("a \\"), "1! a backslash ends the line");
    }

    #[test]
    fn escapes() {
        assert_eq!(octets("a\\065\\;\\\\ü").unwrap(), "aA;\\ü".as_bytes());
        assert_eq!(octets("\\256"), None);
        assert_eq!(octets("\\25"), None);
    }
}
