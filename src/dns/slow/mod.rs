//! The slow path: messages that are no plain question.
//!
//! ```text
//! signature good? ─▶ question ─▶ the answering core          ─▶ signed
//!    │               UPDATE   ─▶ Edits ─▶ registry, durable   ─▶ signed
//!    │               others   ─▶ not offered                 ─▶ signed
//!    └─▶ no: told so (RFC 8945 §5.2)
//! ```
//!
//! Everything signed is read and answered as octets, because signatures are
//! over octets. Transfers and NOTIFY are not offered yet: [`refuse`] says so.

mod refuse;
mod remember;
mod replies;
mod update;

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};

use arc_swap::ArcSwap;
use tokio::sync::mpsc;

use self::remember::Heard;
use self::replies::{Replies, seconds};
use super::limits::Ruling;
use super::{Terms, Transport};
use crate::answer::{Asked, Extra, Meta, Verdict, extra, opcode_of, say};
use crate::model::{Grant, KeyId, Name, RecordType};
use crate::registry::{Purpose, Registry};
use crate::tsig::{self, Fault, Signer, Tsig, error};
use crate::update::{Edited, Requirement};
use crate::wire::{HEADER, Question, extended, opcode, rcode};
use crate::zone::Snapshot;

/// What answers UPDATE, NOTIFY, transfers and everything signed.
pub struct SlowHandler {
    snapshot: Arc<ArcSwap<Snapshot>>,
    registry: Option<Registry>,
    terms: Arc<Terms>,
}

/// Who sent a message.
enum Proof {
    /// Nobody says who.
    Unsigned,
    /// Somebody who has this key.
    Key(Grant, Signer),
    /// Somebody who has a key, and whose clock is wrong.
    Late(Grant, Signer),
    /// Somebody who has no key of ours, or whose message was changed.
    Bad(u16),
    /// A signature that cannot be read, or with too little of a MAC.
    Malformed,
}

impl SlowHandler {
    /// Answers by what is served in `snapshot`. Without a registry nobody has
    /// a key, and nothing can be changed.
    pub fn new(
        snapshot: Arc<ArcSwap<Snapshot>>,
        registry: Option<Registry>,
        terms: Arc<Terms>,
    ) -> SlowHandler {
        SlowHandler { snapshot, registry, terms }
    }

