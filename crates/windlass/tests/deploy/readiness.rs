//! Readiness by command: the host side asks, and the proxy does as it says.

use std::collections::BTreeSet;

use rustix::process::Signal;
use windlass_testkit::sandbox::{Manifest, Sandbox, kill, until};

use super::{WINDLASS, deployed};

/// Ready while its file is there. `more` are the other keys of the check.
fn by_command(more: &str) -> String {
    format!(
        "env = {{ COPY = \"{{replica}}\" }}\n\
         readiness = {{ command = {{ shell = \"test ! -e $WINDLASS_SHARED/lost.$COPY || {{ echo no broker; exit 1; }}\" }}, \
         timeout = \"5s\", start_period = \"20s\", {more} }}"
    )
}

const METRICS: &str = "[[routes]]\npath = \"/metrics\"\nmetrics = true\n";

/// Whether a copy gets requests, as the proxy says.
fn is_up(sandbox: &Sandbox, copy: &str) -> bool {
    let line = format!("windlass_endpoint_up{{instance=\"{copy}\"}} 1");
    sandbox.get("/metrics").body.lines().any(|found| found == line)
}

fn comes(sandbox: &Sandbox, copy: &str) {
    until("it to get requests", || is_up(sandbox, copy).then_some(()));
}

fn goes(sandbox: &Sandbox, copy: &str) {
    until("it to get none", || (!is_up(sandbox, copy)).then_some(()));
}

/// The process of a copy of the web service.
fn pid(sandbox: &Sandbox, number: usize) -> String {
    let status = sandbox.status();
    let services = status["services"].as_array().unwrap();
    let web = services.iter().find(|service| service["name"] == "web").unwrap();
    web["instances"][number - 1]["status"]["state"]["running"]["pid"].to_string()
}

/// Which processes answer.
fn answering(sandbox: &Sandbox) -> BTreeSet<String> {
    (0..20).map(|_| sandbox.get("/pid").body).collect()
}

fn lost(sandbox: &Sandbox, number: usize) -> std::path::PathBuf {
    sandbox.environment().join(format!("shared/lost.{number}"))
}

// proves: DC-3
#[test]
fn a_copy_whose_command_says_no_gets_no_requests_whoever_dies_meanwhile() {
    let manifest = Manifest {
        web: by_command("interval = \"100ms\", unhealthy_after = 2"),
        more: METRICS.to_owned(),
        ..Manifest { replicas: 2, ..Manifest::small() }
    };
    let sandbox = deployed(&manifest);
    let copies: BTreeSet<String> = (1..=2).map(|number| pid(&sandbox, number)).collect();
    assert_eq!(answering(&sandbox), copies);
    let second = BTreeSet::from([pid(&sandbox, 2)]);
    std::fs::write(lost(&sandbox, 1), "").unwrap();
    goes(&sandbox, "web.r1.1");
    assert_eq!(answering(&sandbox), second);

    let proxy = sandbox.proxy().unwrap();
    kill(proxy, Signal::KILL);
    assert_eq!(answering(&sandbox), second);
    assert_ne!(sandbox.proxy(), Some(proxy));

    let host = sandbox.host().unwrap();
    kill(host, Signal::KILL);
    until("another host side to have asked", || {
        assert_eq!(answering(&sandbox), second);
        let status = sandbox.status();
        (sandbox.host() != Some(host) && status.to_string().contains("no broker")).then_some(())
    });
    assert_eq!(answering(&sandbox), second);

    std::fs::remove_file(lost(&sandbox, 1)).unwrap();
    comes(&sandbox, "web.r1.1");
    assert_eq!(answering(&sandbox), copies);
    sandbox.down();
}

/// So often it could not have failed yet.
#[test]
fn a_process_that_comes_in_anothers_place_has_to_answer_before_it_gets_requests() {
    let manifest = Manifest {
        web: by_command("interval = \"1s\", unhealthy_after = 1000"),
        more: METRICS.to_owned(),
        ..Manifest { replicas: 2, ..Manifest::small() }
    };
    let sandbox = deployed(&manifest);
    let killed = pid(&sandbox, 1);
    std::fs::write(lost(&sandbox, 1), "").unwrap();
    kill(killed.parse().unwrap(), Signal::KILL);
    let next =
        until("another process", || Some(pid(&sandbox, 1)).filter(|pid| *pid != killed && pid != "null"));
    until("the command to be asked", || sandbox.status().to_string().contains("no broker").then_some(()));
    goes(&sandbox, "web.r1.1");
    assert!(!answering(&sandbox).contains(&next));
    std::fs::remove_file(lost(&sandbox, 1)).unwrap();
    comes(&sandbox, "web.r1.1");
    assert!(answering(&sandbox).contains(&next));
    sandbox.down();
}

/// The answer that was on its way when the process died says nothing of the next one, and may be long in coming.
#[test]
fn a_process_that_comes_while_the_command_runs_gets_no_requests_until_it_has_answered_itself() {
    let manifest = Manifest {
        web: "restart = { backoff = \"0s\" }\n\
              readiness = { command = { shell = \"while test -e $WINDLASS_SHARED/hangs; do echo >> \
              $WINDLASS_SHARED/asked; sleep 0.05; done\" }, interval = \"100ms\", timeout = \"60s\" }"
            .to_owned(),
        more: METRICS.to_owned(),
        ..Manifest::small()
    };
    let sandbox = deployed(&manifest);
    let shared = sandbox.environment().join("shared");
    std::fs::write(shared.join("hangs"), "").unwrap();
    until("the command to hang", || shared.join("asked").exists().then_some(()));
    assert!(is_up(&sandbox, "web.r1.1"));
    kill(pid(&sandbox, 1).parse().unwrap(), Signal::KILL);
    let waits = "its readiness check has not succeeded yet";
    until("the next one to be held back", || {
        let status = sandbox.status().to_string();
        status.contains(waits).then_some(())
    });
    goes(&sandbox, "web.r1.1");
    std::fs::remove_file(shared.join("hangs")).unwrap();
    comes(&sandbox, "web.r1.1");
    sandbox.down();
}

/// A worker's as well, of which the proxy knows nothing.
#[test]
fn a_release_whose_command_says_no_in_its_bake_goes_back() {
    for service in ["web", "worker"] {
        let check = by_command("interval = \"100ms\", unhealthy_after = 2")
            .replace("test ! -e", "test $WINDLASS_RELEASE = r1 || test ! -e");
        let mut manifest = Manifest { worker: Some(String::new()), ..Manifest::small() };
        match service {
            "web" => manifest.web = check,
            _ => manifest.worker = Some(check),
        }
        let sandbox = Sandbox::with(WINDLASS, &manifest);
        sandbox.succeed(&["deploy"]);
        sandbox.manifest(&Manifest { deploy: "bake = \"6s\"".to_owned(), ..manifest });
        sandbox.change();
        let deploy = sandbox.start(&["deploy"]);
        until("the switch", || (sandbox.answering() == "r2").then_some(()));
        std::fs::write(lost(&sandbox, 1), "").unwrap();
        let output = deploy.finish();
        assert_eq!(output.code, 3, "{output:#?}");
        let expected = format!("no copy of {service} is ready at the end of the bake: ");
        assert!(output.stderr.contains(&expected) && output.stderr.contains("no broker"), "{output:#?}");
        assert_eq!(sandbox.answering(), "r1");
        sandbox.down();
    }
}
