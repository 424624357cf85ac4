//! What crashes comes back by itself: the proxy before anything is waited for, what was given up when there
//! is hope again.

use rustix::process::Signal;
use windlass_testkit::sandbox::{Manifest, Process, Sandbox, get, kill, until};

use super::deployed;

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
    let _starts_the_host_side = sandbox.status();
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
