//! Settings for a host's client, filled in from the files in `clients/`.

use std::net::IpAddr;

use super::output::table;
use super::{Failure, secret};
use crate::config::{Public, Scheme};
use crate::registry::{HostView, Purpose};

/// Every client, by the name of its file.
pub const CLIENTS: &[(&str, &str)] = &[
    ("ddclient", include_str!("../../clients/ddclient.conf")),
    ("ddclient4", include_str!("../../clients/ddclient4.conf")),
    ("inadyn", include_str!("../../clients/inadyn.conf")),
    ("openwrt", include_str!("../../clients/openwrt.conf")),
    ("fritzbox", include_str!("../../clients/fritzbox.txt")),
    ("unifi", include_str!("../../clients/unifi.txt")),
    ("pfsense", include_str!("../../clients/pfsense.txt")),
    ("opnsense", include_str!("../../clients/opnsense.txt")),
    ("synology", include_str!("../../clients/synology.txt")),
    ("mikrotik", include_str!("../../clients/mikrotik.rsc")),
    ("dd-wrt", include_str!("../../clients/dd-wrt.txt")),
    ("draytek", include_str!("../../clients/draytek.txt")),
    ("cisco", include_str!("../../clients/cisco.txt")),
    ("asus", include_str!("../../clients/asus.sh")),
    ("netgear", include_str!("../../clients/netgear.txt")),
    ("ddns-updater", include_str!("../../clients/ddns-updater.txt")),
    ("ddns-go", include_str!("../../clients/ddns-go.txt")),
    ("curl-cron", include_str!("../../clients/curl-cron.conf")),
    ("curl-systemd", include_str!("../../clients/curl-systemd.sh")),
    ("signed", include_str!("../../clients/signed.sh")),
    ("powershell", include_str!("../../clients/powershell.ps1")),
    ("certbot", include_str!("../../clients/certbot.ini")),
    ("lego", include_str!("../../clients/lego.sh")),
    ("acme-sh", include_str!("../../clients/acme-sh.sh")),
    ("acme-hook", include_str!("../../clients/acme-hook.sh")),
    ("traefik", include_str!("../../clients/traefik.yaml")),
    ("caddy", include_str!("../../clients/caddy.txt")),
];

/// What `host show` takes for the settings of a client.
#[derive(Debug, clap::Args)]
pub struct SettingsOf {
    /// Print the settings for this client; without a name, list the clients
    #[arg(long, value_name = "CLIENT", num_args = 0..=1, default_missing_value = "")]
    pub settings: Option<String>,
    /// Put this password into the settings: it is read from standard input
    #[arg(long, requires = "settings")]
    pub password_stdin: bool,
}

/// The names of the clients, for the help.
pub fn names() -> String {
    let names: Vec<&str> = CLIENTS.iter().map(|(name, _)| *name).collect();
    format!("Clients there are settings for: {}.", names.join(", "))
}

/// The clients there are, one a line.
pub fn list() -> String {
    lines(CLIENTS.iter())
}

fn lines<'a>(clients: impl Iterator<Item = &'a (&'a str, &'a str)>) -> String {
    let rows: Vec<_> = clients.map(|(name, text)| [(*name).to_owned(), title(text)]).collect();
    table(["NAME", "CLIENT"], &rows)
}

/// The first line that says something, without the marks of a comment.
fn title(text: &str) -> String {
    let first = text.lines().find(|line| !line.starts_with("#!")).unwrap_or_default();
    let line = first.trim_start_matches(['#', ' ']);
    line.split(['.', ':']).next().unwrap_or(line).to_owned()
}

/// The client that is meant: its name, or enough of it, in whatever spelling.
pub fn find(wanted: &str) -> Result<&'static str, Failure> {
    let plain = |text: &str| -> String {
        text.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase()
    };
    let wanted_plain = plain(wanted);
    if let Some((_, text)) = CLIENTS.iter().find(|(name, _)| plain(name) == wanted_plain) {
        return Ok(text);
    }
    let close: Vec<_> =
        CLIENTS.iter().filter(|(name, _)| plain(name).starts_with(&wanted_plain)).collect();
    let (fault, clients) = match close.as_slice() {
        [(_, text)] => return Ok(text),
        [] => ("there are no settings for", list()),
        several => ("more than one client begins with", lines(several.iter().copied())),
    };
    Err(format!("{fault} \"{wanted}\"; there are:\n{}", clients.trim_end()).into())
}

