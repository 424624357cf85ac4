//! Those who ask for runs: killed, racing, waiting for a host side that does not answer.

use std::process::Child;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;
use windlass_testkit::sandbox::score::Invariant;
use windlass_testkit::sandbox::{CurrentWatch, Manifest, Sandbox, kill, until};
use windlass_testkit::simulator::Random;

use super::boundaries::act_at_each;
use super::{deployed, exhaustive, kill_everything, line};

#[test]
fn the_controller_is_killed_at_every_step() {
    let line = line("the_controller_is_killed_at_every_step");
    let kill_it = |_: &Sandbox, deploy: &Child| kill(i32::try_from(deploy.id()).unwrap(), Signal::KILL);
    let all = act_at_each(&line, kill_it, |_| true, 0);
    line.held(&format!("at each of {all} boundaries, 0 failed requests"));
}

#[test]
fn many_deployers_at_once() {
    let line = line("many_deployers_at_once");
    for count in [2, 8] {
        let sandbox = deployed(&Manifest::default());
        sandbox.behave("migrate.wait");
        let watch = line.watch_at_pace(&sandbox, Duration::from_millis(40));
        let deployers: Vec<_> = (0..count).map(|_| sandbox.start(&["deploy"])).collect();
        // Whoever proceeds does not end before all others had their turn.
        until("all but one to be refused", || {
            (deployers.iter().filter(|deployer| deployer.runs()).count() <= 1).then_some(())
        });
        std::fs::write(sandbox.environment().join("shared/go"), "").unwrap();
        let limit = Duration::from_secs(60);
        let outputs: Vec<_> = deployers.into_iter().map(|deployer| line.ends(deployer, limit)).collect();
        let won = outputs.iter().filter(|output| output.code == 0).count();
        let runs = sandbox.succeed(&["runs", "--json"]).json();
        let deploys = runs.as_array().unwrap().iter().filter(|run| run["release"] == "r2").count();
        line.holds(Invariant::I5, won == 1 && deploys == 1, || format!("{runs}\n{outputs:#?}"));
        for output in outputs.iter().filter(|output| output.code != 0) {
            assert_eq!(output.code, 6, "{outputs:#?}");
            assert!(output.stderr.contains("Deploy fixture (local)"), "it names the holder: {output:#?}");
        }
        watch.end_without_loss();
        line.is_sound(&sandbox, &format!("{count} deployers"));
        sandbox.down();
    }
    line.held("2 and 8 at once: one proceeded, the others were refused and told who holds the lock");
}

/// The releases that were committed, oldest first, each with the one that was active before it.
fn committed(sandbox: &Sandbox) -> Vec<(u64, Option<u64>)> {
    let runs = sandbox.succeed(&["runs", "--limit", "10000", "--json"]).json();
    let number = |value: &Value| value.as_str().and_then(|id| id.strip_prefix('r')?.parse().ok());
    let done = runs.as_array().unwrap().iter().filter(|run| run["verdict"] == "done");
    let mut done: Vec<_> =
        done.map(|run| (number(&run["release"]).unwrap(), number(&run["previous"]))).collect();
    done.sort_unstable();
    done
}

#[test]
fn those_who_change_something_race() {
    let line = line("those_who_change_something_race");
    let sandbox = deployed(&Manifest { deploy: "bake = \"50ms\"".into(), ..Manifest::small() });
    sandbox.change();
    sandbox.succeed(&["deploy"]);
    let watch = line.watch_at_pace(&sandbox, Duration::from_millis(40));
    let verbs: [&[&str]; 5] = [&["deploy"], &["deploy"], &["rollback"], &["restart", "web"], &["abort"]];
    let seeds = if exhaustive() { 200 } else { 12 };
    let (mut asked, mut refused) = (0, 0);
    for seed in 0..seeds {
        let mut random = Random::new(seed);
        let mut started = Vec::new();
        for _ in 0..2 + random.below(7) {
            sandbox.change();
            let verb = *random.pick(&verbs).unwrap();
            started.push((verb, sandbox.start(verb)));
            // Who comes first, and how far the others are by then, is what the seed says.
            std::thread::sleep(Duration::from_millis(random.below(120) as u64));
        }
        asked += started.len();
        for (verb, command) in started {
            let output = line.ends(command, Duration::from_secs(60));
            let context = format!("seed {seed}, {verb:?}: {output:#?}");
            assert!(matches!(output.code, 0..=3 | 6) && !output.all().contains("panicked"), "{context}");
            if output.code == 6 {
                assert!(output.stderr.contains("fixture (local)"), "it names the holder: {context}");
                refused += 1;
            }
        }
        until("the runs to be over", || sandbox.status()["run"].is_null().then_some(()));
        line.is_sound(&sandbox, &format!("seed {seed}"));
        // One after another: each was made from the one that was active when it was committed.
        let committed = committed(&sandbox);
        let follow = committed.windows(2).all(|pair| pair[1].1 == Some(pair[0].0));
        let active = committed.last().map(|(release, _)| format!("r{release}"));
        let holds = follow && Some(sandbox.release()) == active;
        line.holds(Invariant::I5, holds, || format!("seed {seed}: {committed:?}"));
    }
    watch.end_without_loss();
    sandbox.down();
    assert!(refused > 0, "nobody came upon another");
    line.held(&format!(
        "{seeds} seeds, {asked} commands (deploy, rollback, restart, abort), 2 to 8 at once: each committed release was \
         made from the one before it, whoever was refused was told who holds the lock; 0 failed requests"
    ));
}

