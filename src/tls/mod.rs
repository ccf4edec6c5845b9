//! The certificate of the HTTP server: read from PEM files, swapped while the
//! server runs.
//!
//! TLS 1.2 and 1.3. A client that sends no server name gets the same
//! certificate: old firmware sends none. What cannot speak TLS 1.2 at all is
//! what plain HTTP is for (CLIENTS.md §5).

mod terms;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

/// A certificate chain and its key, as files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    /// The chain in PEM, the server's own certificate first.
    pub certificate: PathBuf,
    /// The private key in PEM (PKCS #8, PKCS #1 or SEC 1).
    pub key: PathBuf,
}

/// Why a certificate cannot be served.
#[derive(Debug)]
pub struct TlsError {
    file: PathBuf,
    problem: String,
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.file.display(), self.problem)
    }
}

impl std::error::Error for TlsError {}

fn wrong(file: &Path, problem: impl fmt::Display) -> TlsError {
    TlsError { file: file.to_owned(), problem: problem.to_string() }
}

/// The certificate that is served now.
#[derive(Debug)]
pub struct Certificate {
    files: Files,
    current: ArcSwap<CertifiedKey>,
}

impl Certificate {
    /// Reads the files.
    ///
    /// # Errors
    /// When one cannot be read, holds no certificate or key, or the two do
    /// not belong together.
    pub fn load(files: Files) -> Result<Arc<Certificate>, TlsError> {
        let current = ArcSwap::from_pointee(read(&files)?);
        Ok(Arc::new(Certificate { files, current }))
    }

    /// Reads the files again, for connections from now on; the old
    /// certificate goes on when they are wrong.
    ///
    /// # Errors
    /// As [`Certificate::load`].
    pub fn reload(&self) -> Result<(), TlsError> {
        self.current.store(Arc::new(read(&self.files)?));
        Ok(())
    }

    /// How connections are to be accepted: HTTP/1.1 and 1.0, since the clients
    /// of this server speak nothing newer or choose 1.1 when offered. Whoever
    /// offers 1.0 alone (`curl --http1.0`) would be turned away otherwise.
    pub fn server_config(self: &Arc<Certificate>) -> Arc<ServerConfig> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("the provider has TLS 1.2 and 1.3")
            .with_no_client_auth()
            .with_cert_resolver(self.clone());
        config.alpn_protocols = vec![b"http/1.1".to_vec(), b"http/1.0".to_vec()];
        Arc::new(config)
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current.load_full())
    }
}

fn read(files: &Files) -> Result<CertifiedKey, TlsError> {
    let chain = CertificateDer::pem_file_iter(&files.certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| wrong(&files.certificate, error))?;
    if chain.is_empty() {
        return Err(wrong(&files.certificate, "there is no certificate in it"));
    }
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|error| wrong(&files.key, error))?;
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    CertifiedKey::from_der(chain, key, &provider).map_err(|error| wrong(&files.key, error))
}
