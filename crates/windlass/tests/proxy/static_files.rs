//! Files, and that nothing else is served.

use std::fs;

use tempfile::TempDir;
use windlass_core::edge::{Table, Target};

use crate::support::{Client, Proxy, get, route, send, table};

fn site() -> (TempDir, Table) {
    let root = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(root.path().join(name), text).unwrap();
    write("index.html", "<h1>home</h1>");
    write("app.js", &"let x = 1;\n".repeat(500));
    write("app.js.gz", "not really gzip");
    write("numbers.txt", "0123456789");
    write(".env", "SECRET=1");
    fs::create_dir(root.path().join("docs")).unwrap();
    write("docs/index.html", "docs");
    std::os::unix::fs::symlink("/etc/passwd", root.path().join("passwd")).unwrap();
    let mut table = table(1, "r1", &[]);
    table.routes[0] = route(
        "files",
        "/",
        Target::Files {
            others: Vec::new(),
            root: root.path().to_str().unwrap().to_owned(),
            fallback: None,
            cache_control: Some("max-age=60".to_owned()),
        },
    );
    (root, table)
}

#[test]
fn a_prefix_without_its_slash_leads_below_it() {
    let (_root, mut table) = site();
    table.routes[0].path = "/manual".to_owned();
    table.routes[0].strip_prefix = true;
    let proxy = Proxy::with(&table);
    let bare = get(proxy.address(), "/manual?x");
    assert_eq!((bare.status, bare.header("location")), (308, Some("./manual/?x")));
    assert_eq!(get(proxy.address(), "/manual/").text(), "<h1>home</h1>");
    assert_eq!(get(proxy.address(), "/manual/docs/").text(), "docs");
    assert_eq!(
        send(proxy.address(), "POST /manual HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n").status,
        405
    );
}

