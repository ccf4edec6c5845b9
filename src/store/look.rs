//! A look at the store of a stopped server.

use std::path::Path;
use std::sync::Arc;

use super::home::{Home, LOCK};
use super::start::{Failure, Reader, open_whole, refuse_other_engines};
use super::{Engine, StoreError};

/// What was seen of a store.
pub enum Seen<R> {
    /// Nothing was ever acknowledged there.
    Nothing,
    /// All of it.
    All(R),
    /// What keeps a server from starting on it.
    Refused(StoreError),
}

/// Shows the store in a directory to a reader and closes it as it was: nothing
/// is mended, restored or set aside, which is a start's to do.
///
/// # Errors
/// When the directory is in use, cannot be used by this user, or holds a damaged
/// store, of which a start makes the best.
pub fn look<R: Reader>(engine: Engine, directory: &Path, reader: R) -> Result<Seen<R>, StoreError> {
    match directory.join(LOCK).try_exists() {
        Ok(true) => {}
        // It would be made, and be this user's.
        Ok(false) => return Ok(Seen::Nothing),
        Err(error) => {
            return Err(StoreError::Broken(format!("{}: {error}", directory.display())));
        }
    }
    let home = Arc::new(Home::claim(directory)?);
    let ready = home.ready(engine)?;
    if let Err(why) = refuse_other_engines(&home, engine, ready.is_some()) {
        return Ok(Seen::Refused(why));
    }
    let Some(ready) = ready else { return Ok(Seen::Nothing) };
    let (whole, reader) = match open_whole(engine, &home, ready, reader) {
        Ok(opened) => opened,
        Err(Failure::Stop(why)) => return Ok(Seen::Refused(why)),
        Err(Failure::Torn(why)) => {
            return Err(StoreError::Broken(format!(
                "the store of {engine} is broken ({why}); the next start says what it does about it"
            )));
        }
    };
    match whole.lost {
        None => Ok(Seen::All(reader)),
        Some(why) => Err(StoreError::Broken(format!(
            "the journal of {engine} is broken ({why}); the next start says what it does about it"
        ))),
    }
}
