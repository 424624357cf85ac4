//! TLS, HTTP/2, and HTTP/2 in clear text.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use windlass_core::edge::Table;
use windlass_core::spec::Tls;

use crate::support::{Backend, Proxy, send, table};

/// A certificate for this name, which is its own authority.
pub(crate) fn certificate(directory: &Path, name: &str) -> Tls {
    let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
    let path = |end: &str| directory.join(format!("{name}.{end}")).to_str().unwrap().to_owned();
    let tls = Tls { certificate: path("crt"), key: path("key") };
    std::fs::write(&tls.certificate, made.cert.pem()).unwrap();
    std::fs::write(&tls.key, made.signing_key.serialize_pem()).unwrap();
    tls
}

pub(crate) fn secure(mut table: Table, certificates: &[&Tls]) -> Table {
    table.listen.https = vec!["127.0.0.2:0".to_owned()];
    table.listen.tls = certificates.iter().map(|tls| (*tls).clone()).collect();
    table
}

/// The first listener speaks clear text, the second TLS.
pub(crate) fn addresses(proxy: &Proxy) -> (SocketAddr, SocketAddr) {
    let listening = proxy.report().listening;
    (listening[0].parse().unwrap(), listening[1].parse().unwrap())
}

/// A client that asks for `name`, and believes only the certificates it is given.
pub(crate) async fn connect(
    address: SocketAddr,
    name: &str,
    trusted: &[&Tls],
    protocol: &[u8],
) -> std::io::Result<tokio_rustls::client::TlsStream<TcpStream>> {
    let config = client_config(trusted, protocol);
    let stream = TcpStream::connect(address).await?;
    TlsConnector::from(config).connect(ServerName::try_from(name.to_owned()).unwrap(), stream).await
}

fn client_config(trusted: &[&Tls], protocol: &[u8]) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    for tls in trusted {
        roots.add(CertificateDer::from_pem_file(&tls.certificate).unwrap()).unwrap();
    }
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![protocol.to_vec()];
    Arc::new(config)
}

