//! A server without a disk, made of rows that are the same each time: what it
//! is asked comes out the same each time, too.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::{Arc, LazyLock, Mutex};

use data_encoding::HEXLOWER;
use tempfile::TempDir;
use truename::answer::{CookieSecrets, Cookies};
use truename::dns;
use truename::model::{KeyId, Moment, Moments, Now, Served, Timestamp};
use truename::registry::{Purpose, Registry, Settings};
use truename::store::{Opened, Row, Store, StoreError, Write};
use truename::tsig::Algorithm;
use truename::zone::Zone;

/// The zone it serves.
pub const ZONE: &str = "\
$ORIGIN example.
$TTL 60
@      SOA   ns1 hostmaster 7 3600 600 86400 60
@      NS    ns1
ns1    A     192.0.2.53
www    CNAME home
*.wild A     192.0.2.8
sub    NS    ns.sub
ns.sub A     192.0.2.9
";

/// The public number of the account's key, which may do all there is.
pub const KEY: &str = "abcdefgh";

/// The token of the host `home`.
pub const TOKEN: &str = "aaaabbbbccccddddeeeeffffgggghhhh";

/// The token of the account's key.
pub const ALL_TOKEN: &str = "iiiijjjjkkkkllllmmmmnnnnoooopppp";

/// The token of `other`, which nobody here has.
pub const OTHER_TOKEN: &str = "qqqqrrrrssssttttuuuuvvvvwwwwxxxx";

/// When it is: 2026-01-01 00:00:00 UTC.
pub const NOW: i64 = 1_767_225_600;

/// Under which tokens are digested, in octets.
const TOKEN_KEY: [u8; 32] = [0; 32];

/// Rows in memory.
#[derive(Clone, Default)]
pub struct Memory(Arc<Mutex<BTreeMap<String, Vec<u8>>>>);

impl Memory {
    /// With these rows.
    pub fn of(rows: impl IntoIterator<Item = Row>) -> Memory {
        Memory(Arc::new(Mutex::new(rows.into_iter().collect())))
    }

    /// What is there.
    pub fn all(&self) -> Vec<Row> {
        let rows = self.0.lock().expect("nothing panics while it is held");
        rows.iter().map(|(key, value)| (key.clone(), value.clone())).collect()
    }
}

impl Store for Memory {
    fn rows<'a>(&'a self, prefix: &str) -> Box<dyn Iterator<Item = Result<Row, StoreError>> + 'a> {
        let prefix = prefix.to_owned();
        let rows = self.all().into_iter().filter(move |(key, _)| key.starts_with(&prefix));
        Box::new(rows.map(Ok))
    }

    fn commit(&self, group: &[Write]) -> Result<(), StoreError> {
        let mut rows = self.0.lock().expect("nothing panics while it is held");
        for write in group {
            match write {
                Write::Put(key, value) => drop(rows.insert(key.clone(), value.clone())),
                Write::Delete(key) => drop(rows.remove(key)),
            }
        }
        Ok(())
    }
}

/// The secret that the key signs messages by.
pub fn secret() -> Vec<u8> {
    static SECRET: LazyLock<[u8; 32]> = LazyLock::new(|| {
        let registry = registry(Memory::of(rows())).expect("good rows");
        let secret = registry.shared_secret(&KeyId(KEY.into()), Purpose::Tsig, PEER);
        registry.stop();
        secret.expect("the key is there").1
    });
    SECRET.to_vec()
}

/// Two hosts of the account `us`, one of nobody's, and their keys.
pub fn rows() -> Vec<Row> {
    let digest = |token: &str| {
        let length = (token.len() as u64).to_be_bytes();
        let whole = Algorithm::HmacSha256.mac(&TOKEN_KEY, &[&length, token.as_bytes()]);
        HEXLOWER.encode(&whole[..16])
    };
    let [all, home, other] = [ALL_TOKEN, TOKEN, OTHER_TOKEN].map(digest);
    let may = "addresses,acme,A,AAAA,TXT,MX,CNAME,SRV,CAA,HTTPS,NAPTR,PTR,TYPE65280";
    let rows = [
        ("account/us", r#"{"v":1,"created":1}"#.to_owned()),
        (
            "host/home.example",
            r#"[2,"us",1,1,"present","192.0.2.1",1,[1,"192.0.2.1","dyndns2"],null]"#.to_owned(),
        ),
        ("host/nas.example", r#"[2,"us",1,0,"unheard","-",0,null,null]"#.to_owned()),
        (
            "host/other.example",
            r#"[2,null,1,1,"present","192.0.2.2",1,[1,"192.0.2.2","dyndns2"],null]"#.to_owned(),
        ),
        ("key/abcdefgh", format!(r#"[3,"account","us","{all}",1,null,"{may}",0,null]"#)),
        ("key/ijklmnop", format!(r#"[2,"host","home.example","{home}",1,null]"#)),
        ("key/qrstuvwx", format!(r#"[2,"host","other.example","{other}",1,null]"#)),
        ("meta/served", "10".to_owned()),
        ("meta/token-key", format!("\"{}\"", HEXLOWER.encode(&TOKEN_KEY))),
    ];
    rows.map(|(key, value)| (key.to_owned(), value.into_bytes())).to_vec()
}

/// A registry that keeps these rows, or why it does not take them.
pub fn registry(store: Memory) -> Result<Registry, String> {
    let zones = || Ok(vec![Zone::parse(ZONE, Path::new("example.zone")).expect("the zone above")]);
    let opened =
        Opened { store: Box::new(store), new: false, restored: false, warnings: Vec::new() };
    let clock = |before: Served| -> truename::registry::Clock {
        Box::new(move || Now { wall: Timestamp(NOW), served: before })
    };
    Registry::start(opened, Settings::new(Arc::new(zones)), clock)
        .map_err(|error| error.to_string())
}

/// A place for files that are written again and again: in memory, where the
/// system has such a place.
pub fn directory() -> TempDir {
    TempDir::new_in("/dev/shm").or_else(|_| TempDir::new()).expect("a place for files")
}

/// On which terms questions are answered: the same cookies each time.
pub fn dns_options() -> dns::Options {
    let cookies = Arc::new(Cookies::new(CookieSecrets::one([7; 16])));
    dns::Options { cookies, ..dns::Options::default() }
}

/// A clock for what counts how often: no time passes.
pub fn moments() -> Moments {
    Arc::new(|| Moment { micros: 1, wall: NOW as u32 })
}

/// Where everybody is.
pub const PEER: IpAddr = IpAddr::V4(Ipv4Addr::new(198, 51, 100, 9));

/// A runtime for one exchange after the other.
pub fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}
