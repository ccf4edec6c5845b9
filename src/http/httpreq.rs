//! lego's `httpreq`: whoever gets certificates has the TXT record for them
//! set by us. Spoken by lego, Traefik, and acme.sh as `acmeproxy`.
//!
//! ```text
//! POST /present HTTP/1.1                         /cleanup takes it away again
//! Authorization: Basic aG9tZTp0b2tlbg==
//! Content-Type: application/json
//!
//! {"fqdn":"_acme-challenge.home.dyn.example.org.","value":"LHDhK3oGRvkiefQnx7OOczTY5Tic_xZ6HcMOc_gmtoM"}
//!
//! HTTP/1.1 200 OK
//! Content-Type: application/json
//!
//! {"fqdn":"_acme-challenge.home.dyn.example.org.","value":"LHDhK3oGRvkiefQnx7OOczTY5Tic_xZ6HcMOc_gmtoM"}
//! ```
//!
//! In its mode RAW lego sends `{"domain", "token", "keyAuth"}` and has us
//! make name and value of them. The endpoint may have a path before
//! `/present`. lego takes every status below 400 for success, acme.sh looks
//! for the value in quotes.

use axum::http::{Method, StatusCode};
use data_encoding::BASE64URL_NOPAD;
use serde::Deserialize;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::language::{Answer, Asked, Language, Names, Request, Spoken, Task};
use super::parameters::Parameters;
use super::spelling::Spelling;
use super::{challenge, credentials};
use crate::model::{Name, Protocol};
use crate::update::{Edit, Edited, Edits};

/// As `dispatch.rs` takes it.
pub const LANGUAGE: Language = Language { name: "httpreq", is_meant, read, speak };

/// Whether a record is to be there; `None`: that is none of this language's
/// requests.
fn wanted(request: &Request) -> Option<bool> {
    let action = request.path.rsplit('/').next();
    match action.filter(|_| request.head.method == Method::POST) {
        Some("present") => Some(true),
        Some("cleanup") => Some(false),
        _ => None,
    }
}

fn is_meant(request: &Request) -> bool {
    wanted(request).is_some()
}

/// A body, in either mode.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Message {
    fqdn: String,
    value: String,
    domain: String,
    #[serde(rename = "keyAuth")]
    key_auth: String,
}

/// One TXT record.
struct Record {
    name: Name,
    value: String,
}

/// Which record a request is about, or what is wrong with it: a sentence for
/// whoever reads the client's log.
fn record(request: &Request) -> Result<Record, &'static str> {
    let Some(message) = request.json::<Message>() else {
        return Err("the body is not JSON as lego's httpreq sends it");
    };
    let Message { fqdn, value, domain, key_auth } = message;
    let record = if domain.is_empty() {
        Record { name: fqdn.parse().map_err(|_| "fqdn is no name")?, value }
    } else {
        // What a wildcard stands for is proved at the name below which it
        // stands (RFC 8555 §7.1.3).
        let domain = domain.strip_prefix("*.").unwrap_or(&domain);
        let name = domain.parse().ok().and_then(|name| challenge::at(&name));
        if key_auth.is_empty() {
            return Err("keyAuth is missing");
        }
        Record { name: name.ok_or("domain is no name")?, value: proof(&key_auth) }
    };
    match challenge::present(&record.value) {
        Some(_) => Ok(record),
        None => Err("value is a text of 1 to 255 octets"),
    }
}

/// The value that proves a key authorization (RFC 8555 §8.4).
fn proof(key_authorization: &str) -> String {
    BASE64URL_NOPAD.encode(&Sha256::digest(key_authorization.as_bytes()))
}

fn read(request: &Request) -> Asked {
    let change = |record: &Record| match wanted(request) {
        Some(true) => challenge::present(&record.value),
        _ => challenge::cleanup(&record.value),
    };
    let record = record(request).ok();
    let edit = record.and_then(|record| {
        let change = change(&record)?;
        Some(Edit { name: record.name, change })
    });
    let task = edit.map_or(Task::Nothing, |edit| {
        Task::Edit(Edits {
            requires: Vec::new(),
            edits: vec![edit],
            protocol: Protocol::Httpreq,
            source: request.source.address,
        })
    });
    Asked {
        task,
        logins: credentials::logins(&request.head, &Parameters::default()),
        names: Names::Absolute,
        spelling: Spelling::default(),
        hints: Vec::new(),
    }
}

