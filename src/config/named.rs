//! The files and directories that a configuration names. Whether they are there
//! matters to those who read them, `truename check` and the server; the other
//! commands go on without.

use std::io;
use std::path::PathBuf;

use super::error::Place;
use super::{Config, ConfigError};

/// A file or directory, and where it is named.
#[derive(Clone, Debug)]
pub(super) struct Named {
    pub path: PathBuf,
    pub key: &'static str,
    pub place: Place,
}

impl Config {
    /// Sees whether all that the configuration names is there.
    ///
    /// # Errors
    /// When something is not, or cannot be reached, which is not the same: then
    /// with line, column and what to do.
    pub fn look(&self) -> Result<(), ConfigError> {
        self.named.iter().try_for_each(Named::look)
    }
}

impl Named {
    fn look(&self) -> Result<(), ConfigError> {
        let Err(error) = self.path.metadata() else { return Ok(()) };
        let (path, key) = (self.path.display(), self.key);
        let problem = match error.kind() {
            io::ErrorKind::NotFound => {
                format!("there is no file or directory {path}; create it, or correct `{key}`")
            }
            io::ErrorKind::PermissionDenied => format!(
                "{path} cannot be reached: {error}; let this user into each directory on the way \
                 (chmod +x), or run this as root or as the server's user"
            ),
            _ => format!("{path} cannot be reached: {error}; correct `{key}`"),
        };
        Err(ConfigError::Wrong { place: self.place.clone(), problem })
    }
}
