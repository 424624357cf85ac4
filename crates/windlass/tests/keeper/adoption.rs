//! Keepers that are killed.

use windlass::runtime::process::{self, RuntimeError};
use windlass_core::launch::{End, Exit, ProcessState, Status};
use windlass_core::spec::RestartWhen;
use windlass_core::units::Span;

use super::kit::{Kept, kill, lives, processes_of, until, within};

async fn kill_keeper(kept: &Kept) {
    kill(kept.status().keeper, "KILL");
    until(|| (!process::observe(&kept.dir).unwrap().keeper_alive).then_some(())).await;
}

/// How a process ended that a keeper adopted: kernels before 6.15 tell parents only.
fn as_seen(exit: Exit) -> Exit {
    let release = rustix::system::uname().release().to_string_lossy().into_owned();
    let mut numbers = release.split(['.', '-']).map_while(|number| number.parse::<u32>().ok());
    if (numbers.next(), numbers.next()) >= (Some(6), Some(15)) { exit } else { Exit::Unknown }
}

#[tokio::test]
async fn a_process_outlives_its_keeper_and_gets_another() {
    let kept = Kept::new();
    let mut launch = kept.sh("echo $GREETING; exec sleep 100");
    launch.restart.when = RestartWhen::Always;
    kept.start(&launch).await.unwrap();
    let pid = kept.pid();
    kept.file("out.log").await;
    kill_keeper(&kept).await;
    let seen = process::observe(&kept.dir).unwrap();
    assert!(seen.process_alive && !seen.keeper_alive);

    process::readopt(&kept.dir).await.unwrap();
    process::readopt(&kept.dir).await.unwrap();
    assert_eq!(kept.pid(), pid, "watched, not started again");
    assert_eq!(kept.status().since, seen.status.unwrap().since, "it runs since it was started");
    let mut changes = process::watch(&kept.dir).await.unwrap();
    kill(pid, "KILL");
    let status = loop {
        let status = within(changes.recv()).await.unwrap();
        if matches!(status.state, ProcessState::Running { pid: now, .. } if now != pid) {
            break status;
        }
    };
    // Nobody waits long to know, where it is started again in any case.
    let known = [Some(Exit::Unknown), Some(Exit::Signal("SIGKILL".into()))].contains(&status.last_exit);
    assert!(known && status.restarts == 1, "{status:?}");
    until(|| (kept.text("out.log") == "good morning\ngood morning\n").then_some(())).await;
    assert_eq!(kept.stop().await.end, End::Stopped);
    assert_eq!(processes_of(&kept.dir), [0; 0]);
}

fn write_status(kept: &Kept, status: &Status) {
    std::fs::write(kept.dir.join("status.json"), serde_json::to_vec(status).unwrap()).unwrap();
}

#[tokio::test]
async fn of_what_was_amiss_another_keeper_tells_what_is_so_still() {
    let kept = Kept::new();
    kept.start(&kept.sh("exec >/dev/null 2>&1; echo 1 > up; exec sleep 100")).await.unwrap();
    kept.file("up").await;
    kill_keeper(&kept).await;
    let log = kept.path("out.log");
    let no_log = format!(
        "it runs without its log ({} cannot be opened: Read-only file system (os error 30))",
        log.display()
    );
    let both = format!("{no_log}; its keeper cannot write status.json: Read-only file system (os error 30)");
    write_status(&kept, &Status { degraded: Some(both), ..kept.status() });
    for _ in 0..2 {
        process::readopt(&kept.dir).await.unwrap();
        assert_eq!(kept.status().degraded, Some(no_log.clone()));
        kill_keeper(&kept).await;
    }
    // There is nothing new to write down each time that its keeper looks again.
    process::readopt(&kept.dir).await.unwrap();
    let written = || std::fs::metadata(kept.dir.join("status.json")).unwrap().modified().unwrap();
    let (first, keeper) = (written(), kept.status().keeper);
    let woken = || {
        let text = std::fs::read_to_string(format!("/proc/{keeper}/status")).unwrap();
        let times = text.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:")).unwrap();
        times.trim().parse::<u32>().unwrap()
    };
    let before = woken();
    until(|| (woken() >= before + 3).then_some(())).await;
    assert_eq!(written(), first);
    kept.stop().await;
}

