//! Signed updates over plain HTTP: which request is one, and who may sign. The
//! messages are in [`crate::signed`], the specification in `clients/signed.md`.
//!
//! ```text
//! POST /signed/update HTTP/1.1
//! Content-Length: 165
//!
//! truename-update-1
//! key k7f3c2xq
//! time 1795275600123
//! host home.dyn.example.org
//! v4 203.0.113.7
//! mac 3918…
//!
//! HTTP/1.1 200 OK
//! Content-Type: text/plain
//! Content-Length: 231
//!
//! truename-answer-1
//! update 3918…
//! time 1795275600207
//! status done
//! host home.dyn.example.org good 203.0.113.7
//! mac 20e9…
//! ```
//!
//! Whatever is refused before the signature was found right is answered
//! unsigned: signing it would let anybody make the server say, in a way that
//! the client believes, that its update is wrong.

mod why;

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::body::Body;
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::Response;

use super::dispatch::{agent, beginning, names};
use super::parameters::Parameters;
use super::proxies::Source;
use super::{Shared, body as sent, gate, text};
use crate::model::{Grant, KeyId, Protocol, Timestamp};
use crate::registry::Purpose;
use crate::signed::{
    ADDRESS_PATH, AddressAnswer, Answer, Mac, Nonce, SKEW, SharedSecret, Status, UPDATE_PATH,
    Update,
};
use crate::update::{self, Hosts, Outcome, Report};
use why::Refusal;

/// What `protocols` in the configuration calls it.
pub const NAME: &str = "signed";

/// Whether a path, as [`super::path::normal`] makes it, is one of this
/// protocol's.
pub fn is_meant(path: &str) -> bool {
    path == ADDRESS_PATH || path == UPDATE_PATH
}

/// The times told to clients: each later than the one before, as far as the
/// second has milliseconds, for clients take them as the times of their
/// updates. The clock tells seconds only.
#[derive(Debug, Default)]
pub struct Times(AtomicU64);

impl Times {
    fn next(&self, now: Timestamp) -> u64 {
        let second = seconds(now);
        let later = |last: u64| (last + 1).clamp(second, second + 999);
        let last =
            self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| Some(later(last)));
        last.map_or(second, later)
    }
}

/// The beginning of a second, in milliseconds since 1970.
fn seconds(now: Timestamp) -> u64 {
    u64::try_from(now.0).unwrap_or_default().saturating_mul(1000)
}

/// Answers a request that [`is_meant`] for this. `admitted`: its network has
/// not had its allowance; otherwise only the holder of a key is answered.
pub(super) async fn respond(
    shared: &Shared,
    request: &Parts,
    path: &str,
    body: Body,
    source: Source,
    admitted: bool,
) -> Response {
    let (method, answer) = match path {
        // Who asks for its address has proved nothing.
        ADDRESS_PATH if !admitted => return gate::later(),
        ADDRESS_PATH => (Method::GET, tell_address(shared, request, source)),
        _ if request.method == Method::POST => match sent::read(body, &shared.limits).await {
            Ok(message) if admitted || is_of_holder(shared, &message, source) => {
                (Method::POST, take_update(shared, request, &message, source).await)
            }
            Ok(_) => return gate::later(),
            Err(refused) => return refused,
        },
        _ => (Method::POST, bad_auth()),
    };
    if request.method == method {
        return answer;
    }
    let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "badagent\n");
    let allowed = if method == Method::GET { "GET" } else { "POST" };
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allowed));
    response
}

/// Whether it is rightly signed, by a key that has not had its own allowance.
fn is_of_holder(shared: &Shared, message: &[u8], source: Source) -> bool {
    let Ok(sealed) = Update::read(message) else { return false };
    let Some((grant, secret)) = shared_secret(shared, sealed.key(), source.address) else {
        return false;
    };
    sealed.open(&secret).is_some() && shared.gate.admits_holder(&grant)
}

/// No such key, not from there, or a wrong signature. Not 401: there is no
/// challenge that would help.
fn bad_auth() -> Response {
    text(StatusCode::FORBIDDEN, "badauth\n")
}

fn tell_address(shared: &Shared, request: &Parts, source: Source) -> Response {
    let mut parameters = Parameters::default();
    parameters.read(request.uri.query().unwrap_or_default().as_bytes());
    let nonce: Nonce = match parameters.first(&["nonce"]).unwrap_or_default().parse() {
        Ok(nonce) => nonce,
        Err(error) => return text(StatusCode::BAD_REQUEST, format!("{error}\n")),
    };
    let key = KeyId(parameters.first(&["key"]).unwrap_or_default().to_owned());
    let Some((_, secret)) = shared_secret(shared, &key, source.address) else {
        why::refused(shared, request, b"", source, Refusal::Key);
        return bad_auth();
    };
    if !source.is_client {
        tracing::warn!(
            %key,
            "a client asked for its address, and the request came from this machine or a trusted \
             proxy that did not say for whom: set trusted_proxies, and X-Forwarded-For in the proxy"
        );
        return text(StatusCode::SERVICE_UNAVAILABLE, "the proxy does not say who asks\n");
    }
    let time = shared.signed_times.next(shared.registry.now().wall);
    let answer = AddressAnswer { key, nonce, address: source.address, time };
    text(StatusCode::OK, answer.write(&secret))
}

