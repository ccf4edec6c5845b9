//! The DNS on real sockets: what comes out is the same whatever it came by,
//! and no client, however it behaves, is in the way of another.

mod crowds;
mod every_question;
mod limits;
mod nonsense;
mod pressure;
mod sources;
mod validation;

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV6, TcpListener, TcpStream, UdpSocket};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::rdata::TSIG;
use hickory_proto::rr::rdata::tsig::{TsigAlgorithm, TsigError};
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};
use tokio::runtime::Runtime;
use truename::clock;
use truename::dns::{BindError, Options, Server, Transport, serve};
use truename::model::{Addresses, Moment, Moments, Serial};
use truename::zone::{Identity, Snapshot, Zone};

/// Long enough for any answer on loopback, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(10);

/// A server with the zone below, on its own runtime.
struct Dns {
    runtime: Runtime,
    server: Option<Server>,
    snapshot: Arc<ArcSwap<Snapshot>>,
}

impl Dns {
    fn on(listen: &[&str]) -> Dns {
        Dns::with(Options { listen: addresses(listen), threads: 2, ..Options::default() })
    }

    fn with(options: Options) -> Dns {
        Dns::serving(options, snapshot(), clock::moments())
    }

    fn serving(options: Options, snapshot: Snapshot, moments: Moments) -> Dns {
        let runtime = Runtime::new().unwrap();
        let snapshot = Arc::new(ArcSwap::from_pointee(snapshot));
        let server = {
            let _inside = runtime.enter();
            serve(&options, snapshot.clone(), None, &moments)
                .unwrap_or_else(|error| panic!("{error}"))
        };
        Dns { runtime, server: Some(server), snapshot }
    }

    /// The actual address of the listen address at `index`.
    fn address(&self, index: usize) -> SocketAddr {
        self.server.as_ref().unwrap().addresses()[index]
    }

    fn stop(&mut self) {
        self.runtime.block_on(self.server.take().unwrap().stop());
    }
}

fn addresses(listen: &[&str]) -> Vec<SocketAddr> {
    listen.iter().map(|address| address.parse().unwrap()).collect()
}

/// A zone with a host, and a name whose answer is too long for UDP.
fn snapshot() -> Snapshot {
    let long = "x".repeat(200);
    let big: String = (0..20).map(|n| format!("big TXT \"{n} {long}\"\n")).collect();
    let text = format!(
        "$ORIGIN dyn.example.org.\n$TTL 300\n\
         @ SOA ns1 hostmaster 7 3600 600 604800 60\n@ NS ns1\nns1 A 192.0.2.53\n{big}"
    );
    let zone = Zone::parse(&text, Path::new("dyn.example.org.zone")).unwrap();
    let mut snapshot = Snapshot::new(&[(&zone, Serial(7))], Identity::default());
    snapshot.set_host(&host(), report("192.0.2.1"), 60, false);
    snapshot
}

fn host() -> truename::model::Name {
    "home.dyn.example.org".parse().unwrap()
}

fn report(address: &str) -> Addresses {
    address.parse::<IpAddr>().unwrap().into()
}

fn question(id: u16, name: &str, kind: RecordType) -> Message {
    let mut message = Message::new(id, MessageType::Query, OpCode::Query);
    message.add_query(Query::query(name.parse().unwrap(), kind));
    message
}

/// A plain question in bytes.
fn ask(id: u16, name: &str, kind: RecordType) -> Vec<u8> {
    question(id, name, kind).to_vec().unwrap()
}

/// Asks from a socket that takes answers from `server` alone.
fn udp(server: SocketAddr, request: &[u8]) -> Vec<u8> {
    let client = udp_client(server);
    client.send(request).unwrap();
    receive(&client).expect("an answer over UDP")
}

fn udp_client(server: SocketAddr) -> UdpSocket {
    let local = if server.is_ipv4() { "127.0.0.1:0" } else { "[::1]:0" };
    let client = UdpSocket::bind(local).unwrap();
    client.connect(server).unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    client
}

fn receive(client: &UdpSocket) -> Option<Vec<u8>> {
    let mut buffer = [0; 65_535];
    client.recv(&mut buffer).ok().map(|length| buffer[..length].to_vec())
}

