//! What the server says while it runs: on standard error, from `info` up.
//! `TRUENAME_LOG=debug` (or `truename::http=debug`) tells more.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// The variable that says what is told.
const VARIABLE: &str = "TRUENAME_LOG";

/// Begins. A second server in one process goes on with the first one's log.
pub fn start() {
    let filter =
        EnvFilter::try_from_env(VARIABLE).unwrap_or_else(|_| EnvFilter::new("info,sled=warn"));
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false);
    // The journal writes the time itself.
    let started = match std::env::var_os("JOURNAL_STREAM") {
        Some(_) => log.without_time().try_init(),
        None => log.try_init(),
    };
    if started.is_err() {
        tracing::debug!("the log runs already");
    }
}
