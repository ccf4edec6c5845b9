//! The text dump: every row of a store in a file that people, `grep` and a
//! later version can read.
//!
//! ```text
//! # truename dump 1
//! host/home.dyn.example.org.⇥{"name":"home.dyn.example.org.", ...}
//! meta/...⇥{...}
//! # end 2 rows crc32 1c291ca3
//! ```
//!
//! UTF-8. The first line names the form and its version. Then one row a line:
//! key, tab (`⇥` above), value; neither has line ends or tabs. Keys stand in
//! the order of their bytes, each once, and begin with anything but `#`. The
//! last line counts the rows and has the CRC-32 (of zlib, in hexadecimal) of
//! every byte of the rows' lines, so that a dump that was cut is noticed. The
//! file is replaced as a whole: temporary file, fsync, rename, fsync of the
//! directory.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use super::home::{replace, trouble};
use super::tally::check;
use super::{MAX_KEY, MAX_VALUE, Row, StoreError};

/// Its name in the data directory.
pub const DUMP_FILE: &str = "truename.dump";

/// The first line of every dump.
const HEADER: &str = "# truename dump 1";

/// No line is longer, in bytes: a key, a tab, a value, a line end.
const MAX_LINE: u64 = (MAX_KEY + MAX_VALUE + 2) as u64;

/// Writes a dump and says how many rows it has.
///
/// # Errors
/// The first error of the rows, or what the disk says; the file is then as it
/// was before.
pub fn write(
    path: &Path,
    rows: impl Iterator<Item = Result<Row, StoreError>>,
) -> Result<u64, StoreError> {
    // One at a time: two into one file would write what it is replaced by together.
    static WRITING: Mutex<()> = Mutex::new(());
    let _alone = WRITING.lock();
    let mut count = 0;
    let mut last = String::new();
    let mut broken = None;
    let written = replace(path, |file| {
        let mut crc = crc32fast::Hasher::new();
        writeln!(file, "{HEADER}")?;
        for row in rows {
            let line = match row.and_then(|row| line(row, &mut last)) {
                Ok(line) => line,
                Err(error) => {
                    broken = Some(error);
                    return Err(io::ErrorKind::InvalidData.into());
                }
            };
            crc.update(&line);
            file.write_all(&line)?;
            count += 1;
        }
        writeln!(file, "# end {count} rows crc32 {:08x}", crc.finalize())
    });
    match (broken, written) {
        (Some(error), _) => Err(error),
        (None, Err(e)) => Err(trouble("cannot write the dump", path, &e)),
        (None, Ok(())) => Ok(count),
    }
}

/// One row as a line; `last` is the key of the one before.
fn line((key, value): Row, last: &mut String) -> Result<Vec<u8>, StoreError> {
    if key.starts_with('#') {
        return Err(StoreError::Broken(format!("{key}: no key in a dump begins with #")));
    }
    check(&key, Some(&value)).map_err(StoreError::Broken)?;
    if key <= *last {
        return Err(StoreError::Broken(format!("{key} comes after {last}: not in order")));
    }
    let line = [key.as_bytes(), b"\t", &value, b"\n"].concat();
    *last = key;
    Ok(line)
}

/// Reads a dump row by row. Only an iterator that ends without an error has
/// read a whole dump: the count and the checksum stand at its end.
///
/// # Errors
/// With file and line.
pub fn read(path: &Path) -> Result<Rows, StoreError> {
    let file = File::open(path).map_err(|e| trouble("cannot read the dump", path, &e))?;
    let mut rows = Rows {
        path: path.into(),
        file: BufReader::with_capacity(64 << 10, file),
        line: 0,
        count: 0,
        last: String::new(),
        crc: crc32fast::Hasher::new(),
        done: false,
    };
    let header = rows.next_line()?;
    if header.strip_suffix(b"\n") != Some(HEADER.as_bytes()) {
        return Err(rows.wrong(format!(
            "not a dump of a version known here; the first line should be `{HEADER}`"
        )));
    }
    Ok(rows)
}

/// The rows of a dump.
pub struct Rows {
    path: PathBuf,
    file: BufReader<File>,
    line: u64,
    count: u64,
    last: String,
    crc: crc32fast::Hasher,
    done: bool,
}

impl Rows {
    fn wrong(&self, what: impl std::fmt::Display) -> StoreError {
        StoreError::Broken(format!("{}:{}: {what}", self.path.display(), self.line))
    }

    fn next_line(&mut self) -> Result<Vec<u8>, StoreError> {
        self.line += 1;
        let mut line = Vec::new();
        match (&mut self.file).take(MAX_LINE).read_until(b'\n', &mut line) {
            Ok(_) => Ok(line),
            Err(e) => Err(self.wrong(e)),
        }
    }

    fn next_row(&mut self) -> Result<Option<Row>, StoreError> {
        let line = self.next_line()?;
        if line.is_empty() {
            return Err(self.wrong("the dump ends here without its last line; it was cut"));
        }
        let Some(text) = line.strip_suffix(b"\n") else {
            return Err(self.wrong(if line.len() as u64 == MAX_LINE {
                "the line is too long"
            } else {
                "the line has no end; the dump was cut"
            }));
        };
        let text = std::str::from_utf8(text).map_err(|_| self.wrong("not text (UTF-8)"))?;
        if text.starts_with('#') {
            self.check_end(text)?;
            return Ok(None);
        }
        let Some((key, value)) = text.split_once('\t') else {
            return Err(self.wrong("a row is a key, a tab and a value; there is no tab"));
        };
        check(key, Some(value.as_bytes())).map_err(|what| self.wrong(what))?;
        if key <= self.last.as_str() {
            return Err(self.wrong(format!(
                "{key} comes after {}; keys stand in order, each once",
                self.last
            )));
        }
        key.clone_into(&mut self.last);
        self.crc.update(&line);
        self.count += 1;
        Ok(Some((key.to_owned(), value.as_bytes().to_vec())))
    }

    fn check_end(&mut self, text: &str) -> Result<(), StoreError> {
        let crc = self.crc.clone().finalize();
        let expected = format!("# end {} rows crc32 {crc:08x}", self.count);
        if text != expected {
            return Err(self.wrong(format!(
                "the last line says `{text}`, and what was read comes to `{expected}`; the dump is damaged or was edited (then correct this line)"
            )));
        }
        let mut more = [0];
        match self.file.read(&mut more) {
            Ok(0) => Ok(()),
            Ok(_) => Err(self.wrong("there is more behind the last line")),
            Err(e) => Err(self.wrong(e)),
        }
    }
}

impl Iterator for Rows {
    type Item = Result<Row, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let row = self.next_row().transpose();
        self.done = !matches!(row, Some(Ok(_)));
        row
    }
}
