//! Rows at rest: whatever is in a store, a start says which row it cannot
//! read, or knows something that it writes down just as it reads it.

use truename::answer::{Meta, Verdict, answer};
use truename::model::{Account, Host, Key, RecordType};
use truename::registry::{Command, Registry};
use truename::store::{MAX_KEY, Row, dump};

use super::memory::{self, Memory};
use super::{Target, text};
use crate::dice::Dice;
use crate::parsed::parsed;

pub const TARGET: Target =
    Target { name: "rows", holds, seeds, mutate, longest: 2048, rounds: 300 };

/// Each a key, a tab, a value; of every version there is.
fn seeds() -> Vec<Vec<u8>> {
    let digest = "ab".repeat(16);
    let mut rows = vec![
        r#"host/home.example	{"v":1,"owner":"us","ttl":120,"lease":"7d","wildcard":true,"blocked":true,"created":1000,"presence":{"present":{"at":{"v4":"192.0.2.1","v6":"2001:db8::1"},"heard":77}},"report":{"at":1234,"from":"203.0.113.9","by":"dyndns2"},"changes":3}"#.to_owned(),
        r#"host/home.example	{"v":1,"created":1000,"presence":"unheard","changes":0}"#.to_owned(),
        r#"host/home.example	[2,"us",1000,3,"present","192.0.2.1,2001:db8::1",77,[1234,"203.0.113.9","dyndns2"],[120,"7d",true,true]]"#.to_owned(),
        r#"host/home.example	[2,null,1000,0,"lapsed","-",5,null,[null,"never",false,false]]"#.to_owned(),
        r#"host/home.example	[3,"us",1000,3,"present","192.0.2.1",77,null,null,{"site":["router.example","::2:0:5eff:fe10:1"],"prefix":"2001:db8:1:ff00::/56","records":[["_acme-challenge.home.example","TXT",60,"AW8",99,null],["home.example","A",60,"wAACAg",99,"wan2"]]}]"#.to_owned(),
        r#"host/nas.example	[3,"us",1000,3,"unheard","-",77,null,null,{"records":[["nas.example","MX",60,"AAoEaG9tZQdleGFtcGxlAA",null,null],["x.nas.example","PTR",60,"BGhvbWUHZXhhbXBsZQA",null,null]]}]"#.to_owned(),
        r#"host/nas.example	[3,"us",1000,3,"unheard","-",77,null,null,{"records":[["nas.example","MX",60,"AA",null,null]]}]"#.to_owned(),
        r#"account/us	{"v":1,"password":"$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$aGFzaA","blocked":true,"created":1}"#.to_owned(),
        r#"zone/example	{"v":1,"serial":7,"digest":12345678901234567890,"ttl":60}"#.to_owned(),
        r#"history/home.example/02	[2,7,9,"-","192.0.2.1","dyndns2","203.0.113.9"]"#.to_owned(),
        "meta/served	77".to_owned(),
        "meta/imported	1".to_owned(),
    ];
    rows.push(format!(
        r#"key/abcdefgh	[3,"account","us","{digest}",1,null,"acme,TXT",1767225600000,"$2a$10$abc"]"#
    ));
    rows.push(format!(r#"key/abcdefgh	[2,"host","home.example","{digest}",1,[["a.example"],["192.0.2.0/24"],"box"]]"#));
    rows.push(rows.join("\n"));
    rows.into_iter().map(String::into_bytes).collect()
}

const PIECES: [&str; 39] = [
    "\"MX\"",
    "\"AA\"",
    "\"PTR\"",
    "host/",
    "account/",
    "key/",
    "zone/",
    "history/",
    "meta/served",
    "\t",
    "\n",
    "[2,",
    "[3,",
    "[4,",
    "{\"v\":1,",
    "null",
    "true",
    "-1",
    "18446744073709551616",
    "9223372036854775807",
    "-9223372036854775808",
    "1e999",
    "\"present\"",
    "\"lapsed\"",
    "\"offline\"",
    "\"unheard\"",
    "\"never\"",
    "\"2001:db8::/0\"",
    "\"::ffff:192.0.2.1\"",
    "[]",
    "{}",
    "[[",
    "\"\\u0000\"",
    "\"us\"",
    "home.example",
    "*.example",
    "xn--",
    "\\",
    "\"",
];

fn mutate(octets: &mut Vec<u8>, dice: &mut Dice) {
    text::mutate(octets, dice, &PIECES);
}

/// Everything that a registry knows, but for moments that pass.
#[derive(Debug, PartialEq)]
struct Known {
    hosts: Vec<Host>,
    accounts: Vec<Account>,
    keys: Vec<Key>,
}

fn known(registry: &Registry) -> Known {
    let state = registry.state();
    let mut known = Known {
        hosts: state.hosts().collect(),
        accounts: state.accounts().collect(),
        keys: state.keys().collect(),
    };
    known.hosts.sort_by(|one, other| one.name.cmp(&other.name));
    known.accounts.sort_by(|one, other| one.name.cmp(&other.name));
    known.keys.sort_by(|one, other| one.id.0.cmp(&other.id.0));
    known
}

/// Whatever was taken can be asked for.
fn answered(registry: &Registry, text: &str) {
    let snapshot = registry.snapshot().load_full();
    for (name, rtype, ..) in snapshot.records() {
        let mut request = b"\x12\x67\0\0\0\x01\0\0\0\0\0\0".to_vec();
        request.extend_from_slice(name.wire());
        request.extend(rtype.0.to_be_bytes());
        request.extend([0, 1]);
        for rtype in [rtype, RecordType::ANY] {
            let at = request.len() - 4;
            request[at..at + 2].copy_from_slice(&rtype.0.to_be_bytes());
            let mut out = Vec::new();
            assert_eq!(answer(&snapshot, &request, &Meta::TCP, &mut out), Verdict::Sent);
            assert!(out[7] > 0 || out[9] > 0, "no {rtype} at {name}:\n{text}");
            parsed(&out);
        }
    }
}

fn holds(octets: &[u8]) {
    let text = String::from_utf8_lossy(octets);
    let mut rows: Vec<Row> = Vec::new();
    for line in text.split('\n') {
        // What a store holds: see `truename::store::Store::commit`.
        let Some((key, value)) = line.split_once('\t') else { continue };
        let is_key = !key.is_empty() && key.len() <= MAX_KEY && !key.chars().any(char::is_control);
        if is_key && !value.contains(['\r', '\t']) && !key.starts_with('#') {
            rows.push((key.to_owned(), value.as_bytes().to_vec()));
        }
    }
    let mut all = memory::rows();
    all.retain(|(key, _)| key == "meta/token-key");
    all.extend(rows);
    let store = Memory::of(all);
    let keys: Vec<String> = store.all().into_iter().map(|(key, _)| key).collect();
    let registry = match memory::registry(store.clone()) {
        Ok(registry) => registry,
        Err(said) => {
            assert!(keys.iter().any(|key| said.contains(key.as_str())), "{said}\n{text}");
            return;
        }
    };
    answered(&registry, &text);
    let before = known(&registry);
    // What is written down from memory, read again.
    let directory = DIRECTORY.with(|directory| directory.path().join("rows.dump"));
    thread_local!(static RUNTIME: tokio::runtime::Runtime = memory::runtime());
    let export = Command::Export { file: directory.clone() };
    let exported = RUNTIME.with(|runtime| runtime.block_on(registry.command(export)));
    exported.unwrap_or_else(|error| panic!("{error}\n{text}"));
    registry.stop();
    let rows = dump::read(&directory).expect("just written");
    let rows: Vec<Row> = rows.collect::<Result<_, _>>().unwrap_or_else(|e| panic!("{e}\n{text}"));
    let again = memory::registry(Memory::of(rows)).unwrap_or_else(|e| panic!("{e}\n{text}"));
    assert_eq!(known(&again), before, "written down differently:\n{text}");
    again.stop();
    // And from the store as it was left.
    let again = memory::registry(store).unwrap_or_else(|e| panic!("{e}\n{text}"));
    assert_eq!(known(&again), before, "kept differently:\n{text}");
    again.stop();
}

thread_local! {
    static DIRECTORY: tempfile::TempDir = memory::directory();
}
