//! A proxy as a process, backends within the test, and plain clients.

use std::convert::Infallible;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper_util::rt::TokioIo;
use indexmap::IndexMap;
use tempfile::TempDir;
use tokio::sync::mpsc;
use windlass_core::edge::{Answer, Ask, Endpoint, Pool, Report, Table, TableRoute, Target};
use windlass_core::spec::{ClientPatience, Listen};
use windlass_core::units::{Bytes as Size, Span};
use windlass_testkit::ports::free_port;

/// The longest that anything in these tests may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A running proxy; it is killed when this is dropped.
pub(crate) struct Proxy {
    pub(crate) directory: TempDir,
    child: Child,
}

impl Proxy {
    pub(crate) fn start() -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), &[])
    }

    /// With this table in force.
    pub(crate) fn with(table: &Table) -> Self {
        let proxy = Self::start();
        proxy.apply(table);
        proxy
    }

    pub(crate) fn start_in(directory: TempDir, args: &[&str]) -> Self {
        let child = Command::new(env!("CARGO_BIN_EXE_windlass"))
            .arg("proxy")
            .arg(directory.path())
            .args(args)
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        Self::adopt(directory, child)
    }

    pub(crate) fn adopt(directory: TempDir, child: Child) -> Self {
        let proxy = Self { directory, child };
        wait_for("the admin socket", || proxy.connect().is_ok());
        proxy
    }

    fn connect(&self) -> std::io::Result<UnixStream> {
        UnixStream::connect(self.directory.path().join("sock"))
    }

    pub(crate) fn ask(&self, ask: &Ask) -> Answer {
        let mut stream = self.connect().unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut line = serde_json::to_vec(ask).unwrap();
        line.push(b'\n');
        stream.write_all(&line).unwrap();
        let mut answer = String::new();
        BufReader::new(stream).read_line(&mut answer).unwrap();
        serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{error}: {answer}"))
    }

    /// Applies a table; returns how long the switch held the lock, in nanoseconds.
    pub(crate) fn apply(&self, table: &Table) -> u64 {
        match self.ask(&Ask::Apply(Box::new(table.clone()))) {
            Answer::Applied { generation, switch_nanos } => {
                assert_eq!(generation, table.generation);
                switch_nanos
            }
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn report(&self) -> Report {
        match self.ask(&Ask::Report) {
            Answer::Report(report) => *report,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn left_on(&self, instance: &str) -> u64 {
        match self.ask(&Ask::Drained { instances: vec![instance.to_owned()] }) {
            Answer::Drained { left, .. } => left[instance],
            other => panic!("{other:?}"),
        }
    }

    /// Those of them that have no end of their own.
    pub(crate) fn streams_on(&self, instance: &str) -> u64 {
        match self.ask(&Ask::Drained { instances: vec![instance.to_owned()] }) {
            Answer::Drained { streams, .. } => streams[instance],
            other => panic!("{other:?}"),
        }
    }

    /// Where it listens first.
    pub(crate) fn address(&self) -> SocketAddr {
        self.report().listening[0].parse().unwrap()
    }

    /// How many descriptors it has open.
    pub(crate) fn open_files(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.child.id())).unwrap().count()
    }

    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).unwrap();
    }

    pub(crate) fn kill(mut self) -> TempDir {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let empty = tempfile::tempdir().unwrap();
        std::mem::replace(&mut self.directory, empty)
    }

    /// Whether it has ended by itself.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until something is so.
