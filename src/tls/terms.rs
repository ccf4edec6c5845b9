//! From when to when the certificate is good, and for which names: what clients
//! that look at it will say.

use std::time::Duration;

use jiff::civil;
use rustls::client::verify_server_name;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::server::ParsedCertificate;

use super::Certificate;
use crate::model::Timestamp;

/// A certificate that ends sooner is told of: certbot renews one of 90 days
/// when it has 30 left.
const SOON: Duration = Duration::from_secs(14 * 86_400);

impl Certificate {
    /// What clients that come for `host`, where that is known, have against the
    /// certificate at this moment: sentences that say what to do.
    pub fn doubts(&self, host: Option<&str>, now: Timestamp) -> Vec<String> {
        let current = self.current.load_full();
        let Some(certificate) = current.cert.first() else { return Vec::new() };
        let file = self.files.certificate.display();
        let mut doubts = Vec::new();
        match terms(certificate) {
            None => {}
            Some((_, until)) if until < now.0 => doubts.push(format!(
                "{file}: the certificate has been expired since {}, and clients refuse it: renew \
                 it, then `truename reload`",
                day(until)
            )),
            Some((from, _)) if from > now.0 => doubts.push(format!(
                "{file}: the certificate is not good before {}, and clients refuse it: set this \
                 machine's clock, or get another certificate",
                day(from)
            )),
            Some((_, until)) if until.saturating_sub(now.0) < SOON.as_secs() as i64 => {
                doubts.push(format!(
                    "{file}: the certificate expires on {}: renew it, then `truename reload`",
                    day(until)
                ));
            }
            Some(_) => {}
        }
        if let Some(host) = host
            && !is_for(certificate, host)
        {
            doubts.push(format!(
                "{file}: the certificate is not for {host}, where `public` sends clients: get one \
                 for that name, or correct `public`"
            ));
        }
        doubts
    }
}

/// Whether the certificate is for this name or address; what cannot be told is
/// left to the clients.
fn is_for(certificate: &CertificateDer<'_>, host: &str) -> bool {
    let Ok(name) = ServerName::try_from(host) else { return true };
    ParsedCertificate::try_from(certificate)
        .map_or(true, |certificate| verify_server_name(&certificate, &name).is_ok())
}

fn day(second: i64) -> String {
    jiff::Timestamp::from_second(second)
        .map_or_else(|_| second.to_string(), |moment| moment.strftime("%Y-%m-%d").to_string())
}

const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// The first and the last second of a certificate's validity (RFC 5280
/// §4.1.2.5). rustls reads names, and keeps this to itself.
fn terms(certificate: &[u8]) -> Option<(i64, i64)> {
    let (certificate, _) = inside(SEQUENCE, certificate)?;
    let (mut fields, _) = inside(SEQUENCE, certificate)?;
    if let Some((_, rest)) = inside(VERSION, fields) {
        fields = rest;
    }
    // The serial number, the algorithm of the signature, the issuer.
    for _ in 0..3 {
        (_, _, fields) = element(fields)?;
    }
    let (validity, _) = inside(SEQUENCE, fields)?;
    let (tag, from, rest) = element(validity)?;
    let (last_tag, until, _) = element(rest)?;
    Some((moment(tag, from)?, moment(last_tag, until)?))
}

fn moment(tag: u8, text: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(text).ok()?.strip_suffix('Z')?;
    let text = match tag {
        // Two digits of the year: 1950 to 2049.
        UTC_TIME if text.get(..2)? < "50" => format!("20{text}"),
        UTC_TIME => format!("19{text}"),
        GENERALIZED_TIME => text.to_owned(),
        _ => return None,
    };
    let moment = civil::DateTime::strptime("%Y%m%d%H%M%S", text).ok()?;
    Some(moment.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_second())
}

/// The content of an element with this tag, and what comes after it.
fn inside(tag: u8, octets: &[u8]) -> Option<(&[u8], &[u8])> {
    let (found, content, rest) = element(octets)?;
    (found == tag).then_some((content, rest))
}

/// The first element of DER: its tag, its content, and what comes after it
/// (X.690 §8.1, §10.1).
fn element(octets: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&[tag, first], rest) = octets.split_first_chunk()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        // Longer than 65535 octets is no certificate that a client takes.
        0x81 | 0x82 => {
            let (length, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (length.iter().fold(0, |all, octet| all << 8 | usize::from(*octet)), rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::super::Files;
    use super::*;

    /// A certificate in files, and what is said of it on a day.
    fn said(from: (i32, u8, u8), until: (i32, u8, u8), host: &str, now: &str) -> Vec<String> {
        let place = tempfile::tempdir().unwrap();
        let mut params = CertificateParams::new(vec!["ddns.example.org".to_owned()]).unwrap();
        params.not_before = date_time_ymd(from.0, from.1, from.2);
        params.not_after = date_time_ymd(until.0, until.1, until.2);
        let key = KeyPair::generate().unwrap();
        let files = Files { certificate: place.path().join("c"), key: place.path().join("k") };
        std::fs::write(&files.certificate, params.self_signed(&key).unwrap().pem()).unwrap();
        std::fs::write(&files.key, key.serialize_pem()).unwrap();
        let now: jiff::Timestamp = format!("{now}T12:00:00Z").parse().unwrap();
        let certificate = Certificate::load(files).unwrap();
        let said = certificate.doubts(Some(host), Timestamp(now.as_second()));
        let place = format!("{}/c: the certificate ", place.path().display());
        said.iter().map(|doubt| doubt.replace(&place, "")).collect()
    }

    #[test]
    fn a_certificate_is_good_for_a_time_and_for_names() {
        let said = |host, now| {
            let said = said((2026, 1, 1), (2026, 4, 1), host, now);
            let starts = said.iter().map(|text| text.split([',', ':']).next().unwrap().to_owned());
            starts.collect::<Vec<_>>()
        };
        let good: [&str; 0] = [];
        assert_eq!(said("ddns.example.org", "2026-02-01"), good);
        assert_eq!(said("ddns.example.org", "2026-03-17"), good);
        assert_eq!(said("ddns.example.org", "2026-03-19"), ["expires on 2026-04-01"]);
        assert_eq!(said("ddns.example.org", "2026-04-02"), ["has been expired since 2026-04-01"]);
        assert_eq!(said("ddns.example.org", "2025-12-31"), ["is not good before 2026-01-01"]);
        assert_eq!(said("dyn.example.org", "2026-02-01"), ["is not for dyn.example.org"]);
        assert_eq!(said("192.0.2.1", "2026-02-01"), ["is not for 192.0.2.1"]);
    }

    #[test]
    fn far_years_are_written_otherwise_and_half_a_certificate_has_none() {
        let said = said((1990, 1, 1), (2060, 1, 1), "ddns.example.org", "2026-02-01");
        assert_eq!(said, [""; 0]);
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(Vec::new()).unwrap().self_signed(&key).unwrap();
        let der = certificate.der();
        assert!(terms(der).is_some());
        for length in 0..der.len() {
            assert_eq!(terms(&der[..length]), None);
        }
    }
}
