//! From a name and a type to the records that answer: RFC 1034 §4.3.2 as
//! RFC 2308, 4592, 6604, 8020, 8482 and 9471 have sharpened it.

use super::reply::{QNAME, Reply, Section};
use crate::model::MAX_NAME;
use crate::wire::{HEADER, RecordType, extended, rcode};
use crate::zone::{Kind, Node, Records, Snapshot, Spot};

/// How many CNAME records of one zone are followed for one question. Longer
/// chains are somebody's mistake; a resolver asks on from where we stop.
const MAX_CHAIN: usize = 16;

/// A name being looked for, and where it stands in the message.
#[derive(Clone, Copy)]
struct Wanted<'n> {
    /// Lower case, wire form.
    name: &'n [u8],
    /// Where it starts in the message, uncompressed.
    at: u16,
}

impl Wanted<'_> {
    /// Where an ancestor of it starts in the message.
    fn ancestor(&self, ancestor: &[u8]) -> u16 {
        self.at + (self.name.len() - ancestor.len()) as u16
    }
}

/// Answers a question in class IN for a name, in lower case, whose spot in
/// the Snapshot is known.
#[inline]
pub fn find(
    snapshot: &Snapshot,
    name: &[u8],
    spot: Spot<'_>,
    rtype: RecordType,
    reply: &mut Reply<'_>,
) {
    let wanted = Wanted { name, at: QNAME };
    let Some(closest) = snapshot.closest_from(spot, name) else {
        reply.fail(rcode::REFUSED, Some(extended::NOT_AUTHORITATIVE));
        return;
    };
    if rtype == RecordType::DS && answer_above(snapshot, closest, wanted, reply) {
        return;
    }
    if let Step::Follow(next) = step(snapshot, closest, wanted, rtype, reply) {
        follow(snapshot, closest.zone, wanted, next, rtype, reply);
    }
}

/// Goes on from the first CNAME.
fn follow<'s>(
    snapshot: &'s Snapshot,
    zone: u32,
    asked: Wanted<'s>,
    mut next: Wanted<'s>,
    rtype: RecordType,
    reply: &mut Reply<'_>,
) {
    // The names whose CNAME is in the answer already, so that a loop ends.
    let mut passed: [&[u8]; MAX_CHAIN] = [&[]; MAX_CHAIN];
    passed[0] = asked.name;
    for hops in 1..MAX_CHAIN {
        if passed[..hops].contains(&next.name) {
            return;
        }
        passed[hops] = next.name;
        let Some(closest) = snapshot.closest(next.name) else { return };
        if rtype == RecordType::DS
            && is_above(snapshot, zone, closest)
            && answer_above(snapshot, closest, next, reply)
        {
            return;
        }
        // What lies in another zone is that zone's to answer.
        if closest.zone != zone {
            return;
        }
        let Step::Follow(then) = step(snapshot, closest, next, rtype, reply) else { return };
        next = then;
    }
}

/// Whether looking goes on.
enum Step<'s> {
    /// The answer is complete.
    Done,
    /// A CNAME was added: this is the name to look for.
    Follow(Wanted<'s>),
}

/// Looks for one name, its closest encloser found.
#[inline]
fn step<'s>(
    snapshot: &'s Snapshot,
    closest: Node<'s>,
    wanted: Wanted<'_>,
    rtype: RecordType,
    reply: &mut Reply<'_>,
) -> Step<'s> {
    let exists = closest.name.len() == wanted.name.len();
    match closest.kind {
        // The delegation's DS is the parent's, ours (RFC 4035 §3.1.4.1).
        Kind::Cut if exists && rtype == RecordType::DS => {}
        Kind::Cut | Kind::Glue => {
            refer(snapshot, closest, wanted, reply);
            return Step::Done;
        }
        Kind::Plain | Kind::Apex => {}
    }
    let node = if exists { Some(closest) } else { wildcard(snapshot, closest) };
    let Some(node) = node else {
        reply.rcode = rcode::NXDOMAIN;
        negative(snapshot, closest.zone, wanted, reply);
        return Step::Done;
    };
    let records = node.records;
    let asked = match rtype {
        // One set of those there are (RFC 8482 §4.1): that which is worth
        // least to somebody who asks in another's name.
        RecordType::ANY => records.shortest_set(),
        rtype => records.of(rtype),
    };
    if !asked.is_empty() {
        let added = match rtype {
            RecordType::NS
            | RecordType::SOA
            | RecordType::PTR
            | RecordType::MX
            | RecordType::ANY => {
                let origin = snapshot.zone(closest.zone).origin.wire();
                reply.add_short(wanted.at, asked, wanted.ancestor(origin), origin)
            }
            _ => reply.add(Section::Answer, wanted.at, asked),
        };
        if !added {
            reply.truncate();
        }
        return Step::Done;
    }
    let Some(cname) = records.of(RecordType::CNAME).into_iter().next() else {
        // The name exists, the type does not (RFC 2308 §2.2); so too for an
        // empty non-terminal (RFC 8020).
        negative(snapshot, closest.zone, wanted, reply);
        return Step::Done;
    };
    let at = reply.end() + cname.size() - cname.rdata().len();
    if !reply.add(Section::Answer, wanted.at, records) {
        reply.truncate();
        return Step::Done;
    }
    Step::Follow(Wanted { name: cname.rdata(), at: at as u16 })
}

