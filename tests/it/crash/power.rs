//! What a disk has after a power cut.
//!
//! A trace lists every change and every sync of a process, in order. Of the
//! changes before the cut, those that were synced are on the disk: writes and
//! truncations of a file by an fsync or fdatasync of that file, names in a
//! directory by an fsync of that directory. Of the others anything may be
//! there: none, all, some of the writes, some sectors of 512 bytes of each;
//! names in the order in which they were made, up to some point.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::Random;
use super::writer::Acked;

const SECTOR: usize = 512;

/// One record of the trace.
enum Op {
    Create { path: PathBuf, inode: u64 },
    Directory { path: PathBuf },
    Rename { from: PathBuf, to: PathBuf },
    Unlink { path: PathBuf },
    Change { inode: u64, change: Change },
    SyncFile { inode: u64 },
    SyncDirectory { path: PathBuf },
    Acknowledge { text: String },
}

#[derive(Clone)]
enum Change {
    Write { offset: usize, data: Vec<u8> },
    Truncate { length: usize },
}

/// What a process did to its disk.
pub struct Trace(Vec<Op>);

impl Trace {
    pub fn read(file: &Path) -> Trace {
        let bytes = fs::read(file).unwrap();
        let mut rest = &bytes[..];
        let mut ops = Vec::new();
        while let Some((head, tail)) = rest.split_at_checked(21) {
            let number = |at: usize| u64::from_ne_bytes(head[at..at + 8].try_into().unwrap());
            let (inode, offset) = (number(1), number(9) as usize);
            let length = u32::from_ne_bytes(head[17..21].try_into().unwrap()) as usize;
            // The kill may have met the shim in the middle of a record.
            let Some((data, tail)) = tail.split_at_checked(length) else { break };
            rest = tail;
            let text = || String::from_utf8(data.to_vec()).unwrap();
            let path = || PathBuf::from(text());
            ops.push(match head[0] {
                b'C' => Op::Create { path: path(), inode },
                b'D' => Op::Directory { path: path() },
                b'R' => {
                    let both = text();
                    let (from, to) = both.split_once('\0').unwrap();
                    Op::Rename { from: from.into(), to: to.into() }
                }
                b'U' => Op::Unlink { path: path() },
                b'W' => Op::Change { inode, change: Change::Write { offset, data: data.to_vec() } },
                b'T' => Op::Change { inode, change: Change::Truncate { length: offset } },
                b'F' => Op::SyncFile { inode },
                b'S' => Op::SyncDirectory { path: path() },
                b'A' => Op::Acknowledge { text: text() },
                other => panic!("no record {other:?}"),
            });
        }
        Trace(ops)
    }

    /// A place for a cut: anywhere, and often before the first word to the
    /// outside or right at the end.
    pub fn somewhere(&self, random: &mut Random) -> usize {
        let all = self.0.len() as u64;
        let opened = self.0.iter().take_while(|op| !matches!(op, Op::Acknowledge { .. })).count();
        1 + match random.below(4) {
            0 => random.below(opened as u64),
            1 => all - 1 - random.below(all.min(40)),
            _ => random.below(all),
        } as usize
    }

    /// What had been said to the outside before the cut.
    pub fn acknowledged(&self, cut: usize) -> Acked {
        let said = self.0[..cut].iter().filter_map(|op| match op {
            Op::Acknowledge { text } => Some(text.as_str()),
            _ => None,
        });
        Acked::read(&said.collect::<String>())
    }

    /// The disk after a cut behind the first `cut` records. The same seed, the
    /// same disk.
    pub fn cut(&self, before: &Disk, cut: usize, seed: u64) -> Disk {
        let mut disk = Cut::new(before);
        for op in &self.0[..cut] {
            disk.apply(op);
        }
        disk.power_off(&mut Random::new(seed))
    }
}

/// A directory as it is on the disk for sure: paths to contents, `None` for a
/// directory. With the inodes that a trace knows the files by.
pub struct Disk {
    names: BTreeMap<PathBuf, Option<usize>>,
    files: Vec<Vec<u8>>,
    inodes: HashMap<u64, usize>,
}

impl Disk {
    /// Reads one; a directory that is not there is an empty one.
    pub fn load(directory: &Path) -> Disk {
        let mut disk = Disk { names: BTreeMap::new(), files: Vec::new(), inodes: HashMap::new() };
        disk.load_into(directory, Path::new(""));
        disk
    }

    fn load_into(&mut self, root: &Path, below: &Path) {
        let Ok(entries) = fs::read_dir(root.join(below)) else { return };
        for entry in entries {
            let entry = entry.unwrap();
            let path = below.join(entry.file_name());
            let metadata = entry.metadata().unwrap();
            if metadata.is_dir() {
                self.names.insert(path.clone(), None);
                self.load_into(root, &path);
            } else {
                self.inodes.insert(metadata.ino(), self.files.len());
                self.names.insert(path, Some(self.files.len()));
                self.files.push(fs::read(entry.path()).unwrap());
            }
        }
    }

    /// Makes it real.
    pub fn write(&self, directory: &Path) {
        fs::create_dir_all(directory).unwrap();
        for (path, file) in &self.names {
            match file {
                None => fs::create_dir(directory.join(path)).unwrap(),
                Some(file) => fs::write(directory.join(path), &self.files[*file]).unwrap(),
            }
        }
    }
}

