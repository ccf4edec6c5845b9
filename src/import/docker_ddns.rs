//! docker-ddns: one secret for every host of one zone.
//!
//! ```text
//! SHARED_SECRET=changeme            the environment, or a compose file
//! ZONE=example.org
//!
//! { "SharedSecret": "changeme", "Zone": "example.org.", … }     dyndns.json
//! ```
//!
//! The hosts are in the zone file that its name server keeps, given as one
//! more file.

use super::{Entry, File, Found, zonefile};
use crate::model::Name;

pub fn read(files: &[File], found: &mut Found) -> Result<(), String> {
    let mut secret = None;
    let mut zone = None;
    let mut zonefiles = Vec::new();
    for file in files {
        let own = settings(&file.text);
        if own == (None, None) {
            zonefiles.push(file);
            continue;
        }
        secret = own.0.or(secret);
        zone = own.1.or(zone);
    }
    let Some(secret) = secret else {
        return Err("no file has its secret: give dyndns.json, the envfile or the compose file \
                    with SHARED_SECRET, and the zone file (in the container \
                    /var/cache/bind/ZONE.zone) beside it"
            .into());
    };
    if zonefiles.is_empty() {
        return Err("no file has its hosts: give its zone file, too (in the container \
                    /var/cache/bind/ZONE.zone; `rndc sync` writes it)"
            .into());
    }
    let zone: Option<Name> = zone.and_then(|zone| zone.parse().ok());
    for file in zonefiles {
        let mut read = Found::default();
        zonefile::read(file, &mut read)?;
        found.remarks.extend(read.remarks);
        found.hosts.extend(read.hosts.into_iter().map(|entry| Entry {
            zone: zone.clone().or(entry.zone),
            secret: Some(secret.clone()),
            // Every record has the same one, meant for the server.
            ttl: None,
            ..entry
        }));
    }
    Ok(())
}

/// Secret and zone of its settings, where a text is such.
fn settings(text: &str) -> (Option<String>, Option<String>) {
    if let Ok(json) = serde_json::from_str::<serde_json::Value>(text) {
        let of = |key: &str| json.get(key).and_then(|value| value.as_str()).map(str::to_owned);
        return (of("SharedSecret"), of("Domain").or(of("Zone")));
    }
    let of = |name: &str| {
        text.lines().find_map(|line| {
            let line = line.trim().trim_start_matches("- ").trim_start_matches("-e ").trim();
            let line = line.trim_matches('"');
            let value = line.strip_prefix(name)?.trim_start();
            let value = value.strip_prefix(['=', ':'])?.trim();
            let value = value.trim_end_matches('\\').trim().trim_matches(['"', '\'']);
            (!value.is_empty()).then(|| value.to_owned())
        })
    };
    (of("SHARED_SECRET"), of("ZONE"))
}
