//! TCP clients that take more than their share, stall, break off, or never
//! finish what they begin: the others do not notice.

use std::io::Read;

use super::*;

/// Strict as for strangers: loopback is exempt otherwise.
fn strict(change: impl FnOnce(&mut Options)) -> Dns {
    let listen = addresses(&["127.0.0.1:0"]);
    let mut options = Options { listen, exempt: vec![], ..Options::default() };
    change(&mut options);
    Dns::with(options)
}

/// A connection from this address that the server has heard from.
fn heard_from(dns: &Dns, ip: &str) -> TcpStream {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    let local: SocketAddr = format!("{ip}:0").parse().unwrap();
    socket.bind(&local.into()).unwrap();
    socket.connect(&dns.address(0).into()).unwrap();
    let mut client = TcpStream::from(socket);
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    assert!(is_served(&mut client));
    client
}

fn is_served(client: &mut TcpStream) -> bool {
    let request = framed(&ask(1, "home.dyn.example.org.", RecordType::A));
    client.write_all(&request).is_ok() && read_message(client).is_ok()
}

/// Connections that the server has now.
fn open(dns: &Dns) -> u64 {
    dns.server.as_ref().unwrap().counters().read()["DNS connections open now"]
}

fn wait_until_open(dns: &Dns, count: u64) {
    let begun = Instant::now();
    while open(dns) != count {
        assert!(begun.elapsed() < PATIENCE, "{} are open, not {count}", open(dns));
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn who_has_its_share_takes_from_its_own() {
    let dns = strict(|options| options.tcp_per_client = 3);
    let mut other = heard_from(&dns, "127.0.2.1");
    let mut crowd: Vec<TcpStream> =
        (1..=3).map(|last| heard_from(&dns, &format!("127.0.1.{last}"))).collect();
    let mut late = heard_from(&dns, "127.0.1.200");
    assert!(is_closed(&mut crowd[0]), "the one of its own that is idle for longest");
    for kept in [&mut other, &mut late].into_iter().chain(&mut crowd[1..]) {
        assert!(is_served(kept));
    }
    // Who stalls in the middle of something is no better than who is idle.
    let request = framed(&ask(1, "home.dyn.example.org.", RecordType::A));
    late.write_all(&[&request[..], &[0]].concat()).unwrap();
    read_message(&mut late).unwrap();
    assert!(is_served(&mut crowd[1]) && is_served(&mut crowd[2]));
    let _another = heard_from(&dns, "127.0.1.4");
    assert!(is_closed(&mut late));
    // Who leaves makes room.
    drop(crowd);
    wait_until_open(&dns, 2);
    let _one_more = heard_from(&dns, "127.0.1.5");
    assert!(is_served(&mut other));
    assert_eq!(open(&dns), 3);
}

/// Twice as many of one network as there is room for, none of which reads
/// what it asked for: who has just come is not thrown out in their favour.
#[test]
fn who_stalls_gives_way_to_who_has_just_come() {
    let patient = Duration::from_secs(60);
    let dns = strict(|options| {
        options.tcp_per_client = 4;
        (options.tcp_message, options.tcp_idle) = (patient, patient);
    });
    let request = framed(&ask(1, "home.dyn.example.org.", RecordType::A));
    let mut stalling: Vec<TcpStream> = (1..=4)
        .map(|last| {
            let mut client = heard_from(&dns, &format!("127.0.1.{last}"));
            client.write_all(&[&request[..], &[0]].concat()).unwrap();
            read_message(&mut client).unwrap();
            client
        })
        .collect();
    let mut new = heard_from(&dns, "127.0.1.100");
    assert!(is_closed(&mut stalling[0]));
    let mut newer = heard_from(&dns, "127.0.1.101");
    assert!(is_closed(&mut stalling[1]));
    assert!(is_served(&mut new) && is_served(&mut newer));
}

#[test]
fn the_greatest_crowd_gives_way() {
    let dns = strict(|options| options.tcp_connections = 6);
    // Idle for longest, and alone.
    let mut alone = heard_from(&dns, "127.0.2.1");
    let mut crowd: Vec<TcpStream> =
        (1..=5).map(|last| heard_from(&dns, &format!("127.0.1.{last}"))).collect();
    let mut new: Vec<TcpStream> =
        (3..=6).map(|net| heard_from(&dns, &format!("127.0.{net}.1"))).collect();
    for gone in &mut crowd[..4] {
        assert!(is_closed(gone));
    }
    for kept in [&mut alone, &mut crowd[4]].into_iter().chain(&mut new) {
        assert!(is_served(kept));
    }
}

#[test]
fn no_limit_concerns_the_exempt() {
    let dns = strict(|options| {
        options.tcp_connections = 6;
        options.tcp_per_client = 2;
        options.exempt = vec!["127.0.1.0/24".parse().unwrap()];
    });
    let mut exempt: Vec<TcpStream> =
        (1..=4).map(|last| heard_from(&dns, &format!("127.0.1.{last}"))).collect();
    let mut others: Vec<TcpStream> =
        (1..=2).map(|last| heard_from(&dns, &format!("127.0.2.{last}"))).collect();
    // Full: it is the strangers' crowd that gives way.
    let mut new = heard_from(&dns, "127.0.3.1");
    assert!(is_closed(&mut others[0]));
    for kept in exempt.iter_mut().chain([&mut others[1], &mut new]) {
        assert!(is_served(kept));
    }
}

/// Whoever asks and closes its half gets everything it asked for, whatever
/// path that takes (RFC 7766 §6.2.4 leaves this to us).
#[test]
fn all_that_was_asked_before_the_end_is_answered() {
    let dns = strict(|_| ());
    let mut client = tcp_client(dns.address(0));
    let kinds = [RecordType::A, RecordType::AXFR, RecordType::TXT];
    let requests: Vec<u8> = (0..60)
        .flat_map(|id| framed(&ask(id, "big.dyn.example.org.", kinds[usize::from(id) % 3])))
        .collect();
    client.write_all(&requests).unwrap();
    client.shutdown(std::net::Shutdown::Write).unwrap();
    for id in 0..60 {
        assert_eq!(parsed(&read_message(&mut client).unwrap()).metadata.id, id);
    }
    assert!(is_closed(&mut client));
    wait_until_open(&dns, 0);
}

#[test]
fn a_reset_at_any_moment_leaves_nothing_behind() {
    let dns = strict(|_| ());
    let big = framed(&ask(1, "big.dyn.example.org.", RecordType::TXT)).repeat(200);
    let slow = framed(&ask(1, "dyn.example.org.", RecordType::AXFR)).repeat(20);
    let half = big[..20].to_vec();
    for round in 0..40 {
        let client = tcp_client(dns.address(0));
        let words = [&[][..], &half, &big, &slow][round % 4];
        (&client).write_all(words).unwrap();
        let socket = socket2::SockRef::from(&client);
        socket.set_linger(Some(Duration::ZERO)).unwrap();
    }
    wait_until_open(&dns, 0);
    assert!(is_served(&mut tcp_client(dns.address(0))));
}

/// It takes an answer one octet at a time: it has the time of a client that
/// takes nothing.
#[test]
fn a_slow_reader_is_dropped() {
    let dns = strict(|options| options.tcp_message = Duration::from_millis(200));
    let slow = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    slow.set_recv_buffer_size(1).unwrap();
    slow.connect(&dns.address(0).into()).unwrap();
    let mut slow = TcpStream::from(slow);
    let request = framed(&ask(1, "big.dyn.example.org.", RecordType::TXT)).repeat(100);
    slow.write_all(&request).unwrap();
    let begun = Instant::now();
    let mut taken = 0;
    while slow.read(&mut [0]).is_ok_and(|length| length > 0) {
        taken += 1;
        assert!(begun.elapsed() < PATIENCE, "{taken} octets, and it is still there");
        std::thread::sleep(Duration::from_millis(2));
    }
    wait_until_open(&dns, 0);
}

/// Thousands of connections that are begun and never completed: the kernel
/// keeps them, and answers with cookies once they are too many. What is ours
/// is the length of that queue, and that nobody waits in it for us.
#[test]
fn half_open_connections_are_nobodys_concern() {
    let this = "transports::pressure::half_open_connections_are_nobodys_concern";
    // What the server says to them never arrives.
    let nft = crate::network::program("nft");
    let script = format!(
        "ip addr add 192.0.2.53/32 dev lo && ip route add local 198.51.100.0/24 dev lo && \
         {nft} 'add table ip lost; add chain ip lost lost {{ type filter hook input priority 0; }}; \
         add rule ip lost lost ip daddr 198.51.100.0/24 drop'"
    );
    if !is_inside(this, &script) {
        return;
    }
    raise_descriptor_limit(4_000);
    let listen = addresses(&["192.0.2.53:53"]);
    let dns = Dns::with(Options { listen, ..Options::default() });
    let half_open: Vec<socket2::Socket> = (0..3_000)
        .map(|n| {
            let socket =
                socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
            let local = SocketAddr::from(([198, 51, 100, (n % 250) as u8 + 1], 0));
            socket.bind(&local.into()).unwrap();
            socket.set_nonblocking(true).unwrap();
            let begun = socket.connect(&dns.address(0).into()).unwrap_err();
            assert_eq!(begun.raw_os_error(), Some(libc::EINPROGRESS), "{begun}");
            socket
        })
        .collect();
    for _ in 0..20 {
        assert!(is_served(&mut tcp_client(dns.address(0))));
    }
    assert!(half_open.iter().all(|socket| socket.peer_addr().is_err()));
}
