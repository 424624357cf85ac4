//! Whether endpoints can answer.
//!
//! Passive: an endpoint that refuses a connection gets no more requests at once. (Answers of its
//! own, 5xx among them, never count against it here: one bad page must not take a whole instance
//! out; that is for the bake to judge.) Active: pools with a check are asked by it, all the time. An
//! endpoint that could not be reached is looked at ten times a second until it can. Both: one that
//! left a request without an answer is asked by the check at once, and where that fails twice and
//! half of its pool is well without it, it gets no more: where all are slow, all go on.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONNECTION, HOST, HeaderValue, USER_AGENT};
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};
use windlass_core::edge::EndpointCheck;
use windlass_core::spec::Statuses;

use crate::proxy::edge::Edge;
use crate::proxy::endpoint::backend::Backend;

/// How often an endpoint that could not be reached is tried.
const RETRY: Duration = Duration::from_millis(100);
/// So many checks in a row fail of one that hangs.
const HANGS: u32 = 2;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// The most that is read of a check's answer.
const MAX_BODY: usize = 64 * 1024;

/// Watches the endpoints of whatever table is in force.
pub(in crate::proxy) async fn watch(edge: Arc<Edge>) {
    let mut changed = edge.changed.subscribe();
    let mut checks: HashMap<u64, (Option<EndpointCheck>, AbortHandle)> = HashMap::new();
    loop {
        follow_table(&edge, &mut checks);
        tokio::select! {
            result = changed.changed() => if result.is_err() { return },
            () = edge.failed.notified() => retry_unreachable(&edge),
        }
    }
}

/// Starts the checks of new endpoints, ends those of endpoints that left.
fn follow_table(edge: &Arc<Edge>, checks: &mut HashMap<u64, (Option<EndpointCheck>, AbortHandle)>) {
    let live = edge.live();
    let mut gone: Vec<u64> = checks.keys().copied().collect();
    for pool in &live.pools {
        for backend in pool.endpoints.iter().chain(&pool.fallback) {
            gone.retain(|id| *id != backend.id);
            if checks.get(&backend.id).is_some_and(|(check, _)| *check == pool.check) {
                continue;
            }
            let task = watch_one(Arc::clone(edge), Arc::clone(backend), pool.check.clone());
            let task = tokio::task::spawn_local(task).abort_handle();
            if let Some((_, old)) = checks.insert(backend.id, (pool.check.clone(), task)) {
                old.abort();
            }
        }
    }
    for id in gone {
        if let Some((_, task)) = checks.remove(&id) {
            task.abort();
        }
    }
}

/// An endpoint was found unreachable: its own task is asleep, so it is helped here.
fn retry_unreachable(edge: &Arc<Edge>) {
    for pool in &edge.live().pools {
        for backend in pool.endpoints.iter().chain(&pool.fallback) {
            if backend.take_unreachable() {
                tokio::task::spawn_local(reach(Arc::clone(edge), Arc::clone(backend), pool.check.clone()));
            }
        }
    }
}

/// Tries an endpoint until it answers; then it may have requests again.
async fn reach(edge: Arc<Edge>, backend: Arc<Backend>, check: Option<EndpointCheck>) {
    while !backend.has_left() && !backend.is_healthy() {
        let answers = match &check {
            Some(check) => {
                timeout(check.timeout.as_duration(), ask(&backend, check)).await.is_ok_and(|ok| ok.is_ok())
            }
            None => connects(&backend).await.is_ok(),
        };
        if answers {
            edge.recovered(&backend);
            return;
        }
        sleep(RETRY).await;
    }
}

/// Runs the pool's check on one endpoint for as long as it is in the table.
async fn watch_one(edge: Arc<Edge>, backend: Arc<Backend>, check: Option<EndpointCheck>) {
    let Some(check) = check else { return };
    let (mut successes, mut failures) = (0, 0);
    let mut is_doubted = false;
    loop {
        tokio::select! {
            () = sleep(check.interval.as_duration().max(Duration::from_millis(10))) => {}
            () = doubted(&backend, is_doubted) => is_doubted = true,
        }
        let result = timeout(check.timeout.as_duration(), ask(&backend, &check)).await;
        let result =
            result.unwrap_or_else(|_| Err(format!("the health check had no answer in {}", check.timeout)));
        match result {
            Ok(()) => {
                (successes, failures, is_doubted) = (successes + 1, 0, false);
                if successes >= check.healthy_after {
                    edge.recovered(&backend);
                }
            }
            Err(why) => {
                (successes, failures) = (0, failures + 1);
                let is_hanging = is_doubted && failures >= HANGS && edge.can_spare(&backend);
                if failures >= check.unhealthy_after || is_hanging {
                    backend.fail(why);
                    is_doubted = false;
                }
            }
        }
    }
}

/// Waits until a request got no answer, or, where one got none and the check failed too, until it is to be asked again. That
/// many get none is no reason to ask more often than it is tried otherwise.
async fn doubted(backend: &Backend, again: bool) {
    sleep(RETRY).await;
    if !again {
        backend.doubted.notified().await;
    }
}

async fn connects(backend: &Backend) -> Result<TcpStream, String> {
    match timeout(CONNECT_TIMEOUT, TcpStream::connect(backend.address)).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(error)) => Err(format!("no connection to {}: {error}", backend.address)),
        Err(_) => Err(format!("no connection to {} within 3 s", backend.address)),
    }
}

async fn ask(backend: &Backend, check: &EndpointCheck) -> Result<(), String> {
    let stream = connects(backend).await?;
    let Some(path) = &check.path else { return Ok(()) };
    let failed = |error: hyper::Error| format!("the health check failed: {error}");
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(failed)?;
    let connection = tokio::task::spawn_local(connection);
    let host = check.host.clone().unwrap_or_else(|| backend.address.to_string());
    let request = Request::get(path)
        .header(HOST, host)
        .header(USER_AGENT, HeaderValue::from_static("windlass-proxy"))
        .header(CONNECTION, HeaderValue::from_static("close"))
        .body(Empty::<Bytes>::new())
        .map_err(|error| format!("the health check cannot be sent: {error}"))?;
    let answer = sender.send_request(request).await.map_err(failed);
    let status = match answer {
        Ok(answer) => {
            let status = answer.status();
            // Read what there is, so that the application does not see its connection break.
            let body = http_body_util::Limited::new(answer.into_body(), MAX_BODY);
            let _ = body.collect().await;
            Ok(status)
        }
        Err(why) => Err(why),
    };
    connection.abort();
    judge(status?, check.status)
}

fn judge(status: StatusCode, wanted: Option<Statuses>) -> Result<(), String> {
    let healthy = wanted.unwrap_or(Statuses::HEALTHY).contain(status.as_u16());
    if healthy { Ok(()) } else { Err(format!("the health check was answered with {}", status.as_u16())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn which_answers_are_healthy() {
        for (status, wanted, healthy) in [
            (200, None, true),
            (302, None, true),
            (404, None, false),
            (503, None, false),
            (200, Some("204"), false),
            (418, Some("418"), true),
            (404, Some("100-499"), true),
            (500, Some("100-499"), false),
        ] {
            let wanted = wanted.map(|wanted| wanted.parse().unwrap());
            assert_eq!(
                judge(StatusCode::from_u16(status).unwrap(), wanted).is_ok(),
                healthy,
                "{status} {wanted:?}"
            );
        }
    }
}
