//! A look at the store of a stopped server.

use std::path::Path;
use std::sync::Arc;

use super::home::{Home, LOCK};
use super::start::{Failure, Reader, open_whole, refuse_other_engines};
use super::{Engine, StoreError};

/// Shows the store in a directory to a reader and closes it as it was: nothing
/// is mended, restored or set aside, which is a start's to do. `None`: nothing
/// was ever acknowledged there.
///
/// # Errors
/// When the directory is in use, cannot be used by this user, or holds a store
/// of another engine or a damaged one.
pub fn look<R: Reader>(
    engine: Engine,
    directory: &Path,
    reader: R,
) -> Result<Option<R>, StoreError> {
    match directory.join(LOCK).try_exists() {
        Ok(true) => {}
        // It would be made, and be this user's.
        Ok(false) => return Ok(None),
        Err(error) => {
            return Err(StoreError::Broken(format!("{}: {error}", directory.display())));
        }
    }
    let home = Arc::new(Home::claim(directory)?);
    let ready = home.ready(engine)?;
    refuse_other_engines(&home, engine, ready.is_some())?;
    let Some(ready) = ready else { return Ok(None) };
    let (whole, reader) =
        open_whole(engine, &home, ready, reader).map_err(|failure| match failure {
            Failure::Stop(error) => error,
            Failure::Torn(why) => StoreError::Broken(format!(
                "the store of {engine} is broken ({why}); the next start says what it does about it"
            )),
        })?;
    match whole.lost {
        None => Ok(Some(reader)),
        Some(why) => Err(StoreError::Broken(format!(
            "the journal of {engine} is broken ({why}); the next start says what it does about it"
        ))),
    }
}