fn tcp(server: SocketAddr, request: &[u8]) -> Vec<u8> {
    let mut client = tcp_client(server);
    client.write_all(&framed(request)).unwrap();
    read_message(&mut client).expect("an answer over TCP")
}

fn tcp_client(server: SocketAddr) -> TcpStream {
    let client = TcpStream::connect(server).unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    client.set_write_timeout(Some(PATIENCE)).unwrap();
    client.set_nodelay(true).unwrap();
    client
}

fn framed(request: &[u8]) -> Vec<u8> {
    [&(request.len() as u16).to_be_bytes(), request].concat()
}

fn read_message(client: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut length = [0; 2];
    client.read_exact(&mut length)?;
    let mut message = vec![0; usize::from(u16::from_be_bytes(length))];
    client.read_exact(&mut message)?;
    Ok(message)
}

/// Whether the server has closed the connection, waiting for it.
fn is_closed(client: &mut TcpStream) -> bool {
    match client.read(&mut [0; 1]) {
        Ok(length) => length == 0,
        Err(error) => error.kind() == ErrorKind::ConnectionReset,
    }
}

fn parsed(answer: &[u8]) -> Message {
    Message::from_vec(answer).unwrap()
}

#[test]
fn what_is_published_is_in_the_next_answer() {
    let dns = Dns::on(&["127.0.0.1:0"]);
    let mut open = tcp_client(dns.address(0));
    let request = ask(1, "home.dyn.example.org.", RecordType::A);
    for last in 1..=50 {
        let address = format!("198.51.100.{last}");
        let mut next = Snapshot::clone(&dns.snapshot.load());
        next.set_host(&host(), report(&address), 60, false);
        dns.snapshot.store(Arc::new(next));
        let expected = RData::A(address.parse::<Ipv4Addr>().unwrap().into());
        let answer = udp(dns.address(0), &request);
        assert_eq!(parsed(&answer).answers[0].data, expected);
        open.write_all(&framed(&request)).unwrap();
        assert_eq!(read_message(&mut open).unwrap(), answer);
    }
}

#[test]
fn a_wildcard_socket_answers_from_the_address_that_was_asked() {
    let dns = Dns::on(&["0.0.0.0:0", "[::]:0"]);
    let port = dns.address(0).port();
    let plain = ask(1, "home.dyn.example.org.", RecordType::A);
    let mut notify = question(2, "dyn.example.org.", RecordType::SOA);
    notify.metadata.op_code = OpCode::Notify;
    // The slow path sends later and by itself: it must not forget either.
    for request in [plain, notify.to_vec().unwrap()] {
        for asked in ["127.0.0.1", "127.0.0.2", "127.3.2.1"] {
            let server = SocketAddr::new(asked.parse().unwrap(), port);
            // This socket is bound to 127.0.0.1 and takes nothing from it
            // unless it was asked.
            assert_eq!(udp(server, &request)[..2], request[..2], "from {asked}");
        }
        let v6 = SocketAddr::new("::1".parse().unwrap(), dns.address(1).port());
        assert_eq!(udp(v6, &request)[..2], request[..2]);
    }
}

/// The same over IPv6, whose loopback has one address only: with more, in a
/// network namespace of its own, link-local addresses and a slow answer among
/// them.
#[test]
fn a_wildcard_socket_answers_from_the_address_that_was_asked_over_ipv6() {
    let script = "ip addr add fd00::1/128 dev lo nodad && \
        ip addr add fd00::2/128 dev lo nodad && \
        ip link add left type veth peer name right && \
        ip link set left up && ip link set right up && \
        ip addr add fe80::1/64 dev left nodad && ip addr add fe80::2/64 dev left nodad";
    let this = "transports::a_wildcard_socket_answers_from_the_address_that_was_asked_over_ipv6";
    if !is_inside(this, script) {
        return;
    }
    let dns = Dns::on(&["[::]:0"]);
    let port = dns.address(0).port();
    let left = interface_index("left");
    let plain = ask(1, "home.dyn.example.org.", RecordType::A);
    let transfer = ask(2, "dyn.example.org.", RecordType::AXFR);
    let pairs = [
        ("fd00::1", 0, &["fd00::1", "fd00::2", "::1"][..]),
        ("fe80::1", left, &["fe80::1", "fe80::2"]),
    ];
    for (asker, scope, asked) in pairs {
        for &asked in asked {
            let local = SocketAddrV6::new(asker.parse().unwrap(), 0, 0, scope);
            let scope = if asked.starts_with("fe80") { left } else { 0 };
            let server = SocketAddrV6::new(asked.parse().unwrap(), port, 0, scope);
            let client = UdpSocket::bind(local).unwrap();
            client.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
            client.connect(server).unwrap();
            for request in [&plain, &transfer] {
                client.send(request).unwrap();
                let answer = receive(&client);
                let answer = answer.unwrap_or_else(|| panic!("{asker} asked {asked} in vain"));
                assert_eq!(answer[..2], request[..2]);
            }
        }
    }
}

