//! Forwarding a request to an endpoint of a pool, and what is tried when that fails.
//!
//! | what happened | what is done |
//! |---|---|
//! | no connection | the endpoint gets no more requests until a probe reaches it; another one is asked |
//! | no endpoint is healthy | the request is held until one is, or until the hold time is over: 503 |
//! | every endpoint has ended for good, as far as the host side knows | 503 at once |
//! | a kept connection was dead before anything was sent | a new connection |
//! | it broke before an answer | a request that may be repeated is asked again: of another endpoint, once |
//! | after a second or more its client gave up, it took too long, or it broke | the endpoint's check is asked at once |
//! | its endpoint left, and the drain time is over | a request that may be repeated is asked of those that came instead; 503 |
//! | still no answer, or a 5xx | an idempotent request without a body is asked of the fallback, once |
//! | the client broke off its body, or it is malformed | 499, 400: no failure of the application |
//! | the proxy has no descriptor left for it | 503: that is not the endpoint's fault |
//! | nothing helped | 502, or 504 when it took too long |

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::header::{CONNECTION, CONTENT_TYPE, HeaderMap, HeaderValue, UPGRADE};
use http::request::Parts;
use http::{Method, Request, Response, StatusCode, Uri, Version};
use hyper::body::Incoming;
use tokio::time::Instant;

use crate::proxy::endpoint::backend::Backend;
use crate::proxy::endpoint::claim::Claim;
use crate::proxy::endpoint::hold::{Held, Hold};
use crate::proxy::endpoint::tunnel::Tunnel;
use crate::proxy::endpoint::upstream::{Failure, Link, NoLink, Patience};
use crate::proxy::request::body::{Body, Content, Source, UpstreamBody};
use crate::proxy::request::caller::Caller;
use crate::proxy::request::headers;
use crate::proxy::request::own_answer;
use crate::proxy::request::serve::Visit;
use crate::proxy::request::ticket::Ticket;
use crate::proxy::request::upload::{ClientFault, Progress, RequestBody};

/// How often one request is tried, whatever happens.
const MAX_TRIES: u32 = 8;

/// An answer's head, with the connection that it came by.
struct Reply {
    response: Response<Incoming>,
    link: Box<Link>,
    claim: Claim,
}

impl Reply {
    /// Counts that it saved a client from a worse one.
    fn count(&self, rescued: &AtomicU64) {
        if !self.response.status().is_server_error() {
            rescued.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Why no endpoint's answer is delivered: what is answered instead.
struct Refusal {
    /// Boxed: most requests are not refused.
    response: Box<Response<Body>>,
    /// Whether the release could not answer. What is refused on purpose is nobody's failure.
    failed: bool,
}

impl Refusal {
    fn failed(response: Response<Body>) -> Self {
        Self { response: Box::new(response), failed: true }
    }

    fn meant(response: Response<Body>) -> Self {
        Self { response: Box::new(response), failed: false }
    }
}

/// How long a client waits at the least whose leaving says something about the endpoint.
const PATIENT: Duration = Duration::from_secs(1);

/// A request that waits for its answer. Where there is none, because its client or the proxy gave it up, the endpoint's
/// check is asked: it may hang.
struct Doubt<'claim> {
    backend: &'claim Backend,
    since: Instant,
    is_cleared: bool,
}

impl Doubt<'_> {
    fn settle(mut self, result: &Result<Response<Incoming>, Failure>) {
        self.is_cleared = !matches!(result, Err(Failure::TimedOut | Failure::Broken));
    }
}

impl Drop for Doubt<'_> {
    fn drop(&mut self) {
        if !self.is_cleared && self.since.elapsed() >= PATIENT {
            self.backend.doubted.notify_one();
        }
    }
}

