//! `truename why …`: the last requests, what each was answered, what decided,
//! and what to do about it.

use std::path::Path;

use clap::ArgGroup;

use super::Failure;
use super::args::name;
use super::output::{Output, facts};
use super::show::{ago, reported, time};
use crate::control::{self, AskError};
use crate::model::{AccountName, Holder, Name, Timestamp};
use crate::recent::View;
use crate::registry::{Command, Reply};

/// Requests shown where nobody says how many.
const SHOWN: usize = 20;

#[derive(Debug, clap::Args)]
#[command(group = ArgGroup::new("whose").required(true))]
pub struct Why {
    /// Requests about this host
    #[arg(value_parser = name, group = "whose")]
    host: Option<Name>,
    /// Requests with this account's credentials or name
    #[arg(long, value_name = "ACCOUNT", group = "whose")]
    account: Option<AccountName>,
    /// The latest requests of everybody, strangers included
    #[arg(
        long, value_name = "NUMBER", group = "whose", num_args = 0..=1,
        default_missing_value = "20", hide_default_value = true
    )]
    recent: Option<usize>,
}

/// Asks the running server, and says what it remembers.
pub fn why(data: &Path, why: Why, json: bool, now: Timestamp) -> Result<Output, Failure> {
    let Why { host, account, recent } = why;
    let about = host.map(Holder::Host).or(account.map(Holder::Account));
    let most = recent.unwrap_or(SHOWN);
    let command = Command::Why { about: about.clone(), most };
    let Reply::Why(views) = control::ask(data, &command)? else {
        return Err("the server did not say what it remembers; restart it".into());
    };
    if json {
        return Output::of(&views, json, String::new);
    }
    if views.is_empty() {
        return nothing(data, about.as_ref(), now).map(Output::text);
    }
    Ok(Output::text(requests(&views, now)))
}

/// Requests in words, a blank line between them.
pub fn requests(views: &[View], now: Timestamp) -> String {
    let texts: Vec<String> = views.iter().map(|view| request(view, now)).collect();
    texts.join("\n")
}

/// What can be said where no request is remembered.
fn nothing(data: &Path, about: Option<&Holder>, now: Timestamp) -> Result<String, Failure> {
    let mut text = match about {
        None => return Ok("No request came since the server was started.\n".into()),
        Some(Holder::Account(account)) => {
            control::ask(data, &Command::AccountShow { name: account.clone() })?;
            format!("No request of {account} is remembered.\n")
        }
        Some(Holder::Host(name)) => {
            let host = control::ask(data, &Command::HostShow { name: name.clone() });
            let name = name.without_dot();
            match host {
                Ok(Reply::Host(view)) => format!(
                    "No request about {name} is remembered. It reported last: {}.\n",
                    reported(&view.host, now)
                ),
                Ok(_) => format!("No request about {name} is remembered.\n"),
                Err(AskError::Refused(why)) => {
                    format!("No request about {name} is remembered, and {why}.\n")
                }
                Err(error) => return Err(error.into()),
            }
        }
    };
    text += "What came before the server's start is forgotten, and of many hosts those heard least \
             recently.\nIf the client should have reported by now, nothing of it arrives: try its \
             URL from its network\n(`curl -v URL`), and look at `truename why --recent` for one \
             that names another host.\n";
    Ok(text)
}

/// One request in words.
fn request(view: &View, now: Timestamp) -> String {
    let mut text = format!("{}, {}", time(view.at), ago(view.at, now));
    if view.times > 1 {
        text += &format!("; {} times since {}", view.times, time(view.since));
    }
    text.push('\n');
    let from = match view.client == view.peer {
        true => view.client.to_string(),
        false => format!("{}, by way of {}", view.client, view.peer),
    };
    let mut protocol = view.protocol.map_or("none of ours".into(), |protocol| protocol.to_string());
    protocol += match view.encrypted {
        Some(true) => ", encrypted",
        Some(false) => ", not encrypted",
        None => "",
    };
    let mut lines = vec![("from", from), ("protocol", protocol)];
    several(&mut lines, "request", view.request.lines().map(str::to_owned));
    several(&mut lines, "answer", view.answer.lines().map(str::to_owned));
    // What holds for all of its hosts is said once.
    let one = view.why.iter().all(|why| why.rule == view.why[0].rule);
    let whys = view.why.iter().map(|why| match &why.host {
        Some(host) if !one => format!("{}: {}", host.without_dot(), why.rule),
        _ => why.rule.clone(),
    });
    let whys = whys.take(if one { 1 } else { usize::MAX });
    several(&mut lines, "why", whys);
    several(&mut lines, "advice", view.advice.iter().flat_map(|advice| wrapped(advice)));
    text + &facts(&lines)
}

/// Several lines, the word beside the first.
fn several(
    lines: &mut Vec<(&'static str, String)>,
    word: &'static str,
    more: impl Iterator<Item = String>,
) {
    let word = std::iter::once(word).chain(std::iter::repeat(""));
    lines.extend(word.zip(more));
}

/// Characters of a line of advice.
const WIDTH: usize = 88;

/// A sentence in lines.
fn wrapped(sentence: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in sentence.split(' ') {
        let line = lines.last_mut().expect("there is one");
        if line.is_empty() {
            line.push_str(word);
        } else if line.chars().count() + 1 + word.chars().count() <= WIDTH {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}
