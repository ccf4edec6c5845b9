//! Two kinds of time: the one people read, and the one leases run on.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A moment people read: whole seconds since 1970-01-01 UTC.
///
/// Shown in history and logs. Nothing is ever decided by it, so a clock that
/// is stepped does no harm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

/// How long this store has been served in all, in whole seconds.
///
/// It runs while the server runs and stands still while the server is down;
/// leases are measured on it, so an outage of ours lets nobody's lease end.
/// It comes from the monotonic clock plus what the store remembers.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Served(pub u64);

impl Served {
    /// The moment `span` later; whole seconds, the end of time at most.
    #[must_use]
    pub fn plus(self, span: Duration) -> Served {
        Served(self.0.saturating_add(span.as_secs()))
    }

    /// How long after `earlier` this is; zero if it is not after it.
    pub fn since(self, earlier: Served) -> Duration {
        Duration::from_secs(self.0.saturating_sub(earlier.0))
    }
}

/// The present moment as sockets want it: fine enough to count by, and what
/// cookies are stamped with. No lease runs on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moment {
    /// Microseconds since the program started, on a clock that never goes
    /// back.
    pub micros: u64,
    /// Seconds since 1970-01-01 UTC, as far as 32 bits hold them (RFC 1982
    /// compares such numbers).
    pub wall: u32,
}

/// The present moment, from whoever owns the clock.
pub type Moments = Arc<dyn Fn() -> Moment + Send + Sync>;

/// The present moment on both clocks. Always an argument, never asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// The moment people read.
    pub wall: Timestamp,
    /// The moment leases run on.
    pub served: Served,
}
