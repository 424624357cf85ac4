//! Those who asked for it are told what happens, and no run waits for them.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use rustix::process::Signal;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::{ServerConfig, ServerConnection, StreamOwned};
use windlass_testkit::ports::free_port;
use windlass_testkit::sandbox::{Manifest, Process, Sandbox, kill, until};
use windlass_testkit::tunnel;

use super::{WINDLASS, line};

/// Somebody who is told: keeps the bodies of the requests, and answers as it was made to.
struct Listener {
    address: String,
    heard: Arc<Mutex<Vec<String>>>,
    /// How many came and went without a word.
    silent: Arc<AtomicUsize>,
}

impl Listener {
    /// One that gives this answer to each; `None`: it never answers.
    fn answering(answer: Option<String>) -> Self {
        Self::behind(answer, |stream| stream)
    }

    /// One that speaks TLS and shows this certificate.
    fn encrypted(config: Arc<ServerConfig>) -> Self {
        let said = "HTTP/1.1 200 .\r\nContent-Length: 0\r\n\r\n".to_owned();
        Self::behind(Some(said), move |stream| {
            StreamOwned::new(ServerConnection::new(config.clone()).unwrap(), stream)
        })
    }

    fn behind<S: Read + Write + Send>(
        answer: Option<String>,
        layer: impl Fn(TcpStream) -> S + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let heard: Arc<Mutex<Vec<String>>> = Arc::default();
        let silent: Arc<AtomicUsize> = Arc::default();
        let (keeps, counts) = (heard.clone(), silent.clone());
        std::thread::spawn(move || {
            let mut kept = Vec::new();
            for stream in listener.incoming() {
                let mut reader = BufReader::new(layer(stream.unwrap()));
                match body(&mut reader) {
                    Some(body) => keeps.lock().unwrap().push(body),
                    None => {
                        counts.fetch_add(1, Ordering::Relaxed);
                        continue;
                    }
                }
                match &answer {
                    Some(answer) => drop(reader.get_mut().write_all(answer.as_bytes())),
                    None => kept.push(reader),
                }
            }
        });
        Self { address, heard, silent }
    }

    fn with_status(status: u16, header: &str) -> Self {
        Self::answering(Some(format!("HTTP/1.1 {status} .\r\n{header}Content-Length: 0\r\n\r\n")))
    }

    fn port(&self) -> u16 {
        self.address.rsplit(':').next().unwrap().parse().unwrap()
    }

    fn heard(&self) -> Vec<serde_json::Value> {
        let heard = self.heard.lock().unwrap();
        heard.iter().map(|body| serde_json::from_str(body).unwrap()).collect()
    }
}

fn body(reader: &mut impl BufRead) -> Option<String> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 {
            return None;
        }
        if line == "\r\n" {
            break;
        }
        if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
    }
    let mut bytes = vec![0; length];
    reader.read_exact(&mut bytes).unwrap();
    Some(String::from_utf8(bytes).unwrap())
}

/// A server's configuration with a certificate for these hosts, which is written to `path`.
fn certified(hosts: &[&str], path: &Path) -> Arc<ServerConfig> {
    let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
    let made = rcgen::generate_simple_self_signed(hosts).unwrap();
    std::fs::write(path, made.cert.pem()).unwrap();
    let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    Arc::new(config)
}

