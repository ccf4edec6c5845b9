//! The same zone and questions to us and to hickory-server's `Catalog`, in
//! process. Only where its answers are those of the other servers: wildcards,
//! referrals, empty non-terminals, other classes and the TTL of negative
//! answers are its own and left out.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use async_trait::async_trait;
use hickory_proto::rr as theirs;
use hickory_proto::serialize::binary::BinEncoder;
use hickory_proto::serialize::txt::Parser;
use hickory_server::net::NetError;
use hickory_server::net::runtime::{TokioRuntimeProvider, TokioTime};
use hickory_server::net::xfer::Protocol;
use hickory_server::server::{Request, RequestHandler, ResponseHandler, ResponseInfo};
use hickory_server::store::in_memory::InMemoryZoneHandler;
use hickory_server::zone_handler::{AxfrPolicy, Catalog, MessageResponse, ZoneType};
use proptest::prelude::*;
use truename::answer::{Meta, Verdict, answer};
use truename::model::Name;
use truename::wire::RecordType;
use truename::zone::{Identity, Snapshot, Zone};

use super::questions::Asked;
use crate::parsed::parsed;

const ZONE: &str = "\
$ORIGIN z.
@     60 SOA   ns1 m.test. 1 1 1 1 60
@     60 NS    ns1
@     60 MX    10 mail
ns1   60 A     192.0.2.1
ns1   60 AAAA  2001:db8::1
mail  60 A     192.0.2.2
mail  60 A     192.0.2.3
text  60 TXT   \"one\" \"two\"
www   60 CNAME mail
srv   60 SRV   1 2 3 mail
caa   60 CAA   0 issue \"ca.test\"
";

/// Takes the one response.
#[derive(Clone, Default)]
struct Taken(Arc<std::sync::Mutex<Vec<u8>>>);

#[async_trait]
impl ResponseHandler for Taken {
    async fn send_response<'a>(
        &mut self,
        response: MessageResponse<
            '_,
            'a,
            impl Iterator<Item = &'a theirs::Record> + Send + 'a,
            impl Iterator<Item = &'a theirs::Record> + Send + 'a,
            impl Iterator<Item = &'a theirs::Record> + Send + 'a,
            impl Iterator<Item = &'a theirs::Record> + Send + 'a,
        >,
    ) -> Result<ResponseInfo, NetError> {
        let mut bytes = self.0.lock().unwrap();
        let mut encoder = BinEncoder::new(&mut bytes);
        Ok(response.destructive_emit(&mut encoder)?)
    }
}

fn catalog() -> Catalog {
    let origin = theirs::Name::from_ascii("z.").unwrap();
    let (_, records) = Parser::new(ZONE, None, Some(origin.clone())).parse().unwrap();
    let zone = InMemoryZoneHandler::<TokioRuntimeProvider>::new(
        origin.clone(),
        records,
        ZoneType::Primary,
        AxfrPolicy::Deny,
    );
    let mut catalog = Catalog::new();
    catalog.upsert(origin.into(), vec![Arc::new(zone.unwrap())]);
    catalog
}

/// Code, AA, and the answer section.
type Seen = (u8, bool, BTreeSet<(Name, u16, u32, Vec<u8>)>);

fn seen(message: &[u8]) -> Seen {
    let records = parsed(message).sections.into_iter().next().unwrap();
    let answers = records.into_iter().map(|r| (r.owner, r.rtype.0, r.ttl, r.data)).collect();
    (message[3] & 15, message[2] & 4 != 0, answers)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]
    #[test]
    fn catalog_answers_the_same(
        label in proptest::sample::select(
            &["", "ns1", "MAIL", "text", "www", "srv", "caa", "no", "n", "zz"][..]
        ),
        rtype in proptest::sample::select(
            &[1u16, 2, 5, 6, 12, 15, 16, 28, 33, 257][..]
        ),
    ) {
        let zone = Zone::parse(ZONE, "z.zone".as_ref()).unwrap();
        let snapshot = Snapshot::new(&[(&zone, zone.file_serial())], Identity::default());
        let mut name = Vec::new();
        if !label.is_empty() {
            name.push(label.len() as u8);
            name.extend_from_slice(label.as_bytes());
        }
        name.extend_from_slice(b"\x01z\0");
        let asked = Asked::plain(&name, rtype);
        let mut ours = Vec::new();
        prop_assert_eq!(answer(&snapshot, &asked.bytes, &Meta::TCP, &mut ours), Verdict::Sent);

        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let taken = Taken::default();
        let from = SocketAddr::from((Ipv4Addr::LOCALHOST, 5300));
        let request = Request::from_bytes(asked.bytes.clone(), from, Protocol::Tcp).unwrap();
        runtime.block_on(catalog().handle_request::<_, TokioTime>(&request, taken.clone()));
        let theirs = taken.0.lock().unwrap().clone();
        prop_assert_eq!(seen(&ours), seen(&theirs), "{} {}", label, RecordType(rtype));
    }
}
