//! Another Windlass than the one that started everything.

use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::process::Signal;
use windlass_testkit::sandbox::{Manifest, Process, Sandbox, kill, until};

use super::WINDLASS;

fn copy(place: &Path, name: &str) -> PathBuf {
    let path = place.join(name).join("windlass");
    std::fs::create_dir(path.parent().unwrap()).unwrap();
    std::fs::copy(WINDLASS, &path).unwrap();
    path
}

fn runs(pid: Option<i32>, program: &Path) -> bool {
    pid.is_some_and(|pid| std::fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|exe| exe == program))
}

#[test]
fn a_windlass_at_another_path_brings_its_own_proxy() {
    let place = tempfile::tempdir().unwrap();
    let (old, new) = (copy(place.path(), "old"), copy(place.path(), "new"));
    let sandbox = Sandbox::with(WINDLASS, &Manifest::small());
    assert!(sandbox.command_of(&old, &["deploy"]).status().unwrap().success());
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

/// A keeper of before programs could be told to it: it waits until the one that is there has gone.
const OLD_KEEPER: &str = r#"
import fcntl, json, os, socket, sys, threading
os.chdir(sys.argv[1])
lock = open("lock")
fcntl.flock(lock, fcntl.LOCK_EX)
status = json.load(open("status.json"))
status["keeper"] = os.getpid()
open("status.new", "w").write(json.dumps(status))
os.rename("status.new", "status.json")
server = socket.socket(socket.AF_UNIX)
server.bind("sock.old")
server.listen()
os.rename("sock.old", "sock")
def serve(client):
    for line in client.makefile("rb"):
        note = None if b"watch" in line else "this is no command: unknown variant"
        client.sendall(json.dumps(dict(status, note=note)).encode() + b"\n")
while True:
    threading.Thread(target=serve, args=(server.accept()[0],), daemon=True).start()
"#;

#[test]
fn a_proxy_with_an_older_keeper_leaves_its_sockets_to_the_new_ones() {
    let place = tempfile::tempdir().unwrap();
    let (old, new) = (copy(place.path(), "old"), copy(place.path(), "new"));
    let sandbox = Sandbox::with(WINDLASS, &Manifest::small());
    assert!(sandbox.command_of(&old, &["deploy"]).status().unwrap().success());
    let directory = sandbox.environment().join("proxy/keeper");
    std::fs::write(sandbox.environment().join("proxy/build"), "of an older one").unwrap();
    let keeper = || {
        let status = std::fs::read(directory.join("status.json")).unwrap_or_default();
        let status: serde_json::Value = serde_json::from_slice(&status).unwrap_or_default();
        status["keeper"].as_i64().and_then(|pid| i32::try_from(pid).ok())
    };
    let mut other = Command::new("python3").args(["-c", OLD_KEEPER]).arg(&directory).spawn().unwrap();
    let is_real = |process: &Process| process.argv.iter().any(|word| Path::new(word) == directory);
    until("the older keeper", || {
        // Another one, where the older does not wait yet: the host side sees to that.
        sandbox.keepers().into_iter().filter(is_real).for_each(|real| kill(real.pid, Signal::KILL));
        (keeper() == i32::try_from(other.id()).ok()).then_some(())
    });
    sandbox.change();
    assert!(sandbox.command_of(&new, &["deploy"]).status().unwrap().success());
    until("the new proxy alone", || {
        let proxies: Vec<_> =
            sandbox.processes().into_iter().filter(|process| process.is("windlass", "proxy")).collect();
        (proxies.len() == 1 && runs(Some(proxies[0].pid), &new)).then_some(())
    });
    assert_eq!(sandbox.answering(), "r2");
    assert!(!other.wait().unwrap().success(), "it was to give way");
    assert!(!sandbox.environment().join("proxy/build").exists());
    assert!(sandbox.command_of(&new, &["down"]).status().unwrap().success());
}

#[test]
fn copies_are_looked_after_while_the_new_proxy_is_not_ready() {
    let place = tempfile::tempdir().unwrap();
    let (old, new) = (copy(place.path(), "old"), copy(place.path(), "new"));
    let sandbox = Sandbox::with(WINDLASS, &Manifest::small());
    assert!(sandbox.command_of(&old, &["deploy"]).status().unwrap().success());
    // A proxy that starts looks at what was written aside last: here it waits for somebody to write that.
    let aside = sandbox.environment().join("proxy/table.json.next");
    let _none_there = std::fs::remove_file(&aside);
    mknodat(CWD, &aside, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    assert!(sandbox.command_of(&new, &["run", "--", "true"]).status().unwrap().success());
    let proxies = || {
        let all = sandbox.processes().into_iter();
        let pids = all.filter(|process| process.is("windlass", "proxy")).map(|process| process.pid);
        pids.collect::<Vec<_>>()
    };
    let coming = until("the new proxy", || proxies().into_iter().find(|pid| runs(Some(*pid), &new)));
    let web = sandbox.running("web")[0].clone();
    for pid in [web.parent, web.pid] {
        kill(pid, Signal::KILL);
    }
    until("the copy again", || sandbox.running("web").iter().any(|other| other.pid != web.pid).then_some(()));
    assert!(proxies().len() == 2 && proxies().contains(&coming), "it was waited for");
    std::fs::OpenOptions::new().write(true).open(&aside).unwrap();
    std::fs::remove_file(&aside).unwrap();
    until("the new proxy alone", || (proxies() == [coming]).then_some(()));
    assert_eq!(sandbox.answering(), "r1");
    assert!(sandbox.command_of(&new, &["down"]).status().unwrap().success());
}
