//! `truename init`: a configuration and a zone file to begin with.

mod questions;

use std::fs::{File, Permissions, create_dir, set_permissions};
use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use questions::{Questions, several};
use serde_json::json;

use super::args::name;
use super::check::another_machine;
use super::output::Output;
use super::{Failure, check};
use crate::config::{Config, DEFAULT_DATA, DEFAULT_FILE, Public, every_address, listen_address};
use crate::model::{Name, Reach, reach};

/// What may be said instead of being asked.
#[derive(Debug, clap::Args)]
pub struct Init {
    /// The zone: a name below one you already have, like dyn.example.org
    #[arg(long, value_parser = name)]
    zone: Option<Name>,
    /// A public address of this server; once for each
    #[arg(long, value_name = "ADDRESS")]
    address: Vec<IpAddr>,
    /// A name server of the zone; once for each [default: ns1.ZONE]. One in
    /// the zone has this server's addresses unless others follow:
    /// ns2.dyn.example.org=192.0.2.2,2001:db8::2 (they must lead to this server,
    /// too: it has no secondaries yet)
    #[arg(long, value_name = "NAME[=ADDRESS,…]", value_parser = name_server)]
    ns: Vec<NameServer>,
    /// Where people write about the zone [default: hostmaster@ZONE]
    #[arg(long, value_name = "MAILBOX", value_parser = mailbox)]
    contact: Option<Mailbox>,
    /// Where DNS listens; once for each [default: port 53 everywhere]
    #[arg(long, value_name = "ADDRESS", value_parser = dns_address)]
    dns: Vec<SocketAddr>,
    /// Where HTTP listens; once for each [default: port 80 everywhere]
    #[arg(long, value_name = "ADDRESS", value_parser = http_address)]
    http: Vec<SocketAddr>,
    /// How clients reach it [default: http://ddns.ZONE]
    #[arg(long, value_name = "URL")]
    public: Option<Public>,
    /// Whose machines are in the zone: anybody's on the Internet, so that only
    /// global addresses are taken, or those of your own network, with any
    /// [default: public when every --address is]
    #[arg(long, value_name = "public|private")]
    hosts: Option<Whose>,
    /// Ask nothing: what is not said has its default
    #[arg(long)]
    yes: bool,
    /// Write over files that are there
    #[arg(long)]
    force: bool,
}

/// Whose machines are in a zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whose {
    /// Anybody's on the Internet.
    Public,
    /// Those of the operator's own network.
    Private,
}

impl std::str::FromStr for Whose {
    type Err = String;

    fn from_str(text: &str) -> Result<Whose, String> {
        match text {
            "public" => Ok(Whose::Public),
            "private" => Ok(Whose::Private),
            _ => Err(format!("{text} is neither `public` nor `private`")),
        }
    }
}

/// A name server, and its addresses if they were said.
#[derive(Clone, Debug)]
struct NameServer {
    name: Name,
    addresses: Vec<IpAddr>,
}

/// A mailbox in the form of a SOA record's RNAME (RFC 1035 §3.3.13).
#[derive(Clone, Debug)]
struct Mailbox(Name);

fn name_server(text: &str) -> Result<NameServer, String> {
    let (server, addresses) = text.split_once('=').unwrap_or((text, ""));
    let addresses = addresses.split(',').filter(|part| !part.is_empty()).map(address);
    Ok(NameServer { name: name(server)?, addresses: addresses.collect::<Result<_, _>>()? })
}

fn address(text: &str) -> Result<IpAddr, String> {
    text.parse().map_err(|_| format!("{text} is not an address like 192.0.2.1 or 2001:db8::1"))
}

fn mailbox(text: &str) -> Result<Mailbox, String> {
    let wrong = || format!("{text} is not a mailbox like hostmaster@example.org");
    let (local, domain) = text.split_once('@').ok_or_else(wrong)?;
    let domain = name(domain)?;
    domain.child(local.as_bytes()).map(Mailbox).map_err(|_| wrong())
}

fn dns_address(text: &str) -> Result<SocketAddr, String> {
    listening(text, 53)
}

fn http_address(text: &str) -> Result<SocketAddr, String> {
    listening(text, 80)
}

fn listening(text: &str, port: u16) -> Result<SocketAddr, String> {
    listen_address(text, port)
        .ok_or_else(|| format!("{text} is not an address like 192.0.2.1:{port} or [::1]:{port}"))
}

/// Everything `init` writes down.
struct Answers {
    zone: Name,
    addresses: Vec<IpAddr>,
    name_servers: Vec<NameServer>,
    contact: Mailbox,
    dns: Vec<SocketAddr>,
    http: Vec<SocketAddr>,
    public: Public,
    whose: Whose,
    data: PathBuf,
}

