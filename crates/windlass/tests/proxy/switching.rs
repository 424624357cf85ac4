//! From one table to the next: nothing is lost, and what left is left alone.

use std::io::BufRead;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use windlass_core::edge::{Answer, Ask};
use windlass_core::units::Span;
use windlass_testkit::ports::free_port;

use crate::support::{Backend, Client, Proxy, endpoint, get, read, table, wait_for};

// proves: CM-10, APE-15
#[test]
fn no_request_after_the_answer_reaches_what_left() {
    let (old, new) = (Backend::start("old"), Backend::start("new"));
    let proxy = Proxy::with(&table(1, "r1", &[("web.r1.1", old.address)]));
    let address = proxy.address();
    let stop = Arc::new(AtomicBool::new(false));
    let switches = Arc::new(AtomicU64::new(0));
    let clients: Vec<_> = (0..8)
        .map(|number| {
            let (stop, switches) = (Arc::clone(&stop), Arc::clone(&switches));
            std::thread::spawn(move || {
                let mut client = Client::connect(address);
                let mut count = 0_u64;
                while !stop.load(Ordering::SeqCst) {
                    if number % 2 == 1 && count.is_multiple_of(5) {
                        client = Client::connect(address);
                    }
                    // Odd numbers of switches: the new one answers. What was answered before the
                    // request began must not be undone.
                    let before = switches.load(Ordering::SeqCst);
                    let got = client.get("/").unwrap();
                    let after = switches.load(Ordering::SeqCst);
                    assert_eq!(got.status, 200);
                    if before == after && before.is_multiple_of(2) {
                        let expected = if before.is_multiple_of(4) { "old" } else { "new" };
                        assert_eq!(got.text(), expected);
                    }
                    count += 1;
                }
                count
            })
        })
        .collect();
    let mut held = Vec::new();
    for generation in 2..42 {
        std::thread::sleep(Duration::from_millis(10));
        let (name, backend) = if generation % 2 == 0 { ("web.r2.1", &new) } else { ("web.r1.1", &old) };
        // Odd while a switch is under way.
        switches.fetch_add(1, Ordering::SeqCst);
        held.push(proxy.apply(&table(generation, "r", &[(name, backend.address)])));
        switches.fetch_add(1, Ordering::SeqCst);
    }
    stop.store(true, Ordering::SeqCst);
    let total: u64 = clients.into_iter().map(|client| client.join().unwrap()).sum();
    let report = proxy.report();
    assert!(total > 0);
    // One that a busy machine interrupts takes as long as that, but not every second one.
    held.sort_unstable();
    assert!(held[held.len() / 2] < 1_000_000, "the switches held the lock for {held:?} ns");
    assert_eq!(report.releases["r"].served + report.releases["r1"].served, total);
    assert_eq!(report.releases["r"].failed, 0);
}

// proves: HS-11
#[test]
fn a_request_in_flight_is_finished_by_the_one_that_began_it() {
    let (old, new) = (Backend::start("old"), Backend::start("new"));
    let proxy = Proxy::with(&table(1, "r1", &[("web.r1.1", old.address)]));
    let address = proxy.address();
    let slow = std::thread::spawn(move || get(address, "/slow/400"));
    wait_for("the request in flight", || proxy.left_on("web.r1.1") == 1);
    proxy.apply(&table(2, "r2", &[("web.r2.1", new.address)]));
    assert_eq!(proxy.left_on("web.r1.1"), 1);
    assert_eq!(get(address, "/").text(), "new");
    assert_eq!(slow.join().unwrap().text(), "old");
    wait_for("the drain", || proxy.left_on("web.r1.1") == 0);
    assert_eq!(proxy.report().releases["r1"].drained, 1);
}

