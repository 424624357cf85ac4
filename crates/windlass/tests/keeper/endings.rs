//! Endings: exact reasons, restarts, and nothing left behind.

use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use windlass::runtime::process::{self, RuntimeError};
use windlass_core::launch::{End, Exit, Launch, ProcessState};
use windlass_core::spec::RestartWhen;
use windlass_core::units::Span;

use super::kit::{Kept, env, kill, lives, processes_of, until, within};

// proves: DC-6
#[tokio::test]
async fn codes_and_signals_are_told_exactly() {
    let kept = Kept::new();
    for code in [0, 1, 3, 137, 255] {
        let ended = kept.run(&kept.hostile(&["exit", "0", &code.to_string()])).await;
        assert_eq!((ended.end, ended.exit), (End::Finished, Some(Exit::Code(code))));
    }
    for (number, name) in [(6, "SIGABRT"), (9, "SIGKILL"), (11, "SIGSEGV"), (15, "SIGTERM"), (10, "SIGUSR1")]
    {
        let ended = kept.run(&kept.hostile(&["die", &number.to_string()])).await;
        assert_eq!(ended.exit, Some(Exit::Signal(name.into())));
    }
}

// proves: HS-11
#[tokio::test]
async fn what_ignores_sigterm_is_killed_after_its_grace() {
    let kept = Kept::new();
    kept.start(&kept.hostile(&["stubborn", kept.path("pid").to_str().unwrap()])).await.unwrap();
    kept.file("pid").await;
    let asked = Instant::now();
    let ended = kept.stop_within(Span::from_millis(300)).await;
    assert_eq!((ended.end, ended.exit), (End::Stopped, Some(Exit::Signal("SIGKILL".into()))));
    assert!(asked.elapsed() >= Duration::from_millis(300), "its grace");
    assert_eq!(processes_of(&kept.dir), [0; 0]);
}

#[tokio::test]
async fn what_misses_a_signal_while_it_starts_gets_it_again_where_the_launch_says_so() {
    for (again, grace, expected) in [(0, 1, "SIGKILL"), (100, 60, "SIGTERM")] {
        let again = Span::from_millis(again);
        let kept = Kept::new();
        let line = "trap '' TERM; echo x > deaf; until [ -e go ]; do sleep 0.02; done; trap - TERM; \
                    while :; do sleep 0.02; done";
        kept.start(&Launch { stop_again: again, ..kept.sh(line) }).await.unwrap();
        kept.file("deaf").await;
        let stop = process::stop(&kept.dir, "TERM", Span::from_secs(grace));
        let hear = async {
            // It has been sent by then.
            until(|| matches!(kept.status().state, ProcessState::Stopping { .. }).then_some(())).await;
            std::fs::write(kept.path("go"), "").unwrap();
        };
        let (ended, ()) = within(async { tokio::join!(stop, hear) }).await;
        assert_eq!(ended.unwrap().unwrap().exit, Some(Exit::Signal(expected.into())), "{again}");
        assert_eq!(processes_of(&kept.dir), [0; 0]);
    }
}

#[tokio::test]
async fn a_daemon_that_left_its_session_is_gone_with_the_process() {
    for how in ["stop", "crash", "keeper's end"] {
        let kept = Kept::new();
        let mut launch = kept.hostile(&["daemon", kept.path("pid").to_str().unwrap()]);
        launch.stop.grace = Span::from_millis(300);
        kept.start(&launch).await.unwrap();
        let daemon: i32 = kept.file("pid").await.parse().unwrap();
        assert!(lives(daemon));
        match how {
            "stop" => drop(kept.stop_within(Span::from_millis(300)).await),
            "crash" => kill(kept.pid(), "KILL"),
            _ => kill(kept.status().keeper, "TERM"),
        }
        within(process::wait_ended(&kept.dir)).await.unwrap();
        assert!(!lives(daemon), "after {how}");
        assert_eq!(processes_of(&kept.dir), [0; 0]);
    }
}

#[tokio::test]
async fn a_daemon_is_gone_before_the_process_is_started_again() {
    let kept = Kept::new();
    let mut launch = kept.hostile(&["daemon", kept.path("pid").to_str().unwrap()]);
    launch.restart.when = RestartWhen::Always;
    kept.start(&launch).await.unwrap();
    let daemon: i32 = kept.file("pid").await.parse().unwrap();
    let first = kept.pid();
    let mut changes = process::watch(&kept.dir).await.unwrap();
    kill(first, "KILL");
    loop {
        let status = within(changes.recv()).await.unwrap();
        if matches!(status.state, ProcessState::Running { pid, .. } if pid != first) {
            break;
        }
    }
    assert!(!lives(daemon));
    kept.stop_within(Span::ZERO).await;
}

#[tokio::test]
async fn a_crowd_that_forks_on_is_gone() {
    let kept = Kept::new();
    kept.start(&kept.hostile(&["forks", "150"])).await.unwrap();
    until(|| (processes_of(&kept.dir).len() > 100).then_some(())).await;
    kept.stop_within(Span::from_millis(300)).await;
    assert_eq!(processes_of(&kept.dir), [0; 0]);
}