/// Asks, writes, checks what it wrote, and says what comes next.
pub fn init(
    init: Init,
    config: Option<PathBuf>,
    data: Option<PathBuf>,
    json: bool,
) -> Result<Output, Failure> {
    let force = init.force;
    let questions = Questions::new(init.yes);
    let path = |text: &str| Ok(PathBuf::from(text));
    let file = questions.answer(
        config,
        "The configuration file to write",
        Some(DEFAULT_FILE),
        "--config",
        path,
    )?;
    let answers = init.answers(&questions, data)?;
    let zone_file =
        file.with_file_name("zones").join(format!("{}.zone", answers.zone.without_dot()));
    if let Some(there) = [&file, &zone_file].into_iter().find(|file| !force && file.exists()) {
        return Err(format!(
            "{} is there already and is left alone; --force writes over it",
            there.display()
        )
        .into());
    }
    // The zone first: a configuration without its zones is wrong, a zone file
    // that nothing names does no harm.
    write(&zone_file, &answers.zone_text())?;
    write(&file, &answers.configuration())?;
    let config = Config::load(&file)?;
    let zones = config
        .load_zones()
        .map_err(|faults| faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))?;
    let mut delegation = String::new();
    for zone in zones.iter().filter(|zone| *zone.origin() == answers.zone) {
        delegation = check::hand_over(zone.origin(), &check::delegation(zone));
    }
    let mut output =
        Output::of(&json!({ "configuration": file, "zone": zone_file }), json, || {
            answers.next_steps(&file, &zone_file, &delegation)
        })?;
    output.remarks = answers.elsewhere();
    Ok(output)
}

impl Init {
    fn answers(self, questions: &Questions, data: Option<PathBuf>) -> Result<Answers, Failure> {
        let zone = questions.answer(
            self.zone,
            "The zone, a name below one you already have (dyn.example.org)",
            None,
            "--zone",
            name,
        )?;
        let bare = zone.without_dot();
        let addresses = questions.answer(
            some(self.address),
            "The public addresses of this server",
            None,
            "--address",
            several(address),
        )?;
        let name_servers = questions.answer(
            some(self.ns),
            "The name servers of the zone",
            Some(&format!("ns1.{bare}")),
            "--ns",
            several(name_server),
        )?;
        let contact = questions.answer(
            self.contact,
            "Where people write about the zone",
            Some(&format!("hostmaster@{bare}")),
            "--contact",
            mailbox,
        )?;
        let all = |port| spaced(&every_address(port));
        let dns = questions.answer(
            some(self.dns),
            "Where DNS listens",
            Some(&all(53)),
            "--dns",
            several(dns_address),
        )?;
        let http = questions.answer(
            some(self.http),
            "Where HTTP listens",
            Some(&all(80)),
            "--http",
            several(http_address),
        )?;
        let port = match http.first().map(SocketAddr::port) {
            None | Some(80) => String::new(),
            Some(port) => format!(":{port}"),
        };
        let public = questions.answer(
            self.public,
            "How clients reach it",
            Some(&format!("http://ddns.{bare}{port}")),
            "--public",
            |text| text.parse().map_err(|error: crate::config::PublicError| error.to_string()),
        )?;
        let data =
            questions.answer(data, "The data directory", Some(DEFAULT_DATA), "--data", |text| {
                Ok(PathBuf::from(text))
            })?;
        let data = std::path::absolute(data)?;
        let is_public = addresses.iter().all(|address| reach(*address) == Reach::Global);
        let whose = questions.answer(
            self.hosts,
            "Whose machines the zone names: anybody's (public: global addresses alone), or your \
             own network's (private)",
            Some(if is_public { "public" } else { "private" }),
            "--hosts",
            str::parse,
        )?;
        Ok(Answers { zone, addresses, name_servers, contact, dns, http, public, whose, data })
    }
}

fn some<T>(given: Vec<T>) -> Option<Vec<T>> {
    (!given.is_empty()).then_some(given)
}

