//! NOTIFY, transfers and operations nobody knows, behind hickory-server's
//! [`RequestHandler`]. None of them is offered yet; this says so in the words
//! each protocol has for it.

use async_trait::async_trait;
use hickory_proto::op::{Edns, Header, LowerQuery, Metadata, OpCode, ResponseCode};
use hickory_proto::rr::{DNSClass, RecordType};
use hickory_proto::serialize::binary::BinEncodable;
use hickory_server::net::runtime::Time;
use hickory_server::server::{Request, RequestHandler, ResponseHandler, ResponseInfo};
use hickory_server::zone_handler::{MessageRequest, MessageResponseBuilder};

use super::{SlowHandler, update};
use crate::answer::{Extra, MAX_UDP, extra};
use crate::model::Name;
use crate::wire::{HEADER, Question, RecordType as Type};

/// What of a request a refusal depends on: header, question, EDNS. The rest of
/// it is well formed and of no interest, and stays unread: reading follows the
/// names of all records, and 64 KiB can hold names that take long to follow.
pub fn gist(request: &[u8]) -> Vec<u8> {
    let question = Question::read(request);
    let end = question.map_or(HEADER, |question| question.end());
    let mut gist = request[..end].to_vec();
    gist[6..HEADER].fill(0);
    if let Extra::Edns(edns) = extra(request, end) {
        gist[HEADER - 1] = 1;
        gist.push(0);
        gist.extend(Type::OPT.0.to_be_bytes());
        gist.extend(edns.size.to_be_bytes());
        gist.extend([0, edns.version, 0, 0]);
        gist.extend([0, 0]);
    }
    gist
}

impl SlowHandler {
    /// What is wrong with a request, as the protocol says it.
    fn refusal(&self, request: &MessageRequest) -> ResponseCode {
        // RFC 6891 §6.1.3.
        if request.edns.as_ref().is_some_and(|edns| edns.version() > 0) {
            return ResponseCode::BADVERS;
        }
        // NOTIFY is about one zone, named by type SOA (RFC 1996 §3.7). A query
        // has one question (RFC 9619).
        let [question] = request.queries.queries() else { return ResponseCode::FormErr };
        let is_soa = question.query_type() == RecordType::SOA;
        match request.metadata.op_code {
            OpCode::Notify if !is_soa => ResponseCode::FormErr,
            // RFC 1996 has no word for it, and these are what other servers
            // say; RFC 5936 §2.2.1.
            OpCode::Notify | OpCode::Query if self.is_our_zone(question) => ResponseCode::Refused,
            OpCode::Notify | OpCode::Query => ResponseCode::NotAuth,
            _ => ResponseCode::NotImp,
        }
    }

    /// Whether a question's name is the apex of a zone of ours.
    fn is_our_zone(&self, question: &LowerQuery) -> bool {
        let wire = hickory_proto::rr::Name::from(question.name()).to_bytes().unwrap_or_default();
        let name = Name::from_wire(&wire).ok().filter(|_| question.query_class() == DNSClass::IN);
        name.is_some_and(|name| update::is_zone(&name, &self.snapshot.load()))
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
        metadata.response_code = self.refusal(request);
        let mut edns = Edns::new();
        edns.set_max_payload(MAX_UDP as u16);
        let mut builder = MessageResponseBuilder::from_message_request(request);
        if request.edns.is_some() {
            builder.edns(&edns);
        }
        let response = builder.build_no_records(metadata);
        match response_handle.send_response(response).await {
            Ok(info) => info,
            Err(error) => {
                tracing::debug!("answering {}: {error}", request.src());
                Header { metadata, counts: Default::default() }.into()
            }
        }
    }
}
