//! inadyn's configuration of version 2, in the grammar of libConfuse.
//!
//! ```text
//! period = 300                                  # and // and /* … */
//! provider default@dyndns.org:1 {
//!     username = ann
//!     password = "hunter\"2"
//!     hostname = { "home.example.org", nas.example.org }
//! }
//! custom truename { … }
//! ```

use super::{Entry, File, Found, place};

/// What a text is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Word(String),
    Sign(char),
}

/// A token and its line.
type Placed = (Token, usize);

/// Providers whose token stands in the user's place.
const TOKEN_IN_USER: [&str; 1] = ["duckdns"];

pub fn read(file: &File, found: &mut Found) -> Result<(), String> {
    let tokens =
        tokens(&file.text).map_err(|(line, why)| format!("{}: {why}", place(&file.path, line)))?;
    let mut at = 0;
    while let Some((token, line)) = tokens.get(at) {
        let is_section =
            matches!(token, Token::Word(word) if word == "provider" || word == "custom");
        let title = match tokens.get(at + 1) {
            Some((Token::Word(title), _)) if is_section => title.clone(),
            _ => {
                at += 1;
                continue;
            }
        };
        if tokens.get(at + 2).map(|(token, _)| token) != Some(&Token::Sign('{')) {
            at += 1;
            continue;
        }
        at = section(&tokens, at + 3, &title, *line, file, found);
    }
    Ok(())
}

/// Reads what is inside of a section; returns where it goes on.
fn section(
    tokens: &[Placed],
    mut at: usize,
    title: &str,
    line: usize,
    file: &File,
    found: &mut Found,
) -> usize {
    let here = place(&file.path, line);
    let mut entry = Entry { place: here.clone(), ..Entry::default() };
    let mut user = None;
    let mut hosts = Vec::new();
    while let Some((token, _)) = tokens.get(at) {
        at += 1;
        let key = match token {
            Token::Sign('}') => break,
            Token::Word(key) => key.as_str(),
            Token::Sign(_) => continue,
        };
        if key == "include" && tokens.get(at).map(|(token, _)| token) == Some(&Token::Sign('(')) {
            found.remarks.push(format!(
                "{here}: it includes another file, which is not read: put what is in it in its place"
            ));
            continue;
        }
        if tokens.get(at).map(|(token, _)| token) != Some(&Token::Sign('=')) {
            continue;
        }
        let (values, next) = values(tokens, at + 1);
        at = next;
        let first = values.first().cloned();
        match key {
            "username" => user = first,
            "password" => entry.secret = first,
            "hostname" | "alias" => hosts = values,
            "wildcard" => entry.wildcard = first.is_some_and(|word| word == "true" || word == "on"),
            "ttl" => entry.ttl = first.and_then(|ttl| ttl.parse().ok()).filter(|ttl| *ttl > 1),
            _ => {}
        }
    }
    if TOKEN_IN_USER.iter().any(|provider| title.to_ascii_lowercase().contains(provider)) {
        entry.secret = user.take();
    }
    entry.login = user;
    hosts.retain(|name| !name.is_empty());
    if hosts.is_empty() {
        found.remarks.push(format!("{here}: no hostname"));
    }
    found.hosts.extend(hosts.into_iter().map(|name| Entry { name, ..entry.clone() }));
    at
}

/// A value, or several in braces.
fn values(tokens: &[Placed], mut at: usize) -> (Vec<String>, usize) {
    let mut values = Vec::new();
    match tokens.get(at).map(|(token, _)| token) {
        Some(Token::Word(word)) => {
            values.push(word.clone());
            at += 1;
        }
        Some(Token::Sign('{')) => {
            at += 1;
            while let Some((token, _)) = tokens.get(at) {
                at += 1;
                match token {
                    Token::Sign('}') => break,
                    Token::Word(word) => values.push(word.clone()),
                    Token::Sign(_) => {}
                }
            }
        }
        _ => {}
    }
    (values, at)
}

fn tokens(text: &str) -> Result<Vec<Placed>, (usize, String)> {
    let mut tokens = Vec::new();
    let mut line = 1;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\n' => line += 1,
            c if c.is_whitespace() || c == ';' => {}
            '#' => skip_line(&mut chars),
            '/' if chars.peek() == Some(&'/') => skip_line(&mut chars),
            '/' if chars.peek() == Some(&'*') => {
                let mut before = ' ';
                for c in chars.by_ref() {
                    line += usize::from(c == '\n');
                    if before == '*' && c == '/' {
                        break;
                    }
                    before = c;
                }
            }
            '{' | '}' | '(' | ')' | '=' | ',' => tokens.push((Token::Sign(c), line)),
            '+' if chars.peek() == Some(&'=') => {}
            '"' | '\'' => {
                let start = line;
                let mut word = String::new();
                loop {
                    match chars.next() {
                        None => {
                            return Err((start, "a quote is opened here and never closed".into()));
                        }
                        Some(end) if end == c => break,
                        Some('\\') => escape(c, &mut chars, &mut word, &mut line),
                        Some(inner) => {
                            line += usize::from(inner == '\n');
                            word.push(inner);
                        }
                    }
                }
                tokens.push((Token::Word(word), start));
            }
            first => {
                let mut word = String::from(first);
                while let Some(&c) = chars.peek() {
                    if c.is_whitespace() || "{}()=,\"'#;".contains(c) {
                        break;
                    }
                    word.push(c);
                    chars.next();
                }
                tokens.push((Token::Word(word), line));
            }
        }
    }
    Ok(tokens)
}

fn skip_line(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    while chars.peek().is_some_and(|&c| c != '\n') {
        chars.next();
    }
}

/// What follows a backslash in quotes. In single ones it means itself, but
/// before a quote, a backslash and the end of a line.
fn escape(
    quote: char,
    chars: &mut std::iter::Peekable<std::str::Chars<'_>>,
    word: &mut String,
    line: &mut usize,
) {
    let Some(c) = chars.next() else { return };
    match (quote, c) {
        (_, '\n') => *line += 1,
        ('\'', '\'' | '\\') => word.push(c),
        ('\'', c) => word.extend(['\\', c]),
        (_, 'n') => word.push('\n'),
        (_, 't') => word.push('\t'),
        (_, 'r') => word.push('\r'),
        (_, 'x') => {
            let digits: String =
                std::iter::from_fn(|| chars.next_if(char::is_ascii_hexdigit)).take(2).collect();
            word.extend(u8::from_str_radix(&digits, 16).map(char::from));
        }
        (_, c) => word.push(c),
    }
}
