//! Whose lines are shown.

use std::io::{BufRead as _, BufReader};

use windlass_testkit::sandbox::{Manifest, Sandbox, until};

use super::{WINDLASS, deployed};

#[test]
fn jobs_and_builds_have_logs_by_their_own_names() {
    let manifest = Manifest {
        more: "[build]\nsteps = [{ shell = \"echo built from $(cat version)\" }]\n\
               [jobs.hello]\ncommand = { shell = \"echo hello from $WINDLASS_RELEASE\" }\nwhen = \"before-start\"\n"
            .to_owned(),
        ..Manifest::small()
    };
    let sandbox = deployed(&manifest);
    sandbox.change();
    sandbox.succeed(&["deploy"]);
    let logs = |args: &[&str]| sandbox.succeed(&[&["logs"], args].concat()).stdout;
    assert_eq!(logs(&["hello"]), "hello from r2\n");
    assert_eq!(logs(&["hello", "--release", "r1"]), "hello from r1\n");
    assert_eq!(logs(&["r1.hello"]), "hello from r1\n");
    assert_eq!(logs(&["build"]), "built from 1\n");
    assert_eq!(logs(&["build", "--release", "r1"]), "built from 0\n");
    let unknown = sandbox.fail(&["logs", "helo"], 2);
    assert!(unknown.stderr.contains("did you mean hello?"), "{unknown:?}");
    sandbox.fail(&["logs", "../state/journal.db"], 2);
    sandbox.down();
}

/// Also of a first deploy, of which nothing else is left.
#[test]
fn what_a_build_or_a_job_said_is_there_when_its_release_has_gone_back() {
    let failing =
        "i=0; while [ $i -lt 200 ]; do i=$((i+1)); echo line $i of $(cat version); done; test -e well";
    let manifest = Manifest {
        more: format!(
            "[build]\nsteps = [{{ shell = \"{failing} -o -e job\" }}]\n\
             [jobs.prepare]\ncommand = {{ shell = \"{failing}\" }}\nwhen = \"before-start\"\n"
        ),
        ..Manifest::small()
    };
    let sandbox = Sandbox::with(WINDLASS, &manifest);
    let whole =
        |version: &str| (1..=200).map(|line| format!("line {line} of {version}\n")).collect::<String>();
    sandbox.write("version", "one");
    sandbox.write("job", "");
    let failed = sandbox.fail(&["deploy"], 3);
    assert!(
        failed.all().contains("`windlass logs prepare --release r1` shows all of it; the job"),
        "{failed:?}"
    );
    let shown = sandbox.succeed(&["logs", "prepare", "-n", "500"]);
    assert_eq!(shown.stdout, whole("one"));
    assert!(shown.stderr.contains("prepare ran last in r1; no release is active"), "{shown:?}");
    sandbox.write("well", "");
    sandbox.write("version", "two");
    sandbox.succeed(&["deploy"]);
    std::fs::remove_file(sandbox.source().join("well")).unwrap();
    std::fs::remove_file(sandbox.source().join("job")).unwrap();
    sandbox.write("version", "three");
    let failed = sandbox.run(&["deploy"]);
    assert_ne!(failed.code, 0, "{failed:?}");
    assert!(failed.all().contains("`windlass logs build --release r3` shows all of it"), "{failed:?}");
    let shown = sandbox.succeed(&["logs", "build", "-n", "500"]);
    assert_eq!(shown.stdout, whole("three"));
    assert!(shown.stderr.contains("build ran last in r3; the active release is r2"), "{shown:?}");
    let shown = sandbox.succeed(&["logs", "build", "--release", "r2"]);
    assert_eq!((shown.stdout, shown.stderr), (whole("two"), String::new()));
    let unknown = sandbox.fail(&["logs", "prepare", "--release", "r3"], 2);
    assert!(unknown.stderr.contains("there is no log of prepare of r3"), "{unknown:?}");
    assert!(unknown.stderr.contains("the newest is of r2: windlass logs prepare"), "{unknown:?}");
    sandbox.down();
}

#[test]
fn a_failing_start_shows_its_own_lines_only() {
    let sandbox = deployed(&Manifest::small());
    for release in ["r2", "r3"] {
        sandbox.behave("web.crash:20 web.slow-bind:60000");
        let failed = sandbox.fail(&["deploy"], 3);
        let shown = failed.all().matches("crashing, as told").count();
        assert_eq!(shown, 1, "{release} shows another's lines: {failed:#?}");
        let log = sandbox.succeed(&["logs", "web", "--release", release]).stdout;
        assert_eq!(log, "fixture: crashing, as told\n");
    }
    let whole = sandbox.succeed(&["logs", "web"]).stdout;
    let failed = ["r2", "r3"].map(|release| format!("web.{release}.1     | fixture: crashing, as told\n"));
    assert_eq!(whole, failed.concat(), "none is taken for the copy that runs");
    let before = sandbox.succeed(&["logs", "web", "--release", "r1"]).stdout;
    assert_eq!(before, "");
    sandbox.down();
}

