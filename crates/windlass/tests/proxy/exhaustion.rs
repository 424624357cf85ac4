//! Descriptors: they may run out for some requests, and not for good.

use std::process::Command;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::{TokioExecutor, TokioIo};

use crate::support::{Backend, Client, Proxy, get, table, wait_for};

/// A proxy that may open so few files.
fn limited(files: u32) -> Proxy {
    let directory = tempfile::tempdir().unwrap();
    let child = Command::new("bash")
        .args(["-c", &format!("ulimit -n {files}; exec \"$@\""), "sh"])
        .arg(env!("CARGO_BIN_EXE_windlass"))
        .arg("proxy")
        .arg(directory.path())
        .args(["--workers", "1"])
        .spawn()
        .unwrap();
    Proxy::adopt(directory, child)
}

#[tokio::test(flavor = "multi_thread")]
async fn many_requests_over_one_connection_leave_the_proxy_its_descriptors() {
    let backend = Backend::start("one");
    let proxy = limited(130);
    proxy.apply(&table(1, "r1", &[("web.r1.1", backend.address)]));
    let address = proxy.address();
    let stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let ask = || Request::get("http://a/slow/500").body(Empty::<Bytes>::new()).unwrap();
    let many: Vec<_> = (0..150).map(|_| tokio::spawn(sender.send_request(ask()))).collect();
    let mut statuses = [0, 0];
    for answer in many {
        let answer = answer.await.unwrap().unwrap();
        match answer.status().as_u16() {
            200 => statuses[0] += 1,
            503 => statuses[1] += 1,
            other => panic!("{other}"),
        }
        let _ = answer.into_body().collect().await;
    }
    assert!(statuses[0] >= 16 && statuses[1] >= 16, "{statuses:?}");
    let report = proxy.report();
    assert!(report.endpoints["web.r1.1"].healthy, "it is not the endpoint's fault");
    assert_eq!(report.releases["r1"].failed, 0);
    assert_eq!(get(address, "/").text(), "one");
}

#[test]
fn kept_connections_to_endpoints_are_closed_when_those_close_them() {
    let backend = Backend::start("one");
    let proxy = Proxy::with(&table(1, "r1", &[("web.r1.1", backend.address)]));
    let address = proxy.address();
    assert_eq!(get(address, "/").text(), "one");
    let before = proxy.open_files();
    let clients: Vec<_> = (0..20)
        .map(|_| {
            let mut client = Client::connect(address);
            client.send("GET /slow/200 HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
            client
        })
        .collect();
    for mut client in clients {
        assert_eq!(client.receive().unwrap().status, 200);
    }
    assert!(proxy.open_files() >= before + 15, "they are kept");
    backend.stop();
    wait_for("their end", || proxy.open_files() <= before + 1);
}
