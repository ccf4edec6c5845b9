//! Replies in words. Times are UTC, so that they can be laid beside logs.

use std::fmt::Write;

use super::output::{facts, table};
use crate::model::{Cause, Change, Host, HostRecord, KeyId, Presence, Timestamp};
use crate::registry::{AccountView, HostView, KeyView, NewKey, Purpose, Reply, Status};
use crate::zone::data_to_text;

/// A reply in words. `truename` is how the program was called, with the
/// options that the next command needs, too.
pub fn reply(reply: &Reply, now: Timestamp, truename: &str) -> String {
    match reply {
        Reply::Done(sentence) => format!("{sentence}\n"),
        Reply::HostAdded { host, key } => host_added(host, key.as_ref(), truename),
        Reply::Host(view) => host(view, now),
        Reply::Hosts(views) => hosts(views, now),
        Reply::Account(view) => account(view),
        Reply::Accounts(views) => accounts(views),
        Reply::KeyAdded(new) => key_added(new),
        Reply::KeyRotated { new, old, ends_in } => key_rotated(new, old, *ends_in),
        Reply::Key(view) => key(view),
        Reply::Keys(views) => keys(views),
        Reply::Secret { id, purpose, secret } => key_secret(id, *purpose, secret),
        Reply::Records { records: list, end_in } => records(list, end_in),
        Reply::History(changes) => history(changes),
        Reply::Imported(_) => String::new(),
        Reply::Why(views) => super::why::requests(views, now),
        Reply::Status(view) => status(view),
        Reply::Checked(faults) => faults.join("\n"),
    }
}

fn host_added(view: &HostView, key: Option<&NewKey>, truename: &str) -> String {
    let name = view.host.name.without_dot();
    let mut text = format!("{name} is added and waits for its first report.\n");
    if let Some(new) = key {
        text += "\n";
        text += &facts(&[("user", name.clone()), ("password", new.token.clone())]);
        text += "\nThe password is shown this once; the server keeps no copy of it.\n";
    }
    let _ = writeln!(text, "Next: {truename} host show {name} --settings ddclient");
    text
}

fn key_added(new: &NewKey) -> String {
    let user = without_dot(&new.key.holder.to_string());
    let mut text = format!("Key {} is added.\n\n", new.key.id);
    text += &facts(&[("user", user), ("password", new.token.clone())]);
    text += "\nThe password is shown this once; the server keeps no copy of it.\n";
    text
}

fn key_rotated(new: &NewKey, old: &KeyId, ends_in: u64) -> String {
    let end = match ends_in {
        0 => "has ended".to_owned(),
        seconds => format!("ends in {}", about(seconds)),
    };
    let mut text = key_added(new);
    let _ = writeln!(
        text,
        "The key {old} {end}. Until all its clients have the new password, `truename why` tells \
         which still use the old one."
    );
    text
}

fn host(view: &HostView, now: Timestamp) -> String {
    let host = &view.host;
    let own = |is_own: bool| if is_own { "" } else { " (the server's default)" };
    let zone = match &view.zone {
        Some(zone) => zone.without_dot(),
        None => "none: its zone is not served any more".to_owned(),
    };
    let mut lines = vec![
        ("state", state_at_length(view)),
        ("addresses", host.addresses().to_string()),
        ("reported", reported(host, now)),
        ("zone", zone),
        ("owner", host.owner.as_ref().map_or("none".to_owned(), ToString::to_string)),
        ("TTL", format!("{} s{}", view.effective_ttl.seconds(), own(host.ttl.is_some()))),
        ("lease", format!("{}{}", view.effective_lease, own(host.lease.is_some()))),
        ("wildcard", on_off(host.wildcard).to_owned()),
        ("keys", list(view.keys.iter().map(ToString::to_string))),
        ("added", time(host.created)),
        ("changes", host.changes.to_string()),
    ];
    if host.blocked {
        lines.insert(0, ("BLOCKED", "its updates are answered `abuse`".to_owned()));
    }
    if let Some(site) = &host.site {
        lines.push(("site", format!("{} of {}", site.suffix, site.router.without_dot())));
    }
    if let Some(prefix) = host.prefix {
        lines.push(("prefix", prefix.to_string()));
    }
    let mut text = format!("{}\n{}", host.name.without_dot(), facts(&lines));
    if !host.records.is_empty() {
        text += "\n";
        text += &records(&host.records, &view.records_end_in);
    }
    text
}

