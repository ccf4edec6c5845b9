//! Files of other programs: what they say, or what is wrong with them, and
//! never a word of their secrets in what is said.

use std::path::PathBuf;

use truename::import::{File, Source, read};

use super::{Target, text};
use crate::dice::Dice;

pub const TARGET: Target =
    Target { name: "import", holds, seeds, mutate, longest: 2048, rounds: 10_000 };

/// Part of every secret in the seeds.
const SECRET: &str = "s3cr3t";

/// An octet that says whose file it is, then the files, each ended by a zero.
fn seeds() -> Vec<Vec<u8>> {
    let ddclient = "\
protocol=dyndns2, server=ddns.example.org, ssl=no
use=ip, ip=192.0.2.9
fw-login=admin, fw-password=s3cr3t-router
login=ann, password=s3cr3t-one home.example.org
login=bob
password='s3cr3t # and \"quote\", comma'
cam.example.org,nas.example.org
login=carl, \\
password=s3cr3t\\ c, x.example.org
y.example.org dora s3cr3tdora
host=z.example.org password=s3cr3tzz
password_env=SECRET a.example.org
";
    let inadyn = "\
period = 300
provider default@dyndns.org:1 {
    username = ann
    password = \"s3cr3t\\\"2 # and } more\" /* s3cr3t */
    hostname = { \"home.example.org\", nas.example.org }
    wildcard = true
}
provider duckdns.org {
    username = s3cr3t-9b2d-4c8e
    hostname = ann.duckdns.org
}
custom namecheap {
    username = example.org
    password = 's3cr3t\\'s'   # the one of the domain
    hostname = { \"@\", \"www\" }
    include(\"~/.secret\")
}
";
    let duckdns = "\
*/5 * * * * curl 'https://www.duckdns.org/update?token=s3cr3t-ad&domains=home%2Cnas'
SUBDOMAINS=home,nas
      - TOKEN=s3cr3t-ad
https://www.duckdns.org/update/home/s3cr3t-ad
  access_token: s3cr3t-ad
";
    let nsupdate = r#"[{"model":"main.domain","pk":1,"fields":{"name":"dyn.example.org"}},
{"model":"main.host","pk":7,"fields":{"name":"home","domain":1,"update_secret":"sha1$s3cr3tpVWqCbTDUPTQdEQgfkg$0123456789abcdef0123456789abcdef01234567","abuse_blocked":false}},
{"model":"main.host","pk":9,"fields":{"name":"lost","domain":4,"update_secret":"s3cr3t"}}]"#;
    let docker = "SHARED_SECRET=s3cr3t-please\nZONE=dyn.example.org\nRECORD_TTL=3600\n";
    let json = r#"{"SharedSecret":"s3cr3t-please","Zone":"dyn.example.org."}"#;
    let tokens = "# tokens\ns3cr3t456789abcdef:home.example.org\ns3cr3t:colon:nas\nnonsense\n";
    let zone = "\
$ORIGIN .
$TTL 86400
dyn.example.org IN SOA localhost. root.localhost. ( 74 3600 900 604800 86400 )
   NS ns1.dyn.example.org.
$ORIGIN dyn.example.org.
home A 192.0.2.1
 AAAA 2001:db8::1
 TXT \"hello\"
*.home A 192.0.2.1
nas A 192.0.2.2
nas A 192.0.2.3
";
    let acme = "\
INSERT INTO records VALUES('c36f50e8',X'73336372337432413130','8e5700ea','[]');
INSERT INTO \"records\" VALUES('eabcdb41','s3cr3t','d420c923','[\"192.0.2.0/24\",\"2001:db8::/32\"]');
";
    let domain = "[general]\ndomain = \"auth.example.org\"\n";
    let files: [&[&str]; 9] = [
        &[ddclient],
        &[inadyn],
        &[duckdns],
        &[nsupdate],
        &[docker, zone],
        &[json, zone],
        &[tokens],
        &[zone],
        &[acme, domain],
    ];
    let whose = [0, 1, 2, 3, 4, 4, 5, 6, 7];
    let seeds = whose.iter().zip(files).map(|(whose, files)| {
        let mut seed = vec![*whose];
        seed.extend_from_slice(files.join("\0").as_bytes());
        seed
    });
    seeds.collect()
}

const PIECES: [&str; 36] = [
    "password=",
    "'",
    "\"",
    "\\",
    "#",
    "{",
    "}",
    "=",
    ",",
    " ",
    "\n",
    "\r\n",
    "(",
    ")",
    "ü",
    "\0",
    "INSERT INTO records VALUES(",
    "duckdns.org/update",
    "?domains=",
    "&token=",
    "/*",
    "*/",
    "$ORIGIN ",
    ":",
    "provider ",
    "hostname = ",
    "X'",
    "[",
    "]",
    "\\x",
    "login_env=",
    "host=",
    "s3cr3t",
    "update_secret",
    "SHARED_SECRET=",
    "null",
];

fn mutate(octets: &mut Vec<u8>, dice: &mut Dice) {
    let mut rest = octets.split_off(octets.len().min(1));
    text::mutate(&mut rest, dice, &PIECES);
    if octets.is_empty() || dice.roll(16) == 0 {
        *octets = vec![dice.roll(8) as u8];
    }
    octets.extend(rest);
}

fn holds(octets: &[u8]) {
    let Some((whose, texts)) = octets.split_first() else { return };
    let source = Source::ALL[usize::from(*whose) % Source::ALL.len()];
    // What a zone file includes is no part of it.
    if texts.to_ascii_uppercase().windows(8).any(|piece| piece == b"$INCLUDE") {
        return;
    }
    let files: Vec<File> = texts
        .split(|octet| *octet == 0)
        .enumerate()
        .map(|(number, text)| File {
            path: PathBuf::from(format!("file-{number}")),
            text: String::from_utf8_lossy(text).into_owned(),
        })
        .collect();
    let shown = || String::from_utf8_lossy(texts).into_owned();
    let said = match read(source, &files) {
        Ok(found) => {
            for host in &found.hosts {
                assert!(!host.name.is_empty() && !host.place.is_empty(), "{source}: {}", shown());
            }
            found.remarks
        }
        Err(said) => vec![said],
    };
    for said in said {
        assert!(!said.is_empty() && !said.contains('\n'), "{source}: {said:?}\n{}", shown());
        // There are no secrets in a master file, and its words are quoted. So are
        // names, and in a name it is none.
        let in_a_name = |text: &str| {
            let names = text.split("\"name\":\"").skip(1);
            names.filter_map(|rest| rest.split('"').next()).any(|name| name.contains(SECRET))
        };
        let may_quote = matches!(source, Source::Zonefile | Source::DockerDdns)
            || files.iter().any(|file| in_a_name(&file.text));
        assert!(may_quote || !said.contains(SECRET), "{source}: {said}\n{}", shown());
    }
}
