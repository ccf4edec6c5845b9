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
    let queries =
        ["echo", "truename", "truename, fixed", "NSD", "Knot", "BIND", "PowerDNS", "YADIFA"];
    let updates = ["truename, sled", "truename, redb", "nochg"];
    let rows = queries.iter().chain(&updates);
    for row in rows {
        assert!(said.contains(&format!("\n| {row} | ")), "no figure for {row}:\n{said}");
    }
}
