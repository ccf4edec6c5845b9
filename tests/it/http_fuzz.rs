//! Requests that nobody should send, to every update language: no panic, a
//! status that clients can bear, a body of bounded length, and no secret in
//! the answer. The seeds are what the recorded clients of `tests/clients/`
//! really send.

use std::net::IpAddr;

use truename::registry::{Command, HostSettings, Reply};
use truename::store::Engine;

use crate::dice::Dice;
use crate::world::World;

const ZONE: &str = "\
$ORIGIN dyn.example.org.
@   3600 SOA ns1 hostmaster 1 3600 600 86400 60
@   3600 NS  ns1
ns1 3600 A   192.0.2.53
";

/// Requests for each piece of a seed that is changed.
const ROUNDS: usize = 6_000;

/// The longest answer to one request of these seeds, in octets.
const LONGEST: usize = 2048;

/// One request, as the scripts have it.
#[derive(Clone)]
struct Seed {
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: String,
}

/// The requests of every recorded client, the token of `home` in them.
fn seeds(token: &str) -> Vec<Seed> {
    let mut seeds = Vec::new();
    for file in super::clients::recorded() {
        let text = std::fs::read_to_string(file).unwrap().replace("{ann}", "{home}");
        let text = text.replace("{home}", token);
        for request in text.split("\n<") {
            let mut lines = request.lines().filter(|line| line.starts_with('>'));
            let Some(first) = lines.next().and_then(|line| line.strip_prefix("> ")) else {
                continue;
            };
            let words: Vec<&str> = first.split(' ').collect();
            let [method @ ("GET" | "POST"), target, _] = words.as_slice() else { continue };
            let mut seed = Seed {
                method: (*method).into(),
                target: (*target).into(),
                headers: Vec::new(),
                body: String::new(),
            };
            for line in lines {
                if let Some(body) = line.strip_prefix(">> ") {
                    seed.body = body.into();
                } else if let Some((name, value)) = line[1..].trim().split_once(": ")
                    && !name.eq_ignore_ascii_case("content-length")
                {
                    let value = match value.strip_prefix("Basic {basic ") {
                        Some(pair) => basic(pair.trim_end_matches('}')),
                        None => value.to_owned(),
                    };
                    seed.headers.push((name.into(), value));
                }
            }
            seeds.push(seed);
        }
    }
    seeds
}

fn basic(pair: &str) -> String {
    format!("Basic {}", data_encoding::BASE64.encode(pair.as_bytes()))
}

/// Pieces that mean something to one language or another.
const PIECES: [&str; 40] = [
    "/update",
    "/api/update",
    "/u/",
    "/dynamic/update.php?",
    "/dyn/generic.php",
    "/ducupdate.php",
    "/nic/dyndns?action=edit&",
    "/update/home/",
    "/api/?action=getdyndns&sha=",
    "/register",
    "/present",
    "domains=home&token=",
    "secret=",
    "&domain=home",
    "&host=@",
    "&host=*",
    "&txt=",
    "&clear=true",
    "&verbose=true",
    "&ip=",
    "&ipv6=",
    "&ipv6prefix=",
    "&myipv6:cam.dyn.example.org=",
    "&myipv4:=",
    "&line=wan1",
    "&hostname=",
    "&h[]=",
    "auto",
    "-",
    "6to4",
    "preserve",
    "2001:db8::/0",
    "::/129",
    "192.0.2.256",
    "%00",
    "%ff",
    "..",
    "&",
    "=",
    "?",
];

fn mutated(seed: &Seed, dice: &mut Dice) -> Seed {
    let mut seed = seed.clone();
    for _ in 0..=dice.roll(3) {
        let text = if seed.body.is_empty() || dice.roll(3) > 0 {
            &mut seed.target
        } else {
            &mut seed.body
        };
        // Not within an octet's escape or the first slash.
        let at = 1 + dice.roll(text.len().max(1));
        let at = (at..=text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(text.len());
        match dice.roll(5) {
            0 => text.truncate(at),
            1 => text.insert_str(at, PIECES[dice.roll(PIECES.len())]),
            2 => {
                let end = (at + dice.roll(12)).min(text.len());
                if text.is_char_boundary(end) {
                    text.replace_range(at.min(end)..end, "");
                }
            }
            3 => text.insert_str(at, &PIECES[dice.roll(PIECES.len())].repeat(1 + dice.roll(20))),
            _ => *text = PIECES[dice.roll(PIECES.len())].to_owned() + text,
        }
    }
    if dice.roll(4) == 0 && !seed.headers.is_empty() {
        let at = dice.roll(seed.headers.len());
        seed.headers.remove(at);
    }
    if dice.roll(8) == 0 {
        seed.method = ["GET", "POST", "HEAD", "PUT", "DELETE"][dice.roll(5)].into();
    }
    // What the stream before hyper does with such lines is tested there.
    let plain = |c: char| c.is_ascii_graphic() && !"<>\"\\^`{|}#".contains(c);
    seed.target.retain(plain);
    if !seed.target.starts_with('/') {
        seed.target.insert(0, '/');
    }
    seed
}

#[test]
fn thousands_of_requests_to_every_language() {
    let mut world = World::new(Engine::Redb, ZONE);
    world.start().unwrap();
    let add = |name: &str| {
        let (name, settings) = (name.parse().unwrap(), HostSettings::default());
        match world.command(Command::HostAdd { name, settings, key: true }) {
            Ok(Reply::HostAdded { key: Some(key), .. }) => key.token,
            other => panic!("{other:?}"),
        }
    };
    let token = add("home.dyn.example.org");
    let cam = add("cam.dyn.example.org");
    let seeds = seeds(&token);
    assert!(seeds.len() > 100, "only {} seeds", seeds.len());
    let from: IpAddr = "198.51.100.9".parse().unwrap();
    let mut dice = Dice(0x6c61_6e67_7561_6765);
    let mut statuses = std::collections::BTreeMap::new();
    for round in 0..seeds.len() + ROUNDS {
        let seed = match seeds.get(round) {
            Some(seed) => seed.clone(),
            None => mutated(&seeds[dice.roll(seeds.len())], &mut dice),
        };
        let headers: Vec<(&str, &str)> =
            seed.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let Some((status, body)) =
            world.request(&seed.method, &seed.target, &headers, &seed.body, from)
        else {
            continue;
        };
        let what = format!("{} {}\n{}\n{status} {body}", seed.method, seed.target, seed.body);
        *statuses.entry(status).or_insert(0) += 1;
        // Update clients end for good on other refusals; programs that post
        // JSON do not.
        let bearable = [200, 400, 401, 404, 405, 503].contains(&status);
        let is_json = body.starts_with("{\"") && (400..500).contains(&status);
        assert!(bearable || is_json, "{what}");
        assert!(body.len() <= LONGEST, "{what}");
        assert!(!body.contains(&cam), "another's secret\n{what}");
        // FreeDNS's list gives back the secret it was asked with, in the URLs
        // that it is a list of.
        let is_list = body.contains("/dynamic/update.php?");
        assert!(is_list || !body.contains(&token), "a secret\n{what}");
    }
    for status in [200, 400, 401, 404, 405] {
        assert!(statuses.contains_key(&status), "{statuses:?}");
    }
}
