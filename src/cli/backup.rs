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
use crate::privilege;
use crate::registry::Command;
use crate::store::{self, Engine, dump};

/// Works on the store of a stopped server; root does so as whoever owns the data
/// directory, so that all of it stays theirs.
pub fn in_data<T>(
    data: &Path,
    work: impl FnOnce(&Path) -> Result<T, Failure>,
) -> Result<T, Failure> {
    privilege::as_owner_of(data, |within| {
        work(within).map_err(|failure| by_its_name(&failure.to_string(), within, data).into())
    })?
}

/// A sentence about a place in words that the operator knows it by.
fn by_its_name(text: &str, within: &Path, data: &Path) -> String {
    text.replace(&within.display().to_string(), &data.display().to_string())
}

/// Writes everything kept into a file, or to standard output for `-`.
///
/// A running server writes the dump into its own data directory, where it may
/// write, and it is copied from there; with none running the store is opened
/// here.
pub fn export(config: &Config, file: &Path, json: bool) -> Result<Output, Failure> {
    let data = std::path::absolute(&config.data)?;
    let name = format!("export-{}.dump", std::process::id());
    let passing = Passing(data.join(&name));
    let mut warnings = Vec::new();
    match control::ask(&data, &Command::Export { file: passing.0.clone() }) {
        Ok(_) => {}
        Err(AskError::NotRunning(_)) => {
            warnings = in_data(&data, |within| write_dump(config, within, &name))?;
        }
        Err(error) => return Err(error.into()),
    }
    let mut dump = in_data(&data, |within| Ok(File::open(within.join(&name))?))?;
    let bytes = deliver(&mut dump, file)
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

/// Writes the dump of a stopped server's store beside it, and says what was
/// wrong with the store.
fn write_dump(config: &Config, within: &Path, name: &str) -> Result<Vec<String>, Failure> {
    if !within.join(config.engine.name()).try_exists()? {
        return Err(format!(
            "there is no {} store in {}; say with --config or --data where it is",
            config.engine,
            within.display()
        )
        .into());
    }
    let opened = store::open(config.engine, within)?;
    dump::write(&within.join(name), opened.store.rows(""))?;
    Ok(opened.warnings.iter().map(|text| by_its_name(text, within, &config.data)).collect())
}

/// A dump on its way out; gone whatever happens.
struct Passing(PathBuf);

impl Drop for Passing {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Copies the dump to where it is wanted: the file is whole or as it was.
fn deliver(dump: &mut File, file: &Path) -> io::Result<u64> {
    if file == Path::new("-") {
        let mut stdout = io::stdout().lock();
        let bytes = io::copy(dump, &mut stdout)?;
        stdout.flush()?;
        return Ok(bytes);
    }
    let mut name = file.file_name().ok_or(io::ErrorKind::IsADirectory)?.to_owned();
    name.push(".new");
    let fresh = Passing(file.with_file_name(name));
    let mut target =
        File::options().write(true).create(true).truncate(true).mode(0o600).open(&fresh.0)?;
    let bytes = io::copy(dump, &mut target)?;
    target.sync_all()?;
    std::fs::rename(&fresh.0, file)?;
    Ok(bytes)
}

/// Fills a new store from a dump.
pub fn import(config: &Config, file: &Path, json: bool) -> Result<Output, Failure> {
    // Root's file may be nobody else's to read.
    let source = File::open(file);
    let rows = in_data(&config.data, |within| match source {
        Ok(mut source) if File::open(file).is_err() => {
            let copy = Passing(within.join(format!("import-{}.dump", std::process::id())));
            let mut target =
                File::options().write(true).create_new(true).mode(0o600).open(&copy.0)?;
            io::copy(&mut source, &mut target)?;
            store::import(config.engine, within, &copy.0)
                .map_err(|error| by_its_name(&error.to_string(), &copy.0, file).into())
        }
        _ => Ok(store::import(config.engine, within, file)?),
    })?;
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
    let migrated = in_data(&config.data, |within| {
        let migrated = store::migrate(within, from, to)?;
        let old = migrated.old.strip_prefix(within).map(|old| config.data.join(old));
        Ok(store::Migrated { old: old.unwrap_or(migrated.old), ..migrated })
    })?;
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
