//! (to come)

use std::fmt;

use crate::config::Config;

/// Why the server does not start, or ended: sentences for the operator.
#[derive(Debug)]
pub struct DaemonError(pub String);

impl fmt::Display for DaemonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for DaemonError {}

/// Serves until told to stop.
pub fn run(config: Config) -> Result<(), DaemonError> {
    let _ = config;
    todo!()
}
