//! What is said when, and when not.

use super::super::memory::Memory;
use super::super::{Options, Proof, Source};
use super::*;
use crate::model::Secret;

const DAY: i64 = 86_400;
const WEEK: Duration = Duration::from_secs(7 * 86_400);

fn memory() -> Memory {
    Memory::new(&Options {
        server: "http://ddns.example.org".parse().unwrap(),
        hosts: vec!["home.example.org".parse().unwrap()],
        proof: Proof::Token { user: "home".into(), token: Secret("token".into()) },
        v4: Source::Auto,
        v6: Source::Auto,
        prefix: None,
        line: None,
        authorities: None,
        memory: "state".into(),
        refresh: WEEK,
        interval: Duration::from_secs(300),
        mappings: Vec::new(),
        force: false,
    })
}

fn found(v4: &str, v6: &str) -> Found {
    Found { v4: v4.parse().ok(), v6: v6.parse().ok(), prefix: None, notes: Vec::new() }
}

/// What is to be done, in words.
fn planned(memory: &mut Memory, found: &Found, now: i64) -> String {
    match plan(memory, found, Timestamp(now), WEEK) {
        Plan::Say(report) => format!("say {report}"),
        Plan::Content { until } => format!("content until {}", until.0),
        Plan::Wait { until } => format!("wait until {}", until.0),
        Plan::Nothing => "nothing".into(),
    }
}

/// Says what is planned, and hears this.
fn told(memory: &mut Memory, found: &Found, now: i64, verdict: &Verdict) {
    let Plan::Say(report) = plan(memory, found, Timestamp(now), WEEK) else {
        panic!("{}", planned(memory, found, now));
    };
    note(memory, &report, verdict, Timestamp(now), 500);
}

fn later(seconds: Option<u64>) -> Verdict {
    Verdict::Later { why: "it does not answer".into(), after: seconds.map(Duration::from_secs) }
}

#[test]
fn what_changed_and_once_a_week_what_did_not() {
    let mut memory = memory();
    let home = found("192.0.2.1", "2001:db8::1");
    assert_eq!(planned(&mut memory, &home, 1000), "say 192.0.2.1, 2001:db8::1");
    told(&mut memory, &home, 1000, &Verdict::Accepted);
    let week = 1000 + 7 * DAY;
    assert_eq!(planned(&mut memory, &home, 1001), format!("content until {week}"));
    let moved = found("192.0.2.2", "2001:db8::1");
    assert_eq!(planned(&mut memory, &moved, 1002), "say 192.0.2.2, 2001:db8::1");
    assert_eq!(planned(&mut memory, &home, week - 1), format!("content until {week}"));
    assert_eq!(planned(&mut memory, &home, week), "say 192.0.2.1, 2001:db8::1");
    // A clock that was set back says it at once, and then is right again.
    assert_eq!(planned(&mut memory, &home, 999), "say 192.0.2.1, 2001:db8::1");
    assert_eq!(planned(&mut memory, &found("", ""), 1003), "nothing");
}

#[test]
fn a_family_is_gone_when_it_stays_away_for_an_hour() {
    let mut memory = memory();
    let both = found("192.0.2.1", "2001:db8::1");
    told(&mut memory, &both, 1000, &Verdict::Accepted);
    let week = 1000 + 7 * DAY;
    let v4 = found("192.0.2.1", "");
    assert_eq!(planned(&mut memory, &v4, 2000), format!("content until {week}"));
    assert_eq!(planned(&mut memory, &v4, 2000 + 3599), format!("content until {week}"));
    // Back for a moment: the hour begins anew.
    assert_eq!(planned(&mut memory, &both, 2000 + 3599), format!("content until {week}"));
    assert_eq!(planned(&mut memory, &v4, 6000), format!("content until {week}"));
    assert_eq!(planned(&mut memory, &v4, 6000 + 3600), "say 192.0.2.1, no IPv6");
    told(&mut memory, &v4, 6000 + 3600, &Verdict::Accepted);
    assert!(planned(&mut memory, &v4, 20_000).starts_with("content"));
    assert_eq!(planned(&mut memory, &both, 20_000), "say 192.0.2.1, 2001:db8::1");
    // With nothing there at all nobody knows.
    assert_eq!(planned(&mut memory, &found("", ""), 90_000), "nothing");
}

