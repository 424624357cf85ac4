//! A connection: to the host or through a proxy, encrypted or not.

use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;
use windlass_core::store::Address;

use super::proxy::{self, Proxy};
use super::tls;
use crate::trouble::{Trouble, Whose};

pub(super) type Sender = http1::SendRequest<Full<Bytes>>;
pub(super) type Driver = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Connects to `address`, by way of `proxy` where there is one.
pub(super) async fn to(
    address: &Address,
    proxy: Option<&Proxy>,
    tls: Option<Arc<ClientConfig>>,
) -> Result<(Sender, Driver), Trouble> {
    let next = proxy.map_or(address, |proxy| &proxy.address);
    let mut stream = TcpStream::connect((next.host.as_str(), next.port)).await.map_err(|error| {
        let by = if proxy.is_some() { format!(" (the proxy for {address})") } else { String::new() };
        let what = format!("cannot be reached at {next}{by}: {}", plain(&error));
        Trouble::new(Whose::Network, what, "is the address right, and does it run?").passing()
    })?;
    let _ = stream.set_nodelay(true);
    if let Some(proxy) = proxy {
        proxy::tunnel(&mut stream, proxy, address).await?;
    }
    match tls {
        Some(config) => {
            let name = ServerName::try_from(address.host.clone()).map_err(|_| {
                let what = format!("cannot be verified at {address}: its host is no name of one");
                Trouble::new(Whose::Manifest, what, "write the host's name into `address`")
            })?;
            let stream = TlsConnector::from(config)
                .connect(name, stream)
                .await
                .map_err(|error| tls::trouble(address, &error))?;
            handshake(address, stream).await
        }
        None => handshake(address, stream).await,
    }
}

async fn handshake(
    address: &Address,
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
) -> Result<(Sender, Driver), Trouble> {
    let (sender, connection) =
        http1::Builder::new().handshake(TokioIo::new(stream)).await.map_err(|error| {
            let what = format!("broke off the connection to {address}: {error}");
            Trouble::new(Whose::Network, what, "is that the server itself?").passing()
        })?;
    // How it ends is seen by whoever waits for the answer.
    Ok((sender, Box::pin(async move { drop(connection.await) })))
}

/// Drives a connection beside the exchange over it, in this very task: dropping one drops both.
pub(crate) async fn beside<T>(connection: impl Future, exchange: impl Future<Output = T>) -> T {
    tokio::pin!(connection, exchange);
    tokio::select! {
        biased;
        answer = &mut exchange => return answer,
        _ = &mut connection => {}
    }
    // The connection is closed; what came before that is still to be read.
    exchange.await
}

/// What the system says, without its number.
fn plain(error: &std::io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or(&text);
    let mut chars = text.chars();
    chars.next().map(|first| first.to_lowercase().chain(chars).collect()).unwrap_or_default()
}
