//! Why a configuration is not taken.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// Why a configuration is not taken.
#[derive(Debug)]
pub enum ConfigError {
    /// The file cannot be read.
    Unreadable {
        /// The file.
        file: PathBuf,
        /// Why not.
        error: io::Error,
    },
    /// Something in the file is wrong.
    Wrong {
        /// The file.
        file: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The character in the line, from 1.
        column: usize,
        /// What is wrong and what to do.
        problem: String,
    },
}

impl ConfigError {
    /// A fault at a byte of the file's text.
    pub(super) fn at(
        file: &std::path::Path,
        text: &str,
        offset: usize,
        problem: String,
    ) -> ConfigError {
        let before = text.get(..offset).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        ConfigError::Wrong {
            file: file.to_owned(),
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            problem,
        }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ConfigError::Unreadable { file, error } => {
                write!(f, "{}: cannot be read: {error}", file.display())?;
                match error.kind() {
                    io::ErrorKind::NotFound => {
                        f.write_str("; `truename init` writes a configuration")
                    }
                    io::ErrorKind::PermissionDenied => {
                        f.write_str("; run this as root or as the server's user")
                    }
                    _ => Ok(()),
                }
            }
            ConfigError::Wrong { file, line, column, problem } => {
                write!(f, "{}:{line}:{column}: {problem}", file.display())
            }
        }
    }
}

impl std::error::Error for ConfigError {}
