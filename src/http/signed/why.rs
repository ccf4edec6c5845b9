//! What is handed over of signed messages for `truename why`. The time and the
//! MAC are left out: they are new each time, and a host that says the same
//! again takes one place.

use axum::extract::ConnectInfo;
use axum::http::StatusCode;
use axum::http::request::Parts;

use super::super::remember::Entry;
use super::super::{Shared, language};
use super::{Parameters, Source, meant};
use crate::model::{Grant, Protocol};
use crate::recent::{Decided, Hint, Proof, Rule};
use crate::signed::{Answer, Status, Update};

/// A message that is refused unsigned, and what decided.
pub enum Refusal {
    /// It is not in the form of the specification.
    Malformed,
    /// There is no such key, or not for there.
    Key,
    /// It is signed with another secret than this key's.
    Signature(Grant),
}

const MALFORMED: Rule = Rule::Other {
    words: "form: this is no signed update",
    advice: Some("clients/signed.md specifies it; the answer says what was expected where"),
    trouble: true,
};

const KEY: Rule = Rule::Other {
    words: "key: there is none of this number, or it has ended, or is not for use from there, or is \
            blocked",
    advice: Some(
        "`truename host show HOST` tells the number of its key; `truename host show HOST \
         --settings signed` prints a client with number and secret filled in",
    ),
    trouble: true,
};

const SIGNATURE: Rule = Rule::Other {
    words: "signature: not by this key's secret, or changed on the way",
    advice: Some(
        "put what `truename key secret NUMBER --for signed` prints into the client: it is not \
         the token",
    ),
    trouble: true,
};

const CLOCK: Rule = Rule::Other {
    words: "time: more than a minute from the server's clock",
    advice: Some(
        "let the client take the time from the server's answer, as clients/signed.md says; else \
         set its clock",
    ),
    trouble: true,
};

/// Remembers a message that was refused.
pub fn refused(shared: &Shared, head: &Parts, message: &[u8], source: Source, refusal: Refusal) {
    let (proof, rule, status, said) = match refusal {
        Refusal::Malformed => (Proof::Nobody, MALFORMED, StatusCode::BAD_REQUEST, "malformed"),
        Refusal::Key => (Proof::Nobody, KEY, StatusCode::FORBIDDEN, "badauth"),
        Refusal::Signature(grant) => {
            (Proof::Claimed(grant.holder), SIGNATURE, StatusCode::FORBIDDEN, "badauth")
        }
    };
    let decided = vec![Decided { host: None, rule }];
    take(
        shared,
        head,
        message,
        source,
        Said { proof, hint: None, decided, v6: None, status, text: said },
    );
}

/// Remembers an update and its answer.
pub fn answered(
    shared: &Shared,
    head: &Parts,
    message: &[u8],
    source: Source,
    grant: &Grant,
    update: &Update,
    answer: &Answer,
) {
    let hosts = || update.hosts.iter().take(super::super::remember::NAMED);
    let each = |rule: Rule| -> Vec<Decided> {
        hosts().map(|host| Decided { host: Some(host.clone()), rule: rule.clone() }).collect()
    };
    let decided = match answer.status {
        Status::Done => {
            let (state, asked) = (shared.registry.state(), meant(update, source));
            let why = |(host, outcome): &(_, _)| {
                shared.registry.why(&state, grant, &asked, Some(host), *outcome)
            };
            answer.hosts.iter().map(why).collect()
        }
        Status::Replayed => each(Rule::Replayed),
        Status::Clock => each(CLOCK),
        Status::TooManyHosts => {
            let rule = Rule::TooManyHosts { asked: update.hosts.len(), most: shared.max_hosts };
            vec![Decided { host: None, rule }]
        }
        Status::Busy => each(Rule::Unavailable),
    };
    let v6 = match update.v6 {
        crate::update::Said::Is(v6) => Some(v6),
        _ => None,
    };
    let status = match answer.status {
        Status::Busy => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::OK,
    };
    let text = answer.in_words();
    let proof = Proof::Proved(grant.holder.clone());
    let hint = shared.registry.state().ending_key(grant, shared.registry.now());
    take(shared, head, message, source, Said { proof, hint, decided, v6, status, text: &text });
}

struct Said<'a> {
    proof: Proof,
    hint: Option<Hint>,
    decided: Vec<Decided>,
    v6: Option<std::net::Ipv6Addr>,
    status: StatusCode,
    text: &'a str,
}

fn take(shared: &Shared, head: &Parts, message: &[u8], source: Source, said: Said<'_>) {
    let mut parts = axum::http::Request::new(()).into_parts().0;
    parts.method = head.method.clone();
    parts.uri = head.uri.clone();
    parts.version = head.version;
    parts.headers = head.headers.clone();
    if let Some(peer) = head.extensions.get::<ConnectInfo<std::net::SocketAddr>>() {
        parts.extensions.insert(*peer);
    }
    let host = super::super::host(head);
    let lines = message.split_inclusive(|octet| *octet == b'\n');
    let lasting = lines.filter(|line| !line.starts_with(b"time ") && !line.starts_with(b"mac "));
    let request = language::Request {
        body: lasting.flatten().copied().collect(),
        ..language::Request::new(parts, host, Parameters::default(), source)
    };
    let entry = Entry {
        proof: said.proof,
        decided: said.decided,
        hints: said.hint.into_iter().collect(),
        protocol: Some(Protocol::Signed),
        v6: said.v6,
        secrets: &[],
    };
    entry.take(shared, &request, said.status, said.text);
}