/// What `*` below the closest encloser has (RFC 4592 §3.3.1).
fn wildcard<'s>(snapshot: &'s Snapshot, closest: Node<'_>) -> Option<Node<'s>> {
    if !closest.wildcard {
        return None;
    }
    let encloser = closest.name;
    let mut star = [0; MAX_NAME];
    let name = star.get_mut(..2 + encloser.len())?;
    name[..2].copy_from_slice(b"\x01*");
    name[2..].copy_from_slice(encloser);
    snapshot.node(name)
}

/// Adds the SOA of a negative answer (RFC 2308 §3).
fn negative(snapshot: &Snapshot, zone: u32, wanted: Wanted<'_>, reply: &mut Reply<'_>) {
    let zone = snapshot.zone(zone);
    let apex = wanted.ancestor(zone.origin.wire());
    if !reply.add_negative(apex, &zone.negative) {
        reply.truncate();
    }
}

/// Answers a question for DS at the apex of a zone of ours that another zone
/// of ours is right above: from above (RFC 4035 §3.1.4.1). `false`: it is
/// not such a question.
fn answer_above(
    snapshot: &Snapshot,
    closest: Node<'_>,
    wanted: Wanted<'_>,
    reply: &mut Reply<'_>,
) -> bool {
    let exists = closest.name.len() == wanted.name.len();
    if !exists || closest.kind != Kind::Apex {
        return false;
    }
    let Some(above) = &snapshot.zone(closest.zone).above else { return false };
    if above.ds.is_empty() {
        negative(snapshot, above.zone, wanted, reply);
    } else if !reply.add(Section::Answer, wanted.at, Records(&above.ds)) {
        reply.truncate();
    }
    true
}

/// Whether a zone is the one right above that of a node.
fn is_above(snapshot: &Snapshot, zone: u32, node: Node<'_>) -> bool {
    snapshot.zone(node.zone).above.as_ref().is_some_and(|above| above.zone == zone)
}

/// Refers to the servers of the delegation that `below` lies in. The answer
/// stays authoritative if a CNAME of ours led here.
fn refer(snapshot: &Snapshot, below: Node<'_>, wanted: Wanted<'_>, reply: &mut Reply<'_>) {
    let mut cut = below;
    while cut.kind == Kind::Glue {
        let name = cut.name;
        let parent = snapshot.node(&name[1 + usize::from(name[0])..]);
        cut = parent.expect("glue has its delegation above it");
    }
    if wanted.at == QNAME {
        reply.clear_aa();
    }
    let servers = cut.records.of(RecordType::NS);
    let start = reply.end();
    if !reply.add(Section::Authority, wanted.ancestor(cut.name), servers) {
        return reply.truncate();
    }
    // Without the addresses of servers that lie in what they serve nobody
    // gets there: all of them or TC (RFC 9471 §3.1). Others are a courtesy.
    for in_domain in [true, false] {
        let mut at = start;
        for record in servers {
            let target = record.rdata();
            let name_at = (at + record.size() - target.len()) as u16;
            at += record.size();
            if is_within(target, cut.name) != in_domain {
                continue;
            }
            let Some(node) = snapshot.node(target).filter(|node| node.zone == cut.zone) else {
                continue;
            };
            for rtype in [RecordType::A, RecordType::AAAA] {
                let glue = node.records.of(rtype);
                if !reply.add(Section::Additional, name_at, glue) && in_domain {
                    // Who is told to ask over TCP is told nothing else: it
                    // would not use it (RFC 2181 §9).
                    reply.take_back(start);
                    return reply.truncate();
                }
            }
        }
    }
}

/// Whether `name` is `ancestor` or below it; both lower case, wire form.
fn is_within(mut name: &[u8], ancestor: &[u8]) -> bool {
    while name.len() > ancestor.len() {
        name = &name[1 + usize::from(name[0])..];
    }
    name == ancestor
}

const _: () = assert!(HEADER == 12, "rendered records point to the question after the header");
