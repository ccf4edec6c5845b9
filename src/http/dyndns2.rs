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
//! Refused logins are 401 and trouble of ours is 503; everything else is 200,
//! or clients do not read it (WIRE.md §1). Error lines are bare words: clients
//! search the body for `good` and `911`, so nothing a stranger wrote is in it.

use std::borrow::Cow;

use axum::http::StatusCode;
use axum::http::request::Parts;

use super::credentials;
use super::parameters::Parameters;
use super::proxies::Source;
use super::spelling::{self, Spelling, is_placeholder};
use crate::model::{Name, Protocol};
use crate::registry::Login;
use crate::update::{Hosts, Outcome, Update};

/// The names of the parameter that lists hosts, likeliest first. `h` and the
/// like count only when nothing before them names a host.
const HOSTS: [&str; 13] = [
    "hostname",
    "host",
    "hostnames",
    "domain",
    "domains",
    "fqdn",
    "updatehostname",
    "hn",
    "dn",
    "h",
    "subdomain",
    "host_id",
    "zone",
];

/// A request, understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// What is asked for.
    pub update: Update,
    /// Who may be asking, likeliest first; empty: nobody says.
    pub logins: Vec<Login>,
    /// How the addresses are repeated in the answer.
    pub spelling: Spelling,
    /// What is odd about it.
    pub hints: Vec<Hint>,
}

/// Something the owner of a client should mend, for the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hint {
    /// A host such as `%h`.
    HostPlaceholder,
    /// An address such as `<ip6addr>`.
    AddressPlaceholder,
    /// No address, and none to be seen.
    NoSource,
}

impl Hint {
    /// A sentence for the log.
    pub fn sentence(self) -> &'static str {
        match self {
            Hint::HostPlaceholder => {
                "the router sent its template for the host (like %h or <domain>) unfilled: \
                 write the host name into its update URL"
            }
            Hint::AddressPlaceholder => {
                "the router sent its template for an address (like %i or <ip6addr>) unfilled: \
                 take the parameter out of its update URL"
            }
            Hint::NoSource => {
                "no address was given, and the request came from this machine or a trusted proxy \
                 that did not say for whom: set trusted_proxies, and X-Forwarded-For in the proxy"
            }
        }
    }
}

/// Whether a request is for this protocol, whatever its path: it names a host
/// or an address, or presents credentials. An address is enough, for the login
/// may imply the host, and GNU wget logs in only when challenged.
pub fn is_meant(request: &Parts, parameters: &Parameters) -> bool {
    let names = HOSTS.iter().chain(&spelling::V4).chain(&spelling::V6);
    names.into_iter().any(|name| parameters.has(name))
        || credentials::presented(&request.headers, parameters)
}

/// Reads a request.
pub fn read(request: &Parts, parameters: &Parameters, source: Source) -> Asked {
    let logins = credentials::logins(request, parameters);
    let addressed = spelling::read(parameters, source);
    let mut hints = Vec::new();
    let hosts = match read_hosts(parameters, &mut hints) {
        listed if listed.is_empty() => Hosts::Implied(implied(&logins)),
        listed => Hosts::Listed(listed),
    };
    if addressed.has_placeholder {
        hints.push(Hint::AddressPlaceholder);
    }
    if addressed.no_source {
        hints.push(Hint::NoSource);
    }
    Asked {
        update: Update {
            hosts,
            report: addressed.report,
            line: None,
            protocol: Protocol::Dyndns2,
            source: source.address,
        },
        logins,
        spelling: addressed.spelling,
        hints,
    }
}

/// The hosts listed, `None` for what is no host name. Empty: none is named.
fn read_hosts(parameters: &Parameters, hints: &mut Vec<Hint>) -> Vec<Option<Name>> {
    let mut lists: Vec<Vec<&str>> = Vec::new();
    for name in HOSTS {
        lists = parameters.all(name).map(items).filter(|list| !list.is_empty()).collect();
        if !lists.is_empty() {
            break;
        }
    }
    let unfilled = |list: &Vec<&str>| list.iter().any(|text| is_placeholder(text));
    if lists.iter().any(unfilled) {
        hints.push(Hint::HostPlaceholder);
        // A template beside its own filled-in copy is left out.
        if !lists.iter().all(unfilled) {
            lists.retain(|list| !unfilled(list));
        }
    }
    let mut lists = lists.into_iter();
    let mut hosts: Vec<Option<Name>> =
        lists.next().unwrap_or_default().into_iter().map(host).collect();
    // The parameter once more, as from two URLs in one: only what is new.
    for more in lists.flatten().map(host) {
        if !hosts.contains(&more) {
            hosts.push(more);
        }
    }
    hosts
}

