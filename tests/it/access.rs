//! Who may change what, by which way: `tests/access.txt`, every role by every
//! way into the registry. `UPDATE=1` writes down what was seen.
//!
//! Beside the text, of every role that has no right to the host: nothing of it
//! is another one afterwards, and the same request for a host that does not
//! exist is answered with the same octets, headers too, after as many slow
//! hashes.

use std::fmt::Write as _;
use std::net::{IpAddr, UdpSocket};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use truename::http::Protocols;
use truename::model::{Holder, KeyId, Lease, May, Name, RecordType};
use truename::registry::{
    Command, Credential, HostSettings, ImportHost, NewKey, Purpose, Reply, SiteSetting,
};
use truename::signed::{AddressAnswer, SharedSecret, Update};
use truename::update::{Edit, RecordChange, Said};

use crate::update::message::{self, Message};
use crate::update::server::Server;

/// Where clients are, and from where some keys may be used.
const FROM: &str = "203.0.113.9";
const ELSEWHERE: &str = "198.51.100.0/24";

/// What the host is moved to by whoever may.
const MOVED: &str = "192.0.2.66";

/// What a certificate is proved by.
const PROOF: &str = "LHDhK3oGRvkiefQnx7OOczTY5Tic_xZ6HcMOc_gmtoM";

const ZONE: &str = "\
$ORIGIN dyn.example.
$TTL 300
@   SOA ns1 hostmaster 1 3600 600 86400 60
@   NS  ns1
ns1 A   192.0.2.53
";

/// A host of each, and where it is.
const HOSTS: [(&str, Option<&str>); 9] = [
    ("home", Some("ann")),
    ("nas", Some("ann")),
    ("door", Some("bob")),
    ("cam.home", Some("bob")),
    ("up", Some("bob")),
    ("below.up", Some("ann")),
    ("desk", Some("dave")),
    ("router", None),
    ("member", None),
];

/// Who asks: a login, and a key to sign with.
#[derive(Clone)]
struct Who {
    user: String,
    secret: String,
    key: Option<(KeyId, [u8; 32], [u8; 32])>,
}

/// Somebody, what they try to change, and whether they may.
struct Role {
    words: &'static str,
    who: Who,
    target: &'static str,
    /// The name of a host that is not there, in the place of the target.
    twin: Option<&'static str>,
    /// A user that is nobody's name, in the place of the one logged in as.
    nobody: Option<&'static str>,
}

/// A way into the registry.
struct Route {
    /// The language, by its name in `protocols`, or what else it is.
    language: &'static str,
    what: &'static str,
    request: fn(&Who, &str) -> Option<Request>,
}

enum Request {
    Http {
        method: &'static str,
        target: String,
        headers: Vec<(String, String)>,
        body: String,
    },
    Signed(KeyId, [u8; 32], String),
    /// A question for the client's own address, signed by the server.
    Question(KeyId, [u8; 32]),
    Dns(Option<(KeyId, [u8; 32])>, Vec<String>),
}

fn get(target: String, host: &str) -> Option<Request> {
    let headers = vec![("host".into(), host.into())];
    Some(Request::Http { method: "GET", target, headers, body: String::new() })
}