#[tokio::test]
async fn a_keeper_is_asked_where_what_it_wrote_cannot_be_so() {
    let kept = Kept::new();
    kept.start(&kept.sh("exec sleep 100")).await.unwrap();
    let status = kept.status();
    let with = |state| write_status(&kept, &Status { state, ..status.clone() });
    let said = async || process::look(&kept.dir).await.and_then(|seen| seen.status);
    let asked = async || {
        while said().await.as_ref() != Some(&status) {
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        }
    };
    assert_eq!(said().await.as_ref(), Some(&status));
    // Whose time is to come is waited for.
    for state in [ProcessState::Backoff { until: i64::MAX }, ProcessState::Ended(End::Finished)] {
        with(state.clone());
        assert_eq!(said().await.map(|said| said.state), Some(state), "as it stands there");
    }
    with(ProcessState::Backoff { until: 0 });
    within(asked()).await;
    with(ProcessState::Running { pid: i32::MAX, start_ticks: 1 });
    within(asked()).await;
    std::fs::write(kept.dir.join("status.json"), "").unwrap();
    within(asked()).await;
    write_status(&kept, &status);
    kept.stop().await;
}

#[tokio::test]
async fn what_starts_keepers_of_its_own_ends_without_them() {
    let kept = Kept::new();
    let service = Kept::new();
    // Written as the host side would, and started by a process that is kept itself.
    std::fs::create_dir(&service.dir).unwrap();
    let launch = serde_json::to_vec(&service.sh("exec sleep 100")).unwrap();
    std::fs::write(service.dir.join("launch.json"), launch).unwrap();
    let mut host = kept.sh("env -u WINDLASS_PROCESS \"$0\" keeper \"$1\" && exec sleep 100");
    host.argv.push(env!("CARGO_BIN_EXE_windlass").into());
    host.argv.push(service.dir.to_str().unwrap().into());
    host.keeps_others = true;
    host.restart.when = RestartWhen::Always;
    kept.start(&host).await.unwrap();
    until(|| process::observe(&service.dir)?.process_alive.then_some(())).await;
    let pid = service.pid();
    assert_eq!(kept.stop().await.end, End::Stopped);
    kept.gone().await;
    let seen = process::observe(&service.dir).unwrap();
    assert!(seen.keeper_alive && seen.process_alive && service.pid() == pid);
    assert_eq!(service.stop().await.end, End::Stopped);
}

#[tokio::test]
async fn starting_what_has_lost_its_keeper_gives_it_another() {
    let kept = Kept::new();
    let launch = kept.sh("exec sleep 100");
    kept.start(&launch).await.unwrap();
    let pid = kept.pid();
    kill_keeper(&kept).await;
    let error = kept.start(&kept.sh("exec sleep 99")).await.unwrap_err();
    assert!(matches!(error, RuntimeError::Taken { .. }));
    kept.start(&launch).await.unwrap();
    assert_eq!(kept.pid(), pid);
    kept.stop().await;
}

#[tokio::test]
async fn stopping_finishes_without_the_first_keeper() {
    let kept = Kept::new();
    kept.start(&kept.hostile(&["daemon", kept.path("pid").to_str().unwrap()])).await.unwrap();
    let daemon: i32 = kept.file("pid").await.parse().unwrap();
    kill_keeper(&kept).await;
    let ended = kept.stop_within(Span::from_secs(2)).await;
    let exit = as_seen(Exit::Signal("SIGTERM".into()));
    assert_eq!((ended.end, ended.exit), (End::Stopped, Some(exit)));
    assert!(!lives(daemon), "a daemon that was never this keeper's child");
    assert_eq!(processes_of(&kept.dir), [0; 0]);
}

#[tokio::test]
async fn a_daemon_with_nothing_of_its_keepers_but_their_log_is_gone_in_the_end() {
    for also_dies in [false, true] {
        let kept = Kept::new();
        let pid = kept.path("pid").display().to_string();
        let daemon =
            format!("env -i setsid -f sh -c 'echo $$ > {pid}.new; mv {pid}.new {pid}; exec sleep 100'");
        kept.start(&kept.sh(&format!("{daemon}; exec sleep 100"))).await.unwrap();
        let daemon: i32 = kept.file("pid").await.trim().parse().unwrap();
        let process = kept.pid();
        kill_keeper(&kept).await;
        if also_dies {
            kill(process, "KILL");
            until(|| (!lives(process)).then_some(())).await;
        }
        assert!(lives(daemon));
        let _ended = within(process::stop(&kept.dir, "TERM", Span::from_millis(300))).await.unwrap();
        assert!(!lives(daemon), "its process died too: {also_dies}");
        assert!(!lives(process));
    }
}

#[tokio::test]
async fn a_keeper_killed_while_it_stops_its_process_is_replaced() {
    let kept = Kept::new();
    kept.start(&kept.hostile(&["stubborn", kept.path("pid").to_str().unwrap()])).await.unwrap();
    kept.file("pid").await;
    let stopping = kept.stop_within(Span::from_secs(2));
    let killing = async {
        until(|| matches!(kept.status().state, ProcessState::Stopping { .. }).then_some(())).await;
        kill(kept.status().keeper, "KILL");
    };
    let (ended, ()) = tokio::join!(stopping, killing);
    assert_eq!(ended.end, End::Stopped);
    assert_eq!(processes_of(&kept.dir), [0; 0]);
}

