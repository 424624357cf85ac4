//! The ways in which new copies take the place of old ones, each under load.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::Signal;
use windlass_testkit::sandbox::{Load, Manifest, Sandbox, get, kill, lives, until};

use super::deployed;
use super::signals::{hold, let_go};

fn loses_nothing(manifest: &Manifest) {
    let sandbox = deployed(manifest);
    let load = Load::begin(sandbox.port);
    for release in ["r2", "r3"] {
        sandbox.change();
        sandbox.succeed(&["deploy"]);
        assert_eq!(sandbox.answering(), release);
    }
    load.end().assert_none_failed();
    sandbox.down();
}

/// As the copies themselves tell it, in one file: what stands between two lines of it nobody missed.
#[test]
fn a_few_at_a_time_and_never_more_or_fewer_than_allowed() {
    const COPIES: i32 = 4;
    let rolling = |surge: i32, unavailable: i32| Manifest {
        replicas: COPIES.unsigned_abs(),
        web: format!("strategy = {{ rolling = {{ max_surge = {surge}, max_unavailable = {unavailable} }} }}"),
        ..Manifest::small()
    };
    let sandbox = Sandbox::with(super::WINDLASS, &rolling(0, 1));
    sandbox.behave("web.tells");
    sandbox.succeed(&["deploy"]);
    let load = Load::begin(sandbox.port);
    for (surge, unavailable, release) in [(0, 1, "r2"), (2, 1, "r3"), (1, 0, "r4")] {
        let told_before = sandbox.shared("lives").lines().count();
        sandbox.manifest(&rolling(surge, unavailable));
        sandbox.change();
        sandbox.succeed(&["deploy"]);
        assert_eq!(sandbox.answering(), release);
        let (mut runs, mut ready) = (COPIES, COPIES);
        let (mut most, mut fewest) = (runs, ready);
        let lives = sandbox.shared("lives");
        for line in lives.lines().skip(told_before) {
            match line {
                "begins" => runs += 1,
                "ready" => ready += 1,
                _ => (runs, ready) = (runs - 1, ready - 1),
            }
            (most, fewest) = (most.max(runs), fewest.min(ready));
        }
        assert_eq!((runs, ready), (COPIES, COPIES), "{lives}");
        assert_eq!((most, fewest), (COPIES + surge, COPIES - unavailable), "{release}: {lives}");
    }
    load.end().assert_none_failed();
    sandbox.down();
}

#[test]
fn the_old_one_first_while_requests_wait() {
    loses_nothing(&Manifest { web: "strategy = \"recreate\"".into(), ..Manifest::small() });
}

#[test]
fn a_port_that_is_given() {
    let port = Sandbox::with(super::WINDLASS, &Manifest::small()).port;
    loses_nothing(&Manifest { web: format!("port = {port}\nstrategy = \"recreate\""), ..Manifest::small() });
}

/// As a cluster's workers do whose master is killed, and a server that a shell has started.
#[test]
fn a_port_that_is_given_and_what_its_server_left_behind_still_has() {
    let port = Sandbox::with(super::WINDLASS, &Manifest::small()).port;
    let sandbox = Sandbox::new(super::WINDLASS);
    let manifest = Manifest { web: format!("port = {port}\nstrategy = \"recreate\""), ..Manifest::small() };
    let argv = format!("[{:?}, \"web\"]", sandbox.fixture());
    let shell = format!("{{ shell = \"{} web; true\" }}", sandbox.fixture().display());
    let text = manifest.text(&sandbox.fixture().display().to_string(), sandbox.port);
    sandbox.write("windlass.toml", &text.replace(&argv, &shell));
    sandbox.succeed(&["deploy"]);
    let orphan = || {
        let [server] = sandbox.running("web").try_into().unwrap();
        let shell = server.parent;
        let keeper = sandbox.processes().into_iter().find(|process| process.pid == shell).unwrap().parent;
        for pid in [keeper, shell] {
            kill(pid, Signal::KILL);
        }
        assert!(lives(server.pid));
        server.pid
    };
    let left = orphan();
    until("another server", || sandbox.running("web").iter().any(|server| server.pid != left).then_some(()));
    until("it to answer", || get(sandbox.port, "/version").ok().filter(|answer| answer.status == 200));
    assert!(!lives(left));
    let left = orphan();
    sandbox.change();
    sandbox.succeed(&["deploy"]);
    assert_eq!(sandbox.answering(), "r2");
    assert!(!lives(left));
    sandbox.down();
}

/// The proxy itself is in the way of its next address.
#[test]
fn an_address_that_overlaps_the_one_before() {
    let sandbox = deployed(&Manifest::small());
    let load = Load::begin(sandbox.port);
    let text = std::fs::read_to_string(sandbox.source().join("windlass.toml")).unwrap();
    let beside = ("127.0.0.2", sandbox.port);
    for (address, is_open) in [("0.0.0.0", true), ("127.0.0.1", false)] {
        let listen = |address: &str| format!("http = \"{address}:{}\"", sandbox.port);
        sandbox.write("windlass.toml", &text.replace(&listen("127.0.0.1"), &listen(address)));
        sandbox.succeed(&["deploy"]);
        until(&format!("127.0.0.2 with {address}"), || {
            (TcpStream::connect(beside).is_ok() == is_open).then_some(())
        });
    }
    load.end().assert_none_failed();
    sandbox.down();
}

