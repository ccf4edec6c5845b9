//! `truename host …`

use std::net::IpAddr;

use clap::{ArgGroup, Subcommand};

use super::args::{OrDefault, Switch, lease, name, ttl};
use super::clients::SettingsOf;
use super::{Failure, clients};
use crate::model::{AccountName, Addresses, Lease, Name, Ttl};
use crate::registry::{Command, HostSettings};

#[derive(Debug, Subcommand)]
pub enum HostVerb {
    /// Add a host, with a token of its own
    #[command(group = ArgGroup::new("what").multiple(true))]
    Add {
        /// Its name, below one of the zones
        #[arg(value_parser = name)]
        host: Name,
        #[command(flatten)]
        settings: Settings,
        /// Make no token: keys of the owner's account will do
        #[arg(long)]
        no_key: bool,
    },
    /// Change a host; what is not mentioned stays
    #[command(
        override_usage = "truename host set <HOST> <OPTIONS>",
        group = ArgGroup::new("what").required(true).multiple(true)
    )]
    Set {
        /// The host
        #[arg(value_parser = name)]
        host: Name,
        #[command(flatten)]
        settings: Settings,
        /// Take it out of the DNS until it reports again
        #[arg(long, group = "what", conflicts_with = "address")]
        offline: bool,
        /// Answer its updates with `abuse`, whoever sends them
        #[arg(long, group = "what", conflicts_with = "unblock")]
        block: bool,
        /// Take its updates again
        #[arg(long, group = "what")]
        unblock: bool,
    },
    /// Show a host, or the settings for its client
    #[command(after_help = clients::names())]
    Show {
        /// The host
        #[arg(value_parser = name)]
        host: Name,
        #[command(flatten)]
        client: SettingsOf,
    },
    /// List hosts
    List {
        /// Only this account's
        #[arg(long, value_name = "ACCOUNT")]
        owner: Option<AccountName>,
        /// Only in this zone
        #[arg(long, value_name = "ZONE", value_parser = name)]
        zone: Option<Name>,
    },
    /// Remove a host, its keys and its history
    Remove {
        /// The host
        #[arg(value_parser = name)]
        host: Name,
    },
}

/// Settings that `add` and `set` share.
#[derive(Debug, clap::Args)]
pub struct Settings {
    /// Its owner, or `none`
    #[arg(long, value_name = "ACCOUNT", group = "what")]
    owner: Option<String>,
    /// Seconds its records may be cached, 30 to 3600, or `default`
    #[arg(long, value_parser = ttl, value_name = "SECONDS", group = "what")]
    ttl: Option<OrDefault<Ttl>>,
    /// How long a report is believed: 90m, 35d, `never` or `default`
    #[arg(long, value_parser = lease, value_name = "SPAN", group = "what")]
    lease: Option<OrDefault<Lease>>,
    /// Whether every name below it has its addresses, too
    #[arg(long, value_name = "ON|OFF", value_enum, hide_possible_values = true, group = "what")]
    wildcard: Option<Switch>,
    /// Its address, as if it had reported it; once for each family
    #[arg(long, value_name = "ADDRESS", group = "what")]
    address: Vec<IpAddr>,
}

impl HostVerb {
    /// What the server is asked.
    pub fn command(self) -> Result<Command, Failure> {
        Ok(match self {
            HostVerb::Add { host, settings, no_key } => {
                Command::HostAdd { name: host, settings: settings.read()?, key: !no_key }
            }
            HostVerb::Set { host, settings, offline, block, unblock } => {
                let mut settings = settings.read()?;
                if offline {
                    settings.addresses = Some(Addresses::NONE);
                }
                if block || unblock {
                    settings.blocked = Some(block);
                }
                Command::HostSet { name: host, settings }
            }
            HostVerb::Show { host, client: _ } => Command::HostShow { name: host },
            HostVerb::List { owner, zone } => Command::HostList { owner, zone },
            HostVerb::Remove { host } => Command::HostRemove { name: host },
        })
    }
}

impl Settings {
    fn read(self) -> Result<HostSettings, Failure> {
        let owner = match self.owner.as_deref() {
            None => None,
            Some("none") => Some(None),
            Some(name) => Some(Some(name.parse()?)),
        };
        Ok(HostSettings {
            owner,
            ttl: self.ttl.map(OrDefault::given),
            lease: self.lease.map(OrDefault::given),
            wildcard: self.wildcard.map(|switch| switch == Switch::On),
            blocked: None,
            addresses: addresses(&self.address)?,
        })
    }
}

/// At most one address of each family.
fn addresses(given: &[IpAddr]) -> Result<Option<Addresses>, Failure> {
    let mut addresses = Addresses::NONE;
    for &address in given {
        let earlier = match address.to_canonical() {
            IpAddr::V4(v4) => addresses.v4.replace(v4).map(IpAddr::V4),
            IpAddr::V6(v6) => addresses.v6.replace(v6).map(IpAddr::V6),
        };
        if let Some(earlier) = earlier {
            return Err(format!(
                "a host has one address of each family; leave out {earlier} or {address}"
            )
            .into());
        }
    }
    Ok((!given.is_empty()).then_some(addresses))
}