fn post(target: &str, more: &[(&str, String)], body: String) -> Option<Request> {
    let mut headers = vec![("host".into(), "ddns.example.org".into())];
    headers.extend(more.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
    Some(Request::Http { method: "POST", target: target.into(), headers, body })
}

impl Who {
    fn basic(&self) -> Option<(String, String)> {
        let login = format!("{}:{}", self.user, self.secret);
        let basic = format!("Basic {}", data_encoding::BASE64.encode(login.as_bytes()));
        (!self.secret.is_empty()).then(|| ("authorization".to_owned(), basic))
    }

    /// With the login in the header.
    fn sends(&self, request: Option<Request>) -> Option<Request> {
        let mut request = request?;
        if let Request::Http { headers, .. } = &mut request {
            headers.extend(self.basic());
        }
        Some(request)
    }

    fn dns(&self, lines: &[String]) -> Option<Request> {
        let key = self.key.as_ref().map(|(id, tsig, _)| (id.clone(), *tsig));
        Some(Request::Dns(key, lines.to_vec()))
    }
}

const JSON: (&str, &str) = ("content-type", "application/json");

fn json(target: &str, body: String) -> Option<Request> {
    post(target, &[(JSON.0, JSON.1.to_owned())], body)
}

/// `home.dyn.example`, for names below the zone.
fn full(target: &str) -> String {
    format!("{target}.dyn.example")
}

const ROUTES: &[Route] = &[
    Route {
        language: "dyndns2",
        what: "address",
        request: |who, target| {
            let path = format!("/nic/update?hostname={}&myip={MOVED}", full(target));
            who.sends(get(path, "ddns.example.org"))
        },
    },
    Route {
        language: "dyndns2",
        what: "no host",
        request: |who, _| who.sends(get(format!("/nic/update?myip={MOVED}"), "ddns.example.org")),
    },
    Route {
        language: "dyndns2",
        what: "withdrawal",
        request: |who, target| {
            let path = format!("/nic/update?hostname={}&offline=YES", full(target));
            who.sends(get(path, "ddns.example.org"))
        },
    },
    Route {
        language: "dyndns2",
        what: "two hosts",
        request: |who, target| {
            let path =
                format!("/nic/update?hostname=door.dyn.example,{}&myip={MOVED}", full(target));
            who.sends(get(path, "ddns.example.org"))
        },
    },
    Route {
        language: "dyndns2",
        what: "a line",
        request: |who, target| {
            let path = format!("/nic/update?hostname={}&line=wan1&myip={MOVED}", full(target));
            who.sends(get(path, "ddns.example.org"))
        },
    },
    Route {
        language: "dyndns2",
        what: "a prefix",
        request: |who, target| {
            let host = full(target);
            let path = format!("/nic/update?hostname={host}&ipv6prefix=2001:db8:7::/56");
            who.sends(get(path, "ddns.example.org"))
        },
    },
    Route {
        language: "records",
        what: "A",
        request: |who, target| {
            let host = full(target);
            who.sends(json(
                "/api/records",
                format!(
                    r#"{{"remove":[{{"name":"{host}","type":"A"}}],"add":[{{"name":"{host}","type":"A","data":"{MOVED}"}}]}}"#
                ),
            ))
        },
    },
    Route {
        language: "records",
        what: "challenge",
        request: |who, target| {
            let name = format!("_acme-challenge.{}", full(target));
            who.sends(json(
                "/api/records",
                format!(r#"{{"add":[{{"name":"{name}","type":"TXT","data":"{PROOF}"}}]}}"#),
            ))
        },
    },
    Route {
        language: "records",
        what: "removal",
        request: |who, target| {
            let host = full(target);
            who.sends(json("/api/records", format!(r#"{{"remove":[{{"name":"{host}"}}]}}"#)))
        },
    },
    Route {
        language: "acme-dns",
        what: "challenge",
        request: |who, target| {
            let keys = [("x-api-user", who.user.clone()), ("x-api-key", who.secret.clone())];
            let body = format!(r#"{{"subdomain":"{}","txt":"{PROOF}"}}"#, full(target));
            post("/update", &keys, body)
        },
    },
    Route {
        language: "httpreq",
        what: "challenge",
        request: |who, target| {
            let name = format!("_acme-challenge.{}.", full(target));
            who.sends(json("/present", format!(r#"{{"fqdn":"{name}","value":"{PROOF}"}}"#)))
        },
    },
    Route {
        language: "httpreq",
        what: "challenge, RAW",
        request: |who, target| {
            let body = format!(
                r#"{{"domain":"{}","token":"t","keyAuth":"{PROOF}.account"}}"#,
                full(target)
            );
            who.sends(json("/present", body))
        },
    },
    Route {
        language: "duckdns",
        what: "address",
        request: |who, target| {
            let (host, token) = (full(target), who.escaped());
            get(format!("/update?domains={host}&token={token}&ip={MOVED}"), "www.duckdns.org")
        },
    },
    Route {
        language: "duckdns",
        what: "challenge",
        request: |who, target| {
            let (host, token) = (full(target), who.escaped());
            get(format!("/update?domains={host}&token={token}&txt={PROOF}"), "www.duckdns.org")
        },
    },
    Route {
        language: "dynv6",
        what: "address",
        request: |who, target| {
            let (host, token) = (full(target), who.escaped());
            get(format!("/api/update?ipv4={MOVED}&hostname={host}&token={token}"), "dynv6.com")
        },
    },
    Route {
        language: "freedns",
        what: "address",
        request: |who, target| {
            let (host, token) = (full(target), who.escaped());
            let path = format!("/dynamic/update.php?{token}.{host}&address={MOVED}");
            get(path, "freedns.afraid.org")
        },
    },
    Route {
        language: "freedns",
        what: "list",
        request: |who, _| {
            let path = format!("/api/?action=getdyndns&v=2&sha={}", who.escaped());
            get(path, "freedns.afraid.org")
        },
    },
    Route {
        language: "namecheap",
        what: "address",
        request: |who, target| {
            let token = who.escaped();
            let path =
                format!("/update?host={target}&domain=dyn.example&password={token}&ip={MOVED}");
            get(path, "dynamicdns.park-your-domain.com")
        },
    },
    Route {
        language: "docker-ddns",
        what: "address",
        request: |who, target| {
            let token = who.escaped();
            get(format!("/update?secret={token}&domain={target}&addr={MOVED}"), "ddns.example.org")
        },
    },
    Route {
        language: "dyndns1",
        what: "address",
        request: |who, target| {
            let host = full(target);
            let path = format!(
                "/nic/dyndns?action=edit&started=1&hostname=YES&host_id={host}&myip={MOVED}"
            );
            who.sends(get(path, "members.dyndns.org"))
        },
    },
    Route {
        language: "easydns",
        what: "address",
        request: |who, target| {
            let path = format!("/dyn/generic.php?hostname={}&myip={MOVED}", full(target));
            who.sends(get(path, "api.cp.easydns.com"))
        },
    },
    Route {
        language: "no-ip",
        what: "address",
        request: |who, target| {
            let (user, secret) = (&who.user, who.escaped());
            let host = full(target);
            let path =
                format!("/ducupdate.php?username={user}&pass={secret}&h[]={host}&ip={MOVED}");
            get(path, "dynupdate.no-ip.com")
        },
    },
    Route {
        language: "he",
        what: "challenge",
        request: |who, target| {
            let form = ("content-type", "application/x-www-form-urlencoded".to_owned());
            let name = format!("_acme-challenge.{}", full(target));
            let body = format!("hostname={name}&password={}&txt={PROOF}", who.escaped());
            post("/nic/update", &[form], body)
        },
    },
    Route {
        language: "desec",
        what: "address",
        request: |who, target| {
            let path = format!("/?hostname={}&myipv4={MOVED}", full(target));
            who.sends(get(path, "update.dedyn.io"))
        },
    },
    Route {
        language: "token",
        what: "address",
        request: |who, _| {
            let path = format!("/{}?ip_address={MOVED}", who.escaped());
            (!who.secret.is_empty()).then(|| get(path, "ddns.example.org"))?
        },
    },
    Route {
        language: "signed",
        what: "address",
        request: |who, target| {
            let (id, _, secret) = who.key.clone()?;
            Some(Request::Signed(id, secret, full(target)))
        },
    },
    Route {
        language: "signed",
        what: "question",
        request: |who, _| {
            let (id, _, secret) = who.key.clone()?;
            Some(Request::Question(id, secret))
        },
    },
    Route {
        language: "acme-dns",
        what: "register",
        request: |who, target| {
            let keys = [("x-api-user", who.user.clone()), ("x-api-key", who.secret.clone())];
            post("/register", &keys, format!(r#"{{"subdomain":"{}"}}"#, full(target)))
        },
    },
    Route {
        language: "DNS UPDATE",
        what: "A",
        request: |who, target| {
            who.dns(&[format!("remove {target} A"), format!("add {target} 60 A {MOVED}")])
        },
    },
    Route {
        language: "DNS UPDATE",
        what: "challenge",
        request: |who, target| who.dns(&[format!("add _acme-challenge.{target} 60 TXT {PROOF}")]),
    },
    Route {
        language: "DNS UPDATE",
        what: "removal",
        request: |who, target| who.dns(&[format!("remove {target}")]),
    },
    Route {
        language: "DNS UPDATE",
        what: "A of two hosts",
        request: |who, target| {
            who.dns(&[format!("add door 60 A {MOVED}"), format!("add {target} 60 A {MOVED}")])
        },
    },
];

struct Stage {
    server: Server,
    /// Signed updates so far: each is to be later than the one before.
    sent: AtomicU64,
    roles: Vec<Role>,
}

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

impl Stage {
    fn new() -> Stage {
        let server = Server::with(ZONE);
        let world = &server.world;
        for (account, password) in [
            ("ann", Some("anns correct horse")),
            ("bob", Some("bobs battery staple")),
            ("dave", None),
        ] {
            let password = password.map(str::to_owned);
            let command = Command::AccountAdd { name: account.parse().unwrap(), password };
            world.command(command).unwrap();
        }
        for (host, owner) in HOSTS {
            server.host(&full(host), &["192.0.2.1"], owner);
        }
        let router = SiteSetting {
            router: name(&full("router")),
            interface: Some("::7".parse().unwrap()),
            subnet: None,
        };
        let settings = HostSettings { site: Some(Some(router)), ..HostSettings::default() };
        world.command(Command::HostSet { name: name(&full("member")), settings }).unwrap();
        let mut stage = Stage { roles: Vec::new(), server, sent: AtomicU64::new(0) };
        stage.cast();
        stage
    }

    /// Everybody there is.
    fn cast(&mut self) {
        let nobody = Who { user: String::new(), secret: String::new(), key: None };
        let login = |user: &str, secret: &str| Who {
            user: user.to_owned(),
            secret: secret.to_owned(),
            key: None,
        };
        let own = self.key("home.dyn.example", |_| {});
        let mut wrong = own.clone();
        wrong.secret = "wrong".repeat(7);
        wrong.key = wrong.key.map(|(id, ..)| (id, [7; 32], [7; 32]));
        let ended = self.key("ann", |_| {});
        let id = ended.key.clone().unwrap().0;
        let overlap = Duration::ZERO;
        self.server.world.command(Command::KeyRotate { id, overlap }).unwrap();
        let blocked = self.key("dave", |_| {});
        let blocks = Command::AccountSet {
            name: "dave".parse().unwrap(),
            password: None,
            blocked: Some(true),
        };
        self.server.world.command(blocks).unwrap();
        let bob = self.key("bob", |_| {});
        let as_home = Who { user: full("home"), ..bob.clone() };
        let cast: Vec<(&'static str, Who, &'static str, Option<&'static str>)> = vec![
            ("nobody", nobody, "home", Some("hxme")),
            ("somebody with a wrong secret, logged in as the host", wrong, "home", Some("hxme")),
            (
                "somebody with a wrong secret, logged in as its owner",
                login("ann", "wrong horse and wrong battery"),
                "home",
                Some("hxme"),
            ),
            ("another member's key", bob.clone(), "home", Some("hxme")),
            ("another member's key, logged in as the host", as_home, "home", Some("hxme")),
            (
                "another member's password",
                login("bob", "bobs battery staple"),
                "home",
                Some("hxme"),
            ),
            (
                "another member's password, logged in as the host",
                login(&full("home"), "bobs battery staple"),
                "home",
                Some("hxme"),
            ),
            (
                "the owner's key, good for another host of hers",
                self.key("ann", |key| key.hosts = vec![name("nas.dyn.example")]),
                "home",
                Some("hxme"),
            ),
            (
                "the owner's key, good from elsewhere",
                self.key("ann", |key| key.networks = vec![ELSEWHERE.parse().unwrap()]),
                "home",
                Some("hxme"),
            ),
            ("the owner's key, which has ended", ended, "home", Some("hxme")),
            (
                "the owner's key, good for certificates alone",
                self.key("ann", |key| key.may = "acme".parse().unwrap()),
                "home",
                None,
            ),
            ("the key of a blocked account", blocked, "desk", Some("dexk")),
            ("the key of a host below it", self.key("cam.home.dyn.example", |_| {}), "home", None),
            ("the key of a host above it", self.key("up.dyn.example", |_| {}), "below.up", None),
            (
                "the key of its site's router",
                self.key("router.dyn.example", |_| {}),
                "member",
                Some("mxmber"),
            ),
            (
                "the key of a member of its site",
                self.key("member.dyn.example", |_| {}),
                "router",
                Some("rxuter"),
            ),
            ("its own key", own, "home", None),
            ("its owner's key", self.key("ann", |_| {}), "home", None),
            ("its owner's password", login("ann", "anns correct horse"), "home", None),
            (
                "its owner's password, logged in as the host",
                login(&full("home"), "anns correct horse"),
                "home",
                None,
            ),
        ];
        let role = |(words, who, target, twin)| Role { words, who, target, twin, nobody: None };
        self.roles = cast.into_iter().map(role).collect();
        let as_owner = Who { user: "ann".into(), ..bob };
        let (registered, imported) = (self.registered(), self.imported());
        for (words, who, nobody) in [
            ("another member's key, logged in as its owner", as_owner, Some("axn")),
            ("the key of a name that somebody registered", registered, None),
            ("the key of another host, from an import", imported, None),
        ] {
            let twin = Some("hxme");
            self.roles.push(Role { words, who, target: "home", twin, nobody });
        }
    }

    /// Whoever made a name by acme-dns's `/register`.
    fn registered(&self) -> Who {
        let register = Command::Register { zone: name("dyn.example"), networks: vec![], most: 9 };
        let Ok(Reply::HostAdded { host, key: Some(key) }) = self.server.world.command(register)
        else {
            panic!("no name")
        };
        Who { user: host.host.name.without_dot(), ..self.who("", key) }
    }

    /// A host that came with its secret from another program.
    fn imported(&self) -> Who {
        let (host, secret) = (full("fax"), "brought-along".to_owned());
        let imported = ImportHost {
            name: name(&host),
            owner: None,
            credential: Credential::Secret(secret.clone()),
            may: May::default(),
            networks: vec![],
            addresses: "192.0.2.1".parse().unwrap(),
            ttl: None,
            wildcard: false,
            blocked: false,
            label: "import".into(),
        };
        let import = Command::Import { hosts: vec![imported], dry_run: false, weak: false };
        let Ok(Reply::Imported(done)) = self.server.world.command(import) else { panic!("none") };
        assert!(done[0].remark.is_none(), "{:?}", done[0].remark);
        Who { user: host, secret, key: None }
    }

    /// A key of a host or an account, within limits.
    fn key(&self, holder: &str, limit: impl FnOnce(&mut Limits)) -> Who {
        let world = &self.server.world;
        let mut limits = Limits::default();
        limit(&mut limits);
        let Limits { hosts, networks, may } = limits;
        let whose = match holder.contains('.') {
            true => Holder::Host(name(holder)),
            false => Holder::Account(holder.parse().unwrap()),
        };
        let (label, ends) = (String::new(), None::<Lease>);
        let command = Command::KeyAdd { holder: whose, hosts, networks, label, may, ends };
        let Ok(Reply::KeyAdded(new)) = world.command(command) else { panic!("no key") };
        self.who(holder, new)
    }

    /// Who holds a key.
    fn who(&self, user: &str, new: NewKey) -> Who {
        let world = &self.server.world;
        let id = new.key.id;
        let secret = |purpose| {
            let Ok(Reply::Secret { secret, .. }) =
                world.command(Command::KeySecret { id: id.clone(), purpose })
            else {
                panic!("a key has secrets")
            };
            let octets = match purpose {
                Purpose::Tsig => data_encoding::BASE64.decode(secret.as_bytes()),
                Purpose::Signed => data_encoding::HEXLOWER.decode(secret.as_bytes()),
            };
            <[u8; 32]>::try_from(octets.unwrap()).unwrap()
        };
        let key = Some((id.clone(), secret(Purpose::Tsig), secret(Purpose::Signed)));
        Who { user: user.to_owned(), secret: new.token, key }
    }

    /// Sends a request: what is shown of the answer, and all there is of it.
    fn send(&self, request: Request) -> (String, String) {
        let from: IpAddr = FROM.parse().unwrap();
        match request {
            Request::Http { method, target, headers, body } => {
                let headers: Vec<(&str, &str)> =
                    headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
                shown(&self.server.world.whole(method, &target, &headers, &body, from))
            }
            Request::Signed(key, secret, host) => {
                let update = Update {
                    key,
                    time: now() * 1000 + self.sent.fetch_add(1, Ordering::Relaxed),
                    hosts: vec![name(&host)],
                    v4: Said::Is(MOVED.parse().unwrap()),
                    v6: Said::Nothing,
                    prefix: Said::Nothing,
                    line: None,
                };
                let (text, _) = update.write(&SharedSecret::new(secret));
                let (_, whole) =
                    shown(&self.server.world.whole("POST", "/signed/update", &[], &text, from));
                let lasting = |line: &&str| {
                    ["time ", "mac ", "update "].iter().all(|start| !line.starts_with(start))
                };
                let whole = whole.lines().filter(lasting).collect::<Vec<_>>().join("\n");
                let said = whole.lines().rev().take(2).collect::<Vec<_>>();
                (said.into_iter().rev().collect::<Vec<_>>().join("; "), whole)
            }
            Request::Question(key, secret) => {
                let nonce = "0123456789abcdef";
                let target = format!("/signed/address?key={key}&nonce={nonce}");
                let (_, whole) = shown(&self.server.world.whole("GET", &target, &[], "", from));
                let (head, body) = whole.split_once("\n\n").unwrap();
                let (secret, nonce) = (SharedSecret::new(secret), nonce.parse().unwrap());
                let said = match AddressAnswer::read(body.as_bytes(), &secret, &nonce) {
                    Some(answer) => format!("address {}, rightly signed", answer.address),
                    None => body.lines().next().unwrap_or_default().to_owned(),
                };
                let status = head.split_whitespace().next().unwrap();
                (format!("{status} {said}"), format!("{head} {said}"))
            }
            Request::Dns(key, lines) => {
                let mut message = Message { opcode: 5, id: 7, ..Message::default() };
                message.questions = vec![(name("dyn.example"), RecordType::SOA, 1)];
                lines.iter().for_each(|line| message.take(line));
                let mut octets = message.octets();
                if let Some((id, secret)) = key {
                    message::Key { name: id.0, secret: secret.to_vec() }.sign(&mut octets, now());
                }
                let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
                socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
                socket.send_to(&octets, self.server.address()).unwrap();
                let mut answer = [0; 1500];
                let length = socket.recv(&mut answer).expect("an UPDATE is answered");
                let rcode = ["NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED"]
                    .get(usize::from(answer[3] & 15))
                    .copied()
                    .unwrap_or("NOTAUTH");
                (rcode.to_owned(), format!("{rcode} {length}"))
            }
        }
    }

    /// Everything that is known of every host, but for when it was heard.
    fn hosts(&self) -> Vec<(Name, String)> {
        let command = Command::HostList { owner: None, zone: None };
        let Ok(Reply::Hosts(hosts)) = self.server.world.command(command) else { panic!("hosts") };
        let shown = hosts.into_iter().map(|view| {
            let host = view.host;
            let what = format!(
                "{} {:?} {:?} {:?}",
                host.addresses(),
                host.records,
                host.prefix,
                host.site
            );
            (host.name, what)
        });
        shown.collect()
    }

    /// Puts a host back where it was.
    fn put_back(&self, host: &Name) {
        let world = &self.server.world;
        for name in [host.clone(), name(&format!("_acme-challenge.{host}"))] {
            let edits = vec![Edit { name, change: RecordChange::RemoveName }];
            world.command(Command::Edit { edits }).unwrap();
        }
        let addresses = Some("192.0.2.1".parse().unwrap());
        let settings = HostSettings { addresses, ..HostSettings::default() };
        world.command(Command::HostSet { name: host.clone(), settings }).unwrap();
    }
}

/// What a key is limited to.
#[derive(Default)]
struct Limits {
    hosts: Vec<Name>,
    networks: Vec<ipnet::IpNet>,
    may: May,
}

/// An HTTP answer in short, and all of it.
fn shown(whole: &str) -> (String, String) {
    let status = whole.split_whitespace().next().unwrap();
    let body = whole.split_once("\n\n").map_or("", |(_, body)| body);
    let body = body.trim().replace('\n', "; ");
    let body = match body.strip_prefix("<?xml") {
        Some(xml) => xml.split_once("?>").map_or(xml, |(_, rest)| rest).to_owned(),
        None => body,
    };
    (format!("{status} {body}").trim_end().to_owned(), whole.to_owned())
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

const HEAD: &str = "\
# Who may change what, by which way.
#
# For each role: the way, what is told, and which hosts are other ones afterwards
# (`-`: none). Where it says `not told apart`, the same request was made for a
# host that does not exist, and was answered with the same octets and headers,
# after as many slow hashes.
#
# Who logs in with a secret of their own as a host of somebody else's is let in as
# themselves, as with any placeholder (`none`, an e-mail address, whatever a router
# insists on); an update that names no host means the one logged in as, so that a
# mistaken user field moves nobody's host. One role is `TOLD APART`: a member who
# logs in with a key of their own as another member's account is not let in, and as
# an account that does not exist is. No rule tells an account that might be from a
# placeholder; and to let the former in would have updates that name no host move
# the wrong one.
#
# Beside these ways there is the socket for commands, which is its owner's alone
# (mode 0600 in a directory of mode 0700): import, export, history, `why`, keys
# and accounts go that way and no other.
";

#[test]
fn every_role_by_every_way() {
    for language in Protocols::known() {
        assert!(
            ROUTES.iter().any(|route| route.language == language),
            "{language} is spoken, and this test does not try it: give it a row in ROUTES"
        );
    }
    let stage = Stage::new();
    let mut seen = HEAD.to_owned();
    for role in &stage.roles {
        let Role { words, who, target, twin, nobody } = role;
        writeln!(seen, "\n## {words}: {}\n", full(target)).unwrap();
        // A password that was right once is known, and costs no slow hash.
        // One that was wrong is known, too, for each user it was tried as.
        stage.send(who.sends(get("/nic/update?hostname=none".into(), "x")).unwrap());
        if let Some(twin) = twin {
            let other = who.instead(target, twin, *nobody);
            stage.send(other.sends(get("/nic/update?hostname=none".into(), "x")).unwrap());
        }
        for route in ROUTES {
            let Some(request) = (route.request)(who, target) else { continue };
            let what = format!("{words}, {} {}", route.language, route.what);
            let before = stage.hosts();
            let slow = stage.server.world.registry().slow_checks();
            let (told, whole) = stage.send(request);
            let slow_for_it = stage.server.world.registry().slow_checks() - slow;
            let after = stage.hosts();
            let changed: Vec<Name> = after
                .iter()
                .zip(&before)
                .filter(|(after, before)| after != before)
                .map(|(after, _)| after.0.clone())
                .collect();
            assert_eq!(after.len(), before.len(), "{what}: a host came or went");
            changed.iter().for_each(|host| stage.put_back(host));
            let has_a_right = words.starts_with("its ") || words.contains("certificates alone");
            assert!(
                has_a_right || !changed.contains(&name(&full(target))),
                "{what}: {told}: {changed:?}"
            );
            let mut apart = "";
            if let Some(twin) = twin {
                let other = who.instead(target, twin, *nobody);
                let slow = stage.server.world.registry().slow_checks();
                let request = (route.request)(&other, twin).expect("the same way");
                let (_, other) = stage.send(request);
                let slow_for_other = stage.server.world.registry().slow_checks() - slow;
                let other = other.replace(twin, target);
                apart = match (whole == other, slow_for_it == slow_for_other) {
                    (true, true) => ", not told apart",
                    (true, false) => ", TOLD APART BY TIME",
                    (false, _) => ", TOLD APART",
                };
                stage
                    .hosts()
                    .iter()
                    .zip(&before)
                    .filter(|(after, before)| after != before)
                    .for_each(|(after, _)| stage.put_back(&after.0));
            }
            let told = told.replace(&who.secret_or_none(), "SECRET");
            let told = match words.contains("registered") {
                true => told.replace(&who.user, "NAME"),
                false => told,
            };
            let changed: Vec<String> = changed.iter().map(Name::without_dot).collect();
            let changed = if changed.is_empty() { "-".to_owned() } else { changed.join(" ") };
            let way = format!("{}, {}", route.language, route.what);
            writeln!(seen, "{way:<26} {changed:<20} {told}{apart}").unwrap();
        }
    }
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/access.txt");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(file, &seen).unwrap();
    }
    let known = std::fs::read_to_string(file).unwrap_or_default();
    assert!(seen == known, "{}", crate::clients::difference("access.txt", &known, &seen));
}

impl Who {
    /// The same somebody, who names another host as their own, where they
    /// named that one, or logs in as nobody of whom there is a trace.
    fn instead(&self, target: &str, twin: &str, nobody: Option<&str>) -> Who {
        let user = if self.user == full(target) { full(twin) } else { self.user.clone() };
        let user = nobody.map_or(user, str::to_owned);
        Who { user, ..self.clone() }
    }

    /// The secret as it stands in a URL.
    fn escaped(&self) -> String {
        self.secret.replace(' ', "%20")
    }

    fn secret_or_none(&self) -> String {
        if self.secret.is_empty() { "(no secret)".into() } else { self.secret.clone() }
    }
}
