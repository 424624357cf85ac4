//! Encrypted stores: whom to trust, and the way through a proxy.

use std::path::Path;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use windlass_testkit::tunnel;

use crate::kit::{ask_in, told, values};
use crate::server::Server;
use crate::vault::{TOKEN, answer};

const PLACE: &str = "vault:shop/db#user";

/// A server's configuration for `host`, and its authority's certificate in the file `ca.pem`.
fn certified(directory: &Path, host: &str) -> Arc<ServerConfig> {
    let mut authority = CertificateParams::new(vec![]).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    std::fs::write(directory.join("ca.pem"), authority.pem()).unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate =
        CertificateParams::new(vec![host.to_owned()]).unwrap().signed_by(&key, &authority).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der())),
        )
        .unwrap();
    Arc::new(config)
}

fn declared(host: &str, port: u16, more: &str) -> String {
    format!("[stores.vault]\nkind = \"vault\"\naddress = \"https://{host}:{port}\"\n{more}")
}

#[test]
fn an_authority_of_ones_own_is_trusted_when_it_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::encrypted(certified(directory.path(), "localhost"), answer);
    let env = [("VAULT_TOKEN", TOKEN)];
    let ask = |stores: &str, env: &[(&str, &str)]| ask_in(directory.path(), stores, &[PLACE], env);

    let named = declared("localhost", server.port, "ca = \"ca.pem\"\n");
    assert_eq!(values(&ask(&named, &env)), ["vault:shop/db#user=ada"]);
    let path = directory.path().join("ca.pem");
    let by_variable = [("VAULT_TOKEN", TOKEN), ("VAULT_CACERT", path.to_str().unwrap())];
    let plain = declared("localhost", server.port, "");
    assert_eq!(values(&ask(&plain, &by_variable)), ["vault:shop/db#user=ada"]);

    assert_eq!(
        told(&ask(&plain, &env), server.port),
        "the store vault shows a certificate at https://localhost:PORT of an authority that is not trusted here; \
         if it is your own, name the file with its certificate: ca = \"FILE\" in its table of the manifest"
    );
    assert_eq!(
        told(&ask(&declared("127.0.0.1", server.port, "ca = \"ca.pem\"\n"), &env), server.port),
        "the store vault shows a certificate at https://127.0.0.1:PORT that is for another host; write the host's \
         name that stands in the certificate into `address`"
    );
    std::fs::write(directory.path().join("empty.pem"), "").unwrap();
    for (file, why) in [
        ("empty.pem", "there is no certificate in it"),
        ("none.pem", "I/O error: No such file or directory (os error 2)"),
    ] {
        let fetched = ask(&declared("localhost", server.port, &format!("ca = \"{file}\"\n")), &env);
        assert_eq!(
            told(&fetched, server.port),
            format!(
                "the store vault has authorities in {} that cannot be used: {why}; put the PEM certificate of the \
                 authority there, or take `ca` away",
                directory.path().join(file).display()
            )
        );
    }
    assert_eq!(server.seen().len(), 2, "nothing is said to whom is not trusted");
}

#[test]
fn a_server_without_tls_is_told_of() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(answer);
    // It waits for the end of a head, which a handshake has not.
    let stores = declared("localhost", server.port, "timeout = \"500ms\"\n");
    assert_eq!(
        told(&ask_in(directory.path(), &stores, &[PLACE], &[("VAULT_TOKEN", TOKEN)]), server.port),
        "the store vault did not answer within 500ms; is it overloaded? timeout = \"1m\" in its table of the \
         manifest waits longer"
    );
}

#[test]
fn a_proxy_lets_through_and_reads_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::encrypted(certified(directory.path(), "vault.test"), answer);
    let (port, asked) = tunnel::to(server.port);
    let stores = declared("vault.test", server.port, "ca = \"ca.pem\"\n");
    let proxy = format!("http://ada:sec-5d7e1a2b@127.0.0.1:{port}");
    let env = [("VAULT_TOKEN", TOKEN), ("HTTPS_PROXY", proxy.as_str())];
    assert_eq!(values(&ask_in(directory.path(), &stores, &[PLACE], &env)), ["vault:shop/db#user=ada"]);
    let asked = asked.join().unwrap();
    assert!(asked.starts_with(&format!("CONNECT vault.test:{} HTTP/1.1\r\n", server.port)), "{asked}");
    assert!(asked.contains("Proxy-Authorization: Basic YWRhOnNlYy01ZDdlMWEyYg==\r\n"), "{asked}");
}
