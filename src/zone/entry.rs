//! A master file cut into entries: what stands on one line, or in
//! parentheses over several (RFC 1035 §5.1).

/// One word of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// The text as written, escapes and all, without its quotation marks.
    pub text: String,
    /// Whether it stood in quotation marks.
    pub quoted: bool,
}

/// One entry: a record or a `$` directive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The line it begins on, from 1.
    pub line: usize,
    /// Whether it begins with a blank: the owner is that of the entry before.
    pub continued: bool,
    /// Its words; at least one.
    pub words: Vec<Word>,
}

/// Cuts a file into entries.
///
/// # Errors
/// The line and what is wrong with it.
pub fn entries(text: &str) -> Result<Vec<Entry>, (usize, String)> {
    let mut entries = Vec::new();
    let mut entry: Option<Entry> = None;
    // The line of the parenthesis that is still open.
    let mut open: Option<usize> = None;
    for (number, line) in (1..).zip(text.lines()) {
        if open.is_none() {
            entries.extend(entry.take().filter(|entry| !entry.words.is_empty()));
        }
        let current = entry.get_or_insert_with(|| Entry {
            line: number,
            continued: line.starts_with([' ', '\t']),
            words: Vec::new(),
        });
        let mut rest = line;
        while let Some(c) = rest.chars().next() {
            match c {
                ';' => break,
                '(' if open.is_some() => {
                    return Err((number, "a parenthesis inside a parenthesis".into()));
                }
                '(' => open = Some(number),
                ')' if open.is_none() => {
                    return Err((number, "a closing parenthesis without an opening one".into()));
                }
                ')' => open = None,
                ' ' | '\t' | '\r' => {}
                '"' => {
                    let (word, after) = quoted(&rest[1..]).ok_or_else(|| {
                        (number, "a quotation mark that is not closed on its line".to_owned())
                    })?;
                    current.words.push(Word { text: word.into(), quoted: true });
                    rest = after;
                    continue;
                }
                _ => {
                    let (word, after) = bare(rest);
                    current.words.push(Word { text: word.into(), quoted: false });
                    rest = after;
                    continue;
                }
            }
            rest = &rest[c.len_utf8()..];
        }
    }
    if let Some(line) = open {
        return Err((line, "a parenthesis that is never closed".into()));
    }
    entries.extend(entry.filter(|entry| !entry.words.is_empty()));
    Ok(entries)
}

/// What stands in quotation marks, and what follows them.
fn quoted(text: &str) -> Option<(&str, &str)> {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return Some((&text[..at], &text[at + 1..])),
            _ => {}
        }
    }
    None
}

/// A word without quotation marks, and what follows it.
fn bare(text: &str) -> (&str, &str) {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            ' ' | '\t' | '\r' | ';' | '(' | ')' | '"' => return text.split_at(at),
            _ => {}
        }
    }
    (text, "")
}

#[cfg(test)]
mod tests {
    use super::entries;

    fn words(text: &str) -> Vec<(usize, bool, Vec<String>)> {
        let entries = entries(text).unwrap();
        let text = |e: &super::Entry| e.words.iter().map(|w| w.text.clone()).collect();
        entries.iter().map(|e| (e.line, e.continued, text(e))).collect()
    }

    #[test]
    fn lines_parentheses_comments_and_quotes() {
        let seen =
            words("; hello\n@ SOA a ( ; first\n  1 2\n 3 ) ; last\n\n\tTXT \"a ; (b\" c\\;d\n");
        let word = |text: &str| text.split('|').map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(seen, [(2, false, word("@|SOA|a|1|2|3")), (6, true, word("TXT|a ; (b|c\\;d"))]);
    }

    #[test]
    fn what_is_not_closed_names_its_line() {
        assert_eq!(entries("a\nb (\nc\n").unwrap_err().0, 2);
        assert_eq!(entries("a\nb )\n").unwrap_err().0, 2);
        assert_eq!(entries("a\n\n\"b\n").unwrap_err().0, 3);
    }
}