fn records(list: &[HostRecord], end_in: &[Option<u64>]) -> String {
    if list.is_empty() {
        return "It has no records beside its addresses.\n".to_owned();
    }
    let end_in = end_in.iter().copied().chain(std::iter::repeat(None));
    let rows: Vec<_> = list
        .iter()
        .zip(end_in)
        .map(|(record, end_in)| {
            [
                record.name.without_dot(),
                record.ttl.to_string(),
                record.rtype.to_string(),
                record.line.as_ref().map_or("-".to_owned(), ToString::to_string),
                end_in.map_or("-".to_owned(), |seconds| format!("in {}", about(seconds))),
                data_to_text(record.rtype, &record.rdata),
            ]
        })
        .collect();
    table(["NAME", "TTL", "TYPE", "LINE", "ENDS", "DATA"], &rows)
}

/// The secret, and how its users write it.
fn key_secret(id: &KeyId, purpose: Purpose, secret: &str) -> String {
    match purpose {
        Purpose::Tsig => {
            format!("key \"{id}\" {{\n    algorithm hmac-sha256;\n    secret \"{secret}\";\n}};\n")
        }
        Purpose::Signed => facts(&[("key", id.to_string()), ("secret", secret.to_owned())]),
    }
}

fn hosts(views: &[HostView], now: Timestamp) -> String {
    if views.is_empty() {
        return "There are no hosts. `truename host add HOST` adds one.\n".to_owned();
    }
    let rows: Vec<_> = views
        .iter()
        .map(|view| {
            let host = &view.host;
            let heard = host.last_report.map_or("never".to_owned(), |last| ago(last.at, now));
            [
                host.name.without_dot(),
                host.addresses().to_string(),
                state(host).to_owned(),
                heard,
                view.lapses_in.map_or("-".to_owned(), |seconds| format!("in {}", about(seconds))),
                host.owner.as_ref().map_or("-".to_owned(), ToString::to_string),
            ]
        })
        .collect();
    table(["HOST", "ADDRESSES", "STATE", "REPORTED", "LAPSES", "OWNER"], &rows)
}

fn state(host: &Host) -> &'static str {
    match host.presence {
        _ if host.blocked => "blocked",
        Presence::Unheard => "unheard",
        Presence::Present { .. } => "present",
        Presence::Lapsed { .. } => "lapsed",
        Presence::Offline { .. } => "offline",
    }
}

fn state_at_length(view: &HostView) -> String {
    match view.host.presence {
        Presence::Unheard => "unheard: it has never reported".to_owned(),
        Presence::Present { .. } => match view.lapses_in {
            Some(seconds) => format!("present; lapses in {} unless it reports", about(seconds)),
            None => "present; it never lapses".to_owned(),
        },
        Presence::Lapsed { since } => {
            format!("lapsed at {}; its next report brings it back", time(since))
        }
        Presence::Offline { since } => {
            format!("withdrawn at {}; its next report brings it back", time(since))
        }
    }
}

pub fn reported(host: &Host, now: Timestamp) -> String {
    let Some(last) = host.last_report else { return "never".to_owned() };
    let source = last.source.map_or(String::new(), |source| format!(" from {source}"));
    format!("{}, {}, by {}{source}", ago(last.at, now), time(last.at), last.protocol)
}

fn account(view: &AccountView) -> String {
    let mut lines = vec![
        ("password", if view.password { "set" } else { "none: only keys prove it" }.to_owned()),
        ("hosts", list(view.hosts.iter().map(|name| name.without_dot()))),
        ("keys", list(view.keys.iter().map(ToString::to_string))),
        ("added", time(view.created)),
    ];
    if view.blocked {
        lines.insert(0, ("BLOCKED", "its updates are answered `abuse`".to_owned()));
    }
    format!("{}\n{}", view.name, facts(&lines))
}

fn accounts(views: &[AccountView]) -> String {
    if views.is_empty() {
        return "There are no accounts. `truename account add ACCOUNT` adds one.\n".to_owned();
    }
    let rows: Vec<_> = views
        .iter()
        .map(|view| {
            [
                view.name.to_string(),
                if view.blocked { "blocked" } else { "active" }.to_owned(),
                yes_no(view.password).to_owned(),
                view.hosts.len().to_string(),
                view.keys.len().to_string(),
                time(view.created),
            ]
        })
        .collect();
    table(["ACCOUNT", "STATE", "PASSWORD", "HOSTS", "KEYS", "ADDED"], &rows)
}

fn key(view: &KeyView) -> String {
    let lines = [
        ("holder", without_dot(&view.holder.to_string())),
        ("hosts", hosts_of(view)),
        ("from", networks_of(view)),
        ("may change", view.may.to_string()),
        ("label", if view.label.is_empty() { "-".to_owned() } else { view.label.clone() }),
        ("added", time(view.created)),
        ("ends", ends(view)),
    ];
    format!("{}\n{}", view.id, facts(&lines))
}

