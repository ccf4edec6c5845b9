//! Where the secrets of server cookies come from: a file that several servers
//! can share, or chance.

use std::fmt;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::answer::{CookieSecrets, Cookies, Secret};

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

/// Cookies by a secret that nobody knows, until this server ends: its clients
/// learn a new cookie from the next one's first answer.
pub fn by_chance() -> Arc<Cookies> {
    let mut secret = Secret::default();
    getrandom::fill(&mut secret).expect("the system has random numbers");
    Arc::new(Cookies::new(CookieSecrets::one(secret)))
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use super::CookieFile;

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
