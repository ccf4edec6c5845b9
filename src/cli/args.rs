//! The command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};

use super::account::AccountVerb;
use super::host::HostVerb;
use super::import::Import;
use super::init::Init;
use super::key::KeyVerb;
use super::record::RecordVerb;
use super::report::Report;
use super::why::Why;
use crate::model::{Lease, Name, Ttl};
use crate::store::Engine;

/// A dynamic-DNS provider in one binary: an authoritative DNS server for
/// delegated subzones whose hosts report their own addresses.
#[derive(Debug, Parser)]
#[command(
    name = "truename",
    version,
    after_help = "\
Without a command it serves. Without a configuration file it serves
zones/dyn.example.org.zone on loopback, to try things; `truename init` writes
a configuration for real. TRUENAME_LOG=debug in the environment lets the server
log more, TRUENAME_LOG=truename::http=debug of one part, TRUENAME_LOG=warn less."
)]
pub struct Args {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub verb: Option<Verb>,
}

/// What an operator must know of the user it runs as.
const SERVE: &str = "\
Started as root, it opens its ports and goes on as the `user` of the
configuration: the data directory becomes theirs. Started as any other user,
it gives up every capability once its ports are open.

That user must be able to read the zone files, and the certificate and its key,
for they are read again at a reload. Nothing is written outside the data
directory; where the kernel has landlock, nothing could be, nothing is read but
the directories that zone files and the certificate are in, no program is
started and no TCP connection opened (`confine = false` leaves this out).";

/// What every command takes.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Options of every command")]
pub struct Global {
    /// The configuration [default: /etc/truename/truename.toml when it exists,
    /// else the embedded defaults]
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The data directory, whatever the configuration says
    #[arg(long, global = true, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Print JSON
    #[arg(long, global = true)]
    pub json: bool,
}

#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Serve DNS and HTTP until told to stop (the default)
    #[command(after_help = SERVE)]
    Serve,
    /// Write a configuration and a zone file to begin with
    Init(Init),
    /// Check the configuration and the zone files, and whether the server starts
    /// with them or would take them at a reload; show what the zone above needs
    Check,
    /// Names that are kept up to date
    #[command(subcommand)]
    Host(HostVerb),
    /// Who owns hosts
    #[command(subcommand)]
    Account(AccountVerb),
    /// Tokens that clients prove themselves with
    #[command(subcommand)]
    Key(KeyVerb),
    /// Records of hosts beside their addresses: MX, TXT, CNAME, …
    #[command(subcommand)]
    Record(RecordVerb),
    /// What happened to a host, latest first
    History {
        /// The host
        #[arg(value_parser = name)]
        host: Name,
    },
    /// The last requests: what came, what was answered, why, and what to do
    Why(Why),
    /// How the running server is doing
    Status,
    /// Let the running server read its zone files again
    Reload,
    /// Write everything kept into a text file, whether a server runs or not
    Export {
        /// The file; `-` is standard output
        #[arg(default_value = "-")]
        file: PathBuf,
    },
    /// Fill a new store from such a file, or add another program's hosts to the
    /// running server
    Import(Import),
    /// Move the store to another engine; the server must not run
    Migrate {
        /// The engine it is kept by now [default: the configuration's]
        #[arg(long, value_name = "ENGINE")]
        from: Option<Engine>,
        /// The engine to keep it by, sled or redb
        #[arg(long, value_name = "ENGINE")]
        to: Engine,
    },
    /// Tell a truename server where this machine is: the other end, for
    /// machines without a client of their own
    Report(Report),
    /// Print what completes these commands in a shell
    Completions {
        /// The shell
        #[arg(hide_possible_values = true, value_name = "bash|elvish|fish|powershell|zsh")]
        shell: clap_complete::Shell,
    },
}

/// `on` or `off`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Switch {
    On,
    Off,
}

/// A name as people write it; one with letters beyond ASCII is taken in its
/// IDNA form.
pub fn name(text: &str) -> Result<Name, String> {
    let ascii = idna::domain_to_ascii(text).ok().filter(|_| !text.is_ascii());
    ascii.as_deref().unwrap_or(text).parse().map_err(|error: crate::model::NameError| {
        format!("{error}; write it like home.dyn.example.org")
    })
}

/// A TTL, or `default` for the server's.
pub fn ttl(text: &str) -> Result<OrDefault<Ttl>, String> {
    or_default(text)
}

/// A lease, or `default` for the server's.
pub fn lease(text: &str) -> Result<OrDefault<Lease>, String> {
    or_default(text)
}

/// A setting, or the word `default`. (A type of its own, since clap gives
/// `Option` a meaning.)
#[derive(Clone, Copy, Debug)]
pub enum OrDefault<T> {
    Default,
    Given(T),
}

impl<T> OrDefault<T> {
    pub fn given(self) -> Option<T> {
        match self {
            OrDefault::Default => None,
            OrDefault::Given(value) => Some(value),
        }
    }
}

fn or_default<T: std::str::FromStr<Err: std::fmt::Display>>(
    text: &str,
) -> Result<OrDefault<T>, String> {
    if text == "default" {
        return Ok(OrDefault::Default);
    }
    text.parse()
        .map(OrDefault::Given)
        .map_err(|error| format!("{error}, or `default` for the server's"))
}
