//! Whoever asked changes their mind, or goes away.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::Signal;
use windlass_testkit::sandbox::score::{Running, Watch};
use windlass_testkit::sandbox::{Manifest, Reply, Sandbox, until};

use super::{WINDLASS, deployed, line};

/// Has somebody ask for what is answered once [`let_go`] says so.
pub(super) fn hold(sandbox: &Sandbox) -> std::thread::JoinHandle<std::io::Result<Reply>> {
    let port = sandbox.port;
    let waits = std::thread::spawn(move || windlass_testkit::sandbox::get(port, "/held"));
    until("the request to arrive", || (!sandbox.shared("asked").is_empty()).then_some(()));
    waits
}

pub(super) fn let_go(sandbox: &Sandbox) {
    std::fs::write(sandbox.environment().join("shared/go"), "").unwrap();
}

/// A sandbox whose next deploy waits in its bake, for longer than anybody here waits for the deploy.
fn baking() -> Sandbox {
    let sandbox = deployed(&Manifest { deploy: "bake = \"10m\"".into(), ..Manifest::default() });
    sandbox.change();
    sandbox
}

fn wait_for_the_bake(sandbox: &Sandbox) {
    until("the new release to answer", || (sandbox.answering() == "r2").then_some(()));
}

fn is_back(line: &Running, sandbox: Sandbox, watch: Watch<'_>) {
    until("the run to be over", || sandbox.status()["run"].is_null().then_some(()));
    watch.end_without_loss();
    assert_eq!(
        sandbox.answering(),
        "r1",
        "{}\n{}",
        sandbox.run(&["status"]).all(),
        sandbox.run(&["runs"]).all()
    );
    assert_eq!(sandbox.running("web").len(), 2);
    line.is_sound(&sandbox, "it went back");
    sandbox.down();
}

#[test]
fn a_signal_turns_the_run_back() {
    let line = line("a_signal_turns_the_run_back");
    for signal in [Signal::INT, Signal::TERM] {
        let sandbox = baking();
        let watch = line.watch(&sandbox);
        let deploy = sandbox.start(&["deploy"]);
        wait_for_the_bake(&sandbox);
        deploy.signal(signal);
        let output = deploy.finish();
        assert_eq!(output.code, 3, "{signal:?}: {output:?}");
        is_back(&line, sandbox, watch);
    }
    line.held("");
}

/// What a terminal does that is closed, and what nohup is for.
#[test]
fn a_terminal_that_goes_away_ends_the_command_and_not_the_run() {
    let line = line("a_terminal_that_goes_away_ends_the_command_and_not_the_run");
    let sandbox = deployed(&Manifest { deploy: "bake = \"2s\"".into(), ..Manifest::default() });
    let watch = line.watch(&sandbox);
    let over = |release: &str| {
        until("the run to be over", || sandbox.status()["run"].is_null().then_some(()));
        assert_eq!(sandbox.answering(), release);
    };
    sandbox.change();
    let deploy = sandbox.start(&["deploy"]);
    wait_for_the_bake(&sandbox);
    deploy.signal(Signal::HUP);
    assert_eq!(deploy.finish().code, 129, "it ends as any command does");
    over("r2");
    sandbox.change();
    let mut shielded = sandbox.command_of(Path::new("nohup"), &[WINDLASS, "deploy"]);
    let mut shielded = shielded.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
    until("the new release to answer", || (sandbox.answering() == "r3").then_some(()));
    windlass_testkit::sandbox::kill(i32::try_from(shielded.id()).unwrap(), Signal::HUP);
    assert!(shielded.wait().unwrap().success(), "it was told to take no notice");
    over("r3");
    watch.end_without_loss();
    line.is_sound(&sandbox, "it went on");
    sandbox.down();
    line.held("");
}

#[test]
fn a_second_signal_leaves_the_run_alone_and_it_still_goes_back() {
    let line = line("a_second_signal_leaves_the_run_alone_and_it_still_goes_back");
    // The controller goes at once; what it asked for is heeded, whatever it was told meanwhile.
    for pause in [0, 2, 5] {
        let sandbox = baking();
        let watch = line.watch(&sandbox);
        let deploy = sandbox.start(&["deploy"]);
        wait_for_the_bake(&sandbox);
        deploy.signal(Signal::INT);
        std::thread::sleep(Duration::from_millis(pause));
        deploy.signal(Signal::INT);
        let output = deploy.finish();
        assert!(matches!(output.code, 3 | 4), "{output:?}");
        is_back(&line, sandbox, watch);
    }
    line.held("");
}

#[test]
fn abort_from_elsewhere_turns_the_run_back() {
    let line = line("abort_from_elsewhere_turns_the_run_back");
    let sandbox = baking();
    let watch = line.watch(&sandbox);
    let deploy = sandbox.start(&["deploy"]);
    wait_for_the_bake(&sandbox);
    let abort = sandbox.fail(&["abort"], 3);
    assert!(abort.stderr.contains("abort") || abort.stderr.contains("back"), "{abort:?}");
    assert_eq!(deploy.finish().code, 3);
    is_back(&line, sandbox, watch);
    line.held("");
}

#[test]
fn a_signal_during_the_build_leaves_nothing_behind() {
    let line = line("a_signal_during_the_build_leaves_nothing_behind");
    let manifest = Manifest {
        more: "[build]\nsteps = [{ shell = \"test $(cat version) = 0 || sleep 1000\" }]\n".into(),
        ..Manifest::default()
    };
    let sandbox = deployed(&manifest);
    sandbox.change();
    let watch = line.watch(&sandbox);
    let deploy = sandbox.start(&["deploy"]);
    let sleeps =
        || sandbox.processes().iter().any(|process| process.argv.first().is_some_and(|a| a == "sleep"));
    until("the build to sleep", || sleeps().then_some(()));
    deploy.signal(Signal::INT);
    let output = deploy.finish();
    assert!(matches!(output.code, 1 | 3), "{output:?}");
    assert!(!sleeps(), "the build goes on");
    assert!(!sandbox.environment().join("releases/r2").exists());
    is_back(&line, sandbox, watch);
    line.held("");
}

