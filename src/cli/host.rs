//! `truename host …`

use std::net::IpAddr;

use clap::{ArgGroup, Subcommand};
use ipnet::Ipv6Net;

use super::args::{OrDefault, Switch, lease, name, ttl};
use super::clients::SettingsOf;
use super::{Failure, clients};
use crate::model::{AccountName, Addresses, InterfaceId, Lease, Name, Ttl};
use crate::registry::{Command, HostSettings, SiteSetting};

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
    /// The router's host of the network it is in, or `none`: its IPv6 address
    /// follows the prefix that one reports
    #[arg(long, value_name = "HOST", group = "what")]
    site: Option<String>,
    /// Its interface id in that network: ::1234, or its hardware address
    #[arg(long, value_name = "ID", requires = "site")]
    interface: Option<InterfaceId>,
    /// Its subnet id in that network, in hexadecimal digits
    #[arg(long, value_name = "ID", value_parser = subnet, requires = "site")]
    subnet: Option<u64>,
    /// The prefix of the network it is the router of, as if it had reported it
    #[arg(long, value_name = "PREFIX/LENGTH", group = "what")]
    prefix: Option<Ipv6Net>,
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
        let site = match self.site.as_deref() {
            None => None,
            Some("none") => Some(None),
            Some(router) => Some(Some(SiteSetting {
                router: name(router)?,
                interface: self.interface,
                subnet: self.subnet,
            })),
        };
        Ok(HostSettings {
            site,
            prefix: self.prefix,
            owner,
            ttl: self.ttl.map(OrDefault::given),
            lease: self.lease.map(OrDefault::given),
            wildcard: self.wildcard.map(|switch| switch == Switch::On),
            blocked: None,
            addresses: addresses(&self.address)?,
        })
    }
}

fn subnet(text: &str) -> Result<u64, &'static str> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    u64::from_str_radix(digits, 16)
        .map_err(|_| "a subnet id is a number in hexadecimal digits, like 2 or 1f")
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
