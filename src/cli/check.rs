//! `truename check`: whether the server starts with the configuration and the
//! zone files, or would take them at a reload.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use serde::Serialize;

use super::Failure;
use super::backup::in_data;
use super::output::{Output, table};
use crate::config::Config;
use crate::control::{self, AskError};
use crate::dns::CookieFile;
use crate::model::{Name, Reach, Serial, Timestamp, reach};
use crate::privilege::cannot_read;
use crate::registry::{Command, Reply, would_start};
use crate::report;
use crate::tls::Certificate;
use crate::update::is_local;
use crate::zone::Zone;

/// What was found.
#[derive(Serialize)]
struct Found {
    configuration: Option<std::path::PathBuf>,
    zones: Vec<FoundZone>,
    warnings: Vec<String>,
    server: Option<String>,
}

#[derive(Serialize)]
struct FoundZone {
    zone: Name,
    file: std::path::PathBuf,
    serial: Serial,
    /// For the zone above.
    delegation: Vec<Delegation>,
}

/// One record for the zone above.
#[derive(Serialize)]
pub struct Delegation {
    name: String,
    r#type: &'static str,
    value: String,
}

/// Checks everything that can be checked without starting.
pub fn check(config: &Config, json: bool, now: Timestamp) -> Result<Output, Failure> {
    config.look()?;
    let mut warnings = config.notes.clone();
    if let Some(tls) = &config.http.tls {
        let certificate = Certificate::load(tls.files.clone())?;
        warnings.extend(certificate.doubts(config.public_host(), now));
    }
    if let Some(secrets) = &config.dns.cookie_secrets {
        CookieFile::load(secrets)?;
    }
    // One a line and nothing before the file's name, so that editors can jump
    // to them.
    let refused = |remarks| Ok(Output { text: String::new(), remarks, done: false });
    let zones = match config.load_zones() {
        Ok(zones) => zones,
        Err(faults) => return refused(faults.iter().map(ToString::to_string).collect()),
    };
    let unreadable = unreadable(config, &zones);
    match config.user {
        Some(_) if !unreadable.is_empty() => return refused(unreadable),
        Some(_) => {}
        // Of a user who is somebody else's choice not all is known.
        None => warnings.extend(
            unreadable
                .into_iter()
                .map(|why| why + " (groups that its unit gives it do not count here)"),
        ),
    }
    let server = match beside_hosts(config, &zones) {
        Beside::Refused(why) => return refused(why),
        Beside::Taken(server) => server,
        Beside::Unknown(why) => {
            warnings.push(why);
            None
        }
    };
    warnings.extend(config.warnings(&zones));
    warnings.extend(elsewhere(&zones, &report::machine_addresses().unwrap_or_default()));
    warnings.extend(listening(&config.dns.listen, &config.http.listen));
    let found = Found {
        configuration: config.file.clone(),
        zones: zones
            .iter()
            .map(|zone| FoundZone {
                zone: zone.origin().clone(),
                file: zone.file().to_owned(),
                serial: zone.file_serial(),
                delegation: delegation(zone),
            })
            .collect(),
        warnings,
        server,
    };
    Output::of(&found, json, || words(&found))
}

fn words(found: &Found) -> String {
    let mut text = match &found.configuration {
        Some(file) => format!("{}: good\n", file.display()),
        None => "no configuration file: the embedded defaults\n".to_owned(),
    };
    for zone in &found.zones {
        text += &format!("{}: {}, good\n", zone.file.display(), zone.zone.without_dot());
    }
    for zone in &found.zones {
        text += &format!("\n{}", hand_over(&zone.zone, &zone.delegation));
    }
    for warning in &found.warnings {
        text += &format!("\nwarning: {warning}\n");
    }
    if let Some(server) = &found.server {
        text += &format!("\n{server}\n");
    }
    text
}

