//! Master files: an error with a line, or a zone that can be served.

use std::path::Path;

use truename::answer::{Meta, Verdict, answer};
use truename::model::Serial;
use truename::zone::{Identity, Snapshot, Zone};

use super::{Target, text};
use crate::dice::Dice;
use crate::parsed::parsed;

pub const TARGET: Target = Target {
    name: "zone_file",
    holds,
    seeds: || vec![FILE.as_bytes().to_vec(), super::memory::ZONE.as_bytes().to_vec()],
    mutate,
    longest: 2048,
    rounds: 10_000,
};

/// A master file with a bit of everything.
const FILE: &str = "\
$ORIGIN example.
$TTL 1h30m
@      SOA   ns1 hostmaster ( 7 3600 600 ; a comment
              86400 1m )
@      NS    ns1
ns1    60 IN A \\# 4 c0000201
       IN 60 AAAA ::1
t      TXT   \"a \\\"b\\\" \\065\" c ( \"d;\"
  e )
*.w    MX    10 mail.test.
s      NS    ns.s
ns.s   A     192.0.2.2
s      DS    1 13 2 00112233
h      HTTPS 1 . alpn=\"h2,h3\" port=1 ipv4hint=192.0.2.1 mandatory=port
n      NAPTR 1 2 \"s\" \"a\" \"\" @
o      TYPE65280 \\# 0
c      CAA   0 issue \"ca.test\"
";

const PIECES: [&str; 40] = [
    "\\",
    "\"",
    "(",
    ")",
    ";",
    "@",
    "$",
    ".",
    " ",
    "\n",
    "\t",
    "\\000",
    "\\255",
    "\\256",
    "\\.",
    "$ORIGIN ",
    "$TTL ",
    "$INCLUDE x\n",
    "$GENERATE 1-9 x A 192.0.2.$\n",
    " IN ",
    " CH ",
    " A ",
    " AAAA ",
    " NS ",
    " SOA ",
    " CNAME ",
    " DNAME ",
    " TXT ",
    " MX ",
    " SRV ",
    " SVCB 0 ",
    " RRSIG ",
    " TYPE1 \\# 4 c0000201\n",
    "4294967296",
    "65536",
    "1w2d3h4m5s",
    "192.0.2.1",
    "2001:db8::1",
    "xn--bcher-kva",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.",
];

fn mutate(octets: &mut Vec<u8>, dice: &mut Dice) {
    text::mutate(octets, dice, &PIECES);
}

fn holds(octets: &[u8]) {
    let text = String::from_utf8_lossy(octets);
    match Zone::parse(&text, Path::new("example.zone")) {
        Ok(zone) => {
            let snapshot = Snapshot::new(&[(&zone, Serial(7))], Identity::default());
            for (name, set) in zone.rrsets() {
                let mut request = vec![1, 2, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
                request.extend_from_slice(name.wire());
                request.extend(set.rtype.0.to_be_bytes());
                request.extend([0, 1]);
                let mut out = Vec::new();
                let verdict = answer(&snapshot, &request, &Meta::TCP, &mut out);
                assert_eq!(verdict, Verdict::Sent, "{name} {} of\n{text}", set.rtype);
                // Not hickory: it refuses records without data.
                assert_eq!(parsed(&out).question.as_deref(), Some(&request[12..]), "{text}");
            }
        }
        Err(error) => {
            assert!(!error.problem.is_empty(), "{text}");
            assert!(error.line <= text.split('\n').count(), "{error} in\n{text}");
            assert!(!error.to_string().contains('\n'), "{error} in\n{text}");
        }
    }
}
