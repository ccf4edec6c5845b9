//! Everything into a text file, and back: `export`, `import`, `migrate`.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::Failure;
use super::output::Output;
use crate::config::Config;
use crate::control::{self, AskError};
use crate::registry::Command;
use crate::store::{self, Engine, dump};

/// Writes everything kept into a file, or to standard output for `-`.
///
/// A running server writes the dump into its own data directory, where it may
/// write, and it is copied from there; with none running the store is opened
/// here.
pub fn export(config: &Config, file: &Path, json: bool) -> Result<Output, Failure> {
    let data = std::path::absolute(&config.data)?;
    let passing = Passing(data.join(format!("export-{}.dump", std::process::id())));
    let mut warnings = Vec::new();
    match control::ask(&data, &Command::Export { file: passing.0.clone() }) {
        Ok(_) => {}
        Err(AskError::NotRunning(_)) => {
            if !data.join(config.engine.name()).exists() {
                return Err(format!(
                    "there is no {} store in {}; say with --config or --data where it is",
                    config.engine,
                    data.display()
                )
                .into());
            }
            let opened = store::open(config.engine, &data)?;
            dump::write(&passing.0, opened.store.rows(""))?;
            warnings = opened.warnings;
        }
        Err(error) => return Err(error.into()),
    }
    let bytes = deliver(&passing.0, file)
        .map_err(|error| format!("{} cannot be written: {error}", file.display()))?;
    let mut output = if file == Path::new("-") {
        Output::nothing()
    } else {
        Output::of(&json!({ "file": file, "bytes": bytes }), json, || {
            format!(
                "Everything is in {} ({bytes} bytes). Keep it as safe as the data directory: \
                 tokens are found by what it holds.\n",
                file.display()
            )
        })?
    };
    output.remarks = warnings;
    Ok(output)
}

/// A dump on its way out; gone whatever happens.
struct Passing(PathBuf);

impl Drop for Passing {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Copies the dump to where it is wanted: the file is whole or as it was.
fn deliver(dump: &Path, file: &Path) -> io::Result<u64> {
    let mut dump = File::open(dump)?;
    if file == Path::new("-") {
        let mut stdout = io::stdout().lock();
        let bytes = io::copy(&mut dump, &mut stdout)?;
        stdout.flush()?;
        return Ok(bytes);
    }
    let mut name = file.file_name().ok_or(io::ErrorKind::IsADirectory)?.to_owned();
    name.push(".new");
    let fresh = Passing(file.with_file_name(name));
    let mut target =
        File::options().write(true).create(true).truncate(true).mode(0o600).open(&fresh.0)?;
    let bytes = io::copy(&mut dump, &mut target)?;
    target.sync_all()?;
    std::fs::rename(&fresh.0, file)?;
    Ok(bytes)
}

/// Fills a new store from a dump.
pub fn import(config: &Config, file: &Path, json: bool) -> Result<Output, Failure> {
    let rows = store::import(config.engine, &config.data, file)?;
    Output::of(&json!({ "rows": rows }), json, || {
        format!(
            "{rows} rows are in the {} store in {}. Start the server.\n",
            config.engine,
            config.data.display()
        )
    })
}

/// Moves everything to another engine.
pub fn migrate(config: &Config, from: Engine, to: Engine, json: bool) -> Result<Output, Failure> {
    let migrated = store::migrate(&config.data, from, to)?;
    Output::of(&json!({ "rows": migrated.rows, "old": migrated.old }), json, || {
        let next = match &config.file {
            Some(file) if config.engine != to => {
                format!("Write store = \"{to}\" into {} before the next start.\n", file.display())
            }
            _ => String::new(),
        };
        format!(
            "{} rows are in the {to} store now; the {from} store is kept as {}.\n{next}",
            migrated.rows,
            migrated.old.display()
        )
    })
}
