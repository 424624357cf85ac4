//! The way of a request: vetted, routed, admitted, answered by whatever the route leads to.

use std::convert::Infallible;
use std::rc::Rc;
use std::sync::Arc;

use http::header::{CONNECTION, EXPECT, HOST, HeaderValue};
use http::request::Parts;
use http::{Method, Request, Response, StatusCode, Uri, Version};
use http_body::Body as _;
use hyper::body::Incoming;
use hyper::service::service_fn;

use crate::proxy::connection::conn::Conn;
use crate::proxy::connection::linger;
use crate::proxy::connection::timer::Timer;
use crate::proxy::connection::worker::Worker;
use crate::proxy::endpoint::forward;
use crate::proxy::live::{Live, LiveRoute, LiveTarget};
use crate::proxy::request::body::{Body, Content};
use crate::proxy::request::caller::Caller;
use crate::proxy::request::compress;
use crate::proxy::request::files;
use crate::proxy::request::headers;
use crate::proxy::request::own_answer;
use crate::proxy::request::route;
use crate::proxy::request::ticket::Ticket;

/// Answers the requests of one connection.
pub(in crate::proxy) fn service(
    worker: &Rc<Worker>,
    conn: &Rc<Conn>,
) -> impl hyper::service::HttpService<Incoming, ResBody = Body, Error = Infallible, Future: 'static> + use<> {
    let (worker, conn) = (Rc::clone(worker), Rc::clone(conn));
    service_fn(move |request: Request<Incoming>| {
        // Before any of what follows the head is looked at.
        let content_lengths = conn.request_begins(request.body().size_hint().exact());
        let ticket = Box::new(Ticket::new(&worker, &conn));
        serve(Rc::clone(&worker), Rc::clone(&conn), request, content_lengths, ticket)
    })
}

/// What is known of a request that has found its route.
pub(in crate::proxy) struct Visit<'request> {
    pub(in crate::proxy) worker: &'request Rc<Worker>,
    pub(in crate::proxy) conn: &'request Rc<Conn>,
    pub(in crate::proxy) live: &'request Arc<Live>,
    pub(in crate::proxy) caller: Rc<Caller>,
    pub(in crate::proxy) route: &'request LiveRoute,
    /// The timer of the task that carries the request.
    pub(in crate::proxy) timer: &'request Rc<Timer>,
}

