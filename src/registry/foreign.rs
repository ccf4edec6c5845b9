//! Secrets that came from another program as hashes of its own making. They
//! prove their hosts like any other; the first time one is used rightly, its
//! key gets our own digest and the foreign hash is forgotten.
//!
//! | form | whose |
//! |---|---|
//! | `$2a$10$…` | bcrypt: acme-dns |
//! | `sha1$SALT$HEX` | Django's salted SHA-1: nsupdate.info |
//! | `argon2$argon2id$…` | Django's argon2: newer nsupdate.info |

use argon2::password_hash::phc::PasswordHash;
use argon2::{Argon2, PasswordVerifier};
use sha1::{Digest, Sha1};
use subtle::ConstantTimeEq;

use super::State;
use crate::model::{Holder, Key, Name};

/// Rounds of bcrypt, as powers of two: more would take seconds.
const BCRYPT_COSTS: std::ops::RangeInclusive<u32> = 4..=14;

/// Keys with foreign hashes that are tried for one login.
const TRIED: usize = 4;

/// Whether a hash has a form that can be checked here.
pub(super) fn is_known(hash: &str) -> bool {
    if let Some(rest) = hash.strip_prefix("sha1$") {
        return rest.split_once('$').is_some_and(|(_, digest)| {
            data_encoding::HEXLOWER_PERMISSIVE
                .decode(digest.as_bytes())
                .is_ok_and(|d| d.len() == 20)
        });
    }
    if let Some(phc) = hash.strip_prefix("argon2") {
        return PasswordHash::new(phc).is_ok();
    }
    bcrypt_cost(hash).is_some_and(|cost| BCRYPT_COSTS.contains(&cost)) && hash.len() == 60
}

/// `$2b$10$…`
fn bcrypt_cost(hash: &str) -> Option<u32> {
    let mut parts = hash.strip_prefix('$')?.split('$');
    matches!(parts.next(), Some("2a" | "2b" | "2y")).then_some(())?;
    parts.next()?.parse().ok()
}

/// Whether a hash is that of a secret. Slow, but for salted SHA-1.
pub(super) fn is_right(hash: &str, secret: &str) -> bool {
    if !is_known(hash) {
        return false;
    }
    if let Some(rest) = hash.strip_prefix("sha1$") {
        let Some((salt, digest)) = rest.split_once('$') else { return false };
        let wanted = data_encoding::HEXLOWER_PERMISSIVE.decode(digest.as_bytes());
        let mut is = Sha1::new();
        is.update(salt.as_bytes());
        is.update(secret.as_bytes());
        return wanted.is_ok_and(|wanted| bool::from(is.finalize().as_slice().ct_eq(&wanted)));
    }
    if let Some(phc) = hash.strip_prefix("argon2") {
        return PasswordHash::new(phc)
            .is_ok_and(|hash| Argon2::default().verify_password(secret.as_bytes(), &hash).is_ok());
    }
    bcrypt::verify(secret, hash).unwrap_or(false)
}

impl State {
    /// The keys of the host logged in as whose secrets are known by foreign
    /// hashes only. A label alone is the host's in any zone: acme-dns's
    /// clients know no more.
    pub(super) fn foreign_keys(&self, user: &str) -> Vec<Key> {
        let names: Vec<Name> = match user.contains('.') {
            true => user.parse().into_iter().collect(),
            false => self.zones().filter_map(|zone| zone.child(user.as_bytes()).ok()).collect(),
        };
        let keys = names
            .into_iter()
            .flat_map(|name| self.keys_of(&Holder::Host(name)).collect::<Vec<_>>());
        keys.filter(|key| key.foreign.is_some()).take(TRIED).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{is_known, is_right};

    /// Made by Python's hashlib and bcrypt, and by Django.
    #[test]
    fn hashes_of_other_programs() {
        for hash in [SHA1, ARGON2, BCRYPT] {
            assert!(is_known(hash), "{hash}");
            assert!(is_right(hash, "correct horse"), "{hash}");
            assert!(!is_right(hash, "correct house"), "{hash}");
        }
        for other in [
            "",
            "correct horse",
            "sha1$salt$abc",
            "md5$salt$0123",
            "pbkdf2_sha256$1$salt$AAAA",
            "argon2$",
            "$2b$31$abcdefghijklmnopqrstuuIWbLL9PMl4X7ljCf2dqJG/aSRpXGYva",
            "$2b$10$short",
        ] {
            assert!(!is_known(other), "{other}");
            assert!(!is_right(other, "correct horse"), "{other}");
        }
    }

    const SHA1: &str = "sha1$Jq8ZC1xW$e584091031386358c4544a38802b0e7306bfa544";
    const ARGON2: &str = "argon2$argon2id$v=19$m=256,t=1,p=1$YzI5dFpYTmhiSFF4TWpNMA$kH3exdt9XxXJpGRnfMm102AFv+O/+t4v1k4aK+Ti/54";
    const BCRYPT: &str = "$2a$10$5G0qrcG6luM387tC7zGbie1Nw7xaTHGGBts20BgIPV5uqDCtVq0Va";
}
