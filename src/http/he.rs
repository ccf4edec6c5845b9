//! Hurricane Electric's dynamic DNS: dyndns2 with the password in a form, and
//! TXT records.
//!
//! ```text
//! POST /nic/update HTTP/1.1
//! Content-Type: application/x-www-form-urlencoded
//!
//! hostname=_acme-challenge.home.dyn.example.org&password=t0ken&txt=gfj9Xq…
//!
//! good gfj9Xq…
//! ```
//!
//! With `txt` only the TXT record at `_acme-challenge` of the host changes,
//! whether the name sent begins with that or not. acme.sh looks for `good`.
//! An address that cannot be used is `badip` to whoever calls us by
//! Hurricane's name.

use axum::http::StatusCode;

use super::language::{Answer, Asked, Language, Request, Spoken, Task};
use super::{challenge, dyndns2};
use crate::model::Protocol;
use crate::update::{Edited, Outcome};

/// Hurricane Electric.
pub const LANGUAGE: Language = Language { name: "he", is_meant, read, speak };

fn is_meant(request: &Request) -> bool {
    let has = |name| request.parameters.has(name);
    request.host == "dyn.dns.he.net" || (has("txt") && has("hostname") && has("password"))
}

fn read(request: &Request) -> Asked {
    let mut asked = dyndns2::read(request).spoken_as(Protocol::He);
    if let Some(value) = request.parameters.all("txt").next()
        && let Task::Report(updates) = &mut asked.task
    {
        let hosts = updates.remove(0).hosts;
        let change =
            if value.is_empty() { Some(challenge::clear()) } else { challenge::set(value) };
        asked.task = Task::Challenge { hosts, change, protocol: Protocol::He };
    }
    asked
}

fn speak(request: &Request, asked: &Asked, answer: &Answer) -> Spoken {
    let (status, words) = dyndns2::words(answer, &asked.spelling);
    let body = match answer {
        Answer::Outcomes(outcomes) => outcomes
            .iter()
            .map(|outcome| match outcome {
                Outcome::BadAddress | Outcome::BadPrefix => "badip\n".into(),
                outcome => dyndns2::line(outcome, &asked.spelling),
            })
            .collect(),
        // Always `good`: acme.sh sets its value again where it finds it set.
        Answer::Edited(Edited::Done { .. }) => format!("good {}\n", challenge::plain(request)),
        _ => return Spoken::text(status, words),
    };
    Spoken::text(StatusCode::OK, body)
}
