//! The messages in `clients/signed.md` are ours, octet for octet, and nothing
//! else is.

use super::*;
use crate::model::{Addresses, KeyId, Name};
use crate::update::{Outcome, Said};

const DOCUMENT: &str = include_str!("../../clients/signed.md");

fn secret() -> SharedSecret {
    let octets: Vec<u8> = (0..32).collect();
    let digits = data_encoding::HEXLOWER.encode(&octets);
    assert!(DOCUMENT.contains(&digits), "the vectors are signed with this secret");
    digits.parse().unwrap()
}

/// The messages of one kind in the document.
fn vectors(kind: &str) -> Vec<&'static str> {
    let fence = format!("```text {kind}\n");
    DOCUMENT.split(&fence).skip(1).map(|rest| rest.split("```").next().unwrap()).collect()
}

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

fn nonce() -> Nonce {
    "8f14e45fceea167a5a36dedd4bea2543".parse().unwrap()
}

fn updates() -> [Update; 2] {
    let key = KeyId("k7f3c2xq".into());
    let short = Update {
        key: key.clone(),
        time: 1_795_275_600_123,
        hosts: vec![name("home.dyn.example.org")],
        v4: Said::Is("203.0.113.7".parse().unwrap()),
        v6: Said::Nothing,
        prefix: Said::Nothing,
        line: None,
    };
    let full = Update {
        key,
        time: 1_795_275_661_000,
        hosts: vec![name("home.dyn.example.org"), name("cam.dyn.example.org")],
        v4: Said::Gone,
        v6: Said::Is("2001:db8:7::7".parse().unwrap()),
        prefix: Said::Is("2001:db8:7::/56".parse().unwrap()),
        line: Some("wan1".parse().unwrap()),
    };
    [short, full]
}

fn answers() -> Vec<Answer> {
    let [short, full] = updates().map(|update| update.write(&secret()).1);
    let home = |v4: Option<&str>, v6: Option<&str>| {
        let addresses = Addresses {
            v4: v4.map(|text| text.parse().unwrap()),
            v6: v6.map(|text| text.parse().unwrap()),
        };
        (name("home.dyn.example.org"), Outcome::Moved(addresses))
    };
    let of = |update, time, status, hosts| Answer { update, time, status, hosts };
    vec![
        of(short, 1_795_275_600_207, Status::Done, vec![home(Some("203.0.113.7"), None)]),
        of(
            full,
            1_795_275_661_044,
            Status::Done,
            vec![
                home(None, Some("2001:db8:7::7")),
                (name("cam.dyn.example.org"), Outcome::Unknown),
            ],
        ),
        of(short, 1_795_279_200_000, Status::Clock, vec![]),
        of(short, 1_795_275_600_300, Status::Replayed, vec![]),
    ]
}

#[test]
fn addresses_are_as_in_the_document() {
    let answer = AddressAnswer {
        key: KeyId("k7f3c2xq".into()),
        nonce: nonce(),
        address: "203.0.113.7".parse().unwrap(),
        time: 1_795_275_600_123,
    };
    let [vector] = vectors("address")[..] else { panic!("one of them") };
    assert_eq!(answer.write(&secret()), vector);
    assert_eq!(AddressAnswer::read(vector.as_bytes(), &secret(), &nonce()), Some(answer));
    let another = "8f14e45fceea167a5a36dedd4bea2544".parse().unwrap();
    assert_eq!(AddressAnswer::read(vector.as_bytes(), &secret(), &another), None);
}

#[test]
fn updates_are_as_in_the_document() {
    let vectors = vectors("update");
    assert_eq!(vectors.len(), updates().len());
    for (vector, update) in vectors.into_iter().zip(updates()) {
        let (text, mac) = update.write(&secret());
        assert_eq!(text, vector);
        let read = Update::read(vector.as_bytes()).unwrap();
        assert_eq!(read.key(), &update.key);
        assert_eq!(read.open(&secret()), Some((update.clone(), mac)));
        // The last line feed does not matter.
        let read = Update::read(vector.trim_end().as_bytes()).unwrap();
        assert_eq!(read.clone().open(&secret()), Some((update, mac)));
        assert_eq!(read.open(&SharedSecret::new([7; 32])), None);
    }
}

