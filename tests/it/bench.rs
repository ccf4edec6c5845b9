//! The benchmark itself works: `tests/bench/run --smoke` measures every server
//! and both engines for a moment each. What it measures is no test's business.

use std::path::Path;
use std::process::Command;

#[test]
fn the_benchmark_runs() {
    let run = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bench/run");
    let output = Command::new(&run)
        .args(["--smoke", "--program", env!("CARGO_BIN_EXE_truename")])
        .output()
        .unwrap_or_else(|error| panic!("{} (Python 3): {error}", run.display()));
    let said = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{errors}");
    let peers = ["NSD", "Knot", "BIND", "PowerDNS", "YADIFA"];
    let engines = ["truename, sled", "truename, redb"];
    let signed = [
        "BIND, signed",
        "Knot, signed",
        "truename, sled, RFC 2136 signed",
        "truename, redb, RFC 2136 signed",
    ];
    let tables: [(&str, &[&str]); 12] = [
        ("Queries, 100 names, with EDNS", &["echo", "truename", "truename, fixed"]),
        ("Queries, 100 names, with EDNS", &peers),
        ("Latency, 100 names", &["echo", "truename"]),
        ("Start and memory, 100 names", &engines),
        ("Queries over TCP", &peers),
        ("UDP beside idle TCP connections", &["0", "50"]),
        ("Durable updates", &engines),
        ("Durable updates", &signed),
        ("Reports that change nothing", &["nochg"]),
        ("Questions right after", &["truename on sled", "truename on redb"]),
        ("Queries while", &["idle", "its own hosts move"]),
        ("1,000 leases end", &["truename on sled, while they end"]),
    ];
    for (title, rows) in tables {
        let Some((_, table)) = said.split_once(&format!("\n### {title}")) else {
            panic!("no table {title}:\n{said}");
        };
        let table = table.split("\n### ").next().unwrap_or_default();
        for row in rows {
            assert!(table.contains(&format!("\n| {row} | ")), "no {row} in {title}:\n{said}");
        }
    }
}
