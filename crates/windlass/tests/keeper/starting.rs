//! Starting: what the process gets, and exact reasons when it cannot be started.

use std::os::unix::fs::PermissionsExt;

use windlass::runtime::process::{Fault, RuntimeError};
use windlass_core::launch::{End, Exit, Launch, ProcessState};

use super::kit::{self, Kept, env, within};

async fn refused(kept: &Kept, launch: &Launch) -> String {
    let error = within(kept.start(launch)).await.unwrap_err();
    assert!(matches!(error, RuntimeError::NotStarted { .. }), "{error:?}");
    assert_eq!(error.fault(), Fault::Application);
    let status = kept.status();
    assert_eq!(status.state, ProcessState::Ended(End::NotStarted));
    let Some(Exit::NotStarted(reason)) = status.last_exit else { panic!("{status:?}") };
    assert_eq!(error.to_string(), format!("web.r1.1 was not started: {reason}"));
    reason
}

#[tokio::test]
async fn what_cannot_be_started_says_exactly_why() {
    let kept = Kept::new();
    let root = kept.path("");
    let root = root.to_str().unwrap().trim_end_matches('/');

    let mut launch = kept.launch(&["no-such-program"]);
    assert_eq!(
        refused(&kept, &launch).await,
        format!(
            "there is no program \"no-such-program\" in PATH ({}): install it, or correct the command",
            std::env::var("PATH").unwrap()
        )
    );

    launch.argv = vec!["bin/web".into()];
    assert_eq!(
        refused(&kept, &launch).await,
        format!(
            "there is no program bin/web (seen from {root}), or the interpreter that it names is missing: install it, or correct the command"
        )
    );

    std::fs::create_dir(kept.path("bin")).unwrap();
    std::fs::write(kept.path("bin/web"), "#!/bin/sh\n").unwrap();
    let expected =
        "this account may not run bin/web: make it executable (chmod +x) and its directories accessible";
    assert_eq!(refused(&kept, &launch).await, expected);

    launch.directory = format!("{root}/gone");
    assert_eq!(
        refused(&kept, &launch).await,
        format!("cannot enter the working directory {root}/gone: No such file or directory (os error 2)")
    );

    launch = kept.sh("true");
    launch.user = Some("nobody-of-this-name".into());
    assert_eq!(
        refused(&kept, &launch).await,
        "there is no account \"nobody-of-this-name\" on this machine: create it, or correct `user`"
    );

    launch = kept.sh("true");
    launch.log.path = "/proc/no/log".into();
    assert_eq!(
        refused(&kept, &launch).await,
        "cannot open the log /proc/no/log: No such file or directory (os error 2)"
    );
}

#[tokio::test]
async fn the_process_gets_its_environment_and_nothing_of_whoever_started_it() {
    let kept = Kept::new();
    let line = "env; echo; ls /proc/self/fd; echo; grep -E 'SigBlk|SigIgn' /proc/self/status; ulimit -c; cat /proc/$$/stat";
    let mut launch = kept.sh(line);
    launch.oom_score_adj = 300;
    let mut env = env();
    env.push(("WINDLASS_KEEPER_SECRET".into(), "x".into()));
    let ended = kept.run_in(env, &launch).await;
    assert_eq!(ended.exit, Some(Exit::Code(0)));
    let output = kept.text("out.log");
    assert!(output.contains("GREETING=good morning\n"), "{output}");
    assert!(output.contains(&format!("WINDLASS_PROCESS={}#1\n", kept.dir.display())), "{output}");
    assert!(!output.contains("WINDLASS_KEEPER") && !output.contains("CARGO"), "{output}");
    // 3 is the directory that ls reads.
    assert!(output.contains("\n0\n1\n2\n3\n\n"), "inherited descriptors: {output}");
    assert!(output.contains("SigBlk:\t0000000000000000\n"), "{output}");
    assert!(output.contains("SigIgn:\t0000000000000000\n0\n"), "{output}");
    let stat: Vec<&str> = output.lines().last().unwrap().split(' ').collect();
    assert_eq!((stat[0], stat[0]), (stat[4], stat[5]), "its own group and session");
    let mode = std::fs::metadata(kept.path("out.log")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let mode = std::fs::metadata(&kept.dir).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}

#[tokio::test]
async fn a_keeper_is_nobodys_child_and_has_its_own_session() {
    let kept = Kept::new();
    kept.start(&kept.sh("exec sleep 100")).await.unwrap();
    let keeper = kept.status().keeper;
    let stat = std::fs::read_to_string(format!("/proc/{keeper}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
    assert_ne!(fields[1], std::process::id().to_string(), "its parent");
    assert_eq!(fields[3], keeper.to_string(), "its session");
    assert_eq!(fields[4], "0", "its terminal");
    kept.stop().await;
}

#[tokio::test]
async fn starting_twice_is_one_start_and_another_launch_is_refused() {
    let kept = Kept::new();
    let launch = kept.sh("exec sleep 100");
    kept.start(&launch).await.unwrap();
    let pid = kept.pid();
    kept.start(&launch).await.unwrap();
    assert_eq!(kept.pid(), pid);
    let error = kept.start(&kept.sh("exec sleep 99")).await.unwrap_err();
    assert!(matches!(error, RuntimeError::Taken { .. }));
    assert_eq!(error.hint().as_deref(), Some("stop what runs there first"));
    let second = std::process::Command::new(env!("CARGO_BIN_EXE_windlass"))
        .arg("keeper")
        .arg(&kept.dir)
        .output()
        .unwrap();
    assert_eq!(second.status.code(), Some(6));
    let said = String::from_utf8(second.stderr).unwrap();
    assert_eq!(
        said,
        format!("windlass keeper: a keeper lives in {} already: stop it first\n", kept.dir.display())
    );
    assert_eq!(kept.pid(), pid);
    kept.stop().await;
    // What has ended can be started again, as often as wanted, at once.
    for _ in 0..5 {
        kept.start(&kept.sh("exec sleep 99")).await.unwrap();
        kept.stop().await;
    }
}

#[tokio::test]
async fn directories_may_have_long_names() {
    let kept = Kept::new();
    let long = kept.path(&"directory-".repeat(20));
    std::fs::create_dir(&long).unwrap();
    let deep = Kept::in_directory(&long);
    assert!(deep.dir.as_os_str().len() > 200);
    deep.start(&deep.sh("exec sleep 100")).await.unwrap();
    assert!(kit::lives(deep.pid()));
    assert_eq!(deep.stop().await.exit, Some(Exit::Signal("SIGTERM".into())));
}

#[tokio::test]
async fn root_gives_the_process_to_the_account_with_all_its_groups() {
    if !windlass_testkit::machine::has_root("root_gives_the_process_to_the_account_with_all_its_groups") {
        return;
    }
    let kept = Kept::new();
    std::fs::set_permissions(kept.path(""), std::fs::Permissions::from_mode(0o755)).unwrap();
    let mut launch = kept.sh("id -un; id -Gn; id -rn -u; cat /proc/self/status | grep CapEff");
    launch.user = Some("nobody".into());
    assert_eq!(kept.run(&launch).await.exit, Some(Exit::Code(0)));
    let expected = "nobody\nnogroup\nnobody\nCapEff:\t0000000000000000\n";
    assert_eq!(kept.text("out.log"), expected);
}
