//! One request and its answer, with as many attempts as it may take.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HOST, LOCATION, RETRY_AFTER, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::rustls::ClientConfig;
use windlass_core::store::Address;
use zeroize::Zeroizing;

use super::{connect, proxy::Proxies, tls};
use crate::trouble::{Trouble, Whose};
use crate::wiped::Wiped;

/// The largest answer that is read: what is asked for is a short text.
const LARGEST: usize = 1 << 20;
/// How many redirects within one host are followed.
const REDIRECTS: usize = 3;
/// The first pause before another attempt; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(200);

/// How much is done to get an answer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    /// How many attempts there are.
    pub(crate) attempts: u32,
    /// How long a connection may take.
    pub(crate) connect: Duration,
    /// How long an answer may take.
    pub(crate) answer: Duration,
}

/// Where a request says nothing else.
const USUAL: Patience =
    Patience { attempts: 5, connect: Duration::from_secs(5), answer: Duration::from_secs(3600) };

/// A request.
pub(crate) struct Request<'a> {
    pub(crate) method: Method,
    pub(crate) address: &'a Address,
    /// Path and query, behind that of the address.
    pub(crate) path: String,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    pub(crate) body: Zeroizing<Vec<u8>>,
    pub(crate) patience: Patience,
}

/// An answer.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Zeroizing<Vec<u8>>,
    headers: HeaderMap,
}

/// Asks one server.
pub(crate) struct Client {
    authorities: Option<PathBuf>,
    insecure: bool,
    proxies: Proxies,
    timeout: Duration,
    deadline: Instant,
    tls: OnceLock<Result<Arc<ClientConfig>, Trouble>>,
}

impl<'a> Request<'a> {
    pub(crate) fn get(address: &'a Address, path: impl Into<String>) -> Self {
        Self {
            method: Method::GET,
            address,
            path: path.into(),
            headers: Vec::new(),
            body: Zeroizing::default(),
            patience: USUAL,
        }
    }

    pub(crate) fn post(
        address: &'a Address,
        path: impl Into<String>,
        media: &'static str,
        body: Zeroizing<Vec<u8>>,
    ) -> Self {
        let request = Self { method: Method::POST, body, ..Self::get(address, path) };
        request.header("content-type", HeaderValue::from_static(media))
    }

    pub(crate) fn header(mut self, name: &'static str, value: HeaderValue) -> Self {
        self.headers.push((HeaderName::from_static(name), value));
        self
    }

    pub(crate) fn patience(self, patience: Patience) -> Self {
        Self { patience, ..self }
    }

    /// Path and query, as they are sent.
    fn target(&self) -> String {
        format!("{}{}", self.address.base, self.path)
    }
}

/// A header that holds a credential: never shown, and never kept in a table of HTTP/2.
pub(crate) fn credential(value: &str, what: &str) -> Result<HeaderValue, Trouble> {
    let mut value = HeaderValue::from_str(value).map_err(|_| {
        Trouble::new(
            Whose::Deployer,
            format!("cannot be given {what}: it holds a line break or another control character"),
            "set it again, without what does not belong to it",
        )
    })?;
    value.set_sensitive(true);
    Ok(value)
}

/// Whether the same request may be answered otherwise a moment later.
pub(crate) fn is_passing(answer: &Answer) -> bool {
    matches!(answer.status, 429 | 500 | 502 | 503 | 504)
}

impl Client {
    /// A client whose requests together take no longer than `timeout`. It trusts the `authorities` in
    /// that file too, and sends over the net what is not encrypted only if it may be `insecure`.
    pub(crate) fn new(
        authorities: Option<PathBuf>,
        insecure: bool,
        proxies: Proxies,
        timeout: Duration,
    ) -> Self {
        let deadline = Instant::now() + timeout;
        Self { authorities, insecure, proxies, timeout, deadline, tls: OnceLock::new() }
    }

    /// That there was none in time.
    fn too_late(&self, request: &Request<'_>, what: &str) -> Trouble {
        let within = self.timeout.min(request.patience.answer);
        let hint = "is it overloaded? timeout = \"1m\" in its table of the manifest waits longer";
        Trouble::new(Whose::Server, format!("{what} within {within:?}"), hint).passing()
    }