/// Whether this process is in a network namespace that `script` has set up.
/// If not, the test of this name is run in one, and has passed.
fn is_inside(test: &str, script: &str) -> bool {
    const INSIDE: &str = "TRUENAME_TEST_IN_NAMESPACE";
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    let script = format!("ip link set lo up && {script} && exec \"$@\"");
    let output = Command::new("unshare")
        .args(["--user", "--map-root-user", "--net", "sh", "-c", &script, "sh"])
        .arg(std::env::current_exe().unwrap())
        .args([test, "--exact", "--nocapture"])
        .env(INSIDE, "1")
        .output()
        .expect("unshare (util-linux) and ip (iproute2) make the namespace");
    let said = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("1 passed"), "{said}\n{errors}");
    false
}

/// From `/proc/net/if_inet6`, which is always the namespace's own.
fn interface_index(name: &str) -> u32 {
    let table = std::fs::read_to_string("/proc/self/net/if_inet6").unwrap();
    let line = table.lines().find(|line| line.split_whitespace().last() == Some(name)).unwrap();
    u32::from_str_radix(line.split_whitespace().nth(1).unwrap(), 16).unwrap()
}

#[test]
fn an_answer_too_long_for_udp_is_whole_over_tcp() {
    let dns = Dns::on(&["127.0.0.1:0"]);
    let request = ask(1, "big.dyn.example.org.", RecordType::TXT);
    let short = udp(dns.address(0), &request);
    assert!(parsed(&short).metadata.truncation && short.len() <= 512);
    let whole = parsed(&tcp(dns.address(0), &request));
    assert!(!whole.metadata.truncation);
    assert_eq!(whole.answers.len(), 20);
}

#[test]
fn a_burst_is_answered_whole_and_in_place() {
    // More than a batch at once, with messages between that get no answer or
    // a slow one: every other id comes back, with its own answer.
    let dns = Dns::on(&["127.0.0.1:0"]);
    let client = udp_client(dns.address(0));
    let mut expected = Vec::new();
    for id in 0..200 {
        let (name, kind) = match id % 4 {
            0 => ("home.dyn.example.org.", RecordType::A),
            1 => ("dyn.example.org.", RecordType::AXFR),
            _ => ("nobody.dyn.example.org.", RecordType::A),
        };
        let mut request = ask(id, name, kind);
        if id % 4 == 3 {
            // A response: never answered.
            request[2] |= 0x80;
        } else {
            expected.push((id, name.parse::<Name>().unwrap()));
        }
        client.send(&request).unwrap();
    }
    let mut seen: Vec<(u16, Name)> = expected
        .iter()
        .map(|_| {
            let answer = parsed(&receive(&client).expect("one answer a question"));
            (answer.metadata.id, answer.queries[0].name().clone())
        })
        .collect();
    seen.sort();
    assert_eq!(seen, expected);
    client.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    assert_eq!(receive(&client), None);
}

#[test]
fn octets_may_come_one_by_one() {
    let dns = Dns::on(&["127.0.0.1:0"]);
    let request = ask(1, "home.dyn.example.org.", RecordType::A);
    let mut client = tcp_client(dns.address(0));
    for _ in 0..2 {
        for octet in framed(&request) {
            client.write_all(&[octet]).unwrap();
        }
        assert_eq!(read_message(&mut client).unwrap(), udp(dns.address(0), &request));
    }
}