#[test]
fn answers_are_as_in_the_document() {
    let vectors = vectors("answer");
    assert_eq!(vectors.len(), answers().len());
    for (vector, answer) in vectors.into_iter().zip(answers()) {
        assert_eq!(answer.write(&secret()), vector);
        let of = answer.update;
        assert_eq!(Answer::read(vector.as_bytes(), &secret(), of), Some(answer));
        let another = secret().mac("another update");
        assert_eq!(Answer::read(vector.as_bytes(), &secret(), another), None);
        assert_eq!(Answer::read(vector.as_bytes(), &SharedSecret::new([7; 32]), of), None);
    }
}

/// Every octet of every message, changed in every bit, left out and doubled.
#[test]
fn nothing_that_was_touched_is_taken() {
    let [update] = updates().map(|update| update.write(&secret()).1)[..1] else { unreachable!() };
    let taken = |kind: &str, message: &[u8]| match kind {
        "address" => AddressAnswer::read(message, &secret(), &nonce()).is_some(),
        "update" => Update::read(message).is_ok_and(|sealed| sealed.open(&secret()).is_some()),
        _ => Answer::read(message, &secret(), update).is_some(),
    };
    for kind in ["address", "update", "answer"] {
        let whole = vectors(kind)[0].trim_end().as_bytes();
        assert!(taken(kind, whole), "{kind}");
        for at in 0..whole.len() {
            for bit in 0..8 {
                let mut message = whole.to_vec();
                message[at] ^= 1 << bit;
                assert!(!taken(kind, &message), "{kind} {at} {bit}");
            }
            let mut message = whole.to_vec();
            message.remove(at);
            assert!(!taken(kind, &message), "{kind} without {at}");
            message.insert(at, whole[at]);
            message.insert(at, whole[at]);
            assert!(!taken(kind, &message), "{kind} with {at} twice");
            assert!(!taken(kind, &whole[..at]), "{kind} up to {at}");
        }
    }
}

/// A message of one kind is none of another, though the same secret signs all.
#[test]
fn no_message_is_taken_for_another() {
    let [short, _] = updates();
    let mac = short.write(&secret()).1;
    for (kind, message) in ["address", "update", "answer"]
        .iter()
        .flat_map(|kind| vectors(kind).into_iter().map(move |text| (*kind, text)))
    {
        let message = message.as_bytes();
        assert_eq!(Update::read(message).is_ok(), kind == "update");
        assert!(kind == "address" || AddressAnswer::read(message, &secret(), &nonce()).is_none());
        assert!(kind == "answer" || Answer::read(message, &secret(), mac).is_none());
    }
}

#[test]
fn what_is_no_update_is_told_why() {
    let [short, _] = updates();
    let good = short.write(&secret()).0;
    let (body, mac) = good.split_once("mac ").unwrap();
    for (from, to, why) in [
        ("truename-update-1", "truename-update-2", "line 1: expected truename-update-1"),
        ("key k7f3c2xq\n", "", "line 2: expected `key` and the public number of a key"),
        ("time 1", "time -1", "line 3: expected `time` and milliseconds since 1970"),
        (
            "time 1795275600123",
            "time 99999999999999999999",
            "line 3: expected `time` and milliseconds since 1970",
        ),
        ("host home.dyn.example.org\n", "", "line 4: expected `host` and the name of a host"),
        ("host home", "host home..x", "line 4: expected `host` and the name of a host"),
        ("v4 203.0.113.7\n", "", "line 5: expected `v4`, `v6` or `prefix`"),
        ("v4 203.0.113.7", "v4 auto", "line 5: expected `v4` and an IPv4 address, or `-`"),
        (
            "v4 203.0.113.7",
            "v4 203.0.113.7\nv6 1.2.3.4",
            "line 6: expected `v6` and an IPv6 address, or `-`",
        ),
        (
            "v4 203.0.113.7",
            "v4 -\nv4 -",
            "line 6: expected no more lines before `mac`, and `host`, `v4`, `v6`, `prefix`, `line` in this order",
        ),
        ("v4 203.0.113.7", "v4 -\nline wan_1", "line 6: expected `line` and the label of a line"),
        (
            "v4 203.0.113.7\n",
            "v4 203.0.113.7\r\n",
            "expected lines of ASCII that end with a line feed",
        ),
        ("home.dyn", "hóme.dyn", "expected lines of ASCII that end with a line feed"),
    ] {
        assert!(body.contains(from), "{from}");
        let message = format!("{}mac {mac}", body.replacen(from, to, 1));
        let error = Update::read(message.as_bytes()).unwrap_err();
        assert_eq!(error.to_string(), why, "{message}");
    }
    let unsigned = "expected a last line of `mac` and 64 lower-case hexadecimal digits";
    for message in
        ["", "mac", body, &good.to_uppercase(), &format!("{good}\n"), &good.replace("mac ", "")]
    {
        assert_eq!(
            Update::read(message.as_bytes()).unwrap_err().to_string(),
            unsigned,
            "{message}"
        );
    }
}

