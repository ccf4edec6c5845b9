//! `truename record …`

use clap::Subcommand;

use super::Failure;
use super::args::name;
use crate::model::{Lease, Name, RecordType};
use crate::registry::Command;
use crate::update::{Edit, RecordChange};
use crate::zone::data_from_words;

#[derive(Debug, Subcommand)]
pub enum RecordVerb {
    /// Add a record beside a host's address, at its name or below it
    #[command(after_help = "\
Examples:
  truename record add home.dyn.example.org MX 10 mail.example.org.
  truename record add _443._tcp.home.dyn.example.org TLSA 3 1 1 0123…
  truename record add home.dyn.example.org CNAME tunnel.example.net.
  truename record add home.dyn.example.org TXT 'v=spf1 -all'
A CNAME stands in for the addresses of its host until it is removed.")]
    Add {
        /// Whose record: a host, or a name below one
        #[arg(value_parser = name)]
        name: Name,
        /// Its type: TXT, MX, SRV, CAA, HTTPS, TLSA, SSHFP, CNAME, …
        #[arg(value_name = "TYPE")]
        rtype: RecordType,
        /// Its data, as in a zone file, in one argument or several; names in
        /// full
        #[arg(required = true, value_name = "DATA")]
        words: Vec<String>,
        /// Seconds it may be cached [default: the host's]
        #[arg(long, value_name = "SECONDS")]
        ttl: Option<u32>,
        /// Take it away after this: 90m, 1d [default: never; for a TXT at
        /// _acme-challenge a day]
        #[arg(long = "for", value_name = "SPAN")]
        keep: Option<Lease>,
    },
    /// Remove a record, all records of a type, or all of a name
    Remove {
        /// Whose records
        #[arg(value_parser = name)]
        name: Name,
        /// Only of this type
        #[arg(value_name = "TYPE")]
        rtype: Option<RecordType>,
        /// Only the one with this data
        #[arg(value_name = "DATA")]
        words: Vec<String>,
    },
    /// List the records of a host and of the names below it
    List {
        /// The host
        #[arg(value_parser = name)]
        host: Name,
    },
}

impl RecordVerb {
    /// What the server is asked.
    pub fn command(self) -> Result<Command, Failure> {
        let (name, change) = match self {
            RecordVerb::Add { name, rtype, words, ttl, keep } => {
                let rdata = data_from_words(rtype, &words)?;
                let keep = match keep {
                    Some(Lease::For(span)) => Some(span),
                    Some(Lease::Never) | None => None,
                };
                (name, RecordChange::Add { rtype, ttl, rdata, keep, newest: None })
            }
            RecordVerb::Remove { name, rtype: None, words: _ } => (name, RecordChange::RemoveName),
            RecordVerb::Remove { name, rtype: Some(rtype), words } if words.is_empty() => {
                (name, RecordChange::RemoveSet { rtype })
            }
            RecordVerb::Remove { name, rtype: Some(rtype), words } => {
                (name, RecordChange::Remove { rtype, rdata: data_from_words(rtype, &words)? })
            }
            RecordVerb::List { host } => return Ok(Command::Records { host }),
        };
        Ok(Command::Edit { edits: vec![Edit { name, change }] })
    }
}
