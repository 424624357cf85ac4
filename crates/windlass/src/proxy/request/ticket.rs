//! What is to be counted and logged of one request once it is over.

use std::rc::Rc;
use std::sync::Arc;

use http::Method;
use tokio::time::Instant;

use crate::proxy::connection::conn::Conn;
use crate::proxy::connection::worker::Worker;
use crate::proxy::endpoint::backend::Backend;
use crate::proxy::endpoint::claim::Claim;
use crate::proxy::live::Live;
use crate::proxy::measure::metrics::Release;
use crate::proxy::request::caller::Caller;

/// A request under way. Dropping it ends the request, however it went.
pub(in crate::proxy) struct Ticket {
    worker: Rc<Worker>,
    pub(in crate::proxy) conn: Rc<Conn>,
    live: Arc<Live>,
    /// Who asks, as far as it is believed.
    pub(in crate::proxy) caller: Rc<Caller>,
    /// The route, where one was found.
    pub(in crate::proxy) route: Option<usize>,
    /// What the access log tells; made only when there is one.
    line: Option<Box<Line>>,
    started: Instant,
    answered: Option<Instant>,
    status: u16,
    bytes: u64,
    /// Whether somebody waits for it to begin.
    awaited: bool,
    /// Who answers, unless that is a stream, which has no end of its own to be cut from.
    answerer: Option<(Arc<Backend>, Arc<Release>)>,
    /// Who ended the answer before it was whole, unless the client did.
    cut: Option<Cut>,
}

/// Who ended an answer before it was whole. A client that breaks it off is nobody's fault here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::proxy) enum Cut {
    /// Its copy was to go, and the drain time was over.
    Drain,
    /// The application broke it off, or fell silent.
    Application,
}

impl Cut {
    /// As the access log tells it.
    pub(in crate::proxy) const fn in_words(self) -> &'static str {
        match self {
            Self::Drain => "drain",
            Self::Application => "application",
        }
    }
}

/// What the access log tells of a request beside what is counted.
pub(in crate::proxy) struct Line {
    pub(in crate::proxy) method: Method,
    pub(in crate::proxy) host: String,
    /// Without the query, which may hold what must not be written down.
    pub(in crate::proxy) path: String,
    pub(in crate::proxy) version: http::Version,
    pub(in crate::proxy) agent: String,
    pub(in crate::proxy) instance: Option<String>,
    pub(in crate::proxy) release: Option<String>,
}

impl Ticket {
    pub(in crate::proxy) fn new(worker: &Rc<Worker>, conn: &Rc<Conn>) -> Self {
        let started = Instant::now();
        worker.edge.gap.request_begins(started.into_std());
        Self {
            worker: Rc::clone(worker),
            conn: Rc::clone(conn),
            caller: Rc::clone(&conn.caller),
            live: worker.edge.live(),
            route: None,
            line: None,
            started,
            answered: None,
            status: 0,
            bytes: 0,
            awaited: true,
            answerer: None,
            cut: None,
        }
    }

    pub(in crate::proxy) const fn started(&self) -> Instant {
        self.started
    }

    /// The table in force when the request began.
    pub(in crate::proxy) const fn live(&self) -> &Arc<Live> {
        &self.live
    }

    pub(in crate::proxy) fn describe(&mut self, request: &http::request::Parts) {
        self.caller = Caller::of(&request.headers, &self.conn, &self.live.trusted);
        if !self.worker.log.is_on() {
            return;
        }
        let text = |name| {
            let value = request.headers.get(name).map_or(&b""[..], |value| value.as_bytes());
            String::from_utf8_lossy(value).into_owned()
        };
        self.line = Some(Box::new(Line {
            method: request.method.clone(),
            host: text(http::header::HOST),
            path: request.uri.path().to_owned(),
            version: request.version,
            agent: text(http::header::USER_AGENT),
            instance: None,
            release: None,
        }));
    }

    /// Who answers.
    pub(in crate::proxy) fn answered_by(&mut self, claim: &Claim) {
        self.answerer = Some((Arc::clone(&claim.backend), Arc::clone(&claim.release)));
        if let Some(line) = &mut self.line {
            line.instance = Some(claim.backend.instance.clone());
            line.release = Some(claim.release.name.clone());
        }
    }

    /// There is an answer. Returns how long that took.
    pub(in crate::proxy) fn time_to_answer(&mut self) -> std::time::Duration {
        *self.answered.get_or_insert_with(Instant::now) - self.started
    }

    /// The answer begins.
    pub(in crate::proxy) fn answer_begins(&mut self, status: u16) {
        let took = self.time_to_answer();
        self.status = status;
        if std::mem::take(&mut self.awaited) {
            // One that says that there is none is no answer to whoever waits.
            let began = self.started.into_std();
            self.worker.edge.gap.wait_ends(began, began + took, status < 500);
        }
        if let Some(route) = self.route {
            self.live.routes[route].counters.record(status, took);
        }
    }

    /// The answer turned into a stream.
    pub(in crate::proxy) fn becomes_stream(&mut self) {
        self.answerer = None;
    }

    /// The answer ends before it is whole, and the client did not end it.
    pub(in crate::proxy) fn is_cut(&mut self) {
        let Some((backend, release)) = self.answerer.take() else { return };
        let leaves = backend.has_left() || self.worker.is_closing();
        let by = if leaves { Cut::Drain } else { Cut::Application };
        release.count_cut(by, self.status);
        self.cut = Some(by);
    }

    pub(in crate::proxy) fn sent(&mut self, bytes: u64) {
        self.bytes += bytes;
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let now = Instant::now();
        if self.awaited {
            self.worker.edge.gap.wait_ends(self.started.into_std(), now.into_std(), false);
        }
        if let Some(route) = self.route {
            self.live.routes[route].counters.sent(self.bytes);
        }
        if let Some(line) = &self.line {
            let answered = self.answered.unwrap_or(now);
            self.worker.log.write(&crate::proxy::measure::access_log::Entry {
                line,
                caller: &self.caller,
                route: self.route.map(|route| self.live.routes[route].name.as_str()),
                // As nginx writes it: the client went before there was an answer.
                status: if self.status == 0 { 499 } else { self.status },
                bytes: self.bytes,
                cut: self.cut,
                first_byte: answered - self.started,
                total: now - self.started,
            });
        }
        self.conn.request_ends(now);
    }
}
