//! Where the secrets of server cookies come from: a file that several servers
//! can share, or chance.

use std::fmt;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::answer::{CookieSecrets, Cookies, Secret};
use crate::model::Moment;

/// Permission bits of those who neither own a file nor are in its group.
const OTHERS: u32 = 0o007;

/// A file of cookie secrets, as [`CookieSecrets::parse`] reads it.
#[derive(Debug)]
pub struct CookieFile {
    path: PathBuf,
    cookies: Arc<Cookies>,
}

/// Why a file of cookie secrets is not taken.
#[derive(Debug)]
pub struct CookieFileError {
    path: PathBuf,
    problem: String,
}

impl fmt::Display for CookieFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path.display(), self.problem)
    }
}

impl std::error::Error for CookieFileError {}

impl CookieFile {
    /// Reads it.
    ///
    /// # Errors
    /// When it cannot be read, others than its owner and group may read it,
    /// or it does not hold secrets.
    pub fn load(path: &Path) -> Result<CookieFile, CookieFileError> {
        let cookies = Arc::new(Cookies::new(read(path)?));
        Ok(CookieFile { path: path.to_owned(), cookies })
    }

    /// Reads it again; the secrets that were read before go on when it is
    /// wrong.
    ///
    /// # Errors
    /// As [`CookieFile::load`].
    pub fn reload(&self) -> Result<(), CookieFileError> {
        self.cookies.replace(read(&self.path)?);
        Ok(())
    }

    /// Cookies by what was read last.
    pub fn cookies(&self) -> Arc<Cookies> {
        self.cookies.clone()
    }
}

fn read(path: &Path) -> Result<CookieSecrets, CookieFileError> {
    let wrong = |problem: String| CookieFileError { path: path.to_owned(), problem };
    let metadata = fs::metadata(path).map_err(|error| wrong(error.to_string()))?;
    let mode = metadata.permissions().mode();
    if mode & OTHERS != 0 {
        return Err(wrong(format!(
            "everybody on this machine may read the secrets (mode {:03o}); \
             `chmod o= {}`, and put new ones in if that matters",
            mode & 0o777,
            path.display()
        )));
    }
    let text = fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
    CookieSecrets::parse(&text).map_err(wrong)
}

/// Cookies by a secret that nobody knows: clients learn a new cookie from the
/// first answer of the server that is started next.
pub fn by_chance() -> Arc<Cookies> {
    Arc::new(Cookies::of_chance(random()))
}

fn random() -> Secret {
    let mut secret = Secret::default();
    getrandom::fill(&mut secret).expect("the system has random numbers");
    secret
}

/// How long a secret by chance makes cookies, at most: far less than the 36
/// days of RFC 7873 §7.1, and far more than a cookie is good for.
const DAY: Duration = Duration::from_secs(86_400);

/// Gives cookies by chance a new secret once a day; a bit earlier, so that
/// nobody knows when.
pub struct Renewal {
    cookies: Arc<Cookies>,
    /// In microseconds, as moments count them.
    due: u64,
}

impl Renewal {
    /// `None`: a file says what these are made with, and when that changes.
    pub fn of(cookies: &Arc<Cookies>, now: Moment) -> Option<Renewal> {
        cookies.are_of_chance().then(|| Renewal { cookies: cookies.clone(), due: next(now) })
    }

    /// Makes a new secret, if it is time.
    pub fn look(&mut self, now: Moment) {
        if now.micros >= self.due {
            self.cookies.renew(random());
            self.due = next(now);
        }
    }
}

/// When a secret made now is to be renewed: after three quarters of a day at
/// the least.
fn next(now: Moment) -> u64 {
    let [octet, ..] = random();
    let early = DAY / 4 * u32::from(octet) / 256;
    now.micros + (DAY - early).as_micros() as u64
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::net::IpAddr;
    use std::os::unix::fs::PermissionsExt;
    use std::sync::Arc;

    use super::{CookieFile, DAY, Renewal, by_chance};
    use crate::answer::{Asked, Client, CookieSecrets, Cookies, Meta};
    use crate::model::Moment;
    use crate::zone::Snapshot;

    /// Asks with a cookie: whether it is good, and the one that is answered.
    fn ask(cookies: &Cookies, cookie: &[u8]) -> (bool, Vec<u8>) {
        let address: IpAddr = "192.0.2.1".parse().unwrap();
        let now = Moment { micros: 0, wall: 1_700_000_000 };
        let meta = Meta { client: Some(Client { address, now, cookies }), ..Meta::UDP };
        let mut request = b"\0\0\0\0\0\x01\0\0\0\0\0\x01\0\0\x01\0\x01".to_vec();
        request.extend([0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 4 + cookie.len() as u8]);
        request.extend([0, 10, 0, cookie.len() as u8]);
        request.extend_from_slice(cookie);
        let (mut asked, mut answer) = (Asked::new(), Vec::new());
        asked.read(&request);
        let is_good = asked.verify(&request, &meta);
        let snapshot = Snapshot::default();
        asked.answer(&snapshot, snapshot.spot(asked.name()), &request, &meta, &mut answer);
        let told = answer.windows(8).position(|octets| octets == &cookie[..8]).unwrap();
        (is_good, answer[told..told + 24].to_vec())
    }

    /// RFC 7873 §7.1: a secret is used for 36 days at most.
    #[test]
    fn a_secret_by_chance_is_renewed_daily_and_the_one_before_is_good() {
        let cookies = by_chance();
        let at = |days: f64| Moment { micros: DAY.mul_f64(days).as_micros() as u64, wall: 0 };
        let mut renewal = Renewal::of(&cookies, at(0.0)).unwrap();
        let (_, first) = ask(&cookies, b"at home.");
        renewal.look(at(0.74));
        assert_eq!(ask(&cookies, &first), (true, first.clone()), "too early");
        renewal.look(at(1.0));
        let (is_good, second) = ask(&cookies, &first);
        assert!(is_good && second != first, "the second is not by another secret");
        // From then on it is a day again.
        renewal.look(at(1.74));
        assert_eq!(ask(&cookies, &second), (true, second.clone()), "too early");
        renewal.look(at(2.0));
        let good = [&first, &second].map(|cookie| ask(&cookies, cookie).0);
        assert_eq!(good, [false, true]);
        // What a file says, nothing but the file changes.
        let kept = Arc::new(Cookies::new(CookieSecrets::one([7; 16])));
        assert!(Renewal::of(&kept, at(0.0)).is_none());
    }

    #[test]
    fn a_file_that_everybody_may_read_is_refused_and_the_old_secrets_go_on() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("cookies");
        let mode = |mode| fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        assert!(CookieFile::load(&path).is_err());
        fs::write(&path, "00112233445566778899aabbccddeeff\n").unwrap();
        mode(0o644);
        assert!(CookieFile::load(&path).unwrap_err().to_string().contains("chmod o="));
        mode(0o640);
        let file = CookieFile::load(&path).unwrap();
        let before = format!("{:?}", file.cookies());
        fs::write(&path, "no secret").unwrap();
        assert!(file.reload().unwrap_err().to_string().contains("line 1"));
        assert_eq!(format!("{:?}", file.cookies()), before);
        fs::write(&path, "0".repeat(32) + "\n" + &"1".repeat(32)).unwrap();
        file.reload().unwrap();
        assert_ne!(format!("{:?}", file.cookies()), before);
    }
}
