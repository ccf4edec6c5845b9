//! Which hosts a request names, in whatever parameter.

use std::borrow::Cow;
use std::collections::HashSet;

use super::parameters::Parameters;
use super::spelling::is_placeholder;
use crate::model::Name;
use crate::recent::Hint;
use crate::registry::Login;
use crate::update::Hosts;

/// The names of the parameter that lists hosts, likeliest first. `h` and the
/// like count only when nothing before them names a host.
pub const HOSTS: [&str; 13] = [
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

/// The hosts a request names; else the one its login implies.
pub fn read(parameters: &Parameters, logins: &[Login], hints: &mut Vec<Hint>) -> Hosts {
    match listed(parameters, hints) {
        listed if listed.is_empty() => Hosts::Implied(implied(logins)),
        listed => Hosts::Listed(listed),
    }
}

/// The hosts listed, `None` for what is no host name. Empty: none is named.
fn listed(parameters: &Parameters, hints: &mut Vec<Hint>) -> Vec<Option<Name>> {
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
    let mut known: HashSet<Option<Name>> = hosts.iter().cloned().collect();
    hosts.extend(lists.flatten().map(host).filter(|more| known.insert(more.clone())));
    hosts
}

/// The items of a host list. `YES` (dyndns1) and `1` name none; what follows
/// a slash is the rest of a URL.
pub fn items(list: &str) -> Vec<&str> {
    list.split(|c: char| c == ',' || c.is_whitespace())
        .map(|item| item.split('/').next().unwrap_or_default())
        .filter(|item| !item.is_empty() && !item.eq_ignore_ascii_case("yes") && *item != "1")
        .collect()
}

/// A host name of at least two labels; national characters as in IDNA.
pub fn host(text: &str) -> Option<Name> {
    let ascii = match text.is_ascii() {
        true => Cow::Borrowed(text),
        false => idna::domain_to_ascii_cow(text.as_bytes(), idna::AsciiDenyList::EMPTY).ok()?,
    };
    let name: Name = ascii.parse().ok()?;
    (name.depth() >= 2 && name.is_hostname()).then_some(name)
}

/// The host a client logs in as, when it names none (nsupdate.info, HE).
pub fn implied(logins: &[Login]) -> Option<Name> {
    logins.iter().find_map(|login| host(&login.user))
}

/// A host name, or the first part of one: a label is enough.
pub fn label_or_host(text: &str) -> Option<Name> {
    host(text)
        .or_else(|| text.parse().ok().filter(|name: &Name| name.depth() == 1))
        .filter(Name::is_hostname)
}
