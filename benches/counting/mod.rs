//! Instructions of a function, counted by valgrind.

use std::process::Command;

/// Instructions of each call of `function`, in their order, in a process that
/// is this one again with a variable in its environment.
///
/// # Errors
/// A sentence, when there is no valgrind or it counted other than `calls`.
pub fn count(
    function: &str,
    calls: usize,
    (variable, value): (&str, &str),
) -> Result<Vec<u64>, String> {
    let directory = std::env::temp_dir().join(format!("truename-count-{}", std::process::id()));
    let failed = |error: std::io::Error| format!("{}: {error}", directory.display());
    std::fs::create_dir_all(&directory).map_err(failed)?;
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--collect-atstart=no"])
        .arg(format!("--toggle-collect={function}"))
        .arg(format!("--dump-after={function}"))
        .arg(format!("--callgrind-out-file={}", directory.join("out").display()))
        .arg(std::env::current_exe().map_err(failed)?)
        .env(variable, value)
        // The C library's memcpy for processors of any year.
        .env("GLIBC_TUNABLES", "glibc.cpu.hwcaps=-AVX,-AVX2,-AVX512VL,-ERMS,-FSRM")
        .output()
        .map_err(|error| format!("valgrind: {error}; install it: apt-get install valgrind"))?;
    let mut counts = Vec::new();
    for number in 1..=calls {
        let file = std::fs::read_to_string(directory.join(format!("out.{number}")));
        let total = file.ok().and_then(|text| {
            let line = text.lines().find_map(|line| line.strip_prefix("totals: "))?;
            line.split_whitespace().next()?.parse::<u64>().ok()
        });
        counts.extend(total);
    }
    std::fs::remove_dir_all(&directory).map_err(failed)?;
    if counts.len() == calls && !counts.contains(&0) {
        Ok(counts)
    } else {
        let said = String::from_utf8_lossy(&output.stderr);
        Err(format!("valgrind counted {} of {calls} calls:\n{said}", counts.len()))
    }
}
