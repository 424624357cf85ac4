//! Started with the machine.

use std::path::Path;
use std::process::{Command, Output};

use windlass_testkit::sandbox::{Manifest, Sandbox, get, kill, until};

use super::{WINDLASS, deployed};

/// What is left of everything when the machine has started: files.
fn reboot(sandbox: &Sandbox) {
    until("the last process to end", || {
        let mut left = sandbox.processes();
        left.sort_by_key(|process| !process.is("windlass", "keeper"));
        for process in &left {
            kill(process.pid, rustix::process::Signal::KILL);
        }
        left.is_empty().then_some(())
    });
}

/// Runs the program as whatever starts the machine does: with next to no environment.
fn at_boot(arguments: &[&str]) -> Output {
    let mut command = Command::new(WINDLASS);
    command.args(arguments).env_clear().env("PATH", "/usr/bin:/bin").current_dir("/").output().unwrap()
}

#[test]
fn after_a_reboot_everything_comes_back_in_the_environment_it_had() {
    let sandbox = deployed(&Manifest::default());
    let path = sandbox.get("/env?PATH").body;
    assert_eq!(path, std::env::var("PATH").unwrap());
    reboot(&sandbox);
    let directory = sandbox.environment();
    let started = at_boot(&["host", "start", directory.to_str().unwrap()]);
    assert!(started.status.success() && started.stdout.is_empty(), "{started:?}");
    until("the application", || get(sandbox.port, "/version").ok().filter(|reply| reply.body == "r1"));
    assert_eq!(sandbox.get("/env?PATH").body, path, "the machine's own path was taken");
    until("the worker", || (sandbox.running("worker").len() == 1).then_some(()));
    sandbox.down();
}

#[test]
fn when_the_machine_goes_down_everything_ends_and_comes_back_with_it() {
    let more = "[resources.store]\nengine = \"redis\"\n";
    let manifest = Manifest { more: more.into(), web: "needs = [\"store\"]".into(), ..Manifest::default() };
    let sandbox = Sandbox::with(WINDLASS, &manifest);
    std::fs::set_permissions(sandbox.root(), std::os::unix::fs::PermissionsExt::from_mode(0o711)).unwrap();
    sandbox.succeed(&["deploy"]);
    let directory = sandbox.environment();
    let halted = at_boot(&["host", "halt", directory.to_str().unwrap()]);
    assert!(halted.status.success() && halted.stdout.is_empty(), "{halted:?}");
    sandbox.until_nothing_runs();
    let log = |name: &str| std::fs::read_to_string(directory.join("logs").join(name)).unwrap();
    assert!(log("store.log").contains("Redis is now ready to exit"), "it was not ended as it is to be");
    let started = at_boot(&["host", "start", directory.to_str().unwrap()]);
    assert!(started.status.success(), "{started:?}");
    until("the application", || get(sandbox.port, "/version").ok().filter(|reply| reply.body == "r1"));
    until("the worker", || (sandbox.running("worker").len() == 1).then_some(()));
    sandbox.down();
}

#[test]
fn where_everything_was_stopped_or_nothing_is_deployed_nothing_is_started() {
    let sandbox = deployed(&Manifest::small());
    sandbox.succeed(&["down"]);
    let directory = sandbox.environment();
    let started = at_boot(&["host", "start", directory.to_str().unwrap()]);
    assert!(started.status.success(), "{started:?}");
    // What went down may still be putting a log away; what was started would stay.
    sandbox.until_nothing_runs();
    let nowhere = sandbox.root().join("nowhere/local");
    let started = at_boot(&["host", "start", nowhere.to_str().unwrap()]);
    assert!(started.status.success() && !nowhere.exists(), "{started:?}");
    sandbox.succeed(&["down", "--delete-data", "--yes"]);
}

/// The machine's own crontab program, in a mount namespace in which the spool is a directory of the
/// test's own, and systemd's directory is not to be seen.
fn with_own_spool(sandbox: &Sandbox, spool: &Path, arguments: &[&str]) -> windlass_testkit::sandbox::Output {
    let script = "mount --bind \"$SPOOL\" /var/spool/cron/crontabs \
                  && { [ ! -d /run/systemd ] || mount -t tmpfs none /run/systemd; } && exec \"$@\"";
    let mut all = vec!["--mount", "sh", "-c", script, "sh", WINDLASS];
    all.extend(arguments);
    let mut command = sandbox.command_of(Path::new("unshare"), &all);
    let output = command.env("SPOOL", spool).output().unwrap();
    windlass_testkit::sandbox::Output {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        took: std::time::Duration::ZERO,
    }
}

#[test]
fn without_systemd_cron_starts_it() {
    let has = |program: &str| Path::new("/usr/bin").join(program).is_file();
    if !rustix::process::geteuid().is_root() || !has("crontab") || !has("unshare") {
        let what = "it takes root, and the programs crontab and unshare";
        return windlass_testkit::machine::lacks("without_systemd_cron_starts_it", what);
    }
    let sandbox = deployed(&Manifest::small());
    let spool = sandbox.root().join("spool");
    std::fs::create_dir(&spool).unwrap();
    let cron = |arguments: &[&str]| with_own_spool(&sandbox, &spool, arguments);
    let line = format!("@reboot {WINDLASS} host start {}\n", sandbox.environment().display());
    let table = || std::fs::read_to_string(spool.join("root")).unwrap_or_default();

    assert_eq!(sandbox.status()["boot"], serde_json::Value::Null);
    let enabled = cron(&["host", "enable"]);
    assert_eq!(enabled.code, 0, "{enabled:?}");
    assert!(enabled.stdout.contains("is started with the machine: cron"), "{enabled:?}");
    assert!(table().ends_with(&line), "{}", table());
    let again = cron(&["host", "enable", "--json"]);
    assert_eq!(again.json()["changed"], false, "{again:?}");
    assert_eq!(table().matches("@reboot").count(), 1);
    assert!(sandbox.status()["boot"].as_str().unwrap().contains("cron"));

    // What the line says is what the machine will run.
    reboot(&sandbox);
    let command = line.trim_start_matches("@reboot ").trim_end();
    let started = Command::new("/bin/sh").args(["-c", command]).env_clear().output().unwrap();
    assert!(started.status.success(), "{started:?}");
    until("the application", || get(sandbox.port, "/version").ok());

    let disabled = cron(&["host", "disable"]);
    assert_eq!(disabled.code, 0, "{disabled:?}");
    assert!(!table().contains("@reboot"), "{}", table());
    assert_eq!(sandbox.status()["boot"], serde_json::Value::Null);
    // With the data goes the entry.
    assert_eq!(cron(&["host", "enable"]).code, 0);
    let down = cron(&["down", "--delete-data", "--yes"]);
    assert_eq!(down.code, 0, "{down:?}");
    assert!(!table().contains("@reboot"), "{}", table());
}
