//! Why a configuration is not taken.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

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
        /// Where.
        place: Place,
        /// What is wrong and what to do.
        problem: String,
    },
}

/// A place in a configuration file: `truename.toml:3:8`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file.
    pub file: PathBuf,
    /// The line, from 1.
    pub line: usize,
    /// The character in the line, from 1.
    pub column: usize,
}

impl Place {
    /// That of a byte of the file's text.
    pub(super) fn of(file: &Path, text: &str, offset: usize) -> Place {
        let before = text.get(..offset).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Place {
            file: file.to_owned(),
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file.display(), self.line, self.column)
    }
}

impl ConfigError {
    /// A fault at a byte of the file's text.
    pub(super) fn at(file: &Path, text: &str, offset: usize, problem: String) -> ConfigError {
        ConfigError::Wrong { place: Place::of(file, text, offset), problem }
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
            ConfigError::Wrong { place, problem } => write!(f, "{place}: {problem}"),
        }
    }
}

impl std::error::Error for ConfigError {}
