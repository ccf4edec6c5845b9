//! What this machine's addresses are.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::Ipv6Net;

use super::kernel::{self, Address, Route};
use super::memory::Acknowledged;
use super::talk::Talk;
use super::{Options, PrefixFrom, Source, interface, router};
use crate::model::Family;

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Of IPv4.
    pub v4: Option<Ipv4Addr>,
    /// Of IPv6.
    pub v6: Option<Ipv6Addr>,
    /// Of the site.
    pub prefix: Option<Ipv6Net>,
    /// Why something was not found: sentences for the owner.
    pub notes: Vec<String>,
}

impl Found {
    /// Whether there is nothing to report.
    pub fn is_empty(&self) -> bool {
        self.v4.is_none() && self.v6.is_none() && self.prefix.is_none()
    }
}

/// What the kernel knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// The addresses of all interfaces.
    pub addresses: Vec<Address>,
    /// The ways to the Internet.
    pub routes: Vec<Route>,
}

impl Known {
    /// Asks the kernel.
    pub fn ask() -> std::io::Result<Known> {
        Ok(Known { addresses: kernel::addresses()?, routes: kernel::default_routes()? })
    }

    /// Whether nothing but the time addresses are preferred for is another.
    pub fn is_like(&self, other: &Known) -> bool {
        let timeless = |addresses: &[Address]| -> Vec<Address> {
            addresses.iter().map(|address| Address { preferred: 0, ..*address }).collect()
        };
        self.routes == other.routes && timeless(&self.addresses) == timeless(&other.addresses)
    }

    /// The addresses of the interfaces that lead to the Internet, or of all
    /// where none is known to.
    fn towards_internet(&self, family: Family) -> Vec<Address> {
        let ways: Vec<u32> = self
            .routes
            .iter()
            .filter(|route| route.is_v6 == (family == Family::V6))
            .map(|route| route.interface)
            .collect();
        let leads = |address: &&Address| ways.is_empty() || ways.contains(&address.interface);
        self.addresses.iter().filter(leads).copied().collect()
    }

    fn of_interface(&self, name: &str) -> Result<Vec<Address>, String> {
        let index = kernel::interface(name).ok_or_else(|| {
            format!("there is no interface {name}; `ip link` lists those there are")
        })?;
        Ok(self.addresses.iter().filter(|address| address.interface == index).copied().collect())
    }

    /// The router on the way to the Internet.
    pub fn router(&self) -> Option<Ipv4Addr> {
        self.routes.iter().find_map(|route| match route.gateway {
            Some(IpAddr::V4(gateway)) => Some(gateway),
            _ => None,
        })
    }
}

/// Looks at every source that the options name.
pub async fn find(options: &Options, talk: &Talk, known: &Known, said: &Acknowledged) -> Found {
    let mut found = Found::default();
    match v4(options, talk, known, said).await {
        Ok(v4) => found.v4 = v4,
        Err(note) => found.notes.push(note),
    }
    match v6(options, talk, known, said).await {
        Ok(v6) => found.v6 = v6,
        Err(note) => found.notes.push(note),
    }
    if let Some(from) = &options.prefix {
        match prefix(from, known, said) {
            Ok(prefix) => found.prefix = Some(prefix),
            Err(note) => found.notes.push(note),
        }
    }
    found
}

async fn v4(
    options: &Options,
    talk: &Talk,
    known: &Known,
    said: &Acknowledged,
) -> Result<Option<Ipv4Addr>, String> {
    let outer = || interface::best_v4(&known.towards_internet(Family::V4), true, said.v4);
    let best = match &options.v4 {
        Source::None => return Ok(None),
        Source::Fixed(address) => return Ok(Some(*address)),
        Source::Router => return router::outer_address(known.router()).await.map(Some),
        Source::Auto => match outer() {
            Some(v4) => Some(v4),
            None => return seen_v4(talk).await.map(Some),
        },
        Source::Server => return seen_v4(talk).await.map(Some),
        Source::Interface => outer(),
        Source::Named(name) => interface::best_v4(&known.of_interface(name)?, false, said.v4),
    };
    let why = "no interface has a public IPv4 address (behind a router, `--v4 server` or \
               `--v4 router` finds it)";
    best.map(Some).ok_or_else(|| why.into())
}

async fn seen_v4(talk: &Talk) -> Result<Ipv4Addr, String> {
    match talk.address(Family::V4).await? {
        IpAddr::V4(v4) if interface::is_public_v4(v4) => Ok(v4),
        other => Err(format!(
            "the server sees {other}, which is no public IPv4 address; is it in the same network? \
             `--v4 interface:NAME` reports what an interface has"
        )),
    }
}

async fn v6(
    options: &Options,
    talk: &Talk,
    known: &Known,
    said: &Acknowledged,
) -> Result<Option<Ipv6Addr>, String> {
    let outer = || interface::best_v6(&known.towards_internet(Family::V6), true, said.v6);
    let best = match &options.v6 {
        // Many networks have no IPv6, which is nothing to be told every time.
        Source::Auto => return Ok(outer()),
        Source::None => return Ok(None),
        Source::Fixed(address) => return Ok(Some(*address)),
        Source::Server => match talk.address(Family::V6).await? {
            IpAddr::V6(v6) => Some(v6),
            IpAddr::V4(_) => None,
        },
        Source::Router => {
            return Err("routers tell no IPv6 address: each machine has its own; use \
                        `--v6 interface`"
                .into());
        }
        Source::Interface => outer(),
        Source::Named(name) => interface::best_v6(&known.of_interface(name)?, false, said.v6),
    };
    best.map(Some).ok_or_else(|| "no interface has a public IPv6 address".into())
}

fn prefix(from: &PrefixFrom, known: &Known, said: &Acknowledged) -> Result<Ipv6Net, String> {
    let PrefixFrom { interface: name, length } = from;
    let found = interface::prefix(&known.of_interface(name)?, *length, said.prefix);
    found.ok_or_else(|| format!("{name} has no public IPv6 address to take the prefix from"))
}