#[tokio::test]
async fn a_shell_line_passes_the_stop_on_and_gives_its_commands_their_grace() {
    let kept = Kept::new();
    let line =
        "sh -c 'trap \"sleep 0.1; echo put away; exit\" TERM; echo up; while :; do sleep 0.01; done'; true";
    kept.start(&kept.sh(line)).await.unwrap();
    kept.file("out.log").await;
    within(process::stop(&kept.dir, "TERM", Span::from_secs(10))).await.unwrap();
    // The outer shell says that it was terminated; the inner one had the time to put its work away.
    assert!(kept.text("out.log").ends_with("put away\n"), "{}", kept.text("out.log"));
}

// proves: DC-6
#[tokio::test]
async fn a_crash_is_seen_at_once_and_the_process_started_again() {
    let kept = Kept::new();
    let mut launch = kept.sh("exec sleep 100");
    launch.restart.when = RestartWhen::OnFailure;
    kept.start(&launch).await.unwrap();
    let mut changes = process::watch(&kept.dir).await.unwrap();
    let mut slowest = Duration::ZERO;
    for round in 1..=5 {
        let status = loop {
            let status = within(changes.recv()).await.unwrap();
            if matches!(status.state, ProcessState::Running { .. }) {
                break status;
            }
        };
        let ProcessState::Running { pid, .. } = status.state else { unreachable!() };
        let killed = Instant::now();
        kill(pid, "KILL");
        let status = within(changes.recv()).await.unwrap();
        slowest = slowest.max(killed.elapsed());
        if round < 5 {
            assert!(matches!(status.state, ProcessState::Backoff { .. }), "{status:?}");
            assert_eq!((status.restarts, status.last_exit), (round, Some(Exit::Signal("SIGKILL".into()))));
        }
    }
    println!("slowest detection: {slowest:?}");
    kept.stop().await;
}