#[test]
fn the_host_side_freezes_and_wakes() {
    let line = line("the_host_side_freezes_and_wakes");
    let manifest = Manifest { deploy: "bake = \"500ms\"".into(), ..Manifest::default() };
    let sandbox = deployed(&manifest);
    let watch = line.watch_at_pace(&sandbox, Duration::from_millis(40));
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
        line.one_host_side(&sandbox, "frozen");
        kill(host, end);
        let output = line.ends(deploy, Duration::from_secs(60));
        assert_eq!(output.code, 0, "{output:#?}\n{}", sandbox.logs());
        // Whoever followed it was told too, while it was silent.
        assert!(output.stderr.contains(&format!("its process {host} is frozen")), "{output:#?}");
        line.is_sound(&sandbox, "woken");
        assert_eq!(sandbox.release(), release);
        assert_eq!(sandbox.host() == Some(host), end == Signal::CONT);
    }
    watch.end_without_loss();
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
    let watch = line.watch_at_pace(&sandbox, Duration::from_millis(40));
    // Twice: until the lease has passed and the run was settled, and until somebody else acts before.
    for beyond_the_lease in [true, false] {
        let before = sandbox.release();
        sandbox.lease(beyond_the_lease.then_some(5));
        sandbox.change();
        let sleeper = sandbox.start(&["deploy"]);
        until("the new release to answer", || (sandbox.answering() != before).then_some(()));
        sleeper.signal(Signal::STOP);
        kill(sandbox.host().unwrap(), Signal::KILL);
        if beyond_the_lease {
            until("the run to be settled", || sandbox.status()["run"].is_null().then_some(()));
            assert_eq!(sandbox.release(), before, "nobody claimed it, so it went back");
        }
        let other = sandbox.succeed(&["deploy"]);
        assert_eq!(other.stderr.contains("it is settled first"), !beyond_the_lease, "{other:#?}");
        let output = line.changes_nothing(Invariant::I5, &sandbox, "the sleeper woke", || {
            sleeper.signal(Signal::CONT);
            sleeper.finish()
        });
        assert_eq!(output.code, 3, "its run went back long ago, and it is told so: {output:#?}");
        line.is_sound(&sandbox, "the sleeper woke");
    }
    watch.end_without_loss();
    sandbox.down();
    line.held(
        "beyond the lease, and before it with another deployer: the one that woke was told that its run had \
         gone back, and changed nothing; 0 failed requests",
    );
}

#[test]
fn a_host_side_that_is_asked_to_end_comes_back() {
    let line = line("a_host_side_that_is_asked_to_end_comes_back");
    let sandbox = deployed(&Manifest::small());
    let before = sandbox.host().unwrap();
    kill(before, Signal::TERM);
    until("another host side", || sandbox.host().filter(|now| *now != before));
    line.one_host_side(&sandbox, "ended");
    sandbox.down();
    line.held("kill of the host side: its keeper started it again");
}