#[test]
fn pipelined_questions_are_answered_in_order() {
    let dns = Dns::on(&["127.0.0.1:0"]);
    let mut client = tcp_client(dns.address(0));
    let mut requests = Vec::new();
    for id in 0..300 {
        let (name, kind) = match id % 3 {
            0 => ("home.dyn.example.org.", RecordType::A),
            1 => ("dyn.example.org.", RecordType::IXFR),
            _ => ("big.dyn.example.org.", RecordType::TXT),
        };
        requests.extend(framed(&ask(id, name, kind)));
    }
    let mut writer = client.try_clone().unwrap();
    let write = std::thread::spawn(move || writer.write_all(&requests).unwrap());
    for id in 0..300 {
        assert_eq!(parsed(&read_message(&mut client).unwrap()).metadata.id, id);
    }
    write.join().unwrap();
}

#[test]
fn a_client_that_closes_its_half_still_gets_its_answers() {
    let dns = Dns::on(&["127.0.0.1:0"]);
    let request = ask(1, "home.dyn.example.org.", RecordType::A);
    let mut client = tcp_client(dns.address(0));
    client.write_all(&framed(&request)).unwrap();
    client.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(read_message(&mut client).unwrap()[..2], request[..2]);
    assert!(is_closed(&mut client));
}

#[test]
fn a_thousand_idle_connections_do_not_lock_out_a_new_client() {
    let listen = addresses(&["127.0.0.1:0"]);
    // However long it takes to open them, their time is not up.
    let tcp_idle = Duration::from_secs(600);
    let dns = Dns::with(Options { listen, tcp_idle, ..Options::default() });
    assert_eq!(Options::default().tcp_connections, 1000);
    raise_descriptor_limit(3000);
    let request = ask(1, "home.dyn.example.org.", RecordType::A);
    let mut idle: Vec<TcpStream> = (0..1000).map(|_| tcp_client(dns.address(0))).collect();
    // The first one asks, and so is not the one idle for longest.
    idle[0].write_all(&framed(&request)).unwrap();
    read_message(&mut idle[0]).unwrap();

    let begun = Instant::now();
    tcp(dns.address(0), &request);
    assert!(begun.elapsed() < Duration::from_secs(2), "took {:?}", begun.elapsed());

    assert!(is_closed(&mut idle[1]), "the one idle for longest gives way");
    for kept in [0, 2, 999] {
        idle[kept].write_all(&framed(&request)).unwrap();
        read_message(&mut idle[kept]).unwrap();
    }
}

/// Both ends of a thousand connections are in this process.
fn raise_descriptor_limit(count: u64) {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_some_and(|current| current < count) {
        setrlimit(Resource::Nofile, Rlimit { current: Some(count), ..limit }).unwrap();
    }
}

#[test]
fn when_all_are_busy_the_one_stalling_for_longest_gives_way() {
    let listen = addresses(&["127.0.0.1:0"]);
    let patient = Duration::from_secs(60);
    let dns = Dns::with(Options {
        listen,
        tcp_connections: 2,
        tcp_message: patient,
        tcp_idle: patient,
        ..Options::default()
    });
    let request = ask(1, "home.dyn.example.org.", RecordType::A);
    let mut stalling: Vec<TcpStream> = (0..2).map(|_| tcp_client(dns.address(0))).collect();
    for client in &mut stalling {
        // A whole message and one octet of the next: the answer shows that
        // the server has read this far.
        client.write_all(&[&framed(&request)[..], &[0]].concat()).unwrap();
        read_message(client).unwrap();
    }
    tcp(dns.address(0), &request);
    assert!(is_closed(&mut stalling[0]));
    stalling[1].write_all(&framed(&request)[1..]).unwrap();
    read_message(&mut stalling[1]).unwrap();
}

