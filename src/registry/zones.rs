//! Taking zones in, at the start and at a reload.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use super::command::CommandError;
use super::draft::Draft;
use super::packing::HeldHost;
use super::rows::ZoneRow;
use super::settings::Settings;
use super::shown::Shown;
use super::state::{ServedZone, State};
use crate::model::{Host, Name, Serial};
use crate::zone::{Filling, Snapshot, Zone};

/// How far a zone's serial is raised when the store was lost and the dump is
/// served instead: further than any zone came since the dump was written, were
/// it a day with 190 changes a second. Not so far that it is taken for lower
/// (2^31, RFC 1982 §3.2), with room for many losses one after the other.
const AFTER_A_LOSS: u32 = 1 << 24;

/// Sentences shown when many hosts stand in the way of a zone file.
const CONFLICTS_SHOWN: usize = 10;

impl ZoneRow {
    fn raise_after_a_loss(&mut self) {
        self.serial = Serial(self.serial.0.wrapping_add(AFTER_A_LOSS));
    }
}

impl State {
    /// The addresses of the name servers that lie in zones served here.
    pub(super) fn name_servers(&self) -> Vec<IpAddr> {
        let servers = self.zones.values().flat_map(|served| served.zone.name_servers());
        servers.flat_map(|(_, addresses)| addresses).collect()
    }
}

impl Draft {
    /// Serves these zones from now on, and no others. Hosts survive. A
    /// zone's serial rises by one if its fixed records, or the TTL of its
    /// hosts, are others than those it was last published with.
    ///
    /// Returns a sentence for the operator.
    ///
    /// # Errors
    /// When two files hold the same zone, or a fixed record stands where a
    /// host is: nothing has happened then.
    pub(super) fn serve_zones(
        &mut self,
        zones: Vec<Zone>,
        settings: &Settings,
        restored: bool,
    ) -> Result<String, CommandError> {
        let mut by_origin: BTreeMap<Name, Arc<Zone>> = BTreeMap::new();
        for zone in zones {
            if let Some(other) = by_origin.get(zone.origin()) {
                return Err(CommandError(format!(
                    "{} and {} both hold the zone {}: keep one of them",
                    other.file().display(),
                    zone.file().display(),
                    zone.origin().without_dot()
                )));
            }
            by_origin.insert(zone.origin().clone(), Arc::new(zone));
        }
        let mut rows: BTreeMap<Name, ZoneRow> = (*self.state.unserved).clone();
        rows.extend(self.state.zones.iter().map(|(name, served)| (name.clone(), served.row)));
        let mut served = BTreeMap::new();
        let mut changed = 0;
        for (origin, zone) in by_origin {
            let known = rows.remove(&origin);
            let mut row =
                known.unwrap_or(ZoneRow::new(zone.file_serial(), zone.digest(), settings.ttl));
            let ttl_shows = row.ttl != settings.ttl && self.default_ttl_shows(&origin);
            if row.digest != zone.digest() || ttl_shows {
                row.serial = row.serial.next();
            }
            if restored {
                row.raise_after_a_loss();
            }
            (row.digest, row.ttl) = (zone.digest(), settings.ttl);
            if known != Some(row) {
                changed += 1;
                self.touch_zone(&origin);
            }
            served.insert(origin, ServedZone { zone, row });
        }
        if restored {
            // They may be served again, and this is said once.
            for (origin, row) in &mut rows {
                row.raise_after_a_loss();
                self.touch_zone(origin);
            }
        }
        let gone = rows.len();
        let count = served.len();
        self.state.zones = Arc::new(served);
        self.state.unserved = Arc::new(rows);
        self.snapshot = self.render(settings)?;
        let mut report = format!("zones served: {count}, new or changed: {changed}");
        if gone > 0 {
            report += &format!(
                "; not served any more: {gone} (their hosts are kept, and come back with them)"
            );
        }
        Ok(report)
    }

    /// Whether a host of the zone answers with the default TTL now.
    fn default_ttl_shows(&self, origin: &Name) -> bool {
        self.state.hosts().any(|host| {
            let is_shown = !(host.addresses().is_empty() && host.records.is_empty());
            host.ttl.is_none() && is_shown && host.name.is_within(origin)
        })
    }

    /// Everything rendered afresh.
    ///
    /// # Errors
    /// When a fixed record stands where a host is.
    fn render(&self, settings: &Settings) -> Result<Snapshot, CommandError> {
        let zones: Vec<(&Zone, Serial)> =
            self.state.zones.values().map(|served| (&*served.zone, served.row.serial)).collect();
        let mut filling = Filling::new(Snapshot::new(&zones, settings.identity.clone()));
        let ttl = self.state.ttl.seconds();
        let mut conflicts = Conflicts::default();
        let mut others = Vec::new();
        for (number, row) in self.state.hosts.iter() {
            let held = HeldHost::read(row);
            // Nearly all of them: where nothing else is, nothing is in the way.
            if let Some(addresses) = held.plain_addresses()
                && filling.is_free(held.name)
            {
                if !addresses.is_empty() {
                    filling.add(held.name, addresses, ttl);
                }
                continue;
            }
            let Some(host) = self.state.host_numbered(number) else { continue };
            let Some((_, served)) = self.state.zone_of(&host.name) else { continue };
            match refused(&served.zone, &host) {
                Some(why) => conflicts.add(why),
                None => others.push(number),
            }
        }
        conflicts.none()?;
        let mut snapshot = filling.done();
        for host in others.into_iter().filter_map(|number| self.state.host_numbered(number)) {
            let addresses = host.addresses();
            let ttl = self.state.ttl_of(&host).seconds();
            if !host.records.is_empty() {
                Shown::of(&host, ttl).publish(&Shown::default(), &mut snapshot);
            } else if !addresses.is_empty() {
                snapshot.set_host(&host.name, addresses, ttl, host.wildcard);
            }
        }
        Ok(snapshot)
    }
}

/// Why a host cannot be, if it cannot: a fixed record and a host cannot have
/// the same name.
fn refused(zone: &Zone, host: &Host) -> Option<String> {
    let mut records = host.records.iter().filter(|record| record.name != host.name);
    let refused = zone.refuses_host(&host.name, host.wildcard);
    refused.or_else(|| records.find_map(|record| zone.refuses_host(&record.name, false)))
}

/// Hosts that stand in the way of a zone file.
#[derive(Default)]
struct Conflicts {
    told: Vec<String>,
    more: usize,
}

impl Conflicts {
    fn add(&mut self, why: String) {
        if self.told.len() < CONFLICTS_SHOWN {
            self.told.push(why);
        } else {
            self.more += 1;
        }
    }

    fn none(mut self) -> Result<(), CommandError> {
        if self.told.is_empty() {
            return Ok(());
        }
        self.told.sort();
        if self.more > 0 {
            self.told.push(format!("… and {} more", self.more));
        }
        Err(CommandError(self.told.join("\n")))
    }
}
