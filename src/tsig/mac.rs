//! The keyed hashes.

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Sha256, Sha384, Sha512};
use subtle::ConstantTimeEq;

use crate::model::Name;

/// A keyed hash that messages are signed by. Those on MD5, SHA-1 and SHA-224
/// are not offered: no client needs them any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// `hmac-sha256`, the usual one.
    HmacSha256,
    /// `hmac-sha384`.
    HmacSha384,
    /// `hmac-sha512`.
    HmacSha512,
}

impl Algorithm {
    /// All that are offered.
    pub const ALL: [Algorithm; 3] =
        [Algorithm::HmacSha256, Algorithm::HmacSha384, Algorithm::HmacSha512];

    /// The algorithm of this name (RFC 8945 §6); `None`: none of ours.
    pub fn named(name: &Name) -> Option<Algorithm> {
        Algorithm::ALL.into_iter().find(|algorithm| algorithm.wire() == name.wire())
    }

    /// Its name in wire form and lower case.
    pub fn wire(self) -> &'static [u8] {
        match self {
            Algorithm::HmacSha256 => b"\x0bhmac-sha256\0",
            Algorithm::HmacSha384 => b"\x0bhmac-sha384\0",
            Algorithm::HmacSha512 => b"\x0bhmac-sha512\0",
        }
    }

    /// Octets of a whole MAC.
    pub fn length(self) -> usize {
        match self {
            Algorithm::HmacSha256 => 32,
            Algorithm::HmacSha384 => 48,
            Algorithm::HmacSha512 => 64,
        }
    }

    /// The fewest octets of a MAC that was cut: half of it, and never under
    /// ten (RFC 8945 §5.2.2.1). With these algorithms half is always more.
    pub fn shortest(self) -> usize {
        (self.length() / 2).max(10)
    }

    /// The MAC of all parts, one after the other.
    pub fn mac(self, secret: &[u8], parts: &[&[u8]]) -> Vec<u8> {
        match self {
            Algorithm::HmacSha256 => mac::<Hmac<Sha256>>(secret, parts),
            Algorithm::HmacSha384 => mac::<Hmac<Sha384>>(secret, parts),
            Algorithm::HmacSha512 => mac::<Hmac<Sha512>>(secret, parts),
        }
    }
}

fn mac<M: Mac + KeyInit>(secret: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    let mut mac = <M as KeyInit>::new_from_slice(secret).expect("any length is a key");
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().to_vec()
}

/// Whether `given` is a MAC, or what is left of it when it was cut. How long
/// it took does not tell how much of it was right.
pub fn is_mac(given: &[u8], whole: &[u8]) -> bool {
    whole.get(..given.len()).is_some_and(|part| part.ct_eq(given).into())
}
