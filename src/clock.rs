//! The one clock. Nothing else asks what time it is.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::model::{Now, Served, Timestamp};
use crate::registry::Clock;

/// The system's clocks, for a store that was served for `before` until now.
///
/// Leases run on the monotonic clock: a system clock that is stepped, either
/// way, moves no lease.
pub fn system(before: Served) -> Clock {
    let start = Instant::now();
    Box::new(move || Now { wall: wall(), served: before.plus(start.elapsed()) })
}

/// The moment people read; before 1970 counts as 1970.
pub fn wall() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}
