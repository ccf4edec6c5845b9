//! The slow path: messages that are no plain question.
//!
//! Parsed by hickory-proto and handled behind hickory-server's
//! [`RequestHandler`], which is where transfers, DNS UPDATE and TSIG will
//! live. None of them is offered yet; this says so in the words each protocol
//! has for it.

use std::net::SocketAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use hickory_proto::op::{Edns, Header, LowerQuery, MessageType, Metadata, OpCode, ResponseCode};
use hickory_proto::rr::rdata::TSIG;
use hickory_proto::rr::rdata::tsig::TsigError;
use hickory_proto::rr::{DNSClass, RData, Record, RecordType};
use hickory_proto::serialize::binary::{BinDecodable, BinDecoder, BinEncodable, BinEncoder};
use hickory_server::net::NetError;
use hickory_server::net::runtime::{Time, TokioTime};
use hickory_server::net::xfer::Protocol;
use hickory_server::server::{Request, RequestHandler, ResponseHandler, ResponseInfo};
use hickory_server::zone_handler::{
    MessageRequest, MessageResponse, MessageResponseBuilder, Queries,
};
use tokio::sync::mpsc;

use crate::answer::MAX_UDP;
use crate::model::Name;
use crate::zone::Snapshot;

/// What answers UPDATE, NOTIFY, transfers and signed requests.
pub struct SlowHandler {
    snapshot: Arc<ArcSwap<Snapshot>>,
}

impl SlowHandler {
    /// Refuses by what is served in `snapshot`.
    pub fn new(snapshot: Arc<ArcSwap<Snapshot>>) -> SlowHandler {
        SlowHandler { snapshot }
    }

    /// Handles one message; its answers, one or several, go to `replies`,
    /// which closes after the last.
    pub async fn handle(
        self: Arc<Self>,
        message: Vec<u8>,
        peer: SocketAddr,
        protocol: Protocol,
        replies: mpsc::Sender<Vec<u8>>,
    ) {
        let unreadable = format_error(&message);
        match Request::from_bytes(message, peer, protocol) {
            Ok(request) => {
                let edns = request.edns.as_ref();
                let replies = Replies { limit: limit(protocol, edns), replies };
                self.handle_request::<_, TokioTime>(&request, replies).await;
            }
            Err(error) => {
                tracing::debug!("unreadable message from {peer}: {error}");
                if let Some(reply) = unreadable {
                    let _ = replies.send(reply).await;
                }
            }
        }
    }

    /// What is wrong with a request, as the protocol says it.
    fn refusal(&self, request: &MessageRequest) -> ResponseCode {
        // RFC 6891 §6.1.3.
        if request.edns.as_ref().is_some_and(|edns| edns.version() > 0) {
            return ResponseCode::BADVERS;
        }
        // UPDATE has exactly one zone, named by type SOA (RFC 2136 §3.1.1), and
        // NOTIFY is about one (RFC 1996 §3.7). A query has one question
        // (RFC 9619).
        let [question] = request.queries.queries() else { return ResponseCode::FormErr };
        let is_soa = question.query_type() == RecordType::SOA;
        match request.metadata.op_code {
            OpCode::Update | OpCode::Notify if !is_soa => ResponseCode::FormErr,
            // RFC 2136 §3.1.1 and §3.3.3; RFC 1996 has no word for it, and
            // these are what other servers say; RFC 5936 §2.2.1.
            OpCode::Update | OpCode::Notify | OpCode::Query => {
                if self.is_our_zone(question) {
                    ResponseCode::Refused
                } else {
                    ResponseCode::NotAuth
                }
            }
            _ => ResponseCode::NotImp,
        }
    }

    /// Whether a question's name is the apex of a zone of ours.
    fn is_our_zone(&self, question: &LowerQuery) -> bool {
        let wire = hickory_proto::rr::Name::from(question.name()).to_bytes().unwrap_or_default();
        let snapshot = self.snapshot.load();
        match Name::from_wire(&wire) {
            Ok(name) if question.query_class() == DNSClass::IN => {
                snapshot.zone_of(name.wire()).is_some_and(|zone| zone.origin == name)
            }
            _ => false,
        }
    }
}

