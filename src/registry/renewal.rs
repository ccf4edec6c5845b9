//! A report that changes nothing but when a host was heard.

use crate::model::{Host, HostRecord, LastReport, Lease, Line, Presence, Served};

/// A host that was heard again where it is: nothing to write down now.
#[derive(Clone, Debug)]
pub(super) struct Renewal {
    /// When, on the clock leases run on.
    pub heard: Served,
    pub report: LastReport,
    /// Which of its lines, if not the host itself.
    pub line: Option<Line>,
}

impl Renewal {
    /// The host, heard again; `None`: a later report of it has come through
    /// the queue, or what was heard is gone.
    pub fn apply(self, mut host: Host, lease: Lease) -> Option<Host> {
        let Renewal { heard, report, line } = self;
        match line {
            None => match &mut host.presence {
                Presence::Present { heard: before, .. } if *before <= heard => *before = heard,
                _ => return None,
            },
            Some(line) => {
                let until = lease.end(heard);
                let its = |record: &&mut HostRecord| record.line.as_ref() == Some(&line);
                let mut any = false;
                for record in host.records.iter_mut().filter(its) {
                    // `None` is later than any end.
                    any |= record.until.is_some_and(|before| until.is_none_or(|it| before <= it));
                    record.until = record.until.and_then(|before| until.map(|it| it.max(before)));
                }
                if !any {
                    return None;
                }
            }
        }
        Some(Host { last_report: Some(report), ..host })
    }
}
