//! As whom the server runs: what the operator writes, and who that is here.

use std::fmt;
use std::str::FromStr;

use nix::unistd::{self, Gid, Uid};

use super::PrivilegeError;

/// Whom the server is to become: `truename`, `5353` or `5353:5353`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum User {
    /// By name, as the system knows it; the group is theirs.
    Name(String),
    /// By number. Without a group: the one that the system knows for the
    /// user, else the group of the same number.
    Number {
        /// The user.
        uid: u32,
        /// The group.
        gid: Option<u32>,
    },
}

/// What is written is nobody.
#[derive(Debug, PartialEq, Eq)]
pub struct UserError;

impl fmt::Display for UserError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a user is a name like truename, or numbers like 5353 or 5353:5353")
    }
}

impl std::error::Error for UserError {}

impl FromStr for User {
    type Err = UserError;

    fn from_str(text: &str) -> Result<User, UserError> {
        let number = |text: &str| text.parse::<u32>().map_err(|_| UserError);
        if text.starts_with(|c: char| c.is_ascii_digit()) {
            return Ok(match text.split_once(':') {
                None => User::Number { uid: number(text)?, gid: None },
                Some((uid, gid)) => User::Number { uid: number(uid)?, gid: Some(number(gid)?) },
            });
        }
        let sound = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        match !text.is_empty() && text.len() <= 256 && text.chars().all(sound) {
            true => Ok(User::Name(text.to_owned())),
            false => Err(UserError),
        }
    }
}

/// A user of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// As the operator calls it.
    name: String,
    /// The user's number; never root's.
    pub(super) uid: u32,
    /// The group's.
    pub(super) gid: u32,
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl User {
    /// Who that is on this machine.
    pub(super) fn identity(&self) -> Result<Identity, PrivilegeError> {
        let (name, found) = match self {
            User::Name(name) => (name.clone(), unistd::User::from_name(name)),
            User::Number { uid, .. } => {
                (uid.to_string(), unistd::User::from_uid(Uid::from_raw(*uid)))
            }
        };
        let found = found.map_err(|error| {
            PrivilegeError(format!("who is `user` {name}? The system says: {error}"))
        })?;
        let (uid, gid) = match (self, &found) {
            (User::Number { uid, gid: Some(gid) }, _) => (*uid, *gid),
            (_, Some(user)) => (user.uid.as_raw(), user.gid.as_raw()),
            (User::Number { uid, gid: None }, None) => (*uid, *uid),
            (User::Name(_), None) => {
                return Err(PrivilegeError(format!(
                    "there is no user {name}; make one (`useradd --system --shell \
                     /usr/sbin/nologin {name}`), or correct `user` in the configuration"
                )));
            }
        };
        if uid == 0 {
            return Err(PrivilegeError(
                "`user` is to be somebody else than root; take it out to run as root".into(),
            ));
        }
        Ok(Identity { name, uid, gid })
    }
}

impl Identity {
    /// From root to this user, with all threads, for good.
    pub(super) fn become_it(&self) -> Result<(), PrivilegeError> {
        let refused = |error: nix::Error| {
            PrivilegeError(format!(
                "root cannot become {self} here: {error}; a container needs the capabilities \
                 SETUID and SETGID for that, or is started as {self} in the first place (then \
                 take `user` out)"
            ))
        };
        let (uid, gid) = (Uid::from_raw(self.uid), Gid::from_raw(self.gid));
        unistd::setgroups(&[]).map_err(refused)?;
        unistd::setresgid(gid, gid, gid).map_err(refused)?;
        unistd::setresuid(uid, uid, uid).map_err(refused)
    }

    /// Whether the process is this user and no way leads back.
    pub(super) fn is_final(&self) -> bool {
        let users = unistd::getresuid();
        let groups = unistd::getresgid();
        let all_this = users.is_ok_and(|ids| {
            [ids.real, ids.effective, ids.saved].iter().all(|id| id.as_raw() == self.uid)
        }) && groups.is_ok_and(|ids| {
            [ids.real, ids.effective, ids.saved].iter().all(|id| id.as_raw() == self.gid)
        });
        all_this
            && unistd::getgroups().is_ok_and(|groups| groups.is_empty())
            && unistd::setuid(Uid::from_raw(0)).is_err()
            && unistd::setgid(Gid::from_raw(0)).is_err() == (self.gid != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_a_name_or_numbers() {
        assert_eq!("truename".parse(), Ok(User::Name("truename".into())));
        assert_eq!("5353".parse(), Ok(User::Number { uid: 5353, gid: None }));
        assert_eq!("5353:54".parse(), Ok(User::Number { uid: 5353, gid: Some(54) }));
        for wrong in ["", "5353:", ":5353", "53x", "a b", "a:b", "-1 ", "4294967296", "\u{e9}"] {
            assert_eq!(wrong.parse::<User>(), Err(UserError), "{wrong}");
        }
    }

    #[test]
    fn root_is_nobody_to_become() {
        for root in ["root", "0", "0:5353"] {
            let said = root.parse::<User>().unwrap().identity().unwrap_err().to_string();
            assert!(said.contains("somebody else than root"), "{said}");
        }
        let said = User::Name("nobody-of-this-name".into()).identity().unwrap_err().to_string();
        assert!(said.contains("there is no user nobody-of-this-name"), "{said}");
        let unknown = User::Number { uid: 54_321, gid: None }.identity().unwrap();
        assert_eq!((unknown.uid, unknown.gid), (54_321, 54_321));
    }
}
