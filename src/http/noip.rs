//! No-IP's older script, which pfSense, No-IP's own client and many cameras
//! call. `/nic/update` at No-IP is dyndns2.
//!
//! ```text
//! GET /ducupdate.php?username=ann&pass=t0ken&h[]=home.dyn.example.org&ip=192.0.2.1 HTTP/1.0
//!
//! 192.0.2.1:1
//! ```
//!
//! A line a host: the address, or the host where there is no IPv4 address,
//! and a number. pfSense takes what stands behind the first colon.

use super::language::{Answer, Asked, Language, Request, Spoken, Task};
use super::{dyndns2, hosts};
use crate::update::{Hosts, Outcome};

/// No-IP's older script.
pub const LANGUAGE: Language = Language { name: "no-ip", is_meant, read, speak };

/// The parameter that holds a host; there may be several.
const HOST: &str = "h[]";

fn is_meant(request: &Request) -> bool {
    request.path.ends_with("/ducupdate.php")
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

fn speak(_: &Request, asked: &Asked, answer: &Answer) -> Spoken {
    let (status, words) = dyndns2::words(answer, &asked.spelling);
    let what = asked.spelling.text.split(',').find(|text| !text.contains(':')).unwrap_or("0.0.0.0");
    let body = match answer {
        Answer::Outcomes(outcomes) => {
            outcomes.iter().map(|outcome| format!("{what}:{}\n", code(outcome))).collect()
        }
        Answer::BadAuth => words,
        Answer::Blocked => format!("{what}:6\n"),
        Answer::TooManyHosts => format!("{what}:5\n"),
        _ => format!("{what}:99\n"),
    };
    Spoken::text(status, body)
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
