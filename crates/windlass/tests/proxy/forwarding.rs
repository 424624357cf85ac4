//! What becomes of one request.

use windlass_core::edge::Target;
use windlass_core::spec::{Header, RateLimit};
use windlass_core::units::{Bytes, Span};

use crate::support::{Backend, Client, Got, Proxy, get, read, route, send, table};

#[test]
fn requests_reach_the_endpoint_over_kept_connections() {
    let backend = Backend::start("one");
    let proxy = Proxy::with(&table(1, "r1", &[("web.r1.1", backend.address)]));
    let mut client = Client::connect(proxy.address());
    for _ in 0..100 {
        let got = client.get("/").unwrap();
        assert_eq!((got.status, got.text().as_str()), (200, "one"));
    }
    let report = proxy.report();
    assert_eq!(report.releases["r1"].served, 100);
    assert_eq!(report.releases["r1"].latency.iter().sum::<u64>(), 100);
    assert_eq!(report.endpoints["web.r1.1"].in_flight, 0);
}

#[test]
fn before_the_first_table_there_is_an_honest_answer() {
    let proxy = Proxy::start();
    assert_eq!(proxy.report().generation, 0);
    assert!(proxy.report().listening.is_empty());
}

// proves: HS-12, MDC-7
#[test]
fn the_application_sees_who_asked_and_nothing_that_was_made_up() {
    let backend = Backend::start("one");
    let proxy = Proxy::with(&table(1, "r1", &[("web.r1.1", backend.address)]));
    let got = send(
        proxy.address(),
        "GET /headers?q=1 HTTP/1.1\r\nHost: Example.org:81\r\nX-Forwarded-For: 1.1.1.1\r\nX-Real-IP: 1.1.1.1\r\n\
         X-Forwarded-Proto: https\r\nForwarded: for=1.1.1.1\r\nConnection: keep-alive, X-Private\r\nX-Private: 1\r\n\
         TE: trailers\r\nProxy-Authorization: x\r\nUpgrade: h2c\r\nKeep-Alive: 5\r\nX-Other: 2\r\n\r\n",
    );
    let mut lines: Vec<_> = got.text().lines().map(str::to_owned).collect();
    lines.sort();
    assert_eq!(
        lines,
        [
            "GET /headers?q=1",
            "host: Example.org:81",
            "x-forwarded-for: 127.0.0.1",
            "x-forwarded-host: Example.org:81",
            "x-forwarded-proto: http",
            "x-other: 2",
            "x-real-ip: 127.0.0.1",
        ]
    );
}

