//! Windlass's own processes are killed, and the application's.

use std::time::Duration;

use rustix::process::Signal;
use windlass_testkit::sandbox::{Load, Manifest, kill, lives, until};

use super::{deployed, is_sound, line};

#[test]
fn the_proxy_is_killed_in_a_deploy_and_between() {
    let line = line("the_proxy_is_killed_in_a_deploy_and_between");
    let sandbox = deployed(&Manifest::default());
    for millis in [None, Some(30), Some(150), Some(300), Some(450)] {
        let before = sandbox.proxy().unwrap();
        let load = Load::begin(sandbox.port);
        std::thread::sleep(Duration::from_millis(100));
        sandbox.change();
        let deploy = millis.map(|_| sandbox.start(&["deploy"]));
        std::thread::sleep(Duration::from_millis(millis.unwrap_or_default()));
        kill(before, Signal::KILL);
        until("another proxy", || sandbox.proxy().filter(|pid| *pid != before));
        if let Some(deploy) = deploy {
            let output = deploy.finish();
            assert!(matches!(output.code, 0 | 3), "{output:#?}");
        }
        std::thread::sleep(Duration::from_millis(200));
        let seen = load.end();
        // What was in flight in a process that is killed is lost; the listening socket is not.
        assert!(seen.failed().len() <= 3, "{millis:?}: {:#?}", seen.failed());
        is_sound(&sandbox, &format!("the proxy killed at {millis:?}"));
    }
    sandbox.down();
    line.held("5 kills, at most the requests in flight were lost (3 allowed for each)");
}

#[test]
fn keepers_are_killed() {
    let line = line("keepers_are_killed");
    let sandbox = deployed(&Manifest::default());
    let load = Load::begin(sandbox.port);
    let web: Vec<i32> = sandbox.running("web").iter().map(|process| process.pid).collect();
    let keepers = sandbox.keepers();
    assert!(keepers.len() >= 6, "{keepers:#?}");
    for keeper in &keepers {
        kill(keeper.pid, Signal::KILL);
    }
    until("keepers for all", || (sandbox.keepers().len() == keepers.len()).then_some(()));
    load.end().assert_none_failed(5);
    assert!(web.iter().all(|pid| lives(*pid)), "the application was ended");
    let load = Load::begin(sandbox.port);
    sandbox.change();
    sandbox.succeed(&["deploy"]);
    load.end().assert_none_failed(5);
    is_sound(&sandbox, "keepers killed");
    assert!(web.iter().all(|pid| !lives(*pid)));
    sandbox.down();
    line.held(
        "all at once: 0 failed requests, each process has a keeper again, the next deploy stops the old",
    );
}

#[test]
fn everything_is_killed_at_once_as_by_a_reboot() {
    let line = line("everything_is_killed_at_once_as_by_a_reboot");
    let sandbox = deployed(&Manifest { deploy: "bake = \"2s\"".into(), ..Manifest::default() });
    for during_deploy in [false, true] {
        let deploy = during_deploy.then(|| {
            sandbox.change();
            let deploy = sandbox.start(&["deploy"]);
            until("the new release to answer", || (sandbox.answering() == "r2").then_some(()));
            deploy
        });
        for _ in 0..20 {
            let mut all = sandbox.processes();
            all.sort_by_key(|process| !process.is("windlass", "keeper"));
            all.iter().for_each(|process| kill(process.pid, Signal::KILL));
        }
        drop(deploy);
        until("silence", || sandbox.processes().is_empty().then_some(()));
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
        is_sound(&sandbox, &format!("during a deploy: {during_deploy}"));
        assert_eq!(sandbox.release(), "r1");
    }
    sandbox.down();
    line.held("between deploys and in the bake: the old release answers after the first command");
}
