//! The systemd units: systemd understands them, and counts them among the
//! well-protected.

use std::path::Path;

use crate::daemon::{Home, said, with_us};
use crate::network::program;

/// The most exposure that systemd may find, of 10; the usual figure of a
/// service without any protection is 9.6. 0.2 of the server's is that it may
/// give up its capability (capset).
const MOST: [(&str, f64); 2] = [("truename.service", 1.6), ("truename-report.service", 1.1)];

fn unit(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docker").join(name);
    path.to_string_lossy().into_owned()
}

#[test]
fn systemd_finds_little_exposed() {
    for (name, most) in MOST {
        let mut command = with_us(&program("systemd-analyze"));
        command.args(["security", "--offline=true", "--no-pager", &unit(name)]);
        let said = said(&mut command, "");
        let last = said.out.lines().rfind(|line| line.contains("Overall exposure level"));
        let level =
            last.and_then(|line| line.split_whitespace().find_map(|word| word.parse::<f64>().ok()));
        let level = level.unwrap_or_else(|| panic!("no figure\n{said}"));
        eprintln!("{name}: {level}");
        assert!(level <= most, "{name}: {level}, {most} at most\n{said}");
    }
}

#[test]
fn systemd_understands_the_units() {
    let home = Home::new();
    for (name, _) in MOST {
        // The program is elsewhere than where the unit is installed to.
        let text = std::fs::read_to_string(unit(name)).unwrap();
        let text = text.replace("/usr/local/bin/truename", env!("CARGO_BIN_EXE_truename"));
        let file = home.path().join(name);
        std::fs::write(&file, text).unwrap();
        let mut command = with_us(&program("systemd-analyze"));
        command.args(["verify", "--man=false", "--recursive-errors=no", file.to_str().unwrap()]);
        let said = said(&mut command, "");
        let about: Vec<&str> = said.err.lines().filter(|line| line.contains(name)).collect();
        assert!(said.status.success() && about.is_empty(), "{said}");
    }
}