// proves: APE-15, DC-17
#[test]
fn those_who_asked_are_told_and_no_run_waits_for_them() {
    let line = line("those_who_asked_are_told_and_no_run_waits_for_them");
    let well = Listener::with_status(200, "");
    let broken = Listener::with_status(500, "");
    let elsewhere = Listener::with_status(200, "");
    let moved = Listener::with_status(302, &format!("Location: http://{}/\r\n", elsewhere.address));
    let deaf = Listener::answering(None);
    let nobody = format!("127.0.0.1:{}", free_port());
    let mut more = "[settings]\nHOOK = { secret = true }\n\
                    [notify.well]\nurl = \"{settings.HOOK}\"\non = [\"deployed\", \"rolled-back\"]\n"
        .to_owned();
    for (name, address) in [
        ("broken", broken.address.as_str()),
        ("moved", moved.address.as_str()),
        ("deaf", deaf.address.as_str()),
        ("nobody", nobody.as_str()),
    ] {
        more += &format!("[notify.{name}]\nurl = \"http://{address}/x\"\non = [\"deployed\"]\n");
    }
    let mut sandbox = Sandbox::with(WINDLASS, &Manifest { more, ..Manifest::small() });
    sandbox.set("HOOK", &format!("http://{}/hook/very-secret", well.address));

    // Not one of the five can keep the deploy from its end.
    sandbox.succeed(&["deploy"]);
    until("the first message", || (well.heard().len() == 1).then_some(()));
    until("the others' first tries", || {
        let tried = [&broken, &moved, &deaf].iter().all(|listener| !listener.heard().is_empty());
        tried.then_some(())
    });
    sandbox.behave("web.crash:50");
    let output = line.ends(sandbox.start(&["deploy"]), std::time::Duration::from_secs(60));
    assert_eq!(output.code, 3, "{output:#?}");
    until("the second message", || (well.heard().len() == 2).then_some(()));

    let heard = well.heard();
    assert_eq!((&heard[0]["event"], &heard[0]["subject"]), (&"deployed".into(), &"r1".into()), "{heard:?}");
    assert_eq!(
        (&heard[1]["event"], &heard[1]["subject"]),
        (&"rolled-back".into(), &"r2".into()),
        "{heard:?}"
    );
    assert!(heard[1]["reason"].as_str().unwrap().contains("web.r2.1"), "{heard:?}");
    assert!(elsewhere.heard().is_empty(), "a redirect was followed");
    let status = sandbox.status();
    let problems = status["problems"].to_string();
    assert!(problems.contains("notify.moved could not be told: it answered 302"), "{status}");
    assert_eq!(status["release"]["release"], "r1");
    let log = std::fs::read_to_string(sandbox.environment().join("logs/host.log")).unwrap();
    assert!(log.contains("notify.well was told") && !log.contains("very-secret"), "{log}");
    assert!(!problems.contains("very-secret"));
    // It ends although messages are still under way.
    sandbox.down();
    line.held("five of them, two runs");
}

/// Over TLS only whoever shows a certificate that the system, or `SSL_CERT_FILE`, trusts.
#[test]
fn a_secret_address_is_told_only_to_whom_is_trusted() {
    let directory = tempfile::tempdir().unwrap();
    let known = directory.path().join("known.pem");
    let trusted = Listener::encrypted(certified(&["localhost"], &known));
    let stranger = Listener::encrypted(certified(&["localhost"], &directory.path().join("stranger.pem")));
    let mut more = String::new();
    for (name, listener) in [("trusted", &trusted), ("stranger", &stranger)] {
        let port = listener.port();
        more += &format!("[notify.{name}]\nurl = \"https://localhost:{port}/x\"\non = [\"deployed\"]\n");
    }
    let mut sandbox = Sandbox::with(WINDLASS, &Manifest { more, ..Manifest::small() });
    sandbox.set("SSL_CERT_FILE", known.to_str().unwrap());
    sandbox.succeed(&["deploy"]);
    until("the message", || (trusted.heard().len() == 1).then_some(()));
    assert_eq!(trusted.heard()[0]["event"], "deployed");
    until("the stranger to be tried", || (stranger.silent.load(Ordering::Relaxed) > 0).then_some(()));
    assert!(stranger.heard().is_empty());
    sandbox.down();
}

