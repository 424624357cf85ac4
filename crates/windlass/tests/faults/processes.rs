//! Windlass's own processes are killed, and the application's.

use std::time::Duration;

use rustix::process::Signal;
use windlass_testkit::sandbox::{CurrentWatch, Manifest, Process, Sandbox, kill, lives, until};

use super::boundaries::act_at_each;
use super::{deployed, keeper_of, kill_everything, line};

/// So many requests may be in flight in a proxy.
const IN_FLIGHT: usize = 3;

#[test]
fn the_proxy_is_killed_at_every_step_and_between() {
    let line = line("the_proxy_is_killed_at_every_step_and_between");
    let kill_it = |sandbox: &Sandbox| {
        let before = sandbox.proxy().unwrap();
        kill(before, Signal::KILL);
        until("another proxy", || sandbox.proxy().filter(|pid| *pid != before));
    };
    // What was in flight in a process that is killed is lost; the listening socket is not. What a killed proxy had in
    // flight can be what its release is judged by.
    let is_well = |code| matches!(code, Some(0 | 3));
    let all = act_at_each(&line, |sandbox, _| kill_it(sandbox), is_well, IN_FLIGHT);
    let sandbox = deployed(&Manifest::small());
    let watch = line.watch(&sandbox);
    kill_it(&sandbox);
    let seen = watch.end();
    assert!(seen.failed().len() <= IN_FLIGHT, "{:#?}", seen.failed());
    line.is_sound(&sandbox, "killed between deploys");
    sandbox.down();
    line.held(&format!(
        "at each of {all} boundaries and between deploys: at most the requests in flight were lost \
         ({IN_FLIGHT} allowed for each)"
    ));
}

#[test]
fn keepers_are_killed() {
    let line = line("keepers_are_killed");
    let sandbox = deployed(&Manifest::default());
    let watch = line.watch(&sandbox);
    let web: Vec<i32> = sandbox.running("web").iter().map(|process| process.pid).collect();
    let keepers = sandbox.keepers();
    assert!(keepers.len() >= 6, "{keepers:#?}");
    for keeper in &keepers {
        kill(keeper.pid, Signal::KILL);
    }
    until("keepers for all", || {
        let now = sandbox.keepers();
        let is_another = |keeper: &Process| keepers.iter().all(|former| former.pid != keeper.pid);
        (now.len() == keepers.len() && now.iter().all(is_another)).then_some(())
    });
    watch.end_without_loss();
    assert!(web.iter().all(|pid| lives(*pid)), "the application was ended");
    // Those of a release that comes into force: where it is waited for, and where it is watched.
    let watch = line.watch(&sandbox);
    sandbox.manifest(&Manifest {
        worker: Some("settle = \"1s\"".into()),
        deploy: "bake = \"3s\"".into(),
        ..Manifest::default()
    });
    sandbox.change();
    let deploy = sandbox.start(&["deploy"]);
    let keeper = |copy: &str| {
        let is_its = |keeper: &Process| keeper.argv.iter().any(|word| word.ends_with(copy));
        until("a keeper", || sandbox.keepers().into_iter().find(is_its)).pid
    };
    let copies = ["worker.r2.1", "web.r2.1"];
    until("the new worker", || (sandbox.running("worker").len() == 2).then_some(()));
    let mut killed = vec![keeper(copies[0])];
    kill(killed[0], Signal::KILL);
    until("the new release to answer", || (sandbox.answering() == "r2").then_some(()));
    killed.push(keeper(copies[1]));
    kill(killed[1], Signal::KILL);
    let output = deploy.finish();
    assert_eq!(output.code, 0, "{output:#?}");
    watch.end_without_loss();
    for (copy, killed) in copies.iter().zip(killed) {
        until("another keeper", || (keeper(copy) != killed).then_some(()));
    }
    line.is_sound(&sandbox, "keepers killed");
    assert!(web.iter().all(|pid| !lives(*pid)));
    sandbox.down();
    line.held(
        "all at once, and those of a new release before it is ready and in its bake: 0 failed requests, each process has a \
         keeper again, the deploy comes to its end and stops the old",
    );
}

#[test]
fn everything_is_killed_at_once_as_by_a_reboot() {
    let line = line("everything_is_killed_at_once_as_by_a_reboot");
    let sandbox = deployed(&Manifest::default());
    let current = CurrentWatch::begin(&sandbox);
    for during_deploy in [false, true] {
        let deploy = during_deploy.then(|| {
            sandbox.manifest(&Manifest { deploy: "bake = \"60s\"".into(), ..Manifest::default() });
            sandbox.change();
            let deploy = sandbox.start(&["deploy"]);
            until("the new release to answer", || (sandbox.answering() == "r2").then_some(()));
            deploy
        });
        kill_everything(&sandbox);
        drop(deploy);
        sandbox.until_nothing_runs();
        // As the first command after the boot.
        let _any = sandbox.run(&["abort"]);
        until("an answer", || {
            let reply = windlass_testkit::sandbox::get(sandbox.port, "/version").ok()?;
            (reply.status == 200).then_some(())
        });
        until("all services", || {
            let whole = sandbox.running("web").len() == 2 && sandbox.running("scheduler").len() == 1;
            (whole && sandbox.running("worker").len() == 1).then_some(())
        });
        line.is_sound(&sandbox, &format!("during a deploy: {during_deploy}"));
        assert_eq!(sandbox.release(), "r1");
    }
    line.was_finished(current);
    sandbox.down();
    line.held("between deploys and in the bake: the old release answers after the first command");
}