#[test]
fn a_server_that_does_not_answer_is_asked_ever_more_slowly() {
    let mut memory = memory();
    let home = found("192.0.2.1", "");
    let mut now = 1000;
    let mut pauses = Vec::new();
    for _ in 0..12 {
        told(&mut memory, &home, now, &later(None));
        let until = memory.trouble.as_ref().unwrap().until.0;
        assert_eq!(planned(&mut memory, &home, until - 1), format!("wait until {until}"));
        pauses.push(until - now);
        now = until;
    }
    assert_eq!(pauses, [5, 10, 20, 40, 80, 160, 320, 640, 900, 900, 900, 900]);
    // What the server asks for counts, and a success makes all well.
    told(&mut memory, &home, now, &later(Some(3000)));
    assert_eq!(memory.trouble.as_ref().unwrap().until.0, now + 3000);
    told(&mut memory, &home, now + 3000, &Verdict::Accepted);
    assert_eq!(memory.trouble, None);
}

#[test]
fn one_that_refuses_is_left_alone_for_hours() {
    let mut memory = memory();
    let home = found("192.0.2.1", "");
    told(&mut memory, &home, 1000, &later(None));
    let refused = Verdict::Refused { why: "no such host".into() };
    let mut now = 2000;
    for hours in [1, 2, 4, 8, 16, 24, 24] {
        told(&mut memory, &home, now, &refused);
        let until = memory.trouble.as_ref().unwrap().until.0;
        assert_eq!(until - now, hours * 3600);
        // Not even when the address changes.
        let moved = found("192.0.2.2", "");
        assert_eq!(planned(&mut memory, &moved, now + 60), format!("wait until {until}"));
        now = until;
    }
}

#[test]
fn pauses_are_never_all_the_same() {
    let pause = |chance| {
        let mut memory = memory();
        let report = Report::default();
        note(&mut memory, &report, &Verdict::Refused { why: String::new() }, Timestamp(0), chance);
        memory.trouble.unwrap().until.0
    };
    assert_eq!((pause(0), pause(500), pause(999)), (2400, 3600, 4797));
}

#[test]
fn what_is_remembered_is_of_this_server_and_this_key() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("deep/state.json");
    let mut memory = memory();
    told(&mut memory, &found("192.0.2.1", ""), 1000, &Verdict::Accepted);
    memory.save(&file).unwrap();
    let options = |server: &str, token: &str| Options {
        server: server.parse().unwrap(),
        hosts: vec!["home.example.org".parse().unwrap()],
        proof: Proof::Token { user: "home".into(), token: Secret(token.into()) },
        v4: Source::Auto,
        v6: Source::Auto,
        prefix: None,
        line: None,
        authorities: None,
        memory: file.clone(),
        refresh: WEEK,
        interval: WEEK,
        mappings: Vec::new(),
        force: false,
    };
    assert_eq!(Memory::load(&options("http://ddns.example.org", "token")).unwrap(), memory);
    for (server, token) in
        [("http://other.example.org", "token"), ("http://ddns.example.org", "other")]
    {
        assert_eq!(Memory::load(&options(server, token)).unwrap().acknowledged, None);
    }
    std::fs::write(&file, "{ torn").unwrap();
    let loaded = Memory::load(&options("http://ddns.example.org", "token")).unwrap();
    assert_eq!(loaded.acknowledged, None);
    let text = serde_json::to_string(&memory).unwrap();
    assert!(!text.contains("token"), "{text}");
}
