//! What the disk gives without a server.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use super::Times;

/// The part of a file that is written over and over.
const ROOM: u64 = 64 << 20;

/// One writer, 256 octets and an fdatasync each. A file that grows has its
/// new length written down with each fdatasync, one that does not grow has not.
pub fn alone(directory: &str, span: Duration, grow: bool) -> Times {
    let (file, path) = make(directory, !grow);
    let begun = Instant::now();
    let mut at = 0;
    let mut times = Vec::new();
    while begun.elapsed() < span {
        let asked = Instant::now();
        file.write_all_at(&[0x5a; 256], at).unwrap();
        file.sync_data().unwrap();
        times.push(asked.elapsed());
        at = if grow { at + 256 } else { (at + 256) % ROOM };
    }
    std::fs::remove_file(path).unwrap();
    (begun, times)
}

fn make(directory: &str, filled: bool) -> (File, std::path::PathBuf) {
    let path = Path::new(directory).join("fdatasync.bench");
    let mut options = OpenOptions::new();
    let file = options.create(true).truncate(true).write(true).open(&path).unwrap();
    if filled {
        for at in (0..ROOM).step_by(1 << 20) {
            file.write_all_at(&vec![0; 1 << 20], at).unwrap();
        }
        file.sync_all().unwrap();
    }
    (file, path)
}

/// Records that wait to be written, and their writers.
#[derive(Default)]
struct Waiting {
    octets: Vec<u8>,
    writers: Vec<(Thread, Arc<AtomicBool>)>,
}

/// Many writers: one thread takes what has come together, writes it at once,
/// and one fdatasync later wakes those who wait for it. Meanwhile the next
/// come together. In a file that does not grow.
pub fn group(directory: &str, writers: usize, octets: usize, span: Duration) -> Times {
    let (file, path) = make(directory, true);
    let shared = Arc::new((Mutex::new(Waiting::default()), Condvar::new()));
    let stop = Arc::new(AtomicBool::new(false));
    let committer = {
        let (shared, stop) = (shared.clone(), stop.clone());
        thread::spawn(move || commit(&file, &shared, &stop))
    };
    let begun = Instant::now();
    let write = || {
        let shared = shared.clone();
        thread::spawn(move || {
            let (waiting, arrived) = &*shared;
            let record = vec![0x5a; octets];
            let done = Arc::new(AtomicBool::new(false));
            let mut times = Vec::new();
            while begun.elapsed() < span {
                let asked = Instant::now();
                done.store(false, Ordering::Relaxed);
                let mut queue = waiting.lock().unwrap();
                queue.octets.extend_from_slice(&record);
                queue.writers.push((thread::current(), done.clone()));
                let first = queue.writers.len() == 1;
                drop(queue);
                if first {
                    arrived.notify_one();
                }
                while !done.load(Ordering::Acquire) {
                    thread::park();
                }
                times.push(asked.elapsed());
            }
            times
        })
    };
    let threads: Vec<_> = (0..writers).map(|_| write()).collect();
    let times = threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
    stop.store(true, Ordering::Relaxed);
    committer.join().unwrap();
    std::fs::remove_file(path).unwrap();
    (begun, times)
}

fn commit(file: &File, shared: &(Mutex<Waiting>, Condvar), stop: &AtomicBool) {
    let (waiting, arrived) = shared;
    let mut taken = Waiting::default();
    let mut at = 0;
    while !stop.load(Ordering::Relaxed) {
        let queue = waiting.lock().unwrap();
        let patience = Duration::from_millis(100);
        let empty = |queue: &mut Waiting| queue.writers.is_empty();
        let (mut queue, _) = arrived.wait_timeout_while(queue, patience, empty).unwrap();
        std::mem::swap(&mut *queue, &mut taken);
        drop(queue);
        if taken.writers.is_empty() {
            continue;
        }
        if at + taken.octets.len() as u64 > ROOM {
            at = 0;
        }
        file.write_all_at(&taken.octets, at).unwrap();
        file.sync_data().unwrap();
        at += taken.octets.len() as u64;
        taken.octets.clear();
        for (thread, done) in taken.writers.drain(..) {
            done.store(true, Ordering::Release);
            thread.unpark();
        }
    }
}
