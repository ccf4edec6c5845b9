//! Transaction signatures: that a message comes from somebody who shares a
//! secret with us, and is as it was sent (RFC 8945).
//!
//! ```text
//! find ─▶ Tsig ─▶ verify(secret, now) ─▶ Signer ─▶ sign every reply
//!  │        │            └─▶ Fault: told unsigned, or signed (BADTIME)
//!  │        └─▶ stripped: the request as it was before it was signed
//!  └─▶ None: not signed
//! ```
//!
//! Pure: whose secret a key's name stands for, and what the time is, is told.

mod mac;
mod record;
mod signer;

pub use mac::Algorithm;
pub use record::{Malformed, Tsig, error, find};
pub use signer::{Fault, Signer};