#[test]
fn a_message_must_arrive_in_full_in_time() {
    let listen = addresses(&["127.0.0.1:0"]);
    let tcp_message = Duration::from_millis(100);
    let dns = Dns::with(Options { listen, tcp_message, ..Options::default() });
    let request = framed(&ask(1, "home.dyn.example.org.", RecordType::A));
    // A length with nothing behind it, and octets that keep coming but never
    // make a message.
    let mut silent = tcp_client(dns.address(0));
    silent.write_all(&[0xff, 0xff]).unwrap();
    let mut dripping = tcp_client(dns.address(0));
    dripping.write_all(&[0xff, 0xff]).unwrap();
    let begun = Instant::now();
    while dripping.write_all(&[0]).is_ok() {
        std::thread::sleep(Duration::from_millis(5));
        assert!(begun.elapsed() < PATIENCE, "dripping is never cut off");
    }
    assert!(is_closed(&mut silent));
    // Idling is another matter.
    let mut idle = tcp_client(dns.address(0));
    std::thread::sleep(tcp_message * 3);
    idle.write_all(&request).unwrap();
    read_message(&mut idle).unwrap();
}

#[test]
fn an_idle_connection_is_closed_after_its_time() {
    let listen = addresses(&["127.0.0.1:0"]);
    let tcp_idle = Duration::from_millis(100);
    let dns = Dns::with(Options { listen, tcp_idle, ..Options::default() });
    let mut client = tcp_client(dns.address(0));
    let begun = Instant::now();
    assert!(is_closed(&mut client));
    assert!(begun.elapsed() >= tcp_idle);
}

#[test]
fn a_client_that_never_reads_is_dropped() {
    let listen = addresses(&["127.0.0.1:0"]);
    let tcp_message = Duration::from_millis(200);
    let dns = Dns::with(Options { listen, tcp_message, ..Options::default() });
    let mut greedy = tcp_client(dns.address(0));
    let request = framed(&ask(1, "big.dyn.example.org.", RecordType::TXT)).repeat(100);
    let mut sent = 0;
    let error = loop {
        match greedy.write_all(&request) {
            Ok(()) => sent += request.len(),
            Err(error) => break error,
        }
        // 64 MB of questions would be 6 GB of answers.
        assert!(sent < 64 << 20, "its questions are read without end");
        tcp(dns.address(0), &ask(2, "home.dyn.example.org.", RecordType::A));
    };
    assert!(matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe), "{error}");
}

/// What is asked of the server and not read lies in the kernel's queues, too.
#[test]
fn a_client_that_never_reads_takes_little_memory() {
    let dns = Dns::on(&["127.0.0.1:0"]);
    let greedy = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    // The least there is on its own side, so that all else is the server's.
    greedy.set_recv_buffer_size(1).unwrap();
    greedy.set_send_buffer_size(1).unwrap();
    greedy.connect(&dns.address(0).into()).unwrap();
    let mut greedy = TcpStream::from(greedy);
    let request = framed(&ask(1, "home.dyn.example.org.", RecordType::A)).repeat(10);
    let mut sent = 0;
    while greedy.write_all(&request).is_ok() {
        sent += request.len();
        assert!(sent < 256 << 10, "{sent} octets of questions are taken");
    }
}

#[test]
fn nonsense_over_tcp_ends_the_connection() {
    let dns = Dns::on(&["127.0.0.1:0"]);
    let good = ask(1, "home.dyn.example.org.", RecordType::A);
    let mut response = good.clone();
    response[2] |= 0x80;
    let tiny = vec![0; 11];
    for nonsense in [Vec::new(), tiny, response] {
        let mut client = tcp_client(dns.address(0));
        // What was asked before it is answered.
        client.write_all(&[framed(&good), framed(&nonsense)].concat()).unwrap();
        assert_eq!(read_message(&mut client).unwrap()[..2], good[..2]);
        assert!(is_closed(&mut client));
    }
}

/// What the slow path says to a message, over both transports.
fn slowly(dns: &Dns, message: &Message) -> Message {
    let request = message.to_vec().unwrap();
    let answer = udp(dns.address(0), &request);
    assert_eq!(tcp(dns.address(0), &request), answer);
    let answer = parsed(&answer);
    assert_eq!(answer.metadata.id, message.metadata.id);
    assert_eq!(answer.metadata.message_type, MessageType::Response);
    assert_eq!(answer.metadata.op_code, message.metadata.op_code);
    assert_eq!(answer.queries, message.queries);
    assert_eq!(answer.edns.is_some(), message.edns.is_some());
    assert!(answer.answers.is_empty() && answer.authorities.is_empty());
    answer
}

