//! Workers are told to take no more work, and are not waited for longer than it takes.

use rustix::process::Signal;
use windlass_testkit::sandbox::{Manifest, Process, kill, lives, until};

use super::deployed;

/// Longer than any command of a test may take: that it ends shows that this was not waited for.
const FOR_EVER: &str = "10m";

#[test]
fn a_service_that_may_end_and_ended_well_holds_nobody_up() {
    let more = "[services.prepare]\ncommand = [\"sleep\", \"0.3\"]\nsettle = \"100ms\"\n\
                restart = { when = \"on-failure\" }\n";
    let manifest = Manifest { more: more.into(), deploy: "bake = \"1s\"".into(), ..Manifest::small() };
    let sandbox = deployed(&manifest);
    // One that ends between the plan and the lock has the deploy planned again, as another release.
    let ended = || {
        let prepare =
            sandbox.status()["services"].as_array().unwrap().iter().find(|s| s["name"] == "prepare").cloned();
        prepare
            .is_some_and(|prepare| !prepare["instances"][0]["status"]["state"]["ended"].is_null())
            .then_some(())
    };
    until("it to end", ended);
    sandbox.change();
    sandbox.succeed(&["deploy"]);
    assert_eq!(sandbox.answering(), "r2");
    let status = sandbox.status();
    assert_eq!(status["problems"], serde_json::json!([]), "{status}");
    sandbox.down();
}

#[test]
fn a_worker_that_ends_when_it_is_quieted_is_not_waited_for() {
    // Nobody catches this signal: the worker ends by it, and its keeper would start it again.
    let stop = format!("stop = {{ quiet = {{ signal = \"USR1\", wait = \"{FOR_EVER}\" }} }}");
    let sandbox = deployed(&Manifest { worker: Some(stop), ..Manifest::small() });
    sandbox.change();
    sandbox.succeed(&["deploy"]);
    let workers = sandbox.running("worker");
    assert_eq!(workers.len(), 1, "{workers:?}");
    sandbox.down();
}

#[test]
fn a_worker_is_stopped_as_soon_as_it_says_that_it_is_idle() {
    let asked =
        "kill -0 $WINDLASS_PID && echo asked >> $WINDLASS_SHARED/asked && test -e $WINDLASS_SHARED/idle";
    let stop = format!(
        "stop = {{ quiet = {{ signal = \"CONT\", wait = \"{FOR_EVER}\", idle = {{ shell = \"{asked}\" }} }} }}"
    );
    let sandbox = deployed(&Manifest { worker: Some(stop), ..Manifest::small() });
    sandbox.change();
    let deploy = sandbox.start(&["deploy"]);
    until("the worker to be asked", || (!sandbox.shared("asked").is_empty()).then_some(()));
    assert!(deploy.runs(), "it did not wait for the worker's work");
    std::fs::write(sandbox.environment().join("shared/idle"), "").unwrap();
    let deployed = deploy.finish();
    assert_eq!(deployed.code, 0, "{deployed:#?}");
    sandbox.down();
}

/// What was told to take no more work cannot be told to go on: it would sit there, and be called restored.
#[test]
fn a_worker_whose_stop_was_given_up_half_way_starts_anew() {
    let works = "echo up >> $WINDLASS_SHARED/started; \
                 trap 'touch $WINDLASS_SHARED/quiet; test -e $WINDLASS_SHARED/may-end && exit' USR1; \
                 while :; do sleep 0.05; done";
    let more = format!(
        "[services.queue]\ncommand = {{ shell = \"{works}\" }}\nsettle = \"150ms\"\nstrategy = \"recreate\"\n\
         stop = {{ grace = \"5s\", quiet = {{ signal = \"USR1\", wait = \"{FOR_EVER}\" }} }}\n"
    );
    let sandbox = deployed(&Manifest { more, ..Manifest::small() });
    sandbox.change();
    let deploy = sandbox.start(&["deploy"]);
    until("the worker to be told", || sandbox.environment().join("shared/quiet").exists().then_some(()));
    deploy.signal(Signal::INT);
    let ended = deploy.finish();
    assert_eq!(ended.code, 3, "{ended:#?}");
    assert_eq!(sandbox.shared("started"), "up\nup\n", "{}", sandbox.logs());
    std::fs::write(sandbox.environment().join("shared/may-end"), "").unwrap();
    sandbox.down();
}

