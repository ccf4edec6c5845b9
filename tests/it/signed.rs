//! Signed updates: an update counts once, for ever, whatever happens between
//! its copies. The messages themselves are checked in `src/signed/tests.rs`
//! against the vectors of `clients/signed.md`.

mod shell;
mod storm;

use std::net::IpAddr;

use truename::model::{Holder, KeyId, Name, Timestamp};
use truename::registry::{Command, HostSettings, Purpose, Reply};
use truename::signed::{AddressAnswer, Answer, Mac, Nonce, SharedSecret, Status, Update};
use truename::store::Engine;
use truename::update::{Outcome, Said};

use super::world::World;

const ZONE: &str = "\
$ORIGIN dyn.example.
@ 60 SOA ns1 hostmaster 1 3600 600 604800 60
@ 60 NS ns1
ns1 60 A 192.0.2.53
";
const HOST: &str = "home.dyn.example";
const CLIENT: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(203, 0, 113, 9));

/// A key that signs, and the server it signs for.
struct Client {
    world: World,
    key: KeyId,
    secret: SharedSecret,
}

impl Client {
    fn new(engine: Engine) -> Client {
        let mut world = World::new(engine, ZONE);
        world.start().unwrap();
        let key = add_host(&world, HOST);
        let secret = secret(&world, &key);
        Client { world, key, secret }
    }

    /// The server's time in milliseconds, as its clock tells it.
    fn now(&self) -> u64 {
        let Timestamp(seconds) = self.world.registry().now().wall;
        u64::try_from(seconds).unwrap() * 1000
    }

    fn update(&self, address: &str, time: u64) -> (String, Mac) {
        self.message(address, time).write(&self.secret)
    }

    fn message(&self, address: &str, time: u64) -> Update {
        Update {
            key: self.key.clone(),
            time,
            hosts: vec![name(HOST)],
            v4: Said::Is(address.parse().unwrap()),
            v6: Said::Nothing,
            prefix: Said::Nothing,
            line: None,
        }
    }

    /// Sends an update and reads its answer.
    fn send(&self, (text, mac): &(String, Mac)) -> Answer {
        let (status, body) = self.post(text);
        assert_eq!(status, 200, "{body}");
        self.read(&body, *mac)
    }

    fn read(&self, body: &str, mac: Mac) -> Answer {
        let answer = Answer::read(body.as_bytes(), &self.secret, mac);
        answer.unwrap_or_else(|| panic!("not the answer to this update: {body}"))
    }

    fn post(&self, text: &str) -> (u16, String) {
        self.world.post("/signed/update", text, CLIENT)
    }

    /// Sends one and says what became of it: the status, and of each host.
    fn said(&self, update: &(String, Mac)) -> String {
        let answer = self.send(update);
        let hosts = answer.hosts.iter().map(|(host, outcome)| match outcome {
            Outcome::Moved(addresses) => {
                format!(" {} moved {:?}", host.without_dot(), addresses.v4)
            }
            Outcome::Kept(addresses) => format!(" {} kept {:?}", host.without_dot(), addresses.v4),
            other => format!(" {} {other:?}", host.without_dot()),
        });
        format!("{}{}", answer.status, hosts.collect::<String>())
    }
}

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

/// A host, and the public number of its key.
fn add_host(world: &World, host: &str) -> KeyId {
    let settings = HostSettings::default();
    let added = world.command(Command::HostAdd { name: name(host), settings, key: true });
    match added.unwrap() {
        Reply::HostAdded { key: Some(key), .. } => key.key.id,
        other => panic!("{other:?}"),
    }
}

fn secret(world: &World, key: &KeyId) -> SharedSecret {
    let known = world.registry().shared_secret(key, Purpose::Signed, CLIENT);
    SharedSecret::new(known.expect("the key is there").1)
}

fn moved(address: &str) -> String {
    format!("done {HOST} moved Some({address})")
}

fn kept(address: &str) -> String {
    format!("done {HOST} kept Some({address})")
}