#[test]
fn a_signal_after_the_commit_is_told_that_nothing_goes_back() {
    let sandbox = deployed(&Manifest { deploy: "drain = \"30s\"".into(), ..Manifest::small() });
    // Whoever still waits for an answer holds up the end of the old copy.
    let waits = hold(&sandbox);
    sandbox.change();
    let mut deploy = sandbox.command(&["deploy"]);
    let mut deploy = deploy.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(deploy.stderr.take().unwrap()).lines().map(Result::unwrap);
    lines.find(|line| line.contains("] retire")).unwrap();
    // And it is told what holds it up.
    lines.find(|line| line.ends_with("web.r1.1 waits for 1 request")).unwrap();
    windlass_testkit::sandbox::kill(i32::try_from(deploy.id()).unwrap(), Signal::INT);
    assert_eq!(
        lines.find(|line| !line.starts_with('[')).unwrap(),
        "nothing goes back any more; the rest is carried out (once more to leave it alone)"
    );
    let_go(&sandbox);
    assert!(deploy.wait().unwrap().success());
    assert_eq!(waits.join().unwrap().unwrap().status, 200);
    assert_eq!(sandbox.answering(), "r2");
    sandbox.down();
}

/// Somebody deploys, finds that an older run has to be settled first, and thinks better of it.
#[test]
fn an_interrupt_while_an_older_run_is_settled_begins_nothing() {
    let sandbox =
        deployed(&Manifest { deploy: "bake = \"10m\"\ndrain = \"10m\"".into(), ..Manifest::small() });
    sandbox.change();
    let killed = sandbox.start(&["deploy"]);
    wait_for_the_bake(&sandbox);
    // Its way back waits for somebody who waits for an answer of the new copy.
    let waits = hold(&sandbox);
    killed.signal(Signal::KILL);
    let _killed = killed.finish();
    windlass_testkit::sandbox::kill(sandbox.host().unwrap(), Signal::KILL);
    let mut deploy = sandbox.command(&["deploy"]);
    let mut deploy =
        deploy.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(deploy.stderr.take().unwrap()).lines().map(Result::unwrap);
    lines.find(|line| line.contains("it is settled first")).unwrap();
    lines.find(|line| line.starts_with('[')).unwrap();
    windlass_testkit::sandbox::kill(i32::try_from(deploy.id()).unwrap(), Signal::INT);
    lines.find(|line| line.starts_with("stopping: ")).unwrap();
    let_go(&sandbox);
    let rest: Vec<String> = lines.collect();
    assert_eq!(deploy.wait().unwrap().code(), Some(4), "{rest:#?}");
    assert!(rest.contains(&"error: interrupted: what was asked for is not begun".to_owned()), "{rest:#?}");
    let _whatever_became_of_it = waits.join();
    assert!(sandbox.status()["run"].is_null());
    assert_eq!(sandbox.answering(), "r1");
    sandbox.down();
}

#[test]
fn a_killed_controller_does_not_stop_its_run() {
    let line = line("a_killed_controller_does_not_stop_its_run");
    let sandbox = deployed(&Manifest { deploy: "bake = \"1s\"".into(), ..Manifest::default() });
    sandbox.change();
    let watch = line.watch(&sandbox);
    let deploy = sandbox.start(&["deploy"]);
    wait_for_the_bake(&sandbox);
    deploy.signal(Signal::KILL);
    let _killed = deploy.finish();
    until("the run to be over", || sandbox.status()["run"].is_null().then_some(()));
    watch.end_without_loss();
    assert_eq!(sandbox.release(), "r2");
    line.is_sound(&sandbox, "it went on");
    sandbox.down();
    line.held("");
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let line = line("a_reader_that_goes_away_is_no_failure");
    let sandbox = deployed(&Manifest::default());
    sandbox.change();
    for args in [["deploy", "--json"], ["status", "--json"], ["logs", "--quiet"]] {
        let mut child = sandbox.command(&args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // As `| head -1`.
        let mut first = String::new();
        if args[0] != "logs" {
            BufReader::new(child.stdout.take().unwrap()).read_line(&mut first).unwrap();
        }
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{args:?}: {said}");
        assert!(!said.contains("panic"), "{args:?}: {said}");
    }
    line.is_sound(&sandbox, "nobody reads on");
    assert_eq!(sandbox.answering(), "r2");
    sandbox.down();
    line.held("");
}

#[test]
fn a_command_whose_asker_is_killed_leaves_nothing() {
    let sandbox = deployed(&Manifest::small());
    let asker = sandbox.start(&["run", "--", "sh", "-c", "echo begun > \"$0\"; sleep 100", "begun"]);
    let left = || {
        let in_directory = |name: &str| {
            let entries = std::fs::read_dir(sandbox.environment().join(name)).into_iter().flatten().flatten();
            entries.filter(|entry| entry.file_name().to_string_lossy().starts_with("run.")).count()
        };
        in_directory("jobs") + in_directory("logs")
    };
    until("the command", || (left() == 2).then_some(()));
    asker.signal(Signal::KILL);
    until("nothing of it", || (left() == 0).then_some(()));
    sandbox.down();
}