fn spaced(addresses: &[SocketAddr]) -> String {
    addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

impl Answers {
    fn configuration(&self) -> String {
        // A JSON string is a TOML basic string, too.
        let quoted = |text: String| serde_json::Value::String(text).to_string();
        let listen = |addresses: &[SocketAddr]| {
            let quoted: Vec<_> = addresses.iter().map(|a| quoted(a.to_string())).collect();
            format!("[{}]", quoted.join(", "))
        };
        include_str!("truename.toml")
            .replace("{data}", &quoted(self.data.display().to_string()))
            .replace("{dns}", &listen(&self.dns))
            .replace("{http}", &listen(&self.http))
            .replace("{public}", &quoted(self.public.to_string()))
            .replace("{zone}", &self.zone.without_dot())
            .replace("{global_only}", &(self.whose == Whose::Public).to_string())
    }

    fn zone_text(&self) -> String {
        let mut records = String::new();
        let mut record = |owner: &str, kind: &str, value: &str| {
            records += format!("{owner:<7} {kind:<7} {value}").trim_end();
            records.push('\n');
        };
        for server in &self.name_servers {
            record("@", "NS", &server.name.to_string());
        }
        let ddns = self.zone.child(b"ddns").ok();
        let mut addressed: Vec<(Name, &[IpAddr])> = Vec::new();
        for server in &self.name_servers {
            let own = if server.addresses.is_empty() { &self.addresses } else { &server.addresses };
            if server.name.is_within(&self.zone) {
                addressed.push((server.name.clone(), own));
            }
        }
        // The name that clients report to.
        if let Some(ddns) = ddns.filter(|name| addressed.iter().all(|(taken, _)| taken != name)) {
            addressed.push((ddns, &self.addresses));
        }
        let kind = |address: &IpAddr| if address.is_ipv4() { "A" } else { "AAAA" };
        for (name, addresses) in addressed {
            for address in addresses {
                record(&self.relative(&name), kind(address), &address.to_string());
            }
        }
        // Under these a client comes by one family alone, and learns its address of it.
        let is_dual = self.addresses.iter().any(IpAddr::is_ipv4)
            && self.addresses.iter().any(IpAddr::is_ipv6);
        for address in self.addresses.iter().filter(|_| is_dual) {
            let name = if address.is_ipv4() { "v4.ddns" } else { "v6.ddns" };
            record(name, kind(address), &address.to_string());
        }
        let primary = self.name_servers.first().map_or(&self.zone, |server| &server.name);
        include_str!("zone")
            .replace("{zone}", &self.zone.without_dot())
            .replace("{primary}", &primary.to_string())
            .replace("{contact}", &self.contact.0.to_string())
            .replace("{records}", records.trim_end())
    }

    /// Name servers at other addresses than this server's.
    fn elsewhere(&self) -> Vec<String> {
        let servers = self.name_servers.iter();
        let given = servers.flat_map(|server| server.addresses.iter().map(move |at| (server, at)));
        let others = given.filter(|(_, address)| !self.addresses.contains(address));
        others
            .map(|(server, at)| format!("\nwarning: {}", another_machine(&server.name, *at)))
            .collect()
    }

    /// A name as it is written in the zone's file.
    fn relative(&self, name: &Name) -> String {
        let full = name.to_string();
        match full.strip_suffix(&format!(".{}", self.zone)) {
            Some(relative) => relative.to_owned(),
            None if *name == self.zone => "@".to_owned(),
            None => full,
        }
    }

    fn next_steps(&self, file: &Path, zone_file: &Path, delegation: &str) -> String {
        let usual = file == Path::new(DEFAULT_FILE);
        let option = match usual {
            true => String::new(),
            false => format!(" --config {}", file.display()),
        };
        let ports = |listen: &[SocketAddr], kinds: &[&str]| {
            let mut ports: Vec<String> = listen
                .iter()
                .flat_map(|address| kinds.iter().map(|kind| format!("{}/{kind}", address.port())))
                .collect();
            ports.sort();
            ports.dedup();
            ports.join(", ")
        };
        let start = match usual {
            true => "systemctl enable --now truename    (or: truename serve)".to_owned(),
            false => format!("truename{option} serve"),
        };
        let delegation: String = delegation
            .lines()
            .map(|line| if line.is_empty() { "\n".to_owned() } else { format!("   {line}\n") })
            .collect();
        format!(
            "\
Written: {}
         {}

1. {}
2. Let {} and {} through the firewall.
3. Start it: {start}
4. Add a host: truename{option} host add home.{}
",
            file.display(),
            zone_file.display(),
            delegation.trim_start(),
            ports(&self.dns, &["udp", "tcp"]),
            ports(&self.http, &["tcp"]),
            self.zone.without_dot(),
        )
    }
}

/// Writes a file that the server reads as another user than root, whatever the
/// umask: there is no secret in it.
fn write(file: &Path, text: &str) -> Result<(), Failure> {
    let attempt = || {
        if let Some(directory) = file.parent().filter(|path| !path.as_os_str().is_empty()) {
            make(directory)?;
        }
        let mut target = File::create(file)?;
        target.write_all(text.as_bytes())?;
        target.set_permissions(Permissions::from_mode(0o644))?;
        target.sync_all()
    };
    attempt().map_err(|error| {
        format!("{} cannot be written: {error}; --config names another place", file.display())
            .into()
    })
}

/// Makes a directory that is missing, and those above it, for everybody to read.
fn make(directory: &Path) -> io::Result<()> {
    match directory.metadata() {
        Ok(found) if found.is_dir() => return Ok(()),
        Ok(_) => return Err(io::ErrorKind::NotADirectory.into()),
        Err(_) => {}
    }
    if let Some(above) = directory.parent().filter(|path| !path.as_os_str().is_empty()) {
        make(above)?;
    }
    create_dir(directory)?;
    set_permissions(directory, Permissions::from_mode(0o755))
}
