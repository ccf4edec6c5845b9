//! What zones allow to be published.
//!
//! A zone of the public Internet (`global_only`) takes addresses alone that
//! mean the same to everybody: a name with a private address in it lets a page
//! from outside reach machines inside (DNS rebinding). It does not take this
//! server's own addresses either, nor those of the proxies in front of it: what
//! is under such a name is us, to browsers and their cookies too.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use ipnet::{IpNet, Ipv6Net};

use crate::model::{Addresses, Name, Reach, is_documentation, reach, special};

/// What the operator says of a zone's addresses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ZonePolicy {
    /// Refuse addresses that are not global (private, shared, documentation
    /// and the like) and this server's own. Off by default: families and clubs
    /// use them.
    pub global_only: bool,
    /// Take this server's own addresses all the same: where the router of a
    /// home runs the server, or shares its address with it.
    pub own_addresses: bool,
}

/// What each zone allows to be published: what operators say, and where this
/// server is now.
#[derive(Debug, Default)]
pub struct Policies {
    zones: HashMap<Name, ZonePolicy>,
    ours: ArcSwap<Ours>,
}

/// Addresses that are this server's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Ours {
    /// Those it listens on, of its interfaces, of its proxies.
    machine: Vec<(IpNet, Own)>,
    /// Those of its zones' name servers.
    name_servers: Vec<(IpNet, Own)>,
}

/// Why an address is this server's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Own {
    /// It listens there.
    Listening,
    /// An interface of the machine has it.
    Interface,
    /// `trusted_proxies` names it.
    Proxy,
    /// It is a name server's in a zone served here.
    NameServer,
}

impl Own {
    /// The reason, in words.
    pub fn words(self) -> &'static str {
        match self {
            Own::Listening => "truename listens there",
            Own::Interface => "an interface of its machine has it",
            Own::Proxy => "it is in trusted_proxies",
            Own::NameServer => "it is a name server's of a zone served here",
        }
    }
}

impl Policies {
    /// What operators say, a zone each; a zone that is not listed has the
    /// default.
    pub fn new(zones: HashMap<Name, ZonePolicy>) -> Policies {
        Policies { zones, ours: ArcSwap::default() }
    }

    /// What this zone allows now.
    pub fn of(&self, zone: &Name) -> Policy {
        let ZonePolicy { global_only, own_addresses } =
            self.zones.get(zone).copied().unwrap_or_default();
        let ours = (global_only && !own_addresses).then(|| self.ours.load_full());
        Policy { global_only, ours }
    }

    /// Where this server is, from now on. Called at the start and at a reload.
    pub fn set_machine(&self, mut machine: Vec<(IpNet, Own)>) {
        machine.sort_unstable_by_key(|(_, own)| *own);
        let name_servers = self.ours.load().name_servers.clone();
        self.ours.store(Arc::new(Ours { machine, name_servers }));
    }

    /// Where its zones' name servers are, from now on.
    pub fn set_name_servers(&self, addresses: impl IntoIterator<Item = IpAddr>) {
        let own = |address: IpAddr| (IpNet::from(address), Own::NameServer);
        let name_servers = addresses.into_iter().map(own).collect();
        let machine = self.ours.load().machine.clone();
        self.ours.store(Arc::new(Ours { machine, name_servers }));
    }
}

/// What one zone allows to be published.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// Only global addresses.
    pub global_only: bool,
    /// Not these.
    ours: Option<Arc<Ours>>,
}

/// Why an address cannot be published in a zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No host has it anywhere.
    Never,
    /// It is not global, and the zone takes no others.
    NotGlobal,
    /// It is this server's.
    Own(Own),
}

impl Refusal {
    /// A sentence for the operator.
    pub fn words(self, address: IpAddr) -> String {
        let range = special(address).map_or("reserved".into(), |special| {
            format!("{}, {}", special.purpose, special.document)
        });
        match self {
            Refusal::Never => format!("{address} cannot be published ({range})"),
            Refusal::NotGlobal => format!(
                "{address} cannot be published in this zone: it is not global ({range}), and the \
                 zone has `global_only = true`"
            ),
            Refusal::Own(own) => format!(
                "{address} cannot be published in this zone: it is this server's own ({}); \
                 `own_addresses = true` lets the zone have it",
                own.words()
            ),
        }
    }
}