#[test]
fn a_proxy_before_this_one_is_believed_where_it_is_trusted() {
    let backend = Backend::start("one");
    let mut table = table(1, "r1", &[("web.r1.1", backend.address)]);
    table.listen.trusted_proxies = vec!["127.0.0.0/8".to_owned(), "2001:db8::/32".to_owned()];
    let mut inner = route("inner", "/inner", Target::Pool("web".to_owned()));
    inner.allow = vec!["203.0.113.0/24".to_owned()];
    let mut slow = route("slow", "/slow", Target::Pool("web".to_owned()));
    slow.rate_limit = Some(RateLimit { requests: 1, per: Span::from_secs(3600), burst: 0 });
    table.routes.splice(0..0, [inner, slow]);
    let logs = tempfile::tempdir().unwrap();
    let path = logs.path().join("access.log");
    let proxy = Proxy::start_in(tempfile::tempdir().unwrap(), &["--access-log", path.to_str().unwrap()]);
    proxy.apply(&table);
    let address = proxy.address();
    let ask = |path: &str, lines: &str| {
        send(address, &format!("GET {path} HTTP/1.1\r\nHost: a.example\r\n{lines}\r\n"))
    };
    let seen = |lines: &str| {
        let text = ask("/headers", lines).text();
        let of = |name: &str| {
            let all: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix(name)).collect();
            all.join("|")
        };
        ["x-forwarded-for: ", "x-real-ip: ", "x-forwarded-proto: ", "x-forwarded-host: "].map(of)
    };
    let told =
        "X-Forwarded-For: 203.0.113.9\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: shop.example\r\n";
    assert_eq!(seen(told), ["203.0.113.9", "203.0.113.9", "https", "shop.example"]);
    // What the client made up stands before what the proxy wrote.
    for (claimed, client) in [
        ("X-Forwarded-For: 1.1.1.1, 203.0.113.9\r\n", "203.0.113.9"),
        ("X-Forwarded-For: 127.0.0.1\r\nX-Forwarded-For: 203.0.113.9:81, 2001:db8::5\r\n", "203.0.113.9"),
        ("X-Forwarded-For: [2001:db9::7]:443\r\n", "2001:db9::7"),
        ("X-Forwarded-For: 1.1.1.1, nonsense\r\n", "::"),
        ("X_Forwarded_For: 1.1.1.1\r\nX-Real-IP: 1.1.1.1\r\nForwarded: for=1.1.1.1\r\n", "127.0.0.1"),
    ] {
        assert_eq!(seen(claimed), [client, client, "http", "a.example"], "{claimed}");
    }
    assert_eq!(ask("/inner", told).status, 200);
    assert_eq!(ask("/inner", "").status, 403);
    assert_eq!(ask("/inner", "X-Forwarded-For: 203.0.113.9, 198.51.100.1\r\n").status, 403);
    let client = |number: u8| ask("/slow/0", &format!("X-Forwarded-For: 198.51.100.{number}\r\n")).status;
    assert_eq!([client(1), client(2), client(1)], [200, 200, 429]);
    crate::support::wait_for("all lines", || read(&path).lines().count() == 12);
    assert!(read(&path).contains("\"client\":\"203.0.113.9\",\"method\":\"GET\",\"scheme\":\"https\""));

    // The same from anybody else is worth nothing.
    table.listen.trusted_proxies = vec!["10.0.0.0/8".to_owned()];
    table.generation = 2;
    proxy.apply(&table);
    assert_eq!(seen(told), ["127.0.0.1", "127.0.0.1", "http", "a.example"]);
    assert_eq!(ask("/inner", told).status, 403);
}

/// Who came to the load balancer by TLS is not sent in circles.
#[test]
fn a_redirect_to_tls_heeds_what_a_trusted_proxy_says() {
    let backend = Backend::start("one");
    let mut table = table(1, "r1", &[("web.r1.1", backend.address)]);
    table.routes[0].security_headers = true;
    table.listen.redirect_to_https = true;
    table.listen.trusted_proxies = vec!["127.0.0.1".to_owned()];
    let proxy = Proxy::with(&table);
    let ask = |proto: &str| {
        let request = format!("GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-Proto: {proto}\r\n\r\n");
        send(proxy.address(), &request)
    };
    let secure = ask("https");
    assert_eq!((secure.status, secure.header("strict-transport-security").is_some()), (200, true));
    assert_eq!([ask("http").status, ask("https, http").status, ask("x").status], [308, 308, 308]);
    // It leads to where the client came, not to what the proxies call each other.
    let to = |lines: &str| {
        let request = format!("GET /a?b HTTP/1.1\r\nHost: inner:8080\r\n{lines}\r\n");
        send(proxy.address(), &request).header("location").map(str::to_owned)
    };
    assert_eq!(to("X-Forwarded-Host: shop.example:80\r\n").as_deref(), Some("https://shop.example/a?b"));
    assert_eq!(to("X-Forwarded-Host:\r\n").as_deref(), Some("https://inner/a?b"));
}

#[test]
fn what_concerns_the_endpoints_connection_stays_there() {
    let backend = Backend::start("one");
    let proxy = Proxy::with(&table(1, "r1", &[("web.r1.1", backend.address)]));
    let got = get(proxy.address(), "/hop");
    assert_eq!(got.header("x-stays"), Some("1"));
    for name in ["x-hop", "keep-alive", "connection"] {
        assert_eq!(got.header(name), None, "{name}");
    }
}

