//! What `truename why` knows of UPDATEs: what came, what was answered, the
//! rule that decided and what to do about it.

use std::net::UdpSocket;
use std::time::Duration;

use truename::model::{Name, RecordType};

use super::message::{Key, Message, wire_name};
use super::server::Server;

const EXPECTED: &str = "\
DNS UPDATE of home.dyn.example
= NOTAUTH, of home.dyn.example.: zone: none that is served here (NOTAUTH)
! let the client name the zone, and not the host, as its zone
DNS UPDATE signed by KEY
= NOTZONE, of home.dyn.example.: update: a name in it lies outside the zone (NOTZONE)
! let the client name the zone that the host lies in
DNS UPDATE signed by KEY / delete home.dyn.example. A / add home.dyn.example. 60 A 192.0.2.7
= NOERROR, of home.dyn.example., 2 times: records: set as it asked
DNS UPDATE signed by KEY / prereq nxdomain home.dyn.example. / delete home.dyn.example.
= YXDOMAIN, of home.dyn.example.: prerequisites: one does not hold, so nothing was done
! the client expected something else to be there (RFC 2136 §2.4): look with `dig`, or leave the prerequisite out
DNS UPDATE, not signed
= REFUSED, of nobody: signature: there is none
! sign with a key: `truename key secret KEY --for tsig` prints what `nsupdate -k` takes; Windows sends such updates by itself, and nothing is to be done about it
signed by KEY with hmac-sha256
= NOTAUTH, of nobody: signature: not by this key's secret (BADSIG)
! copy the secret again: `truename key secret KEY --for tsig`; it is not the password
signed by KEY, whose clock is -1000 seconds from ours
= NOTAUTH, of home.dyn.example.: signature: right, but signed too long ago, or in the future (BADTIME)
! set the clock of the client (NTP), or of this machine
signed by nobody with hmac-sha256
= NOTAUTH, of nobody: signature: no such key (BADKEY)
! the key's name is its public number (`truename key list`), its algorithm hmac-sha256, hmac-sha384 or hmac-sha512
";

#[test]
fn the_last_updates_and_why_they_were_answered_so() {
    let server = Server::with(
        "$ORIGIN dyn.example.\n$TTL 60\n@ SOA ns1 h 1 1 1 1 1\n@ NS ns1\nns1 A 192.0.2.53\n",
    );
    server.host("home.dyn.example", &["192.0.2.1"], None);
    let (id, secret) = server.key("home.dyn.example", "addresses,acme");
    let key = Key { name: id.0.clone(), secret: secret.into() };
    let wrong = Key { secret: vec![7; 32], ..key.clone() };
    let nobody = Key { name: "nobody".to_owned(), ..key.clone() };
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(server.address()).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    // The server's clock stands still.
    let now = server.world.registry().now().wall.0 as u64;
    let send = |zone: &str, key: Option<&Key>, away: u64, id: u16, lines: &[&str]| {
        let zone = Name::from_wire(&wire_name(zone)).unwrap();
        let questions = vec![(zone, RecordType::SOA, 1)];
        let mut message = Message { opcode: 5, questions, id, ..Message::default() };
        lines.iter().for_each(|line| message.take(line));
        let mut request = message.octets();
        if let Some(key) = key {
            key.sign(&mut request, now - away);
        }
        socket.send(&request).unwrap();
        socket.recv(&mut [0; 512]).unwrap();
    };
    let move_it = ["remove home A", "add home 60 A 192.0.2.7"];
    send("@", Some(&key), 0, 1, &move_it);
    send("@", Some(&key), 0, 3, &["not-in-use home", "remove home"]);
    send("@", Some(&key), 0, 4, &["add www.example.com. 60 A 192.0.2.7"]);
    send("home", Some(&key), 0, 5, &move_it);
    send("@", Some(&key), 1000, 6, &move_it);
    send("@", Some(&wrong), 0, 7, &move_it);
    send("@", Some(&nobody), 0, 8, &move_it);
    send("@", None, 0, 9, &move_it);
    // The same once more, with nothing to change: but for its id it is the same.
    send("@", Some(&key), 0, 10, &move_it);
    let views = server.world.registry().recent().latest(50);
    let mut seen: Vec<String> =
        views.iter().map(|view| shown(view).replace(&id.0, "KEY")).collect();
    seen.sort();
    let seen = seen.concat();
    assert_eq!(seen, EXPECTED, "saw:\n{seen}");
}

fn shown(view: &truename::recent::View) -> String {
    let mut text = view.request.replace('\n', " / ");
    let proved = view.proved.as_ref().map_or("nobody".to_owned(), ToString::to_string);
    text += &format!("\n= {}, of {proved}", view.answer);
    if view.times > 1 {
        text += &format!(", {} times", view.times);
    }
    for why in &view.why {
        text += &format!(": {}", why.rule);
    }
    text.push('\n');
    for advice in &view.advice {
        text += &format!("! {advice}\n");
    }
    text
}