#[async_trait]
impl RequestHandler for SlowHandler {
    async fn handle_request<R: ResponseHandler, T: Time>(
        &self,
        request: &Request,
        mut response_handle: R,
    ) -> ResponseInfo {
        let mut metadata = Metadata::response_from_request(&request.metadata);
        let mut signature = None;
        metadata.response_code = match signed(request) {
            Signed::Not => self.refusal(request),
            // RFC 8945 §5.1: not the last record, or one of two.
            Signed::Badly => ResponseCode::FormErr,
            Signed::By(tsig) => {
                signature = Some(bad_key(&tsig));
                ResponseCode::NotAuth
            }
        };
        let mut edns = Edns::new();
        edns.set_max_payload(MAX_UDP as u16);
        let mut builder = MessageResponseBuilder::from_message_request(request);
        if request.edns.is_some() {
            builder.edns(&edns);
        }
        let mut response = builder.build_no_records(metadata);
        if let Some(signature) = signature {
            response.set_signature(signature);
        }
        match response_handle.send_response(response).await {
            Ok(info) => info,
            Err(error) => {
                tracing::debug!("answering {}: {error}", request.src());
                Header { metadata, counts: Default::default() }.into()
            }
        }
    }
}

/// How a request is signed.
enum Signed {
    Not,
    Badly,
    By(Box<Record<TSIG>>),
}

/// Finds the TSIG record, which must be the last of the message and the only
/// one (RFC 8945 §5.1). hickory-proto built without DNSSEC leaves it among the
/// additional records.
fn signed(request: &MessageRequest) -> Signed {
    let tsigs =
        request.additionals.iter().filter(|record| record.record_type() == RecordType::TSIG);
    match (tsigs.count(), request.additionals.last()) {
        (0, _) => Signed::Not,
        (1, Some(last)) => {
            let tsig = last.clone().map(|data| match data {
                RData::TSIG(tsig) => Some(tsig),
                _ => None,
            });
            tsig.map_or(Signed::Badly, |tsig| Signed::By(Box::new(tsig)))
        }
        _ => Signed::Badly,
    }
}

/// The TSIG record of an answer to a request whose key we do not know:
/// unsigned, error BADKEY (RFC 8945 §5.2.1, §5.3.2).
fn bad_key(tsig: &Record<TSIG>) -> Box<Record<TSIG>> {
    let TSIG { algorithm, time, fudge, oid, .. } = tsig.data.clone();
    let data = TSIG::new(algorithm, time, fudge, vec![], oid, Some(TsigError::BadKey), vec![]);
    let mut record = Record::from_rdata(tsig.name.clone(), 0, data);
    record.dns_class = DNSClass::ANY;
    Box::new(record)
}

/// FORMERR with the id, the opcode and, if they can be read, the questions.
fn format_error(message: &[u8]) -> Option<Vec<u8>> {
    let mut decoder = BinDecoder::new(message);
    let header = Header::read(&mut decoder).ok()?;
    if header.metadata.message_type == MessageType::Response {
        return None;
    }
    let questions = Queries::read(&mut decoder, usize::from(header.counts.queries))
        .or_else(|_| Queries::read(&mut decoder, 0))
        .ok()?;
    let response = MessageResponseBuilder::new(&questions, None)
        .error_msg(&header.metadata, ResponseCode::FormErr);
    let mut reply = Vec::new();
    response.destructive_emit(&mut BinEncoder::new(&mut reply)).ok()?;
    Some(reply)
}

/// The longest answer, in octets.
fn limit(protocol: Protocol, edns: Option<&Edns>) -> u16 {
    match (protocol, edns) {
        (Protocol::Udp, Some(edns)) => edns.max_payload().clamp(512, MAX_UDP as u16),
        (Protocol::Udp, None) => 512,
        _ => u16::MAX,
    }
}

/// Where a handler's answers go: as bytes to the transport that waits.
#[derive(Clone)]
struct Replies {
    limit: u16,
    replies: mpsc::Sender<Vec<u8>>,
}

#[async_trait]
impl ResponseHandler for Replies {
    async fn send_response<'a>(
        &mut self,
        response: MessageResponse<
            '_,
            'a,
            impl Iterator<Item = &'a Record> + Send + 'a,
            impl Iterator<Item = &'a Record> + Send + 'a,
            impl Iterator<Item = &'a Record> + Send + 'a,
            impl Iterator<Item = &'a Record> + Send + 'a,
        >,
    ) -> Result<ResponseInfo, NetError> {
        let mut reply = Vec::with_capacity(512);
        let info = {
            let mut encoder = BinEncoder::new(&mut reply);
            encoder.set_max_size(self.limit);
            response.destructive_emit(&mut encoder)?
        };
        let gone = |_| NetError::from("the client is gone");
        self.replies.send(reply).await.map_err(gone)?;
        Ok(info)
    }
}
