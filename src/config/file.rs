//! The TOML file: the words operators write. `truename init` writes one with
//! every key explained.
//!
//! ```toml
//! data = "/var/lib/truename"
//! store = "sled"
//! user = "truename"
//! zones = ["zones"]
//!
//! [dns]
//! listen = ["0.0.0.0:53", "[::]:53"]
//!
//! [dns.rate_limit]
//! same = 200
//! exempt = ["127.0.0.0/8", "::1", "192.0.2.0/24"]
//!
//! [http]
//! listen = ["0.0.0.0:80", "[::]:80"]
//! public = "https://ddns.dyn.example.org"
//! trusted_proxies = ["127.0.0.1/32"]
//!
//! [http.tls]
//! listen = ["0.0.0.0:443", "[::]:443"]
//! certificate = "/etc/letsencrypt/live/ddns.dyn.example.org/fullchain.pem"
//! key = "/etc/letsencrypt/live/ddns.dyn.example.org/privkey.pem"
//!
//! [http.limits]
//! network_connections = 100
//!
//! [http.register]
//! zone = "dyn.example.org"
//! from = ["192.0.2.0/24"]
//! names = 1000
//!
//! [hosts]
//! ttl = 60
//! lease = "35d"
//!
//! [zone."dyn.example.org"]
//! global_only = true
//! own_addresses = false
//! ```

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use ipnet::IpNet;
use serde::Deserialize;
use toml::Spanned;

