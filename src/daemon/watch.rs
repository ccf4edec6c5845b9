//! What an operator should know though the server runs: logged at a start and
//! at each reload, and shown by `truename status`.

use std::sync::{Arc, Mutex};

use crate::clock;
use crate::config::Config;
use crate::tls::Certificate;

/// Who keeps an eye on it.
pub(super) struct Watch {
    config: Config,
    pub certificate: Option<Arc<Certificate>>,
    /// What speaks against the configuration and the zones, as last read.
    found: Mutex<Vec<String>>,
}

impl Watch {
    pub fn new(config: &Config, certificate: Option<Arc<Certificate>>) -> Watch {
        Watch { config: config.clone(), certificate, found: Mutex::default() }
    }

    /// Reads the zones once more, and logs what there is to know. (What is wrong
    /// with them is told by whoever serves them.)
    pub fn look(&self) {
        // The embedded defaults are for loopback, and say so themselves.
        if self.config.file.is_some()
            && let Ok(zones) = self.config.load_zones()
        {
            let found = self.config.warnings(&zones);
            *self.found.lock().expect("nothing panics while it is held") = found;
        }
        for warning in self.warnings() {
            tracing::warn!("{warning}");
        }
    }

    /// What there is to know at this moment: certificates end by themselves.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = self.found.lock().expect("nothing panics while it is held").clone();
        if let Some(certificate) = &self.certificate {
            warnings.extend(certificate.doubts(self.config.public_host(), clock::wall()));
        }
        warnings
    }
}
