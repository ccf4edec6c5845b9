//! Who is asking: tokens, passwords, and what they prove.
//!
//! A token is 160 random bits, so it is kept as a keyed fast hash and found
//! by it; nobody guesses it and no slow hash protects it better. A person's
//! password is kept as argon2id; `passwords.rs` says how one is checked.

use std::net::IpAddr;

use argon2::{Argon2, PasswordHasher};
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use super::{CommandError, Registry, State};
use crate::model::{AccountName, Grant, Holder, Key, KeyDigest, KeyId, May, Name, Secret, Served};

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

/// The shortest password a person may choose, in characters.
pub const MIN_PASSWORD: usize = 8;

/// The longest secret looked at, in octets; argon2 would hash any length.
pub(super) const MAX_SECRET: usize = 256;

/// A hash like those of passwords, of which nobody knows the password.
pub(super) const NOBODYS: &str = "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5cyBzYWx0IGhlcmU$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// What a secret that both sides know is for. A token proves itself by being
/// sent; these sign, and never are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Purpose {
    /// Messages of DNS (RFC 8945).
    Tsig,
    /// Updates over plain HTTP (`clients/signed.md`).
    Signed,
}

/// The store's own key for the digests of tokens.
#[derive(Clone, Copy)]
pub(super) struct TokenKey([u8; 32]);

impl TokenKey {
    pub(super) fn random() -> TokenKey {
        TokenKey(random())
    }

    /// In the place of one that is not read yet.
    pub(super) fn unknown() -> TokenKey {
        TokenKey([0; 32])
    }

    pub(super) fn from_hex(text: &str) -> Option<TokenKey> {
        let bytes = data_encoding::HEXLOWER.decode(text.as_bytes()).ok()?;
        Some(TokenKey(bytes.try_into().ok()?))
    }

    pub(super) fn to_hex(self) -> String {
        data_encoding::HEXLOWER.encode(&self.0)
    }

    /// The secret that a key has for one purpose: made of this and the key's
    /// public number, so that it is kept nowhere.
    pub(super) fn shared_secret(&self, id: &KeyId, purpose: Purpose) -> [u8; 32] {
        let purpose = match purpose {
            Purpose::Tsig => "truename tsig",
            Purpose::Signed => "truename signed update",
        };
        mac(&self.0, &[purpose.as_bytes(), id.0.as_bytes()])
    }

    /// What a token is kept and found by.
    pub(super) fn digest(&self, token: &Secret) -> KeyDigest {
        let whole = mac(&self.0, &[token.0.as_bytes()]);
        KeyDigest(*whole.first_chunk().expect("it is twice as long"))
    }
}

/// A new token: 32 characters of `a-z 2-7`, 160 random bits.
pub(super) fn new_token() -> Secret {
    Secret(letters(&random::<20>()))
}

/// A new token of 40 characters, 200 random bits: as long as those of
/// acme-dns, whose clients may look at the length.
pub(super) fn new_long_token() -> Secret {
    Secret(letters(&random::<25>()))
}

/// A random UUID in lower case (RFC 9562 §5.4).
pub(super) fn new_uuid() -> String {
    let mut bits = u128::from_be_bytes(random());
    bits = bits & !(0xf << 76) | 0x4 << 76;
    bits = bits & !(0x3 << 62) | 0x2 << 62;
    let text = format!("{bits:032x}");
    [&text[..8], &text[8..12], &text[12..16], &text[16..20], &text[20..]].join("-")
}

/// A new public number for a key: 8 characters, 40 random bits.
pub(super) fn new_key_id() -> KeyId {
    KeyId(letters(&random::<5>()))
}

fn letters(bytes: &[u8]) -> String {
    data_encoding::BASE32_NOPAD.encode(bytes).to_ascii_lowercase()
}

pub(super) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the kernel gives random bytes once it runs");
    bytes
}

