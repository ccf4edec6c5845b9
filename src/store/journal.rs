//! The journal: a file of fixed size into which a group of writes goes before
//! the engine hears of it. One write in place and one fdatasync make a group
//! durable.
//!
//! The file is a ring of blocks of 4096 bytes. It is written full of zeros when
//! it is made, so that a later write in place finds its blocks on the disk:
//! fdatasync has no metadata to write, and a disk that is full otherwise does
//! not refuse it. A record begins at a block and never goes on at the file's
//! beginning; numbers are little-endian:
//!
//! | bytes | what |
//! |---|---|
//! | 8 | `ff 74 6e 6a 72 6e 31 fe`: a record of version 1; no text of a row has these bytes |
//! | 8 | revision: which group of the store this is, one more than that before it |
//! | 4 | length of the writes in bytes |
//! | 4 | CRC-32 (of zlib) of the 20 bytes before it and of the writes |
//! | ... | the writes, each: key's length (2), value's length (4; all ones: the row is gone), key, value |
//! | ... | zeros to the end of the block |
//!
//! A power cut tears at most the record that was on its way, and no other,
//! for none shares a block with it; its group was acknowledged to nobody.
//! Records that the engine holds are overwritten in time. So a start looks at
//! every block: records with a revision above the engine's, each with the
//! next one, are what the engine has yet to be given. One that is missing
//! before one that is there was acknowledged and is lost, and that is said
//! loudly.
//!
//! What is promised, as long as the disk keeps what it said it has:
//!
//! - A group that was acknowledged is read by the next start, whenever the
//!   process was killed or the power cut.
//! - Nothing is read as it was not written: every record has its sum.
//!
//! And where the disk does not keep it (bits change, a block is gone):
//!
//! - A record that the engine holds is of no consequence.
//! - Any other is missed loudly if something written later knows of it: the
//!   record after it, for the next is written when this one is on the disk;
//!   the revision at the last start or stop (`home.rs`); the length of the
//!   file.
//! - The very last record alone has nothing behind it, and one whose sum is
//!   wrong is taken for one that was on its way: silently. That takes a crash
//!   within a second of it, for after a second without another group the
//!   engine is given what there is (`journaled.rs`), and damage to that very
//!   record between the crash and the next start.
//!
//! Two ways to tell that one as well were looked at. A word behind each record
//! that it was acknowledged must be durable itself to be of use after a power
//! cut, which is the only time when records are torn: a second fdatasync a
//! group, for half the throughput. Sums of parts of a record tell a torn one,
//! of which each sector is the old or the new, from a damaged one only where
//! what was there before is known too.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use super::home::{Home, abort, from_disk, is_full, private, replace, trouble};
use super::tally::{Plan, check};
use super::{Engine, StoreError};

/// How long a new journal is, in bytes: some 2000 groups of one update each,
/// or 15,000 updates in groups. It is also what is held in memory until the
/// engine has it, and what a start reads.
pub const SIZE: u64 = 8 << 20;

/// A record begins at a multiple of this: no disk writes more than this as one
/// piece, so that what tears one record leaves the others alone.
pub const BLOCK: u64 = 4096;

/// The shortest journal that is used.
const LEAST: u64 = 16 * BLOCK;

const MARK: [u8; 8] = *b"\xfftnjrn1\xfe";

/// What stands before the writes of a record.
const HEAD: usize = 24;

/// In the place of a value's length: the row is gone.
const GONE: u32 = u32::MAX;

/// The last word on a row: its value, or `None` for gone.
pub type Last = (String, Option<Vec<u8>>);

/// A record as found.
#[derive(Debug)]
pub struct Record {
    pub revision: u64,
    /// Where it begins.
    pub at: u64,
    /// How much room it takes, in whole blocks.
    pub length: u64,
    pub rows: Vec<Last>,
}

/// A group as a record, in whole blocks, in the place of what `record` held.
pub fn encode(revision: u64, plan: &Plan, record: &mut Vec<u8>) {
    record.clear();
    record.extend_from_slice(&MARK);
    record.extend_from_slice(&revision.to_le_bytes());
    record.extend_from_slice(&[0; 8]);
    for (key, value) in plan {
        let length = value.map_or(GONE, |value| value.len() as u32);
        record.extend_from_slice(&(key.len() as u16).to_le_bytes());
        record.extend_from_slice(&length.to_le_bytes());
        record.extend_from_slice(key.as_bytes());
        record.extend_from_slice(value.unwrap_or_default());
    }
    let length = (record.len() - HEAD) as u32;
    record[16..20].copy_from_slice(&length.to_le_bytes());
    let crc = crc(record);
    record[20..24].copy_from_slice(&crc.to_le_bytes());
    record.resize(record.len().next_multiple_of(BLOCK as usize), 0);
}

/// The checksum of a record that ends with its writes.
fn crc(record: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&record[..20]);
    crc.update(&record[HEAD..]);
    crc.finalize()
}