    /// Handles one message, which has at least a header; its answers, one or
    /// several, go to `replies`, which closes after the last.
    ///
    /// Until it first has to wait, an UPDATE is on its way to the registry: of
    /// two that are begun one after the other, the first is decided first.
    pub async fn handle(
        self: Arc<Self>,
        message: Vec<u8>,
        peer: SocketAddr,
        transport: Transport,
        replies: mpsc::Sender<Vec<u8>>,
    ) {
        let terms = self.terms.clone();
        let (address, now) = (peer.ip(), terms.now());
        let meta = match transport {
            Transport::Udp => terms.datagram(address, now),
            Transport::Tcp => terms.stream(address, now),
        };
        let mut asked = Asked::new();
        let mut replies = Replies { limit: meta.max_size, signing: None, replies };
        let Ok(signature) = tsig::find(&message) else {
            tracing::debug!("a malformed message from {peer}");
            return self.say_only(&message, rcode::FORMERR, &meta, &replies).await;
        };
        let proof = match &signature {
            None => Proof::Unsigned,
            Some(tsig) => self.prove(tsig, &message, peer.ip()),
        };
        let stripped = signature.as_ref().map(|tsig| tsig.stripped(&message));
        let request = stripped.as_deref().unwrap_or(&message);
        asked.read(request);
        let verified = asked.verify(request, &meta);
        replies.limit = asked.longest(&meta);
        // A signature says who asked once, and not from where it comes now:
        // whoever saw the message can send it again in another's name. So the
        // limits are the same for it as without one, but for an UPDATE that is
        // good: what is said to that is shorter than it. What bears none was
        // counted before it got here.
        let counts = signature.is_some() && !verified;
        let error_passes = || !counts || terms.lets_error_pass(address, now);
        let grant = match proof {
            Proof::Unsigned => None,
            Proof::Malformed => {
                if error_passes() {
                    self.say_only(request, rcode::FORMERR, &meta, &replies).await;
                }
                return;
            }
            Proof::Bad(error) => {
                let tsig = signature.expect("there is one that is bad");
                tracing::debug!("a bad signature by {} from {peer}: {error}", tsig.key);
                if let Some(heard) = self.heard(request, peer.ip(), rcode::NOTAUTH) {
                    heard.bad(&tsig, self.key_id(&tsig.key), error);
                }
                if error_passes() {
                    let mut reply = Vec::new();
                    say(request, rcode::NOTAUTH, None, &meta, &None, &mut reply);
                    tsig.append_unsigned(error, &message, &mut reply);
                    // With names that fill a datagram there is room for the
                    // code alone.
                    if reply.len() > replies.limit {
                        reply.truncate(HEADER);
                        reply[4..].fill(0);
                    }
                    let _ = replies.send(reply).await;
                }
                return;
            }
            Proof::Late(grant, signer) => {
                // Not louder: an old message can be sent again by anybody.
                tracing::debug!(%peer, "signed by a clock that is wrong");
                if let Some((heard, tsig)) =
                    self.heard(request, peer.ip(), rcode::NOTAUTH).zip(signature)
                {
                    heard.late(&grant, &tsig, seconds(heard.registry));
                }
                replies.sign_with(signer, &self.registry);
                if error_passes() {
                    self.say_only(request, rcode::NOTAUTH, &meta, &replies).await;
                }
                return;
            }
            Proof::Key(grant, signer) => {
                replies.sign_with(signer, &self.registry);
                Some(grant)
            }
        };
        match opcode_of(request) {
            opcode::UPDATE => {
                let rcode = self.update(request, grant, peer.ip()).await;
                self.say_only(request, rcode, &meta, &replies).await;
            }
            opcode::QUERY => {
                let max_size = replies.room();
                let room = Meta { max_size, unverified_size: max_size, ..meta };
                let mut reply = Vec::new();
                let verdict = {
                    let snapshot = self.snapshot.load();
                    let spot = snapshot.spot(asked.name());
                    asked.answer(&snapshot, spot, request, &room, &mut reply)
                };
                match verdict {
                    Verdict::Sent => {
                        let ruling = match counts {
                            true => terms.rule(address, &asked, &reply, now),
                            false => Ruling::Send,
                        };
                        if ruling == Ruling::Cut {
                            asked.cut(&mut reply);
                        }
                        // One that is cut is never longer than its question,
                        // whose MAC may have been cut, too.
                        let longer = reply.len() + replies.signature() > message.len();
                        if ruling == Ruling::Send || ruling == Ruling::Cut && !longer {
                            let _ = replies.send(reply).await;
                        }
                    }
                    Verdict::Drop => {}
                    Verdict::Slow(_) if error_passes() => {
                        self.refuse(request, &meta, &replies).await;
                    }
                    Verdict::Slow(_) => {}
                }
            }
            _ if error_passes() => self.refuse(request, &meta, &replies).await,
            _ => {}
        }
    }

    /// Says that what is asked for is not offered.
    async fn refuse(&self, request: &[u8], meta: &Meta<'_>, replies: &Replies) {
        let (rcode, why) = self.refusal(request);
        self.say(request, rcode, why, meta, replies).await;
    }

    /// Answers with a code and nothing else.
    async fn say_only(&self, request: &[u8], rcode: u16, meta: &Meta<'_>, replies: &Replies) {
        let why = (rcode == rcode::REFUSED).then_some(extended::PROHIBITED);
        self.say(request, rcode, why, meta, replies).await;
    }

    /// The same, and why.
    async fn say(
        &self,
        request: &[u8],
        rcode: u16,
        why: Option<u16>,
        meta: &Meta<'_>,
        replies: &Replies,
    ) {
        let mut reply = Vec::new();
        let meta = Meta { max_size: replies.room(), ..*meta };
        say(request, rcode, why, &meta, &self.snapshot.load().identity().id, &mut reply);
        let _ = replies.send(reply).await;
    }

    /// Whether a signature is that of a key of ours (RFC 8945 §5.2): first
    /// the key, then the MAC, then the time.
    fn prove(&self, tsig: &Tsig, message: &[u8], source: IpAddr) -> Proof {
        let known = self.registry.as_ref().zip(self.key_id(&tsig.key));
        let secret = known.and_then(|(registry, id)| {
            let (grant, secret) = registry.shared_secret(&id, Purpose::Tsig, source)?;
            Some((grant, secret, seconds(registry)))
        });
        let Some((grant, secret, now)) = secret else { return Proof::Bad(error::BADKEY) };
        match tsig.verify(message, &secret, now) {
            Ok(signer) => Proof::Key(grant, signer),
            Err(Fault::Length) => Proof::Malformed,
            Err(Fault::Algorithm) => Proof::Bad(error::BADKEY),
            Err(Fault::Mac) => Proof::Bad(error::BADSIG),
            Err(Fault::Time(signer)) => Proof::Late(grant, signer),
        }
    }

