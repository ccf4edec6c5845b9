//! Files as they really are.

use super::*;

fn found(source: Source, texts: &[(&str, &str)]) -> Result<Found, String> {
    let files: Vec<File> = texts
        .iter()
        .map(|(name, text)| File { path: PathBuf::from(name), text: (*text).to_owned() })
        .collect();
    read(source, &files)
}

/// `name login secret`, with what else there is, a line a host.
fn hosts(source: Source, text: &str) -> Vec<String> {
    let found = found(source, &[("file", text)]).unwrap();
    found.hosts.iter().map(shown).collect()
}

fn shown(entry: &Entry) -> String {
    let mut words = vec![
        entry.name.clone(),
        entry.login.clone().unwrap_or("-".into()),
        entry.secret.clone().unwrap_or("-".into()),
    ];
    if !entry.addresses.is_empty() {
        words.push(entry.addresses.to_string());
    }
    words.extend(entry.wildcard.then(|| "wildcard".into()));
    words.extend(entry.blocked.then(|| "blocked".into()));
    words.extend(entry.networks.iter().map(ToString::to_string));
    words.join(" ")
}

const DDCLIENT: &str = "\
# /etc/ddclient.conf
daemon=300
protocol=dyndns2, server=ddns.example.org, ssl=no
use=ip, ip=192.0.2.9
fw-login=admin, fw-password=router
login=ann, password=secret-one home.example.org
login=bob
password='with space # and \"quote\", comma'
cam.example.org,nas.example.org
login=carl, \\
password=cc\\ c, x.example.org
y.example.org dora dorapass
host=z.example.org password=zz
login=\"e e\", password = spaced q.example.org, r.example.org
";

#[test]
fn ddclient() {
    assert_eq!(
        hosts(Source::Ddclient, DDCLIENT),
        [
            "home.example.org ann secret-one",
            "cam.example.org bob with space # and \"quote\", comma",
            "nas.example.org bob with space # and \"quote\", comma",
            // So ddclient reads it: a blank ends it whatever stands before.
            "c carl cc\\",
            "x.example.org carl cc\\",
            "y.example.org dora dorapass",
            "z.example.org bob zz",
            "q.example.org e e spaced",
            "r.example.org e e spaced",
        ]
    );
    let read = |text| found(Source::Ddclient, &[("ddclient.conf", text)]).unwrap();
    let comma = read("login=ann, password=secret, home.example.org\n");
    assert_eq!(comma.hosts[0].secret.as_deref(), Some("secret,"));
    assert!(comma.remarks[0].starts_with("ddclient.conf:1: the password ends with a comma"));
    let freedns = read("protocol=freedns\nlogin=a\npassword=b\nhome.example.org\n");
    assert!(freedns.remarks[0].contains("freedns"), "{:?}", freedns.remarks);
    let elsewhere = read("password_env=SECRET login=a home.example.org\n");
    assert_eq!(elsewhere.hosts[0].secret, None);
    assert!(elsewhere.remarks[0].contains("environment"));
    assert!(read("login=a \\").remarks[0].contains("backslash"));
}

const INADYN: &str = r#"
// In-a-dyn v2.0 configuration file format
period          = 300
user-agent      = Mozilla/5.0
/* a comment
   of two lines */
provider default@dyndns.org:1 {
    ssl         = true
    username    = ann
    password    = "hunter\"2 # and } more"
    hostname    = { "home.example.org", nas.example.org }
    wildcard    = true
}
provider duckdns.org {
    username = 5f3a7c1e-9b2d-4c8e-8f1a-0d2b4c6e8a90
    password = noPasswordForDuckdns
    hostname = ann.duckdns.org
}
custom namecheap {
    username        = example.org
    password        = 'it\'s'   # the one of the domain
    ddns-server     = dynamicdns.park-your-domain.com
    ddns-path       = "/update?domain=%u&password=%p&host=%h"
    hostname        = { "@", "www" }
    include("~/.secret")
}
"#;

#[test]
fn inadyn() {
    assert_eq!(
        hosts(Source::Inadyn, INADYN),
        [
            "home.example.org ann hunter\"2 # and } more wildcard",
            "nas.example.org ann hunter\"2 # and } more wildcard",
            "ann.duckdns.org - 5f3a7c1e-9b2d-4c8e-8f1a-0d2b4c6e8a90",
            "@ example.org it's",
            "www example.org it's",
        ]
    );
    let empty = "provider x { hostname = { \"\", nas } }\ncustom y { hostname = \"\" }\n";
    let empty = found(Source::Inadyn, &[("inadyn.conf", empty)]).unwrap();
    assert_eq!(empty.hosts.iter().map(shown).collect::<Vec<_>>(), ["nas - -"]);
    assert_eq!(empty.remarks, ["inadyn.conf:2: no hostname"]);
    let found = found(Source::Inadyn, &[("inadyn.conf", INADYN)]).unwrap();
    assert_eq!(found.hosts[2].place, "inadyn.conf:14");
    assert!(found.remarks[0].contains("includes another file"));
    let open = super::read(
        Source::Inadyn,
        &[File { path: "inadyn.conf".into(), text: "\nprovider x { password = \"a".into() }],
    );
    assert_eq!(open.unwrap_err(), "inadyn.conf:2: a quote is opened here and never closed");
}

