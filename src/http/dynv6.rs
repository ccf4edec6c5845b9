//! dynv6's update API (dynv6.com/docs/apis).
//!
//! ```text
//! GET /api/update?hostname=home.dyn.example.org&token=t0ken&ipv4=auto&ipv6=2001:db8::1 HTTP/1.1
//!
//! addresses updated
//! ```
//!
//! `auto` is the address the request comes from, `-` takes a family away,
//! `6to4` is made from the IPv4 address (RFC 3056 §2), and what is empty is
//! left as it is. inadyn looks for `updated` or `unchanged` in the body,
//! ddns-updater at the status alone: so what went wrong is never 200 here.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use axum::http::StatusCode;

use super::language::{Answer, Asked, Language, Names, Request, Spoken};
use super::{credentials, hosts, spelling};
use crate::model::Protocol;
use crate::update::{Hosts, Outcome};

/// dynv6.
pub const LANGUAGE: Language = Language { name: "dynv6", is_meant, read, speak };

const ADDRESSES: [&str; 3] = ["ipv4", "ipv6", "ipv6prefix"];

fn is_meant(request: &Request) -> bool {
    let has = |name: &&str| request.parameters.has(name);
    request.path == "/api/update"
        && (ADDRESSES.iter().any(has) || ["zone", "token"].iter().any(has))
        // Somebody's dyndns2 on the same path.
        && !has(&"myip")
}

fn read(request: &Request) -> Asked {
    let logins = credentials::logins(&request.head, &request.parameters);
    let mut hints = Vec::new();
    let mut hosts = hosts::read(&request.parameters, &logins, &mut hints);
    if let Some(zone) = request.parameters.first(&["zone", "hostname"]) {
        // Without its own zone it will do, too.
        let names: Vec<_> = hosts::items(zone).into_iter().map(hosts::label_or_host).collect();
        if !names.is_empty() {
            hosts = Hosts::Listed(names);
        }
    }
    let mut parameters = request.parameters.others();
    let v4 = given_v4(request);
    for name in ADDRESSES {
        for value in request.parameters.all(name) {
            let value = if value == "6to4" { &six_to_four(v4, name) } else { value };
            parameters.add(name, value);
        }
    }
    let named = |name: &&str| request.parameters.has(name);
    // Nothing is taken from the request itself unless `auto` says so.
    if ADDRESSES.iter().any(named) && parameters.first(&["ipv4", "ipv6"]).is_none() {
        parameters.add("ipv4", "preserve");
        parameters.add("ipv6", "preserve");
    }
    let addressed = spelling::read(&parameters, request.source);
    addressed.hint(&mut hints);
    let update = request.update(Protocol::Dynv6, hosts, addressed.report);
    let asked = Asked::report(update, logins, addressed.spelling);
    Asked { names: Names::Short, hints, ..asked }
}

/// The IPv4 address given, else the one the request comes from.
fn given_v4(request: &Request) -> Option<Ipv4Addr> {
    let given = request.parameters.first(&["ipv4"]).and_then(|text| text.parse().ok());
    given.or(match request.source.address {
        IpAddr::V4(v4) => Some(v4),
        IpAddr::V6(_) => None,
    })
}

/// The first address of a 6to4 site, or its prefix; nothing that can be read
/// when there is no IPv4 address to make it from.
fn six_to_four(v4: Option<Ipv4Addr>, name: &str) -> String {
    let Some(v4) = v4 else { return "6to4".into() };
    let [a, b, c, d] = v4.octets();
    let pair = |high, low| u16::from_be_bytes([high, low]);
    let prefix = [0x2002, pair(a, b), pair(c, d), 0, 0, 0, 0, 0];
    match name {
        "ipv6prefix" => format!("{}/48", Ipv6Addr::from(prefix)),
        _ => {
            let mut address = prefix;
            address[7] = 1;
            Ipv6Addr::from(address).to_string()
        }
    }
}

fn speak(_: &Request, _: &Asked, answer: &Answer) -> Spoken {
    let (status, body) = match answer {
        Answer::Outcomes(outcomes) => match outcomes.iter().find(|one| !one.is_done()) {
            None if outcomes.iter().any(|one| matches!(one, Outcome::Moved(_))) => {
                (StatusCode::OK, "addresses updated")
            }
            None => (StatusCode::OK, "addresses unchanged"),
            Some(Outcome::BadAddress | Outcome::BadPrefix) => {
                (StatusCode::BAD_REQUEST, "invalid address")
            }
            Some(Outcome::NotAllowed) => (StatusCode::BAD_REQUEST, "not allowed by this key"),
            Some(Outcome::Blocked) => (StatusCode::BAD_REQUEST, "zone is blocked"),
            Some(_) => (StatusCode::NOT_FOUND, "zone not found"),
        },
        Answer::BadAuth => (StatusCode::UNAUTHORIZED, "invalid authentication token"),
        Answer::Unavailable(_) => (StatusCode::SERVICE_UNAVAILABLE, "try again later"),
        Answer::BadMethod => (StatusCode::METHOD_NOT_ALLOWED, "method not allowed"),
        _ => (StatusCode::BAD_REQUEST, "bad request"),
    };
    Spoken::text(status, format!("{body}\n"))
}