    /// Asks until there is an answer that `passing` does not expect to change.
    ///
    /// # Errors
    /// When there is none. An answer of 5xx is none; any other is for the caller to judge.
    pub(crate) async fn ask(
        &self,
        request: &Request<'_>,
        passing: fn(&Answer) -> bool,
    ) -> Result<Answer, Trouble> {
        let mut pause = FIRST_PAUSE;
        for attempt in 1.. {
            let (trouble, wished) = match self.redirected(request).await {
                Ok(answer) if passing(&answer) => (unable(request, &answer, attempt), answer.retry_after()),
                Ok(answer) => return Ok(answer),
                Err(trouble) if !trouble.retry => return Err(trouble),
                Err(trouble) => (trouble, None),
            };
            match next_attempt(Instant::now(), wished.unwrap_or(pause).max(pause), self.deadline) {
                Some(next) if attempt < request.patience.attempts => tokio::time::sleep_until(next).await,
                _ => return Err(trouble),
            }
            pause *= 2;
        }
        // The attempts end above.
        Err(self.too_late(request, "was not asked"))
    }

    /// Sends it once, follows no redirect, and reads nothing of the answer but its status: whoever is
    /// told something has been told then, whatever comes after it.
    ///
    /// # Errors
    /// When there is no answer.
    pub(crate) async fn tell(&self, request: &Request<'_>) -> Result<u16, Trouble> {
        self.once(request, &request.target(), async |answer| Ok(answer.status().as_u16())).await
    }

    /// Follows what leads elsewhere on the same host: a path that is written differently.
    async fn redirected(&self, request: &Request<'_>) -> Result<Answer, Trouble> {
        let mut path = request.target();
        for _ in 0..=REDIRECTS {
            let answer =
                self.once(request, &path, async |answer| read(request.address, answer).await).await?;
            if !matches!(answer.status, 301 | 302 | 303 | 307 | 308) {
                return Ok(answer);
            }
            path = same_host(request.address, &answer)?;
        }
        let what = format!("sends from one place to the next at {}", request.address);
        Err(Trouble::new(Whose::Server, what, "is `address` that of the store itself?"))
    }

    async fn once<T>(
        &self,
        request: &Request<'_>,
        path: &str,
        read: impl AsyncFnOnce(http::Response<Incoming>) -> Result<T, Trouble>,
    ) -> Result<T, Trouble> {
        let address = request.address;
        if !address.encrypted && !self.insecure && !address.is_near() {
            return Err(Trouble::new(
                Whose::Deployer,
                format!("would be asked at {address} without encryption, for all on the way to read"),
                "use https://; where the way there is safe by other means, add insecure = true to its table",
            ));
        }
        let limit = self.deadline.min(Instant::now() + request.patience.answer);
        let asked = async {
            let (mut sender, connection) = self.connect(address, request.patience.connect).await?;
            let message = message(request, path)?;
            let exchange = async {
                let answer = sender.send_request(message).await.map_err(|error| broken(address, &error))?;
                read(answer).await
            };
            connect::beside(connection, exchange).await
        };
        timeout_at(limit, asked).await.unwrap_or_else(|_| Err(self.too_late(request, "did not answer")))
    }

    async fn connect(
        &self,
        address: &Address,
        within: Duration,
    ) -> Result<(connect::Sender, connect::Driver), Trouble> {
        let tls = if address.encrypted {
            let config = self.tls.get_or_init(|| tls::config(self.authorities.as_deref()));
            Some(config.clone()?)
        } else {
            None
        };
        let proxy = self.proxies.of(address)?;
        let too_late = || {
            let what = format!("cannot be reached at {address}: no connection within {within:?}");
            Trouble::new(Whose::Network, what, "can this machine get there, past its firewalls?").passing()
        };
        let next = proxy.map_or(address, |proxy| &proxy.address);
        let stream = match connect::stream(next, within).await {
            Err(error) if error.kind() == std::io::ErrorKind::TimedOut => return Err(too_late()),
            Err(error) => return Err(connect::unreachable(address, proxy, &error)),
            Ok(stream) => stream,
        };
        let connection = connect::over(stream, address, proxy, tls);
        timeout(within, connection).await.unwrap_or_else(|_| Err(too_late()))
    }
}

