//! Namecheap's dynamic DNS.
//!
//! ```text
//! GET /update?host=home&domain=dyn.example.org&password=t0ken&ip=192.0.2.1 HTTP/1.1
//!
//! <?xml version="1.0"?><interface-response>…<ErrCount>0</ErrCount>…
//! ```
//!
//! `@` is the domain itself; ddclient may send the full name as `host`. `*`
//! is the domain, too: whether there is a wildcard is the owner's setting.
//! ddclient and inadyn look for `<ErrCount>0`, ddns-updater parses the XML.

use std::fmt::Write as _;

use axum::http::StatusCode;

use super::language::{Answer, Asked, Language, Request, Spoken};
use super::{credentials, hosts, spelling};
use crate::model::{Name, Protocol};
use crate::update::{Hosts, Outcome};

/// Namecheap.
pub const LANGUAGE: Language = Language { name: "namecheap", is_meant, read, speak };

fn is_meant(request: &Request) -> bool {
    let has = |name| request.parameters.has(name);
    request.path == "/update" && has("host") && has("domain") && has("password")
}

fn read(request: &Request) -> Asked {
    let parameters = &request.parameters;
    let addressed = spelling::read(parameters, request.source);
    let mut hints = Vec::new();
    addressed.hint(&mut hints);
    let domain = parameters.first(&["domain"]).and_then(hosts::host);
    let labels = parameters.all("host").flat_map(hosts::items);
    let mut names: Vec<Option<Name>> = labels.map(|label| full(label, domain.as_ref()?)).collect();
    if names.is_empty() {
        names.push(domain);
    }
    let update = request.update(Protocol::Namecheap, Hosts::Listed(names), addressed.report);
    let logins = credentials::tokens(parameters.all("password"));
    Asked { hints, ..Asked::report(update, logins, addressed.spelling) }
}

/// The full name of a label in a domain.
fn full(label: &str, domain: &Name) -> Option<Name> {
    let label = label.strip_prefix("*.").unwrap_or(label);
    if label == "@" || label == "*" {
        return Some(domain.clone());
    }
    let given = hosts::label_or_host(label)?;
    if given.is_within(domain) {
        return Some(given);
    }
    given.labels().rev().try_fold(domain.clone(), |below, label| below.child(label)).ok()
}

fn speak(_: &Request, asked: &Asked, answer: &Answer) -> Spoken {
    let (status, error) = match answer {
        Answer::Outcomes(outcomes) => {
            let error = outcomes.iter().find_map(|outcome| match outcome {
                Outcome::Moved(_) | Outcome::Kept(_) => None,
                Outcome::BadAddress | Outcome::BadPrefix => Some("Invalid IP"),
                Outcome::NotAllowed => Some("Not allowed"),
                Outcome::Blocked => Some("Domain is blocked"),
                _ => Some("No Records updated. A record not Found;"),
            });
            (StatusCode::OK, error)
        }
        Answer::Blocked => (StatusCode::OK, Some("Account is blocked")),
        Answer::TooManyHosts => (StatusCode::OK, Some("Too many hosts")),
        Answer::Unavailable(_) => (StatusCode::SERVICE_UNAVAILABLE, Some("Try again later")),
        Answer::BadMethod => (StatusCode::METHOD_NOT_ALLOWED, Some("Use GET")),
        _ => (StatusCode::OK, Some("Passwords do not match")),
    };
    let mut body = String::from(
        "<?xml version=\"1.0\"?><interface-response><Command>SETDNSHOST</Command>\
         <Language>eng</Language>",
    );
    let _ = match error {
        None => write!(body, "<IP>{}</IP><ErrCount>0</ErrCount>", asked.spelling.text),
        Some(error) => {
            write!(body, "<ErrCount>1</ErrCount><errors><Err1>{error}</Err1></errors>")
        }
    };
    body.push_str(
        "<ResponseCount>0</ResponseCount><Done>true</Done><debug><![CDATA[]]></debug>\
         </interface-response>",
    );
    Spoken { status, kind: "text/xml", body }
}