// proves: HS-17
#[test]
fn a_copy_without_its_keeper_is_stopped_like_any_other() {
    let line = line("a_copy_without_its_keeper_is_stopped_like_any_other");
    let sandbox = deployed(&Manifest::small());
    let web = sandbox.running("web")[0].pid;
    kill(keeper_of(&sandbox, "web.r1.1"), Signal::KILL);
    // At once: before anybody gave it another.
    sandbox.succeed(&["stop"]);
    assert!(!lives(web), "{:#?}", sandbox.processes());
    sandbox.succeed(&["restart"]);
    assert_eq!(sandbox.running("web").len(), 1);
    line.is_sound(&sandbox, "started again");
    sandbox.down();
    line.held("its keeper killed, and the application stopped in the same instant: nothing of it was left");
}

/// Whether the kernel tells how a process ended also whom it was not started by.
fn tells_adopters() -> bool {
    let release = rustix::system::uname().release().to_string_lossy().into_owned();
    let mut numbers = release.split(['.', '-']).map_while(|number| number.parse::<u32>().ok());
    (numbers.next(), numbers.next()) >= (Some(6), Some(15))
}

#[test]
fn the_keeper_of_a_migration_is_killed() {
    let line = line("the_keeper_of_a_migration_is_killed");
    let sandbox = deployed(&Manifest::default());
    sandbox.behave("migrate.wait");
    let watch = line.watch(&sandbox);
    let deploy = sandbox.start(&["deploy"]);
    let migration = until("the migration", || sandbox.running("job").first().map(|job| job.pid));
    let keeper = keeper_of(&sandbox, "r2.migrate");
    // One that dies before it has written down what it started leaves nobody who could see the end.
    let status = sandbox.environment().join("jobs/r2.migrate/status.json");
    until("the migration in the keeper's status", || {
        std::fs::read_to_string(&status).ok()?.contains(&migration.to_string()).then_some(())
    });
    kill(keeper, Signal::KILL);
    let is_another = |process: &windlass_testkit::sandbox::Process| {
        process.pid != keeper && process.argv.iter().any(|word| word.contains("r2.migrate"))
    };
    // It sees how the migration ends from when it holds it.
    let holds = |process: &windlass_testkit::sandbox::Process| {
        let held = std::fs::read_dir(format!("/proc/{}/fdinfo", process.pid)).into_iter().flatten().flatten();
        held.filter_map(|entry| std::fs::read_to_string(entry.path()).ok())
            .any(|facts| facts.lines().any(|line| line == format!("Pid:\t{migration}")))
    };
    until("another keeper", || {
        sandbox.keepers().iter().any(|process| is_another(process) && holds(process)).then_some(())
    });
    assert!(lives(migration) && deploy.runs(), "the deploy waits for what it began");
    std::fs::write(sandbox.environment().join("shared/go"), "").unwrap();
    let output = deploy.finish();
    if tells_adopters() {
        assert_eq!(output.code, 0, "{output:#?}");
    } else {
        assert_eq!(output.code, 3, "{output:#?}");
        assert!(output.all().contains("ended while nobody could see how"), "{output:#?}");
    }
    assert_eq!(sandbox.shared("migrate").lines().filter(|line| line.contains("r2")).count(), 1);
    watch.end_without_loss();
    line.is_sound(&sandbox, "the keeper of a migration killed");
    sandbox.down();
    line.held(
        "another keeper takes over, the deploy waits for the migration, which ran once; 0 failed requests",
    );
}

/// The process that started another.
fn parent_of(sandbox: &Sandbox, pid: i32) -> i32 {
    let processes = sandbox.processes();
    processes.iter().find(|process| process.pid == pid).map(|process| process.parent).unwrap()
}

/// The first run waits for a file and fails; the next takes for ever. How the first ended stands until the one
/// after that is left out, ten seconds or more.
const SLOW_CRON: &str = r#"
[cron.bill]
command = { shell = "mkdir $WINDLASS_SHARED/first || exec sleep 600; until test -e $WINDLASS_SHARED/go; do sleep 0.05; done; exit 3" }
schedule = "*/10 * * * * *"
"#;

