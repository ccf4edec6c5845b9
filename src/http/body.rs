//! What a request has behind its head.
//!
//! ```text
//! POST /nic/update HTTP/1.1
//! Content-Type: application/json
//!
//! {"hostname":"home.dyn.example.org","myip":"192.0.2.1"}
//! ```
//!
//! A form or a JSON object (ddns-go, NewFuture/DDNS) says what the query could
//! have said. In anything else an address may stand that is not read here
//! (multipart/form-data, as curl's `-F` and pfSense send it): whoever sends that,
//! and no address in the query, does not mean the one it comes from.

use axum::body::{Body, HttpBody};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use http_body_util::{BodyExt, Limited};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde_json::Value;

use super::{Limits, text};

/// What a body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// There is nothing in it.
    Empty,
    /// A form. What does not say what it is, is taken for one: old clients
    /// forget the header.
    Form,
    /// JSON, or what says so; and what looks like it, whatever it says: curl
    /// calls everything a form.
    Json,
    /// Nothing that can be read, or behind a method that should have none.
    Unknown,
}

/// What the body of a request is.
pub fn kind(request: &Parts, body: &[u8]) -> Kind {
    let said = request.headers.get(header::CONTENT_TYPE).map_or(FORM, HeaderValue::as_bytes);
    let is =
        |kind: &[u8]| said.get(..kind.len()).is_some_and(|start| start.eq_ignore_ascii_case(kind));
    match body {
        [] => Kind::Empty,
        _ if request.method != Method::POST => Kind::Unknown,
        _ if is(b"application/json") => Kind::Json,
        [b'{' | b'[', ..] if is(FORM) => Kind::Json,
        _ if is(FORM) => Kind::Form,
        _ => Kind::Unknown,
    }
}

const FORM: &[u8] = b"application/x-www-form-urlencoded";

/// What means something in a form.
const MARKS: AsciiSet = CONTROLS.add(b' ').add(b'%').add(b'&').add(b'+').add(b'=');

/// A JSON object as the form that says the same, and whether it says all of
/// it: what is nested is left out. `None`: it is no object.
pub fn as_form(json: &[u8]) -> Option<(String, bool)> {
    let Ok(Value::Object(fields)) = serde_json::from_slice(json) else { return None };
    let mut pairs = Vec::new();
    let mut is_whole = true;
    for (name, value) in &fields {
        let text = match value {
            Value::Null => continue,
            Value::String(text) => text.clone(),
            Value::Bool(_) | Value::Number(_) => value.to_string(),
            Value::Array(_) | Value::Object(_) => {
                is_whole = false;
                continue;
            }
        };
        let encoded = |text| utf8_percent_encode(text, &MARKS);
        pairs.push(format!("{}={}", encoded(name), encoded(&text)));
    }
    Some((pairs.join("&"), is_whole))
}

/// Reads a whole body. Where that fails nobody knows where the next request
/// begins, and the connection ends with the answer.
pub async fn read(body: Body, limits: &Limits) -> Result<Vec<u8>, Response> {
    if body.is_end_stream() {
        return Ok(Vec::new());
    }
    let body = Limited::new(body, limits.body_size);
    let status = match tokio::time::timeout(limits.body_time, body.collect()).await {
        Ok(Ok(body)) => return Ok(body.to_bytes().trim_ascii().to_vec()),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => {
            StatusCode::PAYLOAD_TOO_LARGE
        }
        Ok(Err(_)) => StatusCode::BAD_REQUEST,
        Err(_) => StatusCode::REQUEST_TIMEOUT,
    };
    let mut refused = text(status, "");
    refused.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    Err(refused)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_as_a_form() {
        let whole = |text: &str| Some((text.to_owned(), true));
        let in_part = |text: &str| Some((text.to_owned(), false));
        for (json, form) in [
            (
                r#"{"hostname":"a.b","ttl":60,"x":true,"y":null}"#,
                whole("hostname=a.b&ttl=60&x=true"),
            ),
            (r#"{"password":"a&b=c +%41\u00e9"}"#, whole("password=a%26b%3Dc%20%2B%2541%C3%A9")),
            (r#"{"a":"1","b":{"myip":"192.0.2.1"},"c":["d"]}"#, in_part("a=1")),
            ("{}", whole("")),
            ("[]", None),
            ("\"myip\"", None),
            ("{\"myip\":", None),
            ("", None),
        ] {
            assert_eq!(as_form(json.as_bytes()), form, "{json}");
        }
    }

    #[test]
    fn kinds() {
        for (request, body, kind) in [
            ("POST", "", Kind::Empty),
            ("POST", "myip=192.0.2.1", Kind::Form),
            ("POST application/x-www-form-urlencoded; charset=utf-8", "a=b", Kind::Form),
            ("POST application/x-www-form-urlencoded", "{\"a\":\"b\"}", Kind::Json),
            ("POST Application/JSON;charset=utf-8", "nonsense", Kind::Json),
            ("POST multipart/form-data; boundary=a", "a=b", Kind::Unknown),
            ("POST text/plain", "myip=192.0.2.1", Kind::Unknown),
            ("GET", "myip=192.0.2.1", Kind::Unknown),
            ("GET application/json", "", Kind::Empty),
        ] {
            let (method, said) = request.split_once(' ').unwrap_or((request, ""));
            let mut parts = axum::http::Request::builder().method(method);
            if !said.is_empty() {
                parts = parts.header(header::CONTENT_TYPE, said);
            }
            let (parts, ()) = parts.body(()).unwrap().into_parts();
            assert_eq!(super::kind(&parts, body.as_bytes()), kind, "{request}: {body}");
        }
    }
}
