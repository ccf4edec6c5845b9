//! Strangers: what they may not do to us.