/// A request as it is sent, and what is needed to send it again.
struct Outgoing<'request> {
    visit: &'request Visit<'request>,
    pool: usize,
    request: Option<Box<Request<RequestBody>>>,
    /// For requests that may be repeated.
    copy: Option<Box<Head>>,
    progress: Option<Progress>,
    upgrade: Option<HeaderValue>,
    started: Instant,
    tries: u32,
    /// A kept connection turned out dead: the others may be as well.
    distrusts_kept: bool,
}

/// Forwards to a pool. What of the body nobody will read is left in its place.
pub(in crate::proxy) async fn to_pool(
    visit: &Visit<'_>,
    pool: usize,
    parts: &mut Parts,
    body: &mut Option<Incoming>,
    ticket: &mut Ticket,
) -> Response<Body> {
    let Some(mut outgoing) = Outgoing::new(visit, pool, parts, body, ticket.started()) else {
        return too_large();
    };
    let release = Arc::clone(&visit.live.pools[pool].release);
    let waiting = release.wait();
    let asked = outgoing.ask().await;
    drop(waiting);
    if let Some(rest) = outgoing.progress.as_ref().and_then(Progress::take_rest) {
        *body = Some(rest);
    }
    match asked {
        Ok(reply) => {
            let release = Arc::clone(&reply.claim.release);
            release.served.fetch_add(1, Ordering::Relaxed);
            release.latency.record(ticket.time_to_answer());
            if reply.response.status().is_client_error() {
                release.client_errors.fetch_add(1, Ordering::Relaxed);
            }
            if reply.response.status().is_server_error() {
                release.server_errors.fetch_add(1, Ordering::Relaxed);
                if let Some(rescue) = Box::pin(outgoing.ask_fallback()).await {
                    rescue.count(&release.server_errors_rescued);
                    return outgoing.deliver(rescue, ticket).await;
                }
            }
            outgoing.deliver(reply, ticket).await
        }
        Err(refusal) => {
            if refusal.failed {
                release.failed.fetch_add(1, Ordering::Relaxed);
                if let Some(rescue) = Box::pin(outgoing.ask_fallback()).await {
                    rescue.count(&release.failed_rescued);
                    return outgoing.deliver(rescue, ticket).await;
                }
            }
            // Nobody has asked for it.
            if let Some(request) = outgoing.request.take() {
                *body = body.take().or_else(|| request.into_body().into_rest());
            }
            *refusal.response
        }
    }
}

/// Forwards to the host side's own socket: a connection for each request, nothing to choose from.
pub(in crate::proxy) async fn to_socket(
    visit: &Visit<'_>,
    socket: &str,
    parts: &mut Parts,
    body: &mut Option<Incoming>,
) -> Response<Body> {
    let unavailable =
        || own_answer::unavailable("the host side does not answer: its health page is not available", 5);
    let Some(descriptor) = visit.worker.descriptor() else { return unavailable() };
    let Ok(mut link) = Link::connect_unix(socket, descriptor).await else { return unavailable() };
    let Some(Prepared { request, progress, .. }) = prepare(visit, parts, body) else { return too_large() };
    let patience = patience(visit, None, Instant::now(), progress.as_ref());
    match link.exchange(request, &patience).await {
        Ok(response) => {
            let (mut head, incoming) = response.into_parts();
            headers::remove_hop_by_hop(&mut head.headers);
            pass_body(visit, head, incoming, link, None)
        }
        Err(_) => unavailable(),
    }
}

/// A request as an endpoint gets it.
struct Prepared {
    request: Box<Request<RequestBody>>,
    /// What is needed to send it again, if it may be.
    copy: Option<Box<Head>>,
    /// How its body gets on.
    progress: Option<Progress>,
    /// The protocol that it wants to change to.
    upgrade: Option<HeaderValue>,
}

