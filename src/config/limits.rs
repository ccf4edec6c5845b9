//! `[dns.rate_limit]` in the file: how often strangers are told something.

use serde::Deserialize;
use toml::Spanned;

use super::file::Count;
use crate::dns::{Prefixes, RateLimit};

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RateLimits {
    enabled: Option<bool>,
    same: Option<Count>,
    all: Option<Count>,
    slip: Option<Slip>,
    ipv4_prefix: Option<Prefix<32>>,
    ipv6_prefix: Option<Prefix<64>>,
    pub exempt: Option<Vec<Spanned<String>>>,
}

/// One of so many answers; 0 is none of them.
#[derive(Clone, Copy, Deserialize)]
#[serde(try_from = "i64")]
struct Slip(u32);

impl TryFrom<i64> for Slip {
    type Error = &'static str;
    fn try_from(number: i64) -> Result<Slip, Self::Error> {
        let slip = u32::try_from(number).ok().filter(|slip| *slip <= 100);
        slip.map(Slip).ok_or("this is a number from 0 (none) to 100")
    }
}

/// How many leading bits of an address, `MOST` at most.
#[derive(Clone, Copy, Deserialize)]
#[serde(try_from = "i64")]
struct Prefix<const MOST: u8>(u8);

impl<const MOST: u8> TryFrom<i64> for Prefix<MOST> {
    type Error = String;
    fn try_from(number: i64) -> Result<Prefix<MOST>, String> {
        let bits = u8::try_from(number).ok().filter(|bits| (1..=MOST).contains(bits));
        bits.map(Prefix).ok_or(format!("this is a number of bits, 1 to {MOST}"))
    }
}

impl RateLimits {
    /// What is said, and `default` for the rest.
    pub fn rate_limit(&self, default: RateLimit) -> RateLimit {
        let count = |count: &Option<Count>, default| match count {
            Some(count) => u32::try_from(count.0).unwrap_or(u32::MAX),
            None => default,
        };
        RateLimit {
            enabled: self.enabled.unwrap_or(default.enabled),
            same: count(&self.same, default.same),
            all: count(&self.all, default.all),
            slip: self.slip.map_or(default.slip, |slip| slip.0),
        }
    }

    /// What one network is.
    pub fn prefixes(&self, default: Prefixes) -> Prefixes {
        Prefixes {
            v4: self.ipv4_prefix.map_or(default.v4, |prefix| prefix.0),
            v6: self.ipv6_prefix.map_or(default.v6, |prefix| prefix.0),
        }
    }
}
