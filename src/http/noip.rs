//! No-IP's older script, which pfSense, No-IP's own client and many cameras
//! call. `/nic/update` at No-IP is dyndns2.
//!
//! ```text
//! GET /ducupdate.php?username=ann&pass=t0ken&h[]=home.dyn.example.org&ip=192.0.2.1 HTTP/1.0
//!
//! home.dyn.example.org:1
//! ```
//!
//! A line a host: its name and a number. pfSense takes what stands behind the
//! first colon, firmware made from noip2 2.0.12 looks for the host it sent and
//! reads on behind it, and what has no colon is no refusal to either.
//!
//! noip2 2.1 sends all of its parameters as one, `requestL=`, in base64.

use percent_encoding::percent_decode;

use super::language::{Answer, Asked, Language, Request, Spoken, Task};
use super::{credentials, dyndns2, hosts};
use crate::update::{Hosts, Outcome};

/// No-IP's older script.
pub const LANGUAGE: Language = Language { name: "no-ip", is_meant, read, speak };

/// The parameter that holds a host; there may be several.
const HOST: &str = "h[]";

/// The end of its path.
const PATH: &str = "/ducupdate.php";

/// The parameter that holds all others, in base64.
const PACKED: &str = "requestL=";

fn is_meant(request: &Request) -> bool {
    request.path.ends_with(PATH)
}

/// The query that noip2 has packed into one parameter; it is shorter than the
/// query it stands in.
pub fn unpacked(path: &str, query: &str) -> Option<Vec<u8>> {
    let packed = query.split('&').find_map(|pair| pair.strip_prefix(PACKED))?;
    let packed: Vec<u8> = percent_decode(packed.as_bytes()).collect();
    path.ends_with(PATH).then(|| credentials::base64(&packed)).flatten()
}

fn read(request: &Request) -> Asked {
    let mut asked = dyndns2::read(request);
    let listed = request.parameters.all(HOST).flat_map(hosts::items).map(hosts::host);
    let listed: Vec<_> = listed.collect();
    if let Task::Report(updates) = &mut asked.task
        && !listed.is_empty()
    {
        updates.iter_mut().for_each(|update| update.hosts = Hosts::Listed(listed.clone()));
    }
    asked
}

fn speak(request: &Request, asked: &Asked, answer: &Answer) -> Spoken {
    let (status, _) = dyndns2::words(answer, &asked.spelling);
    let names = names(request, asked);
    let all = |code: u8| {
        let first = names.first().map_or(NOBODY, String::as_str);
        format!("{first}:{code}\n")
    };
    let body = match answer {
        Answer::Outcomes(outcomes) => {
            let lines = names.iter().zip(outcomes);
            lines.map(|(name, outcome)| format!("{name}:{}\n", code(outcome))).collect()
        }
        Answer::BadAuth => all(3),
        Answer::Blocked => all(6),
        // Too many updates: come again later. Not 99, which ends noip2 for good.
        _ => all(5),
    };
    Spoken::text(status, body)
}

/// What stands in the place of a host that is none.
const NOBODY: &str = "0.0.0.0";

/// The hosts, as they were sent: firmware looks for them letter by letter.
fn names(request: &Request, asked: &Asked) -> Vec<String> {
    let sent: Vec<&str> = request.parameters.all(HOST).flat_map(hosts::items).collect();
    let names = match asked.hosts().first() {
        Some(Hosts::Listed(names)) => names.as_slice(),
        Some(Hosts::Implied(name)) => std::slice::from_ref(name),
        None => &[],
    };
    let each = names.iter().enumerate().map(|(at, name)| match (name, sent.get(at)) {
        (None, _) => NOBODY.into(),
        (Some(_), Some(sent)) if sent.is_ascii() => (*sent).into(),
        (Some(name), _) => name.without_dot(),
    });
    each.collect()
}

/// No-IP's numbers.
fn code(outcome: &Outcome) -> u8 {
    match outcome {
        Outcome::Kept(_) => 0,
        Outcome::Moved(_) => 1,
        Outcome::BadAddress | Outcome::BadPrefix => 7,
        Outcome::Blocked => 8,
        _ => 2,
    }
}
