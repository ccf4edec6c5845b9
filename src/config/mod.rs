//! What the operator says, read and checked once, before anything starts.
//!
//! [`Config`] is what the rest of the program works with. The TOML file has a
//! type of its own (`file.rs`), so that the words operators write can stay
//! when the program changes, and the other way round.

mod error;
mod file;
mod http_limits;
mod limits;
mod named;
mod public;
mod reads;
mod report;
mod warnings;
mod zones;

use std::collections::HashMap;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ipnet::IpNet;

pub use error::{ConfigError, Place};
pub use file::listen_address;
pub use public::{Public, PublicError, Scheme};
pub use report::ReportFile;

use crate::dns::{self, CookieFile};
use crate::model::{Lease, Name, Ttl};
use crate::privilege::User;
use crate::store::Engine;
use crate::store::dump::DUMP_FILE;
use crate::update::{Policies, ZonePolicy};
use crate::zone::Identity;
use crate::{http, registry, tls};

/// Where the configuration is looked for when nobody says where it is.
pub const DEFAULT_FILE: &str = "/etc/truename/truename.toml";

/// Where a configuration file keeps the data unless it says otherwise.
pub const DEFAULT_DATA: &str = "/var/lib/truename";

/// Everything the operator says, checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// The file it was read from; `None`: the embedded defaults.
    pub file: Option<PathBuf>,
    /// The data directory: the store, its dump, the control socket.
    pub data: PathBuf,
    /// Which engine keeps the store.
    pub engine: Engine,
    /// Whom root becomes once the ports are open; `None`: root stays root.
    pub user: Option<User>,
    /// Whether a core dump may be written, and a debugger look: there are
    /// secrets in memory.
    pub core_dumps: bool,
    /// Whether landlock keeps the server to its own files.
    pub confine: bool,
    /// Zone files, and directories whose `*.zone` files are taken.
    pub zones: Vec<PathBuf>,
    /// What may be published, by zone; a zone not listed has the default.
    pub policies: HashMap<Name, ZonePolicy>,
    /// The DNS server.
    pub dns: DnsConfig,
    /// The HTTP server.
    pub http: HttpConfig,
    /// What hosts have that have no settings of their own.
    pub hosts: HostDefaults,
    /// Wrong passwords of one account that are tried in a minute.
    pub guesses: u32,
    /// What CHAOS questions are told; nothing by default.
    pub identity: Identity,
    /// Whether the very first start makes a host to try things with. Only
    /// the embedded defaults do.
    pub first_host: bool,
    /// What the operator should know of how this was put together.
    pub notes: Vec<String>,
    /// The files and directories it names, and where.
    named: Vec<named::Named>,
}

/// The DNS server's part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DnsConfig {
    /// Every address that UDP and TCP listen on.
    pub listen: Vec<SocketAddr>,
    /// UDP threads for each address; 0: one a core.
    pub threads: usize,
    /// TCP connections at a time.
    pub tcp_connections: usize,
    /// How many of them one network may hold.
    pub tcp_per_client: usize,
    /// How often one network is told something over UDP.
    pub rate_limit: dns::RateLimit,
    /// What one network is, where clients are limited by it.
    pub prefixes: dns::Prefixes,
    /// Networks that no limit concerns.
    pub exempt: Vec<IpNet>,
    /// The longest answer over UDP, in octets.
    pub udp_size: usize,
    /// The longest over UDP to a client without a cookie of ours.
    pub unverified_size: usize,
    /// The secrets of server cookies; `None`: one made at the start, and
    /// another each day.
    pub cookie_secrets: Option<PathBuf>,
}

impl DnsConfig {
    /// As the DNS server takes it, with the file of cookie secrets, which the
    /// caller keeps so as to read it again.
    pub fn options(&self, cookies: Option<&CookieFile>) -> dns::Options {
        let default = dns::Options::default();
        dns::Options {
            listen: self.listen.clone(),
            threads: self.threads,
            tcp_connections: self.tcp_connections,
            tcp_per_client: self.tcp_per_client,
            rate_limit: self.rate_limit.clone(),
            prefixes: self.prefixes,
            exempt: self.exempt.clone(),
            udp_size: self.udp_size,
            unverified_size: self.unverified_size,
            cookies: cookies.map_or(default.cookies, CookieFile::cookies),
            ..default
        }
    }
}

impl Default for DnsConfig {
    fn default() -> Self {
        let default = dns::Options::default();
        DnsConfig {
            listen: default.listen,
            threads: default.threads,
            tcp_connections: default.tcp_connections,
            tcp_per_client: default.tcp_per_client,
            rate_limit: default.rate_limit,
            prefixes: default.prefixes,
            exempt: default.exempt,
            udp_size: default.udp_size,
            unverified_size: default.unverified_size,
            cookie_secrets: None,
        }
    }
}

/// The HTTP server's part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpConfig {
    /// Every address that plain HTTP listens on.
    pub listen: Vec<SocketAddr>,
    /// Where HTTPS is served, and with what.
    pub tls: Option<TlsConfig>,
    /// How clients reach it from outside, for the settings handed to them.
    pub public: Option<Public>,
    /// Proxies of ours, whose word about the client's address is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Whether they say so before each connection (the PROXY protocol).
    pub proxy_protocol: bool,
    /// Hosts in one request; more is `numhost`.
    pub max_hosts: usize,
    /// The update protocols that are on.
    pub protocols: http::Protocols,
    /// The realm of the login, shown by browsers.
    pub realm: String,
    /// Connections at once.
    pub connections: usize,
    /// What one client, one network and all of them may have.
    pub limits: http::Limits,
    /// Who may make names of their own; `None`: nobody.
    pub register: Option<http::Registration>,
}

