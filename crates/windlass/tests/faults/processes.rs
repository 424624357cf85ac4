//! Windlass's own processes are killed, and the application's.

use rustix::process::Signal;
use windlass_testkit::sandbox::{Load, Manifest, kill, lives, until};

use super::{act_at, boundaries, deployed, exhaustive, is_sound, line};

#[test]
fn the_proxy_is_killed_at_every_step_and_between() {
    let line = line("the_proxy_is_killed_at_every_step_and_between");
    let sandbox = deployed(&Manifest::default());
    sandbox.change();
    let all = boundaries(&sandbox);
    let stride = if exhaustive() { 1 } else { 4 };
    let mut kills = 0;
    for boundary in std::iter::once(None).chain((0..all).step_by(stride).map(Some)) {
        let load = Load::begin(sandbox.port);
        let before = sandbox.proxy().unwrap();
        let die = || {
            kill(before, Signal::KILL);
            until("another proxy", || sandbox.proxy().filter(|pid| *pid != before));
        };
        match boundary {
            Some(boundary) => {
                sandbox.change();
                let code = act_at(&sandbox, boundary, |_| die());
                assert!(matches!(code, Some(0 | 3)), "{boundary}: {code:?}\n{}", sandbox.logs());
            }
            None => die(),
        }
        let seen = load.end();
        // What was in flight in a process that is killed is lost; the listening socket is not.
        assert!(seen.failed().len() <= 3, "{boundary:?}: {:#?}", seen.failed());
        is_sound(&sandbox, &format!("the proxy killed at {boundary:?}"));
        kills += 1;
    }
    sandbox.down();
    line.held(&format!(
        "{kills} kills, at {} of {all} boundaries and between deploys: at most the requests in flight were \
         lost (3 allowed for each)",
        kills - 1
    ));
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
    load.end().assert_none_failed();
    assert!(web.iter().all(|pid| lives(*pid)), "the application was ended");
    let load = Load::begin(sandbox.port);
    sandbox.change();
    sandbox.succeed(&["deploy"]);
    load.end().assert_none_failed();
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
