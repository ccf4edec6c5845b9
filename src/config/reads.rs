//! Which files the server reads again while it runs, for whoever lets it read
//! no others.

use std::path::{Path, PathBuf};

use super::Config;

impl Config {
    /// The directories of all zone files, of the certificate and of the secrets
    /// of cookies, and of the files that these are links to: a file is replaced by another of its
    /// name, or a link (certbot's) led to a file beside its last one.
    pub fn reads(&self) -> Vec<PathBuf> {
        let mut reads = Vec::new();
        for zone in &self.zones {
            if zone.is_dir() {
                reads.push(zone.clone());
                let entries = std::fs::read_dir(zone).into_iter().flatten().flatten();
                for file in entries.map(|entry| entry.path()) {
                    if file.extension().is_some_and(|ending| ending == "zone") {
                        zone_file(&file, MAX_INCLUDES, &mut reads);
                    }
                }
            } else {
                zone_file(zone, MAX_INCLUDES, &mut reads);
            }
        }
        if let Some(tls) = &self.http.tls {
            around(&tls.files.certificate, &mut reads);
            around(&tls.files.key, &mut reads);
        }
        if let Some(secrets) = &self.dns.cookie_secrets {
            around(secrets, &mut reads);
        }
        reads.sort();
        reads.dedup();
        reads
    }
}

/// How deep files may include each other: as deep as the zone's reader goes.
const MAX_INCLUDES: usize = 8;

/// A zone file and what it includes.
fn zone_file(file: &Path, depth: usize, reads: &mut Vec<PathBuf>) {
    around(file, reads);
    let directory = file.parent().unwrap_or(Path::new(""));
    if depth == 0 || !file.is_file() {
        return;
    }
    // What cannot be read is told of when it is.
    let text = std::fs::read_to_string(file).unwrap_or_default();
    for line in text.lines().filter(|line| line.starts_with('$')) {
        let mut words = line.split_whitespace();
        if words.next().is_some_and(|word| word.eq_ignore_ascii_case("$INCLUDE"))
            && let Some(path) = words.next()
        {
            zone_file(&directory.join(path.trim_matches('"')), depth - 1, reads);
        }
    }
}

/// The directory of a file, and of the file it is a link to.
fn around(file: &Path, reads: &mut Vec<PathBuf>) {
    reads.extend(file.parent().map(|parent| match parent.as_os_str().is_empty() {
        true => PathBuf::from("."),
        false => parent.to_owned(),
    }));
    targets(file, reads);
}

/// The directory of the file that one is a link to; of a link to a directory,
/// that directory.
fn targets(link: &Path, reads: &mut Vec<PathBuf>) {
    if let Ok(target) = link.canonicalize() {
        let directory = if target.is_dir() { Some(target.as_path()) } else { target.parent() };
        reads.extend(directory.map(Path::to_owned));
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn links_and_included_files_are_followed() {
        let place = tempfile::tempdir().unwrap();
        let at = |name: &str| place.path().canonicalize().unwrap().join(name);
        for directory in ["zones", "elsewhere", "included", "live", "archive"] {
            fs::create_dir(at(directory)).unwrap();
        }
        fs::write(at("elsewhere/a.zone"), "$include ../included/b\n").unwrap();
        fs::write(at("included/b"), "$INCLUDE b\n").unwrap();
        symlink(at("elsewhere/a.zone"), at("zones/a.zone")).unwrap();
        fs::write(at("archive/key1.pem"), "").unwrap();
        symlink("../archive/key1.pem", at("live/key.pem")).unwrap();
        let mut config = Config::embedded();
        config.zones = vec![at("zones")];
        let files = crate::tls::Files { certificate: at("live/key.pem"), key: at("live/key.pem") };
        config.http.tls =
            Some(super::super::TlsConfig { listen: Vec::new(), files, proxy_protocol: false });
        let reads: Vec<PathBuf> =
            config.reads().iter().map(|path| path.canonicalize().unwrap()).collect();
        for wanted in ["archive", "elsewhere", "included", "live", "zones"].map(at) {
            assert!(reads.contains(&wanted), "{} is not in {reads:?}", wanted.display());
        }
        assert!(!reads.contains(&at("")) && reads.len() < 10, "{reads:?}");
    }
}