/// Where HTTPS is served, and with what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsConfig {
    /// Every address it listens on.
    pub listen: Vec<SocketAddr>,
    /// The certificate and its key.
    pub files: tls::Files,
    /// Whether proxies say before each connection whose it is.
    pub proxy_protocol: bool,
}

impl HttpConfig {
    /// As the HTTP server takes it, with the certificate for TLS, which the
    /// caller keeps so as to load it again.
    pub fn options(&self, certificate: Option<&Arc<tls::Certificate>>) -> http::Options {
        let tls = self.tls.as_ref().zip(certificate).map(|(tls, certificate)| http::Tls {
            listen: tls.listen.clone(),
            config: certificate.server_config(),
            proxy_protocol: tls.proxy_protocol,
        });
        http::Options {
            listen: self.listen.clone(),
            tls,
            trusted_proxies: self.trusted_proxies.clone(),
            proxy_protocol: self.proxy_protocol,
            max_hosts: self.max_hosts,
            protocols: self.protocols.clone(),
            realm: self.realm.clone(),
            connections: self.connections,
            limits: self.limits.clone(),
            register: self.register.clone(),
        }
    }
}

impl Default for HttpConfig {
    fn default() -> Self {
        let http::Options { max_hosts, protocols, realm, connections, limits, .. } =
            http::Options::default();
        HttpConfig {
            listen: Vec::new(),
            tls: None,
            public: None,
            trusted_proxies: Vec::new(),
            proxy_protocol: false,
            max_hosts,
            protocols,
            realm,
            connections,
            limits,
            register: None,
        }
    }
}

/// What hosts have that have no settings of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostDefaults {
    /// The TTL of their records.
    pub ttl: Ttl,
    /// How long a report is believed.
    pub lease: Lease,
    /// How often one may change in an hour; `None`: as often as it likes.
    pub changes: Option<u32>,
}

impl Default for HostDefaults {
    fn default() -> Self {
        HostDefaults {
            ttl: Ttl::DEFAULT,
            lease: Lease::DEFAULT,
            changes: Some(registry::Settings::CHANGES),
        }
    }
}

impl Config {
    /// A first start without configuration: everything on loopback and
    /// unprivileged ports, below the working directory.
    pub fn embedded() -> Config {
        let mut notes = Vec::new();
        Config {
            file: None,
            data: PathBuf::from("data"),
            engine: Engine::default(),
            user: None,
            core_dumps: false,
            confine: true,
            zones: vec![PathBuf::from("zones/dyn.example.org.zone")],
            policies: HashMap::new(),
            dns: DnsConfig {
                listen: both_families(Reach::Loopback, 5300, &mut notes),
                ..DnsConfig::default()
            },
            http: HttpConfig {
                listen: both_families(Reach::Loopback, 8053, &mut notes),
                ..HttpConfig::default()
            },
            hosts: HostDefaults::default(),
            guesses: registry::Settings::GUESSES,
            identity: Identity::default(),
            first_host: true,
            notes,
            named: Vec::new(),
        }
    }

    /// Reads a TOML file. Relative paths in it start at the file's own
    /// directory.
    ///
    /// # Errors
    /// When the file cannot be read, or something in it is wrong: then with
    /// line, column and what to do. Keys it does not know are wrong too.
    pub fn load(path: &Path) -> Result<Config, ConfigError> {
        file::load(path)
    }

    /// What the registry needs to know.
    pub fn settings(&self) -> registry::Settings {
        registry::Settings {
            zones: self.zone_source(),
            lease: self.hosts.lease,
            ttl: self.hosts.ttl,
            policies: Arc::new(Policies::new(self.policies.clone())),
            changes: self.hosts.changes,
            guesses: self.guesses,
            identity: self.identity.clone(),
            dump: Some(self.data.join(DUMP_FILE)),
            also_reload: None,
        }
    }

    /// The name or address that `public` sends clients to.
    pub fn public_host(&self) -> Option<&str> {
        self.http.public.as_ref().map(Public::host)
    }

    /// Where clients reach the HTTP server: what the operator says, else the
    /// first address listened on; `None` when that is every address.
    pub fn public(&self) -> Option<Public> {
        self.http.public.clone().or_else(|| {
            let first = self.http.listen.first()?;
            let server = first.to_string();
            let server = server.strip_suffix(":80").unwrap_or(&server).to_owned();
            (!first.ip().is_unspecified()).then_some(Public { scheme: Scheme::Http, server })
        })
    }
}

/// A port on every address of this machine: how servers listen by default.
pub fn every_address(port: u16) -> Vec<SocketAddr> {
    both_families(Reach::Everywhere, port, &mut Vec::new())
}

/// How far an address reaches.
#[derive(Clone, Copy)]
enum Reach {
    /// This machine alone.
    Loopback,
    /// Every address of the machine.
    Everywhere,
}

/// The port on IPv4 and IPv6; IPv6 is left out, with a note, where the
/// machine has none.
fn both_families(reach: Reach, port: u16, notes: &mut Vec<String>) -> Vec<SocketAddr> {
    let (v4, v6) = match reach {
        Reach::Loopback => (Ipv4Addr::LOCALHOST, Ipv6Addr::LOCALHOST),
        Reach::Everywhere => (Ipv4Addr::UNSPECIFIED, Ipv6Addr::UNSPECIFIED),
    };
    let mut listen = vec![SocketAddr::from((v4, port))];
    let v6 = SocketAddr::from((v6, port));
    if UdpSocket::bind((Ipv6Addr::LOCALHOST, 0)).is_ok() {
        listen.push(v6);
    } else {
        notes.push(format!("this machine has no IPv6, so nothing listens on {v6}"));
    }
    listen
}
