//! Whom to trust when somebody is spoken to by TLS.

use tokio_rustls::rustls::RootCertStore;

/// The system's authorities, else those that are built in.
pub(crate) fn authorities() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    // A system's store may hold certificates that nobody can use; the others are trusted.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    roots
}