#[test]
fn bodies_go_through_and_are_limited() {
    let backend = Backend::start("one");
    let mut table = table(1, "r1", &[("web.r1.1", backend.address)]);
    table.routes[0].body_limit = Bytes(300_000);
    let proxy = Proxy::with(&table);
    let address = proxy.address();
    let body = "x".repeat(300_000);
    let sized = format!("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    assert_eq!(send(address, &sized).text(), body);
    let chunk = format!("{:x}\r\n{}\r\n", 100_000, "y".repeat(100_000));
    let head = "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    let got = send(address, &format!("{head}{chunk}{chunk}{chunk}0\r\n\r\n"));
    assert_eq!((got.status, got.body.len()), (200, 300_000));

    let mut client = Client::connect(address);
    client.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 300001\r\n\r\n").unwrap();
    assert_eq!(client.receive().unwrap().status, 413);
    let mut client = Client::connect(address);
    client.send(format!("{head}{chunk}{chunk}{chunk}{chunk}0\r\n\r\n")).unwrap();
    assert_eq!(client.receive().unwrap().status, 413);
}

/// An upload over a bad connection must not count against a release that is being watched.
#[test]
fn what_a_client_breaks_off_is_no_failure_of_the_application() {
    let backend = Backend::start("one");
    let directory = tempfile::tempdir().unwrap();
    let logs = tempfile::tempdir().unwrap();
    let path = logs.path().join("access.log");
    let proxy = Proxy::start_in(directory, &["--access-log", path.to_str().unwrap()]);
    proxy.apply(&table(1, "r1", &[("web.r1.1", backend.address)]));
    let mut gone = Client::connect(proxy.address());
    gone.send(format!(
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 500000\r\n\r\n{}",
        "x".repeat(50_000)
    ))
    .unwrap();
    drop(gone);
    let mut rude = Client::connect(proxy.address());
    rude.send("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n").unwrap();
    assert_eq!(rude.receive().unwrap().status, 400);
    crate::support::wait_for("both lines", || read(&path).lines().count() == 2);
    let mut statuses: Vec<_> = read(&path)
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["status"].as_u64().unwrap())
        .collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [400, 499]);
    let counters = &proxy.report().releases["r1"];
    assert_eq!((counters.failed, counters.server_errors), (0, 0), "{counters:?}");
}

#[test]
fn an_answer_that_does_not_come_is_a_504() {
    let backend = Backend::start("one");
    let mut table = table(1, "r1", &[("web.r1.1", backend.address)]);
    table.routes[0].timeout = Span::from_millis(50);
    let proxy = Proxy::with(&table);
    assert_eq!(get(proxy.address(), "/slow/2000").status, 504);
    assert_eq!(proxy.report().releases["r1"].failed, 1);
}

#[test]
fn routes_are_told_apart_by_host_and_path() {
    let (site, api) = (Backend::start("site"), Backend::start("api"));
    let mut table = table(1, "r1", &[("web.r1.1", site.address)]);
    let mut pool = table.pools["web"].clone();
    pool.endpoints[0].address = api.address;
    pool.endpoints[0].instance = "api.r1.1".to_owned();
    table.pools.insert("api".to_owned(), pool);
    let mut api_route = route("api", "/api", Target::Pool("api".to_owned()));
    api_route.strip_prefix = true;
    let mut old = route(
        "old",
        "/",
        Target::Redirect { to: "https://new.example/base/".to_owned(), status: 301, exact: false },
    );
    old.host = Some("*.old.example".to_owned());
    let imprint =
        route("imprint", "/imprint", Target::Redirect { to: "/new".to_owned(), status: 308, exact: true });
    table.routes.splice(0..0, [old, api_route, imprint]);
    let proxy = Proxy::with(&table);
    let address = proxy.address();
    assert_eq!(get(address, "/").text(), "site");
    assert_eq!(get(address, "/apix").text(), "site");
    assert_eq!(get(address, "/api").text(), "api");
    assert!(get(address, "/api/headers/x?a=%20").text().starts_with("GET /headers/x?a=%20\n"));
    let got = send(address, "GET /x?y HTTP/1.1\r\nHost: a.old.example\r\n\r\n");
    assert_eq!((got.status, got.header("location")), (301, Some("https://new.example/base/x?y")));
    assert_eq!(get(address, "/imprint/x?y").header("location"), Some("/new"));
    assert_eq!(get(address, "/a/%2e%2e/b").status, 400);
}

