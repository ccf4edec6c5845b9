//! What becomes of a report for one of several lines under one name.
//!
//! A line's addresses are records of the host with the line's label, and each
//! ends when the line has not been heard for the host's lease.

use std::net::IpAddr;

use super::{Outcome, Policy, Report, Said};
use crate::model::{Addresses, Host, HostRecord, Line, RecordType, Served};

/// Lines one host may have.
pub const MAX_LINES: usize = 8;

/// A decision for one line of a host: nothing has happened yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineDecision {
    /// What the client is told: the line's own addresses.
    pub outcome: Outcome,
    /// The host's records from then on; `None`: as they were.
    pub records: Option<Vec<HostRecord>>,
}

/// What a line of a host answers.
pub fn line_addresses(host: &Host, line: &Line) -> Addresses {
    let mut addresses = Addresses::NONE;
    for record in of_line(host, line) {
        match record.rtype {
            RecordType::A => {
                addresses.v4 = <[u8; 4]>::try_from(&record.rdata[..]).ok().map(Into::into)
            }
            _ => addresses.v6 = <[u8; 16]>::try_from(&record.rdata[..]).ok().map(Into::into),
        }
    }
    addresses
}

/// When a line ends, if it is there and ends.
pub fn line_end(host: &Host, line: &Line) -> Option<Served> {
    of_line(host, line).filter_map(|record| record.until).min()
}

fn of_line<'h>(host: &'h Host, line: &'h Line) -> impl Iterator<Item = &'h HostRecord> {
    host.records.iter().filter(move |record| record.line.as_ref() == Some(line))
}

/// Decides what a report does to one line of a host that the client may
/// update. The family that is not mentioned is left alone. `until`: when the
/// line ends if it is not heard again.
pub fn decide_line(
    host: &Host,
    line: &Line,
    report: &Report,
    policy: &Policy,
    ttl: u32,
    until: Option<Served>,
) -> LineDecision {
    let only = |outcome| LineDecision { outcome, records: None };
    if host.blocked {
        return only(Outcome::Blocked);
    }
    let served = line_addresses(host, line);
    let (v4, v6) = match *report {
        Report::Addresses { v4, v6, .. } => (v4, v6),
        Report::Offline => (Said::Gone, Said::Gone),
        Report::Unreadable => return only(Outcome::BadAddress),
    };
    let (v4, v6) = (v4.without_dummy(policy), v6.without_dummy(policy));
    let wanted = Addresses { v4: v4.after(served.v4), v6: v6.after(served.v6) };
    if !wanted.iter().all(|address| policy.allows(address)) {
        return only(Outcome::BadAddress);
    }
    if wanted == served {
        return only(Outcome::Kept(served));
    }
    let mut records: Vec<HostRecord> =
        host.records.iter().filter(|record| record.line.as_ref() != Some(line)).cloned().collect();
    if !wanted.is_empty() && !has_room(&records) {
        return only(Outcome::NotAllowed);
    }
    records.extend(wanted.iter().map(|address| HostRecord {
        name: host.name.clone(),
        rtype: RecordType::of(address),
        ttl,
        rdata: octets(address),
        until,
        line: Some(line.clone()),
    }));
    LineDecision { outcome: Outcome::Moved(wanted), records: Some(records) }
}

/// Whether one line more fits beside these records.
fn has_room(others: &[HostRecord]) -> bool {
    let mut lines: Vec<&Line> = others.iter().filter_map(|record| record.line.as_ref()).collect();
    lines.sort_unstable();
    lines.dedup();
    lines.len() < MAX_LINES && others.len() + 2 <= crate::model::MAX_RECORDS
}

/// An address as data of a record.
pub fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Timestamp;

    fn wan(number: u8) -> Line {
        format!("wan{number}").parse().unwrap()
    }

    fn says(v4: &str) -> Report {
        Report::Addresses {
            v4: Said::Is(v4.parse().unwrap()),
            v6: Said::Nothing,
            prefix: Said::Nothing,
        }
    }

    fn reported(host: &mut Host, line: u8, report: &Report) -> Outcome {
        let until = Some(Served(100));
        let decision = decide_line(host, &wan(line), report, &Policy::default(), 60, until);
        if let Some(records) = decision.records {
            host.records = records;
        }
        decision.outcome
    }

    #[test]
    fn each_line_has_an_address_of_its_own() {
        let mut host = Host::new("home.example.org".parse().unwrap(), Timestamp(0));
        let at = |text: &str| Addresses { v4: Some(text.parse().unwrap()), v6: None };
        assert_eq!(reported(&mut host, 1, &says("192.0.2.1")), Outcome::Moved(at("192.0.2.1")));
        assert_eq!(reported(&mut host, 2, &says("192.0.2.2")), Outcome::Moved(at("192.0.2.2")));
        assert_eq!(reported(&mut host, 1, &says("192.0.2.1")), Outcome::Kept(at("192.0.2.1")));
        assert_eq!(host.records.len(), 2);
        assert_eq!(line_end(&host, &wan(2)), Some(Served(100)));
        assert_eq!(reported(&mut host, 1, &Report::Offline), Outcome::Moved(Addresses::NONE));
        assert_eq!(line_addresses(&host, &wan(2)), at("192.0.2.2"));
        assert_eq!(host.records.len(), 1);
    }

    #[test]
    fn lines_are_bounded() {
        let mut host = Host::new("home.example.org".parse().unwrap(), Timestamp(0));
        for number in 0..9 {
            let outcome = reported(&mut host, number, &says(&format!("192.0.2.{}", number + 1)));
            assert_eq!(outcome == Outcome::NotAllowed, number == 8, "{number}");
        }
    }
}
