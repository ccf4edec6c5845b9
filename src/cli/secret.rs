//! Passwords on their way in: from a terminal without echo, or from standard
//! input. Never from the command line, where `ps` shows them.

use std::io::Read;

use super::Failure;

/// No password is longer, in bytes.
const LONGEST: u64 = 1024;

/// The first line of standard input.
pub fn from_stdin() -> Result<String, Failure> {
    let mut text = String::new();
    std::io::stdin()
        .lock()
        .take(LONGEST + 1)
        .read_to_string(&mut text)
        .map_err(|error| format!("the password cannot be read from standard input: {error}"))?;
    if text.len() as u64 > LONGEST {
        return Err(format!("a password is {LONGEST} bytes at most").into());
    }
    let password = text.lines().next().unwrap_or_default();
    if password.is_empty() {
        return Err("there is no password on standard input; pipe one in".into());
    }
    Ok(password.to_owned())
}

/// Asks at the terminal.
pub fn ask(question: &str) -> Result<String, Failure> {
    rpassword::prompt_password(format!("{question}: ")).map_err(|error| {
        format!("no password can be asked for ({error}); use --password-stdin in scripts").into()
    })
}

/// Asks at the terminal, twice.
pub fn ask_twice(question: &str) -> Result<String, Failure> {
    let first = ask(question)?;
    if first != ask("Once more")? {
        return Err("the two were not the same; nothing was done".into());
    }
    Ok(first)
}
