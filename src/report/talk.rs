//! What is said to the server, in which of two languages: signed
//! (`clients/signed.md`), or dyndns2 with a token.

use std::net::IpAddr;
use std::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::exchange::{Answer, Client, Question};
use super::{Options, Proof, Report};
use crate::model::{Family, KeyId, Line, Name, Secret};
use crate::signed::{self, ADDRESS_PATH, AddressAnswer, Nonce, SharedSecret, Status, UPDATE_PATH};
use crate::update::{Outcome, Said};

/// What the server answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// For every host.
    Accepted,
    /// For some hosts; others are not ours any more, say.
    Partly {
        /// What the owner is to do about those.
        why: String,
    },
    /// Not now, or nobody knows: try again.
    Later {
        /// A sentence for the owner.
        why: String,
        /// Not before, if the server says so.
        after: Option<Duration>,
    },
    /// The owner has to do something first.
    Refused {
        /// What.
        why: String,
    },
}

fn later(why: impl Into<String>) -> Verdict {
    Verdict::Later { why: why.into(), after: None }
}

/// What is not sent as it is in a query: addresses are.
const VALUE: &AsciiSet = &NON_ALPHANUMERIC.remove(b'.').remove(b'-').remove(b':').remove(b'/');

/// Speaks with one server for some hosts.
pub struct Talk {
    client: Client,
    hosts: Vec<Name>,
    line: Option<Line>,
    proof: Proof,
}

impl Talk {
    /// # Errors
    /// When certificates cannot be checked: a sentence for the owner.
    pub fn new(options: &Options) -> Result<Talk, String> {
        Ok(Talk {
            client: Client::new(options.server.clone(), options.authorities.as_deref())?,
            hosts: options.hosts.clone(),
            line: options.line.clone(),
            proof: options.proof.clone(),
        })
    }

    /// This machine's address as the server sees it.
    ///
    /// # Errors
    /// When there is no answer: a sentence for the owner.
    pub async fn address(&self, family: Family) -> Result<IpAddr, String> {
        if let Proof::Signed { key, secret } = &self.proof {
            let answer = self.signed_address(key, secret, Some(family)).await;
            return answer.map(|answer| answer.address).map_err(|verdict| match verdict {
                Verdict::Later { why, .. } | Verdict::Refused { why } | Verdict::Partly { why } => {
                    why
                }
                Verdict::Accepted => String::new(),
            });
        }
        let target = "/checkip?format=plain";
        let question = Question { target, authorization: None, body: None, family: Some(family) };
        let answer = self.client.ask(question).await?;
        let text = String::from_utf8_lossy(&answer.body);
        text.trim().parse().map_err(|_| {
            format!(
                "{} does not tell this machine's address; is it truename?",
                self.client.server()
            )
        })
    }

    /// Tells the server.
    pub async fn say(&self, report: &Report) -> Verdict {
        match &self.proof {
            Proof::Token { user, token } => self.say_plain(report, user, token).await,
            Proof::Signed { key, secret } => match self.say_signed(report, key, secret).await {
                // Another machine with the same key was quicker by a moment, or
                // the clock was read across a step: asked anew it is right.
                Verdict::Later { after: Some(Duration::ZERO), .. } => {
                    self.say_signed(report, key, secret).await
                }
                verdict => verdict,
            },
        }
    }

    async fn say_plain(&self, report: &Report, user: &str, token: &Secret) -> Verdict {
        let basic = data_encoding::BASE64.encode(format!("{user}:{}", token.0).as_bytes());
        let authorization = format!("Basic {basic}");
        let target = self.plain_target(report);
        let question = Question {
            target: &target,
            authorization: Some(&authorization),
            body: None,
            family: None,
        };
        match self.client.ask(question).await {
            Ok(answer) => self.read_plain(&answer),
            Err(why) => later(why),
        }
    }

    fn plain_target(&self, report: &Report) -> String {
        let hosts: Vec<String> = self.hosts.iter().map(Name::without_dot).collect();
        let mut target = format!("/nic/update?hostname={}", hosts.join(","));
        let mut add = |name: &str, value: Option<String>| {
            if let Some(value) = value {
                let value = utf8_percent_encode(&value, VALUE);
                target += &format!("&{name}={value}");
            }
        };
        add("myip", spelled(&report.v4));
        add("myipv6", spelled(&report.v6));
        add("ipv6prefix", spelled(&report.prefix));
        add("line", self.line.as_ref().map(Line::to_string));
        target
    }

    fn read_plain(&self, answer: &Answer) -> Verdict {
        let server = self.client.server();
        let text = String::from_utf8_lossy(&answer.body);
        let mut lines = text.lines().map(|line| line.split(' ').next().unwrap_or_default());
        match answer.status {
            200 => {}
            401 | 403 => return refused_login(),
            500.. => {
                let why = format!("{server} cannot take reports now ({})", answer.status);
                return Verdict::Later { why, after: answer.retry_after };
            }
            300..=399 => {
                let why =
                    format!("{server} sends reports elsewhere; give the new place with --server");
                return later(why);
            }
            status => return later(format!("{server} answers {status}; is it truename?")),
        }
        let words: Vec<&str> = lines.by_ref().collect();
        match words[..] {
            ["badauth"] => return refused_login(),
            ["911"] => {
                return Verdict::Later {
                    why: format!("{server} cannot take reports now"),
                    after: answer.retry_after,
                };
            }
            [word] if self.hosts.len() > 1 => {
                return Verdict::Refused {
                    why: format!("{server} refuses the whole report: {word}"),
                };
            }
            _ if words.len() != self.hosts.len() => {
                return later(format!("{server} answers something else; is it truename?"));
            }
            _ => {}
        }
        let refusals = self.hosts.iter().zip(&words).filter_map(|(host, word)| advice(host, word));
        verdict(refusals.collect(), self.hosts.len())
    }

