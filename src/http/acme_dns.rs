//! acme-dns: a server of nothing but the TXT records that prove names to
//! certificate authorities, by an API that many clients speak. We serve it
//! beside everything else, for two kinds of users:
//!
//! - a host of ours: user and subdomain are its name, the key is its own, and
//!   the record stands at `_acme-challenge` below it;
//! - anybody, where the operator allows `/register`: gets a new name which is
//!   good for TXT records alone, and points a CNAME at it.
//!
//! ```text
//! POST /update HTTP/1.1
//! X-Api-User: 8e5700ea-a4bf-41c7-8a77-e990661dcc6a
//! X-Api-Key: htB9mR9DYgcu9bX_afHF62erXaH2TS7bg9KW3F7Z
//!
//! {"subdomain":"8e5700ea-a4bf-41c7-8a77-e990661dcc6a","txt":"LHDhK3oGRvkiefQnx7OOczTY5Tic_xZ6HcMOc_gmtoM"}
//!
//! HTTP/1.1 200 OK
//! Content-Type: application/json
//!
//! {"txt": "LHDhK3oGRvkiefQnx7OOczTY5Tic_xZ6HcMOc_gmtoM"}
//! ```
//!
//! Words and statuses are those of acme-dns's `pkg/api`. Where it knows no
//! word, what is for later is 503 and what is wrong in a request is 400. Two
//! departures: a body that is no JSON is told so, rather than `forbidden`; and
//! values go after a day at the latest, not only with the value after the next.

use axum::http::{Method, StatusCode};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::language::{Answer, Asked, Language, Names, Request, Spoken, Task};
use super::register::Made;
use super::spelling::Spelling;
use super::{challenge, hosts};
use crate::model::{Name, Protocol, Secret};
use crate::registry::Login;
use crate::update::{Edited, Hosts};

/// As `dispatch.rs` takes it.
pub const LANGUAGE: Language = Language { name: "acme-dns", is_meant, read, speak };

/// The length of a value: 256 bits in base64 (RFC 8555 §8.4).
const VALUE_LENGTH: usize = 43;

/// Networks in one `allowfrom`.
const MAX_NETWORKS: usize = 16;

fn is_meant(request: &Request) -> bool {
    let is_update = request.path.ends_with("/update") && request.header("x-api-user").is_some();
    request.head.method == Method::POST && (is_update || is_registration(request))
}

fn is_registration(request: &Request) -> bool {
    request.path.ends_with("/register")
}

fn read(request: &Request) -> Asked {
    let task = match is_registration(request) {
        true => networks(&request.body).map(Task::Register),
        false => record(request).map(|record| Task::Challenge {
            hosts: Hosts::Listed(vec![Some(record.host)]),
            change: challenge::set(&record.value),
            protocol: Protocol::AcmeDns,
        }),
    };
    let text = |name| request.header(name).unwrap_or_default().trim().to_owned();
    let login = Login { user: text("x-api-user"), secret: Secret(text("x-api-key")) };
    // Names that were registered with acme-dns itself have users of other names.
    let subdomain = record(request)
        .ok()
        .map(|record| Login { user: record.host.without_dot(), secret: login.secret.clone() });
    Asked {
        task: task.unwrap_or(Task::Nothing),
        logins: std::iter::once(login).chain(subdomain).collect(),
        names: Names::Short,
        spelling: Spelling::default(),
        hints: Vec::new(),
    }
}

/// What an update is about.
#[derive(Debug, PartialEq, Eq)]
struct Record {
    /// Whose: the first label of a name in a zone here, or a whole name.
    host: Name,
    value: String,
}

/// What is wrong with a request, in acme-dns's words.
type Fault = &'static str;

fn record(request: &Request) -> Result<Record, Fault> {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Body {
        subdomain: String,
        txt: String,
    }
    let Some(Body { subdomain, txt }) = request.json() else { return Err(JSON) };
    let host = hosts::label_or_host(&subdomain).ok_or("bad_subdomain")?;
    let is_digit = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if txt.len() != VALUE_LENGTH || !txt.bytes().all(is_digit) {
        return Err("bad_txt");
    }
    Ok(Record { host, value: txt })
}

/// What is no JSON.
const JSON: Fault = "malformed_json_payload";

/// From where a name is to be good. No body at all is the usual one.
fn networks(body: &[u8]) -> Result<Vec<IpNet>, Fault> {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Body {
        allowfrom: Option<Vec<String>>,
    }
    const NETWORK: Fault = "invalid_allowfrom_cidr";
    if body.is_empty() {
        return Ok(Vec::new());
    }
    let body: Body = serde_json::from_slice(body).map_err(|_| JSON)?;
    let given = body.allowfrom.unwrap_or_default();
    if given.len() > MAX_NETWORKS {
        return Err(NETWORK);
    }
    // `[2001:db8::]/32` is as good to acme-dns as without the brackets.
    let network = |text: String| text.replace(['[', ']'], "").trim().parse().ok();
    given.into_iter().map(|text| network(text).ok_or(NETWORK)).collect()
}