/// Reads the writes of a record; `None` where they are not what we write.
fn decode(mut writes: &[u8]) -> Option<Vec<Last>> {
    let mut rows = Vec::new();
    while !writes.is_empty() {
        let (key_length, rest) = writes.split_first_chunk()?;
        let (length, rest) = rest.split_first_chunk()?;
        let (key, rest) = rest.split_at_checked(u16::from_le_bytes(*key_length).into())?;
        let length = u32::from_le_bytes(*length);
        let (value, rest) = match length {
            GONE => (None, rest),
            length => {
                let (value, rest) = rest.split_at_checked(length as usize)?;
                (Some(value), rest)
            }
        };
        let key = std::str::from_utf8(key).ok()?;
        check(key, value).ok()?;
        rows.push((key.to_owned(), value.map(<[u8]>::to_vec)));
        writes = rest;
    }
    Some(rows)
}

/// An open journal.
pub struct Journal {
    file: File,
    path: PathBuf,
    size: u64,
}

impl Journal {
    /// Makes one, durable; `None` where the disk has no room for it. What is
    /// there under its name must be of use to nobody.
    pub fn make(home: &Home, engine: Engine) -> Result<Option<Journal>, StoreError> {
        let path = home.journal_file(engine);
        let zeros = [0; 64 << 10];
        let made = replace(&path, |file| {
            (0..SIZE / zeros.len() as u64).try_for_each(|_| file.write_all(&zeros))
        });
        match made {
            Err(e) if is_full(&e) => {
                // What was there would be taken for this store's.
                match fs::remove_file(&path) {
                    Err(e) if e.kind() != io::ErrorKind::NotFound => {
                        Err(trouble("cannot remove", &path, &e))
                    }
                    _ => Ok(None),
                }
            }
            Err(e) => Err(trouble("cannot make", &path, &e)),
            Ok(()) => Journal::find(home, engine),
        }
    }

    /// Opens the one that is there. What a process wrote that was killed may
    /// not be on the disk yet, and is once this returns; what is read is what
    /// the disk has.
    pub fn find(home: &Home, engine: Engine) -> Result<Option<Journal>, StoreError> {
        let path = home.journal_file(engine);
        let opened = private().open(&path).and_then(|file| {
            from_disk(&file)?;
            let length = file.metadata()?.len();
            Ok((file, length))
        });
        match opened {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(trouble("cannot open", &path, &e)),
            Ok((file, length)) => Ok(Some(Journal { file, path, size: length })),
        }
    }

    /// How long it is, in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Whether it is one to write into: a file that was cut is not.
    pub fn is_whole(&self) -> bool {
        self.size >= LEAST && self.size.is_multiple_of(BLOCK)
    }

    /// Every record above a revision, in their order.
    pub fn records(&self, above: u64) -> Result<Vec<Record>, StoreError> {
        let mut found = Vec::new();
        let mut bytes = Vec::new();
        let mut at = 0;
        while at + BLOCK <= self.size {
            let record = self.record(at, &mut bytes).map_err(|e| self.trouble("read", &e))?;
            at += record.as_ref().map_or(BLOCK, |record| record.length);
            found.extend(record.filter(|record| record.revision > above));
        }
        found.sort_by_key(|record| record.revision);
        Ok(found)
    }

    /// The record that begins at a block.
    fn record(&self, at: u64, bytes: &mut Vec<u8>) -> io::Result<Option<Record>> {
        bytes.resize(BLOCK as usize, 0);
        self.file.read_exact_at(bytes, at)?;
        if bytes[..8] != MARK {
            return Ok(None);
        }
        let number = |range: std::ops::Range<usize>| {
            bytes[range].iter().rev().fold(0, |number, &byte| number << 8 | u64::from(byte))
        };
        let (revision, end, sum) = (number(8..16), HEAD as u64 + number(16..20), number(20..24));
        if at + end > self.size {
            return Ok(None);
        }
        bytes.resize(end as usize, 0);
        if end > BLOCK {
            self.file.read_exact_at(&mut bytes[BLOCK as usize..], at + BLOCK)?;
        }
        if u64::from(crc(bytes)) != sum {
            return Ok(None);
        }
        let length = end.next_multiple_of(BLOCK);
        let rows = decode(&bytes[HEAD..]);
        Ok(rows.map(|rows| Record { revision, at, length, rows }))
    }

    /// Writes a record and makes it durable.
    ///
    /// # Errors
    /// When there is no room, which file systems may say that never write in
    /// place; a start will not find the record. After any other error nobody
    /// knows what is on the disk: the process ends.
    pub fn write(&self, at: u64, record: &[u8]) -> Result<(), StoreError> {
        let synced = match self.file.write_all_at(record, at) {
            Ok(()) => self.file.sync_data(),
            Err(e) if is_full(&e) => {
                let voided = self.file.write_all_at(&[0; BLOCK as usize], at);
                if let Err(e) = voided.and_then(|()| self.file.sync_data()) {
                    abort("the journal cannot be written", &e);
                }
                return Err(StoreError::Full);
            }
            Err(e) => abort("the journal cannot be written", &e),
        };
        synced.map_err(|e| abort("fdatasync of the journal failed", &e))
    }

    fn trouble(&self, what: &str, error: &io::Error) -> StoreError {
        trouble(&format!("cannot {what}"), &self.path, error)
    }
}
