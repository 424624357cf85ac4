//! Those who ask for runs: killed, racing, waiting for a host side that does not answer.

use std::time::Duration;

use rustix::process::Signal;
use windlass_testkit::sandbox::{Load, Manifest, kill, until, until_within};

use super::{act_at, boundaries, deployed, exhaustive, is_sound, line};

#[test]
fn the_controller_is_killed_at_every_step() {
    let line = line("the_controller_is_killed_at_every_step");
    let sandbox = deployed(&Manifest::default());
    let load = Load::at_pace(sandbox.port, Duration::from_millis(20));
    sandbox.change();
    let all = boundaries(&sandbox);
    let mut killed = 0;
    for boundary in (0..=all).step_by(if exhaustive() { 1 } else { 4 }) {
        sandbox.change();
        let _killed = act_at(&sandbox, boundary, |deploy| {
            kill(i32::try_from(deploy.id()).unwrap(), Signal::KILL);
        });
        until("the run to be over", || sandbox.status()["run"].is_null().then_some(()));
        is_sound(&sandbox, &format!("killed at boundary {boundary}"));
        killed += 1;
    }
    load.end().assert_none_failed();
    sandbox.down();
    line.held(&format!("{killed} of {} boundaries, 0 failed requests", all + 1));
}

#[test]
fn many_deployers_at_once() {
    let line = line("many_deployers_at_once");
    for count in [2, 8] {
        let sandbox = deployed(&Manifest::default());
        sandbox.behave("migrate.wait");
        let load = Load::at_pace(sandbox.port, Duration::from_millis(40));
        let deployers: Vec<_> = (0..count).map(|_| sandbox.start(&["deploy"])).collect();
        // Whoever proceeds does not end before all others had their turn.
        until("all but one to be refused", || {
            (deployers.iter().filter(|deployer| deployer.runs()).count() <= 1).then_some(())
        });
        std::fs::write(sandbox.environment().join("shared/go"), "").unwrap();
        let outputs: Vec<_> = deployers.into_iter().map(|deployer| deployer.finish()).collect();
        let won = outputs.iter().filter(|output| output.code == 0).count();
        assert_eq!(won, 1, "{outputs:#?}");
        for output in outputs.iter().filter(|output| output.code != 0) {
            assert_eq!(output.code, 6, "{outputs:#?}");
            assert!(output.stderr.contains("Deploy fixture (local)"), "it names the holder: {output:#?}");
        }
        load.end().assert_none_failed();
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
    let load = Load::at_pace(sandbox.port, Duration::from_millis(40));
    // It is let go on, or ended as the message says.
    for (release, end) in [("r2", Signal::CONT), ("r3", Signal::KILL)] {
        sandbox.change();
        let deploy = sandbox.start(&["deploy"]);
        until("the new release to answer", || (sandbox.answering() == release).then_some(()));
        let host = sandbox.host().unwrap();
        kill(host, Signal::STOP);
        let status = sandbox.run(&["status"]);
        assert_eq!(status.code, 1, "{status:?}");
        // It names the process, and how to go on.
        assert!(status.stderr.contains(&format!("its process {host} is frozen")), "{status:?}");
        assert!(status.stderr.contains(&format!("kill -KILL {host}")), "{status:?}");
        // A second host side does not come between: the lock is the kernel's.
        assert_eq!(sandbox.host(), Some(host));
        kill(host, end);
        let output = deploy.finish();
        assert_eq!(output.code, 0, "{output:#?}\n{}", sandbox.logs());
        // Whoever followed it was told too, while it was silent.
        assert!(output.stderr.contains(&format!("its process {host} is frozen")), "{output:#?}");
        is_sound(&sandbox, "woken");
        assert_eq!(sandbox.release(), release);
        assert_eq!(sandbox.host() == Some(host), end == Signal::CONT);
    }
    load.end().assert_none_failed();
    sandbox.down();
    line.held(
        "requests went on; who asked, and who followed, was told which process is frozen and how to end it; \
         the run went on when it woke, and when it was killed instead",
    );
}

#[test]
fn a_deployer_that_sleeps_beyond_its_lease_is_refused() {
    let line = line("a_deployer_that_sleeps_beyond_its_lease_is_refused");
    let manifest = Manifest { deploy: "bake = \"3s\"".into(), ..Manifest::default() };
    let sandbox = deployed(&manifest);
    let load = Load::at_pace(sandbox.port, Duration::from_millis(40));
    // Twice: until the lease has passed and the run was settled, and until somebody else acts before.
    for beyond_the_lease in [true, false] {
        let before = sandbox.release();
        sandbox.change();
        let sleeper = sandbox.start(&["deploy"]);
        until("the new release to answer", || (sandbox.answering() != before).then_some(()));
        sleeper.signal(Signal::STOP);
        kill(sandbox.host().unwrap(), Signal::KILL);
        if beyond_the_lease {
            until_within(Duration::from_secs(90), "the run to be settled", || {
                sandbox.status()["run"].is_null().then_some(())
            });
            assert_eq!(sandbox.release(), before, "nobody claimed it, so it went back");
        }
        let other = sandbox.succeed(&["deploy"]);
        assert_eq!(other.stderr.contains("it is settled first"), !beyond_the_lease, "{other:#?}");
        let now = sandbox.release();
        sleeper.signal(Signal::CONT);
        let output = sleeper.finish();
        assert_eq!(output.code, 3, "its run went back long ago, and it is told so: {output:#?}");
        is_sound(&sandbox, "the sleeper woke");
        assert_eq!(sandbox.release(), now, "the sleeper changed something: {output:#?}");
    }
    load.end().assert_none_failed();
    sandbox.down();
    line.held(
        "beyond the lease, and before it with another deployer: the one that woke was told that its run had \
         gone back, and changed nothing; 0 failed requests",
    );
}
