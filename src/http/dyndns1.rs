//! dyndns1, Dyn's first protocol, which ddclient and some firmware still
//! speak.
//!
//! ```text
//! GET /nic/dyndns?action=edit&started=1&hostname=YES&host_id=home.dyn.example.org&myip=192.0.2.1 HTTP/1.1
//!
//! <TITLE>Updated</TITLE>
//! return code: NOERROR
//! error code: NOERROR
//! ```
//!
//! ddclient wants all three lines, and a title that is not empty.

use super::dyndns2;
use super::language::{Answer, Asked, Language, Request, Spoken};
use crate::model::Protocol;
use crate::update::Outcome;

/// dyndns1.
pub const LANGUAGE: Language = Language { name: "dyndns1", is_meant, read, speak };

fn is_meant(request: &Request) -> bool {
    ["/nic/dyndns", "/nic/statdns"].contains(&request.path.as_str())
        && request.parameters.all("action").any(|action| action.eq_ignore_ascii_case("edit"))
}

fn read(request: &Request) -> Asked {
    dyndns2::read(request).spoken_as(Protocol::Dyndns1)
}

fn speak(_: &Request, asked: &Asked, answer: &Answer) -> Spoken {
    let (status, words) = dyndns2::words(answer, &asked.spelling);
    let (title, code) = match answer {
        Answer::Outcomes(outcomes) => match outcomes.iter().find(|one| !one.is_done()) {
            None if outcomes.iter().any(|one| matches!(one, Outcome::Moved(_))) => {
                ("Updated", "NOERROR")
            }
            None => ("Nothing has changed", "NOERROR"),
            Some(Outcome::BadAddress | Outcome::BadPrefix) => {
                ("This address cannot be used", "BADIP")
            }
            Some(Outcome::Blocked) => ("This host is blocked", "ABUSE"),
            Some(_) => ("No such host", "NOHOST"),
        },
        // Whoever has not logged in yet is challenged in everybody's words.
        Answer::BadAuth => return Spoken::text(status, words),
        Answer::Blocked => ("This account is blocked", "ABUSE"),
        Answer::TooManyHosts => ("Too many hosts", "NUMHOST"),
        Answer::BadMethod => ("Use GET", "BADMETHOD"),
        _ => ("Try again later", "WAIT"),
    };
    let body = format!("<TITLE>{title}</TITLE>\nreturn code: {code}\nerror code: {code}\n");
    Spoken { status, kind: "text/html", body }
}