/// In whatever spelling a path finds its route, the prefix is taken off.
#[test]
fn a_prefix_is_taken_off_in_any_spelling() {
    let backend = Backend::start("one");
    let mut table = table(1, "r1", &[("web.r1.1", backend.address)]);
    let mut api = route("api", "/api", Target::Pool("web".to_owned()));
    api.strip_prefix = true;
    table.routes.insert(0, api);
    let proxy = Proxy::with(&table);
    for (path, seen) in [
        ("/%61pi/headers/%61?q", "GET /headers/%61?q"),
        ("//api/headers", "GET /headers"),
        ("/api%2Fheaders", "GET /headers"),
        ("/\\api\\headers", "GET /headers"),
    ] {
        let got = get(proxy.address(), path);
        assert_eq!(got.text().lines().next(), Some(seen), "{path}");
    }
}

#[test]
fn a_redirect_leads_to_no_host_that_the_client_names() {
    let mut table = table(1, "r1", &[]);
    let mut old = route("old", "/old", Target::Redirect { to: "/".to_owned(), status: 308, exact: false });
    old.strip_prefix = true;
    table.routes =
        vec![old, route("all", "/", Target::Redirect { to: "/".to_owned(), status: 308, exact: false })];
    let proxy = Proxy::with(&table);
    for (path, location) in [
        ("/old/x?y", "/x?y"),
        ("/old", "/"),
        ("/old?y", "/?y"),
        ("/old//evil.example/x", "/evil.example/x"),
        ("/old/\\evil.example/x", "/evil.example/x"),
        ("//evil.example/x", "/evil.example/x"),
    ] {
        assert_eq!(get(proxy.address(), path).header("location"), Some(location), "{path}");
    }
}

#[test]
fn a_redirect_of_a_whole_prefix_leads_where_it_says() {
    let mut table = table(1, "r1", &[]);
    let mut old = route("old", "/old", Target::Redirect { to: "/new".to_owned(), status: 308, exact: false });
    old.strip_prefix = true;
    table.routes.insert(0, old);
    let proxy = Proxy::with(&table);
    for (path, location) in
        [("/old", "/new"), ("/old?y", "/new?y"), ("/old/", "/new/"), ("/old/x?y", "/new/x?y")]
    {
        assert_eq!(get(proxy.address(), path).header("location"), Some(location), "{path}");
    }
}

#[test]
fn a_request_of_http10_gets_a_host() {
    let backend = Backend::start("one");
    let proxy = Proxy::with(&table(1, "r1", &[("web.r1.1", backend.address)]));
    let address = proxy.address();
    let got = send(address, "GET /headers HTTP/1.0\r\n\r\n");
    assert!(got.text().contains(&format!("host: {address}\n")), "{}", got.text());
}

#[test]
fn what_is_refused_stands_in_the_access_log() {
    let logs = tempfile::tempdir().unwrap();
    let path = logs.path().join("access.log");
    let proxy = Proxy::start_in(tempfile::tempdir().unwrap(), &["--access-log", path.to_str().unwrap()]);
    proxy.apply(&table(1, "r1", &[]));
    for request in [
        "GET /a/%2e%2e/b HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /two HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n",
    ] {
        assert_eq!(send(proxy.address(), request).status, 400, "{request}");
    }
    crate::support::wait_for("three lines", || read(&path).lines().count() == 3);
    assert!(read(&path).lines().all(|line| line.contains("\"status\":400")), "{}", read(&path));
}

