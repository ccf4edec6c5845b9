//! Checks people's passwords, slowly once and quickly after, and the secrets
//! that came from other programs as hashes of their making.
//!
//! What was right before is known by a fast hash, from wherever it is sent;
//! what was wrong a moment ago, too: a router with a wrong password that comes
//! every minute for ever costs no slow hash. All else waits for its turn
//! (`turns.rs`). Both are kept in memory alone, under a key of this process.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use argon2::password_hash::phc::PasswordHash;
use argon2::{Argon2, PasswordVerifier};
use ipnet::IpNet;
use subtle::ConstantTimeEq;

use super::pace::moment;
use super::secrets::{Auth, Login, MAX_SECRET, NOBODYS, by_password, grant, granted, mac, random};
use super::thread::Clock;
use super::turns::{Asker, Turns};
use super::{State, foreign};
use crate::limit::{Limiter, Rate};
use crate::model::{AccountName, Grant, Holder, Host, Key, Name, Secret, Served, household};

/// Wrong passwords remembered.
const WRONG: usize = 4096;

/// Networks remembered from which accounts were used.
const KNOWN: usize = 16_384;

/// Hosts of an account of which it is looked up from where they reported.
const HOSTS: usize = 64;

/// Networks of which it is told, within an hour, that logins were refused.
const TOLD: u32 = 60;

/// Checks passwords.
pub(super) struct Passwords {
    /// A key of this process alone: what is remembered is worth nothing
    /// outside it.
    key: [u8; 32],
    /// By account, the digest of the hash and the password that matched it.
    /// At most one an account.
    remembered: Mutex<HashMap<AccountName, [u8; 32]>>,
    wrong: Marks,
    known: Marks,
    turns: Turns,
    told: Limiter,
    /// Slow hashes so far.
    done: AtomicU64,
    clock: Arc<Clock>,
    began: Served,
}

/// What a password check says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Checked {
    Right,
    Wrong,
    Busy,
}

/// A table of digests that never grows: one may take the place of another.
struct Marks(Box<[AtomicU64]>);

impl Marks {
    fn new(count: usize) -> Marks {
        Marks((0..count).map(|_| AtomicU64::new(0)).collect())
    }

    fn place(&self, digest: &[u8; 32]) -> (&AtomicU64, u64) {
        let [at, mark] = [0, 8].map(|start| {
            let part = digest[start..].first_chunk().expect("a digest is longer");
            u64::from_be_bytes(*part)
        });
        (&self.0[at as usize % self.0.len()], mark)
    }

    fn has(&self, digest: &[u8; 32]) -> bool {
        let (place, mark) = self.place(digest);
        place.load(Ordering::Relaxed) == mark
    }

    fn set(&self, digest: &[u8; 32]) {
        let (place, mark) = self.place(digest);
        place.store(mark, Ordering::Relaxed);
    }
}

impl Passwords {
    /// With so many guesses of one account's password in a minute.
    pub(super) fn new(guesses: u32, clock: Arc<Clock>) -> Passwords {
        Passwords {
            key: random(),
            remembered: Mutex::default(),
            wrong: Marks::new(WRONG),
            known: Marks::new(KNOWN),
            turns: Turns::new(guesses, clock.clone()),
            told: Limiter::new(TOLD as usize),
            done: AtomicU64::new(0),
            began: clock().served,
            clock,
        }
    }

    /// Says what a login proves.
    pub(super) async fn authenticate(&self, state: &State, login: &Login, source: IpAddr) -> Auth {
        let auth = match self.recognise(state, login, source) {
            Some(auth) => auth,
            None => self.check(state, login, source).await,
        };
        if matches!(auth, Auth::Wrong | Auth::Busy) && self.is_news(source) {
            tracing::info!(
                %source,
                "logins from there are refused; `truename why --recent` shows them (this is said \
                 once an hour)"
            );
        }
        auth
    }

