//! The one clock. Nothing else asks what time it is.

use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::model::{Moment, Moments, Now, Served, Timestamp};
use crate::registry::Clock;

/// The system's clocks, for a store that was served for `before` until now.
///
/// Leases run on the monotonic clock: a system clock that is stepped, either
/// way, moves no lease.
pub fn system(before: Served) -> Clock {
    let start = Instant::now();
    Box::new(move || Now { wall: wall(), served: before.plus(start.elapsed()) })
}

/// The moments that sockets count by: from now on.
pub fn moments() -> Moments {
    let start = Instant::now();
    Arc::new(move || {
        let micros = u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX);
        Moment { micros, wall: wall().0 as u32 }
    })
}

/// The moment people read; before 1970 counts as 1970.
pub fn wall() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}
