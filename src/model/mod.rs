//! The words of the domain: names, serials, times, hosts, accounts, keys,
//! changes. Plain values without behaviour that touches anything outside.

mod account;
mod address;
mod change;
mod host;
mod key;
mod name;
mod serial;
mod text;
mod time;

pub use account::{Account, AccountName, AccountNameError};
pub use address::{Addresses, AddressesError, Family, is_publishable, unmapped};
pub use change::{Cause, Change, Protocol};
pub use host::{Host, LastReport, Lease, LeaseError, Presence, Ttl, TtlError};
pub use key::{Grant, Holder, Key, KeyDigest, KeyId, Secret};
pub use name::{MAX_NAME, Name, NameError};
pub use serial::Serial;
pub use text::parsed;
pub use time::{Now, Served, Timestamp};
