//! What is remembered, what makes room, and what is said of it.

use super::*;

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

fn host(text: &str) -> Holder {
    Holder::Host(name(text))
}

/// What is remembered of a host.
fn of(recent: &Recent, host_name: &str) -> Vec<View> {
    recent.of(&host(host_name), std::iter::empty())
}

fn note(proof: Proof, about: &str, rule: Rule, fingerprint: u64, at: i64) -> Note<'static> {
    Note {
        at: Timestamp(at),
        protocol: Some(Protocol::Dyndns2),
        peer: "198.51.100.9".parse().unwrap(),
        client: "198.51.100.9".parse().unwrap(),
        encrypted: Some(true),
        proof,
        decided: vec![Decided { host: Some(name(about)), rule }],
        hints: Vec::new(),
        v6: None,
        answer: "200 OK\ngood 192.0.2.1\n",
        fingerprint,
    }
}

#[test]
fn the_same_again_is_counted_and_not_told_again() {
    let recent = Recent::default();
    let mut told = 0;
    for at in 0..20 {
        let note = note(Proof::Proved(host("a.example")), "a.example", Rule::Kept, 7, at * 300);
        recent.note(&note, || {
            told += 1;
            "GET /nic/update".into()
        });
    }
    let views = of(&recent, "a.example");
    assert_eq!((told, views.len()), (1, 1));
    assert_eq!((views[0].times, views[0].since, views[0].at), (20, Timestamp(0), Timestamp(5700)));
    // Every five minutes is a client that keeps its lease alive.
    assert_eq!(views[0].advice, Vec::<String>::new());
    assert!(views[0].well);
}

#[test]
fn a_report_every_few_seconds_is_a_loop() {
    let recent = Recent::default();
    for at in 0..10 {
        let note = note(Proof::Proved(host("a.example")), "a.example", Rule::Kept, 7, at * 5);
        recent.note(&note, String::new);
    }
    let views = of(&recent, "a.example");
    assert_eq!(views[0].advice, [Hint::Loop.advice()]);
}

/// Every shelf full, then many times as many strangers and many times as many
/// hosts that do well: what is known of a host in trouble stays.
#[test]
fn a_flood_pushes_out_only_its_own_kind() {
    let recent = Recent::default();
    let trouble = Rule::NotAName;
    let note_of = |proof, about: &str, rule: &Rule, n: u64| {
        let mut note = note(proof, about, rule.clone(), n, n as i64);
        note.client = IpAddr::V4((n as u32).into());
        recent.note(&note, || "x".repeat(2 * OCTETS));
    };
    note_of(Proof::Proved(host("ill.example")), "ill.example", &Rule::Unreadable, 1);
    note_of(Proof::Claimed(host("ill.example")), "ill.example", &Rule::NoCredentials, 2);
    for n in 10..20_000 {
        let about = format!("h{n}.example");
        note_of(Proof::Nobody, &about, &trouble, n);
        note_of(Proof::Proved(host(&about)), &about, &Rule::Moved, n);
    }
    let rules: Vec<String> =
        of(&recent, "ill.example").into_iter().map(|view| view.why[0].rule.clone()).collect();
    assert_eq!(rules, [Rule::NoCredentials.words(), Rule::Unreadable.words()]);
    // And who names a real host without proof pushes out only such.
    for n in 20_000..40_000 {
        note_of(Proof::Claimed(host("ill.example")), "ill.example", &trouble, n);
    }
    let views = of(&recent, "ill.example");
    assert_eq!(views.len(), EACH + 1);
    assert_eq!(views[EACH].why[0].rule, Rule::Unreadable.words());
    let all = recent.latest(usize::MAX);
    assert!(all.len() <= (WELL + TROUBLE + REFUSED + STRANGERS) * EACH, "{}", all.len());
    assert!(all.iter().all(|view| view.request.len() <= OCTETS + 40));
    assert_eq!(recent.latest(3).len(), 3);
}

#[test]
fn one_stranger_has_one_place_however_many_addresses_its_network_has() {
    let recent = Recent::default();
    for n in 0..1000_u64 {
        let mut note = note(Proof::Nobody, "x.example", Rule::Path, n, n as i64);
        note.client = format!("2001:db8::{n:x}").parse().unwrap();
        recent.note(&note, String::new);
    }
    assert_eq!(recent.latest(usize::MAX).len(), EACH);
}

#[test]
fn an_accounts_typo_is_found_under_the_account_and_under_the_name_asked_for() {
    let recent = Recent::default();
    let ann = Holder::Account("ann".parse().unwrap());
    let rule = Rule::NoSuchHost { holder: ann.clone(), in_zone: true };
    recent.note(&note(Proof::Proved(ann.clone()), "hmoe.example", rule, 1, 1), String::new);
    let rule = Rule::UnknownSecret { user: None, length: 31 };
    recent.note(&note(Proof::Nobody, "hmoe.example", rule, 2, 2), String::new);
    assert_eq!(recent.of(&ann, std::iter::empty()).len(), 1);
    assert_eq!(of(&recent, "hmoe.example").len(), 2);
}

