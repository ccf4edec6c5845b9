//! What `init` needs to know: from flags, else asked at the terminal.

use std::io::{self, IsTerminal, Write};

use super::Failure;

/// Whom to ask.
pub struct Questions {
    terminal: bool,
}

impl Questions {
    /// Asks at the terminal, unless there is none or nothing is to be asked.
    pub fn new(yes: bool) -> Questions {
        Questions { terminal: !yes && io::stdin().is_terminal() }
    }

    /// The flag's value, else what is answered, else the default.
    ///
    /// # Errors
    /// When there is nobody to ask and no default; or the default is taken
    /// and wrong.
    pub fn answer<T>(
        &self,
        given: Option<T>,
        question: &str,
        default: Option<&str>,
        flag: &str,
        read: impl Fn(&str) -> Result<T, String>,
    ) -> Result<T, Failure> {
        if let Some(given) = given {
            return Ok(given);
        }
        if !self.terminal {
            let Some(default) = default else {
                return Err(
                    format!("not known: {}; say it with {flag}", question.to_lowercase()).into()
                );
            };
            return Ok(read(default)?);
        }
        loop {
            match default {
                Some(default) => eprint!("{question} [{default}]: "),
                None => eprint!("{question}: "),
            }
            io::stderr().flush()?;
            let mut line = String::new();
            if io::stdin().read_line(&mut line)? == 0 {
                return Err("no more answers; nothing was written".into());
            }
            let answer = match line.trim() {
                "" => default.unwrap_or_default(),
                answer => answer,
            };
            match read(answer) {
                Ok(value) => return Ok(value),
                Err(why) => eprintln!("  {why}"),
            }
        }
    }
}

/// Words divided by commas or blanks, each read.
pub fn several<T>(
    read: impl Fn(&str) -> Result<T, String>,
) -> impl Fn(&str) -> Result<Vec<T>, String> {
    move |text| {
        let words = text.split([',', ' ']).filter(|word| !word.is_empty());
        let all = words.map(&read).collect::<Result<Vec<T>, String>>()?;
        if all.is_empty() { Err("at least one is needed".to_owned()) } else { Ok(all) }
    }
}
