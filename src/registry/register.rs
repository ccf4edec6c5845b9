//! Names that strangers make for themselves, where the operator allows it:
//! as acme-dns does, good for TXT records and nothing else.

use ipnet::IpNet;

use super::command::{CommandError, Reply};
use super::draft::Draft;
use super::secrets::{new_long_token, new_uuid};
use super::view::host_view;
use crate::model::{
    Account, AccountName, Cause, Holder, Host, May, Name, Now, Protocol, RecordType,
};

/// Whose such names are: one account, made when the first one is, so that the
/// operator lists, blocks and removes them like anybody's.
pub const REGISTRAR: &str = "acme-dns";

impl Draft {
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