// proves: DC-15, MDC-14
#[test]
fn only_those_who_may_get_in() {
    let backend = Backend::start("one");
    let mut table = table(1, "r1", &[("web.r1.1", backend.address)]);
    let pool = || Target::Pool("web".to_owned());
    let mut inside = route("inside", "/inside", pool());
    inside.allow = vec!["10.0.0.0/8".to_owned()];
    let mut secret = route("secret", "/secret", pool());
    secret.basic_auth = vec![format!("ann:{}", windlass_core::edge::hash_password("salt", "open sesame"))];
    let mut limited = route("limited", "/limited", pool());
    limited.rate_limit = Some(RateLimit { requests: 1, per: Span::from_secs(60), burst: 1 });
    table.routes.splice(0..0, [inside, secret, limited]);
    let proxy = Proxy::with(&table);
    let address = proxy.address();
    assert_eq!(get(address, "/inside").status, 403);
    let got = get(address, "/secret");
    assert_eq!(got.status, 401);
    assert!(got.header("www-authenticate").unwrap().starts_with("Basic"));
    let request = "GET /secret HTTP/1.1\r\nHost: a\r\nAuthorization: Basic YW5uOm9wZW4gc2VzYW1l\r\n\r\n";
    assert_eq!(send(address, request).status, 200);
    let statuses: Vec<_> = (0..3).map(|_| get(address, "/limited").status).collect();
    assert_eq!(statuses, [200, 200, 429]);
}

// proves: HS-12, MDC-7, MDC-14
#[test]
fn headers_are_set_where_the_route_says_so() {
    let backend = Backend::start("one");
    let mut table = table(1, "r1", &[("web.r1.1", backend.address)]);
    table.routes[0].security_headers = true;
    table.routes[0].headers = vec![
        Header { name: "X-Custom".to_owned(), value: "1".to_owned() },
        Header { name: "X-Stays".to_owned(), value: String::new() },
    ];
    let proxy = Proxy::with(&table);
    let got = get(proxy.address(), "/hop");
    assert_eq!(got.header("x-frame-options"), Some("DENY"));
    assert_eq!(got.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(got.header("x-custom"), Some("1"));
    assert_eq!(got.header("x-stays"), None);
    assert_eq!(got.header("strict-transport-security"), None);
}

#[test]
fn text_is_compressed_for_those_who_ask() {
    let backend = Backend::start("one");
    let mut table = table(1, "r1", &[("web.r1.1", backend.address)]);
    table.routes[0].compress = true;
    let proxy = Proxy::with(&table);
    let address = proxy.address();
    let plain = get(address, "/text/5000");
    assert_eq!((plain.body.len(), plain.header("vary")), (45_000, Some("accept-encoding")));
    let ask = |encoding: &str| {
        send(address, &format!("GET /text/5000 HTTP/1.1\r\nHost: a\r\nAccept-Encoding: {encoding}\r\n\r\n"))
    };
    let gzip = ask("gzip");
    assert_eq!((gzip.header("content-encoding"), gzip.header("etag")), (Some("gzip"), Some("W/\"tag\"")));
    let mut text = Vec::new();
    std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&gzip.body[..]), &mut text).unwrap();
    assert!(text == plain.body && gzip.body.len() < 1000);
    let br = ask("br");
    assert_eq!(br.header("content-encoding"), Some("br"));
    let mut text = Vec::new();
    std::io::Read::read_to_end(&mut brotli::Decompressor::new(&br.body[..], 4096), &mut text).unwrap();
    assert!(text == plain.body);
}

/// What `HEAD` is told is what `GET` would be told, but for what only the body can say (RFC 9110, 9.3.2).
#[test]
fn a_head_says_what_would_be_compressed() {
    let backend = Backend::start("one");
    let mut table = table(1, "r1", &[("web.r1.1", backend.address)]);
    table.routes[0].compress = true;
    let proxy = Proxy::with(&table);
    let ask = |length: usize, encoding: &str| {
        let mut client = Client::connect(proxy.address());
        client
            .send(format!("HEAD /text/{length} HTTP/1.1\r\nHost: a\r\nAccept-Encoding: {encoding}\r\n\r\n"))
            .unwrap();
        let head = client.receive_head().unwrap();
        let status = head[9..12].parse().unwrap();
        let again = client.get("/text/1").unwrap();
        assert_eq!(again.text(), "windlass ", "what follows {head}");
        Got { status, head, body: Vec::new() }
    };
    let names = ["content-encoding", "content-length", "etag", "vary"];
    let told = |got: &Got| names.map(|name| got.header(name).map(str::to_owned));
    let expected = |values: [Option<&str>; 4]| values.map(|value| value.map(str::to_owned));
    let (weak, strong) = (Some("W/\"tag\""), Some("\"tag\""));
    let vary = Some("accept-encoding");
    assert_eq!(told(&ask(5000, "br")), expected([Some("br"), None, weak, vary]));
    assert_eq!(told(&ask(5000, "other")), expected([None, Some("45000"), strong, vary]));
    assert_eq!(told(&ask(2, "br")), expected([None, Some("18"), strong, None]));
}

