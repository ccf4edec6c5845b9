//! How often one network is told the same over UDP, by a clock that stands
//! still unless the test moves it.

use std::sync::atomic::{AtomicU64, Ordering};

use truename::dns::{HeldBack, Prefixes, RateLimit};

use super::*;

/// The same answer, so many times a second: fewer than usual, and shorter floods.
const SAME: u16 = 10;

/// Questions in a flood.
const FLOOD: u16 = 200;

/// A server whose limits count, and the clock they count by.
struct Counting {
    dns: Dns,
    micros: Arc<AtomicU64>,
}

impl Counting {
    fn with(change: impl FnOnce(&mut Options)) -> Counting {
        let listen = addresses(&["127.0.0.1:0"]);
        let mut options = Options { listen, threads: 1, exempt: vec![], ..Options::default() };
        options.rate_limit.same = SAME.into();
        change(&mut options);
        let micros = Arc::new(AtomicU64::new(1_000_000));
        let clock = micros.clone();
        let moments: Moments =
            Arc::new(move || Moment { micros: clock.load(Ordering::Relaxed), wall: 1_700_000_000 });
        let zone = "$ORIGIN dyn.example.org.\n$TTL 300\n\
            @ SOA ns1 hostmaster 7 3600 600 604800 60\n@ NS ns1\nns1 A 192.0.2.53\n\
            home A 192.0.2.1\nnas A 192.0.2.2\n*.wild A 192.0.2.3\n\
            sub NS ns.sub\nns.sub A 192.0.2.9\n\
            long TXT \"0123456789012345678901234567890123456789012345678901234567890123456789\"\n";
        let zone = Zone::parse(zone, Path::new("dyn.example.org.zone")).unwrap();
        let snapshot = Snapshot::new(&[(&zone, Serial(7))], Identity::default());
        Counting { dns: Dns::serving(options, snapshot, moments), micros }
    }

    fn wait(&self, micros: u64) {
        self.micros.fetch_add(micros, Ordering::Relaxed);
    }

    /// Sends all of these; what came back of what was not dropped. What is
    /// counted as dropped and comes all the same is looked for at the end.
    fn flood(&self, from: &str, requests: &[Vec<u8>]) -> Seen {
        let client = UdpSocket::bind((from, 0)).unwrap();
        client.connect(self.dns.address(0)).unwrap();
        client.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        let before = self.held_back();
        for request in requests {
            client.send(request).unwrap();
        }
        let mut seen = Seen::default();
        let begun = Instant::now();
        loop {
            let dropped = self.held_back().dropped - before.dropped;
            let all = seen.whole + seen.truncated + dropped as usize == requests.len();
            assert!(begun.elapsed() < PATIENCE, "{seen:?} of {}", requests.len());
            let Some(answer) = receive(&client) else {
                if all {
                    return seen;
                }
                continue;
            };
            let message = parsed(&answer);
            let (id, metadata) = (message.metadata.id, &message.metadata);
            if metadata.truncation {
                let request = &requests[usize::from(id)];
                assert!(answer.len() <= request.len(), "{message}");
                assert!(message.answers.is_empty() && message.authorities.is_empty(), "{message}");
                assert_eq!(metadata.response_code, ResponseCode::NoError);
                assert_eq!(message.queries, parsed(request).queries);
                seen.truncated += 1;
            } else {
                seen.whole += 1;
            }
        }
    }

