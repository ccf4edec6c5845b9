//! Who is asking: tokens, passwords, and what they prove.

use crate::model::{Grant, Secret};

/// What a client presents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// The user field: an account, a host, a placeholder, even empty. A hint:
    /// the secret decides.
    pub user: String,
    /// The password or token.
    pub secret: Secret,
}

/// What a login proves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Auth {
    /// This much may be touched.
    Granted(Grant),
    /// No key and no password of ours, or not for this user or from there.
    Wrong,
    /// Right, but the account is blocked by a person.
    Blocked,
    /// Too many slow password checks under way: try again later (`911`).
    Busy,
}