    /// The same as far as it can be said quickly: of tokens, and of passwords
    /// that were right before.
    pub(super) fn recognise(&self, state: &State, login: &Login, source: IpAddr) -> Option<Auth> {
        if login.secret.0.is_empty() || login.secret.0.len() > MAX_SECRET {
            return Some(Auth::Wrong);
        }
        if let Some((auth, is_named)) = self.of_key(state, login, source) {
            // One host of several that came with the same secret has used it,
            // and the one logged in as may not have yet.
            let is_sure = is_named || state.foreign_keys(&login.user).is_empty();
            return is_sure.then_some(auth);
        }
        let (account, hash, grant) = by_password(state, &login.user)?;
        let digest = self.digest(&hash, &login.secret);
        self.is_remembered(&account, &digest).then(|| granted(state, grant))
    }

    /// What a secret proves that is a key's; of several keys (hosts may have
    /// come from elsewhere with the same secret) that which is good for the
    /// host logged in as. And whether it is that one.
    fn of_key(&self, state: &State, login: &Login, source: IpAddr) -> Option<(Auth, bool)> {
        let named = login.user.parse().ok().and_then(|name: Name| state.host(&name));
        let mut auth = None;
        for key in state.keys_by_secret(&login.secret) {
            let auth = auth.get_or_insert(Auth::Wrong);
            let grant = grant(&key);
            let may = !key.has_ended(self.now()) && key.allows_source(source);
            if !may || state.contradicts(&login.user, &grant) {
                continue;
            }
            if named.as_ref().is_some_and(|host| state.covers(&grant, host)) {
                return Some((granted(state, grant), true));
            }
            if *auth == Auth::Wrong {
                *auth = granted(state, grant);
            }
        }
        auth.map(|auth| (auth, false))
    }

    /// Checks what cannot be told quickly.
    async fn check(&self, state: &State, login: &Login, source: IpAddr) -> Auth {
        let network = household(source);
        for key in state.foreign_keys(&login.user) {
            let may = !key.has_ended(self.now()) && key.allows_source(source);
            let hash = key.foreign.clone().filter(|_| may);
            let Some(hash) = hash else { continue };
            let asker = self.asker_of_key(state, &key, network);
            let digest = self.digest(&hash, &login.secret);
            let secret = login.secret.clone();
            let is_right = move || foreign::is_right(&hash, &secret.0);
            match self.slowly(&asker, &login.user, &digest, || false, is_right).await {
                Checked::Right => return granted(state, grant(&key)),
                Checked::Wrong => {}
                Checked::Busy => return Auth::Busy,
            }
        }
        if let Some((auth, _)) = self.of_key(state, login, source) {
            return auth;
        }
        let Some((account, hash, grant)) = by_password(state, &login.user) else {
            return self.nobody(state, login, network).await;
        };
        let asker = self.asker_of_account(state, &account, &grant, network);
        match self.check_password(&account, &hash, login, &asker).await {
            Checked::Right => granted(state, grant),
            Checked::Wrong => Auth::Wrong,
            Checked::Busy => Auth::Busy,
        }
    }

    /// What a login proves whose user has no password: nothing, but where
    /// people have passwords, it takes as long to say so. Nobody learns by the
    /// clock which accounts there are, and which silent hosts.
    async fn nobody(&self, state: &State, login: &Login, network: IpNet) -> Auth {
        let user = &login.user;
        let names_somebody = user.parse::<AccountName>().is_ok() || user.parse::<Name>().is_ok();
        if state.passwords == 0 || !names_somebody {
            return Auth::Wrong;
        }
        let asker = Asker { of: user.to_ascii_lowercase(), network, known: false };
        let digest = self.digest(NOBODYS, &login.secret);
        let wrong = || {
            PasswordHash::new(NOBODYS)
                .is_ok_and(|hash| Argon2::default().verify_password(b"", &hash).is_ok())
        };
        match self.slowly(&asker, user, &digest, || false, wrong).await {
            Checked::Busy => Auth::Busy,
            Checked::Right | Checked::Wrong => Auth::Wrong,
        }
    }

    /// How many secrets were checked by a slow hash so far.
    pub(super) fn slow_checks(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }

