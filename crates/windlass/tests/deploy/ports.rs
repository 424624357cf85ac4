//! A port that was chosen for a copy, and that somebody else takes before the copy listens there.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use windlass_testkit::sandbox::{Manifest, Sandbox, until};

use super::WINDLASS;

/// Who answers everything at a port that is another's.
struct Stranger {
    port: u16,
    leaves: Arc<AtomicBool>,
    serving: Option<JoinHandle<()>>,
}

impl Stranger {
    fn at(port: u16) -> Self {
        let listener = until("the port", || TcpListener::bind(("127.0.0.1", port)).ok());
        let leaves = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&leaves);
        let serving = std::thread::spawn(move || {
            for connection in listener.incoming() {
                if told.load(Ordering::Relaxed) {
                    return;
                }
                let Ok(mut connection) = connection else { continue };
                // Whoever only looks whether somebody listens asks nothing.
                if connection.read(&mut [0; 4096]).is_ok_and(|read| read > 0) {
                    let _gone = connection.write_all(
                        b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\nConnection: close\r\n\r\nstranger",
                    );
                }
            }
        });
        Self { port, leaves, serving: Some(serving) }
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        self.leaves.store(true, Ordering::Relaxed);
        let _wakes_it = std::net::TcpStream::connect(("127.0.0.1", self.port));
        if let Some(serving) = self.serving.take() {
            let _ended = serving.join();
        }
    }
}

/// The ports that the copy was started at, in their order.
fn ports(sandbox: &Sandbox, count: usize) -> Vec<u16> {
    until("the copy to be started", || {
        let ports: Vec<u16> = sandbox.shared("ports").lines().map(|port| port.parse().unwrap()).collect();
        (ports.len() >= count).then_some(ports)
    })
}

fn let_listen(sandbox: &Sandbox, port: u16) {
    std::fs::write(sandbox.environment().join(format!("shared/go.{port}")), "").unwrap();
}

/// It says where it is to listen, and does when it is let.
fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new(WINDLASS);
    let web = "readiness = { http = \"/health\", interval = \"100ms\", timeout = \"1s\", start_period = \"60s\" }\n\
               stop = { grace = \"2s\" }";
    let manifest = Manifest { web: web.to_owned(), ..Manifest::small() };
    let argv = format!("[{:?}, \"web\"]", sandbox.fixture());
    let shell = format!(
        "{{ shell = \"echo $PORT >> $WINDLASS_SHARED/ports; n=0; while [ ! -e $WINDLASS_SHARED/go.$PORT ] && \
         [ $n -lt 3000 ]; do n=$((n+1)); sleep 0.02; done; exec {} web\" }}",
        sandbox.fixture().display()
    );
    let text = manifest.text(&sandbox.fixture().display().to_string(), sandbox.port);
    sandbox.write("windlass.toml", &text.replace(&argv, &shell));
    sandbox
}

#[test]
fn a_copy_that_other_machines_can_reach_past_the_proxy_is_told_of() {
    let sandbox = Sandbox::new(WINDLASS);
    let manifest = Manifest { web: "readiness = { http = \"/\" }".to_owned(), ..Manifest::small() };
    let text = manifest.text(&sandbox.fixture().display().to_string(), sandbox.port);
    let argv = format!("[{:?}, \"web\"]", sandbox.fixture());
    for (address, is_told) in [("0.0.0.0", true), ("127.0.0.1", false)] {
        let server =
            format!("[\"python3\", \"-m\", \"http.server\", \"--bind\", \"{address}\", \"{{port}}\"]");
        sandbox.write("windlass.toml", &text.replace(&argv, &server));
        let output = sandbox.succeed(&["deploy"]);
        let told = output.all().contains("it also listens where other machines may come past the proxy");
        assert_eq!(told, is_told, "{address}: {output:#?}");
    }
    sandbox.down();
}

#[test]
fn a_copy_whose_port_somebody_else_takes_is_started_at_another_and_he_gets_no_requests() {
    let sandbox = sandbox();
    let deploy = sandbox.start(&["deploy"]);
    // He answers well before the copy listens at all.
    let first = Stranger::at(ports(&sandbox, 1)[0]);
    // This one does not answer, and the copy ends because it cannot listen.
    let second = ports(&sandbox, 2)[1];
    let silent = TcpListener::bind(("127.0.0.1", second)).unwrap();
    let_listen(&sandbox, second);
    let third = ports(&sandbox, 3)[2];
    let_listen(&sandbox, third);
    let output = deploy.finish();
    assert_eq!(output.code, 0, "{output:#?}");
    assert_eq!(sandbox.answering(), "r1");
    for (taken, next) in [(first.port, second), (second, third)] {
        let said = format!("something else has port {taken}, which was chosen for web.r1.1: ");
        assert!(output.all().contains(&said), "{said}\n{output:#?}");
        let moved = format!("; web.r1.1 is started again at port {next}");
        assert!(output.all().contains(&moved), "{moved}\n{output:#?}");
    }
    drop((first, silent));
    sandbox.down();
}
