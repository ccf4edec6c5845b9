//! Whatever updates DuckDNS: scripts, crontabs, lists of URLs, the environment
//! of a container, the configuration of Home Assistant.
//!
//! ```text
//! echo url="https://www.duckdns.org/update?domains=home,nas&token=5f3a…&ip=" | curl -k -K -
//! https://www.duckdns.org/update/home/5f3a…
//! SUBDOMAINS=home,nas
//! TOKEN=5f3a…
//! ```

use super::{Entry, File, Found, place};
use crate::model::Name;

/// The names of a setting that lists domains.
const DOMAINS: [&str; 6] =
    ["subdomains", "domains", "domain", "duckdns_domain", "duckdns_domains", "subdomain"];

/// The names of a setting that is the token.
const TOKEN: [&str; 4] = ["token", "duckdns_token", "access_token", "accesstoken"];

pub fn read(file: &File, found: &mut Found) {
    let mut domains: Option<(String, usize)> = None;
    let mut token: Option<String> = None;
    let before = found.hosts.len();
    for (at, line) in file.text.lines().enumerate() {
        let number = at + 1;
        let line = line.trim();
        if line.starts_with('#') && !line.contains("duckdns.org/update") {
            continue;
        }
        let mut in_url = false;
        for url in urls(line) {
            if let Some((list, secret)) = of_url(url)
                && !list.contains('$')
                && !secret.contains('$')
            {
                add(file, number, &list, &secret, found);
                in_url = true;
            }
        }
        if in_url {
            continue;
        }
        let Some((name, value)) = setting(line) else { continue };
        if DOMAINS.contains(&name.as_str()) && !value.is_empty() {
            domains = Some((value, number));
        } else if TOKEN.contains(&name.as_str()) && !value.is_empty() {
            token = Some(value);
        }
        if let (Some((list, number)), Some(secret)) = (&domains, &token) {
            add(file, *number, list, secret, found);
            domains = None;
        }
    }
    if found.hosts.len() == before {
        found.remarks.push(format!(
            "{}: neither an update URL of DuckDNS with domains and token in it, nor both as \
             settings (SUBDOMAINS=…, TOKEN=…)",
            place(&file.path, 0)
        ));
    }
}

fn add(file: &File, line: usize, list: &str, secret: &str, found: &mut Found) {
    for name in list.split([',', ' ']).map(str::trim).filter(|name| !name.is_empty()) {
        let entry = Entry {
            name: name.to_owned(),
            zone: "duckdns.org".parse::<Name>().ok(),
            place: place(&file.path, line),
            secret: Some(secret.to_owned()),
            ..Entry::default()
        };
        if !found.hosts.iter().any(|have| have.name == entry.name && have.secret == entry.secret) {
            found.hosts.push(entry);
        }
    }
}

/// Every URL of DuckDNS in a line, from its path on.
fn urls(line: &str) -> impl Iterator<Item = &str> {
    let ends = |c: char| c.is_whitespace() || "\"'`|<>".contains(c);
    line.split("duckdns.org/update").skip(1).map(move |rest| rest.split(ends).next().unwrap_or(""))
}

/// Domains and token of what follows `/update`.
fn of_url(rest: &str) -> Option<(String, String)> {
    if let Some(path) = rest.strip_prefix('/')
        && !path.starts_with('?')
    {
        let mut parts = path.split(['/', '?']);
        let (domain, token) = (parts.next()?, parts.next()?);
        return (!domain.is_empty() && !token.is_empty()).then(|| (domain.into(), token.into()));
    }
    let (_, query) = rest.split_once('?')?;
    let of = |name: &str| {
        let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        pairs.find(|(key, _)| *key == name).map(|(_, value)| value.replace("%2C", ","))
    };
    let (domains, token) = (of("domains")?, of("token")?);
    (!domains.is_empty() && !token.is_empty()).then_some((domains, token))
}

/// `NAME=value`, `export NAME="value"`, `- NAME=value`, `name: value`: the
/// name in lower case.
fn setting(line: &str) -> Option<(String, String)> {
    let line = line.trim_start_matches("- ").trim_start_matches("export ").trim_start();
    let end = line.find(['=', ':'])?;
    let (name, value) = (line[..end].trim(), line[end + 1..].trim());
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    if name.is_empty() || !name.bytes().all(is_name) {
        return None;
    }
    let value = match value.chars().next() {
        Some(quote @ ('"' | '\'')) => value[1..].split(quote).next().unwrap_or_default(),
        _ => value.split('#').next().unwrap_or_default().trim(),
    };
    Some((name.to_ascii_lowercase(), value.trim_matches(['[', ']']).to_owned()))
}
