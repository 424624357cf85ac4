//! What crashes comes back by itself: the proxy before anything is waited for, what was given up when there
//! is hope again.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;

use rustix::process::Signal;
use windlass_testkit::sandbox::{Manifest, Process, Sandbox, get, kill, until};

use super::{WINDLASS, deployed};

/// Kills all that is of Windlass itself, keepers first; the application goes on.
fn kill_windlass(sandbox: &Sandbox) {
    let is_own = |process: &Process| process.argv.first().is_some_and(|path| path.ends_with("/windlass"));
    until("the end of all that is of Windlass", || {
        let mut own: Vec<Process> = sandbox.processes().into_iter().filter(is_own).collect();
        own.sort_by_key(|process| !process.is("windlass", "keeper"));
        own.iter().for_each(|process| kill(process.pid, Signal::KILL));
        own.is_empty().then_some(())
    });
}

#[test]
fn the_proxy_comes_back_before_an_interrupted_run_is_settled() {
    let sandbox = deployed(&Manifest::small());
    sandbox.manifest(&Manifest { deploy: "bake = \"50s\"".to_owned(), ..Manifest::small() });
    sandbox.change();
    let deploy = sandbox.start(&["deploy"]);
    until("the bake", || (sandbox.answering() == "r2").then_some(()));
    kill_windlass(&sandbox);
    drop(deploy);
    let copies = sandbox.running("web").len();
    assert_eq!(copies, 2, "the application lives");
    // What it has started itself it does not call missing.
    let status = sandbox.status();
    assert!(!status["problems"].to_string().contains("proxy"), "{status}");
    until("an answer", || get(sandbox.port, "/version").ok().filter(|reply| reply.status == 200));
    let status = sandbox.status();
    assert_eq!(status["run"]["under_way"], false, "it waits to be claimed: {status}");
    assert!(!status["problems"].to_string().contains("proxy"), "{status}");
    let back = sandbox.run(&["abort"]);
    assert_eq!(back.code, 3, "{back:#?}");
    let runs = sandbox.succeed(&["runs"]).stdout;
    let last = runs.lines().find(|line| line.contains("requests:")).unwrap();
    assert!(last.contains("requests: not known"), "{runs}");
    sandbox.down();
}

/// What answers as a Redis does, until it is dropped.
struct Store {
    address: SocketAddr,
    listener: Arc<TcpListener>,
}

impl Store {
    fn at(address: SocketAddr) -> Self {
        let listener = Arc::new(TcpListener::bind(address).unwrap());
        let (address, accepting) = (listener.local_addr().unwrap(), listener.clone());
        std::thread::spawn(move || {
            while let Ok((mut stream, _)) = accepting.accept() {
                let mut asked = [0; 512];
                while stream.read(&mut asked).is_ok_and(|count| count > 0)
                    && stream.write_all(b"+PONG\r\n").is_ok()
                {}
            }
        });
        Self { address, listener }
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        rustix::net::shutdown(&self.listener, rustix::net::Shutdown::Both).unwrap();
    }
}

// proves: DC-3
#[test]
fn what_was_given_up_is_tried_again_after_a_pause_and_when_what_it_needs_is_back() {
    let store = Store::at((Ipv4Addr::LOCALHOST, 0).into());
    let service = |name: &str, more: &str| {
        format!(
            "[services.{name}]\ncommand = {{ shell = \"test -e \\\"$UP\\\" && exec sleep 1000\" }}\nsettle = \"50ms\"\n\
             env.UP = \"{{shared}}/up\"\n{more}\n"
        )
    };
    let restart = |again: &str| {
        format!("restart = {{ limit = 1, backoff = \"10ms\", window = \"5s\", again = \"{again}\" }}")
    };
    let more = [
        format!("[resources.store]\nengine = \"redis\"\nurl = \"redis://{}\"\n", store.address),
        service("needy", &format!("needs = [\"store\"]\n{}", restart("10m"))),
        service("patient", &restart("2s")),
        service("spent", &restart("0s")),
    ];
    let sandbox = Sandbox::with(WINDLASS, &Manifest { more: more.concat(), ..Manifest::small() });
    let up = sandbox.environment().join("shared/up");
    std::fs::create_dir_all(up.parent().unwrap()).unwrap();
    std::fs::write(&up, "").unwrap();
    sandbox.succeed(&["deploy"]);

    let copies = ["needy", "patient", "spent"];
    let sleepers = || sandbox.processes().into_iter().filter(|process| process.is("sleep", "1000"));
    let runs = |name: &str| {
        let label = format!("/instances/{name}.r1.1#");
        sleepers().any(|process| process.env.iter().any(|variable| variable.contains(&label)))
    };
    std::fs::remove_file(&up).unwrap();
    let address = store.address;
    drop(store);
    sleepers().for_each(|process| kill(process.pid, Signal::KILL));
    let problems = until("three crash loops", || {
        let problems = sandbox.status()["problems"].to_string();
        let all =
            copies.iter().all(|name| problems.contains(&format!("{name}.r1.1 crashed 2 times within 5s")));
        all.then_some(problems)
    });
    let said =
        |name: &str| problems.split("\",\"").find(|problem| problem.contains(name)).unwrap().to_owned();
    assert!(said("spent").contains("and is left alone; "), "{problems}");
    assert!(said("needy").contains("and is tried again in "), "{problems}");
    // Once one was tried again, all of them have been looked at, and the store with them.
    let restarts = |status: &serde_json::Value| {
        let services = status["services"].as_array().unwrap();
        let patient = services.iter().find(|service| service["name"] == "patient").unwrap();
        patient["instances"][0]["status"]["restarts"].as_u64().unwrap()
    };
    let before = restarts(&sandbox.status());
    until("one to be tried again in vain", || (restarts(&sandbox.status()) >= before + 2).then_some(()));
    let _store = Store::at(address);
    std::fs::write(&up, "").unwrap();
    until("those that are tried again", || (runs("needy") && runs("patient")).then_some(()));
    assert!(!runs("spent"), "it was to be left alone");
    sandbox.down();
}
