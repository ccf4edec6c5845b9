//! Zone files: which there are, and that no two are about the same zone.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Config;
use crate::model::Name;
use crate::registry::ZoneSource;
use crate::zone::{Zone, ZoneError};

impl Config {
    /// Reads every zone file. All faults are told, not only the first.
    ///
    /// # Errors
    /// Each fault with its file and line: a directory or a file that cannot
    /// be read, a file that is no zone, two files about the same zone, no
    /// zone at all.
    pub fn load_zones(&self) -> Result<Vec<Zone>, Vec<ZoneError>> {
        load(&self.zones)
    }

    /// Reads the zone files anew whenever it is called, for the registry.
    pub fn zone_source(&self) -> ZoneSource {
        let paths = self.zones.clone();
        Arc::new(move || load(&paths))
    }
}

fn load(paths: &[PathBuf]) -> Result<Vec<Zone>, Vec<ZoneError>> {
    let mut faults = Vec::new();
    let mut zones: Vec<Zone> = Vec::new();
    let mut seen: HashMap<Name, PathBuf> = HashMap::new();
    for path in paths {
        let files = match files(path) {
            Ok(files) => files,
            Err(fault) => {
                faults.push(fault);
                continue;
            }
        };
        for file in files {
            match Zone::load(&file) {
                Err(fault) => faults.push(fault),
                Ok(zone) => match seen.get(zone.origin()) {
                    // Named twice, once by itself and once by its directory.
                    Some(other) if *other == file => {}
                    Some(other) => faults.push(ZoneError {
                        problem: format!(
                            "the zone {} is already in {}; keep one of the two files",
                            zone.origin().without_dot(),
                            other.display()
                        ),
                        file,
                        line: 0,
                    }),
                    None => {
                        seen.insert(zone.origin().clone(), file);
                        zones.push(zone);
                    }
                },
            }
        }
    }
    if zones.is_empty() && faults.is_empty() {
        faults.push(ZoneError {
            file: paths.first().cloned().unwrap_or_default(),
            line: 0,
            problem: "there is no zone file here; put one in, named like the zone \
                      (dyn.example.org.zone), or run `truename init`"
                .to_owned(),
        });
    }
    if faults.is_empty() { Ok(zones) } else { Err(faults) }
}

/// The file itself, or the `*.zone` files of a directory in the order of
/// their names.
fn files(path: &Path) -> Result<Vec<PathBuf>, ZoneError> {
    let fault = |error: io::Error| ZoneError {
        file: path.to_owned(),
        line: 0,
        problem: match error.kind() {
            io::ErrorKind::NotFound => {
                "there is no such zone file or directory; correct `zones` in the configuration, \
                 or run `truename init`"
                    .to_owned()
            }
            _ => format!("cannot be read: {error}"),
        },
    };
    if !path.metadata().map_err(fault)?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    for entry in path.read_dir().map_err(fault)? {
        let file = entry.map_err(fault)?.path();
        let hidden = file.file_name().is_some_and(|name| name.as_encoded_bytes()[0] == b'.');
        if !hidden && file.extension().is_some_and(|ending| ending == "zone") {
            files.push(file);
        }
    }
    files.sort();
    Ok(files)
}
