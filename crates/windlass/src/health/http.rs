//! One `GET`.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use windlass_core::spec::Statuses;

use crate::http_client::beside;
use crate::observe::printable;

use super::Unhealthy;

/// How much of an unhealthy answer's body is shown, in bytes.
const SHOWN: usize = 300;

pub(super) async fn get(
    address: SocketAddr,
    path: &str,
    wanted: Option<Statuses>,
    host: Option<&str>,
) -> Result<(), Unhealthy> {
    let asked = format!("GET {} on {address}", path.escape_debug());
    let failed = |what: &dyn std::fmt::Display| Unhealthy::new(format!("{asked}: {what}"));
    let request = Request::get(path)
        .header(header::HOST, host.map_or_else(|| address.to_string(), ToOwned::to_owned))
        .header(header::USER_AGENT, concat!("windlass/", env!("CARGO_PKG_VERSION")))
        .header(header::CONNECTION, "close")
        .body(Empty::<Bytes>::new())
        .map_err(|error| failed(&error))?;
    let stream = TcpStream::connect(address).await.map_err(|error| failed(&error))?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|error| failed(&error))?;
    let exchange = async {
        let answer = sender.send_request(request).await.map_err(|error| failed(&error))?;
        let status = answer.status();
        if healthy(status, wanted) {
            return Ok(());
        }
        let body = beginning(answer.into_body()).await;
        let wanted = wanted.map_or_else(String::new, |wanted| format!(" instead of {wanted}"));
        Err(failed(&format!("answered {status}{wanted}{body}")))
    };
    beside(connection, exchange).await
}

fn healthy(status: StatusCode, wanted: Option<Statuses>) -> bool {
    wanted.unwrap_or(Statuses::HEALTHY).contain(status.as_u16())
}

async fn beginning(mut body: hyper::body::Incoming) -> String {
    let mut shown = Vec::new();
    while shown.len() < SHOWN {
        let Some(Ok(frame)) = body.frame().await else { break };
        if let Some(data) = frame.data_ref() {
            shown.extend_from_slice(&data[..data.len().min(SHOWN - shown.len())]);
        }
    }
    let text = String::from_utf8_lossy(&shown);
    // It becomes part of a line for people: no quotes escaped, no line breaks, no tricks.
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if text.is_empty() { String::new() } else { format!(": {}", printable(&text)) }
}
