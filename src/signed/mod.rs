//! Signed updates over plain HTTP, for clients without TLS: the messages, byte
//! by byte as `clients/signed.md` specifies them, for server and client alike.
//!
//! ```text
//! client                                        server
//!   GET /signed/address?key=…&nonce=…   ──▶
//!                                       ◀──     its address, the time, the nonce; signed
//!   POST /signed/update: hosts, addresses, time; signed   ──▶
//!                                       ◀──     what became of it, for that very update; signed
//! ```
//!
//! A message is lines of ASCII; the last is the MAC over every octet before
//! it. What is signed is what is sent, so there is no canonical form that two
//! programs could disagree on. The first line says which of the three messages
//! it is, so that none is ever taken for another.
//!
//! Whether an update was there before is decided where it is written down
//! (`Registry::signed_update`), for nobody else knows for ever.

mod address;
mod answer;
mod lines;
mod update;

use std::fmt;
use std::str::FromStr;

use hmac::{Hmac, KeyInit, Mac as _};
use sha2::Sha256;
use subtle::ConstantTimeEq;

pub use address::{AddressAnswer, Nonce, NonceError};
pub use answer::{Answer, Status};
pub use lines::Malformed;
pub use update::{SealedUpdate, Update};

/// How far the time of an update may be from the server's, in milliseconds,
/// either way. An update that somebody on the path holds back is worth nothing
/// after this; a clock that is further off learns the right time from the
/// answer.
pub const SKEW: u64 = 60_000;

/// Where a client asks for its address.
pub const ADDRESS_PATH: &str = "/signed/address";

/// Where an update is sent to.
pub const UPDATE_PATH: &str = "/signed/update";

/// The secret that a client and the server share. Never shown: `Debug` hides
/// it.
#[derive(Clone)]
pub struct SharedSecret([u8; 32]);

impl SharedSecret {
    /// From its octets.
    pub fn new(octets: [u8; 32]) -> SharedSecret {
        SharedSecret(octets)
    }

    /// As it is written: 64 hexadecimal digits.
    pub fn to_hex(&self) -> String {
        data_encoding::HEXLOWER.encode(&self.0)
    }

    /// HMAC-SHA-256 (RFC 2104) of a text.
    fn mac(&self, text: &str) -> Mac {
        let mut mac =
            <Hmac<Sha256> as KeyInit>::new_from_slice(&self.0).expect("any length is a key");
        mac.update(text.as_bytes());
        Mac(mac.finalize().into_bytes().into())
    }
}

impl fmt::Debug for SharedSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SharedSecret(…)")
    }
}

/// Why a text is no secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SecretError;

impl fmt::Display for SecretError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the secret of signed updates is 64 hexadecimal digits")
    }
}

impl std::error::Error for SecretError {}

impl FromStr for SharedSecret {
    type Err = SecretError;

    fn from_str(text: &str) -> Result<SharedSecret, SecretError> {
        let octets = data_encoding::HEXLOWER_PERMISSIVE.decode(text.as_bytes());
        let octets = octets.ok().and_then(|octets| octets.try_into().ok());
        octets.map(SharedSecret).ok_or(SecretError)
    }
}

/// The last line of a message. Compared in a time that tells nothing of where
/// two differ.
#[derive(Clone, Copy, Debug)]
pub struct Mac([u8; 32]);

impl Mac {
    /// From the 64 digits of a message.
    fn read(text: &str) -> Option<Mac> {
        let octets = data_encoding::HEXLOWER.decode(text.as_bytes()).ok()?;
        octets.try_into().ok().map(Mac)
    }
}

impl PartialEq for Mac {
    fn eq(&self, other: &Mac) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for Mac {}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&data_encoding::HEXLOWER.encode(&self.0))
    }
}

/// Puts the last line to a message.
fn sealed(mut text: String, secret: &SharedSecret) -> (String, Mac) {
    let mac = secret.mac(&text);
    text += &format!("mac {mac}\n");
    (text, mac)
}

/// The octets that are signed, and the MAC. The end of the last line may be
/// missing: shells and some libraries cut it off.
fn split(message: &[u8]) -> Result<(&str, Mac), Malformed> {
    let ascii = message.iter().all(|octet| matches!(octet, b'\n' | b' '..=b'~'));
    let text = std::str::from_utf8(message).ok().filter(|_| ascii).ok_or(Malformed::TEXT)?;
    let whole = text.strip_suffix('\n').unwrap_or(text);
    let (before, mac) = whole.rsplit_once("\nmac ").ok_or(Malformed::MAC)?;
    let mac = Mac::read(mac).ok_or(Malformed::MAC)?;
    Ok((&text[..before.len() + 1], mac))
}

/// A message of the server's with the right MAC, without its last line.
fn opened<'a>(message: &'a [u8], secret: &SharedSecret) -> Option<&'a str> {
    let (text, mac) = split(message).ok()?;
    (secret.mac(text) == mac).then_some(text)
}

#[cfg(test)]
mod tests;
