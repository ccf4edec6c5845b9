//! The words of the domain: names, serials, times, hosts, accounts, keys,
//! changes. Plain values without behaviour that touches anything outside.

mod account;
mod address;
mod change;
mod host;
mod key;
mod name;
mod record;
mod record_type;
mod serial;
mod site;
mod special;
mod text;
mod time;

pub use account::{Account, AccountName, AccountNameError};
pub use address::{Addresses, AddressesError, Family, household, is_this_machine, unmapped};
pub use change::{Cause, Change, Protocol};
pub use host::{Host, LastReport, Lease, LeaseError, Presence, Ttl, TtlError};
pub use key::{Grant, Holder, Key, KeyDigest, KeyId, May, MayError, Secret};
pub use name::{MAX_NAME, Name, NameError};
pub use record::{HostRecord, Line, LineError, MAX_RDATA, MAX_RECORD_OCTETS, MAX_RECORDS};
pub use record_type::{RecordType, UnknownType};
pub use serial::Serial;
pub use site::{InterfaceId, InterfaceIdError, MAX_MEMBERS, Site, suffix_of};
pub use special::{Reach, SPECIAL, Special, is_documentation, reach, special};
pub use text::parsed;
pub use time::{Moment, Moments, Now, Served, Timestamp};