#[test]
fn duckdns() {
    for text in [
        "echo url=\"https://www.duckdns.org/update?domains=home,nas&token=a7c4d0ad&ip=\" | curl -k -o ~/duck.log -K -\n",
        "*/5 * * * * curl 'https://www.duckdns.org/update?token=a7c4d0ad&domains=home%2Cnas'\n",
        "SUBDOMAINS=home,nas\nTOKEN=a7c4d0ad\n",
        "      - SUBDOMAINS=home,nas\n      - TOKEN=a7c4d0ad\n",
        "#!/bin/sh\nexport TOKEN=\"a7c4d0ad\" # mine\nDOMAINS='home nas'\ncurl \"https://www.duckdns.org/update?domains=$DOMAINS&token=$TOKEN\"\n",
        "https://www.duckdns.org/update/home/a7c4d0ad\nhttp://duckdns.org/update/nas/a7c4d0ad/1.2.3.4\n",
        "duckdns:\n  domain: home,nas\n  access_token: a7c4d0ad\n",
    ] {
        assert_eq!(hosts(Source::Duckdns, text), ["home - a7c4d0ad", "nas - a7c4d0ad"], "{text}");
    }
    let none = found(Source::Duckdns, &[("duck.sh", "echo hello\n")]).unwrap();
    assert!(none.hosts.is_empty() && none.remarks[0].starts_with("duck.sh: neither"));
}

#[test]
fn a_secret_that_is_no_dump_is_not_quoted() {
    let error = found(Source::NsupdateInfo, &[("dump", "\"hunter2\"")]).unwrap_err();
    assert!(error.starts_with("dump is no dump of its tables (it is no list)"), "{error}");
}

#[test]
fn token_list() {
    let text = "# tokens\n0123456789abcdef:home.example.org\n\nwith:colon:nas\nnonsense\n";
    assert_eq!(
        hosts(Source::TokenList, text),
        ["home.example.org - 0123456789abcdef", "nas - with:colon"]
    );
    let found = found(Source::TokenList, &[("token.list", text)]).unwrap();
    assert_eq!(found.remarks, ["token.list:5: not a line like `<token>:<name>`"]);
}

const ZONE: &str = "\
$ORIGIN .
$TTL 86400\t; 1 day
dyn.example.org\t\tIN SOA\tlocalhost. root.localhost. (
\t\t\t\t74         ; serial
\t\t\t\t3600       ; refresh (1 hour)
\t\t\t\t900        ; retry (15 minutes)
\t\t\t\t604800     ; expire (1 week)
\t\t\t\t86400      ; minimum (1 day)
\t\t\t\t)
\t\t\tNS\tns1.dyn.example.org.
$ORIGIN dyn.example.org.
$TTL 60\t; 1 minute
ns1\t\tA\t192.0.2.53
home\t\tA\t192.0.2.1
\t\tAAAA\t2001:db8::1
\t\tTXT\t\"hello\"
*.home\t\tA\t192.0.2.1
*.home\t\tAAAA\t2001:db8::1
nas\t\tA\t192.0.2.2
nas\t\tA\t192.0.2.3
*\t\tA\t192.0.2.9
";

#[test]
fn a_master_file() {
    assert_eq!(
        hosts(Source::Zonefile, ZONE),
        [
            "home.dyn.example.org - - 192.0.2.1,2001:db8::1 wildcard",
            "nas.dyn.example.org - - 192.0.2.2"
        ]
    );
    let found = found(Source::Zonefile, &[("db.dyn", ZONE)]).unwrap();
    assert_eq!(found.hosts[0].place, "db.dyn:14");
    assert_eq!(found.remarks.len(), 3, "{:?}", found.remarks);
    assert!(
        read(Source::Zonefile, &[File { path: "x".into(), text: "home A 1.2.3".into() }]).is_err()
    );
}