#[test]
fn what_is_no_plain_question_is_refused_in_its_own_words() {
    use OpCode::{Notify, Query, Update};
    use RecordType::{A, AXFR, IXFR, SOA};
    use ResponseCode::{FormErr, NotAuth, Refused};
    let dns = Dns::on(&["127.0.0.1:0"]);
    let table = [
        (Update, "dyn.example.org.", SOA, Refused),
        (Update, "DYN.Example.org.", SOA, Refused),
        (Update, "home.dyn.example.org.", SOA, NotAuth),
        (Update, "example.org.", SOA, NotAuth),
        (Update, "dyn.example.org.", A, FormErr),
        (Notify, "dyn.example.org.", SOA, Refused),
        (Notify, "example.com.", SOA, NotAuth),
        (Query, "dyn.example.org.", AXFR, Refused),
        (Query, "dyn.example.org.", IXFR, Refused),
        (Query, "home.dyn.example.org.", AXFR, NotAuth),
        (Query, "example.com.", AXFR, NotAuth),
    ];
    for (opcode, name, kind, expected) in table {
        let mut message = question(77, name, kind);
        message.metadata.op_code = opcode;
        assert_eq!(slowly(&dns, &message).metadata.response_code, expected, "{opcode:?} {name}");
        message.edns = Some(Edns::new());
        assert_eq!(slowly(&dns, &message).metadata.response_code, expected, "{opcode:?} {name}");
    }
}

#[test]
fn an_unknown_key_is_told_so_unsigned() {
    let dns = Dns::on(&["127.0.0.1:0"]);
    let key: Name = "nobody.key.".parse().unwrap();
    let tsig = || {
        let algorithm = TsigAlgorithm::HmacSha256;
        let data = TSIG::new(algorithm, 1_700_000_000, 300, vec![7; 32], 99, None, vec![]);
        let mut record = Record::from_rdata(key.clone(), 0, RData::TSIG(data));
        record.dns_class = DNSClass::ANY;
        record
    };
    for (opcode, kind) in [
        (OpCode::Query, RecordType::SOA),
        (OpCode::Query, RecordType::AXFR),
        (OpCode::Update, RecordType::SOA),
        (OpCode::Notify, RecordType::SOA),
    ] {
        let mut message = question(99, "dyn.example.org.", kind);
        message.metadata.op_code = opcode;
        message.additionals.push(tsig());
        let answer = slowly(&dns, &message);
        assert_eq!(answer.metadata.response_code, ResponseCode::NotAuth);
        let [record] = &answer.additionals[..] else { panic!("one record: {answer}") };
        let RData::TSIG(signature) = &record.data else { panic!("a TSIG record: {record}") };
        assert_eq!((&record.name, record.dns_class, record.ttl), (&key, DNSClass::ANY, 0));
        assert_eq!(signature.error, Some(TsigError::BadKey));
        assert_eq!((signature.mac.len(), signature.oid), (0, 99));
        assert_eq!((signature.time, signature.fudge), (1_700_000_000, 300));

        // Two signatures, or one that is not last: RFC 8945 §5.1.
        message.additionals.push(tsig());
        let answer = udp(dns.address(0), &message.to_vec().unwrap());
        assert_eq!(parsed(&answer).metadata.response_code, ResponseCode::FormErr);
    }
}

#[test]
fn an_unreadable_message_is_a_format_error() {
    let dns = Dns::on(&["127.0.0.1:0"]);
    let mut message = question(0x1234, "dyn.example.org.", RecordType::SOA);
    message.metadata.op_code = OpCode::Update;
    let mut request = message.to_vec().unwrap();
    // It claims an update record that is not there.
    request[9] = 1;
    let answer = parsed(&udp(dns.address(0), &request));
    assert_eq!(answer.metadata.id, 0x1234);
    assert_eq!(answer.metadata.op_code, OpCode::Update);
    assert_eq!(answer.metadata.response_code, ResponseCode::FormErr);
    assert_eq!(answer.queries, message.queries);
}

