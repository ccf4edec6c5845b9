//! Who owns hosts.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::Timestamp;

/// The name a person logs in with: 1 to 64 of `a-z 0-9 . _ @ + -`, lower
/// case. It cannot hold a colon, which ends the user in HTTP Basic
/// (RFC 7617 §2).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct AccountName(Box<str>);

/// Why a text is not an account name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccountNameError;

impl fmt::Display for AccountNameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an account name is 1 to 64 of the characters a-z 0-9 . _ @ + -")
    }
}

impl std::error::Error for AccountNameError {}

impl AccountName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for AccountName {
    type Err = AccountNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || "._@+-".contains(c);
        if text.is_empty() || text.len() > 64 || !text.chars().all(allowed) {
            return Err(AccountNameError);
        }
        Ok(AccountName(text.to_ascii_lowercase().into()))
    }
}

impl<'de> Deserialize<'de> for AccountName {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        super::parsed(deserializer)
    }
}

impl fmt::Display for AccountName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Somebody who owns hosts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// The login.
    pub name: AccountName,
    /// A person's password as an argon2id PHC string; keys need none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
    /// Blocked by a person: every update is answered `abuse`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub blocked: bool,
    /// When the account was made.
    pub created: Timestamp,
}