/// An application that answers each request with these bytes.
fn application_that_says(answer: String) -> std::net::SocketAddr {
    use std::io::{Read, Write};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    address
}

/// The length of what is sent in chunks is theirs, whatever else is claimed (RFC 9112, 6.3).
#[test]
fn an_answer_with_two_lengths_is_as_long_as_its_chunks() {
    let answer =
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
    let address = application_that_says(answer.to_owned());
    let proxy = Proxy::with(&table(1, "r1", &[("web.r1.1", address)]));
    let got = get(proxy.address(), "/");
    assert_eq!((got.text().as_str(), got.header("content-length")), ("hello", None));
}

#[test]
fn what_is_compressed_is_whole_before_trailers() {
    use std::io::Read;
    let text = "windlass ".repeat(1000);
    let address = application_that_says(format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\
         Cache-Control: public\r\n\r\n{:x}\r\n{text}\r\n0\r\nX-Sum: 1\r\n\r\n",
        text.len()
    ));
    let mut table = table(1, "r1", &[("web.r1.1", address)]);
    table.routes[0].compress = true;
    let proxy = Proxy::with(&table);
    let got = send(proxy.address(), "GET / HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\n\r\n");
    assert_eq!(got.header("content-encoding"), Some("gzip"));
    let mut text = String::new();
    flate2::read::GzDecoder::new(&got.body[..]).read_to_string(&mut text).expect("it is cut");
    assert_eq!(text.len(), 9000);
}

// proves: APE-8
#[test]
fn counters_are_told_to_prometheus() {
    let backend = Backend::start("one");
    let mut table = table(1, "r1", &[("web.r1.1", backend.address)]);
    table.routes.insert(0, route("metrics", "/metrics", Target::Metrics));
    let proxy = Proxy::with(&table);
    assert_eq!(get(proxy.address(), "/").status, 200);
    let page = get(proxy.address(), "/metrics").text();
    for line in [
        "windlass_route_answers_total{route=\"web\",status=\"2xx\"} 1",
        "windlass_endpoint_up{instance=\"web.r1.1\"} 1",
        "windlass_release_answers_total{release=\"r1\",outcome=\"served\"} 1",
    ] {
        assert!(page.lines().any(|found| found == line), "no {line} in\n{page}");
    }
}

// proves: HS-20
#[test]
fn the_access_log_has_a_line_for_each_request_and_no_query() {
    let backend = Backend::start("one");
    let directory = tempfile::tempdir().unwrap();
    let logs = tempfile::tempdir().unwrap();
    let path = logs.path().join("access.log");
    let proxy = Proxy::start_in(directory, &["--access-log", path.to_str().unwrap()]);
    proxy.apply(&table(1, "r1", &[("web.r1.1", backend.address)]));
    assert_eq!(get(proxy.address(), "/a?token=secret").status, 200);
    crate::support::wait_for("the line", || !read(&path).is_empty());
    let line: serde_json::Value = serde_json::from_str(&read(&path)).unwrap();
    assert_eq!((line["path"].as_str(), line["status"].as_u64()), (Some("/a"), Some(200)));
    assert_eq!((line["instance"].as_str(), line["release"].as_str()), (Some("web.r1.1"), Some("r1")));
    assert!(!read(&path).contains("secret"));
}
