//! Master files, good and bad, and what a zone says of itself.

use std::path::Path;

use super::{Identity, Serial, Snapshot, Zone, ZoneError};
use crate::model::{Addresses, Name};

const HEAD: &str = "$TTL 1h\n@ SOA ns1 m 7 1h 1h 1w 60\n@ NS ns1\nns1 A 192.0.2.1\n";

fn zone(rest: &str) -> Result<Zone, ZoneError> {
    Zone::parse(&format!("{HEAD}{rest}"), Path::new("zones/dyn.example.org.zone"))
}

/// Every record as a line, in canonical order.
fn records(text: &str, file: &str) -> Result<String, ZoneError> {
    let zone = Zone::parse(text, Path::new(file))?;
    let mut lines = String::new();
    for (name, set) in zone.rrsets() {
        for data in &set.rdata {
            let data = data_encoding::HEXLOWER.encode(data);
            lines += &format!("{name} {} {} {data}\n", set.ttl, set.rtype);
        }
    }
    Ok(lines)
}

#[test]
fn what_may_be_left_out_is_filled_in() {
    let text = "\u{feff}; a comment\r\n\
        @ 1d IN SOA ns1 m ( 7 1h ; refresh\r\n 1h\n1w 1m)\n\
        \t IN 2h NS ns1\n\
        \n\
        ns1 in a 192.0.2.1 ; TTL of the line before\n\
        $TTL 300\n\
        ; in between\n\
        \tAAAA ::1\n\
        $ORIGIN sub ; below the origin\n\
        a TXT x\n\
        $ORIGIN other.example.\n\
        $ORIGIN d.\n\
        60 60 A 192.0.2.2\n\
        a TYPE1 \\# 4 c0000203";
    let expected = "\
d. 7200 NS 036e7331016400
d. 86400 SOA 036e7331016400016d0164000000000700000e1000000e1000093a800000003c
60.d. 60 A c0000202
a.d. 300 A c0000203
ns1.d. 7200 A c0000201
ns1.d. 300 AAAA 00000000000000000000000000000001
a.sub.d. 300 TXT 0178
";
    assert_eq!(records(text, "d.zone").unwrap(), expected);
}

#[test]
fn faults_name_file_and_line() {
    for (rest, expected) in [
        ("a A 192.0.2.256\n", "5: `192.0.2.256` is not an IPv4 address"),
        ("\n\na ( A\n1.2.3 )\n", "7: `1.2.3` is not an IPv4 address"),
        ("a FOO x\n", "5: `FOO` is not a record type known here; write it as TYPEnnnnn (RFC 3597)"),
        ("a CH TXT x\n", "5: the class is CH; only IN is served from files"),
        ("a 60\n", "5: the record has no type"),
        ("a (\n", "5: this parenthesis is never closed"),
        ("a TXT \"x\n", "5: a quote is not closed on its line"),
        (
            "$GENERATE 1-2 a A 1.2.3.$\n",
            "5: `$GENERATE` is not known here; $ORIGIN, $TTL and $INCLUDE are",
        ),
        ("$TTL soon\n", "5: `soon` is not a TTL, like 3600 or 1h"),
        ("a.example.net. A 192.0.2.1\n", "5: a.example.net is outside the zone dyn.example.org"),
        ("@ SOA a b 1 1 1 1 1\n", "5: this is a second SOA record; the first is in line 2"),
        ("a CNAME b\na CNAME c\n", "6: a name has one CNAME record; line 5 gives another"),
        (
            "a TXT x\n\na CNAME b\n",
            "7: a.dyn.example.org has a CNAME (line 7) and so no other records (line 5) (RFC 1034 §3.6.2)",
        ),
        (
            "a A 192.0.2.1\na 60 A 192.0.2.2\n",
            "6: the TTL is 60, but 3600 in line 5; records of one name and type have one TTL (RFC 2181 §5.2)",
        ),
        (
            "s NS ns2\n",
            "5: the name server ns2.dyn.example.org has neither an A nor an AAAA record here",
        ),
        (
            "s NS ns1\nx.s TXT x\n",
            "6: s.dyn.example.org is delegated away; below it only addresses of its name servers can stand here, no TXT",
        ),
        (
            "s NS ns1\ns MX 1 ns1\n",
            "6: s.dyn.example.org is delegated away; its MX records belong into its own zone",
        ),
        ("*.w NS ns1\n", "5: a wildcard cannot be delegated (RFC 4592 §4.2)"),
        ("a DS 1 1 1 00\n", "5: a DS record stands only beside the NS records of a delegation"),
        (
            "a DNAME b\n",
            "5: DNAME is not served: hosts below it could not be; use a CNAME or a delegation",
        ),
        ("a ANY x\n", "5: the class is ANY; only IN is served from files"),
        ("a OPT x\n", "5: OPT is only found in messages, not in zones"),
        (
            "$INCLUDE no-such-file\n",
            "5: zones/no-such-file: the zone file cannot be read: No such file or directory (os error 2)",
        ),
    ] {
        let error = zone(rest).expect_err(rest).to_string();
        assert_eq!(error, format!("zones/dyn.example.org.zone:{expected}"), "{rest}");
    }
    let none = |text: &str| Zone::parse(text, Path::new("z.zone")).unwrap_err().to_string();
    assert_eq!(none(""), "z.zone: there is no SOA record");
    assert_eq!(none("@ 1 SOA a. b. 1 1 1 1 1\n"), "z.zone: the apex z has no NS record");
    assert_eq!(
        none("@ SOA a. b. 1 1 1 1 1\n"),
        "z.zone:1: there is no TTL: put a line `$TTL 1h` at the top"
    );
    assert_eq!(
        none(" SOA a"),
        "z.zone:1: the line starts with a blank, but no name came before it"
    );
}

