//! Two name servers with one secret for cookies, and a change of that secret
//! while they run (RFC 9018 §5): whoever has shown where it is need not show
//! it again, and who has a cookie of a secret that is gone is a stranger.

use std::fs::{self, Permissions};
use std::net::UdpSocket;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use super::daemon::{Daemon, Home, ZONE};

const OLD: &str = "00112233445566778899aabbccddeeff";
const NEW: &str = "445536bcd2513298075a5d379663c962";

/// What a client sends as its own.
const CLIENT: &[u8; 8] = b"at home.";

/// A server whose secrets are in a file.
struct Node {
    home: Home<'static>,
}

impl Node {
    fn new(secrets: &[&str]) -> Node {
        let home = Home::new();
        let text = (0..9).map(|_| format!(" \"{}\"", "x".repeat(100))).collect::<String>();
        home.zone("dyn.example.org.zone", &format!("{ZONE}long TXT{text}\n"));
        home.reconfigure("[dns]\n", "[dns]\ncookie_secrets = \"cookies\"\n");
        let node = Node { home };
        node.write(secrets);
        node
    }

    /// A new file in place of the old one, as editors and `install` write it.
    fn write(&self, secrets: &[&str]) {
        let path = self.home.path().join("cookies");
        let other = self.home.path().join("cookies.new");
        fs::write(&other, secrets.join("\n")).unwrap();
        fs::set_permissions(&other, Permissions::from_mode(0o640)).unwrap();
        fs::rename(&other, &path).unwrap();
    }

    fn change(&self, secrets: &[&str]) {
        self.write(secrets);
        self.home.done(&["reload"]);
    }

    fn start(&self) -> Daemon<'_> {
        self.home.start()
    }
}

/// What came of a question that a verified client alone gets the whole answer
/// to.
#[derive(Debug, PartialEq, Eq)]
struct Asked {
    verified: bool,
    /// What to send the next time.
    cookie: Vec<u8>,
}

/// Asks from 127.0.0.1, whichever address the server has.
fn ask(node: &Node, cookie: &[u8]) -> Asked {
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    client.connect(node.home.dns).unwrap();
    client.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let mut request =
        b"\x47\x11\0\0\0\x01\0\0\0\0\0\x01\x04long\x03dyn\x07example\x03org\0\0\x10\0\x01".to_vec();
    request.extend(b"\0\0\x29\x04\xd0\0\0\0\0\0");
    request.extend([4 + cookie.len() as u8, 0, 10, 0, cookie.len() as u8]);
    request.extend(cookie);
    client.send(&request).unwrap();
    let mut answer = [0; 2048];
    let length = client.recv(&mut answer).unwrap();
    // The cookie is the last there is in the answer.
    let cookie = answer[length - 24..length].to_vec();
    assert!(cookie.starts_with(CLIENT), "{:?}", &answer[..length]);
    assert_eq!(answer[3] & 15, 0, "NOERROR, whatever the cookie is worth");
    Asked { verified: answer[2] & 2 == 0, cookie }
}

#[test]
fn a_secret_is_changed_on_two_servers_and_no_client_notices() {
    let (first, second) = (Node::new(&[OLD]), Node::new(&[OLD]));
    let (_one, _two) = (first.start(), second.start());
    let stranger = ask(&first, CLIENT);
    assert!(!stranger.verified);
    let old = stranger.cookie;
    let good = |node: &Node, cookie: &[u8]| {
        let asked = ask(node, cookie);
        assert!(asked.verified);
        asked.cookie
    };
    // One server's cookie is the other's, which does not replace it.
    assert_eq!(good(&first, &old), old);
    assert_eq!(good(&second, &old), old);

    // The new secret is known everywhere before anybody makes cookies with it.
    for node in [&first, &second] {
        node.change(&[OLD, NEW]);
        assert_eq!(good(node, &old), old);
    }
    first.change(&[NEW, OLD]);
    // Good still, and replaced; the other server takes the new one.
    let new = good(&first, &old);
    assert_ne!(new, old);
    assert_eq!(good(&first, &new), new);
    assert!(ask(&second, &new).verified);
    assert_eq!(good(&second, &old), old);
    second.change(&[NEW, OLD]);
    assert_eq!(good(&second, &new), new);

    // The old one goes: who slept through it all is a stranger, and no more.
    for node in [&first, &second] {
        node.change(&[NEW]);
        let stranger = ask(node, &old);
        assert!(!stranger.verified);
        assert_eq!(good(node, &new), new);
        assert!(ask(node, &stranger.cookie).verified);
    }
}

#[test]
fn secrets_outlive_a_restart_and_a_file_that_is_wrong() {
    let node = Node::new(&[OLD]);
    let running = node.start();
    let cookie = ask(&node, CLIENT).cookie;
    node.write(&["no secret"]);
    let said = node.home.run(&["reload"]);
    assert!(!said.status.success(), "{said}");
    assert!(said.err.contains("line 1 is not a secret"), "{said}");
    assert!(ask(&node, &cookie).verified);
    node.change(&[OLD]);
    drop(running);
    let _again = node.start();
    assert!(ask(&node, &cookie).verified);
}
