//! Who may make names by acme-dns's `/register`, from where, and how many.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Mutex;
use std::time::Duration;

use ipnet::IpNet;

use crate::model::{Name, Secret, Served, household};
use crate::registry::{Command, Registry, Reply};

/// What the operator allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registration {
    /// The zone that the names are made in.
    pub zone: Name,
    /// From where; empty: from anywhere.
    pub from: Vec<IpNet>,
    /// How many there may be at a time, in all.
    pub names: usize,
}

impl Registration {
    /// How many names there may be unless the operator says so.
    pub const NAMES: usize = 1000;
}

/// Names that one network may make in an hour: somebody who sets up a rack of
/// machines gets through, and a loop does not use up everybody's.
const NAMES_AN_HOUR: u32 = 20;

/// Networks remembered; when there are more within an hour, nobody new makes
/// a name until it is over.
const MAX_NETWORKS: usize = 4096;

/// After which all is forgotten.
const HOUR: Duration = Duration::from_secs(3600);

/// Keeps count.
pub struct Registrar {
    allowed: Option<Registration>,
    lately: Mutex<Lately>,
}

#[derive(Default)]
struct Lately {
    /// When counting began.
    since: Served,
    /// Names made, by network.
    names: HashMap<IpNet, u32>,
}

/// What becomes of somebody who wants a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Made {
    /// This is it.
    Name {
        /// The whole name.
        name: Name,
        /// Its key.
        token: Secret,
        /// From where that is good; empty: from anywhere.
        networks: Vec<IpNet>,
    },
    /// The operator does not allow it, or not from there.
    Disabled,
    /// Enough of late from that network.
    TooMany,
    /// There are as many as may be, or the registry does not make one for
    /// another reason: a sentence.
    Refused(String),
}

impl Registrar {
    /// With what the operator allows; `None`: nothing.
    pub fn new(allowed: Option<Registration>) -> Registrar {
        Registrar { allowed, lately: Mutex::default() }
    }

    /// Makes a name for whoever asks from there.
    pub async fn make(&self, registry: &Registry, networks: Vec<IpNet>, source: IpAddr) -> Made {
        let (zone, most) = match self.admit(source, registry.now().served) {
            Ok(allowed) => (allowed.zone.clone(), allowed.names),
            Err(refused) => return refused,
        };
        match registry.command(Command::Register { zone, networks, most }).await {
            Ok(Reply::HostAdded { host, key: Some(key) }) => Made::Name {
                name: host.host.name,
                token: Secret(key.token),
                networks: key.key.networks,
            },
            Ok(_) => Made::Refused("no key was made".into()),
            Err(why) => Made::Refused(why.to_string()),
        }
    }

    /// Counts one more name from there, or says why it may not be made.
    fn admit(&self, source: IpAddr, now: Served) -> Result<&Registration, Made> {
        let allowed = self.allowed.as_ref().ok_or(Made::Disabled)?;
        if !allowed.from.is_empty() && !allowed.from.iter().any(|net| net.contains(&source)) {
            return Err(Made::Disabled);
        }
        let mut lately = self.lately.lock().expect("nothing panics while it is held");
        if now.since(lately.since) >= HOUR {
            *lately = Lately { since: now, names: HashMap::new() };
        }
        let network = household(source);
        if lately.names.len() >= MAX_NETWORKS && !lately.names.contains_key(&network) {
            return Err(Made::TooMany);
        }
        let names = lately.names.entry(network).or_default();
        if *names >= NAMES_AN_HOUR {
            return Err(Made::TooMany);
        }
        *names += 1;
        Ok(allowed)
    }
}

#[cfg(test)]
mod tests {
    use super::{MAX_NETWORKS, Made, NAMES_AN_HOUR, Registrar, Registration};
    use crate::model::Served;
    use std::net::IpAddr;

    fn registrar(from: &[&str]) -> Registrar {
        let from = from.iter().map(|net| net.parse().unwrap()).collect();
        let zone = "dyn.example.org".parse().unwrap();
        Registrar::new(Some(Registration { zone, from, names: 10 }))
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn from_allowed_networks() {
        let nobody = Registrar::new(None);
        assert_eq!(nobody.admit(ip("192.0.2.1"), Served(0)), Err(Made::Disabled));
        let some = registrar(&["192.0.2.0/24"]);
        assert!(some.admit(ip("192.0.2.1"), Served(0)).is_ok());
        assert_eq!(some.admit(ip("192.0.3.1"), Served(0)), Err(Made::Disabled));
    }

    #[test]
    fn so_many_an_hour_for_each_network() {
        let all = registrar(&[]);
        for host in 0..NAMES_AN_HOUR {
            let address = format!("2001:db8:0:{host:x}::1");
            assert!(all.admit(ip(&address), Served(5)).is_ok());
        }
        assert_eq!(all.admit(ip("2001:db8:0:ff::1"), Served(5)), Err(Made::TooMany));
        assert!(all.admit(ip("2001:db8:0:100::1"), Served(5)).is_ok(), "the next /56");
        assert_eq!(all.admit(ip("2001:db8::1"), Served(3599)), Err(Made::TooMany));
        assert!(all.admit(ip("2001:db8::1"), Served(3600)).is_ok(), "an hour later");
    }

    #[test]
    fn so_many_networks_an_hour() {
        let all = registrar(&[]);
        for number in 0..MAX_NETWORKS {
            let address = format!("10.0.{}.{}", number / 256, number % 256);
            assert!(all.admit(ip(&address), Served(0)).is_ok());
        }
        assert_eq!(all.admit(ip("192.0.2.1"), Served(0)), Err(Made::TooMany));
        assert!(all.admit(ip("10.0.0.0"), Served(0)).is_ok(), "one that is known");
    }
}
