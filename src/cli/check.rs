//! `truename check`: the configuration and the zone files, without a server.

use std::net::SocketAddr;

use serde::Serialize;

use super::Failure;
use super::output::{Output, table};
use crate::config::Config;
use crate::control::{self, AskError};
use crate::dns::CookieFile;
use crate::model::{Name, Reach, Serial, reach};
use crate::registry::{Command, Reply};
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
pub fn check(config: &Config, json: bool) -> Result<Output, Failure> {
    config.look()?;
    if let Some(tls) = &config.http.tls {
        Certificate::load(tls.files.clone())?;
    }
    if let Some(secrets) = &config.dns.cookie_secrets {
        CookieFile::load(secrets)?;
    }
    let zones = match config.load_zones() {
        Ok(zones) => zones,
        Err(faults) => {
            // One a line and nothing before the file's name, so that editors
            // can jump to them.
            let remarks = faults.iter().map(ToString::to_string).collect();
            return Ok(Output { text: String::new(), remarks, done: false });
        }
    };
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
        warnings: warnings(config, &zones),
        server: server(config),
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

fn warnings(config: &Config, zones: &[Zone]) -> Vec<String> {
    let mut warnings = config.notes.clone();
    for zone in zones {
        for (server, addresses) in zone.name_servers() {
            let unreached: Vec<String> = addresses
                .iter()
                .filter(|address| reach(**address) == Reach::Never || is_local(**address))
                .map(ToString::to_string)
                .collect();
            if !unreached.is_empty() {
                warnings.push(format!(
                    "{} is at {}, which the Internet does not reach; put its public address into \
                     {} before the zone is delegated",
                    server.without_dot(),
                    unreached.join(" and "),
                    zone.file().display()
                ));
            }
        }
        let above = zones.iter().find(|other| {
            other.origin() != zone.origin() && zone.origin().is_within(other.origin())
        });
        if let Some(above) = above
            && above.refuses_host(zone.origin(), false).is_none()
        {
            warnings.push(format!(
                "{} does not delegate {}, though both are served here; add its NS records there",
                above.file().display(),
                zone.origin().without_dot()
            ));
        }
    }
    for zone in config.policies.keys() {
        if !zones.iter().any(|served| served.origin() == zone) {
            warnings.push(format!(
                "the configuration has settings for {}, which no zone file is about",
                zone.without_dot()
            ));
        }
    }
    warnings.extend(listening(&config.dns.listen, &config.http.listen));
    if config.http.trusted_proxies.iter().any(|network| network.prefix_len() == 0) {
        warnings.push(
            "trusted_proxies takes in everybody, so every client can claim to be at any address"
                .to_owned(),
        );
    }
    warnings
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

/// Whether a server runs on the data directory, in a sentence.
fn server(config: &Config) -> Option<String> {
    let data = config.data.display();
    match control::ask(&config.data, &Command::Status) {
        Err(AskError::NotRunning(_)) => None,
        Ok(Reply::Status(status)) => Some(format!(
            "A server (version {}) runs on {data}; `truename reload` lets it read the zone files \
             again, a restart the configuration.",
            status.version
        )),
        _ => Some(format!("A server runs on {data}, and cannot be asked from here.")),
    }
}