/// They are filed under the hosts they are about, and are the account's.
#[test]
fn what_an_accounts_key_reports_for_its_hosts_is_the_accounts_too() {
    let recent = Recent::default();
    let ann = Holder::Account("ann".parse().unwrap());
    let by = |proof: &Holder, about, rule, at: i64| {
        recent.note(&note(Proof::Proved(proof.clone()), about, rule, at as u64, at), String::new);
    };
    by(&ann, "a.example", Rule::Moved, 1);
    by(&ann, "b.example", Rule::HostBlocked, 2);
    by(&host("a.example"), "a.example", Rule::Kept, 3);
    let rule = Rule::NoSuchHost { holder: ann.clone(), in_zone: true };
    by(&ann, "hmoe.example", rule, 4);
    let hosts = ["a.example", "b.example"].map(name);
    let at: Vec<i64> = recent.of(&ann, hosts.into_iter()).iter().map(|view| view.at.0).collect();
    assert_eq!(at, [4, 2, 1], "the host's own key is not the account's");
}

#[test]
fn nothing_that_is_shown_steers_a_terminal() {
    let recent = Recent::default();
    let note = note(Proof::Nobody, "x.example", Rule::Path, 1, 1);
    recent.note(&note, || "GET /\u{1b}[2J\u{202e}\r\nHost: ü".into());
    assert_eq!(recent.latest(1)[0].request, "GET /\\u{1b}[2J\\u{202e}\\u{d}\nHost: ü");
}

#[test]
fn an_address_that_is_another_one_each_time() {
    for (old, new, temporary) in [
        ("2001:db8::a1b2:c3d4:e5f6:1", "2001:db8::9182:7364:5546:3728", true),
        ("2001:db8::a1b2:c3d4:e5f6:1", "2001:db8::a1b2:c3d4:e5f6:1", false),
        // Another network: the prefix is a new one.
        ("2001:db8:1::a1b2:c3d4:e5f6:1", "2001:db8:2::9182:7364:5546:3728", false),
        // Made from the hardware, or by hand.
        ("2001:db8::a1b2:c3d4:e5f6:1", "2001:db8::5054:ff:fe12:3456", false),
        ("2001:db8::1", "2001:db8::53:2", false),
    ] {
        let recent = Recent::default();
        for (at, v6) in [(1, old), (2, new)] {
            let mut note =
                note(Proof::Proved(host("a.example")), "a.example", Rule::Moved, at, at as i64);
            note.v6 = Some(v6.parse().unwrap());
            recent.note(&note, String::new);
        }
        let said = of(&recent, "a.example")[0].advice.concat();
        assert_eq!(said.contains("temporary"), temporary, "{old} {new}: {said}");
    }
}

#[test]
fn names_that_are_alike() {
    for (one, other, like) in [
        ("home.example", "hmoe.example", true),
        ("home.example", "hom.example", true),
        ("home.example", "homes.example", true),
        ("home.example", "hone.example", true),
        ("home.example", "home.example", false),
        ("home.example", "nas.example", false),
    ] {
        assert_eq!(is_like(&name(one), &name(other)), like, "{one} {other}");
    }
}

/// No sentence breaks off, and each that can have advice has some.
#[test]
fn every_rule_has_words() {
    let home = host("home.example");
    let rules = [
        Rule::NoCredentials,
        Rule::UnknownSecret { user: Some(home.clone()), length: 31 },
        Rule::UnknownSecret { user: None, length: 8 },
        Rule::WrongPassword(home.clone()),
        Rule::OtherUser { user: home.clone(), holder: Holder::Account("ann".parse().unwrap()) },
        Rule::AccountBlocked,
        Rule::Method(Method::Head),
        Rule::Path,
        Rule::TooManyHosts { asked: 30, most: 20 },
        Rule::NoHost,
        Rule::NotAName,
        Rule::NoSuchHost { holder: home.clone(), in_zone: true },
        Rule::NotThisKeys(home),
        Rule::HostBlocked,
        Rule::Absent,
        Rule::Unreadable,
        Rule::NotPublishable("127.0.0.1".parse().unwrap()),
        Rule::GlobalOnly("10.0.0.1".parse().unwrap()),
        Rule::BadPrefix,
        Rule::Unavailable,
        Rule::TlsOnPlain,
    ];
    for rule in rules {
        let (words, advice) = (rule.words(), rule.advice(Some(&name("hmoe.example"))).unwrap());
        assert!(rule.is_trouble() && words.contains(':'), "{words}");
        assert!(advice.len() > 30 && !advice.ends_with('.') && !advice.contains("  "), "{advice}");
    }
    let like = Rule::NoSuchHost { holder: host("home.example"), in_zone: true };
    assert!(like.advice(Some(&name("hmoe.example"))).unwrap().starts_with("home.example was"));
}
