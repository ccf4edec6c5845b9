//! docker-ddns and pboehm's ddns: two servers for one's own zone, whose
//! clients are mostly curl in a cron job.
//!
//! ```text
//! GET /update?secret=t0ken&domain=home,cam&addr=192.0.2.1 HTTP/1.1
//!
//! {"Success":true,"Message":"Updated A record for cam to IP address 192.0.2.1",
//!  "Domain":"cam","Domains":["home","cam"],"Address":"192.0.2.1","AddrType":"A"}
//!
//! GET /update/home/t0ken?myip=192.0.2.1 HTTP/1.1
//!
//! {"current_ip":"192.0.2.1","status":"Successfuly updated"}
//! ```
//!
//! The second without `myip` is DuckDNS's, which has the same path: who needs
//! the JSON there turns `duckdns` off.

use axum::http::StatusCode;
use serde_json::json;

use super::language::{Answer, Asked, Language, Names, Request, Spoken};
use super::{credentials, hosts, spelling};
use crate::model::{Name, Protocol};
use crate::update::{Hosts, Outcome};

/// docker-ddns and pboehm's.
pub const LANGUAGE: Language = Language { name: "docker-ddns", is_meant, read, speak };

fn is_meant(request: &Request) -> bool {
    let has = |name| request.parameters.has(name);
    in_path(request).is_some() || (request.path == "/update" && has("secret") && has("domain"))
}

/// Host and token of pboehm's path.
fn in_path(request: &Request) -> Option<(&str, &str)> {
    match request.segments.as_slice() {
        [update, host, token]
            if update.eq_ignore_ascii_case("update") && !request.logs_in_for_a_host() =>
        {
            Some((host, token))
        }
        _ => None,
    }
}

fn read(request: &Request) -> Asked {
    let addressed = spelling::read(&request.parameters, request.source);
    let mut hints = Vec::new();
    addressed.hint(&mut hints);
    let (names, logins): (Vec<Option<Name>>, _) = match in_path(request) {
        Some((host, token)) => (vec![hosts::label_or_host(host)], credentials::tokens([token])),
        None => (
            domains(request).into_iter().map(hosts::label_or_host).collect(),
            credentials::tokens(request.parameters.all("secret")),
        ),
    };
    let hosts = Hosts::Listed(if names.is_empty() { vec![None] } else { names });
    let update = request.update(Protocol::DockerDdns, hosts, addressed.report);
    let asked = Asked::report(update, logins, addressed.spelling);
    Asked { names: Names::Short, hints, ..asked }
}

fn domains(request: &Request) -> Vec<&str> {
    request.parameters.all("domain").flat_map(hosts::items).collect()
}

fn speak(request: &Request, asked: &Asked, answer: &Answer) -> Spoken {
    let trouble = trouble(answer);
    let status = match answer {
        Answer::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
        Answer::BadMethod => StatusCode::METHOD_NOT_ALLOWED,
        _ => StatusCode::OK,
    };
    let address = asked.spelling.text.as_str();
    if in_path(request).is_some() {
        return match trouble {
            None => Spoken::json(
                status,
                &json!({"current_ip": address, "status": "Successfuly updated"}),
            ),
            Some(trouble) => Spoken::json(
                // Its own clients look at the status alone.
                if status == StatusCode::OK { StatusCode::BAD_REQUEST } else { status },
                &json!({"error": trouble}),
            ),
        };
    }
    // Only names of hosts are repeated: anybody may have written the rest.
    let names: Vec<&str> = match trouble {
        None => domains(request),
        Some(_) => Vec::new(),
    };
    let last = names.last().copied().unwrap_or_default();
    let kind = if address.contains(':') { "AAAA" } else { "A" };
    let message = match trouble {
        None => format!("Updated {kind} record for {last} to IP address {address}"),
        Some(trouble) => trouble.to_owned(),
    };
    Spoken::json(
        status,
        &json!({
            "Success": trouble.is_none(), "Message": message, "Domain": last,
            "Domains": names, "Address": address, "AddrType": kind,
        }),
    )
}

/// What went wrong, if anything.
fn trouble(answer: &Answer) -> Option<&'static str> {
    Some(match answer {
        Answer::Outcomes(outcomes) => {
            return outcomes.iter().find_map(|outcome| match outcome {
                Outcome::Moved(_) | Outcome::Kept(_) => None,
                Outcome::BadAddress | Outcome::BadPrefix => Some("Invalid address"),
                Outcome::NotAllowed => Some("Not allowed"),
                Outcome::Blocked => Some("Domain is blocked"),
                Outcome::NotAName => Some("Domain not set"),
                _ => Some("No such domain"),
            });
        }
        Answer::BadAuth => "Invalid Credentials",
        Answer::Blocked => "Account is blocked",
        Answer::TooManyHosts => "Too many domains",
        Answer::BadMethod => "Use GET",
        _ => "Try again later",
    })
}
