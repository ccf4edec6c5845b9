//! The configuration: taken, or refused with a place in the file.

use truename::config::{Config, ConfigError};

use super::{Target, memory, text};
use crate::dice::Dice;

pub const TARGET: Target =
    Target { name: "configuration", holds, seeds, mutate, longest: 2048, rounds: 6_000 };

fn seeds() -> Vec<Vec<u8>> {
    vec![FILE.as_bytes().to_vec(), b"".to_vec()]
}

const FILE: &str = "\
data = \"/var/lib/truename\"
store = \"redb\"
zones = [\".\"]
[dns]
listen = [\"0.0.0.0:53\", \"[::]\", \"192.0.2.1\"]
threads = 0
tcp_connections = 1000
version = \"truename\"
id = \"one\"
[http]
listen = [\"0.0.0.0:80\", \"::1\"]
public = \"https://ddns.dyn.example.org\"
trusted_proxies = [\"127.0.0.1/32\", \"2001:db8::/32\"]
max_hosts = 100
protocols = [\"dyndns2\", \"signed\"]
realm = \"DynDNS\"
connections = 1000
[http.tls]
listen = [\"0.0.0.0:443\"]
certificate = \".\"
key = \".\"
[http.register]
zone = \"dyn.example.org\"
from = [\"192.0.2.0/24\"]
names = 1000
[hosts]
ttl = 60
lease = \"35d\"
[zone.\"dyn.example.org\"]
global_only = true
";

const PIECES: [&str; 40] = [
    "[dns]\n",
    "[http]\n",
    "[hosts]\n",
    "[http.tls]\n",
    "[zone.\"",
    "[[dns]]\n",
    "listen = ",
    "zones = ",
    "data = ",
    "store = ",
    "ttl = ",
    "lease = ",
    "threads = ",
    "realm = ",
    "public = ",
    "\"",
    "'",
    "\"\"\"",
    "'''",
    "[",
    "]",
    "{",
    "}",
    "=",
    ",",
    "#",
    "\n",
    "\\u0000",
    "\\",
    "true",
    "-1",
    "0",
    "9223372036854775808",
    "1e400",
    "inf",
    "1979-05-27",
    "0x7fffffff",
    "\"35d\"",
    "\"0.0.0.0:65536\"",
    "größe",
];

fn mutate(octets: &mut Vec<u8>, dice: &mut Dice) {
    text::mutate(octets, dice, &PIECES);
}

fn holds(octets: &[u8]) {
    let file = DIRECTORY.with(|directory| directory.path().join("truename.toml"));
    std::fs::write(&file, octets).expect("room for a configuration");
    match Config::load(&file) {
        Ok(config) => {
            assert!(!config.dns.listen.is_empty() && !config.http.listen.is_empty());
            // What it is for.
            let _ = (config.settings(), config.public(), config.look());
        }
        Err(ConfigError::Unreadable { .. }) => {
            assert!(std::str::from_utf8(octets).is_err(), "it is a text");
        }
        Err(ref error @ ConfigError::Wrong { ref place, .. }) => {
            let text = String::from_utf8_lossy(octets);
            assert!((1..=text.split('\n').count()).contains(&place.line), "{error} in\n{text}");
            assert!(!error.to_string().contains('\n'), "{error} in\n{text}");
        }
    }
}

thread_local! {
    static DIRECTORY: tempfile::TempDir = memory::directory();
}