    /// The key that a signature's key name stands for: its public number, as
    /// one label, or before the name of a zone of ours.
    fn key_id(&self, name: &Name) -> Option<KeyId> {
        let label = name.labels().next()?.to_vec();
        let rest = name.parent()?;
        let ours = rest == Name::root() || update::is_zone(&rest, &self.snapshot.load());
        String::from_utf8(label).ok().filter(|_| ours).map(KeyId)
    }

    /// Makes the changes that an UPDATE asks for; what to answer, once they
    /// are on the disk and visible.
    async fn update(&self, request: &[u8], grant: Option<Grant>, source: IpAddr) -> u16 {
        let asked = {
            let snapshot = self.snapshot.load();
            let zone = match update::zone(request, &snapshot) {
                Ok(zone) => zone,
                Err(rcode) => {
                    if let Some((heard, grant)) = self.heard(request, source, rcode).zip(grant) {
                        heard.elsewhere(&grant);
                    }
                    return rcode;
                }
            };
            match Question::read(request).map(|zone| extra(request, zone.end())) {
                Some(Extra::None) => {}
                // RFC 6891 §6.1.3.
                Some(Extra::Edns(edns)) if edns.version > 0 => return rcode::BADVERS,
                Some(Extra::Edns(edns)) if edns.options.malformed => return rcode::FORMERR,
                Some(Extra::Edns(_)) => {}
                _ => return rcode::FORMERR,
            }
            // Who has no key is told nothing of what is there, and costs
            // nothing.
            if grant.is_none() {
                if let Some(heard) = self.heard(request, source, rcode::REFUSED) {
                    heard.unsigned();
                }
                return rcode::REFUSED;
            }
            update::read(request, &zone, &snapshot, source)
        };
        let (asked, grant, registry) = match (asked, grant, &self.registry) {
            (Err(rcode), ..) => return rcode,
            (Ok(asked), Some(grant), Some(registry)) => (asked, grant, registry),
            _ => return rcode::REFUSED,
        };
        let done = match asked.is_empty() {
            true => Some(Edited::Done { changed: false }),
            false => registry.edit(grant.clone(), asked.edits.clone()).await.ok(),
        };
        let rcode = match &done {
            Some(edited) => match update::rcode(edited) {
                rcode::NOERROR => asked.rcode,
                rcode => rcode,
            },
            // Nothing has happened, and the client may try again (RFC 2136
            // §2.2, SERVFAIL).
            None => rcode::SERVFAIL,
        };
        let key = grant.key.as_ref().map_or_else(|| grant.holder.to_string(), KeyId::to_string);
        let outcome = done.as_ref().map_or("not done".to_owned(), in_a_word);
        match &done {
            // As it was meant to be already, or as the client asked first.
            Some(Edited::Done { changed: false } | Edited::Failed(_)) => {
                tracing::debug!(%source, key, rcode, "DNS UPDATE: {outcome}");
            }
            _ => tracing::info!(%source, key, rcode, "DNS UPDATE: {outcome}"),
        }
        let heard = Heard { registry, source, request, rcode };
        heard.update(&grant, &asked.edits, done.as_ref());
        rcode
    }

    /// What is remembered of a message, where there is somebody to remember.
    fn heard<'a>(&'a self, request: &'a [u8], source: IpAddr, rcode: u16) -> Option<Heard<'a>> {
        let registry = self.registry.as_ref()?;
        Some(Heard { registry, source, request, rcode })
    }
}

/// What became of an UPDATE, for the log: however much the client has sent, it
/// is a line.
fn in_a_word(edited: &Edited) -> String {
    let Edited::Failed(required) = edited else { return format!("{edited:?}") };
    let (name, rtype) = match required {
        Requirement::NameInUse(name) | Requirement::NameNotInUse(name) => (name, RecordType::ANY),
        Requirement::SetExists { name, rtype }
        | Requirement::SetIs { name, rtype, .. }
        | Requirement::SetAbsent { name, rtype } => (name, *rtype),
    };
    format!("the prerequisite at {} {rtype} does not hold", name.without_dot())
}

impl Replies {
    fn sign_with(&mut self, signer: Signer, registry: &Option<Registry>) {
        let registry = registry.as_ref().expect("keys are the registry's").clone();
        self.signing = Some((Arc::new(Mutex::new(signer)), registry));
    }
}