#[test]
fn another_build_looks_without_replacing_the_host_side() {
    let line = line("another_build_looks_without_replacing_the_host_side");
    let sandbox = deployed(&Manifest::small());
    // The same program with another time is another build.
    let other = sandbox.root().join("windlass");
    std::fs::copy(super::WINDLASS, &other).unwrap();
    let before = sandbox.host();
    for args in [&["plan"][..], &["status"], &["releases"], &["logs"], &["config", "diff", "local"]] {
        let _whatever_it_says = sandbox.command_of(&other, args).output().unwrap();
        assert_eq!(sandbox.host(), before, "{args:?}");
    }
    // Who changes something brings its own host side, but not into a run that is under way.
    sandbox.behave("web.slow-bind:1500");
    let deploy = sandbox.start(&["deploy"]);
    until("the run to hold the lock", || (sandbox.status()["run"]["locked"] == true).then_some(()));
    let open = sandbox.status()["run"]["run"].clone();
    let refused = sandbox.command_of(&other, &["restart"]).output().unwrap();
    let is_refused = (refused.status.code(), sandbox.host()) == (Some(6), before);
    let holds = is_refused && sandbox.status()["run"]["run"] == open;
    line.holds(Invariant::I5, holds, || format!("{refused:?}"));
    assert_eq!(deploy.finish().code, 0);
    line.is_sound(&sandbox, "the run that was not interrupted");
    let restarted = sandbox.command_of(&other, &["restart"]).output().unwrap();
    assert!(restarted.status.success(), "{restarted:?}");
    assert_ne!(sandbox.host(), before);
    sandbox.down();
    line.held("plan, status, releases and logs of another build left the host side alone; a run was not interrupted");
}

// proves: HS-8
#[test]
fn a_job_that_is_to_run_once_does_so_though_nobody_saw_its_end() {
    let line = line("a_job_that_is_to_run_once_does_so_though_nobody_saw_its_end");
    let more = r#"
[jobs.seed]
when = "once"
command = { shell = 'until [ -e "$GO" ]; do sleep 0.02; done; echo seeded >> "$SEEDED"' }
env = { GO = "{shared}/go-on", SEEDED = "{shared}/seeded" }
"#;
    let sandbox = Sandbox::with(super::WINDLASS, &Manifest { more: more.to_owned(), ..Manifest::small() });
    let current = CurrentWatch::begin(&sandbox);
    let deploy = sandbox.start(&["deploy"]);
    until("the job", || {
        let is_seed = |process: &windlass_testkit::sandbox::Process| {
            process.argv.iter().any(|word| word.contains("SEEDED"))
        };
        sandbox.processes().iter().any(is_seed).then_some(())
    });
    kill(deploy.pid(), Signal::KILL);
    let host = sandbox.host().unwrap();
    kill(host, Signal::STOP);
    std::fs::create_dir_all(sandbox.environment().join("shared")).unwrap();
    std::fs::write(sandbox.environment().join("shared/go-on"), "").unwrap();
    until("the job's end", || (sandbox.shared("seeded") == "seeded\n").then_some(()));
    kill(host, Signal::KILL);
    sandbox.succeed(&["resume"]);
    line.is_sound(&sandbox, "resumed");
    sandbox.change();
    sandbox.succeed(&["deploy"]);
    assert_eq!(sandbox.release(), "r2");
    line.ran_once(sandbox.shared("seeded").lines(), "the next deploy");
    line.was_finished(current);
    sandbox.down();
    line.held(
        "the host side killed while it ran, and it ended meanwhile: the next deploy did not run it again",
    );
}

#[test]
fn after_a_reboot_nobody_waits_for_an_interrupted_run() {
    let line = line("after_a_reboot_nobody_waits_for_an_interrupted_run");
    let sandbox = deployed(&Manifest { deploy: "bake = \"10m\"".into(), ..Manifest::small() });
    let current = CurrentWatch::begin(&sandbox);
    // Far longer than anything here is waited for.
    sandbox.lease(Some(100_000));
    sandbox.change();
    let deploy = sandbox.start(&["deploy"]);
    until("the new release to answer", || (sandbox.answering() == "r2").then_some(()));
    kill_everything(&sandbox);
    drop(deploy);
    sandbox.until_nothing_runs();
    // What the machine's start changes of what is on the disk.
    std::fs::write(sandbox.environment().join("state/boot"), "the boot before").unwrap();
    let status = sandbox.status();
    // What stands on the disk is of the boot before; on a quick machine its copies are back already.
    let is_ready = status["services"][0]["instances"][0]["ready"] == true;
    assert!(!is_ready || !sandbox.running("web").is_empty(), "{status:#}");
    until("the old release", || {
        let reply = windlass_testkit::sandbox::get(sandbox.port, "/version").ok()?;
        (reply.body == "r1").then_some(())
    });
    until("the end of the run", || sandbox.status()["run"].is_null().then_some(()));
    line.was_finished(current);
    line.is_sound(&sandbox, "the old release is back");
    sandbox.down();
    line.held("killed in the bake, and the machine started anew: the old release was back before any lease was over");
}
