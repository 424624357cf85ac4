//! Certificates, chosen by the name that the client asks for.

use std::sync::Arc;

use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::{ClientHello, ParsedCertificate, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::{self, ServerConfig};
use windlass_core::spec::Tls;

/// What TLS connections are answered with.
pub(super) struct Certificates {
    config: Option<Arc<ServerConfig>>,
}

impl Certificates {
    pub(super) const fn none() -> Self {
        Self { config: None }
    }

    /// Reads the files. A certificate that cannot be used is left out, and told of; the others serve.
    pub(super) fn load(files: &[Tls]) -> (Self, Vec<String>) {
        let mut chosen = Vec::new();
        let mut problems = Vec::new();
        for file in files {
            match read(file) {
                Ok(key) => chosen.push(Arc::new(key)),
                Err(why) => problems.push(format!("certificate {} is not used: {why}", file.certificate)),
            }
        }
        if chosen.is_empty() {
            return (Self::none(), problems);
        }
        match config(Choice(chosen)) {
            Ok(config) => (Self { config: Some(Arc::new(config)) }, problems),
            Err(error) => {
                problems.push(format!("TLS cannot be used: {error}"));
                (Self::none(), problems)
            }
        }
    }

    /// How to answer a TLS connection; `None` when no certificate can be used.
    pub(super) fn config(&self) -> Option<Arc<ServerConfig>> {
        self.config.clone()
    }
}

fn config(choice: Choice) -> Result<ServerConfig, rustls::Error> {
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(choice));
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config.send_tls13_tickets = 2;
    Ok(config)
}

fn read(file: &Tls) -> Result<CertifiedKey, String> {
    let chain = CertificateDer::pem_file_iter(&file.certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| format!("it cannot be read: {error}"))?;
    if chain.is_empty() {
        return Err("there is no certificate in the file".to_owned());
    }
    let key = PrivateKeyDer::from_pem_file(&file.key)
        .map_err(|error| format!("its key {} cannot be read: {error}", file.key))?;
    let key =
        CertifiedKey::from_der(chain, key, &ring::default_provider()).map_err(|error| error.to_string())?;
    key.end_entity_cert()
        .and_then(ParsedCertificate::try_from)
        .map_err(|error| format!("it is no usable certificate: {error}"))?;
    Ok(key)
}

/// The first certificate that is for the name; else the first of all.
#[derive(Debug)]
struct Choice(Vec<Arc<CertifiedKey>>);

impl ResolvesServerCert for Choice {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = hello.server_name().and_then(|name| ServerName::try_from(name).ok());
        name.and_then(|name| self.0.iter().find(|key| is_for(key, &name))).or_else(|| self.0.first()).cloned()
    }
}

fn is_for(key: &CertifiedKey, name: &ServerName<'_>) -> bool {
    key.end_entity_cert()
        .and_then(ParsedCertificate::try_from)
        .is_ok_and(|certificate| rustls::client::verify_server_name(&certificate, name).is_ok())
}