pub(super) fn mac(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(key).expect("any length is a key");
    for part in parts {
        mac.update(&(part.len() as u64).to_be_bytes());
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

/// A person's password as an argon2id PHC string (RFC 9106, the library's
/// defaults: 19 MiB, two passes). Slow on purpose.
pub(super) fn hash_password(password: &str) -> String {
    let hash = Argon2::default().hash_password(password.as_bytes());
    hash.expect("the default parameters are in range").to_string()
}

/// A person's password as it is kept.
pub(super) async fn hashed(password: Option<String>) -> Result<Option<String>, CommandError> {
    let Some(password) = password else { return Ok(None) };
    if password.chars().count() < MIN_PASSWORD {
        return Err(CommandError(format!("a password has {MIN_PASSWORD} characters at least")));
    }
    let hash = tokio::task::spawn_blocking(move || hash_password(&password));
    Ok(Some(hash.await.map_err(|_| CommandError("the server is stopping".into()))?))
}

impl Registry {
    /// How many secrets were checked by a slow hash since the start.
    pub fn slow_checks(&self) -> u64 {
        self.0.passwords.slow_checks()
    }

    /// The secret a key has for one purpose, and what the key grants; `None`:
    /// there is no such key, it has ended, it may not be used from `source`, or
    /// its account is blocked.
    pub fn shared_secret(
        &self,
        id: &KeyId,
        purpose: Purpose,
        source: IpAddr,
    ) -> Option<(Grant, [u8; 32])> {
        self.state().shared_secret(id, purpose, source, self.now().served)
    }
}

impl State {
    /// The same at this moment.
    fn shared_secret(
        &self,
        id: &KeyId,
        purpose: Purpose,
        source: IpAddr,
        now: Served,
    ) -> Option<(Grant, [u8; 32])> {
        let may = |key: &Key| !key.has_ended(now) && key.allows_source(source);
        let key = self.key(id).filter(may)?;
        match granted(self, grant(&key)) {
            Auth::Granted(grant) => Some((grant, self.token_key.shared_secret(id, purpose))),
            _ => None,
        }
    }
}

/// What a key allows.
pub(super) fn grant(key: &Key) -> Grant {
    Grant {
        holder: key.holder.clone(),
        hosts: key.hosts.clone(),
        key: Some(key.id.clone()),
        may: key.may.clone(),
    }
}

/// The account whose password it may be, its hash, and what it would allow:
/// the account logged in as, or the owner of the host logged in as.
pub(super) fn by_password(state: &State, user: &str) -> Option<(AccountName, String, Grant)> {
    let named = user.parse().ok().and_then(|name: AccountName| state.account(&name));
    let (account, hosts) = match named {
        Some(account) if account.password.is_some() => (account, Vec::new()),
        _ => {
            let host = state.host(&user.parse::<Name>().ok()?)?;
            (state.account(host.owner.as_ref()?)?, vec![host.name])
        }
    };
    let hash = account.password?;
    let holder = Holder::Account(account.name.clone());
    let grant = Grant { holder, hosts, key: None, may: May::default() };
    Some((account.name, hash, grant))
}

pub(super) fn granted(state: &State, grant: Grant) -> Auth {
    let blocked = match &grant.holder {
        Holder::Account(name) => state.account(name).is_some_and(|account| account.blocked),
        Holder::Host(_) => false,
    };
    if blocked { Auth::Blocked } else { Auth::Granted(grant) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_long_and_never_the_same() {
        let (one, two) = (new_token(), new_token());
        assert_eq!(one.0.len(), 32);
        assert!(one.0.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()));
        assert_ne!(one, two);
    }

    #[test]
    fn names_and_tokens_as_acme_dns_has_them() {
        let token = new_long_token();
        assert_eq!(token.0.len(), 40);
        let uuid = new_uuid();
        let parts: Vec<&str> = uuid.split('-').collect();
        assert_eq!(parts.iter().map(|part| part.len()).collect::<Vec<_>>(), [8, 4, 4, 4, 12]);
        assert!(uuid.bytes().all(|b| b"0123456789abcdef-".contains(&b)), "{uuid}");
        assert!(parts[2].starts_with('4'), "random: {uuid}");
        assert!(parts[3].starts_with(['8', '9', 'a', 'b']), "of this variant: {uuid}");
        assert_ne!(new_uuid(), uuid);
    }

    #[test]
    fn the_same_token_under_another_key_is_another_digest() {
        let token = Secret("abc".into());
        let key = TokenKey([1; 32]);
        assert_eq!(key.digest(&token), TokenKey::from_hex(&key.to_hex()).unwrap().digest(&token));
        assert_ne!(key.digest(&token), TokenKey([2; 32]).digest(&token));
    }
}
