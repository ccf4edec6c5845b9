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
    /// the record of a host's, and well formed.
    pub fn record(self, key: &str, host: &Name) -> Result<HostRecord, StoreError> {
        let RecordV3(name, rtype, ttl, rdata, until, line) = self;
        if !name.is_within(host) {
            let why = format!("it has a record at {}, which is not below it", name.without_dot());
            return Err(unreadable(key, &why));
        }
        let rdata = BASE64_NOPAD.decode(rdata.as_bytes());
        let rdata = rdata.map_err(|_| unreadable(key, "a record's data is not base64"))?;
        let is_whole = rtype.is_hosts()
            && rdata.len() <= usize::from(u16::MAX)
            && received(rtype, &rdata, 0..rdata.len()).is_some_and(|read| read == rdata);
        if !is_whole {
            let why = format!("at {} it has what is no {rtype} record", name.without_dot());
            return Err(unreadable(key, &why));
        }
        Ok(HostRecord { name, rtype, ttl, rdata, until, line })
    }
}

#[cfg(test)]
mod tests {
    use super::RecordV3;

    #[test]
    fn a_record_that_is_damaged_is_refused_by_the_name_of_its_row() {
        let read = |record: &str| {
            let row = format!(r#"["x.home.example",{record},null,null]"#);
            let row: RecordV3 = serde_json::from_str(&row).unwrap();
            row.record("host/home.example", &"home.example".parse().unwrap())
        };
        assert!(read(r#""A",60,"wAACAg""#).is_ok());
        for damaged in [
            r#""A",60,"wAAC""#,
            r#""MX",60,"AA""#,
            // A name that is not in lower case.
            r#""MX",60,"AAoBQQA""#,
            // No host's.
            r#""NS",60,"AWEA""#,
            r#""TYPE255",60,"wAACAg""#,
        ] {
            let error = read(damaged).unwrap_err().to_string();
            for needed in ["host/home.example", "at x.home.example it has what is no "] {
                assert!(error.contains(needed), "{error}");
            }
        }
    }
}