#[tokio::test]
async fn a_fresh_start_clears_what_a_dead_keepers_dead_process_left() {
    let kept = Kept::new();
    let launch = kept.hostile(&["daemon", kept.path("pid").to_str().unwrap()]);
    kept.start(&launch).await.unwrap();
    let daemon: i32 = kept.file("pid").await.parse().unwrap();
    let pid = kept.pid();
    kill_keeper(&kept).await;
    kill(pid, "KILL");
    until(|| (!lives(pid)).then_some(())).await;
    assert!(matches!(process::readopt(&kept.dir).await, Err(RuntimeError::NoEnvironment { .. })));
    kept.start(&launch).await.unwrap();
    assert!(!lives(daemon), "before the new one started");
    kept.stop_within(Span::ZERO).await;
}

/// A shell line of a program that writes over its environment, as those do that show a title in `ps`.
/// It ends a while after it is asked to.
const ENTITLED: &str = "exec perl -e '$0 = \"x\" x 4000; $SIG{TERM} = sub { sleep 1; unlink \"alive\"; exit }; \
                        open F, \">\", \"alive\"; print F 1; close F; sleep 1 while 1'";

#[tokio::test]
async fn a_process_that_writes_over_its_environment_is_known_while_it_is_stopped() {
    let kept = Kept::new();
    kept.start(&kept.sh(ENTITLED)).await.unwrap();
    kept.file("alive").await;
    let pid = kept.pid();
    let stopping = within(process::stop(&kept.dir, "TERM", Span::from_secs(20)));
    let killing = async {
        until(|| matches!(kept.status().state, ProcessState::Stopping { .. }).then_some(())).await;
        kill(kept.status().keeper, "KILL");
    };
    let (ended, ()) = tokio::join!(stopping, killing);
    assert_eq!(ended.unwrap().unwrap().end, End::Stopped);
    assert!(!lives(pid) && kept.text("alive").is_empty(), "it had the time that it was given");
}

#[tokio::test]
async fn nothing_of_another_boot_is_taken_for_alive() {
    let kept = Kept::new();
    kept.start(&kept.sh("exec sleep 100")).await.unwrap();
    kill_keeper(&kept).await;
    let pid = kept.pid();
    let status = kept.dir.join("status.json");
    let text = std::fs::read_to_string(&status).unwrap();
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    assert!(text.contains(boot.trim()), "{text}");
    std::fs::write(&status, text.replace(boot.trim(), "another")).unwrap();
    let seen = process::observe(&kept.dir).unwrap();
    assert!(!seen.process_alive && !seen.is_under_way());
    std::fs::write(&status, text).unwrap();
    assert!(process::observe(&kept.dir).unwrap().is_under_way(), "also without its keeper");
    kept.stop().await;
    assert!(!lives(pid));
    until(|| (!process::observe(&kept.dir).unwrap().keeper_alive).then_some(())).await;
    // That it began is known also where all that its keeper wrote is lost.
    std::fs::remove_file(&status).unwrap();
    assert!(!process::is_of_another_boot(&kept.dir));
    let begun = kept.dir.join("boot");
    assert_eq!(std::fs::read_to_string(&begun).unwrap(), boot.trim());
    std::fs::write(&begun, "another").unwrap();
    assert!(process::is_of_another_boot(&kept.dir));
    // What was noted is replaced, and not written over: a full disk would leave nothing of either.
    let noted = kept.path("noted");
    std::fs::hard_link(&begun, &noted).unwrap();
    let again = kept.run(&kept.sh("true")).await;
    assert_eq!(again.exit, Some(Exit::Code(0)));
    assert!(!process::is_of_another_boot(&kept.dir));
    assert_eq!(std::fs::read_to_string(&noted).unwrap(), "another");
}

#[tokio::test]
async fn whoever_waits_for_what_runs_once_waits_for_it_and_not_for_its_keeper() {
    let kept = Kept::new();
    let launch = kept.sh("until test -e go; do sleep 0.05; done; exit 3");
    kept.start(&launch).await.unwrap();
    let ended = within(process::outlast(&kept.dir));
    let killing = async {
        for _ in 0..2 {
            let first = kept.status().keeper;
            kill(first, "KILL");
            until(|| (kept.status().keeper != first).then_some(())).await;
        }
        std::fs::write(kept.path("go"), "").unwrap();
    };
    let (ended, ()) = tokio::join!(ended, killing);
    let ended = ended.unwrap();
    assert_eq!((ended.end, ended.exit), (End::Finished, Some(as_seen(Exit::Code(3)))));
}

