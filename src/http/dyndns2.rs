//! dyndns2, the protocol nearly every router speaks.
//!
//! ```text
//! GET /nic/update?hostname=home.dyn.example.org,cam.dyn.example.org&myip=192.0.2.1 HTTP/1.0
//! Host: ddns.example.org
//! Authorization: Basic aG9tZTp0b2tlbg==
//!
//! HTTP/1.0 200 OK
//! Content-Type: text/plain
//! Content-Length: 32
//!
//! good 192.0.2.1
//! nochg 192.0.2.1
//! ```
//!
//! `/nic/delete` is nsupdate.info's: of the address sent, or of the one it
//! comes from, only the family counts, and the host has none of it any more.
//!
//! Refused logins are 401 and trouble of ours is 503; everything else is 200,
//! or clients do not read it (WIRE.md §1). Error lines are bare words: clients
//! search the body for `good` and `911`, so nothing a stranger wrote is in it.

use axum::http::{Method, StatusCode};

use super::language::{Answer, Asked, Language, Request, Spoken};
use super::spelling::{self, Spelling};
use super::{credentials, hosts, path};
use crate::model::Protocol;
use crate::update::{Edited, Outcome};

/// dyndns2.
pub const LANGUAGE: Language = Language { name: "dyndns2", is_meant, read, speak };

/// Whether a request is for this protocol: it names a host or an address, or
/// presents credentials, or says so by its path. An address is enough, for the
/// login may imply the host, and GNU wget logs in only when challenged.
pub fn is_meant(request: &Request) -> bool {
    let names = hosts::HOSTS.iter().chain(&spelling::V4).chain(&spelling::V6);
    names.into_iter().any(|name| request.parameters.has(name))
        || credentials::presented(&request.head.headers, &request.parameters)
        || !matches!(request.head.method, Method::GET | Method::HEAD | Method::POST)
        || path::is_update(&request.path)
}

/// Reads a request. Whatever is much like dyndns2 starts with this.
pub fn read(request: &Request) -> Asked {
    let Request { head, parameters, source, .. } = request;
    let logins = credentials::logins(head, parameters);
    let mut addressed = spelling::read(parameters, *source);
    if path::is_deletion(&request.path) {
        addressed = addressed.deleted();
    }
    let mut hints = Vec::new();
    let hosts = hosts::read(parameters, &logins, &mut hints);
    addressed.hint(&mut hints);
    let update = request.update(Protocol::Dyndns2, hosts, addressed.report);
    Asked { hints, ..Asked::report(update, logins, addressed.spelling) }
}

fn speak(_: &Request, asked: &Asked, answer: &Answer) -> Spoken {
    let (status, body) = words(answer, &asked.spelling);
    Spoken::text(status, body)
}

/// Status and body of an answer: what nearly every client understands.
pub fn words(answer: &Answer, spelling: &Spelling) -> (StatusCode, String) {
    match answer {
        Answer::Outcomes(outcomes) => {
            (StatusCode::OK, outcomes.iter().map(|outcome| line(outcome, spelling)).collect())
        }
        Answer::Edited(edited) => (StatusCode::OK, format!("{}\n", edited_word(edited))),
        Answer::Hosts(_) | Answer::Made(_) | Answer::Nothing => (StatusCode::OK, String::new()),
        Answer::BadAuth => (StatusCode::UNAUTHORIZED, "badauth\n".into()),
        Answer::Blocked => (StatusCode::OK, "abuse\n".into()),
        Answer::TooManyHosts => (StatusCode::OK, "numhost\n".into()),
        Answer::BadMethod => (StatusCode::METHOD_NOT_ALLOWED, "badagent\n".into()),
        Answer::Unavailable(_) => (StatusCode::SERVICE_UNAVAILABLE, "911\n".into()),
    }
}

/// What dyndns2 would say of changes of records.
fn edited_word(edited: &Edited) -> &'static str {
    match edited {
        Edited::Done { changed: true } => "good",
        Edited::Done { changed: false } => "nochg",
        Edited::Unknown => "nohost",
        Edited::NotAllowed => "!donator",
        Edited::Blocked => "abuse",
        Edited::BadAddress
        | Edited::BadData
        | Edited::BesideCname
        | Edited::TooMany
        | Edited::Failed(_) => "dnserr",
    }
}

