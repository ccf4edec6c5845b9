//! FreeDNS (freedns.afraid.org): the update URL of a record, version 1 and 2,
//! and the list of records by which ddclient and inadyn find theirs.
//!
//! ```text
//! GET /dynamic/update.php?t0ken&address=192.0.2.1 HTTP/1.1
//!
//! Updated home.dyn.example.org to 192.0.2.1 in 0.001 seconds
//!
//! GET /u/t0ken/?address=192.0.2.1 HTTP/1.1
//!
//! No IP change detected for home.dyn.example.org with IP 192.0.2.1, skipping update
//!
//! GET /api/?action=getdyndns&v=2&sha=<40 hexadecimal digits> HTTP/1.1
//!
//! home.dyn.example.org|192.0.2.1|https://ddns.example.org/dynamic/update.php?<sha>.home.dyn.example.org
//! home.dyn.example.org|::|https://ddns.example.org/dynamic/update.php?<sha>.home.dyn.example.org
//! ```
//!
//! The sha is SHA-1 of `user|password`, made by the client. A server that
//! keeps no passwords cannot check it, so it is a secret by itself here: a key
//! whose token is the sha answers for its hosts, and the update URLs hold that
//! token and the host. Each host has a line for both families, with `NULL` or
//! `::` where it has no address: ddclient updates only what it finds listed.
//!
//! ddclient reads `Updated.*HOST.*to.*IP`, inadyn looks for the address in the
//! body, ddns-updater for `updated ` or `no ip change detected` at its start,
//! FreshTomato for the seconds. They are always as many: nobody wants to know.
//! What went wrong holds no `ok`, not even in a word, for inadyn looks for it.

use axum::http::StatusCode;
use percent_encoding::percent_decode_str;

use super::language::{Answer, Asked, Language, Names, Request, Spoken, Task};
use super::{credentials, dyndns2, hosts, spelling};
use crate::model::{Name, Protocol};
use crate::update::{Hosts, Outcome};

/// FreeDNS.
pub const LANGUAGE: Language = Language { name: "freedns", is_meant, read, speak };

/// Which of the three a request is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Version1,
    Version2,
    List,
}

fn form(request: &Request) -> Option<Form> {
    let first = request.segments.first().map_or("", String::as_str);
    match request.path.as_str() {
        "/dynamic/update.php" => Some(Form::Version1),
        "/api" if request.parameters.all("action").any(|action| action == "getdyndns") => {
            Some(Form::List)
        }
        _ if first == "u" && request.segments.len() <= 2 => Some(Form::Version2),
        _ => None,
    }
}

fn is_meant(request: &Request) -> bool {
    form(request).is_some()
}

/// The token in a URL, and the host behind it if one stands there.
fn token(request: &Request) -> Option<(String, Option<&str>)> {
    let whole = match form(request)? {
        Form::List => return None,
        Form::Version2 => request.segments.get(1)?.as_str(),
        Form::Version1 => {
            let query = request.head.uri.query()?;
            query.split('&').find(|pair| !pair.is_empty() && !pair.contains('='))?
        }
    };
    let (token, host) = match whole.split_once('.') {
        Some((token, host)) => (token, Some(host)),
        None => (whole, None),
    };
    Some((percent_decode_str(token).decode_utf8_lossy().into_owned(), host))
}

fn read(request: &Request) -> Asked {
    if form(request) == Some(Form::List) {
        return Asked {
            task: Task::List(Hosts::Implied(None)),
            logins: credentials::tokens(request.parameters.all("sha")),
            names: Names::Absolute,
            spelling: spelling::Spelling::default(),
            hints: Vec::new(),
        };
    }
    let Some((token, host)) = token(request) else {
        return dyndns2::read(request);
    };
    let addressed = spelling::read(&request.parameters, request.source);
    let mut hints = Vec::new();
    addressed.hint(&mut hints);
    let hosts = match host {
        Some(host) => Hosts::Listed(vec![hosts::host(host)]),
        None => Hosts::Implied(None),
    };
    let update = request.update(Protocol::Freedns, hosts, addressed.report);
    let logins = credentials::tokens([token.as_str()]);
    Asked { hints, ..Asked::report(update, logins, addressed.spelling) }
}