#[tokio::test]
async fn that_something_ended_unseen_is_its_record() {
    let kept = Kept::new();
    kept.start(&kept.hostile(&["daemon", kept.path("pid").to_str().unwrap()])).await.unwrap();
    let daemon: i32 = kept.file("pid").await.parse().unwrap();
    let pid = kept.pid();
    kill_keeper(&kept).await;
    kill(pid, "KILL");
    until(|| (!lives(pid)).then_some(())).await;
    let ended = within(process::outlast(&kept.dir)).await.unwrap();
    assert_eq!((ended.end, ended.exit), (End::Finished, Some(Exit::Unknown)));
    assert!(process::observe(&kept.dir).unwrap().has_ended() && !lives(daemon));
}

#[tokio::test]
async fn a_time_limit_goes_on_with_another_keeper() {
    let kept = Kept::new();
    let mut launch = kept.sh("exec sleep 100");
    kept.start(&launch).await.unwrap();
    tokio::time::sleep(std::time::Duration::from_secs(6)).await;
    kill_keeper(&kept).await;
    let pid = kept.pid();
    // The time that it has had is all that it gets.
    launch.timeout = Span::from_secs(6);
    std::fs::write(kept.dir.join("launch.json"), serde_json::to_vec(&launch).unwrap()).unwrap();
    let began = std::time::Instant::now();
    let ending = within(process::outlast(&kept.dir));
    let dying = async {
        until(|| (!lives(pid)).then_some(())).await;
        began.elapsed()
    };
    let (ended, lived) = tokio::join!(ending, dying);
    assert_eq!(ended.unwrap().end, End::TimedOut);
    // And not as much again.
    assert!(lived < std::time::Duration::from_secs(5), "{lived:?}");
}

#[tokio::test]
async fn a_stop_that_is_resumed_sends_no_second_signal() {
    let kept = Kept::new();
    let line = "trap 'echo term >> terms' TERM; echo 1 > up; while :; do sleep 0.05; done";
    kept.start(&kept.sh(line)).await.unwrap();
    kept.file("up").await;
    // The keeper dies, another one takes over, and whoever has it stopped asks again.
    let stopping = within(process::stop(&kept.dir, "TERM", Span::from_secs(2)));
    let killing = async {
        until(|| matches!(kept.status().state, ProcessState::Stopping { .. }).then_some(())).await;
        kept.file("terms").await;
        kill(kept.status().keeper, "KILL");
    };
    let (ended, ()) = tokio::join!(stopping, killing);
    assert_eq!(ended.unwrap().unwrap().end, End::Stopped);
    assert_eq!(kept.text("terms"), "term\n");
}

#[tokio::test]
async fn what_is_asked_for_while_it_is_being_stopped_is_started_again() {
    let kept = Kept::new();
    let mut launch = kept.sh("trap 'sleep 0.5; exit 0' TERM; echo 1 > up; while :; do sleep 0.05; done");
    launch.restart.when = RestartWhen::Always;
    kept.start(&launch).await.unwrap();
    kept.file("up").await;
    let first = kept.pid();
    let stopping = within(process::stop(&kept.dir, "TERM", Span::from_secs(20)));
    // Twice, at the same time: that is one start.
    let starting = async {
        until(|| matches!(kept.status().state, ProcessState::Stopping { .. }).then_some(())).await;
        let (one, other) = within(async { tokio::join!(kept.start(&launch), kept.start(&launch)) }).await;
        one.and(other).unwrap();
    };
    let (ended, ()) = tokio::join!(stopping, starting);
    assert_eq!(ended.unwrap().unwrap().end, End::Stopped);
    let second = kept.status();
    assert!(kept.pid() != first && lives(kept.pid()) && second.restarts == 0, "{second:?}");
    kept.stop().await;
}

#[tokio::test]
async fn what_is_waited_for_and_then_stopped_stays_stopped() {
    let kept = Kept::new();
    let mut launch = kept.sh("echo run >> runs; exit 1");
    launch.restart.when = RestartWhen::Always;
    launch.restart.backoff = Span::from_secs(600);
    launch.restart.backoff_max = Span::from_secs(600);
    kept.start(&launch).await.unwrap();
    until(|| matches!(kept.status().state, ProcessState::Backoff { .. }).then_some(())).await;
    let starting = within(kept.start(&launch));
    let stopping = async {
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        kept.stop().await
    };
    let (started, ended) = tokio::join!(starting, stopping);
    started.unwrap();
    assert_eq!((ended.end, kept.status().state), (End::Stopped, ProcessState::Ended(End::Stopped)));
    kept.gone().await;
    assert_eq!(kept.text("runs"), "run\n");
}
