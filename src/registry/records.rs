//! Records beside addresses, as operators change them.

use super::command::Reply;
use super::draft::Draft;
use super::operate::{Done, refused};
use crate::model::{HostRecord, MAX_RDATA, MAX_RECORD_OCTETS, MAX_RECORDS, Name, Now, Protocol};
use crate::update::{Edit, Edited, Edits, Policies};

impl Draft {
    /// A record of a host above at this name or below it.
    pub(super) fn record_in_the_way(&self, name: &Name) -> Option<(Name, HostRecord)> {
        let host = self.state.host_above(&name.parent()?)?;
        let mut records = host.records.into_iter();
        let record = records.find(|record| record.name.is_within(name))?;
        Some((host.name, record))
    }

    /// Changes records, as the operator says.
    pub(super) fn edit_records(&mut self, edits: &[Edit], policies: &Policies, now: Now) -> Done {
        let edits = Edits {
            requires: Vec::new(),
            edits: edits.to_vec(),
            protocol: Protocol::Command,
            source: std::net::Ipv4Addr::UNSPECIFIED.into(),
        };
        match self.edit(None, &edits, policies, now) {
            Edited::Done { changed: true } => Ok(Reply::Done("done".into())),
            Edited::Done { changed: false } => {
                Ok(Reply::Done("nothing changed: it was so already".into()))
            }
            Edited::Unknown => refused(
                "the name is at or below no host (`truename host list` shows those there are)".into(),
            ),
            Edited::NotAllowed => refused(
                "records of this type belong into the zone file, or the zone file has records at this name".into(),
            ),
            Edited::BadAddress => refused(
                "the address cannot be published in this zone (loopback or multicast; private, or this server's own, where `global_only` is set)".into(),
            ),
            Edited::BadData => {
                refused(format!("a record's data has {MAX_RDATA} octets at most"))
            }
            Edited::BesideCname => refused(
                "a CNAME stands alone at its name: remove what is there first (`truename host show HOST` lists it)".into(),
            ),
            Edited::TooMany => refused(format!(
                "a host has {MAX_RECORDS} records at most, and {MAX_RECORD_OCTETS} octets in them: remove some first"
            )),
            Edited::Blocked | Edited::Failed(_) => refused("the records were not changed".into()),
        }
    }
}