fn speak(request: &Request, asked: &Asked, answer: &Answer) -> Spoken {
    // Without a token in the URL it is a login, which wget keeps to itself
    // until it is challenged.
    let is_login = form(request) == Some(Form::Version2) && token(request).is_none();
    let (status, body): (_, String) = match answer {
        Answer::Outcomes(outcomes) => {
            let lines = names(asked).into_iter().zip(outcomes).map(|(name, outcome)| {
                line(form(request), name.as_ref(), outcome, &asked.spelling.text)
            });
            (StatusCode::OK, lines.collect())
        }
        Answer::Hosts(hosts) => {
            let lines = hosts.iter().flat_map(|host| {
                let name = host.name.without_dot();
                let url = update_url(request, &name);
                let served = host.addresses();
                let v4 = served.v4.map_or("NULL".into(), |v4| v4.to_string());
                let v6 = served.v6.map_or("::".into(), |v6| v6.to_string());
                [format!("{name}|{v4}|{url}\n"), format!("{name}|{v6}|{url}\n")]
            });
            (StatusCode::OK, lines.collect())
        }
        Answer::BadAuth if is_login => (StatusCode::UNAUTHORIZED, "ERROR: Wrong login.\n".into()),
        Answer::BadAuth if form(request) == Some(Form::List) => {
            (StatusCode::OK, "ERROR: Could not authenticate.\n".into())
        }
        Answer::Unavailable(_) => {
            (StatusCode::SERVICE_UNAVAILABLE, "ERROR: Try again later.\n".into())
        }
        Answer::BadMethod => (StatusCode::METHOD_NOT_ALLOWED, "ERROR: Use GET.\n".into()),
        Answer::TooManyHosts => (StatusCode::OK, "ERROR: Too many hosts.\n".into()),
        Answer::Blocked => (StatusCode::OK, "ERROR: This account is blocked.\n".into()),
        _ => (StatusCode::OK, "ERROR: Unable to locate this record\n".into()),
    };
    Spoken::text(status, body)
}

/// The hosts of the one update it holds.
fn names(asked: &Asked) -> Vec<Option<Name>> {
    match asked.hosts().first() {
        Some(Hosts::Listed(names)) => names.clone(),
        _ => Vec::new(),
    }
}

fn line(form: Option<Form>, name: Option<&Name>, outcome: &Outcome, address: &str) -> String {
    let name = name.map_or("?".into(), Name::without_dot);
    match outcome {
        Outcome::Moved(_) => format!("Updated {name} to {address} in 0.001 seconds\n"),
        Outcome::Kept(_) if form == Some(Form::Version1) => {
            format!("ERROR: Address {address} has not changed.\n")
        }
        Outcome::Kept(_) => {
            format!("No IP change detected for {name} with IP {address}, skipping update\n")
        }
        Outcome::BadAddress | Outcome::BadPrefix => "ERROR: This address cannot be used.\n".into(),
        Outcome::NotAllowed => "ERROR: This key may not do that.\n".into(),
        Outcome::Blocked => "ERROR: This record is blocked.\n".into(),
        _ => "ERROR: Unable to locate this record\n".into(),
    }
}

/// Where the client updates one host, reached as the list was.
fn update_url(request: &Request, name: &str) -> String {
    let scheme = if request.encrypted { "https" } else { "http" };
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._:[]".contains(c);
    let host = request.header("host").filter(|host| host.chars().all(plain)).unwrap_or_default();
    let sha = request.parameters.first(&["sha"]).unwrap_or_default();
    format!("{scheme}://{host}/dynamic/update.php?{sha}.{name}")
}