/// The host side reads `HTTPS_PROXY` and `NO_PROXY` as whoever deploys has them, and the build does, also where the
/// host side was started without; the application does not.
#[test]
fn a_message_goes_through_the_proxy_that_the_machine_needs() {
    let directory = tempfile::tempdir().unwrap();
    let known = directory.path().join("known.pem");
    // The second is this machine too, and yet none of the addresses that are asked without a proxy anyway.
    let listener = Listener::encrypted(certified(&["hooks.test", "0.0.0.0"], &known));
    let (port, asked) = tunnel::to(listener.port());
    let mut more = "[build]\nsteps = [{ shell = \"echo by $HTTPS_PROXY; env > passed\" }]\n".to_owned();
    for (name, host) in [("team", "hooks.test"), ("near", "0.0.0.0")] {
        more += &format!("[notify.{name}]\nurl = \"https://{host}:{}/x\"\n", listener.port());
        more += "on = [\"deployed\"]\n";
    }
    let mut sandbox = Sandbox::with(WINDLASS, &Manifest { more, ..Manifest::small() });
    sandbox.set("SSL_CERT_FILE", known.to_str().unwrap());
    sandbox.set("HTTPS_PROXY", &format!("http://ada:hunter2@127.0.0.1:{port}"));
    sandbox.set("no_proxy", "0.0.0.0");
    sandbox.succeed(&["deploy"]);
    until("both messages", || (listener.heard().len() == 2).then_some(()));
    assert!(listener.heard().iter().all(|message| message["event"] == "deployed"), "{:?}", listener.heard());
    let asked = asked.join().unwrap();
    assert!(asked.starts_with(&format!("CONNECT hooks.test:{} HTTP/1.1\r\n", listener.port())), "{asked}");
    assert!(asked.contains("Proxy-Authorization: Basic YWRhOmh1bnRlcjI=\r\n"), "{asked}");
    for process in sandbox.running("web") {
        assert!(!process.env.iter().any(|variable| variable.contains("hunter2")), "{:?}", process.env);
    }
    let passed = |sandbox: &Sandbox, release: &str| {
        let environment = sandbox.environment().join("releases").join(release).join("passed");
        let lines = std::fs::read_to_string(environment).unwrap();
        ["HTTPS_PROXY", "PIP_INDEX_URL", "SECRET_KEY"].map(|name| {
            lines.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('=').map(ToOwned::to_owned))
        })
    };
    assert_eq!(passed(&sandbox, "r1"), [Some(format!("http://ada:hunter2@127.0.0.1:{port}")), None, None]);
    let said = sandbox.succeed(&["logs", "build"]).stdout;
    assert!(said.starts_with("by http://***@127.0.0.1:") && !said.contains("hunter2"), "{said}");
    // They are those of the deploy, and not those that the host side was started with.
    sandbox.set("HTTPS_PROXY", "");
    sandbox.set("PIP_INDEX_URL", "http://packages.test/simple");
    sandbox.set("SECRET_KEY", "of whoever deploys");
    sandbox.change();
    sandbox.succeed(&["deploy"]);
    assert_eq!(passed(&sandbox, "r2"), [None, Some("http://packages.test/simple".to_owned()), None]);
    sandbox.down();
}

#[test]
fn a_crash_loop_is_told_of_once() {
    let listener = Listener::with_status(204, "");
    let more = format!("[notify.team]\nurl = \"http://{}/x\"\n", listener.address);
    let worker =
        Some("restart = { limit = 1, backoff = \"10ms\", again = \"100ms\" }\nsettle = \"0s\"".to_owned());
    let manifest = Manifest { worker, more, deploy: "bake = \"0s\"".to_owned(), ..Manifest::small() };
    let sandbox = Sandbox::with(WINDLASS, &manifest);
    sandbox.succeed(&["deploy"]);
    // It was well when it was deployed; now it is killed as often as it comes back: five times by two keepers and
    // a third, each of which gives it up at the second end.
    let mut killed = std::collections::BTreeSet::new();
    until("the third keeper", || {
        for process in sandbox.running("worker") {
            kill(process.pid, Signal::KILL);
            killed.insert(process.pid);
        }
        (killed.len() > 4).then_some(())
    });
    until("the message", || (!listener.heard().is_empty()).then_some(()));
    let heard = listener.heard();
    assert_eq!(heard.len(), 1, "{heard:?}");
    assert_eq!(heard[0]["event"], "crash-loop");
    assert_eq!(heard[0]["subject"], "worker.r1.1");
    sandbox.down();
}

// proves: APE-15
#[test]
fn a_copy_that_is_not_ready_for_longer_than_its_start_takes_is_told_of_once() {
    let listener = Listener::with_status(204, "");
    let more = format!("[notify.team]\nurl = \"http://{}/x\"\non = [\"unhealthy\"]\n", listener.address);
    let worker = "readiness = { command = { shell = \"test ! -e $WINDLASS_SHARED/lost || { echo no broker; exit 1; }\" }, \
                  interval = \"100ms\", start_period = \"5s\" }";
    let sandbox =
        Sandbox::with(WINDLASS, &Manifest { worker: Some(worker.into()), more, ..Manifest::small() });
    sandbox.succeed(&["deploy"]);
    std::fs::write(sandbox.environment().join("shared/lost"), "").unwrap();
    until("the message", || (!listener.heard().is_empty()).then_some(()));
    let heard = listener.heard();
    assert_eq!(
        (&heard[0]["event"], &heard[0]["subject"]),
        (&"unhealthy".into(), &"worker.r1.1".into()),
        "{heard:?}"
    );
    let summary = heard[0]["summary"].as_str().unwrap();
    assert!(summary.starts_with("worker.r1.1 has not been ready for 1"), "{summary}");
    assert!(summary.ends_with("s; no copy of worker is"), "{summary}");
    assert!(heard[0]["reason"].as_str().unwrap().contains("no broker"), "{heard:?}");
    sandbox.down();
}