#[tokio::test]
async fn what_waits_for_its_back_off_is_started_when_it_is_needed_and_its_crashes_count() {
    let kept = Kept::new();
    let mut launch = kept.sh("exec sleep 100");
    launch.restart.when = RestartWhen::Always;
    // Longer than any wait of these tests.
    (launch.restart.backoff, launch.restart.backoff_max) = (Span::from_secs(600), Span::from_secs(600));
    launch.restart.limit = 2;
    kept.start(&launch).await.unwrap();
    let mut changes = process::watch(&kept.dir).await.unwrap();
    for restarts in 0..=2 {
        let status = loop {
            let status = within(changes.recv()).await.unwrap();
            match status.state {
                ProcessState::Running { .. } => break status,
                ProcessState::Backoff { .. } => process::start_now(&kept.dir).await.unwrap(),
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(status.restarts, restarts);
        // One that runs is left alone.
        process::start_now(&kept.dir).await.unwrap();
        assert_eq!(kept.status(), status);
        kill(kept.pid(), "KILL");
    }
    assert_eq!(within(process::wait_ended(&kept.dir)).await.unwrap().end, End::CrashLoop);
    // Its last word is said before it is gone.
    until(|| (!process::observe(&kept.dir).unwrap().keeper_alive).then_some(())).await;
    assert!(process::start_now(&kept.dir).await.is_err(), "nobody keeps it");
}

#[tokio::test]
async fn nobody_waits_for_a_keeper_that_does_not_answer_to_cut_a_pause_short() {
    let kept = Kept::new();
    kept.start(&kept.sh("exec sleep 100")).await.unwrap();
    let keeper = Pid::from_raw(kept.status().keeper).unwrap();
    kill_process(keeper, Signal::STOP).unwrap();
    let asked = within(process::start_now(&kept.dir)).await;
    kill_process(keeper, Signal::CONT).unwrap();
    assert!(asked.is_err_and(|error| error.is_retryable()));
    kept.stop().await;
}

// proves: DC-3, DC-6
#[tokio::test]
async fn a_crash_loop_ends() {
    let kept = Kept::new();
    let mut launch = kept.hostile(&["exit", "0", "3"]);
    launch.restart.when = RestartWhen::Always;
    let ended = kept.run(&launch).await;
    assert_eq!((ended.end, ended.exit, ended.restarts), (End::CrashLoop, Some(Exit::Code(3)), 5));
    let observed = process::observe(&kept.dir).unwrap();
    assert!(!observed.process_alive);
    until(|| (!process::observe(&kept.dir).unwrap().keeper_alive).then_some(())).await;
}

#[tokio::test]
async fn a_job_that_succeeds_is_finished_and_one_that_fails_is_tried_again() {
    let kept = Kept::new();
    let mut launch = kept.sh("test -e done || { touch done; exit 1; }");
    launch.restart.when = RestartWhen::OnFailure;
    let ended = kept.run(&launch).await;
    assert_eq!((ended.end, ended.exit, ended.restarts), (End::Finished, Some(Exit::Code(0)), 1));
}

#[tokio::test]
async fn what_runs_too_long_is_stopped() {
    let kept = Kept::new();
    let mut launch = kept.sh("exec sleep 100");
    launch.timeout = Span::from_millis(100);
    let ended = kept.run(&launch).await;
    assert_eq!((ended.end, ended.exit), (End::TimedOut, Some(Exit::Signal("SIGTERM".into()))));
}

#[tokio::test]
async fn a_tied_process_ends_with_whoever_holds_it() {
    let kept = Kept::new();
    let mut launch = kept.sh("sleep 100; true");
    launch.tied = true;
    assert!(matches!(kept.start(&launch).await, Err(RuntimeError::Refused { .. })));
    let tie = process::start_tied(&kept.dir, &launch, env()).await.unwrap();
    assert!(lives(kept.pid()));
    drop(tie);
    assert_eq!(within(process::wait_ended(&kept.dir)).await.unwrap().end, End::Stopped);
    assert_eq!(processes_of(&kept.dir), [0; 0]);
}

#[tokio::test]
async fn stopping_what_has_ended_or_never_was_is_no_error() {
    let kept = Kept::new();
    assert_eq!(process::stop(&kept.dir, "TERM", Span::ZERO).await.unwrap(), None);
    kept.run(&kept.sh("exit 4")).await;
    let ended = process::stop(&kept.dir, "TERM", Span::ZERO).await.unwrap().unwrap();
    assert_eq!((ended.end, ended.exit), (End::Finished, Some(Exit::Code(4))));
}

#[tokio::test]
async fn a_process_that_waits_for_its_restart_can_be_stopped() {
    let kept = Kept::new();
    let mut launch = kept.hostile(&["exit", "0", "1"]);
    launch.restart.when = RestartWhen::Always;
    launch.restart.backoff = Span::from_secs(60);
    launch.restart.backoff_max = Span::from_secs(60);
    kept.start(&launch).await.unwrap();
    until(|| matches!(kept.status().state, ProcessState::Backoff { .. }).then_some(())).await;
    let ended = kept.stop().await;
    assert_eq!((ended.end, ended.exit), (End::Stopped, Some(Exit::Code(1))));
}

// proves: HS-11
#[tokio::test]
async fn signals_reach_the_process_and_unknown_ones_are_refused() {
    let kept = Kept::new();
    kept.start(&kept.sh("trap 'echo quiet' TSTP; echo up; while :; do sleep 0.01; done")).await.unwrap();
    kept.file("out.log").await;
    process::signal(&kept.dir, "TSTP").await.unwrap();
    until(|| (kept.text("out.log") == "up\nquiet\n").then_some(())).await;
    let error = process::signal(&kept.dir, "NONSENSE").await.unwrap_err();
    assert_eq!(error.to_string(), "there is no signal \"NONSENSE\"");
    let error = process::stop(&kept.dir, "NONSENSE", Span::ZERO).await.unwrap_err();
    assert_eq!(error.to_string(), "there is no signal \"NONSENSE\"");
    kept.stop().await;
}

#[tokio::test]
async fn a_watcher_that_does_not_read_hurts_nobody() {
    use std::io::Write;
    let kept = Kept::new();
    let mut launch = kept.hostile(&["exit", "0", "1"]);
    launch.restart.when = RestartWhen::Always;
    launch.restart.backoff = Span::from_millis(1);
    launch.restart.backoff_max = Span::from_millis(1);
    launch.restart.limit = 400;
    kept.start(&launch).await.unwrap();
    let deaf: Vec<_> = (0..3)
        .map(|_| {
            let mut stream = std::os::unix::net::UnixStream::connect(kept.dir.join("sock")).unwrap();
            stream.write_all(b"\"watch\"\nnonsense\n").unwrap();
            stream
        })
        .collect();
    let ended = within(process::wait_ended(&kept.dir)).await.unwrap();
    assert_eq!((ended.end, ended.restarts), (End::CrashLoop, 400));
    drop(deaf);
}

#[tokio::test]
async fn what_a_later_keeper_keeps_is_not_stopped_for_an_earlier_one() {
    let kept = Kept::new();
    let launch = kept.sh("exec sleep 1000");
    kept.start(&launch).await.unwrap();
    let first = process::keeper(&kept.dir).unwrap();
    kept.stop().await;
    kept.gone().await;
    kept.start(&launch).await.unwrap();
    within(process::stop_by(&first, &kept.dir, "TERM", Span::from_millis(300))).await.unwrap();
    assert!(lives(kept.pid()), "it was stopped for the one before it");
    let second = process::keeper(&kept.dir).unwrap();
    within(process::stop_by(&second, &kept.dir, "TERM", Span::from_millis(300))).await.unwrap();
    assert!(process::observe(&kept.dir).unwrap().has_ended());
}
