//! What a command says: on standard output in one piece, after all went well.

use std::io::{self, Write};
use std::process::ExitCode;

use serde::Serialize;

use super::Failure;

/// What a command says.
pub struct Output {
    /// For standard output.
    pub text: String,
    /// Remarks for people, for standard error, so that what is piped on stays
    /// clean.
    pub remarks: Vec<String>,
    /// Whether it was done.
    pub done: bool,
}

impl Output {
    /// Nothing to say.
    pub fn nothing() -> Output {
        Output::text(String::new())
    }

    /// Words for people.
    pub fn text(text: String) -> Output {
        Output { text, remarks: Vec::new(), done: true }
    }

    /// A value as JSON, or in words.
    pub fn of(
        value: &impl Serialize,
        json: bool,
        words: impl FnOnce() -> String,
    ) -> Result<Output, Failure> {
        if !json {
            return Ok(Output::text(words()));
        }
        Ok(Output::text(serde_json::to_string_pretty(value)? + "\n"))
    }

    /// Says it.
    pub fn print(self) -> ExitCode {
        match io::stdout().write_all(self.text.as_bytes()).and_then(|()| io::stdout().flush()) {
            // Whoever was reading has enough: `truename host list | head`.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
            Err(error) => {
                eprintln!("truename: standard output takes nothing: {error}");
                return ExitCode::FAILURE;
            }
            Ok(()) => {}
        }
        for remark in self.remarks {
            eprintln!("{remark}");
        }
        if self.done { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

/// Rows under a heading in aligned columns, two blanks between them.
pub fn table<const N: usize>(heading: [&str; N], rows: &[[String; N]]) -> String {
    let mut widths = heading.map(|cell| cell.chars().count());
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    let heading = heading.map(str::to_owned);
    for row in std::iter::once(&heading).chain(rows) {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(widths) {
            line += &format!("{cell:width$}  ");
        }
        text += line.trim_end();
        text.push('\n');
    }
    text
}

/// Words and what stands for them, one a line, aligned and indented.
pub fn facts(facts: &[(&str, String)]) -> String {
    let width = facts.iter().map(|(word, _)| word.chars().count()).max().unwrap_or(0);
    facts.iter().map(|(word, value)| format!("  {word:width$}  {value}\n")).collect()
}