#[test]
fn a_worker_is_waited_for_also_when_its_keeper_is_killed() {
    let asked = "echo asked >> $WINDLASS_SHARED/asked && test -e $WINDLASS_SHARED/idle";
    let stop = format!(
        "stop = {{ quiet = {{ signal = \"CONT\", wait = \"{FOR_EVER}\", idle = {{ shell = \"{asked}\" }} }} }}"
    );
    let sandbox = deployed(&Manifest { worker: Some(stop), ..Manifest::small() });
    let worker = sandbox.running("worker")[0].pid;
    sandbox.change();
    let deploy = sandbox.start(&["deploy"]);
    let asked = || sandbox.shared("asked").lines().count();
    until("the worker to be asked", || (asked() > 0).then_some(()));
    let is_its = |process: &&Process| process.argv.iter().any(|word| word.contains("worker.r1.1"));
    kill(sandbox.keepers().iter().find(is_its).unwrap().pid, Signal::KILL);
    let before = asked();
    until("the worker to be asked again and again", || (asked() > before + 1).then_some(()));
    assert!(lives(worker) && deploy.runs(), "it was cut short");
    std::fs::write(sandbox.environment().join("shared/idle"), "").unwrap();
    let deployed = deploy.finish();
    assert_eq!(deployed.code, 0, "{deployed:#?}");
    assert!(!lives(worker));
    sandbox.down();
}

/// As where it cannot be noted, because the disk is full, that a worker is told to take no more work.
#[test]
fn a_worker_is_stopped_also_where_that_cannot_be_noted() {
    let stop = format!("stop = {{ quiet = {{ signal = \"CONT\", wait = \"{FOR_EVER}\" }} }}");
    let sandbox = deployed(&Manifest { worker: Some(stop), ..Manifest::small() });
    std::fs::create_dir(sandbox.environment().join("instances/worker.r1.1/quieted")).unwrap();
    sandbox.succeed(&["stop", "worker"]);
    assert_eq!(sandbox.running("worker").len(), 0);
    sandbox.down();
}

/// Whoever told it was stopped, and has not said that it goes back to it: it was thought dead.
#[test]
fn a_worker_that_was_told_to_take_no_more_work_and_is_to_run_starts_anew_by_itself() {
    let stop = format!("stop = {{ quiet = {{ signal = \"USR1\", wait = \"{FOR_EVER}\" }} }}");
    let sandbox = deployed(&Manifest { worker: Some(stop), ..Manifest::small() });
    let worker = sandbox.running("worker")[0].pid;
    let note = sandbox.environment().join("instances/worker.r1.1/quieted");
    std::fs::write(&note, "").unwrap();
    until("another worker", || {
        let workers = sandbox.running("worker");
        (workers.len() == 1 && workers[0].pid != worker && !note.exists()).then_some(())
    });
    sandbox.down();
}

// proves: MDC-9
#[test]
fn a_worker_is_asked_whether_it_is_ready_as_long_as_it_runs() {
    let ready = "readiness = { command = { shell = \"test ! -e $WINDLASS_SHARED/lost || { echo no broker >&2; exit 1; }\" }, \
                 interval = \"100ms\", start_period = \"5s\", unhealthy_after = 2 }";
    let more = "[[routes]]\npath = \"/status\"\nhealth = true\n".to_owned();
    let sandbox = deployed(&Manifest { worker: Some(ready.to_owned()), more, ..Manifest::small() });
    let worker = || {
        let status = sandbox.status();
        let services = status["services"].as_array().unwrap();
        services.iter().find(|service| service["name"] == "worker").unwrap()["instances"][0].clone()
    };
    assert_eq!((worker()["ready"].as_bool(), sandbox.get("/status").status), (Some(true), 200));
    std::fs::write(sandbox.environment().join("shared/lost"), "").unwrap();
    let lost = until("its check to fail", || Some(worker()).filter(|worker| worker["ready"] == false));
    assert!(lost["reason"].as_str().unwrap().contains("no broker"), "{lost}");
    assert_eq!(sandbox.get("/status").status, 503);
    std::fs::remove_file(sandbox.environment().join("shared/lost")).unwrap();
    until("its check to pass", || Some(()).filter(|()| worker()["ready"] == true));
    // One that is meant to have no copy is well.
    sandbox.succeed(&["scale", "worker=0"]);
    until("the page to say so", || Some(()).filter(|()| sandbox.get("/status").status == 200));
    sandbox.down();
}