/// `None` when the body is larger than it may be.
fn prepare(visit: &Visit<'_>, parts: &mut Parts, body: &mut Option<Incoming>) -> Option<Prepared> {
    let limit = visit.route.body_limit;
    if body.as_ref().is_some_and(|body| http_body::Body::size_hint(body).lower() > limit) {
        return None;
    }
    // Nothing but WebSockets: within another protocol, such as HTTP/2, requests would go by unseen.
    let upgrade = headers::remove_hop_by_hop(&mut parts.headers)
        .filter(|protocol| parts.version == Version::HTTP_11 && is_websocket(protocol));
    let (body, progress) = RequestBody::new(body.take(), limit);
    // Before the proxy's own headers are set: they are set again when it is repeated.
    let is_repeatable = parts.method.is_idempotent() && progress.is_none() && upgrade.is_none();
    let copy = is_repeatable.then(|| Box::new(Head::of(parts)));
    headers::set_forwarded(&mut parts.headers, &visit.caller);
    if let Some(protocol) = &upgrade {
        parts.headers.insert(UPGRADE, protocol.clone());
        parts.headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    }
    let mut request = Box::new(Request::new(body));
    *request.method_mut() = parts.method.clone();
    *request.uri_mut() = std::mem::take(&mut parts.uri);
    *request.headers_mut() = std::mem::take(&mut parts.headers);
    Some(Prepared { request, copy, progress, upgrade })
}

/// The head of a request that may be repeated, without what the proxy itself sets.
struct Head {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
}

impl Head {
    fn of(parts: &Parts) -> Self {
        Self { method: parts.method.clone(), uri: parts.uri.clone(), headers: parts.headers.clone() }
    }

    /// The request once more.
    fn request(&self, caller: &Caller) -> Box<Request<RequestBody>> {
        let mut request = Box::new(Request::new(RequestBody::Empty));
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.uri.clone();
        *request.headers_mut() = self.headers.clone();
        headers::set_forwarded(request.headers_mut(), caller);
        request
    }
}

fn patience<'a>(
    visit: &'a Visit<'_>,
    claim: Option<&'a Claim>,
    since: Instant,
    progress: Option<&'a Progress>,
) -> Patience<'a> {
    Patience { timer: visit.timer, claim, since, limit: visit.route.timeout, progress }
}

/// Makes the head and the body of an answer the client's.
fn pass_body(
    visit: &Visit<'_>,
    mut head: http::response::Parts,
    incoming: Incoming,
    link: Box<Link>,
    claim: Option<Claim>,
) -> Response<Body> {
    // The version is the connection's matter, not the message's.
    head.version = Version::HTTP_11;
    let endless = is_event_stream(&head.headers);
    if let (true, Some(claim)) = (endless, &claim) {
        claim.becomes_stream();
    }
    let mut body = Box::new(UpstreamBody {
        incoming,
        link: Some(link),
        claim,
        worker: Rc::clone(visit.worker),
        timer: Rc::clone(visit.timer),
        idle_timeout: visit.route.idle_timeout,
        deadline: None,
        endless,
    });
    body.settle();
    Response::from_parts(head, Body::new(Content::Plain(Source::Upstream(body))))
}

impl<'request> Outgoing<'request> {
    /// `None` when the body is larger than it may be.
    fn new(
        visit: &'request Visit<'request>,
        pool: usize,
        parts: &mut Parts,
        body: &mut Option<Incoming>,
        started: Instant,
    ) -> Option<Self> {
        let Prepared { request, copy, progress, upgrade } = prepare(visit, parts, body)?;
        Some(Self {
            visit,
            pool,
            request: Some(request),
            copy,
            progress,
            upgrade,
            started,
            tries: 0,
            distrusts_kept: false,
        })
    }

    fn patience<'a>(&'a self, claim: &'a Claim, since: Instant) -> Patience<'a> {
        patience(self.visit, Some(claim), since, self.progress.as_ref())
    }