/// A service that writes all the time; a release with the file `broken` says why it fails, and fails.
const TALKATIVE: &str = r#"
[services.talker]
settle = "1s"
command = { shell = "if [ -e broken ]; then echo for want of a nail; sleep 0.3; exit 7; fi; while :; do echo $WINDLASS_RELEASE is at work; sleep 0.01; done" }
"#;

#[test]
fn what_the_old_release_writes_does_not_hide_why_the_new_one_fails() {
    let sandbox = deployed(&Manifest { more: TALKATIVE.to_owned(), ..Manifest::small() });
    sandbox.write("broken", "");
    sandbox.change();
    let failed = sandbox.fail(&["deploy"], 3).all();
    assert!(failed.contains("for want of a nail") && !failed.contains("is at work"), "{failed}");
    let whole = sandbox.succeed(&["logs", "talker"]).stdout;
    assert!(whole.contains("r1 is at work") && whole.contains("for want of a nail"), "{whole}");
    let last = sandbox.succeed(&["logs", "talker", "-n", "2"]).stdout;
    assert!(last.contains("r1 is at work"), "what runs is among them: {last}");
    let none = sandbox.fail(&["logs", "talker", "--release", "r9"], 2);
    assert!(none.stderr.contains("no copy of talker was started by r9"), "{none:?}");
    sandbox.down();
}

