//! easyDNS.
//!
//! ```text
//! GET /dyn/generic.php?hostname=home.dyn.example.org&myip=192.0.2.1&wildcard=OFF HTTP/1.0
//! Authorization: Basic …
//!
//! NOERROR
//! ```
//!
//! A word a host, in the order asked; the request is dyndns2's. ddclient and
//! inadyn know `NOERROR`, `NOACCESS`, `NOSERVICE`, `ILLEGAL` and `TOOSOON`.

use super::dyndns2;
use super::language::{Answer, Asked, Language, Request, Spoken};
use crate::update::Outcome;

/// easyDNS.
pub const LANGUAGE: Language = Language { name: "easydns", is_meant, read: dyndns2::read, speak };

fn is_meant(request: &Request) -> bool {
    ["/dyn/generic.php", "/dyn/tomato.php", "/dyn/ez-ipupdate.php"].contains(&request.path.as_str())
}

fn speak(_: &Request, asked: &Asked, answer: &Answer) -> Spoken {
    let (status, words) = dyndns2::words(answer, &asked.spelling);
    let body = match answer {
        Answer::Outcomes(outcomes) => outcomes.iter().map(word).collect(),
        // Whoever has not logged in yet is challenged in everybody's words.
        Answer::BadAuth => words,
        Answer::Blocked => "NOACCESS\n".into(),
        Answer::Unavailable(_) => "TOOSOON\n".into(),
        _ => "ILLEGAL\n".into(),
    };
    Spoken::text(status, body)
}

fn word(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Moved(_) | Outcome::Kept(_) => "NOERROR\n",
        Outcome::Unknown | Outcome::Blocked => "NOSERVICE\n",
        _ => "ILLEGAL\n",
    }
}