#[test]
fn an_update_counts_once() {
    let client = Client::new(Engine::Sled);
    let now = client.now();
    let first = client.update("192.0.2.1", now);
    assert_eq!(client.said(&first), moved("192.0.2.1"));
    assert_eq!(client.said(&first), "replayed");
    // The same thing said anew is a new update, one millisecond later.
    assert_eq!(client.said(&client.update("192.0.2.1", now + 1)), kept("192.0.2.1"));
    assert_eq!(client.said(&client.update("192.0.2.2", now + 2)), moved("192.0.2.2"));
    for old in [first, client.update("192.0.2.1", now + 1), client.update("192.0.2.9", now + 2)] {
        assert_eq!(client.said(&old), "replayed");
    }
    // An earlier one that never arrived is as old as one that did.
    assert_eq!(client.said(&client.update("192.0.2.3", now - 1)), "replayed");
    assert_eq!(client.said(&client.update("192.0.2.2", now + 3)), kept("192.0.2.2"));
}

/// After a stop, after the end of a process that was told nothing, and after
/// the store was made anew from its export: what was accepted is known.
#[test]
fn an_update_counts_once_over_restarts() {
    for engine in [Engine::Sled, Engine::Redb] {
        let mut client = Client::new(engine);
        let now = client.now();
        let mut copies = Vec::new();
        let restarts: [Restart; 4] =
            [stop_and_start, World::crash, World::move_house, World::lose_store];
        for (at, restart) in (0_u64..).zip(restarts) {
            // One that changes something, and one that changes nothing.
            let address = format!("192.0.2.{}", at + 1);
            for (change, time) in [(true, now + 10 * at), (false, now + 10 * at + 1)] {
                let update = client.update(&address, time);
                let expected = if change { moved(&address) } else { kept(&address) };
                assert_eq!(client.said(&update), expected, "{engine:?}");
                copies.push(update);
            }
            restart(&mut client.world).unwrap();
            for copy in &copies {
                assert_eq!(client.said(copy), "replayed", "{engine:?} restart {at}");
            }
        }
        // A year later it is known still, and too old besides.
        client.world.wait(365 * 86_400);
        for copy in &copies {
            assert_eq!(client.said(copy), "clock");
        }
    }
}

/// A way for a server to end and to begin again.
type Restart = fn(&mut World) -> Result<(), String>;

fn stop_and_start(world: &mut World) -> Result<(), String> {
    world.stop();
    world.start()
}

/// A clock that is set back opens no door: what was accepted is remembered by
/// its time, not by when it came.
#[test]
fn a_clock_that_was_set_back_lets_nothing_in_again() {
    let mut client = Client::new(Engine::Redb);
    let now = client.now();
    let first = client.update("192.0.2.1", now);
    assert_eq!(client.said(&first), moved("192.0.2.1"));
    client.world.wait(3600);
    let later = client.now();
    assert_eq!(client.said(&client.update("192.0.2.2", later)), moved("192.0.2.2"));
    client.world.step.store(-3600, std::sync::atomic::Ordering::Relaxed);
    assert_eq!(client.now(), now);
    assert_eq!(client.said(&first), "replayed");
    client.world.crash().unwrap();
    assert_eq!(client.said(&first), "replayed");
}

/// The clock of a client may be wrong by a minute. One that is further off is
/// told the time, and the same update with that time is accepted.
#[test]
fn a_wrong_clock_learns_the_time_from_the_answer() {
    let client = Client::new(Engine::Sled);
    let now = client.now();
    for off in [-60_000_i64, 60_000] {
        let time = now.checked_add_signed(off).unwrap();
        let said = client.said(&client.update("192.0.2.1", time));
        assert!(said.starts_with("done"), "{off}: {said}");
    }
    for off in [-61_000_i64, -3_600_000, 61_000, 3_600_000, i64::MAX / 2] {
        let client = Client::new(Engine::Sled);
        let now = client.now();
        let update = client.update("192.0.2.2", now.checked_add_signed(off).unwrap());
        let answer = client.send(&update);
        assert_eq!(answer.status, Status::Clock, "{off}");
        assert!(answer.hosts.is_empty());
        assert!(answer.time.abs_diff(now) < 1000, "{off}: {}", answer.time);
        assert_eq!(client.said(&client.update("192.0.2.2", answer.time)), moved("192.0.2.2"));
    }
    // A time in the far future has shut nobody out.
    assert_eq!(client.send(&client.update("192.0.2.3", u64::MAX)).status, Status::Clock);
    assert_eq!(client.said(&client.update("192.0.2.3", now + 60_001 - 1)), "replayed");
}