#[test]
fn a_certificate_that_expires_soon_is_told_of_once_and_stands_on_the_health_page() {
    let listener = Listener::with_status(204, "");
    let more = format!(
        "[notify.team]\nurl = \"http://{}/x\"\non = [\"certificate\"]\n[[routes]]\npath = \"/up\"\nhealth = true\n",
        listener.address
    );
    let sandbox = Sandbox::with(WINDLASS, &Manifest { more, ..Manifest::small() });
    let mut params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    params.not_after = (std::time::SystemTime::now() + std::time::Duration::from_secs(5 * 24 * 3600)).into();
    let key = rcgen::KeyPair::generate().unwrap();
    let [chain, secret] = ["chain.pem", "key.pem"].map(|name| sandbox.root().join(name));
    std::fs::write(&chain, params.self_signed(&key).unwrap().pem()).unwrap();
    std::fs::write(&secret, key.serialize_pem()).unwrap();
    std::fs::set_permissions(&secret, PermissionsExt::from_mode(0o600)).unwrap();
    let text = std::fs::read_to_string(sandbox.source().join("windlass.toml")).unwrap();
    let free = free_port();
    let tls = format!(
        "[listen]\nhttps = \"127.0.0.1:{free}\"\ntls = [{{ certificate = {chain:?}, key = {secret:?} }}]"
    );
    sandbox.write("windlass.toml", &text.replacen("[listen]", &tls, 1));
    sandbox.succeed(&["deploy"]);
    until("the message", || (!listener.heard().is_empty()).then_some(()));
    let page: serde_json::Value = serde_json::from_str(&sandbox.get("/up").body).unwrap();
    assert_eq!(page["checks"]["windlass.certificates"]["status"], "warning", "{page}");
    assert_eq!(page["status"], "ok", "requests are answered yet: {page}");
    // The host side goes round, as its care for a copy without a keeper shows, and tells it no second time.
    let is_its = |process: &Process| process.argv.iter().any(|word| word.contains("/web.r1.1"));
    let keeper = || sandbox.keepers().into_iter().find(is_its).map(|process| process.pid);
    for _ in 0..2 {
        let before = keeper().unwrap();
        kill(before, Signal::KILL);
        until("another keeper", || keeper().filter(|pid| *pid != before));
    }
    let heard = listener.heard();
    assert_eq!((heard.len(), &heard[0]["event"]), (1, &"certificate".into()), "{heard:?}");
    assert!(heard[0]["reason"].as_str().unwrap().contains("expires on 20"), "{heard:?}");
    sandbox.down();
}

// proves: HS-21
#[test]
fn a_copy_that_is_not_alive_any_more_is_told_of() {
    let listener = Listener::with_status(204, "");
    let more = format!("[notify.team]\nurl = \"http://{}/x\"\non = [\"unhealthy\"]\n", listener.address);
    let web = "liveness = { http = \"/alive\", interval = \"100ms\", timeout = \"1s\", start_period = \"0s\", \
               unhealthy_after = 2 }";
    let manifest =
        Manifest { web: web.into(), more, deploy: "bake = \"0s\"".to_owned(), ..Manifest::small() };
    let sandbox = Sandbox::with(WINDLASS, &manifest);
    sandbox.behave("web.dead-after:100 web.told");
    sandbox.succeed(&["deploy"]);
    sandbox.let_die();
    until("the message", || (!listener.heard().is_empty()).then_some(()));
    let heard = &listener.heard()[0];
    assert_eq!((&heard["event"], &heard["subject"]), (&"unhealthy".into(), &"web.r1.1".into()), "{heard}");
    assert!(heard["reason"].as_str().unwrap().contains("503"), "{heard}");
    sandbox.down();
}
