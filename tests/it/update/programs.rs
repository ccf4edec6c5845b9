//! nsupdate, knsupdate, dig and kdig against the server.
//!
//! | nsupdate 9.18 | DNS UPDATE | real program |
//! | knsupdate 3.2 | DNS UPDATE | real program |

use std::process::Command;

use super::server::Server;
use crate::daemon::{Said, said};
use crate::network::program;

/// A server with two hosts and the key of the first.
struct Scene {
    server: Server,
    key: String,
    secret: String,
}

const HOME: &str = "home.dyn.example.org";

impl Scene {
    fn new() -> Scene {
        let server = Server::new();
        server.host(HOME, &["192.0.2.1"], None);
        server.host("nas.dyn.example.org", &["192.0.2.2"], None);
        let (id, secret) = server.key(HOME, "addresses,acme");
        Scene { server, key: id.0, secret: data_encoding::BASE64.encode(&secret) }
    }

    /// nsupdate or knsupdate with a script, by `algorithm`.
    fn update(&self, name: &str, algorithm: &str, options: &[&str], script: &str) -> Said {
        let address = self.server.address();
        let (ip, port) = (address.ip(), address.port());
        let key = format!("{algorithm}:{}:{}", self.key, self.secret);
        let mut command = Command::new(program(name));
        command.args(options).args(["-y", &key]);
        let script = format!("server {ip} {port}\nzone dyn.example.org\n{script}\nsend\n");
        said(&mut command, &script)
    }

    fn dig(&self, name: &str, options: &[&str]) -> Said {
        let address = self.server.address();
        let mut command = Command::new(program(name));
        command.args([&format!("@{}", address.ip()), "-p", &address.port().to_string()]);
        said(command.args(options), "")
    }

    fn has(&self, name: &str, kind: &str) -> Vec<String> {
        let said = self.dig("dig", &[name, kind, "+short", "+norecurse"]);
        let mut lines: Vec<String> = said.out.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    }
}

#[test]
fn nsupdate_moves_a_host_and_proves_its_name() {
    let scene = Scene::new();
    for (at, algorithm) in ["hmac-sha256", "hmac-sha384", "hmac-sha512"].iter().enumerate() {
        for (way, options) in [(0, &[][..]), (1, &["-v"][..])] {
            let address = format!("198.51.100.{}", 2 * at + way + 1);
            let script = format!("update delete {HOME} A\nupdate add {HOME} 60 A {address}");
            let said = scene.update("nsupdate", algorithm, options, &script);
            assert!(said.status.success(), "{said}");
            assert_eq!(scene.has(HOME, "A"), [address]);
        }
    }
    let challenge = format!("_acme-challenge.{HOME}");
    let script =
        format!("update add {challenge} 120 TXT \"one\"\nupdate add {challenge} 120 TXT \"two\"");
    let said = scene.update("nsupdate", "hmac-sha256", &[], &script);
    assert!(said.status.success(), "{said}");
    assert_eq!(scene.has(&challenge, "TXT"), ["\"one\"", "\"two\""]);
    let script = format!("update delete {challenge} 0 TXT \"one\"");
    let said = scene.update("nsupdate", "hmac-sha256", &["-v"], &script);
    assert!(said.status.success(), "{said}");
    assert_eq!(scene.has(&challenge, "TXT"), ["\"two\""]);
}

#[test]
fn knsupdate_moves_a_host() {
    let scene = Scene::new();
    let script = format!("update delete {HOME} A\nupdate add {HOME} 60 A 198.51.100.1");
    let said = scene.update("knsupdate", "hmac-sha256", &[], &script);
    assert!(said.status.success(), "{said}");
    assert_eq!(scene.has(HOME, "A"), ["198.51.100.1"]);
    let script = format!("prereq nxdomain {HOME}\nupdate add {HOME} 60 A 198.51.100.2");
    let said = scene.update("knsupdate", "hmac-sha512", &["-v"], &script);
    assert!(said.all().contains("YXDOMAIN"), "{said}");
    assert_eq!(scene.has(HOME, "A"), ["198.51.100.1"]);
}

/// What was acknowledged is there after a kill -9.
#[test]
fn what_nsupdate_was_told_is_done_is_on_the_disk() {
    let mut scene = Scene::new();
    let challenge = format!("_acme-challenge.{HOME}");
    let script = format!(
        "update add {challenge} 120 TXT one\nupdate delete {HOME} A\nupdate add {HOME} 60 A 198.51.100.1"
    );
    let said = scene.update("nsupdate", "hmac-sha256", &[], &script);
    assert!(said.status.success(), "{said}");
    scene.server.crash();
    assert_eq!(scene.has(HOME, "A"), ["198.51.100.1"]);
    assert_eq!(scene.has(&challenge, "TXT"), ["\"one\""]);
}

