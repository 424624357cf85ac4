//! A connection: to the host or through a proxy, encrypted or not.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;
use windlass_core::store::Address;

use super::proxy::{self, Proxy};
use super::tls;
use crate::trouble::{Trouble, Whose};

pub(super) type Sender = http1::SendRequest<Full<Bytes>>;
pub(super) type Driver = Pin<Box<dyn Future<Output = ()> + Send>>;

/// How much later the next address of a host is tried beside the one before: as "happy eyeballs" (RFC 8305).
const STAGGER: Duration = Duration::from_millis(250);

/// Connects to the first address of the host that answers `within` that time; each has it for itself, because
/// a machine may believe that it has IPv6, and have none.
pub(super) async fn stream(next: &Address, within: Duration) -> io::Result<TcpStream> {
    let late = || io::Error::from(io::ErrorKind::TimedOut);
    let addresses = tokio::net::lookup_host((next.host.as_str(), next.port));
    let addresses = timeout(within, addresses).await.map_err(|_| late())??;
    first(addresses.collect(), |address| async move {
        timeout(within, TcpStream::connect(address)).await.unwrap_or_else(|_| Err(late()))
    })
    .await
}

/// The first connection that comes about, each begun a little after the one before.
async fn first<T, F: Future<Output = io::Result<T>>>(
    addresses: Vec<SocketAddr>,
    connect: impl Fn(SocketAddr) -> F,
) -> io::Result<T> {
    let begun = addresses.into_iter().zip(0_u32..).map(|(address, number)| {
        let connection = connect(address);
        Box::pin(async move {
            tokio::time::sleep(STAGGER * number).await;
            connection.await
        })
    });
    let begun: Vec<_> = begun.collect();
    if begun.is_empty() {
        return Err(io::Error::new(io::ErrorKind::NotFound, "the host has no address"));
    }
    futures_util::future::select_ok(begun).await.map(|(stream, _others)| stream)
}

/// Why there is no connection.
pub(super) fn unreachable(address: &Address, proxy: Option<&Proxy>, error: &io::Error) -> Trouble {
    let next = proxy.map_or(address, |proxy| &proxy.address);
    let by = if proxy.is_some() { format!(" (the proxy for {address})") } else { String::new() };
    let what = format!("cannot be reached at {next}{by}: {}", plain(error));
    Trouble::new(Whose::Network, what, "is the address right, and does it run?").passing()
}

/// Speaks to `address` over a connection to it, or to the `proxy` where there is one.
pub(super) async fn over(
    mut stream: TcpStream,
    address: &Address,
    proxy: Option<&Proxy>,
    tls: Option<Arc<ClientConfig>>,
) -> Result<(Sender, Driver), Trouble> {
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
fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or(&text);
    let mut chars = text.chars();
    chars.next().map(|first| first.to_lowercase().chain(chars).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses() -> Vec<SocketAddr> {
        ["[2001:db8::1]:443", "192.0.2.1:443"].map(|address| address.parse().unwrap()).to_vec()
    }

    #[tokio::test]
    async fn an_address_that_does_not_answer_does_not_keep_the_next_from_being_tried() {
        let began = tokio::time::Instant::now();
        let found = first(addresses(), |address| async move {
            if address.is_ipv6() {
                std::future::pending::<()>().await;
            }
            Ok(address)
        });
        assert_eq!(found.await.unwrap().to_string(), "192.0.2.1:443");
        assert!(began.elapsed() >= STAGGER);
    }

    #[tokio::test]
    async fn the_first_address_is_the_one_that_is_taken_where_it_answers() {
        assert!(first(addresses(), |address| async move { Ok(address) }).await.unwrap().is_ipv6());
        let refused = |_| async { Err::<(), _>(io::Error::from(io::ErrorKind::ConnectionRefused)) };
        assert_eq!(first(addresses(), refused).await.unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
    }
}
