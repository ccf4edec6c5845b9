//! DuckDNS, as Home Assistant, OpenWrt, ddclient, inadyn and lego speak it
//! (duckdns.org/spec.jsp).
//!
//! ```text
//! GET /update?domains=home,cam&token=t0ken&ip=192.0.2.1 HTTP/1.1
//! GET /update/home/t0ken/192.0.2.1 HTTP/1.1
//!
//! OK
//! ```
//!
//! The body is `OK` or `KO` without a line end: lego and Home Assistant
//! compare all of it. With `verbose=true` an `OK` is followed by a line each
//! for IPv4, IPv6, and `UPDATED` or `NOCHANGE`. All hosts or none.
//!
//! With `txt` only the TXT record changes, and it stands at
//! `_acme-challenge.<name>`, the one place where anybody looks for it;
//! `txt=&clear=true`, with which lego and acme.sh clean up, takes it away and
//! leaves the addresses alone.

use axum::http::StatusCode;

use super::language::{Answer, Asked, Language, Names, Request, Spoken, Task};
use super::{challenge, credentials, hosts, spelling};
use crate::model::{Addresses, Name, Protocol};
use crate::update::{Edited, Hosts, Outcome, Report};

/// DuckDNS.
pub const LANGUAGE: Language = Language { name: "duckdns", is_meant, read, speak };

/// What clients may write behind a name.
const SUFFIX: &str = ".duckdns.org";

fn is_meant(request: &Request) -> bool {
    let at_duckdns = request.host == "www.duckdns.org" || request.host == "duckdns.org";
    let by_query = (request.path == "/update" || at_duckdns)
        && request.parameters.has("domains")
        && request.parameters.has("token");
    by_query || in_path(request).is_some()
}

/// Name, token and perhaps address of the form for routers that can send no
/// parameters. pboehm's has the same path, and its address in the query.
fn in_path(request: &Request) -> Option<(&str, &str, &str)> {
    let (name, token, ip) = match request.segments.as_slice() {
        [update, name, token] if is_update(update) => (name, token, ""),
        [update, name, token, ip] if is_update(update) => (name, token, ip.as_str()),
        _ => return None,
    };
    let is_other = request.parameters.has("myip") || request.logs_in_for_a_host();
    (!is_other).then_some((name, token, ip))
}

fn is_update(segment: &str) -> bool {
    segment.eq_ignore_ascii_case("update")
}

fn read(request: &Request) -> Asked {
    let mut parameters = request.parameters.others();
    let path = in_path(request);
    if let Some((name, token, ip)) = path {
        for (parameter, value) in [("domains", name), ("token", token), ("ip", ip)] {
            parameters.add(parameter, value);
        }
    }
    let given = if path.is_some() { &parameters } else { &request.parameters };
    let logins = credentials::tokens(given.all("token"));
    let addressed = spelling::read(given, request.source);
    let mut hints = Vec::new();
    addressed.hint(&mut hints);
    let names: Vec<Option<Name>> = given.all("domains").flat_map(hosts::items).map(short).collect();
    let clear = is_true(request, "clear");
    let hosts = if names.is_empty() { Hosts::Implied(None) } else { Hosts::Listed(names) };
    let task = match request.parameters.all("txt").next() {
        None => {
            let report = if clear { Report::Offline } else { addressed.report };
            let update = request.update(Protocol::Duckdns, hosts, report);
            Task::Report(vec![update])
        }
        Some(value) => {
            let gone = clear || value.is_empty();
            let change = if gone { Some(challenge::clear()) } else { challenge::set(value) };
            Task::Challenge { hosts, change, protocol: Protocol::Duckdns }
        }
    };
    Asked { task, logins, names: Names::Short, spelling: addressed.spelling, hints }
}

/// A name, with or without the rest of it.
fn short(text: &str) -> Option<Name> {
    let lower = text.to_ascii_lowercase();
    hosts::label_or_host(lower.strip_suffix(SUFFIX).unwrap_or(&lower))
}

fn is_true(request: &Request, name: &str) -> bool {
    request.parameters.all(name).any(|value| value.eq_ignore_ascii_case("true"))
}

fn speak(request: &Request, _: &Asked, answer: &Answer) -> Spoken {
    let status = match answer {
        Answer::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
        Answer::BadMethod => StatusCode::METHOD_NOT_ALLOWED,
        _ => StatusCode::OK,
    };
    let verbosely = is_true(request, "verbose");
    let done = |outcomes: &[Outcome]| outcomes.iter().all(Outcome::is_done);
    let body = match answer {
        Answer::Outcomes(outcomes) if done(outcomes) && verbosely => verbose(outcomes),
        Answer::Outcomes(outcomes) if done(outcomes) => "OK".into(),
        Answer::Edited(Edited::Done { changed }) if verbosely => {
            format!("OK\n{}\n{}", challenge::plain(request), change(*changed))
        }
        Answer::Edited(Edited::Done { .. }) => "OK".into(),
        _ => "KO".into(),
    };
    Spoken::text(status, body)
}

/// The addresses of the first host, and whether any has changed.
fn verbose(outcomes: &[Outcome]) -> String {
    let first = outcomes.iter().find_map(Outcome::done).unwrap_or(Addresses::NONE);
    let moved = outcomes.iter().any(|outcome| matches!(outcome, Outcome::Moved(_)));
    let text = |address: Option<String>| address.unwrap_or_default();
    format!(
        "OK\n{}\n{}\n{}",
        text(first.v4.map(|v4| v4.to_string())),
        text(first.v6.map(|v6| v6.to_string())),
        change(moved)
    )
}

fn change(changed: bool) -> &'static str {
    if changed { "UPDATED" } else { "NOCHANGE" }
}
