//! Durable groups a second, for each engine and size of a group.
//!
//! `cargo bench --bench store [DIRECTORY]`: the directory should be on the
//! disk that is to be measured; the default is that of temporary files. Each
//! write renews one of 100,000 rows of 200 bytes, about what a host is.

use std::time::{Duration, Instant};

use truename::store::{self, Engine, Write};

const ROWS: u64 = 100_000;
const MEASURE: Duration = Duration::from_secs(3);

fn main() {
    let place = std::env::args().skip(1).find(|word| !word.starts_with('-'));
    let place = place.map_or_else(std::env::temp_dir, Into::into);
    println!("in {}", place.display());
    for engine in Engine::ALL {
        let directory = place.join(format!("truename-bench-{engine}-{}", std::process::id()));
        measure(engine, &directory);
        std::fs::remove_dir_all(&directory).expect("the directory is ours");
    }
}

fn measure(engine: Engine, directory: &std::path::Path) {
    let store = store::open(engine, directory).expect("a new store").store;
    let put = |row: u64, version: u64| {
        let value = format!("{{\"version\":{version:020},\"fill\":\"{}\"}}", "x".repeat(150));
        Write::Put(format!("host/{row:012}.dyn.example.org."), value.into())
    };
    for thousand in 0..ROWS / 1000 {
        let group: Vec<Write> = (0..1000).map(|i| put(thousand * 1000 + i, 0)).collect();
        store.commit(&group).expect("room on the disk");
    }
    let mut version = 0;
    for size in [1, 16, 128] {
        let mut times = Vec::new();
        let start = Instant::now();
        while start.elapsed() < MEASURE {
            let group: Vec<Write> = (0..size)
                .map(|_| {
                    version += 1;
                    // Every row in turn, in an order that is none.
                    put(version * 61_803_399 % ROWS, version)
                })
                .collect();
            let before = Instant::now();
            store.commit(&group).expect("room on the disk");
            times.push(before.elapsed());
        }
        let took = start.elapsed();
        times.sort();
        println!(
            "{engine}: groups of {size:3}: {:7.0} writes/s, p50 {:.2} ms, p99 {:.2} ms",
            (times.len() * size) as f64 / took.as_secs_f64(),
            times[times.len() / 2].as_secs_f64() * 1e3,
            times[times.len() * 99 / 100].as_secs_f64() * 1e3,
        );
    }
    drop(store);
    let start = Instant::now();
    let rows = store::open(engine, directory).expect("the same store").store.rows("").count();
    println!("{engine}: opened and read with {rows} rows in {:.2?}", start.elapsed());
}