#[test]
fn nonces() {
    for (text, fits) in [
        ("8f14e45fceea167a", true),
        ("8f14e45fceea167", false),
        (&"a".repeat(64), true),
        (&"a".repeat(65), false),
        ("8f14e45fceea167a\naddress", false),
        ("", false),
    ] {
        assert_eq!(text.parse::<Nonce>().is_ok(), fits, "{text:?}");
    }
}

#[test]
fn secrets_are_not_shown() {
    assert_eq!(format!("{:?}", secret()), "SharedSecret(…)");
    assert!("00".repeat(31).parse::<SharedSecret>().is_err());
    assert!("0g".repeat(32).parse::<SharedSecret>().is_err());
}

mod any {
    use proptest::prelude::*;

    use super::{SharedSecret, Update, name};
    use crate::model::KeyId;
    use crate::update::Said;

    fn said<A: std::fmt::Debug + Clone + 'static>(
        value: impl Strategy<Value = A> + 'static,
    ) -> BoxedStrategy<Said<A>> {
        prop_oneof![Just(Said::Nothing), Just(Said::Gone), value.prop_map(Said::Is)].boxed()
    }

    fn update() -> impl Strategy<Value = Update> {
        let hosts = prop::collection::vec("[a-z]{1,9}(\\.[a-z0-9]{1,9}){1,4}", 1..5);
        let prefix = (any::<u128>(), 0_u8..=128)
            .prop_map(|(bits, length)| ipnet::Ipv6Net::new(bits.into(), length).unwrap());
        let addresses = (
            said(any::<u32>().prop_map(Into::into)),
            said(any::<u128>().prop_map(Into::into)),
            said(prefix),
        );
        let line = prop::option::of("[a-z0-9-]{1,16}".prop_map(|text| text.parse().unwrap()));
        let fields = ("[a-z2-7]{8}", any::<u64>(), hosts, addresses, line);
        fields.prop_map(|(key, time, hosts, (v4, v6, prefix), line)| Update {
            key: KeyId(key),
            time,
            hosts: hosts.iter().map(|host| name(host)).collect(),
            v4,
            v6,
            prefix,
            line,
        })
    }

    proptest! {
        /// What is written is read as it was, unless it says nothing at all.
        #[test]
        fn update_is_read_as_it_was_written(update in update(), secret in any::<[u8; 32]>()) {
            let secret = SharedSecret::new(secret);
            let (text, mac) = update.write(&secret);
            let says = update.v4 != Said::Nothing || update.v6 != Said::Nothing || update.prefix != Said::Nothing;
            match Update::read(text.as_bytes()) {
                Ok(sealed) => prop_assert_eq!(sealed.open(&secret), Some((update, mac))),
                Err(_) => prop_assert!(!says),
            }
        }

        /// Any octets, and any lines that look like ours: read or refused.
        #[test]
        fn octets_do_no_harm(
            octets in prop::collection::vec(any::<u8>(), 0..300),
            lines in prop::collection::vec("(truename-update-1|key|time|host|v4|v6|prefix|line|mac)( [ -~]{0,70})?", 0..12),
        ) {
            let _ = Update::read(&octets);
            let text = lines.join("\n") + "\nmac " + &"0".repeat(64);
            if let Ok(sealed) = Update::read(text.as_bytes()) {
                prop_assert_eq!(sealed.open(&SharedSecret::new([0; 32])), None);
            }
        }
    }
}
