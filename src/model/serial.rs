//! Zone serial numbers and their circular order.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A zone's version, as in its SOA record.
///
/// Serials have no total order: compare them with [`Serial::is_newer_than`]
/// (RFC 1982 §3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Serial(pub u32);

impl Serial {
    /// The serial after this one. 4294967295 is followed by 0 (RFC 1982 §3.1).
    #[must_use]
    pub fn next(self) -> Serial {
        Serial(self.0.wrapping_add(1))
    }

    /// Whether this serial comes after `other` on the circle (RFC 1982 §3.2).
    /// Two serials exactly half the circle apart are newer than neither.
    pub fn is_newer_than(self, other: Serial) -> bool {
        let ahead = self.0.wrapping_sub(other.0);
        ahead != 0 && ahead < 1 << 31
    }
}

impl fmt::Display for Serial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::Serial;

    #[test]
    fn order_is_circular() {
        assert!(Serial(1).is_newer_than(Serial(0)));
        assert!(Serial(0).is_newer_than(Serial(u32::MAX)));
        assert!(!Serial(5).is_newer_than(Serial(5)));
        assert!(!Serial(1 << 31).is_newer_than(Serial(0)));
        assert_eq!(Serial(u32::MAX).next(), Serial(0));
    }
}