pub(crate) fn wait_for(what: &str, mut so: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !so() {
        assert!(Instant::now() < end, "{what}: not within {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// A table that sends everything to one pool.
pub(crate) fn table(generation: u64, release: &str, endpoints: &[(&str, SocketAddr)]) -> Table {
    let pool = Pool {
        stopped: false,
        release: release.to_owned(),
        endpoints: endpoints.iter().map(|(name, address)| endpoint(name, *address)).collect(),
        fallback: Vec::new(),
        check: None,
    };
    Table {
        generation,
        listen: Listen {
            http: vec!["127.0.0.1:0".to_owned()],
            https: Vec::new(),
            tls: Vec::new(),
            redirect_to_https: false,
            trusted_proxies: Vec::new(),
            // Nobody is let go by that who is to be let go by something else.
            patience: ClientPatience { write: Span::from_secs(600), ..ClientPatience::default() },
        },
        routes: vec![route("web", "/", Target::Pool("web".to_owned()))],
        pools: IndexMap::from([("web".to_owned(), pool)]),
        drain: Span::from_secs(10),
    }
}

pub(crate) fn endpoint(instance: &str, address: SocketAddr) -> Endpoint {
    Endpoint { instance: instance.to_owned(), address }
}

pub(crate) fn route(name: &str, path: &str, to: Target) -> TableRoute {
    TableRoute {
        name: name.to_owned(),
        host: None,
        path: path.to_owned(),
        strip_prefix: false,
        to,
        body_limit: Size(1 << 20),
        timeout: Span::from_secs(10),
        idle_timeout: Span::from_secs(10),
        headers: Vec::new(),
        security_headers: false,
        compress: false,
        rate_limit: None,
        allow: Vec::new(),
        basic_auth: Vec::new(),
        hold: 100,
        hold_timeout: Span::from_secs(5),
    }
}

/// A web server within the test's process, on a runtime of its own.
pub(crate) struct Backend {
    pub(crate) address: SocketAddr,
    pub(crate) requests: Arc<AtomicU64>,
    runtime: Option<tokio::runtime::Runtime>,
}

impl Backend {
    /// Answers `/` with its name. When it has stopped, nobody else gets its port.
    pub(crate) fn start(name: &'static str) -> Self {
        Self::start_at((Ipv4Addr::LOCALHOST, free_port()).into(), name)
    }

    pub(crate) fn start_at(address: SocketAddr, name: &'static str) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = bind(address);
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&requests);
        runtime.spawn(async move {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            while let Ok((stream, _)) = listener.accept().await {
                let counted = Arc::clone(&counted);
                tokio::spawn(async move {
                    let service = hyper::service::service_fn(move |request| {
                        counted.fetch_add(1, Ordering::SeqCst);
                        answer(name, request)
                    });
                    let _ = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .with_upgrades()
                        .await;
                });
            }
        });
        Self { address, requests, runtime: Some(runtime) }
    }

    pub(crate) fn count(&self) -> u64 {
        self.requests.load(Ordering::SeqCst)
    }

    /// Ends at once, with all its connections.
    pub(crate) fn stop(mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Binds, once whoever had the address has let it go.
pub(crate) fn bind(address: SocketAddr) -> TcpListener {
    let mut bound = None;
    wait_for("the address", || {
        bound = TcpListener::bind(address).ok();
        bound.is_some()
    });
    bound.unwrap()
}

type Reply = Response<BoxBody<Bytes, Infallible>>;

async fn answer(name: &'static str, request: Request<Incoming>) -> Result<Reply, Infallible> {
    let path = request.uri().path().to_owned();
    let number = || path.rsplit('/').next().and_then(|number| number.parse::<u64>().ok()).unwrap_or(0);
    let mut response = full(name.to_owned());
    match path.split('/').nth(1) {
        Some("status") => {
            *response.status_mut() = StatusCode::from_u16(u16::try_from(number()).unwrap()).unwrap();
        }
        Some("slow") => tokio::time::sleep(Duration::from_millis(number())).await,
        Some("headers") => {
            let mut lines = format!("{} {}\n", request.method(), request.uri());
            for (name, value) in request.headers() {
                lines += &format!("{name}: {}\n", String::from_utf8_lossy(value.as_bytes()));
            }
            response = full(lines);
        }
        Some("echo") => {
            let body = request.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
            response = Response::new(Full::new(body).boxed());
        }
        Some("text") => {
            response = full("windlass ".repeat(usize::try_from(number()).unwrap()));
            response.headers_mut().insert("content-type", "text/plain".parse().unwrap());
            response.headers_mut().insert("etag", "\"tag\"".parse().unwrap());
        }
        Some("hop") => {
            for (name, value) in
                [("connection", "x-hop"), ("x-hop", "1"), ("keep-alive", "timeout=9"), ("x-stays", "1")]
            {
                response.headers_mut().insert(name, value.parse().unwrap());
            }
        }
        Some(kind @ ("events" | "drip")) => {
            let (send, receive) = mpsc::channel::<Result<Frame<Bytes>, Infallible>>(1);
            tokio::spawn(async move {
                while send.send(Ok(Frame::data("data: x\n\n".into()))).await.is_ok() {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            });
            let stream = tokio_stream(receive);
            response = Response::new(BodyExt::boxed(StreamBody::new(stream)));
            if kind == "events" {
                response.headers_mut().insert("content-type", "text/event-stream".parse().unwrap());
            }
        }
        _ => {}
    }
    Ok(response)
}

fn tokio_stream<T>(receive: mpsc::Receiver<T>) -> impl futures_core::Stream<Item = T> {
    struct Received<T>(mpsc::Receiver<T>);
    impl<T> futures_core::Stream for Received<T> {
        type Item = T;
        fn poll_next(
            mut self: std::pin::Pin<&mut Self>,
            cx: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<T>> {
            self.0.poll_recv(cx)
        }
    }
    Received(receive)
}

fn full(text: String) -> Reply {
    Response::new(Full::new(Bytes::from(text)).boxed())
}

/// An answer as it came.
#[derive(Debug, Clone)]
pub(crate) struct Got {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Got {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

/// A client's kept connection.
pub(crate) struct Client(BufReader<TcpStream>);

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self(BufReader::new(stream))
    }

    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) -> std::io::Result<()> {
        self.0.get_mut().write_all(bytes.as_ref())
    }

    pub(crate) fn get(&mut self, path: &str) -> std::io::Result<Got> {
        self.send(format!("GET {path} HTTP/1.1\r\nHost: example.org\r\n\r\n"))?;
        self.receive()
    }

    pub(crate) fn stream(&mut self) -> &mut BufReader<TcpStream> {
        &mut self.0
    }

    /// One answer to a request that is not HEAD.
    pub(crate) fn receive(&mut self) -> std::io::Result<Got> {
        let head = self.receive_head()?;
        let mut got = Got { status: head[9..12].parse().unwrap(), head, body: Vec::new() };
        if let Some(length) = got.header("content-length") {
            got.body = vec![0; length.parse().unwrap()];
            self.0.read_exact(&mut got.body)?;
        } else if got.header("transfer-encoding").is_some() {
            loop {
                let mut line = String::new();
                self.0.read_line(&mut line)?;
                let length = usize::from_str_radix(line.trim(), 16).map_err(std::io::Error::other)?;
                let mut chunk = vec![0; length + 2];
                self.0.read_exact(&mut chunk)?;
                if length == 0 {
                    break;
                }
                got.body.extend_from_slice(&chunk[..length]);
            }
        } else if !matches!(got.status, 204 | 304) {
            self.0.read_to_end(&mut got.body)?;
        }
        Ok(got)
    }

    pub(crate) fn receive_head(&mut self) -> std::io::Result<String> {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if self.0.read_line(&mut head)? == 0 {
                return Err(std::io::Error::new(std::io::ErrorKind::UnexpectedEof, head));
            }
        }
        Ok(head)
    }

    /// Whether the other side has closed it.
    pub(crate) fn is_closed(&mut self) -> bool {
        matches!(self.0.read(&mut [0]), Ok(0) | Err(_))
    }
}

/// One request over a connection of its own.
pub(crate) fn send(address: SocketAddr, request: &str) -> Got {
    let mut client = Client::connect(address);
    client.send(request).unwrap();
    client.receive().unwrap()
}

pub(crate) fn get(address: SocketAddr, path: &str) -> Got {
    Client::connect(address).get(path).unwrap()
}

/// What a directory's file holds.
pub(crate) fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}