fn speak(request: &Request, _: &Asked, answer: &Answer) -> Spoken {
    let Record { name, value } = match record(request) {
        Ok(record) => record,
        Err(fault) => return error(StatusCode::BAD_REQUEST, fault),
    };
    let place = name.without_dot();
    match answer {
        Answer::Edited(Edited::Done { .. }) => {
            Spoken::json(StatusCode::OK, &json!({ "fqdn": name.to_string(), "value": value }))
        }
        Answer::BadAuth => error(
            StatusCode::UNAUTHORIZED,
            "user and password are not those of a host here: log in as the host, with its key",
        ),
        Answer::Edited(Edited::Unknown | Edited::NotAllowed) => {
            error(StatusCode::FORBIDDEN, &format!("this key may not set TXT records at {place}"))
        }
        Answer::Edited(Edited::Blocked) | Answer::Blocked => {
            error(StatusCode::FORBIDDEN, "the operator of this server has blocked this host")
        }
        Answer::Edited(Edited::TooMany) => error(
            StatusCode::INSUFFICIENT_STORAGE,
            "the host has as many records as it may have; clean some up, or wait a day",
        ),
        Answer::Edited(Edited::BesideCname) => error(
            StatusCode::CONFLICT,
            &format!("there is a CNAME at {place}: set the record where it points, or remove it"),
        ),
        Answer::Edited(Edited::BadAddress | Edited::BadData | Edited::Failed(_)) => {
            error(StatusCode::CONFLICT, &format!("no TXT record can be set at {place}"))
        }
        _ => error(StatusCode::SERVICE_UNAVAILABLE, "not now; try again in a few minutes"),
    }
}

fn error(status: StatusCode, sentence: &str) -> Spoken {
    Spoken::json(status, &json!({ "error": sentence }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn txt(body: &str) -> String {
        match record(&Request::of("POST /present", "Content-Type: application/json", body)) {
            Ok(record) => format!("{} {}", record.name, record.value),
            Err(fault) => fault.to_owned(),
        }
    }

    #[test]
    fn paths() {
        let wanted = |line: &str| wanted(&Request::of(line, "", ""));
        assert_eq!(wanted("POST /present"), Some(true));
        assert_eq!(wanted("POST /some/where/cleanup"), Some(false));
        assert_eq!(wanted("GET /present"), None);
        assert_eq!(wanted("POST /presents"), None);
        assert_eq!(wanted("POST /present/update"), None);
        assert_eq!(wanted("POST /"), None);
    }

    #[test]
    fn both_modes() {
        assert_eq!(
            txt(r#"{"fqdn":"_acme-challenge.Home.dyn.example.org.","value":"v"}"#),
            "_acme-challenge.home.dyn.example.org. v"
        );
        assert_eq!(
            txt(r#"{"fqdn":"a.b","value":"v","more":1}"#),
            "a.b. v",
            "without a dot at the end, with more than we know"
        );
        // `printf %s a.b | openssl dgst -sha256 -binary | basenc --base64url`
        let proof = "LnM23I66h-9HLfVow1SCq_JXXcPl6sDFxiuP-urCyTQ";
        for domain in ["home.dyn.example.org", "*.home.dyn.example.org"] {
            assert_eq!(
                txt(&format!(r#"{{"domain":"{domain}","token":"a","keyAuth":"a.b"}}"#)),
                format!("_acme-challenge.home.dyn.example.org. {proof}")
            );
        }
    }

    #[test]
    fn faults() {
        assert!(txt("").starts_with("the body is not JSON"));
        assert!(txt("7").starts_with("the body is not JSON"));
        assert!(txt(r#"{"fqdn":1,"value":"v"}"#).starts_with("the body is not JSON"));
        assert_eq!(txt("{}"), "fqdn is no name");
        assert_eq!(txt(r#"{"fqdn":"a..b","value":"v"}"#), "fqdn is no name");
        assert_eq!(txt(r#"{"fqdn":"a.b"}"#), "value is a text of 1 to 255 octets");
        assert_eq!(txt(r#"{"domain":"a..b","keyAuth":"a"}"#), "domain is no name");
        assert_eq!(txt(r#"{"domain":"a.b"}"#), "keyAuth is missing");
        let long = "x".repeat(256);
        assert_eq!(
            txt(&format!(r#"{{"fqdn":"a.b","value":"{long}"}}"#)),
            "value is a text of 1 to 255 octets"
        );
    }
}