fn speak(request: &Request, _: &Asked, answer: &Answer) -> Spoken {
    if is_registration(request) {
        return match answer {
            Answer::Made(made) => speak_made(made),
            _ => error(StatusCode::BAD_REQUEST, networks(&request.body).err().unwrap_or(JSON)),
        };
    }
    let value = match record(request) {
        Ok(record) => record.value,
        Err(fault) => return error(StatusCode::BAD_REQUEST, fault),
    };
    match answer {
        // The value is letters of base64: nothing in it needs an escape.
        Answer::Edited(Edited::Done { .. }) => {
            said(StatusCode::OK, format!("{{\"txt\": \"{value}\"}}"))
        }
        Answer::BadAuth
        | Answer::Blocked
        | Answer::Edited(Edited::Unknown | Edited::NotAllowed | Edited::Blocked) => {
            error(StatusCode::UNAUTHORIZED, "forbidden")
        }
        Answer::Edited(Edited::TooMany) => {
            error(StatusCode::SERVICE_UNAVAILABLE, "too_many_records")
        }
        Answer::Edited(_) => error(StatusCode::BAD_REQUEST, "name_has_other_records"),
        _ => error(StatusCode::SERVICE_UNAVAILABLE, "db_error"),
    }
}

fn speak_made(made: &Made) -> Spoken {
    /// In the order of acme-dns.
    #[derive(Serialize)]
    struct Registered<'a> {
        username: &'a str,
        password: &'a str,
        fulldomain: &'a str,
        subdomain: &'a str,
        allowfrom: &'a [IpNet],
    }
    match made {
        Made::Name { name, token, networks } => {
            let fulldomain = name.without_dot();
            let subdomain = fulldomain.split('.').next().unwrap_or_default();
            let registered = Registered {
                username: subdomain,
                password: &token.0,
                fulldomain: &fulldomain,
                subdomain,
                allowfrom: networks,
            };
            let body = serde_json::to_string(&registered).expect("texts and networks are JSON");
            said(StatusCode::CREATED, body)
        }
        // acme-dns does not know the path when registrations are off.
        Made::Disabled => error(StatusCode::NOT_FOUND, "registration_disabled"),
        Made::TooMany => error(StatusCode::SERVICE_UNAVAILABLE, "too_many_registrations"),
        Made::Refused(why) => error(StatusCode::SERVICE_UNAVAILABLE, why),
    }
}

/// With a blank after the colon, as acme-dns has it.
fn error(status: StatusCode, words: &str) -> Spoken {
    let words = serde_json::to_string(words).expect("a text is JSON");
    said(status, format!("{{\"error\": {words}}}"))
}

fn said(status: StatusCode, body: String) -> Spoken {
    Spoken { status, kind: "application/json", body }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn update(body: &str) -> Result<String, Fault> {
        let request = Request::of("POST /update", "X-Api-User: home", body);
        assert!(is_meant(&request));
        record(&request).map(|record| format!("{} {}", record.host, record.value))
    }

    #[test]
    fn updates() {
        let value = "LHDhK3oGRvkiefQnx7OOczTY5Tic_xZ6HcMOc_gmto-";
        let body = |subdomain: &str, txt: &str| {
            format!("{{\"subdomain\":\"{subdomain}\", \"txt\": \"{txt}\"}}")
        };
        assert_eq!(update(&body("home", value)), Ok(format!("home. {value}")));
        assert_eq!(
            update(&body("Home.dyn.example.org", value)),
            Ok(format!("home.dyn.example.org. {value}"))
        );
        for wrong in ["", "a..b", "a b", &"a".repeat(64)] {
            assert_eq!(update(&body(wrong, value)), Err("bad_subdomain"), "{wrong}");
        }
        for wrong in ["", &value[1..], &format!("{value}a"), &value.replace('_', "/")] {
            assert_eq!(update(&body("home", wrong)), Err("bad_txt"), "{wrong}");
        }
        for wrong in ["", "{", "subdomain=home&txt=a", "{\"txt\":1}"] {
            assert_eq!(update(wrong), Err("malformed_json_payload"), "{wrong}");
        }
    }

    #[test]
    fn what_is_meant() {
        let meant = |line: &str, headers: &str| is_meant(&Request::of(line, headers, ""));
        assert!(meant("POST /register", ""));
        assert!(!meant("GET /register", ""));
        assert!(meant("POST /update", "X-Api-User: a"));
        assert!(!meant("POST /update", ""), "that is somebody else's");
        assert!(!meant("GET /update", "X-Api-User: a"));
    }

    #[test]
    fn registrations() {
        let read = |body: &str| networks(body.as_bytes()).map(|networks| networks.len());
        assert_eq!(read(""), Ok(0));
        assert_eq!(read("{}"), Ok(0));
        assert_eq!(read("{\"allowfrom\":null}"), Ok(0));
        assert_eq!(read("{\"allowfrom\":[\"192.0.2.0/24\",\"[2001:db8::]/32\"]}"), Ok(2));
        for wrong in ["192.0.2.1", "192.0.2.1/33", ""] {
            let body = format!("{{\"allowfrom\":[\"{wrong}\"]}}");
            assert_eq!(read(&body), Err("invalid_allowfrom_cidr"), "{wrong}");
        }
        let many = vec!["\"192.0.2.0/24\""; MAX_NETWORKS + 1].join(",");
        assert_eq!(read(&format!("{{\"allowfrom\":[{many}]}}")), Err("invalid_allowfrom_cidr"));
        assert_eq!(read("allowfrom"), Err("malformed_json_payload"));
    }
}
