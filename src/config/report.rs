//! The file of `truename report`: the options of the command by their own
//! names, for whoever does not want them on a command line.
//!
//! ```toml
//! server = "https://ddns.dyn.example.org"
//! host = ["home.dyn.example.org"]
//! key-file = "/etc/truename/report.key"
//! v4 = "server"
//! map = ["443:8443/tcp"]
//! ```

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::ConfigError;

/// What the file says; each is checked where the option of the same name is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ReportFile {
    /// `--server`
    pub server: Option<String>,
    /// `--host`
    #[serde(default)]
    pub host: Vec<String>,
    /// `--key-file`
    pub key_file: Option<PathBuf>,
    /// `--user`
    pub user: Option<String>,
    /// `--v4`
    pub v4: Option<String>,
    /// `--v6`
    pub v6: Option<String>,
    /// `--prefix-from`
    pub prefix_from: Option<String>,
    /// `--line`
    pub line: Option<String>,
    /// `--ca`
    pub ca: Option<PathBuf>,
    /// `--state`
    pub state: Option<PathBuf>,
    /// `--refresh`
    pub refresh: Option<String>,
    /// `--interval`
    pub interval: Option<String>,
    /// `--map`
    #[serde(default)]
    pub map: Vec<String>,
}

impl ReportFile {
    /// Reads the file.
    ///
    /// # Errors
    /// When it cannot be read, or says something that is no option.
    pub fn load(file: &Path) -> Result<ReportFile, ConfigError> {
        let text = std::fs::read_to_string(file)
            .map_err(|error| ConfigError::Unreadable { file: file.to_owned(), error })?;
        toml::from_str(&text).map_err(|error| {
            let offset = error.span().map_or(0, |span| span.start);
            ConfigError::at(file, &text, offset, error.message().to_owned())
        })
    }
}