/// What nsupdate says of what it may not do, and that nothing is changed.
#[test]
fn nsupdate_is_told_what_is_wrong() {
    let mut scene = Scene::new();
    let nas = "nas.dyn.example.org";
    let cases = [
        (format!("prereq yxrrset {HOME} AAAA\nupdate delete {HOME}"), "NXRRSET"),
        (format!("prereq nxdomain {HOME}\nupdate delete {HOME}"), "YXDOMAIN"),
        (format!("update delete {nas} A"), "REFUSED"),
        (format!("update add {HOME} 60 A 198.51.100.1\nupdate delete {nas} A"), "REFUSED"),
        (format!("update add {HOME} 60 TXT mine"), "REFUSED"),
        ("update add example.com 60 A 198.51.100.1".to_owned(), "NOTZONE"),
    ];
    for (script, expected) in &cases {
        let said = scene.update("nsupdate", "hmac-sha256", &[], script);
        assert!(said.err.contains(&format!("update failed: {expected}")), "{script}\n{said}");
    }
    let right = (scene.key.clone(), scene.secret.clone());
    let move_it = format!("update add {HOME} 60 A 198.51.100.1");
    scene.secret = data_encoding::BASE64.encode(&[7; 32]);
    let said = scene.update("nsupdate", "hmac-sha256", &[], &move_it);
    assert!(said.err.contains("BADSIG"), "{said}");
    scene.secret = right.1;
    scene.key = "nobody".to_owned();
    let said = scene.update("nsupdate", "hmac-sha256", &[], &move_it);
    assert!(said.err.contains("BADKEY"), "{said}");
    scene.key = right.0;
    let said = scene.update("nsupdate", "hmac-sha1", &[], &move_it);
    assert!(said.err.contains("BADKEY"), "{said}");
    for (seconds, good) in [(400, false), (-400, false), (200, true)] {
        scene.server.clock_is_off_by(seconds);
        let move_it = format!("update delete {HOME} AAAA");
        let said = scene.update("nsupdate", "hmac-sha256", &[], &move_it);
        assert_eq!(said.status.success(), good, "{said}");
        assert!(good || said.err.contains("BADTIME"), "{said}");
    }
    assert_eq!(scene.has(HOME, "A"), ["192.0.2.1"]);
    assert_eq!(scene.has(nas, "A"), ["192.0.2.2"]);
}

/// As certbot's plugin asks for the zone of a name, and as anybody may.
#[test]
fn signed_questions_are_answered_signed() {
    let scene = Scene::new();
    let key = |name: &str| format!("hmac-sha256:{name}:{}", scene.secret);
    let in_zone = format!("{}.DYN.example.org", scene.key.to_uppercase());
    for name in [&scene.key, &in_zone] {
        for way in ["+notcp", "+tcp"] {
            for asked in [["dyn.example.org", "SOA"], [HOME, "A"], ["no.dyn.example.org", "A"]] {
                let [name_asked, kind] = asked;
                let options = ["-y", &key(name), name_asked, kind, way, "+norecurse"];
                let said = scene.dig("dig", &options);
                assert!(said.status.success(), "{said}");
                assert!(said.out.contains("TSIG PSEUDOSECTION"), "{said}");
                assert!(said.out.contains(" flags: qr aa;"), "{said}");
                // dig says so where a signature does not hold.
                assert!(!said.all().to_lowercase().contains("couldn't verify"), "{said}");
                let said = scene.dig("kdig", &["-y", &key(name), name_asked, kind, way]);
                assert!(said.out.contains("TSIG PSEUDOSECTION"), "{said}");
                assert!(!said.all().contains("WARNING"), "{said}");
            }
        }
    }
    let other = "hmac-sha256:nobody:AAAA";
    let said = scene.dig("dig", &["-y", other, HOME, "A", "+norecurse"]);
    assert!(said.out.contains("status: NOTAUTH"), "{said}");
    assert!(said.out.contains("BADKEY"), "{said}");
    let said = scene.dig("dig", &["-y", &key(&scene.key), "dyn.example.org", "AXFR"]);
    assert!(said.out.contains("Transfer failed"), "{said}");
}