/// The address that a client asks for is signed over its nonce, and comes with
/// a time that fits its next update, so that it needs no clock.
#[test]
fn a_client_without_a_clock_asks_first() {
    let client = Client::new(Engine::Sled);
    let ask = |key: &str, nonce: &str, from: IpAddr| {
        let target = format!("/signed/address?key={key}&nonce={nonce}");
        client.world.http("GET", &target, None, from)
    };
    let nonce: Nonce = "8f14e45fceea167a".parse().unwrap();
    let mut times = Vec::new();
    for from in ["203.0.113.9", "2001:db8::9"] {
        let from: IpAddr = from.parse().unwrap();
        let (status, body) = ask(&client.key.0, "8f14e45fceea167a", from);
        assert_eq!(status, 200, "{body}");
        let answer = AddressAnswer::read(body.as_bytes(), &client.secret, &nonce).unwrap();
        assert_eq!((answer.address, answer.key.clone()), (from, client.key.clone()));
        times.push(answer.time);
        // Not for another question, nor with another key's secret.
        let another = "8f14e45fceea167b".parse().unwrap();
        assert_eq!(AddressAnswer::read(body.as_bytes(), &client.secret, &another), None);
        let another = SharedSecret::new([1; 32]);
        assert_eq!(AddressAnswer::read(body.as_bytes(), &another, &nonce), None);
    }
    // Two that ask in the same second have times of their own.
    assert_eq!(client.said(&client.update("192.0.2.1", times[0])), moved("192.0.2.1"));
    assert_eq!(client.said(&client.update("192.0.2.2", times[1])), moved("192.0.2.2"));

    for (key, nonce, status, body) in [
        ("aaaaaaaa", "8f14e45fceea167a", 403, "badauth\n"),
        ("", "8f14e45fceea167a", 403, "badauth\n"),
        (
            &client.key.0,
            "short",
            400,
            "a nonce is 16 to 64 letters and digits, new for every question\n",
        ),
        (
            &client.key.0,
            "8f14e45fceea167a%0Aaddress",
            400,
            "a nonce is 16 to 64 letters and digits, new for every question\n",
        ),
    ] {
        assert_eq!(ask(key, nonce, CLIENT), (status, body.to_owned()));
    }
    let (status, _) = client.world.http("POST", "/signed/address", None, CLIENT);
    assert_eq!(status, 405);
    let (status, _) = client.world.http("GET", "/signed/update", None, CLIENT);
    assert_eq!(status, 405);
}

#[test]
fn what_is_not_signed_by_the_key_changes_nothing() {
    let mut client = Client::new(Engine::Sled);
    let other = add_host(&client.world, "cam.dyn.example");
    let now = client.now();
    let refused = |text: &str| assert_eq!(client.post(text), (403, "badauth\n".into()), "{text}");

    // Another key's secret, no key at all, a word changed after signing.
    let message = client.message("192.0.2.1", now);
    refused(&message.write(&secret(&client.world, &other)).0);
    refused(&Update { key: KeyId("aaaaaaaa".into()), ..message.clone() }.write(&client.secret).0);
    refused(&message.write(&client.secret).0.replace("192.0.2.1", "192.0.2.9"));
    refused(&message.write(&client.secret).0.replace(&client.key.0, &other.0));

    assert_eq!(
        client.post("hostname=home.dyn.example&myip=192.0.2.1"),
        (400, "expected a last line of `mac` and 64 lower-case hexadecimal digits\n".into())
    );
    let huge = "x".repeat(20_000);
    assert_eq!(client.post(&huge).0, 413);

    // None of that has used up the time.
    assert_eq!(client.said(&message.write(&client.secret)), moved("192.0.2.1"));

    // Signed, but not this key's host, or nobody's.
    let hosts = [HOST, "cam.dyn.example", "nobody.dyn.example"].map(name).to_vec();
    let several = Update { time: now + 1, hosts, ..message.clone() };
    assert_eq!(
        client.said(&several.write(&client.secret)),
        format!("{} cam.dyn.example Unknown nobody.dyn.example Unknown", kept("192.0.2.1"))
    );
    let many = Update { time: now + 2, hosts: vec![name(HOST); 101], ..message.clone() };
    assert_eq!(client.said(&many.write(&client.secret)), "numhost");
    let nowhere = client.update("127.0.0.1", now + 3);
    assert_eq!(client.said(&nowhere), format!("done {HOST} BadAddress"));

    // A key that is gone signs nothing.
    let update = client.update("192.0.2.2", now + 4);
    client.world.command(Command::KeyRemove { id: client.key.clone() }).unwrap();
    assert_eq!(client.post(&update.0), (403, "badauth\n".into()));
    client.world.stop();
}

