//! Smoke tests: questions the new release must answer before it gets any other.

use http_body_util::{BodyExt, Limited};
use windlass_core::journal::Fault;
use windlass_core::plan::Plan;
use windlass_core::spec::SmokeTest;

use super::Acting;
use crate::host::identity::Identity;

/// How much of an answer is looked through.
const LARGEST: usize = 1 << 20;

impl Acting {
    /// Asks every new instance of the service.
    pub(super) async fn smoke_test(&self, plan: &Plan, index: usize) -> Result<String, Fault> {
        let Some(test) = plan.spec.deploy.smoke.get(index) else { return Ok(String::new()) };
        for id in plan.instances.get(&test.service).into_iter().flatten() {
            let identity = Identity::read(&self.host.layout.instance(id)).ok();
            let Some(port) = identity.as_ref().and_then(|identity| identity.port) else { continue };
            let answer = tokio::time::timeout(test.timeout.as_duration(), ask(port, test)).await;
            let wrong = match answer {
                Err(_) => format!("it did not answer within {}", test.timeout),
                Ok(Err(why)) => why,
                Ok(Ok(())) => continue,
            };
            let mut fault = Fault::new(
                format!("{id} failed the smoke test of {}: {wrong}", test.path),
                "the release is not given any requests; the lines above are the end of its log",
            );
            fault.tail = identity.map(|identity| self.host.tail(&identity)).unwrap_or_default();
            return Err(fault);
        }
        Ok(String::new())
    }
}

async fn ask(port: u16, test: &SmokeTest) -> Result<(), String> {
    let stream =
        tokio::net::TcpStream::connect(("127.0.0.1", port)).await.map_err(|error| error.to_string())?;
    let io = hyper_util::rt::TokioIo::new(stream);
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(io).await.map_err(|error| error.to_string())?;
    let connection = tokio::task::spawn_local(connection);
    let request = http::Request::get(test.path.as_str())
        .header("host", format!("127.0.0.1:{port}"))
        .header("user-agent", "windlass-smoke-test")
        .body(http_body_util::Empty::<bytes::Bytes>::new())
        .map_err(|error| error.to_string())?;
    let answer = sender.send_request(request).await.map_err(|error| error.to_string())?;
    let status = answer.status().as_u16();
    let body = Limited::new(answer.into_body(), LARGEST).collect().await;
    connection.abort();
    if status != test.status {
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