/// The items of a host list. `YES` (dyndns1) and `1` name none; what follows
/// a slash is the rest of a URL.
fn items(list: &str) -> Vec<&str> {
    list.split(|c: char| c == ',' || c.is_whitespace())
        .map(|item| item.split('/').next().unwrap_or_default())
        .filter(|item| !item.is_empty() && !item.eq_ignore_ascii_case("yes") && *item != "1")
        .collect()
}

/// A host name of at least two labels; national characters as in IDNA.
fn host(text: &str) -> Option<Name> {
    let ascii = match text.is_ascii() {
        true => Cow::Borrowed(text),
        false => idna::domain_to_ascii_cow(text.as_bytes(), idna::AsciiDenyList::EMPTY).ok()?,
    };
    let name: Name = ascii.parse().ok()?;
    (name.depth() >= 2 && name.is_hostname()).then_some(name)
}

/// The host a client logs in as, when it names none (nsupdate.info, HE).
fn implied(logins: &[Login]) -> Option<Name> {
    logins.iter().find_map(|login| host(&login.user))
}

/// What a request comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The outcome of each host, in the order asked.
    Outcomes(Vec<Outcome>),
    /// No credentials, or none of ours.
    BadAuth,
    /// The account is blocked by a person.
    Blocked,
    /// More hosts than one request may name.
    TooManyHosts,
    /// A method that updates nothing.
    BadMethod,
    /// We cannot say now: come back later.
    Unavailable,
}

/// Speaks: status and body.
pub fn speak(answer: &Answer, spelling: &Spelling) -> (StatusCode, String) {
    match answer {
        Answer::Outcomes(outcomes) => {
            (StatusCode::OK, outcomes.iter().map(|outcome| line(outcome, spelling)).collect())
        }
        Answer::BadAuth => (StatusCode::UNAUTHORIZED, "badauth\n".into()),
        Answer::Blocked => (StatusCode::OK, "abuse\n".into()),
        Answer::TooManyHosts => (StatusCode::OK, "numhost\n".into()),
        Answer::BadMethod => (StatusCode::METHOD_NOT_ALLOWED, "badagent\n".into()),
        Answer::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "911\n".into()),
    }
}

fn line(outcome: &Outcome, spelling: &Spelling) -> String {
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
    use axum::http::Request;

    fn asked(query: &str, user: &str) -> Asked {
        let mut request = Request::builder().uri("/nic/update");
        if !user.is_empty() {
            let userinfo = data_encoding::BASE64.encode(format!("{user}:t0ken").as_bytes());
            request = request.header("Authorization", format!("Basic {userinfo}"));
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let mut parameters = Parameters::default();
        parameters.read(query.as_bytes());
        let source = Source { address: "198.51.100.9".parse().unwrap(), is_client: true };
        read(&parts, &parameters, source)
    }

    /// The hosts of a query: names, `!` for what is none.
    fn hosts(query: &str) -> String {
        match asked(query, "").update.hosts {
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
        assert_eq!(asked("", "home.example.org").update.hosts, Hosts::Implied(Some(name)));
        assert_eq!(asked("", "ann").update.hosts, Hosts::Implied(None));
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
        assert_eq!(speak(&all, &spelling), (StatusCode::OK, text.into()));
        let kept = Answer::Outcomes(vec![Outcome::Kept(none)]);
        assert_eq!(speak(&kept, &loopback), (StatusCode::OK, "good 127.0.0.1\n".into()));
        for (answer, status, body) in [
            (Answer::BadAuth, 401, "badauth\n"),
            (Answer::Blocked, 200, "abuse\n"),
            (Answer::TooManyHosts, 200, "numhost\n"),
            (Answer::BadMethod, 405, "badagent\n"),
            (Answer::Unavailable, 503, "911\n"),
        ] {
            let (spoken, text) = speak(&answer, &spelling);
            assert_eq!((spoken.as_u16(), text.as_str()), (status, body));
        }
    }
}