/// The line of one host, with its line end.
pub fn line(outcome: &Outcome, spelling: &Spelling) -> String {
    match outcome {
        Outcome::Moved(_) => format!("good {}\n", spelling.text),
        Outcome::Kept(_) if spelling.always_good => format!("good {}\n", spelling.text),
        Outcome::Kept(_) => format!("nochg {}\n", spelling.text),
        Outcome::Unknown => "nohost\n".into(),
        Outcome::NotAName => "notfqdn\n".into(),
        Outcome::Blocked => "abuse\n".into(),
        Outcome::BadAddress | Outcome::BadPrefix => "dnserr\n".into(),
        Outcome::NotAllowed => "!donator\n".into(),
        // Only signed updates are refused so, and they have their own words.
        Outcome::Replayed => "abuse\n".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::language::Task;
    use crate::model::Name;
    use crate::recent::Hint;
    use crate::registry::Unavailable;
    use crate::update::Hosts;

    fn asked(query: &str, user: &str) -> Asked {
        let userinfo = data_encoding::BASE64.encode(format!("{user}:t0ken").as_bytes());
        let header = match user {
            "" => String::new(),
            _ => format!("Authorization: Basic {userinfo}"),
        };
        let mut request = Request::of("GET /nic/update", &header, "");
        request.parameters.read(query.as_bytes());
        read(&request)
    }

    fn hosts_of(asked: Asked) -> Hosts {
        let Task::Report(updates) = asked.task else { panic!("{asked:?}") };
        assert_eq!(updates.len(), 1);
        updates.into_iter().next().unwrap().hosts
    }

    /// The hosts of a query: names, `!` for what is none.
    fn hosts(query: &str) -> String {
        match hosts_of(asked(query, "")) {
            Hosts::Implied(_) => "implied".into(),
            Hosts::Listed(names) => {
                let text = |name: Option<Name>| name.map_or("!".into(), |name| name.without_dot());
                names.into_iter().map(text).collect::<Vec<_>>().join(" ")
            }
        }
    }

    #[test]
    fn host_lists() {
        for (query, expected) in [
            ("hostname=a.example.org", "a.example.org"),
            ("hostname=A.Example.ORG.", "a.example.org"),
            (
                "hostname=a.example.org,b.example.org,a.example.org",
                "a.example.org b.example.org a.example.org",
            ),
            ("hostname=a.example.org,,+b.example.org,", "a.example.org b.example.org"),
            ("hostname=gr%C3%B6%C3%9Fe.example.org", "xn--gre-6ka8i.example.org"),
            ("hostname=gr%F6%DFe.example.org", "xn--gre-6ka8i.example.org"),
            (
                "hostname=a.example.org&hostname=b.example.org,a.example.org",
                "a.example.org b.example.org",
            ),
            ("domain=a.example.org", "a.example.org"),
            ("zone=example.org&host=a.example.org", "a.example.org"),
            ("hostname=YES&host_id=a.example.org", "a.example.org"),
            ("hostname=%h/nic/update?system=dyndns&hostname=a.example.org", "a.example.org"),
            ("hostname=home", "!"),
            ("hostname=a.example.org,b_%25.example.org", "a.example.org !"),
            ("hostname=%h", "!"),
            ("hostname=<domain>", "!"),
            ("hostname=__HOSTNAME__", "!"),
            ("hostname=[DOMAIN]", "!"),
            ("hostname=*.example.org", "!"),
            ("", "implied"),
            ("hostname=", "implied"),
            ("hostname=YES", "implied"),
            ("hostname=1", "implied"),
            ("hostname=,", "implied"),
        ] {
            assert_eq!(hosts(query), expected, "{query}");
        }
    }

    #[test]
    fn the_host_a_client_logs_in_as() {
        let name: Name = "home.example.org".parse().unwrap();
        assert_eq!(hosts_of(asked("", "home.example.org")), Hosts::Implied(Some(name)));
        assert_eq!(hosts_of(asked("", "ann")), Hosts::Implied(None));
    }

    #[test]
    fn hints_for_the_owner() {
        assert_eq!(asked("hostname=%h", "").hints, [Hint::HostPlaceholder]);
        assert_eq!(asked("hostname=a.b&myip=__MYIP__", "").hints, [Hint::AddressPlaceholder]);
        assert_eq!(asked("hostname=a.b&myip=192.0.2.1", "").hints, []);
    }

    #[test]
    fn every_answer() {
        let spelling = Spelling { text: "192.0.2.1,2001:DB8::1".into(), always_good: false };
        let loopback = Spelling { text: "127.0.0.1".into(), always_good: true };
        let none = crate::model::Addresses::NONE;
        let all = Answer::Outcomes(vec![
            Outcome::Moved(none),
            Outcome::Kept(none),
            Outcome::Unknown,
            Outcome::NotAName,
            Outcome::Blocked,
            Outcome::BadAddress,
        ]);
        let text = "good 192.0.2.1,2001:DB8::1\nnochg 192.0.2.1,2001:DB8::1\nnohost\nnotfqdn\nabuse\ndnserr\n";
        assert_eq!(words(&all, &spelling), (StatusCode::OK, text.into()));
        let kept = Answer::Outcomes(vec![Outcome::Kept(none)]);
        assert_eq!(words(&kept, &loopback), (StatusCode::OK, "good 127.0.0.1\n".into()));
        for (answer, status, body) in [
            (Answer::BadAuth, 401, "badauth\n"),
            (Answer::Blocked, 200, "abuse\n"),
            (Answer::TooManyHosts, 200, "numhost\n"),
            (Answer::BadMethod, 405, "badagent\n"),
            (Answer::Unavailable(Unavailable::Overloaded), 503, "911\n"),
        ] {
            let (spoken, text) = words(&answer, &spelling);
            assert_eq!((spoken.as_u16(), text.as_str()), (status, body));
        }
    }
}