async fn ask_http2<S>(stream: S, uri: &str, body: &str) -> (StatusCode, http::HeaderMap, String)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let request = Request::post(uri).body(Full::new(Bytes::from(body.to_owned()))).unwrap();
    let many = (0..20).map(|_| sender.send_request(request.clone())).collect::<Vec<_>>();
    let mut last = None;
    for answer in many {
        let (head, body) = answer.await.unwrap().into_parts();
        last = Some((head, body.collect().await.unwrap().to_bytes()));
    }
    let (head, body) = last.unwrap();
    (head.status, head.headers, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn http2_in_clear_text_is_understood_without_asking() {
    let backend = Backend::start("one");
    let proxy = Proxy::with(&table(1, "r1", &[("web.r1.1", backend.address)]));
    let stream = TcpStream::connect(proxy.address()).await.unwrap();
    let (status, _, body) = ask_http2(stream, "http://example.org/echo", "hello").await;
    assert_eq!((status, body.as_str()), (StatusCode::OK, "hello"));
    let stream = TcpStream::connect(proxy.address()).await.unwrap();
    let (_, _, body) = ask_http2(stream, "http://example.org/headers", "").await;
    for line in ["host: example.org", "x-forwarded-host: example.org", "x-forwarded-for: 127.0.0.1"] {
        assert!(body.lines().any(|found| found == line), "no {line} in\n{body}");
    }
}

/// A body that is counted as it is taken, and has as many parts.
struct Counted(std::sync::Arc<std::sync::atomic::AtomicUsize>, usize);

impl http_body::Body for Counted {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, Self::Error>>> {
        let taken = self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let part = || Ok(http_body::Frame::data(Bytes::from_static(&[b'x'; 16 << 10])));
        std::task::Poll::Ready((taken < self.1).then(part))
    }
}

/// curl of Debian 12 and httpx forget an answer whose stream is reset while they still send.
#[tokio::test]
async fn an_answer_that_comes_before_its_body_is_read_does_not_reset_the_stream() {
    let backend = Backend::start("one");
    let mut table = table(1, "r1", &[("web.r1.1", backend.address)]);
    table.routes[0].body_limit = windlass_core::units::Bytes(100_000);
    let proxy = Proxy::with(&table);
    let stream = TcpStream::connect(proxy.address()).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    for path in ["/echo", "/%2e%2e%2f"] {
        let taken = Arc::default();
        let body = Counted(Arc::clone(&taken), 200);
        let request = Request::post(format!("http://a.example{path}")).body(body).unwrap();
        let answer = sender.send_request(request).await.unwrap();
        assert!([413, 400].contains(&answer.status().as_u16()), "{}", answer.status());
        for _ in 0..600 {
            if taken.load(std::sync::atomic::Ordering::Relaxed) > 200 {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        let taken = taken.load(std::sync::atomic::Ordering::Relaxed);
        assert!(taken > 200, "{path}: the body was cut after {taken} parts");
    }
}

// proves: HS-12, MDC-7
#[tokio::test]
async fn the_certificate_is_chosen_by_name_and_a_bad_one_harms_no_other() {
    let backend = Backend::start("one");
    let files = tempfile::tempdir().unwrap();
    let (a, b) = (certificate(files.path(), "a.example"), certificate(files.path(), "b.example"));
    let bad = certificate(files.path(), "bad.example");
    std::fs::write(&bad.certificate, "no certificate").unwrap();
    let mut table = secure(table(1, "r1", &[("web.r1.1", backend.address)]), &[&bad, &a, &b]);
    table.routes[0].security_headers = true;
    let proxy = Proxy::with(&table);
    let problems = proxy.report().problems;
    assert_eq!(problems.len(), 1);
    assert!(problems[0].contains("bad.example.crt"), "{problems:?}");
    let (_, address) = addresses(&proxy);
    for (name, own, other) in [("a.example", &a, &b), ("b.example", &b, &a)] {
        let stream = connect(address, name, &[own], b"h2").await.unwrap();
        let uri = format!("https://{name}/headers");
        let (status, headers, body) = ask_http2(stream, &uri, "").await;
        assert_eq!(status, StatusCode::OK);
        assert!(body.contains("x-forwarded-proto: https"), "{body}");
        assert!(headers.contains_key("strict-transport-security"));
        assert!(connect(address, name, &[other], b"h2").await.is_err(), "{name} got another's certificate");
    }
}

/// Whether the proxy shows the certificate that is in this file, awaited.
async fn shows(address: SocketAddr, tls: &Tls) -> bool {
    for _ in 0..600 {
        if connect(address, "a.example", &[tls], b"h2").await.is_ok() {
            return true;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    false
}

/// What the proxy says is wrong, as soon as it says something.
async fn problem(proxy: &Proxy) -> String {
    for _ in 0..600 {
        if let Some(problem) = proxy.report().problems.first() {
            return problem.clone();
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("the proxy says that all is well");
}

// proves: HS-12
#[tokio::test]
async fn a_renewed_certificate_is_shown_and_a_broken_one_never_is() {
    let backend = Backend::start("one");
    let files = tempfile::tempdir().unwrap();
    let a = certificate(files.path(), "a.example");
    let mut table = secure(table(1, "r1", &[("web.r1.1", backend.address)]), &[&a]);
    let proxy = Proxy::with(&table);
    let (_, address) = addresses(&proxy);
    let first = std::fs::read(&a.certificate).unwrap();
    let renewed = certificate(files.path(), "a.example");
    assert_ne!(std::fs::read(&renewed.certificate).unwrap(), first);
    assert!(shows(address, &renewed).await, "the renewed one is not shown");
    // What renews it dies half-way. Neither a new table nor a new process makes that worse.
    let whole = files.path().join("whole");
    std::fs::copy(&a.certificate, &whole).unwrap();
    let trusted = Tls { certificate: whole.to_str().unwrap().to_owned(), key: String::new() };
    std::fs::write(&a.certificate, "-----BEGIN CERTIFICATE-----\nMIIB").unwrap();
    let said = problem(&proxy).await;
    assert!(
        said.contains("a.example.crt is damaged") && said.ends_with("what was read before is shown"),
        "{said}"
    );
    assert!(shows(address, &trusted).await);
    table.generation = 2;
    proxy.apply(&table);
    assert!(shows(address, &trusted).await);
    let proxy = Proxy::start_in(proxy.kill(), &[]);
    assert!(problem(&proxy).await.contains("is not used"));
    let (_, address) = addresses(&proxy);
    assert!(shows(address, &trusted).await);
    // What is not wanted any more is kept for a day: whoever goes back may want it.
    (table.generation, table.listen.https, table.listen.tls) = (3, Vec::new(), Vec::new());
    proxy.apply(&table);
    let directory = proxy.kill();
    let kept = || std::fs::read_dir(directory.path().join("certificates")).unwrap().flatten();
    assert_eq!(kept().count(), 1);
    let before = std::time::SystemTime::now() - std::time::Duration::from_secs(25 * 3600);
    std::fs::File::open(kept().next().unwrap().path()).unwrap().set_modified(before).unwrap();
    let certificates = directory.path().join("certificates");
    let proxy = Proxy::start_in(directory, &[]);
    table.generation = 4;
    proxy.apply(&table);
    assert_eq!(std::fs::read_dir(certificates).unwrap().count(), 0);
}

#[tokio::test]
async fn a_certificate_that_expires_soon_is_told_of() {
    let backend = Backend::start("one");
    let files = tempfile::tempdir().unwrap();
    let tls = certificate(files.path(), "a.example");
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(["a.example".to_owned()]).unwrap();
    params.not_after = (std::time::SystemTime::now() + std::time::Duration::from_secs(5 * 24 * 3600)).into();
    std::fs::write(&tls.certificate, params.self_signed(&key).unwrap().pem()).unwrap();
    std::fs::write(&tls.key, key.serialize_pem()).unwrap();
    let proxy = Proxy::with(&secure(table(1, "r1", &[("web.r1.1", backend.address)]), &[&tls]));
    let said = problem(&proxy).await;
    assert!(said.contains("expires on 20") && said.ends_with("renew it"), "{said}");
    let (_, address) = addresses(&proxy);
    assert!(shows(address, &tls).await);
}

// proves: HS-12, MDC-7, MDC-14
#[tokio::test]
async fn http1_over_tls_and_the_redirect_to_it() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let backend = Backend::start("one");
    let files = tempfile::tempdir().unwrap();
    let a = certificate(files.path(), "a.example");
    let mut table = secure(table(1, "r1", &[("web.r1.1", backend.address)]), &[&a]);
    table.listen.redirect_to_https = true;
    let proxy = Proxy::with(&table);
    let (clear, address) = addresses(&proxy);
    let mut stream = connect(address, "a.example", &[&a], b"http/1.1").await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut text = String::new();
    let _ = stream.read_to_string(&mut text).await;
    assert!(text.starts_with("HTTP/1.1 200 OK\r\n") && text.ends_with("\r\n\r\none"), "{text}");
    let location = |more: &str| {
        let got = send(clear, &format!("GET /x?y HTTP/1.1\r\nHost: a.example:80\r\n{more}\r\n"));
        (got.status, got.header("location").map(str::to_owned).unwrap())
    };
    // The table says port 0, which stands for whichever was free.
    assert_eq!(location(""), (308, "https://a.example:0/x?y".to_owned()));
    // Whom a proxy before this one speaks for came by the port of that one.
    table.listen.trusted_proxies = vec!["127.0.0.1".to_owned()];
    table.generation = 2;
    proxy.apply(&table);
    assert_eq!(location("X-Forwarded-Proto: http\r\n"), (308, "https://a.example/x?y".to_owned()));
    // What it asks for itself is no such call.
    assert_eq!(location(""), (308, "https://a.example:0/x?y".to_owned()));
}

#[tokio::test]
async fn a_session_is_resumed_after_another_table_too() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio_rustls::rustls::HandshakeKind;
    let backend = Backend::start("one");
    let files = tempfile::tempdir().unwrap();
    let a = certificate(files.path(), "a.example");
    let mut table = secure(table(1, "r1", &[("web.r1.1", backend.address)]), &[&a]);
    let proxy = Proxy::with(&table);
    let (_, address) = addresses(&proxy);
    let config = client_config(&[&a], b"http/1.1");
    let mut kinds = Vec::new();
    for generation in 2..4 {
        let stream = TcpStream::connect(address).await.unwrap();
        let name = ServerName::try_from("a.example").unwrap();
        let mut stream = TlsConnector::from(Arc::clone(&config)).connect(name, stream).await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await.unwrap();
        let _ = stream.read_to_end(&mut Vec::new()).await;
        kinds.push(stream.get_ref().1.handshake_kind().unwrap());
        table.generation = generation;
        proxy.apply(&table);
    }
    assert_eq!(kinds, [HandshakeKind::Full, HandshakeKind::Resumed]);
}