    fn held_back(&self) -> HeldBack {
        self.dns.server.as_ref().unwrap().counters().held_back()
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Seen {
    whole: usize,
    truncated: usize,
}

/// `count` questions, the id of each its number.
fn questions(count: u16, question: impl Fn(u16) -> (String, RecordType)) -> Vec<Vec<u8>> {
    let one = |id| {
        let (name, kind) = question(id);
        ask(id, &format!("{name}.dyn.example.org."), kind)
    };
    (0..count).map(one).collect()
}

fn same(name: &str) -> Vec<Vec<u8>> {
    questions(FLOOD, |_| (name.to_owned(), RecordType::A))
}

/// The turn is by chance: about one in two, and never as far from it as this.
fn about_half(seen: usize, of: usize) -> bool {
    (of / 4..of * 3 / 4).contains(&seen)
}

#[test]
fn the_same_answer_is_given_so_often_and_no_more() {
    let counting = Counting::with(|_| ());
    let most = usize::from(SAME);
    let seen = counting.flood("127.0.1.1", &same("home"));
    assert_eq!(seen.whole, most);
    let over = usize::from(FLOOD) - most;
    assert!(about_half(seen.truncated, over), "{seen:?}");
    let held = counting.held_back();
    assert_eq!(held.truncated, seen.truncated as u64);
    assert_eq!(held.truncated + held.dropped, over as u64);

    // It is the network that is limited: its other addresses are, too, ...
    assert_eq!(counting.flood("127.0.1.200", &same("home")).whole, 0);
    // ... and no other network is, nor another question.
    assert_eq!(counting.flood("127.0.2.1", &same("home")).whole, most);
    assert_eq!(counting.flood("127.0.1.1", &same("nas")).whole, most);
    // Over TCP everybody is answered.
    for request in same("home") {
        assert!(!parsed(&tcp(counting.dns.address(0), &request)).metadata.truncation);
    }
    // Time makes it good, at the rate that was set.
    counting.wait(500_000);
    assert_eq!(counting.flood("127.0.1.1", &same("home")).whole, most / 2);
    counting.wait(3_600_000_000);
    assert_eq!(counting.flood("127.0.1.1", &same("home")).whole, most);
}

#[test]
fn the_same_is_the_same_however_it_is_asked_for() {
    use RecordType::{A, AAAA, ANY, TXT};
    let most = usize::from(SAME);
    let kinds = [A, AAAA, TXT, ANY];
    let letters = |name: &str, id: u16| {
        // 0x20: no two spellings of a name are two names.
        let upper = |(n, c): (usize, char)| {
            if id >> (n % 16) & 1 == 1 { c.to_ascii_uppercase() } else { c }
        };
        name.chars().enumerate().map(upper).collect::<String>()
    };
    let floods = [
        questions(FLOOD, |id| (letters("home", id), kinds[usize::from(id) % 4])),
        questions(FLOOD, |id| (format!("nobody{id}"), A)),
        questions(FLOOD, |id| (format!("nobody{id}.home"), kinds[usize::from(id) % 4])),
        questions(FLOOD, |id| (format!("host{id}.sub"), A)),
    ];
    for (number, flood) in floods.iter().enumerate() {
        let counting = Counting::with(|_| ());
        let seen = counting.flood("127.0.1.1", flood);
        assert_eq!(seen.whole, most, "flood {number}: {seen:?}");
    }
    // The names that do not exist in a zone are one, wherever they are.
    let counting = Counting::with(|_| ());
    assert_eq!(counting.flood("127.0.1.1", &floods[1]).whole, most);
    assert_eq!(counting.flood("127.0.1.1", &floods[2]).whole, 0);
    assert_eq!(counting.flood("127.0.1.1", &floods[3]).whole, most);
}

#[test]
fn names_below_a_wildcard_are_limited_together() {
    let all = RateLimit { same: SAME.into(), all: 50, ..RateLimit::default() };
    let counting = Counting::with(|options| options.rate_limit = all);
    let flood = questions(FLOOD, |id| (format!("host{id}.wild"), RecordType::A));
    let seen = counting.flood("127.0.1.1", &flood[..150]);
    assert_eq!(seen.whole, 50, "{seen:?}");
}

#[test]
fn errors_are_one_and_never_truncated() {
    let counting = Counting::with(|_| ());
    let most = usize::from(SAME);
    let mut flood: Vec<Vec<u8>> =
        (0..FLOOD).map(|id| ask(id, &format!("host{id}.example.com."), RecordType::A)).collect();
    for (at, request) in flood.iter_mut().enumerate() {
        match at % 3 {
            // An operation that there is not; no question at all.
            1 => request[2] |= 3 << 3,
            2 => request[5] = 0,
            _ => {}
        }
    }
    let seen = counting.flood("127.0.1.1", &flood);
    let over = usize::from(FLOOD) - most;
    assert_eq!(seen.truncated, 0);
    assert!(about_half(seen.whole - most, over), "{seen:?}");
}

#[test]
fn who_asks_for_more_than_questions_without_a_key_is_limited() {
    let most = usize::from(SAME);
    let message = |opcode, kind| {
        let mut message = question(0, "dyn.example.org.", kind);
        message.metadata.op_code = opcode;
        message
    };
    let data = TSIG::new(TsigAlgorithm::HmacSha256, 1, 300, vec![7; 32], 99, None, vec![]);
    let mut tsig = Record::from_rdata("nobody.".parse().unwrap(), 0, RData::TSIG(data));
    tsig.dns_class = DNSClass::ANY;
    let mut signed = message(OpCode::Update, RecordType::SOA);
    signed.additionals.push(tsig);
    let mut broken = message(OpCode::Update, RecordType::SOA).to_vec().unwrap();
    broken[9] = 1;
    let floods = [
        ("UPDATE", message(OpCode::Update, RecordType::SOA).to_vec().unwrap()),
        ("NOTIFY", message(OpCode::Notify, RecordType::SOA).to_vec().unwrap()),
        ("transfer", message(OpCode::Query, RecordType::AXFR).to_vec().unwrap()),
        ("signed by nobody we know", signed.to_vec().unwrap()),
        ("unreadable", broken),
    ];
    for (what, request) in floods {
        let counting = Counting::with(|options| options.rate_limit.slip = 0);
        let seen = counting.flood("127.0.1.1", &vec![request.clone(); 100]);
        assert_eq!((seen.whole, seen.truncated), (most, 0), "{what}");
        // What is over the limit and not dropped is sent, too.
        let all = Counting::with(|options| options.rate_limit.slip = 1);
        let seen = all.flood("127.0.1.1", &vec![request.clone(); 100]);
        assert_eq!((seen.whole, seen.truncated), (100, 0), "{what}");
        // All errors are one.
        let refused = vec![ask(0, "www.example.com.", RecordType::A); 10];
        assert_eq!(counting.flood("127.0.1.7", &refused), Seen::default(), "{what}");
        assert_eq!(tcp(counting.dns.address(0), &request)[..2], request[..2], "{what}");
    }
}

/// A client that has been told a cookie is who it says it is: it gets all it
/// asks for, whatever others ask in the name of its network.
#[test]
fn a_cookie_passes_every_limit() {
    use RecordType::{A, AXFR, SOA};
    let counting = Counting::with(|_| ());
    let asking = |id, opcode: OpCode, kind, cookie: &[u8]| {
        let name = if kind == A { "home.dyn.example.org." } else { "dyn.example.org." };
        let mut request = ask(id, name, kind);
        request[2] |= u8::from(opcode) << 3;
        request[11] = 1;
        request.extend([0, 0, 41, 0x04, 0xd0, 0, 0, 0, 0]);
        request.extend((4 + cookie.len() as u16).to_be_bytes());
        request.extend([0, 10]);
        request.extend((cookie.len() as u16).to_be_bytes());
        request.extend(cookie);
        request
    };
    let with_cookie = |id: u16, cookie: &[u8]| asking(id, OpCode::Query, A, cookie);
    // It learns its cookie from the first answer: the last 24 octets of it.
    let client = UdpSocket::bind("127.0.1.7:0").unwrap();
    client.connect(counting.dns.address(0)).unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    client.send(&with_cookie(1, b"at home.")).unwrap();
    let answer = receive(&client).expect("an answer");
    let cookie = answer[answer.len() - 24..].to_vec();
    assert!(cookie.starts_with(b"at home."));

    // Others flood; it asks as much, and is told everything.
    assert!(counting.flood("127.0.1.8", &same("home")).whole < 10);
    let mine: Vec<Vec<u8>> = (0..FLOOD).map(|id| with_cookie(id, &cookie)).collect();
    let all = Seen { whole: usize::from(FLOOD), truncated: 0 };
    assert_eq!(counting.flood("127.0.1.7", &mine), all);
    // So it is with what has no quick answer. Not more at a time than the
    // queue to there takes.
    for (opcode, kind) in [(OpCode::Update, SOA), (OpCode::Notify, SOA), (OpCode::Query, AXFR)] {
        let some: Vec<_> = (0..50).map(|id| asking(id, opcode, kind, &cookie)).collect();
        let seen = counting.flood("127.0.1.7", &some);
        assert_eq!(seen, Seen { whole: some.len(), truncated: 0 }, "{opcode:?}");
        let some: Vec<_> = (0..50).map(|id| asking(id, opcode, kind, b"at home.")).collect();
        assert!(counting.flood("127.0.1.7", &some).whole < 50, "{opcode:?}");
    }
    // It is no use to anybody else, nor is one made up.
    assert_eq!(counting.flood("127.0.1.8", &mine).whole, 0);
    let made_up = [&cookie[..16], &[7; 8]].concat();
    let mine: Vec<Vec<u8>> = (0..FLOOD).map(|id| with_cookie(id, &made_up)).collect();
    assert_eq!(counting.flood("127.0.1.7", &mine).whole, 0);
}

#[test]
fn what_is_set_is_what_is_done() {
    let flood = same("long");
    let seen = |change: fn(&mut Options)| Counting::with(change).flood("127.0.1.1", &flood);
    let total = usize::from(FLOOD);
    assert_eq!(seen(|o| o.rate_limit.enabled = false), Seen { whole: total, truncated: 0 });
    assert_eq!(
        seen(|o| o.exempt = vec!["127.0.1.0/24".parse().unwrap()]),
        Seen { whole: total, truncated: 0 }
    );
    assert_eq!(seen(|o| o.exempt = vec!["127.0.2.0/24".parse().unwrap()]).whole, usize::from(SAME));
    assert_eq!(seen(|o| o.rate_limit.same = 7).whole, 7);
    assert_eq!(seen(|o| o.rate_limit.slip = 0), Seen { whole: 10, truncated: 0 });
    assert_eq!(seen(|o| o.rate_limit.slip = 1), Seen { whole: 10, truncated: total - 10 });
    // One address by itself.
    let single = Counting::with(|o| o.prefixes = Prefixes { v4: 32, v6: 64 });
    assert_eq!(single.flood("127.0.1.1", &flood).whole, 10);
    assert_eq!(single.flood("127.0.1.2", &flood).whole, 10);
    // This machine is exempt unless somebody says otherwise.
    let usual = Counting::with(|options| options.exempt = Options::default().exempt);
    assert_eq!(usual.flood("127.0.1.1", &flood).whole, total);
}
