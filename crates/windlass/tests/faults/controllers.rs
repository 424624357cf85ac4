//! Those who ask for runs: killed, racing, waiting for a host side that does not answer.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use windlass_testkit::sandbox::{Load, Manifest, kill, until};

use super::{deployed, is_sound, line};

#[test]
fn the_controller_is_killed_at_any_moment() {
    let line = line("the_controller_is_killed_at_any_moment");
    let sandbox = deployed(&Manifest::default());
    let load = Load::at_pace(sandbox.port, Duration::from_millis(20));
    for millis in [0, 5, 15, 30, 60, 120, 250, 400, 600] {
        sandbox.change();
        let deploy = sandbox.start(&["deploy"]);
        std::thread::sleep(Duration::from_millis(millis));
        deploy.signal(Signal::KILL);
        let _killed = deploy.finish();
        until("the run to be over", || sandbox.status()["run"].is_null().then_some(()));
        is_sound(&sandbox, &format!("killed after {millis} ms"));
    }
    load.end().assert_none_failed(5);
    sandbox.down();
    line.held("9 moments, 0 failed requests");
}

#[test]
fn many_deployers_at_once() {
    let line = line("many_deployers_at_once");
    for count in [2, 8] {
        let manifest = Manifest { deploy: "bake = \"3s\"".into(), ..Manifest::default() };
        let sandbox = deployed(&manifest);
        sandbox.change();
        let load = Load::at_pace(sandbox.port, Duration::from_millis(40));
        let deployers: Vec<_> = (0..count).map(|_| sandbox.start(&["deploy"])).collect();
        let outputs: Vec<_> = deployers.into_iter().map(|deployer| deployer.finish()).collect();
        let won = outputs.iter().filter(|output| output.code == 0).count();
        assert_eq!(won, 1, "{outputs:#?}");
        for output in outputs.iter().filter(|output| output.code != 0) {
            assert_eq!(output.code, 6, "{outputs:#?}");
            assert!(output.stderr.contains("Deploy fixture (local)"), "it names the holder: {output:#?}");
        }
        load.end().assert_none_failed(5);
        is_sound(&sandbox, &format!("{count} deployers"));
        sandbox.down();
    }
    line.held("2 and 8 at once: one proceeded, the others were refused and told who holds the lock");
}

#[test]
fn the_host_side_freezes_and_wakes() {
    let line = line("the_host_side_freezes_and_wakes");
    let manifest = Manifest { deploy: "bake = \"500ms\"".into(), ..Manifest::default() };
    let sandbox = deployed(&manifest);
    sandbox.change();
    let load = Load::at_pace(sandbox.port, Duration::from_millis(40));
    let deploy = sandbox.start(&["deploy"]);
    until("the new release to answer", || (sandbox.answering() == "r2").then_some(()));
    let host = sandbox.host().unwrap();
    kill(host, Signal::STOP);
    let began = Instant::now();
    let status = sandbox.run(&["status"]);
    assert_ne!(status.code, 0);
    assert!(status.stderr.contains("does not answer"), "{status:?}");
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    // A second host side does not come between: the lock is the kernel's.
    kill(host, Signal::CONT);
    assert_eq!(deploy.finish().code, 0);
    load.end().assert_none_failed(5);
    is_sound(&sandbox, "woken");
    assert_eq!(sandbox.host(), Some(host));
    sandbox.down();
    line.held("requests went on; who asked was told within 20 s; the run went on when it woke");
}
