//! Smoke tests: questions the new release must answer before it gets any other.

use http_body_util::{BodyExt, Limited};
use windlass_core::journal::Fault;
use windlass_core::plan::Plan;
use windlass_core::spec::{Probe, SmokeTest};

use super::Acting;
use crate::host::instance::identity::Identity;

/// How much of an answer is looked through.
const LARGEST: usize = 1 << 20;

impl Acting {
    /// Asks every new instance of the service.
    pub(super) async fn smoke_test(&self, plan: &Plan, index: usize) -> Result<String, Fault> {
        let Some(test) = plan.spec.deploy.smoke.get(index) else { return Ok(String::new()) };
        for id in plan.instances.get(&test.service).into_iter().flatten() {
            let identity = Identity::read(&self.host.layout.instance(id)).ok();
            let Some(port) = identity.as_ref().and_then(|identity| identity.port) else { continue };
            let host = host_header(plan, test, port);
            let answer = tokio::time::timeout(test.timeout.as_duration(), ask(port, &host, test)).await;
            let wrong = match answer {
                Err(_) => format!("it did not answer within {}", test.timeout),
                Ok(Err(why)) => why,
                Ok(Ok(())) => continue,
            };
            let fault = Fault::new(
                format!("{id} failed the smoke test of {}: {wrong}", test.path),
                "the release is not given any requests",
            );
            let tail = identity.map(|identity| self.host.tail(&identity)).unwrap_or_default();
            return Err(fault.with_tail(tail, "its log"));
        }
        Ok(String::new())
    }
}

/// The name the service is asked by: the one that its readiness check uses, because some
/// applications answer to their own names only.
fn host_header(plan: &Plan, test: &SmokeTest, port: u16) -> String {
    let service = plan.spec.services.get(&test.service);
    match service.and_then(|service| service.checks.readiness.as_ref()).map(|check| &check.probe) {
        Some(Probe::Http { host: Some(host), .. }) => host.clone(),
        _ => format!("127.0.0.1:{port}"),
    }
}

async fn ask(port: u16, host: &str, test: &SmokeTest) -> Result<(), String> {
    let stream =
        tokio::net::TcpStream::connect(("127.0.0.1", port)).await.map_err(|error| error.to_string())?;
    let io = hyper_util::rt::TokioIo::new(stream);
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(io).await.map_err(|error| error.to_string())?;
    let connection = tokio::task::spawn_local(connection);
    let request = http::Request::get(test.path.as_str())
        .header("host", host)
        .header("user-agent", "windlass-smoke-test")
        .body(http_body_util::Empty::<bytes::Bytes>::new())
        .map_err(|error| error.to_string())?;
    let answer = sender.send_request(request).await.map_err(|error| error.to_string())?;
    let status = answer.status().as_u16();
    let body = Limited::new(answer.into_body(), LARGEST).collect().await;
    connection.abort();
    if !test.status.contain(status) {
        return Err(format!("it answered {status}, not {}", test.status));
    }
    if let Some(wanted) = &test.contains {
        let body = body.map_err(|error| error.to_string())?.to_bytes();
        if !String::from_utf8_lossy(&body).contains(wanted.as_str()) {
            return Err(format!("its answer does not contain {wanted:?}"));
        }
    }
    Ok(())
}
