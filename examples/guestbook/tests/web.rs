//! The web service as its clients see it: over a real connection, as a real process.

mod support;

use std::time::{Duration, Instant};

use support::{Guestbook, wait_until};

#[test]
fn an_entry_goes_from_the_form_through_the_worker_to_the_page() {
    let book = Guestbook::migrated();
    let web = book.web(&[]);
    let _worker = book.start("worker", &[]);

    let answer = web.client().post("/entries", "name=Ann&message=Hello+%3Cb%3Ethere%3C%2Fb%3E");
    assert_eq!((answer.status, answer.header("Location")), (303, Some("/")));

    wait_until("the entry is on the page", || {
        let page = web.client().get("/").body;
        page.contains("Hello &lt;b&gt;there&lt;/b&gt;") && page.contains("Ann")
    });
    assert_eq!(web.client().post("/entries", "name=Ann&message=++").status, 422);
}

#[test]
fn connections_are_kept_and_requests_may_be_sent_ahead() {
    let book = Guestbook::migrated();
    let web = book.web(&[("WINDLASS_RELEASE", "r7")]);
    let mut client = web.client();
    for _ in 0..3 {
        let answer = client.get("/version");
        assert_eq!((answer.status, answer.body.as_str()), (200, "r7\n"));
        assert_eq!(answer.header("Connection"), Some("keep-alive"));
    }
    client.send("GET /version HTTP/1.1\r\nHost: a\r\n\r\nHEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.receive(true).body, "r7\n");
    let head = client.receive(false);
    assert!(head.header("Content-Length").is_some_and(|length| length != "0"));
    assert_eq!(client.get("/health").body, "{\"status\":\"ok\",\"release\":\"r7\"}\n");
}

#[test]
fn what_is_no_request_is_refused_and_harms_nobody_else() {
    let book = Guestbook::migrated();
    let web = book.web(&[]);
    for (sent, status) in [
        ("GET / HTTP/1.1\r\n\r\n".to_owned(), 400),
        ("nonsense\r\n\r\n".to_owned(), 400),
        ("POST /entries HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".to_owned(), 411),
        (
            "POST /entries HTTP/1.1\r\nHost: a\r\nContent-Length: 70000\r\n\r\n".to_owned()
                + &"x".repeat(70_000),
            413,
        ),
        (format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(20_000)), 431),
    ] {
        let mut client = web.client();
        client.send(&sent);
        let answer = client.receive(true);
        assert_eq!((answer.status, answer.header("Connection")), (status, Some("close")), "{:.40}", sent);
    }
    assert_eq!(web.client().post("/version", "").status, 405);
    assert_eq!(web.client().get("/entries/../../etc/passwd").status, 404);
    assert_eq!(web.client().get("/health").status, 200);
}

#[test]
fn after_sigterm_it_is_not_ready_but_finishes_what_it_holds() {
    let book = Guestbook::migrated();
    let mut web = book.web(&[]);
    let mut slow = web.client();
    let mut idle = web.client();
    assert_eq!(idle.get("/version").status, 200);
    slow.send("GET /slow?ms=1000 HTTP/1.1\r\nHost: a\r\n\r\n");
    wait_until("the request is in flight", || web.log().contains("\"event\":\"slow\""));

    web.signal("TERM");
    wait_until("readiness says 503", || web.client().get("/health").status == 503);
    assert_eq!(web.client().get("/version").header("Connection"), Some("close"));
    assert!(idle.is_closed(), "an idle connection is closed");

    let answer = slow.receive(true);
    assert_eq!((answer.status, answer.body.as_str()), (200, "This took 1000 ms.\n"));
    assert_eq!(answer.header("Connection"), Some("close"));
    assert_eq!(web.exit_code(), Some(0));
}

#[test]
fn without_requests_it_ends_at_once() {
    let book = Guestbook::migrated();
    let mut web = book.web(&[]);
    let began = Instant::now();
    web.signal("TERM");
    assert_eq!(web.exit_code(), Some(0));
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}

#[test]
fn it_refuses_to_start_before_the_migration() {
    let book = Guestbook::empty();
    let mut web = book.start("web", &[("PORT", "0")]);
    assert_eq!(web.exit_code(), Some(1));
    assert!(web.log().contains("run `guestbook migrate` first"), "{}", web.log());
}

#[test]
fn it_misbehaves_as_it_is_told() {
    let book = Guestbook::migrated();
    assert_eq!(book.web(&[("GUESTBOOK_FAULT", "never-ready")]).client().get("/health").status, 503);
    let errors = book.web(&[("GUESTBOOK_FAULT", "errors")]);
    assert_eq!((errors.client().get("/health").status, errors.client().get("/").status), (200, 500));
    assert_eq!(book.start("web", &[("GUESTBOOK_FAULT", "crash")]).exit_code(), Some(1));
    assert_eq!(book.start("web", &[("GUESTBOOK_FAULT", "typo")]).exit_code(), Some(1));
    assert_eq!(book.start("migrate", &[("GUESTBOOK_FAULT", "migrate")]).exit_code(), Some(1));
}
