//! Clients that keep asking, and what they noticed.

use std::collections::BTreeSet;
use std::io::{self, BufReader};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::request::{Reply, connect, get, send};
use super::until;

/// So many of its requests come before what happens.
const BEFORE: usize = 10;

/// One request.
#[derive(Debug, Clone)]
pub struct Answered {
    /// When it was asked, since the load began.
    pub at: Duration,
    /// How long it took.
    pub took: Duration,
    /// The status and the release that answered, or what a client would have noticed.
    pub outcome: Result<(u16, String), String>,
    /// What the copy that answered says of itself, if it was the application that did.
    pub gate: Option<Gate>,
}

/// What a copy of the application knows of its own gate; it says so in each answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gate {
    /// It has said that it is ready, and nothing of it fails a gate.
    Passed,
    /// It was not asked yet whether it is ready, or said no each time.
    Closed,
    /// It is of a release that fails its gate.
    Failed,
}

impl Gate {
    /// The header in which a copy says so.
    pub const HEADER: &str = "gate";

    /// As in the header.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Closed => "closed",
            Self::Failed => "failed",
        }
    }

    fn of(reply: &Reply) -> Option<Self> {
        let value = |header: &String| Some(header.strip_prefix(Self::HEADER)?.strip_prefix(": ")?.to_owned());
        let word = reply.headers.iter().find_map(value)?;
        [Self::Passed, Self::Closed, Self::Failed].into_iter().find(|gate| gate.word() == word)
    }
}

/// All requests of a load.
#[derive(Debug, Clone, Default)]
pub struct Seen(pub Vec<Answered>);

impl Seen {
    /// Those that a client would complain about.
    #[must_use]
    pub fn failed(&self) -> Vec<&Answered> {
        self.0.iter().filter(|answered| !matches!(answered.outcome, Ok((200, _)))).collect()
    }

    /// The releases that answered.
    #[must_use]
    pub fn releases(&self) -> BTreeSet<String> {
        self.0.iter().filter_map(|answered| Some(answered.outcome.as_ref().ok()?.1.clone())).collect()
    }

    /// The answers of copies that should not have been asked.
    #[must_use]
    pub fn ungated(&self) -> Vec<&Answered> {
        self.0.iter().filter(|answered| answered.gate.is_some_and(|gate| gate != Gate::Passed)).collect()
    }

    /// The longest that any request took.
    #[must_use]
    pub fn slowest(&self) -> Duration {
        self.0.iter().map(|answered| answered.took).max().unwrap_or_default()
    }

    /// Fails the test if any request failed.
    pub fn assert_none_failed(&self) {
        let failed = self.failed();
        assert!(
            failed.is_empty(),
            "{} of {} requests failed; the first: {:?}",
            failed.len(),
            self.0.len(),
            &failed[..failed.len().min(5)]
        );
        assert!(self.0.len() >= Load::LEAST, "only {} requests were made", self.0.len());
    }
}

/// Two clients: one opens a connection for each request, one keeps its connection. Neither tries
/// anything again. Together they ask about 200 times a second.
pub struct Load {
    answered: Arc<AtomicUsize>,
    enough: Arc<AtomicBool>,
    clients: Vec<JoinHandle<Vec<Answered>>>,
}

impl Load {
    /// So many requests a load makes at least: some before what happens to it, and the rest until it ends.
    pub const LEAST: usize = 50;

    /// Begins.
    #[must_use]
    pub fn begin(port: u16) -> Self {
        Self::at_pace(port, Duration::from_millis(10))
    }

    /// Begins, each client asking once in this time. Returns when the first requests were answered, so
    /// that whatever happens next happens under load.
    #[must_use]
    pub fn at_pace(port: u16, pace: Duration) -> Self {
        let (answered, enough) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let clients = [false, true]
            .into_iter()
            .map(|kept| {
                let (answered, enough) = (answered.clone(), enough.clone());
                std::thread::spawn(move || client(port, pace, kept, &answered, &enough))
            })
            .collect();
        let load = Self { answered, enough, clients };
        load.await_requests(BEFORE);
        load
    }

    /// Waits until so many requests were made in all.
    fn await_requests(&self, count: usize) {
        until("requests of the load", || (self.answered.load(Ordering::Relaxed) >= count).then_some(()));
    }

    /// Ends, once the load has made [`Load::LEAST`] requests and some after what happened, and answers what
    /// was seen.
    #[must_use]
    pub fn end(mut self) -> Seen {
        self.await_requests(Self::LEAST.max(self.answered.load(Ordering::Relaxed) + BEFORE));
        self.enough.store(true, Ordering::Relaxed);
        let mut seen: Vec<Answered> =
            self.clients.drain(..).flat_map(|client| client.join().expect("a client failed")).collect();
        seen.sort_by_key(|answered| answered.at);
        Seen(seen)
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.enough.store(true, Ordering::Relaxed);
    }
}

fn client(
    port: u16,
    pace: Duration,
    kept: bool,
    answered: &AtomicUsize,
    enough: &AtomicBool,
) -> Vec<Answered> {
    let began = Instant::now();
    let mut connection = None;
    let mut answers = Vec::new();
    while !enough.load(Ordering::Relaxed) {
        let at = began.elapsed();
        let reply = if kept { ask_again(port, &mut connection) } else { get(port, "/version") };
        let took = began.elapsed() - at;
        let gate = reply.as_ref().ok().and_then(Gate::of);
        let outcome = reply.map(|reply| (reply.status, reply.body)).map_err(|error| error.to_string());
        answers.push(Answered { at, took, outcome, gate });
        answered.fetch_add(1, Ordering::Relaxed);
        std::thread::sleep(pace.saturating_sub(took));
    }
    answers
}

/// Over the kept connection. One that said `Connection: close` is opened anew, as any client does.
fn ask_again(port: u16, connection: &mut Option<BufReader<std::net::TcpStream>>) -> io::Result<Reply> {
    let mut open = match connection.take() {
        Some(open) => open,
        None => BufReader::new(connect(port)?),
    };
    let reply = send(&mut open, "/version", false)?;
    if !reply.headers.iter().any(|header| header == "connection: close") {
        *connection = Some(open);
    }
    Ok(reply)
}
