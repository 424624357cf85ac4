//! Keepers that are killed.

use windlass::runtime::process::{self, RuntimeError};
use windlass_core::launch::{End, Exit, ProcessState};
use windlass_core::spec::RestartWhen;
use windlass_core::units::Span;

use super::kit::{Kept, kill, lives, processes_of, until, within};

async fn kill_keeper(kept: &Kept) {
    kill(kept.status().keeper, "KILL");
    until(|| (!process::observe(&kept.dir).unwrap().keeper_alive).then_some(())).await;
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
    assert_eq!((status.last_exit, status.restarts), (Some(Exit::Unknown), 1));
    until(|| (kept.text("out.log") == "good morning\ngood morning\n").then_some(())).await;
    assert_eq!(kept.stop().await.end, End::Stopped);
    assert_eq!(processes_of(&kept.dir), [0; 0]);
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
    let ended = kept.stop().await;
    assert_eq!((ended.end, ended.exit), (End::Stopped, Some(Exit::Unknown)));
    assert!(!lives(daemon), "a daemon that was never this keeper's child");
    assert_eq!(processes_of(&kept.dir), [0; 0]);
}

#[tokio::test]
async fn a_keeper_killed_while_it_stops_its_process_is_replaced() {
    let kept = Kept::new();
    kept.start(&kept.hostile(&["stubborn", kept.path("pid").to_str().unwrap()])).await.unwrap();
    kept.file("pid").await;
    let stopping = kept.stop();
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
    kept.stop().await;
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
}
