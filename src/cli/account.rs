//! `truename account …`

use clap::{ArgGroup, Subcommand};

use super::{Failure, secret};
use crate::model::AccountName;
use crate::registry::Command;

#[derive(Debug, Subcommand)]
pub enum AccountVerb {
    /// Add an account; without a password only its keys prove it
    #[command(group = ArgGroup::new("what").multiple(true))]
    Add {
        /// Its name, to log in with
        account: AccountName,
        #[command(flatten)]
        password: Password,
    },
    /// Change an account; what is not mentioned stays
    #[command(
        override_usage = "truename account set <ACCOUNT> <OPTIONS>",
        group = ArgGroup::new("what").required(true).multiple(true)
    )]
    Set {
        /// The account
        account: AccountName,
        #[command(flatten)]
        password: Password,
        /// Take its password away: only its keys prove it from then on
        #[arg(long, group = "what", conflicts_with_all = ["password", "password_stdin"])]
        no_password: bool,
        /// Answer its updates with `abuse`
        #[arg(long, group = "what", conflicts_with = "unblock")]
        block: bool,
        /// Take its updates again
        #[arg(long, group = "what")]
        unblock: bool,
    },
    /// Show an account
    Show {
        /// The account
        account: AccountName,
    },
    /// List accounts
    List,
    /// Remove an account and its keys; it must own no hosts
    Remove {
        /// The account
        account: AccountName,
    },
}

/// How a password is given: never on the command line, where other users of
/// the machine see it.
#[derive(Debug, clap::Args)]
pub struct Password {
    /// Ask for a password
    #[arg(long, group = "what", conflicts_with = "password_stdin")]
    password: bool,
    /// Read a password from standard input
    #[arg(long, group = "what")]
    password_stdin: bool,
}

impl Password {
    fn read(&self, whose: &AccountName) -> Result<Option<String>, Failure> {
        if self.password_stdin {
            return secret::from_stdin().map(Some);
        }
        if self.password {
            return secret::ask_twice(&format!("Password for {whose}")).map(Some);
        }
        Ok(None)
    }
}

impl AccountVerb {
    /// What the server is asked.
    pub fn command(self) -> Result<Command, Failure> {
        Ok(match self {
            AccountVerb::Add { account, password } => {
                let password = password.read(&account)?;
                Command::AccountAdd { name: account, password }
            }
            AccountVerb::Set { account, password, no_password, block, unblock } => {
                let password = match password.read(&account)? {
                    None if no_password => Some(String::new()),
                    password => password,
                };
                let blocked = (block || unblock).then_some(block);
                Command::AccountSet { name: account, password, blocked }
            }
            AccountVerb::Show { account } => Command::AccountShow { name: account },
            AccountVerb::List => Command::AccountList,
            AccountVerb::Remove { account } => Command::AccountRemove { name: account },
        })
    }
}