// proves: HS-11
#[test]
fn after_the_drain_time_what_remains_is_closed() {
    let (old, new) = (Backend::start("old"), Backend::start("new"));
    let mut first = table(1, "r1", &[("web.r1.1", old.address)]);
    first.drain = Span::from_millis(200);
    let proxy = Proxy::with(&first);
    let address = proxy.address();
    let slow = std::thread::spawn(move || get(address, "/slow/1000"));
    let unrepeatable = std::thread::spawn(move || {
        let mut client = Client::connect(address);
        client.send("POST /slow/9000 HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi").unwrap();
        client.receive().unwrap()
    });
    let mut events = Client::connect(address);
    events.send("GET /events HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    assert!(events.receive_head().unwrap().contains("200"));
    wait_for("the requests in flight", || proxy.left_on("web.r1.1") == 3);
    assert_eq!(proxy.streams_on("web.r1.1"), 1);
    let mut second = table(2, "r2", &[("web.r2.1", new.address)]);
    second.drain = Span::from_millis(200);
    proxy.apply(&second);
    assert_eq!(unrepeatable.join().unwrap().status, 503);
    // What may be repeated is asked of the one that came instead.
    let answered = slow.join().unwrap();
    assert_eq!((answered.status, answered.text()), (200, "new".to_owned()));
    // The event stream has a clean end: the last, empty chunk.
    let mut line = String::new();
    while line != "0\r\n" {
        line.clear();
        assert!(events.stream().read_line(&mut line).unwrap() > 0, "the stream broke");
    }
    wait_for("the drain", || proxy.left_on("web.r1.1") == 0);
}

/// All clients come back at once, so they must not all be sent away at once. How long each stream lasted is told by
/// its events, which come at the same pace for all; when a client reads them does not matter.
#[test]
fn event_streams_end_politely_one_after_another() {
    const STREAMS: usize = 5;
    let (old, new) = (Backend::start("old"), Backend::start("new"));
    let proxy = Proxy::with(&table(1, "r1", &[("web.r1.1", old.address)]));
    let address = proxy.address();
    let streams: Vec<Client> = (0..STREAMS)
        .map(|_| {
            let mut client = Client::connect(address);
            client.send("GET /events HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
            assert!(client.receive_head().unwrap().contains("200"));
            client
        })
        .collect();
    let mut second = table(2, "r2", &[("web.r2.1", new.address)]);
    second.drain = Span::from_secs(2);
    proxy.apply(&second);
    assert_eq!(proxy.left_on("web.r1.1"), STREAMS as u64, "none ends at once");
    let reading: Vec<_> = streams
        .into_iter()
        .map(|mut stream| {
            std::thread::spawn(move || {
                let mut events = 0_u32;
                let mut line = String::new();
                // The last, empty chunk is the end that was meant.
                while line != "0\r\n" {
                    line.clear();
                    assert!(stream.stream().read_line(&mut line).unwrap() > 0, "the stream broke");
                    events += u32::from(line.starts_with("data:"));
                }
                events
            })
        })
        .collect();
    let mut lasted: Vec<_> = reading.into_iter().map(|thread| thread.join().unwrap()).collect();
    wait_for("the drain", || proxy.left_on("web.r1.1") == 0);
    // The turns are five events apart, whichever threads of the proxy have the connections.
    lasted.sort_unstable();
    assert!(lasted.windows(2).all(|two| two[1] - two[0] >= 2), "all at once: {lasted:?} events");
    let counted = &proxy.report().releases["r1"];
    assert_eq!((counted.failed, counted.cut), (0, 0), "{counted:?}");
}

#[test]
fn requests_wait_while_nothing_is_ready() {
    let backend = Backend::start("late");
    let mut empty = table(1, "r1", &[]);
    empty.routes[0].hold = 2;
    let proxy = Proxy::with(&empty);
    let address = proxy.address();
    let waiting: Vec<_> = (0..2).map(|_| std::thread::spawn(move || get(address, "/"))).collect();
    wait_for("the held requests", || proxy.report().held == 2);
    let refused = get(address, "/");
    assert_eq!(refused.status, 503);
    assert!(refused.header("retry-after").is_some());
    proxy.apply(&table(2, "r1", &[("web.r1.1", backend.address)]));
    for request in waiting {
        assert_eq!(request.join().unwrap().text(), "late");
    }
    assert_eq!(proxy.report().held, 0);
}

/// Whoever has found an endpoint makes room for others, long before the answer is there.
#[test]
fn a_request_that_has_found_an_endpoint_is_not_held_any_more() {
    let backend = Backend::start("late");
    let mut empty = table(1, "r1", &[]);
    empty.routes[0].hold = 1;
    let proxy = Proxy::with(&empty);
    let address = proxy.address();
    let slow = std::thread::spawn(move || get(address, "/slow/1500"));
    wait_for("the held request", || proxy.report().held == 1);
    proxy.apply(&table(2, "r1", &[("web.r1.1", backend.address)]));
    wait_for("its place", || proxy.left_on("web.r1.1") == 1);
    assert_eq!(proxy.report().held, 0);
    assert_eq!(slow.join().unwrap().text(), "late");
}

#[test]
fn held_requests_are_refused_when_the_service_is_stopped() {
    let mut empty = table(1, "r1", &[]);
    empty.routes[0].hold_timeout = Span::from_secs(600);
    let proxy = Proxy::with(&empty);
    let address = proxy.address();
    let waiting = std::thread::spawn(move || get(address, "/"));
    wait_for("the held request", || proxy.report().held == 1);
    (empty.generation, empty.pools["web"].stopped) = (2, true);
    proxy.apply(&empty);
    assert_eq!(waiting.join().unwrap().status, 503);
    assert_eq!(proxy.report().releases["r1"].failed, 0);
}

#[test]
fn what_a_client_breaks_off_was_not_drained() {
    let (old, new) = (Backend::start("old"), Backend::start("new"));
    let proxy = Proxy::with(&table(1, "r1", &[("web.r1.1", old.address)]));
    let address = proxy.address();
    let mut gone = Client::connect(address);
    gone.send("GET /slow/600000 HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    let stays = std::thread::spawn(move || get(address, "/slow/300"));
    wait_for("both requests", || proxy.left_on("web.r1.1") == 2);
    proxy.apply(&table(2, "r2", &[("web.r2.1", new.address)]));
    drop(gone);
    assert_eq!(stays.join().unwrap().text(), "old");
    wait_for("the drain", || proxy.left_on("web.r1.1") == 0);
    assert_eq!(proxy.report().releases["r1"].drained, 1);
}

#[test]
fn a_wait_ends() {
    let mut empty = table(1, "r1", &[]);
    empty.routes[0].hold_timeout = Span::from_millis(50);
    let proxy = Proxy::with(&empty);
    assert_eq!(get(proxy.address(), "/").status, 503);
}

#[test]
fn an_endpoint_that_dies_costs_nothing_while_another_lives() {
    let (one, two) = (Backend::start("one"), Backend::start("two"));
    let proxy = Proxy::with(&table(1, "r1", &[("web.r1.1", one.address), ("web.r1.2", two.address)]));
    let mut client = Client::connect(proxy.address());
    for count in 0..200 {
        if count == 100 {
            // Its kept connections break, new ones are refused.
            proxy.report();
        }
        assert_eq!(client.get("/").unwrap().status, 200);
    }
    assert!(one.count() > 50 && two.count() > 50, "both get their share");
    let dead = one.address;
    one.stop();
    for _ in 0..200 {
        assert_eq!(client.get("/").unwrap().text(), "two");
    }
    assert!(!proxy.report().endpoints["web.r1.1"].healthy);
    let _again = Backend::start_at(dead, "one");
    wait_for("its return", || proxy.report().endpoints["web.r1.1"].healthy);
}

#[test]
fn an_endpoint_that_restarts_costs_nothing_even_alone() {
    let backend = Backend::start("before");
    let address = backend.address;
    let proxy = Proxy::with(&table(1, "r1", &[("web.r1.1", address)]));
    let at = proxy.address();
    assert_eq!(get(at, "/").text(), "before");
    backend.stop();
    let waiting = std::thread::spawn(move || get(at, "/"));
    wait_for("the held request", || proxy.report().held == 1);
    let _again = Backend::start_at(address, "after");
    assert_eq!(waiting.join().unwrap().text(), "after");
}

#[test]
fn while_the_new_release_bakes_the_old_one_saves_what_can_be_asked_twice() {
    let (old, new) = (Backend::start("old"), Backend::start("new"));
    let mut baking = table(1, "r2", &[("web.r2.1", new.address)]);
    baking.pools["web"].fallback = vec![endpoint("web.r1.1", old.address)];
    let proxy = Proxy::with(&baking);
    let address = proxy.address();
    assert_eq!(get(address, "/").text(), "new");
    let got = get(address, "/status/500");
    assert_eq!((got.status, old.count()), (500, 1), "the old one was asked, and agreed");
    let mut client = Client::connect(address);
    client.send("POST /status/500 HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx").unwrap();
    assert_eq!((client.receive().unwrap().status, old.count()), (500, 1), "a POST is not asked twice");
    let seen = proxy.report().releases["r2"].clone();
    assert_eq!((seen.server_errors, seen.server_errors_rescued), (2, 0), "nobody was better off");
    new.stop();
    assert_eq!(get(address, "/").text(), "old");
    let seen = proxy.report().releases["r2"].clone();
    assert_eq!((seen.failed, seen.failed_rescued), (1, 1));
}

#[test]
fn an_older_or_wrong_table_is_refused_and_changes_nothing() {
    let backend = Backend::start("one");
    let proxy = Proxy::with(&table(5, "r1", &[("web.r1.1", backend.address)]));
    let mut wrong = Vec::new();
    wrong.push(table(4, "r0", &[]));
    wrong.push(table(5, "r0", &[]));
    let mut no_pool = table(6, "r2", &[]);
    no_pool.pools.clear();
    wrong.push(no_pool);
    let mut taken = table(6, "r2", &[]);
    taken.listen.http = vec![backend.address.to_string()];
    wrong.push(taken);
    let mut twice = table(6, "r2", &[]);
    twice.listen.https = twice.listen.http.clone();
    wrong.push(twice);
    for table in wrong {
        let answer = proxy.ask(&Ask::Apply(Box::new(table)));
        assert!(matches!(answer, Answer::Refused { .. }), "{answer:?}");
    }
    assert_eq!(get(proxy.address(), "/").text(), "one");
    proxy.apply(&table(5, "r1", &[("web.r1.1", backend.address)]));
}

#[test]
fn a_prepared_table_waits_on_the_disk_for_its_switch() {
    let (old, new) = (Backend::start("old"), Backend::start("new"));
    let proxy = Proxy::with(&table(1, "r1", &[("web.r1.1", old.address)]));
    let next = table(2, "r2", &[("web.r2.1", new.address)]);
    let answer = proxy.ask(&Ask::Prepare(Box::new(next.clone())));
    assert_eq!(answer, Answer::Prepared { generation: 2 });
    assert_eq!((proxy.report().generation, get(proxy.address(), "/").text()), (1, "old".to_owned()));
    let mut wrong = next.clone();
    wrong.pools.clear();
    let answer = proxy.ask(&Ask::Prepare(Box::new(wrong)));
    assert!(matches!(answer, Answer::Refused { .. }), "{answer:?}");
    proxy.apply(&next);
    assert_eq!((proxy.report().generation, get(proxy.address(), "/").text()), (2, "new".to_owned()));
}

#[test]
fn a_client_that_takes_nothing_does_not_hold_up_the_drain() {
    let (old, new) = (Backend::start("old"), Backend::start("new"));
    let mut first = table(1, "r1", &[("web.r1.1", old.address)]);
    first.drain = Span::from_secs(600);
    let proxy = Proxy::with(&first);
    let mut deaf = Client::connect(proxy.address());
    // 90 MB, more than all buffers between the two hold.
    deaf.send("GET /text/10000000 HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    wait_for("the request in flight", || proxy.left_on("web.r1.1") == 1);
    // As long as the answer still goes into the buffers on the way, it can be cut like any other.
    let mut waits = 0;
    wait_for("full buffers", || {
        std::thread::sleep(Duration::from_millis(100));
        let now = rustix::io::ioctl_fionread(deaf.stream().get_ref()).unwrap();
        now > 0 && std::mem::replace(&mut waits, now) == now
    });
    let mut second = table(2, "r2", &[("web.r2.1", new.address)]);
    second.drain = Span::from_millis(100);
    proxy.apply(&second);
    wait_for("the drain", || proxy.left_on("web.r1.1") == 0);
}

#[test]
fn the_admin_socket_refuses_what_it_does_not_understand() {
    use std::io::Write;
    let proxy = Proxy::start();
    let mut stream = std::os::unix::net::UnixStream::connect(proxy.directory.path().join("sock")).unwrap();
    stream.write_all(b"{\"apply\": 1}\nnonsense\n\"report\"\n").unwrap();
    let mut lines = std::io::BufReader::new(stream).lines();
    for expected in ["refused", "refused", "report"] {
        let line = lines.next().unwrap().unwrap();
        assert!(line.starts_with(&format!("{{\"{expected}\"")), "{line}");
    }
    let mode = std::os::unix::fs::PermissionsExt::mode(
        &std::fs::metadata(proxy.directory.path().join("sock")).unwrap().permissions(),
    );
    assert_eq!(mode & 0o777, 0o600);
}

/// Each is in the way of the next.
#[test]
fn an_address_takes_over_from_one_that_it_overlaps_and_nothing_is_lost() {
    let backend = Backend::start("web");
    let on = |generation, address: &str| {
        let mut table = table(generation, "r1", &[("web.r1.1", backend.address)]);
        table.listen.http = vec![address.to_owned()];
        table
    };
    let port = free_port();
    let narrow = format!("127.0.0.1:{port}");
    let proxy = Proxy::with(&on(1, &narrow));
    let stop = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..4)
        .map(|_| {
            let (stop, address) = (Arc::clone(&stop), proxy.address());
            std::thread::spawn(move || {
                let mut count = 0_u64;
                while !stop.load(Ordering::SeqCst) {
                    assert_eq!(Client::connect(address).get("/").unwrap().status, 200);
                    count += 1;
                }
                count
            })
        })
        .collect();
    let all = format!("0.0.0.0:{port}");
    let has_ipv6 = std::net::TcpListener::bind("[::1]:0").is_ok();
    let both = if has_ipv6 { format!("[::]:{port}") } else { all.clone() };
    let forms = [&all, &both, &all, &narrow, &both, &narrow, &all];
    let generations = 2..;
    for (generation, address) in generations.zip(forms.into_iter().cycle().take(3 * forms.len())) {
        assert_eq!(proxy.ask(&Ask::Probe { address: address.clone() }), Answer::Free, "{address}");
        proxy.apply(&on(generation, address));
        assert_eq!(proxy.report().listening, [address.as_str()]);
        std::thread::sleep(Duration::from_millis(30));
    }
    stop.store(true, Ordering::SeqCst);
    let total: u64 = clients.into_iter().map(|client| client.join().unwrap()).sum();
    let counts = &proxy.report().releases["r1"];
    assert!(total > 0 && counts.served == total && counts.failed == 0, "{total}: {counts:?}");

    // What the table no longer names, and no address of it covers, is closed a little later.
    proxy.apply(&on(100, &narrow));
    let other = format!("127.0.0.2:{port}");
    wait_for("the other addresses to close", || std::net::TcpStream::connect(&other).is_err());
    assert_eq!(get(proxy.address(), "/").status, 200);
    // Somebody else's stays in the way.
    let taken = std::net::TcpListener::bind(&other).unwrap();
    let refused =
        |answer: Answer| matches!(&answer, Answer::Refused { reason } if reason.contains("cannot listen on"));
    assert!(refused(proxy.ask(&Ask::Probe { address: all.clone() })));
    assert!(refused(proxy.ask(&Ask::Apply(Box::new(on(101, &all))))));
    assert_eq!(get(proxy.address(), "/").status, 200);
    drop(taken);
    proxy.apply(&on(101, &all));
}

/// The proxy's cut, a client that takes nothing, and a copy that dies: each begins well, and is lost all the same.
#[test]
fn an_answer_that_is_cut_is_counted_and_logged_as_cut() {
    let (old, new) = (Backend::start("old"), Backend::start("new"));
    let logs = tempfile::tempdir().unwrap();
    let path = logs.path().join("access.log");
    let proxy = Proxy::start_in(tempfile::tempdir().unwrap(), &["--access-log", path.to_str().unwrap()]);
    let with = |generation, release: &str, name: &str, backend: &Backend| {
        let mut table = table(generation, release, &[(name, backend.address)]);
        table.drain = Span::from_millis(100);
        proxy.apply(&table);
    };
    with(1, "r1", "web.r1.1", &old);
    let address = proxy.address();
    let begin = |path: &str| {
        let mut client = Client::connect(address);
        client.send(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")).unwrap();
        client
    };
    let _deaf = begin("/text/3000000");
    let mut drips = begin("/drip");
    assert!(drips.receive_head().unwrap().contains("200"));
    let mut gone = begin("/drip");
    assert!(gone.receive_head().unwrap().contains("200"));
    wait_for("the requests in flight", || proxy.left_on("web.r1.1") == 3);
    drop(gone);
    wait_for("the client to be missed", || proxy.left_on("web.r1.1") == 2);
    with(2, "r2", "web.r2.1", &new);
    wait_for("the drain", || proxy.left_on("web.r1.1") == 0);
    wait_for("the account", || proxy.report().releases["r1"].cut == 2);
    let counted = proxy.report().releases["r1"].clone();
    assert_eq!((counted.served, counted.failed, counted.drained), (3, 0, 0));
    assert_eq!((counted.cut, counted.cut_at_drain), (2, 2));

    let mut broken = begin("/drip");
    assert!(broken.receive_head().unwrap().contains("200"));
    new.stop();
    wait_for("the account", || proxy.report().releases["r2"].cut == 1);
    assert_eq!(proxy.report().releases["r2"].cut_at_drain, 0);
    let lines = || read(&path).lines().map(str::to_owned).collect::<Vec<_>>();
    wait_for("the log", || lines().len() == 4);
    let count = |what: &str| lines().iter().filter(|line| line.contains(what)).count();
    assert_eq!((count(r#""cut":"drain""#), count(r#""cut":"application""#)), (2, 1), "{:?}", lines());
}

/// A lone download or report takes as long as it takes; a copy that is missed is an outage.
#[test]
fn a_lone_slow_request_is_no_gap_and_a_held_one_is() {
    let backend = Backend::start("one");
    let proxy = Proxy::with(&table(1, "r1", &[("web.r1.1", backend.address)]));
    let address = proxy.address();
    assert_eq!(get(address, "/slow/300").text(), "one");
    assert_eq!(proxy.report().longest_gap_micros, 0);
    let stopped = backend.address;
    backend.stop();
    let held = std::thread::spawn(move || get(address, "/"));
    wait_for("the held request", || proxy.report().held == 1);
    let since = Instant::now();
    let _again = Backend::start_at(stopped, "again");
    assert_eq!(held.join().unwrap().text(), "again");
    let gap = Duration::from_micros(proxy.report().longest_gap_micros);
    assert!(gap > Duration::ZERO && gap < since.elapsed() + Duration::from_secs(1), "{gap:?}");
}
