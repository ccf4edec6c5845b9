//! The text dump of a registry.

use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

use super::State;
use super::core::Core;
use crate::model::{Now, Served};
use crate::store::{Store, StoreError, dump};

/// Writes the text dump: the state as it was published, and history.
pub(super) fn write_dump(
    file: &Path,
    state: &State,
    store: &dyn Store,
    served: Served,
) -> Result<u64, StoreError> {
    dump::write(file, state.rows(served, store.rows("history/")))
}

/// The text dump, written beside everything else: a State is a version that
/// stays as it is. One at a time.
pub(super) struct Dump {
    /// `None`: none is wanted.
    file: Option<PathBuf>,
    writing: Option<JoinHandle<()>>,
}

impl Dump {
    /// Into this file.
    pub fn into(file: Option<&Path>) -> Dump {
        Dump { file: file.map(Path::to_owned), writing: None }
    }

    /// Begins to write one, unless the one before it is not done yet.
    pub fn begin(&mut self, core: &Core, now: Now) {
        let Some(file) = self.file.clone() else { return };
        if self.writing.as_ref().is_some_and(|writing| !writing.is_finished()) {
            return;
        }
        let (state, store) = (core.published().state.load_full(), core.store());
        let write = move || {
            if let Err(error) = write_dump(&file, &state, &*store, now.served) {
                tracing::error!("the dump {} is not written: {error}", file.display());
            }
        };
        match std::thread::Builder::new().name("dump".into()).spawn(write) {
            Ok(writing) => self.writing = Some(writing),
            Err(error) => tracing::error!("the dump is not written: {error}"),
        }
    }

    /// Waits for the one that is being written.
    pub fn end(&mut self) {
        if let Some(writing) = self.writing.take() {
            let _ = writing.join();
        }
    }
}
