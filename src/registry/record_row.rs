//! One record of a host at rest, in the host's row.

use data_encoding::BASE64_NOPAD;
use serde::{Deserialize, Serialize};

use super::rows::unreadable;
use crate::model::{HostRecord, Line, Name, RecordType, Served};
use crate::store::StoreError;
use crate::zone::received;

/// `[name, type, ttl, data in base64, until, line]`
#[derive(PartialEq, Serialize, Deserialize)]
pub struct RecordV3(Name, RecordType, u32, String, Option<Served>, Option<Line>);

impl RecordV3 {
    /// As it is written down.
    pub fn of(record: &HostRecord) -> RecordV3 {
        let HostRecord { name, rtype, ttl, rdata, until, line } = record.clone();
        RecordV3(name, rtype, ttl, BASE64_NOPAD.encode(&rdata), until, line)
    }

    /// Of the host whose row has this key. Whatever is at rest, what is served is
    /// the record of a host's, and well formed; `None`: this is none, which keeps
    /// nobody from starting. It stays in the row until that is written again.
    pub fn record(self, key: &str, host: &Name) -> Result<Option<HostRecord>, StoreError> {
        let RecordV3(name, rtype, ttl, rdata, until, line) = self;
        if !name.is_within(host) {
            let why = format!("it has a record at {}, which is not below it", name.without_dot());
            return Err(unreadable(key, &why));
        }
        let rdata = BASE64_NOPAD.decode(rdata.as_bytes());
        let rdata = rdata.map_err(|_| unreadable(key, "a record's data is not base64"))?;
        let is_bearable = rtype.is_hosts() && rdata.len() <= usize::from(u16::MAX);
        let read = is_bearable.then(|| received(rtype, &rdata, 0..rdata.len())).flatten();
        if read.is_none() {
            tracing::error!(
                "at {} the row {key} has what is no {rtype} record; it is not served",
                name.without_dot()
            );
        }
        Ok(read.map(|rdata| HostRecord { name, rtype, ttl, rdata, until, line }))
    }
}

#[cfg(test)]
mod tests {
    use super::RecordV3;

    #[test]
    fn a_record_that_is_none_is_left_out() {
        let read = |record: &str| {
            let row = format!(r#"["x.home.example",{record},null,null]"#);
            let row: RecordV3 = serde_json::from_str(&row).unwrap();
            row.record("host/home.example", &"home.example".parse().unwrap())
        };
        assert!(read(r#""A",60,"wAACAg""#).unwrap().is_some());
        // A name that was written down before its type was known to have one.
        let lowered = read(r#""MX",60,"AAoBQQA""#).unwrap().unwrap();
        assert_eq!(lowered.rdata, b"\0\x0a\x01a\0");
        for damaged in [
            r#""A",60,"wAAC""#,
            r#""MX",60,"AA""#,
            r#""OPENPGPKEY",60,"""#,
            // No host's.
            r#""NS",60,"AWEA""#,
            r#""TYPE255",60,"wAACAg""#,
        ] {
            assert_eq!(read(damaged).unwrap(), None, "{damaged}");
        }
    }
}