fn keys(views: &[KeyView]) -> String {
    if views.is_empty() {
        return "There are no keys. `truename key add HOST` makes one.\n".to_owned();
    }
    let rows: Vec<_> = views
        .iter()
        .map(|view| {
            [
                view.id.to_string(),
                without_dot(&view.holder.to_string()),
                hosts_of(view),
                networks_of(view),
                time(view.created),
                ends(view),
                view.label.clone(),
            ]
        })
        .collect();
    table(["KEY", "HOLDER", "HOSTS", "FROM", "ADDED", "ENDS", "LABEL"], &rows)
}

fn ends(view: &KeyView) -> String {
    match view.ends_in {
        None => "-".to_owned(),
        Some(0) => "has ended".to_owned(),
        Some(seconds) => format!("in {}", about(seconds)),
    }
}

fn hosts_of(view: &KeyView) -> String {
    match view.hosts.as_slice() {
        [] => "all".to_owned(),
        hosts => list(hosts.iter().map(|name| name.without_dot())),
    }
}

fn networks_of(view: &KeyView) -> String {
    match view.networks.as_slice() {
        [] => "anywhere".to_owned(),
        networks => list(networks.iter().map(ToString::to_string)),
    }
}

fn history(changes: &[Change]) -> String {
    if changes.is_empty() {
        return "Nothing has changed yet.\n".to_owned();
    }
    let rows: Vec<_> = changes
        .iter()
        .map(|change| {
            let why = match change.cause {
                Cause::Report { protocol, source: Some(source) } => {
                    format!("{protocol} from {source}")
                }
                Cause::Report { protocol, source: None } => protocol.to_string(),
                Cause::Records { protocol, source: Some(source) } => {
                    format!("records, {protocol} from {source}")
                }
                Cause::Records { protocol, source: None } => format!("records, {protocol}"),
                Cause::Renumbered => "the prefix of its site".to_owned(),
                Cause::Lapse => "its lease ended".to_owned(),
                Cause::Setting => "a setting".to_owned(),
                Cause::Removal => "removed".to_owned(),
            };
            [
                time(change.at),
                change.serial.to_string(),
                change.before.to_string(),
                change.after.to_string(),
                why,
            ]
        })
        .collect();
    table(["TIME", "SERIAL", "BEFORE", "AFTER", "BY"], &rows)
}

fn status(view: &Status) -> String {
    let mut text = format!("truename {}, up {}\n", view.version, span(view.uptime));
    text += &facts(&[
        ("hosts", format!("{}, {} in the DNS", view.hosts, view.present)),
        ("accounts", view.accounts.to_string()),
        ("keys", view.keys.to_string()),
    ]);
    let rows: Vec<_> = view
        .zones
        .iter()
        .map(|zone| {
            [
                zone.zone.without_dot(),
                zone.serial.to_string(),
                zone.hosts.to_string(),
                zone.file.display().to_string(),
            ]
        })
        .collect();
    text.push('\n');
    text += &table(["ZONE", "SERIAL", "HOSTS", "FILE"], &rows);
    let rows: Vec<_> = view
        .counts
        .iter()
        .filter(|(_, count)| **count > 0)
        .map(|(what, count)| [what.clone(), count.to_string()])
        .collect();
    if !rows.is_empty() {
        text.push('\n');
        text += &table(["COUNTED SINCE THE START", ""], &rows);
    }
    for warning in &view.warnings {
        let _ = write!(text, "\nwarning: {warning}\n");
    }
    text
}

/// The moment, as logs have it.
pub fn time(at: Timestamp) -> String {
    match jiff::Timestamp::from_second(at.0) {
        Ok(moment) => moment.strftime("%Y-%m-%d %H:%M:%SZ").to_string(),
        Err(_) => format!("@{}", at.0),
    }
}

pub fn ago(at: Timestamp, now: Timestamp) -> String {
    // A clock that was stepped back: what happened is not in the future.
    let seconds = u64::try_from(now.0.saturating_sub(at.0)).unwrap_or(0);
    format!("{} ago", span(seconds))
}

/// A span that is still to come, to the nearest unit: a lease of 35 days just
/// renewed ends in 35 days, not in 34.
fn about(seconds: u64) -> String {
    match seconds {
        0..120 => span(seconds),
        120..7200 => span(seconds.saturating_add(30)),
        7200..172_800 => span(seconds.saturating_add(1800)),
        _ => span(seconds.saturating_add(43_200)),
    }
}

/// A span in the largest unit that it has two of.
fn span(seconds: u64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{minutes} min"),
        7200..172_800 => format!("{hours} h"),
        _ => format!("{days} d"),
    }
}

fn list(items: impl Iterator<Item = String>) -> String {
    let items: Vec<String> = items.collect();
    if items.is_empty() { "none".to_owned() } else { items.join(" ") }
}

fn without_dot(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_owned()
}

fn on_off(on: bool) -> &'static str {
    if on { "on" } else { "off" }
}

fn yes_no(yes: bool) -> &'static str {
    if yes { "yes" } else { "no" }
}