/// Families that are not mentioned stay; `-` takes one away.
#[test]
fn each_family_is_said_by_itself() {
    let client = Client::new(Engine::Sled);
    let now = client.now();
    let message = client.message("192.0.2.1", now);
    let say = |time, v4, v6| {
        let update = Update { time: now + time, v4, v6, ..message.clone() }.write(&client.secret);
        let answer = client.send(&update);
        let [(_, outcome)] = answer.hosts[..] else { panic!("{answer:?}") };
        match outcome {
            Outcome::Moved(addresses) | Outcome::Kept(addresses) => {
                addresses.iter().map(|address| address.to_string()).collect::<Vec<_>>().join(" ")
            }
            other => format!("{other:?}"),
        }
    };
    let v6 = Said::Is("2001:db8::1".parse().unwrap());
    assert_eq!(say(1, message.v4, Said::Nothing), "192.0.2.1");
    assert_eq!(say(2, Said::Nothing, v6), "192.0.2.1 2001:db8::1");
    assert_eq!(say(3, Said::Gone, Said::Nothing), "2001:db8::1");
    assert_eq!(say(4, Said::Nothing, Said::Gone), "");
}

/// What cannot be written down is not accepted, and says so signed; the same
/// thing said anew is accepted once there is room.
#[test]
fn a_full_disk_is_told_in_a_signed_answer() {
    let client = Client::new(Engine::Sled);
    let now = client.now();
    let update = client.update("192.0.2.1", now);
    client.world.full.store(true, std::sync::atomic::Ordering::Relaxed);
    let (status, body) = client.post(&update.0);
    assert_eq!((status, client.read(&body, update.1).status), (503, Status::Busy));
    client.world.full.store(false, std::sync::atomic::Ordering::Relaxed);
    assert_eq!(client.said(&client.update("192.0.2.1", now + 1)), moved("192.0.2.1"));
}

/// What `truename why` tells: who asked, what decided, what to do; and one
/// place for a host that says the same again.
#[test]
fn the_last_updates_and_why() {
    let client = Client::new(Engine::Sled);
    let now = client.now();
    let message = client.message("192.0.2.1", now);
    client.post(&message.write(&SharedSecret::new([1; 32])).0);
    client.post("no update");
    client.said(&client.update("192.0.2.1", now));
    client.said(&client.update("192.0.2.1", now + 1));
    client.said(&client.update("192.0.2.1", now + 2));
    client.said(&client.update("192.0.2.1", now + 2));
    client.said(&client.update("192.0.2.1", now + 900_000));
    let why = |command| match client.world.command(command).unwrap() {
        Reply::Why(views) => serde_json::to_string(&views).unwrap(),
        other => panic!("{other:?}"),
    };
    let host = why(Command::Why { about: Some(Holder::Host(name(HOST))), most: 20 });
    for words in [
        "signature: not by this key's secret",
        "good: the address is another one now",
        "nochg: unchanged",
        "time: more than a minute",
        "status replayed",
    ] {
        assert_eq!(host.matches(words).count(), 1, "{words}: {host}");
    }
    assert!(host.contains("\"signed\"") && !host.contains("mac "), "{host}");
}