    async fn signed_address(
        &self,
        key: &KeyId,
        secret: &SharedSecret,
        family: Option<Family>,
    ) -> Result<AddressAnswer, Verdict> {
        let nonce = nonce();
        let target = format!("{ADDRESS_PATH}?key={key}&nonce={nonce}");
        let question = Question { target: &target, authorization: None, body: None, family };
        let answer = self.client.ask(question).await.map_err(later)?;
        AddressAnswer::read(&answer.body, secret, &nonce).ok_or_else(|| self.unsigned(&answer))
    }

    async fn say_signed(&self, report: &Report, key: &KeyId, secret: &SharedSecret) -> Verdict {
        // The server's own time, so that this machine needs no clock.
        let time = match self.signed_address(key, secret, None).await {
            Ok(answer) => answer.time,
            Err(verdict) => return verdict,
        };
        let update = signed::Update {
            key: key.clone(),
            time,
            hosts: self.hosts.clone(),
            v4: report.v4,
            v6: report.v6,
            prefix: report.prefix,
            line: self.line.clone(),
        };
        let (message, mac) = update.write(secret);
        let question = Question {
            target: UPDATE_PATH,
            authorization: None,
            body: Some(message),
            family: None,
        };
        let answer = match self.client.ask(question).await {
            Ok(answer) => answer,
            Err(why) => return later(why),
        };
        let Some(said) = signed::Answer::read(&answer.body, secret, mac) else {
            return self.unsigned(&answer);
        };
        let server = self.client.server();
        match said.status {
            Status::Done => {
                let refusals =
                    said.hosts.iter().filter_map(|(host, outcome)| refusal(host, outcome));
                verdict(refusals.collect(), self.hosts.len())
            }
            Status::Replayed | Status::Clock => Verdict::Later {
                why: format!(
                    "{server} has seen a later report by this key; give each machine its own"
                ),
                after: Some(Duration::ZERO),
            },
            Status::TooManyHosts => Verdict::Refused {
                why: format!("{server} does not take so many hosts in one report: name fewer"),
            },
            Status::Busy => Verdict::Later {
                why: format!("{server} cannot take reports now"),
                after: answer.retry_after,
            },
        }
    }

    /// An answer that is not signed, or not rightly. Anybody on the path could
    /// have said it.
    fn unsigned(&self, answer: &Answer) -> Verdict {
        let server = self.client.server();
        match answer.status {
            403 => Verdict::Refused {
                why: format!(
                    "{server} knows no such key, or not its secret, or it may not be used from \
                     here: is what `truename key secret NUMBER --for signed` printed in the key file?"
                ),
            },
            404 => Verdict::Refused {
                why: format!("{server} takes no signed updates; is it truename, and new enough?"),
            },
            500.. => Verdict::Later {
                why: format!("{server} cannot take reports now ({})", answer.status),
                after: answer.retry_after,
            },
            _ => later(format!(
                "what came back is not signed by {server}: the secret is another one's, or \
                 somebody on the way answers in its place"
            )),
        }
    }
}

/// One host that is not ours must not keep the others from being found.
fn verdict(refusals: Vec<String>, hosts: usize) -> Verdict {
    let why = refusals.join("; ");
    match refusals.len() {
        0 => Verdict::Accepted,
        all if all == hosts => Verdict::Refused { why },
        _ => Verdict::Partly { why },
    }
}

fn refused_login() -> Verdict {
    Verdict::Refused {
        why: "the server does not accept the token: is it in the key file as it was shown, and \
              for this host? (`truename key add HOST` on the server makes another)"
            .into(),
    }
}

fn spelled<A: std::fmt::Display>(said: &Said<A>) -> Option<String> {
    match said {
        Said::Nothing => None,
        Said::Is(value) => Some(value.to_string()),
        Said::Gone => Some("-".into()),
    }
}

/// What the owner is to do about a host that was not accepted.
fn advice(host: &Name, word: &str) -> Option<String> {
    let advice = match word {
        "good" | "nochg" => return None,
        "nohost" | "!yours" => "there is no such host, or this key is not good for it",
        "notfqdn" => "this is not the name of a host",
        "abuse" => "it is blocked; ask the server's operator",
        "dnserr" => "its address cannot be published there (a private one, say)",
        "badprefix" => "the prefix does not fit its site: is the length right?",
        "notallowed" => "this key may not change its addresses",
        "numhost" => "these are too many hosts for one report",
        _ => return Some(format!("{}: refused", host.without_dot())),
    };
    Some(format!("{}: {advice}", host.without_dot()))
}

fn refusal(host: &Name, outcome: &Outcome) -> Option<String> {
    let word = match outcome {
        Outcome::Moved(_) | Outcome::Kept(_) => return None,
        Outcome::Unknown => "nohost",
        Outcome::NotAName => "notfqdn",
        Outcome::Blocked => "abuse",
        Outcome::BadAddress => "dnserr",
        Outcome::BadPrefix => "badprefix",
        Outcome::NotAllowed => "notallowed",
        Outcome::Replayed => "",
    };
    advice(host, word)
}

/// 128 random bits.
fn nonce() -> Nonce {
    let mut octets = [0; 16];
    getrandom::fill(&mut octets).expect("the kernel gives random bytes once it runs");
    data_encoding::HEXLOWER.encode(&octets).parse().expect("32 digits are a nonce")
}
