//! Names that strangers make for themselves, where the operator allows it:
//! as acme-dns does, good for TXT records and nothing else.
//!
//! ```text
//!  /register ──▶ unused ──a record is set──▶ a host like any other
//!                   │
//!                   └──7 days without one──▶ gone, and its key
//! ```
//!
//! Else whoever registers and forgets it, a client that does so at each start
//! say, would take the room of everybody else for ever. What was used once
//! stays until somebody removes it: a certificate is renewed after months.
//! The days are counted in the time the server was served, as leases are.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::command::{CommandError, Reply};
use super::draft::Draft;
use super::rows;
use super::secrets::{new_long_token, new_uuid};
use super::view::host_view;
use crate::model::{
    Account, AccountName, Cause, Holder, Host, May, Name, Now, Protocol, RecordType, Served,
};
use crate::store::{StoreError, Write};

/// Whose such names are: one account, made when the first one is, so that the
/// operator lists, blocks and removes them like anybody's.
pub const REGISTRAR: &str = "acme-dns";

/// How long a name may be without a first use: a weekend and a working week
/// to set the CNAME that points at it.
pub const UNUSED: Duration = Duration::from_secs(7 * 86_400);

/// The keys of the rows of names that are not used yet begin with this.
pub(super) const ROWS: &str = "registered/";

/// Names ended in one group.
const ENDED_A_GROUP: usize = 256;

/// Names that are not used yet, and when they end. As many as the operator
/// allows names, at most.
#[derive(Clone, Default)]
pub(super) struct Unused(Arc<Ends>);

#[derive(Clone, Default)]
struct Ends {
    of: BTreeMap<Name, Served>,
    in_order: BTreeSet<(Served, Name)>,
}

impl Unused {
    /// Takes note of a name.
    pub fn insert(&mut self, name: Name, end: Served) {
        self.remove(&name);
        let ends = Arc::make_mut(&mut self.0);
        ends.in_order.insert((end, name.clone()));
        ends.of.insert(name, end);
    }

    /// Takes a name out; whether it was one.
    pub fn remove(&mut self, name: &Name) -> bool {
        if !self.0.of.contains_key(name) {
            return false;
        }
        let ends = Arc::make_mut(&mut self.0);
        let end = ends.of.remove(name);
        end.is_some_and(|end| ends.in_order.remove(&(end, name.clone())))
    }

    /// When the first name ends.
    pub fn next(&self) -> Option<Served> {
        self.0.in_order.first().map(|(end, _)| *end)
    }

    /// Their names as text and what is written down of them, in no order.
    pub fn rows(&self) -> impl Iterator<Item = (String, Write)> {
        let ends = self.0.of.iter();
        ends.map(|(name, end)| (name.without_dot(), put_row(name, *end)))
    }

    /// Names that have ended; so many at most as one group has.
    fn ended(&self, now: Served) -> Vec<Name> {
        let ended = self.0.in_order.iter().take_while(|(end, _)| *end <= now);
        ended.map(|(_, name)| name.clone()).take(ENDED_A_GROUP).collect()
    }
}

/// A line for the operator on names that ended.
pub(super) fn tell_ended(ended: &[Name]) {
    let days = UNUSED.as_secs() / 86_400;
    let first = ended.first().map_or_else(String::new, Name::without_dot);
    match ended.len() {
        0 => {}
        1 => tracing::info!("{first} is gone: it was registered {days} days ago and never used"),
        n => tracing::info!(
            "{n} names are gone, {first} the first: registered {days} days ago and never used"
        ),
    }
}

impl Draft {
    /// Removes names that were not used in time, and their keys; those that
    /// the operator has given to somebody stay.
    pub(super) fn end_unused(&mut self, now: Now) -> Vec<Name> {
        let mut ended = self.state.unused.ended(now.served);
        ended.retain(|name| {
            self.used(name);
            let owner = self.state.host(name).and_then(|host| host.owner);
            owner.is_some_and(|owner| owner.as_str() == REGISTRAR)
        });
        for name in &ended {
            self.drop_keys_of(name);
            self.remove_host(name);
        }
        ended
    }

    /// A name is used: it does not end any more.
    pub(super) fn used(&mut self, name: &Name) {
        if self.state.unused.remove(name) {
            self.write(Write::Delete(row_key(name)));
        }
    }

    /// Makes a name below a zone, and a key that may set its TXT records from
    /// these networks. Refused when there are `most` already.
    pub(super) fn register(
        &mut self,
        zone: &Name,
        networks: &[IpNet],
        most: usize,
        now: Now,
    ) -> Result<Reply, CommandError> {
        let refused = |why: String| Err(CommandError(why));
        let Some(served) = self.state.zones.get(zone) else {
            return refused(format!("the zone {} is not served here", zone.without_dot()));
        };
        let owner: AccountName = REGISTRAR.parse().expect("it is an account's name");
        let account = self.state.account(&owner);
        if account.as_ref().is_some_and(|account| account.blocked) {
            return refused("the operator takes no registrations now".into());
        }
        if self.state.hosts_of(&owner).take(most).count() >= most {
            return refused(format!(
                "{most} names are registered, as many as the operator of this server allows"
            ));
        }
        let name = loop {
            let name = zone.child(new_uuid().as_bytes());
            let name = name.map_err(|why| CommandError(why.to_string()))?;
            if self.state.host(&name).is_none() {
                break name;
            }
        };
        if let Some(why) = served.zone.refuses_host(&name, false) {
            return refused(why);
        }
        if account.is_none() {
            let name = owner.clone();
            self.put_account(Account { name, password: None, blocked: false, created: now.wall });
        }
        let host = Host { owner: Some(owner), ..Host::new(name.clone(), now.wall) };
        let cause = Cause::Report { protocol: Protocol::AcmeDns, source: None };
        self.put_host(host.clone(), cause, now);
        let end = now.served.plus(UNUSED);
        self.state.unused.insert(name.clone(), end);
        self.write(put_row(&name, end));
        let (mut key, _) = self.new_key(Holder::Host(name), now);
        let token = new_long_token();
        key.digest = self.state.token_key.digest(&token);
        key.networks = networks.to_vec();
        key.label = REGISTRAR.into();
        key.may = May { addresses: false, acme: false, types: vec![RecordType::TXT] };
        let key = Some(self.add_key((key, token.0), now));
        Ok(Reply::HostAdded { host: host_view(&self.state, &host, now), key })
    }
}

/// Of a name that was registered and not used yet.
#[derive(Serialize, Deserialize)]
struct RowV1 {
    v: u8,
    end: Served,
}

fn row_key(name: &Name) -> String {
    format!("{ROWS}{}", name.without_dot())
}

/// The row of a name that ends then, unless it is used before.
fn put_row(name: &Name, end: Served) -> Write {
    Write::Put(row_key(name), rows::json(&RowV1 { v: 1, end }))
}

pub(super) fn read_row(key: &str, value: &[u8]) -> Result<(Name, Served), StoreError> {
    let row: RowV1 = rows::read(key, value)?;
    Ok((rows::named(key, ROWS)?, row.end))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As it was ever written; it must be read for ever.
    #[test]
    fn a_row_of_every_version_is_read() {
        let key = "registered/home.dyn.example.org";
        let value = r#"{"v":1,"end":604800}"#;
        let (name, end) = read_row(key, value.as_bytes()).unwrap();
        assert_eq!(put_row(&name, end), Write::Put(key.into(), value.into()));
    }
}