/// The records of a delegation, and what to do with them.
pub fn hand_over(zone: &Name, delegation: &[Delegation]) -> String {
    let parent = zone.parent().map_or_else(|| ".".to_owned(), |parent| parent.without_dot());
    let rows: Vec<_> = delegation
        .iter()
        .map(|record| [record.name.clone(), record.r#type.to_owned(), record.value.clone()])
        .collect();
    let lines = table(["", "", ""], &rows);
    let lines: String = lines.lines().skip(1).map(|line| format!("    {line}\n")).collect();
    format!("To delegate {}, these records go into {parent}:\n\n{lines}", zone.without_dot())
}

/// What the zone above needs: the name servers, and the addresses of those
/// below the delegation (glue; RFC 9471 §2.1).
pub fn delegation(zone: &Zone) -> Vec<Delegation> {
    let servers = zone.name_servers();
    let apex = zone.origin().to_string();
    let ns = servers.iter().map(|(server, _)| Delegation {
        name: apex.clone(),
        r#type: "NS",
        value: server.to_string(),
    });
    let glue = servers.iter().flat_map(|(server, addresses)| {
        addresses.iter().map(|address| Delegation {
            name: server.to_string(),
            r#type: if address.is_ipv4() { "A" } else { "AAAA" },
            value: address.to_string(),
        })
    });
    ns.chain(glue).collect()
}

fn listening(dns: &[SocketAddr], http: &[SocketAddr]) -> Vec<String> {
    let mut warnings = Vec::new();
    if dns.iter().all(|address| address.ip().is_loopback()) {
        warnings.push("DNS listens on loopback alone: nobody else can ask".to_owned());
    } else if dns.iter().all(|address| address.port() != 53) {
        warnings.push("DNS does not listen on port 53, where all resolvers ask".to_owned());
    }
    let low: Vec<String> = dns
        .iter()
        .chain(http)
        .filter(|address| (1..1024).contains(&address.port()))
        .map(ToString::to_string)
        .collect();
    if !low.is_empty() {
        warnings.push(format!(
            "{}: ports below 1024 need root or CAP_NET_BIND_SERVICE, which the systemd unit gives",
            low.join(", ")
        ));
    }
    warnings
}

/// Whether the zone files go together with the hosts there are.
enum Beside {
    /// They do; and whether a server runs, in a sentence.
    Taken(Option<String>),
    /// They do not: a sentence for each host in the way.
    Refused(Vec<String>),
    /// It is not known: why not.
    Unknown(String),
}

/// Asks the server that runs on the data directory, or looks into its store.
fn beside_hosts(config: &Config, zones: &[Zone]) -> Beside {
    let data = config.data.display();
    let unknown = |why: &str| {
        Beside::Unknown(format!(
            "whether hosts stand where the zone files have records was not looked at: {why}"
        ))
    };
    let status = match control::ask(&config.data, &Command::Status) {
        Ok(Reply::Status(status)) => status,
        Err(AskError::NotRunning(_)) => {
            let looked = in_data(&config.data, |within| {
                let settings = config.settings();
                Ok(would_start(config.engine, within, &settings, zones.to_vec())?)
            });
            return match looked {
                Ok(faults) if faults.is_empty() => Beside::Taken(None),
                Ok(faults) => Beside::Refused(faults),
                Err(why) => unknown(&why.to_string()),
            };
        }
        Ok(_) => return unknown("the server did not say how it is"),
        Err(why) => return unknown(&why.to_string()),
    };
    match control::ask(&config.data, &Command::Check) {
        Ok(Reply::Checked(faults)) if faults.is_empty() => Beside::Taken(Some(format!(
            "A server (version {}) runs on {data} and would take the zone files: `truename reload` \
             lets it read them, a restart the configuration.",
            status.version
        ))),
        Ok(Reply::Checked(faults)) => Beside::Refused(faults),
        Ok(_) => unknown("the server did not say; restart it"),
        Err(why) => unknown(&why.to_string()),
    }
}

/// What root reads here, and the server could not as the user it runs as.
fn unreadable(config: &Config, zones: &[Zone]) -> Vec<String> {
    let files = config.http.tls.iter().flat_map(|tls| [&*tls.files.certificate, &*tls.files.key]);
    let files = files.chain(config.dns.cookie_secrets.as_deref());
    let files = files.chain(zones.iter().map(Zone::file));
    files.filter_map(|file| cannot_read(config.user.as_ref(), &config.data, file)).collect()
}

/// Name servers at addresses of other machines, where nothing answers for the
/// zone. An address that a router leads here is none of this machine's either:
/// so with private addresses alone it counts only beside another one.
fn elsewhere(zones: &[Zone], machine: &[IpAddr]) -> Vec<String> {
    let mut warnings = Vec::new();
    for zone in zones {
        for is_v4 in [true, false] {
            let family = |address: &IpAddr| address.is_ipv4() == is_v4;
            let here = |address: &IpAddr| reach(*address) == Reach::Global && !is_local(*address);
            let servers = zone.name_servers();
            let others: BTreeSet<(IpAddr, &Name)> = servers
                .iter()
                .flat_map(|(server, addresses)| addresses.iter().map(move |at| (*at, server)))
                .filter(|(at, _)| family(at) && here(at) && !machine.contains(at))
                .collect();
            let different: BTreeSet<IpAddr> = others.iter().map(|(at, _)| *at).collect();
            let behind_a_router = !machine.iter().filter(|at| family(at)).any(here);
            if behind_a_router && different.len() < 2 {
                continue;
            }
            warnings.extend(others.iter().map(|(at, server)| another_machine(server, *at)));
        }
    }
    warnings
}

/// What is needed where a name server's address is not this server's.
pub fn another_machine(server: &Name, address: IpAddr) -> String {
    format!(
        "{} is at {address}, which is not an address of this machine: unless a router leads from \
         there to here, nothing there knows the zone, for truename has no secondaries yet; leave \
         out that name server, or one question in so many gets no answer",
        server.without_dot()
    )
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// What is said of these name servers on a machine with these addresses.
    fn said(records: &str, machine: &[&str]) -> Vec<String> {
        let text = format!("$TTL 60\n@ SOA ns1 h 1 2 3 4 5\n@ NS ns1\n@ NS ns2\n{records}");
        let zone = Zone::parse(&text, Path::new("dyn.example.org.zone")).unwrap();
        let machine: Vec<IpAddr> = machine.iter().map(|at| at.parse().unwrap()).collect();
        let said = elsewhere(&[zone], &machine);
        said.iter().map(|text| text.split(',').next().unwrap().to_owned()).collect()
    }

    #[test]
    fn a_name_server_at_another_machine_is_told_of() {
        let nothing: [&str; 0] = [];
        let two = "ns1 A 8.8.4.4\nns2 A 9.9.9.9\n";
        let ns1 = "ns1.dyn.example.org is at 8.8.4.4";
        let ns2 = "ns2.dyn.example.org is at 9.9.9.9";
        assert_eq!(said(two, &["127.0.0.1", "8.8.4.4", "9.9.9.9"]), nothing);
        assert_eq!(said(two, &["8.8.4.4", "2620:fe::fe"]), [ns2]);
        // Behind a router one address leads here, at most.
        assert_eq!(said(two, &["192.168.1.2"]), [ns1, ns2]);
        let one = "ns1 A 8.8.4.4\nns2 A 8.8.4.4\nns2 AAAA 2620:fe::9\n";
        assert_eq!(said(one, &["192.168.1.2", "2620:fe::9"]), nothing);
        assert_eq!(
            said(one, &["192.168.1.2", "2620:fe::1"]),
            ["ns2.dyn.example.org is at 2620:fe::9"]
        );
        // Those that nobody reaches are told of otherwise.
        assert_eq!(said("ns1 A 10.0.0.1\nns2 A 10.0.0.2\n", &["8.8.4.4"]), nothing);
    }
}
