//! Cookies by the programs people have: dig and kdig.

use std::net::SocketAddr;

use super::Own;
use crate::daemon::{said, with_us};
use crate::network::program;

/// What a program says about a name of the zone.
fn asked(server: SocketAddr, name: &str, words: &[&str]) -> String {
    let mut command = with_us(&program(name));
    command.arg(format!("@{}", server.ip())).args(["-p", &server.port().to_string()]);
    let said = said(command.args(words), "");
    assert!(said.status.success(), "{said}");
    said.out
}

/// Two answers to dig: it asks with the cookie it was given the first time.
#[test]
fn dig_and_kdig_take_our_cookies() {
    let own = Own::start();
    let dig = |cookie: &str| {
        let cookie = format!("+cookie{cookie}");
        asked(own.address, "dig", &["big500.example.", "TXT", "+ignore", &cookie])
    };
    let first = dig("=0123456789abcdef");
    assert!(first.contains("flags: qr aa tc"), "{first}");
    let cookie = first.lines().find_map(|line| line.strip_prefix("; COOKIE: ")).unwrap();
    let cookie = cookie.strip_suffix(" (good)").unwrap_or_else(|| panic!("{first}"));
    let second = dig(&format!("={cookie}"));
    assert!(second.contains("ANSWER: 1,") && second.contains("(good)"), "{second}");
    // Half of it is none of ours; of a length there is not, FORMERR.
    assert!(dig(&format!("={}", &cookie[..32])).contains("ANSWER: 0,"));
    assert!(dig("=01234567").contains("status: FORMERR"));
    let kdig =
        asked(own.address, "kdig", &["big500.example.", "TXT", &format!("+cookie={cookie}")]);
    assert!(kdig.contains("ANSWER: 1;") && kdig.contains(&cookie.to_uppercase()), "{kdig}");
}
