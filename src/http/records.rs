//! Records beside addresses, for programs: what `truename record` does, with a
//! key, within what the key may.
//!
//! ```text
//! POST /api/records HTTP/1.1
//! Authorization: Basic aG9tZTp0b2tlbg==
//! Content-Type: application/json
//!
//! {"remove": [{"name": "home.dyn.example.org", "type": "MX"}],
//!  "add": [{"name": "home.dyn.example.org", "type": "MX", "data": "10 mail.example.org.",
//!           "ttl": 300, "for": "30d"}]}
//!
//! {"changed":true}
//! ```
//!
//! All changes are made or none, removals first. Without `data` all records of
//! the type go, without `type` all of the name; `ttl` and `for` may be left
//! out. Statuses are those of HTTP: no router is here that would stop at a 403.

use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::json;

use super::credentials;
use super::language::{Answer, Asked, Language, Names, Request, Spoken, Task};
use super::spelling::Spelling;
use crate::model::{Lease, Name, Protocol, RecordType};
use crate::update::{Edit, Edited, Edits, RecordChange};
use crate::zone::data_from_text;

/// Our own, for records.
pub const LANGUAGE: Language = Language { name: "records", is_meant, read, speak };

/// Where it is spoken.
const PATH: &str = "/api/records";

/// Changes in one request.
const MAX_EDITS: usize = 100;

/// The body.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    #[serde(default)]
    remove: Vec<Removal>,
    #[serde(default)]
    add: Vec<Addition>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Removal {
    name: Name,
    #[serde(rename = "type")]
    rtype: Option<RecordType>,
    data: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Addition {
    name: Name,
    #[serde(rename = "type")]
    rtype: RecordType,
    data: String,
    ttl: Option<u32>,
    #[serde(rename = "for")]
    keep: Option<Lease>,
}

fn is_meant(request: &Request) -> bool {
    request.path == PATH
}

fn read(request: &Request) -> Asked {
    let edits = edits(&request.body).map(|edits| {
        let source = request.source.address;
        Task::Edit(Edits { requires: Vec::new(), edits, protocol: Protocol::Api, source })
    });
    Asked {
        task: edits.unwrap_or(Task::Nothing),
        logins: credentials::logins(&request.head, &request.parameters),
        names: Names::Absolute,
        spelling: Spelling { text: String::new(), always_good: false },
        hints: Vec::new(),
    }
}

/// The changes, or what is wrong with the body.
fn edits(body: &[u8]) -> Result<Vec<Edit>, String> {
    if body.is_empty() {
        return Err("POST the changes as JSON, with Content-Type: application/json".into());
    }
    let wanted: Wanted = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    if wanted.remove.len() + wanted.add.len() > MAX_EDITS {
        return Err(format!("a request has {MAX_EDITS} changes at most"));
    }
    let removals = wanted.remove.into_iter().map(Removal::edit);
    removals.chain(wanted.add.into_iter().map(Addition::edit)).collect()
}

impl Removal {
    fn edit(self) -> Result<Edit, String> {
        let change = match (self.rtype, self.data) {
            (None, None) => RecordChange::RemoveName,
            (None, Some(_)) => return Err("what has `data` to be removed has a `type`".into()),
            (Some(rtype), None) => RecordChange::RemoveSet { rtype },
            (Some(rtype), Some(data)) => {
                RecordChange::Remove { rtype, rdata: data_from_text(rtype, &data)? }
            }
        };
        Ok(Edit { name: self.name, change })
    }
}

impl Addition {
    fn edit(self) -> Result<Edit, String> {
        let Addition { name, rtype, data, ttl, keep } = self;
        let rdata = data_from_text(rtype, &data)?;
        let keep = keep.and_then(|keep| match keep {
            Lease::For(span) => Some(span),
            Lease::Never => None,
        });
        Ok(Edit { name, change: RecordChange::Add { rtype, ttl, rdata, keep, newest: None } })
    }
}

fn speak(request: &Request, _: &Asked, answer: &Answer) -> Spoken {
    let error = |status, why: &str| Spoken::json(status, &json!({ "error": why }));
    match answer {
        Answer::Edited(Edited::Done { changed }) => {
            Spoken::json(StatusCode::OK, &json!({ "changed": changed }))
        }
        Answer::Edited(edited) => {
            let (status, why) = refusal(edited);
            error(status, why)
        }
        Answer::Nothing => {
            let why = edits(&request.body).err().unwrap_or_default();
            error(StatusCode::BAD_REQUEST, &why)
        }
        Answer::BadAuth => error(StatusCode::UNAUTHORIZED, "no key of ours, or not from there"),
        Answer::Blocked => error(StatusCode::FORBIDDEN, "blocked by the operator"),
        Answer::BadMethod => error(StatusCode::METHOD_NOT_ALLOWED, "POST a JSON object"),
        Answer::Unavailable(_) => error(StatusCode::SERVICE_UNAVAILABLE, "try again later"),
        Answer::Outcomes(_) | Answer::Hosts(_) | Answer::Made(_) | Answer::TooManyHosts => {
            error(StatusCode::BAD_REQUEST, "no changes of records")
        }
    }
}

fn refusal(edited: &Edited) -> (StatusCode, &'static str) {
    match edited {
        Edited::Done { .. } => (StatusCode::OK, ""),
        Edited::Unknown => (StatusCode::NOT_FOUND, "a name is at or below no host of this key's"),
        Edited::NotAllowed => (
            StatusCode::FORBIDDEN,
            "the key may not change records of this type here; the operator can let it: \
             truename key set KEY --may",
        ),
        Edited::Blocked => (StatusCode::FORBIDDEN, "blocked by the operator"),
        Edited::BadAddress => {
            (StatusCode::UNPROCESSABLE_ENTITY, "the address may not be published here")
        }
        Edited::BadData => (StatusCode::UNPROCESSABLE_ENTITY, "the data is too long"),
        Edited::BesideCname => (StatusCode::CONFLICT, "a CNAME would stand beside other records"),
        Edited::TooMany => (StatusCode::UNPROCESSABLE_ENTITY, "a host has 64 records at most"),
        Edited::Failed(_) => (StatusCode::CONFLICT, "a requirement does not hold"),
    }
}

#[cfg(test)]
mod tests {
    use super::{MAX_EDITS, edits};

    #[test]
    fn bodies() {
        let read = |body: &str| edits(body.as_bytes()).map(|edits| edits.len());
        assert_eq!(read("{}"), Ok(0));
        assert_eq!(
            read(
                r#"{"remove":[{"name":"a.b","type":"MX"},{"name":"a.b"}],
                   "add":[{"name":"a.b","type":"TXT","data":"\"x y\"","ttl":60,"for":"1d"}]}"#
            ),
            Ok(3)
        );
        for bad in [
            "",
            r#"{"ad":[]}"#,
            r#"{"remove":[{"name":"a.b","data":"x"}]}"#,
            r#"{"add":[{"name":"a..b","type":"TXT","data":"x"}]}"#,
            r#"{"add":[{"name":"a.b","type":"A","data":"x"}]}"#,
            r#"{"add":[{"name":"a.b","type":"A","data":"192.0.2.1","for":"soon"}]}"#,
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
        let many = vec![r#"{"name":"a.b"}"#; MAX_EDITS + 1].join(",");
        assert!(read(&format!(r#"{{"remove":[{many}]}}"#)).is_err());
    }
}