impl Answer {
    /// How long the server wishes that nobody asks again.
    fn retry_after(&self) -> Option<Duration> {
        let seconds = self.headers.get(RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
        Some(Duration::from_secs(seconds))
    }
}

/// When it is asked again, if there is time: a server may wish for a pause longer than any clock can show.
fn next_attempt(now: Instant, pause: Duration, deadline: Instant) -> Option<Instant> {
    now.checked_add(pause).filter(|next| *next < deadline)
}

fn message(request: &Request<'_>, path: &str) -> Result<http::Request<Full<Bytes>>, Trouble> {
    let mut message = http::Request::builder()
        .method(&request.method)
        .uri(path)
        .header(HOST, request.address.authority())
        .header(USER_AGENT, concat!("windlass/", env!("CARGO_PKG_VERSION")));
    for (name, value) in &request.headers {
        message = message.header(name, value);
    }
    if request.method == Method::POST {
        message = message.header(CONTENT_LENGTH, request.body.len());
    }
    message.body(Full::new(Bytes::from_owner(request.body.clone()))).map_err(|_| {
        Trouble::new(
            Whose::Manifest,
            "cannot be asked: this is no path of a URL",
            "write the path in another way",
        )
    })
}

async fn read(address: &Address, answer: http::Response<Incoming>) -> Result<Answer, Trouble> {
    let (head, mut body) = answer.into_parts();
    let announced = head.headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    let too_large = || {
        let what = format!("answers with more than {LARGEST} bytes at {address}");
        Trouble::new(Whose::Server, what, "a setting is a short text; is `address` that of the store itself?")
    };
    if announced.is_some_and(|length: usize| length > LARGEST) {
        return Err(too_large());
    }
    let mut text = Wiped::with_capacity(announced.unwrap_or(16 << 10));
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| broken(address, &error))?;
        let Some(data) = frame.data_ref() else { continue };
        if text.len() + data.len() > LARGEST {
            return Err(too_large());
        }
        text.push(data);
    }
    Ok(Answer { status: head.status.as_u16(), body: text.finish(), headers: head.headers })
}

fn broken(address: &Address, error: &hyper::Error) -> Trouble {
    // hyper's own words: they hold nothing of the message.
    let what = format!("broke off the exchange at {address}: {error}");
    let hint = "is that the server itself, and does it speak HTTP?";
    Trouble::new(Whose::Network, what, hint).passing()
}

fn unable(request: &Request<'_>, answer: &Answer, attempt: u32) -> Trouble {
    let times = if attempt == 1 { String::new() } else { format!(", {attempt} times") };
    let (what, hint) = match answer.status {
        429 => ("has had too many requests", "wait a minute, and try again"),
        503 => (
            "says that it cannot serve now",
            "is it sealed, starting or overloaded? Try again when it serves",
        ),
        _ => ("failed to answer", "look into its own log, and try again"),
    };
    let what = format!("{what} at {} (HTTP {}{times})", request.address, answer.status);
    Trouble::new(Whose::Server, what, hint).passing()
}

/// Where a redirect leads, as path and query, if it stays on the same host.
fn same_host(address: &Address, answer: &Answer) -> Result<String, Trouble> {
    let leads = answer.headers.get(LOCATION).and_then(|to| to.to_str().ok()).unwrap_or_default();
    let elsewhere = |host: &str| {
        let what = format!("sends from {address} to {host}, which is not followed");
        Trouble::new(Whose::Manifest, what, "write the address of the store itself into `address`")
    };
    let uri: Uri = leads.parse().map_err(|_| elsewhere("nowhere"))?;
    if let Some(authority) = uri.authority() {
        let target = format!("{}://{authority}", uri.scheme_str().unwrap_or_default());
        // A user and password in it would make it no address, and are not shown.
        match Address::parse(&target) {
            Ok(other)
                if (other.encrypted, &other.host, other.port)
                    == (address.encrypted, &address.host, address.port) => {}
            Ok(other) => return Err(elsewhere(&other.to_string())),
            Err(_) => return Err(elsewhere("nowhere")),
        }
    } else if !leads.starts_with('/') {
        return Err(elsewhere("nowhere"));
    }
    Ok(uri.path_and_query().map_or_else(|| "/".to_owned(), ToString::to_string))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_without_an_end_is_no_time_left() {
        let now = Instant::now();
        let deadline = now + Duration::from_secs(10);
        let second = Duration::from_secs(1);
        assert_eq!(next_attempt(now, second, deadline), Some(now + second));
        assert_eq!(next_attempt(now, Duration::from_secs(10), deadline), None);
        assert_eq!(next_attempt(now, Duration::from_secs(u64::MAX), deadline), None);
    }
}
