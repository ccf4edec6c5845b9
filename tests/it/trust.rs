//! An authority for TLS that a home trusts, so that clients check the
//! certificates of servers as they always do. Not a test by itself.

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

/// The authority.
pub struct Trust(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key, both as PEM.
pub struct Identity {
    pub certificate: String,
    pub key: String,
}

impl Trust {
    pub fn new() -> Trust {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "An authority for tests");
        Trust(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// Its own certificate as PEM.
    pub fn pem(&self) -> String {
        self.0.as_ref().pem()
    }

    /// What a server with these names shows.
    pub fn identity(&self, names: &[&str]) -> Identity {
        let key = KeyPair::generate().unwrap();
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let certificate =
            CertificateParams::new(names).and_then(|server| server.signed_by(&key, &self.0));
        Identity { certificate: certificate.unwrap().pem(), key: key.serialize_pem() }
    }
}
