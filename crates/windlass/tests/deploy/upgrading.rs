//! Another Windlass than the one that started everything.

use std::path::PathBuf;

use rustix::process::Signal;
use windlass_testkit::sandbox::{Manifest, Sandbox, kill, until};

use super::WINDLASS;

#[test]
fn a_windlass_at_another_path_brings_its_own_proxy() {
    let place = tempfile::tempdir().unwrap();
    let copy = |name: &str| {
        let path = place.path().join(name).join("windlass");
        std::fs::create_dir(path.parent().unwrap()).unwrap();
        std::fs::copy(WINDLASS, &path).unwrap();
        path
    };
    let (old, new) = (copy("old"), copy("new"));
    let sandbox = Sandbox::with(WINDLASS, &Manifest::small());
    assert!(sandbox.command_of(&old, &["deploy"]).status().unwrap().success());
    let runs = |pid: Option<i32>, program: &PathBuf| {
        pid.is_some_and(|pid| std::fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|exe| exe == *program))
    };
    assert!(runs(sandbox.proxy(), &old));
    sandbox.change();
    assert!(sandbox.command_of(&new, &["deploy"]).status().unwrap().success());
    until("the new host side", || runs(sandbox.host(), &new).then_some(()));
    until("the new proxy alone", || {
        let proxies: Vec<_> =
            sandbox.processes().into_iter().filter(|process| process.is("windlass", "proxy")).collect();
        (proxies.len() == 1 && runs(Some(proxies[0].pid), &new)).then_some(())
    });
    assert_eq!(sandbox.answering(), "r2");
    // And it comes back as what it is, also from a new keeper, when the old one is not there any more.
    std::fs::remove_file(&old).unwrap();
    kill(sandbox.proxy().unwrap(), Signal::KILL);
    until("the new proxy again", || runs(sandbox.proxy(), &new).then_some(()));
    let launch = sandbox.environment().join("proxy/keeper/launch.json");
    assert!(std::fs::read_to_string(launch).unwrap().contains(new.to_str().unwrap()));
    assert!(sandbox.command_of(&new, &["down"]).status().unwrap().success());
}
