//! What can go wrong on the way to any store, and how it is told.

use std::sync::atomic::{AtomicUsize, Ordering};

use windlass::settings::store::Whose;

use crate::kit::{ask, fault, told, values};
use crate::server::{Reply, Seen, Server};
use crate::vault::{TOKEN, answer, store};

const PLACE: &str = "vault:shop/db#user";
const ENV: [(&str, &str); 1] = [("VAULT_TOKEN", TOKEN)];

/// What is told when the store answers so.
#[track_caller]
fn said(reply: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> String {
    let server = Server::start(reply);
    told(&ask(&store(&server), &[PLACE], &ENV), server.port)
}

#[test]
fn a_store_that_fails_once_is_asked_again() {
    let asked = AtomicUsize::new(0);
    let server = Server::start(move |seen| match asked.fetch_add(1, Ordering::SeqCst) {
        0 => Reply::Say(500, "{}".into()),
        1 => Reply::With(429, "Retry-After: 1\r\n", "{}".into()),
        2 => Reply::Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n{".to_vec()),
        _ => Reply::Late(Box::new(answer(seen))),
    });
    assert_eq!(values(&ask(&store(&server), &[PLACE], &ENV)), ["vault:shop/db#user=ada"]);
    assert_eq!(server.seen().len(), 4);
}

#[test]
fn a_store_that_fails_every_time_is_asked_five_times() {
    let server = Server::start(|_| Reply::Say(503, format!("{{\"errors\":[\"{TOKEN}\"]}}")));
    let fetched = ask(&store(&server), &[PLACE], &ENV);
    assert_eq!(
        told(&fetched, server.port),
        "the store vault says that it cannot serve now at http://127.0.0.1:PORT (HTTP 503, 5 times); is it \
         sealed, starting or overloaded? Try again when it serves"
    );
    assert_eq!(server.seen().len(), 5);
    assert_eq!((fault(&fetched).whose, fault(&fetched).retry), (Whose::Server, true));
}

#[test]
fn what_is_refused_is_not_asked_again() {
    let server = Server::start(|_| Reply::Say(403, "{}".into()));
    let fetched = ask(&store(&server), &[PLACE], &ENV);
    assert_eq!((fault(&fetched).whose, fault(&fetched).retry), (Whose::Deployer, false));
    assert_eq!(server.seen().len(), 1);
}

#[test]
fn a_store_that_never_answers_is_given_up() {
    let server = Server::start(|_| Reply::Hang);
    let declared = format!("{}timeout = \"400ms\"\n", store(&server));
    assert_eq!(
        told(&ask(&declared, &[PLACE], &ENV), server.port),
        "the store vault did not answer within 400ms; is it overloaded? timeout = \"1m\" in its table of the \
         manifest waits longer"
    );
}

#[test]
fn nobody_listens() {
    let server = Server::start(|_| Reply::Hang);
    let (declared, port) = (format!("{}timeout = \"1s\"\n", store(&server)), server.port);
    drop(server);
    assert_eq!(
        told(&ask(&declared, &[PLACE], &ENV), port),
        "the store vault cannot be reached at http://127.0.0.1:PORT: connection refused; is the address right, \
         and does it run?"
    );
}

#[test]
fn garbage_is_not_repeated() {
    for garbage in
        ["", "hunter2-value", "{\"data\":{\"data\":\"hunter2-value\"}}", "<html>hunter2-value</html>"]
    {
        assert_eq!(
            said(move |_| Reply::Say(200, garbage.into())),
            "the store vault answers for secret/shop/db what is no secret of the key-value engine; is `address` \
             that of Vault, and `version` (2) that of the engine?"
        );
    }
}

#[test]
fn what_is_too_large_is_not_read() {
    let expected = "the store vault answers with more than 1048576 bytes at http://127.0.0.1:PORT; a setting is a \
                    short text; is `address` that of the store itself?";
    assert_eq!(
        said(|_| Reply::Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n{".to_vec())),
        expected
    );
    let mut endless = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n".to_vec();
    endless.resize(2 << 20, b' ');
    assert_eq!(said(move |_| Reply::Raw(endless.clone())), expected);
}

#[test]
fn what_does_not_speak_http_is_told_of() {
    let server = Server::start(|_| Reply::Raw(b"SSH-2.0-OpenSSH_9.2\r\n".to_vec()));
    let declared = format!("{}timeout = \"1s\"\n", store(&server));
    let said = told(&ask(&declared, &[PLACE], &ENV), server.port);
    assert!(
        said.starts_with("the store vault broke off the exchange at http://127.0.0.1:PORT: ")
            && said.ends_with("; is that the server itself, and does it speak HTTP?"),
        "{said}"
    );
}

#[test]
fn a_redirect_is_followed_on_the_same_host_only() {
    let server = Server::start(|seen| {
        if seen.target.starts_with("/old/") {
            Reply::With(307, "Location: /v1/secret/data/shop/db\r\n", String::new())
        } else {
            answer(seen)
        }
    });
    let declared =
        format!("[stores.vault]\nkind = \"vault\"\naddress = \"http://127.0.0.1:{}/old\"\n", server.port);
    assert_eq!(values(&ask(&declared, &[PLACE], &ENV)), ["vault:shop/db#user=ada"]);

    let other = Server::start(answer);
    let to: &'static str = format!("Location: http://127.0.0.1:{}/v1/x\r\n", other.port).leak();
    let said = said(move |_| Reply::With(307, to, String::new()));
    assert_eq!(
        said.replace(&other.port.to_string(), "OTHER"),
        "the store vault sends from http://127.0.0.1:PORT to http://127.0.0.1:OTHER, which is not followed; write \
         the address of the store itself into `address`"
    );
    assert!(other.seen().is_empty(), "the token is not shown to another host");
    assert_eq!(
        self::said(|_| Reply::With(302, "Location: /v1/round\r\n", String::new())),
        "the store vault sends from one place to the next at http://127.0.0.1:PORT; is `address` that of the \
         store itself?"
    );
}

#[test]
fn all_faults_of_all_stores_come_at_once_and_keep_no_value_back() {
    let server = Server::start(answer);
    let declared = format!(
        "{}[stores.other]\nkind = \"aws\"\n[stores.cat]\nkind = \"command\"\ncommand = \"cat {{path}}\"\n",
        store(&server)
    );
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("here"), "value\n").unwrap();
    let places = [
        "vault:shop/db#user",
        "vault:nope#a",
        "vault:shop/db#nope",
        "other:a",
        "other:b",
        "cat:here",
        "cat:there",
    ];
    let env = [("VAULT_TOKEN", TOKEN), ("PATH", "/usr/bin:/bin"), ("AWS_EC2_METADATA_DISABLED", "true")];
    let fetched = crate::kit::ask_in(directory.path(), &declared, &places, &env);
    let found: Vec<String> = fetched.values.keys().map(ToString::to_string).collect();
    assert_eq!(found, ["vault:shop/db#user", "cat:here"]);
    let mut missing: Vec<String> = fetched
        .faults
        .iter()
        .map(|fault| fault.places.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "))
        .collect();
    missing.sort();
    assert_eq!(missing, ["cat:there", "other:a other:b", "vault:nope#a", "vault:shop/db#nope"]);
}