#[test]
fn docker_ddns() {
    let json = r#"{"SharedSecret": "change-me-please", "Server": "localhost",
        "Zone": "dyn.example.org.", "Domain": "dyn.example.org", "RecordTTL": 60}"#;
    let environment = "SHARED_SECRET=change-me-please\nZONE=dyn.example.org\nRECORD_TTL=3600\n";
    let compose = "    environment:\n      - \"SHARED_SECRET=change-me-please\"\n      - ZONE=dyn.example.org\n";
    for settings in [json, environment, compose] {
        let found = found(Source::DockerDdns, &[("zone", ZONE), ("settings", settings)]).unwrap();
        let hosts: Vec<String> = found.hosts.iter().map(shown).collect();
        assert_eq!(hosts[1], "nas.dyn.example.org - change-me-please 192.0.2.2");
        assert_eq!(found.hosts[1].zone, "dyn.example.org".parse().ok());
    }
    let missing = |texts: &[(&str, &str)]| found(Source::DockerDdns, texts).unwrap_err();
    assert!(missing(&[("zone", ZONE)]).contains("secret"));
    assert!(missing(&[("settings", environment)]).contains("zone file"));
}

#[test]
fn nsupdate_info() {
    let dump = r#"[
      {"model": "main.domain", "pk": 1, "fields": {"name": "dyn.example.org", "nameserver_ip": "192.0.2.53",
       "nameserver_update_secret": "c2VjcmV0", "public": true, "created_by": 1}},
      {"model": "main.host", "pk": 7, "fields": {"name": "home", "domain": 1,
       "update_secret": "sha1$Jz8pVWqCbTDUPTQdEQgfkg$0123456789abcdef0123456789abcdef01234567",
       "comment": "", "available": true, "abuse": false, "abuse_blocked": false, "created_by": 1}},
      {"model": "main.host", "pk": 8, "fields": {"name": "nas", "domain": ["dyn.example.org"],
       "update_secret": "", "abuse_blocked": true}},
      {"model": "main.host", "pk": 9, "fields": {"name": "lost", "domain": 4}}
    ]"#;
    assert_eq!(
        hosts(Source::NsupdateInfo, dump),
        ["home.dyn.example.org - -", "nas.dyn.example.org - - blocked"]
    );
    let found = found(Source::NsupdateInfo, &[("dump.json", dump)]).unwrap();
    let hash = found.hosts[0].hashed.as_deref().unwrap_or_default();
    assert!(hash.starts_with("sha1$Jz8pVWqCbTDUPTQdEQgfkg$"), "{hash}");
    assert_eq!(found.hosts[1].hashed, None);
    assert!(found.remarks.iter().any(|remark| remark.contains("lost")));
    for text in ["", "{}", "[]", "[{\"model\": 1}]"] {
        assert!(
            read(Source::NsupdateInfo, &[File { path: "x".into(), text: text.into() }]).is_err()
        );
    }
}

const ACME_DNS: &str = "\
PRAGMA foreign_keys=OFF;
BEGIN TRANSACTION;
CREATE TABLE acmedns(
\t\tName TEXT,
\t\tValue TEXT
\t);
INSERT INTO acmedns VALUES('db_version','1');
INSERT INTO records VALUES('c36f50e8-4632-44f0-83fe-e070fef28a10',X'243261243130',\
'8e5700ea-a4bf-41c7-8a77-e990661dcc6a','[]');
INSERT INTO \"records\" VALUES('eabcdb41-d89f-4580-826f-3e62e9755ef2',X'2432',\
'd420c923-bbd7-4056-ab64-c3ca54c9b3cf','[\"192.0.2.0/24\",\"2001:db8::/32\"]');
INSERT INTO txt VALUES('8e5700ea-a4bf-41c7-8a77-e990661dcc6a','',0);
COMMIT;
";

#[test]
fn acme_dns() {
    assert_eq!(
        hosts(Source::AcmeDns, ACME_DNS),
        [
            "8e5700ea-a4bf-41c7-8a77-e990661dcc6a - -",
            "d420c923-bbd7-4056-ab64-c3ca54c9b3cf - - 192.0.2.0/24 2001:db8::/32",
        ]
    );
    let config = "[general]\nlisten = \"0.0.0.0:53\"\ndomain = \"auth.example.org\"\n";
    let found = found(Source::AcmeDns, &[("dump.sql", ACME_DNS), ("config.cfg", config)]).unwrap();
    assert_eq!(found.hosts[0].zone, "auth.example.org".parse().ok());
    assert!(found.hosts[0].acme_only);
    assert_eq!(found.hosts[0].hashed.as_deref(), Some("$2a$10"));
    let binary = File { path: "acme-dns.db".into(), text: "SQLite format 3\0".into() };
    assert!(read(Source::AcmeDns, &[binary]).unwrap_err().contains(".dump"));
}

#[test]
fn every_source_is_found_by_its_word() {
    for source in Source::ALL {
        assert_eq!(source.word().parse(), Ok(source));
    }
    assert_eq!("ddclient".parse(), Ok(Source::Ddclient));
    assert!("bind".parse::<Source>().unwrap_err().contains("zonefile"));
}
