//! Limits, by whatever this machine honours them with.

use windlass::keeper::limits::{By, capabilities};
use windlass_core::launch::Exit;
use windlass_core::units::Bytes;
use windlass_testkit::machine;

use super::kit::{Kept, until};

// proves: CM-5
#[tokio::test]
async fn more_memory_than_allowed_is_out_of_memory() {
    let kept = Kept::new();
    let mut launch = kept.hostile(&["hog", "300"]);
    launch.limits.memory = Some(Bytes(48 << 20));
    let ended = kept.run(&launch).await;
    match capabilities().memory {
        By::ControlGroup { .. } => assert_eq!(ended.exit, Some(Exit::OutOfMemory)),
        // The allocation fails, and the program makes of it what it will.
        _ => assert_ne!(ended.exit, Some(Exit::Code(0))),
    }
}

#[tokio::test]
async fn a_shell_line_out_of_memory_says_so_too() {
    let By::ControlGroup { .. } = capabilities().memory else {
        return machine::lacks("a_shell_line_out_of_memory_says_so_too", "no control group limits memory");
    };
    let kept = Kept::new();
    let mut launch = kept.sh("\"$0\" hog 300; exit $?");
    launch.argv.push(super::kit::hostile().to_str().unwrap().to_owned());
    launch.limits.memory = Some(Bytes(48 << 20));
    assert_eq!(kept.run(&launch).await.exit, Some(Exit::OutOfMemory));
}

// proves: CM-5
#[tokio::test]
async fn open_files_and_processes_are_limited() {
    let kept = Kept::new();
    let mut launch = kept.sh("ulimit -n; for n in 1 2 3 4 5 6 7 8 9; do sleep 100 & done; wait");
    launch.limits.files = Some(77);
    if let By::ControlGroup { .. } = capabilities().processes {
        launch.limits.processes = Some(5);
    }
    kept.start(&launch).await.unwrap();
    until(|| kept.text("out.log").starts_with("77\n").then_some(())).await;
    if launch.limits.processes.is_some() {
        until(|| kept.text("out.log").contains("fork").then_some(())).await;
        assert!(super::kit::processes_of(&kept.dir).len() <= 5);
    }
    kept.stop().await;
    assert_eq!(super::kit::processes_of(&kept.dir), [0; 0]);
}

// proves: CM-5
#[tokio::test]
async fn processor_time_is_limited() {
    let By::ControlGroup { .. } = capabilities().cpu else {
        return machine::lacks("processor_time_is_limited", "no control group limits processor time");
    };
    let kept = Kept::new();
    let mut launch = kept.sh("echo; while :; do :; done");
    launch.limits.cpu_millis = Some(100);
    kept.start(&launch).await.unwrap();
    kept.file("out.log").await;
    let used = |pid: i32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        stat.rsplit(") ").next().unwrap().split(' ').nth(11).unwrap().parse::<u64>().unwrap()
    };
    let (before, began) = (used(kept.pid()), std::time::Instant::now());
    tokio::time::sleep(std::time::Duration::from_millis(600)).await;
    let (ticks, passed) = (u128::from(used(kept.pid()) - before), began.elapsed().as_millis() / 10);
    assert!(ticks < passed / 2, "{ticks} ticks of {passed}");
    kept.stop().await;
}