/// Tries to serve and shows what the operator would read.
fn refusal(address: SocketAddr) -> String {
    let runtime = Runtime::new().unwrap();
    let _inside = runtime.enter();
    let options = Options { listen: vec![address], ..Options::default() };
    match serve(&options, Arc::new(ArcSwap::from_pointee(snapshot())), None, &clock::moments()) {
        Ok(_) => panic!("it serves {address}"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn a_port_in_use_is_named() {
    // On an address that nothing else here has ports on: whatever else of the
    // tests runs beside this one takes ports of 127.0.0.1.
    let held = TcpListener::bind("127.53.0.1:0").unwrap();
    let address = held.local_addr().unwrap();
    let said = refusal(address);
    let expected = format!("cannot serve DNS on {address} over TCP: port {} is in", address.port());
    assert!(said.starts_with(&expected), "{said}");
    drop(held);

    // A program that would share its UDP port with us must not get the chance.
    let shared = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::DGRAM, None).unwrap();
    shared.set_reuse_port(true).unwrap();
    shared.bind(&SocketAddr::from(([127, 53, 0, 1], 0)).into()).unwrap();
    let address = shared.local_addr().unwrap().as_socket().unwrap();
    let said = refusal(address);
    assert!(said.contains("over UDP") && said.contains("in use"), "{said}");

    // And so with another of ourselves.
    let dns = Dns::on(&["127.0.0.1:0"]);
    assert!(refusal(dns.address(0)).contains("in use by another program"));
}

#[test]
fn other_reasons_not_to_bind_say_what_to_do() {
    let said = refusal("192.0.2.77:0".parse().unwrap());
    assert!(said.contains("does not have that address; remove it"), "{said}");
    let address = "127.0.0.1:53".parse().unwrap();
    let cause = ErrorKind::PermissionDenied.into();
    let said = BindError { address, transport: Transport::Udp, cause }.to_string();
    assert!(said.contains("CAP_NET_BIND_SERVICE") && said.contains("above 1023"), "{said}");
}

#[test]
fn the_same_address_twice_is_once() {
    let runtime = Runtime::new().unwrap();
    let _inside = runtime.enter();
    // A port that is free now may be another test's a moment later.
    let served = (0..20).find_map(|_| {
        let free = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let options = Options { listen: vec![free, free], ..Options::default() };
        let server =
            serve(&options, Arc::new(ArcSwap::from_pointee(snapshot())), None, &clock::moments())
                .ok()?;
        Some((server.addresses() == [free], server))
    });
    assert!(served.is_some_and(|(once, _)| once));
}

#[test]
fn stopping_leaves_nothing_behind() {
    let mut dns = Dns::on(&["127.0.0.1:0", "[::1]:0"]);
    let servers = [dns.address(0), dns.address(1)];
    let mut idle = tcp_client(servers[0]);
    let mut stalling = tcp_client(servers[1]);
    stalling.write_all(&[0]).unwrap();
    udp(servers[0], &ask(1, "home.dyn.example.org.", RecordType::A));
    let begun = Instant::now();
    dns.stop();
    // The grace of the one in the middle of a message, and no time-out of a
    // sleeping thread besides.
    assert!(begun.elapsed() < Duration::from_millis(900), "took {:?}", begun.elapsed());
    assert!(is_closed(&mut idle) && is_closed(&mut stalling));
    drop((idle, stalling));
    for server in servers {
        UdpSocket::bind(server).unwrap();
        let refused = TcpStream::connect(server).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    }
}

#[test]
fn a_server_that_is_dropped_lets_go_of_its_connections() {
    let mut dns = Dns::on(&["127.0.0.1:0"]);
    let address = dns.address(0);
    let mut idle = tcp_client(address);
    let request = framed(&ask(1, "home.dyn.example.org.", RecordType::A));
    idle.write_all(&request).unwrap();
    read_message(&mut idle).unwrap();
    drop(dns.server.take());
    assert!(is_closed(&mut idle));
}
