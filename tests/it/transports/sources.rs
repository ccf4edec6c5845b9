//! Datagrams from where no client is: nothing goes back, and no two servers
//! ever talk to each other.

use truename::dns::RateLimit;

use super::*;

/// Sends a datagram with any source at all.
struct Forger(socket2::Socket);

impl Forger {
    fn new() -> Forger {
        // Protocol 255: whoever writes to it writes the IP header, too (raw(7)).
        let raw = Some(socket2::Protocol::from(255));
        Forger(socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::RAW, raw).unwrap())
    }

    fn send(&self, from: (Ipv4Addr, u16), to: (Ipv4Addr, u16), message: &[u8]) {
        let length = (28 + message.len()) as u16;
        let mut packet = vec![0x45, 0];
        packet.extend(length.to_be_bytes());
        packet.extend([0, 0, 0, 0, 64, 17, 0, 0]);
        packet.extend(from.0.octets());
        packet.extend(to.0.octets());
        packet.extend(from.1.to_be_bytes());
        packet.extend(to.1.to_be_bytes());
        packet.extend((length - 20).to_be_bytes());
        // Over IPv4 a checksum of 0 is none.
        packet.extend([0, 0]);
        packet.extend(message);
        self.0.send_to(&packet, &SocketAddr::from(to).into()).unwrap();
    }
}

/// Datagrams that sockets in this namespace have sent; raw ones left out.
fn datagrams_sent() -> u64 {
    counter("OutDatagrams")
}

fn counter(what: &str) -> u64 {
    let text = std::fs::read_to_string("/proc/self/net/snmp").unwrap();
    let mut lines = text.lines().filter_map(|line| line.strip_prefix("Udp: "));
    let (heads, values) = (lines.next().unwrap(), lines.next().unwrap());
    let at = heads.split(' ').position(|head| head == what).unwrap();
    values.split(' ').nth(at).unwrap().parse().unwrap()
}

#[test]
fn nothing_goes_back_to_where_no_client_is() {
    let this = "transports::sources::nothing_goes_back_to_where_no_client_is";
    let script = "ip addr add 192.0.2.53/24 brd 192.0.2.255 dev lo && \
        ip addr add 192.0.2.54/32 dev lo && ip route add local 198.51.100.0/24 dev lo";
    if !is_inside(this, script) {
        return;
    }
    let (ours, other) = (Ipv4Addr::new(192, 0, 2, 53), Ipv4Addr::new(192, 0, 2, 54));
    let stranger = Ipv4Addr::new(198, 51, 100, 7);
    let unlimited = |listen: &str| {
        let rate_limit = RateLimit { enabled: false, ..RateLimit::default() };
        Dns::with(Options { listen: addresses(&[listen]), rate_limit, ..Options::default() })
    };
    // One bound to its address, and one to all there are.
    let _other = unlimited("192.0.2.54:53");
    let request = ask(1, "home.dyn.example.org.", RecordType::A);
    let notify = {
        let mut notify = question(2, "dyn.example.org.", RecordType::SOA);
        notify.metadata.op_code = OpCode::Notify;
        notify.to_vec().unwrap()
    };
    let mut reply = request.clone();
    reply[2] |= 0x80;
    for listen in ["192.0.2.53:53", "0.0.0.0:5300"] {
        let dns = unlimited(listen);
        let port = dns.address(0).port();
        let asked = SocketAddr::from((ours, port));
        let forger = Forger::new();
        let client = UdpSocket::bind((stranger, 0)).unwrap();
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        client.connect(asked).unwrap();
        // How many datagrams are sent because of one, beside a question and
        // its answer: once that is there, the one before it is dealt with.
        let caused_by = |from: (Ipv4Addr, u16), message: &[u8]| {
            let (sent, received) = (datagrams_sent(), counter("InDatagrams"));
            forger.send(from, (ours, port), message);
            // The same queue, whichever thread's it is, is not promised: so
            // wait until it was taken from it.
            let begun = Instant::now();
            while counter("InDatagrams") == received {
                assert!(begun.elapsed() < PATIENCE, "{from:?} never arrives");
                std::thread::yield_now();
            }
            for _ in 0..20 {
                client.send(&request).unwrap();
                receive(&client).expect("an answer");
            }
            datagrams_sent() - sent - 40
        };
        assert_eq!(caused_by((stranger, 4000), &request), 1, "a client is answered");
        for message in [&request, &notify] {
            assert_eq!(caused_by((stranger, 0), message), 0, "port 0");
            assert_eq!(caused_by((ours, port), message), 0, "ourselves");
            for ip in [[224, 0, 0, 251], [255, 255, 255, 255]] {
                assert_eq!(caused_by((ip.into(), 4000), message), 0, "{ip:?}");
            }
        }
        assert_eq!(caused_by((stranger, 4000), &reply), 0, "a reply");
        // In the name of another server: it gets one answer, and says nothing
        // to that, nor do we to answers of its.
        assert_eq!(caused_by((other, 53), &request), 1, "another server");
        assert_eq!(caused_by((other, 53), &reply), 0, "a reply of another server");
    }
}