async fn serve(
    worker: Rc<Worker>,
    conn: Rc<Conn>,
    request: Request<Incoming>,
    content_lengths: u8,
    mut ticket: Box<Ticket>,
) -> Result<Response<Body>, Infallible> {
    let live = Arc::clone(ticket.live());
    let (mut parts, body) = request.into_parts();
    let mut body = Some(body);
    let version = parts.version;
    // Such a client may send its body or the next request, and nobody can tell which.
    let expects = parts.headers.contains_key(EXPECT);
    let vetted = vet(&mut parts, &conn, content_lengths);
    ticket.describe(&parts);
    let mut response = match vetted {
        Err(why) => refused(why),
        Ok(()) => {
            // The requests of an HTTP/2 connection are tasks of their own, each with its timer.
            let own_timer;
            let timer = if conn.multiplexed.get() {
                own_timer = Rc::default();
                &own_timer
            } else {
                &conn.timer
            };
            follow_route(&worker, &conn, &live, timer, &mut parts, &mut body, &mut ticket).await
        }
    };
    if let Some(mut rest) = body.filter(|body| !body.is_end_stream()) {
        if version == Version::HTTP_2 || (!expects && linger::is_small(&rest)) {
            tokio::task::spawn_local(linger::read_away(rest));
        } else if expects || !Box::pin(linger::has_come(&mut rest)).await {
            // Its task reads what still comes, and closes.
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
    }
    ticket.answer_begins(response.status().as_u16());
    if version == Version::HTTP_11
        && worker.is_closing()
        && response.status() != StatusCode::SWITCHING_PROTOCOLS
    {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(response.map(|body| body.with_ticket(ticket)))
}

/// The connection ends with such a request: where the next one begins is not certain.
fn refused(why: &str) -> Response<Body> {
    let mut response = own_answer::plain(StatusCode::BAD_REQUEST, why);
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

/// Refuses what cannot be understood in one way only, and brings the rest into one form: the target
/// as path and query, the host in `Host`.
fn vet(parts: &mut Parts, conn: &Conn, content_lengths: u8) -> Result<(), headers::Refused> {
    if parts.method == Method::CONNECT {
        return Err("this is no forward proxy");
    }
    if let Some(authority) = parts.uri.authority() {
        // HTTP/2, or the absolute form of HTTP/1: what it says of the host counts (RFC 9112, 3.2.2).
        let host = authority.as_str().rsplit('@').next().unwrap_or_default();
        let host = HeaderValue::try_from(host).map_err(|_| "the host cannot be understood")?;
        parts.headers.insert(HOST, host);
        let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
        parts.uri = Uri::try_from(path).map_err(|_| "the target cannot be understood")?;
    }
    headers::refuse_ambiguous(parts.version, &parts.headers, content_lengths)?;
    match parts.version {
        Version::HTTP_2 => headers::join_cookies(&mut parts.headers),
        Version::HTTP_10 => headers::set_host(&mut parts.headers, conn),
        _ => {}
    }
    if parts.headers.get(HOST).is_some_and(|host| !route::is_host(host.as_bytes())) {
        return Err("the host is neither a name nor an address");
    }
    if !parts.uri.path().starts_with('/') {
        return Err("the target is no path");
    }
    Ok(())
}

/// Finds the route of a request, and has its target answer.
async fn follow_route(
    worker: &Rc<Worker>,
    conn: &Rc<Conn>,
    live: &Arc<Live>,
    timer: &Rc<Timer>,
    parts: &mut Parts,
    body: &mut Option<Incoming>,
    ticket: &mut Ticket,
) -> Response<Body> {
    let Some(path) = route::comparable(parts.uri.path()) else {
        return own_answer::plain(StatusCode::BAD_REQUEST, "the path cannot be understood in one way only");
    };
    let host = match parts.headers.get(HOST).map(HeaderValue::to_str) {
        None => "",
        Some(Ok(host)) => host,
        Some(Err(_)) => return own_answer::plain(StatusCode::BAD_REQUEST, "the host cannot be understood"),
    };
    if live.table.listen.redirect_to_https && !ticket.caller.secure {
        return to_https(live, parts, host, &ticket.caller);
    }
    let Some(index) = live.find(host, &path) else {
        return if live.table.generation == 0 {
            own_answer::unavailable("nothing has been deployed yet", 5)
        } else {
            own_answer::plain(StatusCode::NOT_FOUND, "nothing is served here")
        };
    };
    ticket.route = Some(index);
    let route = &live.routes[index];
    let visit = Visit { worker, conn, live, caller: Rc::clone(&ticket.caller), route, timer };
    if let Some(refusal) = admit(&visit, parts) {
        return finish(&visit, &parts.method, None, refusal);
    }
    let encoding = if route.compress { compress::Encoding::accepted(&parts.headers) } else { None };
    // Of the path nothing would be left.
    let is_prefix_alone = route.strip_prefix && route.pattern.is(&path);
    if is_prefix_alone
        && matches!(route.target, LiveTarget::Files { .. })
        && matches!(parts.method, Method::GET | Method::HEAD)
    {
        // Its index would have its links looked for beside the prefix instead of below it.
        return finish(&visit, &parts.method, None, files::below(parts));
    }
    if route.strip_prefix && !strip_prefix(parts, route) {
        let refusal =
            own_answer::plain(StatusCode::BAD_REQUEST, "the path cannot be understood in one way only");
        return finish(&visit, &parts.method, None, refusal);
    }
    let response = match &route.target {
        LiveTarget::Pool(pool) => forward::to_pool(&visit, *pool, parts, body, ticket).await,
        // Boxed, as everything rare on this way: the future of a request is copied when it begins, whole.
        LiveTarget::Health { socket } => Box::pin(forward::to_socket(&visit, socket, parts, body)).await,
        LiveTarget::Files { place, cache_control } => {
            Box::pin(files::serve(worker, place, cache_control.as_ref(), parts)).await
        }
        LiveTarget::Redirect { to, status, exact: true } => own_answer::redirect(*status, to),
        LiveTarget::Redirect { to, status, exact: false } if is_prefix_alone => {
            let query = parts.uri.query().map(|query| format!("?{query}")).unwrap_or_default();
            own_answer::redirect(*status, &format!("{to}{query}"))
        }
        LiveTarget::Redirect { to, status, exact: false } => {
            let rest = parts.uri.path_and_query().map_or("/", |path| path.as_str());
            // Behind a target that is a path, two slashes would begin the name of another host.
            let rest = rest.trim_start_matches(['/', '\\']);
            own_answer::redirect(*status, &format!("{}/{rest}", to.trim_end_matches('/')))
        }
        LiveTarget::Metrics => metrics(worker),
    };
    finish(&visit, &parts.method, encoding, response)
}

fn to_https(live: &Live, parts: &Parts, host: &str, caller: &Caller) -> Response<Body> {
    let asked_for = caller.host.as_ref().and_then(|host| host.to_str().ok());
    let name = route::host_name(asked_for.unwrap_or(host));
    // Where TLS ends in a proxy before this one, its port is the one to come by.
    let port = live.https_port.filter(|_| !caller.is_spoken_for);
    let port = port.map(|port| format!(":{port}")).unwrap_or_default();
    let rest = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    own_answer::redirect(StatusCode::PERMANENT_REDIRECT, &format!("https://{name}{port}{rest}"))
}

/// Whether the client may ask at all; if not, the answer.
fn admit(visit: &Visit<'_>, parts: &Parts) -> Option<Response<Body>> {
    let route = visit.route;
    if !route.networks.admit(visit.caller.address) {
        return Some(own_answer::plain(StatusCode::FORBIDDEN, "this address is not admitted"));
    }
    if let Some(limiter) = &route.limiter
        && let Err(wait) = limiter.take(visit.caller.address, std::time::Instant::now())
    {
        return Some(own_answer::too_many(wait.as_secs().max(1)));
    }
    if !route.credentials.admit(&parts.headers) {
        return Some(own_answer::unauthorized());
    }
    None
}

/// Takes the route's prefix off the path; `false` when it is not there as it was when it was looked for.
fn strip_prefix(parts: &mut Parts, route: &LiveRoute) -> bool {
    let Some(mut stripped) = route.pattern.strip(parts.uri.path()) else { return false };
    if let Some(query) = parts.uri.query() {
        stripped.push('?');
        stripped.push_str(query);
    }
    // A part of a valid target is one.
    Uri::try_from(stripped).map(|uri| parts.uri = uri).is_ok()
}

fn metrics(worker: &Worker) -> Response<Body> {
    let mut response = Response::new(Body::new(Content::Full(worker.edge.metrics().into())));
    response.headers_mut().insert(
        http::header::CONTENT_TYPE,
        HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8"),
    );
    response
}

fn finish(
    visit: &Visit<'_>,
    method: &Method,
    encoding: Option<compress::Encoding>,
    mut response: Response<Body>,
) -> Response<Body> {
    headers::finish_headers(response.headers_mut(), visit.route, visit.caller.secure);
    if visit.route.compress {
        response = compress::compress(response, encoding, method);
    }
    response
}
