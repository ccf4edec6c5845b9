//! The form at rest.