    /// Asks endpoints of the pool until one answers. `Err` is the answer when none does.
    async fn ask(&mut self) -> Result<Reply, Refusal> {
        let mut hold = None;
        let mut avoid = None;
        let mut repeated = false;
        while self.tries < MAX_TRIES {
            self.tries += 1;
            let claim = self.claim(&mut hold, avoid).await?;
            // The first try comes at once, and need not look at the clock.
            let now = if self.tries == 1 && hold.is_none() { self.started } else { Instant::now() };
            let Some(request) = self.request.take().or_else(|| self.repeat()) else { break };
            let (mut link, kept) = match self.connect(&claim, now).await {
                Ok(link) => link,
                Err(NoLink::Unreachable(why)) => {
                    self.visit.worker.edge.unreachable(&claim.backend, why);
                    avoid = Some(claim.backend.id);
                    self.request = Some(request);
                    continue;
                }
                Err(NoLink::Exhausted) => return Err(Refusal::meant(own_answer::exhausted())),
            };
            let doubt = Doubt { backend: &claim.backend, since: now, is_cleared: false };
            let result = link.exchange(request, &self.patience(&claim, now)).await;
            doubt.settle(&result);
            self.distrusts_kept |= kept && result.is_err();
            match result {
                Ok(response) => return Ok(Reply { response, link, claim }),
                Err(Failure::Unsent(request)) => self.request = Some(request),
                Err(Failure::Broken) if self.copy.is_some() && (kept || !repeated) => {
                    // A kept connection that broke says nothing about the endpoint; a new one does.
                    avoid = (!kept).then_some(claim.backend.id).or(avoid);
                    repeated |= !kept;
                }
                Err(Failure::Cut) if self.copy.is_some() && claim.backend.has_left() => {}
                Err(failure) => return Err(refusal(&failure)),
            }
        }
        Err(Refusal::failed(self.gave_up()))
    }

    /// Asks one endpoint of the release before, if there is one and the request may be repeated.
    async fn ask_fallback(&self) -> Option<Reply> {
        let request = self.repeat()?;
        let worker = self.visit.worker;
        let place = worker.edge.choose_fallback(self.visit.live, self.pool, worker.turn())?;
        let claim = Claim::new(place, worker, self.visit.conn);
        let now = Instant::now();
        let (mut link, _) = self.connect(&claim, now).await.ok()?;
        let response = link.exchange(request, &self.patience(&claim, now)).await.ok()?;
        Some(Reply { response, link, claim })
    }

    /// A place at an endpoint, waited for if there is none.
    async fn claim(&self, hold: &mut Option<Hold<'request>>, avoid: Option<u64>) -> Result<Claim, Refusal> {
        let worker = self.visit.worker;
        let choose = || worker.edge.choose(self.visit.live, self.pool, worker.turn(), avoid);
        if let Some(place) = choose() {
            return Ok(Claim::new(place, worker, self.visit.conn));
        }
        let unavailable = |why| Refusal::failed(own_answer::unavailable(why, 2));
        if self.copy.is_some() && worker.edge.has_fallback(self.visit.live, self.pool) {
            return Err(unavailable("no instance of the new release is ready"));
        }
        let hold = hold.get_or_insert_with(|| Hold::new(self.visit, self.started));
        loop {
            // Again, now that changes are noticed: one may have come just before.
            if let Some(place) = choose() {
                hold.is_over();
                return Ok(Claim::new(place, worker, self.visit.conn));
            }
            if worker.edge.is_stopped(self.visit.live, self.pool) {
                let stopped = own_answer::plain(StatusCode::SERVICE_UNAVAILABLE, "the service is stopped");
                return Err(Refusal::meant(stopped));
            }
            if worker.edge.has_ended(self.visit.live, self.pool) {
                let why = "no instance runs, and none is about to be started";
                return Err(Refusal::failed(own_answer::unavailable(why, 10)));
            }
            match hold.wait().await {
                Held::Changed => {}
                Held::TooLong => return Err(unavailable("no instance is ready")),
                Held::TooMany => return Err(unavailable("no instance is ready, and too many requests wait")),
            }
        }
    }

