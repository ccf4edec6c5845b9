//! What a client's address is, as the server sees it.
//!
//! ```text
//! truename-address-1
//! key k7f3c2xq
//! nonce 8f14e45fceea167a5a36dedd4bea2543
//! address 203.0.113.7
//! time 1795275600123
//! mac 90d1…
//! ```

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use super::lines::Lines;
use super::{SharedSecret, opened, sealed};
use crate::model::KeyId;

/// The first line.
const TITLE: &str = "truename-address-1";

/// What a client makes up for one question, so that no older answer fits: 16
/// to 64 letters and digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nonce(String);

/// Why a text is no nonce.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NonceError;

impl fmt::Display for NonceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a nonce is 16 to 64 letters and digits, new for every question")
    }
}

impl std::error::Error for NonceError {}

impl FromStr for Nonce {
    type Err = NonceError;

    fn from_str(text: &str) -> Result<Nonce, NonceError> {
        let fits = (16..=64).contains(&text.len());
        match fits && text.bytes().all(|octet| octet.is_ascii_alphanumeric()) {
            true => Ok(Nonce(text.to_owned())),
            false => Err(NonceError),
        }
    }
}

impl fmt::Display for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The answer to a client that asks for its address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressAnswer {
    /// The key that was asked with.
    pub key: KeyId,
    /// What the client made up.
    pub nonce: Nonce,
    /// Where the question came from.
    pub address: IpAddr,
    /// The server's time in milliseconds since 1970, each later than the one
    /// told before: good as the time of an update.
    pub time: u64,
}

impl AddressAnswer {
    /// The message.
    pub fn write(&self, secret: &SharedSecret) -> String {
        let AddressAnswer { key, nonce, address, time } = self;
        let text = format!("{TITLE}\nkey {key}\nnonce {nonce}\naddress {address}\ntime {time}\n");
        sealed(text, secret).0
    }

    /// Reads a message; `None` when it is not by the server, or not the answer
    /// to the question with this nonce.
    pub fn read(message: &[u8], secret: &SharedSecret, nonce: &Nonce) -> Option<AddressAnswer> {
        let mut lines = Lines::new(opened(message, secret)?);
        lines.exactly(TITLE).ok()?;
        let key = lines.value("key", "").map(KeyId).ok()?;
        let answer = AddressAnswer {
            key,
            nonce: lines.value("nonce", "").ok()?,
            address: lines.value("address", "").ok()?,
            time: lines.value("time", "").ok()?,
        };
        lines.end("").ok()?;
        (answer.nonce == *nonce).then_some(answer)
    }
}
