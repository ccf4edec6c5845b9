//! Verifying a request, and signing what is said to it.

use super::mac::{Algorithm, is_mac};
use super::record::{FIXED, Tsig, error, time_octets};
use crate::model::Name;
use crate::wire::CLASS_ANY;

/// How far the client's clock may be from ours when it reads our answers, in
/// seconds: what RFC 8945 §10 recommends.
const FUDGE: u16 = 300;

/// Why a signature does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A MAC longer than the algorithm's, or cut too short: FORMERR (RFC 8945
    /// §5.2.2.1).
    Length,
    /// An algorithm that is not ours: BADKEY.
    Algorithm,
    /// Not the MAC of this message: BADSIG. What is told of it is not signed.
    Mac,
    /// The MAC is right, the time is not: BADTIME, and that is told signed.
    Time(Signer),
}

/// Signs the answers to one request.
#[derive(Clone, PartialEq, Eq)]
pub struct Signer {
    key: Name,
    algorithm: Algorithm,
    secret: Vec<u8>,
    original_id: u16,
    /// The MAC before: the request's as it came, then that of the answer
    /// signed last.
    prior: Vec<u8>,
    /// Whether an answer is signed already.
    begun: bool,
    /// When the request was signed, if it is to be told that its time is bad.
    bad_time: Option<u64>,
}

/// Hides the secret.
impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Signer({}, {:?})", self.key, self.algorithm)
    }
}

impl Tsig {
    /// Checks the signature of the request this record was found in (RFC 8945
    /// §5.2). `now` in seconds since 1970.
    ///
    /// # Errors
    /// What is wrong, the MAC first and then the time.
    pub fn verify(&self, message: &[u8], secret: &[u8], now: u64) -> Result<Signer, Fault> {
        let algorithm = Algorithm::named(&self.algorithm).ok_or(Fault::Algorithm)?;
        if !(algorithm.shortest()..=algorithm.length()).contains(&self.mac.len()) {
            return Err(Fault::Length);
        }
        // Under the id it was signed with: whoever passed it on may have given
        // it another.
        let id = self.original_id.to_be_bytes();
        let unsigned = self.stripped(message);
        let whole = algorithm.mac(secret, &[&id, &unsigned[id.len()..], &variables(self)]);
        if !is_mac(&self.mac, &whole) {
            return Err(Fault::Mac);
        }
        let signer = Signer {
            key: self.key.clone(),
            algorithm,
            secret: secret.to_vec(),
            original_id: self.original_id,
            prior: self.mac.clone(),
            begun: false,
            bad_time: None,
        };
        if self.time.abs_diff(now) > self.fudge.into() {
            return Err(Fault::Time(Signer { bad_time: Some(self.time), ..signer }));
        }
        Ok(signer)
    }
}

impl Signer {
    /// Octets that signing adds to a message.
    pub fn size(&self) -> usize {
        let other = if self.bad_time.is_some() { 6 } else { 0 };
        let algorithm = self.algorithm.wire().len() + self.algorithm.length();
        self.key.wire().len() + 10 + algorithm + FIXED + other
    }

    /// Signs an answer: the first with all that RFC 8945 §4.3 lists, those
    /// that follow it in a stream each over the one before (§5.3.1). It must
    /// have the id of the request; the record has the id which that had when
    /// it was signed. `now` in seconds since 1970.
    pub fn sign(&mut self, reply: &mut Vec<u8>, now: u64) {
        let (time, error, other) = match self.bad_time {
            // The client's own time, so that it finds the answer good, and
            // ours to learn from (RFC 8945 §5.2.3).
            Some(time) => (time, error::BADTIME, time_octets(now).to_vec()),
            None => (now, error::NONE, Vec::new()),
        };
        let mut record = Tsig {
            key: self.key.clone(),
            algorithm: Name::from_wire(self.algorithm.wire()).expect("it is a name"),
            time,
            fudge: FUDGE,
            mac: Vec::new(),
            original_id: self.original_id,
            error,
            other,
            start: reply.len(),
        };
        let told = match self.begun {
            false => variables(&record),
            true => timers(&record),
        };
        let prior_length = (self.prior.len() as u16).to_be_bytes();
        let id = self.original_id.to_be_bytes();
        let parts = [&prior_length, &self.prior[..], &id, &reply[2..], &told];
        record.mac = self.algorithm.mac(&self.secret, &parts);
        record.append(reply);
        self.prior = record.mac;
        self.begun = true;
    }
}

/// What of the record itself is signed, names in canonical form (RFC 8945
/// §4.3.3).
fn variables(record: &Tsig) -> Vec<u8> {
    let mut octets = record.key.wire().to_vec();
    octets.extend(CLASS_ANY.to_be_bytes());
    octets.extend([0; 4]);
    octets.extend_from_slice(record.algorithm.wire());
    octets.extend(timers(record));
    octets.extend(record.error.to_be_bytes());
    octets.extend((record.other.len() as u16).to_be_bytes());
    octets.extend_from_slice(&record.other);
    octets
}

/// What of it is signed from the second answer on.
fn timers(record: &Tsig) -> Vec<u8> {
    [&time_octets(record.time)[..], &record.fudge.to_be_bytes()].concat()
}