/// What stands in for what nobody told us.
pub const PASSWORD: &str = "PASSWORD";
const SERVER: &str = "SERVER";
const KEY: &str = "KEY";
const SECRET: &str = "SECRET";
const NAME_SERVER: &str = "NAMESERVER";

/// What a client signs, if it does: then its settings hold the secret, which
/// the server knows, and no password.
pub fn signs(template: &str) -> Option<Purpose> {
    let holds = |placeholder| template.contains(placeholder);
    let signed = holds("{secret}").then_some(Purpose::Signed);
    signed.or(holds("{tsig}").then_some(Purpose::Tsig))
}

/// The settings for one host, and remarks on what is still to be put in.
/// `dns` is an address of a name server of its zone.
pub fn settings(
    template: &str,
    view: &HostView,
    public: Option<&Public>,
    dns: Option<IpAddr>,
    password: Option<&str>,
    secret: Option<&str>,
) -> (String, Vec<String>) {
    let host = view.host.name.without_dot();
    let user = match &view.host.owner {
        // Nobody can log in as the host without a key of its own.
        Some(owner) if view.keys.is_empty() => owner.to_string(),
        _ => host.clone(),
    };
    let tls = public.is_some_and(|public| public.scheme == Scheme::Https);
    let choose = |yes: &'static str, no: &'static str| if tls { yes } else { no };
    let text = template
        .replace("{host}", &host)
        .replace("{user}", &user)
        .replace("{server}", public.map_or(SERVER, |public| &public.server))
        .replace("{scheme}", choose("https", "http"))
        .replace("{ssl}", choose("yes", "no"))
        .replace("{tls}", choose("true", "false"))
        .replace("{tls01}", choose("1", "0"))
        .replace("{key}", view.keys.first().map_or(KEY, |key| &key.0))
        .replace("{secret}", secret.unwrap_or(SECRET))
        .replace("{tsig}", secret.unwrap_or(SECRET))
        .replace("{dns}", &dns.map_or(NAME_SERVER.to_owned(), |dns| dns.to_string()))
        .replace("{password}", password.unwrap_or(PASSWORD));
    let mut remarks = Vec::new();
    if let Some(purpose) = signs(template) {
        let purpose = match purpose {
            Purpose::Tsig => "tsig",
            Purpose::Signed => "signed",
        };
        if secret.is_none() {
            remarks.push(format!(
                "{host} has no key of its own; `truename key add {host}` makes one, whose number \
                 and secret (`truename key secret NUMBER --for {purpose}`) go in place of {KEY} \
                 and {SECRET}."
            ));
        }
    } else if password.is_none() {
        remarks.push(format!(
            "Put the token that was shown when the key was made in place of {PASSWORD} \
             (lost? `truename key add {host}` makes another)."
        ));
    }
    if dns.is_none() && template.contains("{dns}") {
        remarks.push(format!(
            "Put the address of this name server in place of {NAME_SERVER}; the zone file does \
             not tell it."
        ));
    }
    if public.is_none() && template.contains("{server}") {
        remarks.push(format!(
            "Put the name of this server in place of {SERVER}, or set `public` under [http] in \
             the configuration."
        ));
    }
    (text, remarks)
}

/// A password that can stand in every file as it is.
pub fn password_from_stdin() -> Result<String, Failure> {
    let password = secret::from_stdin()?;
    // Quotes, blanks, %, #, $ and their like mean something in one file or
    // another; tokens have none of them.
    if password.chars().all(|c| c.is_ascii_alphanumeric() || "-._~+=:/@".contains(c)) {
        return Ok(password);
    }
    Err("this password has characters that some clients' files give a meaning to; leave \
         --password-stdin out and write it in as the client's manual says, or use a key"
        .into())
}