    /// A connection to the endpoint, and whether it had been used before.
    async fn connect(&self, claim: &Claim, now: Instant) -> Result<(Box<Link>, bool), NoLink> {
        // An upgraded connection never comes back, so it is not taken from those that are kept.
        if self.upgrade.is_none() && !self.distrusts_kept {
            let replayable = self.copy.is_some();
            if let Some(link) = self.visit.worker.links.take(&claim.backend, replayable, now) {
                return Ok((link, true));
            }
        }
        let descriptor = self.visit.worker.descriptor().ok_or(NoLink::Exhausted)?;
        Box::pin(Link::connect(&claim.backend, descriptor)).await.map(|link| (link, false))
    }

    fn repeat(&self) -> Option<Box<Request<RequestBody>>> {
        self.copy.as_ref().map(|head| head.request(&self.visit.caller))
    }

    fn gave_up(&self) -> Response<Body> {
        own_answer::plain(StatusCode::BAD_GATEWAY, "the application could not be reached")
    }

    /// Makes an endpoint's answer the client's.
    async fn deliver(&self, reply: Reply, ticket: &mut Ticket) -> Response<Body> {
        let Reply { response, link, claim } = reply;
        ticket.answered_by(&claim);
        let (mut head, incoming) = response.into_parts();
        if head.status == StatusCode::SWITCHING_PROTOCOLS {
            return Box::pin(self.upgraded(head, link, claim, ticket)).await;
        }
        headers::remove_hop_by_hop(&mut head.headers);
        if is_event_stream(&head.headers) {
            ticket.becomes_stream();
        }
        pass_body(self.visit, head, incoming, link, Some(claim))
    }

    /// The endpoint changes the protocol: from here on bytes go both ways.
    async fn upgraded(
        &self,
        mut head: http::response::Parts,
        link: Box<Link>,
        claim: Claim,
        ticket: &mut Ticket,
    ) -> Response<Body> {
        let chosen = headers::remove_hop_by_hop(&mut head.headers).filter(is_websocket);
        let (Some(_), Some(protocol)) = (&self.upgrade, chosen) else {
            return own_answer::plain(
                StatusCode::BAD_GATEWAY,
                "the application changed the protocol unasked",
            );
        };
        let (upstream, read, descriptor) = link.into_stream().await;
        claim.becomes_stream();
        ticket.becomes_stream();
        let idle_timeout = self.visit.route.idle_timeout;
        let timer = Rc::clone(self.visit.timer);
        let tunnel = Tunnel { upstream, read, claim, timer, idle_timeout, descriptor };
        *self.visit.conn.tunnel.borrow_mut() = Some(Box::new(tunnel));
        head.headers.insert(UPGRADE, protocol);
        head.headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        head.version = Version::HTTP_11;
        Response::from_parts(head, Body::empty())
    }
}

fn is_websocket(protocol: &HeaderValue) -> bool {
    protocol.as_bytes().eq_ignore_ascii_case(b"websocket")
}

fn is_event_stream(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"))
}

fn too_large() -> Response<Body> {
    own_answer::plain(StatusCode::PAYLOAD_TOO_LARGE, "the body is larger than is accepted here")
}

fn refusal(failure: &Failure) -> Refusal {
    match failure {
        Failure::Client(ClientFault::Malformed) => {
            Refusal::meant(own_answer::plain(StatusCode::BAD_REQUEST, "the body is not what HTTP asks for"))
        }
        Failure::Client(ClientFault::BrokenOff) => Refusal::meant(own_answer::broken_off()),
        Failure::Client(ClientFault::TooLarge) => Refusal::meant(too_large()),
        Failure::TimedOut => Refusal::failed(own_answer::plain(
            StatusCode::GATEWAY_TIMEOUT,
            "the application took too long to answer",
        )),
        Failure::Cut => {
            Refusal::failed(own_answer::unavailable("the instance that worked on this request had to go", 1))
        }
        Failure::Unsent(_) | Failure::Broken => Refusal::failed(own_answer::plain(
            StatusCode::BAD_GATEWAY,
            "the application broke off before it answered",
        )),
    }
}