    async fn check_password(
        &self,
        account: &AccountName,
        hash: &str,
        login: &Login,
        asker: &Asker,
    ) -> Checked {
        let digest = self.digest(hash, &login.secret);
        let (hash, secret) = (hash.to_owned(), login.secret.clone());
        let is_right = move || {
            PasswordHash::new(&hash).is_ok_and(|hash| {
                Argon2::default().verify_password(secret.0.as_bytes(), &hash).is_ok()
            })
        };
        let is_remembered = || self.is_remembered(account, &digest);
        let checked = self.slowly(asker, &login.user, &digest, is_remembered, is_right).await;
        if checked == Checked::Right {
            self.remembered().insert(account.clone(), digest);
        }
        checked
    }

    /// A check that takes its time, when it is its turn. `known`: whether it
    /// has been found right meanwhile. What was wrong before is told at once,
    /// but to the same `user` only: else a host's name would be told from an
    /// unknown one by what its owner's name was tried with.
    async fn slowly(
        &self,
        asker: &Asker,
        user: &str,
        digest: &[u8; 32],
        known: impl Fn() -> bool,
        is_right: impl FnOnce() -> bool + Send + 'static,
    ) -> Checked {
        let wrong = mac(&self.key, &[b"wrong", user.as_bytes(), b"\0", digest]);
        if self.wrong.has(&wrong) {
            return Checked::Wrong;
        }
        let Some(turn) = self.turns.take(asker.clone()).await else { return Checked::Busy };
        let is_right = known() || {
            self.done.fetch_add(1, Ordering::Relaxed);
            let checked = tokio::task::spawn_blocking(move || {
                let is_right = is_right();
                drop(turn);
                is_right
            });
            checked.await.unwrap_or(false)
        };
        if is_right {
            self.turns.was_right(asker);
            self.known.set(&self.place_of(&asker.of, asker.network));
            return Checked::Right;
        }
        self.wrong.set(&wrong);
        Checked::Wrong
    }

    fn asker_of_key(&self, state: &State, key: &Key, network: IpNet) -> Asker {
        let (of, host) = match &key.holder {
            Holder::Host(name) => (name.to_string(), state.host(name)),
            Holder::Account(name) => (name.to_string(), None),
        };
        self.asker(of, network, host.into_iter())
    }

    fn asker_of_account(
        &self,
        state: &State,
        account: &AccountName,
        grant: &Grant,
        network: IpNet,
    ) -> Asker {
        match grant.hosts.first().and_then(|name| state.host(name)) {
            Some(host) => self.asker(account.to_string(), network, Some(host).into_iter()),
            None => self.asker(account.to_string(), network, state.hosts_of(account)),
        }
    }

    /// Somebody who wants to be the owner of these hosts. He is known where
    /// he, or one of them, was before.
    fn asker(&self, of: String, network: IpNet, mut hosts: impl Iterator<Item = Host>) -> Asker {
        let was_here = |host: Host| {
            let report = host.last_report.and_then(|report| report.source);
            report.is_some_and(|source| household(source) == network)
        };
        let known = self.known.has(&self.place_of(&of, network))
            || hosts.by_ref().take(HOSTS).any(was_here);
        Asker { of, network, known }
    }

    fn place_of(&self, of: &str, network: IpNet) -> [u8; 32] {
        mac(&self.key, &[of.as_bytes(), network.to_string().as_bytes()])
    }

    fn digest(&self, hash: &str, secret: &Secret) -> [u8; 32] {
        mac(&self.key, &[b"password", hash.as_bytes(), secret.0.as_bytes()])
    }

    fn is_remembered(&self, account: &AccountName, digest: &[u8; 32]) -> bool {
        let known = self.remembered().get(account).copied();
        known.is_some_and(|known| bool::from(known.ct_eq(digest)))
    }

    fn remembered(&self) -> MutexGuard<'_, HashMap<AccountName, [u8; 32]>> {
        self.remembered.lock().expect("nothing panics while it is held")
    }

    fn now(&self) -> Served {
        (self.clock)().served
    }

    /// Whether a word should be said of refused logins from there.
    fn is_news(&self, source: IpAddr) -> bool {
        let now = moment((self.clock)(), self.began);
        let (all, own) = (self.told.place("all"), self.told.place(household(source)));
        self.told.would_allow(all, Rate::new(TOLD, 3600, TOLD), now)
            && self.told.allow(own, Rate::new(1, 3600, 1), now)
            && self.told.allow(all, Rate::new(TOLD, 3600, TOLD), now)
    }
}
