//! The token URL: the token names the host, and is all there is.
//!
//! ```text
//! GET /t0ken?ip_address=192.0.2.1 HTTP/1.1
//!
//! good 192.0.2.1
//! ```
//!
//! Without an address it is the one the request comes from. A token of nobody
//! is a page that is not there, unless it may be an update in dyndns2 whose
//! client logs in only when challenged.

use axum::http::{Method, StatusCode, header};

use super::language::{Answer, Asked, Language, Request, Spoken};
use super::{credentials, dyndns2, hosts, spelling};
use crate::model::Protocol;
use crate::update::Hosts;

/// The token URL.
pub const LANGUAGE: Language = Language { name: "token", is_meant, read, speak };

/// The shortest path taken for a token, in characters: shorter ones would be
/// guessed.
const SHORTEST: usize = 12;

/// The longest.
const LONGEST: usize = 128;

fn is_meant(request: &Request) -> bool {
    let names_a_host = hosts::HOSTS.iter().any(|name| request.parameters.has(name));
    matches!(request.head.method, Method::GET | Method::POST)
        && token(request).is_some()
        && !names_a_host
        && !credentials::presented(&request.head.headers, &request.parameters)
        && !request.head.headers.contains_key(header::AUTHORIZATION)
}

/// The path, if it may be a token.
fn token(request: &Request) -> Option<&str> {
    let [token] = request.segments.as_slice() else { return None };
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    ((SHORTEST..=LONGEST).contains(&token.len()) && token.chars().all(plain)).then_some(token)
}

fn read(request: &Request) -> Asked {
    let addressed = spelling::read(&request.parameters, request.source);
    let mut hints = Vec::new();
    addressed.hint(&mut hints);
    let update = request.update(Protocol::Token, Hosts::Implied(None), addressed.report);
    let logins = credentials::tokens(token(request));
    Asked { hints, ..Asked::report(update, logins, addressed.spelling) }
}

fn speak(request: &Request, asked: &Asked, answer: &Answer) -> Spoken {
    let (status, body) = dyndns2::words(answer, &asked.spelling);
    match answer {
        Answer::BadAuth if !dyndns2::is_meant(request) => {
            Spoken::text(StatusCode::NOT_FOUND, "not found\n")
        }
        _ => Spoken::text(status, body),
    }
}