fn shared_secret(shared: &Shared, key: &KeyId, source: IpAddr) -> Option<(Grant, SharedSecret)> {
    let (grant, octets) = shared.registry.shared_secret(key, Purpose::Signed, source)?;
    Some((grant, SharedSecret::new(octets)))
}

async fn take_update(shared: &Shared, request: &Parts, message: &[u8], source: Source) -> Response {
    let sealed = match Update::read(message) {
        Ok(sealed) => sealed,
        Err(malformed) => {
            why::refused(shared, request, message, source, Refusal::Malformed);
            return text(StatusCode::BAD_REQUEST, format!("{malformed}\n"));
        }
    };
    let Some((grant, secret)) = shared_secret(shared, sealed.key(), source.address) else {
        why::refused(shared, request, message, source, Refusal::Key);
        return bad_auth();
    };
    let key = sealed.key().clone();
    let Some((update, mac)) = sealed.open(&secret) else {
        tracing::debug!(source = %source.address, %key, "a signature that is not this key's");
        why::refused(shared, request, message, source, Refusal::Signature(grant));
        return bad_auth();
    };
    let answer = decide(shared, grant.clone(), &update, mac, source).await;
    why::answered(shared, request, message, source, &grant, &update, &answer);
    log(request, &update, &answer, source);
    let status = match answer.status {
        Status::Busy => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::OK,
    };
    let mut response = text(status, answer.write(&secret));
    if answer.status == Status::Busy {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("300"));
    }
    response
}

/// What becomes of an update that is rightly signed.
async fn decide(
    shared: &Shared,
    grant: Grant,
    update: &Update,
    mac: Mac,
    source: Source,
) -> Answer {
    let now = shared.registry.now().wall;
    let (status, hosts) = if update.time.abs_diff(seconds(now)) > SKEW {
        (Status::Clock, Vec::new())
    } else if update.hosts.len() > shared.max_hosts {
        (Status::TooManyHosts, Vec::new())
    } else {
        let meant = meant(update, source);
        match shared.registry.signed_update(grant, update.time, &meant).await {
            Err(_) => (Status::Busy, Vec::new()),
            Ok(outcomes) if outcomes.contains(&Outcome::Replayed) => (Status::Replayed, Vec::new()),
            Ok(outcomes) => (Status::Done, update.hosts.iter().cloned().zip(outcomes).collect()),
        }
    };
    let time = shared.signed_times.next(shared.registry.now().wall);
    Answer { update: mac, time, status, hosts }
}

/// The update as every protocol's.
fn meant(update: &Update, source: Source) -> update::Update {
    update::Update {
        hosts: Hosts::Listed(update.hosts.iter().cloned().map(Some).collect()),
        report: Report::Addresses { v4: update.v4, v6: update.v6, prefix: update.prefix },
        line: update.line.clone(),
        protocol: Protocol::Signed,
        source: source.address,
    }
}

/// As the other protocols do: what changes something is news, the rest is not.
fn log(request: &Parts, update: &Update, answer: &Answer, source: Source) {
    let agent = agent(&request.headers);
    let hosts = names(&Hosts::Listed(update.hosts.iter().cloned().map(Some).collect()));
    let hosts = beginning(&hosts);
    let source = source.address;
    let is_kept = |(_, outcome): &(_, Outcome)| matches!(outcome, Outcome::Kept(_));
    match answer.status {
        Status::Done if answer.hosts.iter().all(is_kept) => {
            tracing::debug!(%source, %agent, %hosts, "signed update: nothing changed");
        }
        Status::Done => {
            let outcomes: Vec<_> = answer.hosts.iter().map(|(_, outcome)| outcome).collect();
            tracing::info!(%source, %agent, %hosts, "signed update: {outcomes:?}");
        }
        Status::Replayed | Status::Clock => {
            tracing::info!(%source, %agent, %hosts, key = %update.key, "signed update: {}", answer.status);
        }
        Status::TooManyHosts | Status::Busy => {
            tracing::warn!(%source, %agent, %hosts, "signed update: {}", answer.status);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Times, Timestamp};

    #[test]
    fn no_time_is_told_twice() {
        let times = Times::default();
        assert_eq!(times.next(Timestamp(5)), 5000);
        assert_eq!(times.next(Timestamp(5)), 5001);
        for _ in 0..2000 {
            assert!(times.next(Timestamp(5)) <= 5999, "it stays within the second");
        }
        assert_eq!(times.next(Timestamp(6)), 6000);
        // A clock that was set back does not go on where it was.
        assert_eq!(times.next(Timestamp(3)), 3999);
    }
}