impl Policy {
    /// Whether the zone publishes this address.
    pub fn allows(&self, address: IpAddr) -> bool {
        self.refuses(address).is_none()
    }

    /// Why the zone does not publish this address; `None`: it does.
    pub fn refuses(&self, address: IpAddr) -> Option<Refusal> {
        match reach(address) {
            Reach::Never => return Some(Refusal::Never),
            Reach::Local if self.global_only => return Some(Refusal::NotGlobal),
            Reach::Local | Reach::Global => {}
        }
        let ours = self.ours.as_deref()?;
        let mut ours = ours.machine.iter().chain(&ours.name_servers);
        ours.find(|(network, _)| network.contains(&address)).map(|(_, own)| Refusal::Own(*own))
    }

    /// The first of these addresses that the zone does not publish, and why.
    pub fn refused(&self, addresses: &Addresses) -> Option<(IpAddr, Refusal)> {
        addresses.iter().find_map(|address| Some((address, self.refuses(address)?)))
    }

    /// Whether an address is a dummy that says nothing here: clients send one
    /// from a manual before the real one, and stop if they are told off for it.
    pub fn is_dummy(&self, address: IpAddr) -> bool {
        self.global_only && is_documentation(address)
    }

    /// Whether a site can have this prefix.
    pub fn allows_prefix(&self, prefix: Ipv6Net) -> bool {
        // Of its own addresses one at most is this server's: that is looked at
        // when a host gets it.
        let others = Policy { ours: None, ..self.clone() };
        (SHORTEST_PREFIX..=LONGEST_PREFIX).contains(&prefix.prefix_len())
            && others.allows(IpAddr::V6(prefix.network()))
    }
}

/// The shortest prefix a site can have: whole registries have no shorter one.
const SHORTEST_PREFIX: u8 = 16;

/// The longest: interface ids are the other 64 bits (RFC 4291 §2.5.1).
const LONGEST_PREFIX: u8 = 64;

/// Whether an address means something only inside somebody's own network.
pub fn is_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, ..] = v4.octets();
            // RFC 1918, RFC 3927, and shared address space (RFC 6598).
            v4.is_private() || v4.is_link_local() || (a == 100 && (64..128).contains(&b))
        }
        // RFC 4193 §3.1, RFC 4291 §2.5.6.
        IpAddr::V6(v6) => v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_addresses_are_refused_in_public_zones() {
        let zone = |text: &str| -> Name { text.parse().unwrap() };
        let public = ZonePolicy { global_only: true, own_addresses: false };
        let router = ZonePolicy { global_only: true, own_addresses: true };
        let policies =
            Policies::new(HashMap::from([(zone("public"), public), (zone("router"), router)]));
        let address: IpAddr = "8.8.8.8".parse().unwrap();
        assert_eq!(policies.of(&zone("public")).refuses(address), None);
        policies.set_machine(vec![(address.into(), Own::Listening)]);
        policies.set_name_servers(["8.8.4.4".parse().unwrap()]);
        let refused =
            |zone: &Name, address: &str| policies.of(zone).refuses(address.parse().unwrap());
        assert_eq!(refused(&zone("public"), "8.8.8.8"), Some(Refusal::Own(Own::Listening)));
        assert_eq!(refused(&zone("public"), "8.8.4.4"), Some(Refusal::Own(Own::NameServer)));
        assert_eq!(refused(&zone("public"), "8.8.8.9"), None);
        assert_eq!(refused(&zone("router"), "8.8.8.8"), None);
        assert_eq!(refused(&zone("router"), "10.0.0.1"), Some(Refusal::NotGlobal));
        assert_eq!(refused(&zone("other"), "8.8.8.8"), None);
        assert_eq!(refused(&zone("other"), "127.0.0.1"), Some(Refusal::Never));
    }
}
