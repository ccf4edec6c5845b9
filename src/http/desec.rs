//! deSEC's own addition to dyndns2: addresses for further names in the same
//! request. Everything else deSEC's clients send is dyndns2 as it is
//! (`preserve`, any path, credentials in the query).
//!
//! ```text
//! GET /?hostname=home.dyn.example.org&myipv4=192.0.2.1&myipv6:cam.dyn.example.org=2001:db8::2 HTTP/1.1
//!
//! good 192.0.2.1
//! good 2001:db8::2
//! ```
//!
//! All that is said in one request is written down together; each name has an
//! outcome of its own. Unlike at deSEC, what is not mentioned is left alone, and `nohost` comes
//! with 200 as to everybody else.

use std::collections::HashMap;

use super::language::{Answer, Asked, Language, Request, Spoken, Task};
use super::parameters::Parameters;
use super::{dyndns2, hosts, spelling};
use crate::model::Protocol;
use crate::update::{Hosts, Update};

/// deSEC's addition.
pub const LANGUAGE: Language = Language { name: "desec", is_meant, read, speak };

/// What stands before the colon.
const BEFORE: [&str; 4] = ["myip", "myipv4", "myipv6", "ipv6"];

fn is_meant(request: &Request) -> bool {
    request.parameters.iter().any(|(name, _)| further(name).is_some())
}

/// The plain parameter and the name it is for.
fn further(parameter: &str) -> Option<(&'static str, &str)> {
    let (before, name) = parameter.split_once(':')?;
    BEFORE.into_iter().find(|known| *known == before).map(|known| (known, name))
}

fn read(request: &Request) -> Asked {
    let mut asked = dyndns2::read(request).spoken_as(Protocol::Desec);
    let Task::Report(updates) = &mut asked.task else { return asked };
    let named = !request.parameters.iter().all(|(name, _)| further(name).is_some());
    let plain = ["hostname", "myip", "myipv4", "myipv6", "ipv6", "host_id"];
    if !named || plain.iter().all(|name| !request.parameters.has(name)) {
        updates.clear();
    }
    for (text, parameters) in by_name(&request.parameters) {
        let addressed = spelling::read(&parameters, request.source);
        addressed.hint(&mut asked.hints);
        updates.push(request.update(
            Protocol::Desec,
            Hosts::Listed(vec![hosts::host(text)]),
            addressed.report,
        ));
    }
    asked
}

/// The parameters of each further name, in the order first seen.
fn by_name(parameters: &Parameters) -> Vec<(&str, Parameters)> {
    let mut found: Vec<(&str, Parameters)> = Vec::new();
    let mut places: HashMap<&str, usize> = HashMap::new();
    for (parameter, value) in parameters.iter() {
        let Some((plain, name)) = further(parameter) else { continue };
        let at = *places.entry(name).or_insert_with(|| {
            found.push((name, parameters.others()));
            found.len() - 1
        });
        found[at].1.add(plain, value);
    }
    found
}

/// As dyndns2, each line with the addresses of its own host.
fn speak(request: &Request, asked: &Asked, answer: &Answer) -> Spoken {
    let (status, mut body) = dyndns2::words(answer, &asked.spelling);
    if let (Answer::Outcomes(outcomes), Task::Report(updates)) = (answer, &asked.task) {
        let further = by_name(&request.parameters);
        let own = updates.len() - further.len().min(updates.len());
        let of = |update: &Update| match &update.hosts {
            Hosts::Listed(names) => names.len(),
            Hosts::Implied(_) => 1,
        };
        let own: usize = updates.iter().take(own).map(of).sum();
        let spellings = further
            .iter()
            .map(|(_, parameters)| spelling::read(parameters, request.source).spelling);
        let spellings = std::iter::repeat_n(asked.spelling.clone(), own).chain(spellings);
        body = outcomes.iter().zip(spellings).map(|(one, how)| dyndns2::line(one, &how)).collect();
    }
    Spoken::text(status, body)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Name;

    #[test]
    fn each_name_has_its_own_addresses() {
        let asked = read(&Request::of(
            "GET /?hostname=a.example.org&myipv4=192.0.2.1&myipv4:b.example.org=192.0.2.2\
             &myipv6:b.example.org=preserve&myipv6:c.example.org=2001:db8::3",
            "",
            "",
        ));
        let Task::Report(updates) = asked.task else { panic!() };
        let name = |text: &str| Some(text.parse::<Name>().unwrap());
        let hosts: Vec<Hosts> = updates.iter().map(|update| update.hosts.clone()).collect();
        let listed = |text| Hosts::Listed(vec![name(text)]);
        assert_eq!(
            hosts,
            [listed("a.example.org"), listed("b.example.org"), listed("c.example.org")]
        );
    }

    /// An address may be in a body that nobody can read: none of the names has
    /// the one it comes from then.
    #[test]
    fn beside_an_unread_body_no_name_is_where_the_request_comes_from() {
        let reported = |unread: bool| {
            let mut request =
                Request::of("GET /?hostname=a.example.org&myipv4:b.example.org=", "", "");
            if unread {
                request.parameters.add_unread();
            }
            let Task::Report(updates) = read(&request).task else { panic!() };
            updates.into_iter().map(|update| update.report).collect::<Vec<_>>()
        };
        let (read, unread) = (reported(false), reported(true));
        assert_eq!(read.len(), 2);
        assert!(unread.iter().all(|report| !read.contains(report)), "{unread:?}");
    }
}