#[test]
fn whoever_follows_a_service_sees_the_next_release_too() {
    let sandbox = deployed(&Manifest { more: TALKATIVE.to_owned(), ..Manifest::small() });
    let mut command = sandbox.command(&["logs", "-f", "talker"]);
    let mut follower = command.stdout(std::process::Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(follower.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert!(lines.any(|line| line == "r1 is at work"));
    sandbox.change();
    sandbox.succeed(&["deploy"]);
    // First as one that is not active yet, then under its own name.
    assert!(lines.any(|line| line == "talker.r2.1  | r2 is at work"));
    assert!(lines.any(|line| line == "talker       | r2 is at work"));
    follower.kill().unwrap();
    follower.wait().unwrap();
    sandbox.down();
}

#[test]
fn of_several_copies_it_is_told_which_one_wrote_a_line() {
    let worker = "[services.worker]\nsettle = \"100ms\"\nreplicas = 2\n\
                  command = { shell = \"echo $WINDLASS_INSTANCE is at work; exec sleep 600\" }\n";
    let sandbox = deployed(&Manifest { more: worker.to_owned(), ..Manifest::small() });
    let logs = |args: &[&str]| sandbox.succeed(&[&["logs"], args].concat()).stdout;
    let both = "worker.1     | worker.r1.1 is at work\nworker.2     | worker.r1.2 is at work\n";
    assert_eq!(logs(&["worker"]), both);
    assert_eq!(logs(&["--release", "r1"]), both);
    for one in ["worker.r1.2", "worker.2"] {
        assert_eq!(logs(&[one]), "worker.r1.2 is at work\n");
    }
    let line = logs(&["worker.2", "--json"]);
    let line: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!((&line["source"], &line["copy"]), (&"worker.2".into(), &"worker.r1.2".into()));
    let unknown = sandbox.fail(&["logs", "worker.r1.3"], 2);
    assert!(unknown.stderr.contains("there is no log of worker.r1.3"), "{unknown:?}");
    // Of one copy there is nothing to tell.
    sandbox.succeed(&["scale", "worker=1"]);
    sandbox.succeed(&["restart", "worker"]);
    let last = logs(&["worker", "-n", "1"]);
    assert!(last.starts_with("worker.r") && last.ends_with(".1 is at work\n"), "{last}");
    sandbox.down();
}

#[test]
fn a_release_without_logs_is_told_of() {
    let sandbox = deployed(&Manifest::small());
    let told = |release: &str| sandbox.fail(&["logs", "--release", release], 2).stderr;
    assert_eq!(told("r99"), "error: there is no release r99\n  hint: windlass releases lists them\n");
    sandbox.down();
}

/// Services that tell the time as programs do: in the zone of their environment, in one of their own, not at all.
const CLOCKS: &str = r#"
[services.west]
settle = "100ms"
env = { TZ = "America/New_York" }
command = { shell = "date -d '1 hour ago' +'[%F %T,000: INFO] old'; date +'[%F %T,000: INFO] new'; exec sleep 600" }

[services.known]
settle = "100ms"
env = { TZ = "America/New_York" }
command = { shell = "date -d '20 minutes ago' +'[%F %T,000: INFO] old'; echo new; exec sleep 600" }

[services.east]
settle = "100ms"
command = { shell = "export TZ=Asia/Tokyo; date -d '1 hour ago' +'[%F %T,000: INFO] old'; date +'[%F %T,000: INFO] new'; exec sleep 600" }

[services.offset]
settle = "100ms"
command = { shell = "export TZ=America/New_York; date -d '1 hour ago' +'[%F %T %z] [1] [INFO] old'; date +'[%F %T %z] [1] [INFO] new'; exec sleep 600" }

[services.never]
settle = "100ms"
command = { shell = "echo old; echo new; exec sleep 600" }
"#;

#[test]
fn what_was_written_lately_is_shown_in_whatever_zone_it_is_told() {
    let sandbox = deployed(&Manifest { more: CLOCKS.to_owned(), ..Manifest::small() });
    for service in ["west", "east", "offset"] {
        let lately = sandbox.succeed(&["logs", service, "--since", "10m"]);
        assert!(
            lately.stdout.ends_with(" new\n") && lately.stdout.lines().count() == 1,
            "{service}: {lately:?}"
        );
        assert_eq!(lately.stderr, "");
        let all = sandbox.succeed(&["logs", service, "--since", "2h"]).stdout;
        assert_eq!(all.lines().count(), 2, "{all}");
    }
    // What is not written when it says cannot tell its zone: only its environment can.
    let known = |time: &str| sandbox.succeed(&["logs", "known", "--since", time]).stdout;
    assert_eq!(known("10m"), "new\n");
    assert_eq!(known("30m").lines().count(), 2);
    let never = sandbox.succeed(&["logs", "never", "--since", "10m"]);
    assert_eq!(never.stdout, "old\nnew\n");
    assert_eq!(never.stderr, "never prints no times: all of its lines since r1 started are shown\n");
    assert_eq!(sandbox.succeed(&["logs", "never", "--since", "2999-01-01T00:00:00Z"]).all(), "");
    sandbox.down();
}

#[test]
fn a_cron_job_that_has_not_run_yet_has_an_empty_log() {
    let more = "[cron.yearly]\nschedule = \"0 0 1 1 *\"\ncommand = [\"true\"]\n".to_owned();
    let sandbox = deployed(&Manifest { more, ..Manifest::small() });
    assert_eq!(sandbox.succeed(&["logs", "yearly", "web"]).stdout, "");
    sandbox.fail(&["logs", "monthly"], 2);
    sandbox.down();
}

#[test]
fn what_the_proxy_was_asked_is_a_log_of_its_own_and_has_times() {
    let sandbox = deployed(&Manifest::small());
    assert_eq!(sandbox.get("/version?first").status, 200);
    let since = |time: &str| sandbox.run(&["logs", "access", "--since", time]);
    windlass_testkit::sandbox::until("the line", || since("10m").stdout.contains("/version").then_some(()));
    assert_eq!(since("2999-01-01T00:00:00Z").stdout, "");
    assert_eq!(since("yesterday").code, 2);
    sandbox.down();
}

// proves: HS-20
#[test]
fn requests_are_found_again_after_their_log_was_rotated() {
    let sandbox = deployed(&Manifest::small());
    let archive = |number: u32| sandbox.environment().join(format!("logs/access.log.{number}.gz"));
    // It was rotated last on an earlier day.
    std::fs::write(archive(1), "").unwrap();
    let yesterday = std::time::SystemTime::now() - std::time::Duration::from_secs(25 * 3600);
    std::fs::File::options().write(true).open(archive(1)).unwrap().set_modified(yesterday).unwrap();
    let shown = || sandbox.succeed(&["logs", "access", "--since", "1h"]).stdout;
    assert_eq!(sandbox.get("/before").status, 200);
    until("a logged request", || shown().contains("/before").then_some(()));
    let proxy = rustix::process::Pid::from_raw(sandbox.proxy().unwrap()).unwrap();
    rustix::process::kill_process(proxy, rustix::process::Signal::KILL).unwrap();
    until("a log put away", || archive(2).exists().then_some(()));
    until("the proxy", || (sandbox.get("/after").status == 200).then_some(()));
    until("the next request", || shown().contains("/after").then_some(()));
    let shown = shown();
    assert!(shown.find("/before") < shown.find("/after") && shown.contains("/before"), "{shown}");
    let live = std::fs::read_to_string(sandbox.environment().join("logs/access.log")).unwrap();
    assert!(!live.contains("/before"), "{live}");
    sandbox.down();
}
