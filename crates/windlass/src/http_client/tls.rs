//! Whom to trust: the system's authorities, else those that are built in, and those of a file.

use std::path::Path;
use std::sync::Arc;

use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::{self, CertificateError, ClientConfig, RootCertStore};
use windlass_core::store::Address;

use crate::trouble::{Trouble, Whose};
use crate::trust;

/// What encrypted connections are made with.
pub(crate) fn config(authorities: Option<&Path>) -> Result<Arc<ClientConfig>, Trouble> {
    let mut roots = trust::authorities();
    if let Some(path) = authorities {
        add(&mut roots, path)?;
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| {
            Trouble::new(
                Whose::Server,
                format!("cannot be spoken to with TLS: {error}"),
                "report this as a fault of Windlass",
            )
        })?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

fn add(roots: &mut RootCertStore, path: &Path) -> Result<(), Trouble> {
    let wrong = |why: String| {
        let what = format!("has authorities in {} that cannot be used: {why}", path.display());
        Trouble::new(
            Whose::Manifest,
            what,
            "put the PEM certificate of the authority there, or take `ca` away",
        )
    };
    let certificates = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| wrong(error.to_string()))?;
    if certificates.is_empty() {
        return Err(wrong("there is no certificate in it".to_owned()));
    }
    for certificate in certificates {
        roots.add(certificate).map_err(|error| wrong(error.to_string()))?;
    }
    Ok(())
}

/// What a failed handshake means. Only a connection that broke may do better next time.
pub(super) fn trouble(address: &Address, error: &std::io::Error) -> Trouble {
    let Some(refused) = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) else {
        let what = format!("broke off the connection to {address}: {error}");
        return Trouble::new(Whose::Network, what, "is that the server itself?").passing();
    };
    let (what, hint) = match refused {
        rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer) => (
            format!("shows a certificate at {address} of an authority that is not trusted here"),
            "if it is your own, name the file with its certificate: ca = \"FILE\" in its table of the manifest",
        ),
        rustls::Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => (
            format!("shows a certificate at {address} that is for another host"),
            "write the host's name that stands in the certificate into `address`",
        ),
        rustls::Error::InvalidCertificate(
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. },
        ) => (
            format!("shows a certificate at {address} that does not hold now"),
            "is this machine's clock right? Else have the certificate renewed",
        ),
        rustls::Error::InvalidMessage(_) => {
            (format!("does not speak TLS at {address}"), "is the port right, and is it https there?")
        }
        other => (
            format!("cannot be trusted at {address}: {other}"),
            "have whoever runs it look at its certificate and its TLS settings",
        ),
    };
    Trouble::new(Whose::Network, what, hint)
}