/// A disk with what is on its way to it.
struct Cut {
    names: BTreeMap<PathBuf, Option<usize>>,
    /// By directory: what became of its names since it was synced, with the
    /// place in the trace.
    names_on_the_way: BTreeMap<PathBuf, Vec<(usize, Naming)>>,
    files: Vec<Vec<u8>>,
    /// By file.
    on_the_way: Vec<Vec<Change>>,
    inodes: HashMap<u64, usize>,
    time: usize,
}

#[derive(Clone)]
enum Naming {
    Make(PathBuf, Option<usize>),
    Rename(PathBuf, PathBuf),
    Remove(PathBuf),
}

impl Cut {
    fn new(before: &Disk) -> Cut {
        Cut {
            names: before.names.clone(),
            names_on_the_way: BTreeMap::new(),
            files: before.files.clone(),
            on_the_way: vec![Vec::new(); before.files.len()],
            inodes: before.inodes.clone(),
            time: 0,
        }
    }

    fn apply(&mut self, op: &Op) {
        self.time += 1;
        match op {
            // The data directory itself is there for sure; that is not its
            // engine's business.
            Op::Directory { path } if path == Path::new(".") => {}
            Op::Create { path, inode } => {
                let file = self.files.len();
                self.files.push(Vec::new());
                self.on_the_way.push(Vec::new());
                self.inodes.insert(*inode, file);
                self.name(path, Naming::Make(path.clone(), Some(file)));
            }
            Op::Directory { path } => self.name(path, Naming::Make(path.clone(), None)),
            Op::Rename { from, to } => self.name(to, Naming::Rename(from.clone(), to.clone())),
            Op::Unlink { path } => self.name(path, Naming::Remove(path.clone())),
            Op::Change { inode, change } => {
                let file = self.inodes[inode];
                self.on_the_way[file].push(change.clone());
            }
            Op::SyncFile { inode } => {
                let file = self.inodes[inode];
                for change in std::mem::take(&mut self.on_the_way[file]) {
                    apply(&mut self.files[file], &change);
                }
            }
            Op::SyncDirectory { path } => {
                let path = if path == Path::new(".") { Path::new("") } else { path };
                for (_, naming) in self.names_on_the_way.remove(path).unwrap_or_default() {
                    rename(&mut self.names, &naming);
                }
            }
            Op::Acknowledge { .. } => {}
        }
    }

    fn name(&mut self, path: &Path, naming: Naming) {
        let parent = path.parent().unwrap().to_path_buf();
        self.names_on_the_way.entry(parent).or_default().push((self.time, naming));
    }

    fn power_off(mut self, random: &mut Random) -> Disk {
        let mut kept: Vec<(usize, Naming)> = Vec::new();
        for namings in self.names_on_the_way.values() {
            let up_to = random.below(namings.len() as u64 + 1) as usize;
            kept.extend_from_slice(&namings[..up_to]);
        }
        kept.sort_by_key(|(time, _)| *time);
        for (_, naming) in &kept {
            rename(&mut self.names, naming);
        }
        for (file, changes) in self.files.iter_mut().zip(&self.on_the_way) {
            lose(file, changes, random);
        }
        // A file whose directory did not make it is gone.
        let names = self
            .names
            .iter()
            .filter(|(path, _)| {
                let parent = path.parent().unwrap();
                parent == Path::new("") || self.names.get(parent) == Some(&None)
            })
            .map(|(path, file)| (path.clone(), *file))
            .collect();
        Disk { names, files: self.files, inodes: HashMap::new() }
    }
}

fn apply(file: &mut Vec<u8>, change: &Change) {
    match change {
        Change::Write { offset, data } => {
            file.resize(file.len().max(offset + data.len()), 0);
            file[*offset..offset + data.len()].copy_from_slice(data);
        }
        Change::Truncate { length } => file.resize(*length, 0),
    }
}

fn rename(names: &mut BTreeMap<PathBuf, Option<usize>>, naming: &Naming) {
    match naming {
        Naming::Make(path, file) => drop(names.insert(path.clone(), *file)),
        Naming::Remove(path) => drop(names.remove(path)),
        Naming::Rename(from, to) => {
            let moved: Vec<PathBuf> =
                names.keys().filter(|path| path.starts_with(from)).cloned().collect();
            for path in moved {
                let file = names.remove(&path).unwrap();
                let rest = path.strip_prefix(from).unwrap();
                // `join` with nothing would add a slash.
                let new = if rest == Path::new("") { to.clone() } else { to.join(rest) };
                names.insert(new, file);
            }
        }
    }
}

/// Does to a file what a power cut does to changes that were not synced.
fn lose(file: &mut Vec<u8>, changes: &[Change], random: &mut Random) {
    let manner = random.below(5);
    let last = random.below(changes.len() as u64 + 1) as usize;
    for (n, change) in changes.iter().enumerate() {
        let keep = match manner {
            0 => continue,
            1 => true,
            // Everything up to some point, the last of it torn.
            2 if n > last => continue,
            2 => n < last,
            // Some, whole.
            3 if random.below(2) == 0 => continue,
            3 => true,
            // Some sectors of each.
            _ => false,
        };
        match change {
            change if keep => apply(file, change),
            Change::Truncate { .. } if random.below(2) == 0 => apply(file, change),
            Change::Truncate { .. } => {}
            Change::Write { offset, data } => {
                let mut at = *offset;
                let end = offset + data.len();
                while at < end {
                    let sector_end = ((at / SECTOR + 1) * SECTOR).min(end);
                    if random.below(2) == 0 {
                        let data = data[at - offset..sector_end - offset].to_vec();
                        apply(file, &Change::Write { offset: at, data });
                    }
                    at = sector_end;
                }
            }
        }
    }
}
