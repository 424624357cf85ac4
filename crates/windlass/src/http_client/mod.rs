//! Asking others over HTTP, from the host side: one request, one connection, a time limit, and no
//! redirect. Addresses may be secrets, so no error names more of one than its host.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_TYPE, HOST, USER_AGENT};
use http::{Request, Uri};
use http_body_util::Full;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::ServerName;

use crate::trust;

/// Sends a JSON document; answers the status.
///
/// # Errors
/// Why there is none, for people.
pub(crate) async fn post_json(url: &str, body: String, patience: Duration) -> Result<u16, String> {
    let address = Address::parse(url)?;
    let asked = async {
        let stream = TcpStream::connect((address.host.as_str(), address.port))
            .await
            .map_err(|error| format!("{} cannot be reached: {error}", address.host))?;
        if address.tls {
            let stream = encrypted(stream, &address.host).await?;
            ask(stream, &address, body).await
        } else {
            ask(stream, &address, body).await
        }
    };
    tokio::time::timeout(patience, asked)
        .await
        .unwrap_or_else(|_| Err(format!("{} did not answer within {patience:?}", address.host)))
}

async fn ask<S>(stream: S, address: &Address, body: String) -> Result<u16, String>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let broken = |error: hyper::Error| format!("{} broke off: {error}", address.host);
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
    let connection = tokio::spawn(connection);
    let request = Request::post(address.path.as_str())
        .header(HOST, &address.authority)
        .header(CONTENT_TYPE, "application/json")
        .header(USER_AGENT, concat!("windlass/", env!("CARGO_PKG_VERSION")))
        .header(CONNECTION, "close")
        .body(Full::new(Bytes::from(body)))
        .map_err(|error| format!("no request can be made for {}: {error}", address.host))?;
    let answer = sender.send_request(request).await.map_err(broken);
    connection.abort();
    Ok(answer?.status().as_u16())
}

async fn encrypted(
    stream: TcpStream,
    host: &str,
) -> Result<tokio_rustls::client::TlsStream<TcpStream>, String> {
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("TLS cannot be used: {error}"))?
        .with_root_certificates(trust::authorities())
        .with_no_client_auth();
    let name = ServerName::try_from(host.trim_matches(['[', ']']).to_owned())
        .map_err(|_| format!("{host} is no name that a certificate could have"))?;
    TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await
        .map_err(|error| format!("{host} cannot be spoken to by TLS: {error}"))
}

/// An address, taken apart.
#[derive(Debug, PartialEq, Eq)]
struct Address {
    tls: bool,
    host: String,
    port: u16,
    authority: String,
    path: String,
}

impl Address {
    fn parse(url: &str) -> Result<Self, String> {
        let uri: Uri = url.trim().parse().map_err(|_| "its address cannot be understood".to_owned())?;
        let tls = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err("its address begins with neither http:// nor https://".to_owned()),
        };
        let authority = uri.authority().map(ToString::to_string).unwrap_or_default();
        if authority.contains('@') {
            return Err("its address has a user in it, which is not supported".to_owned());
        }
        let host = uri.host().filter(|host| !host.is_empty()).ok_or("its address names no host")?;
        Ok(Self {
            tls,
            host: host.trim_matches(['[', ']']).to_owned(),
            port: uri.port_u16().unwrap_or(if tls { 443 } else { 80 }),
            authority,
            path: uri.path_and_query().map_or("/", |path| path.as_str()).to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_apart() {
        let address = |url| Address::parse(url).map(|a| (a.tls, a.host, a.port, a.authority, a.path));
        let parts = |tls, host: &str, port, authority: &str, path: &str| {
            Ok((tls, host.to_owned(), port, authority.to_owned(), path.to_owned()))
        };
        assert_eq!(
            address("https://chat.example.org/hooks/x?y=1"),
            parts(true, "chat.example.org", 443, "chat.example.org", "/hooks/x?y=1")
        );
        assert_eq!(address("http://[::1]:8080"), parts(false, "::1", 8080, "[::1]:8080", "/"));
    }

    #[test]
    fn what_is_wrong_with_an_address_is_said_without_it() {
        for url in
            ["", "ftp://example.org/secret", "https://ada:secret@example.org/", "https:///secret", "x y"]
        {
            let wrong = Address::parse(url).unwrap_err();
            assert!(!wrong.contains("secret"), "{url}: {wrong}");
        }
    }
}