#[test]
fn the_host_side_is_killed_while_a_cron_job_runs() {
    let line = line("the_host_side_is_killed_while_a_cron_job_runs");
    // It ends when somebody looks again, and while nobody does.
    for is_seen in [true, false] {
        let sandbox = deployed(&Manifest { more: SLOW_CRON.to_owned(), ..Manifest::small() });
        let outcome = || sandbox.status()["crons"][0]["outcome"].clone();
        let shared = sandbox.environment().join("shared");
        until("the first run", || shared.join("first").exists().then_some(()));
        let run = keeper_of(&sandbox, "cron.bill");
        let host = sandbox.host().unwrap();
        if !is_seen {
            // What would bring it back. The first command does, too.
            kill(parent_of(&sandbox, host), Signal::KILL);
        }
        kill(host, Signal::KILL);
        if is_seen {
            until("another host side", || sandbox.host().filter(|pid| *pid != host));
        }
        std::fs::write(shared.join("go"), "").unwrap();
        if !is_seen {
            until("the end of the run", || (!lives(run)).then_some(()));
        }
        until("its outcome", || (outcome() == "failed: exit code 3").then_some(()));
        line.one_host_side(&sandbox, "another host side");
        sandbox.down();
    }
    line.held("the run goes on; how it ended, before or after, is noted and told of by the next host side");
}

/// A service that writes over its environment, as those do that show a title in `ps`, and notes what it was given.
const ENTITLED: &str = r#"
[services.entitled]
command = ["perl", "-e", "open F, '>>', $ENV{NOTES}; print F \"$ENV{WORD}\\n\"; close F; $0 = 'x' x 4000; sleep 1 while 1"]
env = { WORD = "given", NOTES = "{shared}/notes" }
settle = "100ms"
restart = { backoff = "10ms" }
"#;

#[test]
fn a_process_that_writes_over_its_environment_is_started_again_with_it() {
    let line = line("a_process_that_writes_over_its_environment_is_started_again_with_it");
    let sandbox = deployed(&Manifest { more: ENTITLED.to_owned(), ..Manifest::small() });
    let copy = || {
        let status = sandbox.status();
        let services = status["services"].as_array().unwrap();
        let service = services.iter().find(|service| service["name"] == "entitled").unwrap();
        let status = &service["instances"][0]["status"];
        let number = |value: &serde_json::Value| i32::try_from(value.as_i64().unwrap_or_default()).unwrap();
        (number(&status["keeper"]), number(&status["state"]["running"]["pid"]))
    };
    let (keeper, process) = copy();
    kill(keeper, Signal::KILL);
    until("another keeper", || (lives(copy().0) && copy().0 != keeper).then_some(()));
    assert!(lives(process), "the process went on");
    kill(process, Signal::KILL);
    until("the second start", || (sandbox.shared("notes").lines().count() == 2).then_some(()));
    assert_eq!(sandbox.shared("notes"), "given\ngiven\n");
    sandbox.down();
    line.held("its keeper and then itself killed: it came back with the environment that it was given");
}

// proves: HS-17
#[test]
fn the_release_that_serves_is_looked_after_during_a_long_migration() {
    let line = line("the_release_that_serves_is_looked_after_during_a_long_migration");
    let web = "liveness = { http = \"/alive\", interval = \"100ms\", timeout = \"300ms\", start_period = \"0s\", \
               unhealthy_after = 2 }\nstop = { grace = \"200ms\" }\nrestart = { backoff = \"10ms\" }";
    let sandbox = deployed(&Manifest { web: web.into(), replicas: 1, ..Manifest::default() });
    sandbox.behave("migrate.wait");
    let deploy = sandbox.start(&["deploy"]);
    until("the migration", || (!sandbox.running("job").is_empty()).then_some(()));
    // Its keeper and itself are killed, and the one that comes instead hangs.
    let first = sandbox.running("web")[0].pid;
    kill(keeper_of(&sandbox, "web.r1.1"), Signal::KILL);
    kill(first, Signal::KILL);
    let other = |than: i32| {
        until("another process", || {
            let web = sandbox.running("web");
            web.iter().map(|process| process.pid).find(|pid| *pid != than)
        })
    };
    let second = other(first);
    kill(second, Signal::STOP);
    other(second);
    until("an answer", || (sandbox.get("/version").status == 200).then_some(()));
    assert!(deploy.runs(), "all that was during the migration");
    std::fs::write(sandbox.environment().join("shared/go"), "").unwrap();
    let output = deploy.finish();
    assert_eq!(output.code, 0, "{output:#?}");
    line.is_sound(&sandbox, "after the deploy");
    sandbox.down();
    line.held(
        "killed with its keeper, then frozen, while a migration ran: brought back and restarted meanwhile",
    );
}

#[test]
fn the_proxy_freezes_and_wakes() {
    let line = line("the_proxy_freezes_and_wakes");
    let sandbox = deployed(&Manifest::small());
    let proxy = sandbox.proxy().unwrap();
    kill(proxy, Signal::STOP);
    let problems = sandbox.status()["problems"].to_string();
    assert!(problems.contains(&format!("its process {proxy} is frozen")), "{problems}");
    sandbox.change();
    let output = line.ends(sandbox.start(&["deploy"]), Duration::from_secs(60));
    assert_eq!(output.code, 1, "{output:?}");
    assert!(output.stderr.contains(&format!("kill -CONT {proxy}")), "{output:?}");
    kill(proxy, Signal::CONT);
    assert_eq!(sandbox.answering(), "r1");
    sandbox.succeed(&["deploy"]);
    line.is_sound(&sandbox, "woken");
    sandbox.down();
    line.held(
        "status and a deploy say at once which process is frozen and how it goes on; nothing was changed",
    );
}
