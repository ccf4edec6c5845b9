//! The benchmark itself works: `tests/bench/run --smoke` measures every server
//! and both engines for a moment each. What it measures is no test's business.
//! So does `tests/bench/soak --smoke`, which also looks whether every answer was
//! right.

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
    let limited = ["truename", "NSD", "Knot, limit", "BIND, limit", "YADIFA, limit"];
    let tables: [(&str, &[&str]); 16] = [
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
        ("Octets sent for each received, one question", &["long TXT", "**the worst of all**"]),
        ("Octets sent for each received, 10,000", &peers),
        ("Octets sent for each received, 10,000", &limited),
        ("UDP while TCP is under pressure", &["truename", "NSD", "Knot"]),
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

/// Some seconds of everything at once: each kind was done, every answer was
/// right, and what was acknowledged is there after a restart.
#[test]
fn the_soak_runs() {
    let place = tempfile::tempdir().unwrap();
    let drawing = place.path().join("soak.svg");
    let run = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bench/soak");
    let output = Command::new(&run)
        .args(["--smoke", "--engine", "redb", "--program", env!("CARGO_BIN_EXE_truename")])
        .arg("--out")
        .arg(&drawing)
        .output()
        .unwrap_or_else(|error| panic!("{} (Python 3): {error}", run.display()));
    let said = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{errors}");
    let kinds = [
        "query",
        "report",
        "repeat",
        "wrong password",
        "nonsense datagram",
        "nonsense stream",
        "nonsense http",
        "dns connection",
        "http connection",
        "slow clients",
        "operator",
        "unsigned update",
        "reload",
    ];
    for kind in kinds {
        let done = said.split([',', '.', '\n']).any(|part| {
            let part = part.trim();
            part.ends_with(&format!(" {kind}")) && !part.starts_with("0 ")
        });
        assert!(done, "no {kind}:\n{said}");
    }
    for row in ["RSS MB", "PSS MB", "descriptors", "threads", "store MB"] {
        assert!(said.contains(&format!("| {row} | ")), "no {row}:\n{said}");
    }
    let drawing = std::fs::read_to_string(drawing).unwrap();
    assert_eq!(drawing.matches("<polyline").count(), 5, "{drawing}");
}
