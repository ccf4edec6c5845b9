//! `truename key …`

use std::time::Duration;

use clap::{ArgGroup, Subcommand};
use ipnet::IpNet;

use super::args::name;
use crate::model::{AccountName, Holder, KeyId, Lease, May, Name};
use crate::registry::{Command, Purpose};

#[derive(Debug, Subcommand)]
pub enum KeyVerb {
    /// Make a token for a host, or for an account's hosts
    #[command(group = ArgGroup::new("holder").required(true))]
    Add {
        /// The host it is good for
        #[arg(value_parser = name, group = "holder")]
        host: Option<Name>,
        /// Good for this account's hosts instead
        #[arg(long, value_name = "ACCOUNT", group = "holder")]
        account: Option<AccountName>,
        /// Only for this one of the account's hosts; may be repeated
        #[arg(long = "only", value_name = "HOST", value_parser = name, conflicts_with = "host")]
        only: Vec<Name>,
        /// Only from this network, like 192.0.2.0/24; may be repeated
        #[arg(long, value_name = "NETWORK", value_parser = network)]
        from: Vec<IpNet>,
        /// What it is for, in your words
        #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
        label: String,
        /// What it may change: `addresses`, `acme` (the TXT records that
        /// certificates are proved by), record types, with commas
        #[arg(long, value_name = "WHAT", default_value_t)]
        may: May,
        /// For how long it is good, like 30d [default: never ends]
        #[arg(long, value_name = "SPAN")]
        ends: Option<Lease>,
    },
    /// Make a new token with the rights of a key, which itself ends later, so
    /// that its clients can be told one by one
    Rotate {
        /// The public number of the old key
        #[arg(value_parser = id)]
        key: KeyId,
        /// For how long the old one is still good, like 7d or 1h; 0: no longer
        #[arg(long, value_name = "SPAN", default_value = "7d", value_parser = overlap)]
        overlap: Duration,
    },
    /// Change what a key is limited to; what is not mentioned stays
    #[command(
        override_usage = "truename key set <KEY> <OPTIONS>",
        group = ArgGroup::new("what").required(true).multiple(true)
    )]
    Set {
        /// Its public number, as `key list` shows it
        #[arg(value_parser = id)]
        key: KeyId,
        /// Only for this one of the account's hosts; may be repeated
        #[arg(long = "only", value_name = "HOST", value_parser = name, group = "what")]
        only: Vec<Name>,
        /// For all hosts of the account
        #[arg(long, group = "what", conflicts_with = "only")]
        any_host: bool,
        /// Only from this network; may be repeated
        #[arg(long, value_name = "NETWORK", value_parser = network, group = "what")]
        from: Vec<IpNet>,
        /// From anywhere
        #[arg(long, group = "what", conflicts_with = "from")]
        from_anywhere: bool,
        /// What it is for, in your words
        #[arg(long, value_name = "TEXT", group = "what")]
        label: Option<String>,
        /// What it may change: `addresses`, `acme`, record types, with commas
        #[arg(long, value_name = "WHAT", group = "what")]
        may: Option<May>,
        /// For how long it is good from now on, like 30d, or `never` ends
        #[arg(long, value_name = "SPAN", group = "what")]
        ends: Option<Lease>,
    },
    /// Show the secret by which a key signs: DNS messages, or updates over
    /// plain HTTP
    Secret {
        /// Its public number
        #[arg(value_parser = id)]
        key: KeyId,
        /// What it is to sign
        #[arg(long = "for", value_name = "tsig|signed", value_parser = purpose)]
        purpose: Purpose,
    },
    /// Show a key, never its token
    Show {
        /// Its public number
        #[arg(value_parser = id)]
        key: KeyId,
    },
    /// List keys
    List {
        /// Only this host's own
        #[arg(long, value_name = "HOST", value_parser = name)]
        host: Option<Name>,
        /// Only this account's
        #[arg(long, value_name = "ACCOUNT", conflicts_with = "host")]
        account: Option<AccountName>,
    },
    /// Remove a key: its token proves nothing any more
    Remove {
        /// Its public number
        #[arg(value_parser = id)]
        key: KeyId,
    },
}

impl KeyVerb {
    /// What the server is asked.
    pub fn command(self) -> Command {
        match self {
            KeyVerb::Add { host, account, only, from, label, may, ends } => Command::KeyAdd {
                holder: holder(host, account).expect("clap asks for the one or the other"),
                hosts: only,
                networks: from,
                label,
                may,
                ends,
            },
            KeyVerb::Rotate { key, overlap } => Command::KeyRotate { id: key, overlap },
            KeyVerb::Set { key, only, any_host, from, from_anywhere, label, may, ends } => {
                Command::KeySet {
                    id: key,
                    hosts: (any_host || !only.is_empty()).then_some(only),
                    networks: (from_anywhere || !from.is_empty()).then_some(from),
                    label,
                    may,
                    ends,
                }
            }
            KeyVerb::Secret { key, purpose } => Command::KeySecret { id: key, purpose },
            KeyVerb::Show { key } => Command::KeyShow { id: key },
            KeyVerb::List { host, account } => Command::KeyList { holder: holder(host, account) },
            KeyVerb::Remove { key } => Command::KeyRemove { id: key },
        }
    }
}

fn holder(host: Option<Name>, account: Option<AccountName>) -> Option<Holder> {
    host.map(Holder::Host).or(account.map(Holder::Account))
}

fn purpose(text: &str) -> Result<Purpose, &'static str> {
    match text {
        "tsig" => Ok(Purpose::Tsig),
        "signed" => Ok(Purpose::Signed),
        _ => Err("say `tsig` or `signed`"),
    }
}

/// How long two keys are good beside each other.
fn overlap(text: &str) -> Result<Duration, String> {
    match text.parse::<Lease>() {
        _ if text == "0" => Ok(Duration::ZERO),
        Ok(Lease::For(span)) => Ok(span),
        Ok(Lease::Never) | Err(_) => {
            Err("say for how long: a number with m, h or d, one minute at least; or 0".into())
        }
    }
}

/// A network; an address alone is a network of one.
fn network(text: &str) -> Result<IpNet, String> {
    let alone = text.parse::<std::net::IpAddr>().map(IpNet::from);
    alone.or_else(|_| text.parse()).map_err(|_| {
        "a network is written like 192.0.2.0/24, 2001:db8::/32 or 192.0.2.1".to_owned()
    })
}

fn id(text: &str) -> Result<KeyId, std::convert::Infallible> {
    Ok(KeyId(text.to_ascii_lowercase()))
}