#[test]
fn files_include_files() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).unwrap();
    write("z.zone", &format!("{HEAD}$INCLUDE part sub\nb A 192.0.2.3\n"));
    write("part", "a A 192.0.2.2\n$ORIGIN elsewhere.\n");
    let zone = Zone::load(&directory.path().join("z.zone")).unwrap();
    let names: Vec<String> = zone.rrsets().map(|(name, _)| name.to_string()).collect();
    assert_eq!(names, ["z.", "z.", "b.z.", "ns1.z.", "a.sub.z."]);

    write("part", "a A 192.0.2.2\nb A nonsense\n");
    let error = Zone::load(&directory.path().join("z.zone")).unwrap_err();
    assert_eq!((error.file, error.line), (directory.path().join("part"), 2));

    write("part", "$INCLUDE part\n");
    let error = Zone::load(&directory.path().join("z.zone")).unwrap_err();
    assert_eq!(error.problem, "files include each other too deep, or in a circle");

    std::fs::write(directory.path().join("part"), b"; fine\n; gr\xfc\xdfe\n").unwrap();
    let error = Zone::load(&directory.path().join("z.zone")).unwrap_err();
    assert_eq!((error.file, error.line), (directory.path().join("part"), 2));
}

#[test]
fn hosts_where_they_cannot_be() {
    let zone = zone("a TXT x\n*.w TXT x\ns NS ns1\nx.y A 192.0.2.2\n").unwrap();
    let refused = |name: &str, wildcard| {
        let name: Name = name.parse().unwrap();
        zone.refuses_host(&name, wildcard).unwrap_or_default()
    };
    let file = "zones/dyn.example.org.zone";
    assert_eq!(refused("home.dyn.example.org", true), "");
    assert_eq!(refused("y.dyn.example.org", true), "");
    assert_eq!(refused("w.dyn.example.org", false), "");
    assert_eq!(
        refused("a.dyn.example.org", false),
        format!(
            "a.dyn.example.org cannot be a host: the zone file has a TXT record at a.dyn.example.org ({file}:5); remove that, or give the host another name"
        )
    );
    assert_eq!(
        refused("w.dyn.example.org", true),
        format!(
            "w.dyn.example.org cannot be a host: the zone file has a TXT record at *.w.dyn.example.org ({file}:6); remove that, or give the host another name"
        )
    );
    for below in ["s.dyn.example.org", "deep.er.s.dyn.example.org"] {
        assert_eq!(
            refused(below, false),
            format!(
                "{below} cannot be a host: s.dyn.example.org is delegated away ({file}:7); remove that, or give the host another name"
            )
        );
    }
    assert!(refused("dyn.example.org", false).contains("is the zone itself"));
    assert!(refused("example.org", false).contains("is outside the zone"));
}

