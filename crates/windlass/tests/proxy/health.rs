//! Endpoints that are well, and those that are not.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use windlass_core::edge::{Answer, Ask, EndpointCheck};
use windlass_core::units::Span;

use crate::support::{Backend, Client, Proxy, bind, endpoint, get, table, wait_for};

fn check(path: &str) -> EndpointCheck {
    EndpointCheck {
        path: Some(path.to_owned()),
        host: None,
        status: Some(200.into()),
        interval: Span::from_millis(20),
        timeout: Span::from_secs(20),
        healthy_after: 2,
        unhealthy_after: 2,
    }
}

#[test]
fn a_check_goes_on_after_the_switch_and_its_verdict_changes_where_requests_go() {
    let (well, ill) = (Backend::start("well"), Backend::start("ill"));
    let mut table = table(1, "r1", &[("web.r1.1", well.address), ("web.r1.2", ill.address)]);
    table.pools["web"].check = Some(check("/status/200"));
    let proxy = Proxy::with(&table);
    let before = well.count();
    wait_for("a few checks", || well.count() > before + 3);
    assert!(proxy.report().endpoints["web.r1.2"].healthy);
    // The same endpoints, with a check that one of them does not pass.
    let address = ill.address;
    ill.stop();
    let ill = unhealthy_server(address);
    wait_for("the verdict", || !proxy.report().endpoints["web.r1.2"].healthy);
    let reason = proxy.report().endpoints["web.r1.2"].reason.clone().unwrap();
    assert!(reason.contains("503") || reason.contains("connection"), "{reason}");
    for _ in 0..20 {
        assert_eq!(get(proxy.address(), "/").text(), "well");
    }
    drop(ill);
}

/// Answers everything with 503, until it is dropped.
fn unhealthy_server(address: std::net::SocketAddr) -> tokio::runtime::Runtime {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let listener = bind(address);
    listener.set_nonblocking(true).unwrap();
    runtime.spawn(async move {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.read(&mut [0; 1024]).await;
            let _ = stream
                .write_all(b"HTTP/1.1 503 Unwell\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                .await;
        }
    });
    runtime
}

/// Answers what asks for its health, as long as `is_well` says so, and nothing else. Answers how often it was asked for it.
fn hanging_server(is_well: bool) -> (std::net::SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, checks) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
    let counted = checks.clone();
    std::thread::spawn(move || {
        let mut open = Vec::new();
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut line = String::new();
            let _gone = BufReader::new(&stream).read_line(&mut line);
            if line.contains("/alive") {
                counted.fetch_add(1, Ordering::SeqCst);
                if is_well {
                    let _gone = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
                }
            }
            open.push(stream);
        }
    });
    (address, checks)
}

/// Asks until one request gets no answer in a time that a person would wait. Each thread of the proxy takes turns by itself.
fn until_one_is_given_up(proxy: &Proxy) {
    for _ in 0..100 {
        let mut stream = std::net::TcpStream::connect(proxy.address()).unwrap();
        stream.set_read_timeout(Some(Duration::from_millis(1200))).unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nHost: shop.example\r\n\r\n").unwrap();
        if stream.read(&mut [0; 1024]).is_err() {
            return;
        }
    }
    panic!("nobody hangs");
}

#[test]
fn one_that_leaves_a_request_without_an_answer_is_asked_how_it_is_and_left_alone_where_it_hangs() {
    for is_well in [false, true] {
        let well = Backend::start("well");
        let (hanging, checks) = hanging_server(is_well);
        let mut table = table(1, "r1", &[("web.r1.1", well.address), ("web.r1.2", hanging)]);
        // By itself it would come too late.
        table.pools["web"].check = Some(EndpointCheck {
            interval: Span::from_secs(600),
            timeout: Span::from_millis(200),
            unhealthy_after: 1000,
            ..check("/alive")
        });
        let proxy = Proxy::with(&table);
        until_one_is_given_up(&proxy);
        wait_for("the check", || checks.load(Ordering::SeqCst) > 0);
        if is_well {
            assert!(proxy.report().endpoints["web.r1.2"].healthy);
            continue;
        }
        wait_for("the verdict", || !proxy.report().endpoints["web.r1.2"].healthy);
        for _ in 0..20 {
            assert_eq!(get(proxy.address(), "/").text(), "well");
        }
    }
}

#[test]
fn an_endpoint_that_closes_after_each_answer_without_saying_so_costs_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let stream = stream.unwrap();
            std::thread::spawn(move || {
                let mut reader = BufReader::new(stream);
                let mut line = String::new();
                while line != "\r\n" {
                    line.clear();
                    if reader.read_line(&mut line).unwrap_or(0) == 0 {
                        return;
                    }
                }
                let _ = reader.get_mut().write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
            });
        }
    });
    let proxy = Proxy::with(&table(1, "r1", &[("web.r1.1", address)]));
    let mut client = Client::connect(proxy.address());
    for _ in 0..200 {
        assert_eq!(client.get("/").unwrap().status, 200);
    }
    assert_eq!(proxy.report().releases["r1"].failed, 0);
}