// proves: HS-17
#[test]
fn a_singleton_never_overlaps() {
    let manifest =
        Manifest { worker: None, migrate: None, deploy: "bake = \"0s\"".into(), ..Manifest::default() };
    let sandbox = deployed(&manifest);
    for _ in 0..10 {
        sandbox.change();
        sandbox.succeed(&["deploy"]);
    }
    let ticks = sandbox.shared("ticks");
    assert!(!ticks.contains("overlap"));
    let mut lives: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    for tick in ticks.lines() {
        let words: Vec<&str> = tick.split(' ').collect();
        let at = words[2].parse().unwrap();
        lives.entry(words[..2].join(" ")).or_insert((at, at)).1 = at;
    }
    assert_eq!(lives.len(), 11, "{lives:?}");
    let mut spans: Vec<_> = lives.values().collect();
    spans.sort();
    assert!(spans.windows(2).all(|pair| pair[0].1 < pair[1].0), "{lives:?}");
    sandbox.down();
}

// proves: HS-11
#[test]
fn a_slow_request_is_finished_by_the_old_release() {
    let sandbox = deployed(&Manifest { deploy: "drain = \"10m\"".into(), ..Manifest::small() });
    let [old] = sandbox.running("web").try_into().unwrap();
    let slow = hold(&sandbox);
    sandbox.change();
    let mut deploy = sandbox.command(&["deploy"]);
    let mut deploy = deploy.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(deploy.stderr.take().unwrap()).lines().map(Result::unwrap);
    lines.find(|line| line.contains("] retire")).unwrap();
    // Whoever did not wait for the request would have ended the old copy by the time that all this is answered.
    for _ in 0..10 {
        assert_eq!(sandbox.answering(), "r2");
        assert!(!sandbox.status()["run"].is_null(), "the deploy does not wait for the request");
        assert!(lives(old.pid), "the old copy was not left to finish");
    }
    assert!(deploy.try_wait().unwrap().is_none());
    let_go(&sandbox);
    let reply = slow.join().unwrap().unwrap();
    assert_eq!((reply.status, reply.body.as_str()), (200, "r1"));
    let rest: Vec<String> = lines.collect();
    assert!(deploy.wait().unwrap().success(), "{rest:#?}");
    assert!(!lives(old.pid));
    assert_eq!(sandbox.answering(), "r2");
    sandbox.down();
}

#[test]
fn a_websocket_is_told_to_go_and_a_new_one_reaches_the_new_release() {
    let manifest = Manifest { deploy: "drain = \"1s\"".into(), ..Manifest::small() };
    let sandbox = deployed(&manifest);
    let mut open = websocket(sandbox.port);
    sandbox.change();
    sandbox.succeed(&["deploy"]);
    let mut rest = Vec::new();
    open.read_to_end(&mut rest).unwrap();
    assert_eq!(rest, [0x88, 0x02, 0x03, 0xE9], "a close frame with 1001, going away");
    websocket(sandbox.port);
    assert_eq!(sandbox.answering(), "r2");
    sandbox.down();
}

#[test]
fn a_download_that_outlasts_the_drain_is_lost_and_every_account_says_so() {
    let manifest = Manifest { deploy: "drain = \"1s\"".into(), ..Manifest::small() };
    let sandbox = deployed(&manifest);
    let mut download = TcpStream::connect(("127.0.0.1", sandbox.port)).unwrap();
    download.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    download.write_all(b"GET /large HTTP/1.1\r\nHost: fixture.test\r\n\r\n").unwrap();
    let mut head = [0; 12];
    download.read_exact(&mut head).unwrap();
    assert_eq!(&head, b"HTTP/1.1 200");
    sandbox.change();
    let output = sandbox.succeed(&["deploy"]);
    let told = |what: &str| assert!(output.all().contains(what), "{what:?} is not in {output:#?}");
    told("web.r1.1: 1 connection was closed at the deadline");
    told("1 of 1 requests lost (cut at the end of the drain)");
    let runs = sandbox.succeed(&["runs", "--json"]).json();
    let requests = &runs[0]["requests"];
    assert_eq!((&requests["failed"], &requests["cut_at_drain"]), (&1.into(), &1.into()), "{runs}");
    until("its line in the access log", || {
        let log = sandbox.succeed(&["logs", "access"]).stdout;
        log.lines().any(|line| line.contains("/large") && line.contains("\"cut\":\"drain\"")).then_some(())
    });
    sandbox.down();
}

fn websocket(port: u16) -> TcpStream {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream
        .write_all(
            b"GET /socket HTTP/1.1\r\nHost: fixture.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
              Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        )
        .unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    assert!(head.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&head));
    // A masked text frame with "hi" under the key 0; it comes back as it is.
    let frame = [0x81, 0x82, 0, 0, 0, 0, b'h', b'i'];
    stream.write_all(&frame).unwrap();
    let mut back = [0; 8];
    stream.read_exact(&mut back).unwrap();
    assert_eq!(back, frame);
    stream
}