#[test]
fn the_digest_is_that_of_the_answers() {
    let digest = |text: &str| Zone::parse(text, Path::new("z.zone")).unwrap().digest();
    let one =
        digest("@ 60 SOA ns1.x. m 7 1 1 1 1\n@ 60 NS ns1.x.\na 60 A 192.0.2.1\na 60 A 192.0.2.2\n");
    let same = digest(
        "; moved about\n@ 1m SOA NS1.x. m 8 1 1 1 1\na 60 A 192.0.2.2\na 60 A 192.0.2.1\n@ 60 NS ns1.x.\n",
    );
    assert_eq!(one, same);
    for other in [
        "@ 60 SOA ns1.x. m 7 1 1 1 2\n@ 60 NS ns1.x.\na 60 A 192.0.2.1\na 60 A 192.0.2.2\n",
        "@ 60 SOA ns1.x. m 7 1 1 1 1\n@ 60 NS ns1.x.\na 61 A 192.0.2.1\na 61 A 192.0.2.2\n",
        "@ 60 SOA ns1.x. m 7 1 1 1 1\n@ 60 NS ns1.x.\na 60 A 192.0.2.1\n",
        "@ 60 SOA ns1.x. m 7 1 1 1 1\n@ 60 NS ns1.x.\nb 60 A 192.0.2.1\nb 60 A 192.0.2.2\n",
    ] {
        assert_ne!(one, digest(other), "{other}");
    }
    // Kept in the store, so it is the same in every version.
    assert_eq!(digest("@ 60 SOA ns1.x. m 7 1 1 1 1\n@ 60 NS ns1.x.\n"), 16_763_545_523_638_933_332);
}

#[test]
fn what_the_parent_zone_needs() {
    let zone = zone("@ NS ns.elsewhere.test.\nns1 AAAA 2001:db8::1\n").unwrap();
    let servers = zone.name_servers();
    let text: Vec<String> =
        servers.iter().map(|(name, addresses)| format!("{name} {addresses:?}")).collect();
    assert_eq!(text, ["ns.elsewhere.test. []", "ns1.dyn.example.org. [192.0.2.1, 2001:db8::1]"]);
    assert_eq!(zone.file_serial(), Serial(7));
}

#[test]
fn a_snapshot_takes_no_host_where_a_zone_has_something_else() {
    let zone = zone("a TXT x\ns NS ns1\ng.s A 192.0.2.2\nx.y A 192.0.2.3\n").unwrap();
    let mut snapshot = Snapshot::new(&[(&zone, Serial(7))], Identity::default());
    let records = |snapshot: &Snapshot| {
        let records = snapshot.records();
        let mut all: Vec<_> =
            records.map(|(n, t, ttl, d)| format!("{n} {t} {ttl} {d:?}")).collect();
        all.sort();
        all
    };
    let (before, names) = (records(&snapshot), snapshot.len());
    let addresses = Addresses::from(std::net::IpAddr::from([192, 0, 2, 9]));
    for name in [
        "dyn.example.org",
        "a.dyn.example.org",
        "s.dyn.example.org",
        "g.s.dyn.example.org",
        "h.s.dyn.example.org",
        "example.org",
        "elsewhere.test",
    ] {
        for addresses in [addresses, Addresses::NONE] {
            snapshot.set_host(&name.parse().unwrap(), addresses, 60, false);
            assert_eq!((records(&snapshot), snapshot.len()), (before.clone(), names), "{name}");
        }
    }
    // At an empty non-terminal there is room.
    let ent: Name = "y.dyn.example.org".parse().unwrap();
    let older = snapshot.clone();
    snapshot.set_host(&ent, addresses, 60, true);
    assert_eq!((snapshot.len(), records(&snapshot).len()), (names + 1, before.len() + 2));
    assert_eq!((records(&older), older.len()), (before.clone(), names), "older versions stay");
    snapshot.set_host(&ent, Addresses::NONE, 60, true);
    assert_eq!((records(&snapshot), snapshot.len()), (before, names));
}