#[test]
fn an_endpoint_that_hangs_up_before_its_answer_is_a_502() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            drop(BufReader::new(stream.unwrap()).read_line(&mut String::new()));
        }
    });
    let proxy = Proxy::with(&table(1, "r1", &[("web.r1.1", address)]));
    assert_eq!(get(proxy.address(), "/").status, 502);
    assert_eq!(proxy.report().releases["r1"].failed, 1);
}

fn unready(proxy: &Proxy, instances: &[&str]) {
    let instances = instances.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(proxy.ask(&Ask::Unready { instances, ended: BTreeSet::new() }), Answer::Noted);
}

#[test]
fn whom_the_host_side_calls_unready_gets_no_requests_whatever_the_table() {
    let (one, two) = (Backend::start("one"), Backend::start("two"));
    let only = |proxy: &Proxy, name: &str| {
        for _ in 0..20 {
            assert_eq!(get(proxy.address(), "/").text(), name);
        }
    };
    let mut table = table(1, "r1", &[("web.r1.1", one.address), ("web.r1.2", two.address)]);
    // A check of its own, which passes, does not outvote it.
    table.pools["web"].check = Some(check("/status/200"));
    let proxy = Proxy::with(&table);
    unready(&proxy, &["web.r1.2", "web.r2.2"]);
    only(&proxy, "one");
    let report = proxy.report();
    assert_eq!(report.unready.len(), 2);
    assert_eq!(report.endpoints["web.r1.2"].reason.as_deref(), Some("its readiness check fails"));
    wait_for("a few checks", || two.count() > 5);
    only(&proxy, "one");
    // Told before it comes.
    table.generation = 2;
    table.pools["web"].endpoints = vec![endpoint("web.r2.1", two.address), endpoint("web.r2.2", one.address)];
    proxy.apply(&table);
    only(&proxy, "two");
    // While nobody is ready requests wait; the one who is first is asked.
    unready(&proxy, &["web.r2.1", "web.r2.2"]);
    let address = proxy.address();
    let held = std::thread::spawn(move || get(address, "/").text());
    wait_for("it to wait", || proxy.report().held == 1);
    unready(&proxy, &["web.r2.1"]);
    assert_eq!(held.join().unwrap(), "one");
}

#[test]
fn requests_are_refused_at_once_where_nobody_is_going_to_be_ready() {
    let (one, two) = (Backend::start("one"), Backend::start("two"));
    let table = table(1, "r1", &[("web.r1.1", one.address), ("web.r1.2", two.address)]);
    let proxy = Proxy::with(&table);
    let tell = |unready: &[&str], ended: &[&str]| {
        let all = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
        let ask = Ask::Unready { instances: all(unready), ended: all(ended) };
        assert_eq!(proxy.ask(&ask), Answer::Noted);
    };
    let both = ["web.r1.1", "web.r1.2"];
    tell(&both, &["web.r1.2"]);
    let address = proxy.address();
    let held = std::thread::spawn(move || get(address, "/"));
    wait_for("it to wait for the one that has not ended", || proxy.report().held == 1);
    tell(&both, &both);
    for refused in [held.join().unwrap(), get(address, "/")] {
        assert_eq!((refused.status, refused.header("retry-after")), (503, Some("10")), "{}", refused.text());
        assert!(refused.text().contains("no instance runs"), "{}", refused.text());
    }
    // One of them is asked as soon as it is ready, whatever was said of the other.
    tell(&["web.r1.2"], &["web.r1.2"]);
    assert_eq!(get(address, "/").text(), "one");
}

#[test]
fn a_proxy_that_is_started_again_knows_whom_the_host_side_called_unready() {
    let (one, two) = (Backend::start("one"), Backend::start("two"));
    let proxy = Proxy::with(&table(1, "r1", &[("web.r1.1", one.address), ("web.r1.2", two.address)]));
    let directory = proxy.kill();
    std::fs::write(directory.path().join("unready.json"), "[\"web.r1.1\"]").unwrap();
    let proxy = Proxy::start_in(directory, &[]);
    for _ in 0..20 {
        assert_eq!(get(proxy.address(), "/").text(), "two");
    }
    // What a power cut left says nothing.
    let directory = proxy.kill();
    std::fs::write(directory.path().join("unready.json"), "").unwrap();
    let proxy = Proxy::start_in(directory, &[]);
    assert!(proxy.report().endpoints["web.r1.1"].healthy);
}
