//! How often one network may ask.
//!
//! Nearly every request is cheap, and updates that change nothing are the
//! heartbeat of honest clients; so the allowance is large, and it is there for
//! those who ask thousands of times a second. Whoever proves who he is, by
//! something that is checked quickly, is let through all the same on an
//! allowance of his own: the honest ones behind the address of a mobile network
//! pay nothing for a neighbour of theirs.

use std::hash::Hash;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use ipnet::IpNet;

use super::language::{Answer, Request};
use super::limits::Limits;
use super::remember::Entry;
use super::{Shared, dispatch, text};
use crate::limit::{Limiter, Rate};
use crate::model::{Grant, Moments, household};
use crate::recent::{Decided, Proof, Rule};
use crate::registry::Unavailable;

/// Networks and keys that are told apart at a time.
const KEYS: usize = 65_536;

/// Networks of which it is told in one minute that they asked too much.
const TOLD: usize = 1024;

/// How often a network is told of.
const TELL: (u32, u32) = (1, 60);

/// When whoever asked too much is to come back, in seconds.
const RETRY: HeaderValue = HeaderValue::from_static("60");

/// Counts requests.
pub struct Gate {
    rate: Option<Rate>,
    asked: Limiter,
    told: Limiter,
    moments: Moments,
}

impl Gate {
    /// With this allowance.
    pub fn new(limits: &Limits, moments: &Moments) -> Gate {
        // What comes in ten seconds may come at once.
        let rate = |count: u32| Rate::new(count, 60, (count / 6).max(count.min(60)));
        Gate {
            rate: limits.requests.map(rate),
            asked: Limiter::new(KEYS),
            told: Limiter::new(TOLD),
            moments: moments.clone(),
        }
    }

    /// Counts a request of this network; `false`: it has had its allowance.
    pub fn admits(&self, network: IpNet) -> bool {
        self.allows(network)
    }

    /// The same for whoever has proved who he is.
    pub fn admits_holder(&self, grant: &Grant) -> bool {
        self.allows((&grant.holder, &grant.key))
    }

    fn allows(&self, key: impl Hash) -> bool {
        let Some(rate) = self.rate else { return true };
        self.asked.allow(self.asked.place(key), rate, (self.moments)())
    }

    /// Whether a word should be said of this network.
    fn is_news(&self, network: IpNet) -> bool {
        let (count, seconds) = TELL;
        let rate = Rate::new(count, seconds, 1);
        self.told.allow(self.told.place(network), rate, (self.moments)())
    }
}

/// What a request is answered whose network has had its allowance; `None`: it
/// proves who sends it, and is answered as ever.
pub fn refusal(shared: &Shared, request: &Request) -> Option<Response> {
    let language = dispatch::language(&shared.protocols, request);
    let asked = language.map(|language| (language, (language.read)(request)));
    let source = request.source.address;
    let logins = asked.iter().flat_map(|(_, asked)| &asked.logins);
    let grant = logins.filter_map(|login| shared.registry.recognise(login, source)).next();
    if grant.is_some_and(|grant| shared.gate.admits_holder(&grant)) {
        return None;
    }
    let response = match &asked {
        // In words that its clients know.
        Some((language, asked)) => {
            let answer = Answer::Unavailable(Unavailable::Overloaded);
            let spoken = (language.speak)(request, asked, &answer);
            let mut response = super::content(spoken.status, spoken.kind, spoken.body);
            if response.status() == StatusCode::SERVICE_UNAVAILABLE {
                response.headers_mut().insert(header::RETRY_AFTER, RETRY);
            }
            response
        }
        None => later(),
    };
    if shared.gate.is_news(household(source)) {
        tracing::warn!(%source, "more requests than one network may make: 911 until it asks less");
        let secrets = asked.iter().flat_map(|(_, asked)| &asked.logins);
        let secrets: Vec<_> = secrets.map(|login| &login.secret).collect();
        let entry = Entry {
            proof: Proof::Nobody,
            decided: vec![Decided { host: None, rule: TOO_MANY }],
            hints: Vec::new(),
            protocol: None,
            v6: None,
            secrets: &secrets,
        };
        entry.take(shared, request, response.status(), "911\n");
    }
    Some(response)
}

/// What is answered when nothing is known of who asks.
pub fn later() -> Response {
    let mut response = text(StatusCode::SERVICE_UNAVAILABLE, "911\n");
    response.headers_mut().insert(header::RETRY_AFTER, RETRY);
    response
}

const TOO_MANY: Rule = Rule::Other {
    words: "limits: more requests than one network may make in a minute",
    advice: Some(
        "somebody there asks far too often; who has a right password is let through all the same. \
         `requests` under [http.limits] is how many there may be",
    ),
    trouble: true,
};