use super::error::Place;
use super::http_limits::{HttpLimits, OrNone};
use super::limits::RateLimits;
use super::named::Named;
use super::{
    Config, ConfigError, DEFAULT_DATA, DnsConfig, HostDefaults, HttpConfig, Reach, TlsConfig,
    both_families,
};
use crate::http::{Protocols, Registration};
use crate::model::{Lease, Name, Ttl};
use crate::store::Engine;
use crate::tls::Files;
use crate::update::ZonePolicy;
use crate::zone::Identity;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default = "default_data")]
    data: PathBuf,
    #[serde(default)]
    store: Engine,
    #[serde(default)]
    core_dumps: bool,
    user: Option<Spanned<String>>,
    confine: Option<bool>,
    #[serde(default = "default_zones")]
    zones: Vec<Spanned<PathBuf>>,
    #[serde(default)]
    dns: Dns,
    #[serde(default)]
    http: Http,
    #[serde(default)]
    hosts: Hosts,
    /// Settings of single zones.
    #[serde(default)]
    zone: HashMap<Spanned<String>, Zone>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Dns {
    listen: Option<Spanned<Vec<Spanned<String>>>>,
    threads: Option<Threads>,
    tcp_connections: Option<Count>,
    tcp_per_client: Option<Count>,
    rate_limit: RateLimits,
    udp_size: Option<Datagram>,
    unverified_size: Option<Datagram>,
    cookie_secrets: Option<Spanned<PathBuf>>,
    version: Option<String>,
    id: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Http {
    listen: Option<Spanned<Vec<Spanned<String>>>>,
    public: Option<Spanned<String>>,
    trusted_proxies: Vec<Spanned<String>>,
    proxy_protocol: Option<Spanned<bool>>,
    max_hosts: Option<Count>,
    protocols: Option<Spanned<Vec<Spanned<String>>>>,
    realm: Option<String>,
    connections: Option<Count>,
    tls: Option<Tls>,
    limits: HttpLimits,
    register: Option<Register>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Register {
    zone: Spanned<String>,
    #[serde(default)]
    from: Vec<Spanned<String>>,
    names: Option<Count>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Tls {
    listen: Option<Spanned<Vec<Spanned<String>>>>,
    proxy_protocol: Option<Spanned<bool>>,
    certificate: Spanned<PathBuf>,
    key: Spanned<PathBuf>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Hosts {
    ttl: Option<Ttl>,
    lease: Option<Lease>,
    changes: Option<OrNone>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Zone {
    #[serde(default)]
    global_only: bool,
    #[serde(default)]
    own_addresses: bool,
}

/// How many of something: at least one, or nothing would be served.
#[derive(Deserialize)]
#[serde(try_from = "i64")]
pub(super) struct Count(pub(super) usize);

impl TryFrom<i64> for Count {
    type Error = &'static str;
    fn try_from(number: i64) -> Result<Count, Self::Error> {
        let count = usize::try_from(number).ok().filter(|count| (1..=1_000_000).contains(count));
        count.map(Count).ok_or("this is a number from 1 to 1000000")
    }
}

/// How long a datagram may be, in octets: from what every client takes (RFC
/// 1035 §4.2.1) to what one of ours takes.
#[derive(Deserialize)]
#[serde(try_from = "i64")]
struct Datagram(usize);

impl TryFrom<i64> for Datagram {
    type Error = &'static str;
    fn try_from(number: i64) -> Result<Datagram, Self::Error> {
        let size = usize::try_from(number).ok().filter(|size| (512..=4096).contains(size));
        size.map(Datagram).ok_or("this is a number of octets from 512 to 4096")
    }
}

/// How many threads; 0 is one a core.
#[derive(Deserialize)]
#[serde(try_from = "i64")]
struct Threads(usize);

impl TryFrom<i64> for Threads {
    type Error = &'static str;
    fn try_from(number: i64) -> Result<Threads, Self::Error> {
        let count = usize::try_from(number).ok().filter(|count| *count <= 256);
        count.map(Threads).ok_or("this is a number from 0 (one thread a core) to 256")
    }
}

fn default_data() -> PathBuf {
    PathBuf::from(DEFAULT_DATA)
}

fn default_zones() -> Vec<Spanned<PathBuf>> {
    vec![Spanned::new(0..0, PathBuf::from("zones"))]
}

pub(super) fn load(path: &Path) -> Result<Config, ConfigError> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| ConfigError::Unreadable { file: path.to_owned(), error })?;
    Reader { path, text: &text }.read()
}

/// A file being read: what every fault is told with.
struct Reader<'a> {
    path: &'a Path,
    text: &'a str,
}

impl Reader<'_> {
    fn read(&self) -> Result<Config, ConfigError> {
        let mut file: File = toml::from_str(self.text).map_err(|error| {
            let offset = error.span().map_or(0, |span| span.start);
            let mut problem = error.message().trim_end().replace('\n', "; ");
            if problem.starts_with("unknown field") {
                problem += "; correct its spelling or take it out";
            }
            self.fault(offset, problem)
        })?;
        let here = self.path.parent().unwrap_or(Path::new(""));
        let (mut notes, mut named) = (Vec::new(), Vec::new());
        let hosts = HostDefaults::default();
        let guesses = file.http.limits.guesses();
        let mut policies = HashMap::new();
        for (zone, policy) in file.zone {
            let Zone { global_only, own_addresses } = policy;
            policies.insert(self.parsed::<Name>(&zone)?, ZonePolicy { global_only, own_addresses });
        }
        Ok(Config {
            file: Some(self.path.to_owned()),
            data: here.join(file.data),
            engine: file.store,
            core_dumps: file.core_dumps,
            user: file.user.map(|user| self.parsed(&user)).transpose()?,
            confine: file.confine.unwrap_or(true),
            zones: file
                .zones
                .iter()
                .map(|zone| self.named(here, zone, "zones", &mut named))
                .collect(),
            policies,
            identity: Identity { version: file.dns.version.take(), id: file.dns.id.take() },
            dns: self.dns(file.dns, here, &mut notes, &mut named)?,
            http: self.http(file.http, here, &mut notes, &mut named)?,
            hosts: HostDefaults {
                ttl: file.hosts.ttl.unwrap_or(Ttl::DEFAULT),
                lease: file.hosts.lease.unwrap_or(Lease::DEFAULT),
                changes: file.hosts.changes.map_or(hosts.changes, |changes| changes.0),
            },
            guesses,
            first_host: false,
            notes,
            named,
        })
    }

    fn fault(&self, offset: usize, problem: String) -> ConfigError {
        ConfigError::at(self.path, self.text, offset, problem)
    }

    fn parsed<T: FromStr<Err: std::fmt::Display>>(
        &self,
        text: &Spanned<String>,
    ) -> Result<T, ConfigError> {
        text.as_ref().parse().map_err(|error| {
            self.fault(text.span().start, format!("\"{}\": {error}", text.as_ref()))
        })
    }

    fn dns(
        &self,
        dns: Dns,
        here: &Path,
        notes: &mut Vec<String>,
        named: &mut Vec<Named>,
    ) -> Result<DnsConfig, ConfigError> {
        let default = DnsConfig::default();
        let secrets = dns.cookie_secrets;
        let secrets = secrets.map(|secrets| self.named(here, &secrets, "cookie_secrets", named));
        let (limit, prefixes) = (default.rate_limit, default.prefixes);
        let given = dns.rate_limit;
        let exempt = given.exempt.as_ref().map(|networks| {
            networks.iter().map(|network| self.network(network)).collect::<Result<_, _>>()
        });
        Ok(DnsConfig {
            listen: self.listen(dns.listen, 53, notes)?,
            threads: dns.threads.map_or(default.threads, |threads| threads.0),
            tcp_connections: dns.tcp_connections.map_or(default.tcp_connections, |count| count.0),
            tcp_per_client: dns.tcp_per_client.map_or(default.tcp_per_client, |count| count.0),
            udp_size: dns.udp_size.map_or(default.udp_size, |size| size.0),
            unverified_size: dns.unverified_size.map_or(default.unverified_size, |size| size.0),
            cookie_secrets: secrets,
            rate_limit: given.rate_limit(limit),
            prefixes: given.prefixes(prefixes),
            exempt: exempt.transpose()?.unwrap_or(default.exempt),
        })
    }

    fn http(
        &self,
        http: Http,
        here: &Path,
        notes: &mut Vec<String>,
        named: &mut Vec<Named>,
    ) -> Result<HttpConfig, ConfigError> {
        let default = HttpConfig::default();
        let networks = http.trusted_proxies.iter().map(|network| self.network(network));
        let proxied =
            [&http.proxy_protocol, &http.tls.as_ref().and_then(|tls| tls.proxy_protocol.clone())];
        let proxied = proxied.into_iter().flatten().find(|proxied| *proxied.as_ref());
        if let (Some(proxied), []) = (proxied, http.trusted_proxies.as_slice()) {
            let problem = "only trusted proxies may speak the PROXY protocol, and there are none: \
                           name them in `trusted_proxies`";
            return Err(self.fault(proxied.span().start, problem.to_owned()));
        }
        Ok(HttpConfig {
            listen: self.listen(http.listen, 80, notes)?,
            public: http.public.map(|public| self.parsed(&public)).transpose()?,
            trusted_proxies: networks.collect::<Result<_, _>>()?,
            proxy_protocol: is_on(http.proxy_protocol.as_ref()),
            max_hosts: http.max_hosts.map_or(default.max_hosts, |count| count.0),
            protocols: self.protocols(http.protocols)?,
            realm: http.realm.unwrap_or(default.realm),
            connections: http.connections.map_or(default.connections, |count| count.0),
            limits: http.limits.limits(),
            tls: http.tls.map(|tls| self.tls(tls, here, notes, named)).transpose()?,
            register: http.register.map(|register| self.register(register)).transpose()?,
        })
    }

    fn register(&self, register: Register) -> Result<Registration, ConfigError> {
        let networks = register.from.iter().map(|network| self.network(network));
        Ok(Registration {
            zone: self.parsed(&register.zone)?,
            from: networks.collect::<Result<_, _>>()?,
            names: register.names.map_or(Registration::NAMES, |count| count.0),
        })
    }

    /// The update languages that are on; all, where nobody says.
    fn protocols(
        &self,
        given: Option<Spanned<Vec<Spanned<String>>>>,
    ) -> Result<Protocols, ConfigError> {
        let Some(given) = given else { return Ok(Protocols::default()) };
        let known = || Protocols::known().collect::<Vec<_>>().join(", ");
        let mut protocols = Protocols::none();
        for name in given.as_ref() {
            if !protocols.add(name.as_ref()) {
                let problem =
                    format!("\"{}\" is no update protocol; there are {}", name.as_ref(), known());
                return Err(self.fault(name.span().start, problem));
            }
        }
        if protocols == Protocols::none() {
            let problem =
                format!("no protocol is left to update by; give at least one of {}", known());
            return Err(self.fault(given.span().start, problem));
        }
        Ok(protocols)
    }

    fn tls(
        &self,
        tls: Tls,
        here: &Path,
        notes: &mut Vec<String>,
        named: &mut Vec<Named>,
    ) -> Result<TlsConfig, ConfigError> {
        Ok(TlsConfig {
            listen: self.listen(tls.listen, 443, notes)?,
            proxy_protocol: is_on(tls.proxy_protocol.as_ref()),
            files: Files {
                certificate: self.named(here, &tls.certificate, "certificate", named),
                key: self.named(here, &tls.key, "key", named),
            },
        })
    }

    /// A file or directory; whether it is there is seen when it is needed.
    fn named(
        &self,
        here: &Path,
        given: &Spanned<PathBuf>,
        key: &'static str,
        named: &mut Vec<Named>,
    ) -> PathBuf {
        let path = here.join(given.as_ref());
        let place = Place::of(self.path, self.text, given.span().start);
        named.push(Named { path: path.clone(), key, place });
        path
    }

    /// Addresses to listen on; one without a port gets `port`. Without any,
    /// every address of the machine.
    fn listen(
        &self,
        given: Option<Spanned<Vec<Spanned<String>>>>,
        port: u16,
        notes: &mut Vec<String>,
    ) -> Result<Vec<SocketAddr>, ConfigError> {
        let Some(given) = given else { return Ok(both_families(Reach::Everywhere, port, notes)) };
        if given.as_ref().is_empty() {
            let problem = "nothing to listen on; give at least one address".to_owned();
            return Err(self.fault(given.span().start, problem));
        }
        let mut listen: Vec<SocketAddr> = Vec::new();
        for text in given.as_ref() {
            let fault = |problem: &str| {
                self.fault(text.span().start, format!("\"{}\" {problem}", text.as_ref()))
            };
            let address = listen_address(text.as_ref(), port).ok_or_else(|| {
                fault("is not an address to listen on; write it like 192.0.2.1:53 or [::1]:53")
            })?;
            if listen.contains(&address) {
                return Err(fault("is given twice; leave one of them out"));
            }
            listen.push(address);
        }
        Ok(listen)
    }

    fn network(&self, text: &Spanned<String>) -> Result<IpNet, ConfigError> {
        let plain = text.as_ref().parse::<IpAddr>().map(IpNet::from);
        plain.or_else(|_| text.as_ref().parse()).map_err(|_| {
            let problem = format!(
                "\"{}\" is not a network; write it like 192.0.2.0/24 or 2001:db8::/32",
                text.as_ref()
            );
            self.fault(text.span().start, problem)
        })
    }
}

fn is_on(given: Option<&Spanned<bool>>) -> bool {
    given.is_some_and(|given| *given.as_ref())
}

/// An address to listen on, `port` being the port unless it has one.
pub fn listen_address(text: &str, port: u16) -> Option<SocketAddr> {
    let with_port = text.parse::<SocketAddr>().ok();
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    with_port.or_else(|| bare.parse::<IpAddr>().ok().map(|ip| SocketAddr::new(ip, port)))
}