// proves: HS-12, CM-1, MDC-7
#[test]
fn files_have_types_tags_and_ranges() {
    let (_root, table) = site();
    let proxy = Proxy::with(&table);
    let address = proxy.address();
    let home = get(address, "/");
    assert_eq!((home.status, home.text().as_str()), (200, "<h1>home</h1>"));
    assert_eq!(home.header("content-type"), Some("text/html; charset=utf-8"));
    assert_eq!(home.header("cache-control"), Some("max-age=60"));
    let tag = home.header("etag").unwrap();
    let request = |extra: &str| format!("GET /numbers.txt HTTP/1.1\r\nHost: a\r\n{extra}\r\n\r\n");
    let again = send(address, &format!("GET / HTTP/1.1\r\nHost: a\r\nIf-None-Match: {tag}\r\n\r\n"));
    assert_eq!((again.status, again.body.len()), (304, 0));
    let modified = home.header("last-modified").unwrap();
    let again = send(address, &format!("GET / HTTP/1.1\r\nHost: a\r\nIf-Modified-Since: {modified}\r\n\r\n"));
    assert_eq!(again.status, 304);
    let part = send(address, &request("Range: bytes=2-4"));
    assert_eq!((part.status, part.text().as_str()), (206, "234"));
    assert_eq!(part.header("content-range"), Some("bytes 2-4/10"));
    assert_eq!(send(address, &request("Range: bytes=20-")).status, 416);
    assert_eq!(send(address, &request("Range: bytes=2-4\r\nIf-Range: \"other\"")).status, 200);
    let gzip = send(address, "GET /app.js HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\n\r\n");
    assert_eq!((gzip.header("content-encoding"), gzip.text().as_str()), (Some("gzip"), "not really gzip"));
    assert_eq!(gzip.header("content-type"), Some("text/javascript; charset=utf-8"));
    assert_eq!(get(address, "/app.js").body.len(), 5500);
    assert_eq!(get(address, "/docs?x").header("location"), Some("./docs/?x"), "below whatever prefix it is");
    assert_eq!(get(address, "/docs/").text(), "docs");
    assert_eq!(send(address, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n").status, 405);

    let mut client = Client::connect(address);
    client.send("HEAD /numbers.txt HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    let head = client.receive_head().unwrap();
    assert!(head.contains("content-length: 10"), "{head}");
    assert_eq!(client.get("/numbers.txt").unwrap().text(), "0123456789", "no body came with HEAD");
}

#[test]
fn the_client_chooses_among_files_that_are_compressed_already() {
    let (root, table) = site();
    fs::write(root.path().join("app.js.br"), "not really br").unwrap();
    let proxy = Proxy::with(&table);
    for (accepted, encoding) in [
        ("gzip, br", Some("br")),
        ("GZIP, BR", Some("br")),
        ("br;q=0, gzip", Some("gzip")),
        ("br;q=0.1, gzip;q=0.9", Some("gzip")),
        ("br;q=0", None),
        ("identity", None),
    ] {
        let request = format!("GET /app.js HTTP/1.1\r\nHost: a\r\nAccept-Encoding: {accepted}\r\n\r\n");
        assert_eq!(send(proxy.address(), &request).header("content-encoding"), encoding, "{accepted}");
    }
}

#[test]
fn a_file_is_asked_for_as_it_was_or_not_at_all() {
    let (_root, table) = site();
    let proxy = Proxy::with(&table);
    let address = proxy.address();
    let seen = get(address, "/numbers.txt");
    let (tag, modified) = (seen.header("etag").unwrap(), seen.header("last-modified").unwrap());
    let early = "Thu, 01 Jan 2015 00:00:00 GMT";
    for (condition, status) in [
        (format!("If-Match: \"other\", {tag}"), 200),
        ("If-Match: *".to_owned(), 200),
        ("If-Match: \"other\"".to_owned(), 412),
        (format!("If-Match: W/{tag}"), 412),
        (format!("If-Match: {tag}\r\nIf-Unmodified-Since: {early}"), 200),
        (format!("If-Unmodified-Since: {modified}"), 200),
        (format!("If-Unmodified-Since: {early}"), 412),
        (format!("If-Match: {tag}\r\nRange: bytes=0-1"), 206),
    ] {
        let request = format!("GET /numbers.txt HTTP/1.1\r\nHost: a\r\n{condition}\r\n\r\n");
        assert_eq!(send(address, &request).status, status, "{condition}");
    }
    let mut client = Client::connect(address);
    client.send("HEAD /numbers.txt HTTP/1.1\r\nHost: a\r\nRange: bytes=2-4\r\n\r\n").unwrap();
    let head = client.receive_head().unwrap();
    assert!(head.starts_with("HTTP/1.1 200") && head.contains("content-length: 10"), "{head}");
}

#[test]
fn large_files_come_whole() {
    let (root, table) = site();
    let text: String = (0..100_000).map(|number| format!("{number} ")).collect();
    fs::write(root.path().join("large.txt"), &text).unwrap();
    let proxy = Proxy::with(&table);
    assert!(get(proxy.address(), "/large.txt").text() == text);
}

#[test]
fn nothing_outside_the_root_is_served() {
    let (_root, table) = site();
    let proxy = Proxy::with(&table);
    let address = proxy.address();
    for (path, status) in [
        ("/passwd", 404),
        ("/.env", 404),
        ("/../../../../etc/passwd", 400),
        ("/%2e%2e/%2e%2e/etc/passwd", 400),
        ("/docs/..%2f..%2fetc/passwd", 400),
        ("/..%5c..%5cetc/passwd", 400),
        ("//etc/passwd", 404),
        ("/%00", 400),
        ("/docs/index.html/", 404),
        ("/none", 404),
    ] {
        assert_eq!(get(address, path).status, status, "{path}");
    }
}

#[test]
fn a_page_of_the_site_says_what_is_not_there() {
    let (root, mut table) = site();
    let proxy = Proxy::with(&table);
    let address = proxy.address();
    let plain = get(address, "/nothing").text();
    assert!(plain.ends_with("there is no such file\n"), "{plain}");
    fs::write(root.path().join("404.html"), "lost?").unwrap();
    for path in ["/nothing", "/docs/nothing", "/gone.png", "/nothing/", "/.env", "/a%5Cb"] {
        let got = get(address, path);
        assert_eq!((got.status, got.text().as_str()), (404, "lost?"), "{path}");
        assert_eq!(got.header("content-type"), Some("text/html; charset=utf-8"));
        assert_eq!(got.header("cache-control"), Some("no-store"));
        for of_a_version in ["etag", "last-modified", "accept-ranges"] {
            assert_eq!(got.header(of_a_version), None, "{of_a_version}");
        }
    }
    for condition in ["If-None-Match: *", "If-Match: \"x\"", "Range: bytes=1-2", "Range: bytes=90-"] {
        let got = send(address, &format!("GET /nothing HTTP/1.1\r\nHost: a\r\n{condition}\r\n\r\n"));
        assert_eq!((got.status, got.text().as_str()), (404, "lost?"), "{condition}");
    }
    assert_eq!(get(address, "/404.html").status, 200);
    // An application of a single page has its own, and what is none of its pages no page.
    if let Target::Files { fallback, .. } = &mut table.routes[0].to {
        *fallback = Some("index.html".to_owned());
    }
    table.generation = 2;
    proxy.apply(&table);
    assert_eq!(get(address, "/nothing").text(), "<h1>home</h1>");
    assert_eq!(get(address, "/gone.png").text(), plain);
}

// proves: MDC-7, MDC-2
#[test]
fn a_single_page_application_answers_every_path() {
    let (_root, mut table) = site();
    if let Target::Files { fallback, .. } = &mut table.routes[0].to {
        *fallback = Some("index.html".to_owned());
    }
    let proxy = Proxy::with(&table);
    let got = get(proxy.address(), "/some/page");
    assert_eq!((got.status, got.text().as_str()), (200, "<h1>home</h1>"));
    assert_eq!(get(proxy.address(), "/numbers.txt").text(), "0123456789");
}
